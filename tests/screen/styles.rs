//! The colours of every moment at every size in every theme, without a picture of each.
//!
//! A screen in a theme is two things: which *role* each word has (`state.danger` on `ground.dialog`), and what that theme makes
//! of the role. The first is the same for all themes, and is pinned once for each moment, in words that can be read beside its
//! text. The second is pinned once for each theme, a line for every pair of roles that is met on any screen. That the two
//! make up the screen is not believed but held against every cell of every moment, size and theme.

use std::collections::{BTreeMap, HashMap};

use aurora_cockpit::app::state::State;
use aurora_cockpit::config::SHIPPED_THEMES;
use aurora_cockpit::ui::adapt::{Charset, Depth, adapt};
use aurora_cockpit::ui::theme::{Rgb, Theme, Themes, contrast};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::support::night;
use crate::{SIZES, drawn};

/// The theme whose words say nothing by colour.
const MONOCHROME: &str = "monochrome";
/// What stands for a colour that is no role's: the terminal's own, or a program's.
const NO_ROLE: u16 = u16::MAX;

/// The colours of a theme file by the path of their key, such as `state.danger`.
fn colours(table: &toml::Table) -> Vec<(String, String)> {
    fn walk(path: &str, value: &toml::Value, found: &mut Vec<(String, String)>) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| walk(&below(key), value, found)),
            toml::Value::Array(values) => {
                values.iter().enumerate().for_each(|(index, value)| walk(&below(&index.to_string()), value, found));
            }
            toml::Value::String(text) if text.starts_with('#') => found.push((path.to_owned(), text.clone())),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk("", &toml::Value::Table(table.clone()), &mut found);
    found
}

/// A theme in which every role has a colour of its own, so that a drawn cell tells its roles.
struct Probe {
    theme: Theme,
    roles: Vec<String>,
    numbers: HashMap<Color, u16>,
}

impl Probe {
    fn new() -> Self {
        let mut text = SHIPPED_THEMES[0].1.to_owned();
        let table: toml::Table = text.parse().expect("a shipped theme is well formed");
        let roles: Vec<String> = colours(&table).into_iter().map(|(role, _)| role).collect();
        let mut table = toml::Value::Table(table);
        let mut numbers = HashMap::new();
        for (number, role) in (0_u16..).zip(&roles) {
            // Apart from each other in every channel that a number of this size reaches.
            let colour = 0x10_1010 + (u32::from(number) % 16) * 0x0f + (u32::from(number) / 16) * 0x0f00;
            let value = role.split('.').fold(&mut table, |value, key| match key.parse::<usize>() {
                Ok(index) if value.is_array() => &mut value[index],
                _ => &mut value[key],
            });
            *value = toml::Value::String(format!("#{colour:06x}"));
            numbers.insert(Color::from_u32(colour), number);
        }
        text = toml::to_string(&table).expect("a table");
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("probe.toml");
        std::fs::write(&file, text).expect("a file");
        let mut themes = Themes::default();
        let name = themes.add(&file).expect("the probe is a theme");
        assert_eq!(numbers.len(), roles.len(), "every role has a colour of its own");
        Self { theme: themes.theme(&name, Depth::True, Charset::Unicode), roles, numbers }
    }

    fn number(&self, colour: Color) -> u16 {
        self.numbers.get(&colour).copied().unwrap_or(NO_ROLE)
    }

    fn name(&self, number: u16) -> &str {
        self.roles.get(usize::from(number)).map_or("none", String::as_str)
    }
}

/// Whether a cell shows its ground only.
fn is_blank(cell: &Cell) -> bool {
    cell.symbol().trim().is_empty()
}

/// Whether it has receded behind a dialog: that is done to all of the screen alike, and pinned where it is done.
fn recedes(cell: &Cell) -> bool {
    cell.modifier.contains(Modifier::DIM)
}

/// What of a row says how it looks: a piece for each change of ground, ink or weight, with the first word that is in it.
fn row_of(buffer: &Buffer, y: u16, probe: &Probe) -> String {
    let mut pieces: Vec<String> = Vec::new();
    let mut ground = None;
    let mut ink = None;
    let mut word = String::new();
    let end = |pieces: &mut Vec<String>, word: &mut String| {
        if let Some(last) = pieces.last_mut().filter(|_| !word.is_empty()) {
            last.push_str(&format!("‹{word}›"));
        }
        word.clear();
    };
    let mut in_first_word = false;
    for x in 0..buffer.area.width {
        let cell = &buffer[(x, y)];
        if recedes(cell) {
            if ground != Some("receded".to_owned()) {
                end(&mut pieces, &mut word);
                (ground, ink) = (Some("receded".to_owned()), None);
                pieces.push("[receded]".to_owned());
            }
            continue;
        }
        let here = role_or_own(cell.bg, probe);
        if ground.as_ref() != Some(&here) {
            end(&mut pieces, &mut word);
            pieces.push(format!("[{here}]"));
            (ground, ink) = (Some(here), None);
        }
        if is_blank(cell) {
            in_first_word = false;
            continue;
        }
        let weight = weight(cell.modifier);
        let here = format!("{}{weight}", role_or_own(cell.fg, probe));
        if ink.as_ref() != Some(&here) {
            end(&mut pieces, &mut word);
            pieces.push(here.clone());
            ink = Some(here);
            in_first_word = true;
        }
        if in_first_word && word.chars().count() < 12 {
            word.push_str(cell.symbol());
        }
    }
    end(&mut pieces, &mut word);
    pieces.join(" ")
}

fn role_or_own(colour: Color, probe: &Probe) -> String {
    match probe.number(colour) {
        NO_ROLE => format!("{colour}").to_lowercase(),
        number => probe.name(number).to_owned(),
    }
}

/// `+bold`, `+reversed`, `+underlined`.
fn weight(modifier: Modifier) -> String {
    let known = [(Modifier::BOLD, "bold"), (Modifier::REVERSED, "reversed"), (Modifier::UNDERLINED, "underlined")];
    known.iter().filter(|(each, _)| modifier.contains(*each)).map(|(_, name)| format!("+{name}")).collect()
}

/// A short sum of a row, by which a change of it is seen.
fn sum(row: &str) -> String {
    let sum = row.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{:04x}", (sum >> 16) ^ (sum & 0xffff))
}

/// In words at the middle size; at the others a sum for each row, which says where to look.
#[test]
fn every_moment_keeps_the_roles_of_its_words() {
    let probe = Probe::new();
    for (name, state) in night::moments() {
        let mut text = String::new();
        for size in SIZES {
            let buffer = drawn(&state, size, &probe.theme);
            let rows = (0..size.1).map(|y| row_of(&buffer, y, &probe));
            text += &format!("{}x{}\n", size.0, size.1);
            if size == SIZES[1] {
                text.extend(rows.enumerate().map(|(y, row)| format!("{y:>2} {row}\n")));
            } else {
                let sums: Vec<String> = rows.map(|row| sum(&row)).collect();
                text.extend(sums.chunks(10).map(|ten| format!("   {}\n", ten.join(" "))));
            }
        }
        insta::assert_snapshot!(format!("roles-{name}"), text);
    }
}

/// What a theme makes of a pair of roles.
struct Made {
    colours: (Color, Color),
    weights: BTreeMap<String, ()>,
    /// Whether words are written in it, and not only frames, glyphs and charts.
    is_word: bool,
    /// The first moment that has it.
    first: String,
}

/// What a theme makes of every pair of roles that is met on any screen; and that it makes the same of it everywhere.
fn made_of(
    name: &str,
    theme: &Theme,
    probe: &Probe,
    screens: &[(String, Buffer, State)],
) -> BTreeMap<(u16, u16), Made> {
    let mut all: BTreeMap<(u16, u16), Made> = BTreeMap::new();
    for (moment, roles, state) in screens {
        let buffer = drawn(state, (roles.area.width, roles.area.height), theme);
        let mut last = (NO_ROLE, NO_ROLE, Color::Reset, Color::Reset, Modifier::empty(), false);
        for (role, cell) in roles.content.iter().zip(&buffer.content) {
            // Without colours, a ground or a frame is drawn where a colour would say it.
            assert!(role.symbol() == cell.symbol() || name == MONOCHROME, "{name}, {moment}: {role:?} is {cell:?}");
            if recedes(role) {
                continue;
            }
            let blank = is_blank(role);
            let ink = if blank { NO_ROLE } else { probe.number(role.fg) };
            let pair = (ink, probe.number(role.bg));
            let shown = if blank { Color::Reset } else { cell.fg };
            let is_word = !blank && cell.symbol().chars().all(char::is_alphanumeric);
            let here = (pair.0, pair.1, shown, cell.bg, cell.modifier, is_word);
            if here == last || (!blank && ink == NO_ROLE) || pair.1 == NO_ROLE {
                continue;
            }
            last = here;
            let made = all.entry(pair).or_insert_with(|| Made {
                colours: (shown, cell.bg),
                weights: BTreeMap::new(),
                is_word: false,
                first: moment.clone(),
            });
            assert_eq!(
                made.colours,
                (shown, cell.bg),
                "{name}, {moment}: {} on {} is not what it is elsewhere",
                probe.name(pair.0),
                probe.name(pair.1),
            );
            made.is_word |= is_word;
            made.weights.insert(weight(cell.modifier), ());
        }
    }
    all
}

/// The colours as a terminal of less depth shows them.
fn at_depth(colour: Color, depth: Depth) -> String {
    let mut one = Buffer::empty(Rect::new(0, 0, 1, 1));
    one[(0, 0)].set_symbol("x").set_fg(colour);
    adapt(&mut one, depth, Charset::Unicode);
    format!("{}", one[(0, 0)].fg).to_lowercase()
}

/// A line of a theme's golden.
fn line(probe: &Probe, pair: (u16, u16), made: &Made) -> String {
    let (ink, ground) = made.colours;
    let weights: Vec<&str> =
        made.weights.keys().map(|weight| if weight.is_empty() { "+plain" } else { weight }).collect();
    let roles = match pair.0 {
        NO_ROLE => format!("ground {}", probe.name(pair.1)),
        role => format!("{} on {}", probe.name(role), probe.name(pair.1)),
    };
    let colours = match (ink, ground) {
        (Color::Reset, Color::Reset) => String::new(),
        (Color::Reset, ground) => {
            format!("{ground:<7} · {:>3} · {}", at_depth(ground, Depth::Indexed), at_depth(ground, Depth::Ansi))
        }
        (ink, ground) => {
            let ratio = contrast(Rgb(ink), Rgb(ground));
            let less = [Depth::Indexed, Depth::Ansi]
                .map(|depth| format!("{} on {}", at_depth(ink, depth), at_depth(ground, depth)));
            let kind = if made.is_word { "words" } else { "marks" };
            format!("{ink} on {ground} {ratio:>5.1}:1 {kind} · {}", less.join(" · "))
        }
    };
    format!("{roles:<52} {colours} {} ({})", weights.join(" "), made.first)
}

/// What is measured is what is on the screen, not what a theme's author thought would be on it.
#[test]
fn every_theme_makes_of_every_role_what_it_did_and_every_word_can_be_read() {
    let probe = Probe::new();
    let themes = Themes::default();
    let mut screens = Vec::new();
    for (name, state) in night::moments() {
        screens.extend(SIZES.map(|size| (name.to_owned(), drawn(&state, size, &probe.theme), state.clone())));
    }
    let paths = |text: &str| -> Vec<String> {
        colours(&text.parse().expect("well formed")).into_iter().map(|(role, _)| role).collect()
    };
    for (name, text) in SHIPPED_THEMES {
        assert_eq!(paths(text), probe.roles, "{name} names other wait events or sources than the first theme");
        let theme = themes.theme(name, Depth::True, Charset::Unicode);
        let made = made_of(name, &theme, &probe, &screens);
        for (pair, made) in made.iter().filter(|(_, made)| made.is_word && name != MONOCHROME) {
            // What does nothing now is exempt.
            let role = probe.name(pair.0);
            let ratio = contrast(Rgb(made.colours.0), Rgb(made.colours.1));
            let ground = probe.name(pair.1);
            assert!(ratio >= 4.5 || role == "text.ghost", "{name}, {}: {role} on {ground}: {ratio:.1}", made.first);
        }
        assert!(made.len() > 60, "{name}: {} pairs of roles were met", made.len());
        let lines: Vec<String> = made.iter().map(|(pair, made)| line(&probe, *pair, made)).collect();
        insta::assert_snapshot!(format!("theme-{name}"), lines.join("\n"));
    }
}
