//! The application: its pods replaced, or its chart taken back.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};

pub(super) async fn brief_restart(look: &Look, deployment: &str) -> Result<Brief, Trouble> {
    let _ = deployment;
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run_restart(act: &mut Act, deployment: &str) -> Result<Outcome, Stop> {
    let _ = deployment;
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}

pub(super) async fn brief_rollback(look: &Look, release: &str) -> Result<Brief, Trouble> {
    let _ = release;
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run_rollback(act: &mut Act, release: &str) -> Result<Outcome, Stop> {
    let _ = release;
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
