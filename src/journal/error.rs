//! What can go wrong with a journal, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::entry::VERSION;
use super::lock::Owner;

/// Why a journal could not be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("could not {act} {}: {source}; {}", path.display(), advice(source))]
    Io {
        /// What was tried, such as `write to`.
        act: &'static str,
        /// To what.
        path: PathBuf,
        /// The file system's own words.
        source: io::Error,
    },
    /// A line in the middle is not what was written.
    #[error(
        "{}, line {line}: the journal is broken here, because {why}. Nothing was changed. Keep a copy of the file; then \
         restore it from a backup, or start a new run, whose prerequisites and drift checks find out what is done",
        path.display()
    )]
    Broken {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// In what way.
        why: String,
    },
    /// Another version of the cockpit wrote it.
    #[error(
        "{}, line {line}: written in journal version {found}, and this cockpit knows version {VERSION} only; open the \
         run with the version of aurora-cockpit that wrote it",
        path.display()
    )]
    Version {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Its version.
        found: u64,
    },
    /// Another session holds the run.
    #[error(
        "the controls of {} are held by {holder}; watch it with `aurora-cockpit monitor`, or ask them to close their \
         session",
        run.display()
    )]
    Held {
        /// The run's directory.
        run: PathBuf,
        /// Who, as far as the lock says.
        holder: Holder,
    },
    /// A write failed earlier, so that what the file ends with is not known.
    #[error(
        "{}: an earlier write failed and could not be taken back, so nothing more is written; start the cockpit again \
         and it puts the journal right",
        .0.display()
    )]
    Poisoned(PathBuf),
    /// A record of that number is there already.
    #[error("{}: record {seq} is there already; another session is writing this run", path.display())]
    Taken {
        /// The journal.
        path: PathBuf,
        /// The record's number.
        seq: u64,
    },
    /// A run's name cannot be a directory's name.
    #[error("`{0}` cannot name a run: use letters, digits, `-`, `_` and `.`, beginning with a letter or digit")]
    Name(String),
    /// There is no such run.
    #[error("there is no run `{run}` in {}{}", state_dir.display(), did_you_mean(known))]
    NoRun {
        /// What was asked for.
        run: String,
        /// Where it was looked for.
        state_dir: PathBuf,
        /// What is there, newest first.
        known: Vec<String>,
    },
    /// The journal became shorter while it was followed.
    #[error("{}: the journal was cut or replaced while it was being followed; open it again", .0.display())]
    Cut(PathBuf),
    /// An event does not serialise.
    #[error("an event could not be written down: {0}")]
    Unwritable(#[source] serde_json::Error),
    /// An event is none that this version knows.
    #[error(
        "record {seq} holds an event that this cockpit does not know ({source}); open the run with the version of \
         aurora-cockpit that wrote it"
    )]
    Unreadable {
        /// The record's number.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
}

impl JournalError {
    /// Wraps what the file system said about `path`.
    pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { act, path: path.to_owned(), source }
    }
}

/// Who holds a run, as far as its lock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder(pub Option<Owner>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(owner) => owner.fmt(f),
            None => f.write_str("another session, which has not yet said who it is"),
        }
    }
}

/// What to do about a refusal of the file system.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room there, or choose another place with --state-dir"
        }
        io::ErrorKind::ReadOnlyFilesystem => "that file system is read-only: choose another place with --state-dir",
        io::ErrorKind::PermissionDenied => {
            "it must belong to you and be writable: choose another place with --state-dir"
        }
        io::ErrorKind::NotADirectory => "something on the way is a file: choose another place with --state-dir",
        io::ErrorKind::NotFound => "check the path, or choose another place with --state-dir",
        io::ErrorKind::Unsupported => "the run must be on a local file system: choose another place with --state-dir",
        _ => "check that place, or choose another with --state-dir",
    }
}

/// Which runs there are, for someone who asked for one that is not.
fn did_you_mean(known: &[String]) -> String {
    match known {
        [] => "; no run was started there yet".to_owned(),
        [newest, ..] => format!("; the newest is `{newest}`"),
    }
}
