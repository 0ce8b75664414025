//! Step 1, the snapshot, and step 7, its deletion.

use super::act::{Act, Acted, Looked};
use super::cluster::{self, done, no_sign};
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::{Change, SnapshotView};
use crate::runbook::check::{Check, Evidence, Precondition, Verdict};
use crate::runbook::event::{Brief, Finding, Outcome};
use crate::runbook::plan::SnapshotSpec;

const DESCRIBE: &str = "rds:DescribeDBClusterSnapshots";

fn creation(look: &Look, spec: &SnapshotSpec) -> Change {
    Change::CreateSnapshot { cluster: look.partition.cluster.id.clone(), snapshot: spec.id.clone() }
}

fn deletion(spec: &SnapshotSpec) -> Change {
    Change::DeleteSnapshot { snapshot: spec.id.clone() }
}

pub(super) async fn brief(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let (cluster, existing) = tokio::try_join!(look.cluster(), look.tools.aws.rds.snapshot(&spec.id))?;
    let ours = look.sent_before(&creation_key(spec)).is_some();
    let free = match &existing {
        None => Precondition::require(true, format!("no snapshot {} yet", spec.id)),
        Some(own) if ours && is_on_its_way(own) => {
            Precondition::require(true, format!("snapshot {} is {}, by a former attempt", own.id, own.status))
        }
        Some(old) => Precondition::require(false, format!("snapshot {} exists already ({})", old.id, old.status)),
    };
    let mut brief = look.brief(format!("Take snapshot {} of {}", spec.id, look.partition.cluster.id));
    brief.calls.push(creation(look, spec).call(&look.tools.aws.target));
    brief.preconditions = vec![cluster::available(&cluster), free];
    brief.already_done = existing
        .filter(|own| ours && is_on_its_way(own))
        .map(|own| format!("a former attempt asked for {}; it is awaited and not asked for again", own.id));
    Ok(brief)
}

fn creation_key(spec: &SnapshotSpec) -> String {
    format!("create snapshot {}", spec.id)
}

fn deletion_key(spec: &SnapshotSpec) -> String {
    format!("delete snapshot {}", spec.id)
}

fn is_on_its_way(snapshot: &SnapshotView) -> bool {
    matches!(snapshot.status.as_str(), "creating" | "available")
}

/// Whether a call that a former attempt sent shows its effect, though that attempt did not live to see it: it is not
/// sent again then.
async fn shows_already<L>(act: &Act, key: &str, look: impl Fn() -> L) -> bool
where
    L: Future<Output = Result<Looked, Trouble>>,
{
    // A call of unknown outcome is not meant: that one is looked up and settled before anything is sent.
    let sent = act.sent_before(key).is_some_and(|sent| !sent.is_open());
    sent && matches!(look().await, Ok(Looked::Done(_)))
}

pub(super) async fn run(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    act.check(pending(spec, Verdict::Pending)).await?;
    let (rds, id) = (act.tools.aws.rds.clone(), spec.id.clone());
    let look = || async {
        match rds.snapshot(&id).await? {
            Some(snapshot) => done(format!("snapshot {} is {}", snapshot.id, snapshot.status)),
            None => no_sign(format!("there is no snapshot {id}")),
        }
    };
    let key = creation_key(spec);
    if !shows_already(act, &key, look).await
        && let Acted::Refused(trouble) = act.change(key, creation(act, spec), [], look).await?
    {
        return Err(refused(act, spec, &trouble).await.into());
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.tools.aws.rds.snapshot(&spec.id).await;
        let seen = act.bear(&mut patience, seen).await?;
        if let Some(snapshot) = seen.flatten() {
            act.check(progress(spec, &snapshot)).await?;
            match snapshot.status.as_str() {
                "available" => {
                    act.witness(DESCRIBE, format!("{} available, progress 100 %", snapshot.id)).await?;
                    return Ok(Outcome::Passed);
                }
                "creating" => {}
                other => return Err(broken(act, &snapshot, other).into()),
            }
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, &format!("snapshot {}", spec.id), patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

fn pending(spec: &SnapshotSpec, verdict: Verdict) -> Check {
    Check::new("available", "snapshot available", DESCRIBE, verdict).expecting(spec.id.clone())
}

/// The check, with progress in tenths: each tenth is worth an event, each percent is not.
fn progress(spec: &SnapshotSpec, snapshot: &SnapshotView) -> Check {
    if snapshot.status == "available" {
        return pending(spec, Verdict::Passed).seeing("available, 100 %");
    }
    let tenths = snapshot.progress.unwrap_or(0) / 10 * 10;
    pending(spec, Verdict::Settling).seeing(format!("{}, {tenths} %", snapshot.status))
}

fn broken(look: &Look, snapshot: &SnapshotView, status: &str) -> Finding {
    let finding = Finding::unknown(format!("snapshot {} is {status}", snapshot.id));
    let evidence = Evidence::now(DESCRIBE, format!("status {status}"));
    diagnosis::with_guide(look, finding.because(evidence).meaning("there is no insurance: step 2 stays locked"))
}

async fn refused(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    if trouble.is_code("DBClusterSnapshotAlreadyExistsFault") {
        let old = look.tools.aws.rds.snapshot(&spec.id).await.ok().flatten();
        let since = old.and_then(|old| old.created).map_or_else(String::new, |at| format!(", made {at}"));
        let finding = Finding::of("snapshot-exists", format!("snapshot {} exists already{since}", spec.id))
            .because(Evidence::now(&trouble.call, trouble.to_string()))
            .meaning("a former attempt left it, or another run still counts on it")
            .way_out("make sure that nobody counts on it, delete it, then try again");
        return diagnosis::with_guide(look, finding);
    }
    cluster::refused(look, "cluster-busy", trouble, look.cluster().await.ok().as_ref())
}

pub(super) async fn brief_deletion(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let existing = look.tools.aws.rds.snapshot(&spec.id).await?;
    let ours = look.sent_before(&deletion_key(spec)).is_some();
    let going = existing.as_ref().is_none_or(|snapshot| snapshot.status == "deleting");
    let there = match &existing {
        None => Precondition::require(ours, format!("there is no snapshot {}", spec.id)),
        Some(snapshot) => Precondition::require(
            snapshot.status == "available" || (ours && going),
            format!("snapshot {} {}", snapshot.id, snapshot.status),
        ),
    };
    let mut brief = look.brief(format!("Delete snapshot {}", spec.id));
    brief.calls.push(deletion(spec).call(&look.tools.aws.target));
    brief.preconditions = vec![there];
    brief.already_done =
        (ours && going).then(|| format!("a former attempt deleted {}; that is not asked for again", spec.id));
    Ok(brief)
}

pub(super) async fn run_deletion(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    let gone = |verdict| Check::new("gone", "snapshot is gone", DESCRIBE, verdict).expecting("not found");
    act.check(gone(Verdict::Pending)).await?;
    let (rds, id) = (act.tools.aws.rds.clone(), spec.id.clone());
    let look = || async {
        match rds.snapshot(&id).await? {
            None => done(format!("there is no snapshot {id}")),
            Some(snapshot) if snapshot.status == "deleting" => done(format!("snapshot {id} is being deleted")),
            Some(snapshot) => no_sign(format!("snapshot {id} is {}", snapshot.status)),
        }
    };
    let key = deletion_key(spec);
    if !shows_already(act, &key, look).await
        && let Acted::Refused(trouble) = act.change(key, deletion(spec), [], look).await?
    {
        return Err(refused_deletion(act, spec, &trouble).into());
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.tools.aws.rds.snapshot(&spec.id).await;
        match act.bear(&mut patience, seen).await? {
            Some(None) => {
                act.check(gone(Verdict::Passed).seeing("DBClusterSnapshotNotFoundFault")).await?;
                return Ok(Outcome::Passed);
            }
            Some(Some(snapshot)) => act.check(gone(Verdict::Settling).seeing(snapshot.status)).await?,
            None => {}
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "the end of the snapshot", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

fn refused_deletion(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    if trouble.is_code("InvalidDBClusterSnapshotStateFault") {
        return Finding::of("snapshot-in-use", format!("snapshot {} is being copied or shared", spec.id))
            .because(Evidence::now(&trouble.call, trouble.to_string()))
            .meaning("cosmetic: it does not hold up the rollout")
            .way_out("try again in a minute, or skip with a reason");
    }
    diagnosis::of_trouble(look, trouble)
}
