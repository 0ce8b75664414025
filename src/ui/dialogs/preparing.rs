//! While the facts for a confirmation are gathered.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::Sheet;
use crate::runbook::names::StepRef;
use crate::ui::symbols;
use crate::ui::text::span;

/// Draws the wait.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, step: &StepRef) {
    let theme = scene.theme;
    let Some((partition, planned, _)) = scene.state.run.step(step) else { return };
    let mut sheet = Sheet::new(scene, &format!("{} {}", planned.label, planned.title)).of_partition(scene, partition);
    sheet.body = vec![Line::from(vec![
        span(format!("{} ", symbols::SETTLING), theme.running()),
        span("looking at what holds now, so that you can decide on fresh facts …", theme.plain()),
    ])];
    sheet.foot = vec![Line::from(span("Nothing is sent. Esc leaves it.", theme.faint()))];
    sheet.draw(buffer, scene);
}
