//! What AWS says when it is too much for it, or fails: by the protocol of the call, whatever the call is.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::rpc::Wire;
use super::{Site, caller, credentials, query_error};
use crate::sim::world::now;

/// The infrastructure in whose account a call acts; none where it is not signed, or by nobody who is known.
pub fn infrastructure(site: &Site, headers: &HeaderMap) -> Option<String> {
    let scope = credentials::scope(headers, now()).ok()?;
    caller(site, &scope.access_key).map(|caller| caller.infrastructure)
}

/// Too many calls.
pub fn throttled(headers: &HeaderMap) -> Response {
    match Wire::of(headers) {
        Some(wire) => wire.error("ThrottlingException", "Rate exceeded"),
        None => query_error("", StatusCode::BAD_REQUEST, "Throttling", "Rate exceeded"),
    }
}

/// A failure on AWS's side.
pub fn failure(status: StatusCode, headers: &HeaderMap) -> Response {
    let (code, message) = match status {
        StatusCode::SERVICE_UNAVAILABLE => {
            ("ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
        }
        _ => {
            ("InternalFailure", "The request processing has failed because of an unknown error, exception or failure.")
        }
    };
    match Wire::of(headers) {
        Some(wire) => wire.error_as(status, &format!("{code}Exception"), message),
        None => query_error("", status, code, message),
    }
}
