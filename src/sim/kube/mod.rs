//! The Kubernetes API of an infrastructure, as far as an operator's client and kubectl ask it.

mod discovery;
mod logs;
mod objects;
mod patch;
mod pod;
mod selector;
mod status;
mod table;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::world::Site;
use objects::{Kind, Object};
use selector::Selector;

/// What every handler needs.
#[derive(Clone)]
struct Api {
    site: Arc<Site>,
    infrastructure: Arc<str>,
}

/// A request's path, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    kind: Kind,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

/// Query parameters as they came.
type Params = HashMap<String, String>;

/// The API server of one infrastructure: one kubeconfig context.
pub fn router(site: Arc<Site>, infrastructure: &str) -> Router {
    Router::new().fallback(answer).with_state(Api { site, infrastructure: infrastructure.into() })
}

async fn answer(
    State(api): State<Api>,
    method: Method,
    uri: Uri,
    Query(params): Query<Params>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(document) = discovery::document(uri.path()) {
        return document;
    }
    if uri.path() == discovery::ACCESS_REVIEW && method == Method::POST {
        return discovery::review(&body);
    }
    let Some(target) = Target::parse(uri.path()) else {
        return status::failure(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource");
    };
    api.count(&method, &target, &params);
    match method {
        Method::GET => api.get(&target, &params, &headers),
        Method::PATCH => api.patch(&target, &params, &headers, &body),
        _ => status::failure(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the simulated site answers get, list, watch and patch",
        ),
    }
}

impl Api {
    fn get(&self, target: &Target, params: &Params, headers: &HeaderMap) -> Response {
        match (&target.name, target.subresource.as_deref()) {
            (Some(name), Some("log")) if target.kind == Kind::Pod => {
                logs::answer(self, target.namespace.as_deref().unwrap_or_default(), name, params)
            }
            (_, Some(subresource)) if subresource != "status" => {
                let message = format!("the server could not find the requested resource ({subresource})");
                status::failure(StatusCode::NOT_FOUND, "NotFound", &message)
            }
            (Some(name), _) => self.get_one(target, name, headers),
            (None, _) => self.get_many(target, params, headers),
        }
    }

    fn get_one(&self, target: &Target, name: &str, headers: &HeaderMap) -> Response {
        let objects = self.objects(target.kind, target.namespace.as_deref());
        match objects.into_iter().find(|object| object.name == name) {
            None => status::not_found(target.kind, name),
            Some(object) if table::is_wanted(headers) => answer_json(&table::of(target.kind, &[object], None)),
            Some(object) => answer_json(&object.json),
        }
    }

    fn get_many(&self, target: &Target, params: &Params, headers: &HeaderMap) -> Response {
        let selector = match Selector::parse(params) {
            Ok(selector) => selector,
            Err(message) => return status::failure(StatusCode::BAD_REQUEST, "BadRequest", &message),
        };
        if params.get("watch").is_some_and(|watch| watch == "true" || watch == "1") {
            return watch::answer(self.clone(), target, selector, params, headers);
        }
        let (version, mut objects) = self.versioned(target.kind, target.namespace.as_deref());
        objects.retain(|object| selector.holds(&object.json));
        if table::is_wanted(headers) {
            return answer_json(&table::of(target.kind, &objects, Some(version)));
        }
        let items: Vec<Value> = objects.into_iter().map(|object| object.json).collect();
        answer_json(&json!({
            "kind": format!("{}List", target.kind.name()),
            "apiVersion": target.kind.api_version(),
            "metadata": { "resourceVersion": version.to_string() },
            "items": items,
        }))
    }

    fn patch(&self, target: &Target, params: &Params, headers: &HeaderMap, body: &[u8]) -> Response {
        let (Kind::Deployment, Some(namespace), Some(name)) = (target.kind, &target.namespace, &target.name) else {
            let message = "the simulated site lets deployments be patched, nothing else";
            return status::failure(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        };
        if !self.objects(target.kind, Some(namespace)).iter().any(|object| &object.name == name) {
            return status::not_found(target.kind, name);
        }
        match patch::deployment(self, namespace, params, body) {
            Ok(()) => self.get_one(target, name, headers),
            Err(message) => status::failure(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &message),
        }
    }

    /// The objects of a kind, of one namespace or of all.
    fn objects(&self, kind: Kind, namespace: Option<&str>) -> Vec<Object> {
        self.versioned(kind, namespace).1
    }

    /// As [`Self::objects`], with the resourceVersion of the list.
    fn versioned(&self, kind: Kind, namespace: Option<&str>) -> (u64, Vec<Object>) {
        self.site.read(|world| objects::list(world, &self.infrastructure, kind, namespace))
    }

    fn count(&self, method: &Method, target: &Target, params: &Params) {
        let verb = match (method.as_str(), &target.name, &target.subresource) {
            ("GET", _, Some(subresource)) => subresource.as_str(),
            ("GET", None, _) if params.contains_key("watch") => "watch",
            ("GET", None, _) => "list",
            ("GET", Some(_), _) => "get",
            ("PATCH", ..) => "patch",
            (other, ..) => other,
        };
        let resource = match (&target.namespace, &target.name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (namespace, name) => namespace.clone().or_else(|| name.clone()).unwrap_or_default(),
        };
        let operation = format!("{verb} {}", target.kind.plural());
        self.site.ledger.count("kubernetes", &operation, &resource, *method != Method::GET);
    }
}

impl Target {
    /// Takes `/api/v1/namespaces/N/pods/P/log` and its like apart; none where nothing of that name is served.
    fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group_version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let kind = Kind::served(&group_version, rest.first()?)?;
        let part = |index: usize| rest.get(index).map(|part| (*part).to_owned());
        Some(Self { kind, namespace, name: part(1), subresource: part(2) })
    }
}

fn answer_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(value.to_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let target = Target::parse("/api/v1/namespaces/dev-operations/pods/p-1/log").expect("served");
        assert_eq!(target.kind, Kind::Pod);
        assert_eq!(target.namespace.as_deref(), Some("dev-operations"));
        assert_eq!((target.name.as_deref(), target.subresource.as_deref()), (Some("p-1"), Some("log")));
        let target = Target::parse("/api/v1/namespaces/dev-operations").expect("served");
        assert_eq!(
            (target.kind, target.namespace, target.name),
            (Kind::Namespace, None, Some("dev-operations".into()))
        );
        assert!(Target::parse("/apis/batch/v1/jobs").is_none());
    }
}
