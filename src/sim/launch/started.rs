//! A site as whoever started it sees it: start it, find it again after a crash, end it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::environment::{FOREIGN, Variables};
use super::{LaunchError, Options, Postgres, write_private};
use crate::sim::world::Site;
use crate::sim::{control, standin};

/// How long a site may take to get ready; a slow machine that starts eight real databases takes most of it.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// How often readiness is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a site is started with.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The site's directory.
    pub dir: PathBuf,
    /// Rollout file; none takes the shipped one.
    pub rollout: Option<PathBuf>,
    /// Scenario, a file or a name; none is a day without trouble.
    pub scenario: Option<String>,
    /// How much faster than the log's times things take.
    pub speed: f64,
    /// Where everything random comes from; the scenario's or the usual one where none is given.
    pub seed: Option<u64>,
    /// What stands behind the clusters' endpoints.
    pub postgres: Postgres,
}

/// A living site.
#[derive(Debug)]
pub struct Started {
    /// Its main address, `http://127.0.0.1:PORT`.
    pub address: String,
    /// Its process.
    pub pid: u32,
    /// The variables that lead to it. `PATH` is the stand-ins' directory alone; [`Self::command`] puts it in front.
    pub env: Variables,
    child: Option<Child>,
}

/// What a living site says of itself in `site.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Announcement {
    pid: u32,
    address: String,
    env: Variables,
}

impl Started {
    /// Starts a site as a process and session of its own, and waits until it is ready.
    ///
    /// # Errors
    /// The binary cannot be started again, or the site ended or was not ready in time; its own words are in the error.
    pub async fn start(options: &StartOptions) -> Result<Self, LaunchError> {
        let dir = &options.dir;
        fs::create_dir_all(dir.parent().unwrap_or(dir))
            .map_err(LaunchError::io(format!("making {}", dir.display())))?;
        withdraw(dir);
        let log = dir.with_extension("log");
        let output = File::create(&log).map_err(LaunchError::io(format!("writing {}", log.display())))?;
        let cockpit = std::env::current_exe().map_err(LaunchError::io("finding this program"))?;
        let mut command = Command::new(cockpit);
        command.args(arguments(options)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let mut child = command.spawn().map_err(LaunchError::io("starting the simulated site"))?;
        let until = Instant::now() + READY_LIMIT;
        loop {
            if let Some(announced) = read(dir).filter(|announced| announced.pid == child.id()) {
                let Announcement { pid, address, env } = announced;
                return Ok(Self { address, pid, env, child: Some(child) });
            }
            if let Ok(Some(status)) = child.try_wait() {
                let words = fs::read_to_string(&log).unwrap_or_default();
                return Err(LaunchError::Ended(format!("{status}. {}", words.trim())));
            }
            if Instant::now() > until {
                let _ = child.kill();
                return Err(LaunchError::NotReady(READY_LIMIT, log));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The living site of a directory; none where there is none, or where it does not answer.
    pub async fn find(dir: &Path) -> Option<Self> {
        let Announcement { pid, address, env } = read(dir)?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build().ok()?;
        // Another program, or another site, may have got its port since.
        let site: serde_json::Value =
            client.get(format!("{address}/__sim/site")).send().await.ok()?.json().await.ok()?;
        if site["pid"] != pid {
            return None;
        }
        Some(Self { address, pid, env, child: None })
    }

    /// A command that finds this site and nothing of the user's own AWS, Kubernetes, 1Password or PostgreSQL settings.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if FOREIGN.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        for (name, value) in &self.env {
            if name == "PATH" {
                let mut path = OsString::from(value);
                if let Some(rest) = std::env::var_os("PATH") {
                    path.push(":");
                    path.push(rest);
                }
                command.env("PATH", path);
            } else {
                command.env(name, value);
            }
        }
        command
    }

    /// Ends the site and waits for it where it is our own child.
    pub async fn end(mut self) {
        end_at(&self.address).await;
        let Some(mut child) = self.child.take() else { return };
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Tells the site at this address to end. One that does not answer is ended already.
pub async fn end_at(address: &str) {
    let request = reqwest::Client::new().post(format!("{address}/__sim/end")).timeout(Duration::from_secs(3));
    let _ = request.send().await;
}

/// The arguments of the command line with which this binary is a site.
fn arguments(options: &StartOptions) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["sim", "--listen", "127.0.0.1:0", "--own-session"].map(OsString::from).into();
    let mut option = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
    option("--dir", options.dir.clone().into());
    option("--env-file", options.dir.join("environment").into());
    option("--speed", options.speed.to_string().into());
    option("--postgres", options.postgres.word().into());
    if let Some(seed) = options.seed {
        option("--seed", seed.to_string().into());
    }
    if let Some(rollout) = &options.rollout {
        option("--rollout", rollout.into());
    }
    if let Some(scenario) = &options.scenario {
        option("--scenario", scenario.into());
    }
    arguments
}

/// Says that the site is ready. The last thing that a launch does.
pub(super) fn announce(options: &Options, address: SocketAddr, variables: &Variables) -> io::Result<()> {
    let (pid, address) = (std::process::id(), format!("http://{address}"));
    let text = serde_json::to_string_pretty(&Announcement { pid, address, env: variables.clone() })?;
    let unfinished = options.dir.join("site.json.unfinished");
    write_private(&unfinished, &text, false)?;
    fs::rename(unfinished, announcement(&options.dir))
}

/// Leaves the ledger, the last state and what set out to the servers in the site's directory, for whoever looks once the site
/// is gone: `ledger.json`, `state.json` and `weather.json`, in the shape of `GET /__sim/ledger` and the like. They are there
/// before the announcement is taken back.
pub(super) fn leave_ledger(dir: &Path, site: &Site) {
    // A site that ends has nobody to tell that its ledger could not be kept.
    let text = serde_json::to_string_pretty(&site.ledger.report()).unwrap_or_default();
    let _ = write_private(&dir.join("ledger.json"), &text, false);
    let state = serde_json::to_string_pretty(&site.read(control::summary)).unwrap_or_default();
    let _ = write_private(&dir.join("state.json"), &state, false);
    let weather = serde_json::to_string_pretty(&site.weather.report()).unwrap_or_default();
    let _ = write_private(&dir.join("weather.json"), &weather, false);
}

/// Takes the announcement back; it is no error if there is none.
pub(super) fn withdraw(dir: &Path) {
    let _ = fs::remove_file(announcement(dir));
}

fn read(dir: &Path) -> Option<Announcement> {
    serde_json::from_str(&fs::read_to_string(announcement(dir)).ok()?).ok()
}

fn announcement(dir: &Path) -> PathBuf {
    dir.join("site.json")
}

/// The address of the site that this process's own environment leads to.
pub fn from_environment() -> Option<String> {
    std::env::var(standin::SITE_VARIABLE).ok()
}
