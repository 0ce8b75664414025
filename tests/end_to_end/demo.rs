//! `demo`: the cockpit on its simulated site, by keys alone.

use rustix::process::{Signal, kill_process};

use crate::support::{BY_HAND, Cockpit, ENTER, Ledger, Place, RIGHT, TAB, wait_until};

#[test]
fn dev_goes_through_by_keys_and_stage_says_why_a_key_is_refused() {
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (120, 40), &["demo", "--speed", "120"]);
    cockpit.see("p  › Prerequisites");
    for name in ["OPERATOR", "SIMULATED", "dev Alpha002", "stage Alpha002", "demo Alpha001", "prod Alpha001"] {
        cockpit.see(name);
    }
    let untouched = place.ledger();

    // Cancel is focused: Enter at once sends nothing.
    cockpit.open("p");
    cockpit.press(ENTER);
    cockpit.see_no("Enter chooses");
    cockpit.see("p  › Prerequisites");
    assert_eq!(place.events("attempt-started"), 0);

    for step in &BY_HAND[..2] {
        cockpit.fire(*step);
    }
    // The first step that changes something: cancelled by Enter, by Escape and by going back and forth; then fired.
    for keys in ["\r", "\x1b", "\t\t\r"] {
        cockpit.open("1");
        cockpit.press(keys);
        cockpit.see_no("Enter chooses");
    }
    assert_eq!(place.ledger(), untouched, "a confirmation that is cancelled sends nothing");
    cockpit.fire(BY_HAND[2]);
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);
    for step in &BY_HAND[3..] {
        cockpit.fire(*step);
    }
    cockpit.see("9/9");

    cockpit.press("g");
    cockpit.see("Enter goes ahead");
    cockpit.press("dev is well");
    cockpit.see("› dev is well");
    cockpit.press(ENTER);
    cockpit.see("✓ go-ahead");
    cockpit.see("9/9 ✓");

    // Stage: its failover is locked, and the screen says by what.
    let before = place.ledger();
    cockpit.see("stage · steps");
    cockpit.press("5");
    cockpit.see("Failover to reader1 is locked");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.press(RIGHT);
    cockpit.see("demo · steps");
    cockpit.press("1");
    cockpit.see("is locked");
    assert_eq!(place.ledger(), before, "a refused key sends nothing");

    cockpit.press("q");
    let (code, terminal) = cockpit.end();
    let screen = terminal.screen();
    assert_eq!(code, 0, "{}", screen.contents());
    assert!(
        !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(),
        "the terminal is as before"
    );
    let last_words = screen.contents();

    wait_until("the site has ended", || place.address().is_none());
    let ledger = Ledger::left_in(&place.site());
    for operation in ["CreateDBClusterSnapshot", "StartDeploy", "FailoverDBCluster", "DeleteDBClusterSnapshot"] {
        assert_eq!(ledger.calls(operation), 1, "{operation}: {ledger:#?}");
    }
    assert_eq!(ledger.calls_about("RebootDBInstance", "reader1"), 1, "{ledger:#?}");

    // The last words, typed as they stand there.
    let typed = last_words.split('`').nth(1).unwrap_or_else(|| panic!("no command in {last_words}"));
    let report = place.shell(typed);
    assert_eq!(report.code, 0, "{typed}: {}", report.err);
    for (_, title) in BY_HAND {
        assert!(report.out.contains(title), "{title} is in the report:\n{}", report.out);
    }
    assert!(report.out.contains("dev is well"), "the operator's words are in the report:\n{}", report.out);
    let verified = place.run(&["verify"]);
    assert!(verified.code == 0 && verified.out.contains("the chain is whole"), "{verified:?}");
}

#[test]
fn the_first_screen_waits_for_nobody() {
    let place = Place::with_site(100);
    let site = place.site_process().expect("a site");
    // Connections are taken by the kernel, and nobody ever answers.
    kill_process(site, Signal::STOP).expect("it lives");
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("p Prerequisites   is next");
    cockpit.see("dev Alpha002");
    // Keys are answered as well.
    cockpit.press("?");
    cockpit.see("Open the confirmation of the marked step.");
    cockpit.press("q");
    cockpit.see_no("Open the confirmation of the marked step.");
    kill_process(site, Signal::CONT).expect("it lives");
    cockpit.see("● ");
    kill_process(site, Signal::STOP).expect("it lives");
    cockpit.press("q");
    let (code, terminal) = cockpit.end();
    assert_eq!(code, 0);
    assert!(!terminal.screen().alternate_screen());
}

#[test]
fn a_small_terminal_takes_a_step_through_as_well() {
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (80, 24), &["demo", "--speed", "200"]);
    cockpit.see("p  › Prerequisites");
    cockpit.fire(BY_HAND[0]);
    cockpit.fire(BY_HAND[1]);
    cockpit.press("q");
    assert_eq!(cockpit.end().0, 0);
    wait_until("the site has ended", || place.address().is_none());
}
