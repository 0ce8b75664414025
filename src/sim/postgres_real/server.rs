//! One PostgreSQL server: its files, its process, and the superuser's session with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

use super::install::Installation;

/// The superuser of all servers of a site.
pub const SUPERUSER: &str = "rdsadmin";

/// How long a server may take to start, stop or be promoted.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a server that starts is tried.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// What every server of a site has in common: small, quick, and safe to lose.
const COMMON: &str = "\
unix_socket_directories = ''
shared_buffers = 16MB
fsync = off
full_page_writes = on
wal_level = replica
wal_log_hints = on
wal_keep_size = 128MB
wal_retrieve_retry_interval = 200ms
max_wal_senders = 4
hot_standby = on
password_encryption = 'md5'
";

/// Passwords are checked in the way that costs least: the thousands of rounds of SCRAM would be timed along with every
/// reconnection, in a build that is not optimised by a good part of a second.
const HOSTS: &str = "\
host all all 127.0.0.0/8 md5
host replication rdsadmin 127.0.0.0/8 md5
";

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Identifier of its instance.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
    home: PathBuf,
    installation: Installation,
    password: String,
    child: Option<Child>,
}

impl Server {
    /// A server that is not there yet, with a directory of its own.
    pub fn new(
        installation: &Installation,
        home: PathBuf,
        id: &str,
        address: SocketAddr,
        password: &str,
    ) -> io::Result<Self> {
        installation.make_directory(&home)?;
        installation.write(&home.join("pg_hba.conf"), HOSTS)?;
        let (id, password) = (id.to_owned(), password.to_owned());
        Ok(Self { id, address, home, installation: installation.clone(), password, child: None })
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Whether its process is there.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Makes an empty cluster of databases.
    pub async fn initialise(&self) -> io::Result<()> {
        let password = self.home.join("password");
        self.installation.write(&password, &self.password)?;
        let mut command = self.installation.program("initdb", &self.home);
        command.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=md5"]);
        command.args(["-U", SUPERUSER, "--pwfile"]).arg(&password).arg("-D").arg(self.data());
        run(command, "initdb").await?;
        std::fs::remove_file(password)
    }

    /// Makes it a copy of another one, as its standby.
    pub async fn copy(&self, primary: SocketAddr) -> io::Result<()> {
        let data = self.data();
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut command = self.installation.program("pg_basebackup", &self.home);
        command.env("PGPASSWORD", &self.password).args(["--no-sync", "--checkpoint=fast", "-X", "stream", "-D"]);
        command.arg(data).args(["-U", SUPERUSER, "-h", &primary.ip().to_string(), "-p", &primary.port().to_string()]);
        run(command, "pg_basebackup").await?;
        self.stand_by()
    }

    /// Makes it, which was a primary, a standby of the one that was promoted in its place.
    pub async fn rewind(&self, primary: SocketAddr) -> io::Result<()> {
        let source = format!("{} dbname=postgres", self.conninfo(primary));
        let mut command = self.installation.program("pg_rewind", &self.home);
        command.env("PGPASSWORD", &self.password).args(["--no-sync", "--source-server", &source]);
        command.arg("--target-pgdata").arg(self.data());
        if let Err(error) = run(command, "pg_rewind").await {
            tracing::info!(server = %self.id, %error, "copied anew instead");
            return self.copy(primary).await;
        }
        self.stand_by()
    }

    fn stand_by(&self) -> io::Result<()> {
        self.installation.write(&self.data().join("standby.signal"), "")
    }

    /// Everything about a primary but the password.
    fn conninfo(&self, primary: SocketAddr) -> String {
        let name = self.id.replace(['\'', '\\'], "");
        format!("host={} port={} user={SUPERUSER} application_name={name}", primary.ip(), primary.port())
    }

    /// Writes its configuration; a server that runs takes it up with [`Self::reload`].
    pub fn configure(&self, settings: &BTreeMap<String, String>, other: Option<SocketAddr>) -> io::Result<()> {
        let mut text = COMMON.to_owned();
        let mut set = |name: &str, value: &str| text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        set("listen_addresses", &self.address.ip().to_string());
        set("port", &self.address.port().to_string());
        set("hba_file", &self.home.join("pg_hba.conf").display().to_string());
        if let Some(other) = other {
            set("primary_conninfo", &format!("{} password={}", self.conninfo(other), self.password));
        }
        for (name, value) in settings {
            match name.as_str() {
                // The one library of Aurora's that stock PostgreSQL has too.
                "shared_preload_libraries" => {
                    set(name, if value.contains("pg_stat_statements") { "pg_stat_statements" } else { "" });
                }
                _ => set(name, value),
            }
        }
        self.installation.write(&self.home.join("postgresql.conf"), &text)
    }

    /// Starts its process and waits until it answers.
    pub async fn start(&mut self) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(self.home.join("log"))?;
        let mut command = self.installation.server(&self.home);
        let config = format!("config_file={}", self.home.join("postgresql.conf").display());
        command.arg("-D").arg(self.data()).args(["-c", &config]);
        let mut child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let answers = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    return Err(self.failed(&format!("ended at its start: {status}")));
                }
                match self.session().await {
                    Ok(_) => return Ok(()),
                    Err(_) => sleep(TRY_AGAIN).await,
                }
            }
        };
        match timeout(PATIENCE, answers).await {
            Ok(answer) => answer?,
            Err(_) => return Err(self.failed("does not answer")),
        }
        self.child = Some(child);
        Ok(())
    }

    /// Stops it: sessions are cut, what was committed reaches the standby.
    pub async fn stop(&mut self) -> io::Result<()> {
        self.end(Signal::INT).await
    }

    /// Ends it at once, without a care for its data.
    pub async fn abandon(&mut self) -> io::Result<()> {
        self.end(Signal::QUIT).await
    }

    async fn end(&mut self, how: Signal) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        self.tell(&child, how);
        match timeout(PATIENCE, child.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => Err(self.failed("does not stop")),
        }
    }

    /// Has it read its configuration again.
    pub fn reload(&self) {
        if let Some(child) = &self.child {
            self.tell(child, Signal::HUP);
        }
    }

    fn tell(&self, child: &Child, signal: Signal) {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
            tracing::warn!(server = %self.id, %error, "a server could not be told");
        }
    }

    /// Makes the standby a primary, and waits until it takes writes.
    pub async fn promote(&self) -> io::Result<()> {
        let promoted = self.session().await?.query_one("SELECT pg_promote(true, 60)", &[]).await.map_err(other)?;
        if promoted.get(0) { Ok(()) } else { Err(self.failed("was not promoted")) }
    }

    /// Cuts all sessions but the replication's.
    pub async fn cut(&self) -> io::Result<()> {
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .await
    }

    /// Runs statements as the superuser, in the maintenance database.
    pub async fn execute(&self, sql: &str) -> io::Result<()> {
        self.session().await?.batch_execute(sql).await.map_err(other)
    }

    /// The superuser's session with the maintenance database.
    pub async fn session(&self) -> io::Result<Client> {
        self.session_with("postgres").await
    }

    /// The superuser's session with a database.
    pub async fn session_with(&self, database: &str) -> io::Result<Client> {
        connect(self.address, SUPERUSER, &self.password, database).await
    }

    fn failed(&self, what: &str) -> io::Error {
        let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
        io::Error::other(format!("the PostgreSQL server of {} {what}. Its log ends: {last}", self.id))
    }
}

/// A session with a server; it ends when the client is dropped.
pub async fn connect(address: SocketAddr, user: &str, password: &str, database: &str) -> io::Result<Client> {
    let mut config = Config::new();
    config.hostaddr(address.ip()).host(address.ip().to_string()).port(address.port());
    config.user(user).password(password).dbname(database).connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(NoTls).await.map_err(other)?;
    tokio::spawn(connection);
    Ok(client)
}

/// An error of a session, with the server's own words.
pub fn other(error: tokio_postgres::Error) -> io::Error {
    let words = error.as_db_error().map(|said| format!("{} ({})", said.message(), said.code().code()));
    io::Error::other(words.unwrap_or_else(|| error.to_string()))
}

async fn run(mut command: tokio::process::Command, name: &str) -> io::Result<()> {
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name}: {}: {}", output.status, words.trim())))
}
