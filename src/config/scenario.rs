//! Scenario files: which situations a simulated site brings about, where, when and how often.
//!
//! A scenario is for the site alone. The cockpit that is rehearsed on it never reads one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::document::{Node, Source, Value, joined, parse};
use super::problem::{Problem, Problems, meant};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::Plan;
use crate::runbook::situation::Situation;

/// The named files of `config/scenarios`, each with its text.
macro_rules! shipped {
    ($($name:literal,)+) => { [$(($name, include_str!(concat!("../../config/scenarios/", $name, ".toml"))),)+] };
}

/// Names and texts of the scenarios that are shipped.
pub static SHIPPED: &[(&str, &str)] = &shipped![
    "infra-behind",
    "image-missing",
    "pr-not-ready",
    "op-signed-out",
    "op-item-unreadable",
    "op-item-empty",
    "sso-expired",
    "profile-missing",
    "wrong-account",
    "renamed-instance",
    "lowercased-ids",
    "namespace-missing",
    "already-touched",
    "insights-advanced",
    "snapshot-exists",
    "cluster-busy",
    "snapshot-slow",
    "access-denied",
    "op-timeout-before-deploy",
    "op-timeout-after-deploy",
    "infra-stack-failed",
    "secrets-stack-failed",
    "aurora-stack-rolled-back",
    "rollback-failed",
    "continue-rollback-race",
    "stacks-skipped",
    "dsn-empty",
    "dsn-malformed",
    "group-not-attached",
    "cdk-rebooted",
    "changes-queued",
    "prompt-hidden",
    "dynamic-late",
    "dynamic-stuck",
    "dynamic-one-wrong",
    "setting-unreadable",
    "reader-stuck",
    "reader-pending-reboot",
    "flush-reader",
    "failover-refused",
    "wait-race",
    "failover-noop",
    "endpoint-stuck",
    "cluster-terminal",
    "stale-describe",
    "demoted-not-swapped",
    "app-5xx",
    "preload-missing",
    "extension-missing",
    "max-connections-wrong",
    "snapshot-in-use",
    "regret-after-delete",
    "pods-before-secret",
    "init-preload",
    "init-extension",
    "secret-not-synced",
    "pod-crash",
    "pool-cold",
    "deployed-elsewhere",
    "login-fails",
    "stale-session",
    "backend-5xx",
    "transient-401",
    "console-noise",
    "slow-requests",
    "no-go-ahead",
    "throttled",
    "api-5xx",
    "network-lost",
    "sso-expires-midway",
    "cockpit-killed",
    "two-operators",
    "hostile-text",
    "2026-05-14",
    "worst-night",
    "bad-weather",
];

/// What a simulated site is to bring about.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// A few words.
    pub title: String,
    /// Where everything random comes from; the command line's word goes before it.
    pub seed: Option<u64>,
    /// How many of a hundred calls are struck by bad weather, all night.
    pub weather_percent: u8,
    /// The situations in the order of the file.
    pub situations: Vec<Staged>,
}

/// One situation, with its place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// Which.
    pub situation: Situation,
    /// Where; everywhere if left out.
    pub partition: Option<PartitionName>,
    /// When it begins: at the start of a step of this kind; from the start if left out.
    pub step: Option<&'static str>,
    /// How often it strikes in a partition; until it is remedied if left out.
    pub times: Option<u32>,
    /// Site time after that start.
    pub after: Duration,
}

/// Whether a scenario of that name is shipped.
pub fn is_shipped(name: &str) -> bool {
    SHIPPED.iter().any(|(shipped, _)| *shipped == name)
}

/// Reads a scenario: a shipped one by its name, or a file.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(scenario: &str, plan: &Plan) -> Result<Scenario, Problems> {
    if let Some((name, text)) = SHIPPED.iter().find(|(name, _)| *name == scenario) {
        return read(&format!("{name}.toml"), text, plan);
    }
    let path = Path::new(scenario);
    let text = fs::read_to_string(path).map_err(|error| {
        let near = meant(scenario, SHIPPED.iter().map(|(name, _)| *name)).filter(|help| help.starts_with("did you"));
        let help = near.unwrap_or_else(|| "it is neither a file nor the name of a scenario that is shipped".to_owned());
        Problems::whole_file(scenario, format!("cannot be read: {error}"), Some(help))
    })?;
    read(scenario, &text, plan)
}

/// Reads the text of a scenario.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(name: &str, text: &str, plan: &Plan) -> Result<Scenario, Problems> {
    let source = Source::new(Path::new(name), text.to_owned());
    let root = parse(&source).map_err(Problems::new)?;
    Reader { plan, root: &root, problems: Vec::new() }.scenario()
}

struct Reader<'a> {
    plan: &'a Plan,
    root: &'a Node,
    problems: Vec<Problem>,
}

const TOP: [&str; 5] = ["title", "seed", "weather_percent", "names", "situation"];
const KEYS: [&str; 5] = ["name", "partition", "step", "times", "after_s"];

impl Reader<'_> {
    fn scenario(mut self) -> Result<Scenario, Problems> {
        self.known_keys(self.root, "", &TOP);
        self.names();
        let title = self.text(self.root, "", "title").unwrap_or_default().to_owned();
        let seed = self.number(self.root, "", "seed");
        let weather_percent = self.weather_percent();
        let list = self.root.get("situation");
        if let Some(list) = list.filter(|list| !matches!(list.value, Value::List(_))) {
            let help = Some("write [[situation]], with two brackets".to_owned());
            self.problems.push(list.place.problem(
                "situation",
                format!("must be a list, and is {}", list.kind()),
                help,
            ));
        }
        let situations = list.map(Node::items).unwrap_or_default();
        if situations.is_empty() && self.problems.is_empty() {
            let help = Some("write at least one [[situation]]".to_owned());
            let place = list.map_or(&self.root.place, |node| &node.place);
            self.problems.push(place.problem("situation", "is missing: the scenario brings nothing about", help));
        }
        let staged: Vec<_> = situations
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.staged(item, &format!("situation[{index}]")))
            .collect();
        if self.problems.is_empty() {
            Ok(Scenario { title, seed, weather_percent, situations: staged })
        } else {
            Err(Problems::new(self.problems))
        }
    }

    fn staged(&mut self, item: &Node, key: &str) -> Option<Staged> {
        if !matches!(item.value, Value::Table(_)) {
            self.problems.push(item.place.problem(key, format!("must be a table, and is {}", item.kind()), None));
            return None;
        }
        self.known_keys(item, key, &KEYS);
        let situation = self.situation(item, key);
        let partition = self.partition(item, key);
        let step = self.step(item, key);
        let times = self.times(item, key);
        let after = Duration::from_secs(self.number(item, key, "after_s").unwrap_or(0));
        Some(Staged { situation: situation?, partition, step, times, after })
    }

    /// A scenario may call situations as it likes; what they are stays what it is.
    fn names(&mut self) {
        let Some(names) = self.root.get("names") else { return };
        if !matches!(names.value, Value::Table(_)) {
            self.wrong(self.root, "", "names", &format!("must be a table, and is {}", names.kind()), None);
        }
        for entry in names.entries() {
            let key = joined("names", &entry.name);
            match entry.node.text() {
                None => {
                    let message = format!("must be a text, and is {}", entry.node.kind());
                    self.problems.push(entry.node.place.problem(&key, message, None));
                }
                Some(name) if Situation::named(name).is_none() => {
                    let message = format!("there is no situation `{name}`");
                    self.problems.push(entry.node.place.problem(&key, message, meant_situation(name)));
                }
                Some(_) => {}
            }
        }
    }

    fn situation(&mut self, item: &Node, key: &str) -> Option<Situation> {
        if item.get("name").is_none() {
            self.wrong(item, key, "name", "is missing: it says which situation", None);
        }
        let name = self.text(item, key, "name")?;
        if let Some(own) = self.root.get("names").and_then(|names| names.get(name)) {
            return own.text().and_then(Situation::named);
        }
        let found = Situation::named(name);
        if found.is_none() {
            self.wrong(item, key, "name", &format!("there is no situation `{name}`"), meant_situation(name));
        }
        found
    }

    fn partition(&mut self, item: &Node, key: &str) -> Option<PartitionName> {
        let name = self.text(item, key, "partition").map(PartitionName::new)?;
        if self.plan.partition(&name).is_none() {
            let help = meant(name.as_str(), self.plan.partitions.iter().map(|partition| partition.name.as_str()));
            self.wrong(item, key, "partition", &format!("the rollout has no partition `{name}`"), help);
        }
        Some(name)
    }

    /// The kind of step that is meant, by its own name or by that of its kind.
    fn step(&mut self, item: &Node, key: &str) -> Option<&'static str> {
        let name = self.text(item, key, "step")?;
        let steps = || self.plan.partitions.iter().flat_map(|partition| &partition.steps);
        let found =
            steps().find(|step| step.id.as_str() == name || step.kind.name() == name).map(|step| step.kind.name());
        if found.is_none() {
            let mut known: Vec<&str> = steps().flat_map(|step| [step.id.as_str(), step.kind.name()]).collect();
            known.sort_unstable();
            known.dedup();
            let help = meant(name, known);
            self.wrong(item, key, "step", &format!("the rollout has no step `{name}`"), help);
        }
        found
    }

    fn times(&mut self, item: &Node, key: &str) -> Option<u32> {
        let times = self.number(item, key, "times")?;
        let fits = u32::try_from(times).ok().filter(|times| *times > 0);
        if fits.is_none() {
            let message = format!("must be from 1 to {}; leave it out for `until it is remedied`", u32::MAX);
            self.wrong(item, key, "times", &message, None);
        }
        fits
    }

    /// Where more calls are struck than arrive, nothing comes to an end.
    fn weather_percent(&mut self) -> u8 {
        const MOST: u64 = 50;
        let percent = self.number(self.root, "", "weather_percent").unwrap_or(0);
        if percent > MOST {
            self.wrong(self.root, "", "weather_percent", &format!("must be from 0 to {MOST}, and is {percent}"), None);
        }
        u8::try_from(percent.min(MOST)).unwrap_or_default()
    }

    fn text<'n>(&mut self, node: &'n Node, key: &str, name: &str) -> Option<&'n str> {
        let value = node.get(name)?;
        if value.text().is_none() {
            self.wrong(node, key, name, &format!("must be a text, and is {}", value.kind()), None);
        }
        value.text()
    }

    fn number(&mut self, node: &Node, key: &str, name: &str) -> Option<u64> {
        let value = node.get(name)?;
        let message = match &value.value {
            Value::Integer(number) => match u64::try_from(*number) {
                Ok(number) => return Some(number),
                Err(_) => format!("must not be below 0, and is {number}"),
            },
            _ => format!("must be a whole number, and is {}", value.kind()),
        };
        self.wrong(node, key, name, &message, None);
        None
    }

    fn known_keys(&mut self, node: &Node, key: &str, known: &[&'static str]) {
        for entry in node.entries() {
            if !known.contains(&entry.name.as_str()) {
                let help = meant(&entry.name, known.iter().copied());
                self.problems.push(entry.place.problem(&joined(key, &entry.name), "is not a key of a scenario", help));
            }
        }
    }

    fn wrong(&mut self, node: &Node, key: &str, name: &str, message: &str, help: Option<String>) {
        let place = node.get(name).map_or(&node.place, |node| &node.place);
        self.problems.push(place.problem(&joined(key, name), message, help));
    }
}

fn meant_situation(name: &str) -> Option<String> {
    let known = Situation::ALL.iter().map(|situation| situation.name());
    let near = meant(name, known).filter(|help| help.starts_with("did you"));
    near.or_else(|| Some("the README lists them all".to_owned()))
}

#[cfg(test)]
mod tests;
