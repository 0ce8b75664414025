//! The core held against an oracle written apart from it: what the gate admits, what the fold makes of it, what a journal
//! keeps of it.

use std::collections::BTreeMap;

use aurora_cockpit::config;
use aurora_cockpit::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use aurora_cockpit::runbook::event::{
    Action, ActionOutcome, AppMeasure, AppRequest, Brief, Call, Choice, Disruption, Event, FailoverMeasure, Finding,
    Milestone, NoteKind, Outcome, Record, Session,
};
use aurora_cockpit::runbook::names::{PartitionName, RunId, StepRef};
use aurora_cockpit::runbook::plan::Plan;
use aurora_cockpit::runbook::state::Run;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const PARTITIONS: [&str; 3] = ["dev", "prod", "ghost"];
const STEPS: [&str; 7] = ["drift", "snapshot", "reader", "failover", "delete", "go", "ghost"];
const KEYS: [&str; 2] = ["reboot a", "fail over to b"];

/// Two partitions, and steps that need each other.
const PLAN: &str = r#"
id = "small"
title = "A small rollout"
time_zone = "UTC"

[[partitions]]
name = "dev"
infrastructure = "Example"
[partitions.aws]
region = "us-east-1"
[partitions.cluster]
id = "dev-cluster"
apply_immediately = true

[[partitions]]
name = "prod"
infrastructure = "Example"
production = true
[partitions.aws]
region = "us-east-1"
[partitions.cluster]
id = "prod-cluster"
apply_immediately = false

[[steps]]
id = "drift"
label = "0"
title = "Drift"
kind = "drift"

[[steps]]
id = "snapshot"
label = "1"
title = "Snapshot"
kind = "snapshot"
needs = []
snapshot = { id = "${partition}-${rollout}" }

[[steps]]
id = "reader"
label = "4"
title = "Reader"
kind = "restart-reader"
needs = ["snapshot"]

[[steps]]
id = "failover"
label = "5"
title = "Failover"
kind = "failover"
needs = ["drift", "reader"]

[[steps]]
id = "delete"
label = "7"
title = "Delete"
kind = "delete-snapshot"
needs = ["failover"]

[[steps]]
id = "go"
label = "g"
title = "Go-ahead"
kind = "go-ahead"
needs = ["delete"]
"#;

/// What each step needs, once more and by hand: the oracle must not ask the plan that the gate asks.
fn needs(step: &str) -> &'static [&'static str] {
    match step {
        "reader" => &["snapshot"],
        "failover" => &["drift", "reader"],
        "delete" => &["failover"],
        "go" => &["delete"],
        _ => &[],
    }
}

fn plan() -> Plan {
    config::load_text("small.toml", PLAN, None).expect("a plan")
}

fn now() -> Timestamp {
    "2026-05-14T18:00:00Z".parse().expect("a time")
}

fn started() -> Record {
    let event = Event::RunStarted { run: RunId::new("small-1"), plan: Box::new(plan()), simulated: true };
    Record { seq: 1, at: now(), event }
}

fn run() -> Run {
    Run::begin(started()).expect("a run")
}

/// How an attempt stands, for the oracle.
#[derive(Debug, Clone, Default)]
struct OracleAttempt {
    number: u32,
    ended: Option<&'static str>,
    deferred_until: Option<String>,
    /// `open`, `done` or `undone`, by key.
    calls: BTreeMap<String, &'static str>,
}

/// What the oracle remembers of a run: events in, a verdict on the next event out. Nothing of it is the gate's.
#[derive(Debug, Clone, Default)]
struct Oracle {
    attempts: BTreeMap<(String, String), Vec<OracleAttempt>>,
    skipped: Vec<(String, String)>,
    gone_ahead: Vec<String>,
    rolled_back: Vec<String>,
    stopped: bool,
    last_request: u64,
}

fn key(step: &StepRef) -> (String, String) {
    (step.partition.to_string(), step.step.to_string())
}

impl Oracle {
    fn of(&self, step: &StepRef) -> &[OracleAttempt] {
        self.attempts.get(&key(step)).map(Vec::as_slice).unwrap_or_default()
    }

    fn anything_runs(&self) -> bool {
        self.attempts.values().flatten().any(|attempt| attempt.ended.is_none())
    }

    fn runs(&self, step: &StepRef, number: u32) -> bool {
        self.of(step).last().is_some_and(|last| last.number == number && last.ended.is_none())
    }

    fn is_behind(&self, partition: &str, step: &str) -> bool {
        let at = (partition.to_owned(), step.to_owned());
        if step == "go" {
            return self.gone_ahead.iter().any(|gone| gone == partition);
        }
        let passed = self.attempts.get(&at).and_then(|attempts| attempts.last()?.ended) == Some("passed");
        self.skipped.contains(&at) || passed
    }

    /// Whether the step's gate may be open.
    fn open(&self, step: &StepRef) -> bool {
        let (partition, id) = key(step);
        let known = ["dev", "prod"].contains(&partition.as_str()) && STEPS[..6].contains(&id.as_str());
        let first = partition == "dev";
        let dev_is_through =
            self.gone_ahead.iter().any(|gone| gone == "dev") && !self.rolled_back.iter().any(|gone| gone == "dev");
        let deferred = self.of(step).last().and_then(|last| last.deferred_until.clone());
        known
            && !self.stopped
            && !self.rolled_back.contains(&partition)
            && !self.anything_runs()
            && !self.is_behind(&partition, &id)
            && (first || dev_is_through)
            && needs(&id).iter().all(|need| self.is_behind(&partition, need))
            && deferred.is_none_or(|until| until != id && self.is_behind(&partition, &until))
    }

    /// Whether the event may be written now.
    fn allows(&self, event: &Event, now: Timestamp) -> bool {
        let knows = |partition: &PartitionName| ["dev", "prod"].contains(&partition.as_str());
        match event {
            Event::RunStarted { .. } => false,
            Event::SessionOpened { .. } | Event::SessionClosed | Event::ConfirmationClosed { .. } => true,
            Event::ConfirmationOpened { step, request, .. } => self.open(step) && *request > self.last_request,
            Event::AttemptStarted { step, attempt, preconditions, .. } => {
                let fresh = |each: &Precondition| {
                    each.holds != Holds::No && now.duration_since(each.at).abs() <= SignedDuration::from_secs(15)
                };
                let changes = !["drift", "go"].contains(&step.step.as_str());
                self.open(step)
                    && step.step.as_str() != "go"
                    && *attempt as usize == self.of(step).len() + 1
                    && preconditions.iter().all(fresh)
                    && !(changes && preconditions.is_empty())
            }
            Event::Intent { step, attempt, action } => {
                let own = self.of(step).last().and_then(|last| last.calls.get(&action.key));
                let open = self.of(step).iter().any(|each| each.calls.get(&action.key) == Some(&"open"));
                self.runs(step, *attempt) && own.is_none_or(|call| *call == "undone") && !open
            }
            Event::ActionSettled { step, attempt, key, .. } => {
                let call =
                    self.of(step).iter().find(|each| each.number == *attempt).and_then(|each| each.calls.get(key));
                self.of(step).last().is_some_and(|last| last.ended.is_none()) && call == Some(&"open")
            }
            Event::AttemptResumed { step, attempt }
            | Event::ProgramStarted { step, attempt, .. }
            | Event::Verifying { step, attempt }
            | Event::CheckSettled { step, attempt, .. }
            | Event::Witnessed { step, attempt, .. }
            | Event::Remarked { step, attempt, .. }
            | Event::AttemptEnded { step, attempt, .. } => self.runs(step, *attempt),
            Event::StepSkipped { step, reason, .. } => {
                let skippable = !["snapshot", "go"].contains(&step.step.as_str());
                self.open(step) && skippable && !reason.trim().is_empty()
            }
            // Not drawn here: going back has tables of its own.
            Event::Reopened { .. } => false,
            Event::GoAhead { partition, .. } => self.open(&StepRef::new(partition.clone(), "go")),
            Event::RolledBack { partition, reason, .. } => {
                knows(partition) && !reason.trim().is_empty() && !self.anything_runs()
            }
            Event::Stopped { reason, .. } => !reason.trim().is_empty() && !self.anything_runs() && !self.stopped,
            Event::Noted { partition, step, text, .. } => {
                let step_known = |step: &StepRef| knows(&step.partition) && STEPS[..6].contains(&step.step.as_str());
                !text.trim().is_empty() && partition.as_ref().is_none_or(knows) && step.as_ref().is_none_or(step_known)
            }
            Event::FailoverMeasured { partition, .. } | Event::AppMeasured { partition, .. } => knows(partition),
        }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::ConfirmationOpened { request, .. } => self.last_request = *request,
            Event::AttemptStarted { step, attempt, .. } => {
                let begun = OracleAttempt { number: *attempt, ..OracleAttempt::default() };
                self.attempts.entry(key(step)).or_default().push(begun);
            }
            Event::Intent { step, action, .. } => {
                if let Some(last) = self.attempts.entry(key(step)).or_default().last_mut() {
                    last.calls.insert(action.key.clone(), "open");
                }
            }
            Event::ActionSettled { step, attempt, key: call, outcome } => {
                let state = match outcome {
                    ActionOutcome::Accepted { .. } | ActionOutcome::FoundDone { .. } => "done",
                    ActionOutcome::Refused { .. } | ActionOutcome::FoundUndone { .. } => "undone",
                    ActionOutcome::Unknown { .. } => "open",
                };
                let attempts = self.attempts.entry(key(step)).or_default();
                if let Some(each) = attempts.iter_mut().find(|each| each.number == *attempt) {
                    each.calls.insert(call.clone(), state);
                }
            }
            Event::AttemptEnded { step, outcome, .. } => {
                if let Some(last) = self.attempts.entry(key(step)).or_default().last_mut() {
                    (last.ended, last.deferred_until) = match outcome {
                        Outcome::Passed | Outcome::PassedWithWarnings { .. } => (Some("passed"), None),
                        Outcome::Deferred { until, .. } => (Some("deferred"), Some(until.to_string())),
                        Outcome::Failed { .. } | Outcome::Partial { .. } | Outcome::Unknown { .. } => {
                            (Some("failed"), None)
                        }
                    };
                }
            }
            Event::StepSkipped { step, .. } => self.skipped.push(key(step)),
            Event::GoAhead { partition, .. } => self.gone_ahead.push(partition.to_string()),
            Event::RolledBack { partition, .. } => self.rolled_back.push(partition.to_string()),
            Event::Stopped { .. } => self.stopped = true,
            _ => {}
        }
    }
}

/// A proposal: numbers from which an event is made. Where it aims, it speaks of what runs or comes next, so that random
/// sequences get somewhere; where it does not, of anything.
#[derive(Debug, Clone)]
struct Proposal {
    kind: u8,
    aims: bool,
    partition: usize,
    step: usize,
    number: u32,
    small: u8,
}

fn proposal() -> impl Strategy<Value = Proposal> {
    // What leads on comes up more often than what ends everything.
    let kind = prop_oneof![
        12 => 4_u8..5,
        8 => 6_u8..8,
        10 => 13_u8..14,
        3 => 16_u8..17,
        1 => 0_u8..20,
    ];
    (kind, prop::bool::weighted(0.85), 0..PARTITIONS.len(), 0..STEPS.len(), 0_u32..4, any::<u8>()).prop_map(
        |(kind, aims, partition, step, number, small)| Proposal { kind, aims, partition, step, number, small },
    )
}

fn preconditions(small: u8, at: Timestamp, aims: bool) -> Vec<Precondition> {
    let ages = if aims && !small.is_multiple_of(8) { [0, 14, 15] } else { [0, 16, -3600] };
    let holds = if aims && small % 16 != 1 { [Holds::Yes, Holds::Mind] } else { [Holds::Yes, Holds::No] };
    let count = if aims && small % 16 != 2 { 1 + small as usize % 2 } else { small as usize % 3 };
    (0..count)
        .map(|index| Precondition {
            text: format!("condition {index}"),
            holds: holds[(small as usize / 3 + index) % 2],
            at: at - SignedDuration::from_secs(ages[(small as usize / 5 + index) % 3]),
        })
        .collect()
}

fn outcome(small: u8) -> Outcome {
    let finding = || Finding::unknown("something");
    match small % 9 {
        0..=3 => Outcome::Passed,
        4 => Outcome::PassedWithWarnings { warnings: vec!["mind".into()] },
        5 => Outcome::Failed { finding: finding() },
        6 => Outcome::Partial { finding: finding() },
        7 => Outcome::Unknown { finding: finding() },
        _ => Outcome::Deferred { until: STEPS[small as usize / 9 % STEPS.len()].into(), reason: "later".into() },
    }
}

fn settled(small: u8) -> ActionOutcome {
    let words = || "words".to_owned();
    match small % 5 {
        0 => ActionOutcome::Accepted { mark: Some("request-1".into()) },
        1 => ActionOutcome::Refused { code: "InvalidDBClusterStateFault".into(), message: words() },
        2 => ActionOutcome::FoundDone { evidence: words() },
        3 => ActionOutcome::FoundUndone { evidence: words() },
        _ => ActionOutcome::Unknown { reason: words() },
    }
}

fn brief() -> Brief {
    Brief {
        what: "Move the writer".into(),
        calls: vec![call()],
        preconditions: vec![Precondition { text: "cluster available".into(), holds: Holds::Yes, at: now() }],
        feels: Some("no writes for 10 s".into()),
        then: None,
        back: Some("fail back".into()),
        type_name: Some("prod-cluster".into()),
        already_done: None,
        choices: vec![Choice { id: "http".into(), label: "by HTTP".into() }],
    }
}

fn call() -> Call {
    Call {
        operation: "rds:FailoverDBCluster".into(),
        target: "us-east-1".into(),
        command_line: "aws rds failover-db-cluster --db-cluster-identifier prod-cluster".into(),
    }
}

fn action(key: &str) -> Action {
    Action { key: key.into(), call: call(), before: [("from".to_owned(), "a".to_owned())].into() }
}

fn evidence() -> Evidence {
    Evidence { source: "rds:DescribeEvents".into(), text: "DB instance restarted".into(), at: now() }
}

fn measure() -> FailoverMeasure {
    let seconds = std::time::Duration::from_secs;
    FailoverMeasure {
        accepted_at: now(),
        from: "a".into(),
        to: "b".into(),
        milestones: vec![Milestone { what: "names b".into(), witness: "DNS".into(), after: seconds(19) }],
        disruption: Some(Disruption { length: seconds(9), uncertainty: seconds(1) }),
    }
}

fn application() -> AppMeasure {
    let request = AppRequest { method: "GET".into(), url: "/v1/items".into(), status: 200, millis: 41 };
    AppMeasure {
        by: "http".into(),
        landed: Some("/items".into()),
        timings: vec![("loadEventEnd".into(), 900)],
        requests: vec![request],
        console_errors: vec!["boom".into()],
        anomalies: Vec::new(),
        screenshot: None,
    }
}

fn check(verdict: Verdict) -> Check {
    Check {
        id: "members".into(),
        label: "both instances available".into(),
        verdict,
        expected: Some("available".into()),
        seen: Some("a rebooting".into()),
        source: "rds:DescribeDBInstances".into(),
        at: now(),
    }
}

impl Proposal {
    /// The event, as it makes sense (or none) for this run.
    fn event(&self, run: &Run, at: Timestamp) -> Event {
        let small = self.small;
        let aimed = || run.running().map(|(step, _)| step).or_else(|| run.next_step().map(|(step, _)| step));
        let anywhere = StepRef::new(PARTITIONS[self.partition], STEPS[self.step]);
        let step = if self.aims { aimed().unwrap_or(anywhere) } else { anywhere };
        let attempts = run.step(&step).map_or(0, |(_, _, run)| run.attempts.len() as u32);
        let attempt = if self.aims { attempts } else { self.number };
        let partition = step.partition.clone();
        let by = "miguel".to_owned();
        let text = if small.is_multiple_of(5) { "  ".to_owned() } else { "because".to_owned() };
        let key = KEYS[small as usize / 5 % KEYS.len()].to_owned();
        match self.kind {
            0 => Event::RunStarted { run: RunId::new("again"), plan: Box::new(plan()), simulated: false },
            1 => Event::SessionOpened { session: session() },
            2 => Event::SessionClosed,
            3 => Event::ConfirmationOpened {
                step,
                request: run.last_request + u64::from(small % 3),
                brief: Box::new(brief()),
            },
            // A go-ahead that is next is given; now and then somebody tries to fire it.
            4 if step.step.as_str() == "go" && !small.is_multiple_of(4) => Event::GoAhead { partition, by, note: None },
            4 => {
                let attempt = if self.aims { attempts + 1 } else { attempt };
                let preconditions = preconditions(small, at, self.aims);
                Event::AttemptStarted { step, attempt, by, preconditions, choice: None }
            }
            5 => Event::AttemptResumed { step, attempt },
            6 => Event::Intent { step, attempt, action: action(&key) },
            // Sometimes of a former attempt.
            7 => Event::ActionSettled {
                step,
                attempt: attempt.saturating_sub(u32::from(small.is_multiple_of(7))),
                key,
                outcome: settled(small),
            },
            8 => Event::ProgramStarted { step, attempt, directory: "d".into(), command_line: "./amm.sh".into() },
            9 => Event::Verifying { step, attempt },
            10 => Event::CheckSettled { step, attempt, check: check(Verdict::Settling) },
            11 => Event::Witnessed { step, attempt, evidence: evidence() },
            12 => Event::FailoverMeasured { partition, failover: measure() },
            13 => Event::AttemptEnded { step, attempt, outcome: outcome(small) },
            14 => Event::AppMeasured { partition, app: application() },
            15 => Event::ConfirmationClosed { request: u64::from(small) },
            16 => Event::StepSkipped { step, reason: text, by, evidence: Vec::new() },
            17 => Event::Noted {
                partition: Some(partition),
                step: Some(step),
                by,
                text,
                note: if small.is_multiple_of(2) { NoteKind::Decision } else { NoteKind::Remark },
                evidence: Vec::new(),
            },
            18 => Event::RolledBack { partition, by, reason: text, evidence: Vec::new() },
            _ => Event::Stopped { by, reason: text },
        }
    }
}

fn session() -> Session {
    Session { operator: "miguel".into(), host: "bastion".into(), pid: 4711, version: "0.1.0".into() }
}

/// Plays proposals as the recorder does: what is admitted is applied. Every verdict is held against the oracle's.
fn play(proposals: &[Proposal]) -> (Run, Vec<Record>) {
    let (mut run, mut records, mut oracle) = (run(), vec![started()], Oracle::default());
    for (index, proposal) in proposals.iter().enumerate() {
        let at = now() + SignedDuration::from_secs(index as i64);
        let event = proposal.event(&run, at);
        let admitted = run.admit(&event, at);
        assert_eq!(admitted.is_ok(), oracle.allows(&event, at), "{event:?}\ngate: {admitted:?}\noracle: {oracle:#?}");
        if admitted.is_err() {
            continue;
        }
        oracle.take(&event);
        let record = Record { seq: run.seq + 1, at, event };
        // Whatever is admitted goes onto the disk; if it did not fit then, the run could never be opened again.
        run.apply(record.clone()).expect("what is admitted fits");
        records.push(record);
        assert!(running(&run) <= 1, "two attempts run at once");
    }
    (run, records)
}

fn running(run: &Run) -> usize {
    let attempts = run.partitions.iter().flat_map(|partition| &partition.steps).flat_map(|step| &step.attempts);
    attempts.filter(|attempt| attempt.outcome.is_none()).count()
}

/// Asks everything that a screen asks, so that a state that cannot be shown is found.
fn ask_everything(run: &Run) {
    for step in run.references() {
        let state = run.state_of(&step);
        assert_eq!(state.is_behind(), run.is_behind(&step), "{step}: {state:?}");
        let _ = (run.gate(&step), state.to_string());
    }
    for partition in PARTITIONS {
        let _ = (run.progress(&partition.into()), run.is_through(&partition.into()));
    }
    let _ = (run.next_step(), run.partition_in_hand());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_admits_exactly_what_an_oracle_allows(proposals in prop::collection::vec(proposal(), 1..120)) {
        let (run, _) = play(&proposals);
        ask_everything(&run);
    }

    #[test]
    fn events_once_twice_or_in_pieces_make_the_same_run(
        proposals in prop::collection::vec(proposal(), 1..80),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let (expected, records) = play(&proposals);
        let once = Run::from_records(records.clone()).expect("a run");
        prop_assert_eq!(&once, &expected);
        let mut twice = Run::begin(records[0].clone()).expect("a run");
        for record in records.iter().flat_map(|record| [record, record]) {
            twice.apply(record.clone()).expect("a repeat is nothing new");
        }
        prop_assert_eq!(&twice, &expected);
        // In pieces: a source that begins again somewhere before where it broke off.
        let mut pieces = Run::begin(records[0].clone()).expect("a run");
        for cut in cuts.iter().map(|cut| cut.index(records.len())) {
            let from = cut.saturating_sub(5).min(pieces.seq as usize);
            for record in &records[from..=cut.max(from).min(records.len() - 1)] {
                pieces.apply(record.clone()).expect("an overlap is nothing new");
            }
            for record in &records[..=cut] {
                pieces.apply(record.clone()).expect("from the beginning once more");
            }
        }
        for record in &records {
            pieces.apply(record.clone()).expect("the rest");
        }
        prop_assert_eq!(&pieces, &expected);
    }

    #[test]
    fn a_journal_gives_back_what_was_written(proposals in prop::collection::vec(proposal(), 1..60)) {
        let (expected, records) = play(&proposals);
        let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).expect("JSON")).collect();
        let read = lines.iter().map(|line| serde_json::from_str::<Record>(line).expect("a record"));
        prop_assert_eq!(Run::from_records(read).expect("a run"), expected);
    }

    #[test]
    fn arbitrary_records_never_panic_and_an_error_changes_nothing(
        proposals in prop::collection::vec((proposal(), -1_i64..3), 1..80),
    ) {
        let mut run = run();
        for (proposal, ahead) in proposals {
            let event = proposal.event(&run, now());
            let seq = run.seq.saturating_add_signed(ahead);
            let before = run.clone();
            if run.apply(Record { seq, at: now(), event }).is_err() || seq <= before.seq {
                prop_assert_eq!(&run, &before);
            }
            ask_everything(&run);
        }
    }
}

/// The random sequences are worth something only if some of them get far.
#[test]
fn random_sequences_reach_the_last_partition() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut through, mut refused_twice) = (0, 0);
    for _ in 0..200 {
        let sequence = prop::collection::vec(proposal(), 120).new_tree(&mut runner).expect("a sequence").current();
        let (run, records) = play(&sequence);
        through += usize::from(records.iter().any(
            |record| matches!(&record.event, Event::AttemptStarted { step, .. } if step.partition.as_str() == "prod"),
        ));
        let intents = records.iter().filter(|record| matches!(record.event, Event::Intent { .. })).count();
        refused_twice += usize::from(intents > 3 && run.seq > 20);
    }
    assert!(through >= 10, "only {through} of 200 sequences reached the second partition");
    assert!(refused_twice >= 10, "only {refused_twice} of 200 sequences sent calls");
}

/// Two steps deferred until each other: locked for good, and no reason to hang.
#[test]
fn steps_deferred_until_each_other_are_shown_and_not_chased() {
    let mut run = run();
    for (step, until) in [("drift", "snapshot"), ("snapshot", "drift")] {
        let step = StepRef::new("dev", step);
        let by = "miguel".to_owned();
        let outcome = Outcome::Deferred { until: until.into(), reason: "later".into() };
        let events = [
            Event::AttemptStarted { step: step.clone(), attempt: 1, by, preconditions: Vec::new(), choice: None },
            Event::AttemptEnded { step, attempt: 1, outcome },
        ];
        for event in events {
            run.apply(Record { seq: run.seq + 1, at: now(), event }).expect("it fits");
        }
    }
    ask_everything(&run);
    assert_eq!(run.state_of(&StepRef::new("dev", "drift")).to_string(), "DEFERRED");
}

/// A call whose outcome stayed unknown in one attempt is settled by the next, and only then sent again.
#[test]
fn what_is_unknown_is_settled_before_it_is_sent_again() {
    let mut run = run();
    let step = StepRef::new("dev", "snapshot");
    let fresh = || vec![Precondition { text: "available".into(), holds: Holds::Yes, at: now() }];
    let start = |attempt| Event::AttemptStarted {
        step: step.clone(),
        attempt,
        by: "m".into(),
        preconditions: fresh(),
        choice: None,
    };
    let settle = |attempt, outcome| Event::ActionSettled { step: step.clone(), attempt, key: "create".into(), outcome };
    let intent = |attempt| Event::Intent { step: step.clone(), attempt, action: action("create") };
    let take = |run: &mut Run, event: Event| {
        run.admit(&event, now()).expect("admitted");
        run.apply(Record { seq: run.seq + 1, at: now(), event }).expect("it fits");
    };
    take(&mut run, start(1));
    take(&mut run, intent(1));
    take(&mut run, settle(1, ActionOutcome::Unknown { reason: "no answer".into() }));
    let ended = Outcome::Unknown { finding: Finding::unknown("no answer") };
    take(&mut run, Event::AttemptEnded { step: step.clone(), attempt: 1, outcome: ended });
    take(&mut run, start(2));
    let refusal = run.admit(&intent(2), now()).expect_err("it may have been carried out");
    assert!(refusal.to_string().contains("not sent again before that is known"), "{refusal}");
    take(&mut run, settle(1, ActionOutcome::FoundUndone { evidence: "no snapshot".into() }));
    take(&mut run, intent(2));
    assert!(run.admit(&settle(1, ActionOutcome::FoundDone { evidence: "x".into() }), now()).is_err(), "said once");
}

/// One of each kind, as it stands in a journal. A journal outlives a version of the cockpit: what changes here can no
/// longer be read there.
#[test]
fn the_form_of_events_is_stable() {
    let step = StepRef::new("prod", "failover");
    let partition = PartitionName::new("prod");
    let by = || "miguel".to_owned();
    let finding = Finding::of("failover-noop", "NO-OP").because(evidence()).meaning("nothing").way_out("try again");
    let settled_each = (0..5).map(|small| Event::ActionSettled {
        step: step.clone(),
        attempt: 1,
        key: "fail over to b".into(),
        outcome: settled(small),
    });
    let outcomes = [
        Outcome::Passed,
        Outcome::PassedWithWarnings { warnings: vec!["class queued".into()] },
        Outcome::Failed { finding: finding.clone() },
        Outcome::Partial { finding: finding.clone() },
        Outcome::Deferred { until: "deploy".into(), reason: "the extension comes with it".into() },
        Outcome::Unknown { finding },
    ];
    let ended = outcomes.map(|outcome| Event::AttemptEnded { step: step.clone(), attempt: 1, outcome });
    let verdicts =
        [Verdict::Pending, Verdict::Settling, Verdict::Passed, Verdict::Warning, Verdict::Failed, Verdict::Unreadable];
    let checks = verdicts.map(|verdict| Event::CheckSettled { step: step.clone(), attempt: 1, check: check(verdict) });
    let mut events = vec![
        started().event,
        Event::SessionOpened { session: session() },
        Event::SessionClosed,
        Event::ConfirmationOpened { step: step.clone(), request: 7, brief: Box::new(brief()) },
        Event::ConfirmationClosed { request: 7 },
        Event::AttemptStarted {
            step: step.clone(),
            attempt: 1,
            by: by(),
            preconditions: brief().preconditions,
            choice: Some("http".into()),
        },
        Event::AttemptResumed { step: step.clone(), attempt: 1 },
        Event::Intent { step: step.clone(), attempt: 1, action: action("fail over to b") },
        Event::ProgramStarted {
            step: step.clone(),
            attempt: 1,
            directory: "programs/p".into(),
            command_line: "./amm.sh".into(),
        },
        Event::Verifying { step: step.clone(), attempt: 1 },
        Event::Witnessed { step: step.clone(), attempt: 1, evidence: evidence() },
        Event::FailoverMeasured { partition: partition.clone(), failover: measure() },
        Event::AppMeasured { partition: partition.clone(), app: application() },
        Event::StepSkipped { step: step.clone(), reason: "proved otherwise".into(), by: by(), evidence: Vec::new() },
        Event::GoAhead { partition: partition.clone(), by: by(), note: Some("calm".into()) },
        Event::Noted {
            partition: Some(partition.clone()),
            step: Some(step.clone()),
            by: by(),
            text: "slow".into(),
            note: NoteKind::Decision,
            evidence: Vec::new(),
        },
        Event::RolledBack { partition, by: by(), reason: "restored".into(), evidence: Vec::new() },
        Event::Stopped { by: by(), reason: "tomorrow".into() },
    ];
    events.extend(settled_each);
    events.extend(ended);
    events.extend(checks);
    let mut lines = String::new();
    for (index, event) in events.into_iter().enumerate() {
        let record = Record { seq: index as u64 + 1, at: now(), event };
        let line = serde_json::to_string(&record).expect("JSON");
        assert_eq!(serde_json::from_str::<Record>(&line).expect("a record"), record);
        lines.push_str(&line);
        lines.push('\n');
    }
    insta::assert_snapshot!("events", lines);
}

/// A partition that was taken back after its go-ahead holds up the next one; random sequences get there too rarely.
#[test]
fn a_partition_rolled_back_after_its_go_ahead_locks_the_next() {
    let mut run = run();
    let take = |run: &mut Run, event: Event| {
        run.apply(Record { seq: run.seq + 1, at: now(), event }).expect("it fits");
    };
    let next = StepRef::new("prod", "drift");
    assert!(run.gate(&next).is_err(), "dev has no go-ahead yet");
    take(&mut run, Event::GoAhead { partition: "dev".into(), by: "m".into(), note: None });
    assert!(run.gate(&next).is_ok());
    take(
        &mut run,
        Event::RolledBack { partition: "dev".into(), by: "m".into(), reason: "restored".into(), evidence: Vec::new() },
    );
    let locks = run.gate(&next).expect_err("dev was taken back");
    assert!(locks.iter().any(|lock| lock.to_string().contains("dev was rolled back")), "{locks:?}");
}
