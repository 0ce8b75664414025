//! What keeps a cluster's servers from what the rollout's parameter group should give them.

use std::collections::{BTreeMap, BTreeSet};

use super::aurora::{Cluster, GroupParameter};
use super::settings::{self, apply_type};

/// What is wrong between the template, the parameter group and the servers; nothing, as a rule.
#[derive(Debug, Default)]
pub struct Snags {
    /// Dynamic parameters whose values reach no server, not even with a restart.
    pub withheld: BTreeSet<String>,
    /// What RDS says of the members while something is withheld.
    pub says: &'static str,
    /// Values that the template gets wrong, by parameter.
    pub wrong: BTreeMap<String, String>,
    /// Static settings that no restart of a reader changes, with the value that stays. RDS says `in-sync` until one of the
    /// readers is promoted.
    pub unnoticed: BTreeMap<String, String>,
    /// Instances whose next restart picks up no static parameter.
    pub misses: BTreeSet<String>,
    /// Instances whose last restart picked up none.
    pub missed: BTreeSet<String>,
}

impl Snags {
    /// Whether a server goes on with less than its group holds, so that its configuration file must not know better.
    pub fn keeps(&self, instance: &str) -> bool {
        let restarts_without = self.misses.contains(instance) || self.missed.contains(instance);
        restarts_without || !self.withheld.is_empty() || !self.unnoticed.is_empty()
    }
}

impl Cluster {
    /// The parameters as the template makes them, with what it gets wrong.
    pub fn synthesised(&self, mut parameters: Vec<GroupParameter>) -> Vec<GroupParameter> {
        for parameter in &mut parameters {
            if let Some(wrong) = self.snags.wrong.get(&parameter.name) {
                parameter.value.clone_from(wrong);
            }
            if self.snags.withheld.contains(&parameter.name) && self.snags.says == "pending-reboot" {
                parameter.apply_method = "pending-reboot";
            }
        }
        parameters
    }

    /// What is live on an instance after the restart that happens now.
    pub(super) fn after_restart(&mut self, id: &str) -> BTreeMap<String, String> {
        let mut settings = self.within_reach(id);
        let misses = self.snags.misses.remove(id);
        self.snags.missed.remove(id);
        if misses {
            self.snags.missed.insert(id.to_owned());
        }
        let Some(instance) = self.instance(id) else { return settings };
        for (name, value) in &mut settings {
            let stays = self.snags.withheld.contains(name) || (misses && apply_type(name) == "static");
            if let Some(old) = instance.live.get(name).filter(|_| stays) {
                value.clone_from(old);
            }
        }
        settings
    }

    /// What RDS says of the group on an instance.
    pub(super) fn group_status_of(&self, id: &str) -> &'static str {
        let Some(instance) = self.instance(id) else { return "in-sync" };
        match (self.parameter_group == self.rollout_group, self.snags.withheld.is_empty()) {
            (true, false) => self.snags.says,
            _ if instance.live == self.within_reach(id) => "in-sync",
            _ => "pending-reboot",
        }
    }

    /// What a restart would bring as far as RDS knows: what readers miss unnoticed is not in it.
    fn within_reach(&self, id: &str) -> BTreeMap<String, String> {
        let mut settings = self.wanted_settings(id);
        if !self.api_writer.eq_ignore_ascii_case(id) && self.parameter_group == self.rollout_group {
            settings.extend(self.snags.unnoticed.clone());
        }
        settings
    }

    /// A reader was promoted: RDS notices now what its restarts did not pick up.
    pub(super) fn promoted(&mut self, id: &str) {
        let lacks = std::mem::take(&mut self.snags.unnoticed);
        if let Some(instance) = self.instance_mut(id).filter(|_| !lacks.is_empty()) {
            instance.live.extend(lacks);
            "pending-reboot".clone_into(&mut instance.group_status);
        }
    }

    /// An instance is about to restart without picking up its static parameters: it goes on with those of before.
    pub(super) fn misses_static(&mut self, id: &str) {
        let Some(instance) = self.instance_mut(id) else { return };
        let before = settings::before_rollout(&instance.class);
        instance.live.extend(before.into_iter().filter(|(name, _)| apply_type(name) == "static"));
        let id = instance.id.clone();
        self.snags.misses.insert(id);
    }

    /// Keeps dynamic parameters of the group from the servers; those that have them already fall back to what was before.
    pub(super) fn withhold(&mut self, names: BTreeSet<String>, says: &'static str) {
        for instance in &mut self.instances {
            let before = settings::before_rollout(&instance.class);
            instance.live.extend(before.into_iter().filter(|(name, _)| names.contains(name)));
        }
        (self.snags.withheld, self.snags.says) = (names, says);
        let parameters = std::mem::take(&mut self.group_parameters);
        self.group_parameters = self.synthesised(parameters);
        self.tell_group_status();
    }

    /// Lets a dynamic parameter through again.
    pub(super) fn release(&mut self, name: &str) {
        self.snags.withheld.remove(name);
        self.apply_group();
    }

    /// Has the template get a value wrong; a group that is there already has it in all its servers.
    pub(super) fn get_wrong(&mut self, name: &str, value: &str) {
        self.snags.wrong.insert(name.to_owned(), value.to_owned());
        let parameters = std::mem::take(&mut self.group_parameters);
        self.group_parameters = self.synthesised(parameters);
        for id in self.members() {
            let shown = self.wanted_settings(&id).remove(name);
            if let (Some(instance), Some(shown)) = (self.instance_mut(&id), shown) {
                instance.live.insert(name.to_owned(), shown);
            }
        }
        self.tell_group_status();
    }

    /// Makes the dynamic settings of the attached group live on every instance.
    pub(super) fn apply_group(&mut self) {
        self.members().iter().for_each(|id| self.apply_dynamic(id));
    }

    fn tell_group_status(&mut self) {
        for id in self.members() {
            let status = self.group_status_of(&id);
            if let Some(instance) = self.instance_mut(&id) {
                status.clone_into(&mut instance.group_status);
            }
        }
    }

    fn members(&self) -> Vec<String> {
        self.instances.iter().map(|instance| instance.id.clone()).collect()
    }
}
