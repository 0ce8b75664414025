//! The way to databases that this machine does not reach: a bastion in the partition's namespace, made by the operator's
//! session at the first use, shared by everybody who speaks SQL there, and removed with the session.
//!
//! A monitor makes none. It goes through the operator's while that is there.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::kubernetes::Kubernetes;
use super::kubernetes::bastion::{BastionSpec, BastionView};
use super::{Aws, Controls, Trouble, TroubleKind};
use crate::clock;
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{BastionTarget, Partition};

/// How long a bastion may take until it runs: an image may have to be pulled.
const START: Duration = Duration::from_secs(60);
/// Time between two looks meanwhile.
const LOOK: Duration = Duration::from_millis(500);
/// How long removing one may hold up the end of a session; its deadline ends it anyway.
const REMOVAL: Duration = Duration::from_secs(10);

const CALL: &str = "bastion";

/// The ways of a session, one for each partition whose databases need one.
#[derive(Debug, Default)]
pub struct Bastions {
    keeper: Option<Keeper>,
    /// What the names of this session's pods hold.
    mark: String,
    ways: Mutex<HashMap<PartitionName, Arc<Bastion>>>,
}

/// Who may make bastions.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// What permits it, for as long as the session has it.
    pub controls: Weak<Controls>,
    /// The run.
    pub run: String,
    /// The session, as the pod says it to whoever wonders.
    pub session: String,
    /// Where it is said that a bastion was made or removed, with its partition.
    pub tell: mpsc::UnboundedSender<(PartitionName, String)>,
}

/// The way to the databases of one partition: one pod, and another for each time that servers were added since.
#[derive(Debug)]
pub struct Bastion {
    partition: PartitionName,
    target: BastionTarget,
    cluster: String,
    aws: Arc<Aws>,
    keeper: Option<Keeper>,
    mark: String,
    /// What the names of this session's pods begin with.
    name: String,
    kubernetes: OnceCell<Kubernetes>,
    state: Mutex<State>,
}

/// What this session has made.
#[derive(Debug, Default)]
struct State {
    /// The session has ended: none is made any more.
    closed: bool,
    /// How many were asked for.
    made: usize,
    /// Those that are there, or may be.
    pods: Vec<Pod>,
}

/// A pod that was asked for; whether it came about is looked up.
#[derive(Debug)]
struct Pod {
    name: String,
    /// As it was when it was last seen to run; none where that is not known.
    runs: Option<BastionView>,
}

impl Keeper {
    /// What permits it now.
    fn controls(&self) -> Result<Arc<Controls>, Trouble> {
        let gone = || Trouble::new(CALL, TroubleKind::Denied, "this session has given the controls away");
        self.controls.upgrade().ok_or_else(gone)
    }
}

impl State {
    /// The pod and the port of it that lead to that server.
    fn entrance(&self, host: &str, port: u16) -> Option<(String, u16)> {
        let running = self.pods.iter().filter_map(|pod| pod.runs.as_ref());
        running.filter_map(|pod| Some((pod.name.clone(), pod.port_to(host, port)?))).next()
    }
}

impl Bastions {
    /// The ways of a session that may make bastions.
    pub fn kept_by(keeper: Keeper) -> Self {
        // The moment tells them apart: a pod of a former session may still be on its way out.
        let mark = format!("{:x}", clock::now().as_millisecond());
        Self { keeper: Some(keeper), mark, ways: Mutex::default() }
    }

    /// The way to a partition's databases; none where they are reached directly. Calls nobody.
    pub async fn of(&self, partition: &Partition, aws: &Arc<Aws>) -> Option<Arc<Bastion>> {
        let target = partition.sql.as_ref()?.bastion.clone()?;
        let mut ways = self.ways.lock().await;
        let make = || Arc::new(Bastion::new(target, partition, aws.clone(), self.keeper.clone(), &self.mark));
        Some(ways.entry(partition.name.clone()).or_insert_with(make).clone())
    }

    /// Removes what former sessions of this run have left behind. As this session holds the run's lock, none of them lives.
    /// Another run may have an operator: its bastions are left to their deadline.
    pub async fn sweep(&self) {
        self.each(|bastion| async move { bastion.sweep().await }).await;
    }

    /// Removes the bastions of this session and makes no more.
    pub async fn close(&self) {
        self.each(|bastion| async move { bastion.close().await }).await;
    }

    async fn each<F: Future<Output = Result<(), Trouble>>>(&self, act: impl Fn(Arc<Bastion>) -> F) {
        let ways: Vec<_> = self.ways.lock().await.values().cloned().collect();
        let acts = ways.into_iter().map(|bastion| {
            let (name, acting) = (bastion.name.clone(), act(bastion));
            async move {
                match tokio::time::timeout(REMOVAL, acting).await {
                    Ok(Ok(())) => {}
                    Ok(Err(trouble)) => tracing::warn!(%name, %trouble, "a bastion is left to its deadline"),
                    Err(_) => tracing::warn!(%name, "a bastion is left to its deadline: no answer"),
                }
            }
        });
        futures::future::join_all(acts).await;
    }
}

impl Bastion {
    fn new(target: BastionTarget, partition: &Partition, aws: Arc<Aws>, keeper: Option<Keeper>, mark: &str) -> Self {
        let name = format!("aurora-cockpit-{}-{mark}", partition.name.as_str().to_lowercase());
        let (kubernetes, state) = (OnceCell::new(), Mutex::default());
        let (partition, cluster) = (partition.name.clone(), partition.cluster.id.clone());
        Self { partition, target, cluster, aws, keeper, mark: mark.to_owned(), name, kubernetes, state }
    }

    /// As the kubeconfig has it, with a Kubernetes of the test's own.
    #[cfg(test)]
    pub(crate) fn with_kubernetes(&self, kubernetes: Kubernetes) {
        let _ = self.kubernetes.set(kubernetes);
    }

    /// A connection to a server of the cluster.
    ///
    /// # Errors
    /// `Denied` where a monitor has no bastion to go through, `Unreachable` where it does not run, `NotFound` for a server
    /// that it does not lead to.
    pub async fn stream(&self, host: &str, port: u16) -> Result<DuplexStream, Trouble> {
        let kubernetes = self.kubernetes().await?;
        let Some(keeper) = &self.keeper else {
            let (bastion, entrance) = anothers(kubernetes, host, port).await?;
            return kubernetes.forward(&bastion, entrance).await;
        };
        let mut trouble = None;
        // Twice, as the first may find that the pod has met its deadline.
        for _ in 0..2 {
            let (pod, entrance) = self.entrance(kubernetes, keeper, host, port).await?;
            match kubernetes.forward(&pod, entrance).await {
                Ok(stream) => return Ok(stream),
                Err(refused) => trouble = Some(refused),
            }
            self.look_again(&pod).await;
        }
        Err(trouble.unwrap_or_else(|| Trouble::new(CALL, TroubleKind::Unreachable, "nothing was forwarded")))
    }

    async fn kubernetes(&self) -> Result<&Kubernetes, Trouble> {
        self.kubernetes.get_or_try_init(|| Kubernetes::open(&self.target.kubernetes)).await
    }

    /// Looks at a pod anew before it is used again: it may have met its deadline.
    async fn look_again(&self, name: &str) {
        let mut state = self.state.lock().await;
        state.pods.iter_mut().filter(|pod| pod.name == name).for_each(|pod| pod.runs = None);
    }

    /// The way to a server through a pod of this session, which is made where none leads there.
    async fn entrance(
        &self,
        kubernetes: &Kubernetes,
        keeper: &Keeper,
        host: &str,
        port: u16,
    ) -> Result<(String, u16), Trouble> {
        // Held while it starts: whoever comes meanwhile waits for the same one.
        let mut state = self.state.lock().await;
        let deadline = tokio::time::Instant::now() + START;
        let mut status = "nothing was seen of it".to_owned();
        while tokio::time::Instant::now() < deadline {
            if state.closed {
                return Err(Trouble::new(CALL, TroubleKind::Unreachable, "the session has ended"));
            }
            if let Some(entrance) = state.entrance(host, port) {
                return Ok(entrance);
            }
            if let Some(awaited) = self.look(kubernetes, keeper, &mut state).await? {
                status = awaited;
                tokio::time::sleep(LOOK).await;
            } else if state.entrance(host, port).is_none() {
                self.make(kubernetes, keeper, &mut state, (host, port)).await?;
            }
        }
        let message = format!("the bastion {} does not run after {} s: {status}", self.name, START.as_secs());
        Err(Trouble::new(CALL, TroubleKind::Unreachable, message))
    }

    /// Looks at the pods that are not known to run. Answers how one of them stands that is still to run; none where none is.
    async fn look(
        &self,
        kubernetes: &Kubernetes,
        keeper: &Keeper,
        state: &mut State,
    ) -> Result<Option<String>, Trouble> {
        if state.pods.iter().all(|pod| pod.runs.is_some()) {
            return Ok(None);
        }
        let there = kubernetes.bastions(Some(&keeper.run)).await?;
        let mut awaited = None;
        for pod in std::mem::take(&mut state.pods) {
            match there.iter().find(|seen| seen.name == pod.name) {
                _ if pod.runs.is_some() => state.pods.push(pod),
                // It never came about, or somebody removed it.
                None => {}
                Some(seen) if seen.is_ready => state.pods.push(Pod { runs: Some(seen.clone()), ..pod }),
                // Its deadline has come.
                Some(seen) if seen.has_ended => {
                    if let Err(trouble) = kubernetes.delete_bastion(&*keeper.controls()?, &seen.name).await {
                        tracing::warn!(name = %seen.name, %trouble, "a bastion that has ended is left where it is");
                    }
                }
                Some(seen) => {
                    awaited = Some(seen.status.clone());
                    state.pods.push(pod);
                }
            }
        }
        Ok(awaited)
    }

    /// Makes a pod that leads to those of the cluster's servers to which none does yet.
    async fn make(
        &self,
        kubernetes: &Kubernetes,
        keeper: &Keeper,
        state: &mut State,
        (host, port): (&str, u16),
    ) -> Result<(), Trouble> {
        let mut targets = self.servers().await?;
        targets.retain(|(host, port)| state.entrance(host, *port).is_none());
        if !targets.iter().any(|(own, own_port)| own.eq_ignore_ascii_case(host) && *own_port == port) {
            // A way is made to what RDS names as the cluster's, and to nothing else.
            let message = format!("{host}:{port} is no server of {}, and the bastion leads to no other", self.cluster);
            return Err(Trouble::new(CALL, TroubleKind::NotFound, message));
        }
        state.made += 1;
        let name = match state.made {
            1 => self.name.clone(),
            number => format!("{}-{number}", self.name),
        };
        let spec = BastionSpec {
            name: name.clone(),
            image: self.target.image.clone(),
            deadline: self.target.deadline,
            run: keeper.run.clone(),
            session: keeper.session.clone(),
            targets,
        };
        // Said before the call: if it is cut short, the pod is looked for all the same.
        state.pods.push(Pod { name: name.clone(), runs: None });
        kubernetes.create_bastion(&*keeper.controls()?, &spec).await?;
        self.tell(keeper, format!("made, for {} min at most: {name}", self.target.deadline.as_secs() / 60));
        Ok(())
    }

    /// The cluster's servers as RDS names them now, the writer endpoint first.
    async fn servers(&self) -> Result<Vec<(String, u16)>, Trouble> {
        let cluster = self.aws.rds.cluster(&self.cluster).await?;
        let port = cluster.port.unwrap_or(5432);
        let instances = cluster.members.iter().filter_map(|member| member.instance.as_ref()?.host.clone());
        Ok(cluster.endpoint.iter().cloned().chain(instances).map(|host| (host, port)).collect())
    }

    /// Says what became of a bastion, in its namespace.
    fn tell(&self, keeper: &Keeper, words: String) {
        let words = format!("bastion pod in {} {words}", self.target.kubernetes.namespace);
        tracing::info!(partition = %self.partition, "{words}");
        // At the end of a session nobody may be listening any more.
        let _ = keeper.tell.send((self.partition.clone(), words));
    }

    async fn sweep(&self) -> Result<(), Trouble> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let kubernetes = self.kubernetes().await?;
        for left in kubernetes.bastions(Some(&keeper.run)).await? {
            // Another partition's pod may stand in the same namespace.
            if !left.name.contains(&self.mark) {
                kubernetes.delete_bastion(&*keeper.controls()?, &left.name).await?;
                self.tell(keeper, format!("removed, left behind by a former session: {}", left.name));
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Trouble> {
        let before = std::mem::replace(&mut *self.state.lock().await, State { closed: true, ..State::default() });
        let Some(keeper) = self.keeper.as_ref().filter(|_| before.made > 0) else { return Ok(()) };
        let kubernetes = self.kubernetes().await?;
        // Also what came about after its creation was given up; and should that not be told, at least what is known.
        let there = kubernetes.bastions(Some(&keeper.run)).await.unwrap_or_default();
        let own = |name: &String| *name == self.name || name.starts_with(&format!("{}-", self.name));
        let seen = there.into_iter().map(|pod| pod.name).filter(own);
        let names: BTreeSet<String> = before.pods.into_iter().map(|pod| pod.name).chain(seen).collect();
        for name in names {
            kubernetes.delete_bastion(&*keeper.controls()?, &name).await?;
            self.tell(keeper, format!("removed: {name}"));
        }
        Ok(())
    }
}

/// The operator's bastion that leads there, and its port.
async fn anothers(kubernetes: &Kubernetes, host: &str, port: u16) -> Result<(String, u16), Trouble> {
    let there = kubernetes.bastions(None).await?.into_iter().filter(|bastion| bastion.is_ready);
    let leads = |bastion: BastionView| Some((bastion.name.clone(), bastion.port_to(host, port)?));
    there.into_iter().find_map(leads).ok_or_else(|| {
        let message = "there is no way to the database without the operator's bastion, and a monitor makes none";
        Trouble::new(CALL, TroubleKind::Denied, message)
    })
}
