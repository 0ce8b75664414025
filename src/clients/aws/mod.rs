//! AWS: one configuration for each profile and region, shared by all service clients.
//!
//! The SDK's own environment holds (`AWS_ENDPOINT_URL`, `AWS_CONFIG_FILE`, `AWS_PROFILE`, …). Two configurations are made
//! of it: reads are tried three times by the SDK, with back-off and jitter; changing calls are sent once, because a change
//! of unknown outcome is looked up, never repeated.
//!
//! The SDK's adaptive mode is not used: once throttled, it holds calls back for up to a minute without a word, while a
//! poller that hears of the throttling can slow down itself and say so.

pub mod session;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::sdk_config::TimeSource;
use tokio::sync::Mutex;

use super::cloudformation::CloudFormation;
use super::cloudwatch::CloudWatch;
use super::identity::Identity;
use super::insights::Insights;
use super::logs::Logs;
use super::rds::Rds;
use super::secrets::Secrets;
use super::tokens::Tokens;
use crate::clock;
use crate::runbook::event::Call;
use crate::runbook::plan::AwsTarget;
use crate::runbook::text::{clean_line, shell_line};

pub use session::{Session, SessionEnd};
pub(crate) use trouble::trouble;

/// A client of a service by its configuration, whose answers are limited.
macro_rules! client {
    ($sdk:ident, $config:expr) => {{
        let config = $sdk::config::Builder::from($config).interceptor($crate::clients::limit::LongestAnswer);
        $sdk::Client::from_conf(config.build())
    }};
}
pub(crate) use client;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one try of a call may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// How long a read may take with all its tries.
const READ: Duration = Duration::from_secs(45);
/// How long a changing call may take, which has but one try.
const CHANGE: Duration = Duration::from_secs(60);

/// The accounts that were opened so far.
#[derive(Debug, Default)]
pub struct Accounts {
    open: Mutex<HashMap<Key, Arc<Aws>>>,
}

/// Profile and region.
type Key = (Option<String>, String);

impl Accounts {
    /// The clients of a profile and region, made at the first use. Calls nobody.
    pub async fn open(&self, target: &AwsTarget) -> Arc<Aws> {
        let key = (target.profile.clone(), target.region.clone());
        let mut open = self.open.lock().await;
        if let Some(aws) = open.get(&key) {
            return Arc::clone(aws);
        }
        let aws = Arc::new(Aws::load(target).await);
        open.insert(key, Arc::clone(&aws));
        aws
    }
}

#[cfg(test)]
impl Accounts {
    /// Takes this configuration for a target, instead of the one that the environment gives.
    pub(crate) async fn know(&self, target: &AwsTarget, config: &SdkConfig) {
        let configs = Configs { reading: config.clone(), changing: config.clone(), session: None };
        let key = (target.profile.clone(), target.region.clone());
        self.open.lock().await.insert(key, Arc::new(Aws::of(target, &configs)));
    }
}

/// The clients of one profile and region.
#[derive(Debug)]
pub struct Aws {
    /// What they lead to.
    pub target: AwsTarget,
    /// Aurora.
    pub rds: Rds,
    /// Stacks.
    pub cloudformation: CloudFormation,
    /// Secrets.
    pub secrets: Secrets,
    /// Who we are.
    pub identity: Identity,
    /// Load.
    pub insights: Insights,
    /// Metrics.
    pub cloudwatch: CloudWatch,
    /// Logs.
    pub logs: Logs,
    /// Tokens for database roles.
    pub tokens: Tokens,
    /// In whose name; none where the SDK finds it by its own default chain.
    pub session: Option<Arc<Session>>,
}

/// The two configurations that the service clients are made of.
pub(crate) struct Configs {
    /// For calls that change nothing.
    pub reading: SdkConfig,
    /// For calls that change something: one try.
    pub changing: SdkConfig,
    /// In whose name.
    pub session: Option<Arc<Session>>,
}

impl Aws {
    async fn load(target: &AwsTarget) -> Self {
        Self::of(target, &Configs::load(target).await)
    }

    /// The clients of one configuration.
    fn of(target: &AwsTarget, configs: &Configs) -> Self {
        Self {
            target: target.clone(),
            rds: Rds::new(configs),
            cloudformation: CloudFormation::new(configs),
            secrets: Secrets::new(configs),
            identity: Identity::new(configs),
            insights: Insights::new(configs),
            cloudwatch: CloudWatch::new(configs),
            logs: Logs::new(configs),
            tokens: Tokens::new(configs),
            session: configs.session.clone(),
        }
    }

    /// Has the session's keys read anew at the next call: it may have been renewed.
    pub async fn renew_session(&self) {
        if let Some(session) = &self.session {
            session.forget().await;
        }
    }
}

impl Configs {
    async fn load(target: &AwsTarget) -> Self {
        let region = Region::new(target.region.clone());
        let mut loader = loader(region.clone());
        let Some(profile) = &target.profile else { return Self::of(loader.load().await) };
        // The SDK's default chain prefers keys of the environment to a named profile, the `aws` command does the
        // reverse. Two partitions in two accounts need the latter.
        let session = Arc::new(Session::new(profile, region));
        let keys = session::Keys(Arc::clone(&session));
        loader = loader.profile_name(profile).credentials_provider(keys).identity_cache(IdentityCache::no_cache());
        Self { session: Some(session), ..Self::of(loader.load().await) }
    }

    /// The two, of the one for reading.
    fn of(reading: SdkConfig) -> Self {
        let changing =
            reading.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts(CHANGE, CHANGE)).build();
        Self { reading, changing, session: None }
    }
}

/// What all configurations have in common.
fn loader(region: Region) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .time_source(Steady)
        .region(region)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts(READ, ATTEMPT));
    match AppName::new("aurora-cockpit") {
        Ok(name) => loader.app_name(name),
        Err(_) => loader,
    }
}

/// Calls are signed with the time, and AWS refuses those that are minutes off: a wall clock that jumps must not end a wait.
#[derive(Debug)]
struct Steady;

impl TimeSource for Steady {
    fn now(&self) -> SystemTime {
        clock::now().into()
    }
}

fn timeouts(operation: Duration, attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

/// A call with the `aws` command line that would do the same.
///
/// `operation` is as the API names it (`rds:FailoverDBCluster`), `command` as the command line does
/// (`failover-db-cluster`); arguments are options and their values, one after the other.
pub(crate) fn call(target: &AwsTarget, operation: &str, command: &str, arguments: &[&str]) -> Call {
    let service = operation.split(':').next().unwrap_or(operation);
    let mut words = vec!["aws", service, command];
    words.extend_from_slice(arguments);
    words.extend(["--region", &target.region]);
    if let Some(profile) = &target.profile {
        words.extend(["--profile", profile]);
    }
    Call { operation: operation.to_owned(), target: describe(target), command_line: shell_line(words) }
}

/// `account · region · profile`, of what is known.
pub fn describe(target: &AwsTarget) -> String {
    let parts = [target.account.as_deref(), Some(target.region.as_str()), target.profile.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// A moment as the SDK gives it; none where it is out of range.
pub(crate) fn moment(time: Option<&aws_smithy_types::DateTime>) -> Option<jiff::Timestamp> {
    time.and_then(|time| {
        let nanos = i32::try_from(time.subsec_nanos()).ok()?;
        jiff::Timestamp::new(time.secs(), nanos).ok()
    })
}

/// Whether the AWS configuration, which the environment may have moved elsewhere, has a profile of that name.
pub async fn profile_exists(name: &str) -> bool {
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    profiles.is_ok_and(|profiles| profiles.get_profile(name).is_some())
}

/// A profile of the AWS configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its region, if it says one.
    pub region: Option<String>,
}

/// The profiles of the AWS configuration; none where there is no configuration.
///
/// # Errors
/// Why the configuration cannot be read.
pub async fn profiles() -> Result<Vec<Profile>, String> {
    let found = aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
    let found = found.map_err(|error| clean_line(&error.to_string()))?;
    let region = |name: &str| found.get_profile(name)?.get("region").map(str::to_owned);
    Ok(found.profiles().map(|name| Profile { name: name.to_owned(), region: region(name) }).collect())
}
