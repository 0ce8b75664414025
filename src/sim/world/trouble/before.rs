//! Before step 1: prerequisites and drift.
//!
//! Two are so at every site, because they are so at AWS: RDS lowercases identifiers (`lowercased-ids`), and the AWS
//! configuration has no profile of the name that the deploy program derives (`profile-missing`).

use super::super::aurora::Cluster;
use super::super::{SitePartition, World};
use crate::runbook::situation::Situation;

/// Performance Insights retention that Database Insights demands in advanced mode, in days.
const ADVANCED_RETENTION: i32 = 465;

pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, _speed: f64) {
    let cluster = |world: &mut World, change: fn(&mut Cluster)| {
        if let Some(partition) = world.partition(partition) {
            change(&mut partition.cluster);
        }
    };
    match situation {
        Situation::SsoExpired | Situation::SsoExpiresMidway => world.end_aws_session(partition),
        Situation::RenamedInstance => cluster(world, rename_members),
        Situation::AlreadyTouched => cluster(world, |cluster| {
            cluster.parameter_group = format!("{}-tuned-by-hand", cluster.id.to_lowercase());
        }),
        Situation::InsightsAdvanced => cluster(world, |cluster| {
            "advanced".clone_into(&mut cluster.insights_mode);
            cluster.insights_retention = ADVANCED_RETENTION;
        }),
        _ => {}
    }
}

impl World {
    /// The name under which a partition's namespace is shown; none where it is not there. While it is missing it is gone at
    /// first, and has another name when it is looked for again.
    pub fn namespace_shown(&self, partition: &SitePartition) -> Option<String> {
        let name = &partition.name;
        match self.struck(Situation::NamespaceMissing, name) {
            _ if !self.holds(Situation::NamespaceMissing, name) => Some(partition.operations.namespace.clone()),
            0 => None,
            _ => Some(format!("{name}-ops")),
        }
    }
}

/// The members get the names that the console gives.
fn rename_members(cluster: &mut Cluster) {
    let prefix = cluster.id.to_lowercase();
    for number in 0..cluster.instances.len() {
        let zone = cluster.instances[number].zone.clone();
        let new = if number == 0 { format!("{prefix}-instance-1") } else { format!("{prefix}-instance-1-{zone}") };
        let old = std::mem::replace(&mut cluster.instances[number].id, new.clone());
        for name in [&mut cluster.api_writer, &mut cluster.dns_writer] {
            if *name == old {
                new.clone_into(name);
            }
        }
        if cluster.writer.as_deref() == Some(old.as_str()) {
            cluster.writer = Some(new);
        }
    }
}
