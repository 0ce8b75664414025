//! Dialogs: what stands over the receded screen, one file each.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::adapt;
use super::theme::Theme;
use crate::app::dialog::Dialog;
use crate::app::state::State;

mod ask;
mod concerns;
mod confirm;
mod details;
mod help;
mod levers;
mod log_filter;
mod palette;
mod preparing;
mod query;
mod quit;
mod sheet;
pub mod terminal;
mod ways;
mod witnesses;

/// Draws the dialog over the screen; answers where the cursor stands, if it stands in it.
pub fn draw(buffer: &mut Buffer, area: Rect, dialog: &Dialog, state: &State, theme: &Theme) -> Option<Position> {
    match dialog {
        // A theme is judged by the screen itself.
        Dialog::Palette(asked) if asked.preview.is_some() => {}
        Dialog::Terminal(_) => adapt::recede(buffer, terminal::receding(area), theme.palette.ground.screen.0),
        _ => adapt::recede(buffer, area, theme.palette.ground.screen.0),
    }
    let scene = Scene { area, state, theme };
    match dialog {
        Dialog::Preparing { step, .. } => preparing::draw(buffer, &scene, step),
        Dialog::Confirm(confirm) => return confirm::draw(buffer, &scene, confirm),
        Dialog::Ask(ask) => return ask::draw(buffer, &scene, ask),
        Dialog::Ways { step, marked, scroll } => ways::draw(buffer, &scene, step, *marked, *scroll),
        Dialog::Levers { partition, marked } => levers::draw(buffer, &scene, partition, *marked),
        Dialog::Terminal(program) => return terminal::draw(buffer, &scene, program),
        Dialog::Details { step, scroll } => details::draw(buffer, &scene, step, *scroll),
        Dialog::Query { partition, key, scroll } => query::draw(buffer, &scene, partition, *key, *scroll),
        Dialog::Help { scroll } => help::draw(buffer, &scene, *scroll),
        Dialog::Palette(asked) => return palette::draw(buffer, &scene, asked),
        Dialog::LogFilter { marked } => log_filter::draw(buffer, &scene, *marked),
        Dialog::Concerns { scroll } => concerns::draw(buffer, &scene, *scroll),
        Dialog::Witnesses { partition, scroll } => witnesses::draw(buffer, &scene, partition, *scroll),
        Dialog::Quit { leave } => quit::draw(buffer, &scene, *leave),
    }
    None
}

/// What a dialog draws from.
struct Scene<'a> {
    area: Rect,
    state: &'a State,
    theme: &'a Theme,
}
