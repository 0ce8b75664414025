//! The state of a run: what its events amount to.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::approval::Approval;
use super::check::{Check, Evidence, Precondition, Verdict};
use super::decision::Decision;
use super::event::{
    Action, ActionOutcome, AppMeasure, Brief, FailoverMeasure, Finding, NoteKind, Outcome, Party, Session,
};
use super::gate::Lock;
use super::names::{PartitionName, RunId, StepId, StepRef};
use super::plan::{Partition, Plan, Step, StepKind};

/// A run, folded from its events. Only [`Run::apply`](super::fold) changes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// Everything that will be done.
    pub plan: Plan,
    /// Whether the site is simulated; shown, never asked.
    pub simulated: bool,
    /// Position of the last event.
    pub seq: u64,
    /// When the run began.
    pub started_at: Timestamp,
    /// When the last event was written.
    pub last_at: Timestamp,
    /// The session that holds the controls; none between two sessions.
    pub session: Option<Session>,
    /// Every session so far, with the time it took the controls.
    pub sessions: Vec<(Timestamp, Session)>,
    /// Who the controls were handed over to, until that session has taken them.
    pub handed_to: Option<Party>,
    /// Every time that the controls were handed over.
    pub handovers: Vec<HandOver>,
    /// One for each partition of the plan, in its order.
    pub partitions: Vec<PartitionRun>,
    /// The confirmation on the operator's screen.
    pub confirming: Option<Confirming>,
    /// Number of the last confirmation request.
    pub last_request: u64,
    /// Notes of every kind, in their order. Shared: a run is copied for every look, and may have many.
    pub notes: Vec<Arc<Note>>,
    /// Decisions, in their order.
    pub decisions: Vec<Decision>,
    /// Who stopped the rollout, and why.
    pub stopped: Option<Word>,
    /// Where each partition stands among the others: a fleet may have hundreds, and every look at a step asks for one.
    pub(super) places: HashMap<PartitionName, usize>,
    /// Places of the partitions in which an attempt is under way.
    pub(super) active: BTreeSet<usize>,
}

/// The controls went from one session to another on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// When.
    pub at: Timestamp,
    /// Whose they were.
    pub from: String,
    /// Whose they were to be.
    pub to: Party,
}

/// A partition of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionRun {
    /// Its name.
    pub name: PartitionName,
    /// Its steps, in the plan's order.
    pub steps: Vec<StepRun>,
    /// Its levers, in the plan's order.
    pub levers: Vec<StepRun>,
    /// The operator's go-ahead.
    pub go_ahead: Option<Word>,
    /// Who took it back, and how.
    pub rolled_back: Option<Word>,
    /// Failovers measured in it.
    pub failovers: Vec<FailoverMeasure>,
    /// The application as last measured.
    pub app: Option<AppMeasure>,
}

/// Something an operator said, with name and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What; empty where saying it was all.
    pub text: String,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Which step of the plan.
    pub id: StepId,
    /// Its attempts, in their order.
    pub attempts: Vec<Attempt>,
    /// Who passed over it, and why.
    pub skipped: Option<Word>,
    /// How many of its attempts count no more, because it was reopened after them.
    pub reopened_after: usize,
}

/// An attempt at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// Who fired it.
    pub by: String,
    /// When it was fired.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When later sessions took it up again.
    pub resumed_at: Vec<Timestamp>,
    /// What held when it was fired.
    pub preconditions: Vec<Precondition>,
    /// The way that was chosen, where there were several.
    pub choice: Option<String>,
    /// The second person's approval, where the step asks for one.
    pub approved: Option<Approval>,
    /// Whether its acts are done and it waits for their effect.
    pub verifying: bool,
    /// Its changing calls.
    pub actions: Vec<ActionRun>,
    /// Its checks as they stand, in the order in which they first came up.
    pub checks: Vec<Check>,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// Known situations that it met and that did not end it.
    pub remarks: Vec<Finding>,
    /// The program it runs.
    pub program: Option<ProgramRun>,
    /// How it ended; none while it runs.
    pub outcome: Option<Outcome>,
}

/// A changing call of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRun {
    /// The call.
    pub action: Action,
    /// When the intent was written.
    pub at: Timestamp,
    /// What became of it; none while nothing is known.
    pub outcome: Option<ActionOutcome>,
    /// When that was known; for an accepted call, the time of its acceptance.
    pub settled_at: Option<Timestamp>,
}

/// A program of an attempt, in a terminal of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramRun {
    /// Directory with its output and exit files.
    pub directory: String,
    /// Its command line, without secrets.
    pub command_line: String,
    /// When it was started.
    pub at: Timestamp,
}

/// A confirmation on the operator's screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirming {
    /// The step in question.
    pub step: StepRef,
    /// Number of the request.
    pub request: u64,
    /// What the operator sees.
    pub brief: Brief,
    /// Since when.
    pub at: Timestamp,
    /// The second person's approval, once it was given.
    pub approved: Option<Approval>,
}

/// A note or a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// The partition it belongs to; none is the whole run.
    pub partition: Option<PartitionName>,
    /// The step it is about.
    pub step: Option<StepRef>,
    /// What.
    pub text: String,
    /// What kind of note it is.
    pub kind: NoteKind,
    /// What was on the screen when it was written.
    pub evidence: Vec<Evidence>,
}

/// How a step stands.
#[derive(Debug, Clone, PartialEq)]
pub enum StepState {
    /// It may not be fired, for these reasons.
    Locked(Vec<Lock>),
    /// It may be fired.
    Ready,
    /// Its confirmation is on the operator's screen.
    Confirming,
    /// It acts.
    Running {
        /// Number of the attempt.
        attempt: u32,
    },
    /// Its acts are done; their effect is awaited.
    Verifying {
        /// Number of the attempt.
        attempt: u32,
    },
    /// Behind us.
    Passed,
    /// Behind us, with something to mind.
    PassedWithWarnings,
    /// It failed; the name of the situation, if it fits one.
    Failed(Option<String>),
    /// Part of it is done.
    Partial(Option<String>),
    /// What became of it is not known: look before repeating.
    Unknown,
    /// Passed over by an operator.
    Skipped,
    /// Looked at again once this step is behind us.
    Deferred {
        /// That step.
        until: StepId,
    },
    /// It will not be run in this rollout.
    WillNotRun {
        /// Because of what.
        because: String,
    },
}

impl StepState {
    /// Whether what needs this step may go on.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Passed | Self::PassedWithWarnings | Self::Skipped)
    }

    /// Whether an attempt is under way.
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running { .. } | Self::Verifying { .. })
    }

    /// Whether the last attempt left something that a person has to look at.
    pub fn is_trouble(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Partial(_) | Self::Unknown)
    }
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Locked(_) => "LOCKED",
            Self::Ready => "READY",
            Self::Confirming => "CONFIRMING",
            Self::Running { .. } => "RUNNING",
            Self::Verifying { .. } => "VERIFYING",
            Self::Passed => "PASSED",
            Self::PassedWithWarnings => "PASSED WITH WARNINGS",
            Self::Failed(_) => "FAILED",
            Self::Partial(_) => "PARTIAL",
            Self::Unknown => "UNKNOWN",
            Self::Skipped => "SKIPPED",
            Self::Deferred { .. } => "DEFERRED",
            Self::WillNotRun { .. } => "WILL NOT RUN",
        })
    }
}

impl Run {
    /// The partition of that name.
    pub fn partition(&self, name: &PartitionName) -> Option<&PartitionRun> {
        self.partitions.get(self.place(name)?)
    }

    /// Where the partition of that name stands in the plan.
    pub fn place(&self, name: &PartitionName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The step and its place in the plan.
    pub fn step(&self, step: &StepRef) -> Option<(&Partition, &Step, &StepRun)> {
        let place = self.place(&step.partition)?;
        let (planned, run) = (self.plan.partitions.get(place)?, self.partitions.get(place)?);
        Some((planned, planned.step(&step.step)?, run.step(&step.step)?))
    }

    /// The attempt that is under way anywhere in the run, of a step or of a lever. There is never more than one, but for a
    /// [sign-in](super::lever::Lever::signs_in), which may go on beside it and is told apart: a step that waits for a
    /// session needs it. Where both are under way, this is the other one.
    pub fn running(&self) -> Option<(StepRef, &Attempt)> {
        let mut signing_in = None;
        for (reference, attempt) in self.under_way() {
            if self.signs_in(&reference) {
                signing_in = Some((reference, attempt));
            } else {
                return Some((reference, attempt));
            }
        }
        signing_in
    }

    /// Every attempt that is under way.
    pub fn under_way(&self) -> impl Iterator<Item = (StepRef, &Attempt)> {
        self.active.iter().filter_map(|place| self.partitions.get(*place)).flat_map(|partition| {
            partition.steps.iter().chain(&partition.levers).filter_map(|step| {
                let attempt = step.attempts.last().filter(|attempt| attempt.outcome.is_none())?;
                Some((partition.reference(&step.id), attempt))
            })
        })
    }

    /// Whether it is a lever that only signs in.
    pub fn signs_in(&self, reference: &StepRef) -> bool {
        self.step(reference)
            .is_some_and(|(_, planned, _)| matches!(&planned.kind, StepKind::Lever(lever) if lever.signs_in()))
    }

    /// How a step stands. A step that the plan does not hold will not run.
    pub fn state_of(&self, reference: &StepRef) -> StepState {
        let Some((_, planned, run)) = self.step(reference) else {
            return StepState::WillNotRun { because: "it is not in the plan".to_owned() };
        };
        if let Some(settled) = self.settled_state(reference, planned, run) {
            return settled;
        }
        if self.confirming.as_ref().is_some_and(|confirming| &confirming.step == reference) {
            return StepState::Confirming;
        }
        if let Some(because) = self.will_not_run(&reference.partition) {
            return StepState::WillNotRun { because };
        }
        match self.gate(reference) {
            Ok(()) => StepState::Ready,
            Err(locks) => StepState::Locked(locks),
        }
    }

    /// How the step stands by what was done with it, if anything was.
    fn settled_state(&self, reference: &StepRef, planned: &Step, run: &StepRun) -> Option<StepState> {
        if run.skipped.is_some() {
            return Some(StepState::Skipped);
        }
        if planned.kind == StepKind::GoAhead {
            return self.partition(&reference.partition)?.go_ahead.as_ref().map(|_| StepState::Passed);
        }
        let attempt = run.standing()?;
        // A step whose failed attempt is being confirmed anew reads Confirming, not Failed.
        let asked_again = self.confirming.as_ref().is_some_and(|confirming| &confirming.step == reference);
        let stands = attempt.stands();
        if let StepState::Deferred { until } = &stands {
            let due = reference.beside(until);
            if due != *reference && self.is_behind(&due) {
                return None;
            }
        }
        Some(if asked_again && !stands.is_behind() && !stands.is_running() { StepState::Confirming } else { stands })
    }

    /// Whether what needs this step may go on. As [`StepState::is_behind`] of its state, but asked of no other step: a
    /// journal in which two steps were deferred until each other must not hang the cockpit.
    pub fn is_behind(&self, reference: &StepRef) -> bool {
        let Some((_, planned, run)) = self.step(reference) else { return false };
        self.partition(&reference.partition).is_some_and(|partition| partition.has_behind(planned, run))
    }

    /// Why nothing more will run in a partition, if so.
    pub fn will_not_run(&self, partition: &PartitionName) -> Option<String> {
        if let Some(stopped) = &self.stopped {
            return Some(format!("the rollout was stopped by {}: {}", stopped.by, stopped.text));
        }
        let rolled_back = self.partition(partition)?.rolled_back.as_ref()?;
        Some(format!("{partition} was rolled back by {}: {}", rolled_back.by, rolled_back.text))
    }

    /// The step that waits for an operator next: the first that is in trouble or ready, in the plan's order.
    pub fn next_step(&self) -> Option<(StepRef, StepState)> {
        if self.stopped.is_some() {
            return None;
        }
        let confirming = self.confirming.as_ref().map(|confirming| &confirming.step);
        // Beside what runs, and behind a partition that is not through, a step that nobody touched is locked: in a fleet of
        // hundreds those are nearly all.
        let mut locked = self.busy_lock().is_some();
        for (planned, run) in self.plan.partitions.iter().zip(&self.partitions) {
            let steps = planned.steps.iter().zip(&run.steps);
            let open = steps.filter(|(step, run_of)| !run.has_behind(step, run_of));
            for (step, run_of) in open.filter(|_| run.rolled_back.is_none()) {
                let asked = confirming.is_some_and(|asked| asked.step == step.id && asked.partition == run.name);
                if locked && run_of.attempts.is_empty() && !asked {
                    continue;
                }
                let reference = planned.reference(&step.id);
                let state = self.state_of(&reference);
                if matches!(state, StepState::Ready | StepState::Confirming) || state.is_trouble() {
                    return Some((reference, state));
                }
            }
            locked |= run.go_ahead.is_none() || run.rolled_back.is_some();
        }
        None
    }

    /// The partition in hand: the one with a running step, else the first that is not through.
    pub fn partition_in_hand(&self) -> Option<&PartitionName> {
        if let Some((running, _)) = self.running() {
            return self.partition(&running.partition).map(|partition| &partition.name);
        }
        self.partitions
            .iter()
            .find(|partition| !self.is_through(&partition.name))
            .or(self.partitions.last())
            .map(|partition| &partition.name)
    }

    /// Whether every step of every partition is behind us.
    pub fn is_all_through(&self) -> bool {
        self.plan.partitions.iter().all(|partition| self.is_through(&partition.name))
    }

    /// Whether every step of the partition is behind us.
    pub fn is_through(&self, partition: &PartitionName) -> bool {
        let Some(place) = self.place(partition) else { return false };
        self.plan.partitions.get(place).zip(self.partitions.get(place)).is_some_and(|(planned, run)| {
            planned.steps.iter().zip(&run.steps).all(|(step, run_of)| run.has_behind(step, run_of))
        })
    }

    /// How many of the runbook's numbered steps are behind us, and how many there are.
    ///
    /// A number that stands at several steps (`5` and `5b`, `6` before and after the chart) counts once, when all of them
    /// are behind; steps without a number of their own (prerequisites, drift checks, go-ahead, merge) do not count.
    pub fn progress(&self, partition: &PartitionName) -> (usize, usize) {
        let place = self.place(partition);
        let found = place.and_then(|place| self.plan.partitions.get(place).zip(self.partitions.get(place)));
        let Some((planned, run)) = found else { return (0, 0) };
        let mut numbers: Vec<(u32, bool)> = Vec::new();
        for (step, run_of) in planned.steps.iter().zip(&run.steps) {
            let Some(number) = step.number() else { continue };
            let behind = run.has_behind(step, run_of);
            match numbers.iter_mut().find(|(known, _)| *known == number) {
                Some((_, all)) => *all &= behind,
                None => numbers.push((number, behind)),
            }
        }
        (numbers.iter().filter(|(_, all)| *all).count(), numbers.len())
    }

    /// Every step of the plan, in the order in which they are taken.
    pub fn references(&self) -> impl Iterator<Item = StepRef> + '_ {
        self.plan
            .partitions
            .iter()
            .flat_map(|partition| partition.steps.iter().map(|step| partition.reference(&step.id)))
    }
}

impl Step {
    /// The runbook's number of the step, where its label begins with one above zero.
    pub fn number(&self) -> Option<u32> {
        let digits: String = self.label.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|number| *number > 0)
    }
}

impl PartitionRun {
    /// How events name a step or lever of this partition.
    pub fn reference(&self, step: &StepId) -> StepRef {
        StepRef { partition: self.name.clone(), step: step.clone() }
    }

    /// Whether what needs this step of the partition's may go on.
    pub fn has_behind(&self, planned: &Step, run: &StepRun) -> bool {
        if run.skipped.is_some() {
            return true;
        }
        if planned.kind == StepKind::GoAhead {
            return self.go_ahead.is_some();
        }
        let last = run.standing().and_then(|attempt| attempt.outcome.as_ref());
        matches!(last, Some(Outcome::Passed | Outcome::PassedWithWarnings { .. }))
    }

    /// Whether an attempt is under way in it.
    pub fn is_active(&self) -> bool {
        let last = |step: &StepRun| step.attempts.last().is_some_and(|attempt| attempt.outcome.is_none());
        self.steps.iter().chain(&self.levers).any(last)
    }

    /// The step or lever of that name.
    pub fn step(&self, id: &StepId) -> Option<&StepRun> {
        self.steps.iter().chain(&self.levers).find(|run| &run.id == id)
    }
}

impl StepRun {
    /// A step that nothing was done with yet.
    pub fn untouched(id: StepId) -> Self {
        Self { id, attempts: Vec::new(), skipped: None, reopened_after: 0 }
    }

    /// The attempt by which the step stands as it does: its last one, unless it was reopened since.
    pub fn standing(&self) -> Option<&Attempt> {
        self.attempts.get(self.reopened_after..)?.last()
    }

    /// How long machines worked on it: from firing to end of each attempt, without the time that people took between them.
    pub fn machine_time(&self, now: Timestamp) -> jiff::SignedDuration {
        self.attempts
            .iter()
            .map(|attempt| attempt.ended_at.unwrap_or(now).duration_since(attempt.started_at))
            .fold(jiff::SignedDuration::ZERO, |sum, each| sum + each)
    }
}

impl ActionRun {
    /// Whether it is not known what became of it, so that it must be looked up before anything like it is sent.
    pub fn is_open(&self) -> bool {
        matches!(self.outcome, None | Some(ActionOutcome::Unknown { .. }))
    }

    /// Whether the call may have been carried out: all but those that were refused or found not to have been.
    pub fn may_have_acted(&self) -> bool {
        !matches!(self.outcome, Some(ActionOutcome::Refused { .. } | ActionOutcome::FoundUndone { .. }))
    }
}

impl Attempt {
    /// An attempt as it is when it is fired.
    pub fn begun(
        number: u32,
        by: String,
        at: Timestamp,
        preconditions: Vec<Precondition>,
        choice: Option<String>,
    ) -> Self {
        Self {
            number,
            by,
            started_at: at,
            ended_at: None,
            resumed_at: Vec::new(),
            preconditions,
            choice,
            approved: None,
            verifying: false,
            actions: Vec::new(),
            checks: Vec::new(),
            evidence: Vec::new(),
            remarks: Vec::new(),
            program: None,
            outcome: None,
        }
    }

    /// How its step stands by it.
    pub fn stands(&self) -> StepState {
        match &self.outcome {
            None if self.verifying => StepState::Verifying { attempt: self.number },
            None => StepState::Running { attempt: self.number },
            Some(Outcome::Passed) => StepState::Passed,
            Some(Outcome::PassedWithWarnings { .. }) => StepState::PassedWithWarnings,
            Some(Outcome::Failed { finding }) => StepState::Failed(finding.situation.clone()),
            Some(Outcome::Partial { finding }) => StepState::Partial(finding.situation.clone()),
            Some(Outcome::Unknown { .. }) => StepState::Unknown,
            Some(Outcome::Deferred { until, .. }) => StepState::Deferred { until: until.clone() },
        }
    }

    /// The action of that key, if its intent was written.
    pub fn action(&self, key: &str) -> Option<&ActionRun> {
        self.actions.iter().find(|action| action.action.key == key)
    }

    /// Checks that are not as they should be, or worth minding.
    pub fn concerns(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Failed | Verdict::Warning))
    }
}
