//! The watchers against the simulated site, over the real protocols.

#![allow(clippy::panic, clippy::print_stderr)]

mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_rds::config::Credentials;

use super::sample::{ClusterView, Role, SqlView, WriteProbe};
use super::*;
use crate::runbook::plan::Plan;
use crate::runbook::witness::{Witness, Word};
use crate::sim::world::Site;
use crate::sim::{aws, dns, pg, testing, web};

/// A site with all its servers and the watchers of its plan.
pub(crate) struct Stage {
    site: Arc<Site>,
    samples: mpsc::Receiver<Sample>,
    cadence: watch::Sender<Cadence>,
    cancel: CancellationToken,
    watchers: Watchers,
    _databases: pg::Databases,
    names: dns::NameServer,
    databases_of: Databases,
    accounts: Accounts,
    servers: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn open(speed: f64, cadence: Cadence) -> Self {
        Self::at(testing::site(speed), cadence).await
    }

    async fn at(site: Arc<Site>, cadence: Cadence) -> Self {
        Self::seen_from(site, cadence, None).await
    }

    async fn seen_from(site: Arc<Site>, cadence: Cadence, near: Option<watch::Receiver<Near>>) -> Self {
        let databases = pg::listen(site.clone()).await.expect("databases");
        let names = dns::listen(site.clone()).await.expect("names");
        let mut servers = JoinSet::new();
        let ticking = site.clone();
        servers.spawn(async move { ticking.tick().await });
        let endpoint = serve(&mut servers, aws::router(site.clone())).await;
        let mut plan: Plan = site.read(|world| world.plan.clone());
        for partition in &mut plan.partitions {
            let router = web::router(site.clone(), partition.name.as_str());
            partition.application.as_mut().expect("an application").url = serve(&mut servers, router).await;
        }
        let accounts = accounts(&site, &plan, &endpoint).await;
        let (out, samples) = mpsc::channel(4096);
        let (cadence, told) = watch::channel(cadence);
        let cancel = CancellationToken::new();
        let (watching, hurrying) = watching(out, told, cancel.clone());
        let resolver = Resolver::asking(names.address);
        let shared = Shared { watching, tries_writes: true, resolver, probe: HttpProbe::new() };
        let databases_of = Databases::default().asking(Resolver::asking(names.address).expect("a resolver"));
        let mut watchers = watch_all(shared, &plan, &accounts, &databases_of, near).await;
        watchers.tasks.spawn(hurrying);
        Self { site, samples, cadence, cancel, watchers, _databases: databases, names, databases_of, accounts, servers }
    }

    /// The plan whose site is watched.
    pub(crate) fn plan(&self) -> Plan {
        self.site.read(|world| world.plan.clone())
    }

    /// A partition's databases.
    async fn database(&self, partition: &Partition) -> Result<Arc<Database>, Trouble> {
        let aws = self.accounts.open(&partition.aws).await;
        self.databases_of.of(partition, &aws).await.map(|database| database.expect("SQL"))
    }

    /// Somebody fails a partition's cluster over.
    pub(crate) fn fail_over(&self, partition: &str, speed: f64) {
        let of = |world: &crate::sim::world::World| {
            let found = world.partitions.iter().find(|each| each.name == *partition);
            found.expect("a partition").cluster.id.clone()
        };
        let id = self.site.read(of);
        self.site.change(|world| world.failover(&id, None, speed)).expect("accepted");
    }

    /// Ends everything.
    pub(crate) fn close(mut self) {
        self.cancel.cancel();
        self.servers.abort_all();
    }

    /// Takes samples until one is as wanted; a busy machine is given a minute.
    pub(crate) async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Sample) -> bool) -> Sample {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let sample = tokio::time::timeout_at(deadline, self.samples.recv()).await;
            let sample = sample.unwrap_or_else(|_| panic!("never seen: {what}")).expect("the watchers live");
            if wanted(&sample) {
                return sample;
            }
        }
    }
}

async fn serve(servers: &mut JoinSet<()>, router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    servers.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    format!("http://{address}")
}

async fn accounts(site: &Site, plan: &Plan, endpoint: &str) -> Accounts {
    let accounts = Accounts::default();
    for partition in &plan.partitions {
        let key = site.read(|world| {
            let account = world.accounts.iter().find(|account| account.infrastructure == partition.infrastructure);
            account.expect("an account").access_key.clone()
        });
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(partition.aws.region.clone()))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::new(key, "rehearsal", None, None, "test"))
            .load()
            .await;
        accounts.know(&partition.aws, &config).await;
    }
    accounts
}

fn of(sample: &Sample, partition: &str) -> bool {
    sample.partition.as_str() == partition
}

fn sql(sample: &Sample) -> Option<&SqlView> {
    match &sample.said {
        Ok(Reading::Sql(view)) => Some(view),
        _ => None,
    }
}

fn cluster(sample: &Sample) -> Option<&ClusterView> {
    match &sample.said {
        Ok(Reading::Cluster(view)) => Some(view),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_source_of_every_partition_speaks_at_once_and_one_call_describes_an_account() {
    let mut stage = Stage::open(1.0, Cadence::default()).await;
    let mut heard: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    stage
        .until("twelve sources of four partitions", |sample| {
            if sample.source != Source::Statements {
                assert!(sample.said.is_ok(), "{sample:?}");
            }
            let sources = heard.entry(sample.partition.to_string()).or_default();
            if !sources.contains(&sample.source) {
                sources.push(sample.source.clone());
            }
            // API, DNS, SQL through the endpoint and on two instances, application, load of two instances, events,
            // statements, metrics, slow-query log, the role's rights.
            heard.len() == 4 && heard.values().all(|sources| sources.len() == 13)
        })
        .await;
    // Four partitions live in two accounts.
    assert_eq!(stage.site.ledger.calls("rds", "DescribeDBClusters"), 2);
    assert_eq!(stage.site.ledger.calls("monitoring", "GetMetricData"), 2);
    // A log group is a cluster's.
    assert_eq!(stage.site.ledger.calls("logs", "FilterLogEvents"), 4);
    stage.cancel.cancel();
    tokio::time::timeout(Duration::from_secs(5), stage.watchers.ended()).await.expect("they end when told to");
    stage.servers.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cadence_that_is_sent_anew_makes_all_look_at_once() {
    let mut stage = Stage::open(1.0, Cadence::default()).await;
    let is_api = |sample: &Sample| of(sample, "prod") && sample.source == Source::Api;
    let first = stage.until("the API", is_api).await;
    stage.cadence.send_modify(|_| {});
    let second = stage.until("the API again", is_api).await;
    assert!(second.at.duration_since(first.at) < Pace::Quiet.metered().try_into().expect("fits"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_witnessed_by_each_source_on_its_own() {
    let mut stage = Stage::open(6.0, Cadence::only("stage".into(), Pace::Failover)).await;
    let (old, new) = ("alpha002-stage-auroraclusterwriter", "alpha002-stage-auroraclusterreader1");
    let written = |sample: &Sample| of(sample, "stage") && sample.source == Source::Writes;
    let before = stage.until("a write through the endpoint", |sample| {
        written(sample) && sql(sample).is_some_and(|sql| sql.write == Some(WriteProbe::Accepted))
    });
    assert_eq!(sql(&before.await).and_then(|sql| sql.instance.clone()), Some(old.into()));
    let old_is_writer = Word::Writer { instance: old.into(), writes: None };
    stage
        .until("DNS at the old writer", |sample| {
            of(sample, "stage")
                && sample.testimony().iter().any(|said| said.witness == Witness::Dns && said.word == old_is_writer)
        })
        .await;

    let id = stage.site.read(|world| world.partitions[1].cluster.id.clone());
    stage.site.change(|world| world.failover(&id, None, 6.0)).expect("accepted");

    let wanted = ["cut", "failing-over", "writes", "endpoint", "dns", "api", "instance", "demoted", "event"];
    let mut missing = BTreeSet::from(wanted);
    stage
        .until("all of it", |sample| {
            if !of(sample, "stage") {
                return false;
            }
            let mut note = |what, is: bool| {
                if is && missing.remove(what) {
                    eprintln!("seen: {what}; missing: {missing:?}");
                }
            };
            // Noticed, not asked: the session ended by itself. One that is asked just then hears it as its answer.
            let holds_a_session =
                matches!(sample.source, Source::SqlEndpoint | Source::SqlInstance(_) | Source::Writes);
            note("cut", holds_a_session && sample.said.is_err() && sample.took.is_zero());
            match &sample.source {
                Source::SqlEndpoint => {
                    note("endpoint", sql(sample).is_some_and(|sql| sql.instance == Some(new.into())));
                }
                Source::Writes => {
                    let taken = |sql: &SqlView| sql.write == Some(WriteProbe::Accepted);
                    note("writes", sql(sample).is_some_and(|sql| sql.instance == Some(new.into()) && taken(sql)));
                }
                Source::SqlInstance(id) if id.as_str() == new => {
                    note("instance", sql(sample).is_some_and(|sql| sql.role == Role::Writer));
                }
                Source::SqlInstance(_) => {
                    note("demoted", sql(sample).is_some_and(|sql| sql.role == Role::Reader && sql.reconnected));
                }
                Source::Dns => {
                    note("dns", matches!(&sample.said, Ok(Reading::Dns(dns)) if dns.leads_to == Some(new.into())))
                }
                Source::Api => {
                    note("failing-over", cluster(sample).is_some_and(|cluster| cluster.status == "failing-over"));
                    note("api", cluster(sample).is_some_and(|cluster| cluster.writer == Some(new.into())));
                }
                Source::Events => note(
                    "event",
                    matches!(&sample.said, Ok(Reading::Lines(lines))
                    if lines.iter().any(|line| line.code.as_deref() == Some("RDS-EVENT-0073"))),
                ),
                _ => {}
            }
            missing.is_empty()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_nobody_fired_here_is_noticed_and_watched_closely() {
    let mut stage = Stage::open(12.0, Cadence::default()).await;
    let new = "alpha002-stage-auroraclusterreader1";
    for source in [Source::SqlEndpoint, Source::SqlInstance(new.into())] {
        stage.until("SQL", |sample| of(sample, "stage") && sample.source == source && sample.said.is_ok()).await;
    }
    let id = stage.site.read(|world| world.partitions[1].cluster.id.clone());
    stage.site.change(|world| world.failover(&id, None, 12.0)).expect("accepted");
    // The quiet cadence would look again after ten seconds.
    let cut = stage
        .until("the cut", |sample| of(sample, "stage") && sample.source == Source::SqlEndpoint && sample.said.is_err());
    let cut = cut.await.at;
    let taken = |sample: &Sample| sql(sample).is_some_and(|sql| sql.write == Some(WriteProbe::Accepted));
    let written = stage.until("a write to the new writer", |sample| {
        of(sample, "stage") && sql(sample).is_some_and(|sql| sql.instance == Some(new.into())) && taken(sample)
    });
    let written = written.await;
    assert!(written.at.duration_since(cut).as_secs() < 8, "{written:?}");
    assert!(written.clock.is_some() && written.steady.is_some(), "{written:?}");
}

/// A question whose first connection never comes about.
struct Dark {
    end: sql::End,
    dialled: std::sync::atomic::AtomicU32,
}

impl Question for Dark {
    fn partition(&self) -> &PartitionName {
        &self.end.partition
    }

    fn source(&self) -> Source {
        Source::SqlEndpoint
    }

    fn period(&self, pace: Pace) -> Option<Duration> {
        Some(pace.light())
    }

    async fn ready(&self) {
        let _ = self.end.place().await;
    }

    async fn dial(&self) -> Result<crate::clients::postgres::Session, Trouble> {
        if self.dialled.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            return std::future::pending().await;
        }
        self.end.dial().await
    }

    async fn ask(&self, over: line::Standing) -> Result<line::Answer, Trouble> {
        Sql(self.end.clone()).ask(over).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_hangs_has_rivals_long_before_it_is_given_up() {
    let stage = Stage::open(1.0, Cadence::default()).await;
    let partition = stage.site.read(|world| world.plan.partitions[1].clone());
    let cluster = stage.site.read(|world| {
        let cluster = &world.partitions[1].cluster;
        ClusterView {
            id: cluster.id.clone(),
            status: "available".to_owned(),
            parameter_group: String::new(),
            insights_mode: None,
            writer: None,
            endpoint: cluster.endpoint.clone(),
            port: cluster.port,
            members: Vec::new(),
        }
    });
    let end = sql::End {
        partition: partition.name.clone(),
        database: stage.database(&partition).await,
        resolver: Resolver::asking(stage.names.address),
        described: watch::channel(Some(Arc::new(cluster))).1,
        instance: None,
    };
    let (out, mut samples) = mpsc::channel(16);
    let (_command, commanded) = watch::channel(Cadence::default());
    let (watching, _) = watching(out, commanded, CancellationToken::new());
    // The stage's own watchers would only take this machine's time.
    stage.cancel.cancel();
    stage.watchers.ended().await;
    let begun = std::time::Instant::now();
    let line = tokio::spawn(Line::new(Dark { end, dialled: 0.into() }, watching).run());
    let first = samples.recv().await.expect("it speaks");
    assert!(first.said.is_ok(), "{first:?}");
    // The one that hangs would be given up after ten seconds.
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    line.abort();
}

/// The calls of a fleet of one account, of which one partition is near, until each was heard of; and who was heard of how.
async fn calls_of_a_fleet(partitions: usize) -> (BTreeMap<&'static str, u64>, BTreeMap<String, BTreeSet<String>>) {
    let (tell, near) = watch::channel(Near::Only(["tenant1".into()].into()));
    let mut stage = Stage::seen_from(testing::fleet(partitions), Cadence::default(), Some(near)).await;
    let mut heard: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    stage
        .until("the API and events of all, everything of one", |sample| {
            let source = match &sample.source {
                Source::SqlInstance(_) => "SqlInstance".to_owned(),
                Source::Load(_) => "Load".to_owned(),
                source => format!("{source:?}"),
            };
            heard.entry(sample.partition.to_string()).or_default().insert(source);
            let all = heard.len() == partitions && heard.values().all(|sources| sources.contains("Events"));
            all && heard["tenant1"].len() == 11
        })
        .await;
    let calls = [
        ("rds", "DescribeDBClusters"),
        ("rds", "DescribeDBInstances"),
        ("rds", "DescribeEvents"),
        ("monitoring", "GetMetricData"),
        ("logs", "FilterLogEvents"),
    ];
    let counted = calls.map(|(service, call)| (call, stage.site.ledger.calls(service, call)));
    // Another one comes near: it is watched at once, and nobody else is.
    tell.send_replace(Near::Only(["tenant2".into()].into()));
    stage.until("SQL of the other one", |sample| of(sample, "tenant2") && sample.source == Source::SqlEndpoint).await;
    stage.close();
    (counted.into(), heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_asks_by_the_account_and_only_what_is_near_is_watched_with_everything() {
    let (two, _) = calls_of_a_fleet(2).await;
    let (twenty, heard) = calls_of_a_fleet(20).await;
    assert_eq!(two, twenty, "the calls grow with the partitions");
    assert_eq!(twenty["DescribeDBClusters"], 1);
    assert_eq!(twenty["DescribeEvents"], 2);
    let far: BTreeSet<String> = ["Api", "Events"].map(str::to_owned).into();
    for (partition, sources) in heard.iter().filter(|(partition, _)| *partition != "tenant1") {
        assert!(sources.is_subset(&far), "{partition}: {sources:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_more_is_a_call_more_and_nothing_is_lost_between_them() {
    let (_tell, near) = watch::channel(Near::Only(BTreeSet::new()));
    let mut stage = Stage::seen_from(testing::fleet(120), Cadence::default(), Some(near)).await;
    let mut heard = BTreeSet::new();
    stage
        .until("the clusters of all", |sample| {
            if sample.source == Source::Api {
                let members = cluster(sample).map(|cluster| cluster.members.len());
                assert_eq!(members, Some(2), "{sample:?}");
                assert!(cluster(sample).is_some_and(|cluster| cluster.members.iter().all(|one| !one.class.is_empty())));
                heard.insert(sample.partition.to_string());
            }
            heard.len() == 120
        })
        .await;
    // A hundred clusters are a page; their two hundred instances are two.
    assert_eq!(stage.site.ledger.calls("rds", "DescribeDBClusters"), 2);
    assert_eq!(stage.site.ledger.calls("rds", "DescribeDBInstances"), 3);
    stage.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_far_partition_in_which_the_writer_moves_is_near_by_itself() {
    let (_tell, near) = watch::channel(Near::Only(["tenant1".into()].into()));
    let mut stage = Stage::seen_from(testing::fleet(14), Cadence::default(), Some(near)).await;
    stage.until("the API", |sample| of(sample, "tenant9") && sample.source == Source::Api).await;
    stage.fail_over("tenant9", 6.0);
    stage.cadence.send_modify(|_| {});
    stage.until("SQL of the far one", |sample| of(sample, "tenant9") && sample.source == Source::SqlEndpoint).await;
    stage.close();
}
