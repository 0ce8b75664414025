//! Tables: the columns that `kubectl get` prints are made by the server.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Params;
use super::objects::{Kind, Object};

/// What a row carries of its object, besides the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it, as `kubectl get --sort-by` needs it.
    Object,
}

/// The table that the client asks for; none where it wants the objects themselves.
pub fn wanted(headers: &HeaderMap, params: &Params) -> Option<Include> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok())?;
    accept.contains("as=Table").then(|| match params.get("includeObject").map(String::as_str) {
        Some("None") => Include::None,
        Some("Object") => Include::Object,
        _ => Include::Metadata,
    })
}

/// A table of objects of one kind; lists carry their resourceVersion.
pub fn of(kind: Kind, objects: &[Object], include: Include, version: Option<u64>) -> Value {
    let definitions: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({ "name": name, "type": "string", "format": format, "description": "", "priority": priority })
        })
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let carried = match include {
                Include::None => Value::Null,
                Include::Metadata => json!({
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": object.json["metadata"],
                }),
                Include::Object => object.json.clone(),
            };
            json!({ "cells": cells(kind, &object.json), "object": carried })
        })
        .collect();
    let version = version.map_or_else(|| json!({}), |version| json!({ "resourceVersion": version.to_string() }));
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": version,
        "columnDefinitions": definitions, "rows": rows,
    })
}

/// Names of the columns; those of priority 1 are for `-o wide`.
fn columns(kind: Kind) -> &'static [(&'static str, i32)] {
    match kind {
        Kind::Namespace => &[("Name", 0), ("Status", 0), ("Age", 0)],
        Kind::Pod => &[
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ],
        Kind::Secret => &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
        Kind::Event => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)],
        Kind::Deployment => &[
            ("Name", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        Kind::ReplicaSet => &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)],
        Kind::Definition => &[("Name", 0), ("Created At", 0)],
        Kind::ExternalSecret => &[("Name", 0), ("Store", 0), ("Refresh Interval", 0), ("Status", 0), ("Ready", 0)],
    }
}

fn cells(kind: Kind, object: &Value) -> Vec<Value> {
    let name = || object["metadata"]["name"].clone();
    let age = || json!(age_of(&object["metadata"]["creationTimestamp"]));
    let (spec, status) = (&object["spec"], &object["status"]);
    match kind {
        Kind::Namespace => vec![name(), status["phase"].clone(), age()],
        Kind::Pod => {
            let containers = status["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ready = containers.iter().filter(|one| one["ready"] == true).count();
            let none = || json!("<none>");
            let restarts = json!(restarts(status).to_string());
            let (address, node) = (status["podIP"].clone(), spec["nodeName"].clone());
            vec![
                name(),
                json!(format!("{ready}/{}", containers.len())),
                json!(phase(object)),
                restarts,
                age(),
                address,
                node,
                none(),
                none(),
            ]
        }
        Kind::Secret => {
            let count = object["data"].as_object().map_or(0, serde_json::Map::len);
            vec![name(), object["type"].clone(), json!(count), age()]
        }
        Kind::Event => {
            let about = &object["involvedObject"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let about = format!("{}/{}", text(&about["kind"]).to_lowercase(), text(&about["name"]));
            let (kind, reason, message) = (&object["type"], &object["reason"], &object["message"]);
            vec![json!(age_of(&object["lastTimestamp"])), kind.clone(), reason.clone(), json!(about), message.clone()]
        }
        Kind::Deployment => {
            let container = &spec["template"]["spec"]["containers"][0];
            let ready = json!(format!("{}/{}", status["readyReplicas"], spec["replicas"]));
            let selector = object["metadata"]["labels"]["app"].as_str().unwrap_or_default();
            let (updated, available) = (status["updatedReplicas"].clone(), status["availableReplicas"].clone());
            let (container, image) = (container["name"].clone(), container["image"].clone());
            vec![name(), ready, updated, available, age(), container, image, json!(format!("app={selector}"))]
        }
        Kind::ReplicaSet => {
            vec![name(), spec["replicas"].clone(), status["replicas"].clone(), status["readyReplicas"].clone(), age()]
        }
        Kind::Definition => vec![name(), object["metadata"]["creationTimestamp"].clone()],
        Kind::ExternalSecret => {
            let condition = &status["conditions"][0];
            let (store, interval) = (spec["secretStoreRef"]["name"].clone(), spec["refreshInterval"].clone());
            vec![name(), store, interval, condition["reason"].clone(), condition["status"].clone()]
        }
    }
}

/// Restarts of the main container, or of the init containers as long as these are at work.
fn restarts(status: &Value) -> i64 {
    let main = &status["containerStatuses"][0];
    let inits = status["initContainerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    match main["state"]["running"].is_object() {
        true => main["restartCount"].as_i64().unwrap_or(0),
        false => inits.iter().filter_map(|init| init["restartCount"].as_i64()).sum(),
    }
}

/// A pod's status in one word, as the API server's printer finds it.
fn phase(pod: &Value) -> String {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "Terminating".into();
    }
    let inits = pod["status"]["initContainerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (done, init) in inits.iter().enumerate() {
        let state = &init["state"];
        if state["terminated"]["exitCode"] == 0 {
            continue;
        }
        return match state["waiting"]["reason"].as_str() {
            Some(reason) if reason != "PodInitializing" => format!("Init:{reason}"),
            _ => format!("Init:{done}/{}", inits.len()),
        };
    }
    let state = &pod["status"]["containerStatuses"][0]["state"];
    state["waiting"]["reason"].as_str().or(pod["status"]["phase"].as_str()).unwrap_or("Unknown").to_owned()
}

/// How long ago a timestamp was, as kubectl writes ages.
fn age_of(timestamp: &Value) -> String {
    let Some(at) = timestamp.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else {
        return "<unknown>".into();
    };
    human(Timestamp::now().duration_since(at).as_secs().max(0))
}

/// kubectl's `HumanDuration`.
fn human(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with_rest = |whole: i64, unit: &str, rest: i64, rest_unit: &str| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{rest_unit}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => with_rest(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => with_rest(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => with_rest(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () => with_rest(days / 365, "y", days % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        for (seconds, text) in
            [(5, "5s"), (119, "119s"), (125, "2m5s"), (3599, "59m"), (4 * 3600, "4h"), (272 * 86_400, "272d")]
        {
            assert_eq!(human(seconds), text);
        }
    }
}
