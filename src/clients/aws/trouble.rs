//! What the SDK's errors mean for the operator.

use std::error::Error;
use std::io;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::clients::{Trouble, TroubleKind};
use crate::runbook::text::{clean_line, mask};

/// Turns an error of the SDK into trouble with a call such as `rds:DescribeDBClusters`.
pub(crate) fn trouble<E>(call: &str, error: SdkError<E, HttpResponse>) -> Trouble
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match &error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let (code, message) = (answer.err().code(), answer.err().message().unwrap_or_default());
            let kind = code.map_or_else(|| by_status(status), |code| by_code(code, message, status));
            // Without a code the body was not what the service sends: a gateway in between, perhaps.
            let said = if message.is_empty() { format!("HTTP {status}") } else { spoken(message) };
            let trouble = Trouble::new(call, kind, said);
            match code {
                Some(code) => trouble.with_code(clean_line(code)),
                None => trouble,
            }
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let kind = if status >= 500 { TroubleKind::NoAnswer } else { TroubleKind::Malformed };
            Trouble::new(call, kind, format!("HTTP {status}, {}", root_words(&error)))
        }
        SdkError::TimeoutError(_) => {
            let kind = if is_connect(&error) { TroubleKind::Unreachable } else { TroubleKind::NoAnswer };
            Trouble::new(call, kind, root_words(&error))
        }
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            let words = chain(&error);
            match by_credentials(&words) {
                Some(kind) => Trouble::new(call, kind, root_words(&error)),
                None => Trouble::new(call, undispatched(&error), root_words(&error)),
            }
        }
        _ => Trouble::new(call, TroubleKind::NoAnswer, root_words(&error)),
    }
}

/// By the service's own code. The lists are those that botocore and the SDK's retry classifiers agree on, and the codes
/// that the services of this cockpit document.
fn by_code(code: &str, message: &str, status: u16) -> TroubleKind {
    const SIGNED_OUT: [&str; 9] = [
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
    ];
    const DENIED: [&str; 8] = [
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "NotAuthorized",
        "NotAuthorizedException",
        "OptInRequired",
        "AuthFailure",
    ];
    const THROTTLED: [&str; 7] = [
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
        "RequestThrottledException",
    ];
    if SIGNED_OUT.contains(&code) || code.starts_with("ExpiredToken") {
        TroubleKind::SignedOut
    } else if DENIED.contains(&code) {
        // Secrets Manager and STS answer AccessDenied for a token that has ended, and say so in the message only.
        if message.contains("expired") { TroubleKind::SignedOut } else { TroubleKind::Denied }
    } else if THROTTLED.contains(&code) || code.starts_with("Throttl") || code.starts_with("RequestThrottl") {
        TroubleKind::Throttled
    } else if code.contains("NotFound") || (code == "ValidationError" && message.contains("does not exist")) {
        TroubleKind::NotFound
    } else {
        by_status(status)
    }
}

fn by_status(status: u16) -> TroubleKind {
    match status {
        429 => TroubleKind::Throttled,
        401 | 403 => TroubleKind::Denied,
        404 => TroubleKind::NotFound,
        400..=499 => TroubleKind::Refused,
        500..=599 => TroubleKind::NoAnswer,
        _ => TroubleKind::Malformed,
    }
}

/// Whether nobody could be found to sign the call, and why. The SDK tells it only in words, through several crates.
fn by_credentials(words: &[String]) -> Option<TroubleKind> {
    let said = |part: &str| words.iter().any(|word| word.contains(part));
    let about_credentials = said("credential") || said("identity") || said("token") || said("profile");
    if !about_credentials {
        return None;
    }
    // A profile that does not exist is no matter of signing in: a sign-in would not help.
    if said("could not find") || said("not properly configured") || said("was not defined") {
        return Some(TroubleKind::Unreachable);
    }
    Some(TroubleKind::SignedOut)
}

/// Whether a failed dispatch can have reached the other side.
fn undispatched<E>(error: &SdkError<E, HttpResponse>) -> TroubleKind
where
    E: Error + 'static,
{
    match error {
        SdkError::ConstructionFailure(_) => TroubleKind::Unreachable,
        _ if is_connect(error) => TroubleKind::Unreachable,
        _ => TroubleKind::NoAnswer,
    }
}

/// Whether the connection itself could not be made, so that nothing was sent.
fn is_connect(error: &(dyn Error + 'static)) -> bool {
    let by_kind = sources(error).any(|source| {
        source.downcast_ref::<io::Error>().is_some_and(|error| {
            use io::ErrorKind::{
                AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable,
            };
            matches!(
                error.kind(),
                ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable
            )
        })
    });
    // hyper-util names the phase in its words only; a name that is not found has no kind of its own.
    by_kind
        || chain(error).iter().any(|words| {
            words.contains("(Connect)") || words.contains("connect timeout") || words.contains("dns error")
        })
}

/// The error and all that it came from.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| Error::source(*error))
}

/// What each of them says, lowercase except for hyper's phases.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    sources(error).map(ToString::to_string).collect()
}

/// What the innermost cause says; the outer ones only say that something went wrong inside.
fn root_words(error: &(dyn Error + 'static)) -> String {
    let root = chain(error).pop().unwrap_or_default();
    if root.is_empty() { spoken(&DisplayErrorContext(error).to_string()) } else { spoken(&root) }
}

fn spoken(words: &str) -> String {
    mask(&clean_line(words), &[])
}
