//! `demo` and `rehearse`: a simulated site is started, and this process becomes the cockpit on it.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Common, DemoArgs, Form, RehearseArgs};
use super::{Failure, exit, place, screen};
use crate::config;
use crate::runbook::plan::{Partition, Plan};
use crate::runbook::situation::Situation;
use crate::sim::launch::{LaunchError, StartOptions, Started, end_at};

/// How often a cockpit without hands that was killed is started again.
const RESTARTS: u32 = 5;

/// Set for a cockpit whose site ends with it.
const OURS: &str = "AURORA_COCKPIT_SITE_IS_OURS";

pub(super) async fn demo(common: &Common, args: &DemoArgs) -> Result<u8, Failure> {
    check(args)?;
    let scenario = scenario(args, &place::plan(None, None)?)?;
    screen::check(common.theme.as_deref())?;
    let state_dir = state_dir(common, "demo")?;
    let (site, found) = site(&state_dir, None, scenario, args).await?;
    let mut command = cockpit(&site, &state_dir, common)?;
    command.arg("run");
    if !found {
        // The world of a former run is gone with its site.
        command.arg("--new");
    }
    Err(become_it(command))
}

pub(super) async fn rehearse(common: &Common, args: &RehearseArgs) -> Result<u8, Failure> {
    // A file that is wrong is refused before anything starts.
    let rollout =
        args.rollout.canonicalize().map_err(|error| Failure::usage(format!("{}: {error}", args.rollout.display())))?;
    let plan = place::plan(Some(&rollout), None)?;
    place::only(plan.clone(), &args.only)?;
    check(&args.site)?;
    let scenario = scenario(&args.site, &plan)?;
    let held = held_back(&args.site, &plan);
    if !args.auto {
        screen::check(common.theme.as_deref())?;
    }
    let state_dir = state_dir(common, "rehearse")?;
    let (site, found) = site(&state_dir, Some(rollout.clone()), scenario, &args.site).await?;
    let rehearse = |name: &str, new: bool| {
        let mut command = cockpit(&site, &state_dir, common)?;
        command.arg(name).arg("--rollout").arg(&rollout);
        if new {
            command.arg("--new");
        }
        if !args.only.is_empty() {
            command.arg("--only").arg(args.only.join(","));
        }
        Ok(command)
    };
    // The world of a former run is gone with its site.
    if !args.auto {
        return Err(become_it(rehearse("run", !found)?));
    }
    let form = if args.output == Form::Json { "json" } else { "text" };
    keep_at_it(|again| {
        let mut command = rehearse("auto", !found && !again)?;
        command.args(["--output", form]);
        if !held.is_empty() {
            command.arg("--hold-go-ahead").arg(held.join(","));
        }
        Ok(command)
    })
    .await
}

/// A state directory in which a simulated site lives belongs to it: whoever works there works on that site, never on the
/// user's own accounts. Comes back where there is none, or where this process is on it already.
pub(super) async fn enter(common: &Common) -> Result<(), Failure> {
    if place::is_simulated() {
        return Ok(());
    }
    let state_dir = place::state_dir(common, &place::settings(common)?)?;
    let Some(site) = Started::find(&state_dir.join("site")).await else { return Ok(()) };
    let mut command = site.command(std::env::current_exe().map_err(Failure::failed)?);
    command.args(std::env::args_os().skip(1));
    Err(become_it(command))
}

/// What the site would refuse is refused here, in fewer words.
fn check(args: &DemoArgs) -> Result<(), Failure> {
    let makes_sense = args.speed.is_finite() && args.speed > 0.0;
    if makes_sense { Ok(()) } else { Err(Failure::usage(LaunchError::Speed(args.speed))) }
}

/// The scenario as the site will find it, wherever it runs: a shipped one by its name, a file by its whole path. One that is
/// wrong is refused before anything starts.
fn scenario(args: &DemoArgs, plan: &Plan) -> Result<Option<String>, Failure> {
    let Some(name) = &args.scenario else { return Ok(None) };
    config::scenario::load(name, plan)
        .map_err(|problems| Failure::usage(format!("the scenario is refused\n{problems}")))?;
    let path = std::path::Path::new(name).canonicalize().ok().filter(|_| !config::scenario::is_shipped(name));
    Ok(Some(path.map_or_else(|| name.clone(), |path| path.display().to_string())))
}

/// The partitions whose go-ahead the scenario has held back: what an operator does not say is no site's doing, so that it is
/// the operator's stand-in that is told.
fn held_back(args: &DemoArgs, plan: &Plan) -> Vec<String> {
    let staged = args.scenario.as_ref().and_then(|name| config::scenario::load(name, plan).ok());
    let situations = staged.map(|scenario| scenario.situations).unwrap_or_default();
    let holds = |partition: &&Partition| {
        situations.iter().any(|staged| {
            staged.situation == Situation::NoGoAhead
                && staged.partition.as_ref().is_none_or(|name| *name == partition.name)
        })
    };
    plan.partitions.iter().filter(holds).map(|partition| partition.name.to_string()).collect()
}

/// The living site of the state directory, or a new one; whether it was found.
async fn site(
    state_dir: &std::path::Path,
    rollout: Option<PathBuf>,
    scenario: Option<String>,
    args: &DemoArgs,
) -> Result<(Started, bool), Failure> {
    let dir = state_dir.join("site");
    if let Some(site) = Started::find(&dir).await {
        return Ok((site, true));
    }
    let options = StartOptions { dir, rollout, scenario, speed: args.speed, seed: args.seed, postgres: args.postgres };
    let site = Started::start(&options).await.map_err(Failure::failed)?;
    Ok((site, false))
}

fn state_dir(common: &Common, name: &str) -> Result<PathBuf, Failure> {
    // Never beside real runs, unless a directory is named.
    let dir = match &common.state_dir {
        Some(dir) => dir.clone(),
        None => place::state_dir(common, &place::settings(common)?)?.join(name),
    };
    let unusable = |error| {
        let dir = dir.display();
        Failure::usage(format!("{dir} cannot hold runs: {error}\nchoose another state directory with --state-dir"))
    };
    std::fs::create_dir_all(&dir).map_err(unusable)?;
    dir.canonicalize().map_err(unusable)
}

/// This program as a cockpit that finds the site and nothing of the user's own settings for the outside world.
fn cockpit(site: &Started, state_dir: &std::path::Path, common: &Common) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(Failure::failed)?;
    let mut command = site.command(program);
    command.env(OURS, &site.address).arg("--state-dir").arg(state_dir);
    let options = [("--theme", common.theme.clone()), ("--operator", common.operator.clone())];
    for (option, value) in options.into_iter().filter_map(|(option, value)| Some((option, value?))) {
        command.arg(option).arg(value);
    }
    if let Some(config) = &common.config {
        command.arg("--config").arg(config);
    }
    let flags = [("--no-color", common.no_color), ("--share", common.share)];
    command.args(flags.into_iter().filter_map(|(flag, is_set)| is_set.then_some(flag)));
    Ok(command)
}

/// Runs a cockpit without hands to its end. One that is killed is started again, as an operator would do it, and goes on from
/// its journal; one that was told to end is not. The exit code is the last one's.
async fn keep_at_it(command: impl Fn(bool) -> Result<Command, Failure>) -> Result<u8, Failure> {
    let listen = |kind| signal(kind).map_err(Failure::failed);
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut restarts = 0;
    loop {
        let could_not = |error| Failure::failed(format!("the cockpit could not be started: {error}"));
        let mut child = tokio::process::Command::from(command(restarts > 0)?).spawn().map_err(could_not)?;
        let mut told = None;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status.map_err(Failure::failed)?,
                _ = interrupt.recv() => told = Some(Signal::INT),
                _ = terminate.recv() => told = Some(Signal::TERM),
            }
            let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            if let Some((pid, signal)) = pid.zip(told) {
                // It may have ended just now.
                let _ = kill_process(pid, signal);
            }
        };
        if let Some(code) = status.code() {
            return Ok(u8::try_from(code).unwrap_or(exit::FAILED));
        }
        let why = status.signal().map_or_else(String::new, |signal| format!(" by signal {signal}"));
        if told.is_some() || restarts == RESTARTS {
            return Err(Failure::failed(format!("the cockpit was ended{why}; what it had fired goes on")));
        }
        restarts += 1;
        // Where standard error is gone there is nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "the cockpit was killed{why}; started again ({restarts} of {RESTARTS}), it goes on from its journal"
        );
    }
}

/// Becomes the cockpit: one process to kill and one to take up again. Comes back only if that fails.
fn become_it(mut command: Command) -> Failure {
    Failure::failed(format!("the cockpit could not be started: {}", command.exec()))
}

/// Whether this process's simulated site ends with it.
pub(super) fn is_ours() -> bool {
    std::env::var_os(OURS).is_some()
}

/// Ends the site that was started for this cockpit, if one was.
pub(super) async fn end_if_ours() {
    if let Ok(address) = std::env::var(OURS) {
        end_at(&address).await;
    }
}
