//! A place of a test's own: a state directory, and the site that lives in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::ledger::{self, Ledger};

/// The binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_aurora-cockpit");

/// How long anything may take that is waited for; far more than it takes on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// A state directory, a home, and an environment in which nothing of the user's is found. Dropping it ends its site.
pub struct Place {
    dir: TempDir,
    env: BTreeMap<String, String>,
    /// Where the site's passwords and keys come from; none is the site's usual one.
    seed: Option<u64>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("everything said is UTF-8");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Place {
    /// A place without a site.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("cockpit-").tempdir().expect("a directory");
        let home = dir.path().join("home");
        fs::create_dir(&home).expect("a home");
        let path = std::env::var("PATH").expect("a PATH");
        let env = [
            ("HOME", home.to_str().expect("a name in UTF-8")),
            ("PATH", &path),
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("USER", "jmp"),
            ("TZ", "America/Los_Angeles"),
        ];
        Self { env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), dir, seed: None }
    }

    /// A place with a site of its own that runs already; every command finds it.
    pub fn with_site(speed: u32) -> Self {
        Self::with_site_of(speed, super::ROLLOUT)
    }

    /// The same, made from another rollout file.
    pub fn with_site_of(speed: u32, rollout: &str) -> Self {
        let mut place = Self::new();
        place.begin_site(speed, rollout);
        place
    }

    /// The same, whose passwords and keys come from that seed.
    pub fn with_site_of_seed(speed: u32, rollout: &str, seed: u64) -> Self {
        let mut place = Self::new();
        place.seed = Some(seed);
        place.begin_site(speed, rollout);
        place
    }

    /// Starts a site of this place's own, in its environment as it is now; every further command finds it.
    pub fn begin_site(&mut self, speed: u32, rollout: &str) {
        let site = self.site();
        fs::create_dir_all(self.state()).expect("a state directory");
        let log = self.dir.path().join("site.log");
        let words = fs::File::create(&log).expect("a log");
        let mut command = self.command(&[]);
        command.args(["sim", "--own-session", "--speed", &speed.to_string(), "--rollout", rollout]);
        command.args(self.seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
        command.arg("--dir").arg(&site).arg("--env-file").arg(site.join("environment"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).spawn().expect("a site");
        wait_until("the site is ready", || {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "the site ended: {}", fs::read_to_string(&log).unwrap_or_default());
            self.announcement().is_some()
        });
        // Ends with the place; somebody has to see it off.
        std::thread::spawn(move || child.wait());
        self.lead_to_the_site();
    }

    /// Leads every further command to the site that was announced here, as its environment file leads a shell.
    pub fn lead_to_the_site(&mut self) {
        let announced = self.announcement().expect("a site");
        for pair in announced["env"].as_array().expect("variables") {
            let (name, value) = (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
            let value = if name == "PATH" { format!("{value}:{}", self.env["PATH"]) } else { value.to_owned() };
            self.env.insert(name.to_owned(), value);
        }
    }

    /// Sets a variable for every further command.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.insert(name.to_owned(), value.into());
    }

    /// The environment of every command.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The directory that holds everything.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The site's directory, where `demo` and `rehearse` have it.
    pub fn site(&self) -> PathBuf {
        self.state().join("site")
    }

    /// The binary with these arguments, on this state directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().envs(&self.env).current_dir(self.dir.path());
        command.args(arguments).stdin(Stdio::null());
        if !arguments.is_empty() {
            command.arg("--state-dir").arg(self.state());
        }
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the binary starts").into()
    }

    /// Runs a command line as it is typed into a shell that finds the binary on its PATH.
    pub fn shell(&self, line: &str) -> Said {
        let programs = Path::new(BINARY).parent().expect("a directory").display();
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().envs(&self.env).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("PATH", format!("{programs}:{}", self.env["PATH"]));
        command.output().expect("a shell").into()
    }

    /// The ledger of the living site.
    pub fn ledger(&self) -> Ledger {
        Ledger::at(&self.address().expect("a site"))
    }

    /// The address of the living site.
    pub fn address(&self) -> Option<String> {
        Some(self.announcement()?["address"].as_str()?.to_owned())
    }

    /// The process of the living site.
    pub fn site_process(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.announcement()?["pid"].as_i64()?).ok()?)
    }

    /// How a step of the latest run stands, as `status` says it.
    pub fn step(&self, partition: &str, step: &str) -> Value {
        let status = self.run(&["status", "--output", "json"]).json();
        step_of(&status, partition, step)
    }

    /// Events of the latest run, by their name in the journal.
    pub fn events(&self, name: &str) -> usize {
        let journal = fs::read_to_string(self.journal()).expect("a journal");
        journal.lines().filter(|line| line.contains(&format!("\"kind\":\"{name}\""))).count()
    }

    /// The journal of the only run.
    pub fn journal(&self) -> PathBuf {
        let mut runs = fs::read_dir(self.state().join("runs")).expect("runs");
        runs.next().expect("a run").expect("a directory").path().join("journal.jsonl")
    }

    fn announcement(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.site().join("site.json")).ok()?).ok()
    }
}

impl Place {
    /// Ends what outlives its cockpit, as it should: where a test failed, one that prints would fill the disk.
    fn end_programs(&self) {
        let below = |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten();
        for program in below(self.state().join("runs")).flat_map(|run| below(run.path().join("programs"))) {
            let pid = fs::read_to_string(program.path().join("pid")).ok().and_then(|pid| pid.trim().parse().ok());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                // It leads a session, and with it a group, of its own. One that has ended hears nothing.
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.end_programs();
        let (Some(address), Some(process)) = (self.address(), self.site_process()) else { return };
        // One that was stopped must go on to hear that it is to end.
        let _ = kill_process(process, Signal::CONT);
        ledger::ask(&address, "POST", "/__sim/end");
        let until = Instant::now() + Duration::from_secs(10);
        while test_kill_process(process).is_ok() && self.announcement().is_some() {
            if Instant::now() > until {
                let _ = kill_process(process, Signal::KILL);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A step in the JSON of `status`, `exec` and `rehearse`.
pub fn step_of(status: &Value, partition: &str, step: &str) -> Value {
    let find = |list: &Value, key: &str, name: &str| {
        let found = list.as_array().and_then(|list| list.iter().find(|each| each[key] == name));
        found.cloned().unwrap_or_else(|| panic!("no {key} {name} in {list:#}"))
    };
    find(&find(&status["partitions"], "partition", partition)["steps"], "step", step)
}

/// Waits for what nothing announces.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
