//! The proof: every situation that the runbook and its log name is brought about on a simulated site under a name that tells
//! nothing, and must be diagnosed from evidence, remedied where there is a remedy, and end as it should.
//!
//! `SITUATIONS=cluster-busy,app-5xx` rehearses these rows only, `AT_ONCE=2` so many at a time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod acts;
mod all;
mod combinations;
mod day;
mod judge;
mod lost;
mod rehearsal;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests, and not all of it is used here")]
mod support;
mod table;
mod unknown;
mod weather;
