//! Steps 3, 4 and 6: parameters and instances. A situation that is on the stage from the start comes about when the deploy,
//! the restart or the deletion that it belongs to does; one that comes later makes things so at once.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::aurora::Cluster;
use super::super::{World, settings};
use crate::runbook::situation::Situation;

/// The parameter that is wrong, as the runbook has it: slow statements are not logged.
const SLOW_LOG: &str = "log_min_duration_statement";
const NEVER: &str = "-1";
/// What turns out to hurt after the deletion: every statement is logged.
const ALWAYS: &str = "0";

/// `max_connections` of an instance that did not pick up its group's, and of a group that has it wrong.
const OF_OLD: &str = "800";
const TOO_FEW: &str = "200";

/// When late values begin to appear, in site seconds after the deploy, and how far apart; and in real seconds at the least,
/// because the cockpit needs its own time to look.
const LATE: (f64, f64) = (90.0, 20.0);
const LATE_AT_LEAST: (f64, f64) = (4.0, 0.7);

/// A class that no plan here asks for, for a reader that somebody had changed by hand.
const BY_HAND: &str = "db.t4g.medium";

pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, speed: f64) {
    let first_cause = world.partitions.iter().position(|one| one.name == partition).is_some_and(|at| at % 2 == 0);
    let deployed = world.has_begun(partition, "verify-sql");
    let failed_over = world.has_begun(partition, "failover");
    let deleted = world.has_begun(partition, "delete-snapshot");
    match situation {
        Situation::DynamicLate => {
            withhold(world, partition, "applying");
            if deployed {
                let_through(world, partition, speed);
            }
        }
        // Its two causes, one partition after the other.
        Situation::DynamicStuck => withhold(world, partition, if first_cause { "pending-reboot" } else { "in-sync" }),
        Situation::DynamicOneWrong => on_cluster(world, partition, |cluster| cluster.get_wrong(SLOW_LOG, NEVER)),
        Situation::RegretAfterDelete if deleted => {
            on_cluster(world, partition, |cluster| cluster.get_wrong(SLOW_LOG, ALWAYS));
        }
        Situation::PreloadMissing => on_cluster(world, partition, |cluster| {
            // Somebody made the extension before: so the server says what is missing.
            cluster.extension_created = true;
            unnoticed(cluster, "shared_preload_libraries", "rdsutils", failed_over);
        }),
        Situation::MaxConnectionsWrong if first_cause => {
            on_cluster(world, partition, |cluster| unnoticed(cluster, "max_connections", OF_OLD, failed_over));
        }
        Situation::MaxConnectionsWrong => {
            on_cluster(world, partition, |cluster| cluster.get_wrong("max_connections", TOO_FEW));
        }
        Situation::ExtensionMissing => on_cluster(world, partition, |cluster| cluster.extension_created = false),
        Situation::FlushReader => changed_by_hand(world, partition, deployed),
        _ => {}
    }
}

/// What a step that begins makes of a situation that waited for it.
pub(super) fn step_begun(world: &mut World, partition: &str, kind: &str, speed: f64) {
    match kind {
        "verify-sql" if world.holds(Situation::DynamicLate, partition) => let_through(world, partition, speed),
        "delete-snapshot" if world.holds(Situation::RegretAfterDelete, partition) => {
            on_cluster(world, partition, |cluster| cluster.get_wrong(SLOW_LOG, ALWAYS));
        }
        _ => {}
    }
}

fn on_cluster(world: &mut World, partition: &str, change: impl FnOnce(&mut Cluster)) {
    if let Some(found) = world.partition(partition) {
        change(&mut found.cluster);
    }
}

/// Keeps the rollout's dynamic parameters from the servers.
fn withhold(world: &mut World, partition: &str, says: &'static str) {
    let names = dynamic(world, partition).into_iter().collect::<BTreeSet<_>>();
    on_cluster(world, partition, |cluster| cluster.withhold(names, says));
}

fn dynamic(world: &World, partition: &str) -> Vec<String> {
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition);
    let parameters = planned.map(settings::rollout_parameters).unwrap_or_default();
    parameters.into_iter().filter(|one| one.apply_type == "dynamic").map(|one| one.name).collect()
}

/// Lets the withheld values through, one after the other.
fn let_through(world: &mut World, partition: &str, speed: f64) {
    let at_least = |site: f64, real: f64| site.max(real * speed);
    let (begins, apart) = (at_least(LATE.0, LATE_AT_LEAST.0), at_least(LATE.1, LATE_AT_LEAST.1));
    let names = dynamic(world, partition);
    let last = names.len().saturating_sub(1);
    for (number, name) in names.into_iter().enumerate() {
        let partition = partition.to_owned();
        let release = move |world: &mut World, _: f64| {
            on_cluster(world, &partition, |cluster| cluster.happen(Box::new(move |cluster| cluster.release(&name))));
            if number == last {
                world.remedied(Situation::DynamicLate, &partition);
            }
        };
        #[allow(clippy::cast_precision_loss, reason = "a handful of parameters")]
        let after = begins + apart * number as f64;
        world.later(Duration::from_secs_f64(after), speed, Box::new(release));
    }
}

/// Readers go on with an old value of a static setting, whatever restarts them, and nobody notices. Where a failover has
/// promoted one already, it is noticed now.
fn unnoticed(cluster: &mut Cluster, name: &str, value: &str, failed_over: bool) {
    cluster.snags.unnoticed.insert(name.to_owned(), value.to_owned());
    let group = cluster.parameter_group == cluster.rollout_group;
    for instance in &mut cluster.instances {
        if group && !cluster.api_writer.eq_ignore_ascii_case(&instance.id) {
            instance.live.insert(name.to_owned(), value.to_owned());
        }
    }
    if failed_over {
        let writer = cluster.api_writer.clone();
        cluster.promoted(&writer);
    }
}

/// The reader was given another class by hand, so that the deploy has a change to queue; once it has run, it is queued.
fn changed_by_hand(world: &mut World, partition: &str, deployed: bool) {
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition);
    let Some(class) = planned.and_then(|planned| planned.cluster.class_after.clone()) else { return };
    on_cluster(world, partition, |cluster| {
        let writer = cluster.api_writer.clone();
        let of_class = |one: &&mut super::super::aurora::Instance| one.id != writer && one.class == class;
        for reader in cluster.instances.iter_mut().filter(of_class) {
            BY_HAND.clone_into(&mut reader.class);
            reader.pending_class = deployed.then(|| class.clone());
        }
    });
}
