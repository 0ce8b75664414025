//! Ways out of trouble: what the finding of a step offers, the best first, and what an operator may do in any case.

use jiff::{SignedDuration, Timestamp};

use super::commands::{locked, named};
use super::state::State;
use crate::runbook::event::{ActionOutcome, Way};
use crate::runbook::names::{InstanceId, StepRef};
use crate::runbook::state::{Attempt, StepState};

/// A way out.
#[derive(Debug, Clone, PartialEq)]
pub struct WayOut {
    /// What taking it does.
    pub act: Act,
    /// Whether the finding offers it; else it is one that is always there.
    pub offered: bool,
    /// The moment from which it makes sense; it may be taken earlier, on the operator's own account.
    pub from: Option<Timestamp>,
    /// How it went, where it was tried since the trouble began.
    pub tried: Option<(StepState, Timestamp)>,
    /// Why it cannot be taken now, if so.
    pub locked: Option<String>,
}

/// What taking a way out does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Opens the confirmation of the step anew.
    Again,
    /// Opens the confirmation of a lever.
    Lever {
        /// The lever.
        lever: StepRef,
        /// The choice that it is pulled with.
        choice: Option<String>,
    },
    /// Asks why an earlier step is taken again.
    Back(StepRef),
    /// Asks why the step is passed over.
    Skip {
        /// The reason that the evidence suggests.
        because: String,
    },
    /// Asks why the partition is taken back.
    RollBack,
    /// Asks why the rollout stops.
    Stop,
}

/// Everything that can be done about a step in trouble; empty where it is in none.
pub fn ways(state: &State, step: &StepRef) -> Vec<WayOut> {
    let Some((attempt, finding)) = state.run.trouble(step) else { return Vec::new() };
    if state.run.will_not_run(&step.partition).is_some() {
        return Vec::new();
    }
    let mut ways: Vec<WayOut> = finding.ways.iter().map(|way| offered(state, step, attempt, way)).collect();
    for act in always(state, step) {
        let known = ways.iter().any(|way| std::mem::discriminant(&way.act) == std::mem::discriminant(&act));
        if !known {
            let locked = lock(state, step, &act);
            ways.push(WayOut { act, offered: false, from: None, tried: None, locked });
        }
    }
    ways
}

/// The step in trouble that is meant: the marked one, else the one that the sentence at the top speaks of.
pub fn troubled(state: &State) -> Option<StepRef> {
    let next = state.run.next_step().map(|(step, _)| step);
    state.marked_step().into_iter().chain(next).find(|step| !ways(state, step).is_empty())
}

/// The way that is taken unless the operator marks another one: once a lever has worked, the step itself.
pub fn best(ways: &[WayOut]) -> usize {
    let worked = ways.iter().any(|way| way.tried.as_ref().is_some_and(|(how, _)| how.is_behind()));
    let again = ways.iter().position(|way| way.act == Act::Again && way.locked.is_none()).filter(|_| worked);
    again.or_else(|| ways.iter().position(|way| way.locked.is_none())).unwrap_or(0)
}

fn offered(state: &State, step: &StepRef, attempt: &Attempt, way: &Way) -> WayOut {
    let ended = attempt.ended_at.unwrap_or(attempt.started_at);
    let there = |id: &crate::runbook::names::StepId| step.beside(id);
    let mut from = None;
    let mut tried = None;
    let act = match way {
        Way::Again { after } => {
            from = SignedDuration::try_from(*after).ok().filter(|after| !after.is_zero()).map(|after| ended + after);
            Act::Again
        }
        Way::Lever { lever, choice } => {
            let lever = there(lever);
            let pulls = state.run.step(&lever).map(|(_, _, run)| run.attempts.as_slice()).unwrap_or_default();
            let last = pulls.last().filter(|pull| pull.started_at >= ended);
            tried = last.map(|pull| (pull.stands(), pull.ended_at.unwrap_or(pull.started_at)));
            Act::Lever { lever, choice: choice.clone() }
        }
        Way::Back { step } => Act::Back(there(step)),
        Way::Skip { because } => Act::Skip { because: because.clone() },
        Way::RollBack => Act::RollBack,
    };
    let locked = lock(state, step, &act);
    WayOut { act, offered: true, from, tried, locked }
}

/// What an operator may do whatever the finding offers.
fn always(state: &State, step: &StepRef) -> Vec<Act> {
    let skippable = state.run.step(step).is_some_and(|(_, planned, _)| planned.kind.skippable());
    let skip = skippable.then(|| Act::Skip { because: String::new() });
    [Some(Act::Again), skip, Some(Act::RollBack), Some(Act::Stop)].into_iter().flatten().collect()
}

fn lock(state: &State, step: &StepRef, act: &Act) -> Option<String> {
    match act {
        Act::Again => locked(state, step),
        Act::Lever { lever, .. } => locked(state, lever),
        // A step is passed over by the gate that it is fired by.
        Act::Skip { .. } => locked(state, step),
        Act::Back(_) | Act::RollBack | Act::Stop => {
            state.run.running().map(|(running, _)| format!("{} is running; wait until it ends", named(state, &running)))
        }
    }
}

/// When the running step tries again by itself what was refused; none where it waits for nothing of the kind.
pub fn tries_again(state: &State, step: &StepRef) -> Option<Timestamp> {
    let (_, _, run) = state.run.step(step)?;
    let attempt = run.attempts.last().filter(|attempt| attempt.outcome.is_none())?;
    let refused = matches!(attempt.actions.last()?.outcome, Some(ActionOutcome::Refused { .. }));
    let remark = attempt.remarks.last().filter(|_| refused)?;
    let after = remark.ways.iter().find_map(|way| match way {
        Way::Again { after } => Some(*after),
        _ => None,
    })?;
    // It was said once; since then it may have looked several times.
    let since = attempt.actions.last()?.settled_at?;
    let looks = state.since(since).as_millis().checked_div(after.as_millis())? + 1;
    let wait = after.checked_mul(u32::try_from(looks).ok()?)?;
    Some(since + SignedDuration::try_from(wait).ok()?)
}

/// What a way out is called.
pub fn way_words(state: &State, step: &StepRef, act: &Act) -> String {
    let titled = |step: &StepRef| {
        let planned = state.run.step(step).map(|(_, planned, _)| planned);
        planned.map_or_else(|| step.to_string(), |planned| format!("{} {}", planned.label, planned.title))
    };
    match act {
        Act::Again => "try it again".to_owned(),
        Act::Lever { lever, choice } => {
            let Some((partition, planned, _)) = state.run.step(lever) else { return lever.to_string() };
            let choice = choice.as_ref().map_or_else(String::new, |choice| {
                format!(" · {}", partition.cluster.short_name(&InstanceId::new(choice.as_str())))
            });
            format!("{}{choice}", planned.title)
        }
        Act::Back(to) => format!("back to {}", titled(to)),
        Act::Skip { .. } => "skip it, with a reason".to_owned(),
        Act::RollBack => format!("roll {} back", step.partition),
        Act::Stop => "stop the rollout".to_owned(),
    }
}
