//! Programs: long ones in a terminal of their own that outlives the cockpit ([`Program`]), short ones whose answer is
//! read at once ([`capture`]).
//!
//! A long program is run by a holder, a process of this same binary in a session of its own. The holder keeps what the
//! program prints and how it ended in files, so that a cockpit that was killed, or another one, takes it up again.

mod capture;
mod files;
pub mod holder;
mod kept;
mod start;
#[cfg(test)]
mod tests;

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::Stream;
use secrecy::zeroize::Zeroize as _;

pub use capture::{Capture, Captured};
pub use files::{Ended, Started};
pub use start::Spec;

use super::{Controls, Trouble, TroubleKind, known, met};
use crate::runbook::text::terminal_lines;
use files::Files;
use holder::Message;

/// How often a follower looks for more output, and a waiter for the end.
const LOOK: Duration = Duration::from_millis(40);

/// How much of a program's output is read at once, in bytes: a night's deploy prints a thousandth of it, and a program that
/// runs wild must not fill the memory.
const MOST_READ: u64 = 4 << 20;

/// A program that runs, or ran, in a terminal of its own.
#[derive(Debug, Clone)]
pub struct Program {
    files: Files,
}

/// How a program stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running {
        /// Its process; none in the moment before it is started.
        pid: Option<u32>,
    },
    /// It ended.
    Exited(Ended),
    /// Its holder is gone and left no word on its end: a restart of the machine, or somebody killed it.
    Lost,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins, in bytes from the output's start.
    pub offset: u64,
    /// The raw bytes, control sequences and all. Clean them before they are shown or kept.
    pub bytes: Vec<u8>,
}

impl Program {
    /// Takes up the program that was started in that directory; none where none was.
    pub fn find(directory: &Path) -> Option<Self> {
        let files = Files::at(directory);
        files.are_taken().then_some(Self { files })
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.files.directory()
    }

    /// File with all that it printed, raw.
    pub fn output_file(&self) -> PathBuf {
        self.files.output()
    }

    /// How and when it was started; none in the moment before.
    pub fn started(&self) -> Option<Started> {
        self.files.read_started()
    }

    /// How it stands.
    pub fn state(&self) -> State {
        // The holder writes the end before it lets go of its lock, so the lock is looked at first: a holder that ends
        // between the two looks is then found to have ended, not to be lost.
        let is_held = self.files.is_held();
        match self.files.read_ended() {
            Some(ended) => State::Exited(ended),
            None if is_held => State::Running { pid: self.started().map(|started| started.pid) },
            None => State::Lost,
        }
    }

    /// Waits until it no longer runs, whatever time that takes.
    pub async fn wait(&self) -> State {
        loop {
            match self.state() {
                State::Running { .. } => tokio::time::sleep(LOOK).await,
                ended => return ended,
            }
        }
    }

    /// Its output from an offset on, as it comes; ends when the program no longer runs and all was read.
    pub fn follow(&self, offset: u64) -> impl Stream<Item = Chunk> + Send + 'static {
        let program = self.clone();
        futures::stream::unfold(offset, move |offset| {
            let program = program.clone();
            async move {
                loop {
                    let is_running = matches!(program.state(), State::Running { .. });
                    match program.output_from(offset) {
                        Ok(bytes) if !bytes.is_empty() => {
                            let next = offset + bytes.len() as u64;
                            return Some((Chunk { offset, bytes }, next));
                        }
                        _ if is_running => tokio::time::sleep(LOOK).await,
                        _ => return None,
                    }
                }
            }
        })
    }

    /// The next piece of output from an offset on, at most 64 KiB; empty where there is no more yet.
    pub fn output_from(&self, offset: u64) -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(self.files.output())?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The lines that it has printed so far, cleaned, without what looks like a secret; of very much output the last part.
    pub fn lines(&self) -> Vec<String> {
        let bytes = self.last_output(MOST_READ).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // Secrets are masked here as a matter of course: scripts print them. What steers the terminal is another thing.
        met::washed("program output", &known::hide(&text));
        let lines = terminal_lines(&text);
        lines.into_iter().map(|line| known::hide(&line)).collect()
    }

    fn last_output(&self, most: u64) -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(self.files.output())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Types into its terminal.
    pub fn type_in(&self, _controls: &Controls, bytes: &[u8]) -> Result<(), Trouble> {
        bytes.chunks(holder::LONGEST_MESSAGE).try_for_each(|bytes| {
            let message = Message::Input(bytes.to_vec());
            let sent = self.send(&message);
            if let Message::Input(mut bytes) = message {
                bytes.zeroize();
            }
            sent
        })
    }

    /// Presses Ctrl-C in its terminal.
    pub fn interrupt(&self, controls: &Controls) -> Result<(), Trouble> {
        self.type_in(controls, b"\x03")
    }

    /// Tells its terminal the size of the pane it is shown in.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), Trouble> {
        self.send(&Message::Resize { rows, columns })
    }

    fn send(&self, message: &Message) -> Result<(), Trouble> {
        let mut bytes = message.encode();
        let sent = self.files.connect().and_then(|mut stream: UnixStream| stream.write_all(&bytes));
        // What was typed may have been a password.
        bytes.zeroize();
        sent.map_err(|error| {
            let words = format!("the program in {} takes no input: {error}", self.directory().display());
            Trouble::new("program input", TroubleKind::Unreachable, words)
        })
    }
}
