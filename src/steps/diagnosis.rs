//! From trouble to finding: what it is, in the operator's words, by its evidence.

use super::context::Look;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;

/// What any call can run into, whichever step made it.
pub fn of_trouble(look: &Look, trouble: &Trouble) -> Finding {
    let evidence = Evidence::now(&trouble.call, trouble.to_string());
    let profile = profile(look);
    let finding = match trouble.kind {
        TroubleKind::SignedOut if trouble.call.starts_with("op ") => {
            Finding::of("op-signed-out", "1Password is not signed in").way_out("op signin, then try again")
        }
        TroubleKind::SignedOut if trouble.call.starts_with("gh ") => {
            Finding::unknown("gh is not signed in to GitHub").way_out("gh auth login, then try again")
        }
        TroubleKind::SignedOut => Finding::of("sso-expired", format!("the AWS session of {profile} has ended"))
            .meaning("nothing was sent; what was fired before goes on")
            .way_out(format!("{}, then try again", sign_in(look))),
        TroubleKind::Denied if !is_aws(&trouble.call) => {
            Finding::of("access-denied", format!("{} is not permitted: {}", trouble.call, trouble.message))
                .way_out("have the permission added, or check that the role or context is the right one")
        }
        TroubleKind::Denied => Finding::of("access-denied", format!("{profile} may not call {}", trouble.call))
            .meaning("the session is alive, the permission is missing")
            .way_out("have the permission added, or check that the profile is the right one"),
        TroubleKind::Throttled => Finding::of("throttled", format!("{} is throttled", trouble.call))
            .meaning("nothing was sent twice")
            .way_out("wait a little, then try again"),
        TroubleKind::Unreachable => Finding::of("network-lost", format!("{} is not reached", trouble.call))
            .meaning("nothing is known of the other side until it is reached again")
            .way_out("check the network and the endpoint, then try again"),
        TroubleKind::NoAnswer => Finding::of("api-5xx", format!("{} gave no usable answer", trouble.call))
            .way_out("try again; the step looks before it sends"),
        TroubleKind::Refused | TroubleKind::NotFound | TroubleKind::Malformed => {
            Finding::unknown(format!("{}: {}", trouble.call, trouble.message))
        }
    };
    with_guide(look, finding.because(evidence))
}

/// A session that ended while a step waits for what it has fired.
pub fn ended_midway(look: &Look, trouble: &Trouble) -> Finding {
    if trouble.call.starts_with("op ") {
        return of_trouble(look, trouble);
    }
    Finding::of("sso-expires-midway", format!("the AWS session of {} ended in the middle of the wait", profile(look)))
        .because(Evidence::now(&trouble.call, trouble.to_string()))
        .meaning("what was fired goes on at AWS; the wait goes on after the sign-in, and nothing is fired again")
        .way_out(format!("{}; the step goes on by itself then", sign_in(look)))
        .lever("sign-in-aws", None)
}

/// The profile in whose name AWS is asked.
fn profile(look: &Look) -> &str {
    look.partition.aws.profile.as_deref().unwrap_or("the default profile")
}

/// The command by which the partition's AWS session is renewed.
fn sign_in(look: &Look) -> String {
    let profile = look.partition.aws.profile.as_ref().map(|profile| format!(" --profile {profile}"));
    format!("aws sso login{}", profile.unwrap_or_default())
}

/// Whether a call went to AWS, and so in the name of the partition's profile.
fn is_aws(call: &str) -> bool {
    let services = ["rds", "cloudformation", "secretsmanager", "sts", "pi", "cloudwatch"];
    call.split_once(':').is_some_and(|(service, _)| services.contains(&service))
}

/// A finding that names no way out gets the runbook's own text for the step, or at least the next thing to do.
pub fn with_guide(look: &Look, mut finding: Finding) -> Finding {
    if finding.remedy.is_none() {
        let plainly = || "look at the evidence and at the site; fire the step again once its cause is gone".to_owned();
        finding.remedy = Some(look.step.guide.clone().unwrap_or_else(plainly));
    }
    finding
}

/// A wait that came to its end without what it waited for.
pub fn time_over(look: &Look, what: &str, last: Option<&Trouble>) -> Finding {
    let limit = look.step.limit.as_secs();
    let mut finding = Finding::unknown(format!("{what} was not seen within {} min {:02} s", limit / 60, limit % 60));
    if let Some(trouble) = last {
        finding = finding.because(Evidence::now(&trouble.call, trouble.to_string()));
    }
    with_guide(look, finding)
}
