//! One instance: its queued changes applied, or restarted.

use super::super::act::Act;
use super::super::cluster;
use super::super::context::{Look, Patience, Stop};
use super::super::diagnosis;
use super::super::restart_reader::{Need, flush, reboot};
use crate::clients::Trouble;
use crate::clients::rds::{ClusterView, MemberView};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Choice, Finding, Outcome};
use crate::runbook::names::InstanceId;

/// The instances with something queued, readers first.
fn queued(cluster: &ClusterView) -> Vec<&MemberView> {
    in_order(cluster, |member| matches!(Need::of(member), Some(Need::Flush(_))), |_| false)
}

/// The instances that could be rebooted: those that wait for it first, and readers before the writer.
fn rebootable(cluster: &ClusterView) -> Vec<&MemberView> {
    in_order(cluster, |_| true, |member| member.group_status == "pending-reboot")
}

fn in_order(
    cluster: &ClusterView,
    takes: impl Fn(&MemberView) -> bool,
    first: impl Fn(&MemberView) -> bool,
) -> Vec<&MemberView> {
    let usable = |member: &&MemberView| member.status() == Some("available") && takes(member);
    let mut members: Vec<&MemberView> = cluster.members.iter().filter(usable).collect();
    members.sort_by_key(|member| (!first(member), member.is_writer));
    members
}

/// A brief with the instances as choices; without one there is nothing to pull the lever for.
fn brief(
    look: &Look,
    what: &str,
    cluster: &ClusterView,
    members: &[&MemberView],
    need: impl Fn(&MemberView) -> Need,
) -> Brief {
    let mut brief = look.brief(format!("{what} an instance of {}", look.partition.cluster.id));
    brief.preconditions = vec![cluster::available(cluster)];
    if members.is_empty() {
        let none = format!("no instance that is available: there is nothing to {}", what.to_lowercase());
        brief.preconditions.push(Precondition::now(none, Holds::No));
    }
    for member in &cluster.members {
        let usual = member.status() == Some("available");
        let text = format!("{}: {}", member.id, standing(member));
        brief.preconditions.push(Precondition::now(text, if usual { Holds::Yes } else { Holds::Mind }));
    }
    for member in members {
        let cost = if member.is_writer { "; writes fail meanwhile" } else { "; traffic goes on" };
        brief.choices.push(Choice { id: member.id.to_string(), label: format!("{}{cost}", standing(member)) });
        brief.calls.push(need(member).change(member).call(&look.tools.aws.target));
    }
    brief
}

/// A member's role and standing, in words.
fn standing(member: &MemberView) -> String {
    let role = if member.is_writer { "the writer" } else { "a reader" };
    let class = member.class().unwrap_or("unknown class");
    let queued = member.instance.as_ref().map(|instance| &instance.pending).filter(|pending| !pending.is_empty());
    let queued = queued.map(|pending| format!(", queued: {}", cluster::list(pending))).unwrap_or_default();
    format!("{role}, {}, {class}, {}{queued}", member.status().unwrap_or("unknown"), member.group_status)
}

pub(super) async fn brief_flush(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let flush = |member: &MemberView| Need::Flush(member.pending_class().map(str::to_owned));
    let mut brief = brief(look, "Flush", &cluster, &queued(&cluster), flush);
    if queued(&cluster).is_empty() {
        brief.preconditions.push(Precondition::now("nothing is queued on any instance", Holds::No));
    }
    Ok(brief)
}

pub(super) async fn brief_reboot(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    Ok(brief(look, "Reboot", &cluster, &rebootable(&cluster), |_| Need::Reboot))
}

pub(super) async fn run_flush(act: &mut Act) -> Result<Outcome, Stop> {
    let cluster = cluster(act).await?;
    let (member, taken_up) = chosen(act, &cluster, &queued(&cluster))?;
    let class = match taken_up {
        Some(class) => Some(class).filter(|class| !class.is_empty()),
        None => member.pending_class().map(str::to_owned),
    };
    let writer = member.is_writer.then(|| member.id.clone());
    let outcome = flush(act, &member, class).await?;
    serves_again(act, writer).await?;
    Ok(outcome)
}

pub(super) async fn run_reboot(act: &mut Act) -> Result<Outcome, Stop> {
    let cluster = cluster(act).await?;
    let (member, _) = chosen(act, &cluster, &rebootable(&cluster))?;
    let writer = member.is_writer.then(|| member.id.clone());
    let outcome = reboot(act, &member).await?;
    serves_again(act, writer).await?;
    Ok(outcome)
}

async fn cluster(act: &Act) -> Result<ClusterView, Stop> {
    Ok(act.cluster().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?)
}

/// The instance of the attempt's intent, with the class that it flushes; else the one that was chosen, if it is among those
/// that the lever may be pulled for now.
fn chosen(act: &Act, cluster: &ClusterView, members: &[&MemberView]) -> Result<(MemberView, Option<String>), Stop> {
    let intended = act.intended().map(|intended| &intended.action.before);
    if let Some(before) = intended
        && let Some(member) = before.get("instance").and_then(|id| cluster.member(&id.as_str().into()))
    {
        return Ok((member.clone(), Some(before.get("flushes").cloned().unwrap_or_default())));
    }
    let refused = |why: String| {
        let evidence = cluster.members.iter().map(|member| format!("{}: {}", member.id, standing(member)));
        Finding::unknown(why)
            .because(Evidence::now(cluster::DESCRIBE, evidence.collect::<Vec<_>>().join("; ")))
            .meaning("nothing was sent")
            .way_out("pull the lever again and choose an instance that it offers")
    };
    match (act.attempt.choice.as_deref(), members) {
        (Some(id), _) => {
            let found = members.iter().find(|member| member.id.as_str().eq_ignore_ascii_case(id));
            found
                .map(|member| ((*member).clone(), None))
                .ok_or_else(|| refused(format!("{id} is not to be had now")).into())
        }
        (None, [only]) => Ok(((*only).clone(), None)),
        (None, _) => Err(refused("it is not clear which instance is meant".to_owned()).into()),
    }
}

/// After the writer's restart: waits until the endpoint leads to a server that takes writes again.
async fn serves_again(act: &mut Act, writer: Option<InstanceId>) -> Result<(), Stop> {
    const SOURCE: &str = "SQL through the writer endpoint";
    let Some(writer) = writer.filter(|_| act.partition.sql.is_some()) else { return Ok(()) };
    let check = |verdict| Check::new("serves", format!("{writer} serves again"), SOURCE, verdict);
    let mut patience = Patience::new(act.step.limit);
    loop {
        let asked = async { act.tools.sql().await?.who_am_i().await }.await;
        let seen = act.bear(&mut patience, asked).await?;
        if let Some(who) = seen.filter(|who| who.is_writer) {
            let since = who.started.to_zoned(act.zone()).strftime("%H:%M:%S").to_string();
            return act.check(check(Verdict::Passed).seeing(format!("its server process began at {since}"))).await;
        }
        act.check(check(Verdict::Settling)).await?;
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "the writer's return", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}
