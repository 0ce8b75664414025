//! The load of a cluster's instances over time, and the writer's role composed of it: Performance Insights measures
//! instances, and what an instance carried before it was the writer, or after, is not the role's.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::live::Dated;
use crate::clients::TroubleKind;
use crate::runbook::event::{FailoverMeasure, Moment};
use crate::runbook::names::InstanceId;
use crate::runbook::timeline::Timeline;
use crate::runbook::witness::Word;
use crate::watch::sample::{InstanceMetrics, LoadPoint, LoadView, TopStatements};

/// Seconds kept of each instance: half an hour.
const SECONDS: usize = 1800;
/// Minutes kept of each instance: three hours, so that the hour before a flip is there an hour after it.
const MINUTES: usize = 180;
/// Length of one.
const MINUTE: Duration = Duration::from_secs(60);
/// Changes of the role, and of an instance's class, that are kept.
const CHANGES: usize = 32;
/// The layer of a load that is known only as a whole.
pub const WHOLE: &str = "DBLoad (CloudWatch)";

/// A series of load, oldest first.
pub type Series<'a> = Vec<Cow<'a, LoadPoint>>;

/// How finely load is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Resolution {
    /// The seconds near now.
    #[default]
    Seconds,
    /// The minutes of the hour before.
    Minutes,
}

/// The load of a cluster's instances over time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadHistory {
    /// What is known of each instance.
    pub instances: BTreeMap<InstanceId, InstanceLoad>,
    /// Who held the writer's role, one after the other.
    pub role: Vec<Held>,
}

/// An instance that held the writer's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Since when; the first one, since before anybody looked.
    pub since: Timestamp,
    /// Which.
    pub by: InstanceId,
}

/// The load of one instance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstanceLoad {
    /// When Performance Insights last answered with the newest seconds.
    pub answered: Option<Timestamp>,
    /// The statements that made the load.
    pub top: Option<Dated<TopStatements>>,
    seconds: BTreeMap<Timestamp, LoadPoint>,
    minutes: BTreeMap<Timestamp, LoadPoint>,
    /// By CloudWatch: as a whole, a minute late.
    whole: BTreeMap<Timestamp, LoadPoint>,
    /// Its vCPUs from when on.
    vcpus: Vec<(Timestamp, Option<u32>)>,
    /// Performance Insights is off, or may not be asked.
    blind: bool,
}

impl InstanceLoad {
    /// Its vCPUs at that moment; before its class was first seen, what it was then.
    pub fn vcpus(&self, at: Timestamp) -> Option<u32> {
        let known = self.vcpus.iter().rev().find(|(since, _)| *since <= at).or(self.vcpus.first());
        known.and_then(|(_, vcpus)| *vcpus)
    }

    /// The newest moment that Performance Insights has told of.
    pub fn newest(&self) -> Option<Timestamp> {
        self.seconds.keys().next_back().or(self.minutes.keys().next_back()).copied()
    }

    /// Whether what is known of its latest load is CloudWatch's word.
    pub fn by_cloudwatch(&self) -> bool {
        !self.whole.is_empty() && (self.blind || self.newest().is_none())
    }

    /// When the newest minute ended that CloudWatch has told of.
    pub fn newest_whole(&self) -> Option<Timestamp> {
        self.whole.keys().next_back().copied()
    }

    fn take(&mut self, view: LoadView, at: Timestamp) {
        self.blind = false;
        if self.vcpus.last().is_none_or(|(_, known)| *known != view.vcpus) {
            self.vcpus.push((at, view.vcpus));
            self.vcpus.drain(..self.vcpus.len().saturating_sub(CHANGES));
        }
        if let Some(value) = view.top {
            self.top = Some(Dated { value, at });
            return;
        }
        let by_the_second = view.points.first().is_none_or(|point| point.period.as_secs() < 60);
        if by_the_second {
            self.answered = Some(at);
        }
        let (kept, most) = if by_the_second { (&mut self.seconds, SECONDS) } else { (&mut self.minutes, MINUTES) };
        keep(kept, most, view.points);
    }

    /// The points between two moments. What CloudWatch says stands in only where Performance Insights is not to be had.
    fn between(&self, resolution: Resolution, (from, to): (Timestamp, Timestamp)) -> Series<'_> {
        let mut points: Series<'_> = match resolution {
            Resolution::Seconds => self.seconds.range(from..).map(|(_, point)| Cow::Borrowed(point)).collect(),
            Resolution::Minutes => self.by_the_minute((from, to)),
        };
        if self.by_cloudwatch() {
            let after = points.last().map_or(Timestamp::MIN, |point| point.at);
            let later = self.whole.values().filter(|point| point.at - length(point) >= after);
            points.extend(later.map(Cow::Borrowed));
        }
        points.retain(|point| point.at > from && point.at - length(point) < to);
        points
    }

    /// Whole minutes; one that nobody has told of as such is the mean of its seconds.
    fn by_the_minute(&self, (from, to): (Timestamp, Timestamp)) -> Series<'_> {
        let first = from.as_second().div_euclid(60);
        let last = to.as_second().div_euclid(60) + 1;
        let minute = |number: i64| {
            let end = Timestamp::from_second(number * 60).ok()?;
            match self.minutes.get(&end) {
                Some(point) => Some(Cow::Borrowed(point)),
                None => self.mean_of_seconds(end).map(Cow::Owned),
            }
        };
        (first..=last).filter_map(minute).collect()
    }

    /// The mean of the seconds of the minute that ends then.
    fn mean_of_seconds(&self, end: Timestamp) -> Option<LoadPoint> {
        let first = end - SignedDuration::from_secs(59);
        let by_wait = means(self.seconds.range(first..=end).map(|(_, point)| point))?.into_iter().collect();
        Some(LoadPoint { at: end, period: MINUTE, by_wait })
    }
}

impl LoadHistory {
    /// Takes in what Performance Insights said of an instance.
    pub(super) fn take(&mut self, view: LoadView, at: Timestamp) {
        self.instances.entry(view.instance.clone()).or_default().take(view, at);
    }

    /// Takes in why it said nothing.
    pub(super) fn refused(&mut self, instance: &InstanceId, kind: TroubleKind) {
        if matches!(kind, TroubleKind::Denied | TroubleKind::NotFound) {
            self.instances.entry(instance.clone()).or_default().blind = true;
        }
    }

    /// Takes in what CloudWatch said of an instance.
    pub(super) fn take_metrics(&mut self, metrics: &InstanceMetrics) {
        let points = metrics.loads.iter().map(|(begin, sessions)| LoadPoint {
            at: *begin + SignedDuration::from_mins(1),
            period: MINUTE,
            by_wait: if *sessions > 0.0 { vec![(WHOLE.to_owned(), *sessions)] } else { Vec::new() },
        });
        if !metrics.loads.is_empty() {
            let known = self.instances.entry(metrics.instance.clone()).or_default();
            keep(&mut known.whole, MINUTES, points);
        }
    }

    /// Binds the role to whoever the witnesses agree on, from the moment at which the first of them said so.
    pub(super) fn follow(&mut self, writer: &InstanceId, timeline: &Timeline, at: Timestamp) {
        let Some(last) = self.role.last() else {
            return self.bind(writer, Timestamp::MIN);
        };
        if last.by != *writer {
            let since = moved(timeline, writer, last.since).unwrap_or(at);
            self.bind(writer, since);
        }
    }

    /// Binds the role to the writers that the run's failovers left, before any witness was heard.
    pub(super) fn recall(&mut self, failovers: &[FailoverMeasure]) {
        for failover in failovers {
            if self.role.is_empty() {
                self.bind(&failover.from, Timestamp::MIN);
            }
            let names = |what: &Moment| matches!(what, Moment::NamesWriter { instance } if *instance == failover.to);
            let first = failover.milestones.iter().filter(|milestone| names(&milestone.what));
            let after = first.map(|milestone| milestone.after).min().unwrap_or_default();
            self.bind(&failover.to, failover.accepted_at + after);
        }
    }

    fn bind(&mut self, writer: &InstanceId, since: Timestamp) {
        if self.role.last().is_none_or(|last| last.by != *writer) {
            let since = self.role.last().map_or(since, |last| since.max(last.since));
            self.role.push(Held { since, by: writer.clone() });
            self.role.drain(..self.role.len().saturating_sub(CHANGES));
        }
    }

    /// Who holds the writer's role.
    pub fn writer(&self) -> Option<&InstanceId> {
        self.role.last().map(|held| &held.by)
    }

    /// What is known of whoever holds the role.
    pub fn of_writer(&self) -> Option<&InstanceLoad> {
        self.instances.get(self.writer()?)
    }

    /// The moments at which the role moved.
    pub fn seams(&self) -> &[Held] {
        self.role.get(1..).unwrap_or_default()
    }

    /// Who held the role at that moment.
    pub fn holder(&self, at: Timestamp) -> Option<&InstanceId> {
        self.role.iter().rev().find(|held| held.since <= at).map(|held| &held.by)
    }

    /// The load of one instance between two moments.
    pub fn of_instance(
        &self,
        instance: &InstanceId,
        resolution: Resolution,
        span: (Timestamp, Timestamp),
    ) -> Series<'_> {
        self.instances.get(instance).map_or_else(Series::new, |load| load.between(resolution, span))
    }

    /// The load of the role between two moments: of each instance only what it carried while it held the role.
    pub fn of_role(&self, resolution: Resolution, span: (Timestamp, Timestamp)) -> Series<'_> {
        let mut series = Series::new();
        let mut parted = BTreeSet::new();
        for (number, held) in self.role.iter().enumerate() {
            let until = self.role.get(number + 1).map_or(Timestamp::MAX, |next| next.since);
            let Some(load) = self.instances.get(&held.by).filter(|_| held.since < span.1 && until > span.0) else {
                continue;
            };
            for point in load.between(resolution, span) {
                let begin = point.at - length(&point);
                let (whole, short) = (held.since <= begin && point.at <= until, point.period.as_secs() < 60);
                if whole || short && (held.since..until).contains(&middle(&point)) {
                    series.push(point);
                } else if point.at > held.since && begin < until {
                    parted.insert(point.at);
                }
            }
        }
        if resolution == Resolution::Minutes {
            series.extend(parted.into_iter().filter_map(|end| self.parted_minute(end)));
        }
        series.sort_by_key(|point| point.at);
        series
    }

    /// A minute in which the role moved: of either instance only its seconds in the role.
    fn parted_minute(&self, end: Timestamp) -> Option<Cow<'_, LoadPoint>> {
        let seconds = self.of_role(Resolution::Seconds, (end - SignedDuration::from_mins(1), end));
        let seconds = seconds.iter().filter(|point| point.period.as_secs() < 60 && point.at <= end);
        let by_wait = means(seconds.map(|point| &**point))?.into_iter().collect();
        Some(Cow::Owned(LoadPoint { at: end, period: MINUTE, by_wait }))
    }
}

/// The first moment after `last` at which a witness said what it still says: that this is the writer. An instance's own word
/// goes before that of those who speak about it.
fn moved(timeline: &Timeline, writer: &InstanceId, last: Timestamp) -> Option<Timestamp> {
    let said = |own: bool| {
        let lanes =
            timeline.lanes.iter().filter(move |(witness, lane)| own == witness.speaks_for_itself(&lane.last.word));
        let segments = lanes.filter_map(|(_, lane)| lane.segments.last());
        segments
            .filter(|segment| matches!(&segment.word, Word::Writer { instance, .. } if instance == writer))
            .map(|segment| segment.since)
            .filter(|since| *since > last)
            .min()
    };
    said(true).or_else(|| said(false))
}

/// The mean of some points by wait event; none of none.
pub fn means<'a>(points: impl Iterator<Item = &'a LoadPoint>) -> Option<BTreeMap<String, f64>> {
    let (mut sums, mut count) = (BTreeMap::new(), 0.0);
    for point in points {
        count += 1.0;
        for (wait, sessions) in &point.by_wait {
            match sums.get_mut(wait) {
                Some(sum) => *sum += sessions,
                None => {
                    sums.insert(wait.clone(), *sessions);
                }
            }
        }
    }
    (count > 0.0).then(|| {
        sums.values_mut().for_each(|sum: &mut f64| *sum /= count);
        sums
    })
}

fn keep(kept: &mut BTreeMap<Timestamp, LoadPoint>, most: usize, points: impl IntoIterator<Item = LoadPoint>) {
    kept.extend(points.into_iter().map(|point| (point.at, point)));
    while kept.len() > most {
        kept.pop_first();
    }
}

/// Length of a point's period.
pub fn length(point: &LoadPoint) -> SignedDuration {
    SignedDuration::try_from(point.period).unwrap_or_default()
}

fn middle(point: &LoadPoint) -> Timestamp {
    point.at - length(point) / 2
}
