//! The failover timeline: a lane for each witness, T=0 at the accepted call, the disruption measured and not guessed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::event::{Disruption, FailoverMeasure};
use super::moved::{KnownWriter, Moved};
use super::names::InstanceId;
use super::outage::WriteWatch;
use super::witness::{Testimony, Witness, Word};

/// Segments kept for each lane; a witness that changes its mind more often than this has told its story.
const SEGMENTS: usize = 400;

/// How long after T=0 a move of the writer is still that failover's: a call that showed nothing for longer did not act.
const ONE_FAILOVER: SignedDuration = SignedDuration::from_mins(10);

/// What the witnesses said, in lanes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The failover that is or was drawn.
    pub zero: Option<Zero>,
    /// The lanes, in the order of the witnesses.
    pub lanes: BTreeMap<Witness, Lane>,
    /// When that failover was over.
    pub over: Option<Timestamp>,
    /// Whether all instances are available by the RDS API, each with the time from which that held.
    pub(super) instances: Vec<(Timestamp, bool)>,
    writes: WriteWatch,
    writer: KnownWriter,
}

/// T=0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zero {
    /// When the call was accepted; for an unplanned failover, when the first witness noticed.
    pub at: Timestamp,
    /// The writer before.
    pub from: InstanceId,
    /// The instance that is to become the writer; for an unplanned failover, the one that did.
    pub to: Option<InstanceId>,
    /// Whether it was fired in this run.
    pub fired: bool,
}

/// What one witness said over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Its words, each with the time from which it held.
    pub segments: Vec<Segment>,
    /// Its last testimony.
    pub last: Testimony,
    /// Time between its last two testimonies; none after the first.
    pub every: Option<Duration>,
}

/// A stretch of time over which a witness said the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// From when.
    pub since: Timestamp,
    /// What.
    pub word: Word,
}

impl Timeline {
    /// Takes in what a witness says. Only a change of its word makes a new segment.
    ///
    /// Answers if by this word the writer moved, and no failover is drawn yet that the move belongs to.
    pub fn observe(&mut self, testimony: Testimony) -> Option<Moved> {
        self.writes.observe(&testimony);
        let segment = Segment { since: testimony.at, word: testimony.word.clone() };
        match self.lanes.get_mut(&testimony.witness) {
            None => {
                let lane = Lane { segments: vec![segment], last: testimony.clone(), every: None };
                self.lanes.insert(testimony.witness.clone(), lane);
            }
            Some(lane) => {
                if testimony.since(&lane.last).is_negative() {
                    return None;
                }
                if lane.segments.last().is_none_or(|last| !last.word.says_the_same(&segment.word)) {
                    lane.segments.push(segment);
                    if lane.segments.len() > SEGMENTS {
                        lane.segments.remove(0);
                    }
                }
                lane.every = Duration::try_from(testimony.since(&lane.last)).ok().filter(|every| !every.is_zero());
                lane.last = testimony.clone();
            }
        }
        let moved = self.writer.hear(&testimony, &self.lanes)?;
        let over = self.over.is_some();
        match &mut self.zero {
            Some(zero) if !over && moved.at.duration_since(zero.at) <= ONE_FAILOVER => {
                if !zero.fired && moved.to != zero.from {
                    zero.to = Some(moved.to);
                }
                None
            }
            _ => Some(moved),
        }
    }

    /// Takes in whether the RDS API has all instances available.
    pub fn observe_instances(&mut self, at: Timestamp, available: bool) {
        if self.instances.last().is_none_or(|(last, was)| *last <= at && *was != available) {
            self.instances.push((at, available));
            if self.instances.len() > SEGMENTS {
                self.instances.remove(0);
            }
        }
    }

    /// Whether all instances were available when the RDS API was last heard.
    pub fn instances_available(&self) -> bool {
        self.instances.last().is_some_and(|(_, available)| *available)
    }

    /// Sets T=0 and forgets what was measured before it. An unplanned failover is noticed when it has begun: an outage
    /// that was under way is its own.
    pub fn start(&mut self, zero: Zero) {
        let before = self.writes.recovered_at().is_some_and(|at| at < zero.at);
        if zero.fired || before {
            self.writes.begin();
        }
        self.over = None;
        self.zero = Some(zero);
    }

    /// Whether a failover is under way.
    pub fn is_open(&self) -> bool {
        self.zero.is_some() && self.over.is_none()
    }

    /// The failover that is under way and that nobody fired.
    pub fn unplanned(&self) -> Option<&Zero> {
        self.zero.as_ref().filter(|zero| !zero.fired && self.over.is_none())
    }

    /// How long the writer endpoint did not take writes, as far as it is known now.
    ///
    /// While it is still down, the length runs on to `now`.
    pub fn disruption(&self, now: Timestamp) -> Option<Disruption> {
        self.writes.disruption(now)
    }

    /// Whether the writer endpoint takes writes no more, and since when.
    pub fn down_since(&self) -> Option<Timestamp> {
        self.writes.down_since()
    }

    /// When the writer endpoint stopped taking writes and, once it did, when it took them again: where the drawing puts
    /// the ends of the disruption.
    pub fn outage(&self) -> Option<(Timestamp, Option<Timestamp>)> {
        Some((self.writes.began_at()?, self.writes.recovered_at()))
    }

    /// When the last write went through before the outage.
    pub fn last_good_write(&self) -> Option<Timestamp> {
        self.writes.last_good()
    }

    /// When the first write went through after the outage.
    pub fn first_good_write(&self) -> Option<Timestamp> {
        self.writes.first_good()
    }

    /// The measurement to keep, once the failover is over.
    pub fn measure(&self, to: InstanceId, now: Timestamp) -> Option<FailoverMeasure> {
        let zero = self.zero.as_ref()?;
        Some(FailoverMeasure {
            accepted_at: zero.at,
            from: zero.from.clone(),
            to,
            milestones: self.milestones(),
            disruption: self.disruption(now),
            unplanned: !zero.fired,
        })
    }
}

impl Word {
    /// Whether it says the same as another; that a write was tried this time and not the last makes no difference.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Writer { instance, writes }, Self::Writer { instance: other, writes: tried }) => {
                instance == other && writes.unwrap_or(true) == tried.unwrap_or(true)
            }
            (Self::Silent { .. }, Self::Silent { .. }) => true,
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000) + SignedDuration::from_millis(millis)
    }

    fn endpoint(asked: i64, answered: i64, word: Word) -> Testimony {
        Testimony::new(Witness::SqlEndpoint, word, ms(asked), ms(answered))
    }

    fn good(writer: &str) -> Word {
        Word::Writer { instance: writer.into(), writes: Some(true) }
    }

    fn cut() -> Word {
        Word::Silent { reason: "connection reset".to_owned() }
    }

    #[test]
    fn the_disruption_lies_between_good_answers_and_knows_its_uncertainty() {
        let mut timeline = Timeline::default();
        timeline.start(Zero { at: ms(0), from: "a".into(), to: Some("b".into()), fired: true });
        timeline.observe(endpoint(1000, 1010, good("a")));
        timeline.observe(endpoint(1100, 1110, cut()));
        timeline.observe(endpoint(9000, 9010, cut()));
        assert!(timeline.down_since().is_some());
        timeline.observe(endpoint(9100, 9110, good("b")));
        let disruption = timeline.disruption(ms(60_000)).expect("an outage was seen");
        // From the middle of 1000..1110 to the middle of 9000..9110.
        assert_eq!(disruption.length, Duration::from_millis(8000));
        assert_eq!(disruption.uncertainty, Duration::from_millis(110));
        assert_eq!(timeline.down_since(), None);
    }

    #[test]
    fn only_a_change_of_word_makes_a_segment() {
        let mut timeline = Timeline::default();
        for at in 0..50 {
            timeline.observe(endpoint(at, at, good("a")));
        }
        timeline.observe(endpoint(60, 60, cut()));
        assert_eq!(timeline.lanes[&Witness::SqlEndpoint].segments.len(), 2);
    }

    #[test]
    fn what_arrives_late_does_not_turn_a_lane_back() {
        let mut timeline = Timeline::default();
        timeline.observe(endpoint(100, 100, good("b")));
        timeline.observe(endpoint(50, 50, good("a")));
        assert_eq!(timeline.lanes[&Witness::SqlEndpoint].segments.len(), 1);
    }
}
