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
mod doc;
mod help;
mod preparing;
mod quit;
mod sheet;

/// Draws the dialog over the screen; answers where the cursor stands, if it stands in it.
pub fn draw(buffer: &mut Buffer, area: Rect, dialog: &Dialog, state: &State, theme: &Theme) -> Option<Position> {
    adapt::recede(buffer, area, theme.palette.ground.screen.0);
    let scene = Scene { area, state, theme };
    match dialog {
        Dialog::Preparing { step, .. } => preparing::draw(buffer, &scene, step),
        Dialog::Confirm(confirm) => return confirm::draw(buffer, &scene, confirm),
        Dialog::Ask(ask) => return ask::draw(buffer, &scene, ask),
        Dialog::Details { step, scroll } => details::draw(buffer, &scene, step, *scroll),
        Dialog::Help { scroll } => help::draw(buffer, &scene, *scroll),
        Dialog::Concerns => concerns::draw(buffer, &scene),
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
