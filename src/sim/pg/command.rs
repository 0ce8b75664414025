//! Statements: parsed once, then answered as often as they are executed.

use pgwire::api::Type;
use sqlparser::ast::{Set, Statement, TransactionAccessMode, TransactionMode};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::query::Select;
use super::value::SqlError;

/// A statement that the simulated databases understand.
#[derive(Debug, Clone)]
pub enum Command {
    /// SELECT.
    Select(Box<Select>),
    /// SHOW of a setting.
    Show(String),
    /// SET of a setting; none is its default. In a transaction mode it is `transaction_read_only`.
    Set(String, Option<String>),
    /// BEGIN, and whether it asks for read-only (true) or read-write (false).
    Begin(Option<bool>),
    /// COMMIT or ROLLBACK: its tag.
    End(&'static str),
    /// Housekeeping of sessions that changes nothing here, by its tag: DEALLOCATE, DISCARD.
    Housekeeping(&'static str),
    /// Something that writes, by its tag.
    Write(&'static str),
}

impl Command {
    /// Parses a text into its statements.
    ///
    /// # Errors
    /// 42601 for what is no SQL, 0A000 for what the simulated site does not answer, and the binding's own.
    pub fn parse(text: &str) -> Result<Vec<Self>, SqlError> {
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, text)
            .map_err(|error| SqlError::new("42601", format!("syntax error: {error}")))?;
        statements.iter().map(Self::bind).collect()
    }

    fn bind(statement: &Statement) -> Result<Self, SqlError> {
        Ok(match statement {
            Statement::Query(query) => Self::Select(Box::new(Select::bind(query)?)),
            Statement::ShowVariable { variable } => {
                let name = variable.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
                Self::Show(if name.eq_ignore_ascii_case("TIME.ZONE") { "timezone".to_owned() } else { name })
            }
            Statement::Set(set) => Self::set(set)?,
            Statement::Reset(reset) => Self::Set(reset.to_string().trim_start_matches("RESET ").to_lowercase(), None),
            Statement::StartTransaction { modes, .. } => Self::Begin(access_mode(modes)),
            Statement::Commit { .. } => Self::End("COMMIT"),
            Statement::Rollback { savepoint: None, .. } => Self::End("ROLLBACK"),
            Statement::Deallocate { .. } => Self::Housekeeping("DEALLOCATE"),
            Statement::Discard { .. } => Self::Housekeeping("DISCARD ALL"),
            Statement::Insert(_) => Self::Write("INSERT"),
            Statement::Update { .. } => Self::Write("UPDATE"),
            Statement::Delete(_) => Self::Write("DELETE"),
            Statement::CreateTable(_) => Self::Write("CREATE TABLE"),
            Statement::CreateExtension(_) => Self::Write("CREATE EXTENSION"),
            other => return Err(SqlError::beyond(other)),
        })
    }

    fn set(set: &Set) -> Result<Self, SqlError> {
        match set {
            Set::SingleAssignment { variable, values, .. } => {
                let value =
                    values.iter().map(|value| value.to_string().trim_matches('\'').to_owned()).collect::<Vec<_>>();
                let value = value.join(", ");
                let value = (!value.eq_ignore_ascii_case("default")).then_some(value);
                Ok(Self::Set(variable.to_string().to_lowercase(), value))
            }
            Set::SetTransaction { modes, .. } => {
                let read_only = access_mode(modes).map(|read_only| if read_only { "on" } else { "off" }.to_owned());
                Ok(Self::Set("transaction_read_only".to_owned(), read_only))
            }
            Set::SetTimeZone { value, .. } => {
                Ok(Self::Set("timezone".to_owned(), Some(value.to_string().trim_matches('\'').to_owned())))
            }
            Set::SetNames { charset_name, .. } => {
                Ok(Self::Set("client_encoding".to_owned(), Some(charset_name.to_string())))
            }
            other => Err(SqlError::beyond(other)),
        }
    }

    /// Columns of its answer; none if it gives no rows.
    pub fn columns(&self) -> Vec<(String, Type)> {
        match self {
            Self::Select(select) => select.columns.clone(),
            Self::Show(name) => vec![(name.to_lowercase(), Type::TEXT)],
            _ => Vec::new(),
        }
    }

    /// Types of its parameters.
    pub fn parameters(&self) -> &[Type] {
        match self {
            Self::Select(select) => &select.parameters,
            _ => &[],
        }
    }

    /// What it is called in the ledger.
    pub fn name(&self) -> String {
        match self {
            Self::Select(_) => "SELECT".to_owned(),
            Self::Show(name) => format!("SHOW {name}"),
            Self::Set(..) => "SET".to_owned(),
            Self::Begin(_) => "BEGIN".to_owned(),
            Self::End(tag) | Self::Housekeeping(tag) | Self::Write(tag) => (*tag).to_owned(),
        }
    }
}

fn access_mode(modes: &[TransactionMode]) -> Option<bool> {
    modes.iter().find_map(|mode| match mode {
        TransactionMode::AccessMode(mode) => Some(*mode == TransactionAccessMode::ReadOnly),
        TransactionMode::IsolationLevel(_) => None,
    })
}
