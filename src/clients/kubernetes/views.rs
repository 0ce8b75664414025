//! What Kubernetes says, as plain data.

use jiff::Timestamp;

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceView {
    /// Name.
    pub name: String,
    /// `Active` or `Terminating`.
    pub phase: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentView {
    /// Name.
    pub name: String,
    /// Counts the changes of its specification.
    pub generation: i64,
    /// The generation that its controller has seen; what follows is about that one.
    pub observed_generation: i64,
    /// Replicas that are wanted.
    pub wanted: i32,
    /// Replicas that there are, old and new.
    pub replicas: i32,
    /// Replicas of the current template.
    pub updated: i32,
    /// Replicas that are ready.
    pub ready: i32,
    /// Replicas that have been ready for long enough.
    pub available: i32,
    /// `kubectl.kubernetes.io/restartedAt` of its template.
    pub restarted_at: Option<String>,
    /// Images of its template, the init containers' first.
    pub images: Vec<String>,
    /// Why its progress stands as it does: `NewReplicaSetAvailable`, `ProgressDeadlineExceeded`, …
    pub progress: Option<String>,
}

impl DeploymentView {
    /// Whether the current template is rolled out, by the conditions of `kubectl rollout status`.
    pub fn is_rolled_out(&self) -> bool {
        self.observed_generation >= self.generation
            && self.updated >= self.wanted
            && self.replicas <= self.updated
            && self.available >= self.updated
    }
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was told to go.
    pub deleted: Option<Timestamp>,
    /// Whether its Ready condition holds.
    pub ready: bool,
    /// The init containers, in the order in which they run.
    pub init: Vec<ContainerView>,
    /// The containers.
    pub containers: Vec<ContainerView>,
}

impl PodView {
    /// The container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerView> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// Restarts of all its containers.
    pub fn restarts(&self) -> i32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    /// What `kubectl get pods` prints as its status: `Running`, `Init:2/6`, `CrashLoopBackOff`, `Terminating`, …
    pub fn status(&self) -> String {
        if self.deleted.is_some() {
            return "Terminating".to_owned();
        }
        let done = self.init.iter().filter(|container| container.exit_code() == Some(0)).count();
        if let Some(running) = self.init.get(done) {
            return match &running.state {
                ContainerState::Waiting { reason } if reason != "PodInitializing" && !reason.is_empty() => {
                    format!("Init:{reason}")
                }
                ContainerState::Ended { code, .. } => format!("Init:ExitCode:{code}"),
                _ => format!("Init:{done}/{}", self.init.len()),
            };
        }
        let troubled = self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Waiting { reason } if !reason.is_empty() => Some(reason.clone()),
            ContainerState::Ended { reason: Some(reason), .. } => Some(reason.clone()),
            _ => None,
        });
        troubled.unwrap_or_else(|| self.phase.clone())
    }
}

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Name.
    pub name: String,
    /// Image with its tag.
    pub image: String,
    /// How it stands.
    pub state: ContainerState,
    /// Its last run before this one.
    pub last: Option<RunView>,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was restarted.
    pub restarts: i32,
    /// The variables that its specification gives it.
    pub variables: Vec<VariableView>,
}

impl ContainerView {
    /// When its current run began; a container has its environment from then.
    pub fn started(&self) -> Option<Timestamp> {
        match &self.state {
            ContainerState::Running { since } => *since,
            ContainerState::Ended { started, .. } => *started,
            ContainerState::Waiting { .. } => None,
        }
    }

    /// Exit code, once it has ended.
    pub fn exit_code(&self) -> Option<i32> {
        match self.state {
            ContainerState::Ended { code, .. } => Some(code),
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
        }
    }

    /// Its latest run that is over: this one, or the one before while it runs or waits for its next.
    pub fn last_run(&self) -> Option<RunView> {
        match &self.state {
            ContainerState::Ended { code, reason, finished, .. } => {
                Some(RunView { code: *code, reason: reason.clone(), finished: *finished })
            }
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => self.last.clone(),
        }
    }

    /// The variable of that name.
    pub fn variable(&self, name: &str) -> Option<&VariableView> {
        self.variables.iter().find(|variable| variable.name == name)
    }
}

/// A run of a container that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunView {
    /// Exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled`, …
    pub reason: Option<String>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// What an event warns of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarningView {
    /// `BackOff`, `UpdateFailed`, …
    pub reason: String,
    /// What it says, cleaned.
    pub message: String,
    /// When it was last so.
    pub at: Option<Timestamp>,
}

/// How a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    /// Not yet, or not again.
    Waiting {
        /// `PodInitializing`, `CrashLoopBackOff`, `ImagePullBackOff`, …
        reason: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Option<Timestamp>,
    },
    /// It ended.
    Ended {
        /// Exit code.
        code: i32,
        /// `Completed`, `Error`, `OOMKilled`, …
        reason: Option<String>,
        /// When that run began.
        started: Option<Timestamp>,
        /// When it ended.
        finished: Option<Timestamp>,
    },
}

/// A variable of a container's environment. Its value is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableView {
    /// Name.
    pub name: String,
    /// Where its value comes from.
    pub origin: VariableOrigin,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableOrigin {
    /// It stands in the specification.
    Literal,
    /// A secret, as it was when the container started.
    Secret {
        /// Name of the secret.
        name: String,
        /// Key within it.
        key: String,
        /// Whether the container starts without it where the secret is not there.
        optional: bool,
    },
    /// Something else, such as a config map.
    Other,
}

/// An ExternalSecret's Ready condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSecretView {
    /// Whether it is ready; none where it has no such condition yet.
    pub ready: Option<bool>,
    /// `SecretSynced`, `SecretSyncedError`, …
    pub reason: Option<String>,
    /// What it says, cleaned.
    pub message: Option<String>,
    /// When it last synced.
    pub refreshed: Option<Timestamp>,
}
