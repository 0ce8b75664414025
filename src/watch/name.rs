//! Where the name of the writer endpoint leads.

use std::time::{Duration, Instant};

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{ClusterView, DnsView, Reading, Source};
use super::task::{Ask, Voice};
use crate::clients::Trouble;
use crate::clients::dns::{Resolved, Resolver};
use crate::runbook::names::{InstanceId, PartitionName};

/// Asks for the writer endpoint's name.
#[derive(Debug)]
pub struct Name {
    /// The partition.
    pub partition: PartitionName,
    /// Who is asked; trouble if there is nobody to ask.
    pub resolver: Result<Resolver, Trouble>,
    /// The cluster.
    pub described: Described,
}

impl Ask for Name {
    fn period(&self, pace: Pace) -> Duration {
        pace.light()
    }

    async fn ask(&mut self, _pace: Pace, voice: &Voice) {
        let Some(cluster) = api::cluster(&mut self.described).await else { return };
        let begun = Instant::now();
        let said = self.look(&cluster).await;
        voice.say(&self.partition, Source::Dns, begun, said).await;
    }
}

impl Name {
    async fn look(&self, cluster: &ClusterView) -> Result<Reading, Trouble> {
        let resolver = self.resolver.as_ref().map_err(Clone::clone)?;
        let resolved = resolver.resolve(&cluster.endpoint).await?;
        let leads_to = match named(cluster, &resolved) {
            Some(member) => Some(member),
            None => same_address(cluster, resolver, &resolved).await,
        };
        Ok(Reading::Dns(DnsView { chain: resolved.chain, addresses: resolved.addresses, ttl: resolved.ttl, leads_to }))
    }
}

/// The member whose own name is on the way.
fn named(cluster: &ClusterView, resolved: &Resolved) -> Option<InstanceId> {
    let is_named = |endpoint: &str| resolved.chain.iter().any(|name| name.eq_ignore_ascii_case(endpoint));
    let found = cluster.members.iter().find(|member| member.endpoint.as_deref().is_some_and(is_named));
    found.map(|member| member.id.clone())
}

/// The member whose own name leads to the same address: for an endpoint that is no alias.
async fn same_address(cluster: &ClusterView, resolver: &Resolver, resolved: &Resolved) -> Option<InstanceId> {
    for member in &cluster.members {
        let Some(endpoint) = &member.endpoint else { continue };
        if let Ok(own) = resolver.resolve(endpoint).await
            && own.addresses.iter().any(|address| resolved.addresses.contains(address))
        {
            return Some(member.id.clone());
        }
    }
    None
}
