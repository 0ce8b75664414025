//! From the API's objects to the views.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{self as core, Container, ContainerStatus, EnvVar, Namespace, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::DynamicObject;
use serde_json::Value;

use super::RESTARTED_AT;
use super::views::{
    ContainerState, ContainerView, DeploymentView, ExternalSecretView, NamespaceView, PodView, RunView, VariableOrigin,
    VariableView, WarningView,
};
use crate::clients::met;

pub(super) fn namespace(namespace: Namespace) -> NamespaceView {
    NamespaceView {
        name: namespace.metadata.name.unwrap_or_default(),
        phase: namespace.status.and_then(|status| status.phase).unwrap_or_default(),
        created: moment(namespace.metadata.creation_timestamp),
    }
}

pub(super) fn deployment(deployment: Deployment) -> DeploymentView {
    let spec = deployment.spec;
    let status = deployment.status.unwrap_or_default();
    let revision = deployment.metadata.annotations.and_then(|mut own| own.remove(REVISION));
    let annotations = spec.template.metadata.and_then(|metadata| metadata.annotations);
    let pod = spec.template.spec.unwrap_or_default();
    let image = |container: &Container| Some((container.name.clone(), container.image.clone()?));
    let named = pod.containers.iter().filter_map(image).collect();
    let containers = pod.init_containers.unwrap_or_default().into_iter().chain(pod.containers);
    let progress = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .find(|condition| condition.type_.as_deref() == Some("Progressing"));
    DeploymentView {
        name: deployment.metadata.name.unwrap_or_default(),
        generation: deployment.metadata.generation.unwrap_or_default(),
        observed_generation: status.observed_generation.unwrap_or_default(),
        // The API's own default.
        wanted: spec.replicas.unwrap_or(1),
        replicas: status.replicas.unwrap_or_default(),
        updated: status.updated_replicas.unwrap_or_default(),
        ready: status.ready_replicas.unwrap_or_default(),
        available: status.available_replicas.unwrap_or_default(),
        restarted_at: annotations.and_then(|mut annotations| annotations.remove(RESTARTED_AT)),
        images: containers.filter_map(|container| container.image).collect(),
        containers: named,
        revision,
        progress: progress.and_then(|condition| condition.reason),
    }
}

pub(super) fn pod(pod: Pod) -> PodView {
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let is_ready = |condition: &core::PodCondition| condition.type_ == "Ready" && condition.status == "True";
    PodView {
        name: pod.metadata.name.unwrap_or_default(),
        phase: status.phase.unwrap_or_default(),
        created: moment(pod.metadata.creation_timestamp),
        deleted: moment(pod.metadata.deletion_timestamp),
        ready: status.conditions.unwrap_or_default().iter().any(is_ready),
        reason: status.reason.filter(|reason| !reason.is_empty()).map(|reason| met::wash_line(PODS, &reason)),
        init: containers(spec.init_containers.unwrap_or_default(), &status.init_container_statuses.unwrap_or_default()),
        containers: containers(spec.containers, &status.container_statuses.unwrap_or_default()),
    }
}

/// The containers of the specification with what their statuses say, in the order of the specification.
fn containers(specified: Vec<Container>, statuses: &[ContainerStatus]) -> Vec<ContainerView> {
    specified
        .into_iter()
        .map(|container| {
            let status = statuses.iter().find(|status| status.name == container.name);
            let last = status.and_then(|status| status.last_state.as_ref()?.terminated.as_ref());
            ContainerView {
                image: container.image.unwrap_or_default(),
                state: state(status.and_then(|status| status.state.as_ref())),
                last: last.map(|ended| RunView {
                    code: ended.exit_code,
                    reason: ended.reason.as_deref().map(|reason| met::wash_line(PODS, reason)),
                    finished: moment(ended.finished_at.clone()),
                }),
                ready: status.is_some_and(|status| status.ready),
                restarts: status.map_or(0, |status| status.restart_count),
                variables: container.env.unwrap_or_default().into_iter().map(variable).collect(),
                secrets: container.env_from.unwrap_or_default().into_iter().filter_map(of_secret).collect(),
                stays: container.restart_policy.as_deref() == Some("Always"),
                name: container.name,
            }
        })
        .collect()
}

/// Where a deployment notes how many templates it has had.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// The call by which pods are read, for what has to be washed.
const PODS: &str = "kubernetes:ListPods";

fn state(state: Option<&core::ContainerState>) -> ContainerState {
    let Some(state) = state else { return ContainerState::Waiting { reason: String::new() } };
    if let Some(running) = &state.running {
        ContainerState::Running { since: moment(running.started_at.clone()) }
    } else if let Some(ended) = &state.terminated {
        ContainerState::Ended {
            code: ended.exit_code,
            reason: ended.reason.as_deref().map(|reason| met::wash_line(PODS, reason)),
            signal: ended.signal.filter(|signal| *signal != 0),
            started: moment(ended.started_at.clone()),
            finished: moment(ended.finished_at.clone()),
        }
    } else {
        let reason = state.waiting.as_ref().and_then(|waiting| waiting.reason.as_deref());
        ContainerState::Waiting { reason: met::wash_line(PODS, reason.unwrap_or_default()) }
    }
}

fn of_secret(source: core::EnvFromSource) -> Option<String> {
    source.secret_ref.map(|secret| secret.name)
}

fn variable(variable: EnvVar) -> VariableView {
    let secret = variable.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref());
    let origin = match (secret, &variable.value_from) {
        (Some(secret), _) => VariableOrigin::Secret {
            name: secret.name.clone(),
            key: secret.key.clone(),
            optional: secret.optional.unwrap_or_default(),
        },
        (None, Some(_)) => VariableOrigin::Other,
        (None, None) => VariableOrigin::Literal,
    };
    VariableView { name: variable.name, origin }
}

pub(super) fn external_secret(object: &DynamicObject) -> ExternalSecretView {
    let status = &object.data["status"];
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let text = |name: &str| {
        ready.and_then(|ready| ready[name].as_str()).map(|text| met::wash_line("kubernetes:GetExternalSecret", text))
    };
    ExternalSecretView {
        ready: ready.and_then(|ready| ready["status"].as_str()).map(|status| status == "True"),
        reason: text("reason"),
        message: text("message"),
        refreshed: status.get("refreshTime").and_then(Value::as_str).and_then(|time| time.parse().ok()),
    }
}

/// What an event warns of; none where it only tells.
pub(super) fn warning(event: core::Event) -> Option<WarningView> {
    if event.type_.as_deref() != Some("Warning") {
        return None;
    }
    let spoken = |text: Option<String>| met::wash_line("kubernetes:ListEvents", &text.unwrap_or_default());
    let at = moment(event.last_timestamp.or(event.first_timestamp).or(event.metadata.creation_timestamp));
    Some(WarningView { reason: spoken(event.reason), message: spoken(event.message), at })
}

fn moment(time: Option<Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}
