//! The journal: what was altered is never taken for what was written, and no sequence of events breaks the fold.

use std::sync::LazyLock;

use aurora_cockpit::config;
use aurora_cockpit::journal::{self, Entry, Head};
use aurora_cockpit::runbook::event::{Event, Record};
use aurora_cockpit::runbook::state::Run;
use jiff::Timestamp;

use crate::scratch;

/// By turns: any bytes as a journal, a good journal that was altered, and any events in a good chain.
pub fn journal(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    match which % 3 {
        0 => read(data),
        1 => alter(data),
        _ => fold(data),
    }
}

/// What is read as a journal is a chain, and reads the same once more.
fn read(data: &[u8]) {
    let path = scratch("journal.jsonl", data);
    let Ok(contents) = journal::read(&path) else { return };
    for (index, entry) in contents.entries.iter().enumerate() {
        assert_eq!(entry.seq(), index as u64 + 1, "a gap was not seen");
    }
    let lines: usize = contents.entries.iter().map(|entry| line(entry).len() + 1).sum();
    assert!(lines <= data.len() + 1, "more was read than there is");
}

/// A good journal of a few events.
static GOOD: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut head = Head::default();
    let events = events();
    let entries = events.iter().enumerate().map(|(index, event)| {
        let entry = Entry::after(&head, at(index), event).expect("an event can be written");
        head = entry.head();
        entry
    });
    entries.collect()
});

/// Bytes changed, taken out, put in; lines exchanged. What is accepted of it is what was written, from its beginning on.
fn alter(data: &[u8]) {
    let mut lines: Vec<Vec<u8>> = GOOD.iter().map(line).collect();
    for step in data.chunks_exact(4) {
        let [what, line, place, byte] = [step[0], step[1], step[2], step[3]].map(usize::from);
        let count = lines.len();
        if count == 0 {
            break;
        }
        let which = line % count;
        // The first line holds the whole plan: its places are spread over it.
        let length = lines[which].len().max(1);
        let place = (place * 257 + byte) % length;
        match what % 6 {
            0 if !lines[which].is_empty() => lines[which][place] = byte as u8,
            1 if !lines[which].is_empty() => drop(lines[which].remove(place)),
            2 => lines[which].insert(place, byte as u8),
            3 => lines.swap(which, place % count),
            4 => drop(lines.remove(which)),
            _ => {
                let copy = lines[which].clone();
                lines.insert(place % count, copy);
            }
        }
    }
    let text: Vec<u8> = lines.into_iter().flat_map(|line| [line, vec![b'\n']].concat()).collect();
    let path = scratch("altered.jsonl", &text);
    let Ok(contents) = journal::read(&path) else { return };
    for (read, written) in contents.entries.iter().zip(GOOD.iter()) {
        assert!(line(read) == line(written), "an altered record was accepted: {}", read.raw());
    }
    assert!(contents.entries.len() <= GOOD.len(), "records were added to a chain");
}

/// The shipped rollout's, read once.
static START: LazyLock<Event> = LazyLock::new(|| start(config::SHIPPED));

/// Events that fit nothing are refused with their number; what was folded before stays as it was.
fn fold(data: &[u8]) {
    let mut records: Vec<Record> = Vec::new();
    for event in [START.clone()]
        .into_iter()
        .chain(data.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok()).take(64))
    {
        records.push(Record { seq: records.len() as u64 + 1, at: at(records.len()), event });
    }
    let Ok(mut run) = Run::begin(records[0].clone()) else { panic!("a run does not begin") };
    for record in &records[1..] {
        let before = run.seq;
        match run.apply(record.clone()) {
            Ok(()) => assert_eq!(run.seq, before + 1, "an event was folded twice, or not at all"),
            Err(why) => {
                assert!(!why.to_string().is_empty());
                break;
            }
        }
    }
    // What the screen asks of every run.
    let _ = (run.running(), run.next_step());
    assert!(
        Run::from_records(records.iter().take(run.seq as usize).cloned()).is_ok(),
        "the same events fold differently"
    );
}

/// The start of a run of that rollout.
fn start((name, text): (&str, &str)) -> Event {
    let plan = config::load_text(name, text, None).expect("a rollout");
    let started = serde_json::json!({ "kind": "run-started", "run": "fuzz-1", "plan": plan, "simulated": true });
    serde_json::from_value(started).expect("a start")
}

fn events() -> Vec<Event> {
    let mut events = vec![start(("minimal.toml", config::MINIMAL))];
    let lines = include_str!("events.jsonl").lines();
    events.extend(lines.map(|line| serde_json::from_str::<Event>(line).expect("an event")));
    events
}

fn at(index: usize) -> Timestamp {
    Timestamp::from_second(1_778_825_782 + index as i64).expect("a moment")
}

fn line(entry: &Entry) -> Vec<u8> {
    serde_json::to_vec(entry).expect("a line")
}
