//! The attendant: what other sessions leave in the run's directory is heard at once, whatever the operator does.
//!
//! Names of sessions that were refused, requests to hand the run over, approvals of a second person.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Ahead, Hands, two_operators};
use crate::clients::database::Databases;
use crate::journal::takeover::Asked;
use crate::journal::{self, Owner, approvals};
use crate::runbook::event::{Event, Party, Person};
use crate::steps::Recorder;

/// How often the directory is looked at.
const CADENCE: Duration = Duration::from_millis(250);

/// What other sessions do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Somebody wanted the controls and was refused.
    Refused(Owner),
    /// Somebody takes the run over: this session finishes what it is sending, and gives the controls up.
    HandingOver(Owner),
    /// An approval was left that does not count.
    NotApproved {
        /// Whose.
        by: Person,
        /// Why.
        why: String,
    },
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Owner { operator, host, pid, .. }) => {
                write!(f, "{operator} on {host} (process {pid}) wanted the controls of this run and was refused")
            }
            Self::HandingOver(Owner { operator, host, pid, .. }) => {
                write!(
                    f,
                    "{operator} on {host} (process {pid}) takes the run over; what is being sent is finished first"
                )
            }
            Self::NotApproved { by, why } => write!(f, "an approval by {by} does not count: {why}"),
        }
    }
}

/// Listens for other sessions.
pub(super) struct Attendant {
    pub run_dir: PathBuf,
    pub operator: String,
    pub recorder: Recorder,
    pub hands: Hands,
    pub databases: Arc<Databases>,
    pub ahead: Arc<Mutex<Ahead>>,
    pub cancel: CancellationToken,
    pub tell: mpsc::UnboundedSender<News>,
}

impl Attendant {
    /// Listens until the session ends, or hands the run over.
    pub async fn attend(self) {
        let mut clock = interval(CADENCE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                _ = clock.tick() => {}
            }
            for other in journal::lock::take_refused(&self.run_dir) {
                self.refused(other).await;
            }
            for left in approvals::take(&self.run_dir) {
                self.approved(left).await;
            }
            if let Some(asked) = journal::takeover::asked(&self.run_dir)
                && asked.accept()
            {
                return self.hand_over(&asked).await;
            }
        }
    }

    /// Says at once that somebody wanted the controls, and writes it down where an attempt runs, or with the next one.
    async fn refused(&self, other: Owner) {
        let finding = two_operators(&other);
        // Nobody need be listening.
        let _ = self.tell.send(News::Refused(other));
        let run = self.recorder.run().await;
        let running = run.as_ref().and_then(|run| run.running().map(|(step, attempt)| (step, attempt.number)));
        let written = match running {
            Some((step, attempt)) => {
                let event = Event::Remarked { step, attempt, finding: finding.clone() };
                self.recorder.record(event).await.is_ok()
            }
            None => false,
        };
        if !written {
            self.ahead.lock().unwrap_or_else(PoisonError::into_inner).remarks.push(finding);
        }
    }

    /// Writes an approval down, if it is of what is on the operator's screen, by somebody else, and of now.
    async fn approved(&self, left: approvals::Left) {
        let approvals::Left { by, digest, age } = left;
        let Some(run) = self.recorder.run().await else { return };
        let written = match run.to_approve() {
            _ if age > crate::runbook::approval::HOLDS => Err("it is too old".to_owned()),
            None => Err("nothing waits for an approval".to_owned()),
            Some((confirming, _)) => {
                let (step, request) = (confirming.step.clone(), confirming.request);
                let event = Event::Approved { step, request, digest, by: by.clone() };
                self.recorder.record(event).await.map(|_| ()).map_err(|error| error.to_string())
            }
        };
        if let Err(why) = written {
            let _ = self.tell.send(News::NotApproved { by, why });
        }
    }

    /// Hands the run over. What is being sent is finished and written down first, nothing new is begun; programs go on, and
    /// the other session takes them up. The lock goes last.
    async fn hand_over(&self, asked: &Asked) {
        let Owner { operator, host, pid, .. } = asked.by.clone();
        let _ = self.tell.send(News::HandingOver(asked.by.clone()));
        self.cancel.cancel();
        let to = Party { operator, host, pid };
        let before = async {
            self.databases.bastions.close().await;
            let event = Event::HandedOver { from: self.operator.clone(), to };
            if let Err(error) = self.recorder.record(event).await {
                // The other session then says that this one ended without a word.
                tracing::error!(%error, "that the run was handed over could not be written down");
            }
        };
        self.hands.give_up(before).await;
    }
}
