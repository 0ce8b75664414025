//! The recorder: the one writer of a run. It admits an event, puts it on disk, folds it in, and tells everybody.
//!
//! It runs on a thread of its own, because `fsync` blocks and the screen must not wait for it. Whoever proposes an event
//! waits for its answer: once it says yes, the event survives a crash, and only then may what it announces be done.

use std::thread;

use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::journal::{Journal, JournalError};
use crate::runbook::event::{Event, Record};
use crate::runbook::fold::FoldError;
use crate::runbook::gate::Refusal;
use crate::runbook::state::Run;

/// Why an event was not written.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The run does not admit it now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It was written but does not fit: a defect of the cockpit's own.
    #[error("the run cannot take this event in: {0}")]
    Fold(#[from] FoldError),
    /// The recorder has ended.
    #[error("the run is closed; nothing more is written to it")]
    Closed,
}

/// A handle on the recorder; cheap to clone.
#[derive(Debug, Clone)]
pub struct Recorder {
    proposals: mpsc::UnboundedSender<Proposal>,
}

enum Proposal {
    Write {
        event: Box<Event>,
        answer: oneshot::Sender<Result<Record, RecordError>>,
    },
    /// Nothing is proposed, only the run asked for.
    Look(oneshot::Sender<Run>),
}

impl Recorder {
    /// Starts a new run: its first event is written before this returns.
    ///
    /// # Errors
    /// If the first event cannot be kept.
    pub fn begin(
        mut journal: Journal,
        start: Event,
        records: mpsc::UnboundedSender<Record>,
    ) -> Result<(Self, Run), RecordError> {
        let record = write(&mut journal, start)?;
        let run = Run::begin(record)?;
        Ok((Self::resume(journal, run.clone(), records), run))
    }

    /// Goes on with a run that was folded from the journal's records. Each new record is sent to `records`.
    pub fn resume(journal: Journal, run: Run, records: mpsc::UnboundedSender<Record>) -> Self {
        Self::serve(Some(journal), run, records)
    }

    /// Records into memory only, for a look that is no run: a check of prerequisites and drift.
    pub fn unkept(run: Run, records: mpsc::UnboundedSender<Record>) -> Self {
        Self::serve(None, run, records)
    }

    fn serve(journal: Option<Journal>, run: Run, records: mpsc::UnboundedSender<Record>) -> Self {
        let (proposals, inbox) = mpsc::unbounded_channel();
        thread::spawn(move || serve(journal, run, inbox, &records));
        Self { proposals }
    }

    /// Proposes an event. When this returns, the event is on disk.
    ///
    /// # Errors
    /// If it is refused or cannot be kept; nothing that it announces may then be done.
    pub async fn record(&self, event: Event) -> Result<Record, RecordError> {
        let (answer, answered) = oneshot::channel();
        self.proposals.send(Proposal::Write { event: Box::new(event), answer }).map_err(|_| RecordError::Closed)?;
        answered.await.map_err(|_| RecordError::Closed)?
    }

    /// The run as it stands on disk; none where the recorder has ended.
    pub async fn run(&self) -> Option<Run> {
        let (answer, answered) = oneshot::channel();
        self.proposals.send(Proposal::Look(answer)).ok()?;
        answered.await.ok()
    }
}

fn serve(
    mut journal: Option<Journal>,
    mut run: Run,
    mut inbox: mpsc::UnboundedReceiver<Proposal>,
    records: &mpsc::UnboundedSender<Record>,
) {
    while let Some(proposal) = inbox.blocking_recv() {
        let (event, answer) = match proposal {
            Proposal::Write { event, answer } => (*event, answer),
            Proposal::Look(answer) => {
                let _ = answer.send(run.clone());
                continue;
            }
        };
        let outcome = take(journal.as_mut(), &mut run, event);
        if let Ok(record) = &outcome {
            // Nobody need be listening: a headless step does not draw.
            let _ = records.send(record.clone());
        }
        let _ = answer.send(outcome);
    }
}

fn take(journal: Option<&mut Journal>, run: &mut Run, event: Event) -> Result<Record, RecordError> {
    run.admit(&event, clock::now())?;
    let record = match journal {
        Some(journal) => write(journal, event)?,
        None => Record { seq: run.seq + 1, at: clock::now(), event },
    };
    run.apply(record.clone())?;
    Ok(record)
}

fn write(journal: &mut Journal, event: Event) -> Result<Record, RecordError> {
    let stamp = journal.append(&event)?;
    Ok(Record { seq: stamp.seq, at: stamp.at, event })
}
