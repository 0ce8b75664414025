//! The JSON 1.1 protocol: the operation stands in a header, the answer is a JSON object.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Caller, REQUEST_ID, Site, pi, request_id, secrets};
use crate::sim::world::refusal::Refusal;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Answers a call of Secrets Manager or Performance Insights.
pub(super) fn answer(site: &Site, service: &str, caller: Option<Caller>, headers: &HeaderMap, body: &[u8]) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let input: Value = serde_json::from_slice(body).unwrap_or_default();
    let resource = input.get("SecretId").or_else(|| input.get("Identifier")).and_then(Value::as_str);
    site.ledger.count(service, operation, resource.unwrap_or_default(), false);
    let Some(caller) = caller else {
        let message = "The security token included in the request is invalid.";
        return error(StatusCode::BAD_REQUEST, "UnrecognizedClientException", message);
    };
    if !caller.signed_in {
        let message = "The security token included in the request is expired";
        return error(StatusCode::BAD_REQUEST, "ExpiredTokenException", message);
    }
    let answer = match service {
        "pi" => pi::answer(site, &caller, operation, &input),
        _ => secrets::answer(site, &caller, operation, &input),
    };
    match answer {
        Some(Ok(value)) => respond(StatusCode::OK, &value),
        Some(Err(refusal)) => error(StatusCode::BAD_REQUEST, refusal.code, &refusal.message),
        None => error(StatusCode::BAD_REQUEST, "UnknownOperationException", &format!("no operation `{operation}`")),
    }
}

/// An error as JSON 1.1 has it.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    respond(status, &json!({ "__type": code, "message": message }))
}

fn respond(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (REQUEST_ID, &request_id())];
    (status, headers, value.to_string()).into_response()
}

/// A text of the input that must be given.
pub(super) fn need<'a>(input: &'a Value, name: &str, code: &'static str) -> Result<&'a str, Refusal> {
    let text = input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::new(code, format!("{name} must be given")))
}
