//! Approvals that other users leave in a run's directory: small files whose owner is vouched for by the operating system.
//!
//! What a file says is worth nothing without its owner; the digest in it says what was approved. Whoever is root can do
//! this as anybody, as they can everything.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::error::JournalError;
use super::sharing;
use crate::runbook::event::Person;

const DIRECTORY: &str = "approvals";
/// Bytes that an approval may have.
const MOST: u64 = 4096;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    digest: String,
}

/// An approval as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Whose file it is.
    pub by: Person,
    /// Of what.
    pub digest: String,
    /// How old the file is; more than anything counts where its clock is ahead of ours.
    pub age: Duration,
}

/// The directory in which they are left.
pub fn directory(run_dir: &Path) -> PathBuf {
    run_dir.join(DIRECTORY)
}

/// Leaves this user's approval of what has that digest.
///
/// # Errors
/// Where the run is not open to this user's group.
pub fn leave(run_dir: &Path, digest: &str) -> Result<(), JournalError> {
    let directory = directory(run_dir);
    let name = format!("{}-{}", sharing::user().uid, std::process::id());
    let unfinished = directory.join(format!("{name}.unfinished"));
    let leave = || {
        let mut options = OpenOptions::new();
        // For the operator to read; the directory lets nobody else in.
        let mut file = options.write(true).create(true).truncate(true).mode(0o644).open(&unfinished)?;
        file.write_all(&serde_json::to_vec(&Note { digest: digest.to_owned() })?)?;
        file.sync_all()?;
        fs::rename(&unfinished, directory.join(format!("{name}.json")))
    };
    leave().map_err(JournalError::io("leave an approval in", &directory))
}

/// Takes the approvals that were left since this was asked last. What is no plain file of a few bytes is removed unread.
pub fn take(run_dir: &Path) -> Vec<Left> {
    let Ok(entries) = fs::read_dir(directory(run_dir)) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.path());
    let names = names.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    names
        .filter_map(|path| {
            let left = read(&path);
            // One that cannot be removed is told again, and refused again: it is answered once.
            let _ = fs::remove_file(&path);
            left
        })
        .collect()
}

fn read(path: &Path) -> Option<Left> {
    // Neither a link to another's file nor a pipe on which one would wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path).ok()?;
    let seen = file.metadata().ok()?;
    if !seen.is_file() || seen.nlink() != 1 || seen.len() > MOST {
        return None;
    }
    let age = SystemTime::from(crate::clock::now()).duration_since(seen.modified().ok()?).unwrap_or(Duration::MAX);
    let note: Note = serde_json::from_slice(&whole(file)?).ok()?;
    Some(Left { by: sharing::person(seen.uid()), digest: note.digest, age })
}

fn whole(file: File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_its_owners_and_is_taken_once() {
        let run = tempfile::tempdir().expect("a directory");
        assert_eq!(take(run.path()), []);
        assert!(leave(run.path(), "aa").is_err(), "a run that is not opened takes none");
        fs::create_dir(directory(run.path())).expect("made");
        leave(run.path(), "aa").expect("left");
        let taken = take(run.path());
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].by.uid, taken[0].digest.as_str()), (sharing::user().uid, "aa"));
        assert!(taken[0].age < Duration::from_secs(60));
        assert_eq!(take(run.path()), []);
    }

    #[test]
    fn what_is_no_plain_small_file_is_none() {
        let run = tempfile::tempdir().expect("a directory");
        let there = directory(run.path());
        fs::create_dir(&there).expect("made");
        let good = run.path().join("elsewhere");
        fs::write(&good, r#"{"digest":"aa"}"#).expect("written");
        std::os::unix::fs::symlink(&good, there.join("link.json")).expect("linked");
        fs::hard_link(&good, there.join("hard.json")).expect("linked");
        fs::create_dir(there.join("directory.json")).expect("made");
        fs::write(there.join("words.json"), "approved, honestly").expect("written");
        fs::write(there.join("long.json"), format!(r#"{{"digest":"{}"}}"#, "a".repeat(5_000))).expect("written");
        fs::write(there.join("half.unfinished"), r#"{"digest":"aa"}"#).expect("written");
        assert_eq!(take(run.path()), []);
        // One whose clock is ahead is older than anything may be.
        fs::write(there.join("ahead.json"), r#"{"digest":"aa"}"#).expect("written");
        let ahead = SystemTime::now() + Duration::from_secs(3_600);
        File::options()
            .write(true)
            .open(there.join("ahead.json"))
            .and_then(|file| file.set_modified(ahead))
            .expect("set");
        assert_eq!(take(run.path())[0].age, Duration::MAX);
    }
}
