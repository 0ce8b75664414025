//! What is still to come in a partition, by how long the same steps took in the partitions before it, and whether its
//! window is long enough for that.
//!
//! Only the machines' time can be foretold. What people take between the steps comes on top, here as in the report.

use std::time::Duration;

use jiff::Timestamp;

use super::names::{PartitionName, StepId, StepRef};
use super::plan::{Partition, StepKind, Window};
use super::state::{Attempt, Run, StepState};

/// How long a step is likely to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// How long.
    pub lasts: Duration,
    /// By what.
    pub basis: Basis,
}

/// What an estimate rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// The nearest partition before that took the step: it took this long there.
    Before(PartitionName),
    /// The rollout file.
    Plan,
}

/// A step that is not behind yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToCome {
    /// The step.
    pub step: StepId,
    /// How long it is likely to take; none for what a person decides, or where nothing is known.
    pub estimate: Option<Estimate>,
    /// How much of that is left: less than the whole while it runs.
    pub left: Duration,
}

/// How far a partition is, in the machines' time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// What is still to come, in order; what runs is the first of it.
    pub to_come: Vec<ToCome>,
    /// How long machines worked on it so far, all attempts together.
    pub spent: Duration,
    /// How long the whole partition is likely to take, without what is passed over.
    pub whole: Duration,
}

impl Outlook {
    /// How long machines will still need.
    pub fn left(&self) -> Duration {
        self.to_come.iter().map(|each| each.left).sum()
    }

    /// How long what is behind, and what has passed of what runs, was likely to take.
    pub fn due(&self) -> Duration {
        self.whole.saturating_sub(self.left())
    }

    /// How many of the steps to come are foretold at all, and how many of them by what they took before.
    pub fn foretold(&self) -> (usize, usize) {
        let estimates = || self.to_come.iter().filter_map(|each| each.estimate.as_ref());
        let before = estimates().filter(|estimate| matches!(estimate.basis, Basis::Before(_)));
        (estimates().count(), before.count())
    }
}

/// Where a moment is against a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has not opened; how long until then.
    Ahead(Duration),
    /// It is open; how long it still is.
    Open(Duration),
    /// It is closed; since how long.
    Over(Duration),
}

impl Window {
    /// Where a moment is against it. At the moment of its end it is closed.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let between = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        if now < self.from {
            Standing::Ahead(between(now, self.from))
        } else if now < self.to {
            Standing::Open(between(now, self.to))
        } else {
            Standing::Over(between(self.to, now))
        }
    }

    /// How much time it has room for: all of it before it opens, none after its end.
    pub fn room(&self, now: Timestamp) -> Duration {
        match self.standing(now) {
            Standing::Ahead(_) => Duration::try_from(self.to.duration_since(self.from)).unwrap_or_default(),
            Standing::Open(left) => left,
            Standing::Over(_) => Duration::ZERO,
        }
    }

    /// How much of what takes this long has no room in it; none where all of it fits.
    pub fn lacks(&self, now: Timestamp, takes: Duration) -> Option<Duration> {
        takes.checked_sub(self.room(now)).filter(|lack| !lack.is_zero())
    }
}

impl Run {
    /// How long the attempt took by which a step is behind: without those that failed before it. None where it is not
    /// behind, was passed over, or is a person's word.
    pub fn took(&self, reference: &StepRef) -> Option<Duration> {
        let (_, _, run) = self.step(reference)?;
        let attempt = run.standing().filter(|attempt| attempt.stands().is_behind() && run.skipped.is_none())?;
        Some(lasted(attempt, attempt.ended_at?))
    }

    /// How long the same step took in the partitions before, in the plan's order.
    pub fn took_before(&self, reference: &StepRef) -> Vec<(PartitionName, Duration)> {
        let before = self.plan.partitions.iter().take_while(|before| before.name != reference.partition);
        let took =
            before.filter_map(|before| Some((before.name.clone(), self.took(&before.reference(&reference.step))?)));
        took.collect()
    }

    /// How long a step is likely to take: as long as in the nearest partition before that took it, else as the rollout file
    /// says.
    pub fn estimate(&self, reference: &StepRef) -> Option<Estimate> {
        let (_, planned, _) = self.step(reference)?;
        let place = self.place(&reference.partition)?;
        // The nearest of hundreds is found before all of them are looked at.
        let nearest = self.plan.partitions.get(..place)?.iter().rev();
        let before = nearest
            .zip(self.partitions.get(..place)?.iter().rev())
            .filter(|(_, run)| {
                run.step(&reference.step).is_some_and(|run| run.skipped.is_none() && !run.attempts.is_empty())
            })
            .find_map(|(before, _)| Some((before.name.clone(), self.took(&before.reference(&reference.step))?)));
        let by_before = before.map(|(partition, lasts)| Estimate { lasts, basis: Basis::Before(partition) });
        by_before.or_else(|| planned.expected.map(|lasts| Estimate { lasts, basis: Basis::Plan }))
    }

    /// How far a partition is, and what is still to come in it.
    pub fn outlook(&self, partition: &Partition, now: Timestamp) -> Outlook {
        let mut outlook = Outlook { to_come: Vec::new(), spent: Duration::ZERO, whole: Duration::ZERO };
        for step in partition.steps.iter().filter(|step| step.kind != StepKind::GoAhead) {
            let reference = partition.reference(&step.id);
            let Some((_, _, run)) = self.step(&reference) else { continue };
            outlook.spent += Duration::try_from(run.machine_time(now)).unwrap_or_default();
            let state = self.state_of(&reference);
            if matches!(state, StepState::Skipped | StepState::WillNotRun { .. }) {
                continue;
            }
            let estimate = self.estimate(&reference);
            let lasts = estimate.as_ref().map(|estimate| estimate.lasts).unwrap_or_default();
            outlook.whole += lasts;
            if state.is_behind() {
                continue;
            }
            let running = run.attempts.last().filter(|_| state.is_running());
            let left = running.map_or(lasts, |attempt| lasts.saturating_sub(lasted(attempt, now)));
            outlook.to_come.push(ToCome { step: step.id.clone(), estimate, left });
        }
        outlook
    }

    /// The partition whose window is the next to be kept: the given one's, if it has one, else that of the first after it
    /// that is not through.
    pub fn window_to_keep(&self, from: usize) -> Option<(&Partition, &Window)> {
        let own = self.plan.partitions.get(from).filter(|partition| partition.window.is_some());
        let later = || {
            self.plan.partitions.iter().skip(from).find(|later| later.window.is_some() && !self.is_through(&later.name))
        };
        let partition = own.or_else(later)?;
        Some((partition, partition.window.as_ref()?))
    }
}

/// How long something takes, roughly: `40 s`, `18 min`, `2 h 10 min`.
pub fn roughly(duration: Duration) -> String {
    let minutes = duration.as_secs().div_ceil(60);
    match (duration.as_secs(), minutes) {
        (seconds @ 0..=90, _) => format!("{seconds} s"),
        (_, minutes @ 0..=119) => format!("{minutes} min"),
        (_, minutes @ 2_880..) => format!("{} days", minutes / 1_440),
        (_, minutes) if minutes % 60 == 0 => format!("{} h", minutes / 60),
        (_, minutes) => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

fn lasted(attempt: &Attempt, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(attempt.started_at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config;
    use crate::runbook::event::{Event, Finding, Outcome, Record};
    use crate::runbook::names::RunId;

    const START: &str = "2026-05-14T10:00:00Z";

    fn start() -> Timestamp {
        START.parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        start() + jiff::SignedDuration::from_secs(seconds)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    struct Told {
        run: Run,
        clock: i64,
    }

    impl Told {
        fn begin() -> Self {
            let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap();
            let event = Event::RunStarted { run: RunId::new("r"), plan: Box::new(plan), simulated: true };
            Self { run: Run::begin(Record { seq: 1, at: start(), event }).unwrap(), clock: 0 }
        }

        fn tell(&mut self, event: Event) {
            let record = Record { seq: self.run.seq + 1, at: after(self.clock), event };
            self.run.apply(record).unwrap();
        }

        fn fire(&mut self, step: &StepRef) -> u32 {
            let attempt = self.run.step(step).unwrap().2.attempts.len() as u32 + 1;
            let (step, by) = (step.clone(), "op".to_owned());
            self.tell(Event::AttemptStarted { step, attempt, by, preconditions: Vec::new(), choice: None });
            attempt
        }

        fn end(&mut self, step: &StepRef, attempt: u32, took: i64, outcome: Outcome) {
            self.clock += took;
            self.tell(Event::AttemptEnded { step: step.clone(), attempt, outcome });
        }

        fn pass(&mut self, partition: &str, step: &str, took: i64) {
            let step = StepRef::new(partition, step);
            let attempt = self.fire(&step);
            self.end(&step, attempt, took, Outcome::Passed);
        }

        fn fail(&mut self, partition: &str, step: &str, took: i64) {
            let step = StepRef::new(partition, step);
            let attempt = self.fire(&step);
            let finding = Finding::of("op-timeout-before-deploy", "it stopped");
            self.end(&step, attempt, took, Outcome::Failed { finding });
        }

        fn skip(&mut self, partition: &str, step: &str) {
            let step = StepRef::new(partition, step);
            self.tell(Event::StepSkipped { step, reason: "done".into(), by: "op".into(), evidence: Vec::new() });
        }

        fn outlook(&self, partition: &str) -> Outlook {
            self.run.outlook(self.run.plan.partition(&partition.into()).unwrap(), after(self.clock))
        }
    }

    #[test]
    fn a_step_lasts_as_in_the_nearest_partition_before_that_took_it() {
        let mut told = Told::begin();
        let snapshot = |partition: &str| StepRef::new(partition, "snapshot");
        let plan = Some(Estimate { lasts: seconds(300), basis: Basis::Plan });
        assert_eq!(told.run.estimate(&snapshot("prod")), plan);
        told.pass("dev", "snapshot", 241);
        let dev = Some(Estimate { lasts: seconds(241), basis: Basis::Before("dev".into()) });
        assert_eq!(told.run.estimate(&snapshot("prod")), dev);
        assert_eq!(told.run.estimate(&snapshot("dev")), plan, "what it took itself says nothing of what is to come");
        told.pass("stage", "snapshot", 333);
        told.skip("demo", "snapshot");
        let stage = Some(Estimate { lasts: seconds(333), basis: Basis::Before("stage".into()) });
        assert_eq!(told.run.estimate(&snapshot("prod")), stage, "demo passed it over");
        let before = vec![("dev".into(), seconds(241)), ("stage".into(), seconds(333))];
        assert_eq!(told.run.took_before(&snapshot("prod")), before);
        assert_eq!(told.run.took_before(&snapshot("dev")), []);
    }

    #[test]
    fn only_the_attempt_that_passed_says_how_long_it_takes_and_every_one_was_spent() {
        let mut told = Told::begin();
        told.fail("dev", "amm", 64);
        told.clock += 1_000;
        assert_eq!(told.run.took(&StepRef::new("dev", "amm")), None);
        told.pass("dev", "amm", 297);
        assert_eq!(told.run.took(&StepRef::new("dev", "amm")), Some(seconds(297)));
        assert_eq!(told.outlook("dev").spent, seconds(64 + 297));
    }

    #[test]
    fn what_is_to_come_shrinks_while_it_runs_and_never_below_nothing() {
        let mut told = Told::begin();
        let whole = told.outlook("prod");
        assert_eq!(whole.left(), whole.whole);
        assert_eq!(whole.foretold(), (whole.to_come.len(), 0));
        assert_eq!(whole.due(), Duration::ZERO);
        let steps = told.run.plan.partition(&"prod".into()).unwrap().steps.len();
        assert_eq!(whole.to_come.len(), steps - 1, "a person's time is not foretold");
        let first = StepRef::new("prod", "prerequisites");
        told.fire(&first);
        for (elapsed, left) in [(5, 15), (20, 0), (90, 0)] {
            told.clock = elapsed;
            let outlook = told.outlook("prod");
            assert_eq!(outlook.to_come[0].left, seconds(left), "after {elapsed} s");
            assert_eq!(outlook.due(), seconds(20 - left));
            assert_eq!(outlook.spent, seconds(elapsed as u64));
            assert_eq!(outlook.whole, whole.whole);
        }
        told.end(&first, 1, 0, Outcome::Passed);
        assert_eq!(told.outlook("prod").left(), whole.left() - seconds(20));
        told.skip("prod", "amm");
        assert_eq!(told.outlook("prod").whole, whole.whole - seconds(540), "what is passed over takes no time");
    }

    #[test]
    fn a_window_says_where_now_is_and_what_has_no_room() {
        let window = Window { from: after(600), to: after(4_200) };
        let table = [
            (0, Standing::Ahead(seconds(600)), seconds(3_600), None),
            (599, Standing::Ahead(seconds(1)), seconds(3_600), None),
            (600, Standing::Open(seconds(3_600)), seconds(3_600), None),
            (3_000, Standing::Open(seconds(1_200)), seconds(1_200), None),
            (3_001, Standing::Open(seconds(1_199)), seconds(1_199), Some(seconds(1))),
            (4_200, Standing::Over(Duration::ZERO), Duration::ZERO, Some(seconds(1_200))),
            (4_260, Standing::Over(seconds(60)), Duration::ZERO, Some(seconds(1_200))),
        ];
        for (now, standing, room, lacks) in table {
            assert_eq!(window.standing(after(now)), standing, "at {now}");
            assert_eq!(window.room(after(now)), room, "at {now}");
            assert_eq!(window.lacks(after(now), seconds(1_200)), lacks, "at {now}");
        }
        assert_eq!(window.lacks(after(5_000), Duration::ZERO), None, "nothing always fits");
    }

    #[test]
    fn the_window_to_keep_is_the_next_one_that_there_is() {
        let mut told = Told::begin();
        for from in 0..4 {
            assert_eq!(told.run.window_to_keep(from).unwrap().0.name.as_str(), "prod", "from {from}");
        }
        told.run.plan.partitions[0].window = Some(Window { from: start(), to: after(60) });
        assert_eq!(told.run.window_to_keep(0).unwrap().0.name.as_str(), "dev");
        assert_eq!(told.run.window_to_keep(1).unwrap().0.name.as_str(), "prod");
        told.run.plan.partitions[3].window = None;
        assert_eq!(told.run.window_to_keep(1), None);
    }
}
