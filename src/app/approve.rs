//! The second person's part: reading the very confirmation that is on the operator's screen, and approving it.
//!
//! It is the one thing that a monitor may leave behind, and it changes nothing outside: the operator still fires.

use crossterm::event::{KeyCode, KeyEvent};

use super::commands::CommandId;
use super::dialog::{Button, Confirm, Dialog, Wants};
use super::keys::command;
use super::state::{Mode, State};
use super::update::{Effect, open};
use crate::runbook::event::Event;

/// Why this session cannot approve anything now, if so.
pub(super) fn disabled(state: &State) -> Option<String> {
    if state.replay.is_some() {
        return Some("this is a replay".to_owned());
    }
    if state.mode == Mode::Operator {
        return Some("this session operates; a second person approves, in `aurora-cockpit monitor`".to_owned());
    }
    match &state.user {
        Some(user) => state.run.may_approve(user).err(),
        None => Some("it is not known who you are".to_owned()),
    }
}

/// Puts the confirmation on the screen with the question whether it is approved; Cancel is focused.
pub(super) fn ask(state: &mut State) {
    let Some(confirming) = &state.run.confirming else { return };
    let (step, request, brief) = (confirming.step.clone(), confirming.request, confirming.brief.clone());
    let confirm = Confirm { approving: true, ..Confirm::new(step, request, brief).guarded(&state.run) };
    open(state, Dialog::Confirm(Box::new(confirm)));
}

/// How many rows a key scrolls a confirmation that is only looked at; none if it is no key for that.
pub(super) fn scrolls(key: &KeyEvent) -> Option<i16> {
    match key.code {
        KeyCode::PageDown | KeyCode::Down => Some(5),
        KeyCode::PageUp | KeyCode::Up => Some(-5),
        _ => None,
    }
}

/// A key for a confirmation that a monitor looks at; whether it stays, and what is to be done.
pub(super) fn key(state: &mut State, confirm: &mut Confirm, key: KeyEvent) -> (bool, Vec<Effect>) {
    if let Some(rows) = scrolls(&key) {
        confirm.scroll = confirm.scroll.saturating_add_signed(rows);
        return (true, Vec::new());
    }
    let asked = state.keymap.of_key(&key, state.focus).map(|command| command.id);
    match key.code {
        _ if confirm.firing => {}
        KeyCode::Tab | KeyCode::BackTab | KeyCode::Left | KeyCode::Right if confirm.approving => {
            confirm.focus = if confirm.focus == Button::Cancel { Button::Fire } else { Button::Cancel };
        }
        KeyCode::Enter if confirm.approving && confirm.focus == Button::Fire => return (true, approve(state, confirm)),
        KeyCode::Enter | KeyCode::Esc if confirm.approving => {
            (confirm.approving, confirm.focus) = (false, Button::Cancel);
        }
        _ if confirm.approving => {}
        _ if asked == Some(CommandId::Approve) => match disabled(state) {
            Some(reason) => state.notice = Some((state.now, format!("approve: {reason}"))),
            None => {
                (confirm.approving, confirm.refused) = (true, None);
                // It is another question now, and takes no keys before it was seen.
                state.dialog_drawn = false;
            }
        },
        KeyCode::Char('q') => return (true, command(state, CommandId::Quit)),
        _ => {}
    }
    (true, Vec::new())
}

/// Approves what is on this screen, if it is still what is on the operator's.
fn approve(state: &State, confirm: &mut Confirm) -> Vec<Effect> {
    let refused = |confirm: &mut Confirm, why: String| {
        (confirm.refused, confirm.focus) = (Some(why), Button::Cancel);
        Vec::new()
    };
    if let Some(reason) = disabled(state) {
        return refused(confirm, reason);
    }
    match state.run.to_approve() {
        Some((open, digest)) if open.step == confirm.step && open.request == confirm.request => {
            confirm.firing = true;
            vec![Effect::Approve { digest }]
        }
        _ => refused(confirm, "it is no longer what is on the operator's screen".to_owned()),
    }
}

/// Notes in the dialog what became of an approval.
pub(super) fn on_event(state: &mut State, event: &Event) {
    let Event::Approved { step, request, .. } = event else { return };
    let given = state.run.confirming.as_ref().and_then(|confirming| confirming.approved.clone());
    if let (Some(Dialog::Confirm(confirm)), Some(given)) = (&mut state.dialog, given)
        && confirm.step == *step
        && confirm.request == *request
    {
        confirm.wants = Wants::Given(given);
        if state.mode != Mode::Operator {
            (confirm.approving, confirm.firing, confirm.focus) = (false, false, Button::Cancel);
        }
    }
}

/// The sentence that says by which key one approves, where one can.
pub fn offer(state: &State) -> Option<String> {
    let can = matches!(state.mode, Mode::Monitor(_)) && disabled(state).is_none();
    can.then(|| format!("{} approves it as the second person", state.keymap.name(CommandId::Approve)))
}
