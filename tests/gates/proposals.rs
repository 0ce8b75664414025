//! Random events, as an operator, a step or nobody at all might write them, and samples of everything that is in them.

use aurora_cockpit::runbook::approval;
use aurora_cockpit::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use aurora_cockpit::runbook::event::{
    Action, ActionOutcome, AppMeasure, AppRequest, Brief, Call, Choice, Disruption, Event, FailoverMeasure, Finding,
    Milestone, Moment, NoteKind, Outcome, Party, Person, Session,
};
use aurora_cockpit::runbook::names::{PartitionName, RunId, StepRef};
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::runbook::witness::Witness;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::{KEYS, PARTITIONS, PLANNED, STEPS, now, plan};

/// A proposal: numbers from which an event is made. Where it aims, it speaks of what runs or comes next, so that random
/// sequences get somewhere; where it does not, of anything.
#[derive(Debug, Clone)]
pub struct Proposal {
    kind: u8,
    aims: bool,
    partition: usize,
    step: usize,
    number: u32,
    small: u8,
}

pub fn proposal() -> impl Strategy<Value = Proposal> {
    // What leads on comes up more often than what ends everything.
    let kind = prop_oneof![
        12 => 4_u8..5,
        8 => 6_u8..8,
        10 => 13_u8..14,
        3 => 16_u8..17,
        2 => 20_u8..21,
        1 => 0_u8..23,
    ];
    (kind, prop::bool::weighted(0.85), 0..PARTITIONS.len(), 0..STEPS.len(), 0_u32..4, any::<u8>()).prop_map(
        |(kind, aims, partition, step, number, small)| Proposal { kind, aims, partition, step, number, small },
    )
}

pub fn preconditions(small: u8, at: Timestamp, aims: bool) -> Vec<Precondition> {
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

pub fn outcome(small: u8) -> Outcome {
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

pub fn settled(small: u8) -> ActionOutcome {
    let words = || "words".to_owned();
    match small % 5 {
        0 => ActionOutcome::Accepted { mark: Some("request-1".into()) },
        1 => ActionOutcome::Refused { code: "InvalidDBClusterStateFault".into(), message: words() },
        2 => ActionOutcome::FoundDone { evidence: words() },
        3 => ActionOutcome::FoundUndone { evidence: words() },
        _ => ActionOutcome::Unknown { reason: words() },
    }
}

pub fn brief() -> Brief {
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

pub fn call() -> Call {
    Call {
        operation: "rds:FailoverDBCluster".into(),
        target: "us-east-1".into(),
        command_line: "aws rds failover-db-cluster --db-cluster-identifier prod-cluster".into(),
    }
}

pub fn action(key: &str) -> Action {
    Action { key: key.into(), call: call(), before: [("from".to_owned(), "a".to_owned())].into() }
}

pub fn evidence() -> Evidence {
    Evidence { source: "rds:DescribeEvents".into(), text: "DB instance restarted".into(), at: now() }
}

pub fn measure() -> FailoverMeasure {
    let seconds = std::time::Duration::from_secs;
    FailoverMeasure {
        accepted_at: now(),
        from: "a".into(),
        to: "b".into(),
        milestones: vec![Milestone {
            what: Moment::NamesWriter { instance: "b".into() },
            witness: Some(Witness::Dns),
            after: SignedDuration::from_millis(19_250),
        }],
        disruption: Some(Disruption { length: seconds(9), uncertainty: seconds(1) }),
        unplanned: true,
    }
}

pub fn noticed(partition: PartitionName) -> Event {
    Event::FailoverNoticed {
        partition,
        zero: now(),
        from: "a".into(),
        to: "b".into(),
        by: Witness::SqlInstance("b".into()),
    }
}

pub fn application() -> AppMeasure {
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

pub fn check(verdict: Verdict) -> Check {
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
    pub fn event(&self, run: &Run, at: Timestamp) -> Event {
        let small = self.small;
        // Now and then at a lever, which no run takes by itself.
        let lever = || {
            (small % 11 == 3 && self.step >= PLANNED)
                .then(|| StepRef::new(PARTITIONS[self.partition], STEPS[self.step]))
        };
        let next = || lever().or_else(|| run.next_step().map(|(step, _)| step));
        let aimed = || run.running().map(|(step, _)| step).or_else(next);
        let anywhere = StepRef::new(PARTITIONS[self.partition], STEPS[self.step]);
        let step = if self.aims { aimed().unwrap_or(anywhere.clone()) } else { anywhere.clone() };
        let attempts = run.step(&step).map_or(0, |(_, _, run)| run.attempts.len() as u32);
        let attempt = if self.aims { attempts } else { self.number };
        let partition = step.partition.clone();
        let by = "miguel".to_owned();
        let text = if small.is_multiple_of(5) { "  ".to_owned() } else { "because".to_owned() };
        let key = KEYS[small as usize / 5 % KEYS.len()].to_owned();
        if self.aims && run.handed_to.is_some() {
            return Event::SessionOpened { session: session() };
        }
        if self.kind == 4 && self.aims && run.wants_approval(&step) && !small.is_multiple_of(7) {
            match &run.confirming {
                _ if run.session.is_none() => return Event::SessionOpened { session: session() },
                Some(open) if open.step != step => return self.opened(run, step),
                None => return self.opened(run, step),
                Some(open) if open.approved.is_none() => return self.approved(run, step),
                Some(_) => {}
            }
        }
        match self.kind {
            0 => Event::RunStarted { run: RunId::new("again"), plan: Box::new(plan()), simulated: false },
            1 => Event::SessionOpened { session: session() },
            2 => Event::SessionClosed,
            3 => self.opened(run, step),
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
            12 if small.is_multiple_of(2) => noticed(partition),
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
            19 => Event::Stopped { by, reason: text },
            21 => Event::HandedOver { from: by, to: party() },
            22 => self.approved(run, step),
            // Going back is to what is behind, and seldom to what comes next.
            _ => Event::Reopened {
                step: if self.aims { self.behind(run).unwrap_or(anywhere) } else { step },
                reason: text,
                by,
                evidence: Vec::new(),
            },
        }
    }

    fn opened(&self, run: &Run, step: StepRef) -> Event {
        let request = run.last_request + u64::from(self.small % 3);
        Event::ConfirmationOpened { step, request, brief: Box::new(brief()) }
    }

    /// An approval; now and then of something else, or by the operator.
    fn approved(&self, run: &Run, step: StepRef) -> Event {
        let mut shown = brief();
        if self.small % 5 == 1 {
            shown.calls[0].command_line.push_str(" --force");
        }
        let request = if self.small % 9 == 1 { run.last_request + 1 } else { run.last_request };
        let digest = approval::digest(&run.id, &step, request, &shown);
        Event::Approved { step, request, digest, by: user(if self.small % 4 == 1 { 0 } else { 1001 }) }
    }

    /// Some step that was taken.
    fn behind(&self, run: &Run) -> Option<StepRef> {
        let taken: Vec<StepRef> = run.references().filter(|step| run.is_behind(step)).collect();
        (!taken.is_empty()).then(|| taken[self.small as usize % taken.len()].clone())
    }
}

pub fn user(uid: u32) -> Person {
    Person { uid, name: if uid == 0 { "miguel".into() } else { "bob".into() } }
}

pub fn party() -> Party {
    Party { operator: "bob".into(), host: "bastion".into(), pid: 4712 }
}

pub fn session() -> Session {
    Session {
        operator: "miguel".into(),
        host: "bastion".into(),
        pid: 4711,
        version: "0.1.0".into(),
        user: Some(user(0)),
    }
}
