//! The simulated site: a rehearsal stage that speaks the real protocols on loopback.

pub mod asked;
pub mod aws;
pub mod control;
pub mod dns;
pub mod faults;
pub mod kube;
pub mod launch;
pub mod ledger;
pub mod pg;
pub mod postgres_real;
pub mod standin;
#[cfg(test)]
pub mod testing;
pub mod weather;
pub mod web;
pub mod world;
