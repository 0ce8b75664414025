//! Starting a program so that it outlives the one who starts it.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::files::Files;
use super::{LOOK, Program, State};
use crate::clients::{Controls, Trouble, TroubleKind, known};
use crate::runbook::text::shell_line;

/// How long a holder may take to start its program.
const START: Duration = Duration::from_secs(15);

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The program: a name is looked up on PATH, a path is relative to `directory`.
    pub program: String,
    /// Its arguments. No secrets: everybody on the machine can read them.
    pub arguments: Vec<String>,
    /// Working directory.
    pub directory: PathBuf,
    /// Variables on top of the cockpit's own environment.
    pub environment: Vec<(String, String)>,
    /// Rows and columns of its terminal.
    pub size: (u16, u16),
}

impl Spec {
    /// A program with its arguments in a directory, in a terminal of a usual size.
    pub fn new(program: &str, arguments: &[String], directory: impl Into<PathBuf>) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.to_vec(),
            directory: directory.into(),
            environment: Vec::new(),
            size: (40, 160),
        }
    }

    /// The command line, as one would type it in the working directory.
    pub fn command_line(&self) -> String {
        shell_line(std::iter::once(&self.program).chain(&self.arguments).map(String::as_str))
    }
}

impl Program {
    /// Starts a program, with its files in `directory`, and returns once it runs.
    ///
    /// # Errors
    /// `Refused` where a program was started in that directory before; it is there to be taken up with
    /// [`Program::find`]. `Unreachable` where it could not be started.
    pub async fn start(controls: &Controls, directory: &Path, spec: &Spec) -> Result<Self, Trouble> {
        let mut holder = Command::new(own_program());
        holder.arg("hold");
        Self::start_by(holder, controls, directory, spec).await
    }

    /// As [`Program::start`], by the command that calls [`super::holder::main`] with the arguments that are added to it.
    pub(super) async fn start_by(
        mut holder: Command,
        _controls: &Controls,
        directory: &Path,
        spec: &Spec,
    ) -> Result<Self, Trouble> {
        let call = spec.command_line();
        let files = Files::at(directory);
        let held = files.create().map_err(|error| refused(&call, directory, &error))?;
        let (rows, columns) = spec.size;
        holder.arg("--dir").arg(directory).arg("--cwd").arg(&spec.directory);
        holder.arg("--rows").arg(rows.to_string()).arg("--columns").arg(columns.to_string());
        holder.arg("--").arg(&spec.program).args(&spec.arguments);
        holder.envs(spec.environment.iter().map(|(name, value)| (name, value)));
        if let Err(error) = spawn(holder, held) {
            // Nothing was started, so the directory is free again.
            let _ = std::fs::remove_file(files.held());
            return Err(Trouble::new(call, TroubleKind::Unreachable, format!("no process for it: {error}")));
        }
        Self { files }.has_begun(&call).await
    }

    /// Waits until the program runs or has even ended.
    async fn has_begun(self, call: &str) -> Result<Self, Trouble> {
        let deadline = Instant::now() + START;
        loop {
            match self.state() {
                State::Running { pid: Some(_) } => return Ok(self),
                State::Exited(ended) => {
                    return match ended.error {
                        Some(error) => Err(Trouble::new(call, TroubleKind::Unreachable, error)),
                        None => Ok(self),
                    };
                }
                State::Running { pid: None } if Instant::now() < deadline => tokio::time::sleep(LOOK / 4).await,
                State::Running { pid: None } | State::Lost => {
                    let words = format!("its holder gave no word; look in {}", self.directory().display());
                    return Err(Trouble::new(call, TroubleKind::NoAnswer, words));
                }
            }
        }
    }
}

/// Starts the holder with the lock as its standard input: from the first moment on it is held by whoever lives, so that
/// a cockpit that is killed right here leaves no doubt whether there is a program. What is remembered of secrets it reads on
/// the descriptor of its standard output, which nobody else can read.
fn spawn(mut holder: Command, held: File) -> io::Result<()> {
    let (told, mut tells) = io::pipe()?;
    let known = serde_json::to_vec(&known::all())?;
    let mut child = holder.stdin(Stdio::from(held)).stdout(Stdio::from(told)).stderr(Stdio::null()).spawn()?;
    // A pipe holds some thousand fingerprints; a holder that does not take them in has ended.
    let _ = tells.write_all(&known);
    drop((tells, holder));
    // Somebody must take note of a child's end, or it stays in the process table.
    std::thread::Builder::new().name("holder".to_owned()).spawn(move || child.wait())?;
    Ok(())
}

/// This very program, even where its file was replaced since it was started.
fn own_program() -> PathBuf {
    let link = Path::new("/proc/self/exe");
    if link.exists() {
        return link.to_owned();
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("aurora-cockpit"))
}

fn refused(call: &str, directory: &Path, error: &io::Error) -> Trouble {
    let directory = directory.display();
    if error.kind() == io::ErrorKind::AlreadyExists {
        Trouble::new(call, TroubleKind::Refused, format!("a program was started in {directory} before"))
    } else {
        Trouble::new(call, TroubleKind::Unreachable, format!("{directory} cannot be written: {error}"))
    }
}
