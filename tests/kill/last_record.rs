//! The machine goes down while a record is being written: of its last line the journal holds a part.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aurora_cockpit::journal::{Directory, Entry, Journal, Opened, Owner};
use aurora_cockpit::session;
use tempfile::TempDir;

use crate::night::Night;
use crate::outcome;

const FAILOVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/failover.toml");
const DATABASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/databases.toml");

#[test]
fn after_any_byte_of_any_kind_of_record_the_run_stands_as_before_it() {
    let night = Night::of(FAILOVER, None);
    assert_eq!(night.start().end(), Some(0), "{}", night.trouble());
    let whole = fs::read(night.journal().expect("a journal")).expect("the journal");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    // The first one is no run before it is whole; of the others one of each kind, as late as there is one.
    let mut last_of_kind = BTreeMap::new();
    for (index, line) in lines.iter().enumerate().skip(1) {
        let record: serde_json::Value = serde_json::from_slice(line).expect("a record");
        last_of_kind.insert(record["event"]["kind"].to_string(), index);
    }
    let mut cuts = 0;
    for (kind, index) in &last_of_kind {
        let before: Vec<u8> = lines[..*index].concat();
        let place = TempDir::new().expect("a place");
        let run = place.path().join("runs/run");
        fs::create_dir_all(&run).expect("a directory");
        let stands = |journal: &[u8], fold: bool| stands(place.path(), &run.join("journal.jsonl"), journal, fold);
        let (expected, state) = stands(&before, true);
        for cut in 0..lines[*index].len() - 1 {
            let in_the_middle = cut == lines[*index].len() / 2;
            let (entries, run) = stands(&[&before, &lines[*index][..cut]].concat(), in_the_middle);
            assert_eq!(entries, expected, "{kind}, cut after byte {cut}");
            // What is decided next is a fold of the records.
            assert!(!in_the_middle || run == state, "{kind}, cut after byte {cut}");
            cuts += 1;
        }
    }
    assert!(last_of_kind.len() >= 8, "only {last_of_kind:?}");
    eprintln!("{cuts} cuts in records of {} kinds", last_of_kind.len());
}

/// What is found in such a journal by a session that goes on with it, and how the run stands then.
fn stands(
    state: &Path,
    journal: &Path,
    bytes: &[u8],
    fold: bool,
) -> (Vec<String>, Option<aurora_cockpit::runbook::state::Run>) {
    fs::write(journal, bytes).expect("a journal");
    let store = Directory::open(state, "run").expect("a run");
    let Opened { entries, .. } = Journal::open(Box::new(store), Owner::here("tester")).expect("it can be gone on with");
    let run = fold.then(|| session::fold(journal, &entries).expect("a run"));
    (entries.iter().map(Entry::raw).map(str::to_owned).collect(), run)
}

/// Where the last line is cut, each time at another place of these: how much of it is left.
const LEFT: [fn(usize) -> usize; 4] = [|_| 1, |length| length / 2, |length| length - 2, |length| length - 1];

/// At so many records of each kind it is killed and the line is cut.
const OF_EACH: usize = 4;

/// What must be met: after an intent the call goes out only once it is on disk whole, so that it is never cut then.
const KINDS: [&str; 7] = [
    "session-opened",
    "attempt-started",
    "action-settled",
    "program-started",
    "verifying",
    "check-settled",
    "attempt-ended",
];

#[test]
fn a_last_record_that_was_cut_is_looked_up_and_not_repeated() {
    let night = Night::of(DATABASES, None);
    let mut cut: BTreeMap<String, usize> = BTreeMap::new();
    let mut operator = night.start();
    let mut records = night.records(&operator).expect("a run");
    let code = loop {
        let Some(seen) = records.next() else { break operator.end() };
        let times = cut.get(&seen.kind).copied().unwrap_or_default();
        if seen.kind == "intent" || seen.kind == "run-started" || times == OF_EACH {
            continue;
        }
        let ended = operator.kill();
        let last = records.rest().pop().unwrap_or(seen);
        if last.kind != "intent" && ended.is_none() {
            let times = cut.entry(last.kind).or_default();
            records.cut(LEFT[*times % LEFT.len()]);
            *times += 1;
        }
        if ended.is_some() {
            break ended;
        }
        operator = night.start();
    };
    assert_eq!(code, Some(0), "it did not go through:\n{}", night.trouble());
    records.assert_all_is_there();
    outcome::assert_all_is_well(&night);
    for kind in KINDS {
        assert!(cut.contains_key(kind), "no {kind} was cut: {cut:?}");
    }
    eprintln!("killed and cut: {cut:?}");
}
