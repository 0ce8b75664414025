//! Following a journal that another session writes.

use std::collections::VecDeque;
use std::io::SeekFrom;
use std::path::PathBuf;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::sleep;

use super::directory::located;
use super::entry::{Entry, Head};
use super::error::JournalError;

/// How often the file is looked at. Looking is one `stat`, and works on every file system.
const CADENCE: Duration = Duration::from_millis(150);

/// A reader that waits for what is written next. Each record is verified against the one before.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    after: u64,
    head: Head,
    /// Bytes of complete lines that were read.
    read: u64,
    ready: VecDeque<Entry>,
}

impl Follow {
    /// Follows a journal's file; records up to number `after` are verified and passed over.
    pub fn new(journal: impl Into<PathBuf>, after: u64) -> Self {
        Self { path: journal.into(), after, head: Head::default(), read: 0, ready: VecDeque::new() }
    }

    /// The next record, as soon as it is there. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Where the journal cannot be read, is broken, or was cut.
    pub async fn next(&mut self) -> Result<Entry, JournalError> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Ok(entry);
            }
            let fresh = self.fresh_bytes().await?;
            self.take(&fresh)?;
            if self.ready.is_empty() {
                sleep(CADENCE).await;
            }
        }
    }

    /// What is in the file beyond the lines that were read.
    async fn fresh_bytes(&self) -> Result<Vec<u8>, JournalError> {
        let io = |error| JournalError::io("read", &self.path)(error);
        let mut file = File::open(&self.path).await.map_err(io)?;
        let length = file.metadata().await.map_err(io)?.len();
        let mut fresh = Vec::new();
        if length < self.read {
            return Err(JournalError::Cut(self.path.clone()));
        }
        if length > self.read {
            file.seek(SeekFrom::Start(self.read)).await.map_err(io)?;
            file.read_to_end(&mut fresh).await.map_err(io)?;
        }
        Ok(fresh)
    }

    /// Takes the complete lines; what follows the last newline is still being written.
    fn take(&mut self, fresh: &[u8]) -> Result<(), JournalError> {
        for line in fresh.split_inclusive(|byte| *byte == b'\n') {
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let number = usize::try_from(self.head.seq).unwrap_or(usize::MAX).saturating_add(1);
            let entry = Entry::parse(whole, &self.head).map_err(|flaw| located(flaw, &self.path, number))?;
            self.head = entry.head();
            self.read += line.len() as u64;
            if entry.seq() > self.after {
                self.ready.push_back(entry);
            }
        }
        Ok(())
    }
}
