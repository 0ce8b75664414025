//! A partition's databases: where the password is read, and sessions with them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::Mutex;

use super::dns::Resolver;
use super::postgres::{Connector, Session};
use super::{Aws, Trouble, TroubleKind, password};
use crate::runbook::plan::SqlTarget;

/// How long a password that could not be read, or that was refused, is not asked for again: `op` may prompt a person each
/// time, and a server may lock a role out.
const SULK: Duration = Duration::from_secs(30);

/// SQLSTATE of a password that is refused.
const WRONG_PASSWORD: &str = "28P01";

/// A partition's databases. Shared by whoever speaks SQL there, so that the password is read once.
#[derive(Debug)]
pub struct Database {
    /// How SQL is reached.
    pub target: SqlTarget,
    connector: Connector,
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
        Ok(Self { target: target.clone(), connector, aws, password: Mutex::default() })
    }

    /// The plan's own endpoint, where it overrides the one that RDS answers.
    ///
    /// # Errors
    /// It is no `host:port`.
    pub fn endpoint(&self) -> Result<Option<(String, u16)>, Trouble> {
        let Some(endpoint) = &self.target.endpoint else { return Ok(None) };
        let parts = endpoint.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let malformed = || {
            let message = format!("the endpoint must read `host:port`, and is `{endpoint}`");
            Trouble::new("connect", TroubleKind::Malformed, message)
        };
        parts.map(Some).ok_or_else(malformed)
    }

    /// Begins a session with whatever `host` leads to now. The password is read at the first use and kept in memory.
    ///
    /// # Errors
    /// As reading the secret, and as [`Connector::connect`].
    pub async fn connect(&self, host: &str, port: u16) -> Result<Session, Trouble> {
        let password = self.password().await?;
        let session = self.connector.connect(host, port, &password).await;
        if let Err(trouble) = &session
            && trouble.is_code(WRONG_PASSWORD)
        {
            *self.password.lock().await = Password::Refused(Instant::now(), trouble.clone());
        }
        session
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
