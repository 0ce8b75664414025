//! Container images, through `docker`.

use super::program::Capture;
use super::{Trouble, TroubleKind};

const CALL: &str = "docker manifest inspect";

/// Asks the registry for the manifest of an image; it is there where this is `Ok`.
///
/// # Errors
/// `NotFound` where there is no such tag, `Denied` where the registry does not tell.
pub async fn inspect(reference: &str) -> Result<(), Trouble> {
    let answer = Capture::new("docker", ["manifest", "inspect", reference]).run(CALL).await?;
    if answer.is_success() { Ok(()) } else { Err(answer.trouble(CALL, kind(&answer.stderr))) }
}

fn kind(complaint: &str) -> TroubleKind {
    let complaint = complaint.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| complaint.contains(part));
    if says(&["no such manifest", "manifest unknown", "not found"]) {
        TroubleKind::NotFound
    } else if says(&["unauthorized", "denied", "forbidden"]) {
        TroubleKind::Denied
    } else if says(&["toomanyrequests", "rate limit"]) {
        TroubleKind::Throttled
    } else if says(&["no such host", "connection refused", "dial tcp", "network is unreachable"]) {
        TroubleKind::Unreachable
    } else {
        TroubleKind::Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        for (complaint, expected) in [
            ("no such manifest: ghcr.io/arda-cards/postgres-database-initializer:2.5.0", TroubleKind::NotFound),
            ("errors:\ndenied: requested access to the resource is denied\nunauthorized", TroubleKind::Denied),
            ("Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host", TroubleKind::Unreachable),
            ("invalid reference format", TroubleKind::Refused),
        ] {
            assert_eq!(kind(complaint), expected, "{complaint}");
        }
    }
}
