//! One record as a line of text: `{"v":1,"seq":N,"at":"…","prev":"<hex>","sum":"<hex>","event":{…}}`.
//!
//! `sum` is the SHA-256 over `prev`, `v`, `seq`, `at` and the event's own bytes, a newline between each. `prev` is the
//! `sum` of the record before, so that a record that was altered, moved or taken out of the middle breaks the chain.

use std::fmt;

use jiff::Timestamp;
use serde::de::{self, DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::JournalError;

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// One record, verified against itself and its predecessor.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    v: u32,
    seq: u64,
    at: Timestamp,
    prev: Sum,
    sum: Sum,
    event: Box<RawValue>,
}

/// A record as it stands in its line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    v: u64,
    seq: u64,
    at: &'a str,
    prev: Sum,
    sum: Sum,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// The end of a chain: what the next record rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its checksum.
    pub sum: Sum,
}

/// The checksum of a record; of none, all zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum([u8; 32]);

impl Sum {
    /// In hexadecimal digits.
    fn hex(self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        hex
    }

    fn from_hex(hex: &str) -> Option<Self> {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
        let mut sum = [0; 32];
        if pairs.len() != sum.len() {
            return None;
        }
        for (byte, [high, low]) in sum.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(sum))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.hex()))
    }
}

impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hex;
        impl de::Visitor<'_> for Hex {
            type Value = Sum;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a checksum of 64 hexadecimal digits")
            }

            fn visit_str<E: de::Error>(self, hex: &str) -> Result<Sum, E> {
                Sum::from_hex(hex).ok_or_else(|| E::invalid_value(de::Unexpected::Str(hex), &self))
            }
        }
        deserializer.deserialize_str(Hex)
    }
}

/// Why a line is no valid record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Another version of the cockpit wrote it.
    Version(u64),
    /// It is broken, in the words that follow "because".
    Broken(String),
}

impl Entry {
    /// The record that follows `head`.
    ///
    /// # Errors
    /// Where the event does not serialise.
    pub fn after(head: &Head, at: Timestamp, event: &impl Serialize) -> Result<Self, JournalError> {
        let event = serde_json::value::to_raw_value(event).map_err(JournalError::Unwritable)?;
        let mut entry = Self { v: VERSION, seq: head.seq + 1, at, prev: head.sum, sum: Sum::default(), event };
        let text = at.to_string();
        entry.sum = Body { seq: entry.seq, prev: entry.prev, at: &text, event: entry.event.get() }.sum();
        Ok(entry)
    }

    /// Position in the run, from 1.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was written.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The event, as it was written.
    pub fn raw(&self) -> &str {
        self.event.get()
    }

    /// The event.
    ///
    /// # Errors
    /// Where it is none that this version knows.
    pub fn event<T: DeserializeOwned>(&self) -> Result<T, JournalError> {
        serde_json::from_str(self.raw()).map_err(|source| JournalError::Unreadable { seq: self.seq, source })
    }

    /// What the next record rests on.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, sum: self.sum }
    }

    /// The record as a line, without its newline.
    pub(super) fn line(&self) -> Result<String, JournalError> {
        serde_json::to_string(self).map_err(JournalError::Unwritable)
    }

    /// Reads a line that must follow `head`.
    pub(super) fn parse(line: &[u8], head: &Head) -> Result<Self, Flaw> {
        let entry = Self::parse_alone(line)?;
        entry.follows(head)?;
        Ok(entry)
    }

    /// Reads a line, and verifies it against itself only.
    pub(super) fn parse_alone(line: &[u8]) -> Result<Self, Flaw> {
        let parsed: Line = match serde_json::from_slice(line) {
            Ok(parsed) => parsed,
            Err(error) => return Err(other_version(line).unwrap_or_else(|| no_record(&error))),
        };
        let v = u32::try_from(parsed.v).ok().filter(|v| *v == VERSION).ok_or(Flaw::Version(parsed.v))?;
        let Line { v: _, seq, at, prev, sum, event } = parsed;
        let body = Body { seq, prev, at, event: event.get() };
        if !body.is_written_as(line, sum) || body.sum() != sum {
            return Err(Flaw::Broken("its checksum does not fit its content".to_owned()));
        }
        let at = at.parse().map_err(|error| Flaw::Broken(format!("its time is none: {error}")))?;
        Ok(Self { v, seq, at, prev, sum, event: event.to_owned() })
    }

    /// Whether it is the one after `head`.
    pub(super) fn follows(&self, head: &Head) -> Result<(), Flaw> {
        if self.seq == head.seq + 1 && self.prev == head.sum {
            return Ok(());
        }
        Err(Flaw::Broken(format!("record {} does not follow on record {}", self.seq, head.seq)))
    }
}

/// A record of another version need not have the fields of this one.
fn other_version(line: &[u8]) -> Option<Flaw> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    let Version { v } = serde_json::from_slice(line).ok()?;
    (v != u64::from(VERSION)).then_some(Flaw::Version(v))
}

fn no_record(error: &serde_json::Error) -> Flaw {
    Flaw::Broken(format!("it is no record: {error}"))
}

/// What a record's checksum is over. Nothing here takes memory: who takes up a long run waits for it.
struct Body<'a> {
    seq: u64,
    prev: Sum,
    at: &'a str,
    event: &'a str,
}

impl Body<'_> {
    fn sum(&self) -> Sum {
        let mut digest = Sha256::new();
        digest.update(self.prev.hex());
        digest.update(b"\n1\n");
        digest.update(Digits::of(self.seq).text());
        digest.update(b"\n");
        digest.update(self.at);
        digest.update(b"\n");
        digest.update(self.event);
        Sum(digest.finalize().into())
    }

    /// Whether that line is, byte for byte, what this program writes of it.
    fn is_written_as(&self, line: &[u8], sum: Sum) -> bool {
        let seq = Digits::of(self.seq);
        let parts: [&[u8]; 10] = [
            br#"{"v":1,"seq":"#,
            seq.text(),
            br#","at":""#,
            self.at.as_bytes(),
            br#"","prev":""#,
            &self.prev.hex(),
            br#"","sum":""#,
            &sum.hex(),
            br#"","event":"#,
            self.event.as_bytes(),
        ];
        let rest = parts.into_iter().try_fold(line, |rest, part| rest.strip_prefix(part));
        rest == Some(b"}")
    }
}

// Both forms above spell the version out.
const _: () = assert!(VERSION == 1);

/// A number in decimal digits.
struct Digits {
    digits: [u8; 20],
    begin: usize,
}

impl Digits {
    fn of(mut number: u64) -> Self {
        let mut all = Self { digits: [b'0'; 20], begin: 20 };
        loop {
            all.begin -= 1;
            all.digits[all.begin] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return all;
            }
        }
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.begin..]
    }
}
