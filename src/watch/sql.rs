//! SQL as a witness: through the writer endpoint, and on each instance.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::api::{self, Described};
use super::cadence::Pace;
use super::line::{Answer, Question, Standing};
use super::sample::{Role, Source, SqlView};
use crate::clients::database::Database;
use crate::clients::dns::Resolver;
use crate::clients::postgres::{Address, Session, WhoAmI};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::{InstanceId, PartitionName};

/// How long a name server may take to say whether a session that stands still leads where it should.
const NAMED: Duration = Duration::from_millis(250);

/// One end of a name, and whoever is there.
#[derive(Debug, Clone)]
pub struct End {
    /// The partition.
    pub partition: PartitionName,
    /// Its databases; trouble if they cannot be spoken to at all.
    pub database: Result<Arc<Database>, Trouble>,
    /// Tells whether the name leads elsewhere than the session does.
    pub resolver: Result<Resolver, Trouble>,
    /// The cluster.
    pub described: Described,
    /// The instance that is dialled; none is the writer endpoint.
    pub instance: Option<InstanceId>,
}

/// Asks the server at one end of a name who it is.
#[derive(Debug)]
pub struct Sql(pub End);

impl Question for Sql {
    fn partition(&self) -> &PartitionName {
        &self.0.partition
    }

    fn source(&self) -> Source {
        match &self.0.instance {
            Some(instance) => Source::SqlInstance(instance.clone()),
            None => Source::SqlEndpoint,
        }
    }

    fn period(&self, pace: Pace) -> Option<Duration> {
        // An instance is the first to know that it was promoted.
        let first = self.0.instance.is_some() && pace == Pace::Failover;
        Some(if first { Duration::from_millis(100) } else { pace.light() })
    }

    async fn ready(&self) {
        let _ = self.0.place().await;
    }

    async fn dial(&self) -> Result<Session, Trouble> {
        self.0.dial().await
    }

    async fn ask(&self, mut over: Standing) -> Result<Answer, Trouble> {
        let end = &self.0;
        if !over.is_new && end.leads_elsewhere(&over.session).await {
            over = Standing { session: end.dial().await?, is_new: true, whose: None };
        }
        let asked = Instant::now();
        let who = over.session.who_am_i().await?;
        let at = Instant::now();
        let reconnected = over.is_new;
        if reconnected {
            over.whose = end.whose(&over.session, &who).await;
            over.is_new = false;
        }
        let role = if who.is_writer { Role::Writer } else { Role::Reader };
        let view = SqlView {
            instance: over.whose.clone(),
            role,
            writer: who.writer().map(InstanceId::from),
            started: Some(who.started),
            lag_ms: if who.is_writer { None } else { who.lag_ms() },
            reconnected,
            write: None,
        };
        // Whoever holds on to a demoted writer through the writer endpoint never sees the new one.
        let serves = end.instance.is_some() || role == Role::Writer;
        Ok(Answer { over, asked, at, view, clock: Some(who.clock), serves })
    }
}

impl End {
    /// Begins a session with whatever the name leads to now.
    pub async fn dial(&self) -> Result<Session, Trouble> {
        let address = self.place().await?;
        self.database.as_ref().map_err(Clone::clone)?.connect(&address).await
    }

    /// Where it is dialled, as soon as the cluster is known.
    pub async fn place(&self) -> Result<Address, Trouble> {
        let mut described = self.described.clone();
        let database = self.database.as_ref().map_err(Clone::clone)?;
        let Some(instance) = &self.instance else {
            return api::endpoint(database, &mut described).await;
        };
        let cluster = api::cluster(&mut described).await;
        let member = cluster.as_ref().and_then(|cluster| cluster.members.iter().find(|member| member.id == *instance));
        let host = member.and_then(|member| member.endpoint.clone());
        let address =
            host.zip(cluster.as_ref().map(|cluster| cluster.port)).map(|(host, port)| Address::of(&host, port));
        address.ok_or_else(|| {
            Trouble::new(format!("SQL {instance}"), TroubleKind::NotFound, "the instance has no endpoint (yet)")
        })
    }

    /// Whose server a session ended on: by its own word on Aurora; elsewhere the one that was dialled or, through the writer
    /// endpoint, the member whose own name leads to the same address.
    pub async fn whose(&self, session: &Session, who: &WhoAmI) -> Option<InstanceId> {
        if let Some(instance) = &who.instance {
            return Some(InstanceId::from(instance.as_str()));
        }
        if self.instance.is_some() {
            return self.instance.clone();
        }
        let cluster = self.described.borrow().clone()?;
        // The server's own word for where it listens counts too: through a proxy, what was dialled is the proxy's address.
        let here: Vec<_> = who.address.map(|(ip, _)| ip).iter().chain(&session.addresses).copied().collect();
        for member in &cluster.members {
            let Some(host) = &member.endpoint else { continue };
            let leads_to = self.leads_to(host).await.unwrap_or_default();
            if leads_to.iter().any(|address| here.contains(address)) {
                return Some(member.id.clone());
            }
        }
        None
    }

    /// Whether a new session would end elsewhere. Where that cannot be told in time, the session is kept.
    async fn leads_elsewhere(&self, session: &Session) -> bool {
        let Ok(address) = self.place().await else { return false };
        let leads_to = self.leads_to(&address.host).await;
        leads_to.is_some_and(|leads_to| !leads_to.iter().any(|address| session.addresses.contains(address)))
    }

    async fn leads_to(&self, host: &str) -> Option<Vec<IpAddr>> {
        let resolver = self.resolver.as_ref().ok()?;
        let resolved = timeout(NAMED, resolver.resolve(host)).await.ok()?.ok()?;
        Some(resolved.addresses)
    }
}
