//! The title row: which rollout, who one is, how much of the window is left, what time it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::state::{Mode, State};
use crate::ui::format;
use crate::ui::text::{Spans, fit_spans, span, width};
use crate::ui::theme::Theme;
use crate::ui::window;

/// Draws the title row.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    buffer.set_style(area, theme.palette.ground.bar.ground());
    let room = usize::from(area.width).saturating_sub(2);
    let plan = &state.run.plan;
    let badges = badges(state, theme);
    let clock = vec![span(format::clock(state.now, &state.zone), theme.strong())];
    let name = vec![span("aurora-cockpit", theme.strong()), span(format!("  {}", plan.id), theme.plain())];
    let window = window_to_keep(state, theme);
    let short_name = vec![span(plan.id.clone(), theme.strong())];

    // From the most to the least that can be said; the first that fits is taken.
    let title = span(format!("  {}", plan.title), theme.faint());
    let holder = holder(state, theme);
    let attempts = [
        ([name.clone(), vec![title.clone()]].concat(), [badges.clone(), holder.clone()].concat(), window.long.clone()),
        ([name.clone(), vec![title]].concat(), badges.clone(), window.long.clone()),
        (name.clone(), [badges.clone(), holder].concat(), window.long.clone()),
        (name.clone(), badges.clone(), window.long),
        (name.clone(), badges.clone(), window.short.clone()),
        (short_name, badges.clone(), window.short),
        (name.clone(), badges.clone(), Vec::new()),
    ];
    let gap = 3;
    let fits = |(left, middle, right): &(Spans, Spans, Spans)| {
        width(left) + gap + width(middle) + gap + width(right) + gap + width(&clock) <= room
    };
    let (left, middle, right) = attempts.into_iter().find(fits).unwrap_or((name, badges, Vec::new()));

    let right = [right, vec![span("   ", theme.plain())], clock].concat();
    let right_x = area.right().saturating_sub(width(&right) as u16 + 1);
    // The badges stand in the middle where they can, so that they do not move with the title.
    let middle_width = width(&middle) as u16;
    let centred = area.x + (area.width.saturating_sub(middle_width)) / 2;
    let least = area.x + 1 + width(&left) as u16 + gap as u16;
    let most = right_x.saturating_sub(middle_width + gap as u16);
    let middle_x = centred.clamp(least.min(most), most.max(least.min(most)));
    let left_room = usize::from(middle_x.saturating_sub(area.x + 2));
    set(buffer, area.x + 1, area, fit_spans(left, left_room));
    set(buffer, middle_x, area, middle);
    set(buffer, right_x, area, right);
}

fn set(buffer: &mut Buffer, x: u16, area: Rect, spans: Spans) {
    buffer.set_line(x, area.y, &Line::from(spans), area.right().saturating_sub(x));
}

fn badges(state: &State, theme: &Theme) -> Spans {
    let badge = &theme.palette.badge;
    let mut spans = match state.mode {
        _ if state.replay.is_some() => vec![span(" REPLAY ", theme.badge(badge.monitor))],
        Mode::Operator => vec![span(" OPERATOR ", theme.badge(badge.operator))],
        Mode::Monitor(_) => vec![span(" MONITOR ", theme.badge(badge.monitor))],
    };
    if state.run.simulated {
        spans.push(span(" ", theme.plain()));
        spans.push(span(" SIMULATED ", theme.badge(badge.simulated)));
    }
    spans
}

/// Who holds the controls.
fn holder(state: &State, theme: &Theme) -> Spans {
    match &state.mode {
        _ if state.replay.is_some() => Spans::new(),
        Mode::Operator => state
            .run
            .session
            .as_ref()
            .map(|session| vec![span(format!("  {}@{}", session.operator, session.host), theme.faint())])
            .unwrap_or_default(),
        Mode::Monitor(Some(holder)) => {
            vec![span(format!("  {}@{} holds the controls", holder.operator, holder.host), theme.faint())]
        }
        Mode::Monitor(None) => vec![span("  nobody holds the controls", theme.faint())],
    }
}

struct WindowWords {
    long: Spans,
    short: Spans,
}

/// The window of the partition that is looked at, or else the next one that there is.
fn window_to_keep(state: &State, theme: &Theme) -> WindowWords {
    let Some((partition, window)) = state.run.window_to_keep(state.partition) else {
        return WindowWords { long: Vec::new(), short: Vec::new() };
    };
    let name = span(format!("{} window ", partition.name), theme.faint());
    let hours = span(format!("{}  ", window::hours(window, state)), theme.faint());
    let (words, style) = window::countdown(window, &window::outlook(partition, state), state, theme);
    WindowWords { long: vec![name.clone(), hours, span(words.clone(), style)], short: vec![name, span(words, style)] }
}
