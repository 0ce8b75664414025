//! Average active sessions: of the writer's role or instance by instance, by the second or by the minute, stacked by wait
//! event; the statements that make them; before and after the last flip.

use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{Slot, figures};
use crate::app::live::{Freshness, Live, freshness};
use crate::app::load_history::{InstanceLoad, Resolution};
use crate::app::load_look::LoadTable;
use crate::runbook::names::InstanceId;
use crate::ui::format;
use crate::ui::text::{Spans, span};
use crate::watch::sample::Role;
use chart::Chart;
use standing::Standing;

mod bars;
mod change;
mod chart;
mod standing;
mod statements;

/// Room with which the tables stand beside the chart, or below it, without being asked for.
const BESIDE: u16 = 150;
const BELOW: u16 = 22;
/// Rows that a message leaves to the chart at the least.
const CHART: u16 = 6;

/// Draws the load.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let state = slot.state;
    let Some(live) = state.live_here() else {
        let inner = slot.panel(buffer, title(slot), Spans::new());
        return slot.empty(buffer, inner, &[("Nobody watches this partition.".to_owned(), slot.theme.faint())]);
    };
    let inner = slot.panel(buffer, title(slot), remark(slot, live));
    let inner = figures::draw(buffer, slot, inner);
    match state.load.table {
        Some(LoadTable::Statements) => statements::draw(buffer, slot, live, inner),
        Some(LoadTable::Change) => change::draw(buffer, slot, live, inner),
        None if inner.width >= BESIDE => {
            let areas = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).spacing(3);
            let [left, right] = areas.areas(inner);
            let areas = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).spacing(1);
            let [upper, lower] = areas.areas(right);
            chart(buffer, slot, live, left);
            change::draw(buffer, slot, live, upper);
            statements::draw(buffer, slot, live, lower);
        }
        None if inner.height >= BELOW => {
            let areas = Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).spacing(1);
            let [upper, lower] = areas.areas(inner);
            let areas = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(3);
            let [left, right] = areas.areas(lower);
            chart(buffer, slot, live, upper);
            change::draw(buffer, slot, live, left);
            statements::draw(buffer, slot, live, right);
        }
        None => chart(buffer, slot, live, inner),
    }
}

fn title(slot: &Slot<'_>) -> Spans {
    let look = slot.state.load;
    let words = match (look.table, look.by_instance, look.resolution) {
        (Some(LoadTable::Statements), ..) => "top SQL by load",
        (Some(LoadTable::Change), ..) => "load before and after the flip",
        (None, false, Resolution::Seconds) => "average active sessions",
        (None, false, Resolution::Minutes) => "average active sessions · the hour",
        (None, true, Resolution::Seconds) => "active sessions by instance",
        (None, true, Resolution::Minutes) => "active sessions by instance · the hour",
    };
    slot.title(words)
}

/// Whose load, how fine, how old; with the keys, what they are.
fn remark(slot: &Slot<'_>, live: &Live) -> Spans {
    let (state, theme) = (slot.state, slot.theme);
    let mut remark = Spans::new();
    if state.focus == slot.pane {
        let (hour, whose) = (state.load.resolution, state.load.by_instance);
        let keys = [
            ("u", if hour == Resolution::Seconds { "hour" } else { "seconds" }),
            ("o", if whose { "role" } else { "instances" }),
            ("t", "SQL"),
            ("c", "flip"),
        ];
        for (key, word) in keys {
            remark.push(span(key, theme.accent()));
            remark.push(span(format!(" {word} "), theme.faint()));
        }
        remark.push(span("· ", theme.faint()));
    }
    let Some(writer) = live.load.writer() else { return remark };
    let Some(load) = live.load.of_writer() else { return remark };
    if !state.load.by_instance {
        remark.extend(slot.faint(format!("{} · ", slot.short(writer))));
    }
    let (words, age) = age(slot, load);
    remark.extend(slot.faint(format!("{words} · ")));
    remark.push(age);
    remark
}

/// What an instance's newest figures stand for, and how old they are.
fn age(slot: &Slot<'_>, load: &InstanceLoad) -> (&'static str, ratatui::text::Span<'static>) {
    let fresh = freshness_of(slot, load);
    let age = slot.state.since(newest(slot, load));
    let words = match (load.by_cloudwatch(), slot.state.load.resolution) {
        (true, _) => "CloudWatch, 60 s",
        (false, Resolution::Seconds) => "1 s",
        (false, Resolution::Minutes) => "60 s",
    };
    (words, span(format!("{} old", slot.age(age, fresh)), slot.theme.age(fresh)))
}

fn newest(slot: &Slot<'_>, load: &InstanceLoad) -> jiff::Timestamp {
    let told = if load.by_cloudwatch() { load.newest_whole() } else { load.newest().max(load.answered) };
    told.unwrap_or(slot.state.now)
}

/// How far the newest figures of an instance can be trusted.
fn freshness_of(slot: &Slot<'_>, load: &InstanceLoad) -> Freshness {
    let age = slot.state.since(newest(slot, load));
    // What CloudWatch publishes once a minute is told a minute or two later; Performance Insights is asked every ten seconds
    // where nothing runs, and its figures are of some seconds before.
    let usual = if load.by_cloudwatch() { 120 } else { 10 };
    freshness(age, std::time::Duration::from_secs(usual))
}

/// The chart, below a message where there is something to say.
fn chart(buffer: &mut Buffer, slot: &Slot<'_>, live: &Live, room: Rect) {
    if slot.state.load.by_instance {
        return by_instance(buffer, slot, live, room);
    }
    let Some(writer) = live.load.writer() else {
        // Who the writer is, nobody has said yet; whether load is measured at all may be known.
        let words = standing::any_trouble(live).map(|standing| standing.words(slot, room));
        let waiting = || vec![("Nobody has said yet who the writer is.".to_owned(), slot.theme.faint())];
        return slot.empty(buffer, room, &words.unwrap_or_else(waiting));
    };
    let standing = Standing::of(live, writer);
    let chart = Chart::of_role(slot, live, room);
    if chart.is_empty() {
        return slot.empty(buffer, room, &standing.words(slot, room));
    }
    let line = standing.line(slot);
    // A message has a row or two of its own above the chart; a short one stands in for the legend, which is then empty.
    let words = match &standing {
        Standing::Measured { .. } | Standing::NotAsked => Vec::new(),
        standing => standing.words(slot, room),
    };
    let rows = (room.height.saturating_sub(CHART)).min(2).min(words.len() as u16);
    let [above, below] = Layout::vertical([Constraint::Length(rows), Constraint::Fill(1)]).areas(room);
    for (row, (text, style)) in above.rows().zip(&words) {
        buffer.set_string(row.x, row.y, crate::ui::text::fit(text, usize::from(row.width)), *style);
    }
    let fresh = live.load.of_writer().map_or(Freshness::Silent, |load| freshness_of(slot, load));
    Chart::of_role(slot, live, below).draw(buffer, fresh, if rows == 0 { line } else { None });
}

/// A chart for each instance, the writer's first, all on one scale.
fn by_instance(buffer: &mut Buffer, slot: &Slot<'_>, live: &Live, room: Rect) {
    let members = members(live);
    // A row for its name, two at least for its bars; the axis and the legend below all.
    let most = usize::from(room.height.saturating_sub(2) / 3).max(1);
    let shown = members.get(..most.min(members.len())).unwrap_or_default();
    if shown.is_empty() {
        let words = "Nobody has said yet which instances there are.".to_owned();
        return slot.empty(buffer, room, &[(words, slot.theme.faint())]);
    }
    let names: Vec<&InstanceId> = shown.iter().map(|(id, _)| id).collect();
    let charts = Chart::of_instances(slot, live, &names, room);
    for (chart, (id, role)) in charts.iter().zip(shown) {
        let standing = Standing::of(live, id);
        let fresh = live.load.instances.get(id).map_or(Freshness::Silent, |load| freshness_of(slot, load));
        chart.draw_one(buffer, fresh, head(slot, live, id, *role), &standing);
    }
    if let Some(last) = charts.last() {
        last.foot(buffer, members.len() - shown.len());
    }
}

/// The instances, the writer first. By the API where it answers, else those whose load is known.
fn members(live: &Live) -> Vec<(InstanceId, Role)> {
    let writer = live.load.writer();
    let role = |id: &InstanceId| if Some(id) == writer { Role::Writer } else { Role::Reader };
    let mut ids: Vec<InstanceId> = match &live.cluster {
        Some(cluster) => cluster.value.members.iter().map(|member| member.id.clone()).collect(),
        None => live.load.instances.keys().cloned().collect(),
    };
    ids.sort_by_key(|id| (role(id) == Role::Reader, id.clone()));
    ids.into_iter().map(|id| (id.clone(), role(&id))).collect()
}

/// An instance's name, its role and since when, and its load of the last moments.
fn head(slot: &Slot<'_>, live: &Live, id: &InstanceId, role: Role) -> (Spans, Spans) {
    let theme = slot.theme;
    let mut left = vec![span(slot.short(id), theme.strong())];
    let since = live.load.seams().last().map(|held| format!(" since {}", format::second(held.since, &slot.state.zone)));
    let since = since.unwrap_or_default();
    left.extend(slot.faint(match role {
        Role::Writer => format!(" · writer{since}"),
        Role::Reader => format!(" · reader{}", if demoted(live, id) { since } else { String::new() }),
    }));
    let Some(load) = live.load.instances.get(id) else { return (left, Spans::new()) };
    let mut right = Spans::new();
    if let Some(newest) = load.newest().filter(|_| !load.by_cloudwatch()) {
        let span_of = (newest - SignedDuration::from_secs(10), newest);
        let points = live.load.of_instance(id, Resolution::Seconds, span_of);
        if let Some(means) = crate::app::load_history::means(points.iter().map(|point| &**point)) {
            right.push(span(format!("{} ", format::figure(means.values().sum())), theme.plain()));
            right.extend(slot.faint("· "));
        }
    }
    right.push(age(slot, load).1);
    (left, right)
}

/// Whether it was the writer before.
fn demoted(live: &Live, id: &InstanceId) -> bool {
    matches!(live.load.role.as_slice(), [.., before, _] if before.by == *id)
}

impl Slot<'_> {
    /// An instance by what tells it apart.
    fn short(&self, instance: &InstanceId) -> String {
        self.state.looked_at().0.cluster.short_name(instance).to_owned()
    }
}
