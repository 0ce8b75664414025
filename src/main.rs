//! aurora-cockpit: the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    // What a defect says must be readable: without this a panic's report is one line.
    let _ = color_eyre::config::HookBuilder::default().display_env_section(false).install();
    ExitCode::from(aurora_cockpit::cli::main())
}
