//! The writer's statements over the last minutes, and as they were before the writer moved.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::runbook::names::InstanceId;
use crate::watch::sample::{CounterReset, StatementCost, StatementKey, StatementsView};

/// How far back means reach: a single interval says little of a statement that runs now and then.
const MEAN_OVER: SignedDuration = SignedDuration::from_mins(5);

/// How many texts are kept; then only those that are told again.
const TEXTS: usize = 2_000;

/// The writer's statements over time, whichever instance is the writer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatementHistory {
    /// The intervals of the last minutes on the present writer, oldest first, each with its end.
    window: VecDeque<(Timestamp, StatementsView)>,
    /// Texts by `queryid`: a sample tells only those that were not told lately.
    texts: BTreeMap<i64, String>,
    /// The mean before the writer moved.
    before: Option<Mean>,
    /// When the counters last began anew, and why.
    anew: Option<(CounterReset, Timestamp)>,
    /// The count of evictions that was met first on the present counters, and when; and the last one.
    evictions: Option<(Timestamp, u64, u64)>,
}

/// What statements cost over several intervals together.
#[derive(Debug, Clone, PartialEq)]
pub struct Mean {
    /// The instance; none where it cannot say.
    pub instance: Option<InstanceId>,
    /// When the last interval ended.
    pub until: Timestamp,
    /// Length of all intervals.
    pub interval: Duration,
    /// Milliseconds of all statements, as [`StatementsView::busy_ms`].
    pub busy_ms: f64,
    /// Milliseconds of the cockpit's own.
    pub own_ms: f64,
    /// What each statement cost.
    pub costs: BTreeMap<StatementKey, StatementCost>,
}

impl StatementHistory {
    /// Takes in what was said; what it leaves out of texts that are known is filled in.
    pub(super) fn take(&mut self, view: &mut StatementsView, at: Timestamp) {
        self.fill_in(view);
        if let Some(why) = view.reset {
            if why == CounterReset::OtherInstance {
                // A writer that moves on before anything was seen of it leaves what was known of the one before it.
                self.before = self.mean().or(self.before.take());
            }
            self.anew = Some((why, if why == CounterReset::OtherInstance { at } else { view.since }));
            self.window.clear();
            self.evictions = None;
        }
        if let Some(count) = view.evictions {
            let (since, first, _) = self.evictions.unwrap_or((at, count, count));
            self.evictions = Some((since, first, count));
        }
        if view.interval.is_some() {
            let mut kept = view.clone();
            kept.rows.iter_mut().for_each(|row| row.query = None);
            self.window.push_back((at, kept));
        }
        while self.window.front().is_some_and(|(then, _)| at.duration_since(*then) > MEAN_OVER) {
            self.window.pop_front();
        }
    }

    fn fill_in(&mut self, view: &mut StatementsView) {
        if self.texts.len() > TEXTS {
            self.texts.clear();
        }
        for row in &mut view.rows {
            match &row.query {
                Some(text) => drop(self.texts.insert(row.key.id, text.clone())),
                None => row.query = self.text(row.key).map(str::to_owned),
            }
        }
    }

    /// A statement's text, if it is known.
    pub fn text(&self, key: StatementKey) -> Option<&str> {
        self.texts.get(&key.id).map(String::as_str)
    }

    /// The mean on the present writer; none before its first interval.
    pub fn mean(&self) -> Option<Mean> {
        let (until, last) = self.window.back()?;
        let mut mean = Mean {
            instance: last.instance.clone(),
            until: *until,
            interval: Duration::ZERO,
            busy_ms: 0.0,
            own_ms: 0.0,
            costs: BTreeMap::new(),
        };
        for (_, view) in &self.window {
            mean.interval += view.interval.unwrap_or_default();
            mean.busy_ms += view.busy_ms;
            mean.own_ms += view.own_ms;
            for cost in &view.rows {
                mean.costs.entry(cost.key).and_modify(|sum| sum.add(cost)).or_insert_with(|| cost.clone());
            }
        }
        for cost in mean.costs.values_mut() {
            cost.query = self.text(cost.key).map(str::to_owned);
        }
        Some(mean)
    }

    /// The mean before the writer moved, if it has.
    pub fn before(&self) -> Option<&Mean> {
        self.before.as_ref()
    }

    /// When the counters last began anew, and why.
    pub fn anew(&self) -> Option<(CounterReset, Timestamp)> {
        self.anew
    }

    /// How many times statements were evicted while it was looked at, and since when that is.
    pub fn evicted(&self) -> Option<(u64, Timestamp)> {
        let (since, first, last) = self.evictions?;
        (last > first).then(|| (last - first, since))
    }

    /// The last that is known of a statement's figures on the present writer.
    pub fn last(&self, key: StatementKey) -> Option<(&StatementsView, &StatementCost)> {
        let newest_first = self.window.iter().rev();
        newest_first.flat_map(|(_, view)| view.rows.iter().map(move |row| (view, row))).find(|(_, row)| row.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(id: i64, calls: i64, ms: f64) -> StatementCost {
        let key = StatementKey { id, nested: false };
        StatementCost { key, query: None, left_out: 0, own: false, calls, ms, rows: calls, hit: 0, read: 0 }
    }

    fn view(instance: &str, reset: Option<CounterReset>, rows: Vec<StatementCost>) -> StatementsView {
        StatementsView {
            instance: Some(instance.into()),
            role: "app".to_owned(),
            interval: reset.is_none().then_some(Duration::from_secs(5)),
            reset,
            since: Timestamp::UNIX_EPOCH,
            total: 9,
            evictions: Some(3),
            hidden: 0,
            hidden_ms: 0.0,
            busy_ms: rows.iter().map(|row| row.ms).sum(),
            own_ms: 0.0,
            rows,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    #[test]
    fn before_the_flip_is_the_mean_of_the_last_five_minutes() {
        let mut history = StatementHistory::default();
        history.take(&mut view("old", None, vec![cost(1, 999, 9.0)]), at(1));
        for second in [300, 305, 310] {
            history.take(&mut view("old", None, vec![cost(1, 10, 100.0 + second as f64)]), at(second));
        }
        assert_eq!(history.before(), None);
        let flip = view("new", Some(CounterReset::OtherInstance), Vec::new());
        history.take(&mut flip.clone(), at(320));
        let before = history.before().expect("the old writer's");
        assert_eq!((before.instance.as_ref(), before.until), (Some(&"old".into()), at(310)));
        // What is older than five minutes at the last sample is not in it.
        assert_eq!(
            (before.interval, before.costs.values().next().map(|sum| sum.calls)),
            (Duration::from_secs(15), Some(30))
        );
        assert_eq!(history.mean(), None);
        assert_eq!(history.anew(), Some((CounterReset::OtherInstance, at(320))));
        // It moves on before anything was seen of it.
        history.take(&mut view("third", Some(CounterReset::OtherInstance), Vec::new()), at(330));
        assert_eq!(history.before().and_then(|before| before.instance.clone()), Some("old".into()));
    }

    #[test]
    fn a_restart_empties_the_means_and_keeps_what_was_before_the_flip() {
        let mut history = StatementHistory::default();
        history.take(&mut view("old", None, vec![cost(1, 10, 100.0)]), at(10));
        history.take(&mut view("new", Some(CounterReset::OtherInstance), Vec::new()), at(20));
        history.take(&mut view("new", None, vec![cost(1, 10, 300.0)]), at(25));
        let mut restarted = view("new", Some(CounterReset::Restarted), Vec::new());
        restarted.since = at(27);
        history.take(&mut restarted, at(30));
        assert_eq!(history.anew(), Some((CounterReset::Restarted, at(27))));
        assert!(history.mean().is_none() && history.before().is_some());
    }

    #[test]
    fn evictions_are_counted_from_the_first_look_at_the_present_counters() {
        let mut history = StatementHistory::default();
        history.take(&mut view("old", None, Vec::new()), at(10));
        assert_eq!(history.evicted(), None);
        let mut later = view("old", None, Vec::new());
        later.evictions = Some(5);
        history.take(&mut later, at(15));
        assert_eq!(history.evicted(), Some((2, at(10))));
        later.reset = Some(CounterReset::Reset);
        history.take(&mut later, at(20));
        assert_eq!(history.evicted(), None);
    }

    #[test]
    fn a_text_is_told_once_and_known_from_then_on() {
        let mut history = StatementHistory::default();
        let mut first = view("old", None, vec![cost(1, 1, 1.0)]);
        history.take(&mut first, at(1));
        assert_eq!(first.rows[0].query, None);
        let mut told = view("old", None, vec![StatementCost { query: Some("SELECT 1".to_owned()), ..cost(1, 1, 1.0) }]);
        history.take(&mut told, at(5));
        let mut later = view("old", None, vec![cost(1, 1, 1.0)]);
        history.take(&mut later, at(10));
        assert_eq!(later.rows[0].query.as_deref(), Some("SELECT 1"));
        history.take(&mut view("new", Some(CounterReset::OtherInstance), Vec::new()), at(15));
        let before = history.before().and_then(|before| before.costs.values().next()?.query.clone());
        assert_eq!(before.as_deref(), Some("SELECT 1"));
    }
}
