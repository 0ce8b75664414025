//! What pg_stat_statements counts on a server.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::session::{Parameters, Session, column, moment};
use crate::clients::Trouble;
use crate::runbook::text::clean_line;

/// Counters of pg_stat_statements at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementCounters {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// When the server process started: the counters are its own.
    pub started: Timestamp,
    /// When they were last reset; none before PostgreSQL 14.
    pub reset: Option<Timestamp>,
    /// How many statements the view holds.
    pub total: u64,
    /// The costliest statements.
    pub statements: Vec<Statement>,
}

/// A statement's counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// `queryid`.
    pub id: i64,
    /// Text, cleaned, on one line.
    pub query: String,
    /// Calls.
    pub calls: i64,
    /// Milliseconds of all calls together.
    pub total_ms: f64,
    /// Rows of all calls together.
    pub rows: i64,
    /// Blocks found in shared buffers.
    pub hit: i64,
    /// Blocks read.
    pub read: i64,
}

/// Whether pg_stat_statements answers, and if not, which of its two halves is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementsProbe {
    /// It answers, with that many rows.
    Rows(i64),
    /// The extension was not created in this database.
    ExtensionMissing,
    /// The server did not load the library when it started.
    NotPreloaded,
}

impl Session {
    /// Whether pg_stat_statements answers in this database.
    ///
    /// # Errors
    /// As any question; the two ways in which it can be missing are answers, not errors.
    pub async fn statements_probe(&self) -> Result<StatementsProbe, Trouble> {
        const CALL: &str = "SELECT count(*) FROM pg_stat_statements";
        match self.row(CALL, CALL, &[]).await {
            Ok(row) => Ok(StatementsProbe::Rows(column(CALL, &row, 0)?)),
            Err(trouble) if trouble.is_code("42P01") => Ok(StatementsProbe::ExtensionMissing),
            Err(trouble) if trouble.is_code("55000") && trouble.message.contains("shared_preload_libraries") => {
                Ok(StatementsProbe::NotPreloaded)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The counters of the costliest statements. Statements of roles that this one may not see are left out.
    ///
    /// # Errors
    /// 42P01 where the extension is missing, 55000 where it was not preloaded.
    pub async fn statements(&self, limit: u16) -> Result<StatementCounters, Trouble> {
        if self.old_names.load(Ordering::Relaxed) {
            return self.statements_named("total_time", limit).await;
        }
        match self.statements_named("total_exec_time", limit).await {
            Err(trouble) if trouble.is_code("42703") => {
                self.old_names.store(true, Ordering::Relaxed);
                self.statements_named("total_time", limit).await
            }
            answer => answer,
        }
    }

    async fn statements_named(&self, total: &str, limit: u16) -> Result<StatementCounters, Trouble> {
        const CALL: &str = "SELECT … FROM pg_stat_statements";
        let sql = format!(
            "SELECT queryid, query, calls, {total}, rows, shared_blks_hit, shared_blks_read FROM pg_stat_statements \
             WHERE queryid IS NOT NULL ORDER BY {total} DESC LIMIT $1"
        );
        let about = "SELECT now(), pg_postmaster_start_time(), count(*) FROM pg_stat_statements";
        let limit = i64::from(limit);
        let parameters: Parameters<'_> = &[&limit];
        let (about, rows) = tokio::try_join!(self.row(CALL, about, &[]), self.rows(CALL, &sql, parameters))?;
        let statement = |row: &Row| {
            Ok(Statement {
                id: column(CALL, row, 0)?,
                query: clean_line(&column::<Option<String>>(CALL, row, 1)?.unwrap_or_default()),
                calls: column(CALL, row, 2)?,
                total_ms: column(CALL, row, 3)?,
                rows: column(CALL, row, 4)?,
                hit: column(CALL, row, 5)?,
                read: column(CALL, row, 6)?,
            })
        };
        Ok(StatementCounters {
            at: moment(CALL, &about, 0)?,
            started: moment(CALL, &about, 1)?,
            reset: self.statements_reset().await?,
            total: u64::try_from(column::<i64>(CALL, &about, 2)?).unwrap_or_default(),
            statements: rows.iter().map(statement).collect::<Result<_, Trouble>>()?,
        })
    }

    /// When the counters were last reset; none before PostgreSQL 14, which has no view for it.
    async fn statements_reset(&self) -> Result<Option<Timestamp>, Trouble> {
        const CALL: &str = "SELECT stats_reset FROM pg_stat_statements_info";
        match self.row(CALL, CALL, &[]).await {
            Ok(row) => moment(CALL, &row, 0).map(Some),
            Err(trouble) if trouble.is_code("42P01") => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}
