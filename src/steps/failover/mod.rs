//! Step 5: the writer moves. Success is a witnessed change that all witnesses agree on, not a status.
//!
//! The lever that fails back is the same move in the other direction.

mod asides;
mod ends;
mod watched;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;

use super::act::{Act, Acted};
use super::cluster::{self, DESCRIBE, done, no_sign};
use super::context::{Look, Patience, Stop};
use super::diagnosis;
use crate::clients::Trouble;
use crate::clients::rds::{Change, ClusterView, MemberView};
use crate::clock;
use crate::runbook::check::{Check, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Event, Outcome};
use crate::runbook::names::InstanceId;
use crate::runbook::plan::StepKind;
use crate::runbook::state::ActionRun;
use crate::runbook::timeline::{Timeline, Zero};
use crate::runbook::witness::Witness;
use crate::watch::{Pace, Sample};
use watched::Watch;

/// How long the watchers are given to bring a first word before the call goes out: the last good write is measured by it.
const WARM_UP: Duration = Duration::from_secs(3);

/// From whom to whom the writer moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    /// The writer before.
    pub from: InstanceId,
    /// The writer after.
    pub to: InstanceId,
}

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
    let (writer, reader) = match (cluster::writer(look, &cluster), cluster::reader(look, &cluster)) {
        (Ok(writer), Ok(reader)) => (writer, reader),
        (Err(finding), _) | (_, Err(finding)) => {
            let mut brief = look.brief(format!("Move the writer of {}", look.partition.cluster.id));
            brief.preconditions = vec![Precondition::now(finding.cause, Holds::No)];
            return Ok(brief);
        }
    };
    if let Some(already) = moved_before(look, &writer.id) {
        return Ok(brief_second_look(look, writer, already));
    }
    let mut brief = look.brief(format!("Promote {} to writer of {}", reader.id, look.partition.cluster.id));
    brief.calls.push(change(look, &reader.id).call(&look.tools.aws.target));
    brief.preconditions = preconditions(&cluster, writer, reader);
    brief.preconditions.extend(still_at_it(look, writer));
    brief.preconditions.extend(reader.pending_class().map(|class| {
        Precondition::now(
            format!("class {class} is still queued on {}; it would be promoted without", reader.id),
            Holds::No,
        )
    }));
    brief.feels = look.step.impact.clone().or(brief.feels);
    brief.back = look.step.way_back.clone().or_else(|| Some(format!("fail back to {}", writer.id)));
    Ok(brief)
}

/// What is shown where the writer moved already, by an attempt that did not end well.
fn brief_second_look(look: &Look, writer: &MemberView, already: &ActionRun) -> Brief {
    let mut brief = look.brief(format!("See whether {} is well as the writer; nothing is sent", writer.id));
    let at = already.at.to_zoned(look.zone()).strftime("%H:%M:%S");
    let promoted = format!("{} was promoted by the attempt of {at}; another failover moves the writer back", writer.id);
    brief.preconditions = vec![Precondition::now(promoted.clone(), Holds::Mind)];
    brief.already_done = Some(promoted);
    brief
}

/// What a move of the writer rests on, either way.
pub(super) fn preconditions(cluster: &ClusterView, writer: &MemberView, target: &MemberView) -> Vec<Precondition> {
    vec![
        cluster::available(cluster),
        cluster::member_available(target),
        cluster::member_available(writer),
        Precondition::require(target.group_status == "in-sync", format!("{} {}", target.id, target.group_status)),
    ]
}

/// The call that makes an instance the writer.
pub(super) fn change(look: &Look, target: &InstanceId) -> Change {
    Change::Failover { cluster: look.partition.cluster.id.clone(), target: target.clone() }
}

/// The calls of this run's failover steps that were or may have been carried out.
fn moves(look: &Look) -> impl Iterator<Item = &ActionRun> {
    let planned = |id| look.partition.step(id).is_some_and(|step| step.kind == StepKind::Failover);
    let steps = look.so_far.steps.iter().filter(move |step| planned(&step.id));
    let actions = steps.flat_map(|step| &step.attempts).flat_map(|attempt| &attempt.actions);
    actions.filter(|each| each.may_have_acted() && each.action.before.contains_key("to"))
}

/// Who was the writer before this run's last failover.
pub(super) fn former_writer(look: &Look) -> Option<InstanceId> {
    let last = moves(look).max_by_key(|each| each.at)?;
    last.action.before.get("from").map(|from| InstanceId::new(from.clone()))
}

/// The call by which a former attempt made this instance the writer. Sent again, it would move the writer back.
fn moved_before<'a>(look: &'a Look, writer: &InstanceId) -> Option<&'a ActionRun> {
    moves(look).filter(|each| each.action.before.get("to").is_some_and(|to| *to == writer.as_str())).last()
}

/// A call that was accepted a short while ago, and shows nothing: it may still act, and two of them would move the writer
/// there and back.
fn still_at_it(look: &Look, writer: &MemberView) -> Option<Precondition> {
    let patience = SignedDuration::try_from(look.step.stuck_after.min(look.step.limit)).ok()?;
    let last = moves(look).max_by_key(|each| each.at).filter(|each| !each.is_open())?;
    let waits_for = last.action.before.get("from").is_some_and(|from| *from == writer.id.as_str());
    let until = last.at + patience;
    let is_young = waits_for && clock::now() < until;
    is_young.then(|| {
        let time = |at: Timestamp| at.to_zoned(look.zone()).strftime("%H:%M:%S").to_string();
        let text = format!("the failover of {} may still act: wait until {}", time(last.at), time(until));
        Precondition::now(text, Holds::No)
    })
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    if let Some(direction) = intended(act) {
        return move_writer(act, direction).await;
    }
    let cluster = look(act).await?;
    let writer = cluster::writer(act, &cluster)?.id.clone();
    let former = moved_before(act, &writer).and_then(|each| each.action.before.get("from").cloned());
    if let Some(from) = former {
        return watched(act, Move { from: InstanceId::new(from), to: writer }, false).await;
    }
    let reader = cluster::reader(act, &cluster)?.id.clone();
    move_writer(act, Move { from: writer, to: reader }).await
}

/// From whom to whom, as the intent says that this attempt goes on with.
pub(super) fn intended(act: &Act) -> Option<Move> {
    let before = &act.intended()?.action.before;
    let (from, to) = (before.get("from")?, before.get("to")?);
    Some(Move { from: InstanceId::new(from.clone()), to: InstanceId::new(to.clone()) })
}

/// The cluster as it is before anything is sent; trouble that passes is waited out.
pub(super) async fn look(act: &mut Act) -> Result<ClusterView, Stop> {
    let mut patience = Patience::new(act.step.stuck_after);
    loop {
        let seen = act.cluster().await;
        if let Some(cluster) = act.bear(&mut patience, seen).await? {
            return Ok(cluster);
        }
        if let Some(trouble) = patience.trouble.as_ref().filter(|_| patience.is_over()) {
            return Err(diagnosis::of_trouble(act, trouble).into());
        }
        act.wait(act.pause).await?;
    }
}

/// Moves the writer, and watches until everybody agrees on it.
pub(super) async fn move_writer(act: &mut Act, direction: Move) -> Result<Outcome, Stop> {
    watched(act, direction, true).await
}

/// As [`move_writer`]; of a writer that moved before it is only watched whether everybody agrees, and nothing is sent.
async fn watched(act: &mut Act, direction: Move, sends: bool) -> Result<Outcome, Stop> {
    act.set_pace(Pace::Failover);
    let mut samples = act.samples.subscribe();
    let outcome = watch(act, direction, sends, &mut samples).await;
    act.set_pace(Pace::Busy);
    outcome
}

async fn watch(
    act: &mut Act,
    direction: Move,
    sends: bool,
    samples: &mut broadcast::Receiver<Sample>,
) -> Result<Outcome, Stop> {
    let Move { from, to } = &direction;
    for (id, label) in watched::required(act) {
        act.check(Check::new(id, label, "witnesses", Verdict::Pending)).await?;
    }
    act.witness(DESCRIBE, format!("the writer moves from {from} to {to}")).await?;
    let mut timeline = Timeline::default();
    let mut since = act.attempt.started_at;
    if sends {
        warm_up(act, samples, &mut timeline).await;
        since = send(act, &direction).await?;
        timeline.start(Zero { at: since, from: from.clone(), to: Some(to.clone()), fired: true });
    }
    act.verifying().await?;
    let mut watch = Watch::new(direction.clone(), since, timeline);
    let verdict = watch.until_settled(act, samples).await;
    if let Some(failover) = watch.timeline.measure(direction.to, clock::now()) {
        let partition = act.partition.name.clone();
        act.recorder.record(Event::FailoverMeasured { partition, failover }).await?;
    }
    verdict
}

async fn warm_up(act: &Act, samples: &mut broadcast::Receiver<Sample>, timeline: &mut Timeline) {
    if act.partition.sql.is_none() {
        return;
    }
    let first_word = async {
        while !timeline.lanes.contains_key(&Witness::Writes) {
            match samples.recv().await {
                Ok(sample) if sample.partition == act.partition.name => watched::observe(timeline, &sample),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    // Without a first word the failover goes on all the same; only its disruption is measured less sharply.
    let _ = timeout(WARM_UP, first_word).await;
}

/// Sends the call, unless it was sent before; when it was accepted.
async fn send(act: &mut Act, direction: &Move) -> Result<Timestamp, Stop> {
    let Move { from, to } = direction;
    let change = change(act, to);
    let before = [("from", from.to_string()), ("to", to.to_string())];
    let (look, target) = (act.look.clone(), to.clone());
    let seen = || async {
        let cluster = look.cluster().await?;
        let writer = cluster.writer().map(|writer| writer.id.clone());
        if writer.as_ref() == Some(&target) {
            return done(format!("{target} is the writer"));
        }
        if cluster.status == "failing-over" {
            return done("the cluster is failing over");
        }
        no_sign(format!("the cluster is {} and {target} is not the writer", cluster.status))
    };
    match act.change(format!("fail over to {to}"), change, before, seen).await? {
        Acted::Done { at } => Ok(at),
        Acted::Refused(trouble) => Err(ends::refused(act, from, &trouble).await.into()),
    }
}
