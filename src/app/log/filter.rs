//! Which lines of the log are shown: from which sources and partitions, and from which level on.

use std::collections::BTreeSet;

use super::store::{Entry, NO_PARTITION, PartitionId, Store};
use super::{Level, LogSource};
use crate::runbook::names::PartitionName;

/// Which lines are shown. What is not hidden is shown, so that a source that nobody thought of is not missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The least level.
    pub least: Level,
    /// Sources that are hidden.
    pub sources: BTreeSet<LogSource>,
    /// Partitions that are hidden; none stands for the lines that belong to none.
    pub partitions: BTreeSet<Option<PartitionName>>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { least: Level::Info, sources: BTreeSet::new(), partitions: BTreeSet::new() }
    }
}

impl Filter {
    /// Whether nothing is hidden.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Hides a source, or shows it again.
    pub fn turn_source(&mut self, source: LogSource) {
        turn(&mut self.sources, source);
    }

    /// Hides a partition's lines, or shows them again.
    pub fn turn_partition(&mut self, partition: Option<PartitionName>) {
        turn(&mut self.partitions, partition);
    }

    /// Shows only one partition's lines and those that belong to none: what concerns the run concerns every partition.
    pub fn only<'a>(&mut self, partition: &PartitionName, all: impl IntoIterator<Item = &'a PartitionName>) {
        self.partitions = all.into_iter().filter(|name| *name != partition).cloned().map(Some).collect();
    }

    /// The same, quick to ask.
    pub(super) fn compiled(&self, store: &mut Store) -> Sieve {
        let hidden = self.partitions.iter();
        Sieve {
            least: self.least,
            sources: self.sources.iter().fold(0, |bits, source| bits | bit(*source)),
            partitions: hidden
                .map(|name| name.as_ref().map_or(NO_PARTITION, |name| store.partition_id(name)))
                .collect(),
        }
    }
}

fn turn<T: Ord>(hidden: &mut BTreeSet<T>, each: T) {
    if !hidden.remove(&each) {
        hidden.insert(each);
    }
}

fn bit(source: LogSource) -> u32 {
    1 << source as u32
}

/// A filter that is quick to ask.
#[derive(Debug, Clone)]
pub(super) struct Sieve {
    least: Level,
    sources: u32,
    partitions: Vec<PartitionId>,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { least: Level::Info, sources: 0, partitions: Vec::new() }
    }
}

impl Sieve {
    /// Whether a line is shown.
    pub fn passes(&self, entry: &Entry) -> bool {
        entry.level >= self.least
            && self.sources & bit(entry.source) == 0
            && !self.partitions.contains(&entry.partition)
    }
}
