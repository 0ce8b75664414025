//! Steps 8 and 9: the chart, its pods, the application.

use std::time::Duration;

use super::super::World;
use crate::runbook::situation::Situation;
use crate::sim::world::operations::{Chart, rollout};

/// Site seconds from an upgrade until its first pod asks for connections.
const POD_STARTS: f64 = 32.0;
/// Site seconds for which a pool stays cold.
const POOL_WARMS: f64 = 45.0;
/// Real seconds for which what passes by itself lasts at least, so that somebody who looks every second sees it.
const IN_SIGHT: f64 = 4.0;

pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, speed: f64) {
    match situation {
        Situation::PoolCold => {
            let partition = partition.to_owned();
            let lasts = Duration::from_secs_f64(POD_STARTS + POOL_WARMS.max(IN_SIGHT * speed));
            world.later(lasts, speed, Box::new(move |world, _| world.remedied(Situation::PoolCold, &partition)));
        }
        // The CI workflow does, whenever somebody merges or presses its button.
        Situation::DeployedElsewhere => drop(rollout::install(world, partition, Chart::after(), speed)),
        // The others are how pods, logs, secrets and pages answer.
        _ => {}
    }
}
