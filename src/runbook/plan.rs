//! The plan of a rollout: everything that will be done, resolved and announced before anything starts.
//!
//! A plan is what remains of a rollout file once its placeholders are resolved and its values are checked. It is the
//! first thing in a journal, so that a run can be read, replayed and resumed without the file it came from.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lever::Lever;
use super::names::{InstanceId, PartitionName, StepId, StepRef};

/// A whole rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Short identifier, such as `pdev-479`; part of every derived name.
    pub id: String,
    /// What the rollout is, in one line.
    pub title: String,
    /// Where the runbook is that this plan follows.
    pub reference: Option<String>,
    /// IANA name of the time zone in which times are shown and reported.
    pub time_zone: String,
    /// The changes that the rollout lands.
    pub changes: Vec<Change>,
    /// The partitions, in the order in which they are taken.
    pub partitions: Vec<Partition>,
}

impl Plan {
    /// The partition of that name.
    pub fn partition(&self, name: &PartitionName) -> Option<&Partition> {
        self.partitions.iter().find(|partition| &partition.name == name)
    }
}

/// One of the changes that a rollout lands, as the runbook's first table lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What changes.
    pub what: String,
    /// The repository it comes from.
    pub repository: String,
    /// Ticket or pull request.
    pub reference: String,
}

/// A partition and how each outside system knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Its name, such as `prod`.
    pub name: PartitionName,
    /// The infrastructure it lives in, such as `Alpha001`.
    pub infrastructure: String,
    /// Whether it is production: its dialogs ask for the cluster's name.
    pub production: bool,
    /// How AWS is reached.
    pub aws: AwsTarget,
    /// The Aurora cluster.
    pub cluster: ClusterTarget,
    /// How SQL is reached; absent where no step speaks SQL.
    pub sql: Option<SqlTarget>,
    /// Where its pods are; absent where no step speaks to Kubernetes.
    pub kubernetes: Option<KubernetesTarget>,
    /// Its application; absent where no step asks it.
    pub application: Option<ApplicationTarget>,
    /// The agreed window of a production change.
    pub window: Option<Window>,
    /// The steps in their order.
    pub steps: Vec<Step>,
    /// Its levers: what can be done about trouble whenever it comes, fired as steps are, and as often as it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levers: Vec<Step>,
}

impl Partition {
    /// The step or lever of that identifier.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().chain(&self.levers).find(|step| &step.id == id)
    }

    /// How events name a step or lever of this partition.
    pub fn reference(&self, step: &StepId) -> StepRef {
        StepRef { partition: self.name.clone(), step: step.clone() }
    }
}

/// How the partition's AWS account is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsTarget {
    /// Profile in the AWS configuration; none takes the SDK's own default chain.
    pub profile: Option<String>,
    /// Region.
    pub region: String,
    /// The twelve-digit account that STS must answer.
    pub account: Option<String>,
}

/// The Aurora cluster of a partition and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterTarget {
    /// Cluster identifier as the operator writes it; look-ups ignore its case.
    pub id: String,
    /// Instance identifiers that the runbook assumes; the real ones are read, these are compared by meaning.
    pub expected_members: Vec<InstanceId>,
    /// Whether the deploy applies instance changes at once (it then restarts the instances itself) or queues them.
    pub apply_immediately: bool,
    /// Instance class before the rollout.
    pub class_before: Option<String>,
    /// Instance class after the rollout.
    pub class_after: Option<String>,
    /// The parameter group before the rollout, such as `default.aurora-postgresql16`.
    pub group_before: Option<String>,
    /// Performance Insights retention that the template sets, in days.
    pub insights_retention_days: Option<i32>,
    /// Database Insights mode that the template assumes: `standard` or `advanced`.
    pub insights_mode: Option<String>,
}

impl ClusterTarget {
    /// What is left of an instance's name without the cluster's, which every instance of it repeats: `reader1` for
    /// `alpha001-prod-auroraclusterreader1`. The whole name where it does not begin with the cluster's.
    pub fn short_name<'a>(&self, instance: &'a InstanceId) -> &'a str {
        let whole = instance.as_str();
        match whole.split_at_checked(self.id.len()) {
            Some((head, rest)) if head.eq_ignore_ascii_case(&self.id) => match rest.trim_start_matches(['-', '_']) {
                "" => whole,
                short => short,
            },
            _ => whole,
        }
    }
}

/// How SQL is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlTarget {
    /// Database name.
    pub database: String,
    /// Role.
    pub user: String,
    /// Where the password is read, as late as possible.
    pub password: SecretSource,
    /// Overrides the writer endpoint that RDS answers, as `host:port`; for an existing port-forward.
    pub endpoint: Option<String>,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Authorities to trust, PEM; none takes those of Amazon RDS, which the cockpit brings along.
    pub ca_file: Option<String>,
    /// The pod through which the databases are reached; none where this machine reaches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bastion: Option<BastionTarget>,
}

/// A pod that leads to the databases, made for as long as a session lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BastionTarget {
    /// Where it is made.
    pub kubernetes: KubernetesTarget,
    /// An image whose entrypoint is `socat`.
    pub image: String,
    /// How long it may live.
    pub deadline: Duration,
}

/// Protection of a SQL connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// None; for a port-forward or the loopback.
    Disable,
    /// Encrypted, and the server's name is verified against its certificate.
    VerifyFull,
}

/// Where a secret is read. The value itself is never part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A 1Password reference, `op://vault/item/field`.
    Op(String),
    /// An AWS Secrets Manager secret, and the key within its JSON if it has one.
    SecretsManager {
        /// Secret name or ARN.
        id: String,
        /// Key within the secret's JSON object.
        key: Option<String>,
    },
    /// An environment variable of the cockpit.
    Env(String),
    /// None: IAM vouches for the role, with a token that is made for each session.
    Iam,
}

/// Where a partition's pods are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesTarget {
    /// kubeconfig context.
    pub context: String,
    /// Namespace.
    pub namespace: String,
}

/// A partition's application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationTarget {
    /// Address of its front page.
    pub url: String,
    /// Path that answers without a session, asked as a witness during a failover.
    pub health_path: String,
    /// 1Password item with `username` and `password`, as `vault/item`.
    pub credentials: Option<String>,
}

/// An agreed window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// When it opens.
    pub from: Timestamp,
    /// When it closes.
    pub to: Timestamp,
}

/// One step of a partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Stable identifier.
    pub id: StepId,
    /// What stands before its title: `0`, `1`, `5b`, `g`.
    pub label: String,
    /// A few words.
    pub title: String,
    /// What it does.
    pub kind: StepKind,
    /// Steps of the same partition that must be behind it.
    pub needs: Vec<StepId>,
    /// How firing it is confirmed.
    pub confirm: ConfirmRule,
    /// Whether it is fired only with the approval of a second person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub second_person: bool,
    /// How long it usually takes.
    pub expected: Option<Duration>,
    /// How long it may take before the cockpit gives its verdict.
    pub limit: Duration,
    /// How long something on its way may stand still before that is a finding of its own; the limit goes on beside it.
    pub stuck_after: Duration,
    /// How long it waits, or has the operator wait, before something that was refused for the moment is tried again.
    pub retry_after: Duration,
    /// What users feel while it runs.
    pub impact: Option<String>,
    /// What takes it back.
    pub way_back: Option<String>,
    /// The runbook's own text for when it fails.
    pub guide: Option<String>,
}

/// How an operator confirms a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmRule {
    /// Choosing Fire in the dialog; Cancel is focused.
    Plain,
    /// The given name must be typed.
    Type(String),
}

/// What a step does. The order of the variants is the order of the runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Prerequisites, read-only.
    Preflight(Preflight),
    /// Compares what is there with what the runbook was written for, read-only.
    Drift,
    /// Takes a cluster snapshot.
    Snapshot(SnapshotSpec),
    /// Runs a program in a terminal of its own, then checks what it left behind.
    Command(CommandSpec),
    /// Compares settings over SQL with their expected values, read-only.
    VerifySql(VerifySql),
    /// Restarts the reader, or flushes its queued changes, by what is found.
    RestartReader,
    /// Moves the writer to the reader.
    Failover,
    /// Flushes what is still queued on the writer that was demoted.
    FlushDemoted,
    /// Deletes the snapshot of this rollout.
    DeleteSnapshot(SnapshotSpec),
    /// Deploys the application, or watches its deployment.
    Deploy(DeploySpec),
    /// Signs in to the application and measures it.
    AppHealth(AppHealth),
    /// The operator's word that the next partition may begin.
    GoAhead,
    /// The rollout's last act, once every partition is through.
    Close(CloseSpec),
    /// Pulls a lever. Never among a partition's steps, only among its levers.
    Lever(Lever),
}

impl StepKind {
    /// The name by which the rollout file calls this kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Preflight(_) => "preflight",
            Self::Drift => "drift",
            Self::Snapshot(_) => "snapshot",
            Self::Command(_) => "command",
            Self::VerifySql(_) => "verify-sql",
            Self::RestartReader => "restart-reader",
            Self::Failover => "failover",
            Self::FlushDemoted => "flush-demoted",
            Self::DeleteSnapshot(_) => "delete-snapshot",
            Self::Deploy(_) => "deploy",
            Self::AppHealth(_) => "app-health",
            Self::GoAhead => "go-ahead",
            Self::Close(_) => "close",
            Self::Lever(lever) => lever.name(),
        }
    }

    /// Whether firing it can change something outside the cockpit.
    pub fn changes_the_world(&self) -> bool {
        match self {
            Self::Preflight(_) | Self::Drift | Self::VerifySql(_) | Self::AppHealth(_) | Self::GoAhead => false,
            Self::Snapshot(_)
            | Self::Command(_)
            | Self::RestartReader
            | Self::Failover
            | Self::FlushDemoted
            | Self::DeleteSnapshot(_)
            | Self::Deploy(_)
            | Self::Close(_) => true,
            Self::Lever(lever) => !lever.signs_in(),
        }
    }

    /// Whether an operator may skip it with a reason.
    ///
    /// Not the snapshot, which is the insurance of everything after it, and not the go-ahead, which is itself a word of
    /// the operator.
    pub fn skippable(&self) -> bool {
        !matches!(self, Self::Snapshot(_) | Self::GoAhead)
    }
}

/// What must be true before anything starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// The checks in their order.
    pub checks: Vec<Prerequisite>,
}

/// One prerequisite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prerequisite {
    /// A git working tree: on its branch, clean, level with its upstream, containing a commit.
    GitTree {
        /// Path of the tree.
        path: String,
        /// Branch it must be on.
        branch: String,
        /// Commit that HEAD must contain.
        contains: String,
    },
    /// A container image whose manifest can be read.
    Image {
        /// Reference with tag.
        reference: String,
    },
    /// A pull request: open, green, approved, not merged.
    PullRequest {
        /// `owner/name`.
        repository: String,
        /// Its number.
        number: u64,
    },
    /// 1Password is signed in.
    OpSignedIn,
    /// A 1Password item can be read and is not empty.
    OpItem {
        /// `op://vault/item/field`.
        reference: String,
        /// Who reads it.
        used_by: String,
    },
    /// STS answers, with the partition's account.
    AwsIdentity,
    /// A profile that a script derives on its own exists in the AWS configuration, or is overridden.
    DerivedProfile {
        /// The profile as the script derives it.
        profile: String,
        /// Whether the step's command line overrides it.
        overridden: bool,
    },
    /// The AWS session lasts until the window closes, or for as long as the steps usually take.
    AwsSession,
    /// The stacks of the command step accept an update.
    Stacks,
    /// Database Insights is as the template assumes it.
    InsightsMode,
    /// The release of the deploy step is there, with a revision to go back to.
    HelmRelease,
    /// Node and a browser can be run.
    Browser {
        /// What takes its place.
        fallback: String,
    },
    /// There is room for the journal and the outputs.
    DiskSpace {
        /// How much, in megabytes.
        least_mb: u64,
    },
    /// This machine's clock and that of AWS agree.
    Clock {
        /// How far they may be apart.
        apart: Duration,
    },
    /// A program is on PATH.
    Program {
        /// Its name.
        name: String,
        /// What is lost without it; a prerequisite with a fallback only warns.
        fallback: Option<String>,
    },
}

impl Prerequisite {
    /// What must be true, in a few words.
    pub fn label(&self) -> String {
        match self {
            Self::GitTree { branch, contains, .. } => format!("working tree on {branch}, has {contains}"),
            Self::Image { reference } => format!("image {}", reference.rsplit('/').next().unwrap_or(reference)),
            Self::PullRequest { number, .. } => format!("PR #{number} open, green, approved"),
            Self::OpSignedIn => "1Password is signed in".to_owned(),
            Self::OpItem { reference, .. } => reference.clone(),
            Self::AwsIdentity => "AWS answers with the right account".to_owned(),
            Self::DerivedProfile { profile, .. } => format!("profile {profile}"),
            Self::AwsSession => "AWS session lasts long enough".to_owned(),
            Self::Stacks => "stacks accept an update".to_owned(),
            Self::InsightsMode => "Database Insights as the template has it".to_owned(),
            Self::HelmRelease => "helm release with a way back".to_owned(),
            Self::Browser { .. } => "node and a browser".to_owned(),
            Self::DiskSpace { least_mb } => format!("{least_mb} MB free for the journal"),
            Self::Clock { .. } => "clock agrees with that of AWS".to_owned(),
            Self::Program { name, .. } => format!("{name} is on PATH"),
        }
    }
}

/// A snapshot by its derived name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotSpec {
    /// Snapshot identifier, derived from rollout and partition, so that a repeat is seen.
    pub id: String,
}

/// A program and what must be there after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Program, looked up on PATH or relative to `directory`.
    pub program: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Working directory.
    pub directory: String,
    /// Silence after which the operator is told that a prompt may be waiting.
    pub silence: Duration,
    /// CloudFormation stacks that must have completed.
    pub stacks: Vec<String>,
    /// A secret that must have the shape of `secret_pattern`.
    pub secret: Option<SecretShape>,
    /// Whether the cluster must be on another parameter group than before.
    pub group_attached: bool,
}

/// A secret's identifier and the shape of its value; the value itself is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretShape {
    /// Secret name.
    pub id: String,
    /// What the value must look like.
    pub shape: ValueShape,
}

/// Shapes of secret values that can be checked without showing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueShape {
    /// `https://<hex>@….sentry.io/<digits>`.
    SentryDsn,
    /// Anything but nothing.
    NotEmpty,
}

/// Settings to compare over SQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifySql {
    /// The settings in their order.
    pub settings: Vec<SettingCheck>,
    /// Whether pg_stat_statements must answer.
    pub statements: bool,
}

/// One setting and its expected value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingCheck {
    /// Name as in `SHOW name`.
    pub name: String,
    /// What it must be.
    pub expect: Expectation,
}

/// What a setting must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// Exactly this, as `SHOW` prints it.
    Is(String),
    /// A comma-separated list that holds this.
    Contains(String),
    /// Within the band that the class's memory allows for this RDS formula, such as
    /// `LEAST({DBInstanceClassMemory/9531392},5000)`.
    Formula(String),
    /// Whatever it is now; recorded, because the new value waits for a restart.
    Recorded,
}

/// How the application is deployed and what must hold afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploySpec {
    /// From here with helm, or from elsewhere and only watched.
    pub by: DeployBy,
    /// Deployment name.
    pub deployment: String,
    /// Label selector of its pods.
    pub selector: String,
    /// Container that runs the application.
    pub container: String,
    /// Image that the init containers must have, by suffix, such as `postgres-database-initializer:2.5.0`.
    pub init_image: String,
    /// Environment variable that the container must have had from its start.
    pub environment: Option<String>,
    /// ExternalSecret that must be Ready.
    pub external_secret: Option<String>,
    /// The init containers' log must hold this text.
    pub init_log: Option<String>,
    /// Log line that says the application came up as it should.
    pub expect_log: Option<String>,
    /// Log line that says it came up without what it should have.
    pub refuse_log: Option<String>,
}

/// Who deploys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeployBy {
    /// `helm upgrade --install`, from here.
    Helm {
        /// Release name.
        release: String,
        /// Chart path.
        chart: String,
        /// Values file.
        values: String,
        /// Working directory.
        directory: String,
    },
    /// Someone else, such as a CI workflow; the step watches.
    Elsewhere {
        /// Who, in the operator's words.
        who: String,
    },
}

/// How the application's health is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppHealth {
    /// Requests slower than this are listed.
    pub slow: Duration,
    /// Path prefix of the backend's requests.
    pub api_prefix: String,
    /// Path to which a sign-in lands.
    pub landing: String,
    /// Paths of the backend that are asked for where there is no browser whose page would.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<String>,
}

/// The rollout's last act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseSpec {
    /// `owner/name` of the pull request to merge.
    pub repository: String,
    /// Its number.
    pub number: u64,
}
