//! Restarts: an operator's reboot, and those that the deploy does on its own.

use super::refusal::Refusal;
use super::situations::outlasting;
use super::{World, timings};
use crate::runbook::plan::StepKind;
use crate::runbook::situation::Situation;

/// Longer than this, in site seconds, no restart takes that does not hang.
const HANGS: f64 = 300.0;

impl World {
    /// Reboots an instance. On Aurora a writer's reboot leaves the readers up, and there is no failover to force.
    pub fn reboot_instance(&mut self, id: &str, force_failover: bool, speed: f64) -> Result<(), Refusal> {
        self.restart_begins(id, speed);
        let partition = self.by_instance(id).ok_or_else(|| Refusal::no_instance(id))?;
        let cluster = &partition.cluster;
        let instance = cluster.instance(id).ok_or_else(|| Refusal::no_instance(id))?;
        if force_failover {
            return Err(Refusal::instance_state(
                "Cannot force failover of an Aurora DB instance; use FailoverDBCluster.",
            ));
        }
        if instance.status != "available" {
            let (id, status) = (&instance.id, &instance.status);
            return Err(Refusal::instance_state(format!(
                "Instance {id} cannot be rebooted because it is not in an available state. Its status is {status}."
            )));
        }
        let (cluster, instance) = (cluster.id.clone(), instance.id.clone());
        self.may_miss_static(&instance);
        self.picks_up_after_promotion(&instance);
        let takes = self.reader_hangs(&instance, speed).unwrap_or(timings::REBOOT);
        self.restart(&cluster, &instance, 0.0, takes, speed);
        Ok(())
    }

    /// Whether the restart of a reader that begins now picks up no static parameter, by the stage.
    pub(super) fn may_miss_static(&mut self, id: &str) {
        let Some(name) = self.partition_of_reader(id) else { return };
        if self.strikes(Situation::ReaderPendingReboot, &name)
            && let Some(partition) = self.partition(&name)
        {
            partition.cluster.misses_static(id);
        }
    }

    /// The promoted reader's restart picks up what those before the failover had missed.
    fn picks_up_after_promotion(&mut self, id: &str) {
        let Some(partition) = self.by_instance(id) else { return };
        let waits = partition.cluster.instance(id).is_some_and(|instance| instance.group_status == "pending-reboot");
        let (name, writes) = (partition.name.clone(), partition.cluster.is_writer(id));
        if waits && writes {
            self.remedied(Situation::PreloadMissing, &name);
            self.remedied(Situation::MaxConnectionsWrong, &name);
        }
    }

    /// How long a reader's reboot hangs, where the stage says that it does: longer than the rollout calls it stuck.
    fn reader_hangs(&mut self, id: &str, speed: f64) -> Option<f64> {
        let name = self.partition_of_reader(id)?;
        let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == name)?;
        let patience = planned.steps.iter().find(|step| step.kind == StepKind::RestartReader)?.stuck_after;
        self.strikes(Situation::ReaderStuck, &name).then(|| outlasting(patience, speed))
    }

    /// The partition of a reader that has not been failed over to: the one of the runbook's step 4.
    fn partition_of_reader(&mut self, id: &str) -> Option<String> {
        let partition = self.by_instance(id)?;
        let (name, is_writer) = (partition.name.clone(), partition.cluster.is_writer(id));
        (!is_writer && !self.has_begun(&name, "failover")).then_some(name)
    }

    /// Restarts an instance from `at` on, available again `takes` site seconds later. A queued class is not taken.
    pub fn restart(&mut self, cluster: &str, instance: &str, at: f64, takes: f64, speed: f64) {
        let id = instance.to_owned();
        let begin = move |cluster: &mut super::aurora::Cluster| cluster.set_status(&id, "rebooting");
        if at > 0.0 {
            self.later_on_cluster(cluster, at, speed, begin);
        } else if let Some(partition) = self.by_cluster(cluster) {
            begin(&mut partition.cluster);
        }
        let id = instance.to_owned();
        self.later_on_cluster(cluster, at + takes.min(timings::REBOOT) * 0.06, speed, move |cluster| {
            cluster.tell_of(&id, "RDS-EVENT-0004", "availability", "DB instance shutdown");
            cluster.take_down(&id);
        });
        let id = instance.to_owned();
        // A hung restart hangs before the server comes up.
        let up = if takes > HANGS { takes - timings::REBOOT * 0.65 } else { takes * 0.35 };
        self.later_on_cluster(cluster, at + up, speed, move |cluster| {
            cluster.bring_up(&id);
            cluster.tell_of(&id, "RDS-EVENT-0006", "availability", "DB instance restarted");
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, at + takes, speed, move |cluster| cluster.set_status(&id, "available"));
    }
}
