//! A partition's namespace: the operations deployment, its pods, its secrets, its web application.

use jiff::Timestamp;

/// What runs in the namespace.
#[derive(Debug)]
pub struct Operations {
    /// Namespace, such as `prod-operations`.
    pub namespace: String,
    /// When it was made.
    pub created: Timestamp,
    /// Counts up with every change of an object of the namespace: Kubernetes' resourceVersion.
    pub resource_version: u64,
    /// Helm revision that is live, and its history.
    pub revisions: Vec<Revision>,
    /// The deployment's generation, counted up by each change of its template.
    pub generation: u64,
    /// `kubectl.kubernetes.io/restartedAt` of the template.
    pub restarted_at: Option<String>,
    /// When the secret `be-sentry-dsn` was synced into the namespace; none while it is not there.
    pub secret_synced: Option<Timestamp>,
    /// Replicas wanted.
    pub replicas: usize,
    /// The pods, living and leaving.
    pub pods: Vec<Pod>,
    /// Whether the application answers 200; it does not while it has no writer.
    pub serving: bool,
}

/// A revision of the chart.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// Version of the application image.
    pub application: String,
    /// Version of the initializer image.
    pub initializer: String,
    /// Whether the template takes SENTRY_DSN from the secret.
    pub sentry: bool,
    /// When it was deployed.
    pub deployed: Timestamp,
    /// ReplicaSet hash of its pods.
    pub hash: String,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// Revision that it was made from.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// How many of its init containers have ended well.
    pub init_done: usize,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts of its main container.
    pub restarts: i32,
    /// Set once it is being deleted.
    pub deleted: Option<Timestamp>,
    /// Whether SENTRY_DSN was in its environment when it started.
    pub has_dsn: bool,
    /// Log lines of its main container, with their times.
    pub log: Vec<(Timestamp, String)>,
    /// Log lines of its init containers, by container.
    pub init_logs: Vec<(String, Timestamp, String)>,
}
