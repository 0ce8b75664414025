//! A bastion: a short-lived pod in a namespace that reaches the databases, and port-forwards to it.
//!
//! Each target has a container of its own whose only program is `socat`: no shell, nothing to quote, nothing to sign in
//! to. The pod may talk to nobody but the network: it has no token, no rights on its node and a file system that it
//! cannot write to, and it ends by its own deadline if nobody else ends it.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::io::DuplexStream;

use super::{Kubernetes, trouble};
use crate::clients::{Controls, Trouble, TroubleKind};
use crate::runbook::text::clean_line;

/// Whose pod it is; by it what a session that died has left behind is found.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const COCKPIT: &str = "aurora-cockpit";
/// The run that it was made for.
const RUN: &str = "aurora-cockpit/run";
/// The session that made it, for whoever wonders about the pod.
const SESSION: &str = "aurora-cockpit/session";
/// The port of the first target; each further one has the next.
const FIRST_PORT: u16 = 15432;
/// A user that exists nowhere: `nobody`.
const NOBODY: i64 = 65_534;

const CREATE: &str = "kubernetes:CreatePod";
const LIST: &str = "kubernetes:ListPods";
const DELETE: &str = "kubernetes:DeletePod";
const FORWARD: &str = "kubernetes:PortForward";

/// A bastion that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BastionSpec {
    /// Name of the pod.
    pub name: String,
    /// An image whose entrypoint is `socat`.
    pub image: String,
    /// How long the pod may live.
    pub deadline: Duration,
    /// The run that it is made for.
    pub run: String,
    /// The session that makes it.
    pub session: String,
    /// Hosts and ports that it leads to.
    pub targets: Vec<(String, u16)>,
}

/// A bastion that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BastionView {
    /// Name of the pod.
    pub name: String,
    /// Whether all its containers run and it is not being deleted.
    pub is_ready: bool,
    /// Whether it has ended, by its deadline for one.
    pub has_ended: bool,
    /// Why it does not run (yet): `ContainerCreating`, `ImagePullBackOff`, `DeadlineExceeded`.
    pub status: String,
    /// Where its ports lead: port of the pod, host, port there.
    pub routes: Vec<(u16, String, u16)>,
}

impl BastionView {
    /// The pod's port that leads to that server.
    pub fn port_to(&self, host: &str, port: u16) -> Option<u16> {
        let leads = |(_, to, to_port): &&(u16, String, u16)| to.eq_ignore_ascii_case(host) && *to_port == port;
        self.routes.iter().find(leads).map(|(port, ..)| *port)
    }
}

impl Kubernetes {
    /// The bastions in the namespace: those of a run, or of all.
    pub async fn bastions(&self, run: Option<&str>) -> Result<Vec<BastionView>, Trouble> {
        let api: Api<Pod> = Api::namespaced(self.reading.clone(), &self.target.namespace);
        let run = run.map_or_else(String::new, |run| format!(",{RUN}={run}"));
        let found = api.list(&ListParams::default().labels(&format!("{MANAGED_BY}={COCKPIT}{run}"))).await;
        let found = found.map_err(|error| trouble(LIST, &error))?;
        Ok(found.items.into_iter().map(view).collect())
    }

    /// Makes a bastion. It runs some time later.
    pub async fn create_bastion(&self, _controls: &Controls, spec: &BastionSpec) -> Result<(), Trouble> {
        let api: Api<Pod> = Api::namespaced(self.changing.clone(), &self.target.namespace);
        let pod: Pod = serde_json::from_value(manifest(spec))
            .map_err(|error| Trouble::new(CREATE, TroubleKind::Malformed, error.to_string()))?;
        let made = api.create(&PostParams::default(), &pod).await;
        made.map(|_| ()).map_err(|error| trouble(CREATE, &error))
    }

    /// Deletes a bastion; one that is gone already is as good.
    pub async fn delete_bastion(&self, _controls: &Controls, name: &str) -> Result<(), Trouble> {
        let api: Api<Pod> = Api::namespaced(self.changing.clone(), &self.target.namespace);
        match api.delete(name, &DeleteParams::default()).await.map_err(|error| trouble(DELETE, &error)) {
            Err(trouble) if trouble.kind != TroubleKind::NotFound => Err(trouble),
            _ => Ok(()),
        }
    }

    /// A connection to a port of a pod. It opens no port on this machine.
    pub async fn forward(&self, pod: &str, port: u16) -> Result<DuplexStream, Trouble> {
        let api: Api<Pod> = Api::namespaced(self.forwarding.clone(), &self.target.namespace);
        let mut forwarded = api.portforward(pod, &[port]).await.map_err(|error| trouble(FORWARD, &error))?;
        let stream = forwarded.take_stream(port);
        stream.ok_or_else(|| Trouble::new(FORWARD, TroubleKind::Malformed, format!("port {port} was not forwarded")))
    }
}

fn manifest(spec: &BastionSpec) -> Value {
    let container = |(index, (host, port)): (usize, &(String, u16))| {
        let listens = FIRST_PORT + index as u16;
        json!({
            "name": format!("way-{index}"),
            "image": spec.image,
            // For each connection socat begins a process, and that resolves the name anew: after a failover a new session
            // over the writer endpoint's port is with the new writer, as soon as the name leads there.
            "args": [format!("TCP-LISTEN:{listens},fork,reuseaddr"), format!("TCP:{host}:{port}")],
            "ports": [{ "containerPort": listens, "protocol": "TCP" }],
            "resources": {
                "requests": { "cpu": "10m", "memory": "16Mi" },
                "limits": { "cpu": "200m", "memory": "64Mi" },
            },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        })
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spec.name,
            "labels": { MANAGED_BY: COCKPIT, RUN: spec.run },
            "annotations": { SESSION: spec.session },
        },
        "spec": {
            "containers": spec.targets.iter().enumerate().map(container).collect::<Vec<_>>(),
            "restartPolicy": "Never",
            "activeDeadlineSeconds": spec.deadline.as_secs(),
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                // The image names no user, so that it would run as root.
                "runAsUser": NOBODY,
                "runAsGroup": NOBODY,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
        },
    })
}

fn view(pod: Pod) -> BastionView {
    let name = clean_line(&pod.metadata.name.unwrap_or_default());
    let leaves = pod.metadata.deletion_timestamp.is_some();
    let containers = pod.spec.map(|spec| spec.containers).unwrap_or_default();
    let routes = containers.iter().filter_map(|container| route(container.args.as_deref()?)).collect();
    let status = pod.status.unwrap_or_default();
    let phase = status.phase.unwrap_or_default();
    let statuses = status.container_statuses.unwrap_or_default();
    let runs = phase == "Running" && statuses.iter().all(|one| one.ready);
    let waits = statuses.iter().find_map(|one| one.state.as_ref()?.waiting.as_ref()?.reason.clone());
    BastionView {
        name,
        is_ready: runs && !leaves,
        has_ended: leaves || matches!(phase.as_str(), "Failed" | "Succeeded"),
        status: clean_line(&status.reason.or(waits).unwrap_or(phase)),
        routes,
    }
}

/// What a container's command says of where its port leads.
fn route(args: &[String]) -> Option<(u16, String, u16)> {
    let [listens, leads] = args else { return None };
    let listens = listens.strip_prefix("TCP-LISTEN:")?.split(',').next()?.parse().ok()?;
    let (host, port) = leads.strip_prefix("TCP:")?.rsplit_once(':')?;
    Some((listens, host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_bastion_has_no_more_than_it_needs_and_says_where_it_leads() {
        let spec = BastionSpec {
            name: "aurora-cockpit-prod-1".into(),
            image: "alpine/socat".into(),
            deadline: Duration::from_secs(3600),
            run: "pdev-479-20260514T200000Z".into(),
            session: "op on host, process 1".into(),
            targets: vec![("c.cluster-x.rds.amazonaws.com".into(), 5432), ("w.x.rds.amazonaws.com".into(), 5433)],
        };
        let pod: Pod = serde_json::from_value(manifest(&spec)).unwrap();
        let told = pod.spec.clone().unwrap();
        assert_eq!(told.active_deadline_seconds, Some(3600));
        assert_eq!(told.automount_service_account_token, Some(false));
        assert_eq!(told.security_context.unwrap().run_as_non_root, Some(true));
        for container in &told.containers {
            let security = container.security_context.as_ref().unwrap();
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert!(container.resources.as_ref().unwrap().limits.is_some());
        }
        let view = view(pod);
        assert!(!view.is_ready);
        assert_eq!(view.port_to("C.cluster-x.rds.amazonaws.com", 5432), Some(15432));
        assert_eq!(view.port_to("w.x.rds.amazonaws.com", 5433), Some(15433));
        assert_eq!(view.port_to("w.x.rds.amazonaws.com", 5432), None);
    }
}
