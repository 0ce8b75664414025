//! How the deployment changes: helm's upgrade and rollback, kubectl's restart, and the controller that makes pods follow.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Chart, Operations, ReplicaSet, Revision, SENTRY_SECRET, life, seconds};
use crate::runbook::situation::Situation;
use crate::sim::world::World;

/// Installs a chart as the rollout's own step; answers the release's new revision.
pub fn upgrade(world: &mut World, partition: &str, chart: Chart, speed: f64) -> Option<u64> {
    world.step_begins(partition, "deploy", speed);
    install(world, partition, chart, speed)
}

/// Installs a chart, whoever does it; answers the release's new revision.
pub fn install(world: &mut World, partition: &str, chart: Chart, speed: f64) -> Option<u64> {
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
    let taken_back = operations.current().is_some_and(|set| set.chart != chart);
    let number = operations.add_revision(chart.clone(), format!("Rollback to {to}"));
    operations.change_template(chart, BTreeMap::new());
    if taken_back {
        // Whoever made the chart has it mended before it is deployed again.
        world.remedied(Situation::InitPreload, partition);
        world.remedied(Situation::PodCrash, partition);
    }
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
    // New processes have the environment and the pools of now.
    world.remedied(Situation::PodsBeforeSecret, partition);
    world.remedied(Situation::PoolCold, partition);
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
    let refused = world.strikes(Situation::SecretNotSynced, partition);
    let late = world.holds(Situation::PodsBeforeSecret, partition);
    let operations = &mut world.partition(partition)?.operations;
    if !operations.current().is_some_and(|set| set.chart.sentry) {
        return None;
    }
    if operations.secret_synced.is_some() {
        return Some(true);
    }
    let has_started = |pod: &super::Pod| pod.chart.sentry && pod.started.is_some();
    let started = operations.pods.iter().filter(|pod| has_started(pod)).count();
    if late && started < operations.replicas {
        return Some(false);
    }
    if filled && !refused {
        operations.secret_synced = Some(Timestamp::now());
        operations.sync_trouble = None;
        operations.event("ExternalSecret", SENTRY_SECRET, "Updated", "secret was created");
    } else {
        let why = if refused {
            "AccessDeniedException: User: arn:aws:sts::000000000000:assumed-role/external-secrets is not authorized to \
             perform: secretsmanager:GetSecretValue because no identity-based policy allows the \
             secretsmanager:GetSecretValue action"
        } else {
            "Secret does not exist"
        };
        let trouble = format!("error processing spec.data[0] (key: {source}), err: {why}");
        operations.event("ExternalSecret", SENTRY_SECRET, "UpdateFailed", trouble.as_str());
        operations.sync_trouble = Some(trouble);
    }
    Some(filled && !refused)
}

impl Operations {
    fn add_revision(&mut self, chart: Chart, description: String) -> u64 {
        let number = self.revisions.last().map_or(1, |revision| revision.number + 1);
        self.revisions.push(Revision { number, chart, deployed: Timestamp::now(), description });
        self.touch();
        number
    }

    /// Gives the deployment another template. One that it had before has its ReplicaSet still, and what runs of that one
    /// goes on running.
    fn change_template(&mut self, chart: Chart, annotations: BTreeMap<String, String>) {
        let revision = self.replica_sets.last().map_or(1, |set| set.revision + 1);
        self.generation += 1;
        let former = self.replica_sets.iter().position(|set| set.chart == chart && set.annotations == annotations);
        if let Some(mut set) = former.map(|index| self.replica_sets.remove(index)) {
            set.revision = revision;
            self.replica_sets.push(set);
            return;
        }
        let hash = self.new_hash();
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
