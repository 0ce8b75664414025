//! Bastions at the simulated site, over the real protocols.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Instant;

use axum::Router;
use serde_json::json;

use super::*;
use crate::clients::database::Database;
use crate::clients::dns::Resolver;
use crate::clients::postgres::{Address, WhoAmI};
use crate::clients::rds::Change;
use crate::journal::lock::{OperatorLock, Owner};
use crate::runbook::plan::KubernetesTarget;
use crate::sim::world::Site;
use crate::sim::{aws, dns, kube, pg, testing};

/// A partition whose databases are behind a bastion.
struct Stage {
    site: Arc<Site>,
    partition: Partition,
    aws: Arc<Aws>,
    kubernetes: Kubernetes,
    controls: Arc<Controls>,
    names: dns::NameServer,
    _databases: pg::Databases,
    _directory: tempfile::TempDir,
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

impl Stage {
    async fn open(speed: f64, deadline: Duration) -> Self {
        let site = testing::site(speed);
        let databases = pg::listen(site.clone()).await.unwrap();
        let names = dns::listen(site.clone()).await.unwrap();
        let ticking = site.clone();
        tokio::spawn(async move { ticking.tick().await });
        let mut partition = site.read(|world| world.plan.partition(&"dev".into()).unwrap().clone());
        let key = site.read(|world| {
            let own = |one: &&_| account(one) == partition.infrastructure;
            world.accounts.iter().find(own).unwrap().access_key.clone()
        });
        let aws = Aws::signed(&serve(aws::router(site.clone())).await, &partition.aws, &key).await;
        let server = serve(kube::router(site.clone(), &partition.infrastructure)).await;
        let target = partition.kubernetes.clone().unwrap();
        let kubernetes = Kubernetes::of(kubeconfig(&server, &target), &target).await.unwrap();
        let bastion = BastionTarget { kubernetes: target, image: "alpine/socat".into(), deadline };
        partition.sql.as_mut().unwrap().bastion = Some(bastion);
        let directory = tempfile::tempdir().unwrap();
        let lock = OperatorLock::take(directory.path(), Owner::here("tester")).unwrap();
        let controls = Arc::new(Controls::take(lock));
        let aws = Arc::new(aws);
        Self { site, partition, aws, kubernetes, controls, names, _databases: databases, _directory: directory }
    }

    /// The ways of an operator's session of a run.
    async fn operator(&self, run: &str) -> (Bastions, Database) {
        let (controls, run, tell) = (Arc::downgrade(&self.controls), run.to_owned(), mpsc::unbounded_channel().0);
        self.through(Bastions::kept_by(Keeper { controls, run, session: "tester, process 1".into(), tell })).await
    }

    async fn through(&self, bastions: Bastions) -> (Bastions, Database) {
        let bastion = bastions.of(&self.partition, &self.aws).await.unwrap();
        bastion.with_kubernetes(self.kubernetes.clone());
        let resolver = Resolver::asking(self.names.address).unwrap();
        let database = Database::new(resolver, self.partition.sql.as_ref().unwrap(), self.aws.clone()).unwrap();
        (bastions, database.over(Some(bastion)))
    }

    async fn endpoint(&self) -> Address {
        let cluster = self.aws.rds.cluster(&self.partition.cluster.id).await.unwrap();
        Address::of(cluster.endpoint.as_ref().unwrap(), cluster.port.unwrap())
    }

    async fn pods(&self) -> Vec<String> {
        self.kubernetes.bastions(None).await.unwrap().into_iter().map(|bastion| bastion.name).collect()
    }
}

fn account(one: &crate::sim::world::cloud::Account) -> &str {
    &one.infrastructure
}

fn kubeconfig(server: &str, target: &KubernetesTarget) -> ::kube::config::Kubeconfig {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": target.context, "context": { "cluster": "c", "user": "u" } }],
    }))
    .unwrap()
}

async fn who(database: &Database, address: &Address) -> Result<WhoAmI, Trouble> {
    database.connect(address).await?.who_am_i().await
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_session_over_the_bastion_is_with_the_writer_and_after_a_failover_with_the_new_one() {
    let stage = Stage::open(50.0, HOUR).await;
    let (bastions, database) = stage.operator("run-1").await;
    let endpoint = stage.endpoint().await;
    let cluster = stage.aws.rds.cluster(&stage.partition.cluster.id).await.unwrap();
    let first = who(&database, &endpoint).await.unwrap();
    assert!(first.is_writer);
    assert_eq!(first.instance.as_deref(), Some(cluster.writer().unwrap().id.as_str()));

    // The same pod leads to each instance.
    let reader = cluster.members.iter().find(|member| !member.is_writer).unwrap();
    let host = reader.instance.as_ref().unwrap().host.clone().unwrap();
    let on_reader = who(&database, &Address::of(&host, endpoint.port)).await.unwrap();
    assert_eq!((on_reader.is_writer, on_reader.instance.as_deref()), (false, Some(reader.id.as_str())));
    let nowhere = who(&database, &Address::of("elsewhere.rds.amazonaws.com", endpoint.port)).await.unwrap_err();
    assert_eq!(nowhere.kind, TroubleKind::NotFound, "{nowhere}");

    let change = Change::Failover { cluster: cluster.id.clone(), target: reader.id.clone() };
    stage.aws.rds.carry_out(&stage.controls, &change).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(seen) = who(&database, &endpoint).await
            && seen.is_writer
            && seen.instance.as_deref() == Some(reader.id.as_str())
        {
            break;
        }
        assert!(Instant::now() < deadline, "the bastion never led to the new writer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stage.site.ledger.calls("kubernetes", "create pods"), 1);

    assert_eq!(stage.pods().await.len(), 1);
    bastions.close().await;
    assert_eq!(stage.pods().await, [""; 0]);
    let ended = who(&database, &endpoint).await.unwrap_err();
    assert!(ended.to_string().contains("the session has ended"), "{ended}");
    assert_eq!(stage.pods().await, [""; 0]);
}

#[tokio::test]
async fn what_a_killed_session_left_behind_is_swept_and_another_runs_bastion_is_not() {
    let stage = Stage::open(50.0, HOUR).await;
    let endpoint = stage.endpoint().await;
    let (_killed, database) = stage.operator("run-1").await;
    who(&database, &endpoint).await.unwrap();
    let (_other, database) = stage.operator("run-2").await;
    who(&database, &endpoint).await.unwrap();
    let left = stage.pods().await;
    assert_eq!(left.len(), 2);

    let (next, database) = stage.operator("run-1").await;
    next.sweep().await;
    assert_eq!(stage.pods().await, left[1..]);
    who(&database, &endpoint).await.unwrap();
    next.sweep().await;
    assert_eq!(stage.pods().await.len(), 2, "its own is not swept");
}

#[tokio::test]
async fn a_monitor_goes_through_the_operators_bastion_and_makes_none() {
    let stage = Stage::open(50.0, HOUR).await;
    let endpoint = stage.endpoint().await;
    let (_ways, database) = stage.through(Bastions::default()).await;
    let refused = who(&database, &endpoint).await.unwrap_err();
    assert_eq!(refused.kind, TroubleKind::Denied, "{refused}");
    assert_eq!(stage.site.ledger.calls("kubernetes", "create pods"), 0);

    let (_operator, own) = stage.operator("run-1").await;
    who(&own, &endpoint).await.unwrap();
    assert!(who(&database, &endpoint).await.unwrap().is_writer);
    assert_eq!(stage.site.ledger.calls("kubernetes", "create pods"), 1);
}

#[tokio::test]
async fn a_bastion_that_met_its_deadline_is_followed_by_another() {
    // Two seconds at a hundred times the speed.
    let stage = Stage::open(100.0, Duration::from_secs(200)).await;
    let endpoint = stage.endpoint().await;
    let (_ways, database) = stage.operator("run-1").await;
    let session = database.connect(&endpoint).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !stage.kubernetes.bastions(None).await.unwrap()[0].has_ended {
        assert!(Instant::now() < deadline, "its deadline never ended it");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(session.who_am_i().await.is_err(), "a session does not outlive its bastion");
    assert!(who(&database, &endpoint).await.unwrap().is_writer);
    assert_eq!(stage.site.ledger.calls("kubernetes", "create pods"), 2);
}

#[tokio::test]
async fn an_instance_that_is_added_later_has_a_way_of_its_own() {
    let stage = Stage::open(50.0, HOUR).await;
    let endpoint = stage.endpoint().await;
    let cluster = stage.aws.rds.cluster(&stage.partition.cluster.id).await.unwrap();
    let reader = cluster.members.iter().find(|member| !member.is_writer).unwrap();
    let on_reader = Address::of(&reader.instance.as_ref().unwrap().host.clone().unwrap(), endpoint.port);
    // The reader is still to be made.
    let later = stage.site.change(|world| {
        let instances = &mut world.partition("dev").unwrap().cluster.instances;
        let place = instances.iter().position(|instance| instance.id == reader.id.as_str()).unwrap();
        instances.remove(place)
    });
    let (bastions, database) = stage.operator("run-1").await;
    let session = database.connect(&endpoint).await.unwrap();
    let unknown = who(&database, &on_reader).await.unwrap_err();
    assert_eq!(unknown.kind, TroubleKind::NotFound, "{unknown}");
    assert_eq!(stage.pods().await.len(), 1, "no way is made to what is not the cluster's");

    stage.site.change(|world| world.partition("dev").unwrap().cluster.instances.push(later));
    let deadline = Instant::now() + Duration::from_secs(20);
    let seen = loop {
        match who(&database, &on_reader).await {
            Ok(seen) => break seen,
            // Its server begins to listen at its own pace.
            Err(trouble) => assert!(Instant::now() < deadline, "{trouble}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(seen.instance.as_deref(), Some(reader.id.as_str()));
    assert_eq!(stage.pods().await.len(), 2);
    session.who_am_i().await.expect("the sessions that were there are not disturbed");
    bastions.close().await;
    assert_eq!(stage.pods().await, [""; 0]);
}
