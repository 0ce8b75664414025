//! Watches: a list's changes as they happen, from a resourceVersion on.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::objects::{self, Kind, Object};
use super::selector::Selector;
use super::status::Failure;
use super::{Api, Asked, is_set, resource_version, table};

/// How long a watch lasts if its client does not say; the real server takes half an hour to an hour.
const USUAL_TIMEOUT: Duration = Duration::from_secs(1800);

/// How often a bookmark comes, by the log's measure.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// How often a bookmark comes at most, however fast the site is.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// A watch that is under way.
struct Watch {
    api: Api,
    kind: Kind,
    namespace: Option<String>,
    selector: Selector,
    table: Option<table::Include>,
    /// What the client knows, by namespace and name.
    known: HashMap<String, Object>,
    /// Everything up to this resourceVersion was told.
    version: u64,
    to_send: VecDeque<Value>,
    changes: Receiver<u64>,
    /// When the next bookmark is due; none where the client wants none.
    next_bookmark: Option<Instant>,
    bookmark_interval: Duration,
    until: Instant,
    over: bool,
}

/// Answers a watch request with a stream of events, one a line.
pub fn answer(api: &Api, asked: &Asked) -> Result<Response, Failure> {
    let selector = Selector::parse(asked.params).map_err(Failure::bad_request)?;
    let from = resource_version(asked.params)?;
    let timeout = asked.params.get("timeoutSeconds").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let bookmark_interval = api.site.scaled(BOOKMARK_INTERVAL).max(SHORTEST_INTERVAL);
    let mut watch = Watch {
        kind: asked.kind,
        namespace: asked.namespace().map(str::to_owned),
        selector,
        table: asked.table(),
        known: HashMap::new(),
        version: 0,
        to_send: VecDeque::new(),
        // Before anything is looked at, so that no change is missed.
        changes: api.site.changes(),
        next_bookmark: is_set(asked.params, "allowWatchBookmarks").then(|| Instant::now() + bookmark_interval),
        bookmark_interval,
        until: Instant::now() + timeout.unwrap_or(USUAL_TIMEOUT),
        over: false,
        api: api.clone(),
    };
    let wants_list = is_set(asked.params, "sendInitialEvents");
    watch.begin(from.filter(|_| !wants_list));
    if wants_list {
        watch.bookmark(true);
    }
    let stream = futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    Ok(([(header::CONTENT_TYPE, "application/json;stream=watch")], Body::from_stream(stream)).into_response())
}

impl Watch {
    /// Queues what happened since `from`; without it, everything that is there is new.
    fn begin(&mut self, from: Option<u64>) {
        let objects = self.look();
        let Some(from) = from else {
            self.send_in_order(objects.iter().map(|object| ("ADDED", object.clone())).collect());
            self.know(objects);
            return;
        };
        let (kind, namespace) = (self.kind, self.namespace.as_deref());
        let (infrastructure, site) = (&self.api.infrastructure, &self.api.site);
        let horizon = site.read(|world| objects::horizon(world, infrastructure, kind, namespace)).max(self.api.began);
        if from < horizon {
            let failure = Failure::expired(format!("too old resource version: {from} ({horizon})"));
            self.to_send.push_back(json!({ "type": "ERROR", "object": failure.body() }));
            self.over = true;
            return;
        }
        let mut events: Vec<(&str, Object)> = Vec::new();
        for object in objects.iter().filter(|object| object.version > from) {
            events.push((if object.born > from { "ADDED" } else { "MODIFIED" }, object.clone()));
        }
        if kind == Kind::Pod {
            let gone = site.read(|world| objects::gone(world, infrastructure, namespace));
            let seen = |object: &Object| object.version > from && object.born <= from;
            let selected = gone.into_iter().filter(|object| seen(object) && self.selector.holds(&object.json));
            events.extend(selected.map(|object| ("DELETED", object)));
        }
        self.send_in_order(events);
        self.know(objects);
    }

    /// The next line; none once the watch's time is over.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.to_send.pop_front() {
                return Some(Bytes::from(format!("{event}\n")));
            }
            if self.over {
                return None;
            }
            let wake = self.next_bookmark.map_or(self.until, |due| due.min(self.until));
            match tokio::time::timeout_at(wake, self.changes.changed()).await {
                Ok(Ok(())) => self.compare(),
                Ok(Err(_)) => return None,
                Err(_) => {
                    // At its end as well, so that the client can go on from here.
                    self.over = Instant::now() >= self.until;
                    if let Some(due) = &mut self.next_bookmark {
                        *due = Instant::now() + self.bookmark_interval;
                        self.bookmark(false);
                    }
                }
            }
        }
    }

    /// Queues the differences between what was sent and what is there.
    fn compare(&mut self) {
        let objects = self.look();
        let mut events: Vec<(&str, Object)> = Vec::new();
        let mut gone = std::mem::take(&mut self.known);
        for object in &objects {
            match gone.remove(&key(object)) {
                None => events.push(("ADDED", object.clone())),
                Some(known) if changed(&known, object) => events.push(("MODIFIED", object.clone())),
                Some(_) => {}
            }
        }
        for mut object in gone.into_values() {
            object.version = self.version;
            object.json["metadata"]["resourceVersion"] = json!(self.version.to_string());
            events.push(("DELETED", object));
        }
        self.send_in_order(events);
        self.know(objects);
    }

    /// Queues events by their resourceVersions: a client goes on from the latest that it has seen.
    fn send_in_order(&mut self, mut events: Vec<(&str, Object)>) {
        events.sort_by_key(|(_, object)| object.version);
        for (event, object) in events {
            let body = match self.table {
                Some(include) => table::of(self.kind, std::slice::from_ref(&object), include, None),
                None => object.json,
            };
            self.to_send.push_back(json!({ "type": event, "object": body }));
        }
    }

    /// Queues a bookmark: everything up to its resourceVersion was told.
    fn bookmark(&mut self, ends_list: bool) {
        let mut metadata = json!({ "resourceVersion": self.version.to_string(), "creationTimestamp": null });
        if ends_list {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = match self.table {
            Some(include) => table::of(self.kind, &[], include, Some(self.version)),
            None => {
                json!({ "kind": self.kind.name(), "apiVersion": self.kind.api_version(), "metadata": metadata })
            }
        };
        self.to_send.push_back(json!({ "type": "BOOKMARK", "object": object }));
    }

    fn know(&mut self, objects: Vec<Object>) {
        self.known = objects.into_iter().map(|object| (key(&object), object)).collect();
    }

    /// What is there now, and of which resourceVersion that is.
    fn look(&mut self) -> Vec<Object> {
        let (version, mut objects) = self.api.versioned(self.kind, self.namespace.as_deref());
        self.version = version;
        objects.retain(|object| self.selector.holds(&object.json));
        objects
    }
}

/// Names are unique within their namespace only.
fn key(object: &Object) -> String {
    format!("{}/{}", object.json["metadata"]["namespace"].as_str().unwrap_or_default(), object.name)
}

/// Whether more than the version differs: a namespace's objects share their count.
fn changed(before: &Object, after: &Object) -> bool {
    let but_version = |object: &Object| {
        let mut json = object.json.clone();
        json["metadata"]["resourceVersion"] = Value::Null;
        json
    };
    before.version < after.version && but_version(before) != but_version(after)
}
