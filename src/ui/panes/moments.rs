//! The milestones of a failover: as a list where there is room for one, else side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::runbook::milestone::{Milestone, Moment};
use crate::runbook::plan::ClusterTarget;
use crate::runbook::witness::Witness;
use crate::ui::names::shorten;
use crate::ui::text::{Spans, column, column_right, fit_spans, span, width};
use crate::ui::theme::Theme;

/// Rows from which on there is room for a list.
const LIST: usize = 6;
/// Columns of a list.
const COLUMN: usize = 62;

/// Draws the milestones in what room there is.
pub fn draw(buffer: &mut Buffer, rows: &[Rect], milestones: &[Milestone], cluster: &ClusterTarget, theme: &Theme) {
    if rows.len() > LIST {
        // A row of air above it.
        list(buffer, &rows[1..], milestones, cluster, theme);
    } else {
        side_by_side(buffer, rows, milestones, cluster, theme);
    }
}

/// A line each, in as many columns as it takes. Where there is no room for all, what every failover has stays.
pub fn list(buffer: &mut Buffer, rows: &[Rect], milestones: &[Milestone], cluster: &ClusterTarget, theme: &Theme) {
    let Some(first) = rows.first() else { return };
    let columns = (usize::from(first.width) / COLUMN).max(1);
    let mut seen: Vec<&Milestone> = milestones.iter().collect();
    if seen.len() > rows.len() * columns {
        seen.retain(|milestone| milestone.what.is_of_every_failover());
    }
    for (column_index, chunk) in seen.chunks(rows.len()).take(columns).enumerate() {
        for (row, milestone) in rows.iter().zip(chunk) {
            let wide = row.width / columns as u16;
            let x = row.x + wide * column_index as u16;
            let by = shorten(&milestone.by(), cluster);
            let what = shorten(&milestone.what.to_string(), cluster);
            let style = if milestone.what.is_of_every_failover() { theme.bright() } else { theme.plain() };
            let line = vec![
                span(column_right(&after(milestone), 10), theme.strong()),
                span(format!("  {} ", column(&by, 13)), theme.faint()),
                span(what, style),
            ];
            let room = usize::from(wide).saturating_sub(2);
            buffer.set_line(x, row.y, &Line::from(fit_spans(line, room)), wide);
        }
    }
}

/// What every failover has, side by side; where there is no room for all, the latest.
fn side_by_side(buffer: &mut Buffer, rows: &[Rect], milestones: &[Milestone], cluster: &ClusterTarget, theme: &Theme) {
    let Some(first) = rows.first() else { return };
    let room = usize::from(first.width);
    let mut lines: Vec<Spans> = vec![Vec::new()];
    for milestone in milestones.iter().filter(|milestone| milestone.what.is_of_every_failover()) {
        let piece = vec![
            span(after(milestone), theme.plain()),
            span(format!(" {}", in_short(milestone, cluster)), theme.faint()),
        ];
        let last = lines.len() - 1;
        let gap = if lines[last].is_empty() { 0 } else { 3 };
        if width(&lines[last]) + gap + width(&piece) > room {
            lines.push(piece);
        } else {
            if gap > 0 {
                lines[last].push(span("   ", theme.faint()));
            }
            lines[last].extend(piece);
        }
    }
    let skipped = lines.len().saturating_sub(rows.len());
    for (row, line) in rows.iter().zip(lines.into_iter().skip(skipped)) {
        buffer.set_line(row.x, row.y, &Line::from(fit_spans(line, room)), row.width);
    }
}

/// The time since T=0, to the millisecond.
fn after(milestone: &Milestone) -> String {
    format!("T{:+.3}", milestone.after.as_secs_f64())
}

fn in_short(milestone: &Milestone, cluster: &ClusterTarget) -> String {
    let by = shorten(&milestone.by(), cluster);
    match (&milestone.what, &milestone.witness) {
        (Moment::NamesWriter { instance }, Some(Witness::Dns)) => format!("DNS → {}", cluster.short_name(instance)),
        (Moment::NamesWriter { instance }, Some(Witness::SqlInstance(own))) if own == instance => {
            format!("{by} is the writer")
        }
        (Moment::NamesWriter { instance }, _) => format!("{by}: {}", cluster.short_name(instance)),
        (Moment::FirstError { .. }, _) => format!("first error, {by}"),
        (Moment::InstancesAvailable, _) => "instances available".to_owned(),
        (what, _) => what.to_string(),
    }
}
