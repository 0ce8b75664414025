//! A session without a screen: the same recorder, gates, watchers and steps.

use std::io::Write as _;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::place::Place;
use super::{Failure, exit};
use crate::clients::TroubleKind;
use crate::runbook::check::Holds;
use crate::runbook::event::{Brief, Event, Outcome, Record, Way};
use crate::runbook::gate::Refusal;
use crate::runbook::names::{StepId, StepRef};
use crate::runbook::plan::Plan;
use crate::runbook::state::{Run, StepState};
use crate::session::{self, FireError, Opened, Session, Told};
use crate::steps::{Look, RecordError};
use crate::watch::Near;

/// How often what must hold is looked at before a step is given up, where trouble that passes is in the way.
const LOOKS: u32 = 20;
/// The same, where there is something else to be done about it.
const FEW_LOOKS: u32 = 3;
/// Time between two of these looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
/// How long what is written last may take to be told.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// A session without a screen.
pub(super) struct Headless {
    pub session: Session,
    pub run: Run,
    /// The step whose attempt a former session left running, and this one saw to its end.
    pub resumed: Option<StepRef>,
    told: Told,
    /// The attempts that this session fired or took up, as far as they have not been seen to end.
    attempts: Vec<JoinHandle<()>>,
    talks: bool,
    /// Whether it signs in by itself where a step asks for it; else that is left to whoever fires.
    signs_in: bool,
    /// Sign-ins that are asked for, each with how often it was pulled already.
    wanted: Vec<(StepRef, u32)>,
}

/// What the run did not admit is refused; what could not be written down has failed.
fn not_recorded(error: RecordError) -> Failure {
    match error {
        RecordError::Refused(_) => Failure::refused(error),
        _ => Failure::failed(error),
    }
}

/// Waits until every attempt has ended. Dropped in the middle, it forgets none that has not.
async fn ended(attempts: &mut Vec<JoinHandle<()>>) {
    while let Some(attempt) = attempts.last_mut() {
        // One that panicked has ended as well, and left its step running.
        let _ = attempt.await;
        attempts.pop();
    }
}

/// How often a sign-in is pulled for a step that waits for it.
const SIGN_INS: u32 = 3;

impl Headless {
    /// Takes the controls, begins to watch what is near, and waits for an attempt that a former session left running.
    pub async fn open(
        place: &Place,
        (plan, near): (Plan, Near),
        new: bool,
        talks: bool,
        signs_in: bool,
    ) -> Result<Self, Failure> {
        let Opened { session, run, told, notices } = place.open(plan, new).await?;
        session.near.send_replace(near);
        let mut headless =
            Self { session, run, resumed: None, told, attempts: Vec::new(), talks, signs_in, wanted: Vec::new() };
        for notice in notices {
            headless.talk(&notice);
        }
        let mut samples = headless.session.watch();
        // Steps hear the samples; nobody else does here.
        tokio::spawn(async move { while samples.recv().await.is_some() {} });
        headless.attempts = headless.session.take_up(&headless.run).await.map_err(Failure::failed)?;
        if !headless.attempts.is_empty() {
            headless.resumed = headless.run.running().map(|(step, _)| step);
            headless.settle().await?;
        }
        Ok(headless)
    }

    /// Fires a step and waits for its attempt's end.
    pub async fn fire(&mut self, step: &StepRef, choice: Option<String>) -> Result<StepState, Failure> {
        self.fire_when(step, choice, |_| false).await
    }

    /// As [`Self::fire`], for somebody who stands by: what must hold and does not is waited for, for a while.
    pub async fn fire_once_it_holds(&mut self, step: &StepRef, choice: Option<String>) -> Result<StepState, Failure> {
        let not_yet =
            |error: &FireError| matches!(error, FireError::Record(RecordError::Refused(Refusal::Precondition { .. })));
        self.fire_when(step, choice, not_yet).await
    }

    /// As [`Self::fire_once_it_holds`], for somebody who knows another way: none where what must hold did not at several
    /// looks. What could not be looked at is left to the firing.
    pub async fn fire_if_it_holds(&mut self, step: &StepRef) -> Result<Option<StepState>, Failure> {
        for _ in 0..FEW_LOOKS {
            let Some(look) = self.session.look(&self.run, step).await else { break };
            let brief = session::brief(look).await.ok();
            let lacking = brief.and_then(|brief| brief.preconditions.into_iter().find(|each| each.holds == Holds::No));
            let Some(lacking) = lacking else { return self.fire_once_it_holds(step, None).await.map(Some) };
            self.talk(&format!("{step}: {}", lacking.text));
            self.wait_between_looks().await?;
        }
        Ok(None)
    }

    async fn fire_when(
        &mut self,
        step: &StepRef,
        choice: Option<String>,
        is_worth_waiting: impl Fn(&FireError) -> bool,
    ) -> Result<StepState, Failure> {
        let title = self.run.step(step).map_or_else(String::new, |(_, planned, _)| planned.title.clone());
        self.talk(&format!("{step}: {title}"));
        let mut looks = 1;
        loop {
            let error = match self.session.fire(&self.run, step, choice.clone()).await {
                Ok(attempt) => break self.attempts.push(attempt),
                Err(error) => error,
            };
            let passing = matches!(&error, FireError::Unseen(trouble) if trouble.is_passing());
            if looks < LOOKS && self.renew(step, &error).await? {
                looks += 1;
                continue;
            }
            if looks == LOOKS || !(passing || is_worth_waiting(&error)) {
                return Err(match error {
                    FireError::Unseen(_) => Failure::failed(format!("{step}: {error}")),
                    FireError::Record(error) => not_recorded(error),
                    _ => Failure::refused(error),
                });
            }
            self.talk(&format!("{step}: {error}; looking again"));
            self.wait_between_looks().await?;
            looks += 1;
        }
        self.settle().await?;
        let state = self.run.state_of(step);
        self.talk(&format!("{step}: {state}"));
        Ok(state)
    }

    /// What a confirmation shows. What cannot be looked at for a moment only is looked at again, a few times.
    pub async fn brief(&mut self, look: &Look) -> Result<Brief, Failure> {
        let mut looks = 1;
        loop {
            match session::brief(look.clone()).await {
                Ok(brief) => return Ok(brief),
                Err(trouble) if looks == LOOKS || !trouble.is_passing() => {
                    return Err(Failure::failed(format!("{}: {trouble}", look.reference())));
                }
                Err(trouble) => self.talk(&format!("{}: {trouble}; looking again", look.reference())),
            }
            self.wait_between_looks().await?;
            looks += 1;
        }
    }

    /// Waits a little, never twice the same time: several sessions that were thrown out together should not come back
    /// together.
    async fn wait_between_looks(&mut self) -> Result<(), Failure> {
        tokio::time::sleep(BETWEEN_LOOKS.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        self.catch_up()
    }

    /// Writes an event of the operator's.
    pub async fn record(&mut self, event: Event) -> Result<(), Failure> {
        self.session.record(event).await.map_err(not_recorded)?;
        self.catch_up()
    }

    /// Gives the controls back.
    pub async fn close(self) -> Result<(), Failure> {
        self.session.close().await.map_err(Failure::failed)
    }

    /// Waits until nothing runs.
    async fn settle(&mut self) -> Result<(), Failure> {
        self.catch_up()?;
        while self.run.running().is_some() {
            self.sign_in_where_wanted().await;
            tokio::select! {
                record = self.told.records.recv() => match record {
                    Some(record) => self.take(record)?,
                    None => return Err(Failure::failed("the run's recorder has ended; start again, nothing is lost")),
                },
                Some(news) = self.told.news.recv() => self.talk(&news.to_string()),
                Some(said) = self.told.said.recv() => self.talk(&format!("  {} {}", said.source, said.text)),
                () = ended(&mut self.attempts), if !self.attempts.is_empty() => {
                    // What they wrote was told before they ended.
                    self.catch_up()?;
                    if let Some((step, _)) = self.run.running() {
                        self.hear_the_last().await?;
                        return Err(self.stands_still(&step));
                    }
                }
            }
        }
        Ok(())
    }

    /// That somebody took the run over is written down once every attempt has stopped.
    async fn hear_the_last(&mut self) -> Result<(), Failure> {
        while let Ok(Some(record)) = timeout(LAST_RECORDS, self.told.records.recv()).await {
            self.take(record)?;
        }
        Ok(())
    }

    /// An attempt has stopped without an end: something could not be written down, and nothing more was done then.
    fn stands_still(&mut self, step: &StepRef) -> Failure {
        let mut why = format!("{step} stands still: an event could not be written");
        while let Ok(said) = self.told.said.try_recv() {
            why = said.text;
        }
        Failure::failed(format!("{why}\nthen start again: what was fired goes on meanwhile, and nothing is sent twice"))
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
        if self.signs_in {
            self.note_sign_in(&record.event);
        }
        let handed_over = match &record.event {
            Event::HandedOver { to, .. } => Some(to.clone()),
            _ => None,
        };
        self.run.apply(record).map_err(Failure::failed)?;
        match handed_over {
            None => Ok(()),
            // What runs goes on, in other hands: what becomes of it is not for this process to say.
            Some(to) => Err(Failure {
                code: exit::UNKNOWN,
                message: format!(
                    "{to} has taken the run over; what runs goes on there, `aurora-cockpit monitor` shows it"
                ),
            }),
        }
    }

    /// Notes that a step which goes on waiting asks for a sign-in, or that one which it asked for came to nothing.
    fn note_sign_in(&mut self, event: &Event) {
        match event {
            Event::Remarked { step, finding, .. } => {
                for way in &finding.ways {
                    let Way::Lever { lever, .. } = way else { continue };
                    let lever = step.beside(lever);
                    if self.run.signs_in(&lever) && !self.wanted.iter().any(|(known, _)| *known == lever) {
                        self.wanted.push((lever, 0));
                    }
                }
            }
            Event::AttemptEnded { step, outcome: Outcome::Passed | Outcome::PassedWithWarnings { .. }, .. } => {
                self.wanted.retain(|(lever, _)| lever != step);
            }
            _ => {}
        }
    }

    /// Signs in beside the step that waits for it.
    async fn sign_in_where_wanted(&mut self) {
        let waits = self.run.running().is_some_and(|(step, _)| !self.run.signs_in(&step));
        let open = |(lever, pulled): &&mut (StepRef, u32)| *pulled < SIGN_INS && self.run.gate(lever).is_ok();
        let Some((lever, pulled)) = self.wanted.iter_mut().find(open).filter(|_| waits) else { return };
        *pulled += 1;
        let lever = lever.clone();
        self.talk(&format!("{lever}: signing in"));
        match self.session.fire(&self.run, &lever, None).await {
            Ok(attempt) => self.attempts.push(attempt),
            Err(error) => self.talk(&format!("{lever}: {error}")),
        }
    }

    /// Signs in where that is what a step could not be looked at for; whether it was worth it.
    async fn renew(&mut self, step: &StepRef, error: &FireError) -> Result<bool, Failure> {
        let FireError::Unseen(trouble) = error else { return Ok(false) };
        if !self.signs_in || trouble.kind != TroubleKind::SignedOut {
            return Ok(false);
        }
        let name = if trouble.call.starts_with("op ") { "sign-in-op" } else { "sign-in-aws" };
        let lever = StepRef { partition: step.partition.clone(), step: StepId::new(name) };
        if self.run.gate(&lever).is_err() {
            return Ok(false);
        }
        self.talk(&format!("{step}: {error}; signing in"));
        let attempt = self.session.fire(&self.run, &lever, None).await.map_err(Failure::refused)?;
        self.attempts.push(attempt);
        self.settle().await?;
        Ok(true)
    }

    /// Says how it goes, on standard error: standard output is for the result.
    pub fn talk(&self, line: &str) {
        if self.talks {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}
