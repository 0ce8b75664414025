//! The table of answers: the functions and relations that the simulated databases have.

use pgwire::api::Type;

use super::seen::Seen;
use super::settings;
use super::value::{SqlError, Value};

/// A function that can be called in an expression.
#[derive(Debug)]
pub struct Function {
    /// Name, lowercase.
    pub name: &'static str,
    /// Type of its result.
    pub kind: Type,
    /// Gives its result.
    pub call: fn(&Seen, &[Value]) -> Result<Value, SqlError>,
}

/// The functions.
pub static FUNCTIONS: [Function; 26] = [
    function("version", Type::TEXT, |_, _| Ok(text(settings::VERSION_TEXT))),
    function("aurora_version", Type::TEXT, |_, _| Ok(text(settings::VERSION))),
    function("aurora_db_instance_identifier", Type::TEXT, |seen, _| Ok(text(&seen.instance))),
    function("pg_is_in_recovery", Type::BOOL, |seen, _| Ok(Value::Bool(!seen.is_writer()))),
    function("inet_server_addr", Type::INET, |seen, _| {
        Ok(seen.address.map_or(Value::Null, |at| Value::Address(at.ip())))
    }),
    function("inet_server_port", Type::INT4, |seen, _| {
        Ok(seen.address.map_or(Value::Null, |at| Value::Int(at.port().into())))
    }),
    function("pg_postmaster_start_time", Type::TIMESTAMPTZ, |seen, _| Ok(Value::Time(seen.started))),
    function("pg_conf_load_time", Type::TIMESTAMPTZ, |seen, _| Ok(Value::Time(seen.started))),
    function("now", Type::TIMESTAMPTZ, |seen, _| Ok(Value::Time(seen.now))),
    function("clock_timestamp", Type::TIMESTAMPTZ, |seen, _| Ok(Value::Time(seen.now))),
    function("current_timestamp", Type::TIMESTAMPTZ, |seen, _| Ok(Value::Time(seen.now))),
    function("current_database", Type::NAME, |seen, _| Ok(text(&seen.session.database))),
    function("current_user", Type::NAME, |seen, _| Ok(text(&seen.session.user))),
    function("session_user", Type::NAME, |seen, _| Ok(text(&seen.session.user))),
    function("user", Type::NAME, |seen, _| Ok(text(&seen.session.user))),
    function("current_schema", Type::NAME, |_, _| Ok(text("public"))),
    function("pg_has_role", Type::BOOL, |seen, arguments| Ok(Value::Bool(seen.has_role(arguments)))),
    function("pg_backend_pid", Type::INT4, |seen, _| Ok(Value::Int(seen.session.pid.into()))),
    function("current_setting", Type::TEXT, current_setting),
    function("host", Type::TEXT, |_, arguments| Ok(first(arguments).text().map_or(Value::Null, Value::Text))),
    function("lower", Type::TEXT, |_, arguments| {
        Ok(first(arguments).text().map_or(Value::Null, |it| Value::Text(it.to_lowercase())))
    }),
    function("length", Type::INT4, |_, arguments| {
        Ok(first(arguments).text().map_or(Value::Null, |it| count(it.chars().count())))
    }),
    function("left", Type::TEXT, |_, arguments| match arguments {
        [Value::Text(text), Value::Int(most)] => {
            Ok(Value::Text(text.chars().take(usize::try_from(*most).unwrap_or_default()).collect()))
        }
        _ => Ok(Value::Null),
    }),
    function("coalesce", Type::TEXT, |_, arguments| {
        Ok(arguments.iter().find(|value| **value != Value::Null).cloned().unwrap_or(Value::Null))
    }),
    function("txid_current", Type::INT8, transaction_id),
    function("pg_current_xact_id", Type::TEXT, |seen, arguments| transaction_id(seen, arguments)?.cast(&Type::TEXT)),
];

const fn function(name: &'static str, kind: Type, call: fn(&Seen, &[Value]) -> Result<Value, SqlError>) -> Function {
    Function { name, kind, call }
}

/// The function of that name.
pub fn find_function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

fn current_setting(seen: &Seen, arguments: &[Value]) -> Result<Value, SqlError> {
    let name = first(arguments).text().unwrap_or_default();
    match settings::show(seen, &name) {
        Err(error) if error.code == "42704" && arguments.get(1).is_some_and(Value::holds) => Ok(Value::Null),
        shown => shown.map(Value::Text),
    }
}

/// A transaction id is given out by a server that takes writes only.
fn transaction_id(seen: &Seen, _: &[Value]) -> Result<Value, SqlError> {
    if seen.is_writer() {
        Ok(Value::Int(800_000 + seen.now.as_second().rem_euclid(100_000)))
    } else {
        Err(SqlError::new("25006", "cannot execute txid_current() during recovery"))
    }
}

/// A relation, or a function that gives rows.
#[derive(Debug)]
pub struct Relation {
    /// Name, lowercase.
    pub name: &'static str,
    /// Whether it is called with parentheses.
    pub called: bool,
    /// What it must be called with, where it differs by that.
    pub argument: Option<bool>,
    /// Columns with their types.
    pub columns: Columns,
    /// Gives its rows, each with a value for each column.
    pub rows: Rows,
}

/// The relations.
pub static RELATIONS: [Relation; 9] = [
    table("pg_settings", &settings::COLUMNS, |seen| Ok(settings::rows(seen))),
    called("aurora_replica_status", None, &REPLICA_STATUS, replica_status),
    table("pg_stat_statements", &STATEMENTS, |seen| {
        loaded(seen, "relation \"pg_stat_statements\"", "42P01")?;
        Ok(stat_statements(seen, true))
    }),
    called("pg_stat_statements", Some(true), &STATEMENTS, |seen| {
        loaded(seen, "function pg_stat_statements(boolean)", "42883")?;
        Ok(stat_statements(seen, true))
    }),
    called("pg_stat_statements", Some(false), &STATEMENTS, |seen| {
        loaded(seen, "function pg_stat_statements(boolean)", "42883")?;
        Ok(stat_statements(seen, false))
    }),
    table("pg_stat_statements_info", &STATEMENTS_INFO, statements_info),
    table("pg_stat_activity", &ACTIVITY, activity),
    table("pg_extension", &EXTENSION, extensions),
    table("pg_stat_database", &DATABASE, databases),
];

type Columns = &'static [(&'static str, Type)];
type Rows = fn(&Seen) -> Result<Vec<Vec<Value>>, SqlError>;

const fn table(name: &'static str, columns: Columns, rows: Rows) -> Relation {
    Relation { name, called: false, argument: None, columns, rows }
}

const fn called(name: &'static str, argument: Option<bool>, columns: Columns, rows: Rows) -> Relation {
    Relation { name, called: true, argument, columns, rows }
}

/// The relation of that name, or the function that gives rows: `called` with what, if so.
pub fn find_relation(name: &str, called: Option<Option<bool>>) -> Option<&'static Relation> {
    let name = name.strip_prefix("pg_catalog.").or_else(|| name.strip_prefix("public.")).unwrap_or(name);
    let fits = |relation: &&Relation| relation.called == called.is_some() && relation.argument == called.flatten();
    RELATIONS.iter().filter(|relation| relation.name == name).find(fits)
}

static REPLICA_STATUS: [(&str, Type); 7] = [
    ("server_id", Type::TEXT),
    ("session_id", Type::TEXT),
    ("durable_lsn", Type::INT8),
    ("replica_lag_in_msec", Type::FLOAT8),
    ("last_update_timestamp", Type::TIMESTAMPTZ),
    ("cpu", Type::FLOAT8),
    ("is_current", Type::BOOL),
];

/// The topology: the writer's row has the session `MASTER_SESSION_ID`; the instance that answers has no time of update.
fn replica_status(seen: &Seen) -> Result<Vec<Vec<Value>>, SqlError> {
    let ids = std::iter::once(&seen.instance).chain(&seen.others);
    let row = |id: &String| {
        let writes = seen.writer.as_ref() == Some(id);
        let session = if writes { text("MASTER_SESSION_ID") } else { text(&session_id(id)) };
        let updated = if *id == seen.instance { Value::Null } else { Value::Time(seen.now) };
        let lag = if writes { Value::Null } else { Value::Float(12.0 + f64::from(seen.now.subsec_millisecond() % 9)) };
        let lsn = Value::Int(90_000_000 + seen.now.as_second() % 1_000_000);
        vec![text(id), session, lsn, lag, updated, Value::Float(4.5), Value::Bool(true)]
    };
    Ok(ids.map(row).collect())
}

/// A session id in the shape of a UUID that stays the same for an instance.
fn session_id(instance: &str) -> String {
    let sum = instance.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!(
        "{:08x}-{:04x}-4{:03x}-9{:03x}-{:012x}",
        sum >> 32,
        sum >> 16 & 0xffff,
        sum & 0xfff,
        sum >> 8 & 0xfff,
        sum & 0xffff_ffff_ffff
    )
}

static STATEMENTS: [(&str, Type); 22] = [
    ("userid", Type::OID),
    ("dbid", Type::OID),
    ("toplevel", Type::BOOL),
    ("queryid", Type::INT8),
    ("query", Type::TEXT),
    ("plans", Type::INT8),
    ("total_plan_time", Type::FLOAT8),
    ("mean_plan_time", Type::FLOAT8),
    ("calls", Type::INT8),
    ("total_exec_time", Type::FLOAT8),
    ("min_exec_time", Type::FLOAT8),
    ("max_exec_time", Type::FLOAT8),
    ("mean_exec_time", Type::FLOAT8),
    ("stddev_exec_time", Type::FLOAT8),
    ("rows", Type::INT8),
    ("shared_blks_hit", Type::INT8),
    ("shared_blks_read", Type::INT8),
    ("shared_blks_dirtied", Type::INT8),
    ("shared_blks_written", Type::INT8),
    ("temp_blks_read", Type::INT8),
    ("temp_blks_written", Type::INT8),
    ("blk_read_time", Type::FLOAT8),
];

/// Oids of the application's role, of rdsadmin, and of the database.
const USER: i64 = 16_420;
const ADMIN: i64 = 10;
const DATABASE_OID: i64 = 16_401;

fn stat_statements(seen: &Seen, texts: bool) -> Vec<Vec<Value>> {
    let row = |statement: super::statements::Statement| {
        #[allow(clippy::cast_precision_loss, reason = "counters stay far below 2^53")]
        let mean = statement.total_ms / statement.calls.max(1) as f64;
        let (user, id, query) = if statement.foreign {
            (ADMIN, Value::Null, text("<insufficient privilege>"))
        } else {
            (USER, Value::Int(statement.id), Value::Text(statement.query))
        };
        let query = if texts { query } else { Value::Null };
        vec![
            Value::Int(user),
            Value::Int(DATABASE_OID),
            Value::Bool(true),
            id,
            query,
            Value::Int(0),
            Value::Float(0.0),
            Value::Float(0.0),
            Value::Int(statement.calls),
            Value::Float(statement.total_ms),
            Value::Float(mean * 0.4),
            Value::Float(mean * 6.0),
            Value::Float(mean),
            Value::Float(mean * 0.7),
            Value::Int(statement.rows),
            Value::Int(statement.hit),
            Value::Int(statement.read),
            Value::Int(0),
            Value::Int(0),
            Value::Int(0),
            Value::Int(0),
            Value::Float(0.0),
        ]
    };
    seen.statements().into_iter().filter(|statement| statement.calls > 0).map(row).collect()
}

static STATEMENTS_INFO: [(&str, Type); 2] = [("dealloc", Type::INT8), ("stats_reset", Type::TIMESTAMPTZ)];

fn statements_info(seen: &Seen) -> Result<Vec<Vec<Value>>, SqlError> {
    loaded(seen, "relation \"pg_stat_statements_info\"", "42P01")?;
    Ok(vec![vec![Value::Int(0), Value::Time(seen.started)]])
}

/// The two ways in which pg_stat_statements can be missing: not made in this database, and not loaded by this server.
fn loaded(seen: &Seen, what: &str, code: &'static str) -> Result<(), SqlError> {
    if !seen.extension_created {
        return Err(SqlError::new(code, format!("{what} does not exist")));
    }
    let libraries = seen.live.get("shared_preload_libraries").map_or("", String::as_str);
    if !libraries.split(',').any(|library| library.trim() == "pg_stat_statements") {
        let message = "pg_stat_statements must be loaded via shared_preload_libraries";
        return Err(SqlError::new("55000", message));
    }
    Ok(())
}

static ACTIVITY: [(&str, Type); 13] = [
    ("datname", Type::NAME),
    ("pid", Type::INT4),
    ("usename", Type::NAME),
    ("application_name", Type::TEXT),
    ("backend_start", Type::TIMESTAMPTZ),
    ("xact_start", Type::TIMESTAMPTZ),
    ("query_start", Type::TIMESTAMPTZ),
    ("state_change", Type::TIMESTAMPTZ),
    ("wait_event_type", Type::TEXT),
    ("wait_event", Type::TEXT),
    ("state", Type::TEXT),
    ("query", Type::TEXT),
    ("backend_type", Type::TEXT),
];

/// Connections that the application's pools hold on the writer.
const POOL: i64 = 24;

fn activity(seen: &Seen) -> Result<Vec<Vec<Value>>, SqlError> {
    let session = &seen.session;
    let (database, user) = (text(&session.database), text(&session.user));
    let now = Value::Time(seen.now);
    let own = vec![
        database.clone(),
        Value::Int(session.pid.into()),
        user.clone(),
        text(&session.application),
        now.clone(),
        now.clone(),
        now.clone(),
        now,
        Value::Null,
        Value::Null,
        text("active"),
        text("SELECT … FROM pg_stat_activity"),
        text("client backend"),
    ];
    let pool = seen.serves_since.map_or(0..0, |_| 0..POOL);
    let pooled = pool.map(|number| {
        let since = Value::Time(seen.serves_since.unwrap_or(seen.started));
        vec![
            database.clone(),
            Value::Int(4_100 + number),
            user.clone(),
            text("PostgreSQL JDBC Driver"),
            since.clone(),
            Value::Null,
            since.clone(),
            since,
            text("Client"),
            text("ClientRead"),
            text("idle"),
            text("COMMIT"),
            text("client backend"),
        ]
    });
    Ok(std::iter::once(own).chain(pooled).collect())
}

static EXTENSION: [(&str, Type); 3] = [("oid", Type::OID), ("extname", Type::NAME), ("extversion", Type::TEXT)];

fn extensions(seen: &Seen) -> Result<Vec<Vec<Value>>, SqlError> {
    let mut rows = vec![
        vec![Value::Int(13_600), text("plpgsql"), text("1.0")],
        vec![Value::Int(16_500), text("pg_trgm"), text("1.6")],
        vec![Value::Int(16_510), text("btree_gin"), text("1.3")],
    ];
    if seen.extension_created {
        rows.push(vec![Value::Int(16_700), text("pg_stat_statements"), text("1.10")]);
    }
    Ok(rows)
}

static DATABASE: [(&str, Type); 4] =
    [("datid", Type::OID), ("datname", Type::NAME), ("numbackends", Type::INT4), ("deadlocks", Type::INT8)];

fn databases(seen: &Seen) -> Result<Vec<Vec<Value>>, SqlError> {
    let backends = 1 + seen.serves_since.map_or(0, |_| POOL);
    Ok(vec![vec![Value::Int(DATABASE_OID), text(&seen.session.database), Value::Int(backends), Value::Int(0)]])
}

fn first(arguments: &[Value]) -> &Value {
    arguments.first().unwrap_or(&Value::Null)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}
