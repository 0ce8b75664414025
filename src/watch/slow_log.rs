//! The slow statements that the clusters' PostgreSQL logs hold. The groups of an account and region are read one after the
//! other: the service counts calls by account and region.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::api::{self, Described};
use super::cadence::Pace;
use super::near::{self, Near};
use super::sample::{Line, Reading, SlowLogView, Source};
use super::task::{Ask, Voice};
use crate::clients::logs::SlowStatement;
use crate::clients::{Aws, Trouble};
use crate::clock;
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{Expectation, Partition, StepKind};

/// How far back the first look goes.
const FIRST: SignedDuration = SignedDuration::from_mins(5);
/// How far behind the newest line a look begins: lines of other instances may have come later.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// How long a partition is near before its log is read out of turn.
const SETTLES: Duration = Duration::from_secs(1);
/// Lines that a look tells one by one; of more, the slowest.
const MOST: usize = 100;
/// What is slow where the rollout does not say.
const SLOW: Duration = Duration::from_millis(500);
/// The setting by which a server decides what is slow.
const SETTING: &str = "log_min_duration_statement";

/// Asks for the slow statements of the clusters of one account and region.
#[derive(Debug)]
pub struct SlowLog {
    /// The account.
    pub aws: Arc<Aws>,
    /// The clusters.
    pub logs: Vec<Exported>,
    /// Those that are watched.
    pub near: watch::Receiver<Near>,
}

/// A cluster's exported log.
#[derive(Debug)]
pub struct Exported {
    partition: PartitionName,
    described: Described,
    least: Duration,
    newest: Timestamp,
    told: HashMap<String, Timestamp>,
}

impl Ask for SlowLog {
    fn period(&self, pace: Pace) -> Duration {
        match pace {
            Pace::Quiet => Duration::from_secs(15),
            Pace::Busy => Duration::from_secs(10),
            Pace::Failover => Duration::from_secs(4),
        }
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let near = self.near.borrow_and_update().clone();
        let own = |log: &&mut Exported| near.holds(&log.partition);
        api::clusters(self.logs.iter_mut().filter(own).map(|log| &mut log.described)).await;
        for log in self.logs.iter_mut().filter(own) {
            let Some(cluster) = log.described.borrow().clone() else { continue };
            let begun = Instant::now();
            let said = log.look(&self.aws, &cluster.id).await;
            voice.say(&log.partition, Source::SlowLog, begun, said).await;
        }
    }

    async fn called(&mut self) {
        near::changed(Some(&mut self.near)).await;
        // Whoever leafs through a fleet is not asked for at each leaf.
        tokio::time::sleep(SETTLES).await;
    }
}

impl Exported {
    /// The log of a partition's cluster.
    pub fn of(plan: &Partition, described: Described) -> Self {
        Self {
            partition: plan.name.clone(),
            described,
            least: least(plan),
            newest: clock::now() - FIRST + OVERLAP,
            told: HashMap::new(),
        }
    }

    /// What is new, an empty list included.
    async fn look(&mut self, aws: &Aws, cluster: &str) -> Result<Reading, Trouble> {
        // While the partition was far, nobody read along: then it is as at the first look.
        self.newest = self.newest.max(clock::now() - FIRST + OVERLAP);
        let since = self.newest - OVERLAP;
        let found = aws.logs.slow_statements(cluster, since, self.least).await?;
        self.told.retain(|_, at| *at >= since);
        let new = found.into_iter().filter(|one| self.told.insert(one.id.clone(), one.at).is_none()).collect();
        self.newest = self.told.values().max().copied().unwrap_or(self.newest).max(self.newest);
        Ok(Reading::SlowLog(view(new)))
    }
}

/// How long a statement takes that the rollout calls slow, or that anybody would.
fn least(plan: &Partition) -> Duration {
    let settings = plan.steps.iter().filter_map(|step| match &step.kind {
        StepKind::VerifySql(verify) => Some(&verify.settings),
        _ => None,
    });
    let said = settings.flatten().find_map(|setting| match &setting.expect {
        Expectation::Is(value) if setting.name == SETTING => milliseconds(value),
        _ => None,
    });
    said.map_or(SLOW, Duration::from_millis)
}

/// `500ms` or `2s`, as `SHOW` prints it.
fn milliseconds(shown: &str) -> Option<u64> {
    match shown.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.parse().ok(),
        None => Some(shown.strip_suffix('s')?.parse::<u64>().ok()? * 1000),
    }
}

/// A line for each, in their order; of a flood only the slowest, and how many there were besides.
fn view(mut found: Vec<SlowStatement>) -> SlowLogView {
    let count = found.len();
    found.sort_by_key(|one| std::cmp::Reverse(one.took));
    found.truncate(MOST);
    found.sort_by_key(|one| one.at);
    let besides = found.last().map(|last| last.at).filter(|_| count > MOST).map(|at| Line {
        at,
        subject: "and".to_owned(),
        code: None,
        text: format!("{} more slow statements, none of them slower", count - MOST),
    });
    let line = |one: SlowStatement| Line {
        at: one.at,
        subject: one.instance.to_string(),
        code: None,
        text: format!("{} ms  {}", one.took.as_millis(), one.text),
    };
    SlowLogView { count, lines: found.into_iter().map(line).chain(besides).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_show_prints_them() {
        assert_eq!(milliseconds("500ms"), Some(500));
        assert_eq!(milliseconds("2s"), Some(2000));
        assert_eq!(milliseconds("-1"), None);
    }

    #[test]
    fn of_a_flood_the_slowest_are_told_in_their_order() {
        let one = |number: u64| SlowStatement {
            id: number.to_string(),
            at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(number as i64),
            instance: "w".into(),
            took: Duration::from_millis(500 + number % 7 * 100),
            text: "SELECT ?".to_owned(),
        };
        let SlowLogView { count, lines } = view((0..700).map(one).collect());
        assert_eq!((count, lines.len()), (700, MOST + 1));
        assert!(lines[..MOST].iter().all(|line| line.text.starts_with("1100 ms")));
        assert!(lines.is_sorted_by_key(|line| line.at));
        assert_eq!(lines[MOST].text, "600 more slow statements, none of them slower");
    }
}
