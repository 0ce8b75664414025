//! The clients of one partition.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::clients::kubernetes::Kubernetes;
use crate::clients::{Accounts, Aws, Trouble, TroubleKind};
use crate::runbook::plan::{KubernetesTarget, Partition};

/// The clients of one partition, made at first use and kept.
#[derive(Debug)]
pub struct Tools {
    /// AWS in the partition's account and region.
    pub aws: Arc<Aws>,
    kubernetes_target: Option<KubernetesTarget>,
    kubernetes: OnceCell<Kubernetes>,
}

impl Tools {
    /// The clients of a partition. Calls nobody.
    pub async fn open(accounts: &Accounts, partition: &Partition) -> Arc<Self> {
        Arc::new(Self {
            aws: accounts.open(&partition.aws).await,
            kubernetes_target: partition.kubernetes.clone(),
            kubernetes: OnceCell::new(),
        })
    }

    /// Kubernetes in the partition's context and namespace.
    ///
    /// # Errors
    /// If the partition has none, or its context cannot be read.
    pub async fn kubernetes(&self) -> Result<&Kubernetes, Trouble> {
        let target = self.kubernetes_target.as_ref().ok_or_else(|| {
            Trouble::new("kubernetes", TroubleKind::NotFound, "the rollout file names no context for this partition")
        })?;
        self.kubernetes.get_or_try_init(|| Kubernetes::open(target)).await
    }
}
