//! What can happen at any time: throttling, failing APIs, a lost network, a killed cockpit, a second operator, hostile text.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::super::World;
use crate::runbook::situation::Situation;
use crate::sim::faults::Server;

/// Site seconds for which calls are throttled, servers fail, the network is gone; and the seconds of the clock that each
/// lasts at least, so that a site in a hurry is not through with it between two looks.
const THROTTLING: (f64, f64) = (180.0, 15.0);
const FAILING: (f64, f64) = (120.0, 12.0);
const LOST: (f64, f64) = (60.0, 10.0);

/// Site time after which a deploy that was just started has begun to print.
const DEPLOY_SPEAKS: Duration = Duration::from_secs(20);

/// What a hostile writer puts into a text: a window title, an erased screen, characters that turn the rest around or are not
/// seen, and what looks like a secret.
pub const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}exe.\u{202c}\u{200b} password=hunter2hunter2 AKIAIOSFODNN7EXAMPLE";

pub(super) fn begins(world: &mut World, situation: Situation, partition: &str, speed: f64) {
    match situation {
        Situation::Throttled => passes(world, situation, partition, THROTTLING, speed),
        Situation::Api5xx => passes(world, situation, partition, FAILING, speed),
        Situation::NetworkLost => {
            cut(world, partition);
            passes(world, situation, partition, LOST, speed);
        }
        Situation::CockpitKilled => {
            kill_cockpit(world);
            world.wears_off(situation, partition);
        }
        Situation::TwoOperators => {
            second_operator(world, partition);
            world.wears_off(situation, partition);
        }
        Situation::HostileText => write_hostile(world, partition, speed),
        _ => {}
    }
}

/// The situation is over after a while, whatever anybody does.
fn passes(world: &mut World, situation: Situation, partition: &str, (site_s, clock_s): (f64, f64), speed: f64) {
    let partition = partition.to_owned();
    let lasts = Duration::from_secs_f64(site_s.max(clock_s * speed));
    world.later(lasts, speed, Box::new(move |world, _| world.remedied(situation, &partition)));
}

/// Cuts the connections that are there; those that are made meanwhile are cut by who stands in front.
fn cut(world: &mut World, name: &str) {
    let Some(infrastructure) = world.partition(name).map(|partition| partition.infrastructure.clone()) else { return };
    world.cables.cut(&Server::Kubernetes(infrastructure));
    world.cables.cut(&Server::Web(name.to_owned()));
}

/// The state directory that the site lives in, where a cockpit started it.
fn state_dir(world: &World) -> Option<PathBuf> {
    world.dir.as_deref().and_then(Path::parent).map(Path::to_owned)
}

/// Kills the process that holds the controls of a run here, as a machine that runs out of memory does.
fn kill_cockpit(world: &World) {
    let Some(runs) = state_dir(world).and_then(|dir| fs::read_dir(dir.join("runs")).ok()) else { return };
    for holder in runs.flatten().filter_map(|run| holder(&run.path().join("lock"))) {
        // It may have ended by itself just now.
        let _ = kill_process(holder, Signal::KILL);
    }
}

/// The process that holds a lock; none where nobody holds it.
fn holder(lock: &Path) -> Option<Pid> {
    match File::open(lock).ok()?.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return None,
    }
    let owner: serde_json::Value = serde_json::from_slice(&fs::read(lock).ok()?).ok()?;
    Pid::from_raw(i32::try_from(owner["pid"].as_i64()?).ok()?)
}

/// Somebody else wants to operate the same run, and leaves what came of it in `second-operator.log`.
fn second_operator(world: &World, partition: &str) {
    let (Some(dir), Some(state), Ok(cockpit)) = (world.dir.clone(), state_dir(world), std::env::current_exe()) else {
        return;
    };
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition);
    let Some(step) = planned.and_then(|planned| planned.steps.first()).map(|step| step.id.to_string()) else { return };
    let mut command = Command::new(cockpit);
    command.arg("--state-dir").arg(state).args(["--operator", "second-operator", "exec", "--yes"]);
    command.args(["--partition", partition, "--step", &step]);
    if let Some(rollout) = &world.rollout_file {
        command.arg("--rollout").arg(rollout);
    }
    std::thread::spawn(move || {
        let told = match command.stdin(Stdio::null()).output() {
            Ok(output) => format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
            Err(error) => format!("it could not be started: {error}\n"),
        };
        // The log is for whoever wants to know; the refusal itself is the cockpit's to tell.
        let _ = fs::write(dir.join("second-operator.log"), told);
    });
}

/// Puts hostile text wherever somebody else's text is read: RDS events, stack events, the deploy's output. Pods and
/// databases ask for it where they write.
fn write_hostile(world: &mut World, name: &str, speed: f64) {
    let Some(partition) = world.partition(name) else { return };
    partition.cluster.event_fate.tail = HOSTILE;
    let infrastructure = partition.infrastructure.clone();
    let stacks = format!("{infrastructure}-{name}");
    for stack in world.account(&infrastructure).into_iter().flat_map(|account| &mut account.stacks) {
        if stack.name.starts_with(&stacks) {
            stack.say(HOSTILE);
        }
    }
    let name = name.to_owned();
    let say = move |world: &mut World, _: f64| {
        if let Some(deploy) = world.deploys.get_mut(&name) {
            deploy.say(format!("{infrastructure}: {HOSTILE}"));
        }
    };
    // By then the deploy that it may begin with speaks.
    world.later(DEPLOY_SPEAKS, speed, Box::new(say));
}
