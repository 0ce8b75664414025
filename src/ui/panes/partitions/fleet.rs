//! A fleet that has no room for a line each: one line about all, then those that call for somebody, then a page of the others.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

use super::{Columns, View};
use crate::app::commands::CommandId;
use crate::app::fleet::{Fleet, Shown, Standing};
use crate::app::mouse::Target;
use crate::app::state::State;
use crate::ui::symbols;
use crate::ui::text::{Spans, fit_spans, span, spread, width};
use crate::ui::theme::Theme;

/// Narrowest column of lines; a wide screen has two.
const COLUMN: u16 = 88;

/// Draws what of the fleet has room.
pub fn draw(buffer: &mut Buffer, area: Rect, state: &State, theme: &Theme) {
    let fleet = Fleet::of(state);
    let places = places(area);
    let shown = fleet.shown(places.len());
    let head = Rect { height: area.height.min(1), ..area };
    buffer.set_line(head.x, head.y, &heading(&fleet, &shown, state, usize::from(head.width), theme), head.width);
    let all = || shown.all().filter_map(|index| state.run.plan.partitions.get(index));
    let columns = Columns::of(all());
    let in_hand = state.run.partition_in_hand();
    for (place, index) in places.into_iter().zip(shown.all()) {
        let mut view = View::of(state, index, in_hand, theme);
        view.unwell = (fleet.standing(index) == Standing::Unwell).then(|| fleet.words(index));
        view.line(buffer, place, columns);
    }
}

/// What stands at a place of the screen.
pub fn at(area: Rect, state: &State, at: Position) -> Option<Target> {
    if at.y == area.y {
        return Some(Target::Fleet);
    }
    let places = places(area);
    let line = places.iter().position(|place| place.contains(at))?;
    Fleet::of(state).shown(places.len()).all().nth(line).map(Target::Partition)
}

/// Where the lines stand: below each other, and on a wide screen in two columns.
fn places(area: Rect) -> Vec<Rect> {
    let columns = (area.width / COLUMN).clamp(1, 2);
    let width = area.width / columns;
    let column = |column: u16| (1..area.height).map(move |row| (column, row));
    let place = |(column, row)| Rect { x: area.x + column * width, y: area.y + row, width, height: 1 };
    (0..columns).flat_map(column).map(place).collect()
}

/// How many there are and how they stand; at the right how many are not seen, and how they are found.
fn heading(fleet: &Fleet<'_>, shown: &Shown, state: &State, room: usize, theme: &Theme) -> Line<'static> {
    let all = state.run.plan.partitions.len();
    let counts = |words: bool| {
        let mut left = vec![span(format!(" {all} partitions"), theme.strong())];
        for standing in Standing::ALL {
            let count = fleet.count(standing);
            let (glyph, style) = mark(standing, theme);
            let said = if words { format!("  {glyph} {count} {standing}") } else { format!("  {glyph} {count}") };
            left.extend((count > 0).then(|| span(said, style)));
        }
        left.extend((shown.unseen > 0).then(|| span(format!("  +{} call", shown.unseen), theme.mind())));
        left
    };
    let key =
        |id, words: &str| [span(state.keymap.name(id), theme.accent()), span(format!(" {words}  "), theme.faint())];
    let more = || vec![span(format!("… {} more  ", all - shown.all().count()), theme.faint())];
    let keys = || [more(), key(CommandId::NextCalling, "next that calls").to_vec(), find(state, theme)].concat();
    // From the most to the least that can be said; the first that fits is taken.
    let attempts: [(Spans, Spans); 3] =
        [(counts(true), keys()), (counts(false), keys()), (counts(false), [more(), find(state, theme)].concat())];
    let fits = |(left, right): &(Spans, Spans)| width(left) + 2 + width(right) <= room;
    let (left, right) = attempts.into_iter().find(fits).unwrap_or_else(|| (counts(false), more()));
    let left = fit_spans(left, room.saturating_sub(width(&right) + 1));
    spread(left, right, room)
}

fn find(state: &State, theme: &Theme) -> Spans {
    vec![span(state.keymap.name(CommandId::Find), theme.accent()), span(" find ", theme.faint())]
}

fn mark(standing: Standing, theme: &Theme) -> (&'static str, Style) {
    match standing {
        Standing::Trouble => (symbols::FAILED, theme.danger()),
        Standing::Runs => (symbols::RUNNING, theme.running()),
        Standing::Waits => (symbols::WAITS, theme.waiting()),
        Standing::Unwell => (symbols::SETTLING, theme.mind()),
        Standing::ToCome => (symbols::NOT_YET, theme.faint()),
        Standing::Through => (symbols::OK, theme.ok()),
    }
}
