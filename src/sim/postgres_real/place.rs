//! A directory for a site's servers, gone when the site is gone.
//!
//! It is not the site's own, which the servers' user may not be able to reach. A site that was killed leaves its directory
//! behind, with a lock that nobody holds any more; the next site removes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::install::Installation;

/// Where the directories are: a short path, as the servers' user can reach it whoever we are.
const PARENT: &str = "/tmp";
/// How their names begin.
const PREFIX: &str = "aurora-cockpit-pg-";
/// The file that a living site holds locked.
const LOCK: &str = "lock";

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes one, and removes those that killed sites left.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(installation: &Installation) -> io::Result<Self> {
        sweep();
        let path = Path::new(PARENT).join(format!("{PREFIX}{}-{:08x}", std::process::id(), fastrand::u32(..)));
        installation.make_directory(&path)?;
        let lock = File::create_new(path.join(LOCK))?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(directory = %self.path.display(), %error, "not removed");
        }
    }
}

/// Removes what killed sites left. What cannot be looked into or removed is somebody else's.
fn sweep() {
    for entry in fs::read_dir(PARENT).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let left = File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
