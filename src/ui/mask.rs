//! Masks what is private on a finished drawing, cell by cell, so that nothing moves.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::app::share::{DOT, Mask};

/// Rows over which a name may be broken.
const BROKEN: usize = 3;

/// What separates panes from each other.
const FRAMES: &str = "│┃║├┤╭╮╰╯┏┓┗┛";

/// Some text of the screen, and where each of its characters stands.
#[derive(Debug, Default, Clone)]
struct Text {
    text: String,
    /// Byte of the text at which a cell begins, its column and row, and how wide it is.
    cells: Vec<(usize, u16, u16, u16)>,
}

impl Text {
    fn push(&mut self, symbol: &str, x: u16, y: u16) -> u16 {
        let wide = symbol.width().max(1) as u16;
        self.cells.push((self.text.len(), x, y, wide));
        self.text.push_str(symbol);
        wide
    }

    /// The same without the blanks at its beginning and end.
    fn trimmed(&self) -> Self {
        let mut trimmed = Self::default();
        let end = self.text.trim_end().len();
        let start = self.text.len() - self.text.trim_start().len();
        for (index, (at, x, y, _)) in self.cells.iter().enumerate() {
            if (start..end).contains(at) {
                let until = self.cells.get(index + 1).map_or(self.text.len(), |(next, ..)| *next);
                trimmed.push(&self.text[*at..until], *x, *y);
            }
        }
        trimmed
    }

    fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.cells.extend(other.cells.iter().map(|(at, x, y, wide)| (before + at, *x, *y, *wide)));
    }

    fn hide(&self, buffer: &mut Buffer, places: &[Range<usize>]) {
        for (at, x, y, wide) in &self.cells {
            if places.iter().any(|place| place.contains(at)) {
                for x in *x..(*x + wide).min(buffer.area.right()) {
                    buffer[(x, *y)].set_char(DOT);
                }
            }
        }
    }
}

/// Puts dots in the place of everything private.
pub fn apply(buffer: &mut Buffer, mask: &Mask) {
    let area = buffer.area;
    let rows: Vec<Text> = area.rows().map(|row| text_of(buffer, row)).collect();
    let pieces: Vec<Vec<Text>> = rows.iter().map(pieces).collect();
    for (index, row) in rows.iter().enumerate() {
        row.hide(buffer, &mask.places(&row.text));
        for piece in &pieces[index] {
            let (joined, ends) = joined(piece, &pieces[index..]);
            joined.hide(buffer, &mask.broken(&joined.text, &ends));
        }
    }
}

fn text_of(buffer: &Buffer, row: Rect) -> Text {
    let mut text = Text::default();
    let mut x = row.x;
    while x < row.right() {
        x += text.push(buffer[(x, row.y)].symbol(), x, row.y);
    }
    text
}

/// The row's texts between frames.
fn pieces(row: &Text) -> Vec<Text> {
    let mut pieces = vec![Text::default()];
    for (index, (at, x, y, _)) in row.cells.iter().enumerate() {
        let until = row.cells.get(index + 1).map_or(row.text.len(), |(next, ..)| *next);
        let symbol = &row.text[*at..until];
        if FRAMES.contains(symbol) {
            pieces.push(Text::default());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(symbol, *x, *y);
        }
    }
    pieces.retain(|piece| !piece.text.trim().is_empty());
    pieces.iter().map(Text::trimmed).collect()
}

/// A text with those below it, as one that was wrapped, and where each of them ends.
fn joined(first: &Text, rows: &[Vec<Text>]) -> (Text, Vec<usize>) {
    let mut joined = first.clone();
    let mut ends = Vec::new();
    let columns = |text: &Text| {
        let (first, last) = (text.cells.first(), text.cells.last());
        first.zip(last).map_or(0..0, |((_, from, ..), (_, to, ..))| *from..*to + 1)
    };
    let mine = columns(first);
    for row in rows.iter().skip(1).take(BROKEN - 1) {
        let below = row.iter().find(|text| {
            let other = columns(text);
            other.start < mine.end && mine.start < other.end
        });
        let Some(below) = below else { break };
        ends.push(joined.text.len());
        joined.append(below);
    }
    (joined, ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::state::{Mode, State};
    use crate::config;
    use crate::runbook::event::{Event, Record, Session};
    use crate::runbook::names::RunId;
    use crate::runbook::state::Run;

    /// What is private where 王小明 works on a host with a long name.
    fn mask() -> Mask {
        let plan = config::load_text("minimal.toml", config::MINIMAL, None).expect("a plan");
        let at = jiff::Timestamp::UNIX_EPOCH;
        let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
        let mut run = Run::begin(Record { seq: 1, at, event }).expect("a run");
        let (operator, host) = ("王小明".to_owned(), "a-host.with.a.long.name.example".to_owned());
        let session = Session { operator, host, pid: 1, version: "1".to_owned(), user: None };
        run.apply(Record { seq: 2, at, event: Event::SessionOpened { session } }).expect("a session");
        Mask::of(&State::new(run, Mode::Operator, at))
    }

    #[test]
    fn dots_take_the_columns_of_what_they_stand_for_and_nothing_else_moves() {
        let mut buffer = Buffer::with_lines([
            "│ by 王小明, on A-Host.with.a.long.name.example│",
            "│ x  a-host.with.a   │ other words 123456789012 │",
            "│    .long.name.ex   │ that have nothing to do  │",
            "│    ample, and on   │ with it                  │",
        ]);
        apply(&mut buffer, &mask());
        let expected = Buffer::with_lines([
            "│ by ••••••, on •••••••••••••••••••••••••••••••│",
            "│ x  •••••••••••••   │ other words •••••••••••• │",
            "│    •••••••••••••   │ that have nothing to do  │",
            "│    •••••, and on   │ with it                  │",
        ]);
        assert_eq!(buffer, expected);
    }
}
