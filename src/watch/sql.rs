//! SQL as a witness: through the writer endpoint, and on each instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::api::{self, Described};
use super::cadence::Pace;
use super::sample::{Reading, Role, Source, SqlView, WriteProbe};
use super::task::{Ask, Voice};
use crate::clients::database::Database;
use crate::clients::dns::Resolver;
use crate::clients::postgres::{self, Address, Session, WhoAmI};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::names::{InstanceId, PartitionName};

/// Asks the server at one end of a name who it is.
#[derive(Debug)]
pub struct Sql {
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
    /// The session, while there is one.
    pub session: Option<Session>,
    /// Whose server the session ended on, where the server itself cannot say.
    pub ended_on: Option<InstanceId>,
}

impl Ask for Sql {
    fn period(&self, pace: Pace) -> Duration {
        pace.light()
    }

    async fn ask(&mut self, pace: Pace, voice: &Voice) {
        let place = self.place().await;
        let begun = Instant::now();
        let source = match &self.instance {
            Some(instance) => Source::SqlInstance(instance.clone()),
            None => Source::SqlEndpoint,
        };
        let said = match place {
            Err(trouble) => Err(trouble),
            Ok(address) => match timeout(patience(pace), self.look(&address, pace)).await {
                Ok(said) => said,
                Err(_) => {
                    let message = format!("nothing within {} ms", patience(pace).as_millis());
                    Err(Trouble::new(format!("SQL {}", address.host), TroubleKind::NoAnswer, message))
                }
            },
        };
        if said.is_err() {
            self.session = None;
        }
        voice.say(&self.partition, source, begun, said).await;
    }
}

impl Sql {
    /// Where it is dialled.
    async fn place(&mut self) -> Result<Address, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?;
        let Some(instance) = &self.instance else {
            return api::endpoint(database, &mut self.described).await;
        };
        let cluster = api::cluster(&mut self.described).await;
        let member = cluster.as_ref().and_then(|cluster| cluster.members.iter().find(|member| member.id == *instance));
        let host = member.and_then(|member| member.endpoint.clone());
        let address =
            host.zip(cluster.as_ref().map(|cluster| cluster.port)).map(|(host, port)| Address::of(&host, port));
        address.ok_or_else(|| {
            Trouble::new(format!("SQL {instance}"), TroubleKind::NotFound, "the instance has no endpoint (yet)")
        })
    }

    async fn look(&mut self, address: &Address, pace: Pace) -> Result<Reading, Trouble> {
        let database = self.database.as_ref().map_err(Clone::clone)?;
        // Taken out: a question that is given up in the middle leaves a session that nobody can use any more.
        let kept = match self.session.take() {
            Some(session) if !session.is_closed() && !self.leads_elsewhere(&session, &address.host).await => {
                Some(session)
            }
            _ => None,
        };
        let reconnected = kept.is_none();
        let session = match kept {
            Some(session) => session,
            None => database.connect(address).await?,
        };
        let who = session.who_am_i().await?;
        if reconnected {
            self.ended_on = match &who.instance {
                Some(_) => None,
                None => self.whose(&session, &who).await,
            };
        }
        let write = match pace {
            Pace::Failover if self.instance.is_none() => Some(written(session.write_probe().await?)),
            _ => None,
        };
        let role = if who.is_writer { Role::Writer } else { Role::Reader };
        let view = SqlView {
            instance: who.instance.as_deref().map(InstanceId::from).or_else(|| self.ended_on.clone()),
            role,
            writer: who.writer().map(InstanceId::from),
            started: Some(who.started),
            lag_ms: if who.is_writer { None } else { who.lag_ms() },
            reconnected,
            write,
        };
        // Whoever holds on to a demoted writer through the writer endpoint never sees the new one.
        if self.instance.is_some() || role == Role::Writer {
            self.session = Some(session);
        }
        Ok(Reading::Sql(view))
    }

    /// Whose server that is, on a PostgreSQL that does not know its instance: the one that was dialled or, through the writer
    /// endpoint, the member whose own name leads to the same address.
    async fn whose(&self, session: &Session, who: &WhoAmI) -> Option<InstanceId> {
        if self.instance.is_some() {
            return self.instance.clone();
        }
        let resolver = self.resolver.as_ref().ok()?;
        let cluster = self.described.borrow().clone()?;
        // The server's own word for where it listens counts too: through a proxy, what was dialled is the proxy's address.
        let here: Vec<_> = who.address.map(|(ip, _)| ip).iter().chain(&session.addresses).copied().collect();
        for member in &cluster.members {
            let Some(host) = &member.endpoint else { continue };
            let resolved = resolver.resolve(host).await;
            if resolved.is_ok_and(|resolved| resolved.addresses.iter().any(|address| here.contains(address))) {
                return Some(member.id.clone());
            }
        }
        None
    }

    /// Whether a new session would end elsewhere. Where that cannot be told, the session is kept.
    async fn leads_elsewhere(&self, session: &Session, host: &str) -> bool {
        let Ok(resolver) = &self.resolver else { return false };
        let resolved = resolver.resolve(host).await;
        resolved.is_ok_and(|resolved| !resolved.addresses.iter().any(|address| session.addresses.contains(address)))
    }
}

fn written(write: postgres::WriteProbe) -> WriteProbe {
    match write {
        postgres::WriteProbe::Accepted => WriteProbe::Accepted,
        postgres::WriteProbe::ReadOnly => WriteProbe::ReadOnly,
    }
}

/// How long one look may take. Short in a failover: a host that went dark must not hide that the name moved meanwhile.
fn patience(pace: Pace) -> Duration {
    match pace {
        Pace::Quiet => Duration::from_secs(10),
        Pace::Busy => Duration::from_secs(5),
        Pace::Failover => Duration::from_millis(1500),
    }
}
