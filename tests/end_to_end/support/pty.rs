//! The binary in a terminal: keys go in, a screen comes out.

use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use super::place::{BINARY, LIMIT, Place};

/// Keys as a terminal sends them.
pub const ENTER: &str = "\r";
pub const TAB: &str = "\t";
pub const RIGHT: &str = "\x1b[C";
pub const DOWN: &str = "\x1b[B";
pub const ESCAPE: &str = "\x1b";

/// Ends a frame (synchronized output): only then is the screen what the program meant it to be.
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// The binary in a terminal of its own. Dropping it kills the binary; the site ends with its [`Place`].
pub struct Cockpit {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    bytes: Receiver<Vec<u8>>,
    /// What came of a frame that is not whole yet.
    unfinished: Vec<u8>,
    terminal: vt100::Parser,
    /// How often the bell rang.
    rings: usize,
    /// Everything that came, as it came: what draws nothing is in no screen.
    sent: Vec<u8>,
    /// How the terminal was set before the binary had it.
    line_before: String,
    /// Each screen that there was, where they are kept.
    screens: Option<Vec<String>>,
}

/// A terminal after its program has ended.
pub struct Left {
    /// The program's exit code.
    pub code: u32,
    /// What is on it, and the modes that were asked of it.
    pub terminal: vt100::Parser,
    /// Everything that was sent to it.
    pub sent: Vec<u8>,
    /// Whether it takes lines, echoes and makes signals of keys as it did before.
    pub line_is_as_before: bool,
}

impl Cockpit {
    /// Starts the binary in a terminal of so many columns and rows.
    pub fn start(place: &Place, (columns, rows): (u16, u16), arguments: &[&str]) -> Self {
        let mut command = CommandBuilder::new(BINARY);
        command.args(arguments);
        command.arg("--state-dir");
        command.arg(place.state());
        Self::start_command(place, (columns, rows), command)
    }

    /// Starts any program in such a terminal.
    pub fn start_command(place: &Place, (columns, rows): (u16, u16), mut command: CommandBuilder) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).expect("a terminal");
        command.env_clear();
        // What is kept is private by its own making, not by the grace of whoever started it.
        command.umask(Some(0));
        for (name, value) in place.env() {
            command.env(name, value);
        }
        command.cwd(place.path());
        let line_before = line(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        let mut output = pair.master.try_clone_reader().expect("its output");
        let (sender, bytes) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().expect("its input");
        Self {
            child,
            master: pair.master,
            keys,
            bytes,
            unfinished: Vec::new(),
            terminal: screen(columns, rows),
            rings: 0,
            sent: Vec::new(),
            line_before,
            screens: None,
        }
    }

    /// Keeps every screen from now on.
    pub fn keeping(mut self) -> Self {
        self.screens = Some(Vec::new());
        self
    }

    /// Waits for the binary's own end; everything that came, and each screen that was kept.
    pub fn all_of_it(mut self) -> (Vec<u8>, Vec<String>) {
        let until = Instant::now() + LIMIT;
        loop {
            match self.bytes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.text()),
            }
        }
        let _ = self.child.wait();
        (std::mem::take(&mut self.sent), self.screens.take().unwrap_or_default())
    }

    /// Types keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal takes keys");
    }

    /// Types keys and waits until a frame has come of them, or nothing for a moment; whether the program has not ended.
    pub fn drains(&mut self, keys: &str) -> bool {
        const MOMENT: Duration = Duration::from_millis(50);
        if self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).is_err() {
            return false;
        }
        loop {
            match self.bytes.recv_timeout(MOMENT) {
                Ok(bytes) => {
                    let is_frame = holds(&bytes, "\x1b[?2026l");
                    self.take(&bytes);
                    if is_frame {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Makes the terminal another size, as a window that is dragged.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.set_size(length(rows), length(columns));
        self.master.resize(size(columns, rows)).expect("another size");
    }

    /// Takes in what came, as far as it makes whole frames: half a frame shows words of two screens at once.
    fn take(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        self.sent.extend_from_slice(bytes);
        // The cockpit ends no control string with a bell.
        self.rings += bytes.iter().filter(|byte| **byte == 7).count();
        let end = self.unfinished.windows(FRAME_END.len()).rposition(|window| window == FRAME_END);
        if let Some(end) = end {
            let whole: Vec<u8> = self.unfinished.drain(..end + FRAME_END.len()).collect();
            self.terminal.process(&whole);
        }
        if let Some(screens) = &mut self.screens {
            let screen = self.terminal.screen().contents();
            if end.is_some() && screens.last() != Some(&screen) {
                screens.push(screen);
            }
        }
    }

    /// How often the bell has rung.
    pub fn rings(&self) -> usize {
        self.rings
    }

    /// Waits until these bytes have come, wherever among the others.
    pub fn hear(&mut self, bytes: &str) {
        self.listen(bytes, |sent| holds(sent, bytes));
    }

    /// Waits until some of these have come.
    pub fn hear_any(&mut self, any: &[String]) {
        self.listen(&any.join(" or "), |sent| any.iter().any(|bytes| holds(sent, bytes)));
    }

    /// Waits until the last of some bytes have come after the last of others.
    pub fn hear_last(&mut self, bytes: &str, others: &str) {
        let last = |sent: &[u8], bytes: &str| sent.windows(bytes.len()).rposition(|window| window == bytes.as_bytes());
        self.listen(bytes, |sent| last(sent, bytes) > last(sent, others));
    }

    fn listen(&mut self, what: &str, heard: impl Fn(&[u8]) -> bool) {
        let until = Instant::now() + LIMIT;
        while !heard(&self.sent) {
            match self.bytes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(more) => self.take(&more),
                Err(error) => {
                    let last = String::from_utf8_lossy(&self.sent[self.sent.len().saturating_sub(2000)..]);
                    panic!("{what:?}: {error}\n{}\nlast came {last:?}", self.text())
                }
            }
        }
    }

    /// Everything that came so far.
    pub fn sent(&self) -> &[u8] {
        &self.sent
    }

    /// Waits until the screen is as it should be.
    pub fn wait_for(&mut self, what: &str, mut holds: impl FnMut(&vt100::Screen) -> bool) {
        let until = Instant::now() + LIMIT;
        while !holds(self.terminal.screen()) {
            match self.bytes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {
                    let rest = String::from_utf8_lossy(&self.unfinished);
                    panic!("{what}: not within {LIMIT:?}\n{}\nand of no whole frame: {rest:?}", self.text())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.terminal.process(&self.unfinished);
                    panic!("{what}: the program ended\n{}", self.text());
                }
            }
        }
    }

    /// Waits until these words are on the screen.
    pub fn see(&mut self, words: &str) {
        self.wait_for(words, |screen| screen.contents().contains(words));
    }

    /// Waits until these words are no longer on the screen.
    pub fn see_no(&mut self, words: &str) {
        self.wait_for(&format!("no {words}"), |screen| !screen.contents().contains(words));
    }

    /// What is on the screen, row by row.
    pub fn terminal_rows(&self) -> Vec<String> {
        let screen = self.terminal.screen();
        screen.rows(0, screen.size().1.get()).collect()
    }

    /// The screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.terminal.screen()
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.terminal.screen().contents()
    }

    /// Opens the confirmation of a step by its key, and waits until it can be answered.
    pub fn open(&mut self, key: &str) {
        self.press(key);
        self.see("Enter chooses");
    }

    /// Fires a step by its key, through its confirmation, and waits until it is behind.
    pub fn fire(&mut self, (key, title): (&str, &str)) {
        self.open(key);
        self.press(TAB);
        self.press(ENTER);
        self.pass(title);
    }

    /// Waits until a step has passed.
    pub fn pass(&mut self, title: &str) {
        let ended = ["✓", "!", "✗", "?"].map(|glyph| format!("{glyph} {title}"));
        // In the list of steps, at the left of the screen; its words stand elsewhere too.
        let says = |screen: &vt100::Screen, words: &str| screen.rows(0, 44).any(|row| row.contains(words));
        self.wait_for(&format!("{title} ends"), |screen| ended.iter().any(|words| says(screen, words)));
        let passed = ended[..2].iter().any(|words| says(self.terminal.screen(), words));
        assert!(passed, "{title} did not pass:\n{}", self.text());
    }

    /// The process of the binary; `demo` becomes the cockpit, so it is the cockpit's.
    pub fn process(&self) -> Pid {
        let pid = self.child.process_id().and_then(|pid| i32::try_from(pid).ok());
        pid.and_then(Pid::from_raw).expect("a process")
    }

    /// Sends the binary a signal, as a terminal that is closed or a machine that goes down does.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("it was alive");
    }

    /// Ends the binary without a word, as the kernel does when memory is short.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Waits for the binary's own end and for its last words; its exit code, and the terminal as it was left.
    pub fn end(self) -> (u32, vt100::Parser) {
        let left = self.leave();
        (left.code, left.terminal)
    }

    /// The same, with all that there is to know of how the terminal was left.
    pub fn leave(mut self) -> Left {
        let until = Instant::now() + LIMIT;
        self.terminal.process(&std::mem::take(&mut self.unfinished));
        loop {
            match self.bytes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(bytes) => {
                    self.terminal.process(&bytes);
                    self.sent.extend_from_slice(&bytes);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.text()),
            }
        }
        let status = self.child.wait().expect("an end");
        let line_is_as_before = line(self.master.as_ref()) == self.line_before;
        let terminal = std::mem::replace(&mut self.terminal, screen(1, 1));
        Left { code: status.exit_code(), terminal, sent: std::mem::take(&mut self.sent), line_is_as_before }
    }
}

impl Drop for Cockpit {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(self.process(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// How the terminal's line discipline is set, in words that can be compared.
fn line(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("a terminal has settings"))
}

/// Whether bytes hold some.
pub fn holds(all: &[u8], bytes: &str) -> bool {
    all.windows(bytes.len()).any(|window| window == bytes.as_bytes())
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn screen(columns: u16, rows: u16) -> vt100::Parser {
    vt100::Parser::new(length(rows), length(columns), 0)
}

fn length(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).expect("a terminal has cells")
}
