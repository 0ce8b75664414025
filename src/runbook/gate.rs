//! Gates: whether a step may be fired now, and if not, why. One place decides, for keys and for headless firing alike.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::check::Holds;
use super::event::{ActionOutcome, Event};
use super::names::{PartitionName, StepId, StepRef};
use super::plan::StepKind;
use super::state::{Run, StepState};

/// How old a precondition may be when a step is fired on it.
pub const FRESH: Duration = Duration::from_secs(15);

/// One reason why a step may not be fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// The partition before has not got its go-ahead.
    PartitionBefore(PartitionName),
    /// A step that this one needs is not behind us.
    Needs(StepId, String),
    /// Something else is running; there is no pipelining.
    Busy(StepRef),
    /// It was done.
    Done,
    /// It waits until a later step is behind us.
    Deferred(StepId),
    /// Nothing more is run.
    Closed(String),
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartitionBefore(name) => write!(f, "{name} has no go-ahead yet"),
            Self::Needs(_, title) => write!(f, "needs: {title}"),
            Self::Busy(step) => write!(f, "{step} is running; nothing is fired beside it"),
            Self::Done => write!(f, "it is done"),
            Self::Deferred(step) => write!(f, "deferred until {step} is done"),
            Self::Closed(why) => write!(f, "{why}"),
        }
    }
}

/// Why an event was not admitted to the run. Nothing was written, nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The gate is closed.
    #[error("{step} is locked: {}", list(.locks))]
    Locked {
        /// The step.
        step: StepRef,
        /// Every reason.
        locks: Vec<Lock>,
    },
    /// A precondition does not hold.
    #[error("{step} may not be fired: {text}")]
    Precondition {
        /// The step.
        step: StepRef,
        /// What does not hold.
        text: String,
    },
    /// A precondition is too old to fire on.
    #[error("{step} may not be fired on old data: \"{text}\" was seen {seconds} s ago; look again")]
    Stale {
        /// The step.
        step: StepRef,
        /// The precondition.
        text: String,
        /// Its age in seconds.
        seconds: i64,
    },
    /// Steps of this kind are not passed over.
    #[error("{step} cannot be skipped: {why}")]
    NotSkippable {
        /// The step.
        step: StepRef,
        /// Why.
        why: String,
    },
    /// A reason is missing.
    #[error("{what} needs a reason")]
    NoReason {
        /// What.
        what: String,
    },
    /// The same call was sent before and may have been carried out.
    #[error("{key} was sent before in this attempt and is not sent again")]
    SentBefore {
        /// The action's key.
        key: String,
    },
    /// It does not fit the state of the run.
    #[error("{0}")]
    OutOfPlace(String),
}

fn list(locks: &[Lock]) -> String {
    locks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Run {
    /// Whether the step may be fired, as far as the run itself can say; else every reason why not.
    ///
    /// Preconditions about the outside world come on top, in [`Run::admit`].
    ///
    /// # Errors
    /// All the reasons, the one that matters most first.
    pub fn gate(&self, reference: &StepRef) -> Result<(), Vec<Lock>> {
        let Some((_, planned, run)) = self.step(reference) else {
            return Err(vec![Lock::Closed(format!("{reference} is not in the plan"))]);
        };
        let mut locks = Vec::new();
        if let Some(why) = self.will_not_run(&reference.partition) {
            locks.push(Lock::Closed(why));
        }
        locks.extend(self.done_lock(reference, &planned.kind, run));
        locks.extend(self.go_ahead_lock(&reference.partition));
        if let Some((busy, _)) = self.running() {
            locks.push(Lock::Busy(busy));
        }
        for need in &planned.needs {
            let needed = StepRef { partition: reference.partition.clone(), step: need.clone() };
            if !self.state_of_need(&needed).is_behind() {
                let title = self
                    .step(&needed)
                    .map_or_else(|| need.to_string(), |(_, step, _)| format!("{} {}", step.label, step.title));
                locks.push(Lock::Needs(need.clone(), title));
            }
        }
        if locks.is_empty() { Ok(()) } else { Err(locks) }
    }

    /// A needed step's state, without asking its gate: a plan whose needs run in a circle must not hang the cockpit.
    fn state_of_need(&self, needed: &StepRef) -> StepState {
        let Some((_, planned, run)) = self.step(needed) else {
            return StepState::WillNotRun { because: "it is not in the plan".to_owned() };
        };
        let untouched = run.attempts.is_empty() && run.skipped.is_none() && planned.kind != StepKind::GoAhead;
        if untouched { StepState::Locked(Vec::new()) } else { self.state_of(needed) }
    }

    fn done_lock(&self, reference: &StepRef, kind: &StepKind, run: &super::state::StepRun) -> Option<Lock> {
        use super::event::Outcome;
        let gone_ahead = self.partition(&reference.partition).is_some_and(|partition| partition.go_ahead.is_some());
        if run.skipped.is_some() || (*kind == StepKind::GoAhead && gone_ahead) {
            return Some(Lock::Done);
        }
        match run.attempts.last()?.outcome.as_ref()? {
            Outcome::Passed | Outcome::PassedWithWarnings { .. } => Some(Lock::Done),
            Outcome::Deferred { until, .. } => {
                let due = StepRef { partition: reference.partition.clone(), step: until.clone() };
                (due == *reference || !self.state_of_need(&due).is_behind()).then(|| Lock::Deferred(until.clone()))
            }
            Outcome::Failed { .. } | Outcome::Partial { .. } | Outcome::Unknown { .. } => None,
        }
    }

    /// No pipelining: the go-ahead of every partition before.
    fn go_ahead_lock(&self, partition: &PartitionName) -> Option<Lock> {
        self.partitions
            .iter()
            .take_while(|before| &before.name != partition)
            .find(|before| before.go_ahead.is_none() || before.rolled_back.is_some())
            .map(|before| Lock::PartitionBefore(before.name.clone()))
    }

    /// Whether an event may be written now. The recorder asks this for every event, before it writes.
    ///
    /// # Errors
    /// Why not; the run is as it was.
    pub fn admit(&self, event: &Event, now: Timestamp) -> Result<(), Refusal> {
        match event {
            Event::RunStarted { .. } => Err(Refusal::OutOfPlace("a run is started once".to_owned())),
            Event::ConfirmationOpened { step, request, .. } => {
                self.open(step)?;
                if *request <= self.last_request {
                    return Err(Refusal::OutOfPlace(format!("confirmation {request} is behind us")));
                }
                Ok(())
            }
            Event::AttemptStarted { step, attempt, preconditions, .. } => {
                self.open(step)?;
                self.fits_next_attempt(step, *attempt)?;
                for precondition in preconditions {
                    let age = now.duration_since(precondition.at);
                    if precondition.holds == Holds::No {
                        return Err(Refusal::Precondition { step: step.clone(), text: precondition.text.clone() });
                    }
                    if age > SignedDuration::try_from(FRESH).unwrap_or(SignedDuration::MAX) {
                        return Err(Refusal::Stale {
                            step: step.clone(),
                            text: precondition.text.clone(),
                            seconds: age.as_secs(),
                        });
                    }
                }
                Ok(())
            }
            Event::Intent { step, attempt, action } => {
                let running = self.is_running(step, *attempt)?;
                match running.action(&action.key).map(|before| &before.outcome) {
                    // Only a call that was refused, or found not to have been carried out, may be sent again.
                    None | Some(Some(ActionOutcome::Refused { .. } | ActionOutcome::FoundUndone { .. })) => Ok(()),
                    Some(_) => Err(Refusal::SentBefore { key: action.key.clone() }),
                }
            }
            Event::ActionSettled { step, attempt, key, .. } => self
                .is_running(step, *attempt)?
                .action(key)
                .map(|_| ())
                .ok_or_else(|| Refusal::OutOfPlace(format!("{step}: there is no intent {key} to settle"))),
            Event::AttemptResumed { step, attempt }
            | Event::ProgramStarted { step, attempt, .. }
            | Event::Verifying { step, attempt }
            | Event::CheckSettled { step, attempt, .. }
            | Event::Witnessed { step, attempt, .. }
            | Event::AttemptEnded { step, attempt, .. } => self.is_running(step, *attempt).map(|_| ()),
            Event::StepSkipped { step, reason, .. } => {
                self.open(step)?;
                if reason.trim().is_empty() {
                    return Err(Refusal::NoReason { what: format!("skipping {step}") });
                }
                let kind = self.step(step).map(|(_, planned, _)| &planned.kind);
                match kind {
                    Some(StepKind::Snapshot(_)) => Err(Refusal::NotSkippable {
                        step: step.clone(),
                        why: "the snapshot is the insurance of everything after it".to_owned(),
                    }),
                    Some(StepKind::GoAhead) => Err(Refusal::NotSkippable {
                        step: step.clone(),
                        why: "the go-ahead is yours to give".to_owned(),
                    }),
                    _ => Ok(()),
                }
            }
            Event::GoAhead { partition, .. } => {
                let step = self
                    .plan
                    .partition(partition)
                    .and_then(|planned| planned.steps.iter().find(|step| step.kind == StepKind::GoAhead))
                    .ok_or_else(|| Refusal::OutOfPlace(format!("{partition} has no go-ahead step")))?;
                self.open(&StepRef { partition: partition.clone(), step: step.id.clone() })
            }
            Event::RolledBack { partition, reason, .. } => {
                if self.partition(partition).is_none() {
                    return Err(Refusal::OutOfPlace(format!("{partition} is not in the plan")));
                }
                if reason.trim().is_empty() {
                    return Err(Refusal::NoReason { what: format!("rolling back {partition}") });
                }
                self.nothing_running()
            }
            Event::Stopped { reason, .. } => {
                if reason.trim().is_empty() {
                    return Err(Refusal::NoReason { what: "stopping the rollout".to_owned() });
                }
                self.nothing_running()
            }
            Event::Noted { text, .. } => {
                if text.trim().is_empty() {
                    return Err(Refusal::NoReason { what: "a note needs words; it".to_owned() });
                }
                Ok(())
            }
            Event::SessionOpened { .. }
            | Event::SessionClosed
            | Event::ConfirmationClosed { .. }
            | Event::FailoverMeasured { .. }
            | Event::AppMeasured { .. } => Ok(()),
        }
    }

    fn open(&self, step: &StepRef) -> Result<(), Refusal> {
        self.gate(step).map_err(|locks| Refusal::Locked { step: step.clone(), locks })
    }

    fn nothing_running(&self) -> Result<(), Refusal> {
        match self.running() {
            None => Ok(()),
            Some((step, _)) => Err(Refusal::OutOfPlace(format!("{step} is running; wait until it ends"))),
        }
    }

    fn fits_next_attempt(&self, step: &StepRef, attempt: u32) -> Result<(), Refusal> {
        let next = self.step(step).map_or(1, |(_, _, run)| run.attempts.len() as u32 + 1);
        if attempt == next {
            return Ok(());
        }
        Err(Refusal::OutOfPlace(format!("{step}: the next attempt is {next}, not {attempt}")))
    }

    fn is_running(&self, step: &StepRef, attempt: u32) -> Result<&super::state::Attempt, Refusal> {
        self.step(step)
            .and_then(|(_, _, run)| run.attempts.last())
            .filter(|last| last.number == attempt && last.outcome.is_none())
            .ok_or_else(|| Refusal::OutOfPlace(format!("attempt {attempt} of {step} is not running")))
    }
}
