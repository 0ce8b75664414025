//! Deploys that fail: which stack, at which resource, and what CloudFormation makes of it.

use super::deploy_script::{
    CLUSTER, CLUSTER_TYPE, GROUP, GROUP_TYPE, INSTANCE, INSTANCE_TYPE, SECRET, SECRET_TYPE, Scene, Script,
};
use super::{World, before};

/// What the resource of a frail stack of the infrastructure says.
const NO_CAPACITY: &str = "Resource handler returned message: \"You have requested more vCPU capacity than your current vCPU \
limit allows. (Service: AutoScaling, Status Code: 400)\" (HandlerErrorCode: ServiceLimitExceeded)";
/// What Secrets Manager says to a value that the template does not take.
const REFUSED: &str = "Parameter 'SentryDsn' failed to satisfy constraint: it must be a Sentry DSN (Service: \
SecretsManager, Status Code: 400)";
/// What RDS says to a change of an instance that is busy.
const NOT_AVAILABLE: &str = "Resource handler returned message: \"Database instance is not in available state. (Service: \
Rds, Status Code: 400)\" (HandlerErrorCode: NotStabilized)";

/// Site seconds from a failure to the end of its rollback.
const ROLLS_BACK: f64 = 20.0;

impl Script<'_> {
    /// A stack of the infrastructure fails and is rolled back; the partition is not reached.
    pub(super) fn infrastructure_fails(&mut self, stack: String) {
        self.fails(stack, "NodeGroup", "AWS::EKS::Nodegroup", NO_CAPACITY);
    }

    /// The secrets' stack refuses its parameter.
    pub(super) fn secrets_fail(&mut self, stack: String) {
        self.fails(stack, SECRET, SECRET_TYPE, REFUSED);
    }

    /// A stack fails at one resource and is rolled back: to what it was, or away where it had never been.
    fn fails(&mut self, stack: String, logical: &'static str, kind: &'static str, reason: &'static str) {
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            let verb = world.verb(scene, &name);
            world.stack_turns(scene, &name, &format!("{verb}_IN_PROGRESS"), Some("User Initiated"));
            world.resource_turns(scene, &name, logical, kind, &format!("{verb}_IN_PROGRESS"), None);
        });
        let name = stack.clone();
        self.then(8.0, move |world, scene| {
            let making = world.stack_status(scene, &name).starts_with("CREATE");
            let (failed, back) = if making {
                ("CREATE_FAILED", "ROLLBACK_IN_PROGRESS")
            } else {
                ("UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS")
            };
            world.resource_turns(scene, &name, logical, kind, failed, Some(reason));
            let what = format!(
                "The following resource(s) failed to {}: [{logical}]. ",
                if making { "create" } else { "update" }
            );
            world.stack_turns(scene, &name, back, Some(&what));
        });
        self.then(8.0 + ROLLS_BACK, move |world, scene| {
            let making = world.stack_status(scene, &stack) == "ROLLBACK_IN_PROGRESS";
            let status = if making { "ROLLBACK_COMPLETE" } else { "UPDATE_ROLLBACK_COMPLETE" };
            world.stack_turns(scene, &stack, status, None);
            world.deploy_fails(scene, &stack, status, reason);
        });
    }

    /// The cluster's stack attaches the group, fails at an instance, and is rolled back: the old group is attached again.
    pub(super) fn aurora_rolls_back(&mut self, stack: String) {
        let name = stack.clone();
        self.then(0.0, move |world, scene| {
            world.stack_turns(scene, &name, "UPDATE_IN_PROGRESS", Some("User Initiated"));
            world.resource_turns(scene, &name, GROUP, GROUP_TYPE, "CREATE_COMPLETE", None);
            world.resource_turns(scene, &name, CLUSTER, CLUSTER_TYPE, "UPDATE_IN_PROGRESS", None);
        });
        let (name, speed) = (stack.clone(), self.speed);
        self.then(25.0, move |world, scene| {
            world.attaches_group(scene, speed);
            world.resource_turns(scene, &name, CLUSTER, CLUSTER_TYPE, "UPDATE_COMPLETE", None);
        });
        let name = stack.clone();
        self.then(30.0, move |world, scene| {
            let (writer, reader) = (format!("{INSTANCE}Writer"), format!("{INSTANCE}Reader1"));
            world.resource_turns(scene, &name, &writer, INSTANCE_TYPE, "UPDATE_FAILED", Some(NOT_AVAILABLE));
            let cancelled = Some("Resource update cancelled");
            world.resource_turns(scene, &name, &reader, INSTANCE_TYPE, "UPDATE_FAILED", cancelled);
            let what = format!("The following resource(s) failed to update: [{writer}]. ");
            world.stack_turns(scene, &name, "UPDATE_ROLLBACK_IN_PROGRESS", Some(&what));
        });
        let (name, speed) = (stack.clone(), self.speed);
        self.then(40.0, move |world, scene| {
            world.attaches_group_before(scene, speed);
            world.resource_turns(scene, &name, CLUSTER, CLUSTER_TYPE, "UPDATE_COMPLETE", None);
            world.stack_turns(scene, &name, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None);
        });
        self.then(40.0 + ROLLS_BACK, move |world, scene| {
            world.resource_turns(scene, &stack, GROUP, GROUP_TYPE, "DELETE_COMPLETE", None);
            let status = "UPDATE_ROLLBACK_COMPLETE";
            world.stack_turns(scene, &stack, status, None);
            world.deploy_fails(scene, &stack, status, NOT_AVAILABLE);
        });
    }
}

impl World {
    /// What is done to a stack: made where it is not there.
    pub(super) fn verb(&mut self, scene: &Scene, stack: &str) -> &'static str {
        if self.stack_status(scene, stack) == "ROLLBACK_COMPLETE" {
            self.stack_is_deleted(scene, stack);
        }
        if self.has_stack(scene, stack) { "UPDATE" } else { "CREATE" }
    }

    /// The group that was attached before the deploy is attached again; the deploy's own is deleted.
    fn attaches_group_before(&mut self, scene: &Scene, speed: f64) {
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == scene.partition);
        let group = planned.and_then(|planned| planned.cluster.group_before.clone());
        let group = group.unwrap_or_else(|| before::USUAL_GROUP.to_owned());
        let Some(found) = self.by_cluster(&scene.cluster) else { return };
        found.cluster.group_parameters.clear();
        found.cluster.attach(&group);
        for id in found.cluster.instances.iter().map(|instance| instance.id.clone()).collect::<Vec<_>>() {
            self.later_on_cluster(&scene.cluster, 5.0, speed, move |cluster| cluster.apply_dynamic(&id));
        }
    }
}
