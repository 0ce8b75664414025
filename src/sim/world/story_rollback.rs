//! What CloudFormation does when it is asked to go on with a rollback that failed.

use std::time::Duration;

use super::aurora::Cluster;
use super::refusal::Refusal;
use super::{World, timings};
use crate::runbook::situation::Situation;

/// Site seconds until a continued rollback has ended, or has failed again.
const ROLLS_BACK: f64 = 60.0;
const FAILS: f64 = 10.0;

impl World {
    /// Goes on with a failed rollback, once for each token. It fails again while the cluster of the stack is not available.
    pub fn continue_rollback(
        &mut self,
        infrastructure: &str,
        stack: &str,
        token: Option<&str>,
        speed: f64,
    ) -> Result<(), Refusal> {
        let account = self.account(infrastructure);
        let found = account.and_then(|account| account.stacks.iter_mut().find(|found| found.name == stack));
        let found = found.ok_or_else(|| no_stack(stack))?;
        if token.is_some() && found.token.as_deref() == token {
            return Ok(());
        }
        let status = found.status.clone();
        if status != "UPDATE_ROLLBACK_FAILED" {
            let message = format!("Stack [{stack}] is in {status} state and can not continue update rollback.");
            return Err(Refusal::new("ValidationError", message));
        }
        found.token = token.map(str::to_owned);
        let in_progress = "UPDATE_ROLLBACK_IN_PROGRESS";
        if let Some(account) = self.account(infrastructure) {
            account.stack_turns(stack, in_progress, Some("User Initiated"));
        }
        self.configures_monitoring_again(infrastructure, stack, speed);
        let trouble = self.rollback_trouble(infrastructure, stack);
        let (infrastructure, stack) = (infrastructure.to_owned(), stack.to_owned());
        let after = if trouble.is_some() { FAILS } else { ROLLS_BACK };
        let end = move |world: &mut World, _: f64| {
            let Some(account) = world.account(&infrastructure) else { return };
            match &trouble {
                Some(reason) => {
                    let (logical, kind) = ("AuroraPostgresCluster1D2C9B5E", "AWS::RDS::DBCluster");
                    account.resource_turns(&stack, logical, kind, "UPDATE_FAILED", Some(reason));
                    account.stack_turns(&stack, "UPDATE_ROLLBACK_FAILED", Some(reason));
                }
                None => {
                    account.stack_turns(&stack, "UPDATE_ROLLBACK_COMPLETE", None);
                    // The rollback carries through what the template asks: its own retention.
                    if let Some(cluster) = world.cluster_of_stack(&infrastructure, &stack) {
                        cluster.insights_retention = 7;
                    }
                }
            }
        };
        self.later(Duration::from_secs_f64(after), speed, Box::new(end));
        Ok(())
    }

    /// The mode was changed a moment ago, and the cluster is still at it, though it read `available` in between.
    fn configures_monitoring_again(&mut self, infrastructure: &str, stack: &str, speed: f64) {
        let of_stack = |name: &str| stack == format!("{infrastructure}-{name}-AuroraDBCluster");
        let found = self.partitions.iter().find(|partition| of_stack(&partition.name));
        let Some((name, cluster)) = found.map(|found| (found.name.clone(), found.cluster.id.clone())) else { return };
        if !self.strikes(Situation::ContinueRollbackRace, &name) {
            return;
        }
        let status = |cluster: &mut Cluster, status: &str| status.clone_into(&mut cluster.status);
        if let Some(found) = self.by_cluster(&cluster) {
            status(&mut found.cluster, "configuring-enhanced-monitoring");
        }
        self.later_on_cluster(&cluster, timings::INSIGHTS, speed, move |cluster| status(cluster, "available"));
    }

    /// Why the rollback would fail again.
    fn rollback_trouble(&mut self, infrastructure: &str, stack: &str) -> Option<String> {
        let cluster = self.cluster_of_stack(infrastructure, stack)?;
        if cluster.insights_mode == "advanced" {
            return Some(super::story_modify::RETENTION_REFUSED.to_owned());
        }
        let status = &cluster.status;
        (status != "available").then(|| format!("DB cluster isn't available for modification with status {status}"))
    }

    fn cluster_of_stack(&mut self, infrastructure: &str, stack: &str) -> Option<&mut Cluster> {
        self.partitions
            .iter_mut()
            .find(|partition| stack == format!("{infrastructure}-{}-AuroraDBCluster", partition.name))
            .map(|partition| &mut partition.cluster)
    }
}

/// How CloudFormation says that a stack is not there.
pub fn no_stack(stack: &str) -> Refusal {
    Refusal::new("ValidationError", format!("Stack with id {stack} does not exist"))
}
