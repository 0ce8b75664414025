//! Containers' logs, followed or not.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch::Receiver;

use super::objects::Kind;
use super::status::Failure;
use super::{Api, Asked, Params};
use crate::sim::world::World;
use crate::sim::world::operations::life::init_name;
use crate::sim::world::operations::{DATABASES, LogLine, Operations, Pod};

/// A log that is being followed.
struct Follow {
    api: Api,
    namespace: String,
    pod: String,
    container: String,
    timestamps: bool,
    last_seq: u64,
    lines: VecDeque<Bytes>,
    changes: Receiver<u64>,
    ended: bool,
}

/// Answers `GET …/pods/NAME/log`.
pub fn answer(api: &Api, asked: &Asked) -> Result<Response, Failure> {
    let (namespace, name, params) = (asked.namespace().unwrap_or_default(), asked.name()?, asked.params);
    let is_set = |name: &str| super::is_set(params, name);
    let changes = api.site.changes();
    let found = api.site.read(|world| {
        let operations = operations(world, &api.infrastructure, namespace)?;
        let pod = operations.pod(name)?;
        let container = params.get("container").filter(|name| !name.is_empty()).unwrap_or(&operations.name).clone();
        let readable = readable(operations, pod, &container, is_set("previous"));
        let ended = has_ended(operations, pod, &container);
        let of_container = pod.log.iter().filter(|line| line.container == container).cloned().collect::<Vec<_>>();
        Some((container, readable, ended, of_container))
    });
    let (container, readable, ended, mut lines) = found.ok_or_else(|| Failure::not_found(Kind::Pod, name))?;
    readable.map_err(Failure::bad_request)?;
    narrow(&mut lines, params);
    let timestamps = is_set("timestamps");
    let mut follow = Follow {
        last_seq: lines.last().map_or(0, |line| line.seq),
        lines: lines.iter().map(|line| print(line, timestamps)).collect(),
        api: api.clone(),
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        container,
        timestamps,
        changes,
        ended: ended || !is_set("follow"),
    };
    if follow.last_seq == 0 {
        // Nothing of the past was wanted: only what comes from now on.
        follow.last_seq = follow.newest();
    }
    let stream = futures::stream::unfold(follow, |mut follow| async move {
        let line = follow.next().await?;
        Some((Ok::<_, Infallible>(line), follow))
    });
    Ok(([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(stream)).into_response())
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.ended || self.changes.changed().await.is_err() {
                return None;
            }
            self.look();
        }
    }

    /// Takes up what was written since.
    fn look(&mut self) {
        let (last, timestamps) = (self.last_seq, self.timestamps);
        let fresh = self.api.site.read(|world| {
            let operations = operations(world, &self.api.infrastructure, &self.namespace)?;
            let pod = operations.pod(&self.pod)?;
            let lines = pod.log.iter().filter(|line| line.container == self.container && line.seq > last).cloned();
            Some((lines.collect::<Vec<_>>(), has_ended(operations, pod, &self.container)))
        });
        let (lines, ended) = fresh.unwrap_or_else(|| (Vec::new(), true));
        self.last_seq = lines.last().map_or(last, |line| line.seq);
        self.lines.extend(lines.iter().map(|line| print(line, timestamps)));
        self.ended = ended;
    }

    fn newest(&self) -> u64 {
        self.api
            .site
            .read(|world| {
                let pod = operations(world, &self.api.infrastructure, &self.namespace)?.pod(&self.pod)?;
                Some(pod.lines_written)
            })
            .unwrap_or(0)
    }
}

fn operations<'a>(world: &'a World, infrastructure: &str, namespace: &str) -> Option<&'a Operations> {
    let here = |operations: &&Operations| operations.namespace == namespace;
    let of_infrastructure = world.partitions.iter().filter(|partition| partition.infrastructure == infrastructure);
    of_infrastructure.map(|partition| &partition.operations).find(here)
}

/// Whether that container has a log; the API server's words where it has none.
fn readable(operations: &Operations, pod: &Pod, container: &str, previous: bool) -> Result<(), String> {
    let started = match init_index(container) {
        Some(index) => index < pod.inits.len(),
        None if container == operations.name => pod.started.is_some(),
        None => return Err(format!("container {container} is not valid for pod {}", pod.name)),
    };
    if previous {
        return Err(format!("previous terminated container \"{container}\" in pod \"{}\" not found", pod.name));
    }
    if started {
        return Ok(());
    }
    Err(format!("container \"{container}\" in pod \"{}\" is waiting to start: PodInitializing", pod.name))
}

fn has_ended(operations: &Operations, pod: &Pod, container: &str) -> bool {
    match init_index(container) {
        Some(index) => pod.inits.get(index).is_some_and(|run| run.exit == Some(0)),
        None => container != operations.name,
    }
}

fn init_index(container: &str) -> Option<usize> {
    (0..DATABASES.len()).find(|index| init_name(*index) == container)
}

/// Leaves the lines that the client asked for.
fn narrow(lines: &mut Vec<LogLine>, params: &Params) {
    let number = |name: &str| params.get(name).and_then(|text| text.parse::<i64>().ok());
    let since_time = params.get("sinceTime").and_then(|text| text.parse::<Timestamp>().ok());
    let since = number("sinceSeconds").map(|seconds| Timestamp::now() - SignedDuration::from_secs(seconds));
    if let Some(since) = since.or(since_time) {
        lines.retain(|line| line.at >= since);
    }
    if let Some(tail) = number("tailLines").and_then(|tail| usize::try_from(tail).ok()) {
        lines.drain(..lines.len().saturating_sub(tail));
    }
}

fn print(line: &LogLine, timestamps: bool) -> Bytes {
    if timestamps { format!("{} {}\n", line.at, line.text).into() } else { format!("{}\n", line.text).into() }
}
