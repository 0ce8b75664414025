//! Acting: the one way by which a step changes something. Intent on disk, call, outcome on disk; what was lost is looked up.

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, watch};

use super::context::{Noting, Patience, Stop};
use super::diagnosis;
use crate::clients::rds::Change;
use crate::clients::{Controls, Trouble, TroubleKind, met};
use crate::clock;
use crate::runbook::check::{Evidence, Holds};
use crate::runbook::event::{Action, ActionOutcome, Event, Finding, Outcome};
use crate::runbook::state::ActionRun;
use crate::watch::{Cadence, Pace, Sample};

/// How many looks the other side is given, from the intent on, to show the effect of a call whose answer was lost, before
/// it counts as not done. At one look a second this is more than twice the 13 s for which RDS still answered `available`
/// after an accepted failover in the execution log.
const AFTERMATH: u32 = 30;

/// The same for a flush: the first class change of a cluster stayed queued on an `available` instance for 90 s.
const AFTERMATH_OF_FLUSH: u32 = 150;

/// How long a confirmation counts: an attempt that is taken up later than this sends nothing any more.
const CONFIRMED: SignedDuration = SignedDuration::from_mins(5);

/// What a step needs to act: all that, and the controls.
#[derive(Debug, Clone)]
pub struct Act {
    /// What it looks and writes with.
    pub noting: Noting,
    /// The right to change things.
    pub controls: Arc<Controls>,
    /// What the watchers see.
    pub samples: broadcast::Sender<Sample>,
    /// How often the watchers look.
    pub cadence: Arc<watch::Sender<Cadence>>,
    /// When this session looked again at what must hold, after a refusal that it waited out.
    pub looked_again: Option<Timestamp>,
}

/// What looking for the effect of a call showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It was carried out.
    Done(String),
    /// There is no sign of it; it may yet come.
    NoSign(String),
    /// It was certainly not carried out, and will not be.
    Undone(String),
}

/// What became of an action.
#[derive(Debug)]
pub enum Acted {
    /// It was carried out: just now, or before this session.
    Done {
        /// When it was accepted; where its answer was lost, when it was sent.
        at: Timestamp,
    },
    /// It was refused, and nothing changed.
    Refused(Trouble),
}

impl std::ops::Deref for Act {
    type Target = Noting;

    fn deref(&self) -> &Noting {
        &self.noting
    }
}

impl std::ops::DerefMut for Act {
    fn deref_mut(&mut self) -> &mut Noting {
        &mut self.noting
    }
}

/// A call of which it is not known what became of it.
struct Open {
    attempt: u32,
    key: String,
    operation: String,
    sent: Timestamp,
    /// Whether this session sent it: only then its own clock has run since.
    here: bool,
}

impl Act {
    /// The call that this attempt goes on with: its own first one, or one of a former attempt's of which it is not known
    /// what became of it.
    pub fn intended(&self) -> Option<&ActionRun> {
        self.attempt.actions.first().or_else(|| self.look.open_call())
    }

    /// Carries out a change of RDS once; see [`Act::act`].
    ///
    /// # Errors
    /// As [`Act::act`].
    pub async fn change<L>(
        &mut self,
        key: impl Into<String>,
        change: Change,
        before: impl IntoIterator<Item = (&'static str, String)>,
        look: impl Fn() -> L,
    ) -> Result<Acted, Stop>
    where
        L: Future<Output = Result<Looked, Trouble>>,
    {
        let aws = self.look.tools.aws.clone();
        let action = Action {
            key: key.into(),
            call: change.call(&aws.target),
            before: before.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        self.act(action, look, |controls| async move { aws.rds.carry_out(&controls, &change).await }).await
    }

    /// Carries out a changing call once: intent on disk, call, outcome on disk.
    ///
    /// Where an intent is on disk already and its outcome is not known (a session died between the two, an answer was lost,
    /// or a former attempt could not find out), `look` decides whether it was carried out, and it is never sent again on a
    /// guess. Nothing is sent on a confirmation that is no longer fresh.
    ///
    /// # Errors
    /// If something cannot be written, the session ends, the confirmation is too old, or the outcome stays unknown.
    pub async fn act<F, L>(
        &mut self,
        action: Action,
        look: impl Fn() -> L,
        fire: impl FnOnce(Arc<Controls>) -> F,
    ) -> Result<Acted, Stop>
    where
        F: Future<Output = Result<Option<String>, Trouble>>,
        L: Future<Output = Result<Looked, Trouble>>,
    {
        let key = action.key.clone();
        if let Some(open) = self.open_call(&key) {
            if self.look_up(&open, &look, "the session that sent it ended before its answer").await? {
                return Ok(Acted::Done { at: open.sent });
            }
            if open.attempt != self.attempt.number {
                // Boxed: it holds the briefs of all steps, and this is part of every one of them.
                Box::pin(self.may_be_sent_now(&key)).await?;
            }
        }
        if let Some(known) = self.attempt.action(&key) {
            match &known.outcome {
                Some(ActionOutcome::Accepted { .. }) => {
                    return Ok(Acted::Done { at: known.settled_at.unwrap_or(known.at) });
                }
                Some(ActionOutcome::FoundDone { .. }) => return Ok(Acted::Done { at: known.at }),
                // It was answered; the session ended before it could draw the conclusion.
                Some(ActionOutcome::Refused { code, message }) => {
                    let trouble = Trouble::new(&known.action.call.operation, TroubleKind::Refused, message);
                    return Ok(Acted::Refused(if code.is_empty() { trouble } else { trouble.with_code(code) }));
                }
                Some(ActionOutcome::FoundUndone { .. } | ActionOutcome::Unknown { .. }) | None => {}
            }
        }
        self.still_confirmed(&key)?;
        if self.cancel.is_cancelled() {
            // Whoever goes on with the run sends it, if anybody does.
            return Err(Stop::Session);
        }
        let (step, attempt) = self.here();
        let operation = action.call.operation.clone();
        let record = self.recorder.record(Event::Intent { step, attempt, action: action.clone() }).await?;
        self.attempt.actions.retain(|earlier| earlier.action.key != key);
        self.attempt.actions.push(ActionRun { action, at: record.at, outcome: None, settled_at: None });
        let open = Open { attempt, key, operation, sent: record.at, here: true };
        match fire(self.controls.clone()).await {
            Ok(mark) => {
                let at = self.settle(&open, ActionOutcome::Accepted { mark }).await?;
                Ok(Acted::Done { at })
            }
            Err(trouble) if trouble.may_have_acted() => {
                met::bear(&trouble);
                if self.look_up(&open, &look, &trouble.to_string()).await? {
                    return Ok(Acted::Done { at: open.sent });
                }
                Ok(Acted::Refused(trouble))
            }
            Err(trouble) => {
                let code = trouble.code.clone().unwrap_or_default();
                self.settle(&open, ActionOutcome::Refused { code, message: trouble.message.clone() }).await?;
                Ok(Acted::Refused(trouble))
            }
        }
    }

    /// Lets a call that was refused be sent again in this attempt. It is for the session that saw the refusal, waited, and
    /// has looked again at everything that must hold: that look stands in the place of the confirmation's.
    pub fn may_send_again(&mut self, key: &str) {
        let refused = |action: &ActionRun| matches!(action.outcome, Some(ActionOutcome::Refused { .. }));
        self.attempt.actions.retain(|action| action.action.key != key || !refused(action));
        self.looked_again = Some(clock::now());
    }

    /// The call of that key of which it is not known what became of it: this attempt's, or a former one's.
    fn open_call(&self, key: &str) -> Option<Open> {
        let own = self.attempt.action(key).map(|action| (self.attempt.number, action));
        let former = self.look.attempts().iter().filter(|each| each.number != self.attempt.number);
        let mut calls = own.into_iter().chain(former.filter_map(|each| Some((each.number, each.action(key)?))));
        let (attempt, action) = calls.find(|(_, action)| action.is_open())?;
        let operation = action.action.call.operation.clone();
        Some(Open { attempt, key: key.to_owned(), operation, sent: action.at, here: false })
    }

    /// What held when the operator confirmed may not hold any more in an attempt that is taken up hours later.
    fn still_confirmed(&self, key: &str) -> Result<(), Stop> {
        let since = self.looked_again.unwrap_or(self.attempt.started_at);
        let age = clock::now().duration_since(since);
        // One that lies ahead was given by another session's clock, and nobody knows how old it is.
        if age.abs() <= CONFIRMED {
            return Ok(());
        }
        let finding = Finding::unknown(format!("\"{key}\" was not sent: its confirmation is too old"))
            .because(Evidence::now("cockpit", format!("confirmed at {since}, taken up later")))
            .meaning("nothing was done by it; what held then may not hold now")
            .way_out("fire the step again: everything is looked at anew")
            .again();
        Err(finding.into())
    }

    /// An attempt that had to find out first was let begin whatever did not hold (see [`Look::open_call`]). Now that something
    /// is to be sent after all, everything must hold.
    async fn may_be_sent_now(&self, key: &str) -> Result<(), Stop> {
        let brief = super::brief_of(&self.look).await.map_err(|trouble| diagnosis::of_trouble(self, &trouble))?;
        let Some(lacking) = brief.preconditions.into_iter().find(|each| each.holds == Holds::No) else { return Ok(()) };
        let finding =
            Finding::unknown(format!("\"{key}\" was not carried out, and may not be sent now: {}", lacking.text))
                .because(Evidence::now("cockpit", lacking.text))
                .meaning("nothing was done by it")
                .way_out("fire the step again once that holds")
                .again();
        Err(finding.into())
    }

    /// Looks whether a call whose answer is missing was carried out.
    async fn look_up<L>(&mut self, open: &Open, look: impl Fn() -> L, why: &str) -> Result<bool, Stop>
    where
        L: Future<Output = Result<Looked, Trouble>>,
    {
        self.say(format!("{}: {why}; looking whether it was carried out", open.key));
        let looks = if open.operation == "rds:ModifyDBInstance" { AFTERMATH_OF_FLUSH } else { AFTERMATH };
        let aftermath = self.look.pause * looks;
        let patience = Patience::new(aftermath);
        let shown_by = open.sent + SignedDuration::try_from(aftermath).unwrap_or(SignedDuration::ZERO);
        loop {
            // A look that began too early proves nothing, however long its answer took. Between two sessions the wall clock may
            // have been set, so that what a former one sent is given all that time anew.
            let late_enough = if open.here { clock::now() >= shown_by } else { patience.is_over() };
            match look().await {
                Ok(Looked::Done(evidence)) => {
                    self.settle(open, ActionOutcome::FoundDone { evidence }).await?;
                    return Ok(true);
                }
                Ok(Looked::NoSign(evidence)) if !late_enough => {
                    tracing::debug!(key = open.key, evidence, "no sign of it yet");
                    self.wait(self.look.pause).await?;
                }
                Ok(Looked::NoSign(evidence) | Looked::Undone(evidence)) => {
                    self.settle(open, ActionOutcome::FoundUndone { evidence }).await?;
                    return Ok(false);
                }
                Err(trouble) if patience.is_over() => return Err(self.unknown(open, why, &trouble).await?),
                Err(trouble) => {
                    met::bear(&trouble);
                    self.wait(self.look.pause).await?;
                }
            }
        }
    }

    async fn unknown(&mut self, open: &Open, why: &str, trouble: &Trouble) -> Result<Stop, Stop> {
        let reason = format!("{why}; looking it up: {trouble}");
        self.settle(open, ActionOutcome::Unknown { reason: reason.clone() }).await?;
        let finding = Finding::unknown(format!("it is not known whether \"{}\" was carried out", open.key))
            .because(Evidence::now("cockpit", reason))
            .meaning("nothing is sent again before it is known")
            .way_out("look at the site, then fire the step again: it looks before it sends");
        Ok(Stop::Outcome(Box::new(Outcome::Unknown { finding })))
    }

    async fn settle(&mut self, open: &Open, outcome: ActionOutcome) -> Result<Timestamp, Stop> {
        let step = self.look.reference();
        let (attempt, key) = (open.attempt, open.key.clone());
        let record =
            self.recorder.record(Event::ActionSettled { step, attempt, key, outcome: outcome.clone() }).await?;
        if attempt == self.attempt.number
            && let Some(action) = self.attempt.actions.iter_mut().find(|action| action.action.key == open.key)
        {
            action.outcome = Some(outcome);
            action.settled_at = Some(record.at);
        }
        Ok(record.at)
    }

    /// Has the watchers look at this partition more or less often.
    pub fn set_pace(&self, pace: Pace) {
        let partition = self.look.partition.name.clone();
        self.cadence.send_modify(|cadence| {
            cadence.paces.insert(partition, pace);
        });
    }
}
