//! The levers of a partition: which can be pulled, what each costs, how it last went.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::levers::{LeverRow, levers};
use crate::runbook::gate::Lock;
use crate::runbook::names::PartitionName;
use crate::runbook::state::{Attempt, StepState};
use crate::ui::doc::Doc;
use crate::ui::text::{Spans, span, spread, width};
use crate::ui::{format, symbols};

/// Draws the list; the marked lever with all that there is to say of it.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, partition: &PartitionName, marked: usize) {
    let (state, theme) = (scene.state, scene.theme);
    let Some(planned) = state.run.plan.partition(partition) else { return };
    let rows = levers(state, partition);
    let inner = room(scene).saturating_sub(2);
    let mut doc = Doc::new(theme, room(scene));
    for (index, row) in rows.iter().enumerate() {
        let mark = if index == marked { span("› ", theme.accent()) } else { span("  ", theme.plain()) };
        let mut line = line(scene, row, inner);
        line.spans.insert(0, mark);
        if index == marked {
            doc.line(line.patch_style(theme.palette.ground.marked.ground()));
            about(&mut doc, scene, row);
        } else {
            doc.line(line);
        }
    }
    let mut sheet = Sheet::new(scene, "levers").of_partition(scene, planned);
    sheet.body = doc.finish();
    sheet.scroll = marked.saturating_sub(3);
    let mut foot = vec![
        span("Enter", theme.accent()),
        span(" opens its confirmation   ", theme.plain()),
        span("d", theme.accent()),
        span(" its last pull   ", theme.plain()),
        span("Esc closes", theme.faint()),
    ];
    if let Some((_, words)) = &state.notice {
        foot = vec![span(format!("{} ", symbols::FAILED), theme.danger()), span(words.clone(), theme.mind())];
    }
    sheet.foot = vec![Line::from(foot)];
    sheet.draw(buffer, scene);
}

/// A lever in a row: its name, and whether it can be pulled.
fn line(scene: &Scene<'_>, row: &LeverRow<'_>, room: usize) -> Line<'static> {
    let theme = scene.theme;
    let open = row.locks.is_empty();
    let (glyph, style) = match (&row.offered, open) {
        (Some(_), true) => (symbols::WAITS, theme.mind()),
        (_, true) => (symbols::READY, theme.accent()),
        (_, false) => (symbols::NOT_YET, theme.faint()),
    };
    let title = match (&row.offered, open) {
        (Some(_), true) => theme.strong(),
        (None, true) => theme.plain(),
        (_, false) => theme.faint(),
    };
    let mut left = vec![
        span(format!("{} ", row.planned.label), theme.faint()),
        span(format!("{glyph} "), style),
        span(row.planned.title.clone(), title),
    ];
    if row.offered.is_some() {
        left.push(span("  offered", theme.mind()));
    }
    let mut right = row.last.map_or_else(Spans::new, |last| last_pull(scene, last));
    let state = standing(scene, row);
    if width(&left) + width(&right) + width(&state) + 5 <= room && !right.is_empty() {
        right.push(span("   ", theme.plain()));
        right.extend(state);
    } else {
        right = state;
    }
    spread(left, right, room)
}

/// Whether it can be pulled, in a word or two.
fn standing(scene: &Scene<'_>, row: &LeverRow<'_>) -> Spans {
    let theme = scene.theme;
    let running = row.last.is_some_and(|last| last.outcome.is_none());
    match row.locks.first() {
        _ if running => vec![span("under way", theme.running())],
        None => vec![span("available", theme.ok())],
        Some(Lock::Gone { at, .. }) => {
            vec![span(format!("gone since {}", format::minute(*at, &scene.state.zone)), theme.danger())]
        }
        Some(Lock::Busy(_)) => vec![span("busy", theme.faint())],
        Some(Lock::NotYet(_)) => vec![span("not yet", theme.faint())],
        Some(_) => vec![span("locked", theme.faint())],
    }
}

/// How its last pull went, and when.
fn last_pull(scene: &Scene<'_>, last: &Attempt) -> Spans {
    let theme = scene.theme;
    let at = format::minute(last.ended_at.unwrap_or(last.started_at), &scene.state.zone);
    let (glyph, style) = match last.stands() {
        state if state.is_behind() => (symbols::OK, theme.ok()),
        state if state.is_running() => (symbols::RUNNING, theme.running()),
        StepState::Unknown => (symbols::UNREADABLE, theme.danger()),
        _ => (symbols::FAILED, theme.danger()),
    };
    vec![span(glyph, style), span(format!(" {at}"), theme.faint())]
}

/// All that there is to say of the marked lever.
fn about(doc: &mut Doc<'_>, scene: &Scene<'_>, row: &LeverRow<'_>) {
    let (state, theme) = (scene.state, scene.theme);
    for lock in &row.locks {
        let since = match lock {
            Lock::Gone { at, .. } => format!(" (since {})", format::second(*at, &state.zone)),
            _ => String::new(),
        };
        doc.words("  not now", format!("{lock}{since}"), theme.mind());
    }
    if let Some(Some(choice)) = &row.offered {
        doc.words("  offered", format!("with {choice}"), theme.mind());
    }
    if let Some(costs) = &row.planned.impact {
        doc.words("  costs", costs.clone(), theme.plain());
    }
    if let Some(back) = &row.planned.way_back {
        doc.words("  back", back.clone(), theme.faint());
    }
    if let Some(last) = row.last {
        let end = last.ended_at.unwrap_or(state.now);
        let took = std::time::Duration::try_from(end.duration_since(last.started_at)).unwrap_or_default();
        let how = last.stands().to_string().to_lowercase();
        let at = format::second(last.started_at, &state.zone);
        doc.words("  last", format!("{how}, {at}, {} by {}", format::took(took), last.by), theme.plain());
        if let Some(what) = last.outcome.as_ref().and_then(crate::runbook::event::Outcome::finding) {
            doc.words("", what.cause.clone(), theme.danger());
        }
    }
}
