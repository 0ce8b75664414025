//! Step 2: the deploy program and its stacks.

use super::super::World;
use crate::runbook::situation::Situation;

pub(super) fn begins(_world: &mut World, _situation: Situation, _partition: &str, _speed: f64) {}
