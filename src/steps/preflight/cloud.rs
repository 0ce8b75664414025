//! AWS: who we are, for how long, and whether what the steps will change accepts a change.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::cluster::DESCRIBE;
use super::super::diagnosis;
use super::{Judged, Look, Verdicts};
use crate::clients::aws::{SessionEnd, profile_exists};
use crate::clients::cloudformation::StackView;
use crate::clients::identity::Caller;
use crate::clients::rds::ClusterView;
use crate::clock;
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;
use crate::runbook::plan::{Partition, StepKind};

pub(super) const STACKS: &str = "cloudformation:DescribeStacks";
const IDENTITY: &str = "sts:GetCallerIdentity";

/// What AWS itself allows a clock to be apart before it refuses every call.
const REFUSED_APART: SignedDuration = SignedDuration::from_mins(5);

/// STS answers, with the partition's account.
pub(super) async fn identity(look: &Look) -> Verdicts {
    if let Some(profile) = &look.partition.aws.profile
        && !profile_exists(profile).await
    {
        return Ok(Judged::Fails(
            Finding::of("profile-missing", format!("the AWS configuration has no profile {profile}"))
                .because(Evidence::now("AWS configuration", format!("no [profile {profile}]")))
                .meaning("nothing of this partition can be looked at or fired")
                .way_out(format!(
                    "aws configure sso --profile {profile}, or correct the rollout file; then check again"
                ))
                .again(),
        ));
    }
    let caller = look.tools.aws.identity.caller().await?;
    Ok(match another_account(&look.partition, &caller) {
        Some(finding) => Judged::Fails(finding),
        None => Judged::Holds(format!("account {}", caller.account)),
    })
}

/// Whoever is signed in to another account than the partition's may do nothing there.
pub(in crate::steps) fn another_account(partition: &Partition, caller: &Caller) -> Option<Finding> {
    let expected = partition.aws.account.as_ref().filter(|expected| **expected != caller.account)?;
    let profile = partition.aws.profile.as_deref().unwrap_or("the default profile");
    Some(
        Finding::of("wrong-account", format!("{profile} leads to account {}, not to {expected}", caller.account))
            .because(Evidence::now(IDENTITY, format!("account {}, {}", caller.account, caller.arn)))
            .meaning("nothing may be fired from here")
            .way_out(
                "correct the profile in the AWS configuration, or the account in the rollout file; then check again",
            )
            .again(),
    )
}

/// The script derives this profile by itself. Where it does not exist, the command line must override it.
pub(super) async fn derived_profile(profile: &str, overridden: bool) -> Judged {
    if profile_exists(profile).await {
        return Judged::Holds("exists".to_owned());
    }
    let finding =
        Finding::of("profile-missing", format!("the script derives the profile {profile}, which does not exist"))
            .because(Evidence::now("AWS configuration", format!("no [profile {profile}]")));
    if overridden {
        let finding = finding
            .meaning("left to itself the script would fail; the step gives it --profile and --region")
            .way_out("nothing: the command line overrides it");
        return Judged::Provided("does not exist; the command line overrides it".to_owned(), finding);
    }
    Judged::Fails(
        finding
            .meaning("the script would fail at once")
            .way_out(
                "give --profile and --region on the command line of the step, or add the profile; then check again",
            )
            .again(),
    )
}

/// The session lasts until the window closes; without a window, for as long as the partition's steps usually take.
pub(super) async fn session(look: &Look) -> Judged {
    let Some(session) = &look.tools.aws.session else {
        return Judged::Mind(
            "cannot be known: no profile is named, so the SDK finds the keys by itself".to_owned(),
            None,
        );
    };
    let (at, renews, source) = match session.end().await {
        SessionEnd::At { at, renews, source } => (at, renews, source),
        SessionEnd::Unknown { why } => return Judged::Mind(format!("cannot be known: {why}"), None),
    };
    let needed = needed_until(&look.partition);
    let told = |at: Timestamp| at.to_zoned(look.zone()).strftime("%d %b %H:%M").to_string();
    if at >= needed {
        return Judged::Holds(format!("until {}, by {source}", told(at)));
    }
    if renews {
        return Judged::Holds(format!("until {}, by {source}, which renews itself", told(at)));
    }
    Judged::Mind(
        format!(
            "ends {}, by {source}, before the work is done ({}): sign in again before it begins",
            told(at),
            told(needed)
        ),
        None,
    )
}

fn needed_until(partition: &Partition) -> Timestamp {
    if let Some(window) = partition.window.as_ref().filter(|window| window.to > clock::now()) {
        return window.to;
    }
    let usual: Duration = partition.steps.iter().filter_map(|step| step.expected).sum();
    clock::now() + SignedDuration::try_from(usual).unwrap_or(SignedDuration::ZERO)
}

/// The stacks that the command step will update accept an update. One that is not there yet will be made.
pub(super) async fn stacks(look: &Look) -> Verdicts {
    let wanted: Vec<&String> = look
        .partition
        .steps
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Command(spec) => Some(&spec.stacks),
            _ => None,
        })
        .flatten()
        .collect();
    let all = look.tools.aws.cloudformation.stacks().await?;
    let found: Vec<&StackView> =
        wanted.iter().filter_map(|name| all.iter().find(|stack| stack.name == **name)).collect();
    let closed: Vec<&StackView> = found.iter().copied().filter(|stack| !accepts_update(&stack.status)).collect();
    let Some(first) = closed.first() else {
        let missing = wanted.len() - found.len();
        let new = if missing == 0 { String::new() } else { format!(", {missing} will be made") };
        return Ok(Judged::Holds(format!("{} accept an update{new}", found.len())));
    };
    let list = closed.iter().map(|stack| format!("{} {}", stack.name, stack.status)).collect::<Vec<_>>().join(", ");
    let evidence = match &first.reason {
        Some(reason) => Evidence::now(STACKS, format!("{list}: {reason}")),
        None => Evidence::now(STACKS, list.clone()),
    };
    let finding = |situation: Option<&str>| {
        let cause = format!("{list}: CloudFormation takes no update in that state");
        let finding = situation.map_or_else(|| Finding::unknown(&cause), |name| Finding::of(name, &cause));
        finding.because(evidence.clone()).meaning("step 2 would fail on it")
    };
    Ok(Judged::Fails(if closed.iter().any(|stack| stack.status == "UPDATE_ROLLBACK_FAILED") {
        finding(Some("rollback-failed"))
            .way_out("continue its rollback, once what made it fail is mended; then check again")
            .lever("continue-rollback", None)
            .again()
    } else if closed.iter().any(|stack| stack.is_in_progress()) {
        finding(None).way_out("wait until whoever deploys is done; then check again").again_after(look.step.retry_after)
    } else {
        finding(None).way_out("look at the stack's events; it must be mended or deleted; then check again").again()
    }))
}

/// Whether CloudFormation takes an update of a stack in that state.
fn accepts_update(status: &str) -> bool {
    matches!(
        status,
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
    )
}

/// Database Insights is as the template assumes it.
pub(super) async fn insights(look: &Look) -> Verdicts {
    let cluster = look.cluster().await?;
    Ok(match advanced_insights(look, &cluster) {
        Some(finding) => Judged::Fails(finding),
        None => Judged::Holds(insights_seen(&cluster)),
    })
}

/// The mode and the retention, as RDS answers them; the mode is left out where it is the standard one.
fn insights_seen(cluster: &ClusterView) -> String {
    let days = cluster.insights_retention_days.map_or_else(|| "no retention".to_owned(), |days| format!("{days} days"));
    format!("{}, {days}", cluster.insights_mode.as_deref().unwrap_or("standard"))
}

/// In the log this drift cost an hour of recovery: advanced mode refuses the template's retention, and the rollback as well.
pub(in crate::steps) fn advanced_insights(look: &Look, cluster: &ClusterView) -> Option<Finding> {
    let target = &look.partition.cluster;
    let template = target.insights_mode.as_deref().filter(|template| *template == "standard")?;
    cluster.insights_mode.as_deref().filter(|mode| *mode == "advanced")?;
    let wanted = target.insights_retention_days.map_or_else(String::new, |days| format!(", {days} days"));
    let finding = Finding::of("insights-advanced", format!("{} is in Database Insights advanced", target.id))
        .because(Evidence::now(DESCRIBE, format!("DatabaseInsightsMode {}", insights_seen(cluster))))
        .meaning(format!(
            "the template sets {template}{wanted}; advanced mode demands 465 days and refuses that, and the rollback as well"
        ))
        .way_out(format!(
            "aws rds modify-db-cluster --db-cluster-identifier {} --database-insights-mode standard --apply-immediately",
            target.id
        ))
        .lever("insights-standard", None);
    Some(diagnosis::with_guide(look, finding))
}

/// This machine's clock and that of AWS agree: AWS refuses what is signed at another time, and times are compared.
pub(super) async fn clock(look: &Look, apart: Duration) -> Verdicts {
    let ahead = look.tools.aws.identity.clock_ahead().await?;
    // The date in an answer has whole seconds.
    let off = ahead.abs() - SignedDuration::from_secs(1);
    let seen = format!("{:.0} s {}", ahead.as_secs_f64().abs(), if ahead.is_negative() { "behind" } else { "ahead" });
    if off <= SignedDuration::try_from(apart).unwrap_or(SignedDuration::MAX) {
        return Ok(Judged::Holds(format!("within {} s", apart.as_secs().max(1))));
    }
    if off < REFUSED_APART {
        return Ok(Judged::Mind(format!("{seen} of AWS: the times of events and of logs will not fit"), None));
    }
    Ok(Judged::Fails(
        Finding::unknown(format!("this machine's clock is {seen} of that of AWS"))
            .because(Evidence::now(IDENTITY, format!("Date header, {seen}")))
            .meaning("AWS refuses calls that are signed at another time")
            .way_out("have the clock set by its time service; then check again")
            .again(),
    ))
}
