//! One instance: its queued changes applied, or restarted.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};

pub(super) async fn brief_flush(look: &Look) -> Result<Brief, Trouble> {
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run_flush(act: &mut Act) -> Result<Outcome, Stop> {
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}

pub(super) async fn brief_reboot(look: &Look) -> Result<Brief, Trouble> {
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run_reboot(act: &mut Act) -> Result<Outcome, Stop> {
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
