//! What went wrong with the deploying script, by its own words, by the stacks' events, and by what is in place.

use jiff::{SignedDuration, Timestamp};

use super::act::Act;
use super::artefacts::{self, Artefact, Artefacts, SECRET, STACKS, SecretValue};
use super::cluster::{self, DESCRIBE};
use super::context::{Look, Stop};
use super::{diagnosis, program};
use crate::clients::cloudformation::{StackEventView, StackView, first_failure};
use crate::clients::git::Git;
use crate::clients::program::Ended;
use crate::clients::rds::{ClusterView, EventSource};
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Way};
use crate::runbook::plan::{CommandSpec, Prerequisite, StepKind};

/// The source named where a stack's events are evidence.
pub const EVENTS: &str = "cloudformation:DescribeStackEvents";
const RESTARTS: &str = "rds:DescribeEvents";
/// Lines from the end that are read for the script's own words.
const LAST_WORDS: usize = 200;

/// Why CloudFormation would not take an update of a stack.
pub fn stuck(stack: &StackView) -> String {
    let (name, status) = (&stack.name, &stack.status);
    if stack.is_in_progress() {
        return format!("stack {name} is {status}: wait until that is over");
    }
    format!("stack {name} is {status}: continue its rollback first")
}

/// What went wrong.
///
/// # Errors
/// If the stacks' events cannot be read, or the session ends.
pub async fn diagnose(
    act: &mut Act,
    spec: &CommandSpec,
    ended: &Ended,
    said: &[String],
    found: &Artefacts,
) -> Result<Finding, Stop> {
    let finding = match found.stacks.iter().find(|stack| stack.is_broken()) {
        Some(stack) => of_stack(act, stack, found).await?,
        None if ended.is_success() => incomplete(act, spec, found).await,
        None => of_words(act, spec, said, found),
    };
    let finding = finding.because(Evidence::now(&spec.program, program::how(ended)));
    Ok(diagnosis::with_guide(act, finding))
}

/// By the script's own last words, where no stack failed.
fn of_words(act: &Act, spec: &CommandSpec, said: &[String], found: &Artefacts) -> Finding {
    let last = || said.iter().rev().take(LAST_WORDS);
    if let Some(line) = last().find(|line| line.contains("could not read secret '")) {
        return of_1password(act, spec, line, found);
    }
    if let Some(line) = last().find(|line| line.contains("The config profile (") && line.contains("could not be found"))
    {
        return Finding::of("profile-missing", format!("{} asked for a profile that does not exist", spec.program))
            .because(Evidence::now(&spec.program, line.trim()))
            .because(untouched(act, found))
            .meaning("nothing was deployed in this attempt")
            .way_out("give the script the configured profile and region with --profile and --region, then run it again")
            .again();
    }
    let error = last().find(|line| line.contains("ERROR") || line.contains("error:"));
    let mut finding = match error {
        Some(line) => Finding::unknown(line.trim()),
        None => Finding::unknown(format!("{} ended badly", spec.program)),
    };
    // What a script says last is the best there is where it does not say that it is an error.
    let told = error.or_else(|| last().find(|line| !line.trim().is_empty()));
    finding.evidence.extend(told.map(|line| Evidence::now(&spec.program, line.trim())));
    finding.because(untouched(act, found)).meaning(in_place(found)).again()
}

/// 1Password did not give what the script asked for: before it deployed anything, or after.
fn of_1password(act: &Act, spec: &CommandSpec, line: &str, found: &Artefacts) -> Finding {
    let item = line.split('\'').nth(1).unwrap_or("an item");
    let cause = format!("1Password did not give {item}");
    let after = found.were_touched();
    let finding = match () {
        () if line.contains("authorization timeout") && after => Finding::of("op-timeout-after-deploy", cause),
        () if line.contains("authorization timeout") => Finding::of("op-timeout-before-deploy", cause),
        () if line.contains("not signed in") => Finding::of("op-signed-out", cause),
        () => Finding::of("op-item-unreadable", cause),
    };
    let mut finding = finding.because(Evidence::now(&spec.program, line.trim())).because(untouched(act, found));
    finding.evidence.push(Evidence::now(DESCRIBE, format!("parameter group {}", found.cluster.parameter_group)));
    finding.evidence.extend(found.secret.map(|value| Evidence::now(SECRET, value_in_words(spec, value))));
    finding.means = Some(match (after, found.attached) {
        (true, _) => in_place(found),
        (false, Some(true)) => "nothing was deployed in this attempt; what is there, a former one made".to_owned(),
        (false, _) => "nothing was deployed, so there is nothing to take back; the snapshot stays valid".to_owned(),
    });
    let again = "run the script again: what it has done is not done twice";
    if line.contains("not signed in") {
        return finding.way_out(format!("sign in to 1Password, then {again}")).lever("sign-in-op", None).again();
    }
    finding.way_out(format!("unlock 1Password and be ready to approve its prompt, then {again}")).again()
}

/// A stack that failed in this attempt.
async fn of_stack(act: &mut Act, stack: &Artefact, found: &Artefacts) -> Result<Finding, Stop> {
    let since = act.attempt.started_at;
    let here = act.look.clone();
    let events = artefacts::settled(act, || here.tools.aws.cloudformation.events(&stack.name, since)).await?;
    let first = first_failure(&events);
    let (name, status) = (&stack.name, stack.status());
    let reason = first.and_then(|event| event.reason.as_deref()).unwrap_or_default();
    let cause = format!("stack {name} is {status}");
    let carried = |finding: Finding| {
        let finding = finding.because(Evidence::now(STACKS, format!("{name} {status}")));
        match first {
            Some(event) => finding.because(Evidence::now(EVENTS, failure_in_words(event))),
            None => finding,
        }
    };
    if status == "UPDATE_ROLLBACK_FAILED" {
        return Ok(rollback_failed(carried, cause, reason, found));
    }
    let rds = |event: &&StackEventView| event.resource_type.starts_with("AWS::RDS::");
    let group = Evidence::now(DESCRIBE, format!("parameter group {}", found.cluster.parameter_group));
    if events.iter().any(|event| rds(&event)) {
        return Ok(aurora_rolled_back(act, carried, cause, found).because(group));
    }
    let secret = first.is_some_and(|event| event.resource_type == "AWS::SecretsManager::Secret");
    let of_partition = format!("{}-{}-", act.partition.infrastructure, act.partition.name);
    let finding = match () {
        () if secret => carried(Finding::of("secrets-stack-failed", cause))
            .way_out("see that 1Password holds a well-formed DSN for the stack's parameter; then run the script again"),
        () if !name.starts_with(&of_partition) => carried(Finding::of("infra-stack-failed", cause)).way_out(
            "look at the stack's events and mend its cause, which is not this rollout's; then run the script again",
        ),
        () => carried(Finding::unknown(cause)),
    };
    let partition: Vec<&Artefact> = found.stacks.iter().filter(|each| each.name.starts_with(&of_partition)).collect();
    let finding = if partition.iter().any(|each| each.touched) {
        finding.meaning("it was rolled back; stacks of the partition were deployed before it")
    } else {
        let words = format!("no stack of {} was touched{}", act.partition.name, since_in_words(act));
        let words = Evidence::now(STACKS, words);
        finding.because(words).meaning("it was rolled back; Aurora was not touched, and the snapshot stays valid")
    };
    Ok(finding.because(group).again())
}

/// Aurora's stack was taken back. The snapshot of this run stays valid: what it holds is the cluster as it was before the
/// deploy, and as it is again. So the way goes through step 1, as the runbook has it, but step 1 only makes sure that its
/// snapshot is there, and takes no other.
fn aurora_rolled_back(look: &Look, carried: impl Fn(Finding) -> Finding, cause: String, found: &Artefacts) -> Finding {
    if found.attached == Some(true) {
        let finding = carried(Finding::unknown(format!("{cause}, and the new parameter group is still attached")));
        return finding.meaning("the cluster is not as it was before the deploy").again();
    }
    let finding = carried(Finding::of("aurora-stack-rolled-back", cause))
        .meaning("the old parameter group is attached again: the cluster is as it was before the deploy")
        .way_out("mend what its events name, in the template where need be; then start again from step 1: its snapshot stays valid, and is only looked at");
    match look.partition.steps.iter().find(|step| matches!(step.kind, StepKind::Snapshot(_))) {
        Some(step) => finding.offering(Way::Back { step: step.id.clone() }),
        None => finding.again(),
    }
}

/// The rollback failed as well. By the retention that advanced Insights ask for, the way out is known.
fn rollback_failed(carried: impl Fn(Finding) -> Finding, cause: String, reason: &str, found: &Artefacts) -> Finding {
    let left_out: Vec<&str> =
        found.stacks.iter().filter(|each| each.is_left_out()).map(|each| each.name.as_str()).collect();
    let rest = if left_out.is_empty() { String::new() } else { format!("; not redeployed: {}", left_out.join(", ")) };
    let means = format!("the cluster serves as before, and CloudFormation takes no update of the stack{rest}");
    let mode = found.cluster.insights_mode.as_deref().unwrap_or("unknown");
    let days = found.cluster.insights_retention_days.map_or_else(|| "unknown".to_owned(), |days| days.to_string());
    if !is_retention(reason) {
        return carried(Finding::unknown(cause))
            .meaning(means)
            .way_out("mend what its events name; continue the rollback; then run the script again")
            .lever("continue-rollback", None)
            .again();
    }
    carried(Finding::of("rollback-failed", cause))
        .because(Evidence::now(DESCRIBE, format!("Database Insights {mode}, retention {days} days")))
        .meaning(means)
        .way_out("set Database Insights to standard and wait until the cluster is available; continue the rollback; then run the script again")
        .lever("insights-standard", None)
        .lever("continue-rollback", None)
        .again()
}

/// Whether RDS refuses a retention because the cluster is in Database Insights' advanced mode.
pub fn is_retention(reason: &str) -> bool {
    reason.contains("Database Insights") && reason.contains("at least 465 days")
}

/// The script exited 0, and not everything is there.
async fn incomplete(act: &Act, spec: &CommandSpec, found: &Artefacts) -> Finding {
    let group = &found.cluster.parameter_group;
    if found.attached == Some(false) {
        let head = head(act, spec).await;
        return Finding::of("group-not-attached", format!("{} exited 0, and the cluster is still on {group}", spec.program))
            .because(Evidence::now(DESCRIBE, format!("parameter group {group}")))
            .because(Evidence::now("git rev-parse", head))
            .meaning("the template makes no parameter group for this partition: nothing that follows would hold")
            .way_out("stop the rollout: see that HEAD contains the change and that the partition's databaseTuning is there, and file a bug; once the template is mended, run the script again")
            .again()
            .offering(Way::RollBack);
    }
    let left_out: Vec<&Artefact> = found.stacks.iter().filter(|stack| stack.is_left_out()).collect();
    if left_out.is_empty() {
        let finding = Finding::unknown(format!("{} exited 0, and not everything is there", spec.program));
        return finding.because(Evidence::now("cockpit", in_place(found))).meaning(in_place(found)).again();
    }
    let names: Vec<&str> = left_out.iter().map(|stack| stack.name.as_str()).collect();
    let mut finding = Finding::of("stacks-skipped", format!("not redeployed in this attempt: {}", names.join(", ")));
    for stack in left_out {
        let at = stack.view.as_ref().and_then(StackView::last_touched).map_or_else(String::new, |at| format!(" {at}"));
        let words = format!("{} {}, last touched{at}; the script did not name it", stack.name, stack.status());
        finding = finding.because(Evidence::now(STACKS, words));
    }
    finding
        .meaning("they still run what an older deploy left; the rest is in place")
        .way_out("run the script again: what is in place is not done twice")
        .again()
}

/// The commit that the script ran from, and whether it holds the change that the rollout asks for.
async fn head(look: &Look, spec: &CommandSpec) -> String {
    let git = Git::at(&spec.directory);
    let head = match git.head().await {
        Ok(head) => head.trim().to_owned(),
        Err(trouble) => return trouble.to_string(),
    };
    let wanted = look.partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Preflight(preflight) => preflight.checks.iter().find_map(|check| match check {
            Prerequisite::GitTree { contains, .. } => Some(contains),
            _ => None,
        }),
        _ => None,
    });
    let Some(wanted) = wanted else { return format!("HEAD {head}") };
    match git.contains(wanted).await {
        Ok(true) => format!("HEAD {head} contains {wanted}"),
        Ok(false) => format!("HEAD {head} does not contain {wanted}"),
        Err(trouble) => format!("HEAD {head}; {trouble}"),
    }
}

/// The secret holds no DSN: the database's side goes on, the chart waits.
pub fn secret(look: &Look, spec: &CommandSpec, value: SecretValue) -> Finding {
    let situation = if value == SecretValue::Empty { "dsn-empty" } else { "dsn-malformed" };
    let chart = look.partition.steps.iter().find(|step| matches!(step.kind, StepKind::Deploy(_)));
    let chart = chart.map_or_else(|| "the chart".to_owned(), |step| format!("step {}", step.label));
    Finding::of(situation, value_in_words(spec, value))
        .because(Evidence::now(SECRET, value_in_words(spec, value)))
        .meaning(format!("stalled but not stopped: the database's steps go on, {chart} stays locked until it is there"))
        .way_out("restore the DSN in its 1Password entry, then run the script again")
        .lever("run-again", None)
}

fn value_in_words(spec: &CommandSpec, value: SecretValue) -> String {
    let id = spec.secret.as_ref().map_or("", |secret| secret.id.as_str());
    match value {
        SecretValue::Good => format!("secret {id} has its shape"),
        SecretValue::Empty => format!("secret {id} is empty"),
        SecretValue::Malformed => format!("the value of secret {id} does not look like a Sentry DSN"),
        SecretValue::Absent => format!("secret {id} does not exist"),
    }
}

/// What the deploy did to the instances: restarted them by itself, or queued what needs a restart.
///
/// # Errors
/// If the session ends.
pub async fn of_instances(act: &mut Act, cluster: &ClusterView) -> Result<Vec<Finding>, Stop> {
    let (mut restarted, mut queued) = (Vec::new(), Vec::new());
    let (mut times, mut statuses, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    for member in &cluster.members {
        let pending = member.instance.as_ref().map(|each| cluster::list(&each.pending)).unwrap_or_default();
        let words = if pending.is_empty() { "nothing queued".to_owned() } else { format!("queued: {pending}") };
        act.witness(DESCRIBE, format!("{}: group {}, {words}", member.id, member.group_status)).await?;
        if !pending.is_empty() {
            queued.push(member.id.to_string());
            lists.push(Evidence::now(
                "rds:DescribeDBInstances",
                format!("{}: PendingModifiedValues {pending}", member.id),
            ));
        }
        // RDS stamps events to the second, and some never come: what it does tell is evidence, and nothing rests on it.
        let since = act.attempt.started_at - SignedDuration::from_secs(1);
        let told = act.tools.aws.rds.events(&EventSource::Instance(member.id.clone()), since).await.unwrap_or_default();
        let of_restart = |message: &str| message.contains("restarted") || message.contains("shutdown");
        let told: Vec<_> = told.into_iter().filter(|event| of_restart(&event.message)).collect();
        let Some(last) = told.iter().rfind(|event| event.message.contains("restarted")) else { continue };
        restarted.push(format!("{} at {}", member.id, clock(act, last.at)));
        let list: Vec<String> = told.iter().map(|each| format!("{} {}", clock(act, each.at), each.message)).collect();
        times.push(Evidence::now(RESTARTS, format!("{}: {}", member.id, list.join("; "))));
        statuses.push(Evidence::now(DESCRIBE, format!("{}: parameter group {}", member.id, member.group_status)));
    }
    let mut remarks = Vec::new();
    if !restarted.is_empty() {
        let mut remark =
            Finding::of("cdk-rebooted", format!("the deploy restarted {} by itself", restarted.join(", ")))
                .meaning("where the group is in-sync, static parameters are live: the reader's restart is done already")
                .way_out("the reader's step may be skipped, with these times as the reason");
        remark.evidence.extend(times.into_iter().chain(statuses));
        remarks.push(remark);
    }
    if !queued.is_empty() {
        let mut remark = Finding::of("changes-queued", format!("the deploy only queued changes on {}", queued.join(", ")))
            .meaning("a restart does not apply them: the reader's step flushes instead of rebooting, and so does the one after the failover")
            .way_out("nothing now: go on, the steps find what is queued by themselves");
        remark.evidence.extend(lists);
        remarks.push(remark);
    }
    Ok(remarks)
}

/// That no stack was touched, or which were.
fn untouched(act: &Act, found: &Artefacts) -> Evidence {
    let touched: Vec<&str> =
        found.stacks.iter().filter(|stack| stack.touched).map(|stack| stack.name.as_str()).collect();
    if touched.is_empty() {
        let words = format!("none of {} stacks was touched{}", found.stacks.len(), since_in_words(act));
        return Evidence::now(STACKS, words);
    }
    Evidence::now(STACKS, format!("touched{}: {}", since_in_words(act), touched.join(", ")))
}

/// What is in place, and what is not.
fn in_place(found: &Artefacts) -> String {
    let (held, rest): (Vec<&Artefact>, Vec<&Artefact>) = found.stacks.iter().partition(|stack| stack.holds());
    let mut missing: Vec<String> =
        rest.iter().map(|stack| format!("{} {}", stack.name, or_absent(stack.status()))).collect();
    missing
        .extend((found.attached == Some(false)).then(|| format!("parameter group {}", found.cluster.parameter_group)));
    missing.extend((found.secret == Some(SecretValue::Absent)).then(|| "the secret does not exist".to_owned()));
    let attached = if found.attached == Some(true) { ", the new parameter group is attached" } else { "" };
    let there = format!("in place: {} of {} stacks{attached}", held.len(), found.stacks.len());
    if missing.is_empty() {
        return format!("{there}; only the script's end is missing, and a rerun is idempotent");
    }
    format!("{there}; not in place: {}", missing.join("; "))
}

fn or_absent(status: &str) -> &str {
    if status.is_empty() { "does not exist" } else { status }
}

/// An event that tells of a failure, in one line.
pub fn failure_in_words(event: &StackEventView) -> String {
    let reason = event.reason.as_deref().unwrap_or("without a reason");
    format!("{} ({}) {}: {reason}", event.resource, event.resource_type, event.status)
}

fn since_in_words(act: &Act) -> String {
    format!(" since {}", clock(act, act.attempt.started_at))
}

fn clock(look: &Look, at: Timestamp) -> String {
    at.to_zoned(look.zone()).strftime("%H:%M:%S").to_string()
}
