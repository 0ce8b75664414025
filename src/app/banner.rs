//! The one sentence under the header: what matters most now. The worst wins; the rest is listed by the concerns dialog.

use std::time::Duration;

use super::state::{Mode, State};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::runbook::state::StepState;
use crate::runbook::topology::Agreement;

/// How much the sentence presses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing to do.
    Calm,
    /// A step can be fired.
    Ready,
    /// Something runs.
    Running,
    /// Waits for a person.
    Waiting,
    /// Something is wrong.
    Trouble,
}

/// A piece of the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its words.
    pub text: String,
    /// How they stand out.
    pub stress: Stress,
}

/// How words stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stress {
    /// As the rest.
    Plain,
    /// What it is about.
    Strong,
    /// Beside the point.
    Faint,
    /// It hurts.
    Bad,
    /// To be minded.
    Mind,
    /// All well.
    Good,
}

/// The sentence: two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banner {
    /// How much it presses.
    pub urgency: Urgency,
    /// What, since when, against what is expected.
    pub headline: Vec<Piece>,
    /// What hurts, and who disagrees; may be empty.
    pub detail: Vec<Piece>,
}

fn piece(text: impl Into<String>, stress: Stress) -> Piece {
    Piece { text: text.into(), stress }
}

/// Derives the sentence.
pub fn banner(state: &State) -> Banner {
    if let Some(stopped) = &state.run.stopped {
        return Banner {
            urgency: Urgency::Trouble,
            headline: vec![piece("the rollout was stopped", Stress::Strong), piece(&stopped.text, Stress::Plain)],
            detail: vec![piece(format!("by {}; what has not run will not run", stopped.by), Stress::Faint)],
        };
    }
    if let Some((step, _)) = state.run.running() {
        return running(state, &step);
    }
    match state.run.next_step() {
        Some((step, step_state)) if step_state.is_trouble() => trouble(state, &step),
        Some((step, _)) => ready(state, &step),
        None => through(state),
    }
}

fn running(state: &State, step: &StepRef) -> Banner {
    let Some((_, planned, run)) = state.run.step(step) else { return through(state) };
    let mut headline = vec![
        piece(step.partition.as_str(), Stress::Strong),
        piece(format!("{} {}", planned.label, planned.title), Stress::Strong),
    ];
    if let Some(attempt) = run.attempts.last() {
        let waits = attempt.checks.iter().find(|check| {
            matches!(check.verdict, crate::runbook::check::Verdict::Pending | crate::runbook::check::Verdict::Settling)
        });
        if let Some(check) = waits {
            headline.push(piece(format!("waits for: {}", check.label), Stress::Plain));
        }
        headline.push(piece(format!("T+{}", clock(state.since(attempt.started_at))), Stress::Mind));
        if attempt.number > 1 {
            headline.push(piece(format!("attempt {}", attempt.number), Stress::Faint));
        }
    }
    if let Some(expected) = planned.expected {
        headline.push(piece(format!("expected {}", clock(expected)), Stress::Faint));
    }
    Banner { urgency: Urgency::Running, headline, detail: disagreement(state, step) }
}

/// What hurts while something runs, and who disagrees on the writer.
fn disagreement(state: &State, step: &StepRef) -> Vec<Piece> {
    let Some(live) = state.live.get(&step.partition) else { return Vec::new() };
    let mut detail = Vec::new();
    if let Some(since) = live.timeline.down_since() {
        detail.push(piece("writer endpoint", Stress::Plain));
        detail.push(piece(format!("DOWN {:.1} s", state.since(since).as_secs_f64()), Stress::Bad));
    }
    let words = live.timeline.lanes.values().map(|lane| &lane.last);
    let agreement = Agreement::of(words, state.now, Duration::from_secs(25));
    if let Some(writer) = agreement.writer.as_ref().filter(|_| !agreement.against.is_empty()) {
        let all = agreement.in_favour.len() + agreement.against.len();
        detail.push(piece(format!("{} of {all} witnesses say {writer}", agreement.in_favour.len()), Stress::Plain));
        for (witness, other) in &agreement.against {
            detail.push(piece(format!("{witness} still says {other}"), Stress::Mind));
        }
    }
    detail
}

fn trouble(state: &State, step: &StepRef) -> Banner {
    let mut headline = vec![piece(step.partition.as_str(), Stress::Strong)];
    let mut detail = Vec::new();
    if let Some((_, planned, run)) = state.run.step(step) {
        headline.push(piece(format!("{} {}", planned.label, planned.title), Stress::Strong));
        headline.push(piece(state.run.state_of(step).to_string(), Stress::Bad));
        use crate::runbook::event::Outcome;
        if let Some(Outcome::Failed { finding } | Outcome::Partial { finding } | Outcome::Unknown { finding }) =
            run.attempts.last().and_then(|attempt| attempt.outcome.as_ref())
        {
            headline.push(piece(&finding.cause, Stress::Plain));
            detail.extend(finding.remedy.as_ref().map(|remedy| piece(format!("way out: {remedy}"), Stress::Mind)));
        }
    }
    detail.push(piece("d details · Enter tries again · s skips", Stress::Faint));
    Banner { urgency: Urgency::Trouble, headline, detail }
}

fn ready(state: &State, step: &StepRef) -> Banner {
    let Some((partition, planned, _)) = state.run.step(step) else { return through(state) };
    let mut headline = vec![
        piece(step.partition.as_str(), Stress::Strong),
        piece(format!("{} {}", planned.label, planned.title), Stress::Strong),
    ];
    let waiting = planned.kind == StepKind::GoAhead;
    let confirming = state.run.state_of(step) == StepState::Confirming;
    let key = if waiting { "g" } else { "Enter" };
    match &state.mode {
        _ if confirming => headline.push(piece("is being confirmed", Stress::Mind)),
        Mode::Operator if waiting => headline.push(piece("waits for your go-ahead · all green", Stress::Good)),
        Mode::Operator => headline.push(piece("is next", Stress::Plain)),
        Mode::Monitor(_) => headline.push(piece("waits for the operator", Stress::Plain)),
    }
    if state.mode == Mode::Operator && !confirming {
        headline.push(piece(key, Stress::Mind));
    }
    let mut detail = Vec::new();
    if let Some(expected) = planned.expected {
        detail.push(piece(format!("takes about {}", clock(expected)), Stress::Faint));
    }
    if let Some(impact) = &planned.impact {
        detail.push(piece(impact, Stress::Faint));
    } else if waiting {
        detail.push(piece(format!("{} is through all its steps", partition.name), Stress::Faint));
    }
    Banner { urgency: if waiting { Urgency::Waiting } else { Urgency::Ready }, headline, detail }
}

fn through(state: &State) -> Banner {
    let all = state.run.plan.partitions.iter().all(|partition| state.run.is_through(&partition.name));
    let (words, stress) = if all {
        ("every partition is through; the rollout is done", Stress::Good)
    } else {
        ("nothing can be fired now", Stress::Plain)
    };
    Banner {
        urgency: Urgency::Calm,
        headline: vec![piece(&state.run.plan.title, Stress::Strong), piece(words, stress)],
        detail: vec![piece("q leaves; `aurora-cockpit report` writes the execution log", Stress::Faint)],
    }
}

/// A duration as `m:ss`, or `h:mm:ss` from an hour on.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
