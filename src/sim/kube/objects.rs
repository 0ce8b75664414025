//! The namespace's objects as the API shows them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{crd, guest, pod};
use crate::sim::world::operations::{KubeEvent, Operations, ReplicaSet, SENTRY_SECRET};
use crate::sim::world::{SitePartition, World};

/// How long changes are kept for watches that were behind: etcd's usual compaction interval.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

/// The kinds that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Namespaces.
    Namespace,
    /// Pods.
    Pod,
    /// Secrets.
    Secret,
    /// Events.
    Event,
    /// Deployments.
    Deployment,
    /// ReplicaSets.
    ReplicaSet,
    /// ExternalSecrets of external-secrets.io.
    ExternalSecret,
    /// CustomResourceDefinitions: the one of the ExternalSecrets.
    Definition,
}

/// An object with what lists and watches need to know of it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// resourceVersion of its latest change.
    pub version: u64,
    /// resourceVersion at which it was made.
    pub born: u64,
    /// All of it.
    pub json: Value,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Namespace,
        Self::Pod,
        Self::Secret,
        Self::Event,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ExternalSecret,
        Self::Definition,
    ];

    /// The kind that is served at this group version under this plural.
    pub fn served(group_version: &str, plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural && kind.versions().contains(&group_version))
    }

    /// Name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Pod => "Pod",
            Self::Secret => "Secret",
            Self::Event => "Event",
            Self::Deployment => "Deployment",
            Self::ReplicaSet => "ReplicaSet",
            Self::ExternalSecret => "ExternalSecret",
            Self::Definition => "CustomResourceDefinition",
        }
    }

    /// Its name in paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Pod => "pods",
            Self::Secret => "secrets",
            Self::Event => "events",
            Self::Deployment => "deployments",
            Self::ReplicaSet => "replicasets",
            Self::ExternalSecret => "externalsecrets",
            Self::Definition => "customresourcedefinitions",
        }
    }

    /// The abbreviations that kubectl takes.
    pub fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &["ns"],
            Self::Pod => &["po"],
            Self::Secret => &[],
            Self::Event => &["ev"],
            Self::Deployment => &["deploy"],
            Self::ReplicaSet => &["rs"],
            Self::ExternalSecret => &["es"],
            Self::Definition => &["crd", "crds"],
        }
    }

    /// The group versions under which it is served, the preferred one first.
    pub fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Namespace | Self::Pod | Self::Secret | Self::Event => &["v1"],
            Self::Deployment | Self::ReplicaSet => &["apps/v1"],
            Self::ExternalSecret => &["external-secrets.io/v1", "external-secrets.io/v1beta1"],
            Self::Definition => &["apiextensions.k8s.io/v1"],
        }
    }

    /// The group version in its objects.
    pub fn api_version(self) -> &'static str {
        self.versions()[0]
    }

    /// Whether its objects are within namespaces.
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Definition)
    }

    /// Its group; empty for the core group.
    pub fn group(self) -> &'static str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }
}

/// The objects of a kind in an infrastructure, of one namespace or of all, with the list's resourceVersion.
pub fn list(world: &World, infrastructure: &str, kind: Kind, namespace: Option<&str>) -> (u64, Vec<Object>) {
    let here = |partition: &&SitePartition| {
        partition.infrastructure == infrastructure
            && namespace.is_none_or(|namespace| partition.operations.namespace == namespace)
    };
    let mut version = 1;
    let mut objects = Vec::new();
    if kind == Kind::Definition {
        objects.push(crd::external_secrets());
    }
    for partition in world.partitions.iter().filter(here) {
        version = version.max(partition.operations.resource_version);
        objects.extend(of_partition(world, partition, kind));
    }
    (version, objects)
}

/// Pods that are gone, for a watch that was behind.
pub fn gone(world: &World, infrastructure: &str, namespace: Option<&str>) -> Vec<Object> {
    let of_one = |operations: &Operations| -> Vec<Object> {
        operations.gone.iter().map(|pod| pod::object(operations, pod)).collect()
    };
    in_scope(world, infrastructure, namespace).flat_map(of_one).collect()
}

/// The resourceVersion before which changes are forgotten: a watch from an older one cannot be told everything.
///
/// As etcd does it, changes are kept for some minutes; of what is no longer there, only pods are remembered.
pub fn horizon(world: &World, infrastructure: &str, kind: Kind, namespace: Option<&str>) -> u64 {
    let kept_since = version_of(Timestamp::now() - KEPT);
    let mut horizon = 0;
    for operations in in_scope(world, infrastructure, namespace) {
        let pods = operations.pods.iter().chain(&operations.gone).map(|pod| pod.version);
        let changes = pods.chain(operations.events.iter().map(|event| event.version));
        horizon = changes.filter(|version| *version < kept_since).fold(horizon, u64::max);
        let without_secret = operations.current().filter(|current| !current.chart.sentry);
        if let (Kind::Secret | Kind::ExternalSecret, Some(current)) = (kind, without_secret) {
            horizon = horizon.max(version_of(current.created));
        }
    }
    horizon
}

fn in_scope<'a>(
    world: &'a World,
    infrastructure: &'a str,
    namespace: Option<&'a str>,
) -> impl Iterator<Item = &'a Operations> {
    let here = move |partition: &&SitePartition| {
        partition.infrastructure == infrastructure
            && namespace.is_none_or(|namespace| partition.operations.namespace == namespace)
    };
    world.partitions.iter().filter(here).map(|partition| &partition.operations)
}

fn of_partition(world: &World, partition: &SitePartition, kind: Kind) -> Vec<Object> {
    let operations = &partition.operations;
    match kind {
        Kind::Namespace => {
            world.namespace_shown(partition).map(|name| namespace(operations, &name)).into_iter().collect()
        }
        Kind::Pod => {
            let own = operations.pods.iter().map(|pod| pod::object(operations, pod));
            own.chain(operations.guests.iter().map(|made| guest::object(operations, made))).collect()
        }
        Kind::Secret => secret(world, partition).into_iter().collect(),
        Kind::Event => operations.events.iter().map(|event| self::event(operations, event)).collect(),
        Kind::Deployment => deployment(operations).into_iter().collect(),
        Kind::ReplicaSet => operations.replica_sets.iter().map(|set| replica_set(operations, set)).collect(),
        Kind::ExternalSecret => external_secret(partition).into_iter().collect(),
        Kind::Definition => Vec::new(),
    }
}

fn namespace(operations: &Operations, name: &str) -> Object {
    let json = json!({
        "kind": "Namespace",
        "apiVersion": "v1",
        "metadata": {
            "name": name, "uid": uid("namespace", name, ""), "resourceVersion": "1",
            "creationTimestamp": time(operations.created), "labels": { "kubernetes.io/metadata.name": name },
        },
        "spec": { "finalizers": ["kubernetes"] },
        "status": { "phase": "Active" },
    });
    Object { name: name.to_owned(), version: 1, born: 1, json }
}

fn secret(world: &World, partition: &SitePartition) -> Option<Object> {
    let synced = partition.operations.secret_synced?;
    let account = world.accounts.iter().find(|account| account.infrastructure == partition.infrastructure)?;
    let value = &account.secret(&format!("{}-SentryDsn", partition.infrastructure))?.value;
    let version = version_of(synced);
    let mut metadata = metadata(&partition.operations, Kind::Secret, SENTRY_SECRET, version, synced);
    metadata["labels"] = json!({ "reconcile.external-secrets.io/managed": "true" });
    let json = json!({
        "kind": "Secret", "apiVersion": "v1", "metadata": metadata, "type": "Opaque", "immutable": false,
        "data": { "SENTRY_DSN": base64(value.as_bytes()) },
    });
    Some(Object { name: SENTRY_SECRET.into(), version, born: version, json })
}

fn external_secret(partition: &SitePartition) -> Option<Object> {
    let operations = &partition.operations;
    let set = operations.replica_sets.iter().find(|set| set.chart.sentry)?;
    operations.current().filter(|current| current.chart.sentry)?;
    let condition = |status: &str, reason: &str, message: &str, at| {
        let at = time(at);
        json!([{ "type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": at }])
    };
    let conditions = match (&operations.secret_synced, &operations.sync_trouble) {
        (Some(at), _) => condition("True", "SecretSynced", "secret synced", *at),
        (None, Some(trouble)) => condition("False", "SecretSyncedError", trouble, set.created),
        // Its operator has not looked at it yet.
        (None, None) => json!([]),
    };
    let (version, born) = (operations.resource_version, version_of(set.created));
    let mut metadata = metadata(operations, Kind::ExternalSecret, SENTRY_SECRET, version, set.created);
    metadata["generation"] = json!(1);
    let json = json!({
        "kind": "ExternalSecret",
        "apiVersion": Kind::ExternalSecret.api_version(),
        "metadata": metadata,
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": { "kind": "ClusterSecretStore", "name": "secrets-manager" },
            "target": { "name": SENTRY_SECRET, "creationPolicy": "Owner" },
            "data": [{
                "secretKey": "SENTRY_DSN",
                "remoteRef": { "key": format!("{}-SentryDsn", partition.infrastructure) },
            }],
        },
        "status": {
            "conditions": conditions,
            "refreshTime": operations.secret_synced.map(time),
            "binding": { "name": SENTRY_SECRET },
        },
    });
    Some(Object { name: SENTRY_SECRET.into(), version, born, json })
}

fn deployment(operations: &Operations) -> Option<Object> {
    let current = operations.current()?;
    let living = || operations.pods.iter().filter(|pod| pod.deleted.is_none());
    let replicas = living().count();
    let updated = living().filter(|pod| pod.hash == current.hash).count();
    let ready = living().filter(|pod| pod.ready.is_some()).count();
    let name = &operations.name;
    let done = updated == operations.replicas && replicas == updated && ready >= updated;
    let set = format!("{name}-{}", current.hash);
    let (reason, message) = if done {
        ("NewReplicaSetAvailable", format!("ReplicaSet \"{set}\" has successfully progressed."))
    } else {
        ("ReplicaSetUpdated", format!("ReplicaSet \"{set}\" is progressing."))
    };
    let available = if ready + 1 >= operations.replicas { "True" } else { "False" };
    let version = operations.resource_version;
    let mut metadata = metadata(operations, Kind::Deployment, name, version, operations.created);
    metadata["generation"] = json!(operations.generation);
    metadata["labels"] = json!({ "app": name, "app.kubernetes.io/managed-by": "Helm" });
    metadata["annotations"] = json!({
        "deployment.kubernetes.io/revision": current.revision.to_string(),
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": operations.namespace,
    });
    let json = json!({
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": metadata,
        "spec": {
            "replicas": operations.replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": template(operations, current, false),
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "25%", "maxSurge": "25%" } },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {
            "observedGeneration": operations.generation,
            "replicas": replicas,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": (replicas.max(operations.replicas)) - ready,
            "conditions": [
                { "type": "Available", "status": available, "reason": "MinimumReplicasAvailable",
                  "message": "Deployment has minimum availability.", "lastTransitionTime": time(operations.created),
                  "lastUpdateTime": time(operations.created) },
                { "type": "Progressing", "status": "True", "reason": reason, "message": message,
                  "lastTransitionTime": time(current.created), "lastUpdateTime": time(current.created) },
            ],
        },
    });
    Some(Object { name: name.clone(), version, born: 1, json })
}

fn replica_set(operations: &Operations, set: &ReplicaSet) -> Object {
    let name = format!("{}-{}", operations.name, set.hash);
    let pods = || operations.pods.iter().filter(|pod| pod.deleted.is_none() && pod.hash == set.hash);
    let ready = pods().filter(|pod| pod.ready.is_some()).count();
    let version = operations.resource_version;
    let mut metadata = metadata(operations, Kind::ReplicaSet, &name, version, set.created);
    metadata["labels"] = json!({ "app": operations.name, "pod-template-hash": set.hash });
    metadata["annotations"] = json!({ "deployment.kubernetes.io/revision": set.revision.to_string() });
    metadata["ownerReferences"] = owner(operations, "Deployment", &operations.name);
    metadata["generation"] = json!(1);
    let json = json!({
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": metadata,
        "spec": {
            "replicas": pods().count(),
            "selector": { "matchLabels": { "app": operations.name, "pod-template-hash": set.hash } },
            "template": template(operations, set, true),
        },
        "status": {
            "replicas": pods().count(), "fullyLabeledReplicas": pods().count(), "readyReplicas": ready,
            "availableReplicas": ready, "observedGeneration": 1,
        },
    });
    Object { name, version, born: version_of(set.created), json }
}

fn template(operations: &Operations, set: &ReplicaSet, hashed: bool) -> Value {
    let mut labels = json!({ "app": operations.name });
    if hashed {
        labels["pod-template-hash"] = json!(set.hash);
    }
    json!({
        "metadata": { "labels": labels, "annotations": set.annotations },
        "spec": pod::spec(operations, &set.chart),
    })
}

fn event(operations: &Operations, event: &KubeEvent) -> Object {
    let name = format!("{}.{:x}", event.name, event.version);
    let at = time(event.at);
    let plural = format!("{}s", event.kind.to_lowercase());
    let (component, api_version) = match event.kind {
        "Pod" if event.reason == "Scheduled" => ("default-scheduler", "v1"),
        "Pod" => ("kubelet", "v1"),
        "ReplicaSet" => ("replicaset-controller", "apps/v1"),
        "ExternalSecret" => ("external-secrets", Kind::ExternalSecret.api_version()),
        _ => ("deployment-controller", "apps/v1"),
    };
    let json = json!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": metadata(operations, Kind::Event, &name, event.version, event.at),
        "involvedObject": {
            "kind": event.kind, "apiVersion": api_version, "namespace": operations.namespace, "name": event.name,
            "uid": uid(&plural, &operations.namespace, &event.name),
        },
        "reason": event.reason,
        "message": event.message,
        "type": event.severity,
        "count": 1,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "source": { "component": component },
    });
    Object { name, version: event.version, born: event.version, json }
}

/// What every object's metadata begins with.
pub fn metadata(operations: &Operations, kind: Kind, name: &str, version: u64, created: Timestamp) -> Value {
    json!({
        "name": name,
        "namespace": operations.namespace,
        "uid": uid(kind.plural(), &operations.namespace, name),
        "resourceVersion": version.to_string(),
        "creationTimestamp": time(created),
    })
}

/// The owner that makes and ends an object.
pub fn owner(operations: &Operations, kind: &str, name: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(&plural, &operations.namespace, name),
        "controller": true, "blockOwnerDeletion": true,
    }])
}

/// A UID that stays the same for the same name.
pub fn uid(kind: &str, namespace: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{kind}/{namespace}/{name}"));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// A moment as Kubernetes prints it: whole seconds.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The resourceVersion that something of that moment has.
pub fn version_of(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or(1)
}

/// Standard base64 with padding, as secrets carry their data.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_everybody_does() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
