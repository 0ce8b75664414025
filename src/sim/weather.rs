//! Bad weather between the cockpit and the site: of all calls to AWS and Kubernetes and of all statements, a share is throttled,
//! fails, is slow, is truncated or is reset, whatever it asks for and however often it is tried.
//!
//! It lies before the servers, as weather does: what it keeps from arriving no ledger counts. It counts by itself what set out,
//! so that a test can hold the rate of the calls, all tries among them, against a budget.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How long a slow call is held up, in seconds of the clock: between these.
const SLOW_S: (f64, f64) = (0.2, 2.0);

/// The time over which calls are counted for a rate.
const MINUTE: Duration = Duration::from_secs(60);

/// What the weather does to a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Blow {
    /// It is told that there are too many of its kind.
    Throttled,
    /// A server in between fails before it is carried out.
    FailsBefore,
    /// It is carried out, and a failure is answered.
    FailsAfter,
    /// It arrives after that time.
    Slow(Duration),
    /// It is carried out, and half of its answer arrives.
    Truncated,
    /// Its connection is reset before it is carried out.
    ResetBefore,
    /// It is carried out, and its connection is reset.
    ResetAfter,
}

impl Blow {
    fn name(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::FailsBefore | Self::FailsAfter => "failed",
            Self::Slow(_) => "slow",
            Self::Truncated => "truncated",
            Self::ResetBefore | Self::ResetAfter => "reset",
        }
    }
}

/// The weather at a site, and what set out in it.
#[derive(Debug)]
pub struct Weather {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    percent: u8,
    rng: fastrand::Rng,
    seen: BTreeMap<String, Seen>,
}

/// What set out to a server.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Seen {
    /// Calls, all tries of them.
    pub calls: u64,
    /// The most within a minute of the clock.
    pub most_in_a_minute: usize,
    /// How many were struck, by what.
    pub struck: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    lately: VecDeque<Instant>,
}

impl Weather {
    /// Fair weather, whose chances come from that seed once it turns.
    pub fn fair(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { inner: Mutex::new(Inner { percent: 0, rng, seen: BTreeMap::new() }) }
    }

    /// From now on that many of a hundred calls are struck.
    pub fn turns(&self, percent: u8) {
        self.inner().percent = percent;
    }

    /// Counts a call to a server, and says what it meets. One without an end of its own, a watch or a connection that is taken
    /// over, is only ever slow or reset; so is a statement.
    pub fn meets(&self, server: &str, has_end: bool) -> Option<Blow> {
        let mut inner = self.inner();
        let Inner { percent, rng, seen } = &mut *inner;
        let seen = seen.entry(server.to_owned()).or_default();
        seen.count(Instant::now());
        if rng.u8(..100) >= *percent {
            return None;
        }
        let kinds = if has_end { 0..5 } else { 3..5 };
        let after = rng.bool();
        let blow = match rng.u8(kinds) {
            0 => Blow::Throttled,
            1 if after => Blow::FailsAfter,
            1 => Blow::FailsBefore,
            2 => Blow::Truncated,
            3 => Blow::Slow(Duration::from_secs_f64(SLOW_S.0 + rng.f64() * (SLOW_S.1 - SLOW_S.0))),
            _ if after && has_end => Blow::ResetAfter,
            _ => Blow::ResetBefore,
        };
        *seen.struck.entry(blow.name()).or_default() += 1;
        Some(blow)
    }

    /// What set out so far, by server.
    pub fn report(&self) -> BTreeMap<String, Seen> {
        self.inner().seen.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A count is whole even if a holder panicked.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn count(&mut self, now: Instant) {
        self.calls += 1;
        self.lately.push_back(now);
        while self.lately.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            self.lately.pop_front();
        }
        self.most_in_a_minute = self.most_in_a_minute.max(self.lately.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_all_calls_is_struck_by_everything_that_there_is() {
        let weather = Weather::fair(7);
        for _ in 0..100 {
            assert_eq!(weather.meets("aws", true), None);
        }
        weather.turns(30);
        for _ in 0..10_000 {
            weather.meets("aws", true);
            let blow = weather.meets("postgres", false);
            assert!(matches!(blow, None | Some(Blow::Slow(_) | Blow::ResetBefore)), "{blow:?}");
        }
        let report = weather.report();
        let struck: u64 = report["aws"].struck.values().sum();
        assert!((2_700..3_300).contains(&struck), "{report:?}");
        assert_eq!(report["aws"].struck.len(), 5, "{report:?}");
        assert_eq!((report["aws"].calls, report["postgres"].calls), (10_100, 10_000));
        assert!(report["aws"].most_in_a_minute > 100);
    }

    #[test]
    fn the_busiest_minute_is_any_minute() {
        let mut seen = Seen::default();
        let begun = Instant::now();
        // One a second, but for a minute in which it is two.
        for tenth in 0..2_400_u64 {
            if tenth % 10 == 0 || ((900..1_500).contains(&tenth) && tenth % 10 == 5) {
                seen.count(begun + Duration::from_millis(tenth * 100));
            }
        }
        assert_eq!((seen.calls, seen.most_in_a_minute), (300, 120));
    }
}
