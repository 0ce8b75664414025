//! RDS: the actions that change something. Each answers the thing as it is right after the call was accepted.

use super::params::{Params, bare};
use super::rds_shapes::{put_cluster, put_instance, put_snapshot};
use super::xml::Xml;
use super::{Answer, Caller, Site, rds, sts};
use crate::runbook::situation::Situation;
use crate::sim::world::World;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::story_modify::ParameterChange;

/// Answers an action; none where RDS has no such action here.
pub(super) fn answer(site: &Site, caller: &Caller, action: &str, params: &Params) -> Answer {
    let speed = site.speed;
    Some(site.change(|world| match action {
        "CreateDBClusterSnapshot" => Some(create_snapshot(world, caller, params, speed)),
        "DeleteDBClusterSnapshot" => Some(delete_snapshot(world, caller, params, speed)),
        "RestoreDBClusterFromSnapshot" => Some(restore(world, caller, params, speed)),
        "RebootDBInstance" => Some(reboot(world, caller, params, speed)),
        "FailoverDBCluster" => Some(failover(world, caller, params, speed)),
        "ModifyDBInstance" => Some(modify_instance(world, caller, params, speed)),
        "ModifyDBCluster" => Some(modify_cluster(world, caller, params, speed)),
        "ModifyDBClusterParameterGroup" => Some(modify_group(world, caller, params, speed)),
        "ResetDBClusterParameterGroup" => Some(reset_group(world, caller, params, speed)),
        _ => None,
    }))?
}

/// The cluster identifier that a call gives, if it is one of the caller's.
fn own_cluster(world: &World, caller: &Caller, params: &Params) -> Result<String, Refusal> {
    let id = bare(params.need("DBClusterIdentifier")?);
    let found = rds::clusters(world, caller).find(|cluster| cluster.id.eq_ignore_ascii_case(id));
    found.map(|cluster| cluster.id.clone()).ok_or_else(|| Refusal::no_cluster(id))
}

/// The instance identifier that a call gives, if it is one of the caller's.
fn own_instance(world: &World, caller: &Caller, params: &Params) -> Result<String, Refusal> {
    let id = bare(params.need("DBInstanceIdentifier")?);
    let found = rds::clusters(world, caller).find_map(|cluster| cluster.instance(id));
    found.map(|instance| instance.id.clone()).ok_or_else(|| Refusal::no_instance(id))
}

/// Refuses a snapshot that is not one of the caller's.
fn own_snapshot<'a>(world: &World, caller: &Caller, id: &'a str) -> Result<&'a str, Refusal> {
    let id = bare(id);
    let mut snapshots = rds::clusters(world, caller).flat_map(|cluster| &cluster.snapshots);
    snapshots.any(|one| one.id.eq_ignore_ascii_case(id)).then_some(id).ok_or_else(|| Refusal::no_snapshot(id))
}

fn cluster_answer(world: &World, caller: &Caller, id: &str) -> Xml {
    let mut xml = Xml::default();
    if let Some(cluster) = rds::clusters(world, caller).find(|cluster| cluster.id.eq_ignore_ascii_case(id)) {
        xml.within("DBCluster", |xml| put_cluster(xml, caller, cluster));
    }
    xml
}

fn instance_answer(world: &World, caller: &Caller, id: &str) -> Xml {
    let mut xml = Xml::default();
    let found = rds::clusters(world, caller).find_map(|cluster| cluster.instance(id).map(|one| (cluster, one)));
    if let Some((cluster, instance)) = found {
        xml.within("DBInstance", |xml| put_instance(xml, caller, cluster, instance));
    }
    xml
}

fn create_snapshot(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let cluster = own_cluster(world, caller, params)?;
    world.cluster_step_begins(&cluster, "snapshot", speed);
    refuse_without_permission(world, caller, &cluster, "rds:CreateDBClusterSnapshot")?;
    let snapshot = world.create_snapshot(&cluster, params.need("DBClusterSnapshotIdentifier")?, speed)?;
    let mut xml = Xml::default();
    if let Some(partition) = world.by_cluster(&cluster) {
        xml.within("DBClusterSnapshot", |xml| put_snapshot(xml, caller, &partition.cluster, &snapshot));
    }
    Ok(xml)
}

/// Refuses an action that the caller's role does not allow, while that is so.
fn refuse_without_permission(world: &mut World, caller: &Caller, cluster: &str, action: &str) -> Result<(), Refusal> {
    let Some(partition) = world.by_cluster(cluster).map(|partition| partition.name.clone()) else { return Ok(()) };
    if !world.strikes(Situation::AccessDenied, &partition) {
        return Ok(());
    }
    let who = sts::role(&caller.account);
    let resource = format!("arn:aws:rds:{}:{}:cluster:{}", caller.region, caller.account, cluster.to_lowercase());
    Err(Refusal::new(
        "AccessDenied",
        format!(
            "User: {who} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
             allows the {action} action"
        ),
    ))
}

fn delete_snapshot(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let id = own_snapshot(world, caller, params.need("DBClusterSnapshotIdentifier")?)?;
    let cluster = rds::clusters(world, caller)
        .find(|cluster| cluster.snapshots.iter().any(|one| one.id.eq_ignore_ascii_case(id)))
        .map(|cluster| cluster.id.clone());
    if let Some(cluster) = &cluster {
        world.deletion_begins(cluster, speed);
    }
    let snapshot = world.delete_snapshot(id)?;
    let mut xml = Xml::default();
    if let Some(partition) = cluster.and_then(|cluster| world.by_cluster(&cluster)) {
        xml.within("DBClusterSnapshot", |xml| put_snapshot(xml, caller, &partition.cluster, &snapshot));
    }
    Ok(xml)
}

fn restore(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let snapshot = own_snapshot(world, caller, params.need("SnapshotIdentifier")?)?;
    params.need("Engine")?;
    let new = world.restore(snapshot, params.need("DBClusterIdentifier")?, speed)?;
    Ok(cluster_answer(world, caller, &new))
}

fn reboot(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let id = own_instance(world, caller, params)?;
    world.reboot_instance(&id, params.flag("ForceFailover"), speed)?;
    Ok(instance_answer(world, caller, &id))
}

fn failover(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let id = own_cluster(world, caller, params)?;
    world.failover(&id, params.get("TargetDBInstanceIdentifier").map(bare), speed)?;
    Ok(cluster_answer(world, caller, &id))
}

fn modify_instance(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let id = own_instance(world, caller, params)?;
    world.modify_instance(&id, params.get("DBInstanceClass"), params.flag("ApplyImmediately"), speed)?;
    if params.get("EnablePerformanceInsights").is_some() {
        let instances = world.partitions.iter_mut().flat_map(|partition| &mut partition.cluster.instances);
        for instance in instances.filter(|instance| instance.id.eq_ignore_ascii_case(&id)) {
            instance.insights = params.flag("EnablePerformanceInsights");
        }
    }
    Ok(instance_answer(world, caller, &id))
}

fn modify_cluster(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let id = own_cluster(world, caller, params)?;
    let retention = params.number("PerformanceInsightsRetentionPeriod")?;
    world.modify_cluster(&id, params.get("DatabaseInsightsMode"), retention, speed)?;
    Ok(cluster_answer(world, caller, &id))
}

/// The parameter group that a call gives, if it is one of the caller's or the engine's.
fn own_group<'a>(world: &World, caller: &Caller, params: &'a Params) -> Result<&'a str, Refusal> {
    let group = params.need("DBClusterParameterGroupName")?;
    let own = rds::clusters(world, caller).any(|cluster| cluster.rollout_group.eq_ignore_ascii_case(group));
    if own || group.starts_with("default.") {
        return Ok(group);
    }
    Err(Refusal::new("DBParameterGroupNotFound", format!("DBClusterParameterGroup not found: {group}")))
}

fn modify_group(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let group = own_group(world, caller, params)?;
    let read = |index: usize| {
        let prefix = format!("Parameters.Parameter.{index}");
        let name = params.need(&format!("{prefix}.ParameterName"))?.to_owned();
        let value = params.need(&format!("{prefix}.ParameterValue"))?.to_owned();
        let immediate = params.get(&format!("{prefix}.ApplyMethod")) == Some("immediate");
        Ok(ParameterChange { name, value, immediate })
    };
    let count = params.count("Parameters.Parameter");
    let changes: Vec<_> = (1..=count).map(read).collect::<Result<_, Refusal>>()?;
    world.modify_parameter_group(group, changes, speed)?;
    let mut xml = Xml::default();
    xml.put("DBClusterParameterGroupName", group);
    Ok(xml)
}

/// Back to the engine's default: some parameters by name. The whole group at once is beyond the site.
fn reset_group(world: &mut World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let group = own_group(world, caller, params)?;
    let name = |index: usize| params.need(&format!("Parameters.Parameter.{index}.ParameterName")).map(str::to_owned);
    let names: Vec<_> = (1..=params.count("Parameters.Parameter")).map(name).collect::<Result<_, Refusal>>()?;
    if names.is_empty() {
        return Err(Refusal::combination("Either ResetAllParameters or Parameters must be specified."));
    }
    world.reset_parameter_group(group, &names, speed)?;
    let mut xml = Xml::default();
    xml.put("DBClusterParameterGroupName", group);
    Ok(xml)
}
