//! Moments of the top queries: after the flip, sorted, filtered, compared, a whole text, and why there are none.

use std::time::Duration;

use aurora_cockpit::app::dialog::Dialog;
use aurora_cockpit::app::queries::{Sort, rows};
use aurora_cockpit::app::state::{Pane, State};
use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::watch::sample::{CounterReset, Reading, Sample, Source, StatementKey, StatementsView};

use super::night::failover;

fn focused() -> State {
    let mut state = failover();
    state.focus = Pane::Queries;
    state
}

/// Takes in what pg_stat_statements says next.
fn told(state: &mut State, said: Result<Reading, Trouble>) {
    let sample = Sample::new("prod".into(), Source::Statements, state.now, Duration::from_millis(9), said);
    state.live.get_mut("prod").expect("prod").take(sample);
}

fn view(state: &State) -> StatementsView {
    state.live["prod"].statements.as_ref().expect("told").value.clone()
}

/// What is to be minded stands above the figures: a reset, evictions, statements that may not be seen, our own cost.
fn minded() -> State {
    let mut state = focused();
    let seen = view(&state);
    let reset = StatementsView {
        reset: Some(CounterReset::Reset),
        interval: None,
        since: state.now - jiff::SignedDuration::from_secs(9),
        rows: Vec::new(),
        ..seen.clone()
    };
    told(&mut state, Ok(Reading::Statements(reset)));
    let mut nested = seen.rows[1].clone();
    nested.key.nested = true;
    let mut unread = seen.rows[2].clone();
    (unread.key.id, unread.query) = (99, None);
    let rows = seen.rows.iter().cloned().chain([nested, unread]).collect();
    let hidden = StatementsView { hidden: 14, hidden_ms: 400.0, evictions: Some(2), rows, ..seen };
    told(&mut state, Ok(Reading::Statements(hidden)));
    state.zoomed = true;
    state
}

fn filtered() -> State {
    let mut state = focused();
    state.queries.filter = "kanban".to_owned();
    state.queries.typing = true;
    state.queries.sort = Sort::Time;
    state.queries.marked = rows(&state).get(1).map(|row| (row.key, 1));
    state
}

fn compared() -> State {
    let mut state = focused();
    state.queries.compared = true;
    state.zoomed = true;
    state
}

fn whole_text() -> State {
    let mut state = focused();
    let key = StatementKey { id: 11, nested: false };
    state.queries.marked = Some((key, 0));
    state.dialog = Some(Dialog::Query { partition: "prod".into(), key, scroll: 0 });
    state
}

/// The role may not connect to the database.
pub fn shut_out(code: &str) -> State {
    let mut state = focused();
    let trouble = Trouble::new("connect to prod:5432", TroubleKind::Denied, "no").with_code(code);
    let live = state.live.get_mut("prod").expect("prod");
    live.statements = None;
    told(&mut state, Err(trouble));
    state
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    vec![
        ("failover-queries", focused()),
        ("queries-minded", minded()),
        ("queries-filtered", filtered()),
        ("queries-compared", compared()),
        ("query", whole_text()),
        ("queries-shut-out", shut_out("42501")),
    ]
}
