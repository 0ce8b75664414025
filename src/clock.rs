//! The cockpit's clock: the time of day at which the program began, and what has passed since by a clock that nobody sets.
//!
//! Every age that a gate is asked with, every wait and every moment in the journal is told by it. A wall clock that is put
//! forward or back while the program runs makes nothing old or young, ends no wait and gives none more time. A program that is
//! started afterwards believes the wall clock anew; how far that is off, the prerequisites say.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// The wall clock this far ahead is looked into: the machine may have slept, which the steady clock does not count.
const AHEAD: SignedDuration = SignedDuration::from_secs(2);

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock {
    began: Instant::now(),
    origin: Timestamp::now(),
    awake: awake_and_asleep(),
    slept: Mutex::new(Duration::ZERO),
});

struct Clock {
    began: Instant,
    origin: Timestamp,
    /// What the machine's clock that counts its sleep said at the beginning; none where there is no such clock.
    awake: Option<Duration>,
    /// For how long the machine has slept since.
    slept: Mutex<Duration>,
}

/// The time of day. It never goes back, and only a machine that slept makes it jump.
pub fn now() -> Timestamp {
    let mut slept = CLOCK.slept.lock().unwrap_or_else(PoisonError::into_inner);
    let at = |slept: Duration| {
        let passed = SignedDuration::try_from(CLOCK.began.elapsed() + slept).unwrap_or(SignedDuration::MAX);
        CLOCK.origin.saturating_add(passed).unwrap_or(Timestamp::MAX)
    };
    let steady = at(*slept);
    let ahead = Timestamp::now().duration_since(steady);
    if ahead < AHEAD {
        return steady;
    }
    *slept = asleep(CLOCK.awake, awake_and_asleep(), CLOCK.began.elapsed(), *slept, ahead);
    at(*slept)
}

/// For how long the machine has slept: what the clock that counts it has gone beyond the one that does not. Where there is none,
/// a wall clock that is ahead is taken for sleep; what was seen before it is then old, which is the safe side.
fn asleep(
    before: Option<Duration>,
    after: Option<Duration>,
    awake: Duration,
    known: Duration,
    ahead: SignedDuration,
) -> Duration {
    match before.zip(after) {
        Some((before, after)) => after.saturating_sub(before).saturating_sub(awake).max(known),
        None => known + ahead.unsigned_abs(),
    }
}

/// The clock that counts sleep as well, as Linux shows it in hundredths of a second since its start.
fn awake_and_asleep() -> Option<Duration> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(uptime.split_whitespace().next()?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_goes_on_with_the_day_and_never_back() {
        let (first, day) = (now(), Timestamp::now());
        assert!(day.duration_since(first).abs() < SignedDuration::from_secs(1), "{first}, and it is {day}");
        assert!(now() >= first);
    }

    #[test]
    fn only_sleep_is_added() {
        let hour = SignedDuration::from_hours(1);
        // The wall clock was put an hour forward: the machine was awake all the time.
        assert_eq!(asleep(Some(s(100)), Some(s(160)), s(60), s(0), hour), s(0));
        // It slept for an hour.
        assert_eq!(asleep(Some(s(100)), Some(s(3_760)), s(60), s(0), hour), s(3_600));
        // It slept before, and now the clock was put forward.
        assert_eq!(asleep(Some(s(100)), Some(s(3_770)), s(70), s(3_600), hour), s(3_600));
        // Nobody knows: it may have slept.
        assert_eq!(asleep(None, None, s(60), s(5), hour), s(3_605));
    }
}
