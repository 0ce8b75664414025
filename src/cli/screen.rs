//! The loop between terminal and state: one inbox, one update, one drawing.

use std::time::Duration;

use crossterm::event::{Event as Input, EventStream};
use futures::StreamExt as _;
use jiff::Zoned;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::Failure;
use super::attention::Caller;
use super::place::Place;
use crate::app::log::Limit;
use crate::app::state::{State, ThemeChoice};
use crate::app::update::{Effect, Message, update};
use crate::clients::program::Capture;
use crate::clock;
use crate::config::{SHIPPED_THEMES, paths};
use crate::runbook::event::Record;
use crate::runbook::state::Run;
use crate::steps::Said;
use crate::term::{self, Screen};
use crate::ui;
use crate::ui::adapt::{Charset, Depth};
use crate::ui::theme::{Theme, Themes};
use crate::watch::Sample;

/// The shortest time between two frames: what comes faster is drawn together.
const FRAME: Duration = Duration::from_millis(33);

/// The shortest time from a frame to the one that answers a key: a storm of input is taken in between, and a key that comes alone
/// does not wait.
const ANSWER: Duration = Duration::from_millis(8);

/// Lines that are taken in at once, between two looks at the keyboard.
const MOST_LINES: usize = 4_096;

/// What reaches the state besides keys and the clock.
pub(super) struct Sources {
    /// Answers to what the operator asked for.
    pub messages: mpsc::UnboundedReceiver<Message>,
    /// Events of the run.
    pub records: mpsc::UnboundedReceiver<Record>,
    /// Lines of steps and programs; a monitor has none.
    pub said: Option<mpsc::Receiver<Said>>,
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
    /// Somebody left who had handed the run over before, and looked on.
    LookedOn,
    /// The terminal was closed, or the system asked for the end. Somebody will come back.
    Cut,
}

/// Which clock the screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The wall's.
    Wall,
    /// What it is told: a run of the past is seen as of then.
    Told,
}

/// Whether there is a terminal, and the theme that was asked for if one was: to be known before anything is started.
pub(super) fn check(theme: Option<&str>) -> Result<(), Failure> {
    theme.map_or(Ok(()), |name| themes()?.choose(name).map(|_| ()).map_err(Failure::usage))?;
    term::is_there().map_err(Failure::usage)
}

/// Shows the state and takes keys until the operator leaves.
pub(super) async fn show(
    mut state: State,
    place: &Place,
    mut sources: Sources,
    mut carry_out: impl FnMut(&Run, Effect),
) -> Result<Ended, Failure> {
    let (look, choice) = look(place)?;
    state.themes = choice;
    state.share = place.settings.share;
    state.keymap = place.keymap.clone();
    state.log.set_limit(log_limit(place));
    if let Some(words) = look.hard_to_read(state.theme()) {
        update(&mut state, Message::Notice(words), &place.operator);
    }
    let mut drawn_in = state.theme().to_owned();
    let mut theme = look.theme(&drawn_in);
    let mut screen = Screen::take(!place.settings.no_mouse).map_err(Failure::usage)?;
    let mut caller = Caller::new(place.settings.attention);
    if caller.titles() {
        screen.keep_title().map_err(|error| gone(&error))?;
    }
    let mut keys = EventStream::new();
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut end = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let (copied, mut words) = mpsc::unbounded_channel();
    let mut next_frame = tokio::time::Instant::now();
    let mut next_answer = next_frame;
    let mut is_due = true;
    loop {
        let message = tokio::select! {
            biased;
            () = sleep_until(next_frame), if is_due => {
                if drawn_in != state.theme() {
                    drawn_in = state.theme().to_owned();
                    theme = look.theme(&drawn_in);
                    if let Some(words) = look.hard_to_read(&drawn_in) {
                        update(&mut state, Message::Notice(words), &place.operator);
                    }
                }
                let mut seen = Message::Drawn { fits: false, terminal: None };
                let mut log = Vec::new();
                let drawn = screen.draw(|frame| {
                    log = ui::seen_of_log(frame.area(), &state);
                    seen = Message::Drawn { fits: ui::fits(frame.area()), terminal: ui::terminal_room(frame.area()) };
                    ui::draw(frame, &state, &theme);
                });
                drawn.map_err(|error| gone(&error))?;
                is_due = false;
                let drawn = tokio::time::Instant::now();
                (next_frame, next_answer) = (drawn + FRAME, drawn + ANSWER);
                let effects = update(&mut state, seen, &place.operator);
                update(&mut state, Message::Seen { log }, &place.operator);
                effects.into_iter().for_each(|effect| carry_out(&state.run, effect));
                continue;
            }
            input = keys.next() => match input {
                Some(Ok(input)) => {
                    let by_hand = matches!(input, Input::Key(_) | Input::Mouse(_));
                    let Some(message) = ui::message(screen.area(), &state, input) else { continue };
                    if by_hand {
                        // A key is answered at once, not at the next beat.
                        next_frame = next_frame.min(next_answer);
                    }
                    message
                }
                Some(Err(error)) => return Err(gone(&error)),
                None => return Ok(Ended::Cut),
            },
            // In order of how little of it there can be: a program that prints without end starves neither the clock, by which
            // ages are told, nor what the watchers see.
            _ = end.recv() => return Ok(Ended::Cut),
            _ = hang_up.recv() => return Ok(Ended::Cut),
            _ = clock.tick(), if sources.clock == Clock::Wall => Message::Tick(clock::now()),
            Some(record) = sources.records.recv() => Message::Record(record),
            Some(word) = words.recv() => Message::Word(word),
            Some(sample) = sources.samples.recv() => Message::Sample(Box::new(sample)),
            Some(message) = sources.messages.recv() => message,
            Some(said) = next_said(&mut sources.said) => Message::SaidMany(said),
        };
        for effect in update(&mut state, message, &place.operator) {
            match effect {
                Effect::Copy { text, what } => copy(&mut screen, text, what, &copied).map_err(|error| gone(&error))?,
                Effect::Attention { text } => {
                    screen.send(&caller.call(&text, &Zoned::now())).map_err(|error| gone(&error))?;
                }
                effect => carry_out(&state.run, effect),
            }
        }
        if let Some(title) = caller.title(&state) {
            screen.send(&title).map_err(|error| gone(&error))?;
        }
        is_due = true;
        if state.dialog.is_some() && !state.dialog_drawn {
            // It takes no key before it was seen, and should not swallow what is typed into it.
            next_frame = tokio::time::Instant::now();
        }
        if state.leaving {
            return Ok(Ended::Left);
        }
    }
}

/// Puts a text on the clipboard, and says so as far as it can be known.
///
/// A terminal takes it by OSC 52 without a word. tmux ignores that sequence of a program's unless `set-clipboard` is `on`, which
/// it is not by default; it is asked by its own command instead, which also hands the text on to the terminal around it
/// (`load-buffer -w`, since 3.2). <https://man.openbsd.org/tmux#load-buffer>
fn copy(
    screen: &mut Screen,
    text: String,
    what: String,
    copied: &mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    if std::env::var_os("TMUX").is_none() {
        screen.copy(&text)?;
        // Its receiver lives as long as the screen.
        let _ = copied.send(format!("{what} sent to the terminal's clipboard; whether it took them, it does not say"));
        return Ok(());
    }
    // For a tmux that is too old, or not on PATH.
    screen.copy(&text)?;
    let copied = copied.clone();
    tokio::spawn(async move {
        let load = Capture::new("tmux", ["load-buffer", "-w", "-"]).input(text.into()).timeout(Duration::from_secs(3));
        let word = match load.run("tmux load-buffer").await {
            Ok(answer) if answer.is_success() => {
                format!("{what} copied: prefix ] pastes in tmux; the terminal around it has them if it takes OSC 52")
            }
            _ => format!("{what} sent by OSC 52; tmux hands them on only with `set -g set-clipboard on`"),
        };
        let _ = copied.send(word);
    });
    Ok(())
}

/// How much log is kept.
fn log_limit(place: &Place) -> Limit {
    let usual = Limit::default();
    let bytes = place.settings.log_megabytes.and_then(|megabytes| usize::try_from(megabytes << 20).ok());
    Limit { lines: place.settings.log_lines.unwrap_or(usual.lines), bytes: bytes.unwrap_or(usual.bytes) }
}

/// What was said since, a good deal at a time: a program that prints fast must not slow keys.
async fn next_said(said: &mut Option<mpsc::Receiver<Said>>) -> Option<Vec<Said>> {
    let Some(said) = said else { return std::future::pending().await };
    let mut lines = Vec::new();
    if said.recv_many(&mut lines, MOST_LINES).await == 0 { None } else { Some(lines) }
}

fn gone(error: &std::io::Error) -> Failure {
    Failure::failed(format!("the terminal is gone: {error}; what runs goes on, and the next start takes it up again"))
}

/// What the screen is drawn with: every theme that there is, in the colours and characters that the terminal has.
struct Look {
    themes: Themes,
    depth: Depth,
    charset: Charset,
}

impl Look {
    fn theme(&self, name: &str) -> Theme {
        self.themes.theme(name, self.depth, self.charset)
    }

    /// That some of a theme's text is hard to read, if so: those that are shipped are not, but one may be the user's own.
    fn hard_to_read(&self, name: &str) -> Option<String> {
        let pairs = self.themes.hard_to_read(name);
        let worst = pairs.iter().min_by(|one, other| one.ratio().total_cmp(&other.ratio()))?;
        let (ink, ground, ratio, least) = (&worst.ink, &worst.ground, worst.ratio(), worst.least);
        let count = pairs.len();
        Some(format!(
            "theme {name}: {ink} on {ground} has a contrast of {ratio:.1}, and should have {least} ({count} such pairs)"
        ))
    }
}

/// The themes that are shipped, and the user's own.
fn themes() -> Result<Themes, Failure> {
    match paths::themes_dir() {
        Ok(directory) => Themes::with(&directory).map_err(Failure::usage),
        Err(_) => Ok(Themes::default()),
    }
}

/// The look that was asked for, and which of its themes.
fn look(place: &Place) -> Result<(Look, ThemeChoice), Failure> {
    let mut themes = themes()?;
    let mut choose = |name: &str| themes.choose(name).map_err(Failure::usage);
    let settings = &place.settings;
    let wanted = place.theme.as_deref().or(settings.theme.as_deref());
    let asked = wanted.is_some();
    let usual = choose(wanted.unwrap_or(SHIPPED_THEMES[0].0))?;
    let production = settings.production_theme.as_deref().map(&mut choose).transpose()?;
    let variable = |name: &str| std::env::var(name).ok();
    let depth = if place.no_color { Depth::None } else { Depth::of_environment(variable) };
    let charset = if place.settings.ascii { Charset::Ascii } else { Charset::of_environment(variable) };
    let offered = themes.names().map(str::to_owned).collect();
    Ok((Look { themes, depth, charset }, ThemeChoice { usual, asked, production, offered }))
}
