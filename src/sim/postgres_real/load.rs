//! The application's load on a real server: the same statements that the embedded databases tell of, really run.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

use super::server;
use crate::sim::pg::statements::{self, COLUMNS, SELDOM, TABLES};
use crate::sim::pg::writer_address;
use crate::sim::world::Site;

/// The application's database and role.
#[derive(Debug, Clone)]
pub struct Application {
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// Calls a second, at least and at most: an idle partition still shows life, a busy one does not heat this machine.
const RATE: (f64, f64) = (4.0, 40.0);
/// Every so many calls, a seldom statement runs.
const SELDOM_EVERY: u64 = 5;
/// Rows that every table begins with.
const ROWS: u32 = 300;
/// How long the application waits before it connects again.
const RECONNECT: Duration = Duration::from_millis(250);

/// Columns that only some tables have.
const SPECIAL: [(&str, &str); 8] = [
    ("item", "supplier_eid text"),
    ("kanban_card", "item_eid text"),
    ("order_line", "state text, order_eid text, line_number int"),
    ("business_affiliate", "roles text"),
    ("purchase_order", "placed_at text"),
    ("station", "facility_eid text"),
    ("audit_event", "payload text"),
    ("item_supply", "item_eid text"),
];

impl Application {
    /// A session of the application's.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Client> {
        server::connect(address, &self.user, &self.password, &self.database).await
    }

    /// Makes the application's tables, with some rows in each.
    pub async fn make_tables(&self, address: SocketAddr) -> io::Result<()> {
        self.connect(address).await?.batch_execute(&schema()).await.map_err(server::other)
    }
}

fn schema() -> String {
    let column = |name: &&str| format!("{name} {}", if *name == "retired" { "boolean DEFAULT false" } else { "text" });
    let columns: Vec<String> = COLUMNS.iter().map(column).collect();
    let mut text = String::new();
    for table in TABLES {
        let special =
            SPECIAL.iter().find(|(of, _)| *of == table).map_or_else(String::new, |(_, own)| format!(", {own}"));
        text.push_str(&format!("CREATE TABLE {table} ({}{special});\n", columns.join(", ")));
        text.push_str(&format!(
            "INSERT INTO {table} (eid, tenant_id, name, status, as_of) SELECT n, n % 7, '{table} ' || n, 'open', n \
             FROM generate_series(1, {ROWS}) n;\nCREATE INDEX ON {table} (tenant_id, eid);\n"
        ));
    }
    text
}

/// Runs the application's statements through the writer endpoint, for as long as the site lives.
pub async fn run(site: Arc<Site>, cluster: String, application: Application) {
    loop {
        if let Some(address) = writer_address(&site, &cluster)
            && let Ok(client) = application.connect(address).await
        {
            use_up(&client, &application.database).await;
        }
        sleep(RECONNECT).await;
    }
}

/// Runs statements until the session ends, or turns out to be with a server that takes no writes.
async fn use_up(client: &Client, database: &str) {
    let pause = Duration::from_secs_f64(1.0 / statements::calls_per_second(database).clamp(RATE.0, RATE.1));
    let mut prepared: HashMap<String, Statement> = HashMap::new();
    for number in 0.. {
        let query = choose(number);
        if let Err(error) = call(client, &mut prepared, &query).await {
            let read_only = error.code().is_some_and(|code| code.code() == "25006");
            if read_only || client.is_closed() {
                return;
            }
        }
        sleep(pause).await;
    }
}

fn choose(number: u64) -> String {
    if number % SELDOM_EVERY == SELDOM_EVERY - 1 {
        return statements::seldom_text(usize::try_from(number / SELDOM_EVERY).unwrap_or_default() % SELDOM);
    }
    let all: f64 = statements::frequent_texts().map(|(_, rate)| rate).sum();
    let mut ticket = fastrand::f64() * all;
    for (query, rate) in statements::frequent_texts() {
        ticket -= rate;
        if ticket <= 0.0 {
            return query.to_owned();
        }
    }
    "SELECT $1".to_owned()
}

async fn call(
    client: &Client,
    prepared: &mut HashMap<String, Statement>,
    query: &str,
) -> Result<(), tokio_postgres::Error> {
    if query == "BEGIN" {
        return client.batch_execute("BEGIN; COMMIT").await;
    }
    if !prepared.contains_key(query) {
        prepared.insert(query.to_owned(), client.prepare(query).await?);
    }
    let Some(statement) = prepared.get(query) else { return Ok(()) };
    let values: Vec<Box<dyn ToSql + Sync + Send>> = statement.params().iter().map(value).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    client.query(statement, &values).await.map(drop)
}

/// Some value of a type.
fn value(kind: &Type) -> Box<dyn ToSql + Sync + Send> {
    let number = fastrand::u32(1..=ROWS);
    match *kind {
        Type::INT8 => Box::new(i64::from(number % 50)),
        Type::BOOL => Box::new(false),
        Type::TEXT_ARRAY => Box::new(vec![number.to_string(), (number % 7).to_string()]),
        _ => Box::new(number.to_string()),
    }
}
