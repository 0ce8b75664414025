//! What must hold for the step in hand: its checks, as they turn one by one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use unicode_width::UnicodeWidthStr as _;

use super::Slot;
use crate::app::commands;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::event::{Finding, Outcome};
use crate::runbook::names::StepRef;
use crate::runbook::plan::{Expectation, Prerequisite, Step, StepKind};
use crate::runbook::state::{Attempt, StepState};
use crate::ui::names::shorten;
use crate::ui::text::{Spans, column_right, fit, fit_spans, span, spread, width};
use crate::ui::{format, symbols};

/// Draws the checks of the running step where it is the one looked at, else of the marked one.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let state = slot.state;
    let marked = state.marked_step();
    let Some((_, step, run)) = marked.as_ref().and_then(|step| state.run.step(step)) else {
        slot.panel(buffer, slot.title("what must hold"), Spans::new());
        return;
    };
    if let Some((reference, trouble)) = marked.as_ref().and_then(|step| Some((step, state.run.trouble(step)?))) {
        super::finding::draw(buffer, slot, (reference, step), trouble);
        return;
    }
    let title = slot.title(title(slot, step));
    match run.attempts.last() {
        Some(attempt) if !attempt.checks.is_empty() => with_checks(buffer, slot, title, attempt),
        attempt => {
            let inner = slot.panel(buffer, title, Spans::new());
            let reference = marked.unwrap_or_else(|| StepRef::new("", ""));
            slot.empty(buffer, inner, &about(slot, &reference, step, attempt, usize::from(inner.width)));
        }
    }
}

/// The step, and what is told of it where there is room for that.
fn title(slot: &Slot<'_>, step: &Step) -> String {
    let step = format!("{} {}", step.label, step.title);
    let whole = format!("{step} · what must hold");
    // The frame's corners and blanks.
    let room = usize::from(slot.area.width.saturating_sub(6));
    if whole.width() <= room { whole } else { step }
}

fn with_checks(buffer: &mut Buffer, slot: &Slot<'_>, title: Spans, attempt: &Attempt) {
    let theme = slot.theme;
    let good = attempt.checks.iter().filter(|check| check.verdict == Verdict::Passed).count();
    let remark = slot.faint(format!("{good} of {}", attempt.checks.len()));
    let inner = slot.panel(buffer, title, remark);
    let room = usize::from(inner.width);
    let met: Vec<Line<'static>> = attempt.remarks.iter().rev().map(|remark| met(slot, remark, room)).collect();
    let met_height = met.len().min(3).min(usize::from(inner.height / 2)) as u16;
    let inner = Rect { height: inner.height - met_height, ..inner };
    let height = usize::from(inner.height);
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
    // Right below the checks where there is room, so that it reads on.
    let below = Rect { y: inner.y + lines.len() as u16, height: met_height, ..inner };
    crate::ui::panel::lines(buffer, inner, lines);
    crate::ui::panel::lines(buffer, below, met);
}

/// Something that was met on the way and did not end the attempt.
fn met(slot: &Slot<'_>, remark: &Finding, room: usize) -> Line<'static> {
    let theme = slot.theme;
    let cause = shorten(&remark.cause, &slot.state.looked_at().0.cluster);
    Line::from(fit_spans(vec![span(format!("{} ", symbols::MIND), theme.mind()), span(cause, theme.plain())], room))
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
    let cluster = &slot.state.looked_at().0.cluster;
    let left = vec![span(format!("{glyph} "), style), span(shorten(&check.label, cluster), label)];
    let mut right = Spans::new();
    let said = match (check.verdict, &check.seen, &check.expected) {
        (Verdict::Pending, None, Some(expected)) => Some(expected.clone()),
        (Verdict::Failed, Some(seen), Some(expected)) => Some(format!("{seen}, not {expected}")),
        (_, Some(seen), _) => Some(seen.clone()),
        (_, None, _) => None,
    };
    right.extend(said.map(|said| span(shorten(&said, cluster), style)));
    // While a step runs, since when it holds says whether it is settled. It goes before a word is cut.
    let age = column_right(&format::age_in_seconds(slot.state.since(check.at)), 7);
    if running && width(&left) + 1 + width(&right) + age.len() <= room {
        right.push(span(if check.verdict == Verdict::Pending { String::new() } else { age }, theme.faint()));
    }
    spread(left, right, room)
}

/// What the operator can do with a step that is ready.
fn invitation(slot: &Slot<'_>, step: &Step) -> String {
    if step.kind == StepKind::GoAhead {
        let state = slot.state;
        let after = state.run.plan.partitions.get(state.partition + 1);
        let then = after.map_or_else(String::new, |after| format!(", and {}'s first step unlocks", after.name));
        return format!("Everything of {} is behind. g gives your word{then}.", state.looked_at().0.name);
    }
    if step.kind.changes_the_world() {
        "Enter shows what would be sent, and what holds now.".to_owned()
    } else {
        "It only looks. Enter shows at what.".to_owned()
    }
}

/// What there is to say of a step without checks.
fn about(
    slot: &Slot<'_>,
    reference: &StepRef,
    step: &Step,
    attempt: Option<&Attempt>,
    room: usize,
) -> Vec<(String, Style)> {
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
            None => words.push((invitation(slot, step), theme.plain())),
        },
        _ => {}
    }
    if let Some((attempt, end)) = attempt.and_then(|attempt| Some((attempt, attempt.ended_at?))) {
        let took = std::time::Duration::try_from(end.duration_since(attempt.started_at)).unwrap_or_default();
        let line =
            format!("ended {} after {}, by {}", format::second(end, &state.zone), format::took(took), attempt.by);
        words.push((line, theme.plain()));
    }
    match attempt.and_then(|attempt| attempt.outcome.as_ref()) {
        Some(Outcome::Deferred { reason, .. }) => words.push((reason.clone(), theme.plain())),
        Some(Outcome::PassedWithWarnings { warnings }) => {
            words.extend(warnings.iter().map(|warning| (format!("! {warning}"), theme.mind())));
        }
        _ => {}
    }
    let remarks = attempt.into_iter().flat_map(|attempt| &attempt.remarks);
    words.extend(remarks.map(|remark| (format!("{} {}", symbols::MIND, remark.cause), theme.plain())));
    words.extend(step.impact.as_ref().map(|impact| (format!("users feel: {impact}"), theme.faint())));
    words.extend(step.way_back.as_ref().map(|back| (format!("way back: {back}"), theme.faint())));
    if attempt.is_none() {
        let planned = what_it_looks_at(&step.kind);
        words.extend(planned.iter().map(|check| (fit(&format!("{} {check}", symbols::NOT_YET), room), theme.faint())));
    }
    words
}

/// What a step will look at, as far as the plan says.
fn what_it_looks_at(kind: &StepKind) -> Vec<String> {
    match kind {
        StepKind::Preflight(preflight) => preflight.checks.iter().map(Prerequisite::label).collect(),
        StepKind::VerifySql(verify) => {
            let settings = verify.settings.iter().map(|setting| match &setting.expect {
                Expectation::Is(value) => format!("{} is {value}", setting.name),
                Expectation::Contains(value) => format!("{} holds {value}", setting.name),
                Expectation::Formula(_) => format!("{} fits the class's memory", setting.name),
                Expectation::Recorded => format!("{} is recorded", setting.name),
            });
            settings.chain(verify.statements.then(|| "pg_stat_statements answers".to_owned())).collect()
        }
        StepKind::Command(command) => {
            let stacks = (!command.stacks.is_empty()).then(|| format!("{} stacks completed", command.stacks.len()));
            let secret = command.secret.as_ref().map(|secret| format!("{} has its shape", secret.id));
            let group = command.group_attached.then(|| "cluster is on its new parameter group".to_owned());
            std::iter::once("exit 0".to_owned()).chain(stacks).chain(secret).chain(group).collect()
        }
        _ => Vec::new(),
    }
}
