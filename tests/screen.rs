//! The screen at the moments and sizes that matter.
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "screen/complete.rs"]
mod complete;
#[path = "screen/fleet.rs"]
mod fleet;
#[path = "screen/pods.rs"]
mod pods;
#[path = "screen/readonly.rs"]
mod readonly;
#[path = "screen/share.rs"]
mod share;
#[path = "screen/styles.rs"]
mod styles;
mod support;

use std::time::Duration;

use aurora_cockpit::app::dialog::{Button, Dialog};
use aurora_cockpit::app::state::State;
use aurora_cockpit::app::update::{Effect, Message, update};
use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::runbook::tone::Tone;
use aurora_cockpit::ui;
use aurora_cockpit::ui::adapt::{Charset, Depth};
use aurora_cockpit::ui::theme::{Theme, Themes};
use aurora_cockpit::watch::sample::{InstanceMetrics, MetricsView, Reading, Sample, SlowLogView, Source};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use support::site::Cluster;
use support::{night, trouble};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

fn drawn(state: &State, (width, height): (u16, u16), theme: &Theme) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| ui::draw(frame, state, theme)).expect("memory takes every drawing");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = (0..buffer.area.height).map(|y| {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if skip == 0 {
                let symbol = buffer[(x, y)].symbol();
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
                row.push_str(symbol);
            }
            skip -= 1;
        }
        row.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Where some words begin on the screen.
fn find(buffer: &Buffer, words: &str) -> (u16, u16) {
    let at = text(buffer).lines().enumerate().find_map(|(y, row)| {
        let before = row.find(words)?;
        Some((row[..before].chars().count() as u16, y as u16))
    });
    at.unwrap_or_else(|| panic!("{words:?} is not on the screen:\n{}", text(buffer)))
}

#[test]
fn the_screen_says_what_matters_at_every_size() {
    for (name, state) in night::moments() {
        for size in SIZES {
            let buffer = drawn(&state, size, &Theme::default());
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), text(&buffer));
        }
    }
}

#[test]
fn cloudwatch_and_the_slow_query_log_have_a_line_above_the_load() {
    let (_, state) = night::moments().into_iter().find(|(name, _)| *name == "fresh-start").expect("a moment");
    let partition = state.looked_at().0.clone();
    let cluster = Cluster::of(&state.run.plan, partition.name.as_str());
    let with = |samples: Vec<(Source, Result<Reading, Trouble>)>| {
        let mut state = state.clone();
        for (source, said) in samples {
            let sample = Sample::new(partition.name.clone(), source, state.now, Duration::ZERO, said);
            state.live.get_mut(&partition.name).expect("watched").take(sample);
        }
        text(&drawn(&state, (200, 50), &Theme::default()))
    };
    let of = |instance, lag_ms| InstanceMetrics {
        instance,
        at: state.now - SignedDuration::from_secs(100),
        connections: Some(31.0),
        lag_ms,
        cpu_percent: Some(4.4),
        load: Some(0.3),
        loads: vec![(state.now - SignedDuration::from_secs(100), 0.3)],
    };
    let view = MetricsView { instances: vec![of(cluster.writer(), None), of(cluster.reader(), Some(18.2))] };
    let metrics = || (Source::Metrics, Ok(Reading::Metrics(view.clone())));
    let nothing = SlowLogView { count: 0, lines: Vec::new() };
    let quiet = with(vec![metrics(), (Source::SlowLog, Ok(Reading::SlowLog(nothing)))]);
    assert!(quiet.contains("31 connections · CPU 4 % · lag 18 ms · nothing slow"), "{quiet}");
    let refused = |kind| (Source::SlowLog, Err(Trouble::new("logs:FilterLogEvents", kind, "no")));
    let not_exported = with(vec![refused(TroubleKind::NotFound)]);
    assert!(not_exported.contains("PostgreSQL log is not exported"), "{not_exported}");
    let denied = with(vec![refused(TroubleKind::Denied)]);
    assert!(denied.contains("slow-query log is not permitted"), "{denied}");
    // Where Performance Insights is silent, CloudWatch's load is all there is.
    let blind = Trouble::new("pi:GetResourceMetrics", TroubleKind::Denied, "no");
    let blind = with(vec![metrics(), (Source::Load(cluster.writer()), Err(blind))]);
    assert!(blind.contains("load 0.3"), "{blind}");
}

#[test]
fn a_new_writer_is_not_called_idle_for_what_it_was_as_a_reader() {
    let state = support::load::just_flipped();
    let text = text(&drawn(&state, (120, 40), &Theme::default()));
    assert!(text.contains("average active sessions") && !text.contains("no load"), "{text}");
}

#[test]
fn no_size_is_too_odd_to_draw() {
    let theme = Theme::default();
    let moments = night::moments();
    let widths = [1, 2, 20, 77, 78, 79, 80, 99, 100, 101, 119, 140, 159, 160, 161, 240];
    let heights = [1, 2, 3, 21, 22, 23, 24, 31, 32, 37, 38, 50, 70];
    // Neighbouring sizes take turns: each of the moments is drawn at every third, and each size has every third of them.
    for (column, width) in widths.into_iter().enumerate() {
        for (row, height) in heights.into_iter().enumerate() {
            for (_, state) in moments.iter().skip((column + row) % 3).step_by(3) {
                drawn(state, (width, height), &theme);
            }
        }
    }
}

#[test]
fn nothing_runs_into_the_right_edge() {
    for (name, state) in night::moments().into_iter().filter(|(_, state)| state.dialog.is_none()) {
        for size in SIZES {
            let buffer = drawn(&state, size, &Theme::default());
            let edge = "│╮╯┃┓┛ ";
            // Header, sentence and partitions' lines have no frame at their right.
            let first = if size.1 == 24 || state.zoomed { 7 } else { 3 };
            for y in first..size.1 - 1 {
                let symbol = buffer[(size.0 - 1, y)].symbol();
                assert!(edge.contains(symbol), "{name} {size:?}, row {y}: {symbol:?}\n{}", text(&buffer));
            }
        }
    }
}

#[test]
fn production_has_its_own_colour_and_its_own_word() {
    let theme = Theme::default();
    let production = theme.palette.frame.production.0;
    for size in SIZES {
        let buffer = drawn(&night::confirming_in_production(), size, &theme);
        let (x, y) = find(&buffer, " PROD ");
        assert_eq!(buffer[(x + 1, y)].bg, production, "the badge at {size:?}");
        assert_eq!(buffer[(x.saturating_sub(2), y)].fg, production, "the frame at {size:?}");
    }
    let buffer = drawn(&night::fresh_start(), (120, 40), &theme);
    let (x, y) = find(&buffer, "prod Alpha001");
    assert_eq!(buffer[(x, y)].fg, production);
    assert_eq!(buffer[(x - 3, y)].fg, production);
}

#[test]
fn cancel_is_focused_and_fire_is_shut_until_the_name_is_typed() {
    let theme = Theme::default();
    let selected = theme.palette.ground.selected.0;
    let mut state = night::confirming_in_production();
    for size in SIZES {
        let buffer = drawn(&state, size, &theme);
        let (x, y) = find(&buffer, " Cancel ");
        assert_eq!(buffer[(x + 1, y)].bg, selected, "{size:?}");
        let (x, y) = find(&buffer, " Fire ");
        assert_ne!(buffer[(x + 1, y)].bg, selected);
        assert_eq!(buffer[(x + 1, y)].fg, theme.palette.text.ghost.0);
    }
    let Some(Dialog::Confirm(confirm)) = &mut state.dialog else { panic!("a confirmation") };
    confirm.typed = "Alpha001-prod-AuroraCluster".to_owned();
    confirm.focus = Button::Fire;
    let buffer = drawn(&state, (120, 40), &theme);
    let (x, y) = find(&buffer, " Fire ");
    assert_eq!(buffer[(x + 1, y)].bg, theme.palette.frame.production.0);
}

fn press(state: &mut State, key: KeyCode) -> Vec<Effect> {
    update(state, Message::Drawn { fits: true, terminal: None }, night::OPERATOR);
    update(state, Message::Key(KeyEvent::new(key, KeyModifiers::NONE)), night::OPERATOR)
}

#[test]
fn what_is_wrong_and_what_to_do_are_seen_first_at_every_size() {
    let theme = Theme::default();
    let state = trouble::amm_in_trouble();
    for size in SIZES {
        let buffer = drawn(&state, size, &theme);
        let screen = text(&buffer);
        let sentence: Vec<&str> = screen.lines().skip(1).take(2).collect();
        assert!(sentence[0].contains("FAILED   Alpha001-prod-AuroraDBCluster"), "{screen}");
        assert!(sentence[1].contains("w: Database Insights to standard"), "{screen}");
        for words in ["seen ", "means ", "w 1 Database Insights to standard", "3 try it again"] {
            find(&buffer, words);
        }
        let (x, y) = find(&buffer, "2 amm.sh · ✗ FAILED");
        assert_eq!(buffer[(x - 2, y)].fg, theme.palette.state.danger.0, "its frame at {size:?}");
    }
}

#[test]
fn a_programs_terminal_keeps_its_colours_and_nothing_else_of_it_gets_out() {
    for size in SIZES {
        let buffer = drawn(&trouble::signing_in(), size, &Theme::default());
        let (x, y) = find(&buffer, "team.1password.com");
        assert_eq!(buffer[(x, y)].fg, Color::Indexed(6), "{size:?}");
        assert!(!text(&buffer).contains("a title"), "{}", text(&buffer));
        assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
        // The sentence above it does not recede.
        assert!(!buffer[(5, 1)].modifier.contains(Modifier::DIM), "{size:?}");
    }
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal in memory");
    let state = trouble::signing_in();
    terminal.draw(|frame| ui::draw(frame, &state, &Theme::default())).expect("memory takes every drawing");
    let cursor = terminal.get_cursor_position().expect("a cursor");
    assert_eq!((cursor.x, cursor.y), (2 + 62, 5), "the cursor stands at the prompt");
    let ended = text(&drawn(&trouble::signed_in(), (80, 24), &Theme::default()));
    assert!(ended.contains("✓ exit 0") && ended.contains("any key closes"), "{ended}");
}

#[test]
fn a_diagnosis_is_left_by_the_ways_that_its_foot_names() {
    let mut state = night::amm_failed();
    press(&mut state, KeyCode::Char('s'));
    assert!(matches!(state.dialog, Some(Dialog::Ask(_))), "{:?}", state.dialog);
    let mut state = night::amm_failed();
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(state.dialog, Some(Dialog::Preparing { .. })), "{:?}", state.dialog);
    assert_eq!(effects.len(), 1, "the facts for its confirmation are asked for");
}

#[test]
fn all_of_a_confirmation_can_be_read_on_a_low_terminal() {
    let mut state = night::confirming_in_production();
    let Some(Dialog::Confirm(confirm)) = &mut state.dialog else { panic!("a confirmation") };
    confirm.brief.calls = vec![confirm.brief.calls[0].clone(); 4];
    let before = text(&drawn(&state, (80, 24), &Theme::default()));
    assert!(!before.contains("way back") && before.contains("Cancel"), "{before}");
    for _ in 0..4 {
        press(&mut state, KeyCode::PageDown);
    }
    let after = text(&drawn(&state, (80, 24), &Theme::default()));
    assert!(after.contains("way back") && after.contains("Cancel"), "{after}");
}

#[test]
fn nothing_old_is_green() {
    let theme = Theme::default();
    let buffer = drawn(&night::network_lost(), (200, 50), &theme);
    let green = [theme.palette.state.ok.0, theme.lane(Tone::New).ink.0];
    // Members of every partition, and the witnesses' last words at the right edge of the timeline.
    let members = (5..7).flat_map(|y| (0..200).map(move |x| (x, y)));
    let witnesses = (11..20).flat_map(|y| (176..200).map(move |x| (x, y)));
    for at in members.chain(witnesses) {
        let cell = &buffer[at];
        assert!(cell.symbol() == " " || !green.contains(&cell.fg), "{at:?} {:?}\n{}", cell.symbol(), text(&buffer));
    }
}

#[test]
fn a_screen_that_is_too_small_says_what_it_needs() {
    let buffer = drawn(&night::failover(), (40, 10), &Theme::default());
    insta::assert_snapshot!("too-small-40x10", text(&buffer));
}

#[test]
fn poor_terminals_get_the_same_words() {
    let ascii = Themes::default().theme("dark", Depth::Ansi, Charset::Ascii);
    let plain = Themes::default().theme("monochrome", Depth::True, Charset::Unicode);
    for (name, state) in night::moments() {
        let buffer = drawn(&state, (120, 40), &ascii);
        assert!(text(&buffer).is_ascii(), "{name}\n{}", text(&buffer));
        let buffer = drawn(&state, (120, 40), &plain);
        assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset), "{name}");
    }
    let buffer = drawn(&night::failover(), (120, 40), &ascii);
    insta::assert_snapshot!("failover-120x40-ascii", text(&buffer));
}

#[test]
fn text_from_outside_cannot_move_the_cursor() {
    let mut state = night::fresh_start();
    state.notice = Some((state.now, "harmless\x1b[2J\x07\u{202e}".to_owned()));
    let buffer = drawn(&state, (80, 24), &Theme::default());
    assert!(buffer.content.iter().all(|cell| !cell.symbol().contains(char::is_control)));
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
            let theme = match std::env::var("THEME").as_deref() {
                Ok("ascii") => Themes::default().theme("dark", Depth::Ansi, Charset::Ascii),
                Ok("256") => Themes::default().theme("dark", Depth::Indexed, Charset::Unicode),
                Ok("mono") => Themes::default().theme("monochrome", Depth::None, Charset::Unicode),
                Ok(name) => Themes::default().theme(name, Depth::True, Charset::Unicode),
                Err(_) => Theme::default(),
            };
            let buffer = drawn(&state, size, &theme);
            std::fs::write(format!("{directory}/{name}-{}x{}.ansi", size.0, size.1), ansi(&buffer)).expect("a file");
        }
    }
}

fn ansi(buffer: &Buffer) -> String {
    let colour = |colour: Color, base: u8| match colour {
        Color::Rgb(r, g, b) => format!(";{base};2;{r};{g};{b}"),
        Color::Indexed(index) => format!(";{base};5;{index}"),
        Color::Reset => String::new(),
        named => {
            let names = [
                Color::Black,
                Color::Red,
                Color::Green,
                Color::Yellow,
                Color::Blue,
                Color::Magenta,
                Color::Cyan,
                Color::Gray,
                Color::DarkGray,
                Color::LightRed,
                Color::LightGreen,
                Color::LightYellow,
                Color::LightBlue,
                Color::LightMagenta,
                Color::LightCyan,
                Color::White,
            ];
            let index = names.iter().position(|known| *known == named).unwrap_or(7);
            format!(";{base};5;{index}")
        }
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
            let modifiers = [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2"), (Modifier::REVERSED, ";7")];
            let bold: String =
                modifiers.iter().filter(|(each, _)| cell.modifier.contains(*each)).map(|(_, code)| *code).collect();
            text.push_str(&format!("\x1b[0{bold}{}{}m{}", colour(cell.fg, 38), colour(cell.bg, 48), cell.symbol()));
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
        text.push('\n');
    }
    text
}
