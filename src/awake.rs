//! Whether the program was awake: what it slept through is nobody's delay, and nothing that it then hears is of that moment.
//!
//! A laptop that is closed in the middle of a wait goes on where it was. `Instant` stands still meanwhile on Linux and macOS,
//! but not where a process alone is stopped, nor where a virtual machine is. What lay between two beats that should have been a
//! second apart is taken off, before anybody can take it for patience.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// A machine that is only busy is later than that.
const ASLEEP: Duration = Duration::from_secs(5);

/// A beat that is later than that says that for a while nobody listened.
const LATE: Duration = Duration::from_secs(1);

static HEART: Mutex<Heart> = Mutex::new(Heart { beats: 0, last: None, earlier: None, slept: Duration::ZERO });

#[derive(Debug)]
struct Heart {
    /// How many beat. One is enough.
    beats: usize,
    /// The last beat; none while nobody beats.
    last: Option<Instant>,
    /// The one before it.
    earlier: Option<Instant>,
    slept: Duration,
}

impl Heart {
    fn taken() -> MutexGuard<'static, Self> {
        HEART.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it slept, by the present moment.
    fn slept(&self, now: Instant) -> Duration {
        let since = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.slept + if since > BEAT + ASLEEP { since - BEAT } else { Duration::ZERO }
    }

    fn beat(&mut self, now: Instant) {
        self.slept = self.slept(now);
        self.earlier = self.last.replace(now);
    }

    /// How long ago what is noticed now may have happened.
    fn unaware(&self, now: Instant) -> Duration {
        let late = |beat: Option<Instant>, until: Instant| {
            beat.map(|beat| until.saturating_duration_since(beat)).filter(|pause| *pause > BEAT + LATE)
        };
        let Some(last) = self.last else { return Duration::ZERO };
        if let Some(pause) = late(self.last, now) {
            return pause;
        }
        // It has just woken, and this beat came before whatever else there was to be noticed.
        let since = now.saturating_duration_since(last);
        late(self.earlier, last).filter(|_| since < BEAT / 2).map_or(Duration::ZERO, |pause| pause + since)
    }
}

/// Now, as steps count: `Instant::now()` less the time that the machine slept.
pub fn now() -> Instant {
    let now = Instant::now();
    let slept = Heart::taken().slept(now);
    now.checked_sub(slept).unwrap_or(now)
}

/// How long ago something may have happened that is noticed at this moment: zero for a program that was awake.
pub fn unaware(now: std::time::Instant) -> Duration {
    Heart::taken().unaware(Instant::from_std(now))
}

/// Beats for as long as something is waited for.
pub async fn beating() -> Infallible {
    let _beats = Beats::begin();
    loop {
        sleep(BEAT).await;
        Heart::taken().beat(Instant::now());
    }
}

/// Somebody beats.
struct Beats;

impl Beats {
    fn begin() -> Self {
        let mut heart = Heart::taken();
        heart.beats += 1;
        if heart.beats == 1 {
            heart.last = Some(Instant::now());
        }
        Self
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        let mut heart = Heart::taken();
        heart.beats -= 1;
        if heart.beats == 0 {
            (heart.last, heart.earlier) = (None, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_two_beats_beyond_a_second_was_slept_through() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut heart = Heart { beats: 1, last: Some(begun), earlier: None, slept: Duration::ZERO };
        // A machine that is busy is late, and was awake.
        heart.beat(at(4));
        assert_eq!(heart.slept(at(8)), Duration::ZERO);
        // It is asked before it beats again: the sleep counts already, and afterwards it counts once.
        assert_eq!(heart.slept(at(604)), Duration::from_secs(599));
        heart.beat(at(604));
        assert_eq!(heart.slept(at(605)), Duration::from_secs(599));
        heart.beat(at(1_205));
        assert_eq!(heart.slept(at(1_205)), Duration::from_secs(599 + 600));
        // Nobody beats: nobody can tell.
        heart.last = None;
        assert_eq!(heart.slept(at(9_999)), Duration::from_secs(599 + 600));
    }

    #[test]
    fn what_is_noticed_on_waking_may_have_happened_at_any_time_of_the_sleep() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut heart = Heart { beats: 1, last: Some(begun), earlier: None, slept: Duration::ZERO };
        assert_eq!(heart.unaware(at(900)), Duration::ZERO);
        assert_eq!(heart.unaware(at(15_000)), Duration::from_secs(15));
        heart.beat(at(15_000));
        assert_eq!(heart.unaware(at(15_010)), Duration::from_millis(15_010));
        assert_eq!(heart.unaware(at(15_800)), Duration::ZERO, "by then it would have been noticed");
        heart.beat(at(16_000));
        assert_eq!(heart.unaware(at(16_010)), Duration::ZERO);
    }
}
