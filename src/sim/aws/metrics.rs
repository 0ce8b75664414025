//! What RDS publishes to CloudWatch: one sample a minute of each instance, made from the same story as its load.

use super::pi_load::{LoadModel, WAITS};
use crate::sim::world::aurora::{Cluster, LoadChange};

/// Seconds between two samples: RDS publishes every minute.
pub(super) const SAMPLED: i64 = 60;

/// Processors of the classes that the site knows (`db.t3.medium`, `db.r7g.large`).
const VCPUS: f64 = 2.0;

/// A metric that RDS publishes for an instance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Connections,
    Cpu,
    ReplicaLag,
    Load,
    LoadCpu,
    LoadNonCpu,
}

/// The metrics that the site publishes.
pub(super) const METRICS: [Metric; 6] = [
    Metric { name: "DatabaseConnections", unit: "Count", kind: Kind::Connections },
    Metric { name: "CPUUtilization", unit: "Percent", kind: Kind::Cpu },
    Metric { name: "AuroraReplicaLag", unit: "Milliseconds", kind: Kind::ReplicaLag },
    Metric { name: "DBLoad", unit: "None", kind: Kind::Load },
    Metric { name: "DBLoadCPU", unit: "None", kind: Kind::LoadCpu },
    Metric { name: "DBLoadNonCPU", unit: "None", kind: Kind::LoadNonCpu },
];

/// One instance of a cluster, to sample.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    load: LoadModel<'a>,
}

impl<'a> Measured<'a> {
    /// The instances of a cluster that these dimensions name; empty where they name none.
    pub fn of(
        cluster: &'a Cluster,
        partition: &str,
        speed: f64,
        takes: impl Fn(&str, bool) -> bool,
    ) -> Vec<Measured<'a>> {
        let is_writer = |id: &str| cluster.api_writer.eq_ignore_ascii_case(id);
        let members = cluster.instances.iter().filter(|one| takes(&one.id, is_writer(&one.id)));
        members.map(|instance| Self { load: LoadModel::new(instance, partition, speed) }).collect()
    }

    /// The sample of the minute that ends then; none where RDS publishes none: while the server is down, of a lag that a
    /// writer does not have, of a load that is not there.
    pub fn sample(&self, metric: Metric, end: i64) -> Option<f64> {
        let (doing, _) = self.load.doing(end)?;
        let waits = self.load.waits(end, SAMPLED)?;
        let noise = self.load.noise(end, metric.kind as u64 + 100);
        let serves = matches!(doing, LoadChange::Serves | LoadChange::ReconnectBurst);
        match metric.kind {
            Kind::Connections if serves => {
                // The application's pools stand open whatever the load; a burst opens more of them for a while.
                let pools = 24.0 + 14.0 * self.load.usual();
                Some((pools + 4.0 * noise + 18.0 * self.load.burst(end)).round())
            }
            Kind::Connections => Some(2.0),
            Kind::Cpu => Some((3.5 + 2.0 * noise + cpu(&waits) / VCPUS * 100.0).min(100.0)),
            Kind::ReplicaLag => (doing == LoadChange::Idle).then_some(11.0 + 14.0 * noise),
            // It is Performance Insights that publishes these.
            Kind::Load | Kind::LoadCpu | Kind::LoadNonCpu if !self.load.is_measured() => None,
            Kind::Load => some_load(waits.iter().sum()),
            Kind::LoadCpu => some_load(cpu(&waits)),
            Kind::LoadNonCpu => some_load(waits.iter().sum::<f64>() - cpu(&waits)),
        }
    }
}

fn cpu(waits: &[f64; WAITS.len()]) -> f64 {
    WAITS.iter().zip(waits).filter(|(wait, _)| wait.kind == "CPU").map(|(_, load)| load).sum()
}

/// `DBLoad` and its like are published only while there is load.
fn some_load(load: f64) -> Option<f64> {
    (load > 0.0).then_some(load)
}
