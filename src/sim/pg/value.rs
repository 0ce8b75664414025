//! Values and errors of the simulated databases.

use std::borrow::Cow;

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;
use pgwire::api::Type;
use pgwire::api::results::DataRowEncoder;
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::types::ToSqlText;
use pgwire::types::format::FormatOptions;
use tokio_postgres::types::{IsNull, ToSql, to_sql_checked};

/// A value of a column, a parameter or an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// boolean.
    Bool(bool),
    /// Any integer type.
    Int(i64),
    /// double precision.
    Float(f64),
    /// text, name.
    Text(String),
    /// timestamp with time zone.
    Time(Timestamp),
    /// inet.
    Address(IpAddr),
    /// text[].
    List(Vec<String>),
}

impl Value {
    /// As text, the way a cast to text prints it.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(value.to_string()),
            Self::Text(value) => Some(value.clone()),
            Self::Time(value) => Some(value.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
            Self::Address(value) => Some(value.to_string()),
            Self::List(values) => Some(format!("{{{}}}", values.join(","))),
        }
    }

    /// As a number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Time(value) => Some(value.as_duration().as_secs_f64()),
            _ => None,
        }
    }

    /// Whether a condition holds; NULL does not.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// Compares by value; none where one of them is NULL.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(two)),
            (one, two) => match (one.number(), two.number()) {
                (Some(one), Some(two)) => one.partial_cmp(&two),
                _ => Some(one.text().cmp(&two.text())),
            },
        }
    }

    /// Converts to a type, as `::type` does.
    pub fn cast(self, to: &Type) -> Result<Self, SqlError> {
        let wrong = |value: &Self| {
            let text = value.text().unwrap_or_default();
            SqlError::new("22P02", format!("invalid input syntax for type {}: \"{text}\"", to.name()))
        };
        if self == Self::Null {
            return Ok(Self::Null);
        }
        match *to {
            Type::BOOL => match &self {
                Self::Bool(_) => Ok(self),
                Self::Text(text) if ["t", "true", "on", "yes", "1"].contains(&text.as_str()) => Ok(Self::Bool(true)),
                Self::Text(text) if ["f", "false", "off", "no", "0"].contains(&text.as_str()) => Ok(Self::Bool(false)),
                other => Err(wrong(other)),
            },
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => match &self {
                Self::Int(_) => Ok(self),
                #[allow(clippy::cast_possible_truncation, reason = "the server rounds to an integer here too")]
                Self::Float(value) => Ok(Self::Int(value.round() as i64)),
                Self::Bool(value) => Ok(Self::Int(i64::from(*value))),
                Self::Text(text) => text.trim().parse().map(Self::Int).map_err(|_| wrong(&self)),
                other => Err(wrong(other)),
            },
            Type::FLOAT4 | Type::FLOAT8 => match &self {
                Self::Text(text) => text.trim().parse().map(Self::Float).map_err(|_| wrong(&self)),
                other => other.number().map(Self::Float).ok_or_else(|| wrong(other)),
            },
            Type::TEXT | Type::VARCHAR | Type::NAME => Ok(self.text().map_or(Self::Null, Self::Text)),
            _ => Ok(self),
        }
    }

    /// Appends the value to a row as a column of this type.
    pub fn encode(&self, kind: &Type, row: &mut DataRowEncoder) -> PgWireResult<()> {
        match (self, kind) {
            (Self::Null, _) => row.encode_field(&None::<String>),
            (Self::Int(value), &Type::INT4) => row.encode_field(&i32::try_from(*value).unwrap_or(i32::MAX)),
            (Self::Int(value), &Type::OID) => row.encode_field(&u32::try_from(*value).unwrap_or(u32::MAX)),
            (Self::Int(value), _) => row.encode_field(value),
            (Self::Bool(value), _) => row.encode_field(value),
            (Self::Float(value), _) => row.encode_field(value),
            (Self::Time(value), _) => row.encode_field(&Moment(*value)),
            (Self::Address(value), _) => row.encode_field(&Inet(*value)),
            (Self::Text(value), _) => row.encode_field(value),
            (Self::List(_), _) => row.encode_field(&self.text()),
        }
    }
}

/// A moment in both of the protocol's formats.
#[derive(Debug)]
struct Moment(Timestamp);

impl ToSql for Moment {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        SystemTime::from(self.0).to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <SystemTime as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl ToSqlText for Moment {
    fn to_sql_text(
        &self,
        _kind: &Type,
        out: &mut BytesMut,
        _format: &FormatOptions,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(self.0.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string().as_bytes());
        Ok(IsNull::No)
    }
}

/// An address in both of the protocol's formats.
#[derive(Debug)]
struct Inet(IpAddr);

impl ToSql for Inet {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <IpAddr as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl ToSqlText for Inet {
    fn to_sql_text(
        &self,
        _kind: &Type,
        out: &mut BytesMut,
        _format: &FormatOptions,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.put_slice(self.0.to_string().as_bytes());
        Ok(IsNull::No)
    }
}

/// An error as PostgreSQL reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// SQLSTATE.
    pub code: Cow<'static, str>,
    /// Message.
    pub message: String,
}

impl SqlError {
    /// An error of that SQLSTATE.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// What a real server could do and this one cannot.
    pub fn beyond(what: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("the simulated site does not answer this: {what}"))
    }
}

impl From<SqlError> for ErrorInfo {
    fn from(error: SqlError) -> Self {
        // 28xxx and 57P0x end the session.
        let fatal = error.code.starts_with("28") || error.code.starts_with("57P");
        let severity = if fatal { "FATAL" } else { "ERROR" };
        ErrorInfo::new(severity.to_owned(), error.code.into_owned(), error.message)
    }
}

impl From<SqlError> for PgWireError {
    fn from(error: SqlError) -> Self {
        Self::UserError(Box::new(error.into()))
    }
}
