//! The disk is full, or takes nothing at all: what cannot be written is not done, and everything goes on once there is room.

use std::collections::BTreeSet;

use crate::night::Night;
use crate::outcome;
use crate::support::ROLLOUT;
use crate::world::Disk;

/// At the first record of each of these kinds the disk takes no more.
const MOMENTS: [&str; 9] = [
    "attempt-started",
    "check-settled",
    "intent",
    "action-settled",
    "program-started",
    "verifying",
    "witnessed",
    "remarked",
    "attempt-ended",
];

#[test]
fn a_full_disk_stops_it_with_words_and_it_goes_on_once_there_is_room() {
    a_disk_that_takes_nothing(Disk::Full, "make room there");
}

#[test]
fn a_disk_that_becomes_read_only_stops_it_with_words_and_it_goes_on_afterwards() {
    a_disk_that_takes_nothing(Disk::ReadOnly, "choose another place with --state-dir");
}

fn a_disk_that_takes_nothing(disk: Disk, words: &str) {
    let night = Night::of(ROLLOUT, Some("dev"));
    let mut met = BTreeSet::new();
    let mut operator = night.start();
    let mut records = night.records(&operator).expect("a run");
    let code = loop {
        let Some(record) = records.next() else { break operator.end() };
        if !MOMENTS.contains(&record.kind.as_str()) || !met.insert(record.kind.clone()) {
            continue;
        }
        let denied = night.world.denied();
        night.world.disk(disk);
        // It ends by itself, and does not wait for what cannot come.
        let code = operator.end();
        let (said, denied) = (night.words(), night.world.denied() - denied);
        night.world.disk(Disk::Room);
        records.rest();
        records.assert_all_is_there();
        assert!(denied > 0, "{}: nothing was denied", record.kind);
        assert!(code == Some(1) && said.contains(words), "{}: exit {code:?}:\n{said}", record.kind);
        operator = night.start();
    };
    assert_eq!(code, Some(0), "it did not go through:\n{}", night.trouble());
    assert_eq!(met.len(), MOMENTS.len(), "not every kind was met: {met:?}");
    outcome::assert_all_passed(&night);
    outcome::assert_everything_once(&night);
    outcome::assert_nothing_is_left(&night);
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused_before_anything_is_sent() {
    let night = Night::of(ROLLOUT, Some("dev"));
    let before = night.place.ledger();
    night.world.disk(Disk::ReadOnly);
    let code = night.start().end();
    let words = night.words();
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("choose another") && words.contains("--state-dir"), "{words}");
    assert_eq!(night.place.ledger(), before, "nothing was sent");
    assert_eq!(night.journal(), None, "no run was begun");
}
