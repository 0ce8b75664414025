//! Levers: what can be done about trouble, and whether it can be done now.
//!
//! A lever stands in the plan beside the steps and is fired as they are: confirmation, intent on disk, call, an effect that
//! is witnessed. It differs in its gate: it waits for no step before it, may be pulled again, and some are gone for good
//! once something else was done.

use serde::{Deserialize, Serialize};

use super::gate::Lock;
use super::names::{StepId, StepRef};
use super::plan::{CommandSpec, Partition, SnapshotSpec, Step, StepKind};
use super::state::{ActionRun, Attempt, Run, StepState};

/// What a lever does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lever {
    /// Signs in to AWS SSO, in a terminal that the operator sees and types into.
    SignInAws {
        /// The profile.
        profile: String,
    },
    /// Signs in to 1Password, likewise.
    SignInOp,
    /// Deletes the snapshot that stands in the way, and takes it anew.
    RetakeSnapshot(SnapshotSpec),
    /// Sets Database Insights to standard, so that the template's retention is accepted.
    InsightsStandard,
    /// Has CloudFormation go on with a rollback that failed.
    ContinueRollback {
        /// The stacks whose rollback it may go on with.
        stacks: Vec<String>,
    },
    /// Runs the deploying script again without going back to its step: what rests on that step stays done.
    RunAgain(CommandSpec),
    /// Sets one parameter in the cluster's parameter group to the value that the runbook expects, at once.
    HotPatch,
    /// Sets one parameter in the group back to the engine's default; the way that is left once the snapshot is gone.
    Neutralise,
    /// Applies an instance's queued changes now.
    FlushInstance,
    /// Restarts an instance.
    RebootInstance,
    /// Fails over to the former writer.
    FailBack,
    /// Replaces the application's pods.
    RolloutRestart {
        /// Name of the deployment.
        deployment: String,
    },
    /// Takes the chart back to the revision before.
    HelmRollback {
        /// Name of the release.
        release: String,
    },
    /// Makes a new cluster from the snapshot; the last resort.
    Restore(SnapshotSpec),
}

impl Lever {
    /// Its name, which is also its identifier in the plan.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SignInAws { .. } => "sign-in-aws",
            Self::SignInOp => "sign-in-op",
            Self::RetakeSnapshot(_) => "retake-snapshot",
            Self::InsightsStandard => "insights-standard",
            Self::ContinueRollback { .. } => "continue-rollback",
            Self::RunAgain(_) => "run-again",
            Self::HotPatch => "hot-patch",
            Self::Neutralise => "neutralise",
            Self::FlushInstance => "flush-instance",
            Self::RebootInstance => "reboot-instance",
            Self::FailBack => "fail-back",
            Self::RolloutRestart { .. } => "rollout-restart",
            Self::HelmRollback { .. } => "helm-rollback",
            Self::Restore(_) => "restore",
        }
    }

    /// Whether it only signs in: it changes nothing of the rollout's, and may be pulled while a step waits for it.
    pub fn signs_in(&self) -> bool {
        matches!(self, Self::SignInAws { .. } | Self::SignInOp)
    }
}

impl Run {
    /// The levers of a partition with their gates, in the plan's order.
    pub fn levers<'a>(&'a self, partition: &'a Partition) -> impl Iterator<Item = (&'a Step, Result<(), Vec<Lock>>)> {
        partition.levers.iter().map(|lever| {
            let reference = partition.reference(&lever.id);
            (lever, self.gate(&reference))
        })
    }

    /// Every reason why a lever may not be pulled now, as far as the run itself can say. That the rollout was stopped or the
    /// partition rolled back is none: that is when levers are needed.
    pub(super) fn lever_locks(&self, reference: &StepRef, lever: &Lever) -> Vec<Lock> {
        let mut locks = Vec::new();
        if lever.signs_in() {
            let another = self.under_way().find(|(other, _)| self.signs_in(other));
            locks.extend(another.map(|(other, _)| Lock::Busy(other)));
            return locks;
        }
        locks.extend(self.history_lock(reference, lever));
        locks.extend(self.go_ahead_lock(&reference.partition));
        locks.extend(self.busy_lock());
        locks
    }

    /// What the run's past says about a lever: not yet, or no more.
    fn history_lock(&self, reference: &StepRef, lever: &Lever) -> Option<Lock> {
        let not_yet = |why: &str| Some(Lock::NotYet(why.to_owned()));
        let deleted = self.acted(reference, |kind| matches!(kind, StepKind::DeleteSnapshot(_)));
        match lever {
            Lever::RetakeSnapshot(_) => gone(deleted, "the snapshot was deleted at the rollout's end"),
            Lever::Restore(spec) => gone(deleted, "the snapshot was deleted").or_else(|| {
                let taken = self.passed(reference, |kind| matches!(kind, StepKind::Snapshot(_)));
                if taken { None } else { not_yet(&format!("there is no snapshot {} yet", spec.id)) }
            }),
            Lever::RunAgain(spec) => match self.acted(reference, |kind| matches!(kind, StepKind::Command(_))) {
                Some(_) => None,
                None => not_yet(&format!("{} has not run yet", spec.program)),
            },
            Lever::Neutralise if deleted.is_none() => {
                not_yet("while the snapshot is there, a wrong value is patched, and a lost cluster restored")
            }
            Lever::FailBack => match self.acted(reference, |kind| *kind == StepKind::Failover) {
                Some(_) => None,
                None => not_yet("nothing has failed over yet, so there is no former writer"),
            },
            // Whoever deployed it: a step that only watched what was done elsewhere has its chart to be taken back as well.
            Lever::HelmRollback { .. } if !self.fired(reference, |kind| matches!(kind, StepKind::Deploy(_))) => {
                not_yet("the chart has not been deployed yet")
            }
            _ => None,
        }
    }

    /// The last call of the partition's step of that kind that may have been carried out.
    fn acted(&self, reference: &StepRef, is: impl Fn(&StepKind) -> bool) -> Option<jiff::Timestamp> {
        let (planned, run) = (self.plan.partition(&reference.partition)?, self.partition(&reference.partition)?);
        let steps = planned.steps.iter().filter(|step| is(&step.kind));
        steps.filter_map(|step| last_act(&run.step(&step.id)?.attempts)).max()
    }

    fn fired(&self, reference: &StepRef, is: impl Fn(&StepKind) -> bool) -> bool {
        let steps = self.plan.partition(&reference.partition).into_iter().flat_map(|planned| &planned.steps);
        let mut runs =
            steps.filter(|step| is(&step.kind)).filter_map(|step| self.partition(&reference.partition)?.step(&step.id));
        runs.any(|run| !run.attempts.is_empty())
    }

    fn passed(&self, reference: &StepRef, is: impl Fn(&StepKind) -> bool) -> bool {
        let steps = self.plan.partition(&reference.partition).into_iter().flat_map(|planned| &planned.steps);
        let of_kind = steps.filter(|step| is(&step.kind));
        let there = |id: &StepId| reference.beside(id);
        of_kind.into_iter().any(|step| self.state_of(&there(&step.id)).is_behind())
    }

    /// How a lever's last pull went, for the pane; none if it was never pulled.
    pub fn pulled(&self, reference: &StepRef) -> Option<StepState> {
        let (_, _, run) = self.step(reference)?;
        run.attempts.last().map(Attempt::stands)
    }
}

fn gone(since: Option<jiff::Timestamp>, why: &str) -> Option<Lock> {
    since.map(|at| Lock::Gone { at, why: why.to_owned() })
}

fn last_act(attempts: &[Attempt]) -> Option<jiff::Timestamp> {
    let acted = |action: &&ActionRun| action.may_have_acted();
    let of_attempt = |attempt: &Attempt| {
        let called = attempt.actions.iter().filter(acted).map(|action| action.settled_at.unwrap_or(action.at)).max();
        called.or_else(|| attempt.program.as_ref().map(|program| program.at))
    };
    attempts.iter().filter_map(of_attempt).max()
}
