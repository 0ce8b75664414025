//! The way to databases that this machine does not reach: a bastion in the partition's namespace, made by the operator's
//! session at the first use, shared by everybody who speaks SQL there, and removed with the session.
//!
//! A monitor makes none. It goes through the operator's while that is there.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::DuplexStream;
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::kubernetes::Kubernetes;
use super::kubernetes::bastion::{BastionSpec, BastionView};
use super::{Aws, Controls, Trouble, TroubleKind};
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
    /// What the names of this session's pods end with.
    mark: String,
    ways: Mutex<HashMap<PartitionName, Arc<Bastion>>>,
}

/// Who may make bastions.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// What permits it.
    pub controls: Arc<Controls>,
    /// The run.
    pub run: String,
    /// The session, as the pod says it to whoever wonders.
    pub session: String,
    /// Where it is said that a bastion was made or removed, with its partition.
    pub tell: mpsc::UnboundedSender<(PartitionName, String)>,
}

/// The way to the databases of one partition.
#[derive(Debug)]
pub struct Bastion {
    partition: PartitionName,
    target: BastionTarget,
    cluster: String,
    aws: Arc<Aws>,
    keeper: Option<Keeper>,
    mark: String,
    /// The name of the pod of this session.
    name: String,
    kubernetes: OnceCell<Kubernetes>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    /// None was made.
    #[default]
    Unused,
    /// One was asked for; whether it came about is looked up.
    Asked,
    /// It runs.
    Runs(BastionView),
    /// The session has ended: none is made any more.
    Closed,
}

impl Bastions {
    /// The ways of a session that may make bastions.
    pub fn kept_by(keeper: Keeper) -> Self {
        // The moment tells them apart: a pod of a former session may still be on its way out.
        let mark = format!("{:x}", Timestamp::now().as_millisecond());
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
            let bastion = self.own(kubernetes, keeper).await?;
            let entrance = bastion.port_to(host, port).ok_or_else(|| {
                // Its ways are those of the instances that the cluster had when it was made.
                let message = format!("the bastion {} does not lead to {host}:{port}", bastion.name);
                Trouble::new(CALL, TroubleKind::NotFound, message)
            })?;
            match kubernetes.forward(&bastion.name, entrance).await {
                Ok(stream) => return Ok(stream),
                Err(refused) => trouble = Some(refused),
            }
            self.look_again().await;
        }
        Err(trouble.unwrap_or_else(|| Trouble::new(CALL, TroubleKind::Unreachable, "nothing was forwarded")))
    }

    async fn kubernetes(&self) -> Result<&Kubernetes, Trouble> {
        self.kubernetes.get_or_try_init(|| Kubernetes::open(&self.target.kubernetes)).await
    }

    /// Looks at the pod anew before it is used again: it may have met its deadline.
    async fn look_again(&self) {
        let mut state = self.state.lock().await;
        if matches!(*state, State::Runs(_)) {
            *state = State::Asked;
        }
    }

    /// The bastion of this session, which is made where there is none.
    async fn own(&self, kubernetes: &Kubernetes, keeper: &Keeper) -> Result<BastionView, Trouble> {
        // Held while it starts: whoever comes meanwhile waits for the same one.
        let mut state = self.state.lock().await;
        match &*state {
            State::Runs(bastion) => return Ok(bastion.clone()),
            State::Closed => return Err(Trouble::new(CALL, TroubleKind::Unreachable, "the session has ended")),
            State::Unused | State::Asked => {}
        }
        let deadline = tokio::time::Instant::now() + START;
        let mut status = "nothing was seen of it".to_owned();
        while tokio::time::Instant::now() < deadline {
            let found = kubernetes.bastions(Some(&keeper.run)).await?;
            match found.into_iter().find(|bastion| bastion.name == self.name) {
                None => {
                    let spec = self.spec(keeper).await?;
                    // Said before the call: if it is cut short, the pod is looked for all the same.
                    *state = State::Asked;
                    kubernetes.create_bastion(&keeper.controls, &spec).await?;
                    let deadline = self.target.deadline.as_secs() / 60;
                    self.tell(keeper, format!("made, for {deadline} min at most: {}", self.name));
                }
                Some(bastion) if bastion.is_ready => {
                    *state = State::Runs(bastion.clone());
                    return Ok(bastion);
                }
                // Its deadline has come, or somebody removed it: the next one takes its name.
                Some(bastion) if bastion.has_ended => {
                    status = bastion.status;
                    kubernetes.delete_bastion(&keeper.controls, &self.name).await?;
                }
                Some(bastion) => status = bastion.status,
            }
            tokio::time::sleep(LOOK).await;
        }
        let message = format!("the bastion {} does not run after {} s: {status}", self.name, START.as_secs());
        Err(Trouble::new(CALL, TroubleKind::Unreachable, message))
    }

    async fn spec(&self, keeper: &Keeper) -> Result<BastionSpec, Trouble> {
        let cluster = self.aws.rds.cluster(&self.cluster).await?;
        let port = cluster.port.unwrap_or(5432);
        let instances = cluster.members.iter().filter_map(|member| member.instance.as_ref()?.host.clone());
        Ok(BastionSpec {
            name: self.name.clone(),
            image: self.target.image.clone(),
            deadline: self.target.deadline,
            run: keeper.run.clone(),
            session: keeper.session.clone(),
            targets: cluster.endpoint.iter().cloned().chain(instances).map(|host| (host, port)).collect(),
        })
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
            if !left.name.ends_with(&self.mark) {
                kubernetes.delete_bastion(&keeper.controls, &left.name).await?;
                self.tell(keeper, format!("removed, left behind by a former session: {}", left.name));
            }
        }
        Ok(())
    }

    async fn close(&self) -> Result<(), Trouble> {
        let before = std::mem::replace(&mut *self.state.lock().await, State::Closed);
        match (&self.keeper, before) {
            (Some(keeper), State::Asked | State::Runs(_)) => {
                self.kubernetes().await?.delete_bastion(&keeper.controls, &self.name).await?;
                self.tell(keeper, format!("removed: {}", self.name));
                Ok(())
            }
            _ => Ok(()),
        }
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
