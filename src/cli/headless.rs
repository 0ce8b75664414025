//! A session without a screen: the same recorder, gates, watchers and steps.

use std::io::Write as _;

use super::Failure;
use super::place::Place;
use crate::runbook::event::{Event, Record};
use crate::runbook::names::StepRef;
use crate::runbook::plan::Plan;
use crate::runbook::state::{Run, StepState};
use crate::session::{FireError, Opened, Session, Told};

/// A session without a screen.
pub(super) struct Headless {
    pub session: Session,
    pub run: Run,
    /// The step whose attempt a former session left running, and this one saw to its end.
    pub resumed: Option<StepRef>,
    told: Told,
    talks: bool,
}

impl Headless {
    /// Takes the controls, begins to watch, and waits for an attempt that a former session left running.
    pub async fn open(place: &Place, plan: Plan, new: bool, talks: bool) -> Result<Self, Failure> {
        let Opened { session, run, told, notices } = place.open(plan, new).await?;
        let mut headless = Self { session, run, resumed: None, told, talks };
        for notice in notices {
            headless.talk(&notice);
        }
        let mut samples = headless.session.watch().await;
        // Steps hear the samples; nobody else does here.
        tokio::spawn(async move { while samples.recv().await.is_some() {} });
        if !headless.session.take_up(&headless.run).await.map_err(Failure::failed)?.is_empty() {
            headless.resumed = headless.run.running().map(|(step, _)| step);
            headless.settle().await?;
        }
        Ok(headless)
    }

    /// Fires a step and waits for its attempt's end.
    pub async fn fire(&mut self, step: &StepRef, choice: Option<String>) -> Result<StepState, Failure> {
        let title = self.run.step(step).map_or_else(String::new, |(_, planned, _)| planned.title.clone());
        self.talk(&format!("{step}: {title}"));
        match self.session.fire(&self.run, step, choice).await {
            Ok(_) => {}
            Err(error @ (FireError::Record(_) | FireError::NotInPlan(_) | FireError::Changed { .. })) => {
                return Err(Failure::refused(error));
            }
            Err(error @ FireError::Unseen(_)) => return Err(Failure::failed(format!("{step}: {error}"))),
        }
        self.settle().await?;
        let state = self.run.state_of(step);
        self.talk(&format!("{step}: {state}"));
        Ok(state)
    }

    /// Writes an event of the operator's.
    pub async fn record(&mut self, event: Event) -> Result<(), Failure> {
        self.session.record(event).await.map_err(Failure::refused)?;
        self.catch_up()
    }

    /// Gives the controls back.
    pub async fn close(self) -> Result<(), Failure> {
        self.session.cancel.cancel();
        self.session.record(Event::SessionClosed).await.map(|_| ()).map_err(Failure::failed)
    }

    /// Waits until nothing runs.
    async fn settle(&mut self) -> Result<(), Failure> {
        self.catch_up()?;
        while self.run.running().is_some() {
            tokio::select! {
                record = self.told.records.recv() => match record {
                    Some(record) => self.take(record)?,
                    None => return Err(Failure::failed("the run's recorder has ended; start again, nothing is lost")),
                },
                Some(said) = self.told.said.recv() => self.talk(&format!("  {} {}", said.source, said.text)),
            }
        }
        Ok(())
    }

    fn catch_up(&mut self) -> Result<(), Failure> {
        while let Ok(record) = self.told.records.try_recv() {
            self.take(record)?;
        }
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<(), Failure> {
        if let Event::CheckSettled { check, .. } = &record.event {
            let seen = check.seen.as_deref().unwrap_or_default();
            self.talk(&format!("  {:?} {} {seen}", check.verdict, check.label));
        }
        self.run.apply(record).map_err(Failure::failed)
    }

    /// Says how it goes, on standard error: standard output is for the result.
    pub fn talk(&self, line: &str) {
        if self.talks {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
