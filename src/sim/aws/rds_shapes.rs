//! How RDS writes clusters, instances and snapshots.

use std::time::Instant;

use super::Caller;
use super::xml::Xml;
use crate::sim::world::aurora::{Cluster, Instance, Snapshot};

/// Engine version of the site's clusters.
const ENGINE_VERSION: &str = "16.8";
const ENGINE: &str = "aurora-postgresql";

/// The instances' own parameter group: the engine's default, before the rollout and after it.
pub(super) const INSTANCE_GROUP: &str = "default.aurora-postgresql16";

/// Writes the content of a `DBCluster`.
pub(super) fn put_cluster(xml: &mut Xml, caller: &Caller, cluster: &Cluster) {
    let lower = cluster.id.to_lowercase();
    xml.put("DBClusterIdentifier", &lower).put("DBClusterArn", arn(caller, "cluster", &lower));
    xml.put("DbClusterResourceId", &cluster.resource_id).put("Status", &cluster.status);
    xml.put("Engine", ENGINE).put("EngineVersion", ENGINE_VERSION).put("EngineMode", "provisioned");
    xml.put("Endpoint", &cluster.endpoint).put("ReaderEndpoint", &cluster.reader_endpoint);
    xml.put("Port", cluster.port).put("MultiAZ", cluster.instances.len() > 1);
    xml.put("DBClusterParameterGroup", &cluster.parameter_group).put("DBSubnetGroup", format!("{lower}-subnets"));
    xml.put("MasterUsername", "postgres").put("AllocatedStorage", 1).put("BackupRetentionPeriod", 7);
    xml.put("PreferredBackupWindow", "07:10-07:40").put("PreferredMaintenanceWindow", "sun:09:00-sun:09:30");
    xml.put_time("ClusterCreateTime", cluster.created);
    xml.put("StorageEncrypted", true).put("DeletionProtection", true).put("CopyTagsToSnapshot", true);
    xml.put("IAMDatabaseAuthenticationEnabled", false).put("HttpEndpointEnabled", false);
    xml.put("DatabaseInsightsMode", &cluster.insights_mode)
        .put("PerformanceInsightsEnabled", cluster.instances.iter().any(|one| one.insights));
    xml.put("PerformanceInsightsRetentionPeriod", cluster.insights_retention).put("MonitoringInterval", 60);
    let zones: Vec<_> = cluster.instances.iter().map(|instance| &instance.zone).collect();
    xml.within("AvailabilityZones", |xml| {
        for zone in zones {
            xml.put("AvailabilityZone", zone);
        }
    });
    xml.list("DBClusterMembers", "DBClusterMember", cluster.instances.iter().enumerate(), |xml, (tier, instance)| {
        xml.put("DBInstanceIdentifier", &instance.id);
        xml.put("IsClusterWriter", cluster.api_writer.eq_ignore_ascii_case(&instance.id));
        xml.put("DBClusterParameterGroupStatus", &instance.group_status).put("PromotionTier", tier);
    });
    xml.list("VpcSecurityGroups", "VpcSecurityGroupMembership", [()], |xml, ()| {
        xml.put("VpcSecurityGroupId", "sg-0a1b2c3d4e5f60718").put("Status", "active");
    });
}

/// Writes the content of a `DBInstance`.
pub(super) fn put_instance(xml: &mut Xml, caller: &Caller, cluster: &Cluster, instance: &Instance) {
    xml.put("DBInstanceIdentifier", &instance.id).put("DBInstanceArn", arn(caller, "db", &instance.id));
    xml.put("DbiResourceId", &instance.resource_id).put("DBInstanceStatus", &instance.status);
    xml.put("DBInstanceClass", &instance.class).put("DBClusterIdentifier", cluster.id.to_lowercase());
    xml.put("Engine", ENGINE).put("EngineVersion", ENGINE_VERSION);
    xml.within("Endpoint", |xml| {
        xml.put("Address", cluster.instance_endpoint(&instance.id)).put("Port", cluster.port);
        xml.put("HostedZoneId", "Z2R2ITUGPM61AM");
    });
    xml.put_time("InstanceCreateTime", cluster.created).put("AvailabilityZone", &instance.zone);
    xml.put("MasterUsername", "postgres").put("AllocatedStorage", 1).put("StorageType", "aurora");
    xml.put("MultiAZ", false).put("PubliclyAccessible", false).put("AutoMinorVersionUpgrade", true);
    xml.put("CACertificateIdentifier", "rds-ca-rsa2048-g1").put("DeletionProtection", false);
    xml.within("PendingModifiedValues", |xml| {
        xml.put_some("DBInstanceClass", instance.pending_class.as_ref());
    });
    xml.list("DBParameterGroups", "DBParameterGroup", [()], |xml, ()| {
        // What waits in the cluster's group shows in the cluster's member, not in the instance's own group.
        xml.put("DBParameterGroupName", INSTANCE_GROUP).put("ParameterApplyStatus", "in-sync");
    });
    xml.put("DatabaseInsightsMode", &cluster.insights_mode).put("PerformanceInsightsEnabled", instance.insights);
    xml.put("PerformanceInsightsRetentionPeriod", cluster.insights_retention).put("MonitoringInterval", 60);
    let tier = cluster.instances.iter().position(|one| one.id == instance.id);
    xml.put_some("PromotionTier", tier);
}

/// Writes the content of a `DBClusterSnapshot`.
pub(super) fn put_snapshot(xml: &mut Xml, caller: &Caller, cluster: &Cluster, snapshot: &Snapshot) {
    xml.put("DBClusterSnapshotIdentifier", &snapshot.id);
    xml.put("DBClusterSnapshotArn", arn(caller, "cluster-snapshot", &snapshot.id));
    xml.put("DBClusterIdentifier", cluster.id.to_lowercase()).put("DbClusterResourceId", &cluster.resource_id);
    xml.put("SnapshotType", "manual").put("Status", &snapshot.status).put("PercentProgress", progress(snapshot));
    xml.put("Engine", ENGINE).put("EngineVersion", ENGINE_VERSION).put("AllocatedStorage", 1);
    xml.put_time("SnapshotCreateTime", snapshot.created).put_time("ClusterCreateTime", cluster.created);
    xml.put("Port", cluster.port).put("MasterUsername", "postgres").put("StorageEncrypted", true);
}

/// How much of a snapshot is taken, in percent; all of it only once it is available.
fn progress(snapshot: &Snapshot) -> u32 {
    if snapshot.status == "available" {
        return 100;
    }
    let whole = snapshot.ready.saturating_duration_since(snapshot.began).as_secs_f64();
    let done = Instant::now().saturating_duration_since(snapshot.began).as_secs_f64();
    if whole > 0.0 { (done / whole * 100.0).min(99.0) as u32 } else { 99 }
}

fn arn(caller: &Caller, kind: &str, id: &str) -> String {
    format!("arn:aws:rds:{}:{}:{kind}:{id}", caller.region, caller.account)
}
