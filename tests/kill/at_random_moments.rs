//! The cockpit is killed at random moments, hundreds of times.

use std::fs;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::night::Night;
use crate::outcome;
use crate::support::ROLLOUT;

/// How often it is killed where `KILL_TIMES` says nothing else.
const TIMES: usize = 510;

/// What it is killed at, and which partition of it: with programs and all, with programs on a small cluster, and RDS alone.
/// All at a time, each on a site of its own: they mostly wait.
const ROLLOUTS: [(&str, Option<&str>); 3] = [
    (ROLLOUT, Some("dev")),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/databases.toml"), None),
    (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rds-only.toml"), None),
];

/// Most of the lives are short, so that the first moments of a session, when it reads and takes up, are met often.
const SHORT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(3);

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    killed: usize,
    /// Kills of which nothing had been written since the one before.
    before_a_word: usize,
    /// Rollouts that were taken to their end.
    through: usize,
}

#[test]
fn killed_at_random_moments_it_goes_on_to_the_end_and_does_everything_once() {
    let seed = std::env::var("KILL_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    let times = std::env::var("KILL_TIMES").map_or(TIMES, |times| times.parse().expect("a number"));
    eprintln!("KILL_SEED={seed}");
    let began = Instant::now();
    let share = times.div_ceil(ROLLOUTS.len());
    let mut rng = Rng::with_seed(seed);
    let nights = ROLLOUTS.map(|(rollout, only)| {
        let rng = rng.fork();
        std::thread::spawn(move || nights(rollout, only, rng, share))
    });
    let tallies = nights.map(|night| night.join().expect("a good night"));
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    eprintln!(
        "killed {} times in {} s, {} of them before a word; {} rollouts went through (KILL_SEED={seed})",
        sum(|tally| tally.killed),
        began.elapsed().as_secs(),
        sum(|tally| tally.before_a_word),
        sum(|tally| tally.through),
    );
    assert!(sum(|tally| tally.killed) >= times);
}

/// One night after the other, until it was killed so often; the last one to its end.
fn nights(rollout: &str, only: Option<&str>, mut rng: Rng, times: usize) -> Tally {
    let mut tally = Tally::default();
    while tally.killed < times {
        a_night(&Night::of(rollout, only), &mut rng, times, &mut tally);
        tally.through += 1;
    }
    tally
}

fn a_night(night: &Night, rng: &mut Rng, times: usize, tally: &mut Tally) {
    let mut seen = Vec::new();
    let mut in_vain = 0_u32;
    let code = loop {
        let operator = night.start();
        // Where the machine is slow, a life in which nothing was written is followed by one that may be longer.
        let most = if rng.u8(..4) == 0 { LONG } else { SHORT } * 2_u32.pow(in_vain.min(6) / 2);
        let ends = tally.killed >= times || operator.ends_within(most.mul_f64(rng.f64()));
        let code = if ends { operator.end() } else { operator.kill() };
        let fresh = grown(night, &mut seen);
        if code.is_some() {
            break code;
        }
        in_vain = if fresh { 0 } else { in_vain + 1 };
        tally.before_a_word += usize::from(!fresh);
        tally.killed += 1;
    };
    assert_eq!(code, Some(0), "it did not go through:\n{}", night.trouble());
    outcome::assert_all_is_well(night);
}

/// Takes in what the journal has got since; what was on disk before must be there still, byte for byte.
fn grown(night: &Night, seen: &mut Vec<u8>) -> bool {
    let Some(journal) = night.journal() else { return false };
    let now = fs::read(&journal).expect("the journal");
    assert!(now.starts_with(seen), "{}: something that was on disk is not any more", journal.display());
    let whole = now.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let fresh = whole > seen.len();
    *seen = now[..whole].to_vec();
    fresh
}
