//! Whose time it was: the machines', from firing a step to its end, or people's, who look, decide and confirm between.
//!
//! Within a partition everything happens one after the other, so the time before each attempt (or skip, or go-ahead) that
//! no machine used is the people's, and belongs to the step that it led to. The time before the first is not counted: it
//! belongs to whatever came before the partition was begun.

use jiff::{SignedDuration, Timestamp};

use crate::runbook::names::StepId;
use crate::runbook::plan::StepKind;
use crate::runbook::state::{PartitionRun, Run};

/// The times of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepTimes {
    /// Which step.
    pub step: StepId,
    /// When it was first fired, passed over, or said.
    pub started: Option<Timestamp>,
    /// When its last attempt ended; none while one runs.
    pub ended: Option<Timestamp>,
    /// How long machines worked on it, all attempts together.
    pub machine: SignedDuration,
    /// How long people took before its attempts.
    pub people: SignedDuration,
}

/// Something with a beginning and an end that belongs to a step.
struct Stretch<'a> {
    step: &'a StepId,
    from: Timestamp,
    to: Timestamp,
    running: bool,
}

/// The times of a partition's steps, in the plan's order.
pub(super) fn of_partition(run: &Run, partition: &PartitionRun) -> Vec<StepTimes> {
    let stretches = stretches(run, partition);
    let none = |step: &StepId| StepTimes {
        step: step.clone(),
        started: None,
        ended: None,
        machine: SignedDuration::ZERO,
        people: SignedDuration::ZERO,
    };
    let mut times: Vec<_> = partition.steps.iter().map(|step| none(&step.id)).collect();
    let mut before: Option<Timestamp> = None;
    for Stretch { step, from, to, running } in stretches {
        let Some(own) = times.iter_mut().find(|times| &times.step == step) else { continue };
        let waited = before.map_or(SignedDuration::ZERO, |before| from.duration_since(before));
        own.people += waited.max(SignedDuration::ZERO);
        own.machine += to.duration_since(from).max(SignedDuration::ZERO);
        own.started = own.started.or(Some(from));
        own.ended = (!running).then_some(to);
        before = before.max(Some(to));
    }
    times
}

fn stretches<'a>(run: &'a Run, partition: &'a PartitionRun) -> Vec<Stretch<'a>> {
    let planned = run.plan.partition(&partition.name);
    let mut stretches = Vec::new();
    for step in &partition.steps {
        for attempt in &step.attempts {
            let to = attempt.ended_at.unwrap_or(run.last_at);
            let running = attempt.ended_at.is_none();
            stretches.push(Stretch { step: &step.id, from: attempt.started_at, to, running });
        }
        let says_go = || planned?.step(&step.id).filter(|step| step.kind == StepKind::GoAhead).map(|_| ());
        let go_ahead = partition.go_ahead.as_ref().filter(|_| says_go().is_some());
        for word in step.skipped.iter().chain(go_ahead) {
            stretches.push(Stretch { step: &step.id, from: word.at, to: word.at, running: false });
        }
    }
    stretches.sort_by_key(|stretch| stretch.from);
    stretches
}

/// The sums of a partition: machines', people's.
pub(super) fn sums(times: &[StepTimes]) -> (SignedDuration, SignedDuration) {
    let sum = |of: fn(&StepTimes) -> SignedDuration| times.iter().map(of).fold(SignedDuration::ZERO, |a, b| a + b);
    (sum(|times| times.machine), sum(|times| times.people))
}
