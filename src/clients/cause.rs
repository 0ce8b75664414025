//! What an error of a library came from. Libraries tell it only through the chain of sources, and partly in words only.

use std::error::Error;
use std::io;

use super::known;
use crate::runbook::text::clean_line;

/// The error and all that it came from, outermost first.
pub(crate) fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| Error::source(*error))
}

/// Whether the connection itself could not be made, so that nothing was sent.
pub(crate) fn is_connect(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(|source| {
        let words = source.to_string();
        // hyper-util names the phase in its words only, and a name that is not found has no kind of its own.
        words.contains("(Connect)")
            || words.contains("connect timeout")
            || words.contains("dns error")
            || source.downcast_ref::<io::Error>().is_some_and(is_connect_io)
    })
}

fn is_connect_io(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown | AddrNotAvailable)
}

/// What the innermost cause says, cleaned and masked; the outer ones only say that something went wrong inside.
pub(crate) fn root_words(error: &(dyn Error + 'static)) -> String {
    let words = sources(error).map(|source| source.to_string()).filter(|words| !words.is_empty()).last();
    known::hide(&clean_line(&words.unwrap_or_default()))
}
