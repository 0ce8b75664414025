//! Fits a finished drawing to the terminal: fewer colours, plain ASCII, or dimmed behind a dialog.
//!
//! Panes draw in true colour and Unicode; this is the one place that knows that a terminal may have less.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The palette of 256.
    Indexed,
    /// The sixteen that every terminal has.
    Ansi,
    /// None: `NO_COLOR`, or a terminal without.
    None,
}

/// Which characters a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Frames, blocks and glyphs.
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

impl Depth {
    /// What the environment says: `NO_COLOR`, then `COLORTERM`, then `TERM`.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let term = get("TERM").unwrap_or_default();
        let colorterm = get("COLORTERM").unwrap_or_default();
        if get("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
            Self::None
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256color") || !colorterm.is_empty() {
            Self::Indexed
        } else {
            Self::Ansi
        }
    }

    fn fit(self, colour: Color) -> Color {
        if self == Self::None {
            return Color::Reset;
        }
        // A program's own colour, of the palette; the first sixteen are every terminal's.
        if let (Self::Ansi, Color::Indexed(index @ 16..)) = (self, colour) {
            let [r, g, b] = of_256(index);
            return nearest_of_16([r, g, b]);
        }
        let Color::Rgb(r, g, b) = colour else { return colour };
        match self {
            Self::True => colour,
            Self::Indexed => Color::Indexed(nearest_of_256([r, g, b])),
            Self::Ansi => nearest_of_16([r, g, b]),
            Self::None => Color::Reset,
        }
    }
}

impl Charset {
    /// What the environment says: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set must name UTF-8.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(get).find(|value| !value.is_empty());
        match locale {
            Some(locale) if locale.to_ascii_lowercase().replace('-', "").contains("utf8") => Self::Unicode,
            // Containers and cron often set nothing while the terminal is a modern one.
            None => Self::Unicode,
            Some(_) => Self::Ascii,
        }
    }
}

/// Fits the drawing to what the terminal can show.
pub fn adapt(buffer: &mut Buffer, depth: Depth, charset: Charset) {
    if depth == Depth::True && charset == Charset::Unicode {
        return;
    }
    for cell in &mut buffer.content {
        if depth == Depth::Ansi && !is_block(cell) && luminance(cell.fg) > luminance(cell.bg) {
            // Sixteen colours hold no dark tints, and light text on the nearest that they have cannot be read.
            cell.bg = Color::Black;
        }
        cell.fg = depth.fit(cell.fg);
        cell.bg = depth.fit(cell.bg);
        if charset == Charset::Ascii {
            to_ascii(cell);
        }
    }
}

/// Lets everything recede, for a dialog to stand before it.
pub fn recede(buffer: &mut Buffer, area: Rect, ground: Color) {
    for position in area.positions() {
        let Some(cell) = buffer.cell_mut(position) else { continue };
        cell.fg = blend(cell.fg, ground, 0.36);
        cell.bg = blend(cell.bg, ground, 0.36);
        cell.modifier.remove(Modifier::BOLD | Modifier::REVERSED);
        // For terminals without colours.
        cell.modifier.insert(Modifier::DIM);
    }
}

/// Whether a cell is a piece of a chart, in which both colours say something.
fn is_block(cell: &Cell) -> bool {
    cell.symbol().starts_with(|c| ('▁'..='█').contains(&c))
}

fn luminance(colour: Color) -> u32 {
    let Color::Rgb(r, g, b) = colour else { return 0 };
    u32::from(r) * 2 + u32::from(g) * 3 + u32::from(b)
}

/// `share` of the first colour, the rest of the second.
fn blend(colour: Color, ground: Color, share: f32) -> Color {
    let (Color::Rgb(r, g, b), Color::Rgb(gr, gg, gb)) = (colour, ground) else { return colour };
    let mix = |of: u8, and: u8| (f32::from(of) * share + f32::from(and) * (1.0 - share)).round() as u8;
    Color::Rgb(mix(r, gr), mix(g, gg), mix(b, gb))
}

const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// A colour of the palette beyond the first sixteen: the cube, then the greys.
fn of_256(index: u8) -> [u8; 3] {
    match index.saturating_sub(16) {
        cube @ 0..216 => [cube / 36, cube / 6 % 6, cube % 6].map(|step| CUBE[usize::from(step)]),
        grey => [8 + (grey - 216) * 10; 3],
    }
}

fn nearest_of_256(rgb: [u8; 3]) -> u8 {
    let step = |value: u8| (0..6u8).min_by_key(|index| CUBE[usize::from(*index)].abs_diff(value)).unwrap_or_default();
    let [r, g, b] = rgb.map(step);
    let cube = [r, g, b].map(|index| CUBE[usize::from(index)]);
    let mean = rgb.iter().map(|value| u16::from(*value)).sum::<u16>() / 3;
    let grey_index = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = [8 + grey_index * 10; 3];
    let [least, most] = [rgb.iter().min(), rgb.iter().max()].map(|value| value.copied().unwrap_or_default());
    // A tint stays a tint where the cube has one that is dark enough: what it says is in its hue.
    let tinted = most - least >= 30 && most >= 64;
    if !tinted && distance(rgb, grey) < distance(rgb, cube) { 232 + grey_index } else { 16 + 36 * r + 6 * g + b }
}

fn nearest_of_16(rgb: [u8; 3]) -> Color {
    const ANSI: [(Color, [u8; 3]); 16] = [
        (Color::Black, [0, 0, 0]),
        (Color::Red, [170, 50, 50]),
        (Color::Green, [40, 160, 60]),
        (Color::Yellow, [170, 140, 30]),
        (Color::Blue, [40, 90, 180]),
        (Color::Magenta, [150, 70, 170]),
        (Color::Cyan, [30, 150, 170]),
        (Color::Gray, [190, 190, 190]),
        (Color::DarkGray, [100, 105, 110]),
        (Color::LightRed, [242, 116, 104]),
        (Color::LightGreen, [126, 200, 120]),
        (Color::LightYellow, [255, 204, 102]),
        (Color::LightBlue, [110, 190, 255]),
        (Color::LightMagenta, [190, 150, 255]),
        (Color::LightCyan, [92, 207, 230]),
        (Color::White, [245, 245, 245]),
    ];
    ANSI.into_iter().min_by_key(|(_, known)| distance(rgb, *known)).map_or(Color::Reset, |(colour, _)| colour)
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// Every character that the panes draw, and the one that stands for it where there is only ASCII.
const ASCII: &[(&str, char)] = &[
    ("─╌", '-'),
    ("│┊▏▎▍▌", '|'),
    ("╭╮╰╯├┤", '+'),
    ("━", '='),
    ("┃┏┓┗┛", '#'),
    ("█▇▆▅▉▊▋■▓", '#'),
    ("▒", '%'),
    ("░", ':'),
    ("▄▃", '='),
    ("▂▁", '_'),
    ("✓", '+'),
    ("▶", '>'),
    ("✗", 'x'),
    ("↷", '~'),
    ("◆", '*'),
    ("◐", '%'),
    ("·•", '.'),
    ("○", 'o'),
    ("●", '@'),
    ("…", '~'),
    ("→›▸⇥", '>'),
    ("←‹⇤", '<'),
    ("↑", '^'),
    ("↓", 'v'),
    ("±", '~'),
    ("–—−", '-'),
    ("Δ", 'd'),
    ("↳", '>'),
    ("⌂", '@'),
    ("×", 'x'),
    ("“”", '"'),
    ("‘’", '\''),
];

fn to_ascii(cell: &mut Cell) {
    let symbol = cell.symbol();
    if symbol.is_ascii() {
        return;
    }
    let known = ASCII.iter().find(|(from, _)| from.contains(symbol)).map(|(_, to)| *to);
    cell.set_char(known.unwrap_or('?'));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(variables: &[(&str, &str)]) -> Depth {
        Depth::of_environment(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are() {
        assert_eq!(depth(&[("COLORTERM", "truecolor"), ("TERM", "screen")]), Depth::True);
        assert_eq!(depth(&[("TERM", "tmux-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Ansi);
        assert_eq!(depth(&[("TERM", "dumb")]), Depth::None);
        assert_eq!(depth(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::None);
        // An empty NO_COLOR counts as not set: https://no-color.org
        assert_eq!(depth(&[("NO_COLOR", ""), ("COLORTERM", "24bit")]), Depth::True);
    }

    #[test]
    fn states_stay_apart_in_sixteen_colours() {
        let of = |r, g, b| nearest_of_16([r, g, b]);
        assert_eq!(of(0x7e, 0xc8, 0x78), Color::LightGreen);
        assert_eq!(of(0xf2, 0x74, 0x68), Color::LightRed);
        assert_eq!(of(0xff, 0xcc, 0x66), Color::LightYellow);
        assert_eq!(of(0x0e, 0x12, 0x18), Color::Black);
    }

    #[test]
    fn a_colour_of_the_palette_is_its_own_nearest() {
        assert_eq!(nearest_of_256([255, 0, 0]), 196);
        assert_eq!(nearest_of_256([128, 128, 128]), 244);
        // The tint of a lane that is down: dark red, not grey.
        assert_eq!(nearest_of_256([0x5b, 0x2c, 0x27]), 52);
        // The ground of the screen: next to black.
        assert_eq!(nearest_of_256([0x0e, 0x12, 0x18]), 233);
    }
}
