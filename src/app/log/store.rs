//! The lines themselves: bounded, cheap to add to, one stretch of text a thousand lines, so that a search reads memory from
//! end to end.

use std::collections::VecDeque;
use std::ops::Range;

use jiff::Timestamp;

use super::search::Needle;
use super::{Level, LogLine, LogSource};
use crate::runbook::ink::Stretch;
use crate::runbook::names::PartitionName;

/// Lines in a chunk.
const CHUNK: u64 = 1024;

/// Longest line in bytes; what is longer is cut. A program that prints a file of one line fills no memory with it.
pub const LONGEST: usize = 16 * 1024;

/// Stands for what was cut.
const CUT: &str = " … (cut)";

/// Threads that search at once, and chunks from which on that is worth their start.
const MOST_THREADS: usize = 4;
const WORTH_THREADS: usize = 64;

/// Bytes that a line takes beside its text and its colours.
const ENTRY: usize = size_of::<Entry>();

/// How much is kept: what is reached first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Lines.
    pub lines: u64,
    /// Bytes of memory; kept to within a thousand lines, and never below them.
    pub bytes: usize,
}

impl Default for Limit {
    fn default() -> Self {
        Self { lines: 1_000_000, bytes: 256 << 20 }
    }
}

/// A line that is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line<'a> {
    /// Its number, from 0 in the order in which lines came; it keeps it.
    pub id: u64,
    /// When.
    pub at: Timestamp,
    /// Where from.
    pub source: LogSource,
    /// The partition it belongs to.
    pub partition: Option<&'a PartitionName>,
    /// How much it matters.
    pub level: Level,
    /// One clean line.
    pub text: &'a str,
    /// The program's own colours.
    pub stretches: &'a [Stretch],
}

/// A partition's number; the last one stands for none.
pub(super) type PartitionId = u16;
/// No partition.
pub(super) const NO_PARTITION: PartitionId = PartitionId::MAX;

/// What is kept of a line beside its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Microseconds since 1970.
    at: i64,
    /// Where its text ends in the chunk, its `\n` excluded. It begins behind the `\n` of the line before.
    end: u32,
    /// Where its stretches end in the chunk.
    stretches: u32,
    pub(super) partition: PartitionId,
    pub(super) source: LogSource,
    pub(super) level: Level,
}

/// A thousand lines.
#[derive(Debug, Clone, Default)]
struct Chunk {
    /// The lines' text, each with a `\n` at its end.
    text: String,
    entries: Vec<Entry>,
    stretches: Vec<Stretch>,
}

impl Chunk {
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).and_then(|before| self.entries.get(before)).map_or(0, |before| before.end as usize + 1)
    }

    fn text(&self, index: usize) -> &str {
        let end = self.entries.get(index).map_or(0, |entry| entry.end as usize);
        self.text.get(self.start(index)..end).unwrap_or_default()
    }

    fn stretches(&self, index: usize) -> &[Stretch] {
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].stretches as usize);
        self.stretches.get(start..self.entries[index].stretches as usize).unwrap_or_default()
    }
}

/// The lines that are kept, oldest first.
#[derive(Debug, Clone)]
pub(super) struct Store {
    chunks: VecDeque<Chunk>,
    /// Names by their number. There are as many as the plan has.
    partitions: Vec<PartitionName>,
    /// Number of the oldest line that is kept.
    first: u64,
    /// Number of the next line.
    next: u64,
    bytes: usize,
    limit: Limit,
}

impl Store {
    pub fn new(limit: Limit) -> Self {
        Self { chunks: VecDeque::new(), partitions: Vec::new(), first: 0, next: 0, bytes: 0, limit }
    }

    /// Keeps so much from now on.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
        self.let_go();
    }

    /// How much is kept.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Adds a line; answers its number. The oldest go where there are too many.
    pub fn push(&mut self, line: &LogLine, stretches: &[Stretch]) -> u64 {
        let id = self.next;
        let partition = line.partition.as_ref().map_or(NO_PARTITION, |name| self.partition_id(name));
        if id.is_multiple_of(CHUNK) || self.chunks.is_empty() {
            self.begin_chunk();
        }
        let Some(chunk) = self.chunks.back_mut() else { return id };
        let before = (chunk.text.len(), chunk.stretches.len());
        push_text(&mut chunk.text, &line.text);
        chunk.stretches.extend_from_slice(stretches);
        chunk.entries.push(Entry {
            at: line.at.as_microsecond(),
            end: (chunk.text.len() - 1) as u32,
            stretches: chunk.stretches.len() as u32,
            partition,
            source: line.source,
            level: line.level,
        });
        self.bytes += chunk.text.len() - before.0 + ENTRY;
        self.bytes += (chunk.stretches.len() - before.1) * size_of::<Stretch>();
        self.next += 1;
        self.let_go();
        id
    }

    fn begin_chunk(&mut self) {
        if let Some(full) = self.chunks.back_mut() {
            full.text.shrink_to_fit();
            full.stretches.shrink_to_fit();
        }
        self.chunks.push_back(Chunk { entries: Vec::with_capacity(CHUNK as usize), ..Chunk::default() });
    }

    /// Lets the oldest lines go, as many as are too many.
    fn let_go(&mut self) {
        self.first = self.first.max(self.next.saturating_sub(self.limit.lines.max(1)));
        loop {
            let gone = self.first / CHUNK > self.oldest_chunk();
            if self.chunks.len() < 2 || !(gone || self.bytes > self.limit.bytes) {
                return;
            }
            // Its lines may have been let go one by one before, or all of them go now.
            let next_chunk = (self.oldest_chunk() + 1) * CHUNK;
            if let Some(chunk) = self.chunks.pop_front() {
                let stretches = chunk.stretches.len() * size_of::<Stretch>();
                self.bytes -= chunk.text.len() + chunk.entries.len() * ENTRY + stretches;
            }
            self.first = self.first.max(next_chunk);
        }
    }

    /// Number of the oldest chunk.
    fn oldest_chunk(&self) -> u64 {
        (self.next.saturating_sub(1) / CHUNK + 1).saturating_sub(self.chunks.len() as u64)
    }

    /// The number of a partition's name.
    pub fn partition_id(&mut self, name: &PartitionName) -> PartitionId {
        let known = self.partitions.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.partitions.push(name.clone());
            self.partitions.len() - 1
        });
        // A plan has a handful of partitions.
        PartitionId::try_from(index).unwrap_or(NO_PARTITION)
    }

    /// Number of the oldest line that is kept; it is also how many had to go.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next line to come.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Bytes of memory that the lines take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn find(&self, id: u64) -> Option<(&Chunk, usize)> {
        if id < self.first || id >= self.next {
            return None;
        }
        let chunk = self.chunks.get((id / CHUNK - self.oldest_chunk()) as usize)?;
        Some((chunk, (id % CHUNK) as usize))
    }

    /// A line by its number, as long as it is kept.
    pub fn line(&self, id: u64) -> Option<Line<'_>> {
        let (chunk, index) = self.find(id)?;
        let entry = chunk.entries.get(index)?;
        Some(Line {
            id,
            at: Timestamp::from_microsecond(entry.at).unwrap_or_default(),
            source: entry.source,
            partition: self.partitions.get(usize::from(entry.partition)),
            level: entry.level,
            text: chunk.text(index),
            stretches: chunk.stretches(index),
        })
    }

    /// What is kept of a line beside its text.
    pub fn entry(&self, id: u64) -> Option<&Entry> {
        let (chunk, index) = self.find(id)?;
        chunk.entries.get(index)
    }

    /// Numbers of the lines that pass, oldest first.
    pub fn passing(&self, passes: impl Fn(&Entry) -> bool) -> VecDeque<u64> {
        let base = self.oldest_chunk() * CHUNK;
        let entries = self.chunks.iter().enumerate().flat_map(|(number, chunk)| {
            let base = base + number as u64 * CHUNK;
            chunk.entries.iter().enumerate().map(move |(index, entry)| (base + index as u64, entry))
        });
        entries.filter(|(id, entry)| *id >= self.first && passes(entry)).map(|(id, _)| id).collect()
    }

    /// Numbers of the lines that pass and in whose text the needle is found, oldest first. Large logs are searched by several
    /// threads at once: whoever types waits for it.
    pub fn found(&self, needle: &Needle, passes: impl Fn(&Entry) -> bool + Sync) -> VecDeque<u64> {
        let all = self.chunks.len();
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        if threads == 1 || all < WORTH_THREADS {
            return self.found_in(0..all, needle, &passes).into();
        }
        let share = all.div_ceil(threads);
        let parts = (0..threads).map(|part| (part * share).min(all)..((part + 1) * share).min(all));
        std::thread::scope(|scope| {
            let searches: Vec<_> = parts.map(|part| scope.spawn(|| self.found_in(part, needle, &passes))).collect();
            let mut found = VecDeque::new();
            for search in searches {
                // A thread ends early only by a panic, which the whole program ends with.
                found.extend(search.join().unwrap_or_default());
            }
            found
        })
    }

    fn found_in(&self, chunks: Range<usize>, needle: &Needle, passes: &impl Fn(&Entry) -> bool) -> Vec<u64> {
        let mut found = Vec::new();
        let mut folded = Vec::new();
        for number in chunks {
            let chunk = &self.chunks[number];
            let base = (self.oldest_chunk() + number as u64) * CHUNK;
            let text = needle.folded(chunk.text.as_bytes(), &mut folded);
            let (mut from, mut index) = (0, 0);
            while let Some(at) = needle.find(&text[from..]) {
                while (chunk.entries[index].end as usize) < from + at {
                    index += 1;
                }
                let id = base + index as u64;
                if id >= self.first && passes(&chunk.entries[index]) {
                    found.push(id);
                }
                // One place in a line is enough: on with the next line.
                from = chunk.entries[index].end as usize + 1;
                index += 1;
            }
        }
        found
    }
}

fn push_text(out: &mut String, text: &str) {
    let cut = text.len() > LONGEST;
    let text = if cut { &text[..text.floor_char_boundary(LONGEST)] } else { text };
    if memchr::memchr(b'\n', text.as_bytes()).is_some() {
        out.push_str(&text.replace('\n', " "));
    } else {
        out.push_str(text);
    }
    if cut {
        out.push_str(CUT);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        let at = Timestamp::from_microsecond(1_778_900_000_123_456).expect("a time");
        let partition = Some("prod".into());
        LogLine { at, source: LogSource::Program, partition, level: Level::Info, text: text.to_owned() }
    }

    fn filled(limit: Limit, count: usize) -> Store {
        let mut store = Store::new(limit);
        for number in 0..count {
            assert_eq!(store.push(&line(&format!("line {number}")), &[]), number as u64);
        }
        store
    }

    #[test]
    fn a_line_is_kept_as_it_came() {
        let mut store = filled(Limit::default(), 3);
        let ink = crate::runbook::ink::Ink { bold: true, ..Default::default() };
        let stretches = [Stretch { until: 3, ink }];
        let id = store.push(&line("one\ntwo"), &stretches);
        let kept = store.line(id).expect("the line");
        assert_eq!((kept.text, kept.stretches), ("one two", stretches.as_slice()));
        assert_eq!((kept.at, kept.partition.map(PartitionName::as_str)), (line("").at, Some("prod")));
        assert_eq!(store.line(2).expect("the line before").stretches, []);
        assert_eq!(store.line(id + 1), None);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut store = Store::new(Limit::default());
        store.push(&line(&"ü".repeat(LONGEST)), &[]);
        let text = store.line(0).expect("the line").text;
        assert!(text.ends_with("ü … (cut)") && text.len() < LONGEST + 20, "{}", text.len());
    }

    #[test]
    fn the_oldest_lines_go_and_the_others_keep_their_numbers() {
        for (count, lines) in [(10, 4), (5_000, 2_000), (5_000, 1), (4_096, 1_024), (1_025, 1_024)] {
            let store = filled(Limit { lines, bytes: usize::MAX }, count);
            assert_eq!((store.first(), store.next()), (count as u64 - lines, count as u64), "{lines} of {count}");
            assert_eq!(store.line(store.first() - 1), None);
            for id in [store.first(), count as u64 - 1] {
                assert_eq!(store.line(id).expect("kept").text, format!("line {id}"));
            }
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_lines_are() {
        let limit = Limit { lines: u64::MAX, bytes: 3 << 20 };
        let mut store = Store::new(limit);
        for number in 0_usize..40_000 {
            store.push(&line(&"x".repeat(number % 500)), &[]);
            assert!(store.bytes() <= limit.bytes + CHUNK as usize * 600, "{}", store.bytes());
        }
        assert!(store.first() > 0 && store.bytes() > limit.bytes / 2);
        store.set_limit(Limit { lines: 7, bytes: 1 });
        assert_eq!(store.next() - store.first(), 7);
        assert!(store.bytes() < CHUNK as usize * 600, "{}", store.bytes());
    }

    #[test]
    fn what_is_searched_is_found_line_by_line_however_many_there_are() {
        let count = 200 * CHUNK as usize;
        let mut store = filled(Limit { lines: u64::MAX, bytes: usize::MAX }, count);
        store.set_limit(Limit { lines: 150 * CHUNK + 10, bytes: usize::MAX });
        for query in ["9", "line 2040", "ne 20479", "7 ", "nothing"] {
            let expected: Vec<u64> =
                (store.first()..store.next()).filter(|id| format!("line {id}").contains(query)).collect();
            let found: Vec<u64> = store.found(&Needle::new(query), |_| true).into();
            assert_eq!(found, expected, "{query}");
        }
        assert!(store.found(&Needle::new("line"), |_| false).is_empty());
    }
}
