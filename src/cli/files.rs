//! `init` and `config`: rollout files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use super::args::{Common, ConfigCommand};
use super::{Failure, exit, place, print, print_json};
use crate::config;

pub(super) fn init(file: &Path) -> Result<u8, Failure> {
    let mut out =
        OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| {
            Failure::usage(format!("{} is not written: {error}; name another file", file.display()))
        })?;
    out.write_all(config::MINIMAL.as_bytes()).map_err(Failure::failed)?;
    let name = file.display();
    print(&format!(
        "{name} is written\nnext: edit it, `aurora-cockpit config validate {name}`, `aurora-cockpit rehearse --rollout {name}`\n"
    ))?;
    Ok(exit::DONE)
}

pub(super) fn config(common: &Common, command: &ConfigCommand) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Validate { file } => {
            let plan = place::plan(file.as_deref(), common.overlay.as_deref())?;
            let steps: usize = plan.partitions.iter().map(|partition| partition.steps.len()).sum();
            print(&format!(
                "{}: {} partitions, {steps} steps; nothing is wrong with it\n",
                plan.id,
                plan.partitions.len()
            ))?;
        }
        ConfigCommand::Show { file } => {
            let plan = place::plan(file.as_deref(), common.overlay.as_deref())?;
            print_json(&serde_json::to_value(plan).map_err(Failure::failed)?)?;
        }
        ConfigCommand::Schema => print_json(&config::schema())?,
    }
    Ok(exit::DONE)
}
