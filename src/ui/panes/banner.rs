//! The sentence under the header: two rows on a tinted ground that carries across a shared screen, and a third where
//! the screen is shared.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;
use unicode_width::UnicodeWidthStr as _;

use crate::app::banner::{Piece, Stress, banner};
use crate::app::share;
use crate::app::state::State;
use crate::ui::symbols;
use crate::ui::text::{Spans, fit, fit_spans, span, spread, width};
use crate::ui::theme::Theme;

/// Draws the sentence.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let sentence = banner(state);
    buffer.set_style(area, theme.urgency(sentence.urgency).ground());
    let (glyph, style) = symbols::urgency(sentence.urgency, theme);
    let room = usize::from(area.width).saturating_sub(4);
    let production = state.run.plan.partitions.iter().find(|partition| partition.production);
    let is_production = |piece: &Piece| production.is_some_and(|partition| piece.text == partition.name.as_str());
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        let mut headline = pieces(&sentence.headline, room, theme);
        // Production has its own colour everywhere.
        if sentence.headline.first().is_some_and(is_production)
            && let Some(first) = headline.first_mut()
        {
            first.style = theme.palette.frame.production.bold();
        }
        headline.insert(0, span(format!("{glyph} "), style));
        buffer.set_line(row.x + 1, row.y, &Line::from(headline), row.width.saturating_sub(2));
    }
    if let Some(row) = rows.next() {
        let detail = pieces(&sentence.detail, room, theme);
        buffer.set_line(row.x + 3, row.y, &Line::from(detail), row.width.saturating_sub(4));
    }
    if let Some(row) = rows.next() {
        shared(buffer, row, state, theme);
    }
}

/// The row for those who look on: the step in hand, and at the right the keys that were pressed.
fn shared(buffer: &mut Buffer, row: Rect, state: &State, theme: &Theme) {
    let Some((partition, step, _)) = share::step_in_hand(state).and_then(|step| state.run.step(&step)) else { return };
    let ground = if partition.production { theme.palette.frame.production } else { theme.palette.state.accent };
    let style = theme.badge(ground);
    buffer.set_style(row, style);
    let room = usize::from(row.width).saturating_sub(2);
    let echoed = share::echoed(state);
    let keys = echoed.iter().map(|(age, name)| {
        // Those that were pressed a while ago recede before they go.
        let style = if age.as_secs() < FADES { style.add_modifier(Modifier::UNDERLINED) } else { style };
        [span("  ", theme.badge(ground)), span((*name).to_owned(), style)]
    });
    let keys: Spans = keys.flatten().collect();
    let words = format!("{}   {} {}", partition.name.as_str().to_uppercase(), step.label, step.title);
    buffer.set_line(row.x + 1, row.y, &spread(vec![span(words, style)], keys, room), row.width.saturating_sub(2));
}

/// Seconds after which a key that was pressed recedes.
const FADES: i64 = 2;

/// Columns below which a piece that is cut says nothing any more.
const CUT: usize = 24;

/// The pieces in a row. Where there is no room for all, the longest of those beside the point is cut; if that does not do,
/// they go first, then the plain ones, the last of them first; what hurts stays.
fn pieces(pieces: &[Piece], room: usize, theme: &Theme) -> Spans {
    let mut pieces = pieces.to_vec();
    let all: Vec<&Piece> = pieces.iter().collect();
    let over = width(&line(&all, theme)).saturating_sub(room);
    let longest =
        pieces.iter_mut().filter(|piece| piece.stress == Stress::Faint).max_by_key(|piece| piece.text.width());
    if let Some(longest) = longest.filter(|longest| over > 0 && longest.text.width() >= over + CUT) {
        longest.text = fit(&longest.text, longest.text.width() - over);
    }
    let mut kept: Vec<&Piece> = pieces.iter().collect();
    while width(&line(&kept, theme)) > room {
        let last_of = |stress| kept.iter().rposition(|piece| piece.stress == stress);
        let Some(least) = last_of(Stress::Faint).or_else(|| last_of(Stress::Plain)) else { break };
        kept.remove(least);
    }
    fit_spans(line(&kept, theme), room)
}

fn line(pieces: &[&Piece], theme: &Theme) -> Spans {
    let mut spans: Spans = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            spans.push(span("   ", theme.plain()));
        }
        spans.push(span(piece.text.clone(), theme.stress(piece.stress)));
    }
    spans
}
