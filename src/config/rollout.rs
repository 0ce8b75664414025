//! The rollout file as it is written: types without meaning yet, from which the JSON Schema for editors is made.
//!
//! Every text may hold `${…}` placeholders: `${rollout}`, `${partition}`, `${infrastructure}`, `${infrastructure_lower}`,
//! `${profile}`, `${region}`, `${cluster}`, `${context}`, `${namespace}`, `${paths.NAME}` and `${vars.NAME}`; `$${` stands
//! for a literal `${`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// A rollout: partitions, and the steps that each of them is taken through.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "aurora-cockpit rollout")]
pub struct RolloutFile {
    /// Short identifier, such as `pdev-479`: lowercase letters, digits and hyphens. Part of every derived name.
    pub id: String,
    /// What the rollout is, in one line.
    pub title: String,
    /// Where the runbook is that this file follows.
    pub reference: Option<String>,
    /// IANA name of the time zone in which times are shown, such as `America/Los_Angeles`.
    pub time_zone: String,
    /// Directories on the operator's machine, as `${paths.NAME}`. `~/` is the home directory; a relative path is read
    /// against the directory of the file that it stands in.
    #[serde(default)]
    pub paths: BTreeMap<String, String>,
    /// The changes that the rollout lands; for the screen and the report.
    #[serde(default)]
    pub changes: Vec<ChangeFile>,
    /// What holds for every partition that does not say otherwise.
    pub defaults: Option<PartitionFile>,
    /// The partitions, in the order in which they are taken.
    pub partitions: Vec<PartitionFile>,
    /// The steps, in the order in which each partition takes them.
    pub steps: Vec<StepFile>,
}

/// One of the changes that the rollout lands.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    /// What changes.
    pub what: String,
    /// The repository it comes from.
    pub repository: String,
    /// Ticket or pull request.
    pub reference: String,
}

/// A partition and how each outside system knows it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionFile {
    /// Its name, as `${partition}`.
    pub name: Option<String>,
    /// The infrastructure it lives in, as `${infrastructure}`, and `${infrastructure_lower}` in lowercase.
    pub infrastructure: Option<String>,
    /// Whether it is production: what changes it asks for its cluster's name to be typed.
    pub production: Option<bool>,
    /// `second-person`: whatever changes something in it, levers included, is fired only once another user of the system
    /// has approved it in a monitor. Left out: `none`. A step may say otherwise.
    pub approval: Option<ApprovalFile>,
    /// Values of this partition that steps refer to as `${vars.NAME}`.
    #[serde(default)]
    pub vars: BTreeMap<String, String>,
    /// How AWS is reached.
    pub aws: Option<AwsFile>,
    /// The Aurora cluster and what is expected of it.
    pub cluster: Option<ClusterFile>,
    /// How SQL is reached; left out where no step speaks SQL.
    pub sql: Option<SqlFile>,
    /// Where its pods are; left out where no step speaks to Kubernetes.
    pub kubernetes: Option<KubernetesFile>,
    /// Its application; left out where no step asks it.
    pub application: Option<ApplicationFile>,
    /// The agreed window of a production change.
    pub window: Option<WindowFile>,
}

/// Whose approval firing needs, besides the operator's confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalFile {
    /// Nobody's.
    None,
    /// That of another user of the system.
    SecondPerson,
}

/// How AWS is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsFile {
    /// Profile in the AWS configuration, as `${profile}`; left out: the SDK's own default chain.
    pub profile: Option<String>,
    /// Region, as `${region}`.
    pub region: Option<String>,
    /// The twelve-digit account that STS must answer; left out: whichever it answers.
    pub account: Option<String>,
}

/// The Aurora cluster and what is expected of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterFile {
    /// Cluster identifier, as `${cluster}`.
    pub id: Option<String>,
    /// Instance identifiers that the runbook assumes; the real ones are read and compared with these, case aside.
    /// Left out: `${cluster}Writer` and `${cluster}Reader1`.
    pub members: Option<Vec<String>>,
    /// Whether the deploy applies instance changes at once (it then restarts the instances itself) or queues them.
    pub apply_immediately: Option<bool>,
    /// Instance class before the rollout.
    pub class_before: Option<String>,
    /// Instance class after the rollout; left out: the same as before.
    pub class_after: Option<String>,
    /// Cluster parameter group before the rollout.
    pub group_before: Option<String>,
    /// Performance Insights retention that the deploy sets, in days.
    pub insights_retention_days: Option<i32>,
    /// Database Insights mode that the deploy assumes.
    pub insights_mode: Option<InsightsMode>,
}

/// A Database Insights mode.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InsightsMode {
    /// Seven days and more.
    Standard,
    /// 465 days and more.
    Advanced,
}

/// How SQL is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlFile {
    /// Database name.
    pub database: Option<String>,
    /// Role.
    pub user: Option<String>,
    /// Where the password is read, as late as possible. Never the password itself.
    pub password: Option<SecretFile>,
    /// `host:port` in place of the writer endpoint that RDS answers; for a port-forward that is open already. With
    /// `verify-full` the server must still identify itself by the writer endpoint's own name.
    pub endpoint: Option<String>,
    /// Protection of the connection; left out: `verify-full`.
    pub tls: Option<TlsFile>,
    /// Authorities to trust, PEM; left out: those of Amazon RDS, which the cockpit brings along.
    pub ca_file: Option<String>,
    /// A short-lived pod through which the databases are reached, for a machine that does not reach them itself. The
    /// operator's session makes it and removes it. An empty table is enough.
    pub bastion: Option<BastionFile>,
}

/// A pod that leads to the databases.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BastionFile {
    /// An image whose entrypoint is `socat`, which can be pulled in the cluster; left out: `alpine/socat:1.8.0.0`.
    pub image: Option<String>,
    /// The namespace in which it is made; left out: the partition's.
    pub namespace: Option<String>,
    /// How long it may live, such as `90m`; left out: an hour. A session that lasts longer makes another one.
    pub deadline: Option<String>,
}

/// Protection of a SQL connection.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFile {
    /// None; for a port-forward or the loopback.
    Disable,
    /// Encrypted, and the server's name is verified against its certificate.
    VerifyFull,
}

/// Where a secret is read: exactly one of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// A 1Password reference, `op://vault/item/field`.
    pub op: Option<String>,
    /// An AWS Secrets Manager secret.
    #[serde(rename = "secrets-manager")]
    pub secrets_manager: Option<SecretsManagerFile>,
    /// An environment variable of the cockpit.
    pub env: Option<String>,
    /// `true`: no password but a token of IAM's, made anew for each session; the role must be granted `rds_iam`.
    pub iam: Option<bool>,
}

/// A secret in AWS Secrets Manager.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsManagerFile {
    /// Secret name or ARN.
    pub id: String,
    /// Key within the secret's JSON object; left out: the whole value.
    pub key: Option<String>,
}

/// Where a partition's pods are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesFile {
    /// kubeconfig context, as `${context}`.
    pub context: Option<String>,
    /// Namespace, as `${namespace}`.
    pub namespace: Option<String>,
}

/// A partition's application.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationFile {
    /// Address of its front page.
    pub url: Option<String>,
    /// Path that answers without a session, asked as a witness during a failover; left out: `/`.
    pub health_path: Option<String>,
    /// 1Password item with `username` and `password`, as `vault/item`.
    pub credentials: Option<String>,
}

/// An agreed window of time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowFile {
    /// When it opens, such as `2026-05-14 23:00` in the rollout's time zone, or with an offset of its own.
    pub opens: String,
    /// How long it is open, such as `2h`.
    pub lasts: String,
}

/// One step, declared once for all partitions.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// Stable identifier.
    pub id: String,
    /// What stands before its title: `0`, `1`, `5b`, `g`.
    pub label: String,
    /// A few words.
    pub title: String,
    /// What it does.
    pub kind: KindName,
    /// The partitions that take it; left out: all of them.
    pub partitions: Option<Vec<String>>,
    /// Steps of the same partition that must be behind it. Left out: the step before it. Those that a partition does not
    /// have are passed over there.
    pub needs: Option<Vec<String>>,
    /// How firing it is confirmed: `plain`, or `type NAME` for a name that must be typed. Left out: `type ${cluster}`
    /// where it changes something in production, else `plain`.
    pub confirm: Option<String>,
    /// `second-person`: it is fired only once another user of the system has approved it in a monitor; `none`: the operator
    /// fires it alone. Left out: as its partition says, where it changes something.
    pub approval: Option<ApprovalFile>,
    /// How long it usually takes, such as `4m`.
    pub expected: Option<String>,
    /// How long it may take before the cockpit gives its verdict; left out: a limit fit for its kind.
    pub limit: Option<String>,
    /// How long something on its way may stand still before the cockpit says so; left out: the runbook's figure for its kind.
    pub stuck_after: Option<String>,
    /// How long to wait before what was refused for the moment is tried again; left out: the runbook's figure for its kind.
    pub retry_after: Option<String>,
    /// What users feel while it runs.
    pub impact: Option<String>,
    /// What takes it back.
    pub way_back: Option<String>,
    /// The runbook's own text for when it fails.
    pub guide: Option<String>,
    /// Of a `preflight` step.
    pub preflight: Option<PreflightFile>,
    /// Of a `snapshot` step.
    pub snapshot: Option<SnapshotFile>,
    /// Of a `command` step.
    pub command: Option<CommandFile>,
    /// Of a `verify-sql` step.
    #[serde(rename = "verify-sql")]
    pub verify_sql: Option<VerifySqlFile>,
    /// Of a `delete-snapshot` step; left out: the snapshot that the partition's `snapshot` step takes.
    #[serde(rename = "delete-snapshot")]
    pub delete_snapshot: Option<SnapshotFile>,
    /// Of a `deploy` step.
    pub deploy: Option<DeployFile>,
    /// Of an `app-health` step; left out: its defaults.
    #[serde(rename = "app-health")]
    pub app_health: Option<AppHealthFile>,
    /// Of a `close` step.
    pub close: Option<CloseFile>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KindName {
    /// Prerequisites, read-only.
    Preflight,
    /// Compares what is there with what the runbook was written for, read-only.
    Drift,
    /// Takes a cluster snapshot.
    Snapshot,
    /// Runs a program in a terminal of its own, then checks what it left behind.
    Command,
    /// Compares settings over SQL with their expected values, read-only.
    VerifySql,
    /// Restarts the reader, or flushes its queued changes, by what is found.
    RestartReader,
    /// Moves the writer to the reader.
    Failover,
    /// Flushes what is still queued on the writer that was demoted.
    FlushDemoted,
    /// Deletes the snapshot of this rollout.
    DeleteSnapshot,
    /// Deploys the application, or watches its deployment.
    Deploy,
    /// Signs in to the application and measures it.
    AppHealth,
    /// The operator's word that the next partition may begin.
    GoAhead,
    /// The rollout's last act, once every partition is through.
    Close,
}

/// What must be true before anything starts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreflightFile {
    /// The checks, in their order.
    pub checks: Vec<CheckFile>,
}

/// One prerequisite: exactly one of these.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFile {
    /// A git working tree: on its branch, clean, level with its upstream, containing a commit.
    pub git: Option<GitFile>,
    /// A container image whose manifest can be read.
    pub image: Option<String>,
    /// A pull request: open, green, approved, not merged.
    #[serde(rename = "pull-request")]
    pub pull_request: Option<CloseFile>,
    /// `true`: 1Password is signed in.
    #[serde(rename = "op-signed-in")]
    pub op_signed_in: Option<bool>,
    /// A 1Password item that can be read and is not empty.
    #[serde(rename = "op-item")]
    pub op_item: Option<OpItemFile>,
    /// `true`: STS answers, with the partition's account.
    #[serde(rename = "aws-identity")]
    pub aws_identity: Option<bool>,
    /// A profile that a script derives on its own.
    #[serde(rename = "derived-profile")]
    pub derived_profile: Option<DerivedProfileFile>,
    /// `true`: the AWS session lasts until the partition's window closes, or for as long as its steps usually take.
    #[serde(rename = "aws-session")]
    pub aws_session: Option<bool>,
    /// `true`: the stacks of the command step are in a state that accepts an update.
    pub stacks: Option<bool>,
    /// `true`: Database Insights is as the template assumes it.
    pub insights: Option<bool>,
    /// `true`: the release of the deploy step is there, with a revision to go back to.
    #[serde(rename = "helm-release")]
    pub helm_release: Option<bool>,
    /// A program that must be on PATH.
    pub program: Option<ProgramFile>,
    /// Node and a browser that can be run; what is lost without them.
    pub browser: Option<BrowserFile>,
    /// Megabytes that must be free where the journal and the outputs are kept.
    #[serde(rename = "disk-space-mb")]
    pub disk_space_mb: Option<u64>,
    /// How far this machine's clock may be apart from that of AWS, such as `5s`.
    #[serde(rename = "clock-apart")]
    pub clock_apart: Option<String>,
}

/// Node and a browser.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserFile {
    /// What takes its place.
    pub fallback: String,
}

/// A git working tree.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitFile {
    /// Its path.
    pub path: String,
    /// The branch it must be on.
    pub branch: String,
    /// The commit that HEAD must contain.
    pub contains: String,
}

/// A 1Password item.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpItemFile {
    /// `op://vault/item/field`.
    pub reference: String,
    /// Who reads it.
    pub used_by: String,
}

/// A profile that a script derives on its own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DerivedProfileFile {
    /// The profile as the script derives it.
    pub profile: String,
    /// Whether the step's command line overrides it.
    #[serde(default)]
    pub overridden: bool,
}

/// A program that must be on PATH.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgramFile {
    /// Its name.
    pub name: String,
    /// What is lost without it; where it is said, a missing program only warns.
    pub fallback: Option<String>,
}

/// A snapshot.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotFile {
    /// Its identifier; RDS lowercases it. Derived from rollout and partition, so that a repeat is seen.
    pub id: String,
}

/// A program and what must be there after it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandFile {
    /// Program, looked up on PATH, or relative to `directory`.
    pub program: String,
    /// Arguments, each by itself: no shell reads them.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Working directory.
    pub directory: String,
    /// Silence after which the operator is told that a prompt may be waiting; left out: `60s`.
    pub silence: Option<String>,
    /// CloudFormation stacks that must have completed.
    #[serde(default)]
    pub stacks: Vec<String>,
    /// A secret whose value must have a shape; the value itself is never shown.
    pub secret: Option<SecretShapeFile>,
    /// Whether the cluster must be on another parameter group than before.
    #[serde(default)]
    pub group_attached: bool,
}

/// A secret and the shape of its value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretShapeFile {
    /// Secret name in AWS Secrets Manager.
    pub id: String,
    /// What its value must look like.
    pub shape: ShapeName,
}

/// Shapes of secret values.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShapeName {
    /// `https://<hex>@….sentry.io/<digits>`.
    SentryDsn,
    /// Anything but nothing.
    NotEmpty,
}

/// Settings to compare over SQL.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifySqlFile {
    /// The settings, in their order.
    #[serde(default)]
    pub settings: Vec<SettingFile>,
    /// Whether pg_stat_statements must answer.
    #[serde(default)]
    pub statements: bool,
}

/// A setting and what it must be: exactly one of `is`, `contains`, `formula`, `recorded`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingFile {
    /// Name as in `SHOW name`.
    pub name: String,
    /// The partitions in which this is expected; left out: all of them.
    pub partitions: Option<Vec<String>>,
    /// Exactly this, as `SHOW` prints it.
    pub is: Option<String>,
    /// A comma-separated list that holds this.
    pub contains: Option<String>,
    /// Within the band that the class's memory allows for this RDS formula.
    pub formula: Option<String>,
    /// `true`: whatever it is now; recorded, because the new value waits for a restart.
    pub recorded: Option<bool>,
}

/// How the application is deployed, and what must hold afterwards.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployFile {
    /// From here, with helm; either this or `elsewhere`.
    pub helm: Option<HelmFile>,
    /// Who deploys it elsewhere, such as `the CI workflow`; the step then watches.
    pub elsewhere: Option<String>,
    /// Deployment name.
    pub deployment: String,
    /// Label selector of its pods.
    pub selector: String,
    /// Container that runs the application.
    pub container: String,
    /// Image that the init containers must have, by suffix.
    pub init_image: String,
    /// Environment variable that the container must have had from its start.
    pub environment: Option<String>,
    /// ExternalSecret that must be Ready.
    pub external_secret: Option<String>,
    /// Text that the init containers' log must hold.
    pub init_log: Option<String>,
    /// Log line that says the application came up as it should.
    pub expect_log: Option<String>,
    /// Log line that says it came up without what it should have.
    pub refuse_log: Option<String>,
}

/// `helm upgrade --install`, from here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HelmFile {
    /// Release name.
    pub release: String,
    /// Chart path.
    pub chart: String,
    /// Values file.
    pub values: String,
    /// Working directory.
    pub directory: String,
}

/// How the application's health is looked at.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppHealthFile {
    /// Requests slower than this are listed; left out: `500ms`.
    pub slow: Option<String>,
    /// Path prefix of the backend's requests; left out: `/api/`.
    pub api_prefix: Option<String>,
    /// Path to which a sign-in lands; left out: `/`.
    pub landing: Option<String>,
    /// Paths that are got once signed in where there is no browser, whose page makes its requests by itself.
    #[serde(default)]
    pub requests: Vec<String>,
}

/// A pull request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseFile {
    /// `owner/name`.
    pub repository: String,
    /// Its number.
    pub number: u64,
}
