//! The protocols that call an operation with one value: JSON 1.1, and Smithy's RPC v2 with CBOR.
//!
//! Which one is spoken the caller says in its headers: the SDKs differ in it, service by service and release by release.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Caller, REQUEST_ID, Site, cbor, logs, monitoring, pi, request_id, secrets};
use crate::sim::world::refusal::Refusal;

/// How a call and its answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// JSON 1.1: the operation stands in `X-Amz-Target`.
    Json,
    /// RPC v2 with CBOR: the operation stands at the end of the path.
    Cbor,
}

const PROTOCOL: header::HeaderName = header::HeaderName::from_static("smithy-protocol");
const QUERY_ERROR: header::HeaderName = header::HeaderName::from_static("x-amzn-query-error");
const TARGET: &str = "x-amz-target";

impl Wire {
    /// The protocol of a call; none where it is neither of these.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.get(PROTOCOL).is_some_and(|protocol| protocol == "rpc-v2-cbor") {
            Some(Self::Cbor)
        } else {
            headers.contains_key(TARGET).then_some(Self::Json)
        }
    }

    /// An error with its code.
    pub fn error(self, code: &str, message: &str) -> Response {
        self.error_as(StatusCode::BAD_REQUEST, code, message)
    }

    /// An error with its code and HTTP status.
    pub fn error_as(self, status: StatusCode, code: &str, message: &str) -> Response {
        self.respond(status, &json!({ "__type": code, "message": message }))
    }

    /// An error of a service that once spoke Query, and whose codes from then stand in a header.
    fn error_once_query(self, code: &str, message: &str) -> Response {
        let shape = format!("com.amazonaws.cloudwatch#{}", monitoring::error_shape(code));
        let mut response = self.error(&shape, message);
        if let Ok(once) = HeaderValue::from_str(&format!("{code};Sender")) {
            response.headers_mut().insert(QUERY_ERROR, once);
        }
        response
    }

    fn read(self, body: &[u8]) -> Option<Value> {
        match self {
            Self::Json => serde_json::from_slice(body).ok(),
            Self::Cbor => cbor::read(body).ok(),
        }
    }

    fn operation(self, headers: &HeaderMap, uri: &Uri) -> String {
        let whole = match self {
            Self::Json => headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default(),
            Self::Cbor => uri.path(),
        };
        whole.rsplit(['.', '/']).next().unwrap_or_default().to_owned()
    }

    fn respond(self, status: StatusCode, value: &Value) -> Response {
        let mut response = match self {
            Self::Json => {
                (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], value.to_string()).into_response()
            }
            Self::Cbor => {
                let headers = [(header::CONTENT_TYPE, "application/cbor"), (PROTOCOL, "rpc-v2-cbor")];
                (status, headers, cbor::write(value)).into_response()
            }
        };
        if let Ok(id) = HeaderValue::from_str(&request_id()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// Answers a call of Secrets Manager, Performance Insights, CloudWatch or CloudWatch Logs.
pub(super) fn answer(
    site: &Site,
    wire: Wire,
    service: &str,
    caller: Option<Caller>,
    (headers, uri, body): (&HeaderMap, &Uri, &[u8]),
) -> Response {
    let operation = wire.operation(headers, uri);
    let input = wire.read(body);
    const NAMES: [&str; 5] = ["SecretId", "Identifier", "logGroupName", "logGroupIdentifier", "MetricName"];
    let named = input.as_ref().and_then(|input| NAMES.iter().find_map(|name| input.get(name)?.as_str()));
    let resource = named.unwrap_or_default();
    site.ledger.count(service, &operation, resource, false);
    let Some(caller) = caller else {
        return wire.error("UnrecognizedClientException", "The security token included in the request is invalid.");
    };
    if !caller.signed_in {
        return wire.error("ExpiredTokenException", "The security token included in the request is expired");
    }
    let Some(input) = input else {
        return wire.error("SerializationException", "The request's body could not be read.");
    };
    if let Some(fault) = site.fault(service, &operation) {
        let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
        return wire.error_as(status.unwrap_or(StatusCode::BAD_REQUEST), &fault.code, &fault.message);
    }
    let answer = match service {
        "pi" => pi::answer(site, &caller, &operation, &input),
        "monitoring" => monitoring::answer(site, &caller, &operation, &input),
        "logs" => logs::answer(site, &caller, &operation, &input),
        _ => secrets::answer(site, &caller, &operation, &input),
    };
    match answer {
        Some(Ok(value)) => wire.respond(StatusCode::OK, &value),
        Some(Err(refusal)) if service == "monitoring" => wire.error_once_query(refusal.code, &refusal.message),
        Some(Err(refusal)) => wire.error(refusal.code, &refusal.message),
        None => wire.error("UnknownOperationException", &format!("no operation `{operation}`")),
    }
}

/// A text of the input that must be given.
pub(super) fn need<'a>(input: &'a Value, name: &str, code: &'static str) -> Result<&'a str, Refusal> {
    let text = input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::new(code, format!("{name} must be given")))
}
