//! The terminal of a program, as the operator sees it and types into it.
//!
//! What the program prints goes through an emulator, so that no control sequence of its own reaches the operator's
//! terminal. What is typed goes to the program and nowhere else: it may be a password.

use std::fmt;
use std::num::NonZeroU16;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use secrecy::zeroize::Zeroize as _;

use crate::runbook::names::StepRef;

/// Rows of output kept above the screen.
const SCROLLBACK: usize = 2_000;

/// The key that leaves the terminal, with Ctrl: telnet's, which no program of a rollout wants for itself.
pub const LEAVE: char = ']';

/// A terminal on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Terminal {
    /// The step or lever whose program it is.
    pub step: StepRef,
    /// Directory of the program.
    pub directory: String,
    /// Its command line.
    pub command_line: String,
    /// Number of this attachment; output for another one is late and dropped.
    pub attachment: u64,
    /// What it shows.
    pub emulator: Emulator,
    /// How the program ended; none while it runs.
    pub ended: Option<ProgramEnd>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEnd {
    /// In a few words.
    pub how: String,
    /// Whether well.
    pub well: bool,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

/// A terminal emulator.
pub struct Emulator {
    parser: vt100::Parser,
}

impl Emulator {
    /// An empty screen.
    pub fn new(size: Size) -> Self {
        let length = |cells: u16| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN);
        Self { parser: vt100::Parser::new(length(size.rows), length(size.columns), SCROLLBACK) }
    }

    /// Takes in what a program printed.
    pub fn take(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
    }

    /// What is on the screen.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Its size.
    pub fn size(&self) -> Size {
        let (rows, columns) = self.screen().size();
        Size { rows: rows.get(), columns: columns.get() }
    }

    /// Looks so many rows further back, or forth.
    pub fn scroll(&mut self, rows: isize) {
        let back = self.screen().scrollback().saturating_add_signed(rows);
        self.parser.screen_mut().set_scrollback(back);
    }
}

impl Clone for Emulator {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.size());
        copy.take(self.screen().state_formatted().as_bytes());
        copy
    }
}

impl PartialEq for Emulator {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size() && self.screen().state_formatted() == other.screen().state_formatted()
    }
}

/// Without what is on the screen, which is the program's own.
impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("size", &self.size()).finish_non_exhaustive()
    }
}

/// Keys on their way to a program. They may be a password: nothing prints them, and they are zeroed.
#[derive(Clone, PartialEq, Eq)]
pub struct Typed(Vec<u8>);

impl Drop for Typed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Typed {
    /// A key as a terminal sends it; none for a key that has no meaning there.
    pub fn key(key: &KeyEvent, screen: &vt100::Screen) -> Option<Self> {
        let mut bytes = match key.code {
            KeyCode::Char(character) if key.modifiers.contains(KeyModifiers::CONTROL) => vec![control(character)?],
            KeyCode::Char(character) => character.to_string().into_bytes(),
            KeyCode::Enter => b"\r".to_vec(),
            KeyCode::Tab => b"\t".to_vec(),
            KeyCode::BackTab => b"\x1b[Z".to_vec(),
            KeyCode::Backspace => b"\x7f".to_vec(),
            KeyCode::Esc => b"\x1b".to_vec(),
            KeyCode::Up => arrow(b'A', screen),
            KeyCode::Down => arrow(b'B', screen),
            KeyCode::Right => arrow(b'C', screen),
            KeyCode::Left => arrow(b'D', screen),
            KeyCode::Home => arrow(b'H', screen),
            KeyCode::End => arrow(b'F', screen),
            KeyCode::Insert => b"\x1b[2~".to_vec(),
            KeyCode::Delete => b"\x1b[3~".to_vec(),
            KeyCode::PageUp => b"\x1b[5~".to_vec(),
            KeyCode::PageDown => b"\x1b[6~".to_vec(),
            _ => return None,
        };
        if key.modifiers.contains(KeyModifiers::ALT) {
            bytes.insert(0, b'\x1b');
        }
        Some(Self(bytes))
    }

    /// Pasted text, with its brackets where the program asked for them.
    pub fn paste(text: &str, screen: &vt100::Screen) -> Self {
        // What is pasted cannot end the brackets that it stands in, nor press keys.
        let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')).collect();
        let text = text.replace("\r\n", "\r").replace('\n', "\r");
        Self(if screen.bracketed_paste() { format!("\x1b[200~{text}\x1b[201~") } else { text }.into_bytes())
    }

    /// The bytes, for the program.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

/// The control character of a letter.
fn control(character: char) -> Option<u8> {
    match character.to_ascii_lowercase() {
        letter @ 'a'..='z' => Some(letter as u8 - b'a' + 1),
        ' ' | '@' | '2' => Some(0),
        '[' | '3' => Some(0x1b),
        '\\' | '4' => Some(0x1c),
        '^' | '6' => Some(0x1e),
        '_' | '7' => Some(0x1f),
        _ => None,
    }
}

/// An arrow key, in the form that the program asked for.
fn arrow(last: u8, screen: &vt100::Screen) -> Vec<u8> {
    vec![b'\x1b', if screen.application_cursor() { b'O' } else { b'[' }, last]
}

/// Whether a key leaves the terminal. Terminals that know no better send Ctrl-] as Ctrl-5.
pub fn leaves(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char(LEAVE | '5'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(printed: &str) -> Emulator {
        let mut emulator = Emulator::new(Size { rows: 5, columns: 40 });
        emulator.take(printed.as_bytes());
        emulator
    }

    fn typed(code: KeyCode, modifiers: KeyModifiers, printed: &str) -> Option<Vec<u8>> {
        let typed = Typed::key(&KeyEvent::new(code, modifiers), screen(printed).screen());
        typed.map(|typed| typed.bytes().to_vec())
    }

    #[test]
    fn keys_are_sent_as_a_terminal_sends_them() {
        let plain = |code| typed(code, KeyModifiers::NONE, "").expect("a key");
        assert_eq!(plain(KeyCode::Char('é')), "é".as_bytes());
        assert_eq!(plain(KeyCode::Enter), b"\r");
        assert_eq!(plain(KeyCode::Backspace), b"\x7f");
        assert_eq!(plain(KeyCode::Up), b"\x1b[A");
        assert_eq!(typed(KeyCode::Up, KeyModifiers::NONE, "\x1b[?1h"), Some(b"\x1bOA".to_vec()));
        assert_eq!(typed(KeyCode::Char('c'), KeyModifiers::CONTROL, ""), Some(b"\x03".to_vec()));
        assert_eq!(typed(KeyCode::Char('b'), KeyModifiers::ALT, ""), Some(b"\x1bb".to_vec()));
        assert_eq!(typed(KeyCode::CapsLock, KeyModifiers::NONE, ""), None);
    }

    #[test]
    fn pasted_text_presses_no_keys() {
        let paste = |text, printed| Typed::paste(text, screen(printed).screen()).bytes().to_vec();
        assert_eq!(paste("se\x1b[201~cret\x03\n", ""), b"se[201~cret\r");
        assert_eq!(paste("se\x1bcret", "\x1b[?2004h"), b"\x1b[200~secret\x1b[201~");
    }

    #[test]
    fn what_is_typed_is_not_printed() {
        let typed = Typed::paste("hunter2", screen("").screen());
        assert!(!format!("{typed:?}").contains("hunter2"));
    }

    #[test]
    fn a_copy_shows_the_same() {
        let emulator = screen("\x1b[31mEnter the password: \x1b[0m");
        assert_eq!(emulator.clone(), emulator);
        assert_eq!(emulator.clone().screen().contents().trim_end(), "Enter the password:");
    }
}
