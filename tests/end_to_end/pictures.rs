//! The README's pictures: the program itself in a terminal, brought to a moment by its keys, cell by cell into an SVG.
//!
//! `bash assets/pictures.sh` writes them anew. The times in them are those of the run that they were taken from.

use std::fmt::Write as _;
use std::path::Path;

use vt100::Color;

use super::support::{Cockpit, ENTER, Place, ROLLOUT, TAB};

/// A cell in units of the picture, about as a monospaced font of that size has it.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: f64 = 14.0;
/// Where text stands in its cell.
const BASELINE: f64 = 13.5;
/// What a cell without colours of its own has; the program gives every cell its own.
const INK: (u8, u8, u8) = (204, 204, 204);
const GROUND: (u8, u8, u8) = (18, 22, 28);

/// Writes a screen as a picture.
fn picture(screen: &vt100::Screen, title: &str) -> String {
    let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
    let (width, height) = (f64::from(columns) * CELL.0, f64::from(rows) * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>rect{{shape-rendering:crispEdges}}path{{fill:none}}</style>\n<g font-size=\"{FONT_SIZE}\" font-family=\"ui-monospace, \
         'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
        hex(GROUND),
    );
    for row in 0..rows {
        let cells: Vec<Cell> = (0..columns).filter_map(|column| Cell::of(screen.cell(row, column)?)).collect();
        grounds(&mut svg, &cells, f64::from(row) * CELL.1);
        words(&mut svg, &cells, f64::from(row) * CELL.1);
    }
    svg + "</g>\n</svg>\n"
}

/// What is seen of a cell.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    text: String,
    ink: String,
    ground: String,
    bold: bool,
    italic: bool,
    underlined: bool,
}

impl Cell {
    fn of(cell: &vt100::Cell) -> Option<Self> {
        if cell.is_wide_continuation() {
            return None;
        }
        let (mut ink, mut ground) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), GROUND));
        if cell.inverse() {
            std::mem::swap(&mut ink, &mut ground);
        }
        let text = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
        let (bold, italic, underlined) = (cell.bold(), cell.italic(), cell.underline());
        Some(Self { text, ink, ground, bold, italic, underlined })
    }

    fn is_written_like(&self, other: &Self) -> bool {
        (&self.ink, self.bold, self.italic, self.underlined) == (&other.ink, other.bold, other.italic, other.underlined)
    }
}

fn colour(colour: Color, usual: (u8, u8, u8)) -> String {
    match colour {
        Color::Rgb(red, green, blue) => hex((red, green, blue)),
        Color::Default => hex(usual),
        // In a terminal of true colour the program asks for nothing else.
        Color::Idx(index) => panic!("colour {index} of the terminal's own palette"),
    }
}

fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The grounds of a row, where they are another than the picture's.
fn grounds(svg: &mut String, cells: &[Cell], y: f64) {
    let mut column = 0;
    for run in cells.chunk_by(|one, other| one.ground == other.ground) {
        if run[0].ground != hex(GROUND) {
            rectangle(svg, at(column), y, at(run.len()), CELL.1, &run[0].ground);
        }
        column += run.len();
    }
}

/// What is written in a row: frames and bars as shapes, which join whatever font there is, and the rest as text.
fn words(svg: &mut String, cells: &[Cell], y: f64) {
    let mut column = 0;
    while column < cells.len() {
        let cell = &cells[column];
        if cell.text == " " {
            column += 1;
            continue;
        }
        if let Some(alike) = shape(svg, &cells[column..], at(column), y) {
            column += alike;
            continue;
        }
        let mut end = column;
        while end < cells.len() && cells[end].is_written_like(cell) && is_text(cells, end) {
            end += 1;
        }
        let text: String = cells[column..end].iter().map(|cell| cell.text.as_str()).collect();
        let style = [(cell.bold, " font-weight=\"bold\""), (cell.italic, " font-style=\"italic\"")];
        let mut style: String = style.iter().filter(|(is, _)| *is).map(|(_, words)| *words).collect();
        if cell.underlined {
            style += " text-decoration=\"underline\"";
        }
        // The width is said, so that columns stand in any font.
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{style}>{}</text>",
            at(column),
            y + BASELINE,
            at(end - column),
            cell.ink,
            escaped(&text),
        );
        column = end;
    }
}

/// Whether a cell goes on with the text before it: a blank does where another word follows.
fn is_text(cells: &[Cell], index: usize) -> bool {
    let blank = |index: usize| cells.get(index).is_none_or(|cell| cell.text == " ");
    let text = &cells[index].text;
    let drawn = text.chars().next().is_some_and(|letter| block(letter).is_some() || lines(letter).is_some());
    !drawn && !(blank(index) && (blank(index + 1) || !cells[index].is_written_like(&cells[index + 1])))
}

/// Draws the shape that cells begin with, if it is one; how many cells it takes: an edge is one stroke, however long.
fn shape(svg: &mut String, cells: &[Cell], x: f64, y: f64) -> Option<usize> {
    let cell = &cells[0];
    let letter = cell.text.chars().next()?;
    let (width, height) = CELL;
    if let Some((left, top, right, bottom)) = block(letter) {
        let (wide, high) = ((right - left) * width, (bottom - top) * height);
        rectangle(svg, x + left * width, y + top * height, wide, high, &cell.ink);
        return Some(1);
    }
    let (mut path, heavy, dashes) = lines(letter)?;
    let alike = cells.iter().take_while(|each| each.text == cell.text && each.ink == cell.ink).count();
    let alike = if EDGES.contains(letter) { alike } else { 1 };
    if alike > 1 {
        path = format!("M0 {}H{:.1}", height / 2.0, at(alike));
    }
    let stroke = if heavy { 2.2 } else { 1.1 };
    let dashes = if dashes { " stroke-dasharray=\"2 2.2\"" } else { "" };
    let _ = writeln!(
        svg,
        "<path transform=\"translate({x:.1} {y:.1})\" d=\"{path}\" stroke=\"{}\" stroke-width=\"{stroke}\"{dashes}/>",
        cell.ink
    );
    Some(alike)
}

/// What goes from edge to edge of its cell, in the middle.
const EDGES: &str = "─━╌";

/// The part of its cell that a block fills: left, top, right and bottom.
fn block(letter: char) -> Option<(f64, f64, f64, f64)> {
    match letter {
        '▁'..='█' => Some((0.0, 1.0 - f64::from(letter as u32 - '▁' as u32 + 1) / 8.0, 1.0, 1.0)),
        '▉'..='▏' => Some((0.0, 0.0, 1.0 - f64::from(letter as u32 - '█' as u32) / 8.0, 1.0)),
        _ => None,
    }
}

/// The strokes of a frame's piece, in its cell; whether they are heavy, and whether they are broken.
fn lines(letter: char) -> Option<(String, bool, bool)> {
    let (right, bottom) = CELL;
    let (x, y, bend) = (right / 2.0, bottom / 2.0, right / 2.0);
    let (above, below) = (y - bend, y + bend);
    let path = match letter {
        '─' | '━' | '╌' => format!("M0 {y}H{right}"),
        '│' | '┃' | '┊' => format!("M{x} 0V{bottom}"),
        '╭' => format!("M{right} {y}Q{x} {y} {x} {below}V{bottom}"),
        '╮' => format!("M0 {y}Q{x} {y} {x} {below}V{bottom}"),
        '╰' => format!("M{right} {y}Q{x} {y} {x} {above}V0"),
        '╯' => format!("M0 {y}Q{x} {y} {x} {above}V0"),
        '┏' => format!("M{right} {y}H{x}V{bottom}"),
        '┓' => format!("M0 {y}H{x}V{bottom}"),
        '┗' => format!("M{right} {y}H{x}V0"),
        '┛' => format!("M0 {y}H{x}V0"),
        '├' => format!("M{x} 0V{bottom}M{x} {y}H{right}"),
        '┤' => format!("M{x} 0V{bottom}M{x} {y}H0"),
        _ => return None,
    };
    Some((path, "━┃┏┓┗┛".contains(letter), "╌┊".contains(letter)))
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, ink: &str) {
    let _ =
        writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{ink}\"/>");
}

fn at(columns: usize) -> f64 {
    f64::from(u32::try_from(columns).unwrap()) * CELL.0
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Takes the picture of what is on the screen.
fn take(cockpit: &Cockpit, name: &str, title: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(format!("{name}.svg"));
    std::fs::write(&path, picture(cockpit.screen(), title)).unwrap();
    eprintln!("{}", path.display());
}

/// Types what the confirmation wants typed, where it wants that.
fn type_name(cockpit: &mut Cockpit) {
    let name = cockpit.text().lines().find_map(|row| {
        let (_, after) = row.split_once("type ")?;
        after.split_once("  ›").map(|(name, _)| name.to_owned())
    });
    if let Some(name) = name {
        cockpit.press(&name);
        cockpit.see("Enter chooses");
    }
}

/// Opens the confirmation of the step that is next, and fires it.
fn fire(cockpit: &mut Cockpit) {
    open_next(cockpit);
    type_name(cockpit);
    cockpit.press(TAB);
    cockpit.press(ENTER);
}

/// Fires the step that is next, and waits until another one is.
fn fire_next(cockpit: &mut Cockpit) {
    let sentence = cockpit.terminal_rows()[1].clone();
    fire(cockpit);
    cockpit.wait_for(&format!("a step after {sentence}"), |screen| {
        let row = screen.rows(0, screen.size().1.get()).nth(1).unwrap_or_default();
        row != sentence && row.contains("is next")
    });
}

fn open_next(cockpit: &mut Cockpit) {
    cockpit.press(ENTER);
    cockpit.see("Esc cancels");
}

#[test]
#[ignore = "writes the README's pictures: bash assets/pictures.sh"]
fn pictures() {
    // The first screen, where little room is.
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (80, 24), &["demo"]);
    cockpit.see("is next");
    cockpit.wait_for("every witness", |screen| screen.contents().matches("GRANT pg_monitor").count() >= 3);
    take(&cockpit, "start", "The first screen in a terminal of 80 columns and 24 rows");
    drop(cockpit);

    // The worst of 1Password, found and told.
    let place = Place::new();
    let demo = ["demo", "--scenario", "op-timeout-after-deploy", "--speed", "60"];
    let mut cockpit = Cockpit::start(&place, (120, 40), &demo);
    cockpit.see("p Prerequisites   is next");
    for _ in 0..3 {
        fire_next(&mut cockpit);
    }
    fire(&mut cockpit);
    cockpit.see("PARTIAL · op-timeout-after-deploy");
    take(&cockpit, "diagnosis", "A step that is partly done: what was seen, what it means, the way out");
    drop(cockpit);

    // Production: the confirmation of its failover, and the failover.
    let place = Place::with_site(8);
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run", "--rollout", ROLLOUT, "--only", "prod"]);
    cockpit.see("p Prerequisites   is next");
    while !cockpit.terminal_rows()[1].contains("Failover to") {
        fire_next(&mut cockpit);
    }
    open_next(&mut cockpit);
    type_name(&mut cockpit);
    take(&cockpit, "confirmation", "The confirmation of a failover in production, its cluster's name typed");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.see("writes were down");
    take(&cockpit, "failover", "A failover in production: who says who the writer is, and since when");
}
