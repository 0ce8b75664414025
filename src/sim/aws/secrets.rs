//! Secrets Manager: secrets of an account by name or ARN.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rpc::need;
use super::{Caller, Site};
use crate::sim::world::cloud::Secret;
use crate::sim::world::refusal::Refusal;

/// Answers an operation; none where the service has no such operation here.
pub(super) fn answer(site: &Site, caller: &Caller, operation: &str, input: &Value) -> Option<Result<Value, Refusal>> {
    Some(match operation {
        "GetSecretValue" => find(site, caller, input).map(|secret| {
            json!({
                "ARN": arn(caller, &secret), "Name": secret.name, "VersionId": version(&secret),
                "SecretString": secret.value, "VersionStages": ["AWSCURRENT"], "CreatedDate": seconds(secret.created),
            })
        }),
        "DescribeSecret" => find(site, caller, input).map(|secret| {
            json!({
                "ARN": arn(caller, &secret), "Name": secret.name, "CreatedDate": seconds(secret.created),
                "LastChangedDate": seconds(secret.created), "RotationEnabled": false,
                "VersionIdsToStages": { version(&secret): ["AWSCURRENT"] },
            })
        }),
        _ => return None,
    })
}

fn find(site: &Site, caller: &Caller, input: &Value) -> Result<Secret, Refusal> {
    let wanted = need(input, "SecretId", "InvalidParameterException")?;
    let found = site.read(|world| {
        let account = world.accounts.iter().find(|account| account.infrastructure == caller.infrastructure)?;
        account.secrets.iter().find(|secret| secret.name == wanted || arn(caller, secret) == wanted).cloned()
    });
    found.ok_or_else(|| Refusal::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
}

fn arn(caller: &Caller, secret: &Secret) -> String {
    let tail: String = version(secret).chars().rev().take(6).collect();
    format!("arn:aws:secretsmanager:{}:{}:secret:{}-{tail}", caller.region, caller.account, secret.name)
}

/// A version id that stays the same for a name.
fn version(secret: &Secret) -> String {
    let sum = secret.name.bytes().fold(7_u128, |sum, byte| sum.wrapping_mul(0x1_0000_01b3) ^ u128::from(byte));
    format!("{:08x}-5a1e-4000-8000-{:012x}", (sum >> 64) as u32, sum as u64 & 0xffff_ffff_ffff)
}

/// Seconds since the epoch, as JSON 1.1 has moments.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}
