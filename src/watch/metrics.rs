//! CloudWatch's metrics: one call a minute for all instances of an account and region, because every figure that is asked
//! for is paid for, and RDS publishes no oftener.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{InstanceMetrics, MetricsView, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::Aws;
use crate::clients::cloudwatch::{Figure, Metric};
use crate::runbook::names::{InstanceId, PartitionName};

/// Time between two calls, whatever the pace.
const EVERY: Duration = Duration::from_secs(60);

/// Asks for the metrics of the clusters of one account and region.
#[derive(Debug)]
pub struct Metrics {
    /// The account.
    pub aws: Arc<Aws>,
    /// The partitions and their clusters.
    pub clusters: Vec<(PartitionName, Described)>,
    /// When it last asked.
    pub asked: Option<Instant>,
}

impl Ask for Metrics {
    fn period(&self, _pace: Pace) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| EVERY.saturating_sub(asked.elapsed()))
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        // A cadence that is sent anew wakes every watcher; here nothing new would be heard.
        if self.asked.is_some_and(|asked| asked.elapsed() < EVERY) {
            return;
        }
        let members = self.members().await;
        let instances: Vec<InstanceId> = members.iter().flat_map(|(_, instances)| instances).cloned().collect();
        if instances.is_empty() {
            return;
        }
        let begun = Instant::now();
        self.asked = Some(begun);
        let figures = self.aws.cloudwatch.newest(&instances).await;
        for (partition, instances) in members {
            let said = figures.as_ref().map(|figures| Reading::Metrics(view(&instances, figures)));
            voice.say(&partition, Source::Metrics, begun, said.map_err(Clone::clone)).await;
        }
    }
}

impl Metrics {
    /// The instances of each cluster that is known.
    async fn members(&mut self) -> Vec<(PartitionName, Vec<InstanceId>)> {
        api::clusters(self.clusters.iter_mut().map(|(_, described)| described)).await;
        let known = self.clusters.iter().filter_map(|(partition, described)| {
            let cluster = described.borrow().clone()?;
            Some((partition.clone(), cluster.members.iter().map(|member| member.id.clone()).collect()))
        });
        known.collect()
    }
}

fn view(instances: &[InstanceId], figures: &[Figure]) -> MetricsView {
    MetricsView { instances: instances.iter().filter_map(|instance| of(instance, figures)).collect() }
}

/// What is said of an instance; none where nothing is.
fn of(instance: &InstanceId, figures: &[Figure]) -> Option<InstanceMetrics> {
    let own = || figures.iter().filter(|figure| figure.instance == *instance);
    let value = |metric| own().find(|figure| figure.metric == metric).map(|figure| figure.value);
    let cpu_percent = value(Metric::Cpu);
    Some(InstanceMetrics {
        instance: instance.clone(),
        at: own().map(|figure| figure.at).max()?,
        connections: value(Metric::Connections),
        lag_ms: value(Metric::ReplicaLag),
        cpu_percent,
        // The load is published only while there is some: where the others speak, its silence means none.
        load: value(Metric::Load).or(cpu_percent.map(|_| 0.0)),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn figure(instance: &str, metric: Metric, value: f64) -> Figure {
        Figure { instance: instance.into(), metric, value, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_load_that_is_not_published_is_none_and_an_instance_without_figures_is_left_out() {
        let instances = ["w".into(), "r".into(), "new".into()];
        let figures = [
            figure("w", Metric::Cpu, 4.0),
            figure("w", Metric::Load, 0.5),
            figure("r", Metric::Cpu, 2.0),
            figure("r", Metric::ReplicaLag, 18.0),
        ];
        let view = view(&instances, &figures);
        let loads: Vec<_> = view.instances.iter().map(|one| (one.instance.as_str(), one.load, one.lag_ms)).collect();
        assert_eq!(loads, [("w", Some(0.5), None), ("r", Some(0.0), Some(18.0))]);
    }
}
