//! Lying bars for the tables.

use ratatui::style::Style;
use ratatui::text::Span;

use crate::ui::text::span;

/// A bar of that share of `room` cells; anything at all is a cell at least.
pub(super) fn bar(share: f64, room: usize, style: Style) -> Span<'static> {
    let cells = (share.clamp(0.0, 1.0) * room as f64).round() as usize;
    let cells = if share > 0.0 { cells.max(1) } else { 0 };
    span(format!("{}{}", "━".repeat(cells), " ".repeat(room.saturating_sub(cells))), style)
}
