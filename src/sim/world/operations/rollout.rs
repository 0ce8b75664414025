//! How the deployment changes: helm's upgrade and rollback, kubectl's restart, and the controller that makes pods follow.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Chart, Operations, ReplicaSet, Revision, SENTRY_SECRET, life, seconds};
use crate::sim::world::World;

/// Installs a chart; answers the release's new revision.
pub fn upgrade(world: &mut World, partition: &str, chart: Chart, speed: f64) -> Option<u64> {
    world.step_begins(partition, "deploy", speed);
    let operations = &mut world.partition(partition)?.operations;
    let number = operations.add_revision(chart.clone(), "Upgrade complete".into());
    let same = operations.current().is_some_and(|set| set.chart == chart);
    if !same {
        operations.change_template(chart, BTreeMap::new());
    }
    follow(world, partition, speed);
    sync_secret(world, partition, speed);
    Some(number)
}

/// Goes back to a former revision; answers the release's new revision.
///
/// # Errors
/// Helm's own words where the release has no such revision.
pub fn rollback(world: &mut World, partition: &str, to: Option<u64>, speed: f64) -> Result<u64, String> {
    let Some(found) = world.partition(partition) else { return Err("release: not found".into()) };
    let operations = &mut found.operations;
    let before = operations.revisions.iter().rev().nth(1).map(|revision| revision.number);
    let to = to.or(before).unwrap_or_default();
    let Some(chart) = operations.revisions.iter().find(|revision| revision.number == to).map(|it| it.chart.clone())
    else {
        return Err(format!("release has no {to} version"));
    };
    let number = operations.add_revision(chart.clone(), format!("Rollback to {to}"));
    operations.change_template(chart, BTreeMap::new());
    follow(world, partition, speed);
    Ok(number)
}

/// Gives the template these annotations, as `kubectl rollout restart` does with `restartedAt`; nothing where they are so.
pub fn annotate(world: &mut World, partition: &str, annotations: BTreeMap<String, String>, speed: f64) {
    let Some(found) = world.partition(partition) else { return };
    let Some(current) = found.operations.current() else { return };
    if current.annotations == annotations {
        return;
    }
    let chart = current.chart.clone();
    found.operations.change_template(chart, annotations);
    follow(world, partition, speed);
}

/// Makes pods follow the template, one at a time: one more than wanted at most, never fewer ready than wanted.
pub(super) fn follow(world: &mut World, partition: &str, speed: f64) {
    loop {
        let Some(found) = world.partition(partition) else { return };
        let operations = &mut found.operations;
        let Some(hash) = operations.current().map(|set| set.hash.clone()) else { return };
        let living = operations.pods.iter().filter(|pod| pod.deleted.is_none()).count();
        let fresh = operations.pods.iter().filter(|pod| pod.deleted.is_none() && pod.hash == hash).count();
        if fresh < operations.replicas && living <= operations.replicas {
            let pod = operations.create_pod();
            life::begin(world, partition, &pod, speed);
            continue;
        }
        let Some(pod) = operations.one_too_many(&hash) else { return };
        life::terminate(world, partition, &pod, speed);
    }
}

/// Syncs the ExternalSecret once its source has a value; looks again until it has.
pub fn sync_secret(world: &mut World, partition: &str, speed: f64) {
    let name = partition.to_owned();
    let change = move |world: &mut World, speed: f64| {
        if try_sync(world, &name) == Some(false) {
            let again = name.clone();
            world.later(seconds(12), speed, Box::new(move |world, speed| sync_secret(world, &again, speed)));
        }
    };
    world.later(seconds(3), speed, Box::new(change));
}

/// Whether the secret is there now; none where nobody asks for it.
fn try_sync(world: &mut World, partition: &str) -> Option<bool> {
    let infrastructure = world.partition(partition)?.infrastructure.clone();
    let source = format!("{infrastructure}-SentryDsn");
    let account = world.accounts.iter().find(|account| account.infrastructure == infrastructure);
    let filled = account.and_then(|account| account.secret(&source)).is_some_and(|secret| !secret.value.is_empty());
    let operations = &mut world.partition(partition)?.operations;
    if !operations.current().is_some_and(|set| set.chart.sentry) {
        return None;
    }
    if operations.secret_synced.is_some() {
        return Some(true);
    }
    if filled {
        operations.secret_synced = Some(Timestamp::now());
        operations.sync_trouble = None;
        operations.event("ExternalSecret", SENTRY_SECRET, "Updated", "secret was created");
    } else {
        let trouble = format!("could not get secret data from provider: key {source} does not exist");
        operations.event("ExternalSecret", SENTRY_SECRET, "UpdateFailed", trouble.as_str());
        operations.sync_trouble = Some(trouble);
    }
    Some(filled)
}

impl Operations {
    fn add_revision(&mut self, chart: Chart, description: String) -> u64 {
        let number = self.revisions.last().map_or(1, |revision| revision.number + 1);
        self.revisions.push(Revision { number, chart, deployed: Timestamp::now(), description });
        self.touch();
        number
    }

    fn change_template(&mut self, chart: Chart, annotations: BTreeMap<String, String>) {
        let hash = self.new_hash();
        let revision = self.replica_sets.last().map_or(1, |set| set.revision + 1);
        self.generation += 1;
        let name = self.name.clone();
        self.event(
            "Deployment",
            &name,
            "ScalingReplicaSet",
            format!("Scaled up replica set {name}-{hash} from 0 to 1"),
        );
        self.replica_sets.push(ReplicaSet { hash, revision, chart, annotations, created: Timestamp::now() });
    }

    /// The pod that goes next: an old one that is not ready, or one that the ready new ones make superfluous.
    fn one_too_many(&self, hash: &str) -> Option<String> {
        let old = || self.pods.iter().filter(|pod| pod.deleted.is_none() && pod.hash != hash);
        let ready = self.pods.iter().filter(|pod| pod.deleted.is_none() && pod.ready.is_some()).count();
        let unready = old().find(|pod| pod.ready.is_none());
        let next = unready.or_else(|| if ready > self.replicas { old().next() } else { None });
        next.map(|pod| pod.name.clone())
    }
}
