//! Decisions: where an operator left the straight way, and on what evidence.

use jiff::Timestamp;

use super::check::{Evidence, Verdict};
use super::event::{Finding, Outcome};
use super::names::{PartitionName, StepRef};
use super::state::{Attempt, Run};

/// A decision of an operator's.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// The partition it is about; none is the whole run.
    pub partition: Option<PartitionName>,
    /// The step it is about.
    pub step: Option<StepRef>,
    /// What was decided.
    pub what: Decided,
    /// Why, in the operator's words.
    pub reason: String,
    /// What was on the screen when it was taken.
    pub evidence: Vec<Evidence>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It was written down in words.
    Noted,
    /// A step was passed over.
    Skipped,
    /// A step that was behind is taken again.
    WentBack,
    /// The partition was taken back.
    RolledBack,
    /// The rollout was stopped.
    Stopped,
}

impl Decided {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noted => "decided",
            Self::Skipped => "skipped",
            Self::WentBack => "went-back",
            Self::RolledBack => "rolled-back",
            Self::Stopped => "stopped",
        }
    }

    /// Its words before what it is about.
    pub fn words(self) -> &'static str {
        match self {
            Self::Noted => "decided on",
            Self::Skipped => "skipped",
            Self::WentBack => "went back to",
            Self::RolledBack => "rolled back",
            Self::Stopped => "stopped",
        }
    }
}

impl Outcome {
    /// What is wrong, where something is.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Failed { finding } | Self::Partial { finding } | Self::Unknown { finding } => Some(finding),
            Self::Passed | Self::PassedWithWarnings { .. } | Self::Deferred { .. } => None,
        }
    }
}

impl Run {
    /// The attempt by which a step is in trouble now, and what is wrong; none where it is not in trouble.
    pub fn trouble(&self, step: &StepRef) -> Option<(&Attempt, &Finding)> {
        let (_, _, run) = self.step(step)?;
        let attempt = run.standing().filter(|_| run.skipped.is_none())?;
        Some((attempt, attempt.outcome.as_ref()?.finding()?))
    }

    /// What is on the screen of a step when something is decided about it: what its finding rests on, and the checks that
    /// do not hold.
    pub fn shown(&self, step: &StepRef) -> Vec<Evidence> {
        let Some((_, _, run)) = self.step(step) else { return Vec::new() };
        let Some(attempt) = run.standing() else { return Vec::new() };
        let finding = attempt.outcome.as_ref().and_then(Outcome::finding);
        let seen = finding.into_iter().flat_map(|finding| finding.evidence.iter().cloned());
        let failing = attempt.checks.iter().filter(|check| check.verdict == Verdict::Failed);
        let checks = failing.map(|check| {
            let seen = check.seen.as_deref().unwrap_or("not seen");
            let expected = check.expected.as_ref().map_or_else(String::new, |words| format!(", expected {words}"));
            Evidence { source: check.source.clone(), text: format!("{}: {seen}{expected}", check.label), at: check.at }
        });
        seen.chain(checks).collect()
    }
}
