//! Text of programs, logs, servers and pages: nothing of it steers a terminal, no secret of a known shape comes through, and
//! what was cleaned once is clean.

use aurora_cockpit::app::share::Mask;
use aurora_cockpit::app::terminal::{Emulator, Size};
use aurora_cockpit::clients::{browser, logs};
use aurora_cockpit::runbook::ink::Painter;
use aurora_cockpit::runbook::known::Known;
use aurora_cockpit::runbook::sieve::Sieve;
use aurora_cockpit::runbook::{formula, sql as statements, text};

use crate::is_harmless;

/// A secret that no input can hold by chance.
const SECRET: &str = "Q7-canary-of-the-fuzzer-Q7";

/// What a program prints, on each of its ways: to the log pane, to the terminal's emulator, to its file.
pub fn output(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let clean = text::clean(&raw);
    assert!(is_harmless(&clean), "{clean:?}");
    assert_eq!(text::clean(&clean), clean, "what was cleaned once is clean");
    let line = text::clean_line(&raw);
    assert!(is_harmless(&line) && !line.contains('\n'), "{line:?}");
    assert!(clean.len() <= raw.len() * 8 + 8, "cleaning makes no text but blanks for tabs");
    painted(&raw);
    emulated(data);
    sieved(data);
}

fn painted(raw: &str) {
    let painted = Painter::default().lines(raw);
    let lines = text::terminal_lines(raw);
    assert!(painted.iter().map(|line| &line.text).eq(&lines), "colours change the text");
    for line in painted {
        assert!(is_harmless(&line.text), "{line:?}");
        let ends: Vec<u32> = line.stretches.iter().map(|stretch| stretch.until).collect();
        assert!(ends.is_sorted(), "{ends:?}");
    }
}

fn emulated(data: &[u8]) {
    let (rows, columns) = match data {
        [rows, columns, ..] => (u16::from(rows % 50), u16::from(columns % 200)),
        _ => (24, 80),
    };
    let mut emulator = Emulator::new(Size { rows, columns });
    for piece in data.chunks(97) {
        emulator.take(piece);
    }
    emulator.scroll(5);
    let Size { rows, columns } = emulator.size();
    assert!(rows > 0 && columns > 0, "a terminal without cells");
    let copy = emulator.clone();
    assert!(copy.screen().contents() == emulator.screen().contents() || emulator.screen().scrollback() > 0);
}

/// What is kept of a program's output is what it printed, but for its secrets, in whatever pieces it comes.
fn sieved(data: &[u8]) {
    let mut known = Known::by(0x1234_5678_9abc);
    known.remember(SECRET);
    let pieces = data.first().map_or(1, |size| usize::from(*size) + 1);
    let keep = |bytes: &[u8]| {
        let mut sieve = Sieve::of(known.clone());
        let mut kept: Vec<u8> = bytes.chunks(pieces).flat_map(|piece| sieve.take(piece)).collect();
        kept.extend(sieve.rest());
        kept
    };
    let end = data.len() / 2;
    let at = (0..=end).rev().find(|at| std::str::from_utf8(&data[..*at]).is_ok()).unwrap_or_default();
    let secret = [&data[..at], SECRET.as_bytes(), &data[at..], b"\n"].concat();
    let kept = String::from_utf8_lossy(&keep(&secret)).into_owned();
    assert!(!kept.contains(SECRET), "a secret was kept: {kept:?}");
    assert!(!text::clean(&kept).contains(SECRET), "a secret was kept between control sequences: {kept:?}");
}

/// Statements: no literal of a shared one, no password of any.
pub fn sql(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    // What leads the fuzzer looks at comparisons, so that it learns the secret in time, also in pieces; that is no leak.
    let letters: String = raw.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if letters.contains(SECRET) {
        return;
    }
    let masked = statements::mask_literals(&raw);
    assert_eq!(statements::mask_literals(&masked), masked, "masked once and for all");
    // In broken SQL a mask may end a string elsewhere than before, so that a second look hides more; what it hid stays hidden.
    let kept = statements::mask_secrets(&raw);
    let masks = |text: &str| text.matches(text::MASK).count();
    assert!(masks(&statements::mask_secrets(&kept)) > 0 || masks(&kept) == 0, "a mask was taken off: {kept}");
    // A role's name may be anything that stands in double quotes.
    let name: String = raw.chars().filter(|c| *c != '"').take(60).collect();
    for verb in ["ALTER ROLE", "CREATE USER", "/* it */ alter user"] {
        let set = format!("{verb} \"{name}\" PASSWORD '{SECRET}'");
        let shown = statements::mask_secrets(&set);
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(!statements::mask_literals(&set).contains(SECRET), "{set}");
    }
    if let Some((_, shown)) = logs::told(&format!("LOG:  duration: 1.5 ms  statement: SELECT '{SECRET}', {raw}")) {
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(is_harmless(&shown), "{shown:?}");
    }
    let _ = logs::told(&raw);
    let hidden = Mask::default().hide(&raw);
    assert_eq!(hidden.chars().count(), raw.chars().count(), "a mask moves nothing");
}

/// Words of the outside: what hides secrets by shape, formulas, classes.
pub fn words(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let masked = text::mask(&raw, &[]);
    assert!(masked.len() <= raw.len() * text::MASK.len() + text::MASK.len());
    let before: String = raw.chars().filter(|c| !c.is_alphanumeric() && !"\"'=:_/\\".contains(*c)).collect();
    for secret in [
        format!("{before} PGPASSWORD={SECRET}"),
        format!("{before} password: \"{SECRET} and {SECRET}\""),
        format!("{before} {{\"secretAccessKey\": \"{SECRET}\"}}"),
        format!("{before} postgres://app:{SECRET}@host/db"),
        format!("{before} PASSWORD '{SECRET}'"),
        format!("{before} Authorization: Basic {SECRET}"),
    ] {
        let shown = text::mask(&secret, &[]);
        assert!(!shown.contains(SECRET), "{shown:?}");
    }
    if let Some(band) = formula::band(&raw, "db.r7g.large") {
        assert!(band.start() <= band.end(), "{raw}: {band:?}");
    }
    let _ = (formula::class_memory(&raw), formula::class_vcpus(&raw));
    let shell = text::shell_line(raw.split(' '));
    assert!(shell.len() >= raw.len(), "a word was lost");
}

/// A page that asks for a sign-in, or says that it does.
pub fn page(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let page = browser::sign_in_page(&raw);
    if let Some(fields) = &page.fields {
        assert!(fields.iter().all(|name| !name.is_empty()) || fields.len() >= 2, "{fields:?}");
    }
}
