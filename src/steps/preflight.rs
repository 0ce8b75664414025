//! Prerequisites: everything that later steps need and that can be known beforehand.

use super::context::{Look, Noting, Stop};
use super::diagnosis;
use crate::clients::git::Git;
use crate::clients::{Trouble, TroubleKind, forge, image, onepassword};
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{Brief, Call, Finding, Outcome};
use crate::runbook::plan::{Preflight, Prerequisite};

pub(super) fn brief(look: &Look, preflight: &Preflight) -> Brief {
    let mut brief = look.brief(format!("Check {} prerequisites", preflight.checks.len()));
    brief.calls = preflight.checks.iter().map(|check| call(look, check)).collect();
    brief
}

fn call(look: &Look, prerequisite: &Prerequisite) -> Call {
    let (operation, command_line) = match prerequisite {
        Prerequisite::GitTree { path, contains, .. } => (
            "git",
            format!("git -C {path} status --short --branch && git -C {path} merge-base --is-ancestor {contains} HEAD"),
        ),
        Prerequisite::Image { reference } => ("docker", format!("docker manifest inspect {reference}")),
        Prerequisite::PullRequest { repository, number } => ("gh", format!("gh pr view {number} --repo {repository}")),
        Prerequisite::OpSignedIn => ("op", "op whoami".to_owned()),
        Prerequisite::OpItem { reference, .. } => ("op", format!("op read '{reference}' >/dev/null")),
        Prerequisite::AwsIdentity => ("sts:GetCallerIdentity", "aws sts get-caller-identity".to_owned()),
        Prerequisite::DerivedProfile { profile, .. } => ("aws", format!("aws configure list --profile {profile}")),
        Prerequisite::Program { name, .. } => ("PATH", format!("command -v {name}")),
    };
    let target = crate::clients::aws::describe(&look.partition.aws);
    Call { operation: operation.to_owned(), target, command_line }
}

pub(super) async fn run(act: &mut Noting, preflight: &Preflight) -> Result<Outcome, Stop> {
    for prerequisite in &preflight.checks {
        act.check(Check::new(id(prerequisite), label(prerequisite), source(prerequisite), Verdict::Pending)).await?;
    }
    let (mut warnings, mut findings) = (Vec::new(), Vec::new());
    // All of them are looked at, whatever the first one says: the operator mends them in one go.
    for prerequisite in &preflight.checks {
        let judged = judge(act, prerequisite).await;
        let (verdict, seen) = match &judged {
            Judged::Holds(seen) => (Verdict::Passed, seen.clone()),
            Judged::Mind(seen) => (Verdict::Warning, seen.clone()),
            Judged::Fails(finding) => (Verdict::Failed, finding.cause.clone()),
        };
        let check = Check::new(id(prerequisite), label(prerequisite), source(prerequisite), verdict);
        act.check(check.seeing(seen)).await?;
        match judged {
            Judged::Holds(_) => {}
            Judged::Mind(seen) => warnings.push(format!("{}: {seen}", label(prerequisite))),
            Judged::Fails(finding) => findings.push(finding),
        }
    }
    let others = findings.len().saturating_sub(1);
    if let Some(mut first) = findings.into_iter().next() {
        if others > 0 {
            first.means = Some(format!("{others} other prerequisites fail as well; all are listed"));
        }
        return Err(diagnosis::with_guide(act, first).into());
    }
    Ok(if warnings.is_empty() { Outcome::Passed } else { Outcome::PassedWithWarnings { warnings } })
}

/// What a prerequisite came to.
enum Judged {
    Holds(String),
    Mind(String),
    Fails(Finding),
}

fn id(prerequisite: &Prerequisite) -> String {
    label(prerequisite)
}

fn label(prerequisite: &Prerequisite) -> String {
    match prerequisite {
        Prerequisite::GitTree { contains, .. } => format!("working tree at {contains} or newer"),
        Prerequisite::Image { reference } => format!("image {}", reference.rsplit('/').next().unwrap_or(reference)),
        Prerequisite::PullRequest { number, .. } => format!("PR #{number} open, green, approved"),
        Prerequisite::OpSignedIn => "1Password signed in".to_owned(),
        Prerequisite::OpItem { reference, .. } => reference.clone(),
        Prerequisite::AwsIdentity => "AWS identity".to_owned(),
        Prerequisite::DerivedProfile { profile, .. } => format!("profile {profile}"),
        Prerequisite::Program { name, .. } => format!("program {name}"),
    }
}

fn source(prerequisite: &Prerequisite) -> &'static str {
    match prerequisite {
        Prerequisite::GitTree { .. } => "git",
        Prerequisite::Image { .. } => "docker manifest inspect",
        Prerequisite::PullRequest { .. } => "gh pr view",
        Prerequisite::OpSignedIn => "op whoami",
        Prerequisite::OpItem { .. } => "op read",
        Prerequisite::AwsIdentity => "sts:GetCallerIdentity",
        Prerequisite::DerivedProfile { .. } => "AWS configuration",
        Prerequisite::Program { .. } => "PATH",
    }
}

async fn judge(look: &Look, prerequisite: &Prerequisite) -> Judged {
    let judged = match prerequisite {
        Prerequisite::GitTree { path, branch, contains } => git_tree(path, branch, contains).await,
        Prerequisite::Image { reference } => {
            image::inspect(reference).await.map(|()| Judged::Holds("present".to_owned()))
        }
        Prerequisite::PullRequest { repository, number } => pull_request(repository, *number).await,
        Prerequisite::OpSignedIn => onepassword::whoami().await.map(Judged::Holds),
        Prerequisite::OpItem { reference, used_by } => op_item(reference, used_by).await,
        Prerequisite::AwsIdentity => identity(look).await,
        Prerequisite::DerivedProfile { profile, overridden } => Ok(derived_profile(profile, *overridden).await),
        Prerequisite::Program { name, fallback } => Ok(program(name, fallback.as_deref())),
    };
    judged.unwrap_or_else(|trouble| Judged::Fails(finding_of(look, prerequisite, &trouble)))
}

fn finding_of(look: &Look, prerequisite: &Prerequisite, trouble: &Trouble) -> Finding {
    let evidence = Evidence::now(&trouble.call, trouble.to_string());
    match prerequisite {
        Prerequisite::Image { reference } if trouble.kind == TroubleKind::NotFound => {
            Finding::of("image-missing", format!("{reference} is not published")).because(evidence)
        }
        Prerequisite::OpSignedIn if trouble.kind == TroubleKind::SignedOut => {
            Finding::of("op-signed-out", "1Password is not signed in").because(evidence).way_out("op signin")
        }
        Prerequisite::OpItem { reference, used_by } => {
            Finding::of("op-item-unreadable", format!("{reference} cannot be read ({used_by} needs it)"))
                .because(evidence)
                .way_out("unlock 1Password, op signin, then check again")
        }
        _ => diagnosis::of_trouble(look, trouble),
    }
}

async fn git_tree(path: &str, branch: &str, contains: &str) -> Result<Judged, Trouble> {
    let git = Git::at(path);
    let (tree, head, contained) = tokio::try_join!(git.status(), git.head(), git.contains(contains))?;
    let short: String = head.chars().take(12).collect();
    let on = tree.branch.clone().unwrap_or_else(|| "no branch".to_owned());
    let wrong = if tree.branch.as_deref() != Some(branch) {
        Some(format!("it is on {on}, not on {branch}"))
    } else if !tree.changes.is_empty() {
        Some(format!("it is not clean: {}", tree.changes.join(", ")))
    } else if !contained {
        Some(format!("HEAD {short} does not contain {contains}"))
    } else if tree.behind > 0 || tree.ahead > 0 {
        Some(format!("it is {} behind and {} ahead of its upstream", tree.behind, tree.ahead))
    } else {
        None
    };
    Ok(match wrong {
        None => Judged::Holds(format!("{on} at {short}, clean")),
        Some(cause) => Judged::Fails(
            Finding::of("infra-behind", format!("{path}: {cause}"))
                .because(Evidence::now("git", format!("branch {on}, HEAD {short}")))
                .way_out("git pull on a clean tree, then check again"),
        ),
    })
}

async fn pull_request(repository: &str, number: u64) -> Result<Judged, Trouble> {
    let request = forge::pull_request(repository, number).await?;
    let red: Vec<&str> = request.red().map(|check| check.name.as_str()).collect();
    let pending = request.pending().count();
    if request.state == "MERGED" {
        return Ok(Judged::Mind("merged already; main runs ahead of what is deployed".to_owned()));
    }
    let wrong = if request.state != "OPEN" {
        Some(format!("it is {}", request.state.to_lowercase()))
    } else if !red.is_empty() {
        Some(format!("red: {}", red.join(", ")))
    } else if request.review.as_deref().is_some_and(|review| review != "APPROVED") {
        Some("it is not approved".to_owned())
    } else if request.draft {
        Some("it is a draft".to_owned())
    } else {
        None
    };
    Ok(match wrong {
        Some(cause) => Judged::Fails(Finding::of("pr-not-ready", format!("{repository}#{number}: {cause}"))),
        None if pending > 0 => Judged::Mind(format!("open, approved, {pending} checks still run")),
        None => Judged::Holds("open, green, approved".to_owned()),
    })
}

async fn op_item(reference: &str, used_by: &str) -> Result<Judged, Trouble> {
    if onepassword::readable(reference).await? {
        return Ok(Judged::Holds(format!("readable, for {used_by}")));
    }
    Ok(Judged::Fails(
        Finding::of("op-item-empty", format!("{reference} is empty ({used_by} needs it)"))
            .way_out("look at the item's fields: older ones use `email` instead of `username`"),
    ))
}

async fn identity(look: &Look) -> Result<Judged, Trouble> {
    let caller = look.tools.aws.identity.caller().await?;
    let Some(expected) = &look.partition.aws.account else { return Ok(Judged::Holds(caller.account)) };
    if caller.account == *expected {
        return Ok(Judged::Holds(caller.account));
    }
    Ok(Judged::Fails(
        Finding::of("wrong-account", format!("signed in to account {}, not {expected}", caller.account))
            .meaning("nothing may be fired from here"),
    ))
}

/// The script derives this profile by itself. Where it does not exist, the command line must override it.
async fn derived_profile(profile: &str, overridden: bool) -> Judged {
    match (crate::clients::aws::profile_exists(profile).await, overridden) {
        (true, _) => Judged::Holds("exists".to_owned()),
        (false, true) => Judged::Holds("does not exist; the command line overrides it".to_owned()),
        (false, false) => Judged::Fails(
            Finding::of("profile-missing", format!("the script derives the profile {profile}, which does not exist"))
                .way_out("give --profile and --region on the command line of the step"),
        ),
    }
}

fn program(name: &str, fallback: Option<&str>) -> Judged {
    let found = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|place| place.join(name)).find(|file| file.is_file()));
    match (found, fallback) {
        (Some(file), _) => Judged::Holds(file.display().to_string()),
        (None, Some(fallback)) => Judged::Mind(format!("not on PATH: {fallback}")),
        (None, None) => Judged::Fails(
            Finding::unknown(format!("{name} is not on PATH")).way_out(format!("install {name}, then check again")),
        ),
    }
}
