//! The levers of a partition: they follow from what the rollout file declares, so that it need not name them.

use std::time::Duration;

use crate::runbook::lever::Lever;
use crate::runbook::names::StepId;
use crate::runbook::plan::{CommandSpec, ConfirmRule, DeployBy, Partition, Prerequisite, SecretSource, Step, StepKind};

/// Everything that could be done about trouble in this partition, in the order in which a pane lists it.
pub(super) fn levers(partition: &Partition) -> Vec<Step> {
    let kinds = || partition.steps.iter().map(|step| &step.kind);
    let mut levers = Vec::new();
    levers.extend(partition.aws.profile.clone().map(|profile| Lever::SignInAws { profile }));
    if uses_op(partition) {
        levers.push(Lever::SignInOp);
    }
    let snapshot = kinds().find_map(|kind| match kind {
        StepKind::Snapshot(spec) => Some(spec.clone()),
        _ => None,
    });
    levers.extend(snapshot.clone().map(Lever::RetakeSnapshot));
    let stacks: Vec<String> = kinds().filter_map(command).flat_map(|spec| spec.stacks.clone()).collect();
    if !stacks.is_empty() {
        levers.push(Lever::ContinueRollback { stacks });
    }
    levers.extend(kinds().find_map(command).cloned().map(Lever::RunAgain));
    if partition.cluster.insights_mode.is_some() {
        levers.push(Lever::InsightsStandard);
    }
    if kinds().any(|kind| matches!(kind, StepKind::VerifySql(_))) {
        levers.extend([Lever::HotPatch, Lever::Neutralise]);
    }
    levers.extend([Lever::FlushInstance, Lever::RebootInstance]);
    if kinds().any(|kind| *kind == StepKind::Failover) {
        levers.push(Lever::FailBack);
    }
    for spec in kinds().filter_map(|kind| if let StepKind::Deploy(spec) = kind { Some(spec) } else { None }) {
        levers.push(Lever::RolloutRestart { deployment: spec.deployment.clone() });
        if let DeployBy::Helm { release, .. } = &spec.by {
            levers.push(Lever::HelmRollback { release: release.clone() });
        }
    }
    levers.extend(snapshot.map(Lever::Restore));
    levers.into_iter().zip('a'..='z').map(|(lever, label)| step(partition, lever, label)).collect()
}

fn command(kind: &StepKind) -> Option<&CommandSpec> {
    if let StepKind::Command(spec) = kind { Some(spec) } else { None }
}

/// Whether anything here is read from 1Password.
fn uses_op(partition: &Partition) -> bool {
    let checked = partition.steps.iter().any(|step| match &step.kind {
        StepKind::Preflight(spec) => {
            spec.checks.iter().any(|check| matches!(check, Prerequisite::OpSignedIn | Prerequisite::OpItem { .. }))
        }
        _ => false,
    });
    let password = partition.sql.as_ref().is_some_and(|sql| matches!(sql.password, SecretSource::Op(_)));
    checked || password || partition.application.as_ref().is_some_and(|application| application.credentials.is_some())
}

fn step(partition: &Partition, lever: Lever, label: char) -> Step {
    let guarded = partition.production && !lever.signs_in();
    let words = words(&lever);
    Step {
        id: StepId::new(lever.name()),
        label: label.to_string(),
        title: words.title.to_owned(),
        needs: Vec::new(),
        confirm: if guarded { ConfirmRule::Type(partition.cluster.id.clone()) } else { ConfirmRule::Plain },
        second_person: false,
        expected: Some(Duration::from_secs(words.seconds)),
        limit: Duration::from_secs(words.limit_minutes * 60),
        stuck_after: Duration::from_secs(5 * 60),
        retry_after: Duration::from_secs(60),
        impact: Some(words.costs.to_owned()),
        way_back: Some(words.back.to_owned()),
        guide: None,
        kind: StepKind::Lever(lever),
    }
}

/// What a lever is called, what it costs, what takes it back, and how long it takes.
struct Words {
    title: &'static str,
    costs: &'static str,
    back: &'static str,
    seconds: u64,
    limit_minutes: u64,
}

fn words(lever: &Lever) -> Words {
    let say = |title, costs, back, seconds, limit_minutes| Words { title, costs, back, seconds, limit_minutes };
    match lever {
        Lever::SignInAws { .. } => say("Sign in to AWS", "Nothing: a session is renewed.", "Sign out.", 30, 15),
        Lever::SignInOp => say("Sign in to 1Password", "Nothing: a session is renewed.", "Sign out.", 30, 15),
        Lever::RetakeSnapshot(_) => say(
            "Delete the old snapshot and retake it",
            "The old snapshot is gone: make sure that nobody counts on it. Traffic goes on.",
            "Nothing brings the old snapshot back.",
            300,
            45,
        ),
        Lever::InsightsStandard => say(
            "Database Insights to standard",
            "Insights older than the standard retention are lost. Traffic goes on.",
            "Set the mode to advanced again; what was lost stays lost.",
            120,
            15,
        ),
        Lever::ContinueRollback { .. } => say(
            "Continue the stack's rollback",
            "Nothing that was not being taken back already.",
            "Deploy again.",
            120,
            30,
        ),
        Lever::RunAgain(_) => say(
            "Run the deploying script again",
            "What is in place already is not made twice. What the template changes anew is applied as in its step.",
            "CloudFormation rolls a failed stack back by itself.",
            330,
            45,
        ),
        Lever::HotPatch => say(
            "Patch a parameter in the group",
            "The value is live at once on every instance. The template does not know of it: fix it there too.",
            "Patch it back.",
            60,
            10,
        ),
        Lever::Neutralise => say(
            "Neutralise a parameter",
            "The parameter goes back to the engine's default; a static one does so with the next restart.",
            "Patch the value in again.",
            60,
            10,
        ),
        Lever::FlushInstance => say(
            "Flush an instance",
            "The instance restarts with what is queued. On the writer: no writes for 10 to 35 s, and longer with another class.",
            "Modify it back; that restarts it again.",
            450,
            20,
        ),
        Lever::RebootInstance => say(
            "Reboot an instance",
            "A reader: its connections. The writer: no writes for 10 to 15 s.",
            "None is needed.",
            65,
            20,
        ),
        Lever::FailBack => say(
            "Fail back to the former writer",
            "The writer endpoint takes no writes for 10 to 35 s.",
            "Fail over again.",
            40,
            10,
        ),
        Lever::RolloutRestart { .. } => say(
            "Restart the deployment",
            "Pods are replaced one after the other; requests in flight on the old ones finish or fail.",
            "None is needed: the pods are the same, only new.",
            70,
            10,
        ),
        Lever::HelmRollback { .. } => say(
            "Take the chart back",
            "The application runs the revision before. The cluster keeps its new parameters, which the old chart does not mind.",
            "Deploy the chart again.",
            70,
            10,
        ),
        Lever::Restore(_) => say(
            "Restore from the snapshot",
            "A new cluster is made, without what was written since the snapshot, and the application must be pointed at it: hours.",
            "Delete the new cluster.",
            1800,
            180,
        ),
    }
}
