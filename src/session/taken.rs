//! Going on with a run: its controls are taken and its journal is read, once, before anything is written to it.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::{Opened, Options, Session, SessionError, fold, open_to_group};
use crate::clients::Controls;
use crate::journal::lock::OperatorLock;
use crate::journal::{self, Directory, Journal, Owner};
use crate::runbook::state::Run;
use crate::steps::Recorder;

/// A run whose controls were taken, and to which nothing was written yet.
#[derive(Debug)]
pub struct Taken {
    run_dir: PathBuf,
    journal: Journal,
    lock: OperatorLock,
    notices: Vec<String>,
    options: Options,
    /// The run as its journal tells it.
    pub run: Run,
}

impl Taken {
    /// Takes the controls of a run and reads its journal, once for everything that is decided by it.
    ///
    /// # Errors
    /// If another session holds its controls, or its journal is broken.
    pub fn take(id: &str, options: Options) -> Result<Self, SessionError> {
        let store = Directory::open(&options.state_dir, id)?;
        let (run_dir, path) = (store.path().to_owned(), store.journal().to_owned());
        let journal::Opened { journal, lock, entries, notice } =
            Journal::open(Box::new(store), Owner::here(&options.operator))?;
        open_to_group(&options, &run_dir)?;
        let run = fold(&path, &entries)?;
        // A long run has many, and nobody need wait until they are gone.
        std::thread::spawn(move || drop(entries));
        Ok(Self { run_dir, journal, lock, notices: notice.into_iter().collect(), options, run })
    }

    /// Goes on with it.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub async fn go_on(self) -> Result<Opened, SessionError> {
        let Self { run_dir, journal, lock, notices, options, run } = self;
        let (sender, records) = mpsc::unbounded_channel();
        let recorder = Recorder::resume(journal, run.clone(), sender);
        Session::enter(run, run_dir, recorder, Controls::take(lock), records, options, notices).await
    }
}
