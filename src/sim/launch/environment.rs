//! The files and variables by which programs find the site: AWS configuration, kubeconfig, stand-ins, overlay.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use toml::Table;

use super::servers::Servers;
use super::trees::Trees;
use super::{Options, write_private};
use crate::runbook::plan::{Partition, StepKind, TlsMode};
use crate::sim::standin;
use crate::sim::world::Site;
use crate::sim::world::timings::{patience, pause};

/// How long after the site's start a production window opens.
const REHEARSED_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Variables with their values, in the order in which they are shown.
pub type Variables = Vec<(String, String)>;

/// Variables of the user that would lead programs elsewhere than to the site.
pub const FOREIGN: [&str; 5] = ["AWS_", "KUBE", "OP_", "PG", "HELM_"];

/// What a shell is told to forget before it takes the site's variables.
const FORGOTTEN: [&str; 16] = [
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "PGSERVICE",
    "PGPASSWORD",
    "PGDATABASE",
];

/// Writes all files; answers the variables that lead to them. `PATH` among them is the stand-ins' directory alone.
pub fn write(options: &Options, site: &Site, servers: &Servers, trees: &Trees) -> io::Result<Variables> {
    let dir = &options.dir;
    write_private(&dir.join("aws-config"), &aws_config(site, dir), false)?;
    write_private(&dir.join("aws-credentials"), "# Sessions have no keys in files.\n", false)?;
    write_private(&dir.join("kubeconfig"), &kubeconfig(options, servers), false)?;
    write_private(&dir.join("pgpass"), &pgpass(options, site, servers), false)?;
    write_private(&dir.join("overlay.toml"), &overlay(options, site, servers, trees), false)?;
    stand_ins(dir)?;
    let variables = variables(options, site, servers);
    if let Some(parent) = options.env_file.parent() {
        fs::create_dir_all(parent)?;
    }
    // Renamed into place, so that whoever waits for the file finds all of it.
    let unfinished = options.env_file.with_extension("unfinished");
    write_private(&unfinished, &shell(&variables), false)?;
    fs::rename(unfinished, &options.env_file)?;
    Ok(variables)
}

fn variables(options: &Options, site: &Site, servers: &Servers) -> Variables {
    let path = |name: &str| options.dir.join(name).display().to_string();
    let address = format!("http://{}", servers.address);
    let region = options.plan.partitions.first().map_or("us-east-1", |partition| partition.aws.region.as_str());
    let mut variables: Variables = [
        ("AWS_ENDPOINT_URL", address.clone()),
        ("AWS_CONFIG_FILE", path("aws-config")),
        ("AWS_SHARED_CREDENTIALS_FILE", path("aws-credentials")),
        ("AWS_REGION", region.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_PAGER", String::new()),
        ("KUBECONFIG", path("kubeconfig")),
        ("PGPASSFILE", path("pgpass")),
        ("PGPORT", servers.databases.port.to_string()),
        ("PGSSLMODE", "disable".to_owned()),
        ("AURORA_COCKPIT_RESOLVER", servers.names.address.to_string()),
        ("AURORA_COCKPIT_OVERLAY", path("overlay.toml")),
        (standin::SITE_VARIABLE, address),
        ("PATH", path(standin::DIRECTORY)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (id, host) in database_hosts(site, servers) {
        variables.push((format!("PGHOST_{}", shouted(&id)), host));
    }
    variables
}

/// Every cluster's writer endpoint and every instance, with the address at which it listens.
fn database_hosts(site: &Site, servers: &Servers) -> Vec<(String, String)> {
    let writers = servers.databases.writers.iter().map(|(id, address)| (id.clone(), address.ip().to_string()));
    let mut hosts: Vec<_> = writers.collect();
    site.read(|world| {
        for instance in world.partitions.iter().flat_map(|partition| &partition.cluster.instances) {
            hosts.extend(instance.listens.map(|address| (instance.id.clone(), address.ip().to_string())));
        }
    });
    hosts
}

/// Profiles whose keys come from a sign-in, as those of AWS SSO do: they end, and a new sign-in gives new ones.
fn aws_config(site: &Site, dir: &Path) -> String {
    let aws = quoted(&dir.join(standin::DIRECTORY).join("aws").display().to_string());
    let mut config = String::new();
    site.read(|world| {
        for account in &world.accounts {
            // A plan without profiles takes the default one.
            let unnamed = ["default".to_owned()];
            let profiles = if account.profiles.is_empty() { &unnamed[..] } else { &account.profiles };
            for profile in profiles {
                let heading = if profile == "default" { "default".to_owned() } else { format!("profile {profile}") };
                let region = &account.region;
                let process = format!("{aws} configure export-credentials --format process --profile {profile}");
                config.push_str(&format!(
                    "[{heading}]\nregion = {region}\noutput = json\ncredential_process = {process}\n\n"
                ));
            }
        }
    });
    config
}

/// A kubeconfig, as JSON: every YAML reader takes it.
fn kubeconfig(options: &Options, servers: &Servers) -> String {
    let cluster = |(name, address): (&String, &std::net::SocketAddr)| json!({ "name": name, "cluster": { "server": format!("http://{address}") } });
    let clusters: Vec<Value> = servers.kubernetes.iter().map(cluster).collect();
    let mut contexts: Vec<Value> = Vec::new();
    for partition in &options.plan.partitions {
        let Some(target) = &partition.kubernetes else { continue };
        if contexts.iter().any(|context| context["name"] == target.context) {
            continue;
        }
        let context = json!({ "cluster": partition.infrastructure, "user": "simulated" });
        contexts.push(json!({ "name": target.context, "context": context }));
    }
    let current = contexts.first().map_or(Value::Null, |context| context["name"].clone());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": current,
        "clusters": clusters, "contexts": contexts,
        "users": [{ "name": "simulated", "user": { "token": "simulated" } }],
    });
    format!("{config:#}\n")
}

fn pgpass(options: &Options, site: &Site, servers: &Servers) -> String {
    let mut lines = String::new();
    for partition in &options.plan.partitions {
        let Some(sql) = &partition.sql else { continue };
        let name = partition.name.as_str();
        let found = site.read(|world| {
            let found = world.partitions.iter().find(|it| it.name == name)?;
            let ids = found.cluster.instances.iter().map(|instance| instance.id.clone());
            Some((found.sql_password.clone(), ids.chain([found.cluster.id.clone()]).collect::<Vec<_>>()))
        });
        let Some((password, ids)) = found else { continue };
        for (_, host) in database_hosts(site, servers).into_iter().filter(|(id, _)| ids.contains(id)) {
            lines.push_str(&format!("{host}:{}:*:{}:{password}\n", servers.databases.port, sql.user));
        }
    }
    lines
}

/// What the site changes in the rollout file's values: where the application and the working trees are.
fn overlay(options: &Options, site: &Site, servers: &Servers, trees: &Trees) -> String {
    let text = |value: String| toml::Value::String(value);
    let mut partitions = Table::new();
    for partition in &options.plan.partitions {
        partitions.insert(partition.name.to_string(), toml::Value::Table(partition_overlay(partition, site, servers)));
    }
    let mut paths = Table::new();
    paths.insert("infrastructure".into(), text(trees.infrastructure.display().to_string()));
    paths.insert("operations".into(), text(trees.operations.display().to_string()));
    let mut overlay = Table::new();
    overlay.insert("steps".into(), toml::Value::Table(steps_overlay(options)));
    overlay.insert("partitions".into(), toml::Value::Table(partitions));
    overlay.insert("paths".into(), toml::Value::Table(paths));
    format!("# Made by a simulated site.\n{overlay}")
}

fn partition_overlay(partition: &Partition, site: &Site, servers: &Servers) -> Table {
    let text = |value: String| toml::Value::String(value);
    let mut table = Table::new();
    let account = site.read(|world| {
        let mut accounts = world.accounts.iter();
        accounts.find(|account| account.infrastructure == partition.infrastructure).map(|account| account.id.clone())
    });
    if let Some(account) = account {
        // STS has one to be held against, also where the rollout file states none.
        table.insert("aws".into(), toml::Value::Table(Table::from_iter([("account".to_owned(), text(account))])));
    }
    if let (Some(_), Some(address)) = (&partition.application, servers.web.get(partition.name.as_str())) {
        let application = Table::from_iter([("url".to_owned(), text(format!("http://{address}")))]);
        table.insert("application".into(), toml::Value::Table(application));
    }
    if let Some(target) = &partition.sql {
        let mut sql = Table::new();
        if target.tls != TlsMode::Disable {
            sql.insert("tls".into(), text("disable".into()));
        }
        // A port-forward of the operator's leads to the real cluster: here it must not.
        if let (Some(_), Some(writer)) = (&target.endpoint, servers.databases.writers.get(&partition.cluster.id)) {
            sql.insert("endpoint".into(), text(writer.to_string()));
        }
        table.insert("sql".into(), toml::Value::Table(sql));
    }
    if let Some(window) = &partition.window {
        // A rehearsal takes place today: its window opens shortly and is as long as the agreed one.
        let opens = Timestamp::now() + REHEARSED_WINDOW;
        let minutes = window.to.duration_since(window.from).as_mins();
        let mut shifted = Table::new();
        shifted.insert("opens".into(), text(opens.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
        shifted.insert("lasts".into(), text(format!("{minutes}m")));
        table.insert("window".into(), toml::Value::Table(shifted));
    }
    table
}

/// The least time that a step has here, however fast the site is: programs and browsers take their own.
const LEAST_LIMIT: Duration = Duration::from_secs(30);

/// How long the rollout has patience here: what takes less time at this speed is also given up sooner. The levers' own
/// patience is not in the file, and stays as it is.
fn steps_overlay(options: &Options) -> Table {
    let mut steps = Table::new();
    for step in options.plan.partitions.iter().flat_map(|partition| &partition.steps) {
        let shorter = |time| toml::Value::String(format!("{:.1}s", patience(time, options.speed).as_secs_f64()));
        let limit = patience(step.limit, options.speed).max(LEAST_LIMIT.min(step.limit));
        let sooner = |time| toml::Value::String(format!("{:.1}s", pause(time, options.speed).as_secs_f64()));
        let mut table = Table::new();
        table.insert("limit".into(), toml::Value::String(format!("{:.1}s", limit.as_secs_f64())));
        table.insert("stuck_after".into(), shorter(step.stuck_after));
        table.insert("retry_after".into(), sooner(step.retry_after));
        if let StepKind::Command(spec) = &step.kind {
            let silence = Table::from_iter([("silence".to_owned(), shorter(spec.silence))]);
            table.insert("command".into(), toml::Value::Table(silence));
        }
        steps.insert(step.id.to_string(), toml::Value::Table(table));
    }
    steps
}

/// One script for each program, which starts this binary again.
fn stand_ins(dir: &Path) -> io::Result<()> {
    let directory = dir.join(standin::DIRECTORY);
    fs::create_dir_all(&directory)?;
    for name in standin::ON_PATH {
        write_private(&directory.join(name), &script(name)?, true)?;
    }
    Ok(())
}

/// A script that is the stand-in of that name.
pub fn script(name: &str) -> io::Result<String> {
    let cockpit = std::env::current_exe()?;
    Ok(format!("#!/bin/sh\nexec {} stand-in {name} \"$@\"\n", quoted(&cockpit.display().to_string())))
}

/// The variables as a shell takes them.
fn shell(variables: &Variables) -> String {
    let mut text = "# Leads this shell to a simulated site. Nothing here reaches a real account.\n".to_owned();
    text.push_str(&format!("unset {}\n", FORGOTTEN.join(" ")));
    for (name, value) in variables {
        let rest = if name == "PATH" { ":\"$PATH\"" } else { "" };
        text.push_str(&format!("export {name}={}{rest}\n", quoted(value)));
    }
    text
}

/// A word that a shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A name as a part of a variable's name.
fn shouted(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' }).collect()
}
