//! What is asked in a session. Everything reads; the one write that is tried is taken back at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use super::ended::Ended;
use super::{ANSWER, statements, trouble};
use crate::clients::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::text::clean_line;
use crate::runbook::witness::ClockOffset;

/// Rows of the topology that are older than this count for nothing.
const TOPOLOGY_AGE: SignedDuration = SignedDuration::from_secs(300);

/// How Aurora marks the writer in its topology.
const MASTER: &str = "MASTER_SESSION_ID";

/// A session with one server.
#[derive(Debug)]
pub struct Session {
    client: Client,
    ended: watch::Receiver<Option<Ended>>,
    /// The addresses that the name led to when the session began.
    pub addresses: Vec<IpAddr>,
    /// Set once a server of this cluster turned out not to be Aurora.
    stock: Arc<AtomicBool>,
    /// Which columns pg_stat_statements turned out to have.
    pub(super) generation: statements::Met,
}

/// Which server answers, and what it says of itself and of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct WhoAmI {
    /// Instance identifier; none on a server that is not Aurora.
    pub instance: Option<String>,
    /// Whether it takes writes.
    pub is_writer: bool,
    /// When its server process started.
    pub started: Timestamp,
    /// Its clock.
    pub clock: ClockOffset,
    /// Its address and port as it sees them; none over a local socket.
    pub address: Option<(IpAddr, u16)>,
    /// The cluster as it sees it, which may be stale on a reader; empty on a server that is not Aurora.
    pub topology: Vec<Topology>,
}

impl WhoAmI {
    /// Whom it takes for the writer.
    pub fn writer(&self) -> Option<&str> {
        self.topology.iter().find(|row| row.is_writer).map(|row| row.instance.as_str())
    }

    /// Its own lag as a replica in milliseconds.
    pub fn lag_ms(&self) -> Option<f64> {
        self.topology.iter().find(|row| Some(&row.instance) == self.instance.as_ref()).and_then(|row| row.lag_ms)
    }
}

/// An instance in the topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Its identifier.
    pub instance: String,
    /// Whether it is the writer.
    pub is_writer: bool,
    /// Its lag in milliseconds.
    pub lag_ms: Option<f64>,
}

/// A setting as pg_settings has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value in the setting's own unit.
    pub value: String,
    /// Unit, such as `ms` or `8kB`.
    pub unit: Option<String>,
    /// `postmaster` for what needs a restart, else `sighup`, `superuser`, `user`, …
    pub context: String,
    /// Where the value comes from.
    pub source: String,
    /// Whether another value waits for a restart.
    pub pending_restart: bool,
}

/// What became of a write that was tried and taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteProbe {
    /// It was taken.
    Accepted,
    /// The server is read-only.
    ReadOnly,
}

/// Sessions that hold a transaction open and do nothing: a failover throws them out, and they hold locks meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleInTransaction {
    /// How many.
    pub count: i64,
    /// How long the oldest one's transaction has been open.
    pub oldest: Option<Duration>,
}

pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    pub(super) fn new(
        client: Client,
        ended: watch::Receiver<Option<Ended>>,
        addresses: Vec<IpAddr>,
        stock: Arc<AtomicBool>,
    ) -> Self {
        Self { client, ended, addresses, stock, generation: statements::Met::default() }
    }

    /// Waits until the session ends by itself.
    pub fn ended(&self) -> impl Future<Output = Ended> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            if let Ok(how) = ended.wait_for(Option::is_some).await
                && let Some(how) = how.clone()
            {
                return how;
            }
            // The task that drives it went without a word, as at the end of the program.
            let trouble = Trouble::new("session", TroubleKind::NoAnswer, "the connection is gone");
            Ended { at: Instant::now(), unheard: Duration::ZERO, trouble }
        }
    }

    /// Whether the connection is gone; a new session is needed then.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// What `SHOW name` prints.
    ///
    /// # Errors
    /// `Denied` (42501) where the role may not read it, `NotFound` where it does not exist.
    pub async fn show(&self, name: &str) -> Result<String, Trouble> {
        let call = format!("SHOW {name}");
        // A name cannot be a parameter here, so it must be one.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            return Err(Trouble::new(call, TroubleKind::Malformed, "this is no name of a setting"));
        }
        let row = self.row(&call, &call, &[]).await?;
        Ok(clean_line(&column::<String>(&call, &row, 0)?))
    }

    /// Settings by name, as pg_settings has them. What the role may not see, or does not exist, is left out.
    pub async fn settings(&self, names: &[&str]) -> Result<Vec<Setting>, Trouble> {
        const CALL: &str = "SELECT … FROM pg_settings";
        let sql = "SELECT name, setting, unit, context, source, pending_restart FROM pg_settings WHERE name = ANY($1)";
        let rows = self.rows(CALL, sql, &[&names]).await?;
        let setting = |row: &Row| {
            Ok(Setting {
                name: column(CALL, row, 0)?,
                value: clean_line(&column::<Option<String>>(CALL, row, 1)?.unwrap_or_default()),
                unit: column(CALL, row, 2)?,
                context: column(CALL, row, 3)?,
                source: column(CALL, row, 4)?,
                pending_restart: column(CALL, row, 5)?,
            })
        };
        rows.iter().map(setting).collect()
    }

    /// Which server answers, and what it says of itself and of the others.
    pub async fn who_am_i(&self) -> Result<WhoAmI, Trouble> {
        if self.stock.load(Ordering::Relaxed) {
            return self.who_on_stock().await;
        }
        match self.who_on_aurora().await {
            Err(trouble) if trouble.is_code("42883") => {
                self.stock.store(true, Ordering::Relaxed);
                self.who_on_stock().await
            }
            answer => answer,
        }
    }

    async fn who_on_aurora(&self) -> Result<WhoAmI, Trouble> {
        const CALL: &str = "SELECT … FROM aurora_replica_status()";
        let own = "SELECT pg_is_in_recovery(), pg_postmaster_start_time(), host(inet_server_addr()), inet_server_port(), \
                   clock_timestamp(), aurora_db_instance_identifier()";
        let all = "SELECT server_id, session_id, replica_lag_in_msec::float8, last_update_timestamp \
                   FROM aurora_replica_status()";
        // Sent together: during a failover the two answers should be of one moment.
        let ((row, clock), rows) = tokio::try_join!(self.own(CALL, own), self.rows(CALL, all, &[]))?;
        let now = moment(CALL, &row, 4)?;
        let instance: String = column(CALL, &row, 5)?;
        let mut topology = Vec::new();
        for row in &rows {
            let updated = column::<Option<SystemTime>>(CALL, row, 3)?.and_then(|at| Timestamp::try_from(at).ok());
            // The instance that answers has no time of update.
            if updated.is_none_or(|updated| now.duration_since(updated) <= TOPOLOGY_AGE) {
                topology.push(Topology {
                    instance: column(CALL, row, 0)?,
                    is_writer: column::<String>(CALL, row, 1)? == MASTER,
                    lag_ms: column(CALL, row, 2)?,
                });
            }
        }
        let in_recovery: bool = column(CALL, &row, 0)?;
        let writer = topology.iter().find(|row| row.is_writer);
        let is_writer = writer.map_or(!in_recovery, |writer| writer.instance == instance);
        Ok(WhoAmI {
            instance: Some(instance),
            is_writer,
            started: moment(CALL, &row, 1)?,
            clock,
            address: address(CALL, &row)?,
            topology,
        })
    }

    async fn who_on_stock(&self) -> Result<WhoAmI, Trouble> {
        const CALL: &str = "SELECT pg_is_in_recovery()";
        let own = "SELECT pg_is_in_recovery(), pg_postmaster_start_time(), host(inet_server_addr()), inet_server_port(), \
                   clock_timestamp()";
        let (row, clock) = self.own(CALL, own).await?;
        Ok(WhoAmI {
            instance: None,
            is_writer: !column::<bool>(CALL, &row, 0)?,
            started: moment(CALL, &row, 1)?,
            clock,
            address: address(CALL, &row)?,
            topology: Vec::new(),
        })
    }

    /// Tries a write and takes it back: a transaction id is drawn, which no read-only server gives, and the transaction
    /// is rolled back. It needs no privilege and leaves nothing behind.
    ///
    /// # Errors
    /// As any question; that the server is read-only is an answer.
    pub async fn write_probe(&self) -> Result<WriteProbe, Trouble> {
        const CALL: &str = "write probe";
        // A server whose transactions are read-only by default would still give an id: the application could not write.
        let sql = "BEGIN; SELECT current_setting('transaction_read_only'), txid_current(); ROLLBACK";
        match self.simple(CALL, sql).await {
            Ok(messages) => {
                let row = messages.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0),
                    _ => None,
                });
                Ok(if row == Some("off") { WriteProbe::Accepted } else { WriteProbe::ReadOnly })
            }
            Err(trouble) => {
                let read_only = trouble.is_code("25006");
                // The transaction is still open, and failed; a connection that is gone took it along.
                if !self.is_closed() {
                    self.simple(CALL, "ROLLBACK").await?;
                }
                if read_only { Ok(WriteProbe::ReadOnly) } else { Err(trouble) }
            }
        }
    }

    /// Sessions that are idle in a transaction, on this server.
    pub async fn idle_in_transaction(&self) -> Result<IdleInTransaction, Trouble> {
        const CALL: &str = "SELECT … FROM pg_stat_activity";
        let sql =
            "SELECT count(*), min(xact_start), now() FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        let row = self.row(CALL, sql, &[]).await?;
        let now = moment(CALL, &row, 2)?;
        let since = column::<Option<SystemTime>>(CALL, &row, 1)?.and_then(|at| Timestamp::try_from(at).ok());
        let oldest = since.and_then(|since| Duration::try_from(now.duration_since(since)).ok());
        Ok(IdleInTransaction { count: column(CALL, &row, 0)?, oldest })
    }

    /// What a server says of itself, its clock in the fifth column.
    async fn own(&self, call: &str, sql: &str) -> Result<(Row, ClockOffset), Trouble> {
        let asked = clock::now();
        let row = self.row(call, sql, &[]).await?;
        let clock = ClockOffset::between(moment(call, &row, 4)?, asked, clock::now());
        Ok((row, clock))
    }

    pub(super) async fn row(&self, call: &str, sql: &str, parameters: Parameters<'_>) -> Result<Row, Trouble> {
        let mut rows = self.rows(call, sql, parameters).await?;
        rows.pop().ok_or_else(|| Trouble::new(call, TroubleKind::Malformed, "the answer has no row"))
    }

    pub(super) async fn rows(&self, call: &str, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Trouble> {
        // Without parameters, question and answer are one round trip: a failover is timed by it.
        let sql = &statements::marked(sql);
        let asked = async {
            if parameters.is_empty() {
                self.client.query_typed(sql, &[]).await
            } else {
                self.client.query(sql, parameters).await
            }
        };
        match timeout(ANSWER, asked).await {
            Ok(answer) => answer.map_err(|error| trouble::while_asking(call, error)),
            Err(_) => Err(silent(call)),
        }
    }

    pub(super) async fn simple(&self, call: &str, sql: &str) -> Result<Vec<SimpleQueryMessage>, Trouble> {
        match timeout(ANSWER, self.client.simple_query(&statements::marked(sql))).await {
            Ok(answer) => answer.map_err(|error| trouble::while_asking(call, error)),
            Err(_) => Err(silent(call)),
        }
    }
}

fn silent(call: &str) -> Trouble {
    Trouble::new(call, TroubleKind::NoAnswer, format!("no answer within {} s", ANSWER.as_secs()))
}

pub(super) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    call: &str,
    row: &'a Row,
    place: usize,
) -> Result<T, Trouble> {
    row.try_get(place).map_err(|error| Trouble::new(call, TroubleKind::Malformed, error.to_string()))
}

pub(super) fn moment(call: &str, row: &Row, place: usize) -> Result<Timestamp, Trouble> {
    let at: SystemTime = column(call, row, place)?;
    Timestamp::try_from(at).map_err(|error| Trouble::new(call, TroubleKind::Malformed, error.to_string()))
}

/// The server's address from columns 2 and 3; none over a local socket.
fn address(call: &str, row: &Row) -> Result<Option<(IpAddr, u16)>, Trouble> {
    let host: Option<String> = column(call, row, 2)?;
    let port: Option<i32> = column(call, row, 3)?;
    Ok(host.zip(port).and_then(|(host, port)| Some((host.parse().ok()?, u16::try_from(port).ok()?))))
}
