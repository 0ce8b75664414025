//! What the tests build on: a place with its site, the binary without a screen, and the binary in a terminal.

pub mod ledger;
pub mod place;
pub mod pty;
pub mod rights;

pub use ledger::Ledger;
pub use place::{Place, Said, step_of, wait_until};
pub use pty::{Cockpit, DOWN, ENTER, ESCAPE, Left, RIGHT, TAB, holds};

/// The shipped rollout.
pub const ROLLOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/rollouts/pdev-479.toml");

/// The steps of a partition without class change, in their order, as they are fired by hand.
pub const BY_HAND: [(&str, &str); 12] = [
    ("p", "Prerequisites"),
    ("0", "Drift checks"),
    ("1", "Snapshot"),
    ("2", "amm.sh"),
    ("3", "Verify dynamic parameters"),
    ("4", "Reboot reader1"),
    ("5", "Failover to reader1"),
    ("6", "Verify static parameters"),
    ("8", "Deploy the operations chart"),
    ("6", "Verify pg_stat_statements"),
    ("7", "Delete the snapshot"),
    ("9", "Application health"),
];
