//! A program in a terminal, with the moment at which each of its bytes came.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

/// Columns and rows.
pub const SIZE: (u16, u16) = (200, 50);

/// What programs ask a terminal, and what one that can nothing special answers: a capability, its version, its kind, and last,
/// by which they know that the others were not understood, where the cursor is.
/// <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>
const QUESTIONS: [(&str, &str); 4] = [
    ("\x1bP+q", "\x1bP0+r\x1b\\"),
    ("\x1b[>q", "\x1bP>|xterm(390)\x1b\\"),
    ("\x1b[c", "\x1b[?62;22c"),
    ("\x1b[6n", "\x1b[1;1R"),
];

/// A program in a terminal of its own. Dropping it kills the program.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    chunks: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    /// Bytes that it has written.
    pub bytes: u64,
    /// When it was started.
    pub started: Instant,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts a program in a terminal of so many columns and rows.
    pub fn start(command: CommandBuilder, (columns, rows): (u16, u16)) -> Result<Self, String> {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut output = pair.master.try_clone_reader().expect("its output");
        let keys = pair.master.take_writer().expect("its input");
        let (sender, chunks) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..length].to_vec())).is_err() {
                    return;
                }
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).map_err(|error| error.to_string())?;
        let cells = |cells| NonZeroU16::new(cells).expect("a terminal has cells");
        let screen = vt100::Parser::new(cells(rows), cells(columns), 0);
        Ok(Self { child, keys, chunks, screen, bytes: 0, started, _master: pair.master })
    }

    /// When the screen was first as it should be.
    pub fn until(&mut self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) -> Result<Instant, String> {
        let until = Instant::now() + LIMIT;
        loop {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((at, bytes)) => {
                    self.take(&bytes);
                    if holds(self.screen.screen()) {
                        return Ok(at);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.lacks(what, "the program ended")),
                Err(RecvTimeoutError::Timeout) => return Err(self.lacks(what, &format!("not within {LIMIT:?}"))),
            }
        }
    }

    /// That something did not come, and on a line of its own what was there instead.
    fn lacks(&self, what: &str, why: &str) -> String {
        eprintln!("{what}: {why}; the screen was\n{}", self.screen.screen().contents());
        format!("{what}: {why}")
    }

    /// Lets it go on for a time; how many bytes it wrote meanwhile.
    pub fn stay(&mut self, time: Duration) -> u64 {
        let (until, before) = (Instant::now() + time, self.bytes);
        loop {
            match self.chunks.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((_, bytes)) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return self.bytes - before,
            }
        }
    }

    /// Presses keys; when.
    ///
    /// # Errors
    /// If the program is gone.
    pub fn press(&mut self, keys: &str) -> Result<Instant, String> {
        let at = Instant::now();
        let sent = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
        sent.map(|()| at).map_err(|error| format!("the terminal takes no keys: {error}"))
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.screen.process(bytes);
        self.answer(bytes);
    }

    /// Answers what a program asks its terminal at its start, as any terminal does at once: one that is left without an answer
    /// waits for seconds, and its start would not be its own.
    fn answer(&mut self, bytes: &[u8]) {
        for (question, answer) in QUESTIONS {
            let asked = bytes.windows(question.len()).filter(|window| *window == question.as_bytes()).count();
            // Whoever asked may be gone again.
            let _ = self.keys.write_all(answer.repeat(asked).as_bytes());
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
