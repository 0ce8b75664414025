//! A new cluster from the snapshot; the last resort.

use super::super::act::{Act, Acted};
use super::super::cluster::{self, DESCRIBE, done, no_sign};
use super::super::context::{Look, Patience, Stop};
use super::super::{diagnosis, snapshot};
use crate::clients::rds::{Change, ClusterView};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence, Precondition, Verdict};
use crate::runbook::event::{Brief, Event, Finding, Outcome};
use crate::runbook::plan::SnapshotSpec;

const ENGINE: &str = "aurora-postgresql";

fn restored(look: &Look) -> String {
    format!("{}-restored", look.partition.cluster.id)
}

fn restoration(look: &Look, spec: &SnapshotSpec) -> Change {
    Change::Restore { cluster: restored(look), snapshot: spec.id.clone(), engine: ENGINE.to_owned() }
}

/// The new cluster; none where there is none.
async fn seen(look: &Look) -> Result<Option<ClusterView>, Trouble> {
    match look.tools.aws.rds.topology(&restored(look)).await {
        Ok(cluster) => Ok(Some(cluster)),
        Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

pub(super) async fn brief(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let (existing, there) = tokio::try_join!(look.tools.aws.rds.snapshot(&spec.id), seen(look))?;
    let new = restored(look);
    let mut brief = look.brief(format!("Restore {} from snapshot {}: the last resort", new, spec.id));
    brief.calls.push(restoration(look, spec).call(&look.tools.aws.target));
    let snapshot = match &existing {
        Some(found) => Precondition::require(
            found.status == "available",
            format!(
                "snapshot {} {}{}: what was written since is not in it",
                found.id,
                found.status,
                snapshot::made(found)
            ),
        ),
        None => Precondition::require(false, format!("there is no snapshot {}", spec.id)),
    };
    let free = match &there {
        Some(cluster) => Precondition::require(false, format!("cluster {} exists already, {}", new, cluster.status)),
        None => Precondition::require(true, format!("no cluster {new} yet")),
    };
    brief.preconditions = vec![snapshot, free];
    Ok(brief)
}

pub(super) async fn run(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    let new = restored(act);
    act.check(available(&new, Verdict::Pending)).await?;
    let from = act.look.clone();
    let look = || async {
        match seen(&from).await? {
            Some(cluster) => done(format!("cluster {} is {}", cluster.id, cluster.status)),
            None => no_sign(format!("there is no cluster {}", restored(&from))),
        }
    };
    let key = format!("restore {new}");
    if let Acted::Refused(trouble) = act.change(key, restoration(act, spec), [], look).await? {
        return Err(refused(act, spec, &trouble).into());
    }
    act.verifying().await?;
    until_available(act, &new).await?;
    taken_back(act, spec, &new).await?;
    Ok(Outcome::PassedWithWarnings { warnings: next_steps(act, &new) })
}

fn available(new: &str, verdict: Verdict) -> Check {
    Check::new("available", format!("cluster {new} available"), "rds:DescribeDBClusters", verdict)
}

async fn until_available(act: &mut Act, new: &str) -> Result<(), Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let looked = seen(act).await;
        let looked = act.bear(&mut patience, looked).await?;
        if let Some(cluster) = looked.flatten() {
            if cluster.status == "available" {
                return act.check(available(new, Verdict::Passed).seeing("available")).await;
            }
            if let Some(finding) = cluster::terminal(act, &cluster) {
                return Err(finding.into());
            }
            act.check(available(new, Verdict::Settling).seeing(cluster.status)).await?;
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, &format!("cluster {new}"), patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// The partition counts as taken back from now on: what has not run will not run, and the next one stays locked.
async fn taken_back(act: &Act, spec: &SnapshotSpec, new: &str) -> Result<(), Stop> {
    let reason = format!("restored from snapshot {} into {new}", spec.id);
    let (partition, by) = (act.partition.name.clone(), act.attempt.by.clone());
    let evidence = vec![Evidence::now(DESCRIBE, format!("{new} available"))];
    if act.so_far.rolled_back.is_none() {
        act.recorder.record(Event::RolledBack { partition, by, reason, evidence }).await?;
    }
    Ok(())
}

/// What RDS leaves to be done: a restored cluster has no instances, and nobody uses it.
fn next_steps(look: &Look, new: &str) -> Vec<String> {
    let class = look.partition.cluster.class_before.as_deref().unwrap_or("CLASS");
    let target = &look.partition.aws;
    let profile = target.profile.as_ref().map(|profile| format!(" --profile {profile}")).unwrap_or_default();
    vec![
        format!(
            "it has no instances yet: aws rds create-db-instance --db-instance-identifier {new}Writer \
             --db-cluster-identifier {new} --engine {ENGINE} --db-instance-class {class} --region {}{profile}, \
             and a second one for the reader",
            target.region
        ),
        format!("then point the operations chart's values for {} at its endpoint and deploy it", look.partition.name),
        format!("{} stays as it is until somebody decides about it", look.partition.cluster.id),
    ]
}

fn refused(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    if trouble.is_code("DBClusterAlreadyExistsFault") {
        let finding = Finding::unknown(format!("cluster {} exists already", restored(look)));
        let finding = finding.because(Evidence::now(&trouble.call, trouble.to_string()));
        return finding.way_out("see whose it is; delete it if it is a former attempt's, then pull the lever again");
    }
    if trouble.is_code("InvalidDBClusterSnapshotStateFault") {
        let finding = Finding::unknown(format!("snapshot {} cannot be restored just now", spec.id));
        let finding = finding.because(Evidence::now(&trouble.call, trouble.to_string()));
        return finding
            .way_out("wait until it is available, then pull the lever again")
            .again_after(look.step.retry_after);
    }
    diagnosis::of_trouble(look, trouble)
}
