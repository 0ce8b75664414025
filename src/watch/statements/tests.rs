//! Differences of counters, by tables; against real servers in `stock_tests`.

use jiff::Timestamp;

use super::*;
use crate::clients::postgres::stock_tests::Server as Stock;
use crate::runbook::plan::TlsMode;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a moment")
}

fn statement(id: i64, calls: i64, total_ms: f64) -> Statement {
    Statement { id, nested: false, calls, total_ms, rows: calls, hit: calls * 3, read: calls }
}

fn counters(when: i64, statements: Vec<Statement>) -> StatementCounters {
    StatementCounters {
        at: at(when),
        started: at(1),
        reset: Some(at(1)),
        evictions: Some(0),
        in_recovery: false,
        role: "app".to_owned(),
        database: "item_db".to_owned(),
        total: statements.len() as u64,
        total_ms: statements.iter().filter(|it| !it.nested).map(|it| it.total_ms).sum(),
        hidden: 0,
        hidden_ms: 0.0,
        statements,
    }
}

fn server(name: &str) -> Server {
    Server { instance: Some(InstanceId::from(name)), address: None }
}

#[test]
fn costs_are_differences_over_the_interval_the_costliest_first() {
    let one = server("writer");
    let before =
        (one.clone(), counters(100, vec![statement(1, 10, 100.0), statement(2, 5, 50.0), statement(3, 1, 1.0)]));
    let now = counters(
        110,
        vec![statement(1, 20, 150.0), statement(2, 10, 2050.0), statement(3, 1, 1.0), statement(4, 2, 10.0)],
    );
    let view = costs(Some(&before), &one, &now);
    assert_eq!(view.interval, Some(Duration::from_secs(10)));
    let ids: Vec<_> = view.rows.iter().map(|row| row.key.id).collect();
    // 3 did not run; 4 is new, and all were read before.
    assert_eq!(ids, [2, 1, 4]);
    let row = &view.rows[0];
    let interval = Duration::from_secs(10);
    assert_eq!((row.calls_per_s(interval), row.ms_per_call(), row.hit_ratio()), (0.5, 400.0, Some(0.75)));
    assert_eq!(view.busy_ms, 2060.0);
}

#[test]
fn counters_that_began_anew_give_no_rates_and_say_why() {
    let one = server("writer");
    let before = (one.clone(), counters(100, vec![statement(1, 10, 100.0)]));
    assert_eq!(costs(None, &one, &before.1).interval, None);
    let anew = |server: &Server, change: fn(&mut StatementCounters)| {
        let mut now = counters(110, vec![statement(1, 500, 9000.0)]);
        change(&mut now);
        let view = costs(Some(&before), server, &now);
        assert_eq!((view.rows.len(), view.interval), (0, None));
        (view.reset, view.since)
    };
    assert_eq!(anew(&server("reader1"), |_| {}), (Some(CounterReset::OtherInstance), at(1)));
    let restarted = anew(&one, |now| now.started = at(105));
    assert_eq!(restarted, (Some(CounterReset::Restarted), at(105)));
    let reset = anew(&one, |now| now.reset = Some(at(106)));
    assert_eq!(reset, (Some(CounterReset::Reset), at(106)));
    // Servers that have no name are told apart by where they listen.
    let nameless = |port| Server { instance: None, address: Some(([127, 0, 0, 1].into(), port)) };
    let elsewhere = costs(Some(&(nameless(1), before.1.clone())), &nameless(2), &before.1);
    assert_eq!(elsewhere.reset, Some(CounterReset::OtherInstance));
}

#[test]
fn an_entry_that_was_evicted_and_made_anew_counts_from_zero() {
    let one = server("writer");
    let before = (one.clone(), counters(100, vec![statement(1, 10, 100.0), statement(2, 10, 900.0)]));
    let now = counters(110, vec![statement(1, 2, 20.0), statement(2, 11, 950.0)]);
    let view = costs(Some(&before), &one, &now);
    let calls: Vec<_> = view.rows.iter().map(|row| (row.key.id, row.calls, row.ms)).collect();
    assert_eq!(calls, [(2, 1, 50.0), (1, 2, 20.0)]);
    // The sum fell with the eviction; what is seen of the statements holds.
    assert_eq!(view.busy_ms, 70.0);
}

#[test]
fn nested_statements_are_counted_under_their_callers() {
    let one = server("writer");
    let nested = |calls, ms| Statement { nested: true, ..statement(1, calls, ms) };
    let before = (one.clone(), counters(100, vec![statement(1, 1, 100.0), nested(5, 80.0)]));
    let view = costs(Some(&before), &one, &counters(110, vec![statement(1, 2, 200.0), nested(10, 160.0)]));
    assert_eq!(view.rows.len(), 2);
    assert_eq!(view.busy_ms, 100.0);
}

#[test]
fn what_ranks_below_those_that_are_read_is_no_new_statement() {
    let one = server("writer");
    let mut before = counters(100, vec![statement(1, 10, 100.0)]);
    before.total = 5_000;
    let view = costs(
        Some(&(one.clone(), before)),
        &one,
        &counters(110, vec![statement(1, 11, 110.0), statement(2, 900, 90.0)]),
    );
    assert_eq!(view.rows.len(), 1, "what 2 counts is of all the time since the server started");
}

#[test]
fn those_that_lead_by_any_figure_are_told() {
    let cost = |id, calls, ms| {
        let mut row = cost(&statement(id, calls, ms), None).expect("it ran");
        row.rows = 1;
        row
    };
    let mut rows: Vec<_> = (0..100).map(|id| cost(id, 10, 1000.0 - id as f64)).collect();
    rows[90].calls = 5_000;
    rows[80].rows = 9_000;
    let told: Vec<i64> = told(rows).iter().map(|row| row.key.id).collect();
    assert!(told.contains(&90) && told.contains(&80) && told.contains(&39), "{told:?}");
    assert!(told.len() <= 70 && !told.contains(&60), "{told:?}");
    assert!(told.is_sorted());
}

#[test]
fn the_cockpits_own_are_counted_apart() {
    let one = server("writer");
    let before = (one.clone(), counters(100, vec![statement(1, 1, 100.0), statement(2, 1, 10.0)]));
    let mut view = costs(Some(&before), &one, &counters(110, vec![statement(1, 2, 190.0), statement(2, 2, 20.0)]));
    let mut texts = Texts::default();
    let text = |id, own| StatementText { id, text: format!("SELECT {id}"), left_out: 7, own };
    texts.learn(vec![text(1, false), text(2, true)]);
    texts.write_into(&mut view, 1);
    assert_eq!((view.busy_ms, view.own_ms), (90.0, 10.0));
    let shown: Vec<_> = view.rows.iter().map(|row| (row.query.as_deref(), row.own, row.left_out)).collect();
    assert_eq!(shown, [(Some("SELECT 1"), false, 7), (Some("SELECT 2"), true, 7)]);
    // A text that was told is not told at every look, and again after a minute.
    for (look, told) in [(2, 0), (12, 0), (13, 2), (14, 0)] {
        view.rows.iter_mut().for_each(|row| row.query = None);
        texts.write_into(&mut view, look);
        assert_eq!(view.rows.iter().filter(|row| row.query.is_some()).count(), told, "look {look}");
        assert!(view.rows[1].own);
    }
}

/// A watcher that was given its session.
fn watcher() -> Statements {
    let unused = Trouble::new("connect", TroubleKind::Unreachable, "the test has its own session");
    Statements::new("dev".into(), Err(unused), tokio::sync::watch::channel(None).1)
}

#[tokio::test]
async fn on_a_real_server_the_calls_between_two_looks_are_told_with_their_texts() {
    let Some(mut stock) = Stock::start_with(false, &[]).await else { return };
    let target = stock.target(TlsMode::Disable, None);
    let session = stock.session("127.0.0.1", &target).await.expect("a session");
    let client = stock.client().await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.expect("created");
    let (mut watcher, one) = (watcher(), server("writer"));
    let first = watcher.read(&session, &one).await.expect("a first look");
    assert_eq!((first.interval, first.rows.len()), (None, 0));
    let slow = client.prepare("SELECT pg_sleep($1)").await.expect("prepared");
    for _ in 0..7 {
        client.query(&slow, &[&0.01]).await.expect("run");
    }
    // Texts are read seldom; now it is time again.
    watcher.texts.due = None;
    let second = watcher.read(&session, &one).await.expect("a second look");
    let row = second.rows.iter().find(|row| row.query.as_deref() == Some("SELECT pg_sleep($1)")).expect("it ran");
    assert_eq!((row.calls, row.rows, row.own), (7, 7, false));
    assert!(row.ms >= 70.0 && row.ms <= second.busy_ms, "{second:?}");
    let own: Vec<_> = second.rows.iter().filter(|row| row.own).collect();
    assert!(!own.is_empty() && second.own_ms > 0.0, "looking costs something: {second:?}");
    // Nothing but us: the others cost nothing.
    let third = watcher.read(&session, &one).await.expect("a third look");
    assert!(third.rows.iter().all(|row| row.own), "{third:?}");
    assert!(third.busy_ms < third.own_ms, "{third:?}");

    client.batch_execute("SELECT pg_stat_statements_reset()").await.expect("reset");
    let reset = watcher.read(&session, &one).await.expect("a look");
    assert_eq!((reset.reset, reset.rows.len()), (Some(CounterReset::Reset), 0));
    assert!(reset.since > first.since);
    client.query(&slow, &[&0.01]).await.expect("run");
    let after = watcher.read(&session, &one).await.expect("a look");
    assert!(after.rows.iter().any(|again| again.key == row.key && again.calls == 1));
    drop((session, client));

    stock.restart().await;
    let session = stock.session("127.0.0.1", &target).await.expect("a session");
    let restarted = watcher.read(&session, &one).await.expect("a look");
    assert_eq!(restarted.reset, Some(CounterReset::Restarted));
    assert!(restarted.since > reset.since);
}

#[tokio::test]
async fn on_a_real_server_evictions_leave_no_false_figures() {
    let Some(stock) = Stock::start_with(false, &["pg_stat_statements.max=100"]).await else { return };
    let session = stock.session("127.0.0.1", &stock.target(TlsMode::Disable, None)).await.expect("a session");
    let client = stock.client().await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.expect("created");
    let (mut watcher, one) = (watcher(), server("writer"));
    let first = watcher.read(&session, &one).await.expect("a look");
    for number in 1..250 {
        let columns = vec!["1"; number].join(", ");
        client.batch_execute(&format!("SELECT {columns}")).await.expect("run");
    }
    let second = watcher.read(&session, &one).await.expect("a look");
    assert!(second.evictions > first.evictions, "{:?}", second.evictions);
    let interval = second.interval.expect("an interval");
    assert!(second.rows.iter().all(|row| row.calls > 0 && row.ms >= 0.0));
    assert!(second.busy_ms <= interval.as_secs_f64() * 1000.0 * 2.0, "{} ms in {interval:?}", second.busy_ms);
}
