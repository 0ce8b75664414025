//! The Kubernetes API of an infrastructure, as far as an operator's client and kubectl ask it.

mod access;
mod crd;
mod discovery;
mod forward;
mod guest;
mod logs;
mod objects;
mod patch;
mod pod;
mod selector;
mod spdy;
mod status;
mod table;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::Site;
use super::world::faults::Lost;
use crate::runbook::situation::Situation;
use access::Request;
pub use forward::Backends;
use objects::{Kind, Object};
use selector::Selector;
use status::Failure;

/// The most that a request may carry.
const BODY_LIMIT: usize = 1 << 20;

/// What every handler needs.
#[derive(Clone)]
struct Api {
    site: Arc<Site>,
    infrastructure: Arc<str>,
    backends: Arc<Backends>,
    /// resourceVersion of the moment at which this API began; nothing older is known.
    began: u64,
}

/// Query parameters as they came.
type Params = HashMap<String, String>;

/// The API server of one infrastructure: one kubeconfig context. The ports of its pods lead nowhere.
pub fn router(site: Arc<Site>, infrastructure: &str) -> Router {
    router_with(site, infrastructure, Arc::default())
}

/// As [`router`], with the ports of its pods forwarded to `backends`.
pub fn router_with(site: Arc<Site>, infrastructure: &str, backends: Arc<Backends>) -> Router {
    let began = objects::version_of(Timestamp::now());
    Router::new().fallback(answer).with_state(Api { site, infrastructure: infrastructure.into(), backends, began })
}

async fn answer(State(api): State<Api>, request: axum::extract::Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if let Some(document) = discovery::document(&path) {
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        return if reads { document } else { Failure::method_not_allowed().into_response() };
    }
    let Ok(Query(params)) = Query::<Params>::try_from_uri(&parts.uri) else {
        return Failure::bad_request("the query of the request cannot be read").into_response();
    };
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        let message = format!("the request is larger than {BODY_LIMIT} bytes, or broke off");
        let failure = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message);
        return failure.into_response();
    };
    let Some(request) = Request::parse(&parts.method, &path, &params) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    if !request.is_allowed() {
        return Failure::forbidden(&request).into_response();
    }
    if path.trim_end_matches('/') == discovery::ACCESS_REVIEW {
        return access::review(&body);
    }
    let Some(kind) = request.kind() else { return Failure::no_resource().into_response() };
    let operation = request.operation(kind);
    let loss = api.site.loss("kubernetes", &operation).and_then(|fault| fault.lost);
    if let Some(loss) = loss.filter(|loss| loss.what == Lost::Call) {
        return Extension(loss).into_response();
    }
    api.count(&request, &operation);
    if let Some(fault) = api.site.fault("kubernetes", &operation) {
        let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
        return match status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) {
            // In the API server's own words, whoever invented it.
            StatusCode::FORBIDDEN => Failure::forbidden(&request).into_response(),
            status => Failure::new(status, fault.code, fault.message).into_response(),
        };
    }
    let asked = Asked { kind, request: &request, params: &params, headers: &parts.headers };
    let answered = match (request.verb.as_str(), request.subresource.as_deref()) {
        (_, Some("portforward")) => forward::answer(&api, &asked, &mut parts.extensions),
        ("patch", _) => api.patch(&asked, &body),
        ("create", None) => guest::create(&api, &asked, &body),
        ("delete", None) => guest::delete(&api, &asked),
        (_, Some("log")) => logs::answer(&api, &asked),
        ("get", _) => api.get_one(&asked),
        ("watch", _) => watch::answer(&api, &asked),
        _ => api.list(&asked),
    };
    let answer = answered.unwrap_or_else(IntoResponse::into_response);
    match loss {
        Some(loss) => (Extension(loss), answer).into_response(),
        None => answer,
    }
}

/// A request for something that the site has and the operator may see.
struct Asked<'a> {
    kind: Kind,
    request: &'a Request,
    params: &'a Params,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn namespace(&self) -> Option<&str> {
        self.request.namespace.as_deref()
    }

    fn name(&self) -> Result<&str, Failure> {
        self.request.name.as_deref().ok_or_else(Failure::method_not_allowed)
    }

    /// The table that the client wants, if it wants one.
    fn table(&self) -> Option<table::Include> {
        table::wanted(self.headers, self.params)
    }
}

impl Api {
    fn get_one(&self, asked: &Asked) -> Result<Response, Failure> {
        Ok(asked.show(&self.object(asked)?))
    }

    fn list(&self, asked: &Asked) -> Result<Response, Failure> {
        let selector = Selector::parse(asked.params).map_err(Failure::bad_request)?;
        let (version, mut objects) = self.versioned(asked.kind, asked.namespace());
        if asked.kind == Kind::Namespace {
            // Somebody looks for a namespace that is not where it should be.
            self.site.change(|world| world.strikes_in_hand(Situation::NamespaceMissing));
        }
        let exact = asked.params.get("resourceVersionMatch").is_some_and(|wanted| wanted == "Exact");
        if exact && resource_version(asked.params)?.is_some_and(|wanted| wanted < version) {
            return Err(Failure::expired("The resourceVersion for the provided list is too old."));
        }
        objects.retain(|object| selector.holds(&object.json));
        if let Some(include) = asked.table() {
            return Ok(answer_json(&table::of(asked.kind, &objects, include, Some(version))));
        }
        let items: Vec<Value> = objects.into_iter().map(|object| object.json).collect();
        Ok(answer_json(&json!({
            "kind": format!("{}List", asked.kind.name()),
            "apiVersion": asked.kind.api_version(),
            "metadata": { "resourceVersion": version.to_string() },
            "items": items,
        })))
    }

    fn patch(&self, asked: &Asked, body: &[u8]) -> Result<Response, Failure> {
        let object = self.object(asked)?;
        let patched = patch::deployment(self, asked, &object.json, body)?;
        if asked.params.contains_key("dryRun") {
            return Ok(asked.show(&Object { json: patched, ..object }));
        }
        self.get_one(asked)
    }

    /// An object of the kind that is asked for, by its name.
    fn show(&self, asked: &Asked, name: &str) -> Result<Response, Failure> {
        let objects = self.versioned(asked.kind, asked.namespace()).1;
        let found = objects.iter().find(|object| object.name == name);
        found.map(|object| asked.show(object)).ok_or_else(|| Failure::not_found(asked.kind, name))
    }

    /// The one object that is asked for.
    fn object(&self, asked: &Asked) -> Result<Object, Failure> {
        let name = asked.name()?;
        let objects = self.versioned(asked.kind, asked.namespace()).1;
        objects.into_iter().find(|object| object.name == name).ok_or_else(|| Failure::not_found(asked.kind, name))
    }

    /// The objects of a kind, of one namespace or of all, with the resourceVersion of the list.
    fn versioned(&self, kind: Kind, namespace: Option<&str>) -> (u64, Vec<Object>) {
        let (version, objects) = self.site.read(|world| objects::list(world, &self.infrastructure, kind, namespace));
        (version.max(self.began), objects)
    }

    fn count(&self, request: &Request, operation: &str) {
        let resource = match (&request.namespace, &request.name) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            (namespace, name) => namespace.clone().or_else(|| name.clone()).unwrap_or_default(),
        };
        let changes = matches!(request.verb.as_str(), "patch" | "delete")
            || (request.verb == "create" && request.subresource.is_none());
        self.site.ledger.count("kubernetes", operation, &resource, changes);
    }
}

impl Asked<'_> {
    /// One object in the form that the client wants.
    fn show(&self, object: &Object) -> Response {
        match self.table() {
            Some(include) => answer_json(&table::of(self.kind, std::slice::from_ref(object), include, None)),
            None => answer_json(&object.json),
        }
    }
}

/// The resourceVersion that a request names; none where it names none or 0, which means "any".
fn resource_version(params: &Params) -> Result<Option<u64>, Failure> {
    let Some(text) = params.get("resourceVersion").filter(|text| !text.is_empty()) else { return Ok(None) };
    let version: u64 = text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing \"{text}\": invalid syntax");
        Failure::bad_request(format!("resourceVersion: Invalid value: \"{text}\": {why}"))
    })?;
    Ok(Some(version).filter(|version| *version > 0))
}

/// Whether a parameter is given and not false.
fn is_set(params: &Params, name: &str) -> bool {
    params.get(name).is_some_and(|value| value == "true" || value == "1")
}

fn answer_json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(value.to_string())).into_response()
}
