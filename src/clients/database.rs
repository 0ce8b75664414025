//! A partition's databases: where the password is read, and sessions with them.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::Mutex;

use super::bastion::{Bastion, Bastions};
use super::dns::Resolver;
use super::postgres::{Address, Connector, Session};
use super::{Aws, Trouble, TroubleKind, password};
use crate::runbook::names::PartitionName;
use crate::runbook::plan::{Partition, SecretSource, SqlTarget, TlsMode};

/// How long a password that could not be read, or that was refused, is not asked for again: `op` may prompt a person each
/// time, and a server may lock a role out.
const SULK: Duration = Duration::from_secs(30);

/// SQLSTATE of a password that is refused.
const WRONG_PASSWORD: &str = "28P01";

/// The databases of all partitions, each opened once: steps and watchers share it, so that its password is read once.
#[derive(Debug, Default)]
pub struct Databases {
    /// The ways to those that this machine does not reach.
    pub bastions: Bastions,
    /// Who is asked for names; none is whom the environment names.
    resolver: Option<Resolver>,
    /// The environment's, for all of them.
    usual: OnceLock<Resolver>,
    open: Mutex<HashMap<PartitionName, Arc<Database>>>,
}

impl Databases {
    /// Databases that are reached through those bastions, where they are reached through any.
    pub fn through(bastions: Bastions) -> Self {
        Self { bastions, ..Self::default() }
    }

    /// The same, with names asked of that resolver.
    pub fn asking(self, resolver: Resolver) -> Self {
        Self { resolver: Some(resolver), ..self }
    }

    fn resolver(&self) -> Result<Resolver, Trouble> {
        if let Some(known) = self.resolver.as_ref().or(self.usual.get()) {
            return Ok(known.clone());
        }
        let made = Resolver::from_environment()?;
        Ok(self.usual.get_or_init(|| made).clone())
    }

    /// A partition's databases; none where the plan says nothing of SQL. Reads no secret and calls nobody.
    ///
    /// # Errors
    /// As [`Database::new`], and where names cannot be asked for at all.
    pub async fn of(&self, partition: &Partition, aws: &Arc<Aws>) -> Result<Option<Arc<Database>>, Trouble> {
        let Some(target) = &partition.sql else { return Ok(None) };
        let mut open = self.open.lock().await;
        if let Some(database) = open.get(&partition.name) {
            return Ok(Some(database.clone()));
        }
        let resolver = self.resolver()?;
        let bastion = self.bastions.of(partition, aws).await;
        let database = Arc::new(Database::new(resolver, target, aws.clone())?.over(bastion));
        open.insert(partition.name.clone(), database.clone());
        Ok(Some(database))
    }
}

/// A partition's databases. Shared by whoever speaks SQL there, so that the password is read once.
#[derive(Debug)]
pub struct Database {
    /// How SQL is reached.
    pub target: SqlTarget,
    connector: Connector,
    /// The way to them; none where this machine reaches them.
    bastion: Option<Arc<Bastion>>,
    aws: Arc<Aws>,
    password: Mutex<Password>,
}

#[derive(Debug, Default)]
enum Password {
    /// Not asked for yet.
    #[default]
    Unread,
    /// Read.
    Known(SecretString),
    /// It could not be read, or was refused; when, and why.
    Refused(Instant, Trouble),
}

impl Database {
    /// A partition's databases. Reads no secret and calls nobody.
    ///
    /// # Errors
    /// The file of authorities cannot be read.
    pub fn new(resolver: Resolver, target: &SqlTarget, aws: Arc<Aws>) -> Result<Self, Trouble> {
        let connector = Connector::new(resolver, target)?;
        Ok(Self { target: target.clone(), connector, bastion: None, aws, password: Mutex::default() })
    }

    /// As it is, reached through that bastion if there is one.
    pub fn over(self, bastion: Option<Arc<Bastion>>) -> Self {
        Self { bastion, ..self }
    }

    /// Where the writer endpoint is dialled: at the plan's own endpoint, or at the one that RDS answers. `cluster` is asked
    /// for the latter only where it is needed: to dial it, or because the server behind a port-forward must identify itself
    /// by that name.
    ///
    /// # Errors
    /// The plan's own is no `host:port`, or as `cluster` answers.
    pub async fn writer_endpoint(
        &self,
        cluster: impl Future<Output = Result<(String, u16), Trouble>>,
    ) -> Result<Address, Trouble> {
        let Some((host, port)) = self.own_endpoint()? else {
            let (host, port) = cluster.await?;
            return Ok(Address::of(&host, port));
        };
        let is_named = self.target.tls == TlsMode::VerifyFull || self.target.password == SecretSource::Iam;
        if !is_named {
            return Ok(Address::of(&host, port));
        }
        let (name, named_port) = cluster.await?;
        Ok(Address { host, port, name, named_port })
    }

    fn own_endpoint(&self) -> Result<Option<(String, u16)>, Trouble> {
        let Some(endpoint) = &self.target.endpoint else { return Ok(None) };
        let parts = endpoint.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let malformed = || {
            let message = format!("the endpoint must read `host:port`, and is `{endpoint}`");
            Trouble::new("connect", TroubleKind::Malformed, message)
        };
        parts.map(Some).ok_or_else(malformed)
    }

    /// Begins a session with whatever the address leads to now. The password is read at the first use and kept in memory; a
    /// token is made each time.
    ///
    /// # Errors
    /// As reading the secret, and as [`Connector::connect`].
    pub async fn connect(&self, address: &Address) -> Result<Session, Trouble> {
        if self.target.password == SecretSource::Iam {
            let token = self.aws.tokens.token(&address.name, address.named_port, &self.target.user).await?;
            return self.open(address, &token).await;
        }
        let password = self.password().await?;
        let session = self.open(address, &password).await;
        if let Err(trouble) = &session
            && trouble.is_code(WRONG_PASSWORD)
        {
            *self.password.lock().await = Password::Refused(Instant::now(), trouble.clone());
        }
        session
    }

    async fn open(&self, address: &Address, password: &SecretString) -> Result<Session, Trouble> {
        let Some(bastion) = &self.bastion else { return self.connector.connect(address, password).await };
        let stream = bastion.stream(&address.host, address.port).await?;
        self.connector.connect_over(stream, address, password).await
    }

    async fn password(&self) -> Result<SecretString, Trouble> {
        // Held while it is read: whoever comes meanwhile waits for the one reading instead of prompting a second time.
        let mut password = self.password.lock().await;
        match &*password {
            Password::Known(secret) => return Ok(secret.clone()),
            Password::Refused(at, trouble) if at.elapsed() < SULK => return Err(trouble.clone()),
            Password::Refused(..) | Password::Unread => {}
        }
        match password::read(&self.target.password, &self.aws).await {
            Ok(secret) => {
                *password = Password::Known(secret.clone());
                Ok(secret)
            }
            Err(trouble) => {
                *password = Password::Refused(Instant::now(), trouble.clone());
                Err(trouble)
            }
        }
    }
}
