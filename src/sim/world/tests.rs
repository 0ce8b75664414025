//! The stories, told moment by moment without waiting: after each change the world is looked at.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use super::World;
use super::aurora::Cluster;
use crate::sim::testing;

const PROD: &str = "Alpha001-prod-AuroraCluster";
const WRITER: &str = "alpha001-prod-auroraclusterwriter";
const READER: &str = "alpha001-prod-auroraclusterreader1";

fn world() -> World {
    World::before_rollout(testing::plan(), 7)
}

fn prod(world: &mut World) -> &mut Cluster {
    &mut world.by_cluster(PROD).unwrap().cluster
}

/// Lets everything on the agenda happen; answers what `look` saw, each distinct sight once, with its site second.
fn watch<T: PartialEq>(world: &mut World, look: impl Fn(&mut World) -> T) -> Vec<(u64, T)> {
    let start = Instant::now();
    let mut seen = vec![(0, look(world))];
    while let Some(due) = world.agenda.next_due() {
        world.advance(start + Duration::from_secs(100_000), 1.0);
        let now = look(world);
        if seen.last().is_none_or(|(_, last)| *last != now) {
            seen.push((due.saturating_duration_since(start).as_secs_f64().round() as u64, now));
        }
    }
    seen
}

fn drain(world: &mut World) {
    watch(world, |_| ());
}

#[test]
fn the_site_starts_as_the_log_found_it() {
    let mut world = world();
    assert_eq!(world.accounts.len(), 2);
    assert!(world.account("Alpha001").unwrap().stack("Alpha001-Secrets").is_none());
    assert!(world.account("Alpha001").unwrap().stack("Alpha001-prod-AuroraDBCluster").is_some());
    assert!(world.account("Alpha002").unwrap().secret("Alpha002-dev-ItemDb").is_some());
    let cluster = prod(&mut world);
    assert_eq!(cluster.parameter_group, "default.aurora-postgresql16");
    assert_eq!(cluster.instances.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [WRITER, READER]);
    assert_eq!(cluster.instances[0].live["max_connections"], "401");
}

#[test]
fn the_same_seed_gives_the_same_site() {
    let (one, other) = (world(), world());
    assert_eq!(one.sentry_dsn, other.sentry_dsn);
    assert_eq!(one.partitions[0].cluster.endpoint, other.partitions[0].cluster.endpoint);
    assert_eq!(one.partitions[3].sql_password, other.partitions[3].sql_password);
}

#[test]
fn in_a_failover_the_truth_turns_first_then_dns_then_the_api_and_the_status_last() {
    let mut world = world();
    world.failover(PROD, Some(READER), 1.0).unwrap();
    let seen = watch(&mut world, |world| {
        let cluster = prod(world);
        (cluster.status.clone(), cluster.writer.clone(), cluster.dns_writer.clone(), cluster.api_writer.clone())
    });
    let expect = |second, status: &str, writer: Option<&str>, dns: &str, api: &str| {
        (second, (status.to_owned(), writer.map(str::to_owned), dns.to_owned(), api.to_owned()))
    };
    let told = [
        expect(0, "available", Some(WRITER), WRITER, WRITER),
        expect(9, "available", None, WRITER, WRITER),
        expect(13, "failing-over", None, WRITER, WRITER),
        expect(17, "failing-over", Some(READER), WRITER, WRITER),
        expect(19, "failing-over", Some(READER), READER, WRITER),
        expect(24, "failing-over", Some(READER), READER, READER),
        expect(35, "available", Some(READER), READER, READER),
    ];
    assert_eq!(seen, told);
    let cluster = prod(&mut world);
    assert!(cluster.instances.iter().all(|instance| instance.up && instance.generation > 0));
    let events: Vec<_> = cluster.events.iter().map(|event| event.id).collect();
    assert_eq!(events, ["RDS-EVENT-0073", "RDS-EVENT-0006", "RDS-EVENT-0071"]);
}

#[test]
fn a_failover_is_refused_to_the_writer_and_while_one_runs() {
    let mut world = world();
    assert_eq!(world.failover(PROD, Some(WRITER), 1.0).unwrap_err().code, "InvalidDBClusterStateFault");
    world.failover(PROD, None, 1.0).unwrap();
    assert_eq!(world.failover(PROD, Some(READER), 1.0).unwrap_err().code, "InvalidDBClusterStateFault");
}

#[test]
fn prods_deploy_queues_the_class_and_the_flush_swaps_it_before_available() {
    let mut world = world();
    world.start_deploy("Alpha001", "prod", Some("Admin-Alpha1"), 1.0).unwrap();
    drain(&mut world);
    let deploy = &world.deploys["prod"];
    assert!(deploy.done && deploy.failed.is_none(), "{deploy:?}");
    assert!(world.account("Alpha001").unwrap().secret("Alpha001-SentryDsn").is_some());
    let cluster = prod(&mut world);
    assert_eq!(cluster.parameter_group, cluster.rollout_group);
    for instance in &cluster.instances {
        assert_eq!(
            (instance.class.as_str(), instance.pending_class.as_deref()),
            ("db.t3.medium", Some("db.r7g.large"))
        );
        assert_eq!(instance.group_status, "pending-reboot");
        assert_eq!(instance.live["log_min_duration_statement"], "500ms");
        assert_eq!(instance.live["shared_preload_libraries"], "rdsutils");
    }

    world.modify_instance(READER, None, true, 1.0).unwrap();
    let seen = watch(&mut world, |world| {
        let instance = prod(world).instance(READER).unwrap();
        (instance.status.clone(), instance.class.clone(), instance.up)
    });
    let expect = |second, status: &str, class: &str, up| (second, (status.to_owned(), class.to_owned(), up));
    let told = [
        expect(0, "available", "db.t3.medium", true),
        expect(90, "modifying", "db.t3.medium", true),
        expect(250, "modifying", "db.t3.medium", false),
        expect(370, "modifying", "db.t3.medium", true),
        expect(379, "configuring-enhanced-monitoring", "db.r7g.large", true),
        expect(442, "available", "db.r7g.large", true),
    ];
    assert_eq!(seen, told);
    let cluster = prod(&mut world);
    assert_eq!(cluster.instance(READER).unwrap().live["max_connections"], "500");
    assert_eq!(cluster.writer.as_deref(), Some(WRITER));

    world.failover(PROD, Some(READER), 1.0).unwrap();
    drain(&mut world);
    let demoted = prod(&mut world).instance(WRITER).unwrap();
    assert_eq!((demoted.class.as_str(), demoted.pending_class.as_deref()), ("db.t3.medium", Some("db.r7g.large")));
}

#[test]
fn devs_deploy_restarts_both_instances_and_a_second_one_changes_nothing() {
    let mut world = world();
    world.start_deploy("Alpha002", "dev", Some("Alpha002-Admin"), 1.0).unwrap();
    let id = "Alpha002-dev-AuroraCluster";
    let took = watch(&mut world, |world| world.deploys["dev"].done).last().unwrap().0;
    assert!((300..=500).contains(&took), "{took}");
    let cluster = &world.by_cluster(id).unwrap().cluster;
    let restarts = cluster.events.iter().filter(|event| event.id == "RDS-EVENT-0006").count();
    assert_eq!(restarts, 2);
    for instance in &cluster.instances {
        assert_eq!((instance.group_status.as_str(), instance.status.as_str()), ("in-sync", "available"));
        assert_eq!(instance.live["shared_preload_libraries"], "pg_stat_statements");
        assert_eq!(instance.live["max_connections"], "401");
    }
    assert_eq!(cluster.writer.as_deref(), Some("alpha002-dev-auroraclusterwriter"));

    assert_eq!(world.start_deploy("Alpha002", "dev", None, 1.0), Ok(2));
    let took = watch(&mut world, |world| world.deploys["dev"].done).last().unwrap().0;
    // In the log, dev's last run took 297 s and demo's 324 s.
    assert!((250..330).contains(&took), "{took}");
    let events = &world.by_cluster(id).unwrap().cluster.events;
    assert_eq!(events.iter().filter(|event| event.id == "RDS-EVENT-0006").count(), 2);
}

#[test]
fn a_deploy_with_a_profile_of_another_account_is_refused() {
    let mut world = world();
    assert!(world.start_deploy("Alpha002", "dev", Some("Admin-Alpha2"), 1.0).is_err());
    assert!(world.start_deploy("Alpha002", "prod", None, 1.0).is_err());
}

#[test]
fn advanced_insights_break_the_deploy_and_its_rollback_until_they_are_standard_and_settled() {
    let mut world = world();
    prod(&mut world).insights_mode = "advanced".to_owned();
    prod(&mut world).insights_retention = 465;
    world.start_deploy("Alpha001", "prod", None, 1.0).unwrap();
    drain(&mut world);
    let stack = "Alpha001-prod-AuroraDBCluster";
    let status = |world: &mut World| world.account("Alpha001").unwrap().stack(stack).unwrap().status.clone();
    assert_eq!(status(&mut world), "UPDATE_ROLLBACK_FAILED");
    assert!(world.deploys["prod"].failed.as_ref().unwrap().contains("465 days"));
    assert_eq!(prod(&mut world).parameter_group, "default.aurora-postgresql16");

    world.modify_cluster(PROD, Some("standard"), None, 1.0).unwrap();
    world.continue_rollback("Alpha001", stack, None, 1.0).unwrap();
    drain(&mut world);
    assert_eq!(status(&mut world), "UPDATE_ROLLBACK_FAILED", "the cluster was still configuring");
    world.continue_rollback("Alpha001", stack, None, 1.0).unwrap();
    drain(&mut world);
    assert_eq!(status(&mut world), "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(prod(&mut world).insights_retention, 7);

    world.start_deploy("Alpha001", "prod", None, 1.0).unwrap();
    drain(&mut world);
    assert!(world.deploys["prod"].failed.is_none());
    assert_eq!(status(&mut world), "UPDATE_COMPLETE");
}

#[test]
fn a_snapshot_is_there_once_and_gone_once() {
    let mut world = world();
    world.create_snapshot(PROD, "Pre-Rollout", 1.0).unwrap();
    assert_eq!(world.delete_snapshot("pre-rollout").unwrap_err().code, "InvalidDBClusterSnapshotStateFault");
    let again = world.create_snapshot(PROD, "pre-rollout", 1.0).unwrap_err();
    assert_eq!(again.code, "DBClusterSnapshotAlreadyExistsFault");
    let seen = watch(&mut world, |world| prod(world).snapshots[0].status.clone());
    assert_eq!(seen, [(0, "creating".to_owned()), (338, "available".to_owned())]);
    world.delete_snapshot("PRE-ROLLOUT").unwrap();
    assert_eq!(world.delete_snapshot("pre-rollout").unwrap_err().code, "DBClusterSnapshotNotFoundFault");
}

#[test]
fn a_writers_reboot_leaves_the_cluster_without_writer_for_a_while_and_the_reader_up() {
    let mut world = world();
    world.reboot_instance(WRITER, false, 1.0).unwrap();
    let seen =
        watch(&mut world, |world| (prod(world).writer.clone(), prod(world).instance(READER).unwrap().generation));
    let writers: Vec<_> = seen.into_iter().map(|(_, sight)| sight).collect();
    assert_eq!(writers, [(Some(WRITER.to_owned()), 0), (None, 0), (Some(WRITER.to_owned()), 0)]);
    assert!(world.reboot_instance(WRITER, true, 1.0).is_err());
}
