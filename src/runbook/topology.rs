//! Who the writer is, by all witnesses together.
//!
//! The rule stands in [`RULE`], in the operator's words: the screen shows it as it is written there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::names::InstanceId;
use super::timeline::Timeline;
use super::witness::{Testimony, Witness, Word};

/// The rule by which the writer is derived, a sentence each.
pub const RULE: [&str; 4] = [
    "Who says of itself, by SQL, that it is the writer is believed.",
    "Else it is whom all fresh words name; if they differ, nobody.",
    "Old words and silent witnesses count for nobody, and are named.",
    "A gate waits for 3 rounds of new words with nobody against.",
];

/// How old a word may be to count where nothing runs and the sources are asked at leisure.
pub const FRESH: Duration = Duration::from_secs(25);

/// Whether a word of that moment is fresh. One that seems to come from the future was heard before the clock was set back:
/// its age is not known.
pub fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    within(at, now, FRESH)
}

fn within(at: Timestamp, now: Timestamp, fresh: Duration) -> bool {
    now.duration_since(at).abs() <= SignedDuration::try_from(fresh).unwrap_or(SignedDuration::MAX)
}

/// What the witnesses say together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// The writer, if the rule yields one.
    pub writer: Option<InstanceId>,
    /// Witnesses that name that writer.
    pub in_favour: Vec<Witness>,
    /// Witnesses that name another, with whom they name.
    pub against: Vec<(Witness, InstanceId)>,
    /// Witnesses that are asked who the writer is, and do not answer.
    pub silent: Vec<Witness>,
    /// Witnesses whose last word is too old to count.
    pub stale: Vec<Witness>,
}

impl Agreement {
    /// Derives the agreement from the last word of each witness. The order of the words makes no difference.
    pub fn of<'a>(last_words: impl IntoIterator<Item = &'a Testimony>, now: Timestamp, fresh: Duration) -> Self {
        let mut agreement = Self::default();
        let mut named: Vec<(&Testimony, &InstanceId)> = Vec::new();
        for testimony in last_words {
            let witness = testimony.witness.clone();
            if !witness.names_the_writer() {
                continue;
            }
            match &testimony.word {
                _ if !within(testimony.asked, now, fresh) => agreement.stale.push(witness),
                Word::Silent { .. } => agreement.silent.push(witness),
                Word::Writer { instance, .. } => named.push((testimony, instance)),
                Word::Reader | Word::Status { .. } | Word::Happened { .. } => {}
            }
        }
        let writer = choose(&named).cloned();
        for (testimony, instance) in named {
            if writer.as_ref() == Some(instance) {
                agreement.in_favour.push(testimony.witness.clone());
            } else {
                agreement.against.push((testimony.witness.clone(), instance.clone()));
            }
        }
        agreement.writer = writer;
        agreement.in_favour.sort();
        agreement.against.sort();
        agreement.silent.sort();
        agreement.stale.sort();
        agreement
    }

    /// Whether everybody who can be asked names the same writer.
    pub fn is_unanimous(&self) -> bool {
        self.writer.is_some() && self.against.is_empty()
    }

    /// How many witnesses name somebody.
    pub fn voices(&self) -> usize {
        self.in_favour.len() + self.against.len()
    }
}

/// A witness that names another writer than the one derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dissent {
    /// Who.
    pub witness: Witness,
    /// Whom it names.
    pub says: InstanceId,
    /// Since when it differs from the others.
    pub since: Timestamp,
}

impl Timeline {
    /// What the witnesses say together now, with words that are no older than `fresh`.
    pub fn agreement(&self, now: Timestamp, fresh: Duration) -> Agreement {
        Agreement::of(self.lanes.values().map(|lane| &lane.last), now, fresh)
    }

    /// Who names another writer than the one derived, and since when they differ: since the witness says so, or since the
    /// first of the others says otherwise.
    pub fn dissents(&self, agreement: &Agreement) -> Vec<Dissent> {
        let since = |witness: &Witness| self.lanes.get(witness)?.segments.last().map(|segment| segment.since);
        let others = agreement.in_favour.iter().filter_map(since).min();
        let dissent = |(witness, says): &(Witness, InstanceId)| {
            let own = since(witness)?;
            let since = others.map_or(own, |others| others.max(own));
            Some(Dissent { witness: witness.clone(), says: says.clone(), since })
        };
        agreement.against.iter().filter_map(dissent).collect()
    }
}

fn choose<'a>(named: &[(&Testimony, &'a InstanceId)]) -> Option<&'a InstanceId> {
    let mut by_themselves = named.iter().filter(|(said, _)| said.witness.speaks_for_itself(&said.word));
    if let Some((_, first)) = by_themselves.next() {
        return by_themselves.all(|(_, other)| other == first).then_some(*first);
    }
    let (_, first) = named.first()?;
    named.iter().all(|(_, other)| other == first).then_some(*first)
}

/// Rounds of agreement in a row. A round counts only on new words: those who agreed and were not heard since the round
/// before have not agreed again.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rounds {
    writer: Option<InstanceId>,
    count: u32,
    heard: BTreeMap<Witness, Timestamp>,
}

impl Rounds {
    /// Rounds that a gate asks for.
    pub const ENOUGH: u32 = 3;

    /// Takes in a round; how many there were in a row now. `heard` is when each witness was last heard.
    pub fn take(&mut self, agreement: &Agreement, heard: impl Fn(&Witness) -> Option<Timestamp>) -> u32 {
        if !agreement.is_unanimous() || (self.count > 0 && self.writer != agreement.writer) {
            *self = Self::default();
        }
        if !agreement.is_unanimous() {
            return 0;
        }
        let words: BTreeMap<Witness, Timestamp> =
            agreement.in_favour.iter().filter_map(|witness| heard(witness).map(|at| (witness.clone(), at))).collect();
        let is_new = |(witness, at): (&Witness, &Timestamp)| self.heard.get(witness).is_none_or(|before| at > before);
        if words.iter().all(is_new) {
            self.count = (self.count + 1).min(Self::ENOUGH);
            self.heard = words;
            self.writer.clone_from(&agreement.writer);
        }
        self.count
    }

    /// How many there were in a row.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether there were enough rounds in a row.
    pub fn are_enough(&self) -> bool {
        self.count == Self::ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says(witness: Witness, writer: &str, age_s: i64, now: Timestamp) -> Testimony {
        let at = now - SignedDuration::from_secs(age_s);
        Testimony::new(witness, Word::Writer { instance: writer.into(), writes: None }, at, at)
    }

    fn sql(id: &str) -> Witness {
        Witness::SqlInstance(id.into())
    }

    const FIVE: Duration = Duration::from_secs(5);

    #[test]
    fn an_instance_is_believed_over_api_and_dns_and_the_gate_still_waits_for_them() {
        let now = Timestamp::now();
        let words =
            [says(Witness::ApiWriter, "a", 1, now), says(Witness::Dns, "a", 0, now), says(sql("b"), "b", 0, now)];
        let agreement = Agreement::of(&words, now, FIVE);
        assert_eq!(agreement.writer, Some("b".into()));
        assert_eq!(agreement.against.len(), 2);
        assert!(!agreement.is_unanimous());
    }

    #[test]
    fn two_who_claim_to_be_the_writer_leave_it_unknown() {
        let now = Timestamp::now();
        let words = [says(sql("a"), "a", 0, now), says(sql("b"), "b", 0, now)];
        assert_eq!(Agreement::of(&words, now, FIVE).writer, None);
    }

    #[test]
    fn what_is_old_does_not_count_nor_does_what_seems_to_come_from_the_future() {
        let now = Timestamp::now();
        let words =
            [says(Witness::ApiWriter, "a", 60, now), says(sql("b"), "b", 0, now), says(Witness::Dns, "a", -9, now)];
        let agreement = Agreement::of(&words, now, FIVE);
        assert!(agreement.is_unanimous());
        assert_eq!(agreement.stale, [Witness::ApiWriter, Witness::Dns]);
    }

    #[test]
    fn outside_witnesses_alone_must_all_say_the_same() {
        let now = Timestamp::now();
        let words = [says(Witness::ApiWriter, "a", 0, now), says(Witness::Dns, "b", 0, now)];
        assert_eq!(Agreement::of(&words, now, FIVE).writer, None);
    }

    #[test]
    fn who_just_refused_a_write_does_not_speak_as_the_writer() {
        let now = Timestamp::now();
        let mut refused = says(Witness::SqlEndpoint, "a", 0, now);
        refused.word = Word::Writer { instance: "a".into(), writes: Some(false) };
        let agreement = Agreement::of(&[refused, says(sql("b"), "b", 0, now)], now, FIVE);
        assert_eq!((agreement.writer, agreement.against.len()), (Some("b".into()), 1));
    }

    #[test]
    fn a_round_on_the_words_of_the_round_before_does_not_count() {
        let now = Timestamp::now();
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        let agreement = Agreement::of(&[says(sql("b"), "b", 0, now), says(Witness::Dns, "b", 0, now)], now, FIVE);
        let mut rounds = Rounds::default();
        assert_eq!(rounds.take(&agreement, |_| Some(now)), 1);
        assert_eq!(rounds.take(&agreement, |_| Some(now)), 1);
        // One of two has spoken anew.
        assert_eq!(rounds.take(&agreement, |witness| Some(if *witness == Witness::Dns { later(1) } else { now })), 1);
        assert_eq!(rounds.take(&agreement, |_| Some(later(2))), 2);
        assert_eq!(rounds.take(&agreement, |_| Some(later(3))), 3);
        assert!(rounds.are_enough());
        let other = Agreement::of(&[says(sql("a"), "a", 0, now)], now, FIVE);
        assert_eq!(rounds.take(&other, |_| Some(later(4))), 1, "another writer begins anew");
        let split = Agreement::of(&[says(sql("a"), "a", 0, now), says(sql("b"), "b", 0, now)], now, FIVE);
        assert_eq!(rounds.take(&split, |_| Some(later(5))), 0);
    }

    fn witness() -> impl Strategy<Value = Witness> {
        prop_oneof![
            Just(Witness::ApiStatus),
            Just(Witness::ApiWriter),
            Just(Witness::Events),
            Just(Witness::Dns),
            Just(Witness::SqlEndpoint),
            Just(Witness::Writes),
            Just(Witness::Application),
            (0..3_u8).prop_map(|id| sql(&format!("i{id}"))),
        ]
    }

    fn word() -> impl Strategy<Value = Word> {
        let writer = (0..3_u8, prop::option::of(any::<bool>()))
            .prop_map(|(id, writes)| Word::Writer { instance: format!("i{id}").as_str().into(), writes });
        prop_oneof![
            6 => writer,
            1 => Just(Word::Reader),
            1 => Just(Word::Silent { reason: "cut".to_owned() }),
            1 => Just(Word::Status { text: "available".to_owned(), healthy: true }),
            1 => Just(Word::Happened { text: "0073".to_owned() }),
        ]
    }

    /// The last words of some witnesses, each heard once, with their ages in seconds, and another order of them.
    fn words() -> impl Strategy<Value = (Vec<(Word, i64)>, Vec<Witness>, Vec<usize>)> {
        let ages = prop_oneof![4 => 0..5_i64, 2 => 6..90_i64, 1 => -90..-6_i64];
        (prop::collection::vec((word(), ages), 9), prop::collection::btree_set(witness(), 0..9)).prop_flat_map(
            |(said, witnesses)| {
                let witnesses: Vec<Witness> = witnesses.into_iter().collect();
                let order: Vec<usize> = (0..witnesses.len()).collect();
                (Just(said), Just(witnesses), Just(order).prop_shuffle())
            },
        )
    }

    proptest! {
        #[test]
        fn nobody_is_the_writer_whom_nobody_fresh_names((said, witnesses, order) in words()) {
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000);
            let testimonies: Vec<Testimony> = witnesses
                .into_iter()
                .zip(said)
                .map(|(witness, (word, age))| {
                    let at = now - SignedDuration::from_secs(age);
                    Testimony::new(witness, word, at, at)
                })
                .collect();
            let agreement = Agreement::of(&testimonies, now, FIVE);
            let fresh = |each: &&Testimony| now.duration_since(each.at).abs() <= SignedDuration::from_secs(5);
            let asked = |each: &&Testimony| each.witness.names_the_writer();
            let names = |each: &Testimony| match &each.word {
                Word::Writer { instance, .. } => Some(instance.clone()),
                _ => None,
            };
            let named: Vec<InstanceId> = testimonies.iter().filter(fresh).filter(asked).filter_map(names).collect();

            // Never a writer that nobody fresh names.
            if let Some(writer) = &agreement.writer {
                prop_assert!(named.contains(writer));
            }
            // Never unanimous against a fresh word.
            if agreement.is_unanimous() {
                prop_assert!(named.iter().all(|each| Some(each) == agreement.writer.as_ref()));
            }
            // Everybody who names somebody is on one side, nobody is on two, and an old word is on none.
            prop_assert_eq!(agreement.voices(), named.len());
            let old = testimonies.iter().filter(asked).filter(|each| !fresh(each)).count();
            prop_assert_eq!(agreement.stale.len(), old);
            prop_assert!(agreement.stale.iter().all(|witness| !agreement.in_favour.contains(witness)));
            // The order of the words makes no difference.
            let shuffled: Vec<Testimony> = order.into_iter().map(|index| testimonies[index].clone()).collect();
            prop_assert_eq!(Agreement::of(&shuffled, now, FIVE), agreement);
        }
    }
}
