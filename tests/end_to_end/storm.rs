//! Read-only means it, in a real terminal: random keys, mouse events and pastes at a monitor of a run under way and at a
//! replay, and nothing is sent and nothing written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use fastrand::Rng;

use crate::support::{BY_HAND, Cockpit, Place};

/// How many events each of the two is given.
const EVENTS: usize = 5_000;
const SEED: &str = "COCKPIT_TEST_SEED";

/// One event as a terminal sends it. The keys by which one leaves are left out: the end of a session proves nothing.
fn event(random: &mut Rng) -> String {
    const KEYS: [&str; 16] = [
        "\r", "\r", "\t", "\t", "\x1b[Z", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H",
        "\x1b[F", "\x7f", "\x1b[3~", "\x1b[15~",
    ];
    const PASTED: [&str; 6] =
        ["y\r", "\x1b]52;c;cm0gLXJm\x07", "1\t\r", "\x1b[A\r\r", "Alpha001-prod-AuroraCluster\r", "\x07\x08"];
    match random.u8(..100) {
        // Mostly moved about; a terminal sends a line for every cell.
        0..=89 => {
            let button = [35, 35, 35, 35, 35, 35, 2, 33, 34, 32][random.usize(..10)];
            let end = if random.bool() { 'M' } else { 'm' };
            format!("\x1b[<{button};{};{}{end}", random.u8(1..=120), random.u8(1..=40))
        }
        90 => {
            let button = [0, 64, 65][random.usize(..3)];
            format!("\x1b[<{button};{};{}M", random.u8(1..=120), random.u8(1..=40))
        }
        91 => format!("\x1b[200~{}\x1b[201~", PASTED[random.usize(..PASTED.len())]),
        92..=95 => KEYS[random.usize(..KEYS.len())].to_owned(),
        _ => loop {
            let key = char::from(random.u8(b' '..=b'~'));
            // `:` opens the palette, from which one leaves as well.
            if !matches!(key, 'q' | ':') {
                break key.to_string();
            }
        },
    }
}

/// Everything in a directory, with when it was last written.
fn written(directory: &Path) -> BTreeMap<String, SystemTime> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let seen = entry.metadata().expect("there");
            if seen.is_dir() {
                left.push(entry.path());
            } else {
                found.insert(entry.path().display().to_string(), seen.modified().expect("a time"));
            }
        }
    }
    found
}

/// Gives it random events, and sees that it still answers and leaves by its key.
fn bombard(cockpit: &mut Cockpit, seed: u64) -> f64 {
    let began = Instant::now();
    let mut random = Rng::with_seed(seed);
    for _ in 0..EVENTS / 100 {
        let events: String = (0..100).map(|_| event(&mut random)).collect();
        cockpit.press(&events);
    }
    began.elapsed().as_secs_f64()
}

/// Leaves whatever is open, and looks at the keys.
fn answers(cockpit: &mut Cockpit) {
    for _ in 0..4 {
        cockpit.press("\x1b");
        // Alone, so that it is not taken for the beginning of another key.
        cockpit.press("\x1b[F");
    }
    cockpit.press("?");
    cockpit.see("Esc closes");
    cockpit.press("\x1b");
    cockpit.see_no("Open the confirmation of the marked step.");
}

#[test]
fn thousands_of_keys_mouse_events_and_pastes_at_a_monitor_and_a_replay_change_nothing() {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let place = Place::with_site(1);
    let mut operator = Cockpit::start(&place, (120, 40), &["run", "--operator", "ada"]);
    operator.see("p  › Prerequisites");
    operator.fire(BY_HAND[0]);
    let mut monitor = Cockpit::start(&place, (120, 40), &["monitor"]);
    monitor.see(" MONITOR ");
    // A confirmation is open on the operator's screen all the while.
    operator.open("0");
    monitor.see("what must hold");
    let run_dir = place.journal().parent().expect("a directory").to_owned();
    // What the operator's own session writes goes on: its recording.
    let own = |name: &String| name.contains("/recording/");
    let before = (place.ledger(), written(&run_dir));
    let took = bombard(&mut monitor, seed);
    answers(&mut monitor);
    let mut after = (place.ledger(), written(&run_dir));
    assert_eq!(after.0, before.0, "{SEED}={seed}: something was sent");
    assert_eq!(after.0.lines().count(), before.0.lines().count());
    let mut unchanged = before.1;
    unchanged.retain(|name, _| !own(name));
    after.1.retain(|name, _| !own(name));
    assert_eq!(after.1, unchanged, "{SEED}={seed}: something was written");
    monitor.press("q");
    assert_eq!(monitor.end().0, 0, "{SEED}={seed}");
    eprintln!(
        "read-only: {EVENTS} events at a monitor in {took:.1} s, none of which sent or wrote anything; {SEED}={seed}"
    );

    operator.press("\x1b");
    operator.see_no("Enter chooses");
    operator.press("q");
    operator.end();
    let before = (place.ledger(), written(&run_dir));
    let mut replay = Cockpit::start(&place, (120, 40), &["replay"]);
    replay.see(" REPLAY ");
    let took = bombard(&mut replay, seed.wrapping_add(1));
    answers(&mut replay);
    replay.press("q");
    assert_eq!(replay.end().0, 0, "{SEED}={seed}");
    assert_eq!((place.ledger(), written(&run_dir)), before, "{SEED}={seed}: a replay changed something");
    eprintln!("read-only: {EVENTS} events at a replay in {took:.1} s, likewise");
}
