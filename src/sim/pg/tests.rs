//! The databases as `psql` and as drivers see them.

#![allow(clippy::panic)]

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::sim::testing;
use crate::sim::world::aurora::Cluster;

struct Stage {
    site: Arc<Site>,
    databases: Databases,
}

impl Stage {
    async fn open() -> Self {
        let site = testing::site(1.0);
        let databases = listen(site.clone()).await.expect("databases");
        Self { site, databases }
    }

    /// Role, database and password of a partition.
    fn login(&self, partition: &str) -> (String, String, String) {
        self.site.read(|world| {
            let plan = world.plan.partition(&partition.into()).and_then(|plan| plan.sql.clone()).expect("SQL");
            let here = world.partitions.iter().find(|here| here.name == partition).expect("at the site");
            (plan.user, plan.database, here.sql_password.clone())
        })
    }

    fn cluster<R>(&self, partition: &str, change: impl FnOnce(&mut Cluster) -> R) -> R {
        self.site.change(|world| change(&mut world.partition(partition).expect("at the site").cluster))
    }

    /// A driver's session with whatever a partition's proxy leads to.
    async fn client(&self, partition: &str) -> Result<Client, tokio_postgres::Error> {
        let (user, database, password) = self.login(partition);
        let id = self.cluster(partition, |cluster| cluster.id.clone());
        let address = self.databases.writers[&id];
        let mut config = tokio_postgres::Config::new();
        config.user(user).dbname(database).password(password).host(address.ip().to_string()).port(address.port());
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// What `psql` makes of some SQL; none where it is not installed.
    async fn psql(&self, partition: &str, arguments: &[&str]) -> Option<Output> {
        let (user, database, password) = self.login(partition);
        let id = self.cluster(partition, |cluster| cluster.id.clone());
        let address = self.databases.writers[&id];
        let output = tokio::process::Command::new("psql")
            .args(["-X", "-A", "-t", "-h", &address.ip().to_string(), "-p", &address.port().to_string()])
            .args(["-U", &user, "-d", &database])
            .args(arguments)
            .env("PGPASSWORD", password)
            .stdin(Stdio::null())
            .output()
            .await;
        output.ok()
    }
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn psql_reads_settings_and_sees_why_one_is_kept_from_it() {
    let stage = Stage::open().await;
    let Some(shown) = stage.psql("dev", &["-c", "SHOW max_connections", "-c", "SHOW log_statement"]).await else {
        return;
    };
    assert_eq!(lines(&shown), ["401", "none"]);
    let guarded = stage.psql("dev", &["-c", "SHOW shared_preload_libraries"]).await.expect("psql");
    let complaint = String::from_utf8_lossy(&guarded.stderr).into_owned();
    assert!(!guarded.status.success());
    assert!(complaint.contains("permission denied to examine \"shared_preload_libraries\""), "{complaint}");
    let many = stage.psql("dev", &["-c", "BEGIN; SELECT 1 AS one, 'a' || 'b'; ROLLBACK"]).await.expect("psql");
    assert_eq!(lines(&many), ["BEGIN", "1|ab", "ROLLBACK"]);
    let version = stage.psql("dev", &["-c", "SELECT version()"]).await.expect("psql");
    assert!(lines(&version)[0].starts_with("PostgreSQL 16"), "{version:?}");
}

#[tokio::test]
async fn relations_are_filtered_grouped_ordered_and_cut() {
    let stage = Stage::open().await;
    stage.cluster("prod", |cluster| {
        cluster.extension_created = true;
        for instance in &mut cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), "rdsutils,pg_stat_statements".into());
        }
    });
    let client = stage.client("prod").await.expect("a session");
    let states = client
        .query(
            "SELECT state, count(*) FROM pg_stat_activity WHERE datname = $1 GROUP BY state ORDER BY 2 DESC",
            &[&stage.login("prod").1],
        )
        .await
        .expect("answered");
    let states: Vec<(String, i64)> = states.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(states, [("idle".to_owned(), 24), ("active".to_owned(), 1)]);
    let top = client
        .query("SELECT query, calls, mean_exec_time FROM pg_stat_statements WHERE query ILIKE '%KANBAN_card%' AND calls > $1 ORDER BY total_exec_time DESC LIMIT 2", &[&1_i64])
        .await
        .expect("answered");
    assert_eq!(top.len(), 2);
    assert!(top.iter().all(|row| row.get::<_, String>(0).contains("kanban_card") && row.get::<_, f64>(2) > 0.0));
    let hidden = client
        .query_one("SELECT count(*) FILTER (WHERE query = '<insufficient privilege>'), count(queryid) < count(*) FROM pg_stat_statements", &[])
        .await
        .expect("answered");
    assert_eq!((hidden.get::<_, i64>(0), hidden.get::<_, bool>(1)), (2, true));
    let settings = client
        .query(
            "SELECT name, setting, unit FROM pg_settings WHERE name = ANY($1) ORDER BY name",
            &[&vec!["statement_timeout", "max_connections", "shared_preload_libraries"]],
        )
        .await
        .expect("answered");
    let settings: Vec<(String, String, Option<String>)> =
        settings.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let expected = [("max_connections", "401", None), ("statement_timeout", "0", Some("ms"))]
        .map(|(name, value, unit)| (name.to_owned(), value.to_owned(), unit.map(str::to_owned)));
    assert_eq!(settings, expected);
}

#[tokio::test]
async fn counters_of_statements_only_grow_and_begin_anew_with_the_server() {
    let stage = Stage::open().await;
    stage.cluster("prod", |cluster| {
        cluster.extension_created = true;
        for instance in &mut cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), "pg_stat_statements".into());
        }
    });
    let client = stage.client("prod").await.expect("a session");
    // The application's own: what this client asks is counted too.
    let sql = "SELECT queryid, calls, total_exec_time FROM pg_stat_statements \
               WHERE queryid IS NOT NULL AND query NOT LIKE '%total_exec_time%' ORDER BY queryid";
    let first = client.query(sql, &[]).await.expect("answered");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = client.query(sql, &[]).await.expect("answered");
    assert!(first.iter().zip(&second).all(|(one, two)| one.get::<_, i64>(1) <= two.get::<_, i64>(1)));
    let total = |rows: &[tokio_postgres::Row]| rows.iter().map(|row| row.get::<_, f64>(2)).sum::<f64>();
    assert!(total(&first) < total(&second));
    stage.cluster("prod", |cluster| {
        let id = cluster.writer.clone().expect("a writer");
        let instance = cluster.instance_mut(&id).expect("the writer");
        instance.started = jiff::Timestamp::now();
        instance.generation += 1;
    });
    let client = stage.client("prod").await.expect("a new session");
    let anew = client.query(sql, &[]).await.expect("answered");
    assert!(total(&anew) < total(&first) / 100.0);
}

#[tokio::test]
async fn a_failed_transaction_answers_nothing_until_its_end() {
    let stage = Stage::open().await;
    let client = stage.client("dev").await.expect("a session");
    let code = |error: tokio_postgres::Error| error.code().cloned();
    client.batch_execute("BEGIN").await.expect("begun");
    assert_eq!(
        client.query("SELECT nothing", &[]).await.map_err(code).err().flatten(),
        Some(SqlState::UNDEFINED_COLUMN)
    );
    let refused = client.query("SELECT 1", &[]).await.map_err(code).err().flatten();
    assert_eq!(refused, Some(SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("ROLLBACK").await.expect("ended");
    assert_eq!(client.query_one("SELECT 1", &[]).await.expect("answered").get::<_, i32>(0), 1);
}

#[tokio::test]
async fn what_the_site_cannot_answer_is_said_to_be_beyond_it() {
    let stage = Stage::open().await;
    let client = stage.client("dev").await.expect("a session");
    let code = |sql: &'static str| {
        let client = &client;
        async move { client.query(sql, &[]).await.err().and_then(|error| error.code().cloned()) }
    };
    assert_eq!(code("SELECT * FROM kanban_card").await, Some(SqlState::UNDEFINED_TABLE));
    assert_eq!(code("SELECT no_such_function()").await, Some(SqlState::UNDEFINED_FUNCTION));
    assert_eq!(code("SELECT 1 UNION SELECT 2").await, Some(SqlState::FEATURE_NOT_SUPPORTED));
    assert_eq!(code("SELEKT 1").await, Some(SqlState::SYNTAX_ERROR));
    assert_eq!(code("SELECT 1 / 0").await, Some(SqlState::DIVISION_BY_ZERO));
}

#[tokio::test]
async fn while_an_instance_is_down_nobody_listens_and_the_proxy_follows_the_name() {
    let stage = Stage::open().await;
    let client = stage.client("dev").await.expect("a session");
    let who = "SELECT aurora_db_instance_identifier()";
    let before: String = client.query_one(who, &[]).await.expect("answered").get(0);
    let address = stage.cluster("dev", |cluster| {
        let instance = cluster.instance_mut(&before).expect("the writer");
        instance.up = false;
        instance.listens.expect("it listened")
    });
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "it listens although it is down");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(client.query_one(who, &[]).await.is_err());
    stage.client("dev").await.expect_err("the proxy still leads to the instance that is down");
    stage.cluster("dev", |cluster| {
        let other = cluster.instances.iter().find(|instance| instance.id != before).expect("a reader").id.clone();
        cluster.dns_writer = other;
    });
    let client = stage.client("dev").await.expect("a session with the other");
    assert_ne!(client.query_one(who, &[]).await.expect("answered").get::<_, String>(0), before);
}
