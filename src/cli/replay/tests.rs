#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::config;
use crate::runbook::event::{Event, NoteKind, Record};
use crate::runbook::names::RunId;
use crate::watch::Sample;
use crate::watch::sample::{HttpView, Reading, Source};

const SECONDS: i64 = 9000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A run with a note every 100 seconds, and the application's word every second.
fn player() -> (Player, mpsc::UnboundedReceiver<Message>) {
    let plan = config::load_text("minimal.toml", config::MINIMAL, None).unwrap();
    let partition = plan.partitions[0].name.clone();
    let event = Event::RunStarted { run: RunId::new("r"), plan: Box::new(plan), simulated: true };
    let mut records = vec![Record { seq: 1, at: at(0), event }];
    for number in 1..=(SECONDS / 100) {
        let note = Event::Noted {
            partition: None,
            step: None,
            by: "ada".to_owned(),
            text: format!("note {number}"),
            note: NoteKind::Remark,
            evidence: Vec::new(),
        };
        records.push(Record { seq: records.len() as u64 + 1, at: at(number * 100), event: note });
    }
    let said = |second: i64| Ok(Reading::Http(HttpView { status: 200, ms: u32::try_from(second).unwrap() }));
    let sample = |second| Sample::new(partition.clone(), Source::App, at(second), Duration::ZERO, said(second));
    let past = Past::of(records, (0..SECONDS + 50).map(sample).collect()).unwrap();
    let mut state = past.begun.clone();
    state.replay = Some(Replay::of(&state.run, &past.records, past.to(), 10.0));
    let (out, told) = mpsc::unbounded_channel();
    (Player::new(state, past.items, 10.0, out), told)
}

/// What is known at a moment: the notes so far, and the application's last word.
fn known(state: &State) -> (usize, Option<u32>) {
    let live = state.live_here().unwrap();
    (state.run.notes.len(), live.http.as_ref().map(|http| http.value.ms))
}

#[test]
fn a_jump_shows_what_playing_up_to_there_would_have_shown() {
    let (mut player, mut told) = player();
    let mut random = fastrand::Rng::with_seed(479);
    for _ in 0..60 {
        let second = random.i64(0..=SECONDS);
        player.seek(at(second));
        assert_eq!(player.state.now, at(second));
        let expected = (usize::try_from(second / 100).unwrap(), u32::try_from(second).ok());
        assert_eq!(known(&player.state), expected, "at {second}");
        let Some(Message::Jumped(moment)) = told.try_recv().ok() else { panic!("the screen was not told") };
        assert_eq!(known(&moment.state), expected);
    }
    assert!(player.keyframes.len() >= 3, "{} keyframes", player.keyframes.len());
}

#[test]
fn it_plays_to_the_end_stands_still_there_and_begins_anew() {
    let (mut player, mut told) = player();
    player.speed = 600.0;
    while !player.paused {
        player.advance();
    }
    assert_eq!(player.state.now, at(SECONDS));
    assert_eq!(known(&player.state), (90, Some(9000)));
    let mut screen = player.keyframes[0].1.clone();
    while let Ok(message) = told.try_recv() {
        update(&mut screen, message, "");
    }
    assert_eq!(known(&screen), (90, Some(9000)), "the screen was told everything");
    assert!(screen.replay.as_ref().is_some_and(|replay| replay.paused));

    player.follow(Playback::Toggle);
    assert!(!player.paused);
    assert_eq!(player.state.now, at(0));
}

#[test]
fn where_nothing_happens_and_nothing_runs_time_is_passed_over() {
    let (mut player, _told) = player();
    // A note is 100 s away: at this speed that would take 100 s of the onlooker's.
    player.speed = 1.0;
    player.advance();
    assert_eq!(player.state.now, at(97));
}
