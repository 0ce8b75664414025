//! The fleet: how each partition stands, which of them call for somebody, and which of hundreds are looked at closely.
//!
//! A handful of partitions is seen at once. Of hundreds the screen shows first what calls: trouble, what runs, what waits for a
//! person, what is not well by itself. Then what is looked at, and what stands beside it in the rollout's order.

use std::collections::BTreeSet;
use std::fmt;

use super::levers;
use super::state::State;
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::{Partition, Step};
use crate::runbook::state::{PartitionRun, StepRun};
use crate::watch::Near;

/// So many partitions are all watched with everything there is.
pub const ALL_NEAR: usize = 12;

/// Of more, so many of those that call, besides the one that is looked at and the one in hand.
const MOST_CALLING: usize = 6;

/// How a partition stands, the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Something in it failed or is out of order.
    Trouble,
    /// A step or a lever of it runs.
    Runs,
    /// A person's word is what it waits for.
    Waits,
    /// Its cluster is not available, by the RDS API.
    Unwell,
    /// Some of its steps, or all, are still to come.
    ToCome,
    /// Every step is behind us.
    Through,
}

impl Standing {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Trouble, Self::Runs, Self::Waits, Self::Unwell, Self::ToCome, Self::Through];

    /// Whether somebody should look at it.
    pub fn calls(self) -> bool {
        self <= Self::Unwell
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trouble => "in trouble",
            Self::Runs => "running",
            Self::Waits => "waiting",
            Self::Unwell => "not available",
            Self::ToCome => "to come",
            Self::Through => "through",
        })
    }
}

/// The fleet at this moment: reckoned once, asked for each partition.
#[derive(Debug)]
pub struct Fleet<'a> {
    state: &'a State,
    standings: Vec<Standing>,
}

impl<'a> Fleet<'a> {
    /// The fleet as it stands.
    pub fn of(state: &'a State) -> Self {
        let next = state.run.next_step().map(|(step, _)| step.partition);
        let asked = state.run.confirming.as_ref().map(|confirming| &confirming.step.partition);
        let both = state.run.plan.partitions.iter().zip(&state.run.partitions);
        let standing = |(planned, run): (&Partition, &PartitionRun)| {
            let is_asked = [next.as_ref(), asked].contains(&Some(&run.name));
            standing(state, planned, run, is_asked)
        };
        Self { state, standings: both.map(standing).collect() }
    }

    /// How a partition stands, by its place in the plan.
    pub fn standing(&self, partition: usize) -> Standing {
        self.standings.get(partition).copied().unwrap_or(Standing::ToCome)
    }

    /// How many stand so.
    pub fn count(&self, standing: Standing) -> usize {
        self.standings.iter().filter(|each| **each == standing).count()
    }

    /// Places of those that call, the most pressing first, those that press alike in the rollout's order.
    pub fn calling(&self) -> Vec<usize> {
        let calling = self.standings.iter().enumerate().filter(|(_, standing)| standing.calls());
        let mut calling: Vec<(Standing, usize)> = calling.map(|(place, standing)| (*standing, place)).collect();
        calling.sort_unstable();
        calling.into_iter().map(|(_, place)| place).collect()
    }

    /// Which partitions are shown where there is room for so many: those that call, and a page of the others, the one on which
    /// the one that is looked at stands. Pages stand still while somebody leafs within them.
    pub fn shown(&self, room: usize) -> Shown {
        let looked_at = self.state.partition;
        let mut calling = self.calling();
        let all_calling = calling.len();
        let keeps = usize::from(!self.standing(looked_at).calls());
        calling.truncate(room.saturating_sub(keeps));
        if self.standing(looked_at).calls() && !calling.contains(&looked_at) {
            calling.pop();
            calling.push(looked_at);
        }
        let others: Vec<usize> = (0..self.standings.len()).filter(|place| !self.standing(*place).calls()).collect();
        let page = room.saturating_sub(calling.len());
        let at = others.partition_point(|place| *place < looked_at).min(others.len().saturating_sub(1));
        let others = match page {
            0 => Vec::new(),
            _ => others.chunks(page).nth(at / page).unwrap_or_default().to_vec(),
        };
        Shown { unseen: all_calling - calling.len(), calling, others }
    }

    /// The next partition that calls, after the one that is looked at and around to it.
    pub fn next_calling(&self) -> Option<usize> {
        let calling = self.calling();
        let after = match calling.iter().position(|place| *place == self.state.partition) {
            Some(at) => (at + 1) % calling.len(),
            None => 0,
        };
        calling.get(after).copied().filter(|place| *place != self.state.partition)
    }

    /// The partitions that are worth being watched with everything there is.
    pub fn near(&self) -> Near {
        let partitions = &self.state.run.plan.partitions;
        if partitions.len() <= ALL_NEAR {
            return Near::All;
        }
        let name = |place: usize| partitions.get(place).map(|partition| partition.name.clone());
        let mut near: BTreeSet<PartitionName> =
            self.calling().into_iter().take(MOST_CALLING).filter_map(name).collect();
        near.extend(name(self.state.partition));
        near.extend(self.state.run.partition_in_hand().cloned());
        near.extend(self.state.run.under_way().map(|(step, _)| step.partition));
        Near::Only(near)
    }

    /// What there is to say of a partition, in a few words.
    pub fn words(&self, place: usize) -> String {
        let partitions = &self.state.run.plan.partitions;
        let Some((planned, run)) = partitions.get(place).zip(self.state.run.partitions.get(place)) else {
            return String::new();
        };
        let standing = self.standing(place);
        let step = |found: fn(&PartitionRun, &Step, &StepRun) -> bool| {
            let mut steps = planned.steps.iter().chain(&planned.levers).zip(run.steps.iter().chain(&run.levers));
            steps.find(|(step, of)| found(run, step, of)).map(|(step, _)| format!("{} {}", step.label, step.title))
        };
        let said = match standing {
            Standing::Trouble if run.rolled_back.is_some() => Some("rolled back".to_owned()),
            Standing::Trouble => step(|_, _, of| is_trouble(of)).map(|step| format!("failed: {step}")),
            Standing::Runs => step(|_, _, of| is_active(of)).map(|step| format!("running: {step}")),
            Standing::Waits => {
                let open = step(|run, step, of| !run.has_behind(step, of));
                open.map(|step| format!("waiting: {step}"))
            }
            Standing::Unwell => self.unwell(planned),
            Standing::ToCome | Standing::Through => None,
        };
        said.unwrap_or_else(|| standing.to_string())
    }

    fn unwell(&self, planned: &Partition) -> Option<String> {
        let cluster = &self.state.live.get(&planned.name)?.cluster.as_ref()?.value;
        let member = cluster.members.iter().find(|member| member.status != "available");
        member.map(|member| format!("{} is {}", planned.cluster.short_name(&member.id), member.status))
    }
}

/// What of a fleet is shown, by places in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Those that call, the most pressing first.
    pub calling: Vec<usize>,
    /// A page of the others, in the rollout's order.
    pub others: Vec<usize>,
    /// How many call and have no room.
    pub unseen: usize,
}

impl Shown {
    /// All that are shown, as they stand below each other.
    pub fn all(&self) -> impl Iterator<Item = usize> {
        self.calling.iter().chain(&self.others).copied()
    }
}

fn standing(state: &State, planned: &Partition, run: &PartitionRun, is_asked: bool) -> Standing {
    let live = state.live.get(&run.name);
    let moves = live.is_some_and(|live| live.timeline.unplanned().is_some() || live.timeline.down_since().is_some());
    let confirming = |step: &StepRun| {
        state
            .run
            .confirming
            .as_ref()
            .is_some_and(|asked| asked.step == StepRef::new(run.name.as_str(), step.id.as_str()))
    };
    let troubled = || run.steps.iter().any(|step| is_trouble(step) && !confirming(step));
    let lever = || levers::in_trouble(state, &run.name).is_some();
    if run.rolled_back.is_some() || moves || troubled() || lever() {
        return Standing::Trouble;
    }
    if run.is_active() {
        return Standing::Runs;
    }
    if is_asked {
        return Standing::Waits;
    }
    let cluster = live.and_then(|live| live.cluster.as_ref()).map(|cluster| &cluster.value);
    let is_well = |status: &str| status == "available";
    if cluster.is_some_and(|cluster| !cluster.members.iter().all(|member| is_well(&member.status))) {
        return Standing::Unwell;
    }
    let mut steps = planned.steps.iter().zip(&run.steps);
    if steps.all(|(step, of)| run.has_behind(step, of)) { Standing::Through } else { Standing::ToCome }
}

fn is_trouble(step: &StepRun) -> bool {
    step.skipped.is_none() && step.standing().is_some_and(|attempt| attempt.stands().is_trouble())
}

fn is_active(step: &StepRun) -> bool {
    step.attempts.last().is_some_and(|attempt| attempt.outcome.is_none())
}

/// Finds out anew which partitions are near; what is to be told to the watchers, if it is others than before.
pub(super) fn draw_near(state: &mut State) -> Option<Near> {
    if state.run.plan.partitions.len() <= ALL_NEAR || state.replay.is_some() {
        return None;
    }
    let near = Fleet::of(state).near();
    if state.near == near {
        return None;
    }
    state.near = near.clone();
    Some(near)
}
