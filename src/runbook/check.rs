//! Checks, preconditions and evidence: what is held against what, and by whom it was seen.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not looked at yet.
    Pending,
    /// On its way: seen, not yet as it should be.
    Settling,
    /// As it should be.
    Passed,
    /// To be minded, but no obstacle.
    Warning,
    /// Not as it should be.
    Failed,
    /// Could not be looked at, and another check takes its place.
    Unreadable,
}

/// One thing that must hold, and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Identifier within the step; a later check of the same identifier replaces it.
    pub id: String,
    /// What must hold, in a few words.
    pub label: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What is expected.
    pub expected: Option<String>,
    /// What is seen.
    pub seen: Option<String>,
    /// Who says so: an API call, a query, a program.
    pub source: String,
    /// When it was seen.
    pub at: Timestamp,
}

impl Check {
    /// A check with its verdict, seen now.
    pub fn new(id: impl Into<String>, label: impl Into<String>, source: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            verdict,
            expected: None,
            seen: None,
            source: source.into(),
            at: clock::now(),
        }
    }

    /// Says what is expected.
    pub fn expecting(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what is seen.
    pub fn seeing(mut self, seen: impl Into<String>) -> Self {
        self.seen = Some(seen.into());
        self
    }
}

/// Something seen, by whom and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who says so.
    pub source: String,
    /// What it says, cleaned of control sequences and secrets.
    pub text: String,
    /// When it was seen.
    pub at: Timestamp,
}

impl Evidence {
    /// Evidence seen now.
    pub fn now(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self { source: source.into(), text: text.into(), at: clock::now() }
    }
}

/// Whether a precondition lets a step be fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// It holds.
    Yes,
    /// It does not quite, and the operator should mind it.
    Mind,
    /// It does not: the step may not be fired.
    No,
}

/// What must hold before a step may be fired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Precondition {
    /// What must hold and what was seen, in a few words: `reader1 available, db.r7g.large`.
    pub text: String,
    /// Whether it does.
    pub holds: Holds,
    /// When it was seen; its age decides whether it still counts.
    pub at: Timestamp,
}

impl Precondition {
    /// A precondition seen now.
    pub fn now(text: impl Into<String>, holds: Holds) -> Self {
        Self { text: text.into(), holds, at: clock::now() }
    }

    /// Blocks where `ok` is false.
    pub fn require(ok: bool, text: impl Into<String>) -> Self {
        Self::now(text, if ok { Holds::Yes } else { Holds::No })
    }
}
