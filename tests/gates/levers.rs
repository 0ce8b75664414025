//! The locks of levers, and what going back does: a table for each.

use aurora_cockpit::config;
use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{ActionOutcome, Event, Finding, Outcome, Record};
use aurora_cockpit::runbook::names::{RunId, StepRef};
use aurora_cockpit::runbook::state::Run;

use crate::now;
use crate::proposals::action;

/// A run of the shipped rollout, which has every lever.
struct Night(Run);

impl Night {
    fn new() -> Self {
        let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).expect("a plan");
        let event = Event::RunStarted { run: RunId::new("night-1"), plan: Box::new(plan), simulated: true };
        Self(Run::begin(Record { seq: 1, at: now(), event }).expect("a run"))
    }

    fn write(&mut self, event: Event) {
        self.0.admit(&event, now()).unwrap_or_else(|refusal| panic!("{event:?}: {refusal}"));
        self.0.apply(Record { seq: self.0.seq + 1, at: now(), event }).expect("what is admitted fits");
    }

    fn refuses(&self, event: &Event) -> String {
        self.0.admit(event, now()).err().unwrap_or_else(|| panic!("{event:?} is admitted")).to_string()
    }

    /// Fires a step or pulls a lever; it runs.
    fn start(&mut self, step: &StepRef) -> u32 {
        let attempt = self.0.step(step).map_or(1, |(_, _, run)| run.attempts.len() as u32 + 1);
        let seen = Precondition { text: "looked at".into(), holds: Holds::Yes, at: now() };
        let (by, preconditions) = ("miguel".to_owned(), vec![seen]);
        self.write(Event::AttemptStarted { step: step.clone(), attempt, by, preconditions, choice: None });
        attempt
    }

    fn end(&mut self, step: &StepRef, attempt: u32, outcome: Outcome) {
        self.write(Event::AttemptEnded { step: step.clone(), attempt, outcome });
    }

    /// Sends a call of the attempt, and hears what became of it.
    fn call(&mut self, step: &StepRef, attempt: u32, became: ActionOutcome) {
        self.write(Event::Intent { step: step.clone(), attempt, action: action("call") });
        let key = "call".to_owned();
        self.write(Event::ActionSettled { step: step.clone(), attempt, key, outcome: became });
    }

    /// Takes dev's steps up to this one, itself included; what changes something has its call accepted.
    fn take_up_to(&mut self, last: &str) {
        let steps: Vec<_> = self.0.plan.partitions[0].steps.clone();
        let behind = steps.iter().position(|step| step.id.as_str() == last).expect("a step");
        for step in &steps[..=behind] {
            let reference = StepRef::new("dev", step.id.as_str());
            if self.0.is_behind(&reference) {
                continue;
            }
            let attempt = self.start(&reference);
            if step.kind.changes_the_world() {
                self.call(&reference, attempt, accepted());
            }
            self.end(&reference, attempt, Outcome::Passed);
        }
    }

    /// Why a lever of dev may not be pulled; empty if it may.
    fn locks(&self, lever: &str) -> String {
        let locks = self.0.gate(&StepRef::new("dev", lever)).err().unwrap_or_default();
        locks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    fn reopen(step: &StepRef) -> Event {
        let (reason, by) = ("it does not hold".to_owned(), "miguel".to_owned());
        Event::Reopened { step: step.clone(), reason, by, evidence: Vec::new() }
    }

    fn is_behind(&self, step: &str) -> bool {
        self.0.is_behind(&StepRef::new("dev", step))
    }
}

fn accepted() -> ActionOutcome {
    ActionOutcome::Accepted { mark: None }
}

fn dev(step: &str) -> StepRef {
    StepRef::new("dev", step)
}

/// Before what, and after what, a lever is open: `|` stands where it opens, `-` where it goes for good.
#[test]
fn levers_come_and_go_with_what_was_done() {
    // Lever, the step that must be behind before it opens, the step with which it goes.
    let table = [
        ("sign-in-aws", None, None),
        ("sign-in-op", None, None),
        ("insights-standard", None, None),
        ("flush-instance", None, None),
        ("reboot-instance", None, None),
        ("hot-patch", None, None),
        ("rollout-restart", None, None),
        ("retake-snapshot", None, Some("delete-snapshot")),
        ("restore", Some("snapshot"), Some("delete-snapshot")),
        ("fail-back", Some("failover"), None),
        ("helm-rollback", Some("chart"), None),
        ("neutralise", Some("delete-snapshot"), None),
    ];
    let steps: Vec<String> = Night::new().0.plan.partitions[0].steps.iter().map(|step| step.id.to_string()).collect();
    let at = |name: &str| steps.iter().position(|step| step == name).expect("a step");
    let mut night = Night::new();
    for (index, step) in steps.iter().enumerate().take_while(|(_, step)| *step != "go-ahead") {
        night.take_up_to(step);
        for (lever, from, gone) in table {
            let not_yet = from.is_some_and(|from| at(from) > index);
            let gone = gone.is_some_and(|gone| at(gone) <= index);
            let locks = night.locks(lever);
            assert_eq!(locks.is_empty(), !not_yet && !gone, "{lever} after {step}: {locks}");
            assert_eq!(locks.contains("gone for good"), gone, "{lever} after {step}: {locks}");
        }
    }
}

#[test]
fn a_deletion_that_was_refused_takes_no_lever_away_and_one_that_is_not_known_does() {
    let cases = [
        (ActionOutcome::Refused { code: "InvalidDBClusterSnapshotStateFault".into(), message: "copied".into() }, true),
        (ActionOutcome::FoundUndone { evidence: "it is there".into() }, true),
        (ActionOutcome::Unknown { reason: "no answer".into() }, false),
        (ActionOutcome::FoundDone { evidence: "it is gone".into() }, false),
        (accepted(), false),
    ];
    for (became, there) in cases {
        let mut night = Night::new();
        night.take_up_to("statements");
        let attempt = night.start(&dev("delete-snapshot"));
        night.call(&dev("delete-snapshot"), attempt, became.clone());
        night.end(&dev("delete-snapshot"), attempt, Outcome::Failed { finding: Finding::unknown("?") });
        assert_eq!(night.locks("restore").is_empty(), there, "{became:?}");
        assert_eq!(night.locks("neutralise").is_empty(), !there, "{became:?}");
    }
}

#[test]
fn beside_what_runs_only_a_sign_in_is_pulled_and_one_sign_in_at_a_time() {
    let mut night = Night::new();
    night.take_up_to("drift");
    let snapshot = night.start(&dev("snapshot"));
    for lever in ["reboot-instance", "flush-instance", "insights-standard", "retake-snapshot"] {
        assert!(night.locks(lever).contains("dev/snapshot is running"), "{lever}: {}", night.locks(lever));
    }
    assert_eq!(night.locks("sign-in-aws"), "");
    let sign_in = night.start(&dev("sign-in-aws"));
    assert!(night.locks("sign-in-op").contains("dev/sign-in-aws is running"), "{}", night.locks("sign-in-op"));
    // The step goes on, ends and the next may be fired while somebody still types.
    night.end(&dev("snapshot"), snapshot, Outcome::Passed);
    assert!(night.0.gate(&dev("amm")).is_ok());
    night.end(&dev("sign-in-aws"), sign_in, Outcome::Passed);
    assert_eq!(night.locks("sign-in-op"), "");
}

#[test]
fn a_lever_may_be_pulled_again_and_locks_no_step() {
    let mut night = Night::new();
    night.take_up_to("amm");
    for number in 1..=3 {
        let attempt = night.start(&dev("reboot-instance"));
        assert_eq!(attempt, number);
        assert!(night.0.gate(&dev("dynamic")).is_err(), "nothing is fired beside it");
        night.call(&dev("reboot-instance"), attempt, accepted());
        let finding = Finding::unknown("it did not come back");
        let outcome = if number == 2 { Outcome::Failed { finding } } else { Outcome::Passed };
        night.end(&dev("reboot-instance"), attempt, outcome);
        assert!(night.0.gate(&dev("dynamic")).is_ok(), "however it ended");
    }
    assert_eq!(night.0.next_step().map(|(step, _)| step), Some(dev("dynamic")), "a lever is never what comes next");
}

#[test]
fn levers_stay_where_the_rollout_ends_badly_and_wait_for_the_partition_before() {
    let mut night = Night::new();
    assert!(night.0.gate(&StepRef::new("stage", "reboot-instance")).is_err(), "dev has no go-ahead");
    assert!(night.0.gate(&StepRef::new("stage", "sign-in-aws")).is_ok());
    night.take_up_to("amm");
    let (by, reason) = ("miguel".to_owned(), "enough".to_owned());
    night.write(Event::Stopped { by, reason });
    assert!(night.0.gate(&dev("dynamic")).is_err());
    assert_eq!(night.locks("reboot-instance"), "", "that is when levers are needed");
    assert_eq!(night.locks("restore"), "");
}

#[test]
fn a_lever_is_not_skipped_and_not_gone_back_to() {
    let night = Night::new();
    let (reason, by) = ("because".to_owned(), "miguel".to_owned());
    let skip = Event::StepSkipped { step: dev("reboot-instance"), reason, by, evidence: Vec::new() };
    assert!(night.refuses(&skip).contains("pulled or left alone"));
    assert!(night.refuses(&Night::reopen(&dev("reboot-instance"))).contains("not gone back to"));
}

#[test]
fn going_back_opens_what_rests_on_it_and_nothing_else() {
    // The step that is gone back to; steps that stay behind; steps that open with it.
    let cases: [(&str, &[&str], &[&str]); 3] = [
        ("snapshot", &["prerequisites", "drift"], &["snapshot", "amm", "dynamic", "reader", "failover", "static"]),
        ("static", &["snapshot", "amm", "dynamic", "reader", "failover"], &["static"]),
        ("reader", &["snapshot", "amm", "dynamic"], &["reader", "failover", "static"]),
    ];
    for (back, stays, opens) in cases {
        let mut night = Night::new();
        night.take_up_to("static");
        night.write(Night::reopen(&dev(back)));
        for step in stays {
            assert!(night.is_behind(step), "{back}: {step} stays behind");
        }
        for step in opens {
            assert!(!night.is_behind(step), "{back}: {step} is open again");
        }
        assert_eq!(night.0.next_step().map(|(step, _)| step), Some(dev(back)));
        assert!(night.0.gate(&dev("chart")).is_err(), "{back}: what comes after waits");
    }
}

#[test]
fn attempts_are_numbered_on_after_going_back() {
    let mut night = Night::new();
    night.take_up_to("amm");
    night.write(Night::reopen(&dev("snapshot")));
    let again = Event::AttemptStarted {
        step: dev("snapshot"),
        attempt: 1,
        by: "miguel".into(),
        preconditions: vec![Precondition { text: "looked at".into(), holds: Holds::Yes, at: now() }],
        choice: None,
    };
    assert!(night.refuses(&again).contains("the next attempt is 2, not 1"));
    assert_eq!(night.start(&dev("snapshot")), 2);
    assert!(night.refuses(&Night::reopen(&dev("snapshot"))).contains("running"), "not while it runs");
    // What an attempt before it sent is no obstacle: it is known what became of it.
    night.call(&dev("snapshot"), 2, accepted());
    night.end(&dev("snapshot"), 2, Outcome::Passed);
    assert_eq!(night.start(&dev("amm")), 2);
}

#[test]
fn a_call_that_may_have_been_carried_out_is_not_sent_again_by_going_back() {
    let mut night = Night::new();
    night.take_up_to("drift");
    let attempt = night.start(&dev("snapshot"));
    night.call(&dev("snapshot"), attempt, ActionOutcome::Unknown { reason: "no answer".into() });
    night.end(&dev("snapshot"), attempt, Outcome::Unknown { finding: Finding::unknown("no answer") });
    night.write(Night::reopen(&dev("snapshot")));
    let attempt = night.start(&dev("snapshot"));
    let intent = Event::Intent { step: dev("snapshot"), attempt, action: action("call") };
    assert!(night.refuses(&intent).contains("sent before"));
}

#[test]
fn going_back_is_refused_where_there_is_nothing_to_go_back_to() {
    let mut night = Night::new();
    assert!(night.refuses(&Night::reopen(&dev("snapshot"))).contains("open already"));
    night.take_up_to("app");
    let mut unsaid = Night::reopen(&dev("static"));
    if let Event::Reopened { reason, .. } = &mut unsaid {
        *reason = " ".to_owned();
    }
    assert!(night.refuses(&unsaid).contains("needs a reason"));
    assert!(night.refuses(&Night::reopen(&dev("go-ahead"))).contains("not gone back to"));
    assert!(night.refuses(&Night::reopen(&dev("ghost"))).contains("not in the plan"));
    let by = "miguel".to_owned();
    night.write(Event::GoAhead { partition: "dev".into(), by, note: None });
    assert!(night.refuses(&Night::reopen(&dev("static"))).contains("has its go-ahead"));
}
