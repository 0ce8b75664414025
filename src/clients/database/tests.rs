//! Databases at the simulated site: who vouches for the role, and how often a password is read.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::sim::world::Site;
use crate::sim::{aws, dns, pg, testing};

struct Stage {
    site: Arc<Site>,
    partition: Partition,
    aws: Arc<Aws>,
    names: dns::NameServer,
    endpoint: Address,
    _databases: pg::Databases,
}

impl Stage {
    async fn open(change: impl Fn(&mut SqlTarget)) -> Self {
        let mut plan = testing::plan();
        plan.partitions.iter_mut().for_each(|partition| change(partition.sql.as_mut().unwrap()));
        let site = Arc::new(Site::new(plan, 1.0, 7));
        let databases = pg::listen(site.clone()).await.unwrap();
        let names = dns::listen(site.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = aws::router(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let partition = site.read(|world| world.plan.partitions[0].clone());
        let key = site.read(|world| {
            let mut accounts = world.accounts.iter();
            accounts.find(|account| account.infrastructure == partition.infrastructure).unwrap().access_key.clone()
        });
        let aws = Arc::new(Aws::signed(&address, &partition.aws, &key).await);
        let endpoint = site.read(|world| world.partitions[0].cluster.endpoint.clone());
        let endpoint = Address::of(&endpoint, databases.port);
        Self { site, partition, aws, names, endpoint, _databases: databases }
    }

    fn databases(&self) -> Databases {
        Databases::default().asking(Resolver::asking(self.names.address).unwrap())
    }
}

#[tokio::test]
async fn steps_and_watchers_share_a_database_and_its_password_is_read_once() {
    let stage = Stage::open(|_| {}).await;
    let databases = stage.databases();
    let own = databases.of(&stage.partition, &stage.aws).await.unwrap().unwrap();
    let others = databases.of(&stage.partition, &stage.aws).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&own, &others));
    let sessions = [&own, &others, &own].map(|database| database.connect(&stage.endpoint));
    for session in futures::future::join_all(sessions).await {
        assert!(session.unwrap().who_am_i().await.unwrap().is_writer);
    }
    assert_eq!(stage.site.ledger.calls("secretsmanager", "GetSecretValue"), 1);
    // A partition without SQL has none.
    let without = Partition { sql: None, ..stage.partition.clone() };
    assert!(databases.of(&Partition { name: "other".into(), ..without }, &stage.aws).await.unwrap().is_none());
}

#[tokio::test]
async fn a_token_takes_the_place_of_the_password_and_holds_for_its_own_role_and_server_only() {
    let stage = Stage::open(|sql| sql.password = SecretSource::Iam).await;
    let database = stage.databases().of(&stage.partition, &stage.aws).await.unwrap().unwrap();
    let session = database.connect(&stage.endpoint).await.unwrap();
    assert!(session.who_am_i().await.unwrap().is_writer);
    assert_eq!(stage.site.ledger.calls("secretsmanager", "GetSecretValue"), 0);

    // A token for another server, as a name of one's own in front of the cluster would have it made.
    let other = Address { name: "db.example.com".to_owned(), ..stage.endpoint.clone() };
    let refused = database.connect(&other).await.unwrap_err();
    assert_eq!(refused.kind, TroubleKind::Denied, "{refused}");
    assert!(refused.message.contains("PAM authentication failed"), "{refused}");

    // Another session of the account has begun, and the former one's key counts for nothing.
    stage.site.change(|world| world.accounts.iter_mut().for_each(|account| account.access_key = "ASIAOTHER".into()));
    assert_eq!(database.connect(&stage.endpoint).await.unwrap_err().kind, TroubleKind::Denied);
}

#[tokio::test]
async fn what_the_role_may_not_see_is_said_with_the_grant_that_mends_it() {
    let stage = Stage::open(|_| {}).await;
    let database = stage.databases().of(&stage.partition, &stage.aws).await.unwrap().unwrap();
    let rights = database.connect(&stage.endpoint).await.unwrap().rights().await.unwrap();
    assert_eq!(rights.user, stage.partition.sql.as_ref().unwrap().user);
    assert!(rights.gap().unwrap().contains("GRANT pg_monitor TO"), "{rights:?}");
}
