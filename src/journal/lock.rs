//! The right to write a run: one session has it, and everybody else can read who.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs, thread};

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::error::{Holder, JournalError};
use crate::clock;

/// Name of the lock's file within the run's directory.
const FILE: &str = "lock";
/// Name of the directory, beside it, in which sessions that were refused leave their names.
const REFUSED: &str = "refused";

/// A look at the lock (see [`holder`]) holds it for a moment, so a session that finds it held looks again before it
/// believes it.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// Who holds a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The operator's name.
    pub operator: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
}

impl Owner {
    /// This process, from now on.
    pub fn here(operator: impl Into<String>) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { operator: operator.into(), host, pid: std::process::id(), since: clock::now() }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, host, pid, since } = self;
        let minutes = clock::now().duration_since(*since).as_mins();
        let age = match minutes {
            ..1 => "less than a minute".to_owned(),
            1..60 => format!("{minutes} min"),
            _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
        };
        let since = Zoned::new(*since, jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z");
        write!(f, "{operator} on {host} (process {pid}) since {since}, for {age}")
    }
}

/// The right to write a run, given back when it is dropped or when the process ends, however it ends.
///
/// It rests on an advisory lock of the operating system, so that a killed session leaves none behind; it is not
/// inherited by programs that the cockpit starts.
#[derive(Debug)]
pub struct OperatorLock {
    owner: Owner,
    run_dir: PathBuf,
    _file: File,
}

impl OperatorLock {
    /// Takes the right to write the run in `run_dir`.
    ///
    /// # Errors
    /// [`JournalError::Held`] where another session has it, [`JournalError::Io`] where the lock cannot be written.
    pub fn take(run_dir: &Path, owner: Owner) -> Result<Self, JournalError> {
        let path = run_dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(JournalError::io("open the lock", &path))?;
        if !try_for_a_moment(&file, &path)? {
            let holder = Holder(read_owner(&mut file));
            leave_name(run_dir, &owner);
            return Err(JournalError::Held { run: run_dir.to_owned(), holder });
        }
        write_owner(&mut file, &owner).map_err(JournalError::io("write the lock", &path))?;
        Ok(Self { owner, run_dir: run_dir.to_owned(), _file: file })
    }

    /// Who has taken it.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The directory of the run it belongs to.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }
}

/// Who holds the run in `run_dir` now; none where nobody does.
pub fn holder(run_dir: &Path) -> Option<Holder> {
    let mut file = File::open(run_dir.join(FILE)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(Holder(read_owner(&mut file))),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// The sessions that wanted the run in `run_dir` and were refused, since this was asked last. For its holder, who is to know
/// that somebody else is at work.
pub fn take_refused(run_dir: &Path) -> Vec<Owner> {
    let Ok(entries) = fs::read_dir(run_dir.join(REFUSED)) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.path());
    let mut refused: Vec<Owner> = names
        // What is only half written has another name yet.
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter_map(|path| {
            let owner = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            // Told once: a file that cannot be removed would be told again, and nothing worse.
            let _ = fs::remove_file(&path);
            owner
        })
        .collect();
    refused.sort_by_key(|owner| owner.since);
    refused
}

/// Leaves the name of a session that was refused. It is told who holds the run in any case, so nothing hangs on this.
fn leave_name(run_dir: &Path, owner: &Owner) {
    let directory = run_dir.join(REFUSED);
    let name = format!("{}-{}", owner.host, owner.pid);
    let leave = || {
        fs::create_dir_all(&directory)?;
        let unfinished = directory.join(format!("{name}.unfinished"));
        fs::write(&unfinished, serde_json::to_vec(owner)?)?;
        fs::rename(unfinished, directory.join(format!("{name}.json")))
    };
    if let Err(error) = leave() {
        tracing::debug!(%error, "a refused session could not leave its name");
    }
}

fn try_for_a_moment(file: &File, path: &Path) -> Result<bool, JournalError> {
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(BETWEEN_LOOKS);
        }
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(JournalError::io("take the lock", path)(source)),
        }
    }
    Ok(false)
}

/// What the lock's file says; none where its holder is only just writing it.
fn read_owner(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write_owner(file: &mut File, owner: &Owner) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(owner)?)?;
    file.sync_all()
}
