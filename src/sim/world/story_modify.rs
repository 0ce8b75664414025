//! Modifications: of an instance (the flush of what is queued), of a cluster, of a parameter group.

use super::aurora::{Cluster, GroupParameter};
use super::refusal::Refusal;
use super::{World, settings, timings};
use crate::runbook::situation::Situation;

/// Site seconds of a class change after the instance reads `modifying`.
const SHUTS_DOWN: f64 = 160.0;
const COMES_UP: f64 = 280.0;
const SWAPPED: f64 = 289.0;
const AVAILABLE: f64 = 352.0;
/// How long the first class change of a cluster waits until it reads `modifying`, and how long later ones do.
const FIRST_WAITS: f64 = 90.0;
const LATER_WAITS: f64 = 19.0;
/// How long a changed dynamic parameter of a group takes to be live.
const APPLIED: f64 = 5.0;

impl World {
    /// Modifies an instance: queues a class, and with `immediately` carries out whatever is queued.
    pub fn modify_instance(
        &mut self,
        id: &str,
        class: Option<&str>,
        immediately: bool,
        speed: f64,
    ) -> Result<(), Refusal> {
        self.restart_begins(id, speed);
        let partition = self.by_instance(id).ok_or_else(|| Refusal::no_instance(id))?;
        let name = partition.name.clone();
        let cluster = &mut partition.cluster;
        let swapped_before = cluster.instances.windows(2).any(|pair| pair[0].class != pair[1].class);
        let cluster_id = cluster.id.clone();
        let is_writer = cluster.is_writer(id);
        let instance = cluster.instance_mut(id).ok_or_else(|| Refusal::no_instance(id))?;
        if instance.status != "available" || instance.flushing {
            let (id, status) = (&instance.id, &instance.status);
            return Err(Refusal::instance_state(format!(
                "Database instance {id} is not in available state. Its status is {status}."
            )));
        }
        if let Some(class) = class {
            instance.pending_class = (class != instance.class).then(|| class.to_owned());
        }
        // Taken, and not carried out: it stays queued.
        let demoted = !is_writer && self.has_begun(&name, "failover");
        if immediately && demoted && self.strikes(Situation::DemotedNotSwapped, &name) {
            return Ok(());
        }
        let cluster = &mut self.by_cluster(&cluster_id).ok_or_else(|| Refusal::no_cluster(&cluster_id))?.cluster;
        let instance = cluster.instance_mut(id).ok_or_else(|| Refusal::no_instance(id))?;
        if immediately && let Some(class) = instance.pending_class.clone() {
            instance.flushing = true;
            let id = instance.id.clone();
            self.may_miss_static(&id);
            self.remedied(Situation::FlushReader, &name);
            let waits = if swapped_before { LATER_WAITS } else { FIRST_WAITS };
            self.change_class(&cluster_id, &id, class, waits, speed);
        }
        Ok(())
    }

    /// Carries out a class change; the server is down for part of it, and comes up with all settings of its group.
    fn change_class(&mut self, cluster: &str, instance: &str, class: String, waits: f64, speed: f64) {
        let (id, to) = (instance.to_owned(), class.clone());
        self.later_on_cluster(cluster, waits, speed, move |cluster| {
            cluster.set_status(&id, "modifying");
            let message = format!("Applying modification to database instance class to {to}");
            cluster.tell_of(&id, "RDS-EVENT-0012", "configuration change", message);
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, waits + SHUTS_DOWN, speed, move |cluster| {
            cluster.tell_of(&id, "RDS-EVENT-0004", "availability", "DB instance shutdown");
            cluster.take_down(&id);
        });
        let (id, to) = (instance.to_owned(), class);
        self.later_on_cluster(cluster, waits + COMES_UP, speed, move |cluster| {
            if let Some(instance) = cluster.instance_mut(&id) {
                instance.running_class = Some(to);
            }
            cluster.bring_up(&id);
            cluster.tell_of(&id, "RDS-EVENT-0006", "availability", "DB instance restarted");
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, waits + SWAPPED, speed, move |cluster| {
            if let Some(instance) = cluster.instance_mut(&id)
                && let Some(class) = instance.running_class.take()
            {
                instance.class = class;
                instance.pending_class = None;
                "configuring-enhanced-monitoring".clone_into(&mut instance.status);
            }
            let message = "Finished applying modification to DB instance class";
            cluster.tell_of(&id, "RDS-EVENT-0014", "configuration change", message);
        });
        let id = instance.to_owned();
        self.later_on_cluster(cluster, waits + AVAILABLE, speed, move |cluster| {
            cluster.set_status(&id, "available");
            if let Some(instance) = cluster.instance_mut(&id) {
                instance.flushing = false;
            }
        });
    }

    /// Changes a cluster's Database Insights mode or retention. The mode is new at once; then monitoring is configured.
    pub fn modify_cluster(
        &mut self,
        id: &str,
        mode: Option<&str>,
        retention: Option<i32>,
        speed: f64,
    ) -> Result<(), Refusal> {
        let cluster = &mut self.by_cluster(id).ok_or_else(|| Refusal::no_cluster(id))?.cluster;
        if cluster.status != "available" {
            return Err(Refusal::cluster_state(format!(
                "DB cluster isn't available for modification with status {}.",
                cluster.status
            )));
        }
        let mode = mode.unwrap_or(&cluster.insights_mode).to_owned();
        let retention = retention.unwrap_or(cluster.insights_retention);
        if !matches!(mode.as_str(), "standard" | "advanced") {
            return Err(Refusal::new("InvalidParameterValue", format!("Invalid database insights mode: {mode}.")));
        }
        if mode == "advanced" && retention < 465 {
            return Err(Refusal::combination(RETENTION_REFUSED));
        }
        if mode == cluster.insights_mode && retention == cluster.insights_retention {
            return Ok(());
        }
        cluster.insights_mode = mode;
        cluster.insights_retention = retention;
        "configuring-enhanced-monitoring".clone_into(&mut cluster.status);
        let id = cluster.id.clone();
        self.later_on_cluster(&id, timings::INSIGHTS, speed, |cluster| "available".clone_into(&mut cluster.status));
        Ok(())
    }

    /// Changes parameters of the rollout's group. Dynamic ones given with `immediate` are live some seconds later.
    pub fn modify_parameter_group(
        &mut self,
        group: &str,
        changes: Vec<ParameterChange>,
        speed: f64,
    ) -> Result<(), Refusal> {
        let cluster = self.cluster_of_group(group)?;
        for change in &changes {
            if change.immediate && settings::apply_type(&change.name) == "static" {
                return Err(Refusal::combination(format!(
                    "cannot use immediate apply method for static parameter {}",
                    change.name
                )));
            }
        }
        let names: Vec<_> = changes.iter().map(|change| change.name.clone()).collect();
        for ParameterChange { name, value, immediate } in changes {
            cluster.group_parameters.retain(|parameter| parameter.name != name);
            let apply_method = if immediate { "immediate" } else { "pending-reboot" };
            cluster.group_parameters.push(GroupParameter { apply_method, ..GroupParameter::usual(name, value) });
        }
        self.group_changed(group, &names, speed);
        Ok(())
    }

    /// Takes parameters of the rollout's group back to the engine's default. Dynamic ones are so some seconds later.
    pub fn reset_parameter_group(&mut self, group: &str, names: &[String], speed: f64) -> Result<(), Refusal> {
        let cluster = self.cluster_of_group(group)?;
        cluster.group_parameters.retain(|parameter| !names.contains(&parameter.name));
        self.group_changed(group, names, speed);
        Ok(())
    }

    /// The group's values reach the servers, and what the stage had wrong with those parameters is over.
    fn group_changed(&mut self, group: &str, names: &[String], speed: f64) {
        let of_group = |cluster: &Cluster| cluster.rollout_group.eq_ignore_ascii_case(group);
        let Some(partition) = self.partitions.iter_mut().find(|partition| of_group(&partition.cluster)) else { return };
        let (name, cluster) = (partition.name.clone(), &mut partition.cluster);
        let (id, attached) = (cluster.id.clone(), cluster.parameter_group == cluster.rollout_group);
        let was_wrong = names.iter().any(|name| cluster.snags.wrong.remove(name).is_some());
        let was_withheld = names.iter().any(|name| cluster.snags.withheld.contains(name));
        let still_withheld = cluster.snags.withheld.iter().any(|name| !names.contains(name));
        if was_wrong {
            self.remedied(Situation::DynamicOneWrong, &name);
            self.remedied(Situation::MaxConnectionsWrong, &name);
            self.remedied(Situation::RegretAfterDelete, &name);
        }
        if was_withheld && !still_withheld {
            self.remedied(Situation::DynamicStuck, &name);
        }
        if attached {
            let names = names.to_vec();
            self.later_on_cluster(&id, APPLIED, speed, move |cluster| {
                names.iter().for_each(|name| cluster.release(name));
            });
        }
    }

    /// The cluster whose group the rollout made under that name.
    fn cluster_of_group(&mut self, group: &str) -> Result<&mut Cluster, Refusal> {
        if group.starts_with("default.") {
            return Err(Refusal::new(
                "InvalidDBParameterGroupState",
                "Parameters of a default parameter group can't be modified.",
            ));
        }
        let made = |cluster: &Cluster| {
            cluster.rollout_group.eq_ignore_ascii_case(group) && !cluster.group_parameters.is_empty()
        };
        let mut clusters = self.partitions.iter_mut().map(|partition| &mut partition.cluster);
        clusters.find(|cluster| made(cluster)).ok_or_else(|| {
            Refusal::new("DBParameterGroupNotFound", format!("DBClusterParameterGroup not found: {group}"))
        })
    }
}

/// One parameter of a change to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterChange {
    /// Name.
    pub name: String,
    /// New value.
    pub value: String,
    /// Whether it is to be live at once, rather than with the next restart.
    pub immediate: bool,
}

/// What RDS says to a retention that the advanced mode does not allow.
pub const RETENTION_REFUSED: &str = "To enable the Advanced mode of Database Insights, modify your cluster to enable \
Performance Insights and set the retention period for Performance Insights to at least 465 days";
