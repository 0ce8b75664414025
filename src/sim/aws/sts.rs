//! STS: who the caller is.

use super::params::Params;
use super::xml::Xml;
use super::{Answer, Caller, Site};

/// Answers an action; none where STS has no such action here.
pub(super) fn answer(_: &Site, caller: &Caller, action: &str, _: &Params) -> Answer {
    if action != "GetCallerIdentity" {
        return None;
    }
    let mut xml = Xml::default();
    let role = "AWSReservedSSO_AdministratorAccess_5e1f0c7a9b3d2468";
    xml.put("Arn", format!("arn:aws:sts::{}:assumed-role/{role}/operator", caller.account));
    xml.put("UserId", "AROASITE2X4Y6Z8A1B3C5:operator");
    xml.put("Account", &caller.account);
    Some(Ok(xml))
}
