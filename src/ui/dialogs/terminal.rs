//! A program's terminal: what it shows, drawn cell by cell from the emulator, so that nothing of it reaches the operator's
//! own terminal but characters and colours.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

use super::Scene;
use crate::app::state::Mode;
use crate::app::terminal::{Size, Terminal};
use crate::runbook::text::clean_line;
use crate::ui::layout::fits;
use crate::ui::panel::{self, Panel};
use crate::ui::symbols;
use crate::ui::text::{Spans, fit_spans, span};

/// Rows above it that stay in sight: the title row and the sentence.
const ABOVE: u16 = 3;
/// Widest and highest frame: more than any program of a rollout asks for.
const LARGEST: (u16, u16) = (164, 46);
/// Rows and columns of the frame, the air in it and the line at its foot.
const AROUND: (u16, u16) = (3, 4);

/// Where its frame stands.
fn place(area: Rect) -> Rect {
    let below = Rect { y: area.y + ABOVE, height: area.height.saturating_sub(ABOVE + 1), ..area };
    let (width, height) = (below.width.min(LARGEST.0), below.height.min(LARGEST.1));
    Rect { x: below.x + (below.width - width) / 2, width, height, ..below }
}

/// Rows and columns of a terminal on a screen of this size; none where it is too small for a dialog.
pub fn size(area: Rect) -> Option<Size> {
    let place = place(area);
    fits(area).then(|| Size { rows: place.height - AROUND.0, columns: place.width - AROUND.1 })
}

/// What stays in sight above it.
pub fn receding(area: Rect) -> Rect {
    Rect { y: area.y + ABOVE, height: area.height.saturating_sub(ABOVE), ..area }
}

/// Draws the terminal; answers where its cursor stands.
pub(super) fn draw(buffer: &mut Buffer, scene: &Scene<'_>, terminal: &Terminal) -> Option<Position> {
    let (state, theme) = (scene.state, scene.theme);
    let (partition, planned, _) = state.run.step(&terminal.step)?;
    let area = place(scene.area);
    Clear.render(area, buffer);
    buffer.set_style(area, theme.plain().patch(theme.palette.ground.screen.ground()));
    let frame = match &terminal.ended {
        _ if partition.production => theme.palette.frame.production,
        Some(_) => theme.palette.frame.calm,
        None => theme.palette.frame.focus,
    };
    let mut title = Spans::new();
    if partition.production {
        let badge = format!(" {} ", partition.name.as_str().to_uppercase());
        title.extend([span(badge, theme.badge(frame)), span("  ", theme.plain())]);
    } else {
        title.push(span(format!("{} · ", partition.name), theme.plain()));
    }
    title.push(span(planned.title.clone(), theme.strong()));
    title.push(span(format!(" · {}", terminal.command_line), theme.faint()));
    let back = terminal.emulator.screen().scrollback();
    let remark = match back {
        0 => Spans::new(),
        back => vec![span(format!("{back} rows back"), theme.mind())],
    };
    let inner = Panel::new(title, frame.ink()).remark(remark).heavy(terminal.ended.is_none()).draw(area, buffer);
    let screen = Rect { height: inner.height.saturating_sub(1), ..inner };
    cells(buffer, screen, terminal.emulator.screen());
    let foot = Rect { y: screen.bottom(), height: 1, ..inner };
    panel::lines(buffer, foot, [Line::from(fit_spans(hint(scene, terminal), usize::from(inner.width)))]);
    cursor(scene, terminal, screen)
}

/// What the keys do now.
fn hint(scene: &Scene<'_>, terminal: &Terminal) -> Spans {
    let theme = scene.theme;
    match (&terminal.ended, &scene.state.mode) {
        (Some(end), _) => {
            let (glyph, style) = if end.well { (symbols::OK, theme.ok()) } else { (symbols::FAILED, theme.danger()) };
            vec![
                span(format!("{glyph} {}", end.how), style),
                span("   any key", theme.accent()),
                span(" closes   ", theme.plain()),
                span("PgUp", theme.accent()),
                span(" looks back", theme.plain()),
            ]
        }
        (None, Mode::Operator) => vec![
            span("Ctrl-]", theme.palette.state.accent.bold()),
            span(" leaves; the program goes on   ", theme.plain()),
            span("every other key goes to the program", theme.faint()),
        ],
        (None, Mode::Monitor(_)) => vec![
            span("read-only   ", theme.mind()),
            span("Ctrl-]", theme.accent()),
            span(" leaves   ", theme.plain()),
            span("PgUp", theme.accent()),
            span(" looks back", theme.plain()),
        ],
    }
}

fn cells(buffer: &mut Buffer, area: Rect, screen: &vt100::Screen) {
    for row in 0..area.height {
        for column in 0..area.width {
            let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else { continue };
            let Some(drawn) = buffer.cell_mut((area.x + column, area.y + row)) else { continue };
            let fits = !cell.is_wide() || column + 1 < area.width;
            // The emulator takes what turns its neighbours around, or is not seen, along with the letter before it.
            let shown = clean_line(cell.contents());
            drawn.set_symbol(if fits && !shown.is_empty() { &shown } else { " " });
            drawn.set_style(style(cell));
        }
    }
}

fn style(cell: &vt100::Cell) -> Style {
    let mut style = Style::new();
    if let Some(colour) = colour(cell.fgcolor()) {
        style = style.fg(colour);
    }
    if let Some(colour) = colour(cell.bgcolor()) {
        style = style.bg(colour);
    }
    let modifiers = [
        (cell.bold(), Modifier::BOLD),
        (cell.dim(), Modifier::DIM),
        (cell.italic(), Modifier::ITALIC),
        (cell.underline(), Modifier::UNDERLINED),
        (cell.inverse(), Modifier::REVERSED),
    ];
    modifiers.into_iter().filter(|(has, _)| *has).fold(style, |style, (_, modifier)| style.add_modifier(modifier))
}

/// The program's own colours, as the operator's terminal has them; none for the default, which is the cockpit's.
fn colour(colour: vt100::Color) -> Option<Color> {
    match colour {
        vt100::Color::Default => None,
        vt100::Color::Idx(index) => Some(Color::Indexed(index)),
        vt100::Color::Rgb(r, g, b) => Some(Color::Rgb(r, g, b)),
    }
}

fn cursor(scene: &Scene<'_>, terminal: &Terminal, area: Rect) -> Option<Position> {
    let screen = terminal.emulator.screen();
    let shown = scene.state.mode == Mode::Operator
        && terminal.ended.is_none()
        && !screen.hide_cursor()
        && screen.scrollback() == 0;
    let (row, column) = screen.cursor_position();
    let inside = row < area.height && column < area.width;
    (shown && inside).then(|| Position { x: area.x + column, y: area.y + row })
}
