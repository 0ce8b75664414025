//! Two operators: one has the controls, the other takes them over on purpose, and nothing is fired twice.

use std::process::Stdio;

use crate::support::{BY_HAND, Cockpit, Place, wait_until};

/// Attempts of the step that amm.sh runs in.
fn amm(place: &Place) -> serde_json::Value {
    place.step("dev", "amm")
}

#[test]
fn a_run_changes_hands_twice_while_amm_sh_runs_and_nothing_is_fired_twice() {
    let place = Place::with_site(40);
    for step in ["prerequisites", "drift", "snapshot"] {
        let done = place.run(&["exec", "--partition", "dev", "--step", step, "--yes", "--operator", "dan"]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    // Without a screen, dan's session waits for amm.sh's end.
    let mut exec = place.command(&["exec", "--partition", "dev", "--step", "amm", "--yes", "--operator", "dan"]);
    let exec = exec.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_until("amm.sh deploys", || place.ledger().calls("StartDeploy") == 1);

    // Taken over only from whom one means.
    let wrong = Cockpit::start(&place, (120, 40), &["run", "--take-over", "cyd", "--operator", "ada"]);
    let (code, terminal) = wrong.end();
    let said = terminal.screen().contents();
    assert!(code == 3 && said.contains("it is not cyd who holds them, but dan"), "{code} {said}");

    let mut ada = Cockpit::start(&place, (120, 40), &["run", "--take-over", "dan", "--operator", "ada"]);
    let dan = exec.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&dan.stderr).into_owned();
    assert_eq!(dan.status.code(), Some(4), "{said}");
    assert!(said.contains("ada on ") && said.contains("has taken the run over"), "{said}");
    ada.see(" OPERATOR ");
    ada.see("2  ▶ amm.sh");

    let mut bob = Cockpit::start(&place, (120, 40), &["run", "--take-over", "ada", "--operator", "bob"]);
    bob.see(" OPERATOR ");
    ada.see(" MONITOR ");
    ada.see("bob on ");
    assert_eq!(amm(&place)["attempts"][0]["ended"], serde_json::Value::Null, "it changed hands while amm.sh ran");
    // Whoever gave the run away looks on: the same screen goes on, and its keys open nothing.
    ada.press("1");
    ada.see("read-only: bob holds the controls");
    bob.pass("amm.sh");
    ada.pass("amm.sh");
    bob.fire(BY_HAND[4]);
    ada.pass(BY_HAND[4].1);

    let step = amm(&place);
    assert_eq!(step["attempts"].as_array().map(Vec::len), Some(1), "{step:#}");
    assert_eq!(place.ledger().calls("StartDeploy"), 1, "amm.sh ran once");
    assert_eq!((place.events("handed-over"), place.events("attempt-resumed")), (2, 2));
    let journal = std::fs::read_to_string(place.journal()).expect("a journal");
    assert!(!journal.contains("cockpit-killed"), "nobody died");
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let status = place.run(&["status"]).out;
    assert!(
        status.contains("handed over by dan to ada on ") && status.contains("handed over by ada to bob on "),
        "{status}"
    );
    let report = place.run(&["report"]).out;
    assert!(report.contains("Handed over by ada to bob on "), "{report}");

    // The one who looks on leaves; the run and its site go on.
    ada.press("q");
    assert_eq!(ada.end().0, 0);
    bob.open("4");
}

#[test]
fn the_holder_hears_at_once_of_an_operator_who_was_refused() {
    let place = Place::with_site(40);
    let mut ada = Cockpit::start(&place, (120, 40), &["run", "--operator", "ada"]);
    ada.see("p  › Prerequisites");
    let refused = place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes", "--operator", "bob"]);
    assert!(
        refused.code == 3 && refused.err.contains("ada on ") && refused.err.contains("for less than a minute"),
        "{refused:?}"
    );
    assert!(refused.err.contains("--take-over NAME"), "{refused:?}");
    // Nothing runs: it is said all the same, and written down with the next attempt.
    ada.see("bob on ");
    ada.see("wanted the controls of this run and was refused");
    assert_eq!(place.events("attempt-started"), 0);
    ada.fire(BY_HAND[0]);
    let journal = std::fs::read_to_string(place.journal()).expect("a journal");
    let remarks =
        journal.lines().filter(|line| line.contains("\"kind\":\"remarked\"") && line.contains("two-operators"));
    assert_eq!(remarks.count(), 1, "it is written down once");
}
