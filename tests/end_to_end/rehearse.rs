//! `rehearse --auto`: the whole rollout, without hands.

use serde_json::Value;

use crate::support::{Ledger, Place, ROLLOUT, step_of, wait_until};

const PARTITIONS: [&str; 4] = ["dev", "stage", "demo", "prod"];

#[test]
fn all_four_partitions_go_through_and_every_change_is_made_once() {
    let place = Place::new();
    let rehearsed = place.run(&["rehearse", "--rollout", ROLLOUT, "--auto", "--speed", "200", "--output", "json"]);
    assert_eq!(rehearsed.code, 0, "{}", rehearsed.err);
    let run = rehearsed.json();
    assert_eq!(run["simulated"], true);
    for (partition, name) in run["partitions"].as_array().expect("partitions").iter().zip(PARTITIONS) {
        assert_eq!((&partition["partition"], &partition["through"]), (&name.into(), &true.into()));
        assert_eq!(partition["failovers"].as_array().expect("failovers").len(), 1, "{name}");
        for step in partition["steps"].as_array().expect("steps") {
            assert_step_is_done(name, step);
        }
    }
    assert_prod_is_swapped(&place, &run);
    wait_until("the site has ended", || place.address().is_none());
    assert_every_change_once(&Ledger::left_in(&place.site()));

    // The run stays behind for the report, which compares the partitions.
    let report = place.run(&["report"]);
    assert_eq!(report.code, 0, "{}", report.err);
    for partition in PARTITIONS {
        assert!(report.out.contains(partition), "{partition} is in the report");
    }
}

fn assert_step_is_done(partition: &str, step: &Value) {
    let state = step["state"].as_str().expect("a state");
    assert!(state.starts_with("PASSED"), "{partition}/{}: {state}", step["step"]);
    let attempts = step["attempts"].as_array().expect("attempts").len();
    // The go-ahead is a person's word, and no attempt.
    assert_eq!(attempts, usize::from(step["step"] != "go-ahead"), "{partition}/{}", step["step"]);
}

fn assert_prod_is_swapped(place: &Place, run: &Value) {
    // The step that flushes the demoted writer looked at both classes before it passed.
    for (step, instance) in [("reader", "reader1"), ("flush-writer", "writer")] {
        let step = step_of(run, "prod", step);
        let actions = step["attempts"][0]["actions"].as_array().expect("actions");
        assert_eq!(actions.len(), 1, "{instance} is flushed once: {actions:#?}");
        assert_eq!(actions[0]["operation"], "rds:ModifyDBInstance");
        assert_eq!(actions[0]["before"]["instance"], format!("alpha001-prod-auroracluster{instance}"));
        let seen = step["attempts"][0]["checks"].to_string();
        assert!(seen.contains("db.r7g.large"), "{instance} has its new class: {seen}");
    }
    let report = place.run(&["report", "--output", "json"]).json().to_string();
    assert!(report.contains("db.r7g.large"));
}

fn assert_every_change_once(ledger: &Ledger) {
    for ((service, operation, resource), count) in ledger.lines() {
        assert_eq!(count, 1, "{service} {operation} {resource} more than once: {ledger:#?}");
    }
    let by_partition = [
        ("CreateDBClusterSnapshot", 4),
        ("StartDeploy", 4),
        ("FailoverDBCluster", 4),
        ("DeleteDBClusterSnapshot", 4),
        ("upgrade", 4),
        ("RebootDBInstance", 3),
        ("ModifyDBInstance", 2),
        ("pr merge", 1),
    ];
    for (operation, times) in by_partition {
        assert_eq!(ledger.calls(operation), times, "{operation}: {ledger:#?}");
    }
}
