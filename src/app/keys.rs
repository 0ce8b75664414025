//! Keys: what they do on the screen and in each dialog. Whatever can lead to a change outside only ever opens a dialog.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::attach::{attach, attachable};
use super::commands::{self, Command, CommandId, named};
use super::dialog::{Ask, Dialog, Purpose};
use super::fleet::Fleet;
use super::in_dialog::in_dialog;
use super::keymap::Chord;
use super::load_look::LoadTable;
use super::log_keys;
use super::palette::Palette;
use super::queries;
use super::replay::{Move, moved};
use super::state::{Mode, Pane, State};
use super::update::{Effect, open};
use super::{approve, share, timeline_view, ways};
use crate::runbook::event::NoteKind;
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;

/// Rows that a pane other than the log can be scrolled; drawing knows how many there are.
const MOST_SCROLLED: usize = 500;

/// Whether a key is meant for the replay although a confirmation is on the screen: that is a picture of what was asked then. It
/// comes and goes as the run plays, nothing can be answered in it, and all that it takes is to be scrolled.
fn passes_a_picture(state: &State, key: &KeyEvent) -> bool {
    state.replay.is_some() && matches!(state.dialog, Some(Dialog::Confirm(_))) && approve::scrolls(key).is_none()
}

/// Takes in a key.
pub(super) fn on_key(state: &mut State, key: KeyEvent, operator: &str) -> Vec<Effect> {
    state.notice = None;
    share::echo(state, &key);
    let to_program = matches!(state.dialog, Some(Dialog::Terminal(_)));
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') && !to_program {
        return command(state, CommandId::Quit);
    }
    if state.dialog.is_some() && !passes_a_picture(state, &key) {
        // What was typed before the dialog was on the screen was meant for something else.
        return if state.dialog_drawn { in_dialog(state, key, operator) } else { Vec::new() };
    }
    if state.log.is_typing() {
        log_keys::search_key(state, key);
        return Vec::new();
    }
    if queries::type_filter(state, key) {
        return Vec::new();
    }
    if let Some(index) = commands::step_of_key(state, &key) {
        state.step = index;
        state.follows = false;
        return command(state, CommandId::Fire);
    }
    let Some(found) = state.keymap.of_key(&key, state.focus) else {
        if let Some(elsewhere) = state.keymap.of_any_pane(&key) {
            let pane = elsewhere.pane.map_or("", Pane::name);
            let next = state.keymap.name(CommandId::PaneNext);
            let words = format!("{} is a key of the {pane} pane; {next} goes there", elsewhere.label);
            state.notice = Some((state.now, words));
        } else {
            no_command(state, &key);
        }
        return Vec::new();
    };
    let effects = run(state, found);
    by_enter(state, &key);
    effects
}

/// A key that nothing is bound to: Esc takes a zoomed pane back, as it takes back everything else that came up, and is pressed
/// by habit; any other may have been meant for something.
fn no_command(state: &mut State, key: &KeyEvent) {
    if key.code == KeyCode::Esc {
        state.zoomed = false;
        return;
    }
    let name = Chord::of(key).name();
    if !name.is_empty() {
        let (help, palette) = (state.keymap.name(CommandId::Help), state.keymap.name(CommandId::Palette));
        let words = format!("{name} does nothing; {help} lists the keys, {palette} finds everything by its name");
        state.notice = Some((state.now, words));
    }
}

/// Does what a command does, or says why it does nothing now: the one way for keys and for the palette.
pub(super) fn run(state: &mut State, found: &Command) -> Vec<Effect> {
    // It says more of why not.
    if found.id == CommandId::Fire {
        return fire(state);
    }
    if let Some(reason) = (found.disabled_reason)(state) {
        state.notice = Some((state.now, format!("{}: {reason}", found.label)));
        return Vec::new();
    }
    command(state, found.id)
}

/// A question that Enter opened is not answered by Enter alone: a key that is held down, or pressed twice, gives no word.
pub(super) fn by_enter(state: &mut State, key: &KeyEvent) {
    if let (KeyCode::Enter, Some(Dialog::Ask(ask))) = (key.code, &mut state.dialog) {
        ask.by_enter = true;
    }
}

pub(super) fn command(state: &mut State, id: CommandId) -> Vec<Effect> {
    match id {
        CommandId::Fire => return fire(state),
        CommandId::GoAhead => {
            let name = state.looked_at().0.name.clone();
            ask(state, Purpose::GoAhead(name));
        }
        CommandId::Skip => {
            if let Some(step) = state.marked_step() {
                ask(state, Purpose::Skip(step));
            }
        }
        CommandId::Note => note(state, NoteKind::Remark),
        CommandId::Decision => note(state, NoteKind::Decision),
        CommandId::FollowUp => note(state, NoteKind::FollowUp),
        CommandId::Stop => ask(state, Purpose::Stop),
        CommandId::RollBack => roll_back(state),
        CommandId::Ways => {
            if let Some(step) = ways::troubled(state) {
                let marked = ways::best(&ways::ways(state, &step));
                open(state, Dialog::Ways { step, marked, scroll: 0 });
            }
        }
        CommandId::Levers => {
            let partition = state.looked_at().0.name.clone();
            open(state, Dialog::Levers { partition, marked: 0 });
        }
        CommandId::Approve => approve::ask(state),
        CommandId::Play => return moved(state, Move::Toggle),
        CommandId::Back => return moved(state, Move::Back),
        CommandId::Forth => return moved(state, Move::Forth),
        CommandId::MarkBefore => return moved(state, Move::MarkBefore),
        CommandId::MarkNext => return moved(state, Move::MarkNext),
        CommandId::Slower => return moved(state, Move::Slower),
        CommandId::Faster => return moved(state, Move::Faster),
        CommandId::RetryNow => return vec![Effect::Nudge],
        CommandId::Terminal => return attachable(state).map_or_else(Vec::new, |step| attach(state, step)),
        CommandId::Details => {
            if let Some(step) = state.marked_step() {
                open(state, Dialog::Details { step, scroll: 0 });
            }
        }
        CommandId::SortNext => queries::sort_next(state),
        CommandId::SortReversed => state.queries.reversed = !state.queries.reversed,
        CommandId::Filter => state.queries.typing = true,
        CommandId::QueryText => queries::show(state),
        CommandId::Compare => state.queries.compared = !state.queries.compared,
        CommandId::Palette => open(state, Dialog::Palette(Palette::default())),
        CommandId::Find => open(state, Dialog::Palette(Palette::of_partitions())),
        CommandId::NextCalling => {
            let next = Fleet::of(state).next_calling();
            look_at(state, next);
        }
        CommandId::Help => open(state, Dialog::Help { scroll: 0 }),
        CommandId::Concerns => open(state, Dialog::Concerns { scroll: 0 }),
        CommandId::Witnesses => {
            let partition = state.looked_at().0.name.clone();
            open(state, Dialog::Witnesses { partition, scroll: 0 });
        }
        CommandId::Closer => timeline_view::zoom(state, 1),
        CommandId::Wider => timeline_view::zoom(state, -1),
        CommandId::Earlier => timeline_view::pan(state, -1),
        CommandId::Later => timeline_view::pan(state, 1),
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
        CommandId::LoadResolution => state.load.turn_resolution(),
        CommandId::LoadWhose => state.load.turn_whose(),
        CommandId::LoadStatements => state.load.turn_table(LoadTable::Statements),
        CommandId::LoadChange => state.load.turn_table(LoadTable::Change),
        CommandId::Share => {
            state.share = !state.share;
            state.echo = share::Echo::default();
        }
        CommandId::Follow => {
            state.follows = true;
            state.focus_chosen = false;
            state.scroll.clear();
            state.timeline_view.reset();
            state.log.follow();
            state.follow();
        }
        CommandId::Oldest => scroll(state, isize::MAX),
        CommandId::Newest => scroll(state, isize::MIN),
        CommandId::Search
        | CommandId::MatchNewer
        | CommandId::MatchOlder
        | CommandId::LogPause
        | CommandId::LogLevel
        | CommandId::LogFilter
        | CommandId::LogPartition
        | CommandId::LogWrap
        | CommandId::LogStamps
        | CommandId::LogCopy => return log_keys::command(state, id),
    }
    Vec::new()
}

fn ask(state: &mut State, purpose: Purpose) {
    open(state, Dialog::Ask(Ask::new(purpose, "")));
}

fn note(state: &mut State, kind: NoteKind) {
    if let Some(step) = state.marked_step() {
        ask(state, Purpose::Note(step, kind));
    }
}

/// Asks why the partition that is looked at is taken back; in production its cluster's name is typed as well.
pub(super) fn roll_back(state: &mut State) {
    let (partition, _) = state.looked_at();
    let ask = Ask::new(Purpose::RollBack(partition.name.clone()), "");
    let ask = if partition.production { ask.naming(&partition.cluster.id) } else { ask };
    open(state, Dialog::Ask(ask));
}

/// Opens the confirmation of the marked step, or says why not.
fn fire(state: &mut State) -> Vec<Effect> {
    let Some(step) = state.marked_step() else { return Vec::new() };
    let fire = commands::COMMANDS.iter().find(|command| command.id == CommandId::Fire);
    if let Some(reason) = commands::controls_missing(state) {
        state.notice = Some((state.now, reason));
        return Vec::new();
    }
    if let Some(reason) = fire.and_then(|command| (command.disabled_reason)(state)) {
        let words = format!("{} is locked: {reason}{}", named(state, &step), instead(state, &step));
        state.notice = Some((state.now, words));
        return Vec::new();
    }
    let goes_ahead = state.run.step(&step).is_some_and(|(_, planned, _)| planned.kind == StepKind::GoAhead);
    if goes_ahead {
        return command(state, CommandId::GoAhead);
    }
    prepare(state, step, None)
}

/// How to get to the step that could be fired instead, if there is another.
fn instead(state: &State, marked: &StepRef) -> String {
    let next = state.run.next_step().map(|(next, _)| next);
    let Some(next) = next.filter(|next| next != marked && state.run.running().is_none()) else { return String::new() };
    format!("; {} goes to {}, which is next", state.keymap.name(CommandId::Follow), named(state, &next))
}

/// Asks for the facts with which a step or lever is confirmed.
pub(super) fn prepare(state: &mut State, step: StepRef, choice: Option<String>) -> Vec<Effect> {
    let request = state.next_request;
    state.next_request += 1;
    open(state, Dialog::Preparing { step: step.clone(), request, choice });
    vec![Effect::Brief { step, request }]
}

pub(super) fn look_at(state: &mut State, partition: Option<usize>) {
    let Some(partition) = partition.filter(|index| *index < state.run.plan.partitions.len()) else { return };
    state.partition = partition;
    state.follows = false;
    state.step = first_open(state);
}

fn first_open(state: &State) -> usize {
    let (partition, _) = state.looked_at();
    let open = partition.steps.iter().position(|step| {
        let reference = partition.reference(&step.id);
        !state.run.state_of(&reference).is_behind()
    });
    open.unwrap_or(partition.steps.len().saturating_sub(1))
}

fn focus(state: &mut State, steps: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == state.focus).unwrap_or(0);
    state.focus = Pane::ALL[(at + steps) % Pane::ALL.len()];
    state.focus_chosen = true;
}

/// Gives a pane the keys, by the operator's own choice.
pub(super) fn focus_on(state: &mut State, pane: Pane) {
    state.focus = pane;
    state.focus_chosen = true;
}

/// Scrolls the focused pane back (positive) or forth; in the steps, marks another one.
fn scroll(state: &mut State, lines: isize) {
    scroll_pane(state, state.focus, lines);
}

/// Scrolls a pane back (positive) or forth; in the steps, marks another one.
pub(super) fn scroll_pane(state: &mut State, pane: Pane, lines: isize) {
    match pane {
        Pane::Steps => {
            let last = state.looked_at().0.steps.len().saturating_sub(1);
            state.step = state.step.saturating_add_signed(lines.saturating_neg()).min(last);
            state.follows = false;
        }
        Pane::Queries => queries::mark(state, lines.saturating_neg()),
        Pane::Log => state.log.scroll(lines),
        _ => {
            let scrolled = state.scroll.entry(pane).or_default();
            *scrolled = scrolled.saturating_add_signed(lines.saturating_neg()).min(MOST_SCROLLED);
        }
    }
}
