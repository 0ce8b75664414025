//! Which key does what: the command table's own keys, and what the user's settings say instead.
//!
//! ```toml
//! [keys]
//! fire = "F5"                   # instead of Enter
//! quit = ["q", "ctrl-q"]        # either
//! roll-back = []                # by no key; the palette still has it
//! ```
//!
//! A command's name is that of its [`CommandId`] in small letters with hyphens. What is unknown or in conflict is refused
//! before anything starts.

mod chord;
#[cfg(test)]
mod tests;

use crossterm::event::KeyEvent;

pub use chord::Chord;

use super::commands::{COMMANDS, Command, CommandId};
use super::state::Pane;
use crate::config::settings::{Bound, Written};
use crate::config::{Problem, Problems, meant};

/// Commands that move, and are pressed many times without a look: no key of a dangerous one stands beside theirs.
const MOVES: [CommandId; 10] = [
    CommandId::Up,
    CommandId::Down,
    CommandId::PageUp,
    CommandId::PageDown,
    CommandId::Oldest,
    CommandId::Newest,
    CommandId::PartitionBefore,
    CommandId::PartitionNext,
    CommandId::PaneNext,
    CommandId::PaneBefore,
];

/// The rule about dangerous keys, as the help tells it and the tests hold it.
pub const RULE: &str = "What can change anything only ever opens a dialog, in which Cancel is focused or words must be typed; \
                        its key never stands beside one that moves, and what is typed before a dialog is seen is not taken.";

/// The keys of every command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// In the table's order.
    keys: Vec<Vec<Chord>>,
}

impl Default for Keymap {
    fn default() -> Self {
        let own = |command: &Command| command.keys.iter().map(|key| Chord::from(*key)).collect();
        Self { keys: COMMANDS.iter().map(own).collect() }
    }
}

impl Keymap {
    /// The table's keys with those of the user's settings instead.
    ///
    /// # Errors
    /// Every unknown command and key, every key that two commands would have, and every one that must not be.
    pub fn with(bound: &[Bound]) -> Result<Self, Problems> {
        let mut keymap = Self::default();
        let mut problems = Vec::new();
        // Where each key of the user's was written.
        let mut written: Vec<(usize, Chord, &Written)> = Vec::new();
        for each in bound {
            let Some(index) = COMMANDS.iter().position(|command| command.id.name() == each.command.text) else {
                let names: Vec<String> = COMMANDS.iter().map(|command| command.id.name()).collect();
                let help = meant(&each.command.text, names.iter().map(String::as_str));
                problems.push(each.command.problem(&key_of(each), "there is no such command", help));
                continue;
            };
            let id = COMMANDS[index].id;
            if each.keys.is_empty() && matches!(id, CommandId::Help | CommandId::Quit) {
                let words = "must have a key: without it nobody finds the others, or the way out";
                problems.push(each.command.problem(&key_of(each), words, None));
                continue;
            }
            let mut chords = Vec::new();
            for key in &each.keys {
                match Chord::parse(&key.text).and_then(|chord| chord.allowed().map(|()| chord)) {
                    Ok(chord) => {
                        written.push((index, chord, key));
                        chords.push(chord);
                    }
                    Err(wrong) => problems.push(key.problem(&key_of(each), wrong.message, wrong.help)),
                }
            }
            keymap.keys[index] = chords;
        }
        for (index, chord, key) in written {
            problems.extend(keymap.conflict(index, chord, key));
            problems.extend(keymap.slip(index, chord, key));
        }
        if problems.is_empty() { Ok(keymap) } else { Err(Problems::new(problems)) }
    }

    /// Another command that has the key where this one has it.
    fn conflict(&self, index: usize, chord: Chord, key: &Written) -> Option<Problem> {
        let here = &COMMANDS[index];
        let meets = |other: &Command| here.pane.is_none() || other.pane.is_none() || here.pane == other.pane;
        let others = COMMANDS.iter().enumerate().filter(|(other, command)| *other != index && meets(command));
        let (_, other) = others.into_iter().find(|(other, _)| self.keys[*other].contains(&chord))?;
        let (own, other) = (here.id.name(), other.id.name());
        let message = format!("`{}` would mean both {own} and {other}", key.text);
        let help = format!("give {other} another key as well, or none with `{other} = []`");
        Some(key.problem(&format!("keys.{own}"), message, Some(help)))
    }

    /// Whether a key of a dangerous command stands beside one that moves, or the other way round.
    fn slip(&self, index: usize, chord: Chord, key: &Written) -> Option<Problem> {
        let here = &COMMANDS[index];
        let moves = MOVES.contains(&here.id);
        let (other, beside) = self.all().find_map(|(other, keys)| {
            let meets = (here.danger && MOVES.contains(&other.id)) || (moves && other.danger);
            let beside = keys.iter().find(|beside| meets && beside.is_beside(chord))?;
            Some((other.id.name(), beside.name()))
        })?;
        let own = here.id.name();
        let message = format!("`{}` stands beside `{beside}`, which is {other}: one slip would be enough", key.text);
        Some(key.problem(
            &format!("keys.{own}"),
            message,
            Some("choose a key further away, or one with ctrl-".to_owned()),
        ))
    }

    /// Every command with its keys.
    pub fn all(&self) -> impl Iterator<Item = (&'static Command, &[Chord])> {
        COMMANDS.iter().zip(self.keys.iter().map(Vec::as_slice))
    }

    /// The command of a key while that pane has the keys, if it has one. A pane's own goes before one that is everywhere.
    pub fn of_key(&self, event: &KeyEvent, focus: Pane) -> Option<&'static Command> {
        let mut named = self.named(event);
        let everywhere = self.named(event).find(|command| command.pane.is_none());
        named.find(|command| command.pane == Some(focus)).or(everywhere)
    }

    /// The command that a key has in some pane.
    pub fn of_any_pane(&self, event: &KeyEvent) -> Option<&'static Command> {
        self.named(event).next()
    }

    fn named(&self, event: &KeyEvent) -> impl Iterator<Item = &'static Command> {
        let pressed = Chord::of(event);
        self.all().filter(move |(_, keys)| keys.contains(&pressed)).map(|(command, _)| command)
    }

    /// The keys of a command.
    pub fn keys(&self, id: CommandId) -> &[Chord] {
        self.all().find(|(command, _)| command.id == id).map_or(&[], |(_, keys)| keys)
    }

    /// Name of the first key of a command; that of the palette with its name where it has none.
    pub fn name(&self, id: CommandId) -> String {
        let key = self.keys(id).first().map(|key| key.name());
        key.unwrap_or_else(|| match self.keys(CommandId::Palette).first() {
            Some(palette) => format!("{}{}", palette.name(), id.name()),
            None => id.name(),
        })
    }
}

/// The key of the settings under which a command's keys stand.
fn key_of(bound: &Bound) -> String {
    format!("keys.{}", bound.command.text)
}
