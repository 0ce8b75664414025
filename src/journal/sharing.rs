//! Opening a run to a group of users, on purpose: they may read its journal and leave approvals, and nothing else.
//!
//! A run is its owner's alone otherwise. The lock, the requests to hand over, the programs' outputs and the recordings
//! stay so.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Gid, chown};
use rustix::process::geteuid;

use super::approvals;
use super::directory::JOURNAL;
use crate::runbook::event::Person;

/// Opens the run in `run_dir` to a group, named or by number: its journal to be read, its approvals to be written.
///
/// # Errors
/// Why not, in the operator's words.
pub fn open_to(run_dir: &Path, state_dir: &Path, group: &str) -> Result<(), String> {
    let gid =
        group_id(group).ok_or("there is no such group in /etc/group; give its number where it is kept elsewhere")?;
    let approvals = approvals::directory(run_dir);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&approvals);
    made.map_err(|error| format!("{}: {error}", approvals.display()))?;
    // Where somebody else made the way to the runs, they decide who goes it.
    for way in [state_dir.to_owned(), super::runs::runs_dir(state_dir)] {
        if fs::metadata(&way).is_ok_and(|way| way.uid() == geteuid().as_raw()) {
            give(&way, gid, 0o710)?;
        }
    }
    give(run_dir, gid, 0o750)?;
    give(&run_dir.join(JOURNAL), gid, 0o640)?;
    // Sticky: members of the group do not remove each other's.
    give(&approvals, gid, 0o1770)
}

fn give(path: &Path, gid: Gid, mode: u32) -> Result<(), String> {
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    chown(path, None, Some(gid)).map_err(|error| said(error.into()))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(said)
}

/// The number of a group.
fn group_id(group: &str) -> Option<Gid> {
    let number = group.parse().ok().or_else(|| {
        let groups = fs::read_to_string("/etc/group").ok()?;
        number_of(&groups, group)
    })?;
    Some(Gid::from_raw(number))
}

/// The number that a line of `/etc/group` or `/etc/passwd` gives a name.
fn number_of(lines: &str, name: &str) -> Option<u32> {
    let mut lines = lines.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten())
}

/// The user that this process runs as.
pub fn user() -> Person {
    person(geteuid().as_raw())
}

/// A user by number.
pub fn person(uid: u32) -> Person {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    Person { uid, name: name.unwrap_or_else(|| "somebody without a name here".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "root:x:0:\ndba:x:1005:ada,bob\nbroken\nempty:x::\n";

    #[test]
    fn names_have_numbers() {
        assert_eq!(number_of(GROUPS, "dba"), Some(1005));
        assert_eq!(number_of(GROUPS, "root"), Some(0));
        for none in ["broken", "empty", "nobody", ""] {
            assert_eq!(number_of(GROUPS, none), None, "{none}");
        }
        assert_eq!(person(0).name, "root");
    }

    #[test]
    fn only_what_was_meant_is_opened() {
        let state = tempfile::tempdir().expect("a directory");
        let own = rustix::process::getegid().as_raw().to_string();
        let store = super::super::Directory::create(state.path(), "run-1").expect("a run");
        let run = store.path();
        fs::write(run.join("lock"), "").expect("written");
        fs::set_permissions(run.join("lock"), Permissions::from_mode(0o600)).expect("set");
        open_to(run, state.path(), &own).expect("opened");
        let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
        assert_eq!(mode(run), 0o750);
        assert_eq!(mode(&run.join(JOURNAL)), 0o640);
        assert_eq!(mode(&approvals::directory(run)), 0o1770);
        assert_eq!(mode(&run.join("lock")), 0o600, "the lock stays its owner's");
        assert!(open_to(run, state.path(), "no-such-group-here").is_err());
    }
}
