//! Who calls: the signature's credential scope, as the authorization header has it.
//!
//! The scope must be well-formed and fresh, as with the real endpoints. The signature itself is not recomputed, since keys
//! of a rehearsal are no secrets; only its form is checked.

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How far a caller's clock may be off, as AWS allows it.
const CLOCKS_APART_S: i64 = 15 * 60;

/// What a credential scope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    /// The access key.
    pub access_key: String,
    /// Name by which the service signs.
    pub service: String,
}

/// Why a call is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotSigned {
    /// HTTP status.
    pub status: StatusCode,
    /// Code in the Query protocol; the others' ends in `Exception`.
    pub code: &'static str,
    /// What AWS says.
    pub message: String,
}

/// Reads `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, SignedHeaders=…, Signature=…`.
pub(super) fn scope(headers: &HeaderMap, now: Timestamp) -> Result<Scope, NotSigned> {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        let message = "Request is missing Authentication Token".to_owned();
        return Err(NotSigned { status: StatusCode::FORBIDDEN, code: "MissingAuthenticationToken", message });
    };
    let header = header.to_str().map_err(|_| incomplete("Authorization header must be ASCII."))?.trim();
    let Some(rest) = header.strip_prefix("AWS4-HMAC-SHA256") else {
        return Err(incomplete("Unsupported AWS 'algorithm' in the Authorization header."));
    };
    let part = |name: &str| {
        let parts = rest.split(',').filter_map(|part| part.trim().split_once('='));
        let value = parts.filter(|(found, _)| *found == name).map(|(_, value)| value.trim()).next();
        value.filter(|value| !value.is_empty())
    };
    let all = ["Credential", "Signature", "SignedHeaders"];
    let absent: Vec<_> = all.iter().filter(|name| part(name).is_none()).collect();
    let (Some(credential), Some(signature)) = (part("Credential"), part("Signature")) else {
        return Err(incomplete(&requires(&absent)));
    };
    if !absent.is_empty() {
        return Err(incomplete(&requires(&absent)));
    }
    let at = date(headers).ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })?;
    let [access_key, day, region, service, terminator] = credential.split('/').collect::<Vec<_>>()[..] else {
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'"
        );
        return Err(incomplete(&message));
    };
    let apart = at.as_second().abs_diff(now.as_second());
    let refusal = if terminator != "aws4_request" {
        Some(format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."))
    } else if day != at.strftime("%Y%m%d").to_string() {
        Some(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}'."
        ))
    } else if region.is_empty() || access_key.is_empty() || service.is_empty() {
        Some("Credential should be scoped to a valid region.".to_owned())
    } else if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Some("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.".to_owned())
    } else if apart > CLOCKS_APART_S.unsigned_abs() {
        Some(format!(
            "Signature expired: {} is now {apart} s apart from {}",
            at.strftime("%Y%m%dT%H%M%SZ"),
            now.strftime("%Y%m%dT%H%M%SZ")
        ))
    } else {
        None
    };
    match refusal {
        Some(message) => Err(NotSigned { status: StatusCode::FORBIDDEN, code: "SignatureDoesNotMatch", message }),
        None => Ok(Scope { access_key: access_key.to_owned(), service: service.to_owned() }),
    }
}

fn requires(absent: &[&&str]) -> String {
    absent.iter().map(|name| format!("Authorization header requires '{name}' parameter. ")).collect::<String>()
}

fn incomplete(message: &str) -> NotSigned {
    let message = message.trim_end().to_owned();
    NotSigned { status: StatusCode::BAD_REQUEST, code: "IncompleteSignature", message }
}

/// The moment of `X-Amz-Date`, which every current SDK sends.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get("x-amz-date")?.to_str().ok()?;
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(authorization: Option<&str>) -> Result<Scope, (u16, &'static str)> {
        let now: Timestamp = "2026-05-14T19:03:03Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-date", "20260514T190303Z".parse().unwrap());
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        }
        scope(&headers, now).map_err(|not| (not.status.as_u16(), not.code))
    }

    #[test]
    fn what_is_not_signed_is_refused_as_aws_does() {
        let signature = "0a".repeat(32);
        let with = |scope: &str, signature: &str| {
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}")
        };
        let good = with("KEY/20260514/us-east-1/rds/aws4_request", &signature);
        assert_eq!(read(Some(&good)), Ok(Scope { access_key: "KEY".into(), service: "rds".into() }));
        assert_eq!(read(None), Err((403, "MissingAuthenticationToken")));
        for incomplete in
            ["", "Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=KEY/x", &with("KEY/rds", &signature)]
        {
            assert_eq!(read(Some(incomplete)), Err((400, "IncompleteSignature")), "{incomplete}");
        }
        for wrong in [
            with("KEY/20260514/us-east-1/rds/aws3_request", &signature),
            with("KEY/20260513/us-east-1/rds/aws4_request", &signature),
            with("KEY/20260514/us-east-1/rds/aws4_request", "abc"),
        ] {
            assert_eq!(read(Some(&wrong)), Err((403, "SignatureDoesNotMatch")), "{wrong}");
        }
    }
}
