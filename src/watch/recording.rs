//! The recording: every sample of a session beside its journal, so that a replay shows what the screen showed and a report
//! can draw it. Nothing is decided on it; where it is missing or cut off, the journal still holds everything that counts.
//!
//! Each session writes a file of its own: lines of JSON, compressed, flushed every second, so that a crash costs a second.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::sample::Sample;

/// The directory below a run's.
const DIRECTORY: &str = "recording";
/// Samples that may wait for the disk; more are lost rather than waited for. Their places are taken at the start, half a
/// kilobyte each.
const WAITING: usize = 1024;
/// How often what was written can be read.
const FLUSH: Duration = Duration::from_secs(1);
/// Bytes on disk after which a session's recording ends: a night takes some ten million.
const MOST: u64 = 256 << 20;

/// A session's recording. It goes on until this is dropped.
#[derive(Debug)]
pub struct Recording {
    samples: Option<SyncSender<Sample>>,
    writer: Option<thread::JoinHandle<()>>,
}

impl Recording {
    /// Begins a recording in a run's directory.
    ///
    /// # Errors
    /// Its file cannot be made.
    pub fn begin(run_dir: &Path) -> io::Result<Self> {
        let directory = run_dir.join(DIRECTORY);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let number = files(run_dir).len() + 1;
        let path = directory.join(format!("{number:04}.jsonl.gz"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let (samples, taken) = sync_channel(WAITING);
        let writer = thread::Builder::new().name("recording".to_owned()).spawn(move || {
            if let Err(error) = write(file, &taken) {
                // The disk is full, or gone: the screen says so where it matters, at the journal.
                tracing::warn!(%error, "the recording ends here");
            }
        })?;
        Ok(Self { samples: Some(samples), writer: Some(writer) })
    }

    /// Writes a sample down, or loses it where the disk cannot keep up.
    pub fn take(&self, sample: &Sample) {
        if let Some(samples) = &self.samples {
            let _ = samples.try_send(sample.clone());
        }
    }
}

impl Drop for Recording {
    /// What was taken is on disk afterwards.
    fn drop(&mut self) {
        self.samples = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write(file: File, samples: &Receiver<Sample>) -> io::Result<()> {
    let mut written = Counted { file, bytes: 0 };
    let mut out = GzEncoder::new(&mut written, Compression::fast());
    let (mut flushed, mut is_dirty) = (Instant::now(), false);
    loop {
        match samples.recv_timeout(FLUSH) {
            Ok(sample) => {
                serde_json::to_writer(&mut out, &sample)?;
                out.write_all(b"\n")?;
                is_dirty = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return out.finish().map(|_| ()),
        }
        if is_dirty && flushed.elapsed() >= FLUSH {
            out.flush()?;
            (flushed, is_dirty) = (Instant::now(), false);
            if out.get_ref().bytes > MOST {
                out.finish()?;
                return Err(io::Error::other(format!("it has {MOST} bytes, which is enough")));
            }
        }
    }
}

/// A file, and how much went into it.
struct Counted {
    file: File,
    bytes: u64,
}

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A run's recordings, oldest first.
fn files(run_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(run_dir.join(DIRECTORY)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "gz")).collect();
    files.sort();
    files
}

/// Everything that was recorded of a run, oldest first. A file that a crash cut off is read as far as it goes; a line that
/// is no sample, from another version of the cockpit, is passed over.
pub fn read(run_dir: &Path) -> Vec<Sample> {
    let mut samples = Vec::new();
    for path in files(run_dir) {
        let Ok(file) = File::open(path) else { continue };
        let lines = BufReader::new(GzDecoder::new(BufReader::new(file))).lines();
        samples.extend(lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Sample>(&line).ok()));
    }
    // Sessions follow one another, but within one the sources do not wait for each other.
    samples.sort_by_key(|sample| sample.at);
    samples
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;

    use super::super::sample::{HttpView, Reading, Source};
    use super::*;
    use crate::clients::{Trouble, TroubleKind};

    fn sample(second: i64, said: Result<Reading, Trouble>) -> Sample {
        Sample::new("dev".into(), Source::App, Timestamp::from_second(second).unwrap(), Duration::ZERO, said)
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample(1, Ok(Reading::Http(HttpView { status: 200, ms: 7 }))),
            sample(2, Err(Trouble::new("GET /health", TroubleKind::Unreachable, "connection refused"))),
        ]
    }

    #[test]
    fn what_was_taken_is_read_back_over_all_sessions() {
        let run = tempfile::tempdir().unwrap();
        for sample in samples() {
            let session = Recording::begin(run.path()).unwrap();
            session.take(&sample);
        }
        assert_eq!(read(run.path()), samples());
        let [first, second] = files(run.path()).try_into().unwrap();
        for file in [first, second] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_recording_that_was_cut_off_is_read_as_far_as_it_goes() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir_all(run.path().join(DIRECTORY)).unwrap();
        let path = run.path().join(DIRECTORY).join("0001.jsonl.gz");
        // As a killed process leaves it: flushed, and no end.
        let mut out = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        for sample in samples() {
            serde_json::to_writer(&mut out, &sample).unwrap();
            out.write_all(b"\n").unwrap();
        }
        out.write_all(b"{\"of\":\"another version\"}\n").unwrap();
        out.flush().unwrap();
        let whole = fs::read(&path).unwrap();
        drop(out);
        fs::write(&path, &whole).unwrap();
        assert_eq!(read(run.path()), samples());
        // Whatever the disk kept of it: never an error, and never more than was written.
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert!(samples().starts_with(&read(run.path())), "cut at {end}");
        }
        assert_eq!(read(Path::new("/nowhere")), []);
    }
}
