//! One night: an operator without hands on a site of its own, killed and started again until the rollout is through.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::records::Records;
use crate::support::{Place, wait_until};
use crate::world::{World, pace};

/// How much faster than the log the site goes, in the time of its own world.
const SPEED: u32 = 50;

/// How long a night may take; far more than it takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(900);

/// A place with a site, and the operator who works there.
pub struct Night {
    pub place: Place,
    /// The operator's; the site has one of its own.
    pub world: World,
    arguments: Vec<String>,
    began: Instant,
}

/// The operator's process.
pub struct Operator {
    child: Child,
    ended: Receiver<()>,
    watcher: JoinHandle<()>,
    /// Written to once it has ended.
    pub wake: PathBuf,
}

impl Night {
    /// The rollout of that file; of its partitions the one that is named, or all.
    pub fn of(rollout: &str, only: Option<&str>) -> Self {
        let mut place = Place::new();
        let world = World::of(&mut place, pace());
        place.begin_site(SPEED, rollout);
        assert!(world.asked() > 0, "the clocks of the site are not the test's");
        let world = world.apart(&mut place);
        let mut arguments = vec!["auto", "--rollout", rollout, "--output", "json"];
        arguments.extend(only.iter().flat_map(|only| ["--only", only]));
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        Self { place, world, arguments, began: Instant::now() }
    }

    /// Starts the operator, for the first time or again.
    pub fn start(&self) -> Operator {
        assert!(self.began.elapsed() < LIMIT, "not through within {LIMIT:?}:\n{}", self.words());
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let words = OpenOptions::new().create(true).append(true).open(self.place.path().join("words")).expect("a file");
        let out = fs::File::create(self.place.path().join("out")).expect("a file");
        let mut command = self.place.command(&arguments);
        Operator::of(command.stdout(out).stderr(words).stdin(Stdio::null()).spawn().expect("it starts"), &self.place)
    }

    /// Follows the journal, which the operator has made or makes now; none where it ends before.
    pub fn records(&self, operator: &Operator) -> Option<Records> {
        let mut ended = false;
        wait_until("a journal", || {
            ended = operator.has_ended();
            ended || self.journal().is_some()
        });
        self.journal().map(|journal| Records::of(&journal, &operator.wake))
    }

    /// The journal of the only run, if there is one.
    pub fn journal(&self) -> Option<PathBuf> {
        let runs = fs::read_dir(self.place.state().join("runs")).ok()?.flatten();
        let journals = runs.map(|run| run.path().join("journal.jsonl"));
        // One that was killed before its first word has done nothing, and is passed over.
        let begun = |journal: &PathBuf| fs::read(journal).is_ok_and(|bytes| bytes.contains(&b'\n'));
        let mut journals: Vec<_> = journals.filter(begun).collect();
        assert!(journals.len() < 2, "another run was begun: {journals:?}\n{}", self.words());
        journals.pop()
    }

    /// How the attempts ended that did not pass, and the last words on standard error: what went wrong.
    pub fn trouble(&self) -> String {
        let journal = self.journal().and_then(|journal| fs::read_to_string(journal).ok()).unwrap_or_default();
        let ended = journal.lines().filter(|line| line.contains("\"kind\":\"attempt-ended\""));
        let badly = ended.filter(|line| !line.contains("\"outcome\":\"passed"));
        let badly: Vec<&str> = badly.filter_map(|line| line.split("\"event\":").nth(1)).collect();
        format!("{}\n{}", badly.join("\n"), self.words())
    }

    /// The last words on standard error.
    pub fn words(&self) -> String {
        let words = fs::read_to_string(self.place.path().join("words")).unwrap_or_default();
        let lines: Vec<&str> = words.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Operator {
    fn of(child: Child, place: &Place) -> Self {
        let process = Pid::from_child(&child);
        let wake = place.path().join("ended");
        // The same file each time: whoever watches it watches it still.
        fs::write(&wake, "").expect("a file");
        let (sender, ended) = mpsc::channel();
        let word = wake.clone();
        let watcher = std::thread::spawn(move || {
            // Only looked at, so that its number stays its own until somebody takes its end. Where that was taken, it ended.
            let _ = waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            fs::write(word, "ended").expect("a file");
            let _ = sender.send(());
        });
        Self { child, ended, watcher, wake }
    }

    fn has_ended(&self) -> bool {
        !fs::read(&self.wake).expect("a file").is_empty()
    }

    /// Kills it, as the kernel does when memory is short; its exit code, if it had ended before.
    pub fn kill(mut self) -> Option<i32> {
        self.child.kill().expect("it can be killed");
        self.end()
    }

    /// Whether it ends within this time.
    pub fn ends_within(&self, time: Duration) -> bool {
        self.ended.recv_timeout(time).is_ok()
    }

    /// Waits for its end; its exit code, if it was not killed.
    pub fn end(mut self) -> Option<i32> {
        let status = self.child.wait().expect("a child");
        self.watcher.join().expect("its end is told");
        status.code()
    }
}
