//! PostgreSQL's errors as trouble, told apart by SQLSTATE.

use std::error::Error as _;

use crate::clients::{Trouble, TroubleKind};
use crate::runbook::text::clean_line;

/// Trouble while a session begins: whatever failed, nothing was asked yet.
pub fn while_connecting(call: &str, error: tokio_postgres::Error) -> Trouble {
    if refuses_certificate(&error) {
        let message = format!("the server's certificate is not accepted: {}", words(&error));
        return Trouble::new(call, TroubleKind::Denied, message).with_code("TLS");
    }
    from(call, &error, TroubleKind::Unreachable)
}

/// Trouble within a session.
pub fn while_asking(call: &str, error: tokio_postgres::Error) -> Trouble {
    from(call, &error, TroubleKind::NoAnswer)
}

fn from(call: &str, error: &tokio_postgres::Error, otherwise: TroubleKind) -> Trouble {
    match error.as_db_error() {
        Some(db) => Trouble::new(call, kind(db.code().code()), clean_line(db.message())).with_code(db.code().code()),
        None => Trouble::new(call, otherwise, words(error)),
    }
}

/// What an SQLSTATE means for whoever asked.
fn kind(code: &str) -> TroubleKind {
    match code {
        // The server goes down, comes up, or threw the session out.
        "57P01" | "57P02" | "57P03" | "57P05" => TroubleKind::Unreachable,
        "57014" => TroubleKind::NoAnswer,
        "53300" => TroubleKind::Throttled,
        "42501" => TroubleKind::Denied,
        "42P01" | "42703" | "42704" | "42883" | "3D000" => TroubleKind::NotFound,
        _ if code.starts_with("28") => TroubleKind::Denied,
        _ if code.starts_with("08") => TroubleKind::Unreachable,
        _ => TroubleKind::Refused,
    }
}

/// An error with its causes, on one line.
fn words(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    clean_line(&text)
}

fn refuses_certificate(error: &tokio_postgres::Error) -> bool {
    let io = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let inner = io.and_then(std::io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
