//! Looking closer at the timeline, and the timeline coming into view by itself.

use jiff::SignedDuration;

use super::*;
use crate::app::state::Pane;
use crate::app::timeline_view::{Stretch, stretch};
use crate::runbook::event::{Action, ActionOutcome};
use crate::runbook::witness::{Testimony, Witness, Word};

fn action() -> Action {
    let before = [("from".to_owned(), "a".to_owned()), ("to".to_owned(), "b".to_owned())].into();
    let call = Call { operation: "rds:FailoverDBCluster".into(), target: "t".into(), command_line: "aws rds x".into() };
    Action { key: "fail over to b".into(), call, before }
}

/// A cockpit whose failover was fired and accepted.
fn failing_over() -> State {
    let mut state = operator();
    passes(&mut state, "snapshot");
    passes(&mut state, "reader");
    happens(&mut state, attempt_started("failover"));
    happens(&mut state, Event::Intent { step: of("failover"), attempt: 1, action: action() });
    let (key, outcome) = (action().key, ActionOutcome::Accepted { mark: None });
    happens(&mut state, Event::ActionSettled { step: of("failover"), attempt: 1, key, outcome });
    let live = state.live.get_mut("dev").expect("dev");
    for before in [0, 200] {
        let at = now() - SignedDuration::from_secs(before);
        live.timeline.observe(Testimony::new(Witness::Dns, Word::Reader, at, at));
    }
    state
}

fn drawn(state: &State) -> Stretch {
    stretch(state, state.live_here().expect("dev"))
}

fn span(stretch: Stretch) -> SignedDuration {
    stretch.to.duration_since(stretch.from)
}

#[test]
fn the_timeline_has_the_keys_while_a_failover_runs_unless_a_pane_was_chosen() {
    let mut state = failing_over();
    assert_eq!(state.focus, Pane::Timeline);
    let ended = Event::AttemptEnded { step: of("failover"), attempt: 1, outcome: Outcome::Passed };
    let mut chosen = state.clone();
    happens(&mut state, ended.clone());
    assert_eq!(state.focus, Pane::Steps, "its end gives the keys back");

    press(&mut chosen, KeyCode::Tab);
    assert_eq!(chosen.focus, Pane::Load);
    happens(&mut chosen, Event::Verifying { step: of("failover"), attempt: 1 });
    happens(&mut chosen, ended);
    assert_eq!(chosen.focus, Pane::Load, "what the operator chose stays");
}

#[test]
fn a_session_that_takes_a_failover_up_again_draws_it_from_its_t_0() {
    let run = failing_over().run;
    let state = State::new(run, Mode::Operator, now());
    let zero = state.live["dev"].timeline.zero.as_ref().expect("T=0");
    assert_eq!((zero.at, zero.from.as_str(), zero.fired), (now(), "a", true));
    assert_eq!(state.focus, Pane::Timeline);
}

#[test]
fn keys_look_closer_and_wider_and_earlier_and_later_and_f_shows_the_whole() {
    let mut state = failing_over();
    state.now += SignedDuration::from_secs(40);
    let whole = drawn(&state);
    press(&mut state, KeyCode::Char('+'));
    press(&mut state, KeyCode::Char('='));
    let closer = drawn(&state);
    assert_eq!(span(closer), span(whole) / 4);
    assert!(closer.from < state.now && state.now < closer.to, "what comes in stays in sight");
    press(&mut state, KeyCode::Char('<'));
    let earlier = drawn(&state);
    assert_eq!(closer.from.duration_since(earlier.from), span(closer) / 4);
    state.now += SignedDuration::from_secs(1);
    assert_eq!(drawn(&state), earlier, "what is looked at stands still");
    press(&mut state, KeyCode::Char('>'));
    assert_eq!(drawn(&state), closer);
    for _ in 0..20 {
        press(&mut state, KeyCode::Char('>'));
    }
    assert!(drawn(&state).from <= state.now, "beyond now there is nothing to see");
    for _ in 0..20 {
        press(&mut state, KeyCode::Char('-'));
    }
    assert!(span(drawn(&state)) > span(whole));
    press(&mut state, KeyCode::Char('f'));
    assert_eq!(drawn(&state).from, whole.from);
    for _ in 0..20 {
        press(&mut state, KeyCode::Char('+'));
    }
    assert!(span(drawn(&state)) < SignedDuration::from_secs(2), "a second fills the screen");
}

#[test]
fn the_keys_of_the_timeline_hold_only_there() {
    let mut state = failing_over();
    press(&mut state, KeyCode::Tab);
    press(&mut state, KeyCode::Char('+'));
    assert!(state.timeline_view.is_whole());
    press(&mut state, KeyCode::Char('W'));
    assert!(matches!(state.dialog, Some(Dialog::Witnesses { .. })), "the witnesses are shown from everywhere");
    draw(&mut state);
    press(&mut state, KeyCode::Char('W'));
    assert_eq!(state.dialog, None);
}
