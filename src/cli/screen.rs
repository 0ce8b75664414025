//! The loop between terminal and state: one inbox, one update, one drawing.

use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::Failure;
use super::place::Place;
use crate::app::state::State;
use crate::app::update::{Effect, Message, update};
use crate::runbook::event::Record;
use crate::runbook::state::Run;
use crate::steps::Said;
use crate::term::{self, Screen};
use crate::ui;
use crate::ui::adapt::{Charset, Depth};
use crate::ui::theme::{Theme, ThemeName};
use crate::watch::Sample;

/// The shortest time between two frames: what comes faster is drawn together.
const FRAME: Duration = Duration::from_millis(33);

/// What reaches the state besides keys and the clock.
pub(super) struct Sources {
    /// Answers to what the operator asked for.
    pub messages: mpsc::UnboundedReceiver<Message>,
    /// Events of the run.
    pub records: mpsc::UnboundedReceiver<Record>,
    /// Lines of steps and programs; a monitor has none.
    pub said: Option<mpsc::UnboundedReceiver<Said>>,
    /// What the watchers see.
    pub samples: mpsc::Receiver<Sample>,
    /// Which clock the screen shows.
    pub clock: Clock,
}

/// How a screen came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The operator left.
    Left,
    /// The terminal was closed, or the system asked for the end. Somebody will come back.
    Cut,
}

/// Which clock the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The wall's.
    Wall,
    /// The time of the last event: a run of the past is seen as of then.
    Events,
}

/// Whether there is a terminal, and the theme that was asked for if one was: to be known before anything is started.
pub(super) fn check(theme: Option<&str>) -> Result<(), Failure> {
    theme.map_or(Ok(()), |name| theme_name(name).map(|_| ()))?;
    term::is_there().map_err(Failure::usage)
}

/// Shows the state and takes keys until the operator leaves.
pub(super) async fn show(
    mut state: State,
    place: &Place,
    mut sources: Sources,
    mut carry_out: impl FnMut(&Run, Effect),
) -> Result<Ended, Failure> {
    let theme = theme(place)?;
    let mut screen = Screen::take().map_err(Failure::usage)?;
    let mut keys = EventStream::new();
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let mut next_frame = tokio::time::Instant::now();
    let mut is_due = true;
    loop {
        let message = tokio::select! {
            biased;
            () = sleep_until(next_frame), if is_due => {
                let mut seen = Message::Drawn { fits: false, terminal: None };
                let drawn = screen.draw(|frame| {
                    seen = Message::Drawn { fits: ui::fits(frame.area()), terminal: ui::terminal_room(frame.area()) };
                    ui::draw(frame, &state, &theme);
                });
                drawn.map_err(|error| gone(&error))?;
                is_due = false;
                next_frame = tokio::time::Instant::now() + FRAME;
                for effect in update(&mut state, seen, &place.operator) {
                    carry_out(&state.run, effect);
                }
                continue;
            }
            input = keys.next() => match input {
                Some(Ok(Input::Key(key))) => {
                    // A key is answered at once, not at the next frame.
                    next_frame = tokio::time::Instant::now();
                    Message::Key(key)
                }
                Some(Ok(Input::Resize(..))) => {
                    // Nobody knows what of a dialog is still seen before it is drawn again.
                    Message::Drawn { fits: false, terminal: None }
                }
                Some(Ok(Input::Paste(text))) => Message::Paste(text),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(gone(&error)),
                None => return Ok(Ended::Cut),
            },
            Some(record) = sources.records.recv() => {
                if sources.clock == Clock::Events {
                    update(&mut state, Message::Tick(record.at), &place.operator);
                }
                Message::Record(record)
            }
            Some(message) = sources.messages.recv() => message,
            Some(said) = next_said(&mut sources.said) => Message::Said(said),
            Some(sample) = sources.samples.recv() => Message::Sample(Box::new(sample)),
            _ = clock.tick(), if sources.clock == Clock::Wall => Message::Tick(Timestamp::now()),
            _ = end.recv() => return Ok(Ended::Cut),
            _ = hang_up.recv() => return Ok(Ended::Cut),
        };
        for effect in update(&mut state, message, &place.operator) {
            carry_out(&state.run, effect);
        }
        is_due = true;
        if state.leaving {
            return Ok(Ended::Left);
        }
    }
}

async fn next_said(said: &mut Option<mpsc::UnboundedReceiver<Said>>) -> Option<Said> {
    match said {
        Some(said) => said.recv().await,
        None => std::future::pending().await,
    }
}

fn gone(error: &std::io::Error) -> Failure {
    Failure::failed(format!("the terminal is gone: {error}; what runs goes on, and the next start takes it up again"))
}

fn theme_name(name: &str) -> Result<ThemeName, Failure> {
    ThemeName::of(name).ok_or_else(|| {
        let known: Vec<&str> = ThemeName::ALL.iter().map(|(name, _)| *name).collect();
        Failure::usage(format!("there is no theme {name}; there are {}", known.join(", ")))
    })
}

/// The theme that was asked for, in the colours that the terminal has.
fn theme(place: &Place) -> Result<Theme, Failure> {
    let name = theme_name(place.theme.as_deref().unwrap_or(place.settings.theme.name()))?;
    let variable = |name: &str| std::env::var(name).ok();
    let depth = if place.no_color { Depth::None } else { Depth::of_environment(variable) };
    let charset = if place.settings.ascii { Charset::Ascii } else { Charset::of_environment(variable) };
    Ok(Theme::new(name, depth, charset))
}
