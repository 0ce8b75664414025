//! The moments of a failover, each by its kind: so that nights can be compared and nothing has to be read out of a
//! sentence.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::names::InstanceId;
use super::timeline::{Timeline, Zero};
use super::witness::{Witness, Word};

/// A moment of a failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Milestone {
    /// What was seen.
    pub what: Moment,
    /// By whom; none where nobody in particular saw it.
    pub witness: Option<Witness>,
    /// How long after T=0, to the millisecond. The last good write may lie before it.
    pub after: SignedDuration,
}

/// What a milestone is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "moment", rename_all = "kebab-case")]
pub enum Moment {
    /// The last write that went through before the outage.
    LastGoodWrite,
    /// The first trouble that anybody had.
    FirstError {
        /// Which, in a few words.
        reason: String,
    },
    /// A witness's own first trouble.
    Trouble {
        /// Which, in a few words.
        reason: String,
    },
    /// A status that was not there before, such as `failing-over` or `503`.
    Status {
        /// As the source prints it.
        text: String,
    },
    /// Something that was reported, such as RDS event 0073.
    Happened {
        /// In a few words.
        text: String,
    },
    /// A witness's first word of a new writer; of DNS, that the name leads there.
    NamesWriter {
        /// The new writer.
        instance: InstanceId,
    },
    /// The first write that went through after the outage.
    FirstGoodWrite,
    /// The cluster came back to `available`.
    ClusterAvailable,
    /// Every instance came back to `available`.
    InstancesAvailable,
    /// A sentence, as earlier versions kept them.
    Told {
        /// The sentence.
        what: String,
    },
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LastGoodWrite => f.write_str("last good write"),
            Self::FirstError { reason } => write!(f, "first error: {reason}"),
            Self::Trouble { reason } => write!(f, "first trouble: {reason}"),
            Self::Status { text } | Self::Happened { text } => f.write_str(text),
            Self::NamesWriter { instance } => write!(f, "first names {instance} writer"),
            Self::FirstGoodWrite => f.write_str("first good write"),
            Self::ClusterAvailable => f.write_str("cluster available"),
            Self::InstancesAvailable => f.write_str("all instances available"),
            Self::Told { what } => f.write_str(what),
        }
    }
}

impl Moment {
    /// Its kind, as reports in JSON name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LastGoodWrite => "last-good-write",
            Self::FirstError { .. } => "first-error",
            Self::Trouble { .. } => "trouble",
            Self::Status { .. } => "status",
            Self::Happened { .. } => "happened",
            Self::NamesWriter { .. } => "names-writer",
            Self::FirstGoodWrite => "first-good-write",
            Self::ClusterAvailable => "cluster-available",
            Self::InstancesAvailable => "instances-available",
            Self::Told { .. } => "told",
        }
    }

    /// Whether it belongs to the story that every failover has, and not only to this one.
    pub fn is_of_every_failover(&self) -> bool {
        !matches!(self, Self::Trouble { .. } | Self::Status { .. } | Self::Happened { .. } | Self::Told { .. })
    }
}

impl Milestone {
    /// The witness's name, empty where there is none.
    pub fn by(&self) -> String {
        self.witness.as_ref().map_or_else(String::new, ToString::to_string)
    }
}

/// A milestone as it stands in a journal: typed, or a sentence with a witness's name as earlier versions wrote it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    Typed {
        #[serde(flatten)]
        what: Moment,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        witness: Option<Witness>,
        after_ms: i64,
    },
    Told {
        what: String,
        witness: String,
        after: Duration,
    },
}

impl From<Kept> for Milestone {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Typed { what, witness, after_ms } => {
                Self { what, witness, after: SignedDuration::from_millis(after_ms) }
            }
            Kept::Told { what, witness: name, after } => {
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                let witness = Witness::of_name(&name);
                // A name that nobody bears any more is still a part of what was told.
                let what = if witness.is_some() || name.is_empty() { what } else { format!("{what} ({name})") };
                Self { what: Moment::Told { what }, witness, after }
            }
        }
    }
}

impl From<Milestone> for Kept {
    fn from(milestone: Milestone) -> Self {
        let Milestone { what, witness, after } = milestone;
        Self::Typed { what, witness, after_ms: i64::try_from(after.as_millis()).unwrap_or(i64::MAX) }
    }
}

impl Timeline {
    /// What was seen and when, counted from T=0, in its order.
    pub fn milestones(&self) -> Vec<Milestone> {
        let Some(zero) = &self.zero else { return Vec::new() };
        let mut seen = Vec::new();
        for (witness, lane) in &self.lanes {
            let segments = lane.segments.iter().filter(|segment| segment.since >= zero.at);
            let (mut named, mut troubled) = (false, false);
            for segment in segments {
                let what = match &segment.word {
                    Word::Writer { instance, .. } if *instance != zero.from && !named => {
                        named = true;
                        Moment::NamesWriter { instance: instance.clone() }
                    }
                    Word::Silent { reason } if !troubled => {
                        troubled = true;
                        Moment::Trouble { reason: reason.clone() }
                    }
                    // That the cluster is available again has a moment of its own.
                    Word::Status { healthy: true, .. } if *witness == Witness::ApiStatus => continue,
                    Word::Status { text, .. } => Moment::Status { text: text.clone() },
                    Word::Happened { text } => Moment::Happened { text: text.clone() },
                    _ => continue,
                };
                seen.push((segment.since, what, Some(witness.clone())));
            }
        }
        first_error(&mut seen);
        seen.extend(self.writes_seen());
        let back = |at: Option<Timestamp>, what| at.map(|at| (at, what, Some(Witness::ApiStatus)));
        seen.extend(back(self.available_again(zero), Moment::ClusterAvailable));
        seen.extend(back(self.instances_again(zero), Moment::InstancesAvailable));
        // At the same moment, what is of every failover comes first.
        seen.sort_by_key(|(at, what, _)| (*at, !what.is_of_every_failover()));
        let milestone = |(at, what, witness): (Timestamp, Moment, Option<Witness>)| Milestone {
            what,
            witness,
            after: at.duration_since(zero.at),
        };
        seen.into_iter().map(milestone).collect()
    }

    /// The last good write before the outage and the first one after it.
    fn writes_seen(&self) -> Vec<(Timestamp, Moment, Option<Witness>)> {
        let by = || Some(Witness::SqlEndpoint);
        let last = self.last_good_write().map(|at| (at, Moment::LastGoodWrite, by()));
        let first = self.first_good_write().map(|at| (at, Moment::FirstGoodWrite, by()));
        last.into_iter().chain(first).collect()
    }

    /// Since when the cluster is `available` for good. It counts only once the API shows that something happened: a
    /// status that was not yet another one is no return.
    fn available_again(&self, zero: &Zero) -> Option<Timestamp> {
        let segments = &self.lanes.get(&Witness::ApiStatus)?.segments;
        let last = segments.last()?;
        let Word::Status { healthy: true, .. } = last.word else { return None };
        self.since_it_shows(zero, last.since)
    }

    /// Since when every instance is `available` for good, by the same rule.
    fn instances_again(&self, zero: &Zero) -> Option<Timestamp> {
        let (since, _) = self.instances.last().filter(|(_, available)| *available)?;
        self.since_it_shows(zero, *since)
    }

    /// A state of the API that began after T=0 began when it says; one that was there before counts from when the API
    /// named the new writer.
    fn since_it_shows(&self, zero: &Zero, since: Timestamp) -> Option<Timestamp> {
        if since > zero.at {
            return Some(since);
        }
        let segments = &self.lanes.get(&Witness::ApiWriter)?.segments;
        let named = |word: &Word| matches!(word, Word::Writer { instance, .. } if *instance != zero.from);
        segments.iter().find(|segment| segment.since >= zero.at && named(&segment.word)).map(|segment| segment.since)
    }
}

/// The first of all troubles is the failover's first error.
fn first_error(seen: &mut [(Timestamp, Moment, Option<Witness>)]) {
    let troubles = seen.iter_mut().filter(|(_, what, _)| matches!(what, Moment::Trouble { .. }));
    if let Some((_, what, _)) = troubles.min_by_key(|(at, ..)| *at)
        && let Moment::Trouble { reason } = what
    {
        *what = Moment::FirstError { reason: std::mem::take(reason) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::witness::Testimony;
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000) + SignedDuration::from_millis(millis)
    }

    fn says(witness: Witness, at: i64, word: Word) -> Testimony {
        Testimony::new(witness, word, ms(at), ms(at))
    }

    fn names(instance: &str, writes: Option<bool>) -> Word {
        Word::Writer { instance: instance.into(), writes }
    }

    fn status(text: &str) -> Word {
        Word::Status { text: text.to_owned(), healthy: text == "available" }
    }

    fn silent(reason: &str) -> Word {
        Word::Silent { reason: reason.to_owned() }
    }

    /// A failover as the execution log has it, told by everybody.
    fn told() -> Timeline {
        let mut timeline = Timeline::default();
        let sql = |id: &str| Witness::SqlInstance(id.into());
        timeline.observe(says(Witness::SqlEndpoint, -500, names("a", Some(true))));
        timeline.observe(says(Witness::ApiStatus, -400, status("available")));
        timeline.observe(says(Witness::ApiWriter, -400, names("a", None)));
        timeline.observe_instances(ms(-400), true);
        timeline.start(Zero { at: ms(0), from: "a".into(), to: Some("b".into()), fired: true });
        for (witness, at, word) in [
            (Witness::SqlEndpoint, 3_900, names("a", Some(true))),
            (Witness::SqlEndpoint, 4_137, silent("cut")),
            (sql("a"), 4_211, silent("restarting")),
            (sql("b"), 11_902, names("b", None)),
            (Witness::ApiStatus, 13_204, status("failing-over")),
            (Witness::SqlEndpoint, 15_700, silent("cut")),
            (Witness::SqlEndpoint, 15_951, names("b", Some(true))),
            (Witness::Dns, 19_803, names("b", None)),
            (Witness::ApiWriter, 24_017, names("b", None)),
            (Witness::ApiStatus, 35_020, status("available")),
        ] {
            if at > 14_000 {
                timeline.observe_instances(ms(14_000), false);
            }
            timeline.observe(says(witness, at, word));
        }
        timeline.observe_instances(ms(31_044), true);
        timeline
    }

    #[test]
    fn every_moment_of_a_failover_has_its_milliseconds() {
        let milestones = told().milestones();
        let list: Vec<String> =
            milestones.iter().map(|each| format!("{} {} · {}", each.after.as_millis(), each.what, each.by())).collect();
        assert_eq!(
            list,
            [
                "3900 last good write · SQL endpoint",
                "4137 first error: cut · SQL endpoint",
                "4211 first trouble: restarting · SQL a",
                "11902 first names b writer · SQL b",
                "13204 failing-over · API status",
                "15951 first names b writer · SQL endpoint",
                "15951 first good write · SQL endpoint",
                "19803 first names b writer · DNS",
                "24017 first names b writer · API writer",
                "31044 all instances available · API status",
                "35020 cluster available · API status",
            ]
        );
    }

    /// The API reads `available` for seconds after the call: that is not yet the end.
    #[test]
    fn available_counts_once_the_api_shows_that_something_happened() {
        let mut timeline = Timeline::default();
        timeline.observe(says(Witness::ApiStatus, -100, status("available")));
        timeline.observe_instances(ms(-100), true);
        timeline.start(Zero { at: ms(0), from: "a".into(), to: Some("b".into()), fired: true });
        timeline.observe(says(Witness::ApiStatus, 900, status("available")));
        assert_eq!(timeline.milestones(), []);
        // It never was seen to leave: then it is over when the API names the new writer.
        timeline.observe(says(Witness::ApiWriter, 2_000, names("b", None)));
        let over: Vec<_> = timeline.milestones().into_iter().map(|each| (each.what.kind(), each.after)).collect();
        let at = SignedDuration::from_millis(2_000);
        assert_eq!(over, [("names-writer", at), ("cluster-available", at), ("instances-available", at)]);
    }

    #[test]
    fn a_milestone_comes_back_from_the_journal_as_it_went_in() {
        for milestone in told().milestones() {
            let line = serde_json::to_string(&milestone).expect("JSON");
            assert_eq!(serde_json::from_str::<Milestone>(&line).expect(&line), milestone);
        }
    }

    /// What an earlier version wrote is still read.
    #[test]
    fn a_sentence_of_an_earlier_version_is_still_read() {
        let read = |line: &str| serde_json::from_str::<Milestone>(line).expect(line);
        let line = r#"{"what":"first names b writer","witness":"SQL b","after":{"secs":11,"nanos":902000000}}"#;
        let milestone = read(line);
        assert_eq!(milestone.witness, Some(Witness::SqlInstance("b".into())));
        assert_eq!(
            (milestone.what.to_string().as_str(), milestone.after.as_millis()),
            ("first names b writer", 11_902)
        );
        let unknown = read(r#"{"what":"moved","witness":"an oracle","after":{"secs":1,"nanos":0}}"#);
        assert_eq!((unknown.what.to_string().as_str(), unknown.witness), ("moved (an oracle)", None));
    }
}
