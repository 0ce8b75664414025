//! The log: one line each, time to the millisecond, the source in its colour.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Slot;
use crate::app::log::{Level, LogLine};
use crate::ui::text::{column, fit_spans, span};
use crate::ui::{format, symbols};

/// Draws the log.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let log = &state.log;
    let height = usize::from(slot.area.height.saturating_sub(2));
    let back = state.scrolled(slot.pane).min(log.len().saturating_sub(height));
    let mut remark = match back {
        0 => slot.faint("following"),
        back => vec![span(format!("paused {back} lines back · "), theme.mind()), span("f follows", theme.accent())],
    };
    if log.dropped() > 0 {
        remark.insert(0, span(format!("{} older lines dropped · ", log.dropped()), theme.faint()));
    }
    let inner = slot.panel(buffer, slot.title("log"), remark);
    if log.is_empty() {
        slot.empty(buffer, inner, &[("Nothing was said yet.".to_owned(), theme.faint())]);
        return;
    }
    let partitions = state.run.plan.partitions.iter().map(|partition| partition.name.as_str().len()).max();
    let partitions = partitions.filter(|_| inner.width >= 96);
    let lines = log.window(back, height).map(|line| row(slot, line, partitions, usize::from(inner.width)));
    crate::ui::panel::lines(buffer, inner, lines.collect::<Vec<_>>());
}

fn row(slot: &Slot<'_>, line: &LogLine, partitions: Option<usize>, room: usize) -> Line<'static> {
    let theme = slot.theme;
    let mut spans = vec![
        span(format::millisecond(line.at, &slot.state.zone), theme.faint()),
        span(format!(" {}", column(line.source.name(), 8)), theme.source(line.source)),
    ];
    if let Some(wide) = partitions {
        let name = line.partition.as_ref().map_or("", |partition| partition.as_str());
        spans.push(span(format!("{} ", column(name, wide.min(10))), theme.faint()));
    }
    match line.level {
        Level::Info => spans.push(span(line.text.clone(), theme.plain())),
        Level::Warning => spans.push(span(format!("{} {}", symbols::MIND, line.text), theme.mind())),
        Level::Error => spans.push(span(format!("{} {}", symbols::FAILED, line.text), theme.danger())),
    }
    Line::from(fit_spans(spans, room))
}
