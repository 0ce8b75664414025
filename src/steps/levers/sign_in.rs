//! Signing in, in a terminal that the operator sees and types into.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};
use crate::runbook::lever::Lever;

pub(super) async fn brief(look: &Look, lever: &Lever) -> Result<Brief, Trouble> {
    let _ = lever;
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run(act: &mut Act, lever: &Lever) -> Result<Outcome, Stop> {
    let _ = lever;
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
