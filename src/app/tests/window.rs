//! The production window in the sentence and among the concerns.

use std::time::Duration;

use super::*;
use crate::app::banner::banner;
use crate::app::concerns::{Weight, concerns};
use crate::runbook::plan::Window;

/// The smallest rollout with a window that opens and closes so many minutes from now.
fn with_window(from: i64, to: i64) -> State {
    let mut state = operator();
    let at = |minutes| now() + jiff::SignedDuration::from_mins(minutes);
    state.run.plan.partitions[0].window = Some(Window { from: at(from), to: at(to) });
    for step in &mut state.run.plan.partitions[0].steps {
        step.expected = Some(Duration::from_secs(600));
    }
    state
}

#[test]
fn what_would_be_fired_outside_the_window_is_said_first_and_what_does_not_fit_is_a_concern() {
    // Four steps of ten minutes each; the go-ahead is a person's.
    for (from, to, sentence, concern) in [
        (12, 132, Some("its window opens in 12 min"), None),
        (
            12,
            42,
            Some("its window opens in 12 min"),
            Some("its window is 10 min too short for what is to come, ~40 min"),
        ),
        (-20, 60, None, None),
        (-20, 40, None, None),
        (
            -20,
            33,
            Some("its window is 7 min too short for the rest"),
            Some("its window is 7 min too short for what is to come, ~40 min"),
        ),
        (-120, -5, Some("its window closed 5 min ago"), Some("its window is over, and ~40 min are still to come")),
    ] {
        let state = with_window(from, to);
        let said = banner(&state).detail;
        let said: Vec<&str> =
            said.iter().map(|piece| piece.text.as_str()).filter(|text| text.contains("window")).collect();
        assert_eq!(said, Vec::from_iter(sentence), "{from} to {to}");
        let minded: Vec<_> = concerns(&state).into_iter().filter(|concern| concern.text.contains("window")).collect();
        assert!(minded.iter().all(|concern| concern.weight == Weight::Mind));
        let texts: Vec<&str> = minded.iter().map(|concern| concern.text.as_str()).collect();
        assert_eq!(texts, Vec::from_iter(concern), "{from} to {to}");
    }
}

#[test]
fn a_long_list_of_concerns_can_be_read_to_its_end() {
    let mut state = operator();
    press(&mut state, KeyCode::Char('!'));
    draw(&mut state);
    press(&mut state, KeyCode::PageDown);
    press(&mut state, KeyCode::Down);
    assert_eq!(state.dialog, Some(Dialog::Concerns { scroll: 11 }));
    press(&mut state, KeyCode::Up);
    assert_eq!(state.dialog, Some(Dialog::Concerns { scroll: 10 }));
    press(&mut state, KeyCode::Char('!'));
    assert_eq!(state.dialog, None);
}
