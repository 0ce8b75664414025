//! The script of a deploy: stack after stack with the log's times, written onto the agenda when the deploy starts.

use std::time::Duration;

use super::before::{INFRASTRUCTURE_STACKS, PARTITION_STACKS};
use super::cloud::Secret;
use super::story_modify::RETENTION_REFUSED;
use super::{World, now, settings, timings};
use crate::runbook::plan::{CommandSpec, Partition, StepKind};
use crate::runbook::situation::Situation;

/// Site seconds of a stack whose change set is resubmitted, of one that is updated, and of one without changes.
const RESUBMITTED: f64 = 13.0;
const UPDATED: f64 = 11.0;
const UNCHANGED: f64 = 4.0;
/// What follows the last stack: outputs, assets, the second half of the script.
const TAIL: f64 = 45.0;

/// Logical names in the Aurora stack, as the construct gives them.
const GROUP: &str = "AuroraPostgresClusterClusterParameterGroupED1EB2F9";
const CLUSTER: &str = "AuroraPostgresCluster1D2C9B5E";
const INSTANCE: &str = "AuroraPostgresCluster";

/// Writes one deploy; `at` is the time reached, in site seconds from its start.
#[derive(Debug)]
pub struct Script<'a> {
    world: &'a mut World,
    scene: Scene,
    speed: f64,
    at: f64,
}

/// Where a deploy happens.
#[derive(Debug, Clone)]
struct Scene {
    infrastructure: String,
    partition: String,
    cluster: String,
    attempt: u32,
}

impl<'a> Script<'a> {
    /// A script that begins now.
    pub fn new(world: &'a mut World, infrastructure: &str, partition: &str, attempt: u32, speed: f64) -> Self {
        let cluster = world.partition(partition).map(|found| found.cluster.id.clone()).unwrap_or_default();
        let scene =
            Scene { infrastructure: infrastructure.to_owned(), partition: partition.to_owned(), cluster, attempt };
        Self { world, scene, speed, at: 2.0 }
    }

    /// Writes everything onto the agenda.
    pub fn write(mut self) {
        let infrastructure = self.scene.infrastructure.clone();
        let prefix = format!("{infrastructure}-{}", self.scene.partition);
        for name in INFRASTRUCTURE_STACKS {
            self.stack(format!("{infrastructure}-{name}"), RESUBMITTED);
        }
        self.secrets();
        let group_attached = self
            .world
            .partition(&self.scene.partition)
            .is_some_and(|found| found.cluster.parameter_group == found.cluster.rollout_group);
        for name in PARTITION_STACKS {
            let stack = format!("{prefix}-{name}");
            match (name, group_attached) {
                (_, true) => self.unchanged(stack),
                ("AuroraDBCluster", false) => self.aurora(stack),
                (_, false) => self.stack(stack, UPDATED),
            }
        }
        for stack in self.further_stacks() {
            self.stack(stack, UPDATED);
        }
        self.at += TAIL;
        let speed = self.speed;
        self.then(0.0, move |world, scene| {
            world.end_deploy(scene, None);
            world.step_begins(&scene.partition, "verify-sql", speed);
        });
    }

    /// Stacks that the plan names and that are none of the usual ones.
    fn further_stacks(&self) -> Vec<String> {
        let Scene { infrastructure, partition, .. } = &self.scene;
        let usual = |stack: &String| {
            let of_partition = format!("{infrastructure}-{partition}-");
            let of_infrastructure = format!("{infrastructure}-");
            PARTITION_STACKS.iter().any(|name| *stack == format!("{of_partition}{name}"))
                || INFRASTRUCTURE_STACKS
                    .iter()
                    .chain(&["Secrets"])
                    .any(|name| *stack == format!("{of_infrastructure}{name}"))
        };
        let spec =
            self.world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition).and_then(command);
        spec.map(|spec| spec.stacks.iter().filter(|stack| !usual(stack)).cloned().collect()).unwrap_or_default()
    }

    /// Something that happens `after` site seconds from the time reached, if this deploy still runs then.
    fn then(&mut self, after: f64, act: impl FnOnce(&mut World, &Scene) + Send + 'static) {
        let scene = self.scene.clone();
        let act = move |world: &mut World, _: f64| {
            let runs = world
                .deploys
                .get(&scene.partition)
                .is_some_and(|deploy| deploy.running() && deploy.attempt == scene.attempt);
            if runs {
                act(world, &scene);
            }
        };
        self.world.later(Duration::from_secs_f64(self.at + after), self.speed, Box::new(act));
    }

    /// A stack that is updated, or made where it is not there.
    fn stack(&mut self, stack: String, takes: f64) {
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            let verb = if world.has_stack(scene, &name) { "UPDATE" } else { "CREATE" };
            world.stack_turns(scene, &name, &format!("{verb}_IN_PROGRESS"), Some("User Initiated"));
        });
        self.then(takes, move |world, scene| {
            let made = world.stack_status(scene, &stack).starts_with("CREATE");
            let status = if made { "CREATE_COMPLETE" } else { "UPDATE_COMPLETE" };
            world.stack_turns(scene, &stack, status, None);
        });
        self.at += takes;
    }

    /// A stack without changes.
    fn unchanged(&mut self, stack: String) {
        self.then(UNCHANGED, move |world, scene| world.say(scene, format!("{stack}: no changes")));
        self.at += UNCHANGED;
    }

    /// The secrets' stack, which holds the Sentry DSN.
    fn secrets(&mut self) {
        let stack = format!("{}-Secrets", self.scene.infrastructure);
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            if world.has_stack(scene, &name) {
                world.say(scene, format!("{name}: no changes"));
            } else {
                world.stack_turns(scene, &name, "CREATE_IN_PROGRESS", Some("User Initiated"));
            }
        });
        self.then(14.0, move |world, scene| {
            world.put_secret(scene);
            if world.stack_status(scene, &stack) == "CREATE_IN_PROGRESS" {
                let (logical, kind) = ("SentryDsn", "AWS::SecretsManager::Secret");
                world.resource_turns(scene, &stack, logical, kind, "CREATE_COMPLETE", None);
                world.stack_turns(scene, &stack, "CREATE_COMPLETE", None);
            }
        });
        self.at += 16.0;
    }

    /// The cluster's stack: makes the parameter group, attaches it, and restarts the instances or queues what needs it.
    fn aurora(&mut self, stack: String) {
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            world.stack_turns(scene, &name, "UPDATE_IN_PROGRESS", Some("User Initiated"));
            world.resource_turns(scene, &name, GROUP, GROUP_TYPE, "CREATE_IN_PROGRESS", None);
        });
        let name = stack.clone();
        self.then(9.0, move |world, scene| {
            world.resource_turns(scene, &name, GROUP, GROUP_TYPE, "CREATE_COMPLETE", None);
            world.resource_turns(scene, &name, CLUSTER, CLUSTER_TYPE, "UPDATE_IN_PROGRESS", None);
        });
        let name = stack.clone();
        self.then(12.0, move |world, scene| {
            if let Some(reason) = world.modifies_cluster(scene) {
                world.stack_fails(scene, &name, &reason);
            }
        });
        let (name, speed) = (stack.clone(), self.speed);
        self.then(25.0, move |world, scene| {
            world.attaches_group(scene, speed);
            world.resource_turns(scene, &name, CLUSTER, CLUSTER_TYPE, "UPDATE_COMPLETE", None);
        });
        self.at += 27.0;
        let target = self.world.partition(&self.scene.partition).map(|found| &found.cluster);
        let immediately = target.is_some_and(|cluster| cluster.apply_immediately);
        let mut instances: Vec<_> = target
            .map(|cluster| {
                cluster
                    .instances
                    .iter()
                    .map(|instance| (instance.id.clone(), cluster.is_writer(&instance.id)))
                    .collect()
            })
            .unwrap_or_default();
        instances.sort_by_key(|(_, writer)| !writer);
        for (id, writer) in instances {
            self.instance(&stack, id, writer, immediately);
        }
        self.then(3.0, move |world, scene| world.stack_turns(scene, &stack, "UPDATE_COMPLETE", None));
        self.at += 4.0;
    }

    /// One instance of the cluster's stack.
    fn instance(&mut self, stack: &str, id: String, writer: bool, immediately: bool) {
        let logical = format!("{INSTANCE}{}", if writer { "Writer" } else { "Reader1" });
        let (name, resource) = (stack.to_owned(), logical.clone());
        self.then(0.0, move |world, scene| {
            world.resource_turns(scene, &name, &resource, INSTANCE_TYPE, "UPDATE_IN_PROGRESS", None);
        });
        let takes = match (immediately, writer) {
            (true, true) => timings::DEPLOY_RESTARTS_WRITER,
            (true, false) => timings::DEPLOY_RESTARTS_READER,
            (false, _) => 30.0,
        };
        let speed = self.speed;
        self.then(1.0, move |world, scene| {
            world.takes_class(scene, &id, immediately);
            if immediately {
                world.restart(&scene.cluster, &id, 0.0, takes - 2.0, speed);
            }
        });
        let name = stack.to_owned();
        self.then(takes, move |world, scene| {
            world.resource_turns(scene, &name, &logical, INSTANCE_TYPE, "UPDATE_COMPLETE", None);
        });
        self.at += takes;
    }
}

const GROUP_TYPE: &str = "AWS::RDS::DBClusterParameterGroup";
const CLUSTER_TYPE: &str = "AWS::RDS::DBCluster";
const INSTANCE_TYPE: &str = "AWS::RDS::DBInstance";

impl World {
    fn say(&mut self, scene: &Scene, text: String) {
        if let Some(deploy) = self.deploys.get_mut(&scene.partition) {
            deploy.say(text);
        }
    }

    fn end_deploy(&mut self, scene: &Scene, failed: Option<String>) {
        if let Some(deploy) = self.deploys.get_mut(&scene.partition) {
            deploy.done = true;
            deploy.failed = failed;
        }
    }

    fn has_stack(&mut self, scene: &Scene, stack: &str) -> bool {
        self.account(&scene.infrastructure).is_some_and(|account| account.stack(stack).is_some())
    }

    fn stack_status(&mut self, scene: &Scene, stack: &str) -> String {
        let account = self.account(&scene.infrastructure);
        account.and_then(|account| account.stack(stack)).map(|stack| stack.status.clone()).unwrap_or_default()
    }

    /// A stack turns to a status, which the deploy says.
    fn stack_turns(&mut self, scene: &Scene, stack: &str, status: &str, reason: Option<&str>) {
        if let Some(account) = self.account(&scene.infrastructure) {
            account.stack_turns(stack, status, reason);
        }
        let words = status.to_lowercase().replace('_', " ");
        self.say(scene, format!("{stack}: {words}"));
    }

    fn resource_turns(
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
    fn put_secret(&mut self, scene: &Scene) {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let name = planned.and_then(command).and_then(|spec| spec.secret.as_ref()).map(|secret| secret.id.clone());
        let name = name.unwrap_or_else(|| format!("{}-SentryDsn", scene.infrastructure));
        let value = self.sentry_dsn.clone();
        let Some(account) = self.account(&scene.infrastructure) else { return };
        match account.secrets.iter_mut().find(|secret| secret.name == name) {
            Some(secret) => secret.value = value,
            None => account.secrets.push(Secret { name, value, created: now() }),
        }
    }

    /// What the template asks of the cluster before the group can be attached; the reason where RDS refuses it.
    fn modifies_cluster(&mut self, scene: &Scene) -> Option<String> {
        let wanted = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let retention = wanted.and_then(|planned| planned.cluster.insights_retention_days).unwrap_or(7);
        let cluster = &mut self.by_cluster(&scene.cluster)?.cluster;
        // The template leaves the mode alone; its retention must suit the mode that it finds.
        if cluster.insights_mode == "advanced" && retention < 465 {
            return Some(format!("{RETENTION_REFUSED} (Service: Rds, Status Code: 400)"));
        }
        cluster.insights_retention = retention;
        "modifying".clone_into(&mut cluster.status);
        None
    }

    /// The group is made and attached; its dynamic values go live a while later.
    fn attaches_group(&mut self, scene: &Scene, speed: f64) {
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
    fn takes_class(&mut self, scene: &Scene, instance: &str, immediately: bool) {
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
    fn stack_fails(&mut self, scene: &Scene, stack: &str, reason: &str) {
        self.resource_turns(scene, stack, CLUSTER, CLUSTER_TYPE, "UPDATE_FAILED", Some(reason));
        let failed = "The following resource(s) failed to update: [AuroraPostgresCluster1D2C9B5E].";
        self.stack_turns(scene, stack, "UPDATE_ROLLBACK_IN_PROGRESS", Some(failed));
        self.resource_turns(scene, stack, CLUSTER, CLUSTER_TYPE, "UPDATE_FAILED", Some(reason));
        self.stack_turns(scene, stack, "UPDATE_ROLLBACK_FAILED", Some(failed));
        self.end_deploy(scene, Some(format!("{stack} failed: UPDATE_ROLLBACK_FAILED: {reason}")));
    }
}

/// The plan's command for a partition.
fn command(partition: &Partition) -> Option<&CommandSpec> {
    partition.steps.iter().find_map(|step| match &step.kind {
        StepKind::Command(spec) => Some(spec),
        _ => None,
    })
}
