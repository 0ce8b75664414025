//! What is so at the simulated site: one world behind one lock, changed only by requests and by its own agenda.
//!
//! Every protocol server (AWS, Kubernetes, PostgreSQL, DNS, web, stand-ins) reads and changes this one world, so that what
//! `aws` says, what `psql` says and what the browser sees belong to the same story. Things that take time are put on the
//! agenda with a due time; whoever looks next, or the site's own ticker, lets the due ones happen first.

pub mod agenda;
pub mod aurora;
pub mod before;
pub mod cloud;
pub mod deploy;
mod deploy_effects;
mod deploy_failures;
pub mod deploy_script;
pub mod faults;
pub mod life;
pub mod operations;
pub mod outages;
pub mod refusal;
pub mod servers;
pub mod sessions;
pub mod settings;
pub mod situations;
pub mod snags;
pub mod story_deploy;
pub mod story_failover;
pub mod story_modify;
pub mod story_restart;
pub mod story_rollback;
pub mod story_snapshot;
pub mod timings;
pub mod trouble;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::runbook::plan::Plan;
use crate::sim::asked::Asked;
use crate::sim::faults::Cables;
use crate::sim::ledger::Ledger;
use crate::sim::weather::Weather;
use agenda::Agenda;
use aurora::Cluster;
use cloud::Account;
use deploy::Deploy;
use operations::Operations;

/// The world and its clock. Shared by all servers behind an `Arc`.
#[derive(Debug)]
pub struct Site {
    /// How much faster than the log's times things take.
    pub speed: f64,
    /// Every call that reached the site.
    pub ledger: Ledger,
    /// The statements that clients asked of the databases.
    pub asked: Asked,
    /// What lies between its servers and whoever calls them.
    pub weather: Weather,
    world: Mutex<World>,
    changed: watch::Sender<u64>,
}

/// Everything that is so.
#[derive(Debug)]
pub struct World {
    /// The rollout that the site was made from.
    pub plan: Plan,
    /// The partitions, in the plan's order.
    pub partitions: Vec<SitePartition>,
    /// One for each infrastructure of the plan: stacks and secrets live here.
    pub accounts: Vec<Account>,
    /// What happens later.
    pub agenda: Agenda,
    /// The moment of what is happening just now from the agenda.
    happening: Option<Instant>,
    /// Whether 1Password is signed in.
    pub op_signed_in: bool,
    /// Clusters restored from snapshots, each with its infrastructure.
    pub restored: Vec<(String, Cluster)>,
    /// The deploys by partition, each the latest of its partition.
    pub deploys: BTreeMap<String, Deploy>,
    /// The Sentry DSN that 1Password holds and that the deploy puts into Secrets Manager.
    pub sentry_dsn: String,
    /// The site's directory with its working trees and files; none where a test has only a world.
    pub dir: Option<PathBuf>,
    /// The rollout file that the site was made from; none is the shipped one.
    pub rollout_file: Option<PathBuf>,
    /// What the connections of its HTTP servers hang on.
    pub cables: Cables,
    /// The situations on the stage.
    pub situations: Vec<situations::OnStage>,
    /// Errors that a test has invented.
    faults: Vec<faults::Fault>,
    /// Servers that were taken away.
    outages: Vec<outages::Outage>,
    /// The kinds of steps that have begun, by partition.
    begun: Vec<(String, &'static str)>,
    /// Where everything random comes from.
    pub rng: fastrand::Rng,
}

/// A partition of the site.
#[derive(Debug)]
pub struct SitePartition {
    /// Its name.
    pub name: String,
    /// Its infrastructure, the key of its account.
    pub infrastructure: String,
    /// Password of the plan's SQL role, wherever the plan reads it from.
    pub sql_password: String,
    /// Its cluster, with instances, snapshots and parameter groups.
    pub cluster: Cluster,
    /// Its namespace with the application's pods.
    pub operations: Operations,
}

impl Site {
    /// A site as it is before the rollout.
    pub fn new(plan: Plan, speed: f64, seed: u64) -> Self {
        let (changed, _) = watch::channel(0);
        Self {
            speed,
            ledger: Ledger::default(),
            asked: Asked::default(),
            weather: Weather::fair(seed),
            world: Mutex::new(World::before_rollout(plan, seed)),
            changed,
        }
    }

    /// Looks at the world as it is now, after everything that is due has happened.
    pub fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.settled())
    }

    /// Changes the world and tells everybody who waits for a change.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let answer = change(&mut self.settled());
        self.changed.send_modify(|count| *count += 1);
        answer
    }

    /// Wakes at each change; for servers that must cut connections or stream watches.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How long something that takes `site_time` in the log takes here.
    pub fn scaled(&self, site_time: Duration) -> Duration {
        site_time.div_f64(self.speed)
    }

    /// Lets due things happen for as long as the site lives.
    pub async fn tick(&self) {
        let mut changes = self.changes();
        loop {
            let next = self.settled().agenda.next_due();
            // A change may have put something sooner on the agenda, so it wakes us too.
            match next {
                Some(due) => drop(tokio::time::timeout_at(due.into(), changes.changed()).await),
                None => drop(changes.changed().await),
            }
        }
    }

    /// The world with everything that is due done.
    fn settled(&self) -> MutexGuard<'_, World> {
        // A panicking holder would have left a half-made change; the site is a rehearsal, so it goes on with what is there.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let mut happened = false;
        while world.advance(Instant::now(), self.speed) {
            happened = true;
        }
        if happened {
            self.changed.send_modify(|count| *count += 1);
        }
        world
    }
}

impl World {
    /// The partition whose cluster has this identifier, whatever its case.
    pub fn by_cluster(&mut self, id: &str) -> Option<&mut SitePartition> {
        self.partitions.iter_mut().find(|partition| partition.cluster.id.eq_ignore_ascii_case(id))
    }

    /// The partition that owns this instance, whatever the identifier's case.
    pub fn by_instance(&mut self, id: &str) -> Option<&mut SitePartition> {
        self.partitions.iter_mut().find(|partition| partition.cluster.instance(id).is_some())
    }

    /// Has this share of the RDS events, from 0 to 1, never come.
    pub fn lose_events(&mut self, share: f64) {
        for partition in &mut self.partitions {
            partition.cluster.event_fate.lost = share;
        }
    }

    /// The partition of that name.
    pub fn partition(&mut self, name: &str) -> Option<&mut SitePartition> {
        self.partitions.iter_mut().find(|partition| partition.name == name)
    }

    /// The account of that infrastructure.
    pub fn account(&mut self, infrastructure: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.infrastructure == infrastructure)
    }

    /// Puts something on the agenda, `site_time` from now by the log's measure.
    pub fn later(&mut self, site_time: Duration, speed: f64, change: agenda::Change) {
        self.agenda.put(self.instant() + site_time.div_f64(speed), change);
    }

    /// The present: while something from the agenda happens, the moment for which it was meant, so that a story does not
    /// drift however late it is told.
    pub fn instant(&self) -> Instant {
        self.happening.unwrap_or_else(Instant::now)
    }

    /// Lets the next thing happen that is due by `now`; false where nothing is.
    pub fn advance(&mut self, now: Instant, speed: f64) -> bool {
        let Some((due, change)) = self.agenda.take_due(now) else { return false };
        self.happening = Some(due);
        change(self, speed);
        self.happening = None;
        true
    }
}

/// A moment as AWS and Kubernetes print it.
pub fn now() -> Timestamp {
    Timestamp::now()
}
