//! Whole nights through all four partitions: the day of the execution log, held against the log's own figures, and the worst
//! one that can still be solved.

use std::time::Duration;

use serde_json::Value;

use crate::judge::{groundless, journal, repeated};
use crate::rehearsal::{Rehearsal, findings, shipped};
use crate::support::step_of;
use crate::table;

/// Slow enough that what is waited for outweighs what the looking itself takes.
const SPEED: &str = "60";

/// How long a whole night may take.
const LIMIT: Duration = Duration::from_secs(540);

/// What the log has of a step in a partition: how its attempts ended, and how long the one that counts took.
struct Logged {
    partition: &'static str,
    step: &'static str,
    attempts: &'static [&'static str],
    seconds: f64,
}

const fn logged(
    partition: &'static str,
    step: &'static str,
    attempts: &'static [&'static str],
    seconds: f64,
) -> Logged {
    Logged { partition, step, attempts, seconds }
}

/// The log's figures. Steps that it skipped, or whose time it does not tell, are not here.
const LOG: [Logged; 15] = [
    logged("dev", "snapshot", &["passed"], 241.0),
    logged("dev", "amm", &["failed", "failed", "partial", "passed"], 297.0),
    logged("dev", "reader", &["passed"], 63.0),
    logged("dev", "failover", &["passed"], 273.0),
    logged("stage", "snapshot", &["passed"], 333.0),
    logged("stage", "amm", &["passed"], 504.0),
    logged("stage", "failover", &["passed"], 38.0),
    logged("demo", "snapshot", &["passed"], 213.0),
    logged("demo", "amm", &["partial", "failed", "passed"], 324.0),
    logged("prod", "snapshot", &["passed"], 338.0),
    logged("prod", "amm", &["failed", "passed"], 410.0),
    logged("prod", "reader", &["passed"], 442.0),
    logged("prod", "failover", &["passed"], 35.0),
    logged("prod", "flush-writer", &["passed"], 452.0),
    logged("prod", "chart", &["passed"], 70.0),
];

/// Requests of the landing page, and how many of them took over 500 ms.
const REQUESTS: [(&str, usize, usize); 4] = [("dev", 22, 12), ("stage", 22, 7), ("demo", 19, 9), ("prod", 24, 13)];

#[test]
fn the_day_of_the_log_is_rehearsed_with_the_logs_own_figures() {
    let table = table::read();
    let rehearsal = Rehearsal::at(&shipped("2026-05-14"), "", SPEED, LIMIT);
    assert_eq!(rehearsal.said.code, 0, "{}", rehearsal.last_words());
    let run = rehearsal.run().expect("a result");
    let report = rehearsal.place.run(&["report", "--output", "json"]).json();
    let mut wrong = Vec::new();
    println!("{:<7}{:<14}{:<34}{:>8}{:>11}", "", "step", "attempts", "log", "rehearsed");
    for logged in &LOG {
        let step = step_of(&run, logged.partition, logged.step);
        let attempts: Vec<&Value> = step["attempts"].as_array().into_iter().flatten().collect();
        let outcomes: Vec<&str> = attempts.iter().filter_map(|attempt| outcome(attempt)).collect();
        let seconds = attempts.last().map_or(0.0, |last| lasted(last)) * SPEED.parse::<f64>().expect("a number");
        let Logged { partition, step, .. } = logged;
        println!("{partition:<7}{step:<14}{:<34}{:>6.0} s{seconds:>9.0} s", outcomes.join(" "), logged.seconds);
        if outcomes != logged.attempts {
            wrong.push(format!("{partition}/{step}: {outcomes:?}, and in the log {:?}", logged.attempts));
        }
        if !(logged.seconds * 0.6..=logged.seconds * 1.6 + overhead()).contains(&seconds) {
            wrong.push(format!("{partition}/{step}: {seconds:.0} s, and in the log {:.0} s", logged.seconds));
        }
    }
    for (partition, requests, slow) in REQUESTS {
        let measured = requests_of(&report, partition);
        println!("{partition:<7}{measured:?} requests, and over 500 ms; in the log {requests}, {slow}");
        // How many of them are slow depends on what else this machine does; they stand beside the log's to be read.
        if measured.map(|(requests, _)| requests) != Some(requests) {
            wrong.push(format!("{partition}: requests {measured:?}, and in the log {:?}", (requests, slow)));
        }
    }
    let staged = |name: &str| {
        let also = ["op-timeout-before-deploy", "profile-missing", "op-timeout-after-deploy", "cdk-rebooted"];
        let recovery = ["insights-advanced", "rollback-failed", "continue-rollback-race", "stacks-skipped"];
        also.contains(&name) || recovery.contains(&name) || table.calm.values().flatten().any(|calm| calm == name)
    };
    wrong.extend(groundless(&findings(&run), staged));
    wrong.extend(repeated(&rehearsal.ledger(), |operation| match operation {
        "StartDeploy" => 2,
        "ContinueUpdateRollback" => 3,
        _ => 1,
    }));
    wrong.extend(journal(&rehearsal));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_worst_night_is_solved() {
    let table = table::read();
    let scenario = shipped("worst-night");
    let rehearsal = Rehearsal::at(&scenario, "", crate::rehearsal::SPEED, LIMIT);
    assert_eq!(rehearsal.said.code, 0, "{}", rehearsal.last_words());
    let run = rehearsal.run().expect("a result");
    let all = findings(&run);
    let mut wrong = Vec::new();
    let staged = scenario["situation"].as_array().expect("a list");
    let names: Vec<&str> = staged.iter().filter_map(|staged| staged["name"].as_str()).collect();
    for staged in staged {
        let (name, partition) = (staged["name"].as_str(), staged["partition"].as_str().unwrap_or_default());
        // Once the drift checks are behind, the mode shows by the rollback that it breaks.
        let late = name == Some("insights-advanced") && staged.get("step").is_some();
        let name = if late { Some("rollback-failed") } else { name };
        if !all.iter().any(|found| found.situation() == name && found.partition == partition) {
            wrong.push(format!("{name:?} in {partition} is not diagnosed"));
        }
    }
    let along = |name: &str| {
        table.row.iter().any(|row| names.contains(&row.name.as_str()) && row.also.iter().any(|also| also == name))
    };
    let calm = |name: &str| table.calm.values().flatten().any(|calm| calm == name);
    wrong.extend(groundless(&all, |name| names.contains(&name) || along(name) || calm(name)));
    wrong.extend(journal(&rehearsal));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn outcome(attempt: &Value) -> Option<&str> {
    // That there was something to mind is no other end than the log's.
    let outcome = attempt["outcome"]["outcome"].as_str()?;
    Some(if outcome.starts_with("passed") { "passed" } else { outcome })
}

fn lasted(attempt: &Value) -> f64 {
    let time = |key: &str| attempt[key].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
    match (time("started"), time("ended")) {
        (Some(started), Some(ended)) => ended.duration_since(started).as_secs_f64(),
        _ => 0.0,
    }
}

/// What looking, connecting and starting programs takes here, in the site's time: it does not shrink with the site's speed.
fn overhead() -> f64 {
    8.0 * SPEED.parse::<f64>().expect("a number")
}

fn requests_of(report: &Value, partition: &str) -> Option<(usize, usize)> {
    let found = report["partitions"]
        .as_array()?
        .iter()
        .find(|each| each["partition"] == partition || each["name"] == partition)?;
    let requests = found["app"]["measure"]["requests"].as_array()?;
    let slow = requests.iter().filter(|request| request["millis"].as_u64().is_some_and(|millis| millis > 500)).count();
    Some((requests.len(), slow))
}
