//! `monitor`: the same screens, read-only. It makes no controls, so that it cannot change anything.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::args::MonitorArgs;
use super::place::{self, Place};
use super::screen::{self, Clock, Sources};
use super::terminal::Attachment;
use super::{Failure, exit};
use crate::app::state::{Mode, State};
use crate::app::update::{Effect, Message};
use crate::clock;
use crate::journal::{Follow, approvals, sharing};
use crate::runbook::event::{Event, Record};
use crate::runbook::names::RunId;
use crate::runbook::state::Run;
use crate::session;
use crate::watch::{Cadence, Pacing};

pub(super) async fn monitor(place: &Place, args: &MonitorArgs) -> Result<u8, Failure> {
    let (messages, inbox) = mpsc::unbounded_channel();
    let (to_screen, records) = mpsc::unbounded_channel();
    let mut run_dir = None;
    let (run, mode) = match &args.rollout {
        Some(file) => (unkept(place, file)?, Mode::Monitor(None)),
        None => {
            let entry = place.run_entry(args.run.as_deref())?;
            let (run, notice) = place.read_run(&entry)?;
            if let Some(notice) = notice {
                // The receiver is in our hands.
                let _ = messages.send(Message::Notice(notice));
            }
            let follow = Follow::new(entry.journal(), run.seq);
            tokio::spawn(follow_run(follow, to_screen, messages.clone()));
            let holder = run.session.clone();
            run_dir = Some(entry.directory);
            (run, Mode::Monitor(holder))
        }
    };
    let cancel = CancellationToken::new();
    let (out, samples) = mpsc::channel(session::SAMPLES);
    // Held to the end: a monitor looks at its own quiet pace.
    let (_cadence, cadence) = watch::channel(Cadence::default());
    let mut state = State::new(run, mode, clock::now());
    let (near, told) = watch::channel(state.near.clone());
    let pacing = Pacing { cadence, near: Some(told) };
    let watchers = if state.run.simulated == place::is_simulated() {
        let (plan, cancel) = (Arc::new(state.run.plan.clone()), cancel.clone());
        Some(crate::watch::start(plan, Arc::default(), Arc::default(), out, pacing, args.write_probe, cancel))
    } else {
        // The names of a rehearsal may exist in real accounts: they are not asked.
        let gone = "this run was rehearsed and its simulated site is gone: only its journal is shown".to_owned();
        let _ = messages.send(Message::Notice(gone));
        None
    };
    state.user = Some(sharing::user());
    let sources = Sources { messages: inbox, records, said: None, samples, clock: Clock::Wall };
    let mut attachment = Attachment::new(messages.clone());
    let done = screen::show(state, place, sources, |_, effect| match (&effect, &run_dir) {
        // The one thing that a monitor leaves behind: its user's word, which the operator's session may find.
        (Effect::Approve { digest }, Some(run_dir)) => {
            if let Err(error) = approvals::leave(run_dir, digest) {
                let _ = messages.send(Message::Refused(error.to_string()));
            }
        }
        (Effect::Watch(partitions), _) => {
            near.send_replace(partitions.clone());
        }
        _ => attachment.follow(&effect),
    })
    .await;
    cancel.cancel();
    drop(watchers);
    done.map(|_| exit::DONE)
}

/// A run that is only looked at and kept nowhere.
fn unkept(place: &Place, file: &std::path::Path) -> Result<Run, Failure> {
    let plan = place.plan(Some(file))?;
    let event =
        Event::RunStarted { run: RunId::new(plan.id.clone()), plan: Box::new(plan), simulated: place::is_simulated() };
    Run::begin(Record { seq: 1, at: clock::now(), event }).map_err(Failure::failed)
}

/// Hands over what the operator's session writes, as it is written.
pub(super) async fn follow_run(
    mut follow: Follow,
    records: mpsc::UnboundedSender<Record>,
    messages: mpsc::UnboundedSender<Message>,
) {
    loop {
        let record = match follow.next().await {
            Ok(entry) => entry.event().map(|event| Record { seq: entry.seq(), at: entry.at(), event }),
            Err(error) => Err(error),
        };
        let sent = match record {
            Ok(record) => records.send(record).is_ok(),
            Err(error) => {
                let _ = messages.send(Message::Notice(format!("the run is no longer followed: {error}")));
                false
            }
        };
        if !sent {
            return;
        }
    }
}
