//! What a program prints and how it ended, kept in files even where the disk takes nothing for a while.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::thread;
use std::time::Duration;

/// Time between two tries, while the disk takes nothing.
const UNTIL_THERE_IS_ROOM: Duration = Duration::from_secs(1);

/// How much output waits for room at most, in bytes; what a deploy prints is a hundredth of it.
const MOST: usize = 16 * 1024 * 1024;

/// A program's output.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    /// What the disk did not take yet.
    waiting: Vec<u8>,
    lost: bool,
}

impl Kept {
    pub fn new(file: File) -> Self {
        Self { file, waiting: Vec::new(), lost: false }
    }

    /// Keeps a piece, or holds it until there is room. A disk that is full must not stop the program.
    pub fn take(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let written = self.write();
        if self.waiting.len() > MOST || written.is_err_and(|error| !may_have_room_later(&error)) {
            self.waiting.clear();
            self.lost = true;
        }
    }

    /// Keeps what still waits, once there is room for it; whether anything was lost.
    pub fn finish(&mut self) -> bool {
        self.lost |= once_there_is_room(|| self.write()).is_err();
        self.lost
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.file.write(&self.waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Writes something down. A disk that takes nothing is waited for: what is to be written is known to nobody else, and until it
/// is there the program counts as running.
pub(super) fn once_there_is_room(mut write: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match write() {
            Err(error) if may_have_room_later(&error) => thread::sleep(UNTIL_THERE_IS_ROOM),
            written => return written,
        }
    }
}

fn may_have_room_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
}
