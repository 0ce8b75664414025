//! What a terminal's input means to the state: the one way from keys, mouse and pastes to the update.

use crossterm::event::{Event, MouseButton, MouseEventKind};
use ratatui::layout::Rect;

use crate::app::mouse::Act;
use crate::app::state::State;
use crate::app::update::Message;

/// Lines that a notch of the wheel scrolls.
const WHEEL: isize = 3;

/// What an input means on a screen of this size; none where it concerns nothing here.
pub fn message(area: Rect, state: &State, input: Event) -> Option<Message> {
    match input {
        Event::Key(key) => Some(Message::Key(key)),
        // Nobody knows what of a dialog is still seen before it is drawn again.
        Event::Resize(..) => Some(Message::Drawn { fits: false, terminal: None }),
        Event::Paste(text) => Some(Message::Paste(text)),
        Event::Mouse(mouse) => {
            let act = act_of(mouse.kind)?;
            Some(Message::Mouse { target: super::target(area, state, (mouse.column, mouse.row).into()), act })
        }
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// What the mouse does with a button or its wheel; nothing of the rest concerns the cockpit.
fn act_of(kind: MouseEventKind) -> Option<Act> {
    match kind {
        MouseEventKind::ScrollUp => Some(Act::Wheel(WHEEL)),
        MouseEventKind::ScrollDown => Some(Act::Wheel(-WHEEL)),
        MouseEventKind::Down(MouseButton::Left) => Some(Act::Click),
        _ => None,
    }
}
