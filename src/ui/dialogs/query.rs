//! A statement: its whole text, and its figures before and after the flip.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::live::Live;
use crate::app::queries::shown;
use crate::app::statement_history::Mean;
use crate::runbook::names::PartitionName;
use crate::ui::doc::Doc;
use crate::ui::format;
use crate::ui::text::{Spans, column_right, span};
use crate::watch::sample::{StatementCost, StatementKey};

/// Columns of a figure.
const FIGURE: usize = 10;
/// Columns of the line's name.
const WHEN: usize = 23;

/// Draws the statement.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, partition: &PartitionName, key: StatementKey, scroll: u16) {
    let theme = scene.theme;
    let live = scene.state.live.get(partition);
    let (Some(live), Some(planned)) = (live, scene.state.run.plan.partition(partition)) else { return };
    let history = &live.statement_history;
    let before = history.before().and_then(|before| before.costs.get(&key));
    let last = history.last(key).map(|(_, cost)| cost);
    let mut doc = Doc::new(theme, room(scene));
    figures(&mut doc, scene, live, key);
    doc.blank();
    match history.text(key) {
        Some(query) => text(&mut doc, scene, query, last.or(before).map_or(0, |cost| cost.left_out)),
        None => doc.text(
            "Its text is not read yet: that is done seldom, as the server reads all texts for it.",
            theme.faint(),
        ),
    }
    let mut sheet = Sheet::new(scene, "query").of_partition(scene, planned);
    sheet.title.push(span(format!(" {}", key.id), theme.plain()));
    if key.nested {
        sheet.title.push(span(" · ran within another statement, which counts its time too", theme.faint()));
    }
    if last.or(before).is_some_and(|cost| cost.own) {
        sheet.title.push(span(" · ⌂ the cockpit's own", theme.accent()));
    }
    sheet.body = doc.finish();
    sheet.scroll = usize::from(scroll);
    sheet.foot = vec![Line::from(span("↑↓ scroll · Esc closes", theme.faint()))];
    sheet.draw(buffer, scene);
}

/// The figures: of the last interval in which it ran, of the last minutes, of before the flip.
fn figures(doc: &mut Doc<'_>, scene: &Scene<'_>, live: &Live, key: StatementKey) {
    let theme = scene.theme;
    let history = &live.statement_history;
    let heads = ["share", "calls/s", "ms/call", "rows/call", "hit"].map(|head| column_right(head, FIGURE));
    doc.line(Line::from(span(format!("{}{}", " ".repeat(WHEN), heads.concat()), theme.faint())));
    if let Some((view, cost)) = history.last(key) {
        let interval = view.interval.unwrap_or_default();
        let when = format!("last {}", format::age_in_seconds(interval));
        doc.line(line(scene, &when, cost, interval, view.busy_ms));
    }
    let mut of = |mean: &Mean, what: &str| {
        let Some(cost) = mean.costs.get(&key) else {
            doc.line(Line::from(span(format!("{what}: it did not run"), theme.faint())));
            return;
        };
        let when = format!("{what}, mean of {}", format::age_in_seconds(mean.interval));
        doc.line(line(scene, &when, cost, mean.interval, mean.busy_ms));
    };
    let flipped = history.before();
    if let Some(mean) = history.mean() {
        of(&mean, if flipped.is_some() { "after" } else { "now" });
    }
    if let Some(before) = flipped {
        of(before, "before");
    }
}

fn line(scene: &Scene<'_>, when: &str, cost: &StatementCost, interval: Duration, busy_ms: f64) -> Line<'static> {
    let theme = scene.theme;
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let figures = [
        if busy_ms > 0.0 { percent((cost.ms / busy_ms).min(1.0)) } else { "·".to_owned() },
        format::figure(cost.calls_per_s(interval)),
        format::figure(cost.ms_per_call()),
        format::figure(cost.rows_per_call()),
        cost.hit_ratio().map_or_else(|| "·".to_owned(), percent),
    ];
    let mut spans: Spans = vec![span(crate::ui::text::column(when, WHEN), theme.faint())];
    spans.extend(figures.map(|figure| span(column_right(&figure, FIGURE), theme.bright())));
    Line::from(spans)
}

/// The text in the lines that it was written in, wrapped.
fn text(doc: &mut Doc<'_>, scene: &Scene<'_>, query: &str, left_out: u64) {
    let theme = scene.theme;
    for line in shown(query, scene.state.share).lines() {
        doc.text(line, theme.plain());
    }
    if left_out > 0 {
        doc.text(format!("… {left_out} more characters are not read"), theme.faint());
    }
}
