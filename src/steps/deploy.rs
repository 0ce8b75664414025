//! Step 8: the application's chart, from here or from elsewhere, and what must hold once it is out.

use std::time::Duration;

use super::act::Act;
use super::context::{Look, Patience, Stop};
use super::{diagnosis, program};
use crate::clients::helm::Helm;
use crate::clients::kubernetes::{DeploymentView, ExternalSecretView, Kubernetes, PodView};
use crate::clients::postgres::StatementsProbe;
use crate::clients::program::Spec;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::plan::{DeployBy, DeploySpec, KubernetesTarget};

/// Silence of helm after which it is pointed out.
const SILENCE: Duration = Duration::from_secs(120);
/// Lines of a log that are read for what it should hold.
const TAIL: u32 = 200;

pub(super) async fn brief(look: &Look, spec: &DeploySpec) -> Result<Brief, Trouble> {
    let kubernetes = look.tools.kubernetes().await?;
    let deployment = kubernetes.deployment(&spec.deployment).await?;
    let namespace = look.partition.kubernetes.as_ref().map_or("", |target| target.namespace.as_str());
    let mut brief = look.brief(match &spec.by {
        DeployBy::Helm { release, .. } => format!("Upgrade {release} in {namespace}"),
        DeployBy::Elsewhere { who } => format!("Watch {} in {namespace}; {who} deploys it", spec.deployment),
    });
    brief.calls.push(match (helm(look, spec), &look.partition.kubernetes) {
        (Some((helm, command)), _) => helm.call(&command),
        (None, target) => watch_call(spec, target.as_ref()),
    });
    brief.preconditions = vec![match &deployment {
        Some(deployment) => Precondition::now(
            format!("{} has {}/{} ready", deployment.name, deployment.ready, deployment.wanted),
            if deployment.ready >= deployment.wanted { Holds::Yes } else { Holds::Mind },
        ),
        None => Precondition::now(format!("there is no deployment {} yet", spec.deployment), Holds::Mind),
    }];
    if let Some((_, command)) = helm(look, spec) {
        let there = command.directory.is_dir();
        brief.preconditions.push(Precondition::require(there, format!("directory {}", command.directory.display())));
    }
    Ok(brief)
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

/// The helm command, where the chart is deployed from here.
fn helm(look: &Look, spec: &DeploySpec) -> Option<(Helm, Spec)> {
    let target = look.partition.kubernetes.as_ref()?;
    let DeployBy::Helm { release, chart, values, directory } = &spec.by else { return None };
    let helm = Helm::new(target);
    let command = helm.upgrade(release, chart, values, directory);
    Some((helm, command))
}

pub(super) async fn run(act: &mut Act, spec: &DeploySpec) -> Result<Outcome, Stop> {
    let command = helm(act, spec).map(|(_, command)| command);
    if let Some(command) = &command {
        program::announce(act, command).await?;
    }
    for check in required(act, spec) {
        act.check(check).await?;
    }
    if let Some(command) = command {
        let ended = program::run(act, &command, SILENCE).await?;
        if !ended.is_success() {
            let finding = Finding::unknown(format!("helm failed: {}", program::how(&ended)));
            return Err(diagnosis::with_guide(act, finding).into());
        }
    }
    act.verifying().await?;
    let mut patience = Patience::new(act.step.limit);
    loop {
        let seen = look(act, spec).await;
        if let Some(seen) = act.bear(&mut patience, seen).await? {
            if judge(act, spec, &seen).await? {
                return Ok(Outcome::Passed);
            }
            if let Some(finding) = hopeless(act, spec, &seen) {
                return Err(finding.into());
            }
        }
        if patience.is_over() {
            return Err(not_out(act, patience.trouble.as_ref()).into());
        }
        act.wait(act.pause).await?;
    }
}

/// What is looked at in one round.
struct Seen {
    deployment: Option<DeploymentView>,
    /// The pods of the deployed template; those that are leaving do not count.
    pods: Vec<PodView>,
    external_secret: Option<ExternalSecretView>,
    secret_made: Option<jiff::Timestamp>,
    init_log: Option<bool>,
    application_log: Option<Result<String, String>>,
    statements: Option<StatementsProbe>,
}

async fn look(act: &Act, spec: &DeploySpec) -> Result<Seen, Trouble> {
    let kubernetes = act.tools.kubernetes().await?;
    let (deployment, pods) =
        tokio::try_join!(kubernetes.deployment(&spec.deployment), kubernetes.pods(&spec.selector))?;
    let pods: Vec<PodView> = pods.into_iter().filter(|pod| pod.deleted.is_none()).collect();
    let (mut external_secret, mut secret_made) = (None, None);
    if let Some(name) = &spec.external_secret {
        (external_secret, secret_made) =
            tokio::try_join!(kubernetes.external_secret(name), kubernetes.secret_created(name))?;
    }
    let rolled_out = deployment.as_ref().is_some_and(DeploymentView::is_rolled_out);
    let (mut init_log, mut application_log, mut statements) = (None, None, None);
    // The logs and the database are asked once the pods are there: before, they speak of the former ones.
    if rolled_out && !pods.is_empty() {
        init_log = init_says(act, spec, &pods).await?;
        application_log = application_says(act, spec, &pods).await?;
        if act.partition.sql.is_some() {
            statements = Some(act.tools.sql().await?.statements_probe().await?);
        }
    }
    Ok(Seen { deployment, pods, external_secret, secret_made, init_log, application_log, statements })
}

/// The end of a container's log; empty where the pod went, or its container did not begin, since the pods were listed: a
/// rolling update goes on meanwhile.
async fn log(kubernetes: &Kubernetes, pod: &PodView, container: &str) -> Result<Vec<String>, Trouble> {
    match kubernetes.logs(&pod.name, container, TAIL).await {
        Err(trouble) if matches!(trouble.kind, TroubleKind::NotFound | TroubleKind::Refused) => Ok(Vec::new()),
        lines => lines,
    }
}

/// Whether every init container's log holds what it should.
async fn init_says(act: &Act, spec: &DeploySpec, pods: &[PodView]) -> Result<Option<bool>, Trouble> {
    let Some(text) = &spec.init_log else { return Ok(None) };
    let kubernetes = act.tools.kubernetes().await?;
    for pod in pods {
        for container in &pod.init {
            let lines = log(kubernetes, pod, &container.name).await?;
            if !lines.iter().any(|line| line.contains(text)) {
                return Ok(Some(false));
            }
        }
    }
    Ok(Some(true))
}

/// The line by which every pod says that it came up as it should, or the first by which one says that it did not.
async fn application_says(
    act: &Act,
    spec: &DeploySpec,
    pods: &[PodView],
) -> Result<Option<Result<String, String>>, Trouble> {
    let Some(expected) = &spec.expect_log else { return Ok(None) };
    let kubernetes = act.tools.kubernetes().await?;
    let mut said = None;
    for pod in pods {
        let lines = log(kubernetes, pod, &spec.container).await?;
        let refused = spec.refuse_log.as_ref().and_then(|text| lines.iter().find(|line| line.contains(text)));
        if let Some(line) = refused {
            return Ok(Some(Err(line.clone())));
        }
        match lines.iter().find(|line| line.contains(expected)) {
            Some(line) => said = Some(Ok(line.clone())),
            None => return Ok(None),
        }
    }
    Ok(said)
}

fn required(look: &Look, spec: &DeploySpec) -> Vec<Check> {
    let mut checks = vec![
        check("rollout", format!("{} rolled out", spec.deployment), Verdict::Pending),
        check("pods", "pods Running, ready, no restarts".to_owned(), Verdict::Pending),
        init_check(spec, Verdict::Pending),
    ];
    checks.extend(spec.environment.as_ref().map(|name| environment_check(name, Verdict::Pending)));
    checks.extend(spec.external_secret.as_ref().map(|name| external_check(name, Verdict::Pending)));
    checks.extend(spec.expect_log.as_ref().map(|text| log_check(text, Verdict::Pending)));
    if look.partition.sql.is_some() {
        checks.push(statements_check(Verdict::Pending));
    }
    checks
}

fn check(id: &str, label: String, verdict: Verdict) -> Check {
    Check::new(id, label, "kubernetes", verdict)
}

fn init_check(spec: &DeploySpec, verdict: Verdict) -> Check {
    let image = spec.init_image.rsplit('/').next().unwrap_or(&spec.init_image);
    check("init", format!("init containers exit 0 on {image}"), verdict)
}

fn environment_check(name: &str, verdict: Verdict) -> Check {
    check("environment", format!("{name} in the process, not only in the spec"), verdict)
}

fn external_check(name: &str, verdict: Verdict) -> Check {
    check("external-secret", format!("ExternalSecret {name} Ready"), verdict)
}

fn log_check(text: &str, verdict: Verdict) -> Check {
    check("log", format!("log says \"{text}\""), verdict)
}

fn statements_check(verdict: Verdict) -> Check {
    Check::new("statements", "pg_stat_statements in the application's database", "SQL on the writer", verdict)
}

fn settling(holds: bool) -> Verdict {
    if holds { Verdict::Passed } else { Verdict::Settling }
}

/// Writes down how everything stands; whether all of it holds.
async fn judge(act: &mut Act, spec: &DeploySpec, seen: &Seen) -> Result<bool, Stop> {
    let mut checks = vec![rollout(spec, seen), pods(seen), init(spec, seen)];
    checks.extend(spec.environment.as_ref().map(|name| environment(spec, name, seen)));
    checks.extend(spec.external_secret.as_ref().map(|name| external(name, seen)));
    checks.extend(spec.expect_log.as_ref().map(|text| match &seen.application_log {
        Some(Ok(line)) => log_check(text, Verdict::Passed).seeing(line),
        Some(Err(line)) => log_check(text, Verdict::Failed).seeing(line),
        None => log_check(text, Verdict::Settling),
    }));
    if let Some(statements) = seen.statements {
        checks.push(match statements {
            StatementsProbe::Rows(rows) => statements_check(Verdict::Passed).seeing(format!("{rows} rows")),
            StatementsProbe::ExtensionMissing => statements_check(Verdict::Settling).seeing("relation does not exist"),
            StatementsProbe::NotPreloaded => statements_check(Verdict::Failed).seeing("not preloaded"),
        });
    }
    let mut all = seen.statements.is_some() || act.partition.sql.is_none();
    for check in checks {
        all &= check.verdict == Verdict::Passed;
        act.check(check).await?;
    }
    Ok(all)
}

fn rollout(spec: &DeploySpec, seen: &Seen) -> Check {
    let label = format!("{} rolled out", spec.deployment);
    match &seen.deployment {
        None => check("rollout", label, Verdict::Settling).seeing("no such deployment"),
        Some(deployment) => {
            let words = format!("{}/{} updated, {} ready", deployment.updated, deployment.wanted, deployment.ready);
            check("rollout", label, settling(deployment.is_rolled_out())).seeing(words)
        }
    }
}

fn pods(seen: &Seen) -> Check {
    let good = |pod: &PodView| pod.status() == "Running" && pod.ready && pod.restarts() == 0;
    let words: Vec<String> = seen
        .pods
        .iter()
        .map(|pod| {
            let restarts = pod.restarts();
            let restarted = if restarts > 0 { format!(", {restarts} restarts") } else { String::new() };
            format!("{} {}{restarted}", pod.name.rsplit('-').next().unwrap_or(&pod.name), pod.status())
        })
        .collect();
    let all = !seen.pods.is_empty() && seen.pods.iter().all(good);
    check("pods", "pods Running, ready, no restarts".to_owned(), settling(all)).seeing(words.join(", "))
}

fn init(spec: &DeploySpec, seen: &Seen) -> Check {
    let containers = || seen.pods.iter().flat_map(|pod| &pod.init);
    let all = containers().count();
    let good = containers()
        .filter(|container| container.image.ends_with(&spec.init_image) && container.exit_code() == Some(0))
        .count();
    let said = seen.init_log.unwrap_or(spec.init_log.is_none());
    init_check(spec, settling(all > 0 && good == all && said)).seeing(format!("{good} of {all}"))
}

/// A container has its environment from its start: a secret that was made later is not in it.
fn environment(spec: &DeploySpec, name: &str, seen: &Seen) -> Check {
    let containers: Vec<_> = seen.pods.iter().filter_map(|pod| pod.container(&spec.container)).collect();
    let named = !containers.is_empty() && containers.iter().all(|container| container.variable(name).is_some());
    let older = containers
        .iter()
        .any(|container| container.started().zip(seen.secret_made).is_some_and(|(started, made)| started < made));
    let has_secret = seen.secret_made.is_some() || spec.external_secret.is_none();
    let words = match (named, has_secret, older) {
        (false, ..) => "not in the spec",
        (true, false, _) => "its secret does not exist yet",
        (true, true, true) => "the pods started before the secret existed",
        (true, true, false) => "populated",
    };
    environment_check(name, settling(named && has_secret && !older)).seeing(words)
}

fn external(name: &str, seen: &Seen) -> Check {
    let (ready, words) = match &seen.external_secret {
        None => (false, "does not exist".to_owned()),
        Some(secret) => {
            let ready = secret.ready.map_or("unknown".to_owned(), |ready| ready.to_string());
            (secret.ready == Some(true), format!("Ready={ready} {}", secret.reason.clone().unwrap_or_default()))
        }
    };
    external_check(name, settling(ready)).seeing(words.trim_end())
}

/// What waiting does not mend.
fn hopeless(act: &Act, spec: &DeploySpec, seen: &Seen) -> Option<Finding> {
    let rolled_out = seen.deployment.as_ref().is_some_and(DeploymentView::is_rolled_out);
    let environment = act.attempt.checks.iter().find(|check| check.id == "environment");
    let older = "the pods started before the secret existed";
    let stale = environment.filter(|environment| environment.seen.as_deref() == Some(older));
    if let Some(environment) = stale.filter(|_| rolled_out) {
        let finding = Finding::of("pods-before-secret", "the pods are older than their secret")
            .because(Evidence::now("kubernetes", format!("{}: in the spec, not in the process", environment.label)))
            .meaning("the application runs without Sentry")
            .way_out(format!("kubectl rollout restart deployment/{}", spec.deployment));
        return Some(diagnosis::with_guide(act, finding));
    }
    // The former chart's pods may have restarted long ago; they say nothing of this one.
    let is_new = |pod: &&PodView| pod.init.iter().any(|container| container.image.ends_with(&spec.init_image));
    let crashes = |pod: &&PodView| pod.status() == "CrashLoopBackOff" || pod.restarts() > 2;
    let crashed = seen.pods.iter().filter(is_new).find(crashes)?;
    let finding = Finding::of("pod-crash", format!("{} does not stay up", crashed.name))
        .because(Evidence::now("kubernetes", format!("{}, {} restarts", crashed.status(), crashed.restarts())))
        .way_out("helm rollback to the revision before; the old init container does not touch pg_stat_statements");
    Some(diagnosis::with_guide(act, finding))
}

fn not_out(act: &Act, trouble: Option<&Trouble>) -> Finding {
    let open = act.attempt.checks.iter().filter(|check| matches!(check.verdict, Verdict::Settling | Verdict::Failed));
    let mut finding = diagnosis::time_over(act, "the application as it should be", trouble);
    for check in open {
        let seen = check.seen.clone().unwrap_or_default();
        finding = finding.because(Evidence {
            source: check.source.clone(),
            text: format!("{}: {seen}", check.label),
            at: check.at,
        });
    }
    finding
}
