//! Step 2: the deploying script, and what must be there after it.

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::act::Act;
use super::cluster::DESCRIBE;
use super::context::{Look, Patience, Stop};
use super::{diagnosis, program};
use crate::clients::program::{Ended, Program, Spec};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::plan::{CommandSpec, SecretShape, ValueShape};
use crate::runbook::shape;

fn spec_of(spec: &CommandSpec) -> Spec {
    Spec::new(&spec.program, &spec.arguments, &spec.directory)
}

pub(super) async fn brief(look: &Look, spec: &CommandSpec) -> Result<Brief, Trouble> {
    let cluster = look.cluster().await?;
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
    for check in expected(spec) {
        act.check(check).await?;
    }
    let program = program::begin(act, &command).await?;
    follow(act, spec, &program).await?;
    let ended = program::end(act, &command, &program).await?;
    act.verifying().await?;
    let in_place = artefacts(act, spec).await?;
    if ended.is_success() && in_place.iter().all(|artefact| artefact.holds) {
        return Ok(Outcome::Passed);
    }
    let finding = diagnose(act, spec, &ended);
    // What was there before the script, such as a stack that completed last month, is no part of its work.
    if ended.is_success() || !in_place.iter().any(|artefact| artefact.is_its_work) {
        return Ok(Outcome::Failed { finding });
    }
    Ok(Outcome::Partial { finding })
}

/// Follows the script to its end, and shows meanwhile how far its stacks are.
async fn follow(act: &mut Act, spec: &CommandSpec, program: &Program) -> Result<(), Stop> {
    let noting = act.noting.clone();
    let mut followed = std::pin::pin!(program::follow(&noting, program, &spec.program, spec.silence));
    let mut looks = interval(act.pause * 5);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = &mut followed => return ended,
            _ = looks.tick() => progress(act, spec).await?,
        }
    }
}

/// How far the stacks are, by one call for all of them. Trouble is passed over: the verdict comes after the script's end.
async fn progress(act: &mut Act, spec: &CommandSpec) -> Result<(), Stop> {
    let Ok(stacks) = act.tools.aws.cloudformation.stacks().await else { return Ok(()) };
    let began = act.attempt.started_at;
    for name in &spec.stacks {
        let Some(stack) = stacks.iter().find(|stack| stack.name == *name) else { continue };
        let fresh = stack.last_touched().is_some_and(|at| at >= began);
        let verdict = match () {
            () if stack.is_in_progress() => Verdict::Settling,
            () if fresh && stack.is_complete() => Verdict::Passed,
            // As it was before: nothing is known of this attempt yet.
            () => continue,
        };
        act.check(stack_check(name, verdict).seeing(&stack.status)).await?;
    }
    Ok(())
}

fn expected(spec: &CommandSpec) -> Vec<Check> {
    let mut checks: Vec<Check> = spec.stacks.iter().map(|stack| stack_check(stack, Verdict::Pending)).collect();
    checks.extend(spec.secret.as_ref().map(|secret| secret_check(secret, Verdict::Pending)));
    if spec.group_attached {
        checks.push(group_check(Verdict::Pending));
    }
    checks
}

fn stack_check(stack: &str, verdict: Verdict) -> Check {
    Check::new(format!("stack {stack}"), format!("stack {stack}"), "cloudformation:DescribeStacks", verdict)
        .expecting("*_COMPLETE")
}

fn secret_check(secret: &SecretShape, verdict: Verdict) -> Check {
    let label = format!("secret {} has its shape", secret.id);
    Check::new("secret", label, "secretsmanager:GetSecretValue", verdict).expecting(match secret.shape {
        ValueShape::SentryDsn => "a Sentry DSN",
        ValueShape::NotEmpty => "not empty",
    })
}

fn group_check(verdict: Verdict) -> Check {
    Check::new("group", "new parameter group attached", DESCRIBE, verdict)
}

/// Something that the script should have left behind.
struct Artefact {
    holds: bool,
    /// Whether it came to be since the step was first fired.
    is_its_work: bool,
}

/// Looks at everything that the script should have left behind. It is looked at after a failure as well: what is in place
/// is listed, not assumed.
async fn artefacts(act: &mut Act, spec: &CommandSpec) -> Result<Vec<Artefact>, Stop> {
    let fired = act.attempts().first().map_or(act.attempt.started_at, |first| first.started_at);
    let mut held = Vec::new();
    for stack in &spec.stacks {
        let seen = settled(act, || act.tools.aws.cloudformation.stack(stack)).await?;
        let complete = seen.as_ref().is_some_and(|stack| stack.is_complete());
        let is_new = seen.as_ref().and_then(|stack| stack.last_touched()).is_some_and(|touched| touched >= fired);
        let words = match seen {
            Some(stack) => format!("{}{}", stack.status, touched(act, stack.last_touched())),
            None => "does not exist".to_owned(),
        };
        act.check(stack_check(stack, verdict(complete)).seeing(words)).await?;
        held.push(Artefact { holds: complete, is_its_work: complete && is_new });
    }
    if let Some(secret) = &spec.secret {
        let (good, words) = shape_of(act, secret).await?;
        act.check(secret_check(secret, verdict(good)).seeing(words)).await?;
        held.push(Artefact { holds: good, is_its_work: false });
    }
    if spec.group_attached {
        let cluster = settled(act, || act.cluster()).await?;
        let before = act.partition.cluster.group_before.as_deref().unwrap_or("default.");
        let attached = !cluster.parameter_group.starts_with("default.") && cluster.parameter_group != before;
        act.check(group_check(verdict(attached)).seeing(&cluster.parameter_group)).await?;
        held.push(Artefact { holds: attached, is_its_work: attached });
        for member in &cluster.members {
            let queued = member.instance.as_ref().map(|each| super::cluster::list(&each.pending)).unwrap_or_default();
            let queued = if queued.is_empty() { "nothing queued".to_owned() } else { format!("queued: {queued}") };
            act.witness(DESCRIBE, format!("{}: group {}, {queued}", member.id, member.group_status)).await?;
        }
    }
    Ok(held)
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Passed } else { Verdict::Failed }
}

fn touched(look: &Look, at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| format!(", {}", at.to_zoned(look.zone()).strftime("%H:%M:%S")))
}

/// A look that goes on through passing trouble.
async fn settled<T, F: Future<Output = Result<T, Trouble>>>(act: &Act, look: impl Fn() -> F) -> Result<T, Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = look().await;
        if let Some(seen) = patience.bear(seen).map_err(|trouble| diagnosis::of_trouble(act, &trouble))? {
            return Ok(seen);
        }
        if patience.is_over() {
            return Err(diagnosis::time_over(act, "what the script left behind", patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// Whether the secret's value has its shape. The value itself goes nowhere.
async fn shape_of(act: &Act, secret: &SecretShape) -> Result<(bool, String), Stop> {
    use secrecy::ExposeSecret as _;
    settled(act, || async {
        match act.tools.aws.secrets.value(&secret.id).await {
            Ok(value) => Ok(shape::judge(secret.shape, value.expose_secret())),
            Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok((false, "does not exist".to_owned())),
            Err(trouble) => Err(trouble),
        }
    })
    .await
}

/// What went wrong, by the script's own last words and by what is in place.
fn diagnose(act: &Act, spec: &CommandSpec, ended: &Ended) -> Finding {
    let missing: Vec<String> = act
        .attempt
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Failed && check.id != "exit")
        .map(|check| format!("{}: {}", check.label, check.seen.clone().unwrap_or_default()))
        .collect();
    let words =
        Program::find(&program::directory(act)).map(|found| program::last_words(&found, 200)).unwrap_or_default();
    let error = words.iter().rev().find(|line| line.contains("ERROR") || line.contains("error:"));
    let mut finding = match error {
        Some(line) if line.contains("could not read secret") => {
            let item = line.split('\'').nth(1).unwrap_or("an item").to_owned();
            let situation = if missing.is_empty() { "op-timeout-after-deploy" } else { "op-timeout-before-deploy" };
            Finding::of(situation, format!("1Password did not give {item}"))
                .way_out("op signin, then run the script again: what it has done is not done twice")
        }
        _ if ended.is_success() => Finding::unknown(format!("{} exited 0, and not everything is there", spec.program)),
        Some(line) => Finding::unknown(line.trim().to_owned()),
        None => Finding::unknown(format!("{} ended badly: {}", spec.program, program::how(ended))),
    };
    // What a script says last is the best there is where it does not say that it is an error.
    let last = error.or_else(|| words.iter().rev().find(|line| !line.trim().is_empty()));
    finding.evidence.extend(last.map(|line| Evidence::now(&spec.program, line.trim())));
    finding.evidence.push(Evidence::now(&spec.program, program::how(ended)));
    finding.evidence.extend(missing.iter().map(|words| Evidence::now("cockpit", words)));
    finding.means = Some(if missing.is_empty() {
        "everything that the rollout needs is in place; the script did not come to its end".to_owned()
    } else {
        format!("not in place: {}", missing.join("; "))
    });
    diagnosis::with_guide(act, finding)
}
