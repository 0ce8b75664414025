//! The laptop is closed and opened again: in the wait for a snapshot, and while a failover takes place. Nothing that was seen
//! before is taken for the present, nothing fails for having slept, and nothing is sent twice.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::ledger::{ask, send};
use crate::support::{BY_HAND, Cockpit, ENTER, Place, TAB, wait_until};

/// Longer than anything is fresh that is asked every ten seconds, and than the patience, ten seconds at least, that a rehearsed
/// step has with what it waits for.
const ASLEEP: Duration = Duration::from_secs(24);

#[test]
fn a_laptop_that_was_closed_shows_how_old_everything_is_and_goes_on() {
    let place = Place::with_site(100);
    let mut cockpit = Cockpit::start(&place, (200, 50), &["run"]);
    cockpit.see("p  › Prerequisites");
    for step in &BY_HAND[..2] {
        cockpit.fire(*step);
    }

    // In the wait for the snapshot. While it sleeps, everybody goes, so that nothing new hides what is old.
    begin(&mut cockpit, "1");
    wait_until("the snapshot is asked for", || place.ledger().calls("CreateDBClusterSnapshot") == 1);
    cockpit.wait_for("it is waited for", is_running);
    let slept = sleep(&place, &cockpit, || {
        for server in ["aws", "dns", "kubernetes", "web", "database"] {
            site(&place, "POST", "outages", &format!(r#"{{"server":"{server}"}}"#));
        }
        true
    });
    cockpit.signal(Signal::CONT);
    let woken = Instant::now();
    // Of every instance, what is said after waking is how old the last word of it is; nothing claims to be of now.
    let mut told = Vec::new();
    cockpit.wait_for("the screen says how long it has heard nothing", |screen| {
        told = ages(screen);
        told.len() == 8 && told.iter().all(|age| *age >= slept.as_secs() - 1)
    });
    let (slept, after) = (slept.as_secs_f64(), woken.elapsed().as_secs_f64());
    eprintln!("slept {slept:.0} s: {after:.1} s after waking the screen says that what it knows is {told:?} s old");
    assert!(is_running(cockpit.screen()), "it has not ended for having slept:\n{}", cockpit.text());

    site(&place, "DELETE", "outages", "null");
    cockpit.pass("Snapshot");
    cockpit.wait_for("everything is heard again", |screen| {
        let ages = ages(screen);
        !ages.is_empty() && ages.iter().all(|age| *age == 0)
    });
    let snapshot = place.step("dev", "snapshot");
    assert_eq!(snapshot["attempts"].as_array().map(Vec::len), Some(1), "{snapshot:#}");
    assert_eq!(place.ledger().calls("CreateDBClusterSnapshot"), 1);

    // From the call to the end of a failover nobody looks.
    for step in &BY_HAND[3..6] {
        cockpit.fire(*step);
    }
    begin(&mut cockpit, "5");
    wait_until("the failover is accepted", || place.ledger().calls("FailoverDBCluster") == 1);
    sleep(&place, &cockpit, || {
        let state = ask(&place.address().expect("a site"), "GET", "/__sim/state").expect("a state");
        let state: Value = serde_json::from_str(&state).expect("JSON");
        let cluster = &state["partitions"][0]["cluster"];
        let moved = cluster["dns_writer"].as_str().is_some_and(|writer| writer.to_lowercase().ends_with("reader1"));
        moved && cluster["status"] == "available" && cluster["api_writer"] == cluster["dns_writer"]
    });
    cockpit.signal(Signal::CONT);
    cockpit.pass("Failover to reader1");
    let failover = place.step("dev", "failover");
    assert_eq!(failover["attempts"].as_array().map(Vec::len), Some(1), "{failover:#}");
    assert_eq!(failover["attempts"][0]["actions"].as_array().map(Vec::len), Some(1), "{failover:#}");
    assert_eq!(place.ledger().calls("FailoverDBCluster"), 1);
    // What nobody looked at is not measured sharply: for all that is known it may have been down all the while, or hardly.
    let status = place.run(&["status", "--output", "json"]).json();
    let disruption = &status["partitions"][0]["failovers"][0]["disruption"];
    let seconds = |key: &str| disruption[key]["secs"].as_u64().expect("it is measured");
    assert!(seconds("uncertainty") + 1 >= ASLEEP.as_secs() / 2, "{:#}", status["partitions"][0]["failovers"]);
    eprintln!("a failover slept through: disruption {} s ±{} s, sent once", seconds("length"), seconds("uncertainty"));
    assert_eq!(place.run(&["verify"]).code, 0);
}

fn begin(cockpit: &mut Cockpit, key: &str) {
    cockpit.open(key);
    cockpit.press(TAB);
    cockpit.press(ENTER);
}

/// Stops the cockpit until it has slept for long enough and something holds at the site; how long it slept.
fn sleep(place: &Place, cockpit: &Cockpit, mut holds: impl FnMut() -> bool) -> Duration {
    cockpit.signal(Signal::STOP);
    let begun = Instant::now();
    wait_until("the site went on", &mut holds);
    wait_until("it has slept for long enough", || begun.elapsed() >= ASLEEP);
    assert!(place.address().is_some(), "the site lives on");
    begun.elapsed()
}

/// How many seconds old the screen says that each partition's instances are, those of the first partition first; 0 where it is
/// fresh.
fn ages(screen: &vt100::Screen) -> Vec<u64> {
    let of = |cell: &str| {
        let words: Vec<&str> = cell.split_whitespace().collect();
        match words.as_slice() {
            [.., "●", _] => Some(0),
            [.., age, "s", "○", _] => age.parse().ok(),
            [.., age, "min", "○", _] => age.parse::<u64>().ok().map(|minutes| minutes * 60),
            _ => None,
        }
    };
    // The two rows of the partitions' panels that are the writer's and the reader's.
    let rows = screen.rows(0, screen.size().1.get()).skip(3).take(5);
    let panels = rows.filter(|row| row.contains(" W ") || row.contains(" R "));
    panels.flat_map(|row| row.split_inclusive(['│', '┃']).filter_map(of).collect::<Vec<_>>()).collect()
}

/// Whether the snapshot's step runs.
fn is_running(screen: &vt100::Screen) -> bool {
    let screen = screen.contents();
    screen.contains("▶ Snapshot") || screen.contains("◐ Snapshot")
}

fn site(place: &Place, method: &str, path: &str, body: &str) {
    let said = send(&place.address().expect("a site"), method, &format!("/__sim/{path}"), body);
    assert!(said.starts_with("HTTP/1.1 204"), "{said}");
}
