//! A failover, second by second: who is the writer is true first, then in DNS, and last in the API.

use std::time::Duration;

use super::aurora::LoadChange;
use super::refusal::Refusal;
use super::{World, timings};
use crate::runbook::situation::Situation;

/// Site seconds from the accepted call. The cluster reads `available` until `SHOWS`, although nothing is as it was.
const CUT: f64 = 9.0;
const SHOWS: f64 = 13.0;
const PROMOTED: f64 = 17.0;
const NAME_MOVES: f64 = 19.0;
const API_MOVES: f64 = 24.0;
const DEMOTED_UP: f64 = 27.0;
const DEMOTED_AVAILABLE: f64 = 31.0;

/// Seconds of the clock for which `available` is still read after the call, and for which the API still names the old writer,
/// where that is staged: long enough to be seen at a look a second, however fast the site is.
const RACE_S: f64 = 4.0;
const STALE_S: f64 = 6.0;
/// Site seconds until AWS support has mended a cluster, and the least in seconds of the clock.
const MENDED: (f64, f64) = (1800.0, 8.0);
/// Site seconds until pools that hold on to the dead endpoint let go by themselves, and the least in seconds of the clock.
const HEALS: (f64, f64) = (25.0, 8.0);

/// A failover as it will go.
struct Story {
    cluster: String,
    from: String,
    to: String,
    /// By how much everything is late.
    late: f64,
    /// When the writer endpoint's name follows; none if it never does.
    name_moves: Option<f64>,
    api_moves: f64,
    /// When the cluster is available again.
    over: f64,
}

impl World {
    /// Fails a cluster over to an instance, or to the first healthy reader. A queued class stays queued.
    pub fn failover(&mut self, cluster: &str, target: Option<&str>, speed: f64) -> Result<(), Refusal> {
        self.cluster_step_begins(cluster, "failover", speed);
        let partition = self.by_cluster(cluster).ok_or_else(|| Refusal::no_cluster(cluster))?;
        let (name, takes) = (partition.name.clone(), timings::of(&partition.name).failover);
        let cluster = &partition.cluster;
        let id = cluster.id.clone();
        if cluster.status != "available" || cluster.promoting.is_some() {
            let status = &cluster.status;
            return Err(Refusal::cluster_state(format!(
                "DB cluster {} is not in an available state for failover. Its status is {status}.",
                id.to_lowercase()
            )));
        }
        let old = cluster.writer.clone().unwrap_or_else(|| cluster.api_writer.clone());
        let healthy = cluster.instances.iter().find(|instance| instance.id != old && instance.status == "available");
        let target = match target {
            Some(target) => cluster.instance(target).ok_or_else(|| Refusal::no_instance(target))?,
            None => healthy.ok_or_else(|| Refusal::cluster_state("There is no healthy reader to fail over to."))?,
        };
        if target.id == old {
            return Err(Refusal::cluster_state(format!("{old} is the writer of this DB cluster already.")));
        }
        if target.status != "available" || !target.up {
            let (target, status) = (&target.id, &target.status);
            return Err(Refusal::instance_state(format!(
                "Instance {target} is not available. Its status is {status}."
            )));
        }
        let new = target.id.clone();
        if self.strikes(Situation::FailoverRefused, &name) {
            return Err(Refusal::cluster_state(format!(
                "Unable to fail over DB cluster {}: the target instance {new} is not in sync with the writer.",
                id.to_lowercase()
            )));
        }
        if self.strikes(Situation::FailoverNoop, &name) {
            return Ok(());
        }
        if self.strikes(Situation::ClusterTerminal, &name) {
            self.lose_the_key(&id, speed);
            return Ok(());
        }
        let story = self.cast(&name, Story::usual(&id, &old, &new, takes), speed);
        if let Some(partition) = self.by_cluster(&id) {
            partition.cluster.promoting = Some(new);
        }
        self.tell_failover(story, speed);
        if self.strikes(Situation::App5xx, &name) {
            self.wedge(&name, NAME_MOVES, speed);
        }
        Ok(())
    }

    /// What the stage makes of a failover.
    fn cast(&mut self, partition: &str, mut story: Story, speed: f64) -> Story {
        if self.strikes(Situation::WaitRace, partition) {
            story.late = (RACE_S * speed - SHOWS).max(0.0);
        }
        if self.strikes(Situation::StaleDescribe, partition) {
            story.api_moves = API_MOVES.max(NAME_MOVES + STALE_S * speed);
        }
        let found = self.by_cluster(&story.cluster).map(|found| &found.cluster);
        story.name_moves = Some(NAME_MOVES + found.as_ref().map_or(0.0, |cluster| cluster.name_late_s));
        let leads_there = found.is_some_and(|cluster| cluster.dns_writer == story.to);
        if leads_there {
            // A name that stayed behind is right again.
            self.remedied(Situation::EndpointStuck, partition);
        } else if self.strikes(Situation::EndpointStuck, partition) {
            story.name_moves = None;
        }
        story
    }

    /// The cluster's encryption key cannot be used any more, until AWS support has mended it.
    fn lose_the_key(&mut self, cluster: &str, speed: f64) {
        self.later_on_cluster(cluster, SHOWS, speed, |cluster| {
            "inaccessible-encryption-credentials".clone_into(&mut cluster.status);
        });
        let (site_s, clock_s) = MENDED;
        self.later_on_cluster(cluster, site_s.max(clock_s * speed), speed, |cluster| {
            "available".clone_into(&mut cluster.status);
        });
    }

    /// The application's pools hold on to connections that are dead: until its pods are replaced, or for a while where that
    /// is all that is staged.
    fn wedge(&mut self, partition: &str, at: f64, speed: f64) {
        let name = partition.to_owned();
        let wedged = move |world: &mut World, serving: bool| {
            if let Some(partition) = world.partition(&name) {
                partition.operations.serving = serving;
            }
        };
        if !self.holds(Situation::App5xx, partition) {
            let (site_s, clock_s) = HEALS;
            let heals = wedged.clone();
            let healed = Duration::from_secs_f64(at + site_s.max(clock_s * speed));
            self.later(healed, speed, Box::new(move |world, _| heals(world, true)));
        }
        self.later(Duration::from_secs_f64(at), speed, Box::new(move |world, _| wedged(world, false)));
    }

    fn tell_failover(&mut self, story: Story, speed: f64) {
        let Story { cluster, from: old, to: new, late, name_moves, api_moves, over } = story;
        let (from, to) = (old.clone(), new.clone());
        self.later_on_cluster(&cluster, CUT + late, speed, move |cluster| {
            let zone = |id: &str| cluster.instance(id).map(|instance| instance.zone.clone());
            let (event, how) =
                if zone(&from) == zone(&to) { ("RDS-EVENT-0072", "same") } else { ("RDS-EVENT-0073", "cross") };
            cluster.tell(event, "failover", format!("Started {how} AZ failover to DB instance: {to}"));
            cluster.take_down(&from);
            if let Some(instance) = cluster.instance_mut(&to) {
                instance.cut();
            }
        });
        let from = old.clone();
        self.later_on_cluster(&cluster, SHOWS + late, speed, move |cluster| {
            "failing-over".clone_into(&mut cluster.status);
            cluster.set_status(&from, "rebooting");
        });
        let to = new.clone();
        self.later_on_cluster(&cluster, PROMOTED + late, speed, move |cluster| {
            cluster.promoting = None;
            cluster.writer = Some(to.clone());
            if let Some(instance) = cluster.instance_mut(&to) {
                // Sessions that came back before it was promoted were read-only ones.
                instance.cut();
                instance.mark(LoadChange::ReconnectBurst);
            }
        });
        if let Some(at) = name_moves {
            let to = new.clone();
            self.later_on_cluster(&cluster, at + late, speed, move |cluster| cluster.dns_writer = to);
        }
        let to = new.clone();
        self.later_on_cluster(&cluster, api_moves + late, speed, move |cluster| {
            cluster.promoted(&to);
            cluster.api_writer = to;
        });
        let from = old.clone();
        self.later_on_cluster(&cluster, DEMOTED_UP + late, speed, move |cluster| {
            cluster.bring_up(&from);
            cluster.tell_of(&from, "RDS-EVENT-0006", "availability", "DB instance restarted");
        });
        let from = old;
        self.later_on_cluster(&cluster, DEMOTED_AVAILABLE + late, speed, move |cluster| {
            cluster.set_status(&from, "available")
        });
        let to = new;
        self.later_on_cluster(&cluster, over + late, speed, move |cluster| {
            "available".clone_into(&mut cluster.status);
            cluster.tell("RDS-EVENT-0071", "failover", format!("Completed failover to DB instance: {to}"));
        });
    }
}

impl Story {
    /// As in the log.
    fn usual(cluster: &str, from: &str, to: &str, over: f64) -> Self {
        Self {
            cluster: cluster.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            late: 0.0,
            name_moves: Some(NAME_MOVES),
            api_moves: API_MOVES,
            over,
        }
    }
}
