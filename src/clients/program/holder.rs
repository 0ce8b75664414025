//! The process that holds a program's terminal, so that the program outlives the cockpit.
//!
//! It has no runtime, no network and no configuration: a few threads between a pseudo-terminal and a few files.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use secrecy::zeroize::Zeroize as _;

use super::files::{Ended, Files, Started};
use super::kept::{Kept, once_there_is_room};
use crate::clock;
use crate::runbook::known::Known;
use crate::runbook::sieve::Sieve;
use crate::runbook::text::shell_line;

/// How long output is waited for after the program's end: something that it left behind may hold the terminal open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the rest of a line is waited for before what there is of it is kept: a prompt has no more.
const PROMPT: Duration = Duration::from_millis(40);

/// How long a line that goes on and on, such as a bar of progress, is waited for.
const PROGRESS: Duration = Duration::from_millis(200);

/// Pieces of output that may wait for the disk; then the program waits.
const WAITING: usize = 16;

/// Longest text of one message to a holder, in bytes.
pub(super) const LONGEST_MESSAGE: usize = u16::MAX as usize;

/// What a holder is told to run. The cockpit starts it; nobody types this.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    /// Directory for the output, the exit code and the input socket
    #[arg(long)]
    pub dir: PathBuf,
    /// Working directory of the program
    #[arg(long)]
    pub cwd: PathBuf,
    /// Rows of its terminal
    #[arg(long, default_value_t = 40)]
    pub rows: u16,
    /// Columns of its terminal
    #[arg(long, default_value_t = 160)]
    pub columns: u16,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Holds a program until its end. Answers the exit code of the holder itself: 0 where the program's end was written down.
pub fn main(args: &HoldArgs) -> i32 {
    // Away from the session of the terminal that the cockpit sits in: its hang-up must not reach the program. It fails
    // only for a process that leads a group already, which was then away before.
    let _ = rustix::process::setsid();
    // The socket's path is then short enough, whatever the directory is called.
    let cwd = std::path::absolute(&args.cwd).unwrap_or_else(|_| args.cwd.clone());
    let files = Files::at(&std::path::absolute(&args.dir).unwrap_or_else(|_| args.dir.clone()));
    let listener = std::env::set_current_dir(files.directory()).and_then(|()| {
        // One that a holder left behind which was killed before it began.
        let _ = std::fs::remove_file(Files::INPUT);
        UnixListener::bind(Files::INPUT)
    });
    let private = Permissions::from_mode(0o600);
    let listener = listener.and_then(|listener| std::fs::set_permissions(Files::INPUT, private).map(|()| listener));
    let ended = match hold(args, &cwd, &files, listener.ok(), told()) {
        Ok(ended) => ended,
        Err(error) => Ended { code: None, signal: None, error: Some(error), output_lost: false, at: clock::now() },
    };
    let _ = std::fs::remove_file(Files::INPUT);
    i32::from(once_there_is_room(|| files.write_ended(&ended)).is_err())
}

/// What the cockpit remembers of the secrets that it has read. It is told on the descriptor that elsewhere is standard output,
/// which a holder has no use for: neither a command line nor an environment can be read by others then. Nothing where it is
/// told nothing.
fn told() -> Known {
    let read = || {
        let mut told = Vec::new();
        File::from(io::stdout().as_fd().try_clone_to_owned()?).read_to_end(&mut told)?;
        serde_json::from_slice(&told).map_err(io::Error::from)
    };
    read().unwrap_or_default()
}

/// Runs the program in a terminal and keeps its output.
fn hold(
    args: &HoldArgs,
    cwd: &Path,
    files: &Files,
    listener: Option<UnixListener>,
    known: Known,
) -> Result<Ended, String> {
    let output = files.append_output().map_err(|error| format!("the output cannot be kept: {error}"))?;
    let size = PtySize { rows: args.rows, cols: args.columns, pixel_width: 0, pixel_height: 0 };
    let (mut child, master) = spawn(&args.command, cwd, size)?;
    let started = Started {
        command_line: shell_line(args.command.iter().map(String::as_str)),
        directory: cwd.to_owned(),
        pid: child.process_id().unwrap_or_default(),
        at: clock::now(),
    };
    // A program that runs without a word of it would be taken for one that never started, and be started again.
    if let Err(error) = files.write_started(&started) {
        let _ = child.kill();
        return Err(format!("its start cannot be written down: {error}"));
    }
    let reader = master.try_clone_reader().map_err(|error| format!("its terminal cannot be read: {error:#}"))?;
    let output = Arc::new(Mutex::new(Kept::new(output)));
    let (drained, is_drained) = mpsc::channel();
    let (printed, prints) = mpsc::sync_channel(WAITING);
    thread::spawn(move || listen_to(reader, &printed));
    thread::spawn({
        let output = Arc::clone(&output);
        move || {
            keep(&prints, &output, Sieve::of(known));
            let _ = drained.send(());
        }
    });
    if let (Some(listener), Ok(writer)) = (listener, master.take_writer()) {
        let terminal = Arc::new(Terminal { writer: Mutex::new(writer), master: Mutex::new(master) });
        thread::spawn(move || serve(&listener, &terminal));
    }
    let status = child.wait().map_err(|error| format!("its end could not be waited for: {error}"))?;
    let at = clock::now();
    let _ = is_drained.recv_timeout(LAST_WORDS);
    let output_lost = output.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(ended(&status, at, output_lost))
}

type Spawned = (Box<dyn Child + Send + Sync>, Box<dyn MasterPty + Send>);

fn spawn(command: &[String], cwd: &Path, size: PtySize) -> Result<Spawned, String> {
    // The library would quietly run it in the home directory instead.
    if !cwd.is_dir() {
        return Err(format!("there is no directory {}", cwd.display()));
    }
    let (program, arguments) = command.split_first().ok_or("no program was named")?;
    // A path is relative to the working directory; the library looks for `a/b` on PATH.
    let program =
        if program.contains('/') { cwd.join(program.trim_start_matches("./")) } else { PathBuf::from(program) };
    let mut builder = CommandBuilder::new(program);
    builder.args(arguments);
    builder.cwd(cwd);
    if builder.get_env("TERM").is_none_or(|term| term == "dumb") {
        builder.env("TERM", "xterm-256color");
    }
    let pair = native_pty_system().openpty(size).map_err(|error| format!("no terminal for it: {error:#}"))?;
    let child = pair.slave.spawn_command(builder).map_err(|error| format!("{error:#}"))?;
    Ok((child, pair.master))
}

/// Hands on what the terminal says until it is closed.
fn listen_to(mut reader: Box<dyn Read + Send>, printed: &mpsc::SyncSender<Vec<u8>>) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if printed.send(buffer[..length].to_vec()).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Keeps the output in the file, without its secrets, until there is no more.
fn keep(prints: &Receiver<Vec<u8>>, output: &Mutex<Kept>, mut sieve: Sieve) {
    let write = |bytes: &[u8]| output.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
    // Since when something waits for the rest of its line.
    let mut since = Instant::now();
    loop {
        let waits = sieve.waits();
        // Where nothing waits, there is no hurry.
        let patience = if waits { PROMPT } else { Duration::from_secs(60) };
        match prints.recv_timeout(patience) {
            Ok(bytes) => {
                let kept = sieve.take(&bytes);
                if !kept.is_empty() || !waits {
                    since = Instant::now();
                }
                write(&kept);
                if sieve.waits() && since.elapsed() > PROGRESS {
                    write(&sieve.rest());
                    since = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => write(&sieve.rest()),
            Err(RecvTimeoutError::Disconnected) => {
                write(&sieve.rest());
                return;
            }
        }
    }
}

fn ended(status: &ExitStatus, at: Timestamp, output_lost: bool) -> Ended {
    let signal = status.signal().map(str::to_owned);
    let code = if signal.is_some() { None } else { i32::try_from(status.exit_code()).ok() };
    Ended { code, signal, error: None, output_lost, at }
}

/// What a holder can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// Keys pressed.
    Input(Vec<u8>),
    /// The terminal's new size.
    Resize {
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
}

impl Message {
    /// A kind, the length of what follows, and what follows.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::Input(bytes) => (b'i', bytes.clone()),
            Self::Resize { rows, columns } => (b'r', [rows.to_be_bytes(), columns.to_be_bytes()].concat()),
        };
        // Input is cut into messages before it comes here.
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        [vec![kind], length.to_be_bytes().to_vec(), payload].concat()
    }

    /// The next message; none at the end or where it makes no sense.
    fn read(stream: &mut impl Read) -> Option<Self> {
        let mut head = [0; 3];
        stream.read_exact(&mut head).ok()?;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        stream.read_exact(&mut payload).ok()?;
        match (head[0], payload.as_slice()) {
            (b'i', _) => Some(Self::Input(payload)),
            (b'r', &[a, b, c, d]) => {
                Some(Self::Resize { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) })
            }
            _ => None,
        }
    }
}

/// The side of the terminal that keys go into.
struct Terminal {
    writer: Mutex<Box<dyn io::Write + Send>>,
    master: Mutex<Box<dyn MasterPty + Send>>,
}

impl Terminal {
    fn take(&self, message: Message) {
        match message {
            Message::Input(mut bytes) => {
                let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                // A terminal that takes no more has no reader any more.
                let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
                // It may have been a password.
                bytes.zeroize();
            }
            Message::Resize { rows, columns } => {
                let master = self.master.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 });
            }
        }
    }
}

/// Takes messages, from several at once.
fn serve(listener: &UnixListener, terminal: &Arc<Terminal>) {
    for stream in listener.incoming().flatten() {
        let terminal = Arc::clone(terminal);
        thread::spawn(move || listen(stream, &terminal));
    }
}

fn listen(mut stream: UnixStream, terminal: &Terminal) {
    while let Some(message) = Message::read(&mut stream) {
        terminal.take(message);
    }
}
