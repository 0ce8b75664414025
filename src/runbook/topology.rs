//! Who the writer is, by all witnesses together.
//!
//! The rule: an instance that says of itself, by SQL, that it is the writer is believed over everybody who speaks about
//! it from outside (API, DNS), because it is the one that takes the writes. If no instance says so, or two do, nobody is
//! believed alone: the writer is the one that every fresh outside witness names, and unknown where they differ. A gate
//! opens only on agreement: nobody fresh says otherwise.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::names::InstanceId;
use super::witness::{Testimony, Witness, Word};

/// What the witnesses say together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreement {
    /// The writer, if the rule yields one.
    pub writer: Option<InstanceId>,
    /// Witnesses that name that writer.
    pub in_favour: Vec<Witness>,
    /// Witnesses that name another, with whom they name.
    pub against: Vec<(Witness, InstanceId)>,
    /// Witnesses that should answer and do not.
    pub silent: Vec<Witness>,
    /// Witnesses whose last word is too old to count.
    pub stale: Vec<Witness>,
}

impl Agreement {
    /// Derives the agreement from the last word of each witness.
    pub fn of<'a>(last_words: impl IntoIterator<Item = &'a Testimony>, now: Timestamp, fresh: Duration) -> Self {
        let fresh = SignedDuration::try_from(fresh).unwrap_or(SignedDuration::MAX);
        let mut agreement = Self::default();
        let mut named: Vec<(Witness, InstanceId)> = Vec::new();
        for testimony in last_words {
            let silent = matches!(testimony.word, Word::Silent { .. });
            if now.duration_since(testimony.at) > fresh {
                agreement.stale.push(testimony.witness.clone());
            } else if silent {
                agreement.silent.push(testimony.witness.clone());
            } else if let Word::Writer { instance, .. } = &testimony.word {
                named.push((testimony.witness.clone(), instance.clone()));
            }
        }
        agreement.writer = choose(&named);
        for (witness, instance) in named {
            if agreement.writer.as_ref() == Some(&instance) {
                agreement.in_favour.push(witness);
            } else {
                agreement.against.push((witness, instance));
            }
        }
        agreement
    }

    /// Whether everybody who can be asked names the same writer.
    pub fn is_unanimous(&self) -> bool {
        self.writer.is_some() && self.against.is_empty()
    }
}

fn choose(named: &[(Witness, InstanceId)]) -> Option<InstanceId> {
    let mut by_themselves = named.iter().filter(|(witness, instance)| {
        matches!(witness, Witness::SqlEndpoint | Witness::Writes) || *witness == Witness::SqlInstance(instance.clone())
    });
    if let Some((_, first)) = by_themselves.next() {
        return by_themselves.all(|(_, other)| other == first).then(|| first.clone());
    }
    let (_, first) = named.first()?;
    named.iter().all(|(_, other)| other == first).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(witness: Witness, writer: &str, age_s: i64, now: Timestamp) -> Testimony {
        let at = now - SignedDuration::from_secs(age_s);
        Testimony::new(witness, Word::Writer { instance: writer.into(), writes: None }, at, at)
    }

    fn sql(id: &str) -> Witness {
        Witness::SqlInstance(id.into())
    }

    #[test]
    fn an_instance_is_believed_over_api_and_dns_and_the_gate_still_waits_for_them() {
        let now = Timestamp::now();
        let words =
            [says(Witness::ApiWriter, "a", 1, now), says(Witness::Dns, "a", 0, now), says(sql("b"), "b", 0, now)];
        let agreement = Agreement::of(&words, now, Duration::from_secs(5));
        assert_eq!(agreement.writer, Some("b".into()));
        assert_eq!(agreement.against.len(), 2);
        assert!(!agreement.is_unanimous());
    }

    #[test]
    fn two_who_claim_to_be_the_writer_leave_it_unknown() {
        let now = Timestamp::now();
        let words = [says(sql("a"), "a", 0, now), says(sql("b"), "b", 0, now)];
        assert_eq!(Agreement::of(&words, now, Duration::from_secs(5)).writer, None);
    }

    #[test]
    fn what_is_old_does_not_count() {
        let now = Timestamp::now();
        let words = [says(Witness::ApiWriter, "a", 60, now), says(sql("b"), "b", 0, now)];
        let agreement = Agreement::of(&words, now, Duration::from_secs(5));
        assert!(agreement.is_unanimous());
        assert_eq!(agreement.stale, [Witness::ApiWriter]);
    }

    #[test]
    fn outside_witnesses_alone_must_all_say_the_same() {
        let now = Timestamp::now();
        let words = [says(Witness::ApiWriter, "a", 0, now), says(Witness::Dns, "b", 0, now)];
        assert_eq!(Agreement::of(&words, now, Duration::from_secs(5)).writer, None);
    }
}
