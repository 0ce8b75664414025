//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::examples;
use crate::clients::program::holder::HoldArgs;
use crate::report;
use crate::sim::launch::{Postgres, SimArguments};

/// Takes an Aurora PostgreSQL fleet through a risky change, calmly.
#[derive(Debug, Parser)]
#[command(name = "aurora-cockpit", version, propagate_version = true, after_help = examples::ALL)]
pub struct Cli {
    /// What to do; the cockpit as operator if left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The cockpit as operator.
    #[command(flatten)]
    pub run: RunArgs,
    /// Everywhere.
    #[command(flatten)]
    pub common: Common,
}

/// Options that hold for every command.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where runs are kept [default: the XDG state directory].
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Settings file [default: in the XDG configuration directory].
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Colours: dark, light, high-contrast, colour-blind, production, monochrome, one of your own, or a theme file.
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// For a screen that others see: what is private is masked, keys are echoed.
    #[arg(long, global = true)]
    pub share: bool,
    /// No colour at all; marks and weight carry the meaning.
    #[arg(long, global = true)]
    pub no_color: bool,
    /// A file that is laid over the rollout file: paths, port-forwards, password sources of this machine.
    #[arg(long, global = true, value_name = "FILE", env = crate::config::OVERLAY_VARIABLE)]
    pub overlay: Option<PathBuf>,
    /// The operator's name in the journal [default: the login name].
    #[arg(long, global = true, value_name = "NAME")]
    pub operator: Option<String>,
}

/// Options of the cockpit as operator.
#[derive(Debug, Clone, Args, Default)]
pub struct RunArgs {
    /// Rollout file [default: the shipped pdev-479.toml].
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// Begin a new run although one of this rollout is there.
    #[arg(long)]
    pub new: bool,
    /// Take the run over from the operator of this name, who holds it now: their session finishes what it is sending, hands
    /// over, and looks on.
    #[arg(long, value_name = "HOLDER", conflicts_with_all = ["new", "read_only"])]
    pub take_over: Option<String>,
    /// Only look: the same as `monitor`.
    #[arg(long)]
    pub read_only: bool,
    /// Only these partitions, on a simulated site: a real rollout asks for the go-ahead of those before.
    #[arg(long, value_name = "P", value_delimiter = ',', hide = true)]
    pub only: Vec<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The cockpit, as operator.
    #[command(after_help = examples::RUN)]
    Run(RunArgs),
    /// The same screens, read-only: follows a run, or only watches.
    #[command(after_help = examples::MONITOR)]
    Monitor(MonitorArgs),
    /// The cockpit on the embedded simulated site.
    #[command(after_help = examples::DEMO)]
    Demo(DemoArgs),
    /// A rollout file on a simulated site made from it.
    #[command(after_help = examples::REHEARSE)]
    Rehearse(RehearseArgs),
    /// The simulated site alone, for aws, kubectl, psql and a browser.
    #[command(after_help = examples::SIM)]
    Sim(SimArguments),
    /// Prerequisites and drift checks, without a screen; changes nothing.
    #[command(after_help = examples::CHECK)]
    Check(CheckArgs),
    /// Fires steps without a screen, by the same gates.
    #[command(after_help = examples::EXEC)]
    Exec(ExecArgs),
    /// How a run stands.
    #[command(after_help = examples::STATUS)]
    Status(RunChoice),
    /// The execution log of a run.
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// A run on the same screens, read-only, at any speed.
    #[command(after_help = examples::REPLAY)]
    Replay(ReplayArgs),
    /// Whether a run's journal is whole, every event was admitted by its gates, and reports follow from it.
    #[command(after_help = examples::VERIFY)]
    Verify(VerifyArgs),
    /// Writes a first rollout file: of the clusters that the given profiles lead to, or an example. Changes nothing.
    #[command(after_help = examples::INIT)]
    Init(InitArgs),
    /// Rollout files: validate, show, schema.
    #[command(subcommand, after_help = examples::CONFIG)]
    Config(ConfigCommand),
    /// Completions for a shell, on standard output.
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The man page, on standard output.
    #[command(after_help = examples::MAN)]
    Man,
    /// Runs a program in a terminal of its own.
    #[command(hide = true)]
    Hold(HoldArgs),
    /// Takes the operator's place on a simulated site.
    #[command(hide = true)]
    Auto(AutoArgs),
    /// The simulated site's stand-in for a program.
    #[command(name = "stand-in", hide = true, disable_help_flag = true)]
    StandIn {
        /// The program.
        name: String,
        /// Its arguments, whatever they are.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Options of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// File to write.
    #[arg(default_value = "rollout.toml")]
    pub file: PathBuf,
    /// Look for Aurora PostgreSQL clusters through this profile of the AWS configuration; may be repeated.
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pub profile: Vec<String>,
    /// Look in this region; may be repeated [default: the profile's own].
    #[arg(long, value_name = "R", value_delimiter = ',', requires = "profile")]
    pub region: Vec<String>,
    /// Only clusters of this name, in which `*` and `?` stand for anything; may be repeated.
    #[arg(long, value_name = "NAME-OR-GLOB", value_delimiter = ',', requires = "profile")]
    pub cluster: Vec<String>,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// Options of `monitor`.
#[derive(Debug, Clone, Args, Default)]
pub struct MonitorArgs {
    /// The run to follow, by name, or by its directory where it is another user's [default: the latest].
    pub run: Option<String>,
    /// Only watch the partitions of this rollout file; follow no run.
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// Try writes through the writer endpoint around a failover, each rolled back at once, to time how long it takes none.
    #[arg(long)]
    pub write_probe: bool,
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Scenario: a file, or the name of one that is shipped, such as `worst-night`.
    #[arg(long, value_name = "S")]
    pub scenario: Option<String>,
    /// How much faster than the execution log things take.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub speed: f64,
    /// Every random choice comes from it [default: the scenario's, or 7].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What stands behind the clusters' endpoints.
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    pub postgres: Postgres,
}

/// Options of `rehearse`.
#[derive(Debug, Clone, Args)]
pub struct RehearseArgs {
    /// Rollout file.
    #[arg(long, value_name = "FILE")]
    pub rollout: PathBuf,
    /// The site.
    #[command(flatten)]
    pub site: DemoArgs,
    /// Take the operator's place: confirm what is ready, give the go-ahead when the gate is green.
    #[arg(long)]
    pub auto: bool,
    /// With --auto: how the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
    /// Rehearse these partitions only; the site is made from the whole file.
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pub only: Vec<String>,
}

/// Options of the operator's stand-in.
#[derive(Debug, Clone, Args)]
pub struct AutoArgs {
    /// Rollout file.
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// Only these partitions.
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Begin a new run although one of this rollout is there.
    #[arg(long)]
    pub new: bool,
    /// Hold the go-ahead of these partitions back until the next one has refused to begin without it.
    #[arg(long, value_name = "P", value_delimiter = ',')]
    pub hold_go_ahead: Vec<String>,
    /// How the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// Options of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Rollout file [default: the shipped pdev-479.toml].
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// Only this partition.
    #[arg(long, value_name = "P")]
    pub partition: Option<String>,
    /// How the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// Options of `exec`.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// Rollout file [default: the shipped pdev-479.toml].
    #[arg(long, value_name = "FILE")]
    pub rollout: Option<PathBuf>,
    /// The partition.
    #[arg(long, value_name = "P")]
    pub partition: String,
    /// The step, by its identifier.
    #[arg(long, value_name = "S", required_unless_present = "all", conflicts_with = "all")]
    pub step: Option<String>,
    /// Every step of the partition that is not behind, the go-ahead excepted.
    #[arg(long)]
    pub all: bool,
    /// Answers a plain confirmation.
    #[arg(long)]
    pub yes: bool,
    /// Answers where a name must be typed.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Skip the step that is named, with this reason, instead of firing it.
    #[arg(long, value_name = "REASON", requires = "step", conflicts_with_all = ["yes", "confirm", "choice"])]
    pub skip: Option<String>,
    /// The way to do it, where there are several.
    #[arg(long, value_name = "WAY")]
    pub choice: Option<String>,
    /// Begin a new run although one of this rollout is there.
    #[arg(long)]
    pub new: bool,
    /// How the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// A run.
#[derive(Debug, Clone, Args)]
pub struct RunChoice {
    /// The run [default: the latest].
    pub run: Option<String>,
    /// How the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// Options of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The run [default: the latest].
    pub run: Option<String>,
    /// How much faster than it was; pauses of people are cut short.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub speed: f64,
}

/// Options of `verify`.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// The run [default: the latest].
    pub run: Option<String>,
    /// A report of the run, in any form: whether it says what the journal says. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// A record's checksum that was noted elsewhere: whether the journal still has that record. May be repeated.
    #[arg(long, value_name = "CHECKSUM")]
    pub seal: Vec<String>,
    /// How the result is printed.
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub output: Form,
}

/// Options of `report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The run [default: the latest].
    pub run: Option<String>,
    /// markdown, html with pictures of the failovers, or json.
    #[arg(long, value_name = "FORM", default_value = "markdown")]
    pub output: report::Form,
    /// File to write instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What to do with rollout files.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigCommand {
    /// Says everything that is wrong with a rollout file.
    #[command(after_help = examples::VALIDATE)]
    Validate {
        /// Rollout file [default: the shipped pdev-479.toml].
        file: Option<PathBuf>,
    },
    /// Prints the plan that a rollout file amounts to.
    #[command(after_help = examples::SHOW)]
    Show {
        /// Rollout file [default: the shipped pdev-479.toml].
        file: Option<PathBuf>,
    },
    /// Prints the JSON Schema of rollout files.
    #[command(after_help = examples::SCHEMA)]
    Schema,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}
