//! A session: what ties a run's journal, its controls, its watchers and its steps together, with or without a screen.

mod attendant;
mod hands;
mod remarks;
mod taken;
mod takeover;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clients::bastion::{Bastions, Keeper};
use crate::clients::database::Databases;
use crate::clients::met::{self, Met};
use crate::clients::password;
use crate::clients::program::Program;
use crate::clients::{Accounts, Controls, Trouble, TroubleKind};
use crate::clock;
use crate::journal::spread::spread;
use crate::journal::{self, Directory, Journal, JournalError, Owner};
use crate::runbook::council::{Council, Standing};
use crate::runbook::event::{Brief, Event, Finding, Record};
use crate::runbook::fold::FoldError;
use crate::runbook::names::{PartitionName, RunId, StepRef};
use crate::runbook::plan::{Partition, Plan};
use crate::runbook::state::{Attempt, Run};
use crate::steps::{self, Act, Look, Noting, RecordError, Recorder, Said, Stop, Tools, Voice};
use crate::watch::recording::Recording;
use crate::watch::{Cadence, Near, Pace, Pacing, Sample, Source};

use attendant::Attendant;
use hands::{Hands, Held};
use remarks::{died, two_operators};

pub use attendant::News;
pub use taken::Taken;
pub use takeover::take_over;

/// Samples that a slow reader may lag behind before it loses the oldest; they are of the moment.
pub const SAMPLES: usize = 4096;

/// As [`SAMPLES`], for the steps: their places are taken at the start, half a kilobyte each, and a step only waits for news.
const SAMPLES_OF_STEPS: usize = 1024;

/// Why a session could not begin.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal is no run.
    #[error("{path}: {source}")]
    Fold {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        source: FoldError,
    },
    /// The first events could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The run was not handed over.
    #[error("the controls were not taken over: {0}")]
    NotHandedOver(String),
    /// The group that is to read along is not there, or may not be given anything.
    #[error("the run is not opened to the group `{group}`: {why}")]
    Group {
        /// The group.
        group: String,
        /// Why.
        why: String,
    },
}

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where runs are kept.
    pub state_dir: PathBuf,
    /// The operator's name.
    pub operator: String,
    /// Whether the site is simulated; only shown.
    pub simulated: bool,
    /// Time between two looks while something runs.
    pub pause: Duration,
    /// The group whose members may read the run, and approve.
    pub group: Option<String>,
}

/// What a session tells.
#[derive(Debug)]
pub struct Told {
    /// Events, once they are on disk.
    pub records: mpsc::UnboundedReceiver<Record>,
    /// Lines for the log.
    pub said: mpsc::Receiver<Said>,
    /// What other sessions do.
    pub news: mpsc::UnboundedReceiver<News>,
}

/// A session that holds the controls of a run.
#[derive(Debug)]
pub struct Session {
    run_dir: PathBuf,
    operator: String,
    recorder: Recorder,
    hands: Hands,
    accounts: Arc<Accounts>,
    databases: Arc<Databases>,
    /// Those that were looked with so far.
    tools: Mutex<HashMap<PartitionName, Arc<Tools>>>,
    plan: Arc<Plan>,
    say: Voice,
    pause: Duration,
    nudge: Arc<Notify>,
    councils: Arc<Mutex<HashMap<PartitionName, Council>>>,
    ahead: Arc<Mutex<Ahead>>,
    /// What the watchers see.
    pub samples: broadcast::Sender<Sample>,
    /// How often the watchers look.
    pub cadence: Arc<watch::Sender<Cadence>>,
    /// What they look at with everything there is.
    pub near: watch::Sender<Near>,
    /// Set when the session ends.
    pub cancel: CancellationToken,
}

/// What was found before an attempt was there that it could be written down with; the next one takes it.
#[derive(Debug, Default)]
struct Ahead {
    /// Remarks.
    remarks: Vec<Finding>,
    /// Trouble that kept a look before the action from seeing.
    met: Met,
}

/// A session that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The session.
    pub session: Session,
    /// The run as it stands.
    pub run: Run,
    /// What the session tells from now on.
    pub told: Told,
    /// What the operator should know of how the run was found.
    pub notices: Vec<String>,
}

impl Session {
    /// Starts a run of the plan.
    ///
    /// # Errors
    /// If its journal cannot be made.
    pub async fn start(plan: Plan, options: Options) -> Result<Opened, SessionError> {
        let (id, store) = Directory::fresh(&options.state_dir, &plan.id, clock::now())?;
        let run_dir = store.path().to_owned();
        let opened = Journal::open(Box::new(store), Owner::here(&options.operator))?;
        open_to_group(&options, &run_dir)?;
        let (sender, records) = mpsc::unbounded_channel();
        let event = Event::RunStarted { run: RunId::new(id), plan: Box::new(plan), simulated: options.simulated };
        let (recorder, run) = Recorder::begin(opened.journal, event, sender)?;
        Self::enter(run, run_dir, recorder, Controls::take(opened.lock), records, options, Vec::new()).await
    }

    /// Goes on with a run. What the journal holds is the plan; the rollout file may have changed since.
    ///
    /// # Errors
    /// If another session holds its controls, or its journal is broken.
    pub async fn resume(id: &str, options: Options) -> Result<Opened, SessionError> {
        Taken::take(id, options)?.go_on().await
    }

    async fn enter(
        run: Run,
        run_dir: PathBuf,
        recorder: Recorder,
        controls: Controls,
        mut records: mpsc::UnboundedReceiver<Record>,
        options: Options,
        notices: Vec<String>,
    ) -> Result<Opened, SessionError> {
        let mut run = run;
        password::remember_environment(&run.plan);
        let remarks = run.session.as_ref().map(|former| died(former, run.last_at)).into_iter().collect();
        let owner = Owner::here(&options.operator);
        let controls = Arc::new(controls);
        let (say, said) = steps::voice();
        let tell = told(say.clone());
        let databases = Arc::new(Databases::through(Bastions::kept_by(Keeper {
            controls: Arc::downgrade(&controls),
            run: run.id.to_string(),
            session: format!("{} on {}, process {}", owner.operator, owner.host, owner.pid),
            tell,
        })));
        let (plan, accounts) = (Arc::new(run.plan.clone()), Arc::<Accounts>::default());
        // Beside everything else: nothing waits for what a session that died has left behind.
        tokio::spawn(sweep(plan.clone(), accounts.clone(), databases.clone()));
        let session = crate::runbook::event::Session {
            operator: owner.operator.clone(),
            host: owner.host,
            pid: owner.pid,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            user: Some(journal::sharing::user()),
        };
        recorder.record(Event::SessionOpened { session }).await?;
        while let Ok(record) = records.try_recv() {
            run.apply(record).map_err(|source| SessionError::Fold { path: run_dir.clone(), source })?;
        }
        let (hands, cancel) = (Hands::of(controls), CancellationToken::new());
        let ahead = Arc::new(Mutex::new(Ahead { remarks, met: Met::default() }));
        let (tell, news) = mpsc::unbounded_channel();
        let attendant = Attendant {
            run_dir: run_dir.clone(),
            operator: owner.operator.clone(),
            recorder: recorder.clone(),
            hands: hands.clone(),
            databases: databases.clone(),
            ahead: ahead.clone(),
            cancel: cancel.clone(),
            tell,
        };
        tokio::spawn(attendant.attend());
        let session = Self {
            run_dir,
            operator: owner.operator,
            recorder,
            hands,
            accounts,
            databases,
            tools: Mutex::default(),
            plan,
            say,
            pause: options.pause,
            nudge: Arc::default(),
            councils: Arc::default(),
            ahead,
            samples: broadcast::channel(SAMPLES_OF_STEPS).0,
            cadence: Arc::new(watch::channel(Cadence::default()).0),
            near: watch::channel(Near::default()).0,
            cancel,
        };
        Ok(Opened { session, run, told: Told { records, said, news }, notices })
    }

    /// Begins to watch. Every sample goes to the steps, to the run's recording and to the receiver that this returns;
    /// watching ends with it.
    pub fn watch(&self) -> mpsc::Receiver<Sample> {
        let (sender, receiver) = mpsc::channel(SAMPLES);
        let (out, mut seen) = mpsc::channel(SAMPLES);
        let pacing = Pacing { cadence: self.cadence.subscribe(), near: Some(self.near.subscribe()) };
        let (plan, cancel) = (self.plan.clone(), self.cancel.clone());
        let (accounts, databases) = (self.accounts.clone(), self.databases.clone());
        let watchers = crate::watch::start(plan, accounts, databases, out, pacing, true, cancel);
        let samples = self.samples.clone();
        let recording = Recording::begin(&self.run_dir);
        if let Err(error) = &recording {
            tracing::warn!(%error, "what is watched is not recorded");
        }
        let councils = self.councils.clone();
        tokio::spawn(async move {
            while let Some(sample) = seen.recv().await {
                {
                    let mut councils = councils.lock().unwrap_or_else(PoisonError::into_inner);
                    let council = councils.entry(sample.partition.clone()).or_default();
                    council.hear(sample.testimony(), sample.source == Source::Api, sample.at);
                }
                if let Ok(recording) = &recording {
                    recording.take(&sample);
                }
                // No step may be listening.
                let _ = samples.send(sample.clone());
                if sender.send(sample).await.is_err() {
                    break;
                }
            }
            drop(watchers);
        });
        receiver
    }

    /// Ends the session: nothing is watched any more, the ways to the databases are removed, the controls are given back.
    ///
    /// # Errors
    /// If that cannot be written down; a session that could not say good-bye is found by its lock.
    pub async fn close(&self) -> Result<(), RecordError> {
        self.cancel.cancel();
        // Held, so that the run is not handed over in the middle of this. Where it was, it is another session's, and what
        // there was to say was said then.
        let Some(_held) = self.hands.hold().await else { return Ok(()) };
        self.databases.bastions.close().await;
        self.recorder.record(Event::SessionClosed).await.map(|_| ())
    }

    /// How the witnesses of a partition stand together; none if none was heard.
    fn witnesses(&self, partition: &PartitionName) -> Option<Standing> {
        let councils = self.councils.lock().unwrap_or_else(PoisonError::into_inner);
        councils.get(partition).map(|council| council.standing(clock::now()))
    }

    /// Has an attempt that waits before it tries again try at once. Does nothing where none waits.
    pub fn nudge(&self) {
        self.nudge.notify_waiters();
    }

    /// Types into the program in that directory.
    ///
    /// # Errors
    /// If it takes no input any more.
    pub fn type_in(&self, directory: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        let given_away = || Trouble::new("type", TroubleKind::Denied, "this session has given the controls away");
        let held = self.hands.hold_now().ok_or_else(given_away)?;
        Program::find(directory).map_or(Ok(()), |program| program.type_in(&held.controls(), bytes))
    }

    /// Whether the run was handed over to another session.
    pub fn is_handed_over(&self) -> bool {
        self.hands.are_empty()
    }

    /// The operator's name.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The directory of the run.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The plan of the run.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Writes an event of the operator's: a skip, a note, a go-ahead.
    ///
    /// # Errors
    /// If it is refused or cannot be written.
    pub async fn record(&self, event: Event) -> Result<Record, RecordError> {
        self.recorder.record(event).await
    }

    /// A recorder of this session's, for tasks of their own.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// What a step looks with; none if the plan does not hold it.
    pub async fn look(&self, run: &Run, step: &StepRef) -> Option<Look> {
        let (partition, planned, _) = run.step(step)?;
        let tools = self.tools(partition).await;
        Some(Look {
            plan: self.plan.clone(),
            partition: partition.clone(),
            step: planned.clone(),
            so_far: run.partition(&step.partition)?.clone(),
            measured: steps::measured_elsewhere(run, &step.partition),
            tools,
            run_dir: self.run_dir.clone(),
            pause: self.pause,
            estimate: run.estimate(step),
            witnesses: self.witnesses(&step.partition),
        })
    }

    /// What a partition is looked at with, opened at the first look at it.
    async fn tools(&self, partition: &Partition) -> Arc<Tools> {
        let open = || self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tools) = open().get(&partition.name) {
            return tools.clone();
        }
        let tools = Tools::open(&self.accounts, &self.databases, partition).await;
        open().entry(partition.name.clone()).or_insert(tools).clone()
    }

    /// Fires a step: looks at its preconditions anew, asks the gate with them, and runs the attempt in a task of its own.
    ///
    /// # Errors
    /// Why it was not fired; nothing was sent.
    pub async fn fire(&self, run: &Run, step: &StepRef, choice: Option<String>) -> Result<JoinHandle<()>, FireError> {
        let look = self.look(run, step).await.ok_or_else(|| FireError::NotInPlan(step.clone()))?;
        // Held from before the event until the attempt's end: while it is, the controls are not given away.
        let held = self.hands.hold().await.ok_or(FireError::GivenAway)?;
        let brief = steps::brief(&look).await.inspect_err(|trouble| {
            if trouble.is_passing() {
                self.ahead.lock().unwrap_or_else(PoisonError::into_inner).met.bear(trouble);
            }
        })?;
        // What the operator read and confirmed is what is sent, or nothing is: since then the writer may have moved.
        let confirmed = run.confirming.as_ref().filter(|confirming| confirming.step == *step);
        if confirmed.is_some_and(|confirmed| confirmed.brief.calls != brief.calls) {
            return Err(FireError::Changed { step: step.clone(), now: brief.what });
        }
        let preconditions = brief.preconditions;
        let number = run.step(step).map_or(1, |(_, _, run)| run.attempts.len() as u32 + 1);
        let event = Event::AttemptStarted {
            step: step.clone(),
            attempt: number,
            by: self.operator.clone(),
            preconditions: preconditions.clone(),
            choice: choice.clone(),
        };
        let record = self.recorder.record(event).await?;
        let attempt = Attempt::begun(number, self.operator.clone(), record.at, preconditions, choice);
        Ok(self.spawn(held, look, attempt))
    }

    /// Takes up every attempt again that a former session left running; there may be a sign-in beside a step.
    ///
    /// # Errors
    /// If that cannot be written.
    pub async fn take_up(&self, run: &Run) -> Result<Vec<JoinHandle<()>>, RecordError> {
        let mut taken_up = Vec::new();
        for (step, attempt) in run.under_way() {
            let Some(look) = self.look(run, &step).await else { continue };
            let Some(held) = self.hands.hold().await else { break };
            self.recorder.record(Event::AttemptResumed { step, attempt: attempt.number }).await?;
            taken_up.push(self.spawn(held, look, attempt.clone()));
        }
        Ok(taken_up)
    }

    fn spawn(&self, held: Held, look: Look, attempt: Attempt) -> JoinHandle<()> {
        let act = Act {
            noting: Noting {
                look,
                attempt,
                recorder: self.recorder.clone(),
                say: self.say.clone(),
                cancel: self.cancel.clone(),
                nudge: self.nudge.clone(),
            },
            controls: held.controls(),
            samples: self.samples.clone(),
            cadence: self.cadence.clone(),
            looked_again: None,
        };
        let ahead = std::mem::take(&mut *self.ahead.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::spawn(async move {
            attempt_to_its_end(act, ahead).await;
            drop(held);
        })
    }
}

/// Removes the ways to databases that former sessions have left behind.
async fn sweep(plan: Arc<Plan>, accounts: Arc<Accounts>, databases: Arc<Databases>) {
    let has_bastion = |partition: &&Partition| partition.sql.as_ref().is_some_and(|sql| sql.bastion.is_some());
    for partition in plan.partitions.iter().filter(has_bastion) {
        let aws = accounts.open(&partition.aws).await;
        databases.bastions.of(partition, &aws).await;
    }
    databases.bastions.sweep().await;
}

/// Opens the run to the group that is to read along, if any.
fn open_to_group(options: &Options, run_dir: &Path) -> Result<(), SessionError> {
    let Some(group) = &options.group else { return Ok(()) };
    let refused = |why: String| SessionError::Group { group: group.clone(), why };
    journal::sharing::open_to(run_dir, &options.state_dir, group).map_err(refused)
}

/// Hands what is told of a partition on to the log.
fn told(say: Voice) -> mpsc::UnboundedSender<(PartitionName, String)> {
    let (tell, mut told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some((partition, text)) = told.recv().await {
            say.say(partition, text);
        }
    });
    tell
}

/// Why a step was not fired.
#[derive(Debug, Error)]
pub enum FireError {
    /// There is no such step.
    #[error("{0} is not in the plan")]
    NotInPlan(StepRef),
    /// What must hold could not be looked at.
    #[error("what must hold could not be looked at: {0}")]
    Unseen(#[from] Trouble),
    /// It would no longer be what the operator confirmed.
    #[error("{step} was confirmed for something else; it would now be: {now}. Cancel, and open it again")]
    Changed {
        /// The step.
        step: StepRef,
        /// What it would be now.
        now: String,
    },
    /// Another session has asked for the controls, and has them or is about to.
    #[error("this session has given the controls away; nothing was sent")]
    GivenAway,
    /// The gate refused, or the event could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Looks at what a confirmation shows.
///
/// # Errors
/// If it cannot be looked at.
pub async fn brief(look: Look) -> Result<Brief, Trouble> {
    steps::brief(&look).await
}

/// What a journal's entries tell.
///
/// # Errors
/// If one of them is no event that this version knows.
pub fn records(entries: &[journal::Entry]) -> Result<Vec<Record>, JournalError> {
    some_at_a_time(entries).collect()
}

/// As [`records`], some at a time: those of a long run are many, and whoever folds them needs none afterwards.
fn some_at_a_time(entries: &[journal::Entry]) -> impl Iterator<Item = Result<Record, JournalError>> {
    const SOME: usize = 4_096;
    let record = |entry: &journal::Entry| Ok(Record { seq: entry.seq(), at: entry.at(), event: entry.event()? });
    entries.chunks(SOME).flat_map(move |some| spread(some, record))
}

/// The run that a journal's entries amount to.
///
/// # Errors
/// If they are no run.
pub fn fold(path: &Path, entries: &[journal::Entry]) -> Result<Run, SessionError> {
    let mut broken = None;
    let records = some_at_a_time(entries).map_while(|record| record.map_err(|error| broken = Some(error)).ok());
    let run = Run::from_records(records);
    if let Some(error) = broken {
        return Err(error.into());
    }
    run.map_err(|source| SessionError::Fold { path: path.to_owned(), source })
}

async fn attempt_to_its_end(act: Act, ahead: Ahead) {
    let (step, attempt) = act.here();
    let recorder = act.recorder.clone();
    act.set_pace(Pace::Busy);
    let mut quiet = act.clone();
    remark(&mut quiet, ahead.remarks).await;
    let (outcome, met) = met::collecting(ahead.met, steps::run(act)).await;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(Stop::Outcome(outcome)) => *outcome,
        // The attempt stays open; the next session takes it up again.
        Err(Stop::Session) => return,
        Err(Stop::Record(error)) => {
            quiet.say(format!("{step}: stopped, because it could not be written down: {error}"));
            tracing::error!(%step, %error, "an event could not be written; the attempt stands still");
            return;
        }
    };
    quiet.set_pace(Pace::Quiet);
    let refused = journal::lock::take_refused(&quiet.run_dir);
    let noticed = steps::remarks(&met).into_iter().chain(refused.iter().map(two_operators)).collect();
    remark(&mut quiet, noticed).await;
    if let Err(error) = recorder.record(Event::AttemptEnded { step: step.clone(), attempt, outcome }).await {
        quiet.say(format!("{step}: its end could not be written down: {error}"));
        tracing::error!(%step, %error, "the end of an attempt could not be written");
    }
}

/// Writes down what was noticed. Where that fails, writing the attempt's end fails as well, and says so.
async fn remark(act: &mut Act, noticed: Vec<Finding>) {
    for finding in noticed {
        let _ = act.remark(finding).await;
    }
}
