//! Read-only in a terminal: thousands of random keys, mouse events and pastes, as bytes that a terminal sends, on a monitor and
//! on a replay. The site hears of no change, and of the run's directory every byte stays. (A million events that the terminal's
//! reader made of such bytes are in `tests/screen/readonly.rs`.)

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fastrand::Rng;

use crate::support::{BY_HAND, Cockpit, Place};

/// How many inputs each of the two is sent.
const INPUTS: usize = 10_000;
/// How many at a time: less than a terminal holds for a program that does not read.
const AT_A_TIME: usize = 50;
const SIZE: (u16, u16) = (120, 40);
/// Escape as terminals of today may send it: it is no Alt with what follows.
const ESCAPE: &str = "\x1b[27u";
/// Names the seed, to have a storm again.
const SEED: &str = "COCKPIT_TEST_SEED";

#[test]
fn whatever_a_terminal_sends_a_monitor_and_a_replay_change_nothing() {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let place = Place::with_site(100);
    let mut operator = Cockpit::start(&place, SIZE, &["run"]);
    operator.see("p  › Prerequisites");
    operator.fire(BY_HAND[0]);
    operator.press("q");
    assert_eq!(operator.end().0, 0);
    let (ledger, kept) = (place.ledger(), kept(place.journal().parent().expect("a run")));

    let mut random = Rng::with_seed(seed);
    for (mode, sign) in [("monitor", " MONITOR "), ("replay", " REPLAY ")] {
        let ended = storm(&place, mode, sign, &mut random);
        eprintln!(
            "{mode}: {INPUTS} inputs, seed {seed}; it was left {ended} times on the way, as one may, and begun again"
        );
        assert_eq!(place.ledger(), ledger, "{mode}, seed {seed}: the site heard of a change");
        assert_eq!(
            self::kept(place.journal().parent().expect("a run")),
            kept,
            "{mode}, seed {seed}: something was written"
        );
    }
}

/// Sends it everything; how often it was left by what was sent.
fn storm(place: &Place, mode: &str, sign: &str, random: &mut Rng) -> usize {
    let begin = || {
        let mut cockpit = Cockpit::start(place, SIZE, &[mode]);
        cockpit.see(sign);
        cockpit
    };
    let (mut cockpit, mut ended) = (begin(), 0);
    for _ in 0..INPUTS / AT_A_TIME {
        let inputs: String = (0..AT_A_TIME).map(|_| input(random)).collect();
        if !cockpit.drains(&inputs) {
            // A click on `quit`, or its line in the palette.
            let (code, _) = cockpit.end();
            assert_eq!(code, 0, "{mode}: it left of its own");
            (cockpit, ended) = (begin(), ended + 1);
        }
    }
    // It is still one that can be left. What is pressed before a dialog was drawn is not for that dialog, and is pressed again.
    let left = (0..500).any(|_| !cockpit.drains(ESCAPE) || !cockpit.drains("q"));
    assert!(left, "{mode}:\n{}", cockpit.text());
    assert_eq!(cockpit.end().0, 0, "{mode}");
    ended
}

/// One key, mouse event or paste, as a terminal sends it. What ends a program or puts it to sleep is left out.
fn input(random: &mut Rng) -> String {
    const NAMED: [&str; 16] = [
        "\r", "\r", "\t", "\t", "\x1b", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H",
        "\x1b[F", "\x7f", "\x1b[Z", "\x1b[15~",
    ];
    const PIECES: [&str; 7] = ["\r", "\n\n", "y\r", "1\t\r", "\x1b[A\r", "Alpha001-prod-AuroraCluster", "\u{202e}"];
    let among = |random: &mut Rng, of: &[&str]| of[random.usize(..of.len())].to_owned();
    match random.u8(..100) {
        0..=54 => loop {
            let key = char::from(random.u8(b' '..=b'~'));
            if key != 'q' {
                return key.to_string();
            }
        },
        55..=64 => char::from(b"AwLRigB1245dn:!?W"[random.usize(..17)]).to_string(),
        65..=89 => among(random, &NAMED),
        90..=96 => {
            let (button, column, row) = (random.usize(..6), random.u16(1..=SIZE.0), random.u16(1..=SIZE.1));
            let (button, end) = ([0, 0, 1, 2, 64, 65][button], if random.bool() { 'M' } else { 'm' });
            format!("\x1b[<{button};{column};{row}{end}")
        }
        _ => {
            let pasted: String = (0..random.usize(1..6)).map(|_| among(random, &PIECES)).collect();
            format!("\x1b[200~{pasted}\x1b[201~")
        }
    }
}

/// Every file of a directory, and what is in it.
fn kept(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut kept = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            kept.extend(self::kept(&path));
        } else {
            kept.insert(path.display().to_string(), fs::read(&path).expect("a file"));
        }
    }
    kept
}
