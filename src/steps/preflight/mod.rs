//! Prerequisites: everything that later steps need and that can be known beforehand, for this partition and for those that
//! come after it. Each is looked at on its own: one that fails hides no other.

mod cloud;
mod machine;
mod tree;
mod vault;

use super::context::{Look, Noting, Stop};
use super::diagnosis;
use super::tools::Tools;
use crate::clients::database::Databases;
use crate::clients::{Accounts, Trouble};
use crate::runbook::check::{Check, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome, Way};
use crate::runbook::plan::{Partition, Preflight, Prerequisite, StepKind};

pub(super) use cloud::{advanced_insights, another_account};

pub(super) fn brief(look: &Look, preflight: &Preflight) -> Brief {
    let mut brief = look.brief(format!("Check {} prerequisites", preflight.checks.len()));
    brief.calls = preflight.checks.iter().map(|check| call(look, check)).collect();
    brief
}

fn call(look: &Look, prerequisite: &Prerequisite) -> Call {
    let cluster = &look.partition.cluster.id;
    let profile = look.partition.aws.profile.as_deref().unwrap_or("default");
    let command_line = match prerequisite {
        Prerequisite::GitTree { path, contains, .. } => {
            format!("git -C {path} status --short --branch && git -C {path} merge-base --is-ancestor {contains} HEAD")
        }
        Prerequisite::Image { reference } => format!("docker manifest inspect {reference}"),
        Prerequisite::PullRequest { repository, number } => format!("gh pr view {number} --repo {repository}"),
        Prerequisite::OpSignedIn => "op whoami".to_owned(),
        Prerequisite::OpItem { reference, .. } => format!("op read '{reference}' >/dev/null"),
        Prerequisite::AwsIdentity | Prerequisite::Clock { .. } => {
            format!("aws sts get-caller-identity --profile {profile}")
        }
        Prerequisite::DerivedProfile { profile, .. } => format!("aws configure list --profile {profile}"),
        Prerequisite::AwsSession => "grep expiresAt ~/.aws/sso/cache/*.json".to_owned(),
        Prerequisite::Stacks => format!("aws cloudformation describe-stacks --profile {profile}"),
        Prerequisite::InsightsMode => {
            format!("aws rds describe-db-clusters --db-cluster-identifier {cluster} --profile {profile}")
        }
        Prerequisite::HelmRelease => machine::helm_line(look),
        Prerequisite::Browser { .. } => "node, chromium".to_owned(),
        Prerequisite::DiskSpace { .. } => format!("df -m {}", look.run_dir.display()),
        Prerequisite::Program { name, .. } => format!("command -v {name}"),
    };
    let target = crate::clients::aws::describe(&look.partition.aws);
    Call { operation: source(prerequisite).to_owned(), target, command_line }
}

fn source(prerequisite: &Prerequisite) -> &'static str {
    match prerequisite {
        Prerequisite::GitTree { .. } => "git",
        Prerequisite::Image { .. } => "docker manifest inspect",
        Prerequisite::PullRequest { .. } => "gh pr view",
        Prerequisite::OpSignedIn => "op whoami",
        Prerequisite::OpItem { .. } => "op read",
        Prerequisite::AwsIdentity | Prerequisite::Clock { .. } => "sts:GetCallerIdentity",
        Prerequisite::DerivedProfile { .. } => "AWS configuration",
        Prerequisite::AwsSession => "SSO token",
        Prerequisite::Stacks => cloud::STACKS,
        Prerequisite::InsightsMode => super::cluster::DESCRIBE,
        Prerequisite::HelmRelease => "helm status",
        Prerequisite::Browser { .. } => "node",
        Prerequisite::DiskSpace { .. } => "statvfs",
        Prerequisite::Program { .. } => "PATH",
    }
}

/// What a prerequisite came to.
enum Judged {
    /// It holds.
    Holds(String),
    /// It does not hold by itself, and the rollout has provided for that.
    Provided(String, Finding),
    /// To be minded, but no obstacle; with what it is, where that is a situation of its own.
    Mind(String, Option<Finding>),
    /// It does not hold.
    Fails(Finding),
}

pub(super) async fn run(act: &mut Noting, preflight: &Preflight) -> Result<Outcome, Stop> {
    let later = later(act);
    for prerequisite in &preflight.checks {
        act.check(row(prerequisite, Verdict::Pending)).await?;
    }
    for partition in &later {
        act.check(later_row(partition, Verdict::Pending)).await?;
    }
    let (mut warnings, mut findings) = (Vec::new(), Vec::new());
    for prerequisite in &preflight.checks {
        let (verdict, seen) = match judge(act, prerequisite).await {
            Judged::Holds(seen) => (Verdict::Passed, seen),
            Judged::Provided(seen, finding) => {
                act.remark(finding).await?;
                (Verdict::Passed, seen)
            }
            Judged::Mind(seen, finding) => {
                warnings.push(format!("{}: {seen}", prerequisite.label()));
                if let Some(finding) = finding {
                    act.remark(finding).await?;
                }
                (Verdict::Warning, seen)
            }
            Judged::Fails(finding) => {
                let seen = finding.cause.clone();
                if !findings.iter().any(|known| is_same(known, &finding)) {
                    findings.push(finding);
                }
                (Verdict::Failed, seen)
            }
        };
        act.check(row(prerequisite, verdict).seeing(seen)).await?;
    }
    for partition in &later {
        warnings.extend(look_ahead(act, partition, preflight, &findings).await?);
    }
    concluded(act, findings, warnings).await
}

/// How a step ends that has looked at everything: with the finding that is to be mended first, the others remarked. Passing
/// over the step is offered only where the operator may decide on all of them.
pub(super) async fn concluded(
    act: &mut Noting,
    findings: Vec<Finding>,
    warnings: Vec<String>,
) -> Result<Outcome, Stop> {
    let (decisions, mut order): (Vec<Finding>, Vec<Finding>) =
        findings.into_iter().partition(|finding| decision(finding).is_some());
    let because: Vec<&str> = decisions.iter().filter_map(decision).collect();
    let skip = order.is_empty().then(|| Way::Skip { because: because.join("; ") });
    order.extend(decisions);
    for finding in &mut order {
        match &skip {
            Some(skip) => finding.ways.iter_mut().filter(|way| is_skip(way)).for_each(|way| *way = skip.clone()),
            None => finding.ways.retain(|way| !is_skip(way)),
        }
    }
    let mut order =
        order.into_iter().map(|finding| diagnosis::with_guide(act, finding)).collect::<Vec<_>>().into_iter();
    let Some(mut first) = order.next() else {
        return Ok(if warnings.is_empty() { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings } });
    };
    let mut also = Vec::new();
    for other in order {
        also.push(other.cause.clone());
        act.remark(other).await?;
    }
    if !also.is_empty() {
        let means = first.means.map(|means| format!("{means}; ")).unwrap_or_default();
        first.means = Some(format!("{means}besides: {}", also.join("; ")));
    }
    Err(first.into())
}

fn is_skip(way: &Way) -> bool {
    matches!(way, Way::Skip { .. })
}

/// Why a finding may be passed over, where the operator may decide so.
fn decision(finding: &Finding) -> Option<&str> {
    finding.ways.iter().find_map(|way| match way {
        Way::Skip { because } => Some(because.as_str()),
        _ => None,
    })
}

/// Whether both say the same.
pub(super) fn is_same(one: &Finding, other: &Finding) -> bool {
    one.situation == other.situation && one.cause == other.cause
}

fn row(prerequisite: &Prerequisite, verdict: Verdict) -> Check {
    Check::new(prerequisite.label(), prerequisite.label(), source(prerequisite), verdict)
}

async fn judge(look: &Look, prerequisite: &Prerequisite) -> Judged {
    let judged = match prerequisite {
        Prerequisite::GitTree { path, branch, contains } => tree::git(path, branch, contains).await,
        Prerequisite::Image { reference } => tree::image(reference).await,
        Prerequisite::PullRequest { repository, number } => tree::pull_request(repository, *number).await,
        Prerequisite::OpSignedIn => vault::signed_in().await,
        Prerequisite::OpItem { reference, used_by } => vault::item(look, reference, used_by).await,
        Prerequisite::AwsIdentity => cloud::identity(look).await,
        Prerequisite::DerivedProfile { profile, overridden } => Ok(cloud::derived_profile(profile, *overridden).await),
        Prerequisite::AwsSession => Ok(cloud::session(look).await),
        Prerequisite::Stacks => cloud::stacks(look).await,
        Prerequisite::InsightsMode => cloud::insights(look).await,
        Prerequisite::Clock { apart } => cloud::clock(look, *apart).await,
        Prerequisite::HelmRelease => machine::helm_release(look).await,
        Prerequisite::Browser { fallback } => Ok(machine::browser(look, fallback).await),
        Prerequisite::DiskSpace { least_mb } => machine::disk(look, *least_mb),
        Prerequisite::Program { name, fallback } => Ok(machine::program(name, fallback.as_deref())),
    };
    judged.unwrap_or_else(|trouble| Judged::Fails(diagnosis::of_trouble(look, &trouble)))
}

/// The partitions that come after this one.
fn later(look: &Look) -> Vec<Partition> {
    let partitions = look.plan.partitions.iter().skip_while(|partition| partition.name != look.partition.name);
    partitions.skip(1).cloned().collect()
}

fn later_row(partition: &Partition, verdict: Verdict) -> Check {
    let id = format!("later {}", partition.name);
    Check::new(id, format!("{}: what its steps will need", partition.name), "as above", verdict)
}

/// Looks at what a later partition will need and this one has not looked at already: what is known now need not be found
/// out in its window. Answers what to mind.
async fn look_ahead(
    act: &mut Noting,
    partition: &Partition,
    own: &Preflight,
    known: &[Finding],
) -> Result<Vec<String>, Stop> {
    let there = elsewhere(act, partition).await;
    let (mut good, mut bad) = (0, Vec::new());
    let open: Vec<_> = wanted(partition).filter(|wanted| !is_looked_at(act, own, partition, wanted)).collect();
    for prerequisite in open {
        match judge(&there, prerequisite).await {
            Judged::Holds(_) | Judged::Provided(..) => good += 1,
            // What is but to be minded is said in its own time.
            Judged::Mind(..) => {}
            // What this partition fails on as well is mended for both: an ended session, for one.
            Judged::Fails(finding) if known.iter().any(|known| is_same(known, &finding)) => {}
            Judged::Fails(mut finding) => {
                finding.cause = format!("{}: {}", partition.name, finding.cause);
                // The levers here are this partition's.
                finding.ways.clear();
                finding.means =
                    Some(format!("it does not hold up {}; {} will need it", act.partition.name, partition.name));
                if !bad.contains(&finding.cause) {
                    bad.push(finding.cause.clone());
                    act.remark(diagnosis::with_guide(&there, finding)).await?;
                }
            }
        }
    }
    let (verdict, seen) = match bad.first() {
        None => (Verdict::Passed, format!("{good} prerequisites hold")),
        Some(first) if bad.len() == 1 => (Verdict::Warning, first.clone()),
        Some(first) => (Verdict::Warning, format!("{first}, and {} more", bad.len() - 1)),
    };
    act.check(later_row(partition, verdict).seeing(seen)).await?;
    Ok(bad)
}

/// As this look, at another partition. No way to its databases is made for it: what is looked at needs none.
async fn elsewhere(look: &Look, partition: &Partition) -> Look {
    let tools = Tools::open(&Accounts::default(), &Databases::default(), partition).await;
    Look { partition: partition.clone(), tools, ..look.clone() }
}

fn wanted(partition: &Partition) -> impl Iterator<Item = &Prerequisite> {
    let checks = partition.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Preflight(preflight) => Some(&preflight.checks),
        _ => None,
    });
    checks.flatten()
}

/// Whether this partition's own look covers it: what both name alike, and an account that both share.
fn is_looked_at(look: &Look, own: &Preflight, partition: &Partition, prerequisite: &Prerequisite) -> bool {
    match prerequisite {
        Prerequisite::AwsIdentity | Prerequisite::AwsSession => partition.aws == look.partition.aws,
        Prerequisite::Stacks | Prerequisite::InsightsMode | Prerequisite::HelmRelease => false,
        prerequisite => own.checks.contains(prerequisite),
    }
}

/// Trouble of a call, as the verdict of a check.
type Verdicts = Result<Judged, Trouble>;
