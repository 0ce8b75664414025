//! How single values must look: what is refused here would otherwise fail in the middle of a rollout.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::problem::meant;

/// What is wrong with a value, and how it should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub message: String,
    pub help: Option<String>,
}

fn wrong<T>(message: String, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { message, help: Some(help.into()) })
}

/// The regions that are suggested; any other of the right form is taken as well.
const REGIONS: [&str; 18] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "ap-northeast-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-south-1",
    "me-central-1",
];

/// A duration such as `90s`, `5m` or `1h30m`, longer than nothing.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    match parsed {
        Some(duration) if duration > Duration::ZERO => Ok(duration),
        _ => wrong(format!("`{text}` is no duration"), "write it like `90s`, `5m` or `1h30m`"),
    }
}

/// A time zone by its IANA name.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, Wrong> {
    TimeZone::get(name).or_else(|_| {
        let known: Vec<_> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        let near = super::problem::nearest(name, known.iter().map(String::as_str));
        let help = near.map_or_else(
            || "use an IANA name such as `America/Los_Angeles`".to_owned(),
            |zone| format!("did you mean `{zone}`?"),
        );
        wrong(format!("`{name}` is no time zone known on this machine"), help)
    })
}

/// A moment: with an offset of its own, or on the clock of `zone`, where it must happen exactly once.
pub(super) fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, Wrong> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let Ok(clock) = text.parse::<DateTime>() else {
        return wrong(format!("`{text}` is no time"), "write it like `2026-05-14 23:00`");
    };
    zone.to_ambiguous_zoned(clock).unambiguous().map(|moment| moment.timestamp()).or_else(|_| {
        let help = "say the offset as well, like `2026-11-01 01:30-07:00`";
        wrong(format!("`{text}` happens twice or never, because the clocks change"), help)
    })
}

/// An AWS region.
pub(super) fn region(text: &str) -> Result<(), Wrong> {
    let parts: Vec<_> = text.split('-').collect();
    let number = |part: &&str| part.len() == 1 && part.chars().all(|c| c.is_ascii_digit());
    let word = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
    let well_formed = parts.len() >= 3
        && parts.split_last().is_some_and(|(last, words)| number(last) && words.iter().all(word))
        && parts[0].len() == 2;
    if well_formed {
        return Ok(());
    }
    Err(Wrong { message: format!("`{text}` is no AWS region"), help: meant(text, REGIONS) })
}

/// An AWS account.
pub(super) fn account(text: &str) -> Result<(), Wrong> {
    if text.len() == 12 && text.chars().all(|c| c.is_ascii_digit()) {
        return Ok(());
    }
    wrong(format!("`{text}` is no AWS account"), "it has twelve digits, in quotes")
}

/// An identifier as RDS takes it: a letter, then letters, digits and single hyphens, at most 63.
///
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html>
pub(super) fn rds_identifier(text: &str) -> Result<(), Wrong> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if plain && begins && !text.ends_with('-') && !text.contains("--") && text.len() <= 63 {
        return Ok(());
    }
    let help = "it begins with a letter and has letters, digits and single hyphens, 63 at most";
    wrong(format!("`{text}` is no identifier that RDS takes"), help)
}

/// A short name of our own: lowercase letters, digits and hyphens.
pub(super) fn slug(text: &str) -> Result<(), Wrong> {
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if plain && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 40 {
        return Ok(());
    }
    wrong(format!("`{text}` cannot be used as a name"), "use lowercase letters, digits and hyphens, 40 at most")
}

/// An instance class.
pub(super) fn instance_class(text: &str) -> Result<(), Wrong> {
    let mut parts = text.split('.');
    let begins = parts.next() == Some("db");
    if begins && parts.all(|part| !part.is_empty()) && text.matches('.').count() == 2 {
        return Ok(());
    }
    wrong(format!("`{text}` is no instance class"), "write it like `db.r7g.large`")
}

/// An address of a web page.
pub(super) fn url(text: &str) -> Result<(), Wrong> {
    let valid = reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if valid {
        return Ok(());
    }
    wrong(format!("`{text}` is no web address"), "write it like `https://dev.example.com`")
}

/// `host:port`.
pub(super) fn endpoint(text: &str) -> Result<(), Wrong> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(port)) if port > 0) {
        return Ok(());
    }
    wrong(format!("`{text}` is no host and port"), "write it like `127.0.0.1:15432`")
}

/// A 1Password reference.
pub(super) fn op_reference(text: &str) -> Result<(), Wrong> {
    let parts = text.strip_prefix("op://").map(|path| path.split('/').collect::<Vec<_>>());
    match parts {
        Some(parts) if matches!(parts.len(), 3 | 4) && parts.iter().all(|part| !part.is_empty()) => Ok(()),
        _ => wrong(format!("`{text}` is no 1Password reference"), "write it like `op://vault/item/field`"),
    }
}

/// `owner/name`, or `vault/item`.
pub(super) fn pair(text: &str, like: &str) -> Result<(), Wrong> {
    match text.split_once('/') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() && !right.contains('/') => Ok(()),
        _ => wrong(format!("`{text}` has not the form `{like}`"), format!("write it like `{like}`")),
    }
}

/// A path with `~/` and relative paths made absolute, as far as can be.
pub(super) fn path(text: &str, base: &std::path::Path) -> String {
    let full = match (text.strip_prefix("~/"), std::env::home_dir()) {
        (Some(below), Some(home)) => home.join(below),
        _ => base.join(text),
    };
    std::path::absolute(&full).unwrap_or(full).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_longer_than_nothing() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "5", "0s", "-5m", "soon"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_happens_exactly_once() {
        let zone = time_zone("America/Los_Angeles").unwrap();
        let window = moment("2026-05-14 23:00", &zone).unwrap();
        assert_eq!(window.to_string(), "2026-05-15T06:00:00Z");
        assert_eq!(moment("2026-05-14T23:00:00-07:00", &zone), Ok(window));
        assert!(moment("2026-11-01 01:30", &zone).is_err(), "twice");
        assert!(moment("2026-03-08 02:30", &zone).is_err(), "never");
        assert!(moment("tomorrow", &zone).is_err());
    }

    #[test]
    fn a_time_zone_is_suggested() {
        assert_eq!(time_zone("America/Los_Angles").unwrap_err().help.unwrap(), "did you mean `America/Los_Angeles`?");
    }

    #[test]
    fn names_of_the_outside_are_checked_by_form() {
        for good in ["us-east-1", "us-gov-west-1", "ap-southeast-2"] {
            assert_eq!(region(good), Ok(()), "{good}");
        }
        for bad in ["us-east1", "useast-1", "US-EAST-1", ""] {
            assert!(region(bad).is_err(), "{bad}");
        }
        assert_eq!(region("us-east1").unwrap_err().help.unwrap(), "did you mean `us-east-1`?");
        assert!(rds_identifier("Alpha002-dev-AuroraCluster").is_ok());
        for bad in ["1st", "a--b", "a-", "a_b", ""] {
            assert!(rds_identifier(bad).is_err(), "{bad}");
        }
        assert!(instance_class("db.t3.medium").is_ok() && instance_class("t3.medium").is_err());
        assert!(endpoint("127.0.0.1:15432").is_ok() && endpoint("localhost").is_err() && endpoint(":1").is_err());
        assert!(op_reference("op://Vault/item/field").is_ok() && op_reference("op://Vault/item").is_err());
        assert!(url("https://dev.example.com").is_ok() && url("dev.example.com").is_err());
        assert!(account("123456789012").is_ok() && account("1234").is_err());
    }
}
