//! Step 8: the application's chart, from here or from elsewhere, and what must hold once it is out.

mod checks;
mod findings;
mod release;
mod seen;

use std::time::Duration;

use super::act::Act;
use super::context::{Look, Patience, Stop};
use super::{artefacts, diagnosis, program};
use crate::clients::Trouble;
use crate::clients::helm::Helm;
use crate::clients::kubernetes::DeploymentView;
use crate::clients::program::{Ended, Program, Spec};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Call, Choice, Finding, Outcome};
use crate::runbook::plan::{DeployBy, DeploySpec, KubernetesTarget};
use findings::Waits;
use release::{Found, upgrade};
pub(super) use release::{Release, runs_awaited, upgraded_from};
use seen::Seen;

/// Silence of helm after which it is pointed out.
pub(super) const SILENCE: Duration = Duration::from_secs(120);
/// How many of helm's last lines are kept as evidence of its failure.
const LAST_WORDS: usize = 3;

/// The awaited chart is live already: nothing is sent.
const WATCH: &str = "watch";
/// It is deployed all the same.
const DEPLOY: &str = "deploy";

pub(super) async fn brief(look: &Look, spec: &DeploySpec) -> Result<Brief, Trouble> {
    let deployment = look.tools.kubernetes().await?.deployment(&spec.deployment).await?;
    let namespace = look.partition.kubernetes.as_ref().map_or("", |target| target.namespace.as_str());
    let mut brief = look.brief(match &spec.by {
        DeployBy::Helm { release, .. } => format!("Upgrade {release} in {namespace}"),
        DeployBy::Elsewhere { who } => format!("Watch {} in {namespace}; {who} deploys it", spec.deployment),
    });
    brief.preconditions.push(match &deployment {
        Some(deployment) => Precondition::now(
            format!("{} has {}/{} ready", deployment.name, deployment.ready, deployment.wanted),
            if deployment.ready >= deployment.wanted { Holds::Yes } else { Holds::Mind },
        ),
        None => Precondition::now(format!("there is no deployment {} yet", spec.deployment), Holds::Mind),
    });
    brief.preconditions.extend(artefacts::secret_holds(look).await?);
    let watch = watch_call(spec, look.partition.kubernetes.as_ref());
    let Some((helm, command, name)) = upgrade(look, spec) else {
        brief.calls.push(watch);
        return Ok(brief);
    };
    let there = command.directory.is_dir();
    brief.preconditions.push(Precondition::require(there, format!("directory {}", command.directory.display())));
    let release = Release::of(&helm, &name).await?;
    brief.preconditions.push(release.at_rest());
    let found = release.found(look, spec, deployment.as_ref());
    if found != Found::No {
        brief.what = format!("Watch {name} in {namespace}: what is to be deployed runs there already");
        brief.already_done = Some(already(found, &release));
        brief.calls.push(watch);
        let choice = |id: &str, label: &str| Choice { id: id.to_owned(), label: label.to_owned() };
        brief.choices.push(choice(WATCH, "watch and verify what is deployed; nothing is sent"));
        brief.choices.push(choice(DEPLOY, "run helm upgrade all the same, which makes another revision"));
    }
    brief.calls.push(helm.call(&command));
    Ok(brief)
}

fn already(found: Found, release: &Release) -> String {
    let who = if found == Found::Ours { "this run" } else { "somebody else" };
    format!("{who} deployed it, {}", release.words())
}

fn watch_call(spec: &DeploySpec, target: Option<&KubernetesTarget>) -> Call {
    let (context, namespace) =
        target.map(|target| (target.context.as_str(), target.namespace.as_str())).unwrap_or_default();
    Call {
        operation: "kubernetes: watch".to_owned(),
        target: format!("context {context}"),
        command_line: format!(
            "kubectl --context {context} -n {namespace} rollout status deployment/{}",
            spec.deployment
        ),
    }
}

pub(super) async fn run(act: &mut Act, spec: &DeploySpec) -> Result<Outcome, Stop> {
    if let Some((helm, command, name)) = upgrade(act, spec) {
        send(act, spec, &helm, &command, &name).await?;
    } else {
        for check in checks::required(act, spec) {
            act.check(check).await?;
        }
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    let mut waits = Waits::default();
    loop {
        let seen = seen::look(act, spec).await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            checks::judge(act, spec, &seen).await?;
            if let Some(finding) = findings::hopeless(act, spec, &seen, &mut waits).await? {
                return Err(finding.into());
            }
            if let Some(outcome) = passed(act, &waits).await? {
                watched_elsewhere(act, spec, &seen).await?;
                return Ok(outcome);
            }
        }
        if patience.is_over() {
            return Err(not_out(act, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// Runs helm, unless the chart is live already and nobody chose to deploy it all the same.
async fn send(act: &mut Act, spec: &DeploySpec, helm: &Helm, command: &Spec, name: &str) -> Result<(), Stop> {
    let seen = async {
        let release = Release::of(helm, name).await?;
        Ok::<_, Trouble>((release, act.tools.kubernetes().await?.deployment(&spec.deployment).await?))
    };
    let begun = !act.attempt.actions.is_empty();
    let (release, deployment) = match seen.await {
        Ok(seen) => seen,
        // What was begun is followed to its end, whether or not helm can be asked now.
        Err(_) if begun => (Release { name: name.to_owned(), revisions: Vec::new() }, None),
        Err(trouble) => return Err(diagnosis::of_trouble(act, &trouble).into()),
    };
    let found = if begun { Found::No } else { release.found(act, spec, deployment.as_ref()) };
    let sends = found == Found::No || act.attempt.choice.as_deref() == Some(DEPLOY);
    if sends {
        program::announce(act, command).await?;
    }
    for check in checks::required(act, spec) {
        act.check(check).await?;
    }
    if found == Found::Elsewhere {
        act.remark(elsewhere("somebody else", "helm history", release.words())).await?;
    }
    if !sends {
        return act.witness("helm history", already(found, &release)).await;
    }
    let ended = program::run(act, command, release.before(), SILENCE).await?;
    if ended.is_success() { Ok(()) } else { Err(helm_failed(act, &ended).into()) }
}

/// Why helm ended badly, in its own last words.
pub(super) fn helm_failed(act: &Act, ended: &Ended) -> Finding {
    let said = Program::find(&program::directory(act)).map(|helm| program::last_words(&helm, LAST_WORDS));
    let said = said.unwrap_or_default();
    let busy = said.iter().any(|line| line.contains("another operation (install/upgrade/rollback) is in progress"));
    let mut finding = Finding::unknown(format!("helm failed: {}", program::how(ended)));
    for line in said {
        finding = finding.because(Evidence::now("helm", line));
    }
    if busy {
        finding = finding
            .meaning("nothing was changed: helm lets one operation at a time at a release")
            .way_out("helm history names it; once it has ended, again")
            .again_after(act.step.retry_after);
    }
    diagnosis::with_guide(act, finding)
}

/// A chart that somebody else deployed is verified as one of this run's own would be.
fn elsewhere(who: &str, source: &str, seen: String) -> Finding {
    Finding::of("deployed-elsewhere", format!("{who} deployed the chart, not this run"))
        .because(Evidence::now(source, seen))
        .meaning("nothing is sent from here; the rollout is watched and verified all the same")
        .way_out("make sure that it is the chart that this rollout means; it is deployed anew only if you choose so")
}

async fn watched_elsewhere(act: &mut Act, spec: &DeploySpec, seen: &Seen) -> Result<(), Stop> {
    let DeployBy::Elsewhere { who } = &spec.by else { return Ok(()) };
    let images = seen.deployment.as_ref().map(|deployment: &DeploymentView| deployment.images.join(", "));
    act.remark(elsewhere(who, "kubernetes:GetDeployment", images.unwrap_or_default())).await
}

/// The outcome, once everything holds, or everything but what the application goes on without.
async fn passed(act: &mut Act, waits: &Waits) -> Result<Option<Outcome>, Stop> {
    let open: Vec<Check> = checks::open(act).cloned().collect();
    let mut warnings = Vec::new();
    if !open.is_empty() {
        let Some(warning) = &waits.without_secret else { return Ok(None) };
        if !open.iter().all(|check| checks::OF_SECRET.contains(&check.id.as_str())) {
            return Ok(None);
        }
        for check in open {
            act.check(Check { verdict: Verdict::Warning, ..check }).await?;
        }
        warnings.push(warning.clone());
    }
    let minded = act.attempt.concerns().filter(|check| !checks::OF_SECRET.contains(&check.id.as_str()));
    warnings.extend(minded.map(|check| format!("{}: {}", check.label, check.seen.clone().unwrap_or_default())));
    Ok(Some(if warnings.is_empty() { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings } }))
}

fn not_out(act: &Act, trouble: Option<&Trouble>) -> Finding {
    let mut finding = diagnosis::time_over(act, "the application as it should be", trouble);
    for check in checks::open(act) {
        let seen = check.seen.clone().unwrap_or_default();
        finding = finding.because(Evidence {
            source: check.source.clone(),
            text: format!("{}: {seen}", check.label),
            at: check.at,
        });
    }
    finding
}
