//! Everything that is not as it should be.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::concerns::{Concern, Weight, concerns};
use crate::ui::text::{column, span, spread, wrap};
use crate::ui::{format, symbols};

/// Columns of the mark and the blank behind it.
const MARK: usize = 2;
/// Columns kept free for the age.
const AGE: usize = 7;
/// Rows of the frame, the air and the foot.
const AROUND: u16 = 7;

/// Draws the list.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, scroll: u16) {
    let theme = scene.theme;
    let room = room(scene);
    let concerns = concerns(scene.state);
    let mut sheet = Sheet::new(scene, "what is not as it should be");
    if concerns.is_empty() {
        sheet.body = vec![Line::from(vec![
            span(format!("{} ", symbols::OK), theme.ok()),
            span("Nothing. Every source answers, and everybody agrees.", theme.plain()),
        ])];
    }
    let rows: Vec<Vec<Line<'static>>> = concerns.into_iter().map(|concern| told(scene, concern, room)).collect();
    let all: usize = rows.iter().map(Vec::len).sum();
    // Each one whole, for what one is told to do stands at its end; but rather each one than some of them whole.
    let each = if all <= usize::from(scene.area.height.saturating_sub(AROUND)) { usize::MAX } else { 1 };
    sheet.body.extend(rows.into_iter().flat_map(|lines| lines.into_iter().take(each)));
    sheet.scroll = usize::from(scroll);
    sheet.foot = vec![Line::from(span("Esc closes", theme.faint()))];
    sheet.draw(buffer, scene);
}

/// A concern in as many rows as it needs; its age stands in the first.
fn told(scene: &Scene<'_>, concern: Concern, room: usize) -> Vec<Line<'static>> {
    let theme = scene.theme;
    let (glyph, style) = match concern.weight {
        Weight::Bad => (symbols::FAILED, theme.danger()),
        Weight::Mind => (symbols::MIND, theme.mind()),
        Weight::Blind => (symbols::STALE, theme.faint()),
    };
    let age = concern.since.map(|since| format::age_in_seconds(scene.state.since(since))).unwrap_or_default();
    let words = [span(format!("{}  ", concern.place), theme.faint()), span(concern.text, theme.plain())];
    let lines = wrap(&words, room.saturating_sub(MARK + AGE)).into_iter().enumerate().map(|(row, mut line)| {
        let (glyph, age) = if row == 0 { (glyph, age.as_str()) } else { ("", "") };
        line.insert(0, span(column(glyph, MARK), style));
        spread(line, vec![span(age, theme.faint())], room)
    });
    lines.collect()
}
