//! `rehearse --auto`: takes the operator's place, on a simulated site only.

use super::args::{AutoArgs, Form};
use super::headless::Headless;
use super::place::{self, Place};
use super::{Failure, exit, inspect, print, print_json, site};
use crate::report::Form::Markdown;
use crate::runbook::check::Evidence;
use crate::runbook::event::{Event, NoteKind, Way};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::state::{Run, StepState};
use crate::watch::Near;

pub(super) async fn auto(place: &Place, args: &AutoArgs) -> Result<u8, Failure> {
    if !place::is_simulated() {
        return Err(Failure::refused(
            "--auto takes the operator's place on a simulated site only; use `rehearse --auto`",
        ));
    }
    die_with_whoever_keeps_at_it();
    let plan = place::only(place.plan(args.rollout.as_deref())?, &args.only)?;
    let mut headless = Headless::open(place, (plan, Near::All), args.new, true, true).await?;
    let ended = take_the_operators_place(&mut headless, &args.hold_go_ahead).await;
    let run = headless.run.clone();
    let closed = headless.close().await;
    site::end_if_ours().await;
    match args.output {
        Form::Json => print_json(&inspect::summary(&run))?,
        Form::Text => print(&inspect::report_of(place, Some(run.id.as_str()), Markdown)?)?,
    }
    let stopped = ended?;
    closed?;
    Ok(if stopped { exit::FAILED } else { exit::DONE })
}

/// To whoever kills a rehearsal it is one thing: this process does not outlive the one that started it and would start it
/// again. Elsewhere than on Linux it does, holds the controls, and goes on to its end.
fn die_with_whoever_keeps_at_it() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        tracing::warn!(%error, "this process would outlive the one that started it");
    }
}

/// How often the same way is tried for the same finding at the same step. Somebody who gets the same answer a third time
/// does not ask a fourth time at 23:00.
const TRIES: usize = 3;

/// Fires what is ready, in its order, and takes the way out that the cockpit offers where something failed, until
/// everything is through; whether it had to stop before.
async fn take_the_operators_place(headless: &mut Headless, held: &[String]) -> Result<bool, Failure> {
    let mut tried = Tried::new();
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
            fire(headless, &step, &mut tried).await?;
        }
    }
    let run = &headless.run;
    Ok(!run.is_all_through() || run.references().any(|step| run.state_of(&step) == StepState::Unknown))
}

/// What was tried so far: at which step, for which situation, which way.
type Tried = Vec<(StepRef, Option<String>, Way)>;

fn times_tried(tried: &Tried, step: &StepRef, situation: &Option<String>, way: &Way) -> usize {
    let same = |(of, met, taken): &&(StepRef, Option<String>, Way)| of == step && met == situation && taken == way;
    tried.iter().filter(same).count()
}

/// Fires a step that is ready. Where something that must hold does not, an earlier step's remark may have said so, and how
/// it comes to hold; else it is waited for.
async fn fire(headless: &mut Headless, step: &StepRef, tried: &mut Tried) -> Result<(), Failure> {
    while headless.fire_if_it_holds(step).await?.is_none() {
        let Some((situation, lever)) = remarked(&headless.run, step, tried) else {
            headless.fire_once_it_holds(step, None).await?;
            return Ok(());
        };
        let Way::Lever { lever: id, choice } = &lever else { return Ok(()) };
        let reference = step.beside(id);
        headless.fire_once_it_holds(&reference, choice.clone()).await?;
        tried.push((step.clone(), situation, lever));
    }
    Ok(())
}

/// The lever that a standing remark of the partition offers, the latest first.
fn remarked(run: &Run, step: &StepRef, tried: &Tried) -> Option<(Option<String>, Way)> {
    let steps = run.partition(&step.partition)?.steps.iter().rev();
    let remarks = steps.filter_map(|each| each.standing()).flat_map(|attempt| &attempt.remarks);
    let offered = remarks.flat_map(|remark| remark.ways.iter().map(|way| (remark.situation.clone(), way.clone())));
    let is_lever = |(_, way): &(Option<String>, Way)| matches!(way, Way::Lever { .. });
    let not_tried = |(situation, way): &(Option<String>, Way)| times_tried(tried, step, situation, way) == 0;
    offered.into_iter().filter(is_lever).find(not_tried)
}

/// The first way that is offered, open now, not worn out, and not behind: of several levers one after the other, each is
/// pulled once.
fn way_out(run: &Run, step: &StepRef, tried: &Tried) -> Option<(Option<String>, Way)> {
    let (_, _, step_run) = run.step(step)?;
    let attempt = step_run.standing()?;
    let finding = attempt.outcome.as_ref()?.finding()?;
    let worn_out = |way: &Way| times_tried(tried, step, &finding.situation, way) >= TRIES;
    let is_behind = |way: &Way| {
        let Way::Lever { lever, .. } = way else { return false };
        let lever = step.beside(lever);
        let last = run.step(&lever).and_then(|(_, _, pulled)| pulled.attempts.last());
        last.is_some_and(|last| last.stands().is_behind() && last.ended_at > attempt.ended_at)
    };
    let is_open = |way: &&Way| match way {
        Way::Lever { lever, .. } => run.gate(&step.beside(lever)).is_ok(),
        _ => true,
    };
    let way = finding.ways.iter().filter(is_open).find(|way| !worn_out(way) && !is_behind(way))?;
    Some((finding.situation.clone(), way.clone()))
}

/// The ways out that the step's standing attempt ended with.
fn offered<'a>(run: &'a Run, step: &StepRef) -> &'a [Way] {
    let attempt = run.step(step).and_then(|(_, _, step_run)| step_run.standing());
    let finding = attempt.and_then(|attempt| attempt.outcome.as_ref()?.finding());
    finding.map(|finding| finding.ways.as_slice()).unwrap_or_default()
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
            let lever = step.beside(lever);
            // Where the lever does not move, the way is tried again until it wears out. Where the step cannot be fired after
            // it, another way comes next.
            let is_last = offered(&headless.run, step).last() == Some(way);
            if headless.fire_once_it_holds(&lever, choice.clone()).await?.is_behind()
                && headless.fire_if_it_holds(step).await?.is_none()
                && is_last
            {
                headless.fire_once_it_holds(step, None).await?;
            }
        }
        Way::Back { step: earlier } => {
            let earlier = step.beside(earlier);
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
