//! Going on with a run: its controls are taken and its journal is read, once, before anything is written to it.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::{Opened, Options, Session, SessionError, fold, open_to_group};
use crate::clients::Controls;
use crate::journal::{self, Directory, Journal, Owner};
use crate::runbook::state::Run;
use crate::steps::Recorder;

/// A run whose controls were taken, and to which nothing was written yet.
#[derive(Debug)]
pub struct Taken {
    run_dir: PathBuf,
    opened: journal::Opened,
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
        let opened = Journal::open(Box::new(store), Owner::here(&options.operator))?;
        open_to_group(&options, &run_dir)?;
        let run = fold(&path, &opened.entries)?;
        Ok(Self { run_dir, opened, options, run })
    }

    /// Goes on with it.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub async fn go_on(self) -> Result<Opened, SessionError> {
        let Self { run_dir, opened, options, run } = self;
        let (sender, records) = mpsc::unbounded_channel();
        let recorder = Recorder::resume(opened.journal, run.clone(), sender);
        let notices = opened.notice.into_iter().collect();
        Session::enter(run, run_dir, recorder, Controls::take(opened.lock), records, options, notices).await
    }
}
