//! The deploy that the deploy program triggers: the infrastructure's stacks, then the partition's, one after the other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::World;
use super::deploy_effects::command;
use super::deploy_script::Script;
use super::situations::outlasting;
use crate::runbook::situation::Situation;

/// Site seconds after which 1Password gives up on an approval that nobody gave, as the log has it.
const OP_GIVES_UP: f64 = 60.0;

/// The deploy program asks 1Password for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The partition that is deployed.
    pub partition: String,
    /// Whether the deploy is over.
    pub deployed: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "prompt")]
pub enum Prompt {
    /// It is approved: the session is warm.
    Approved,
    /// Nobody sees the prompt, and 1Password gives up.
    TimesOut {
        /// After this time.
        after: Duration,
    },
    /// The prompt is in the program's own terminal.
    Waits {
        /// Approval comes by itself after this time, where nobody answers.
        at_most: Duration,
    },
}

/// Why a deploy was not started.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CannotDeploy {
    /// No such partition.
    #[error("no partition `{partition}` in infrastructure `{infrastructure}` at this site")]
    Unknown {
        /// Infrastructure asked for.
        infrastructure: String,
        /// Partition asked for.
        partition: String,
    },
    /// The profile leads nowhere, or to another account.
    #[error("profile `{profile}` does not lead to the account of `{infrastructure}`")]
    WrongProfile {
        /// Profile given.
        profile: String,
        /// Infrastructure asked for.
        infrastructure: String,
    },
    /// One is running.
    #[error("a deploy of `{partition}` is running")]
    Running {
        /// Its partition.
        partition: String,
    },
}

impl World {
    /// What becomes of a prompt of 1Password's inside the deploy program.
    pub fn asks_op(&mut self, asked: &Asked, speed: f64) -> Prompt {
        let timeout = if asked.deployed { Situation::OpTimeoutAfterDeploy } else { Situation::OpTimeoutBeforeDeploy };
        if self.strikes(timeout, &asked.partition) {
            return Prompt::TimesOut { after: Duration::from_secs_f64(OP_GIVES_UP / speed) };
        }
        if asked.deployed && self.strikes(Situation::PromptHidden, &asked.partition) {
            let planned = self.plan.partitions.iter().find(|planned| planned.name.as_str() == asked.partition);
            let silence = planned.and_then(command).map_or(Duration::ZERO, |spec| spec.silence);
            return Prompt::Waits { at_most: Duration::from_secs_f64(outlasting(silence, speed) / speed) };
        }
        Prompt::Approved
    }

    /// Starts the deploy of a partition; answers the number of the attempt.
    pub fn start_deploy(
        &mut self,
        infrastructure: &str,
        partition: &str,
        profile: Option<&str>,
        speed: f64,
    ) -> Result<u32, CannotDeploy> {
        let unknown =
            || CannotDeploy::Unknown { infrastructure: infrastructure.to_owned(), partition: partition.to_owned() };
        self.partition(partition).filter(|found| found.infrastructure == infrastructure).ok_or_else(unknown)?;
        let account = self.account(infrastructure).ok_or_else(unknown)?;
        if let Some(profile) = profile
            && !account.profiles.is_empty()
            && !account.profiles.iter().any(|known| known == profile)
        {
            return Err(CannotDeploy::WrongProfile {
                profile: profile.to_owned(),
                infrastructure: infrastructure.to_owned(),
            });
        }
        self.step_begins(partition, "command", speed);
        let deploy = self.deploys.entry(partition.to_owned()).or_default();
        if deploy.running() {
            return Err(CannotDeploy::Running { partition: partition.to_owned() });
        }
        let attempt = deploy.attempt + 1;
        *deploy = super::deploy::Deploy { attempt, ..Default::default() };
        Script::new(self, infrastructure, partition, attempt, speed).write();
        Ok(attempt)
    }
}
