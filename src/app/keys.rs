//! Keys: what they do on the screen and in each dialog. Whatever can lead to a change outside only ever opens a dialog.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::commands::{self, CommandId};
use super::dialog::{Ask, Button, Confirm, Dialog, Purpose};
use super::state::{Mode, Pane, State};
use super::update::{Effect, close, open};
use crate::runbook::event::{Event, NoteKind};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;

/// Takes in a key.
pub(super) fn on_key(state: &mut State, key: KeyEvent, operator: &str) -> Vec<Effect> {
    state.notice = None;
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return command(state, CommandId::Quit);
    }
    if state.dialog.is_some() {
        // What was typed before the dialog was on the screen was meant for something else.
        return if state.dialog_drawn { in_dialog(state, key, operator) } else { Vec::new() };
    }
    if let Some(index) = commands::step_of_key(state, &key) {
        state.step = index;
        state.follows = false;
        return command(state, CommandId::Fire);
    }
    let Some(found) = commands::of_key(&key) else { return Vec::new() };
    if let Some(reason) = (found.disabled_reason)(state) {
        state.notice = Some((state.now, format!("{}: {reason}", found.label)));
        return Vec::new();
    }
    command(state, found.id)
}

fn command(state: &mut State, id: CommandId) -> Vec<Effect> {
    match id {
        CommandId::Fire => return fire(state),
        CommandId::GoAhead => {
            let name = state.looked_at().0.name.clone();
            open(state, ask(Purpose::GoAhead(name)));
        }
        CommandId::Skip => {
            if let Some(step) = state.marked_step() {
                open(state, ask(Purpose::Skip(step)));
            }
        }
        CommandId::Note => {
            if let Some(step) = state.marked_step() {
                open(state, ask(Purpose::Note(step)));
            }
        }
        CommandId::Stop => open(state, ask(Purpose::Stop)),
        CommandId::Details => {
            if let Some(step) = state.marked_step() {
                open(state, Dialog::Details { step, scroll: 0 });
            }
        }
        CommandId::Help => open(state, Dialog::Help { scroll: 0 }),
        CommandId::Concerns => open(state, Dialog::Concerns),
        CommandId::Quit if state.run.running().is_some() && state.mode == Mode::Operator => {
            open(state, Dialog::Quit { leave: false });
        }
        CommandId::Quit => state.leaving = true,
        CommandId::Up => scroll(state, 1),
        CommandId::Down => scroll(state, -1),
        CommandId::PageUp => scroll(state, 10),
        CommandId::PageDown => scroll(state, -10),
        CommandId::PartitionBefore => look_at(state, state.partition.checked_sub(1)),
        CommandId::PartitionNext => look_at(state, Some(state.partition + 1)),
        CommandId::PaneNext => focus(state, 1),
        CommandId::PaneBefore => focus(state, Pane::ALL.len() - 1),
        CommandId::Zoom => state.zoomed = !state.zoomed,
        CommandId::Follow => {
            state.follows = true;
            state.scroll.clear();
            state.follow();
        }
    }
    Vec::new()
}

fn ask(purpose: Purpose) -> Dialog {
    Dialog::Ask(Ask { purpose, text: String::new(), refused: None })
}

/// Opens the confirmation of the marked step, or says why not.
fn fire(state: &mut State) -> Vec<Effect> {
    let Some(step) = state.marked_step() else { return Vec::new() };
    let fire = commands::COMMANDS.iter().find(|command| command.id == CommandId::Fire);
    if let Some(reason) = fire.and_then(|command| (command.disabled_reason)(state)) {
        let title = state.run.step(&step).map_or(step.to_string(), |(_, planned, _)| planned.title.clone());
        state.notice = Some((state.now, format!("{title} is locked: {reason}")));
        return Vec::new();
    }
    let goes_ahead = state.run.step(&step).is_some_and(|(_, planned, _)| planned.kind == StepKind::GoAhead);
    if goes_ahead {
        return command(state, CommandId::GoAhead);
    }
    let request = state.next_request;
    state.next_request += 1;
    open(state, Dialog::Preparing { step: step.clone(), request });
    vec![Effect::Brief { step, request }]
}

fn look_at(state: &mut State, partition: Option<usize>) {
    let Some(partition) = partition.filter(|index| *index < state.run.plan.partitions.len()) else { return };
    state.partition = partition;
    state.follows = false;
    state.step = first_open(state);
}

fn first_open(state: &State) -> usize {
    let (partition, _) = state.looked_at();
    let open = partition.steps.iter().position(|step| {
        let reference = StepRef { partition: partition.name.clone(), step: step.id.clone() };
        !state.run.state_of(&reference).is_behind()
    });
    open.unwrap_or(partition.steps.len().saturating_sub(1))
}

fn focus(state: &mut State, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == state.focus).unwrap_or(0);
    state.focus = Pane::ALL[(at + steps) % Pane::ALL.len()];
}

/// Scrolls the focused pane back (positive) or forth; in the steps, marks another one.
fn scroll(state: &mut State, lines: isize) {
    if state.focus == Pane::Steps {
        let last = state.looked_at().0.steps.len().saturating_sub(1);
        state.step = state.step.saturating_add_signed(-lines).min(last);
        state.follows = false;
        return;
    }
    let most = if state.focus == Pane::Log { state.log.len() } else { 500 };
    // The log is read from its end, everything else from its beginning.
    let back = if state.focus == Pane::Log { lines } else { -lines };
    let scrolled = state.scroll.entry(state.focus).or_default();
    *scrolled = scrolled.saturating_add_signed(back).min(most);
}

fn in_dialog(state: &mut State, key: KeyEvent, operator: &str) -> Vec<Effect> {
    let Some(mut dialog) = state.dialog.take() else { return Vec::new() };
    if let Dialog::Details { step, .. } = &dialog
        && state.run.state_of(step).is_trouble()
        && state.marked_step().as_ref() == Some(step)
        && matches!(key.code, KeyCode::Enter | KeyCode::Char('s' | 'n'))
    {
        // A diagnosis is left by its way out: the key does what it does on the screen behind it.
        close(state);
        return on_key(state, key, operator);
    }
    let (stays, effects) = match &mut dialog {
        Dialog::Preparing { .. } => (key.code != KeyCode::Esc, Vec::new()),
        Dialog::Confirm(confirm) => {
            if matches!(state.mode, Mode::Monitor(_)) {
                (true, if key.code == KeyCode::Char('q') { command(state, CommandId::Quit) } else { Vec::new() })
            } else {
                in_confirm(confirm, key)
            }
        }
        Dialog::Ask(ask) => in_ask(ask, key, operator),
        Dialog::Details { scroll, .. } | Dialog::Help { scroll } => (turn(scroll, key), Vec::new()),
        Dialog::Concerns => (!matches!(key.code, KeyCode::Esc | KeyCode::Char('q' | '!') | KeyCode::Enter), Vec::new()),
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

/// Scrolls a text; whether it stays open.
fn turn(scroll: &mut u16, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *scroll = scroll.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => *scroll = scroll.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => *scroll = scroll.saturating_add(10),
        KeyCode::PageUp => *scroll = scroll.saturating_sub(10),
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'd' | '?') => return false,
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
            let choice = confirm.brief.choices.get(confirm.choice).map(|choice| choice.id.clone());
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

fn in_ask(ask: &mut Ask, key: KeyEvent, operator: &str) -> (bool, Vec<Effect>) {
    match key.code {
        KeyCode::Esc => (false, Vec::new()),
        KeyCode::Backspace => {
            ask.text.pop();
            (true, Vec::new())
        }
        KeyCode::Char(character) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
            ask.text.push(character);
            (true, Vec::new())
        }
        KeyCode::Enter => {
            let words = ask.text.trim();
            if words.is_empty() && !ask.purpose.words_are_optional() {
                ask.refused = Some("a few words are needed: they go into the execution log".to_owned());
                return (true, Vec::new());
            }
            let event = said(&ask.purpose, words, operator);
            (true, vec![Effect::Record(Box::new(event))])
        }
        _ => (true, Vec::new()),
    }
}

/// The event that the words amount to.
fn said(purpose: &Purpose, words: &str, operator: &str) -> Event {
    let (by, text) = (operator.to_owned(), words.to_owned());
    match purpose {
        Purpose::Skip(step) => Event::StepSkipped { step: step.clone(), reason: text, by, evidence: Vec::new() },
        Purpose::Note(step) => Event::Noted {
            partition: Some(step.partition.clone()),
            step: Some(step.clone()),
            by,
            text,
            note: NoteKind::Remark,
            evidence: Vec::new(),
        },
        Purpose::GoAhead(partition) => {
            Event::GoAhead { partition: partition.clone(), by, note: Some(text).filter(|text| !text.is_empty()) }
        }
        Purpose::Stop => Event::Stopped { by, reason: text },
    }
}
