//! The runs of a state directory.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::directory::{JOURNAL, located};
use super::entry::{Entry, Head};
use super::error::{Holder, JournalError};
use super::lock;

/// A run as the listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// Its name.
    pub id: String,
    /// Its directory.
    pub directory: PathBuf,
    /// When it began; none where nothing was written yet or the first line cannot be read.
    pub started: Option<Timestamp>,
    /// Who holds its controls now.
    pub holder: Option<Holder>,
}

impl RunEntry {
    /// Its journal's file.
    pub fn journal(&self) -> PathBuf {
        self.directory.join(JOURNAL)
    }
}

/// The directory that holds the runs' directories.
pub fn runs_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("runs")
}

/// The directory of the run of that name, whether it is there or not.
///
/// # Errors
/// [`JournalError::Name`] where it cannot be a directory's name.
pub fn run_dir(state_dir: &Path, run: &str) -> Result<PathBuf, JournalError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins_well = run.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && run.len() <= 128 && run.chars().all(plain) {
        Ok(runs_dir(state_dir).join(run))
    } else {
        Err(JournalError::Name(run.to_owned()))
    }
}

/// A name for a new run of a rollout: its identifier and the moment, so that names sort by time.
pub fn fresh_name(rollout: &str, at: Timestamp) -> String {
    format!("{rollout}-{}", at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ"))
}

/// The runs of a state directory, newest first. A state directory that is not there yet has none.
///
/// # Errors
/// Where it cannot be listed.
pub fn runs(state_dir: &Path) -> Result<Vec<RunEntry>, JournalError> {
    let parent = runs_dir(state_dir);
    let listing = match fs::read_dir(&parent) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(JournalError::io("list", &parent)(error)),
    };
    let mut found = Vec::new();
    for entry in listing {
        let directory = entry.map_err(JournalError::io("list", &parent))?.path();
        if directory.join(JOURNAL).is_file() {
            found.extend(described(directory));
        }
    }
    found.sort_by(|a, b| b.started.cmp(&a.started).then_with(|| b.id.cmp(&a.id)));
    Ok(found)
}

/// The run in that directory, whoever's it is; none where there is no journal in it that can be read.
pub fn at(directory: &Path) -> Option<RunEntry> {
    let directory = directory.canonicalize().ok()?;
    File::open(directory.join(JOURNAL)).ok()?;
    described(directory)
}

/// The run that began last.
///
/// # Errors
/// As for [`runs`].
pub fn latest(state_dir: &Path) -> Result<Option<RunEntry>, JournalError> {
    Ok(runs(state_dir)?.into_iter().next())
}

fn described(directory: PathBuf) -> Option<RunEntry> {
    let id = directory.file_name()?.to_str()?.to_owned();
    let started = first_time(&directory.join(JOURNAL));
    let holder = lock::holder(&directory);
    Some(RunEntry { id, directory, started, holder })
}

fn first_time(journal: &Path) -> Option<Timestamp> {
    read_first(journal).ok()?.map(|entry| entry.at())
}

/// The first record of a journal, which says whose run it is; none where nothing whole was written.
///
/// # Errors
/// Where it cannot be read, or the first line is broken.
pub fn read_first(journal: &Path) -> Result<Option<Entry>, JournalError> {
    let file = File::open(journal).map_err(JournalError::io("read", journal))?;
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line).map_err(JournalError::io("read", journal))?;
    match Entry::parse(line.trim_ascii_end(), &Head::default()) {
        Ok(entry) => Ok(Some(entry)),
        Err(_) if !line.ends_with(b"\n") => Ok(None),
        Err(flaw) => Err(located(flaw, journal, 1)),
    }
}
