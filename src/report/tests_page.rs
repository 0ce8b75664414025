#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::picture::{Load, Picture};
use super::*;
use crate::config;
use crate::runbook::event::{Event, NoteKind, Record};
use crate::runbook::names::RunId;
use crate::runbook::state::Run;
use crate::runbook::timeline::{Timeline, Zero};
use crate::runbook::witness::{Testimony, Witness, Word};

fn seal() -> Seal {
    Seal { records: 2, sum: "0123456789abcdef".repeat(4) }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

fn run(note: &str) -> Run {
    let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap();
    let event = Event::RunStarted { run: RunId::new("r"), plan: Box::new(plan), simulated: true };
    let mut run = Run::begin(Record { seq: 1, at: at(0), event }).unwrap();
    let event = Event::Noted {
        partition: None,
        step: None,
        by: "ada".to_owned(),
        text: note.to_owned(),
        note: NoteKind::Remark,
        evidence: Vec::new(),
    };
    run.apply(Record { seq: 2, at: at(1), event }).unwrap();
    run
}

fn picture() -> Picture {
    let mut timeline = Timeline::default();
    let writer = |name: &str, writes| Word::Writer { instance: name.into(), writes };
    let mut say = |witness: Witness, millis: i64, word: Word| {
        timeline.observe(Testimony::new(witness, word, at(millis), at(millis)));
    };
    say(Witness::ApiWriter, -500, writer("old<i>", None));
    say(Witness::Writes, -100, writer("old<i>", Some(true)));
    timeline.start(Zero { at: at(0), from: "old<i>".into(), to: Some("new".into()), fired: true });
    let mut say = |witness: Witness, millis: i64, word: Word| {
        timeline.observe(Testimony::new(witness, word, at(millis), at(millis)));
    };
    say(Witness::Writes, 1000, Word::Silent { reason: "cut".to_owned() });
    say(Witness::Writes, 8900, Word::Silent { reason: "cut".to_owned() });
    say(Witness::Writes, 9000, writer("new", Some(true)));
    say(Witness::ApiWriter, 11_000, writer("new", None));
    let point = |second: i64| {
        let waits = vec![("CPU".to_owned(), 0.7), ("Lock:tuple".to_owned(), 0.4)];
        (at(second * 1000), (Duration::from_secs(1).as_secs_f64(), waits))
    };
    let load = Load { points: (-20..20).map(point).collect::<BTreeMap<_, _>>(), vcpus: Some(2) };
    Picture { partition: "dev".into(), timeline, over: at(0) + SignedDuration::from_secs(14), load }
}

#[test]
fn the_page_has_the_words_of_the_log_and_a_picture_below_its_partition() {
    let page = html(&run("all calm"), &[picture()], &seal());
    let (dev, stage) = (page.find("<h2>dev —").unwrap(), page.find("<h2>stage —").unwrap());
    let drawn = page.find("<figure>").unwrap();
    assert!(dev < drawn && drawn < stage, "the picture stands below its own partition");
    assert_eq!(page.matches("<svg").count(), 2, "timeline and load");
    assert!(page.contains("7.95 s ±0.05 s"), "{page}");
    for word in ["all calm", "class=\"down\"", "class=\"new\"", "T=0", "Lock:tuple", "2 vCPU"] {
        assert!(page.contains(word), "{word} is missing");
    }
}

#[test]
fn the_page_loads_nothing_and_runs_nothing_whatever_was_said() {
    let hostile = "<script>alert(1)</script> ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> [l](javascript:alert(1))";
    let page = html(&run(hostile), &[picture()], &seal());
    for word in ["<script", "<img", "onerror=alert(1)>", "href=\"javascript", "old<i>", "src=\"http"] {
        assert!(!page.contains(word), "{word} is in the page");
    }
    assert!(page.contains("default-src 'none'"));
}
