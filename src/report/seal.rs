//! What a report rests on: the journal's records up to one, named by that record's checksum.
//!
//! Each record's checksum covers the one before, so that this one stands for all of them. A report that left the house can
//! later be held against the journal, and the journal against the report: neither can be altered, nor the journal be cut
//! short, without the other telling.

use super::words::code;

/// Length of a checksum in hexadecimal digits (SHA-256).
const DIGITS: usize = 64;

/// The records that a report was written from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// How many there were.
    pub records: u64,
    /// The checksum of the last one, in hexadecimal digits.
    pub sum: String,
}

impl Seal {
    /// The sentence at the end of a report.
    pub(super) fn sentence(&self, run: &str) -> String {
        let Self { records, sum } = self;
        format!(
            "Written from records 1 to {records} of the journal of {}; the last one's checksum is {}.",
            code(run),
            code(sum)
        )
    }

    /// The checksum at the end of a report, whatever form it has. What stands before may hold digests as well.
    pub fn in_report(text: &str) -> Option<&str> {
        let mut from_the_end = text.rsplit(|letter: char| !letter.is_ascii_alphanumeric());
        from_the_end.find(|word| word.len() == DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}
