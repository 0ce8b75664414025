//! The levers of a partition as the pane lists them: those that the finding in hand offers first.

use super::state::State;
use super::ways::{Act, ways};
use crate::runbook::gate::Lock;
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::Step;
use crate::runbook::state::{Attempt, StepState};

/// A lever in the list.
#[derive(Debug, Clone)]
pub struct LeverRow<'a> {
    /// As the plan has it.
    pub planned: &'a Step,
    /// As events name it.
    pub reference: StepRef,
    /// Every reason why it cannot be pulled now.
    pub locks: Vec<Lock>,
    /// The choice with which the finding in hand offers it, and that it offers it at all.
    pub offered: Option<Option<String>>,
    /// Its last pull.
    pub last: Option<&'a Attempt>,
}

/// The levers of a partition, the offered ones first.
pub fn levers<'a>(state: &'a State, partition: &PartitionName) -> Vec<LeverRow<'a>> {
    let Some(planned) = state.run.plan.partition(partition) else { return Vec::new() };
    let offered = offers(state, partition);
    let rows = state.run.levers(planned).map(|(lever, gate)| {
        let reference = StepRef { partition: partition.clone(), step: lever.id.clone() };
        LeverRow {
            planned: lever,
            locks: gate.err().unwrap_or_default(),
            offered: offered.iter().find(|(known, _)| *known == reference).map(|(_, choice)| choice.clone()),
            last: state.run.step(&reference).and_then(|(_, _, run)| run.attempts.last()),
            reference,
        }
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|row| {
        let place = offered.iter().position(|(known, _)| *known == row.reference);
        place.unwrap_or(usize::MAX)
    });
    rows
}

/// What the findings of the partition's steps offer of levers, the best first.
fn offers(state: &State, partition: &PartitionName) -> Vec<(StepRef, Option<String>)> {
    let steps = state.run.references().filter(|step| step.partition == *partition);
    let ways = steps.flat_map(|step| ways(state, &step));
    let levers = ways.filter_map(|way| match way.act {
        Act::Lever { lever, choice } => Some((lever, choice)),
        _ => None,
    });
    levers.collect()
}

/// The last lever that was pulled in a partition, where it left trouble behind and no step was fired since.
pub fn in_trouble<'a>(state: &'a State, partition: &PartitionName) -> Option<(StepRef, &'a Attempt)> {
    let run = state.run.partition(partition)?;
    if run.levers.iter().all(|lever| lever.attempts.is_empty()) {
        return None;
    }
    let fired = run.steps.iter().chain(&run.levers).flat_map(|step| &step.attempts).map(|attempt| attempt.started_at);
    let last = fired.max()?;
    run.levers.iter().find_map(|lever| {
        let attempt = lever.attempts.last().filter(|attempt| attempt.started_at == last)?;
        let troubled = matches!(attempt.stands(), StepState::Failed(_) | StepState::Partial(_) | StepState::Unknown);
        troubled.then(|| (StepRef { partition: partition.clone(), step: lever.id.clone() }, attempt))
    })
}
