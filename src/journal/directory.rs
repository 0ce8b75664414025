//! A store in a local directory: `<state-dir>/runs/<run-id>/journal.jsonl`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::entry::{Entry, Flaw, Head};
use super::error::JournalError;
use super::lock::{OperatorLock, Owner};
use super::spread::spread;
use super::{Contents, Store};

/// Name of the journal's file within the run's directory.
pub const JOURNAL: &str = "journal.jsonl";
/// Name of the file in which torn last lines are kept aside.
pub const TORN: &str = "journal.torn";
/// How many runs of a rollout may begin in the same second.
const MOST_IN_A_SECOND: u32 = 100;

/// The directory of one run.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    journal: PathBuf,
    /// Open for writing once the store was recovered, with the length that is known to be good.
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    file: File,
    good: u64,
    seq: u64,
    poisoned: bool,
}

impl Directory {
    /// Makes the directory of a new run of a rollout, named by the moment. Where that name is taken already it gets a number:
    /// in the same second another run may have begun, or a cockpit was killed as it began one.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn fresh(state_dir: &Path, rollout: &str, at: Timestamp) -> Result<(String, Self), JournalError> {
        let name = super::runs::fresh_name(rollout, at);
        let is_taken = |error: &JournalError| matches!(error, JournalError::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists);
        let mut number = 1;
        loop {
            let id = if number == 1 { name.clone() } else { format!("{name}-{number}") };
            match Self::create(state_dir, &id) {
                Err(error) if is_taken(&error) && number < MOST_IN_A_SECOND => number += 1,
                made => return made.map(|store| (id, store)),
            }
        }
    }

    /// Makes the directory of a new run; only its owner may enter it.
    ///
    /// # Errors
    /// Where `run` cannot be a directory's name, is taken already, or the place cannot be written.
    pub fn create(state_dir: &Path, run: &str) -> Result<Self, JournalError> {
        let path = super::runs::run_dir(state_dir, run)?;
        let parent = super::runs::runs_dir(state_dir);
        make_private(&parent)?;
        DirBuilder::new().mode(0o700).create(&path).map_err(JournalError::io("make the directory", &path))?;
        let store = Self::at(path);
        let file = OpenOptions::new().create_new(true).append(true).mode(0o600).open(&store.journal);
        let file = file.map_err(JournalError::io("make", &store.journal))?;
        file.sync_all().map_err(JournalError::io("write to", &store.journal))?;
        // The names must be on disk as well, or a crash could leave a journal that nothing leads to.
        sync_directory(&store.path)?;
        sync_directory(&parent)?;
        Ok(store)
    }

    /// The directory of a run that is there already.
    ///
    /// # Errors
    /// [`JournalError::NoRun`] where there is none of that name.
    pub fn open(state_dir: &Path, run: &str) -> Result<Self, JournalError> {
        let path = super::runs::run_dir(state_dir, run)?;
        if path.join(JOURNAL).exists() {
            return Ok(Self::at(path));
        }
        let known = super::runs::runs(state_dir)?.into_iter().map(|run| run.id).collect();
        Err(JournalError::NoRun { run: run.to_owned(), state_dir: state_dir.to_owned(), known })
    }

    /// A store in this very directory.
    pub fn at(path: PathBuf) -> Self {
        Self { journal: path.join(JOURNAL), path, writing: None }
    }

    /// The run's directory: outputs of programs, screenshots and recordings are kept beside the journal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's file.
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// Opens for writing what cannot be recovered, such as a device.
    #[cfg(test)]
    pub(super) fn write_without_recovery(&mut self) -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.journal)?;
        self.writing = Some(Writing { file, good: 0, seq: 0, poisoned: false });
        Ok(())
    }

    /// Keeps what a crash left of a line aside, so that nothing is lost that somebody may want to look at.
    fn keep_aside(&self, torn: &[u8]) -> Result<(), JournalError> {
        let path = self.path.join(TORN);
        let io = JournalError::io("keep a torn line in", &path);
        let kept = || {
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            file.write_all(torn)?;
            file.write_all(b"\n")?;
            file.sync_all()
        };
        kept().map_err(io)
    }
}

impl Store for Directory {
    fn lock(&self, owner: Owner) -> Result<OperatorLock, JournalError> {
        OperatorLock::take(&self.path, owner)
    }

    fn read_from(&self, after: u64) -> Result<Contents, JournalError> {
        let mut contents = read(&self.journal)?;
        contents.entries.retain(|entry| entry.seq() > after);
        Ok(contents)
    }

    fn recover(&mut self) -> Result<Contents, JournalError> {
        let bytes = fs::read(&self.journal).map_err(JournalError::io("read", &self.journal))?;
        let scan = scan(&bytes, &self.journal)?;
        let open = || {
            let mut file = OpenOptions::new().write(true).open(&self.journal)?;
            file.set_len(scan.good as u64)?;
            file.seek(SeekFrom::End(0))?;
            if scan.lacks_newline {
                file.write_all(b"\n")?;
            }
            file.sync_all()?;
            Ok(file)
        };
        let torn = &bytes[scan.good..];
        if !torn.is_empty() {
            self.keep_aside(torn)?;
        }
        let file = open().map_err(JournalError::io("write to", &self.journal))?;
        let good = (scan.good + usize::from(scan.lacks_newline)) as u64;
        let seq = scan.entries.last().map_or(0, Entry::seq);
        self.writing = Some(Writing { file, good, seq, poisoned: false });
        let notice = (!torn.is_empty()).then(|| {
            let (length, aside) = (torn.len(), self.path.join(TORN));
            format!(
                "The last line of {} was torn ({length} bytes, cut off as it was being written); it is dropped and kept in {}.",
                self.journal.display(),
                aside.display()
            )
        });
        Ok(Contents { entries: scan.entries, notice })
    }

    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let path = &self.journal;
        let mut line = entry.line()?;
        line.push('\n');
        let Some(writing) = self.writing.as_mut().filter(|writing| !writing.poisoned) else {
            return Err(JournalError::Poisoned(path.clone()));
        };
        if entry.seq() != writing.seq + 1 {
            return Err(JournalError::Taken { path: path.clone(), seq: entry.seq() });
        }
        writing.write(line.as_bytes()).map_err(JournalError::io("write to", path))?;
        writing.seq = entry.seq();
        Ok(())
    }
}

impl Writing {
    /// Writes a line and waits until it is on disk; takes a half-written one back.
    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            let restored = self.file.set_len(self.good).and_then(|()| self.file.seek(SeekFrom::Start(self.good)));
            self.poisoned = restored.is_err();
            return Err(error);
        }
        // After a failed sync nobody knows what is on disk, and a second sync would claim success.
        self.file.sync_data().inspect_err(|_| self.poisoned = true)?;
        self.good += line.len() as u64;
        Ok(())
    }
}

/// Reads a journal as it is, without changing it: for a monitor, a replay, a report.
///
/// A last line that is not complete is left out; the session that holds the run may be writing it just now.
///
/// # Errors
/// Where it cannot be read, or a line that is not the last is broken.
pub fn read(journal: &Path) -> Result<Contents, JournalError> {
    let bytes = fs::read(journal).map_err(JournalError::io("read", journal))?;
    let scan = scan(&bytes, journal)?;
    let notice = (scan.good < bytes.len())
        .then(|| format!("The last line of {} is not complete and was left out.", journal.display()));
    Ok(Contents { entries: scan.entries, notice })
}

struct Scan {
    entries: Vec<Entry>,
    /// How many bytes hold good records.
    good: usize,
    /// The last good record is complete but for its newline.
    lacks_newline: bool,
}

/// Verifies every line. Only what follows the last newline may be incomplete: a record counts as written once its
/// newline is on disk, so a broken line that has one was good once.
fn scan(bytes: &[u8], path: &Path) -> Result<Scan, JournalError> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let parsed = spread(&lines, |line| Entry::parse_alone(line.strip_suffix(b"\n").unwrap_or(line)));
    let mut scan = Scan { entries: Vec::with_capacity(lines.len()), good: 0, lacks_newline: false };
    let mut head = Head::default();
    for (index, (line, parsed)) in lines.into_iter().zip(parsed).enumerate() {
        let is_whole = line.ends_with(b"\n");
        match parsed.and_then(|entry| entry.follows(&head).map(|()| entry)) {
            Ok(entry) => {
                head = entry.head();
                scan.entries.push(entry);
                scan.good += line.len();
                scan.lacks_newline = !is_whole;
            }
            Err(_) if !is_whole => break,
            Err(flaw) => return Err(located(flaw, path, index + 1)),
        }
    }
    Ok(scan)
}

/// Says where a flaw is.
pub(super) fn located(flaw: Flaw, path: &Path, line: usize) -> JournalError {
    let path = path.to_owned();
    match flaw {
        Flaw::Version(found) => JournalError::Version { path, line, found },
        Flaw::Broken(why) => JournalError::Broken { path, line, why },
    }
}

/// Makes a directory and those above it, for its owner only where they are new.
pub fn make_private(path: &Path) -> Result<(), JournalError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(JournalError::io("make the directory", path))
}

fn sync_directory(path: &Path) -> Result<(), JournalError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(JournalError::io("write to", path))
}
