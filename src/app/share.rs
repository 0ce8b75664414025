//! A screen that others see: what on it is private, the keys that were pressed, and the step in hand.
//!
//! Names are known from the plan, the run and the samples; what has the shape of an account, an address or a home directory
//! is private whether it is known or not. [`Mask`] finds both in finished text, so that no pane can forget to.

mod mask;

use std::borrow::Cow;
use std::collections::VecDeque;

use crossterm::event::KeyEvent;
use jiff::{SignedDuration, Timestamp};

pub use self::mask::{DOT, Mask};
use super::dialog::Dialog;
use super::keymap::Chord;
use super::log::{Line, LogSource};
use super::state::{Pane, State};
use crate::runbook::names::StepRef;
use crate::runbook::plan::Partition;
use crate::runbook::sql::mask_literals;

/// Keys that are echoed at most.
const MOST_KEYS: usize = 5;

/// How long a key is echoed.
const ECHOED: SignedDuration = SignedDuration::from_secs(3);

/// The keys that were pressed last, oldest first, each with the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Echo(VecDeque<(Timestamp, String)>);

/// Keeps a key for those who look on; nothing of what is typed into a field or a program, which may be a secret.
pub(super) fn echo(state: &mut State, key: &KeyEvent) {
    if !state.share || takes_text(state) {
        return;
    }
    let Echo(keys) = &mut state.echo;
    keys.push_back((state.now, Chord::of(key).name()));
    while keys.len() > MOST_KEYS {
        keys.pop_front();
    }
}

/// Whether what is typed goes into a field or a program, or may in the next moment.
fn takes_text(state: &State) -> bool {
    match &state.dialog {
        Some(Dialog::Terminal(_) | Dialog::Ask(_) | Dialog::Palette(_) | Dialog::Preparing { .. }) => true,
        Some(Dialog::Confirm(confirm)) => confirm.brief.type_name.is_some(),
        Some(_) => false,
        None => state.log.is_typing() || (state.queries.typing && state.focus == Pane::Queries),
    }
}

/// The keys that are to be seen now, oldest first, each with its age. A replay has a clock of its own: there they stay.
pub fn echoed(state: &State) -> Vec<(SignedDuration, &str)> {
    let Echo(keys) = &state.echo;
    let aged = keys.iter().map(|(at, name)| {
        let age = if state.replay.is_some() { SignedDuration::ZERO } else { state.now.duration_since(*at) };
        (age, name.as_str())
    });
    aged.filter(|(age, _)| *age < ECHOED).collect()
}

/// The step that those who look on are told of: the one that runs, else the next one, else the marked one.
pub fn step_in_hand(state: &State) -> Option<StepRef> {
    let running = state.run.running().map(|(step, _)| step);
    running.or_else(|| state.run.next_step().map(|(step, _)| step)).or_else(|| state.marked_step())
}

/// The text of a line of the log as it may be shown: a slow statement without its literals where the screen is shared.
pub fn log_text<'a>(state: &State, line: &Line<'a>) -> Cow<'a, str> {
    if !state.share || line.source != LogSource::Slow {
        return Cow::Borrowed(line.text);
    }
    match line.text.split_once(" ms  ") {
        Some((before, statement)) => Cow::Owned(format!("{before} ms  {}", mask_literals(statement))),
        None => Cow::Owned(mask_literals(line.text)),
    }
}

impl Mask {
    /// What is private in this cockpit: accounts, hosts and their endpoints, and the names of people and roles.
    pub fn of(state: &State) -> Self {
        let mut mask = Self::default();
        state.run.plan.partitions.iter().for_each(|partition| mask.know_partition(partition));
        mask.know_run(state);
        state.live.values().for_each(|live| mask.know_live(live));
        mask.finish()
    }

    fn know_partition(&mut self, partition: &Partition) {
        self.anywhere(partition.aws.account.as_deref().unwrap_or_default());
        if let Some(sql) = &partition.sql {
            self.person(&sql.user);
            self.host(sql.endpoint.as_deref().unwrap_or_default());
        }
        if let Some(application) = &partition.application {
            let (_, rest) = application.url.split_once("://").unwrap_or(("", &application.url));
            self.host(rest.split('/').next().unwrap_or_default());
        }
    }

    fn know_run(&mut self, state: &State) {
        let run = &state.run;
        let holder = match &state.mode {
            super::state::Mode::Monitor(holder) => holder.as_ref(),
            super::state::Mode::Operator => None,
        };
        for session in run.sessions.iter().map(|(_, session)| session).chain(&run.session).chain(holder) {
            self.person(&session.operator);
            self.host(&session.host);
        }
        let notes = run.notes.iter().map(|note| &note.by);
        let people = notes.chain(run.stopped.iter().map(|word| &word.by));
        people.for_each(|name| self.person(name));
        for partition in &run.partitions {
            let words = partition.go_ahead.iter().chain(&partition.rolled_back);
            words.for_each(|word| self.person(&word.by));
            for step in partition.steps.iter().chain(&partition.levers) {
                step.attempts.iter().for_each(|attempt| self.person(&attempt.by));
                step.skipped.iter().for_each(|word| self.person(&word.by));
            }
        }
    }

    fn know_live(&mut self, live: &super::live::Live) {
        if let Some(cluster) = &live.cluster {
            self.host(&cluster.value.endpoint);
            let members = cluster.value.members.iter().filter_map(|member| member.endpoint.as_deref());
            members.for_each(|endpoint| self.host(endpoint));
        }
        if let Some(dns) = &live.dns {
            dns.value.chain.iter().for_each(|name| self.host(name));
            dns.value.addresses.iter().for_each(|address| self.anywhere(&address.to_string()));
        }
        if let Some(statements) = &live.statements {
            self.person(&statements.value.role);
        }
    }
}

#[cfg(test)]
mod tests;
