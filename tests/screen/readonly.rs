//! Read-only means it: a million random keys, mouse events and pastes on a monitor and on a replay, by the very way that a
//! terminal's input takes, and nothing comes of them that changes or writes anything.

use std::sync::atomic::{AtomicU64, Ordering};

use aurora_cockpit::app::dialog::{Button, Confirm, Dialog};
use aurora_cockpit::app::replay::Replay;
use aurora_cockpit::app::state::{Mode, State};
use aurora_cockpit::app::terminal::Size;
use aurora_cockpit::app::update::{Effect, Message, update};
use aurora_cockpit::runbook::approval;
use aurora_cockpit::runbook::event::{Brief, Call, Event as Happened, Person, Record};
use aurora_cockpit::runbook::names::StepRef;
use aurora_cockpit::runbook::plan::StepKind;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use fastrand::Rng;
use ratatui::layout::Rect;

use super::{SIZES, drawn};
use crate::support::night;

/// How many events a monitor and a replay are given together.
const EVENTS: u64 = 1_000_000;
/// How many at a time, from one moment of the night.
const AT_A_TIME: u64 = 2_500;
/// Names the seed, to have a run again.
const SEED: &str = "COCKPIT_TEST_SEED";

fn key(random: &mut Rng) -> KeyEvent {
    const NAMED: [KeyCode; 20] = [
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Esc,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Insert,
        KeyCode::F(5),
        KeyCode::Null,
    ];
    let code = match random.u8(..8) {
        0..=3 => KeyCode::Char(char::from(random.u8(b' '..=b'~'))),
        4 => KeyCode::Char(random.char(..)),
        // What opens, chooses and approves, more often than chance would have it.
        5 => KeyCode::Char(char::from(b"AwLRig1245dn:!?W"[random.usize(..16)])),
        _ => NAMED[random.usize(..NAMED.len())],
    };
    let modifiers =
        if random.u8(..6) == 0 { KeyModifiers::from_bits_truncate(random.u8(..8)) } else { KeyModifiers::NONE };
    let kind = if random.u8(..20) == 0 { KeyEventKind::Release } else { KeyEventKind::Press };
    KeyEvent::new_with_kind(code, modifiers, kind)
}

fn mouse(random: &mut Rng, area: Rect) -> MouseEvent {
    let buttons = [MouseButton::Left, MouseButton::Left, MouseButton::Right, MouseButton::Middle];
    let button = buttons[random.usize(..buttons.len())];
    let kinds = [
        MouseEventKind::Down(button),
        MouseEventKind::Up(button),
        MouseEventKind::Drag(button),
        MouseEventKind::Moved,
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
        MouseEventKind::ScrollLeft,
        MouseEventKind::ScrollRight,
    ];
    // Sometimes beyond the edge.
    let (column, row) = (random.u16(..area.width + 3), random.u16(..area.height + 3));
    MouseEvent { kind: kinds[random.usize(..kinds.len())], column, row, modifiers: KeyModifiers::NONE }
}

fn paste(random: &mut Rng) -> String {
    const PIECES: [&str; 9] = [
        "\r",
        "\n\n",
        "\x1b[201~",
        "\x1b]52;c;cm0gLXJm\x07",
        "\x1b[A\r",
        "y\r",
        "1\t\r",
        "Alpha001-prod-AuroraCluster",
        "\u{202e}",
    ];
    (0..random.usize(1..6)).map(|_| PIECES[random.usize(..PIECES.len())]).collect()
}

fn input(random: &mut Rng, area: Rect) -> Event {
    match random.u8(..100) {
        0..=85 => Event::Key(key(random)),
        86..=93 => Event::Mouse(mouse(random, area)),
        94..=97 => Event::Paste(paste(random)),
        98 => Event::Resize(area.width, area.height),
        _ => Event::FocusGained,
    }
}

/// Whether it leaves everything as it is, thought out once more: what is looked at, copied or replayed here.
fn only_looks(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Copy { .. } | Effect::Attach { .. } | Effect::Detach | Effect::Attention { .. } | Effect::Replay(_)
    )
}

/// The moments of a night, as a monitor of it sees them, and a replay.
fn moments() -> Vec<(&'static str, State)> {
    let mut moments = Vec::new();
    for (name, mut state) in night::moments() {
        state.mode = Mode::Monitor(state.run.session.clone());
        state.user = Some(Person { uid: 0, name: "jmp".to_owned() });
        let (from, to) = (state.run.started_at, state.run.last_at);
        let replay = Replay { from, to, marks: Vec::new(), speed: 1.0, paused: false };
        moments.push((name, State { replay: Some(replay), ..state.clone() }));
        moments.push((name, state));
    }
    moments
}

/// Something that is fired waits in its confirmation for a second person.
fn waiting(mut state: State, uid: u32) -> State {
    let step = state.run.next_step().map(|(step, _)| step).expect("something is next");
    for partition in &mut state.run.plan.partitions {
        for each in &mut partition.steps {
            each.second_person = each.kind != StepKind::GoAhead;
        }
    }
    let operator = state.run.session.as_mut().expect("somebody operates");
    operator.user = Some(Person { uid: 0, name: "jmp".to_owned() });
    state.mode = Mode::Monitor(Some(operator.clone()));
    state.user = Some(Person { uid, name: "bob".to_owned() });
    let call = Call {
        operation: "rds:FailoverDBCluster".to_owned(),
        target: "us-east-1".to_owned(),
        command_line: "aws rds failover-db-cluster --db-cluster-identifier a".to_owned(),
    };
    let brief = Brief {
        what: "Move the writer".to_owned(),
        calls: vec![call],
        preconditions: Vec::new(),
        feels: None,
        then: None,
        back: None,
        type_name: None,
        already_done: None,
        choices: Vec::new(),
    };
    let request = state.run.last_request + 1;
    happens(&mut state, Happened::ConfirmationOpened { step, request, brief: Box::new(brief) });
    state
}

fn happens(state: &mut State, event: Happened) {
    let record = Record { seq: state.run.seq + 1, at: state.now, event };
    for effect in update(state, Message::Record(record), "bob") {
        assert!(only_looks(&effect), "{effect:?}");
    }
}

/// Gives a state events as a terminal does, and hands what comes of each to the judge, with the state before.
fn bombard(
    mut state: State,
    random: &mut Rng,
    count: u64,
    mut judge: impl FnMut(Option<&Confirm>, &Event, &Effect),
) -> State {
    let (width, height) = SIZES[random.usize(..SIZES.len())];
    let area = Rect::new(0, 0, width, height);
    for _ in 0..count {
        // Lists are left again now and then: much of what happens to them is only typed words.
        let input = match &state.dialog {
            Some(Dialog::Palette(_) | Dialog::Levers { .. }) if random.u8(..2) == 0 => {
                Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))
            }
            _ => input(random, area),
        };
        let Some(message) = ui::message(area, &state, input.clone()) else { continue };
        let asked = match &state.dialog {
            Some(Dialog::Confirm(confirm)) if confirm.approving && state.dialog_drawn => Some((**confirm).clone()),
            _ => None,
        };
        for effect in update(&mut state, message, "bob") {
            judge(asked.as_ref(), &input, &effect);
        }
        // Leaving is the end of a session; here it goes on.
        state.leaving = false;
        if state.dialog.is_some() && !state.dialog_drawn && random.bool() {
            let terminal = Some(Size { columns: width, rows: height });
            for effect in update(&mut state, Message::Drawn { fits: true, terminal }, "bob") {
                judge(None, &input, &effect);
            }
        }
    }
    drawn(&state, (width, height), &Theme::default());
    state
}

fn seed() -> u64 {
    std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}

#[test]
fn a_million_keys_mouse_events_and_pastes_change_nothing() {
    let seed = seed();
    let began = std::time::Instant::now();
    let mut moments = moments();
    moments.push(("waiting for a second person who is the first", waiting(night::fresh_start(), 0)));
    let rounds = EVENTS / AT_A_TIME;
    let (looked, rounds_done) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (moments, looked, rounds_done) = (&moments, &looked, &rounds_done);
            scope.spawn(move || {
                for round in (worker..rounds).step_by(2) {
                    let (name, state) = &moments[usize::try_from(round).expect("few") % moments.len()];
                    let mut random = Rng::with_seed(seed.wrapping_add(round));
                    let after = bombard(state.clone(), &mut random, AT_A_TIME, |_, input, effect| {
                        assert!(only_looks(effect), "{SEED}={seed} round {round}, {name}: {input:?} does {effect:?}");
                        looked.fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(after.run == state.run, "{SEED}={seed} round {round}, {name}: the run is another");
                    rounds_done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(rounds_done.into_inner(), rounds);
    // Keys that do nothing at all would prove nothing.
    let looked = looked.into_inner();
    assert!(looked > 1_000, "only {looked} effects came of them");
    eprintln!(
        "read-only: {EVENTS} events on {} moments of monitors and replays, {looked} effects, none that changes or writes; \
         {:.1} s; {SEED}={seed}",
        moments.len(),
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn a_second_person_leaves_nothing_but_an_approval_of_what_is_on_the_operators_screen() {
    let seed = seed();
    let (mut approvals, mut rounds) = (0, 0_u64);
    while rounds < 40 || (approvals == 0 && rounds < 400) {
        let state = waiting(night::fresh_start(), 1001);
        let (open, digest) = state.run.to_approve().expect("it waits");
        assert_eq!(digest, approval::digest(&state.run.id, &open.step, open.request, &open.brief));
        let mut random = Rng::with_seed(seed.wrapping_add(rounds));
        let after = bombard(state.clone(), &mut random, 1_000, |asked, input, effect| {
            let Effect::Approve { digest: approved } = effect else {
                return assert!(only_looks(effect), "{SEED}={seed}: {input:?} does {effect:?}");
            };
            approvals += 1;
            let confirm = asked.expect("approved out of the question that was seen");
            assert_eq!(confirm.focus, Button::Fire, "{SEED}={seed}");
            assert!(matches!(input, Event::Key(KeyEvent { code: KeyCode::Enter, .. })), "{SEED}={seed}: {input:?}");
            assert_eq!(*approved, digest);
        });
        assert!(after.run == state.run, "{SEED}={seed}: a monitor's own screen changes no run");
        rounds += 1;
    }
    assert!(approvals > 0, "nobody ever approved: {SEED}={seed}");
    eprintln!(
        "second person: {} events, {approvals} approvals, each of the very proposal; {SEED}={seed}",
        rounds * 1_000
    );
}

/// An approval of something else, of something that is gone, or by nobody, does not come about.
#[test]
fn what_is_no_longer_on_the_operators_screen_is_not_approved() {
    let mut state = waiting(night::fresh_start(), 1001);
    let press = |state: &mut State, code| {
        let _ = update(state, Message::Drawn { fits: true, terminal: None }, "bob");
        update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), "bob")
    };
    press(&mut state, KeyCode::Char('A'));
    press(&mut state, KeyCode::Tab);
    let text = super::text(&drawn(&state, (120, 40), &Theme::default()));
    assert!(text.contains("Approve") && text.contains("aws rds failover-db-cluster"), "{text}");
    let mut gone = state.clone();
    let request = gone.run.last_request;
    happens(&mut gone, Happened::ConfirmationClosed { request });
    assert_eq!(press(&mut gone, KeyCode::Enter), [], "it was taken back");
    let step: StepRef = state.run.confirming.as_ref().expect("open").step.clone();
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(&effects[..], [Effect::Approve { .. }]), "{effects:?}");
    assert_eq!(press(&mut state, KeyCode::Enter), [], "once is enough");
    let digest = state.run.to_approve().expect("it waits").1;
    let by = state.user.clone().expect("bob");
    happens(&mut state, Happened::Approved { step, request, digest, by });
    let text = super::text(&drawn(&state, (120, 40), &Theme::default()));
    assert!(text.contains("approved by bob (uid 1001)"), "{text}");
}
