//! What calls for an operator who looks elsewhere: a step that ended, or one that waits for a person.
//!
//! What a terminal is told is a few words of the plan's own, masked where the screen is shared.

use super::attach::silent_for;
use super::banner::clock;
use super::dialog::Dialog;
use super::share::Mask;
use super::state::{Mode, State};
use super::update::Effect;
use crate::runbook::event::{Event, Outcome};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::text::clean_line;

/// The title of the terminal's window: where the rollout stands.
pub fn title(state: &State) -> String {
    let words = match state.run.running() {
        Some((step, attempt)) => {
            format!("{} ▶ T+{}", named(state, &step), clock(state.since(attempt.started_at)))
        }
        None => match state.run.next_step() {
            Some((step, found)) if found.is_trouble() => format!("{} ✗", named(state, &step)),
            Some((step, _)) => format!("{} is next", named(state, &step)),
            None => state.run.plan.id.clone(),
        },
    };
    said(state, &format!("aurora-cockpit · {words}"))
}

/// What an event calls for: nothing in a replay, whose events are long past.
pub(super) fn on_event(state: &State, event: &Event) -> Vec<Effect> {
    let (step, outcome) = match event {
        Event::AttemptEnded { step, outcome, .. } => (step, outcome),
        // Both of the two who take part may look elsewhere meanwhile.
        Event::ConfirmationOpened { step, .. } if super::approve::offer(state).is_some() => {
            return call(state, &format!("{} waits for an approval", named(state, step)));
        }
        Event::Approved { step, .. } if state.mode == Mode::Operator => {
            return call(state, &format!("{} is approved", named(state, step)));
        }
        Event::HandedOver { .. } => return call(state, "the controls have been taken over"),
        _ => return Vec::new(),
    };
    let became = match outcome {
        Outcome::Passed => "passed",
        Outcome::PassedWithWarnings { .. } => "passed with warnings",
        Outcome::Failed { .. } => "FAILED",
        Outcome::Partial { .. } => "is partly done",
        Outcome::Unknown { .. } => "has an unknown outcome",
        Outcome::Deferred { .. } => "tries again later",
    };
    let next = state.run.next_step().and_then(|(next, _)| state.run.step(&next));
    let waits = next.is_some_and(|(partition, step, _)| {
        step.kind == StepKind::GoAhead && state.run.partition(&partition.name).is_some_and(|run| run.go_ahead.is_none())
    });
    let waits = if waits { " · waits for a go-ahead" } else { "" };
    call(state, &format!("{} {became}{waits}", named(state, step)))
}

/// What the clock calls for: a program that fell silent waits for a person, unless its terminal is on the screen.
pub(super) fn on_tick(state: &mut State) -> Vec<Effect> {
    let step = state.run.running().map(|(step, _)| step);
    let silent = step.filter(|step| silent_for(state, step).is_some());
    let is_seen = matches!(state.dialog, Some(Dialog::Terminal(_)));
    let fell_silent = silent.clone().filter(|_| !is_seen && silent != state.called_for);
    state.called_for = silent;
    fell_silent.map_or_else(Vec::new, |step| call(state, &format!("{}: a prompt may be waiting", named(state, &step))))
}

fn call(state: &State, words: &str) -> Vec<Effect> {
    if state.replay.is_some() { Vec::new() } else { vec![Effect::Attention { text: said(state, words) }] }
}

/// `prod · 5 Failover`.
fn named(state: &State, step: &StepRef) -> String {
    let title = state.run.step(step).map(|(_, planned, _)| format!("{} {}", planned.label, planned.title));
    format!("{} · {}", step.partition, title.unwrap_or_else(|| step.step.to_string()))
}

/// As it may leave the cockpit.
fn said(state: &State, words: &str) -> String {
    let words = clean_line(words);
    if state.share { Mask::of(state).hide(&words) } else { words }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::app::tests::{attempt_started, of, operator, told};
    use crate::app::update::{Message, update};
    use crate::runbook::event::Finding;

    fn ends(state: &mut State, step: &str, outcome: Outcome) -> Vec<Effect> {
        told(state, attempt_started(step));
        told(state, Event::AttemptEnded { step: of(step), attempt: 1, outcome })
    }

    #[test]
    fn a_step_that_ends_calls_for_attention_once_and_says_how_it_ended() {
        let finding = || Finding::of("snapshot-in-use", "y");
        let table = [
            (Outcome::Passed, "passed"),
            (Outcome::PassedWithWarnings { warnings: Vec::new() }, "passed with warnings"),
            (Outcome::Failed { finding: finding() }, "FAILED"),
            (Outcome::Partial { finding: finding() }, "is partly done"),
            (Outcome::Unknown { finding: finding() }, "has an unknown outcome"),
        ];
        for (outcome, words) in table {
            let mut state = operator();
            let title = state.looked_at().0.steps[0].title.clone();
            let label = state.looked_at().0.steps[0].label.clone();
            let text = format!("dev · {label} {title} {words}");
            assert_eq!(ends(&mut state, "snapshot", outcome), [Effect::Attention { text }]);
        }
    }

    #[test]
    fn when_only_a_persons_word_is_missing_that_is_said() {
        let mut state = operator();
        let steps: Vec<String> = state.looked_at().0.steps.iter().map(|step| step.id.to_string()).collect();
        let mut last = Vec::new();
        for step in &steps[..steps.len() - 1] {
            last = ends(&mut state, step, Outcome::Passed);
        }
        let [Effect::Attention { text }] = last.as_slice() else { panic!("{last:?}") };
        assert!(text.ends_with("passed · waits for a go-ahead"), "{text}");
    }

    #[test]
    fn nothing_else_calls_for_attention() {
        let mut state = operator();
        assert_eq!(told(&mut state, attempt_started("snapshot")), []);
        let now = state.now + jiff::SignedDuration::from_secs(90);
        assert_eq!(update(&mut state, Message::Tick(now), "ada"), []);
        let key = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::NONE);
        assert_eq!(update(&mut state, Message::Key(key), "ada"), []);
    }

    #[test]
    fn the_title_says_what_runs_and_for_how_long() {
        let mut state = operator();
        let first = state.looked_at().0.steps[0].clone();
        assert_eq!(title(&state), format!("aurora-cockpit · dev · {} {} is next", first.label, first.title));
        told(&mut state, attempt_started("snapshot"));
        let (_, attempt) = state.run.running().expect("it runs");
        state.now = attempt.started_at + jiff::SignedDuration::from_secs(24);
        assert_eq!(title(&state), format!("aurora-cockpit · dev · {} {} ▶ T+00:24", first.label, first.title));
    }
}
