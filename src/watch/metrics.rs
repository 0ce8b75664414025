//! CloudWatch's metrics: one call a minute for all instances of an account and region, because every figure that is asked
//! for is paid for, and RDS publishes no oftener.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::api::{self, Described};
use super::cadence::Pace;
use super::near::{self, Near};
use super::sample::{InstanceMetrics, MemberView, MetricsView, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::Aws;
use crate::clients::cloudwatch::{Figures, Metric};
use crate::runbook::names::{InstanceId, PartitionName};

/// Time between two calls, whatever the pace.
const EVERY: Duration = Duration::from_secs(60);
/// Time between two calls where another partition is watched since.
const LEAST: Duration = Duration::from_secs(5);
/// How far back the first look goes: where Performance Insights may not be asked, this is all that is known of the hour.
const FIRST: Duration = Duration::from_secs(2 * 3600);
/// How far back every later one goes: RDS publishes a minute's figure one to three minutes later.
const LATER: Duration = Duration::from_secs(300);

/// Asks for the metrics of the clusters of one account and region.
#[derive(Debug)]
pub struct Metrics {
    /// The account.
    pub aws: Arc<Aws>,
    /// The partitions and their clusters.
    pub clusters: Vec<(PartitionName, Described)>,
    /// Those that are watched: every figure that is asked for is paid for.
    near: watch::Receiver<Near>,
    /// When it last asked.
    asked: Option<Instant>,
    /// For which partitions it was answered.
    answered: HashSet<PartitionName>,
}

impl Ask for Metrics {
    fn period(&self, _pace: Pace) -> Duration {
        self.asked.map_or(Duration::ZERO, |asked| EVERY.saturating_sub(asked.elapsed()))
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        // A cadence that is sent anew wakes every watcher; here nothing new would be heard.
        let near = self.near.borrow_and_update().clone();
        let is_due = |asked: Instant| asked.elapsed() >= EVERY || self.is_new(&near) && asked.elapsed() >= LEAST;
        if !self.asked.is_none_or(is_due) {
            return;
        }
        let members = self.members(&near).await;
        let instances: Vec<InstanceId> =
            members.iter().flat_map(|(_, members)| members).map(|member| member.id.clone()).collect();
        if instances.is_empty() {
            return;
        }
        let begun = Instant::now();
        self.asked = Some(begun);
        let known = members.iter().all(|(partition, _)| self.answered.contains(partition));
        let figures = self.aws.cloudwatch.figures(&instances, if known { LATER } else { FIRST }).await;
        if figures.is_ok() {
            self.answered = members.iter().map(|(partition, _)| partition.clone()).collect();
        }
        for (partition, members) in members {
            let said = figures.as_ref().map(|figures| Reading::Metrics(view(&members, figures)));
            voice.say(&partition, Source::Metrics, begun, said.map_err(Clone::clone)).await;
        }
    }

    async fn called(&mut self) {
        near::changed(Some(&mut self.near)).await;
    }
}

impl Metrics {
    /// Asks of that account, for those that are near.
    pub fn new(aws: Arc<Aws>, near: watch::Receiver<Near>) -> Self {
        Self { aws, clusters: Vec::new(), near, asked: None, answered: HashSet::new() }
    }

    /// Whether there is one among those near that nothing was answered for.
    fn is_new(&self, near: &Near) -> bool {
        let mut own = self.clusters.iter().filter(|(partition, _)| near.holds(partition));
        !self.answered.is_empty() && own.any(|(partition, _)| !self.answered.contains(partition))
    }

    /// The members of each cluster that is near and known.
    async fn members(&mut self, near: &Near) -> Vec<(PartitionName, Vec<MemberView>)> {
        let own = self.clusters.iter_mut().filter(|(partition, _)| near.holds(partition));
        api::clusters(own.map(|(_, described)| described)).await;
        let own = self.clusters.iter().filter(|(partition, _)| near.holds(partition));
        let known = own.filter_map(|(partition, described)| {
            let cluster = described.borrow().clone()?;
            Some((partition.clone(), cluster.members.clone()))
        });
        known.collect()
    }
}

fn view(members: &[MemberView], figures: &[Figures]) -> MetricsView {
    let instances = members.iter().filter_map(|member| of(&member.id, member.insights != Some(false), figures));
    MetricsView { instances: instances.collect() }
}

/// What is said of an instance; none where nothing is.
fn of(instance: &InstanceId, measured: bool, figures: &[Figures]) -> Option<InstanceMetrics> {
    let minutes = |metric| {
        let found = figures.iter().find(|figures| figures.instance == *instance && figures.metric == metric);
        found.map_or(&[][..], |figures| figures.minutes.as_slice())
    };
    let last = |metric| minutes(metric).last().map(|(_, value)| *value);
    let load = minutes(Metric::Load);
    // The load is published only while there is some: where the others speak, its silence means none. It is Performance
    // Insights that publishes it: where that is off, its silence means nothing.
    // https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_PerfInsights.Cloudwatch.html
    let loads: Vec<_> = if measured {
        let of = |at| load.iter().find(|(minute, _)| *minute == at).map_or(0.0, |(_, value)| *value);
        minutes(Metric::Cpu).iter().map(|(at, _)| (*at, of(*at))).collect()
    } else {
        load.to_vec()
    };
    Some(InstanceMetrics {
        instance: instance.clone(),
        at: Metric::ALL.into_iter().filter_map(|metric| minutes(metric).last()).map(|(at, _)| *at).max()?,
        connections: last(Metric::Connections),
        lag_ms: last(Metric::ReplicaLag),
        cpu_percent: last(Metric::Cpu),
        load: loads.last().map(|(_, value)| *value),
        loads,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn figures(instance: &str, metric: Metric, minutes: &[(i64, f64)]) -> Figures {
        let at = |minute: i64| Timestamp::from_second(minute * 60).expect("a minute");
        Figures {
            instance: instance.into(),
            metric,
            minutes: minutes.iter().map(|(minute, value)| (at(*minute), *value)).collect(),
        }
    }

    #[test]
    fn a_load_that_is_not_published_is_none_and_an_instance_without_figures_is_left_out() {
        let given = [
            figures("w", Metric::Cpu, &[(1, 3.0), (2, 4.0)]),
            figures("w", Metric::Load, &[(2, 0.5)]),
            figures("r", Metric::Cpu, &[(2, 2.0)]),
            figures("r", Metric::ReplicaLag, &[(1, 17.0), (2, 18.0)]),
        ];
        let seen = |instance: &str| of(&instance.into(), true, &given);
        let writer = seen("w").expect("figures");
        let loads: Vec<f64> = writer.loads.iter().map(|(_, load)| *load).collect();
        assert_eq!((writer.load, loads, writer.cpu_percent), (Some(0.5), vec![0.0, 0.5], Some(4.0)));
        let reader = seen("r").expect("figures");
        assert_eq!((reader.load, reader.lag_ms), (Some(0.0), Some(18.0)));
        assert_eq!(seen("new"), None);
    }

    #[test]
    fn where_performance_insights_is_off_a_load_that_is_not_published_is_unknown() {
        let given = [figures("w", Metric::Cpu, &[(1, 3.0), (2, 4.0)])];
        let seen = of(&"w".into(), false, &given).expect("figures");
        assert_eq!((seen.load, seen.loads.len(), seen.cpu_percent), (None, 0, Some(4.0)));
    }
}
