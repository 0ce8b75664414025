//! Whether to leave although something runs.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, button, room};
use crate::ui::doc::Doc;
use crate::ui::text::span;

/// Draws the question.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, leave: bool) {
    let theme = scene.theme;
    let mut doc = Doc::new(theme, room(scene));
    match scene.state.run.running() {
        Some((step, _)) => {
            let title = scene.state.run.step(&step).map_or_else(
                || step.to_string(),
                |(partition, step, _)| format!("{} · {} {}", partition.name, step.label, step.title),
            );
            doc.text(format!("{title} is running."), theme.bright());
            doc.text(
                "What was sent goes on without the cockpit; programs that it started go on as well. The next start takes \
                 them up again and looks what became of them.",
                theme.plain(),
            );
        }
        None => doc.text("Nothing is running. The next start goes on from here.", theme.plain()),
    }
    let mut sheet = Sheet::new(scene, "leave the cockpit");
    sheet.body = doc.finish();
    sheet.foot = vec![Line::from(vec![
        button(scene, "Stay", !leave, true, theme.palette.ground.selected),
        span("  ", theme.plain()),
        button(scene, "Leave", leave, true, theme.palette.state.running),
        span("  ⇥ moves · Enter chooses · Esc stays", theme.faint()),
    ])];
    sheet.draw(buffer, scene);
}
