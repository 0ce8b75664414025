//! A key and what is held with it: its name, how it is read, where it stands on a keyboard.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::commands::Key;
use crate::config::meant;

/// A key and what is held with it. A letter that was typed with Shift is another letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    code: KeyCode,
    control: bool,
    alt: bool,
}

/// What is wrong with a key, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub message: String,
    pub help: Option<String>,
}

/// Keys with names: as they are written, as they are shown.
const NAMED: [(&str, &str, KeyCode); 18] = [
    ("enter", "Enter", KeyCode::Enter),
    ("tab", "⇥", KeyCode::Tab),
    ("shift-tab", "⇤", KeyCode::BackTab),
    ("space", "Space", KeyCode::Char(' ')),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("pgup", "PgUp", KeyCode::PageUp),
    ("pgdn", "PgDn", KeyCode::PageDown),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pagedown", "PgDn", KeyCode::PageDown),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("insert", "Ins", KeyCode::Insert),
    ("delete", "Del", KeyCode::Delete),
    ("backspace", "Backspace", KeyCode::Backspace),
    ("esc", "Esc", KeyCode::Esc),
];

/// Rows of an American keyboard, plain and with Shift. Each row stands half a key to the right of the one above it.
const ROWS: [(&str, &str); 4] = [
    ("`1234567890-=", "~!@#$%^&*()_+"),
    (" qwertyuiop[]\\", " QWERTYUIOP{}|"),
    (" asdfghjkl;'", " ASDFGHJKL:\""),
    (" zxcvbnm,./", " ZXCVBNM<>?"),
];

impl From<Key> for Chord {
    fn from(key: Key) -> Self {
        let code = match key {
            Key::Char(character) => KeyCode::Char(character),
            Key::Named(code, _) => code,
        };
        Self { code, control: false, alt: false }
    }
}

impl Chord {
    /// The key that was pressed.
    pub fn of(event: &KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        Self { code: event.code, control, alt: event.modifiers.contains(KeyModifiers::ALT) }
    }

    /// The event that pressing it is, for whoever presses keys without a keyboard.
    pub fn event(self) -> KeyEvent {
        let mut modifiers = KeyModifiers::NONE;
        modifiers.set(KeyModifiers::CONTROL, self.control);
        modifiers.set(KeyModifiers::ALT, self.alt);
        KeyEvent::new(self.code, modifiers)
    }

    /// Its name on screen.
    pub fn name(self) -> String {
        let key = match self.code {
            KeyCode::F(number) => format!("F{number}"),
            code => match NAMED.iter().find(|(_, _, known)| *known == code) {
                Some((_, name, _)) => (*name).to_owned(),
                None => code.as_char().map(String::from).unwrap_or_default(),
            },
        };
        let held = [(self.control, "Ctrl-"), (self.alt, "Alt-")];
        held.into_iter().filter(|(is_held, _)| *is_held).map(|(_, name)| name).collect::<String>() + &key
    }

    /// Reads a key as it is written in the settings: `F5`, `x`, `X`, `ctrl-p`, `alt-enter`.
    pub(super) fn parse(written: &str) -> Result<Self, Wrong> {
        let (mut control, mut alt) = (false, false);
        let mut rest = written;
        loop {
            let lower = rest.to_lowercase();
            // A lone `-` is a key, and so is what follows the last held one.
            if lower.starts_with("ctrl-") && rest.len() > 5 {
                (control, rest) = (true, &rest[5..]);
            } else if lower.starts_with("alt-") && rest.len() > 4 {
                (alt, rest) = (true, &rest[4..]);
            } else {
                break;
            }
        }
        let code = code(rest).ok_or_else(|| {
            let functions: Vec<String> = (1..=12).map(|number| format!("F{number}")).collect();
            let known = NAMED.iter().map(|(name, _, _)| *name).chain(functions.iter().map(String::as_str));
            let near = meant(rest, known.clone()).filter(|help| help.starts_with("did you mean"));
            let help = near
                .unwrap_or_else(|| "write a character, or a name such as F5, enter, space, pgup or ctrl-p".to_owned());
            Wrong { message: format!("`{written}` is no key"), help: Some(help) }
        })?;
        // Terminals send letters with Ctrl as small ones.
        let code = match code {
            KeyCode::Char(letter) if control => KeyCode::Char(letter.to_ascii_lowercase()),
            code => code,
        };
        Ok(Self { code, control, alt })
    }

    /// Whether a command may have it: not where it means something everywhere.
    pub(super) fn allowed(self) -> Result<(), Wrong> {
        let taken = match (self.control, self.alt, self.code) {
            (false, false, KeyCode::Char('0'..='9' | 'p' | 'm')) => "opens the confirmation of the step of that label",
            (_, _, KeyCode::Esc) => "leaves every dialog",
            (true, _, KeyCode::Char('c')) => "leaves the cockpit",
            (true, _, KeyCode::Char(']' | '5')) => "leaves a program's terminal",
            // As terminals send them, these are other keys.
            (true, _, KeyCode::Char('i' | 'j' | 'm' | 'h' | '[')) => "is Tab, Enter, Backspace or Esc to a terminal",
            _ => return Ok(()),
        };
        Err(Wrong { message: format!("`{}` {taken}", self.name()), help: Some("choose another key".to_owned()) })
    }

    /// Whether it is the direct neighbour of another key on the keyboard, held in the same way.
    pub fn is_beside(self, other: Self) -> bool {
        let (Some(here), Some(there)) = (self.place(), other.place()) else { return false };
        if here.shifted != there.shifted || (self.control, self.alt) != (other.control, other.alt) {
            return false;
        }
        let (row, column) = (there.row - here.row, there.column - here.column);
        // The row below stands to the right: a key touches the one straight below and the one before that.
        matches!((row, column), (0, -1 | 1) | (1, -1 | 0) | (-1, 0 | 1))
    }

    fn place(self) -> Option<Place> {
        let KeyCode::Char(character) = self.code else { return None };
        let rows = (0..).zip(ROWS);
        rows.flat_map(|(row, (plain, shift))| [(row, plain, false), (row, shift, true)]).find_map(
            |(row, keys, shifted)| {
                let at = keys.chars().position(|key| key == character && key != ' ')?;
                Some(Place { row, column: at as i8, shifted })
            },
        )
    }
}

/// Where a key stands on the keyboard.
struct Place {
    row: i8,
    column: i8,
    shifted: bool,
}

fn code(name: &str) -> Option<KeyCode> {
    let mut characters = name.chars();
    if let (Some(character), None) = (characters.next(), characters.next()) {
        return (!character.is_control() && character != ' ').then_some(KeyCode::Char(character));
    }
    let lower = name.to_lowercase();
    let function = lower.strip_prefix('f').and_then(|number| number.parse().ok());
    if let Some(number @ 1..=12) = function {
        return Some(KeyCode::F(number));
    }
    NAMED.iter().find(|(known, _, _)| *known == lower).map(|(_, _, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for (written, name) in [
            ("F5", "F5"),
            ("f12", "F12"),
            ("x", "x"),
            ("X", "X"),
            ("-", "-"),
            ("ctrl-p", "Ctrl-p"),
            ("Ctrl-P", "Ctrl-p"),
            ("ctrl--", "Ctrl--"),
            ("alt-Enter", "Alt-Enter"),
            ("ctrl-alt-x", "Ctrl-Alt-x"),
            ("PageUp", "PgUp"),
            ("shift-tab", "⇤"),
            ("space", "Space"),
        ] {
            let chord = Chord::parse(written).unwrap_or_else(|wrong| unreachable!("{written}: {wrong:?}"));
            assert_eq!(chord.name(), name, "{written}");
            assert_eq!(Chord::of(&chord.event()), chord, "{written}");
        }
        for (written, help) in [
            ("entre", "did you mean `enter`?"),
            ("pgupp", "did you mean `pgup`?"),
            ("hyper-x", "write a character"),
            ("F13", "did you mean `F1"),
            ("", "write a character"),
        ] {
            let wrong = Chord::parse(written).expect_err("no key");
            assert!(wrong.help.as_ref().is_some_and(|words| words.starts_with(help)), "{written}: {wrong:?}");
        }
    }

    #[test]
    fn neighbours_are_those_that_a_finger_slips_to() {
        let chord = |character| Chord::from(Key::Char(character));
        for (key, neighbours) in [('j', "huiknm"), ('g', "ftyhbv"), ('[', "-p];'="), ('1', "`2q"), ('X', "ZSDC")] {
            let found: Vec<char> = (' '..='~').filter(|other| chord(key).is_beside(chord(*other))).collect();
            let mut expected: Vec<char> = neighbours.chars().collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{key}");
        }
        assert!(!chord('k').is_beside(Chord::from(Key::Named(KeyCode::Enter, "Enter"))));
    }
}
