//! Which partitions are watched with everything there is. A fleet of hundreds would ask databases, pods, applications and name
//! servers by the thousand for what nobody looks at: of what is far, only what is asked for a whole account at once is known,
//! the RDS API's word and its events. Where that shows that something moves, the partition is near by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::api::Described;
use super::cadence::{Cadence, Pace};
use super::{Shared, Way, watch_partition};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::Partition;

/// How long a partition is still watched that is near no more: whoever leafs to and fro does not dial each time.
const LINGERS: Duration = Duration::from_secs(60);

/// How many such partitions there are at most; those that were near last stay.
const MOST_LINGERING: usize = 8;

/// The partitions that are watched with everything there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Near {
    /// All.
    #[default]
    All,
    /// These, and those in which something moves.
    Only(BTreeSet<PartitionName>),
}

impl Near {
    /// Whether a partition is among them.
    pub fn holds(&self, partition: &PartitionName) -> bool {
        match self {
            Self::All => true,
            Self::Only(partitions) => partitions.contains(partition),
        }
    }
}

/// What the watchers are told while they watch.
#[derive(Debug, Clone)]
pub struct Pacing {
    /// How often each partition is looked at at least.
    pub cadence: watch::Receiver<Cadence>,
    /// Which of them are looked at with everything there is; none is all, for ever.
    pub near: Option<watch::Receiver<Near>>,
}

impl From<watch::Receiver<Cadence>> for Pacing {
    fn from(cadence: watch::Receiver<Cadence>) -> Self {
        Self { cadence, near: None }
    }
}

/// A partition, and what it takes to watch it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub plan: Partition,
    pub way: Way,
    pub described: Described,
}

/// A partition that is watched.
#[derive(Debug)]
struct Watched {
    tasks: JoinSet<()>,
    /// Since when it is near no more.
    left: Option<Instant>,
}

/// Watches what is a partition's own, for those that are near.
#[derive(Debug)]
pub(super) struct Nearby {
    pub shared: Shared,
    pub candidates: Vec<Candidate>,
    pub near: Option<watch::Receiver<Near>>,
    /// Those that are watched, for the sources that ask for several at once.
    pub tell: watch::Sender<Near>,
}

impl Nearby {
    /// Until the session ends; then until everybody has ended who watched.
    pub async fn run(mut self) {
        let mut watched: BTreeMap<PartitionName, Watched> = BTreeMap::new();
        let mut cadence = self.shared.watching.cadence.clone();
        let cancel = self.shared.watching.cancel.clone();
        loop {
            let near = self.near.as_mut().map_or(Near::All, |near| near.borrow_and_update().clone());
            let moves = cadence.borrow_and_update().clone();
            self.follow(&near, &moves, &mut watched);
            let ends = watched.values().filter_map(|each| each.left).min().map(|left| left + LINGERS);
            tokio::select! {
                () = cancel.cancelled() => break,
                () = changed(self.near.as_mut()) => {}
                Ok(()) = cadence.changed() => {}
                () = until(ends) => {}
            }
        }
        for each in watched.values_mut() {
            while each.tasks.join_next().await.is_some() {}
        }
    }

    fn follow(&self, near: &Near, cadence: &Cadence, watched: &mut BTreeMap<PartitionName, Watched>) {
        let now = Instant::now();
        for candidate in &self.candidates {
            let name = &candidate.plan.name;
            if near.holds(name) || cadence.of(name) > Pace::Quiet {
                let begin = || {
                    let mut tasks = JoinSet::new();
                    watch_partition(&mut tasks, &self.shared, &candidate.plan, &candidate.way, &candidate.described);
                    Watched { tasks, left: None }
                };
                watched.entry(name.clone()).or_insert_with(begin).left = None;
            } else if let Some(each) = watched.get_mut(name) {
                each.left.get_or_insert(now);
            }
        }
        let mut left: Vec<Instant> = watched.values().filter_map(|each| each.left).collect();
        left.sort_unstable_by_key(|left| std::cmp::Reverse(*left));
        let oldest = left.get(MOST_LINGERING).copied();
        let stays = |left: Instant| now < left + LINGERS && oldest.is_none_or(|oldest| left > oldest);
        watched.retain(|_, each| each.left.is_none_or(stays));
        let told = if self.near.is_none() { Near::All } else { Near::Only(watched.keys().cloned().collect()) };
        self.tell.send_if_modified(|known| {
            let is_new = *known != told;
            *known = told;
            is_new
        });
    }
}

/// Waits until others are near; for ever where that cannot be.
pub(super) async fn changed(near: Option<&mut watch::Receiver<Near>>) {
    match near {
        Some(near) => {
            if near.changed().await.is_err() {
                // Whoever said it is gone: the last word holds.
                pending().await
            }
        }
        None => pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => pending().await,
    }
}
