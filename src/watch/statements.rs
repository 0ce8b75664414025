//! What the writer's statements cost: differences of pg_stat_statements' counters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{CounterReset, Reading, Source, StatementRate, StatementsView};
use super::task::{Ask, Voice};
use crate::clients::Trouble;
use crate::clients::database::Database;
use crate::clients::postgres::{Address, Session, Statement, StatementCounters};
use crate::runbook::names::{InstanceId, PartitionName};

/// How many of the costliest statements are read. Of what ranks below nothing is known.
const READ: u16 = 300;
/// How many rates are told.
const TOLD: usize = 25;

/// Asks the writer for its statements' counters.
#[derive(Debug)]
pub struct Statements {
    partition: PartitionName,
    database: Result<Arc<Database>, Trouble>,
    described: Described,
    /// The session with the writer and who that is, while there is one.
    session: Option<(Session, Option<InstanceId>)>,
    /// The counters before.
    before: Option<(Option<InstanceId>, StatementCounters)>,
}

impl Ask for Statements {
    fn period(&self, pace: Pace) -> Duration {
        pace.heavy()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let place = match &self.database {
            Ok(database) => api::endpoint(database, &mut self.described).await,
            Err(trouble) => Err(trouble.clone()),
        };
        let begun = Instant::now();
        let said = match place {
            Ok(address) => self.look(&address).await,
            Err(trouble) => Err(trouble),
        };
        voice.say(&self.partition, Source::Statements, begun, said).await;
    }
}

impl Statements {
    /// A watcher of a partition's statements; `database` is trouble if it cannot be spoken to at all.
    pub fn new(partition: PartitionName, database: Result<Arc<Database>, Trouble>, described: Described) -> Self {
        Self { partition, database, described, session: None, before: None }
    }

    async fn look(&mut self, address: &Address) -> Result<Reading, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?;
        let (session, instance) = match self.session.take() {
            Some((session, instance)) if !session.is_closed() => (session, instance),
            _ => {
                let session = database.connect(address).await?;
                let who = session.who_am_i().await?;
                (session, who.instance.as_deref().map(InstanceId::from))
            }
        };
        let counters = session.statements(READ).await?;
        let before = self.before.replace((instance.clone(), counters.clone()));
        self.session = Some((session, instance.clone()));
        Ok(Reading::Statements(rates(before.as_ref(), &instance, &counters)))
    }
}

/// What the statements cost between two readings of their counters.
fn rates(
    before: Option<&(Option<InstanceId>, StatementCounters)>,
    instance: &Option<InstanceId>,
    now: &StatementCounters,
) -> StatementsView {
    let mut view =
        StatementsView { instance: instance.clone(), interval: None, reset: None, total: now.total, rows: vec![] };
    let Some((other, before)) = before else { return view };
    view.reset = match () {
        () if other != instance => Some(CounterReset::OtherInstance),
        () if before.started != now.started => Some(CounterReset::Restarted),
        () if before.reset != now.reset => Some(CounterReset::Reset),
        () => None,
    };
    let interval = Duration::try_from(now.at.duration_since(before.at)).unwrap_or_default();
    if view.reset.is_some() || interval.is_zero() {
        return view;
    }
    view.interval = Some(interval);
    // A statement may be there for several roles and databases: together they are what it costs.
    let earlier = summed(&before.statements);
    // What was not among those read before is new only if all were read.
    let all_were_read = before.total <= u64::from(READ);
    let later = summed(&now.statements);
    let rows = later.iter().filter_map(|(id, later)| match earlier.get(id) {
        Some(earlier) => rate(later, Some(earlier), interval),
        None if all_were_read => rate(later, None, interval),
        None => None,
    });
    view.rows = rows.collect();
    view.rows.sort_by(|one, two| two.load.total_cmp(&one.load).then_with(|| one.query_id.cmp(&two.query_id)));
    view.rows.truncate(TOLD);
    view
}

fn summed(statements: &[Statement]) -> HashMap<i64, Statement> {
    let mut sums: HashMap<i64, Statement> = HashMap::new();
    for statement in statements {
        sums.entry(statement.id)
            .and_modify(|sum| {
                sum.calls += statement.calls;
                sum.total_ms += statement.total_ms;
                sum.rows += statement.rows;
                sum.hit += statement.hit;
                sum.read += statement.read;
            })
            .or_insert_with(|| statement.clone());
    }
    sums
}

/// A statement's cost in the interval; none if it did not run, or if its entry was evicted and began anew.
#[allow(clippy::cast_precision_loss, reason = "differences of counters stay far below 2^53")]
fn rate(later: &Statement, earlier: Option<&Statement>, interval: Duration) -> Option<StatementRate> {
    let grown = |of: fn(&Statement) -> i64| of(later) - earlier.map_or(0, of);
    let calls = grown(|statement| statement.calls);
    let ms = later.total_ms - earlier.map_or(0.0, |statement| statement.total_ms);
    if calls <= 0 || ms < 0.0 {
        return None;
    }
    let (hit, read) = (grown(|statement| statement.hit), grown(|statement| statement.read));
    let blocks = hit + read;
    let seconds = interval.as_secs_f64();
    Some(StatementRate {
        query_id: later.id,
        query: later.query.clone(),
        calls_per_s: calls as f64 / seconds,
        ms_per_call: ms / calls as f64,
        load: ms / 1000.0 / seconds,
        rows_per_call: grown(|statement| statement.rows) as f64 / calls as f64,
        hit_ratio: (blocks > 0).then(|| hit as f64 / blocks as f64),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn statement(id: i64, calls: i64, total_ms: f64) -> Statement {
        Statement { id, query: format!("SELECT {id}"), calls, total_ms, rows: calls, hit: calls * 3, read: calls }
    }

    fn counters(at: i64, statements: Vec<Statement>) -> StatementCounters {
        let at = Timestamp::from_second(at).expect("a moment");
        let started = Timestamp::from_second(1).expect("a moment");
        StatementCounters { at, started, reset: Some(started), total: statements.len() as u64, statements }
    }

    #[test]
    fn costs_are_differences_over_the_interval_the_costliest_first() {
        let one = Some(InstanceId::from("writer"));
        let before =
            (one.clone(), counters(100, vec![statement(1, 10, 100.0), statement(2, 5, 50.0), statement(3, 1, 1.0)]));
        let now = counters(
            110,
            vec![statement(1, 20, 150.0), statement(2, 10, 2050.0), statement(3, 1, 1.0), statement(4, 2, 10.0)],
        );
        let view = rates(Some(&before), &one, &now);
        assert_eq!(view.interval, Some(Duration::from_secs(10)));
        let ids: Vec<_> = view.rows.iter().map(|row| row.query_id).collect();
        // 3 did not run; 4 is new, and all were read before.
        assert_eq!(ids, [2, 1, 4]);
        let row = &view.rows[0];
        assert_eq!((row.calls_per_s, row.ms_per_call, row.load, row.hit_ratio), (0.5, 400.0, 0.2, Some(0.75)));
    }

    #[test]
    fn counters_that_began_anew_give_no_rates_and_say_why() {
        let one = Some(InstanceId::from("writer"));
        let before = (one.clone(), counters(100, vec![statement(1, 10, 100.0)]));
        assert_eq!(rates(None, &one, &before.1).interval, None);
        let other = rates(Some(&before), &Some("reader1".into()), &counters(110, vec![statement(1, 500, 9000.0)]));
        assert_eq!((other.reset, other.rows.len()), (Some(CounterReset::OtherInstance), 0));
        let mut restarted = counters(110, vec![statement(1, 3, 9.0)]);
        restarted.started = Timestamp::from_second(105).expect("a moment");
        assert_eq!(rates(Some(&before), &one, &restarted).reset, Some(CounterReset::Restarted));
        let mut reset = counters(110, vec![statement(1, 3, 9.0)]);
        reset.reset = Some(Timestamp::from_second(106).expect("a moment"));
        assert_eq!(rates(Some(&before), &one, &reset).reset, Some(CounterReset::Reset));
    }

    #[test]
    fn an_entry_that_was_evicted_and_began_anew_is_no_negative_rate() {
        let one = None;
        let before = (one.clone(), counters(100, vec![statement(1, 10, 100.0)]));
        assert!(rates(Some(&before), &one, &counters(110, vec![statement(1, 2, 20.0)])).rows.is_empty());
    }
}
