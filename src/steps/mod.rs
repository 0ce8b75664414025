//! What each kind of step looks at, sends, waits for and holds against what is expected.
//!
//! A step has two halves. Its *brief* only looks: it is what a confirmation shows and what the gate is asked with. Its *run*
//! acts, and every changing call goes through [`act::Act::act`]: intent on disk, call, outcome on disk. A run is written
//! so that it can be entered again: what its attempt has done already is looked up, not repeated.

pub mod act;
mod agreed;
mod app_health;
mod artefacts;
mod close;
mod cluster;
mod command;
mod command_findings;
pub mod context;
mod deploy;
mod diagnosis;
mod drift;
mod failover;
mod levers;
mod preflight;
mod program;
mod provenance;
pub mod recorder;
mod restart_reader;
mod settings;
mod settings_findings;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod tools;
mod verify_sql;
mod voice;
mod window;

pub use act::Act;
pub use context::{Look, Noting, Stop};
pub use diagnosis::remarks;
pub use recorder::{RecordError, Recorder};
pub use tools::Tools;
pub use voice::{Said, Voice, voice};

use futures::future::BoxFuture;
use jiff::tz::TimeZone;

use crate::awake;
use crate::clients::Trouble;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::event::{AppMeasure, Brief, Finding, Outcome};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{ConfirmRule, StepKind};
use crate::runbook::state::Run;

impl Look {
    /// A brief with what the plan says of the step; calls and preconditions are the step's own.
    fn brief(&self, what: impl Into<String>) -> Brief {
        let step = &self.step;
        Brief {
            what: what.into(),
            calls: Vec::new(),
            preconditions: Vec::new(),
            feels: step.impact.clone(),
            then: self.next().map(|next| format!("{} {}", next.label, next.title)),
            back: step.way_back.clone(),
            type_name: match &step.confirm {
                ConfirmRule::Plain => None,
                ConfirmRule::Type(name) => Some(name.clone()),
            },
            already_done: None,
            choices: Vec::new(),
        }
    }

    fn next(&self) -> Option<&crate::runbook::plan::Step> {
        let mut steps = self.partition.steps.iter();
        steps.find(|step| step.id == self.step.id)?;
        steps.next()
    }

    /// The zone in which times are told.
    fn zone(&self) -> TimeZone {
        TimeZone::get(&self.plan.time_zone).unwrap_or(TimeZone::UTC)
    }
}

/// What was measured of the applications of the run's other partitions.
pub fn measured_elsewhere(run: &Run, here: &PartitionName) -> Vec<(PartitionName, AppMeasure)> {
    let others = run.partitions.iter().filter(|partition| &partition.name != here);
    others.filter_map(|partition| Some((partition.name.clone(), partition.app.clone()?))).collect()
}

/// Looks at everything that a confirmation of the step shows. Changes nothing.
///
/// # Errors
/// If something that it must show cannot be looked at.
pub async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let mut seen = brief_of(look).await;
    if let Ok(brief) = &mut seen {
        // What sends nothing rests on nobody's word, but for what is read from the writer.
        let rests = !brief.calls.is_empty();
        brief.preconditions.extend(agreed::precondition(look).filter(|_| rests));
        brief.preconditions.extend(window::precondition(look).filter(|_| rests));
        if let Some(open) = look.open_call() {
            looks_first(brief, &open.action.key);
        }
    }
    if seen.is_err() {
        look.tools.aws.renew_session().await;
    }
    seen
}

/// Lets a step be fired of which a call is open: it is looked up first, whatever else does not hold. Before anything is sent,
/// what must hold is looked at again.
fn looks_first(brief: &mut Brief, key: &str) {
    for lacking in brief.preconditions.iter_mut().filter(|each| each.holds == Holds::No) {
        lacking.holds = Holds::Mind;
        lacking.text.push_str(" (must hold before anything is sent)");
    }
    let words =
        format!("it is not known whether \"{key}\" was carried out: that is looked up, and nothing is sent before");
    brief.preconditions.insert(0, Precondition::now(words, Holds::Mind));
}

async fn brief_of(look: &Look) -> Result<Brief, Trouble> {
    match &look.step.kind {
        StepKind::Snapshot(spec) => snapshot::brief(look, spec).await,
        StepKind::DeleteSnapshot(spec) => snapshot::brief_deletion(look, spec).await,
        StepKind::RestartReader | StepKind::FlushDemoted => restart_reader::brief(look).await,
        StepKind::Failover => failover::brief(look).await,
        StepKind::Drift => Ok(drift::brief(look)),
        StepKind::Command(spec) => command::brief(look, spec).await,
        StepKind::Preflight(spec) => Ok(preflight::brief(look, spec)),
        StepKind::VerifySql(spec) => Ok(verify_sql::brief(look, spec)),
        StepKind::Deploy(spec) => deploy::brief(look, spec).await,
        StepKind::Close(spec) => close::brief(look, spec).await,
        StepKind::AppHealth(_) => app_health::brief(look).await,
        StepKind::Lever(lever) => levers::brief(look, lever).await,
        StepKind::GoAhead => Ok(look.brief(format!("Say that {} is done", look.partition.name))),
    }
}

/// Runs the step's attempt to its end, or takes it up again where a former session left it.
///
/// # Errors
/// Why it stopped before: with an outcome of its own, because something could not be written, or with the session.
pub async fn run(act: Act) -> Result<Outcome, Stop> {
    let aws = act.tools.aws.clone();
    let ended = tokio::select! {
        biased;
        never = awake::beating() => match never {},
        ended = run_boxed(act) => ended,
    };
    if matches!(&ended, Err(Stop::Outcome(_))) {
        // It may have failed for a session that somebody now renews, in whichever terminal.
        aws.renew_session().await;
    }
    ended
}

/// Boxed, because the compiler does not see through all arms at once that the future can be sent between threads.
fn run_boxed(mut act: Act) -> BoxFuture<'static, Result<Outcome, Stop>> {
    match act.step.kind.clone() {
        StepKind::Preflight(_)
        | StepKind::Drift
        | StepKind::VerifySql(_)
        | StepKind::AppHealth(_)
        | StepKind::GoAhead => Box::pin(look_only(act.noting)),
        StepKind::Snapshot(spec) => Box::pin(async move { snapshot::run(&mut act, &spec).await }),
        StepKind::Command(spec) => Box::pin(async move { command::run(&mut act, &spec).await }),
        StepKind::RestartReader | StepKind::FlushDemoted => {
            Box::pin(async move { restart_reader::run(&mut act).await })
        }
        StepKind::Failover => Box::pin(async move { failover::run(&mut act).await }),
        StepKind::DeleteSnapshot(spec) => Box::pin(async move { snapshot::run_deletion(&mut act, &spec).await }),
        StepKind::Deploy(spec) => Box::pin(async move { deploy::run(&mut act, &spec).await }),
        StepKind::Close(spec) => Box::pin(async move { close::run(&mut act, &spec).await }),
        StepKind::Lever(lever) => Box::pin(async move { levers::run(&mut act, &lever).await }),
    }
}

/// Runs a step that only looks; it needs no controls. Of any other kind it makes nothing.
///
/// # Errors
/// As [`run`].
pub async fn look_only(mut noting: Noting) -> Result<Outcome, Stop> {
    let until = awake::now() + noting.step.limit;
    loop {
        let seen = look_once(&mut noting).await;
        // Trouble that passes is no verdict. Nothing was sent, so that looking once more costs nothing.
        let passing = match &seen {
            Err(Stop::Outcome(outcome)) => diagnosis::passing_failure(outcome).filter(|_| awake::now() < until),
            _ => None,
        };
        let Some(finding) = passing else { return seen };
        noting.remark_first(finding.clone()).await?;
        noting.wait(noting.pause).await?;
    }
}

async fn look_once(noting: &mut Noting) -> Result<Outcome, Stop> {
    match noting.step.kind.clone() {
        StepKind::Preflight(spec) => preflight::run(noting, &spec).await,
        StepKind::Drift => drift::run(noting).await,
        StepKind::VerifySql(spec) => verify_sql::run(noting, &spec).await,
        StepKind::AppHealth(spec) => app_health::run(noting, &spec).await,
        // A go-ahead is an event of the operator's, not an attempt; everything else changes something.
        kind => Err(Finding::unknown(format!("a {} step is not a look", kind.name())).into()),
    }
}
