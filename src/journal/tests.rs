#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::runbook::event::{Event, NoteKind, Record};

const RUN: &str = "pdev-479-20260514T181200Z";

fn note(text: &str) -> Event {
    Event::Noted {
        partition: None,
        step: None,
        by: "ada".to_owned(),
        text: text.to_owned(),
        note: NoteKind::Remark,
        evidence: Vec::new(),
    }
}

fn open(state: &Path) -> Result<Opened, JournalError> {
    Journal::open(Box::new(Directory::open(state, RUN)?), Owner::here("ada"))
}

/// A run with three notes; returns its journal's path.
fn three_notes(state: &Path) -> std::path::PathBuf {
    let store = Directory::create(state, RUN).unwrap();
    let path = store.journal().to_owned();
    let mut opened = Journal::open(Box::new(store), Owner::here("ada")).unwrap();
    for text in ["one", "two", "three"] {
        opened.journal.append(&note(text)).unwrap();
    }
    path
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| match entry.event::<Event>().unwrap() {
        Event::Noted { text, .. } => text,
        other => panic!("not a note: {other:?}"),
    };
    entries.iter().map(text).collect()
}

#[test]
fn what_is_written_is_read_back_and_gone_on_with() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let mut opened = open(state.path()).unwrap();
    assert_eq!(texts(&opened.entries), ["one", "two", "three"]);
    assert_eq!(opened.notice, None);
    let stamp = opened.journal.append(&note("four")).unwrap();
    assert_eq!((stamp.seq, opened.journal.last_seq()), (4, 4));
    let contents = read(&path).unwrap();
    assert_eq!(texts(&contents.entries), ["one", "two", "three", "four"]);
    let records =
        contents.entries.iter().map(|entry| Record { seq: entry.seq(), at: entry.at(), event: entry.event().unwrap() });
    assert_eq!(records.map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(texts(&Directory::at(path.parent().unwrap().into()).read_from(2).unwrap().entries), ["three", "four"]);
}

#[test]
fn a_journal_cut_anywhere_in_its_last_line_loses_that_line_only() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let mut opened = open(state.path()).unwrap();
        // A record that lacks its newline only is complete, and its checksum proves it.
        let complete = cut == whole.len() - 1;
        assert_eq!(opened.entries.len(), if complete { 3 } else { 2 }, "cut at {cut}");
        assert_eq!(opened.notice.is_some(), cut > last && !complete, "cut at {cut}");
        let stamp = opened.journal.append(&note("afterwards")).unwrap();
        assert_eq!(stamp.seq, if complete { 4 } else { 3 });
        drop(opened);
        assert_eq!(texts(&read(&path).unwrap().entries).last().unwrap(), "afterwards");
    }
    let aside = fs::read_to_string(path.with_file_name("journal.torn")).unwrap();
    assert_eq!(aside.lines().count(), whole.len() - 2 - last, "every torn piece is kept");
}

#[test]
fn a_reader_passes_over_a_line_that_is_being_written() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    OpenOptions::new().append(true).open(&path).unwrap().write_all(br#"{"v":1,"seq""#).unwrap();
    let before = fs::read(&path).unwrap();
    let contents = read(&path).unwrap();
    assert_eq!(contents.entries.len(), 3);
    assert!(contents.notice.unwrap().contains("not complete"));
    assert_eq!(fs::read(&path).unwrap(), before, "a reader changes nothing");
}

#[test]
fn any_altered_byte_before_the_end_is_found_and_nothing_is_changed() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let whole = fs::read(&path).unwrap();
    for position in 0..whole.len() - 1 {
        let mut altered = whole.clone();
        altered[position] ^= 1;
        fs::write(&path, &altered).unwrap();
        let line = 1 + whole[..position].iter().filter(|byte| **byte == b'\n').count();
        match open(state.path()) {
            // Where a newline is altered, two lines become one.
            Err(JournalError::Broken { line: found, .. } | JournalError::Version { line: found, .. }) => {
                assert_eq!(found, line, "byte {position}");
            }
            other => panic!("byte {position} altered, and: {other:?}"),
        }
        assert_eq!(fs::read(&path).unwrap(), altered);
    }
}

#[test]
fn a_broken_line_is_named_with_the_way_out() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let altered = fs::read_to_string(&path).unwrap().replace("two", "TWO");
    fs::write(&path, altered).unwrap();
    let message = open(state.path()).unwrap_err().to_string();
    let begin = format!("{}, line 2: the journal is broken here, because its checksum does not", path.display());
    assert!(message.starts_with(&begin), "{message}");
    assert!(message.contains("start a new run"), "{message}");
}

#[test]
fn a_line_taken_out_of_the_middle_is_found() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let text = fs::read_to_string(&path).unwrap();
    let without: Vec<_> = text.lines().enumerate().filter(|(index, _)| *index != 1).map(|(_, line)| line).collect();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    let message = open(state.path()).unwrap_err().to_string();
    assert!(message.contains("record 3 does not follow on record 1"), "{message}");
}

#[test]
fn another_version_is_refused() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"v\":2,\"what\":\"ever\"}\n").unwrap();
    let message = open(state.path()).unwrap_err().to_string();
    assert!(message.contains("line 4: written in journal version 2"), "{message}");
}

#[test]
fn only_one_session_holds_a_run() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let first = open(state.path()).unwrap();
    let run = first.lock.run_dir().to_owned();
    assert_eq!(run, path.parent().unwrap());
    let message = open(state.path()).unwrap_err().to_string();
    assert!(message.contains("are held by ada on "), "{message}");
    assert!(message.contains(&format!("(process {}) since 2", std::process::id())), "{message}");
    let held = runs(state.path()).unwrap().remove(0).holder.unwrap();
    assert_eq!(held.0.as_ref(), Some(first.lock.owner()));
    drop(first);
    assert_eq!(lock::holder(&run), None);
    open(state.path()).unwrap();
}

#[test]
fn only_the_owner_may_read_a_run() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&path.with_file_name("lock")), 0o600);
}

#[test]
fn a_place_that_cannot_hold_a_run_is_named() {
    let state = TempDir::new().unwrap();
    let file = state.path().join("file");
    fs::write(&file, "").unwrap();
    let message = Directory::create(&file, RUN).unwrap_err().to_string();
    assert!(message.contains("file/runs"), "{message}");
    assert!(message.contains("choose another place with --state-dir"), "{message}");
    let message = Directory::create(state.path(), "../elsewhere").unwrap_err().to_string();
    assert!(message.starts_with("`../elsewhere` cannot name a run"), "{message}");
}

#[test]
fn a_full_disk_is_an_error_that_says_what_to_do_and_nothing_more_is_written() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    fs::remove_file(&path).unwrap();
    // Every write to /dev/full ends in "no space left on device", and nothing there can be taken back.
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut store = Directory::at(path.parent().unwrap().to_owned());
    store.write_without_recovery().unwrap();
    let entry = Entry::after(&Head::default(), Timestamp::now(), &note("one")).unwrap();
    let message = store.append(&entry).unwrap_err().to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(message.contains("make room there"), "{message}");
    assert!(matches!(store.append(&entry), Err(JournalError::Poisoned(_))));
}

#[test]
fn runs_are_listed_newest_first() {
    let state = TempDir::new().unwrap();
    assert_eq!(runs(state.path()).unwrap(), []);
    assert_eq!(latest(state.path()).unwrap(), None);
    for name in ["b-first", "a-second"] {
        let store = Directory::create(state.path(), name).unwrap();
        let mut opened = Journal::open(Box::new(store), Owner::here("ada")).unwrap();
        opened.journal.append(&note(name)).unwrap();
    }
    let names: Vec<_> = runs(state.path()).unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(names, ["a-second", "b-first"]);
    let message = Directory::open(state.path(), "c").unwrap_err().to_string();
    assert!(message.contains("there is no run `c` in"), "{message}");
    assert!(message.ends_with("the newest is `a-second`"), "{message}");
}

#[test]
fn a_fresh_name_sorts_by_time() {
    let at: Timestamp = "2026-05-14T18:12:00Z".parse().unwrap();
    assert_eq!(runs::fresh_name("pdev-479", at), RUN);
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let state = TempDir::new().unwrap();
    let at: Timestamp = "2026-05-14T18:12:00Z".parse().unwrap();
    let fresh = || Directory::fresh(state.path(), "pdev-479", at).unwrap().0;
    // A cockpit that was killed as it began the run left an empty journal, or not even that.
    assert_eq!(fresh(), RUN);
    fs::remove_file(state.path().join("runs").join(RUN).join("journal.jsonl")).unwrap();
    assert_eq!([fresh(), fresh()], [format!("{RUN}-2"), format!("{RUN}-3")]);
    let first = read_first(&runs(state.path()).unwrap().remove(0).journal()).unwrap();
    assert!(first.is_none(), "nothing was written to it: {first:?}");
    assert!(Directory::fresh(&state.path().join("runs").join(RUN).join("x\0"), "pdev-479", at).is_err());
}

#[tokio::test]
async fn a_follower_sees_what_is_written_and_verifies_it() {
    let state = TempDir::new().unwrap();
    let path = three_notes(state.path());
    let mut opened = open(state.path()).unwrap();
    let mut follow = Follow::new(&path, 2);
    assert_eq!(follow.next().await.unwrap().seq(), 3);
    let waiting = tokio::time::timeout(Duration::from_millis(400), follow.next()).await;
    assert!(waiting.is_err(), "nothing was written, so there is nothing to see");
    opened.journal.append(&note("four")).unwrap();
    assert_eq!(texts(&[follow.next().await.unwrap()]), ["four"]);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"v\":1}\n").unwrap();
    let message = follow.next().await.unwrap_err().to_string();
    assert!(message.contains("line 5: the journal is broken"), "{message}");
    fs::write(&path, "").unwrap();
    assert!(matches!(follow.next().await, Err(JournalError::Cut(_))));
}
