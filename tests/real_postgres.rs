//! The cockpit against real PostgreSQL servers behind the simulated site, and the same against the embedded ones.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/tools.rs"]
mod tools;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aurora_cockpit::sim::launch::Started;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

/// What the site says where there is no PostgreSQL to start.
const NOT_INSTALLED: &str = "needs PostgreSQL's servers";

/// How often the independent writer writes.
const BEAT: Duration = Duration::from_millis(10);
/// How far the cockpit's measurement may be off beyond what it says itself: scheduling, on a machine that is busy.
const TOLERANCE: Duration = Duration::from_millis(250);

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
    let named = |witness: &str| {
        let milestones = failover["milestones"].as_array().unwrap();
        milestones.iter().any(|it| it["witness"] == witness && it["what"].as_str().unwrap().contains("reader1 writer"))
    };
    for witness in ["SQL endpoint", "SQL alpha002-stage-auroraclusterreader1", "DNS", "API writer"] {
        assert!(named(witness), "{witness} never named the new writer: {failover:#}");
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

/// A site with real servers, in a process of its own.
struct Stage {
    site: Started,
    process: Child,
    dir: TempDir,
}

impl Stage {
    /// Opens one; none where PostgreSQL is not installed.
    async fn open(rollout: &Path, speed: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("site");
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = cockpit();
        command.args(["sim", "--postgres", "real", "--speed", speed, "--rollout"]).arg(rollout);
        command.arg("--env-file").arg(dir.path().join("environment")).arg("--dir").arg(&place);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(site) = Started::find(&place).await {
                return Some(Self { site, process, dir });
            }
            if let Some(status) = process.try_wait().unwrap() {
                let words = std::fs::read_to_string(dir.path().join("log")).unwrap();
                assert!(words.contains(NOT_INSTALLED), "{status}: {words}");
                tools::missing("PostgreSQL");
                return None;
            }
            assert!(Instant::now() < until, "the site does not get ready");
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn variable(&self, name: &str) -> String {
        self.site.env.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
    }

    /// How to sign in where that variable leads, as the site's own pgpass says.
    fn config(&self, variable: &str) -> Config {
        let host = self.variable(variable);
        let lines = std::fs::read_to_string(self.variable("PGPASSFILE")).unwrap();
        let line = lines.lines().find(|line| line.starts_with(&format!("{host}:"))).unwrap();
        let fields: Vec<&str> = line.split(':').collect();
        let mut config = Config::new();
        config.host(&host).hostaddr(host.parse::<IpAddr>().unwrap()).port(fields[1].parse().unwrap());
        config.user(fields[3]).password(fields[4]).dbname("stage-operations.item_db");
        config.connect_timeout(Duration::from_secs(2));
        config
    }

    /// Ends it; how it ended.
    async fn end(mut self) -> std::process::ExitStatus {
        self.site.end().await;
        tokio::task::spawn_blocking(move || self.process.wait().unwrap()).await.unwrap()
    }
}

async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What the independent writer saw, by its own clock.
#[derive(Debug, Default)]
struct Seen {
    /// Writes that the server acknowledged.
    acknowledged: Vec<i64>,
    first_error: Option<Instant>,
    first_success_after: Option<Instant>,
}

/// Writes through the writer endpoint every 10 ms until told to stop, and knows nothing of the cockpit.
fn write_on(config: Config, stop: Arc<AtomicBool>) -> JoinHandle<Seen> {
    tokio::spawn(async move {
        let mut seen = Seen::default();
        let mut session: Option<Client> = None;
        for number in 0_i64.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            match write(&mut session, &config, number).await {
                Ok(()) => {
                    seen.acknowledged.push(number);
                    if seen.first_error.is_some() && seen.first_success_after.is_none() {
                        seen.first_success_after = Some(Instant::now());
                    }
                }
                Err(_) => {
                    session = None;
                    if seen.first_success_after.is_none() {
                        seen.first_error.get_or_insert_with(Instant::now);
                    }
                }
            }
            sleep(BEAT).await;
        }
        seen
    })
}

async fn write(session: &mut Option<Client>, config: &Config, number: i64) -> Result<(), String> {
    let insert = async {
        if session.is_none() {
            *session = Some(connect(config).await.map_err(|error| error.to_string())?);
        }
        let client = session.as_ref().unwrap();
        client.execute("INSERT INTO beats VALUES ($1)", &[&number]).await.map_err(|error| error.to_string())
    };
    timeout(Duration::from_secs(2), insert).await.map_err(|_| "no answer".to_owned())?.map(drop)
}

async fn numbers(client: &Client) -> Vec<i64> {
    let rows = client.query("SELECT number FROM beats ORDER BY number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn duration(value: &Value) -> Duration {
    serde_json::from_value(value.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_measured_disruption_is_what_an_independent_writer_felt() {
    let rollout = rollout("failover.toml");
    let Some(stage) = Stage::open(&rollout, "5").await else { return };
    let endpoint = stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTER");
    let demoted = stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERWRITER");
    let promoted = stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERREADER1");
    let owner = connect(&endpoint).await.unwrap();
    owner.batch_execute("CREATE TABLE beats (number bigint)").await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = write_on(endpoint, stop.clone());

    let mut exec = stage.site.command(env!("CARGO_BIN_EXE_aurora-cockpit"));
    exec.arg("--state-dir").arg(stage.dir.path().join("state")).args(["exec", "--rollout"]).arg(&rollout);
    exec.args(["--partition", "stage", "--step", "failover", "--yes", "--output", "json"]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || exec.output().unwrap()).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let seen = writer.await.unwrap();
    let run: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert!(output.status.success(), "{run:#}");

    let (error, success) = (seen.first_error.expect("an error"), seen.first_success_after.expect("a success"));
    let felt = success - error;
    let disruption = &run["partitions"][0]["failovers"][0]["disruption"];
    let (measured, uncertainty) = (duration(&disruption["length"]), duration(&disruption["uncertainty"]));
    println!("felt {felt:?} by a writer every {BEAT:?}; measured {measured:?} ± {uncertainty:?}");
    assert!(
        measured.abs_diff(felt) <= uncertainty + TOLERANCE,
        "felt {felt:?}, measured {measured:?} ± {uncertainty:?}"
    );

    // A real promotion, and a demoted writer that follows: whatever was acknowledged is on both.
    let new = connect(&promoted).await.unwrap();
    let in_recovery = |row: tokio_postgres::Row| row.get::<_, bool>(0);
    assert!(!in_recovery(new.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap()));
    let there = numbers(&new).await;
    assert!(
        seen.acknowledged.iter().all(|number| there.binary_search(number).is_ok()),
        "an acknowledged write is lost"
    );
    let old = connect(&demoted).await.unwrap();
    assert!(in_recovery(old.query_one("SELECT pg_is_in_recovery()", &[]).await.unwrap()));
    let caught_up = async {
        while numbers(&old).await.len() < there.len() {
            sleep(BEAT).await;
        }
    };
    timeout(Duration::from_secs(20), caught_up).await.expect("the demoted writer follows the new one");
    assert!(stage.end().await.success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn servers_do_not_outlive_a_site_that_is_killed() {
    let Some(mut stage) = Stage::open(&rollout("failover.toml"), "5").await else { return };
    let endpoint = stage.config("PGHOST_ALPHA002_STAGE_AURORACLUSTERWRITER");
    let (host, port) = (endpoint.get_hostaddrs()[0], endpoint.get_ports()[0]);
    assert!(tokio::net::TcpStream::connect((host, port)).await.is_ok());
    stage.process.kill().unwrap();
    stage.process.wait().unwrap();
    let gone = async {
        while tokio::net::TcpStream::connect((host, port)).await.is_ok() {
            sleep(BEAT).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("the servers end with their site");
}
