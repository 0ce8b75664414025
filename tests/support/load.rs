//! Moments of the load pane: what it shows, and the four ways in which it can have nothing to show.

use std::time::Duration;

use aurora_cockpit::app::load_history::Resolution;
use aurora_cockpit::app::load_look::LoadTable;
use aurora_cockpit::app::state::{Pane, State};
use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::runbook::names::InstanceId;
use aurora_cockpit::watch::sample::{
    InstanceMetrics, LoadPoint, LoadView, MetricsView, Reading, Sample, Source, StatementLoad, TopStatements,
};
use jiff::{SignedDuration, Timestamp};

use super::night;
use super::site::{self, Cluster};

/// The writer of the partition that is looked at, and its cluster.
fn here(state: &State) -> (Cluster, InstanceId) {
    let cluster = Cluster::of(&state.run.plan, state.looked_at().0.name.as_str());
    let writer = state.live_here().and_then(|live| live.load.writer().cloned()).expect("a writer");
    (cluster, writer)
}

fn take(state: &mut State, samples: impl IntoIterator<Item = Sample>) {
    let name = state.looked_at().0.name.clone();
    let live = state.live.get_mut(&name).expect("watched");
    for sample in samples {
        live.take(sample);
    }
}

/// A quiet partition with the keys in the load, and nothing known of its load.
fn unmeasured() -> State {
    let mut state = night::fresh_start();
    state.focus = Pane::Load;
    let name = state.looked_at().0.name.clone();
    state.live.get_mut(&name).expect("watched").load.instances.clear();
    state
}

fn refused(state: &mut State, kind: TroubleKind, call: &str, message: &str) {
    let (cluster, writer) = here(state);
    let trouble = Trouble::new(call, kind, message);
    let at = state.now - SignedDuration::from_secs(42);
    take(state, [cluster.sample(Source::Load(writer), at, Err(trouble))]);
}

/// CloudWatch's minutes of the last hour.
fn published(state: &mut State, load: impl Fn(i64) -> f64) {
    let (cluster, writer) = here(state);
    let last = state.now.as_second().div_euclid(60) - 2;
    let minute = |number: i64| Timestamp::from_second(number * 60).expect("a minute");
    let loads: Vec<_> = (last - 70..=last).map(|number| (minute(number), load(number))).collect();
    let metrics = InstanceMetrics {
        instance: writer,
        at: minute(last),
        connections: Some(31.0),
        lag_ms: None,
        cpu_percent: Some(4.4),
        load: loads.last().map(|(_, load)| *load),
        loads,
    };
    let said = Ok(Reading::Metrics(MetricsView { instances: vec![metrics] }));
    take(state, [cluster.sample(Source::Metrics, state.now, said)]);
}

fn off() -> State {
    let mut state = unmeasured();
    refused(&mut state, TroubleKind::NotFound, "rds:DescribeDBInstances", "Performance Insights is off");
    state
}

fn denied() -> State {
    let mut state = unmeasured();
    published(&mut state, |minute| 0.6 + 0.4 * (minute as f64 / 5.0).sin());
    let message = "User: arn:aws:sts::123456787890:assumed-role/Admin/jmp is not authorized to perform: \
                   pi:GetResourceMetrics because no identity-based policy allows the pi:GetResourceMetrics action";
    refused(&mut state, TroubleKind::Denied, "pi:GetResourceMetrics", message);
    state
}

fn idle() -> State {
    let mut state = unmeasured();
    let (cluster, writer) = here(&state);
    let (from, to) = (state.now - SignedDuration::from_secs(300), state.now - SignedDuration::from_secs(3));
    let sample = site::load(&cluster, &writer, to, site::load_points(from, to, |_| 0.0));
    take(&mut state, [sample]);
    state
}

/// Just after prod's flip: the new writer has no load yet, and had none as a reader.
pub fn just_flipped() -> State {
    let mut state = night::failover();
    state.focus = Pane::Load;
    let (cluster, new) = here(&state);
    let name = state.looked_at().0.name.clone();
    state.live.get_mut(&name).expect("watched").load.instances.remove(&new);
    let (from, to) = (state.now - SignedDuration::from_secs(300), state.now - SignedDuration::from_secs(1));
    take(&mut state, [site::load(&cluster, &new, to, site::load_points(from, to, |_| 0.0))]);
    state
}

fn throttled() -> State {
    let mut state = night::fresh_start();
    state.focus = Pane::Load;
    refused(&mut state, TroubleKind::Throttled, "pi:GetResourceMetrics", "Rate exceeded");
    state
}

/// The network was lost for a minute, and the clock of this machine is five seconds behind.
fn gap() -> State {
    let mut state = unmeasured();
    let (cluster, writer) = here(&state);
    let ago = |seconds| state.now - SignedDuration::from_secs(seconds);
    let points = |from, to| site::load_points(from, to, |_| 0.5);
    let before = site::load(&cluster, &writer, ago(120), points(ago(300), ago(120)));
    let after = site::load(&cluster, &writer, ago(1), points(ago(60), ago(-5)));
    take(&mut state, [before, after]);
    state
}

/// A quarter of an hour after prod's flip, with the hour before it.
fn flipped() -> State {
    let mut state = night::failover();
    state.focus = Pane::Load;
    let (cluster, new) = here(&state);
    let old = cluster.writer();
    let flip = state.now - SignedDuration::from_secs(12);
    let minutes = |from: i64, amount: f64| -> Vec<LoadPoint> {
        let last = flip.as_second().div_euclid(60);
        let minute = |number: i64| {
            let end = Timestamp::from_second(number * 60).expect("a minute");
            let wave = amount * (1.0 + 0.3 * (number as f64 / 4.0).sin());
            let mut points = site::load_points(end - SignedDuration::from_secs(1), end, |_| wave);
            let point = points.pop().expect("a point");
            LoadPoint { at: end, period: Duration::from_secs(60), ..point }
        };
        (last - from..=last).map(minute).collect()
    };
    let (at, lone) = (state.now, |text: &str, load, cut| StatementLoad { text: text.to_owned(), cut, load });
    let statements = vec![
        lone(
            "SELECT kc.eid, kc.title, i.name FROM kanban_card kc JOIN item i ON i.eid = kc.item_eid WHERE kc.tenant_eid = $1 AND kc.status = ANY($2)",
            0.91,
            true,
        ),
        lone("SELECT eid, name, classification FROM item WHERE tenant_eid = $1 AND retired = $2 LIMIT $3", 0.40, false),
        lone("SELECT count(*) FROM kanban_card WHERE tenant_eid = $1", 0.22, false),
        lone("UPDATE order_line SET state = $2, updated_at = now() WHERE eid = $1", 0.05, false),
    ];
    let top = TopStatements { span: Duration::from_secs(120), statements };
    let top = LoadView { instance: new.clone(), vcpus: Some(2), points: Vec::new(), top: Some(top) };
    let samples = [
        site::load(&cluster, &old, at, minutes(70, 1.5)),
        site::load(&cluster, &new, at, minutes(70, 0.0)),
        cluster.sample(Source::Load(new), at - SignedDuration::from_secs(4), Ok(Reading::Load(top))),
    ];
    take(&mut state, samples);
    state
}

fn with(mut state: State, look: impl Fn(&mut State)) -> State {
    look(&mut state);
    state
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    vec![
        ("load-off", off()),
        ("load-denied", denied()),
        ("load-idle", idle()),
        ("load-throttled", throttled()),
        ("load-gap", gap()),
        ("load-seam", with(flipped(), |state| state.zoomed = true)),
        ("load-hour", with(flipped(), |state| state.load.resolution = Resolution::Minutes)),
        ("load-instances", with(flipped(), |state| state.load.by_instance = true)),
        ("load-statements", with(flipped(), |state| state.load.table = Some(LoadTable::Statements))),
        ("load-change", with(flipped(), |state| state.load.table = Some(LoadTable::Change))),
    ]
}
