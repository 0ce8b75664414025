//! The clients of one partition.

use std::sync::Arc;

use crate::clients::{Accounts, Aws};
use crate::runbook::plan::Partition;

/// The clients of one partition, made at first use and kept.
#[derive(Debug)]
pub struct Tools {
    /// AWS in the partition's account and region.
    pub aws: Arc<Aws>,
}

impl Tools {
    /// The clients of a partition. Calls nobody.
    pub async fn open(accounts: &Accounts, partition: &Partition) -> Arc<Self> {
        Arc::new(Self { aws: accounts.open(&partition.aws).await })
    }
}
