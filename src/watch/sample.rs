//! What the sources said: plain data, so that a recording of samples is as good as the site itself.
//!
//! A sample is of the moment and may be lost; nothing is decided on one alone. An error is a sample like any other: a
//! source that is late or silent must show as such.

mod pods;

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clients::Trouble;
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::witness::{ClockOffset, Steady};
pub use pods::{EndedRun, ExternalView, Gap, Glimpse, InitView, PodLog, PodView, PodsView, SecretView};

/// One answer, or failure to answer, of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The partition it is about.
    pub partition: PartitionName,
    /// Who was asked.
    pub source: Source,
    /// When the answer came (or the asking failed), by this machine's clock.
    pub at: Timestamp,
    /// How long the asking took: what is said was true at some moment of it. Zero where nothing was asked and the source
    /// noticed by itself, as when a session is cut.
    pub took: Duration,
    /// What was said, or why nothing was.
    pub said: Result<Reading, Trouble>,
    /// How long before that nobody had listened, as where the machine slept: what is said may be as old, and more recent words
    /// may have been missed. Zero for a program that was awake.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub unaware: Duration,
    /// When, by a clock that nobody sets; none in a sample that no watcher brought.
    pub steady: Option<Steady>,
    /// The source's own clock, where it has one.
    pub clock: Option<ClockOffset>,
    /// After what time the source is asked again, where that is later than usual because of trouble.
    pub again: Option<Duration>,
}

impl Sample {
    /// What a source said, or why it said nothing, at that time by this machine's clock.
    pub fn new(
        partition: PartitionName,
        source: Source,
        at: Timestamp,
        took: Duration,
        said: Result<Reading, Trouble>,
    ) -> Self {
        let unaware = Duration::ZERO;
        Self { partition, source, at, took, said, unaware, steady: None, clock: None, again: None }
    }

    /// When it was asked for: what is said was true then or later, and the datum's age counts from here.
    pub fn asked(&self) -> Timestamp {
        let took = jiff::SignedDuration::try_from(self.took).unwrap_or_default();
        self.at.checked_sub(took).unwrap_or(self.at)
    }
}

/// Who is asked. Each has a task of its own, so that none waits for another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The RDS API: cluster and instances.
    Api,
    /// RDS events of cluster and instances.
    Events,
    /// The name of the writer endpoint.
    Dns,
    /// SQL through the writer endpoint.
    SqlEndpoint,
    /// Writes through the writer endpoint, each tried and taken back; only around a failover.
    Writes,
    /// SQL on one instance.
    SqlInstance(InstanceId),
    /// The application over HTTP.
    App,
    /// Performance Insights of one instance.
    Load(InstanceId),
    /// pg_stat_statements on the current writer.
    Statements,
    /// The application's pods.
    Pods,
    /// What the database role may see.
    Rights,
    /// CloudWatch's metrics of the cluster's instances.
    Metrics,
    /// Slow statements in the PostgreSQL log that the cluster exports.
    SlowLog,
    /// Log lines of a pod's container, or of another named origin.
    Log(String),
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Of [`Source::Api`].
    Cluster(ClusterView),
    /// Of [`Source::Dns`].
    Dns(DnsView),
    /// Of [`Source::SqlEndpoint`], [`Source::Writes`] and [`Source::SqlInstance`].
    Sql(SqlView),
    /// Of [`Source::App`].
    Http(HttpView),
    /// Of [`Source::Load`].
    Load(LoadView),
    /// Of [`Source::Statements`].
    Statements(StatementsView),
    /// Of [`Source::Pods`].
    Pods(PodsView),
    /// Of [`Source::Rights`].
    Rights(RightsView),
    /// Of [`Source::Log`]: the end of a container's log.
    PodLog(PodLog),
    /// Of [`Source::Metrics`].
    Metrics(MetricsView),
    /// Of [`Source::SlowLog`].
    SlowLog(SlowLogView),
    /// Of [`Source::Events`] and [`Source::Log`]: what is new since the sample before, oldest first.
    Lines(Vec<Line>),
}

/// Role of an instance in its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes writes.
    Writer,
    /// Replica.
    Reader,
}

/// The cluster as the RDS API describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Identifier as RDS answers it.
    pub id: String,
    /// `available`, `failing-over`, …
    pub status: String,
    /// Name of the cluster parameter group.
    pub parameter_group: String,
    /// Database Insights mode, `standard` or `advanced`; none where RDS does not say.
    pub insights_mode: Option<String>,
    /// The member with `IsClusterWriter`; it can lag a failover by seconds.
    pub writer: Option<InstanceId>,
    /// Host name of the writer endpoint.
    pub endpoint: String,
    /// Port of the endpoints.
    pub port: u16,
    /// The members, the writer first, then by identifier.
    pub members: Vec<MemberView>,
}

impl ClusterView {
    /// Whether every instance is `available`.
    pub fn is_available_throughout(&self) -> bool {
        self.members.iter().all(|member| member.status == "available")
    }
}

/// A member of a cluster as the RDS API describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// Identifier as RDS answers it.
    pub id: InstanceId,
    /// Its role by the API.
    pub role: Role,
    /// Class, such as `db.t3.medium`.
    pub class: String,
    /// Class that is queued.
    pub pending_class: Option<String>,
    /// `available`, `rebooting`, `modifying`, …
    pub status: String,
    /// State of the cluster parameter group on it: `in-sync`, `pending-reboot`, …
    pub group_status: String,
    /// `DbiResourceId`, by which Performance Insights knows it.
    pub resource_id: String,
    /// Availability zone.
    pub zone: Option<String>,
    /// Whether Performance Insights measures it; none where RDS does not say.
    #[serde(default)]
    pub insights: Option<bool>,
    /// Host name of its own endpoint; none while it is being made.
    pub endpoint: Option<String>,
}

/// Where the writer endpoint's name leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DnsView {
    /// The names on the way, the endpoint's own first.
    pub chain: Vec<String>,
    /// The addresses at its end.
    pub addresses: Vec<IpAddr>,
    /// Time to live of the answer.
    pub ttl: Duration,
    /// The member that it leads to: by name in the chain, else by comparing addresses; none if it is no member known.
    pub leads_to: Option<InstanceId>,
}

/// What a SQL session says of the instance it ended on and of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SqlView {
    /// The instance that answered: its own word on Aurora, the one that was dialled elsewhere; none if it cannot be told.
    pub instance: Option<InstanceId>,
    /// Whether it takes writes.
    pub role: Role,
    /// Whom it takes for the writer. A reader's word may be stale.
    pub writer: Option<InstanceId>,
    /// When its server process started: a restart shows here.
    pub started: Option<Timestamp>,
    /// Lag of the replica in milliseconds, by the topology; none for a writer.
    pub lag_ms: Option<f64>,
    /// Whether this sample is the first over a new connection.
    pub reconnected: bool,
    /// What became of a write that was tried and rolled back; none where none was tried.
    pub write: Option<WriteProbe>,
}

/// What became of a write that was tried and rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteProbe {
    /// It was taken.
    Accepted,
    /// The server is read-only (SQLSTATE 25006).
    ReadOnly,
}

/// The application's answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HttpView {
    /// HTTP status.
    pub status: u16,
    /// Milliseconds until the whole answer was there.
    pub ms: u32,
}

/// Load of one instance, by wait event or by statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadView {
    /// The instance; the figures do not follow the writer's role.
    pub instance: InstanceId,
    /// Its vCPUs by its class; none if the class is not known.
    pub vcpus: Option<u32>,
    /// Average active sessions for each period, oldest first, of one length. Periods that a former sample told are told
    /// again, as Performance Insights corrects its latest ones; the newer word for the same moment holds.
    pub points: Vec<LoadPoint>,
    /// The statements that made the load, where they were asked for instead of the points.
    #[serde(default)]
    pub top: Option<TopStatements>,
}

/// The statements that made the most load in a stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopStatements {
    /// Length of the stretch, which ended when they were asked for.
    pub span: Duration,
    /// The statements, the heaviest first.
    pub statements: Vec<StatementLoad>,
}

/// A statement and the load it made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementLoad {
    /// Its text without constants, cleaned, on one line.
    pub text: String,
    /// Whether Performance Insights has cut the text.
    pub cut: bool,
    /// Average active sessions.
    pub load: f64,
}

/// Load during one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPoint {
    /// End of the period.
    pub at: Timestamp,
    /// Length of the period.
    pub period: Duration,
    /// Average active sessions by wait event, such as `CPU` or `IO:DataFileRead`, the largest first. Empty where it was
    /// measured that there were none.
    pub by_wait: Vec<(String, f64)>,
}

impl LoadPoint {
    /// Average active sessions, whatever they wait for.
    pub fn total(&self) -> f64 {
        self.by_wait.iter().map(|(_, sessions)| sessions).sum()
    }
}

/// What CloudWatch has of a cluster's instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsView {
    /// The instances that it has figures of.
    pub instances: Vec<InstanceMetrics>,
}

/// The newest figures of an instance: means over a minute, told a minute or more after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceMetrics {
    /// The instance.
    pub instance: InstanceId,
    /// When the newest minute began.
    pub at: Timestamp,
    /// Client connections.
    pub connections: Option<f64>,
    /// Lag behind the writer in milliseconds; none for the writer.
    pub lag_ms: Option<f64>,
    /// CPU, percent.
    pub cpu_percent: Option<f64>,
    /// Average active sessions.
    pub load: Option<f64>,
    /// When each of the latest minutes began, and the average active sessions in it, oldest first.
    #[serde(default)]
    pub loads: Vec<(Timestamp, f64)>,
}

/// The slow statements that are new since the sample before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowLogView {
    /// How many there are.
    pub count: usize,
    /// A line for each, oldest first; of very many only for the slowest.
    pub lines: Vec<Line>,
}

/// What the writer's statements cost since the sample before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementsView {
    /// The instance that was asked; counters are its own. None where it cannot say.
    pub instance: Option<InstanceId>,
    /// The role that asked.
    pub role: String,
    /// Time since the sample before; none for the first one, and for the first after a restart, a reset or a failover:
    /// `rows` is empty then.
    pub interval: Option<Duration>,
    /// Whether the counters began anew since the sample before, and why.
    pub reset: Option<CounterReset>,
    /// From when on the counters count, by the server's clock: its start, or the last reset.
    pub since: Timestamp,
    /// How many rows pg_stat_statements holds.
    pub total: u64,
    /// How many times the least used statements were evicted since then; none before PostgreSQL 14.
    pub evictions: Option<u64>,
    /// How many rows are of roles whose statements may not be seen.
    pub hidden: u64,
    /// Milliseconds of those in the interval.
    pub hidden_ms: f64,
    /// Milliseconds of all statements in the interval, those not told and those hidden included, the cockpit's own and
    /// nested ones not: theirs are in their callers'.
    pub busy_ms: f64,
    /// Milliseconds of the cockpit's own in the interval.
    pub own_ms: f64,
    /// Statements that ran in the interval, the costliest first: those that lead by time, calls, rows or time of a call.
    pub rows: Vec<StatementCost>,
}

/// Why counters began anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterReset {
    /// Another instance answers: the writer moved.
    OtherInstance,
    /// The server process is a new one.
    Restarted,
    /// Somebody called pg_stat_statements_reset().
    Reset,
}

/// By what a statement is known: the same on every instance of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatementKey {
    /// `queryid`.
    pub id: i64,
    /// Whether it ran within another one.
    pub nested: bool,
}

/// What a statement cost in an interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementCost {
    /// By what it is known.
    pub key: StatementKey,
    /// Its text, cleaned, without secrets, with the lines it was written in; none while it was not read yet, or where a
    /// sample of the last minutes told it.
    pub query: Option<String>,
    /// How many characters were left out at the text's end.
    pub left_out: u64,
    /// Whether it is one of the cockpit's own.
    pub own: bool,
    /// Calls.
    pub calls: i64,
    /// Milliseconds of all calls together.
    pub ms: f64,
    /// Rows of all calls together.
    pub rows: i64,
    /// Blocks found in shared buffers.
    pub hit: i64,
    /// Blocks read.
    pub read: i64,
}

#[allow(clippy::cast_precision_loss, reason = "differences of counters stay far below 2^53")]
impl StatementCost {
    /// Calls a second in an interval of this length.
    pub fn calls_per_s(&self, interval: Duration) -> f64 {
        self.calls as f64 / interval.as_secs_f64()
    }

    /// Mean milliseconds of a call.
    pub fn ms_per_call(&self) -> f64 {
        self.ms / self.calls.max(1) as f64
    }

    /// Mean rows of a call.
    pub fn rows_per_call(&self) -> f64 {
        self.rows as f64 / self.calls.max(1) as f64
    }

    /// Share of its blocks that were found in shared buffers, 0 to 1; none if it touched none.
    pub fn hit_ratio(&self) -> Option<f64> {
        let blocks = self.hit + self.read;
        (blocks > 0).then(|| self.hit as f64 / blocks as f64)
    }

    /// Counts another interval of the same statement in.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.ms += other.ms;
        self.rows += other.rows;
        self.hit += other.hit;
        self.read += other.read;
        if self.query.is_none() {
            self.query.clone_from(&other.query);
            self.left_out = other.left_out;
        }
        self.own |= other.own;
    }
}

/// What the database role may see of what the cockpit asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsView {
    /// One plain line on what it may not see, and the grant that mends it; none where it sees everything.
    pub gap: Option<String>,
}

/// A line of the log pane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, by the clock of whoever wrote it.
    pub at: Timestamp,
    /// What it is about: an instance, a pod, a container.
    pub subject: String,
    /// The other side's own code, such as `RDS-EVENT-0073`.
    pub code: Option<String>,
    /// One clean line.
    pub text: String,
}
