//! The cockpit's own log: a file in the state directory, for finding out afterwards what the program itself did.
//!
//! Nothing is ever written to the terminal, which belongs to the screen. What the operator must know is not here but in
//! the journal.

use std::path::Path;

use thiserror::Error;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Environment variable with the filter, such as `debug` or `aurora_cockpit::clients=trace,info`.
pub const LEVEL_VARIABLE: &str = "AURORA_COCKPIT_LOG";

/// What is kept where the variable says nothing: the cockpit at `info`, everything below it from `warn`.
const USUAL: &str = "warn,aurora_cockpit=info";

/// How many days' files are kept.
const KEPT: usize = 14;

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
    let (writer, guard) = tracing_appender::non_blocking(file(&state_dir.join("log"))?);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .finish();
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    Ok(Telemetry { _guard: guard })
}

fn file(directory: &Path) -> Result<RollingFileAppender, TelemetryError> {
    let open = |source| TelemetryError::Open { directory: directory.display().to_string(), source };
    crate::journal::directory::make_private(directory).map_err(|error| open(error.into()))?;
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("aurora-cockpit")
        .filename_suffix("log")
        .max_log_files(KEPT)
        .build(directory)
        .map_err(|error| open(error.into()))
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
    fn a_place_that_cannot_be_written_is_named() {
        let state = tempfile::tempdir().unwrap();
        let in_the_way = state.path().join("file");
        std::fs::write(&in_the_way, "").unwrap();
        let message = file(&in_the_way.join("log")).unwrap_err().to_string();
        assert!(message.contains("file/log"), "{message}");
    }
}
