//! Settings as `SHOW` and pg_settings give them.

use pgwire::api::Type;

use super::seen::Seen;
use super::value::{SqlError, Value};
use crate::sim::world::settings::apply_type;

/// The engine's version.
pub const VERSION: &str = "16.6";
/// What `version()` says.
pub const VERSION_TEXT: &str =
    "PostgreSQL 16.6 on x86_64-pc-linux-gnu, compiled by x86_64-pc-linux-gnu-gcc (GCC) 9.5.0, 64-bit";

/// Settings that only a role with pg_read_all_settings may read; the module's role has not.
const GUARDED: [&str; 3] = ["shared_preload_libraries", "session_preload_libraries", "data_directory"];

/// Settings that are the same in every server, unless a session sets them otherwise.
const USUAL: [(&str, &str); 20] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "1d"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("lock_timeout", "0"),
    ("search_path", "\"$user\", public"),
    ("server_encoding", "UTF8"),
    ("server_version", VERSION),
    ("server_version_num", "160006"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
    ("track_io_timing", "off"),
    ("transaction_isolation", "read committed"),
    ("work_mem", "4MB"),
];

/// What `SHOW name` prints.
///
/// # Errors
/// 42704 for a setting that does not exist, 42501 for one that the role may not read.
pub fn show(seen: &Seen, name: &str) -> Result<String, SqlError> {
    let name = name.to_lowercase();
    if GUARDED.contains(&name.as_str()) {
        // In the words of PostgreSQL 16, which is the engine's version here.
        return Err(SqlError::new("42501", format!("permission denied to examine \"{name}\"")));
    }
    value(seen, &name).ok_or_else(|| SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\"")))
}

fn value(seen: &Seen, name: &str) -> Option<String> {
    let on = |is: bool| Some(if is { "on" } else { "off" }.to_owned());
    match name {
        "transaction_read_only" => on(seen.is_read_only()),
        "in_hot_standby" => on(!seen.is_writer()),
        "port" => seen.address.map(|at| at.port().to_string()),
        "application_name" => Some(seen.session.application.clone()),
        _ => {
            let usual = || USUAL.iter().find(|(usual, _)| *usual == name).map(|(_, value)| (*value).to_owned());
            seen.session.settings.get(name).or_else(|| seen.live.get(name)).cloned().or_else(usual)
        }
    }
}

/// Whether a session may set it: everything but what belongs to the server.
pub fn is_settable(seen: &Seen, name: &str) -> bool {
    let servers = ["server_version", "server_version_num", "server_encoding", "is_superuser", "in_hot_standby", "port"];
    !seen.live.contains_key(name) && !GUARDED.contains(&name) && !servers.contains(&name)
}

/// A value as `SHOW` prints it: times in the largest unit that divides them.
pub fn normal(name: &str, value: &str) -> String {
    match (unit(name), value.trim().trim_end_matches("ms").trim().parse::<i64>()) {
        (Some("ms"), Ok(ms)) if ms > 0 && ms % 1000 == 0 => format!("{}s", ms / 1000),
        (Some("ms"), Ok(ms)) if ms > 0 => format!("{ms}ms"),
        _ => value.to_owned(),
    }
}

/// The unit in which a setting is counted.
fn unit(name: &str) -> Option<&'static str> {
    match name {
        "log_min_duration_statement" | "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" => {
            Some("ms")
        }
        "log_temp_files" | "work_mem" => Some("kB"),
        _ => None,
    }
}

/// Columns of pg_settings.
pub static COLUMNS: [(&str, Type); 8] = [
    ("name", Type::TEXT),
    ("setting", Type::TEXT),
    ("unit", Type::TEXT),
    ("context", Type::TEXT),
    ("vartype", Type::TEXT),
    ("source", Type::TEXT),
    ("boot_val", Type::TEXT),
    ("pending_restart", Type::BOOL),
];

/// Rows of pg_settings: what the role may not read is not there.
pub fn rows(seen: &Seen) -> Vec<Vec<Value>> {
    let named = seen.live.keys().map(String::as_str).chain(USUAL.iter().map(|(name, _)| *name));
    let mut names: Vec<&str> = named.filter(|name| !GUARDED.contains(name)).collect();
    names.extend(["in_hot_standby", "transaction_read_only"]);
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| row(seen, name)).collect()
}

fn row(seen: &Seen, name: &str) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let shown = value(seen, name).unwrap_or_default();
    let (setting, unit) = in_unit(name, &shown);
    let context = match (seen.live.contains_key(name), apply_type(name)) {
        (true, "static") => "postmaster",
        (true, _) => "superuser",
        (false, _) => "user",
    };
    let source = match seen.live.contains_key(name) {
        true => "configuration file",
        false if seen.session.settings.contains_key(name) => "session",
        false => "default",
    };
    let kind = match setting.as_str() {
        "on" | "off" => "bool",
        _ if setting.parse::<i64>().is_ok() => "integer",
        _ => "string",
    };
    let pending = seen.pending_restart.iter().any(|pending| pending == name);
    vec![
        text(name),
        Value::Text(setting.clone()),
        unit.map_or(Value::Null, text),
        text(context),
        text(kind),
        text(source),
        Value::Text(setting),
        Value::Bool(pending),
    ]
}

/// The value in the setting's own unit, as pg_settings has it: `500ms` is 500 with unit ms, `2s` is 2000.
fn in_unit(name: &str, shown: &str) -> (String, Option<&'static str>) {
    let Some(unit) = unit(name) else {
        return (shown.to_owned(), None);
    };
    let digits = shown.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(shown.len());
    let (number, suffix) = shown.split_at(digits);
    let times = match suffix {
        "s" | "MB" => 1000 + i64::from(suffix == "MB") * 24,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 1,
    };
    let value = number.parse::<i64>().map_or_else(|_| shown.to_owned(), |number| (number * times).to_string());
    (value, Some(unit))
}
