//! The palette: what was typed, and what it fits.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::find::Grouping;
use crate::app::palette::{Palette, Row, Scope};
use crate::ui::symbols;
use crate::ui::text::{Spans, span, spread, width};

/// Rows of the list, so that the sheet keeps its size while words are typed.
const ROWS: usize = 16;
/// Rows while a theme is marked, which wants to be seen on the screen behind.
const ROWS_OVER_A_PREVIEW: usize = 7;

/// Draws the palette; answers where the cursor stands.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, palette: &Palette) -> Option<Position> {
    let theme = scene.theme;
    let room = room(scene);
    let rows = palette.rows(scene.state);
    let most = if palette.preview.is_some() { ROWS_OVER_A_PREVIEW } else { ROWS };
    let height = usize::from(scene.area.height).saturating_sub(7).min(most);
    let mut body: Vec<Line<'static>> = Vec::new();
    for listed in seen(&rows, palette.marked, height) {
        body.push(match listed {
            Listed::Group(name, count) => group(scene, name, count, room),
            Listed::Row(index, row) => line(scene, row, index == palette.marked, room),
        });
    }
    if rows.is_empty() {
        body.push(Line::from(span(format!("nothing fits \"{}\"", palette.words), theme.faint())));
    }
    // A line of blanks is a line: an empty one would go where space is short.
    body.resize(height, Line::from(span(" ", theme.plain())));
    let mut sheet = Sheet::new(scene, title(palette));
    sheet.body = body;
    sheet.low = palette.preview.is_some();
    let typed = vec![span(": ", theme.accent()), span(palette.words.clone(), theme.strong())];
    let column = width(&typed);
    let marked = rows.get(palette.marked);
    let notice = scene.state.notice.as_ref().map(|(_, words)| words.clone());
    let hint = match marked.and_then(|row| row.reason.clone()).or(notice) {
        None if palette.scope != Scope::Everything => partitions_hint(scene),
        Some(reason) => vec![span(format!("{} ", symbols::MIND), theme.mind()), span(reason, theme.mind())],
        None => vec![
            span("Enter", theme.accent()),
            span(
                if palette.preview.is_some() { " keeps it for this session   " } else { " does it   " },
                theme.plain(),
            ),
            span("↑ ↓", theme.accent()),
            span(" mark   ", theme.plain()),
            span(if palette.preview.is_some() { "Esc takes it back" } else { "Esc leaves" }, theme.faint()),
        ],
    };
    let count = vec![span(format!("{} of {}", (palette.marked + 1).min(rows.len()), rows.len()), theme.faint())];
    sheet.foot = vec![spread(typed, count, room), Line::from(crate::ui::text::fit_spans(hint, room))];
    let foot = sheet.draw(buffer, scene);
    Some(Position { x: foot.x + column.min(room.saturating_sub(1)) as u16, y: foot.y })
}

fn title(palette: &Palette) -> &'static str {
    match palette.scope {
        Scope::Everything => "what to do",
        Scope::Partitions(Grouping::Standing) => "partitions · what calls first",
        Scope::Partitions(Grouping::Account) => "partitions · by account",
        Scope::Partitions(Grouping::Order) => "partitions · in order",
    }
}

fn partitions_hint(scene: &Scene<'_>) -> Spans {
    let theme = scene.theme;
    let key = |key: &'static str, words: &'static str| [span(key, theme.accent()), span(words, theme.plain())];
    let mut hint = [key("Enter", " looks at it   "), key("⇥", " groups   "), key("↑ ↓", " mark   ")].concat();
    hint.push(span("name, account or state can be typed   Esc leaves", theme.faint()));
    hint
}

/// A line of the list.
enum Listed<'a> {
    /// A group begins, of so many rows.
    Group(&'a str, usize),
    /// A row, by its number.
    Row(usize, &'a Row),
}

/// What of the list is seen, so that the marked row is: groups have a line of their own. Only what is near the marked row is
/// laid out, however many rows there are.
fn seen(rows: &[Row], marked: usize, height: usize) -> Vec<Listed<'_>> {
    let begins = |index: usize| {
        let row = rows.get(index);
        row.is_some_and(|row| !row.group.is_empty())
            && (index == 0 || rows.get(index - 1).map(|row| &row.group) != row.map(|row| &row.group))
    };
    let lines = |index: usize| 1 + usize::from(begins(index));
    let (mut first, mut taken) = (marked, lines(marked));
    while first > 0 && taken + lines(first - 1) <= height {
        first -= 1;
        taken += lines(first);
    }
    let mut listed = Vec::new();
    for (index, row) in rows.iter().enumerate().skip(first) {
        if listed.len() >= height {
            break;
        }
        if begins(index) {
            let count = rows.iter().skip(index).take_while(|other| other.group == row.group).count();
            listed.push(Listed::Group(&row.group, count));
        }
        listed.push(Listed::Row(index, row));
    }
    listed.truncate(height);
    listed
}

fn group(scene: &Scene<'_>, name: &str, count: usize, room: usize) -> Line<'static> {
    let theme = scene.theme;
    let count = vec![span(count.to_string(), theme.faint())];
    spread(vec![span(name.to_owned(), theme.strong())], count, room)
}

/// A row: its words with the typed letters marked, its key at the right; faint with its reason where it does nothing now.
fn line(scene: &Scene<'_>, row: &Row, is_marked: bool, room: usize) -> Line<'static> {
    let theme = scene.theme;
    let usual = if row.reason.is_some() { theme.ghost() } else { theme.plain() };
    let mut left: Spans = vec![if is_marked { span("› ", theme.accent()) } else { span("  ", theme.plain()) }];
    for (place, letter) in (0_u32..).zip(row.label.chars()) {
        let typed = row.typed.binary_search(&place).is_ok();
        left.push(span(letter.to_string(), if typed { theme.palette.state.accent.bold() } else { usual }));
    }
    if let Some(reason) = &row.reason {
        left.push(span(format!("   {reason}"), theme.ghost()));
    }
    let right = vec![span(row.key.clone(), if row.reason.is_some() { theme.ghost() } else { theme.accent() })];
    // The mark reaches from edge to edge, also where there is nothing at the right.
    let right = if row.key.is_empty() { vec![span(" ", theme.plain())] } else { right };
    let line = spread(left, right, room);
    if is_marked { line.patch_style(theme.palette.ground.marked.ground()) } else { line }
}
