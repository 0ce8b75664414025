//! The old snapshot deleted, the new one taken.

use super::super::act::Act;
use super::super::context::{Look, Stop};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{Brief, Finding, Outcome};
use crate::runbook::plan::SnapshotSpec;

pub(super) async fn brief(look: &Look, spec: &SnapshotSpec) -> Result<Brief, Trouble> {
    let _ = spec;
    Err(Trouble::new("lever", TroubleKind::Malformed, format!("{} is not built yet", look.step.title)))
}

pub(super) async fn run(act: &mut Act, spec: &SnapshotSpec) -> Result<Outcome, Stop> {
    let _ = spec;
    Err(Finding::unknown(format!("{} is not built yet", act.step.title)).into())
}
