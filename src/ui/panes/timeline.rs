//! The failover timeline: a lane for each witness, tinted by what it says, T=0 at the accepted call, and the disruption
//! as it was measured.

use std::time::Duration;

use jiff::Timestamp;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::timescale::{TimeScale, relative};
use super::{Slot, moments};
use crate::app::commands::CommandId;
use crate::app::live::{Freshness, Live, freshness, period};
use crate::app::timeline_view::{self, Stretch};
use crate::app::unplanned;
use crate::runbook::event::FailoverMeasure;
use crate::runbook::names::{InstanceId, PartitionName};
use crate::runbook::plan::{Partition, StepKind};
use crate::runbook::timeline::{Lane, Zero};
use crate::runbook::tone::{Tone, tone};
use crate::runbook::topology::FRESH;
use crate::runbook::witness::{Witness, Word};
use crate::ui::adapt::Depth;
use crate::ui::text::{Spans, column, column_right, fit, fit_spans, span, spread, width};
use crate::ui::{format, symbols};

/// Draws the timeline.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (partition, run) = slot.state.looked_at();
    let live = slot.state.live_here().filter(|live| !live.timeline.lanes.is_empty());
    let Some(live) = live else {
        return unheard(buffer, slot, partition, run.failovers.last());
    };
    let remark = remark(slot, live);
    let title = title(slot, partition, live, width(&remark));
    let inner = slot.panel(buffer, title, remark);
    Drawing::new(slot, partition, live, inner).draw(buffer);
}

/// Nobody has answered: as in a replay, what was measured is all there is.
fn unheard(buffer: &mut Buffer, slot: &Slot<'_>, partition: &Partition, last: Option<&FailoverMeasure>) {
    let theme = slot.theme;
    let Some(last) = last.filter(|last| !last.milestones.is_empty()) else {
        let inner = slot.panel(buffer, slot.title("witnesses"), Spans::new());
        let words = format!("No witness of {} has answered yet.", partition.name);
        return slot.empty(buffer, inner, &[(words, theme.faint())]);
    };
    let how = if last.unplanned { "first sign" } else { "accepted" };
    let zero = format!("T=0 {how} {}", format::millisecond(last.accepted_at, &slot.state.zone));
    let title = if last.unplanned { unplanned_title(slot, true) } else { slot.title("last failover") };
    let inner = slot.panel(buffer, title, slot.faint(zero));
    let rows: Vec<Rect> = inner.rows().collect();
    moments::list(buffer, &rows, &last.milestones, &partition.cluster, theme);
}

fn unplanned_title(slot: &Slot<'_>, over: bool) -> Spans {
    let words = "unplanned · nobody fired it";
    if over {
        return vec![span(format!("{} {words} · over", symbols::MIND), slot.theme.mind())];
    }
    vec![span(format!("{} {words}", symbols::FAILED), slot.theme.palette.state.danger.bold())]
}

/// T=0, or how much is drawn without one; and how close it is looked at.
fn remark(slot: &Slot<'_>, live: &Live) -> Spans {
    let words = match &live.timeline.zero {
        None => format!("last {} min", timeline_view::quiet(slot.state, live)),
        Some(zero) => {
            let how = if zero.fired { "accepted" } else { "first sign" };
            format!("T=0 {how} {}", format::millisecond(zero.at, &slot.state.zone))
        }
    };
    let Some(view) = slot.state.timeline_view.words() else {
        let mut remark = slot.faint(words);
        // Where there is room and the keys go here, what they do.
        if slot.state.focus == slot.pane && slot.area.width >= 120 {
            remark.splice(
                0..0,
                [span("+ - < >", slot.theme.accent()), span(" closer wider earlier later · ", slot.theme.faint())],
            );
        }
        return remark;
    };
    // What is drawn is said by the axis; that it is not all must be said too.
    vec![
        span(format!("{view} "), slot.theme.strong()),
        span(slot.state.keymap.name(CommandId::Follow), slot.theme.accent()),
        span(format!(" whole · {words}"), slot.theme.faint()),
    ]
}

/// What it is, and how far the witnesses agree, as far as there is room beside the remark.
fn title(slot: &Slot<'_>, partition: &Partition, live: &Live, remark: usize) -> Spans {
    let (state, theme) = (slot.state, slot.theme);
    let timeline = &live.timeline;
    let name = match &timeline.zero {
        Some(zero) if !zero.fired => unplanned_title(slot, !timeline.is_open()),
        Some(_) => slot.title("failover timeline"),
        None => slot.title("witnesses"),
    };
    let agreement = timeline.agreement(state.now, FRESH);
    if agreement.voices() == 0 {
        return name;
    }
    let dot = || span(" · ", theme.faint());
    let short = |id: &InstanceId| partition.cluster.short_name(id).to_owned();
    let together = match &agreement.writer {
        Some(writer) if agreement.against.is_empty() => {
            span(format!("all {} say {}", agreement.in_favour.len(), short(writer)), theme.faint())
        }
        Some(writer) => {
            let words = format!("{} of {} say {}", agreement.in_favour.len(), agreement.voices(), short(writer));
            span(words, theme.mind())
        }
        None => span("the writer is unknown", theme.danger()),
    };
    let dissents = timeline.dissents(&agreement).into_iter().map(|dissent| {
        let (witness, age) = (label(&dissent.witness, partition), format::age_in_seconds(state.since(dissent.since)));
        format!("{witness}: {} for {age}", short(&dissent.says))
    });
    let dissents: Vec<String> = dissents.collect();
    let in_short = [slot.title("failover"), vec![dot(), together.clone()]].concat();
    let mut titles = vec![[name.clone(), vec![dot(), together.clone()]].concat()];
    if timeline.zero.as_ref().is_some_and(|zero| zero.fired) {
        titles.push(in_short);
    }
    if !dissents.is_empty() {
        let against = span(format!("{} {}", symbols::MIND, dissents.join(", ")), theme.mind());
        titles.insert(0, [name.clone(), vec![dot(), against.clone()]].concat());
        titles.insert(0, [name.clone(), vec![dot(), together, dot(), against]].concat());
    }
    // A small screen names the other panes at the right instead.
    let names_others = slot.alone && state.focus == slot.pane && !state.zoomed;
    let remark = if names_others { width(&slot.other_panes()) } else { remark };
    let room = usize::from(slot.area.width).saturating_sub(remark + 9);
    titles.into_iter().find(|title| width(title) <= room).unwrap_or(name)
}

struct Drawing<'a> {
    slot: &'a Slot<'a>,
    partition: &'a Partition,
    live: &'a Live,
    inner: Rect,
    scale: TimeScale,
    labels: usize,
    words: usize,
}

/// Failovers before the one that is drawn that have a place in a row.
const MOST_EARLIER: usize = 6;

impl<'a> Drawing<'a> {
    fn new(slot: &'a Slot<'a>, partition: &'a Partition, live: &'a Live, inner: Rect) -> Self {
        let labels = live.timeline.lanes.keys().map(|witness| label(witness, partition).len()).max().unwrap_or(0);
        let labels = labels.clamp(6, 16);
        let words = if inner.width >= 120 { 22 } else { 19 };
        let cells = usize::from(inner.width).saturating_sub(labels + 1 + words + 1);
        let Stretch { from, to } = timeline_view::stretch(slot.state, live);
        Self { slot, partition, live, inner, scale: TimeScale { from, to, cells }, labels, words }
    }

    fn zero(&self) -> Option<&'a Zero> {
        self.live.timeline.zero.as_ref()
    }

    fn draw(&self, buffer: &mut Buffer) {
        let height = usize::from(self.inner.height);
        let lanes = &self.live.timeline.lanes;
        // With little room the lanes that say most of the writer stay.
        let mut seen: Vec<&Witness> = lanes.keys().collect();
        seen.sort_by_key(|witness| rank(witness));
        // The measured disruption is worth more than the lanes that say least.
        let bracket = self.zero().is_some() && height >= 5;
        let extra = (height - usize::from(bracket)).saturating_sub(seen.len());
        let (axis, earlier) = (extra >= 1, extra >= 2);
        seen.truncate(height - usize::from(axis) - usize::from(bracket));
        seen.sort();

        let mut rows = self.inner.rows();
        if axis {
            rows.next().into_iter().for_each(|row| self.axis(buffer, row));
        }
        for witness in seen {
            if let (Some(row), Some(lane)) = (rows.next(), lanes.get(witness)) {
                self.lane(buffer, row, witness, lane);
            }
        }
        if bracket {
            rows.next().into_iter().for_each(|row| self.bracket(buffer, row));
        }
        if earlier {
            rows.next().into_iter().for_each(|row| self.earlier(buffer, row));
        }
        let rest: Vec<Rect> = rows.collect();
        moments::draw(buffer, &rest, &self.live.timeline.milestones(), &self.partition.cluster, self.slot.theme);
    }

    fn bar(&self, row: Rect) -> Rect {
        Rect { x: row.x + self.labels as u16 + 1, width: self.scale.cells as u16, ..row }
    }

    fn right(&self, row: Rect) -> Rect {
        Rect { x: row.right().saturating_sub(self.words as u16), width: self.words as u16, ..row }
    }

    fn axis(&self, buffer: &mut Buffer, row: Rect) {
        let bar = self.bar(row);
        let theme = self.slot.theme;
        let origin = self.zero().map_or_else(|| timeline_view::until(self.slot.state, self.live), |zero| zero.at);
        let mut free = 0;
        for (cell, seconds) in self.scale.ticks(origin, 9) {
            let words = match (self.zero(), seconds) {
                (Some(_), 0) => "T=0".to_owned(),
                (Some(_), seconds) => format!("T{seconds:+}"),
                (None, seconds) => relative(seconds),
            };
            let crowded = self.zero().is_none() && cell + words.len() + 5 > self.scale.cells;
            if cell >= free && cell + words.len() <= self.scale.cells && !crowded {
                let style = if seconds == 0 && self.zero().is_some() { theme.strong() } else { theme.faint() };
                buffer.set_string(bar.x + cell as u16, bar.y, &words, style);
                free = cell + words.chars().count() + 2;
            }
        }
        if self.zero().is_none() {
            buffer.set_string(bar.right().saturating_sub(3), bar.y, "now", theme.faint());
        }
    }

    fn lane(&self, buffer: &mut Buffer, row: Rect, witness: &Witness, lane: &Lane) {
        let theme = self.slot.theme;
        let name = column(&label(witness, self.partition), self.labels);
        buffer.set_string(row.x, row.y, name, theme.plain());
        let freshness = self.freshness(witness, lane);
        self.segments(buffer, self.bar(row), witness, lane, freshness);
        let right = self.right(row);
        buffer.set_line(right.x, right.y, &self.last_word(witness, lane, freshness), right.width);
    }

    fn freshness(&self, witness: &Witness, lane: &Lane) -> Freshness {
        let pace = self.slot.state.pace_of(&self.partition.name);
        let age = self.slot.state.since(lane.last.at);
        period(witness, pace).map_or(Freshness::Live, |period| freshness(age, period))
    }

    fn segments(&self, buffer: &mut Buffer, bar: Rect, witness: &Witness, lane: &Lane, freshness: Freshness) {
        let theme = self.slot.theme;
        let from = self.zero().map(|zero| &zero.from);
        // A lane ends where its witness was last heard: silence is not drawn as agreement.
        let heard = if freshness == Freshness::Live { self.slot.state.now } else { lane.last.at };
        let ends = lane.segments.iter().skip(1).map(|next| next.since).chain([heard]);
        let mut brief_trouble = Vec::new();
        for (segment, end) in lane.segments.iter().zip(ends) {
            let words = said(&segment.word, witness, self.partition);
            let mut cells = self.scale.cells_between(segment.since, end);
            if matches!(segment.word, Word::Happened { .. }) {
                // An event is a moment; its mark is as long as its name, or until the next one.
                let begin = self.scale.cell(segment.since);
                if !(0..self.scale.cells as i64).contains(&begin) {
                    continue;
                }
                let next = usize::try_from(self.scale.cell(end)).unwrap_or(0).max(begin as usize + 1);
                let long = begin as usize + words.chars().count() + 2;
                cells = begin as usize..long.min(next).min(self.scale.cells);
            }
            let mood = tone(&segment.word, from);
            if cells.is_empty() {
                let begin = self.scale.cell(segment.since);
                let seen = (0..self.scale.cells as i64).contains(&begin);
                if seen && matches!(mood, Tone::Down | Tone::Moving) {
                    brief_trouble.push((begin as usize, mood));
                }
                continue;
            }
            self.stretch_of(buffer, bar, cells, mood, &words);
        }
        // Trouble that is shorter than a cell is still trouble.
        for (cell, mood) in brief_trouble {
            let colours = theme.lane(mood);
            buffer.set_string(bar.x + cell as u16, bar.y, "▏", colours.ink.ink().patch(colours.ground.ground()));
        }
    }

    fn stretch_of(&self, buffer: &mut Buffer, bar: Rect, cells: std::ops::Range<usize>, mood: Tone, words: &str) {
        let theme = self.slot.theme;
        let colours = theme.lane(mood);
        let style = colours.ink.ink().patch(colours.ground.ground());
        let wide = cells.len();
        let inside = fit(words, wide.saturating_sub(2));
        // A word of which next to nothing is left says nothing.
        let inside = if inside == words || inside.chars().count() > 3 { inside } else { String::new() };
        let text = column(&format!("▏{inside}"), wide);
        buffer.set_string(bar.x + cells.start as u16, bar.y, text, style);
        if matches!(theme.depth, Depth::None | Depth::Ansi) {
            // Without tints the ground itself has to show.
            let fill = match mood {
                Tone::Down => "▒",
                Tone::Moving => "░",
                Tone::Old | Tone::New | Tone::Good | Tone::Neutral => "─",
            };
            let from = cells.start + 1 + inside.chars().count();
            for cell in from..cells.end {
                buffer.set_string(bar.x + cell as u16, bar.y, fill, style);
            }
        }
    }

    /// What the witness said last, and how long ago; of a silent one, since when it is silent.
    fn last_word(&self, witness: &Witness, lane: &Lane, freshness: Freshness) -> Line<'static> {
        let theme = self.slot.theme;
        let state = self.slot.state;
        let mut words = said(&lane.last.word, witness, self.partition);
        if let Word::Writer { writes: Some(writes), .. } = &lane.last.word {
            words.push_str(if *writes { " rw" } else { " ro" });
        }
        let mood = tone(&lane.last.word, self.zero().map(|zero| &zero.from));
        let live = if *witness == Witness::Events { theme.faint() } else { theme.lane(mood).ink.ink() };
        let silent = matches!(lane.last.word, Word::Silent { .. });
        let since = lane.segments.last().filter(|_| silent).map_or(lane.last.at, |segment| segment.since);
        let age = state.since(since);
        let age_style = if silent { theme.danger() } else { theme.age(freshness) };
        let age = match freshness {
            _ if silent => format::age_in_seconds(age),
            Freshness::Live if self.slot.state.is_calm_in(&self.partition.name) => format::age_in_steps(age),
            _ if age < Duration::from_secs(10) => format::age(age),
            _ => format::age_in_seconds(age),
        };
        let mut left = vec![span(" ", theme.plain())];
        if freshness != Freshness::Live {
            left.push(span(format!("{} ", symbols::STALE), theme.age(freshness)));
        }
        left.push(span(words, theme.aged(live, freshness)));
        spread(left, vec![span(column_right(&age, 5), age_style)], self.words)
    }

    /// The disruption as a bracket under the lanes.
    fn bracket(&self, buffer: &mut Buffer, row: Rect) {
        let theme = self.slot.theme;
        let bar = self.bar(row);
        buffer.set_string(row.x, row.y, column("writes", self.labels), theme.strong());
        let timeline = &self.live.timeline;
        let now = self.slot.state.now;
        let (Some((began, recovered)), Some(disruption)) = (timeline.outage(), timeline.disruption(now)) else {
            buffer.set_string(bar.x, bar.y, fit("no interruption seen", self.scale.cells), theme.faint());
            return;
        };
        let style = if recovered.is_none() { theme.palette.state.danger.bold() } else { theme.danger() };
        let words = disruption.to_string();
        let until = recovered.unwrap_or(now);
        if until > self.scale.from && began < self.scale.to {
            let cells = self.scale.cells_between(began, until);
            let cells = cells.start..cells.end.max(cells.start + 1).min(self.scale.cells);
            // An end that lies beyond what is drawn, or is not there yet, is left open.
            let begin = if began < self.scale.from { "╌" } else { "├" };
            let end = if recovered.is_none_or(|at| at > self.scale.to) { "╌" } else { "┤" };
            let inner = cells.len().saturating_sub(2);
            let long = words.chars().count() + 2;
            if inner >= long + 2 {
                let before = (inner - long) / 2;
                let text = format!("{begin}{} {words} {}{end}", "─".repeat(before), "─".repeat(inner - long - before));
                buffer.set_string(bar.x + cells.start as u16, bar.y, text, style);
            } else {
                let text = format!("{begin}{}{end} {words}", "─".repeat(inner));
                let x = cells.start.min(self.scale.cells.saturating_sub(text.chars().count()));
                buffer.set_string(bar.x + x as u16, bar.y, fit(&text, self.scale.cells), style);
            }
        } else {
            let text = if began >= self.scale.to { format!("{words} ›") } else { format!("‹ {words}") };
            let x = if began >= self.scale.to { self.scale.cells.saturating_sub(text.chars().count()) } else { 0 };
            buffer.set_string(bar.x + x as u16, bar.y, fit(&text, self.scale.cells), style);
        }
        let right = self.right(row);
        let word = match recovered {
            Some(at) => span(format!(" back at {}", format::second(at, &self.slot.state.zone)), theme.plain()),
            None => span(" DOWN", theme.palette.state.danger.bold()),
        };
        buffer.set_line(right.x, right.y, &Line::from(fit_spans(vec![word], self.words)), right.width);
    }

    /// What is expected here, and what the failovers before this one took.
    fn earlier(&self, buffer: &mut Buffer, row: Rect) {
        let theme = self.slot.theme;
        let state = self.slot.state;
        let here = state.run.place(&self.partition.name);
        let is_before = |name: &PartitionName, accepted: Timestamp| {
            let is_here = *name == self.partition.name;
            if is_here { self.zero().is_none_or(|zero| accepted < zero.at) } else { state.run.place(name) < here }
        };
        let before: Vec<_> = unplanned::measured(state)
            .into_iter()
            .filter(|(name, failover)| is_before(name, failover.accepted_at))
            .collect();
        // Of a fleet's, the last ones: a row has no room for more.
        let figures: Vec<String> = before
            .into_iter()
            .rev()
            .take(MOST_EARLIER)
            .rev()
            .filter_map(|(name, failover)| {
                let how = if failover.unplanned { " unplanned" } else { "" };
                Some(format!("{name}{how} {}", format::seconds(failover.disruption?.length)))
            })
            .collect();
        let step = self.partition.steps.iter().find(|step| step.kind == StepKind::Failover);
        let mut parts = Vec::new();
        if !figures.is_empty() {
            parts.push(format!("earlier: {}", figures.join(" · ")));
        }
        if let Some(expected) = timeline_view::expected(self.partition) {
            parts.push(format!("a failover here usually takes {}", format::took(expected)));
        }
        parts.extend(step.and_then(|step| step.impact.clone()));
        // A part that does not fit is left out whole.
        while parts.len() > 1 && parts.join(" · ").chars().count() > usize::from(row.width) {
            parts.pop();
        }
        let words = fit(&parts.join(" · "), usize::from(row.width));
        buffer.set_string(row.x, row.y, words, theme.faint());
    }
}

/// Which lanes stay when there is no room for all.
fn rank(witness: &Witness) -> u8 {
    match witness {
        Witness::SqlEndpoint | Witness::Writes => 0,
        Witness::SqlInstance(_) => 1,
        Witness::Dns => 2,
        Witness::ApiWriter => 3,
        Witness::ApiStatus => 4,
        Witness::Application => 5,
        Witness::Pods => 6,
        Witness::Events => 7,
    }
}

pub(in crate::ui) fn label(witness: &Witness, partition: &Partition) -> String {
    match witness {
        Witness::SqlInstance(id) => format!("SQL {}", partition.cluster.short_name(id)),
        Witness::Application => {
            let path = partition.application.as_ref().map_or("", |application| application.health_path.as_str());
            if path.is_empty() || path.len() > 11 { "app".to_owned() } else { format!("app {path}") }
        }
        other => other.to_string(),
    }
}

/// A word as it stands in a lane.
pub(in crate::ui) fn said(word: &Word, witness: &Witness, partition: &Partition) -> String {
    let short = |instance: &InstanceId| partition.cluster.short_name(instance).to_owned();
    match (word, witness) {
        (Word::Writer { instance, .. }, Witness::SqlInstance(own)) if instance == own => "WRITER".to_owned(),
        (Word::Writer { instance, .. }, _) => short(instance),
        (Word::Reader, Witness::SqlInstance(_)) => "replica".to_owned(),
        (Word::Reader, _) => "a reader".to_owned(),
        (Word::Status { text, .. } | Word::Happened { text }, _) => text.clone(),
        (Word::Silent { reason }, _) => reason.clone(),
    }
}
