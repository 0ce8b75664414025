//! The cockpit's own lines in the log: what was decided, what was sent, what turned.

use jiff::Timestamp;

use super::live::Live;
use super::log::{Level, LogLine, LogSource};
use super::state::State;
use super::unplanned::{self, moves_the_writer};
use crate::runbook::check::Verdict;
use crate::runbook::event::{ActionOutcome, Event, NoteKind, Outcome, Record};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::timeline::Zero;
use crate::runbook::witness::{Testimony, Witness, Word};
use crate::watch::sample::Sample;

/// Adds the line that an event is worth, if any.
pub(super) fn narrate(state: &mut State, record: &Record) {
    let Some((level, text)) = words(&record.event) else { return };
    let partition = match &record.event {
        Event::GoAhead { partition, .. }
        | Event::RolledBack { partition, .. }
        | Event::FailoverMeasured { partition, .. } => Some(partition.clone()),
        event => event.step().map(|step| step.partition.clone()),
    };
    state.log.push(LogLine { at: record.at, source: LogSource::Cockpit, partition, level, text });
}

fn words(event: &Event) -> Option<(Level, String)> {
    // The partition has a column of its own.
    let name = event.step().map_or("", |step| step.step.as_str());
    let (level, text) = match event {
        Event::RunStarted { run, plan, .. } => (Level::Notice, format!("run {run}: {}", plan.title)),
        Event::SessionOpened { session } => {
            (Level::Notice, format!("{} on {} holds the controls", session.operator, session.host))
        }
        Event::HandedOver { from, to } => (Level::Warning, format!("the controls go from {from} to {to}")),
        Event::Approved { by, .. } => (Level::Notice, format!("{name}: approved by {by}, as the second person")),
        Event::AttemptStarted { attempt, by, .. } => {
            (Level::Notice, format!("{name} fired by {by}, attempt {attempt}"))
        }
        Event::AttemptResumed { attempt, .. } => {
            (Level::Warning, format!("{name}: attempt {attempt} is taken up again"))
        }
        Event::Intent { action, .. } => (Level::Notice, format!("{name}: {} · {}", action.call.operation, action.key)),
        Event::ActionSettled { key, outcome, .. } => settled(name, key, outcome),
        Event::ProgramStarted { command_line, .. } => (Level::Notice, format!("{name}: {command_line}")),
        Event::CheckSettled { check, .. } => match check.verdict {
            Verdict::Passed => (Level::Notice, format!("{name}: ✓ {}{}", check.label, seen(check.seen.as_deref()))),
            Verdict::Failed => (Level::Error, format!("{name}: ✗ {}{}", check.label, seen(check.seen.as_deref()))),
            Verdict::Warning => (Level::Warning, format!("{name}: ! {}{}", check.label, seen(check.seen.as_deref()))),
            Verdict::Pending | Verdict::Settling | Verdict::Unreadable => return None,
        },
        Event::AttemptEnded { attempt, outcome, .. } => {
            (outcome_level(outcome), format!("{name}: attempt {attempt} {}", ended(outcome)))
        }
        Event::Remarked { finding, .. } => (Level::Warning, format!("{name}: {}", finding.cause)),
        Event::Reopened { reason, by, .. } => (Level::Warning, format!("back to {name}, by {by}: {reason}")),
        Event::StepSkipped { reason, by, .. } => (Level::Warning, format!("{name} skipped by {by}: {reason}")),
        Event::GoAhead { partition, by, .. } => (Level::Notice, format!("{partition}: go-ahead by {by}")),
        Event::Noted { text, by, note, .. } => {
            let kind = match note {
                NoteKind::Remark => "note",
                NoteKind::Decision => "decision",
                NoteKind::FollowUp => "follow-up",
            };
            (Level::Notice, format!("{kind} by {by}: {text}"))
        }
        Event::RolledBack { partition, by, reason, .. } => {
            (Level::Error, format!("{partition} rolled back by {by}: {reason}"))
        }
        Event::Stopped { by, reason } => (Level::Error, format!("the rollout was stopped by {by}: {reason}")),
        Event::FailoverMeasured { failover, .. } => (Level::Notice, measured(failover)),
        Event::SessionClosed
        | Event::ConfirmationOpened { .. }
        | Event::ConfirmationClosed { .. }
        | Event::Verifying { .. }
        | Event::Witnessed { .. }
        // Its line is written where it begins to be drawn.
        | Event::FailoverNoticed { .. }
        | Event::AppMeasured { .. } => return None,
    };
    Some((level, text))
}

fn seen(seen: Option<&str>) -> String {
    seen.map_or_else(String::new, |seen| format!(" · {seen}"))
}

fn settled(name: &str, key: &str, outcome: &ActionOutcome) -> (Level, String) {
    match outcome {
        ActionOutcome::Accepted { mark } => {
            let mark = mark.as_ref().map_or_else(String::new, |mark| format!(" · request {mark}"));
            (Level::Notice, format!("{name}: {key} accepted{mark}"))
        }
        ActionOutcome::Refused { code, message } => (Level::Error, format!("{name}: {key} refused: {code} {message}")),
        ActionOutcome::FoundDone { evidence } => (Level::Warning, format!("{name}: {key} was carried out: {evidence}")),
        ActionOutcome::FoundUndone { evidence } => {
            (Level::Warning, format!("{name}: {key} was not carried out: {evidence}"))
        }
        ActionOutcome::Unknown { reason } => (Level::Error, format!("{name}: {key}: outcome unknown: {reason}")),
    }
}

fn ended(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::PassedWithWarnings { warnings } => format!("passed with warnings: {}", warnings.join("; ")),
        Outcome::Failed { finding } => format!("failed: {}", finding.cause),
        Outcome::Partial { finding } => format!("is partly done: {}", finding.cause),
        Outcome::Deferred { until, reason } => format!("deferred until {until}: {reason}"),
        Outcome::Unknown { finding } => format!("has an unknown outcome: {}", finding.cause),
    }
}

fn measured(failover: &crate::runbook::event::FailoverMeasure) -> String {
    let disruption = failover.disruption.map_or_else(
        || "disruption not measured".to_owned(),
        |disruption| format!("writer endpoint down {disruption}"),
    );
    let unplanned = if failover.unplanned { "unplanned failover is over: " } else { "" };
    format!("{unplanned}writer moved from {} to {}, {disruption}", failover.from, failover.to)
}

/// Sets T=0 when a failover's call is accepted, and notes its end; an unplanned one is noticed by whoever saw it.
pub(super) fn timeline(state: &mut State, record: &Record) {
    match &record.event {
        Event::ActionSettled {
            step,
            attempt,
            key,
            outcome: ActionOutcome::Accepted { .. } | ActionOutcome::FoundDone { .. },
        } => {
            if let Some(zero) = zero_of(state, step, *attempt, key, record.at) {
                start(state, &step.partition, zero);
            }
        }
        Event::AttemptEnded { step, outcome, .. } => {
            let moves = state.run.step(step).is_some_and(|(_, planned, _)| moves_the_writer(&planned.kind));
            // One that came to nothing may still act: what moves then is its own.
            let passed = matches!(outcome, Outcome::Passed | Outcome::PassedWithWarnings { .. });
            if let Some(live) = state.live.get_mut(&step.partition).filter(|_| moves && passed)
                && live.timeline.is_open()
            {
                live.timeline.over = Some(record.at);
            }
        }
        Event::FailoverNoticed { .. } => unplanned::begin(state, &record.event),
        Event::FailoverMeasured { partition, failover } => unplanned::end(state, partition, failover, record.at),
        _ => {}
    }
}

/// T=0 of a failover that a session before this one fired and that is still under way.
pub(super) fn resume_timelines(state: &mut State) {
    let fired: Vec<_> = state
        .run
        .under_way()
        .flat_map(|(step, attempt)| attempt.actions.iter().map(move |action| (step.clone(), attempt.number, action)))
        .filter(|(_, _, action)| action.may_have_acted())
        .map(|(step, attempt, action)| {
            (step, attempt, action.action.key.clone(), action.settled_at.unwrap_or(action.at))
        })
        .collect();
    for (step, attempt, key, at) in fired {
        if let Some(zero) = zero_of(state, &step, attempt, &key, at) {
            start(state, &step.partition, zero);
        }
    }
}

fn start(state: &mut State, partition: &PartitionName, zero: Zero) {
    if let Some(live) = state.live.get_mut(partition) {
        live.timeline.start(zero);
        state.timeline_view.reset();
        // What was chosen to be looked at was chosen before there was a failover.
        state.focus_chosen = false;
    }
}

/// T=0 of a call that moves the writer.
fn zero_of(state: &State, step: &StepRef, attempt: u32, key: &str, at: Timestamp) -> Option<Zero> {
    let (_, planned, run) = state.run.step(step)?;
    if !moves_the_writer(&planned.kind) {
        return None;
    }
    let attempt = run.attempts.iter().find(|known| known.number == attempt)?;
    let before = &attempt.action(key)?.action.before;
    let (from, to) = (before.get("from")?, before.get("to"));
    Some(Zero { at, from: from.as_str().into(), to: to.map(|to| to.as_str().into()), fired: true })
}

/// Lines for what turned: a witness that says another thing than before.
pub(super) fn turns(live: &Live, sample: &Sample) -> Vec<LogLine> {
    sample.testimony().into_iter().filter_map(|testimony| turn(live, sample, &testimony)).collect()
}

fn turn(live: &Live, sample: &Sample, testimony: &Testimony) -> Option<LogLine> {
    let last = &live.timeline.lanes.get(&testimony.witness)?.last.word;
    if last.says_the_same(&testimony.word) {
        return None;
    }
    let source = match testimony.witness {
        Witness::ApiStatus | Witness::ApiWriter => LogSource::Rds,
        Witness::Dns => LogSource::Dns,
        Witness::SqlEndpoint | Witness::Writes | Witness::SqlInstance(_) => LogSource::Sql,
        Witness::Application => LogSource::App,
        Witness::Pods => LogSource::Pods,
        // RDS events have lines of their own.
        Witness::Events => return None,
    };
    let (level, what) = match &testimony.word {
        Word::Writer { instance, writes: Some(true) } => (Level::Notice, format!("{instance}, writes go through")),
        Word::Writer { instance, writes: Some(false) } => (Level::Warning, format!("{instance} refuses writes")),
        Word::Writer { instance, writes: None } => (Level::Notice, format!("{instance} is the writer")),
        Word::Reader => (Level::Info, "a reader".to_owned()),
        Word::Status { text, healthy } => (if *healthy { Level::Notice } else { Level::Warning }, text.clone()),
        Word::Happened { text } => (Level::Notice, text.clone()),
        Word::Silent { reason } => (Level::Warning, reason.clone()),
    };
    let text = format!("{}: {what}", testimony.witness);
    Some(LogLine { at: testimony.at, source, partition: Some(sample.partition.clone()), level, text })
}

/// How much an outcome matters in the log.
fn outcome_level(outcome: &Outcome) -> Level {
    match outcome {
        Outcome::Passed => Level::Notice,
        Outcome::PassedWithWarnings { .. } | Outcome::Deferred { .. } => Level::Warning,
        Outcome::Failed { .. } | Outcome::Partial { .. } | Outcome::Unknown { .. } => Level::Error,
    }
}
