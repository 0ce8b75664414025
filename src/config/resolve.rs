//! From the rollout file to the plan: placeholders resolved, values checked, nothing left to be found out later.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use super::document::{Node, Value, joined};
use super::problem::{Problem, meant};
use super::rollout::{ApprovalFile, BastionFile, PartitionFile, RolloutFile, SecretFile, TlsFile};
use super::scope::Scope;
use super::values::{self, Wrong};
use super::{levers, placeholder, shape, steps};
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::plan::{
    ApplicationTarget, AwsTarget, BastionTarget, Change, ClusterTarget, KubernetesTarget, Partition, Plan,
    SecretSource, SqlTarget, TlsMode, Window,
};

/// The plan that a rollout's tree amounts to, or everything that is wrong with it.
pub(super) fn plan(root: &Node) -> Result<Plan, Vec<Problem>> {
    let mut findings = Findings { problems: shape::check(root, &schemars::schema_for!(RolloutFile)) };
    let top = At { node: root, key: String::new() };
    let zone = findings.value(&top, &["time_zone"], values::time_zone).unwrap_or(TimeZone::UTC);
    findings.value(&top, &["id"], values::slug);
    findings.named_list(&top, "partitions", "name");
    findings.named_list(&top, "steps", "id");
    steps::check_names(&top, &mut findings);
    let partitions =
        below(&top, "partitions").into_iter().filter_map(|item| partition(&top, &item, &zone, &mut findings)).collect();
    let text = |name: &str| root.get(name).and_then(Node::text).map(str::to_owned);
    if !findings.problems.is_empty() {
        return Err(findings.problems);
    }
    let change = |node: &Node| -> Option<Change> {
        let text = |name: &str| node.get(name)?.text().map(str::to_owned);
        Some(Change { what: text("what")?, repository: text("repository")?, reference: text("reference")? })
    };
    Ok(Plan {
        id: text("id").unwrap_or_default(),
        title: text("title").unwrap_or_default(),
        reference: text("reference"),
        time_zone: text("time_zone").unwrap_or_default(),
        changes: root.get("changes").into_iter().flat_map(Node::items).filter_map(change).collect(),
        partitions,
    })
}

/// A value of the tree and the key that leads to it.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    pub node: &'a Node,
    pub key: String,
}

/// The items of a list, each with its name in its key.
pub(super) fn below<'a>(at: &At<'a>, list: &str) -> Vec<At<'a>> {
    let items = at.node.get(list).map(Node::items).unwrap_or_default();
    let key = joined(&at.key, list);
    let item = |(index, node): (usize, &'a Node)| {
        let key = node.name().map_or_else(|| format!("{key}[{index}]"), |name| joined(&key, name));
        At { node, key }
    };
    items.iter().enumerate().map(item).collect()
}

/// What was found to be wrong so far.
#[derive(Debug)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
}

impl Findings {
    /// Something is wrong with the value that the keys lead to, or with its absence.
    pub fn add(&mut self, at: &At<'_>, keys: &[&str], message: impl Into<String>, help: Option<String>) {
        let place = &at.node.nearest(keys).place;
        let key = keys.iter().fold(at.key.clone(), |key, name| joined(&key, name));
        self.problems.push(place.problem(&key, message, help));
    }

    /// Checks the text that the keys lead to, if there is one.
    pub fn value<T>(&mut self, at: &At<'_>, keys: &[&str], check: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let text = at.node.at(keys)?.text()?;
        // A text with a placeholder that has no value was reported already.
        if text.is_empty() || text.contains("${") {
            return None;
        }
        check(text).map_err(|Wrong { message, help }| self.add(at, keys, message, help)).ok()
    }

    /// A value that must be there.
    pub fn required(&mut self, at: &At<'_>, keys: &[&str]) -> Option<String> {
        let node = at.node.at(keys);
        match node {
            Some(node) if node.text().is_some_and(|text| !text.trim().is_empty()) => node.text().map(str::to_owned),
            Some(node) if node.text().is_some() => {
                self.add(at, keys, "is empty", None);
                None
            }
            // Of another type: reported already.
            Some(_) => None,
            None => {
                self.add(at, keys, "is missing", None);
                None
            }
        }
    }

    /// The typed form of a tree. Where it has none, its shape was reported already.
    pub fn typed<T: DeserializeOwned>(&mut self, at: &At<'_>) -> Option<T> {
        match serde_json::from_value(at.node.json()) {
            Ok(typed) => Some(typed),
            Err(error) => {
                if self.problems.is_empty() {
                    self.add(at, &[], error.to_string(), None);
                }
                None
            }
        }
    }

    /// A list of tables, not empty, whose names are slugs and stand once each.
    fn named_list(&mut self, top: &At<'_>, list: &str, name_key: &str) {
        if let Some(Value::List(items)) = top.node.get(list).map(|node| &node.value)
            && items.is_empty()
        {
            self.add(top, &[list], "is empty, so there would be nothing to do", None);
        }
        let mut seen: Vec<&str> = Vec::new();
        for item in below(top, list) {
            let Some(name) = item.node.get(name_key).and_then(Node::text) else {
                // Steps must have their id by their shape; partitions share theirs with the defaults.
                if name_key == "name" {
                    self.add(&item, &[name_key], "is missing", None);
                }
                continue;
            };
            self.value(&item, &[name_key], values::slug);
            if seen.contains(&name) {
                self.add(&item, &[name_key], format!("`{name}` is there twice"), Some("names stand once".to_owned()));
            }
            seen.push(name);
        }
    }
}

fn partition(top: &At<'_>, item: &At<'_>, zone: &TimeZone, findings: &mut Findings) -> Option<Partition> {
    let mut merged = Node::empty_table(&item.node.place);
    if let Some(defaults) = top.node.get("defaults") {
        merged.value = defaults.value.clone();
        if defaults.get("name").is_some() {
            findings.add(top, &["defaults", "name"], "belongs to a partition, not to the defaults", None);
        }
    }
    merged.overlay(item.node.clone(), &item.key, &mut findings.problems);
    let scope = Scope::new(top.node, &merged);
    let resolved = placeholder::resolve(&merged, &item.key, &scope, &mut findings.problems);
    let at = At { node: &resolved, key: item.key.clone() };
    let file: PartitionFile = findings.typed(&at)?;
    let name = findings.required(&at, &["name"])?;
    let production = file.production.unwrap_or(false);
    let infrastructure = findings.required(&at, &["infrastructure"]);
    let cluster = cluster(&at, &file, findings);
    let aws = aws(&at, &file, findings);
    let sql = file.sql.is_some().then(|| sql(&at, &file, findings));
    let kubernetes = file.kubernetes.is_some().then(|| kubernetes(&at, findings));
    let application = file.application.is_some().then(|| application(&at, &file, findings));
    let window = file.window.is_some().then(|| agreed(&at, zone, findings));
    let partition = Partition {
        name: PartitionName::new(name),
        infrastructure: infrastructure.unwrap_or_default(),
        production,
        aws,
        cluster,
        sql: sql.flatten(),
        kubernetes: kubernetes.flatten(),
        application: application.flatten(),
        window: window.flatten(),
        steps: Vec::new(),
        levers: Vec::new(),
    };
    let declared = steps::Declared {
        sql: file.sql.is_some(),
        kubernetes: file.kubernetes.is_some(),
        application: file.application.is_some(),
    };
    let guarded = file.approval == Some(ApprovalFile::SecondPerson);
    let steps = steps::steps(top, &at, &scope, &partition, (declared, guarded), findings);
    let partition = Partition { steps, ..partition };
    let mut levers = levers::levers(&partition);
    for lever in &mut levers {
        lever.second_person = guarded && lever.kind.changes_the_world();
    }
    Some(Partition { levers, ..partition })
}

fn aws(at: &At<'_>, file: &PartitionFile, findings: &mut Findings) -> AwsTarget {
    let region = findings.required(at, &["aws", "region"]);
    findings.value(at, &["aws", "region"], values::region);
    findings.value(at, &["aws", "account"], values::account);
    let aws = file.aws.clone();
    let (profile, account) = aws.map_or((None, None), |aws| (aws.profile, aws.account));
    AwsTarget { profile, region: region.unwrap_or_default(), account }
}

fn cluster(at: &At<'_>, file: &PartitionFile, findings: &mut Findings) -> ClusterTarget {
    let id = findings.required(at, &["cluster", "id"]).unwrap_or_default();
    findings.value(at, &["cluster", "id"], values::rds_identifier);
    findings.value(at, &["cluster", "class_before"], values::instance_class);
    findings.value(at, &["cluster", "class_after"], values::instance_class);
    let cluster = file.cluster.clone();
    if cluster.as_ref().is_some_and(|cluster| cluster.apply_immediately.is_none()) {
        let help = "true where the deploy restarts the instances itself, false where it queues their changes";
        findings.add(at, &["cluster", "apply_immediately"], "is missing", Some(help.to_owned()));
    }
    let members = cluster.as_ref().and_then(|cluster| cluster.members.clone());
    if members.as_ref().is_some_and(Vec::is_empty) {
        findings.add(at, &["cluster", "members"], "is empty", Some("leave it out for the usual names".to_owned()));
    }
    let members = members.unwrap_or_else(|| vec![format!("{id}Writer"), format!("{id}Reader1")]);
    let class_before = cluster.as_ref().and_then(|cluster| cluster.class_before.clone());
    ClusterTarget {
        expected_members: members.into_iter().map(InstanceId::new).collect(),
        apply_immediately: cluster.as_ref().and_then(|cluster| cluster.apply_immediately).unwrap_or_default(),
        class_after: cluster.as_ref().and_then(|cluster| cluster.class_after.clone()).or_else(|| class_before.clone()),
        class_before,
        group_before: cluster.as_ref().and_then(|cluster| cluster.group_before.clone()),
        insights_retention_days: cluster.as_ref().and_then(|cluster| cluster.insights_retention_days),
        insights_mode: cluster.and_then(|cluster| cluster.insights_mode).map(|mode| {
            match mode {
                super::rollout::InsightsMode::Standard => "standard",
                super::rollout::InsightsMode::Advanced => "advanced",
            }
            .to_owned()
        }),
        id,
    }
}

fn sql(at: &At<'_>, file: &PartitionFile, findings: &mut Findings) -> Option<SqlTarget> {
    let database = findings.required(at, &["sql", "database"]);
    let user = findings.required(at, &["sql", "user"]);
    findings.value(at, &["sql", "endpoint"], values::endpoint);
    let sql = file.sql.clone()?;
    let password = secret(at, sql.password.as_ref(), findings);
    Some(SqlTarget {
        database: database?,
        user: user?,
        password: password?,
        endpoint: sql.endpoint,
        tls: match sql.tls {
            Some(TlsFile::Disable) => TlsMode::Disable,
            Some(TlsFile::VerifyFull) | None => TlsMode::VerifyFull,
        },
        ca_file: sql.ca_file,
        bastion: sql.bastion.map(|bastion| self::bastion(at, bastion, findings)),
    })
}

/// What a bastion is made of unless the file says otherwise. It has to forward a port and to do nothing else: an image
/// with `psql`, which people use by hand, has nothing that could.
const BASTION_IMAGE: &str = "alpine/socat:1.8.0.0";
/// How long a bastion may live unless the file says otherwise.
const BASTION_DEADLINE: Duration = Duration::from_secs(3600);

fn bastion(at: &At<'_>, file: BastionFile, findings: &mut Findings) -> BastionTarget {
    let keys = ["sql", "bastion"];
    if at.node.at(&["sql", "endpoint"]).is_some() {
        let help = "one of them leads to the databases: remove the other";
        findings.add(at, &keys, "stands beside `endpoint`", Some(help.to_owned()));
    }
    if at.node.at(&["kubernetes"]).is_none() {
        let help = "[partitions.kubernetes] says in which context it is made";
        findings.add(at, &keys, "needs a Kubernetes", Some(help.to_owned()));
    }
    let deadline = findings.value(at, &["sql", "bastion", "deadline"], values::duration);
    let text = |keys: &[&str]| at.node.at(keys).and_then(Node::text).map(str::to_owned);
    let namespace = file.namespace.or_else(|| text(&["kubernetes", "namespace"]));
    BastionTarget {
        kubernetes: KubernetesTarget {
            context: text(&["kubernetes", "context"]).unwrap_or_default(),
            namespace: namespace.unwrap_or_default(),
        },
        image: file.image.unwrap_or_else(|| BASTION_IMAGE.to_owned()),
        deadline: deadline.unwrap_or(BASTION_DEADLINE),
    }
}

fn secret(at: &At<'_>, file: Option<&SecretFile>, findings: &mut Findings) -> Option<SecretSource> {
    let keys = ["sql", "password"];
    let help = || Some("one of `op`, `secrets-manager`, `env`, `iam = true`".to_owned());
    let Some(SecretFile { op, secrets_manager, env, iam }) = file else {
        findings.add(at, &keys, "is missing", help());
        return None;
    };
    findings.value(at, &["sql", "password", "op"], values::op_reference);
    match (op, secrets_manager, env, iam) {
        (Some(reference), None, None, None) => Some(SecretSource::Op(reference.clone())),
        (None, Some(secret), None, None) => {
            Some(SecretSource::SecretsManager { id: secret.id.clone(), key: secret.key.clone() })
        }
        (None, None, Some(variable), None) => Some(SecretSource::Env(variable.clone())),
        (None, None, None, Some(true)) => Some(SecretSource::Iam),
        _ => {
            findings.add(at, &keys, "must be read in exactly one place", help());
            None
        }
    }
}

fn kubernetes(at: &At<'_>, findings: &mut Findings) -> Option<KubernetesTarget> {
    let context = findings.required(at, &["kubernetes", "context"]);
    let namespace = findings.required(at, &["kubernetes", "namespace"]);
    Some(KubernetesTarget { context: context?, namespace: namespace? })
}

fn application(at: &At<'_>, file: &PartitionFile, findings: &mut Findings) -> Option<ApplicationTarget> {
    let url = findings.required(at, &["application", "url"]);
    findings.value(at, &["application", "url"], values::url);
    findings.value(at, &["application", "credentials"], |text| values::pair(text, "vault/item"));
    let application = file.application.clone()?;
    Some(ApplicationTarget {
        url: url?,
        health_path: application.health_path.unwrap_or_else(|| "/".to_owned()),
        credentials: application.credentials,
    })
}

fn agreed(at: &At<'_>, zone: &TimeZone, findings: &mut Findings) -> Option<Window> {
    let from = findings.value(at, &["window", "opens"], |text| values::moment(text, zone));
    let lasts = findings.value(at, &["window", "lasts"], values::duration);
    let (from, lasts) = (from?, lasts?);
    let to = from.checked_add(lasts).map_err(|_| findings.add(at, &["window", "lasts"], "is too long", None)).ok()?;
    Some(Window { from, to })
}

/// Checks that each name of a list is one of the known ones.
pub(super) fn check_members(at: &At<'_>, list: &str, known: &[&str], what: &str, findings: &mut Findings) {
    let Some(node) = at.node.get(list) else { return };
    for item in node.items() {
        if let Some(name) = item.text()
            && !known.contains(&name)
        {
            let key = joined(&at.key, list);
            let help = meant(name, known.iter().copied());
            findings.problems.push(item.place.problem(&key, format!("there is no {what} `{name}`"), help));
        }
    }
}
