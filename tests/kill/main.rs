//! Nothing lost, nothing fired twice: the cockpit is killed wherever it can be, started again, and goes on; its journal is
//! cut, its disk is full, its clock jumps. What was sent is counted at the site.
//!
//! `KILL_SEED` repeats a night of random moments, `KILL_TIMES` makes it longer, `KILL_PACE` lets the clocks of all go so
//! many times as fast.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod at_every_record;
mod at_random_moments;
mod clock;
mod disk;
mod last_record;
mod night;
mod outcome;
mod records;
#[path = "../end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the end-to-end tests, and not all of it is used here")]
mod support;
mod world;
