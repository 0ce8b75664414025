//! What must hold when a night is over, however often its operator was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::night::Night;
use crate::support::wait_until;

/// Everything of the below.
pub fn assert_all_is_well(night: &Night) {
    assert_all_passed(night);
    assert_everything_once(night);
    assert_programs_ran_once(night);
    assert_nothing_is_left(night);
}

/// Every step has passed, and the journal is whole.
pub fn assert_all_passed(night: &Night) {
    let status = night.place.run(&["status", "--output", "json"]).json();
    for partition in status["partitions"].as_array().expect("partitions") {
        for step in partition["steps"].as_array().expect("steps") {
            let state = step["state"].as_str().expect("a state");
            assert!(
                state.starts_with("PASSED"),
                "{}/{}: {state}: {:#}",
                partition["partition"],
                step["step"],
                step["attempts"]
            );
        }
    }
    let verified = night.place.run(&["verify", "--output", "json"]);
    assert_eq!((verified.code, &verified.json()["whole"]), (0, &Value::Bool(true)), "{verified:?}");
}

/// Every changing call reached the site exactly once: what every cluster of these rollouts is brought through, and no other
/// one twice.
pub fn assert_everything_once(night: &Night) {
    let ledger = night.place.ledger();
    for ((service, operation, resource), count) in ledger.lines() {
        if operation == "POST /signin" {
            // The application's health is looked at anew by whoever takes the step up, and that begins with signing in.
            continue;
        }
        assert_eq!(count, 1, "{service} {operation} {resource} more than once: {ledger:#?}");
    }
    let status = night.place.run(&["status", "--output", "json"]).json();
    let partitions = status["partitions"].as_array().expect("partitions");
    let through_a_deploy = programs(night).contains_key("amm");
    let is_prod = partitions.iter().any(|partition| partition["partition"] == "prod");
    let clusters = partitions.len() as u64;
    for (operation, times) in [
        ("CreateDBClusterSnapshot", clusters),
        ("StartDeploy", u64::from(through_a_deploy)),
        // The instances of prod get another class, for which both are flushed and none is rebooted.
        ("RebootDBInstance", if is_prod { 0 } else { clusters }),
        ("ModifyDBInstance", if is_prod { 2 } else { 0 }),
        ("FailoverDBCluster", clusters),
        ("upgrade", u64::from(through_a_deploy)),
        ("DeleteDBClusterSnapshot", clusters),
        ("pr merge", u64::from(is_prod)),
    ] {
        assert_eq!(ledger.calls(operation), times, "{operation}: {ledger:#?}");
    }
}

/// Every program was started once and ran to its end, and what it printed is there from its first line to its last.
pub fn assert_programs_ran_once(night: &Night) {
    for (step, text) in programs(night) {
        let lines: Vec<&str> = text.lines().collect();
        let (first, last, of_deploy) = match step.as_str() {
            "amm" => ("amm.sh", "status: succeeded", true),
            "chart" => ("Release \"operations\" has been upgraded. Happy Helming!", "TEST SUITE: None", false),
            other => panic!("{other} runs a program that nobody expects"),
        };
        assert!(lines.first().is_some_and(|line| line.contains(first)), "{step}: it lacks its beginning:\n{text}");
        assert!(lines.last().is_some_and(|line| line.contains(last)), "{step}: it lacks its end:\n{text}");
        let once: BTreeSet<&str> = lines.iter().copied().collect();
        assert_eq!(once.len(), lines.len(), "{step}: something was printed twice:\n{text}");
        let stacks = lines.iter().filter(|line| line.ends_with(" complete")).count();
        assert_eq!(stacks, if of_deploy { 13 } else { 0 }, "{step}: it lacks something:\n{text}");
    }
}

/// What each program printed, by the step that ran it; without the day.
pub fn programs(night: &Night) -> BTreeMap<String, String> {
    let programs = night.journal().expect("a journal").with_file_name("programs");
    let directories = fs::read_dir(&programs).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut printed = BTreeMap::new();
    for directory in directories {
        let name = directory.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let step = name.split('-').nth(1).expect("a step").to_owned();
        let exit: Value = serde_json::from_slice(&read(&directory.join("exit"))).expect("how it ended");
        assert_eq!((&exit["code"], &exit["output_lost"]), (&0.into(), &false.into()), "{name}: {exit}");
        let text = String::from_utf8(read(&directory.join("output"))).expect("UTF-8");
        let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("LAST DEPLOYED")).collect();
        let earlier = printed.insert(step, text.join("\n"));
        assert_eq!(earlier, None, "{name} ran more than once");
    }
    printed
}

/// Of everything that was started there, only the site lives.
pub fn assert_nothing_is_left(night: &Night) {
    let site = night.place.site_process().expect("a site").as_raw_nonzero().get();
    let mark = format!("HOME={}", night.place.env()["HOME"]);
    let mut left = Vec::new();
    wait_until("nothing runs any more", || {
        left = processes(&mark).into_iter().filter(|(pid, _)| *pid != site).collect();
        left.is_empty()
    });
}

/// The processes that live in this environment, with their command lines.
fn processes(mark: &str) -> Vec<(i32, String)> {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<i32>().ok();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| number(&entry.path()));
    let lives_there = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes())
    };
    let named = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (pid, String::from_utf8_lossy(&line).replace('\0', " "))
    };
    pids.filter(lives_there).map(named).collect()
}

fn read(file: &Path) -> Vec<u8> {
    fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every attempt of every step.
pub fn attempts(night: &Night) -> Vec<Value> {
    let status = night.place.run(&["status", "--output", "json"]).json();
    let steps =
        status["partitions"].as_array().into_iter().flatten().flat_map(|partition| partition["steps"].as_array());
    steps.flatten().flat_map(|step| step["attempts"].as_array().cloned().unwrap_or_default()).collect()
}
