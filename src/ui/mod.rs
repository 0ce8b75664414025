//! The screen: draws the state, decides nothing.
//!
//! [`draw`] reads the state and the theme and nothing else, so that a recording of the state is a recording of the screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

pub use self::input::message;
pub use self::layout::fits;
use self::layout::{Places, SMALLEST};
use self::theme::Theme;
use crate::app::mouse::Target;
use crate::app::share::Mask;
use crate::app::state::{Pane, State};
use crate::app::terminal::Size;

pub mod adapt;
mod dialogs;
mod doc;
mod finding;
mod format;
pub mod input;
mod layout;
mod mask;
mod names;
mod panel;
mod panes;
mod symbols;
mod text;
pub mod theme;
mod window;

/// Room for a program's terminal on a screen of this size; none where it is too small for one.
pub fn terminal_room(area: Rect) -> Option<Size> {
    dialogs::terminal::size(area)
}

/// Numbers of the log's lines that are seen on a screen of this size, oldest first.
pub fn seen_of_log(area: Rect, state: &State) -> Vec<u64> {
    let places = layout::places(area, state);
    let place = places.and_then(|places| places.panes.into_iter().find(|(pane, _)| *pane == Pane::Log));
    place.map_or_else(Vec::new, |(_, area)| panes::log::seen(area, state))
}

/// What of the screen stands at a column and row.
pub fn target(area: Rect, state: &State, at: Position) -> Option<Target> {
    let places = layout::places(area, state)?;
    if places.partitions.contains(at) {
        return panes::partitions::at(places.partitions, places.form, state, at);
    }
    let (pane, area) = places.panes.into_iter().find(|(_, area)| area.contains(at))?;
    let own = match pane {
        Pane::Steps => panes::steps::step_at(area, state, at.y).map(Target::Step),
        Pane::Log => panes::log::line_at(area, state, at.y).map(Target::Line),
        _ => None,
    };
    Some(own.unwrap_or(Target::Pane(pane)))
}

/// Draws one frame.
pub fn draw(frame: &mut Frame<'_>, state: &State, theme: &Theme) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    buffer.set_style(area, theme.plain().patch(theme.palette.ground.screen.ground()));
    let cursor = match layout::places(area, state) {
        Some(places) => {
            draw_panes(buffer, &places, state, theme);
            state.dialog.as_ref().and_then(|dialog| dialogs::draw(buffer, area, dialog, state, theme))
        }
        None => {
            too_small(buffer, area, theme);
            None
        }
    };
    if state.share {
        // Behind everything that draws, so that nothing can be forgotten.
        mask::apply(buffer, &Mask::of(state));
    }
    adapt::adapt(buffer, theme.depth, theme.charset);
    if let Some(Position { x, y }) = cursor {
        frame.set_cursor_position((x, y));
    }
}

fn draw_panes(buffer: &mut Buffer, places: &Places, state: &State, theme: &Theme) {
    panes::header::draw(buffer, places.header, state, theme);
    panes::banner::draw(buffer, places.banner, state, theme);
    panes::partitions::draw(buffer, places.partitions, places.form, state, theme);
    for (pane, area) in &places.panes {
        let slot = panes::Slot { area: *area, pane: *pane, alone: places.panes.len() <= 2, state, theme };
        match pane {
            Pane::Steps => panes::steps::draw(buffer, &slot),
            Pane::Checks => panes::checks::draw(buffer, &slot),
            Pane::Timeline => panes::timeline::draw(buffer, &slot),
            Pane::Load => panes::load::draw(buffer, &slot),
            Pane::Queries => panes::queries::draw(buffer, &slot),
            Pane::Pods => panes::pods::draw(buffer, &slot),
            Pane::Log => panes::log::draw(buffer, &slot),
        }
    }
    panes::scrubber::draw(buffer, places.scrubber, state, theme);
    panes::footer::draw(buffer, places.footer, state, theme);
}

fn too_small(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    let (columns, rows) = SMALLEST;
    let words = [
        Line::styled("aurora-cockpit", theme.strong()),
        Line::styled(format!("needs {columns}x{rows}"), theme.plain()),
        Line::styled(format!("has {}x{}", area.width, area.height), theme.mind()),
        Line::styled("what runs goes on", theme.faint()),
    ];
    panel::lines(buffer, area, words);
}
