//! The fold: the one place where a run changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;

use super::approval::Approval;
use super::check::Evidence;
use super::decision::{Decided, Decision};
use super::event::{Event, FailoverMeasure, NoteKind, Record};
use super::names::{PartitionName, StepRef};
use super::state::{ActionRun, Attempt, Confirming, HandOver, Note, PartitionRun, ProgramRun, Run, StepRun, Word};

/// A sequence of events that is no run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoldError {
    /// The first event does not announce a plan.
    #[error("the first event is not the start of a run")]
    NoStart,
    /// An event is missing.
    #[error("event {expected} is missing: {found} follows {last}", last = .expected - 1)]
    Gap {
        /// The event that should follow.
        expected: u64,
        /// The one that does.
        found: u64,
    },
    /// An event speaks of something that is not there.
    #[error("event {seq} does not fit what came before it: {why}")]
    Misfit {
        /// Its position.
        seq: u64,
        /// Why.
        why: String,
    },
}

impl Run {
    /// Folds a whole run.
    ///
    /// # Errors
    /// If the records are not a run from its start.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Result<Self, FoldError> {
        let mut records = records.into_iter();
        let mut run = Self::begin(records.next().ok_or(FoldError::NoStart)?)?;
        for record in records {
            run.apply(record)?;
        }
        Ok(run)
    }

    /// A run from its first record.
    ///
    /// # Errors
    /// If it is not the first record of a run.
    pub fn begin(record: Record) -> Result<Self, FoldError> {
        let Record { seq: 1, at, event: Event::RunStarted { run, plan, simulated } } = record else {
            return Err(FoldError::NoStart);
        };
        let places = plan.partitions.iter().enumerate();
        let places = places.map(|(place, partition)| (partition.name.clone(), place)).collect();
        let partitions = plan
            .partitions
            .iter()
            .map(|partition| PartitionRun {
                name: partition.name.clone(),
                steps: partition.steps.iter().map(|step| StepRun::untouched(step.id.clone())).collect(),
                levers: partition.levers.iter().map(|lever| StepRun::untouched(lever.id.clone())).collect(),
                go_ahead: None,
                rolled_back: None,
                failovers: Vec::new(),
                app: None,
            })
            .collect();
        Ok(Self {
            id: run,
            plan: *plan,
            simulated,
            seq: 1,
            started_at: at,
            last_at: at,
            session: None,
            sessions: Vec::new(),
            handed_to: None,
            handovers: Vec::new(),
            partitions,
            confirming: None,
            last_request: 0,
            notes: Vec::new(),
            decisions: Vec::new(),
            stopped: None,
            places,
            active: BTreeSet::new(),
        })
    }

    /// Takes in one record. One that was taken in before changes nothing, so that a source may repeat itself.
    ///
    /// # Errors
    /// If a record is missing before it, or if it speaks of something that is not there; the run is as it was.
    pub fn apply(&mut self, record: Record) -> Result<(), FoldError> {
        let Record { seq, at, event } = record;
        if seq <= self.seq {
            return Ok(());
        }
        if seq != self.seq + 1 {
            return Err(FoldError::Gap { expected: self.seq + 1, found: seq });
        }
        let place = match &event {
            Event::AttemptStarted { step, .. } | Event::AttemptEnded { step, .. } => self.place(&step.partition),
            _ => None,
        };
        self.take(at, event).map_err(|why| FoldError::Misfit { seq, why })?;
        if let Some(place) = place {
            self.note_activity(place);
        }
        self.seq = seq;
        self.last_at = at;
        Ok(())
    }

    fn note_activity(&mut self, place: usize) {
        if self.partitions.get(place).is_some_and(PartitionRun::is_active) {
            self.active.insert(place);
        } else {
            self.active.remove(&place);
        }
    }

    fn take(&mut self, at: jiff::Timestamp, event: Event) -> Result<(), String> {
        match event {
            Event::RunStarted { .. } => return Err("the run had started".to_owned()),
            Event::SessionOpened { session } => {
                // Nobody sees the former session's dialog any more.
                self.confirming = None;
                self.sessions.push((at, session.clone()));
                self.session = Some(session);
                self.handed_to = None;
            }
            Event::SessionClosed => {
                self.confirming = None;
                self.session = None;
            }
            Event::HandedOver { from, to } => {
                self.confirming = None;
                self.session = None;
                self.handed_to = Some(to.clone());
                self.handovers.push(HandOver { at, from, to });
            }
            Event::Approved { step, request, digest, by } => {
                let confirming = self.confirming.as_mut().filter(|open| open.step == step && open.request == request);
                let confirming = confirming.ok_or_else(|| format!("{step}: no confirmation {request} to approve"))?;
                confirming.approved = Some(Approval { at, by, digest });
            }
            Event::ConfirmationOpened { step, request, brief } => {
                self.step_mut(&step)?;
                self.last_request = request;
                self.confirming = Some(Confirming { step, request, brief: *brief, at, approved: None });
            }
            Event::ConfirmationClosed { request } => {
                self.confirming.take_if(|confirming| confirming.request == request);
            }
            Event::AttemptStarted { step, attempt, by, preconditions, choice } => {
                let mut begun = Attempt::begun(attempt, by, at, preconditions, choice);
                let confirmed = self.confirming.as_ref().filter(|confirming| confirming.step == step);
                begun.approved = confirmed.and_then(|confirming| confirming.approved.clone());
                self.step_mut(&step)?.attempts.push(begun);
                self.confirming = None;
            }
            Event::AttemptResumed { step, attempt } => self.attempt_mut(&step, attempt)?.resumed_at.push(at),
            Event::Intent { step, attempt, action } => {
                let actions = &mut self.attempt_mut(&step, attempt)?.actions;
                actions.retain(|earlier| earlier.action.key != action.key);
                actions.push(ActionRun { action, at, outcome: None, settled_at: None });
            }
            Event::ActionSettled { step, attempt, key, outcome } => {
                // A former attempt's as well: a later one looked up what had become of it.
                let attempts = &mut self.step_mut(&step)?.attempts;
                let attempt = attempts.iter_mut().find(|each| each.number == attempt);
                let actions = attempt.into_iter().flat_map(|attempt| &mut attempt.actions);
                let action = actions.into_iter().find(|action| action.action.key == key);
                let action = action.ok_or_else(|| format!("{step}: no intent {key}"))?;
                action.outcome = Some(outcome);
                action.settled_at = Some(at);
            }
            Event::ProgramStarted { step, attempt, directory, command_line } => {
                self.attempt_mut(&step, attempt)?.program = Some(ProgramRun { directory, command_line, at });
            }
            Event::Verifying { step, attempt } => self.attempt_mut(&step, attempt)?.verifying = true,
            Event::CheckSettled { step, attempt, check } => {
                let checks = &mut self.attempt_mut(&step, attempt)?.checks;
                match checks.iter_mut().find(|known| known.id == check.id) {
                    Some(known) => *known = check,
                    None => checks.push(check),
                }
            }
            Event::Witnessed { step, attempt, evidence } => self.attempt_mut(&step, attempt)?.evidence.push(evidence),
            Event::Remarked { step, attempt, finding } => self.attempt_mut(&step, attempt)?.remarks.push(finding),
            Event::FailoverNoticed { partition, zero, from, to, by: _ } => {
                let noticed = FailoverMeasure {
                    accepted_at: zero,
                    from,
                    to,
                    milestones: Vec::new(),
                    disruption: None,
                    unplanned: true,
                };
                self.partition_mut(&partition)?.failovers.push(noticed);
            }
            Event::FailoverMeasured { partition, failover } => {
                let failovers = &mut self.partition_mut(&partition)?.failovers;
                // Of an unplanned one the beginning was written down when it was noticed.
                failovers.retain(|known| {
                    !(known.unplanned && failover.unplanned && known.accepted_at == failover.accepted_at)
                });
                failovers.push(failover);
            }
            Event::AppMeasured { partition, app } => self.partition_mut(&partition)?.app = Some(app),
            Event::AttemptEnded { step, attempt, outcome } => {
                let attempt = self.attempt_mut(&step, attempt)?;
                attempt.ended_at = Some(at);
                attempt.outcome = Some(outcome);
            }
            Event::StepSkipped { step, reason, by, evidence } => {
                self.step_mut(&step)?.skipped = Some(Word { at, by: by.clone(), text: reason.clone() });
                self.confirming.take_if(|confirming| confirming.step == step);
                self.decide(Decided::Skipped, at, by, reason, evidence, (Some(step.partition.clone()), Some(step)));
            }
            Event::Reopened { step, reason, by, evidence } => {
                self.reopen(&step)?;
                self.decide(Decided::WentBack, at, by, reason, evidence, (Some(step.partition.clone()), Some(step)));
            }
            Event::GoAhead { partition, by, note } => {
                self.partition_mut(&partition)?.go_ahead = Some(Word { at, by, text: note.unwrap_or_default() });
                self.confirming = None;
            }
            Event::Noted { partition, step, by, text, note, evidence } => {
                if note == NoteKind::Decision {
                    let about = (partition.clone(), step.clone());
                    self.decide(Decided::Noted, at, by.clone(), text.clone(), evidence.clone(), about);
                }
                self.notes.push(Arc::new(Note { at, by, partition, step, text, kind: note, evidence }));
            }
            Event::RolledBack { partition, by, reason, evidence } => {
                let word = Word { at, by: by.clone(), text: reason.clone() };
                self.partition_mut(&partition)?.rolled_back = Some(word);
                self.decide(Decided::RolledBack, at, by, reason, evidence, (Some(partition), None));
            }
            Event::Stopped { by, reason } => {
                self.stopped = Some(Word { at, by: by.clone(), text: reason.clone() });
                self.decide(Decided::Stopped, at, by, reason, Vec::new(), (None, None));
            }
        }
        Ok(())
    }

    fn decide(
        &mut self,
        what: Decided,
        at: jiff::Timestamp,
        by: String,
        reason: String,
        evidence: Vec<Evidence>,
        (partition, step): (Option<PartitionName>, Option<StepRef>),
    ) {
        self.decisions.push(Decision { at, by, partition, step, what, reason, evidence });
    }

    fn partition_mut(&mut self, name: &PartitionName) -> Result<&mut PartitionRun, String> {
        let partition = self.partitions.iter_mut().find(|partition| &partition.name == name);
        partition.ok_or_else(|| format!("no partition {name}"))
    }

    fn step_mut(&mut self, step: &StepRef) -> Result<&mut StepRun, String> {
        let partition = self.partition_mut(&step.partition)?;
        let mut steps = partition.steps.iter_mut().chain(&mut partition.levers);
        steps.find(|run| run.id == step.step).ok_or_else(|| format!("no step {step}"))
    }

    /// Opens a step again, and every later one that rests on it.
    fn reopen(&mut self, first: &StepRef) -> Result<(), String> {
        for step in self.resting_on(first) {
            let run = self.step_mut(&step)?;
            run.reopened_after = run.attempts.len();
            run.skipped = None;
        }
        Ok(())
    }

    /// The step itself and every step of its partition that needs it, at first or at second hand.
    fn resting_on(&self, first: &StepRef) -> Vec<StepRef> {
        let mut found = vec![first.step.clone()];
        for step in self.plan.partition(&first.partition).into_iter().flat_map(|partition| &partition.steps) {
            if step.needs.iter().any(|need| found.contains(need)) && !found.contains(&step.id) {
                found.push(step.id.clone());
            }
        }
        found.into_iter().map(|step| StepRef { partition: first.partition.clone(), step }).collect()
    }

    fn attempt_mut(&mut self, step: &StepRef, number: u32) -> Result<&mut Attempt, String> {
        let last = self.step_mut(step)?.attempts.last_mut();
        last.filter(|attempt| attempt.number == number && attempt.outcome.is_none())
            .ok_or_else(|| format!("attempt {number} of {step} is not running"))
    }
}
