//! Starting: with a site that answers, with one that does not, and with a long journal to take up.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aurora_cockpit::config;
use aurora_cockpit::journal::{Directory, Entry, Head, Journal, Owner};
use aurora_cockpit::runbook::event::{Event, NoteKind, Session};
use aurora_cockpit::runbook::names::RunId;
use aurora_cockpit::session;
use jiff::Timestamp;
use portable_pty::CommandBuilder;
use rustix::process::{Signal, kill_process};

use crate::figures::{Asked, Figure, Series, Taken, take};
use crate::peers;
use crate::site::with_real_servers;
use crate::support::Place;
use crate::support::place::BINARY;
use crate::terminal::{SIZE, Terminal};

/// How often a start is measured.
pub const STARTS: usize = 15;
/// Events of the long journal.
const EVENTS: usize = 100_000;
/// The run that has it: later than any other.
const LONG_RUN: &str = "pdev-479-99991231T235959Z";

/// All starts.
pub fn measure() -> Vec<Figure> {
    let activity = take(|| {
        let (place, real) = with_real_servers(10);
        real.and_then(|()| peers::pg_activity_starts(&place))
    });
    let place = take(|| Ok(Place::with_site(10)));
    let starts = |arguments: &[&str]| -> Taken {
        let place = place.as_ref().map_err(Clone::clone)?;
        let all = take(|| (0..STARTS).map(|_| start(place, arguments)).collect::<Result<Vec<_>, _>>());
        all.map(Series::millis)
    };
    let answered = starts(&["run", "--new"]);
    let still = |signal| {
        if let Some(site) = place.as_ref().ok().and_then(Place::site_process) {
            let _ = kill_process(site, signal);
        }
    };
    still(Signal::STOP);
    let unanswered = starts(&["run", "--new"]);
    let written = place.as_ref().map_err(Clone::clone).and_then(|place| take(|| Ok(long_run(place))));
    let resumed = written.clone().and_then(|_| starts(&["run"]));
    let read = written.and_then(|file| take(|| taken_up(&file)));
    still(Signal::CONT);
    vec![
        Figure::new("first full screen, the site answers", answered, Some(Asked::Median(50.0)))
            .beside("`aws --version`", peers::aws_version())
            .beside("pg_activity's first screen", activity),
        Figure::new("first full screen, nothing answers", unanswered, Some(Asked::Median(50.0))),
        Figure::new(
            format!("first full screen, {EVENTS} events to take up, nothing answers"),
            resumed,
            Some(Asked::Median(150.0)),
        ),
        Figure::new(format!("  of that: {EVENTS} events read, verified and folded"), read, Some(Asked::Median(100.0))),
    ]
}

/// How long the cockpit takes from its start to its first full screen.
fn start(place: &Place, arguments: &[&str]) -> Result<Duration, String> {
    let mut terminal = Terminal::start(command(place, arguments), SIZE)?;
    let painted = terminal.until("a screen", is_whole)?;
    Ok(painted - terminal.started)
}

/// Whether the screen is drawn to its last row: keys, or what there is to say at the start.
pub fn is_whole(screen: &vt100::Screen) -> bool {
    let last = screen.rows(0, screen.size().1.get()).last().unwrap_or_default();
    screen.contents().contains("prod") && !last.trim().is_empty()
}

/// The cockpit in a place of its own.
pub fn command(place: &Place, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(BINARY);
    command.env_clear();
    for (name, value) in place.env() {
        command.env(name, value);
    }
    command.cwd(place.path());
    command.args(arguments);
    command.arg("--state-dir");
    command.arg(place.state());
    command
}

/// Writes a run with a long journal, the newest of its place; its state directory.
fn long_run(place: &Place) -> PathBuf {
    let directory = place.state().join("runs").join(LONG_RUN);
    fs::create_dir_all(&directory).unwrap();
    let (name, text) = config::SHIPPED;
    let plan =
        Box::new(config::load_text(name, text, place.env().get("AURORA_COCKPIT_OVERLAY").map(Path::new)).unwrap());
    let opened = Session { operator: "jmp".into(), host: "bench".into(), pid: 1, version: "0".into(), user: None };
    let mut head = Head::default();
    let mut file = std::io::BufWriter::new(fs::File::create(directory.join("journal.jsonl")).unwrap());
    let mut put = |event: &Event| {
        let entry = Entry::after(&head, Timestamp::now(), event).unwrap();
        serde_json::to_writer(&mut file, &entry).unwrap();
        file.write_all(b"\n").unwrap();
        head = entry.head();
    };
    put(&Event::RunStarted { run: RunId::new(LONG_RUN), plan, simulated: true });
    put(&Event::SessionOpened { session: opened });
    for number in 2..EVENTS {
        put(&Event::Noted {
            partition: None,
            step: None,
            by: "jmp".into(),
            text: format!("what was seen in look {number}"),
            note: NoteKind::Remark,
            evidence: Vec::new(),
        });
    }
    file.flush().unwrap();
    place.state()
}

/// How long it takes to take up the long run, within this process.
fn taken_up(state: &Path) -> Taken {
    let once = |_| {
        let begun = Instant::now();
        let store = Directory::open(state, LONG_RUN).map_err(|error| error.to_string())?;
        let opened = Journal::open(Box::new(store), Owner::here("bench")).map_err(|error| error.to_string())?;
        session::fold(&state.join(LONG_RUN), &opened.entries).map_err(|error| error.to_string())?;
        let took = begun.elapsed();
        // More than there were: each start has written its own.
        let count = opened.entries.len();
        if count < EVENTS { Err(format!("only {count} events")) } else { Ok(took) }
    };
    (0..5).map(once).collect::<Result<Vec<_>, _>>().map(Series::millis)
}
