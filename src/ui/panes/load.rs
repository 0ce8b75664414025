//! Average active sessions of the writer's role, stacked by wait event.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Line;

use super::timescale::{TimeScale, relative};
use super::{Slot, figures};
use crate::app::live::{Freshness, freshness};
use crate::app::load_history::LoadHistory;
use crate::ui::adapt::Depth;
use crate::ui::text::{Spans, column_right, span};
use crate::ui::{format, symbols};
use crate::watch::sample::{LoadPoint, Source};

/// Lengths of time that a column may stand for, in seconds.
const COLUMNS: [i64; 9] = [1, 2, 5, 10, 15, 30, 60, 120, 300];
/// Stretch of time that is drawn where there is room for it.
const STRETCH: i64 = 240;
/// Share of the vCPUs below which the load is next to nothing.
const NEXT_TO_NOTHING: f64 = 0.15;
/// Upper ends of the scale.
const TOPS: [f64; 20] =
    [0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0, 32.0, 48.0, 64.0, 96.0, 128.0, 256.0];
/// Distances between two figures of the scale.
const STEPS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 8.0, 16.0, 32.0, 64.0];
/// A cell filled from below, by eighths.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Fillings that tell layers apart where there are no colours.
const FILLINGS: [&str; 6] = ["█", "▒", "░", "▓", "=", "+"];
/// Columns for the figures at the left.
const FIGURES: u16 = 7;

/// Draws the load.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let (partition, _) = state.looked_at();
    let title = slot.title("average active sessions");
    let live = state.live_here();
    let trouble = live.and_then(|live| live.troubles.get(&Source::Load));
    let load = live.map(|live| &live.load).filter(|load| load.answered.is_some());
    let Some(load) = load else {
        let inner = slot.panel(buffer, title, Spans::new());
        let inner = figures::draw(buffer, slot, inner);
        let words = match trouble {
            Some((since, trouble)) => vec![
                (format!("{} Performance Insights is in trouble", symbols::MIND), theme.mind()),
                (format!("{trouble}"), theme.plain()),
                (format!("for {}", format::age_in_seconds(state.since(*since))), theme.faint()),
            ],
            None => vec![("Performance Insights has not answered yet.".to_owned(), theme.faint())],
        };
        slot.empty(buffer, inner, &words);
        return;
    };
    let answered = load.answered.unwrap_or(state.now);
    let period = load.points.values().next_back().map_or(1, |point| point.period.as_secs().max(1));
    // Performance Insights is asked every few seconds whatever runs; its figures are of the period before.
    let age = state.since(load.points.keys().next_back().copied().unwrap_or(answered).max(answered));
    let how_fresh = freshness(age, std::time::Duration::from_secs(10.max(period)));
    let whose = load.instance.as_ref().map_or("writer", |instance| partition.cluster.short_name(instance));
    let mut remark = slot.faint(format!("{whose} · {period} s · "));
    if trouble.is_some() {
        remark.insert(0, span("! Performance Insights in trouble · ", theme.mind()));
    }
    remark.push(span(format!("{} old", format::age_in_seconds(age)), theme.age(how_fresh)));
    let inner = slot.panel(buffer, title, remark);
    let inner = figures::draw(buffer, slot, inner);
    Chart::new(slot, load, inner).draw(buffer, how_fresh, trouble.map(|(_, trouble)| trouble.to_string()));
}

/// Sessions by wait event in one column; none where nothing was said of that time.
type Column = Option<BTreeMap<String, f64>>;

struct Chart<'a> {
    slot: &'a Slot<'a>,
    load: &'a LoadHistory,
    plot: Rect,
    axis: Option<Rect>,
    legend: Rect,
    scale: TimeScale,
    columns: Vec<Column>,
    layers: Vec<String>,
    top: f64,
}

impl<'a> Chart<'a> {
    fn new(slot: &'a Slot<'a>, load: &'a LoadHistory, inner: Rect) -> Self {
        let has_axis = inner.height >= 6;
        let below = 1 + u16::from(has_axis);
        let plot = Rect {
            x: inner.x + FIGURES,
            width: inner.width.saturating_sub(FIGURES),
            height: inner.height.saturating_sub(below),
            ..inner
        };
        let axis = has_axis.then_some(Rect { y: plot.bottom(), height: 1, ..plot });
        let legend = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
        let cells = usize::from(plot.width);
        let period = load.points.values().next_back().map_or(1, |point| point.period.as_secs().max(1) as i64);
        let wanted = (STRETCH / cells.max(1) as i64).max(period);
        let seconds = COLUMNS.into_iter().find(|seconds| *seconds >= wanted).unwrap_or(period);
        // Columns begin at round times, so that a bar keeps its shape while it moves left.
        let last = slot.state.now.as_second().div_euclid(seconds) + 1;
        let to = Timestamp::from_second(last * seconds).unwrap_or(slot.state.now);
        let from = to - SignedDuration::from_secs(seconds * cells as i64);
        let scale = TimeScale { from, to, cells };
        let columns = columns(load, &scale);
        let layers = layers(&columns);
        let peak = columns.iter().flatten().map(|column| column.values().sum::<f64>()).fold(0.0, f64::max);
        // Where next to nothing runs, the drawing goes close; the vCPUs are then above it.
        let vcpus = load.vcpus.map_or(0.0, f64::from) * 1.15;
        let ceiling = if peak < vcpus * NEXT_TO_NOTHING { peak * 1.5 } else { peak.max(vcpus) };
        let top = TOPS.into_iter().find(|top| *top >= ceiling).unwrap_or(ceiling);
        Self { slot, load, plot, axis, legend, scale, columns, layers, top }
    }

    fn draw(&self, buffer: &mut Buffer, fresh: Freshness, trouble: Option<String>) {
        let theme = self.slot.theme;
        self.figures(buffer);
        self.vcpu_line(buffer);
        self.seams(buffer);
        for (index, column) in self.columns.iter().enumerate() {
            let x = self.plot.x + index as u16;
            if let Some(column) = column {
                self.column(buffer, x, column, fresh);
            }
        }
        self.time_axis(buffer);
        match trouble {
            Some(trouble) => {
                let words = crate::ui::text::fit(&trouble, usize::from(self.legend.width));
                buffer.set_string(self.legend.x, self.legend.y, words, theme.mind());
            }
            None if self.layers.is_empty() => {
                let words = "no load: no session is active on the writer";
                buffer.set_string(self.legend.x, self.legend.y, words, theme.faint());
            }
            None => self.draw_legend(buffer),
        }
    }

    fn height(&self) -> usize {
        usize::from(self.plot.height)
    }

    /// Eighths of a cell from the ground up.
    fn level(&self, sessions: f64) -> usize {
        let eighths = (self.height() * 8) as f64;
        (sessions / self.top * eighths).round().clamp(0.0, eighths) as usize
    }

    /// The scale at the left: round figures where there is room, and the vCPUs at their height.
    fn figures(&self, buffer: &mut Buffer) {
        let theme = self.slot.theme;
        let height = self.height();
        let step = if height >= 8 { round_step(self.top) } else { self.top };
        let figures = (self.top / step).round() as u32;
        let mut set = |row: usize, words: String, style: Style| {
            let text = column_right(&words, usize::from(FIGURES) - 1);
            buffer.set_string(self.plot.x - FIGURES, self.plot.y + row as u16, text, style);
        };
        set(height.saturating_sub(1), "0".to_owned(), theme.faint());
        for figure in 1..=figures {
            let value = step * f64::from(figure);
            let words = match value {
                value if value.fract() < 0.001 => format!("{value:.0}"),
                value if step < 0.5 => format!("{value:.2}"),
                value => format!("{value:.1}"),
            };
            set(self.row_of(value), words, theme.faint());
        }
        if let Some(row) = self.vcpu_row() {
            set(row, format!("{} vCPU", self.load.vcpus.unwrap_or_default()), theme.bright());
        }
    }

    /// The row in which a bar of that height ends.
    fn row_of(&self, sessions: f64) -> usize {
        let level = self.level(sessions).max(1);
        self.height().saturating_sub(level.div_ceil(8))
    }

    fn vcpu_row(&self) -> Option<usize> {
        let vcpus = self.load.vcpus.filter(|vcpus| *vcpus > 0)?;
        (f64::from(vcpus) <= self.top).then(|| self.row_of(f64::from(vcpus)))
    }

    fn vcpu_line(&self, buffer: &mut Buffer) {
        let Some(row) = self.vcpu_row() else {
            let vcpus = self.load.vcpus.filter(|vcpus| *vcpus > 0);
            if let Some(words) = vcpus.map(|vcpus| format!("{vcpus} vCPU are far above ↑")) {
                let x = self.plot.right().saturating_sub(words.chars().count() as u16);
                buffer.set_string(x, self.plot.y, words, self.slot.theme.faint());
            }
            return;
        };
        let y = self.plot.y + row as u16;
        buffer.set_string(self.plot.x, y, "╌".repeat(self.scale.cells), self.slot.theme.ghost());
    }

    /// Where the writer's role moved to another instance.
    fn seams(&self, buffer: &mut Buffer) {
        let theme = self.slot.theme;
        for seam in &self.load.seams {
            let cell = self.scale.cell(*seam);
            if !(0..self.scale.cells as i64).contains(&cell) {
                continue;
            }
            let x = self.plot.x + cell as u16;
            for y in self.plot.y..self.plot.bottom() {
                buffer.set_string(x, y, "┊", theme.accent());
            }
            if cell + 6 < self.scale.cells as i64 {
                buffer.set_string(x + 1, self.plot.y, "flip", theme.accent());
            } else if cell > 5 {
                buffer.set_string(x - 4, self.plot.y, "flip", theme.accent());
            }
        }
    }

    fn column(&self, buffer: &mut Buffer, x: u16, column: &BTreeMap<String, f64>, fresh: Freshness) {
        let mut sum = 0.0;
        let mut tops = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            sum += column.get(layer).copied().unwrap_or(0.0);
            tops.push(self.level(sum));
        }
        let layer_at = |level: usize| tops.iter().position(|top| level < *top);
        for from_ground in 0..self.height() {
            let levels: Vec<Option<usize>> = (from_ground * 8..from_ground * 8 + 8).map(layer_at).collect();
            let Some((symbol, style)) = self.cell(&levels, fresh) else { break };
            let y = self.plot.bottom() - 1 - from_ground as u16;
            buffer.set_string(x, y, symbol, style);
        }
    }

    /// A cell shows two colours at most: what is lowest in it, and what is most of the rest.
    fn cell(&self, levels: &[Option<usize>], fresh: Freshness) -> Option<(&'static str, Style)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for layer in levels.iter().flatten() {
            match runs.iter_mut().find(|(known, _)| known == layer) {
                Some((_, length)) => *length += 1,
                None => runs.push((*layer, 1)),
            }
        }
        let (lowest, length) = *runs.first()?;
        let filled: usize = runs.iter().map(|(_, length)| length).sum();
        let most = runs.iter().skip(1).max_by_key(|(_, length)| *length);
        if self.slot.theme.depth == Depth::None {
            let layer = most.filter(|(_, rest)| *rest > length).map_or(lowest, |(layer, _)| *layer);
            return (filled >= 4).then_some((FILLINGS[layer % FILLINGS.len()], Style::new()));
        }
        let ground = Style::new().bg(self.slot.theme.palette.ground.screen.0);
        Some(match (most, filled) {
            (None, filled) => (EIGHTHS[filled], ground.fg(self.colour(lowest, fresh))),
            (Some((above, _)), 8) => {
                (EIGHTHS[length], Style::new().fg(self.colour(lowest, fresh)).bg(self.colour(*above, fresh)))
            }
            (Some((above, rest)), filled) => {
                let layer = if *rest > length { *above } else { lowest };
                (EIGHTHS[filled], ground.fg(self.colour(layer, fresh)))
            }
        })
    }

    fn colour(&self, layer: usize, fresh: Freshness) -> Color {
        let theme = self.slot.theme;
        match (fresh, self.layers.get(layer)) {
            // Old load does not look like load of now.
            (Freshness::Silent, _) | (_, None) => theme.palette.state.stale.0,
            (_, Some(name)) => theme.wait(name),
        }
    }

    fn time_axis(&self, buffer: &mut Buffer) {
        let Some(axis) = self.axis else { return };
        let theme = self.slot.theme;
        for (cell, seconds) in self.scale.ticks(self.slot.state.now, 12) {
            let words = relative(seconds);
            let long = words.chars().count();
            let at = cell.saturating_sub(long / 2).min(self.scale.cells.saturating_sub(long));
            buffer.set_string(axis.x + at as u16, axis.y, words, theme.faint());
        }
    }

    /// Names and colours; where there is no room for all, those with least load are left out.
    fn draw_legend(&self, buffer: &mut Buffer) {
        let theme = self.slot.theme;
        let room = usize::from(self.legend.width);
        let total = |layer: &String| self.columns.iter().flatten().filter_map(|column| column.get(layer)).sum::<f64>();
        let mut by_load: Vec<(usize, f64)> = self.layers.iter().map(total).enumerate().collect();
        by_load.sort_by(|a, b| b.1.total_cmp(&a.1));
        let wide = |layer: usize| self.layers.get(layer).map_or(0, |name| name.chars().count() + 4);
        let more = 4;
        let mut used = 0;
        let mut shown: Vec<usize> = Vec::new();
        for (layer, _) in by_load {
            let last = shown.len() + 1 == self.layers.len();
            if used + wide(layer) + if last { 0 } else { more } > room + 2 {
                break;
            }
            used += wide(layer);
            shown.push(layer);
        }
        shown.sort_unstable();
        let mut spans = Spans::new();
        for layer in &shown {
            let name = self.layers.get(*layer).cloned().unwrap_or_default();
            let filling = if theme.depth == Depth::None { FILLINGS[layer % FILLINGS.len()] } else { "■" };
            spans.push(span(format!("{filling} "), Style::new().fg(theme.wait(&name))));
            spans.push(span(format!("{name}  "), theme.plain()));
        }
        if shown.len() < self.layers.len() {
            spans.push(span(format!("+{}", self.layers.len() - shown.len()), theme.faint()));
        }
        buffer.set_line(self.legend.x, self.legend.y, &Line::from(spans), self.legend.width);
    }
}

/// The mean of the points in each column, by wait event.
/// The smallest round distance that parts the scale evenly into no more than five.
fn round_step(top: f64) -> f64 {
    let even = |step: &&f64| {
        let parts = top / **step;
        parts <= 5.0 && (parts - parts.round()).abs() < 1e-6
    };
    STEPS.iter().find(even).copied().unwrap_or(top)
}

fn columns(load: &LoadHistory, scale: &TimeScale) -> Vec<Column> {
    let mut points: Vec<Vec<&LoadPoint>> = vec![Vec::new(); scale.cells];
    for point in load.since(scale.from) {
        // A point is told by the end of its period.
        let cell = scale.cell(point.at - SignedDuration::from_millis(1));
        if let Some(slot) = usize::try_from(cell).ok().and_then(|cell| points.get_mut(cell)) {
            slot.push(point);
        }
    }
    points
        .into_iter()
        .map(|points| {
            let count = points.len() as f64;
            (!points.is_empty()).then(|| {
                let mut sums = BTreeMap::new();
                for (wait, sessions) in points.iter().flat_map(|point| &point.by_wait) {
                    *sums.entry(wait.clone()).or_insert(0.0) += sessions / count;
                }
                sums
            })
        })
        .collect()
}

/// Every wait event that is seen: CPU at the ground, the others by name, so that the order does not change with the load.
fn layers(columns: &[Column]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in columns.iter().flatten().flat_map(BTreeMap::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names.sort_by_key(|name| (name != "CPU", name.clone()));
    names
}
