//! The cockpit is killed at every record that it writes, once at each, through a whole rollout.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use crate::night::Night;
use crate::outcome;
use crate::records::{Mark, Seen};
use crate::support::ROLLOUT;

/// The partitions of the shipped rollout. Each is gone through on a site of its own, all at a time: they mostly wait.
const PARTITIONS: [&str; 4] = ["dev", "stage", "demo", "prod"];

/// Everything that a rollout without trouble writes.
const KINDS: [&str; 17] = [
    "run-started",
    "session-opened",
    "attempt-started",
    "attempt-resumed",
    "cockpit-killed",
    "intent",
    "action-settled",
    "program-started",
    "verifying",
    "check-settled",
    "witnessed",
    "remarked",
    "failover-measured",
    "app-measured",
    "attempt-ended",
    "go-ahead",
    "session-closed",
];

/// Where it was killed.
#[derive(Debug, Default)]
struct Killed {
    /// Every record that was seen.
    records: HashSet<Mark>,
    /// Those that were the last one on disk when it died.
    last: HashSet<Mark>,
    /// How often each kind was the last.
    kinds: BTreeMap<String, usize>,
    times: usize,
    /// What each program printed.
    printed: BTreeMap<String, String>,
}

#[test]
fn killed_at_every_record_of_a_rollout_it_goes_on_to_the_end_and_does_everything_once() {
    let began = Instant::now();
    let nights: Vec<_> =
        PARTITIONS.map(|partition| std::thread::spawn(move || a_night(partition))).into_iter().collect();
    let undisturbed = an_undisturbed_night(PARTITIONS[0]);
    let nights: Vec<Killed> = nights.into_iter().map(|night| night.join().expect("a good night")).collect();
    assert_eq!(nights[0].printed, undisturbed.printed, "what the programs printed is complete");
    // A check that settles may have settled by the time that somebody looks again.
    let passes_by = |mark: &Mark| mark.0.contains(r#""settling""#);
    // A call whose answer died with the cockpit was looked up.
    let looked_up = |mark: &Mark| nights[0].records.contains(&Mark(mark.0.replace(r#""accepted""#, r#""found-done""#)));
    let lost = undisturbed.records.difference(&nights[0].records);
    let lost: Vec<_> = lost.filter(|mark| !passes_by(mark) && !looked_up(mark)).collect();
    assert!(lost.is_empty(), "nothing of what is written without a kill is missing with one: {lost:#?}");
    let mut all = Killed::default();
    for killed in nights {
        all.records.extend(killed.records);
        all.last.extend(killed.last);
        all.times += killed.times;
        for (kind, times) in killed.kinds {
            *all.kinds.entry(kind).or_default() += times;
        }
    }
    eprintln!(
        "killed {} times in {} s; {} of {} records were the last on disk when it died: {:?}",
        all.times,
        began.elapsed().as_secs(),
        all.last.len(),
        all.records.len(),
        all.kinds
    );
    for kind in KINDS {
        assert!(all.kinds.contains_key(kind), "it was never killed at {kind}");
    }
}

fn a_night(partition: &str) -> Killed {
    let night = Night::of(ROLLOUT, Some(partition));
    let mut killed = Killed::default();
    let mut operator = night.start();
    let mut records = night.records(&operator).unwrap_or_else(|| panic!("it made no run:\n{}", night.words()));
    let code = loop {
        let Some(seen) = records.next() else {
            // Its own end; else its killer has not looked.
            break operator.end();
        };
        if !killed.records.insert(seen.mark.clone()) {
            continue;
        }
        let had_ended = operator.kill();
        let last = records.rest().into_iter().fold(seen, |earlier, later| killed.passed(earlier, later));
        killed.at(last);
        if let Some(code) = had_ended {
            break Some(code);
        }
        operator = night.start();
    };
    assert_eq!(code, Some(0), "{partition}: it did not go through:\n{}", night.trouble());
    records.assert_all_is_there();
    outcome::assert_all_is_well(&night);
    killed.printed = outcome::programs(&night);
    killed
}

/// The same without a kill, to hold the others against.
fn an_undisturbed_night(partition: &str) -> Killed {
    let night = Night::of(ROLLOUT, Some(partition));
    let operator = night.start();
    let mut records = night.records(&operator).expect("a run");
    let mut seen = Killed::default();
    while let Some(record) = records.next() {
        seen.records.insert(record.mark);
    }
    assert_eq!(operator.end(), Some(0), "{partition}: it did not go through:\n{}", night.trouble());
    outcome::assert_all_is_well(&night);
    seen.printed = outcome::programs(&night);
    seen
}

impl Killed {
    /// What was written while the kill was on its way is passed over from now on, unless it is what it died at.
    fn passed(&mut self, _earlier: Seen, later: Seen) -> Seen {
        self.records.insert(later.mark.clone());
        later
    }

    fn at(&mut self, last: Seen) {
        self.times += 1;
        *self.kinds.entry(last.kind).or_default() += 1;
        self.last.insert(last.mark);
    }
}
