//! Cluster parameter groups: the engine's parameters, with those of the rollout's group in their place.

use super::params::{Params, put_marker};
use super::rds_shapes::INSTANCE_GROUP;
use super::xml::Xml;
use super::{Caller, rds};
use crate::sim::world::World;
use crate::sim::world::aurora::GroupParameter;
use crate::sim::world::refusal::Refusal;

/// Parameters that are numbers although their value may be 0 or 1.
const COUNTED: [&str; 9] = [
    "backend_flush_after",
    "commit_delay",
    "gin_fuzzy_search_limit",
    "log_min_duration_statement",
    "log_temp_files",
    "max_prepared_transactions",
    "random_page_cost",
    "seq_page_cost",
    "statement_timeout",
];

const FAMILY: &str = "aurora-postgresql16";

/// Parameters of the engine with their defaults; an empty value is one that the engine leaves out.
const ENGINE: [(&str, &str); 126] = [
    ("application_name", ""),
    ("apg_plan_mgmt.capture_plan_baselines", "off"),
    ("apg_plan_mgmt.max_plans", "10000"),
    ("apg_plan_mgmt.use_plan_baselines", "false"),
    ("array_nulls", "1"),
    ("aurora_compute_plan_id", "on"),
    ("authentication_timeout", "60"),
    ("auto_explain.log_analyze", "0"),
    ("auto_explain.log_min_duration", "-1"),
    ("autovacuum", "1"),
    ("autovacuum_analyze_scale_factor", "0.05"),
    ("autovacuum_analyze_threshold", "50"),
    ("autovacuum_freeze_max_age", "200000000"),
    ("autovacuum_max_workers", "GREATEST({DBInstanceClassMemory/64371566592},3)"),
    ("autovacuum_naptime", "5"),
    ("autovacuum_vacuum_cost_delay", "5"),
    ("autovacuum_vacuum_cost_limit", "GREATEST({log(DBInstanceClassMemory/21474836480)*600},200)"),
    ("autovacuum_vacuum_scale_factor", "0.1"),
    ("autovacuum_vacuum_threshold", "50"),
    ("autovacuum_work_mem", "GREATEST({DBInstanceClassMemory/32768},65536)"),
    ("babelfishpg_tsql.default_locale", "en-US"),
    ("backend_flush_after", "0"),
    ("backslash_quote", "safe_encoding"),
    ("bytea_output", "hex"),
    ("check_function_bodies", "1"),
    ("checkpoint_timeout", "60"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("commit_delay", "0"),
    ("commit_siblings", "5"),
    ("constraint_exclusion", "partition"),
    ("cpu_index_tuple_cost", "0.005"),
    ("cpu_operator_cost", "0.0025"),
    ("cpu_tuple_cost", "0.01"),
    ("cron.database_name", "postgres"),
    ("cron.max_running_jobs", "5"),
    ("cursor_tuple_fraction", "0.1"),
    ("datestyle", "ISO,MDY"),
    ("deadlock_timeout", "1000"),
    ("debug_print_plan", "0"),
    ("default_statistics_target", "100"),
    ("default_tablespace", ""),
    ("default_toast_compression", "pglz"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "0"),
    ("effective_cache_size", "SUM({DBInstanceClassMemory/12038},-50003)"),
    ("effective_io_concurrency", "256"),
    ("enable_bitmapscan", "1"),
    ("enable_hashagg", "1"),
    ("enable_hashjoin", "1"),
    ("enable_indexonlyscan", "1"),
    ("enable_indexscan", "1"),
    ("enable_mergejoin", "1"),
    ("enable_nestloop", "1"),
    ("enable_seqscan", "1"),
    ("enable_sort", "1"),
    ("escape_string_warning", "1"),
    ("extra_float_digits", ""),
    ("force_parallel_mode", "off"),
    ("from_collapse_limit", "8"),
    ("geqo", "1"),
    ("geqo_threshold", "12"),
    ("gin_fuzzy_search_limit", "0"),
    ("hash_mem_multiplier", "2.0"),
    ("hot_standby_feedback", "1"),
    ("huge_pages", "on"),
    ("idle_in_transaction_session_timeout", "86400000"),
    ("intervalstyle", "postgres"),
    ("jit", "0"),
    ("join_collapse_limit", "8"),
    ("lc_messages", ""),
    ("log_autovacuum_min_duration", "10000"),
    ("log_connections", "0"),
    ("log_disconnections", "0"),
    ("log_duration", "0"),
    ("log_error_verbosity", "default"),
    ("log_executor_stats", "0"),
    ("log_lock_waits", "0"),
    ("log_min_duration_statement", "-1"),
    ("log_min_error_statement", "error"),
    ("log_min_messages", "warning"),
    ("log_parameter_max_length", "-1"),
    ("log_rotation_age", "60"),
    ("log_statement", "none"),
    ("log_temp_files", "-1"),
    ("logical_decoding_work_mem", "65536"),
    ("maintenance_work_mem", "GREATEST({DBInstanceClassMemory*1024/63963136},65536)"),
    ("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
    ("max_locks_per_transaction", "64"),
    ("max_parallel_workers", "GREATEST($DBInstanceVCPU/2,8)"),
    ("max_parallel_workers_per_gather", "2"),
    ("max_prepared_transactions", "0"),
    ("max_replication_slots", "20"),
    ("max_stack_depth", "6144"),
    ("max_standby_streaming_delay", "14000"),
    ("max_wal_senders", "20"),
    ("max_worker_processes", "GREATEST($DBInstanceVCPU*2,8)"),
    ("old_snapshot_threshold", "-1"),
    ("password_encryption", "scram-sha-256"),
    ("pg_stat_statements.max", "5000"),
    ("pg_stat_statements.save", "1"),
    ("pg_stat_statements.track", "top"),
    ("plan_cache_mode", "auto"),
    ("random_page_cost", "4"),
    ("rds.force_ssl", "1"),
    ("rds.log_retention_period", "4320"),
    ("rds.logical_replication", "0"),
    ("search_path", "\"$user\",public"),
    ("seq_page_cost", "1"),
    ("shared_buffers", "SUM({DBInstanceClassMemory/12038},-50003)"),
    ("shared_preload_libraries", ""),
    ("statement_timeout", "0"),
    ("synchronous_commit", "on"),
    ("temp_buffers", "1024"),
    ("temp_file_limit", "-1"),
    ("timezone", "UTC"),
    ("track_activities", "1"),
    ("track_activity_query_size", "4096"),
    ("track_counts", "1"),
    ("track_functions", "none"),
    ("track_io_timing", "1"),
    ("transform_null_equals", "0"),
    ("vacuum_cost_delay", "0"),
    ("wal_buffers", "16384"),
    ("work_mem", "4096"),
    ("xmlbinary", "base64"),
];

/// `DescribeDBClusterParameters`: by name, in pages.
pub(super) fn describe(world: &World, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let group = params.need("DBClusterParameterGroupName")?;
    let own = overrides(world, caller, group)?;
    let source = params.get("Source");
    let usual = |(name, value): &(&str, &str)| GroupParameter::usual((*name).to_owned(), (*value).to_owned());
    let mut all: Vec<(GroupParameter, bool)> = ENGINE.iter().map(|engine| (usual(engine), false)).collect();
    for parameter in own {
        all.retain(|(known, _)| known.name != parameter.name);
        all.push((parameter.clone(), true));
    }
    all.retain(|(_, user)| source.is_none_or(|source| (source == "user") == *user));
    all.sort_unstable_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let (page, marker) = params.page(&all)?;
    let mut xml = Xml::default();
    xml.list("Parameters", "Parameter", page, |xml, (parameter, user)| {
        let GroupParameter { name, value, .. } = parameter;
        xml.put("ParameterName", name).put_some("ParameterValue", Some(value).filter(|value| !value.is_empty()));
        xml.put("Source", if *user { "user" } else { "engine-default" }).put("ApplyType", parameter.apply_type);
        xml.put("DataType", data_type(name, value)).put("IsModifiable", true);
        xml.put("ApplyMethod", parameter.apply_method);
        xml.within("SupportedEngineModes", |xml| {
            xml.put("member", "provisioned");
        });
    });
    put_marker(&mut xml, marker);
    Ok(xml)
}

/// `DescribeDBClusterParameterGroups`.
pub(super) fn describe_groups(world: &World, caller: &Caller, params: &Params) -> Result<Xml, Refusal> {
    let wanted = params.get("DBClusterParameterGroupName");
    let made = rds::clusters(world, caller).filter(|cluster| !cluster.group_parameters.is_empty());
    let mut names: Vec<_> = made.map(|cluster| cluster.rollout_group.clone()).collect();
    names.extend(before(world, caller));
    names.retain(|name| wanted.is_none_or(|wanted| name.eq_ignore_ascii_case(wanted)));
    names.sort_unstable();
    names.dedup();
    if let (Some(wanted), true) = (wanted, names.is_empty()) {
        return Err(not_found(wanted));
    }
    let mut xml = Xml::default();
    xml.list("DBClusterParameterGroups", "DBClusterParameterGroup", &names, |xml, name| {
        xml.put("DBClusterParameterGroupName", name).put("DBParameterGroupFamily", FAMILY);
        xml.put("Description", if name.starts_with("default.") { "Default cluster parameter group" } else { name });
    });
    Ok(xml)
}

/// What a group holds of its own; refuses one that is not there.
fn overrides<'a>(world: &'a World, caller: &'a Caller, group: &str) -> Result<&'a [GroupParameter], Refusal> {
    let made = |cluster: &&crate::sim::world::aurora::Cluster| {
        cluster.rollout_group.eq_ignore_ascii_case(group) && !cluster.group_parameters.is_empty()
    };
    match rds::clusters(world, caller).find(made) {
        Some(cluster) => Ok(&cluster.group_parameters),
        None if before(world, caller).iter().any(|name| name.eq_ignore_ascii_case(group)) => Ok(&[]),
        None => Err(not_found(group)),
    }
}

/// The groups that were there before the rollout.
fn before(world: &World, caller: &Caller) -> Vec<String> {
    let planned = world.plan.partitions.iter().filter(|planned| planned.infrastructure == caller.infrastructure);
    let named = planned.filter_map(|planned| planned.cluster.group_before.clone());
    named.chain([INSTANCE_GROUP.to_owned()]).collect()
}

fn not_found(group: &str) -> Refusal {
    Refusal::new("DBParameterGroupNotFound", format!("DBClusterParameterGroup not found: {group}"))
}

fn data_type(name: &str, value: &str) -> &'static str {
    match value {
        "0" | "1" if !COUNTED.contains(&name) => "boolean",
        _ if value.parse::<f64>().is_ok() => "integer",
        _ => "string",
    }
}
