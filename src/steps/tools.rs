//! The clients of one partition.

use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::clients::database::{Database, Databases};
use crate::clients::kubernetes::Kubernetes;
use crate::clients::postgres::Session;
use crate::clients::{Accounts, Aws, Trouble, TroubleKind};
use crate::runbook::plan::{KubernetesTarget, Partition};

/// The clients of one partition, made at first use and kept.
#[derive(Debug)]
pub struct Tools {
    /// AWS in the partition's account and region.
    pub aws: Arc<Aws>,
    cluster: String,
    /// The watchers' own as well.
    database: Result<Option<Arc<Database>>, Trouble>,
    kubernetes_target: Option<KubernetesTarget>,
    kubernetes: OnceCell<Kubernetes>,
}

impl Tools {
    /// The clients of a partition. Calls nobody.
    pub async fn open(accounts: &Accounts, databases: &Databases, partition: &Partition) -> Arc<Self> {
        let aws = accounts.open(&partition.aws).await;
        let database = databases.of(partition, &aws).await;
        Arc::new(Self::of(aws, database, partition))
    }

    /// The clients of a partition on its own in that account. Calls nobody.
    #[cfg(test)]
    pub(super) fn alone(aws: Arc<Aws>, partition: &Partition) -> Self {
        use crate::clients::dns::Resolver;

        let open = |target| Ok(Arc::new(Database::new(Resolver::from_environment()?, target, aws.clone())?));
        let database = partition.sql.as_ref().map(open).transpose();
        Self::of(aws, database, partition)
    }

    fn of(aws: Arc<Aws>, database: Result<Option<Arc<Database>>, Trouble>, partition: &Partition) -> Self {
        Self {
            cluster: partition.cluster.id.clone(),
            database,
            aws,
            kubernetes_target: partition.kubernetes.clone(),
            kubernetes: OnceCell::new(),
        }
    }

    /// As it is, with a Kubernetes of the test's own.
    #[cfg(test)]
    pub(super) fn with_kubernetes(mut self, kubernetes: Kubernetes) -> Self {
        self.kubernetes = OnceCell::new_with(Some(kubernetes));
        self
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

    /// A new session through the writer endpoint. Never a kept one: after a failover a kept session is with the old writer.
    ///
    /// # Errors
    /// If the partition has no SQL, or no session can be had.
    pub async fn sql(&self) -> Result<Session, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?.as_ref().ok_or_else(|| {
            Trouble::new("sql", TroubleKind::NotFound, "the rollout file says nothing of SQL for this partition")
        })?;
        let address = database.writer_endpoint(self.writer_endpoint()).await?;
        database.connect(&address).await
    }

    async fn writer_endpoint(&self) -> Result<(String, u16), Trouble> {
        let cluster = self.aws.rds.topology(&self.cluster).await?;
        let endpoint = cluster.endpoint.ok_or_else(|| {
            Trouble::new("rds:DescribeDBClusters", TroubleKind::NotFound, format!("{} has no endpoint", self.cluster))
        })?;
        Ok((endpoint, cluster.port.unwrap_or(5432)))
    }
}
