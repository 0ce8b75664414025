//! What the API server says of itself: version, groups and resources.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::answer_json;
use super::objects::Kind;

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

/// Whoever asks may: the simulated site has no roles.
pub fn review(body: &[u8]) -> Response {
    let mut review: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    review["status"] = json!({ "allowed": true });
    answer_json(&review)
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "32", "gitVersion": "v1.32.4-simulated", "gitCommit": "simulated",
        "gitTreeState": "clean", "buildDate": "2025-04-22T16:03:58Z", "goVersion": "go1.23.6",
        "compiler": "gc", "platform": "linux/amd64",
    })
}

fn is_group(group_version: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.versions().contains(&group_version))
}

fn groups() -> Vec<Value> {
    [("apps", ["v1"].as_slice()), ("external-secrets.io", &["v1", "v1beta1"]), ("authorization.k8s.io", &["v1"])]
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
        let verbs =
            if kind == Kind::Deployment { &["get", "list", "patch", "watch"][..] } else { &["get", "list", "watch"] };
        resources.push(json!({
            "name": kind.plural(), "singularName": kind.name().to_lowercase(), "namespaced": kind != Kind::Namespace,
            "kind": kind.name(), "verbs": verbs, "shortNames": kind.short_names(),
        }));
        if kind == Kind::Pod {
            resources.push(json!({
                "name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"],
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
