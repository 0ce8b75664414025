//! The form of events in a journal.

use aurora_cockpit::runbook::check::Verdict;
use aurora_cockpit::runbook::event::{Event, Finding, NoteKind, Outcome, Record};
use aurora_cockpit::runbook::names::{PartitionName, StepRef};

use crate::proposals::{action, application, brief, check, evidence, measure, noticed, party, session, settled, user};
use crate::{now, started};

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
        Event::HandedOver { from: by(), to: party() },
        Event::Approved { step: step.clone(), request: 7, digest: "5f".repeat(32), by: user(1001) },
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
        noticed(partition.clone()),
        Event::FailoverMeasured { partition: partition.clone(), failover: measure() },
        Event::AppMeasured { partition: partition.clone(), app: application() },
        Event::StepSkipped { step: step.clone(), reason: "proved otherwise".into(), by: by(), evidence: Vec::new() },
        Event::Remarked { step: step.clone(), attempt: 1, finding: Finding::of("wait-race", "too early").again() },
        Event::Reopened { step: step.clone(), reason: "it does not hold".into(), by: by(), evidence: Vec::new() },
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
