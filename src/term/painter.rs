//! What is written to the terminal for a frame, in as few bytes as it takes.
//!
//! A screen that is looked at for hours over a slow line, or recorded, costs what it writes each second. Most of that was
//! not text but colours: two of 24 bits are 36 bytes, and were said anew whenever one of them changed, in the order of the rows.
//! Here the cells of one style are written together, only what changes of a style is said, and a frame in which nothing
//! changed writes nothing at all.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveRight, MoveTo, Show};
use crossterm::style::Print;
use crossterm::terminal::{self, BeginSynchronizedUpdate, Clear, EndSynchronizedUpdate};
use crossterm::{cursor, queue};
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

/// Writes frames to a terminal, each at once and whole.
#[derive(Debug)]
pub struct Painter<W: Write> {
    out: W,
    /// What is to be written of the frame at hand.
    frame: Vec<u8>,
    /// Where the cursor is seen, as the terminal was last told; none where it is hidden.
    seen: Option<Position>,
    /// Where it is to be seen.
    wanted: Option<Position>,
}

impl<W: Write> Painter<W> {
    /// For a terminal whose cursor is hidden.
    pub fn new(out: W) -> Self {
        Self { out, frame: Vec::new(), seen: None, wanted: None }
    }

    fn put_cursor(&mut self) -> io::Result<()> {
        match self.wanted {
            // Whatever was drawn has moved it.
            Some(Position { x, y }) if self.wanted != self.seen || !self.frame.is_empty() => {
                queue!(self.frame, MoveTo(x, y))?;
                if self.seen.is_none() {
                    queue!(self.frame, Show)?;
                }
            }
            None if self.seen.is_some() => queue!(self.frame, Hide)?,
            _ => {}
        }
        self.seen = self.wanted;
        Ok(())
    }
}

/// Colours and attributes of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pen {
    ink: Color,
    ground: Color,
    attributes: Modifier,
}

impl Pen {
    /// After a reset.
    const PLAIN: Self = Self { ink: Color::Reset, ground: Color::Reset, attributes: Modifier::empty() };

    fn of(cell: &Cell) -> Self {
        Self { ink: cell.fg, ground: cell.bg, attributes: cell.modifier }
    }

    /// Parameters of the sequence that makes this pen of another one.
    fn after(self, before: Self) -> String {
        // There is no way to take back a single attribute that every terminal knows.
        let anew = !(before.attributes - self.attributes).is_empty();
        let before = if anew { Self::PLAIN } else { before };
        let mut parameters = if anew { vec!["0".to_owned()] } else { Vec::new() };
        for attribute in (self.attributes - before.attributes).iter() {
            parameters.extend(number(attribute).map(str::to_owned));
        }
        if self.ink != before.ink {
            parameters.push(colour(self.ink, 38));
        }
        if self.ground != before.ground {
            parameters.push(colour(self.ground, 48));
        }
        parameters.join(";")
    }
}

/// The parameter that sets an attribute.
fn number(attribute: Modifier) -> Option<&'static str> {
    let numbers = [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::ITALIC, "3"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::SLOW_BLINK, "5"),
        (Modifier::RAPID_BLINK, "6"),
        (Modifier::REVERSED, "7"),
        (Modifier::HIDDEN, "8"),
        (Modifier::CROSSED_OUT, "9"),
    ];
    numbers.into_iter().find(|(known, _)| *known == attribute).map(|(_, number)| number)
}

/// The parameters that set a colour: 38 is the ink's, 48 the ground's, and one more takes it back.
fn colour(colour: Color, of: u8) -> String {
    let index = match colour {
        Color::Reset => return (of + 1).to_string(),
        Color::Rgb(red, green, blue) => return format!("{of};2;{red};{green};{blue}"),
        Color::Indexed(index) => index,
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    format!("{of};5;{index}")
}

/// Puts cells of one style together. Those that may lie over one another stay as they are: what is several characters in one
/// cell can be wider than it is held to be.
fn by_style(cells: &mut [(u16, u16, &Cell)]) {
    let is_one = |cell: &Cell| cell.symbol().chars().nth(1).is_none();
    if !cells.iter().all(|(_, _, cell)| is_one(cell)) {
        return;
    }
    let mut pens: Vec<Pen> = Vec::new();
    cells.sort_by_cached_key(|(_, _, cell)| {
        let pen = Pen::of(cell);
        pens.iter().position(|known| *known == pen).unwrap_or_else(|| {
            pens.push(pen);
            pens.len() - 1
        })
    });
}

/// Whether every terminal gives it one column: letters of ASCII, lines and blocks.
fn is_narrow(symbol: &str) -> bool {
    symbol.chars().all(|character| matches!(character, ' '..='~' | '─'..='▟'))
}

impl<W: Write> Backend for Painter<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut cells: Vec<_> = content.collect();
        by_style(&mut cells);
        let mut pen = Pen::PLAIN;
        let mut next = None;
        // Whether all that was printed since the cursor was last put to a place is as wide as it is held to be everywhere.
        let mut is_sure = false;
        for (x, y, cell) in cells {
            match next {
                Some(at) if at == (x, y) => {}
                // One column is meant where no number stands.
                Some((after, row)) if is_sure && row == y && after + 1 == x => self.frame.extend_from_slice(b"\x1b[C"),
                Some((after, row)) if is_sure && row == y && after < x => queue!(self.frame, MoveRight(x - after))?,
                _ => {
                    queue!(self.frame, MoveTo(x, y))?;
                    is_sure = true;
                }
            }
            let own = Pen::of(cell);
            if own != pen {
                write!(self.frame, "\x1b[{}m", own.after(pen))?;
                pen = own;
            }
            queue!(self.frame, Print(cell.symbol()))?;
            is_sure &= is_narrow(cell.symbol());
            next = Some((x + 1, y));
        }
        if pen != Pen::PLAIN {
            // What others write, and what a terminal fills up by itself, takes no colour of ours.
            self.frame.extend_from_slice(b"\x1b[m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.wanted = None;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.wanted = self.wanted.or(Some(Position::ORIGIN));
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.flush()?;
        cursor::position().map(Position::from)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        // Of a hidden one it says nothing: each run of cells is put where it belongs.
        self.wanted = self.wanted.map(|_| position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        queue!(
            self.frame,
            Clear(match clear_type {
                ClearType::All => terminal::ClearType::All,
                ClearType::AfterCursor => terminal::ClearType::FromCursorDown,
                ClearType::BeforeCursor => terminal::ClearType::FromCursorUp,
                ClearType::CurrentLine => terminal::ClearType::CurrentLine,
                ClearType::UntilNewLine => terminal::ClearType::UntilNewLine,
            })
        )
    }

    fn size(&self) -> io::Result<Size> {
        terminal::size().map(Size::from)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let terminal::WindowSize { columns, rows, width, height } = terminal::window_size()?;
        Ok(WindowSize { columns_rows: Size::new(columns, rows), pixels: Size::new(width, height) })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put_cursor()?;
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + 16);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut self.frame);
        queue!(whole, EndSynchronizedUpdate)?;
        self.out.write_all(&whole)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ratatui::backend::CrosstermBackend;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;
    use ratatui::text::Span;

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 24, height: 6 };

    /// What a frame writes, after another one.
    fn written(before: &Buffer, after: &Buffer) -> Vec<u8> {
        let mut painter = Painter::new(Vec::new());
        painter.draw(before.diff_iter(after)).expect("memory takes everything");
        painter.flush().expect("memory takes everything");
        painter.out
    }

    /// What ratatui's own way of writing it sends, which is taken to be right.
    fn written_at_length(before: &Buffer, after: &Buffer) -> Vec<u8> {
        let mut bytes = Vec::new();
        CrosstermBackend::new(&mut bytes).draw(before.diff_iter(after)).expect("memory takes everything");
        bytes
    }

    /// Rows of words in some styles, with gaps between them.
    fn any_screen(random: &mut fastrand::Rng) -> Buffer {
        let inks = [Color::Reset, Color::Red, Color::Indexed(200), Color::Rgb(1, 2, 3), Color::Rgb(250, 250, 250)];
        let attributes = [Modifier::empty(), Modifier::BOLD, Modifier::REVERSED, Modifier::BOLD | Modifier::UNDERLINED];
        let mut screen = Buffer::empty(AREA);
        for row in 0..AREA.height {
            let mut column = random.u16(..6);
            while column + 9 < AREA.width {
                let style = Style::reset().fg(inks[random.usize(..inks.len())]).bg(inks[random.usize(..inks.len())]);
                let style = style.add_modifier(attributes[random.usize(..attributes.len())]);
                let words = ["4 s", "▇▅▂", "available", "口座", "é", "──"][random.usize(..6)];
                screen.set_string(column, row, words, style);
                column += Span::raw(words).width() as u16 + random.u16(..4);
            }
        }
        screen
    }

    #[test]
    fn any_frame_after_any_other_looks_as_it_does_at_length() {
        let mut random = fastrand::Rng::with_seed(8);
        let length = |cells| std::num::NonZeroU16::new(cells).expect("some");
        let terminal = || vt100::Parser::new(length(AREA.height), length(AREA.width), 0);
        let (mut own, mut other) = (terminal(), terminal());
        let mut before = Buffer::empty(AREA);
        let (mut short, mut long) = (0, 0);
        for frame in 0..500 {
            let after = any_screen(&mut random);
            let (bytes, at_length) = (written(&before, &after), written_at_length(&before, &after));
            (short, long) = (short + bytes.len(), long + at_length.len());
            own.process(&bytes);
            other.process(&at_length);
            for (x, y) in (0..AREA.height).flat_map(|y| (0..AREA.width).map(move |x| (x, y))) {
                let (one, two) = (own.screen().cell(y, x), other.screen().cell(y, x));
                assert_eq!(one, two, "frame {frame} at {x},{y}");
            }
            before = after;
        }
        assert!(short < long, "{short} bytes instead of {long}");
    }

    #[test]
    fn a_frame_in_which_nothing_changed_writes_nothing() {
        let screen = Buffer::with_lines(["all quiet"]);
        assert!(written(&screen, &screen).is_empty());
    }

    #[test]
    fn a_colour_is_said_once_wherever_its_cells_are() {
        let (faint, ground) = (Color::Rgb(101, 102, 103), Color::Rgb(11, 12, 13));
        let screen = |seconds: u32| {
            let mut buffer = Buffer::empty(AREA);
            for row in 0..6 {
                buffer.set_string(20, row, format!("{seconds} s"), Style::new().fg(faint).bg(ground));
                buffer.set_string(0, row, format!("{seconds}"), Style::new().fg(Color::Rgb(200, 0, 0)).bg(ground));
            }
            buffer
        };
        let text = String::from_utf8(written(&screen(3), &screen(4))).expect("text");
        assert_eq!(text.matches("38;2;101;102;103").count(), 1);
        assert_eq!(text.matches("48;2;11;12;13").count(), 1);
        assert!(text.starts_with("\x1b[?2026h") && text.ends_with("\x1b[m\x1b[?2026l"), "{text:?}");
    }

    #[test]
    fn the_cursor_is_put_back_after_what_moved_it() {
        let mut painter = Painter::new(Vec::new());
        painter.show_cursor().expect("memory takes everything");
        painter.set_cursor_position((3, 1)).expect("memory takes everything");
        painter.flush().expect("memory takes everything");
        assert_eq!(std::mem::take(&mut painter.out), b"\x1b[?2026h\x1b[2;4H\x1b[?25h\x1b[?2026l");
        painter.flush().expect("memory takes everything");
        assert_eq!(painter.out, b"");
        let empty = Buffer::empty(AREA);
        let mut after = empty.clone();
        after.set_string(0, 0, "x", Style::new());
        painter.draw(empty.diff_iter(&after)).expect("memory takes everything");
        painter.flush().expect("memory takes everything");
        assert_eq!(std::mem::take(&mut painter.out), b"\x1b[?2026h\x1b[1;1Hx\x1b[2;4H\x1b[?2026l");
        painter.hide_cursor().expect("memory takes everything");
        painter.flush().expect("memory takes everything");
        assert_eq!(painter.out, b"\x1b[?2026h\x1b[?25l\x1b[?2026l");
    }
}
