//! Calls that change nothing.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_rds::types::{
    DbCluster, DbClusterSnapshot, DbInstance, Filter, Parameter, PendingModifiedValues, SourceType,
};
use jiff::Timestamp;

use super::Rds;
use super::views::{ClusterView, EventSource, EventView, InstanceView, MemberView, ParameterView, SnapshotView};
use crate::clients::aws::{moment, trouble};
use crate::clients::{Trouble, TroubleKind, met};
use crate::runbook::names::InstanceId;

const CLUSTERS: &str = "rds:DescribeDBClusters";
const INSTANCES: &str = "rds:DescribeDBInstances";
const SNAPSHOTS: &str = "rds:DescribeDBClusterSnapshots";
const EVENTS: &str = "rds:DescribeEvents";
const PARAMETERS: &str = "rds:DescribeDBClusterParameters";

/// Clusters that one question names: as many as a page of its answer holds, so that a large fleet makes no question that is
/// too long for a form.
const PAGE: usize = 100;

/// `DescribeDBClusters` and `DescribeDBInstances` know a cluster by this filter.
const BY_CLUSTER: &str = "db-cluster-id";

/// Aurora PostgreSQL, as both calls know it by their filter `engine`.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html>
const ENGINE: &str = "aurora-postgresql";

impl Rds {
    /// A cluster with its instances: two calls at once.
    pub async fn cluster(&self, id: &str) -> Result<ClusterView, Trouble> {
        let ids = [id];
        let (cluster, instances) = tokio::try_join!(self.topology(id), self.instances(&ids))?;
        Ok(joined(cluster, &instances))
    }

    /// A cluster alone, its members without their instances: one call, for a witness that only asks who the writer is.
    pub async fn topology(&self, id: &str) -> Result<ClusterView, Trouble> {
        let answer = self.reading.describe_db_clusters().db_cluster_identifier(id).send().await;
        let clusters = answer.map_err(|error| trouble(CLUSTERS, error))?.db_clusters.unwrap_or_default();
        let cluster = clusters.into_iter().next();
        cluster
            .map(view_cluster)
            .ok_or_else(|| Trouble::new(CLUSTERS, TroubleKind::NotFound, format!("the answer holds no cluster {id}")))
    }

    /// Several clusters of the account with their instances, in two calls for each page; one that does not exist is left
    /// out.
    pub async fn clusters(&self, ids: &[&str]) -> Result<Vec<ClusterView>, Trouble> {
        let mut found = Vec::new();
        for ids in ids.chunks(PAGE) {
            let (clusters, instances) = tokio::try_join!(self.list_clusters(by_cluster(ids)), self.instances(ids))?;
            found.extend(all_joined(clusters, &instances));
        }
        Ok(found)
    }

    /// Every Aurora PostgreSQL cluster of the account and region with its instances. Where those cannot be read, the
    /// clusters come without them, and with the trouble.
    pub async fn fleet(&self) -> Result<(Vec<ClusterView>, Option<Trouble>), Trouble> {
        let (clusters, instances) = tokio::join!(self.list_clusters(by_engine()), self.list_instances(by_engine()));
        let clusters = clusters?;
        Ok(match instances {
            Ok(instances) => (all_joined(clusters, &instances), None),
            Err(trouble) => (clusters, Some(trouble)),
        })
    }

    /// The instances of these clusters, in one call.
    pub async fn instances(&self, clusters: &[&str]) -> Result<Vec<InstanceView>, Trouble> {
        self.list_instances(by_cluster(clusters)).await
    }

    async fn list_clusters(&self, filter: Filter) -> Result<Vec<ClusterView>, Trouble> {
        let mut pages = self.reading.describe_db_clusters().filters(filter).into_paginator().items().send();
        let mut clusters = Vec::new();
        while let Some(cluster) = pages.next().await {
            clusters.push(view_cluster(cluster.map_err(|error| trouble(CLUSTERS, error))?));
        }
        Ok(clusters)
    }

    async fn list_instances(&self, filter: Filter) -> Result<Vec<InstanceView>, Trouble> {
        let mut pages = self.reading.describe_db_instances().filters(filter).into_paginator().items().send();
        let mut instances = Vec::new();
        while let Some(instance) = pages.next().await {
            instances.push(view_instance(instance.map_err(|error| trouble(INSTANCES, error))?));
        }
        Ok(instances)
    }

    /// A cluster snapshot; none where there is none of that name.
    pub async fn snapshot(&self, id: &str) -> Result<Option<SnapshotView>, Trouble> {
        let answer = self.reading.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(id).send().await;
        match answer.map_err(|error| trouble(SNAPSHOTS, error)) {
            Ok(answer) => Ok(answer.db_cluster_snapshots.unwrap_or_default().into_iter().next().map(view_snapshot)),
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The events of a cluster or instance since then, oldest first. RDS keeps them for 14 days.
    pub async fn events(&self, source: &EventSource, since: Timestamp) -> Result<Vec<EventView>, Trouble> {
        match source {
            EventSource::Cluster(id) => self.list_events(SourceType::DbCluster, Some(id), since).await,
            EventSource::Instance(id) => self.list_events(SourceType::DbInstance, Some(id.as_str()), since).await,
        }
    }

    /// The events of every cluster and instance of the account and region since then, oldest first: two calls for each
    /// page, however many there are.
    pub async fn all_events(&self, since: Timestamp) -> Result<Vec<EventView>, Trouble> {
        let (mut events, of_instances) = tokio::try_join!(
            self.list_events(SourceType::DbCluster, None, since),
            self.list_events(SourceType::DbInstance, None, since)
        )?;
        events.extend(of_instances);
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    async fn list_events(
        &self,
        kind: SourceType,
        source: Option<&str>,
        since: Timestamp,
    ) -> Result<Vec<EventView>, Trouble> {
        let since = aws_smithy_types::DateTime::from_secs(since.as_second());
        let request = self.reading.describe_events().source_type(kind);
        let request = request.set_source_identifier(source.map(str::to_lowercase));
        let mut pages = request.start_time(since).into_paginator().items().send();
        let mut events = Vec::new();
        while let Some(event) = pages.next().await {
            let event = event.map_err(|error| trouble(EVENTS, error))?;
            let Some(at) = moment(event.date()) else { continue };
            events.push(EventView {
                at,
                source: event.source_identifier.unwrap_or_default(),
                message: met::wash_line(EVENTS, &event.message.unwrap_or_default()),
                categories: event.event_categories.unwrap_or_default(),
            });
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    /// Every parameter of a cluster parameter group.
    pub async fn cluster_parameters(&self, group: &str) -> Result<Vec<ParameterView>, Trouble> {
        let request = self.reading.describe_db_cluster_parameters().db_cluster_parameter_group_name(group);
        let mut pages = request.into_paginator().items().send();
        let mut parameters = Vec::new();
        while let Some(parameter) = pages.next().await {
            parameters.extend(view_parameter(parameter.map_err(|error| trouble(PARAMETERS, error))?));
        }
        Ok(parameters)
    }
}

/// RDS keeps identifiers in lower case, and a filter, unlike a look-up, is not promised to ignore case.
fn by_cluster(ids: &[&str]) -> Filter {
    let values = ids.iter().map(|id| id.to_lowercase()).collect();
    // Both fields are set, so that the builder cannot refuse.
    Filter::builder().name(BY_CLUSTER).set_values(Some(values)).build()
}

fn by_engine() -> Filter {
    Filter::builder().name("engine").set_values(Some(vec![ENGINE.to_owned()])).build()
}

/// Puts the instances beside the members of several clusters.
fn all_joined(clusters: Vec<ClusterView>, instances: &[InstanceView]) -> Vec<ClusterView> {
    let mut of_clusters: HashMap<Option<&str>, Vec<InstanceView>> = HashMap::new();
    for instance in instances {
        of_clusters.entry(instance.cluster.as_deref()).or_default().push(instance.clone());
    }
    let join = |cluster: ClusterView| {
        let own = of_clusters.get(&Some(cluster.id.as_str())).cloned();
        joined(cluster, own.as_deref().unwrap_or(instances))
    };
    clusters.into_iter().map(join).collect()
}

/// Puts the instances beside their members.
fn joined(mut cluster: ClusterView, instances: &[InstanceView]) -> ClusterView {
    for member in &mut cluster.members {
        member.instance = instances.iter().find(|instance| instance.id == member.id).cloned();
    }
    cluster
}

fn view_cluster(cluster: DbCluster) -> ClusterView {
    let members = cluster.db_cluster_members.unwrap_or_default().into_iter().map(|member| MemberView {
        id: InstanceId::new(member.db_instance_identifier.unwrap_or_default()),
        is_writer: member.is_cluster_writer.unwrap_or_default(),
        group_status: member.db_cluster_parameter_group_status.unwrap_or_default(),
        instance: None,
    });
    ClusterView {
        members: members.collect(),
        id: cluster.db_cluster_identifier.unwrap_or_default(),
        status: cluster.status.unwrap_or_default(),
        parameter_group: cluster.db_cluster_parameter_group.unwrap_or_default(),
        endpoint: cluster.endpoint,
        reader_endpoint: cluster.reader_endpoint,
        port: cluster.port.and_then(|port| u16::try_from(port).ok()),
        engine_version: cluster.engine_version,
        insights_mode: cluster.database_insights_mode.map(|mode| mode.as_str().to_owned()),
        insights_retention_days: cluster.performance_insights_retention_period,
    }
}

fn view_instance(instance: DbInstance) -> InstanceView {
    let groups = instance.db_parameter_groups.unwrap_or_default();
    let endpoint = instance.endpoint;
    let port = endpoint.as_ref().and_then(|endpoint| endpoint.port);
    InstanceView {
        id: InstanceId::new(instance.db_instance_identifier.unwrap_or_default()),
        cluster: instance.db_cluster_identifier,
        status: instance.db_instance_status.unwrap_or_default(),
        class: instance.db_instance_class.unwrap_or_default(),
        pending: instance.pending_modified_values.map(pending).unwrap_or_default(),
        group_status: groups.into_iter().next().and_then(|group| group.parameter_apply_status),
        resource_id: instance.dbi_resource_id,
        host: endpoint.and_then(|endpoint| endpoint.address),
        port: port.and_then(|port| u16::try_from(port).ok()),
        zone: instance.availability_zone,
        insights: instance.performance_insights_enabled,
        insights_mode: instance.database_insights_mode.map(|mode| mode.as_str().to_owned()),
        insights_retention_days: instance.performance_insights_retention_period,
    }
}

/// What is queued, by name. A queued password is masked by RDS, and its value is not taken over all the same.
fn pending(values: PendingModifiedValues) -> BTreeMap<String, String> {
    let number = |value: Option<i32>| value.map(|value| value.to_string());
    let truth = |value: Option<bool>| value.map(|value| value.to_string());
    let named = [
        ("DBInstanceClass", values.db_instance_class),
        ("DBInstanceIdentifier", values.db_instance_identifier),
        ("EngineVersion", values.engine_version),
        ("CACertificateIdentifier", values.ca_certificate_identifier),
        ("DBSubnetGroupName", values.db_subnet_group_name),
        ("StorageType", values.storage_type),
        ("MasterUserPassword", values.master_user_password.map(|_| "queued".to_owned())),
        ("Port", number(values.port)),
        ("AllocatedStorage", number(values.allocated_storage)),
        ("BackupRetentionPeriod", number(values.backup_retention_period)),
        ("Iops", number(values.iops)),
        ("MultiAZ", truth(values.multi_az)),
        ("IAMDatabaseAuthenticationEnabled", truth(values.iam_database_authentication_enabled)),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn view_snapshot(snapshot: DbClusterSnapshot) -> SnapshotView {
    SnapshotView {
        created: moment(snapshot.snapshot_create_time()),
        id: snapshot.db_cluster_snapshot_identifier.unwrap_or_default(),
        cluster: snapshot.db_cluster_identifier.unwrap_or_default(),
        status: snapshot.status.unwrap_or_default(),
        progress: snapshot.percent_progress.and_then(|percent| u8::try_from(percent).ok()),
    }
}

fn view_parameter(parameter: Parameter) -> Option<ParameterView> {
    Some(ParameterView {
        name: parameter.parameter_name?,
        value: parameter.parameter_value,
        apply_type: parameter.apply_type,
        data_type: parameter.data_type,
        apply_method: parameter.apply_method.map(|method| method.as_str().to_owned()),
        source: parameter.source,
    })
}
