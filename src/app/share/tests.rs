//! What is masked and what is not; which keys are echoed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::app::dialog::{Ask, Purpose};
use crate::app::palette::Palette;
use crate::app::tests::operator;
use crate::app::update::{Message, update};

fn mask() -> Mask {
    let mut mask = Mask::default();
    mask.anywhere("123456787890");
    mask.host("alpha001-prod-db.cluster-c1.us-east-1.rds.amazonaws.com:5432");
    mask.host("mac");
    mask.person("Ada King");
    mask.person("operations");
    mask.finish()
}

#[test]
fn what_is_private_goes_and_what_is_not_stays() {
    let table = [
        ("account 123456787890, of prod", "account ••••••••••••, of prod"),
        ("arn:aws:iam::210987654321:role/x", "arn:aws:iam::••••••••••••:role/x"),
        ("1234567890123 blocks", "1234567890123 blocks"),
        ("operations-f59 of operations, not cooperations", "••••••••••-f59 of ••••••••••, not cooperations"),
        ("Ada King, Ada, Kings, ada@mac", "••••••••, •••, Kings, ada@•••"),
        ("to 10.31.4.18. Version 16.4.1.2.3", "to ••••••••••. Version 16.4.1.2.3"),
        ("machine", "machine"),
        ("x.c9.eu-west-1.rds.amazonaws.com:5432", "••••••••••••••••••••••••••••••••:5432"),
        ("alpha001-prod-db.cluster-c1.us-e…", "••••••••••••••••••••••••••••••••…"),
        // An instance has this much of a host's name.
        ("alpha001-prod-d… writer reader1", "alpha001-prod-d… writer reader1"),
        ("by operati… and Ki…", "by •••••••… and ••…"),
        ("mail to bob@arda.cards.", "mail to ••••••••••••••."),
        ("cd /home/bob/x && ls /Users/bob", "cd /home/•••/x && ls /Users/•••"),
        ("10.31.4.18→10.31.4.300", "••••••••••→10.31.4.300"),
    ];
    for (text, hidden) in table {
        assert_eq!(mask().hide(text), hidden);
        assert_eq!(mask().hide(text).chars().count(), text.chars().count());
    }
}

#[test]
#[allow(clippy::single_range_in_vec_init, reason = "one place, not the numbers up to it")]
fn a_name_that_is_broken_is_found_where_the_lines_meet() {
    let joined = "to alpha001-prod-db.cluster-c1.us-east-1.rds.amazonaws.com";
    assert_eq!(mask().broken(joined, &[20]), [3..joined.len()]);
    assert!(mask().broken(joined, &[2]).is_empty());
    // What is whole on one line is found there, and no two lines make a person of their words.
    assert_eq!(mask().broken("Ada King", &[4]), [0..8]);
    assert!(mask().broken("cooperations", &[0]).is_empty());
}

fn press(state: &mut State, code: KeyCode) {
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), "ada");
}

fn seen(state: &State) -> Vec<&str> {
    echoed(state).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn the_last_keys_are_echoed_for_three_seconds_while_the_screen_is_shared() {
    let mut state = operator();
    press(&mut state, KeyCode::Char('z'));
    assert!(seen(&state).is_empty());
    for key in "Sjkzkjz".chars() {
        press(&mut state, KeyCode::Char(key));
    }
    assert!(state.share);
    assert_eq!(seen(&state), ["k", "z", "k", "j", "z"]);
    state.now += SignedDuration::from_secs(2);
    press(&mut state, KeyCode::Tab);
    state.now += SignedDuration::from_secs(1);
    assert_eq!(seen(&state), ["⇥"]);
    state.now += SignedDuration::from_secs(2);
    assert!(seen(&state).is_empty());
    press(&mut state, KeyCode::Char('S'));
    assert!(!state.share && seen(&state).is_empty());
}

#[test]
fn nothing_that_is_typed_into_a_field_is_echoed() {
    let shared = || State { share: true, dialog_drawn: true, ..operator() };
    let step = shared().marked_step().expect("a step");
    let dialogs = [
        Dialog::Ask(Ask::new(Purpose::Skip(step.clone()), "")),
        Dialog::Palette(Palette::default()),
        Dialog::Preparing { step: step.clone(), request: 1, choice: None },
    ];
    for dialog in dialogs {
        let mut state = State { dialog: Some(dialog.clone()), ..shared() };
        press(&mut state, KeyCode::Char('x'));
        assert!(seen(&state).is_empty(), "{dialog:?}");
    }
    for (pane, key) in [(Pane::Log, '/'), (Pane::Queries, '/')] {
        let mut state = State { focus: pane, ..shared() };
        press(&mut state, KeyCode::Char(key));
        press(&mut state, KeyCode::Char('x'));
        assert_eq!(seen(&state), ["/"], "{pane:?}");
    }
}

#[test]
fn a_shared_screen_has_much_contrast_unless_a_theme_was_asked_for() {
    let mut state = State { share: true, ..operator() };
    state.themes.usual = "dark".to_owned();
    assert_eq!(state.theme(), "high-contrast");
    state.themes.asked = true;
    assert_eq!(state.theme(), "dark");
    state = State { share: false, ..state };
    state.themes.asked = false;
    assert_eq!(state.theme(), "dark");
}
