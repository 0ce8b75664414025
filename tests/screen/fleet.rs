//! A fleet of more partitions than a screen has room for: what is seen of it, and how one of them is found.

use std::collections::BTreeSet;

use aurora_cockpit::app::fleet::{Fleet, Standing};
use aurora_cockpit::app::mouse::{Act, Target};
use aurora_cockpit::app::state::{Mode, State};
use aurora_cockpit::app::update::{Effect, Message, update};
use aurora_cockpit::config;
use aurora_cockpit::runbook::event::{Event, Finding, Outcome, Record};
use aurora_cockpit::runbook::names::{RunId, StepRef};
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use aurora_cockpit::watch::Near;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use proptest::prelude::*;
use ratatui::layout::{Position, Rect};

use super::support::fleet;
use super::support::night::at;
use super::support::site::{self, Cluster};
use super::{SIZES, drawn, find, text};

/// A fleet at its start.
fn begun(partitions: usize, accounts: usize) -> State {
    let plan = config::load_text("fleet.toml", &fleet::rollout(partitions, accounts), None).expect("a rollout");
    assert_eq!(plan.partitions.len(), partitions);
    let event = Event::RunStarted { run: RunId::new("fleet"), plan: Box::new(plan), simulated: true };
    let run = Run::begin(Record { seq: 1, at: at("22:00:00"), event }).expect("the first record");
    let mut state = State::new(run, Mode::Operator, at("22:00:00"));
    for index in 0..partitions {
        let name = state.run.plan.partitions[index].name.to_string();
        let cluster = Cluster::of(&state.run.plan, &name);
        let far = !state.near.holds(&name.as_str().into());
        let samples = site::quiet(&cluster, state.now, false).into_iter();
        let known = samples.filter(|sample| !far || sample.source == aurora_cockpit::watch::Source::Api);
        let live = state.live.get_mut(name.as_str()).expect("watched");
        known.for_each(|sample| drop(live.take(sample)));
    }
    state
}

fn tell(state: &mut State, event: Event) -> Vec<Effect> {
    let record = Record { seq: state.run.seq + 1, at: state.now, event };
    update(state, Message::Record(record), "jmp")
}

fn fire(state: &mut State, step: &StepRef) -> Vec<Effect> {
    let (step, by) = (step.clone(), "jmp".to_owned());
    tell(state, Event::AttemptStarted { step, attempt: 1, by, preconditions: Vec::new(), choice: None })
}

fn ends(state: &mut State, step: &StepRef, outcome: Outcome) {
    tell(state, Event::AttemptEnded { step: step.clone(), attempt: 1, outcome });
}

fn passes(state: &mut State, step: &StepRef) {
    fire(state, step);
    ends(state, step, Outcome::Passed);
}

/// The first partitions are through, the one after them has failed, and one far away restarts by itself.
fn in_the_middle(partitions: usize, accounts: usize) -> State {
    let mut state = begun(partitions, accounts);
    let plan = state.run.plan.clone();
    for partition in &plan.partitions[..3] {
        for step in partition.steps.iter().filter(|step| step.id.as_str() != "go-ahead") {
            passes(&mut state, &partition.reference(&step.id));
        }
        tell(&mut state, Event::GoAhead { partition: partition.name.clone(), by: "jmp".to_owned(), note: None });
    }
    let here = &plan.partitions[3];
    for step in ["prerequisites", "drift"] {
        passes(&mut state, &here.reference(&step.into()));
    }
    let step = here.reference(&"snapshot".into());
    fire(&mut state, &step);
    let finding = Finding::of("snapshot-in-use", "the snapshot is being copied");
    ends(&mut state, &step, Outcome::Failed { finding });
    restarts(&mut state, partitions - 7);
    state.now += SignedDuration::from_secs(1);
    state
}

/// A partition's writer is rebooting, by the RDS API.
fn restarts(state: &mut State, place: usize) {
    let name = state.run.plan.partitions[place].name.clone();
    let cluster = state.live.get_mut(name.as_str()).and_then(|live| live.cluster.as_mut()).expect("described");
    cluster.value.members[0].status = "rebooting".to_owned();
}

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    let _ = update(state, Message::Drawn { fits: true, terminal: None }, "jmp");
    update(state, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)), "jmp")
}

fn types(state: &mut State, words: &str) {
    for letter in words.chars() {
        press(state, KeyCode::Char(letter));
    }
}

fn name(state: &State) -> &str {
    state.looked_at().0.name.as_str()
}

#[test]
fn a_fleet_is_seen_by_what_calls_at_every_size() {
    for (partitions, accounts) in [(40, 4), (400, 10)] {
        let state = in_the_middle(partitions, accounts);
        let mut finding = state.clone();
        press(&mut finding, KeyCode::Char('F'));
        types(&mut finding, "a002");
        for size in SIZES {
            let of = |what: &str| format!("{what}-of-{partitions}-{}x{}", size.0, size.1);
            insta::assert_snapshot!(of("fleet"), text(&drawn(&state, size, &Theme::default())));
            insta::assert_snapshot!(of("finding"), text(&drawn(&finding, size, &Theme::default())));
        }
    }
}

#[test]
fn keys_find_a_partition_by_what_calls_by_name_and_by_account() {
    let mut state = in_the_middle(400, 10);
    assert_eq!(name(&state), "tenant004", "the one in trouble is looked at");
    press(&mut state, KeyCode::Char('N'));
    assert_eq!(name(&state), "tenant394", "the next that calls is the one that restarts");
    press(&mut state, KeyCode::Char('N'));
    assert_eq!(name(&state), "tenant004", "and around again");
    press(&mut state, KeyCode::Char('F'));
    types(&mut state, "tenant217");
    press(&mut state, KeyCode::Enter);
    assert_eq!(name(&state), "tenant217");
    press(&mut state, KeyCode::Right);
    assert_eq!(name(&state), "tenant218");
    // By account, narrowed to its production.
    press(&mut state, KeyCode::Char('F'));
    press(&mut state, KeyCode::Tab);
    types(&mut state, "Alpha007 production");
    let list = text(&drawn(&state, (120, 40), &Theme::default()));
    assert!(list.contains("Alpha007-Admin · us-east-1"), "{list}");
    press(&mut state, KeyCode::Enter);
    assert_eq!(name(&state), "prod07");
    // How it stands can be typed as well.
    press(&mut state, KeyCode::Char('F'));
    types(&mut state, "rebooting");
    press(&mut state, KeyCode::Enter);
    assert_eq!(name(&state), "tenant394");
    // Nothing fits, and nothing happens.
    press(&mut state, KeyCode::Char('F'));
    types(&mut state, "qqq");
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Esc);
    assert_eq!((name(&state), state.dialog.is_none()), ("tenant394", true));
}

#[test]
fn the_mouse_looks_at_a_line_leafs_by_its_wheel_and_opens_the_list() {
    let mut state = in_the_middle(400, 10);
    let size = (120, 40);
    let (_, row) = find(&drawn(&state, size, &Theme::default()), "tenant394");
    let area = Rect::new(0, 0, size.0, size.1);
    let pointed = |state: &State, y| ui::target(area, state, Position { x: 4, y });
    let target = pointed(&state, row);
    assert_eq!(target, Some(Target::Partition(393)));
    let _ = update(&mut state, Message::Mouse { target, act: Act::Wheel(-1) }, "jmp");
    assert_eq!(name(&state), "tenant005");
    let _ = update(&mut state, Message::Mouse { target, act: Act::Click }, "jmp");
    assert_eq!(name(&state), "tenant394");
    let (_, head) = find(&drawn(&state, size, &Theme::default()), "400 partitions");
    let target = pointed(&state, head);
    let _ = update(&mut state, Message::Mouse { target, act: Act::Click }, "jmp");
    assert!(text(&drawn(&state, size, &Theme::default())).contains("what calls first"));
}

#[test]
fn what_is_looked_at_comes_near_and_what_was_left_is_no_concern() {
    let mut state = begun(40, 4);
    let near = |state: &State| match &state.near {
        Near::All => panic!("forty are too many"),
        Near::Only(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>(),
    };
    assert_eq!(near(&state), ["tenant001"]);
    press(&mut state, KeyCode::Char('F'));
    types(&mut state, "tenant027");
    let effects = press(&mut state, KeyCode::Enter);
    assert_eq!(near(&state), ["tenant001", "tenant027"]);
    assert_eq!(effects, [Effect::Watch(state.near.clone())]);
    // What runs is near wherever one looks.
    let step = StepRef::new("tenant001", "prerequisites");
    fire(&mut state, &step);
    press(&mut state, KeyCode::Char('F'));
    types(&mut state, "tenant033");
    press(&mut state, KeyCode::Enter);
    assert_eq!(near(&state), ["tenant001", "tenant033"]);
    // Twelve are all near, and nobody is told.
    let mut few = begun(12, 2);
    assert_eq!(press(&mut few, KeyCode::Right), []);
    assert_eq!(few.near, Near::All);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever calls is among what is shown, the most pressing first; what has no room is counted; and what is looked at is
    /// always there, once.
    #[test]
    fn what_calls_is_shown_or_counted(
        restarting in proptest::collection::btree_set(0_usize..40, 0..30),
        looked_at in 0_usize..40,
        room in 2_usize..20,
    ) {
        let mut state = begun(40, 4);
        restarting.iter().for_each(|place| restarts(&mut state, *place));
        state.partition = looked_at;
        let fleet = Fleet::of(&state);
        let shown = fleet.shown(room);
        let all: Vec<usize> = shown.all().collect();
        let once: BTreeSet<usize> = all.iter().copied().collect();
        prop_assert_eq!(once.len(), all.len());
        prop_assert!(all.len() <= room);
        prop_assert!(all.contains(&looked_at), "{} is not among {:?}", looked_at, all);
        prop_assert_eq!(shown.calling.len() + shown.unseen, fleet.calling().len());
        let calls = |place: &usize| restarting.contains(place) || *place == 0;
        prop_assert!(shown.calling.iter().all(calls));
        prop_assert!(shown.others.iter().all(|place| !calls(place)));
        // Nothing that does not call takes the place of something that does, but for the one that is looked at.
        if shown.unseen > 0 {
            prop_assert!(shown.others.iter().all(|place| *place == looked_at));
        }
        prop_assert_eq!(fleet.standing(0), Standing::Waits);
    }
}
