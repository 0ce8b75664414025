//! Moments of a writer that moves: looked at closer, looked at by witnesses, and moved by nobody.

use aurora_cockpit::app::dialog::Dialog;
use aurora_cockpit::app::state::{Mode, Pane, State};
use aurora_cockpit::app::update::{Message, update};
use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::runbook::witness::ClockOffset;
use aurora_cockpit::watch::Pace;
use aurora_cockpit::watch::sample::{Sample, Source};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

use super::night::{self, OPERATOR, at};
use super::site::{self, Cluster};

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        update(state, Message::Key(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE)), OPERATOR);
    }
}

/// Prod's failover, looked at four times closer, around the moment at which it went dark.
pub fn zoomed_in() -> State {
    let mut state = night::failover();
    press(&mut state, "++<<<<<<");
    state
}

/// Prod's writer moves, and nobody fired it; a session without the controls looks on.
pub fn unplanned() -> State {
    let zero = at("21:04:11.480");
    watched_by_a_monitor(zero, zero + SignedDuration::from_millis(24_300))
}

/// The same, once it is over.
pub fn unplanned_over() -> State {
    let zero = at("21:04:11.480");
    let mut state = watched_by_a_monitor(zero, zero + SignedDuration::from_millis(24_300));
    let cluster = Cluster::of(&state.run.plan, "prod");
    for second in 40..47 {
        for sample in site::quiet(&cluster, zero + SignedDuration::from_secs(second), true) {
            if sample.at > zero + SignedDuration::from_secs(30) {
                takes(&mut state, sample);
            }
        }
    }
    state.now = zero + SignedDuration::from_secs(55);
    state
}

fn takes(state: &mut State, sample: Sample) {
    update(state, Message::Tick(sample.at), OPERATOR);
    update(state, Message::Sample(Box::new(sample)), OPERATOR);
}

fn watched_by_a_monitor(zero: Timestamp, now: Timestamp) -> State {
    let mut state = night::demo_is_through();
    state.mode = Mode::Monitor(None);
    state.pace.insert("prod".into(), Pace::Failover);
    *state.live.get_mut("prod").expect("prod") = Default::default();
    let cluster = Cluster::of(&state.run.plan, "prod");
    let mut samples = site::failover(&cluster, zero, now);
    samples.sort_by_key(|sample| sample.at);
    for sample in samples {
        takes(&mut state, sample);
    }
    state.now = now;
    state
}

/// The witnesses of prod's failover, one of them dead, one left in peace, two with clocks of their own.
pub fn witnesses() -> State {
    let mut state = night::failover();
    let cluster = Cluster::of(&state.run.plan, "prod");
    let now = state.now;
    let ago = |millis| now - SignedDuration::from_millis(millis);
    let silent = |source, message: &str, code: &str| {
        let trouble = Trouble::new("connect", TroubleKind::Unreachable, message).with_code(code);
        Sample::new("prod".into(), source, ago(10), Duration::from_millis(9), Err(trouble))
    };
    let starting = silent(Source::SqlInstance(cluster.writer()), "the database system is starting up", "57P03");
    takes(&mut state, Sample { again: Some(Duration::from_millis(5_300)), ..starting });
    let denied = Trouble::new("pods", TroubleKind::Denied, "pods is forbidden: User \"viewer\" cannot list resource");
    takes(&mut state, Sample::new("prod".into(), Source::Pods, ago(200), Duration::from_millis(30), Err(denied)));
    let mut endpoint = site::failover(&cluster, at("23:16:22.104"), now);
    endpoint.retain(|sample| sample.source == Source::SqlEndpoint);
    let last = endpoint.pop().expect("a word of the endpoint");
    let clock = ClockOffset { ahead: SignedDuration::from_millis(-43), within: Duration::from_millis(6) };
    takes(&mut state, Sample { clock: Some(clock), at: ago(20), ..last });
    state.now = now;
    state.focus = Pane::Timeline;
    state.dialog = Some(Dialog::Witnesses { partition: "prod".into(), scroll: 0 });
    state
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    vec![
        ("failover-closer", zoomed_in()),
        ("unplanned", unplanned()),
        ("unplanned-over", unplanned_over()),
        ("witnesses", witnesses()),
    ]
}
