//! The log: one stream of everything that was said, bounded, filtered and searched as it comes.
//!
//! Nothing here goes over all lines but a new filter or another word to search for, which whoever pressed the key waits for;
//! a line that comes is held against both and costs the same however many there are.

mod filter;
mod search;
mod store;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use jiff::Timestamp;

pub use filter::Filter;
use filter::Sieve;
pub use search::{Needle, Search};
use store::Store;
pub use store::{LONGEST, Limit, Line};

use crate::runbook::ink::Stretch;
use crate::runbook::names::PartitionName;

/// Where a line comes from; each source has a colour of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Every source, in the order in which they are listed.
    pub const ALL: [Self; 8] =
        [Self::Cockpit, Self::Program, Self::Rds, Self::Sql, Self::Slow, Self::Dns, Self::App, Self::Pods];

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
    /// Worth knowing: what was decided and sent, what turned.
    Notice,
    /// Mind it.
    Warning,
    /// It went wrong.
    Error,
}

impl Level {
    /// The next one, from the last back to the first.
    pub fn next(self) -> Self {
        match self {
            Self::Info => Self::Notice,
            Self::Notice => Self::Warning,
            Self::Warning => Self::Error,
            Self::Error => Self::Info,
        }
    }

    /// What is shown from it on, in a few words.
    pub fn and_above(self) -> &'static str {
        match self {
            Self::Info => "everything",
            Self::Notice => "notices and above",
            Self::Warning => "warnings and errors",
            Self::Error => "errors",
        }
    }
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
    } else if has(&["NOTICE"]) {
        Level::Notice
    } else {
        Level::Info
    }
}

/// A line that comes.
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

/// How times are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stamps {
    /// The time of day.
    #[default]
    Clock,
    /// Since the step in hand began.
    SinceStart,
    /// Not at all.
    Off,
}

/// Where the log is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// At its end, wherever that is.
    #[default]
    Follow,
    /// At a line, whatever comes.
    Paused {
        /// Number of the last line that is seen.
        bottom: u64,
        /// Number of the line that was to come next when it was paused: those that were there may fill the pane.
        since: u64,
    },
}

/// The log, and how it is looked at.
#[derive(Debug, Clone)]
pub struct Log {
    store: Store,
    filter: Filter,
    sieve: Sieve,
    /// Numbers of the lines that pass the filter, oldest first; none where all do.
    passing: Option<VecDeque<u64>>,
    search: Option<Search>,
    place: Place,
    /// Where it was looked at before something was searched.
    before_search: Place,
    /// The line that was clicked on.
    marked: Option<u64>,
    /// Numbers of the lines that were on the screen last, oldest first.
    seen: Vec<u64>,
    /// How times are written.
    pub stamps: Stamps,
    /// Whether lines that are too long go on below; else they are cut.
    pub wraps: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            store: Store::new(Limit::default()),
            filter: Filter::default(),
            sieve: Sieve::default(),
            passing: None,
            search: None,
            place: Place::Follow,
            before_search: Place::Follow,
            marked: None,
            seen: Vec::new(),
            stamps: Stamps::Clock,
            wraps: false,
        }
    }
}

impl Log {
    /// Keeps so much from now on.
    pub fn set_limit(&mut self, limit: Limit) {
        self.store.set_limit(limit);
        self.forget_what_went();
    }

    /// Adds a line; the oldest go when there are too many.
    pub fn push(&mut self, line: LogLine) {
        self.push_coloured(&line, &[]);
    }

    /// Adds a line with a program's own colours.
    pub fn push_coloured(&mut self, line: &LogLine, stretches: &[Stretch]) {
        let id = self.store.push(line, stretches);
        let passes = self.store.entry(id).is_some_and(|entry| self.sieve.passes(entry));
        if let Some(passing) = self.passing.as_mut().filter(|_| passes) {
            passing.push_back(id);
        }
        if let Some(search) = self.search.as_mut().filter(|_| passes)
            && search.needle.is_in(&line.text)
        {
            search.matches.push_back(id);
        }
        self.forget_what_went();
    }

    fn forget_what_went(&mut self) {
        let first = self.store.first();
        let forget = |ids: &mut VecDeque<u64>| {
            while ids.front().is_some_and(|id| *id < first) {
                ids.pop_front();
            }
        };
        if let Some(passing) = &mut self.passing {
            forget(passing);
        }
        if let Some(search) = &mut self.search {
            forget(&mut search.matches);
            search.current = search.current.filter(|id| *id >= first);
        }
        self.marked = self.marked.filter(|id| *id >= first);
    }

    /// How many lines there are, shown or not.
    pub fn len(&self) -> usize {
        (self.store.next() - self.store.first()) as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many had to go.
    pub fn dropped(&self) -> u64 {
        self.store.first()
    }

    /// Bytes of memory that the lines take.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// How many lines pass the filter.
    pub fn passing(&self) -> usize {
        self.passing.as_ref().map_or_else(|| self.len(), VecDeque::len)
    }

    /// A line that passes the filter, by its place among them, from the oldest at 0.
    pub fn at(&self, rank: usize) -> Option<Line<'_>> {
        let id = match &self.passing {
            Some(passing) => *passing.get(rank)?,
            None => self.store.first() + rank as u64,
        };
        self.store.line(id)
    }

    /// The lines that pass the filter, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        (0..self.passing()).filter_map(|rank| self.at(rank))
    }

    /// A line by its number, as long as it is kept.
    pub fn line(&self, id: u64) -> Option<Line<'_>> {
        self.store.line(id)
    }

    /// How many of the lines that pass the filter are older than the one of that number.
    pub fn older_than(&self, id: u64) -> usize {
        match &self.passing {
            Some(passing) => passing.partition_point(|each| *each < id),
            None => (id.clamp(self.store.first(), self.store.next()) - self.store.first()) as usize,
        }
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Shows other lines.
    pub fn set_filter(&mut self, filter: Filter) {
        self.sieve = filter.compiled(&mut self.store);
        let sieve = &self.sieve;
        self.passing = (!filter.is_open()).then(|| self.store.passing(|entry| sieve.passes(entry)));
        self.filter = filter;
        if let Some(search) = &mut self.search {
            search.matches = self.store.found(&search.needle, |entry| sieve.passes(entry));
            search.current = search.current.and_then(|id| search.nearest(id));
        }
        self.seen.clear();
    }

    /// Is bounded, filtered and written as another log is, which it stands in the place of.
    pub fn look_as(&mut self, other: &Self) {
        self.set_limit(other.store.limit());
        self.set_filter(other.filter.clone());
        (self.stamps, self.wraps) = (other.stamps, other.wraps);
    }

    /// Where it is looked at.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether its newest line is looked at, whatever comes.
    pub fn follows(&self) -> bool {
        self.place == Place::Follow
    }

    /// Looks at the newest line again, whatever comes.
    pub fn follow(&mut self) {
        self.place = Place::Follow;
        self.marked = None;
    }

    /// Stays where it is, whatever comes.
    pub fn pause(&mut self) {
        let bottom = self.bottom();
        self.pause_at(bottom);
    }

    fn pause_at(&mut self, bottom: u64) {
        let since = match self.place {
            Place::Paused { since, .. } => since,
            Place::Follow => self.store.next(),
        };
        self.place = Place::Paused { bottom, since };
    }

    /// Number of the last line that is looked at.
    fn bottom(&self) -> u64 {
        match self.place {
            Place::Paused { bottom, .. } => bottom,
            Place::Follow => self.newest().unwrap_or(0),
        }
    }

    fn newest(&self) -> Option<u64> {
        self.passing().checked_sub(1).and_then(|last| self.at(last)).map(|line| line.id)
    }

    /// Looks so many lines further back (positive) or forth. Whoever comes to the end follows again.
    pub fn scroll(&mut self, lines: isize) {
        let all = self.passing();
        let Some(last) = all.checked_sub(1) else { return };
        let rank = match self.place {
            Place::Paused { bottom, .. } => self.older_than(bottom).min(last),
            Place::Follow => last,
        };
        // What is above the first line that is seen is all that there is to scroll back to.
        let above = self.seen.first().map_or(rank, |first| self.older_than(*first));
        let rank = if lines > 0 {
            rank - lines.unsigned_abs().min(above).min(rank)
        } else {
            rank.saturating_add(lines.unsigned_abs())
        };
        match self.at(rank).filter(|_| rank < last || (lines > 0 && !self.follows())) {
            Some(line) => {
                let id = line.id;
                self.pause_at(id);
            }
            None => self.place = Place::Follow,
        }
    }

    /// Looks at the oldest line.
    pub fn to_oldest(&mut self) {
        self.scroll(isize::MAX);
    }

    /// These lines are on the screen now, oldest first; what the next key does begins there.
    pub fn saw(&mut self, seen: Vec<u64>) {
        if let (Place::Paused { bottom, .. }, Some(last)) = (&mut self.place, seen.last()) {
            *bottom = *last;
        }
        self.seen = seen;
    }

    /// Numbers of the lines that are on the screen, oldest first.
    pub fn seen(&self) -> &[u64] {
        &self.seen
    }

    /// The line that is marked: the one that was found last, or clicked on.
    pub fn marked(&self) -> Option<u64> {
        self.marked.or_else(|| self.search.as_ref().and_then(|search| search.current))
    }

    /// Marks a line, and stays there.
    pub fn mark(&mut self, id: u64) {
        if self.store.line(id).is_some() {
            self.pause();
            self.marked = Some(id);
        }
    }

    /// The search, if there is one.
    pub fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

    /// Whether words to search for are being typed.
    pub fn is_typing(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.typing)
    }

    /// Begins to search, with the words of the last search gone.
    pub fn begin_search(&mut self) {
        self.before_search = self.place;
        self.marked = None;
        self.search = Some(Search { needle: Needle::new(""), typing: true, matches: VecDeque::new(), current: None });
    }

    /// Looks for other words.
    pub fn look_for(&mut self, query: &str) {
        let Some(search) = &mut self.search else { return };
        let sieve = &self.sieve;
        search.needle = Needle::new(query);
        search.matches = self.store.found(&search.needle, |entry| sieve.passes(entry));
        // Each word is looked for from where the search began, so that taking a letter back takes its jump back too.
        self.place = self.before_search;
        let nearest = self.search.as_ref().and_then(|search| search.nearest(self.bottom()));
        self.go_to(nearest);
    }

    /// The words are typed.
    pub fn keep_search(&mut self) {
        match &mut self.search {
            Some(search) if !search.needle.query().is_empty() => search.typing = false,
            _ => self.clear_search(),
        }
    }

    /// Searches no more, and looks where it was looked before.
    pub fn clear_search(&mut self) {
        if self.is_typing() {
            self.place = self.before_search;
        }
        self.search = None;
    }

    /// Goes to the next newer line that was found, or the next older one; whether there is one.
    pub fn next_match(&mut self, newer: bool) -> bool {
        let Some(search) = &self.search else { return false };
        let from = search.current.unwrap_or_else(|| self.bottom());
        let Some(next) = search.beside(from, newer) else { return false };
        self.marked = None;
        self.go_to(Some(next));
        true
    }

    /// Looks at a line that was found: in the middle of the pane, unless it is seen already.
    fn go_to(&mut self, id: Option<u64>) {
        if let Some(search) = &mut self.search {
            search.current = id;
        }
        let Some(id) = id else { return };
        let is_seen = self.seen.contains(&id) && self.seen.last() == Some(&self.bottom());
        let bottom = if is_seen {
            self.bottom()
        } else {
            let below = self.older_than(id) + self.seen.len() / 2;
            self.at(below.min(self.passing().saturating_sub(1))).map_or(id, |line| line.id)
        };
        self.pause_at(bottom);
    }
}
