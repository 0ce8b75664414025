//! Searching the log: what is typed is looked for at once, and every line that comes is held against it.

use std::collections::VecDeque;
use std::ops::Range;

use memchr::memmem::Finder;

/// What is looked for. Letters without a capital among them stand for capitals as well; those beyond ASCII stand for
/// themselves.
#[derive(Debug, Clone)]
pub struct Needle {
    query: String,
    finder: Finder<'static>,
    folds: bool,
}

impl Needle {
    /// Looks for these words.
    pub fn new(query: &str) -> Self {
        let folds = !query.chars().any(char::is_uppercase);
        Self { query: query.to_owned(), finder: Finder::new(query.as_bytes()).into_owned(), folds }
    }

    /// The words.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// The text as it is searched: in small letters, in the buffer that is given, where capitals do not count.
    pub(super) fn folded<'a>(&self, text: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
        if !self.folds {
            return text;
        }
        buffer.clear();
        buffer.extend_from_slice(text);
        buffer.make_ascii_lowercase();
        buffer
    }

    /// Where it begins in a text that was folded.
    pub(super) fn find(&self, folded: &[u8]) -> Option<usize> {
        if self.query.is_empty() { None } else { self.finder.find(folded) }
    }

    /// Whether a text holds it.
    pub fn is_in(&self, text: &str) -> bool {
        let mut buffer = Vec::new();
        self.find(self.folded(text.as_bytes(), &mut buffer)).is_some()
    }

    /// Where it stands in a text.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut buffer = Vec::new();
        let folded = self.folded(text.as_bytes(), &mut buffer);
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(at) = self.find(&folded[from..]) {
            let start = from + at;
            from = start + self.query.len();
            places.push(start..from);
        }
        places
    }
}

/// A search: its words, the lines that hold them, and the one that is looked at.
#[derive(Debug, Clone)]
pub struct Search {
    /// What is looked for.
    pub needle: Needle,
    /// Whether the words are still being typed.
    pub typing: bool,
    /// Numbers of the lines that hold it, oldest first.
    pub(super) matches: VecDeque<u64>,
    /// Number of the line that is looked at.
    pub(super) current: Option<u64>,
}

impl Search {
    /// How many lines hold it.
    pub fn count(&self) -> usize {
        self.matches.len()
    }

    /// The line that is looked at.
    pub fn current(&self) -> Option<u64> {
        self.current
    }

    /// Which of the lines that hold it is looked at, from 1.
    pub fn rank(&self) -> Option<usize> {
        self.matches.binary_search(&self.current?).ok().map(|index| index + 1)
    }

    /// The next line that holds it behind (newer) or before the one given.
    pub(super) fn beside(&self, id: u64, newer: bool) -> Option<u64> {
        if newer {
            self.matches.get(self.matches.partition_point(|each| *each <= id)).copied()
        } else {
            let before = self.matches.partition_point(|each| *each < id).checked_sub(1)?;
            self.matches.get(before).copied()
        }
    }

    /// The newest line that holds it up to the one given, or else the first one behind.
    pub(super) fn nearest(&self, id: u64) -> Option<u64> {
        self.beside(id.saturating_add(1), false).or_else(|| self.matches.front().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "some texts hold it once")]
    fn small_letters_stand_for_capitals_and_capitals_for_themselves() {
        for (query, text, places) in [
            ("error", "ERROR: Error, error", vec![0..5, 7..12, 14..19]),
            ("Error", "ERROR: Error, error", vec![7..12]),
            ("✓ ok", "done ✓ OK", vec![5..11]),
            ("für", "FüR für", vec![0..4, 5..9]),
            ("aa", "aaaa", vec![0..2, 2..4]),
            ("", "anything", vec![]),
            ("gone", "here", vec![]),
        ] {
            let needle = Needle::new(query);
            assert_eq!(needle.places(text), places, "{query} in {text}");
            assert_eq!(needle.is_in(text), !places.is_empty());
        }
    }

    #[test]
    fn matches_are_gone_through_in_both_directions() {
        let search = Search { needle: Needle::new("x"), typing: false, matches: [3, 8, 9].into(), current: Some(8) };
        assert_eq!((search.rank(), search.count()), (Some(2), 3));
        assert_eq!((search.beside(8, true), search.beside(8, false)), (Some(9), Some(3)));
        assert_eq!((search.beside(9, true), search.beside(3, false)), (None, None));
        assert_eq!(
            (search.nearest(8), search.nearest(7), search.nearest(0), search.nearest(u64::MAX)),
            (Some(8), Some(3), Some(3), Some(9))
        );
    }
}
