//! Levers: what is done about trouble. Each has the two halves of a step: a brief that only looks, and a run that acts and
//! then waits until the effect is witnessed.

mod chart;
mod fail_back;
mod insights;
mod instance;
mod parameter;
mod restore;
mod retake;
mod rollback;
mod sign_in;

use super::act::Act;
use super::command;
use super::context::{Look, Stop};
use crate::clients::Trouble;
use crate::runbook::event::{Brief, Outcome};
use crate::runbook::lever::Lever;

/// Looks at everything that the confirmation of a lever shows.
pub(super) async fn brief(look: &Look, lever: &Lever) -> Result<Brief, Trouble> {
    match lever {
        Lever::SignInAws { .. } | Lever::SignInOp => sign_in::brief(look, lever).await,
        Lever::RetakeSnapshot(spec) => retake::brief(look, spec).await,
        Lever::InsightsStandard => insights::brief(look).await,
        Lever::ContinueRollback { stacks } => rollback::brief(look, stacks).await,
        Lever::RunAgain(spec) => command::brief(look, spec).await,
        Lever::HotPatch => parameter::brief_patch(look).await,
        Lever::Neutralise => parameter::brief_neutralise(look).await,
        Lever::FlushInstance => instance::brief_flush(look).await,
        Lever::RebootInstance => instance::brief_reboot(look).await,
        Lever::FailBack => fail_back::brief(look).await,
        Lever::RolloutRestart { deployment } => chart::brief_restart(look, deployment).await,
        Lever::HelmRollback { release } => chart::brief_rollback(look, release).await,
        Lever::Restore(spec) => restore::brief(look, spec).await,
    }
}

/// Pulls a lever, or takes up again what a former session left of it.
pub(super) async fn run(act: &mut Act, lever: &Lever) -> Result<Outcome, Stop> {
    match lever {
        Lever::SignInAws { .. } | Lever::SignInOp => sign_in::run(act, lever).await,
        Lever::RetakeSnapshot(spec) => retake::run(act, spec).await,
        Lever::InsightsStandard => insights::run(act).await,
        Lever::ContinueRollback { stacks } => rollback::run(act, stacks).await,
        Lever::RunAgain(spec) => command::run(act, spec).await,
        Lever::HotPatch => parameter::run_patch(act).await,
        Lever::Neutralise => parameter::run_neutralise(act).await,
        Lever::FlushInstance => instance::run_flush(act).await,
        Lever::RebootInstance => instance::run_reboot(act).await,
        Lever::FailBack => fail_back::run(act).await,
        Lever::RolloutRestart { deployment } => chart::run_restart(act, deployment).await,
        Lever::HelmRollback { release } => chart::run_rollback(act, release).await,
        Lever::Restore(spec) => restore::run(act, spec).await,
    }
}
