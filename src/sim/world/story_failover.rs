//! A failover, second by second: who is the writer is true first, then in DNS, and last in the API.

use super::aurora::LoadChange;
use super::refusal::Refusal;
use super::{World, timings};

/// Site seconds from the accepted call. The cluster reads `available` until `SHOWS`, although nothing is as it was.
const CUT: f64 = 9.0;
const SHOWS: f64 = 13.0;
const PROMOTED: f64 = 17.0;
const NAME_MOVES: f64 = 19.0;
const API_MOVES: f64 = 24.0;
const DEMOTED_UP: f64 = 27.0;
const DEMOTED_AVAILABLE: f64 = 31.0;

impl World {
    /// Fails a cluster over to an instance, or to the first healthy reader. A queued class stays queued.
    pub fn failover(&mut self, cluster: &str, target: Option<&str>, speed: f64) -> Result<(), Refusal> {
        self.cluster_step_begins(cluster, "failover", speed);
        let partition = self.by_cluster(cluster).ok_or_else(|| Refusal::no_cluster(cluster))?;
        let takes = timings::of(&partition.name).failover;
        let cluster = &mut partition.cluster;
        let id = cluster.id.clone();
        if cluster.status != "available" || cluster.promoting.is_some() {
            let status = &cluster.status;
            return Err(Refusal::cluster_state(format!(
                "DB cluster {} is not in an available state for failover. Its status is {status}.",
                id.to_lowercase()
            )));
        }
        let old = cluster.writer.clone().unwrap_or_else(|| cluster.api_writer.clone());
        let healthy = cluster.instances.iter().find(|instance| instance.id != old && instance.status == "available");
        let target = match target {
            Some(target) => cluster.instance(target).ok_or_else(|| Refusal::no_instance(target))?,
            None => healthy.ok_or_else(|| Refusal::cluster_state("There is no healthy reader to fail over to."))?,
        };
        if target.id == old {
            return Err(Refusal::cluster_state(format!("{old} is the writer of this DB cluster already.")));
        }
        if target.status != "available" || !target.up {
            let (target, status) = (&target.id, &target.status);
            return Err(Refusal::instance_state(format!(
                "Instance {target} is not available. Its status is {status}."
            )));
        }
        let new = target.id.clone();
        cluster.promoting = Some(new.clone());
        self.tell_failover(&id, &old, &new, takes, speed);
        Ok(())
    }

    fn tell_failover(&mut self, cluster: &str, old: &str, new: &str, takes: f64, speed: f64) {
        let (from, to) = (old.to_owned(), new.to_owned());
        self.later_on_cluster(cluster, CUT, speed, move |cluster| {
            let zone = |id: &str| cluster.instance(id).map(|instance| instance.zone.clone());
            let (event, how) =
                if zone(&from) == zone(&to) { ("RDS-EVENT-0072", "same") } else { ("RDS-EVENT-0073", "cross") };
            cluster.tell(event, "failover", format!("Started {how} AZ failover to DB instance: {to}"));
            cluster.take_down(&from);
            if let Some(instance) = cluster.instance_mut(&to) {
                instance.cut();
            }
        });
        let from = old.to_owned();
        self.later_on_cluster(cluster, SHOWS, speed, move |cluster| {
            "failing-over".clone_into(&mut cluster.status);
            cluster.set_status(&from, "rebooting");
        });
        let to = new.to_owned();
        self.later_on_cluster(cluster, PROMOTED, speed, move |cluster| {
            cluster.promoting = None;
            cluster.writer = Some(to.clone());
            if let Some(instance) = cluster.instance_mut(&to) {
                // Sessions that came back before it was promoted were read-only ones.
                instance.cut();
                instance.mark(LoadChange::ReconnectBurst);
            }
        });
        let to = new.to_owned();
        self.later_on_cluster(cluster, NAME_MOVES, speed, move |cluster| cluster.dns_writer = to);
        let to = new.to_owned();
        self.later_on_cluster(cluster, API_MOVES, speed, move |cluster| {
            cluster.promoted(&to);
            cluster.api_writer = to;
        });
        let from = old.to_owned();
        self.later_on_cluster(cluster, DEMOTED_UP, speed, move |cluster| {
            cluster.bring_up(&from);
            cluster.tell_of(&from, "RDS-EVENT-0006", "availability", "DB instance restarted");
        });
        let from = old.to_owned();
        self.later_on_cluster(cluster, DEMOTED_AVAILABLE, speed, move |cluster| cluster.set_status(&from, "available"));
        let to = new.to_owned();
        self.later_on_cluster(cluster, takes, speed, move |cluster| {
            "available".clone_into(&mut cluster.status);
            cluster.tell("RDS-EVENT-0071", "failover", format!("Completed failover to DB instance: {to}"));
        });
    }
}
