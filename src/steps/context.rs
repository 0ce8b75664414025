//! What a step has in hand while it looks and while it acts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::recorder::{RecordError, Recorder};
use super::tools::Tools;
use crate::clients::rds::{Change, ClusterView};
use crate::clients::{Controls, Trouble, TroubleKind};
use crate::runbook::check::{Check, Evidence};
use crate::runbook::event::{Action, ActionOutcome, Event, Finding, Outcome};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::{Partition, Plan, Step};
use crate::runbook::state::{ActionRun, Attempt, PartitionRun};
use crate::runbook::text;
use crate::watch::{Cadence, Pace, Sample};

/// How many looks the other side is given, from the intent on, to show the effect of a call whose answer was lost, before
/// it counts as not done. At one look a second this is more than twice the 13 s for which RDS still answered `available`
/// after an accepted failover in the execution log.
const AFTERMATH: u32 = 30;

/// The same for a flush: the first class change of a cluster stayed queued on an `available` instance for 90 s.
const AFTERMATH_OF_FLUSH: u32 = 150;

/// How long a confirmation counts: an attempt that is taken up later than this sends nothing any more.
const CONFIRMED: SignedDuration = SignedDuration::from_mins(5);

/// What a step needs to look: everything but the controls.
#[derive(Debug, Clone)]
pub struct Look {
    /// The whole plan.
    pub plan: Arc<Plan>,
    /// The partition.
    pub partition: Partition,
    /// The step.
    pub step: Step,
    /// How the partition stands in the run.
    pub so_far: PartitionRun,
    /// The partition's clients.
    pub tools: Arc<Tools>,
    /// Directory of the run, for output files and screenshots.
    pub run_dir: std::path::PathBuf,
    /// Time between two looks while something runs.
    pub pause: Duration,
}

impl Look {
    /// The step as events name it.
    pub fn reference(&self) -> StepRef {
        StepRef { partition: self.partition.name.clone(), step: self.step.id.clone() }
    }

    /// The cluster as RDS describes it now.
    ///
    /// # Errors
    /// As the call.
    pub async fn cluster(&self) -> Result<ClusterView, Trouble> {
        self.tools.aws.rds.cluster(&self.partition.cluster.id).await
    }

    /// The attempts of this step when it was fired or taken up.
    pub fn attempts(&self) -> &[Attempt] {
        let step = self.so_far.steps.iter().find(|step| step.id == self.step.id);
        step.map(|step| step.attempts.as_slice()).unwrap_or_default()
    }

    /// The last call of that key that an attempt of this step sent and that may have been carried out.
    pub fn sent_before(&self, key: &str) -> Option<&ActionRun> {
        let actions = self.attempts().iter().rev().filter_map(|attempt| attempt.action(key));
        actions.into_iter().find(|action| action.may_have_acted())
    }
}

/// What a step needs to look and to write down what it sees. It cannot change anything: it has no controls.
#[derive(Debug, Clone)]
pub struct Noting {
    /// What it looks with.
    pub look: Look,
    /// The attempt, as it stood when it was fired or taken up again: its intents and outcomes are there.
    pub attempt: Attempt,
    /// Writes events.
    pub recorder: Recorder,
    /// Where lines go that belong into the log and nowhere else.
    pub say: mpsc::UnboundedSender<Said>,
    /// Set when the session ends; what runs at the other side goes on.
    pub cancel: CancellationToken,
}

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
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The partition it belongs to.
    pub partition: PartitionName,
    /// Who says it: a program's name.
    pub source: String,
    /// One clean line.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// Why a step stops before its end.
#[derive(Debug)]
pub enum Stop {
    /// It has its outcome.
    Outcome(Box<Outcome>),
    /// Something could not be written down; nothing more is done.
    Record(RecordError),
    /// The session ends. The attempt stays open and is taken up again by the next session.
    Session,
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Outcome(Box::new(Outcome::Failed { finding }))
    }
}

/// What looking for the effect of a call showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It was carried out.
    Done(String),
    /// There is no sign of it.
    NoSign(String),
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

/// The bounds of a wait: how long it may last, and the last trouble that it went through.
///
/// Passing trouble does not end a wait, and neither does a session of the other side's that has to be signed in again:
/// what was fired goes on meanwhile, and is not fired anew.
#[derive(Debug)]
pub struct Patience {
    deadline: Instant,
    /// The last trouble, until something is seen again.
    pub trouble: Option<Trouble>,
}

impl Patience {
    /// A wait of at most `limit`, from now.
    pub fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit, trouble: None }
    }

    /// What was seen; none where passing trouble kept it from being seen.
    ///
    /// # Errors
    /// Trouble that waiting does not mend.
    pub fn bear<T>(&mut self, seen: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
        match seen {
            Ok(seen) => {
                self.trouble = None;
                Ok(Some(seen))
            }
            Err(trouble) if trouble.is_passing() || trouble.kind == TroubleKind::SignedOut => {
                self.trouble = Some(trouble);
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}

impl std::ops::Deref for Noting {
    type Target = Look;

    fn deref(&self) -> &Look {
        &self.look
    }
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

impl Noting {
    /// Writes a check down, unless it stands as it stood before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn check(&mut self, check: Check) -> Result<(), Stop> {
        let known = self.attempt.checks.iter_mut().find(|known| known.id == check.id);
        match known {
            Some(known) if known.verdict == check.verdict && known.seen == check.seen => return Ok(()),
            Some(known) => *known = check.clone(),
            None => self.attempt.checks.push(check.clone()),
        }
        let (step, attempt) = self.here();
        self.recorder.record(Event::CheckSettled { step, attempt, check }).await?;
        Ok(())
    }

    /// Writes down something seen.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn witness(&mut self, source: &str, seen: impl AsRef<str>) -> Result<(), Stop> {
        let evidence = Evidence::now(source, text::clean(seen.as_ref()));
        let known = self.attempt.evidence.iter().any(|known| known.source == source && known.text == evidence.text);
        if known {
            return Ok(());
        }
        self.attempt.evidence.push(evidence.clone());
        let (step, attempt) = self.here();
        self.recorder.record(Event::Witnessed { step, attempt, evidence }).await?;
        Ok(())
    }

    /// Says that the acts are done and their effect is awaited.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn verifying(&mut self) -> Result<(), Stop> {
        if !self.attempt.verifying {
            self.attempt.verifying = true;
            let (step, attempt) = self.here();
            self.recorder.record(Event::Verifying { step, attempt }).await?;
        }
        Ok(())
    }

    /// Waits, unless the session ends meanwhile.
    ///
    /// # Errors
    /// If the session ends.
    pub async fn wait(&self, time: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Stop::Session),
            () = sleep(time) => Ok(()),
        }
    }

    /// Says a line in the log.
    pub fn say(&self, line: impl AsRef<str>) {
        let said = Said {
            partition: self.look.partition.name.clone(),
            source: "cockpit".to_owned(),
            text: text::clean(line.as_ref()),
            at: Timestamp::now(),
        };
        // Nobody need be listening: a headless step has no log pane.
        let _ = self.say.send(said);
    }

    /// The step and its attempt, for an event.
    pub fn here(&self) -> (StepRef, u32) {
        (self.look.reference(), self.attempt.number)
    }
}

/// A call of which it is not known what became of it.
struct Open {
    attempt: u32,
    key: String,
    operation: String,
    sent: Timestamp,
}

impl Act {
    /// The call that this attempt goes on with: its own first one, or one of a former attempt's of which it is not known
    /// what became of it.
    pub fn intended(&self) -> Option<&ActionRun> {
        let former = || self.look.attempts().iter().flat_map(|attempt| &attempt.actions).rfind(|each| each.is_open());
        self.attempt.actions.first().or_else(former)
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
        if let Some(open) = self.open_call(&key)
            && self.look_up(&open, &look, "the session that sent it ended before its answer").await?
        {
            return Ok(Acted::Done { at: open.sent });
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
        let (step, attempt) = self.here();
        let operation = action.call.operation.clone();
        let record = self.recorder.record(Event::Intent { step, attempt, action: action.clone() }).await?;
        self.attempt.actions.retain(|earlier| earlier.action.key != key);
        self.attempt.actions.push(ActionRun { action, at: record.at, outcome: None, settled_at: None });
        let open = Open { attempt, key, operation, sent: record.at };
        match fire(self.controls.clone()).await {
            Ok(mark) => {
                let at = self.settle(&open, ActionOutcome::Accepted { mark }).await?;
                Ok(Acted::Done { at })
            }
            Err(trouble) if trouble.may_have_acted() => {
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

    /// The call of that key of which it is not known what became of it: this attempt's, or a former one's.
    fn open_call(&self, key: &str) -> Option<Open> {
        let own = self.attempt.action(key).map(|action| (self.attempt.number, action));
        let former = self.look.attempts().iter().filter(|each| each.number != self.attempt.number);
        let mut calls = own.into_iter().chain(former.filter_map(|each| Some((each.number, each.action(key)?))));
        let (attempt, action) = calls.find(|(_, action)| action.is_open())?;
        Some(Open { attempt, key: key.to_owned(), operation: action.action.call.operation.clone(), sent: action.at })
    }

    /// What held when the operator confirmed may not hold any more in an attempt that is taken up hours later.
    fn still_confirmed(&self, key: &str) -> Result<(), Stop> {
        let since = self.attempt.started_at;
        if Timestamp::now().duration_since(since) <= CONFIRMED {
            return Ok(());
        }
        let finding = Finding::unknown(format!("\"{key}\" was not sent: its confirmation is too old"))
            .because(Evidence::now("cockpit", format!("confirmed at {since}, taken up later")))
            .meaning("nothing was done by it; what held then may not hold now")
            .way_out("fire the step again: everything is looked at anew");
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
        let deadline = Instant::now() + aftermath;
        let shown_by = open.sent + SignedDuration::try_from(aftermath).unwrap_or(SignedDuration::ZERO);
        loop {
            // A look that began too early proves nothing, however long its answer took.
            let late_enough = Timestamp::now() >= shown_by;
            match look().await {
                Ok(Looked::Done(evidence)) => {
                    self.settle(open, ActionOutcome::FoundDone { evidence }).await?;
                    return Ok(true);
                }
                Ok(Looked::NoSign(evidence)) if late_enough => {
                    self.settle(open, ActionOutcome::FoundUndone { evidence }).await?;
                    return Ok(false);
                }
                Err(trouble) if Instant::now() >= deadline => return Err(self.unknown(open, why, &trouble).await?),
                Ok(Looked::NoSign(_)) | Err(_) => self.wait(self.look.pause).await?,
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
