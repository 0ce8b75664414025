//! Status objects: how the Kubernetes API says no.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::objects::Kind;

/// A failure with its reason in Kubernetes' own words.
pub fn failure(code: StatusCode, reason: &str, message: &str) -> Response {
    with_details(code, reason, message, json!({}))
}

/// The object is not there.
pub fn not_found(kind: Kind, name: &str) -> Response {
    let group = kind.group();
    let resource = if group.is_empty() { kind.plural().to_owned() } else { format!("{}.{group}", kind.plural()) };
    let details = json!({ "name": name, "group": group, "kind": kind.plural() });
    with_details(StatusCode::NOT_FOUND, "NotFound", &format!("{resource} \"{name}\" not found"), details)
}

/// The body of a status, for where it is part of a stream.
pub fn body(code: StatusCode, reason: &str, message: &str, details: Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": code.as_u16(),
    })
}

fn with_details(code: StatusCode, reason: &str, message: &str, details: Value) -> Response {
    let body = body(code, reason, message, details);
    (code, [(header::CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response()
}
