//! The one table of commands: it drives dispatch, footer, help and the README's list of keys.

mod reasons;
mod table;

use crossterm::event::{KeyCode, KeyEvent};

use super::state::{Pane, State};
use crate::runbook::event::Outcome;
use crate::runbook::state::StepState;

pub(super) use reasons::named;
pub use reasons::{controls_missing, fire_disabled, locked};
pub use table::COMMANDS;

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
    /// Shows what each witness says, and the rule.
    Witnesses,
    /// Looks closer at the timeline.
    Closer,
    /// Sees more of the timeline.
    Wider,
    /// Looks at what was before.
    Earlier,
    /// Looks at what came after.
    Later,
    /// Approves, as the second person, what the operator is about to fire.
    Approve,
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
    /// Finds a partition among all of them.
    Find,
    /// Looks at the next partition that calls for somebody.
    NextCalling,
    /// Gives the keys to the next pane.
    PaneNext,
    /// Gives the keys to the pane before.
    PaneBefore,
    /// Gives the focused pane the whole screen, or takes it back.
    Zoom,
    /// Masks what is private, for a screen that others see, or shows it again.
    Share,
    /// Looks again at what runs.
    Follow,
    /// Looks at the oldest line, or the first row.
    Oldest,
    /// Looks at the newest line, or the last row.
    Newest,
    /// Searches the log.
    Search,
    /// Goes to the newer line that was found.
    MatchNewer,
    /// Goes to the older line that was found.
    MatchOlder,
    /// Shows lines of the log from another level on.
    LogLevel,
    /// Chooses sources and partitions of the log.
    LogFilter,
    /// Shows only the partition's lines of the log, or all partitions'.
    LogPartition,
    /// Lets long lines of the log go on below, or cuts them.
    LogWrap,
    /// Writes the log's times in another way.
    LogStamps,
    /// Copies lines of the log.
    LogCopy,
    /// Stops the log where it is, or lets it follow.
    LogPause,
    /// The load by the second, or by the minute.
    LoadResolution,
    /// The load of the writer's role, or instance by instance.
    LoadWhose,
    /// The statements that make the load.
    LoadStatements,
    /// The load before and after the last flip.
    LoadChange,
    /// Lists everything that is not as it should be.
    Concerns,
    /// Sorts the queries by the next figure.
    SortNext,
    /// Sorts the queries the other way round.
    SortReversed,
    /// Lets only those queries be seen that hold what is typed.
    Filter,
    /// Shows the whole text of the marked query.
    QueryText,
    /// Puts the queries before and after the flip side by side.
    Compare,
    /// Lets a replay stand still, or go on.
    Play,
    /// Plays faster.
    Faster,
    /// Plays slower.
    Slower,
    /// Goes a little back in a replay.
    Back,
    /// Goes a little forth in a replay.
    Forth,
    /// Goes back to what happened before.
    MarkBefore,
    /// Goes on to what happens next.
    MarkNext,
    /// Lists everything that can be done or looked at, to be found by its letters.
    Palette,
    /// Shows the keys.
    Help,
    /// Leaves.
    Quit,
}

impl CommandId {
    /// Its name in the settings and the palette: `partition-before`.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
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
    /// The pane that must have the keys for it; none is everywhere. A pane's own command goes before one that is everywhere.
    pub pane: Option<Pane>,
    /// Whether it has a place in the footer.
    pub footer: bool,
    /// One sentence of help.
    pub help: &'static str,
    /// Why it does nothing now, if so.
    pub disabled_reason: fn(&State) -> Option<String>,
}

impl Command {
    /// Whether it has a place on the screen: what moves a replay is of no use elsewhere, and in a replay nothing is decided.
    pub fn has_a_place(&self, state: &State) -> bool {
        match (state.replay.is_some(), self.moves_a_replay()) {
            (true, moves) => moves || (!self.danger && (self.disabled_reason)(state).is_none()),
            (false, moves) => !moves,
        }
    }

    /// Whether it moves a replay.
    pub fn moves_a_replay(&self) -> bool {
        use CommandId::{Back, Faster, Forth, MarkBefore, MarkNext, Play, Slower};
        matches!(self.id, Play | Back | Forth | MarkBefore | MarkNext | Slower | Faster)
    }
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
        let reference = partition.reference(&step.id);
        state.run.state_of(&reference).is_behind()
    };
    let first_open = steps.iter().filter(labelled).find(|(_, step)| !behind(step));
    first_open.or_else(|| steps.iter().find(labelled)).map(|(index, _)| *index)
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
