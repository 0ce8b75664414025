//! Steps 1 and 7: the snapshot.

use std::time::Instant;

use jiff::SignedDuration;

use super::super::aurora::Snapshot;
use super::super::{World, now};
use crate::runbook::plan::StepKind;
use crate::runbook::situation::Situation;

/// How long ago the former attempt was that left its snapshot.
const LEFT: SignedDuration = SignedDuration::from_hours(6 * 24 + 5);

/// That a cluster is busy, a snapshot slow or in use is asked for where the call is answered.
pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, _speed: f64) {
    if situation == Situation::SnapshotExists {
        leave_snapshot(world, partition);
    }
}

/// A former attempt left a snapshot of the rollout's name.
fn leave_snapshot(world: &mut World, partition: &str) {
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition);
    let spec = planned.into_iter().flat_map(|planned| &planned.steps).find_map(|step| match &step.kind {
        StepKind::Snapshot(spec) => Some(spec.id.to_lowercase()),
        _ => None,
    });
    let (Some(id), Some(found)) = (spec, world.partition(partition)) else { return };
    let began = Instant::now();
    found.cluster.snapshots.push(Snapshot {
        id,
        status: "available".to_owned(),
        created: now() - LEFT,
        began,
        ready: began,
    });
}
