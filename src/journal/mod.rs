//! The journal of a run: one line an event, each on disk before what it announces is done.
//!
//! The journal knows nothing of steps: it keeps whatever serialises, in order, and proves on reading that nothing in
//! between is missing or altered. Where the lines are kept is behind [`Store`], a small interface: [`Directory`] keeps
//! them in a local directory, one for each run; a bucket with conditional writes would be another store, so that a team
//! on several machines shares a run.
//!
//! ```no_run
//! # use aurora_cockpit::journal::{self, Directory, Journal, lock::Owner};
//! # fn main() -> Result<(), journal::JournalError> {
//! # let state_dir = std::path::Path::new("state");
//! let store = Directory::create(state_dir, "pdev-479-20260514T181200Z")?;
//! let opened = Journal::open(Box::new(store), Owner::here("miguel"))?;
//! let mut journal = opened.journal;
//! let stamp = journal.append(&"anything that serialises")?;
//! assert_eq!(stamp.seq, 1);
//! # Ok(())
//! # }
//! ```

pub mod approvals;
pub mod directory;
pub mod entry;
pub mod error;
pub mod follow;
pub mod lock;
pub mod runs;
pub mod sharing;
pub mod spread;
pub mod takeover;

use jiff::Timestamp;
use serde::Serialize;

use crate::clock;

pub use directory::{Directory, read};
pub use entry::{Entry, Head};
pub use error::JournalError;
pub use follow::Follow;
pub use lock::{OperatorLock, Owner};
pub use runs::{RunEntry, latest, read_first, runs};

/// Where the records of one run are kept.
pub trait Store: Send {
    /// Takes the right to write, or says who holds it.
    ///
    /// # Errors
    /// [`JournalError::Held`] where another session holds it.
    fn lock(&self, owner: Owner) -> Result<OperatorLock, JournalError>;

    /// Everything that was written after record number `after`; 0 for all of it.
    ///
    /// # Errors
    /// Where the store cannot be read, or what it holds is broken.
    fn read_from(&self, after: u64) -> Result<Contents, JournalError>;

    /// As [`Self::read_from`] from the beginning, and puts right what a crash left half written.
    ///
    /// # Errors
    /// As for `read_from`, and where the store cannot be written.
    fn recover(&mut self) -> Result<Contents, JournalError>;

    /// Keeps one more record; when this returns, it survives a crash. Refused where that number is taken already.
    ///
    /// # Errors
    /// Where it could not be written; it is then not in the store.
    fn append(&mut self, entry: &Entry) -> Result<(), JournalError>;
}

/// What a store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The records, oldest first.
    pub entries: Vec<Entry>,
    /// What the operator should know of how they were found, such as that a torn last line was dropped.
    pub notice: Option<String>,
}

/// A record's place and time, as they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Position in the run, from 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
}

/// A journal that was opened for writing.
#[derive(Debug)]
pub struct Opened {
    /// To write on.
    pub journal: Journal,
    /// The right to write; the controls are made from it, and whoever drops it gives the run back.
    pub lock: OperatorLock,
    /// What was written before.
    pub entries: Vec<Entry>,
    /// What the operator should know of how it was found.
    pub notice: Option<String>,
}

/// The one writer of a run's records.
pub struct Journal {
    store: Box<dyn Store>,
    head: Head,
}

impl Journal {
    /// Opens a store for writing: takes its lock, reads what is there, puts right what a crash left half written.
    ///
    /// The caller keeps [`Opened::lock`] for as long as it writes.
    ///
    /// # Errors
    /// Where another session holds the run, or where what is there is broken.
    pub fn open(mut store: Box<dyn Store>, owner: Owner) -> Result<Opened, JournalError> {
        let lock = store.lock(owner)?;
        let Contents { entries, notice } = store.recover()?;
        let head = entries.last().map_or_else(Head::default, Entry::head);
        Ok(Opened { journal: Self { store, head }, lock, entries, notice })
    }

    /// Writes one more event. When this returns, the event survives a crash.
    ///
    /// # Errors
    /// Where it could not be kept; nothing that it announces may then be done.
    pub fn append(&mut self, event: &impl Serialize) -> Result<Stamp, JournalError> {
        let entry = Entry::after(&self.head, clock::now(), event)?;
        self.store.append(&entry)?;
        self.head = entry.head();
        Ok(Stamp { seq: entry.seq(), at: entry.at() })
    }

    /// The last record's number; 0 where nothing was written yet.
    pub fn last_seq(&self) -> u64 {
        self.head.seq
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("head", &self.head).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
