//! Database Insights to standard: the template's retention is refused while the mode is advanced.

use super::super::act::{Act, Acted};
use super::super::cluster::{self, DESCRIBE, done, no_sign};
use super::super::context::{Look, Patience, Stop};
use super::super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::{Change, ClusterView};
use crate::runbook::check::{Check, Precondition, Verdict};
use crate::runbook::event::{Brief, Outcome};

const STANDARD: &str = "standard";
const KEY: &str = "set Database Insights to standard";

fn change(look: &Look) -> Change {
    Change::InsightsMode { cluster: look.partition.cluster.id.clone(), mode: STANDARD.to_owned() }
}

/// The mode as RDS answers it, which leaves it out where it is the standard one.
fn mode(cluster: &ClusterView) -> &str {
    cluster.insights_mode.as_deref().unwrap_or(STANDARD)
}

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let mut brief = look.brief(format!("Set Database Insights of {} to standard", look.partition.cluster.id));
    brief.calls.push(change(look).call(&look.tools.aws.target));
    brief.preconditions = vec![
        cluster::available(&cluster),
        Precondition::require(mode(&cluster) != STANDARD, format!("Database Insights is {}", mode(&cluster))),
    ];
    Ok(brief)
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    for (id, label) in [(MODE, "Database Insights standard"), (AVAILABLE, "cluster and instances available")] {
        act.check(Check::new(id, label, DESCRIBE, Verdict::Pending)).await?;
    }
    let before = act.cluster().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let (rds, id) = (act.tools.aws.rds.clone(), act.partition.cluster.id.clone());
    let look = || async {
        let cluster = rds.cluster(&id).await?;
        match mode(&cluster) {
            STANDARD => done(format!("{id} is in {STANDARD}")),
            other => no_sign(format!("{id} is in {other}")),
        }
    };
    let seen_before = [("mode", mode(&before).to_owned()), ("status", before.status.clone())];
    if let Acted::Refused(trouble) = act.change(KEY, change(act), seen_before, look).await? {
        let now = act.cluster().await.ok();
        return Err(cluster::refused(act, "cluster-busy", &trouble, now.as_ref()).into());
    }
    act.verifying().await?;
    settled(act).await
}

const MODE: &str = "mode";
const AVAILABLE: &str = "available";

/// Waits until the mode is standard and everything is available again: the cluster and both instances configure their
/// monitoring first, and nothing else is taken meanwhile.
async fn settled(act: &mut Act) -> Result<Outcome, Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.cluster().await;
        if let Some(cluster) = act.bear(&mut patience, seen).await? {
            if let Some(finding) = cluster::terminal(act, &cluster) {
                return Err(finding.into());
            }
            let is_standard = mode(&cluster) == STANDARD;
            let check = Check::new(MODE, "Database Insights standard", DESCRIBE, verdict(is_standard));
            let days = cluster.insights_retention_days.map_or_else(String::new, |days| format!(", {days} days"));
            act.check(check.seeing(format!("{}{days}", mode(&cluster)))).await?;
            let busy = busy(&cluster);
            let check = Check::new(AVAILABLE, "cluster and instances available", DESCRIBE, verdict(busy.is_empty()));
            act.check(check.seeing(if busy.is_empty() { "available".to_owned() } else { busy.join(", ") })).await?;
            if is_standard && busy.is_empty() {
                return Ok(Outcome::Passed);
            }
        }
        if patience.is_over() {
            let what = "Database Insights standard on an available cluster";
            return Err(diagnosis::time_over(act, what, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Passed } else { Verdict::Settling }
}

/// What is not available, with its status.
fn busy(cluster: &ClusterView) -> Vec<String> {
    let own = (cluster.status != "available").then(|| format!("cluster {}", cluster.status));
    let members = cluster.members.iter().filter_map(|member| {
        let status = member.status().unwrap_or("unknown");
        (status != "available").then(|| format!("{} {status}", member.id))
    });
    own.into_iter().chain(members).collect()
}
