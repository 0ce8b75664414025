//! Calls that change something.

use aws_sdk_rds::error::SdkError;
use aws_sdk_rds::operation::RequestId;
use aws_sdk_rds::types::{ApplyMethod, DatabaseInsightsMode, Parameter};

use super::Rds;
use crate::clients::aws::{call, trouble};
use crate::clients::{Controls, Trouble};
use crate::runbook::event::Call;
use crate::runbook::names::InstanceId;
use crate::runbook::plan::AwsTarget;

/// A change of an Aurora cluster.
///
/// One value for both: what the dialog shows ([`Change::call`]) and what is sent ([`Rds::carry_out`]) cannot differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Takes a cluster snapshot.
    CreateSnapshot {
        /// Cluster identifier.
        cluster: String,
        /// Identifier of the snapshot to be.
        snapshot: String,
    },
    /// Deletes a cluster snapshot.
    DeleteSnapshot {
        /// Snapshot identifier.
        snapshot: String,
    },
    /// Restarts an instance.
    Reboot {
        /// Instance identifier.
        instance: InstanceId,
    },
    /// Moves the writer to another instance.
    Failover {
        /// Cluster identifier.
        cluster: String,
        /// The instance that becomes the writer.
        target: InstanceId,
    },
    /// Flushes what is queued on an instance: `ModifyDBInstance` with nothing but `ApplyImmediately`.
    ApplyPending {
        /// Instance identifier.
        instance: InstanceId,
    },
    /// Sets the Database Insights mode, at once.
    InsightsMode {
        /// Cluster identifier.
        cluster: String,
        /// `standard` or `advanced`.
        mode: String,
    },
    /// Sets parameters of a cluster parameter group.
    SetParameters {
        /// Group name.
        group: String,
        /// The parameters; RDS takes at most 20 in a call.
        parameters: Vec<ParameterSetting>,
    },
    /// Takes a parameter of a cluster parameter group back to the engine's default: RDS has a call of its own for that, and
    /// no neutral value need be guessed.
    ResetParameter {
        /// Group name.
        group: String,
        /// Parameter name.
        name: String,
        /// When it is applied.
        apply: Apply,
    },
    /// Makes a new cluster of a snapshot.
    Restore {
        /// Identifier of the cluster to be.
        cluster: String,
        /// Snapshot identifier.
        snapshot: String,
        /// Engine, such as `aurora-postgresql`.
        engine: String,
    },
}

/// A parameter with the value that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSetting {
    /// Name.
    pub name: String,
    /// Value, in the group's own form: `500`, not `500ms`.
    pub value: String,
    /// When it is applied.
    pub apply: Apply,
}

/// When a changed parameter is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// At once; RDS refuses this for a static parameter.
    Immediate,
    /// With an instance's next restart.
    PendingReboot,
}

impl Apply {
    fn method(self) -> ApplyMethod {
        match self {
            Self::Immediate => ApplyMethod::Immediate,
            Self::PendingReboot => ApplyMethod::PendingReboot,
        }
    }
}

impl Change {
    /// Name of the API operation.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::CreateSnapshot { .. } => "rds:CreateDBClusterSnapshot",
            Self::DeleteSnapshot { .. } => "rds:DeleteDBClusterSnapshot",
            Self::Reboot { .. } => "rds:RebootDBInstance",
            Self::Failover { .. } => "rds:FailoverDBCluster",
            Self::ApplyPending { .. } => "rds:ModifyDBInstance",
            Self::InsightsMode { .. } => "rds:ModifyDBCluster",
            Self::SetParameters { .. } => "rds:ModifyDBClusterParameterGroup",
            Self::ResetParameter { .. } => "rds:ResetDBClusterParameterGroup",
            Self::Restore { .. } => "rds:RestoreDBClusterFromSnapshot",
        }
    }

    /// The call and the command line that would do the same.
    pub fn call(&self, target: &AwsTarget) -> Call {
        const CLUSTER: &str = "--db-cluster-identifier";
        const INSTANCE: &str = "--db-instance-identifier";
        const SNAPSHOT: &str = "--db-cluster-snapshot-identifier";
        const NOW: &str = "--apply-immediately";
        const GROUP: &str = "--db-cluster-parameter-group-name";
        let say = |command, arguments: &[&str]| call(target, self.operation(), command, arguments);
        match self {
            Self::CreateSnapshot { cluster, snapshot } => {
                say("create-db-cluster-snapshot", &[CLUSTER, cluster, SNAPSHOT, snapshot])
            }
            Self::DeleteSnapshot { snapshot } => say("delete-db-cluster-snapshot", &[SNAPSHOT, snapshot]),
            Self::Reboot { instance } => say("reboot-db-instance", &[INSTANCE, instance.as_str()]),
            Self::Failover { cluster, target: to } => {
                say("failover-db-cluster", &[CLUSTER, cluster, "--target-db-instance-identifier", to.as_str()])
            }
            Self::ApplyPending { instance } => say("modify-db-instance", &[INSTANCE, instance.as_str(), NOW]),
            Self::InsightsMode { cluster, mode } => {
                say("modify-db-cluster", &[CLUSTER, cluster, "--database-insights-mode", mode, NOW])
            }
            Self::SetParameters { group, parameters } => {
                let words: Vec<String> = parameters.iter().map(shorthand).collect();
                let mut arguments = vec![GROUP, group, "--parameters"];
                arguments.extend(words.iter().map(String::as_str));
                say("modify-db-cluster-parameter-group", &arguments)
            }
            Self::ResetParameter { group, name, apply } => {
                let parameter = format!("ParameterName={name},ApplyMethod={}", apply.method());
                say("reset-db-cluster-parameter-group", &[GROUP, group, "--parameters", &parameter])
            }
            Self::Restore { cluster, snapshot, engine } => say(
                "restore-db-cluster-from-snapshot",
                &[CLUSTER, cluster, "--snapshot-identifier", snapshot, "--engine", engine],
            ),
        }
    }
}

impl Rds {
    /// Sends a change, once, and answers RDS's request id.
    ///
    /// # Errors
    /// Where [`Trouble::may_have_acted`] says so, the change may have been made: look before sending it again.
    pub async fn carry_out(&self, _controls: &Controls, change: &Change) -> Result<Option<String>, Trouble> {
        let operation = change.operation();
        let rds = &self.changing;
        match change {
            Change::CreateSnapshot { cluster, snapshot } => {
                let request = rds.create_db_cluster_snapshot().db_cluster_identifier(cluster);
                settle(operation, request.db_cluster_snapshot_identifier(snapshot).send().await)
            }
            Change::DeleteSnapshot { snapshot } => {
                let request = rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(snapshot);
                settle(operation, request.send().await)
            }
            Change::Reboot { instance } => {
                settle(operation, rds.reboot_db_instance().db_instance_identifier(instance.as_str()).send().await)
            }
            Change::Failover { cluster, target } => {
                let request = rds.failover_db_cluster().db_cluster_identifier(cluster);
                settle(operation, request.target_db_instance_identifier(target.as_str()).send().await)
            }
            Change::ApplyPending { instance } => {
                let request = rds.modify_db_instance().db_instance_identifier(instance.as_str());
                settle(operation, request.apply_immediately(true).send().await)
            }
            Change::InsightsMode { cluster, mode } => {
                let request = rds.modify_db_cluster().db_cluster_identifier(cluster).apply_immediately(true);
                settle(
                    operation,
                    request.database_insights_mode(DatabaseInsightsMode::from(mode.as_str())).send().await,
                )
            }
            Change::SetParameters { group, parameters } => {
                let request = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
                let parameters = parameters.iter().map(|setting| {
                    let named = Parameter::builder().parameter_name(&setting.name);
                    named.parameter_value(&setting.value).apply_method(setting.apply.method()).build()
                });
                settle(operation, request.set_parameters(Some(parameters.collect())).send().await)
            }
            Change::ResetParameter { group, name, apply } => {
                let parameter = Parameter::builder().parameter_name(name).apply_method(apply.method()).build();
                let request = rds.reset_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
                settle(operation, request.parameters(parameter).send().await)
            }
            Change::Restore { cluster, snapshot, engine } => {
                let request = rds.restore_db_cluster_from_snapshot().db_cluster_identifier(cluster);
                settle(operation, request.snapshot_identifier(snapshot).engine(engine).send().await)
            }
        }
    }
}

/// A parameter in the command line's shorthand; a value that the shorthand would take apart is quoted.
fn shorthand(setting: &ParameterSetting) -> String {
    let ParameterSetting { name, value, apply } = setting;
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.*/".contains(c));
    let value = if plain { value.clone() } else { format!("\"{}\"", value.replace('"', "\\\"")) };
    format!("ParameterName={name},ParameterValue={value},ApplyMethod={}", apply.method())
}

/// The request id of an answer, or the trouble.
fn settle<O, E>(
    operation: &str,
    answer: Result<O, SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>>,
) -> Result<Option<String>, Trouble>
where
    O: RequestId,
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata + std::error::Error + 'static,
{
    answer.map(|answer| answer.request_id().map(str::to_owned)).map_err(|error| trouble(operation, error))
}
