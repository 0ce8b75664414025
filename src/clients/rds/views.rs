//! What RDS says, as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::runbook::names::InstanceId;

/// A cluster as `DescribeDBClusters` answers it, joined with its instances where they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterView {
    /// Identifier, lowercase.
    pub id: String,
    /// `available`, `failing-over`, `modifying`, …
    pub status: String,
    /// Name of the cluster parameter group that is attached.
    pub parameter_group: String,
    /// Writer endpoint's host name.
    pub endpoint: Option<String>,
    /// Reader endpoint's host name.
    pub reader_endpoint: Option<String>,
    /// Port of the endpoints.
    pub port: Option<u16>,
    /// Engine version, such as `16.6`.
    pub engine_version: Option<String>,
    /// Database Insights mode: `standard` or `advanced`.
    pub insights_mode: Option<String>,
    /// Performance Insights retention in days.
    pub insights_retention_days: Option<i32>,
    /// The members, in the API's order.
    pub members: Vec<MemberView>,
}

impl ClusterView {
    /// The member that the API calls the writer; none in the middle of a failover, perhaps.
    pub fn writer(&self) -> Option<&MemberView> {
        self.members.iter().find(|member| member.is_writer)
    }

    /// The members that the API does not call the writer.
    pub fn readers(&self) -> impl Iterator<Item = &MemberView> {
        self.members.iter().filter(|member| !member.is_writer)
    }

    /// The member of that identifier, whatever its case.
    pub fn member(&self, id: &InstanceId) -> Option<&MemberView> {
        self.members.iter().find(|member| member.id.as_str().eq_ignore_ascii_case(id.as_str()))
    }
}

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its instance identifier, lowercase.
    pub id: InstanceId,
    /// Whether the API calls it the writer; this can lag behind a failover by seconds.
    pub is_writer: bool,
    /// Status of the cluster parameter group on it: `in-sync`, `pending-reboot`, `applying`, …
    pub group_status: String,
    /// The instance; none where it was not asked for, or where `DescribeDBInstances` does not know it (yet).
    pub instance: Option<InstanceView>,
}

impl MemberView {
    /// Instance status, where it is known.
    pub fn status(&self) -> Option<&str> {
        self.instance.as_ref().map(|instance| instance.status.as_str())
    }

    /// Instance class, where it is known.
    pub fn class(&self) -> Option<&str> {
        self.instance.as_ref().map(|instance| instance.class.as_str())
    }

    /// The class that is queued, if one is.
    pub fn pending_class(&self) -> Option<&str> {
        self.instance.as_ref().and_then(|instance| instance.pending.get("DBInstanceClass")).map(String::as_str)
    }
}

/// An instance as `DescribeDBInstances` answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Identifier, lowercase.
    pub id: InstanceId,
    /// Its cluster's identifier.
    pub cluster: Option<String>,
    /// `available`, `rebooting`, `modifying`, `configuring-enhanced-monitoring`, …
    pub status: String,
    /// Class, such as `db.t3.medium`.
    pub class: String,
    /// What is queued (`PendingModifiedValues`), by the API's names; values are never secrets.
    pub pending: BTreeMap<String, String>,
    /// `ParameterApplyStatus` of the instance's parameter group.
    pub group_status: Option<String>,
    /// `DbiResourceId`, by which Performance Insights knows it.
    pub resource_id: Option<String>,
    /// Instance endpoint's host name.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Availability zone.
    pub zone: Option<String>,
    /// Whether Performance Insights measures it; none where RDS does not say.
    pub insights: Option<bool>,
    /// Database Insights mode.
    pub insights_mode: Option<String>,
    /// Performance Insights retention in days.
    pub insights_retention_days: Option<i32>,
}

/// A cluster snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotView {
    /// Identifier, lowercase.
    pub id: String,
    /// Cluster it was taken of.
    pub cluster: String,
    /// `creating`, `available`, …
    pub status: String,
    /// Percent.
    pub progress: Option<u8>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// Whose events are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventSource {
    /// A cluster.
    Cluster(String),
    /// An instance.
    Instance(InstanceId),
}

/// An RDS event. Best effort on RDS's side: events may be missing or out of order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// When.
    pub at: Timestamp,
    /// Identifier of the cluster or instance.
    pub source: String,
    /// What RDS says, cleaned.
    pub message: String,
    /// `failover`, `availability`, `configuration change`, …
    pub categories: Vec<String>,
}

/// A parameter of a cluster parameter group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterView {
    /// Name.
    pub name: String,
    /// Value as the group holds it, perhaps a formula; none leaves it to the engine.
    pub value: Option<String>,
    /// `static` or `dynamic`.
    pub apply_type: Option<String>,
    /// `boolean`, `integer`, `string`, …
    pub data_type: Option<String>,
    /// `immediate` or `pending-reboot`.
    pub apply_method: Option<String>,
    /// Who set it: `user`, `system`, `engine-default`.
    pub source: Option<String>,
}
