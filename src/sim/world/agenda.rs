//! What happens later at the site.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Something that will happen to the world.
///
/// Boxed closures rather than an enum: each part of the world keeps its own story together, in one function, instead of
/// scattering it over a list of variants and a match elsewhere.
pub type Change = Box<dyn FnOnce(&mut super::World, f64) + Send>;

/// Things to come, soonest first.
#[derive(Default)]
pub struct Agenda {
    entries: BinaryHeap<Entry>,
    count: u64,
}

struct Entry {
    due: Instant,
    order: u64,
    change: Change,
}

impl Agenda {
    /// Puts a change on the agenda.
    pub fn put(&mut self, due: Instant, change: Change) {
        self.count += 1;
        self.entries.push(Entry { due, order: self.count, change });
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.entries.peek().map(|entry| entry.due)
    }

    /// Takes the next thing that is due by `now`, with the moment for which it was meant.
    pub fn take_due(&mut self, now: Instant) -> Option<(Instant, Change)> {
        if self.entries.peek()?.due > now {
            return None;
        }
        self.entries.pop().map(|entry| (entry.due, entry.change))
    }
}

impl std::fmt::Debug for Agenda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agenda").field("entries", &self.entries.len()).finish()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    /// Reversed, so that the heap gives the soonest; those due at once keep the order in which they were put.
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due).then(other.order.cmp(&self.order))
    }
}
