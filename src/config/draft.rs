//! A first rollout file, drafted from what was read of the clusters that are there: a text with a comment on every line that
//! somebody has to look at. What could not be read stands there as a comment, with where it is found.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::runbook::text::clean_line;

/// The longest name that a partition may have.
const NAME: usize = 40;
/// The longest identifier that RDS gives to a snapshot.
const IDENTIFIER: usize = 63;
/// The rollout's own identifier; part of the snapshots' names.
const ROLLOUT: &str = "restart";
/// What ends a cluster's identifier without saying anything.
const ENDINGS: [&str; 4] = ["-auroracluster", "-aurora-cluster", "-cluster", "-aurora"];

/// What a draft is made from.
#[derive(Debug, Clone)]
pub struct Survey {
    /// When the clusters were read.
    pub read_at: Timestamp,
    /// IANA name of the time zone in which the rollout will show times.
    pub time_zone: String,
    /// The clusters.
    pub clusters: Vec<Found>,
    /// What is not in the file and why, a line each.
    pub remarks: Vec<String>,
}

/// An Aurora PostgreSQL cluster as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The profile through which it was found.
    pub profile: String,
    /// Its region.
    pub region: String,
    /// The account that STS answered; none where it did not answer.
    pub account: Option<String>,
    /// Its identifier.
    pub id: String,
    /// `available`, …
    pub status: String,
    /// Its engine's version.
    pub engine_version: Option<String>,
    /// Host and port of its writer endpoint.
    pub endpoint: Option<String>,
    /// The cluster parameter group that is attached.
    pub parameter_group: Option<String>,
    /// Database Insights mode.
    pub insights_mode: Option<String>,
    /// Performance Insights retention, in days.
    pub insights_retention_days: Option<i32>,
    /// Its instances.
    pub members: Vec<Member>,
}

/// An instance of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identifier.
    pub id: String,
    /// Whether the API called it the writer.
    pub is_writer: bool,
    /// Its class; none where the instances could not be read.
    pub class: Option<String>,
}

/// The rollout file's text: a partition for each cluster, and the steps of a restart with a failover, which need neither
/// Kubernetes nor SQL nor 1Password.
pub fn text(survey: &Survey) -> String {
    // Partitions are taken in the order of the file: production comes after what is less dear.
    let mut clusters = survey.clusters.clone();
    clusters.sort_by_key(speaks_of_production);
    let infrastructures = infrastructures(&clusters);
    let names = names(&clusters, &infrastructures);
    let mut text = head(survey);
    for (found, name) in clusters.iter().zip(&names) {
        text.push_str(&partition(found, name, &infrastructures[found.profile.as_str()]));
    }
    text.push_str(&steps(&clusters));
    text
}

fn head(survey: &Survey) -> String {
    let day = survey.read_at.strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!(
        "# Drafted by `aurora-cockpit init` from what AWS answered at {day}. Nothing was changed anywhere.\n\
         # What could be read is set. What could not stands as a comment, with where it is found.\n\
         # Next: take out the partitions that have no part in it, put the others in the order in which they are to be taken,\n\
         # the harmless ones first, then `aurora-cockpit config validate` and `aurora-cockpit rehearse --rollout` this file.\n"
    );
    if !survey.remarks.is_empty() {
        text.push_str("#\n# Not in this file:\n");
        text.extend(survey.remarks.iter().map(|remark| format!("# - {}\n", clean_line(remark))));
    }
    text.push_str(&format!(
        "\nid = {} # part of every snapshot's name\n\
         title = \"Restart Aurora clusters with a failover\" # say what the rollout is for\n\
         # reference = \"https://…\"   # where its runbook is\n\
         time_zone = {} # times are shown in it\n",
        quoted(ROLLOUT),
        quoted(&survey.time_zone),
    ));
    text
}

fn partition(found: &Found, name: &str, infrastructure: &str) -> String {
    let id = quoted(&found.id);
    let version = found.engine_version.as_deref().unwrap_or("of unknown version");
    let mut lines = vec![
        String::new(),
        format!(
            "# {}: {}, Aurora PostgreSQL {}",
            clean_line(&found.id),
            clean_line(&found.status),
            clean_line(version)
        ),
        "[[partitions]]".to_owned(),
        format!("name = {} # from the cluster's name", quoted(name)),
        format!("infrastructure = {} # guessed from the names; texts may refer to it", quoted(infrastructure)),
        production(found),
        "# approval = \"second-person\"   # another user must approve, in a monitor, whatever changes something here"
            .to_owned(),
        String::new(),
        "[partitions.aws]".to_owned(),
        format!("profile = {}", quoted(&found.profile)),
        format!("region = {}", quoted(&found.region)),
        match &found.account {
            Some(account) => format!("account = {} # STS must answer it", quoted(account)),
            None => "# account = \"…\"   # aws sts get-caller-identity".to_owned(),
        },
        String::new(),
        "[partitions.cluster]".to_owned(),
        format!("id = {id}"),
    ];
    lines.extend(cluster(found));
    lines.extend(by_hand(found));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Where the name speaks of production the file does so as well: a guess errs on the side on which names must be typed.
fn production(found: &Found) -> String {
    if speaks_of_production(found) {
        return "production = true # guessed: the name says prod; a change then asks for the cluster's name".to_owned();
    }
    "production = false # guessed: no name says prod; true asks for the cluster's name at every change".to_owned()
}

fn speaks_of_production(found: &Found) -> bool {
    [&found.id, &found.profile].iter().any(|name| name.to_lowercase().contains("prod"))
}

/// What is expected of the cluster: as it is now.
fn cluster(found: &Found) -> Vec<String> {
    // The writer first, as an operator thinks of them.
    let mut members: Vec<_> = found.members.iter().collect();
    members.sort_by_key(|member| !member.is_writer);
    let mut lines = vec![match members.as_slice() {
        [] => "# members = [\"…\"]   # it has no instances: aws rds describe-db-clusters".to_owned(),
        members => {
            let ids: Vec<_> = members.iter().map(|member| quoted(&member.id)).collect();
            let writer = if members[0].is_writer { "the writer first" } else { "RDS named no writer" };
            format!("members = [{}] # {writer}", ids.join(", "))
        }
    }];
    if members.len() == 1 {
        lines.push("# only one instance: there is no reader that could be restarted or failed over to".to_owned());
    }
    lines.push(
        "apply_immediately = true # whether a deploy restarts instances itself; no step below deploys".to_owned(),
    );
    let classes: Vec<_> = members.iter().filter_map(|member| member.class.as_deref()).collect();
    match classes.split_first() {
        Some((class, others)) => {
            lines.push(format!("class_before = {}", quoted(class)));
            if others.iter().any(|other| other != class) {
                lines.push(format!("# the instances differ in class: {}", clean_line(&classes.join(", "))));
            }
        }
        None => lines.push("# class_before = \"…\"   # aws rds describe-db-instances".to_owned()),
    }
    lines.push(match &found.parameter_group {
        Some(group) => format!("group_before = {}", quoted(group)),
        None => "# group_before = \"…\"   # aws rds describe-db-clusters".to_owned(),
    });
    lines.push(match found.insights_mode.as_deref() {
        Some(mode @ ("standard" | "advanced")) => format!("insights_mode = {}", quoted(mode)),
        _ => "# insights_mode = \"standard\"   # or \"advanced\"; RDS did not answer it".to_owned(),
    });
    let days = found.insights_retention_days.map_or_else(
        || "# insights_retention_days = 7   # only where a deploy sets it; RDS did not answer it".to_owned(),
        |days| format!("# insights_retention_days = {days}   # as it is now; only where a deploy sets it"),
    );
    lines.push(days);
    lines
}

/// What AWS does not know, or what somebody has to decide.
fn by_hand(found: &Found) -> Vec<String> {
    let endpoint = found.endpoint.as_deref().map(clean_line);
    let endpoint = endpoint.unwrap_or_else(|| "unknown; aws rds describe-db-clusters".to_owned());
    let lines = [
        "",
        "# [partitions.window]   # the agreed window",
        "# opens = \"2026-05-14 23:00\"   # in the rollout's time zone",
        "# lasts = \"2h\"",
        "",
        &format!("# [partitions.sql]   # for steps that speak SQL; writer endpoint: {endpoint}"),
        "# database = \"…\"   # psql -l",
        "# user = \"…\"   # a role with pg_monitor",
        "# password = { op = \"op://vault/item/field\" }   # or { secrets-manager = { id = \"…\" } }, { env = \"…\" }, { iam = true }",
        "",
        "# [partitions.kubernetes]   # for steps that deploy",
        "# context = \"…\"   # kubectl config get-contexts",
        "# namespace = \"…\"   # kubectl get namespaces",
        "",
        "# [partitions.application]   # for steps that sign in, and as a witness of a failover",
        "# url = \"https://…\"",
    ];
    lines.map(str::to_owned).into()
}

fn steps(clusters: &[Found]) -> String {
    // A cluster's own name keeps the snapshots of two rollouts apart, where RDS takes a name of that length.
    let longest = clusters.iter().map(|found| found.id.len()).max().unwrap_or_default();
    let fits = longest + 1 + ROLLOUT.len() <= IDENTIFIER;
    let snapshot = if fits { "${cluster}-${rollout}" } else { "${rollout}-${partition}" };
    STEPS.replace("SNAPSHOT", snapshot)
}

/// The steps, which every partition takes in this order.
const STEPS: &str = include_str!("draft/steps.toml");

/// The infrastructure of each profile: the word with which all its clusters begin, where no other profile's do; otherwise
/// the profile's own name. One profile is never two infrastructures, since a rehearsal gives each an account of its own.
fn infrastructures(clusters: &[Found]) -> HashMap<&str, String> {
    let mut words: HashMap<&str, Option<&str>> = HashMap::new();
    for found in clusters {
        let word = found.id.split_once('-').map(|(word, _)| word);
        let common = words.entry(&found.profile).or_insert(word);
        if *common != word {
            *common = None;
        }
    }
    let alone = |word: &str| words.values().filter(|other| **other == Some(word)).count() == 1;
    let mut names = HashMap::new();
    for (profile, word) in &words {
        names.insert(*profile, word.filter(|word| alone(word)).unwrap_or(profile).to_owned());
    }
    names
}

/// A name for each partition: its cluster's without what it shares with the others, as long as that is no other one's too.
fn names(clusters: &[Found], infrastructures: &HashMap<&str, String>) -> Vec<String> {
    let short: Vec<_> =
        clusters.iter().map(|found| slug(core(&found.id, &infrastructures[found.profile.as_str()]))).collect();
    let mut names: Vec<String> = Vec::new();
    for (found, name) in clusters.iter().zip(&short) {
        let shared = short.iter().filter(|other| *other == name).count() > 1;
        let name = if shared { slug(&found.id) } else { name.clone() };
        names.push(unique(name, &names));
    }
    names
}

/// `dev` of `alpha002-dev-auroracluster`, where `alpha002` is the infrastructure.
fn core<'a>(id: &'a str, infrastructure: &str) -> &'a str {
    let rest = id.strip_prefix(infrastructure).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
    ENDINGS.iter().find_map(|ending| rest.strip_suffix(ending)).filter(|rest| !rest.is_empty()).unwrap_or(rest)
}

/// A text as the name of a partition.
fn slug(text: &str) -> String {
    let plain = text.to_lowercase().replace(|each: char| !each.is_ascii_alphanumeric(), "-");
    let words: Vec<_> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(NAME).collect();
    match name.trim_end_matches('-') {
        "" => "cluster".to_owned(),
        name => name.to_owned(),
    }
}

/// The name, with a number where it is taken.
fn unique(name: String, taken: &[String]) -> String {
    let numbered = |number: usize| {
        let ending = format!("-{number}");
        let begin: String = name.chars().take(NAME - ending.len()).collect();
        format!("{begin}{ending}")
    };
    let mut candidates = std::iter::once(name.clone()).chain((2..).map(numbered));
    candidates.find(|candidate| !taken.contains(candidate)).unwrap_or_else(|| name.clone())
}

/// A text as a TOML string that stands for itself: a placeholder in it is none.
fn quoted(text: &str) -> String {
    toml::Value::String(clean_line(text).replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests;
