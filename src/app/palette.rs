//! The palette: everything that can be done or looked at, found by some of its letters.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::commands::{COMMANDS, CommandId};
use super::find::{self, Grouping};
use super::keys::{by_enter, focus_on, look_at, run};
use super::state::State;
use super::update::Effect;

/// How much better a command fits than a step with the same letters; a letter that fits is worth 16.
const COMMANDS_FIRST: u32 = 32;

/// What can be chosen in the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A command of the table.
    Command(CommandId),
    /// To look at a partition, by its place in the plan.
    Partition(usize),
    /// To mark a step, by its partition's place and its own.
    Step(usize, usize),
    /// A theme, by its place among those that are offered.
    Theme(usize),
}

/// A row of the palette.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub entry: Entry,
    /// Its words; they are what is matched.
    pub label: String,
    /// Its key, where it has one.
    pub key: String,
    /// Why it does nothing now, if so.
    pub reason: Option<String>,
    /// Characters of the label that were typed, by their place.
    pub typed: Vec<u32>,
    /// The group it stands in; nothing where there are none.
    pub group: String,
}

impl Row {
    /// A row without a key.
    pub(super) fn of(entry: Entry, label: String) -> Self {
        Self { entry, label, key: String::new(), reason: None, typed: Vec::new(), group: String::new() }
    }
}

/// Finds rows by what was typed.
pub(super) struct Finder {
    pattern: Pattern,
    matcher: Matcher,
    letters: Vec<char>,
}

impl Finder {
    /// Finds by these words.
    pub fn of(words: &str) -> Self {
        let pattern = Pattern::parse(words, CaseMatching::Smart, Normalization::Smart);
        Self { pattern, matcher: Matcher::new(Config::DEFAULT), letters: Vec::new() }
    }

    /// How well a row fits, and the row with the letters that do; none where it does not.
    pub fn fits(&mut self, mut row: Row) -> Option<(u32, Row)> {
        let label = Utf32Str::new(&row.label, &mut self.letters);
        let score = self.pattern.indices(label, &mut self.matcher, &mut row.typed)?;
        row.typed.sort_unstable();
        row.typed.dedup();
        Some((score, row))
    }
}

/// What a palette lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everything that can be done or looked at.
    #[default]
    Everything,
    /// Partitions.
    Partitions(Grouping),
}

impl Scope {
    /// The same, in the next grouping that there is.
    fn regrouped(self) -> Self {
        match self {
            Self::Everything => Self::Everything,
            Self::Partitions(grouping) => Self::Partitions(grouping.next()),
        }
    }
}

/// The palette as it stands over the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Palette {
    /// What it lists.
    pub scope: Scope,
    /// What was typed.
    pub words: String,
    /// The row that is marked.
    pub marked: usize,
    /// The theme of the marked row, if it is one: the screen is drawn in it for as long as it is marked.
    pub preview: Option<String>,
}

impl Palette {
    /// One that finds a partition.
    pub fn of_partitions() -> Self {
        Self { scope: Scope::Partitions(Grouping::default()), ..Self::default() }
    }

    /// Its rows.
    pub fn rows(&self, state: &State) -> Vec<Row> {
        match self.scope {
            Scope::Everything => rows(state, &self.words),
            Scope::Partitions(grouping) => find::rows(state, &self.words, grouping),
        }
    }
}

/// The rows that what was typed fits, the best first; all in the table's order where nothing was typed.
pub fn rows(state: &State, words: &str) -> Vec<Row> {
    let mut finder = Finder::of(words);
    let fits = all(state).into_iter().filter_map(|row| {
        let (score, row) = finder.fits(row)?;
        // What has a key is meant before what only shares its letters; a theme has no key, and is called by its name.
        let bonus = if matches!(row.entry, Entry::Command(_) | Entry::Theme(_)) { COMMANDS_FIRST } else { 0 };
        Some((score + bonus, row))
    });
    let mut fits: Vec<(u32, Row)> = fits.collect();
    // What fits as well stays in the table's order; what can be done now stands before what cannot.
    fits.sort_by_key(|(score, row)| (std::cmp::Reverse(*score), !words.is_empty() && row.reason.is_some()));
    fits.into_iter().map(|(_, row)| row).collect()
}

fn all(state: &State) -> Vec<Row> {
    let row = Row::of;
    let mut rows: Vec<Row> = Vec::new();
    for command in COMMANDS.iter().filter(|command| command.id != CommandId::Palette) {
        let label = match command.pane {
            Some(pane) => format!("{}: {}", pane.name(), command.label),
            None => command.label.to_owned(),
        };
        let keys: Vec<String> = state.keymap.keys(command.id).iter().map(|key| key.name()).collect();
        let reason = (command.disabled_reason)(state);
        rows.push(Row { key: keys.join(" "), reason, ..row(Entry::Command(command.id), label) });
    }
    for (index, partition) in state.run.plan.partitions.iter().enumerate() {
        rows.push(row(Entry::Partition(index), format!("look at {}", partition.name)));
    }
    for (index, partition) in state.run.plan.partitions.iter().enumerate() {
        for (number, step) in partition.steps.iter().enumerate() {
            let label = format!("mark {} · {} {}", partition.name, step.label, step.title);
            rows.push(row(Entry::Step(index, number), label));
        }
    }
    for (index, name) in state.themes.offered.iter().enumerate() {
        let in_use = name == state.chosen_theme();
        let key = if in_use { "in use".to_owned() } else { String::new() };
        rows.push(Row { key, ..row(Entry::Theme(index), format!("theme {name}")) });
    }
    rows
}

/// Takes in a key; whether the palette stays open.
pub(super) fn key(state: &mut State, palette: &mut Palette, key: KeyEvent) -> (bool, Vec<Effect>) {
    let done = take(state, palette, key);
    palette.preview = match palette.rows(state).get(palette.marked).map(|row| row.entry) {
        _ if palette.scope != Scope::Everything => None,
        Some(Entry::Theme(index)) => state.themes.offered.get(index).cloned(),
        _ => None,
    };
    done
}

fn take(state: &mut State, palette: &mut Palette, key: KeyEvent) -> (bool, Vec<Effect>) {
    let found = palette.rows(state);
    let last = found.len().saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc => return (false, Vec::new()),
        KeyCode::Enter => {
            let Some(row) = found.get(palette.marked) else { return (true, Vec::new()) };
            let done = choose(state, row);
            by_enter(state, &key);
            return done;
        }
        KeyCode::Tab if palette.scope != Scope::Everything => {
            palette.scope = palette.scope.regrouped();
            palette.marked = 0;
        }
        KeyCode::Down | KeyCode::Tab => palette.marked = (palette.marked + 1).min(last),
        KeyCode::Up | KeyCode::BackTab => palette.marked = palette.marked.saturating_sub(1),
        KeyCode::PageDown => palette.marked = (palette.marked + 10).min(last),
        KeyCode::PageUp => palette.marked = palette.marked.saturating_sub(10),
        KeyCode::Home => palette.marked = 0,
        KeyCode::End => palette.marked = last,
        KeyCode::Backspace if palette.words.is_empty() => return (false, Vec::new()),
        KeyCode::Backspace => {
            palette.words.pop();
            palette.marked = 0;
        }
        KeyCode::Char('u') if control => *palette = Palette { scope: palette.scope, ..Palette::default() },
        KeyCode::Char(character) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
            palette.words.push(character);
            palette.marked = 0;
        }
        _ => {}
    }
    (true, Vec::new())
}

/// Does what its key would do, by the same way: what is dangerous only opens its dialog.
fn choose(state: &mut State, row: &Row) -> (bool, Vec<Effect>) {
    match row.entry {
        Entry::Command(id) => {
            let Some(command) = COMMANDS.iter().find(|command| command.id == id) else { return (true, Vec::new()) };
            if let Some(pane) = command.pane.filter(|_| row.reason.is_none()) {
                focus_on(state, pane);
            }
            (row.reason.is_some(), run(state, command))
        }
        Entry::Partition(partition) => {
            look_at(state, Some(partition));
            (false, Vec::new())
        }
        Entry::Step(partition, step) => {
            look_at(state, Some(partition));
            state.step = step;
            (false, Vec::new())
        }
        Entry::Theme(index) => {
            keep_theme(state, index);
            (false, Vec::new())
        }
    }
}

/// Keeps a theme for the session. Where production has a theme of its own and is looked at, that is what is exchanged: the
/// two stay apart.
fn keep_theme(state: &mut State, index: usize) {
    let Some(name) = state.themes.offered.get(index).cloned() else { return };
    let production = state.looked_at().0.production && state.themes.production.is_some();
    let setting = if production { "production_theme" } else { "theme" };
    let words = format!("theme {name} until you leave; `{setting} = \"{name}\"` in the settings file keeps it");
    state.notice = Some((state.now, words));
    if production {
        state.themes.production = Some(name);
    } else {
        state.themes.usual = name;
        state.themes.asked = true;
    }
}
