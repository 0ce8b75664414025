//! Step 1, the snapshot, and step 7, its deletion.

use std::time::Duration;

use jiff::SignedDuration;

use super::act::{Act, Acted, Looked};
use super::cluster::{self, done, no_sign};
use super::context::{Look, Patience, Stop};
use super::{diagnosis, provenance};
use crate::clients::Trouble;
use crate::clients::rds::{Change, ClusterView, SnapshotView};
use crate::clock;
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Finding, Outcome, Way};
use crate::runbook::plan::SnapshotSpec;
use crate::runbook::state::ActionRun;

pub(super) const DESCRIBE: &str = "rds:DescribeDBClusterSnapshots";

pub(super) fn creation(look: &Look, spec: &SnapshotSpec) -> Change {
    Change::CreateSnapshot { cluster: look.partition.cluster.id.clone(), snapshot: spec.id.clone() }
}

pub(super) fn deletion(spec: &SnapshotSpec) -> Change {
    Change::DeleteSnapshot { snapshot: spec.id.clone() }
}

pub(super) async fn brief(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let (cluster, existing) = tokio::try_join!(look.cluster(), look.tools.aws.rds.snapshot(&spec.id))?;
    let own = existing.as_ref().filter(|own| is_own(look, spec) && is_on_its_way(own));
    let free = match (&existing, own) {
        (None, _) => Precondition::require(true, format!("no snapshot {} yet", spec.id)),
        (_, Some(own)) => {
            Precondition::require(true, format!("snapshot {} is {}, and this run's own", own.id, own.status))
        }
        // It may be fired all the same: RDS refuses it, and what is then found leads on to the lever.
        (Some(old), None) => Precondition::now(
            format!("snapshot {} exists already ({}{}): RDS will refuse another", old.id, old.status, made(old)),
            Holds::Mind,
        ),
    };
    let mut brief = look.brief(format!("Take snapshot {} of {}", spec.id, look.partition.cluster.id));
    brief.calls.push(creation(look, spec).call(&look.tools.aws.target));
    brief.preconditions = vec![ready(look, &cluster), free];
    brief.already_done =
        own.map(|own| format!("this run asked for {} before; it is awaited and not asked for again", own.id));
    Ok(brief)
}

/// A cluster that is busy may be asked: the step waits until it is not.
fn ready(look: &Look, cluster: &ClusterView) -> Precondition {
    if cluster.status == "available" || cluster::terminal(look, cluster).is_some() {
        return cluster::available(cluster);
    }
    Precondition::now(format!("cluster {}: the snapshot waits until it is available", cluster.status), Holds::Mind)
}

pub(super) fn creation_key(spec: &SnapshotSpec) -> String {
    format!("create snapshot {}", spec.id)
}

pub(super) fn deletion_key(spec: &SnapshotSpec) -> String {
    format!("delete snapshot {}", spec.id)
}

fn is_on_its_way(snapshot: &SnapshotView) -> bool {
    matches!(snapshot.status.as_str(), "creating" | "available")
}

/// Whether the snapshot of that name, if there is one, is what this run asked for: by its step or by the lever, and not
/// deleted since.
pub(super) fn is_own(look: &Look, spec: &SnapshotSpec) -> bool {
    asked_by_run(look, spec).is_some()
}

/// The call by which this run last asked for the snapshot, if it was not deleted after it.
fn asked_by_run<'a>(look: &'a Look, spec: &SnapshotSpec) -> Option<&'a ActionRun> {
    let steps = look.so_far.steps.iter().chain(&look.so_far.levers);
    let calls = steps.flat_map(|step| &step.attempts).flat_map(|attempt| &attempt.actions);
    let calls: Vec<&ActionRun> = calls.filter(|call| call.may_have_acted()).collect();
    let last = |key: &str| calls.iter().filter(|call| call.action.key == key).max_by_key(|call| call.at).copied();
    let asked = last(&creation_key(spec))?;
    last(&deletion_key(spec)).is_none_or(|deleted| deleted.at < asked.at).then_some(asked)
}

/// Whether a call of this run's that was sent before shows its effect: it is not sent again then. A call of the step's own
/// of which the outcome is unknown is not meant: that one is looked up and settled before anything is sent.
async fn shows_already<L>(act: &Act, key: &str, sent: Option<&ActionRun>, look: impl Fn() -> L) -> bool
where
    L: Future<Output = Result<Looked, Trouble>>,
{
    let attempts = act.attempts().iter().chain([&act.attempt]);
    let is_open = attempts.filter_map(|attempt| attempt.action(key)).any(ActionRun::is_open);
    sent.is_some() && !is_open && matches!(look().await, Ok(Looked::Done(_)))
}

pub(super) async fn run(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    act.check(pending(spec, Verdict::Pending)).await?;
    take(act, spec).await?;
    act.verifying().await?;
    until_available(act, spec).await?;
    Ok(Outcome::Passed)
}

/// Has the snapshot taken, unless this run asked for it before and it is there. A cluster that is busy is waited for.
///
/// # Errors
/// If RDS refuses, or the session ends.
pub(super) async fn take(act: &mut Act, spec: &SnapshotSpec) -> Result<(), Stop> {
    let (rds, id, key) = (act.tools.aws.rds.clone(), spec.id.clone(), creation_key(spec));
    let look = || async {
        match rds.snapshot(&id).await? {
            Some(snapshot) => done(format!("snapshot {} is {}", snapshot.id, snapshot.status)),
            None => no_sign(format!("there is no snapshot {id}")),
        }
    };
    if shows_already(act, &key, asked_by_run(act, spec), look).await {
        return Ok(());
    }
    // A former session's refusal is not tried again on: what it waited for nobody watched since.
    let mut waits = act.attempt.action(&key).is_none();
    let mut patience = Patience::new(act.step.limit);
    loop {
        let Acted::Refused(trouble) = act.change(key.clone(), creation(act, spec), [], look).await? else {
            return Ok(());
        };
        waits &= trouble.is_code("InvalidDBClusterStateFault") && !patience.is_over();
        if !waits {
            return Err(refused(act, spec, &trouble).await.into());
        }
        wait_while_busy(act, &trouble, &mut patience).await?;
        act.may_send_again(&key);
    }
}

/// Waits until the cluster takes changes again, as far as the patience goes.
async fn wait_while_busy(act: &mut Act, refusal: &Trouble, patience: &mut Patience) -> Result<(), Stop> {
    let free = |verdict| Check::new("free", "cluster takes changes", cluster::DESCRIBE, verdict);
    let seen = act.cluster().await.ok();
    let again = in_words(act.step.retry_after);
    let remark = cluster::refused(act, "cluster-busy", refusal, seen.as_ref())
        .way_out(format!("wait: it is tried again by itself in {again}, or at once at your word"))
        .again_after(act.step.retry_after);
    act.remark(remark).await?;
    let status = |cluster: &ClusterView| cluster.status.clone();
    let mut check = free(Verdict::Settling);
    check.seen = seen.as_ref().map(status);
    act.check(check).await?;
    loop {
        act.wait_or_nudge(act.step.retry_after).await?;
        let seen = act.cluster().await;
        let seen = act.bear(patience, seen).await?;
        if let Some(cluster) = &seen {
            if let Some(finding) = cluster::terminal(act, cluster) {
                return Err(finding.into());
            }
            if cluster.status == "available" {
                return act.check(free(Verdict::Passed).seeing("available")).await;
            }
            act.check(free(Verdict::Settling).seeing(&cluster.status)).await?;
        }
        if patience.is_over() {
            let after = act.step.retry_after;
            return Err(cluster::refused(act, "cluster-busy", refusal, seen.as_ref()).again_after(after).into());
        }
        act.say(format!("the cluster is still busy; looking again in {again}"));
    }
}

/// Waits until the snapshot is available.
///
/// # Errors
/// If it is broken, does not become available in time, or the session ends.
pub(super) async fn until_available(act: &mut Act, spec: &SnapshotSpec) -> Result<(), Stop> {
    let asked = act.attempt.action(&creation_key(spec)).map_or(act.attempt.started_at, |asked| asked.at);
    let usual = SignedDuration::try_from(act.step.stuck_after).unwrap_or(SignedDuration::MAX);
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.tools.aws.rds.snapshot(&spec.id).await;
        let seen = act.bear(&mut patience, seen).await?.flatten();
        if let Some(snapshot) = &seen {
            act.check(progress(spec, snapshot)).await?;
            match snapshot.status.as_str() {
                "available" => {
                    return act.witness(DESCRIBE, format!("{} available, progress 100 %", snapshot.id)).await;
                }
                "creating" if clock::now().duration_since(asked) > usual => {
                    let remark = slow(act, snapshot);
                    act.remark(remark).await?;
                }
                "creating" => {}
                other => return Err(broken(act, snapshot, other).into()),
            }
        }
        if patience.is_over() {
            let creating = seen.filter(|snapshot| snapshot.status == "creating");
            return Err(match creating {
                Some(snapshot) => too_slow(act, &snapshot).into(),
                None => diagnosis::time_over(act, &format!("snapshot {}", spec.id), patience.trouble.as_ref()).into(),
            });
        }
        act.wait(act.pause).await?;
    }
}

pub(super) fn pending(spec: &SnapshotSpec, verdict: Verdict) -> Check {
    Check::new("available", "snapshot available", DESCRIBE, verdict).expecting(spec.id.clone())
}

/// The check, with progress in tenths: each tenth is worth an event, each percent is not.
fn progress(spec: &SnapshotSpec, snapshot: &SnapshotView) -> Check {
    if snapshot.status == "available" {
        return pending(spec, Verdict::Passed).seeing("available, 100 %");
    }
    let tenths = percent(snapshot) / 10 * 10;
    pending(spec, Verdict::Settling).seeing(format!("{}, {tenths} %", snapshot.status))
}

fn percent(snapshot: &SnapshotView) -> u8 {
    snapshot.progress.unwrap_or(0)
}

/// It takes longer than usual, which is no failure: it is waited for, and nothing goes on without it.
fn slow(look: &Look, snapshot: &SnapshotView) -> Finding {
    let usual = in_words(look.step.stuck_after);
    Finding::of("snapshot-slow", format!("snapshot {} is still {} after {usual}", snapshot.id, snapshot.status))
        .because(Evidence::now(DESCRIBE, format!("{}, {} %", snapshot.status, percent(snapshot))))
        .meaning("it is the rollback insurance: what follows stays locked until it is available")
        .way_out("nothing: it is waited for")
}

fn too_slow(look: &Look, snapshot: &SnapshotView) -> Finding {
    let limit = in_words(look.step.limit);
    Finding { cause: format!("snapshot {} was not available within {limit}", snapshot.id), ..slow(look, snapshot) }
        .way_out("fire the step again: it goes on waiting, and asks for no other snapshot")
        .again()
}

fn broken(look: &Look, snapshot: &SnapshotView, status: &str) -> Finding {
    let finding = Finding::unknown(format!("snapshot {} is {status}", snapshot.id));
    let evidence = Evidence::now(DESCRIBE, format!("status {status}"));
    diagnosis::with_guide(look, finding.because(evidence).meaning("there is no insurance: step 2 stays locked"))
}

async fn refused(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    if trouble.is_code("DBClusterSnapshotAlreadyExistsFault") {
        return exists(look, spec, trouble).await;
    }
    let finding = cluster::refused(look, "cluster-busy", trouble, look.cluster().await.ok().as_ref());
    if finding.situation.as_deref() == Some("cluster-busy") {
        return finding.again_after(look.step.retry_after);
    }
    finding
}

/// A snapshot of that name is there: how old it is, and which run made it, where a run of this state directory did.
async fn exists(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    let old = look.tools.aws.rds.snapshot(&spec.id).await.ok().flatten();
    let mut finding = Finding::of(
        "snapshot-exists",
        format!("snapshot {} exists already{}", spec.id, old.as_ref().map(made).unwrap_or_default()),
    )
    .because(Evidence::now(&trouble.call, trouble.to_string()));
    if let Some(old) = &old {
        let when = old.created.map(|at| format!(", created {at}")).unwrap_or_default();
        let seen = format!("{} {}{when}, of cluster {}", old.id, old.status, old.cluster);
        finding = finding.because(Evidence::now(DESCRIBE, seen));
        let maker = match provenance::run_that_asked(look, &creation_key(spec), old.created).await {
            Some(run) => format!("run {run} asked for it"),
            None => "no run of this state directory asked for it".to_owned(),
        };
        finding = finding.because(Evidence::now("journal", maker));
    }
    finding
        .meaning("it is no insurance for this run: nothing was taken, and step 2 stays locked")
        .way_out("make sure that nobody counts on it any more; then delete it and take it anew")
        .lever("retake-snapshot", None)
}

/// How long ago a snapshot was made.
pub(super) fn made(snapshot: &SnapshotView) -> String {
    let Some(created) = snapshot.created else { return String::new() };
    let minutes = clock::now().duration_since(created).as_mins().max(0);
    match (minutes / 60 / 24, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!(", made {minutes} min ago"),
        (0, hours, minutes) => format!(", made {hours} h {minutes} min ago"),
        (days, hours, _) => format!(", made {days} d {hours} h ago"),
    }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
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
    act.check(gone(Verdict::Pending)).await?;
    delete(act, spec).await?;
    act.verifying().await?;
    until_gone(act, spec).await?;
    Ok(Outcome::Passed)
}

/// Has the snapshot deleted, unless that was done before.
///
/// # Errors
/// If RDS refuses, or the session ends.
pub(super) async fn delete(act: &mut Act, spec: &SnapshotSpec) -> Result<(), Stop> {
    let (rds, id, key) = (act.tools.aws.rds.clone(), spec.id.clone(), deletion_key(spec));
    let look = || async {
        match rds.snapshot(&id).await? {
            None => done(format!("there is no snapshot {id}")),
            Some(snapshot) if snapshot.status == "deleting" => done(format!("snapshot {id} is being deleted")),
            Some(snapshot) => no_sign(format!("snapshot {id} is {}", snapshot.status)),
        }
    };
    if !shows_already(act, &key, act.sent_before(&key), look).await
        && let Acted::Refused(trouble) = act.change(key, deletion(spec), [], look).await?
    {
        return Err(refused_deletion(act, spec, &trouble).into());
    }
    Ok(())
}

/// Waits until RDS no longer knows the snapshot.
///
/// # Errors
/// If it does not go, or the session ends.
pub(super) async fn until_gone(act: &mut Act, spec: &SnapshotSpec) -> Result<(), Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.tools.aws.rds.snapshot(&spec.id).await;
        match act.bear(&mut patience, seen).await? {
            Some(None) => return act.check(gone(Verdict::Passed).seeing("DBClusterSnapshotNotFoundFault")).await,
            Some(Some(snapshot)) => act.check(gone(Verdict::Settling).seeing(snapshot.status)).await?,
            None => {}
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "the end of the snapshot", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

pub(super) fn gone(verdict: Verdict) -> Check {
    Check::new("gone", "snapshot is gone", DESCRIBE, verdict).expecting("not found")
}

fn refused_deletion(look: &Look, spec: &SnapshotSpec, trouble: &Trouble) -> Finding {
    if trouble.is_code("InvalidDBClusterSnapshotStateFault") {
        return Finding::of("snapshot-in-use", format!("snapshot {} is in use: copied or shared", spec.id))
            .because(Evidence::now(&trouble.call, trouble.to_string()))
            .meaning("cosmetic: the rollout stands as it is; the snapshot costs its storage until it is gone")
            .way_out("try again in a minute; or skip, and delete it when it is free")
            .again_after(look.step.retry_after)
            .offering(Way::Skip { because: "the snapshot is being copied or shared; it is deleted later".to_owned() });
    }
    diagnosis::of_trouble(look, trouble)
}
