//! The keys: bright where they work now, faint where they do not; or a short word to the operator.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::commands::{COMMANDS, Command, CommandId, fire_label};
use crate::app::state::State;
use crate::ui::text::{Spans, fit_spans, span, width};
use crate::ui::theme::Theme;

/// Draws the keys.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    buffer.set_style(area, theme.palette.ground.bar.ground());
    let room = usize::from(area.width).saturating_sub(2);
    let line = match &state.notice {
        Some((_, words)) => fit_spans(vec![span(words.clone(), theme.mind())], room),
        None if state.log.is_typing() => typing(theme, room),
        None => keys(state, theme, room),
    };
    buffer.set_line(area.x + 1, area.y, &Line::from(line), room as u16);
}

/// The keys while words to search for are typed.
fn typing(theme: &Theme, room: usize) -> Spans {
    let key = theme.palette.state.accent.bold();
    let line = vec![
        span("Enter", key),
        span(" keeps the search   ", theme.plain()),
        span("Esc", key),
        span(" clears it   ", theme.plain()),
        span("↑ ↓", key),
        span(" older, newer   ", theme.plain()),
        span("every other key is a letter of it", theme.faint()),
    ];
    fit_spans(line, room)
}

struct Item {
    id: CommandId,
    enabled: bool,
    spans: Spans,
}

fn keys(state: &State, theme: &Theme, room: usize) -> Spans {
    // The pane's own keys stand right behind the one that fires.
    let listed = |command: &&Command| {
        command.footer && command.pane.is_none_or(|pane| pane == state.focus) && command.has_a_place(state)
    };
    let mut commands: Vec<&Command> = COMMANDS.iter().filter(listed).collect();
    commands.sort_by_key(|command| (command.id != CommandId::Fire, command.pane.is_none()));
    let mut items: Vec<Item> = commands.into_iter().map(|command| item(command, state, theme)).collect();
    let total = |items: &[Item]| items.iter().map(|item| width(&item.spans) + 3).sum::<usize>().saturating_sub(3);
    // Where there is no room for all, keys that do nothing now go first, then the last ones; never help and leaving.
    while total(&items) > room {
        let keeps = |item: &Item| {
            matches!(item.id, CommandId::Help | CommandId::Quit) || item.id == CommandId::Fire && item.enabled
        };
        let expendable = |item: &Item| !keeps(item);
        let victim = items
            .iter()
            .rposition(|item| !item.enabled && expendable(item))
            .or_else(|| items.iter().rposition(expendable))
            .or_else(|| items.iter().position(|item| item.id == CommandId::Fire));
        match victim {
            Some(index) => items.remove(index),
            None => break,
        };
    }
    let mut line = Spans::new();
    for item in items {
        if !line.is_empty() {
            line.push(span("   ", theme.plain()));
        }
        line.extend(item.spans);
    }
    line
}

fn item(command: &Command, state: &State, theme: &Theme) -> Item {
    let enabled = (command.disabled_reason)(state).is_none();
    let (key_style, label_style) =
        if enabled { (theme.palette.state.accent.bold(), theme.plain()) } else { (theme.ghost(), theme.ghost()) };
    let key = state.keymap.name(command.id);
    let label = if command.id == CommandId::Fire { fire_label(state) } else { command.label.to_owned() };
    Item { id: command.id, enabled, spans: vec![span(key, key_style), span(format!(" {label}"), label_style)] }
}
