//! The AWS endpoint: Query/XML for RDS, CloudFormation and STS, JSON 1.1 or
//! CBOR for Secrets Manager and Performance Insights.
//!
//! Which service is meant and whose call it is stand in the signature's credential scope, as with the real endpoints; the
//! signature itself is not checked, since keys of a rehearsal are no secrets.

mod cbor;
mod cloudformation;
mod params;
mod pi;
mod pi_load;
mod rds;
mod rds_events;
mod rds_modify;
mod rds_parameters;
mod rds_shapes;
mod rpc;
mod secrets;
mod sts;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::world::Site;
use super::world::refusal::Refusal;
use params::Params;
use rpc::Wire;
use xml::Xml;

/// Answers every AWS call on any path.
pub fn router(site: Arc<Site>) -> Router {
    Router::new().fallback(answer).with_state(site)
}

/// Who calls, as the credential scope says.
#[derive(Debug, Clone)]
struct Scope {
    access_key: String,
    service: String,
}

/// The account in which a call acts.
#[derive(Debug, Clone)]
struct Caller {
    infrastructure: String,
    account: String,
    region: String,
    signed_in: bool,
}

/// What a service answers to an action: the result's content or a refusal; none where it has no such action here.
type Answer = Option<Result<Xml, Refusal>>;

/// A service of the Query protocol.
struct QueryService {
    name: &'static str,
    namespace: &'static str,
    /// Whether an action can change something.
    changes: fn(&str) -> bool,
    /// What an action is about, for the ledger.
    resource: fn(&Params) -> String,
    answer: fn(&Site, &Caller, &str, &Params) -> Answer,
}

const RDS: QueryService = QueryService {
    name: "rds",
    namespace: "http://rds.amazonaws.com/doc/2014-10-31/",
    changes: rds::changes,
    resource: rds::resource,
    answer: rds::answer,
};

const CLOUDFORMATION: QueryService = QueryService {
    name: "cloudformation",
    namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    changes: |action| action == "ContinueUpdateRollback",
    resource: |params| params.get("StackName").unwrap_or_default().to_owned(),
    answer: cloudformation::answer,
};

const STS: QueryService = QueryService {
    name: "sts",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    changes: |_| false,
    resource: |_| String::new(),
    answer: sts::answer,
};

async fn answer(State(site): State<Arc<Site>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let Some(scope) = scope(&headers) else {
        return query_error("", StatusCode::FORBIDDEN, "MissingAuthenticationToken", "Missing Authentication Token");
    };
    let caller = caller(&site, &scope.access_key);
    match (scope.service.as_str(), Wire::of(&headers)) {
        ("rds", None) => query(&site, &RDS, caller, &body),
        ("cloudformation", None) => query(&site, &CLOUDFORMATION, caller, &body),
        ("sts", None) => query(&site, &STS, caller, &body),
        (service @ ("secretsmanager" | "pi"), Some(wire)) => {
            rpc::answer(&site, wire, service, caller, (&headers, &uri, &body))
        }
        (other, Some(wire)) => wire.error("UnknownOperationException", &no_service(other)),
        (other, None) => query_error("", StatusCode::BAD_REQUEST, "InvalidAction", &no_service(other)),
    }
}

fn no_service(service: &str) -> String {
    format!("The simulated site does not answer as `{service}` in this protocol.")
}

/// Answers a call of the Query protocol.
fn query(site: &Site, service: &QueryService, caller: Option<Caller>, body: &[u8]) -> Response {
    let params = Params::read(body);
    let action = params.get("Action").unwrap_or_default();
    site.ledger.count(service.name, action, &(service.resource)(&params), (service.changes)(action));
    let Some(caller) = caller else {
        let message = "The security token included in the request is invalid.";
        return query_error(service.namespace, StatusCode::FORBIDDEN, "InvalidClientTokenId", message);
    };
    if !caller.signed_in {
        let message = "The security token included in the request is expired";
        return query_error(service.namespace, StatusCode::FORBIDDEN, "ExpiredToken", message);
    }
    match (service.answer)(site, &caller, action, &params) {
        Some(Ok(result)) => query_answer(service.namespace, action, &result.into_text()),
        Some(Err(refusal)) => {
            let status =
                if refusal.code.contains("NotFound") { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
            query_error(service.namespace, status, refusal.code, &refusal.message)
        }
        None => {
            let message = format!("Could not find operation {action}");
            query_error(service.namespace, StatusCode::BAD_REQUEST, "InvalidAction", &message)
        }
    }
}

fn query_answer(namespace: &str, action: &str, result: &str) -> Response {
    let id = request_id();
    let text = format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata></{action}Response>"
    );
    xml_response(StatusCode::OK, &id, text)
}

fn query_error(namespace: &str, status: StatusCode, code: &str, message: &str) -> Response {
    let id = request_id();
    let mut error = Xml::default();
    error.put("Type", "Sender").put("Code", code).put("Message", message);
    let error = error.into_text();
    let text = format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error>{error}</Error><RequestId>{id}</RequestId></ErrorResponse>"
    );
    xml_response(status, &id, text)
}

fn xml_response(status: StatusCode, id: &str, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml"), (REQUEST_ID, id)], text).into_response()
}

/// The header in which AWS answers a request's id.
const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");

/// A request id in the usual form.
fn request_id() -> String {
    let bits = fastrand::u128(..);
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 68) & 0xfff,
        (bits >> 56) & 0xfff,
        bits & 0xffff_ffff_ffff
    )
}

/// Reads `Credential=<key>/<date>/<region>/<service>/aws4_request` from the authorization header.
fn scope(headers: &HeaderMap) -> Option<Scope> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let credential = header.split_once("Credential=")?.1.split(',').next()?;
    let mut parts = credential.trim().split('/');
    let access_key = parts.next()?.to_owned();
    let service = parts.nth(2)?.to_owned();
    Some(Scope { access_key, service })
}

/// The account to which an access key leads.
fn caller(site: &Site, access_key: &str) -> Option<Caller> {
    site.read(|world| {
        let account = world.accounts.iter().find(|account| account.access_key == access_key)?;
        Some(Caller {
            infrastructure: account.infrastructure.clone(),
            account: account.id.clone(),
            region: account.region.clone(),
            signed_in: account.signed_in,
        })
    })
}
