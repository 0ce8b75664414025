//! `helm`: upgrade, rollback, history, status, list.

use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Answer, Call};
use crate::sim::world::operations::{Chart, Operations, Revision, rollout};
use crate::sim::world::{Site, SitePartition, World};

const FLAGS: [&str; 11] = [
    "install",
    "wait",
    "atomic",
    "debug",
    "create-namespace",
    "reuse-values",
    "reset-values",
    "dry-run",
    "all-namespaces",
    "cleanup-on-fail",
    "short",
];
const SHORT: [(&str, &str); 6] = [
    ("-n", "namespace"),
    ("-o", "output"),
    ("-f", "values"),
    ("-i", "install"),
    ("-A", "all-namespaces"),
    ("-q", "short"),
];

/// The release and where it is.
struct Release {
    context: String,
    namespace: String,
    name: String,
}

/// The files that this call would read, so that the site sees the chart as it is on disk.
pub fn files(args: &[String]) -> Vec<(String, Option<String>)> {
    let arguments = Arguments::parse(args, &FLAGS, &SHORT);
    let ["upgrade", _, chart] = arguments.words()[..] else { return Vec::new() };
    let paths = [format!("{chart}/Chart.yaml"), format!("{chart}/values.yaml")];
    let paths = paths.into_iter().chain(arguments.values("values").into_iter().map(str::to_owned));
    paths.map(|path| (path.clone(), std::fs::read_to_string(&path).ok())).collect()
}

pub async fn run(site: &Arc<Site>, call: &Call) -> Answer {
    let arguments = Arguments::parse(&call.args, &FLAGS, &SHORT);
    let words = arguments.words();
    let Some((verb, rest)) = words.split_first() else { return Answer::failed("helm: no command\n") };
    if *verb == "version" {
        return Answer::out("version.BuildInfo{Version:\"v3.17.3\", GitCommit:\"simulated\"}\n");
    }
    let release = Release {
        context: arguments.value("kube-context").unwrap_or_default().to_owned(),
        namespace: arguments.value("namespace").unwrap_or("default").to_owned(),
        name: rest.first().map(|name| (*name).to_owned()).unwrap_or_default(),
    };
    let resource = format!("{}/{}", release.namespace, release.name);
    site.ledger.count("helm", verb, &resource, matches!(*verb, "upgrade" | "rollback"));
    if let Some(context) = unknown_context(site, &release) {
        return error(&format!("Kubernetes cluster unreachable: context \"{context}\" does not exist"));
    }
    let json = arguments.value("output") == Some("json");
    match (*verb, rest) {
        ("upgrade", [_, _]) => upgrade(site, call, &arguments, &release, json).await,
        ("rollback", [_]) => rollback(site, &release, None),
        ("rollback", [_, to]) => match to.parse() {
            Ok(to) => rollback(site, &release, Some(to)),
            Err(_) => error(&format!("could not convert revision to a number: {to}")),
        },
        ("history", [_]) => show(site, &release, |operations| history(operations, json)),
        ("status", [_]) => show(site, &release, |operations| status(operations, json, "")),
        ("list" | "ls", []) => list(site, &release, arguments.is_set("all-namespaces"), json),
        _ => error(&format!("unknown command or arguments at a simulated site: {}", words.join(" "))),
    }
}

async fn upgrade(site: &Arc<Site>, call: &Call, arguments: &Arguments, release: &Release, json: bool) -> Answer {
    let chart = match chart_of(&call.files) {
        Ok(chart) => chart,
        Err(message) => return error(&message),
    };
    let Some(partition) = find(site, release) else {
        return error(&format!("create: failed to create: namespaces \"{}\" not found", release.namespace));
    };
    if arguments.is_set("dry-run") {
        return show(site, release, |operations| status(operations, json, "Release would be upgraded.\n"));
    }
    site.change(|world| rollout::upgrade(world, &partition, chart, site.speed));
    if arguments.is_set("wait") || arguments.is_set("atomic") {
        let limit = site.scaled(Duration::from_secs(300));
        if tokio::time::timeout(limit, settled(site, &partition)).await.is_err() {
            return error("UPGRADE FAILED: timed out waiting for the condition");
        }
    }
    let said = format!("Release \"{}\" has been upgraded. Happy Helming!\n", release.name);
    show(site, release, |operations| status(operations, json, &said))
}

/// Waits until every wanted pod is a ready one of the current template.
async fn settled(site: &Arc<Site>, partition: &str) {
    let mut changes = site.changes();
    let done = |world: &World| {
        let found = world.partitions.iter().find(|it| it.name == partition).map(|it| &it.operations);
        found.is_none_or(|operations| {
            let hash = operations.current().map(|set| set.hash.clone()).unwrap_or_default();
            let ready = operations.pods.iter().filter(|pod| pod.hash == hash && pod.ready.is_some()).count();
            ready >= operations.replicas
        })
    };
    while !site.read(done) {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn rollback(site: &Arc<Site>, release: &Release, to: Option<u64>) -> Answer {
    let Some(partition) = find(site, release) else { return error("release: not found") };
    match site.change(|world| rollout::rollback(world, &partition, to.filter(|to| *to > 0), site.speed)) {
        Ok(_) => Answer::out("Rollback was a success! Happy Helming!\n"),
        Err(message) => error(&message),
    }
}

/// What the files on disk say that is to be installed.
fn chart_of(files: &[(String, Option<String>)]) -> Result<Chart, String> {
    if let Some((path, _)) = files.iter().find(|(path, text)| text.is_none() && !path.ends_with("/values.yaml")) {
        return Err(match path.strip_suffix("/Chart.yaml") {
            Some(chart) => format!("path \"{chart}\" not found"),
            None => format!("open {path}: no such file or directory"),
        });
    }
    let value = |key: &str| {
        let lines = files.iter().rev().filter_map(|(_, text)| text.as_deref()).flat_map(str::lines);
        lines.filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':')).map(unquote).next()
    };
    let missing = |key: &str| format!("chart metadata is missing {key}");
    let application = value("appVersion").ok_or_else(|| missing("appVersion"))?;
    let initializer = value("initializerVersion").ok_or_else(|| missing("initializerVersion"))?;
    let sentry = value("sentry").as_deref() == Some("true");
    Ok(Chart { application, initializer, sentry })
}

fn unquote(value: &str) -> String {
    value.trim().trim_matches(['"', '\'']).to_owned()
}

fn history(operations: &Operations, json: bool) -> Answer {
    let last = operations.revisions.last().map(|revision| revision.number);
    let line = |revision: &Revision| {
        let status = if Some(revision.number) == last { "deployed" } else { "superseded" };
        (
            revision.number,
            time(revision.deployed),
            status,
            chart_name(operations, revision),
            revision.description.clone(),
        )
    };
    let lines = operations.revisions.iter().map(line);
    if json {
        let entries: Vec<Value> = lines
            .zip(&operations.revisions)
            .map(|((number, updated, status, chart, description), revision)| {
                json!({ "revision": number, "updated": updated, "status": status, "chart": chart,
                        "app_version": revision.chart.application, "description": description })
            })
            .collect();
        return Answer::out(format!("{}\n", Value::Array(entries)));
    }
    let mut text = "REVISION\tUPDATED\tSTATUS\tCHART\tDESCRIPTION\n".to_owned();
    for (number, updated, status, chart, description) in lines {
        text.push_str(&format!("{number}\t{updated}\t{status}\t{chart}\t{description}\n"));
    }
    Answer::out(text)
}

fn status(operations: &Operations, json: bool, before: &str) -> Answer {
    let Some(revision) = operations.revisions.last() else { return error("release: not found") };
    let (name, namespace, number) = (&operations.name, &operations.namespace, revision.number);
    if json {
        let first = operations.revisions.first().map(|revision| time(revision.deployed));
        let info = json!({ "first_deployed": first, "last_deployed": time(revision.deployed), "deleted": "",
                           "description": revision.description, "status": "deployed" });
        let answer = json!({ "name": name, "info": info, "version": number, "namespace": namespace });
        return Answer::out(format!("{answer}\n"));
    }
    Answer::out(format!(
        "{before}NAME: {name}\nLAST DEPLOYED: {}\nNAMESPACE: {namespace}\nSTATUS: deployed\nREVISION: {number}\n\
         TEST SUITE: None\n",
        revision.deployed.to_zoned(TimeZone::UTC).strftime("%a %b %e %H:%M:%S %Y")
    ))
}

fn list(site: &Arc<Site>, release: &Release, everywhere: bool, json: bool) -> Answer {
    let entries: Vec<Value> = site.read(|world| {
        let here = |partition: &&SitePartition| {
            is_in(world, partition, &release.context)
                && (everywhere || partition.operations.namespace == release.namespace)
        };
        let entry = |partition: &SitePartition| {
            let operations = &partition.operations;
            let revision = operations.revisions.last()?;
            Some(json!({ "name": operations.name, "namespace": operations.namespace, "revision": revision.number.to_string(),
                         "updated": time(revision.deployed), "status": "deployed",
                         "chart": chart_name(operations, revision), "app_version": revision.chart.application }))
        };
        world.partitions.iter().filter(here).filter_map(entry).collect()
    });
    if json {
        return Answer::out(format!("{}\n", Value::Array(entries)));
    }
    let mut text = "NAME\tNAMESPACE\tREVISION\tUPDATED\tSTATUS\tCHART\tAPP VERSION\n".to_owned();
    for entry in &entries {
        let cell = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let cells = ["name", "namespace", "revision", "updated", "status", "chart", "app_version"].map(cell);
        text.push_str(&format!("{}\n", cells.join("\t")));
    }
    Answer::out(text)
}

fn show(site: &Arc<Site>, release: &Release, print: impl FnOnce(&Operations) -> Answer) -> Answer {
    let Some(partition) = find(site, release) else { return error("release: not found") };
    site.read(|world| {
        let found = world.partitions.iter().find(|it| it.name == partition);
        found.map_or_else(|| error("release: not found"), |partition| print(&partition.operations))
    })
}

/// The partition whose namespace holds the release.
fn find(site: &Arc<Site>, release: &Release) -> Option<String> {
    site.read(|world| {
        let is_it = |partition: &&SitePartition| {
            let operations = &partition.operations;
            operations.namespace == release.namespace
                && operations.name == release.name
                && is_in(world, partition, &release.context)
        };
        world.partitions.iter().find(is_it).map(|partition| partition.name.clone())
    })
}

/// Whether a kubeconfig context leads to where the partition is.
fn is_in(world: &World, partition: &SitePartition, context: &str) -> bool {
    let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition.name);
    let target = planned.and_then(|planned| planned.kubernetes.as_ref());
    target.map_or(partition.infrastructure.as_str(), |target| target.context.as_str()) == context
}

fn unknown_context(site: &Arc<Site>, release: &Release) -> Option<String> {
    let known = site.read(|world| world.partitions.iter().any(|partition| is_in(world, partition, &release.context)));
    (!known).then(|| release.context.clone())
}

fn chart_name(operations: &Operations, revision: &Revision) -> String {
    format!("{}-{}", operations.name, revision.chart.application)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn error(message: &str) -> Answer {
    Answer::failed(format!("Error: {message}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_on_disk_says_what_is_installed() {
        let files = [
            ("c/Chart.yaml".to_owned(), Some("name: operations\nversion: 2.24.0\nappVersion: \"2.24.0\"\n".to_owned())),
            ("c/values.yaml".to_owned(), Some("initializerVersion: 2.3.0\nsentry: false\n".to_owned())),
            ("v-dev.yaml".to_owned(), Some("initializerVersion: 2.5.0\nsentry: true\n".to_owned())),
        ];
        let chart = chart_of(&files).expect("a chart");
        assert_eq!(chart, Chart { application: "2.24.0".into(), initializer: "2.5.0".into(), sentry: true });
        let missing = [("c/Chart.yaml".to_owned(), None)];
        assert_eq!(chart_of(&missing).expect_err("no chart"), "path \"c\" not found");
    }
}
