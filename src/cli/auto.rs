//! `rehearse --auto`: takes the operator's place, on a simulated site only.

use super::args::{AutoArgs, Form};
use super::headless::Headless;
use super::place::{self, Place};
use super::{Failure, exit, inspect, print, print_json, site};
use crate::runbook::event::Event;
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::state::StepState;

pub(super) async fn auto(place: &Place, args: &AutoArgs) -> Result<u8, Failure> {
    if !place::is_simulated() {
        return Err(Failure::refused(
            "--auto takes the operator's place on a simulated site only; use `rehearse --auto`",
        ));
    }
    let plan = place.plan(args.rollout.as_deref())?;
    let mut headless = Headless::open(place, plan, true, true).await?;
    let ended = take_the_operators_place(&mut headless).await;
    let run = headless.run.clone();
    let closed = headless.close().await;
    site::end_if_ours().await;
    let stopped = ended?;
    closed?;
    match args.output {
        Form::Json => print_json(&inspect::summary(&run))?,
        Form::Text => print(&crate::report::markdown(&run))?,
    }
    Ok(if stopped { exit::FAILED } else { exit::DONE })
}

/// Fires what is ready, in its order, until everything is through; whether it had to stop before.
async fn take_the_operators_place(headless: &mut Headless) -> Result<bool, Failure> {
    while let Some((step, state)) = headless.run.next_step() {
        if state.is_trouble() {
            return Ok(true);
        }
        if goes_ahead(headless, &step) {
            let by = headless.session.operator().to_owned();
            headless.record(Event::GoAhead { partition: step.partition.clone(), by, note: None }).await?;
            headless.talk(&format!("{}: go-ahead", step.partition));
            continue;
        }
        if headless.fire(&step, None).await?.is_trouble() {
            return Ok(true);
        }
    }
    let run = &headless.run;
    let through = run.plan.partitions.iter().all(|partition| run.is_through(&partition.name));
    Ok(!through || run.references().any(|step| run.state_of(&step) == StepState::Unknown))
}

fn goes_ahead(headless: &Headless, step: &StepRef) -> bool {
    headless.run.step(step).is_some_and(|(_, planned, _)| planned.kind == StepKind::GoAhead)
}
