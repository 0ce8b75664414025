//! The cockpit's own log: a file in the state directory, for finding out afterwards what the program itself did.
//!
//! Nothing is ever written to the terminal, which belongs to the screen. What the operator must know is not here but in
//! the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::clock;

/// How many lines may wait for a slow disk before some are lost. Their places are taken at the start: some thirty bytes each.
const WAITING: usize = 4_096;

/// Environment variable with the filter, such as `debug` or `aurora_cockpit::clients=trace,info`.
pub const LEVEL_VARIABLE: &str = "AURORA_COCKPIT_LOG";

/// What is kept where the variable says nothing: the cockpit at `info`, everything below it from `warn`.
const USUAL: &str = "warn,aurora_cockpit=info";

/// How many days' files are kept.
const KEPT: usize = 14;

/// What stands before the day in a file's name, and after it.
const PREFIX: &str = "aurora-cockpit.";
const SUFFIX: &str = ".log";

/// The log could not be opened.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The file system refused.
    #[error("could not open the log in {directory}: {source}; choose another place with --state-dir")]
    Open {
        /// Where.
        directory: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The filter makes no sense.
    #[error("{LEVEL_VARIABLE} is no filter ({0}); write it like `debug`, or `aurora_cockpit::clients=trace,info`")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// Something else in this process keeps a log already.
    #[error("this process keeps a log already")]
    Twice,
}

/// Writes what is left to the file when it is dropped; kept by `main` until the end.
#[derive(Debug)]
#[must_use = "the log is closed when this is dropped"]
pub struct Telemetry {
    _guard: WorkerGuard,
}

/// Begins the log in `<state-dir>/log/`, a file a day.
///
/// # Errors
/// Where the directory cannot be written, or the variable holds no filter.
pub fn start(state_dir: &Path) -> Result<Telemetry, TelemetryError> {
    let filter = std::env::var(LEVEL_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::try_new(filter.as_deref().unwrap_or(USUAL)).map_err(TelemetryError::Filter)?;
    let (writer, guard) =
        NonBlockingBuilder::default().buffered_lines_limit(WAITING).finish(file(&state_dir.join("log"))?);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { _guard: guard })
}

fn file(directory: &Path) -> Result<Daily, TelemetryError> {
    let open = |source| TelemetryError::Open { directory: directory.display().to_string(), source };
    crate::journal::directory::make_private(directory).map_err(|error| open(error.into()))?;
    Daily::begin(directory).map_err(|error| open(error.into()))
}

/// A file a day, by UTC, which only its owner may read, whatever the user's umask says.
#[derive(Debug)]
struct Daily {
    directory: PathBuf,
    day: Date,
    file: File,
}

impl Daily {
    fn begin(directory: &Path) -> io::Result<Self> {
        let day = today();
        Ok(Self { directory: directory.to_owned(), day, file: open(directory, day)? })
    }
}

impl Write for Daily {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let today = today();
        if today != self.day {
            self.file = open(&self.directory, today)?;
            self.day = today;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn today() -> Date {
    clock::now().to_zoned(TimeZone::UTC).date()
}

/// Opens a day's file, and takes the oldest away where there are too many.
fn open(directory: &Path, day: Date) -> io::Result<File> {
    let path = directory.join(format!("{PREFIX}{day}{SUFFIX}"));
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let names = fs::read_dir(directory)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut days: Vec<String> = names.filter(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)).collect();
    days.sort_unstable();
    for old in days.iter().rev().skip(KEPT) {
        // Another cockpit may have been quicker.
        let _ = fs::remove_file(directory.join(old));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_log_goes_to_a_file_and_nowhere_else() {
        let state = tempfile::tempdir().unwrap();
        let telemetry = start(state.path()).unwrap();
        tracing::info!(answer = 42, "hello");
        drop(telemetry);
        let files: Vec<_> = std::fs::read_dir(state.path().join("log")).unwrap().collect();
        assert_eq!(files.len(), 1);
        let text = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
        assert!(text.contains("hello answer=42"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_fortnight_is_kept_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = tempfile::tempdir().unwrap();
        for day in 1..=20 {
            open(state.path(), Date::new(2026, 5, day).unwrap()).unwrap();
        }
        std::fs::write(state.path().join("other.log"), "").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(state.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!((names.len(), names[0].as_str()), (KEPT + 1, "aurora-cockpit.2026-05-07.log"));
        let mode = std::fs::metadata(state.path().join(&names[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let state = tempfile::tempdir().unwrap();
        let in_the_way = state.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let message = file(&in_the_way.join("log")).unwrap_err().to_string();
        assert!(message.contains("file/log"), "{message}");
    }
}
