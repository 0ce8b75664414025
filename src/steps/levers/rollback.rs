//! CloudFormation goes on with a rollback that failed.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};

pub(super) async fn brief(look: &Look, stacks: &[String]) -> Result<Brief, Trouble> {
    let _ = stacks;
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run(act: &mut Act, stacks: &[String]) -> Result<Outcome, Stop> {
    let _ = stacks;
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
