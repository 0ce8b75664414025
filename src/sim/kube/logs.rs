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
use crate::runbook::situation::Situation;
use crate::sim::world::operations::life::init_name;
use crate::sim::world::operations::{DATABASES, LogLine, Operations, Pod};
use crate::sim::world::{SitePartition, World};

/// A log that is being followed.
struct Follow {
    api: Api,
    namespace: String,
    pod: String,
    container: String,
    /// Which of the container's runs.
    run: i32,
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
        let run = readable(operations, pod, &container, is_set("previous"));
        let ended = has_ended(operations, pod, &container);
        let of_run = |line: &&LogLine| line.container == container && run.as_ref() == Ok(&line.run);
        let lines = pod.log.iter().filter(of_run).cloned().collect::<Vec<_>>();
        Some((container, run, ended, lines))
    });
    let (container, run, ended, mut lines) = found.ok_or_else(|| Failure::not_found(Kind::Pod, name))?;
    let run = run.map_err(Failure::bad_request)?;
    somebody_read(api, namespace, &container, &lines);
    narrow(&mut lines, params);
    let timestamps = is_set("timestamps");
    let mut follow = Follow {
        last_seq: lines.last().map_or(0, |line| line.seq),
        lines: lines.iter().map(|line| print(line, timestamps)).collect(),
        api: api.clone(),
        namespace: namespace.to_owned(),
        pod: name.to_owned(),
        container,
        run,
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
            let lines = pod.log.iter().filter(|line| self.is_of_run(line) && line.seq > last).cloned();
            Some((lines.collect::<Vec<_>>(), has_ended(operations, pod, &self.container)))
        });
        let (lines, ended) = fresh.unwrap_or_else(|| (Vec::new(), true));
        self.last_seq = lines.last().map_or(last, |line| line.seq);
        self.lines.extend(lines.iter().map(|line| print(line, timestamps)));
        self.ended = ended;
    }

    fn is_of_run(&self, line: &LogLine) -> bool {
        line.container == self.container && line.run == self.run
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

/// Who reads why an extension cannot be made has it seen to.
fn somebody_read(api: &Api, namespace: &str, container: &str, lines: &[LogLine]) {
    let refused = |line: &LogLine| line.text.starts_with("ERROR") && line.text.contains("to create extension");
    if init_index(container).is_none() || !lines.iter().any(refused) {
        return;
    }
    api.site.change(|world| {
        let here = |partition: &&SitePartition| {
            partition.infrastructure == *api.infrastructure && partition.operations.namespace == namespace
        };
        let Some(name) = world.partitions.iter().find(here).map(|partition| partition.name.clone()) else { return };
        world.wears_off(Situation::InitExtension, &name);
    });
}

/// Which run's log is meant; the API server's words where there is none.
fn readable(operations: &Operations, pod: &Pod, container: &str, previous: bool) -> Result<i32, String> {
    let init = init_index(container);
    let started = match init {
        Some(index) => index < pod.inits.len(),
        None if container == operations.name => pod.started.is_some(),
        None => return Err(format!("container {container} is not valid for pod {}", pod.name)),
    };
    let (restarts, waits) = pod.restarts_of(init);
    if previous {
        // While it waits for its next run, the last one is the one before.
        let run = if waits { restarts } else { restarts - 1 };
        let missing = || format!("previous terminated container \"{container}\" in pod \"{}\" not found", pod.name);
        return if run >= 0 { Ok(run) } else { Err(missing()) };
    }
    if started {
        return Ok(restarts);
    }
    Err(format!("container \"{container}\" in pod \"{}\" is waiting to start: PodInitializing", pod.name))
}

fn has_ended(operations: &Operations, pod: &Pod, container: &str) -> bool {
    match init_index(container) {
        Some(index) => pod.inits.get(index).is_some_and(|run| run.exit.is_some()),
        None => container != operations.name || pod.ended.is_some(),
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
