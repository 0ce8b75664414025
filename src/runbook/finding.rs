//! What is wrong, by what evidence, and the ways out that the cockpit offers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Evidence;
use super::names::StepId;

/// What is wrong, in the operator's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the situation it was matched to by evidence; none if it fits none that is known.
    pub situation: Option<String>,
    /// What happened to what, in one line.
    pub cause: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// What it means for the rollout.
    pub means: Option<String>,
    /// What to do next, in words.
    pub remedy: Option<String>,
    /// What to do next, as the cockpit offers it, the best first; empty where it has nothing to offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
}

/// A way out that the cockpit offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "kebab-case")]
pub enum Way {
    /// Fire the step again, not sooner than this after the attempt's end. What is wrong is mended elsewhere, or mends itself.
    Again {
        /// How long to wait.
        after: Duration,
    },
    /// Pull a lever, then fire the step again.
    Lever {
        /// The lever, among the partition's.
        lever: StepId,
        /// The choice that it is pulled with, such as the instance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        choice: Option<String>,
    },
    /// Go back to a step that was behind us, and on from there.
    Back {
        /// That step.
        step: StepId,
    },
    /// Pass over the step, by the operator's decision.
    Skip {
        /// The reason that the evidence suggests.
        because: String,
    },
    /// Take the partition back: what has not run will not run.
    RollBack,
}

impl Finding {
    /// A finding that fits no situation that is known.
    pub fn unknown(cause: impl Into<String>) -> Self {
        Self { situation: None, cause: cause.into(), evidence: Vec::new(), means: None, remedy: None, ways: Vec::new() }
    }

    /// A finding that evidence matched to a named situation.
    pub fn of(situation: &str, cause: impl Into<String>) -> Self {
        Self { situation: Some(situation.to_owned()), ..Self::unknown(cause) }
    }

    /// Adds what it rests on.
    pub fn because(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Says what it means for the rollout.
    pub fn meaning(mut self, means: impl Into<String>) -> Self {
        self.means = Some(means.into());
        self
    }

    /// Says what to do next.
    pub fn way_out(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Offers to fire the step again at once.
    pub fn again(self) -> Self {
        self.again_after(Duration::ZERO)
    }

    /// Offers to fire the step again after a while.
    pub fn again_after(mut self, after: Duration) -> Self {
        self.ways.push(Way::Again { after });
        self
    }

    /// Offers a lever.
    pub fn lever(mut self, lever: &str, choice: Option<&str>) -> Self {
        self.ways.push(Way::Lever { lever: StepId::new(lever), choice: choice.map(str::to_owned) });
        self
    }

    /// Offers another way.
    pub fn offering(mut self, way: Way) -> Self {
        self.ways.push(way);
        self
    }
}
