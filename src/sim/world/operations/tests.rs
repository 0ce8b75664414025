#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::sim::testing;
use crate::sim::world::Site;
use crate::sim::world::cloud::Secret;

const LIMIT: Duration = Duration::from_secs(20);

/// Lets the site live and waits until its dev partition is as wanted.
async fn until(site: &Arc<Site>, what: &str, wanted: impl Fn(&SitePartition) -> bool) {
    let mut changes = site.changes();
    let wait = async {
        while !site.read(|world| wanted(&world.partitions[0])) {
            changes.changed().await.unwrap();
        }
    };
    let ticking = site.clone();
    tokio::select! {
        () = ticking.tick() => {}
        waited = tokio::time::timeout(LIMIT, wait) => assert!(waited.is_ok(), "never came: {what}"),
    }
}

fn preload(site: &Site, library: &str) {
    site.change(|world| {
        for instance in &mut world.partition("dev").unwrap().cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), library.into());
        }
    });
}

fn make_secret(site: &Site) {
    site.change(|world| {
        let (name, value) = ("Alpha002-SentryDsn".to_owned(), world.sentry_dsn.clone());
        world.account("Alpha002").unwrap().secrets.push(Secret { name, value, created: Timestamp::now() });
    });
}

fn upgrade(site: &Site) {
    site.change(|world| rollout::upgrade(world, "dev", Chart::after(), site.speed)).unwrap();
}

/// Whether all wanted pods, and no others, are ready and of the current template.
fn settled(partition: &SitePartition) -> bool {
    let operations = &partition.operations;
    let hash = &operations.current().unwrap().hash;
    operations.pods.len() == operations.replicas
        && operations.pods.iter().all(|pod| pod.ready.is_some() && &pod.hash == hash)
}

fn has_line(partition: &SitePartition, text: &str) -> bool {
    partition.operations.pods.iter().all(|pod| pod.log.iter().any(|line| line.text.contains(text)))
}

#[tokio::test]
async fn an_upgrade_replaces_pods_one_at_a_time_and_makes_the_extension() {
    let site = testing::site(300.0);
    preload(&site, "pg_stat_statements");
    make_secret(&site);
    upgrade(&site);
    until(&site, "two new pods", |partition| {
        let ready = partition.operations.pods.iter().filter(|pod| pod.ready.is_some()).count();
        assert!((2..=3).contains(&ready), "{ready} ready");
        settled(partition)
    })
    .await;
    site.read(|world| {
        let partition = &world.partitions[0];
        assert!(partition.cluster.extension_created);
        assert!(partition.operations.pods.iter().all(|pod| pod.has_dsn && pod.initialized()));
        assert!(has_line(partition, "Sentry SDK initialized"));
        assert!(has_line(partition, "Creating database dev-operations.item_db with role dev-operations.ItemDb"));
        assert_eq!(partition.operations.gone.len(), 2);
    });
}

#[tokio::test]
async fn a_pod_has_its_environment_from_its_start() {
    let site = testing::site(300.0);
    preload(&site, "pg_stat_statements");
    upgrade(&site);
    until(&site, "pods without the secret", settled).await;
    site.read(|world| assert!(has_line(&world.partitions[0], "Sentry SDK disabled because no DSN was set")));
    make_secret(&site);
    until(&site, "the secret", |partition| partition.operations.secret_synced.is_some()).await;
    site.read(|world| assert!(world.partitions[0].operations.pods.iter().all(|pod| !pod.has_dsn)));
    let restarted = BTreeMap::from([("kubectl.kubernetes.io/restartedAt".to_owned(), "now".to_owned())]);
    site.change(|world| rollout::annotate(world, "dev", restarted, site.speed));
    until(&site, "restarted pods", settled).await;
    site.read(|world| assert!(world.partitions[0].operations.pods.iter().all(|pod| pod.has_dsn)));
}

#[tokio::test]
async fn without_the_preload_the_init_container_fails_until_it_is_there() {
    let site = testing::site(300.0);
    upgrade(&site);
    until(&site, "a failed init container", |partition| {
        partition.operations.pods.iter().any(|pod| pod.inits.iter().any(|run| run.exit == Some(1)))
    })
    .await;
    site.read(|world| {
        let partition = &world.partitions[0];
        assert!(!partition.cluster.extension_created);
        let ready = partition.operations.pods.iter().filter(|pod| pod.ready.is_some()).count();
        assert_eq!(ready, 2, "the old pods go on");
    });
    preload(&site, "pg_stat_statements");
    until(&site, "pods of the new chart", settled).await;
}

#[tokio::test]
async fn a_rollback_brings_the_former_chart_back() {
    let site = testing::site(300.0);
    upgrade(&site);
    let number = site.change(|world| rollout::rollback(world, "dev", None, site.speed)).unwrap();
    until(&site, "pods of the old chart", settled).await;
    site.read(|world| {
        let operations = &world.partitions[0].operations;
        assert_eq!(operations.revisions.last().map(|revision| revision.number), Some(number));
        assert!(operations.pods.iter().all(|pod| pod.chart == Chart::before()));
    });
    let refused = site.change(|world| rollout::rollback(world, "dev", Some(3), site.speed));
    assert_eq!(refused.unwrap_err(), "release has no 3 version");
}

#[test]
fn the_application_needs_the_writer_endpoint_to_lead_to_the_writer() {
    let site = testing::site(1.0);
    let answers = || site.read(|world| world.partitions[0].application_answers());
    assert_eq!(answers(), Ok(()));
    let reader = site.read(|world| world.partitions[0].cluster.instances[1].id.clone());
    site.change(|world| world.partition("dev").unwrap().cluster.writer = None);
    assert!(answers().is_err());
    site.change(|world| world.partition("dev").unwrap().cluster.writer = Some(reader.clone()));
    assert!(answers().unwrap_err().contains("Connection is not available"));
    site.change(|world| world.partition("dev").unwrap().cluster.dns_writer = reader);
    assert_eq!(answers(), Ok(()));
}
