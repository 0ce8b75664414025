//! The situations that a rollout can get into, by the names that a scenario file and a finding call them.
//!
//! The names are for people and files. Nothing in the cockpit asks for one: what a situation is, it finds by evidence; what
//! brings it about is the simulated site's business.

use serde::{Deserialize, Serialize};

/// Declares each situation once: variant, name, and what is the case at the site.
macro_rules! situations {
    ($($variant:ident = $name:literal: $says:literal,)+) => {
        /// A situation that a rollout can get into.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Situation {
            $(#[doc = $says] #[serde(rename = $name)] $variant,)+
        }

        impl Situation {
            /// All of them, in the order of the steps.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What is the case at the site.
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)+ }
            }
        }
    };
}

situations! {
    // Before step 1: prerequisites and drift checks (all read-only).
    InfraBehind = "infra-behind": "Infrastructure tree is not on main, is dirty, or its HEAD does not contain 929b3c8.",
    ImageMissing = "image-missing": "docker manifest inspect the image fails.",
    PrNotReady = "pr-not-ready": "PR #170 is closed, red, unapproved, or already merged.",
    OpSignedOut = "op-signed-out": "op whoami: account is not signed in.",
    OpItemUnreadable = "op-item-unreadable": "One op:// item cannot be read (missing, or authorization timeout).",
    OpItemEmpty = "op-item-empty": "op read prints nothing for username.",
    SsoExpired = "sso-expired": "AWS calls answer ExpiredToken / token refresh failed.",
    ProfileMissing = "profile-missing": "amm.sh derives Admin-Alpha002; the AWS config has Alpha002-Admin; region derives to \"\".",
    WrongAccount = "wrong-account": "STS answers another account than the partition's.",
    RenamedInstance = "renamed-instance": "Members are not ${CLUSTER_ID}Writer / …Reader1.",
    LowercasedIds = "lowercased-ids": "Members differ from the placeholders by case only.",
    NamespaceMissing = "namespace-missing": "${PARTITION}-operations is absent or named otherwise.",
    AlreadyTouched = "already-touched": "Cluster is already on a non-default parameter group.",
    InsightsAdvanced = "insights-advanced": "Cluster is in Database Insights advanced with 465 days, the template wants standard / 7.",
    // Step 1, snapshot.
    SnapshotExists = "snapshot-exists": "Create answers DBClusterSnapshotAlreadyExistsFault.",
    ClusterBusy = "cluster-busy": "Create answers InvalidDBClusterStateFault for a while.",
    SnapshotSlow = "snapshot-slow": "Stays creating past the usual time.",
    AccessDenied = "access-denied": "AccessDenied.",
    // Step 2, amm.sh.
    OpTimeoutBeforeDeploy = "op-timeout-before-deploy": "amm.sh exits 1 on its first op read.",
    OpTimeoutAfterDeploy = "op-timeout-after-deploy": "Exits 1 at its step 2.2.4, after the CDK deploy.",
    InfraStackFailed = "infra-stack-failed": "Networking / Compute / Ingress fails and rolls back.",
    SecretsStackFailed = "secrets-stack-failed": "Secrets stack refuses its parameter.",
    AuroraStackRolledBack = "aurora-stack-rolled-back": "AuroraDBCluster UPDATE_ROLLBACK_COMPLETE.",
    RollbackFailed = "rollback-failed": "AuroraDBCluster UPDATE_ROLLBACK_FAILED, with the 465-day retention error.",
    ContinueRollbackRace = "continue-rollback-race": "continue-update-rollback fails: status configuring-enhanced-monitoring.",
    StacksSkipped = "stacks-skipped": "After a failed attempt Ingress / DnsConfiguration were not redeployed.",
    DsnEmpty = "dsn-empty": "Secret is there, its value is empty.",
    DsnMalformed = "dsn-malformed": "Value does not look like a Sentry DSN.",
    GroupNotAttached = "group-not-attached": "amm.sh exits 0, cluster still on default.aurora-postgresql16.",
    CdkRebooted = "cdk-rebooted": "The deploy restarts both instances by itself (applyImmediately: true).",
    ChangesQueued = "changes-queued": "The deploy only queues the class change (applyImmediately: false).",
    PromptHidden = "prompt-hidden": "A 1Password prompt waits inside the long run.",
    // Step 3, dynamic parameters.
    DynamicLate = "dynamic-late": "New values appear after 90 s.",
    DynamicStuck = "dynamic-stuck": "Old values, group status pending-reboot / in-sync.",
    DynamicOneWrong = "dynamic-one-wrong": "One value is wrong in the group itself.",
    SettingUnreadable = "setting-unreadable": "SHOW answers permission denied (role lacks pg_read_all_settings).",
    // Step 4, reader.
    ReaderStuck = "reader-stuck": "rebooting for over 5 min.",
    ReaderPendingReboot = "reader-pending-reboot": "available again, still pending-reboot.",
    FlushReader = "flush-reader": "Class change is queued.",
    // Step 5, failover.
    FailoverRefused = "failover-refused": "InvalidDBClusterStateFault.",
    WaitRace = "wait-race": "Instances still read available for seconds after the call.",
    FailoverNoop = "failover-noop": "Call accepted, nothing moves.",
    EndpointStuck = "endpoint-stuck": "Cluster says available, the writer endpoint does not lead to the new writer for 2 min.",
    ClusterTerminal = "cluster-terminal": "Status such as inaccessible-encryption-credentials.",
    StaleDescribe = "stale-describe": "DescribeDBClusters still names the old writer for some seconds after SQL and DNS moved.",
    DemotedNotSwapped = "demoted-not-swapped": "The demoted writer keeps the old class and a queued change.",
    App5xx = "app-5xx": "The application answers 5xx for over 30 s after the flip.",
    // Step 6, static parameters and pg_stat_statements.
    PreloadMissing = "preload-missing": "New writer without the preload (must be loaded via shared_preload_libraries).",
    ExtensionMissing = "extension-missing": "Relation pg_stat_statements does not exist (old init container).",
    MaxConnectionsWrong = "max-connections-wrong": "Value is neither the explicit one nor in the band of LEAST({DBInstanceClassMemory/9531392},5000) for the class.",
    // Step 7, delete the snapshot.
    SnapshotInUse = "snapshot-in-use": "InvalidDBClusterSnapshotStateFault.",
    RegretAfterDelete = "regret-after-delete": "Trouble after the deletion.",
    // Step 8, operations chart.
    PodsBeforeSecret = "pods-before-secret": "Pods started before the secret existed: SENTRY_DSN is in the spec, not in the process.",
    InitPreload = "init-preload": "Init container: must be loaded via shared_preload_libraries.",
    InitExtension = "init-extension": "Init container: pg_trgm / btree_gin failure.",
    SecretNotSynced = "secret-not-synced": "ExternalSecret not Ready; log says SDK disabled because no DSN was set.",
    PodCrash = "pod-crash": "Running, then restarts.",
    PoolCold = "pool-cold": "Connection is not available (HikariCP).",
    DeployedElsewhere = "deployed-elsewhere": "The chart is deployed by the CI workflow, not from here.",
    // Step 9, application health and go-ahead.
    LoginFails = "login-fails": "Stays on the sign-in page with a banner.",
    StaleSession = "stale-session": "\"session expired\", then the sign-in page.",
    Backend5xx = "backend-5xx": "An /api/ call answers 5xx.",
    Transient401 = "transient-401": "/api/pylon/email-hash 401, retried to 200.",
    ConsoleNoise = "console-noise": "Console errors that do not name the operations backend.",
    SlowRequests = "slow-requests": "Requests over 500 ms.",
    NoGoAhead = "no-go-ahead": "The operator has not said go.",
    // At any time.
    Throttled = "throttled": "ThrottlingException on a share of the calls.",
    Api5xx = "api-5xx": "500 / 503 / time-outs / truncated bodies.",
    NetworkLost = "network-lost": "Every connection drops for a while.",
    SsoExpiresMidway = "sso-expires-midway": "The session ends in the middle of a wait.",
    CockpitKilled = "cockpit-killed": "SIGKILL, SIGHUP, lost terminal, full disk, at any point.",
    TwoOperators = "two-operators": "A second operator session on the same run.",
    HostileText = "hostile-text": "Escape sequences or secrets in a log line, a query text, a pod's message.",
}

impl Situation {
    /// The situation of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|situation| situation.name() == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use super::*;

    /// Every source file below a directory, with its text.
    fn sources(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let of = |path: std::path::PathBuf| {
            if path.is_dir() {
                return sources(&path);
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            vec![(path.display().to_string(), text)]
        };
        entries.flat_map(of).collect()
    }

    #[test]
    fn a_finding_names_no_situation_that_is_not_there() {
        let mut named = 0;
        for (file, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
            for found in text.split(concat!("Finding::", "of(")).skip(1) {
                let Some(name) = found.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                    continue;
                };
                named += 1;
                assert!(Situation::named(name).is_some(), "{file}: there is no situation {name}");
            }
        }
        assert!(named > 30, "findings are looked for where they are made");
    }

    #[test]
    fn the_readme_lists_them_all() {
        let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
        let listed: Vec<&str> = readme.lines().skip_while(|line| !line.starts_with("| situation |")).skip(2).collect();
        let listed = listed.into_iter().take_while(|line| line.starts_with('|'));
        let all = Situation::ALL.iter().map(|situation| format!("| `{}` | {} |", situation.name(), situation.says()));
        assert!(listed.eq(all), "the table of situations in README.md is one line each, in the order of the steps");
    }
}
