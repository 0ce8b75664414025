//! Witnesses: who says, each on its own, who the writer is.
//!
//! During a failover no single source can be believed at once: the API lags by seconds, DNS by fifteen, a reader's own
//! topology may be stale. So each source is a witness with a lane of its own, and what holds is derived from all of them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::names::InstanceId;

/// A source that can say who the writer is, or that it cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// The cluster's status by the RDS API.
    ApiStatus,
    /// The member that the RDS API names writer.
    ApiWriter,
    /// RDS events.
    Events,
    /// Where the writer endpoint's name leads.
    Dns,
    /// SQL through the writer endpoint.
    SqlEndpoint,
    /// SQL on one instance.
    SqlInstance(InstanceId),
    /// The application over HTTP.
    Application,
    /// Readiness of the application's pods.
    Pods,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiStatus => f.pad("API status"),
            Self::ApiWriter => f.pad("API writer"),
            Self::Events => f.pad("events"),
            Self::Dns => f.pad("DNS"),
            Self::SqlEndpoint => f.pad("SQL endpoint"),
            Self::SqlInstance(id) => f.pad(&format!("SQL {id}")),
            Self::Application => f.pad("app"),
            Self::Pods => f.pad("pods"),
        }
    }
}

/// What a witness says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
pub enum Word {
    /// This instance is the writer.
    Writer {
        /// Which.
        instance: InstanceId,
        /// Whether a write was tried and went through; none if none was tried.
        writes: Option<bool>,
    },
    /// The instance asked is a reader.
    Reader,
    /// A status, such as `failing-over` or `200`, and whether it is a healthy one.
    Status {
        /// As the source prints it.
        text: String,
        /// Whether all is well by it.
        healthy: bool,
    },
    /// Something happened, such as RDS event 0073.
    Happened {
        /// In a few words.
        text: String,
    },
    /// No answer: connection cut, refused, timed out.
    Silent {
        /// Why, in a few words.
        reason: String,
    },
}

/// A word with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// Who says so.
    pub witness: Witness,
    /// What.
    pub word: Word,
    /// When the question was sent. For an answer, the truth lies between `asked` and `at`.
    pub asked: Timestamp,
    /// When the answer was there.
    pub at: Timestamp,
}
