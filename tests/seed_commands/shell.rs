//! The site, and shells that source its environment.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::table::Partition;
use super::tools::Tools;

/// How long a command may take at most: a waiter asks every 30 s.
const LIMIT: Duration = Duration::from_secs(150);

/// A running site with its environment file. The site ends with the last of its shells.
#[derive(Clone)]
pub struct Shell(Arc<Site>);

struct Site {
    process: Child,
    path: String,
    directory: tempfile::TempDir,
}

/// What a shell knows beside the site's environment: the runbook's variables.
pub struct Place {
    /// The partition.
    pub partition: Partition,
    /// What earlier commands found.
    pub variables: BTreeMap<String, String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; none where it was ended by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

/// A command to run.
pub struct CommandLine {
    /// As it is typed.
    pub text: String,
    /// Directory below the site's own.
    pub directory: String,
}

impl Shell {
    /// Starts the site and waits for its environment file.
    pub fn start(tools: &Tools, speed: f64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("environment");
        let mut process = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"))
            .args(["sim", "--listen", "127.0.0.1:0", "--speed", &speed.to_string(), "--env-file"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !file.exists() {
            assert!(process.try_wait().unwrap().is_none(), "the site ended before it was ready");
            assert!(Instant::now() < until, "the site was not ready within a minute");
            thread::sleep(Duration::from_millis(50));
        }
        Self(Arc::new(Site { process, path: tools.path(), directory }))
    }

    /// Runs a command line in `bash` and waits for its end, or ends it after `follow`.
    pub fn run(&self, place: &Place, line: &CommandLine, follow: Option<Duration>) -> Outcome {
        let mut command = Command::new("bash");
        command.args(["-c", &self.script(place, &line.text)]).current_dir(self.tree().join(&line.directory));
        command.env("PATH", &self.0.path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it started can be ended with it.
        let begun = Instant::now();
        let mut child = command.process_group(0).spawn().unwrap();
        let (out, err) = (reader(child.stdout.take().unwrap()), reader(child.stderr.take().unwrap()));
        let limit = follow.unwrap_or(LIMIT);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > limit {
                end_group(&child);
                break child.wait().unwrap();
            }
            thread::sleep(Duration::from_millis(20));
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        Outcome { code: status.code(), out, err, took: begun.elapsed() }
    }

    /// The directory in which the site has its working trees.
    fn tree(&self) -> PathBuf {
        self.0.directory.path().join("environment.site")
    }

    /// Sources the environment, sets the runbook's variables, and then the command as it is typed.
    fn script(&self, place: &Place, command: &str) -> String {
        let Partition { name, infra, profile, op_item } = &place.partition;
        let cluster = format!("{infra}-{name}-AuroraCluster");
        let host = format!("PGHOST_{}", cluster.to_uppercase().replace('-', "_"));
        let mut script = format!(
            ". '{}'\nINFRA={infra} PARTITION={name} PROFILE={profile} OP_ITEM={op_item} CLUSTER_ID={cluster}\n\
             SNAPSHOT_ID=\"${{INFRA}}-${{PARTITION}}-pdev479-pre-rollout\"\n\
             export PGHOST=\"${host}\" PGUSER='{name}-operations.ItemDb' PGDATABASE='{name}-operations.item_db'\n",
            environment(self.0.directory.path()).display()
        );
        for (variable, value) in &place.variables {
            script.push_str(&format!("{variable}='{}'\n", value.replace('\'', "'\\''")));
        }
        script.push_str(command);
        script
    }
}

impl Place {
    /// A partition, and nothing found yet.
    pub fn of(partition: Partition) -> Self {
        Self { partition, variables: BTreeMap::new() }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.process.id()).unwrap_or_default()) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

fn environment(directory: &Path) -> PathBuf {
    directory.join("environment")
}

/// Reads all that a pipe brings, so that whoever writes is never held up.
fn reader(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn end_group(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::TERM);
    }
}
