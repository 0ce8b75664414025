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
    /// Names of its template's containers with their images, the init containers left out.
    pub containers: Vec<(String, String)>,
    /// `deployment.kubernetes.io/revision`: counts its templates, as `kubectl rollout history` lists them.
    pub revision: Option<String>,
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
    /// Why it is as it is, where the pod itself says so: `Evicted`, `DeadlineExceeded`, `NodeLost`.
    pub reason: Option<String>,
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

    /// The init container that is not through, with its place among them; none once all are.
    pub fn initialising(&self) -> Option<(usize, &ContainerView)> {
        self.init.iter().enumerate().find(|(_, container)| !container.is_through())
    }

    /// What `kubectl get pods` prints as its status: `Running`, `Init:2/6`, `CrashLoopBackOff`, `Terminating`, … The rules
    /// are those of its printer (`printPod` in kubernetes/pkg/printers/internalversion/printers.go).
    pub fn status(&self) -> String {
        let is_over = matches!(self.phase.as_str(), "Succeeded" | "Failed");
        match (self.deleted, self.reason.as_deref()) {
            (Some(_), Some("NodeLost")) => "Unknown".to_owned(),
            (Some(_), _) if !is_over => "Terminating".to_owned(),
            // Before it has a node, it has no word of its containers.
            _ => match self.initialising().filter(|(_, container)| container.is_known()) {
                Some((place, container)) => self.waiting(place, container),
                None => self.running(),
            },
        }
    }

    /// How far its init containers are, and what keeps them.
    fn waiting(&self, place: usize, container: &ContainerView) -> String {
        match &container.state {
            ContainerState::Ended { code, reason, signal, .. } => format!("Init:{}", ended(*code, reason, *signal)),
            ContainerState::Waiting { reason } if !reason.is_empty() && reason != "PodInitializing" => {
                format!("Init:{reason}")
            }
            _ => format!("Init:{place}/{}", self.init.len()),
        }
    }

    fn running(&self) -> String {
        // The first container's word is the last one that the printer takes.
        let said = self.containers.iter().find_map(|container| match &container.state {
            ContainerState::Waiting { reason } if !reason.is_empty() => Some(reason.clone()),
            ContainerState::Ended { code, reason, signal, .. } => Some(ended(*code, reason, *signal)),
            _ => None,
        });
        let runs =
            |container: &ContainerView| container.ready && matches!(container.state, ContainerState::Running { .. });
        match said {
            Some(said) if said == "Completed" && self.containers.iter().any(runs) => {
                if self.ready { "Running" } else { "NotReady" }.to_owned()
            }
            Some(said) => said,
            None => self.reason.clone().unwrap_or_else(|| self.phase.clone()),
        }
    }
}

/// How a container ended, in the printer's words.
fn ended(code: i32, reason: &Option<String>, signal: Option<i32>) -> String {
    match (reason.as_deref().filter(|reason| !reason.is_empty()), signal) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{code}"),
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
    /// Secrets of which every key becomes a variable (`envFrom`).
    pub secrets: Vec<String>,
    /// Whether it is an init container that goes on running beside the others: a sidecar.
    pub stays: bool,
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

    /// Whether anything was said of how it stands.
    fn is_known(&self) -> bool {
        !matches!(&self.state, ContainerState::Waiting { reason } if reason.is_empty())
    }

    /// Whether it lets the containers after it begin: it ended well, or is a sidecar that has started.
    fn is_through(&self) -> bool {
        self.exit_code() == Some(0) || (self.stays && matches!(self.state, ContainerState::Running { .. }))
    }

    /// Whether its environment is made of that secret when it starts.
    pub fn takes(&self, secret: &str) -> bool {
        let named =
            |variable: &VariableView| matches!(&variable.origin, VariableOrigin::Secret { name, .. } if name == secret);
        self.variables.iter().any(named) || self.secrets.iter().any(|name| name == secret)
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
        /// The signal that ended it, where the runtime says so.
        signal: Option<i32>,
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
