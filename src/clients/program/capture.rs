//! Short programs whose answer is read at once.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::clients::{Trouble, TroubleKind, known};
use crate::runbook::text::{clean, clean_line};

/// How much a short program may say, in bytes: the longest answer, of a chart's values, is a hundredth of it.
const MOST_SAID: u64 = 16 << 20;

/// A short program that changes nothing, or whose change its caller answers for.
#[derive(Debug)]
pub struct Capture {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    directory: Option<PathBuf>,
    input: Option<SecretString>,
    timeout: Duration,
}

/// What a short program answered.
pub struct Captured {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed, raw: it may be a secret.
    stdout: Vec<u8>,
    /// What it complained of, cleaned and masked.
    pub stderr: String,
}

impl Capture {
    /// A program, looked up on PATH, with its arguments.
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: None,
            input: None,
            timeout: Duration::from_secs(60),
        }
    }

    /// Sets a variable on top of the cockpit's own environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it in that directory.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Hands this over on its standard input.
    pub fn input(mut self, input: SecretString) -> Self {
        self.input = Some(input);
        self
    }

    /// How long it may take; a minute where nothing else is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it to its end. `call` is what the operator reads in a trouble: `op read`.
    ///
    /// # Errors
    /// `Unreachable` where there is no such program, `NoAnswer` where it took too long (it is ended then). A program that
    /// ends badly is an answer, no error.
    pub async fn run(self, call: &str) -> Result<Captured, Trouble> {
        let name = self.program.to_string_lossy().into_owned();
        let unreachable = |words: String| Trouble::new(call, TroubleKind::Unreachable, words);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.environment).kill_on_drop(true);
        // In a group of its own: Ctrl-C and the like are the cockpit's.
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        if let Some(directory) = &self.directory {
            if !directory.is_dir() {
                return Err(unreachable(format!("there is no directory {}", directory.display())));
            }
            command.current_dir(directory);
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => unreachable(format!("there is no program {name} on PATH")),
            _ => unreachable(format!("{name} cannot be started: {error}")),
        })?;
        let stdin = child.stdin.take();
        let talk = async {
            let feed = async {
                if let (Some(mut stdin), Some(input)) = (stdin, self.input) {
                    // One that does not want its input says so by its exit code.
                    let _ = stdin.write_all(input.expose_secret().as_bytes()).await;
                }
            };
            let (out, err) = (child.stdout.take(), child.stderr.take());
            let (stdout, stderr, ()) = tokio::join!(read(out), read(err), feed);
            // One that says too much is not waited for, and is ended with its handle.
            let (stdout, stderr) = (stdout?, stderr?);
            Ok::<_, std::io::Error>((child.wait().await?, stdout, stderr))
        };
        let (status, stdout, stderr) = match tokio::time::timeout(self.timeout, talk).await {
            Ok(output) => output.map_err(|error| match error.kind() {
                std::io::ErrorKind::FileTooLarge => {
                    let words = format!("{name} said more than {} MiB and was ended", MOST_SAID >> 20);
                    Trouble::new(call, TroubleKind::Malformed, words)
                }
                _ => Trouble::new(call, TroubleKind::NoAnswer, error.to_string()),
            })?,
            Err(_) => {
                let words = format!("{name} gave no answer within {} s and was ended", self.timeout.as_secs());
                return Err(Trouble::new(call, TroubleKind::NoAnswer, words));
            }
        };
        let stderr = known::hide(&clean(&String::from_utf8_lossy(&stderr)));
        Ok(Captured { code: status.code(), stdout, stderr })
    }
}

/// All that a program says there, as far as it is not far too much.
async fn read(from: Option<impl tokio::io::AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut said = Vec::new();
    let mut from = from.take(MOST_SAID + 1);
    from.read_to_end(&mut said).await?;
    if said.len() as u64 > MOST_SAID {
        said.zeroize();
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(said)
}

impl Captured {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// What it printed, cleaned, without the line's end at its end.
    pub fn text(&self) -> String {
        clean(&String::from_utf8_lossy(&self.stdout)).trim_end().to_owned()
    }

    /// What it printed, as a secret, without the line's end at its end.
    pub fn secret(self) -> SecretString {
        let text = String::from_utf8_lossy(&self.stdout);
        SecretString::from(text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)))
    }

    /// What it printed, as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, call: &str) -> Result<T, Trouble> {
        serde_json::from_slice(&self.stdout).map_err(|error| {
            Trouble::new(call, TroubleKind::Malformed, format!("its answer is not understood: {error}"))
        })
    }

    /// The trouble that a bad end means: its last complaint, with the kind that the caller knows it by.
    pub fn trouble(&self, call: &str, kind: TroubleKind) -> Trouble {
        let complaint = self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let end = self.code.map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit {code}"));
        let words = if complaint.is_empty() { end } else { format!("{end}: {}", clean_line(complaint)) };
        Trouble::new(call, kind, words)
    }
}

/// What it printed may be a secret, and is zeroed.
impl Drop for Captured {
    fn drop(&mut self) {
        self.stdout.zeroize();
    }
}

/// Without what it printed, which may be a secret.
impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").field("code", &self.code).field("stderr", &self.stderr).finish_non_exhaustive()
    }
}
