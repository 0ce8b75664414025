//! What one look at the deployment, its pods, its secret and their logs shows.

use jiff::{SignedDuration, Timestamp};

use super::super::context::{Look, Noting};
use crate::clients::kubernetes::{
    ContainerState, ContainerView, DeploymentView, ExternalSecretView, Kubernetes, PodView, RunView,
};
use crate::clients::postgres::StatementsProbe;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::plan::DeploySpec;

/// Lines of a log that are read for what it should hold.
const TAIL: u32 = 200;
/// Bytes of an application's log, from its beginning, that are read for what it says when it starts.
const HEAD: u32 = 64 * 1024;

/// What is looked at in one round.
pub struct Seen {
    pub deployment: Option<DeploymentView>,
    /// The pods, but for those that are leaving.
    pub pods: Vec<PodView>,
    pub external_secret: Option<ExternalSecretView>,
    pub secret_made: Option<Timestamp>,
    pub init_log: Option<bool>,
    pub application_log: Option<Result<String, String>>,
    pub statements: Option<StatementsProbe>,
    /// Containers of the new pods that ended badly since the attempt began.
    pub failed: Vec<Failed>,
    /// The new pods that run and are not ready, with what they log.
    pub unready: Vec<(String, Vec<String>)>,
}

/// A container that ended badly.
pub struct Failed {
    pub pod: String,
    pub container: String,
    pub is_init: bool,
    pub run: RunView,
    pub restarts: i32,
    /// What `kubectl get pods` prints of its pod.
    pub status: String,
    /// The last lines of the run that failed.
    pub said: Vec<String>,
}

impl Failed {
    /// How it ended, in a few words.
    pub fn how(&self) -> String {
        let Self { container, run, restarts, status, .. } = self;
        let reason = run.reason.as_deref().unwrap_or("ended");
        format!("{container}: {reason}, exit code {}, {restarts} restarts; the pod is {status}", run.code)
    }

    /// The last line that says something of an error; else the last one.
    pub fn last_words(&self) -> Option<&str> {
        let names_error =
            |line: &&String| line.contains("ERROR") || line.contains("Exception") || line.contains("error:");
        self.said.iter().rfind(names_error).or(self.said.last()).map(String::as_str)
    }
}

impl Seen {
    /// Whether the current template is rolled out.
    pub fn is_rolled_out(&self) -> bool {
        self.deployment.as_ref().is_some_and(DeploymentView::is_rolled_out)
    }

    /// The pods of the chart that is awaited. The former chart's may have a past of their own.
    pub fn new_pods<'a>(&'a self, spec: &'a DeploySpec) -> impl Iterator<Item = &'a PodView> {
        self.pods.iter().filter(|pod| is_new(pod, spec))
    }

    /// The pod whose container is older than the secret, with both moments: it started without what the secret holds.
    /// Kubernetes tells whole seconds; within the same one the log decides.
    pub fn older_than_secret(&self, spec: &DeploySpec) -> Option<(&PodView, Timestamp, Timestamp)> {
        let made = self.secret_made?;
        let refused = matches!(self.application_log, Some(Err(_)));
        self.pods.iter().filter(|pod| is_new(pod, spec)).find_map(|pod| {
            let started = pod.container(&spec.container)?.started()?;
            (started < made || (started == made && refused)).then_some((pod, started, made))
        })
    }
}

fn is_new(pod: &PodView, spec: &DeploySpec) -> bool {
    pod.init.iter().any(|container| container.image.ends_with(&spec.init_image))
}

/// Looks at everything that the step is judged by.
///
/// # Errors
/// If something that must be seen cannot be.
pub async fn look(act: &Noting, spec: &DeploySpec) -> Result<Seen, Trouble> {
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
    let failed = failed(act, spec, &pods).await?;
    let unready = unready(kubernetes, spec, &pods).await?;
    let seen =
        Seen { deployment, pods, external_secret, secret_made, init_log, application_log, statements, failed, unready };
    Ok(seen)
}

/// The containers of new pods that ended badly. A failure from before the attempt says nothing of what was mended since.
async fn failed(act: &Noting, spec: &DeploySpec, pods: &[PodView]) -> Result<Vec<Failed>, Trouble> {
    let kubernetes = act.tools.kubernetes().await?;
    // Kubernetes tells whole seconds.
    let since = act.attempt.started_at - SignedDuration::from_secs(1);
    let mut failed = Vec::new();
    for pod in pods.iter().filter(|pod| is_new(pod, spec)) {
        let init = pod.init.iter().map(|container| (container, true));
        let all = init.chain(pod.containers.iter().map(|container| (container, false)));
        for (container, is_init) in all {
            let Some(run) = last_failure(container).filter(|run| run.finished.is_none_or(|at| at >= since)) else {
                continue;
            };
            failed.push(Failed {
                pod: pod.name.clone(),
                container: container.name.clone(),
                is_init,
                said: words_of_failed(kubernetes, pod, container).await?,
                run,
                restarts: container.restarts,
                status: pod.status(),
            });
        }
    }
    Ok(failed)
}

/// How a container last ended, if that was badly. An init container that ended well later is done, and a main container
/// that ended at all is not as it should be.
fn last_failure(container: &ContainerView) -> Option<RunView> {
    container.last_run().filter(|run| run.code != 0)
}

async fn words_of_failed(
    kubernetes: &Kubernetes,
    pod: &PodView,
    container: &ContainerView,
) -> Result<Vec<String>, Trouble> {
    let mut said = forgiving(kubernetes.logs_before(&pod.name, &container.name, TAIL).await)?;
    if !matches!(container.state, ContainerState::Running { .. }) {
        // Since the pod was listed it may have been started again: then the run that failed is the one before.
        said.extend(log(kubernetes, pod, &container.name).await?);
    }
    Ok(said)
}

async fn unready(
    kubernetes: &Kubernetes,
    spec: &DeploySpec,
    pods: &[PodView],
) -> Result<Vec<(String, Vec<String>)>, Trouble> {
    let runs = |pod: &&PodView| {
        let state = pod.container(&spec.container).map(|container| &container.state);
        is_new(pod, spec) && !pod.ready && matches!(state, Some(ContainerState::Running { .. }))
    };
    let mut unready = Vec::new();
    for pod in pods.iter().filter(runs) {
        unready.push((pod.name.clone(), log(kubernetes, pod, &spec.container).await?));
    }
    Ok(unready)
}

/// The end of a container's log.
async fn log(kubernetes: &Kubernetes, pod: &PodView, container: &str) -> Result<Vec<String>, Trouble> {
    forgiving(kubernetes.logs(&pod.name, container, TAIL).await)
}

/// Nothing where the pod went, or its container did not begin, since the pods were listed: a rolling update goes on
/// meanwhile.
fn forgiving(lines: Result<Vec<String>, Trouble>) -> Result<Vec<String>, Trouble> {
    match lines {
        Err(trouble) if matches!(trouble.kind, TroubleKind::NotFound | TroubleKind::Refused) => Ok(Vec::new()),
        lines => lines,
    }
}

/// Whether every init container's log holds what it should.
async fn init_says(look: &Look, spec: &DeploySpec, pods: &[PodView]) -> Result<Option<bool>, Trouble> {
    let Some(text) = &spec.init_log else { return Ok(None) };
    let kubernetes = look.tools.kubernetes().await?;
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
    look: &Look,
    spec: &DeploySpec,
    pods: &[PodView],
) -> Result<Option<Result<String, String>>, Trouble> {
    let Some(expected) = &spec.expect_log else { return Ok(None) };
    let kubernetes = look.tools.kubernetes().await?;
    let mut said = None;
    for pod in pods {
        // What it says when it starts stands at the log's beginning; a talkative one has pushed it out of the end.
        // Cut off anywhere, its last character may be none; the end is asked for as well.
        let mut lines = kubernetes.logs_from_start(&pod.name, &spec.container, HEAD).await.unwrap_or_default();
        lines.extend(log(kubernetes, pod, &spec.container).await?);
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
