//! Dialogs: small state machines, each tied to what it asks about, so that a late answer to another is dropped.

use super::palette::Palette;
use super::terminal::Terminal;
use crate::runbook::approval::Approval;
use crate::runbook::event::{Brief, NoteKind};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::state::Run;
use crate::watch::sample::StatementKey;

/// What stands over the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// The facts for a confirmation are being gathered.
    Preparing {
        /// The step.
        step: StepRef,
        /// Number of the request.
        request: u64,
        /// The choice that it is to be fired with, where a way out names one.
        choice: Option<String>,
    },
    /// A step waits to be fired.
    Confirm(Box<Confirm>),
    /// Words are asked for.
    Ask(Ask),
    /// What can be done about a step in trouble.
    Ways {
        /// The step.
        step: StepRef,
        /// Which of its [ways](super::ways::ways) is marked.
        marked: usize,
        /// Lines scrolled.
        scroll: u16,
    },
    /// The levers of a partition.
    Levers {
        /// The partition.
        partition: PartitionName,
        /// The lever that is marked, by its place in the [list](super::levers::levers).
        marked: usize,
    },
    /// The terminal of a program.
    Terminal(Box<Terminal>),
    /// A step with all that is known of it.
    Details {
        /// The step.
        step: StepRef,
        /// Lines scrolled.
        scroll: u16,
    },
    /// A statement with its whole text and its figures.
    Query {
        /// The partition.
        partition: PartitionName,
        /// By what the statement is known.
        key: StatementKey,
        /// Lines scrolled.
        scroll: u16,
    },
    /// Everything that can be done or looked at.
    Palette(Palette),
    /// The keys.
    Help {
        /// Lines scrolled.
        scroll: u16,
    },
    /// Which sources and partitions of the log are shown.
    LogFilter {
        /// Which of its [rows](super::log_keys::filter_rows) is marked.
        marked: usize,
    },
    /// Everything that is not as it should be, beyond the sentence under the header.
    Concerns {
        /// Lines scrolled.
        scroll: u16,
    },
    /// What each witness of a partition says, and the rule by which they agree.
    Witnesses {
        /// The partition.
        partition: PartitionName,
        /// Lines scrolled.
        scroll: u16,
    },
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
    /// The choice that a way out named.
    pub wanted: Option<String>,
    /// Lines scrolled, where the terminal is too low for all of it.
    pub scroll: u16,
    /// Which button is focused; Cancel at first.
    pub focus: Button,
    /// The operator fired; the gate is being asked.
    pub firing: bool,
    /// Why it was not fired.
    pub refused: Option<String>,
    /// Whether a second person's approval is wanted.
    pub wants: Wants,
    /// Whether this screen asks its own user, who is not the operator, for that approval.
    pub approving: bool,
}

/// Whether a second person's approval is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// The operator fires alone.
    Nobody,
    /// It waits for it.
    Another,
    /// It was given.
    Given(Approval),
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
            wanted: None,
            scroll: 0,
            focus: Button::Cancel,
            firing: false,
            refused: None,
            wants: Wants::Nobody,
            approving: false,
        }
    }

    /// The same, with the second person's part as the run has it.
    pub fn guarded(mut self, run: &Run) -> Self {
        let open = run.confirming.as_ref().filter(|open| open.step == self.step && open.request == self.request);
        self.wants = match open.and_then(|open| open.approved.clone()) {
            Some(approval) => Wants::Given(approval),
            None if run.wants_approval(&self.step) => Wants::Another,
            None => Wants::Nobody,
        };
        self
    }

    /// The same, with the choice marked that a way out named. Where it is not among the choices now, that is said: the first
    /// of the others is not what was meant.
    pub fn wanting(mut self, wanted: Option<String>) -> Self {
        let Some(wanted) = wanted else { return self };
        match self.brief.choices.iter().position(|choice| choice.id == wanted) {
            Some(index) => self.choice = index,
            None if self.brief.choices.is_empty() => {}
            None => self.refused = Some(format!("{wanted} is not among the choices now; choose anew, or cancel")),
        }
        self.wanted = Some(wanted);
        self
    }

    /// The choice that it is fired with.
    pub fn chosen(&self) -> Option<String> {
        self.brief.choices.get(self.choice).map(|choice| choice.id.clone()).or_else(|| self.wanted.clone())
    }

    /// Whether Fire can be chosen: nothing blocks, a second person has approved where one is to, and the name, where one is
    /// asked for, is complete.
    pub fn can_fire(&self) -> bool {
        let blocked = self.brief.preconditions.iter().any(|each| each.holds == crate::runbook::check::Holds::No);
        let alone = self.wants == Wants::Another;
        !blocked && !alone && !self.firing && self.brief.type_name.as_ref().is_none_or(|name| *name == self.typed)
    }
}

/// A question for words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What the words are for.
    pub purpose: Purpose,
    /// The words so far.
    pub text: String,
    /// A name that must be typed as well.
    pub name: Option<NameTyped>,
    /// Why they were not taken.
    pub refused: Option<String>,
    /// Whether Enter opened it: then Enter alone does not answer it, however often it comes.
    pub by_enter: bool,
}

/// A name that is typed to show that one knows where one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTyped {
    /// The name.
    pub name: String,
    /// What was typed so far.
    pub typed: String,
    /// Whether the keys go here, and no longer to the words.
    pub focused: bool,
}

impl Ask {
    /// A question as it opens, with words to begin from.
    pub fn new(purpose: Purpose, text: impl Into<String>) -> Self {
        Self { purpose, text: text.into(), name: None, refused: None, by_enter: false }
    }

    /// Wants a name typed as well.
    pub fn naming(mut self, name: &str) -> Self {
        self.name = Some(NameTyped { name: name.to_owned(), typed: String::new(), focused: false });
        self
    }

    /// The line that the keys go to.
    pub fn line(&mut self) -> &mut String {
        match &mut self.name {
            Some(name) if name.focused => &mut name.typed,
            _ => &mut self.text,
        }
    }

    /// Whether it can do without words.
    pub fn words_are_optional(&self) -> bool {
        self.purpose.words_are_optional() && !self.by_enter
    }

    /// Why the words cannot be taken as they are, if so.
    pub fn lacks(&self) -> Option<&'static str> {
        if self.text.trim().is_empty() && !self.purpose.words_are_optional() {
            return Some("a few words are needed: they go into the execution log");
        }
        if self.text.trim().is_empty() && self.by_enter {
            return Some(
                "Enter opened this, and Enter alone does not answer it: write a word, or leave and use its own key",
            );
        }
        let named = self.name.as_ref().is_none_or(|name| name.typed == name.name);
        if named { None } else { Some("the cluster's name must be typed whole") }
    }
}

/// What words are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// The reason to pass over a step.
    Skip(StepRef),
    /// A note about a step.
    Note(StepRef, NoteKind),
    /// A remark with the go-ahead.
    GoAhead(PartitionName),
    /// The reason to go back to a step.
    Back {
        /// The step that is gone back to.
        to: StepRef,
        /// The step that showed that it must be.
        from: StepRef,
    },
    /// The reason why a partition was taken back, and how.
    RollBack(PartitionName),
    /// The reason to stop the rollout.
    Stop,
}

impl Purpose {
    /// Whether it can do without words.
    pub fn words_are_optional(&self) -> bool {
        matches!(self, Self::GoAhead(_))
    }
}
