//! The table of what is expected.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;

/// The whole table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What is said of a partition on a day without trouble, by partition: it is so at the site, and worth knowing.
    pub calm: BTreeMap<String, Vec<String>>,
    /// What is expected of each situation.
    pub row: Vec<Row>,
}

/// What is expected of a situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Where it must be diagnosed.
    pub step: Vec<String>,
    /// Who must say so.
    pub source: Pattern,
    /// What must be said.
    pub text: Pattern,
    /// What to do next, in words.
    pub remedy: Option<Pattern>,
    /// What the cockpit must offer, one of these.
    #[serde(default)]
    pub way: Vec<String>,
    /// Levers that must have been pulled.
    #[serde(default)]
    pub pulled: Vec<String>,
    /// How it may end.
    pub ends: Vec<End>,
    /// How often a changing call may reach the site, where it is more than once.
    #[serde(default)]
    pub more: BTreeMap<String, u64>,
    /// Situations that come along with it.
    #[serde(default)]
    pub also: Vec<String>,
    /// The partition that is rehearsed.
    pub on: Option<String>,
}

/// How a rehearsal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Everything is done.
    Through,
    /// It stopped, for a reason that was found.
    Stopped,
}

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

impl Pattern {
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}/", self.0)
    }
}

/// The table, as it is written.
pub fn read() -> Table {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/situations/table.toml");
    let text = std::fs::read_to_string(file).expect("table.toml is there");
    toml::from_str(&text).expect("table.toml is a table of situations")
}
