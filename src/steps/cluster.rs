//! What several steps say about a cluster and its members.

use jiff::Timestamp;

use super::act::{Act, Looked};
use super::context::{Look, Stop};
use super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::{ClusterView, EventSource, MemberView};
use crate::runbook::check::{Check, Precondition, Verdict};
use crate::runbook::event::Finding;
use crate::runbook::names::InstanceId;

/// The source named in checks that rest on the cluster's description.
pub const DESCRIBE: &str = "rds:DescribeDBClusters, DescribeDBInstances";

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
        let evidence = crate::runbook::check::Evidence::now(DESCRIBE, format!("status {}", cluster.status));
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
    let evidence = crate::runbook::check::Evidence::now(&trouble.call, trouble.to_string());
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
/// If it does not come about, cannot be looked at, or the session ends.
pub async fn settle_member(act: &mut Act, id: &InstanceId, awaited: Awaited<'_>) -> Result<(), Stop> {
    let mut patience = super::context::Patience::new(act.look.step.limit);
    loop {
        let seen = act.cluster().await;
        if let Some(cluster) = act.bear(&mut patience, seen).await? {
            if let Some(finding) = terminal(act, &cluster) {
                return Err(finding.into());
            }
            if let Some(member) = cluster.member(id).cloned()
                && member_checks(act, &member, awaited).await?
            {
                return Ok(());
            }
        }
        if patience.is_over() {
            return Err(not_settled(act, id, patience.trouble.as_ref()));
        }
        act.wait(act.look.pause).await?;
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

fn not_settled(act: &Act, id: &InstanceId, trouble: Option<&Trouble>) -> Stop {
    let open = act.attempt.checks.iter().find(|check| check.verdict == Verdict::Settling);
    let mut finding = match open.map(|check| check.id.as_str()) {
        Some("in-sync") => Finding::of("reader-pending-reboot", format!("{id} came back and is still pending-reboot"))
            .meaning("its static parameters were not picked up")
            .way_out("try again once; if it stays so, roll back"),
        Some("available") => Finding::of("reader-stuck", format!("{id} does not become available"))
            .meaning("no failover: a cluster with one unhealthy instance can end without a writer")
            .way_out("look at its RDS events; open a case with AWS support"),
        _ => return diagnosis::time_over(act, &format!("{id} as it should be"), trouble).into(),
    };
    if let Some(check) = open {
        let seen = check.seen.clone().unwrap_or_default();
        finding = finding.because(crate::runbook::check::Evidence::now(DESCRIBE, format!("{}: {seen}", check.label)));
    }
    finding.into()
}

/// No sign of a call's effect, in the words of what was seen instead.
pub fn no_sign(seen: impl Into<String>) -> Result<Looked, Trouble> {
    Ok(Looked::NoSign(seen.into()))
}

/// The effect of a call.
pub fn done(seen: impl Into<String>) -> Result<Looked, Trouble> {
    Ok(Looked::Done(seen.into()))
}
