//! PostgreSQL settings: what is live before the rollout, what the rollout's parameter group holds, and how a value of the
//! group reads in `SHOW`.

use std::collections::BTreeMap;

use super::aurora::GroupParameter;
use crate::runbook::plan::{Expectation, Partition, StepKind};

/// Share of a class's nominal memory that `DBInstanceClassMemory` stands for; it makes the log's 401 of `db.t3.medium`.
const USABLE_MEMORY: f64 = 0.89;

/// The engine's own formula for `max_connections`.
const MAX_CONNECTIONS: &str = "LEAST({DBInstanceClassMemory/9531392},5000)";

/// Settings of `SHOW` that a restart alone can change.
const STATIC: [&str; 8] = [
    "shared_preload_libraries",
    "max_connections",
    "shared_buffers",
    "max_worker_processes",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "track_activity_query_size",
    "wal_buffers",
];

/// The parameters that the rollout's group holds where the plan expects nothing of its own.
const SEED: [(&str, &str); 6] = [
    ("log_min_duration_statement", "500"),
    ("log_statement", "ddl"),
    ("log_lock_waits", "1"),
    ("log_temp_files", "0"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("max_connections", MAX_CONNECTIONS),
];

/// What is live in a server of that class under the engine's default group, as `SHOW` prints it.
pub fn before_rollout(class: &str) -> BTreeMap<String, String> {
    let settings = [
        ("log_min_duration_statement", "-1".to_owned()),
        ("log_statement", "none".to_owned()),
        ("log_lock_waits", "off".to_owned()),
        ("log_temp_files", "-1".to_owned()),
        ("shared_preload_libraries", "rdsutils".to_owned()),
        ("max_connections", evaluate(MAX_CONNECTIONS, class)),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The rollout's parameters: what the plan's SQL checks expect after it, and the seed's where the plan checks nothing.
pub fn rollout_parameters(partition: &Partition) -> Vec<GroupParameter> {
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    let checks = partition.steps.iter().filter_map(|step| match &step.kind {
        StepKind::VerifySql(verify) => Some(&verify.settings),
        _ => None,
    });
    // A setting may be checked twice, before and after the restart: the later check says what the group holds.
    for check in checks.flatten() {
        let value = match &check.expect {
            Expectation::Is(shown) => in_group(&check.name, shown),
            Expectation::Contains(part) => part.clone(),
            Expectation::Formula(formula) => formula.clone(),
            Expectation::Recorded => continue,
        };
        wanted.insert(check.name.clone(), value);
    }
    for (name, value) in SEED {
        wanted.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    wanted.into_iter().map(|(name, value)| GroupParameter::usual(name, value)).collect()
}

impl GroupParameter {
    /// A parameter that is applied as parameters of its type are: dynamic ones at once, static ones with a restart.
    pub fn usual(name: String, value: String) -> Self {
        let apply_type = apply_type(&name);
        let apply_method = if apply_type == "static" { "pending-reboot" } else { "immediate" };
        Self { name, value, apply_type, apply_method }
    }
}

/// `static` for what a restart alone can change, else `dynamic`.
pub fn apply_type(name: &str) -> &'static str {
    if STATIC.contains(&name) { "static" } else { "dynamic" }
}

/// What `SHOW` prints for a value of the group on an instance of that class.
pub fn shown(name: &str, value: &str, class: &str) -> String {
    match (name, value) {
        ("log_lock_waits", "1") => "on".to_owned(),
        ("log_lock_waits", "0") => "off".to_owned(),
        ("log_min_duration_statement", _) => duration(value),
        ("log_temp_files", _) if value != "-1" && value != "0" => format!("{value}kB"),
        _ if value.contains("DBInstanceClassMemory") => evaluate(value, class),
        _ => value.to_owned(),
    }
}

/// What the group holds for a value as `SHOW` prints it.
fn in_group(name: &str, shown: &str) -> String {
    match (name, shown) {
        ("log_lock_waits", "on") => "1".to_owned(),
        ("log_lock_waits", "off") => "0".to_owned(),
        ("log_min_duration_statement", _) => match (shown.strip_suffix("ms"), shown.strip_suffix('s')) {
            (Some(milliseconds), _) => milliseconds.to_owned(),
            (None, Some(seconds)) => format!("{seconds}000"),
            (None, None) => shown.to_owned(),
        },
        ("log_temp_files", _) => shown.trim_end_matches("kB").to_owned(),
        _ => shown.to_owned(),
    }
}

/// The milliseconds of a duration as PostgreSQL prints it; none where it reads `-1`, which is never.
pub fn milliseconds(shown: &str) -> Option<u32> {
    match (shown.strip_suffix("ms"), shown.strip_suffix('s')) {
        (Some(milliseconds), _) => milliseconds.parse().ok(),
        (None, Some(seconds)) => seconds.parse::<u32>().ok()?.checked_mul(1000),
        (None, None) => shown.parse().ok(),
    }
}

/// Milliseconds as PostgreSQL prints them: in the largest unit that divides them.
fn duration(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(milliseconds) if milliseconds > 0 && milliseconds % 1000 == 0 => format!("{}s", milliseconds / 1000),
        Ok(milliseconds) if milliseconds > 0 => format!("{milliseconds}ms"),
        _ => value.to_owned(),
    }
}

/// Evaluates `LEAST({DBInstanceClassMemory/N},M)` for a class; anything else stays as it is.
fn evaluate(formula: &str, class: &str) -> String {
    let parts = formula
        .strip_prefix("LEAST({DBInstanceClassMemory/")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|rest| rest.split_once("},"));
    let numbers =
        parts.and_then(|(per, most)| Some((per.trim().parse::<f64>().ok()?, most.trim().parse::<u64>().ok()?)));
    match numbers {
        Some((per, most)) => {
            let usable = memory_gib(class) * 1024.0 * 1024.0 * 1024.0 * USABLE_MEMORY;
            ((usable / per) as u64).min(most).to_string()
        }
        None => formula.to_owned(),
    }
}

/// Nominal memory of a class in GiB, by the vendor's rule: a family's `large` doubles with each size.
fn memory_gib(class: &str) -> f64 {
    let mut parts = class.split('.').skip(1);
    let (family, size) = (parts.next().unwrap_or("t3"), parts.next().unwrap_or("medium"));
    let large = if family.starts_with('r') || family.starts_with('x') { 16.0 } else { 8.0 };
    match size {
        "micro" => large / 8.0,
        "small" => large / 4.0,
        "medium" => large / 2.0,
        "large" => large,
        "xlarge" => large * 2.0,
        _ => size
            .strip_suffix("xlarge")
            .and_then(|times| times.parse::<f64>().ok())
            .map_or(large, |times| large * 2.0 * times),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_gives_the_logs_figure_for_the_logs_class() {
        assert_eq!(evaluate(MAX_CONNECTIONS, "db.t3.medium"), "401");
        assert_eq!(evaluate(MAX_CONNECTIONS, "db.r7g.large"), "1604");
        assert_eq!(evaluate(MAX_CONNECTIONS, "db.r7g.16xlarge"), "5000");
    }

    #[test]
    fn a_value_of_the_group_reads_as_postgres_prints_it() {
        assert_eq!(shown("log_min_duration_statement", "500", "db.t3.medium"), "500ms");
        assert_eq!(shown("log_min_duration_statement", "2000", "db.t3.medium"), "2s");
        assert_eq!(shown("log_min_duration_statement", "-1", "db.t3.medium"), "-1");
        assert_eq!(shown("log_lock_waits", "1", "db.t3.medium"), "on");
        assert_eq!(shown("log_temp_files", "0", "db.t3.medium"), "0");
        assert_eq!(shown("max_connections", "500", "db.r7g.large"), "500");
    }

    #[test]
    fn group_and_show_translate_into_each_other() {
        for (name, shown_value) in
            [("log_min_duration_statement", "500ms"), ("log_min_duration_statement", "3s"), ("log_lock_waits", "on")]
        {
            assert_eq!(shown(name, &in_group(name, shown_value), "db.t3.medium"), shown_value);
        }
    }
}
