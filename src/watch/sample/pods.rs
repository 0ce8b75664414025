//! The application's deployment, its pods, the secret they start with, and the end of a log.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clients::Trouble;

/// The application's deployment and pods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PodsView {
    /// Image of the application's container in the deployment's template, with its tag; none where it may not be read.
    pub image: Option<String>,
    /// Which of the deployment's templates that is, as `kubectl rollout history` counts them.
    pub revision: Option<String>,
    /// Replicas that are wanted.
    pub wanted: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Pods of the current template.
    pub updated: u32,
    /// Why the rollout stands as it does: `NewReplicaSetAvailable`, `ProgressDeadlineExceeded`, …
    pub progress: Option<String>,
    /// The pods, the youngest first.
    pub pods: Vec<PodView>,
    /// The secret that the plan names; none where it names none.
    pub secret: Option<SecretView>,
    /// What beside the pods may not be read, or could not be.
    pub gaps: Vec<Gap>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PodView {
    /// Name.
    pub name: String,
    /// As `kubectl get pods` puts it: `Running`, `Init:2/6`, `CrashLoopBackOff`, `Terminating`.
    pub status: String,
    /// Whether it is ready.
    pub ready: bool,
    /// Restarts of its containers.
    pub restarts: u32,
    /// The last run that is over, of the application's container or of the init container that does not get through.
    pub last: Option<EndedRun>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When the application's container began its current run: its environment is of that moment.
    pub started: Option<Timestamp>,
    /// The init container that is not through; none once all are.
    pub init: Option<InitView>,
    /// Image of the application's container, with its tag.
    pub image: String,
    /// Whether the application's container takes variables from the plan's secret.
    pub takes_secret: bool,
}

impl PodView {
    /// By how much its application began before the secret was there, whose value it then has not. Kubernetes tells whole
    /// seconds: within the same one it is not known who was first.
    pub fn before_secret(&self, secret: &SecretView) -> Option<SignedDuration> {
        let (started, Glimpse::There(made)) = (self.started?, &secret.made) else { return None };
        (self.takes_secret && started < *made).then(|| made.duration_since(started))
    }

    /// Whether it is on its way out.
    pub fn leaves(&self) -> bool {
        self.status == "Terminating"
    }
}

/// An init container that is not through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitView {
    /// Name.
    pub name: String,
    /// Which one it is, from 1.
    pub place: usize,
    /// How many there are.
    pub of: usize,
    /// What it waits for: `PodInitializing`, `CrashLoopBackOff`, `ImagePullBackOff`; none while it runs.
    pub waits: Option<String>,
}

/// A container's run that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedRun {
    /// Exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled`, …
    pub reason: Option<String>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// Something that was looked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Glimpse<T> {
    /// It could not be looked at.
    #[default]
    Unseen,
    /// It is not there.
    Missing,
    /// It is there.
    There(T),
}

/// A secret by its metadata, and the ExternalSecret that makes it. Its value is never read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecretView {
    /// Name of both.
    pub name: String,
    /// When the secret was made.
    pub made: Glimpse<Timestamp>,
    /// The ExternalSecret.
    pub external: Glimpse<ExternalView>,
    /// When both were last looked at: less often than the pods.
    pub at: Timestamp,
}

/// An ExternalSecret's Ready condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExternalView {
    /// Whether it is ready; none where it has no such condition yet.
    pub ready: Option<bool>,
    /// `SecretSynced`, `SecretSyncedError`, …
    pub reason: Option<String>,
    /// What it says, cleaned.
    pub message: Option<String>,
    /// When it last synced.
    pub refreshed: Option<Timestamp>,
}

/// Something beside the pods that may not be read, or could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// What, in a few words: `the deployment`, `secret be-sentry-dsn`.
    pub what: String,
    /// What is not seen without it.
    pub loses: String,
    /// Why not.
    pub trouble: Trouble,
}

/// The end of a container's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PodLog {
    /// The pod.
    pub pod: String,
    /// Its container.
    pub container: String,
    /// Whether it is the log of the run before: the container waits for its next one.
    pub before: bool,
    /// The lines, cleaned, oldest first; or why they cannot be read.
    pub lines: Result<Vec<String>, Trouble>,
}
