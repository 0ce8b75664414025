//! Step 0: what is there, held against what the runbook was written for. Identifiers are read, not trusted.

use super::cluster::DESCRIBE;
use super::context::{Look, Noting, Stop};
use super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::ClusterView;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::plan::StepKind;

pub(super) fn brief(look: &Look) -> Brief {
    let mut brief = look.brief(format!("Compare {} with what the runbook was written for", look.partition.cluster.id));
    let target = crate::clients::aws::describe(&look.partition.aws);
    let read = |operation: &str, command_line: String| Call {
        operation: operation.to_owned(),
        target: target.clone(),
        command_line,
    };
    let id = &look.partition.cluster.id;
    brief.calls = vec![
        read("sts:GetCallerIdentity", "aws sts get-caller-identity".to_owned()),
        read(DESCRIBE, format!("aws rds describe-db-clusters --db-cluster-identifier {id}")),
    ];
    if let Some(kubernetes) = &look.partition.kubernetes {
        brief.calls.push(Call {
            operation: "kubernetes: get namespace".to_owned(),
            target: format!("context {}", kubernetes.context),
            command_line: format!("kubectl --context {} get ns {}", kubernetes.context, kubernetes.namespace),
        });
    }
    brief
}

pub(super) async fn run(act: &mut Noting) -> Result<Outcome, Stop> {
    account(act).await?;
    let cluster = act.cluster().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    members(act, &cluster).await?;
    let mut warnings = Vec::new();
    for check in as_expected(act, &cluster) {
        if check.verdict == Verdict::Warning {
            warnings.push(format!("{}: {}", check.label, check.seen.clone().unwrap_or_default()));
        }
        act.check(check).await?;
    }
    insights(act, &cluster).await?;
    snapshot(act, &mut warnings).await?;
    namespace(act).await?;
    Ok(if warnings.is_empty() { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings } })
}

/// Whoever is signed in to another account may do nothing here.
async fn account(act: &mut Noting) -> Result<(), Stop> {
    let source = "sts:GetCallerIdentity";
    let caller = act.tools.aws.identity.caller().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let Some(expected) = act.partition.aws.account.clone() else {
        let check = Check::new("account", "AWS account", source, Verdict::Passed).seeing(caller.account);
        return act.check(check).await;
    };
    let right = caller.account == expected;
    let verdict = if right { Verdict::Passed } else { Verdict::Failed };
    let check = Check::new("account", "AWS account", source, verdict).expecting(&expected).seeing(&caller.account);
    act.check(check).await?;
    if right {
        return Ok(());
    }
    let finding = Finding::of("wrong-account", format!("signed in to account {}, not {expected}", caller.account))
        .because(Evidence::now(source, format!("account {}", caller.account)))
        .meaning("nothing may be fired from here")
        .way_out("correct the profile in the rollout file or in the AWS configuration");
    Err(finding.into())
}

async fn members(act: &mut Noting, cluster: &ClusterView) -> Result<(), Stop> {
    let real: Vec<String> = cluster.members.iter().map(|member| member.id.to_string()).collect();
    for member in &cluster.members {
        let role = if member.is_writer { "writer" } else { "reader" };
        let class = member.class().unwrap_or("unknown class");
        act.witness(DESCRIBE, format!("{role}: {} ({class}, {})", member.id, member.group_status)).await?;
    }
    let expected = act.partition.cluster.expected_members.clone();
    let lowered = |id: &str| id.to_lowercase();
    let missing: Vec<String> = expected
        .iter()
        .filter(|id| !real.iter().any(|real| lowered(real) == lowered(id.as_str())))
        .map(ToString::to_string)
        .collect();
    let exact = expected.iter().all(|id| real.iter().any(|real| real == id.as_str()));
    let seen =
        if exact { real.join(", ") } else { format!("{} (RDS lowercases; the real names are used)", real.join(", ")) };
    let verdict = if missing.is_empty() { Verdict::Passed } else { Verdict::Failed };
    let check = Check::new("members", "writer and reader by name", DESCRIBE, verdict);
    act.check(check.expecting(list(&expected)).seeing(seen)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    let finding = Finding::of("renamed-instance", format!("{} is not a member of {}", missing.join(", "), cluster.id))
        .because(Evidence::now(DESCRIBE, format!("members: {}", real.join(", "))))
        .meaning("this may not be the cluster that the runbook was written for")
        .way_out("decide, and skip the drift checks with your reason; it goes into the execution log");
    Err(finding.into())
}

fn list(ids: &[crate::runbook::names::InstanceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What should be as expected, and only warns where it is not: the operator decides.
fn as_expected(look: &Look, cluster: &ClusterView) -> Vec<Check> {
    let target = &look.partition.cluster;
    let mut checks = vec![held("status", "cluster available", Some("available"), &cluster.status)];
    for member in &cluster.members {
        let label = format!("class of {}", member.id);
        checks.push(held(
            &format!("class {}", member.id),
            &label,
            target.class_before.as_deref(),
            member.class().unwrap_or(""),
        ));
    }
    checks.push(held("group", "parameter group untouched", target.group_before.as_deref(), &cluster.parameter_group));
    checks
}

fn held(id: &str, label: &str, expected: Option<&str>, seen: &str) -> Check {
    let verdict = if expected.is_none_or(|expected| expected == seen) { Verdict::Passed } else { Verdict::Warning };
    let check = Check::new(id, label, DESCRIBE, verdict).seeing(seen);
    match expected {
        Some(expected) => check.expecting(expected),
        None => check,
    }
}

/// In the log this drift cost an hour of recovery: the template's retention is refused while the mode is `advanced`.
async fn insights(act: &mut Noting, cluster: &ClusterView) -> Result<(), Stop> {
    let Some(template) = act.partition.cluster.insights_mode.clone() else { return Ok(()) };
    let mode = cluster.insights_mode.clone().unwrap_or_else(|| "standard".to_owned());
    let days = cluster.insights_retention_days.map_or_else(|| "none".to_owned(), |days| format!("{days} days"));
    let wanted =
        act.partition.cluster.insights_retention_days.map_or_else(String::new, |days| format!(", {days} days"));
    let refused = mode == "advanced" && template == "standard";
    let verdict = if refused { Verdict::Failed } else { Verdict::Passed };
    let check = Check::new("insights", "Database Insights as the template has it", DESCRIBE, verdict);
    act.check(check.expecting(format!("{template}{wanted}")).seeing(format!("{mode}, {days}"))).await?;
    if !refused {
        return Ok(());
    }
    let finding = Finding::of("insights-advanced", format!("{} is in Database Insights advanced", cluster.id))
        .because(Evidence::now(DESCRIBE, format!("DatabaseInsightsMode={mode}, retention {days}")))
        .meaning(format!("the template sets {template}{wanted}; advanced mode refuses that, and so would the rollback"))
        .way_out(format!(
            "aws rds modify-db-cluster --db-cluster-identifier {} --database-insights-mode standard --apply-immediately",
            act.partition.cluster.id
        ));
    Err(finding.into())
}

async fn snapshot(act: &mut Noting, warnings: &mut Vec<String>) -> Result<(), Stop> {
    let specs = act.partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Snapshot(spec) => Some(spec.id.clone()),
        _ => None,
    });
    let Some(id) = specs else { return Ok(()) };
    let existing = act.tools.aws.rds.snapshot(&id).await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let (verdict, seen) = match existing {
        None => (Verdict::Passed, "none".to_owned()),
        Some(old) => (Verdict::Warning, format!("{} is {} already", old.id, old.status)),
    };
    if verdict == Verdict::Warning {
        warnings.push(seen.clone());
    }
    act.check(
        Check::new("snapshot", "no snapshot of this rollout yet", "rds:DescribeDBClusterSnapshots", verdict)
            .seeing(seen),
    )
    .await
}

async fn namespace(act: &mut Noting) -> Result<(), Stop> {
    let Some(target) = act.partition.kubernetes.clone() else { return Ok(()) };
    let found = act.look.namespace_age().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let verdict = if found.is_some() { Verdict::Passed } else { Verdict::Failed };
    let seen = found.unwrap_or_else(|| "not found".to_owned());
    let source = format!("kubernetes context {}", target.context);
    let check = Check::new("namespace", format!("namespace {}", target.namespace), &source, verdict).seeing(&seen);
    act.check(check).await?;
    if verdict == Verdict::Passed {
        return Ok(());
    }
    let finding = Finding::of("namespace-missing", format!("there is no namespace {}", target.namespace))
        .because(Evidence::now(source, seen))
        .meaning("the application is somewhere else than the runbook assumes")
        .way_out("decide, and skip the drift checks with your reason, or correct the rollout file");
    Err(finding.into())
}

impl Look {
    /// The namespace's age in days, or none where there is no such namespace.
    async fn namespace_age(&self) -> Result<Option<String>, Trouble> {
        let namespace = self.tools.kubernetes().await?.namespace().await?;
        Ok(namespace.map(|namespace| match namespace.created {
            Some(created) => {
                format!("exists, {} days old", jiff::Timestamp::now().duration_since(created).as_hours() / 24)
            }
            None => "exists".to_owned(),
        }))
    }
}
