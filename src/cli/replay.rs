//! `replay`: a run on the same screens, read-only, as fast as one likes.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::args::ReplayArgs;
use super::place::Place;
use super::screen::{self, Clock, Sources};
use super::terminal::Attachment;
use super::{Failure, exit};
use crate::app::state::{Mode, State};
use crate::app::update::Message;
use crate::journal;
use crate::runbook::event::Record;
use crate::runbook::state::Run;

/// The longest pause between two events: people slept, the replay does not.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

pub(super) async fn replay(place: &Place, args: &ReplayArgs) -> Result<u8, Failure> {
    if !(args.speed > 0.0 && args.speed.is_finite()) {
        return Err(Failure::usage(format!("--speed {} is no speed; give a number above 0", args.speed)));
    }
    let entry = place.run_entry(args.run.as_deref())?;
    let contents = journal::read(&entry.journal()).map_err(Failure::failed)?;
    let records: Result<Vec<Record>, _> = contents
        .entries
        .iter()
        .map(|line| line.event().map(|event| Record { seq: line.seq(), at: line.at(), event }))
        .collect();
    let mut records = records.map_err(Failure::failed)?.into_iter();
    let first = records.next().ok_or_else(|| Failure::failed(format!("run {} has no events", entry.id)))?;
    let began = first.at;
    let run = Run::begin(first).map_err(Failure::failed)?;
    let (messages, inbox) = mpsc::unbounded_channel();
    let (sender, to_screen) = mpsc::unbounded_channel();
    tokio::spawn(play(records.collect(), began, args.speed, sender, messages.clone()));
    let (_nobody, samples) = mpsc::channel(1);
    let state = State::new(run, Mode::Monitor(None), began);
    let sources = Sources { messages: inbox, records: to_screen, said: None, samples, clock: Clock::Events };
    let mut attachment = Attachment::new(messages);
    screen::show(state, place, sources, |_, effect| attachment.follow(&effect)).await.map(|_| exit::DONE)
}

/// Hands the records over, with the pauses that lay between them, divided by the speed.
async fn play(
    records: Vec<Record>,
    began: Timestamp,
    speed: f64,
    to_screen: mpsc::UnboundedSender<Record>,
    messages: mpsc::UnboundedSender<Message>,
) {
    let mut last = began;
    for record in records {
        let pause = Duration::try_from(record.at.duration_since(last)).unwrap_or_default();
        tokio::time::sleep(pause.div_f64(speed).min(LONGEST_PAUSE)).await;
        last = record.at;
        if to_screen.send(record).is_err() {
            return;
        }
    }
    let _ = messages.send(Message::Notice("the run's last event; q leaves".to_owned()));
}
