//! The names by which the runbook's things are called: newtypes, so that a step is never mistaken for a partition.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Wraps a name; its form was checked where it was read.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

name!(
    /// A partition of the fleet, such as `dev` or `prod`.
    PartitionName
);
name!(
    /// A step's stable identifier in the rollout file, such as `snapshot`; its number on screen is its label.
    StepId
);
name!(
    /// A run: one execution of a rollout file, with a journal of its own.
    RunId
);
name!(
    /// A DB instance identifier, as RDS answers it (lowercased by RDS).
    InstanceId
);

/// One step of one partition: what a key fires, what an event speaks of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepRef {
    /// The partition in which the step is.
    pub partition: PartitionName,
    /// The step within the partition.
    pub step: StepId,
}

impl StepRef {
    /// Names a step of a partition.
    pub fn new(partition: impl Into<PartitionName>, step: impl Into<StepId>) -> Self {
        Self { partition: partition.into(), step: step.into() }
    }

    /// Another step or lever of the same partition.
    pub fn beside(&self, step: &StepId) -> Self {
        Self { partition: self.partition.clone(), step: step.clone() }
    }
}

impl fmt::Display for StepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.step)
    }
}
