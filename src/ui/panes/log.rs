//! The log: one line each, time to the millisecond, the source in its colour, a program's own colours, what was searched
//! marked. Only the lines that are seen are looked at, however many there are.

use std::collections::VecDeque;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::Slot;
use crate::app::commands::CommandId;
use crate::app::log::{Filter, Level, Log, LogSource, Place, Search, Stamps};
use crate::app::log_keys::start_in_hand;
use crate::app::share::log_text;
use crate::app::state::State;
use crate::runbook::ink::{Ink, Stretch};
use crate::ui::panel::Panel;
use crate::ui::text::{Spans, column, column_right, fit_spans, span, width, wrap};
use crate::ui::theme::Theme;
use crate::ui::{format, symbols};

/// Columns of a time.
const TIME: usize = 12;
/// Columns of a source, with the blank behind it.
const SOURCE: usize = 8;
/// Widest column of partitions, and the narrowest pane that has one.
const PARTITION: usize = 10;
const WITH_PARTITIONS: u16 = 96;

/// Draws the log.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let log = &state.log;
    let rows = Rows::of(inner(slot.area), state);
    let window = rows.window();
    let inner = frame(buffer, slot, &rows, &window);
    if window.is_empty() {
        let words = if log.is_empty() {
            "Nothing was said yet.".to_owned()
        } else {
            format!("None of {} lines passes the filter.", format::count(log.len() as u64))
        };
        slot.empty(buffer, inner, &[(words, theme.faint())]);
        return;
    }
    let mut places = inner.rows();
    let marked = log.marked();
    // A line that is cut at the top shows its end.
    let most = usize::from(inner.height);
    let all: Vec<(u64, Spans)> = window
        .iter()
        .filter_map(|id| log.line(*id))
        .flat_map(|line| rows.draw(&line, theme).into_iter().map(move |spans| (line.id, spans)))
        .collect();
    for (id, spans) in all.iter().skip(all.len().saturating_sub(most)) {
        let Some(row) = places.next() else { return };
        if marked == Some(*id) {
            let wide = Rect { x: row.x - 1, width: row.width + 2, ..row };
            buffer.set_style(wide, theme.palette.ground.marked.ground());
            buffer.set_line(row.x - 1, row.y, &Line::from(span(symbols::READY, theme.accent())), 1);
        }
        buffer.set_line(row.x, row.y, &Line::from(spans.clone()), row.width);
    }
}

/// Numbers of the lines that are seen in a pane at that place, oldest first.
pub fn seen(area: Rect, state: &State) -> Vec<u64> {
    Rows::of(inner(area), state).window()
}

/// The line that is drawn in a row of the screen.
pub fn line_at(area: Rect, state: &State, y: u16) -> Option<u64> {
    let inner = inner(area);
    let rows = Rows::of(inner, state);
    let index = usize::from(y.checked_sub(inner.y).filter(|row| *row < inner.height)?);
    let heights = rows.window().into_iter().filter_map(|id| Some((id, rows.height_of(&state.log.line(id)?))));
    let all: Vec<u64> = heights.flat_map(|(id, height)| std::iter::repeat_n(id, height)).collect();
    all.get(all.len().saturating_sub(usize::from(inner.height)) + index).copied()
}

fn inner(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(2),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(2),
    }
}

/// How lines are laid out in a pane.
struct Rows<'a> {
    state: &'a State,
    log: &'a Log,
    width: usize,
    height: usize,
    /// Columns of the partitions' names.
    partitions: Option<usize>,
    /// From when on times are counted, where they are.
    start: Option<Timestamp>,
    /// Columns before the text.
    before: usize,
}

impl<'a> Rows<'a> {
    fn of(inner: Rect, state: &'a State) -> Self {
        let log = &state.log;
        let names = state.run.plan.partitions.iter().map(|partition| partition.name.as_str().len()).max();
        let partitions = names.map(|wide| wide.min(PARTITION)).filter(|_| inner.width >= WITH_PARTITIONS);
        let time = if log.stamps == Stamps::Off { 0 } else { TIME + 1 };
        Self {
            state,
            log,
            width: usize::from(inner.width),
            height: usize::from(inner.height),
            partitions,
            start: start_in_hand(state).filter(|_| log.stamps == Stamps::SinceStart),
            before: time + SOURCE + partitions.map_or(0, |wide| wide + 1),
        }
    }

    /// Numbers of the lines that are seen, oldest first.
    fn window(&self) -> Vec<u64> {
        let log = self.log;
        let Some(last) = log.passing().checked_sub(1) else { return Vec::new() };
        let (bottom, since) = match log.place() {
            Place::Follow => (last, 0),
            Place::Paused { bottom, since } => (log.older_than(bottom).min(last), since),
        };
        let mut window = VecDeque::new();
        let mut taken = 0;
        let upwards = (0..=bottom).rev().map_while(|rank| log.at(rank));
        for line in upwards {
            if taken >= self.height {
                break;
            }
            taken += self.height_of(&line);
            window.push_front(line.id);
        }
        let downwards = (bottom + 1..=last).map_while(|rank| log.at(rank));
        for line in downwards.take_while(|line| line.id < since) {
            taken += self.height_of(&line);
            if taken > self.height {
                break;
            }
            window.push_back(line.id);
        }
        window.into()
    }

    fn height_of(&self, line: &crate::app::log::Line<'_>) -> usize {
        if !self.log.wraps {
            return 1;
        }
        let glyph = if line.level >= Level::Warning { 2 } else { 0 };
        // Most lines need no wrapping to be known to take one row.
        let text = log_text(self.state, line);
        if text.len() + glyph <= self.room() {
            return 1;
        }
        wrap(&[span(format!("{}{}", " ".repeat(glyph), text), Style::new())], self.room()).len()
    }

    /// Columns for the text.
    fn room(&self) -> usize {
        self.width.saturating_sub(self.before).max(8)
    }

    /// A line as it is drawn, in as many rows as it takes.
    fn draw(&self, line: &crate::app::log::Line<'_>, theme: &Theme) -> Vec<Spans> {
        let mut before = Spans::new();
        match self.log.stamps {
            Stamps::Off => {}
            Stamps::SinceStart if self.start.is_some() => {
                let since = self.start.map(|start| format::signed(line.at.duration_since(start))).unwrap_or_default();
                before.push(span(format!("{} ", column_right(&since, TIME)), theme.faint()));
            }
            _ => before.push(span(format!("{} ", format::millisecond(line.at, &self.state.zone)), theme.faint())),
        }
        before.push(span(column(line.source.name(), SOURCE), theme.source(line.source)));
        if let Some(wide) = self.partitions {
            let name = line.partition.map_or("", |partition| partition.as_str());
            before.push(span(format!("{} ", column(name, wide)), theme.faint()));
        }
        let said = log_text(self.state, line);
        let line = &crate::app::log::Line { text: &said, ..*line };
        let text = text(line, self.log.search(), self.log.marked() == Some(line.id), theme);
        if !self.log.wraps {
            return vec![fit_spans([before, text].concat(), self.width)];
        }
        let indent = " ".repeat(width(&before));
        let rows = wrap(&text, self.room()).into_iter().enumerate().map(|(index, row)| {
            let lead = if index == 0 { before.clone() } else { vec![span(indent.clone(), theme.plain())] };
            [lead, row].concat()
        });
        rows.collect()
    }
}

/// The text of a line: its level's mark, its own colours, and what was searched.
fn text(line: &crate::app::log::Line<'_>, search: Option<&Search>, is_marked: bool, theme: &Theme) -> Spans {
    let (glyph, style) = match line.level {
        Level::Info => (None, theme.plain()),
        Level::Notice => (None, theme.bright()),
        Level::Warning => (Some(symbols::MIND), theme.mind()),
        Level::Error => (Some(symbols::FAILED), theme.danger()),
    };
    let mut spans: Spans = glyph.map(|glyph| span(format!("{glyph} "), style)).into_iter().collect();
    let plain = if line.stretches.is_empty() { style } else { theme.plain() };
    let places = search.map(|search| search.needle.places(line.text)).unwrap_or_default();
    let found = if is_marked {
        theme.badge(theme.palette.state.mind)
    } else {
        theme.mind().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    };
    let mut from = 0;
    while from < line.text.len() {
        let stretch = line.stretches.iter().find(|stretch| stretch.until as usize > from);
        let place = places.iter().find(|place| place.end > from);
        let mut until = stretch.map_or(line.text.len(), |stretch: &Stretch| stretch.until as usize);
        let is_found = place.is_some_and(|place| place.start <= from);
        if let Some(place) = place {
            until = until.min(if is_found { place.end } else { place.start });
        }
        let until = until.min(line.text.len());
        // Colours end where characters end; what does not is not drawn apart.
        let Some(piece) = line.text.get(from..until) else {
            spans.push(span(line.text.get(from..).unwrap_or_default(), plain));
            break;
        };
        let own = stretch.map_or(plain, |stretch| plain.patch(inked(stretch.ink, theme)));
        spans.push(span(piece, if is_found { found } else { own }));
        from = until;
    }
    spans
}

/// A program's ink in the theme's colours.
fn inked(ink: Ink, theme: &Theme) -> Style {
    let mut style = Style::new();
    match (ink.text, ink.ground) {
        (Some(text), _) => style = style.fg(theme.programs(text)),
        // What was meant for a program's ground cannot be read in the cockpit's colour.
        (None, Some(_)) => style = style.fg(theme.palette.ground.ink.0),
        (None, None) => {}
    }
    if let Some(ground) = ink.ground {
        style = style.bg(theme.programs(ground));
    }
    let modifiers = [
        (ink.bold, Modifier::BOLD),
        (ink.dim, Modifier::DIM),
        (ink.italic, Modifier::ITALIC),
        (ink.underlined, Modifier::UNDERLINED),
        (ink.reversed, Modifier::REVERSED),
    ];
    modifiers.into_iter().filter(|(has, _)| *has).fold(style, |style, (_, modifier)| style.add_modifier(modifier))
}

/// Draws the frame: at its left what is shown, at its right how it is looked at. Answers the room inside.
fn frame(buffer: &mut Buffer, slot: &Slot<'_>, rows: &Rows<'_>, window: &[u64]) -> Rect {
    let (log, theme) = (&slot.state.log, slot.theme);
    let mut title = slot.title("log");
    for words in shown(log.filter(), rows.state) {
        title.push(span(format!(" · {words}"), theme.mind()));
    }
    if let Some(search) = log.search() {
        title.push(span(" · ", theme.faint()));
        title.extend(searched(search, theme));
    }
    let below = window.last().map_or(0, |last| log.passing().saturating_sub(log.older_than(*last) + 1));
    let mut pieces = match (log.follows(), below) {
        (true, _) => vec![slot.faint("following")],
        (false, 0) => vec![vec![span("paused", theme.mind())]],
        (false, below) => vec![vec![span(format!("paused · {} new below", format::count(below as u64)), theme.mind())]],
    };
    if !log.follows() {
        pieces.push(vec![span(format!("{} follows", slot.state.keymap.name(CommandId::LogPause)), theme.accent())]);
    }
    if log.dropped() > 0 {
        pieces.push(slot.faint(format!("{} older lines gone", format::count(log.dropped()))));
    }
    // What does not fit beside the title is left out, the least first.
    let room = usize::from(slot.area.width).saturating_sub(width(&title) + 9);
    let mut remark = Spans::new();
    for piece in pieces {
        let gap = if remark.is_empty() { "" } else { " · " };
        if width(&remark) + gap.chars().count() + width(&piece) <= room {
            remark.push(span(gap, theme.faint()));
            remark.extend(piece);
        }
    }
    let plain = log.follows() && log.search().is_none() && log.filter().is_open();
    if plain {
        return slot.panel(buffer, title, remark);
    }
    // Where panes stand alone their names would take the remark's place, which says more now.
    let frame = if slot.state.focus == slot.pane { theme.palette.frame.focus } else { theme.palette.frame.calm };
    Panel::new(title, frame.ink()).remark(remark).draw(slot.area, buffer)
}

/// What is searched, and how many lines hold it.
fn searched(search: &Search, theme: &Theme) -> Spans {
    let mut spans = vec![span("/", theme.accent()), span(search.needle.query().to_owned(), theme.strong())];
    if search.typing {
        spans.push(span("▏", theme.accent()));
    }
    if search.needle.query().is_empty() {
        return spans;
    }
    let count = format::count(search.count() as u64);
    let (words, style) = match search.rank() {
        _ if search.count() == 0 => (" no line".to_owned(), theme.danger()),
        Some(rank) => (format!(" {} of {count}", format::count(rank as u64)), theme.plain()),
        None => (format!(" {count} lines"), theme.plain()),
    };
    spans.push(span(words, style));
    spans
}

/// What of the log is shown, where that is not everything.
fn shown(filter: &Filter, state: &State) -> Vec<String> {
    let mut words = Vec::new();
    let partitions: Vec<&str> = state.run.plan.partitions.iter().map(|partition| partition.name.as_str()).collect();
    let hidden = |name: &&str| filter.partitions.iter().flatten().any(|each| each.as_str() == *name);
    let left: Vec<&str> = partitions.iter().copied().filter(|name| !hidden(name)).collect();
    if left.len() < partitions.len() {
        words.push(some_of(&left, &partitions));
    }
    if filter.partitions.contains(&None) {
        words.push("without the run's".to_owned());
    }
    let sources: Vec<&str> = LogSource::ALL.into_iter().map(LogSource::name).collect();
    let left: Vec<&str> =
        LogSource::ALL.into_iter().filter(|source| !filter.sources.contains(source)).map(LogSource::name).collect();
    if left.len() < sources.len() {
        words.push(some_of(&left, &sources));
    }
    if filter.least > Level::Info {
        words.push(filter.least.and_above().to_owned());
    }
    words
}

/// Names what is left, or what is missing, whichever is shorter.
fn some_of(left: &[&str], all: &[&str]) -> String {
    let missing: Vec<&str> = all.iter().copied().filter(|name| !left.contains(name)).collect();
    match (left.len(), missing.len()) {
        (0, _) => format!("none of {}", all.len()),
        (shown, hidden) if shown <= hidden => format!("only {}", left.join(", ")),
        _ => format!("without {}", missing.join(", ")),
    }
}
