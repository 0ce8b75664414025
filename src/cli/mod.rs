//! The command line: stable, because scripts and tests rest on it.
//!
//! Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 refused by a gate · 4 unknown outcome, look before you
//! repeat.

mod args;
mod attention;
mod auto;
mod check;
mod examples;
mod exec;
mod feed;
mod files;
mod headless;
mod init;
mod inspect;
mod monitor;
mod past;
mod place;
mod private;
mod replay;
mod run;
mod screen;
mod site;
mod terminal;
mod verify;

use std::io::Write as _;

use clap::{CommandFactory as _, Parser as _};
use thiserror::Error;

use crate::clients::program::holder;
use crate::sim::standin;
use args::{Cli, Command, MonitorArgs};
use place::Place;

/// Exit codes.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// It failed.
    pub const FAILED: u8 = 1;
    /// Usage or configuration.
    pub const USAGE: u8 = 2;
    /// Refused by a gate.
    pub const REFUSED: u8 = 3;
    /// The outcome is unknown: look before you repeat.
    pub const UNKNOWN: u8 = 4;
}

/// Why a command ended before its time: what to say, and with which exit code.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What happened, to what, why, and what to do next.
    pub message: String,
}

impl Failure {
    /// Usage or configuration.
    pub fn usage(message: impl ToString) -> Self {
        Self { code: exit::USAGE, message: message.to_string() }
    }

    /// It failed.
    pub fn failed(message: impl ToString) -> Self {
        Self { code: exit::FAILED, message: message.to_string() }
    }

    /// Refused by a gate.
    pub fn refused(message: impl ToString) -> Self {
        Self { code: exit::REFUSED, message: message.to_string() }
    }
}

/// Runs the command line of this process; the exit code.
pub fn main() -> u8 {
    private::keep_memory();
    let cli = Cli::parse();
    // The holder leaves the session of whoever started it before any thread is there.
    if let Some(Command::Hold(args)) = &cli.command {
        return code(holder::main(args));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Failure::failed(format!("the runtime does not start: {error}"))),
    };
    let done = runtime.block_on(dispatch(cli));
    // Whatever still waits for an answer of the network must not hold up the end.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(failure) => complain(&failure),
    }
}

fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(exit::FAILED)
}

fn complain(failure: &Failure) -> u8 {
    // Where even standard error is gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "aurora-cockpit: {}", failure.message);
    failure.code
}

async fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let command = cli.command.unwrap_or(Command::Run(cli.run));
    if matches!(command, Command::Run(_) | Command::Monitor(_) | Command::Check(_) | Command::Exec(_)) {
        site::enter(&cli.common).await?;
    }
    match command {
        Command::Run(args) if args.read_only => {
            monitor::monitor(
                &Place::of(&cli.common)?,
                &MonitorArgs { run: None, rollout: args.rollout, write_probe: false },
            )
            .await
        }
        Command::Run(args) => run::run(&Place::of(&cli.common)?, &args).await,
        Command::Monitor(args) => monitor::monitor(&Place::of(&cli.common)?, &args).await,
        Command::Demo(args) => site::demo(&cli.common, &args).await,
        Command::Rehearse(args) => site::rehearse(&cli.common, &args).await,
        Command::Auto(args) => auto::auto(&Place::of(&cli.common)?, &args).await,
        Command::Sim(args) => args.run().await.map(|()| exit::DONE).map_err(Failure::usage),
        Command::Check(args) => check::check(&Place::of(&cli.common)?, &args).await,
        Command::Exec(args) => exec::exec(&Place::of(&cli.common)?, &args).await,
        Command::Status(args) => inspect::status(&Place::of(&cli.common)?, &args),
        Command::Report(args) => inspect::report(&Place::of(&cli.common)?, &args),
        Command::Replay(args) => replay::replay(&Place::of(&cli.common)?, &args).await,
        Command::Verify(args) => verify::verify(&Place::of(&cli.common)?, &args),
        Command::Init(args) => init::init(&args).await,
        Command::Config(command) => files::config(&cli.common, &command),
        Command::Completions { shell } => {
            // Into memory first: it panics where a reader goes away.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut for_people(), "aurora-cockpit", &mut text);
            print(&String::from_utf8_lossy(&text)).map(|()| exit::DONE)
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(Failure::failed)?;
            print(&String::from_utf8_lossy(&text)).map(|()| exit::DONE)
        }
        Command::StandIn { name, args } => Ok(code(standin::main(&name, args).await)),
        Command::Hold(args) => Ok(code(holder::main(&args))),
    }
}

/// The command line without the commands that the program keeps for itself.
fn for_people() -> clap::Command {
    let whole = Cli::command();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    clap::Command::new("aurora-cockpit").args(whole.get_arguments().cloned()).subcommands(shown)
}

/// Prints to standard output; a reader that went away (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}
