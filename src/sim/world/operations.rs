//! A partition's namespace: the operations deployment, its pods, its secrets, its web application.

pub mod life;
pub mod rollout;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::SitePartition;
use crate::runbook::plan::{Partition, StepKind};

/// The databases that the initializer makes, one init container each.
pub const DATABASES: [&str; 6] = ["order", "businessaffiliate", "item", "facility", "kanban", "station"];

/// Name of the Kubernetes secret, and of the ExternalSecret that makes it.
pub const SENTRY_SECRET: &str = "be-sentry-dsn";

/// What runs in the namespace.
#[derive(Debug)]
pub struct Operations {
    /// Namespace, such as `prod-operations`.
    pub namespace: String,
    /// Value of SENTRY_ENVIRONMENT, such as `Alpha001-prod`.
    pub environment: String,
    /// Value of SENTRY_TRACES_SAMPLE_RATE.
    pub sample_rate: &'static str,
    /// When the namespace was made.
    pub created: Timestamp,
    /// Kubernetes' resourceVersion of the latest change in the namespace.
    pub resource_version: u64,
    /// Helm release, deployment and main container have this name.
    pub name: String,
    /// The release's revisions, oldest first; the last one is live.
    pub revisions: Vec<Revision>,
    /// The deployment's generation, counted up by each change of its template.
    pub generation: u64,
    /// ReplicaSets, oldest first; the last one carries the current template.
    pub replica_sets: Vec<ReplicaSet>,
    /// When the secret `be-sentry-dsn` was synced into the namespace; none while it is not there.
    pub secret_synced: Option<Timestamp>,
    /// Why the last sync of the ExternalSecret failed.
    pub sync_trouble: Option<String>,
    /// Replicas wanted.
    pub replicas: usize,
    /// The pods, living and leaving.
    pub pods: Vec<Pod>,
    /// Pods that somebody else made in the namespace.
    pub guests: Vec<Guest>,
    /// Pods that are gone, so that a watch that was behind learns of it.
    pub gone: Vec<Pod>,
    /// Kubernetes events, oldest first.
    pub events: Vec<KubeEvent>,
    /// Whether the application's connection pools work; wedged pools answer 503 until its pods are restarted.
    pub serving: bool,
    /// Random choices of this namespace: names of pods and ReplicaSets.
    rng: fastrand::Rng,
}

/// A pod that somebody made by hand, and what became of it.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Name.
    pub name: String,
    /// What was asked for: metadata and spec.
    pub asked: serde_json::Value,
    /// When it was made.
    pub created: Timestamp,
    /// When its containers began to run.
    pub started: Option<Timestamp>,
    /// When its deadline ended it.
    pub ended: Option<Timestamp>,
    /// resourceVersion of its latest change.
    pub version: u64,
    /// resourceVersion at which it was made.
    pub born: u64,
}

impl Guest {
    /// Whether its containers run.
    pub fn runs(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }
}

/// A revision of the release.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number, from 1.
    pub number: u64,
    /// What was installed.
    pub chart: Chart,
    /// When it was deployed.
    pub deployed: Timestamp,
    /// `Upgrade complete`, `Rollback to 41`.
    pub description: String,
}

/// What a chart puts into the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Version of the application image.
    pub application: String,
    /// Version of the initializer image.
    pub initializer: String,
    /// Whether the template takes SENTRY_DSN from the secret.
    pub sentry: bool,
}

impl Chart {
    /// The chart that runs before the rollout.
    pub fn before() -> Self {
        Self { application: "2.23.0".into(), initializer: "2.3.0".into(), sentry: false }
    }

    /// The chart that the rollout brings.
    pub fn after() -> Self {
        Self { application: "2.24.0".into(), initializer: "2.5.0".into(), sentry: true }
    }

    /// Whether its initializer makes pg_stat_statements in the application's databases.
    pub fn makes_statements(&self) -> bool {
        self.initializer != "2.3.0"
    }
}

/// A ReplicaSet: one state of the deployment's template.
#[derive(Debug, Clone)]
pub struct ReplicaSet {
    /// Hash of the template, part of its pods' names.
    pub hash: String,
    /// `deployment.kubernetes.io/revision`.
    pub revision: u64,
    /// What it runs.
    pub chart: Chart,
    /// Annotations of its template, such as `kubectl.kubernetes.io/restartedAt`.
    pub annotations: BTreeMap<String, String>,
    /// When it was made.
    pub created: Timestamp,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// Hash of its ReplicaSet.
    pub hash: String,
    /// What it runs.
    pub chart: Chart,
    /// resourceVersion at which it was made.
    pub born: u64,
    /// resourceVersion of its latest change.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Its init containers' runs, in their order; those that have not begun are not here.
    pub inits: Vec<InitRun>,
    /// When the latest run of its main container started.
    pub started: Option<Timestamp>,
    /// How that run ended; none while it runs.
    pub ended: Option<Ended>,
    /// How the run before it ended.
    pub last: Option<Ended>,
    /// Whether it is ready, and since when.
    pub ready: Option<Timestamp>,
    /// Restarts of its main container.
    pub restarts: i32,
    /// Set once it is being deleted.
    pub deleted: Option<Timestamp>,
    /// Whether SENTRY_DSN was in its environment when its main container started.
    pub has_dsn: bool,
    /// Log lines by container, with their times, oldest first.
    pub log: Vec<LogLine>,
    /// How many lines were ever written to its logs.
    pub lines_written: u64,
}

impl Pod {
    /// How often a container was started again, and whether it waits for the next time.
    pub fn restarts_of(&self, init: Option<usize>) -> (i32, bool) {
        match init {
            Some(index) => self.inits.get(index).map_or((0, false), |run| (run.restarts, run.failed().is_some())),
            None => (self.restarts, self.ended.is_some()),
        }
    }

    /// Whether all init containers have ended well.
    pub fn initialized(&self) -> bool {
        self.inits.iter().filter(|run| run.exit == Some(0)).count() == DATABASES.len()
    }
}

/// Runs of one init container.
#[derive(Debug, Clone)]
pub struct InitRun {
    /// When its latest run started.
    pub started: Timestamp,
    /// When its latest run ended.
    pub finished: Option<Timestamp>,
    /// Exit code of its latest run.
    pub exit: Option<i32>,
    /// How often it was started again.
    pub restarts: i32,
    /// How the run before it ended.
    pub last: Option<Ended>,
}

/// A run of a container that is over.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Its exit code.
    pub code: i32,
}

/// A line of a container's log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Container.
    pub container: String,
    /// Which of the container's runs wrote it, from 0.
    pub run: i32,
    /// Its number among the pod's lines, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// An event as `kubectl get events` shows it.
#[derive(Debug, Clone)]
pub struct KubeEvent {
    /// resourceVersion at which it was made.
    pub version: u64,
    /// Kind of the object it is about.
    pub kind: &'static str,
    /// Name of the object.
    pub name: String,
    /// `Normal` or `Warning`.
    pub severity: &'static str,
    /// `Pulled`, `Started`, …
    pub reason: &'static str,
    /// What happened.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

impl Operations {
    /// The namespace as the rollout finds it: the old chart, two pods that have run for weeks.
    pub fn before_rollout(partition: &Partition, seed: u64) -> Self {
        let now = Timestamp::now();
        let namespace = partition
            .kubernetes
            .as_ref()
            .map_or_else(|| format!("{}-operations", partition.name), |target| target.namespace.clone());
        let mut operations = Self {
            environment: format!("{}-{}", partition.infrastructure, partition.name),
            sample_rate: if partition.infrastructure.ends_with('1') { "0.1" } else { "1.0" },
            created: now - days(age_of(&namespace)),
            namespace,
            resource_version: 0,
            name: deployment_of(partition),
            revisions: Vec::new(),
            generation: 41,
            replica_sets: Vec::new(),
            secret_synced: None,
            sync_trouble: None,
            replicas: 2,
            pods: Vec::new(),
            guests: Vec::new(),
            gone: Vec::new(),
            events: Vec::new(),
            serving: true,
            // Partitions differ, but the same seed gives the same site.
            rng: fastrand::Rng::with_seed(
                partition
                    .name
                    .as_str()
                    .bytes()
                    .fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))),
            ),
        };
        operations.settle_in(Chart::before(), now - days(9));
        operations
    }

    /// Puts a chart in place as if it had been running since `since`.
    pub fn settle_in(&mut self, chart: Chart, since: Timestamp) {
        let revision = self.revisions.last().map_or(41, |revision| revision.number + 1);
        self.revisions.push(Revision {
            number: revision,
            chart: chart.clone(),
            deployed: since,
            description: "Upgrade complete".into(),
        });
        let hash = self.new_hash();
        self.replica_sets.push(ReplicaSet {
            hash: hash.clone(),
            revision,
            chart: chart.clone(),
            annotations: BTreeMap::new(),
            created: since,
        });
        self.pods.clear();
        for index in 0..self.replicas {
            let version = self.touch();
            let created = since + SignedDuration::from_secs(35 * i64::try_from(index).unwrap_or(0));
            let started = created + SignedDuration::from_secs(20);
            let mut pod = Pod {
                name: self.new_pod_name(&hash),
                hash: hash.clone(),
                chart: chart.clone(),
                born: version,
                version,
                created,
                inits: (0..6).map(|step| InitRun::ended(created + SignedDuration::from_secs(2 + 3 * step))).collect(),
                started: Some(started),
                ended: None,
                last: None,
                ready: Some(started + SignedDuration::from_secs(12)),
                restarts: 0,
                deleted: None,
                has_dsn: false,
                log: Vec::new(),
                lines_written: 0,
            };
            life::write_past_log(&mut pod, &self.namespace, &self.name, &self.environment);
            self.pods.push(pod);
        }
    }

    /// The ReplicaSet with the current template.
    pub fn current(&self) -> Option<&ReplicaSet> {
        self.replica_sets.last()
    }

    /// The pod of that name.
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }

    /// The guest of that name.
    pub fn guest(&self, name: &str) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.name == name)
    }

    /// Changes a guest and counts the change; nothing where it is gone.
    pub fn change_guest(&mut self, name: &str, change: impl FnOnce(&mut Guest)) {
        let version = self.touch();
        if let Some(guest) = self.guests.iter_mut().find(|guest| guest.name == name) {
            guest.version = version;
            change(guest);
        }
    }

    /// Changes a pod and counts the change; nothing where the pod is gone.
    pub fn change_pod(&mut self, name: &str, change: impl FnOnce(&mut Pod)) {
        let version = self.touch();
        if let Some(pod) = self.pods.iter_mut().find(|pod| pod.name == name) {
            pod.version = version;
            change(pod);
        }
    }

    /// Counts a change. Microseconds of the clock, so that versions of all namespaces are comparable.
    pub fn touch(&mut self) -> u64 {
        let clock = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
        self.resource_version = clock.max(self.resource_version + 1);
        self.resource_version
    }

    /// Records an event; old ones are forgotten.
    pub fn event(&mut self, kind: &'static str, name: &str, reason: &'static str, message: impl Into<String>) {
        let version = self.touch();
        let severity = if matches!(reason, "BackOff" | "Unhealthy" | "UpdateFailed") { "Warning" } else { "Normal" };
        let (name, message, at) = (name.to_owned(), message.into(), Timestamp::now());
        self.events.push(KubeEvent { version, kind, name, severity, reason, message, at });
        if self.events.len() > 500 {
            self.events.drain(..100);
        }
    }

    /// A hash as Kubernetes' safe encoding writes it.
    fn new_hash(&mut self) -> String {
        (0..10).map(|_| char::from(b"bcdf456789"[self.rng.usize(..10)])).collect()
    }

    /// A name for a new pod of this ReplicaSet.
    fn new_pod_name(&mut self, hash: &str) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let tail: String = (0..5).map(|_| char::from(LETTERS[self.rng.usize(..LETTERS.len())])).collect();
        format!("{}-{hash}-{tail}", self.name)
    }
}

impl InitRun {
    /// A run that began at `started` and ended well three seconds later.
    fn ended(started: Timestamp) -> Self {
        Self { started, finished: Some(started + SignedDuration::from_secs(3)), exit: Some(0), restarts: 0, last: None }
    }

    /// How its latest run failed, while it waits for the next.
    pub fn failed(&self) -> Option<Ended> {
        let (finished, code) = (self.finished?, self.exit.filter(|code| *code != 0)?);
        Some(Ended { started: self.started, finished, code })
    }
}

impl SitePartition {
    /// Whether the application answers, or why it does not.
    ///
    /// It follows the name of the writer endpoint, as the real one does: a writer alone is not enough.
    pub fn application_answers(&self) -> Result<(), &'static str> {
        let cluster = &self.cluster;
        let Some(writer) = &cluster.writer else { return Err("the cluster has no writer") };
        if !cluster.instance(writer).is_some_and(|instance| instance.up) {
            return Err("the writer does not answer");
        }
        if !cluster.dns_writer.eq_ignore_ascii_case(writer) {
            return Err("Connection is not available: the writer endpoint leads to a reader");
        }
        if !self.operations.serving {
            return Err("Connection is not available, request timed out after 30000ms");
        }
        if !self.operations.pods.iter().any(|pod| pod.ready.is_some()) {
            return Err("no pod is ready");
        }
        Ok(())
    }
}

/// Days as a span; the site's past is told in days.
fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

/// The ages in days that the execution log found; others are made up from the name.
fn age_of(namespace: &str) -> i64 {
    match namespace {
        "dev-operations" => 272,
        "stage-operations" => 279,
        "demo-operations" => 87,
        "prod-operations" => 265,
        other => 60 + i64::try_from(other.len()).unwrap_or(0),
    }
}

/// The deployment's name in the plan.
fn deployment_of(partition: &Partition) -> String {
    let deploy = partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Deploy(deploy) => Some(deploy.deployment.clone()),
        _ => None,
    });
    deploy.unwrap_or_else(|| "operations".into())
}

/// Site seconds.
fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[cfg(test)]
mod tests;
