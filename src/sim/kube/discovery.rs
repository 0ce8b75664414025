//! What the API server says of itself: version, groups and resources.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::objects::Kind;
use super::{access, answer_json};

/// Where `kubectl auth can-i` asks.
pub const ACCESS_REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// The discovery document at a path; none where the path is no discovery.
pub fn document(path: &str) -> Option<Response> {
    let document = match path.trim_end_matches('/') {
        "/version" => version(),
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups() }),
        "/api/v1" => resources("v1"),
        "/healthz" | "/livez" | "/readyz" => {
            return Some(([(header::CONTENT_TYPE, "text/plain")], "ok").into_response());
        }
        "/apis/authorization.k8s.io/v1" => reviews(),
        other => match other.strip_prefix("/apis/")?.split_once('/') {
            None => groups().into_iter().find(|group| group["name"] == other["/apis/".len()..])?,
            Some((_, version)) if !version.contains('/') && is_group(&other["/apis/".len()..]) => {
                resources(&other["/apis/".len()..])
            }
            Some(_) => return None,
        },
    };
    Some(answer_json(&document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "32", "gitVersion": "v1.32.4-simulated", "gitCommit": "simulated",
        "gitTreeState": "clean", "buildDate": "2025-04-22T16:03:58Z", "goVersion": "go1.23.6",
        "compiler": "gc", "platform": "linux/amd64",
    })
}

/// What the cluster has and the operator may not touch: name, kind, abbreviation, group version, whether in namespaces.
const OUT_OF_REACH: [(&str, &str, &str, &str, bool); 10] = [
    ("configmaps", "ConfigMap", "cm", "v1", true),
    ("nodes", "Node", "no", "v1", false),
    ("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", "v1", true),
    ("serviceaccounts", "ServiceAccount", "sa", "v1", true),
    ("services", "Service", "svc", "v1", true),
    ("daemonsets", "DaemonSet", "ds", "apps/v1", true),
    ("statefulsets", "StatefulSet", "sts", "apps/v1", true),
    ("cronjobs", "CronJob", "cj", "batch/v1", true),
    ("jobs", "Job", "", "batch/v1", true),
    ("ingresses", "Ingress", "ing", "networking.k8s.io/v1", true),
];

fn is_group(group_version: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.versions().contains(&group_version))
        || OUT_OF_REACH.iter().any(|(.., served_at, _)| *served_at == group_version)
}

fn groups() -> Vec<Value> {
    [
        ("apps", ["v1"].as_slice()),
        ("batch", &["v1"]),
        ("networking.k8s.io", &["v1"]),
        ("authorization.k8s.io", &["v1"]),
        ("apiextensions.k8s.io", &["v1"]),
        ("external-secrets.io", &["v1", "v1beta1"]),
    ]
    .map(|(name, versions)| {
        let entry = |version: &&str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
        let versions: Vec<Value> = versions.iter().map(entry).collect();
        json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name,
                "preferredVersion": versions[0], "versions": versions })
    })
    .into()
}

fn resources(group_version: &str) -> Value {
    let mut resources = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.versions().contains(&group_version)) {
        resources.push(json!({
            "name": kind.plural(), "singularName": kind.name().to_lowercase(), "namespaced": kind.is_namespaced(),
            "kind": kind.name(), "verbs": access::verbs(kind), "shortNames": kind.short_names(),
        }));
        if kind == Kind::Pod {
            for (name, served, verbs) in
                [("pods/log", "Pod", &["get"][..]), ("pods/portforward", "PodPortForwardOptions", &["create", "get"])]
            {
                resources.push(
                    json!({ "name": name, "singularName": "", "namespaced": true, "kind": served, "verbs": verbs }),
                );
            }
        }
    }
    for (name, kind, short, served_at, namespaced) in OUT_OF_REACH {
        if served_at == group_version {
            let short: Vec<&str> = Some(short).filter(|short| !short.is_empty()).into_iter().collect();
            resources.push(json!({
                "name": name, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"], "shortNames": short,
            }));
        }
    }
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
}

fn reviews() -> Value {
    let resources = json!([{ "name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview",
        "namespaced": false, "kind": "SelfSubjectAccessReview", "verbs": ["create"] }]);
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "authorization.k8s.io/v1",
            "resources": resources })
}
