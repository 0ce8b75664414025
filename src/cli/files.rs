//! `config`: rollout files.

use super::args::{Common, ConfigCommand};
use super::{Failure, exit, place, print, print_json};
use crate::config;

pub(super) fn config(common: &Common, command: &ConfigCommand) -> Result<u8, Failure> {
    match command {
        ConfigCommand::Validate { file } => {
            let plan = place::plan(file.as_deref(), common.overlay.as_deref())?;
            let steps: usize = plan.partitions.iter().map(|partition| partition.steps.len()).sum();
            let partitions = match plan.partitions.len() {
                1 => "1 partition".to_owned(),
                count => format!("{count} partitions"),
            };
            print(&format!("{}: {partitions}, {steps} steps; nothing is wrong with it\n", plan.id))?;
        }
        ConfigCommand::Show { file } => {
            let plan = place::plan(file.as_deref(), common.overlay.as_deref())?;
            print_json(&serde_json::to_value(plan).map_err(Failure::failed)?)?;
        }
        ConfigCommand::Schema => print_json(&config::schema())?,
    }
    Ok(exit::DONE)
}
