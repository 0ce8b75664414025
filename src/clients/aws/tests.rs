#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use super::*;
use crate::clients::insights::Period;
use crate::clients::rds::{Change, EventSource};
use crate::clients::{Controls, Trouble, TroubleKind};
use crate::journal::lock::{OperatorLock, Owner};
use crate::sim::testing;
use crate::sim::world::Site;

fn target() -> AwsTarget {
    AwsTarget { profile: Some("Admin-Alpha1".into()), region: "us-east-1".into(), account: Some("123456789012".into()) }
}

impl Aws {
    /// Clients of a service at that address, for tests; the environment is left alone.
    pub(crate) async fn at(endpoint: &str, target: &AwsTarget) -> Self {
        Self::signed(endpoint, target, "test").await
    }

    /// As [`Self::at`], with an access key of its own.
    pub(crate) async fn signed(endpoint: &str, target: &AwsTarget, key: &str) -> Self {
        Self::of(target, &configs(endpoint, target, key).await)
    }

    /// As [`Self::signed`], with that patience with a changing call.
    pub(crate) async fn impatient(endpoint: &str, target: &AwsTarget, key: &str, patience: Duration) -> Self {
        let configs = configs(endpoint, target, key).await;
        let changing = configs.changing.to_builder().timeout_config(timeouts(patience, patience)).build();
        Self::of(target, &Configs { changing, ..configs })
    }
}

async fn configs(endpoint: &str, target: &AwsTarget, key: &str) -> Configs {
    let credentials = Credentials::new(key, crate::sim::world::cloud::SECRET_KEY, None, None, "test");
    let loader = loader(Region::new(target.region.clone())).endpoint_url(endpoint).credentials_provider(credentials);
    let loader = loader.retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)));
    Configs::of(loader.load().await)
}

/// A service that answers every call alike, and how often it was called.
async fn service(status: u16, body: &'static str) -> (Aws, Arc<AtomicUsize>) {
    serve(move |_| (status, body)).await
}

/// A service that answers by a call's body, and how often it was called.
async fn serve<F>(answer: F) -> (Aws, Arc<AtomicUsize>)
where
    F: Fn(&str) -> (u16, &'static str) + Clone + Send + Sync + 'static,
{
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |body: String| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (status, body) = answer(&body);
        async move { (StatusCode::from_u16(status).unwrap(), body).into_response() }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, app).await });
    (Aws::at(&endpoint, &target()).await, calls)
}

fn error(code: &str, message: &str) -> &'static str {
    format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
        .leak()
}

fn controls() -> (Controls, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Controls::take(OperatorLock::take(directory.path(), Owner::here("tester")).unwrap()), directory)
}

fn failover() -> Change {
    Change::Failover {
        cluster: "Alpha001-prod-AuroraCluster".into(),
        target: "alpha001-prod-auroraclusterreader1".into(),
    }
}

#[tokio::test]
async fn errors_of_a_service_are_told_apart() {
    for (status, code, message, expected) in [
        (400, "ExpiredToken", "The security token included in the request is expired", TroubleKind::SignedOut),
        (403, "InvalidClientTokenId", "The security token included in the request is invalid", TroubleKind::SignedOut),
        (403, "AccessDenied", "User is not authorized to perform: rds:DescribeDBClusters", TroubleKind::Denied),
        (403, "AccessDenied", "Token has expired", TroubleKind::SignedOut),
        (403, "SignatureDoesNotMatch", "Signature expired: it is 3600 s apart", TroubleKind::Refused),
        (400, "Throttling", "Rate exceeded", TroubleKind::Throttled),
        (503, "ThrottlingException", "Rate exceeded", TroubleKind::Throttled),
        (404, "DBClusterNotFoundFault", "DBCluster x not found", TroubleKind::NotFound),
        (400, "InvalidDBClusterStateFault", "it is modifying", TroubleKind::Refused),
        (500, "InternalFailure", "", TroubleKind::NoAnswer),
        (503, "ServiceUnavailable", "", TroubleKind::NoAnswer),
    ] {
        let (aws, _) = service(status, error(code, message)).await;
        let trouble = aws.rds.topology("x").await.unwrap_err();
        assert_eq!((trouble.kind, trouble.code.as_deref()), (expected, Some(code)), "{status} {code}: {trouble}");
    }
}

#[tokio::test]
async fn a_log_that_is_not_exported_and_one_that_may_not_be_read_are_two_things() {
    for (body, expected, words) in [
        (
            r#"{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}"#,
            TroubleKind::NotFound,
            "the cluster does not export its PostgreSQL log: there is no log group /aws/rds/cluster/c-1/postgresql",
        ),
        (
            r#"{"__type":"AccessDeniedException","message":"User: u is not authorized to perform: logs:FilterLogEvents"}"#,
            TroubleKind::Denied,
            "User: u is not authorized to perform: logs:FilterLogEvents",
        ),
    ] {
        let (aws, _) = service(400, body).await;
        let trouble = aws.logs.slow_statements("C-1", jiff::Timestamp::UNIX_EPOCH, Duration::ZERO).await.unwrap_err();
        assert_eq!((trouble.kind, trouble.message.as_str()), (expected, words));
    }
    let (aws, _) = service(200, r#"{"events":[],"searchedLogStreams":[]}"#).await;
    let quiet = aws.logs.slow_statements("C-1", jiff::Timestamp::UNIX_EPOCH, Duration::ZERO).await;
    assert_eq!(quiet, Ok(Vec::new()));
}

#[tokio::test]
async fn slow_statements_are_read_page_by_page_and_only_those_that_are_slow() {
    let line = |took: &str| {
        format!(
            r#"{{"eventId":"{took}","logStreamName":"c-1writer.0","timestamp":1778825782000,
            "message":"2026-05-14 20:01:02 UTC:10.4.12.31(1):app@app:[431]:LOG:  duration: {took} ms  statement: SELECT 'x'"}}"#
        )
    };
    let first: &'static str = format!(r#"{{"events":[{}],"nextToken":"more"}}"#, line("700.5")).leak();
    let second: &'static str = format!(r#"{{"events":[{},{}]}}"#, line("499.9"), line("900.0")).leak();
    let (aws, calls) = serve(move |body| (200, if body.contains("more") { second } else { first })).await;
    let least = Duration::from_millis(500);
    let slow = aws.logs.slow_statements("C-1", jiff::Timestamp::UNIX_EPOCH, least).await.unwrap();
    let told: Vec<_> =
        slow.iter().map(|one| (one.instance.as_str(), one.took.as_millis(), one.text.as_str())).collect();
    assert_eq!(told, [("c-1writer", 700, "SELECT ?"), ("c-1writer", 900, "SELECT ?")]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_no_answer_of_the_service_is_told_apart_from_its_refusals() {
    for (status, body, expected) in [
        (502, "<html>Bad gateway</html>", TroubleKind::NoAnswer),
        (200, "<DescribeDBClustersResponse><DescribeDB", TroubleKind::Malformed),
        (400, "<html>Who are you?</html>", TroubleKind::Refused),
    ] {
        let (aws, _) = service(status, body).await;
        let trouble = aws.rds.topology("x").await.unwrap_err();
        assert_eq!(trouble.kind, expected, "{trouble}");
        assert!(trouble.message.contains(&status.to_string()), "{trouble}");
    }
}

#[tokio::test]
async fn reads_are_repeated_and_changes_are_sent_once() {
    let (controls, _directory) = controls();
    let (aws, calls) = service(503, error("ServiceUnavailable", "")).await;
    assert_eq!(aws.rds.topology("x").await.unwrap_err().kind, TroubleKind::NoAnswer);
    assert!(calls.swap(0, Ordering::SeqCst) > 1);
    let trouble = aws.rds.carry_out(&controls, &failover()).await.unwrap_err();
    assert!(trouble.may_have_acted(), "{trouble}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_no_unknown_outcome() {
    let (controls, _directory) = controls();
    for endpoint in ["http://127.0.0.1:9", "http://no-such-host.invalid"] {
        let trouble = Aws::at(endpoint, &target()).await.rds.carry_out(&controls, &failover()).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
        assert!(!trouble.may_have_acted());
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_after_the_call_leaves_its_outcome_unknown() {
    let (controls, _directory) = controls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut head = [0; 16];
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut head).await;
        }
    });
    let trouble = Aws::at(&endpoint, &target()).await.rds.carry_out(&controls, &failover()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::NoAnswer, "{trouble}");
}

/// Trouble of a profile in a configuration file of our own.
#[allow(deprecated, reason = "aws-config names these types under their old place only")]
async fn profile(name: &str, text: &str) -> Trouble {
    use aws_config::profile::ProfileFileCredentialsProvider;
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    use aws_config::provider_config::ProviderConfig;
    let files = ProfileFiles::builder().with_contents(ProfileFileKind::Config, text).build();
    let region = Region::from_static("us-east-1");
    let provider = ProfileFileCredentialsProvider::builder()
        .profile_name(name)
        .profile_files(files)
        .configure(&ProviderConfig::without_region().with_region(Some(region.clone())))
        .build();
    let config = loader(region).endpoint_url("http://127.0.0.1:9").credentials_provider(provider).load().await;
    Aws::of(&target(), &Configs::of(config)).identity.caller().await.unwrap_err()
}

#[tokio::test]
async fn an_ended_session_is_told_apart_from_a_missing_profile() {
    let missing =
        profile("Admin-Alpha002", "[profile Alpha002-Admin]\naws_access_key_id=a\naws_secret_access_key=b\n").await;
    assert_eq!(missing.kind, TroubleKind::Unreachable, "{missing}");
    assert!(missing.message.contains("Admin-Alpha002"), "{missing}");
    let sso = "[profile P]\nsso_session = s\nsso_account_id = 1\nsso_role_name = Admin\n\
               [sso-session s]\nsso_region = us-east-1\nsso_start_url = https://nobody-was-ever-here.example/start\n";
    let ended = profile("P", sso).await;
    assert_eq!(ended.kind, TroubleKind::SignedOut, "{ended}");
}

#[tokio::test]
async fn clusters_are_joined_with_their_instances() {
    let clusters = r"<DescribeDBClustersResponse><DescribeDBClustersResult><DBClusters><DBCluster>
        <DBClusterIdentifier>c</DBClusterIdentifier><Status>available</Status>
        <DBClusterParameterGroup>default.aurora-postgresql16</DBClusterParameterGroup>
        <Endpoint>c.cluster-x.us-east-1.rds.amazonaws.com</Endpoint><Port>5432</Port>
        <DatabaseInsightsMode>advanced</DatabaseInsightsMode>
        <PerformanceInsightsRetentionPeriod>465</PerformanceInsightsRetentionPeriod>
        <DBClusterMembers>
          <DBClusterMember><DBInstanceIdentifier>w</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter>
            <DBClusterParameterGroupStatus>in-sync</DBClusterParameterGroupStatus></DBClusterMember>
          <DBClusterMember><DBInstanceIdentifier>r</DBInstanceIdentifier><IsClusterWriter>false</IsClusterWriter>
            <DBClusterParameterGroupStatus>pending-reboot</DBClusterParameterGroupStatus></DBClusterMember>
        </DBClusterMembers></DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>";
    let instances = r"<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance>
          <DBInstanceIdentifier>w</DBInstanceIdentifier><DBInstanceClass>db.t3.medium</DBInstanceClass>
          <DBInstanceStatus>available</DBInstanceStatus><DbiResourceId>db-W</DbiResourceId>
          <Endpoint><Address>w.x</Address><Port>5432</Port></Endpoint>
          <PendingModifiedValues><DBInstanceClass>db.r7g.large</DBInstanceClass></PendingModifiedValues>
        </DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>";
    let answer = move |body: &str| {
        if body.contains("Action=DescribeDBClusters") {
            assert!(body.contains("DBClusterIdentifier=C"), "{body}");
            (200, clusters)
        } else {
            // A filter is not promised to ignore case.
            assert!(body.contains("Filters.Filter.1.Values.Value.1=c"), "{body}");
            (200, instances)
        }
    };
    let (aws, calls) = serve(answer).await;
    let cluster = match aws.rds.cluster("C").await {
        Ok(cluster) => cluster,
        Err(trouble) => panic!("{trouble}"),
    };
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!((cluster.insights_mode.as_deref(), cluster.insights_retention_days), (Some("advanced"), Some(465)));
    let writer = cluster.writer().unwrap();
    assert_eq!((writer.status(), writer.class()), (Some("available"), Some("db.t3.medium")));
    assert_eq!(writer.pending_class(), Some("db.r7g.large"));
    assert_eq!(writer.instance.as_ref().unwrap().host.as_deref(), Some("w.x"));
    let reader = cluster.member(&"R".into()).unwrap();
    assert_eq!((reader.group_status.as_str(), reader.status()), ("pending-reboot", None));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    let (aws, _) = service(404, error("DBClusterSnapshotNotFoundFault", "")).await;
    assert_eq!(aws.rds.snapshot("s").await, Ok(None));
    let (aws, _) = service(400, error("ValidationError", "Stack with id Alpha001-Secrets does not exist")).await;
    assert_eq!(aws.cloudformation.stack("Alpha001-Secrets").await, Ok(None));
}

#[tokio::test]
async fn hostile_words_of_an_event_are_cleaned() {
    let body = "<DescribeEventsResponse><DescribeEventsResult><Events><Event><SourceIdentifier>w</SourceIdentifier>\
        <SourceType>db-instance</SourceType><Message>DB instance&#x9b;2J restarted\u{202e}</Message>\
        <EventCategories><EventCategory>availability</EventCategory></EventCategories>\
        <Date>2026-05-14T18:58:23.512Z</Date></Event></Events></DescribeEventsResult></DescribeEventsResponse>";
    let (aws, _) = service(200, body).await;
    let since = jiff::Timestamp::UNIX_EPOCH;
    let events = aws.rds.events(&EventSource::Instance("w".into()), since).await.unwrap();
    assert_eq!((events.len(), events[0].message.as_str()), (1, "DB instance restarted"));
    assert_eq!(events[0].at.to_string(), "2026-05-14T18:58:23.512Z");
}

#[test]
fn calls_say_what_would_do_the_same() {
    let call = failover().call(&target());
    assert_eq!(call.operation, "rds:FailoverDBCluster");
    assert_eq!(call.target, "123456789012 · us-east-1 · Admin-Alpha1");
    assert_eq!(
        call.command_line,
        "aws rds failover-db-cluster --db-cluster-identifier Alpha001-prod-AuroraCluster \
         --target-db-instance-identifier alpha001-prod-auroraclusterreader1 --region us-east-1 --profile Admin-Alpha1"
    );
    let flush = Change::ApplyPending { instance: "i".into() }.call(&AwsTarget { profile: None, ..target() });
    assert_eq!(
        flush.command_line,
        "aws rds modify-db-instance --db-instance-identifier i --apply-immediately --region us-east-1"
    );
}

/// The clients of prod's account on a simulated site, `speed` times as fast as the log.
async fn site(speed: f64) -> (Aws, Arc<Site>) {
    let site = testing::site(speed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = crate::sim::aws::router(Arc::clone(&site));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let key = site.read(|world| {
        world.accounts.iter().find(|account| account.infrastructure == "Alpha001").unwrap().access_key.clone()
    });
    (Aws::signed(&endpoint, &target(), &key).await, site)
}

/// Looks until there is something to see.
async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(std::time::Instant::now() < deadline, "it never came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const CLUSTER: &str = "Alpha001-prod-AuroraCluster";

#[tokio::test]
async fn a_snapshot_is_taken_seen_and_deleted() {
    let (controls, _directory) = controls();
    let (aws, _site) = site(500.0).await;
    let id = "Alpha001-prod-pdev479-pre-rollout";
    assert_eq!(aws.rds.snapshot(id).await, Ok(None));
    let create = Change::CreateSnapshot { cluster: CLUSTER.into(), snapshot: id.into() };
    assert!(aws.rds.carry_out(&controls, &create).await.unwrap().is_some(), "no request id");
    let refused = aws.rds.carry_out(&controls, &create).await.unwrap_err();
    assert_eq!(refused.kind, TroubleKind::Refused);
    assert!(refused.is_code("DBClusterSnapshotAlreadyExistsFault"), "{refused}");
    let snapshot =
        until(async || aws.rds.snapshot(id).await.unwrap().filter(|snapshot| snapshot.status == "available")).await;
    assert_eq!((snapshot.id.as_str(), snapshot.progress), ("alpha001-prod-pdev479-pre-rollout", Some(100)));
    assert!(snapshot.created.unwrap() <= jiff::Timestamp::now());
    aws.rds.carry_out(&controls, &Change::DeleteSnapshot { snapshot: id.into() }).await.unwrap();
    until(async || aws.rds.snapshot(id).await.unwrap().is_none().then_some(())).await;
}

#[tokio::test]
async fn a_failover_moves_the_writer_and_leaves_events() {
    let (controls, _directory) = controls();
    let (aws, _site) = site(500.0).await;
    let since = jiff::Timestamp::now();
    let before = aws.rds.cluster(CLUSTER).await.unwrap();
    let reader = before.readers().next().unwrap().id.clone();
    let change = Change::Failover { cluster: CLUSTER.into(), target: reader.clone() };
    aws.rds.carry_out(&controls, &change).await.unwrap();
    let after = until(async || {
        let cluster = aws.rds.cluster(CLUSTER).await.unwrap();
        let moved = cluster.writer().is_some_and(|writer| writer.id == reader) && cluster.status == "available";
        moved.then_some(cluster)
    })
    .await;
    assert_eq!(after.members.len(), 2);
    assert!(after.members.iter().all(|member| member.instance.is_some()), "{after:?}");
    let both = aws.rds.clusters(&[CLUSTER, "no-such-cluster"]).await.unwrap();
    assert_eq!(both.len(), 1);
    let source = EventSource::Cluster(CLUSTER.into());
    let events = until(async || {
        let events = aws.rds.events(&source, since).await.unwrap();
        (!events.is_empty()).then_some(events)
    })
    .await;
    assert!(events.iter().any(|event| event.message.to_lowercase().contains("failover")), "{events:?}");
    assert!(events.windows(2).all(|two| two[0].at <= two[1].at));
}

#[tokio::test]
async fn the_account_its_stacks_its_secrets_and_its_load_are_read() {
    let (aws, site) = site(1.0).await;
    let account =
        site.read(|world| world.accounts.iter().find(|one| one.infrastructure == "Alpha001").unwrap().id.clone());
    assert_eq!(aws.identity.caller().await.unwrap().account, account);
    assert_eq!(aws.cloudformation.stack("Alpha001-Secrets").await.unwrap(), None);
    let stack = aws.cloudformation.stack("Alpha001-prod-AuroraDBCluster").await.unwrap().unwrap();
    assert!(stack.is_complete(), "{stack:?}");
    let events = aws.cloudformation.events(&stack.name, jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(events.windows(2).all(|two| two[0].at <= two[1].at), "{events:?}");
    let missing = aws.secrets.value("Alpha001-SentryDsn").await.unwrap_err();
    assert_eq!(missing.kind, TroubleKind::NotFound, "{missing}");
    let cluster = aws.rds.cluster(CLUSTER).await.unwrap();
    let writer = cluster.writer().unwrap().instance.clone().unwrap();
    let resource = writer.resource_id.unwrap();
    let now = jiff::Timestamp::now();
    let span = (now - jiff::SignedDuration::from_secs(300), now);
    let series = aws.insights.load(&resource, span, Period::Second).await.unwrap();
    assert!(series.iter().any(|one| one.wait_event.is_some() && !one.points.is_empty()), "{series:?}");
    assert!(series.iter().any(|one| one.wait_event.is_none()), "{series:?}");
    let statements = aws.insights.top_statements(&resource, span, 5).await.unwrap();
    assert!(!statements.is_empty() && statements.len() <= 5, "{statements:?}");
    assert!(statements.windows(2).all(|two| two[0].load >= two[1].load), "{statements:?}");
    // Where it is off, PI says neither that nor that the instance is there.
    site.change(|world| {
        let clusters = world.partitions.iter_mut().map(|partition| &mut partition.cluster);
        clusters.flat_map(|cluster| &mut cluster.instances).for_each(|instance| instance.insights = false);
    });
    let off = aws.insights.load(&resource, span, Period::Second).await.unwrap_err();
    assert_eq!((off.kind, off.code.as_deref()), (TroubleKind::NotFound, Some("NotAuthorizedException")), "{off}");
    let described = aws.rds.cluster(CLUSTER).await.unwrap();
    assert_eq!(described.writer().unwrap().instance.as_ref().unwrap().insights, Some(false));
    let parameters = aws.rds.cluster_parameters(&cluster.parameter_group).await.unwrap();
    assert!(parameters.len() > 100, "{}", parameters.len());
}
