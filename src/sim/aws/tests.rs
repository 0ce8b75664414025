//! The endpoint as the real SDK clients see it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_pi::types::{DimensionGroup, MetricQuery, ServiceType};
use aws_sdk_rds::config::Credentials;
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{ApplyMethod, Filter, Parameter, SourceType};

use super::router;
use crate::sim::testing;
use crate::sim::world::Site;

const CLUSTER: &str = "Alpha001-prod-AuroraCluster";
const WRITER: &str = "alpha001-prod-auroraclusterwriter";
const READER: &str = "alpha001-prod-auroraclusterreader1";

/// A site behind a real listener, and the SDK configuration of prod's account.
pub(super) async fn endpoint(speed: f64) -> (Arc<Site>, SdkConfig) {
    let site = testing::site(speed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = router(Arc::clone(&site));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let key = site.read(|world| {
        world.accounts.iter().find(|account| account.infrastructure == "Alpha001").unwrap().access_key.clone()
    });
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new(key, "rehearsal", None, None, "test"))
        .load()
        .await;
    (site, config)
}

/// Lets the whole agenda happen.
pub(super) fn drain(site: &Site) {
    site.change(|world| while world.advance(std::time::Instant::now() + Duration::from_secs(1_000_000), 1.0) {});
}

fn by_cluster(id: &str) -> Filter {
    Filter::builder().name("db-cluster-id").values(id).build()
}

#[tokio::test]
async fn clusters_and_instances_are_read_whole() {
    let (_, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    let answer = rds.describe_db_clusters().db_cluster_identifier(CLUSTER).send().await.unwrap();
    let [cluster] = answer.db_clusters() else { panic!("one cluster") };
    assert_eq!(cluster.db_cluster_identifier(), Some("alpha001-prod-auroracluster"));
    assert_eq!(cluster.status(), Some("available"));
    assert_eq!(cluster.db_cluster_parameter_group(), Some("default.aurora-postgresql16"));
    assert_eq!(cluster.database_insights_mode().map(|mode| mode.as_str()), Some("standard"));
    assert_eq!((cluster.performance_insights_retention_period(), cluster.port()), (Some(7), Some(5432)));
    let members: Vec<_> = cluster.db_cluster_members().iter().collect();
    assert_eq!(members.len(), 2);
    assert_eq!((members[0].db_instance_identifier(), members[0].is_cluster_writer()), (Some(WRITER), Some(true)));
    assert_eq!(members[1].db_cluster_parameter_group_status(), Some("in-sync"));

    let answer = rds.describe_db_instances().filters(by_cluster(CLUSTER)).send().await.unwrap();
    assert_eq!(answer.db_instances().len(), 2);
    let instance = &answer.db_instances()[0];
    assert_eq!(instance.db_instance_class(), Some("db.t3.medium"));
    assert!(instance.endpoint().unwrap().address().unwrap().starts_with(WRITER));
    assert!(instance.dbi_resource_id().unwrap().starts_with("db-"));
    assert_eq!(instance.db_parameter_groups()[0].parameter_apply_status(), Some("in-sync"));
}

#[tokio::test]
async fn an_account_sees_its_own_clusters_only() {
    let (site, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    assert_eq!(rds.describe_db_clusters().send().await.unwrap().db_clusters().len(), 2);
    let foreign = rds.describe_db_clusters().db_cluster_identifier("Alpha002-dev-AuroraCluster").send().await;
    assert!(foreign.unwrap_err().into_service_error().is_db_cluster_not_found_fault());
    let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    let account =
        site.read(|world| world.accounts.iter().find(|one| one.infrastructure == "Alpha001").unwrap().id.clone());
    assert_eq!(answer.account(), Some(account.as_str()));
}

#[tokio::test]
async fn a_snapshot_is_taken_refused_a_second_time_and_deleted() {
    let (site, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    let create =
        || rds.create_db_cluster_snapshot().db_cluster_identifier(CLUSTER).db_cluster_snapshot_identifier("Pre").send();
    let snapshot = create().await.unwrap().db_cluster_snapshot.unwrap();
    assert_eq!((snapshot.status(), snapshot.db_cluster_snapshot_identifier()), (Some("creating"), Some("pre")));
    assert!(create().await.unwrap_err().into_service_error().is_db_cluster_snapshot_already_exists_fault());
    drain(&site);
    let describe = || rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier("pre").send();
    let answer = describe().await.unwrap();
    assert_eq!(answer.db_cluster_snapshots()[0].status(), Some("available"));
    assert_eq!(answer.db_cluster_snapshots()[0].percent_progress(), Some(100));
    rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier("pre").send().await.unwrap();
    assert!(describe().await.unwrap_err().into_service_error().is_db_cluster_snapshot_not_found_fault());
    let line = site.ledger.report().into_iter().find(|line| line.operation == "CreateDBClusterSnapshot").unwrap();
    assert_eq!((line.resource.as_str(), line.count, line.changing), ("Pre", 2, 2));
}

#[tokio::test]
async fn a_failover_moves_the_writer_and_says_so_in_the_events() {
    let (site, config) = endpoint(200.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    let failover =
        || rds.failover_db_cluster().db_cluster_identifier(CLUSTER).target_db_instance_identifier(READER).send();
    let accepted = failover().await.unwrap().db_cluster.unwrap();
    assert_eq!(accepted.status(), Some("available"));
    assert!(failover().await.unwrap_err().into_service_error().is_invalid_db_cluster_state_fault());
    drain(&site);
    let answer = rds.describe_db_clusters().db_cluster_identifier(CLUSTER).send().await.unwrap();
    let writers: Vec<_> = answer.db_clusters()[0]
        .db_cluster_members()
        .iter()
        .filter(|member| member.is_cluster_writer() == Some(true))
        .map(|member| member.db_instance_identifier().unwrap())
        .collect();
    assert_eq!(writers, [READER]);
    let events =
        || rds.describe_events().source_identifier(CLUSTER).source_type(SourceType::DbCluster).duration(30).send();
    // Events come late: within some site seconds, which are short at this site.
    let both = async {
        loop {
            let messages: Vec<String> =
                events().await.unwrap().events().iter().map(|event| event.message().unwrap().to_owned()).collect();
            if messages.len() == 2 {
                break messages;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let messages = tokio::time::timeout(Duration::from_secs(5), both).await.expect("both events come");
    assert!(messages[0].starts_with("Started cross AZ failover to DB instance: "), "{messages:?}");
    assert_eq!(messages[1], format!("Completed failover to DB instance: {READER}"));
}

#[tokio::test]
async fn the_groups_parameters_are_paged_and_can_be_patched() {
    let (site, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    site.change(|world| world.start_deploy("Alpha001", "prod", None, 1.0).unwrap());
    drain(&site);
    let answer = rds.describe_db_clusters().db_cluster_identifier(CLUSTER).send().await.unwrap();
    let group = answer.db_clusters()[0].db_cluster_parameter_group().unwrap().to_owned();
    assert!(group.starts_with("alpha001-prod-auroradbcluster-aurorapostgresclusterclusterparametergrouped1eb2f9-"));
    assert_eq!(
        answer.db_clusters()[0].db_cluster_members()[0].db_cluster_parameter_group_status(),
        Some("pending-reboot")
    );

    let mut pages =
        rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(&group).into_paginator().send();
    let (mut count, mut all) = (0, Vec::new());
    while let Some(page) = pages.next().await {
        count += 1;
        all.extend(page.unwrap().parameters.unwrap());
    }
    assert!(count > 1);
    let of = |name: &str| all.iter().find(|parameter| parameter.parameter_name() == Some(name)).unwrap();
    assert_eq!(of("max_connections").parameter_value(), Some("500"));
    assert_eq!(of("max_connections").apply_type(), Some("static"));
    assert_eq!((of("log_statement").parameter_value(), of("log_statement").source()), (Some("ddl"), Some("user")));
    assert_eq!(of("work_mem").source(), Some("engine-default"));

    let patch = |name: &str| {
        let parameter =
            Parameter::builder().parameter_name(name).parameter_value("1000").apply_method(ApplyMethod::Immediate);
        rds.modify_db_cluster_parameter_group()
            .db_cluster_parameter_group_name(&group)
            .parameters(parameter.build())
            .send()
    };
    patch("log_min_duration_statement").await.unwrap();
    let refused = patch("max_connections").await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterCombination"));
    drain(&site);
    let live = site.read(|world| world.partitions[3].cluster.instances[0].live["log_min_duration_statement"].clone());
    assert_eq!(live, "1s");
}

#[tokio::test]
async fn a_queued_class_shows_and_is_flushed_with_apply_immediately() {
    let (site, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    site.change(|world| world.start_deploy("Alpha001", "prod", None, 1.0).unwrap());
    drain(&site);
    let flushed = rds.modify_db_instance().db_instance_identifier(READER).apply_immediately(true).send().await.unwrap();
    let pending = flushed.db_instance.unwrap().pending_modified_values.unwrap();
    assert_eq!(pending.db_instance_class(), Some("db.r7g.large"));
    drain(&site);
    let answer = rds.describe_db_instances().db_instance_identifier(READER).send().await.unwrap();
    let instance = &answer.db_instances()[0];
    assert_eq!(instance.db_instance_class(), Some("db.r7g.large"));
    assert_eq!(instance.pending_modified_values().and_then(|pending| pending.db_instance_class()), None);
    let refused =
        rds.reboot_db_instance().db_instance_identifier(READER).force_failover(true).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidDBInstanceState"));
    let rebooting = rds.reboot_db_instance().db_instance_identifier(READER).send().await.unwrap();
    assert_eq!(rebooting.db_instance.unwrap().db_instance_status(), Some("rebooting"));
}

#[tokio::test]
async fn stacks_and_secrets_come_with_the_deploy() {
    let (site, config) = endpoint(1.0).await;
    let cloud = aws_sdk_cloudformation::Client::new(&config);
    let describe = || cloud.describe_stacks().stack_name("Alpha001-Secrets").send();
    let absent = describe().await.unwrap_err();
    assert_eq!(absent.code(), Some("ValidationError"));
    assert_eq!(absent.message(), Some("Stack with id Alpha001-Secrets does not exist"));
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let read = || secrets.get_secret_value().secret_id("Alpha001-SentryDsn").send();
    assert!(read().await.unwrap_err().into_service_error().is_resource_not_found_exception());

    site.change(|world| world.start_deploy("Alpha001", "prod", None, 1.0).unwrap());
    drain(&site);
    let stacks = describe().await.unwrap();
    assert_eq!(stacks.stacks()[0].stack_status().unwrap().as_str(), "CREATE_COMPLETE");
    let value = read().await.unwrap();
    assert!(value.secret_string().unwrap().starts_with("https://"));
    assert_eq!(value.name(), Some("Alpha001-SentryDsn"));
    let events = cloud.describe_stack_events().stack_name("Alpha001-prod-AuroraDBCluster").send().await.unwrap();
    let newest = &events.stack_events()[0];
    assert_eq!(newest.resource_status().unwrap().as_str(), "UPDATE_COMPLETE");
    assert_eq!(newest.logical_resource_id(), Some("Alpha001-prod-AuroraDBCluster"));
    assert!(events.stack_events().len() > 8);
    let refused =
        cloud.continue_update_rollback().stack_name("Alpha001-prod-AuroraDBCluster").send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationError"));
}

#[tokio::test]
async fn load_is_answered_by_wait_event_and_by_statement_and_the_reader_has_none() {
    let (site, config) = endpoint(1.0).await;
    let pi = aws_sdk_pi::Client::new(&config);
    let ids: Vec<_> = site.read(|world| {
        world.partitions[3].cluster.instances.iter().map(|instance| instance.resource_id.clone()).collect()
    });
    let group = |name: &str| DimensionGroup::builder().group(name).limit(7).build().unwrap();
    // Seconds that are over, so that a second look a moment later sees the same.
    let now = SystemTime::now() - Duration::from_secs(2);
    let load = |id: String| {
        let query = MetricQuery::builder().metric("db.load.avg").group_by(group("db.wait_event")).build().unwrap();
        pi.get_resource_metrics()
            .service_type(ServiceType::Rds)
            .identifier(id)
            .metric_queries(query)
            .start_time((now - Duration::from_secs(60)).into())
            .end_time(now.into())
            .period_in_seconds(1)
            .send()
    };
    let answer = load(ids[0].clone()).await.unwrap();
    let list = answer.metric_list();
    assert_eq!(list.len(), 8, "the total and the seven heaviest");
    assert!(list[0].key().unwrap().dimensions().is_none());
    assert_eq!(list[1].key().unwrap().dimensions().unwrap()["db.wait_event.name"], "CPU");
    assert!(list[0].data_points().len() >= 59);
    assert!(list[0].data_points().iter().all(|point| point.value > 0.0));
    let again = load(ids[0].clone()).await.unwrap();
    assert_eq!(again.metric_list()[0].data_points(), list[0].data_points());
    let idle = load(ids[1].clone()).await.unwrap();
    assert!(idle.metric_list()[0].data_points().iter().all(|point| point.value == 0.0));

    let keys = pi
        .describe_dimension_keys()
        .service_type(ServiceType::Rds)
        .identifier(&ids[0])
        .metric("db.load.avg")
        .group_by(group("db.sql_tokenized"))
        .start_time((now - Duration::from_secs(300)).into())
        .end_time(now.into())
        .send()
        .await
        .unwrap();
    let totals: Vec<_> = keys.keys().iter().map(|key| key.total().unwrap()).collect();
    assert!(totals.is_sorted_by(|one, other| one >= other) && totals[0] > 0.0);
    let heaviest = crate::sim::pg::statements::shares()[0].0;
    assert_eq!(keys.keys()[0].dimensions().unwrap()["db.sql_tokenized.statement"], heaviest);
}

#[tokio::test]
async fn an_ended_session_an_unknown_key_and_an_unknown_action_are_refused_as_aws_does() {
    let (site, config) = endpoint(1.0).await;
    let rds = aws_sdk_rds::Client::new(&config);
    let unknown = rds.describe_db_engine_versions().send().await.unwrap_err();
    assert_eq!(unknown.code(), Some("InvalidAction"));
    site.change(|world| world.account("Alpha001").unwrap().signed_in = false);
    assert_eq!(rds.describe_db_clusters().send().await.unwrap_err().code(), Some("ExpiredToken"));
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let expired = secrets.get_secret_value().secret_id("x").send().await.unwrap_err();
    assert_eq!(expired.code(), Some("ExpiredTokenException"));
    let foreign = config
        .into_builder()
        .credentials_provider(aws_sdk_rds::config::SharedCredentialsProvider::new(Credentials::new(
            "AKIANOBODY",
            "x",
            None,
            None,
            "t",
        )))
        .build();
    let refused = aws_sdk_sts::Client::new(&foreign).get_caller_identity().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidClientTokenId"));
}
