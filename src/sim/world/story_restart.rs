//! Restarts: an operator's reboot, and those that the deploy does on its own.

use super::refusal::Refusal;
use super::{World, timings};

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
        self.restart(&cluster, &instance, 0.0, timings::REBOOT, speed);
        Ok(())
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
        self.later_on_cluster(cluster, at + takes * 0.06, speed, move |cluster| {
            cluster.tell_of(&id, "RDS-EVENT-0004", "availability", "DB instance shutdown");
            cluster.take_down(&id);
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, at + takes * 0.35, speed, move |cluster| {
            cluster.bring_up(&id);
            cluster.tell_of(&id, "RDS-EVENT-0006", "availability", "DB instance restarted");
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, at + takes, speed, move |cluster| cluster.set_status(&id, "available"));
    }
}
