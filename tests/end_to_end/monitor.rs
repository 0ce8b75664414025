//! `monitor`: a second terminal that follows the operator's, and can change nothing.

use crate::support::{BY_HAND, Cockpit, DOWN, ENTER, Place, RIGHT, TAB};

#[test]
fn a_monitor_sees_the_confirmation_the_run_and_the_end_and_changes_nothing() {
    let mut place = Place::new();
    let mut operator = Cockpit::start(&place, (120, 40), &["demo", "--speed", "60", "--operator", "ada"]);
    operator.see("p  › Prerequisites");
    operator.fire(BY_HAND[0]);
    operator.fire(BY_HAND[1]);

    place.lead_to_the_site();
    let mut monitor = Cockpit::start(&place, (120, 40), &["monitor"]);
    monitor.see(" MONITOR ");
    monitor.see("0  ✓ Drift checks");
    let untouched = place.ledger();

    // Its keys say who has the controls, and open nothing.
    monitor.press("1");
    monitor.see("read-only: ada holds the controls");
    let started = place.events("attempt-started");

    // The operator's confirmation is on the monitor's screen; the monitor's keys do not reach it.
    operator.open("1");
    monitor.see("CreateDBClusterSnapshot");
    for keys in [TAB, ENTER, RIGHT, ENTER, "1", "g", "s", "X", "n", "y", DOWN, ENTER] {
        monitor.press(keys);
    }
    operator.press(TAB);
    operator.see("Enter chooses");
    assert_eq!(place.ledger(), untouched, "a monitor's keys send nothing");
    assert_eq!(place.events("attempt-started"), started, "and write nothing");
    operator.press(ENTER);
    // What runs may be over before it is looked at; that it was fired stays on the monitor's screen.
    monitor.see("snapshot fired by ada, attempt 1");
    monitor.pass("Snapshot");
    operator.pass("Snapshot");
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);

    // It leaves without asking, and the operator's session does not notice.
    monitor.press("q");
    let (code, terminal) = monitor.end();
    assert_eq!(code, 0);
    assert!(!terminal.screen().alternate_screen());
    operator.open("2");
}
