//! The journal as its bytes grow on disk: whoever looks on sees every record as soon as it is written.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::Value;

/// What a record says, as far as it would say the same in another session: without times and passing figures.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub String);

/// What every session writes anew, whatever it goes on with: once in each attempt is enough to be killed at.
const OF_SESSIONS: [&str; 4] = ["session-opened", "session-closed", "attempt-resumed", "cockpit-killed"];

/// One record, as it was seen on disk.
#[derive(Debug, Clone)]
pub struct Seen {
    pub mark: Mark,
    pub kind: String,
}

/// Follows a journal's bytes.
pub struct Records {
    path: PathBuf,
    /// Every whole line that was seen, byte for byte.
    bytes: Vec<u8>,
    /// The step that was begun last, for what belongs to none.
    at: String,
    ready: VecDeque<Seen>,
    changes: OwnedFd,
    wake: PathBuf,
}

impl Records {
    /// Follows the journal at this path; `wake` is a file that ends a wait when it is written to.
    pub fn of(path: &Path, wake: &Path) -> Self {
        let changes = inotify::init(CreateFlags::CLOEXEC).expect("changes can be watched");
        for file in [path, wake] {
            inotify::add_watch(&changes, file, WatchFlags::MODIFY).expect("a file to watch");
        }
        let (path, wake) = (path.to_owned(), wake.to_owned());
        Self { path, wake, bytes: Vec::new(), at: String::new(), ready: VecDeque::new(), changes }
    }

    /// The next record; none if the wait was ended and there is no more.
    pub fn next(&mut self) -> Option<Seen> {
        loop {
            // The end is looked for first: what was written before it is then seen by the look at the journal.
            let ended = !fs::read(&self.wake).expect("a file").is_empty();
            self.look();
            if let Some(seen) = self.ready.pop_front() {
                return Some(seen);
            }
            if ended {
                return None;
            }
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut changes = inotify::Reader::new(&self.changes, &mut buffer);
            let _ = changes.next().expect("changes can be watched");
            while !changes.is_buffer_empty() {
                let _ = changes.next();
            }
        }
    }

    /// Everything that is there and was not taken yet.
    pub fn rest(&mut self) -> Vec<Seen> {
        self.look();
        self.ready.drain(..).collect()
    }

    /// Takes in what is new. What was seen before must be there still, byte for byte.
    fn look(&mut self) {
        let mut file = File::open(&self.path).expect("the journal");
        file.seek(SeekFrom::Start(self.bytes.len() as u64)).expect("the journal");
        let mut fresh = Vec::new();
        file.read_to_end(&mut fresh).expect("the journal");
        for line in fresh.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let record: Value = serde_json::from_slice(line).expect("a record");
            self.bytes.extend_from_slice(line);
            let seen = seen(&record["event"], &mut self.at);
            self.ready.push_back(seen);
        }
    }

    /// Leaves of the last line only so many bytes, as a machine that goes down in the middle of it does.
    pub fn cut(&mut self, left: impl Fn(usize) -> usize) {
        let end = self.bytes.len() - 1;
        let start = self.bytes[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let left = left(self.bytes.len() - start);
        let file = File::options().write(true).open(&self.path).expect("the journal");
        file.set_len((start + left) as u64).expect("the journal is cut");
        // A record that lacks its newline only is whole, and is given it again.
        if start + left < end {
            self.bytes.truncate(start);
        }
    }

    /// Nothing that was seen before a kill is missing, or altered, afterwards.
    pub fn assert_all_is_there(&self) {
        let now = fs::read(&self.path).expect("the journal");
        assert!(now.starts_with(&self.bytes), "{}: something that was on disk is not any more", self.path.display());
    }
}

fn seen(event: &Value, at: &mut String) -> Seen {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut kind = word(&event["kind"]);
    let situation = &event["finding"]["situation"];
    let of_session = if situation.is_null() { kind.clone() } else { word(situation) };
    let step = format!("{} {}", event["step"], event["attempt"]);
    if kind == "attempt-started" {
        at.clone_from(&step);
    }
    let mark = if OF_SESSIONS.contains(&of_session.as_str()) {
        format!("{kind} {situation} {at}")
    } else {
        let (check, action) = (&event["check"], &event["action"]);
        format!(
            "{kind} {step} {} {} {} {} {} {} {}",
            check["id"],
            check["verdict"],
            action["key"],
            event["key"],
            event["outcome"]["outcome"],
            event["evidence"]["source"],
            situation
        )
    };
    if of_session == "cockpit-killed" {
        kind = of_session;
    }
    Seen { mark: Mark(mark), kind }
}
