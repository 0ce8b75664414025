//! What the SDK's errors mean for the operator.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::clients::cause::{is_connect, root_words, sources};
use crate::clients::{Trouble, TroubleKind, known};
use crate::runbook::text::clean_line;

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
            let said = match message {
                "" if code.is_some() => format!("HTTP {status}"),
                "" => format!("HTTP {status}: {}", root_words(&error)),
                message if code.is_some_and(is_of_clock) => {
                    format!("{}; {CLOCK}", known::hide(&clean_line(message)))
                }
                message => known::hide(&clean_line(message)),
            };
            let trouble = Trouble::new(call, kind, said);
            match code {
                Some(code) => trouble.with_code(clean_line(code)),
                None => trouble,
            }
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            let kind = if status >= 500 { TroubleKind::NoAnswer } else { TroubleKind::Malformed };
            Trouble::new(call, kind, format!("HTTP {status}: {}", root_words(&error)))
        }
        SdkError::ConstructionFailure(_) => Trouble::new(call, unsigned(&error), root_words(&error)),
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
            let kind = match credentials(&error) {
                Some(_) => unsigned(&error),
                None if is_connect(&error) => TroubleKind::Unreachable,
                None => TroubleKind::NoAnswer,
            };
            Trouble::new(call, kind, root_words(&error))
        }
        _ => Trouble::new(call, TroubleKind::NoAnswer, root_words(&error)),
    }
}

/// By the service's own code. The lists are those that the SDK's retry classifiers have, and the codes that the services
/// of this cockpit document.
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
    const THROTTLED: [&str; 6] = [
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "SlowDown",
    ];
    // A call that the other side gave up on may have been carried out all the same.
    const NO_ANSWER: [&str; 3] = ["RequestTimeout", "RequestTimeoutException", "RequestTimedOut"];
    if NO_ANSWER.contains(&code) {
        TroubleKind::NoAnswer
    } else if SIGNED_OUT.contains(&code) {
        TroubleKind::SignedOut
    } else if is_of_clock(code) {
        // The role may well do it.
        TroubleKind::Refused
    } else if DENIED.contains(&code) {
        // Some services answer AccessDenied for a token that has ended, and say so in the message only.
        if message.contains("expired") { TroubleKind::SignedOut } else { TroubleKind::Denied }
    } else if THROTTLED.contains(&code) || code.starts_with("Throttl") || code.starts_with("RequestThrottl") {
        TroubleKind::Throttled
    } else if code.contains("NotFound") || (code == "ValidationError" && message.contains("does not exist")) {
        TroubleKind::NotFound
    } else {
        by_status(status)
    }
}

/// What helps against a call that was signed at another time than AWS has.
const CLOCK: &str = "this machine's clock is off, or the key is wrong: set the clock, then start the cockpit again";

/// Whether the service takes a signature for one of another time, or of another key; by the codes of the common errors.
fn is_of_clock(code: &str) -> bool {
    matches!(code, "SignatureDoesNotMatch" | "InvalidSignatureException" | "RequestTimeTooSkewed")
}

fn by_status(status: u16) -> TroubleKind {
    match status {
        429 => TroubleKind::Throttled,
        401 | 403 => TroubleKind::Denied,
        404 => TroubleKind::NotFound,
        // What waited in between gave up.
        408 => TroubleKind::NoAnswer,
        400..=499 => TroubleKind::Refused,
        500..=599 => TroubleKind::NoAnswer,
        _ => TroubleKind::Malformed,
    }
}

/// Why there was nothing to sign the call with, if that is it.
fn credentials<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    sources(error).find_map(|source| source.downcast_ref::<CredentialsError>())
}

/// A call that was not signed never went out. The question is whether signing in would help.
fn unsigned(error: &(dyn Error + 'static)) -> TroubleKind {
    match credentials(error) {
        // The sign-in service itself was not reached.
        Some(_) if is_connect(error) => TroubleKind::Unreachable,
        Some(CredentialsError::ProviderError(_) | CredentialsError::Unhandled(_)) => TroubleKind::SignedOut,
        // No such profile, or one without any way to sign in.
        _ => TroubleKind::Unreachable,
    }
}
