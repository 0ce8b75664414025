//! The load of the current writer, by wait event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{LoadPoint, LoadView, MemberView, Reading, Role, Source};
use super::task::{Ask, Voice};
use crate::clients::insights::{LoadSeries, Period};
use crate::clients::{Aws, Trouble};
use crate::runbook::names::{InstanceId, PartitionName};

/// How far back the first look at an instance goes; and every later one, which overlaps, because figures come late.
const FIRST: Duration = Duration::from_secs(300);
const LATER: Duration = Duration::from_secs(60);

/// Asks Performance Insights for the load of whoever the RDS API calls the writer.
#[derive(Debug)]
pub struct Load {
    /// The partition.
    pub partition: PartitionName,
    /// Its account.
    pub aws: Arc<Aws>,
    /// The cluster.
    pub described: Described,
    /// The instance that answered last.
    pub known: Option<InstanceId>,
}

impl Ask for Load {
    fn period(&self, pace: Pace) -> Duration {
        pace.metered()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let Some(cluster) = api::cluster(&mut self.described).await else { return };
        let begun = Instant::now();
        let Some(writer) = cluster.members.iter().find(|member| member.role == Role::Writer) else { return };
        let said = self.look(writer).await;
        voice.say(&self.partition, Source::Load, begun, said).await;
    }
}

impl Load {
    async fn look(&mut self, writer: &MemberView) -> Result<Reading, Trouble> {
        let span = if self.known.as_ref() == Some(&writer.id) { LATER } else { FIRST };
        let series = self.aws.insights.load(&writer.resource_id, span, Period::Second).await?;
        self.known = Some(writer.id.clone());
        let points = points(&series, Duration::from_secs(1));
        Ok(Reading::Load(LoadView { instance: writer.id.clone(), vcpus: vcpus(&writer.class), points }))
    }
}

/// The series by wait event as points in time. The series without a name is the sum of the others.
fn points(series: &[LoadSeries], period: Duration) -> Vec<LoadPoint> {
    let mut by_time: BTreeMap<Timestamp, Vec<(String, f64)>> = BTreeMap::new();
    for one in series {
        for (at, sessions) in &one.points {
            let point = by_time.entry(*at).or_default();
            if let Some(name) = &one.wait_event
                && *sessions > 0.0
            {
                point.push((name.clone(), *sessions));
            }
        }
    }
    let point = |(at, mut by_wait): (Timestamp, Vec<(String, f64)>)| {
        by_wait.sort_by(|one, two| two.1.total_cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        LoadPoint { at, period, by_wait }
    };
    by_time.into_iter().map(point).collect()
}

/// vCPUs of an instance class. The families that Aurora PostgreSQL runs on share one rule: `medium` and `large` have two,
/// `xlarge` four, `Nxlarge` 4·N. Serverless and metal follow none.
pub fn vcpus(class: &str) -> Option<u32> {
    match class.rsplit('.').next()? {
        "micro" | "small" | "medium" | "large" => Some(2),
        "xlarge" => Some(4),
        size => size.strip_suffix("xlarge")?.parse::<u32>().ok().map(|times| times * 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_the_vcpus_that_their_size_says() {
        for (class, expected) in [
            ("db.t3.medium", Some(2)),
            ("db.r7g.large", Some(2)),
            ("db.r6i.xlarge", Some(4)),
            ("db.r7g.16xlarge", Some(64)),
            ("db.serverless", None),
            ("db.x2g.metal", None),
        ] {
            assert_eq!(vcpus(class), expected, "{class}");
        }
    }

    #[test]
    fn series_become_points_with_the_heaviest_wait_first_and_idle_moments_kept() {
        let at = |second| Timestamp::from_second(second).expect("a moment");
        let series = |name: Option<&str>, points: &[(i64, f64)]| LoadSeries {
            wait_event: name.map(str::to_owned),
            points: points.iter().map(|(second, value)| (at(*second), *value)).collect(),
        };
        let given = [
            series(None, &[(1, 3.0), (2, 0.0)]),
            series(Some("CPU"), &[(1, 1.0), (2, 0.0)]),
            series(Some("IO:DataFileRead"), &[(1, 2.0)]),
        ];
        let points = points(&given, Duration::from_secs(1));
        assert_eq!(points.len(), 2);
        assert_eq!(points[0].by_wait, [("IO:DataFileRead".to_owned(), 2.0), ("CPU".to_owned(), 1.0)]);
        assert!((points[1].total()).abs() < f64::EPSILON);
    }
}
