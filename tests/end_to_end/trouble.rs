//! Trouble by keys: the finding, its way out, a program that asks, and the step that passes at last.

use crate::support::{Cockpit, ENTER, Place, TAB};

/// Ctrl-], which leaves a program's terminal.
const LEAVE: &str = "\x1d";

#[test]
fn who_is_signed_out_signs_in_from_the_finding_and_goes_on() {
    let mut place = Place::new();
    let arguments = ["demo", "--scenario", "op-signed-out", "--speed", "2", "--operator", "ada"];
    let mut cockpit = Cockpit::start(&place, (120, 40), &arguments);
    cockpit.see("p  › Prerequisites");
    cockpit.open("p");
    cockpit.press(TAB);
    cockpit.press(ENTER);

    // The finding, and the one thing to do about it.
    cockpit.see("FAILED · op-signed-out");
    assert_eq!(cockpit.rings(), 1, "whoever looks elsewhere is called, and once");
    cockpit.see("w: Sign in to 1Password");
    cockpit.press("w");
    cockpit.see("ways out of p Prerequisites");
    cockpit.press(ENTER);
    cockpit.see("Enter chooses");
    cockpit.see("op signin");
    cockpit.press(TAB);
    cockpit.press(ENTER);

    // Its terminal opens by itself; it is left and found again, and a monitor sees it too.
    cockpit.see("press Enter here");
    cockpit.see("Ctrl-] leaves");
    place.lead_to_the_site();
    let mut monitor = Cockpit::start(&place, (120, 40), &["monitor"]);
    monitor.see("a sign-in waits for the operator");
    monitor.press("i");
    monitor.see("press Enter here");
    monitor.press(ENTER);
    monitor.see("read-only");
    cockpit.press(LEAVE);
    cockpit.see_no("Ctrl-] leaves");
    cockpit.see("a sign-in waits for you in its terminal");
    cockpit.press("i");
    cockpit.see("press Enter here");
    cockpit.press(ENTER);
    cockpit.see("any key closes");
    cockpit.press(" ");
    cockpit.see_no("any key closes");

    // The lever has worked; Enter is the step itself.
    cockpit.see("Sign in to 1Password has worked");
    cockpit.press(ENTER);
    cockpit.see("Enter chooses");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.pass("Prerequisites");

    let report = place.run(&["report"]);
    assert!(report.out.contains("### Lever: Sign in to 1Password — PASS"), "{}", report.out);
    assert!(report.out.contains("(op-signed-out)"), "{}", report.out);
}
