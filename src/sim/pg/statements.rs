//! What pg_stat_statements counts: the application's statements, growing with time, anew after each restart.

use super::seen::Seen;
use crate::sim::asked::Count;
use crate::sim::world::trouble::HOSTILE;

/// Counters of one statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// `queryid`; the same on every instance of every cluster, as it is a hash of the statement.
    pub id: i64,
    /// Normalised text.
    pub query: String,
    /// Whether it belongs to a role whose statements the module's role may not read.
    pub foreign: bool,
    /// Calls.
    pub calls: i64,
    /// Milliseconds of all calls together.
    pub total_ms: f64,
    /// Rows of all calls together.
    pub rows: i64,
    /// Blocks found in shared buffers.
    pub hit: i64,
    /// Blocks that were read.
    pub read: i64,
}

/// A statement of the application: how often it runs and what a call costs once everything is warm.
struct Habit {
    query: &'static str,
    /// Calls a second in a busy partition.
    rate: f64,
    /// Milliseconds of a call.
    ms: f64,
    /// Rows of a call.
    rows: f64,
    /// Blocks of a call.
    blocks: f64,
    /// How many times dearer a call is on cold buffers.
    cold: f64,
}

/// The application's habits: the modules whose databases the execution log names.
const HABITS: [Habit; 16] = [
    habit(
        "SELECT kc.* FROM kanban_card kc JOIN item i ON i.eid = kc.item_eid WHERE kc.tenant_id = $1 AND kc.as_of <= $2 AND NOT kc.retired ORDER BY kc.as_of DESC LIMIT $3",
        12.4,
        23.4,
        40.0,
        310.0,
        3.1,
    ),
    habit(
        "SELECT i.eid, i.name, i.supplier_eid, i.as_of FROM item i WHERE i.tenant_id = $1 AND i.eid = ANY($2)",
        88.0,
        4.1,
        12.0,
        26.0,
        1.6,
    ),
    habit("SELECT count(*) FROM kanban_card WHERE tenant_id = $1 AND status = $2", 3.1, 71.0, 1.0, 1240.0, 2.2),
    habit(
        "INSERT INTO audit_event (eid, tenant_id, author, as_of, payload) VALUES ($1, $2, $3, $4, $5)",
        40.2,
        2.0,
        1.0,
        6.0,
        1.2,
    ),
    habit(
        "UPDATE order_line SET state = $1, updated_at = $2 WHERE eid = $3 AND tenant_id = $4",
        9.9,
        5.1,
        1.0,
        9.0,
        1.5,
    ),
    habit(
        "SELECT ba.eid, ba.name, ba.roles FROM business_affiliate ba WHERE ba.tenant_id = $1 ORDER BY ba.name LIMIT $2 OFFSET $3",
        1.0,
        20.0,
        25.0,
        180.0,
        2.0,
    ),
    habit("SELECT ol.* FROM order_line ol WHERE ol.order_eid = $1 ORDER BY ol.line_number", 6.4, 3.2, 8.0, 14.0, 1.8),
    habit(
        "SELECT o.eid, o.status, o.placed_at FROM purchase_order o WHERE o.tenant_id = $1 AND o.status = ANY($2) ORDER BY o.placed_at DESC LIMIT $3",
        2.2,
        14.0,
        20.0,
        120.0,
        2.4,
    ),
    habit("SELECT f.eid, f.name FROM facility f WHERE f.tenant_id = $1", 4.8, 1.1, 3.0, 5.0, 1.3),
    habit(
        "SELECT s.eid, s.name, s.facility_eid FROM station s WHERE s.tenant_id = $1 AND s.facility_eid = $2",
        3.6,
        1.4,
        6.0,
        7.0,
        1.3,
    ),
    habit(
        "INSERT INTO kanban_card (eid, tenant_id, item_eid, status, as_of) VALUES ($1, $2, $3, $4, $5)",
        0.7,
        3.4,
        1.0,
        11.0,
        1.3,
    ),
    habit("UPDATE kanban_card SET status = $1, as_of = $2 WHERE eid = $3 AND tenant_id = $4", 5.5, 4.6, 1.0, 12.0, 1.6),
    habit(
        "SELECT i.* FROM item i WHERE i.tenant_id = $1 AND i.name ILIKE $2 ORDER BY i.name LIMIT $3",
        0.4,
        96.0,
        18.0,
        2100.0,
        2.8,
    ),
    habit(
        "SELECT ae.* FROM audit_event ae WHERE ae.tenant_id = $1 AND ae.as_of BETWEEN $2 AND $3 ORDER BY ae.as_of DESC LIMIT $4",
        0.2,
        210.0,
        50.0,
        4800.0,
        2.5,
    ),
    habit("SELECT $1", 24.0, 0.02, 1.0, 0.0, 1.0),
    habit("BEGIN", 61.0, 0.01, 0.0, 0.0, 1.0),
];

const fn habit(query: &'static str, rate: f64, ms: f64, rows: f64, blocks: f64, cold: f64) -> Habit {
    Habit { query, rate, ms, rows, blocks, cold }
}

/// Tables of which, with their columns, the seldom statements are made: migrations, reports, look-ups by one column.
pub const TABLES: [&str; 12] = [
    "item",
    "kanban_card",
    "order_line",
    "purchase_order",
    "business_affiliate",
    "facility",
    "station",
    "audit_event",
    "item_supply",
    "card_event",
    "tenant_setting",
    "flyway_schema_history",
];
/// Columns that every table has.
pub const COLUMNS: [&str; 12] = [
    "eid",
    "tenant_id",
    "name",
    "status",
    "as_of",
    "author",
    "retired",
    "parent_eid",
    "created_at",
    "updated_at",
    "kind",
    "external_id",
];
const SHAPES: [&str; 6] = [
    "SELECT t.* FROM {table} t WHERE t.{column} = $1",
    "SELECT t.eid FROM {table} t WHERE t.{column} = $1 AND t.tenant_id = $2 LIMIT $3",
    "SELECT count(*) FROM {table} WHERE {column} = $1",
    "SELECT max({column}) FROM {table} WHERE tenant_id = $1",
    "UPDATE {table} SET {column} = $1 WHERE eid = $2",
    "SELECT t.{column} FROM {table} t WHERE t.eid = ANY($1) ORDER BY t.{column}",
];

/// Site seconds in which about two thirds of the seldom statements have been seen once.
const VARIETY_S: f64 = 3600.0;
/// Site seconds in which cold buffers warm up to a third.
const WARMING_S: f64 = 90.0;
/// Seconds of one swing of the application's load, and how far it swings.
const SWING_S: f64 = 47.0;
const SWING: f64 = 0.35;

/// What an instance has counted since its server process started.
pub fn counted(seen: &Seen) -> Vec<Statement> {
    let uptime = seen.uptime().as_secs_f64();
    let mut statements = vec![foreign("rds_heartbeat", uptime / 5.0, 0.4), foreign("rds_metrics", uptime / 60.0, 12.0)];
    statements.extend(seen.asked.iter().map(|(text, count)| asked(text, *count)));
    let Some(since) = seen.serves_since else {
        return statements;
    };
    let serving = seen.now.duration_since(since).as_secs_f64().max(0.0);
    let size = size(&seen.session.database);
    statements.extend(HABITS.iter().map(|habit| frequent(habit, serving, size.load, seen.speed)));
    statements.extend(seldom(size.variety, serving * seen.speed));
    if seen.hostile {
        let query = format!("SELECT /* {HOSTILE} */ 1");
        statements.push(Statement {
            id: query_id(&query),
            query,
            foreign: false,
            calls: 1,
            total_ms: 1e4,
            rows: 1,
            hit: 1,
            read: 0,
        });
    }
    statements
}

/// The application's frequent statements with their shares of its load, heaviest first: what Performance Insights shows of
/// them must be what pg_stat_statements counts.
pub fn shares() -> Vec<(&'static str, f64)> {
    let whole: f64 = HABITS.iter().map(|habit| habit.rate * habit.ms).sum();
    let mut shares: Vec<_> = HABITS.iter().map(|habit| (habit.query, habit.rate * habit.ms / whole)).collect();
    shares.sort_by(|one, other| other.1.total_cmp(&one.1));
    shares
}

/// How many sessions are active on average in a partition, once everything is warm.
pub fn active_sessions(partition: &str) -> f64 {
    size(partition).load * HABITS.iter().map(|habit| habit.rate * habit.ms / 1000.0).sum::<f64>()
}

/// How much goes on in a partition.
struct Size {
    /// Share of the busiest partition's load.
    load: f64,
    /// Different statements in the long run.
    variety: f64,
}

/// A partition's size by its database's name, after the row counts and the idleness that the execution log found.
fn size(database: &str) -> Size {
    let partition = database.split(['-', '.', '_']).next().unwrap_or_default();
    match partition {
        "dev" => Size { load: 0.02, variety: 166.0 },
        "stage" => Size { load: 0.15, variety: 641.0 },
        "demo" => Size { load: 0.25, variety: 821.0 },
        _ => Size { load: 1.0, variety: 751.0 },
    }
}

fn frequent(habit: &Habit, serving: f64, load: f64, speed: f64) -> Statement {
    let id = query_id(habit.query);
    // Each habit swings on its own; the swing's slope stays above zero, so that counters never fall.
    #[allow(clippy::cast_precision_loss, reason = "only a phase")]
    let phase = (id.rem_euclid(628)) as f64 / 100.0;
    let turn = std::f64::consts::TAU / SWING_S;
    let swung = serving + SWING / turn * ((serving * turn + phase).sin() - phase.sin());
    let calls = habit.rate * load * swung;
    let warming = WARMING_S / speed;
    let cold_calls = habit.rate * load * warming * (1.0 - (-serving / warming).exp());
    let total_ms = calls * habit.ms + cold_calls * habit.ms * (habit.cold - 1.0);
    let blocks = calls * habit.blocks;
    let read = (blocks * 0.004 + cold_calls * habit.blocks * 0.5).min(blocks);
    Statement {
        id,
        query: habit.query.to_owned(),
        foreign: false,
        calls: whole(calls),
        total_ms,
        rows: whole(calls * habit.rows),
        hit: whole(blocks - read),
        read: whole(read),
    }
}

/// Statements that run now and then: the longer the site lives, the more different ones have been seen.
fn seldom(variety: f64, site_seconds: f64) -> impl Iterator<Item = Statement> {
    let seen = variety * (1.0 - (-site_seconds / VARIETY_S).exp());
    let wanted = usize::try_from(whole(seen)).unwrap_or_default().min(SELDOM);
    (0..wanted).map(move |number| {
        let query = seldom_text(number);
        let calls = i64::try_from(1 + number % 7).unwrap_or(1);
        let ms = 0.3 + f64::from(u32::try_from(number % 23).unwrap_or_default()) / 4.0;
        #[allow(clippy::cast_precision_loss, reason = "a handful of calls")]
        let total_ms = ms * calls as f64;
        Statement { id: query_id(&query), query, foreign: false, calls, total_ms, rows: calls, hit: calls * 4, read: 0 }
    })
}

/// How many different seldom statements there are.
pub const SELDOM: usize = TABLES.len() * COLUMNS.len() * SHAPES.len();

/// The seldom statement of that number, in an order that looks like none.
pub fn seldom_text(number: usize) -> String {
    // Stepping by a number prime to the whole meets every one once.
    let place = number * 331 % SELDOM;
    let (shape, rest) = (SHAPES[place % SHAPES.len()], place / SHAPES.len());
    let (column, table) = (COLUMNS[rest % COLUMNS.len()], TABLES[rest / COLUMNS.len()]);
    shape.replace("{table}", table).replace("{column}", column)
}

/// The application's frequent statements, each with its calls a second in a busy partition.
pub fn frequent_texts() -> impl Iterator<Item = (&'static str, f64)> {
    HABITS.iter().map(|habit| (habit.query, habit.rate))
}

/// Calls a second of the application on a database.
pub fn calls_per_second(database: &str) -> f64 {
    size(database).load * HABITS.iter().map(|habit| habit.rate).sum::<f64>()
}

/// A statement that a client really asked of this server.
fn asked(text: &str, Count { calls, ms }: Count) -> Statement {
    let id = query_id(text);
    Statement { id, query: text.to_owned(), foreign: false, calls, total_ms: ms, rows: calls, hit: calls * 2, read: 0 }
}

fn foreign(name: &str, calls: f64, ms: f64) -> Statement {
    let calls = calls.min(1e9);
    Statement {
        id: query_id(name),
        query: name.to_owned(),
        foreign: true,
        calls: whole(calls),
        total_ms: calls * ms,
        rows: whole(calls),
        hit: whole(calls * 3.0),
        read: 0,
    }
}

#[allow(clippy::cast_possible_truncation, reason = "counters that were made small above")]
fn whole(number: f64) -> i64 {
    number as i64
}

/// A hash of the text (FNV-1a), as `queryid` is one of the parsed statement.
fn query_id(query: &str) -> i64 {
    let hash = query
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    i64::from_ne_bytes(hash.to_ne_bytes())
}
