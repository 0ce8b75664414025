//! What random sequences get to too rarely, each by itself.

use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{ActionOutcome, Brief, Event, Finding, Outcome, Record};
use aurora_cockpit::runbook::names::StepRef;
use aurora_cockpit::runbook::state::Run;

use crate::proposals::{action, brief, party, session, user};
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

/// What a second person approves is exactly one proposal: everything that would be sent is in its digest.
#[test]
fn the_digest_of_a_proposal_tells_everything_that_is_sent_apart() {
    use aurora_cockpit::runbook::approval::digest;
    let run = run();
    let step = StepRef::new("dev", "reader");
    let of = |brief: &Brief| digest(&run.id, &step, 7, brief);
    let original = of(&brief());
    assert_eq!(original, of(&brief()), "the same is the same");
    assert_eq!(original.len(), 64);
    type Change = fn(&mut Brief);
    let changes: [(&str, Change); 8] = [
        ("what", |brief| brief.what.push('!')),
        ("operation", |brief| brief.calls[0].operation = "rds:DeleteDBCluster".into()),
        ("target", |brief| brief.calls[0].target = "eu-west-1".into()),
        ("command line", |brief| brief.calls[0].command_line.push_str(" --force")),
        ("one call more", |brief| brief.calls.push(brief.calls[0].clone())),
        ("no call", |brief| brief.calls.clear()),
        ("another way", |brief| brief.choices[0].id.push('2')),
        // Where one text ends and the next begins matters as well.
        ("a seam", |brief| {
            let moved = brief.calls[0].operation.pop().expect("a letter");
            brief.calls[0].target.insert(0, moved);
        }),
    ];
    let mut seen = vec![original.clone()];
    for (what, change) in changes {
        let mut other = brief();
        change(&mut other);
        assert!(!seen.contains(&of(&other)), "{what}");
        seen.push(of(&other));
    }
    for other in [
        digest(&"small-2".into(), &step, 7, &brief()),
        digest(&run.id, &StepRef::new("prod", "reader"), 7, &brief()),
        digest(&run.id, &StepRef::new("dev", "failover"), 7, &brief()),
        digest(&run.id, &step, 8, &brief()),
    ] {
        assert!(!seen.contains(&other));
        seen.push(other);
    }
    // What is only looked at may change while it is read; the gate looks at it anew.
    let mut later = brief();
    later.preconditions[0].at += jiff::SignedDuration::from_secs(5);
    assert_eq!(of(&later), original);
}

/// An approval is a second person's, of what is on the screen, and of now.
#[test]
fn a_step_for_two_is_fired_by_two() {
    let step = StepRef::new("dev", "reader");
    let take = |run: &mut Run, event: Event, at| -> Result<(), String> {
        run.admit(&event, at).map_err(|refusal| refusal.to_string())?;
        run.apply(Record { seq: run.seq + 1, at, event }).map_err(|error| error.to_string())
    };
    let fresh = |at| vec![Precondition { text: "available".into(), holds: Holds::Yes, at }];
    let fire = |run: &mut Run, at| {
        let preconditions = fresh(at);
        let event =
            Event::AttemptStarted { step: step.clone(), attempt: 1, by: "m".into(), preconditions, choice: None };
        take(run, event, at)
    };
    let approve = |run: &Run, uid| {
        let (open, digest) = run.to_approve().expect("it waits");
        Event::Approved { step: open.step.clone(), request: open.request, digest, by: user(uid) }
    };
    let mut run = run();
    let snapshot = StepRef::new("dev", "snapshot");
    for event in [
        Event::SessionOpened { session: session() },
        Event::AttemptStarted {
            step: snapshot.clone(),
            attempt: 1,
            by: "m".into(),
            preconditions: fresh(now()),
            choice: None,
        },
        Event::AttemptEnded { step: snapshot, attempt: 1, outcome: Outcome::Passed },
    ] {
        take(&mut run, event, now()).expect("admitted");
    }
    let refused = fire(&mut run, now()).expect_err("nobody was asked");
    assert!(refused.contains("waits for the approval of a second person"), "{refused}");
    let opened = Event::ConfirmationOpened { step: step.clone(), request: 1, brief: Box::new(brief()) };
    take(&mut run, opened, now()).expect("opened");
    assert!(fire(&mut run, now()).is_err(), "nobody has answered");
    let own = approve(&run, 0);
    let refused = take(&mut run, own, now()).expect_err("the operator's own");
    assert!(refused.contains("another user"), "{refused}");
    let mut other = approve(&run, 1001);
    if let Event::Approved { digest, .. } = &mut other {
        digest.replace_range(..1, if digest.starts_with('0') { "1" } else { "0" });
    }
    let refused = take(&mut run, other, now()).expect_err("of something else");
    assert!(refused.contains("something else"), "{refused}");
    let good = approve(&run, 1001);
    take(&mut run, good.clone(), now()).expect("approved");
    assert!(take(&mut run, good, now()).is_err(), "once");
    let late = now() + jiff::SignedDuration::from_secs(601);
    let refused = fire(&mut run.clone(), late).expect_err("too late");
    assert!(refused.contains("more than 10 min ago"), "{refused}");
    assert!(fire(&mut run.clone(), now() + jiff::SignedDuration::from_secs(600)).is_ok());
    // Another session knows nothing of what was on the former one's screen.
    let mut taken_over = run.clone();
    take(&mut taken_over, Event::HandedOver { from: "m".into(), to: party() }, now()).expect("handed over");
    let refused = fire(&mut taken_over, now()).expect_err("it has no operator");
    assert!(refused.contains("handed over to bob on bastion"), "{refused}");
    take(&mut taken_over, Event::SessionOpened { session: session() }, now()).expect("opened");
    assert!(fire(&mut taken_over, now()).is_err());
    fire(&mut run, now()).expect("fired by two");
    let attempt = &run.step(&step).expect("there").2.attempts[0];
    assert_eq!(attempt.approved.as_ref().map(|approval| approval.by.uid), Some(1001));
}
