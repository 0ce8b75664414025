//! Taking a run over on purpose: the one who wants it asks, the one who holds it hands it over.
//!
//! A request is a file in the run's directory, locked for as long as its writer lives. Exactly one of the two removes its
//! name: the holder, by accepting it, or its writer, by withdrawing it. So nobody is handed a run that they no longer
//! wait for. The run itself changes hands by its [lock](super::lock) alone: there are never two who write.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::lock::Owner;

/// The directory, beside the lock, in which requests are left.
const DIRECTORY: &str = "takeover";
/// What a request's name ends with while it waits, and once it is accepted.
const WAITING: &str = "json";
const ACCEPTED: &str = "accepted";

/// A request to hand a run over; withdrawn when it is dropped.
#[derive(Debug)]
pub struct Request {
    waiting: PathBuf,
    accepted: PathBuf,
    /// Locked: whoever finds it can tell that its writer lives.
    _file: File,
}

impl Request {
    /// Asks the holder of the run in `run_dir` to hand it over to that owner.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn leave(run_dir: &Path, owner: &Owner) -> Result<Self, JournalError> {
        let directory = run_dir.join(DIRECTORY);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(JournalError::io("make the directory", &directory))?;
        let name = format!("{}-{}", owner.host.replace('/', "_"), owner.pid);
        let [unfinished, waiting, accepted] =
            ["unfinished", WAITING, ACCEPTED].map(|end| directory.join(format!("{name}.{end}")));
        let leave = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
            file.try_lock().map_err(std::io::Error::from)?;
            file.write_all(&serde_json::to_vec(owner)?)?;
            // Of another process that had this number.
            let _ = fs::remove_file(&accepted);
            fs::rename(&unfinished, &waiting)?;
            Ok(file)
        };
        let file = leave().map_err(JournalError::io("ask for the run in", &directory))?;
        Ok(Self { waiting, accepted, _file: file })
    }

    /// Whether the holder hands the run over.
    pub fn is_accepted(&self) -> bool {
        self.accepted.exists()
    }

    /// Takes the request back; whether that was in time, and the holder has not accepted it.
    pub fn withdraw(&self) -> bool {
        fs::remove_file(&self.waiting).is_ok() || !self.is_accepted()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.waiting);
        let _ = fs::remove_file(&self.accepted);
    }
}

/// A request as the holder finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub by: Owner,
    path: PathBuf,
}

impl Asked {
    /// Accepts it; whether it was still waited for.
    pub fn accept(&self) -> bool {
        fs::rename(&self.path, self.path.with_extension(ACCEPTED)).is_ok()
    }
}

/// Who asks for the run in `run_dir`: the first of those that still live. What the others left is removed.
pub fn asked(run_dir: &Path) -> Option<Asked> {
    let entries = fs::read_dir(run_dir.join(DIRECTORY)).ok()?;
    let waiting = entries.flatten().map(|entry| entry.path());
    let waiting = waiting.filter(|path| path.extension().is_some_and(|extension| extension == WAITING));
    let mut asked: Vec<Asked> = waiting
        .filter_map(|path| {
            let file = File::open(&path).ok()?;
            if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
                // Its writer is gone.
                let _ = fs::remove_file(&path);
                return None;
            }
            let by = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
            Some(Asked { by, path })
        })
        .collect();
    asked.sort_by_key(|asked| asked.by.since);
    asked.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_either_accepted_or_withdrawn() {
        let run = tempfile::tempdir().expect("a directory");
        assert_eq!(asked(run.path()), None);
        let bob = Owner::here("bob");
        let request = Request::leave(run.path(), &bob).expect("left");
        let found = asked(run.path()).expect("asked");
        assert_eq!(found.by, bob);
        assert!(!request.is_accepted());
        assert!(found.accept());
        assert!(request.is_accepted());
        assert!(!request.withdraw(), "it is too late");
        assert_eq!(asked(run.path()), None, "it is answered once");
        drop(request);

        let request = Request::leave(run.path(), &bob).expect("left");
        let found = asked(run.path()).expect("asked");
        assert!(!request.is_accepted(), "what was accepted before does not count");
        assert!(request.withdraw());
        assert!(!found.accept(), "nobody waits for it any more");
    }

    #[test]
    fn a_request_dies_with_its_writer() {
        let run = tempfile::tempdir().expect("a directory");
        let request = Request::leave(run.path(), &Owner::here("bob")).expect("left");
        let left = fs::read(&request.waiting).expect("read");
        let path = request.waiting.clone();
        drop(request);
        // As a killed process leaves it: the file is there, and nobody holds it.
        fs::write(&path, left).expect("written");
        assert_eq!(asked(run.path()), None);
        assert!(!path.exists());
    }

    #[test]
    fn who_asked_first_is_answered_first() {
        let run = tempfile::tempdir().expect("a directory");
        let first = Owner { pid: 1, ..Owner::here("ada") };
        let second = Owner { pid: 2, since: first.since + jiff::SignedDuration::from_secs(1), ..Owner::here("bob") };
        let _later = Request::leave(run.path(), &second).expect("left");
        let _earlier = Request::leave(run.path(), &first).expect("left");
        assert_eq!(asked(run.path()).expect("asked").by, first);
    }
}
