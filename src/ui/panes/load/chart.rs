//! The chart: columns of eighths of a cell, one colour a wait event, the vCPUs as a line, the flip as a seam.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Line;

use super::Slot;
use super::standing::Standing;
use crate::app::live::{Freshness, Live};
use crate::app::load_history::{InstanceLoad, Resolution, Series, length};
use crate::runbook::names::InstanceId;
use crate::ui::adapt::Depth;
use crate::ui::format;
use crate::ui::panes::timescale::{TimeScale, relative};
use crate::ui::text::{Spans, column_right, fit, span, spread};

/// Lengths of time that a column may stand for, in seconds.
const COLUMNS: [i64; 9] = [1, 2, 5, 10, 15, 30, 60, 120, 300];
/// Stretch of time that is drawn where there is room for it: by the second, and by the minute.
const STRETCH: i64 = 240;
const HOUR: i64 = 3600;
/// How far ahead of this machine's the service's clock may be, for its newest figures to be drawn all the same.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);
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
/// Columns without figures that are a gap and not the wait for the newest.
const GAP: usize = 3;

/// Sessions by wait event in one column; none where nothing was said of that time.
type Column = Option<BTreeMap<String, f64>>;

/// A chart in its place.
pub(super) struct Chart<'a> {
    slot: &'a Slot<'a>,
    /// Row for a name, where there are several charts.
    head: Option<Rect>,
    plot: Rect,
    axis: Option<Rect>,
    legend: Rect,
    scale: TimeScale,
    columns: Vec<Column>,
    layers: Vec<String>,
    top: f64,
    /// vCPUs in each column.
    vcpus: Vec<Option<u32>>,
    seams: Vec<Timestamp>,
}

impl<'a> Chart<'a> {
    /// The load of the writer's role.
    pub fn of_role(slot: &'a Slot<'a>, live: &Live, room: Rect) -> Self {
        let resolution = resolution(slot, live.load.of_writer());
        let newest = live.load.of_writer().and_then(InstanceLoad::newest);
        let places = Places::of(room, 1);
        let scale = scale(slot, resolution, newest, usize::from(places.plots[0].width));
        let series = live.load.of_role(resolution, (scale.from, scale.to));
        let vcpus = |at| live.load.instances.get(live.load.holder(at)?)?.vcpus(at);
        let seams = live.load.seams().iter().map(|held| held.since).collect();
        let chart = Self {
            slot,
            head: None,
            plot: places.plots[0],
            axis: places.axis,
            legend: places.legend,
            columns: columns(&series, &scale),
            layers: Vec::new(),
            top: 0.0,
            vcpus: over(&scale, vcpus),
            seams,
            scale,
        };
        let mut charts = vec![chart];
        share_a_scale(&mut charts);
        charts.remove(0)
    }

    /// The load of these instances, each with a chart of its own and all on one scale.
    pub fn of_instances(slot: &'a Slot<'a>, live: &Live, instances: &[&InstanceId], room: Rect) -> Vec<Self> {
        let known: Vec<Option<&InstanceLoad>> = instances.iter().map(|id| live.load.instances.get(*id)).collect();
        let first = known.iter().flatten().copied().next();
        let resolution = resolution(slot, first);
        let newest = known.iter().flatten().filter_map(|load| load.newest()).max();
        let places = Places::of(room, instances.len());
        let scale = scale(slot, resolution, newest, usize::from(places.plots[0].width));
        let charts = instances.iter().zip(&known).zip(places.plots.iter().zip(&places.heads));
        let mut charts: Vec<Self> = charts
            .map(|((id, known), (plot, head))| Self {
                slot,
                head: Some(*head),
                plot: *plot,
                axis: places.axis,
                legend: places.legend,
                columns: columns(&live.load.of_instance(id, resolution, (scale.from, scale.to)), &scale),
                layers: Vec::new(),
                top: 0.0,
                vcpus: over(&scale, |at| known.and_then(|load| load.vcpus(at))),
                seams: live.load.seams().iter().map(|held| held.since).collect(),
                scale,
            })
            .collect();
        share_a_scale(&mut charts);
        charts
    }

    /// Whether nothing is known of the time that is drawn.
    pub fn is_empty(&self) -> bool {
        self.columns.iter().all(Option::is_none)
    }

    /// Draws all of it; some words stand in for the legend where there are any.
    pub fn draw(&self, buffer: &mut Buffer, fresh: Freshness, words: Option<(String, Style)>) {
        self.body(buffer, fresh);
        self.time_axis(buffer);
        match words {
            Some((words, style)) => {
                let words = fit(&words, usize::from(self.legend.width));
                buffer.set_string(self.legend.x, self.legend.y, words, style);
            }
            None => self.draw_legend(buffer, 0),
        }
    }

    /// Draws one of several, without axis and legend.
    pub fn draw_one(
        &self,
        buffer: &mut Buffer,
        fresh: Freshness,
        (left, right): (Spans, Spans),
        standing: &Standing<'_>,
    ) {
        if let Some(head) = self.head {
            buffer.set_line(head.x, head.y, &spread(left, right, usize::from(head.width)), head.width);
        }
        if self.is_empty() {
            return self.slot.empty(buffer, self.plot, &standing.words(self.slot, self.plot));
        }
        self.body(buffer, fresh);
        if let (Standing::Off(..) | Standing::Denied(..) | Standing::Trouble(..), Some((words, style))) =
            (standing, standing.line(self.slot))
        {
            buffer.set_string(self.plot.x, self.plot.y, fit(&words, usize::from(self.plot.width)), style);
        }
    }

    /// Draws axis and legend below several; `hidden` instances had no room.
    pub fn foot(&self, buffer: &mut Buffer, hidden: usize) {
        self.time_axis(buffer);
        self.draw_legend(buffer, hidden);
    }

    fn body(&self, buffer: &mut Buffer, fresh: Freshness) {
        self.figures(buffer);
        self.vcpu_line(buffer);
        self.seams(buffer);
        self.gaps(buffer, fresh);
        for (index, column) in self.columns.iter().enumerate() {
            let x = self.plot.x + index as u16;
            if let Some(column) = column {
                self.column(buffer, x, column, fresh);
            }
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
        if let Some((vcpus, row)) = self.vcpu_rows().last().copied().flatten() {
            set(row, format!("{vcpus} vCPU"), theme.bright());
        }
    }

    /// The row in which a bar of that height ends.
    fn row_of(&self, sessions: f64) -> usize {
        let level = self.level(sessions).max(1);
        self.height().saturating_sub(level.div_ceil(8))
    }

    /// In each column the vCPUs and the row of their line, where it is within the scale.
    fn vcpu_rows(&self) -> Vec<Option<(u32, usize)>> {
        let row = |vcpus: &Option<u32>| {
            let vcpus = vcpus.filter(|vcpus| *vcpus > 0 && f64::from(*vcpus) <= self.top)?;
            Some((vcpus, self.row_of(f64::from(vcpus))))
        };
        self.vcpus.iter().map(row).collect()
    }

    /// The vCPUs; where the class changed, the line has a step, and what it was before is said at it.
    fn vcpu_line(&self, buffer: &mut Buffer) {
        let theme = self.slot.theme;
        let rows = self.vcpu_rows();
        if rows.iter().all(Option::is_none) {
            let vcpus = self.vcpus.last().copied().flatten().filter(|vcpus| *vcpus > 0);
            if let Some(words) = vcpus.map(|vcpus| format!("{vcpus} vCPU are far above ↑")) {
                let x = self.plot.right().saturating_sub(words.chars().count() as u16);
                buffer.set_string(x, self.plot.y, words, theme.faint());
            }
            return;
        }
        for (index, row) in rows.iter().enumerate() {
            if let Some((_, row)) = row {
                buffer.set_string(self.plot.x + index as u16, self.plot.y + *row as u16, "╌", theme.ghost());
            }
        }
        for (index, pair) in rows.windows(2).enumerate() {
            if let [Some((before, row)), Some((after, _))] = pair
                && before != after
            {
                let words = format!("{before} vCPU ");
                let x = (self.plot.x + index as u16 + 1).saturating_sub(words.len() as u16).max(self.plot.x);
                buffer.set_string(x, self.plot.y + *row as u16, words, theme.faint());
            }
        }
    }

    /// Where the writer's role moved to another instance, and when.
    fn seams(&self, buffer: &mut Buffer) {
        let theme = self.slot.theme;
        for seam in &self.seams {
            let cell = self.scale.cell(*seam);
            let Some(cell) = usize::try_from(cell).ok().filter(|cell| *cell < self.scale.cells) else { continue };
            let x = self.plot.x + cell as u16;
            for y in self.plot.y..self.plot.bottom() {
                buffer.set_string(x, y, "┊", theme.accent());
            }
            let long = format!("flip {}", format::second(*seam, &self.slot.state.zone));
            let fits = |words: &str| {
                let width = words.chars().count();
                let right = (cell + width + 1 < self.scale.cells).then_some(x + 1);
                right.or_else(|| (cell >= width).then(|| x - width as u16))
            };
            let Some((words, at)) = [long.as_str(), "flip"].into_iter().find_map(|words| Some((words, fits(words)?)))
            else {
                continue;
            };
            buffer.set_string(at, self.plot.y, words, theme.accent());
        }
    }

    /// Stretches of which nothing is known: dotted, and said where there is room. What lies before the first figure is none,
    /// nor is the wait for the newest.
    fn gaps(&self, buffer: &mut Buffer, fresh: Freshness) {
        let theme = self.slot.theme;
        let (Some(first), Some(last)) =
            (self.columns.iter().position(Option::is_some), self.columns.iter().rposition(Option::is_some))
        else {
            return;
        };
        let end = if fresh == Freshness::Live { last } else { self.columns.len() };
        let mut from = first;
        while let Some(begin) = (from..end).find(|index| self.columns[*index].is_none()) {
            let until = (begin..end).find(|index| self.columns[*index].is_some()).unwrap_or(end);
            from = until;
            if until - begin < GAP {
                continue;
            }
            let (x, y) = (self.plot.x + begin as u16, self.plot.bottom().saturating_sub(1));
            buffer.set_string(x, y, "·".repeat(until - begin), theme.ghost());
            let words = "no figures";
            if until - begin >= words.len() + 2 {
                let middle = (until - begin - words.len()) / 2;
                buffer.set_string(x + middle as u16, y, words, theme.faint());
            }
        }
    }

    fn column(&self, buffer: &mut Buffer, x: u16, column: &BTreeMap<String, f64>, fresh: Freshness) {
        if column.values().sum::<f64>() <= 0.0 {
            // Measured, and nothing: that is not the same as no figure.
            buffer.set_string(x, self.plot.bottom().saturating_sub(1), "▁", self.slot.theme.ghost());
            return;
        }
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
    fn draw_legend(&self, buffer: &mut Buffer, hidden: usize) {
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
        if hidden > 0 {
            spans.push(span(format!("  {hidden} more instances: z"), theme.faint()));
        }
        buffer.set_line(self.legend.x, self.legend.y, &Line::from(spans), self.legend.width);
    }
}

/// Where one or more charts stand.
struct Places {
    heads: Vec<Rect>,
    plots: Vec<Rect>,
    axis: Option<Rect>,
    legend: Rect,
}

impl Places {
    /// One chart has the room to itself; several have a row for a name each.
    fn of(room: Rect, charts: usize) -> Self {
        let has_axis = room.height >= 6;
        let below = 1 + u16::from(has_axis);
        let charts = charts.max(1) as u16;
        let names = u16::from(charts > 1);
        let all = room.height.saturating_sub(below);
        let each = all / charts;
        let (mut heads, mut plots) = (Vec::new(), Vec::new());
        for chart in 0..charts {
            // What is left over goes to the first.
            let spare = all - each * charts;
            let height = each + if chart == 0 { spare } else { 0 };
            let y = room.y + each * chart + if chart == 0 { 0 } else { spare };
            heads.push(Rect { y, height: 1.min(height), ..room });
            plots.push(Rect {
                x: room.x + FIGURES,
                y: y + names.min(height),
                width: room.width.saturating_sub(FIGURES),
                height: height.saturating_sub(names),
            });
        }
        let axis = Rect { x: room.x + FIGURES, width: room.width.saturating_sub(FIGURES), y: room.y + all, height: 1 };
        let legend = Rect { y: room.bottom().saturating_sub(1), height: 1, ..room };
        Self { heads, plots, axis: has_axis.then_some(axis), legend }
    }
}

/// How fine the chart is: as it is looked at, but by the minute where only CloudWatch is to be had.
fn resolution(slot: &Slot<'_>, load: Option<&InstanceLoad>) -> Resolution {
    if load.is_some_and(InstanceLoad::by_cloudwatch) { Resolution::Minutes } else { slot.state.load.resolution }
}

fn scale(slot: &Slot<'_>, resolution: Resolution, newest: Option<Timestamp>, cells: usize) -> TimeScale {
    let cells = cells.max(1);
    let wanted = match resolution {
        Resolution::Seconds => (STRETCH / cells as i64).max(1),
        // All of the hour.
        Resolution::Minutes => (HOUR as u64).div_ceil(cells as u64) as i64,
    };
    let seconds = COLUMNS.into_iter().find(|seconds| *seconds >= wanted).unwrap_or(300);
    // The service's clock may be ahead: its newest figures are of now all the same.
    let now = slot.state.now;
    let now = newest.map_or(now, |newest| newest.min(now + AHEAD).max(now));
    // Columns begin at round times, so that a bar keeps its shape while it moves left.
    let last = (now - SignedDuration::from_millis(1)).as_second().div_euclid(seconds) + 1;
    let to = Timestamp::from_second(last * seconds).unwrap_or(now);
    TimeScale { from: to - SignedDuration::from_secs(seconds * cells as i64), to, cells }
}

/// What holds in the middle of each column.
fn over<T>(scale: &TimeScale, of: impl Fn(Timestamp) -> Option<T>) -> Vec<Option<T>> {
    let whole = scale.to.duration_since(scale.from);
    let cells = scale.cells.max(1) as i32;
    (0..scale.cells as i32).map(|cell| of(scale.from + whole * cell / cells + whole / cells / 2)).collect()
}

/// Gives all charts the same layers and the same upper end, so that they can be compared.
fn share_a_scale(charts: &mut [Chart<'_>]) {
    let columns = || charts.iter().flat_map(|chart| chart.columns.iter().flatten());
    let peak = columns().map(|column| column.values().sum::<f64>()).fold(0.0, f64::max);
    let mut layers: Vec<String> = columns().flat_map(BTreeMap::keys).cloned().collect();
    // CPU at the ground, the others by name, so that the order does not change with the load.
    layers.sort_by_key(|name| (name != "CPU", name.clone()));
    layers.dedup();
    // Where next to nothing runs, the drawing goes close; the vCPUs are then above it.
    let most = charts.iter().flat_map(|chart| chart.vcpus.iter().flatten()).max();
    let vcpus = most.map_or(0.0, |vcpus| f64::from(*vcpus)) * 1.15;
    let ceiling = if peak < vcpus * NEXT_TO_NOTHING { peak * 1.5 } else { peak.max(vcpus) };
    let top = TOPS.into_iter().find(|top| *top >= ceiling).unwrap_or(ceiling);
    for chart in charts {
        chart.layers.clone_from(&layers);
        chart.top = top;
    }
}

/// The smallest round distance that parts the scale evenly into no more than five.
fn round_step(top: f64) -> f64 {
    let even = |step: &&f64| {
        let parts = top / **step;
        parts <= 5.0 && (parts - parts.round()).abs() < 1e-6
    };
    STEPS.iter().find(even).copied().unwrap_or(top)
}

/// The mean of the points in each column, by wait event. A point longer than a column is in each that it covers.
fn columns(series: &Series<'_>, scale: &TimeScale) -> Vec<Column> {
    let mut sums: Vec<(f64, BTreeMap<String, f64>)> = vec![Default::default(); scale.cells];
    for point in series {
        // A point is told by the end of its period.
        let (first, last) =
            (scale.cell(point.at - length(point)), scale.cell(point.at - SignedDuration::from_millis(1)));
        for cell in first.max(0)..=last {
            let Some((count, waits)) = usize::try_from(cell).ok().and_then(|cell| sums.get_mut(cell)) else { break };
            *count += 1.0;
            for (wait, sessions) in &point.by_wait {
                *waits.entry(wait.clone()).or_insert(0.0) += sessions;
            }
        }
    }
    let mean = |(count, mut waits): (f64, BTreeMap<String, f64>)| {
        waits.values_mut().for_each(|sum| *sum /= count);
        (count > 0.0).then_some(waits)
    };
    sums.into_iter().map(mean).collect()
}
