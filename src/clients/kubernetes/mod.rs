//! Kubernetes through a kubeconfig context: one namespace of one cluster.

pub mod bastion;
mod parse;
#[cfg(test)]
mod tests;
pub mod views;

use std::future::Future;
use std::time::{Duration, Instant};

use futures::{AsyncBufRead, AsyncReadExt as _};
use hyper::Response;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, LogParams, Patch, PatchParams};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};
use serde_json::json;
use tokio::time::sleep;
use tower::util::MapResponseLayer;

pub use views::{
    ContainerState, ContainerView, DeploymentView, ExternalSecretView, NamespaceView, PodView, RunView, VariableOrigin,
    VariableView, WarningView,
};

use super::cause::{is_connect, root_words};
use super::limit::Limited;
use super::{Controls, Trouble, TroubleKind, known, met};
use crate::runbook::event::Call;
use crate::runbook::plan::KubernetesTarget;
use crate::runbook::text::{clean_line, shell_line};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Pauses before a read is asked again that got no usable answer.
const AGAIN: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];
/// What has taken longer than that is not asked again: its caller asks soon by itself.
const ENOUGH: Duration = Duration::from_secs(5);
/// Longest answer, in bytes: a hundred pods are a tenth of it. What is no list of pods takes many times as much memory.
const LONGEST_ANSWER: usize = 8 << 20;
/// How much of a log is read at once, in bytes: a container's last lines are a hundredth of it, unless one has no end.
const LONGEST_LOG: u64 = 1 << 20;
/// Annotation by which `kubectl rollout restart` restarts a deployment.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// One namespace of the cluster of one context.
#[derive(Clone)]
pub struct Kubernetes {
    target: KubernetesTarget,
    /// Repeats what fails in passing.
    reading: Client,
    /// Sends once.
    changing: Client,
    /// Keeps connections to pods, on which nothing may be said for long.
    forwarding: Client,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kubernetes").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Kubernetes {
    /// Reads the kubeconfig (`KUBECONFIG`, or else `~/.kube/config`). Calls nobody.
    ///
    /// # Errors
    /// `Unreachable` where there is no such file or context.
    pub async fn open(target: &KubernetesTarget) -> Result<Self, Trouble> {
        let unreachable = |words| Trouble::new("kubeconfig", TroubleKind::Unreachable, words);
        let kubeconfig = Kubeconfig::read().map_err(|error| unreachable(clean_line(&error.to_string())))?;
        Self::of(kubeconfig, target).await
    }

    /// As [`Self::open`], from a kubeconfig that was read.
    pub(crate) async fn of(kubeconfig: Kubeconfig, target: &KubernetesTarget) -> Result<Self, Trouble> {
        Self::with_patience(kubeconfig, target, ANSWER).await
    }

    /// As [`Self::of`], with that patience with an answer.
    pub(crate) async fn with_patience(
        kubeconfig: Kubeconfig,
        target: &KubernetesTarget,
        answer: Duration,
    ) -> Result<Self, Trouble> {
        let unreachable = |words| Trouble::new("kubeconfig", TroubleKind::Unreachable, words);
        let options = KubeConfigOptions { context: Some(target.context.clone()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config
            .map_err(|error| unreachable(format!("context {}: {}", target.context, clean_line(&error.to_string()))))?;
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(answer);
        // Or else the time that a pooled connection was idle would count as the answer's.
        config.reset_reader_on_write = true;
        config.default_retry = true;
        let client = |config| ClientBuilder::try_from(config).map_err(|error| trouble("kubeconfig", &error));
        let limited = |config| {
            let limit = |answer: Response<_>| answer.map(|body| Limited::new(body, LONGEST_ANSWER));
            client(config).map(|builder| builder.with_layer(&MapResponseLayer::new(limit)).build())
        };
        let reading = limited(config.clone())?;
        config.default_retry = false;
        let changing = limited(config.clone())?;
        config.read_timeout = None;
        Ok(Self { target: target.clone(), reading, changing, forwarding: client(config)?.build() })
    }

    /// What a read answers, asked again where no usable answer came: of the many reads that make one look, any may be the one
    /// that a bad minute strikes. What the other side refuses, or asks to be spared, is not asked again here.
    async fn read<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Trouble>>,
    {
        let begun = Instant::now();
        for pause in AGAIN {
            match ask().await {
                Err(trouble) if trouble.may_have_acted() && begun.elapsed() < ENOUGH => sleep(pause).await,
                read => return read,
            }
        }
        ask().await
    }

    /// The namespace itself; none where it does not exist.
    pub async fn namespace(&self) -> Result<Option<NamespaceView>, Trouble> {
        let api: Api<Namespace> = Api::all(self.reading.clone());
        self.read(async || {
            let found = api.get_opt(&self.target.namespace).await;
            found.map(|found| found.map(parse::namespace)).map_err(|error| trouble("kubernetes:GetNamespace", &error))
        })
        .await
    }

    /// The names of all namespaces of the cluster.
    pub async fn namespaces(&self) -> Result<Vec<String>, Trouble> {
        let api: Api<Namespace> = Api::all(self.reading.clone());
        let found = api.list(&ListParams::default()).await;
        let found = found.map_err(|error| trouble("kubernetes:ListNamespaces", &error))?;
        Ok(found.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect())
    }

    /// A deployment; none where it does not exist.
    pub async fn deployment(&self, name: &str) -> Result<Option<DeploymentView>, Trouble> {
        let api: Api<Deployment> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        self.read(async || {
            let found = api.get_opt(name).await.map_err(|error| trouble("kubernetes:GetDeployment", &error))?;
            Ok(found.map(parse::deployment))
        })
        .await
    }

    /// The pods of a label selector such as `app=operations`, oldest first.
    pub async fn pods(&self, selector: &str) -> Result<Vec<PodView>, Trouble> {
        let api: Api<Pod> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        let wanted = ListParams::default().labels(selector);
        let list = async || api.list(&wanted).await.map_err(|error| trouble("kubernetes:ListPods", &error));
        let found = self.read(list).await?;
        let mut pods: Vec<PodView> = found.items.into_iter().map(parse::pod).collect();
        pods.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        Ok(pods)
    }

    /// The last lines of a container's log, cleaned, without what looks like a secret.
    pub async fn logs(&self, pod: &str, container: &str, tail: u32) -> Result<Vec<String>, Trouble> {
        let wanted = LogParams { tail_lines: Some(i64::from(tail)), ..LogParams::default() };
        self.lines(pod, container, wanted).await
    }

    /// The last lines that a container wrote before it was restarted.
    pub async fn logs_before(&self, pod: &str, container: &str, tail: u32) -> Result<Vec<String>, Trouble> {
        let wanted = LogParams { tail_lines: Some(i64::from(tail)), previous: true, ..LogParams::default() };
        self.lines(pod, container, wanted).await
    }

    /// The beginning of a container's log.
    pub async fn logs_from_start(&self, pod: &str, container: &str, bytes: u32) -> Result<Vec<String>, Trouble> {
        let wanted = LogParams { limit_bytes: Some(i64::from(bytes)), ..LogParams::default() };
        self.lines(pod, container, wanted).await
    }

    async fn lines(&self, pod: &str, container: &str, wanted: LogParams) -> Result<Vec<String>, Trouble> {
        let api: Api<Pod> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        let wanted = LogParams { container: Some(container.to_owned()), ..wanted };
        const CALL: &str = "kubernetes:GetPodLog";
        let read = async || {
            let log = api.log_stream(pod, &wanted).await.map_err(|error| trouble(CALL, &error))?;
            all_of(log, CALL).await
        };
        let bytes = self.read(read).await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(met::wash("kubernetes:GetPodLog", &text).lines().map(str::to_owned).collect())
    }

    /// When a secret was made; none where it does not exist. Its content is not asked for.
    pub async fn secret_created(&self, name: &str) -> Result<Option<Timestamp>, Trouble> {
        let api: Api<Secret> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        let get = async || api.get_metadata_opt(name).await.map_err(|error| trouble("kubernetes:GetSecret", &error));
        let found = self.read(get).await?;
        Ok(found.and_then(|secret| secret.metadata.creation_timestamp).map(|time| time.0))
    }

    /// An ExternalSecret's Ready condition; none where there is no such object, or no such operator in the cluster.
    pub async fn external_secret(&self, name: &str) -> Result<Option<ExternalSecretView>, Trouble> {
        for version in ["v1", "v1beta1"] {
            let kind = GroupVersionKind::gvk("external-secrets.io", version, "ExternalSecret");
            let resource = ApiResource::from_gvk_with_plural(&kind, "externalsecrets");
            let api: Api<DynamicObject> = Api::namespaced_with(self.reading.clone(), &self.target.namespace, &resource);
            let get = async || api.get_opt(name).await.map_err(|error| trouble("kubernetes:GetExternalSecret", &error));
            // An API version that is not served and an object that is not there look alike.
            if let Some(object) = self.read(get).await? {
                return Ok(Some(parse::external_secret(&object)));
            }
        }
        Ok(None)
    }

    /// What the events of the last hour warn of an object, the latest last.
    pub async fn warnings(&self, kind: &str, name: &str) -> Result<Vec<WarningView>, Trouble> {
        let api: Api<Event> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
        let wanted = ListParams::default().fields(&about);
        let list = async || api.list(&wanted).await.map_err(|error| trouble("kubernetes:ListEvents", &error));
        let found = self.read(list).await?;
        let mut warnings: Vec<WarningView> = found.items.into_iter().filter_map(parse::warning).collect();
        warnings.sort_by_key(|warning| warning.at);
        Ok(warnings)
    }

    /// Restarts a deployment's pods, one after the other. `at` marks this restart: by it one can see afterwards whether it
    /// was taken.
    pub async fn rollout_restart(&self, _controls: &Controls, deployment: &str, at: Timestamp) -> Result<(), Trouble> {
        let api: Api<Deployment> = Api::namespaced(self.changing.clone(), &self.target.namespace);
        let patch =
            json!({ "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: at.to_string() } } } } });
        let patched = api.patch(deployment, &PatchParams::default(), &Patch::Strategic(patch)).await;
        patched.map(|_| ()).map_err(|error| trouble("kubernetes:PatchDeployment", &error))
    }
}

/// Reads a log to its end, or as far as one is read.
async fn all_of(log: impl AsyncBufRead + Unpin, call: &str) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let read = log.take(LONGEST_LOG).read_to_end(&mut bytes).await;
    read.map_err(|error| Trouble::new(call, TroubleKind::NoAnswer, known::hide(&clean_line(&error.to_string()))))?;
    Ok(bytes)
}

/// The call of [`Kubernetes::rollout_restart`] and the command line that would do the same.
pub fn rollout_restart_call(target: &KubernetesTarget, deployment: &str) -> Call {
    let deployment = format!("deployment/{deployment}");
    let words = ["kubectl", "--context", &target.context, "-n", &target.namespace, "rollout", "restart", &deployment];
    Call {
        operation: "kubernetes:PatchDeployment".to_owned(),
        target: describe(target),
        command_line: shell_line(words),
    }
}

/// `context · namespace`.
pub fn describe(target: &KubernetesTarget) -> String {
    format!("{} · {}", target.context, target.namespace)
}

fn trouble(call: &str, error: &Error) -> Trouble {
    let spoken = |words: &str| known::hide(&clean_line(words));
    match error {
        Error::Api(status) => {
            let kind = match status.code {
                401 => TroubleKind::SignedOut,
                403 => TroubleKind::Denied,
                404 => TroubleKind::NotFound,
                429 => TroubleKind::Throttled,
                408 | 500..=599 => TroubleKind::NoAnswer,
                400..=499 => TroubleKind::Refused,
                _ => TroubleKind::Malformed,
            };
            let trouble = Trouble::new(call, kind, spoken(&status.message));
            if status.reason.is_empty() { trouble } else { trouble.with_code(spoken(&status.reason)) }
        }
        // A credential program, `aws eks get-token` for one, did not give a token.
        Error::Auth(_) => Trouble::new(call, TroubleKind::SignedOut, root_words(error)),
        Error::SerdeError(_) | Error::FromUtf8(_) => Trouble::new(call, TroubleKind::Malformed, root_words(error)),
        Error::BuildRequest(_) | Error::HttpError(_) => Trouble::new(call, TroubleKind::Refused, root_words(error)),
        Error::Service(_) | Error::HyperError(_) if !is_connect(error) => {
            Trouble::new(call, TroubleKind::NoAnswer, root_words(error))
        }
        _ => Trouble::new(call, TroubleKind::Unreachable, root_words(error)),
    }
}
