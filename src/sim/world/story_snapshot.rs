//! Snapshots: taken, deleted, restored from.

use std::time::Duration;

use super::aurora::{Cluster, Snapshot};
use super::refusal::Refusal;
use super::situations::outlasting;
use super::{World, now, timings};
use crate::runbook::plan::StepKind;
use crate::runbook::situation::Situation;

/// Site seconds for which a cluster is being modified when a snapshot finds it so: longer than the runbook's 5 min.
const BUSY: f64 = 420.0;

impl World {
    /// Takes a snapshot of a cluster.
    pub fn create_snapshot(&mut self, cluster: &str, snapshot: &str, speed: f64) -> Result<Snapshot, Refusal> {
        let id = snapshot.to_lowercase();
        self.cluster_step_begins(cluster, "snapshot", speed);
        if self.snapshot(&id).is_some() {
            return Err(Refusal::new(
                "DBClusterSnapshotAlreadyExistsFault",
                format!(
                    "Cannot create the cluster snapshot because a snapshot with the identifier {id} already exists."
                ),
            ));
        }
        let began = self.instant();
        let name = self.by_cluster(cluster).ok_or_else(|| Refusal::no_cluster(cluster))?.name.clone();
        self.keeps_busy(cluster, &name, speed);
        let takes = self.snapshot_takes(&name, speed);
        let cluster = &mut self.by_cluster(cluster).ok_or_else(|| Refusal::no_cluster(cluster))?.cluster;
        if cluster.status != "available" {
            return Err(Refusal::cluster_state(format!(
                "The DB cluster {} is not in an available state; its status is {}.",
                cluster.id.to_lowercase(),
                cluster.status
            )));
        }
        let ready = began + Duration::from_secs_f64(takes / speed);
        let taken = Snapshot { id: id.clone(), status: "creating".to_owned(), created: now(), began, ready };
        cluster.snapshots.push(taken.clone());
        cluster.tell_of_snapshot(&id, "RDS-EVENT-0074", "Creating manual cluster snapshot");
        let cluster = cluster.id.clone();
        self.later_on_cluster(&cluster, takes, speed, move |cluster| {
            if let Some(snapshot) = cluster.snapshots.iter_mut().find(|snapshot| snapshot.id == id) {
                "available".clone_into(&mut snapshot.status);
                cluster.tell_of_snapshot(&id, "RDS-EVENT-0075", "Manual cluster snapshot created");
            }
        });
        Ok(taken)
    }

    /// Something else begins to modify the cluster, if that is on stage: a task of its maintenance window, say.
    fn keeps_busy(&mut self, cluster: &str, partition: &str, speed: f64) {
        let is_free = self.by_cluster(cluster).is_some_and(|found| found.cluster.status == "available");
        if !is_free || !self.strikes(Situation::ClusterBusy, partition) {
            return;
        }
        if let Some(found) = self.by_cluster(cluster) {
            "modifying".clone_into(&mut found.cluster.status);
        }
        let (cluster, partition) = (cluster.to_owned(), partition.to_owned());
        let ends = move |world: &mut World, _: f64| {
            world.remedied(Situation::ClusterBusy, &partition);
            if let Some(found) = world.by_cluster(&cluster) {
                "available".clone_into(&mut found.cluster.status);
            }
        };
        self.later(Duration::from_secs_f64(BUSY), speed, Box::new(ends));
    }

    /// Site seconds until the next snapshot is available: the log's, or longer than the rollout has patience.
    fn snapshot_takes(&mut self, partition: &str, speed: f64) -> f64 {
        let usual = timings::of(partition).snapshot;
        if !self.strikes(Situation::SnapshotSlow, partition) {
            return usual;
        }
        let steps = self.plan.partitions.iter().filter(|planned| planned.name.as_str() == partition);
        let mut steps = steps.flat_map(|planned| &planned.steps);
        let step = steps.find(|step| matches!(step.kind, StepKind::Snapshot(_)));
        step.map_or(usual, |step| outlasting(step.stuck_after, speed).max(usual))
    }

    /// Deletes a snapshot, at once; answers it as it was.
    pub fn delete_snapshot(&mut self, snapshot: &str) -> Result<Snapshot, Refusal> {
        let id = snapshot.to_lowercase();
        let mut partitions = self.partitions.iter().filter(|it| it.cluster.snapshots.iter().any(|one| one.id == id));
        let partition = partitions.next().map(|partition| partition.name.clone()).unwrap_or_default();
        if self.strikes(Situation::SnapshotInUse, &partition) {
            return Err(Refusal::new(
                "InvalidDBClusterSnapshotStateFault",
                format!("Cannot delete the cluster snapshot {id} because it is currently being copied or shared."),
            ));
        }
        let (cluster, index) = self.snapshot(&id).ok_or_else(|| Refusal::no_snapshot(&id))?;
        if cluster.snapshots[index].status != "available" {
            return Err(Refusal::new(
                "InvalidDBClusterSnapshotStateFault",
                format!("Cannot delete the cluster snapshot {id} because it is {}.", cluster.snapshots[index].status),
            ));
        }
        cluster.tell_of_snapshot(&id, "RDS-EVENT-0162", "Cluster snapshot deleted");
        let deleted = cluster.snapshots.remove(index);
        self.remedied(Situation::SnapshotExists, &partition);
        Ok(deleted)
    }

    /// Restores a snapshot into a new cluster without instances, which takes hours.
    pub fn restore(&mut self, snapshot: &str, new: &str, speed: f64) -> Result<String, Refusal> {
        let id = snapshot.to_lowercase();
        if self.by_cluster(new).is_some() || self.restored(new).is_some() {
            return Err(Refusal::new("DBClusterAlreadyExistsFault", format!("DB Cluster {new} already exists.")));
        }
        let (cluster, index) = self.snapshot(&id).ok_or_else(|| Refusal::no_snapshot(&id))?;
        if cluster.snapshots[index].status != "available" {
            return Err(Refusal::new(
                "InvalidDBClusterSnapshotStateFault",
                format!("The cluster snapshot {id} is not available."),
            ));
        }
        let restored = restored_from(cluster, new);
        let infrastructure = self
            .partitions
            .iter()
            .find(|partition| partition.cluster.snapshots.iter().any(|snapshot| snapshot.id == id))
            .map(|partition| partition.infrastructure.clone())
            .unwrap_or_default();
        self.restored.push((infrastructure, restored));
        let name = new.to_owned();
        let available = move |world: &mut World, _: f64| {
            if let Some(cluster) = world.restored(&name) {
                "available".clone_into(&mut cluster.status);
            }
        };
        self.later(Duration::from_secs_f64(timings::RESTORE), speed, Box::new(available));
        Ok(new.to_owned())
    }

    /// The restored cluster of that identifier.
    pub fn restored(&mut self, id: &str) -> Option<&mut Cluster> {
        self.restored.iter_mut().map(|(_, cluster)| cluster).find(|cluster| cluster.id.eq_ignore_ascii_case(id))
    }

    /// The cluster that has a snapshot of that identifier, and its place there.
    fn snapshot(&mut self, id: &str) -> Option<(&mut Cluster, usize)> {
        self.partitions.iter_mut().find_map(|partition| {
            let index = partition.cluster.snapshots.iter().position(|snapshot| snapshot.id == id)?;
            Some((&mut partition.cluster, index))
        })
    }
}

/// A new cluster of that name with the old one's settings and no instances yet.
fn restored_from(cluster: &Cluster, new: &str) -> Cluster {
    let lower = new.to_lowercase();
    Cluster {
        id: new.to_owned(),
        status: "creating".to_owned(),
        parameter_group: "default.aurora-postgresql16".to_owned(),
        rollout_group: String::new(),
        insights_mode: cluster.insights_mode.clone(),
        insights_retention: cluster.insights_retention,
        apply_immediately: cluster.apply_immediately,
        api_writer: String::new(),
        writer: None,
        dns_writer: String::new(),
        name_late_s: 0.0,
        promoting: None,
        endpoint: format!("{lower}.cluster-{}", cluster.host),
        reader_endpoint: format!("{lower}.cluster-ro-{}", cluster.host),
        host: cluster.host.clone(),
        port: cluster.port,
        resource_id: cluster.resource_id.chars().rev().collect::<String>().to_uppercase(),
        created: now(),
        instances: Vec::new(),
        snapshots: Vec::new(),
        events: Vec::new(),
        event_fate: cluster.event_fate.clone(),
        group_parameters: Vec::new(),
        snags: Default::default(),
        extension_created: cluster.extension_created,
        behind: Default::default(),
    }
}
