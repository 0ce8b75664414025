//! The failover timeline: a lane for each witness, T=0 at the accepted call, the disruption measured and not guessed.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::event::{Disruption, FailoverMeasure, Milestone};
use super::names::InstanceId;
use super::outage::WriteWatch;
use super::witness::{Testimony, Witness, Word};

/// Segments kept for each lane; a witness that changes its mind more often than this has told its story.
const SEGMENTS: usize = 400;

/// What the witnesses said, in lanes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The failover that is or was drawn.
    pub zero: Option<Zero>,
    /// The lanes, in the order of the witnesses.
    pub lanes: BTreeMap<Witness, Lane>,
    writes: WriteWatch,
}

/// T=0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zero {
    /// When the call was accepted; for an unplanned failover, when the first witness noticed.
    pub at: Timestamp,
    /// The writer before.
    pub from: InstanceId,
    /// The instance that is to become the writer, if anybody fired it.
    pub to: Option<InstanceId>,
}

/// What one witness said over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Its words, each with the time from which it held.
    pub segments: Vec<Segment>,
    /// Its last testimony.
    pub last: Testimony,
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
    pub fn observe(&mut self, testimony: Testimony) {
        self.writes.observe(&testimony);
        let segment = Segment { since: testimony.at, word: testimony.word.clone() };
        match self.lanes.get_mut(&testimony.witness) {
            None => {
                self.lanes.insert(testimony.witness.clone(), Lane { segments: vec![segment], last: testimony });
            }
            Some(lane) => {
                if testimony.since(&lane.last).is_negative() {
                    return;
                }
                if lane.segments.last().is_none_or(|last| !last.word.says_the_same(&segment.word)) {
                    lane.segments.push(segment);
                    if lane.segments.len() > SEGMENTS {
                        lane.segments.remove(0);
                    }
                }
                lane.last = testimony;
            }
        }
    }

    /// Sets T=0 and forgets what was measured before it.
    pub fn start(&mut self, zero: Zero) {
        self.writes.begin();
        self.zero = Some(zero);
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

    /// What was seen and when, after T=0.
    pub fn milestones(&self) -> Vec<Milestone> {
        let Some(zero) = &self.zero else { return Vec::new() };
        let mut milestones = Vec::new();
        for (witness, lane) in &self.lanes {
            let mut seen_new = false;
            let mut seen_trouble = false;
            for segment in lane.segments.iter().filter(|segment| segment.since >= zero.at) {
                let what = match &segment.word {
                    Word::Writer { instance, .. } if *instance != zero.from && !seen_new => {
                        seen_new = true;
                        format!("first names {instance} writer")
                    }
                    Word::Silent { reason } if !seen_trouble => {
                        seen_trouble = true;
                        format!("first trouble: {reason}")
                    }
                    Word::Status { text, .. } | Word::Happened { text } => text.clone(),
                    _ => continue,
                };
                milestones.push(Milestone { what, witness: witness.to_string(), after: after(zero.at, segment.since) });
            }
        }
        if let Some(end) = self.writes.recovered_at() {
            milestones.push(Milestone {
                what: "writes go through again".to_owned(),
                witness: Witness::SqlEndpoint.to_string(),
                after: after(zero.at, end),
            });
        }
        milestones.sort_by_key(|milestone| milestone.after);
        milestones
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

pub(super) fn after(zero: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(zero)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

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
        timeline.start(Zero { at: ms(0), from: "a".into(), to: Some("b".into()) });
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
