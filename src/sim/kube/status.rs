//! Status objects: how the Kubernetes API says no.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::Request;
use super::objects::Kind;

/// A refusal in the API server's own words.
#[derive(Debug, Clone)]
pub struct Failure {
    code: StatusCode,
    reason: Cow<'static, str>,
    message: String,
    details: Map<String, Value>,
}

impl Failure {
    /// A refusal that is about no object in particular.
    pub fn new(code: StatusCode, reason: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), details: Map::new() }
    }

    /// 400: the request makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 403: the operator has no right to it.
    pub fn forbidden(request: &Request) -> Self {
        let resource = request.resource.as_deref().unwrap_or_default();
        let scope = match request.scope() {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            None => "at the cluster scope".into(),
        };
        let (verb, group) = (&request.verb, &request.group);
        let why = format!(
            "User \"{}\" cannot {verb} resource \"{}\" in API group \"{group}\" {scope}",
            super::access::USER,
            request.with_subresource(),
        );
        Self::denied(group, resource, request.name.as_deref(), &why)
    }

    /// 403: the operator might, but not this.
    pub fn denied(group: &str, resource: &str, name: Option<&str>, why: &str) -> Self {
        let qualified = qualified(group, resource);
        let message = match name {
            Some(name) => format!("{qualified} \"{name}\" is forbidden: {why}"),
            None => format!("{qualified} is forbidden: {why}"),
        };
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).about(group, resource, name)
    }

    /// 404: the object is not there.
    pub fn not_found(kind: Kind, name: &str) -> Self {
        let (group, resource) = (kind.group(), kind.plural());
        let message = format!("{} \"{name}\" not found", qualified(group, resource));
        Self::new(StatusCode::NOT_FOUND, "NotFound", message).about(group, resource, Some(name))
    }

    /// 404: there is no such resource.
    pub fn no_resource() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 405: this path has other methods.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// 409: the object has changed since the caller saw it.
    pub fn conflict(kind: Kind, name: &str) -> Self {
        let (group, resource) = (kind.group(), kind.plural());
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": the object has been modified; please apply your changes to \
             the latest version and try again",
            qualified(group, resource)
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).about(group, resource, Some(name))
    }

    /// 410: what the caller saw last is forgotten; it must list again.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// 422: a patch that cannot be carried out.
    pub fn not_applicable(why: &str) -> Self {
        let message = "the server rejected our request due to an error in our request";
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message);
        failure.details.insert("causes".into(), json!([{ "reason": "UnexpectedServerResponse", "message": why }]));
        failure
    }

    /// The Status object.
    pub fn body(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code.as_u16(),
        })
    }

    fn about(mut self, group: &str, resource: &str, name: Option<&str>) -> Self {
        // As the API server does: what is empty is left out.
        for (key, value) in [("name", name.unwrap_or_default()), ("group", group), ("kind", resource)] {
            if !value.is_empty() {
                self.details.insert(key.into(), value.into());
            }
        }
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Body::from(self.body().to_string());
        (self.code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// `deployments.apps`, `pods`.
fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}
