//! What several steps say about a cluster and its members.

use jiff::Timestamp;
use tokio::time::Instant;

use super::act::{Act, Looked};
use super::context::{Look, Stop};
use super::diagnosis;
use crate::awake;
use crate::clients::Trouble;
use crate::clients::rds::{ClusterView, EventSource, MemberView};
use crate::runbook::check::{Check, Evidence, Precondition, Verdict};
use crate::runbook::event::{Finding, Way};
use crate::runbook::names::InstanceId;
use crate::runbook::plan::StepKind;

/// The source named in checks that rest on the cluster's description.
pub const DESCRIBE: &str = "rds:DescribeDBClusters, DescribeDBInstances";

/// The source named in evidence that RDS events give.
const EVENTS: &str = "rds:DescribeEvents";

/// Statuses from which a cluster does not come back by itself.
const TERMINAL: [&str; 4] = [
    "inaccessible-encryption-credentials",
    "inaccessible-encryption-credentials-recoverable",
    "failed",
    "cloning-failed",
];

/// The reader of a two-node cluster; with more readers, the first that is available.
///
/// # Errors
/// If there is none.
pub fn reader<'a>(look: &Look, cluster: &'a ClusterView) -> Result<&'a MemberView, Finding> {
    let available = cluster.readers().find(|member| member.status() == Some("available"));
    available.or_else(|| cluster.readers().next()).ok_or_else(|| {
        let finding = Finding::unknown(format!("{} has no reader", cluster.id));
        diagnosis::with_guide(look, finding.meaning("there is nothing to restart and nothing to fail over to"))
    })
}

/// The writer by the API.
///
/// # Errors
/// If the API names none.
pub fn writer<'a>(look: &Look, cluster: &'a ClusterView) -> Result<&'a MemberView, Finding> {
    cluster
        .writer()
        .ok_or_else(|| diagnosis::with_guide(look, Finding::unknown(format!("RDS names no writer of {}", cluster.id))))
}

/// The cluster is available, or the precondition says what it is instead.
pub fn available(cluster: &ClusterView) -> Precondition {
    Precondition::require(cluster.status == "available", format!("cluster {}", cluster.status))
}

/// The member is available, with its class.
pub fn member_available(member: &MemberView) -> Precondition {
    let status = member.status().unwrap_or("unknown");
    let class = member.class().unwrap_or("unknown class");
    Precondition::require(status == "available", format!("{} {status}, {class}", member.id))
}

/// Whether the cluster is in a state that only AWS can end.
pub fn terminal(look: &Look, cluster: &ClusterView) -> Option<Finding> {
    TERMINAL.contains(&cluster.status.as_str()).then(|| {
        let finding = Finding::of("cluster-terminal", format!("{} is in {}", cluster.id, cluster.status));
        let finding = finding.meaning("the cluster does not come back by itself; nothing more is fired");
        let evidence = Evidence::now(DESCRIBE, format!("status {}", cluster.status));
        diagnosis::with_guide(
            look,
            finding.because(evidence).way_out("open a case with AWS support; look again once it is mended"),
        )
        .again_after(look.step.retry_after)
    })
}

/// The first restart of an instance that RDS reports since a moment.
///
/// # Errors
/// As the call.
pub async fn restart_since(
    look: &Look,
    instance: &InstanceId,
    since: Timestamp,
) -> Result<Option<(Timestamp, String)>, Trouble> {
    let events = look.tools.aws.rds.events(&EventSource::Instance(instance.clone()), since).await?;
    let restart =
        events.into_iter().find(|event| event.at >= since && event.message.to_lowercase().contains("restart"));
    Ok(restart.map(|event| (event.at, event.message)))
}

/// Why a cluster whose state was asked for could not be changed.
pub fn refused(look: &Look, situation: &str, trouble: &Trouble, cluster: Option<&ClusterView>) -> Finding {
    let busy = trouble.is_code("InvalidDBClusterStateFault") || trouble.is_code("InvalidDBInstanceState");
    if !busy {
        return diagnosis::of_trouble(look, trouble);
    }
    let status = cluster.map_or("in a state that does not allow it", |cluster| cluster.status.as_str());
    let finding = Finding::of(situation, format!("{} is {status}; RDS refused", look.partition.cluster.id));
    let evidence = Evidence::now(&trouble.call, trouble.to_string());
    diagnosis::with_guide(look, finding.because(evidence).meaning("nothing changed; the writer goes on serving"))
}

/// What is waited for on an instance, besides that it is available and in step with its parameter group.
#[derive(Debug, Clone, Copy, Default)]
pub struct Awaited<'a> {
    /// It has this class.
    pub class: Option<&'a str>,
    /// Nothing is queued on it any more.
    pub flushed: bool,
}

/// Waits until an instance is available and in step with its parameter group, and as awaited.
///
/// # Errors
/// If it does not come about, stands still on the way, cannot be looked at, or the session ends.
pub async fn settle_member(act: &mut Act, id: &InstanceId, awaited: Awaited<'_>) -> Result<(), Stop> {
    let mut patience = super::context::Patience::new(act.look.step.limit);
    let mut still: Option<(&'static str, Instant)> = None;
    loop {
        let seen = act.cluster().await;
        let seen = act.bear(&mut patience, seen).await?;
        if let Some(cluster) = seen {
            if let Some(finding) = terminal(act, &cluster) {
                return Err(finding.into());
            }
            if let Some(member) = cluster.member(id).cloned() {
                if member_checks(act, &member, awaited).await? {
                    return Ok(());
                }
                let stands = stands_still(act, &member);
                still = stands.map(|how| still.filter(|(known, _)| *known == how).unwrap_or((how, awake::now())));
            }
        }
        let stuck =
            still.is_some_and(|(_, since)| awake::now().saturating_duration_since(since) >= act.look.step.stuck_after);
        if stuck || patience.is_over() {
            return Err(not_settled(act, id, patience.trouble.as_ref()).await);
        }
        act.wait(act.look.pause).await?;
    }
}

/// By what a restart stands still, if it does: it does not come back, or only its static parameters are missing. A class
/// change takes as long as it takes.
fn stands_still(act: &Act, member: &MemberView) -> Option<&'static str> {
    let mut open = act.attempt.checks.iter().filter(|check| check.verdict == Verdict::Settling);
    let only_group = open.all(|check| check.id == "in-sync");
    match member.status()? {
        "rebooting" => Some("rebooting"),
        "available" if only_group && member.group_status == "pending-reboot" => Some("pending-reboot"),
        _ => None,
    }
}

/// Writes down how a member stands; whether all of it is as it should be.
async fn member_checks(act: &mut Act, member: &MemberView, awaited: Awaited<'_>) -> Result<bool, Stop> {
    let status = member.status().unwrap_or("unknown");
    let pending = member.instance.as_ref().map(|instance| &instance.pending).filter(|pending| !pending.is_empty());
    let mut rows = vec![
        ("available", format!("{} available", member.id), status == "available", status.to_owned()),
        (
            "in-sync",
            "parameter group in-sync".to_owned(),
            member.group_status == "in-sync",
            member.group_status.clone(),
        ),
    ];
    if let Some(class) = awaited.class {
        let seen = member.class().unwrap_or("unknown");
        rows.insert(0, ("class", format!("class {class}"), seen == class, seen.to_owned()));
    }
    if awaited.flushed {
        let queued = pending.map_or_else(|| "nothing".to_owned(), list);
        rows.push(("queue", "nothing queued".to_owned(), pending.is_none(), queued));
    }
    let mut all = true;
    for (id, label, holds, seen) in rows {
        let verdict = if holds { Verdict::Passed } else { Verdict::Settling };
        all &= holds;
        act.check(Check::new(id, label, DESCRIBE, verdict).seeing(seen)).await?;
    }
    Ok(all)
}

/// Queued values as text.
pub fn list(pending: &std::collections::BTreeMap<String, String>) -> String {
    pending.iter().map(|(name, value)| format!("{name} → {value}")).collect::<Vec<_>>().join(", ")
}

async fn not_settled(act: &Act, id: &InstanceId, trouble: Option<&Trouble>) -> Stop {
    let settling =
        |wanted: &str| act.attempt.checks.iter().find(|one| one.id == wanted && one.verdict == Verdict::Settling);
    let (finding, open) = match (settling("available"), settling("in-sync")) {
        (Some(open), _) => (stuck(act, id, open).await, open),
        (None, Some(open)) => (pending_reboot(act, id), open),
        (None, None) => match settling("class").or_else(|| settling("queue")) {
            Some(open) => (not_carried_out(act, id), open),
            None => return diagnosis::time_over(act, &format!("{id} as it should be"), trouble).into(),
        },
    };
    let seen = open.seen.clone().unwrap_or_default();
    let mut finding = finding.because(Evidence::now(DESCRIBE, format!("{}: {seen}", open.label)));
    if let Some(trouble) = trouble {
        finding = finding.because(Evidence::now(&trouble.call, trouble.to_string()));
    }
    finding.into()
}

/// An instance that does not come back, with what RDS tells of it.
async fn stuck(act: &Act, id: &InstanceId, open: &Check) -> Finding {
    let status = open.seen.as_deref().unwrap_or("not available");
    let finding = Finding::of("reader-stuck", format!("{id} is {status} and does not become available"))
        .meaning("no failover: a cluster with one unhealthy instance can end without a writer")
        .way_out("wait for AWS and look again, which does not restart it anew; if it stays so, open a support case")
        .again_after(act.step.retry_after);
    let events = act.tools.aws.rds.events(&EventSource::Instance(id.clone()), act.attempt.started_at).await;
    let told = match events {
        Ok(events) if events.is_empty() => vec![Evidence::now(EVENTS, format!("nothing is reported of {id}"))],
        Ok(events) => events
            .into_iter()
            .map(|event| Evidence { source: EVENTS.into(), text: event.message, at: event.at })
            .collect(),
        Err(trouble) => vec![Evidence::now(&trouble.call, trouble.to_string())],
    };
    told.into_iter().fold(finding, Finding::because)
}

/// A flush that was taken, after which what was queued still is.
fn not_carried_out(act: &Act, id: &InstanceId) -> Finding {
    let cause = format!("{id} is available and in sync, and what was queued on it is not carried out");
    let finding = match act.step.kind {
        StepKind::FlushDemoted => Finding::of("demoted-not-swapped", cause),
        _ => Finding::unknown(cause),
    };
    finding
        .meaning("it serves with the class that it had; the two instances differ")
        .way_out("flush it again; where that does not take either, reboot it and look at PendingModifiedValues")
        .again()
        .lever("reboot-instance", Some(id.as_str()))
}

/// An instance that restarted without picking up its static parameters: one retry, then the partition is rolled back.
fn pending_reboot(act: &Act, id: &InstanceId) -> Finding {
    let finding = Finding::of("reader-pending-reboot", format!("{id} came back and is still pending-reboot"))
        .meaning("its static parameters were not picked up");
    let former = act.look.attempts().iter().filter(|attempt| attempt.number != act.attempt.number);
    let sent = former.chain([&act.attempt]).flat_map(|attempt| &attempt.actions).filter(|one| one.may_have_acted());
    if sent.count() > 1 {
        return finding
            .way_out("it was tried again: treat it as a construct bug, and roll back")
            .offering(Way::RollBack);
    }
    finding.way_out("try again once; if it stays so, roll back").again().offering(Way::RollBack)
}

/// No sign of a call's effect, in the words of what was seen instead.
pub fn no_sign(seen: impl Into<String>) -> Result<Looked, Trouble> {
    Ok(Looked::NoSign(seen.into()))
}

/// The effect of a call.
pub fn done(seen: impl Into<String>) -> Result<Looked, Trouble> {
    Ok(Looked::Done(seen.into()))
}
