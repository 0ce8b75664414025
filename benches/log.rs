//! A million lines of log: how fast they come in, what they cost, how long whoever types waits, how long a frame takes.
//!
//! `cargo bench --bench log` prints the figures beside what is asked for, and fails where it is not held.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use aurora_cockpit::app::log::{Filter, Level, LogLine, LogSource};
use aurora_cockpit::app::state::{Mode, Pane, State};
use aurora_cockpit::config;
use aurora_cockpit::runbook::event::{Event, Record};
use aurora_cockpit::runbook::names::RunId;
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

/// Lines of the log.
pub const LINES: usize = 1_000_000;
/// Lines a second that must be taken in at least.
pub const INTAKE: f64 = 1_000_000.0;
/// The longest that a key may take while words are searched.
pub const KEYSTROKE: Duration = Duration::from_millis(50);
/// The longest that a frame may take.
pub const FRAME: Duration = Duration::from_millis(16);

/// Lines as a deployment prints them; one in a hundred tells of a timeout, one in fifty is an error.
fn lines() -> Vec<LogLine> {
    let line = |number: usize| {
        let word = if number.is_multiple_of(100) { "timeout" } else { "ok" };
        let at = Timestamp::from_microsecond(1_778_900_000_000_000 + number as i64).unwrap();
        LogLine {
            at,
            source: if number.is_multiple_of(3) { LogSource::Rds } else { LogSource::Program },
            partition: Some(if number.is_multiple_of(2) { "dev" } else { "prod" }.into()),
            level: if number.is_multiple_of(50) { Level::Error } else { Level::Info },
            text: format!(
                "{number:07} Alpha001-prod-AuroraDBCluster | UPDATE_IN_PROGRESS | AWS::RDS::DBInstance {word} request {:x}",
                number * 7_919
            ),
        }
    };
    (0..LINES).map(line).collect()
}

fn state() -> State {
    let (name, text) = config::SHIPPED;
    let plan = Box::new(config::load_text(name, text, None).unwrap());
    let event = Event::RunStarted { run: RunId::new("bench"), plan, simulated: true };
    let run = Run::begin(Record { seq: 1, at: Timestamp::UNIX_EPOCH, event }).unwrap();
    let mut state = State::new(run, Mode::Operator, Timestamp::UNIX_EPOCH);
    state.focus = Pane::Log;
    state
}

fn timed<T>(act: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = act();
    (begun.elapsed(), done)
}

/// How long each of some frames takes, and each of some searches; how fast lines come in; what they cost.
#[derive(Debug, Default)]
pub struct Figures {
    /// Lines a second, at first and once the oldest have to go.
    pub intake: Vec<f64>,
    /// For each key of a search, and for a filter that is changed while one is on.
    pub keystrokes: Vec<(String, Duration)>,
    /// For frames of a full log.
    pub frames: Vec<(String, Duration)>,
    /// Bytes that a million lines take up.
    pub bytes: usize,
}

fn longest_frame(state: &State) -> Duration {
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).unwrap();
    let frame = |terminal: &mut Terminal<TestBackend>| {
        terminal.draw(|frame| ui::draw(frame, state, &Theme::default())).map(|_| ())
    };
    frame(&mut terminal).unwrap();
    (0..50).map(|_| timed(|| frame(&mut terminal).unwrap()).0).max().unwrap_or_default()
}

fn intake(state: &mut State, lines: &[LogLine]) -> f64 {
    let (took, ()) = timed(|| lines.iter().for_each(|line| state.log.push_coloured(line, &[])));
    lines.len() as f64 / took.as_secs_f64()
}

/// Takes them all.
pub fn measure() -> Figures {
    let (lines, mut state, mut figures) = (lines(), state(), Figures::default());
    figures.intake.push(intake(&mut state, &lines));
    figures.frames.push(("following".to_owned(), longest_frame(&state)));
    state.log.begin_search();
    for words in ["t", "ti", "timeout", "e", "UPDATE", "nothing of that kind"] {
        let (took, ()) = timed(|| state.log.look_for(words));
        let found = state.log.search().unwrap().count();
        figures.keystrokes.push((format!("search: {words} ({found} lines)"), took));
    }
    state.log.look_for("timeout");
    figures.frames.push(("searching".to_owned(), longest_frame(&state)));
    figures.intake.push(intake(&mut state, &lines));
    figures.bytes = state.log.bytes();
    let filter = Filter { least: Level::Error, ..Filter::default() };
    let (took, ()) = timed(|| state.log.set_filter(filter));
    figures.keystrokes.push(("another filter, with a search".to_owned(), took));
    figures.frames.push(("filtered and searching".to_owned(), longest_frame(&state)));
    figures
}

fn report(what: &str, took: Duration, most: Duration) -> bool {
    println!("{what:<44} {:>8.1} ms   (at most {} ms)", took.as_secs_f64() * 1e3, most.as_millis());
    took <= most
}

#[allow(dead_code)]
fn main() {
    let figures = measure();
    let mut held = Vec::new();
    for (rate, what) in figures.intake.iter().zip(["lines taken in", "lines taken in, the oldest going, searching"]) {
        println!("{what:<44} {:>8.2} M/s  (at least {:.0})", rate / 1e6, INTAKE / 1e6);
        held.push(*rate >= INTAKE);
    }
    println!("{:<44} {:>8} bytes", "memory of a line", figures.bytes / LINES);
    held.extend(figures.keystrokes.iter().map(|(what, took)| report(what, *took, KEYSTROKE)));
    held.extend(figures.frames.iter().map(|(what, took)| report(&format!("frame, {what}"), *took, FRAME)));
    assert!(held.iter().all(|held| *held), "more was asked for");
}
