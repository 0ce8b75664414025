//! A program prints without end: the cockpit stays a cockpit.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Cockpit, ENTER, ESCAPE, Place, TAB};

const ROLLOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/talkative.toml");

#[test]
fn keys_the_clock_and_the_system_are_heard_through_whatever_a_program_prints() {
    let place = Place::with_site_of(60, ROLLOUT);
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run", "--rollout", ROLLOUT]);
    cockpit.open("1");
    cockpit.press(TAB);
    cockpit.press(ENTER);
    cockpit.see("one line of 42");
    let program = Program::of(&place);
    cockpit.wait_for("the clock goes on", |screen| {
        screen.contents().contains("T+00:0") && !screen.contents().contains("T+00:00")
    });
    cockpit.press("?");
    cockpit.see("Mark the step of that label");
    cockpit.press(ESCAPE);
    cockpit.see_no("Mark the step of that label");
    cockpit.see("T+00:0");
    cockpit.signal(Signal::TERM);
    let (code, terminal) = cockpit.end();
    assert_eq!(code, 0, "{}", terminal.screen().contents());
    assert!(program.lives(), "what it started goes on without it");
}

/// The program, which outlives its cockpit; it is ended with the test.
struct Program(Pid);

impl Program {
    fn of(place: &Place) -> Self {
        let programs = place.journal().with_file_name("programs");
        let program = fs::read_dir(programs).expect("programs").next().expect("one").expect("a directory").path();
        let pid = fs::read_to_string(program.join("pid")).expect("its process").trim().parse().expect("a number");
        Self(Pid::from_raw(pid).expect("a process"))
    }

    fn lives(&self) -> bool {
        kill_process(self.0, Signal::CONT).is_ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}
