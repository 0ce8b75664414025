//! The deploy that the deploy program triggers: the infrastructure's stacks, then the partition's, one after the other.

use thiserror::Error;

use super::World;
use super::deploy_script::Script;

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
