-- A role that sees what the cockpit shows of a database, and can change nothing.
--
-- pg_monitor is pg_read_all_settings (SHOW shared_preload_libraries), pg_read_all_stats (the text of others' statements in
-- pg_stat_statements, pg_stat_activity) and pg_stat_scan_tables.
--
-- The write probe, with which an operator's session times a failover, and a monitor only with --write-probe, needs no more:
-- it takes an identifier of a transaction and rolls it back, which any role may that is not on a read-only server. To forbid
-- even that, `ALTER ROLE aurora_cockpit_monitor SET default_transaction_read_only = on;` (the probe then reads as refused).
--
-- The password is yours to set: `\password aurora_cockpit_monitor`, or `GRANT rds_iam TO aurora_cockpit_monitor` for tokens.
CREATE ROLE aurora_cockpit_monitor LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 20;
GRANT pg_monitor TO aurora_cockpit_monitor;
