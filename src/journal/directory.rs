//! A store in a local directory: `<state-dir>/runs/<run-id>/journal.jsonl`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use memchr::{memchr_iter, memrchr};

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
/// How much is read at a time, in bytes: what a core keeps near, and more than [`spread`] does alone.
const PIECE: u64 = 1 << 20;

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
        let scan = scan(&self.journal)?;
        let open = || {
            let mut file = OpenOptions::new().write(true).open(&self.journal)?;
            file.set_len(scan.good)?;
            file.seek(SeekFrom::End(0))?;
            if scan.lacks_newline {
                file.write_all(b"\n")?;
            }
            file.sync_all()?;
            Ok(file)
        };
        let torn = scan.torn.as_slice();
        if !torn.is_empty() {
            self.keep_aside(torn)?;
        }
        let file = open().map_err(JournalError::io("write to", &self.journal))?;
        let good = scan.good + u64::from(scan.lacks_newline);
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
    let scan = scan(journal)?;
    let notice = (!scan.torn.is_empty())
        .then(|| format!("The last line of {} is not complete and was left out.", journal.display()));
    Ok(Contents { entries: scan.entries, notice })
}

#[derive(Default)]
struct Scan {
    entries: Vec<Entry>,
    head: Head,
    /// How many bytes hold good records.
    good: u64,
    /// The last good record is complete but for its newline.
    lacks_newline: bool,
    /// What follows them.
    torn: Vec<u8>,
}

impl Scan {
    /// Takes records in; false where one is broken that may be.
    fn take(&mut self, lines: &[u8], path: &Path) -> Result<bool, JournalError> {
        let ends = memchr_iter(b'\n', lines).map(|end| end + 1).chain((!lines.ends_with(b"\n")).then_some(lines.len()));
        let mut begin = 0;
        let lines: Vec<&[u8]> = ends.map(|end| &lines[std::mem::replace(&mut begin, end)..end]).collect();
        let parsed = spread(&lines, |line| Entry::parse_alone(line.strip_suffix(b"\n").unwrap_or(line)));
        for (line, parsed) in lines.into_iter().zip(parsed) {
            let is_whole = line.ends_with(b"\n");
            match parsed.and_then(|entry| entry.follows(&self.head).map(|()| entry)) {
                Ok(entry) => {
                    self.head = entry.head();
                    self.entries.push(entry);
                    self.good += line.len() as u64;
                    self.lacks_newline = !is_whole;
                }
                Err(_) if !is_whole => return Ok(false),
                Err(flaw) => return Err(located(flaw, path, self.entries.len() + 1)),
            }
        }
        Ok(true)
    }
}

/// Verifies every line. Only what follows the last newline may be incomplete: a record counts as written once its
/// newline is on disk, so a broken line that has one was good once.
fn scan(path: &Path) -> Result<Scan, JournalError> {
    let mut file = File::open(path).map_err(JournalError::io("read", path))?;
    let mut scan = Scan::default();
    // A piece at a time, so that a long run need not be in memory as a whole, twice.
    let mut piece = Vec::new();
    loop {
        let came =
            Read::by_ref(&mut file).take(PIECE).read_to_end(&mut piece).map_err(JournalError::io("read", path))?;
        let is_last = came == 0;
        let whole = if is_last { piece.len() } else { memrchr(b'\n', &piece).map_or(0, |end| end + 1) };
        if whole > 0 && scan.take(&piece[..whole], path)? {
            piece.drain(..whole);
        }
        if is_last {
            scan.torn = piece;
            return Ok(scan);
        }
    }
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
