//! What a step has in hand while it looks and while it acts.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
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

/// How long the other side is given to show the effect of a call whose answer was lost, before it counts as not done.
const AFTERMATH: Duration = Duration::from_secs(15);

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
    Done,
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

impl Act {
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
    /// Where the intent is on disk already and its outcome is not known (a session died between the two, or an answer was
    /// lost), `look` decides whether it was carried out, and it is never sent again on a guess.
    ///
    /// # Errors
    /// If something cannot be written, the session ends, or the outcome stays unknown.
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
        let before = self.attempt.action(&key).map(|run| run.outcome.clone());
        match before {
            Some(Some(ActionOutcome::Accepted { .. } | ActionOutcome::FoundDone { .. })) => return Ok(Acted::Done),
            Some(None | Some(ActionOutcome::Unknown { .. })) => {
                if self.look_up(&key, &look, "the session that sent it ended before its answer").await? {
                    return Ok(Acted::Done);
                }
            }
            Some(Some(ActionOutcome::Refused { .. } | ActionOutcome::FoundUndone { .. })) | None => {}
        }
        let (step, attempt) = self.here();
        let record = self.recorder.record(Event::Intent { step, attempt, action: action.clone() }).await?;
        self.attempt.actions.retain(|earlier| earlier.action.key != key);
        self.attempt.actions.push(ActionRun { action, at: record.at, outcome: None, settled_at: None });
        match fire(self.controls.clone()).await {
            Ok(mark) => {
                self.settle(&key, ActionOutcome::Accepted { mark }).await?;
                Ok(Acted::Done)
            }
            Err(trouble) if trouble.may_have_acted() => {
                if self.look_up(&key, &look, &trouble.to_string()).await? {
                    return Ok(Acted::Done);
                }
                Ok(Acted::Refused(trouble))
            }
            Err(trouble) => {
                let code = trouble.code.clone().unwrap_or_default();
                self.settle(&key, ActionOutcome::Refused { code, message: trouble.message.clone() }).await?;
                Ok(Acted::Refused(trouble))
            }
        }
    }

    /// Looks whether a call whose answer is missing was carried out.
    async fn look_up<L>(&mut self, key: &str, look: impl Fn() -> L, why: &str) -> Result<bool, Stop>
    where
        L: Future<Output = Result<Looked, Trouble>>,
    {
        self.say(format!("{key}: {why}; looking whether it was carried out"));
        let deadline = Instant::now() + AFTERMATH;
        let last = loop {
            match look().await {
                Ok(Looked::Done(evidence)) => {
                    self.settle(key, ActionOutcome::FoundDone { evidence }).await?;
                    return Ok(true);
                }
                other if Instant::now() >= deadline => break other,
                _ => self.wait(self.look.pause).await?,
            }
        };
        match last {
            Ok(Looked::NoSign(evidence) | Looked::Done(evidence)) => {
                self.settle(key, ActionOutcome::FoundUndone { evidence }).await?;
                Ok(false)
            }
            Err(trouble) => {
                let reason = format!("{why}; looking it up: {trouble}");
                self.settle(key, ActionOutcome::Unknown { reason: reason.clone() }).await?;
                let finding = Finding::unknown(format!("it is not known whether \"{key}\" was carried out"))
                    .because(Evidence::now("cockpit", reason))
                    .meaning("nothing is sent again before it is known")
                    .way_out("look at the site, then fire the step again: it looks before it sends");
                Err(Stop::Outcome(Box::new(Outcome::Unknown { finding })))
            }
        }
    }

    async fn settle(&mut self, key: &str, outcome: ActionOutcome) -> Result<(), Stop> {
        let (step, attempt) = self.here();
        let event = Event::ActionSettled { step, attempt, key: key.to_owned(), outcome: outcome.clone() };
        let record = self.recorder.record(event).await?;
        if let Some(action) = self.attempt.actions.iter_mut().find(|action| action.action.key == key) {
            action.outcome = Some(outcome);
            action.settled_at = Some(record.at);
        }
        Ok(())
    }

    /// Has the watchers look at this partition more or less often.
    pub fn set_pace(&self, pace: Pace) {
        let partition = self.look.partition.name.clone();
        self.cadence.send_modify(|cadence| {
            cadence.paces.insert(partition, pace);
        });
    }
}
