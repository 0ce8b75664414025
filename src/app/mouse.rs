//! The mouse, where it helps: its wheel scrolls what is under it, a click marks what it points at. It never fires anything.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::dialog::Dialog;
use super::fleet::ALL_NEAR;
use super::in_dialog::in_dialog;
use super::keys::{focus_on, look_at, scroll_pane};
use super::palette::Palette;
use super::state::{Pane, State};
use super::update::open;

/// What the mouse points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A pane, and nothing of its own in it.
    Pane(Pane),
    /// A step of the partition that is looked at, by its place.
    Step(usize),
    /// A line of the log, by its number.
    Line(u64),
    /// A partition, by its place in the plan.
    Partition(usize),
    /// The line above the partitions, where there are more than are seen.
    Fleet,
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The wheel is turned: lines back (positive) or forth.
    Wheel(isize),
    /// The left button is pressed.
    Click,
}

impl Target {
    fn pane(self) -> Option<Pane> {
        match self {
            Self::Pane(pane) => Some(pane),
            Self::Step(_) => Some(Pane::Steps),
            Self::Line(_) => Some(Pane::Log),
            Self::Partition(_) | Self::Fleet => None,
        }
    }
}

/// Takes in what the mouse did.
pub(super) fn on_mouse(state: &mut State, target: Option<Target>, act: Act, operator: &str) {
    if state.dialog.is_some() {
        return in_front(state, act, operator);
    }
    let Some(target) = target else { return };
    match act {
        Act::Wheel(lines) => {
            match target.pane() {
                Some(pane) => scroll_pane(state, pane, lines),
                // Where all are seen, there is nothing to be scrolled.
                None if state.run.plan.partitions.len() > ALL_NEAR => {
                    look_at(state, state.partition.checked_add_signed(lines.saturating_neg()));
                }
                None => {}
            }
        }
        Act::Click => click(state, target),
    }
}

fn click(state: &mut State, target: Target) {
    if let Some(pane) = target.pane() {
        focus_on(state, pane);
    }
    match target {
        Target::Pane(_) => {}
        Target::Step(step) => {
            state.step = step.min(state.looked_at().0.steps.len().saturating_sub(1));
            state.follows = false;
        }
        Target::Line(line) => state.log.mark(line),
        Target::Partition(partition) => look_at(state, Some(partition)),
        Target::Fleet => open(state, Dialog::Palette(Palette::of_partitions())),
    }
}

/// A dialog is scrolled by the wheel where the arrows scroll or mark; where they choose what is fired, it is left alone.
fn in_front(state: &mut State, act: Act, operator: &str) {
    let Act::Wheel(lines) = act else { return };
    let scrolls = match &mut state.dialog {
        Some(Dialog::Terminal(terminal)) => {
            terminal.emulator.scroll(lines);
            false
        }
        Some(
            Dialog::Details { .. }
            | Dialog::Query { .. }
            | Dialog::Concerns { .. }
            | Dialog::Help { .. }
            | Dialog::Levers { .. }
            | Dialog::LogFilter { .. }
            | Dialog::Palette(_)
            | Dialog::Witnesses { .. },
        ) => state.dialog_drawn,
        _ => false,
    };
    let key = KeyEvent::new(if lines > 0 { KeyCode::Up } else { KeyCode::Down }, KeyModifiers::NONE);
    for _ in 0..lines.unsigned_abs() {
        if scrolls {
            // An arrow asks for nothing to be done outside.
            let _ = in_dialog(state, key, operator);
        }
    }
}
