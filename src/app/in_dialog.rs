//! Keys in a dialog: each dialog takes its own, and leaves nothing to the screen behind it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{self, CommandId, locked};
use super::dialog::{Ask, Button, Confirm, Dialog, Purpose};
use super::keys::{command, on_key, prepare, roll_back};
use super::levers::levers;
use super::state::{Mode, Pane, State};
use super::terminal::{Terminal, Typed, leaves};
use super::update::{Effect, close, open};
use super::ways::{Act, ways};
use super::{approve, line, log_keys, palette};
use crate::runbook::event::{Event, NoteKind};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::state::Run;
use crate::runbook::text;

/// Takes in a key for the dialog on the screen.
pub(super) fn in_dialog(state: &mut State, key: KeyEvent, operator: &str) -> Vec<Effect> {
    let Some(mut dialog) = state.dialog.take() else { return Vec::new() };
    if let Dialog::Details { step, .. } = &dialog
        && state.run.state_of(step).is_trouble()
        && state.marked_step().as_ref() == Some(step)
        && state.keymap.of_key(&key, state.focus).is_some_and(|command| leaves_a_diagnosis(command.id))
    {
        // A diagnosis is left by its way out: the key does what it does on the screen behind it.
        close(state);
        return on_key(state, key, operator);
    }
    let (stays, effects) = match &mut dialog {
        Dialog::Preparing { .. } => (key.code != KeyCode::Esc, Vec::new()),
        Dialog::Confirm(confirm) => {
            if matches!(state.mode, Mode::Monitor(_)) {
                approve::key(state, confirm, key)
            } else {
                let (stays, effects) = in_confirm(confirm, key);
                if !stays {
                    // Whoever pressed Enter twice learns what is between.
                    let opens = state.keymap.name(CommandId::Fire);
                    let again = state.marked_step().as_ref() == Some(&confirm.step) && confirm.can_fire();
                    let how = if again { format!("; to fire: {opens}, ⇥ to Fire, Enter") } else { String::new() };
                    state.notice = Some((state.now, format!("nothing was fired{how}")));
                }
                (stays, effects)
            }
        }
        // Who no longer holds the controls has nothing to say here, whatever was open when they went.
        Dialog::Ask(_) if matches!(state.mode, Mode::Monitor(_)) => (key.code != KeyCode::Esc, Vec::new()),
        Dialog::Ask(ask) => in_ask(ask, key, operator, &state.run),
        Dialog::Ways { step, marked, scroll } => in_ways(state, step, (marked, scroll), key),
        Dialog::Levers { partition, marked } => in_levers(state, partition, marked, key),
        Dialog::Terminal(terminal) => in_terminal(&state.mode, terminal, key),
        Dialog::Details { scroll, .. }
        | Dialog::Query { scroll, .. }
        | Dialog::Help { scroll }
        | Dialog::Concerns { scroll }
        | Dialog::Witnesses { scroll, .. } => (turn(scroll, key), Vec::new()),
        Dialog::Palette(asked) => palette::key(state, asked, key),
        Dialog::LogFilter { marked } => (log_keys::filter_key(state, marked, key), Vec::new()),
        Dialog::Quit { leave } => match key.code {
            KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab => {
                *leave = !*leave;
                (true, Vec::new())
            }
            KeyCode::Enter => {
                state.leaving = *leave;
                (false, Vec::new())
            }
            KeyCode::Esc => (false, Vec::new()),
            _ => (true, Vec::new()),
        },
    };
    if stays {
        state.dialog = Some(dialog);
    } else {
        state.dialog_drawn = false;
    }
    effects
}

/// What a diagnosis is left by, besides being closed.
fn leaves_a_diagnosis(id: CommandId) -> bool {
    use CommandId::{Decision, Fire, FollowUp, Levers, Note, Skip, Terminal, Ways};
    matches!(id, Fire | Skip | Note | Ways | Levers | Decision | FollowUp | Terminal)
}

/// Scrolls a text; whether it stays open.
fn turn(scroll: &mut u16, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *scroll = scroll.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => *scroll = scroll.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => *scroll = scroll.saturating_add(10),
        KeyCode::PageUp => *scroll = scroll.saturating_sub(10),
        KeyCode::Home => *scroll = 0,
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'd' | 'v' | '?' | 'W' | '!') => return false,
        _ => {}
    }
    true
}

fn in_confirm(confirm: &mut Confirm, key: KeyEvent) -> (bool, Vec<Effect>) {
    let cancelled = Effect::Record(Box::new(Event::ConfirmationClosed { request: confirm.request }));
    if confirm.firing {
        return (true, Vec::new());
    }
    let types = confirm.brief.type_name.is_some();
    match key.code {
        KeyCode::Esc => return (false, vec![cancelled]),
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right => {
            confirm.focus = match confirm.focus {
                Button::Cancel if confirm.can_fire() => Button::Fire,
                _ => Button::Cancel,
            };
        }
        KeyCode::Down if !confirm.brief.choices.is_empty() => {
            confirm.choice = (confirm.choice + 1) % confirm.brief.choices.len();
        }
        KeyCode::Up if !confirm.brief.choices.is_empty() => {
            let all = confirm.brief.choices.len();
            confirm.choice = (confirm.choice + all - 1) % all;
        }
        KeyCode::PageDown | KeyCode::Down => confirm.scroll = confirm.scroll.saturating_add(5),
        KeyCode::PageUp | KeyCode::Up => confirm.scroll = confirm.scroll.saturating_sub(5),
        KeyCode::Enter if confirm.focus == Button::Cancel => return (false, vec![cancelled]),
        KeyCode::Enter if confirm.can_fire() => {
            confirm.firing = true;
            confirm.refused = None;
            let choice = confirm.chosen();
            return (true, vec![Effect::Fire { step: confirm.step.clone(), choice }]);
        }
        KeyCode::Backspace if types => {
            confirm.typed.pop();
            confirm.focus = Button::Cancel;
        }
        KeyCode::Char(character) if types && !key.modifiers.contains(KeyModifiers::CONTROL) => {
            confirm.typed.push(character);
            confirm.focus = Button::Cancel;
        }
        _ => {}
    }
    (true, Vec::new())
}

fn in_ask(ask: &mut Ask, key: KeyEvent, operator: &str, run: &Run) -> (bool, Vec<Effect>) {
    match key.code {
        KeyCode::Esc => return (false, Vec::new()),
        KeyCode::Tab | KeyCode::BackTab => {
            if let Some(name) = &mut ask.name {
                name.focused = !name.focused;
            }
        }
        KeyCode::Enter => {
            // From the words to the name, as in every form.
            let to_name = ask.name.as_mut().filter(|name| !name.focused);
            if let Some(name) = to_name.filter(|_| !ask.text.trim().is_empty()) {
                name.focused = true;
                return (true, Vec::new());
            }
            ask.refused = ask.lacks().map(str::to_owned);
            if ask.refused.is_some() {
                return (true, Vec::new());
            }
            let event = said(&ask.purpose, ask.text.trim(), operator, run);
            return (true, vec![Effect::Record(Box::new(event))]);
        }
        _ => drop(line::edit(ask.line(), key)),
    }
    (true, Vec::new())
}

/// The event that the words amount to. What is on the screen of the step goes with a decision about it.
fn said(purpose: &Purpose, words: &str, operator: &str, run: &Run) -> Event {
    let (by, text) = (operator.to_owned(), words.to_owned());
    match purpose {
        Purpose::Skip(step) => Event::StepSkipped { step: step.clone(), reason: text, by, evidence: run.shown(step) },
        Purpose::Note(step, note) => Event::Noted {
            partition: Some(step.partition.clone()),
            step: Some(step.clone()),
            by,
            text,
            note: *note,
            evidence: if *note == NoteKind::Decision { run.shown(step) } else { Vec::new() },
        },
        Purpose::GoAhead(partition) => {
            Event::GoAhead { partition: partition.clone(), by, note: Some(text).filter(|text| !text.is_empty()) }
        }
        Purpose::Back { to, from } => Event::Reopened { step: to.clone(), reason: text, by, evidence: run.shown(from) },
        Purpose::RollBack(partition) => {
            let troubled = run.references().find(|step| step.partition == *partition && run.trouble(step).is_some());
            let evidence = troubled.map_or_else(Vec::new, |step| run.shown(&step));
            Event::RolledBack { partition: partition.clone(), by, reason: text, evidence }
        }
        Purpose::Stop => Event::Stopped { by, reason: text },
    }
}

/// Moves the mark in a list; whether the key was one for that.
fn mark(marked: &mut usize, count: usize, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *marked = (*marked + 1).min(count.saturating_sub(1)),
        KeyCode::Up | KeyCode::Char('k') => *marked = marked.saturating_sub(1),
        _ => return false,
    }
    true
}

fn in_ways(
    state: &mut State,
    step: &StepRef,
    (marked, scroll): (&mut usize, &mut u16),
    key: KeyEvent,
) -> (bool, Vec<Effect>) {
    let ways = ways(state, step);
    if mark(marked, ways.len(), key) {
        return (true, Vec::new());
    }
    match key.code {
        KeyCode::Char(digit @ '1'..='9') => {
            let chosen = usize::from(digit as u8 - b'1');
            if chosen >= ways.len() {
                return (true, Vec::new());
            }
            *marked = chosen;
        }
        KeyCode::Enter => {}
        KeyCode::Char('d') => {
            open(state, Dialog::Details { step: step.clone(), scroll: 0 });
            return (false, Vec::new());
        }
        KeyCode::PageDown | KeyCode::PageUp => {
            turn(scroll, key);
            return (true, Vec::new());
        }
        KeyCode::Esc | KeyCode::Char('q' | 'w') => return (false, Vec::new()),
        _ => return (true, Vec::new()),
    }
    let Some(way) = ways.get(*marked) else { return (true, Vec::new()) };
    if let Some(reason) = commands::controls_missing(state).or_else(|| way.locked.clone()) {
        state.notice = Some((state.now, reason));
        return (true, Vec::new());
    }
    (false, take(state, step, &way.act))
}

/// Takes a way out; it only ever opens a dialog.
fn take(state: &mut State, step: &StepRef, act: &Act) -> Vec<Effect> {
    match act {
        Act::Again => return prepare(state, step.clone(), None),
        Act::Lever { lever, choice } => return prepare(state, lever.clone(), choice.clone()),
        Act::Back(to) => {
            let purpose = Purpose::Back { to: to.clone(), from: step.clone() };
            open(state, Dialog::Ask(Ask::new(purpose, "")));
        }
        Act::Skip { because } => open(state, Dialog::Ask(Ask::new(Purpose::Skip(step.clone()), because))),
        Act::RollBack => roll_back(state),
        Act::Stop => return command(state, CommandId::Stop),
    }
    Vec::new()
}

fn in_levers(state: &mut State, partition: &PartitionName, marked: &mut usize, key: KeyEvent) -> (bool, Vec<Effect>) {
    let rows = levers(state, partition);
    if mark(marked, rows.len(), key) {
        return (true, Vec::new());
    }
    let Some(row) = rows.get(*marked) else { return (key.code != KeyCode::Esc, Vec::new()) };
    let (lever, choice) = (row.reference.clone(), row.offered.clone().flatten());
    match key.code {
        KeyCode::Enter => {
            if let Some(reason) = commands::controls_missing(state).or_else(|| locked(state, &lever)) {
                state.notice = Some((state.now, reason));
                return (true, Vec::new());
            }
            (false, prepare(state, lever, choice))
        }
        KeyCode::Char('d') if row.last.is_some() => {
            open(state, Dialog::Details { step: lever, scroll: 0 });
            (false, Vec::new())
        }
        KeyCode::Esc | KeyCode::Char('q' | 'L') => (false, Vec::new()),
        _ => (true, Vec::new()),
    }
}

fn in_terminal(mode: &Mode, terminal: &mut Terminal, key: KeyEvent) -> (bool, Vec<Effect>) {
    let types = *mode == Mode::Operator && terminal.ended.is_none();
    match key.code {
        // What has scrolled away is looked back at, with Shift where the keys are the program's.
        KeyCode::PageUp | KeyCode::PageDown if !types || key.modifiers.contains(KeyModifiers::SHIFT) => {
            terminal.emulator.scroll(if key.code == KeyCode::PageUp { 10 } else { -10 });
            (true, Vec::new())
        }
        _ if leaves(&key) || terminal.ended.is_some() => (false, vec![Effect::Detach]),
        KeyCode::Esc | KeyCode::Char('q') if !types => (false, vec![Effect::Detach]),
        _ if types => {
            let typed = Typed::key(&key, terminal.emulator.screen());
            let directory = terminal.directory.clone();
            (true, typed.map(|typed| Effect::Type { directory, typed }).into_iter().collect())
        }
        _ => (true, Vec::new()),
    }
}

/// Takes in pasted text: for a program that asks, or as words. A name that must be typed is not pasted.
pub(super) fn paste(state: &mut State, pasted: &str) -> Vec<Effect> {
    if state.dialog.is_none() && state.queries.typing && state.focus == Pane::Queries {
        state.queries.filter.push_str(&text::clean_line(pasted));
        return Vec::new();
    }
    if !state.dialog_drawn {
        return Vec::new();
    }
    match &mut state.dialog {
        Some(Dialog::Terminal(terminal)) if state.mode == Mode::Operator && terminal.ended.is_none() => {
            let typed = Typed::paste(pasted, terminal.emulator.screen());
            vec![Effect::Type { directory: terminal.directory.clone(), typed }]
        }
        Some(Dialog::Ask(ask)) if ask.name.as_ref().is_none_or(|name| !name.focused) => {
            ask.text.push_str(&text::clean_line(pasted));
            Vec::new()
        }
        _ => Vec::new(),
    }
}
