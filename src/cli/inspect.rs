//! `status`, `report`: what a journal says, without its lock.

use serde_json::json;

use super::args::{Form, ReportArgs, RunChoice};
use super::past::Past;
use super::place::Place;
use super::{Failure, exit, print, print_json};
use crate::journal::{self, RunEntry};
use crate::report;
use crate::runbook::event::Outcome;
use crate::runbook::state::{Attempt, Note, Run};
use crate::session;

pub(super) fn status(place: &Place, args: &RunChoice) -> Result<u8, Failure> {
    let entry = place.run_entry(args.run.as_deref())?;
    let (run, notice) = place.read_run(&entry)?;
    let holder = journal::lock::holder(&entry.directory);
    if args.output == Form::Json {
        let mut value = summary(&run);
        value["held_by"] = json!(holder.and_then(|holder| holder.0).map(|owner| owner.operator));
        value["notice"] = json!(notice);
        print_json(&value)?;
        return Ok(exit::DONE);
    }
    let mut text = format!("{} · {}\n", run.id, run.plan.title);
    for partition in &run.plan.partitions {
        let (done, all) = run.progress(&partition.name);
        text.push_str(&format!("\n{} {done}/{all}\n", partition.name));
        for step in &partition.steps {
            let reference = partition.reference(&step.id);
            text.push_str(&format!("  {:>2} {:<32} {}\n", step.label, step.title, run.state_of(&reference)));
        }
    }
    for handover in &run.handovers {
        let at = handover.at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z");
        text.push_str(&format!("\nhanded over by {} to {} at {at}\n", handover.from, handover.to));
    }
    text.extend(holder.map(|holder| format!("\nheld by {holder}\n")));
    text.extend(notice.map(|notice| format!("\n{notice}\n")));
    print(&text)?;
    Ok(exit::DONE)
}

/// How a run stands, for programs: per partition and step the state, attempts and what they found.
pub(super) fn summary(run: &Run) -> serde_json::Value {
    let partitions: Vec<_> = run
        .plan
        .partitions
        .iter()
        .map(|partition| {
            let steps: Vec<_> = partition.steps.iter().map(|step| step_summary(run, partition, step)).collect();
            let levers: Vec<_> = partition.levers.iter().map(|lever| lever_summary(run, partition, lever)).collect();
            let rolled_back = run.partition(&partition.name).and_then(|run| run.rolled_back.as_ref());
            let go_ahead = run.partition(&partition.name).and_then(|run| run.go_ahead.as_ref()).map(|word| word.at);
            json!({
                "partition": partition.name,
                "through": run.is_through(&partition.name),
                "go_ahead": go_ahead,
                "failovers": run.partition(&partition.name).map(|run| &run.failovers),
                "rolled_back": rolled_back.map(|word| &word.text),
                "steps": steps,
                "levers": levers,
            })
        })
        .collect();
    let notes: Vec<_> = run.notes.iter().map(|each| note(each)).collect();
    json!({
        "handovers": run.handovers.iter().map(|it| json!({ "at": it.at, "from": it.from, "to": it.to })).collect::<Vec<_>>(),
        "run": run.id, "rollout": run.plan.id, "simulated": run.simulated, "partitions": partitions, "notes": notes,
    })
}

fn note(note: &Note) -> serde_json::Value {
    json!({
        "at": note.at,
        "by": note.by,
        "partition": note.partition,
        "step": note.step.as_ref().map(ToString::to_string),
        "text": note.text,
        "kind": note.kind,
        "evidence": note.evidence,
    })
}

fn step_summary(
    run: &Run,
    partition: &crate::runbook::plan::Partition,
    step: &crate::runbook::plan::Step,
) -> serde_json::Value {
    let reference = partition.reference(&step.id);
    let found = run.step(&reference).map(|(_, _, run)| run);
    let attempts: Vec<_> = found.map(|run| run.attempts.as_slice()).unwrap_or_default().iter().map(attempt).collect();
    json!({
        "step": step.id,
        "label": step.label,
        "title": step.title,
        "state": run.state_of(&reference).to_string(),
        "locked": run.gate(&reference).err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "machine_s": found.map(|found| found.machine_time(run.last_at).as_secs_f64()),
        "skipped": found.and_then(|run| run.skipped.as_ref()).map(|word| &word.text),
        "attempts": attempts,
    })
}

/// A lever: whether it could be pulled now, why not, and how it went where it was.
fn lever_summary(
    run: &Run,
    partition: &crate::runbook::plan::Partition,
    lever: &crate::runbook::plan::Step,
) -> serde_json::Value {
    let reference = partition.reference(&lever.id);
    let attempts = run.step(&reference).map(|(_, _, run)| run.attempts.as_slice()).unwrap_or_default();
    let locks = run.gate(&reference).err().unwrap_or_default();
    json!({
        "lever": lever.id,
        "title": lever.title,
        "locked": locks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "state": run.pulled(&reference).map(|state| state.to_string()),
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn attempt(attempt: &Attempt) -> serde_json::Value {
    let ended = attempt.outcome.as_ref().and_then(Outcome::finding);
    json!({
        "number": attempt.number,
        "started": attempt.started_at,
        "approved": attempt.approved.as_ref().map(|it| json!({ "at": it.at, "by": it.by, "digest": it.digest })),
        "ended": attempt.ended_at,
        "outcome": attempt.outcome,
        // What was diagnosed on the way, and at the end.
        "findings": attempt.remarks.iter().chain(ended).collect::<Vec<_>>(),
        "actions": attempt.actions.iter().map(|action| json!({
            "key": action.action.key,
            "operation": action.action.call.operation,
            "before": action.action.before,
            "outcome": action.outcome,
        })).collect::<Vec<_>>(),
        "checks": attempt.checks,
    })
}

pub(super) fn report(place: &Place, args: &ReportArgs) -> Result<u8, Failure> {
    let text = report_of(place, args.run.as_deref(), args.output)?;
    match &args.out {
        None => print(&text)?,
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Failure::failed(format!("{} is not written: {error}", file.display())))?,
    }
    Ok(exit::DONE)
}

/// The report of a run, of the latest where none is named.
pub(super) fn report_of(place: &Place, run: Option<&str>, form: report::Form) -> Result<String, Failure> {
    let entry = place.run_entry(run)?;
    let contents = journal::read(&entry.journal()).map_err(Failure::failed)?;
    report_by(&entry, &contents.entries, form)
}

/// The report of a run as these records of its journal tell it.
pub(super) fn report_by(entry: &RunEntry, records: &[journal::Entry], form: report::Form) -> Result<String, Failure> {
    let run = session::fold(&entry.journal(), records).map_err(Failure::failed)?;
    let pictures = if form == report::Form::Html { Past::until(entry, records)?.pictures() } else { Vec::new() };
    let head = records.last().map(journal::Entry::head).unwrap_or_default();
    Ok(report::write(form, &run, &pictures, &report::Seal { records: head.seq, sum: head.sum.to_string() }))
}
