//! The servers behind one cluster: a primary and its standbys, made and changed as the world wants them.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use futures::future::try_join_all;

use super::install::Installation;
use super::load::Application;
use super::server::Server;
use crate::sim::world::servers::Wanted;

/// The servers behind one cluster.
#[derive(Debug)]
pub struct Pair {
    servers: Vec<Server>,
    /// Which of them takes writes.
    primary: usize,
    /// Those that were primaries once, and must be rebuilt before they start again.
    demoted: Vec<usize>,
    application: Application,
    extension: bool,
}

impl Pair {
    /// Makes and starts the servers at these addresses, the writer first, with the application's role, database and tables.
    pub async fn make(
        installation: &Installation,
        directory: &Path,
        addresses: &[(String, SocketAddr)],
        application: Application,
        wanted: &Wanted,
    ) -> io::Result<Self> {
        let password = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect::<String>();
        let mut servers = Vec::new();
        for (id, address) in addresses {
            servers.push(Server::new(installation, directory.join(id), id, *address, &password)?);
        }
        let writes = |server: &Server| Some(&server.id) == wanted.writer.as_ref();
        let primary = servers.iter().position(writes).unwrap_or_default();
        let mut pair = Self { servers, primary, demoted: Vec::new(), application, extension: false };
        pair.servers[primary].initialise().await?;
        pair.configure(primary, wanted)?;
        pair.servers[primary].start().await?;
        pair.make_database().await?;
        for place in pair.standbys() {
            pair.servers[place].copy(pair.primary().address).await?;
            pair.configure(place, wanted)?;
            pair.servers[place].start().await?;
        }
        Ok(pair)
    }

    fn primary(&self) -> &Server {
        &self.servers[self.primary]
    }

    fn standbys(&self) -> Vec<usize> {
        (0..self.servers.len()).filter(|place| *place != self.primary).collect()
    }

    async fn make_database(&self) -> io::Result<()> {
        let Application { database, user, password } = &self.application;
        let name = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let (database, user, password) = (name(database), name(user), password.replace('\'', "''"));
        let primary = self.primary();
        primary.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD '{password}'")).await?;
        primary.execute(&format!("CREATE DATABASE {database} OWNER {user}")).await?;
        self.application.make_tables(primary.address).await
    }

    fn configure(&self, place: usize, wanted: &Wanted) -> io::Result<()> {
        let server = &self.servers[place];
        let settings = |id: &str| wanted.server(id).map(|server| server.settings.clone()).unwrap_or_default();
        let mut own = settings(&server.id);
        if place == self.primary {
            return server.configure(&own, None);
        }
        // Stock PostgreSQL, unlike Aurora, refuses a standby that allows fewer connections than its primary.
        let allowed = |settings: &BTreeMap<String, String>| {
            settings.get("max_connections").and_then(|value| value.parse::<u32>().ok()).unwrap_or_default()
        };
        let least = allowed(&settings(&self.primary().id));
        if allowed(&own) < least {
            own.insert("max_connections".to_owned(), least.to_string());
        }
        server.configure(&own, Some(self.primary().address))
    }

    /// Makes the servers as they are wanted now.
    pub async fn carry_out(&mut self, before: &Wanted, now: &Wanted) -> io::Result<()> {
        for server in &mut self.servers {
            let (was, is) = (before.server(&server.id), now.server(&server.id));
            let restarts = was.map(|was| was.started) != is.map(|is| is.started);
            if restarts || !is.is_some_and(|is| is.up) {
                server.stop().await?;
            }
        }
        let writer = now.writer.as_ref().and_then(|id| self.servers.iter().position(|server| server.id == *id));
        if let Some(writer) = writer.filter(|writer| *writer != self.primary) {
            self.promote(writer, now).await?;
        }
        // The primary first: the others are rebuilt from it.
        for place in [vec![self.primary], self.standbys()].concat() {
            // One that was demoted is rebuilt from the primary, and waits until that is there.
            let waits = self.demoted.contains(&place) && place != self.primary && !self.primary().is_running();
            let is_wanted = now.server(&self.servers[place].id).is_some_and(|server| server.up);
            if is_wanted && !waits && !self.servers[place].is_running() {
                self.start(place, now).await?;
            }
        }
        self.adjust(before, now).await?;
        if now.extension && !self.extension && self.primary().is_running() {
            let session = self.primary().session_with(&self.application.database).await?;
            let sql = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
            session.batch_execute(sql).await.map_err(super::server::other)?;
            self.extension = true;
        }
        Ok(())
    }

    async fn promote(&mut self, writer: usize, now: &Wanted) -> io::Result<()> {
        if !self.servers[writer].is_running() {
            self.start(writer, now).await?;
        }
        // Two primaries at once would be two truths.
        self.servers[self.primary].stop().await?;
        self.servers[writer].promote().await?;
        self.demoted.push(self.primary);
        self.primary = writer;
        for place in (0..self.servers.len()).filter(|place| self.servers[*place].is_running()) {
            self.configure(place, now)?;
            self.servers[place].reload();
        }
        Ok(())
    }

    async fn start(&mut self, place: usize, now: &Wanted) -> io::Result<()> {
        if place != self.primary && self.demoted.contains(&place) {
            // Until its first checkpoint, a promoted server does not show that its history has branched off.
            self.primary().execute("CHECKPOINT").await?;
            self.servers[place].rewind(self.primary().address).await?;
            self.demoted.retain(|demoted| *demoted != place);
        }
        self.configure(place, now)?;
        self.servers[place].start().await
    }

    /// What needs no restart: settings and cut sessions.
    async fn adjust(&mut self, before: &Wanted, now: &Wanted) -> io::Result<()> {
        for place in 0..self.servers.len() {
            let server = &self.servers[place];
            let (Some(was), Some(is)) = (before.server(&server.id), now.server(&server.id)) else { continue };
            if !is.up || was.started != is.started {
                continue;
            }
            if was.settings != is.settings {
                self.configure(place, now)?;
                self.servers[place].reload();
            }
            if was.generation != is.generation && was.up {
                self.servers[place].cut().await?;
            }
        }
        Ok(())
    }

    /// Ends all servers at once; their data is not needed any more.
    pub async fn end(mut self) -> io::Result<()> {
        try_join_all(self.servers.iter_mut().map(Server::abandon)).await.map(drop)
    }
}
