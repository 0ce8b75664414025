//! `check`: prerequisites and drift checks without a screen. It makes no controls and keeps no run.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::args::{CheckArgs, Form};
use super::place::{self, Place};
use super::{Failure, exit, print, print_json};
use crate::clients::Accounts;
use crate::clients::database::Databases;
use crate::clock;
use crate::runbook::check::Verdict;
use crate::runbook::event::{Event, Outcome, Record};
use crate::runbook::names::{PartitionName, RunId, StepRef};
use crate::runbook::plan::{Partition, Plan, StepKind};
use crate::runbook::state::{Attempt, Run};
use crate::steps::{self, Look, Noting, Recorder, Stop, Tools, Voice};

pub(super) async fn check(place: &Place, args: &CheckArgs) -> Result<u8, Failure> {
    let mut plan = place.plan(args.rollout.as_deref())?;
    if let Some(name) = &args.partition {
        plan.partitions.retain(|partition| partition.name.as_str() == name);
        if plan.partitions.is_empty() {
            return Err(Failure::usage(format!("there is no partition {name} in {}", plan.id)));
        }
    }
    let mut results = Vec::new();
    let mut gaps = Vec::new();
    for index in 0..plan.partitions.len() {
        let tools = Tools::open(&Accounts::default(), &Databases::default(), &plan.partitions[index]).await;
        results.extend(look_at(&plan, index, &tools).await?);
        gaps.extend(unseen(&plan.partitions[index], &tools).await);
    }
    let failed = results.iter().any(|(_, _, outcome)| outcome.finding().is_some());
    match args.output {
        Form::Json => print_json(&json!(results.iter().map(|looked| as_json(looked, &gaps)).collect::<Vec<_>>()))?,
        Form::Text => print(&(results.iter().map(as_text).collect::<String>() + &gaps_as_text(&gaps)))?,
    }
    Ok(if failed { exit::FAILED } else { exit::DONE })
}

type Looked = (StepRef, Attempt, Outcome);

/// Runs the read-only first steps of one partition, each on a run of its own that is kept nowhere: neither gates nor
/// former attempts stand in the way of a look.
async fn look_at(plan: &Plan, index: usize, tools: &Arc<Tools>) -> Result<Vec<Looked>, Failure> {
    let partition = plan.partitions[index].clone();
    let first = |kind: &StepKind| matches!(kind, StepKind::Preflight(_) | StepKind::Drift);
    let mut looked = Vec::new();
    for step in partition.steps.iter().filter(|step| first(&step.kind)) {
        let mut alone = plan.clone();
        alone.partitions = vec![partition.clone()];
        // The others stay in sight: prerequisites are theirs.
        let needs_nothing = alone.partitions[0].steps.iter_mut().find(|planned| planned.id == step.id);
        needs_nothing.into_iter().for_each(|planned| planned.needs.clear());
        let simulated = place::is_simulated();
        let event = Event::RunStarted { run: RunId::new("check"), plan: Box::new(alone), simulated };
        let run = Run::begin(Record { seq: 1, at: clock::now(), event }).map_err(Failure::failed)?;
        let reference = partition.reference(&step.id);
        looked.push(run_alone(run, reference, tools.clone()).await?);
    }
    Ok(looked)
}

/// What will not be seen in a partition, and what mends it.
async fn unseen(partition: &Partition, tools: &Tools) -> Option<(PartitionName, String)> {
    partition.sql.as_ref()?;
    let rights = async { tools.sql().await?.rights().await };
    let gap = match rights.await {
        Ok(rights) => rights.gap()?,
        Err(trouble) => format!("what the database role may see was not looked at: {trouble}"),
    };
    Some((partition.name.clone(), gap))
}

fn gaps_as_text(gaps: &[(PartitionName, String)]) -> String {
    let lines: String = gaps.iter().map(|(partition, gap)| format!("  {partition}: {gap}\n")).collect();
    if lines.is_empty() { lines } else { format!("what will not be seen\n{lines}") }
}

async fn run_alone(mut run: Run, step: StepRef, tools: Arc<Tools>) -> Result<Looked, Failure> {
    let (sender, mut records) = mpsc::unbounded_channel();
    let recorder = Recorder::unkept(run.clone(), sender);
    let by = "check".to_owned();
    let started = Event::AttemptStarted { step: step.clone(), attempt: 1, by, preconditions: Vec::new(), choice: None };
    run.apply(recorder.record(started).await.map_err(Failure::failed)?).map_err(Failure::failed)?;
    let _ = records.try_recv();
    let (partition, planned, so_far) = run.step(&step).ok_or_else(|| Failure::failed("the step is gone"))?;
    let attempt = so_far.attempts.last().cloned().ok_or_else(|| Failure::failed("the attempt is gone"))?;
    let noting = Noting {
        look: Look {
            plan: Arc::new(run.plan.clone()),
            partition: partition.clone(),
            step: planned.clone(),
            so_far: run.partitions[0].clone(),
            measured: Vec::new(),
            tools,
            run_dir: std::env::temp_dir(),
            pause: Duration::from_secs(1),
            estimate: None,
            witnesses: None,
        },
        attempt,
        recorder,
        say: Voice::unheard(),
        cancel: CancellationToken::new(),
        nudge: Arc::default(),
    };
    let outcome = match steps::look_only(noting).await {
        Ok(outcome) => outcome,
        Err(Stop::Outcome(outcome)) => *outcome,
        Err(Stop::Record(error)) => return Err(Failure::failed(error)),
        Err(Stop::Session) => return Err(Failure::failed("the check was interrupted")),
    };
    while let Ok(record) = records.try_recv() {
        run.apply(record).map_err(Failure::failed)?;
    }
    let attempt = run.step(&step).and_then(|(_, _, run)| run.attempts.last()).cloned();
    Ok((step, attempt.ok_or_else(|| Failure::failed("the attempt is gone"))?, outcome))
}

fn as_json((step, attempt, outcome): &Looked, gaps: &[(PartitionName, String)]) -> serde_json::Value {
    let gaps: Vec<_> = gaps.iter().filter(|(partition, _)| *partition == step.partition).map(|(_, gap)| gap).collect();
    json!({
        "partition": step.partition, "step": step.step, "outcome": outcome, "checks": attempt.checks, "gaps": gaps,
    })
}

fn as_text((step, attempt, outcome): &Looked) -> String {
    let mut text = format!("{step}\n");
    for check in &attempt.checks {
        let mark = match check.verdict {
            Verdict::Passed | Verdict::Unreadable => "ok  ",
            Verdict::Warning => "mind",
            Verdict::Failed => "FAIL",
            Verdict::Pending | Verdict::Settling => "    ",
        };
        text.push_str(&format!("  {mark}  {}: {}\n", check.label, check.seen.as_deref().unwrap_or("not looked at")));
    }
    if let Some(finding) = outcome.finding() {
        text.push_str(&format!("  {}\n", finding.cause));
        text.extend(finding.remedy.as_ref().map(|remedy| format!("  way out: {remedy}\n")));
    }
    text
}
