//! The command line of aurora-cockpit.

use std::process::ExitCode;

use aurora_cockpit::sim::launch::SimArguments;
use aurora_cockpit::sim::standin;
use clap::{Parser, Subcommand};

/// Takes an Aurora PostgreSQL fleet through a risky change, calmly.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the simulated site alone, for aws, kubectl, psql and a browser.
    Sim(SimArguments),
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

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Sim(arguments) => match arguments.run().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                use std::io::Write;
                let _ = writeln!(std::io::stderr(), "{error}");
                ExitCode::from(2)
            }
        },
        Command::StandIn { name, args } => ExitCode::from(u8::try_from(standin::main(&name, args).await).unwrap_or(1)),
    }
}
