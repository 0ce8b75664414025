//! The former writer made writer again.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run(act: &mut Act) -> Result<Outcome, Stop> {
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
