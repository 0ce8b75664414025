//! The cockpit against real PostgreSQL servers behind the simulated site, and the same against the embedded ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/flip.rs"]
#[allow(dead_code)]
mod flip;
#[path = "support/tools.rs"]
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use flip::{Flip, Stage, connect};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// What the site says where there is no PostgreSQL to start.
const NOT_INSTALLED: &str = "needs PostgreSQL's servers";

/// How far the measured disruption may be off from what the independent writer felt, in milliseconds, beyond what it says
/// itself: on a machine that other tests keep busy, either of the two may wait for its turn to connect again.
const AGREES: f64 = 100.0;
/// How many milliseconds after the promoted server takes writes a witness must have named it.
const NAMED: f64 = 300.0;

fn cockpit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"));
    command.stdin(Stdio::null());
    command
}

fn rollout(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A rehearsal without hands; none where PostgreSQL is not installed.
fn rehearse(kind: &str) -> Option<Value> {
    let state = tempfile::tempdir().unwrap();
    let mut command = cockpit();
    command.arg("--state-dir").arg(state.path()).arg("rehearse").arg("--rollout").arg(rollout("databases.toml"));
    let output: Output =
        command.args(["--auto", "--output", "json", "--speed", "30", "--postgres", kind]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if words.contains(NOT_INSTALLED) {
        tools::missing("PostgreSQL");
        return None;
    }
    assert!(output.status.success(), "{}: {words}", output.status);
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What must hold after a rehearsal, whatever stands behind the endpoints.
fn holds(run: &Value) {
    let partition = &run["partitions"][0];
    for step in partition["steps"].as_array().unwrap() {
        assert_eq!(step["state"], "PASSED", "{step:#}");
    }
    let failover = &partition["failovers"][0];
    assert!(failover["to"].as_str().unwrap().ends_with("reader1"), "{failover:#}");
    assert!(!failover["disruption"].is_null(), "writes were tried through the endpoint: {failover:#}");
    let new = &failover["to"];
    let named = |witness: &Value| {
        let milestones = failover["milestones"].as_array().unwrap();
        let names = |it: &Value| it["moment"] == "names-writer" && it["instance"] == *new;
        milestones.iter().any(|it| it["witness"] == *witness && names(it))
    };
    let witnesses =
        [json!("sql-endpoint"), json!("writes"), json!({ "sql-instance": new }), json!("dns"), json!("api-writer")];
    for witness in witnesses {
        assert!(named(&witness), "{witness} never named the new writer: {failover:#}");
    }
}

#[test]
fn a_rehearsal_passes_on_real_servers() {
    let Some(run) = rehearse("real") else { return };
    holds(&run);
}

#[test]
fn the_same_rehearsal_passes_on_embedded_servers() {
    holds(&rehearse("embedded").unwrap());
}

/// A site, and the Python that writes; none where one of them cannot be had.
async fn stage(speed: &str) -> Option<(Stage, PathBuf)> {
    let Some(python) = flip::python() else {
        tools::missing("psycopg");
        return None;
    };
    let Some(stage) = Stage::open(speed).await else {
        tools::missing("PostgreSQL");
        return None;
    };
    stage.make_table().await;
    Some((stage, python))
}

/// Holds what the cockpit says of a failover against what programs felt that know nothing of it.
fn agrees(what: &str, flip: &Flip) {
    let Flip { felt, measured, uncertainty, named, .. } = flip;
    println!("{what}: felt {felt:.0} ms, measured {measured:.0} ms ± {uncertainty:.0} ms; named {named:.0?} ms after");
    assert!(
        (measured - felt).abs() <= uncertainty + AGREES,
        "{what}: felt {felt:.0} ms, measured {measured:.0} ± {uncertainty:.0} ms"
    );
    assert!(flip.detected() <= NAMED, "{what}: named {named:.0?} ms after it took writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_measured_disruption_is_what_an_independent_writer_felt() {
    let Some((stage, python)) = stage("5").await else { return };
    let flip = stage.flip(&python).await;
    agrees("a flip", &flip);

    // A real promotion, and a demoted writer that follows: whatever was acknowledged is on both.
    let new = connect(&stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERREADER1")).await.unwrap();
    let in_recovery = |row: tokio_postgres::Row| row.get::<_, bool>(0);
    assert!(!in_recovery(new.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap()));
    let there = numbers(&new).await;
    let acknowledged = flip.beats.iter().filter(|beat| beat.taken).map(|beat| beat.number);
    assert!(
        acknowledged.into_iter().all(|number| there.binary_search(&number).is_ok()),
        "an acknowledged write is lost"
    );
    let old = connect(&stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERWRITER")).await.unwrap();
    assert!(in_recovery(old.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap()));
    let caught_up = async {
        while numbers(&old).await.len() < there.len() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), caught_up).await.expect("the demoted writer follows the new one");
    assert!(stage.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_flip_is_measured_as_it_was_felt() {
    let Some((stage, python)) = stage("1.5").await else { return };
    let flip = stage.flip(&python).await;
    agrees("a slow flip", &flip);
    assert!(flip.felt > 4_000.0, "it was slow: {:.0} ms", flip.felt);
    assert!(stage.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_whose_name_lags_is_measured_as_it_was_felt() {
    let Some((stage, python)) = stage("5").await else { return };
    // The name follows when the old writer is long back, as a reader.
    stage.delay_name(20.0).await;
    let flip = stage.flip(&python).await;
    agrees("a flip whose name lags", &flip);
    assert!(flip.named["dns"] > 2_500.0, "the name lagged: {:?}", flip.named);
    assert!(stage.end().await.success());
}

async fn numbers(client: &tokio_postgres::Client) -> Vec<i64> {
    let rows = client.query("SELECT number FROM beats ORDER BY number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn servers_do_not_outlive_a_site_that_is_killed() {
    let Some(mut stage) = Stage::open("5").await else { return tools::missing("PostgreSQL") };
    let endpoint = stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERWRITER");
    let (host, port) = (endpoint.get_hostaddrs()[0], endpoint.get_ports()[0]);
    assert!(tokio::net::TcpStream::connect((host, port)).await.is_ok());
    stage.process.kill().unwrap();
    stage.process.wait().unwrap();
    let gone = async {
        while tokio::net::TcpStream::connect((host, port)).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("the servers end with their site");
}
