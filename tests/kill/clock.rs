//! The wall clock is put an hour forward and back while the cockpit runs, and between two sessions.

use std::fs;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::night::Night;
use crate::outcome;
use crate::support::{ROLLOUT, wait_until};
use crate::world::pace;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What is written in the middle of something: of each the first one of a step is where the clock jumps.
const MOMENTS: [&str; 6] =
    ["attempt-started", "intent", "action-settled", "program-started", "verifying", "attempt-ended"];

#[test]
fn a_clock_that_jumps_while_it_runs_neither_hurries_nor_stops_anything() {
    let mut night = Night::of(ROLLOUT, Some("dev"));
    let began = Instant::now();
    let operator = night.start();
    let mut records = night.records(&operator).expect("a run");
    let mut jumps = 0;
    while let Some(record) = records.next() {
        if MOMENTS.contains(&record.kind.as_str()) {
            // Forward, back to where it was, behind, and there again: every jump is one of an hour.
            let by = [HOUR, SignedDuration::ZERO, -HOUR, SignedDuration::ZERO][jumps % 4];
            night.world.step(by);
            jumps += 1;
        }
    }
    let code = operator.end();
    let took = SignedDuration::try_from(began.elapsed()).expect("a short time") * i32::try_from(pace()).expect("a few");
    assert_eq!(code, Some(0), "it did not go through:\n{}", night.trouble());
    outcome::assert_all_is_well(&night);
    assert!(jumps > 40, "the clock jumped only {jumps} times");

    // What was written is told by a clock that went on evenly: no jump of an hour made it older than it is, or younger.
    let times = times(&night);
    assert!(times.is_sorted(), "a record is older than the one before it");
    let told = times[times.len() - 1].duration_since(times[0]);
    assert!(told <= took, "{told} are told of, and {took} have passed");
    // Nothing was given up and fired again for an age that it did not have.
    for attempt in outcome::attempts(&night) {
        assert_eq!(attempt["number"], 1, "{attempt:#}");
    }
    eprintln!("the wall clock jumped {jumps} times by an hour in a rollout of {told:#}");
    // What is left of the night is read under the clock as it stands.
    night.place.set("LD_PRELOAD", "");
}

#[test]
fn a_clock_that_jumps_between_two_sessions_has_nothing_sent_twice() {
    for by in [HOUR, -HOUR, SignedDuration::from_mins(2), -SignedDuration::from_mins(2)] {
        let night = Night::of(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/failover.toml"), None);
        let operator = night.start();
        let mut records = night.records(&operator).expect("a run");
        while records.next().is_some_and(|record| record.kind != "intent") {}
        // Under a clock that is an hour off AWS takes no call, so this one has to be out.
        wait_until("the failover was sent", || night.place.ledger().calls("FailoverDBCluster") == 1);
        assert_eq!(operator.kill(), None, "{by}: it was killed before its end:\n{}", night.trouble());
        night.world.step(by);
        let code = night.start().end();
        assert_eq!(code, Some(0), "{by}: it did not go through:\n{}", night.trouble());
        outcome::assert_all_passed(&night);
        assert_eq!(night.place.ledger().calls("FailoverDBCluster"), 1, "{by}");
    }
}

fn times(night: &Night) -> Vec<Timestamp> {
    let journal = fs::read_to_string(night.journal().expect("a journal")).expect("a journal");
    let time = |line: &str| {
        let record: Value = serde_json::from_str(line).expect("a record");
        record["at"].as_str().expect("a time").parse().expect("a time")
    };
    journal.lines().map(time).collect()
}
