//! Steps against the simulated site, over the real protocol and the real SDK. The ledger is the witness that nothing was
//! fired twice.

#![allow(clippy::panic)]

mod deploy;
mod failover;
mod lost;
mod reader;
mod settings;
mod snapshots;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::context::Noting;
use super::*;
use crate::clients::{Aws, Controls};
use crate::config;
use crate::config::scenario::Staged;
use crate::journal::lock::{OperatorLock, Owner};
use crate::runbook::check::Verdict;
use crate::runbook::event::{ActionOutcome, Event, Record};
use crate::runbook::names::{RunId, StepRef};
use crate::runbook::plan::Plan;
use crate::runbook::situation::Situation;
use crate::runbook::state::{Attempt, Run};
use crate::sim::faults::{self, Line, Lines, Server};
use crate::sim::world::{Site, World};
use crate::watch::Cadence;
use wire::{Fault, Wire};

/// Time between two looks; what is looked up is looked up for thirty of them.
const PAUSE: Duration = Duration::from_millis(25);
const CLUSTER: &str = "Example-stage-AuroraCluster";
const WRITER: &str = "example-stage-auroraclusterwriter";
const READER: &str = "example-stage-auroraclusterreader1";

/// A rollout of RDS alone. The partition is called `stage`, whose failover took 38 s in the log.
fn plan() -> Plan {
    let flush = "\n[[steps]]\nid = \"flush\"\nlabel = \"3b\"\ntitle = \"Flush\"\nkind = \"flush-demoted\"\n";
    let text = config::MINIMAL.replace("name = \"dev\"", "name = \"stage\"") + flush;
    let mut plan = config::load_text("minimal.toml", &text, None).expect("a plan");
    // Each step alone: the gates between steps are tested where they are.
    for step in &mut plan.partitions[0].steps {
        step.needs.clear();
        step.limit = Duration::from_secs(30);
    }
    plan
}

/// A site, a wire to it, and a run that takes its steps there.
struct Stage {
    site: Arc<Site>,
    /// Where the site's AWS is, without the wire.
    address: SocketAddr,
    wire: Wire,
    run: Run,
    records: mpsc::UnboundedReceiver<Record>,
    recorder: Recorder,
    tools: Arc<Tools>,
    controls: Arc<Controls>,
    samples: broadcast::Sender<crate::watch::Sample>,
    cadence: Arc<watch::Sender<Cadence>>,
    cancel: CancellationToken,
    nudge: Arc<Notify>,
    directory: TempDir,
}

impl Stage {
    /// A site, `speed` times as fast as the log.
    async fn open(speed: f64) -> Self {
        Self::with(plan(), speed).await
    }

    async fn with(plan: Plan, speed: f64) -> Self {
        let site = Arc::new(Site::new(plan.clone(), speed, 7));
        let ticking = site.clone();
        tokio::spawn(async move { ticking.tick().await });
        let address = serve(&site, crate::sim::aws::router(site.clone()), Server::Aws).await;
        let wire = Wire::to(address).await;
        let key = site.read(|world| world.accounts[0].access_key.clone());
        let partition = &plan.partitions[0];
        let aws = Aws::signed(&format!("http://{}", wire.address), &partition.aws, &key).await;
        let tools = Arc::new(Tools::alone(Arc::new(aws), partition));
        let directory = tempfile::tempdir().expect("a directory");
        let lock = OperatorLock::take(directory.path(), Owner::here("tester")).expect("the lock");
        let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan), simulated: true };
        let run = Run::begin(Record { seq: 1, at: Timestamp::now(), event }).expect("a run");
        let (sender, records) = mpsc::unbounded_channel();
        Self {
            site,
            address,
            wire,
            recorder: Recorder::unkept(run.clone(), sender),
            run,
            records,
            tools,
            controls: Arc::new(Controls::take(lock)),
            samples: broadcast::channel(16).0,
            cadence: Arc::new(watch::channel(Cadence::default()).0),
            cancel: CancellationToken::new(),
            nudge: Arc::default(),
            directory,
        }
    }

    /// Fresh clients for the partition, this time with a Kubernetes.
    fn with_kubernetes(mut self, kubernetes: crate::clients::kubernetes::Kubernetes) -> Self {
        let tools = Tools::alone(self.tools.aws.clone(), &self.run.plan.partitions[0]);
        self.tools = Arc::new(tools.with_kubernetes(kubernetes));
        self
    }

    fn look(&self, step: &str) -> Look {
        let (partition, planned, _) = self.run.step(&of(step)).expect("a step");
        Look {
            plan: Arc::new(self.run.plan.clone()),
            partition: partition.clone(),
            step: planned.clone(),
            so_far: self.run.partitions[0].clone(),
            measured: Vec::new(),
            tools: self.tools.clone(),
            run_dir: self.directory.path().to_owned(),
            pause: PAUSE,
            estimate: self.run.estimate(&of(step)),
            witnesses: None,
        }
    }

    async fn brief(&self, step: &str) -> Brief {
        super::brief(&self.look(step)).await.expect("a brief")
    }

    fn act(&self, look: Look, attempt: Attempt) -> Act {
        let noting = Noting {
            look,
            attempt,
            recorder: self.recorder.clone(),
            say: Voice::unheard(),
            cancel: self.cancel.clone(),
            nudge: self.nudge.clone(),
        };
        Act {
            noting,
            controls: self.controls.clone(),
            samples: self.samples.clone(),
            cadence: self.cadence.clone(),
            looked_again: None,
        }
    }

    fn catch_up(&mut self) {
        while let Ok(record) = self.records.try_recv() {
            self.run.apply(record).expect("it fits");
        }
    }

    async fn record(&mut self, event: Event) {
        self.recorder.record(event).await.expect("admitted");
        self.catch_up();
    }

    /// Fires a step as a session does; what is between the confirmation and the call may meddle with the site.
    async fn begin(&mut self, step: &str, meddle: impl FnOnce(&mut World)) -> JoinHandle<Result<Outcome, Stop>> {
        self.begin_with(step, None, meddle).await
    }

    /// As [`Self::begin`], with the choice that the operator made.
    async fn begin_with(
        &mut self,
        step: &str,
        choice: Option<String>,
        meddle: impl FnOnce(&mut World),
    ) -> JoinHandle<Result<Outcome, Stop>> {
        let look = self.look(step);
        let brief = self.brief(step).await;
        let attempt = self.run.step(&of(step)).map_or(1, |(_, _, run)| run.attempts.len() as u32 + 1);
        let (preconditions, by) = (brief.preconditions, "tester".to_owned());
        self.record(Event::AttemptStarted { step: of(step), attempt, by, preconditions, choice }).await;
        self.site.change(meddle);
        let attempt = self.last(step).clone();
        tokio::spawn(super::run(self.act(look, attempt)))
    }

    /// Pulls a lever with a choice.
    async fn pull(&mut self, lever: &str, choice: &str) -> Outcome {
        let running = self.begin_with(lever, Some(choice.to_owned()), |_| {}).await;
        self.end(lever, running).await
    }

    async fn fire(&mut self, step: &str) -> Outcome {
        self.fire_while(step, |_| {}).await
    }

    async fn fire_while(&mut self, step: &str, meddle: impl FnOnce(&mut World)) -> Outcome {
        let running = self.begin(step, meddle).await;
        self.end(step, running).await
    }

    async fn end(&mut self, step: &str, running: JoinHandle<Result<Outcome, Stop>>) -> Outcome {
        let outcome = match running.await.expect("it does not panic") {
            Ok(outcome) => outcome,
            Err(Stop::Outcome(outcome)) => *outcome,
            Err(stop) => panic!("{stop:?}"),
        };
        self.catch_up();
        let attempt = self.last(step).number;
        self.record(Event::AttemptEnded { step: of(step), attempt, outcome: outcome.clone() }).await;
        outcome
    }

    /// Fires a step and kills the session in the middle of its changing call, once its intent is on disk and, if the
    /// call reaches the site, once the site has counted it.
    async fn killed_in(&mut self, step: &str, action: &str, fault: Fault) {
        self.wire.breaks(action, fault);
        let running = self.begin(step, |_| {}).await;
        let reaches = u64::from(fault == Fault::SilentAfter);
        let mut counted = false;
        for _ in 0..400 {
            self.catch_up();
            counted = self.changes(action) == reaches && !self.last(step).actions.is_empty();
            if counted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(counted, "{action} never went out");
        running.abort();
        assert!(running.await.expect_err("killed").is_cancelled());
        self.wire.mend();
        self.catch_up();
    }

    /// A new session takes the attempt up.
    async fn take_up(&mut self, step: &str) -> Outcome {
        let attempt = self.last(step).clone();
        self.record(Event::AttemptResumed { step: of(step), attempt: attempt.number }).await;
        let running = tokio::spawn(super::run(self.act(self.look(step), attempt)));
        self.end(step, running).await
    }

    fn last(&self, step: &str) -> &Attempt {
        self.run.step(&of(step)).and_then(|(_, _, run)| run.attempts.last()).expect("an attempt")
    }

    /// How often a changing call reached the site.
    fn changes(&self, action: &str) -> u64 {
        self.site.ledger.calls("rds", action)
    }

    /// What became of the attempt's calls, in their order.
    fn settled(&self, step: &str) -> Vec<&'static str> {
        let name = |outcome: &Option<ActionOutcome>| match outcome {
            None => "open",
            Some(ActionOutcome::Accepted { .. }) => "accepted",
            Some(ActionOutcome::Refused { .. }) => "refused",
            Some(ActionOutcome::FoundDone { .. }) => "found done",
            Some(ActionOutcome::FoundUndone { .. }) => "found undone",
            Some(ActionOutcome::Unknown { .. }) => "unknown",
        };
        self.last(step).actions.iter().map(|action| name(&action.outcome)).collect()
    }

    /// Every check passed, and there are some.
    fn assert_all_passed(&self, step: &str) {
        let checks = &self.last(step).checks;
        assert!(!checks.is_empty());
        assert!(checks.iter().all(|check| check.verdict == Verdict::Passed), "{checks:#?}");
    }
}

/// Puts a situation on the stage of a site of that speed.
fn staged(situation: Situation, speed: f64) -> impl FnOnce(&mut World) {
    move |world| {
        let staged = Staged { situation, partition: None, step: None, times: None, after: Duration::ZERO };
        world.stage_one(&staged, speed);
    }
}

/// Serves a server of the site with the site's own faults before it.
async fn serve(site: &Arc<Site>, router: axum::Router, server: Server) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let lines = Lines { listener, cables: site.read(|world| world.cables.clone()), server: server.clone() };
    let router = faults::before(router, site, server);
    tokio::spawn(async move { axum::serve(lines, router.into_make_service_with_connect_info::<Line>()).await });
    address
}

fn of(step: &str) -> StepRef {
    StepRef::new("stage", step)
}

/// Name of the situation of an outcome, and its finding's cause.
fn situation(outcome: &Outcome) -> (Option<&str>, &str) {
    match outcome {
        Outcome::Failed { finding } | Outcome::Partial { finding } | Outcome::Unknown { finding } => {
            assert!(finding.remedy.is_some(), "what to do next is missing: {finding:?}");
            (finding.situation.as_deref(), &finding.cause)
        }
        other => panic!("{other:?}"),
    }
}

/// Puts the attempt's confirmation into the past.
fn hours_ago(attempt: &Attempt) -> Attempt {
    Attempt { started_at: attempt.started_at - SignedDuration::from_hours(9), ..attempt.clone() }
}
