//! SQL sessions with one instance, or with whatever the writer endpoint leads to.
//!
//! A session is with the server that its name led to when it began; after a failover it must be made anew. Names are
//! resolved by our own resolver, so that no cache of this machine keeps a session at the old writer.

mod ended;
mod rights;
mod session;
mod statements;
#[cfg(test)]
mod stock_statements;
#[cfg(test)]
pub(crate) mod stock_tests;
#[cfg(test)]
mod tests;
mod tls;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::io::DuplexStream;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use ended::Ended;
pub use rights::Rights;
pub use session::{IdleInTransaction, Session, Setting, Topology, WhoAmI, WriteProbe};
pub use statements::{Statement, StatementCounters, StatementText, StatementsProbe};

use super::dns::Resolver;
use super::{Trouble, TroubleKind};
use crate::runbook::plan::{SqlTarget, TlsMode};

/// How long resolving, connecting and signing in may take together.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the server may work on one statement.
const STATEMENT: Duration = Duration::from_secs(4);
/// How long an answer may take to arrive; longer than the server may work, so that its own word comes first.
const ANSWER: Duration = Duration::from_secs(6);

/// After what silence a host is asked whether it still lives, how long it may take, and how often it is asked before the
/// session counts as ended.
const KEPT_ALIVE: Duration = Duration::from_secs(2);
const KEPT_ALIVE_AGAIN: Duration = Duration::from_secs(1);
const KEPT_ALIVE_TRIES: u32 = 3;
/// How long a host that went dark had been silent when its session is seen to have ended.
const UNHEARD: Duration = Duration::from_secs(5);

/// The name by which the cockpit is seen in pg_stat_activity.
const APPLICATION: &str = "aurora-cockpit";

/// Where a session is dialled, and as whom the server must identify itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host that is dialled.
    pub host: String,
    /// Port that is dialled.
    pub port: u16,
    /// Name in the server's certificate, and in a token for it.
    pub name: String,
    /// The server's own port.
    pub named_port: u16,
}

impl Address {
    /// A server that is dialled by its own name.
    pub fn of(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, name: host.to_owned(), named_port: port }
    }
}

/// Makes sessions with the databases of one partition.
#[derive(Clone)]
pub struct Connector {
    resolver: Resolver,
    database: String,
    user: String,
    tls: Option<MakeRustlsConnect>,
    /// Set once a server turned out not to be Aurora, so that a new session does not find out again.
    stock: Arc<AtomicBool>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("database", &self.database)
            .field("user", &self.user)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// A connector for a partition's databases. Reads the file of authorities; calls nobody.
    ///
    /// # Errors
    /// The authorities cannot be read.
    pub fn new(resolver: Resolver, target: &SqlTarget) -> Result<Self, Trouble> {
        let tls = match target.tls {
            TlsMode::Disable => None,
            TlsMode::VerifyFull => Some(MakeRustlsConnect::new(tls::config(target.ca_file.as_deref())?)),
        };
        let (database, user) = (target.database.clone(), target.user.clone());
        Ok(Self { resolver, database, user, tls, stock: Arc::default() })
    }

    /// Begins a session with whatever the address leads to now.
    ///
    /// # Errors
    /// `NotFound` for a name or database that does not exist, `Unreachable` where nobody answers (a server that starts or
    /// stops included), `Denied` where the sign-in or the server's certificate is refused.
    pub async fn connect(&self, address: &Address, password: &SecretString) -> Result<Session, Trouble> {
        let call = format!("connect to {}:{}", address.host, address.port);
        in_time(&call, self.open(&call, address, password)).await
    }

    async fn open(&self, call: &str, to: &Address, password: &SecretString) -> Result<Session, Trouble> {
        let resolved = self.resolver.resolve(&to.host).await?;
        let mut config = self.config(password);
        for address in &resolved.addresses {
            // The name goes with each address: the certificate is verified against the name.
            config.host(&to.name).hostaddr(*address).port(to.port);
        }
        let failed = |error| trouble::while_connecting(call, error);
        let (client, ended) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                (client, ended::watched(connection, UNHEARD))
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(failed)?;
                (client, ended::watched(connection, UNHEARD))
            }
        };
        Ok(Session::new(client, ended, resolved.addresses, self.stock.clone()))
    }

    /// As [`Self::connect`], over a connection that leads to the server already.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_over(
        &self,
        stream: DuplexStream,
        to: &Address,
        password: &SecretString,
    ) -> Result<Session, Trouble> {
        let call = format!("connect to {}:{} through the bastion", to.host, to.port);
        in_time(&call, self.open_over(&call, stream, to, password)).await
    }

    async fn open_over(
        &self,
        call: &str,
        stream: DuplexStream,
        to: &Address,
        password: &SecretString,
    ) -> Result<Session, Trouble> {
        let config = self.config(password);
        let failed = |error| trouble::while_connecting(call, error);
        let (client, ended) = match &self.tls {
            None => {
                let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(failed)?;
                (client, ended::watched(connection, UNHEARD))
            }
            Some(tls) => {
                // The connection leads to a pod; the certificate is verified against the server's name all the same.
                let tls = MakeTlsConnect::<DuplexStream>::make_tls_connect(&mut tls.clone(), &to.name);
                let tls = tls.map_err(|error| Trouble::new(call, TroubleKind::Malformed, error.to_string()))?;
                let (client, connection) = config.connect_raw(stream, tls).await.map_err(failed)?;
                (client, ended::watched(connection, UNHEARD))
            }
        };
        // Where the name leads by our own resolver: the pod's may be a few seconds behind. Where ours does not know the
        // name, the session is kept until it ends.
        let addresses = self.resolver.resolve(&to.host).await.map(|resolved| resolved.addresses);
        Ok(Session::new(client, ended, addresses.unwrap_or_default(), self.stock.clone()))
    }

    fn config(&self, password: &SecretString) -> Config {
        let mut config = Config::new();
        config
            .user(&self.user)
            .dbname(&self.database)
            .password(password.expose_secret())
            .application_name(APPLICATION)
            // The server keeps these even if this process dies in the middle of something.
            .options(format!(
                "-c statement_timeout={} -c lock_timeout=1000 -c idle_in_transaction_session_timeout=5000",
                STATEMENT.as_millis()
            ))
            .ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable })
            .connect_timeout(CONNECT)
            .tcp_user_timeout(ANSWER)
            .keepalives(true)
            .keepalives_idle(KEPT_ALIVE)
            .keepalives_interval(KEPT_ALIVE_AGAIN)
            .keepalives_retries(KEPT_ALIVE_TRIES);
        config
    }
}

/// A session that comes about in time.
async fn in_time(call: &str, opening: impl Future<Output = Result<Session, Trouble>>) -> Result<Session, Trouble> {
    timeout(CONNECT, opening).await.unwrap_or_else(|_| {
        let message = format!("no session within {} s", CONNECT.as_secs());
        Err(Trouble::new(call, TroubleKind::Unreachable, message))
    })
}
