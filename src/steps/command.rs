//! Step 2: the deploying script, and what must be there after it.

use tokio::time::{MissedTickBehavior, interval};

use super::act::Act;
use super::artefacts::{self, SecretValue};
use super::context::{Look, Stop};
use super::program::{Following, Heard};
use super::{command_findings as findings, program};
use crate::clients::Trouble;
use crate::clients::program::{Program, Spec};
use crate::runbook::check::{Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Call, Outcome};
use crate::runbook::plan::CommandSpec;

fn spec_of(spec: &CommandSpec) -> Spec {
    Spec::new(&spec.program, &spec.arguments, &spec.directory)
}

pub(super) async fn brief(look: &Look, spec: &CommandSpec) -> Result<Brief, Trouble> {
    let (cluster, stacks) = tokio::try_join!(look.cluster(), look.tools.aws.cloudformation.stacks())?;
    let command = spec_of(spec);
    let mut brief = look.brief(format!("Run {} in {}", command.command_line(), spec.directory));
    brief.calls.push(Call {
        operation: spec.program.clone(),
        target: crate::clients::aws::describe(&look.partition.aws),
        command_line: format!("cd {} && {}", spec.directory, command.command_line()),
    });
    let directory = std::path::Path::new(&spec.directory);
    brief.preconditions = vec![
        Precondition::require(directory.is_dir(), format!("directory {}", spec.directory)),
        super::cluster::available(&cluster),
        untouched(look, &cluster.parameter_group),
    ];
    let own = stacks.iter().filter(|stack| spec.stacks.contains(&stack.name));
    let stuck = own.filter(|stack| stack.is_in_progress() || stack.status == "UPDATE_ROLLBACK_FAILED");
    // CloudFormation takes no update of a stack that is in the middle of something, or whose rollback failed.
    brief.preconditions.extend(stuck.map(|stack| Precondition::require(false, findings::stuck(stack))));
    Ok(brief)
}

/// The group before the script; another one says that it ran before, which it may.
fn untouched(look: &Look, group: &str) -> Precondition {
    let expected = look.partition.cluster.group_before.as_deref().unwrap_or(group);
    if group == expected {
        return Precondition::now(format!("parameter group {group}"), Holds::Yes);
    }
    Precondition::now(format!("parameter group {group}, not {expected}: the script ran before"), Holds::Mind)
}

pub(super) async fn run(act: &mut Act, spec: &CommandSpec) -> Result<Outcome, Stop> {
    let command = spec_of(spec);
    program::announce(act, &command).await?;
    for check in artefacts::expected(spec) {
        act.check(check).await?;
    }
    let program = program::begin(act, &command).await?;
    follow(act, spec, &program).await?;
    let ended = program::end(act, &command, &program).await?;
    act.verifying().await?;
    let said = program.lines();
    let well = ended.is_success();
    let found = artefacts::look(act, spec, &said, well).await?;
    if found.attached == Some(true) {
        for remark in findings::of_instances(act, &found.cluster).await? {
            act.remark(remark).await?;
        }
    }
    if !well || !found.are_in_place() {
        let finding = findings::diagnose(act, spec, &ended, &said, &found).await?;
        let in_part = found.stacks.iter().any(|stack| stack.touched && stack.holds());
        let whole = found.attached == Some(false) || found.stacks.iter().any(artefacts::Artefact::is_broken);
        return Ok(if in_part && !whole { Outcome::Partial { finding } } else { Outcome::Failed { finding } });
    }
    match found.secret {
        Some(value @ (SecretValue::Empty | SecretValue::Malformed)) => {
            let finding = findings::secret(act, spec, value);
            let warnings = vec![finding.cause.clone()];
            act.remark(finding).await?;
            Ok(Outcome::PassedWithWarnings { warnings })
        }
        _ => Ok(Outcome::Passed),
    }
}

/// Follows the script to its end, and shows meanwhile how far its stacks are. Its silence is pointed out unless
/// CloudFormation is at work: that takes minutes without a word.
async fn follow(act: &mut Act, spec: &CommandSpec, program: &Program) -> Result<(), Stop> {
    let mut following = Following::new(program, &spec.program, spec.silence);
    let mut looks = interval(act.pause * 5);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut at_work = false;
    loop {
        tokio::select! {
            heard = following.next(&act.noting) => match heard? {
                Heard::Lines => {}
                Heard::Silence if at_work => {}
                Heard::Silence => act.remark(following.silence()).await?,
                Heard::End => return Ok(()),
            },
            _ = looks.tick() => at_work = progress(act, spec).await?.unwrap_or(at_work),
        }
    }
}

/// How far the stacks are, by one call for all of them, and whether any is being worked on. Trouble is passed over: the
/// verdict comes after the script's end.
async fn progress(act: &mut Act, spec: &CommandSpec) -> Result<Option<bool>, Stop> {
    let Ok(stacks) = act.tools.aws.cloudformation.stacks().await else { return Ok(None) };
    let mut at_work = false;
    for name in &spec.stacks {
        let Some(stack) = stacks.iter().find(|stack| stack.name == *name) else { continue };
        at_work |= stack.is_in_progress();
        let verdict = match () {
            () if stack.is_in_progress() => Verdict::Settling,
            () if stack.is_complete() && artefacts::touched_since(stack, act.attempt.started_at) => Verdict::Passed,
            // As it was before: nothing is known of this attempt yet.
            () => continue,
        };
        act.check(artefacts::stack_check(name, verdict).seeing(&stack.status)).await?;
    }
    Ok(Some(at_work))
}
