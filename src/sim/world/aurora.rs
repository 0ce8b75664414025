//! Aurora clusters: instances, roles, snapshots, parameter groups, events.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use jiff::Timestamp;

/// A cluster with everything that RDS knows of it and what its databases do.
#[derive(Debug)]
pub struct Cluster {
    /// Identifier as created; RDS answers it lowercased.
    pub id: String,
    /// Cluster status as the API answers it.
    pub status: String,
    /// Name of the cluster parameter group that is attached.
    pub parameter_group: String,
    /// Name of the group that the rollout's deploy makes.
    pub rollout_group: String,
    /// `standard` or `advanced`.
    pub insights_mode: String,
    /// Performance Insights retention in days.
    pub insights_retention: i32,
    /// Whether the deploy applies instance changes at once.
    pub apply_immediately: bool,
    /// Identifier of the writer as the API answers it (it may lag behind the truth).
    pub api_writer: String,
    /// Identifier of the instance that takes writes; none while nobody does.
    pub writer: Option<String>,
    /// Identifier to which the writer endpoint's name leads (it lags behind the writer).
    pub dns_writer: String,
    /// By how many more site seconds than usual its name lags behind the writer in a failover.
    pub name_late_s: f64,
    /// The instance that a running failover promotes, until it takes writes.
    pub promoting: Option<String>,
    /// Writer endpoint host name as RDS answers it.
    pub endpoint: String,
    /// Reader endpoint host name.
    pub reader_endpoint: String,
    /// What follows the first label in the host name of an instance's endpoint.
    pub host: String,
    /// Port of the endpoints.
    pub port: u16,
    /// `DbClusterResourceId`.
    pub resource_id: String,
    /// When it was made.
    pub created: Timestamp,
    /// The instances.
    pub instances: Vec<Instance>,
    /// Snapshots of this cluster, deleted ones gone.
    pub snapshots: Vec<Snapshot>,
    /// RDS events of cluster and instances, oldest first; those that RDS loses are not here.
    pub events: Vec<RdsEvent>,
    /// How RDS treats the events of this cluster.
    pub event_fate: EventFate,
    /// Parameters of the rollout's group, none before the deploy made it; what the default group has is not here.
    pub group_parameters: Vec<GroupParameter>,
    /// What keeps its servers from what that group should give them.
    pub snags: super::snags::Snags,
    /// Whether CREATE EXTENSION pg_stat_statements was run in the application's database.
    pub extension_created: bool,
    /// How far the real servers behind it are, if there are any.
    pub behind: super::servers::Behind,
}

impl Instance {
    /// Whether anybody reaches its database.
    pub fn answers(&self) -> bool {
        self.up && !self.gone
    }
}

impl Cluster {
    /// Host name of an instance's own endpoint.
    pub fn instance_endpoint(&self, id: &str) -> String {
        format!("{}.{}", id.to_lowercase(), self.host)
    }

    /// The instance of that identifier, whatever its case.
    pub fn instance(&self, id: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.id.eq_ignore_ascii_case(id))
    }

    /// As [`Self::instance`], to change it.
    pub fn instance_mut(&mut self, id: &str) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.id.eq_ignore_ascii_case(id))
    }
}

/// An instance.
#[derive(Debug)]
pub struct Instance {
    /// Identifier, lowercase.
    pub id: String,
    /// `DbiResourceId`, by which Performance Insights knows it.
    pub resource_id: String,
    /// Instance status as the API answers it.
    pub status: String,
    /// Class, such as `db.t3.medium`.
    pub class: String,
    /// Class that is queued.
    pub pending_class: Option<String>,
    /// Class that the server runs on already, while the API still answers the old one.
    pub running_class: Option<String>,
    /// Whether its queue is being carried out.
    pub flushing: bool,
    /// Status of the cluster parameter group on this member: `in-sync`, `pending-reboot`, `applying`.
    pub group_status: String,
    /// Availability zone.
    pub zone: String,
    /// Whether its database answers.
    pub up: bool,
    /// Whether it was taken away, whatever the story has of it.
    pub gone: bool,
    /// Counts up whenever its connections are cut; a session that began under another number is dead.
    pub generation: u64,
    /// When its server process started.
    pub started: Timestamp,
    /// Settings that are live in this server, as `SHOW` prints them; static ones change with a restart only.
    pub live: BTreeMap<String, String>,
    /// Where its PostgreSQL listens.
    pub listens: Option<SocketAddr>,
    /// Whether Performance Insights measures it.
    pub insights: bool,
    /// Performance Insights: what happened to its load and when.
    pub load_marks: Vec<LoadMark>,
    /// Since when its log holds slow statements, and from which duration on; the latest last.
    pub slow_log: Vec<SlowLog>,
}

/// From when on a server logs slow statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowLog {
    /// When the setting became live.
    pub since: Timestamp,
    /// `log_min_duration_statement` in milliseconds; none where nothing is logged.
    pub least_ms: Option<u32>,
}

/// Something that shows in an instance's load.
#[derive(Debug, Clone)]
pub struct LoadMark {
    /// When.
    pub at: Instant,
    /// The same moment by the clock.
    pub time: Timestamp,
    /// What.
    pub what: LoadChange,
}

/// What shows in the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadChange {
    /// The instance serves the application.
    Serves,
    /// The instance serves nobody.
    Idle,
    /// Everybody reconnects at once.
    ReconnectBurst,
    /// The instance is down.
    Down,
}

/// A cluster snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Identifier, lowercase.
    pub id: String,
    /// `creating`, `available`, …
    pub status: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// The same moment, to reckon progress.
    pub began: Instant,
    /// When it will be available.
    pub ready: Instant,
}

/// How RDS treats events: each comes late, and some never come.
#[derive(Debug, Clone)]
pub struct EventFate {
    /// Where the choices come from, so that the same seed gives the same fate.
    pub rng: fastrand::Rng,
    /// Share of the events that are lost, from 0 to 1; none unless whoever launches the site says so.
    pub lost: f64,
    /// What somebody else adds to every message.
    pub tail: &'static str,
}

impl EventFate {
    /// Site seconds within which every event that is not lost has come.
    pub const LATEST_S: f64 = 12.0;

    /// Events of which none is lost.
    pub fn late(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), lost: 0.0, tail: "" }
    }

    /// Site seconds until the next event comes; none for one that never does.
    pub fn delay(&mut self) -> Option<f64> {
        let (lost, late) = (self.rng.f64(), self.rng.f64());
        // Most come soon: the square leans towards none, so that now and then a later one overtakes.
        (lost >= self.lost).then_some(1.0 + late * late * (Self::LATEST_S - 1.0))
    }
}

/// An RDS event.
#[derive(Debug, Clone)]
pub struct RdsEvent {
    /// Identifier of the cluster or instance.
    pub source: String,
    /// `db-cluster` or `db-instance`.
    pub source_type: &'static str,
    /// `RDS-EVENT-0073` and the like.
    pub id: &'static str,
    /// What RDS says.
    pub message: String,
    /// `failover`, `availability`, `configuration change`, …
    pub category: &'static str,
    /// When.
    pub at: Timestamp,
    /// Site seconds until RDS answers it: events come late, and each as late as it pleases.
    pub late_s: f64,
}

/// A parameter of the cluster parameter group.
#[derive(Debug, Clone)]
pub struct GroupParameter {
    /// Name.
    pub name: String,
    /// Value as the group holds it, perhaps a formula.
    pub value: String,
    /// `static` or `dynamic`.
    pub apply_type: &'static str,
    /// When it is applied: `immediate` or `pending-reboot`.
    pub apply_method: &'static str,
}
