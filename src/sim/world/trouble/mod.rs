//! What a situation makes of the world when its time comes. One file for each part of the runbook.

mod always;
mod before;
mod chart;
mod cluster;
mod deploy;
mod parameters;
mod snapshots;

pub use always::HOSTILE;

use super::World;
use crate::runbook::situation::Situation;

/// Makes a situation so that is a state of the world. One that is a way of answering is asked for where the answer is made.
pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, speed: f64) {
    before::begins(world, situation, partition, speed);
    snapshots::begins(world, situation, partition, speed);
    deploy::begins(world, situation, partition, speed);
    parameters::begins(world, situation, partition, speed);
    cluster::begins(world, situation, partition, speed);
    chart::begins(world, situation, partition, speed);
    always::begins(world, situation, partition, speed);
}

/// What a step that begins makes of the situations that are on the stage already.
pub(super) fn step_begun(world: &mut World, partition: &str, kind: &str, speed: f64) {
    parameters::step_begun(world, partition, kind, speed);
}
