//! Dialogs: small state machines, each tied to what it asks about, so that a late answer to another is dropped.

use crate::runbook::event::Brief;
use crate::runbook::names::{PartitionName, StepRef};

/// What stands over the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// The facts for a confirmation are being gathered.
    Preparing {
        /// The step.
        step: StepRef,
        /// Number of the request.
        request: u64,
    },
    /// A step waits to be fired.
    Confirm(Box<Confirm>),
    /// Words are asked for.
    Ask(Ask),
    /// A step with all that is known of it.
    Details {
        /// The step.
        step: StepRef,
        /// Lines scrolled.
        scroll: u16,
    },
    /// The keys.
    Help {
        /// Lines scrolled.
        scroll: u16,
    },
    /// Everything that is not as it should be, beyond the sentence under the header.
    Concerns,
    /// Whether to leave although something runs.
    Quit {
        /// Whether the choice to leave is focused.
        leave: bool,
    },
}

/// A confirmation.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// The step.
    pub step: StepRef,
    /// Number of the request.
    pub request: u64,
    /// What will be done, to what, and what holds.
    pub brief: Brief,
    /// What was typed so far, where a name must be typed.
    pub typed: String,
    /// Which of the brief's choices is marked.
    pub choice: usize,
    /// Lines scrolled, where the terminal is too low for all of it.
    pub scroll: u16,
    /// Which button is focused; Cancel at first.
    pub focus: Button,
    /// The operator fired; the gate is being asked.
    pub firing: bool,
    /// Why it was not fired.
    pub refused: Option<String>,
}

/// A button of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// Leaves everything as it is.
    Cancel,
    /// Fires.
    Fire,
}

impl Confirm {
    /// A confirmation as it opens: nothing typed, Cancel focused.
    pub fn new(step: StepRef, request: u64, brief: Brief) -> Self {
        Self {
            step,
            request,
            brief,
            typed: String::new(),
            choice: 0,
            scroll: 0,
            focus: Button::Cancel,
            firing: false,
            refused: None,
        }
    }

    /// Whether Fire can be chosen: nothing blocks, and the name, where one is asked for, is complete.
    pub fn can_fire(&self) -> bool {
        let blocked = self.brief.preconditions.iter().any(|each| each.holds == crate::runbook::check::Holds::No);
        !blocked && !self.firing && self.brief.type_name.as_ref().is_none_or(|name| *name == self.typed)
    }
}

/// A question for words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What the words are for.
    pub purpose: Purpose,
    /// The words so far.
    pub text: String,
    /// Why they were not taken.
    pub refused: Option<String>,
}

/// What words are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The reason to pass over a step.
    Skip(StepRef),
    /// A note about a step.
    Note(StepRef),
    /// A remark with the go-ahead.
    GoAhead(PartitionName),
    /// The reason to stop the rollout.
    Stop,
}

impl Purpose {
    /// Whether it can do without words.
    pub fn words_are_optional(&self) -> bool {
        matches!(self, Self::GoAhead(_))
    }
}
