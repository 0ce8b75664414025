//! The RDS API: one description for all partitions of an account and region, because its calls are counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::cadence::Pace;
use super::sample::{ClusterView, MemberView, Reading, Role, Source};
use super::task::{Ask, Voice};
use crate::clients::database::Database;
use crate::clients::postgres::Address;
use crate::clients::{Aws, Trouble, TroubleKind, rds};
use crate::runbook::names::PartitionName;

/// The last description of a cluster, for the watchers that find their hosts in it.
pub type Described = watch::Receiver<Option<Arc<ClusterView>>>;

/// The cluster, as soon as it is known: watchers begin with it, not with the next tick after it. None once the session
/// ends before.
pub async fn cluster(described: &mut Described) -> Option<Arc<ClusterView>> {
    described.wait_for(Option::is_some).await.ok().and_then(|known| known.clone())
}

/// How long a source of several clusters waits for one that nobody knows (yet), for the others' sake.
const STRAGGLER: Duration = Duration::from_secs(5);

/// Waits until all of these clusters are known, or those that can be.
pub async fn clusters(described: impl Iterator<Item = &mut Described>) {
    let _ = tokio::time::timeout(STRAGGLER, futures::future::join_all(described.map(cluster))).await;
}

/// Where the writer endpoint is dialled: at the plan's own, or at the one that RDS answers, as soon as it is known.
///
/// # Errors
/// The plan's own is no `host:port`.
pub async fn endpoint(database: &Database, described: &mut Described) -> Result<Address, Trouble> {
    let ended = || Trouble::new("connect", TroubleKind::NotFound, "the cluster's endpoint is not known");
    let known = async {
        let cluster = cluster(described).await.ok_or_else(ended)?;
        Ok((cluster.endpoint.clone(), cluster.port))
    };
    database.writer_endpoint(known).await
}

/// Asks for the clusters of one account and region.
#[derive(Debug)]
pub struct Api {
    /// The account.
    pub aws: Arc<Aws>,
    /// What is asked for.
    pub clusters: Vec<Wanted>,
}

/// A cluster that is asked for.
#[derive(Debug)]
pub struct Wanted {
    /// Its partition.
    pub partition: PartitionName,
    /// Its identifier.
    pub id: String,
    /// Where its description goes.
    pub describes: watch::Sender<Option<Arc<ClusterView>>>,
}

impl Ask for Api {
    fn period(&self, pace: Pace) -> Duration {
        pace.metered()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let begun = Instant::now();
        let ids: Vec<&str> = self.clusters.iter().map(|wanted| wanted.id.as_str()).collect();
        match self.aws.rds.clusters(&ids).await {
            Ok(views) => {
                let views: HashMap<_, _> = views.into_iter().map(|view| (view.id.to_lowercase(), view)).collect();
                for Wanted { partition, id, describes } in &self.clusters {
                    let said = match views.get(&id.to_lowercase()) {
                        Some(view) => {
                            let view = seen(view);
                            describes.send_replace(Some(Arc::new(view.clone())));
                            Ok(Reading::Cluster(view))
                        }
                        None => Err(Trouble::new(
                            "rds:DescribeDBClusters",
                            TroubleKind::NotFound,
                            format!("this account and region have no cluster {id}"),
                        )),
                    };
                    voice.say(partition, Source::Api, begun, said).await;
                }
            }
            Err(trouble) => {
                for Wanted { partition, .. } in &self.clusters {
                    voice.say(partition, Source::Api, begun, Err(trouble.clone())).await;
                }
            }
        }
    }
}

/// A cluster as samples have it.
fn seen(cluster: &rds::ClusterView) -> ClusterView {
    let mut members: Vec<_> = cluster.members.iter().map(member).collect();
    members.sort_by(|one, two| (one.role != Role::Writer, &one.id).cmp(&(two.role != Role::Writer, &two.id)));
    ClusterView {
        id: cluster.id.clone(),
        status: cluster.status.clone(),
        parameter_group: cluster.parameter_group.clone(),
        insights_mode: cluster.insights_mode.clone(),
        writer: cluster.writer().map(|writer| writer.id.clone()),
        endpoint: cluster.endpoint.clone().unwrap_or_default(),
        port: cluster.port.unwrap_or(5432),
        members,
    }
}

fn member(member: &rds::MemberView) -> MemberView {
    let instance = member.instance.as_ref();
    MemberView {
        id: member.id.clone(),
        role: if member.is_writer { Role::Writer } else { Role::Reader },
        class: member.class().unwrap_or_default().to_owned(),
        pending_class: member.pending_class().map(str::to_owned),
        status: member.status().unwrap_or_default().to_owned(),
        group_status: member.group_status.clone(),
        resource_id: instance.and_then(|instance| instance.resource_id.clone()).unwrap_or_default(),
        zone: instance.and_then(|instance| instance.zone.clone()),
        insights: instance.and_then(|instance| instance.insights),
        endpoint: instance.and_then(|instance| instance.host.clone()),
    }
}
