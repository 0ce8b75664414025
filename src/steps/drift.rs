//! Step 0: what is there, held against what the runbook was written for. Identifiers are read, not trusted.

use super::cluster::{self, DESCRIBE};
use super::context::{Look, Noting, Stop};
use super::preflight::{advanced_insights, another_account, concluded, is_same};
use super::{diagnosis, snapshot};
use crate::clients::Trouble;
use crate::clients::identity::Caller;
use crate::clients::rds::ClusterView;
use crate::clock;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome, Way};
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

/// What was found: what holds the step up, and what is but to be minded.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    warnings: Vec<String>,
}

impl Found {
    /// Keeps the trouble of a look, so that it hides no other; the same trouble is kept once.
    fn or_trouble(&mut self, look: &Look, seen: Result<(), Trouble>) {
        if let Err(trouble) = seen {
            self.keep(diagnosis::of_trouble(look, &trouble));
        }
    }

    fn keep(&mut self, finding: Finding) {
        if !self.findings.iter().any(|known| is_same(known, &finding)) {
            self.findings.push(finding);
        }
    }
}

pub(super) async fn run(act: &mut Noting) -> Result<Outcome, Stop> {
    let mut found = Found::default();
    match act.tools.aws.identity.caller().await {
        Ok(caller) => account(act, &mut found, &caller).await?,
        Err(trouble) => found.or_trouble(act, Err(trouble)),
    }
    match act.cluster().await {
        Ok(cluster) => {
            members(act, &mut found, &cluster).await?;
            as_expected(act, &mut found, &cluster).await?;
            insights(act, &mut found, &cluster).await?;
        }
        Err(trouble) => found.or_trouble(act, Err(trouble)),
    }
    old_snapshot(act, &mut found).await?;
    namespace(act, &mut found).await?;
    concluded(act, found.findings, found.warnings).await
}

/// Whoever is signed in to another account may do nothing here.
async fn account(act: &mut Noting, found: &mut Found, caller: &Caller) -> Result<(), Stop> {
    let finding = another_account(&act.partition, caller);
    let verdict = if finding.is_none() { Verdict::Passed } else { Verdict::Failed };
    let check = Check::new("account", "AWS account", "sts:GetCallerIdentity", verdict).seeing(&caller.account);
    let check = match act.partition.aws.account.clone() {
        Some(expected) => check.expecting(expected),
        None => check,
    };
    found.findings.extend(finding);
    act.check(check).await
}

async fn members(act: &mut Noting, found: &mut Found, cluster: &ClusterView) -> Result<(), Stop> {
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
    let verdict = if missing.is_empty() { Verdict::Passed } else { Verdict::Failed };
    let check = Check::new("members", "writer and reader by name", DESCRIBE, verdict);
    act.check(check.expecting(list(&expected)).seeing(real.join(", "))).await?;
    let evidence = Evidence::now(DESCRIBE, format!("members: {}", real.join(", ")));
    if missing.is_empty() {
        if !exact {
            let finding = Finding::of("lowercased-ids", "the members differ from the runbook's names by case only")
                .because(evidence)
                .meaning("no drift: RDS keeps identifiers in lowercase; the real ones are used everywhere")
                .way_out("nothing");
            act.remark(finding).await?;
        }
        return Ok(());
    }
    let because = format!("the members are {}; the identifiers are read, not taken from the runbook", real.join(", "));
    found.keep(
        Finding::of("renamed-instance", format!("{} has no member {}", cluster.id, missing.join(", ")))
            .because(evidence)
            .meaning("a rename may mean that this is not the cluster that the runbook was written for")
            .way_out("find out who renamed it and why; where it is the right cluster, decide, and skip with that reason; it goes into the execution log")
            .offering(Way::Skip { because })
            .again(),
    );
    Ok(())
}

fn list(ids: &[crate::runbook::names::InstanceId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The cluster's status, its classes and its parameter group.
async fn as_expected(act: &mut Noting, found: &mut Found, cluster: &ClusterView) -> Result<(), Stop> {
    let target = act.partition.cluster.clone();
    found.findings.extend(cluster::terminal(act, cluster));
    let mut rows = vec![held("status", "cluster available", Some("available"), &cluster.status)];
    for member in &cluster.members {
        let (id, label) = (format!("class {}", member.id), format!("class of {}", member.id));
        rows.push(held(&id, &label, target.class_before.as_deref(), member.class().unwrap_or("")));
    }
    for check in rows {
        if check.verdict == Verdict::Warning {
            found.warnings.push(format!("{}: {}", check.label, check.seen.clone().unwrap_or_default()));
        }
        act.check(check).await?;
    }
    let mut check =
        held("group", "parameter group untouched", target.group_before.as_deref(), &cluster.parameter_group);
    if check.verdict == Verdict::Warning {
        check.verdict = Verdict::Failed;
        found.keep(already_touched(target.group_before.as_deref().unwrap_or_default(), cluster));
    }
    act.check(check).await
}

fn already_touched(before: &str, cluster: &ClusterView) -> Finding {
    let group = &cluster.parameter_group;
    Finding::of("already-touched", format!("{} is on {group} already, not on {before}", cluster.id))
        .because(Evidence::now(DESCRIBE, format!("DBClusterParameterGroup {group}")))
        .meaning("somebody changed it before: by a former run of this rollout, or by hand; step 2 puts the rollout's group in its place")
        .way_out("find out whose group it is and whether its parameters are still needed; decide, and skip with that reason; it goes into the execution log")
        .offering(Way::Skip { because: format!("it is known that the cluster is on {group}; step 2 replaces it") })
        .again()
}

fn held(id: &str, label: &str, expected: Option<&str>, seen: &str) -> Check {
    let verdict = if expected.is_none_or(|expected| expected == seen) { Verdict::Passed } else { Verdict::Warning };
    let check = Check::new(id, label, DESCRIBE, verdict).seeing(seen);
    match expected {
        Some(expected) => check.expecting(expected),
        None => check,
    }
}

async fn insights(act: &mut Noting, found: &mut Found, cluster: &ClusterView) -> Result<(), Stop> {
    let Some(template) = act.partition.cluster.insights_mode.clone() else { return Ok(()) };
    let mode = cluster.insights_mode.clone().unwrap_or_else(|| "standard".to_owned());
    let days = cluster.insights_retention_days.map_or_else(|| "none".to_owned(), |days| format!("{days} days"));
    let wanted =
        act.partition.cluster.insights_retention_days.map_or_else(String::new, |days| format!(", {days} days"));
    let finding = advanced_insights(act, cluster);
    let verdict = if finding.is_none() { Verdict::Passed } else { Verdict::Failed };
    let check = Check::new("insights", "Database Insights as the template has it", DESCRIBE, verdict);
    found.findings.extend(finding);
    act.check(check.expecting(format!("{template}{wanted}")).seeing(format!("{mode}, {days}"))).await
}

async fn old_snapshot(act: &mut Noting, found: &mut Found) -> Result<(), Stop> {
    let specs = act.partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Snapshot(spec) => Some(spec.id.clone()),
        _ => None,
    });
    let Some(id) = specs else { return Ok(()) };
    let (verdict, seen) = match act.tools.aws.rds.snapshot(&id).await {
        Ok(None) => (Verdict::Passed, "none".to_owned()),
        Ok(Some(old)) => (Verdict::Warning, format!("{} is {} already", old.id, old.status)),
        Err(trouble) => {
            let seen = trouble.to_string();
            found.or_trouble(act, Err(trouble));
            (Verdict::Failed, seen)
        }
    };
    if verdict == Verdict::Warning {
        found.warnings.push(seen.clone());
    }
    act.check(Check::new("snapshot", "no snapshot of this rollout yet", snapshot::DESCRIBE, verdict).seeing(seen)).await
}

async fn namespace(act: &mut Noting, found: &mut Found) -> Result<(), Stop> {
    let Some(target) = act.partition.kubernetes.clone() else { return Ok(()) };
    let source = format!("kubernetes context {}", target.context);
    let label = format!("namespace {}", target.namespace);
    let (verdict, seen) = match act.look.namespace_age().await {
        Ok(Some(age)) => (Verdict::Passed, age),
        Ok(None) => {
            let alike = act.look.namespaces_alike(&target.namespace).await;
            found.keep(namespace_missing(&target.namespace, &source, &alike));
            (Verdict::Failed, "not found".to_owned())
        }
        Err(trouble) => {
            let seen = trouble.to_string();
            found.or_trouble(act, Err(trouble));
            (Verdict::Failed, seen)
        }
    };
    act.check(Check::new("namespace", label, source, verdict).seeing(seen)).await
}

fn namespace_missing(name: &str, source: &str, alike: &Result<Vec<String>, Trouble>) -> Finding {
    let (named, remedy) = match alike {
        Ok(alike) if !alike.is_empty() => {
            let alike = alike.join(", ");
            (
                format!("not found; named alike: {alike}"),
                format!(
                    "find out whether the application is in {alike}; if so, name that namespace in the rollout file and start anew: nothing was fired yet"
                ),
            )
        }
        Ok(_) => (
            "not found; none is named alike".to_owned(),
            "see whether the context leads to the right cluster, and who removed it; then check again".to_owned(),
        ),
        Err(trouble) => (
            format!("not found; the others could not be listed: {trouble}"),
            "list the namespaces by hand; then check again".to_owned(),
        ),
    };
    Finding::of("namespace-missing", format!("there is no namespace {name}"))
        .because(Evidence::now(source, named))
        .meaning("the application is somewhere else than the runbook assumes; steps 8 and 9 would go to a namespace that is not there")
        .way_out(remedy)
        .again()
        .offering(Way::Skip { because: format!("{name} will be there before step 8") })
}

impl Look {
    /// The namespace's age in days, or none where there is no such namespace.
    async fn namespace_age(&self) -> Result<Option<String>, Trouble> {
        let namespace = self.tools.kubernetes().await?.namespace().await?;
        Ok(namespace.map(|namespace| match namespace.created {
            Some(created) => {
                format!("exists, {} days old", clock::now().duration_since(created).as_hours() / 24)
            }
            None => "exists".to_owned(),
        }))
    }

    /// Namespaces that share a word of their names with that one: the first, the partition's own, or else any.
    async fn namespaces_alike(&self, name: &str) -> Result<Vec<String>, Trouble> {
        let all = self.tools.kubernetes().await?.namespaces().await?;
        let words: Vec<&str> = name.split('-').filter(|word| word.len() > 2).collect();
        let own = |other: &String| other.split('-').next() == words.first().copied();
        let alike = |other: &String| other.split('-').any(|word| words.contains(&word));
        // What merely belongs to another partition shares a word with its sister as well.
        let others: Vec<_> =
            self.plan.partitions.iter().filter_map(|partition| partition.kubernetes.as_ref()).collect();
        let taken = |name: &String| others.iter().any(|other| other.namespace == *name);
        let alike: Vec<String> = all.into_iter().filter(|name| alike(name) && !taken(name)).collect();
        let of_partition: Vec<String> = alike.iter().filter(|name| own(name)).cloned().collect();
        Ok(if of_partition.is_empty() { alike } else { of_partition })
    }
}
