//! Watches: a list's changes as they happen, from a resourceVersion on.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::objects::{self, Kind, Object};
use super::selector::Selector;
use super::{Api, Params, Target, table};

/// How long a watch lasts if its client does not say; the real server takes half an hour to an hour.
const USUAL_TIMEOUT: Duration = Duration::from_secs(1800);

/// A watch that is under way.
struct Watch {
    api: Api,
    kind: Kind,
    namespace: Option<String>,
    selector: Selector,
    as_table: bool,
    known: HashMap<String, Object>,
    to_send: VecDeque<Value>,
    changes: Receiver<u64>,
    until: Instant,
}

/// Answers a watch request with a stream of events, one a line.
pub fn answer(api: Api, target: &Target, selector: Selector, params: &Params, headers: &HeaderMap) -> Response {
    let timeout = params.get("timeoutSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let changes = api.site.changes();
    let mut watch = Watch {
        kind: target.kind,
        namespace: target.namespace.clone(),
        selector,
        as_table: table::is_wanted(headers),
        known: HashMap::new(),
        to_send: VecDeque::new(),
        changes,
        until: Instant::now() + timeout.unwrap_or(USUAL_TIMEOUT),
        api,
    };
    let asked_for_list = params.get("sendInitialEvents").is_some_and(|wanted| wanted == "true");
    let from = params.get("resourceVersion").and_then(|text| text.parse().ok()).filter(|version| *version > 0);
    watch.begin(from.filter(|_| !asked_for_list));
    if asked_for_list {
        watch.bookmark();
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    ([(header::CONTENT_TYPE, "application/json;stream=watch")], Body::from_stream(stream)).into_response()
}

impl Watch {
    /// Queues what happened since `from`; without it, everything that is there is new.
    fn begin(&mut self, from: Option<u64>) {
        let from = from.unwrap_or(0);
        for object in self.objects() {
            match (object.born > from || from == 0, object.version > from) {
                (true, _) => self.send("ADDED", &object),
                (false, true) => self.send("MODIFIED", &object),
                (false, false) => {}
            }
            self.known.insert(object.name.clone(), object);
        }
        if self.kind == Kind::Pod && from > 0 {
            let namespace = self.namespace.as_deref();
            let gone = self.api.site.read(|world| objects::gone(world, &self.api.infrastructure, namespace));
            for object in gone.into_iter().filter(|object| object.version > from && object.born <= from) {
                if self.selector.holds(&object.json) {
                    self.send("DELETED", &object);
                }
            }
        }
    }

    /// The next line; none once the watch's time is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.to_send.pop_front() {
                return Some(Bytes::from(format!("{event}\n")));
            }
            match tokio::time::timeout_at(self.until, self.changes.changed()).await {
                Ok(Ok(())) => self.compare(),
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Queues the differences between what was sent and what is there.
    fn compare(&mut self) {
        let objects = self.objects();
        let gone: Vec<String> =
            self.known.keys().filter(|name| !objects.iter().any(|object| &object.name == *name)).cloned().collect();
        for object in objects {
            match self.known.get(&object.name) {
                None => self.send("ADDED", &object),
                Some(known) if known.version < object.version && changed(known, &object) => {
                    self.send("MODIFIED", &object)
                }
                Some(_) => continue,
            }
            self.known.insert(object.name.clone(), object);
        }
        for name in gone {
            if let Some(object) = self.known.remove(&name) {
                self.send("DELETED", &object);
            }
        }
    }

    fn send(&mut self, event: &str, object: &Object) {
        let body =
            if self.as_table { table::of(self.kind, std::slice::from_ref(object), None) } else { object.json.clone() };
        self.to_send.push_back(json!({ "type": event, "object": body }));
    }

    /// Marks the end of the initial events.
    fn bookmark(&mut self) {
        let (version, _) = self.api.versioned(self.kind, self.namespace.as_deref());
        let metadata = json!({
            "resourceVersion": version.to_string(), "annotations": { "k8s.io/initial-events-end": "true" },
        });
        let object = json!({
            "kind": self.kind.name(), "apiVersion": self.kind.api_version(), "metadata": metadata,
        });
        self.to_send.push_back(json!({ "type": "BOOKMARK", "object": object }));
    }

    fn objects(&self) -> Vec<Object> {
        let mut objects = self.api.objects(self.kind, self.namespace.as_deref());
        objects.retain(|object| self.selector.holds(&object.json));
        objects
    }
}

/// Whether more than the version differs: a namespace's objects share their count.
fn changed(before: &Object, after: &Object) -> bool {
    let but_version = |object: &Object| {
        let mut json = object.json.clone();
        json["metadata"]["resourceVersion"] = Value::Null;
        json
    };
    but_version(before) != but_version(after)
}
