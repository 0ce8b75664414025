//! aurora-cockpit: takes an Aurora PostgreSQL fleet through a risky change, calmly.

pub mod runbook;
pub mod sim;
