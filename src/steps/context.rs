//! What a step has in hand while it looks and while it acts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::diagnosis;
use super::recorder::{RecordError, Recorder};
use super::tools::Tools;
use super::voice::Voice;
use crate::awake;
use crate::clients::rds::ClusterView;
use crate::clients::{Trouble, TroubleKind, met};
use crate::runbook::check::{Check, Evidence};
use crate::runbook::council::Standing;
use crate::runbook::event::{AppMeasure, Event, Finding, Outcome};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::outlook::Estimate;
use crate::runbook::plan::{Partition, Plan, Step};
use crate::runbook::state::{ActionRun, Attempt, PartitionRun};
use crate::runbook::text;

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
    /// What was measured of the applications of other partitions, in the plan's order.
    pub measured: Vec<(PartitionName, AppMeasure)>,
    /// The partition's clients.
    pub tools: Arc<Tools>,
    /// Directory of the run, for output files and screenshots.
    pub run_dir: std::path::PathBuf,
    /// Time between two looks while something runs.
    pub pause: Duration,
    /// How long the step is likely to take; none where nothing is known.
    pub estimate: Option<Estimate>,
    /// How the witnesses stood together when the step was looked at; none where nobody watches.
    pub witnesses: Option<Standing>,
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

    /// The attempts of this step or lever when it was fired or taken up.
    pub fn attempts(&self) -> &[Attempt] {
        let mut steps = self.so_far.steps.iter().chain(&self.so_far.levers);
        let step = steps.find(|step| step.id == self.step.id);
        step.map(|step| step.attempts.as_slice()).unwrap_or_default()
    }

    /// The call of a former attempt of which it is not known what became of it. Whoever fires the step again has it looked up
    /// first; what must hold before it is sent need not hold for that, and often does not where it was carried out.
    pub fn open_call(&self) -> Option<&ActionRun> {
        self.attempts().iter().flat_map(|attempt| &attempt.actions).rfind(|each| each.is_open())
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
    pub say: Voice,
    /// Set when the session ends; what runs at the other side goes on.
    pub cancel: CancellationToken,
    /// The operator's word that a wait between two tries is long enough.
    pub nudge: Arc<Notify>,
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

/// The bounds of a wait: how long it may last, and the last trouble that it went through.
///
/// The time that the machine slept is not counted. Passing trouble does not end a wait, and neither does a session of the other side's that has to be signed in again:
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
        Self { deadline: awake::now() + limit, trouble: None }
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
                met::bear(&trouble);
                self.trouble = Some(trouble);
                Ok(None)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Whether its time is over.
    pub fn is_over(&self) -> bool {
        awake::now() >= self.deadline
    }
}

impl std::ops::Deref for Noting {
    type Target = Look;

    fn deref(&self) -> &Look {
        &self.look
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

    /// Writes down a known situation that does not end the attempt; each is said once in an attempt.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn remark(&mut self, finding: Finding) -> Result<(), Stop> {
        let known = self.attempt.remarks.iter();
        if known.into_iter().any(|known| known.situation == finding.situation && known.cause == finding.cause) {
            return Ok(());
        }
        self.attempt.remarks.push(finding.clone());
        let (step, attempt) = self.here();
        self.recorder.record(Event::Remarked { step, attempt, finding }).await?;
        Ok(())
    }

    /// As [`Self::remark`], where one of its kind is enough.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn remark_first(&mut self, finding: Finding) -> Result<(), Stop> {
        if self.attempt.remarks.iter().any(|known| known.situation == finding.situation) {
            return Ok(());
        }
        self.remark(finding).await
    }

    /// What was seen in the middle of a wait; none where passing trouble kept it from being seen. That a session ended
    /// meanwhile is remarked, with the way to renew it: the wait goes on afterwards, and nothing is fired anew.
    ///
    /// # Errors
    /// Trouble that waiting does not mend, or a remark that cannot be written.
    pub async fn bear<T>(&mut self, patience: &mut Patience, seen: Result<T, Trouble>) -> Result<Option<T>, Stop> {
        let seen = patience.bear(seen).map_err(|trouble| diagnosis::of_trouble(self, &trouble))?;
        if let Some(trouble) = patience.trouble.as_ref().filter(|trouble| trouble.kind == TroubleKind::SignedOut) {
            let ended = diagnosis::ended_midway(self, trouble);
            self.tools.aws.renew_session().await;
            self.remark(ended).await?;
        }
        Ok(seen)
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

    /// Waits until it is time to try again; the operator may cut it short.
    ///
    /// # Errors
    /// If the session ends.
    pub async fn wait_or_nudge(&self, time: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = self.nudge.notified() => Ok(()),
            waited = self.wait(time) => waited,
        }
    }

    /// Says a line in the log.
    pub fn say(&self, line: impl AsRef<str>) {
        self.say.say(self.look.partition.name.clone(), text::clean(line.as_ref()));
    }

    /// The step and its attempt, for an event.
    pub fn here(&self) -> (StepRef, u32) {
        (self.look.reference(), self.attempt.number)
    }
}
