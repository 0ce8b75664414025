//! Step 5: the failover.

use super::super::World;
use crate::runbook::situation::Situation;

pub(super) fn begins(_world: &mut World, _situation: Situation, _partition: &str, _speed: f64) {}
