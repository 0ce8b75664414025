//! The faults as a real SDK client meets them.

#![allow(clippy::unwrap_used)]

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_rds::config::Credentials;
use aws_sdk_rds::error::ProvideErrorMetadata;
use tokio::net::TcpListener;

use super::*;
use crate::config::scenario::Staged;
use crate::sim::{aws, testing};

const CLUSTER: &str = "Alpha001-prod-AuroraCluster";

/// A site with a situation in prod, and a client of prod's account that tries everything once.
async fn site(situation: Situation, step: Option<&'static str>) -> (Arc<Site>, aws_sdk_rds::Client) {
    let site = testing::site(1.0);
    let staged = Staged { situation, partition: Some("prod".into()), step, times: None, after: Duration::ZERO };
    site.change(|world| world.stage_one(&staged, 1.0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let lines = Lines { listener, cables: site.read(|world| world.cables.clone()), server: Server::Aws };
    let router = before(aws::router(site.clone()), &site, Server::Aws);
    tokio::spawn(async move { axum::serve(lines, router.into_make_service_with_connect_info::<Line>()).await });
    let key = site.read(|world| {
        let mut accounts = world.accounts.iter();
        accounts.find(|account| account.infrastructure == "Alpha001").unwrap().access_key.clone()
    });
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new(key, "rehearsal", None, None, "test"))
        .load()
        .await;
    (site, aws_sdk_rds::Client::new(&config))
}

#[tokio::test]
async fn throttling_hits_a_share_of_the_calls_with_the_codes_of_rds() {
    let (_, rds) = site(Situation::Throttled, None).await;
    let mut refused = 0;
    for _ in 0..40 {
        if let Err(error) = rds.describe_db_clusters().send().await {
            assert_eq!((error.code(), error.message()), (Some("Throttling"), Some("Rate exceeded")));
            refused += 1;
        }
    }
    assert!((15..40).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_call_that_trouble_begins_with_is_carried_out_and_its_answer_lost() {
    let (site, rds) = site(Situation::Api5xx, Some("failover")).await;
    rds.describe_db_clusters().send().await.unwrap();
    let error = rds.failover_db_cluster().db_cluster_identifier(CLUSTER).send().await.unwrap_err();
    assert_eq!(error.code(), Some("InternalFailure"));
    assert!(site.read(|world| world.partitions.iter().any(|partition| partition.cluster.promoting.is_some())));
}

#[tokio::test]
async fn a_lost_network_cuts_connections_and_comes_back() {
    let (site, rds) = site(Situation::NetworkLost, None).await;
    assert!(rds.describe_db_clusters().send().await.unwrap_err().into_service_error().code().is_none());
    site.change(|world| world.remedied(Situation::NetworkLost, "prod"));
    rds.describe_db_clusters().send().await.unwrap();
}
