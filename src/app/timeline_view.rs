//! What of the timeline is drawn: the failover as a whole, or a part that was looked at closer.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::live::Live;
use super::state::State;
use super::unplanned::moves_the_writer;
use crate::runbook::plan::Partition;
use crate::runbook::timeline::Zero;

/// Stretches of time that are drawn while there is no failover, in minutes: as much as was heard, up to the last.
const QUIET: [i64; 4] = [1, 2, 3, 5];
/// How long the drawing stands still where nothing moves, in seconds.
const STILL: i64 = 5;
/// Spans that are drawn, in seconds: the drawing grows in steps, so that it does not creep.
const SPANS: [i64; 16] = [20, 30, 40, 50, 60, 75, 100, 120, 150, 200, 300, 450, 600, 900, 1_800, 3_600];
/// What is drawn beyond the end of a failover.
const AFTER: SignedDuration = SignedDuration::from_secs(5);
/// How often the span is halved at most, and doubled at most.
const CLOSEST: i8 = 6;
const WIDEST: i8 = -4;
/// No closer than this: the fastest witness speaks a few times in it.
const LEAST: SignedDuration = SignedDuration::from_secs(1);
/// A move is this part of what is seen.
const MOVE: i32 = 4;

/// What of the timeline is drawn. It follows the failover until it is moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelineView {
    /// How often the span is halved; negative: doubled.
    zoom: i8,
    /// The middle of what is drawn, once it was moved.
    middle: Option<Timestamp>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
}

impl Stretch {
    fn span(self) -> SignedDuration {
        self.to.duration_since(self.from)
    }

    fn middle(self) -> Timestamp {
        self.from + self.span() / 2
    }
}

impl TimelineView {
    /// Whether all of it is drawn, as it comes.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// How much closer it is looked at than as a whole: `×4`, `×½`; none as a whole.
    pub fn words(&self) -> Option<String> {
        match self.zoom {
            0 => self.middle.map(|_| "moved".to_owned()),
            closer @ 1.. => Some(format!("×{}", 1_u32 << closer)),
            wider => Some(format!("×1/{}", 1_u32 << wider.unsigned_abs())),
        }
    }

    /// Draws the whole again, and follows it.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Looks closer (positive) or wider, around the middle of what is seen.
pub(super) fn zoom(state: &mut State, by: i8) {
    let view = state.timeline_view;
    let zoom = (view.zoom + by).clamp(WIDEST, CLOSEST);
    let span = state.live_here().map(|live| seen(state, live, TimelineView { zoom, ..view }).span());
    if span.is_some_and(|span| span >= LEAST) || by < 0 {
        state.timeline_view.zoom = zoom;
    }
}

/// Looks later (positive) or earlier, by a part of what is seen, as far as anything was heard.
pub(super) fn pan(state: &mut State, steps: i32) {
    let Some(live) = state.live_here() else { return };
    let stretch = seen(state, live, state.timeline_view);
    let first =
        live.timeline.lanes.values().filter_map(|lane| lane.segments.first()).map(|segment| segment.since).min();
    let Some(first) = first else { return };
    let middle = stretch.middle() + stretch.span() / MOVE * steps;
    // Where there is nothing to see there is nothing to look at.
    state.timeline_view.middle = Some(middle.clamp(first.min(state.now), state.now.max(first)));
}

/// What is drawn of the partition that is looked at.
pub fn stretch(state: &State, live: &Live) -> Stretch {
    seen(state, live, state.timeline_view)
}

fn seen(state: &State, live: &Live, view: TimelineView) -> Stretch {
    let whole = whole(state, live);
    if view.is_whole() {
        return whole;
    }
    let span = match view.zoom {
        closer @ 0.. => whole.span() / (1_i32 << closer),
        wider => whole.span() * (1_i32 << wider.unsigned_abs()),
    };
    if let Some(middle) = view.middle {
        return Stretch { from: middle - span / 2, to: middle + span / 2 };
    }
    let running = live.timeline.zero.is_none() || end_of(state, live).is_none_or(|end| end >= state.now);
    if running && view.zoom > 0 {
        // What comes in is what matters; a little room at the right lets it be seen coming.
        let room = if live.timeline.zero.is_some() { span / 16 } else { SignedDuration::ZERO };
        let to = (state.now + room).min(whole.to);
        return Stretch { from: to - span, to };
    }
    if view.zoom > 0 {
        return Stretch { from: whole.from, to: whole.from + span };
    }
    Stretch { from: whole.to - span, to: whole.to }
}

/// All of the failover, or the last minutes where there is none.
fn whole(state: &State, live: &Live) -> Stretch {
    let now = state.now;
    let Some(zero) = &live.timeline.zero else {
        let to = until(state, live);
        return Stretch { from: to - SignedDuration::from_mins(quiet(state, live)), to };
    };
    let end = end_of(state, live).map_or(now, |end| end.min(now));
    let elapsed = end.duration_since(zero.at).as_secs() * 23 / 20;
    let least = elapsed.max(SPANS[0]);
    let span = SPANS.into_iter().find(|span| *span >= least).unwrap_or(least);
    // A little of what was before shows what changed.
    let lead = SignedDuration::from_millis(span * 1_000 / 16);
    // An outage that nobody expected began between two askings: its beginning lies before its first sign.
    let outage = live.timeline.outage().map(|(began, _)| zero.at.duration_since(began) + LEAST);
    let lead =
        outage.filter(|outage| *outage < SignedDuration::from_secs(span)).map_or(lead, |outage| outage.max(lead));
    Stretch { from: zero.at - lead, to: zero.at + SignedDuration::from_secs(span) }
}

/// Until when is drawn while there is no failover: until now, or, where nothing moves and nobody said anything new, until a
/// moment ago, so that bars that only grow older do not creep each second.
pub fn until(state: &State, live: &Live) -> Timestamp {
    let seconds = state.now.as_second().div_euclid(STILL) * STILL;
    let before = Timestamp::from_second(seconds).unwrap_or(state.now);
    let newest =
        live.timeline.lanes.values().filter_map(|lane| lane.segments.last()).map(|segment| segment.since).max();
    let is_still = newest.is_none_or(|newest| newest <= before) && state.is_calm_in(&state.looked_at().0.name);
    if is_still { before } else { state.now }
}

/// How many minutes are drawn while there is no failover.
pub fn quiet(state: &State, live: &Live) -> i64 {
    let firsts = live.timeline.lanes.values().filter_map(|lane| lane.segments.first());
    let heard = firsts.map(|segment| state.since(segment.since).as_secs()).max().unwrap_or(0);
    QUIET.into_iter().find(|minutes| *minutes * 60 > heard as i64).unwrap_or(QUIET[QUIET.len() - 1])
}

/// Until when a failover is drawn, once it is over: a little past its end.
fn end_of(state: &State, live: &Live) -> Option<Timestamp> {
    let zero = live.timeline.zero.as_ref()?;
    let over = live.timeline.over.map(|over| over + AFTER);
    over.or_else(|| attempt_end(state, zero).map(|end| end + AFTER))
}

/// The end of the attempt that fired it.
fn attempt_end(state: &State, zero: &Zero) -> Option<Timestamp> {
    let (partition, run) = state.looked_at();
    let steps = partition.steps.iter().chain(&partition.levers).filter(|step| moves_the_writer(&step.kind));
    let attempts = steps
        .filter_map(|step| run.steps.iter().chain(&run.levers).find(|each| each.id == step.id))
        .flat_map(|step| &step.attempts);
    let fired = attempts.filter(|attempt| attempt.started_at <= zero.at).max_by_key(|attempt| attempt.started_at)?;
    fired.ended_at.filter(|_| zero.fired)
}

/// How long the runbook expects a failover of this partition to take.
pub fn expected(partition: &Partition) -> Option<Duration> {
    partition.steps.iter().find(|step| moves_the_writer(&step.kind)).and_then(|step| step.expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_says_how_close_it_is() {
        let view = |zoom, middle| TimelineView { zoom, middle };
        assert_eq!(view(0, None).words(), None);
        assert_eq!(view(2, None).words().as_deref(), Some("×4"));
        assert_eq!(view(-1, None).words().as_deref(), Some("×1/2"));
        assert_eq!(view(0, Some(Timestamp::UNIX_EPOCH)).words().as_deref(), Some("moved"));
    }
}
