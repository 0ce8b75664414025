//! What pg_stat_statements counts on a server, read so that reading costs little: counters without texts, bounded in number;
//! texts seldom, as the server reads all of them from a file to give one (`pg_stat_statements(showtext)` is documented so).
//!
//! The columns have changed with the extension's version, which may be older than the server's: `total_time` became
//! `total_exec_time` in 1.8 (PostgreSQL 13), `toplevel` came in 1.9 (14). What is read here of blocks kept its names.

use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use tokio_postgres::Row;

use super::session::{Parameters, Session, column, moment};
use crate::clients::{Trouble, known};
use crate::runbook::sql::mask_secrets;
use crate::runbook::text::{clean, clean_line};

/// Comment in each of the cockpit's own statements, by which they are known among the others'. Its application_name is not
/// in pg_stat_statements, and its role may be the application's. It stands behind the first word: what stands before it is
/// cut off by PostgreSQL 18.
pub const MARK: &str = "/* aurora-cockpit */";

/// Characters of a text that are read; the longest of them would hold up everything else.
const TEXT: usize = 4_000;

/// How many of the cockpit's own texts are read at most.
const OWN: usize = 50;

const CALL: &str = "SELECT … FROM pg_stat_statements";

/// Counters of pg_stat_statements at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementCounters {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// When the server process started: the counters are its own.
    pub started: Timestamp,
    /// When they were last reset; none before PostgreSQL 14.
    pub reset: Option<Timestamp>,
    /// How many times the least used statements were evicted, because there were more than the view holds; none before
    /// PostgreSQL 14.
    pub evictions: Option<u64>,
    /// Whether the server takes no writes.
    pub in_recovery: bool,
    /// The role that asked.
    pub role: String,
    /// The database that it asked in.
    pub database: String,
    /// How many rows the view holds, one for each statement, role and database.
    pub total: u64,
    /// Milliseconds of all statements together. Nested ones are counted under those that called them.
    pub total_ms: f64,
    /// How many rows are of roles that this one may not see.
    pub hidden: u64,
    /// Milliseconds of those.
    pub hidden_ms: f64,
    /// Those that were asked for by id and the costliest of the others, the costliest first.
    pub statements: Vec<Statement>,
}

/// A statement's counters, over all roles and databases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statement {
    /// `queryid`.
    pub id: i64,
    /// Whether it ran within another one, such as a function: its time is in that one's too.
    pub nested: bool,
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

/// A statement's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    /// `queryid`.
    pub id: i64,
    /// The text, cleaned, with its secrets masked; of a very long one, the beginning.
    pub text: String,
    /// How many characters were left out at its end.
    pub left_out: u64,
    /// Whether it is one of the cockpit's own.
    pub own: bool,
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

/// How a generation of the extension names its columns.
struct Generation {
    total: &'static str,
    toplevel: &'static str,
}

/// The generations, the youngest first.
const GENERATIONS: [Generation; 3] = [
    Generation { total: "total_exec_time", toplevel: "toplevel" },
    Generation { total: "total_exec_time", toplevel: "true" },
    Generation { total: "total_time", toplevel: "true" },
];

/// Which generation a session met.
#[derive(Debug, Default)]
pub struct Met(AtomicU8);

/// The text of one of the cockpit's own statements: its mark behind the first word of each.
pub fn marked(sql: &str) -> String {
    let parts = sql.split("; ").map(|part| {
        let end = part.find([' ', ';']).unwrap_or(part.len());
        format!("{} {MARK}{}", &part[..end], &part[end..])
    });
    parts.collect::<Vec<_>>().join("; ")
}

impl Session {
    /// Whether pg_stat_statements answers in this database.
    ///
    /// # Errors
    /// As any question; the two ways in which it can be missing are answers, not errors.
    pub async fn statements_probe(&self) -> Result<StatementsProbe, Trouble> {
        const CALL: &str = "SELECT count(*) FROM pg_stat_statements(false)";
        match self.row(CALL, CALL, &[]).await {
            Ok(row) => Ok(StatementsProbe::Rows(column(CALL, &row, 0)?)),
            Err(trouble) if trouble.is_code("42P01") || trouble.is_code("42883") => {
                Ok(StatementsProbe::ExtensionMissing)
            }
            Err(trouble) if trouble.is_code("55000") && trouble.message.contains("shared_preload_libraries") => {
                Ok(StatementsProbe::NotPreloaded)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// The counters of the statements with these ids, and of as many of the costliest others as `limit` says. Statements of
    /// roles that this one may not see are only counted.
    ///
    /// # Errors
    /// 42P01 or 42883 where the extension is missing in the database, 55000 where the server did not preload it.
    pub async fn statements(&self, limit: u16, ids: &[i64]) -> Result<StatementCounters, Trouble> {
        loop {
            let met = self.generation.0.load(Ordering::Relaxed);
            let generation = GENERATIONS.get(usize::from(met)).unwrap_or(&GENERATIONS[0]);
            match self.statements_of(generation, limit, ids).await {
                Err(trouble) if trouble.is_code("42703") && usize::from(met) + 1 < GENERATIONS.len() => {
                    self.generation.0.store(met + 1, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }

    async fn statements_of(
        &self,
        Generation { total, toplevel }: &Generation,
        limit: u16,
        ids: &[i64],
    ) -> Result<StatementCounters, Trouble> {
        let all = format!(
            "SELECT now(), pg_postmaster_start_time(), pg_is_in_recovery(), current_user::text, current_database()::text, \
             count(*), coalesce(sum({total}) FILTER (WHERE {toplevel}), 0::float8), \
             count(*) FILTER (WHERE queryid IS NULL), \
             coalesce(sum({total}) FILTER (WHERE {toplevel} AND queryid IS NULL), 0::float8) \
             FROM pg_stat_statements(false)"
        );
        let each = format!(
            "SELECT queryid, NOT {toplevel}, sum(calls)::int8, sum({total}), sum(rows)::int8, \
             sum(shared_blks_hit)::int8, sum(shared_blks_read)::int8 \
             FROM pg_stat_statements(false) WHERE queryid IS NOT NULL GROUP BY 1, 2 \
             ORDER BY queryid = ANY($1) DESC, 4 DESC LIMIT $2"
        );
        let most = i64::from(limit) + i64::try_from(ids.len()).unwrap_or_default();
        let parameters: Parameters<'_> = &[&ids, &most];
        // Sent together, so that both are of one moment.
        let (row, rows) = tokio::try_join!(self.row(CALL, &all, &[]), self.rows(CALL, &each, parameters))?;
        let (evictions, reset) = self.statements_info().await?.unzip();
        let count = |place| Ok::<_, Trouble>(u64::try_from(column::<i64>(CALL, &row, place)?).unwrap_or_default());
        let mut statements: Vec<Statement> = rows.iter().map(statement).collect::<Result<_, _>>()?;
        statements.sort_by(|one, two| two.total_ms.total_cmp(&one.total_ms));
        Ok(StatementCounters {
            at: moment(CALL, &row, 0)?,
            started: moment(CALL, &row, 1)?,
            reset,
            evictions,
            in_recovery: column(CALL, &row, 2)?,
            role: column(CALL, &row, 3)?,
            database: column(CALL, &row, 4)?,
            total: count(5)?,
            total_ms: column(CALL, &row, 6)?,
            hidden: count(7)?,
            hidden_ms: column(CALL, &row, 8)?,
            statements,
        })
    }

    /// The costliest statements, each with its text on one line.
    ///
    /// # Errors
    /// As [`Self::statements`].
    pub async fn costliest(&self, limit: u16) -> Result<Vec<(Statement, String)>, Trouble> {
        let statements = self.statements(limit, &[]).await?.statements;
        let ids: Vec<i64> = statements.iter().map(|statement| statement.id).collect();
        let texts = self.statement_texts(&ids).await?;
        let text = |id| texts.iter().find(|text| text.id == id).map(|text| clean_line(&text.text)).unwrap_or_default();
        Ok(statements.into_iter().map(|statement| (statement, text(statement.id))).collect())
    }

    /// How many evictions there were, and when the counters were last reset; none before PostgreSQL 14, which has no view
    /// for it.
    async fn statements_info(&self) -> Result<Option<(u64, Timestamp)>, Trouble> {
        const CALL: &str = "SELECT dealloc, stats_reset FROM pg_stat_statements_info";
        match self.row(CALL, CALL, &[]).await {
            Ok(row) => {
                let evictions = u64::try_from(column::<i64>(CALL, &row, 0)?).unwrap_or_default();
                Ok(Some((evictions, moment(CALL, &row, 1)?)))
            }
            Err(trouble) if trouble.is_code("42P01") => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The texts of the statements with these ids, and of all that are the cockpit's own. The server reads the texts of all
    /// statements for it, however many are asked for: it is not to be asked often.
    ///
    /// # Errors
    /// As [`Self::statements`].
    pub async fn statement_texts(&self, ids: &[i64]) -> Result<Vec<StatementText>, Trouble> {
        const CALL: &str = "SELECT query FROM pg_stat_statements";
        let sql = format!(
            "SELECT queryid, left(query, {TEXT}), length(query), left(query, 60) LIKE '%{MARK}%' \
             FROM pg_stat_statements(true) \
             WHERE queryid = ANY($1) OR queryid IS NOT NULL AND left(query, 60) LIKE '%{MARK}%' \
             ORDER BY queryid = ANY($1) DESC LIMIT $2"
        );
        // One that several roles run is there several times.
        let most = i64::try_from(ids.len() * 2 + OWN).unwrap_or(i64::MAX);
        let rows = self.rows(CALL, &sql, &[&ids, &most]).await?;
        let text = |row: &Row| {
            let text: String = column::<Option<String>>(CALL, row, 1)?.unwrap_or_default();
            let length = column::<Option<i32>>(CALL, row, 2)?.and_then(|length| u64::try_from(length).ok());
            let left_out = length.unwrap_or_default().saturating_sub(TEXT as u64);
            Ok(StatementText {
                id: column(CALL, row, 0)?,
                text: known::hide(&mask_secrets(clean(&text).trim())),
                left_out,
                own: column::<Option<bool>>(CALL, row, 3)?.unwrap_or_default(),
            })
        };
        rows.iter().map(text).collect()
    }
}

fn statement(row: &Row) -> Result<Statement, Trouble> {
    Ok(Statement {
        id: column(CALL, row, 0)?,
        nested: column(CALL, row, 1)?,
        calls: column(CALL, row, 2)?,
        total_ms: column(CALL, row, 3)?,
        rows: column(CALL, row, 4)?,
        hit: column(CALL, row, 5)?,
        read: column(CALL, row, 6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_our_statements_bears_its_mark_behind_its_first_word() {
        for (sql, expected) in [
            ("SELECT 1", "SELECT /* aurora-cockpit */ 1"),
            (
                "BEGIN; SELECT 1; ROLLBACK",
                "BEGIN /* aurora-cockpit */; SELECT /* aurora-cockpit */ 1; ROLLBACK /* aurora-cockpit */",
            ),
            ("SHOW a.b", "SHOW /* aurora-cockpit */ a.b"),
        ] {
            assert_eq!(marked(sql), expected);
        }
    }
}
