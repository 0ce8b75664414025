//! The PostgreSQL that is installed on this machine, and the user that its servers run as.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// What the site starts.
const PROGRAMS: [&str; 4] = ["initdb", "postgres", "pg_basebackup", "pg_rewind"];

/// Where Debian, Fedora and Homebrew put the servers' programs; a star stands for a version.
const USUAL: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// The user of last resort for a site that runs as root, which PostgreSQL refuses.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// An installed PostgreSQL.
#[derive(Debug, Clone)]
pub struct Installation {
    /// Directory of its programs.
    bin: PathBuf,
    /// User and group that everything runs as, where that is not ourselves.
    user: Option<(u32, u32)>,
    /// Whether `setpriv` is there, which lets a server die with us however we die.
    leashed: bool,
}

impl Installation {
    /// Looks for PostgreSQL's servers: where `pg_config` says, on PATH, and in the usual places.
    ///
    /// # Errors
    /// None is installed; in words.
    pub fn find() -> io::Result<Self> {
        let bin = candidates().into_iter().find(|bin| PROGRAMS.iter().all(|name| bin.join(name).is_file()));
        let bin = bin.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "`--postgres real` needs PostgreSQL's servers (initdb, postgres, pg_basebackup, pg_rewind), and none are \
                 installed where pg_config, PATH or the usual places lead; on Debian: apt-get install postgresql. \
                 `--postgres embedded` needs nothing",
            )
        })?;
        let user = rustix::process::geteuid().is_root().then(|| account("postgres").unwrap_or(NOBODY));
        Ok(Self { bin, user, leashed: on_path().any(|dir| dir.join("setpriv").is_file()) })
    }

    /// One of its programs, run in a directory that is its own.
    pub fn program(&self, name: &str, directory: &Path) -> Command {
        self.as_user(self.bin.join(name), directory)
    }

    /// A server; where it can be, one that dies with the thread that starts it.
    pub fn server(&self, directory: &Path) -> Command {
        let postgres = self.bin.join("postgres");
        if !self.leashed {
            return self.as_user(postgres, directory);
        }
        let mut command = self.as_user("setpriv", directory);
        command.args(["--pdeathsig", "QUIT", "--"]).arg(postgres);
        command
    }

    fn as_user(&self, program: impl AsRef<OsStr>, directory: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command.current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Makes a directory that nobody but the servers' user can look into.
    ///
    /// # Errors
    /// It is there already, or cannot be made.
    pub fn make_directory(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)?;
        self.give(path)
    }

    /// Writes a file that nobody but the servers' user can read.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        // Written aside and renamed: a server may read it at any moment.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, text)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o600))?;
        self.give(&unfinished)?;
        fs::rename(unfinished, path)
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}

/// Directories in which the programs may be, the likeliest first.
fn candidates() -> Vec<PathBuf> {
    let asked = std::process::Command::new("pg_config").arg("--bindir").stderr(Stdio::null()).output();
    let asked = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let mut found: Vec<PathBuf> = asked.map(|bin| PathBuf::from(bin.trim())).into_iter().collect();
    for (parent, prefix, below) in USUAL {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let version = name.strip_prefix(prefix)?;
                Some((version.parse().ok()?, entry.path().join(below)))
            })
            .collect();
        versions.sort();
        found.extend(versions.into_iter().rev().map(|(_, path)| path));
    }
    found.extend(on_path());
    found
}

fn on_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// User and group of an account of this machine.
fn account(name: &str) -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> =
        accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|line| line.first() == Some(&name))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
