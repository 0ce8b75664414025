//! Everything that is not as it should be.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::concerns::{Weight, concerns};
use crate::ui::text::{span, spread};
use crate::ui::{format, symbols};

/// Draws the list.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>) {
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
    for concern in concerns {
        let (glyph, style) = match concern.weight {
            Weight::Bad => (symbols::FAILED, theme.danger()),
            Weight::Mind => (symbols::MIND, theme.mind()),
            Weight::Blind => (symbols::STALE, theme.faint()),
        };
        let left = vec![
            span(format!("{glyph} "), style),
            span(format!("{}  ", concern.place), theme.faint()),
            span(concern.text, theme.plain()),
        ];
        let age = concern.since.map(|since| format::age_in_seconds(scene.state.since(since))).unwrap_or_default();
        sheet.body.push(spread(left, vec![span(age, theme.faint())], room));
    }
    sheet.foot = vec![Line::from(span("Esc closes", theme.faint()))];
    sheet.draw(buffer, scene);
}
