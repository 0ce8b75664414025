//! What happened in a run: decisions and their outcomes, the only thing that a journal keeps.
//!
//! Progress (a poll, a percentage, a sample of load) is not here: it is lossy and of the moment. What is here is enough
//! to know, after a crash, what was decided, what was sent, what was seen, and what is still unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check::{Check, Evidence, Precondition};
pub use super::finding::{Finding, Way};
pub use super::milestone::{Milestone, Moment};
use super::names::{InstanceId, PartitionName, RunId, StepId, StepRef};
pub use super::people::{Party, Person, Session};
use super::plan::Plan;
use super::witness::Witness;

/// An event with its place in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the run, from 1, without gaps.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// The run began; the whole plan is announced.
    RunStarted {
        /// The run's name.
        run: RunId,
        /// Everything that will be done.
        plan: Box<Plan>,
        /// Set where the site is simulated; the label on screen comes from here and decides nothing.
        simulated: bool,
    },
    /// A session took the controls.
    SessionOpened {
        /// Who and where.
        session: Session,
    },
    /// The session gave the controls back in good order.
    SessionClosed,
    /// The session gave the controls to another one, which had asked for them.
    HandedOver {
        /// Whose they were.
        from: String,
        /// Whose they are to be.
        to: Party,
    },
    /// A second person approved what the operator is about to confirm.
    Approved {
        /// The step in question.
        step: StepRef,
        /// Number of the confirmation that was approved.
        request: u64,
        /// [Digest](super::approval::digest) of exactly what was approved.
        digest: String,
        /// The second person, by the operating system.
        by: Person,
    },
    /// A confirmation is on the operator's screen.
    ConfirmationOpened {
        /// The step in question.
        step: StepRef,
        /// Number of the request; answers to another are stale.
        request: u64,
        /// What the operator sees.
        brief: Box<Brief>,
    },
    /// The operator did not fire.
    ConfirmationClosed {
        /// Number of the request.
        request: u64,
    },
    /// A step was fired.
    AttemptStarted {
        /// The step.
        step: StepRef,
        /// Its number, from 1.
        attempt: u32,
        /// Who fired it.
        by: String,
        /// What held at that moment; the gate refuses the event where one of them blocks.
        preconditions: Vec<Precondition>,
        /// The way that the operator chose, where the brief offered several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<String>,
    },
    /// A new session took a running attempt up again.
    AttemptResumed {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
    },
    /// A changing call is about to be made. On disk before the call goes out.
    Intent {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// The call.
        action: Action,
    },
    /// What became of a changing call.
    ActionSettled {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// Key of the intent that is settled.
        key: String,
        /// What became of it.
        outcome: ActionOutcome,
    },
    /// A program was started in a terminal of its own.
    ProgramStarted {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// Directory with its output and exit files.
        directory: String,
        /// Command line, without secrets.
        command_line: String,
    },
    /// The acts are done; the step now waits until what they should bring about is seen.
    Verifying {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
    },
    /// A check got its verdict, or another one than before.
    CheckSettled {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// The check.
        check: Check,
    },
    /// Something worth keeping was seen.
    Witnessed {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// What was seen.
        evidence: Evidence,
    },
    /// The writer moved, and nobody in this run had fired anything that moves it.
    FailoverNoticed {
        /// The partition.
        partition: PartitionName,
        /// Its first sign: T=0.
        zero: Timestamp,
        /// Writer before.
        from: InstanceId,
        /// Writer after.
        to: InstanceId,
        /// Who named the new writer first.
        by: Witness,
    },
    /// A failover was measured.
    FailoverMeasured {
        /// The partition.
        partition: PartitionName,
        /// The measurement.
        failover: FailoverMeasure,
    },
    /// The application was measured.
    AppMeasured {
        /// The partition.
        partition: PartitionName,
        /// The measurement.
        app: AppMeasure,
    },
    /// A known situation was met that does not end the attempt: it is waited out, worked around, or only worth knowing.
    Remarked {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// What it is.
        finding: Finding,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The step.
        step: StepRef,
        /// The attempt.
        attempt: u32,
        /// How.
        outcome: Outcome,
    },
    /// The operator passed over a step.
    StepSkipped {
        /// The step.
        step: StepRef,
        /// Why.
        reason: String,
        /// Who.
        by: String,
        /// What was on the screen when it was decided.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// A step that was behind us is to be taken again, and with it every step that rests on it.
    Reopened {
        /// The step.
        step: StepRef,
        /// Why.
        reason: String,
        /// Who.
        by: String,
        /// What was on the screen when it was decided.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// The operator's word that the next partition may begin.
    GoAhead {
        /// The partition that is done.
        partition: PartitionName,
        /// Who.
        by: String,
        /// A remark.
        note: Option<String>,
    },
    /// A note of the operator's.
    Noted {
        /// Where it belongs; none is the whole run.
        partition: Option<PartitionName>,
        /// The step it is about.
        step: Option<StepRef>,
        /// Who.
        by: String,
        /// What.
        text: String,
        /// What kind of note it is.
        note: NoteKind,
        /// What was on the screen when it was written; kept with a decision.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// A partition was taken back.
    RolledBack {
        /// The partition.
        partition: PartitionName,
        /// Who.
        by: String,
        /// How and why.
        reason: String,
        /// What was on the screen when it was decided.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        evidence: Vec<Evidence>,
    },
    /// The operator stopped the rollout; what has not run will not run.
    Stopped {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What kind of note it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteKind {
    /// Worth keeping.
    Remark,
    /// Something depended on it.
    Decision,
    /// Left to be done after the rollout.
    FollowUp,
}

/// What a confirmation shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// One sentence: what will be done to what.
    pub what: String,
    /// The exact calls, such as `rds:FailoverDBCluster`.
    pub calls: Vec<Call>,
    /// What holds now, each with its age.
    pub preconditions: Vec<Precondition>,
    /// What users feel.
    pub feels: Option<String>,
    /// What comes after.
    pub then: Option<String>,
    /// What takes it back.
    pub back: Option<String>,
    /// A name that must be typed; none for a plain confirmation.
    pub type_name: Option<String>,
    /// Whether it could be passed over, because it is found to be done already.
    pub already_done: Option<String>,
    /// Ways to do it, where there are several; the first is taken if the operator chooses none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
}

/// One of several ways to do a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Short name, as `exec --choice` takes it.
    pub id: String,
    /// In the operator's words.
    pub label: String,
}

/// One call and the command line that would do the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// `service:Operation`, or a program.
    pub operation: String,
    /// Where it goes: account, region, profile, context.
    pub target: String,
    /// The equivalent command line.
    pub command_line: String,
}

/// A changing call that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// What makes it one of a kind within the attempt, such as `reboot alpha002-dev-auroraclusterreader1`.
    pub key: String,
    /// The call.
    pub call: Call,
    /// What was seen just before, by which its effect is told apart from what was there already.
    pub before: BTreeMap<String, String>,
}

/// What became of a changing call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ActionOutcome {
    /// The other side took it.
    Accepted {
        /// The other side's request id or like mark.
        mark: Option<String>,
    },
    /// The other side refused it; nothing changed.
    Refused {
        /// Its error code.
        code: String,
        /// Its words.
        message: String,
    },
    /// No answer; looked up, and found to have been done.
    FoundDone {
        /// By what it was found.
        evidence: String,
    },
    /// No answer; looked up, and found not to have been done.
    FoundUndone {
        /// By what it was found.
        evidence: String,
    },
    /// No answer, and looking did not tell.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should.
    Passed,
    /// As it should, with something to mind.
    PassedWithWarnings {
        /// What to mind.
        warnings: Vec<String>,
    },
    /// It failed.
    Failed {
        /// What is wrong.
        finding: Finding,
    },
    /// Part of it is done; what is in place was listed as checks.
    Partial {
        /// What is wrong.
        finding: Finding,
    },
    /// It cannot be said yet, and is looked at again when another step is behind us.
    Deferred {
        /// The step after which it is looked at again.
        until: StepId,
        /// Why.
        reason: String,
    },
    /// It cannot be said what became of it: look before repeating.
    Unknown {
        /// What is known.
        finding: Finding,
    },
}

/// A measured failover.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailoverMeasure {
    /// T=0: when the call was accepted; of an unplanned one, its first sign.
    pub accepted_at: Timestamp,
    /// Writer before.
    pub from: InstanceId,
    /// Writer after.
    pub to: InstanceId,
    /// What was seen and when, after T=0.
    pub milestones: Vec<Milestone>,
    /// How long the writer endpoint did not take writes, and by how much that may be off; none if it was not asked.
    pub disruption: Option<Disruption>,
    /// Whether nobody fired it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unplanned: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The window between the last good and the first good answer of the writer endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disruption {
    /// Its length.
    pub length: Duration,
    /// By how much it may be off, either way.
    pub uncertainty: Duration,
}

impl fmt::Display for Disruption {
    /// To the tenth, or to the hundredth where it is known that well: `11.8 s ±0.3 s`, `1.72 s ±0.04 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, off) = (self.length.as_secs_f64(), self.uncertainty.as_secs_f64());
        if off < 0.1 {
            write!(f, "{length:.2} s ±{:.2} s", off.max(0.01))
        } else {
            write!(f, "{length:.1} s ±{off:.1} s")
        }
    }
}

/// A measured application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppMeasure {
    /// How it was looked at: `browser`, `http`, or the operator's own verdict.
    pub by: String,
    /// Where the sign-in landed.
    pub landed: Option<String>,
    /// Navigation timings in milliseconds, by their name in the Performance API, in the order to print.
    pub timings: Vec<(String, u64)>,
    /// Backend requests.
    pub requests: Vec<AppRequest>,
    /// Errors on the console.
    pub console_errors: Vec<String>,
    /// What is odd but no failure.
    pub anomalies: Vec<String>,
    /// File with the screenshot.
    pub screenshot: Option<String>,
}

impl AppMeasure {
    /// The requests slower than a threshold, slowest first.
    pub fn slower_than(&self, threshold: Duration) -> Vec<&AppRequest> {
        let slower = |request: &&AppRequest| u128::from(request.millis) > threshold.as_millis();
        let mut slow: Vec<_> = self.requests.iter().filter(slower).collect();
        slow.sort_by_key(|request| std::cmp::Reverse(request.millis));
        slow
    }

    /// The median of the requests' durations; of two in the middle their mean.
    pub fn median(&self) -> Option<u64> {
        let mut millis: Vec<_> = self.requests.iter().map(|request| request.millis).collect();
        millis.sort_unstable();
        let upper = *millis.get(millis.len() / 2)?;
        let even = millis.len().is_multiple_of(2);
        Some(if even { (millis[millis.len() / 2 - 1] + upper) / 2 } else { upper })
    }
}

/// One backend request of the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRequest {
    /// HTTP method.
    pub method: String,
    /// Path, or host for a foreign one.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// Duration in milliseconds.
    pub millis: u64,
}

impl Event {
    /// The step that the event is about, if it is about one.
    pub fn step(&self) -> Option<&StepRef> {
        match self {
            Self::ConfirmationOpened { step, .. }
            | Self::Approved { step, .. }
            | Self::AttemptStarted { step, .. }
            | Self::AttemptResumed { step, .. }
            | Self::Intent { step, .. }
            | Self::ActionSettled { step, .. }
            | Self::ProgramStarted { step, .. }
            | Self::Verifying { step, .. }
            | Self::CheckSettled { step, .. }
            | Self::Witnessed { step, .. }
            | Self::Remarked { step, .. }
            | Self::Reopened { step, .. }
            | Self::AttemptEnded { step, .. }
            | Self::StepSkipped { step, .. } => Some(step),
            Self::Noted { step, .. } => step.as_ref(),
            Self::RunStarted { .. }
            | Self::SessionOpened { .. }
            | Self::SessionClosed
            | Self::HandedOver { .. }
            | Self::ConfirmationClosed { .. }
            | Self::FailoverNoticed { .. }
            | Self::FailoverMeasured { .. }
            | Self::AppMeasured { .. }
            | Self::GoAhead { .. }
            | Self::RolledBack { .. }
            | Self::Stopped { .. } => None,
        }
    }
}
