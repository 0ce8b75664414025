//! The screen at the moments and sizes that matter.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod support;

use aurora_cockpit::app::state::State;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use support::night;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

fn drawn(state: &State, (width, height): (u16, u16), theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| ui::draw(frame, state, theme)).expect("memory takes every drawing");
    terminal.backend().buffer().clone()
}

/// Prints a moment with its colours, for looking at it: `LOOK=failover SIZE=200x50 cargo test --test screen look --
/// --ignored --nocapture`.
#[test]
#[ignore = "for eyes, not for machines"]
fn look() {
    let wanted = std::env::var("LOOK").unwrap_or_else(|_| "failover".to_owned());
    let size = std::env::var("SIZE").unwrap_or_else(|_| "200x50".to_owned());
    let directory = std::env::var("OUT").unwrap_or_else(|_| std::env::temp_dir().display().to_string());
    let (width, height) = size.split_once('x').expect("SIZE is COLUMNSxROWS");
    let size = (width.parse().expect("columns"), height.parse().expect("rows"));
    for (name, mut state) in night::moments() {
        if wanted == "all" || wanted == name {
            if std::env::var("PLAIN").is_ok() {
                state.dialog = None;
            }
            let buffer = drawn(&state, size, &Theme::default());
            std::fs::write(format!("{directory}/{name}-{}x{}.ansi", size.0, size.1), ansi(&buffer)).expect("a file");
        }
    }
}

fn ansi(buffer: &Buffer) -> String {
    let colour = |colour: Color, base: u8| match colour {
        Color::Rgb(r, g, b) => format!(";{base};2;{r};{g};{b}"),
        Color::Indexed(index) => format!(";{base};5;{index}"),
        _ => String::new(),
    };
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let cell = &buffer[(x, y)];
            let bold = if cell.modifier.contains(Modifier::BOLD) { ";1" } else { "" };
            text.push_str(&format!("\x1b[0{bold}{}{}m{}", colour(cell.fg, 38), colour(cell.bg, 48), cell.symbol()));
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        text.push('\n');
    }
    text
}
