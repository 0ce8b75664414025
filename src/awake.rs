//! Whether the program was awake: what it slept through is nobody's delay, and nothing that it then hears is of that moment.
//!
//! A laptop that is closed in the middle of a wait goes on where it was. `Instant` stands still meanwhile on Linux and macOS,
//! but not where a process alone is stopped, nor where a virtual machine is; the cockpit's clock counts both. What lay between
//! two beats that should have been a second apart is taken off, before anybody can take it for patience.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::clock;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// A machine that is only busy is later than that.
const ASLEEP: Duration = Duration::from_secs(5);

/// A beat that is later than that says that for a while nobody listened.
const LATE: Duration = Duration::from_secs(1);

static HEART: Mutex<Heart> = Mutex::new(Heart { holders: 0, beats: [None; 3], slept: Duration::ZERO });

#[derive(Debug)]
struct Heart {
    /// How many keep it beating. One is enough.
    holders: usize,
    /// The last beats, the latest first. What is noticed within two beats of waking may have happened in the sleep: beats are
    /// counted and not seconds, since a machine that is too busy to notice is too busy to beat.
    beats: [Option<Beat>; 3],
    slept: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    at: Instant,
    /// By the clock that counts the machine's sleep as well.
    day: Timestamp,
}

impl Beat {
    fn now() -> Self {
        Self { at: Instant::now(), day: clock::now() }
    }

    /// How long before another one it was, all sleep counted.
    fn before(self, later: Self) -> Duration {
        let by_day = Duration::try_from(later.day.duration_since(self.day)).unwrap_or_default();
        by_day.max(later.at.saturating_duration_since(self.at))
    }

    /// How much of that `Instant` did not count.
    fn hidden(self, later: Self) -> Duration {
        let hidden = self.before(later).saturating_sub(later.at.saturating_duration_since(self.at));
        // Two clocks are never read at the same moment.
        if hidden > LATE { hidden } else { Duration::ZERO }
    }
}

impl Heart {
    fn taken() -> MutexGuard<'static, Self> {
        HEART.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it slept, by the present moment, as `Instant` counts.
    fn slept(&self, now: Instant) -> Duration {
        let since = self.beats[0].map_or(Duration::ZERO, |last| now.saturating_duration_since(last.at));
        self.slept + if since > BEAT + ASLEEP { since - BEAT } else { Duration::ZERO }
    }

    /// Where several keep it beating, beats that come close together are one.
    fn beat(&mut self, now: Beat) {
        if self.beats[0].is_some_and(|last| last.before(now) < BEAT / 2) {
            return;
        }
        self.slept = self.slept(now.at);
        self.beats.rotate_right(1);
        self.beats[0] = Some(now);
    }

    /// The pauses between the last beats, and since the last one, the latest first.
    fn pauses(&self, now: Beat) -> impl Iterator<Item = (Beat, Beat)> {
        let ends = std::iter::once(now).chain(self.beats.into_iter().flatten());
        self.beats.into_iter().flatten().zip(ends)
    }

    /// How long ago what is noticed now may have happened.
    fn unaware(&self, now: Beat) -> Duration {
        let late = self.pauses(now).filter(|(beat, next)| beat.before(*next) > BEAT + LATE).last();
        late.map_or(Duration::ZERO, |(beat, _)| beat.before(now))
    }

    /// How long the machine has slept since then that `Instant` did not count, as far as that is not long ago.
    fn hidden(&self, since: Instant, now: Beat) -> Duration {
        self.pauses(now).filter(|(_, next)| since <= next.at).map(|(beat, next)| beat.hidden(next)).sum()
    }
}

/// Now, as steps count: `Instant::now()` less the time that the machine slept.
pub fn now() -> Instant {
    let now = Instant::now();
    let slept = Heart::taken().slept(now);
    now.checked_sub(slept).unwrap_or(now)
}

/// How long ago something may have happened that is noticed at this moment: zero for a program that was awake.
pub fn unaware() -> Duration {
    Heart::taken().unaware(Beat::now())
}

/// How long the machine has slept since then, beyond what `Instant` counted.
pub fn hidden(since: std::time::Instant) -> Duration {
    Heart::taken().hidden(Instant::from_std(since), Beat::now())
}

/// Beats for as long as something is waited for.
pub async fn beating() -> Infallible {
    let _holder = Holder::begin();
    loop {
        sleep(BEAT).await;
        Heart::taken().beat(Beat::now());
    }
}

/// Somebody keeps it beating.
struct Holder;

impl Holder {
    fn begin() -> Self {
        let mut heart = Heart::taken();
        heart.holders += 1;
        if heart.holders == 1 {
            heart.beats[0] = Some(Beat::now());
        }
        Self
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let mut heart = Heart::taken();
        heart.holders -= 1;
        if heart.holders == 0 {
            heart.beats = [None; 3];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beats at milliseconds since some moment, on a machine that slept before that for some more.
    struct Times(Instant, Timestamp);

    impl Times {
        fn begin() -> Self {
            Self(Instant::now(), Timestamp::UNIX_EPOCH)
        }

        fn awake(&self, millis: u64) -> Beat {
            self.suspended(millis, 0)
        }

        fn suspended(&self, millis: u64, hidden: u64) -> Beat {
            let passed = Duration::from_millis(millis);
            Beat { at: self.0 + passed, day: self.1 + passed + Duration::from_millis(hidden) }
        }
    }

    fn heart(beats: impl IntoIterator<Item = Beat>) -> Heart {
        let mut heart = Heart { holders: 1, beats: [None; 3], slept: Duration::ZERO };
        beats.into_iter().for_each(|beat| heart.beat(beat));
        heart
    }

    #[test]
    fn what_lies_between_two_beats_beyond_a_second_was_slept_through() {
        let times = Times::begin();
        let at = |seconds: u64| times.awake(seconds * 1000);
        // A machine that is busy is late, and was awake.
        let mut heart = heart([at(0), at(4)]);
        assert_eq!(heart.slept(at(8).at), Duration::ZERO);
        // It is asked before it beats again: the sleep counts already, and afterwards it counts once.
        assert_eq!(heart.slept(at(604).at), Duration::from_secs(599));
        heart.beat(at(604));
        assert_eq!(heart.slept(at(605).at), Duration::from_secs(599));
        heart.beat(at(1_205));
        assert_eq!(heart.slept(at(1_205).at), Duration::from_secs(599 + 600));
        // Nobody beats: nobody can tell.
        heart.beats = [None; 3];
        assert_eq!(heart.slept(at(9_999).at), Duration::from_secs(599 + 600));
    }

    #[test]
    fn what_is_noticed_on_waking_may_have_happened_at_any_time_of_the_sleep() {
        let times = Times::begin();
        let at = |millis| times.awake(millis);
        let mut heart = heart([at(0), at(1_000)]);
        assert_eq!(heart.unaware(at(1_900)), Duration::ZERO);
        assert_eq!(heart.unaware(at(16_000)), Duration::from_secs(15));
        // However busy the machine is on waking: two more beats have to come.
        heart.beat(at(16_000));
        assert_eq!(heart.unaware(at(17_900)), Duration::from_millis(16_900));
        heart.beat(at(17_900));
        assert_eq!(heart.unaware(at(17_950)), Duration::from_millis(16_950));
        // Beats of several that wait are one.
        heart.beat(at(18_000));
        assert_eq!(heart.unaware(at(18_010)), Duration::from_millis(17_010));
        heart.beat(at(18_900));
        assert_eq!(heart.unaware(at(18_910)), Duration::ZERO, "by then it would have been noticed");
    }

    #[test]
    fn a_sleep_that_no_instant_counts_is_found_by_the_day() {
        let times = Times::begin();
        let mut heart = heart([times.awake(0), times.awake(1_000)]);
        let woken = times.suspended(1_500, 600_000);
        assert_eq!(heart.unaware(woken), Duration::from_millis(600_500));
        assert_eq!(heart.hidden(times.awake(900).at, woken), Duration::from_secs(600));
        heart.beat(times.suspended(2_000, 600_000));
        let later = times.suspended(2_200, 600_000);
        assert_eq!(heart.hidden(times.awake(900).at, later), Duration::from_secs(600));
        // What is asked afterwards has nothing to do with it.
        assert_eq!(heart.hidden(times.suspended(2_100, 600_000).at, later), Duration::ZERO);
        assert_eq!(heart.slept(later.at), Duration::ZERO, "no `Instant` has to be put right");
    }
}
