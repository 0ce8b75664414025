//! What must hold for the step in hand: its checks, as they turn one by one.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::Line;

use super::Slot;
use crate::app::commands;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::names::StepRef;
use crate::runbook::plan::Step;
use crate::runbook::state::{Attempt, StepState};
use crate::ui::text::{Spans, column_right, span, spread};
use crate::ui::{format, symbols};

/// Draws the checks of the running step where it is the one looked at, else of the marked one.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let state = slot.state;
    let marked = state.marked_step();
    let Some((_, step, run)) = marked.as_ref().and_then(|step| state.run.step(step)) else {
        slot.panel(buffer, slot.title("what must hold"), Spans::new());
        return;
    };
    let title = slot.title(format!("{} {} · what must hold", step.label, step.title));
    match run.attempts.last() {
        Some(attempt) if !attempt.checks.is_empty() => with_checks(buffer, slot, title, attempt),
        attempt => {
            let inner = slot.panel(buffer, title, Spans::new());
            let reference = marked.unwrap_or_else(|| StepRef::new("", ""));
            slot.empty(buffer, inner, &about(slot, &reference, step, attempt));
        }
    }
}

fn with_checks(buffer: &mut Buffer, slot: &Slot<'_>, title: Spans, attempt: &Attempt) {
    let theme = slot.theme;
    let good = attempt.checks.iter().filter(|check| check.verdict == Verdict::Passed).count();
    let remark = slot.faint(format!("{good} of {}", attempt.checks.len()));
    let inner = slot.panel(buffer, title, remark);
    let height = usize::from(inner.height);
    let room = usize::from(inner.width);
    let running = attempt.ended_at.is_none();
    let mut shown: Vec<&Check> = attempt.checks.iter().collect();
    let scrolled = slot.state.scrolled(slot.pane).min(shown.len().saturating_sub(height));
    // Where there is no room for all, what is not as it should be comes first.
    if shown.len() > height && scrolled == 0 {
        shown.sort_by_key(|check| rank(check.verdict));
    }
    let hidden = shown.len().saturating_sub(scrolled + height);
    let rows = if hidden > 0 { height.saturating_sub(1) } else { height };
    let mut lines: Vec<Line<'static>> =
        shown.iter().skip(scrolled).take(rows).map(|check| row(slot, check, running, room)).collect();
    if hidden > 0 {
        lines.push(Line::from(span(format!("… {} more · d shows all", hidden + 1), theme.faint())));
    }
    crate::ui::panel::lines(buffer, inner, lines);
}

/// What presses most comes first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Failed => 0,
        Verdict::Settling => 1,
        Verdict::Warning => 2,
        Verdict::Unreadable => 3,
        Verdict::Pending => 4,
        Verdict::Passed => 5,
    }
}

fn row(slot: &Slot<'_>, check: &Check, running: bool, room: usize) -> Line<'static> {
    let theme = slot.theme;
    let (glyph, style) = symbols::verdict(check.verdict, theme);
    let label = if check.verdict == Verdict::Pending { theme.faint() } else { theme.plain() };
    let left = vec![span(format!("{glyph} "), style), span(check.label.clone(), label)];
    let mut right = Spans::new();
    let said = match (check.verdict, &check.seen, &check.expected) {
        (Verdict::Pending, None, Some(expected)) => Some(expected.clone()),
        (Verdict::Failed, Some(seen), Some(expected)) => Some(format!("{seen}, not {expected}")),
        (_, Some(seen), _) => Some(seen.clone()),
        (_, None, _) => None,
    };
    right.extend(said.map(|said| span(said, style)));
    // While a step runs, since when it holds says whether it is settled.
    if running && room >= 38 && check.verdict != Verdict::Pending {
        let age = format::age_in_seconds(slot.state.since(check.at));
        right.push(span(column_right(&age, 7), theme.faint()));
    }
    spread(left, right, room)
}

/// What there is to say of a step without checks.
fn about(slot: &Slot<'_>, reference: &StepRef, step: &Step, attempt: Option<&Attempt>) -> Vec<(String, Style)> {
    let (state, theme) = (slot.state, slot.theme);
    let mut words = Vec::new();
    match state.run.state_of(reference) {
        StepState::Locked(locks) => {
            words.extend(locks.iter().map(|lock| (format!("{} {lock}", symbols::NOT_YET), theme.plain())));
        }
        StepState::WillNotRun { because } => words.push((because, theme.plain())),
        StepState::Skipped => {
            let skipped = state.run.step(reference).and_then(|(_, _, run)| run.skipped.as_ref());
            words.extend(skipped.map(|word| (format!("skipped by {}: {}", word.by, word.text), theme.plain())));
        }
        other if other.is_running() => words.push(("looking …".to_owned(), theme.faint())),
        StepState::Ready => match commands::fire_disabled(state) {
            Some(reason) => words.push((reason, theme.plain())),
            None => words.push(("Enter shows what would be sent, and what holds.".to_owned(), theme.plain())),
        },
        _ => {}
    }
    if let Some(Some(outcome)) = attempt.map(|attempt| &attempt.outcome) {
        use crate::runbook::event::Outcome;
        match outcome {
            Outcome::Failed { finding } | Outcome::Partial { finding } | Outcome::Unknown { finding } => {
                words.push((finding.cause.clone(), theme.danger()));
            }
            Outcome::Deferred { reason, .. } => words.push((reason.clone(), theme.plain())),
            Outcome::PassedWithWarnings { warnings } => {
                words.extend(warnings.iter().map(|warning| (format!("! {warning}"), theme.mind())));
            }
            Outcome::Passed => {}
        }
    }
    words.extend(step.impact.as_ref().map(|impact| (format!("users feel: {impact}"), theme.faint())));
    words.extend(step.way_back.as_ref().map(|back| (format!("way back: {back}"), theme.faint())));
    words
}
