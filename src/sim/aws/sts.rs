//! STS: who the caller is.

use super::params::Params;
use super::xml::Xml;
use super::{Answer, Caller, Site};
use crate::runbook::situation::Situation;

/// Answers an action; none where STS has no such action here.
pub(super) fn answer(site: &Site, caller: &Caller, action: &str, _: &Params) -> Answer {
    if action != "GetCallerIdentity" {
        return None;
    }
    if caller.infrastructure.is_empty() {
        // Being told so is what has somebody correct the profile.
        site.change(|world| world.strikes_in_hand(Situation::WrongAccount));
    }
    let mut xml = Xml::default();
    xml.put("Arn", role(&caller.account));
    xml.put("UserId", "AROASITE2X4Y6Z8A1B3C5:operator");
    xml.put("Account", &caller.account);
    Some(Ok(xml))
}

/// The role in which everybody acts in an account.
pub(super) fn role(account: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/AWSReservedSSO_AdministratorAccess_5e1f0c7a9b3d2468/operator")
}
