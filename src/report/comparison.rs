//! The partitions side by side: steps, page timings, backend requests, failovers.

use std::time::Duration;

use jiff::SignedDuration;

use super::times::{self, StepTimes};
use super::words::{code, duration, prose, span, span_or_dash, table};
use crate::runbook::event::{AppMeasure, FailoverMeasure};
use crate::runbook::names::{PartitionName, StepId, StepRef};
use crate::runbook::plan::{Plan, StepKind};
use crate::runbook::state::{PartitionRun, Run, StepState};

/// What stands where there is no figure.
const NOTHING: &str = "—";

/// What the partitions' figures amount to, side by side.
pub(super) fn section(run: &Run) -> String {
    let mut text = String::from("## Comparison of partitions\n\n");
    text += &steps(run);
    let measured: Vec<_> = measured(run).collect();
    if !measured.is_empty() {
        text += "### Page timings\n\n";
        text += &page_timings(&measured);
        text += "### Backend requests\n\n";
        text += &requests(&run.plan, &measured);
    }
    text + &failovers(run)
}

/// Partitions whose application was measured.
pub(super) fn measured(run: &Run) -> impl Iterator<Item = (&PartitionName, &AppMeasure)> {
    run.partitions.iter().filter_map(|partition| Some((&partition.name, partition.app.as_ref()?)))
}

/// A row a step, a column a partition: how it ended, and how long machines worked on it.
fn steps(run: &Run) -> String {
    let times: Vec<_> = run.partitions.iter().map(|partition| times::of_partition(run, partition)).collect();
    let mut header = vec!["Step".to_owned()];
    header.extend(run.partitions.iter().map(|partition| partition.name.to_string()));
    let mut rows: Vec<_> = every_step(&run.plan)
        .into_iter()
        .map(|(id, label)| {
            let cells = run.partitions.iter().zip(&times).map(|(partition, times)| cell(run, partition, times, &id));
            [label].into_iter().chain(cells).collect::<Vec<_>>()
        })
        .collect();
    let sum = |name: &str, of: fn(&[StepTimes]) -> SignedDuration| {
        [name.to_owned()].into_iter().chain(times.iter().map(|times| span_or_dash(of(times)))).collect::<Vec<_>>()
    };
    rows.push(sum("**machines**", |times| times::sums(times).0));
    rows.push(sum("**people**", |times| times::sums(times).1));
    table(&header, &rows)
}

/// Every step that any partition takes, in the plan's order.
fn every_step(plan: &Plan) -> Vec<(StepId, String)> {
    let mut steps: Vec<(StepId, String)> = Vec::new();
    for partition in &plan.partitions {
        let mut after = 0;
        for step in &partition.steps {
            match steps.iter().position(|(id, _)| id == &step.id) {
                Some(known) => after = known + 1,
                None => {
                    steps.insert(after, (step.id.clone(), format!("{} {}", step.label, prose(&step.title))));
                    after += 1;
                }
            }
        }
    }
    steps
}

fn cell(run: &Run, partition: &PartitionRun, times: &[StepTimes], id: &StepId) -> String {
    let Some(step) = partition.steps.iter().find(|step| &step.id == id) else { return NOTHING.to_owned() };
    let state = run.state_of(&StepRef { partition: partition.name.clone(), step: id.clone() });
    let machine = times.iter().find(|times| &times.step == id).map(|times| times.machine);
    if matches!(state, StepState::Locked(_)) {
        return "·".to_owned();
    }
    let mut cell = state.to_string().to_lowercase();
    if let Some(machine) = machine.filter(|machine| *machine > SignedDuration::ZERO) {
        cell += &format!(", {}", span(machine));
    }
    if step.attempts.len() > 1 {
        cell += &format!(", {} attempts", step.attempts.len());
    }
    cell
}

/// A row a metric, a column a measured application.
pub(super) fn page_timings(measured: &[(&PartitionName, &AppMeasure)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in measured.iter().flat_map(|(_, app)| &app.timings) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let value = |app: &AppMeasure, name: &str| {
        let found = app.timings.iter().find(|(other, _)| other == name);
        found.map_or_else(|| NOTHING.to_owned(), |(_, millis)| format!("{millis} ms"))
    };
    let row = |name: &&str| {
        [code(name)].into_iter().chain(measured.iter().map(|(_, app)| value(app, name))).collect::<Vec<_>>()
    };
    table(&header("Metric", measured), &names.iter().map(row).collect::<Vec<_>>())
}

fn requests(plan: &Plan, measured: &[(&PartitionName, &AppMeasure)]) -> String {
    let row = |name: &str, of: &dyn Fn(&PartitionName, &AppMeasure) -> String| {
        [name.to_owned()].into_iter().chain(measured.iter().map(|(name, app)| of(name, app))).collect::<Vec<_>>()
    };
    let millis = |millis: Option<u64>| millis.map_or_else(|| NOTHING.to_owned(), |millis| format!("{millis} ms"));
    let rows = [
        row("requests", &|_, app| app.requests.len().to_string()),
        row("median", &|_, app| millis(app.median())),
        row("slowest", &|_, app| millis(app.requests.iter().map(|request| request.millis).max())),
        row("over the threshold", &|name, app| {
            let threshold = slow_threshold(plan, name);
            format!("{} over {} ms", app.slower_than(threshold).len(), threshold.as_millis())
        }),
        row("console errors", &|_, app| app.console_errors.len().to_string()),
    ];
    table(&header("", measured), &rows)
}

fn header(first: &str, measured: &[(&PartitionName, &AppMeasure)]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(measured.iter().map(|(name, _)| name.to_string())).collect()
}

/// Above which duration the partition's rollout calls a request slow.
pub(super) fn slow_threshold(plan: &Plan, partition: &PartitionName) -> Duration {
    let steps = plan.partition(partition).map(|partition| partition.steps.as_slice()).unwrap_or_default();
    let threshold = steps.iter().find_map(|step| match &step.kind {
        StepKind::AppHealth(health) => Some(health.slow),
        _ => None,
    });
    threshold.unwrap_or(Duration::from_millis(500))
}

fn failovers(run: &Run) -> String {
    let rows: Vec<_> = run
        .partitions
        .iter()
        .flat_map(|partition| partition.failovers.iter().map(|failover| failover_row(&partition.name, failover)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["Partition", "From", "To", "Settled after", "Writer endpoint without writes"].map(str::to_owned);
    format!("### Failovers\n\n{}", table(&header, &rows))
}

fn failover_row(partition: &PartitionName, failover: &FailoverMeasure) -> Vec<String> {
    let FailoverMeasure { accepted_at: _, from, to, milestones, disruption, unplanned } = failover;
    let settled = milestones.iter().filter_map(|milestone| std::time::Duration::try_from(milestone.after).ok()).max();
    let disruption = disruption.map(|it| it.to_string());
    let name = if *unplanned { format!("{partition} (unplanned)") } else { partition.to_string() };
    vec![
        name,
        code(from.as_str()),
        code(to.as_str()),
        settled.map_or_else(|| NOTHING.to_owned(), duration),
        disruption.unwrap_or_else(|| "not measured".to_owned()),
    ]
}
