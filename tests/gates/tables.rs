//! What random sequences get to too rarely, each by itself.

use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{ActionOutcome, Event, Finding, Outcome, Record};
use aurora_cockpit::runbook::names::StepRef;
use aurora_cockpit::runbook::state::Run;

use crate::proposals::action;
use crate::{ask_everything, now, run};

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
