//! Step 5: the failover.

use super::super::World;
use crate::runbook::situation::Situation;

pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, _speed: f64) {
    if situation == Situation::DemotedNotSwapped {
        queue_class(world, partition);
    }
}

/// The class that the rollout expects waits on the instance that is about to be demoted.
fn queue_class(world: &mut World, name: &str) {
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == name);
    let Some(class) = planned.and_then(|planned| planned.cluster.class_after.clone()) else { return };
    let Some(cluster) = world.partition(name).map(|partition| &mut partition.cluster) else { return };
    let writer = cluster.writer.clone().unwrap_or_else(|| cluster.api_writer.clone());
    if let Some(writer) = cluster.instance_mut(&writer).filter(|writer| writer.class != class) {
        writer.pending_class = Some(class);
    }
}
