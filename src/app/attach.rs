//! Attaching to a program's terminal: which one, when by itself, and how it keeps to the pane's size.

use std::time::Duration;

use super::commands::CommandId;
use super::dialog::Dialog;
use super::state::{Mode, State};
use super::terminal::{Emulator, ProgramEnd, Size, Terminal};
use super::update::{Effect, open};
use crate::runbook::event::Event;
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;

/// The step or lever whose terminal is looked at now: a sign-in that waits for its operator first, then the marked step, then
/// whatever else runs a program.
pub fn attachable(state: &State) -> Option<StepRef> {
    let has_program = |step: &StepRef| {
        let attempt = state.run.step(step).and_then(|(_, _, run)| run.attempts.last());
        attempt.is_some_and(|attempt| attempt.program.is_some())
    };
    let running: Vec<StepRef> = state.run.under_way().map(|(step, _)| step).filter(has_program).collect();
    let signing_in = running.iter().find(|step| state.run.signs_in(step)).cloned();
    signing_in.or_else(|| state.marked_step().filter(has_program)).or_else(|| running.into_iter().next())
}

/// Puts the terminal of a step's last program on the screen.
pub(super) fn attach(state: &mut State, step: StepRef) -> Vec<Effect> {
    let program = state.run.step(&step).and_then(|(_, _, run)| run.attempts.last()?.program.clone());
    let Some(program) = program else { return Vec::new() };
    let attachment = next(state);
    let terminal = Terminal {
        step,
        directory: program.directory.clone(),
        command_line: program.command_line,
        attachment,
        emulator: Emulator::new(state.terminal_size),
        ended: None,
    };
    let mut effects = fit(state, &program.directory);
    effects.push(Effect::Attach { attachment, directory: program.directory });
    open(state, Dialog::Terminal(Box::new(terminal)));
    effects
}

/// A sign-in asks: its terminal comes to the operator's screen by itself, unless something else is at hand there. Who only
/// looks opens it by its key.
pub(super) fn attach_to_sign_in(state: &mut State, event: &Event) -> Vec<Effect> {
    let (Event::ProgramStarted { step, .. } | Event::AttemptResumed { step, .. }) = event else { return Vec::new() };
    if !state.run.signs_in(step) || state.mode != Mode::Operator {
        return Vec::new();
    }
    // Nor while words are typed: the program would get the rest of them.
    if state.dialog.is_some() || state.log.is_typing() || state.queries.typing {
        let key = state.keymap.name(CommandId::Terminal);
        state.notice = Some((state.now, format!("a sign-in waits in its terminal: {key} opens it")));
        return Vec::new();
    }
    attach(state, step.clone())
}

/// Takes in what the program printed.
pub(super) fn take(state: &mut State, attachment: u64, bytes: &[u8]) {
    if let Some(Dialog::Terminal(terminal)) = &mut state.dialog
        && terminal.attachment == attachment
    {
        terminal.emulator.take(bytes);
    }
}

/// Says how the program ended.
pub(super) fn end(state: &mut State, attachment: u64, end: ProgramEnd) {
    if let Some(Dialog::Terminal(terminal)) = &mut state.dialog
        && terminal.attachment == attachment
    {
        terminal.ended = Some(end);
    }
}

/// The pane has another size: the program is told, and what it printed is laid out anew.
pub(super) fn resize(state: &mut State, size: Size) -> Vec<Effect> {
    if state.terminal_size == size {
        return Vec::new();
    }
    state.terminal_size = size;
    let attachment = next(state);
    let Some(Dialog::Terminal(terminal)) = &mut state.dialog else { return Vec::new() };
    terminal.attachment = attachment;
    terminal.emulator = Emulator::new(size);
    let directory = terminal.directory.clone();
    let mut effects = if terminal.ended.is_none() { fit(state, &directory) } else { Vec::new() };
    effects.push(Effect::Attach { attachment, directory });
    effects
}

/// Whoever types also says how large the terminal is; who only looks must not.
fn fit(state: &State, directory: &str) -> Vec<Effect> {
    match state.mode {
        Mode::Operator => vec![Effect::Resize { directory: directory.to_owned(), size: state.terminal_size }],
        Mode::Monitor(_) => Vec::new(),
    }
}

fn next(state: &mut State) -> u64 {
    state.attachments += 1;
    state.attachments
}

/// How long the program of the running step has said nothing, where that is longer than it should be: a prompt may be
/// waiting. A monitor does not hear the lines of programs and cannot tell.
pub fn silent_for(state: &State, step: &StepRef) -> Option<Duration> {
    let (_, planned, run) = state.run.step(step)?;
    let StepKind::Command(spec) = &planned.kind else { return None };
    let attempt = run.attempts.last().filter(|attempt| attempt.outcome.is_none() && !attempt.verifying)?;
    let started = attempt.program.as_ref().filter(|_| state.mode == Mode::Operator)?.at;
    let heard = state.heard.get(&step.partition).copied().unwrap_or(started).max(started);
    Some(state.since(heard)).filter(|silence| *silence > spec.silence)
}
