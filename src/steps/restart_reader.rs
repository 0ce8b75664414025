//! Step 4, the reader, and step 5b, the demoted writer: a reboot, or a flush of what is queued, by what is found.
//!
//! A reboot does not flush queued changes and a failover does not either, so what is queued decides. Success is a witnessed
//! change: the instance says `available` for seconds after the call as well.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, timeout_at};

use super::act::{Act, Acted};
use super::cluster::{self, Awaited, DESCRIBE, done, no_sign};
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::rds::{Change, ClusterView, MemberView};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Finding, Outcome};
use crate::runbook::names::InstanceId;
use crate::runbook::plan::StepKind;
use crate::runbook::state::{ActionRun, StepRun};
use crate::watch::{Reading, Sample, Source};

/// How long the SQL watcher is given to name the server process before the call goes out.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// What is to be done with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// Changes are queued: apply them. With the class that it will have, if that changes.
    Flush(Option<String>),
    /// Nothing is queued: a restart picks up static parameters.
    Reboot,
}

impl Need {
    /// By what is queued; none where RDS does not describe the instance, so that nobody knows.
    pub(super) fn of(member: &MemberView) -> Option<Self> {
        let instance = member.instance.as_ref()?;
        let flush = || Self::Flush(member.pending_class().map(str::to_owned));
        Some(if instance.pending.is_empty() { Self::Reboot } else { flush() })
    }

    /// As an intent has it, by what it notes of the time before.
    fn as_intended(before: &BTreeMap<String, String>) -> Self {
        match before.get("flushes") {
            Some(class) => Self::Flush(Some(class.clone()).filter(|class| !class.is_empty())),
            None => Self::Reboot,
        }
    }

    pub(super) fn change(&self, member: &MemberView) -> Change {
        match self {
            Self::Flush(_) => Change::ApplyPending { instance: member.id.clone() },
            Self::Reboot => Change::Reboot { instance: member.id.clone() },
        }
    }
}

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let blocked = |why: String| {
        let mut brief = look.brief("Restart the reader");
        brief.preconditions = vec![Precondition::now(why, Holds::No)];
        brief
    };
    let reader = match member_in_question(look, &cluster) {
        Ok(reader) => reader,
        Err(finding) => return Ok(blocked(finding.cause)),
    };
    // What was begun is gone on with: where a flush may have been carried out, nothing is queued any more.
    let begun = look.open_call().map(|open| Need::as_intended(&open.action.before));
    let Some(need) = begun.or_else(|| Need::of(reader)) else { return Ok(blocked(undescribed(&reader.id))) };
    let what = match &need {
        Need::Flush(Some(class)) => format!("Apply what is queued on {}: class {class}", reader.id),
        Need::Flush(None) => format!("Apply what is queued on {}", reader.id),
        Need::Reboot => format!("Reboot {}, the reader of {}", reader.id, look.partition.cluster.id),
    };
    if let Some(former) = former_reboot(look, reader).filter(|_| need == Need::Reboot) {
        let mut brief = look.brief(format!("Wait for {}, which was rebooted before", reader.id));
        let at = former.at.to_zoned(look.zone()).strftime("%H:%M:%S");
        let status = reader.status().unwrap_or("unknown");
        let words =
            format!("{} {status} since the reboot of {at}, which is awaited and not asked for again", reader.id);
        let coming = Precondition::require(matches!(status, "rebooting" | "available"), &words);
        brief.preconditions = vec![cluster::available(&cluster), coming];
        brief.already_done = Some(words);
        return Ok(brief);
    }
    let mut brief = look.brief(what);
    brief.calls.push(need.change(reader).call(&look.tools.aws.target));
    brief.preconditions = vec![cluster::available(&cluster), cluster::member_available(reader)];
    let group = format!("{} parameter group {}", reader.id, reader.group_status);
    // Both are usual before a restart; anything else is still on its way.
    let usual = matches!(reader.group_status.as_str(), "pending-reboot" | "in-sync");
    brief.preconditions.push(Precondition::now(group, if usual { Holds::Yes } else { Holds::Mind }));
    if need == Need::Reboot {
        brief.already_done = already_done(look, reader).await;
    }
    Ok(brief)
}

/// The reader; after a failover, the writer that was demoted by it.
fn member_in_question<'a>(look: &Look, cluster: &'a ClusterView) -> Result<&'a MemberView, Finding> {
    if look.step.kind != StepKind::FlushDemoted {
        return cluster::reader(look, cluster);
    }
    let actions = look.so_far.steps.iter().flat_map(|step| &step.attempts).flat_map(|attempt| &attempt.actions);
    let moved = actions.filter(|each| each.may_have_acted() && each.action.before.contains_key("to"));
    let demoted = moved.max_by_key(|each| each.at).and_then(|each| each.action.before.get("from"));
    match demoted.and_then(|id| cluster.member(&id.as_str().into())) {
        Some(member) if member.is_writer => {
            let finding = Finding::unknown(format!("{} was to be demoted and is the writer", member.id));
            Err(diagnosis::with_guide(look, finding.meaning("flushing it would restart the writer")))
        }
        Some(member) => Ok(member),
        None => cluster::reader(look, cluster),
    }
}

/// The reboot of a former attempt that was seen to begin and did not come to its end in time. It is awaited, not repeated,
/// unless it came back without its static parameters.
fn former_reboot<'a>(look: &'a Look, member: &MemberView) -> Option<&'a ActionRun> {
    if matches!(look.step.kind, StepKind::Lever(_)) || member.group_status == "pending-reboot" {
        return None;
    }
    let last = look.attempts().iter().rfind(|attempt| attempt.outcome.is_some())?;
    let began = last.checks.iter().any(|check| check.id == "restarted" && check.verdict == Verdict::Passed);
    let failed = matches!(last.outcome, Some(Outcome::Failed { .. }));
    let stands = look.so_far.step(&look.step.id).and_then(StepRun::standing).is_some();
    let former = || {
        let key = reboot_key(&member.id);
        look.attempts().iter().rev().find_map(|attempt| attempt.action(&key)).filter(|action| action.may_have_acted())
    };
    if began && failed && stands { former() } else { None }
}

fn reboot_key(id: &InstanceId) -> String {
    format!("reboot {id}")
}

fn undescribed(id: &InstanceId) -> String {
    format!("RDS does not describe {id}: it is not known what is queued on it")
}

/// Whether it is done already: the deploy restarts the instances by itself where it applies changes at once, and a writer
/// that was demoted has nothing queued then.
async fn already_done(look: &Look, reader: &MemberView) -> Option<String> {
    if reader.group_status != "in-sync" {
        return None;
    }
    if look.step.kind == StepKind::FlushDemoted {
        return Some(format!("nothing is queued on {}", reader.id));
    }
    let deployed = look.so_far.steps.iter().flat_map(|step| &step.attempts).filter(|attempt| attempt.program.is_some());
    let since = deployed.map(|attempt| attempt.started_at).min()?;
    let (at, message) = cluster::restart_since(look, &reader.id, since).await.ok()??;
    let time = at.to_zoned(look.zone()).strftime("%H:%M:%S %Z");
    Some(format!("the deploy restarted {} at {time} (\"{message}\") and it is in-sync", reader.id))
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    let cluster = act.cluster().await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    // An attempt that is taken up goes on with the instance of its intent: by now the roles may have changed hands.
    let before = act.intended().map(|intended| intended.action.before.clone());
    let intended = before.as_ref().and_then(|before| before.get("instance"));
    let member = match intended.and_then(|id| cluster.member(&id.as_str().into())) {
        Some(member) => member.clone(),
        None => member_in_question(act, &cluster)?.clone(),
    };
    let need = match &before {
        Some(before) => Need::as_intended(before),
        None => {
            Need::of(&member).ok_or_else(|| diagnosis::with_guide(act, Finding::unknown(undescribed(&member.id))))?
        }
    };
    if act.step.kind == StepKind::FlushDemoted && need == Need::Reboot {
        let class = act.partition.cluster.class_after.clone();
        cluster::settle_member(act, &member.id, Awaited { class: class.as_deref(), flushed: true }).await?;
        return Ok(Outcome::Passed);
    }
    match need {
        Need::Flush(class) => flush(act, &member, class).await,
        Need::Reboot => reboot(act, &member).await,
    }
}

/// Has an instance carry out what is queued on it, and waits until it has.
pub(super) async fn flush(act: &mut Act, member: &MemberView, class: Option<String>) -> Result<Outcome, Stop> {
    let queued = member.instance.as_ref().map(|instance| cluster::list(&instance.pending)).unwrap_or_default();
    act.witness(DESCRIBE, format!("queued on {}: {queued}", member.id)).await?;
    if act.step.kind == StepKind::RestartReader {
        let flushed = Finding::of("flush-reader", format!("{} is flushed rather than rebooted", member.id))
            .because(Evidence::now(DESCRIBE, format!("queued on {}: {queued}", member.id)))
            .meaning("a reboot would leave the queue as it is; success is the class itself, not `available`")
            .way_out("none is needed: modify-db-instance --apply-immediately carries it out");
        act.remark(flushed).await?;
    }
    if let Some(class) = &class {
        let seen = member.class().unwrap_or("unknown").to_owned();
        act.check(Check::new("class", format!("class {class}"), DESCRIBE, Verdict::Pending).seeing(seen)).await?;
    }
    let before = [("instance", member.id.to_string()), ("flushes", class.clone().unwrap_or_default())];
    let look = act.look.clone();
    let id = member.id.clone();
    let seen = || async {
        let cluster = look.cluster().await?;
        let Some(instance) = cluster.member(&id).and_then(|member| member.instance.as_ref()) else {
            return Err(Trouble::new("rds:DescribeDBInstances", TroubleKind::Unreachable, undescribed(&id)));
        };
        let status = &instance.status;
        match (instance.pending.is_empty(), status.as_str()) {
            (true, _) => done(format!("{id} is {status}, nothing queued")),
            (false, "available") => no_sign(format!("{id} is {status} and its changes are still queued")),
            (false, _) => done(format!("{id} is {status}, still queued")),
        }
    };
    let change = Change::ApplyPending { instance: member.id.clone() };
    if let Acted::Refused(trouble) = act.change(format!("flush {}", member.id), change, before, seen).await? {
        return Err(cluster::refused(act, "cluster-busy", &trouble, act.cluster().await.ok().as_ref()).into());
    }
    act.verifying().await?;
    cluster::settle_member(act, &member.id, Awaited { class: class.as_deref(), flushed: true }).await?;
    Ok(Outcome::Passed)
}

/// Restarts an instance and waits until it is back and in step with its group.
pub(super) async fn reboot(act: &mut Act, member: &MemberView) -> Result<Outcome, Stop> {
    let restarted =
        |verdict| Check::new("restarted", format!("{} restarted", member.id), "rds:DescribeEvents", verdict);
    if let Some(former) = former_reboot(act, member) {
        let at = former.at.to_zoned(act.zone()).strftime("%H:%M:%S");
        let seen = format!("by the reboot of {at}, which is not asked for again");
        act.check(restarted(Verdict::Passed).seeing(seen)).await?;
        act.verifying().await?;
        cluster::settle_member(act, &member.id, Awaited::default()).await?;
        return Ok(Outcome::Passed);
    }
    act.check(restarted(Verdict::Pending)).await?;
    let asked = act.intended().map_or_else(clock::now, |intended| intended.at);
    let mut process = ServerProcess::of(act, &member.id).await;
    let look = act.look.clone();
    let id = member.id.clone();
    let seen = || async {
        match restarted_since(&look, &id, asked).await? {
            Some(how) => done(how),
            None => no_sign(format!("{id} is available, and RDS reports no restart")),
        }
    };
    let change = Change::Reboot { instance: member.id.clone() };
    let before = [("instance", member.id.to_string())];
    if let Acted::Refused(trouble) = act.change(reboot_key(&member.id), change, before, seen).await? {
        return Err(cluster::refused(act, "cluster-busy", &trouble, act.cluster().await.ok().as_ref()).into());
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = restarted_since(act, &member.id, asked).await;
        let seen = act.bear(&mut patience, seen).await?.flatten();
        if let Some(how) = seen.or_else(|| process.is_another()) {
            act.check(restarted(Verdict::Passed).seeing(how)).await?;
            break;
        }
        if patience.is_over() {
            return Err(not_restarted(act, &member.id, patience.trouble.as_ref()).await.into());
        }
        act.wait(act.pause).await?;
    }
    cluster::settle_member(act, &member.id, Awaited::default()).await?;
    Ok(Outcome::Passed)
}

/// An instance's server process as the SQL watcher sees it: another one than before is proof of a restart, also where RDS
/// reports no event, as happens, and `rebooting` was over between two looks.
struct ServerProcess {
    instance: InstanceId,
    samples: broadcast::Receiver<Sample>,
    began: Option<Timestamp>,
}

impl ServerProcess {
    /// The process as it is now; the watcher is given a moment to name it.
    async fn of(act: &Act, instance: &InstanceId) -> Self {
        let mut process = Self { instance: instance.clone(), samples: act.samples.subscribe(), began: None };
        let deadline = Instant::now() + FIRST_WORD;
        while act.partition.sql.is_some() && process.began.is_none() {
            match timeout_at(deadline, process.samples.recv()).await {
                Ok(Ok(sample)) => process.began = process.named_by(&sample),
                Ok(Err(RecvError::Lagged(_))) => {}
                // Nobody watches: the API alone is asked.
                Ok(Err(RecvError::Closed)) | Err(_) => break,
            }
        }
        process
    }

    /// When the process began that a sample speaks of, if it is this instance's.
    fn named_by(&self, sample: &Sample) -> Option<Timestamp> {
        match (&sample.source, &sample.said) {
            (Source::SqlInstance(id), Ok(Reading::Sql(view))) if *id == self.instance => view.started,
            _ => None,
        }
    }

    /// Whether another process answers than before, and since when.
    fn is_another(&mut self) -> Option<String> {
        let before = self.began?;
        let mut began = None;
        loop {
            match self.samples.try_recv() {
                Ok(sample) => began = self.named_by(&sample).or(began),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        began.filter(|began| *began != before).map(|began| format!("its server process began at {began}"))
    }
}

/// An accepted reboot after which nothing was seen to happen.
async fn not_restarted(act: &Act, id: &InstanceId, trouble: Option<&Trouble>) -> Finding {
    let over = || diagnosis::time_over(act, "a restart", trouble);
    let Ok(cluster) = act.cluster().await else { return over() };
    // Where something does happen, or could not be looked at, it is not for us to say that nothing did.
    let status = cluster.member(id).and_then(MemberView::status).unwrap_or("unknown");
    if status != "available" || trouble.is_some() {
        return over();
    }
    let finding = Finding::unknown(format!("NO-OP: the reboot was accepted, and {id} was not seen to restart"))
        .because(Evidence::now(DESCRIBE, format!("{id} was never seen rebooting, and is {status}")))
        .because(Evidence::now("rds:DescribeEvents", "no restart is reported"))
        .meaning("what waits for a restart still waits; the cluster serves as before")
        .way_out("try again; or skip with your reason if a restart is proved otherwise")
        .again();
    diagnosis::with_guide(act, finding)
}

/// By what it is seen that an instance restarted after a moment: it is not available now, or RDS reports a restart.
async fn restarted_since(look: &Look, id: &InstanceId, since: Timestamp) -> Result<Option<String>, Trouble> {
    let cluster = look.cluster().await?;
    let status = cluster.member(id).and_then(MemberView::status).unwrap_or("unknown").to_owned();
    if status == "rebooting" {
        return Ok(Some(status));
    }
    // RDS stamps events to the second.
    let since = since - jiff::SignedDuration::from_secs(1);
    let restart = cluster::restart_since(look, id, since).await?;
    Ok(restart.map(|(at, message)| format!("{message} ({})", at.to_zoned(look.zone()).strftime("%H:%M:%S"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::sample::{Role, SqlView};

    fn said(instance: &str, began: &str) -> Sample {
        let view = SqlView {
            instance: Some(instance.into()),
            role: Role::Reader,
            writer: None,
            started: began.parse().ok(),
            lag_ms: None,
            reconnected: false,
            write: None,
        };
        let source = Source::SqlInstance(instance.into());
        Sample::new("dev".into(), source, Timestamp::now(), Duration::ZERO, Ok(Reading::Sql(view)))
    }

    #[test]
    fn another_server_process_proves_a_restart_and_the_same_or_another_instances_does_not() {
        const BEFORE: &str = "2026-05-14T18:00:00Z";
        let (samples, receiver) = broadcast::channel(8);
        let began = BEFORE.parse().ok();
        let mut process = ServerProcess { instance: "reader1".into(), samples: receiver, began };
        for sample in [said("reader1", BEFORE), said("writer", "2026-05-14T19:00:00Z")] {
            samples.send(sample).expect("it is listened to");
            assert_eq!(process.is_another(), None);
        }
        samples.send(said("reader1", "2026-05-14T18:57:31Z")).expect("it is listened to");
        assert_eq!(process.is_another().as_deref(), Some("its server process began at 2026-05-14T18:57:31Z"));
    }
}
