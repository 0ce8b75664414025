//! From trouble to finding: what it is, in the operator's words, by its evidence.

use super::context::Look;
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;

/// What any call can run into, whichever step made it.
pub fn of_trouble(look: &Look, trouble: &Trouble) -> Finding {
    let evidence = Evidence::now(&trouble.call, trouble.to_string());
    let profile = look.partition.aws.profile.as_deref().unwrap_or("the default profile");
    let finding = match trouble.kind {
        TroubleKind::SignedOut => Finding::of("sso-expired", format!("the AWS session of {profile} has ended"))
            .meaning("nothing was sent; what was fired before goes on")
            .way_out(format!("aws sso login --profile {profile}, then try again")),
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

/// A finding that names no way out gets the runbook's own text for the step.
pub fn with_guide(look: &Look, mut finding: Finding) -> Finding {
    if finding.remedy.is_none() {
        finding.remedy = look.step.guide.clone();
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
