//! What happens to a cluster's servers: they go down, come up, take settings; their load shows it and RDS tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::aurora::{Cluster, Instance, LoadChange, LoadMark, RdsEvent, SlowLog};
use super::{World, now, settings};

impl World {
    /// Lets something happen to a cluster `at` site seconds from now.
    pub fn later_on_cluster(
        &mut self,
        cluster: &str,
        at: f64,
        speed: f64,
        change: impl FnOnce(&mut Cluster) + Send + 'static,
    ) {
        let id = cluster.to_owned();
        let act = move |world: &mut World, _: f64| {
            if let Some(partition) = world.by_cluster(&id) {
                partition.cluster.happen(Box::new(change));
            }
        };
        self.later(Duration::from_secs_f64(at), speed, Box::new(act));
    }
}

impl Cluster {
    /// Adds an event of the cluster itself.
    pub fn tell(&mut self, id: &'static str, category: &'static str, message: impl Into<String>) {
        let source = self.id.to_lowercase();
        self.push_event(source, "db-cluster", id, category, message.into());
    }

    /// Adds an event of an instance.
    pub fn tell_of(&mut self, instance: &str, id: &'static str, category: &'static str, message: impl Into<String>) {
        self.push_event(instance.to_lowercase(), "db-instance", id, category, message.into());
    }

    /// Adds an event of a snapshot.
    pub fn tell_of_snapshot(&mut self, snapshot: &str, id: &'static str, message: impl Into<String>) {
        self.push_event(snapshot.to_owned(), "db-cluster-snapshot", id, "backup", message.into());
    }

    fn push_event(
        &mut self,
        source: String,
        source_type: &'static str,
        id: &'static str,
        category: &'static str,
        message: String,
    ) {
        let Some(late_s) = self.event_fate.delay() else { return };
        let message = message + self.event_fate.tail;
        self.events.push(RdsEvent { source, source_type, id, message, category, at: now(), late_s });
    }

    /// Sets what the API answers as an instance's status.
    pub fn set_status(&mut self, instance: &str, status: &str) {
        if let Some(instance) = self.instance_mut(instance) {
            status.clone_into(&mut instance.status);
        }
    }

    /// Whether that instance takes the writes, or will again once it is up.
    pub fn is_writer(&self, instance: &str) -> bool {
        self.writer.as_deref().unwrap_or(&self.api_writer).eq_ignore_ascii_case(instance)
    }

    /// Takes an instance's server down: its connections are cut, and if it was the writer, there is none.
    pub fn take_down(&mut self, id: &str) {
        if self.writer.as_deref().is_some_and(|writer| writer.eq_ignore_ascii_case(id)) {
            self.writer = None;
        }
        if let Some(instance) = self.instance_mut(id) {
            instance.up = false;
            instance.cut();
            instance.mark(LoadChange::Down);
        }
    }

    /// Brings an instance's server up again, with all settings of its group live; a writer takes up its role.
    pub fn bring_up(&mut self, id: &str) {
        let parameters = self.after_restart(id);
        if self.writer.is_none() && self.promoting.is_none() && self.api_writer.eq_ignore_ascii_case(id) {
            self.writer = Some(self.api_writer.clone());
        }
        let serves = self.is_writer(id);
        if let Some(instance) = self.instance_mut(id) {
            instance.up = true;
            instance.started = now();
            instance.live = parameters;
            instance.note_slow_log();
            instance.mark(if serves { LoadChange::ReconnectBurst } else { LoadChange::Idle });
        }
        let status = self.group_status_of(id);
        if let Some(instance) = self.instance_mut(id) {
            status.clone_into(&mut instance.group_status);
        }
    }

    /// Puts a group in the place of the one that is attached; nothing is live yet.
    pub fn attach(&mut self, group: &str) {
        group.clone_into(&mut self.parameter_group);
        for instance in &mut self.instances {
            "applying".clone_into(&mut instance.group_status);
        }
    }

    /// Makes the dynamic settings of the attached group live on an instance; the static ones wait for a restart.
    pub fn apply_dynamic(&mut self, id: &str) {
        let mut wanted = self.wanted_settings(id);
        let waits = |name: &str| {
            let mut own = self.group_parameters.iter().filter(|parameter| parameter.name == name);
            own.any(|parameter| parameter.apply_method == "pending-reboot")
        };
        let is_dynamic = |name: &str| settings::apply_type(name) == "dynamic";
        let known: BTreeSet<String> = wanted.keys().cloned().collect();
        wanted.retain(|name, _| is_dynamic(name) && !waits(name) && !self.snags.withheld.contains(name));
        let Some(instance) = self.instance_mut(id) else { return };
        // What was reset in the group, and nobody had set before, is not live any more.
        instance.live.retain(|name, _| !is_dynamic(name) || known.contains(name));
        instance.live.extend(wanted);
        instance.note_slow_log();
        let status = self.group_status_of(id);
        if let Some(instance) = self.instance_mut(id) {
            status.clone_into(&mut instance.group_status);
        }
    }

    /// What would be live on an instance if it restarted now.
    pub(super) fn wanted_settings(&self, id: &str) -> BTreeMap<String, String> {
        let class = self.instance(id).map_or("", |instance| instance.running_class.as_ref().unwrap_or(&instance.class));
        let mut wanted = settings::before_rollout(class);
        if self.parameter_group == self.rollout_group {
            for parameter in &self.group_parameters {
                wanted.insert(parameter.name.clone(), settings::shown(&parameter.name, &parameter.value, class));
            }
        }
        wanted
    }
}

impl Instance {
    /// Cuts every connection.
    pub fn cut(&mut self) {
        self.generation += 1;
    }

    /// Notes from which duration on its log holds statements, where that changed.
    fn note_slow_log(&mut self) {
        let shown = self.live.get("log_min_duration_statement").map(String::as_str);
        let least_ms = shown.and_then(settings::milliseconds);
        if self.slow_log.last().is_none_or(|mark| mark.least_ms != least_ms) {
            self.slow_log.push(SlowLog { since: now(), least_ms });
        }
    }

    /// Notes a change of its load.
    pub fn mark(&mut self, what: LoadChange) {
        self.load_marks.push(LoadMark { at: Instant::now(), time: now(), what });
    }
}
