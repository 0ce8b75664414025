//! The table of commands.

use serde::Deserialize;

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// How many commands the seed's list has.
    pub count: u32,
    /// Speed of the site.
    pub speed: f64,
    /// The partitions by name.
    partition: Vec<Partition>,
    /// The commands in the order in which they are run.
    pub command: Vec<Entry>,
}

/// What the runbook's table of variables says of a partition.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Value of PARTITION.
    pub name: String,
    /// Value of INFRA.
    pub infra: String,
    /// Value of PROFILE.
    pub profile: String,
    /// Value of OP_ITEM.
    pub op_item: String,
}

/// A command with its place in a rollout and what is expected of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Number in the seed's list; none for what is only done on the way, or asked beyond the list.
    pub number: Option<u32>,
    /// When in a rollout.
    pub when: String,
    /// Partition that it is about.
    #[serde(default = "dev")]
    pub partition: String,
    /// The command line.
    pub run: String,
    /// Directory below the site's own in which it is run.
    #[serde(default, rename = "in")]
    pub directory: String,
    /// What standard output must match.
    pub out: Option<String>,
    /// What standard error must match.
    pub err: Option<String>,
    /// Whether it must fail, instead of exiting 0.
    #[serde(default)]
    pub fails: bool,
    /// Seconds within which a repeated call must get to what is expected; without it the first one must.
    pub within_s: Option<u64>,
    /// Seconds that it may take at most.
    pub at_most_s: Option<u64>,
    /// Runs beside what follows until it ends.
    #[serde(default)]
    pub beside: bool,
    /// Runs beside what follows for so many seconds, and is then ended: a watch or a followed log.
    pub follow_s: Option<u64>,
    /// Numbers of commands running beside that must have ended before.
    #[serde(default)]
    pub after: Vec<u32>,
    /// Variable that later commands find its output in.
    pub sets: Option<String>,
}

fn dev() -> String {
    "dev".to_owned()
}

impl Table {
    /// Reads the table.
    pub fn read() -> Self {
        toml::from_str(include_str!("table.toml")).unwrap_or_else(|error| panic!("table.toml: {error}"))
    }

    /// The partition of that name.
    pub fn partition(&self, name: &str) -> Partition {
        let found = self.partition.iter().find(|partition| partition.name == name);
        found.unwrap_or_else(|| panic!("table.toml: no partition {name}")).clone()
    }
}

impl Entry {
    /// Whether it runs while the next ones do.
    pub fn runs_beside(&self) -> bool {
        self.beside || self.follow_s.is_some()
    }

    /// Whether that one must have ended first.
    pub fn waits_for(&self, other: &Entry) -> bool {
        other.number.is_some_and(|number| self.after.contains(&number))
    }
}
