//! How often the sources are asked.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::runbook::names::PartitionName;

/// How often each partition's sources are asked. Sent through a `tokio::sync::watch` channel; every send also makes the
/// sources be asked at once, so that what an action brought about is seen without waiting for the next tick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cadence {
    /// Partitions that are asked more often than quietly.
    pub paces: BTreeMap<PartitionName, Pace>,
}

impl Cadence {
    /// Everything quiet but one partition.
    pub fn only(partition: PartitionName, pace: Pace) -> Self {
        Self { paces: BTreeMap::from([(partition, pace)]) }
    }

    /// The pace of a partition.
    pub fn of(&self, partition: &PartitionName) -> Pace {
        self.paces.get(partition).copied().unwrap_or_default()
    }
}

/// How often a partition's sources are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Nothing runs.
    #[default]
    Quiet,
    /// A step runs.
    Busy,
    /// A failover runs: SQL and HTTP several times a second, and writes are tried through the writer endpoint.
    Failover,
}

/// How long is waited before something is tried again that has failed for so long: a thousandth of that, so that what is
/// measured stays as sharp as it is long, and ten seconds at most.
pub fn backed_off(failing_for: Duration) -> Duration {
    (failing_for / 1000).min(Duration::from_secs(10))
}

impl Pace {
    /// Time between two askings of a source that costs next to nothing: SQL, DNS, HTTP.
    pub fn light(self) -> Duration {
        match self {
            Self::Quiet => Duration::from_secs(10),
            Self::Busy => Duration::from_secs(1),
            Self::Failover => Duration::from_millis(250),
        }
    }

    /// Time between two askings of a source that is counted by the call: AWS, Kubernetes.
    pub fn metered(self) -> Duration {
        match self {
            Self::Quiet => Duration::from_secs(10),
            Self::Busy | Self::Failover => Duration::from_secs(1),
        }
    }

    /// Time between two askings of a source whose answer is large or slow to change: statements, events.
    pub fn heavy(self) -> Duration {
        match self {
            Self::Quiet => Duration::from_secs(15),
            Self::Busy | Self::Failover => Duration::from_secs(5),
        }
    }
}
