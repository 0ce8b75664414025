//! Nothing lost, nothing fired twice: every changing call of the cockpit, lost in every way in which a call can be lost.
//!
//! The cockpit looks before it repeats. Where the site acted, it finds that out and goes on, and the ledger has the call once.
//! Where the site did not act, it says so by what it saw, and the call goes out again only when the operator fires again. Where
//! nobody can be asked, it is unknown, stays so in the journal, and is looked up by whoever fires again.

// The figures are printed.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use super::*;
use crate::runbook::check::Holds;
use crate::runbook::lever::Lever;
use crate::runbook::plan::StepKind;
use crate::runbook::state::ActionRun;
use crate::sim::world::faults::{Breaks, Fault as Invented, Loss, Lost};

/// How long a changing call waits for its answer here.
const PATIENCE: Duration = Duration::from_secs(3);

const SPEED: f64 = 200.0;

/// How many are lost at a time. They wait more than they work.
const AT_ONCE: usize = 64;

/// In what ways a call is lost.
const LOSSES: [(&str, Lost, Breaks); 9] = [
    ("connection cut before the call arrived", Lost::Call, Breaks::Cut),
    ("500 before it acted", Lost::Call, Breaks::Failure),
    ("time-out before it acted", Lost::Call, Breaks::Silence),
    ("network gone before it acted", Lost::Call, Breaks::Gone),
    ("connection cut after it acted", Lost::Answer, Breaks::Cut),
    ("answer truncated", Lost::Answer, Breaks::Half),
    ("500 after it acted", Lost::Answer, Breaks::Failure),
    ("time-out after it acted", Lost::Answer, Breaks::Silence),
    ("network gone after it acted", Lost::Answer, Breaks::Gone),
];

/// A stage on which the next changing call of the step is the one in question, and what must live as long.
type Set = BoxFuture<'static, (Stage, Box<dyn Any + Send>)>;

/// A changing call, and the step or lever that makes it.
#[derive(Clone, Copy)]
struct Case {
    /// Service and operation as the ledger has them.
    call: (&'static str, &'static str),
    /// The step or lever.
    step: &'static str,
    /// What the operator chose there.
    choice: Option<&'static str>,
    /// The step that is fired where the call was not carried out, if it is not the same.
    then: Option<&'static str>,
    open: fn() -> Set,
}

const fn case(call: (&'static str, &'static str), step: &'static str, open: fn() -> Set) -> Case {
    Case { call, step, choice: None, then: None, open }
}

const fn chosen(
    call: (&'static str, &'static str),
    step: &'static str,
    choice: &'static str,
    open: fn() -> Set,
) -> Case {
    Case { call, step, choice: Some(choice), then: None, open }
}

const SNAPSHOT: &str = "example-stage-restart";

const CASES: [Case; 17] = [
    case(("rds", "CreateDBClusterSnapshot"), "snapshot", || plain().boxed()),
    case(("rds", "DeleteDBClusterSnapshot"), "delete-snapshot", || with_snapshot().boxed()),
    chosen(("rds", "DeleteDBClusterSnapshot"), "retake-snapshot", SNAPSHOT, || with_snapshot().boxed()),
    // The old one is deleted by then, and the lever would have nothing to delete: the step takes the new one.
    Case {
        then: Some("snapshot"),
        ..chosen(("rds", "CreateDBClusterSnapshot"), "retake-snapshot", SNAPSHOT, || with_snapshot().boxed())
    },
    case(("rds", "RebootDBInstance"), "reader", || plain().boxed()),
    chosen(("rds", "RebootDBInstance"), "reboot-instance", READER, || plain().boxed()),
    case(("rds", "ModifyDBInstance"), "reader", || queued(READER).boxed()),
    chosen(("rds", "ModifyDBInstance"), "flush-instance", READER, || queued(READER).boxed()),
    case(("rds", "FailoverDBCluster"), "failover", || plain().boxed()),
    case(("rds", "FailoverDBCluster"), "fail-back", || failed_over().boxed()),
    case(("rds", "ModifyDBInstance"), "flush", || demoted().boxed()),
    case(("rds", "ModifyDBCluster"), "insights-standard", || advanced().boxed()),
    chosen(("rds", "ModifyDBClusterParameterGroup"), "hot-patch", settings::SLOW_LOG, || patchable().boxed()),
    chosen(("rds", "ResetDBClusterParameterGroup"), "neutralise", settings::SLOW_LOG, || neutralisable().boxed()),
    case(("rds", "RestoreDBClusterFromSnapshot"), "restore", || with_snapshot().boxed()),
    case(("cloudformation", "ContinueUpdateRollback"), "continue-rollback", || stuck_stack().boxed()),
    case(("kubernetes", "patch deployments"), "rollout-restart", || with_application().boxed()),
];

/// What takes the controls in `src/clients`, and by what it is lost: here, or in another test that is named.
const TAKES_CONTROLS: [(&str, &str); 9] = [
    ("rds/change.rs carry_out", "here, each change of its own"),
    ("cloudformation.rs continue_rollback", "here"),
    ("kubernetes/mod.rs rollout_restart", "here"),
    ("kubernetes/bastion.rs create_bastion", "clients::bastion::tests: it is looked for by its name"),
    ("kubernetes/bastion.rs delete_bastion", "clients::bastion::tests: a second one finds nothing"),
    ("forge.rs merge", "tests/situations/lost.rs: the binary runs gh"),
    ("program/start.rs start", "tests/situations/lost.rs and resume.rs: helm's and amm.sh's own ends are looked up"),
    ("program/mod.rs type_in", "a person types it and sees what comes of it"),
    ("program/mod.rs interrupt", "a person presses it and sees what comes of it"),
];

/// Whoever adds a changing call adds it here, with what becomes of it when it is lost.
#[test]
fn no_changing_call_is_forgotten() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/clients");
    let mut found = BTreeSet::new();
    for file in sources(&clients) {
        let text = fs::read_to_string(&file).expect("a source");
        // Examples in the documentation change nothing.
        let text: String = text.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
        let name = file.strip_prefix(&clients).expect("below").display().to_string();
        for signature in text.split("fn ").skip(1).map(|rest| rest.split('{').next().unwrap_or_default()) {
            let function = signature.split(['(', '<']).next().unwrap_or_default();
            if signature.contains("controls: &Controls") {
                found.insert(format!("{name} {function}"));
            }
        }
    }
    // Fired by `start` itself.
    found.remove("program/start.rs start_by");
    let listed: BTreeSet<String> = TAKES_CONTROLS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, listed, "every function that takes the controls is listed with where its loss is tested");

    let text = fs::read_to_string(clients.join("rds/change.rs")).expect("a source");
    let operations: BTreeSet<&str> =
        text.split("=> \"rds:").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let lost: BTreeSet<&str> = CASES.iter().filter(|case| case.call.0 == "rds").map(|case| case.call.1).collect();
    assert!(operations.len() >= 9, "{operations:?}");
    assert_eq!(operations, lost, "every change of RDS is lost here");
}

/// The sources below a directory, its tests aside.
fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let below = |path: std::path::PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    let is_source = |path: &std::path::PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.ends_with(".rs") && name != "tests.rs"
    };
    entries.flat_map(below).filter(is_source).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changing_call_is_looked_up_however_it_is_lost_and_none_is_sent_twice() {
    let begun = Instant::now();
    let wanted = std::env::var("LOST").unwrap_or_default();
    let all = CASES.iter().flat_map(|case| LOSSES.iter().map(move |loss| (*case, *loss)));
    let all: Vec<_> = all.filter(|(case, loss)| named(case, loss.0).contains(&wanted)).collect();
    let count = all.len();
    let wrong: Mutex<BTreeMap<String, String>> = Mutex::default();
    let verdicts: Mutex<BTreeMap<&'static str, usize>> = Mutex::default();
    let run = futures::stream::iter(all).for_each_concurrent(AT_ONCE, |(case, loss)| {
        let (wrong, verdicts) = (&wrong, &verdicts);
        async move {
            // In a task of its own, so that one that panics is told with the others.
            match tokio::spawn(lose(case, loss.1, loss.2).boxed()).await {
                Ok(found) => *verdicts.lock().unwrap().entry(found).or_default() += 1,
                Err(error) => {
                    let panic = error.into_panic();
                    let words = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_owned());
                    wrong.lock().unwrap().insert(named(&case, loss.0), words);
                }
            }
        }
    });
    run.await;
    let wrong = wrong.into_inner().unwrap();
    let (calls, ways) = (CASES.len(), LOSSES.len());
    eprintln!(
        "{calls} calls x {ways} losses: {} of {count} as they should be, {:?}, in {:.1} s",
        count - wrong.len(),
        verdicts.into_inner().unwrap(),
        begun.elapsed().as_secs_f64()
    );
    let list: Vec<String> = wrong.iter().map(|(name, words)| format!("{name}\n    {words}")).collect();
    assert!(wrong.is_empty(), "{} are not as they should be:\n\n{}", wrong.len(), list.join("\n"));
}

fn named(case: &Case, loss: &str) -> String {
    format!("{}:{} by {}, {loss}", case.call.0, case.call.1, case.step)
}

/// Has a call lost, and fires again what its operator would; answers how it was found.
async fn lose(case: Case, what: Lost, how: Breaks) -> &'static str {
    let (mut stage, _held) = (case.open)().await;
    let (service, operation) = case.call;
    let before = stage.site.ledger.calls(service, operation);
    let counted = |stage: &Stage| stage.site.ledger.calls(service, operation) - before;
    stage.site.change(|world| {
        world.invent(Invented {
            service: service.to_owned(),
            operation: Some(operation.to_owned()),
            code: String::new(),
            message: String::new(),
            status: None,
            times: 1,
            lost: Some(Loss { what, how }),
        });
    });
    let outcome = stage.pull_with(case.step, case.choice).await;
    let acted = what == Lost::Answer;
    assert_eq!(counted(&stage), u64::from(acted), "{outcome:?}");
    if how == Breaks::Gone {
        return unknown(&mut stage, &case, &outcome, acted, counted).boxed().await;
    }
    let lost = lost_action(&stage, &case);
    if acted {
        assert!(matches!(outcome, Outcome::Passed | Outcome::PassedWithWarnings { .. }), "{outcome:?}");
        assert!(
            matches!(&lost.outcome, Some(ActionOutcome::FoundDone { evidence }) if !evidence.is_empty()),
            "{lost:?}"
        );
        return "found done";
    }
    // By what was seen it was not done; it is the operator's to fire again.
    assert!(matches!(&lost.outcome, Some(ActionOutcome::FoundUndone { evidence }) if !evidence.is_empty()), "{lost:?}");
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    let _ = situation(&outcome);
    fires_again(&mut stage, &case, case.then.unwrap_or(case.step)).await;
    assert_eq!(counted(&stage), 1);
    "found undone, sent once when it was fired again"
}

/// Nobody can be asked any more: nobody knows. When the network is back, whoever fires again has it looked up first.
async fn unknown(
    stage: &mut Stage,
    case: &Case,
    outcome: &Outcome,
    acted: bool,
    counted: impl Fn(&Stage) -> u64,
) -> &'static str {
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    let _ = situation(outcome);
    let attempt = stage.last(case.step).number;
    assert!(matches!(lost_action(stage, case).outcome, Some(ActionOutcome::Unknown { .. })));
    stage.site.change(World::give_back);
    match case.then.filter(|_| !acted) {
        None => fires_again(stage, case, case.step).await,
        Some(then) => {
            // It is found undone, and what it would send may not be sent now.
            let outcome = stage.pull_with(case.step, case.choice).await;
            assert!(situation(&outcome).1.contains("was not carried out, and may not be sent now"), "{outcome:?}");
            assert_eq!(counted(stage), 0);
            fires_again(stage, case, then).await;
        }
    }
    assert_eq!(counted(stage), 1, "it was sent again, and not looked up");
    // The verdict stands at the attempt that sent it.
    let first = stage.run.step(&of(case.step)).expect("a step").2.attempts.iter().find(|each| each.number == attempt);
    let lost = first.expect("the attempt").actions.iter().find(|each| is_of(each, case)).expect("the call");
    match &lost.outcome {
        Some(ActionOutcome::FoundDone { .. }) if acted => "unknown, then found done",
        Some(ActionOutcome::FoundUndone { .. }) if !acted => "unknown, then found undone and sent once",
        other => panic!("{other:?}"),
    }
}

/// The operator may fire again, and it passes.
async fn fires_again(stage: &mut Stage, case: &Case, step: &str) {
    if step != case.step {
        let reason = "what it had taken is deleted, and there is none in its place".to_owned();
        stage.record(Event::Reopened { step: of(step), reason, by: "tester".to_owned(), evidence: Vec::new() }).await;
    }
    let brief = stage.brief(step).await;
    let blocks = brief.preconditions.iter().find(|each| each.holds == Holds::No);
    assert!(blocks.is_none(), "it cannot be fired again: {blocks:?}");
    let outcome = stage.pull_with(step, case.choice.filter(|_| step == case.step)).await;
    assert!(matches!(outcome, Outcome::Passed | Outcome::PassedWithWarnings { .. }), "fired again: {outcome:?}");
}

fn is_of(action: &ActionRun, case: &Case) -> bool {
    let sent = match case.call {
        // The ledger has Kubernetes' own words.
        ("kubernetes", "patch deployments") => "kubernetes:PatchDeployment".to_owned(),
        (service, operation) => format!("{service}:{operation}"),
    };
    action.action.call.operation == sent
}

/// The lost call in the step's last attempt.
fn lost_action(stage: &Stage, case: &Case) -> ActionRun {
    let attempt = stage.last(case.step);
    attempt.actions.iter().find(|each| is_of(each, case)).cloned().unwrap_or_else(|| panic!("{attempt:#?}"))
}

impl Stage {
    async fn pull_with(&mut self, step: &str, choice: Option<&str>) -> Outcome {
        let running = self.begin_with(step, choice.map(str::to_owned), |_| {}).boxed().await;
        self.end(step, running).boxed().await
    }

    /// The same stage with clients that lose their patience, and no wire.
    async fn impatient(mut self) -> Self {
        let key = self.site.read(|world| world.accounts[0].access_key.clone());
        let partition = &self.run.plan.partitions[0];
        let aws = Aws::impatient(&format!("http://{}", self.address), &partition.aws, &key, PATIENCE).await;
        let tools = Tools::alone(Arc::new(aws), partition);
        let tools = match &partition.kubernetes {
            Some(_) => tools.with_kubernetes(self.tools.kubernetes().await.expect("a Kubernetes").clone()),
            None => tools,
        };
        self.tools = Arc::new(tools);
        self
    }
}

/// The partition of most cases, in which nothing waits long for what does not come.
async fn of_rds(change: impl FnOnce(&mut Plan)) -> Stage {
    let mut plan = plan();
    change(&mut plan);
    Stage::with(plan, SPEED).await.impatient().await
}

async fn plain() -> (Stage, Box<dyn Any + Send>) {
    (of_rds(|_| {}).await, Box::new(()))
}

async fn with_snapshot() -> (Stage, Box<dyn Any + Send>) {
    let mut stage = of_rds(|_| {}).await;
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    (stage, Box::new(()))
}

async fn queued(id: &'static str) -> (Stage, Box<dyn Any + Send>) {
    let stage = of_rds(|_| {}).await;
    queue(&stage, id);
    (stage, Box::new(()))
}

fn queue(stage: &Stage, id: &str) {
    stage.site.change(|world| {
        let instance = world.partitions[0].cluster.instance_mut(id).expect("an instance");
        instance.pending_class = Some("db.r7g.large".to_owned());
    });
}

async fn failed_over() -> (Stage, Box<dyn Any + Send>) {
    let mut stage = of_rds(|_| {}).await;
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    (stage, Box::new(()))
}

async fn demoted() -> (Stage, Box<dyn Any + Send>) {
    let (stage, held) = failed_over().await;
    queue(&stage, WRITER);
    (stage, held)
}

async fn advanced() -> (Stage, Box<dyn Any + Send>) {
    let stage = of_rds(|plan| lever(plan, "insights-standard", Lever::InsightsStandard)).await;
    stage.site.change(|world| "advanced".clone_into(&mut world.partitions[0].cluster.insights_mode));
    (stage, Box::new(()))
}

/// Adds a lever that the file's own steps would not bring with them.
fn lever(plan: &mut Plan, id: &str, lever: Lever) {
    let mut added = plan.partitions[0].levers[0].clone();
    (added.id, added.kind, added.limit) = (id.into(), StepKind::Lever(lever), Duration::from_secs(30));
    plan.partitions[0].levers.push(added);
}

async fn patchable() -> (Stage, Box<dyn Any + Send>) {
    let (stage, databases) = settings::deployed(settings::wrong).await;
    (stage.impatient().await, Box::new(databases))
}

async fn neutralisable() -> (Stage, Box<dyn Any + Send>) {
    let (mut stage, databases) = settings::deployed(|_| {}).await;
    stage.run.plan.partitions[0].steps.iter_mut().for_each(|step| step.limit = Duration::from_secs(30));
    // While the snapshot is there, it is the way back.
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!(stage.fire("delete-snapshot").await, Outcome::Passed);
    (stage.impatient().await, Box::new(databases))
}

const STACK: &str = "Example-stage-AuroraDBCluster";

async fn stuck_stack() -> (Stage, Box<dyn Any + Send>) {
    let continues = Lever::ContinueRollback { stacks: vec![STACK.to_owned()] };
    let stage = of_rds(|plan| lever(plan, "continue-rollback", continues)).await;
    stage.site.change(|world| {
        let account = &mut world.accounts[0];
        account.stack_turns(STACK, "UPDATE_IN_PROGRESS", None);
        account.stack_turns(STACK, "UPDATE_ROLLBACK_FAILED", Some("the cluster was busy"));
    });
    (stage, Box::new(()))
}

async fn with_application() -> (Stage, Box<dyn Any + Send>) {
    let stage = deploy::with_patience(deploy::plan(|_| {}), PATIENCE).await;
    (stage.impatient().await, Box::new(()))
}
