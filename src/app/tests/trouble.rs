//! Trouble by keys: ways out, levers, decisions, and a program that asks.

use std::time::Duration;

use super::super::attach;
use super::super::banner::banner;
use super::super::levers::levers;
use super::super::terminal::{ProgramEnd, Size};
use super::super::ways::{Act, best, ways};
use super::*;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Action, ActionOutcome, Way};
use crate::runbook::state::StepState;

/// As the minimal rollout, signed in by a profile, and in production if that is asked for.
fn trouble_with(production: bool, finding: Finding) -> State {
    let text = config::MINIMAL.replacen("# profile", "profile", 1);
    let text = if production { text.replacen("# production", "production", 1) } else { text };
    let plan = config::load_text("minimal.toml", &text, None).expect("a plan");
    let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
    let run = Run::begin(Record { seq: 1, at: now(), event }).expect("a run");
    let mut state = State::new(run, Mode::Operator, now());
    passes(&mut state, "snapshot");
    happens(&mut state, attempt_started("reader"));
    let mut check = Check::new("class", "class is db.r7g.large", "rds", Verdict::Failed).seeing("db.t3.medium");
    check.at = now();
    happens(&mut state, Event::CheckSettled { step: of("reader"), attempt: 1, check });
    let outcome = Outcome::Failed { finding };
    happens(&mut state, Event::AttemptEnded { step: of("reader"), attempt: 1, outcome });
    state
}

fn finding() -> Finding {
    let seen = Evidence { source: "rds".into(), text: "pending-reboot".into(), at: now() };
    Finding::of("reader-pending-reboot", "the reader waits for a restart")
        .because(seen)
        .lever("reboot-instance", Some("reader1"))
        .again_after(Duration::from_secs(120))
        .offering(Way::Skip { because: "it was restarted by hand".into() })
        .offering(Way::Back { step: "snapshot".into() })
}

/// Opens the list of ways of the marked step.
fn open_ways(state: &mut State) {
    assert_eq!(press(state, KeyCode::Char('w')), []);
    draw(state);
    assert!(matches!(state.dialog, Some(Dialog::Ways { .. })), "{:?} {}", state.dialog, notice(state));
}

fn pulled(state: &mut State, lever: &str, outcome: Outcome) {
    happens(state, attempt_started(lever));
    happens(state, Event::AttemptEnded { step: of(lever), attempt: 1, outcome });
}

fn recorded(effects: &[Effect]) -> &Event {
    let [Effect::Record(event)] = effects else { panic!("{effects:?}") };
    event
}

fn words(state: &State) -> String {
    let banner = banner(state);
    let pieces = banner.headline.iter().chain(&banner.detail);
    pieces.map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" | ")
}

#[test]
fn a_lever_that_is_offered_is_confirmed_with_its_choice_marked() {
    let mut state = trouble_with(false, finding());
    open_ways(&mut state);
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Brief { step, request }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(*step, of("reboot-instance"));
    let mut brief = brief(None);
    let choice = |id: &str| Choice { id: id.into(), label: id.into() };
    brief.choices = vec![choice("writer"), choice("reader1")];
    update(&mut state, Message::Briefed { request: *request, brief: Ok(Box::new(brief)) }, ME);
    draw(&mut state);
    assert_eq!((confirm(&state).choice, confirm(&state).focus), (1, Button::Cancel));
    press(&mut state, KeyCode::Tab);
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(effects, [Effect::Fire { step: of("reboot-instance"), choice: Some("reader1".into()) }]);
}

#[test]
fn a_choice_that_is_gone_is_said_and_not_replaced_in_silence() {
    let mut state = trouble_with(false, finding());
    open_ways(&mut state);
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Brief { request, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let mut brief = brief(None);
    brief.choices = vec![Choice { id: "writer".into(), label: "writer".into() }];
    update(&mut state, Message::Briefed { request: *request, brief: Ok(Box::new(brief)) }, ME);
    let refused = confirm(&state).refused.as_deref().unwrap_or_default();
    assert!(refused.contains("reader1 is not among the choices now"), "{refused}");
}

#[test]
fn once_a_lever_worked_the_step_is_tried_again() {
    let mut state = trouble_with(false, finding());
    assert!(words(&state).contains("w: Reboot an instance"), "{}", words(&state));
    pulled(&mut state, "reboot-instance", Outcome::Passed);
    let all = ways(&state, &of("reader"));
    assert_eq!(all[best(&all)].act, Act::Again);
    assert!(
        words(&state).contains("Reboot an instance · reader1 has worked | Enter: try it again"),
        "{}",
        words(&state)
    );
    open_ways(&mut state);
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Brief { step, .. }] if *step == of("reader")), "{effects:?}");
}

#[test]
fn a_lever_that_failed_is_in_the_sentence_until_something_else_is_fired() {
    let mut state = trouble_with(false, finding());
    let outcome = Outcome::Failed { finding: Finding::unknown("the instance does not come back") };
    pulled(&mut state, "reboot-instance", outcome);
    assert!(words(&state).contains("Reboot an instance failed: the instance does not come back"), "{}", words(&state));
    let attempt = Event::AttemptStarted {
        step: of("reader"),
        attempt: 2,
        by: ME.into(),
        preconditions: Vec::new(),
        choice: None,
    };
    happens(&mut state, attempt);
    assert!(!words(&state).contains("does not come back"), "{}", words(&state));
}

#[test]
fn what_should_wait_says_how_long_and_can_be_fired_earlier() {
    let again = Finding::of("failover-refused", "refused").again_after(Duration::from_secs(120));
    let mut state = trouble_with(false, again);
    update(&mut state, Message::Tick(now() + jiff::SignedDuration::from_secs(17)), ME);
    assert!(words(&state).contains("try it again from 18:02:00, in 01:43"), "{}", words(&state));
    open_ways(&mut state);
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Brief { step, .. }] if *step == of("reader")), "{effects:?}");
}

#[test]
fn a_skip_begins_with_the_reason_that_is_suggested_and_keeps_what_was_seen() {
    let mut state = trouble_with(false, finding());
    open_ways(&mut state);
    assert_eq!(press(&mut state, KeyCode::Char('3')), []);
    draw(&mut state);
    type_in(&mut state, ", at 18:01");
    let effects = press(&mut state, KeyCode::Enter);
    let Event::StepSkipped { step, reason, evidence, .. } = recorded(&effects) else { panic!("{effects:?}") };
    assert_eq!((step, reason.as_str()), (&of("reader"), "it was restarted by hand, at 18:01"));
    let texts: Vec<&str> = evidence.iter().map(|each| each.text.as_str()).collect();
    assert_eq!(texts, ["pending-reboot", "class is db.r7g.large: db.t3.medium"]);
}

#[test]
fn the_way_back_asks_why_and_opens_the_earlier_step() {
    let mut state = trouble_with(false, finding());
    open_ways(&mut state);
    press(&mut state, KeyCode::Char('4'));
    draw(&mut state);
    assert_eq!(press(&mut state, KeyCode::Enter), [], "without a reason it is not gone back");
    type_in(&mut state, "it is of last week");
    let effects = press(&mut state, KeyCode::Enter);
    let event = recorded(&effects).clone();
    assert!(matches!(&event, Event::Reopened { step, evidence, .. } if *step == of("snapshot") && evidence.len() == 2));
    happens(&mut state, event);
    assert_eq!((&state.dialog, state.run.state_of(&of("snapshot"))), (&None, StepState::Ready));
    assert_eq!(state.marked_step(), Some(of("snapshot")), "the screen follows");
}

#[test]
fn a_partition_in_production_is_rolled_back_with_a_reason_and_its_clusters_name() {
    let mut state = trouble_with(true, finding().offering(Way::RollBack));
    press(&mut state, KeyCode::Char('B'));
    draw(&mut state);
    type_in(&mut state, "restored from the snapshot");
    assert_eq!(press(&mut state, KeyCode::Enter), [], "on to the name");
    type_in(&mut state, "Example-dev-Aurora");
    assert_eq!(press(&mut state, KeyCode::Enter), [], "half a name is none");
    type_in(&mut state, "Cluster");
    let effects = press(&mut state, KeyCode::Enter);
    let event = recorded(&effects).clone();
    assert!(matches!(&event, Event::RolledBack { reason, evidence, .. }
        if reason == "restored from the snapshot" && evidence.len() == 2));
    happens(&mut state, event);
    assert!(words(&state).contains("dev | FAILED · ROLLED BACK"), "{}", words(&state));
    assert_eq!(ways(&state, &of("reader")), [], "nothing goes on in it");
}

#[test]
fn trouble_that_nobody_knows_offers_again_skip_roll_back_and_stop() {
    let mut state = trouble_with(false, Finding::unknown("exit 137"));
    let acts: Vec<Act> = ways(&state, &of("reader")).into_iter().map(|way| way.act).collect();
    let skip = Act::Skip { because: String::new() };
    assert_eq!(acts, [Act::Again, skip, Act::RollBack, Act::Stop]);
    open_ways(&mut state);
    press(&mut state, KeyCode::Char('4'));
    assert!(matches!(&state.dialog, Some(Dialog::Ask(ask)) if ask.purpose == Purpose::Stop), "{:?}", state.dialog);
}

#[test]
fn a_decision_keeps_the_evidence_and_a_note_does_not() {
    for (key, kind, kept) in [('D', NoteKind::Decision, 2), ('n', NoteKind::Remark, 0), ('T', NoteKind::FollowUp, 0)] {
        let mut state = trouble_with(false, finding());
        press(&mut state, KeyCode::Char(key));
        draw(&mut state);
        type_in(&mut state, "so be it");
        let effects = press(&mut state, KeyCode::Enter);
        let Event::Noted { note, evidence, step, .. } = recorded(&effects) else { panic!("{effects:?}") };
        assert_eq!((*note, evidence.len(), step.as_ref()), (kind, kept, Some(&of("reader"))));
    }
}

#[test]
fn levers_list_what_is_offered_first_and_say_why_one_is_locked() {
    let mut state = trouble_with(false, finding());
    let first = levers(&state, &"dev".into()).remove(0);
    assert_eq!((first.reference, first.offered), (of("reboot-instance"), Some(Some("reader1".into()))));
    press(&mut state, KeyCode::Char('L'));
    draw(&mut state);
    let locked = levers(&state, &"dev".into()).iter().position(|row| row.reference == of("fail-back"));
    for _ in 0..locked.expect("a lever of the plan") {
        press(&mut state, KeyCode::Down);
    }
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(notice(&state).contains("nothing has failed over yet"), "{}", notice(&state));
    assert!(matches!(state.dialog, Some(Dialog::Levers { .. })), "the list stays");
}

#[test]
fn a_sign_in_is_pulled_while_a_step_runs_and_nothing_else_is() {
    let mut state = trouble_with(false, finding());
    passes_again(&mut state);
    happens(&mut state, attempt_started("failover"));
    let lever = |state: &State, name: &str| {
        levers(state, &"dev".into()).iter().position(|row| row.reference == of(name)).expect("a lever")
    };
    for (name, fires) in [("sign-in-aws", true), ("reboot-instance", false)] {
        state.dialog = Some(Dialog::Levers { partition: "dev".into(), marked: lever(&state, name) });
        draw(&mut state);
        let effects = press(&mut state, KeyCode::Enter);
        assert_eq!(!effects.is_empty(), fires, "{name}: {effects:?} {}", notice(&state));
    }
    assert!(notice(&state).contains("dev's 3 Failover to the reader is running"), "{}", notice(&state));
}

fn passes_again(state: &mut State) {
    let step = of("reader");
    let (by, preconditions) = (ME.to_owned(), Vec::new());
    happens(state, Event::AttemptStarted { step: step.clone(), attempt: 2, by, preconditions, choice: None });
    happens(state, Event::AttemptEnded { step, attempt: 2, outcome: Outcome::Passed });
}

/// A sign-in whose program was started; what that led to.
fn signing_in(mode: Mode) -> (State, Vec<Effect>) {
    let mut state = trouble_with(false, finding());
    state.mode = mode;
    happens(&mut state, attempt_started("sign-in-aws"));
    let started = Event::ProgramStarted {
        step: of("sign-in-aws"),
        attempt: 1,
        directory: "programs/p".into(),
        command_line: "aws sso login".into(),
    };
    let record = Record { seq: state.run.seq + 1, at: now(), event: started };
    let effects = update(&mut state, Message::Record(record), ME);
    (state, effects)
}

fn typed(effects: &[Effect]) -> Vec<u8> {
    let [Effect::Type { directory, typed }] = effects else { panic!("{effects:?}") };
    assert_eq!(directory, "programs/p");
    typed.bytes().to_vec()
}

#[test]
fn a_sign_in_comes_to_the_screen_and_takes_every_key_but_the_one_that_leaves() {
    let (mut state, effects) = signing_in(Mode::Operator);
    let [Effect::Resize { .. }, Effect::Attach { attachment, .. }] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(press(&mut state, KeyCode::Char('x')), [], "a key typed before it was seen is not meant for it");
    draw(&mut state);
    assert_eq!(typed(&press(&mut state, KeyCode::Char('q'))), b"q");
    assert_eq!(typed(&press(&mut state, KeyCode::Enter)), b"\r");
    let control = |character| KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL);
    assert_eq!(typed(&update(&mut state, Message::Key(control('c')), ME)), b"\x03");
    assert_eq!(typed(&update(&mut state, Message::Paste("secret".into()), ME)), b"secret");
    // What it prints is on its screen; what another attachment printed is not.
    update(&mut state, Message::Output { attachment, bytes: b"Password: ".to_vec() }, ME);
    update(&mut state, Message::Output { attachment: attachment + 1, bytes: b"late".to_vec() }, ME);
    let Some(Dialog::Terminal(terminal)) = &state.dialog else { panic!("{:?}", state.dialog) };
    assert_eq!(terminal.emulator.screen().contents().trim_end(), "Password:");
    assert_eq!(update(&mut state, Message::Key(control(']')), ME), [Effect::Detach]);
    assert_eq!((&state.dialog, state.leaving), (&None, false));
    // It is opened again by its key, and by its key only.
    let effects = press(&mut state, KeyCode::Char('i'));
    assert!(matches!(effects[..], [Effect::Resize { .. }, Effect::Attach { .. }]), "{effects:?}");
}

#[test]
fn a_program_that_ended_leaves_its_terminal_until_a_key() {
    let (mut state, effects) = signing_in(Mode::Operator);
    let [_, Effect::Attach { attachment, .. }] = effects[..] else { panic!("{effects:?}") };
    draw(&mut state);
    let end = ProgramEnd { how: "exit 0".into(), well: true };
    update(&mut state, Message::ProgramEnded { attachment, end }, ME);
    assert!(matches!(state.dialog, Some(Dialog::Terminal(_))));
    assert_eq!(press(&mut state, KeyCode::Char('x')), [Effect::Detach], "nothing is typed into what has ended");
    assert_eq!(state.dialog, None);
}

#[test]
fn a_monitor_sees_the_terminal_and_types_nothing() {
    let (mut state, effects) = signing_in(Mode::Monitor(None));
    assert_eq!((effects, &state.dialog), (Vec::new(), &None), "it does not come by itself");
    let effects = press(&mut state, KeyCode::Char('i'));
    assert!(matches!(effects[..], [Effect::Attach { .. }]), "it does not say how large the terminal is: {effects:?}");
    draw(&mut state);
    for code in [KeyCode::Char('x'), KeyCode::Enter, KeyCode::Up] {
        assert_eq!(press(&mut state, code), []);
    }
    assert_eq!(update(&mut state, Message::Paste("x".into()), ME), []);
    assert_eq!(press(&mut state, KeyCode::Esc), [Effect::Detach]);
}

#[test]
fn the_terminal_follows_the_size_of_its_pane() {
    let (mut state, _) = signing_in(Mode::Operator);
    let drawn = |rows| Message::Drawn { fits: true, terminal: Some(Size { rows, columns: 76 }) };
    let effects = update(&mut state, drawn(17), ME);
    assert!(
        matches!(effects[..], [Effect::Resize { size, .. }, Effect::Attach { .. }] if size.rows == 17),
        "{effects:?}"
    );
    assert_eq!(update(&mut state, drawn(17), ME), [], "the same size is no news");
}

#[test]
fn what_is_at_hand_is_not_covered_by_a_sign_in() {
    let mut state = trouble_with(false, finding());
    press(&mut state, KeyCode::Char('n'));
    draw(&mut state);
    type_in(&mut state, "half a no");
    happens(&mut state, attempt_started("sign-in-aws"));
    let started = Event::ProgramStarted {
        step: of("sign-in-aws"),
        attempt: 1,
        directory: "programs/p".into(),
        command_line: "aws sso login".into(),
    };
    happens(&mut state, started);
    assert!(matches!(&state.dialog, Some(Dialog::Ask(ask)) if ask.text == "half a no"));
    assert!(notice(&state).contains("a sign-in waits"), "{}", notice(&state));
}

#[test]
fn what_waits_to_be_tried_again_is_tried_at_a_key() {
    let mut state = operator();
    assert_eq!(press(&mut state, KeyCode::Char('R')), []);
    happens(&mut state, attempt_started("snapshot"));
    let call = Call { operation: "rds:X".into(), target: "t".into(), command_line: "aws rds x".into() };
    let action = Action { key: "create".into(), call, before: Default::default() };
    happens(&mut state, Event::Intent { step: of("snapshot"), attempt: 1, action });
    let outcome = ActionOutcome::Refused { code: "InvalidDBClusterStateFault".into(), message: "no".into() };
    let settled = Event::ActionSettled { step: of("snapshot"), attempt: 1, key: "create".into(), outcome };
    happens(&mut state, settled);
    let remark = Finding::of("cluster-busy", "the cluster is busy").again_after(Duration::from_secs(300));
    happens(&mut state, Event::Remarked { step: of("snapshot"), attempt: 1, finding: remark });
    assert!(words(&state).contains("tries again at 18:05:00, in 05:00, R tries now"), "{}", words(&state));
    assert_eq!(press(&mut state, KeyCode::Char('R')), [Effect::Nudge]);
}

#[test]
fn only_a_program_that_is_silent_for_too_long_is_pointed_out() {
    let (name, text) = config::SHIPPED;
    let plan = config::load_text(name, text, None).expect("the shipped plan");
    let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
    let run = Run::begin(Record { seq: 1, at: now(), event }).expect("a run");
    let mut state = State::new(run, Mode::Operator, now());
    let step = of("amm");
    happens(&mut state, attempt_started("amm"));
    let (directory, command_line) = ("programs/p".to_owned(), "./amm.sh".to_owned());
    happens(&mut state, Event::ProgramStarted { step: step.clone(), attempt: 1, directory, command_line });
    assert_eq!(attach::silent_for(&state, &step), None);
    let hour = jiff::SignedDuration::from_hours(1);
    update(&mut state, Message::Tick(now() + hour), ME);
    assert_eq!(attach::silent_for(&state, &step), Some(Duration::from_secs(3600)));
    assert!(words(&state).contains("a prompt may be waiting, i looks"), "{}", words(&state));
    let said = crate::steps::Said {
        partition: "dev".into(),
        source: "amm.sh".into(),
        text: "going on".into(),
        stretches: Vec::new(),
        at: now() + hour,
    };
    update(&mut state, Message::Said(said), ME);
    assert_eq!(attach::silent_for(&state, &step), None);
}
