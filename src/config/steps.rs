//! The steps of a partition.

use std::time::Duration;

use super::document::{Node, joined};
use super::placeholder;
use super::resolve::{At, Findings, below, check_members};
use super::rollout::{ApprovalFile, CheckFile, KindName, SettingFile, ShapeName, StepFile};
use super::scope::Scope;
use super::values;
use crate::runbook::names::StepId;
use crate::runbook::plan::{
    AppHealth, CloseSpec, CommandSpec, ConfirmRule, DeployBy, DeploySpec, Expectation, Partition, Preflight,
    Prerequisite, SecretShape, SettingCheck, SnapshotSpec, Step, StepKind, ValueShape, VerifySql,
};

/// Which outside systems the file declares for a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared {
    pub sql: bool,
    pub kubernetes: bool,
    pub application: bool,
}

/// The tables that belong to a kind of step, named like it.
const TABLES: [&str; 8] =
    ["preflight", "snapshot", "command", "verify-sql", "delete-snapshot", "deploy", "app-health", "close"];

/// Checks the names by which steps refer to one another and to partitions, whatever else is wrong.
pub(super) fn check_names(top: &At<'_>, findings: &mut Findings) {
    let partitions: Vec<_> = below(top, "partitions").iter().filter_map(|item| item.node.name()).collect();
    let steps = below(top, "steps");
    let ids: Vec<_> = steps.iter().map(|step| step.node.get("id").and_then(Node::text).unwrap_or_default()).collect();
    for (index, step) in steps.iter().enumerate() {
        check_members(step, "partitions", &partitions, "partition", findings);
        if step.node.get("partitions").is_some_and(|list| list.items().is_empty() && list.text().is_none()) {
            findings.add(step, &["partitions"], "is empty, so no partition would take it", None);
        }
        check_members(step, "needs", &ids, "step", findings);
        for need in step.node.get("needs").map(Node::items).unwrap_or_default() {
            let later = ids.iter().skip(index).any(|id| Some(*id) == need.text());
            if later {
                let message = format!("`{}` comes later, so it cannot be behind this step", need.text().unwrap_or(""));
                let help = Some("a step needs only those that stand before it".to_owned());
                findings.problems.push(need.place.problem(&joined(&step.key, "needs"), message, help));
            }
        }
        if let Some(verify) = step.node.get("verify-sql") {
            let at = At { node: verify, key: joined(&step.key, "verify-sql") };
            for setting in below(&at, "settings") {
                check_members(&setting, "partitions", &partitions, "partition", findings);
            }
        }
    }
}

/// The steps that a partition takes.
pub(super) fn steps(
    top: &At<'_>,
    partition_at: &At<'_>,
    scope: &Scope<'_>,
    partition: &Partition,
    (declared, guarded): (Declared, bool),
    findings: &mut Findings,
) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut all_read = true;
    for item in below(top, "steps") {
        let listed = item.node.get("partitions").map(Node::items);
        let takes = |names: &[Node]| names.iter().any(|name| name.text() == Some(partition.name.as_str()));
        if !listed.is_none_or(takes) {
            continue;
        }
        let resolved = placeholder::resolve(item.node, &item.key, scope, &mut findings.problems);
        let at = At { node: &resolved, key: item.key.clone() };
        let Some(file) = findings.typed::<StepFile>(&at) else {
            all_read = false;
            continue;
        };
        check_declared(&at, partition_at, file.kind, declared, findings);
        let reader = StepReader { at: &at, file: &file, partition, guarded, before: &steps, all_read };
        match reader.step(findings) {
            Some(step) => steps.push(step),
            None => all_read = false,
        }
    }
    steps
}

/// A step of a kind that speaks to a system which the partition does not declare could only fail.
fn check_declared(at: &At<'_>, partition: &At<'_>, kind: KindName, declared: Declared, findings: &mut Findings) {
    let (there, table) = match kind {
        KindName::VerifySql => (declared.sql, "sql"),
        KindName::Deploy => (declared.kubernetes, "kubernetes"),
        KindName::AppHealth => (declared.application, "application"),
        _ => return,
    };
    if !there {
        let message = format!("is missing, and step `{}` needs it", at.node.name().unwrap_or_default());
        findings.add(partition, &[table], message, None);
    }
}

struct StepReader<'a> {
    at: &'a At<'a>,
    file: &'a StepFile,
    partition: &'a Partition,
    /// Whether what changes something in the partition needs a second person.
    guarded: bool,
    /// The partition's steps before this one.
    before: &'a [Step],
    /// Whether all of them could be read; if not, what seems to be missing may stand in one that was reported already.
    all_read: bool,
}

impl StepReader<'_> {
    fn step(&self, findings: &mut Findings) -> Option<Step> {
        let StepFile { id, label, title, impact, way_back, guide, .. } = self.file;
        self.check_tables(findings);
        let kind = self.kind(findings);
        let expected = findings.value(self.at, &["expected"], values::duration);
        let limit = findings.value(self.at, &["limit"], values::duration);
        let stuck_after = findings.value(self.at, &["stuck_after"], values::duration);
        let retry_after = findings.value(self.at, &["retry_after"], values::duration);
        let kind = kind?;
        Some(Step {
            id: StepId::new(id),
            label: label.clone(),
            title: title.clone(),
            needs: self.needs(),
            confirm: self.confirm(&kind, findings),
            second_person: self.second_person(&kind, findings),
            expected,
            limit: limit.unwrap_or_else(|| usual_limit(self.file.kind)),
            stuck_after: stuck_after.unwrap_or_else(|| usual_patience(self.file.kind)),
            retry_after: retry_after.unwrap_or_else(|| usual_pause(self.file.kind)),
            impact: trimmed(impact.as_deref()),
            way_back: trimmed(way_back.as_deref()),
            guide: trimmed(guide.as_deref()),
            kind,
        })
    }

    /// A table of another kind would be read by nobody.
    fn check_tables(&self, findings: &mut Findings) {
        let kind = self.at.node.get("kind").and_then(Node::text).unwrap_or_default();
        for table in TABLES {
            if table != kind && self.at.node.get(table).is_some() {
                findings.add(
                    self.at,
                    &[table],
                    format!("belongs to a step of kind `{table}`, and this is `{kind}`"),
                    None,
                );
            }
        }
    }

    fn needs(&self) -> Vec<StepId> {
        let here = |id: &String| self.before.iter().any(|step| step.id.as_str() == id);
        match &self.file.needs {
            Some(needs) => needs.iter().filter(|id| here(id)).map(StepId::new).collect(),
            None => self.before.last().map(|step| step.id.clone()).into_iter().collect(),
        }
    }

    fn confirm(&self, kind: &StepKind, findings: &mut Findings) -> ConfirmRule {
        let guarded = self.partition.production && kind.changes_the_world();
        match self.file.confirm.as_deref().map(str::trim) {
            None if guarded => ConfirmRule::Type(self.partition.cluster.id.clone()),
            None => ConfirmRule::Plain,
            Some("plain") => {
                if guarded {
                    let message = format!("`plain` is not enough in production (partition `{}`)", self.partition.name);
                    let help = "leave it out, or write `type ${cluster}`".to_owned();
                    findings.add(self.at, &["confirm"], message, Some(help));
                }
                ConfirmRule::Plain
            }
            Some(rule) => match rule.strip_prefix("type ").map(str::trim).filter(|name| !name.is_empty()) {
                Some(name) => ConfirmRule::Type(name.to_owned()),
                None => {
                    let help = "write `plain`, or `type ${cluster}`".to_owned();
                    findings.add(self.at, &["confirm"], format!("`{rule}` is no rule of confirmation"), Some(help));
                    ConfirmRule::Plain
                }
            },
        }
    }

    fn second_person(&self, kind: &StepKind, findings: &mut Findings) -> bool {
        match self.file.approval {
            Some(ApprovalFile::SecondPerson) if *kind == StepKind::GoAhead => {
                let help = "put it on the steps that change something, or on the partition".to_owned();
                let message = "asks for an approval of what is not fired: a go-ahead is a person's word itself";
                findings.add(self.at, &["approval"], message, Some(help));
                false
            }
            Some(approval) => approval == ApprovalFile::SecondPerson,
            None => self.guarded && kind.changes_the_world(),
        }
    }

    fn kind(&self, findings: &mut Findings) -> Option<StepKind> {
        Some(match self.file.kind {
            KindName::Preflight => StepKind::Preflight(self.preflight(findings)?),
            KindName::Drift => StepKind::Drift,
            KindName::Snapshot => StepKind::Snapshot(self.snapshot(findings)?),
            KindName::Command => StepKind::Command(self.command(findings)?),
            KindName::VerifySql => StepKind::VerifySql(self.verify_sql(findings)?),
            KindName::RestartReader => StepKind::RestartReader,
            KindName::Failover => StepKind::Failover,
            KindName::FlushDemoted => StepKind::FlushDemoted,
            KindName::DeleteSnapshot => StepKind::DeleteSnapshot(self.delete_snapshot(findings)?),
            KindName::Deploy => StepKind::Deploy(self.deploy(findings)?),
            KindName::AppHealth => StepKind::AppHealth(self.app_health(findings)),
            KindName::GoAhead => StepKind::GoAhead,
            KindName::Close => StepKind::Close(self.close(findings)?),
        })
    }

    /// The table of this kind, which must be there.
    fn table<'f, T>(&self, table: &'f Option<T>, findings: &mut Findings) -> Option<&'f T> {
        if table.is_none() {
            let kind = self.at.node.get("kind").and_then(Node::text).unwrap_or_default();
            findings.add(
                self.at,
                &[kind],
                format!("is missing: a step of kind `{kind}` has a table of that name"),
                None,
            );
        }
        table.as_ref()
    }

    fn preflight(&self, findings: &mut Findings) -> Option<Preflight> {
        let file = self.table(&self.file.preflight, findings)?;
        if file.checks.is_empty() {
            findings.add(self.at, &["preflight", "checks"], "is empty, so nothing would be checked", None);
        }
        let table = At { node: self.at.node.nearest(&["preflight"]), key: joined(&self.at.key, "preflight") };
        let places = below(&table, "checks");
        let checks = file.checks.iter().zip(places).filter_map(|(check, at)| prerequisite(check, &at, findings));
        Some(Preflight { checks: checks.collect() })
    }

    fn snapshot(&self, findings: &mut Findings) -> Option<SnapshotSpec> {
        let id = self.table(&self.file.snapshot, findings)?.id.to_lowercase();
        findings.value(self.at, &["snapshot", "id"], values::rds_identifier);
        Some(SnapshotSpec { id })
    }

    fn delete_snapshot(&self, findings: &mut Findings) -> Option<SnapshotSpec> {
        let taken = self.before.iter().filter_map(|step| match &step.kind {
            StepKind::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        });
        let taken: Vec<_> = taken.collect();
        let Some(file) = &self.file.delete_snapshot else {
            if taken.is_empty() && self.all_read {
                let message = format!("no earlier step of partition `{}` takes a snapshot", self.partition.name);
                findings.add(self.at, &["delete-snapshot"], message, None);
            }
            return taken.last().copied().cloned();
        };
        let id = file.id.to_lowercase();
        // Deleting is for the snapshot of this rollout only; any other may be somebody's last resort.
        if self.all_read && !taken.iter().any(|snapshot| snapshot.id == id) {
            let message = format!("no earlier step of partition `{}` takes the snapshot `{id}`", self.partition.name);
            findings.add(self.at, &["delete-snapshot", "id"], message, None);
        }
        Some(SnapshotSpec { id })
    }

    fn command(&self, findings: &mut Findings) -> Option<CommandSpec> {
        let file = self.table(&self.file.command, findings)?;
        findings.required(self.at, &["command", "program"]);
        findings.required(self.at, &["command", "directory"]);
        let silence = findings.value(self.at, &["command", "silence"], values::duration);
        let shape = |shape| match shape {
            ShapeName::SentryDsn => ValueShape::SentryDsn,
            ShapeName::NotEmpty => ValueShape::NotEmpty,
        };
        Some(CommandSpec {
            program: file.program.clone(),
            arguments: file.arguments.clone(),
            directory: file.directory.clone(),
            silence: silence.unwrap_or(Duration::from_secs(60)),
            stacks: file.stacks.clone(),
            secret: file
                .secret
                .as_ref()
                .map(|secret| SecretShape { id: secret.id.clone(), shape: shape(secret.shape) }),
            group_attached: file.group_attached,
        })
    }

    fn verify_sql(&self, findings: &mut Findings) -> Option<VerifySql> {
        let file = self.table(&self.file.verify_sql, findings)?;
        let table = At { node: self.at.node.nearest(&["verify-sql"]), key: joined(&self.at.key, "verify-sql") };
        let places = below(&table, "settings");
        let here = |setting: &SettingFile| {
            setting
                .partitions
                .as_ref()
                .is_none_or(|names| names.iter().any(|name| name == self.partition.name.as_str()))
        };
        let mut settings: Vec<SettingCheck> = Vec::new();
        for (setting, at) in file.settings.iter().zip(places).filter(|(setting, _)| here(setting)) {
            if settings.iter().any(|other| other.name == setting.name) {
                let message = format!("`{}` is expected twice in partition `{}`", setting.name, self.partition.name);
                findings.add(&at, &["name"], message, None);
            }
            settings.extend(expectation(setting, &at, findings));
        }
        if settings.is_empty() && !file.statements {
            let message = format!("nothing would be verified in partition `{}`", self.partition.name);
            findings.add(self.at, &["verify-sql"], message, Some("name `settings`, or `statements = true`".to_owned()));
        }
        Some(VerifySql { settings, statements: file.statements })
    }

    fn deploy(&self, findings: &mut Findings) -> Option<DeploySpec> {
        let file = self.table(&self.file.deploy, findings)?;
        let by = match (&file.helm, &file.elsewhere) {
            (Some(helm), None) => Some(DeployBy::Helm {
                release: helm.release.clone(),
                chart: helm.chart.clone(),
                values: helm.values.clone(),
                directory: helm.directory.clone(),
            }),
            (None, Some(who)) => Some(DeployBy::Elsewhere { who: who.clone() }),
            _ => {
                findings.add(self.at, &["deploy"], "must have exactly one of `helm` and `elsewhere`", None);
                None
            }
        };
        for name in ["deployment", "selector", "container", "init_image"] {
            findings.required(self.at, &["deploy", name]);
        }
        Some(DeploySpec {
            by: by?,
            deployment: file.deployment.clone(),
            selector: file.selector.clone(),
            container: file.container.clone(),
            init_image: file.init_image.clone(),
            environment: file.environment.clone(),
            external_secret: file.external_secret.clone(),
            init_log: file.init_log.clone(),
            expect_log: file.expect_log.clone(),
            refuse_log: file.refuse_log.clone(),
        })
    }

    fn app_health(&self, findings: &mut Findings) -> AppHealth {
        let slow = findings.value(self.at, &["app-health", "slow"], values::duration);
        let file = self.file.app_health.clone().unwrap_or_default();
        AppHealth {
            slow: slow.unwrap_or(Duration::from_millis(500)),
            api_prefix: file.api_prefix.unwrap_or_else(|| "/api/".to_owned()),
            landing: file.landing.unwrap_or_else(|| "/".to_owned()),
            requests: file.requests,
        }
    }

    fn close(&self, findings: &mut Findings) -> Option<CloseSpec> {
        let file = self.table(&self.file.close, findings)?;
        findings.value(self.at, &["close", "repository"], |text| values::pair(text, "owner/name"));
        Some(CloseSpec { repository: file.repository.clone(), number: file.number })
    }
}

fn prerequisite(file: &CheckFile, at: &At<'_>, findings: &mut Findings) -> Option<Prerequisite> {
    findings.value(at, &["op-item", "reference"], values::op_reference);
    findings.value(at, &["pull-request", "repository"], |text| values::pair(text, "owner/name"));
    let clock_apart = findings.value(at, &["clock-apart"], values::duration);
    let file = file.clone();
    let wanted = |flag: Option<bool>, check: Prerequisite| flag.filter(|wanted| *wanted).map(|_| check);
    let mut found = Vec::new();
    found.extend(file.git.map(|git| Prerequisite::GitTree {
        path: git.path,
        branch: git.branch,
        contains: git.contains,
    }));
    found.extend(file.image.map(|reference| Prerequisite::Image { reference }));
    found
        .extend(file.pull_request.map(|pr| Prerequisite::PullRequest { repository: pr.repository, number: pr.number }));
    found.extend(wanted(file.op_signed_in, Prerequisite::OpSignedIn));
    found.extend(file.op_item.map(|item| Prerequisite::OpItem { reference: item.reference, used_by: item.used_by }));
    found.extend(wanted(file.aws_identity, Prerequisite::AwsIdentity));
    found.extend(
        file.derived_profile
            .map(|derived| Prerequisite::DerivedProfile { profile: derived.profile, overridden: derived.overridden }),
    );
    found.extend(wanted(file.aws_session, Prerequisite::AwsSession));
    found.extend(wanted(file.stacks, Prerequisite::Stacks));
    found.extend(wanted(file.insights, Prerequisite::InsightsMode));
    found.extend(wanted(file.helm_release, Prerequisite::HelmRelease));
    found.extend(file.program.map(|program| Prerequisite::Program { name: program.name, fallback: program.fallback }));
    found.extend(file.browser.map(|browser| Prerequisite::Browser { fallback: browser.fallback }));
    found.extend(file.disk_space_mb.map(|least_mb| Prerequisite::DiskSpace { least_mb }));
    found.extend(clock_apart.map(|apart| Prerequisite::Clock { apart }));
    if found.len() != 1 {
        let help = "one of `git`, `image`, `pull-request`, `op-signed-in`, `op-item`, `aws-identity`, `derived-profile`, `aws-session`, \
             `stacks`, `insights`, `helm-release`, `program`, `browser`, `disk-space-mb`, `clock-apart`";
        findings.add(at, &[], "must name exactly one prerequisite", Some(help.to_owned()));
        return None;
    }
    found.pop()
}

fn expectation(file: &SettingFile, at: &At<'_>, findings: &mut Findings) -> Option<SettingCheck> {
    let SettingFile { name, partitions: _, is, contains, formula, recorded } = file.clone();
    let mut found = Vec::new();
    found.extend(is.map(Expectation::Is));
    found.extend(contains.map(Expectation::Contains));
    found.extend(formula.map(Expectation::Formula));
    found.extend(recorded.filter(|wanted| *wanted).map(|_| Expectation::Recorded));
    if found.len() != 1 {
        let help = "exactly one of `is`, `contains`, `formula`, `recorded = true`".to_owned();
        findings.add(at, &[], "it is not clear what it must be", Some(help));
        return None;
    }
    // SHOW is sent as it stands here, so a name is nothing but a name.
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        findings.add(at, &["name"], format!("`{name}` is no name of a setting"), None);
        return None;
    }
    found.pop().map(|expect| SettingCheck { name, expect })
}

/// How long a step may take where the file does not say: generous, since passing it makes the cockpit give a verdict.
fn usual_limit(kind: KindName) -> Duration {
    let minutes = match kind {
        KindName::Preflight | KindName::Drift | KindName::DeleteSnapshot | KindName::GoAhead | KindName::Close => 5,
        KindName::VerifySql | KindName::AppHealth => 5,
        KindName::Snapshot => 30,
        KindName::Command => 45,
        KindName::RestartReader | KindName::FlushDemoted => 20,
        KindName::Failover | KindName::Deploy => 10,
    };
    Duration::from_secs(minutes * 60)
}

/// How long something may stand still before the cockpit says so, by the runbook's own figures.
fn usual_patience(kind: KindName) -> Duration {
    Duration::from_secs(match kind {
        // The writer endpoint that does not follow.
        KindName::Failover => 2 * 60,
        // The log's slowest snapshot took 338 s.
        KindName::Snapshot => 10 * 60,
        // A reader that does not come back; parameters that do not turn.
        _ => 5 * 60,
    })
}

/// How long to wait before trying again what was refused for the moment, by the runbook's own figures.
fn usual_pause(kind: KindName) -> Duration {
    Duration::from_secs(match kind {
        KindName::Snapshot => 5 * 60,
        KindName::Failover => 2 * 60,
        _ => 60,
    })
}

fn trimmed(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}
