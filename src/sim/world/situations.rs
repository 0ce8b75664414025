//! Which situations are staged at the site, and when they strike.
//!
//! A situation comes about in one of two ways. Some are a state of the world: when their time comes, [`trouble`](super::trouble)
//! makes it so (a cluster in advanced mode, a snapshot that is there already), and the protocols show it by themselves.
//! Others are how something is answered: the place that answers asks [`World::strikes`] or [`World::holds`].
//! Where a situation begins with a step, the site knows the step by the call that only it makes; a step that only looks
//! begins when what comes before it is done.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;

use super::{World, now, trouble};
use crate::config::scenario::{Scenario, Staged};
use crate::runbook::situation::Situation;

/// A situation on the site's stage.
#[derive(Debug, Clone, Serialize)]
pub struct OnStage {
    /// Which.
    pub situation: Situation,
    /// The partition.
    pub partition: String,
    /// The kind of step with which it begins; none is from the start.
    pub step: Option<&'static str>,
    /// How often it strikes; none is until it is remedied.
    pub times: Option<u32>,
    /// Site time after that start.
    pub after: Duration,
    /// How often it struck.
    pub struck: u32,
    /// When it began; none while its time has not come.
    pub since: Option<Timestamp>,
    /// Whether it was remedied, or struck as often as it should.
    pub over: bool,
}

impl OnStage {
    fn is_on(&self) -> bool {
        self.since.is_some() && !self.over
    }
}

impl World {
    /// Puts a scenario's situations on the stage.
    pub fn stage(&mut self, scenario: &Scenario, speed: f64) {
        for staged in &scenario.situations {
            self.stage_one(staged, speed);
        }
    }

    /// Puts one situation on the stage: in its partition, or in every one.
    pub fn stage_one(&mut self, staged: &Staged, speed: f64) {
        let everywhere = self.partitions.iter().map(|partition| partition.name.clone());
        let wanted = |name: &String| staged.partition.as_ref().is_none_or(|wanted| wanted.as_str() == name);
        for partition in everywhere.filter(wanted).collect::<Vec<_>>() {
            let index = self.situations.len();
            let has_begun = staged.step.is_none_or(|step| self.has_begun(&partition, step));
            self.situations.push(OnStage {
                situation: staged.situation,
                partition,
                step: staged.step,
                times: staged.times,
                after: staged.after,
                struck: 0,
                since: None,
                over: false,
            });
            if has_begun {
                self.cue(index, speed);
            }
        }
    }

    /// A step of that kind begins in a partition: what waits for it comes on.
    pub fn step_begins(&mut self, partition: &str, kind: &'static str, speed: f64) {
        let known = self.begun.iter().any(|(name, begun)| name == partition && *begun == kind);
        if !known {
            self.begun.push((partition.to_owned(), kind));
            trouble::step_begun(self, partition, kind, speed);
        }
        for index in 0..self.situations.len() {
            let waiting = &self.situations[index];
            if waiting.partition == partition && waiting.step == Some(kind) && waiting.since.is_none() && !waiting.over
            {
                self.cue(index, speed);
            }
        }
    }

    /// As [`World::step_begins`], in the partition of that cluster.
    pub fn cluster_step_begins(&mut self, cluster: &str, kind: &'static str, speed: f64) {
        if let Some(partition) = self.by_cluster(cluster).map(|partition| partition.name.clone()) {
            self.step_begins(&partition, kind, speed);
        }
    }

    /// An instance is restarted or flushed: before the failover that is the reader's step, after it the demoted writer's.
    pub(super) fn restart_begins(&mut self, instance: &str, speed: f64) {
        let Some(partition) = self.by_instance(instance).map(|partition| partition.name.clone()) else { return };
        let kind = if self.has_begun(&partition, "failover") { "flush-demoted" } else { "restart-reader" };
        self.step_begins(&partition, kind, speed);
    }

    /// A snapshot is deleted: the rollout's own step, unless nothing was deployed yet and an old one is cleared away.
    pub fn deletion_begins(&mut self, cluster: &str, speed: f64) {
        let Some(partition) = self.by_cluster(cluster).map(|partition| partition.name.clone()) else { return };
        if self.has_begun(&partition, "command") {
            self.step_begins(&partition, "delete-snapshot", speed);
        }
    }

    /// Whether a step of that kind has begun in a partition.
    pub(super) fn has_begun(&self, partition: &str, step: &str) -> bool {
        // These only look and come first: the site cannot tell when, so they have always begun.
        matches!(step, "preflight" | "drift")
            || self.begun.iter().any(|(name, begun)| name == partition && *begun == step)
    }

    /// Its time has come, or will have after its delay.
    fn cue(&mut self, index: usize, speed: f64) {
        let after = self.situations[index].after;
        if after.is_zero() {
            self.come_on(index, speed);
        } else {
            self.later(after, speed, Box::new(move |world, speed| world.come_on(index, speed)));
        }
    }

    fn come_on(&mut self, index: usize, speed: f64) {
        let Some(staged) = self.situations.get_mut(index).filter(|staged| staged.since.is_none()) else { return };
        staged.since = Some(now());
        let (situation, partition) = (staged.situation, staged.partition.clone());
        trouble::begins(self, situation, &partition, speed);
    }

    /// Whether the situation strikes now in that partition, which counts as one of its times.
    pub fn strikes(&mut self, situation: Situation, partition: &str) -> bool {
        let Some(staged) = self.on_stage(situation, partition) else { return false };
        staged.struck += 1;
        staged.over = staged.times.is_some_and(|times| staged.struck >= times);
        true
    }

    /// As [`World::strikes`], where the situation was staged to begin with that kind of step: what is so from the start is
    /// something else than what comes about in the middle.
    pub fn strikes_in(&mut self, situation: Situation, partition: &str, kind: &'static str) -> bool {
        let staged = self.on_stage(situation, partition).is_some_and(|staged| staged.step == Some(kind));
        staged && self.strikes(situation, partition)
    }

    /// Whether the situation is on in that partition, without counting.
    pub fn holds(&self, situation: Situation, partition: &str) -> bool {
        let is_it = |staged: &&OnStage| staged.situation == situation && staged.partition == partition;
        self.situations.iter().filter(is_it).any(OnStage::is_on)
    }

    /// How often the situation has struck in that partition.
    pub fn struck(&self, situation: Situation, partition: &str) -> u32 {
        let staged = self.situations.iter().filter(|it| it.situation == situation && it.partition == partition);
        staged.map(|staged| staged.struck).sum()
    }

    /// Whether the situation is on in that partition for a number of times, and not until it is remedied.
    pub fn is_counted(&self, situation: Situation, partition: &str) -> bool {
        let staged =
            self.situations.iter().find(|it| it.situation == situation && it.partition == partition && it.is_on());
        staged.is_some_and(|staged| staged.times.is_some())
    }

    /// Whether the situation is on in any partition of an infrastructure, without counting.
    pub fn holds_in_account(&self, situation: Situation, infrastructure: &str) -> bool {
        let mut partitions = self.partitions.iter().filter(|partition| partition.infrastructure == infrastructure);
        partitions.any(|partition| self.holds(situation, &partition.name))
    }

    /// The situation is over in that partition: it was remedied.
    pub fn remedied(&mut self, situation: Situation, partition: &str) {
        for staged in &mut self.situations {
            if staged.situation == situation && staged.partition == partition && staged.since.is_some() {
                staged.over = true;
            }
        }
    }

    /// A state of the world has shown itself once more: after as many times as it was staged for, somebody mends it.
    /// True if that is now.
    pub fn wears_off(&mut self, situation: Situation, partition: &str) -> bool {
        self.strikes(situation, partition) && !self.holds(situation, partition)
    }

    fn on_stage(&mut self, situation: Situation, partition: &str) -> Option<&mut OnStage> {
        let is_it = |staged: &&mut OnStage| staged.situation == situation && staged.partition == partition;
        self.situations.iter_mut().filter(is_it).find(|staged| staged.is_on())
    }
}

/// How long something must last here to outlast the patience that the rollout has with it: the longer of the log's time at
/// this speed and the cockpit's own floor, and some time more in which a busy machine looks at it. In site seconds.
pub fn outlasting(patience: Duration, speed: f64) -> f64 {
    const IS_LOOKED_AT: f64 = 3.0;
    let patience = super::timings::patience(patience, speed).as_secs_f64();
    (patience * 1.4).max(patience + IS_LOOKED_AT) * speed
}

/// The moment after `site_seconds`.
pub fn in_site_seconds(from: Instant, site_seconds: f64, speed: f64) -> Instant {
    from + Duration::from_secs_f64(site_seconds / speed)
}
