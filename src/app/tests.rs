//! What keys, answers and events do to the cockpit, and above all what they do not.

#![allow(clippy::panic)]

mod keys;
mod load;
mod timeline;
mod trouble;
mod unplanned;
mod window;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use proptest::prelude::*;

use super::banner;
use super::dialog::{Ask, Button, Confirm, Dialog, Purpose};
use super::replay::{Playback, Replay};
use super::state::{Mode, State};
use super::update::{Effect, Message, update};
use crate::config;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::event::{Brief, Call, Choice, Event, Finding, NoteKind, Outcome, Record, Session};
use crate::runbook::names::{RunId, StepRef};
use crate::runbook::state::Run;

const ME: &str = "miguel";

fn now() -> Timestamp {
    "2026-05-14T18:00:00Z".parse().expect("a time")
}

/// The smallest rollout: snapshot, reader, failover, delete-snapshot, go-ahead, each needing the one before.
fn run() -> Run {
    let plan = config::load_text("minimal.toml", config::MINIMAL, None).expect("a plan");
    let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
    Run::begin(Record { seq: 1, at: now(), event }).expect("a run")
}

pub(super) fn operator() -> State {
    State::new(run(), Mode::Operator, now())
}

pub(super) fn of(step: &str) -> StepRef {
    StepRef::new("dev", step)
}

fn brief(type_name: Option<&str>) -> Brief {
    Brief {
        what: "Take a snapshot".into(),
        calls: vec![Call { operation: "rds:X".into(), target: "t".into(), command_line: "aws rds x".into() }],
        preconditions: vec![Precondition { text: "cluster available".into(), holds: Holds::Yes, at: now() }],
        feels: None,
        then: None,
        back: None,
        type_name: type_name.map(str::to_owned),
        already_done: None,
        choices: Vec::new(),
    }
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), ME)
}

fn type_in(state: &mut State, text: &str) {
    for character in text.chars() {
        assert_eq!(press(state, KeyCode::Char(character)), []);
    }
}

/// Draws, as the screen does after each round of messages.
fn draw(state: &mut State) {
    assert_eq!(update(state, Message::Drawn { fits: true, terminal: None }, ME), []);
}

fn happens(state: &mut State, event: Event) {
    let mut effects = told(state, event);
    effects.retain(|effect| !matches!(effect, Effect::Attention { .. }));
    assert_eq!(effects, []);
}

/// Tells an event; answers what it has others do.
pub(super) fn told(state: &mut State, event: Event) -> Vec<Effect> {
    let record = Record { seq: state.run.seq + 1, at: now(), event };
    update(state, Message::Record(record), ME)
}

pub(super) fn attempt_started(step: &str) -> Event {
    Event::AttemptStarted { step: of(step), attempt: 1, by: ME.into(), preconditions: Vec::new(), choice: None }
}

/// Takes a step through, so that the next one is ready.
fn passes(state: &mut State, step: &str) {
    happens(state, attempt_started(step));
    happens(state, Event::AttemptEnded { step: of(step), attempt: 1, outcome: Outcome::Passed });
}

/// Opens the confirmation of the marked step with that brief, not drawn yet.
fn confirming(state: &mut State, brief: Brief) -> u64 {
    let effects = press(state, KeyCode::Enter);
    let [Effect::Brief { request, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let request = *request;
    let effects = update(state, Message::Briefed { request, brief: Ok(Box::new(brief)) }, ME);
    let [Effect::Record(event)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(matches!(**event, Event::ConfirmationOpened { request: opened, .. } if opened == request));
    happens(state, (**event).clone());
    request
}

fn confirm(state: &State) -> &Confirm {
    match &state.dialog {
        Some(Dialog::Confirm(confirm)) => confirm,
        other => panic!("{other:?}"),
    }
}

fn notice(state: &State) -> &str {
    state.notice.as_ref().map_or("", |(_, text)| text)
}

#[test]
fn enter_in_a_fresh_confirmation_cancels() {
    let mut state = operator();
    let request = confirming(&mut state, brief(None));
    draw(&mut state);
    assert_eq!(confirm(&state).focus, Button::Cancel);
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(effects, [Effect::Record(Box::new(Event::ConfirmationClosed { request }))]);
    assert_eq!(state.dialog, None);
}

#[test]
fn fire_takes_two_keys_and_fires_once() {
    let mut state = operator();
    confirming(&mut state, brief(None));
    draw(&mut state);
    assert_eq!(press(&mut state, KeyCode::Tab), []);
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(effects, [Effect::Fire { step: of("snapshot"), choice: None }]);
    // Whoever hammers the key while the gate is asked fires nothing more and closes nothing.
    for code in [KeyCode::Enter, KeyCode::Tab, KeyCode::Enter, KeyCode::Esc] {
        assert_eq!(press(&mut state, code), []);
    }
    assert!(confirm(&state).firing);
}

#[test]
fn a_refused_fire_is_said_and_cancel_is_focused_again() {
    let mut state = operator();
    confirming(&mut state, brief(None));
    draw(&mut state);
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::Enter);
    update(&mut state, Message::Refused("it is locked".into()), ME);
    let confirm = confirm(&state);
    assert_eq!(
        (confirm.firing, confirm.focus, confirm.refused.as_deref()),
        (false, Button::Cancel, Some("it is locked"))
    );
}

#[test]
fn a_name_must_be_typed_whole_and_stay_whole() {
    let mut state = operator();
    confirming(&mut state, brief(Some("prod-cluster")));
    draw(&mut state);
    type_in(&mut state, "prod-cluste");
    assert!(!confirm(&state).can_fire());
    press(&mut state, KeyCode::Tab);
    assert_eq!(confirm(&state).focus, Button::Cancel, "Fire cannot be reached before the name is whole");
    type_in(&mut state, "r");
    press(&mut state, KeyCode::Tab);
    assert_eq!(confirm(&state).focus, Button::Fire);
    // One more character, and it is another name.
    type_in(&mut state, "x");
    assert_eq!((confirm(&state).can_fire(), confirm(&state).focus), (false, Button::Cancel));
    press(&mut state, KeyCode::Backspace);
    assert_eq!(confirm(&state).focus, Button::Cancel, "correcting does not put the finger on the trigger");
    press(&mut state, KeyCode::Tab);
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(effects, [Effect::Fire { step: of("snapshot"), choice: None }]);
}

#[test]
fn what_blocks_cannot_be_fired() {
    let mut state = operator();
    let mut brief = brief(None);
    brief.preconditions.push(Precondition { text: "snapshot exists".into(), holds: Holds::No, at: now() });
    confirming(&mut state, brief);
    draw(&mut state);
    press(&mut state, KeyCode::Tab);
    assert_eq!(confirm(&state).focus, Button::Cancel);
}

#[test]
fn keys_typed_before_the_dialog_was_seen_are_not_meant_for_it() {
    let mut state = operator();
    confirming(&mut state, brief(None));
    for code in [KeyCode::Tab, KeyCode::Enter, KeyCode::Esc, KeyCode::Char('x')] {
        assert_eq!(press(&mut state, code), []);
    }
    assert_eq!((confirm(&state).focus, confirm(&state).typed.as_str()), (Button::Cancel, ""));
    draw(&mut state);
    press(&mut state, KeyCode::Tab);
    assert_eq!(confirm(&state).focus, Button::Fire);
}

#[test]
fn a_screen_too_small_for_the_dialog_does_not_count_as_seen() {
    let mut state = operator();
    confirming(&mut state, brief(None));
    assert_eq!(update(&mut state, Message::Drawn { fits: false, terminal: None }, ME), []);
    for code in [KeyCode::Tab, KeyCode::Enter] {
        assert_eq!(press(&mut state, code), []);
    }
    assert_eq!(confirm(&state).focus, Button::Cancel);
}

#[test]
fn an_answer_to_another_request_is_dropped() {
    let mut state = operator();
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Brief { request: first, .. }] = effects[..] else { panic!("{effects:?}") };
    draw(&mut state);
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.dialog, None);
    // It comes although nobody waits for it any more,
    let late = || Message::Briefed { request: first, brief: Ok(Box::new(brief(None))) };
    assert_eq!(update(&mut state, late(), ME), []);
    assert_eq!(state.dialog, None);
    // and again while another is awaited.
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(effects[..], [Effect::Brief { request, .. }] if request > first));
    assert_eq!(update(&mut state, late(), ME), []);
    assert!(matches!(state.dialog, Some(Dialog::Preparing { .. })));
}

#[test]
fn facts_that_cannot_be_had_close_the_dialog_and_say_why() {
    let mut state = operator();
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Brief { request, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(update(&mut state, Message::Briefed { request, brief: Err("signed out".into()) }, ME), []);
    assert_eq!((&state.dialog, notice(&state)), (&None, "signed out"));
}

#[test]
fn the_key_of_a_locked_step_says_why_it_is_locked() {
    let mut state = operator();
    assert_eq!(press(&mut state, KeyCode::Char('3')), []);
    assert_eq!(state.dialog, None);
    assert!(notice(&state).contains("is locked: needs: 2 Restart the reader"), "{}", notice(&state));
    // Done is a reason as well,
    passes(&mut state, "snapshot");
    assert_eq!(press(&mut state, KeyCode::Char('1')), []);
    assert!(notice(&state).contains("it is done"), "{}", notice(&state));
    // and so is another step that runs.
    happens(&mut state, attempt_started("reader"));
    assert_eq!(press(&mut state, KeyCode::Char('3')), []);
    assert!(notice(&state).contains("dev's 2 Restart the reader is running"), "{}", notice(&state));
}

#[test]
fn the_sentence_names_the_key_that_leads_on_wherever_one_looks() {
    let mut state = operator();
    let last = |state: &State| banner::banner(state).headline.last().map(|piece| piece.text.clone());
    assert_eq!(last(&state).as_deref(), Some("Enter"));
    // Enter would mean the step that is marked.
    press(&mut state, KeyCode::Down);
    assert_eq!(last(&state).as_deref(), Some("f goes there"));
    press(&mut state, KeyCode::Enter);
    assert!(notice(&state).ends_with("; f goes to dev's 1 Snapshot, which is next"), "{}", notice(&state));
    press(&mut state, KeyCode::Char('f'));
    assert_eq!(last(&state).as_deref(), Some("Enter"));
    // So it is with the way out of a step in trouble.
    happens(&mut state, attempt_started("snapshot"));
    let outcome = Outcome::Failed { finding: Finding::of("snapshot-in-use", "y") };
    happens(&mut state, Event::AttemptEnded { step: of("snapshot"), attempt: 1, outcome });
    let says = |state: &State, words: &str| banner::banner(state).detail.iter().any(|piece| piece.text.contains(words));
    assert!(says(&state, "Enter: try it again"), "{:?}", banner::banner(&state));
    press(&mut state, KeyCode::Down);
    assert!(says(&state, "f goes there") && !says(&state, "Enter"), "{:?}", banner::banner(&state));
}

#[test]
fn a_key_that_nothing_is_bound_to_says_so_and_esc_takes_a_zoom_back() {
    let mut state = operator();
    press(&mut state, KeyCode::Char('x'));
    assert_eq!(notice(&state), "x does nothing; ? lists the keys, : finds everything by its name");
    press(&mut state, KeyCode::Char('z'));
    assert!(state.zoomed);
    press(&mut state, KeyCode::Esc);
    assert!(!state.zoomed && state.notice.is_none());
}

#[test]
fn a_step_that_waits_for_a_later_one_is_not_the_one_that_is_marked() {
    let (name, text) = config::SHIPPED;
    // The chart brings what the check before it looks for, and so does not wait for that one.
    let text = text.replace("id = \"chart\"\n", "id = \"chart\"\nneeds = [\"failover\"]\n");
    let plan = config::load_text(name, &text, None).expect("a plan");
    let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
    let mut state = State::new(Run::begin(Record { seq: 1, at: now(), event }).expect("a run"), Mode::Operator, now());
    let steps: Vec<String> = state.looked_at().0.steps.iter().map(|step| step.id.to_string()).collect();
    let defers = steps.iter().position(|step| step == "static").expect("a step that can wait for the chart");
    for step in &steps[..defers] {
        passes(&mut state, step);
    }
    happens(&mut state, attempt_started("static"));
    let outcome = Outcome::Deferred { until: "chart".into(), reason: "the extension comes with it".into() };
    happens(&mut state, Event::AttemptEnded { step: of("static"), attempt: 1, outcome });
    assert_eq!(state.run.next_step().map(|(step, _)| step), Some(of("chart")));
    assert_eq!(state.marked_step(), Some(of("chart")), "Enter means what the sentence names");
}

#[test]
fn a_failed_step_can_be_fired_again() {
    let mut state = operator();
    happens(&mut state, attempt_started("snapshot"));
    let outcome = Outcome::Failed { finding: Finding::unknown("no") };
    happens(&mut state, Event::AttemptEnded { step: of("snapshot"), attempt: 1, outcome });
    let effects = press(&mut state, KeyCode::Char('1'));
    assert!(matches!(&effects[..], [Effect::Brief { step, .. }] if *step == of("snapshot")), "{effects:?}");
}

#[test]
fn escape_leaves_every_dialog_and_nothing_behind() {
    // Help, details, concerns, a question for words: closed without a trace.
    for key in ['?', 'd', '!', 'n', 's'] {
        let mut state = operator();
        passes(&mut state, "snapshot");
        press(&mut state, KeyCode::Char(key));
        if state.dialog.is_none() {
            continue;
        }
        draw(&mut state);
        assert_eq!(press(&mut state, KeyCode::Esc), [], "{key}");
        assert_eq!((&state.dialog, state.leaving), (&None, false), "{key}");
    }
    // A confirmation: written down as closed.
    let mut state = operator();
    let request = confirming(&mut state, brief(None));
    draw(&mut state);
    let effects = press(&mut state, KeyCode::Esc);
    assert_eq!(effects, [Effect::Record(Box::new(Event::ConfirmationClosed { request }))]);
    // Without a dialog it does not leave the cockpit.
    assert_eq!(press(&mut state, KeyCode::Esc), []);
    assert!(!state.leaving);
}

#[test]
fn leaving_while_something_runs_is_asked_and_staying_is_the_default() {
    let mut state = operator();
    happens(&mut state, attempt_started("snapshot"));
    press(&mut state, KeyCode::Char('q'));
    draw(&mut state);
    press(&mut state, KeyCode::Enter);
    assert!(!state.leaving);
    press(&mut state, KeyCode::Char('q'));
    draw(&mut state);
    press(&mut state, KeyCode::Right);
    press(&mut state, KeyCode::Enter);
    assert!(state.leaving);
}

#[test]
fn a_dialog_whose_question_was_answered_closes() {
    // A confirmation by its attempt.
    let mut state = operator();
    confirming(&mut state, brief(None));
    happens(&mut state, attempt_started("snapshot"));
    assert_eq!(state.dialog, None);
    // Words for a skip by the skip.
    let mut state = operator();
    passes(&mut state, "snapshot");
    state.dialog = Some(Dialog::Ask(Ask::new(Purpose::Skip(of("reader")), "proved otherwise")));
    draw(&mut state);
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Record(event)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(state.dialog.is_some(), "it stays until the run has it");
    happens(&mut state, (**event).clone());
    assert_eq!(state.dialog, None);
    // An event about something else closes nothing.
    let mut state = operator();
    confirming(&mut state, brief(None));
    let noted = Event::Noted {
        partition: None,
        step: None,
        by: ME.into(),
        text: "calm".into(),
        note: NoteKind::Remark,
        evidence: Vec::new(),
    };
    happens(&mut state, noted);
    assert!(state.dialog.is_some());
}

#[test]
fn a_reason_is_asked_for_until_there_is_one() {
    let mut state = operator();
    state.dialog = Some(Dialog::Ask(Ask::new(Purpose::Stop, "   ")));
    draw(&mut state);
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(matches!(&state.dialog, Some(Dialog::Ask(ask)) if ask.refused.is_some()));
}

#[test]
fn the_chosen_way_is_fired() {
    let mut state = operator();
    let mut brief = brief(None);
    let choice = |id: &str| Choice { id: id.into(), label: id.into() };
    brief.choices = vec![choice("browser"), choice("http")];
    confirming(&mut state, brief);
    draw(&mut state);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Tab);
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(effects, [Effect::Fire { step: of("snapshot"), choice: Some("http".into()) }]);
}

fn monitor() -> State {
    let holder = Session { operator: "ana".into(), host: "bastion".into(), pid: 1, version: "0".into(), user: None };
    State::new(run(), Mode::Monitor(Some(holder)), now())
}

#[test]
fn a_monitor_shows_the_operators_confirmation_and_cannot_answer_it() {
    let mut state = monitor();
    let opened = Event::ConfirmationOpened { step: of("snapshot"), request: 1, brief: Box::new(brief(None)) };
    happens(&mut state, opened);
    draw(&mut state);
    for code in [KeyCode::Tab, KeyCode::Enter, KeyCode::Esc, KeyCode::Char('y')] {
        assert_eq!(press(&mut state, code), []);
    }
    assert!(matches!(state.dialog, Some(Dialog::Confirm(_))));
    happens(&mut state, Event::ConfirmationClosed { request: 1 });
    assert_eq!(state.dialog, None);
}

#[test]
fn the_keys_of_a_replay_pass_a_confirmation_that_comes_and_goes_in_it() {
    let mut state = monitor();
    state.replay = Some(Replay::of(&state.run, &[], now(), 10.0));
    let opened = Event::ConfirmationOpened { step: of("snapshot"), request: 1, brief: Box::new(brief(None)) };
    happens(&mut state, opened);
    // Whether it was drawn yet or not.
    for _ in 0..2 {
        assert_eq!(press(&mut state, KeyCode::Char(' ')), [Effect::Replay(Playback::Toggle)]);
        assert_eq!(press(&mut state, KeyCode::Enter), []);
        assert!(matches!(state.dialog, Some(Dialog::Confirm(_))), "{:?}", state.dialog);
        draw(&mut state);
    }
    press(&mut state, KeyCode::Char('q'));
    assert!(state.leaving);
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => prop::char::range(' ', '~').prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down,
            KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Delete,
            KeyCode::Home, KeyCode::End, KeyCode::F(1), KeyCode::Insert,
        ]),
    ];
    let modifiers = prop::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::NONE,
        KeyModifiers::SHIFT,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
    ]);
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

/// What else may happen between two keys.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Nothing,
    Drawn,
    OpensConfirmation,
    Starts,
    Ends,
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop::sample::select(vec![
        Meanwhile::Nothing,
        Meanwhile::Drawn,
        Meanwhile::Drawn,
        Meanwhile::OpensConfirmation,
        Meanwhile::Starts,
        Meanwhile::Ends,
    ])
}

fn goes_on(state: &mut State, what: Meanwhile) {
    match what {
        Meanwhile::Nothing => {}
        Meanwhile::Drawn => draw(state),
        Meanwhile::OpensConfirmation => {
            if let Some((step, _)) = state.run.next_step().filter(|(step, _)| state.run.gate(step).is_ok()) {
                let request = state.run.last_request + 1;
                happens(state, Event::ConfirmationOpened { step, request, brief: Box::new(brief(None)) });
            }
        }
        Meanwhile::Starts => {
            if let Some((step, _)) = state.run.next_step().filter(|(step, _)| state.run.gate(step).is_ok()) {
                let attempt = state.run.step(&step).map_or(1, |(_, _, run)| run.attempts.len() as u32 + 1);
                let (by, preconditions) = ("ana".to_owned(), Vec::new());
                happens(state, Event::AttemptStarted { step, attempt, by, preconditions, choice: None });
            }
        }
        Meanwhile::Ends => {
            if let Some((step, attempt)) = state.run.running().map(|(step, attempt)| (step, attempt.number)) {
                happens(state, Event::AttemptEnded { step, attempt, outcome: Outcome::Passed });
            }
        }
    }
}

proptest! {
    /// A copy goes to the terminal's clipboard, and to nobody else.
    #[test]
    fn no_key_of_a_monitor_has_an_effect_but_a_copy(keys in prop::collection::vec((any_key(), meanwhile()), 1..150)) {
        let mut state = monitor();
        for (key, what) in keys {
            for effect in update(&mut state, Message::Key(key), ME) {
                prop_assert!(matches!(effect, Effect::Copy { .. }), "{effect:?}");
            }
            goes_on(&mut state, what);
            state.leaving = false;
        }
    }

    /// Whatever an operator types, a step is fired only out of a drawn confirmation of that step that can be fired.
    #[test]
    fn nothing_is_fired_but_from_its_own_confirmation(keys in prop::collection::vec((any_key(), meanwhile()), 1..150)) {
        let mut state = operator();
        for (key, what) in keys {
            let before = state.dialog.clone();
            let drawn = state.dialog_drawn;
            for effect in update(&mut state, Message::Key(key), ME) {
                match effect {
                    Effect::Fire { step, .. } => {
                        let Some(Dialog::Confirm(confirm)) = &before else { panic!("fired out of {before:?}") };
                        prop_assert!(drawn && confirm.step == step && confirm.can_fire());
                        prop_assert_eq!((confirm.focus, key.code), (Button::Fire, KeyCode::Enter));
                    }
                    Effect::Brief { step, request } => {
                        prop_assert!(state.run.gate(&step).is_ok(), "{step} is locked");
                        let answer = Message::Briefed { request, brief: Ok(Box::new(brief(None))) };
                        update(&mut state, answer, ME);
                    }
                    _ => {}
                }
            }
            goes_on(&mut state, what);
            state.leaving = false;
        }
    }
}
