//! The client against a stock PostgreSQL that is started for the test. Where no server is installed there is nothing to
//! test against, and the tests pass without a word.

#![allow(clippy::panic)]

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tempfile::TempDir;

use super::*;
use crate::runbook::plan::SecretSource;

pub(super) const PASSWORD: &str = "only for this test";

/// The user that servers and tools run as when the tests run as root, which PostgreSQL refuses.
const NOBODY: u32 = 65_534;

/// A server with a data directory of its own.
pub(crate) struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
    arguments: Vec<String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that does not run as root.
fn unprivileged(program: impl AsRef<std::ffi::OsStr>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        chown(directory, Some(NOBODY), Some(NOBODY)).expect("the directory is ours");
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn binaries() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let directory = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    directory.join("initdb").exists().then_some(directory)
}

impl Server {
    /// Starts a server; none where none is installed.
    async fn start(tls: bool) -> Option<Self> {
        Self::start_with(tls, &[]).await
    }

    /// The same with more settings, of which the last word holds.
    pub(crate) async fn start_with(tls: bool, more: &[&str]) -> Option<Self> {
        let binaries = binaries()?;
        let directory = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a directory");
        let path = directory.path();
        std::fs::write(path.join("password"), PASSWORD).expect("written");
        let data = path.join("data");
        if rustix::process::geteuid().is_root() {
            chown(path.join("password"), Some(NOBODY), Some(NOBODY)).expect("the file is ours");
        }
        let initialised = unprivileged(binaries.join("initdb"), path)
            .args(["-U", "cockpit", "-A", "scram-sha-256", "--pwfile", "password", "--no-sync", "-D"])
            .arg(&data)
            .status()
            .expect("initdb runs");
        assert!(initialised.success(), "initdb failed");
        if tls && !certificate(path) {
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
        let port_text = format!("port={port}");
        let usual =
            ["listen_addresses=127.0.0.1", &port_text, "fsync=off", "shared_preload_libraries=pg_stat_statements"];
        let tls: &[&str] =
            if tls { &["ssl=on", "ssl_cert_file=../server.crt", "ssl_key_file=../server.key"] } else { &[] };
        let settings = usual.iter().chain(tls).chain(more);
        let arguments: Vec<String> = settings.flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]).collect();
        let child = Self::spawn(path, &arguments)?;
        let server = Self { child, port, directory, arguments };
        server.wait_until_up().await;
        Some(server)
    }

    fn spawn(path: &Path, arguments: &[String]) -> Option<Child> {
        let mut command = unprivileged(binaries()?.join("postgres"), path);
        command.arg("-D").arg(path.join("data")).arg("-k").arg(path).args(arguments);
        Some(command.spawn().expect("postgres runs"))
    }

    /// Kills it and starts it again, as a host that fails does.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            // Children of a killed server hold its shared memory for a moment.
            self.child = Self::spawn(self.directory.path(), &self.arguments).expect("installed");
            tokio::time::sleep(Duration::from_millis(200)).await;
            if self.child.try_wait().expect("asked").is_none() {
                break;
            }
            assert!(Instant::now() < deadline, "it does not start again");
        }
        self.wait_until_up().await;
    }

    /// A client of the superuser's that is not the cockpit.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("cockpit").password(PASSWORD).dbname("postgres");
        let (client, connection) = config.connect(NoTls).await.expect("another client");
        tokio::spawn(connection);
        client
    }

    async fn wait_until_up(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(Instant::now() < deadline, "the server never listened");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) fn target(&self, tls: TlsMode, ca_file: Option<&str>) -> SqlTarget {
        SqlTarget {
            database: "postgres".into(),
            user: "cockpit".into(),
            password: SecretSource::Env("UNUSED".into()),
            endpoint: None,
            tls,
            ca_file: ca_file.map(|name| self.directory.path().join(name).to_string_lossy().into_owned()),
            bastion: None,
        }
    }

    pub(crate) async fn session(&self, host: &str, target: &SqlTarget) -> Result<Session, Trouble> {
        self.session_at(&Address::of(host, self.port), target).await
    }

    async fn session_at(&self, address: &Address, target: &SqlTarget) -> Result<Session, Trouble> {
        let connector = Connector::new(Resolver::asking(([127, 0, 0, 1], 9).into())?, target)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match connector.connect(address, &SecretString::from(PASSWORD)).await {
                // It listens before it lets anyone in.
                Err(trouble) if trouble.is_code("57P03") && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                answer => return answer,
            }
        }
    }

    /// A session over a connection that somebody else made, as a port-forward's is.
    async fn session_over_a_stream(&self, name: &str, target: &SqlTarget) -> Result<Session, Trouble> {
        let connector = Connector::new(Resolver::asking(([127, 0, 0, 1], 9).into())?, target)?;
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let port = self.port;
        tokio::spawn(async move {
            let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
            let _ = tokio::io::copy_bidirectional(&mut theirs, &mut server).await;
        });
        connector.connect_over(ours, &Address::of(name, port), &SecretString::from(PASSWORD)).await
    }
}

/// A certificate for `localhost`, signed by an authority of its own.
fn certificate(path: &Path) -> bool {
    let made = Command::new("openssl")
        .current_dir(path)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "server.key", "-out", "server.crt"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if rustix::process::geteuid().is_root() {
        for file in ["server.key", "server.crt"] {
            let _ = chown(path.join(file), Some(NOBODY), Some(NOBODY));
        }
    }
    made.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_stock_server_answers_by_the_fallbacks() {
    let Some(server) = Server::start(false).await else { return };
    let session = server.session("127.0.0.1", &server.target(TlsMode::Disable, None)).await.expect("a session");
    let who = session.who_am_i().await.expect("who");
    assert_eq!((who.instance.as_deref(), who.is_writer), (None, true));
    assert_eq!(who.address, Some(([127, 0, 0, 1].into(), server.port)));
    assert!(who.topology.is_empty());
    // Asked again, it goes straight to what this server has.
    assert_eq!(session.who_am_i().await.expect("who").started, who.started);
    assert_eq!(session.write_probe().await, Ok(WriteProbe::Accepted));
    assert_eq!(session.show("statement_timeout").await, Ok("4s".to_owned()));
    assert_eq!(session.show("no_such").await.expect_err("missing").code.as_deref(), Some("42704"));
    let settings = session.settings(&["max_connections", "no_such"]).await.expect("read");
    assert_eq!((settings.len(), settings[0].context.as_str()), (1, "postmaster"));
    assert_eq!(session.statements_probe().await, Ok(StatementsProbe::ExtensionMissing));
    session.simple("CREATE EXTENSION", "CREATE EXTENSION pg_stat_statements").await.expect("created");
    let Ok(StatementsProbe::Rows(rows)) = session.statements_probe().await else { panic!("it answers now") };
    assert!(rows > 0);
    let counters = session.statements(5, &[]).await.expect("counters");
    assert!(!counters.statements.is_empty() && counters.statements.len() <= 5);
    assert!(counters.reset.is_some());
    assert_eq!(session.idle_in_transaction().await.expect("read").count, 0);
    let other = server.session("127.0.0.1", &server.target(TlsMode::Disable, None)).await.expect("another session");
    other.simple("BEGIN", "BEGIN").await.expect("begun");
    assert_eq!(session.idle_in_transaction().await.expect("read").count, 1);
}

#[tokio::test]
async fn a_server_that_is_read_only_by_default_takes_no_write() {
    let Some(server) = Server::start(false).await else { return };
    let session = server.session("127.0.0.1", &server.target(TlsMode::Disable, None)).await.expect("a session");
    session.simple("SET", "SET default_transaction_read_only = on").await.expect("set");
    assert_eq!(session.write_probe().await, Ok(WriteProbe::ReadOnly));
}

#[tokio::test]
async fn a_server_that_dies_is_told_from_one_that_is_not_there() {
    let Some(mut server) = Server::start(false).await else { return };
    let target = server.target(TlsMode::Disable, None);
    let session = server.session("127.0.0.1", &target).await.expect("a session");
    server.child.kill().expect("killed");
    server.child.wait().expect("gone");
    let deadline = Instant::now() + Duration::from_secs(10);
    let trouble = loop {
        assert!(Instant::now() < deadline, "the session outlived its server");
        // Children of a killed server notice a moment later.
        match session.who_am_i().await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(trouble) => break trouble,
        }
    };
    assert!(trouble.is_passing(), "{trouble}");
    let trouble = server.session("127.0.0.1", &target).await.expect_err("nobody listens");
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
}

#[tokio::test]
async fn the_servers_name_is_verified_against_its_certificate() {
    let Some(server) = Server::start(true).await else { return };
    let trusting = server.target(TlsMode::VerifyFull, Some("server.crt"));
    let session = server.session("localhost", &trusting).await.expect("the name fits");
    assert!(session.who_am_i().await.expect("who").is_writer);
    let other_name = server.session("127.0.0.1", &trusting).await.expect_err("the name does not fit");
    assert_eq!((other_name.kind, other_name.code.as_deref()), (TroubleKind::Denied, Some("TLS")), "{other_name}");
    let forwarded = Address { host: "127.0.0.1".into(), name: "localhost".into(), ..Address::of("", server.port) };
    server.session_at(&forwarded, &trusting).await.expect("a forwarded port, and still the server's own name");
    let foreign = Address { name: "elsewhere".into(), ..forwarded };
    assert_eq!(server.session_at(&foreign, &trusting).await.expect_err("another name").kind, TroubleKind::Denied);
    for (name, expected) in [("localhost", None), ("elsewhere", Some(TroubleKind::Denied))] {
        let session = server.session_over_a_stream(name, &trusting).await;
        assert_eq!(session.err().map(|trouble| trouble.kind), expected, "over a stream, as {name}");
    }
    let untrusting = server.target(TlsMode::VerifyFull, None);
    let untrusted = server.session("localhost", &untrusting).await.expect_err("nobody vouches for it");
    assert_eq!(untrusted.kind, TroubleKind::Denied, "{untrusted}");
    let missing = Connector::new(
        Resolver::system().expect("a resolver"),
        &server.target(TlsMode::VerifyFull, Some("missing.pem")),
    );
    assert_eq!(missing.expect_err("no such file").kind, TroubleKind::NotFound);
}
