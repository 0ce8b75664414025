//! One record as a line of text: `{"v":1,"seq":N,"at":"…","prev":"<hex>","sum":"<hex>","event":{…}}`.
//!
//! `sum` is the SHA-256 over `prev`, `v`, `seq`, `at` and the event's own bytes, a newline between each. `prev` is the
//! `sum` of the record before, so that a record that was altered, moved or taken out of the middle breaks the chain.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::JournalError;

/// The version that this program writes and reads.
pub const VERSION: u32 = 1;

/// One record, verified against itself and its predecessor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    v: u32,
    seq: u64,
    at: Timestamp,
    prev: String,
    sum: String,
    event: Box<RawValue>,
}

/// The end of a chain: what the next record rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Its checksum.
    pub sum: String,
}

impl Default for Head {
    /// The end of an empty chain.
    fn default() -> Self {
        Self { seq: 0, sum: "0".repeat(64) }
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
        let mut entry = Self { v: VERSION, seq: head.seq + 1, at, prev: head.sum.clone(), sum: String::new(), event };
        entry.sum = entry.reckon();
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
        Head { seq: self.seq, sum: self.sum.clone() }
    }

    /// The record as a line, without its newline.
    pub(super) fn line(&self) -> Result<String, JournalError> {
        serde_json::to_string(self).map_err(JournalError::Unwritable)
    }

    /// Reads a line that must follow `head`.
    pub(super) fn parse(line: &[u8], head: &Head) -> Result<Self, Flaw> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        // The version comes first: a record of another version need not have the fields of this one.
        let broken = |error: serde_json::Error| Flaw::Broken(format!("it is no record: {error}"));
        let Version { v } = serde_json::from_slice(line).map_err(broken)?;
        if v != u64::from(VERSION) {
            return Err(Flaw::Version(v));
        }
        let entry: Self = serde_json::from_slice(line).map_err(broken)?;
        let same_bytes = entry.line().is_ok_and(|written| written.as_bytes() == line);
        if !same_bytes || entry.sum != entry.reckon() {
            return Err(Flaw::Broken("its checksum does not fit its content".to_owned()));
        }
        if entry.seq != head.seq + 1 || entry.prev != head.sum {
            let Self { seq, .. } = entry;
            return Err(Flaw::Broken(format!("record {seq} does not follow on record {}", head.seq)));
        }
        Ok(entry)
    }

    fn reckon(&self) -> String {
        let Self { v, seq, at, prev, sum: _, event } = self;
        let digest = Sha256::digest(format!("{prev}\n{v}\n{seq}\n{at}\n{event}"));
        digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
