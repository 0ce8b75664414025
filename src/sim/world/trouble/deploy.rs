//! Step 2: the deploy program and its stacks.

use super::super::World;
use crate::runbook::situation::Situation;

/// What is only an answer of the deploy's is asked for where the deploy is written, and where `amm.sh` asks 1Password.
pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, _speed: f64) {
    let Some(found) = world.partition(partition) else { return };
    let cluster = &mut found.cluster;
    match situation {
        // Somebody turned the advanced mode on: the stack cannot set its retention, and cannot take that back either.
        Situation::RollbackFailed => {
            "advanced".clone_into(&mut cluster.insights_mode);
            cluster.insights_retention = 465;
        }
        Situation::CdkRebooted => cluster.apply_immediately = true,
        Situation::ChangesQueued => cluster.apply_immediately = false,
        _ => {}
    }
}
