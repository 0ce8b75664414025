//! What is known of a partition's deploy: the record that the stand-in for the deploy program reads.

use serde::{Deserialize, Serialize};

/// A deploy of an infrastructure's and a partition's stacks, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deploy {
    /// How many deploys of this partition were started, this one included.
    pub attempt: u32,
    /// What it has said so far, in order.
    pub lines: Vec<DeployLine>,
    /// Whether it has ended, well or not.
    pub done: bool,
    /// Why it failed; none while it runs and where it ended well.
    pub failed: Option<String>,
}

/// A line of a deploy's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployLine {
    /// Its number within the attempt, from 1.
    pub seq: u64,
    /// What it says, such as `Alpha002-Networking: update in progress`.
    pub text: String,
}

impl Deploy {
    /// Adds a line.
    pub fn say(&mut self, text: impl Into<String>) {
        let seq = self.lines.len() as u64 + 1;
        self.lines.push(DeployLine { seq, text: text.into() });
    }

    /// Whether it was started and has not ended.
    pub fn running(&self) -> bool {
        self.attempt > 0 && !self.done
    }
}
