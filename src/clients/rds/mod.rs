//! Aurora through the RDS API: what is there ([`views`]), and what changes it ([`Change`]).

mod change;
mod read;
pub mod views;

pub use change::{Apply, Change, ParameterSetting};
pub use views::{ClusterView, EventSource, EventView, InstanceView, MemberView, ParameterView, SnapshotView};

use super::aws::{Configs, client};

/// RDS in one account and region.
#[derive(Debug, Clone)]
pub struct Rds {
    /// Repeats what fails in passing.
    reading: aws_sdk_rds::Client,
    /// Sends once.
    changing: aws_sdk_rds::Client,
}

impl Rds {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: client!(aws_sdk_rds, &configs.reading), changing: client!(aws_sdk_rds, &configs.changing) }
    }
}
