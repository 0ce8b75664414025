//! The writer's costliest statements, and how they changed with the flip.
//!
//! Where there is no room for every column, they go in this order until the text has enough: the bar beside the share, hits,
//! rows, calls. Share, time of a call and its change stay. Side by side, hits go first, then rows, share and calls.

mod notes;

use ratatui::buffer::Buffer;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Slot;
use crate::app::live::{Dated, Freshness, Live};
use crate::app::queries::{self, Explained, Figures, Row, Sort, explain, marked_place};
use crate::clients::Trouble;
use crate::runbook::names::InstanceId;
use crate::ui::text::{Spans, column_right, fit, fit_spans, span, width};
use crate::ui::{format, symbols};
use crate::watch::sample::{CounterReset, Source, StatementsView};

/// A change below this share is none.
const SAME: f64 = 0.05;
/// A change above this share is to be minded.
const MIND: f64 = 0.25;
/// A change above this share hurts.
const HURTS: f64 = 1.0;
/// Columns of text that are worth more than another figure.
const TEXT: usize = 30;
/// Columns of the bar beside the share.
const BAR: usize = 6;

/// Draws the queries.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let live = state.live_here();
    let trouble = live.and_then(|live| live.troubles.get(&Source::Statements));
    let statements = live.and_then(|live| live.statements.as_ref());
    let period = state.pace_of(&state.looked_at().0.name).heavy();
    let fresh = statements.map_or(Freshness::Live, |statements| statements.freshness(state.now, period));
    let remark = statements.map_or_else(Spans::new, |statements| remark(slot, statements, fresh));
    let inner = slot.panel(buffer, title(slot), remark);

    let (Some(live), Some(statements)) = (live, statements.filter(|_| trouble.is_none() || fresh != Freshness::Silent))
    else {
        let words = match trouble {
            Some((since, trouble)) => in_trouble(slot, *since, trouble),
            None => vec![("pg_stat_statements has not answered yet.".to_owned(), theme.faint())],
        };
        slot.empty(buffer, inner, &words);
        return;
    };
    let room = usize::from(inner.width);
    let mut lines = notes::lines(slot, live, &statements.value, room, inner.height);
    let rows = queries::rows(state);
    if rows.is_empty() {
        let words = if state.queries.filter.is_empty() {
            nothing_yet(&statements.value).to_owned()
        } else {
            format!("No query holds `{}`. / and Esc clear the filter.", state.queries.filter)
        };
        lines.push(Line::from(span(fit(&words, room), theme.faint())));
        crate::ui::panel::lines(buffer, inner, lines);
        return;
    }
    let table = Table::new(slot, live, room, fresh);
    lines.extend(table.heads());
    let place = marked_place(&rows, &state.queries);
    let height = usize::from(inner.height).saturating_sub(lines.len());
    // The marked one is always in sight, with the one after it.
    let skipped = place.map_or(0, |place| (place + 2).saturating_sub(height)).min(rows.len().saturating_sub(height));
    let marked = place.and_then(|place| place.checked_sub(skipped));
    let first = lines.len() as u16;
    lines.extend(rows.iter().skip(skipped).enumerate().map(|(index, row)| table.row(row, marked == Some(index))));
    crate::ui::panel::lines(buffer, inner, lines);
    let marked =
        marked.filter(|_| state.focus == slot.pane).and_then(|place| inner.rows().nth(usize::from(first) + place));
    if let Some(area) = marked {
        buffer.set_style(area, theme.palette.ground.marked.ground());
    }
}

/// What it is, by what it is sorted and what it is filtered by.
fn title(slot: &Slot<'_>) -> Spans {
    let (queries, theme) = (&slot.state.queries, slot.theme);
    let mut title = slot.title("top queries");
    let arrow = if queries.reversed { "↑" } else { "↓" };
    title.push(span(format!(" · by {} {arrow}", queries.sort.name()), theme.faint()));
    if queries.typing || !queries.filter.is_empty() {
        title.push(span(format!(" · /{}", queries.filter), theme.accent()));
    }
    if queries.typing {
        title.push(span("▌", theme.accent()));
    }
    title
}

/// Who was asked, over how long, and how old it is.
fn remark(slot: &Slot<'_>, statements: &Dated<StatementsView>, fresh: Freshness) -> Spans {
    let state = slot.state;
    let (partition, _) = state.looked_at();
    let short = |instance: Option<&InstanceId>| {
        instance.map_or_else(|| "writer".to_owned(), |instance| partition.cluster.short_name(instance).to_owned())
    };
    let view = &statements.value;
    let history = state.live_here().map(|live| &live.statement_history);
    let words = match history.filter(|_| state.queries.compared).and_then(|history| Some((history.before()?, history)))
    {
        Some((before, history)) => {
            let mean = history
                .mean()
                .map_or_else(String::new, |mean| format!(", {} since", format::age_in_seconds(mean.interval)));
            let (old, new) = (short(before.instance.as_ref()), short(view.instance.as_ref()));
            format!("{old}, {} → {new}{mean} · ", format::age_in_seconds(before.interval))
        }
        None => {
            let interval =
                view.interval.map_or(String::new(), |interval| format!("last {} · ", format::age_in_seconds(interval)));
            format!("{} · {interval}", short(view.instance.as_ref()))
        }
    };
    let age = slot.age(statements.age(state.now), fresh);
    vec![span(words, slot.theme.faint()), span(format!("{age} old"), slot.theme.age(fresh))]
}

/// Why it cannot be read, and what to do.
fn in_trouble(slot: &Slot<'_>, since: jiff::Timestamp, trouble: &Trouble) -> Vec<(String, Style)> {
    let (state, theme) = (slot.state, slot.theme);
    let target = state.looked_at().0.sql.as_ref();
    let long = (format!("for {}", format::age_in_seconds(state.since(since))), theme.faint());
    match target.and_then(|target| explain(trouble, target)) {
        Some(Explained { what, todo, may_be: true }) => vec![(what, theme.plain()), (todo, theme.faint())],
        Some(Explained { what, todo, .. }) => {
            vec![(format!("{} {what}", symbols::MIND), theme.mind()), (todo, theme.plain()), long]
        }
        None => vec![
            (format!("{} pg_stat_statements cannot be read", symbols::MIND), theme.mind()),
            (trouble.to_string(), theme.plain()),
            long,
        ],
    }
}

fn nothing_yet(view: &StatementsView) -> &'static str {
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
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Share,
    Bar,
    Calls,
    Time,
    Rows,
    Hit,
    Change,
}

/// Columns with their widths, in the order in which they stand.
const LATEST: [(Column, usize); 7] = [
    (Column::Share, 6),
    (Column::Bar, BAR + 1),
    (Column::Calls, 9),
    (Column::Time, 9),
    (Column::Rows, 10),
    (Column::Hit, 7),
    (Column::Change, 8),
];
/// And those that go, the first one first, where there is no room for all.
const LATEST_GO: [Column; 4] = [Column::Bar, Column::Hit, Column::Rows, Column::Calls];

/// The same side by side: each takes twice its width.
const COMPARED: [(Column, usize); 6] = [
    (Column::Time, 8),
    (Column::Change, 8),
    (Column::Calls, 8),
    (Column::Share, 7),
    (Column::Rows, 8),
    (Column::Hit, 7),
];
const COMPARED_GO: [Column; 4] = [Column::Hit, Column::Rows, Column::Share, Column::Calls];

struct Table<'a> {
    slot: &'a Slot<'a>,
    compared: bool,
    columns: Vec<(Column, usize)>,
    room: usize,
    fresh: Freshness,
}

impl<'a> Table<'a> {
    fn new(slot: &'a Slot<'a>, live: &Live, room: usize, fresh: Freshness) -> Self {
        let flipped = live.statement_history.before().is_some();
        let compared = slot.state.queries.compared;
        let (all, go): (&[_], _) = if compared { (&COMPARED, COMPARED_GO) } else { (&LATEST, LATEST_GO) };
        let mut table = Self { slot, compared, columns: all.to_vec(), room, fresh };
        table.columns.retain(|(column, _)| flipped || *column != Column::Change);
        for column in go {
            if table.figures() + 2 + TEXT > room {
                table.columns.retain(|(other, _)| *other != column);
            }
        }
        table
    }

    /// Columns that one figure takes, both of its values where two stand side by side.
    fn wide(&self, column: Column, width: usize) -> usize {
        if self.compared && column != Column::Change { width * 2 } else { width }
    }

    fn figures(&self) -> usize {
        2 + self.columns.iter().map(|(column, width)| self.wide(*column, *width)).sum::<usize>()
    }

    fn heads(&self) -> Vec<Line<'static>> {
        let theme = self.slot.theme;
        let mut names = vec![span("  ", theme.faint())];
        let mut below = vec![span("  ", theme.faint())];
        for (column, width) in &self.columns {
            let name = column_right(name(*column), self.wide(*column, *width));
            let sorted = sort(*column) == Some(self.slot.state.queries.sort);
            names.push(span(name, if sorted { theme.accent() } else { theme.faint() }));
            let halves = match column {
                Column::Change => " ".repeat(*width),
                _ => column_right("before", *width) + &column_right("now", *width),
            };
            below.push(span(halves, theme.faint()));
        }
        names.push(span("  query", theme.faint()));
        let lines = if self.compared { vec![names, below] } else { vec![names] };
        lines.into_iter().map(|line| Line::from(fit_spans(line, self.room))).collect()
    }

    fn row(&self, row: &Row, marked: bool) -> Line<'static> {
        let theme = self.slot.theme;
        let mut spans = vec![span(if marked { "› " } else { "  " }, theme.accent())];
        for (column, wide) in &self.columns {
            match column {
                Column::Change => {
                    let (words, style) = self.change(row);
                    spans.push(span(column_right(&words, *wide), self.aged(style)));
                }
                Column::Bar => spans.push(self.bar(row)),
                column => {
                    if self.compared {
                        spans.push(self.figure(*column, row, row.before, *wide, theme.faint()));
                    }
                    let style = if *column == Column::Share { theme.strong() } else { theme.plain() };
                    spans.push(self.figure(*column, row, row.now, *wide, style));
                }
            }
        }
        spans.push(Span::raw("  "));
        let left = self.room.saturating_sub(width(&spans));
        spans.extend(fit_spans(self.text(row), left));
        Line::from(spans)
    }

    fn aged(&self, style: Style) -> Style {
        self.slot.theme.aged(style, self.fresh)
    }

    fn figure(&self, column: Column, row: &Row, figures: Option<Figures>, wide: usize, style: Style) -> Span<'static> {
        let words = figures.and_then(|figures| match column {
            Column::Share => Some(percent(figures.share)),
            Column::Calls => Some(format::figure(figures.calls_per_s)),
            Column::Time => Some(format::figure(figures.ms_per_call)),
            Column::Rows => Some(format::figure(figures.rows_per_call)),
            Column::Hit => figures.hit.map(percent),
            Column::Bar | Column::Change => None,
        });
        // What is counted under another one, or is our own, does not stand out.
        let style = if row.own || row.key.nested { self.slot.theme.faint() } else { style };
        span(column_right(words.as_deref().unwrap_or(symbols::NOT_YET), wide), self.aged(style))
    }

    /// The share as a bar, in eighths of a column.
    fn bar(&self, row: &Row) -> Span<'static> {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let share = row.now.filter(|_| !row.own && !row.key.nested).map_or(0.0, |figures| figures.share);
        let eighths = (share * (BAR * 8) as f64).round() as usize;
        let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
        span(format!(" {}", crate::ui::text::column(&bar, BAR)), self.aged(self.slot.theme.accent()))
    }

    /// How the time of a call changed against before the flip.
    fn change(&self, row: &Row) -> (String, Style) {
        let theme = self.slot.theme;
        match (row.change(), row.now, row.before) {
            (Some(change), ..) => change_words(change, self.slot),
            (None, None, Some(_)) => ("gone".to_owned(), theme.faint()),
            _ => ("new".to_owned(), theme.faint()),
        }
    }

    /// The text with what it is marked by, and what the filter found in it.
    fn text(&self, row: &Row) -> Spans {
        let theme = self.slot.theme;
        let style = self.aged(if row.known && !row.own && !row.key.nested { theme.plain() } else { theme.faint() });
        let mut spans = Spans::new();
        if row.own {
            spans.push(span("⌂ cockpit ", self.aged(theme.accent())));
        }
        if row.key.nested {
            spans.push(span("↳ ", self.aged(theme.faint())));
        }
        let wanted = self.slot.state.queries.filter.to_ascii_lowercase();
        let mut rest = row.text.as_str();
        // Folding ASCII moves no byte.
        while let Some(at) = rest.to_ascii_lowercase().find(&wanted).filter(|_| !wanted.is_empty()) {
            let (before, found) = rest.split_at(at);
            let (found, after) = found.split_at(wanted.len());
            spans.push(span(before, style));
            spans.push(span(found, self.aged(theme.palette.state.accent.bold()).underlined()));
            rest = after;
        }
        spans.push(span(rest, style));
        spans
    }
}

/// How a change of time reads, and how much it is to be minded.
pub fn change_words(change: f64, slot: &Slot<'_>) -> (String, Style) {
    let theme = slot.theme;
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

fn name(column: Column) -> &'static str {
    match column {
        Column::Share => "share",
        Column::Bar => "",
        Column::Calls => "calls/s",
        Column::Time => "ms/call",
        Column::Rows => "rows/call",
        Column::Hit => "hit",
        Column::Change => "Δ ms",
    }
}

fn sort(column: Column) -> Option<Sort> {
    match column {
        Column::Share => Some(Sort::Share),
        Column::Bar => None,
        Column::Calls => Some(Sort::Calls),
        Column::Time => Some(Sort::Time),
        Column::Rows => Some(Sort::Rows),
        Column::Hit => Some(Sort::Hit),
        Column::Change => Some(Sort::Change),
    }
}

/// A share of one: `42 %`, `0.4 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        percent if percent < 0.05 => "0 %".to_owned(),
        percent if percent < 9.95 || (99.5..100.0).contains(&percent) => format!("{:.1} %", percent.min(99.9)),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_say_no_more_than_they_know() {
        for (share, words) in
            [(0.0, "0 %"), (0.004, "0.4 %"), (0.0996, "10 %"), (0.42, "42 %"), (0.9999, "99.9 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), words);
        }
    }
}
