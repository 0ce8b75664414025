//! Witnesses: who says, each on its own, who the writer is.
//!
//! During a failover no single source can be believed at once: the API lags by seconds, DNS by fifteen, a reader's own
//! topology may be stale. So each source is a witness with a lane of its own, and what holds is derived from all of them.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
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
    /// Writes through the writer endpoint, each tried and taken back.
    Writes,
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
            Self::Writes => f.pad("writes"),
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
    /// When the question was sent: what is said was true at some moment between `asked` and `at`. The same as `at` where
    /// nothing was asked and the witness noticed by itself, as when its session is cut.
    pub asked: Timestamp,
    /// When the answer was there.
    pub at: Timestamp,
    /// How long before that nobody had listened, as where the machine slept. Zero for a program that was awake.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub unaware: Duration,
    /// `at` by a clock that nobody sets; none for a word that no watcher brought.
    pub steady: Option<Steady>,
    /// The witness's own clock, where it has one.
    pub clock: Option<ClockOffset>,
    /// After what time the witness is asked again, where that is later than usual because it is silent.
    pub again: Option<Duration>,
}

impl Testimony {
    /// A word, and when it was asked for and said by this machine's clock.
    pub fn new(witness: Witness, word: Word, asked: Timestamp, at: Timestamp) -> Self {
        Self { witness, word, asked, at, unaware: Duration::ZERO, steady: None, clock: None, again: None }
    }

    /// Time since another word was said; by the clock that nobody sets where both have it. Negative if the other is later.
    pub fn since(&self, other: &Self) -> SignedDuration {
        let steady = self.steady.zip(other.steady).and_then(|(steady, before)| steady.since(before));
        steady.unwrap_or_else(|| self.at.duration_since(other.at))
    }
}

/// A moment by a clock that nobody sets: it counts from when somebody began to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steady {
    /// When that was, by the clock on the wall: it tells one count from another's.
    pub begun: Timestamp,
    /// The time since.
    pub elapsed: SignedDuration,
}

impl Steady {
    /// Time since another moment; none where that was counted by somebody else.
    pub fn since(self, before: Self) -> Option<SignedDuration> {
        (self.begun == before.begun).then(|| self.elapsed - before.elapsed)
    }
}

/// How a witness's clock differs from this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// By how much its clock is ahead; negative if it is behind.
    pub ahead: SignedDuration,
    /// How far that may be off: half of the time that asking and answering took.
    pub within: Duration,
}

impl ClockOffset {
    /// What an answer shows that says `said` and was asked for and given at these times by this machine's clock.
    pub fn between(said: Timestamp, asked: Timestamp, answered: Timestamp) -> Self {
        let half = answered.duration_since(asked) / 2;
        Self { ahead: said.duration_since(asked + half), within: half.unsigned_abs() }
    }
}

impl Witness {
    /// The witness of that name on screen.
    pub fn of_name(name: &str) -> Option<Self> {
        let named = [
            Self::ApiStatus,
            Self::ApiWriter,
            Self::Events,
            Self::Dns,
            Self::SqlEndpoint,
            Self::Writes,
            Self::Application,
            Self::Pods,
        ];
        let known = named.into_iter().find(|witness| witness.to_string() == name);
        known.or_else(|| name.strip_prefix("SQL ").map(|id| Self::SqlInstance(id.into())))
    }

    /// Whether it asks through the writer endpoint.
    pub fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::SqlEndpoint | Self::Writes)
    }

    /// Whether it is asked who the writer is; the others tell how things stand.
    pub fn names_the_writer(&self) -> bool {
        matches!(self, Self::ApiWriter | Self::Dns | Self::SqlEndpoint | Self::Writes | Self::SqlInstance(_))
    }

    /// Whether with this word the writer itself speaks: the instance that was asked says that it is the writer, and has not
    /// just refused a write. What API, DNS or a replica say of somebody else is hearsay.
    pub fn speaks_for_itself(&self, word: &Word) -> bool {
        let Word::Writer { instance, writes } = word else { return false };
        let asked_itself = match self {
            Self::SqlInstance(own) => own == instance,
            other => other.is_of_endpoint(),
        };
        asked_itself && *writes != Some(false)
    }
}
