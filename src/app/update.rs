//! The one mutator: every key, event and sample passes through here.

use crossterm::event::{KeyEvent, KeyEventKind};
use jiff::Timestamp;

use super::dialog::{Button, Confirm, Dialog, Purpose};
use super::log::{self, Level, LogLine, LogSource};
use super::mouse::{self, Act, Target};
use super::replay::{Moment, Playback};
use super::state::{Mode, State};
use super::terminal::{ProgramEnd, Size, Typed};
use super::{approve, attach, attention, fleet, in_dialog, keys, replay, unplanned};
use crate::runbook::event::{Brief, Event, Record};
use crate::runbook::names::StepRef;
use crate::runbook::plan::StepKind;
use crate::steps::Said;
use crate::watch::Near;
use crate::watch::sample::{Reading, Sample, Source};

/// What can happen to the cockpit.
#[derive(Debug, Clone)]
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// The clock.
    Tick(Timestamp),
    /// The screen was drawn with the dialog that stands over it, unless the terminal is too small to show one. Keys typed
    /// before a dialog is seen are not meant for it.
    Drawn {
        /// Whether there was room.
        fits: bool,
        /// Room for a program's terminal, where there is any.
        terminal: Option<Size>,
    },
    /// Text that was pasted.
    Paste(String),
    /// The program of the terminal on the screen printed something.
    Output {
        /// Number of the attachment.
        attachment: u64,
        /// Raw bytes, control sequences and all: only the emulator takes them.
        bytes: Vec<u8>,
    },
    /// The program of the terminal on the screen ended.
    ProgramEnded {
        /// Number of the attachment.
        attachment: u64,
        /// How.
        end: ProgramEnd,
    },
    /// An event was written to the run.
    Record(Record),
    /// A watcher saw something.
    Sample(Box<Sample>),
    /// A step or a program said a line.
    Said(Said),
    /// Steps and programs said many lines.
    SaidMany(Vec<Said>),
    /// These lines of the log are on the screen, by their numbers, oldest first.
    Seen {
        /// The lines.
        log: Vec<u64>,
    },
    /// The facts for a confirmation are there, or could not be had.
    Briefed {
        /// Number of the request.
        request: u64,
        /// The facts, or why there are none.
        brief: Result<Box<Brief>, String>,
    },
    /// The replay jumped.
    Jumped(Moment),
    /// The replay goes on, or stands still, at this speed.
    Playing {
        /// How much faster than it was.
        speed: f64,
        /// Whether it stands still.
        paused: bool,
    },
    /// Something that the operator asked for was refused.
    Refused(String),
    /// The mouse did something.
    Mouse {
        /// What it points at.
        target: Option<Target>,
        /// What it did.
        act: Act,
    },
    /// A word to the operator.
    Notice(String),
    /// A word to the operator that is not worth a line of the log.
    Word(String),
}

/// What the cockpit has others do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Gather the facts for a confirmation.
    Brief {
        /// The step.
        step: StepRef,
        /// Number of the request.
        request: u64,
    },
    /// Fire a step that was confirmed.
    Fire {
        /// The step.
        step: StepRef,
        /// The way that was chosen, where there were several.
        choice: Option<String>,
    },
    /// Leave this user's approval of what has that digest, for the operator's session to find.
    Approve {
        /// See [`digest`](crate::runbook::approval::digest).
        digest: String,
    },
    /// Write an event of the operator's.
    Record(Box<Event>),
    /// Have the attempt that waits before it tries again try at once.
    Nudge,
    /// Hand over the output of the program in that directory, from its beginning, until another one is attached to.
    Attach {
        /// Number of the attachment, for the answers.
        attachment: u64,
        /// Directory of the program.
        directory: String,
    },
    /// Watch these partitions with everything there is, and no others.
    Watch(Near),
    /// Move the replay.
    Replay(Playback),
    /// Hand over no more output.
    Detach,
    /// Type into the program in that directory.
    Type {
        /// Directory of the program.
        directory: String,
        /// What is typed.
        typed: Typed,
    },
    /// Put a text on the clipboard of the operator's terminal.
    Copy {
        /// The text.
        text: String,
        /// What it is, for the operator: `12 lines`.
        what: String,
    },
    /// Call the operator, who may look elsewhere.
    Attention {
        /// What for, as it may leave the cockpit.
        text: String,
    },
    /// Tell the program in that directory the size of its terminal.
    Resize {
        /// Directory of the program.
        directory: String,
        /// The size.
        size: Size,
    },
}

impl Effect {
    /// Whether it leaves everything but this screen as it is.
    pub fn only_looks(&self) -> bool {
        match self {
            Self::Attach { .. } | Self::Detach | Self::Copy { .. } | Self::Attention { .. } | Self::Replay(_) => true,
            Self::Watch(_) => true,
            Self::Brief { .. }
            | Self::Fire { .. }
            | Self::Approve { .. }
            | Self::Record(_)
            | Self::Nudge
            | Self::Type { .. }
            | Self::Resize { .. } => false,
        }
    }
}

/// Takes in what happened and says what is to be done. Of a session that only looks on nothing comes that does more,
/// whatever a key may mean elsewhere; its user's own word, an approval, excepted.
pub fn update(state: &mut State, message: Message, operator: &str) -> Vec<Effect> {
    // A sample or a line of the log is of one partition; what is near is reckoned when the clock turns.
    let turns = matches!(message, Message::Key(_) | Message::Tick(_) | Message::Record(_) | Message::Mouse { .. });
    let mut effects = take(state, message, operator);
    if turns {
        effects.extend(fleet::draw_near(state).map(Effect::Watch));
    }
    if state.mode != Mode::Operator {
        effects.retain(|effect| effect.only_looks() || matches!(effect, Effect::Approve { .. }));
    }
    effects
}

fn take(state: &mut State, message: Message, operator: &str) -> Vec<Effect> {
    match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Message::Key(key) => keys::on_key(state, key, operator),
        Message::Tick(now) => {
            state.now = now;
            attention::on_tick(state)
        }
        Message::Drawn { fits, terminal } => {
            state.dialog_drawn = fits && state.dialog.is_some();
            terminal.map_or_else(Vec::new, |size| attach::resize(state, size))
        }
        Message::Paste(text) => in_dialog::paste(state, &text),
        Message::Output { attachment, bytes } => {
            attach::take(state, attachment, &bytes);
            Vec::new()
        }
        Message::ProgramEnded { attachment, end } => {
            attach::end(state, attachment, end);
            Vec::new()
        }
        Message::Record(record) => on_record(state, record),
        Message::Sample(sample) => on_sample(state, *sample),
        Message::Said(said) => {
            on_said(state, said);
            Vec::new()
        }
        Message::SaidMany(many) => {
            many.into_iter().for_each(|said| on_said(state, said));
            Vec::new()
        }
        Message::Seen { log } => {
            state.log.saw(log);
            Vec::new()
        }
        Message::Jumped(moment) => {
            replay::show(state, moment);
            Vec::new()
        }
        Message::Playing { speed, paused } => {
            if let Some(replay) = &mut state.replay {
                (replay.speed, replay.paused) = (speed, paused);
            }
            Vec::new()
        }
        Message::Briefed { request, brief } => on_brief(state, request, brief),
        Message::Refused(why) => {
            match &mut state.dialog {
                Some(Dialog::Confirm(confirm)) => {
                    confirm.firing = false;
                    confirm.focus = Button::Cancel;
                    confirm.refused = Some(why);
                }
                Some(Dialog::Ask(ask)) => ask.refused = Some(why),
                _ => notice(state, why),
            }
            Vec::new()
        }
        Message::Mouse { target, act } => {
            mouse::on_mouse(state, target, act, operator);
            Vec::new()
        }
        Message::Word(text) => {
            state.notice = Some((state.now, text));
            Vec::new()
        }
        Message::Notice(text) => {
            notice(state, text);
            Vec::new()
        }
    }
}

fn on_said(state: &mut State, said: Said) {
    let source = if said.source == "cockpit" { LogSource::Cockpit } else { LogSource::Program };
    if source == LogSource::Program {
        state.heard.insert(said.partition.clone(), said.at);
    }
    let level = log::level_of(&said.text);
    let line = LogLine { at: said.at, source, partition: Some(said.partition), level, text: said.text };
    state.log.push_coloured(&line, &said.stretches);
}

fn notice(state: &mut State, text: String) {
    let line = LogLine {
        at: state.now,
        source: LogSource::Cockpit,
        partition: None,
        level: Level::Warning,
        text: text.clone(),
    };
    state.log.push(line);
    state.notice = Some((state.now, text));
}

fn on_record(state: &mut State, record: Record) -> Vec<Effect> {
    super::narrate::narrate(state, &record);
    close_answered(state, &record.event);
    // With their word given, operators look at what comes of it, and then at what is next: the sentence at the top, the
    // marked step and Enter must mean the same.
    let word = matches!(
        record.event,
        Event::AttemptStarted { .. }
            | Event::GoAhead { .. }
            | Event::StepSkipped { .. }
            | Event::Reopened { .. }
            | Event::RolledBack { .. }
    );
    if word && state.mode == Mode::Operator {
        state.follows = true;
    }
    if matches!(record.event, Event::AttemptStarted { .. }) {
        // Whoever fires wants to see it: the screen follows what runs again.
        state.follows = true;
    }
    super::narrate::timeline(state, &record);
    let event = record.event.clone();
    if let Err(error) = state.run.apply(record) {
        notice(state, format!("the screen lost the run's thread: {error}; restart the cockpit, nothing is lost"));
    }
    approve::on_event(state, &event);
    hands_change(state, &event);
    state.follow();
    let solved = matches!(&state.dialog, Some(Dialog::Ways { step, .. }) if state.run.trouble(step).is_none());
    if solved {
        close(state);
    }
    let mut effects = attach::attach_to_sign_in(state, &event);
    effects.extend(attention::on_event(state, &event));
    effects
}

/// Whose hands the controls are in: an operator who handed them over looks on from here.
fn hands_change(state: &mut State, event: &Event) {
    if state.replay.is_some() {
        return;
    }
    match (&state.mode, event) {
        (Mode::Operator, Event::HandedOver { to, .. }) => {
            let words = format!("{to} has taken the run over; this screen only looks on now, and what runs goes on");
            state.mode = Mode::Monitor(None);
            close(state);
            notice(state, words);
        }
        (Mode::Monitor(_), Event::SessionOpened { .. } | Event::SessionClosed | Event::HandedOver { .. }) => {
            state.mode = Mode::Monitor(state.run.session.clone());
        }
        _ => {}
    }
}

/// A dialog whose question the run has answered goes away, whoever answered it.
fn close_answered(state: &mut State, event: &Event) {
    let answered = match (&state.dialog, event) {
        (Some(Dialog::Confirm(confirm)), Event::AttemptStarted { step, .. } | Event::StepSkipped { step, .. }) => {
            confirm.step == *step
        }
        (Some(Dialog::Confirm(confirm)), Event::GoAhead { partition, .. }) => confirm.step.partition == *partition,
        (Some(Dialog::Ask(ask)), event) => match (&ask.purpose, event) {
            (Purpose::Skip(asked), Event::StepSkipped { step, .. }) => asked == step,
            (Purpose::Back { to, .. }, Event::Reopened { step, .. }) => to == step,
            (Purpose::RollBack(asked), Event::RolledBack { partition, .. }) => asked == partition,
            (Purpose::GoAhead(asked), Event::GoAhead { partition, .. }) => asked == partition,
            (Purpose::Note(..), Event::Noted { text, .. }) => *text == ask.text.trim(),
            (Purpose::Stop, Event::Stopped { .. }) => true,
            _ => false,
        },
        _ => false,
    };
    if answered {
        close(state);
    }
    // A monitor shows the confirmation that is on the operator's screen.
    if matches!(state.mode, Mode::Monitor(_)) {
        match event {
            Event::ConfirmationOpened { step, request, brief } => {
                open(
                    state,
                    Dialog::Confirm(Box::new(
                        Confirm::new(step.clone(), *request, (**brief).clone()).guarded(&state.run),
                    )),
                );
            }
            Event::ConfirmationClosed { .. }
            | Event::AttemptStarted { .. }
            | Event::SessionOpened { .. }
            | Event::HandedOver { .. }
                if matches!(state.dialog, Some(Dialog::Confirm(_))) =>
            {
                close(state);
            }
            _ => {}
        }
    }
}

fn on_sample(state: &mut State, sample: Sample) -> Vec<Effect> {
    let lines = match &sample.said {
        Ok(Reading::Lines(lines)) => lines.as_slice(),
        Ok(Reading::SlowLog(view)) => view.lines.as_slice(),
        _ => &[],
    };
    if !lines.is_empty() {
        let source = match sample.source {
            Source::Events => LogSource::Rds,
            Source::SlowLog => LogSource::Slow,
            _ => LogSource::Pods,
        };
        // What the application logs all day would drown the night's own lines; during its deployment it is the story.
        let quiet = source == LogSource::Pods && !is_deploying(state);
        for line in lines.iter().filter(|line| !quiet || log::level_of(&line.text) > Level::Info) {
            let code = line.code.as_deref().map(|code| format!("{} ", code.trim_start_matches("RDS-EVENT-")));
            state.log.push(LogLine {
                at: line.at,
                source,
                partition: Some(sample.partition.clone()),
                // A statement's own words say nothing of how much it matters.
                level: match source {
                    LogSource::Slow => Level::Info,
                    LogSource::Rds => log::level_of(&line.text).max(Level::Notice),
                    _ => log::level_of(&line.text),
                },
                text: format!("{}{} {}", code.unwrap_or_default(), line.subject, line.text),
            });
        }
    }
    let Some(live) = state.live.get_mut(&sample.partition) else { return Vec::new() };
    for line in super::narrate::turns(live, &sample).into_iter().chain(super::gaps::told(live, &sample)) {
        state.log.push(line);
    }
    let (partition, source, at) = (sample.partition.clone(), sample.source.clone(), sample.at);
    let mut effects = match live.take(sample) {
        Some(moved) => unplanned::on_moved(state, &partition, moved),
        None => Vec::new(),
    };
    effects.extend(unplanned::after_sample(state, &partition, &source, at));
    effects
}

fn is_deploying(state: &State) -> bool {
    let running = state.run.running().and_then(|(step, _)| state.run.step(&step).map(|(_, planned, _)| &planned.kind));
    matches!(running, Some(StepKind::Deploy(_)))
}

fn on_brief(state: &mut State, request: u64, brief: Result<Box<Brief>, String>) -> Vec<Effect> {
    let Some(Dialog::Preparing { step, request: awaited, choice }) = &state.dialog else { return Vec::new() };
    if *awaited != request {
        return Vec::new();
    }
    let (step, choice) = (step.clone(), choice.clone());
    match brief {
        Ok(brief) => {
            let event = Event::ConfirmationOpened { step: step.clone(), request, brief: brief.clone() };
            open(
                state,
                Dialog::Confirm(Box::new(Confirm::new(step, request, *brief).wanting(choice).guarded(&state.run))),
            );
            vec![Effect::Record(Box::new(event))]
        }
        Err(why) => {
            close(state);
            notice(state, why);
            Vec::new()
        }
    }
}

/// Puts a dialog over the screen; it takes no keys before it was drawn.
pub(super) fn open(state: &mut State, dialog: Dialog) {
    state.dialog = Some(dialog);
    state.dialog_drawn = false;
}

/// Takes the dialog away.
pub(super) fn close(state: &mut State) {
    state.dialog = None;
    state.dialog_drawn = false;
}
