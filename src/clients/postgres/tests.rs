//! The client against the simulated site.

#![allow(clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::*;
use crate::runbook::plan::SqlTarget;
use crate::sim::world::Site;
use crate::sim::{dns, pg, testing};

/// A running site with its databases and its name server.
struct Stage {
    site: Arc<Site>,
    databases: pg::Databases,
    resolver: Resolver,
    _names: dns::NameServer,
    ticker: tokio::task::JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

impl Stage {
    async fn open(speed: f64) -> Self {
        let site = testing::site(speed);
        let databases = pg::listen(site.clone()).await.expect("databases");
        let names = dns::listen(site.clone()).await.expect("a name server");
        let resolver = Resolver::asking(names.address).expect("a resolver");
        let ticking = site.clone();
        let ticker = tokio::spawn(async move { ticking.tick().await });
        Self { site, databases, resolver, _names: names, ticker }
    }

    fn sql(&self, partition: &str) -> (SqlTarget, SecretString) {
        self.site.read(|world| {
            let plan = world.plan.partition(&partition.into()).expect("in the plan");
            let here = world.partitions.iter().find(|here| here.name == partition).expect("at the site");
            (plan.sql.clone().expect("SQL"), SecretString::from(here.sql_password.clone()))
        })
    }

    /// Host name of a partition's writer endpoint, and of its instances, the writer's first.
    fn hosts(&self, partition: &str) -> (String, Vec<String>) {
        self.site.read(|world| {
            let here = world.partitions.iter().find(|here| here.name == partition).expect("at the site");
            let cluster = &here.cluster;
            let hosts = cluster.instances.iter().map(|instance| cluster.instance_endpoint(&instance.id));
            (cluster.endpoint.clone(), hosts.collect())
        })
    }

    async fn session(&self, partition: &str, host: &str) -> Result<Session, Trouble> {
        let (target, password) = self.sql(partition);
        let connector = Connector::new(self.resolver.clone(), &target)?;
        connector.connect(&Address::of(host, self.databases.port), &password).await
    }
}

#[tokio::test]
async fn the_writer_endpoint_leads_to_the_writer_and_readers_say_that_they_are_not() {
    let stage = Stage::open(1.0).await;
    let (endpoint, hosts) = stage.hosts("dev");
    let writer = stage.session("dev", &endpoint).await.expect("a session with the writer");
    let who = writer.who_am_i().await.expect("who");
    assert_eq!(who.instance.as_deref(), Some("alpha002-dev-auroraclusterwriter"));
    assert!(who.is_writer);
    assert_eq!(who.writer(), who.instance.as_deref());
    assert_eq!(who.topology.len(), 2);
    assert_eq!(who.address.map(|(ip, _)| vec![ip]), Some(writer.addresses.clone()));
    assert_eq!(writer.write_probe().await, Ok(WriteProbe::Accepted));

    let reader = stage.session("dev", &hosts[1]).await.expect("a session with the reader");
    let who = reader.who_am_i().await.expect("who");
    assert!(!who.is_writer);
    assert_eq!(who.writer(), Some("alpha002-dev-auroraclusterwriter"));
    assert!(who.lag_ms().is_some());
    assert_eq!(reader.write_probe().await, Ok(WriteProbe::ReadOnly));
    // The failed transaction was taken back, so that the session goes on.
    assert_eq!(reader.show("transaction_read_only").await, Ok("on".to_owned()));
}

#[tokio::test]
async fn settings_are_read_and_a_guarded_one_is_told_from_one_that_is_not_there() {
    let stage = Stage::open(1.0).await;
    let (endpoint, _) = stage.hosts("prod");
    let session = stage.session("prod", &endpoint).await.expect("a session");
    assert_eq!(session.show("max_connections").await, Ok("401".to_owned()));
    assert_eq!(session.show("statement_timeout").await, Ok("4s".to_owned()));
    let guarded = session.show("shared_preload_libraries").await.expect_err("guarded");
    assert_eq!((guarded.kind, guarded.code.as_deref()), (TroubleKind::Denied, Some("42501")));
    let missing = session.show("no_such_setting").await.expect_err("missing");
    assert_eq!((missing.kind, missing.code.as_deref()), (TroubleKind::NotFound, Some("42704")));
    let settings =
        session.settings(&["max_connections", "log_statement", "shared_preload_libraries"]).await.expect("read");
    let names: Vec<_> = settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str())).collect();
    assert_eq!(names, [("log_statement", "none"), ("max_connections", "401")]);
    assert_eq!(session.idle_in_transaction().await, Ok(IdleInTransaction { count: 0, oldest: None }));
}

#[tokio::test]
async fn the_two_ways_in_which_pg_stat_statements_is_missing_are_told_apart() {
    let stage = Stage::open(1.0).await;
    let (endpoint, _) = stage.hosts("stage");
    let session = stage.session("stage", &endpoint).await.expect("a session");
    assert_eq!(session.statements_probe().await, Ok(StatementsProbe::ExtensionMissing));
    stage.site.change(|world| world.partition("stage").expect("stage").cluster.extension_created = true);
    assert_eq!(session.statements_probe().await, Ok(StatementsProbe::NotPreloaded));
    stage.site.change(|world| {
        for instance in &mut world.partition("stage").expect("stage").cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), "pg_stat_statements".into());
        }
    });
    let Ok(StatementsProbe::Rows(rows)) = session.statements_probe().await else { panic!("it answers now") };
    assert!(rows > 100, "{rows}");
    let counters = session.statements(10, &[]).await.expect("counters");
    assert_eq!(counters.statements.len(), 10);
    assert!(counters.statements.windows(2).all(|two| two[0].total_ms >= two[1].total_ms));
    assert_eq!((counters.hidden, counters.evictions), (2, Some(0)));
    let costliest = session.costliest(10).await.expect("with their texts");
    assert!(costliest.iter().any(|(_, text)| text.contains("kanban_card")), "{costliest:?}");
    assert_eq!(counters.reset, Some(counters.started));
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let stage = Stage::open(1.0).await;
    let (endpoint, _) = stage.hosts("dev");
    let (target, _) = stage.sql("dev");
    let connector = Connector::new(stage.resolver.clone(), &target).expect("a connector");
    let refused = connector.connect(&Address::of(&endpoint, stage.databases.port), &SecretString::from("wrong")).await;
    let refused = refused.expect_err("the password is wrong");
    assert_eq!((refused.kind, refused.code.as_deref()), (TroubleKind::Denied, Some("28P01")));
    let unknown = connector
        .connect(&Address::of("nobody.rds.amazonaws.com", 1), &SecretString::from("x"))
        .await
        .expect_err("no name");
    assert_eq!(unknown.kind, TroubleKind::NotFound);
}

#[tokio::test]
async fn a_failover_cuts_sessions_and_a_new_one_ends_on_the_new_writer() {
    let stage = Stage::open(20.0).await;
    let (endpoint, hosts) = stage.hosts("stage");
    let before = stage.session("stage", &endpoint).await.expect("a session");
    let started = before.who_am_i().await.expect("who").started;
    let cluster = stage.site.read(|world| world.partitions[1].cluster.id.clone());
    stage.site.change(|world| world.failover(&cluster, None, 20.0)).expect("accepted");
    let cut = loop {
        match before.who_am_i().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(trouble) => break trouble,
        }
    };
    assert!(cut.is_passing(), "{cut}");
    let old = stage.session("stage", &hosts[0]).await.expect_err("the old writer is down");
    assert_eq!(old.kind, TroubleKind::Unreachable, "{old}");
    let deadline = Instant::now() + Duration::from_secs(20);
    let who = loop {
        assert!(Instant::now() < deadline, "the endpoint never led to a new writer");
        if let Ok(session) = stage.session("stage", &endpoint).await
            && session.write_probe().await == Ok(WriteProbe::Accepted)
        {
            break session.who_am_i().await.expect("who");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(who.instance.as_deref(), Some("alpha002-stage-auroraclusterreader1"));
    let demoted = loop {
        assert!(Instant::now() < deadline, "the old writer never came back");
        if let Ok(session) = stage.session("stage", &hosts[0]).await {
            break session.who_am_i().await.expect("who");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(!demoted.is_writer);
    assert!(demoted.started > started, "a restart shows in the server's start");
}
