//! Shapes of secret values: whether a value looks right, without showing it.

use super::plan::ValueShape;

/// Whether a value has its shape, and what may be said of it.
pub fn judge(shape: ValueShape, value: &str) -> (bool, String) {
    if value.trim().is_empty() {
        return (false, "empty".to_owned());
    }
    match shape {
        ValueShape::NotEmpty => (true, "not empty".to_owned()),
        ValueShape::SentryDsn if is_sentry_dsn(value) => (true, "shape OK".to_owned()),
        ValueShape::SentryDsn => (false, "does not look like a Sentry DSN".to_owned()),
    }
}

/// `^https://[a-f0-9]+@.+\.sentry\.io/[0-9]+$`, as the runbook checks it.
fn is_sentry_dsn(value: &str) -> bool {
    let Some((key, rest)) = value.strip_prefix("https://").and_then(|rest| rest.split_once('@')) else { return false };
    let Some((host, project)) = rest.rsplit_once('/') else { return false };
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let organisation = host.strip_suffix(".sentry.io").unwrap_or_default();
    !key.is_empty()
        && key.bytes().all(is_hex)
        && !organisation.is_empty()
        && !project.is_empty()
        && project.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentry_dsn_is_told_from_what_only_looks_like_one() {
        let table = [
            ("https://0a1b2c@o447951.ingest.us.sentry.io/4507", true),
            ("https://0a1b2c@o447951.ingest.us.sentry.io/", false),
            ("https://0A1B@o1.sentry.io/1", false),
            ("http://0a1b@o1.sentry.io/1", false),
            ("https://@o1.sentry.io/1", false),
            ("https://0a1b@.sentry.io/1", false),
            ("https://0a1b@sentry.example/1", false),
            ("", false),
            (" \n", false),
        ];
        for (value, expected) in table {
            assert_eq!(judge(ValueShape::SentryDsn, value).0, expected, "{value}");
        }
    }
}
