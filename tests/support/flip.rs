//! A failover on real PostgreSQL servers, felt by programs that know nothing of the cockpit: one writes through the endpoint
//! every 10 ms, one tries the server that is promoted every 5 ms.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurora_cockpit::sim::launch::Started;
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

/// What the site says where there is no PostgreSQL to start.
const NOT_INSTALLED: &str = "needs PostgreSQL's servers";

/// The database and the role of the fixture `failover.toml`.
const DATABASE: &str = "stage-operations.item_db";

/// The rollout that is a failover and nothing else.
pub fn rollout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/failover.toml")
}

/// The Python that has psycopg; none where there is none.
pub fn python() -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/venv/bin/python");
    let python = std::env::var_os("COCKPIT_TEST_PYTHON").map_or(usual, PathBuf::from);
    let has = Command::new(&python).args(["-c", "import psycopg"]).stderr(Stdio::null()).status();
    has.is_ok_and(|status| status.success()).then_some(python)
}

/// A site with real servers, in a process of its own.
pub struct Stage {
    pub site: Started,
    pub process: Child,
    pub dir: TempDir,
}

impl Stage {
    /// Opens one; none where PostgreSQL is not installed.
    pub async fn open(speed: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("site");
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"));
        command.args(["sim", "--postgres", "real", "--speed", speed, "--rollout"]).arg(rollout()).stdin(Stdio::null());
        command.arg("--env-file").arg(dir.path().join("environment")).arg("--dir").arg(&place);
        let mut process = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(site) = Started::find(&place).await {
                return Some(Self { site, process, dir });
            }
            if let Some(status) = process.try_wait().unwrap() {
                let words = fs::read_to_string(dir.path().join("log")).unwrap();
                assert!(words.contains(NOT_INSTALLED), "{status}: {words}");
                return None;
            }
            assert!(Instant::now() < until, "the site does not get ready");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn variable(&self, name: &str) -> String {
        self.site.env.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("no {name}")).1.clone()
    }

    /// How to sign in where that variable leads, as the site's own pgpass says.
    pub fn config(&self, variable: &str) -> tokio_postgres::Config {
        let host = self.variable(variable);
        let lines = fs::read_to_string(self.variable("PGPASSFILE")).unwrap();
        let line = lines.lines().find(|line| line.starts_with(&format!("{host}:"))).unwrap();
        let fields: Vec<&str> = line.split(':').collect();
        let mut config = tokio_postgres::Config::new();
        config.host(&host).hostaddr(host.parse().unwrap()).port(fields[1].parse().unwrap());
        config.user(fields[3]).password(fields[4]).dbname(DATABASE).connect_timeout(Duration::from_secs(2));
        config
    }

    /// Has the endpoint's name follow the writer that many site seconds later than usual.
    pub async fn delay_name(&self, late_s: f64) {
        let url = format!("{}/__sim/names", self.site.address);
        let body = json!({ "partition": "stage", "late_s": late_s });
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    /// The table that is written to.
    pub async fn make_table(&self) {
        let endpoint = self.config("PGHOST_ALPHA002_STAGE_AURORACLUSTER");
        let owner = connect(&endpoint).await.unwrap();
        owner.batch_execute("CREATE TABLE beats (number bigint, who bigint)").await.unwrap();
    }

    /// The cluster as the site knows it.
    pub async fn cluster(&self) -> Value {
        let state = reqwest::get(format!("{}/__sim/state", self.site.address)).await.unwrap();
        let state: Value = state.json().await.unwrap();
        state["partitions"][0]["cluster"].clone()
    }

    /// Fails over once, as an operator without a screen does, and says what everybody saw.
    pub async fn flip(&self, python: &Path) -> Flip {
        let cluster = self.cluster().await;
        let endpoint = cluster["endpoint"].as_str().unwrap();
        let instances: Vec<&str> =
            cluster["instances"].as_array().unwrap().iter().map(|each| each["id"].as_str().unwrap()).collect();
        let new = (*instances.iter().find(|id| cluster["writer"] != **id).unwrap()).to_owned();
        let (_, host) = endpoint.split_once(".cluster-").unwrap();
        let mut writer = self.beats(python, endpoint, &[]);
        let mut watcher = self.beats(python, &format!("{new}.{host}"), &["--stay", "--beat-ms", "5"]);
        writer.until_it_speaks().await;
        watcher.until_it_speaks().await;

        let state = tempfile::tempdir().unwrap();
        let mut exec = self.site.command(env!("CARGO_BIN_EXE_aurora-cockpit"));
        exec.arg("--state-dir").arg(state.path()).args(["exec", "--rollout"]).arg(rollout());
        exec.args(["--partition", "stage", "--step", "failover", "--yes", "--output", "json"]).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || exec.output().unwrap()).await.unwrap();
        let run: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert!(output.status.success(), "{run:#}");
        let measure = run["partitions"][0]["failovers"][0].clone();
        Flip::of(new, &measure, writer.stop(), &watcher.stop())
    }

    fn beats(&self, python: &Path, name: &str, more: &[&str]) -> Beats {
        let log = self.dir.path().join(format!("{name}-{}.log", fastrand::u32(..)));
        let config = self.config("PGHOST_ALPHA002_STAGE_AURORACLUSTER");
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/writer.py"));
        command.args(["--dns", &self.variable("AURORA_COCKPIT_RESOLVER"), "--name", name]);
        command.args(["--port", &config.get_ports()[0].to_string(), "--user", config.get_user().unwrap()]);
        command.args(["--database", DATABASE]).args(more).arg("--log").arg(&log);
        command.env("PGPASSWORD", String::from_utf8_lossy(config.get_password().unwrap()).as_ref());
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Beats { process, log }
    }

    /// Ends it; how it ended.
    pub async fn end(mut self) -> std::process::ExitStatus {
        self.site.end().await;
        tokio::task::spawn_blocking(move || self.process.wait().unwrap()).await.unwrap()
    }
}

pub async fn connect(config: &tokio_postgres::Config) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// A program that writes.
struct Beats {
    process: Child,
    log: PathBuf,
}

impl Drop for Beats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A write, by the writer's own clock in nanoseconds since 1970.
#[derive(Debug, Clone)]
pub struct Beat {
    sent: i128,
    answered: i128,
    pub taken: bool,
    pub number: i64,
}

impl Beats {
    fn read(&self) -> Vec<Beat> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        // The last line may not be whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let beat = |line: &str| {
            let fields: Vec<&str> = line.split(' ').collect();
            let (sent, answered) = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
            Beat { sent, answered, taken: fields[2] == "ok", number: fields[3].parse().unwrap() }
        };
        whole.lines().map(beat).collect()
    }

    async fn until_it_speaks(&mut self) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.read().is_empty() {
            assert!(Instant::now() < until && self.process.try_wait().unwrap().is_none(), "{:?} is silent", self.log);
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn stop(mut self) -> Vec<Beat> {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.process.wait().unwrap();
        self.read()
    }
}

/// What everybody saw of one failover. Lengths and moments in milliseconds.
#[derive(Debug, Clone)]
pub struct Flip {
    /// The instance that became the writer.
    pub new: String,
    /// From the first write that failed until the first that went through for good, as the writer felt it.
    pub felt: f64,
    /// The same as the cockpit measured it, and how far that may be off by its own word.
    pub measured: f64,
    pub uncertainty: f64,
    /// When the promoted server first took a write, in nanoseconds since 1970.
    pub writable_at: i128,
    /// How long after that each of the cockpit's witnesses named it.
    pub named: BTreeMap<String, f64>,
    /// What the writer wrote.
    pub beats: Vec<Beat>,
}

impl Flip {
    fn of(new: String, measure: &Value, beats: Vec<Beat>, watched: &[Beat]) -> Self {
        let first = beats.iter().find(|beat| !beat.taken).expect("the writer felt it");
        let last = beats.iter().rposition(|beat| !beat.taken).unwrap();
        let again = beats.get(last + 1).expect("writes go through again");
        let refused = watched.iter().position(|beat| !beat.taken).expect("it was no writer before");
        let writable = watched[refused..].iter().find(|beat| beat.taken).expect("it was promoted");
        let accepted: Timestamp = measure["accepted_at"].as_str().unwrap().parse().unwrap();
        let mut named = BTreeMap::new();
        for milestone in measure["milestones"].as_array().unwrap() {
            if milestone["moment"] != "names-writer" || milestone["instance"] != new.as_str() {
                continue;
            }
            let at = accepted.as_nanosecond() + i128::from(milestone["after_ms"].as_i64().unwrap()) * 1_000_000;
            let by = milestone["witness"].as_str().map_or_else(|| milestone["witness"].to_string(), str::to_owned);
            named.entry(by).or_insert(millis(at - writable.answered));
        }
        let duration = |name: &str| {
            let length: Duration = serde_json::from_value(measure["disruption"][name].clone()).unwrap();
            length.as_secs_f64() * 1000.0
        };
        Self {
            new,
            felt: millis(again.answered - first.sent),
            measured: duration("length"),
            uncertainty: duration("uncertainty"),
            writable_at: writable.answered,
            named,
            beats,
        }
    }

    /// How long after the promoted server took writes the first witness named it; negative where it was named before the
    /// watcher's next write.
    pub fn detected(&self) -> f64 {
        self.named.values().copied().fold(f64::INFINITY, f64::min)
    }
}

#[allow(clippy::cast_precision_loss)]
fn millis(nanoseconds: i128) -> f64 {
    nanoseconds as f64 / 1e6
}
