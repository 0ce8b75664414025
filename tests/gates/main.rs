//! The core held against an oracle written apart from it: what the gate admits, what the fold makes of it, what a journal
//! keeps of it.

#![allow(clippy::panic)]

mod form;
mod levers;
mod oracle;
mod proposals;
mod tables;

use aurora_cockpit::config;
use aurora_cockpit::runbook::event::{Event, Record};
use aurora_cockpit::runbook::names::{RunId, StepRef};
use aurora_cockpit::runbook::plan::Plan;
use aurora_cockpit::runbook::state::Run;
use jiff::{SignedDuration, Timestamp};
use oracle::Oracle;
use proposals::{Proposal, proposal};
use proptest::prelude::*;

const PARTITIONS: [&str; 3] = ["dev", "prod", "ghost"];
const STEPS: [&str; 12] = [
    "drift",
    "snapshot",
    "reader",
    "failover",
    "delete",
    "go",
    "sign-in-aws",
    "retake-snapshot",
    "flush-instance",
    "fail-back",
    "restore",
    "ghost",
];
/// How many of them are steps, and how many are steps or levers; the last is neither.
const PLANNED: usize = 6;
const KNOWN: usize = 11;
const KEYS: [&str; 2] = ["reboot a", "fail over to b"];

/// Two partitions, and steps that need each other.
const PLAN: &str = r#"
id = "small"
title = "A small rollout"
time_zone = "UTC"

[[partitions]]
name = "dev"
infrastructure = "Example"
[partitions.aws]
region = "us-east-1"
profile = "Admin"
[partitions.cluster]
id = "dev-cluster"
apply_immediately = true

[[partitions]]
name = "prod"
infrastructure = "Example"
production = true
approval = "second-person"
[partitions.aws]
region = "us-east-1"
profile = "Admin"
[partitions.cluster]
id = "prod-cluster"
apply_immediately = false

[[steps]]
id = "drift"
label = "0"
title = "Drift"
kind = "drift"

[[steps]]
id = "snapshot"
label = "1"
title = "Snapshot"
kind = "snapshot"
needs = []
snapshot = { id = "${partition}-${rollout}" }

[[steps]]
id = "reader"
label = "4"
title = "Reader"
kind = "restart-reader"
approval = "second-person"
needs = ["snapshot"]

[[steps]]
id = "failover"
label = "5"
title = "Failover"
kind = "failover"
needs = ["drift", "reader"]

[[steps]]
id = "delete"
label = "7"
title = "Delete"
kind = "delete-snapshot"
needs = ["failover"]

[[steps]]
id = "go"
label = "g"
title = "Go-ahead"
kind = "go-ahead"
needs = ["delete"]
"#;

fn plan() -> Plan {
    config::load_text("small.toml", PLAN, None).expect("a plan")
}

fn now() -> Timestamp {
    "2026-05-14T18:00:00Z".parse().expect("a time")
}

fn started() -> Record {
    let event = Event::RunStarted { run: RunId::new("small-1"), plan: Box::new(plan()), simulated: true };
    Record { seq: 1, at: now(), event }
}

fn run() -> Run {
    Run::begin(started()).expect("a run")
}

/// Plays proposals as the recorder does: what is admitted is applied. Every verdict is held against the oracle's.
fn play(proposals: &[Proposal]) -> (Run, Vec<Record>) {
    let (mut run, mut records, mut oracle) = (run(), vec![started()], Oracle::default());
    for (index, proposal) in proposals.iter().enumerate() {
        let at = now() + SignedDuration::from_secs(index as i64);
        let event = proposal.event(&run, at);
        let admitted = run.admit(&event, at);
        assert_eq!(admitted.is_ok(), oracle.allows(&event, at), "{event:?}\ngate: {admitted:?}\noracle: {oracle:#?}");
        if admitted.is_err() {
            continue;
        }
        oracle.take(&event, at);
        let record = Record { seq: run.seq + 1, at, event };
        // Whatever is admitted goes onto the disk; if it did not fit then, the run could never be opened again.
        run.apply(record.clone()).expect("what is admitted fits");
        records.push(record);
        assert!(running(&run) <= 1, "two attempts run at once, neither of them a sign-in");
        assert_numbers(&run);
    }
    (run, records)
}

fn running(run: &Run) -> usize {
    run.under_way().filter(|(step, _)| !run.signs_in(step)).count()
}

/// Attempts are numbered on, whatever was gone back to: a number never comes twice.
fn assert_numbers(run: &Run) {
    let steps = run.partitions.iter().flat_map(|partition| partition.steps.iter().chain(&partition.levers));
    for step in steps {
        let numbers = step.attempts.iter().map(|attempt| attempt.number as usize);
        assert!(numbers.eq(1..=step.attempts.len()), "{step:?}");
    }
}

/// Asks everything that a screen asks, so that a state that cannot be shown is found.
fn ask_everything(run: &Run) {
    for step in run.references() {
        let state = run.state_of(&step);
        assert_eq!(state.is_behind(), run.is_behind(&step), "{step}: {state:?}");
        let _ = (run.gate(&step), state.to_string());
    }
    for partition in PARTITIONS {
        let _ = (run.progress(&partition.into()), run.is_through(&partition.into()));
    }
    let _ = (run.next_step(), run.partition_in_hand());
}

/// The same of the levers.
fn ask_levers(run: &Run) {
    for partition in &run.plan.partitions {
        for (lever, gate) in run.levers(partition) {
            let reference = StepRef { partition: partition.name.clone(), step: lever.id.clone() };
            let _ = (gate, run.pulled(&reference), run.state_of(&reference).to_string());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_admits_exactly_what_an_oracle_allows(proposals in prop::collection::vec(proposal(), 1..120)) {
        let (run, _) = play(&proposals);
        ask_everything(&run);
        ask_levers(&run);
    }

    #[test]
    fn events_once_twice_or_in_pieces_make_the_same_run(
        proposals in prop::collection::vec(proposal(), 1..80),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let (expected, records) = play(&proposals);
        let once = Run::from_records(records.clone()).expect("a run");
        prop_assert_eq!(&once, &expected);
        let mut twice = Run::begin(records[0].clone()).expect("a run");
        for record in records.iter().flat_map(|record| [record, record]) {
            twice.apply(record.clone()).expect("a repeat is nothing new");
        }
        prop_assert_eq!(&twice, &expected);
        // In pieces: a source that begins again somewhere before where it broke off.
        let mut pieces = Run::begin(records[0].clone()).expect("a run");
        for cut in cuts.iter().map(|cut| cut.index(records.len())) {
            let from = cut.saturating_sub(5).min(pieces.seq as usize);
            for record in &records[from..=cut.max(from).min(records.len() - 1)] {
                pieces.apply(record.clone()).expect("an overlap is nothing new");
            }
            for record in &records[..=cut] {
                pieces.apply(record.clone()).expect("from the beginning once more");
            }
        }
        for record in &records {
            pieces.apply(record.clone()).expect("the rest");
        }
        prop_assert_eq!(&pieces, &expected);
    }

    #[test]
    fn a_journal_gives_back_what_was_written(proposals in prop::collection::vec(proposal(), 1..60)) {
        let (expected, records) = play(&proposals);
        let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).expect("JSON")).collect();
        let read = lines.iter().map(|line| serde_json::from_str::<Record>(line).expect("a record"));
        prop_assert_eq!(Run::from_records(read).expect("a run"), expected);
    }

    #[test]
    fn arbitrary_records_never_panic_and_an_error_changes_nothing(
        proposals in prop::collection::vec((proposal(), -1_i64..3), 1..80),
    ) {
        let mut run = run();
        for (proposal, ahead) in proposals {
            let event = proposal.event(&run, now());
            let seq = run.seq.saturating_add_signed(ahead);
            let before = run.clone();
            if run.apply(Record { seq, at: now(), event }).is_err() || seq <= before.seq {
                prop_assert_eq!(&run, &before);
            }
            ask_everything(&run);
        }
        ask_levers(&run);
    }
}

/// The random sequences are worth something only if some of them get far.
#[test]
fn random_sequences_reach_the_last_partition() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut through, mut refused_twice, mut back, mut pulled) = (0, 0, 0, 0);
    for _ in 0..200 {
        let sequence = prop::collection::vec(proposal(), 120).new_tree(&mut runner).expect("a sequence").current();
        let (run, records) = play(&sequence);
        through += usize::from(records.iter().any(
            |record| matches!(&record.event, Event::AttemptStarted { step, .. } if step.partition.as_str() == "prod"),
        ));
        let intents = records.iter().filter(|record| matches!(record.event, Event::Intent { .. })).count();
        refused_twice += usize::from(intents > 3 && run.seq > 20);
        back += usize::from(records.iter().any(|record| matches!(record.event, Event::Reopened { .. })));
        pulled +=
            usize::from(run.partitions.iter().flat_map(|each| &each.levers).any(|lever| !lever.attempts.is_empty()));
    }
    assert!(back >= 20, "only {back} of 200 sequences went back");
    assert!(pulled >= 20, "only {pulled} of 200 sequences pulled a lever");
    assert!(through >= 10, "only {through} of 200 sequences reached the second partition");
    assert!(refused_twice >= 10, "only {refused_twice} of 200 sequences sent calls");
}
