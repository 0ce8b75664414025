//! The AWS endpoint: Query/XML for RDS, CloudFormation and STS; JSON 1.1 or CBOR for Secrets Manager, Performance Insights,
//! CloudWatch and CloudWatch Logs.
//!
//! Which service is meant and whose call it is stand in the signature's credential scope, as with the real endpoints.

mod cbor;
mod cloudformation;
mod credentials;
mod log_lines;
mod logs;
mod metrics;
mod monitoring;
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
#[cfg(test)]
mod tests_malformed;
#[cfg(test)]
mod tests_monitoring;
pub mod unwell;
mod xml;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};

use super::world::cloud::Account;
use super::world::faults::Lost;
use super::world::refusal::Refusal;
use super::world::{Site, now};
use credentials::NotSigned;
use params::Params;
use rpc::Wire;
use xml::Xml;

/// Answers every AWS call on any path.
pub fn router(site: Arc<Site>) -> Router {
    Router::new().fallback(answer).with_state(site)
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
    /// The only version of its interface.
    version: &'static str,
    /// Whether an action can change something.
    changes: fn(&str) -> bool,
    /// What an action is about, for the ledger.
    resource: fn(&Params) -> String,
    answer: fn(&Site, &Caller, &str, &Params) -> Answer,
}

const RDS: QueryService = QueryService {
    name: "rds",
    namespace: "http://rds.amazonaws.com/doc/2014-10-31/",
    version: "2014-10-31",
    changes: rds::changes,
    resource: rds::resource,
    answer: rds::answer,
};

const CLOUDFORMATION: QueryService = QueryService {
    name: "cloudformation",
    namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    version: "2010-05-15",
    changes: |action| action == "ContinueUpdateRollback",
    resource: |params| params.get("StackName").unwrap_or_default().to_owned(),
    answer: cloudformation::answer,
};

const STS: QueryService = QueryService {
    name: "sts",
    namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
    version: "2011-06-15",
    changes: |_| false,
    resource: |_| String::new(),
    answer: sts::answer,
};

async fn answer(State(site): State<Arc<Site>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let wire = Wire::of(&headers);
    let scope = match credentials::scope(&headers, now()) {
        Ok(scope) => scope,
        Err(NotSigned { status, code, message }) => {
            return match wire {
                Some(wire) => wire.error_as(status, &format!("{code}Exception"), &message),
                None => query_error("", status, code, &message),
            };
        }
    };
    let caller = caller(&site, &scope.access_key);
    match (scope.service.as_str(), wire) {
        ("rds", None) => query(&site, &RDS, caller, (&method, &uri, &body)),
        ("cloudformation", None) => query(&site, &CLOUDFORMATION, caller, (&method, &uri, &body)),
        ("sts", None) => query(&site, &STS, caller, (&method, &uri, &body)),
        (service @ ("secretsmanager" | "pi" | "monitoring" | "logs"), Some(wire)) => {
            rpc::answer(&site, wire, service, caller, (&headers, &uri, &body))
        }
        (other, Some(wire)) => wire.error("UnknownOperationException", &no_service(other)),
        ("secretsmanager" | "pi" | "logs", None) => {
            // Neither a target nor a protocol that the service would know by its headers.
            Wire::Json.error_as(StatusCode::NOT_FOUND, "UnknownOperationException", "")
        }
        (other, None) => query_error("", StatusCode::BAD_REQUEST, "InvalidAction", &no_service(other)),
    }
}

fn no_service(service: &str) -> String {
    format!("The simulated site does not answer as `{service}` in this protocol.")
}

/// Answers a call of the Query protocol: a form in the body, or in the address of a GET.
fn query(
    site: &Site,
    service: &QueryService,
    caller: Option<Caller>,
    (method, uri, body): (&Method, &Uri, &[u8]),
) -> Response {
    let form = if *method == Method::GET { uri.query().unwrap_or_default().as_bytes() } else { body };
    let refuse = |status, code: &str, message: &str| query_error(service.namespace, status, code, message);
    let Some(params) = Params::read(form) else {
        return refuse(StatusCode::NOT_FOUND, "MalformedQueryString", "The query string contains a syntax error.");
    };
    let Some(action) = params.get("Action") else {
        let message = "The request is missing an action or a required parameter.";
        return refuse(StatusCode::BAD_REQUEST, "MissingAction", message);
    };
    let version = params.get("Version").unwrap_or(service.version);
    if version != service.version {
        let message = format!("Could not find operation {action} for version {version}");
        return refuse(StatusCode::BAD_REQUEST, "InvalidAction", &message);
    }
    let loss = site.loss(service.name, action).and_then(|fault| fault.lost);
    if let Some(loss) = loss.filter(|loss| loss.what == Lost::Call) {
        return Extension(loss).into_response();
    }
    let answer = carry_out(site, service, caller, (action, &params));
    match loss {
        Some(loss) => (Extension(loss), answer).into_response(),
        None => answer,
    }
}

/// Answers an action of the Query protocol.
fn carry_out(
    site: &Site,
    service: &QueryService,
    caller: Option<Caller>,
    (action, params): (&str, &Params),
) -> Response {
    let refuse = |status, code: &str, message: &str| query_error(service.namespace, status, code, message);
    site.ledger.count(service.name, action, &(service.resource)(params), (service.changes)(action));
    let Some(caller) = caller else {
        let message = "The security token included in the request is invalid.";
        return query_error(service.namespace, StatusCode::FORBIDDEN, "InvalidClientTokenId", message);
    };
    if !caller.signed_in {
        let message = "The security token included in the request is expired";
        return query_error(service.namespace, StatusCode::FORBIDDEN, "ExpiredToken", message);
    }
    if let Some(fault) = site.fault(service.name, action) {
        let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
        return refuse(status.unwrap_or(StatusCode::BAD_REQUEST), &fault.code, &fault.message);
    }
    match (service.answer)(site, &caller, action, params) {
        Some(Ok(result)) => query_answer(service.namespace, action, &result.into_text()),
        Some(Err(refusal)) => {
            let status = match refusal.code {
                code if code.contains("NotFound") => StatusCode::NOT_FOUND,
                "AccessDenied" => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_REQUEST,
            };
            query_error(service.namespace, status, refusal.code, &refusal.message)
        }
        None => {
            let message = format!("Could not find operation {action} for version {}", service.version);
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

/// An account that nothing of the rollout is in.
const STRANGERS_ACCOUNT: &str = "999988887777";

/// The account to which an access key leads.
fn caller(site: &Site, access_key: &str) -> Option<Caller> {
    site.read(|world| {
        let is_its_key = |account: &&Account| {
            account.access_key == access_key || account.former_keys.iter().any(|former| former == access_key)
        };
        let account = world.accounts.iter().find(is_its_key)?;
        let led_astray = world.is_led_astray(&account.infrastructure);
        Some(Caller {
            infrastructure: if led_astray { String::new() } else { account.infrastructure.clone() },
            account: if led_astray { STRANGERS_ACCOUNT.to_owned() } else { account.id.clone() },
            region: account.region.clone(),
            signed_in: account.signed_in && account.access_key == access_key,
        })
    })
}
