//! One thin typed client for each outside system. They decide nothing; what changes the world takes `&Controls`.

mod authority;
pub mod aws;
pub mod bastion;
pub mod browser;
mod cause;
pub mod cloudformation;
pub mod cloudwatch;
pub mod controls;
pub mod database;
pub mod dns;
pub mod forge;
pub mod git;
pub mod helm;
#[cfg(test)]
mod hostile_tests;
pub mod http_probe;
pub mod identity;
pub mod image;
pub mod insights;
pub mod known;
pub mod kubernetes;
mod limit;
pub mod logs;
pub mod met;
pub mod onepassword;
pub mod password;
pub mod postgres;
pub mod program;
pub mod rds;
pub mod secrets;
pub mod tokens;
pub mod trouble;

pub use aws::{Accounts, Aws};
pub use controls::Controls;
pub use trouble::{Trouble, TroubleKind};
