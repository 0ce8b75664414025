//! Watches the site: one task for each source, each at its own cadence, none of which can hold up another. They change
//! nothing.

mod alarm;
mod api;
mod application;
pub mod cadence;
mod events;
mod line;
pub mod load;
mod metrics;
mod name;
mod near;
mod pods;
pub mod recording;
mod rights;
pub mod sample;
mod slow_log;
mod sql;
mod statements;
mod task;
pub mod testimony;
#[cfg(test)]
pub(crate) mod tests;
mod writes;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

pub use cadence::{Cadence, Pace};
pub use near::{Near, Pacing};
pub use sample::{Reading, Sample, Source};

use crate::awake;
use crate::clients::database::{Database, Databases};
use crate::clients::dns::Resolver;
use crate::clients::http_probe::HttpProbe;
use crate::clients::{Accounts, Aws, Trouble};
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::plan::{DeploySpec, Partition, Plan, StepKind};
use alarm::Alarm;
use api::{Api, Described, Wanted};
use application::Application;
use events::Events;
use line::{Line, Question};
use load::Load;
use metrics::Metrics;
use name::Name;
use near::{Candidate, Nearby};
use pods::Pods;
use rights::Rights;
use slow_log::{Exported, SlowLog};
use sql::{End, Sql};
use statements::Statements;
use task::{Ask, Task, Voice};
use writes::Writes;

/// The watchers of a plan. They watch until this is dropped or the session is cancelled.
#[derive(Debug)]
pub struct Watchers {
    tasks: JoinSet<()>,
}

impl Watchers {
    /// Waits until all have ended, which they do once the session is cancelled.
    pub async fn ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What all watchers share.
#[derive(Debug, Clone)]
struct Shared {
    watching: Watching,
    /// Whether writes are tried around a failover.
    tries_writes: bool,
    resolver: Result<Resolver, Trouble>,
    probe: Result<HttpProbe, Trouble>,
}

/// How a watcher speaks, how often, and until when.
#[derive(Debug, Clone)]
struct Watching {
    voice: Voice,
    cadence: watch::Receiver<Cadence>,
    cancel: CancellationToken,
}

impl Watching {
    /// The pace of a partition; a change after this is a new one.
    fn pace(&mut self, partition: &PartitionName) -> Pace {
        self.cadence.borrow_and_update().of(partition)
    }
}

impl Shared {
    /// A task that asks for these partitions until the session ends.
    fn run<A: Ask>(&self, partitions: Vec<PartitionName>, asked: A) -> impl Future<Output = ()> + Send + use<A> {
        let Watching { voice, cadence, cancel } = self.watching.clone();
        Task { partitions, voice, cadence, cancel }.run(asked)
    }

    /// A task that asks this over a session of its own until the session of the cockpit ends.
    fn hold<Q: Question>(&self, question: Q) -> impl Future<Output = ()> + Send + use<Q> {
        Line::new(question, self.watching.clone()).run()
    }
}

/// Begins to watch every partition of a plan. Samples go to `out`; the pacing's `cadence` says how often each partition is
/// looked at at least, and every send on it makes all look at once. A partition in which something moves is looked at more
/// often than that by itself; writes are tried there only if `tries_writes`.
///
/// The accounts are opened beside whoever asks for this: their clients read the system's authorities first, which takes longer
/// than to draw a screen.
pub fn start(
    plan: Arc<Plan>,
    accounts: Arc<Accounts>,
    databases: Arc<Databases>,
    out: mpsc::Sender<Sample>,
    pacing: impl Into<Pacing>,
    tries_writes: bool,
    cancel: CancellationToken,
) -> Watchers {
    let Pacing { cadence, near } = pacing.into();
    let (watching, hurrying) = watching(out, cadence, cancel);
    let mut tasks = JoinSet::new();
    tasks.spawn(async {
        tokio::select! {
            () = hurrying => {}
            never = awake::beating() => match never {},
        }
    });
    tasks.spawn(async move {
        let resolver = Resolver::from_environment();
        let shared = Shared { watching, tries_writes, resolver, probe: HttpProbe::new() };
        watch_all(shared, &plan, &accounts, &databases, near).await.ended().await;
    });
    Watchers { tasks }
}

/// How watchers speak into that channel at the cadence that is commanded, and the task that raises it where something moves.
fn watching(
    out: mpsc::Sender<Sample>,
    commanded: watch::Receiver<Cadence>,
    cancel: CancellationToken,
) -> (Watching, impl Future<Output = ()> + Send + 'static) {
    let alarm = Arc::new(Alarm::default());
    let (hurried, cadence) = watch::channel(commanded.borrow().clone());
    let watching = Watching { voice: Voice::new(out, alarm.clone()), cadence, cancel: cancel.clone() };
    (watching, async move { alarm.hurry(commanded, hurried, cancel).await })
}

async fn watch_all(
    shared: Shared,
    plan: &Plan,
    accounts: &Accounts,
    databases: &Databases,
    near: Option<watch::Receiver<Near>>,
) -> Watchers {
    let mut tasks = JoinSet::new();
    let mut regions: HashMap<(Option<String>, String), Region> = HashMap::new();
    // What is near is known before anybody asks for it.
    let (tell, told) = watch::channel(near.as_ref().map_or(Near::All, |near| near.borrow().clone()));
    let mut candidates = Vec::new();
    for partition in &plan.partitions {
        let aws = accounts.open(&partition.aws).await;
        let key = (partition.aws.profile.clone(), partition.aws.region.clone());
        let region = regions.entry(key).or_insert_with(|| Region::of(&aws, &told));
        let described = region.take(partition);
        let database = databases.of(partition, &aws).await.transpose();
        candidates.push(Candidate { plan: watched_of(partition), way: Way { database, aws }, described });
    }
    for Region { api, events, metrics, slow_log } in regions.into_values() {
        let partitions: Vec<_> = api.clusters.iter().map(|wanted| wanted.partition.clone()).collect();
        tasks.spawn(shared.run(partitions.clone(), api));
        tasks.spawn(shared.run(partitions.clone(), events));
        tasks.spawn(shared.run(partitions.clone(), metrics));
        tasks.spawn(shared.run(partitions, slow_log));
    }
    tasks.spawn(Nearby { shared, candidates, near, tell }.run());
    Watchers { tasks }
}

/// What of a partition's plan its watchers go by: hundreds of them are kept, with the runbook's words in each of their steps.
fn watched_of(partition: &Partition) -> Partition {
    let mut watched = partition.clone();
    watched.levers = Vec::new();
    watched.steps.retain(|step| matches!(step.kind, StepKind::Deploy(_)));
    watched
}

/// What is asked for all partitions of an account and region at once.
#[derive(Debug)]
struct Region {
    api: Api,
    events: Events,
    metrics: Metrics,
    slow_log: SlowLog,
}

impl Region {
    fn of(aws: &Arc<Aws>, near: &watch::Receiver<Near>) -> Self {
        Self {
            api: Api { aws: aws.clone(), clusters: Vec::new() },
            events: Events { aws: aws.clone(), clusters: Vec::new(), told: HashSet::new() },
            metrics: Metrics::new(aws.clone(), near.clone()),
            slow_log: SlowLog { aws: aws.clone(), logs: Vec::new(), near: near.clone() },
        }
    }

    /// Takes a partition in; answers where its cluster's description will be.
    fn take(&mut self, partition: &Partition) -> Described {
        let (describes, described) = watch::channel(None);
        let (name, id) = (partition.name.clone(), partition.cluster.id.clone());
        self.events.clusters.push((name.clone(), described.clone()));
        self.metrics.clusters.push((name.clone(), described.clone()));
        self.slow_log.logs.push(Exported::of(partition, described.clone()));
        self.api.clusters.push(Wanted { partition: name, id, describes });
        described
    }
}

/// How a partition's account and databases are reached.
#[derive(Debug)]
struct Way {
    aws: Arc<Aws>,
    /// None where the plan says nothing of SQL; trouble where they cannot be spoken to at all.
    database: Option<Result<Arc<Database>, Trouble>>,
}

/// Begins to watch what is a partition's own. What the plan does not declare is not watched.
fn watch_partition(tasks: &mut JoinSet<()>, shared: &Shared, plan: &Partition, way: &Way, described: &Described) {
    let aws = &way.aws;
    let partition = || plan.name.clone();
    let resolver = || shared.resolver.clone();
    let name = Name { partition: partition(), resolver: resolver(), described: described.clone() };
    tasks.spawn(shared.run(vec![partition()], name));
    let (of, account, cluster) = (partition(), aws.clone(), described.clone());
    let each = shared.clone();
    let load = move |id| each.run(vec![of.clone()], Load::of(of.clone(), account.clone(), cluster.clone(), id));
    tasks.spawn(watch_instances(shared.clone(), described.clone(), load));
    if let (Some(target), Some(database)) = (&plan.sql, &way.database) {
        let database = database.clone();
        let rights =
            Rights { partition: partition(), database: database.clone(), described: described.clone(), next: None };
        tasks.spawn(shared.run(vec![partition()], rights));
        let end = End {
            partition: partition(),
            database: database.clone(),
            resolver: resolver(),
            described: described.clone(),
            instance: None,
        };
        tasks.spawn(shared.hold(Sql(end.clone())));
        if shared.tries_writes {
            tasks.spawn(shared.hold(Writes(end.clone())));
        }
        let statements = Statements::new(partition(), database, described.clone());
        tasks.spawn(shared.run(vec![partition()], statements));
        // Behind an endpoint of the plan's own, such as a port-forward, the instances' names lead nowhere.
        if target.endpoint.is_none() {
            let (instance, holder) = (end.clone(), shared.clone());
            let each = move |id| holder.hold(Sql(End { instance: Some(id), ..instance.clone() }));
            tasks.spawn(watch_instances(shared.clone(), end.described.clone(), each));
        }
    }
    if let Some(application) = &plan.application {
        let url = format!("{}{}", application.url.trim_end_matches('/'), application.health_path);
        let application = Application { partition: partition(), probe: shared.probe.clone(), url };
        tasks.spawn(shared.run(vec![partition()], application));
    }
    if let (Some(target), Some(spec)) = (&plan.kubernetes, deploy(plan)) {
        let pods = Pods::new(partition(), target.clone(), spec.clone());
        tasks.spawn(shared.run(vec![partition()], pods));
    }
}

/// Watches each instance that the cluster has, as soon as it is known to have it and for as long as it has it.
async fn watch_instances<F: Future<Output = ()> + Send + 'static>(
    shared: Shared,
    mut described: Described,
    watch: impl Fn(InstanceId) -> F + Send + 'static,
) {
    let mut tasks = JoinSet::new();
    let mut watched: HashMap<InstanceId, AbortHandle> = HashMap::new();
    loop {
        let members: Vec<InstanceId> = match described.borrow_and_update().as_ref() {
            Some(cluster) => cluster.members.iter().map(|member| member.id.clone()).collect(),
            None => Vec::new(),
        };
        watched.retain(|id, task| {
            let stays = members.contains(id);
            if !stays {
                task.abort();
            }
            stays
        });
        for id in members {
            watched.entry(id.clone()).or_insert_with(|| tasks.spawn(watch(id)));
        }
        tokio::select! {
            () = shared.watching.cancel.cancelled() => return,
            changed = described.changed() => if changed.is_err() { return },
        }
    }
}

/// How the plan's deploy step finds the application's pods.
fn deploy(plan: &Partition) -> Option<&DeploySpec> {
    plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Deploy(spec) => Some(spec),
        _ => None,
    })
}
