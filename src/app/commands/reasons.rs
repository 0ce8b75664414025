//! Why a command does nothing now.

use crate::app::approve;
use crate::app::attach::attachable;
use crate::app::fleet::Fleet;
use crate::app::state::{Mode, State};
use crate::app::ways::{tries_again, troubled};
use crate::runbook::gate::Lock;
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;

pub(super) fn approve_disabled(state: &State) -> Option<String> {
    approve::disabled(state)
}

pub(super) fn nothing_calls(state: &State) -> Option<String> {
    Fleet::of(state).next_calling().is_none().then(|| "no other partition calls for anybody".to_owned())
}

pub(super) fn never(_: &State) -> Option<String> {
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
    let reasons: Vec<String> = locks.iter().map(|lock| in_words(state, lock)).collect();
    Some(reasons.join("; "))
}

/// A lock, with steps named as the screen names them.
fn in_words(state: &State, lock: &Lock) -> String {
    match lock {
        Lock::Busy(running) => format!("{} is running; nothing is fired beside it", named(state, running)),
        other => other.to_string(),
    }
}

/// A step as the screen names it: `dev's 2 amm.sh`.
pub(in crate::app) fn named(state: &State, step: &StepRef) -> String {
    let planned = state.run.step(step).map(|(_, planned, _)| planned);
    planned.map_or_else(|| step.to_string(), |it| format!("{}'s {} {}", step.partition, it.label, it.title))
}

pub(super) fn skip_disabled(state: &State) -> Option<String> {
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

pub(super) fn go_ahead_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let (partition, _) = state.looked_at();
    let step = partition.steps.iter().find(|step| step.kind == StepKind::GoAhead)?;
    locked(state, &partition.reference(&step.id))
}

pub(super) fn stop_disabled(state: &State) -> Option<String> {
    if let Some(reason) = controls_missing(state) {
        return Some(reason);
    }
    let (running, _) = state.run.running()?;
    Some(format!("{} is running; wait until it ends", named(state, &running)))
}

pub(super) fn ways_disabled(state: &State) -> Option<String> {
    let step = state.marked_step()?;
    if let Some(why) = state.run.will_not_run(&step.partition) {
        return Some(why);
    }
    troubled(state).is_none().then(|| "no step is in trouble".to_owned())
}

pub(super) fn retry_disabled(state: &State) -> Option<String> {
    let waits = state.run.running().and_then(|(step, _)| tries_again(state, &step));
    controls_missing(state).or_else(|| waits.is_none().then(|| "nothing waits to be tried again".to_owned()))
}

pub(super) fn terminal_disabled(state: &State) -> Option<String> {
    attachable(state).is_none().then(|| "no program runs, and the marked step ran none".to_owned())
}

pub(super) fn roll_back_disabled(state: &State) -> Option<String> {
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

pub(super) fn already_following(state: &State) -> Option<String> {
    let follows = state.follows && state.log.follows();
    (follows && state.timeline_view.is_whole()).then(|| "everything follows".to_owned())
}

pub(super) fn nothing_heard(state: &State) -> Option<String> {
    let heard = state.live_here().is_some_and(|live| !live.timeline.lanes.is_empty());
    (!heard).then(|| "no witness has answered yet".to_owned())
}

pub(super) fn no_match(state: &State) -> Option<String> {
    match state.log.search() {
        None => Some("nothing is searched".to_owned()),
        Some(search) if search.count() == 0 => Some(format!("no line holds \"{}\"", search.needle.query())),
        Some(_) => None,
    }
}

pub(super) fn nothing_to_copy(state: &State) -> Option<String> {
    (state.log.passing() == 0).then(|| "no line is shown".to_owned())
}

pub(super) fn no_replay(state: &State) -> Option<String> {
    state.replay.is_none().then(|| "this is no replay".to_owned())
}
