//! What a deploy does to the world: stacks and their events, the secret, the cluster's group, the instances' classes.

use super::cloud::Secret;
use super::deploy_script::{CLUSTER, CLUSTER_TYPE, Scene};
use super::story_modify::RETENTION_REFUSED;
use super::{World, now, settings, timings};
use crate::runbook::plan::{CommandSpec, Partition, StepKind};
use crate::runbook::situation::Situation;

impl World {
    pub(super) fn say(&mut self, scene: &Scene, text: String) {
        if let Some(deploy) = self.deploys.get_mut(&scene.partition) {
            deploy.say(text);
        }
    }

    pub(super) fn end_deploy(&mut self, scene: &Scene, failed: Option<String>) {
        if let Some(deploy) = self.deploys.get_mut(&scene.partition) {
            deploy.done = true;
            deploy.failed = failed;
        }
    }

    pub(super) fn has_stack(&mut self, scene: &Scene, stack: &str) -> bool {
        self.account(&scene.infrastructure).is_some_and(|account| account.stack(stack).is_some())
    }

    pub(super) fn stack_status(&mut self, scene: &Scene, stack: &str) -> String {
        let account = self.account(&scene.infrastructure);
        account.and_then(|account| account.stack(stack)).map(|stack| stack.status.clone()).unwrap_or_default()
    }

    /// A stack turns to a status, which the deploy says.
    pub(super) fn stack_turns(&mut self, scene: &Scene, stack: &str, status: &str, reason: Option<&str>) {
        if let Some(account) = self.account(&scene.infrastructure) {
            account.stack_turns(stack, status, reason);
        }
        let words = status.to_lowercase().replace('_', " ");
        self.say(scene, format!("{stack}: {words}"));
    }

    pub(super) fn resource_turns(
        &mut self,
        scene: &Scene,
        stack: &str,
        logical: &str,
        kind: &str,
        status: &str,
        reason: Option<&str>,
    ) {
        if let Some(account) = self.account(&scene.infrastructure) {
            account.resource_turns(stack, logical, kind, status, reason);
        }
        self.say(scene, format!("{stack} | {status} | {kind} | {logical}"));
    }

    /// Puts the Sentry DSN into Secrets Manager; a repeat brings a rotated one.
    pub(super) fn put_secret(&mut self, scene: &Scene) {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let name = planned.and_then(command).and_then(|spec| spec.secret.as_ref()).map(|secret| secret.id.clone());
        let name = name.unwrap_or_else(|| format!("{}-SentryDsn", scene.infrastructure));
        let value = self.dsn_of_the_day(&scene.partition);
        let Some(account) = self.account(&scene.infrastructure) else { return };
        match account.secrets.iter_mut().find(|secret| secret.name == name) {
            Some(secret) => secret.value = value,
            None => account.secrets.push(Secret { name, value, created: now() }),
        }
    }

    /// What 1Password holds for the DSN just now.
    fn dsn_of_the_day(&mut self, partition: &str) -> String {
        // A deploy that fails anyway is repeated, and brings the DSN anew: that one counts.
        let fails = [Situation::OpTimeoutAfterDeploy, Situation::AuroraStackRolledBack];
        if fails.iter().any(|situation| self.holds(*situation, partition)) {
            return self.sentry_dsn.clone();
        }
        if self.strikes(Situation::DsnEmpty, partition) {
            return String::new();
        }
        if self.strikes(Situation::DsnMalformed, partition) {
            return "sentry-dsn-goes-here".to_owned();
        }
        self.sentry_dsn.clone()
    }

    /// What the template asks of the cluster before the group can be attached; the reason where RDS refuses it.
    pub(super) fn modifies_cluster(&mut self, scene: &Scene) -> Option<String> {
        if let Some(reason) = self.refused_retention(scene) {
            return Some(reason);
        }
        let retention = self.wanted_retention(scene);
        let cluster = &mut self.by_cluster(&scene.cluster)?.cluster;
        cluster.insights_retention = retention;
        "modifying".clone_into(&mut cluster.status);
        None
    }

    /// The template leaves the mode alone; its retention must suit the mode that it finds.
    pub(super) fn refused_retention(&mut self, scene: &Scene) -> Option<String> {
        let retention = self.wanted_retention(scene);
        let cluster = &self.by_cluster(&scene.cluster)?.cluster;
        let refused = cluster.insights_mode == "advanced" && retention < 465;
        refused.then(|| format!("{RETENTION_REFUSED} (Service: Rds, Status Code: 400)"))
    }

    fn wanted_retention(&self, scene: &Scene) -> i32 {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        planned.and_then(|planned| planned.cluster.insights_retention_days).unwrap_or(7)
    }

    /// The group is made and attached; its dynamic values go live a while later.
    pub(super) fn attaches_group(&mut self, scene: &Scene, speed: f64) {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let parameters = planned.map(settings::rollout_parameters).unwrap_or_default();
        let Some(partition) = self.by_cluster(&scene.cluster) else { return };
        let cluster = &mut partition.cluster;
        cluster.group_parameters = cluster.synthesised(parameters);
        "available".clone_into(&mut cluster.status);
        let group = cluster.rollout_group.clone();
        cluster.attach(&group);
        let instances: Vec<_> = cluster.instances.iter().map(|instance| instance.id.clone()).collect();
        for (number, id) in instances.into_iter().enumerate() {
            let after = timings::DYNAMIC + 5.0 * number as f64;
            self.later_on_cluster(&scene.cluster, after, speed, move |cluster| cluster.apply_dynamic(&id));
        }
    }

    /// The class that the plan wants is taken with the restart that follows, or queued.
    pub(super) fn takes_class(&mut self, scene: &Scene, instance: &str, immediately: bool) {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let Some(class) = planned.and_then(|planned| planned.cluster.class_after.clone()) else { return };
        let queued = self.holds(Situation::FlushReader, &scene.partition);
        let Some(instance) = self.by_cluster(&scene.cluster).and_then(|found| found.cluster.instance_mut(instance))
        else {
            return;
        };
        if instance.class == class {
            return;
        }
        if immediately && !queued {
            instance.class = class;
        } else {
            instance.pending_class = Some(class);
        }
    }

    /// The stack's update fails, and so does its rollback, for the same reason: the log's hard failure.
    pub(super) fn stack_fails(&mut self, scene: &Scene, stack: &str, reason: &str) {
        self.resource_turns(scene, stack, CLUSTER, CLUSTER_TYPE, "UPDATE_FAILED", Some(reason));
        let failed = "The following resource(s) failed to update: [AuroraPostgresCluster1D2C9B5E]. ";
        self.stack_turns(scene, stack, "UPDATE_ROLLBACK_IN_PROGRESS", Some(failed));
        self.resource_turns(scene, stack, CLUSTER, CLUSTER_TYPE, "UPDATE_FAILED", Some(reason));
        self.stack_turns(scene, stack, "UPDATE_ROLLBACK_FAILED", Some(failed));
        self.deploy_fails(scene, stack, "UPDATE_ROLLBACK_FAILED", reason);
    }

    /// CDK gives up, in its words.
    pub(super) fn deploy_fails(&mut self, scene: &Scene, stack: &str, status: &str, reason: &str) {
        let words = format!("{stack} failed: The stack named {stack} failed to deploy: {status}: {reason}");
        self.end_deploy(scene, Some(words));
    }

    pub(super) fn stack_is_deleted(&mut self, scene: &Scene, stack: &str) {
        if let Some(account) = self.account(&scene.infrastructure) {
            account.stacks.retain(|found| found.name != stack);
        }
        self.say(scene, format!("{stack}: deleted, because it had never been made"));
    }
}

/// The plan's command for a partition.
pub(super) fn command(partition: &Partition) -> Option<&CommandSpec> {
    partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Command(spec) => Some(spec),
        _ => None,
    })
}
