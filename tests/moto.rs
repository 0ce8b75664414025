//! A rollout of RDS alone, against somebody else's idea of RDS: a moto server, by the untouched binary.
//!
//! moto knows no transitions: a failover has taken place before its answer arrives, and a reboot leaves no trace at all.
//! The first must count as a witnessed change, the second must not count as a restart.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/tools.rs"]
mod tools;

use std::env;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

const ROLLOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rds-only.toml");

/// A program that a variable names, or that is on PATH.
fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = env::var_os(variable).map(PathBuf::from).filter(|named| named.is_file()) {
        return Some(named);
    }
    env::split_paths(&env::var_os("PATH")?).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}

/// A moto server with two clusters of a writer and a reader, and a place for runs.
struct Stage {
    moto: Child,
    endpoint: String,
    aws: PathBuf,
    dir: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.moto.kill();
        let _ = self.moto.wait();
    }
}

impl Stage {
    fn open() -> Option<Self> {
        let Some(moto) = program("COCKPIT_TEST_MOTO", "moto_server") else {
            tools::missing("moto");
            return None;
        };
        let Some(aws) = program("COCKPIT_TEST_AWS", "aws") else {
            tools::missing("aws");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let moto = Command::new(moto)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto starts");
        let endpoint = format!("http://127.0.0.1:{port}");
        let mut stage = Self { moto, endpoint, aws, dir: tempfile::tempdir().unwrap() };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(stage.moto.try_wait().unwrap().is_none(), "moto ended before it listened");
            assert!(Instant::now() < until, "moto does not listen");
            sleep(Duration::from_millis(50));
        }
        for partition in ["one", "two"] {
            stage.create_cluster(partition);
        }
        Some(stage)
    }

    fn create_cluster(&self, partition: &str) {
        let cluster = format!("Alpha-{partition}-AuroraCluster");
        let engine = ["--engine", "aurora-postgresql"];
        let master = ["--master-username", "operator", "--master-user-password", "not-a-secret"];
        self.rds(&[&["create-db-cluster", "--db-cluster-identifier", &cluster], &engine[..], &master].concat());
        for role in ["Writer", "Reader1"] {
            let instance = format!("{cluster}{role}");
            let named = ["create-db-instance", "--db-instance-identifier", &instance];
            let member = ["--db-cluster-identifier", &cluster, "--db-instance-class", "db.t3.medium"];
            self.rds(&[&named[..], &member, &engine].concat());
        }
    }

    /// A configuration with one profile that leads to moto.
    fn write_profile(&self) {
        let keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n";
        let config = format!("[profile Moto]\nregion = us-east-1\n{keys}");
        std::fs::write(self.dir.path().join("config"), config).unwrap();
    }

    /// Asks moto with the real `aws`; its answer.
    fn rds(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(&self.aws);
        command.args(["--endpoint-url", &self.endpoint, "--output", "json", "rds"]).args(arguments);
        let output = self.in_its_account(&mut command).output().unwrap();
        assert!(output.status.success(), "aws rds {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Dummy keys for the endpoint, and nothing of the user's own.
    fn in_its_account<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", "testing")
            .env("AWS_SECRET_ACCESS_KEY", "testing")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", self.dir.path().join("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.dir.path().join("no-credentials"))
    }

    fn cockpit(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"));
        command.arg("--state-dir").arg(self.dir.path().join("state")).args(arguments).stdin(Stdio::null());
        self.in_its_account(&mut command).env_remove("AURORA_COCKPIT_OVERLAY").output().unwrap()
    }

    /// Fires; the exit code and how the run stands then.
    fn exec(&self, partition: &str, arguments: &[&str]) -> (i32, Value) {
        let command = ["exec", "--rollout", ROLLOUT, "--output", "json", "--partition", partition];
        let output = self.cockpit(&[&command[..], arguments].concat());
        let code = output.status.code().unwrap();
        let summary = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (code, summary)
    }

    /// The writer as moto itself names it.
    fn writer(&self, partition: &str) -> String {
        let cluster = format!("alpha-{partition}-auroracluster");
        let answer = self.rds(&["describe-db-clusters", "--db-cluster-identifier", &cluster]);
        let members = answer["DBClusters"][0]["DBClusterMembers"].as_array().unwrap().clone();
        let writers: Vec<_> = members.iter().filter(|member| member["IsClusterWriter"] == true).collect();
        assert_eq!(writers.len(), 1, "{members:?}");
        writers[0]["DBInstanceIdentifier"].as_str().unwrap().to_owned()
    }

    fn snapshots(&self) -> usize {
        let answer = self.rds(&["describe-db-cluster-snapshots", "--snapshot-type", "manual"]);
        answer["DBClusterSnapshots"].as_array().map_or(0, Vec::len)
    }
}

fn partition<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["partitions"].as_array().unwrap().iter().find(|each| each["partition"] == name).unwrap()
}

fn step<'a>(run: &'a Value, name: &str, step: &str) -> &'a Value {
    partition(run, name)["steps"].as_array().unwrap().iter().find(|each| each["step"] == step).unwrap()
}

fn states(run: &Value, name: &str) -> Vec<String> {
    let steps = partition(run, name)["steps"].as_array().unwrap();
    steps.iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_rollout_of_rds_alone_runs_against_moto() {
    let Some(stage) = Stage::open() else { return };
    for name in ["one", "two"] {
        take_through(&stage, name);
    }
    assert!(stage.cockpit(&["verify"]).status.success(), "the journal is whole");
    let report = stage.cockpit(&["report"]);
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("NO-OP") && report.contains("alpha-two-auroraclusterreader1"), "{report}");
}

fn take_through(stage: &Stage, name: &str) {
    let (old, new) = (format!("alpha-{name}-auroraclusterwriter"), format!("alpha-{name}-auroraclusterreader1"));
    assert_eq!(stage.writer(name), old);

    // moto's reboot does nothing, and says so by no event and no status: that is no restart.
    let (code, run) = stage.exec(name, &["--all", "--yes"]);
    assert_eq!(code, 1, "{run:#}");
    assert_eq!(states(&run, name)[..3], ["PASSED", "PASSED", "FAILED"], "{run:#}");
    let finding = &step(&run, name, "reader")["attempts"][0]["outcome"]["finding"];
    assert!(finding["cause"].as_str().unwrap().starts_with("NO-OP: "), "{finding:#}");
    assert_eq!(stage.snapshots(), 1);

    // What waits for it stays locked until somebody answers for it.
    let refused = stage.cockpit(&["exec", "--rollout", ROLLOUT, "--partition", name, "--step", "failover", "--yes"]);
    assert_eq!(refused.status.code(), Some(3));
    assert_eq!(stage.writer(name), old, "nothing was sent");
    let reason = "moto reboots without a trace";
    let (code, run) = stage.exec(name, &["--step", "reader", "--skip", reason]);
    assert_eq!((code, &step(&run, name, "reader")["state"]), (0, &Value::from("SKIPPED")), "{run:#}");

    // moto's failover is over before its answer arrives: the writer moved, and that is what counts.
    let (code, run) = stage.exec(name, &["--all", "--yes"]);
    assert_eq!(code, 0, "{run:#}");
    assert_eq!(stage.writer(name), new);
    let failover = &step(&run, name, "failover")["attempts"][0];
    let checks = failover["checks"].as_array().unwrap();
    assert!(!checks.is_empty() && checks.iter().all(|check| check["verdict"] == "passed"), "{failover:#}");
    let measured = &partition(&run, name)["failovers"][0];
    assert_eq!((&measured["from"], &measured["to"]), (&Value::from(old), &Value::from(new)));
    assert!(measured["disruption"].is_null(), "nobody wrote, so nothing is known of a disruption");
    assert_eq!(states(&run, name)[3..5], ["PASSED", "PASSED"]);
    assert_eq!(stage.snapshots(), 0);

    // The next partition waits for a person's word.
    if name == "one" {
        let early = stage.cockpit(&["exec", "--rollout", ROLLOUT, "--partition", "two", "--all", "--yes"]);
        assert_eq!(early.status.code(), Some(3), "{}", String::from_utf8_lossy(&early.stderr));
    }
    let (code, run) = stage.exec(name, &["--step", "go-ahead", "--yes"]);
    assert_eq!(code, 0);
    assert!(partition(&run, name)["go_ahead"].is_string() && partition(&run, name)["through"] == true, "{run:#}");
}

#[test]
fn a_drafted_file_holds_what_aws_itself_answers() {
    let Some(stage) = Stage::open() else { return };
    stage.write_profile();
    let master = ["--master-username", "operator", "--master-user-password", "not-a-secret"];
    let other = ["create-db-cluster", "--db-cluster-identifier", "Alpha-mysql", "--engine", "aurora-mysql"];
    stage.rds(&[&other[..], &master].concat());

    let file = stage.dir.path().join("found.toml");
    let file = file.to_str().unwrap();
    let said = stage.cockpit(&["init", file, "--profile", "Moto"]);
    assert!(said.status.success(), "{said:?}");
    assert!(stage.cockpit(&["config", "validate", file]).status.success());
    let shown = stage.cockpit(&["config", "show", file]);
    let plan: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let drafted = plan["partitions"].as_array().unwrap();
    let names: Vec<_> = drafted.iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one", "two"], "Aurora MySQL is none of ours");
    for partition in drafted {
        assert_eq!(partition["aws"]["account"], "123456789012");
        let id = partition["cluster"]["id"].as_str().unwrap();
        let answer = stage.rds(&["describe-db-clusters", "--db-cluster-identifier", id]);
        let cluster = &answer["DBClusters"][0];
        assert_eq!(cluster["DBClusterIdentifier"], id);
        assert_eq!(partition["cluster"]["group_before"], cluster["DBClusterParameterGroup"]);
        let mut members = cluster["DBClusterMembers"].as_array().unwrap().clone();
        members.sort_by_key(|member| member["IsClusterWriter"] != true);
        let members: Vec<_> = members.iter().map(|member| &member["DBInstanceIdentifier"]).collect();
        assert_eq!(partition["cluster"]["expected_members"], serde_json::json!(members));
        let answer = stage.rds(&["describe-db-instances", "--db-instance-identifier", members[0].as_str().unwrap()]);
        assert_eq!(partition["cluster"]["class_before"], answer["DBInstances"][0]["DBInstanceClass"]);
        let text = std::fs::read_to_string(file).unwrap();
        let endpoint = format!("{}:{}", cluster["Endpoint"].as_str().unwrap(), cluster["Port"]);
        assert!(text.contains(&format!("writer endpoint: {endpoint}\n")), "{endpoint}: {text}");
    }
}
