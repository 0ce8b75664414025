//! The writer's costliest statements, and how they changed with the flip.

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::Line;

use super::Slot;
use crate::app::live::{Dated, Freshness};
use crate::clients::TroubleKind;
use crate::runbook::names::InstanceId;
use crate::ui::text::{Spans, column_right, fit, span};
use crate::ui::{format, symbols};
use crate::watch::sample::{CounterReset, Source, StatementRate, StatementsView};

/// A change below this share is none.
const SAME: f64 = 0.05;
/// A change above this share is to be minded.
const MIND: f64 = 0.25;
/// A change above this share hurts.
const HURTS: f64 = 1.0;

/// Draws the queries.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let (partition, _) = state.looked_at();
    let live = state.live_here();
    let trouble = live.and_then(|live| live.troubles.get(&Source::Statements));
    let statements = live.and_then(|live| live.statements.as_ref());
    let title = slot.title("top queries");
    let short = |instance: &InstanceId| partition.cluster.short_name(instance).to_owned();
    let mut remark = Spans::new();
    let mut fresh = Freshness::Live;
    if let Some(statements) = statements {
        fresh = statements.freshness(state.now, state.pace_of(&partition.name).metered());
        let whose = statements.value.instance.as_ref().map_or_else(|| "writer".to_owned(), short);
        let interval = statements
            .value
            .interval
            .map_or(String::new(), |interval| format!("last {} · ", format::age_in_seconds(interval)));
        remark = slot.faint(format!("{whose} · {interval}"));
        let age = format::age_in_seconds(statements.age(state.now));
        remark.push(span(format!("{age} old"), theme.age(fresh)));
    }
    let inner = slot.panel(buffer, title, remark);

    let rows = statements.filter(|statements| !statements.value.rows.is_empty());
    let (Some(statements), false) = (rows, trouble.is_some() && fresh == Freshness::Silent) else {
        let words = match (trouble, statements) {
            // Before its extension is created, that is as it should be.
            (Some((_, trouble)), _) if trouble.kind == TroubleKind::NotFound => vec![
                ("pg_stat_statements is not there yet.".to_owned(), theme.plain()),
                (trouble.message.clone(), theme.faint()),
            ],
            (Some((since, trouble)), _) => vec![
                (format!("{} pg_stat_statements cannot be read", symbols::MIND), theme.mind()),
                (trouble.to_string(), theme.plain()),
                (format!("for {}", format::age_in_seconds(state.since(*since))), theme.faint()),
            ],
            (None, Some(Dated { value, .. })) => vec![(nothing_yet(value), theme.faint())],
            (None, None) => vec![("pg_stat_statements has not answered yet.".to_owned(), theme.faint())],
        };
        slot.empty(buffer, inner, &words);
        return;
    };
    let before = live.and_then(|live| live.statements_before.as_ref());
    let table = Table { slot, before, room: usize::from(inner.width), fresh };
    let scrolled = state.scrolled(slot.pane).min(statements.value.rows.len().saturating_sub(1));
    let lines =
        std::iter::once(table.head()).chain(statements.value.rows.iter().skip(scrolled).map(|row| table.row(row)));
    crate::ui::panel::lines(buffer, inner, lines);
}

fn nothing_yet(view: &StatementsView) -> String {
    match (view.reset, view.interval) {
        (Some(CounterReset::OtherInstance), _) => {
            "The writer moved; its counters are its own. First figures in a moment."
        }
        (Some(CounterReset::Restarted), _) => {
            "The server restarted and its counters with it. First figures in a moment."
        }
        (Some(CounterReset::Reset), _) => "Somebody reset the counters. First figures in a moment.",
        (None, None) => "Counting; first figures in a moment.",
        (None, Some(_)) => "No statement ran in the last interval.",
    }
    .to_owned()
}

struct Table<'a> {
    slot: &'a Slot<'a>,
    before: Option<&'a StatementsView>,
    room: usize,
    fresh: Freshness,
}

impl Table<'_> {
    fn head(&self) -> Line<'static> {
        let theme = self.slot.theme;
        let mut text =
            format!("{}{}{}", column_right("load", 5), column_right("calls/s", 9), column_right("ms/call", 9));
        if self.before.is_some() {
            text.push_str(&column_right("Δ ms", 8));
        }
        text.push_str("  query");
        Line::from(span(fit(&text, self.room), theme.faint()))
    }

    fn row(&self, row: &StatementRate) -> Line<'static> {
        let theme = self.slot.theme;
        let plain = |style: Style| theme.aged(style, self.fresh);
        let mut spans = vec![
            span(column_right(&format!("{:.2}", row.load), 5), plain(theme.strong())),
            span(column_right(&format::figure(row.calls_per_s), 9), plain(theme.plain())),
            span(column_right(&format::figure(row.ms_per_call), 9), plain(theme.plain())),
        ];
        if let Some(before) = self.before {
            let (words, style) = self.change(row, before);
            spans.push(span(column_right(&words, 8), plain(style)));
        }
        let left = self.room.saturating_sub(crate::ui::text::width(&spans) + 2);
        spans.push(span(format!("  {}", fit(&row.query, left)), plain(theme.plain())));
        Line::from(spans)
    }

    /// How the time of a call changed against before the flip.
    fn change(&self, row: &StatementRate, before: &StatementsView) -> (String, Style) {
        let theme = self.slot.theme;
        let then = before.rows.iter().find(|then| then.query_id == row.query_id);
        let Some(then) = then.filter(|then| then.ms_per_call > 0.0) else {
            return ("new".to_owned(), theme.faint());
        };
        let change = row.ms_per_call / then.ms_per_call - 1.0;
        let style = match change {
            change if change > HURTS => theme.danger(),
            change if change > MIND => theme.mind(),
            change if change < -MIND => theme.ok(),
            _ => theme.faint(),
        };
        let words = match change {
            change if change.abs() < SAME => "=".to_owned(),
            change if change > 9.995 => format!("×{:.0}", change + 1.0),
            change if change < 0.0 => format!("−{:.0} %", -change * 100.0),
            change => format!("+{:.0} %", change * 100.0),
        };
        (words, style)
    }
}
