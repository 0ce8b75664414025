//! The statements that make the load.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Slot;
use super::bars::bar;
use super::standing::{Standing, any_trouble};
use crate::app::live::{Dated, Freshness, Live};
use crate::app::queries::shown;
use crate::clients::insights::CUT_AT;
use crate::runbook::names::InstanceId;
use crate::ui::text::{Spans, column_right, fit, span, spread};
use crate::ui::{format, panel};
use crate::watch::sample::{StatementLoad, TopStatements};

/// Cells of a bar.
const BAR: usize = 8;
/// How often they are asked for where nothing runs.
const USUAL: std::time::Duration = std::time::Duration::from_secs(60);

/// Draws the statements of the writer, or of every instance.
pub(super) fn draw(buffer: &mut Buffer, slot: &Slot<'_>, live: &Live, room: Rect) {
    let theme = slot.theme;
    let width = usize::from(room.width);
    let members = super::members(live);
    let shown: Vec<&InstanceId> = if slot.state.load.by_instance {
        members.iter().map(|(id, _)| id).collect()
    } else {
        live.load.writer().into_iter().collect()
    };
    let mut lines = Vec::new();
    for instance in &shown {
        let standing = Standing::of(live, instance);
        let top = live.load.instances.get(*instance).and_then(|load| load.top.as_ref());
        lines.push(head(slot, instance, top, width));
        match top {
            Some(top) => lines.extend(rows(slot, top, width)),
            None => {
                let words = standing.words(slot, room).into_iter();
                let silent = || ("Performance Insights has named no statements yet.".to_owned(), theme.faint());
                let words: Vec<_> = words.collect();
                let words = if words.is_empty() { vec![silent()] } else { words };
                for (text, style) in words {
                    lines.extend(crate::ui::text::wrap(&[span(text, style)], width).into_iter().map(Line::from));
                }
            }
        }
    }
    if shown.is_empty() {
        let words = any_trouble(live).map(|standing| standing.words(slot, room));
        let waiting = || vec![("Nobody has said yet who the writer is.".to_owned(), theme.faint())];
        return slot.empty(buffer, room, &words.unwrap_or_else(waiting));
    }
    let asked_for = slot.state.load.table.is_some();
    let scrolled = if asked_for { slot.state.scrolled(slot.pane).min(lines.len().saturating_sub(1)) } else { 0 };
    panel::lines(buffer, room, lines.into_iter().skip(scrolled));
}

fn head(slot: &Slot<'_>, instance: &InstanceId, top: Option<&Dated<TopStatements>>, width: usize) -> Line<'static> {
    let theme = slot.theme;
    let mut left = vec![span("top SQL by load", theme.strong())];
    left.extend(slot.faint(format!(" · {}", slot.short(instance))));
    let Some(top) = top else { return Line::from(left) };
    let fresh = top.freshness(slot.state.now, USUAL);
    left.extend(slot.faint(format!(" · mean of {}", format::roughly(top.value.span))));
    if top.value.statements.iter().any(|statement| statement.cut) {
        left.extend(slot.faint(format!(" · texts end after {CUT_AT} bytes")));
    }
    let age = slot.age(top.age(slot.state.now), fresh);
    spread(left, vec![span(format!("{age} old"), theme.age(fresh))], width)
}

fn rows(slot: &Slot<'_>, top: &Dated<TopStatements>, width: usize) -> Vec<Line<'static>> {
    let fresh = top.freshness(slot.state.now, USUAL);
    let statements = &top.value.statements;
    if statements.is_empty() {
        let words = "no load: no statement was active";
        return vec![Line::from(slot.faint(words))];
    }
    let most = statements.iter().map(|statement| statement.load).fold(0.0, f64::max);
    statements.iter().map(|statement| row(slot, statement, most, fresh, width)).collect()
}

fn row(slot: &Slot<'_>, statement: &StatementLoad, most: f64, fresh: Freshness, width: usize) -> Line<'static> {
    let theme = slot.theme;
    let share = if most > 0.0 { statement.load / most } else { 0.0 };
    let mut spans: Spans = vec![
        span(column_right(&format!("{:.2}", statement.load), 5), theme.aged(theme.strong(), fresh)),
        span("  ", theme.plain()),
        bar(share, BAR, theme.aged(theme.accent(), fresh)),
        span("  ", theme.plain()),
    ];
    let left = width.saturating_sub(crate::ui::text::width(&spans));
    let text = shown(&statement.text, slot.state.share);
    let text = if statement.cut { format!("{text} …") } else { text };
    spans.push(span(fit(&text, left), theme.aged(theme.plain(), fresh)));
    Line::from(spans)
}
