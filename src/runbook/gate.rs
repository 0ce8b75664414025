//! Gates: whether a step may be fired now, and if not, why. One place decides, for keys and for headless firing alike.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::check::{Holds, Precondition};
use super::event::Event;
use super::names::{PartitionName, StepId, StepRef};
use super::plan::StepKind;
use super::state::{ActionRun, Attempt, Run, StepRun};

/// How old a precondition may be when a step is fired on it.
pub const FRESH: Duration = Duration::from_secs(15);

/// One reason why a step may not be fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// The partition before has not got its go-ahead.
    PartitionBefore(PartitionName),
    /// The partition before was taken back.
    RolledBackBefore(PartitionName),
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
    /// There is nothing for it to do yet.
    NotYet(String),
    /// It is gone for good.
    Gone {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartitionBefore(name) => write!(f, "{name} has no go-ahead yet"),
            Self::RolledBackBefore(name) => write!(f, "{name} was rolled back; nothing goes on after it"),
            Self::Needs(_, title) => write!(f, "needs: {title}"),
            Self::Busy(step) => write!(f, "{step} is running; nothing is fired beside it"),
            Self::Done => write!(f, "it is done"),
            Self::Deferred(step) => write!(f, "deferred until {step} is done"),
            Self::Closed(why) | Self::NotYet(why) => write!(f, "{why}"),
            Self::Gone { why, .. } => write!(f, "gone for good: {why}"),
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
    #[error("\"{key}\" was sent before and may have been carried out; it is not sent again before that is known")]
    SentBefore {
        /// The action's key.
        key: String,
    },
    /// A second person has not approved it.
    #[error("{step} has no approval: {why}")]
    NotApproved {
        /// The step.
        step: StepRef,
        /// Why.
        why: String,
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
        if let StepKind::Lever(lever) = &planned.kind {
            let locks = self.lever_locks(reference, lever);
            return if locks.is_empty() { Ok(()) } else { Err(locks) };
        }
        let mut locks = Vec::new();
        if let Some(why) = self.will_not_run(&reference.partition) {
            locks.push(Lock::Closed(why));
        }
        locks.extend(self.done_lock(reference, &planned.kind, run));
        locks.extend(self.go_ahead_lock(&reference.partition));
        locks.extend(self.busy_lock());
        for need in &planned.needs {
            let needed = reference.beside(need);
            if !self.is_behind(&needed) {
                let title = self
                    .step(&needed)
                    .map_or_else(|| need.to_string(), |(_, step, _)| format!("{} {}", step.label, step.title));
                locks.push(Lock::Needs(need.clone(), title));
            }
        }
        if locks.is_empty() { Ok(()) } else { Err(locks) }
    }

    /// Something that is under way and beside which nothing is fired. A sign-in is not: what needs it waits by itself.
    pub(super) fn busy_lock(&self) -> Option<Lock> {
        self.running().filter(|(reference, _)| !self.signs_in(reference)).map(|(busy, _)| Lock::Busy(busy))
    }

    fn done_lock(&self, reference: &StepRef, kind: &StepKind, run: &StepRun) -> Option<Lock> {
        use super::event::Outcome;
        let gone_ahead = self.partition(&reference.partition).is_some_and(|partition| partition.go_ahead.is_some());
        if run.skipped.is_some() || (*kind == StepKind::GoAhead && gone_ahead) {
            return Some(Lock::Done);
        }
        match run.standing()?.outcome.as_ref()? {
            Outcome::Passed | Outcome::PassedWithWarnings { .. } => Some(Lock::Done),
            Outcome::Deferred { until, .. } => {
                let due = reference.beside(until);
                (due == *reference || !self.is_behind(&due)).then(|| Lock::Deferred(until.clone()))
            }
            Outcome::Failed { .. } | Outcome::Partial { .. } | Outcome::Unknown { .. } => None,
        }
    }

    /// No pipelining: the go-ahead of every partition before.
    pub(super) fn go_ahead_lock(&self, partition: &PartitionName) -> Option<Lock> {
        self.partitions
            .iter()
            .take_while(|before| &before.name != partition)
            .find(|before| before.go_ahead.is_none() || before.rolled_back.is_some())
            .map(|before| match before.rolled_back {
                Some(_) => Lock::RolledBackBefore(before.name.clone()),
                None => Lock::PartitionBefore(before.name.clone()),
            })
    }

    /// Whether an event may be written now. The recorder asks this for every event, before it writes.
    ///
    /// # Errors
    /// Why not; the run is as it was.
    pub fn admit(&self, event: &Event, now: Timestamp) -> Result<(), Refusal> {
        if let (Some(to), false) = (&self.handed_to, matches!(event, Event::SessionOpened { .. })) {
            // Whoever gave the controls away writes nothing any more.
            return Err(Refusal::OutOfPlace(format!("the controls were handed over to {to}")));
        }
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
                self.is_fireable(step, preconditions)?;
                self.is_approved(step, now)?;
                for precondition in preconditions {
                    // Something seen in the future was seen by a clock that was set back since: its age is not known.
                    let age = now.duration_since(precondition.at).abs();
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
            Event::Intent { step, attempt, action } => self.may_send(step, *attempt, &action.key),
            Event::ActionSettled { step, attempt, key, .. } => self.may_settle(step, *attempt, key),
            Event::AttemptResumed { step, attempt }
            | Event::ProgramStarted { step, attempt, .. }
            | Event::Verifying { step, attempt }
            | Event::CheckSettled { step, attempt, .. }
            | Event::Witnessed { step, attempt, .. }
            | Event::Remarked { step, attempt, .. }
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
                    Some(StepKind::Lever(_)) => Err(Refusal::NotSkippable {
                        step: step.clone(),
                        why: "a lever is pulled or left alone".to_owned(),
                    }),
                    Some(StepKind::GoAhead) => Err(Refusal::NotSkippable {
                        step: step.clone(),
                        why: "the go-ahead is yours to give".to_owned(),
                    }),
                    _ => Ok(()),
                }
            }
            Event::Reopened { step, reason, .. } => self.may_reopen(step, reason),
            Event::GoAhead { partition, .. } => {
                let step = self
                    .plan
                    .partition(partition)
                    .and_then(|planned| planned.steps.iter().find(|step| step.kind == StepKind::GoAhead))
                    .ok_or_else(|| Refusal::OutOfPlace(format!("{partition} has no go-ahead step")))?;
                self.open(&StepRef { partition: partition.clone(), step: step.id.clone() })
            }
            Event::RolledBack { partition, reason, .. } => {
                self.holds(partition)?;
                if reason.trim().is_empty() {
                    return Err(Refusal::NoReason { what: format!("rolling back {partition}") });
                }
                if self.is_being_restored(partition) { Ok(()) } else { self.nothing_running() }
            }
            Event::Stopped { reason, .. } => {
                if reason.trim().is_empty() {
                    return Err(Refusal::NoReason { what: "stopping the rollout".to_owned() });
                }
                if let Some(stopped) = &self.stopped {
                    return Err(Refusal::OutOfPlace(format!("the rollout was stopped by {} before", stopped.by)));
                }
                self.nothing_running()
            }
            Event::Noted { partition, step, text, .. } => {
                if text.trim().is_empty() {
                    return Err(Refusal::NoReason { what: "a note needs words; it".to_owned() });
                }
                partition.as_ref().map_or(Ok(()), |partition| self.holds(partition))?;
                match step {
                    Some(step) if self.step(step).is_none() => {
                        Err(Refusal::OutOfPlace(format!("{step} is not in the plan")))
                    }
                    _ => Ok(()),
                }
            }
            Event::FailoverNoticed { partition, .. }
            | Event::FailoverMeasured { partition, .. }
            | Event::AppMeasured { partition, .. } => self.holds(partition),
            Event::Approved { step, request, digest, by } => self.admits_approval(step, *request, digest, by),
            Event::HandedOver { .. } if self.session.is_none() => {
                Err(Refusal::OutOfPlace("nobody holds the controls, so that nobody hands them over".to_owned()))
            }
            Event::SessionOpened { .. }
            | Event::SessionClosed
            | Event::HandedOver { .. }
            | Event::ConfirmationClosed { .. } => Ok(()),
        }
    }

    /// A step is opened again only while its partition is in hand, and never one that took or deleted the snapshot: another
    /// snapshot of the same name would be another insurance than the one that the run speaks of.
    fn may_reopen(&self, step: &StepRef, reason: &str) -> Result<(), Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::NoReason { what: format!("going back to {step}") });
        }
        let Some((_, planned, run)) = self.step(step) else {
            return Err(Refusal::OutOfPlace(format!("{step} is not in the plan")));
        };
        if matches!(planned.kind, StepKind::Lever(_) | StepKind::GoAhead) {
            return Err(Refusal::OutOfPlace(format!("{step} is not gone back to")));
        }
        if run.standing().is_none() && run.skipped.is_none() {
            return Err(Refusal::OutOfPlace(format!("{step} is open already")));
        }
        if let Some(why) = self.will_not_run(&step.partition) {
            return Err(Refusal::OutOfPlace(why));
        }
        if self.partition(&step.partition).is_some_and(|partition| partition.go_ahead.is_some()) {
            return Err(Refusal::OutOfPlace(format!("{} has its go-ahead", step.partition)));
        }
        self.nothing_running()
    }

    fn holds(&self, partition: &PartitionName) -> Result<(), Refusal> {
        match self.partition(partition) {
            Some(_) => Ok(()),
            None => Err(Refusal::OutOfPlace(format!("{partition} is not in the plan"))),
        }
    }

    /// A go-ahead is given and not fired, and nothing that changes something is fired on nothing.
    fn is_fireable(&self, step: &StepRef, preconditions: &[Precondition]) -> Result<(), Refusal> {
        let Some((_, planned, _)) = self.step(step) else { return Ok(()) };
        if planned.kind == StepKind::GoAhead {
            return Err(Refusal::OutOfPlace(format!("{step} is given, not fired")));
        }
        if planned.kind.changes_the_world() && preconditions.is_empty() {
            return Err(Refusal::OutOfPlace(format!("{step} changes something, and nothing was looked at before it")));
        }
        Ok(())
    }

    /// Within its attempt a call is sent again only where it was refused or found not to have been carried out. A new
    /// attempt may send it again, but not while it is unknown what became of it in a former one.
    fn may_send(&self, step: &StepRef, attempt: u32, key: &str) -> Result<(), Refusal> {
        let sent = self.is_running(step, attempt)?.action(key).is_some_and(ActionRun::may_have_acted);
        let attempts = self.step(step).map(|(_, _, run)| run.attempts.as_slice()).unwrap_or_default();
        let open = attempts.iter().filter_map(|each| each.action(key)).any(ActionRun::is_open);
        if sent || open { Err(Refusal::SentBefore { key: key.to_owned() }) } else { Ok(()) }
    }

    /// What became of a call is said once, unless it was unknown; also of a former attempt's, which a later one looked up.
    fn may_settle(&self, step: &StepRef, attempt: u32, key: &str) -> Result<(), Refusal> {
        let attempts = self.step(step).map(|(_, _, run)| run.attempts.as_slice()).unwrap_or_default();
        if attempts.last().is_none_or(|last| last.outcome.is_some()) {
            return Err(Refusal::OutOfPlace(format!("no attempt of {step} is running")));
        }
        let action = attempts.iter().find(|each| each.number == attempt).and_then(|each| each.action(key));
        match action {
            None => Err(Refusal::OutOfPlace(format!("{step}: there is no intent {key} to settle"))),
            Some(action) if action.is_open() => Ok(()),
            Some(_) => Err(Refusal::OutOfPlace(format!("{step}: it is known already what became of {key}"))),
        }
    }

    fn open(&self, step: &StepRef) -> Result<(), Refusal> {
        self.gate(step).map_err(|locks| Refusal::Locked { step: step.clone(), locks })
    }

    /// Whether the lever is being pulled that makes a new cluster of the partition's snapshot: it says itself when the
    /// partition counts as taken back.
    fn is_being_restored(&self, partition: &PartitionName) -> bool {
        self.running()
            .and_then(|(running, _)| Some((running.partition == *partition, self.step(&running)?.1)))
            .is_some_and(|(is_here, planned)| {
                is_here && matches!(planned.kind, StepKind::Lever(super::lever::Lever::Restore(_)))
            })
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

    fn is_running(&self, step: &StepRef, attempt: u32) -> Result<&Attempt, Refusal> {
        self.step(step)
            .and_then(|(_, _, run)| run.attempts.last())
            .filter(|last| last.number == attempt && last.outcome.is_none())
            .ok_or_else(|| Refusal::OutOfPlace(format!("attempt {attempt} of {step} is not running")))
    }
}
