//! What was asked of the databases, statement by statement: pg_stat_statements counts it beside the application's own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// How many different statements are kept of an instance.
const MOST: usize = 500;

/// Statements that clients prepared and ran, by instance. Shared by all servers.
#[derive(Debug, Default)]
pub struct Asked {
    instances: Mutex<BTreeMap<String, Life>>,
}

/// What an instance was asked since its server process started.
#[derive(Debug, Default)]
struct Life {
    started: Timestamp,
    counts: BTreeMap<String, Count>,
}

/// How often a statement ran, and how long that took in all.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Count {
    /// Calls.
    pub calls: i64,
    /// Milliseconds of all calls together.
    pub ms: f64,
}

impl Asked {
    /// Counts a statement on the instance whose server process started then.
    pub fn count(&self, instance: &str, started: Timestamp, text: &str, took: Duration) {
        let mut instances = self.instances();
        let life = instances.entry(instance.to_owned()).or_default();
        if life.started != started {
            *life = Life { started, counts: BTreeMap::new() };
        }
        if life.counts.len() < MOST || life.counts.contains_key(text) {
            let count = life.counts.entry(text.to_owned()).or_default();
            count.calls += 1;
            count.ms += took.as_secs_f64() * 1000.0;
        }
    }

    /// What was asked of the instance whose server process started then.
    pub fn of(&self, instance: &str, started: Timestamp) -> Vec<(String, Count)> {
        let instances = self.instances();
        let life = instances.get(instance).filter(|life| life.started == started);
        life.into_iter().flat_map(|life| &life.counts).map(|(text, count)| (text.clone(), *count)).collect()
    }

    fn instances(&self) -> MutexGuard<'_, BTreeMap<String, Life>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_started_anew_was_asked_nothing() {
        let (asked, first) = (Asked::default(), Timestamp::UNIX_EPOCH);
        asked.count("one", first, "SELECT $1", Duration::from_millis(2));
        asked.count("one", first, "SELECT $1", Duration::from_millis(3));
        assert_eq!(asked.of("one", first), [("SELECT $1".to_owned(), Count { calls: 2, ms: 5.0 })]);
        let later = Timestamp::from_second(9).expect("a moment");
        assert!(asked.of("one", later).is_empty() && asked.of("other", first).is_empty());
        asked.count("one", later, "SELECT $1", Duration::ZERO);
        assert_eq!(asked.of("one", later).len(), 1);
    }
}
