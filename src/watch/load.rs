//! The load of one instance, by wait event and by statement. Every instance of a cluster has a watcher of its own: what a
//! reader carried is known when it becomes the writer, and what the demoted one carries afterwards too.
//!
//! There are three questions (the latest seconds, the minutes of the last hours, the statements), and one is asked at a time,
//! never two within a second: Performance Insights counts calls, and publishes no rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{LoadPoint, LoadView, MemberView, Reading, Role, Source, StatementLoad, TopStatements};
use super::task::{Ask, Voice};
use crate::clients::insights::{LoadSeries, Period, TopStatement};
use crate::clients::{Aws, Trouble, TroubleKind};
use crate::clock;
use crate::runbook::names::{InstanceId, PartitionName};

/// Time between two calls for an instance, at the least.
const APART: Duration = Duration::from_secs(1);
/// The same where nothing will be answered: without the permission.
const IN_VAIN: Duration = Duration::from_secs(60);
/// How far back the first look at the seconds goes, and at most every later one.
const SECONDS: SignedDuration = SignedDuration::from_mins(5);
/// How far back the first look at the minutes goes: an hour, and what a wide screen shows besides.
const MINUTES: SignedDuration = SignedDuration::from_hours(2);
/// By how many periods a look overlaps the one before: figures come late, and the latest are corrected.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15);
/// The stretch of time over which statements are compared.
const STATEMENTS: Duration = Duration::from_secs(120);
/// Statements that are asked for.
const MOST: u8 = 10;
/// What is below the wait events that are told apart.
const OTHER: &str = "other";
/// Sessions below which a difference is one of rounding.
const ROUNDING: f64 = 0.005;

/// Asks Performance Insights for the load of one instance.
#[derive(Debug)]
pub struct Load {
    partition: PartitionName,
    aws: Arc<Aws>,
    described: Described,
    instance: InstanceId,
    schedule: Schedule,
    /// The newest second and the newest minute that were answered, by the service's clock.
    newest: [Option<Timestamp>; 2],
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    Seconds,
    Minutes,
    Statements,
}

impl Question {
    /// In the order in which a new watcher asks them.
    const ALL: [Self; 3] = [Self::Seconds, Self::Minutes, Self::Statements];

    /// Time between two askings.
    fn every(self, pace: Pace, role: Role) -> Duration {
        let seconds = match (self, pace, role) {
            (Self::Seconds, Pace::Quiet, Role::Writer) => 10,
            (Self::Seconds, Pace::Quiet, Role::Reader) => 30,
            (Self::Seconds, Pace::Busy, Role::Reader) => 3,
            (Self::Seconds, Pace::Busy, Role::Writer) | (Self::Seconds, Pace::Failover, _) => 1,
            (Self::Statements, Pace::Busy | Pace::Failover, Role::Writer) => 15,
            (Self::Minutes | Self::Statements, ..) => 60,
        };
        Duration::from_secs(seconds)
    }
}

/// When what was asked.
#[derive(Debug, Default)]
struct Schedule {
    /// When each question was last asked.
    asked: [Option<Instant>; 3],
    /// When any of them was, and how long to wait after it at the least.
    last: Option<(Instant, Duration)>,
}

impl Schedule {
    /// From one asking to the next.
    fn period(&self, pace: Pace, role: Role) -> Duration {
        let Some((last, rest)) = self.last else { return APART };
        let due = Question::ALL.map(|question| match self.asked[question as usize] {
            Some(asked) => (asked + question.every(pace, role)).saturating_duration_since(last),
            None => Duration::ZERO,
        });
        due.into_iter().min().unwrap_or_default().max(rest)
    }

    /// Whether the last asking was too short a time ago for another one.
    fn rests(&self, now: Instant) -> bool {
        self.last.is_some_and(|(last, rest)| now.saturating_duration_since(last) < rest)
    }

    /// The question that has waited longest beyond its time; of those that were never asked, the first.
    fn most_overdue(&self, pace: Pace, role: Role, now: Instant) -> Question {
        let overdue = |question: Question| match self.asked[question as usize] {
            Some(asked) => now.duration_since(asked).as_secs_f64() - question.every(pace, role).as_secs_f64(),
            None => f64::INFINITY,
        };
        Question::ALL
            .into_iter()
            .fold(Question::Seconds, |best, question| if overdue(question) > overdue(best) { question } else { best })
    }
}

impl Ask for Load {
    fn period(&self, pace: Pace) -> Duration {
        self.schedule.period(pace, self.member().map_or(Role::Reader, |member| member.role))
    }

    async fn ask(&mut self, pace: Pace, voice: &Voice) {
        // A cadence that is sent anew wakes every watcher: it does not make calls cheaper.
        if self.schedule.rests(Instant::now()) {
            return;
        }
        api::cluster(&mut self.described).await;
        let Some(member) = self.member() else { return };
        let begun = Instant::now();
        let said = if member.insights == Some(false) {
            self.schedule.last = Some((begun, Question::Seconds.every(Pace::Quiet, member.role)));
            Err(off(&member.id))
        } else {
            let question = self.schedule.most_overdue(pace, member.role, begun);
            self.schedule.asked[question as usize] = Some(begun);
            let said = self.answer(question, &member).await;
            let refused = |kind| matches!(kind, TroubleKind::Denied | TroubleKind::NotFound);
            let in_vain = said.as_ref().is_err_and(|trouble| refused(trouble.kind));
            self.schedule.last = Some((begun, if in_vain { IN_VAIN } else { APART }));
            said
        };
        voice.say(&self.partition, Source::Load(self.instance.clone()), begun, said).await;
    }
}

impl Load {
    /// A watcher of one instance.
    pub fn of(partition: PartitionName, aws: Arc<Aws>, described: Described, instance: InstanceId) -> Self {
        Self { partition, aws, described, instance, schedule: Schedule::default(), newest: [None; 2] }
    }

    /// The instance as it was last described.
    fn member(&self) -> Option<MemberView> {
        let cluster = self.described.borrow().clone()?;
        cluster.members.iter().find(|member| member.id == self.instance).cloned()
    }

    async fn answer(&mut self, question: Question, member: &MemberView) -> Result<Reading, Trouble> {
        let now = clock::now();
        let mut view =
            LoadView { instance: member.id.clone(), vcpus: vcpus(&member.class), points: Vec::new(), top: None };
        match question {
            Question::Seconds => view.points = self.points(member, Period::Second, SECONDS, now).await?,
            Question::Minutes => view.points = self.points(member, Period::Minute, MINUTES, now).await?,
            Question::Statements => {
                let from = now - SignedDuration::try_from(STATEMENTS).unwrap_or_default();
                let found = self.aws.insights.top_statements(&member.resource_id, (from, now), MOST).await?;
                let statements = found.into_iter().map(told).collect();
                view.top = Some(TopStatements { span: STATEMENTS, statements });
            }
        }
        Ok(Reading::Load(view))
    }

    /// What is new in that resolution, with an overlap.
    async fn points(
        &mut self,
        member: &MemberView,
        period: Period,
        reach: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<LoadPoint>, Trouble> {
        let newest = &mut self.newest[usize::from(period == Period::Minute)];
        let span = (begin(*newest, period, reach, now), now);
        let series = self.aws.insights.load(&member.resource_id, span, period).await?;
        let mut points = points(&series, Duration::from_secs(period.seconds().unsigned_abs().into()));
        // A period that has not ended is only a part of one.
        points.retain(|point| point.at <= now);
        *newest = points.last().map(|point| point.at).max(*newest);
        Ok(points)
    }
}

/// Where a look begins. What was answered before is told by the service's clock, so that it is this, and not the clock of this
/// machine, by which a look goes on where the last one ended.
fn begin(newest: Option<Timestamp>, period: Period, reach: SignedDuration, now: Timestamp) -> Timestamp {
    let overlap = match period {
        Period::Second => OVERLAP,
        Period::Minute => SignedDuration::from_mins(2),
    };
    let least = now - SignedDuration::from_secs(period.seconds().into()) - overlap;
    newest.map_or(now - reach, |newest| (newest - overlap).clamp(now - reach, least))
}

/// The series by wait event as points in time. The series without a name is the sum of all: what the named ones leave of it
/// is load as well.
fn points(series: &[LoadSeries], period: Duration) -> Vec<LoadPoint> {
    let mut by_time: BTreeMap<Timestamp, (Vec<(String, f64)>, f64)> = BTreeMap::new();
    for one in series {
        for (at, sessions) in &one.points {
            let (waits, sum) = by_time.entry(*at).or_default();
            match &one.wait_event {
                Some(name) if *sessions > 0.0 => waits.push((name.clone(), *sessions)),
                Some(_) => {}
                None => *sum = *sessions,
            }
        }
    }
    let point = |(at, (mut by_wait, sum)): (Timestamp, (Vec<(String, f64)>, f64))| {
        let rest = sum - by_wait.iter().map(|(_, sessions)| sessions).sum::<f64>();
        if rest > ROUNDING {
            by_wait.push((OTHER.to_owned(), rest));
        }
        by_wait.sort_by(|one, two| two.1.total_cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
        LoadPoint { at, period, by_wait }
    };
    by_time.into_iter().map(point).collect()
}

fn told(statement: TopStatement) -> StatementLoad {
    StatementLoad { text: statement.text, cut: statement.cut, load: statement.load }
}

/// Performance Insights is off: RDS says so before anybody asks the service in vain.
fn off(instance: &InstanceId) -> Trouble {
    let message = format!(
        "Performance Insights is off on {instance} (PerformanceInsightsEnabled is false); switch it on with \
         `aws rds modify-db-instance --db-instance-identifier {instance} --enable-performance-insights`, without a restart"
    );
    Trouble::new("rds:DescribeDBInstances", TroubleKind::NotFound, message)
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

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

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
    fn series_become_points_with_the_heaviest_wait_first_the_rest_named_and_idle_moments_kept() {
        let series = |name: Option<&str>, points: &[(i64, f64)]| LoadSeries {
            wait_event: name.map(str::to_owned),
            points: points.iter().map(|(second, value)| (at(*second), *value)).collect(),
        };
        let given = [
            series(None, &[(1, 3.0), (2, 0.0), (3, 1.5)]),
            series(Some("CPU"), &[(1, 1.0), (2, 0.0), (3, 1.0)]),
            series(Some("IO:DataFileRead"), &[(1, 2.0)]),
        ];
        let points = points(&given, Duration::from_secs(1));
        assert_eq!(points.len(), 3);
        assert_eq!(points[0].by_wait, [("IO:DataFileRead".to_owned(), 2.0), ("CPU".to_owned(), 1.0)]);
        assert!(points[1].by_wait.is_empty(), "measured, and none");
        assert_eq!(points[2].by_wait, [("CPU".to_owned(), 1.0), ("other".to_owned(), 0.5)]);
    }

    #[test]
    fn a_look_asks_for_what_is_new_whatever_the_clock_of_this_machine_says() {
        let now = at(100_000);
        let begin = |newest: Option<i64>| begin(newest.map(at), Period::Second, SECONDS, now).as_second();
        assert_eq!(begin(None), 100_000 - 300, "the first look");
        assert_eq!(begin(Some(99_997)), 99_997 - 15, "goes on where it ended, with an overlap");
        assert_eq!(begin(Some(99_940)), 99_940 - 15, "after a minute without network");
        assert_eq!(begin(Some(90_000)), 100_000 - 300, "but not for ever");
        // The service's clock is five seconds ahead: the span still has a length.
        assert_eq!(begin(Some(100_005)), 100_000 - 16);
    }

    #[test]
    fn calls_are_parted_by_a_second_and_each_question_has_its_turn() {
        let now = Instant::now();
        let schedule = |asked: [Option<u64>; 3]| {
            let asked = asked.map(|ago| ago.and_then(|ago| now.checked_sub(Duration::from_secs(ago))));
            Schedule { asked, last: asked.into_iter().flatten().max().map(|last| (last, APART)) }
        };
        let due = |asked, pace| schedule(asked).most_overdue(pace, Role::Writer, now);
        assert_eq!(due([None, None, None], Pace::Failover), Question::Seconds);
        assert_eq!(due([Some(1), None, None], Pace::Failover), Question::Minutes);
        assert_eq!(due([Some(2), Some(1), None], Pace::Failover), Question::Statements);
        assert_eq!(due([Some(3), Some(2), Some(1)], Pace::Failover), Question::Seconds);
        assert_eq!(due([Some(1), Some(61), Some(9)], Pace::Failover), Question::Minutes);
        assert_eq!(due([Some(1), Some(9), Some(16)], Pace::Failover), Question::Statements);
        assert_eq!(due([Some(10), Some(50), Some(50)], Pace::Quiet), Question::Seconds);
        let period = |asked, pace, role| schedule(asked).period(pace, role).as_secs();
        assert_eq!(period([Some(0), Some(9), Some(9)], Pace::Failover, Role::Reader), 1);
        assert_eq!(period([Some(0), Some(9), Some(9)], Pace::Quiet, Role::Writer), 10);
        assert_eq!(period([Some(0), Some(9), Some(9)], Pace::Quiet, Role::Reader), 30);
        assert_eq!(period([Some(0), None, None], Pace::Quiet, Role::Reader), 1, "a new watcher asks all of it at once");
        assert!(schedule([Some(0), None, None]).rests(now) && !schedule([Some(1), None, None]).rests(now));
    }
}
