//! Failovers that nobody fired: noticed, drawn like the others, and measured once everybody agrees again.

use jiff::{SignedDuration, Timestamp};

use super::log::{Level, LogLine, LogSource};
use super::state::{Mode, State};
use super::update::Effect;
use crate::runbook::event::{Event, FailoverMeasure};
use crate::runbook::lever::Lever;
use crate::runbook::moved::Moved;
use crate::runbook::names::PartitionName;
use crate::runbook::plan::StepKind;
use crate::runbook::state::ActionRun;
use crate::runbook::timeline::Zero;
use crate::runbook::topology::FRESH;
use crate::watch::sample::Source;

/// How long one is waited for at most; what has not come back by then is shown as it is.
const LONGEST: SignedDuration = SignedDuration::from_mins(20);

/// Two notices of one failover, seen from two places, lie no further apart than this.
const SAME: SignedDuration = SignedDuration::from_mins(2);

/// Whether a kind of step moves the writer.
pub(super) fn moves_the_writer(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Failover | StepKind::Lever(Lever::FailBack))
}

/// Whether a step or lever of this run is moving the writer, or may be: its call was sent and its end was not seen.
fn is_ours(state: &State, partition: &PartitionName) -> bool {
    state.run.under_way().any(|(step, attempt)| {
        let moves = state.run.step(&step).is_some_and(|(_, planned, _)| moves_the_writer(&planned.kind));
        step.partition == *partition && moves && attempt.actions.iter().any(ActionRun::may_have_acted)
    })
}

/// The writer of a partition moved. Unless this run moves it, that is a failover that nobody fired: T=0 is its first sign.
pub(super) fn on_moved(state: &mut State, partition: &PartitionName, moved: Moved) -> Vec<Effect> {
    if is_ours(state, partition) {
        return Vec::new();
    }
    let Moved { from, to, first_sign, by, .. } = moved;
    let event = Event::FailoverNoticed { partition: partition.clone(), zero: first_sign, from, to, by };
    begin(state, &event);
    if state.mode == Mode::Operator { vec![Effect::Record(Box::new(event))] } else { Vec::new() }
}

/// Begins to draw an unplanned failover, noticed here or by the operator's session; not twice.
pub(super) fn begin(state: &mut State, event: &Event) {
    let Event::FailoverNoticed { partition, zero, from, to, by } = event else { return };
    let Some(live) = state.live.get_mut(partition) else { return };
    let known = live.timeline.zero.as_ref();
    if known.is_some_and(|known| !known.fired && is_same(known.at, *zero)) {
        return;
    }
    let names = state.run.plan.partition(partition).map(|planned| &planned.cluster);
    let short = |id| names.map_or_else(|| ToString::to_string(id), |cluster| cluster.short_name(id).to_owned());
    let text = format!(
        "unplanned failover: {by} says {} is the writer, no longer {}; nobody fired it",
        short(to),
        short(from)
    );
    let line = LogLine {
        at: state.now.max(*zero),
        source: LogSource::Cockpit,
        partition: Some(partition.clone()),
        level: Level::Error,
        text,
    };
    live.timeline.start(Zero { at: *zero, from: from.clone(), to: Some(to.clone()), fired: false });
    live.rounds.reset();
    state.log.push(line);
    state.timeline_view.reset();
    // What was chosen to be looked at was chosen before there was a failover.
    state.focus_chosen = false;
    state.follow();
}

/// After a word of the RDS API: whether an unplanned failover is over. It is over when everybody agrees on the writer in
/// enough rounds, the endpoint takes writes, and cluster and instances are available.
pub(super) fn after_sample(
    state: &mut State,
    partition: &PartitionName,
    source: &Source,
    at: Timestamp,
) -> Vec<Effect> {
    let Some(live) = state.live.get_mut(partition).filter(|_| *source == Source::Api) else { return Vec::new() };
    let Some(zero) = live.timeline.unplanned() else { return Vec::new() };
    let lanes = &live.timeline.lanes;
    let agreement = live.timeline.agreement(at, FRESH);
    let answered = !live.troubles.contains_key(source);
    let available = live.cluster.as_ref().is_some_and(|cluster| {
        answered && cluster.value.status == "available" && cluster.value.is_available_throughout()
    });
    let too_long = at.duration_since(zero.at) > LONGEST;
    let to = agreement.writer.clone().or_else(|| zero.to.clone()).unwrap_or_else(|| zero.from.clone());
    if available && live.timeline.down_since().is_none() {
        live.rounds.take(&agreement, |witness| lanes.get(witness).map(|lane| lane.last.at));
    } else {
        live.rounds.reset();
    }
    if !live.rounds.are_enough() && !too_long {
        return Vec::new();
    }
    let Some(failover) = live.timeline.measure(to, at) else { return Vec::new() };
    live.timeline.over = Some(at);
    if state.mode == Mode::Operator {
        return vec![Effect::Record(Box::new(Event::FailoverMeasured { partition: partition.clone(), failover }))];
    }
    // The screen stays with it: what was just over is still looked at.
    live.seen.push(failover);
    Vec::new()
}

/// An unplanned failover was measured by the operator's session.
pub(super) fn end(state: &mut State, partition: &PartitionName, failover: &FailoverMeasure, at: Timestamp) {
    let Some(live) = state.live.get_mut(partition).filter(|_| failover.unplanned) else { return };
    let drawn = live.timeline.unplanned().is_some_and(|zero| is_same(zero.at, failover.accepted_at));
    if drawn {
        live.timeline.over = Some(at);
    }
}

fn is_same(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= SAME
}

/// The failovers that were measured, in the plan's order: those of the run, and those that this screen saw by itself. The
/// one that is drawn is not among those before it.
pub fn measured(state: &State) -> Vec<(&PartitionName, &FailoverMeasure)> {
    let mut all = Vec::new();
    for partition in &state.run.partitions {
        all.extend(partition.failovers.iter().map(|failover| (&partition.name, failover)));
        let Some(live) = state.live.get(&partition.name) else { continue };
        let is_new = |seen: &&FailoverMeasure| {
            !partition.failovers.iter().any(|known| known.unplanned && is_same(known.accepted_at, seen.accepted_at))
        };
        all.extend(live.seen.iter().filter(is_new).map(|failover| (&partition.name, failover)));
    }
    all
}

/// The partition in which an unplanned failover is under way, the latest first.
pub fn under_way(state: &State) -> Option<(&PartitionName, &Zero)> {
    let open = state.live.iter().filter_map(|(name, live)| Some((name, live.timeline.unplanned()?)));
    open.max_by_key(|(_, zero)| zero.at)
}

/// The partition whose unplanned failover is looked at: one that is under way, or has only just come to its end.
pub(super) fn looked_at(state: &State) -> Option<&PartitionName> {
    let is_recent = |over: Timestamp| state.now.duration_since(over) <= SAME;
    let latest = || {
        let ended = state.live.iter().filter(|(_, live)| {
            let unplanned = live.timeline.zero.as_ref().is_some_and(|zero| !zero.fired);
            unplanned && live.timeline.over.is_some_and(is_recent)
        });
        ended.max_by_key(|(_, live)| live.timeline.over).map(|(name, _)| name)
    };
    // What runs is looked at as soon as the other one is over.
    under_way(state).map(|(name, _)| name).or_else(|| latest().filter(|_| state.run.running().is_none()))
}
