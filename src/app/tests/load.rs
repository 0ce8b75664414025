//! The load of the writer's role, composed of what its instances carried.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::live::Live;
use crate::app::load_change::{LoadChange, NoChange};
use crate::app::load_history::{LoadHistory, Resolution, WHOLE};
use crate::clients::{Trouble, TroubleKind};
use crate::runbook::event::{FailoverMeasure, Milestone, Moment};
use crate::watch::sample::{InstanceMetrics, LoadPoint, LoadView, MetricsView, Reading, Role, Sample, Source, SqlView};

/// A moment in seconds of that night.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a moment")
}

fn sample(source: Source, second: i64, said: Result<Reading, Trouble>) -> Sample {
    Sample::new("dev".into(), source, at(second), Duration::ZERO, said)
}

/// An instance says of itself what it is.
fn says(live: &mut Live, instance: &str, role: Role, second: i64) {
    let view = SqlView {
        instance: Some(instance.into()),
        role,
        writer: None,
        started: None,
        lag_ms: None,
        reconnected: false,
        write: None,
    };
    live.take(sample(Source::SqlInstance(instance.into()), second, Ok(Reading::Sql(view))));
}

fn goes_dark(live: &mut Live, instance: &str, second: i64) {
    let cut = Trouble::new("connect", TroubleKind::Unreachable, "connection reset");
    live.take(sample(Source::SqlInstance(instance.into()), second, Err(cut)));
}

/// Performance Insights answers, with a load of that height in each of these periods.
fn measures(live: &mut Live, instance: &str, ends: impl Iterator<Item = i64>, period: u64, load: f64) {
    let point = |end: i64| LoadPoint {
        at: at(end),
        period: Duration::from_secs(period),
        by_wait: if load > 0.0 { vec![("CPU".to_owned(), load)] } else { Vec::new() },
    };
    let points: Vec<_> = ends.map(point).collect();
    let asked = points.last().map_or(0, |point| point.at.as_second() - 1_800_000_000);
    let view = LoadView { instance: instance.into(), vcpus: Some(2), points, top: None };
    live.take(sample(Source::Load(instance.into()), asked, Ok(Reading::Load(view))));
}

/// Ends and heights of a series.
fn drawn(history: &LoadHistory, resolution: Resolution, (from, to): (i64, i64)) -> Vec<(i64, f64)> {
    let series = history.of_role(resolution, (at(from), at(to)));
    series.iter().map(|point| (point.at.as_second() - 1_800_000_000, point.total())).collect()
}

/// `a` is the writer with a load of 2 and goes dark at 100; `b`, which carried 9 as a reader, says so of itself at 112.
fn flip() -> Live {
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    says(&mut live, "b", Role::Reader, 0);
    measures(&mut live, "a", 1..=100, 1, 2.0);
    measures(&mut live, "b", 1..=112, 1, 9.0);
    goes_dark(&mut live, "a", 101);
    says(&mut live, "b", Role::Writer, 112);
    live
}

#[test]
fn the_role_has_of_each_instance_what_it_carried_as_the_writer() {
    let mut live = flip();
    // The seam is where the new writer said so, not where its load was next told.
    measures(&mut live, "b", 113..=200, 1, 3.0);
    measures(&mut live, "a", 130..=200, 1, 7.0);
    says(&mut live, "a", Role::Reader, 131);
    let held: Vec<_> = live.load.role.iter().map(|held| held.by.as_str()).collect();
    assert_eq!(held, ["a", "b"]);
    assert_eq!(live.load.seams().iter().map(|held| held.since).collect::<Vec<_>>(), [at(112)]);
    let drawn = drawn(&live.load, Resolution::Seconds, (0, 200));
    assert!(drawn.iter().all(|(end, load)| *load == if *end <= 100 { 2.0 } else { 3.0 }), "{drawn:?}");
    assert_eq!((drawn.len(), drawn[99].0, drawn[100].0), (188, 100, 113), "nothing is invented in between");
    // Instance by instance, all of it is there.
    let of = |instance: &str| live.load.of_instance(&instance.into(), Resolution::Seconds, (at(0), at(200))).len();
    assert_eq!((of("a"), of("b")), (171, 200));
}

#[test]
fn a_flip_back_is_a_seam_of_its_own() {
    let mut live = flip();
    measures(&mut live, "b", 113..=160, 1, 3.0);
    says(&mut live, "a", Role::Reader, 131);
    goes_dark(&mut live, "b", 150);
    says(&mut live, "a", Role::Writer, 155);
    measures(&mut live, "a", 120..=170, 1, 5.0);
    let drawn = drawn(&live.load, Resolution::Seconds, (110, 170));
    assert_eq!(live.load.role.len(), 3);
    assert!(drawn.iter().all(|(end, load)| *load == if *end <= 155 { 3.0 } else { 5.0 }), "{drawn:?}");
}

#[test]
fn a_minute_in_which_the_role_moved_has_of_either_instance_its_seconds_in_it() {
    let mut live = flip();
    measures(&mut live, "b", 113..=200, 1, 3.0);
    // By the minute, both instances carried something all the time.
    for (instance, load) in [("a", 2.0), ("b", 9.0)] {
        measures(&mut live, instance, (60..=180).step_by(60), 60, load);
    }
    let drawn = drawn(&live.load, Resolution::Minutes, (0, 180));
    // 60..120: forty seconds of `a` with 2, twelve of nobody, eight of `b` with 3.
    assert_eq!(drawn, [(60, 2.0), (120, (40.0 * 2.0 + 8.0 * 3.0) / 48.0), (180, 9.0)]);
}

#[test]
fn minutes_that_nobody_has_told_of_yet_are_made_of_their_seconds() {
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    measures(&mut live, "a", (60..=120).step_by(60), 60, 1.0);
    measures(&mut live, "a", 100..=150, 1, 4.0);
    assert_eq!(drawn(&live.load, Resolution::Minutes, (0, 180)), [(60, 1.0), (120, 1.0), (180, 4.0)]);
    assert_eq!(drawn(&live.load, Resolution::Seconds, (0, 180)).len(), 51);
}

#[test]
fn a_minute_without_network_is_a_gap_until_the_service_fills_it() {
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    measures(&mut live, "a", 1..=60, 1, 1.0);
    let lost = Trouble::new("pi:GetResourceMetrics", TroubleKind::Unreachable, "no route");
    live.take(sample(Source::Load("a".into()), 100, Err(lost)));
    measures(&mut live, "a", 121..=130, 1, 1.0);
    let ends: Vec<_> = drawn(&live.load, Resolution::Seconds, (0, 130)).iter().map(|(end, _)| *end).collect();
    assert_eq!(ends, (1..=60).chain(121..=130).collect::<Vec<_>>());
    // What the service says of that time afterwards stands in its place, and a corrected figure in that of the old one.
    measures(&mut live, "a", 58..=121, 1, 5.0);
    let drawn = drawn(&live.load, Resolution::Seconds, (0, 130));
    assert_eq!((drawn.len(), drawn[57], drawn[129]), (130, (58, 5.0), (130, 1.0)));
}

#[test]
fn old_seconds_go_and_their_minutes_stay() {
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    measures(&mut live, "a", (60..=3600).step_by(60), 60, 1.0);
    measures(&mut live, "a", 1..=3600, 1, 1.0);
    let seconds = drawn(&live.load, Resolution::Seconds, (0, 3600));
    assert_eq!((seconds.len(), seconds[0].0), (1800, 1801));
    assert_eq!(drawn(&live.load, Resolution::Minutes, (0, 3600)).len(), 60);
}

/// CloudWatch publishes a load of that height in the minutes that begin then.
fn published(live: &mut Live, begins: impl Iterator<Item = i64>, load: f64, second: i64) {
    let metrics = InstanceMetrics {
        instance: "a".into(),
        at: at(second),
        connections: None,
        lag_ms: None,
        cpu_percent: Some(4.0),
        load: Some(load),
        loads: begins.map(|begin| (at(begin), load)).collect(),
    };
    let view = MetricsView { instances: vec![metrics] };
    live.take(sample(Source::Metrics, second, Ok(Reading::Metrics(view))));
}

#[test]
fn cloudwatch_stands_in_only_where_performance_insights_is_not_to_be_had() {
    let refused = |kind| Err(Trouble::new("pi:GetResourceMetrics", kind, "no"));
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    measures(&mut live, "a", 1..=60, 1, 1.0);
    published(&mut live, (0..=180).step_by(60), 8.0, 240);
    assert!(!live.load.of_writer().expect("known").by_cloudwatch());
    assert!(drawn(&live.load, Resolution::Seconds, (0, 240)).iter().all(|(_, load)| *load == 1.0));
    // Throttled: a gap.
    live.take(sample(Source::Load("a".into()), 240, refused(TroubleKind::Throttled)));
    assert_eq!(drawn(&live.load, Resolution::Seconds, (0, 240)).len(), 60);
    // Denied: from where its own word ends, and by its name.
    live.take(sample(Source::Load("a".into()), 241, refused(TroubleKind::Denied)));
    let series = live.load.of_role(Resolution::Seconds, (at(0), at(240)));
    let whole: Vec<_> = series.iter().filter(|point| point.by_wait[0].0 == WHOLE).map(|point| point.at).collect();
    assert_eq!(whole, [at(120), at(180), at(240)]);
    assert!(live.load.of_writer().expect("known").by_cloudwatch());
    // Permitted again: its own word, and the gap.
    measures(&mut live, "a", 241..=250, 1, 1.0);
    assert_eq!(drawn(&live.load, Resolution::Seconds, (0, 250)).len(), 70);
}

#[test]
fn vcpus_are_those_of_the_class_of_that_time() {
    let mut live = Live::default();
    for (second, vcpus) in [(10, Some(2)), (20, Some(2)), (30, Some(8)), (40, None)] {
        let view = LoadView { instance: "a".into(), vcpus, points: Vec::new(), top: None };
        live.take(sample(Source::Load("a".into()), second, Ok(Reading::Load(view))));
    }
    let load = &live.load.instances["a"];
    let seen: Vec<_> = [0, 10, 29, 30, 39, 40].map(|second| load.vcpus(at(second))).into();
    assert_eq!(seen, [Some(2), Some(2), Some(2), Some(8), Some(8), None]);
}

#[test]
fn before_and_after_are_means_of_stretches_of_the_same_length() {
    let mut live = flip();
    assert_eq!(LoadChange::of(&live.load, at(112)), Err(NoChange::TooSoon { seam: at(112) }));
    measures(&mut live, "b", 113..=172, 1, 3.0);
    let change = LoadChange::of(&live.load, at(173)).expect("both sides are known");
    assert_eq!((change.from.as_str(), change.to.as_str(), change.seam), ("a", "b", at(112)));
    assert_eq!(change.stretch, SignedDuration::from_secs(60));
    // Twelve seconds before the seam nobody was the writer.
    assert_eq!(change.measured, (SignedDuration::from_secs(48), SignedDuration::from_secs(60)));
    assert_eq!(change.all, (2.0, 3.0));
    assert_eq!(change.waits, [("CPU".to_owned(), 2.0, 3.0)]);
}

#[test]
fn there_is_no_before_and_after_without_a_flip_or_without_a_before() {
    let mut live = Live::default();
    says(&mut live, "a", Role::Writer, 0);
    measures(&mut live, "a", 1..=60, 1, 1.0);
    assert_eq!(LoadChange::of(&live.load, at(60)), Err(NoChange::NotMoved));
    goes_dark(&mut live, "a", 61);
    says(&mut live, "b", Role::Writer, 70);
    live.load.instances.clear();
    measures(&mut live, "b", 71..=100, 1, 1.0);
    assert_eq!(LoadChange::of(&live.load, at(100)), Err(NoChange::NothingBefore { seam: at(70) }));
}

#[test]
fn a_later_session_knows_the_seam_of_the_runs_failovers() {
    let mut live = Live::default();
    let names = Milestone {
        what: Moment::NamesWriter { instance: "b".into() },
        witness: None,
        after: SignedDuration::from_secs(12),
    };
    live.load.recall(&[FailoverMeasure {
        accepted_at: at(100),
        from: "a".into(),
        to: "b".into(),
        milestones: vec![names],
        disruption: None,
        unplanned: false,
    }]);
    says(&mut live, "b", Role::Writer, 500);
    assert_eq!(
        live.load.seams().iter().map(|held| (held.since, held.by.as_str())).collect::<Vec<_>>(),
        [(at(112), "b")]
    );
    measures(&mut live, "a", 50..=200, 1, 2.0);
    measures(&mut live, "b", 50..=200, 1, 9.0);
    assert_eq!(drawn(&live.load, Resolution::Seconds, (110, 114)), [(111, 2.0), (112, 2.0), (113, 9.0), (114, 9.0)]);
}
