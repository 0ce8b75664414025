//! What one statement sees: a copy of what it needs of the world, so that nothing is locked while it is answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::statements::{self, Statement};
use super::value::Value;
use crate::runbook::situation::Situation;
use crate::sim::asked::Count;
use crate::sim::world::Site;
use crate::sim::world::aurora::{Cluster, Instance, LoadChange};

/// The server, the cluster and the session as one statement sees them.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Identifier of the instance that answers.
    pub instance: String,
    /// Identifier of the writer, none while there is none.
    pub writer: Option<String>,
    /// The other instances that are up.
    pub others: Vec<String>,
    /// Where the server listens.
    pub address: Option<SocketAddr>,
    /// When the server process started.
    pub started: Timestamp,
    /// When the instance began to serve the application, if it does.
    pub serves_since: Option<Timestamp>,
    /// Settings of the server by name, as `SHOW` prints them.
    pub live: BTreeMap<String, String>,
    /// Names of the settings that wait for a restart.
    pub pending_restart: Vec<String>,
    /// Whether CREATE EXTENSION pg_stat_statements was run in the database.
    pub extension_created: bool,
    /// Whether somebody writes hostile text into his statements.
    pub hostile: bool,
    /// What clients asked of it since it started.
    pub asked: Vec<(String, Count)>,
    /// The moment.
    pub now: Timestamp,
    /// How much faster than the log's times things take.
    pub speed: f64,
    /// The session.
    pub session: Session,
}

/// What belongs to a session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Role.
    pub user: String,
    /// Database.
    pub database: String,
    /// Name that the client gave itself.
    pub application: String,
    /// Process id.
    pub pid: i32,
    /// Settings of the session, by name.
    pub settings: BTreeMap<String, String>,
    /// Whether the transaction that is open was made read-only, or read-write, by its own word.
    pub read_only: Option<bool>,
}

impl Seen {
    /// The world as a session on that instance sees it; none if the instance is gone.
    pub fn by(site: &Site, cluster: &str, instance: &str, session: Session) -> Option<Self> {
        site.read(|world| {
            let partition = world.partitions.iter().find(|partition| partition.cluster.id == cluster)?;
            let cluster = &partition.cluster;
            let instance = cluster.instance(instance)?;
            Some(Self {
                instance: instance.id.clone(),
                writer: cluster.writer.clone(),
                others: up_beside(cluster, instance),
                address: instance.listens,
                started: instance.started,
                serves_since: serves_since(cluster, instance),
                live: instance.live.clone(),
                pending_restart: pending_restart(cluster, instance),
                extension_created: cluster.extension_created,
                hostile: world.holds(Situation::HostileText, &partition.name),
                asked: site.asked.of(&instance.id, instance.started),
                now: Timestamp::now(),
                speed: site.speed,
                session,
            })
        })
    }

    /// Whether the role is a member of another: of no predefined one, as the application's roles are made.
    pub fn has_role(&self, arguments: &[Value]) -> bool {
        let name = |place: usize| arguments.get(place).and_then(Value::text);
        // The role to be asked about may be left out: then it is the session's own.
        let (who, of) =
            if arguments.len() > 2 { (name(0), name(1)) } else { (Some(self.session.user.clone()), name(0)) };
        who.is_some() && who == of
    }

    /// Whether this instance takes writes.
    pub fn is_writer(&self) -> bool {
        self.writer.as_deref() == Some(self.instance.as_str())
    }

    /// Whether the transaction must not write.
    pub fn is_read_only(&self) -> bool {
        let by_default = self.session.settings.get("default_transaction_read_only").is_some_and(|value| value == "on");
        !self.is_writer() || self.session.read_only.unwrap_or(by_default)
    }

    /// Time since the server process started.
    pub fn uptime(&self) -> Duration {
        Duration::try_from(self.now.duration_since(self.started)).unwrap_or_default()
    }

    /// What pg_stat_statements counts on this instance.
    pub fn statements(&self) -> Vec<Statement> {
        statements::counted(self)
    }
}

fn up_beside(cluster: &Cluster, this: &Instance) -> Vec<String> {
    let others = cluster.instances.iter().filter(|other| other.up && other.id != this.id);
    others.map(|other| other.id.clone()).collect()
}

/// Since when the application's statements run here: from the moment it serves, in the life of this server process.
fn serves_since(cluster: &Cluster, instance: &Instance) -> Option<Timestamp> {
    if cluster.writer.as_deref() != Some(instance.id.as_str()) {
        return None;
    }
    let begins = [LoadChange::Serves, LoadChange::ReconnectBurst];
    let last = instance.load_marks.iter().rev().find(|mark| begins.contains(&mark.what));
    Some(last.map_or(instance.started, |mark| mark.time.max(instance.started)))
}

fn pending_restart(cluster: &Cluster, instance: &Instance) -> Vec<String> {
    if instance.group_status != "pending-reboot" {
        return Vec::new();
    }
    let fixed = cluster.group_parameters.iter().filter(|parameter| parameter.apply_type == "static");
    fixed.map(|parameter| parameter.name.clone()).collect()
}
