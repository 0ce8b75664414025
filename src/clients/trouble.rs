//! What can go wrong with an outside system, told apart by what it means for the operator.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A call to an outside system that did not end as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Error)]
pub struct Trouble {
    /// Which call: `rds:DescribeDBClusters`, `SHOW log_statement`, `op read`.
    pub call: String,
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// The other side's own code, such as `InvalidDBClusterStateFault` or an SQLSTATE.
    pub code: Option<String>,
    /// The other side's own words, or ours where it said nothing. Cleaned of control sequences, without secrets.
    pub message: String,
}

/// Kinds of trouble, by what can be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// It was understood and refused; nothing changed.
    Refused,
    /// What was asked for is not there.
    NotFound,
    /// The session or token has ended: sign in again.
    SignedOut,
    /// Signed in, but not permitted.
    Denied,
    /// Too many calls: slow down.
    Throttled,
    /// It never got there: no connection, name not found, program missing.
    Unreachable,
    /// It was sent and no usable answer came: a changing call may have been carried out.
    NoAnswer,
    /// The answer makes no sense to us.
    Malformed,
}

impl Trouble {
    /// Trouble of a kind with a call.
    pub fn new(call: impl Into<String>, kind: TroubleKind, message: impl Into<String>) -> Self {
        Self { call: call.into(), kind, code: None, message: message.into() }
    }

    /// Adds the other side's own code.
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Whether the other side's code is this one.
    pub fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// Whether a changing call may have been carried out although it ended in trouble.
    pub fn may_have_acted(&self) -> bool {
        matches!(self.kind, TroubleKind::NoAnswer | TroubleKind::Malformed)
    }

    /// Whether the same call may succeed a moment later, so that a wait goes on through it.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            TroubleKind::Throttled | TroubleKind::Unreachable | TroubleKind::NoAnswer | TroubleKind::Malformed
        )
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TroubleKind::Refused => "refused",
            TroubleKind::NotFound => "not found",
            TroubleKind::SignedOut => "signed out",
            TroubleKind::Denied => "not permitted",
            TroubleKind::Throttled => "throttled",
            TroubleKind::Unreachable => "not reached",
            TroubleKind::NoAnswer => "no answer",
            TroubleKind::Malformed => "answer not understood",
        };
        write!(f, "{}: {what}", self.call)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
