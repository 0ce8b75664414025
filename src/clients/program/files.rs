//! The files by which a holder and those who watch it understand each other.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a program was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Command line, as one would type it. Programs get no secrets on it.
    pub command_line: String,
    /// Working directory.
    pub directory: PathBuf,
    /// The program's process.
    pub pid: u32,
    /// When.
    pub at: Timestamp,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Exit code; none where it did not come so far, or a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, in the system's words.
    pub signal: Option<String>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// Whether some output could not be kept; the disk was full, perhaps.
    pub output_lost: bool,
    /// When.
    pub at: Timestamp,
}

/// In a few words.
impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.signal, self.code) {
            (Some(error), _, _) => write!(f, "not started: {error}"),
            (None, Some(signal), _) => write!(f, "ended by {signal}"),
            (None, None, Some(code)) => write!(f, "exit {code}"),
            (None, None, None) => write!(f, "ended"),
        }
    }
}

impl Ended {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

/// A program's directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Locked for as long as the holder lives.
    pub fn held(&self) -> PathBuf {
        self.directory.join("held")
    }

    pub fn output(&self) -> PathBuf {
        self.directory.join("output")
    }

    /// Makes the directory, readable by nobody else, and the lock in it, already taken. Fails with `AlreadyExists` where
    /// a program was started there before. A lock that nobody holds, and under which nothing was begun, is of a cockpit that
    /// was killed before it had a holder: it is taken over.
    pub fn create(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(self.held());
        let held = open?;
        match held.try_lock() {
            Ok(()) if self.has_begun() => Err(io::ErrorKind::AlreadyExists.into()),
            Ok(()) => Ok(held),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a program was started here, or may just now be started.
    pub fn are_taken(&self) -> bool {
        // In this order: a holder lets go of its lock only after it has begun.
        self.is_held() || self.has_begun()
    }

    /// Whether a holder has begun here: it makes the output before it starts anything, and writes the end where it cannot.
    fn has_begun(&self) -> bool {
        self.output().exists() || self.directory.join("exit").exists()
    }

    /// Whether the holder lives.
    pub fn is_held(&self) -> bool {
        let Ok(held) = File::open(self.held()) else { return false };
        matches!(held.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    pub fn append_output(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(self.output())
    }

    pub fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write("pid", started.pid.to_string().as_bytes())?;
        self.write("started", &serde_json::to_vec(started)?)
    }

    pub fn read_started(&self) -> Option<Started> {
        serde_json::from_slice(&std::fs::read(self.directory.join("started")).ok()?).ok()
    }

    pub fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.write("exit", &serde_json::to_vec(ended)?)
    }

    pub fn read_ended(&self) -> Option<Ended> {
        serde_json::from_slice(&std::fs::read(self.directory.join("exit")).ok()?).ok()
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.directory.join(format!("{name}.new"));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(draft, self.directory.join(name))
    }

    /// Name of the socket that takes input, within the directory.
    pub const INPUT: &'static str = "input.sock";

    /// Connects to the socket that takes input.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let path = self.directory.join(Self::INPUT);
        match UnixStream::connect(&path) {
            // A socket's path has room for some hundred bytes only. Linux lets one come from the directory's descriptor.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let directory = File::open(&self.directory)?;
                let descriptor = std::os::fd::AsRawFd::as_raw_fd(&directory);
                UnixStream::connect(format!("/proc/self/fd/{descriptor}/{}", Self::INPUT))
            }
            connected => connected,
        }
    }
}
