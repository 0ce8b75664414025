//! `replay`: a run on the same screens, read-only, at any speed, back and forth.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::args::ReplayArgs;
use super::past::{Item, Past};
use super::place::Place;
use super::screen::{self, Clock, Sources};
use super::terminal::Attachment;
use super::{Failure, exit};
use crate::app::replay::{Moment, Playback, Replay};
use crate::app::state::State;
use crate::app::update::{Effect, Message, update};
use crate::runbook::state::Run;

/// How often the replay moves on.
const BEAT: Duration = Duration::from_millis(40);
/// The longest that nothing happens while no step runs: people slept, the replay does not.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// What happened since the last keyframe, at most: a jump plays that much again.
const KEYFRAME: usize = 4000;

pub(super) async fn replay(place: &Place, args: &ReplayArgs) -> Result<u8, Failure> {
    if !(args.speed > 0.0 && args.speed.is_finite()) {
        return Err(Failure::usage(format!("--speed {} is no speed; give a number above 0", args.speed)));
    }
    let entry = place.run_entry(args.run.as_deref())?;
    let past = Past::read(&entry)?;
    let mut state = past.begun.clone();
    state.replay = Some(Replay::of(&state.run, &past.records, past.to(), args.speed));

    let (messages, inbox) = mpsc::unbounded_channel();
    let (moves, moved) = mpsc::unbounded_channel();
    let player = Player::new(state.clone(), past.items, args.speed, messages.clone());
    tokio::spawn(player.play(moved));
    // Everything comes from the player, in its order.
    let ((_nothing, records), (_nobody, samples)) = (mpsc::unbounded_channel(), mpsc::channel(1));
    let sources = Sources { messages: inbox, records, said: None, samples, clock: Clock::Told };
    let mut attachment = Attachment::new(messages);
    let carry_out = |_: &Run, effect: Effect| {
        attachment.follow(&effect);
        if let Effect::Replay(playback) = effect {
            // Once the player is gone, so is the screen.
            let _ = moves.send(playback);
        }
    };
    screen::show(state, place, sources, carry_out).await.map(|_| exit::DONE)
}

/// Plays a run: keeps the state of where it is, and tells the screen what happens.
struct Player {
    items: Vec<(Timestamp, Item)>,
    /// The item that comes next.
    next: usize,
    state: State,
    /// Earlier states, each with the item that came next.
    keyframes: Vec<(usize, State)>,
    /// When it ends.
    to: Timestamp,
    speed: f64,
    paused: bool,
    out: mpsc::UnboundedSender<Message>,
}

impl Player {
    fn new(state: State, items: Vec<(Timestamp, Item)>, speed: f64, out: mpsc::UnboundedSender<Message>) -> Self {
        let to = items.last().map_or(state.now, |(at, _)| *at);
        let keyframes = vec![(0, state.clone())];
        Self { items, next: 0, state, keyframes, to, speed, paused: false, out }
    }

    /// Plays until the screen is closed.
    async fn play(mut self, mut moves: mpsc::UnboundedReceiver<Playback>) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                asked = moves.recv() => match asked {
                    Some(asked) => self.follow(asked),
                    None => return,
                },
                _ = beat.tick(), if !self.paused => self.advance(),
            }
        }
    }

    fn follow(&mut self, asked: Playback) {
        match asked {
            Playback::Toggle if self.paused && self.state.now >= self.to => self.seek(self.keyframes[0].1.now),
            Playback::Toggle => {}
            Playback::Speed(speed) => self.speed = speed,
            Playback::Seek(at) => self.seek(at),
        }
        if asked == Playback::Toggle {
            self.paused = !self.paused;
        }
        self.tell(Message::Playing { speed: self.speed, paused: self.paused });
    }

    /// One beat onward; at the end it stands still.
    fn advance(&mut self) {
        let step = SignedDuration::try_from(BEAT.mul_f64(self.speed)).unwrap_or(SignedDuration::MAX);
        let mut now = self.state.now.saturating_add(step).unwrap_or(self.to).min(self.to);
        if let Some(at) = self.next_record().filter(|_| self.state.run.running().is_none()) {
            let pause = SignedDuration::try_from(LONGEST_PAUSE.mul_f64(self.speed)).unwrap_or(SignedDuration::MAX);
            now = now.max(at.saturating_sub(pause).unwrap_or(now));
        }
        while let Some(message) = self.take(now) {
            self.tell(message);
        }
        self.state.now = now;
        self.tell(Message::Tick(now));
        if now >= self.to {
            self.paused = true;
            self.tell(Message::Playing { speed: self.speed, paused: true });
        }
    }

    /// When the next event is.
    fn next_record(&self) -> Option<Timestamp> {
        let coming = self.items[self.next..].iter();
        coming.filter(|(_, item)| matches!(item, Item::Record(_))).map(|(at, _)| *at).next()
    }

    /// Takes in what comes next, if it is before that moment.
    fn take(&mut self, until: Timestamp) -> Option<Message> {
        let (at, item) = self.items.get(self.next).filter(|(at, _)| *at <= until)?;
        let message = item.message();
        self.state.now = *at;
        update(&mut self.state, message.clone(), "");
        self.next += 1;
        let last = self.keyframes.last().map_or(0, |(next, _)| *next);
        if self.next >= last + KEYFRAME {
            self.keyframes.push((self.next, self.state.clone()));
        }
        Some(message)
    }

    /// Goes to a moment: from the last keyframe before it, everything up to it is taken in again.
    fn seek(&mut self, to: Timestamp) {
        let place = self.keyframes.partition_point(|(_, state)| state.now <= to).saturating_sub(1);
        let (next, state) = &self.keyframes[place];
        // Forth from here is shorter where there is no keyframe in between.
        if to < self.state.now || *next > self.next {
            (self.next, self.state) = (*next, state.clone());
        }
        while self.take(to).is_some() {}
        self.state.now = to.max(self.keyframes[0].1.now).min(self.to);
        self.tell(Message::Jumped(Moment { state: Box::new(self.state.clone()) }));
    }

    fn tell(&self, message: Message) {
        // The screen may be closing; then this ends as well.
        let _ = self.out.send(message);
    }
}

#[cfg(test)]
mod tests;
