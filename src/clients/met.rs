//! What an attempt met on its way and did not stop for: trouble that passed, and text that had to be washed.
//!
//! Waits bear trouble and clients wash what they read, far below whoever can write it down. Both note it for the task that
//! they run in, and whoever runs an attempt collects it. Elsewhere nothing is noted: a watcher's samples tell of trouble
//! themselves.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Trouble, known};
use crate::clock;
use crate::runbook::text::{self, Hostile};

tokio::task_local! {
    static MET: Arc<Mutex<Met>>;
}

/// What was met.
#[derive(Debug, Clone, Default)]
pub struct Met {
    /// Trouble that was borne.
    pub borne: Vec<Borne>,
    /// Text that was washed.
    pub washed: Vec<Washed>,
}

/// One kind of trouble with one call.
#[derive(Debug, Clone)]
pub struct Borne {
    /// As it was seen last.
    pub trouble: Trouble,
    /// How often.
    pub times: u32,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

/// What one source said that may not reach a terminal or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Washed {
    /// Where the text came from.
    pub source: String,
    /// What was taken out of it.
    pub hostile: Hostile,
    /// When first.
    pub at: Timestamp,
}

impl Met {
    /// Adds trouble that was borne.
    pub fn bear(&mut self, trouble: &Trouble) {
        let now = clock::now();
        let same = |known: &&mut Borne| {
            let Trouble { call, kind, code, .. } = &known.trouble;
            *call == trouble.call && *kind == trouble.kind && *code == trouble.code
        };
        match self.borne.iter_mut().find(same) {
            Some(known) => {
                known.trouble.clone_from(trouble);
                known.times += 1;
                known.last = now;
            }
            None => self.borne.push(Borne { trouble: trouble.clone(), times: 1, first: now, last: now }),
        }
    }

    fn wash(&mut self, source: &str, hostile: Hostile) {
        match self.washed.iter_mut().find(|known| known.source == source) {
            Some(known) => known.hostile = known.hostile.and(hostile),
            None => self.washed.push(Washed { source: source.to_owned(), hostile, at: clock::now() }),
        }
    }
}

/// Runs something and collects what it meets, on top of what was met before.
pub async fn collecting<F: Future>(before: Met, task: F) -> (F::Output, Met) {
    let met = Arc::new(Mutex::new(before));
    let output = MET.scope(met.clone(), task).await;
    let met = std::mem::take(&mut *lock(&met));
    (output, met)
}

/// Notes trouble that does not end what is being done.
pub fn bear(trouble: &Trouble) {
    note(|met| met.bear(trouble));
}

/// A line from outside, fit to be shown and kept; what had to be taken out of it is noted.
pub fn wash_line(source: &str, raw: &str) -> String {
    washed(source, raw);
    known::hide(&text::clean_line(raw))
}

/// As [`wash_line`], for text of several lines.
pub fn wash(source: &str, raw: &str) -> String {
    washed(source, raw);
    known::hide(&text::clean(raw))
}

/// Notes what is hostile in a text that is washed elsewhere.
pub fn washed(source: &str, raw: &str) {
    note(|met| {
        if let Some(hostile) = Hostile::of(raw) {
            met.wash(source, hostile);
        }
    });
}

fn note(how: impl FnOnce(&mut Met)) {
    // Outside of an attempt there is nobody to note it for.
    let _ = MET.try_with(|met| how(&mut lock(met)));
}

fn lock(met: &Mutex<Met>) -> MutexGuard<'_, Met> {
    met.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::TroubleKind;

    #[tokio::test]
    async fn what_is_met_is_counted_for_the_task_that_met_it() {
        let trouble = Trouble::new("rds:DescribeDBClusters", TroubleKind::Throttled, "Rate exceeded");
        let (shown, met) = collecting(Met::default(), async {
            bear(&trouble);
            tokio::task::yield_now().await;
            bear(&trouble);
            wash_line("kubernetes:GetPodLog", "\u{1b}]0;owned\u{7}Bearer abc.def ok")
        })
        .await;
        assert_eq!(shown, format!("Bearer {} ok", text::MASK));
        assert_eq!((met.borne.len(), met.borne[0].times), (1, 2));
        assert_eq!(met.washed[0].hostile, Hostile { escapes: true, hidden: false, secrets: true });
        // Outside of it, nothing is kept and nothing breaks.
        bear(&trouble);
    }
}
