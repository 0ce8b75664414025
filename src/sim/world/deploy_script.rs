//! The script of a deploy: stack after stack with the log's times, written onto the agenda when the deploy starts.

use std::time::Duration;

use super::before::{INFRASTRUCTURE_STACKS, PARTITION_STACKS};
use super::deploy_effects::command;
use super::{World, timings};
use crate::runbook::situation::Situation;

/// The stack of the infrastructure that fails, where one does.
const FRAIL: &str = "Compute";
/// Stacks that are left out where some are.
const LEFT_OUT: [&str; 2] = ["Ingress", "DnsConfiguration"];

/// Site seconds of a stack whose change set is resubmitted, of one that is updated, and of one without changes.
const RESUBMITTED: f64 = 13.0;
const UPDATED: f64 = 11.0;
const UNCHANGED: f64 = 21.0;
/// What follows the last stack: outputs, assets, the second half of the script.
const TAIL: f64 = 45.0;

/// Logical names in the Aurora stack, as the construct gives them.
pub(super) const GROUP: &str = "AuroraPostgresClusterClusterParameterGroupED1EB2F9";
pub(super) const CLUSTER: &str = "AuroraPostgresCluster1D2C9B5E";
pub(super) const INSTANCE: &str = "AuroraPostgresCluster";

/// Writes one deploy; `at` is the time reached, in site seconds from its start.
#[derive(Debug)]
pub struct Script<'a> {
    pub(super) world: &'a mut World,
    pub(super) scene: Scene,
    pub(super) speed: f64,
    pub(super) at: f64,
}

/// Where a deploy happens.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) infrastructure: String,
    pub(super) partition: String,
    pub(super) cluster: String,
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

    /// Writes everything onto the agenda. CDK stops at the first stack that fails: what comes after it is not written.
    pub fn write(mut self) {
        if self.infrastructure() && self.secrets() && self.partition() {
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
    }

    /// The infrastructure's stacks; whether all of them come through.
    fn infrastructure(&mut self) -> bool {
        let infrastructure = self.scene.infrastructure.clone();
        for name in INFRASTRUCTURE_STACKS {
            let stack = format!("{infrastructure}-{name}");
            if name == FRAIL && self.strikes(Situation::InfraStackFailed) {
                self.infrastructure_fails(stack);
                return false;
            }
            self.stack(stack, RESUBMITTED);
        }
        true
    }

    /// The partition's stacks; whether all of them come through, as far as can be said beforehand.
    fn partition(&mut self) -> bool {
        let attached = self.group_is_attached();
        let rolled_back = !attached && self.strikes(Situation::AuroraStackRolledBack);
        // One thing goes wrong in an attempt: what is on stage besides has its turn in the next.
        let comes_through =
            !rolled_back && !self.retention_is_refused() && !self.holds(Situation::OpTimeoutAfterDeploy);
        let without_group = comes_through && self.strikes(Situation::GroupNotAttached);
        let left_out = comes_through && !without_group && self.strikes(Situation::StacksSkipped);
        for name in PARTITION_STACKS {
            let stack = format!("{}-{}-{name}", self.scene.infrastructure, self.scene.partition);
            match name {
                _ if left_out && LEFT_OUT.contains(&name) => {}
                "AuroraDBCluster" if attached || without_group => self.unchanged(stack),
                "AuroraDBCluster" if rolled_back => {
                    self.aurora_rolls_back(stack);
                    return false;
                }
                "AuroraDBCluster" => self.aurora(stack),
                // A repeat finds what a former attempt deployed without changes.
                _ if self.was_deployed(&stack) => self.unchanged(stack),
                _ => self.stack(stack, UPDATED),
            }
        }
        true
    }

    fn holds(&self, situation: Situation) -> bool {
        self.world.holds(situation, &self.scene.partition)
    }

    fn retention_is_refused(&mut self) -> bool {
        self.world.refused_retention(&self.scene).is_some()
    }

    fn strikes(&mut self, situation: Situation) -> bool {
        let partition = self.scene.partition.clone();
        self.world.strikes(situation, &partition)
    }

    fn group_is_attached(&mut self) -> bool {
        let found = self.world.by_cluster(&self.scene.cluster);
        found.is_some_and(|found| found.cluster.parameter_group == found.cluster.rollout_group)
    }

    fn was_deployed(&mut self, stack: &str) -> bool {
        let account = self.world.account(&self.scene.infrastructure);
        account.and_then(|account| account.stack(stack)).is_some_and(|stack| stack.is_of_today())
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
    pub(super) fn then(&mut self, after: f64, act: impl FnOnce(&mut World, &Scene) + Send + 'static) {
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
            let verb = world.verb(scene, &name);
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
        self.then(UNCHANGED, move |world, scene| world.say(scene, format!(" ✅  {stack} (no changes)")));
        self.at += UNCHANGED;
    }

    /// The secrets' stack, which holds the Sentry DSN; whether it comes through.
    fn secrets(&mut self) -> bool {
        let stack = format!("{}-Secrets", self.scene.infrastructure);
        if self.strikes(Situation::SecretsStackFailed) {
            self.secrets_fail(stack);
            return false;
        }
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            if world.stack_status(scene, &name) == "ROLLBACK_COMPLETE" {
                world.stack_is_deleted(scene, &name);
            }
            if world.has_stack(scene, &name) {
                world.say(scene, format!(" ✅  {name} (no changes)"));
            } else {
                world.stack_turns(scene, &name, "CREATE_IN_PROGRESS", Some("User Initiated"));
            }
        });
        self.then(14.0, move |world, scene| {
            world.put_secret(scene);
            if world.stack_status(scene, &stack) == "CREATE_IN_PROGRESS" {
                world.resource_turns(scene, &stack, SECRET, SECRET_TYPE, "CREATE_COMPLETE", None);
                world.stack_turns(scene, &stack, "CREATE_COMPLETE", None);
            }
        });
        self.at += 16.0;
        true
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

pub(super) const GROUP_TYPE: &str = "AWS::RDS::DBClusterParameterGroup";
pub(super) const CLUSTER_TYPE: &str = "AWS::RDS::DBCluster";
pub(super) const INSTANCE_TYPE: &str = "AWS::RDS::DBInstance";
pub(super) const SECRET: &str = "SentryDsn";
pub(super) const SECRET_TYPE: &str = "AWS::SecretsManager::Secret";
