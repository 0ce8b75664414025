//! What a witness's word means for a failover: the colour of its stretch of the lane.

use super::names::InstanceId;
use super::witness::Word;

/// The colour of a stretch of a lane, by what it means for a failover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Names the writer from before; also a replica that still follows it.
    Old,
    /// Names another writer than before.
    New,
    /// Well, and says nothing on who the writer is.
    Good,
    /// On the move.
    Moving,
    /// Down.
    Down,
    /// Nothing to be read from it.
    Neutral,
}

/// The colour of a word, seen from a failover away from `from`. Without one, every answer is good.
pub fn tone(word: &Word, from: Option<&InstanceId>) -> Tone {
    match word {
        Word::Writer { writes: Some(false), .. } | Word::Silent { .. } => Tone::Down,
        Word::Writer { instance, .. } => match from {
            Some(from) if instance == from => Tone::Old,
            Some(_) => Tone::New,
            None => Tone::Good,
        },
        Word::Reader => Tone::Neutral,
        Word::Status { healthy: true, .. } => Tone::Good,
        // A number is the application's, which is down when it is not well; a name is a state that passes.
        Word::Status { text, .. } if text.parse::<u16>().is_ok() => Tone::Down,
        Word::Status { .. } | Word::Happened { .. } => Tone::Moving,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_colour_of_what_it_means_for_the_failover() {
        let old = InstanceId::from("writer");
        let writer = |name: &str, writes| Word::Writer { instance: name.into(), writes };
        let status = |text: &str, healthy| Word::Status { text: text.to_owned(), healthy };
        for (word, expected) in [
            (writer("writer", None), Tone::Old),
            (writer("reader1", Some(true)), Tone::New),
            (writer("reader1", Some(false)), Tone::Down),
            (Word::Reader, Tone::Neutral),
            (status("200", true), Tone::Good),
            (status("503", false), Tone::Down),
            (status("1/2 ready", false), Tone::Moving),
            (status("failing-over", false), Tone::Moving),
            (Word::Silent { reason: "cut".to_owned() }, Tone::Down),
        ] {
            assert_eq!(tone(&word, Some(&old)), expected, "{word:?}");
        }
        assert_eq!(tone(&writer("writer", None), None), Tone::Good);
    }
}
