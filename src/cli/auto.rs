//! `rehearse --auto`: takes the operator's place, on a simulated site only.

use super::args::{AutoArgs, Form};
use super::headless::Headless;
use super::place::{self, Place};
use super::{Failure, exit, inspect, print, print_json, site};
use crate::runbook::check::Evidence;
use crate::runbook::event::{Event, NoteKind, Way};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::state::{Run, StepState};

pub(super) async fn auto(place: &Place, args: &AutoArgs) -> Result<u8, Failure> {
    if !place::is_simulated() {
        return Err(Failure::refused(
            "--auto takes the operator's place on a simulated site only; use `rehearse --auto`",
        ));
    }
    let plan = place::only(place.plan(args.rollout.as_deref())?, &args.only)?;
    let mut headless = Headless::open(place, plan, args.new, true, true).await?;
    let ended = take_the_operators_place(&mut headless, &args.hold_go_ahead).await;
    let run = headless.run.clone();
    let closed = headless.close().await;
    site::end_if_ours().await;
    match args.output {
        Form::Json => print_json(&inspect::summary(&run))?,
        Form::Text => print(&crate::report::markdown(&run))?,
    }
    let stopped = ended?;
    closed?;
    Ok(if stopped { exit::FAILED } else { exit::DONE })
}

/// How often the same way is tried for the same finding at the same step. Somebody who gets the same answer a third time
/// does not ask a fourth time at 23:00.
const TRIES: usize = 3;

/// Fires what is ready, in its order, and takes the way out that the cockpit offers where something failed, until
/// everything is through; whether it had to stop before.
async fn take_the_operators_place(headless: &mut Headless, held: &[String]) -> Result<bool, Failure> {
    let mut tried: Vec<(StepRef, Option<String>, Way)> = Vec::new();
    while let Some((step, state)) = headless.run.next_step() {
        if state.is_trouble() {
            let Some((situation, way)) = way_out(&headless.run, &step, &tried) else { return Ok(true) };
            tried.push((step.clone(), situation, way.clone()));
            if !take(headless, &step, &way).await? {
                return Ok(true);
            }
        } else if goes_ahead(headless, &step) {
            if held.iter().any(|name| name == step.partition.as_str()) {
                hold_back(headless, &step).await?;
            }
            let by = headless.session.operator().to_owned();
            headless.record(Event::GoAhead { partition: step.partition.clone(), by, note: None }).await?;
            headless.talk(&format!("{}: go-ahead", step.partition));
        } else {
            headless.fire_once_it_holds(&step, None).await?;
        }
    }
    let run = &headless.run;
    let through = run.plan.partitions.iter().all(|partition| run.is_through(&partition.name));
    Ok(!through || run.references().any(|step| run.state_of(&step) == StepState::Unknown))
}

/// The first way that is offered, open now, and not worn out.
fn way_out(run: &Run, step: &StepRef, tried: &[(StepRef, Option<String>, Way)]) -> Option<(Option<String>, Way)> {
    let (_, _, step_run) = run.step(step)?;
    let finding = step_run.standing()?.outcome.as_ref()?.finding()?;
    let worn_out = |way: &Way| {
        let same = |(known, situation, other): &&(StepRef, Option<String>, Way)| {
            known == step && *situation == finding.situation && other == way
        };
        tried.iter().filter(same).count() >= TRIES
    };
    let is_open = |way: &&Way| match way {
        Way::Lever { lever, .. } => {
            run.gate(&StepRef { partition: step.partition.clone(), step: lever.clone() }).is_ok()
        }
        _ => true,
    };
    let way = finding.ways.iter().filter(is_open).find(|way| !worn_out(way))?;
    Some((finding.situation.clone(), way.clone()))
}

/// Takes a way out; whether the rollout goes on.
async fn take(headless: &mut Headless, step: &StepRef, way: &Way) -> Result<bool, Failure> {
    let by = headless.session.operator().to_owned();
    let evidence = headless.run.shown(step);
    match way {
        Way::Again { after } => {
            headless.talk(&format!("{step}: again, in {} s", after.as_secs()));
            tokio::time::sleep(*after).await;
            headless.fire_once_it_holds(step, None).await?;
        }
        Way::Lever { lever, choice } => {
            let lever = StepRef { partition: step.partition.clone(), step: lever.clone() };
            // Where the lever does not move, the step says so again, and the way wears out.
            headless.fire_once_it_holds(&lever, choice.clone()).await?;
            headless.fire_once_it_holds(step, None).await?;
        }
        Way::Back { step: earlier } => {
            let earlier = StepRef { partition: step.partition.clone(), step: earlier.clone() };
            let reason = format!("{step} showed that it does not hold");
            headless.record(Event::Reopened { step: earlier, reason, by, evidence }).await?;
        }
        Way::Skip { because } => {
            headless.record(Event::StepSkipped { step: step.clone(), reason: because.clone(), by, evidence }).await?;
        }
        Way::RollBack => {
            let reason = format!("{step} failed, and nothing else is left");
            headless.record(Event::RolledBack { partition: step.partition.clone(), by, reason, evidence }).await?;
            return Ok(false);
        }
    }
    Ok(true)
}

/// How often the next partition is tried while the go-ahead is held back.
const KNOCKS: usize = 3;

/// Holds the go-ahead back, and tries to begin the next partition without it: what the gate says is noted in the journal.
async fn hold_back(headless: &mut Headless, step: &StepRef) -> Result<(), Failure> {
    let plan = &headless.run.plan;
    let after = plan.partitions.iter().skip_while(|partition| partition.name != step.partition).nth(1);
    let Some((partition, first)) = after.and_then(|next| Some((next.name.clone(), next.steps.first()?.id.clone())))
    else {
        headless.talk(&format!("{}: no partition comes after it; the go-ahead is not held back", step.partition));
        return Ok(());
    };
    let next = StepRef { partition, step: first };
    for _ in 0..KNOCKS {
        let Err(refusal) = headless.fire(&next, None).await else {
            return Err(Failure::failed(format!("{next} was fired without the go-ahead of {}", step.partition)));
        };
        headless.talk(&format!("{next}: {refusal}"));
        let by = headless.session.operator().to_owned();
        headless
            .record(Event::Noted {
                partition: Some(step.partition.clone()),
                step: Some(next.clone()),
                by,
                text: format!("the go-ahead was held back: {refusal}"),
                note: NoteKind::Remark,
                evidence: vec![Evidence::now("gate", refusal.to_string())],
            })
            .await?;
    }
    Ok(())
}

fn goes_ahead(headless: &Headless, step: &StepRef) -> bool {
    headless.run.step(step).is_some_and(|(_, planned, _)| planned.kind == StepKind::GoAhead)
}
