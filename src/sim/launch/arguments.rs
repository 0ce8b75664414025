//! The command line of `aurora-cockpit sim`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{LaunchError, Options, Postgres, serve};
use crate::config;

/// Where everything random comes from, where nobody says.
const SEED: u64 = 7;

/// Runs the simulated site alone, for aws, kubectl, psql and a browser.
#[derive(Debug, Clone, Args)]
pub struct SimArguments {
    /// Main address; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// File to write for a shell to source; it is there once the site is ready.
    #[arg(long, value_name = "FILE")]
    pub env_file: PathBuf,
    /// How much faster than the log's times things take.
    #[arg(long, value_name = "N", default_value_t = 20.0)]
    pub speed: f64,
    /// Every random choice comes from it [default: the scenario's, or 7].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Rollout file from which the site is made; the shipped one if left out.
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// Scenario: a file, or the name of one that is shipped.
    #[arg(long, value_name = "S")]
    pub scenario: Option<String>,
    /// The site's own directory; beside the environment file if left out.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What stands behind the clusters' endpoints.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pub postgres: Postgres,
    /// Accept an address that others can reach. The site has no protection.
    #[arg(long)]
    pub beyond_loopback: bool,
    /// Leave the session of whoever started it, to outlive the terminal.
    #[arg(long, hide = true)]
    pub own_session: bool,
}

impl SimArguments {
    /// Runs the site until it is told to end.
    ///
    /// # Errors
    /// The rollout file is wrong, or [`serve`] fails.
    pub async fn run(self) -> Result<(), LaunchError> {
        let plan = match &self.rollout {
            Some(file) => config::load(file, None),
            None => config::load_text(config::SHIPPED.0, config::SHIPPED.1, None),
        };
        let refused = |problems: config::Problems| LaunchError::Program(problems.to_string());
        let plan = plan.map_err(refused)?;
        let scenario = self.scenario.map(|name| config::scenario::load(&name, &plan)).transpose().map_err(refused)?;
        let dir = self.dir.clone().unwrap_or_else(|| self.env_file.with_extension("site"));
        // Whoever sources the environment file may do so from anywhere.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        serve(Options {
            listen: self.listen,
            beyond_loopback: self.beyond_loopback,
            dir,
            env_file: self.env_file,
            speed: self.speed,
            // The command line's word goes before the scenario's.
            seed: self.seed.or(scenario.as_ref().and_then(|scenario| scenario.seed)).unwrap_or(SEED),
            plan,
            rollout: self.rollout,
            scenario,
            postgres: self.postgres,
            own_session: self.own_session,
        })
        .await
    }
}
