//! The cockpit is killed in the middle, and started again: what runs goes on, and nothing is sent twice.

use std::process::Stdio;

use rustix::process::Signal;

use crate::support::{BY_HAND, Cockpit, ENTER, Place, TAB, wait_until};

#[test]
fn a_cockpit_killed_while_amm_sh_runs_takes_the_same_attempt_up_again() {
    let place = Place::new();
    let demo = ["demo", "--speed", "60"];
    let mut cockpit = Cockpit::start(&place, (120, 40), &demo);
    cockpit.see("p  › Prerequisites");
    for step in &BY_HAND[..3] {
        cockpit.fire(*step);
    }
    cockpit.open("2");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.see("2  ▶ amm.sh");
    cockpit.see("update in progress");
    let site = place.address();
    cockpit.kill();
    let killed = place.step("dev", "amm");
    assert_eq!(killed["attempts"].as_array().map(Vec::len), Some(1), "{killed:#}");
    assert_eq!(killed["attempts"][0]["ended"], serde_json::Value::Null, "it was killed in the middle");

    let mut cockpit = Cockpit::start(&place, (120, 40), &demo);
    cockpit.see("2  ▶ amm.sh");
    assert_eq!(place.address(), site, "the site is found again");
    cockpit.pass("amm.sh");
    let resumed = place.step("dev", "amm");
    assert!(resumed["state"].as_str().is_some_and(|state| state.starts_with("PASSED")), "{resumed:#}");
    assert_eq!(resumed["attempts"].as_array().map(Vec::len), Some(1), "{resumed:#}");
    assert_eq!(resumed["attempts"][0]["number"], 1);
    assert_eq!(place.events("attempt-resumed"), 1);
    assert_eq!(place.ledger().calls("StartDeploy"), 1, "amm.sh ran once");
    // And on it goes, by keys.
    cockpit.fire(BY_HAND[4]);
    assert_eq!(place.run(&["verify"]).code, 0);
}

#[test]
fn amm_sh_outlives_its_cockpit_and_its_end_is_found() {
    let place = Place::with_site(100);
    exec(&place, &["prerequisites", "drift", "snapshot"]);
    let mut exec = place.command(&["exec", "--partition", "dev", "--step", "amm", "--yes"]);
    let mut exec = exec.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("amm.sh deploys", || place.ledger().calls("StartDeploy") == 1);
    exec.kill().and_then(|()| exec.wait()).expect("it was alive");
    // It ends while nobody looks.
    let program = place.journal().with_file_name("programs");
    wait_until("amm.sh has ended", || ended(&program));

    let resumed = place.run(&["exec", "--partition", "dev", "--step", "amm", "--yes"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let step = place.step("dev", "amm");
    assert_eq!(step["attempts"].as_array().map(Vec::len), Some(1), "{step:#}");
    assert_eq!(place.ledger().calls("StartDeploy"), 1, "amm.sh ran once");
}

/// Whether a program's exit is written down anywhere below this directory.
fn ended(directory: &std::path::Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { ended(&path) } else { path.file_name().is_some_and(|name| name == "exit") }
    })
}

#[test]
fn a_terminal_that_is_closed_takes_nothing_along() {
    let place = Place::with_site(60);
    exec(&place, &["prerequisites", "drift", "snapshot"]);
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.open("2");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.see("update in progress");
    // Leaving is asked for once more while something runs, and staying is the answer that is focused.
    cockpit.press("q");
    cockpit.see("What was sent goes on without the cockpit");
    cockpit.press(ENTER);
    cockpit.signal(Signal::HUP);
    let (code, terminal) = cockpit.end();
    assert_eq!(code, 0, "{}", terminal.screen().contents());
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    assert_eq!(place.step("dev", "amm")["attempts"][0]["ended"], serde_json::Value::Null);

    let mut cockpit = Cockpit::start(&place, (200, 50), &["run"]);
    cockpit.see("2  ▶ amm.sh");
    cockpit.pass("amm.sh");
    assert_eq!(place.step("dev", "amm")["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(place.ledger().calls("StartDeploy"), 1, "amm.sh ran once");
}

#[test]
fn a_failover_accepted_before_the_kill_is_not_sent_again() {
    let place = Place::with_site(40);
    let mut all = place.command(&["exec", "--partition", "dev", "--all", "--yes"]);
    let mut all = all.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("the failover is accepted", || place.ledger().calls("FailoverDBCluster") == 1);
    all.kill().and_then(|()| all.wait()).expect("it was alive");
    let killed = place.step("dev", "failover");
    assert_eq!(killed["attempts"][0]["ended"], serde_json::Value::Null, "it was killed in the middle: {killed:#}");

    let resumed = place.run(&["exec", "--partition", "dev", "--step", "failover", "--yes"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    let step = place.step("dev", "failover");
    assert!(step["state"].as_str().is_some_and(|state| state.starts_with("PASSED")), "{step:#}");
    assert_eq!(step["attempts"].as_array().map(Vec::len), Some(1), "{step:#}");
    assert_eq!(place.ledger().calls("FailoverDBCluster"), 1, "the failover was asked for once");
}

fn exec(place: &Place, steps: &[&str]) {
    for step in steps {
        let said = place.run(&["exec", "--partition", "dev", "--step", step, "--yes"]);
        assert_eq!(said.code, 0, "{said:?}");
    }
}
