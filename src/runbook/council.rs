//! How the witnesses of a cluster stand together from round to round: what a step that rests on who the writer is asks before
//! it is fired.

use jiff::Timestamp;

use super::timeline::Timeline;
use super::topology::{Agreement, Dissent, FRESH, Rounds};
use super::witness::Testimony;

/// Listens to the witnesses of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Council {
    timeline: Timeline,
    rounds: Rounds,
    disputed: bool,
}

/// How the witnesses stand at a moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// What they say together.
    pub agreement: Agreement,
    /// Who differs, and since when.
    pub dissents: Vec<Dissent>,
    /// Rounds of agreement in a row.
    pub rounds: u32,
    /// Whether they differed since they last had agreed in enough rounds.
    pub disputed: bool,
}

impl Council {
    /// Takes in what was said together at a moment; a round is closed with the words of the source that is asked in rounds.
    pub fn hear(&mut self, words: Vec<Testimony>, closes_a_round: bool, at: Timestamp) {
        for word in words {
            self.timeline.observe(word);
        }
        if !closes_a_round {
            return;
        }
        let agreement = self.timeline.agreement(at, FRESH);
        self.disputed |= !agreement.is_unanimous() && agreement.voices() > 0;
        let lanes = &self.timeline.lanes;
        self.rounds.take(&agreement, |witness| lanes.get(witness).map(|lane| lane.last.at));
        if self.rounds.are_enough() {
            self.disputed = false;
        }
    }

    /// How they stand now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let agreement = self.timeline.agreement(now, FRESH);
        let dissents = self.timeline.dissents(&agreement);
        let rounds = if agreement.is_unanimous() { self.rounds.count() } else { 0 };
        Standing { agreement, dissents, rounds, disputed: self.disputed }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::witness::{Witness, Word};
    use super::*;

    #[test]
    fn a_dispute_is_over_only_after_enough_rounds_on_new_words() {
        let second = |seconds: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_800_000_000 + seconds);
        let names = |witness: Witness, writer: &str, at| {
            Testimony::new(witness, Word::Writer { instance: writer.into(), writes: None }, second(at), second(at))
        };
        let mut council = Council::default();
        let mut round = |at, api: &str, endpoint: &str| {
            let words = vec![names(Witness::SqlEndpoint, endpoint, at), names(Witness::ApiWriter, api, at)];
            council.hear(words, true, second(at));
            let standing = council.standing(second(at));
            (standing.rounds, standing.disputed, standing.dissents.len())
        };
        assert_eq!(round(0, "a", "a"), (1, false, 0));
        assert_eq!(round(1, "a", "b"), (0, true, 1));
        assert_eq!(round(2, "b", "b"), (1, true, 0));
        assert_eq!(round(3, "b", "b"), (2, true, 0));
        assert_eq!(round(4, "b", "b"), (3, false, 0));
        // Old words are no agreement.
        assert_eq!(council.standing(second(60)).agreement.writer, None);
        assert_eq!(council.standing(second(60)).rounds, 0);
    }
}
