//! The one table of commands: it drives dispatch, footer, help and the README's list of keys.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::attach::attachable;
use super::state::{Mode, Pane, State};
use super::ways::{tries_again, troubled};
use crate::runbook::event::Outcome;
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::state::StepState;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandId {
    /// Opens the confirmation of the marked step.
    Fire,
    /// Passes over the marked step, with a reason.
    Skip,
    /// Opens the go-ahead of the partition.
    GoAhead,
    /// Writes a note about the marked step.
    Note,
    /// Writes down a decision about the marked step, with what is on the screen of it.
    Decision,
    /// Writes down what is left to be done after the rollout.
    FollowUp,
    /// Lists what can be done about the marked step.
    Ways,
    /// Lists the partition's levers.
    Levers,
    /// Has a step that waits before it tries again try at once.
    RetryNow,
    /// Shows the terminal of the program that runs.
    Terminal,
    /// Takes the partition back.
    RollBack,
    /// Shows everything known of the marked step.
    Details,
    /// Stops the rollout.
    Stop,
    /// Marks the step above, or scrolls up.
    Up,
    /// Marks the step below, or scrolls down.
    Down,
    /// Scrolls a page up.
    PageUp,
    /// Scrolls a page down.
    PageDown,
    /// Looks at the partition before.
    PartitionBefore,
    /// Looks at the next partition.
    PartitionNext,
    /// Gives the keys to the next pane.
    PaneNext,
    /// Gives the keys to the pane before.
    PaneBefore,
    /// Gives the focused pane the whole screen, or takes it back.
    Zoom,
    /// Looks again at what runs.
    Follow,
    /// Lists everything that is not as it should be.
    Concerns,
    /// Shows the keys.
    Help,
    /// Leaves.
    Quit,
}

/// A command.
#[derive(Debug)]
pub struct Command {
    /// What it does.
    pub id: CommandId,
    /// Its name in footer and help.
    pub label: &'static str,
    /// Its keys; the first is the one that is shown.
    pub keys: &'static [Key],
    /// Whether it can lead to a change outside the cockpit; such a command only ever opens a dialog.
    pub danger: bool,
    /// Whether it has a place in the footer.
    pub footer: bool,
    /// One sentence of help.
    pub help: &'static str,
    /// Why it does nothing now, if so.
    pub disabled_reason: fn(&State) -> Option<String>,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character as typed.
    Char(char),
    /// A named key.
    Named(KeyCode, &'static str),
}

impl Key {
    /// Its name on screen.
    pub fn name(self) -> String {
        match self {
            Self::Char(character) => character.to_string(),
            Self::Named(_, name) => name.to_owned(),
        }
    }

    fn matches(self, event: &KeyEvent) -> bool {
        if event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return false;
        }
        match self {
            Self::Char(character) => event.code == KeyCode::Char(character),
            Self::Named(code, _) => event.code == code,
        }
    }
}

const ENTER: Key = Key::Named(KeyCode::Enter, "Enter");
const UP: Key = Key::Named(KeyCode::Up, "↑");
const DOWN: Key = Key::Named(KeyCode::Down, "↓");
const LEFT: Key = Key::Named(KeyCode::Left, "←");
const RIGHT: Key = Key::Named(KeyCode::Right, "→");
const TAB: Key = Key::Named(KeyCode::Tab, "⇥");
const BACK_TAB: Key = Key::Named(KeyCode::BackTab, "⇤");
const PAGE_UP: Key = Key::Named(KeyCode::PageUp, "PgUp");
const PAGE_DOWN: Key = Key::Named(KeyCode::PageDown, "PgDn");

/// Every command, in the order in which footer and help list them.
pub static COMMANDS: &[Command] = &[
    Command {
        id: CommandId::Fire,
        label: "fire",
        keys: &[ENTER],
        danger: true,
        footer: true,
        help: "Open the confirmation of the marked step. Nothing is sent before you confirm; Cancel is focused.",
        disabled_reason: fire_disabled,
    },
    Command {
        id: CommandId::Ways,
        label: "ways out",
        keys: &[Key::Char('w')],
        danger: true,
        footer: true,
        help: "List what can be done about the marked step, the best first.",
        disabled_reason: ways_disabled,
    },
    Command {
        id: CommandId::RetryNow,
        label: "try now",
        keys: &[Key::Char('R')],
        danger: false,
        footer: true,
        help: "Try at once what was refused, instead of waiting; it was confirmed before.",
        disabled_reason: retry_disabled,
    },
    Command {
        id: CommandId::Terminal,
        label: "terminal",
        keys: &[Key::Char('i')],
        danger: false,
        footer: true,
        help: "Show the terminal of the program that runs, and type into it; Ctrl-] leaves it.",
        disabled_reason: terminal_disabled,
    },
    Command {
        id: CommandId::Skip,
        label: "skip",
        keys: &[Key::Char('s')],
        danger: true,
        footer: true,
        help: "Pass over the marked step, with a reason that goes into the execution log.",
        disabled_reason: skip_disabled,
    },
    Command {
        id: CommandId::GoAhead,
        label: "go-ahead",
        keys: &[Key::Char('g')],
        danger: true,
        footer: true,
        help: "Say that this partition is done and the next one may begin.",
        disabled_reason: go_ahead_disabled,
    },
    Command {
        id: CommandId::Note,
        label: "note",
        keys: &[Key::Char('n')],
        danger: false,
        footer: true,
        help: "Write a note about the marked step into the execution log.",
        disabled_reason: controls_missing,
    },
    Command {
        id: CommandId::Levers,
        label: "levers",
        keys: &[Key::Char('L')],
        danger: true,
        footer: true,
        help: "List the partition's levers: which can be pulled, what each costs, how it last went.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Decision,
        label: "decision",
        keys: &[Key::Char('D')],
        danger: false,
        footer: false,
        help: "Write a decision about the marked step into the execution log, with the evidence on the screen.",
        disabled_reason: controls_missing,
    },
    Command {
        id: CommandId::FollowUp,
        label: "follow-up",
        keys: &[Key::Char('T')],
        danger: false,
        footer: false,
        help: "Write down what is left to be done after the rollout.",
        disabled_reason: controls_missing,
    },
    Command {
        id: CommandId::Details,
        label: "details",
        keys: &[Key::Char('d')],
        danger: false,
        footer: true,
        help: "Show everything known of the marked step: attempts, calls, checks, evidence, the runbook's own text.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PartitionBefore,
        label: "partition before",
        keys: &[LEFT, Key::Char('[')],
        danger: false,
        footer: false,
        help: "Look at the partition before this one.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PartitionNext,
        label: "partition",
        keys: &[RIGHT, Key::Char(']')],
        danger: false,
        footer: true,
        help: "Look at the next partition.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PaneNext,
        label: "pane",
        keys: &[TAB],
        danger: false,
        footer: true,
        help: "Give the keys to the next pane.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PaneBefore,
        label: "pane before",
        keys: &[BACK_TAB],
        danger: false,
        footer: false,
        help: "Give the keys to the pane before.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Up,
        label: "up",
        keys: &[UP, Key::Char('k')],
        danger: false,
        footer: false,
        help: "Mark the step above; in another pane, scroll up.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Down,
        label: "down",
        keys: &[DOWN, Key::Char('j')],
        danger: false,
        footer: false,
        help: "Mark the step below; in another pane, scroll down.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PageUp,
        label: "page up",
        keys: &[PAGE_UP],
        danger: false,
        footer: false,
        help: "Scroll a page up.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::PageDown,
        label: "page down",
        keys: &[PAGE_DOWN],
        danger: false,
        footer: false,
        help: "Scroll a page down.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Zoom,
        label: "zoom",
        keys: &[Key::Char('z')],
        danger: false,
        footer: true,
        help: "Give the focused pane the whole screen, or take it back.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Follow,
        label: "follow",
        keys: &[Key::Char('f')],
        danger: false,
        footer: false,
        help: "Look at what runs again, and let every pane follow.",
        disabled_reason: already_following,
    },
    Command {
        id: CommandId::Concerns,
        label: "concerns",
        keys: &[Key::Char('!')],
        danger: false,
        footer: false,
        help: "List everything that is not as it should be.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::RollBack,
        label: "roll back",
        keys: &[Key::Char('B')],
        danger: true,
        footer: false,
        help: "Say that this partition was taken back, how and why. It then reads FAILED · ROLLED BACK, and nothing goes on after it.",
        disabled_reason: roll_back_disabled,
    },
    Command {
        id: CommandId::Stop,
        label: "stop the rollout",
        keys: &[Key::Char('X')],
        danger: true,
        footer: false,
        help: "Stop the rollout, with a reason. What has not run will not run.",
        disabled_reason: stop_disabled,
    },
    Command {
        id: CommandId::Help,
        label: "help",
        keys: &[Key::Char('?')],
        danger: false,
        footer: true,
        help: "Show the keys, and why some of them do nothing now.",
        disabled_reason: never,
    },
    Command {
        id: CommandId::Quit,
        label: "quit",
        keys: &[Key::Char('q')],
        danger: false,
        footer: true,
        help: "Leave. Programs that run go on running, and the next start takes them up again.",
        disabled_reason: never,
    },
];

/// The command of a key, if it has one.
pub fn of_key(event: &KeyEvent) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.keys.iter().any(|key| key.matches(event)))
}

/// The step of the partition looked at that a step's own key fires: its number, or its letter.
///
/// Where a number stands at several steps (`5` and `5b`, `6` before and after the chart), the first that is not behind.
pub fn step_of_key(state: &State, event: &KeyEvent) -> Option<usize> {
    let KeyCode::Char(character) = event.code else { return None };
    if !event.modifiers.is_empty() || !(character.is_ascii_digit() || character == 'p' || character == 'm') {
        return None;
    }
    let (partition, _) = state.looked_at();
    let labelled = |step: &&(usize, &crate::runbook::plan::Step)| step.1.label.starts_with(character);
    let steps: Vec<_> = partition.steps.iter().enumerate().collect();
    let behind = |step: &crate::runbook::plan::Step| {
        let reference = StepRef { partition: partition.name.clone(), step: step.id.clone() };
        state.run.state_of(&reference).is_behind()
    };
    let first_open = steps.iter().filter(labelled).find(|(_, step)| !behind(step));
    first_open.or_else(|| steps.iter().find(labelled)).map(|(index, _)| *index)
}

fn never(_: &State) -> Option<String> {
    None
}

/// Why nothing can be changed from here, if so.
pub fn controls_missing(state: &State) -> Option<String> {
    match &state.mode {
        Mode::Operator => None,
        Mode::Monitor(Some(holder)) => Some(format!("read-only: {} holds the controls", holder.operator)),
        Mode::Monitor(None) => Some("read-only: this is a monitor".to_owned()),
    }
}

/// Why the marked step cannot be fired from here now, if so.
pub fn fire_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let step = state.marked_step()?;
    locked(state, &step)
}

/// Why a step cannot be fired now, if so.
pub fn locked(state: &State, step: &StepRef) -> Option<String> {
    let locks = state.run.gate(step).err()?;
    let reasons: Vec<String> = locks.iter().map(ToString::to_string).collect();
    Some(reasons.join("; "))
}

fn skip_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let step = state.marked_step()?;
    let (_, planned, _) = state.run.step(&step)?;
    if !planned.kind.skippable() {
        return Some(format!("{} is not skipped", planned.title));
    }
    locked(state, &step)
}

fn go_ahead_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let (partition, _) = state.looked_at();
    let step = partition.steps.iter().find(|step| step.kind == StepKind::GoAhead)?;
    locked(state, &StepRef { partition: partition.name.clone(), step: step.id.clone() })
}

fn stop_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let (running, _) = state.run.running()?;
    Some(format!("{running} is running; wait until it ends"))
}

fn ways_disabled(state: &State) -> Option<String> {
    let step = state.marked_step()?;
    if let Some(why) = state.run.will_not_run(&step.partition) {
        return Some(why);
    }
    troubled(state).is_none().then(|| "no step is in trouble".to_owned())
}

fn retry_disabled(state: &State) -> Option<String> {
    let waits = state.run.running().and_then(|(step, _)| tries_again(state, &step));
    controls_missing(state).or_else(|| waits.is_none().then(|| "nothing waits to be tried again".to_owned()))
}

fn terminal_disabled(state: &State) -> Option<String> {
    attachable(state).is_none().then(|| "no program runs, and the marked step ran none".to_owned())
}

fn roll_back_disabled(state: &State) -> Option<String> {
    if let Some(reason) = stop_disabled(state) {
        return Some(reason);
    }
    let (partition, run) = state.looked_at();
    if run.rolled_back.is_some() {
        return Some(format!("{} was rolled back", partition.name));
    }
    let begun = run.steps.iter().any(|step| !step.attempts.is_empty());
    (!begun).then(|| format!("nothing was fired in {} yet", partition.name))
}

fn already_following(state: &State) -> Option<String> {
    (state.follows && state.scrolled(Pane::Log) == 0).then(|| "everything follows".to_owned())
}

/// What firing the marked step would be called: `fire`, `try again`, …
pub fn fire_label(state: &State) -> String {
    let Some(step) = state.marked_step() else { return "fire".to_owned() };
    let Some((_, planned, run)) = state.run.step(&step) else { return "fire".to_owned() };
    let title = format!("{} {}", planned.label, planned.title);
    match state.run.state_of(&step) {
        StepState::Running { .. } | StepState::Verifying { .. } => format!("{title} ▶"),
        StepState::Failed(_) | StepState::Partial(_) | StepState::Unknown => format!("{title} again"),
        _ if run.attempts.iter().any(|attempt| matches!(attempt.outcome, Some(Outcome::Deferred { .. }))) => {
            format!("{title} again")
        }
        _ => title,
    }
}
