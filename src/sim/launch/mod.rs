//! Launching the simulated site: all its servers in one process of its own, and the environment in which a cockpit, a shell
//! or a test finds it.
//!
//! Nothing of the user's own AWS, Kubernetes or 1Password configuration is read or written: everything that programs need to
//! find the site is made in the site's directory, and the environment leads there.

mod arguments;
mod environment;
mod servers;
mod started;
mod trees;

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::world::Site;
use crate::config::scenario::Scenario;
use crate::runbook::plan::Plan;
pub use arguments::SimArguments;
use servers::Servers;
pub use started::{StartOptions, Started, end_at, from_environment};
use trees::Trees;
pub(super) use trees::git as run_git;

/// Share of the RDS events that never come: they are best effort, and nothing may rest on them alone.
const LOST_EVENTS: f64 = 0.03;

/// Marks a directory as the site's own, so that nothing of anybody else's is ever overwritten.
const MARK: &str = ".simulated-site";

/// How long a site that nobody asks anything goes on before it ends by itself.
const IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What a site is launched with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Main address: AWS, stand-ins and the site's own interface. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether an address that others can reach is meant; without it only the loopback is accepted.
    pub beyond_loopback: bool,
    /// File to write, for a shell to source. It is there once the site is ready.
    pub env_file: PathBuf,
    /// The site's own directory; made if it is not there.
    pub dir: PathBuf,
    /// How much faster than the log's times things take.
    pub speed: f64,
    /// Where everything random comes from.
    pub seed: u64,
    /// The rollout that the site is made from.
    pub plan: Plan,
    /// The file of that rollout; none is the shipped one.
    pub rollout: Option<PathBuf>,
    /// What it brings about; none is a day without trouble.
    pub scenario: Option<Scenario>,
    /// What stands behind the clusters' endpoints.
    pub postgres: Postgres,
    /// Whether the process leaves its parent's session, so that it outlives the terminal.
    pub own_session: bool,
}

/// What stands behind the clusters' endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Postgres {
    /// Databases within the site's own process, which need nothing installed.
    #[default]
    Embedded,
    /// Servers of the PostgreSQL that is installed, with streaming replication: a primary and a standby for each cluster.
    Real,
}

impl Postgres {
    /// The word for it on a command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Real => "real",
        }
    }
}

/// Why a site could not be launched or reached.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// Others could reach it.
    #[error(
        "{0} is not a loopback address: the simulated site has no protection; ask for it explicitly if that is what you want"
    )]
    NotLoopback(SocketAddr),
    /// The speed makes no sense.
    #[error("a speed of {0} makes no sense: it must be a number above 0, such as 20")]
    Speed(f64),
    /// The directory is somebody else's.
    #[error("{0} has other things in it than a simulated site's: name a directory that is empty or not there yet")]
    NotOurs(PathBuf),
    /// A file or port.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program that the launch needs.
    #[error("{0}")]
    Program(String),
    /// The process ended before it was ready.
    #[error("the simulated site ended before it was ready: {0}")]
    Ended(String),
    /// The process did not get ready in time.
    #[error("the simulated site was not ready within {0:?}; look at {1}")]
    NotReady(Duration, PathBuf),
}

impl LaunchError {
    /// Wraps an error of a file or port with what was being done.
    fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

/// Runs a site until it is told to end: by `POST /__sim/end`, SIGTERM, SIGINT, or half an hour without a question.
///
/// # Errors
/// The options make no sense, a port is taken, a file cannot be written, or `git` is missing.
pub async fn serve(options: Options) -> Result<(), LaunchError> {
    check(&options)?;
    if options.own_session {
        // Fails only for a process that leads its session already, which is what is wanted.
        let _ = rustix::process::setsid();
    }
    prepare_directory(&options.dir)?;
    let (dir, plan) = (options.dir.clone(), options.plan.clone());
    let trees = tokio::task::spawn_blocking(move || trees::make(&dir, &plan))
        .await
        .map_err(|error| LaunchError::Program(error.to_string()))??;
    let site = Arc::new(Site::new(options.plan.clone(), options.speed, options.seed));
    site.change(|world| {
        world.lose_events(LOST_EVENTS);
        world.dir = Some(options.dir.clone());
        world.rollout_file.clone_from(&options.rollout);
        if let Some(scenario) = &options.scenario {
            world.stage(scenario, options.speed);
        }
    });
    site.weather.turns(options.scenario.as_ref().map_or(0, |scenario| scenario.weather_percent));
    let end = Arc::new(Notify::new());
    // From here on a signal ends the site in order, with whatever it has started.
    let mut terminate = signal(SignalKind::terminate()).map_err(LaunchError::io("listening for SIGTERM"))?;
    let mut servers = servers::listen(&site, options.listen, &end, options.postgres)
        .await
        .map_err(LaunchError::io("opening the site's ports"))?;
    let ended = match announce(&options, &site, &servers, &trees) {
        Err(error) => Err(error),
        Ok(()) => tokio::select! {
            () = site.tick() => Ok(()),
            () = end.notified() => Ok(()),
            () = idle(&site) => Ok(()),
            _ = terminate.recv() => Ok(()),
            _ = tokio::signal::ctrl_c() => Ok(()),
            error = servers.failed() => Err(LaunchError::io("keeping the site's PostgreSQL servers")(error)),
        },
    };
    started::leave_ledger(&options.dir, &site);
    started::withdraw(&options.dir);
    // Whoever asked for the end gets an answer first.
    tokio::time::sleep(Duration::from_millis(50)).await;
    servers.end().await;
    ended
}

/// Writes the site's files and says that it is ready.
fn announce(options: &Options, site: &Site, servers: &Servers, trees: &Trees) -> Result<(), LaunchError> {
    let variables =
        environment::write(options, site, servers, trees).map_err(LaunchError::io("writing the site's files"))?;
    started::announce(options, servers.address, &variables).map_err(LaunchError::io("announcing the site"))
}

fn check(options: &Options) -> Result<(), LaunchError> {
    if !options.beyond_loopback && !options.listen.ip().is_loopback() {
        return Err(LaunchError::NotLoopback(options.listen));
    }
    if !options.speed.is_finite() || options.speed <= 0.0 {
        return Err(LaunchError::Speed(options.speed));
    }
    Ok(())
}

/// Makes the directory, or takes the one that an earlier site left.
fn prepare_directory(dir: &Path) -> Result<(), LaunchError> {
    let doing = || LaunchError::io(format!("making {}", dir.display()));
    let taken = dir.is_dir() && fs::read_dir(dir).map_err(doing())?.next().is_some();
    if taken && !dir.join(MARK).exists() {
        return Err(LaunchError::NotOurs(dir.to_owned()));
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(doing())?;
    fs::write(dir.join(MARK), "Everything here is made by a simulated site and may be deleted.\n").map_err(doing())
}

/// Returns once nobody has asked the site anything for [`IDLE_LIMIT`].
async fn idle(site: &Site) {
    let total = || site.ledger.report().iter().map(|line| line.count).sum::<u64>();
    let mut before = total();
    loop {
        tokio::time::sleep(IDLE_LIMIT).await;
        let now = total();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Writes a file that only its owner may read, or run if it is a program.
fn write_private(path: &Path, text: &str, program: bool) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, Permissions::from_mode(if program { 0o700 } else { 0o600 }))
}

#[cfg(test)]
mod tests;
