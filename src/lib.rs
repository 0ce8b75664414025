//! aurora-cockpit: takes an Aurora PostgreSQL fleet through a risky change, calmly.

pub mod app;
pub mod awake;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod config;
pub mod journal;
pub mod report;
pub mod runbook;
pub mod session;
pub mod sim;
pub mod steps;
pub mod telemetry;
pub mod term;
pub mod ui;
pub mod watch;
