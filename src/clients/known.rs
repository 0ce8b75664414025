//! What this process remembers of the secrets that it has read: their fingerprints, by which they are masked in whatever comes
//! in from outside afterwards. A program that is started is told of them too ([`super::program`]).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{LazyLock, PoisonError, RwLock};

use secrecy::{ExposeSecret as _, SecretString};

use crate::runbook::known::Known;

/// The standard library has its keys from the system's source of randomness.
static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(|| RwLock::new(Known::by(RandomState::new().hash_one(()))));

/// Remembers a secret that was read.
pub fn remember(secret: &SecretString) {
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).remember(secret.expose_secret());
}

/// A text from outside without the secrets that were read, and without whatever has a secret's shape.
pub fn hide(text: &str) -> String {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).hide(text)
}

/// All that is remembered, for a process that is started.
pub(super) fn all() -> Known {
    KNOWN.read().unwrap_or_else(PoisonError::into_inner).clone()
}
