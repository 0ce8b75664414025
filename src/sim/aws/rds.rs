//! RDS: which actions there are, and those that only look.

use super::params::{Params, bare, put_marker};
use super::rds_shapes::{put_cluster, put_instance, put_snapshot};
use super::xml::Xml;
use super::{Answer, Caller, Site, rds_events, rds_modify, rds_parameters};
use crate::sim::world::World;
use crate::sim::world::aurora::{Cluster, Instance, Snapshot};
use crate::sim::world::refusal::Refusal;

/// Whether an action can change something.
pub(super) fn changes(action: &str) -> bool {
    !action.starts_with("Describe") && !action.starts_with("List")
}

/// What an action is about: the most particular identifier that it names, as the caller wrote it.
pub(super) fn resource(params: &Params) -> String {
    const NAMES: [&str; 5] = [
        "DBClusterSnapshotIdentifier",
        "DBInstanceIdentifier",
        "DBClusterIdentifier",
        "DBClusterParameterGroupName",
        "SourceIdentifier",
    ];
    let named = NAMES.iter().find_map(|name| params.get(name));
    named.or_else(|| params.get("Filters.Filter.1.Values.Value.1")).unwrap_or_default().to_owned()
}

/// Answers an action; none where RDS has no such action here.
pub(super) fn answer(site: &Site, caller: &Caller, action: &str, params: &Params) -> Answer {
    Some(match action {
        "DescribeDBClusters" => site.read(|world| describe_clusters(world, caller, params)),
        "DescribeDBInstances" => site.read(|world| describe_instances(world, caller, params)),
        "DescribeDBClusterSnapshots" => site.read(|world| describe_snapshots(world, caller, params)),
        "DescribeEvents" => site.read(|world| rds_events::describe(world, caller, params, site.speed)),
        "DescribeDBClusterParameters" => site.read(|world| rds_parameters::describe(world, caller, params)),
        "DescribeDBClusterParameterGroups" => site.read(|world| rds_parameters::describe_groups(world, caller, params)),
        _ => return rds_modify::answer(site, caller, action, params),
    })
}

/// The clusters of the caller's account, restored ones included.
pub(super) fn clusters<'a>(world: &'a World, caller: &'a Caller) -> impl Iterator<Item = &'a Cluster> {
    let own = |infrastructure: &String| *infrastructure == caller.infrastructure;
    let partitions = world.partitions.iter().filter(move |partition| own(&partition.infrastructure));
    let restored = world.restored.iter().filter(move |(infrastructure, _)| own(infrastructure));
    partitions.map(|partition| &partition.cluster).chain(restored.map(|(_, cluster)| cluster))
}

fn describe_clusters(world: &World, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let filters = params.filters(&["db-cluster-id", "db-cluster-resource-id", "engine"])?;
    let wanted = params.get("DBClusterIdentifier").map(bare);
    let takes = |cluster: &&Cluster| {
        wanted.is_none_or(|id| cluster.id.eq_ignore_ascii_case(id))
            && filters.iter().all(|filter| match filter.name.as_str() {
                "db-cluster-id" => filter.takes(&cluster.id),
                "db-cluster-resource-id" => filter.takes(&cluster.resource_id),
                _ => filter.takes("aurora-postgresql"),
            })
    };
    let found: Vec<_> = clusters(world, caller).filter(takes).collect();
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(Refusal::no_cluster(id));
    }
    let (page, marker) = params.page(&found)?;
    let mut xml = Xml::default();
    xml.list("DBClusters", "DBCluster", page, |xml, cluster| put_cluster(xml, caller, cluster));
    put_marker(&mut xml, marker);
    Ok(xml)
}

fn describe_instances(world: &World, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let filters = params.filters(&["db-cluster-id", "db-instance-id", "dbi-resource-id", "engine"])?;
    let wanted = params.get("DBInstanceIdentifier").map(bare);
    let takes = |(cluster, instance): &(&Cluster, &Instance)| {
        wanted.is_none_or(|id| instance.id.eq_ignore_ascii_case(id) || instance.resource_id.eq_ignore_ascii_case(id))
            && filters.iter().all(|filter| match filter.name.as_str() {
                "db-cluster-id" => filter.takes(&cluster.id),
                "db-instance-id" => filter.takes(&instance.id),
                "dbi-resource-id" => filter.takes(&instance.resource_id),
                _ => filter.takes("aurora-postgresql"),
            })
    };
    let all = clusters(world, caller).flat_map(|cluster| cluster.instances.iter().map(move |one| (cluster, one)));
    let found: Vec<_> = all.filter(takes).collect();
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(Refusal::no_instance(id));
    }
    let (page, marker) = params.page(&found)?;
    let mut xml = Xml::default();
    xml.list("DBInstances", "DBInstance", page, |xml, (cluster, instance)| {
        put_instance(xml, caller, cluster, instance)
    });
    put_marker(&mut xml, marker);
    Ok(xml)
}

fn describe_snapshots(world: &World, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let filters = params.filters(&["db-cluster-id", "db-cluster-snapshot-id", "snapshot-type", "engine"])?;
    let wanted = params.get("DBClusterSnapshotIdentifier").map(bare);
    let of_cluster = params.get("DBClusterIdentifier").map(bare);
    let takes = |(cluster, snapshot): &(&Cluster, &Snapshot)| {
        wanted.is_none_or(|id| snapshot.id.eq_ignore_ascii_case(id))
            && of_cluster.is_none_or(|id| cluster.id.eq_ignore_ascii_case(id))
            && params.get("SnapshotType").is_none_or(|kind| kind == "manual")
            && filters.iter().all(|filter| match filter.name.as_str() {
                "db-cluster-id" => filter.takes(&cluster.id),
                "db-cluster-snapshot-id" => filter.takes(&snapshot.id),
                "snapshot-type" => filter.takes("manual"),
                _ => filter.takes("aurora-postgresql"),
            })
    };
    let all = clusters(world, caller).flat_map(|cluster| cluster.snapshots.iter().map(move |one| (cluster, one)));
    let found: Vec<_> = all.filter(takes).collect();
    if let (Some(id), true) = (wanted, found.is_empty()) {
        return Err(Refusal::no_snapshot(id));
    }
    let (page, marker) = params.page(&found)?;
    let mut xml = Xml::default();
    xml.list("DBClusterSnapshots", "DBClusterSnapshot", page, |xml, (cluster, snapshot)| {
        put_snapshot(xml, caller, cluster, snapshot);
    });
    put_marker(&mut xml, marker);
    Ok(xml)
}
