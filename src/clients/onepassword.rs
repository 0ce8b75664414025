//! 1Password, through its command line `op`.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::program::{Capture, Captured};
use super::{Trouble, TroubleKind, known};
use crate::runbook::text::clean_line;

/// `op` waits a minute for the operator's fingerprint before it gives up.
const PROMPT: Duration = Duration::from_secs(75);

/// Who is signed in, in `op`'s own words.
pub async fn whoami() -> Result<String, Trouble> {
    let answer = run("op whoami", &["whoami"]).await?;
    Ok(clean_line(&answer.text()))
}

/// The value behind a reference, `op://vault/item/field`.
///
/// # Errors
/// `SignedOut` where nobody is signed in or the prompt was not answered, `NotFound` where there is no such item or field.
pub async fn read(reference: &str) -> Result<SecretString, Trouble> {
    let answer = run("op read", &["read", reference]).await.map_err(|trouble| named(trouble, reference))?;
    let secret = answer.secret();
    // Names are in every other line, and no secrets.
    if !reference.ends_with("/username") && !reference.ends_with("/email") {
        known::remember(&secret);
    }
    Ok(secret)
}

/// Whether the value behind a reference holds anything. The value itself is let go at once.
pub async fn readable(reference: &str) -> Result<bool, Trouble> {
    Ok(!read(reference).await?.expose_secret().trim().is_empty())
}

/// The user name of an item, `vault/item`. Older items have it as `email`, and `username` empty.
pub async fn user_name(item: &str) -> Result<SecretString, Trouble> {
    let name = read(&format!("op://{item}/username")).await?;
    if name.expose_secret().trim().is_empty() { read(&format!("op://{item}/email")).await } else { Ok(name) }
}

/// Whether the prompt of 1Password's app was not answered: the session may be alive, and nobody saw it.
pub fn is_unanswered(trouble: &Trouble) -> bool {
    trouble.call.starts_with("op ") && trouble.message.contains("authorization timeout")
}

async fn run(call: &str, arguments: &[&str]) -> Result<Captured, Trouble> {
    let answer = Capture::new("op", arguments).env("NO_COLOR", "1").timeout(PROMPT).run(call).await?;
    if answer.is_success() { Ok(answer) } else { Err(answer.trouble(call, kind(&answer.stderr))) }
}

/// By what `op` says: it has one exit code for everything.
fn kind(complaint: &str) -> TroubleKind {
    let complaint = complaint.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| complaint.contains(part));
    if says(&[
        "not signed in",
        "not currently signed in",
        "authorization timeout",
        "authorization prompt",
        "session expired",
    ]) {
        TroubleKind::SignedOut
    } else if says(&[
        "isn't an item",
        "isn't a vault",
        "isn't a field",
        "does not have a field",
        "not found",
        "no item",
    ]) {
        TroubleKind::NotFound
    } else if says(&["not authorized", "forbidden", "permission"]) {
        TroubleKind::Denied
    } else if says(&["too many requests", "rate limit"]) {
        TroubleKind::Throttled
    } else if says(&["dial tcp", "no such host", "connection refused", "network"]) {
        TroubleKind::Unreachable
    } else {
        TroubleKind::Refused
    }
}

/// Says which reference it was; that is no secret.
fn named(mut trouble: Trouble, reference: &str) -> Trouble {
    if !trouble.message.contains(reference) {
        trouble.message = format!("{reference}: {}", trouble.message);
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        for (complaint, expected) in [
            ("[ERROR] 2026/05/14 11:16:33 account is not signed in", TroubleKind::SignedOut),
            ("[ERROR] 2026/05/14 17:46:24 authorization timeout", TroubleKind::SignedOut),
            (
                r#"[ERROR] could not read secret: "be-sentry-dsn" isn't an item in the "Arda" vault"#,
                TroubleKind::NotFound,
            ),
            ("[ERROR] item 'a/b' does not have a field 'dsn'", TroubleKind::NotFound),
            ("[ERROR] dial tcp: lookup my.1password.com: no such host", TroubleKind::Unreachable),
            ("[ERROR] something else", TroubleKind::Refused),
        ] {
            assert_eq!(kind(complaint), expected, "{complaint}");
        }
    }
}
