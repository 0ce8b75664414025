//! One rehearsal through the real binary: `rehearse --auto` of named partitions under a scenario whose situations bear names
//! that tell nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Ledger, Place, ROLLOUT, Said, wait_until};

/// How much faster than the log it is rehearsed.
pub const SPEED: &str = "200";

/// How long one rehearsal may take; far more than it takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);

/// A rehearsal that has ended, and what it left behind.
pub struct Rehearsal {
    pub place: Place,
    pub said: Said,
}

/// What somebody found on the way.
#[derive(Debug, Clone)]
pub struct Found {
    /// The partition.
    pub partition: String,
    /// The step or lever.
    pub step: String,
    /// The finding, as it is printed.
    pub finding: Value,
    /// Whether it ended its attempt; else the attempt went on through it.
    pub ended: bool,
}

impl Found {
    /// The situation it was matched to; none if it fits none.
    pub fn situation(&self) -> Option<&str> {
        self.finding["situation"].as_str()
    }

    /// What happened, in the operator's words.
    pub fn cause(&self) -> &str {
        self.finding["cause"].as_str().unwrap_or_default()
    }

    /// The ways out that are offered, as the table writes them.
    pub fn ways(&self) -> Vec<String> {
        let word = |way: &Value| match way["way"].as_str().unwrap_or_default() {
            "lever" => format!("lever:{}", way["lever"].as_str().unwrap_or_default()),
            other => other.to_owned(),
        };
        self.finding["ways"].as_array().into_iter().flatten().map(word).collect()
    }

    /// Source and text of everything that it rests on.
    pub fn evidence(&self) -> Vec<(&str, &str)> {
        let list = self.finding["evidence"].as_array().into_iter().flatten();
        list.filter_map(|each| Some((each["source"].as_str()?, each["text"].as_str()?))).collect()
    }
}

/// Where the browser's driver is.
const PLAYWRIGHT: &str = "AURORA_COCKPIT_PLAYWRIGHT";

impl Rehearsal {
    /// Rehearses these partitions under this scenario's text.
    pub fn of(scenario: &toml::Table, only: &str) -> Self {
        Self::at(scenario, only, SPEED, LIMIT)
    }

    /// The same at another speed, with more patience.
    pub fn at(scenario: &toml::Table, only: &str, speed: &str, limit: Duration) -> Self {
        let mut place = Place::new();
        // A console, and the requests of a landing page, are seen by a browser only.
        if let Ok(playwright) = std::env::var(PLAYWRIGHT) {
            place.set(PLAYWRIGHT, playwright);
        }
        // Neither the file's name nor a word in it says what is going to happen.
        let file = place.path().join("night.toml");
        std::fs::write(&file, veiled(scenario).to_string()).expect("a scenario");
        let mut arguments = vec!["rehearse", "--rollout", ROLLOUT, "--auto", "--speed", speed, "--output", "json"];
        arguments.extend(["--scenario", file.to_str().expect("a name in UTF-8")]);
        if !only.is_empty() {
            arguments.extend(["--only", only]);
        }

        let said = to_its_end(&place, &arguments, limit);
        wait_until("the site has ended", || place.address().is_none());
        Self { place, said }
    }

    /// What was printed; none where nothing was.
    pub fn run(&self) -> Option<Value> {
        serde_json::from_str(&self.said.out).ok()
    }

    /// Changing calls that reached the site.
    pub fn ledger(&self) -> Ledger {
        Ledger::left_in(&self.place.site())
    }

    /// How the site stood at its end.
    pub fn state(&self) -> Value {
        let file = self.place.site().join("state.json");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).expect("a state")
    }

    /// The last words on standard error.
    pub fn last_words(&self) -> String {
        let lines: Vec<&str> = self.said.err.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n      ")
    }
}

/// Everything that was found, by steps and levers, in their order.
pub fn findings(run: &Value) -> Vec<Found> {
    let mut found = Vec::new();
    for partition in run["partitions"].as_array().into_iter().flatten() {
        let of = |list: &str, key: &'static str| {
            let list = partition[list].as_array().cloned().unwrap_or_default();
            list.into_iter().map(move |step| (step[key].as_str().unwrap_or_default().to_owned(), step))
        };
        for (name, step) in of("steps", "step").chain(of("levers", "lever")) {
            let attempts = step["attempts"].as_array().into_iter().flatten();
            let all = attempts.flat_map(|attempt| {
                let findings = attempt["findings"].as_array().into_iter().flatten();
                findings.map(|finding| (finding, attempt["outcome"]["finding"] == *finding))
            });
            for (finding, ended) in all {
                let partition = partition["partition"].as_str().unwrap_or_default().to_owned();
                found.push(Found { partition, step: name.clone(), finding: finding.clone(), ended });
            }
        }
    }
    found
}

/// The scenario that is shipped under a name.
pub fn shipped(name: &str) -> toml::Table {
    let file = format!("{}/config/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.parse().expect("a scenario is TOML")
}

/// The first partition that a scenario names, or dev: one is enough to see what is made of it.
pub fn partition_of(scenario: &toml::Table) -> String {
    let named = situations(scenario).find_map(|staged| staged.get("partition").and_then(toml::Value::as_str));
    named.unwrap_or("dev").to_owned()
}

fn situations(scenario: &toml::Table) -> impl Iterator<Item = &toml::Table> {
    scenario.get("situation").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_table)
}

/// The same scenario with a title and names that tell nothing.
fn veiled(scenario: &toml::Table) -> toml::Table {
    let mut veiled = scenario.clone();
    let mut names = toml::Table::new();
    veiled.insert("title".to_owned(), "A night".into());
    let list = veiled.get_mut("situation").and_then(toml::Value::as_array_mut).into_iter().flatten();
    for (index, staged) in list.filter_map(toml::Value::as_table_mut).enumerate() {
        let name = format!("number {index}");
        if let Some(real) = staged.insert("name".to_owned(), name.clone().into()) {
            names.insert(name, real);
        }
    }
    veiled.insert("names".to_owned(), names.into());
    veiled
}

/// Runs the binary; ends it where it does not end by itself, and says so.
fn to_its_end(place: &Place, arguments: &[&str], limit: Duration) -> Said {
    let mut command = place.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let process = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = match ended.recv_timeout(limit) {
        Ok(output) => output,
        Err(RecvTimeoutError::Timeout) => {
            let _ = kill_process(process, Signal::KILL);
            ended.recv().expect("it was killed")
        }
        Err(RecvTimeoutError::Disconnected) => panic!("whoever waits for the binary has gone"),
    };
    output.expect("the binary's output").into()
}

/// One request of the site's own interface with a body: the status and what was answered.
pub fn ask(address: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
    let host = address.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(host).expect("the site listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    let request = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("the site reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the site answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}
