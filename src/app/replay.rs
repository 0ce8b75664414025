//! A run of the past on the same screens: where the replay is, and what moves it. Whoever plays it holds the events and the
//! samples; the state only says what is wanted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::state::State;
use super::update::Effect;
use crate::runbook::event::{Event, Outcome, Record};
use crate::runbook::state::Run;

/// How far a step back or forth goes.
const STEP: SignedDuration = SignedDuration::from_secs(10);
/// Speeds that can be chosen.
const SPEEDS: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 200.0, 600.0];

/// A replay as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// When the run began.
    pub from: Timestamp,
    /// Its last event.
    pub to: Timestamp,
    /// What happened when, oldest first.
    pub marks: Vec<Mark>,
    /// How much faster than it was.
    pub speed: f64,
    /// Whether it stands still.
    pub paused: bool,
}

/// Something that one may want to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Marked,
}

/// What a mark stands for, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Marked {
    /// A step was fired.
    Fired,
    /// Somebody gave the word to go on.
    Word,
    /// The writer moved.
    Failover,
    /// A step failed.
    Failed,
}

/// What a replay is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Playback {
    /// Stand still, or go on.
    Toggle,
    /// Go at this speed.
    Speed(f64),
    /// Go to this moment.
    Seek(Timestamp),
}

/// Everything that is shown of a moment: what a jump puts in its place.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The state of whoever plays.
    pub state: Box<State>,
}

impl Replay {
    /// A replay of these records, which are a run's, oldest first.
    pub fn of(run: &Run, records: &[Record], to: Timestamp, speed: f64) -> Self {
        let marks = records.iter().filter_map(|record| Some(Mark { at: record.at, what: marked(&record.event)? }));
        Self { from: run.started_at, to, marks: marks.collect(), speed, paused: false }
    }

    /// The share of the run that lies before a moment, 0 to 1.
    pub fn share(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        if whole <= 0.0 { 1.0 } else { (at.duration_since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0) }
    }

    /// The speed above or below this one.
    fn next_speed(&self, faster: bool) -> f64 {
        let next = if faster {
            SPEEDS.into_iter().find(|speed| *speed > self.speed)
        } else {
            SPEEDS.into_iter().rev().find(|speed| *speed < self.speed)
        };
        next.unwrap_or(self.speed)
    }
}

fn marked(event: &Event) -> Option<Marked> {
    match event {
        Event::AttemptStarted { .. } => Some(Marked::Fired),
        Event::GoAhead { .. } => Some(Marked::Word),
        Event::FailoverMeasured { .. } => Some(Marked::Failover),
        Event::AttemptEnded { outcome: Outcome::Failed { .. } | Outcome::Partial { .. }, .. } => Some(Marked::Failed),
        _ => None,
    }
}

/// How a key moves a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Stand still, or go on.
    Toggle,
    /// Faster.
    Faster,
    /// Slower.
    Slower,
    /// A little back.
    Back,
    /// A little forth.
    Forth,
    /// To what happened before.
    MarkBefore,
    /// To what happens next.
    MarkNext,
}

/// What a move asks of whoever plays; nothing where this is no replay, or there is nowhere to go.
pub(super) fn moved(state: &State, by: Move) -> Vec<Effect> {
    let Some(replay) = &state.replay else { return Vec::new() };
    // A little slack: what is shown of a mark is a moment after it.
    let slack = SignedDuration::try_from(Duration::from_secs_f64(replay.speed.max(1.0))).unwrap_or(STEP);
    let seek = |at: Timestamp| Some(Playback::Seek(at.clamp(replay.from, replay.to)));
    let playback = match by {
        Move::Toggle => Some(Playback::Toggle),
        Move::Faster => Some(Playback::Speed(replay.next_speed(true))),
        Move::Slower => Some(Playback::Speed(replay.next_speed(false))),
        Move::Back => seek(state.now.saturating_sub(STEP).unwrap_or(replay.from)),
        Move::Forth => seek(state.now.saturating_add(STEP).unwrap_or(replay.to)),
        Move::MarkBefore => {
            let before = replay.marks.iter().rev().find(|mark| mark.at < state.now - slack);
            seek(before.map_or(replay.from, |mark| mark.at))
        }
        Move::MarkNext => seek(replay.marks.iter().find(|mark| mark.at > state.now).map_or(replay.to, |mark| mark.at)),
    };
    playback.into_iter().map(Effect::Replay).collect()
}

/// Shows another moment. What the onlooker chose to look at stays.
pub(super) fn show(state: &mut State, moment: Moment) {
    let State { run, live, log, now, .. } = *moment.state;
    let mut log = log;
    log.look_as(&state.log);
    (state.run, state.live, state.log, state.now) = (run, live, log, now);
    state.partition = state.partition.min(state.run.plan.partitions.len().saturating_sub(1));
    state.follow();
}
