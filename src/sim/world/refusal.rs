//! How the site says no: in the words of the service that is asked.

use thiserror::Error;

/// A refusal; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The service's error code, such as `InvalidDBClusterStateFault`.
    pub code: &'static str,
    /// What the service says.
    pub message: String,
}

impl Refusal {
    /// A refusal with its code and words.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// No such cluster.
    pub fn no_cluster(id: &str) -> Self {
        Self::new("DBClusterNotFoundFault", format!("DBCluster {id} not found."))
    }

    /// No such instance.
    pub fn no_instance(id: &str) -> Self {
        Self::new("DBInstanceNotFound", format!("DBInstance {id} not found."))
    }

    /// No such snapshot.
    pub fn no_snapshot(id: &str) -> Self {
        Self::new("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {id} not found."))
    }

    /// The cluster is not in a state for it.
    pub fn cluster_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBClusterStateFault", message)
    }

    /// The instance is not in a state for it.
    pub fn instance_state(message: impl Into<String>) -> Self {
        Self::new("InvalidDBInstanceState", message)
    }

    /// Values that do not go together.
    pub fn combination(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", message)
    }
}
