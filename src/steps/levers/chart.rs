//! The application: its pods replaced, or its chart taken back.

use std::collections::BTreeMap;

use super::super::act::{Act, Acted, Looked};
use super::super::context::{Look, Patience, Stop};
use super::super::deploy::{Release, SILENCE, helm_failed, runs_awaited, upgraded_from};
use super::super::{diagnosis, program};
use crate::clients::helm::{Helm, Revision};
use crate::clients::kubernetes::{DeploymentView, Kubernetes, PodView, rollout_restart_call};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Action, Brief, Choice, Finding, Outcome};
use crate::runbook::plan::{DeployBy, DeploySpec, KubernetesTarget, StepKind};

/// How many former revisions are offered to go back to.
const OFFERED: usize = 4;

/// Keys of what an intent notes of the pods and images before.
const PODS: &str = "pods";
const IMAGES: &str = "images";
const AT: &str = "restartedAt";
const TO: &str = "to";

pub(super) async fn brief_restart(look: &Look, deployment: &str) -> Result<Brief, Trouble> {
    let target = target(look)?;
    let seen = look.tools.kubernetes().await?.deployment(deployment).await?;
    let mut brief =
        look.brief(format!("Restart {deployment} in {}: its pods are replaced one after the other", target.namespace));
    brief.calls.push(rollout_restart_call(target, deployment));
    brief.preconditions = vec![standing(deployment, seen.as_ref())];
    Ok(brief)
}

/// That the deployment is there; whether it is in the middle of another rollout is for the operator to weigh, since that may
/// be what the lever is pulled for.
fn standing(name: &str, seen: Option<&DeploymentView>) -> Precondition {
    match seen {
        None => Precondition::require(false, format!("there is no deployment {name}")),
        Some(seen) if seen.is_rolled_out() => {
            Precondition::now(format!("{name} has {}/{} ready, nothing rolls out", seen.ready, seen.wanted), Holds::Yes)
        }
        Some(seen) => Precondition::now(
            format!("{name} rolls out: {}/{} updated, {} ready", seen.updated, seen.wanted, seen.ready),
            Holds::Mind,
        ),
    }
}

fn target(look: &Look) -> Result<&KubernetesTarget, Trouble> {
    look.partition.kubernetes.as_ref().ok_or_else(|| {
        Trouble::new("kubernetes", TroubleKind::NotFound, "the rollout file names no context for this partition")
    })
}

/// What the plan says of the deployment.
fn spec(look: &Look, is: impl Fn(&DeploySpec) -> bool) -> Result<&DeploySpec, Trouble> {
    let deploys = look.partition.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Deploy(spec) => Some(spec),
        _ => None,
    });
    deploys.into_iter().find(|spec| is(spec)).ok_or_else(|| {
        Trouble::new("kubernetes", TroubleKind::NotFound, "the rollout file deploys nothing of that name here")
    })
}

pub(super) async fn run_restart(act: &mut Act, deployment: &str) -> Result<Outcome, Stop> {
    let failed = |act: &Act, trouble: Trouble| Stop::from(diagnosis::of_trouble(act, &trouble));
    let target = target(act).map_err(|trouble| failed(act, trouble))?.clone();
    let spec = spec(act, |spec| spec.deployment == deployment).map_err(|trouble| failed(act, trouble))?.clone();
    let kubernetes = act.tools.kubernetes().await.map_err(|trouble| failed(act, trouble))?.clone();
    for check in replaced_checks(deployment, Verdict::Pending) {
        act.check(check).await?;
    }
    // An attempt that is taken up goes on with the mark and the pods of its intent.
    let before = match act.intended().map(|intended| intended.action.before.clone()) {
        Some(before) => before,
        None => {
            let pods = kubernetes.pods(&spec.selector).await.map_err(|trouble| failed(act, trouble))?;
            BTreeMap::from([(PODS.to_owned(), names(&pods)), (AT.to_owned(), clock::now().to_string())])
        }
    };
    let mark = before.get(AT).cloned().unwrap_or_default();
    let call = rollout_restart_call(&target, deployment);
    let action = Action { key: format!("restart {deployment}"), call, before: before.clone() };
    let looked = || async {
        let seen = kubernetes.deployment(deployment).await?.and_then(|seen| seen.restarted_at);
        Ok(match seen {
            Some(seen) if seen == mark => Looked::Done(format!("its template was restarted at {seen}")),
            other => {
                Looked::NoSign(format!("its template was last restarted at {}", other.unwrap_or("no time".into())))
            }
        })
    };
    let restarted = |controls: std::sync::Arc<crate::clients::Controls>| {
        let (kubernetes, mark) = (kubernetes.clone(), mark.parse().unwrap_or_else(|_| clock::now()));
        async move { kubernetes.rollout_restart(&controls, deployment, mark).await.map(|()| None) }
    };
    if let Acted::Refused(trouble) = act.act(action, looked, restarted).await? {
        return Err(diagnosis::of_trouble(act, &trouble).into());
    }
    act.verifying().await?;
    replaced(act, &kubernetes, &spec, before.get(PODS).map_or("", String::as_str)).await?;
    Ok(Outcome::Passed)
}

fn names(pods: &[PodView]) -> String {
    pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(" ")
}

fn replaced_checks(deployment: &str, verdict: Verdict) -> [Check; 2] {
    let check = |id: &str, label: String| Check::new(id, label, "kubernetes", verdict);
    [
        check("rollout", format!("{deployment} rolled out")),
        check("replaced", "new pods Ready, the old ones gone".to_owned()),
    ]
}

/// Waits until pods that were not there before are Ready, and those that were are gone.
async fn replaced(act: &mut Act, kubernetes: &Kubernetes, spec: &DeploySpec, former: &str) -> Result<(), Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = async { tokio::try_join!(kubernetes.deployment(&spec.deployment), kubernetes.pods(&spec.selector)) };
        let seen = act.bear(&mut patience, seen.await).await?;
        if let Some((deployment, pods)) = seen
            && all_new(act, spec, deployment.as_ref(), &pods, former).await?
        {
            return Ok(());
        }
        if patience.is_over() {
            return Err(not_replaced(act, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

async fn all_new(
    act: &mut Act,
    spec: &DeploySpec,
    deployment: Option<&DeploymentView>,
    pods: &[PodView],
    former: &str,
) -> Result<bool, Stop> {
    let wanted = deployment.map_or(1, |deployment| usize::try_from(deployment.wanted).unwrap_or_default());
    let was_there = |pod: &&PodView| former.split(' ').any(|name| name == pod.name);
    let old = pods.iter().filter(was_there).count();
    let ready = pods.iter().filter(|pod| !was_there(pod) && pod.deleted.is_none() && pod.ready).count();
    let rolled_out = deployment.is_some_and(DeploymentView::is_rolled_out);
    let settled = |holds: bool| if holds { Verdict::Passed } else { Verdict::Settling };
    let words = deployment.map_or_else(
        || "no such deployment".to_owned(),
        |seen| format!("{}/{} updated, {} ready", seen.updated, seen.wanted, seen.ready),
    );
    let [rollout, replaced] = replaced_checks(&spec.deployment, Verdict::Pending);
    let is_replaced = old == 0 && ready >= wanted;
    act.check(Check { verdict: settled(rolled_out), ..rollout }.seeing(words)).await?;
    let words = format!("{ready} new ready, {old} old left");
    act.check(Check { verdict: settled(is_replaced), ..replaced }.seeing(words)).await?;
    if rolled_out && is_replaced {
        act.witness("kubernetes:ListPods", names(pods)).await?;
    }
    Ok(rolled_out && is_replaced)
}

fn not_replaced(act: &Act, trouble: Option<&Trouble>) -> Finding {
    let finding = diagnosis::time_over(act, "new pods in place of all old ones", trouble);
    let open = act.attempt.checks.iter().filter(|check| check.verdict == Verdict::Settling);
    let evidence = open.map(|check| {
        let seen = check.seen.clone().unwrap_or_default();
        Evidence { source: check.source.clone(), text: format!("{}: {seen}", check.label), at: check.at }
    });
    let finding = evidence.collect::<Vec<_>>().into_iter().fold(finding, Finding::because);
    finding.meaning("old pods serve until new ones are ready; what keeps these is in step 8's checks")
}

pub(super) async fn brief_rollback(look: &Look, release: &str) -> Result<Brief, Trouble> {
    let target = target(look)?;
    let helm = Helm::new(target);
    let seen = Release::of(&helm, release).await?;
    let spec = spec(look, |spec| matches!(&spec.by, DeployBy::Helm { release: name, .. } if name == release))?;
    let deployment = look.tools.kubernetes().await?.deployment(&spec.deployment).await?;
    let mut brief = look.brief(format!("Take {release} in {} back to a revision before", target.namespace));
    brief.preconditions.push(seen.at_rest());
    // A second rollback, or one of a chart that never came, would go back further than anybody means.
    let runs = runs_awaited(spec, deployment.as_ref());
    let words =
        if runs { "runs the chart of step 8" } else { "does not run the chart of step 8: nothing is to be taken back" };
    brief.preconditions.push(Precondition::require(runs, format!("{} {words}", spec.deployment)));
    let former = former(look, &seen);
    let Some(first) = former.first() else {
        brief
            .preconditions
            .push(Precondition::require(false, format!("{release} has no revision before {}", seen.number())));
        return Ok(brief);
    };
    brief.what = format!("Take {release} in {} back to revision {}, {}", target.namespace, first.revision, first.chart);
    brief.preconditions.push(Precondition::require(
        true,
        format!("revision {} is there: {}, {}", first.revision, first.chart, first.description),
    ));
    brief.calls.push(helm.call(&helm.rollback(release, first.revision, &directory(look))));
    let choice = |revision: &&Revision| Choice {
        id: revision.revision.to_string(),
        label: format!(
            "revision {} of {}: {}, {}",
            revision.revision, revision.updated, revision.chart, revision.description
        ),
    };
    brief.choices = former.iter().map(choice).collect();
    Ok(brief)
}

/// The revisions to go back to, the one before this run's own upgrade first; then the latest.
fn former<'a>(look: &Look, release: &'a Release) -> Vec<&'a Revision> {
    let live = release.number();
    let usable = |revision: &&Revision| {
        revision.revision < live && matches!(revision.status.as_str(), "superseded" | "deployed")
    };
    let mut former: Vec<&Revision> = release.revisions.iter().rev().filter(usable).collect();
    let first = upgraded_from(look).and_then(|before| former.iter().position(|revision| revision.revision == before));
    if let Some(first) = first {
        former[..=first].rotate_right(1);
    }
    former.truncate(OFFERED);
    former
}

/// Where helm is run; a rollback reads no chart, so that any directory does where the chart's is not there.
fn directory(look: &Look) -> String {
    let by_helm = spec(look, |spec| matches!(spec.by, DeployBy::Helm { .. }));
    match by_helm.map(|spec| &spec.by) {
        Ok(DeployBy::Helm { directory, .. }) if std::path::Path::new(directory).is_dir() => directory.clone(),
        _ => look.run_dir.display().to_string(),
    }
}

pub(super) async fn run_rollback(act: &mut Act, name: &str) -> Result<Outcome, Stop> {
    let failed = |act: &Act, trouble: Trouble| Stop::from(diagnosis::of_trouble(act, &trouble));
    let target = target(act).map_err(|trouble| failed(act, trouble))?.clone();
    let is_it = |spec: &DeploySpec| matches!(&spec.by, DeployBy::Helm { release, .. } if release == name);
    let spec = spec(act, is_it).map_err(|trouble| failed(act, trouble))?.clone();
    let kubernetes = act.tools.kubernetes().await.map_err(|trouble| failed(act, trouble))?.clone();
    let helm = Helm::new(&target);
    let before = match act.intended().map(|intended| intended.action.before.clone()) {
        Some(before) => before,
        None => intent(act, &helm, &kubernetes, &spec, name).await?,
    };
    let to: u64 = before.get(TO).and_then(|to| to.parse().ok()).unwrap_or_default();
    let command = helm.rollback(name, to, &directory(act));
    program::announce(act, &command).await?;
    for check in replaced_checks(&spec.deployment, Verdict::Pending) {
        act.check(check).await?;
    }
    let ended = program::run(act, &command, before.clone(), SILENCE).await?;
    if !ended.is_success() {
        return Err(helm_failed(act, &ended).into());
    }
    act.verifying().await?;
    taken_back(act, &helm, name, to).await?;
    settled(act, &kubernetes, &spec, &before).await?;
    Ok(Outcome::Passed)
}

/// What is noted before the chart is taken back: to which revision, from which images.
async fn intent(
    act: &Act,
    helm: &Helm,
    kubernetes: &Kubernetes,
    spec: &DeploySpec,
    name: &str,
) -> Result<BTreeMap<String, String>, Stop> {
    let seen = async { tokio::try_join!(Release::of(helm, name), kubernetes.deployment(&spec.deployment)) };
    let (release, deployment) = seen.await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let former = former(act, &release);
    let chosen = act.attempt.choice.as_deref();
    let to = match chosen {
        Some(chosen) => former.iter().find(|revision| revision.revision.to_string() == chosen),
        None => former.first(),
    };
    let to = to.ok_or_else(|| {
        let wanted = chosen.map_or("before the live one".to_owned(), |chosen| chosen.to_owned());
        let finding = Finding::unknown(format!("{name} has no revision {wanted} to go back to"))
            .because(Evidence::now("helm history", release.words()))
            .meaning("nothing was done");
        diagnosis::with_guide(act, finding)
    })?;
    let images = deployment.map(|deployment| deployment.images.join(" ")).unwrap_or_default();
    let changes = release.live().is_none_or(|live| live.app_version != to.app_version);
    let mut before = release.before();
    before.insert(TO.to_owned(), to.revision.to_string());
    // A revision of the same version need not have other images.
    before.extend(changes.then(|| (IMAGES.to_owned(), images)));
    Ok(before)
}

/// Helm's own history says so.
async fn taken_back(act: &mut Act, helm: &Helm, name: &str, to: u64) -> Result<(), Stop> {
    let words = format!("Rollback to {to}");
    let check = |verdict| Check::new("revision", format!("helm says \"{words}\""), "helm history", verdict);
    act.check(check(Verdict::Pending)).await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = act.bear(&mut patience, Release::of(helm, name).await).await?;
        if let Some(release) = seen {
            let holds = release.live().is_some_and(|live| live.description == words && live.status == "deployed");
            let verdict = if holds { Verdict::Passed } else { Verdict::Settling };
            act.check(check(verdict).seeing(release.words())).await?;
            if holds {
                return Ok(());
            }
        }
        if patience.is_over() {
            return Err(not_replaced(act, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// The images are others than before, every pod runs them and is Ready.
async fn settled(
    act: &mut Act,
    kubernetes: &Kubernetes,
    spec: &DeploySpec,
    before: &BTreeMap<String, String>,
) -> Result<(), Stop> {
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = async { tokio::try_join!(kubernetes.deployment(&spec.deployment), kubernetes.pods(&spec.selector)) };
        let seen = act.bear(&mut patience, seen.await).await?;
        if let Some((Some(deployment), pods)) = seen {
            let images = deployment.images.join(" ");
            let changed = before.get(IMAGES).is_none_or(|before| *before != images);
            let strange = |pod: &&PodView| {
                let of_pod: Vec<&str> =
                    pod.init.iter().chain(&pod.containers).map(|each| each.image.as_str()).collect();
                of_pod.iter().any(|image| !deployment.images.iter().any(|wanted| wanted == image))
            };
            let former: Vec<PodView> = pods.iter().filter(strange).cloned().collect();
            if all_new(act, spec, Some(&deployment), &pods, &names(&former)).await? && changed {
                act.witness("kubernetes:GetDeployment", format!("images {images}")).await?;
                return Ok(());
            }
        }
        if patience.is_over() {
            return Err(not_replaced(act, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}
