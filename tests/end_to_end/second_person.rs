//! A step for two: the operator fires only what another user of the system has approved.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use portable_pty::CommandBuilder;

use crate::support::{Cockpit, DOWN, ENTER, Place, TAB, place::BINARY};

/// A user that every system has, and that may do nothing.
const NOBODY: &str = "65534";

/// A command as that user.
fn as_nobody(program: &str, arguments: &[&str]) -> Vec<String> {
    let words = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program];
    words.iter().chain(arguments).map(|word| (*word).to_owned()).collect()
}

fn run(words: &[String]) -> bool {
    let mut command = Command::new(&words[0]);
    let command = command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn opens(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn a_step_for_two_is_fired_only_once_another_user_has_approved_it() {
    if !rustix::process::geteuid().is_root() || !run(&as_nobody("true", &[])) {
        eprintln!("skipped: to be two users this test must be root and have setpriv");
        return;
    }
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rds-only.toml");
    let rollout = fs::read_to_string(fixture).expect("a rollout");
    let rollout = rollout.replacen("id = \"snapshot\"", "id = \"snapshot\"\napproval = \"second-person\"", 1);
    let files = tempfile::tempdir().expect("a directory");
    let (file, settings) = (files.path().join("two.toml"), files.path().join("config.toml"));
    fs::write(&file, rollout).expect("written");
    fs::write(&settings, format!("group = \"{NOBODY}\"\n")).expect("written");
    let (file, settings) = (file.to_str().expect("UTF-8"), settings.to_str().expect("UTF-8"));
    let mut place = Place::with_site_of(60, file);
    let operator = ["--rollout", file, "--config", settings, "--operator", "ada"];

    // Headless firing waits for nobody.
    for step in ["drift", "snapshot"] {
        let exec = [&["exec", "--partition", "one", "--step", step, "--yes"], &operator[..]].concat();
        let done = place.run(&exec);
        if step == "drift" {
            assert_eq!(done.code, 0, "{done:?}");
        } else {
            assert!(done.code == 3 && done.err.contains("waits for the approval of a second person"), "{done:?}");
        }
    }
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 0);

    let mut ada = Cockpit::start(&place, (120, 40), &[&["run"], &operator[..]].concat());
    ada.see("1  › Snapshot");
    // The way to the test's own directory is opened for the other user; what is in it is not.
    opens(place.path(), 0o711);
    let run_dir = place.journal().parent().expect("a directory").to_owned();
    let run_dir = run_dir.to_str().expect("UTF-8").to_owned();
    for (what, may) in [
        (format!("cat {run_dir}/journal.jsonl"), true),
        (format!("cat {run_dir}/lock"), false),
        (format!("cat {run_dir}/recording/*"), false),
        (format!("ls {run_dir}/../.."), false),
        (format!("echo >> {run_dir}/journal.jsonl"), false),
        (format!("touch {run_dir}/takeover.json"), false),
        (format!("rm {run_dir}/journal.jsonl"), false),
    ] {
        assert_eq!(run(&as_nobody("sh", &["-c", &what])), may, "{what}");
    }
    // The binary, where another user may start it.
    let binary = place.path().join("aurora-cockpit");
    if fs::hard_link(BINARY, &binary).is_err() {
        fs::copy(BINARY, &binary).expect("copied");
    }
    opens(&binary, 0o755);
    let theirs = tempfile::tempdir().expect("a directory");
    opens(theirs.path(), 0o777);
    let their_state = theirs.path().to_str().expect("UTF-8").to_owned();
    let binary = binary.to_str().expect("UTF-8").to_owned();
    let watch = as_nobody(&binary, &["monitor", &run_dir, "--state-dir", &their_state]);
    place.set("HOME", &their_state);
    let mut command = CommandBuilder::new(&watch[0]);
    command.args(&watch[1..]);
    let mut bob = Cockpit::start_command(&place, (120, 40), command);
    bob.see(" MONITOR ");
    bob.press("A");
    bob.see("approve: nothing waits for an approval");

    // The operator cannot fire alone, however often they try.
    ada.press("1");
    ada.see("Fire waits for the second person");
    ada.press(TAB);
    ada.press(DOWN);
    bob.see("A approves it as the second person");
    let untouched = place.ledger();
    // Nor does the operator's own word count, in a monitor of theirs.
    let mut own = Cockpit::start(&place, (120, 40), &["monitor"]);
    own.see(" MONITOR ");
    own.press("A");
    own.see("the second person must be another user");
    drop(own);
    // Nor an approval of something else.
    let forged = format!("echo '{{\"digest\":\"00\"}}' > {run_dir}/approvals/forged.json");
    assert!(run(&as_nobody("sh", &["-c", &forged])));
    ada.see("does not count");
    assert_eq!(place.events("approved"), 0);

    bob.press("A");
    bob.see("the operator still fires");
    bob.press(TAB);
    bob.press(ENTER);
    ada.see("approved by nobody (uid 65534)");
    bob.see("approved by nobody (uid 65534)");
    assert_eq!(place.ledger(), untouched, "an approval sends nothing");
    ada.press(TAB);
    ada.see("Enter chooses");
    ada.press(ENTER);
    ada.pass("Snapshot");
    bob.pass("Snapshot");
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);
    assert_eq!(place.events("approved"), 1);
    let report = place.run(&["report"]).out;
    assert!(report.contains("Approved by nobody (uid 65534) as the second person"), "{report}");
    assert_eq!(place.run(&["verify"]).code, 0);
    bob.press("q");
    assert_eq!(bob.end().0, 0);
}
