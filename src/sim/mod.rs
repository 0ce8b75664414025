//! The simulated site: a rehearsal stage that speaks the real protocols on loopback.

pub mod world;
