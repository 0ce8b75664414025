//! Pods that somebody makes by hand: a bastion, a probe. They run whatever their image is; what they do is read off their
//! containers' arguments, of which the site knows those of `socat`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::objects::{Kind, Object, metadata, time};
use super::pod::address;
use super::status::Failure;
use super::{Api, Asked};
use crate::sim::world::operations::{Guest, Operations};
use crate::sim::world::{SitePartition, World};

/// How long it takes until a pod's containers run, by the log's measure.
const STARTS_AFTER: Duration = Duration::from_secs(4);

/// Where each listening port of a pod leads: host and port.
pub type Routes = BTreeMap<u16, (String, u16)>;

/// Answers `POST …/pods`.
///
/// # Errors
/// No pod, one without a name, or one whose name is taken; a namespace that is not there.
pub fn create(api: &Api, asked: &Asked, body: &[u8]) -> Result<Response, Failure> {
    let pod: Value =
        serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("error decoding pod: {error}")))?;
    let has_containers = pod["spec"]["containers"].as_array().is_some_and(|containers| !containers.is_empty());
    let name = pod["metadata"]["name"].as_str().filter(|name| !name.is_empty() && has_containers);
    let name = name.ok_or_else(|| Failure::bad_request("a pod needs a name and containers"))?.to_owned();
    let namespace = asked.namespace().unwrap_or_default().to_owned();
    if !asked.params.contains_key("dryRun") {
        api.site.change(|world| make(world, api, &namespace, &name, pod))?;
    }
    let mut answer = api.show(asked, &name)?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

fn make(world: &mut World, api: &Api, namespace: &str, name: &str, asked: Value) -> Result<(), Failure> {
    let operations = here(world, api, namespace).ok_or_else(|| Failure::not_found(Kind::Namespace, namespace))?;
    if operations.pod(name).is_some() || operations.guest(name).is_some() {
        let message = format!("pods \"{name}\" already exists");
        return Err(Failure::new(StatusCode::CONFLICT, "AlreadyExists", message));
    }
    let version = operations.touch();
    let lives = asked["spec"]["activeDeadlineSeconds"].as_u64().map(Duration::from_secs);
    let guest = Guest {
        name: name.to_owned(),
        asked,
        created: Timestamp::now(),
        started: None,
        ended: None,
        version,
        born: version,
    };
    operations.guests.push(guest);
    let speed = api.site.speed;
    let mut later = |after: Duration, change: fn(&mut Guest)| {
        let (api, namespace, name) = (api.clone(), namespace.to_owned(), name.to_owned());
        let act = move |world: &mut World, _: f64| {
            if let Some(operations) = here(world, &api, &namespace) {
                operations.change_guest(&name, change);
            }
        };
        world.later(after, speed, Box::new(act));
    };
    later(STARTS_AFTER, |guest| guest.started = Some(Timestamp::now()));
    if let Some(lives) = lives {
        later(lives, |guest| guest.ended = Some(Timestamp::now()));
    }
    Ok(())
}

/// Answers `DELETE …/pods/NAME`: a guest goes at once.
///
/// # Errors
/// No such pod, or one of the application's, which the site does not let be deleted.
pub fn delete(api: &Api, asked: &Asked) -> Result<Response, Failure> {
    let (namespace, name) = (asked.namespace().unwrap_or_default(), asked.name()?);
    let shown = api.show(asked, name)?;
    let removed = api.site.change(|world| {
        let operations = here(world, api, namespace)?;
        let place = operations.guests.iter().position(|guest| guest.name == name)?;
        operations.touch();
        Some(operations.guests.remove(place))
    });
    match removed {
        Some(_) => Ok(shown.into_response()),
        None => {
            Err(Failure::denied("", "pods", Some(name), "the site lets only pods be deleted that were made by hand"))
        }
    }
}

fn here<'a>(world: &'a mut World, api: &Api, namespace: &str) -> Option<&'a mut Operations> {
    let here = |partition: &&mut SitePartition| {
        partition.infrastructure == *api.infrastructure && partition.operations.namespace == namespace
    };
    world.partitions.iter_mut().find(here).map(|partition| &mut partition.operations)
}

/// A guest as the API shows it.
pub fn object(operations: &Operations, guest: &Guest) -> Object {
    let mut shown = metadata(operations, Kind::Pod, &guest.name, guest.version, guest.created);
    for member in ["labels", "annotations"] {
        if guest.asked["metadata"][member].is_object() {
            shown[member] = guest.asked["metadata"][member].clone();
        }
    }
    let json = json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": shown, "spec": guest.asked["spec"], "status": status(guest),
    });
    Object { name: guest.name.clone(), version: guest.version, born: guest.born, json }
}

fn status(guest: &Guest) -> Value {
    let state = match (guest.started, guest.ended) {
        (Some(started), Some(ended)) => json!({ "terminated": {
            "exitCode": 143, "reason": "Error", "startedAt": time(started), "finishedAt": time(ended),
        }}),
        (Some(started), None) => json!({ "running": { "startedAt": time(started) } }),
        (None, _) => json!({ "waiting": { "reason": "ContainerCreating" } }),
    };
    let containers = guest.asked["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let statuses = containers.iter().map(|container| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "state": state, "lastState": {},
            "ready": guest.runs(), "started": guest.runs(), "restartCount": 0,
        })
    });
    let phase = match (guest.started, guest.ended) {
        (_, Some(_)) => "Failed",
        (Some(_), None) => "Running",
        (None, None) => "Pending",
    };
    let mut status = Map::new();
    status.insert("phase".into(), json!(phase));
    if guest.ended.is_some() {
        status.insert("reason".into(), json!("DeadlineExceeded"));
        status.insert("message".into(), json!("Pod was active on the node longer than the specified deadline"));
    }
    status.insert("startTime".into(), json!(time(guest.created)));
    let ready = if guest.runs() { "True" } else { "False" };
    status.insert("conditions".into(), json!([{ "type": "Ready", "status": ready, "lastProbeTime": null }]));
    status.insert("podIP".into(), json!(address(&guest.name, "10.1")));
    status.insert("containerStatuses".into(), statuses.collect());
    Value::Object(status)
}

/// Where the ports of a guest lead, by the arguments of its containers.
pub fn routes(guest: &Guest) -> Routes {
    let containers = guest.asked["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().filter_map(|container| route(container["args"].as_array()?)).collect()
}

/// `TCP-LISTEN:15432,fork,reuseaddr TCP:host:5432`, as socat reads it.
fn route(args: &[Value]) -> Option<(u16, (String, u16))> {
    let [listens, leads] = args else { return None };
    let listens = listens.as_str()?.strip_prefix("TCP-LISTEN:")?.split(',').next()?.parse().ok()?;
    let (host, port) = leads.as_str()?.strip_prefix("TCP:")?.rsplit_once(':')?;
    Some((listens, (host.to_owned(), port.parse().ok()?)))
}
