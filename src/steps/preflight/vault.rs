//! 1Password: the sign-in, and every item that somebody will read.

use super::super::diagnosis::{self, SIGN_IN_OP};
use super::{Judged, Look, Verdicts};
use crate::clients::{TroubleKind, onepassword};
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Way};

/// 1Password knows us.
pub(super) async fn signed_in() -> Verdicts {
    let who = onepassword::whoami().await?;
    Ok(Judged::Holds(who.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// An item can be read, and holds something.
pub(super) async fn item(look: &Look, reference: &str, used_by: &str) -> Verdicts {
    let trouble = match onepassword::readable(reference).await {
        Ok(true) => return Ok(Judged::Holds(format!("readable, for {used_by}"))),
        Ok(false) => return Ok(Judged::Fails(empty(reference, used_by).await)),
        Err(trouble) => trouble,
    };
    let unreadable = |cause: String| {
        Finding::of("op-item-unreadable", cause)
            .because(Evidence::now("op read", trouble.to_string()))
            .meaning(format!("{used_by} would fail on it"))
    };
    Ok(Judged::Fails(match trouble.kind {
        TroubleKind::SignedOut if onepassword::is_unanswered(&trouble) => {
            unreadable(format!("{reference} cannot be read: 1Password's prompt was not answered within its minute"))
                .way_out("unlock the app and sign in where the prompt can be seen: op signin; then check again")
                .lever(SIGN_IN_OP, None)
                .again()
        }
        TroubleKind::SignedOut => diagnosis::of_trouble(look, &trouble),
        TroubleKind::NotFound => unreadable(format!("{reference} cannot be read: there is no such item or field"))
            .way_out("have the item made or renamed in its vault, or correct the reference; then check again")
            .again(),
        TroubleKind::Denied => unreadable(format!("{reference} cannot be read: the account may not"))
            .way_out("have the vault shared with the account of op whoami; then check again")
            .again(),
        _ => unreadable(format!("{reference} cannot be read: {}", trouble.message))
            .way_out(format!("op read '{reference}' in a shell shows more; mend it, then check again"))
            .again(),
    }))
}

/// An item that reads as nothing; where its user name stands under `email`, that is said.
async fn empty(reference: &str, used_by: &str) -> Finding {
    let finding = Finding::of("op-item-empty", format!("{reference} is empty"))
        .because(Evidence::now("op read", "exit 0, and nothing printed"))
        .meaning(format!("{used_by} would have nothing to go by"));
    let Some(item) = reference.strip_suffix("/username") else {
        return finding.way_out("have the field filled; then check again").again();
    };
    let email = format!("{item}/email");
    match onepassword::readable(&email).await {
        Ok(true) => finding
            .because(Evidence::now("op read", format!("{email} holds something")))
            .way_out(format!("{used_by} can take {email} in its place: skip with that reason; or have username filled"))
            .offering(Way::Skip { because: format!("{used_by} takes {email}, as {reference} is empty") })
            .again(),
        _ => finding.way_out("its item has no email either: have username filled; then check again").again(),
    }
}
