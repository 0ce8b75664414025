//! What the gate may admit, thought out once more and apart from it.

use std::collections::BTreeMap;

use aurora_cockpit::runbook::approval::digest;
use aurora_cockpit::runbook::check::{Holds, Precondition};
use aurora_cockpit::runbook::event::{ActionOutcome, Event, Outcome};
use aurora_cockpit::runbook::names::{PartitionName, RunId, StepRef};
use jiff::{SignedDuration, Timestamp};

use crate::{KNOWN, PLANNED, STEPS};

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

/// A step and what rests on it, at first or at second hand; likewise by hand.
fn rests_on(step: &str) -> &'static [&'static str] {
    match step {
        "drift" => &["drift", "failover", "delete", "go"],
        "snapshot" => &["snapshot", "reader", "failover", "delete", "go"],
        "reader" => &["reader", "failover", "delete", "go"],
        "failover" => &["failover", "delete", "go"],
        "delete" => &["delete", "go"],
        _ => &[],
    }
}

/// How an attempt stands, for the oracle.
#[derive(Debug, Clone, Default)]
struct OracleAttempt {
    number: u32,
    ended: Option<&'static str>,
    deferred_until: Option<String>,
    /// Whether a program was started.
    program: bool,
    /// `open`, `done` or `undone`, by key.
    calls: BTreeMap<String, &'static str>,
}

/// What the oracle remembers of a run: events in, a verdict on the next event out. Nothing of it is the gate's.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    attempts: BTreeMap<(String, String), Vec<OracleAttempt>>,
    skipped: Vec<(String, String)>,
    gone_ahead: Vec<String>,
    rolled_back: Vec<String>,
    stopped: bool,
    last_request: u64,
    /// The user who operates, while a session is open; none in it where that is not known.
    session: Option<Option<u32>>,
    handed_over: bool,
    /// What is on the operator's screen, with what a second person must approve of it.
    confirming: Option<((String, String), u64, String)>,
    /// When that was approved.
    approved: Option<Timestamp>,
    /// How many attempts of a step do not count any more, because it was gone back to.
    reopened_after: BTreeMap<(String, String), usize>,
}

fn key(step: &StepRef) -> (String, String) {
    (step.partition.to_string(), step.step.to_string())
}

impl Oracle {
    fn of(&self, step: &StepRef) -> &[OracleAttempt] {
        self.attempts.get(&key(step)).map(Vec::as_slice).unwrap_or_default()
    }

    /// A sign-in runs beside everything, and nothing waits for it.
    fn anything_fired_runs(&self) -> bool {
        let of_others = self.attempts.iter().filter(|((_, step), _)| step != "sign-in-aws");
        of_others.flat_map(|(_, attempts)| attempts).any(|attempt| attempt.ended.is_none())
    }

    fn anything_runs(&self) -> bool {
        self.attempts.values().flatten().any(|attempt| attempt.ended.is_none())
    }

    /// The last attempt that counts.
    fn standing(&self, at: &(String, String)) -> Option<&OracleAttempt> {
        let after = self.reopened_after.get(at).copied().unwrap_or_default();
        self.attempts.get(at)?.get(after..)?.last()
    }

    /// Whether a call of that step, of any attempt, may have been carried out.
    fn acted(&self, partition: &str, step: &str) -> bool {
        let attempts = self.attempts.get(&(partition.to_owned(), step.to_owned()));
        let calls = attempts.into_iter().flatten().flat_map(|attempt| attempt.calls.values());
        calls.into_iter().any(|call| *call != "undone") || attempts.into_iter().flatten().any(|attempt| attempt.program)
    }

    /// Whether a lever may be pulled: it needs no step before it, may be pulled again, and some come or go with what was done.
    fn lever_open(&self, partition: &str, lever: &str) -> bool {
        let reached = partition == "dev" || self.dev_is_through();
        let (deleted, failed_over) = (self.acted(partition, "delete"), self.acted(partition, "failover"));
        match lever {
            "sign-in-aws" => {
                let signing_in = self.attempts.iter().filter(|((_, step), _)| step == "sign-in-aws");
                signing_in.flat_map(|(_, attempts)| attempts).all(|attempt| attempt.ended.is_some())
            }
            "retake-snapshot" if deleted => false,
            "restore" if deleted || !self.is_behind(partition, "snapshot") => false,
            "fail-back" if !failed_over => false,
            _ => reached && !self.anything_fired_runs(),
        }
    }

    fn dev_is_through(&self) -> bool {
        self.gone_ahead.iter().any(|gone| gone == "dev") && !self.rolled_back.iter().any(|gone| gone == "dev")
    }

    /// Whether a step that was taken may be taken again.
    fn reopens(&self, step: &StepRef, reason: &str) -> bool {
        let at = key(step);
        let (partition, id) = (&at.0, at.1.as_str());
        ["dev", "prod"].contains(&partition.as_str())
            && STEPS[..PLANNED].contains(&id)
            && id != "go"
            && !reason.trim().is_empty()
            && (self.standing(&at).is_some() || self.skipped.contains(&at))
            && !self.stopped
            && !self.rolled_back.contains(partition)
            && !self.gone_ahead.contains(partition)
            && !self.anything_runs()
    }

    fn runs(&self, step: &StepRef, number: u32) -> bool {
        self.of(step).last().is_some_and(|last| last.number == number && last.ended.is_none())
    }

    fn is_behind(&self, partition: &str, step: &str) -> bool {
        let at = (partition.to_owned(), step.to_owned());
        if step == "go" {
            return self.gone_ahead.iter().any(|gone| gone == partition);
        }
        let passed = self.standing(&at).and_then(|last| last.ended) == Some("passed");
        self.skipped.contains(&at) || passed
    }

    /// Whether the step's gate may be open.
    fn open(&self, step: &StepRef) -> bool {
        let (partition, id) = key(step);
        let known = ["dev", "prod"].contains(&partition.as_str()) && STEPS[..KNOWN].contains(&id.as_str());
        if known && !STEPS[..PLANNED].contains(&id.as_str()) {
            return self.lever_open(&partition, &id);
        }
        let first = partition == "dev";
        let deferred = self.standing(&key(step)).and_then(|last| last.deferred_until.clone());
        known
            && !self.stopped
            && !self.rolled_back.contains(&partition)
            && !self.anything_fired_runs()
            && !self.is_behind(&partition, &id)
            && (first || self.dev_is_through())
            && needs(&id).iter().all(|need| self.is_behind(&partition, need))
            && deferred.is_none_or(|until| until != id && self.is_behind(&partition, &until))
    }

    /// Whether a step is not for one person alone; by hand, as the rollout file has it.
    fn wants_another(partition: &str, step: &str) -> bool {
        let changes = !["drift", "go", "sign-in-aws", "ghost"].contains(&step);
        (step == "reader" && ["dev", "prod"].contains(&partition)) || (partition == "prod" && changes)
    }

    /// Whether the event may be written now.
    pub fn allows(&self, event: &Event, now: Timestamp) -> bool {
        let knows = |partition: &PartitionName| ["dev", "prod"].contains(&partition.as_str());
        if self.handed_over {
            return matches!(event, Event::SessionOpened { .. });
        }
        match event {
            Event::RunStarted { .. } => false,
            Event::SessionOpened { .. } | Event::SessionClosed | Event::ConfirmationClosed { .. } => true,
            Event::HandedOver { .. } => self.session.is_some(),
            Event::Approved { step, request, digest, by } => {
                let operator = self.session.flatten();
                let wanted = Self::wants_another(step.partition.as_str(), step.step.as_str());
                let shown = self.confirming.as_ref() == Some(&(key(step), *request, digest.clone()));
                wanted && shown && self.approved.is_none() && operator.is_some_and(|operator| operator != by.uid)
            }
            Event::ConfirmationOpened { step, request, .. } => self.open(step) && *request > self.last_request,
            Event::AttemptStarted { step, attempt, preconditions, .. } => {
                let fresh = |each: &Precondition| {
                    each.holds != Holds::No && now.duration_since(each.at).abs() <= SignedDuration::from_secs(15)
                };
                let on_screen = self.confirming.as_ref().is_some_and(|(shown, ..)| *shown == key(step));
                let recent = self.approved.is_some_and(|at| now.duration_since(at) <= SignedDuration::from_mins(10));
                let alone = Self::wants_another(step.partition.as_str(), step.step.as_str());
                let changes = !["drift", "go", "sign-in-aws"].contains(&step.step.as_str());
                self.open(step)
                    && step.step.as_str() != "go"
                    && (!alone || (on_screen && recent))
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
                let skippable = ["drift", "reader", "failover", "delete"].contains(&step.step.as_str());
                self.open(step) && skippable && !reason.trim().is_empty()
            }
            Event::Reopened { step, reason, .. } => self.reopens(step, reason),
            Event::GoAhead { partition, .. } => self.open(&StepRef::new(partition.clone(), "go")),
            Event::RolledBack { partition, reason, .. } => {
                knows(partition) && !reason.trim().is_empty() && !self.anything_runs()
            }
            Event::Stopped { reason, .. } => !reason.trim().is_empty() && !self.anything_runs() && !self.stopped,
            Event::Noted { partition, step, text, .. } => {
                let step_known =
                    |step: &StepRef| knows(&step.partition) && STEPS[..KNOWN].contains(&step.step.as_str());
                !text.trim().is_empty() && partition.as_ref().is_none_or(knows) && step.as_ref().is_none_or(step_known)
            }
            Event::FailoverNoticed { partition, .. }
            | Event::FailoverMeasured { partition, .. }
            | Event::AppMeasured { partition, .. } => knows(partition),
        }
    }

    fn nothing_on_screen(&mut self) {
        (self.confirming, self.approved) = (None, None);
    }

    pub fn take(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::ConfirmationOpened { step, request, brief } => {
                self.last_request = *request;
                let run = RunId::new("small-1");
                self.confirming = Some((key(step), *request, digest(&run, step, *request, brief)));
                self.approved = None;
            }
            Event::ConfirmationClosed { request }
                if self.confirming.as_ref().is_some_and(|(_, shown, _)| shown == request) =>
            {
                self.nothing_on_screen();
            }
            Event::SessionOpened { session } => {
                self.nothing_on_screen();
                self.session = Some(session.user.as_ref().map(|user| user.uid));
                self.handed_over = false;
            }
            Event::SessionClosed => {
                self.nothing_on_screen();
                self.session = None;
            }
            Event::HandedOver { .. } => {
                self.nothing_on_screen();
                self.session = None;
                self.handed_over = true;
            }
            Event::Approved { .. } => self.approved = Some(at),
            Event::AttemptStarted { step, attempt, .. } => {
                self.nothing_on_screen();
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
            Event::ProgramStarted { step, .. } => {
                if let Some(last) = self.attempts.entry(key(step)).or_default().last_mut() {
                    last.program = true;
                }
            }
            Event::StepSkipped { step, .. } => {
                if self.confirming.as_ref().is_some_and(|(shown, ..)| *shown == key(step)) {
                    self.nothing_on_screen();
                }
                self.skipped.push(key(step));
            }
            Event::Reopened { step, .. } => {
                for &id in rests_on(step.step.as_str()) {
                    let at = (step.partition.to_string(), id.to_owned());
                    self.skipped.retain(|skipped| *skipped != at);
                    self.reopened_after.insert(at.clone(), self.attempts.get(&at).map_or(0, Vec::len));
                }
            }
            Event::GoAhead { partition, .. } => {
                self.nothing_on_screen();
                self.gone_ahead.push(partition.to_string());
            }
            Event::RolledBack { partition, .. } => self.rolled_back.push(partition.to_string()),
            Event::Stopped { .. } => self.stopped = true,
            _ => {}
        }
    }
}
