//! How the rows are sorted, filtered, marked and compared, and what the troubles mean.

use jiff::Timestamp;

use super::*;
use crate::app::commands::CommandId;
use crate::app::update::{Message, update};
use crate::clients::TroubleKind;
use crate::runbook::plan::{SecretSource, TlsMode};
use crate::watch::sample::{CounterReset, Reading, Sample, Source, StatementsView};
use crossterm::event::KeyModifiers;

fn cost(id: i64, query: &str, calls: i64, ms: f64) -> StatementCost {
    let key = StatementKey { id, nested: false };
    let query = Some(query.to_owned());
    StatementCost { key, query, left_out: 0, own: false, calls, ms, rows: calls, hit: id, read: 1 }
}

fn view(rows: Vec<StatementCost>, reset: Option<CounterReset>) -> StatementsView {
    StatementsView {
        instance: Some("one".into()),
        role: "app".to_owned(),
        interval: reset.is_none().then_some(Duration::from_secs(10)),
        reset,
        since: Timestamp::UNIX_EPOCH,
        total: 9,
        evictions: None,
        hidden: 0,
        hidden_ms: 0.0,
        busy_ms: rows.iter().filter(|row| !row.own).map(|row| row.ms).sum(),
        own_ms: rows.iter().filter(|row| row.own).map(|row| row.ms).sum(),
        rows,
    }
}

fn take(state: &mut State, view: StatementsView) {
    let partition = state.looked_at().0.name.clone();
    let said = Ok(Reading::Statements(view));
    let sample = Sample::new(partition, Source::Statements, state.now, Duration::ZERO, said);
    update(state, Message::Sample(Box::new(sample)), "op");
}

fn state() -> State {
    let mut state = crate::app::tests::operator();
    state.focus = Pane::Queries;
    let mut own = cost(9, "SELECT /* aurora-cockpit */ now()", 100, 900.0);
    own.own = true;
    take(
        &mut state,
        view(vec![cost(1, "SELECT a FROM Item", 10, 600.0), own, cost(2, "SELECT b\nFROM card", 500, 400.0)], None),
    );
    state
}

fn press(state: &mut State, code: KeyCode) {
    update(state, Message::Drawn { fits: true, terminal: None }, "op");
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), "op");
}

fn ids(state: &State) -> Vec<i64> {
    rows(state).iter().map(|row| row.key.id).collect()
}

#[test]
fn the_key_goes_through_the_figures_and_our_own_come_last() {
    let mut state = state();
    assert_eq!(ids(&state), [1, 2, 9]);
    let shares: Vec<_> = rows(&state).iter().filter_map(|row| row.now).map(|now| now.share).collect();
    // The others' shares are of what they cost without us, ours is of everything.
    assert_eq!(shares[..2], [0.6, 0.4]);
    assert!((shares[2] - 900.0 / 1900.0).abs() < 1e-9);
    press(&mut state, KeyCode::Char('o'));
    assert_eq!((state.queries.sort, ids(&state)), (Sort::Calls, vec![2, 1, 9]));
    press(&mut state, KeyCode::Char('O'));
    assert_eq!(ids(&state), [1, 2, 9]);
    for _ in 0..4 {
        press(&mut state, KeyCode::Char('o'));
    }
    // Nothing moved, so that there is no change to sort by.
    assert_eq!(state.queries.sort, Sort::Share);
}

#[test]
fn the_filter_is_typed_kept_and_cleared() {
    let mut state = state();
    press(&mut state, KeyCode::Char('/'));
    // What would fire a step or leave the program elsewhere is a letter here.
    for letter in "p1qITEM".chars() {
        press(&mut state, KeyCode::Char(letter));
    }
    assert!(state.dialog.is_none() && !state.leaving);
    for _ in 0..2 {
        press(&mut state, KeyCode::Char('x'));
        press(&mut state, KeyCode::Backspace);
    }
    assert_eq!((state.queries.filter.as_str(), ids(&state)), ("p1qITEM", vec![]));
    press(&mut state, KeyCode::Esc);
    assert_eq!((state.queries.filter.as_str(), ids(&state).len()), ("", 3));
    press(&mut state, KeyCode::Char('/'));
    update(&mut state, Message::Paste("from\nitem".to_owned()), "op");
    for _ in 0.."tem".len() {
        press(&mut state, KeyCode::Backspace);
    }
    press(&mut state, KeyCode::Enter);
    assert!(!state.queries.typing);
    assert_eq!(ids(&state), [1], "{:?}", state.queries.filter);
    // Pane by pane: what was typed stays, the keys go on.
    press(&mut state, KeyCode::Char('/'));
    press(&mut state, KeyCode::Tab);
    assert!(state.focus != Pane::Queries && !state.queries.typing);
}

#[test]
fn the_mark_stays_with_its_statement_while_the_order_changes() {
    let mut state = state();
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Down);
    assert_eq!(state.queries.marked.map(|(key, _)| key.id), Some(2));
    press(&mut state, KeyCode::Char('o'));
    assert_eq!(marked_place(&rows(&state), &state.queries), Some(0));
    press(&mut state, KeyCode::Char('v'));
    assert!(matches!(&state.dialog, Some(Dialog::Query { key, .. }) if key.id == 2), "{:?}", state.dialog);
    press(&mut state, KeyCode::Down);
    assert!(matches!(&state.dialog, Some(Dialog::Query { scroll: 1, .. })));
    press(&mut state, KeyCode::Esc);
    // It does not run any more: the mark is where it was.
    take(&mut state, view(vec![cost(1, "SELECT 1", 1, 1.0), cost(3, "SELECT 3", 2, 1.0)], None));
    assert_eq!(marked_place(&rows(&state), &state.queries), Some(1));
    state.queries.filter = "nothing".to_owned();
    assert_eq!(marked_place(&rows(&state), &state.queries), None);
    press(&mut state, KeyCode::Char('v'));
    assert!(state.dialog.is_none() && state.notice.is_some());
}

#[test]
fn before_and_after_the_flip_are_compared_by_their_means() {
    let mut state = state();
    press(&mut state, KeyCode::Char('c'));
    assert!(!state.queries.compared && state.notice.is_some(), "there is nothing to compare with yet");
    take(&mut state, view(vec![cost(1, "SELECT a FROM Item", 10, 200.0)], None));
    take(&mut state, view(Vec::new(), Some(CounterReset::OtherInstance)));
    take(&mut state, view(vec![cost(1, "SELECT a FROM Item", 10, 800.0), cost(3, "SELECT c", 1, 1.0)], None));
    press(&mut state, KeyCode::Char('c'));
    let rows = rows(&state);
    let changes: Vec<_> =
        rows.iter().map(|row| (row.key.id, row.now.is_some(), row.before.is_some(), row.change())).collect();
    // 600 and 200 ms in 20 calls before, 800 ms in 10 calls since.
    assert_eq!(
        changes,
        [(1, true, true, Some(1.0)), (2, false, true, None), (3, true, false, None), (9, false, true, None)]
    );
    for _ in 0..5 {
        press(&mut state, KeyCode::Char('o'));
    }
    assert_eq!(state.queries.sort, Sort::Change);
}

#[test]
fn literals_are_masked_where_that_is_asked() {
    let mut state = state();
    take(&mut state, view(vec![cost(1, "COPY t FROM 'file' -- x\nWITH (x 7)", 1, 1.0)], None));
    assert_eq!(rows(&state)[0].text, "COPY t FROM 'file' -- x WITH (x 7)");
    state.share = true;
    assert_eq!(rows(&state)[0].text, "COPY t FROM ? WITH (x ?)");
}

#[test]
fn every_key_of_the_pane_is_its_own_alone() {
    for (key, id) in [
        ('o', CommandId::SortNext),
        ('O', CommandId::SortReversed),
        ('/', CommandId::Filter),
        ('v', CommandId::QueryText),
        ('c', CommandId::Compare),
    ] {
        let event = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
        let of = |pane| crate::app::keymap::Keymap::default().of_key(&event, pane).map(|command| command.id);
        assert_eq!(of(Pane::Queries), Some(id));
        assert_ne!(of(Pane::Steps), Some(id));
    }
}

#[test]
fn what_stands_between_us_and_the_statements_is_said_plainly() {
    let target = SqlTarget {
        database: "item_db".to_owned(),
        user: "app".to_owned(),
        password: SecretSource::Env("X".to_owned()),
        endpoint: None,
        tls: TlsMode::Disable,
        ca_file: None,
        bastion: None,
    };
    let said = |call: &str, code: &str, message: &str| {
        explain(&Trouble::new(call, TroubleKind::Refused, message).with_code(code), &target)
    };
    let select = "SELECT … FROM pg_stat_statements";
    for (call, code, message, what, todo) in [
        (select, "42883", "no function", "not created in the database item_db", "CREATE EXTENSION pg_stat_statements"),
        (select, "55000", "must be loaded via shared_preload_libraries", "did not load", "restart"),
        ("connect to h:1", "3D000", "", "no database item_db", "rollout file"),
        ("connect to h:1", "42501", "", "app may not connect", "GRANT CONNECT ON DATABASE \"item_db\""),
        (select, "42501", "", "app may not read", "GRANT pg_read_all_stats TO \"app\""),
    ] {
        let explained = said(call, code, message).unwrap_or_else(|| unreachable!("{code} is explained"));
        assert!(explained.what.contains(what) && explained.todo.contains(todo), "{explained:?}");
        assert_eq!(explained.may_be, code == "42883");
    }
    assert_eq!(said(select, "57P01", "terminating"), None);
}
