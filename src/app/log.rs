//! The log: one stream of everything that was said, bounded.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::runbook::names::PartitionName;

/// Lines kept unless the settings say otherwise.
pub const CAPACITY: usize = 200_000;

/// Where a line comes from; each source has a colour of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogSource {
    /// The cockpit's own acts.
    Cockpit,
    /// A program that a step runs.
    Program,
    /// RDS events and statuses.
    Rds,
    /// SQL.
    Sql,
    /// The slow-query log.
    Slow,
    /// DNS.
    Dns,
    /// The application.
    App,
    /// Pods.
    Pods,
}

impl LogSource {
    /// Its name on screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cockpit => "cockpit",
            Self::Program => "program",
            Self::Rds => "rds",
            Self::Sql => "sql",
            Self::Slow => "slow",
            Self::Dns => "dns",
            Self::App => "app",
            Self::Pods => "pods",
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It went as it should.
    Info,
    /// Mind it.
    Warning,
    /// It went wrong.
    Error,
}

/// How much a program's line matters, by the words that loggers everywhere put on it.
pub fn level_of(text: &str) -> Level {
    let has = |words: &[&str]| {
        let mut tokens = text.split(|character: char| !character.is_alphanumeric());
        tokens.any(|token| words.contains(&token))
    };
    if has(&["ERROR", "FATAL", "PANIC", "CRITICAL"]) {
        Level::Error
    } else if has(&["WARN", "WARNING"]) {
        Level::Warning
    } else {
        Level::Info
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Where from.
    pub source: LogSource,
    /// The partition it belongs to.
    pub partition: Option<PartitionName>,
    /// How much it matters.
    pub level: Level,
    /// One clean line.
    pub text: String,
}

/// The stream, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: VecDeque<LogLine>,
    dropped: u64,
}

impl Log {
    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&mut self, line: LogLine) {
        if self.lines.len() == CAPACITY {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many had to go.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// `count` lines that end `back` lines before the newest, oldest first.
    pub fn window(&self, back: usize, count: usize) -> impl Iterator<Item = &LogLine> {
        let end = self.lines.len().saturating_sub(back);
        self.lines.range(end.saturating_sub(count)..end)
    }
}
