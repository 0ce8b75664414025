//! pg_stat_statements of a real server: both generations of its columns, evictions, hidden statements, nested ones, our own.

use std::collections::BTreeSet;
use std::time::Instant;

use super::stock_tests::{PASSWORD, Server};
use super::*;

async fn with_extension(settings: &[&str]) -> Option<(Server, Session)> {
    let server = Server::start_with(false, settings).await?;
    let session = server.session("127.0.0.1", &server.target(TlsMode::Disable, None)).await.expect("a session");
    session.simple("test", "CREATE EXTENSION pg_stat_statements").await.expect("created");
    Some((server, session))
}

impl Server {
    /// A session as that role, which is made if need be.
    async fn session_as(&self, owner: &Session, role: &str, options: &str) -> Session {
        let make = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' {options}");
        owner.simple("test", &make).await.expect("made");
        let target = SqlTarget { user: role.to_owned(), ..self.target(TlsMode::Disable, None) };
        self.session("127.0.0.1", &target).await.expect("a session")
    }
}

async fn texts(session: &Session) -> Vec<(Statement, StatementText)> {
    let counters = session.statements(1000, &[]).await.expect("counters");
    let ids: Vec<i64> = counters.statements.iter().map(|statement| statement.id).collect();
    let texts = session.statement_texts(&ids).await.expect("texts");
    let with = |statement: Statement| {
        let text = texts.iter().find(|text| text.id == statement.id);
        text.map(|text| (statement, text.clone()))
    };
    counters.statements.into_iter().filter_map(with).collect()
}

#[tokio::test]
async fn counters_are_read_without_texts_and_bounded() {
    let Some((_server, session)) = with_extension(&[]).await else { return };
    for columns in ["1", "1, 2", "1, 2, 3", "1, 2, 3, 4"] {
        session.simple("test", &format!("SELECT {columns}")).await.expect("run");
    }
    let all = session.statements(1000, &[]).await.expect("counters");
    assert_eq!((all.role.as_str(), all.database.as_str()), ("cockpit", "postgres"));
    assert!(all.statements.is_sorted_by(|one, two| one.total_ms >= two.total_ms));
    let least = all.statements.last().expect("some").id;
    let few = session.statements(2, &[least]).await.expect("counters");
    assert_eq!(few.statements.len(), 3);
    assert!(few.statements.iter().any(|statement| statement.id == least), "what is asked for by id is among them");
    assert!(few.total >= all.total && few.total_ms > 0.0);
    assert!(few.evictions.is_some() && few.reset.is_some() && !few.in_recovery);
}

#[tokio::test]
async fn a_reset_and_a_restart_are_told_by_their_moments() {
    let Some((mut server, session)) = with_extension(&[]).await else { return };
    let before = session.statements(10, &[]).await.expect("counters");
    session.simple("test", "SELECT pg_stat_statements_reset()").await.expect("reset");
    let reset = session.statements(10, &[]).await.expect("counters");
    assert!(reset.reset > before.reset && reset.started == before.started);
    drop(session);
    server.restart().await;
    let session = server.session("127.0.0.1", &server.target(TlsMode::Disable, None)).await.expect("a session");
    let restarted = session.statements(10, &[]).await.expect("counters");
    assert!(restarted.started > reset.started);
}

#[tokio::test]
async fn evictions_are_counted() {
    let Some((_server, session)) = with_extension(&["pg_stat_statements.max=100"]).await else { return };
    assert_eq!(session.statements(10, &[]).await.expect("counters").evictions, Some(0));
    for number in 1..150 {
        let columns = vec!["1"; number].join(", ");
        session.simple("test", &format!("SELECT {columns}")).await.expect("run");
    }
    let counters = session.statements(300, &[]).await.expect("counters");
    assert!(counters.evictions > Some(0), "{:?}", counters.evictions);
    assert!(counters.total <= 100, "{}", counters.total);
}

#[tokio::test]
async fn what_may_not_be_seen_is_counted_with_its_time() {
    let Some((server, owner)) = with_extension(&[]).await else { return };
    owner.simple("test", "SELECT pg_sleep(0.05)").await.expect("run");
    let plain = server.session_as(&owner, "plain", "").await;
    let hidden = plain.statements(300, &[]).await.expect("counters");
    assert!(hidden.hidden > 0 && hidden.hidden_ms > 50.0 && hidden.hidden < hidden.total + 1, "{hidden:?}");
    assert_eq!(hidden.role, "plain");
    owner.simple("test", "GRANT pg_read_all_stats TO plain").await.expect("granted");
    let seen = plain.statements(300, &[]).await.expect("counters");
    assert_eq!((seen.hidden, seen.hidden_ms), (0, 0.0), "the remedy that is named works");
}

#[tokio::test]
async fn who_may_not_connect_and_what_is_not_there_are_told_apart() {
    let Some((server, owner)) = with_extension(&[]).await else { return };
    let code = |session: Result<Session, Trouble>| session.expect_err("no session").code.unwrap_or_default();
    let target = server.target(TlsMode::Disable, None);
    let missing = SqlTarget { database: "nowhere".to_owned(), ..target.clone() };
    assert_eq!(code(server.session("127.0.0.1", &missing).await), "3D000");
    server.session_as(&owner, "plain", "").await;
    owner.simple("test", "CREATE DATABASE shut").await.expect("made");
    owner.simple("test", "REVOKE CONNECT ON DATABASE shut FROM PUBLIC").await.expect("shut");
    let shut = SqlTarget { database: "shut".to_owned(), user: "plain".to_owned(), ..target.clone() };
    let refused = server.session("127.0.0.1", &shut).await.expect_err("it may not");
    assert_eq!(refused.code.as_deref(), Some("42501"), "{refused}");
    assert!(refused.call.starts_with("connect"));
    // In another database the extension is not there, and in one without preload it does not answer.
    let other = SqlTarget { database: "shut".to_owned(), ..target };
    let elsewhere = server.session("127.0.0.1", &other).await.expect("a session");
    assert_eq!(elsewhere.statements(1, &[]).await.expect_err("missing").code.as_deref(), Some("42883"));
    assert_eq!(elsewhere.statements_probe().await, Ok(StatementsProbe::ExtensionMissing));
    let Some((_server, unloaded)) = with_extension(&["shared_preload_libraries="]).await else { return };
    let trouble = unloaded.statements(1, &[]).await.expect_err("not preloaded");
    assert_eq!(trouble.code.as_deref(), Some("55000"));
    assert!(trouble.message.contains("shared_preload_libraries"), "{trouble}");
    assert_eq!(unloaded.statements_probe().await, Ok(StatementsProbe::NotPreloaded));
}

#[tokio::test]
async fn nested_statements_are_told_from_those_that_call_them() {
    let Some((_server, session)) = with_extension(&["pg_stat_statements.track=all"]).await else { return };
    let function = "CREATE FUNCTION slow() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); END $$";
    session.simple("test", function).await.expect("made");
    session.simple("test", "SELECT slow()").await.expect("called");
    let counters = session.statements(300, &[]).await.expect("counters");
    let slow: Vec<_> = counters.statements.iter().filter(|statement| statement.total_ms >= 50.0).collect();
    assert_eq!(slow.iter().filter(|statement| statement.nested).count(), 1, "{slow:?}");
    assert_eq!(slow.len(), 2);
    let seen: f64 = counters.statements.iter().filter(|it| !it.nested).map(|it| it.total_ms).sum();
    assert!((counters.total_ms - seen).abs() < 20.0, "nothing is counted twice: {} and {seen}", counters.total_ms);
}

#[tokio::test]
async fn the_columns_of_old_servers_are_understood() {
    let Some((server, owner)) = with_extension(&[]).await else { return };
    let session = server.session_as(&owner, "old", "").await;
    for sql in [
        "GRANT pg_read_all_stats TO old",
        "CREATE SCHEMA twelve AUTHORIZATION old",
        "CREATE FUNCTION twelve.pg_stat_statements(showtext boolean, OUT userid oid, OUT dbid oid, OUT queryid bigint, \
         OUT query text, OUT calls bigint, OUT total_time float8, OUT rows bigint, OUT shared_blks_hit bigint, \
         OUT shared_blks_read bigint) RETURNS SETOF record LANGUAGE sql AS 'SELECT userid, dbid, queryid, query, calls, \
         total_exec_time, rows, shared_blks_hit, shared_blks_read FROM public.pg_stat_statements(showtext)'",
        "CREATE SCHEMA thirteen AUTHORIZATION old",
        "CREATE FUNCTION thirteen.pg_stat_statements(showtext boolean, OUT userid oid, OUT dbid oid, OUT queryid bigint, \
         OUT query text, OUT calls bigint, OUT total_exec_time float8, OUT rows bigint, OUT shared_blks_hit bigint, \
         OUT shared_blks_read bigint) RETURNS SETOF record LANGUAGE sql AS 'SELECT userid, dbid, queryid, query, calls, \
         total_exec_time, rows, shared_blks_hit, shared_blks_read FROM public.pg_stat_statements(showtext)'",
    ] {
        owner.simple("test", sql).await.expect("made");
    }
    drop(session);
    for schema in ["twelve", "thirteen"] {
        owner.simple("test", &format!("ALTER ROLE old SET search_path = {schema}")).await.expect("set");
        let target = SqlTarget { user: "old".to_owned(), ..server.target(TlsMode::Disable, None) };
        let session = server.session("127.0.0.1", &target).await.expect("a session");
        let counters = session.statements(300, &[]).await.expect("understood");
        assert!(!counters.statements.is_empty() && counters.total_ms > 0.0, "{counters:?}");
        assert_eq!((counters.evictions, counters.reset), (None, None), "there is no view for them");
        // Asked again, it goes straight to what this server has.
        assert!(session.statements(1, &[]).await.is_ok());
        assert!(!session.costliest(3).await.expect("texts").is_empty());
    }
}

#[tokio::test]
async fn our_own_statements_are_known_by_their_mark_and_passwords_by_their_place() {
    let Some((server, owner)) = with_extension(&[]).await else { return };
    server.session_as(&owner, "plain", "").await;
    let client = server.client().await;
    client.query("SELECT count(*) FROM pg_class WHERE relname = 'x'", &[]).await.expect("run");
    client.batch_execute("ALTER ROLE plain PASSWORD 'geheim1'").await.expect("run");
    let long = format!("SELECT '{}' AS {}", "x".repeat(20), "y, 1 AS y".repeat(1_000));
    client.simple_query(&long).await.expect("run");
    owner.who_am_i().await.expect("who");
    owner.write_probe().await.expect("written");
    let all = texts(&owner).await;
    // Twice: what reads the statements is among them from the second time on.
    let all = [all, texts(&owner).await].concat();
    let own: BTreeSet<&str> = all.iter().filter(|(_, text)| text.own).map(|(_, text)| text.text.as_str()).collect();
    for words in [
        "pg_is_in_recovery(), pg_postmaster_start_time()",
        "txid_current()",
        "shared_blks_hit",
        "dealloc",
        "left(query",
    ] {
        assert!(own.iter().any(|text| text.contains(words)), "{words} is ours: {own:#?}");
    }
    let others: Vec<_> = all.iter().filter(|(_, text)| !text.own).collect();
    assert!(others.iter().any(|(_, text)| text.text.starts_with("SELECT count(*) FROM pg_class")), "{others:#?}");
    assert!(!all.iter().any(|(_, text)| text.text.contains("geheim1") || text.text.contains(PASSWORD)));
    let cut = others.iter().find(|(_, text)| text.left_out > 0).expect("the long one");
    assert_eq!(cut.1.text.chars().count(), 4_000);
}

/// What reading costs where it is worst: `cargo nextest run --lib reading_a_full_view --run-ignored all --no-capture`.
#[tokio::test]
#[ignore = "half a gigabyte of texts, for a number"]
#[allow(clippy::print_stdout)]
async fn reading_a_full_view_of_long_texts_costs_little() {
    let Some((server, session)) = with_extension(&[]).await else { return };
    let client = server.client().await;
    let pad = "x".repeat(100_000);
    for one in 1..=72 {
        for two in 1..=72 {
            let (one, two) = (vec!["1"; one].join(","), vec!["1"; two].join(","));
            client.batch_execute(&format!("SELECT ARRAY[{one}], ARRAY[{two}] /* {pad} */")).await.expect("run");
        }
    }
    let took = |begun: Instant| begun.elapsed();
    for _ in 0..5 {
        let begun = Instant::now();
        let counters = session.statements(300, &[]).await.expect("counters");
        println!("{} rows of {}: {:?}", counters.statements.len(), counters.total, took(begun));
    }
    let ids: Vec<i64> =
        session.statements(70, &[]).await.expect("counters").statements.iter().map(|statement| statement.id).collect();
    let begun = Instant::now();
    let texts = session.statement_texts(&ids).await;
    println!("{:?} texts: {:?}", texts.map(|texts| texts.len()), took(begun));
}

/// The role that is shipped for monitors: every statement of the cockpit's runs as it, nothing is hidden from it, and it can
/// change nothing.
#[tokio::test]
async fn the_role_for_monitors_sees_everything_and_can_write_nothing() {
    let Some((server, owner)) = with_extension(&[]).await else { return };
    let shipped = include_str!("../../../assets/postgresql/monitor.sql");
    let admin = server.client().await;
    admin.batch_execute(shipped).await.expect("the shipped statements run");
    let set = format!("ALTER ROLE aurora_cockpit_monitor PASSWORD '{PASSWORD}'; CREATE TABLE kept (id int)");
    admin.batch_execute(&set).await.expect("set");
    server.session_as(&owner, "plain", "").await;
    let target = SqlTarget { user: "aurora_cockpit_monitor".to_owned(), ..server.target(TlsMode::Disable, None) };
    let session = server.session("127.0.0.1", &target).await.expect("a session");

    session.who_am_i().await.expect("who");
    assert!(session.show("shared_preload_libraries").await.expect("shown").contains("pg_stat_statements"));
    let settings = session.settings(&["shared_preload_libraries", "max_connections"]).await.expect("settings");
    assert_eq!(settings.len(), 2);
    session.idle_in_transaction().await.expect("activity");
    assert!(!texts(&session).await.is_empty());
    let hidden = session.statements(1000, &[]).await.expect("counters");
    assert_eq!(hidden.hidden, 0, "others' statements are not hidden from it");
    assert!(!session.costliest(5).await.expect("texts").is_empty());
    assert_eq!(session.write_probe().await.expect("asked"), WriteProbe::Accepted);

    let lacks = |sql: &'static str| {
        let session = &session;
        async move {
            let trouble = session.simple("test", sql).await.expect_err(sql);
            assert_eq!(trouble.code.as_deref(), Some("42501"), "{sql}: {trouble}");
        }
    };
    for sql in [
        "INSERT INTO kept VALUES (1)",
        "UPDATE kept SET id = 2",
        "DELETE FROM kept",
        "SELECT * FROM kept",
        "DROP TABLE kept",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE other",
        "CREATE DATABASE other",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_reload_conf()",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user",
        "SELECT pg_stat_statements_reset()",
        "SELECT pg_switch_wal()",
        "SELECT pg_promote()",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SET ROLE cockpit",
        "GRANT pg_monitor TO plain",
    ] {
        lacks(sql).await;
    }
    // As the shipped file says: forbidden altogether, the probe reads as refused.
    let forbid = "ALTER ROLE aurora_cockpit_monitor SET default_transaction_read_only = on";
    admin.batch_execute(forbid).await.expect("set");
    let session = server.session("127.0.0.1", &target).await.expect("a session");
    assert_eq!(session.write_probe().await.expect("asked"), WriteProbe::ReadOnly);
}
