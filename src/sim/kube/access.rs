//! What a request asks for, and whether the operator may: reading everything that the site shows, following logs,
//! forwarding ports, making pods by hand and patching deployments.

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::objects::Kind;
use super::status::Failure;
use super::{Params, answer_json, is_set};

/// Whoever asks is this user: the site looks at no credentials.
pub const USER: &str = "operator";

/// A request in the terms in which the API server grants or refuses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// API group; empty for the core group.
    pub group: String,
    /// Version within the group.
    pub version: String,
    /// Namespace in the path.
    pub namespace: Option<String>,
    /// Resource, such as `pods`.
    pub resource: Option<String>,
    /// Name of one object.
    pub name: Option<String>,
    /// `log`, `scale`, …
    pub subresource: Option<String>,
}

impl Request {
    /// Takes `/api/v1/namespaces/N/pods/P/log` and its like apart; none where the path is none of a resource.
    pub fn parse(method: &Method, path: &str, params: &Params) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let part = |index: usize| rest.get(index).filter(|part| !part.is_empty()).map(|part| (*part).to_owned());
        let (resource, name, subresource) = (part(0), part(1), part(2));
        resource.as_ref()?;
        let verb = match (method.as_str(), &name) {
            ("GET" | "HEAD", None) if is_set(params, "watch") => "watch",
            ("GET" | "HEAD", None) => "list",
            ("GET" | "HEAD", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", None) => "deletecollection",
            ("DELETE", Some(_)) => "delete",
            (other, _) => other,
        };
        let (verb, group, version) = (verb.to_lowercase(), group.to_owned(), version.to_owned());
        Some(Self { verb, group, version, namespace, resource, name, subresource })
    }

    /// The kind that is asked for; none where the site has none of that name.
    pub fn kind(&self) -> Option<Kind> {
        let group_version = match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        };
        Kind::served(&group_version, self.resource.as_deref()?)
    }

    /// What is asked for as the ledger calls it: `list pods`, `log pods`.
    pub fn operation(&self, kind: Kind) -> String {
        let verb = self.subresource.as_deref().unwrap_or(&self.verb);
        format!("{verb} {}", kind.plural())
    }

    /// The namespace in which the right is needed. A namespace itself is within itself.
    pub fn scope(&self) -> Option<&str> {
        let itself = self.name.as_deref().filter(|_| self.resource.as_deref() == Some("namespaces"));
        self.namespace.as_deref().or(itself)
    }

    /// `pods/log`, `pods`.
    pub fn with_subresource(&self) -> String {
        let resource = self.resource.as_deref().unwrap_or_default();
        match &self.subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        }
    }

    /// Whether the operator has the right.
    pub fn is_allowed(&self) -> bool {
        let resource = self.resource.as_deref().unwrap_or_default();
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.plural() == resource && kind.group() == self.group)
        else {
            return resource == "selfsubjectaccessreviews" && self.verb == "create";
        };
        match (kind, self.subresource.as_deref()) {
            (_, None) => verbs(kind).contains(&self.verb.as_str()),
            (Kind::Pod, Some("log")) | (_, Some("status")) => self.verb == "get",
            (Kind::Pod, Some("portforward")) => matches!(self.verb.as_str(), "get" | "create"),
            _ => false,
        }
    }
}

/// What the operator may do with a kind.
pub fn verbs(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Deployment => &["get", "list", "patch", "watch"],
        Kind::Pod => &["create", "delete", "get", "list", "watch"],
        _ => &["get", "list", "watch"],
    }
}

/// Answers `kubectl auth can-i`, which asks in protobuf; others ask in JSON.
pub fn review(body: &[u8]) -> Response {
    let asked = match body.strip_prefix(PROTOBUF) {
        Some(message) => attributes(message),
        None => serde_json::from_slice(body).ok().and_then(|review: Value| Some(review.get("spec")?.clone())),
    };
    let Some(spec) = asked else {
        return Failure::bad_request("the body of the request is no SelfSubjectAccessReview").into_response();
    };
    let wanted = &spec["resourceAttributes"];
    let text = |field: &str| wanted[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let request = Request {
        verb: text("verb").unwrap_or_default(),
        group: text("group").unwrap_or_default(),
        resource: text("resource"),
        subresource: text("subresource"),
        ..Request::default()
    };
    let review = json!({
        "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
        "metadata": { "creationTimestamp": null }, "spec": spec, "status": { "allowed": request.is_allowed() },
    });
    (StatusCode::CREATED, answer_json(&review)).into_response()
}

/// With this a body in Kubernetes' protobuf begins.
const PROTOBUF: &[u8] = b"k8s\0";

/// The spec of a review in protobuf: an envelope, in it the review, its spec, and in this the attributes.
fn attributes(envelope: &[u8]) -> Option<Value> {
    const NAMES: [(u64, &str); 6] =
        [(1, "namespace"), (2, "verb"), (3, "group"), (5, "resource"), (6, "subresource"), (7, "name")];
    let attributes = field(field(field(envelope, 2)?, 2)?, 1)?;
    let mut named = json!({});
    for (number, name) in NAMES {
        named[name] = field(attributes, number).map(String::from_utf8_lossy).unwrap_or_default().into();
    }
    Some(json!({ "resourceAttributes": named }))
}

/// The contents of a field of a protobuf message that has only texts and messages.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        if tag & 7 != 2 {
            return None;
        }
        let length = usize::try_from(varint(&mut message)?).ok()?;
        let (contents, rest) = message.split_at_checked(length)?;
        if tag >> 3 == wanted {
            return Some(contents);
        }
        message = rest;
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, path: &str) -> Request {
        Request::parse(&method, path, &Params::new()).expect("a resource")
    }

    #[test]
    fn paths_are_taken_apart() {
        let log = request(Method::GET, "/api/v1/namespaces/dev-operations/pods/p-1/log");
        assert_eq!(log.kind(), Some(Kind::Pod));
        assert_eq!((log.scope(), log.name.as_deref()), (Some("dev-operations"), Some("p-1")));
        assert_eq!((log.with_subresource().as_str(), log.verb.as_str()), ("pods/log", "get"));
        let namespace = request(Method::GET, "/api/v1/namespaces/dev-operations");
        assert_eq!((namespace.kind(), namespace.namespace.as_deref()), (Some(Kind::Namespace), None));
        assert_eq!(namespace.scope(), Some("dev-operations"));
        assert_eq!(request(Method::GET, "/apis/batch/v1/jobs").kind(), None);
        assert_eq!(Request::parse(&Method::GET, "/metrics", &Params::new()), None);
    }

    #[test]
    fn the_operator_reads_restarts_and_makes_pods_and_does_nothing_else() {
        let pods = "/api/v1/namespaces/prod-operations/pods";
        let deployment = "/apis/apps/v1/namespaces/prod-operations/deployments/operations";
        assert!(request(Method::GET, pods).is_allowed());
        assert!(request(Method::POST, pods).is_allowed());
        assert!(request(Method::DELETE, &format!("{pods}/p")).is_allowed());
        assert!(request(Method::PATCH, deployment).is_allowed());
        assert!(request(Method::POST, &format!("{pods}/p/portforward")).is_allowed());
        for (method, path) in [
            (Method::DELETE, pods.to_owned()),
            (Method::PUT, format!("{pods}/p")),
            (Method::POST, format!("{pods}/p/exec")),
            (Method::PATCH, format!("{deployment}/scale")),
            (Method::GET, "/api/v1/nodes".to_owned()),
        ] {
            assert!(!request(method.clone(), &path).is_allowed(), "{method} {path}");
        }
        let create = Failure::forbidden(&request(Method::POST, pods));
        assert_eq!(
            create.body()["message"],
            "pods is forbidden: User \"operator\" cannot create resource \"pods\" in API group \"\" in the namespace \
             \"prod-operations\""
        );
        let nodes = Failure::forbidden(&request(Method::GET, "/api/v1/nodes"));
        assert_eq!(
            nodes.body()["message"],
            "nodes is forbidden: User \"operator\" cannot list resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }
}
