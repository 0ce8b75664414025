//! The top queries as the operator looks at them: sorted, filtered, one of them marked, compared with before the flip.

use std::cmp::Ordering;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};

use super::dialog::Dialog;
use super::line;
use super::live::Live;
use super::state::{Pane, State};
use super::statement_history::Mean;
use super::update::open;
use crate::clients::Trouble;
use crate::runbook::plan::SqlTarget;
use crate::runbook::sql::mask_literals;
use crate::runbook::text::clean_line;
use crate::watch::sample::{StatementCost, StatementKey};

/// How the operator looks at the top queries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queries {
    /// By what they are sorted.
    pub sort: Sort,
    /// Whether the least comes first.
    pub reversed: bool,
    /// What they must hold; empty lets all through.
    pub filter: String,
    /// Whether the filter is being typed.
    pub typing: bool,
    /// The one that is marked, and the place where it stood.
    pub marked: Option<(StatementKey, usize)>,
    /// Whether before and after the flip stand side by side.
    pub compared: bool,
}

/// By what the queries are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Share of all execution time.
    #[default]
    Share,
    /// Calls a second.
    Calls,
    /// Time of a call.
    Time,
    /// Rows of a call.
    Rows,
    /// Share of blocks found in shared buffers, the worst first.
    Hit,
    /// Change of a call's time against before the flip.
    Change,
}

impl Sort {
    /// All, in the order of the key.
    pub const ALL: [Self; 6] = [Self::Share, Self::Calls, Self::Time, Self::Rows, Self::Hit, Self::Change];

    /// Its name on screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Calls => "calls/s",
            Self::Time => "ms/call",
            Self::Rows => "rows/call",
            Self::Hit => "hit %",
            Self::Change => "change",
        }
    }

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// A statement's figures over an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Share of all execution time, 0 to 1. A nested statement's is in its caller's too; the cockpit's own is a share of
    /// everything, the others' one of everything but that.
    pub share: f64,
    /// Calls a second.
    pub calls_per_s: f64,
    /// Milliseconds of a call.
    pub ms_per_call: f64,
    /// Rows of a call.
    pub rows_per_call: f64,
    /// Share of blocks found in shared buffers; none if it touched none.
    pub hit: Option<f64>,
}

impl Figures {
    fn of(cost: &StatementCost, interval: Duration, busy_ms: f64, own_ms: f64) -> Self {
        let all = if cost.own { busy_ms + own_ms } else { busy_ms };
        Self {
            share: if all > 0.0 { (cost.ms / all).min(1.0) } else { 0.0 },
            calls_per_s: cost.calls_per_s(interval),
            ms_per_call: cost.ms_per_call(),
            rows_per_call: cost.rows_per_call(),
            hit: cost.hit_ratio(),
        }
    }

    fn in_mean(mean: &Mean, key: StatementKey) -> Option<Self> {
        let cost = mean.costs.get(&key)?;
        Some(Self::of(cost, mean.interval, mean.busy_ms, mean.own_ms))
    }
}

/// A row of the pane.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// By what the statement is known.
    pub key: StatementKey,
    /// Its text on one line, as it may be shown.
    pub text: String,
    /// Whether its text is known.
    pub known: bool,
    /// Whether it is one of the cockpit's own.
    pub own: bool,
    /// Its figures now: of the last interval or, compared, of the last minutes. None if it did not run.
    pub now: Option<Figures>,
    /// Its figures before the flip; none if it did not run then, or nothing is known of then.
    pub before: Option<Figures>,
}

impl Row {
    fn new(cost: &StatementCost, now: Option<Figures>, before: Option<Figures>, masked: bool) -> Self {
        let (text, known) = match &cost.query {
            Some(query) => (one_line(query, masked), true),
            None => (format!("query {}, its text is not read yet", cost.key.id), false),
        };
        Self { key: cost.key, text, known, own: cost.own, now, before }
    }

    /// By how much the time of a call changed against before the flip: 0.5 is half as much again. None without both.
    pub fn change(&self) -> Option<f64> {
        let (now, before) = (self.now?, self.before.filter(|before| before.ms_per_call > 0.0)?);
        Some(now.ms_per_call / before.ms_per_call - 1.0)
    }

    fn figure(&self, sort: Sort) -> Option<f64> {
        let figures = self.now.or(self.before)?;
        match sort {
            Sort::Share => Some(figures.share),
            Sort::Calls => Some(figures.calls_per_s),
            Sort::Time => Some(figures.ms_per_call),
            Sort::Rows => Some(figures.rows_per_call),
            // What misses most is what one looks for.
            Sort::Hit => figures.hit.map(|hit| -hit),
            Sort::Change => self.change(),
        }
    }
}

/// A statement's text as it may be shown: without its literals where the screen is shared.
pub fn shown(query: &str, masked: bool) -> String {
    if masked { mask_literals(query) } else { query.to_owned() }
}

fn one_line(query: &str, masked: bool) -> String {
    clean_line(&shown(query, masked))
}

/// The rows of the pane, sorted and filtered; the cockpit's own come last.
pub fn rows(state: &State) -> Vec<Row> {
    let Some(live) = state.live_here() else { return Vec::new() };
    let (queries, masked) = (&state.queries, state.share);
    let mut rows = if queries.compared { compared(live, masked) } else { latest(live, masked) };
    let wanted = queries.filter.to_ascii_lowercase();
    rows.retain(|row| row.text.to_ascii_lowercase().contains(&wanted));
    rows.sort_by(|one, two| {
        let order = match (one.figure(queries.sort), two.figure(queries.sort)) {
            // What has no figure comes last, whichever way round.
            (None, None) => Ordering::Equal,
            (None, _) => return one.own.cmp(&two.own).then(Ordering::Greater),
            (_, None) => return one.own.cmp(&two.own).then(Ordering::Less),
            (Some(one), Some(two)) if queries.reversed => one.total_cmp(&two),
            (Some(one), Some(two)) => two.total_cmp(&one),
        };
        one.own.cmp(&two.own).then(order).then_with(|| one.key.cmp(&two.key))
    });
    rows
}

/// What ran in the last interval.
fn latest(live: &Live, masked: bool) -> Vec<Row> {
    let Some(view) = live.statements.as_ref().map(|dated| &dated.value) else { return Vec::new() };
    let before = live.statement_history.before();
    let rows = view.rows.iter().map(|cost| {
        let now = view.interval.map(|interval| Figures::of(cost, interval, view.busy_ms, view.own_ms));
        Row::new(cost, now, before.and_then(|before| Figures::in_mean(before, cost.key)), masked)
    });
    rows.collect()
}

/// What ran in the last minutes, before the flip or since.
fn compared(live: &Live, masked: bool) -> Vec<Row> {
    let (now, before) = (live.statement_history.mean(), live.statement_history.before());
    let mut rows = Vec::new();
    for cost in now.iter().flat_map(|mean| mean.costs.values()) {
        let figures = now.as_ref().and_then(|mean| Figures::in_mean(mean, cost.key));
        rows.push(Row::new(cost, figures, before.and_then(|before| Figures::in_mean(before, cost.key)), masked));
    }
    let is_gone = |key: &StatementKey| now.as_ref().is_none_or(|now| !now.costs.contains_key(key));
    for (mean, cost) in before.iter().flat_map(|mean| mean.costs.values().map(move |cost| (mean, cost))) {
        if is_gone(&cost.key) {
            rows.push(Row::new(cost, None, Figures::in_mean(mean, cost.key), masked));
        }
    }
    rows
}

/// Place of the marked row; where the marked statement is not among them, the place where it stood.
pub fn marked_place(rows: &[Row], queries: &Queries) -> Option<usize> {
    let (key, place) = queries.marked?;
    let last = rows.len().checked_sub(1)?;
    Some(rows.iter().position(|row| row.key == key).unwrap_or(place.min(last)))
}

/// Moves the mark down (positive) or up.
pub(super) fn mark(state: &mut State, by: isize) {
    let rows = rows(state);
    let Some(last) = rows.len().checked_sub(1) else { return };
    let place = match marked_place(&rows, &state.queries) {
        Some(place) => place.saturating_add_signed(by).min(last),
        None => 0,
    };
    state.queries.marked = Some((rows[place].key, place));
}

/// Sorts by the next figure.
pub(super) fn sort_next(state: &mut State) {
    let queries = &mut state.queries;
    queries.sort = queries.sort.next();
    // Without a flip there is no change to sort by.
    let flipped = state.live_here().is_some_and(|live| live.statement_history.before().is_some());
    if state.queries.sort == Sort::Change && !flipped {
        state.queries.sort = Sort::default();
    }
}

/// Shows all that is known of the marked statement, or of the first.
pub(super) fn show(state: &mut State) {
    let rows = rows(state);
    let place = marked_place(&rows, &state.queries).unwrap_or_default();
    if let Some(row) = rows.get(place) {
        let (partition, key) = (state.looked_at().0.name.clone(), row.key);
        open(state, Dialog::Query { partition, key, scroll: 0 });
    }
}

/// Why there is nothing to show, if so.
pub fn nothing_to_show(state: &State) -> Option<String> {
    rows(state).is_empty().then(|| "no query is on the screen".to_owned())
}

/// Why there is nothing to compare with, if so.
pub fn nothing_before(state: &State) -> Option<String> {
    let before = state.live_here().and_then(|live| live.statement_history.before());
    before.is_none().then(|| "the writer has not moved since this cockpit looks".to_owned())
}

/// Takes a key for the filter while it is typed; whether it was one.
pub(super) fn type_filter(state: &mut State, key: KeyEvent) -> bool {
    let queries = &mut state.queries;
    if !queries.typing || state.focus != Pane::Queries {
        return false;
    }
    match key.code {
        KeyCode::Esc => {
            queries.typing = false;
            queries.filter.clear();
        }
        KeyCode::Enter => queries.typing = false,
        KeyCode::Up | KeyCode::Down => mark(state, if key.code == KeyCode::Up { -1 } else { 1 }),
        // The keys go elsewhere; what was typed stays.
        KeyCode::Tab | KeyCode::BackTab => {
            queries.typing = false;
            return false;
        }
        _ => drop(line::edit(&mut queries.filter, key)),
    }
    true
}

/// Why the statements cannot be read, in plain words, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub todo: String,
    /// Whether it may be as it should: before its chart is deployed, a database has no extension.
    pub may_be: bool,
}

/// Whether it is only that the extension is not there yet: before its chart is deployed, that is as it should be.
pub fn is_not_there_yet(trouble: &Trouble) -> bool {
    trouble.is_code("42P01") || trouble.is_code("42883")
}

/// Puts the troubles that stand between a role and pg_stat_statements into words; none for any other.
pub fn explain(trouble: &Trouble, target: &SqlTarget) -> Option<Explained> {
    let (database, user) = (&target.database, &target.user);
    let connecting = trouble.call.starts_with("connect");
    let (what, todo, may_be) = match trouble.code.as_deref()? {
        "42P01" | "42883" => (
            format!("pg_stat_statements is not there yet: its extension was not created in the database {database}."),
            format!("CREATE EXTENSION pg_stat_statements; in {database}. Each database has its own."),
            true,
        ),
        "55000" if trouble.message.contains("shared_preload_libraries") => (
            "The server did not load pg_stat_statements when it started.".to_owned(),
            "Name it in shared_preload_libraries of the cluster's parameter group, then restart the instance."
                .to_owned(),
            false,
        ),
        "3D000" => (
            format!("There is no database {database} on this server."),
            "Correct `database` under `sql` in the rollout file; psql -l lists those that there are.".to_owned(),
            false,
        ),
        "42501" | "28000" if connecting => (
            format!("The role {user} may not connect to the database {database}."),
            format!("GRANT CONNECT ON DATABASE \"{database}\" TO \"{user}\"; or name another role."),
            false,
        ),
        "42501" => (
            format!("The role {user} may not read pg_stat_statements."),
            format!("GRANT pg_read_all_stats TO \"{user}\";"),
            false,
        ),
        _ => return None,
    };
    Some(Explained { what, todo, may_be })
}

#[cfg(test)]
mod tests;
