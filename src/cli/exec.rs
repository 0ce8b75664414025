//! `exec`: fires steps without a screen, by the same gates and confirmations.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::args::{ExecArgs, Form};
use super::headless::Headless;
use super::place::Place;
use super::{Failure, exit, inspect, print_json};
use crate::runbook::check::Holds;
use crate::runbook::event::{Brief, Event};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::{ConfirmRule, Step, StepKind};
use crate::runbook::state::{Run, StepState};
use crate::watch::Near;

pub(super) async fn exec(place: &Place, args: &ExecArgs) -> Result<u8, Failure> {
    let plan = place.plan(args.rollout.as_deref())?;
    let partition = PartitionName::new(args.partition.clone());
    let Some(planned) = plan.partition(&partition) else {
        let known: Vec<&str> = plan.partitions.iter().map(|each| each.name.as_str()).collect();
        return Err(Failure::usage(format!("there is no partition {partition}; there are {}", known.join(", "))));
    };
    if let Some(step) = args.step.as_deref().filter(|step| planned.step(&(*step).into()).is_none()) {
        let known: Vec<&str> = planned.steps.iter().map(|each| each.id.as_str()).collect();
        return Err(Failure::usage(format!("{partition} has no step {step}; there are {}", known.join(", "))));
    }
    let near = Near::Only([partition.clone()].into());
    let mut headless = Headless::open(place, (plan, near), args.new, args.output == Form::Text, false).await?;
    let done = fire_all(&mut headless, &partition, args).await;
    let run = headless.run.clone();
    let closed = headless.close().await;
    if args.output == Form::Json {
        print_json(&inspect::summary(&run))?;
    }
    // What went wrong first tells more than what could not be written because of it.
    let code = done?;
    closed.map(|()| code)
}

async fn fire_all(headless: &mut Headless, partition: &PartitionName, args: &ExecArgs) -> Result<u8, Failure> {
    for step in chosen(&headless.run, partition, args) {
        if let Some(reason) = &args.skip {
            let by = headless.session.operator().to_owned();
            let evidence = headless.run.shown(&step);
            headless.record(Event::StepSkipped { step: step.clone(), reason: reason.clone(), by, evidence }).await?;
            headless.talk(&format!("{step}: {}", headless.run.state_of(&step)));
            continue;
        }
        let code = match fire(headless, &step, args).await? {
            StepState::Passed | StepState::PassedWithWarnings | StepState::Skipped => exit::DONE,
            StepState::Unknown => exit::UNKNOWN,
            _ => exit::FAILED,
        };
        if code != exit::DONE {
            return Ok(code);
        }
    }
    Ok(exit::DONE)
}

/// The steps to fire: the one that was named, or all that are not behind. The go-ahead is a person's word and is given
/// only where it is named; what needs it is not fired with it.
fn chosen(run: &Run, partition: &PartitionName, args: &ExecArgs) -> Vec<StepRef> {
    let reference = |step: &Step| StepRef { partition: partition.clone(), step: step.id.clone() };
    let steps = run.plan.partition(partition).map(|planned| planned.steps.as_slice()).unwrap_or_default();
    match &args.step {
        Some(step) => vec![StepRef::new(partition.clone(), step.as_str())],
        None => steps
            .iter()
            .take_while(|step| step.kind != StepKind::GoAhead)
            .map(reference)
            .filter(|step| !run.state_of(step).is_behind())
            .collect(),
    }
}

async fn fire(headless: &mut Headless, step: &StepRef, args: &ExecArgs) -> Result<StepState, Failure> {
    // What was asked for has just been seen to its end: a second attempt is another decision.
    if headless.resumed.as_ref() == Some(step) {
        return Ok(headless.run.state_of(step));
    }
    if let Err(locks) = headless.run.gate(step) {
        let reasons: Vec<String> = locks.iter().map(ToString::to_string).collect();
        return Err(Failure::refused(format!("{step} is locked: {}", reasons.join("; "))));
    }
    let Some(look) = headless.session.look(&headless.run, step).await else {
        return Err(Failure::usage(format!("{step} is not in the plan")));
    };
    let planned = look.step.clone();
    if planned.kind == StepKind::GoAhead {
        confirm(step, &planned, None, args)?;
        let by = headless.session.operator().to_owned();
        headless.record(Event::GoAhead { partition: step.partition.clone(), by, note: None }).await?;
        return Ok(headless.run.state_of(step));
    }
    let brief = headless.brief(&look).await?;
    if let Some(blocks) = brief.preconditions.iter().find(|each| each.holds == Holds::No) {
        return Err(Failure::refused(format!("{step} may not be fired: {}", blocks.text)));
    }
    confirm(step, &planned, Some(&brief), args)?;
    headless.fire(step, args.choice.clone()).await
}

/// Asks on the terminal, unless the command line has answered.
fn confirm(step: &StepRef, planned: &Step, brief: Option<&Brief>, args: &ExecArgs) -> Result<(), Failure> {
    let answered = match &planned.confirm {
        ConfirmRule::Plain => args.yes,
        ConfirmRule::Type(name) => match &args.confirm {
            Some(given) if given == name => true,
            Some(given) => {
                return Err(Failure::refused(format!("{step} wants the name {name}, not {given}; nothing was sent")));
            }
            None => false,
        },
    };
    if answered {
        return Ok(());
    }
    let how = match &planned.confirm {
        ConfirmRule::Plain => "--yes".to_owned(),
        ConfirmRule::Type(name) => format!("--confirm {name}"),
    };
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refused(format!("{step} wants a confirmation: give {how}; nothing was sent")));
    }
    let expected = match &planned.confirm {
        ConfirmRule::Plain => "yes",
        ConfirmRule::Type(name) => name,
    };
    let mut err = std::io::stderr();
    if let Some(brief) = brief {
        let _ = writeln!(err, "{}", brief.what);
        for call in &brief.calls {
            let _ = writeln!(err, "  {}  {}", call.operation, call.command_line);
        }
        for precondition in &brief.preconditions {
            let _ = writeln!(err, "  {}", precondition.text);
        }
    }
    let _ = write!(err, "type {expected} to fire {step}: ");
    let _ = err.flush();
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).map_err(Failure::failed)?;
    if typed.trim() == expected {
        return Ok(());
    }
    Err(Failure::refused(format!("{step} was not confirmed; nothing was sent")))
}
