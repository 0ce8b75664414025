//! The execution log as JSON: what the Markdown says, with times in UTC and durations in seconds.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::comparison::slow_threshold;
use super::seal::Seal;
use super::times::{self, StepTimes};
use crate::runbook::decision::Decision;
use crate::runbook::event::{FailoverMeasure, NoteKind};
use crate::runbook::plan::{Partition, Step};
use crate::runbook::state::{Attempt, Note, PartitionRun, Run, StepRun, Word};

/// The execution log of a run, as far as it has come.
pub(super) fn json(run: &Run, seal: &Seal) -> Value {
    let partitions = run.plan.partitions.iter().zip(&run.partitions);
    let follow_ups = run.notes.iter().filter(|note| note.kind == NoteKind::FollowUp);
    json!({
        "run": run.id,
        "rollout": run.plan.id,
        "title": run.plan.title,
        "time_zone": run.plan.time_zone,
        "simulated": run.simulated,
        "started_at": run.started_at,
        "last_at": run.last_at,
        "through": run.is_all_through(),
        "stopped": run.stopped.as_ref().map(word),
        "handovers": run.handovers.iter().map(|it| json!({ "at": it.at, "from": it.from, "to": it.to })).collect::<Vec<_>>(),
        "sessions": run.sessions.iter().map(|(at, session)| json!({ "at": at, "session": session })).collect::<Vec<_>>(),
        "partitions": partitions.map(|(planned, own)| partition(run, planned, own)).collect::<Vec<_>>(),
        "notes": run.notes.iter().map(|each| note(each)).collect::<Vec<_>>(),
        "decisions": run.decisions.iter().map(decision).collect::<Vec<_>>(),
        "follow_ups": follow_ups.map(|each| note(each)).collect::<Vec<_>>(),
        // The last word, as in the other forms: it is looked for at the end.
        "journal": { "records": seal.records, "sum": seal.sum },
    })
}

fn partition(run: &Run, planned: &Partition, own: &PartitionRun) -> Value {
    let times = times::of_partition(run, own);
    let (machine, people) = times::sums(&times);
    let steps = planned.steps.iter().zip(&own.steps).zip(&times);
    let state = match (&own.rolled_back, run.is_through(&own.name)) {
        (Some(_), _) => "failed-rolled-back",
        (None, true) => "through",
        (None, false) => "not-through",
    };
    let app = own.app.as_ref().map(|app| {
        let threshold = slow_threshold(&run.plan, &own.name);
        json!({
            "measure": app,
            "median_millis": app.median(),
            "slow_threshold_millis": threshold.as_millis() as u64,
            "slow": app.slower_than(threshold),
        })
    });
    json!({
        "name": own.name,
        "cluster": planned.cluster.id,
        "state": state,
        "rolled_back": own.rolled_back.as_ref().map(word),
        "go_ahead": own.go_ahead.as_ref().map(word),
        "machine_seconds": seconds(machine),
        "people_seconds": seconds(people),
        "steps": steps.map(|((planned, own_step), times)| step(run, own, planned, own_step, times)).collect::<Vec<_>>(),
        "levers": planned.levers.iter().zip(&own.levers).filter_map(|(planned, own)| lever(planned, own)).collect::<Vec<_>>(),
        "failovers": own.failovers.iter().map(failover).collect::<Vec<_>>(),
        "app": app,
    })
}

fn step(run: &Run, partition: &PartitionRun, planned: &Step, own: &StepRun, times: &StepTimes) -> Value {
    let reference = partition.reference(&own.id);
    json!({
        "id": own.id,
        "label": planned.label,
        "title": planned.title,
        "kind": planned.kind.name(),
        "state": run.state_of(&reference).to_string().to_lowercase().replace(' ', "-"),
        "started_at": times.started,
        "ended_at": times.ended,
        "machine_seconds": seconds(times.machine),
        "people_seconds": seconds(times.people),
        "skipped": own.skipped.as_ref().map(word),
        "situations": own.attempts.iter().filter_map(situation).collect::<Vec<_>>(),
        "attempts": own.attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

/// A lever that was pulled.
fn lever(planned: &Step, own: &StepRun) -> Option<Value> {
    let last = own.attempts.last()?;
    Some(json!({
        "id": own.id,
        "title": planned.title,
        "state": last.stands().to_string().to_lowercase().replace(' ', "-"),
        "situations": own.attempts.iter().filter_map(situation).collect::<Vec<_>>(),
        "attempts": own.attempts.iter().map(attempt).collect::<Vec<_>>(),
    }))
}

fn attempt(attempt: &Attempt) -> Value {
    let action = |action: &crate::runbook::state::ActionRun| json!({ "action": action.action, "at": action.at, "outcome": action.outcome });
    let program = attempt.program.as_ref().map(
        |program| json!({ "directory": program.directory, "command_line": program.command_line, "at": program.at }),
    );
    let took = |end: Timestamp| seconds(end.duration_since(attempt.started_at));
    json!({
        "number": attempt.number,
        "by": attempt.by,
        "choice": attempt.choice,
        "approved": attempt.approved.as_ref().map(|it| json!({ "at": it.at, "by": it.by, "digest": it.digest })),
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "seconds": attempt.ended_at.map(took),
        "resumed_at": attempt.resumed_at,
        "preconditions": attempt.preconditions,
        "actions": attempt.actions.iter().map(action).collect::<Vec<_>>(),
        "program": program,
        "checks": attempt.checks,
        "evidence": attempt.evidence,
        "remarks": attempt.remarks,
        "result": attempt.outcome,
    })
}

/// The situation that an attempt's trouble was matched to by evidence.
fn situation(attempt: &Attempt) -> Option<&str> {
    attempt.outcome.as_ref()?.finding()?.situation.as_deref()
}

fn failover(failover: &FailoverMeasure) -> Value {
    let FailoverMeasure { accepted_at, from, to, milestones, disruption, unplanned } = failover;
    let milestones = milestones.iter().map(|milestone| {
        let after = milestone.after.as_millis() as i64;
        let (what, kind) = (milestone.what.to_string(), milestone.what.kind());
        json!({ "what": what, "kind": kind, "witness": milestone.by(), "after_millis": after })
    });
    let disruption = disruption.map(
        |it| json!({ "millis": it.length.as_millis() as u64, "uncertainty_millis": it.uncertainty.as_millis() as u64 }),
    );
    json!({
        "accepted_at": accepted_at,
        "from": from,
        "to": to,
        "milestones": milestones.collect::<Vec<_>>(),
        "disruption": disruption,
        "unplanned": unplanned,
    })
}

fn note(note: &Note) -> Value {
    json!({
        "at": note.at,
        "by": note.by,
        "partition": note.partition,
        "step": note.step,
        "text": note.text,
        "kind": note.kind,
        "evidence": note.evidence,
    })
}

fn decision(decision: &Decision) -> Value {
    json!({
        "at": decision.at,
        "by": decision.by,
        "partition": decision.partition,
        "step": decision.step,
        "what": decision.what.name(),
        "reason": decision.reason,
        "evidence": decision.evidence,
    })
}

fn word(word: &Word) -> Value {
    json!({ "at": word.at, "by": word.by, "text": word.text })
}

fn seconds(span: SignedDuration) -> f64 {
    span.as_secs_f64()
}
