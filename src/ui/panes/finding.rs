//! What is wrong with the marked step, in the place of its checks: the first thing that a tired operator reads.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Slot;
use crate::app::commands::CommandId;
use crate::app::ways::{best, ways};
use crate::runbook::check::{Check, Verdict};
use crate::runbook::event::Finding;
use crate::runbook::names::StepRef;
use crate::runbook::plan::Step;
use crate::runbook::state::Attempt;
use crate::ui::doc::Doc;
use crate::ui::names::shorten;
use crate::ui::panel::{self, Panel};
use crate::ui::text::{Spans, fit_spans, span, spread, width};
use crate::ui::{finding, format, symbols};

/// Rows of ways out that are shown at most; the list behind `w` has them all.
const WAYS: usize = 5;

/// Draws the finding: cause, evidence, meaning, the checks that do not hold; and the ways out, which are always in view.
pub fn draw(
    buffer: &mut Buffer,
    slot: &Slot<'_>,
    (reference, step): (&StepRef, &Step),
    (attempt, what): (&Attempt, &Finding),
) {
    let (state, theme) = (slot.state, slot.theme);
    let name = what.situation.as_ref().map_or_else(|| "unknown".to_owned(), Clone::clone);
    let mut title = slot.title(format!("{} {} · ", step.label, step.title));
    title.push(span(format!("{} {}", symbols::FAILED, attempt.stands()), theme.palette.state.danger.bold()));
    title.push(span(format!(" · {name}"), theme.plain()));
    let ended = attempt.ended_at.unwrap_or(attempt.started_at);
    let remark = slot.faint(format!("attempt {} · {}", attempt.number, format::second(ended, &state.zone)));
    let frame = theme.palette.state.danger.ink();
    let inner = Panel::new(title, frame).remark(remark).heavy(state.focus == slot.pane).draw(slot.area, buffer);

    let room = usize::from(inner.width);
    let foot = foot(slot, reference, room);
    let foot_height = (foot.len() as u16).min(inner.height.saturating_sub(2));
    let body = Rect { height: inner.height - foot_height, ..inner };
    let height = usize::from(body.height);
    let mut lines = whole(slot, step, (attempt, what), room);
    // Air goes before words do, and explanations before evidence does.
    if lines.len() > height {
        lines.retain(|line| !line.spans.is_empty());
    }
    if lines.len() > height && state.scrolled(slot.pane) == 0 {
        lines = in_short(slot, (attempt, what), room, height.saturating_sub(failing(attempt).count()));
    }
    let scrolled = state.scrolled(slot.pane).min(lines.len().saturating_sub(height));
    let hidden = lines.len().saturating_sub(scrolled + height);
    let mut shown: Vec<Line<'static>> = lines.into_iter().skip(scrolled).take(height).collect();
    if hidden > 0
        && let Some(last) = shown.last_mut()
    {
        *last = Line::from(vec![
            span("… more: ", theme.faint()),
            span(slot.state.keymap.name(CommandId::Details), theme.accent()),
            span(" tells all of it", theme.faint()),
        ]);
    }
    panel::lines(buffer, body, shown);
    panel::lines(buffer, Rect { y: body.bottom(), height: foot_height, ..inner }, foot);
}

/// All that there is to say.
fn whole(slot: &Slot<'_>, step: &Step, (attempt, what): (&Attempt, &Finding), room: usize) -> Vec<Line<'static>> {
    let (state, theme) = (slot.state, slot.theme);
    let mut doc = Doc::new(theme, room);
    taken_back(&mut doc, slot);
    finding::tell(&mut doc, state, theme, what, step);
    for (index, each) in failing(attempt).enumerate() {
        if index == 0 {
            doc.blank();
        }
        doc.field(if index == 0 { "checks" } else { "" }, check(slot, each));
    }
    for (index, each) in attempt.remarks.iter().enumerate() {
        finding::remark(&mut doc, state, theme, if index == 0 { "met" } else { "" }, each);
    }
    doc.finish()
}

/// The same where there is little room: a line for each thing, and what rows are left for the way out and the meaning.
fn in_short(slot: &Slot<'_>, (attempt, what): (&Attempt, &Finding), room: usize, rows: usize) -> Vec<Line<'static>> {
    let mut doc = Doc::new(slot.theme, room);
    taken_back(&mut doc, slot);
    finding::tell_shortly(&mut doc, slot.state, slot.theme, what, rows);
    for (index, each) in failing(attempt).enumerate() {
        let line = fit_spans(check(slot, each), doc.beside());
        doc.labelled(if index == 0 { "checks" } else { "" }, vec![line]);
    }
    doc.finish()
}

/// That the partition was taken back because of it.
fn taken_back(doc: &mut Doc<'_>, slot: &Slot<'_>) {
    let (partition, run) = slot.state.looked_at();
    let Some(word) = &run.rolled_back else { return };
    let at = format::second(word.at, &slot.state.zone);
    let words = format!("{} {} FAILED · ROLLED BACK", symbols::FAILED, partition.name);
    doc.text(format!("{words}, {at} by {}: {}", word.by, word.text), slot.theme.danger());
}

fn failing(attempt: &Attempt) -> impl Iterator<Item = &Check> {
    attempt.checks.iter().filter(|check| matches!(check.verdict, Verdict::Failed | Verdict::Warning))
}

fn check(slot: &Slot<'_>, check: &Check) -> Spans {
    let theme = slot.theme;
    let (glyph, style) = symbols::verdict(check.verdict, theme);
    let cluster = &slot.state.looked_at().0.cluster;
    let mut spans = vec![span(format!("{glyph} "), style), span(shorten(&check.label, cluster), theme.plain())];
    spans.extend(check.seen.as_ref().map(|seen| span(format!("  {}", shorten(seen, cluster)), style)));
    let expected = check.expected.as_ref().filter(|_| check.verdict == Verdict::Failed);
    spans.extend(expected.map(|expected| span(format!("  not {expected}"), theme.faint())));
    spans
}

/// The ways out, the best one bright.
fn foot(slot: &Slot<'_>, step: &StepRef, room: usize) -> Vec<Line<'static>> {
    let (state, theme) = (slot.state, slot.theme);
    let all = ways(state, step);
    if all.is_empty() {
        return Vec::new();
    }
    let best = best(&all);
    let rule = span("─".repeat(room), theme.palette.frame.calm.ink());
    let mut lines = vec![Line::from(rule)];
    // Those that are always there go before an offered one does.
    let offered = all.iter().filter(|way| way.offered).count().max(1);
    for (index, way) in all.iter().enumerate().take(WAYS.max(best + 1)).take(offered.max(best + 1)) {
        let marked = index == best;
        let key =
            if marked { vec![span("w ", theme.palette.state.accent.bold())] } else { vec![span("  ", theme.plain())] };
        let (left, right) = finding::way(state, theme, step, (index, way), marked);
        let left = [key, left].concat();
        let fits = width(&left) + width(&right) < room;
        lines.push(spread(left, if fits { right } else { Spans::new() }, room));
    }
    lines
}
