//! From trouble to finding: what it is, in the operator's words, by its evidence.

use super::context::Look;
use crate::clients::met::{Borne, Met, Washed};
use crate::clients::{Trouble, TroubleKind, onepassword};
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Outcome};

/// The lever that renews the AWS session.
pub(super) const SIGN_IN_AWS: &str = "sign-in-aws";
/// The lever that signs in to 1Password.
pub(super) const SIGN_IN_OP: &str = "sign-in-op";

/// What any call can run into, whichever step made it.
pub fn of_trouble(look: &Look, trouble: &Trouble) -> Finding {
    let evidence = Evidence::now(&trouble.call, trouble.to_string());
    let profile = profile(look);
    let again_after = look.step.retry_after;
    let finding = match trouble.kind {
        TroubleKind::SignedOut if onepassword::is_unanswered(trouble) => {
            Finding::of("op-signed-out", "1Password asked for an approval, and nobody gave it within its minute")
                .meaning("the app is locked, or its prompt did not surface")
                .way_out("unlock the app and sign in where the prompt can be seen: op signin; then try again")
                .lever(SIGN_IN_OP, None)
                .again()
        }
        TroubleKind::SignedOut if trouble.call.starts_with("op ") => {
            Finding::of("op-signed-out", "1Password is not signed in")
                .meaning("no secret can be read, by the cockpit or by amm.sh")
                .way_out("op signin, then try again")
                .lever(SIGN_IN_OP, None)
                .again()
        }
        TroubleKind::SignedOut if trouble.call.starts_with("gh ") => {
            Finding::unknown("gh is not signed in to GitHub").way_out("gh auth login, then try again").again()
        }
        TroubleKind::SignedOut if is_aws(&trouble.call) || trouble.message.contains("refresh failed") => {
            Finding::of("sso-expired", format!("the AWS session of {profile} has ended"))
                .meaning("nothing was sent; what was fired before goes on")
                .way_out(format!("{}, then try again", sign_in(look)))
                .lever(SIGN_IN_AWS, None)
                .again()
        }
        TroubleKind::SignedOut => Finding::unknown(format!("{} does not take our token any more", trouble.call))
            .meaning("where the token comes from the AWS session, that session has ended")
            .way_out(format!("{}, or renew the token of its context; then try again", sign_in(look)))
            .lever(SIGN_IN_AWS, None)
            .again(),
        TroubleKind::Denied if !is_aws(&trouble.call) => {
            Finding::of("access-denied", format!("{} is not permitted: {}", trouble.call, trouble.message))
                .meaning("it was refused; nothing changed")
                .way_out(
                    "have the permission added, or check that the role or context is the right one; then try again",
                )
                .again_after(again_after)
        }
        TroubleKind::Denied => {
            let action = action_denied(&trouble.message).unwrap_or(&trouble.call);
            Finding::of("access-denied", format!("{profile} may not do {action}"))
                .meaning(
                    "the session is alive, the permission is missing: signing in again does not help; nothing changed",
                )
                .way_out(format!(
                    "have {action} allowed for the role, or check that the profile is the right one; then try again"
                ))
                .again_after(again_after)
        }
        _ if passing(trouble).is_some() => passing_finding(look, trouble),
        TroubleKind::Throttled | TroubleKind::Unreachable | TroubleKind::NoAnswer => {
            Finding::unknown(format!("{} is not to be had: {}", trouble.call, trouble.message))
                .meaning("nothing is known of the other side until it answers")
                .way_out("check the connection, then try again; the step looks before it sends")
                .again_after(again_after)
        }
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
        .lever(SIGN_IN_AWS, None)
}

/// The profile in whose name AWS is asked.
fn profile(look: &Look) -> &str {
    look.partition.aws.profile.as_deref().unwrap_or("the default profile")
}

/// The situation of which trouble that passes by itself is a sign; none where it may be anything. Only who is always there
/// is meant, AWS and Kubernetes: a database that does not answer may be restarting as it should.
pub fn passing(trouble: &Trouble) -> Option<&'static str> {
    if !is_aws(&trouble.call) && !trouble.call.starts_with("kubernetes:") {
        return None;
    }
    match trouble.kind {
        TroubleKind::Throttled => Some("throttled"),
        // Without anything to sign a call with, nothing was tried.
        TroubleKind::Unreachable if trouble.message.contains("credential") || trouble.message.contains("profile") => {
            None
        }
        TroubleKind::Unreachable => Some("network-lost"),
        TroubleKind::NoAnswer if was_cut(&trouble.message) => Some("network-lost"),
        TroubleKind::NoAnswer => Some("api-5xx"),
        // A body that broke off, under a status that promised one.
        TroubleKind::Malformed if trouble.code.is_none() && trouble.message.starts_with("HTTP 200") => Some("api-5xx"),
        _ => None,
    }
}

/// Whether a connection was cut rather than answered, in the words of the HTTP library and of the operating system.
fn was_cut(words: &str) -> bool {
    const CUT: [&str; 5] =
        ["connection closed", "connection reset", "Connection reset", "Broken pipe", "Network is unreachable"];
    CUT.iter().any(|cut| words.contains(cut))
}

/// The finding of an attempt that ended in nothing but trouble that passes.
pub fn passing_failure(outcome: &Outcome) -> Option<&Finding> {
    const PASSING: [&str; 3] = ["throttled", "api-5xx", "network-lost"];
    match outcome {
        Outcome::Failed { finding } => {
            Some(finding).filter(|finding| finding.situation.as_deref().is_some_and(|name| PASSING.contains(&name)))
        }
        _ => None,
    }
}

fn passing_finding(look: &Look, trouble: &Trouble) -> Finding {
    let finding = match passing(trouble) {
        Some("throttled") => Finding::of("throttled", format!("{} is throttled", trouble.call))
            .meaning("it was refused, so nothing was sent twice")
            .way_out("wait a little, then try again"),
        Some("network-lost") => Finding::of("network-lost", format!("{} is not reached", trouble.call))
            .meaning("nothing is known of the other side until it is reached again")
            .way_out("check the network and the endpoint, then try again"),
        _ => Finding::of("api-5xx", format!("{} gave no usable answer", trouble.call))
            .meaning("nothing is known of the other side until it answers")
            .way_out("try again; the step looks before it sends"),
    };
    finding.again_after(look.step.retry_after)
}

/// What an attempt met and went on through, each situation once.
pub fn remarks(met: &Met) -> Vec<Finding> {
    let mut remarks: Vec<Finding> = Vec::new();
    for borne in &met.borne {
        let Some(situation) = passing(&borne.trouble) else { continue };
        let evidence = Evidence { source: borne.trouble.call.clone(), text: told(borne), at: borne.last };
        match remarks.iter_mut().find(|known| known.situation.as_deref() == Some(situation)) {
            Some(known) => known.evidence.push(evidence),
            None => remarks.push(
                Finding::of(situation, went_on(situation, &borne.trouble.call))
                    .because(evidence)
                    .meaning("it was waited out; what was sent was looked up before anything was sent again")
                    .way_out(
                        "nothing; where it lasts, look at the account's quotas, the service's health or the network",
                    ),
            ),
        }
    }
    remarks.extend(washed(met));
    remarks
}

fn went_on(situation: &str, call: &str) -> String {
    match situation {
        "throttled" => format!("calls were throttled, {call} among them"),
        "network-lost" => format!("connections were lost, {call} among them"),
        _ => format!("calls got no usable answer, {call} among them"),
    }
}

/// How often, over how long, with which code and in whose words.
fn told(borne: &Borne) -> String {
    let times = if borne.times == 1 { "once".to_owned() } else { format!("{} times", borne.times) };
    let seconds = borne.last.duration_since(borne.first).as_secs_f64();
    let over = if borne.times == 1 { String::new() } else { format!(" over {seconds:.0} s") };
    format!("{times}{over}; {}", borne.trouble)
}

/// Text that was washed, as one remark.
fn washed(met: &Met) -> Option<Finding> {
    let sources: Vec<&str> = met.washed.iter().map(|washed| washed.source.as_str()).collect();
    let finding = Finding::of("hostile-text", format!("text from {} was washed", sources.join(", ")));
    let evidence = met.washed.iter().map(|Washed { source, hostile, at }| {
        let kinds = [
            (hostile.escapes, "control sequences"),
            (hostile.hidden, "hidden or reversing characters"),
            (hostile.secrets, "what looks like a secret"),
        ];
        let kinds: Vec<&str> = kinds.into_iter().filter(|(is, _)| *is).map(|(_, kind)| kind).collect();
        Evidence { source: source.clone(), text: format!("taken out: {}", kinds.join(", ")), at: *at }
    });
    let mut finding = finding
        .meaning("it reached neither terminal nor journal nor report; the rest of the text is as it came")
        .way_out("find out who wrote it; replace a secret that was written there");
    finding.evidence.extend(evidence);
    (!met.washed.is_empty()).then_some(finding)
}

/// The command by which the partition's AWS session is renewed.
fn sign_in(look: &Look) -> String {
    let profile = look.partition.aws.profile.as_ref().map(|profile| format!(" --profile {profile}"));
    format!("aws sso login{}", profile.unwrap_or_default())
}

/// The action that AWS says is not allowed: `User: … is not authorized to perform: rds:CreateDBClusterSnapshot on …`.
fn action_denied(message: &str) -> Option<&str> {
    let rest = message.split_once("is not authorized to perform: ")?.1;
    rest.split_whitespace().next().map(|action| action.trim_end_matches([',', '.', ';']))
}

/// Whether a call went to AWS, and so in the name of the partition's profile.
fn is_aws(call: &str) -> bool {
    let services = ["rds", "cloudformation", "secretsmanager", "sts", "pi", "cloudwatch", "aws"];
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
    // It may well have come about, and nobody could look.
    if let Some(ended) = last.filter(|trouble| trouble.kind == TroubleKind::SignedOut) {
        return of_trouble(look, ended);
    }
    let limit = look.step.limit.as_secs();
    let mut finding = Finding::unknown(format!("{what} was not seen within {} min {:02} s", limit / 60, limit % 60));
    if let Some(trouble) = last {
        finding = finding.because(Evidence::now(&trouble.call, trouble.to_string()));
    }
    with_guide(look, finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_that_is_denied_is_named() {
        let denied = "User: arn:aws:sts::1:assumed-role/A/o is not authorized to perform: rds:CreateDBClusterSnapshot on \
                      resource: arn:aws:rds:us-east-1:1:cluster:c because no identity-based policy allows it";
        assert_eq!(action_denied(denied), Some("rds:CreateDBClusterSnapshot"));
        assert_eq!(action_denied("Access denied"), None);
    }
}
