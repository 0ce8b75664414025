//! Which sources and partitions of the log are shown.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::log_keys::{FilterRow, filter_rows};
use crate::ui::doc::Doc;
use crate::ui::text::span;

/// Draws the list; the marked row is the one that the space bar turns.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, marked: usize) {
    let (state, theme) = (scene.state, scene.theme);
    let mut doc = Doc::new(theme, room(scene));
    let rows = filter_rows(state);
    let first_partition = rows.iter().position(|row| matches!(row, FilterRow::Partition(_)));
    for (index, row) in rows.iter().enumerate() {
        match index {
            0 => doc.text("sources", theme.palette.state.accent.bold()),
            _ if Some(index) == first_partition => {
                doc.blank();
                doc.text("partitions", theme.palette.state.accent.bold());
            }
            _ => {}
        }
        let is_shown = row.is_shown(state.log.filter());
        let (words, style) = match row {
            FilterRow::Source(source) => (source.name().to_owned(), theme.source(*source)),
            FilterRow::Partition(Some(name)) => (name.to_string(), theme.plain()),
            FilterRow::Partition(None) => ("the run's own lines".to_owned(), theme.plain()),
        };
        let mark = if index == marked { span("› ", theme.accent()) } else { span("  ", theme.plain()) };
        let check = if is_shown { span("[x] ", theme.accent()) } else { span("[ ] ", theme.faint()) };
        let line = Line::from(vec![mark, check, span(words, if is_shown { style } else { theme.faint() })]);
        doc.line(if index == marked { line.patch_style(theme.palette.ground.marked.ground()) } else { line });
    }
    let mut sheet = Sheet::new(scene, "what the log shows");
    sheet.body = doc.finish();
    sheet.scroll = marked.saturating_sub(6);
    sheet.foot = vec![Line::from(vec![
        span("Space", theme.accent()),
        span(" shows or hides   ", theme.plain()),
        span("a", theme.accent()),
        span(" shows all   ", theme.plain()),
        span("Esc closes", theme.faint()),
    ])];
    sheet.draw(buffer, scene);
}
