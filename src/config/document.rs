//! A TOML file as a tree in which every value knows where it was written.
//!
//! The tree is what placeholders are resolved in and what an overlay is merged into, so that a problem found at the very
//! end still names the file, line and column of the text that caused it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Number};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// A file's text and name.
#[derive(Debug)]
pub(super) struct Source {
    /// The name that problems give.
    pub name: String,
    /// The directory against which relative paths in it are read.
    pub directory: PathBuf,
    text: String,
}

impl Source {
    pub fn new(path: &Path, text: String) -> Arc<Self> {
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Arc::new(Self { name: path.display().to_string(), directory, text })
    }
}

/// Where something was written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub source: Arc<Source>,
    span: Range<usize>,
}

impl Place {
    fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        Self { source: Arc::clone(source), span }
    }

    /// The place of a text within this one, where it can be found there.
    pub fn of(&self, part: &str) -> Self {
        let found = self.source.text.get(self.span.clone()).and_then(|text| text.find(part));
        let start = self.span.start + found.unwrap_or(0);
        Self { source: Arc::clone(&self.source), span: start..self.span.end.max(start) }
    }

    /// A problem with what stands here.
    pub fn problem(&self, key: &str, message: impl Into<String>, help: Option<String>) -> Problem {
        let (line, column) = self.line_and_column();
        let (file, key, message) = (self.source.name.clone(), key.to_owned(), message.into());
        Problem { file, line, column, key, message, help }
    }

    fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// A TOML value. Dates are kept as their text.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub name: String,
    pub place: Place,
    pub node: Node,
}

/// Reads a file; where it is no TOML, every syntax error that the parser finds.
pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        let place = Place::new(source, 0..0);
        return Ok(Node { place, value: Value::Table(entries(source, table.into_inner())) });
    }
    let problem = |error: toml::de::Error| {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        let duplicate = error.message().contains("duplicate key");
        let key = source.text.get(place.span.clone()).filter(|_| duplicate).unwrap_or_default();
        place.problem(key, error.message().trim().replace('\n', ", "), None)
    };
    Err(errors.into_iter().map(problem).collect())
}

fn entries(source: &Arc<Source>, table: DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let place = Place::new(source, key.span());
        Entry { name: key.into_inner().into_owned(), node: node(source, &place, value), place }
    };
    table.into_iter().map(entry).collect()
}

fn node(source: &Arc<Source>, key: &Place, spanned: Spanned<DeValue<'_>>) -> Node {
    let span = spanned.span();
    let place = if span.is_empty() { key.clone() } else { Place::new(source, span) };
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        // What does not fit 64 bits is no number that any key here takes.
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(list) => Value::List(list.into_iter().map(|item| node(source, key, item)).collect()),
        DeValue::Table(table) => Value::Table(entries(source, table)),
    };
    Node { place, value }
}

impl Node {
    /// A table without entries, standing where `place` is.
    pub fn empty_table(place: &Place) -> Self {
        Self { place: place.clone(), value: Value::Table(Vec::new()) }
    }

    /// The value at a key of a table.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }

    /// The value that the keys lead to.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The value that the keys lead to, or the nearest one on the way: where to point when it is missing.
    pub fn nearest(&self, keys: &[&str]) -> &Self {
        match keys {
            [first, rest @ ..] => self.get(first).map_or(self, |node| node.nearest(rest)),
            [] => self,
        }
    }

    pub fn entries(&self) -> &[Entry] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// What a table calls itself: its `name` or `id`.
    pub fn name(&self) -> Option<&str> {
        self.get("name").or_else(|| self.get("id"))?.text()
    }

    /// How the value's type is called in a message.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Float(_) => "a number with a fraction",
            Value::Flag(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The same value as JSON, from which the typed form is made.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.clone().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => Number::from_f64(*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Table(entries) => {
                let entry = |entry: &Entry| (entry.name.clone(), entry.node.json());
                serde_json::Value::Object(entries.iter().map(entry).collect::<Map<_, _>>())
            }
        }
    }

    /// Lays another tree over this one: tables are merged key by key, everything else is replaced.
    ///
    /// Where this tree has a list of named tables, the other may have a table keyed by those names:
    /// `[partitions.dev.sql]` is laid over the partition whose name is `dev`. A name that is not there is a problem.
    pub fn overlay(&mut self, over: Self, key: &str, problems: &mut Vec<Problem>) {
        match (&mut self.value, over.value) {
            (Value::Table(entries), Value::Table(others)) => {
                drop_alternatives(entries, &others, key);
                for other in others {
                    match entries.iter_mut().find(|entry| entry.name == other.name) {
                        Some(entry) => entry.node.overlay(other.node, &joined(key, &other.name), problems),
                        None => entries.push(other),
                    }
                }
            }
            (Value::List(items), Value::Table(others)) if items.iter().all(|item| item.name().is_some()) => {
                for other in others {
                    let here = joined(key, &other.name);
                    match items.iter_mut().find(|item| item.name() == Some(&other.name)) {
                        Some(item) => item.overlay(other.node, &here, problems),
                        None => {
                            let help = super::problem::meant(&other.name, items.iter().filter_map(Self::name));
                            problems.push(other.place.problem(&here, "the rollout has nothing of that name", help));
                        }
                    }
                }
            }
            (value, over_value) => {
                *value = over_value;
                self.place = over.place;
            }
        }
    }
}

/// Tables of which exactly one key is given: whoever lays another one over it means it instead.
const ALTERNATIVES: [(&str, &[&str]); 2] =
    [("password", &["op", "secrets-manager", "env", "iam"]), ("deploy", &["helm", "elsewhere"])];

fn drop_alternatives(entries: &mut Vec<Entry>, others: &[Entry], key: &str) {
    let table = key.rsplit('.').next().unwrap_or_default();
    let Some((_, names)) = ALTERNATIVES.iter().find(|(name, _)| *name == table) else { return };
    let chosen = others.iter().find(|other| names.contains(&other.name.as_str()));
    if let Some(chosen) = chosen {
        entries.retain(|entry| entry.name == chosen.name || !names.contains(&entry.name.as_str()));
    }
}

/// A key below another.
pub(super) fn joined(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}
