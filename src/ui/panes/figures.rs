//! One line above the load: what CloudWatch and the slow-query log say of the cluster.

use jiff::SignedDuration;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Slot;
use crate::app::live::{Freshness, Live, freshness};
use crate::app::load_history::InstanceLoad;
use crate::clients::{Trouble, TroubleKind};
use crate::ui::format;
use crate::ui::text::{Spans, fit_spans, span};
use crate::watch::sample::{InstanceMetrics, Source};

/// Rows that the load needs for itself.
const ROWS: u16 = 8;
/// Length of the period that a figure of CloudWatch stands for, and between two of them.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Draws the line where there is room for it, and answers the room that is left.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>, room: Rect) -> Rect {
    let Some(live) = slot.state.live_here().filter(|_| room.height > ROWS) else { return room };
    let words = match (metrics(slot, live), slow(slot, live)) {
        (metrics, slow) if metrics.is_empty() || slow.is_empty() => [metrics, slow].concat(),
        (metrics, slow) => [metrics, slot.faint(" · "), slow].concat(),
    };
    if words.is_empty() {
        return room;
    }
    buffer.set_line(room.x, room.y, &Line::from(fit_spans(words, usize::from(room.width))), room.width);
    Rect { y: room.y + 1, height: room.height - 1, ..room }
}

/// `31 connections · CPU 4 % · lag 18 ms`.
fn metrics(slot: &Slot<'_>, live: &Live) -> Spans {
    let theme = slot.theme;
    if let Some((_, trouble)) = live.troubles.get(&Source::Metrics) {
        return vec![span(format!("CloudWatch {}", unread(trouble)), theme.mind())];
    }
    let Some(metrics) = &live.metrics else { return Spans::new() };
    let writer = live.cluster.as_ref().and_then(|cluster| cluster.value.writer.as_ref());
    let (of_writer, of_readers): (Vec<_>, Vec<_>) =
        metrics.value.instances.iter().partition(|one| Some(&one.instance) == writer);
    let Some(newest) = metrics.value.instances.iter().map(|one| one.at).max() else {
        return slot.faint("CloudWatch has no figures yet");
    };
    let age = slot.state.since(newest + MINUTE);
    // What is published once a minute is told a minute or two later.
    let fresh = freshness(age, MINUTE.unsigned_abs() * 2);
    let figures = [
        of_writer.first().and_then(|one| one.connections).map(|figure| format!("{figure:.0} connections")),
        of_writer.first().and_then(|one| one.cpu_percent).map(|figure| format!("CPU {figure:.0} %")),
        lag(&of_readers).map(|lag| format!("lag {lag:.0} ms")),
        // Where Performance Insights is silent, this is all that is known of the load.
        of_writer
            .first()
            .and_then(|one| one.load)
            .filter(|_| live.load.of_writer().is_none_or(InstanceLoad::by_cloudwatch))
            .map(|load| format!("load {}", format::figure(load))),
    ];
    let figures = figures.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let mut words = vec![span(figures, theme.aged(theme.plain(), fresh))];
    // The line is short: its age is said where it is more than usual.
    if fresh != Freshness::Live {
        words.push(span(format!(" {} old", format::age_in_seconds(age)), theme.age(fresh)));
    }
    words
}

/// How far the slowest reader is behind.
fn lag(readers: &[&InstanceMetrics]) -> Option<f64> {
    readers.iter().filter_map(|one| one.lag_ms).max_by(f64::total_cmp)
}

/// `7 slow, last 23:04:11`.
fn slow(slot: &Slot<'_>, live: &Live) -> Spans {
    let theme = slot.theme;
    if let Some((_, trouble)) = live.troubles.get(&Source::SlowLog) {
        return match trouble.kind {
            TroubleKind::NotFound => slot.faint("PostgreSQL log is not exported"),
            _ => vec![span(format!("slow-query log {}", unread(trouble)), theme.mind())],
        };
    }
    let Some(slow) = &live.slow else { return Spans::new() };
    match (slow.value.count, slow.value.last) {
        (count, Some(last)) => slot.faint(format!("{count} slow, last {}", format::second(last, &slot.state.zone))),
        _ => slot.faint("nothing slow"),
    }
}

/// Why a source says nothing, in few words; the concerns have the whole of it.
fn unread(trouble: &Trouble) -> &'static str {
    match trouble.kind {
        TroubleKind::Denied => "is not permitted",
        TroubleKind::SignedOut => "is signed out",
        TroubleKind::Throttled => "is throttled",
        _ => "does not answer",
    }
}
