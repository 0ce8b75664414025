//! A program's own colours: what SGR sequences say of its lines, and nothing else that a program sends to a terminal.
//!
//! The text is cleaned as everywhere ([`clean`](super::text::clean)); what coloured it is kept beside it as stretches, so that
//! no escape sequence goes on to the screen. SGR: ECMA-48, and for the indexed and direct colours of `38` and `48`
//! <https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>. Concealed text (`8`) is shown: nothing is hidden from an operator.

use super::text::{clean_telling, redrawn};

/// A colour of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Of the palette of 256; the first sixteen are every terminal's own.
    Indexed(u8),
    /// Direct: red, green, blue.
    Rgb(u8, u8, u8),
}

/// How a piece of text is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ink {
    /// Colour of the text; none is the default.
    pub text: Option<Colour>,
    /// Colour behind it; none is the default.
    pub ground: Option<Colour>,
    /// Bold.
    pub bold: bool,
    /// Fainter.
    pub dim: bool,
    /// Slanted.
    pub italic: bool,
    /// Underlined.
    pub underlined: bool,
    /// Text and ground exchanged.
    pub reversed: bool,
}

/// A stretch of a line in one ink. It begins where the one before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Byte of the text before which it ends.
    pub until: u32,
    /// Its ink.
    pub ink: Ink,
}

/// A line with its colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Painted {
    /// The line, cleaned.
    pub text: String,
    /// Its stretches, from its start on; none where it has no colour. What they do not reach has none.
    pub stretches: Vec<Stretch>,
}

/// Reads lines as a terminal would, with their colours. A colour holds until the program takes it back, over the ends of lines.
#[derive(Debug, Clone, Default)]
pub struct Painter {
    ink: Ink,
}

impl Painter {
    /// The lines of a piece of output, each as it was drawn last ([`terminal_lines`](super::text::terminal_lines)).
    pub fn lines(&mut self, raw: &str) -> Vec<Painted> {
        let mut lines: Vec<Painted> = redrawn(raw).split('\n').map(|line| self.last_drawing(line)).collect();
        if lines.last().is_some_and(|line| line.text.is_empty()) {
            lines.pop();
        }
        lines
    }

    /// A line after its last drawing that is not empty; the colours of the others hold on all the same.
    fn last_drawing(&mut self, line: &str) -> Painted {
        let mut last = Painted::default();
        for drawing in line.split('\r') {
            let painted = self.paint(drawing);
            if !painted.text.trim().is_empty() {
                last = painted;
            }
        }
        last.text.truncate(last.text.trim_end().len());
        last
    }

    fn paint(&mut self, drawing: &str) -> Painted {
        let mut stretches: Vec<Stretch> = Vec::new();
        let end = |stretches: &mut Vec<Stretch>, at: usize, ink: Ink| {
            let until = u32::try_from(at).unwrap_or(u32::MAX);
            if stretches.last().map_or(0, |last| last.until) < until {
                stretches.push(Stretch { until, ink });
            }
        };
        let ink = &mut self.ink;
        let text = clean_telling(drawing, |parameters, at| {
            end(&mut stretches, at, *ink);
            ink.take(parameters);
        });
        if *ink != Ink::default() {
            end(&mut stretches, text.len(), *ink);
        }
        if stretches.iter().all(|stretch| stretch.ink == Ink::default()) {
            stretches.clear();
        }
        Painted { text, stretches }
    }
}

impl Ink {
    /// Takes in the parameters of an SGR sequence, such as `1;38;5;208`. What is not known changes nothing.
    fn take(&mut self, parameters: &str) {
        // Sub-parameters after colons are written as those after semicolons by most, and mean the same here.
        let mut numbers =
            parameters.split([';', ':']).map(|number| if number.is_empty() { Ok(0) } else { number.parse() });
        while let Some(number) = numbers.next() {
            let Ok(number) = number else { return };
            match number {
                0_u16 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                7 => self.reversed = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.reversed = false,
                30..=37 => self.text = Some(Colour::Indexed((number - 30) as u8)),
                38 => self.text = extended(&mut numbers).or(self.text),
                39 => self.text = None,
                40..=47 => self.ground = Some(Colour::Indexed((number - 40) as u8)),
                48 => self.ground = extended(&mut numbers).or(self.ground),
                49 => self.ground = None,
                90..=97 => self.text = Some(Colour::Indexed((number - 90 + 8) as u8)),
                100..=107 => self.ground = Some(Colour::Indexed((number - 100 + 8) as u8)),
                _ => {}
            }
        }
    }
}

/// The colour after `38` or `48`: `5;index`, or `2;red;green;blue`.
fn extended<E>(numbers: &mut impl Iterator<Item = Result<u16, E>>) -> Option<Colour> {
    let mut next = || numbers.next()?.ok();
    let kind = next()?;
    let mut part = || u8::try_from(next()?).ok();
    match kind {
        5 => Some(Colour::Indexed(part()?)),
        2 => Some(Colour::Rgb(part()?, part()?, part()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(raw: &str) -> Painted {
        let mut lines = Painter::default().lines(raw);
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }

    fn coloured(index: u8) -> Ink {
        Ink { text: Some(Colour::Indexed(index)), ..Ink::default() }
    }

    #[test]
    fn colours_are_kept_beside_the_text() {
        let line = painted("\x1b[1;34m==>\x1b[0m deploying \x1b[32mnetworking\x1b[0m");
        assert_eq!(line.text, "==> deploying networking");
        let blue = Ink { bold: true, ..coloured(4) };
        let stretch = |until, ink| Stretch { until, ink };
        assert_eq!(line.stretches, [stretch(3, blue), stretch(14, Ink::default()), stretch(24, coloured(2))]);
    }

    #[test]
    fn every_way_to_name_a_colour_is_understood() {
        for (parameters, ink) in [
            ("", Ink::default()),
            ("31", coloured(1)),
            ("91", coloured(9)),
            ("38;5;208", coloured(208)),
            ("38:5:208", coloured(208)),
            ("38;2;1;2;3", Ink { text: Some(Colour::Rgb(1, 2, 3)), ..Ink::default() }),
            ("48;5;17", Ink { ground: Some(Colour::Indexed(17)), ..Ink::default() }),
            ("103", Ink { ground: Some(Colour::Indexed(11)), ..Ink::default() }),
            (
                "1;2;3;4;7",
                Ink { bold: true, dim: true, italic: true, underlined: true, reversed: true, ..Ink::default() },
            ),
            ("1;4;22;24;31;39", Ink::default()),
            ("38;5;999", Ink::default()),
            ("8", Ink::default()),
            ("?25", Ink::default()),
            ("31;x", coloured(1)),
        ] {
            let mut taken = Ink::default();
            taken.take(parameters);
            assert_eq!(taken, ink, "{parameters}");
        }
    }

    #[test]
    fn nothing_but_colour_comes_through() {
        let line = painted("\x1b]0;\x1b[31mtitle\x07\x1b[2J\x1b[10;10H\x1b[31mred\u{202e}\x1b[?1049h\x1b[0m\x08 plain");
        assert!(!line.text.contains(char::is_control), "{line:?}");
        assert!(line.text.ends_with("red plain"), "{line:?}");
    }

    #[test]
    fn a_colour_holds_over_the_end_of_a_line_and_through_what_is_redrawn() {
        let mut painter = Painter::default();
        let lines = painter.lines("\x1b[31mone\ntwo\n 10%\r\x1b[32mdone\n");
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["one", "two", "done"]);
        let inks: Vec<Ink> = lines.iter().map(|line| line.stretches[0].ink).collect();
        assert_eq!(inks, [coloured(1), coloured(1), coloured(2)]);
        assert_eq!(painter.lines("still\n")[0].stretches[0].ink, coloured(2));
        assert!(painter.lines("\x1b[mplain\n")[0].stretches.is_empty());
    }

    #[test]
    fn the_text_is_that_of_a_terminal() {
        let raw = "start\r\n 10%\r \x1b[36m50%\r100% done\x1b[0m\r\n\x1b[2K\x1b[1Gstack ok\n\n\x1b[33mlast  \x1b[0m ";
        let lines = Painter::default().lines(raw);
        let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        assert_eq!(texts, super::super::text::terminal_lines(raw));
    }
}
