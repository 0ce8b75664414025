//! A screen that others see: nothing private is on it, at any moment and size, and nothing else has moved.

use aurora_cockpit::app::log::{Level, LogLine, LogSource};
use aurora_cockpit::app::state::State;
use aurora_cockpit::app::update::{Effect, Message, update};
use aurora_cockpit::runbook::state::StepRun;
use aurora_cockpit::ui::theme::Theme;
use aurora_cockpit::watch::sample::{StatementCost, StatementKey};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::support::{night, trouble};
use crate::{SIZES, drawn, text};

/// Literals that somebody typed, and that pg_stat_statements and the slow-query log keep.
const LITERALS: [&str; 3] = ["Lovelace", "ada@example.org", "777013"];
const TYPED: &str = "COPY people FROM 'Lovelace' WHERE mail = 'ada@example.org' AND pin = 777013";

/// What is private, in the test's own words.
fn private(state: &State) -> Vec<String> {
    let mut all: Vec<String> = LITERALS.map(str::to_owned).into();
    for partition in &state.run.plan.partitions {
        all.extend(partition.aws.account.clone());
        all.extend(partition.sql.iter().map(|sql| sql.user.clone()));
        let url = partition.application.iter().map(|application| &application.url);
        all.extend(url.map(|url| url.trim_start_matches("https://").trim_end_matches('/').to_owned()));
    }
    for (_, session) in &state.run.sessions {
        all.extend([session.operator.clone(), session.host.clone()]);
    }
    for partition in &state.run.partitions {
        let by = |step: &StepRun| step.attempts.iter().map(|attempt| attempt.by.clone()).collect::<Vec<_>>();
        all.extend(partition.steps.iter().flat_map(by));
    }
    for live in state.live.values() {
        let cluster = live.cluster.iter().map(|dated| &dated.value);
        for cluster in cluster {
            all.push(cluster.endpoint.clone());
            all.extend(cluster.members.iter().filter_map(|member| member.endpoint.clone()));
        }
        for dns in live.dns.iter().map(|dated| &dated.value) {
            all.extend(dns.chain.clone());
            all.extend(dns.addresses.iter().map(ToString::to_string));
        }
        all.extend(live.statements.iter().map(|dated| dated.value.role.clone()));
    }
    all.sort();
    all.dedup();
    all
}

/// Whether a screen says it, as a word of its own.
fn says(screen: &str, name: &str) -> bool {
    let in_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    screen
        .match_indices(name)
        .any(|(at, _)| !in_word(screen[..at].chars().next_back()) && !in_word(screen[at + name.len()..].chars().next()))
}

/// Columns that a row takes on a terminal, which puts each cell's symbol behind the one before.
fn columns(buffer: &Buffer, row: Rect) -> usize {
    let mut columns = 0;
    while columns < usize::from(row.width) {
        columns += buffer[(columns as u16, row.y)].symbol().width().max(1);
    }
    columns
}

/// The moment with everything private that there may be besides.
fn told(mut state: State) -> State {
    let partition = state.looked_at().0.clone();
    let account = partition.aws.account.clone().unwrap_or_default();
    let words = [
        (LogSource::Slow, format!("reader1 812 ms  {TYPED}")),
        (LogSource::Program, format!("ok  arn:aws:sts::{account}:assumed-role/Admin/{}", night::OPERATOR)),
        (LogSource::Program, format!("dialling {}-writer.c1.us-east-1.rds.amazonaws.com", partition.cluster.id)),
        (LogSource::Dns, "leads to 10.31.4.18".to_owned()),
    ];
    for (source, text) in words {
        let (at, partition) = (state.now, Some(partition.name.clone()));
        state.log.push(LogLine { at, source, partition, level: Level::Info, text });
    }
    for live in state.live.values_mut() {
        if let Some(statements) = &mut live.statements {
            let known = statements.value.rows.first().cloned();
            let key = StatementKey { id: 99, nested: false };
            let typed = known.map(|cost| StatementCost { key, query: Some(TYPED.to_owned()), ms: 1e6, ..cost });
            statements.value.rows.splice(0..0, typed);
        }
    }
    state
}

#[test]
fn nothing_private_is_on_a_shared_screen() {
    let mut shown_unshared = 0;
    for (moment, state) in night::moments() {
        let state = told(state);
        let private = private(&state);
        assert!(private.len() > 10, "{private:?}");
        let shared = State { share: true, ..state.clone() };
        for size in SIZES {
            let plain = text(&drawn(&state, size, &Theme::default()));
            shown_unshared += private.iter().filter(|name| says(&plain, name)).count();
            let buffer = drawn(&shared, size, &Theme::default());
            let screen = text(&buffer);
            for name in &private {
                assert!(!says(&screen, name), "{moment} {size:?} says {name}\n{screen}");
            }
            for row in buffer.area.rows() {
                assert_eq!(columns(&buffer, row), usize::from(size.0), "{moment} {size:?}, row {}", row.y);
            }
        }
    }
    assert!(shown_unshared > 500, "the test looks for what nobody shows: {shown_unshared}");
}

#[test]
fn what_is_copied_from_a_shared_screen_is_masked_as_well() {
    let mut state = told(night::failover());
    state.focus = aurora_cockpit::app::state::Pane::Log;
    let press = |state: &mut State, key| {
        let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
        update(state, Message::Key(key), night::OPERATOR)
    };
    press(&mut state, 'S');
    let seen: Vec<u64> = (0..state.log.passing()).filter_map(|rank| state.log.at(rank)).map(|line| line.id).collect();
    update(&mut state, Message::Seen { log: seen }, night::OPERATOR);
    let effects = press(&mut state, 'c');
    let [Effect::Copy { text, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(text.contains("812 ms  COPY people FROM ? WHERE mail = ? AND pin = ?"), "{text}");
    for name in private(&state) {
        assert!(!says(text, &name), "{name}\n{text}");
    }
}

#[test]
fn what_is_typed_into_a_program_is_not_echoed() {
    let mut state = State { share: true, ..trouble::signing_in() };
    let before = text(&drawn(&state, (120, 40), &Theme::default()));
    for key in "hunter2".chars() {
        update(&mut state, Message::Drawn { fits: true, terminal: None }, night::OPERATOR);
        let key = KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE);
        let effects = update(&mut state, Message::Key(key), night::OPERATOR);
        assert!(matches!(effects.as_slice(), [Effect::Type { .. }]), "{effects:?}");
    }
    assert_eq!(text(&drawn(&state, (120, 40), &Theme::default())), before);
}

#[test]
fn those_who_look_on_see_the_step_and_the_keys() {
    let mut state = night::failover();
    for key in ['S', 'z', 'z', '?'] {
        update(&mut state, Message::Drawn { fits: true, terminal: None }, night::OPERATOR);
        update(&mut state, Message::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)), night::OPERATOR);
    }
    update(&mut state, Message::Drawn { fits: true, terminal: None }, night::OPERATOR);
    update(&mut state, Message::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)), night::OPERATOR);
    for size in SIZES {
        let screen = text(&drawn(&state, size, &Theme::default()));
        insta::assert_snapshot!(format!("shared-{}x{}", size.0, size.1), screen);
    }
}
