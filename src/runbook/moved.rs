//! Whether the writer moved, by those who know: the beginning of a failover that nobody fired.
//!
//! A word counts here if whoever says it speaks for itself: an instance that says of itself that it is the writer, asked by
//! its own name or through the writer endpoint. Where no such word is fresh, the RDS API and DNS count together: each of
//! them may lag or cache, and one of them alone proves nothing. That everything went dark proves nothing either: a restart
//! looks like that.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::names::InstanceId;
use super::timeline::Lane;
use super::topology::is_fresh;
use super::witness::{Testimony, Witness, Word};

/// How far before the first word of a new writer its first sign may lie.
const REACH: SignedDuration = SignedDuration::from_mins(5);

/// The writer moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The writer before.
    pub from: InstanceId,
    /// The writer now.
    pub to: InstanceId,
    /// The first sign of it: what turned out to be its beginning, such as a connection that was cut.
    pub first_sign: Timestamp,
    /// Who named the new writer first.
    pub by: Witness,
    /// When.
    pub at: Timestamp,
}

/// Who is known to be the writer, and since when that was last said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct KnownWriter {
    known: Option<(InstanceId, Timestamp)>,
}

impl KnownWriter {
    /// Takes in a word that its lane has taken in; the writer before, if it names another.
    pub(super) fn hear(&mut self, testimony: &Testimony, lanes: &BTreeMap<Witness, Lane>) -> Option<Moved> {
        let Word::Writer { instance, .. } = &testimony.word else { return None };
        let counts =
            testimony.witness.speaks_for_itself(&testimony.word) || from_outside(instance, testimony.at, lanes);
        if !counts {
            return None;
        }
        let newer = (instance.clone(), testimony.at);
        match &self.known {
            Some((_, at)) if *at > testimony.at => None,
            Some((known, _)) if known != instance => {
                let from = known.clone();
                self.known = Some(newer);
                let first_sign = first_sign(&from, testimony.at, lanes);
                let by = testimony.witness.clone();
                Some(Moved { from, to: instance.clone(), first_sign, by, at: testimony.at })
            }
            _ => {
                self.known = Some(newer);
                None
            }
        }
    }
}

/// Whether API and DNS name that instance together, and nobody who speaks for itself was heard lately.
fn from_outside(instance: &InstanceId, now: Timestamp, lanes: &BTreeMap<Witness, Lane>) -> bool {
    let fresh = |lane: &&Lane| is_fresh(lane.last.asked, now);
    let names = |lane: &Lane| matches!(&lane.last.word, Word::Writer { instance: named, .. } if named == instance);
    let itself = lanes.iter().any(|(witness, lane)| witness.speaks_for_itself(&lane.last.word) && fresh(&lane));
    let both = [Witness::ApiWriter, Witness::Dns];
    !itself && both.iter().all(|witness| lanes.get(witness).filter(fresh).is_some_and(names))
}

/// When that which ended with another writer began: the earliest of the troubles that still last, or lasted until then,
/// with whoever is near the writer.
fn first_sign(from: &InstanceId, seen: Timestamp, lanes: &BTreeMap<Witness, Lane>) -> Timestamp {
    let own = Witness::SqlInstance(from.clone());
    let near = lanes.iter().filter(|(witness, _)| {
        witness.is_of_endpoint() || **witness == own || matches!(witness, Witness::ApiStatus | Witness::ApiWriter)
    });
    let signs = near.filter_map(|(_, lane)| {
        let as_before = |word: &Word| match word {
            Word::Writer { instance, writes } => instance == from && writes.unwrap_or(true),
            Word::Status { healthy, .. } => *healthy,
            _ => false,
        };
        let last_well = lane.segments.iter().rposition(|segment| as_before(&segment.word))?;
        lane.segments.get(last_well + 1).map(|segment| segment.since)
    });
    signs.filter(|sign| seen.duration_since(*sign) <= REACH).min().unwrap_or(seen).min(seen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::super::timeline::{Timeline, Zero};
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000) + SignedDuration::from_millis(millis)
    }

    fn names(instance: &str) -> Word {
        Word::Writer { instance: instance.into(), writes: None }
    }

    fn cut() -> Word {
        Word::Silent { reason: "cut".to_owned() }
    }

    fn status(text: &str) -> Word {
        Word::Status { text: text.to_owned(), healthy: text == "available" }
    }

    fn sql(id: &str) -> Witness {
        Witness::SqlInstance(id.into())
    }

    /// Tells all of it; the moves that it was told of.
    fn tell(timeline: &mut Timeline, words: &[(i64, Witness, Word)]) -> Vec<Moved> {
        let said =
            words.iter().map(|(at, witness, word)| Testimony::new(witness.clone(), word.clone(), ms(at - 10), ms(*at)));
        said.filter_map(|testimony| timeline.observe(testimony)).collect()
    }

    fn before() -> [(i64, Witness, Word); 5] {
        [
            (0, Witness::ApiStatus, status("available")),
            (0, Witness::ApiWriter, names("a")),
            (0, Witness::Dns, names("a")),
            (0, Witness::SqlEndpoint, names("a")),
            (0, sql("b"), Word::Reader),
        ]
    }

    #[test]
    fn the_first_word_of_another_writer_is_a_move_and_its_first_sign_is_its_beginning() {
        let mut timeline = Timeline::default();
        assert_eq!(tell(&mut timeline, &before()), []);
        let moved = tell(
            &mut timeline,
            &[
                (9_000, Witness::SqlEndpoint, cut()),
                (13_000, Witness::ApiStatus, status("failing-over")),
                (17_000, sql("b"), names("b")),
                (17_200, Witness::SqlEndpoint, names("b")),
            ],
        );
        let [moved] = moved.as_slice() else { panic!("{moved:?}") };
        assert_eq!((moved.from.as_str(), moved.to.as_str(), moved.by.clone()), ("a", "b", sql("b")));
        assert_eq!((moved.first_sign, moved.at), (ms(9_000), ms(17_000)));
    }

    #[test]
    fn a_move_belongs_to_the_failover_that_is_drawn() {
        for fired in [true, false] {
            let mut timeline = Timeline::default();
            tell(&mut timeline, &before());
            timeline.start(Zero { at: ms(500), from: "a".into(), to: None, fired });
            let flapping =
                [(17_000, sql("b"), names("b")), (18_000, sql("a"), names("a")), (19_000, sql("b"), names("b"))];
            assert_eq!(tell(&mut timeline, &flapping), []);
            timeline.over = Some(ms(40_000));
            let moved = tell(&mut timeline, &[(60_000, sql("a"), names("a"))]);
            assert_eq!((moved.len(), moved[0].to.as_str()), (1, "a"), "after its end it is another one");
        }
    }

    /// A deploy that restarts both instances, one after the other: everything goes dark, and the writer stays who it was.
    #[test]
    fn a_restart_is_no_move() {
        let mut timeline = Timeline::default();
        tell(&mut timeline, &before());
        let moved = tell(
            &mut timeline,
            &[
                (1_000, Witness::ApiStatus, status("modifying")),
                (2_000, sql("b"), cut()),
                (3_000, Witness::SqlEndpoint, cut()),
                (3_000, sql("a"), cut()),
                (60_000, sql("b"), Word::Reader),
                (130_000, sql("a"), names("a")),
                (130_500, Witness::SqlEndpoint, names("a")),
                (131_000, Witness::ApiStatus, status("available")),
            ],
        );
        assert_eq!(moved, []);
        assert_eq!(timeline.zero, None);
    }

    #[test]
    fn api_and_dns_are_believed_together_and_only_where_nobody_speaks_for_itself() {
        let outside = |words: &[(i64, Witness, Word)]| {
            let mut timeline = Timeline::default();
            tell(&mut timeline, &[(0, Witness::ApiWriter, names("a")), (0, Witness::Dns, names("a"))]);
            tell(&mut timeline, words)
        };
        let api = (30_000, Witness::ApiWriter, names("b"));
        let dns = (31_000, Witness::Dns, names("b"));
        assert_eq!(outside(std::slice::from_ref(&api)), []);
        assert_eq!(outside(std::slice::from_ref(&dns)), []);
        assert_eq!(outside(&[api.clone(), dns.clone()]).len(), 1);
        // A minute apart they are not of one moment.
        assert_eq!(outside(&[api.clone(), (91_000, Witness::Dns, names("b"))]), []);
        assert_eq!(outside(&[(29_000, Witness::SqlEndpoint, names("a")), api, dns]), []);
    }

    #[test]
    fn a_replica_a_late_word_and_a_refused_write_prove_nothing() {
        let mut timeline = Timeline::default();
        tell(&mut timeline, &before());
        let refused = Word::Writer { instance: "b".into(), writes: Some(false) };
        let told =
            [(5_000, Witness::SqlEndpoint, refused), (-5_000, sql("b"), names("b")), (6_000, sql("a"), names("b"))];
        assert_eq!(tell(&mut timeline, &told), []);
    }
}
