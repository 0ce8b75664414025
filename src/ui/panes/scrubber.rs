//! Where a replay is: the run as a line, with what happened on it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::replay::{Marked, Replay};
use crate::app::state::State;
use crate::ui::format;
use crate::ui::theme::Theme;

/// Draws the line.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let Some(replay) = &state.replay else { return };
    buffer.set_style(area, theme.palette.ground.bar.ground());
    let playing = if replay.paused { "◆ paused " } else { "▶ playing" };
    let left = format!(" {playing} ×{:<5}{} ", replay.speed, format::clock(replay.from, &state.zone));
    let right = format!(" {} ", format::clock(replay.to, &state.zone));
    let style = if replay.paused { theme.waiting() } else { theme.running() };
    buffer.set_string(area.x, area.y, &left, style);
    let used = left.chars().count() as u16;
    let room = area.width.saturating_sub(used + right.chars().count() as u16);
    buffer.set_string(area.x + used + room, area.y, &right, theme.faint());
    if room >= 2 {
        line(buffer, Rect { x: area.x + used, width: room, height: 1, ..area }, replay, state, theme);
    }
}

fn line(buffer: &mut Buffer, area: Rect, replay: &Replay, state: &State, theme: &Theme) {
    let last = f64::from(area.width - 1);
    let cell = |share: f64| area.x + (share * last).round() as u16;
    let here = cell(replay.share(state.now));
    for x in area.x..area.right() {
        let (symbol, style) = if x <= here { ("━", theme.accent()) } else { ("─", theme.ghost()) };
        buffer.set_string(x, area.y, symbol, style);
    }
    // Of several in one cell, the one that matters most is drawn last.
    let mut marks: Vec<_> = replay.marks.iter().collect();
    marks.sort_by_key(|mark| mark.what);
    for mark in marks {
        let (symbol, style) = symbol(mark.what, theme);
        buffer.set_string(cell(replay.share(mark.at)), area.y, symbol, style);
    }
    buffer.set_string(here, area.y, "●", theme.strong());
}

fn symbol(what: Marked, theme: &Theme) -> (&'static str, Style) {
    match what {
        Marked::Fired => ("·", theme.faint()),
        Marked::Word => ("◆", theme.waiting()),
        Marked::Failover => ("◐", theme.running()),
        Marked::Failed => ("✗", theme.danger()),
    }
}
