//! The second person: what a step asks for that nobody may fire alone.
//!
//! An approval is of exactly one proposal: the confirmation that is on the operator's screen, with the very calls that it
//! shows. The gate asks for it at the moment of firing, so that nothing else than what was approved is fired by it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::event::{Brief, Person};
use super::gate::Refusal;
use super::names::{RunId, StepRef};
use super::state::{Confirming, Run};

/// How long an approval counts.
pub const HOLDS: Duration = Duration::from_secs(10 * 60);

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// When it was written down.
    pub at: Timestamp,
    /// Who gave it.
    pub by: Person,
    /// Of what: see [`digest`].
    pub digest: String,
}

/// What identifies a proposal: the run, the step, the request, and everything that would be sent, where to, with every way
/// that is offered. SHA-256, in hexadecimal.
///
/// The ages of what holds are not in it: they change while it is read, and the gate looks at them anew.
pub fn digest(run: &RunId, step: &StepRef, request: u64, brief: &Brief) -> String {
    let mut hash = Sha256::new();
    let mut take = |text: &str| {
        // Its length goes before each text, so that no two proposals read the same.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    take("aurora-cockpit approval 1");
    take(run.as_str());
    take(step.partition.as_str());
    take(step.step.as_str());
    take(&request.to_string());
    take(&brief.what);
    take(&brief.calls.len().to_string());
    for call in &brief.calls {
        [&call.operation, &call.target, &call.command_line].into_iter().for_each(|text| take(text));
    }
    for choice in &brief.choices {
        [&choice.id, &choice.label].into_iter().for_each(|text| take(text));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Run {
    /// Whether a step is fired only with the approval of a second person.
    pub fn wants_approval(&self, step: &StepRef) -> bool {
        self.step(step).is_some_and(|(_, planned, _)| planned.second_person)
    }

    /// The confirmation that waits for a second person's approval, with its digest.
    pub fn to_approve(&self) -> Option<(&Confirming, String)> {
        let confirming = self.confirming.as_ref()?;
        let waits = confirming.approved.is_none() && self.wants_approval(&confirming.step);
        waits.then(|| (confirming, digest(&self.id, &confirming.step, confirming.request, &confirming.brief)))
    }

    /// Whether that user may approve what is on the operator's screen; else why not.
    ///
    /// # Errors
    /// The reason, in the operator's words.
    pub fn may_approve(&self, by: &Person) -> Result<(), String> {
        if let Some(approved) = self.confirming.as_ref().and_then(|confirming| confirming.approved.as_ref()) {
            return Err(format!("{} has approved it", approved.by));
        }
        if self.to_approve().is_none() {
            return Err("nothing waits for an approval".to_owned());
        }
        match self.session.as_ref().and_then(|session| session.user.as_ref()) {
            None => Err("it is not known who operates, so that nobody is known to be a second person".to_owned()),
            Some(operator) if operator.uid == by.uid => {
                Err(format!("{operator} operates this run: the second person must be another user of the system"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether an approval may be written down.
    pub(super) fn admits_approval(
        &self,
        step: &StepRef,
        request: u64,
        approved: &str,
        by: &Person,
    ) -> Result<(), Refusal> {
        let refused = |why: String| Err(Refusal::NotApproved { step: step.clone(), why });
        if let Err(why) = self.may_approve(by) {
            return refused(why);
        }
        match self.to_approve() {
            Some((confirming, digest))
                if confirming.step == *step && confirming.request == request && digest == approved =>
            {
                Ok(())
            }
            _ => refused(format!("{by} approved something else than what is on the operator's screen now")),
        }
    }

    /// Whether a step has the approval that it asks for.
    pub(super) fn is_approved(&self, step: &StepRef, now: Timestamp) -> Result<(), Refusal> {
        if !self.wants_approval(step) {
            return Ok(());
        }
        let refused = |why: String| Err(Refusal::NotApproved { step: step.clone(), why });
        let confirming = self.confirming.as_ref().filter(|confirming| confirming.step == *step);
        let Some(approval) = confirming.and_then(|confirming| confirming.approved.as_ref()) else {
            return refused(
                "it waits for the approval of a second person: another user, in `aurora-cockpit monitor`".to_owned(),
            );
        };
        // One from the future was given by a clock that was set back since: its age is not known.
        let age = now.duration_since(approval.at).abs();
        if age > SignedDuration::try_from(HOLDS).unwrap_or(SignedDuration::MAX) {
            let minutes = HOLDS.as_secs() / 60;
            let by = &approval.by;
            return refused(format!("{by} approved it more than {minutes} min ago; cancel, and ask for it again"));
        }
        Ok(())
    }
}
