//! One command of the table: run, and held against what is expected of it.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;

use super::shell::{CommandLine, Outcome, Place, Shell};
use super::table::Entry;

/// How long to wait until a call is repeated.
const AGAIN: Duration = Duration::from_millis(150);

/// A command that did not do what is expected of it.
#[derive(Debug)]
pub struct Failure {
    /// Its number.
    pub number: Option<u32>,
    when: String,
    run: String,
    why: String,
}

impl Failure {
    /// A failure of a command.
    pub fn of(entry: &Entry, why: String) -> Self {
        Self { number: entry.number, when: entry.when.clone(), run: entry.run.clone(), why }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.map_or_else(|| "beyond the list".to_owned(), |number| format!("{number}"));
        write!(f, "--- {number} ({}): {}\n{}", self.when, self.run, self.why)
    }
}

/// Runs a command until it does what is expected, or its time is over; answers its output.
pub fn run(shell: &Shell, place: &Place, entry: &Entry) -> Result<String, Failure> {
    let line = CommandLine { text: entry.run.clone(), directory: entry.directory.clone() };
    let until = Instant::now() + Duration::from_secs(entry.within_s.unwrap_or(0));
    loop {
        let outcome = shell.run(place, &line, entry.follow_s.map(Duration::from_secs));
        match judge(entry, &outcome) {
            Ok(()) => return Ok(outcome.out),
            Err(why) if Instant::now() >= until => return Err(Failure::of(entry, tell(&why, &outcome))),
            Err(_) => thread::sleep(AGAIN),
        }
    }
}

fn judge(entry: &Entry, outcome: &Outcome) -> Result<(), String> {
    // What is followed is ended by us, so that its exit says nothing.
    if entry.follow_s.is_none() && entry.fails == (outcome.code == Some(0)) {
        return Err(format!("exit {:?}, expected to {}", outcome.code, if entry.fails { "fail" } else { "succeed" }));
    }
    for (name, pattern, text) in [("out", &entry.out, &outcome.out), ("err", &entry.err, &outcome.err)] {
        let Some(pattern) = pattern else { continue };
        let expected = Regex::new(pattern).unwrap_or_else(|error| panic!("table.toml: {error}"));
        if !expected.is_match(text) {
            return Err(format!("{name} does not match {pattern}"));
        }
    }
    match entry.at_most_s {
        Some(most) if outcome.took > Duration::from_secs(most) => {
            Err(format!("took {:?}, at most {most} s", outcome.took))
        }
        _ => Ok(()),
    }
}

fn tell(why: &str, outcome: &Outcome) -> String {
    let cut = |text: &str| text.chars().take(1500).collect::<String>();
    format!(
        "{why}\nexit: {:?} after {:?}\nout: {}\nerr: {}",
        outcome.code,
        outcome.took,
        cut(&outcome.out),
        cut(&outcome.err)
    )
}
