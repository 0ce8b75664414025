//! Failovers that nobody fired: caught on the simulated site by the watchers of an operator and of a monitor.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::app::banner::{Urgency, banner};
use crate::app::state::Pane;
use crate::runbook::event::{Action, ActionOutcome};
use crate::runbook::milestone::Moment;
use crate::runbook::plan::Plan;
use crate::runbook::witness::{Testimony, Witness, Word};
use crate::watch::sample::{ClusterView, MemberView, Reading, Role, Sample, Source, SqlView};
use crate::watch::tests::Stage;
use crate::watch::{Cadence, Pace};

const WRITER: &str = "alpha002-stage-auroraclusterwriter";
const READER: &str = "alpha002-stage-auroraclusterreader1";

fn watching(plan: &Plan, mode: Mode) -> State {
    let event = Event::RunStarted { run: RunId::new("run"), plan: Box::new(plan.clone()), simulated: true };
    let run = Run::begin(Record { seq: 1, at: Timestamp::now(), event }).expect("a run");
    State::new(run, mode, Timestamp::now())
}

/// Hands a sample over as the screen's loop does, and carries out what is to be written.
fn takes(state: &mut State, sample: &Sample) {
    update(state, Message::Tick(sample.at), ME);
    for effect in update(state, Message::Sample(Box::new(sample.clone())), ME) {
        let Effect::Record(event) = effect else { panic!("{effect:?}") };
        assert_eq!(state.mode, Mode::Operator, "a monitor writes nothing: {event:?}");
        state.run.admit(&event, sample.at).expect("the gate takes it");
        let record = Record { seq: state.run.seq + 1, at: sample.at, event: *event };
        assert_eq!(update(state, Message::Record(record), ME), []);
    }
}

/// Whether somebody near the writer says by this sample that not all is as it was; none if it is from nobody near it.
fn is_a_sign(sample: &Sample) -> Option<bool> {
    let of_stage = sample.partition.as_str() == "stage";
    let near = matches!(&sample.source, Source::SqlEndpoint | Source::Writes | Source::Api)
        || sample.source == Source::SqlInstance(WRITER.into());
    let as_before = |said: &Testimony| match &said.word {
        Word::Writer { instance, .. } => instance.as_str() == WRITER,
        Word::Status { healthy, .. } => *healthy,
        _ => false,
    };
    (of_stage && near).then(|| !sample.testimony().iter().all(as_before))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_that_nobody_fired_is_caught_with_its_first_sign_and_measured() {
    let mut stage = Stage::open(12.0, Cadence::only("stage".into(), Pace::Failover)).await;
    let plan = stage.plan();
    let mut operator = watching(&plan, Mode::Operator);
    let mut monitor = watching(&plan, Mode::Monitor(None));
    let feed = |operator: &mut State, monitor: &mut State, sample: &Sample| {
        takes(operator, sample);
        takes(monitor, sample);
    };
    // By everybody who gives a sign: where somebody was never heard to be well, no sign of theirs is the first.
    let known = |state: &State| {
        let lanes = &state.live["stage"].timeline.lanes;
        let itself = Witness::SqlInstance(WRITER.into());
        let near = [Witness::SqlEndpoint, Witness::Writes, Witness::ApiWriter, Witness::Dns, itself];
        let says_so = |word: &Word| matches!(word, Word::Writer { instance, .. } if instance.as_str() == WRITER);
        near.iter().all(|witness| lanes.get(witness).is_some_and(|lane| says_so(&lane.last.word)))
    };
    stage
        .until("the writer known", |sample| {
            feed(&mut operator, &mut monitor, sample);
            known(&monitor)
        })
        .await;
    stage.fail_over("stage", 12.0);

    // Since when each of them sees signs. A busy machine may make one of them miss an answer before; that is none.
    let mut signs: BTreeMap<Source, Timestamp> = BTreeMap::new();
    let named = stage
        .until("the failover caught", |sample| {
            match is_a_sign(sample) {
                Some(true) => {
                    signs.entry(sample.source.clone()).or_insert(sample.at);
                }
                Some(false) => {
                    signs.remove(&sample.source);
                }
                None => {}
            }
            feed(&mut operator, &mut monitor, sample);
            monitor.live["stage"].timeline.unplanned().is_some()
        })
        .await;
    // By the very first word of the new writer, and from the first sign of it.
    let names_new =
        |said: &Testimony| matches!(&said.word, Word::Writer { instance, .. } if instance.as_str() == READER);
    assert!(named.testimony().iter().any(names_new), "{named:?}");
    for state in [&operator, &monitor] {
        let zero = state.live["stage"].timeline.unplanned().expect("drawn");
        let first_sign = *signs.values().min().expect("a sign before it");
        let late = zero.at.duration_since(first_sign).abs();
        assert!(late <= SignedDuration::from_secs(1), "T=0 is at {}, the signs are {signs:#?}", zero.at);
        assert_eq!((zero.from.as_str(), zero.to.as_ref().map(|to| to.as_str())), (WRITER, Some(READER)));
        assert_eq!((banner(state).urgency, state.focus), (Urgency::Trouble, Pane::Timeline));
        assert!(banner(state).headline[1].text.contains("nobody fired it"));
        assert!(state.log.lines().any(|line| line.text.contains("unplanned failover")));
        assert_eq!(state.looked_at().0.name.as_str(), "stage");
    }
    let noticed = &operator.run.partition(&"stage".into()).expect("stage").failovers;
    assert!(noticed.len() == 1 && noticed[0].unplanned && noticed[0].milestones.is_empty(), "{noticed:?}");

    stage
        .until("its end", |sample| {
            feed(&mut operator, &mut monitor, sample);
            [&operator, &monitor].iter().all(|state| state.live["stage"].timeline.over.is_some())
        })
        .await;
    let kept = &operator.run.partition(&"stage".into()).expect("stage").failovers;
    let seen = &monitor.live["stage"].seen;
    for measured in [kept, seen] {
        let [measured] = measured.as_slice() else { panic!("{measured:?}") };
        assert!(measured.unplanned && measured.disruption.is_some(), "{measured:?}");
        let has = |wanted: fn(&Moment) -> bool| measured.milestones.iter().any(|milestone| wanted(&milestone.what));
        assert!(has(|moment| matches!(moment, Moment::FirstError { .. })), "{measured:?}");
        assert!(has(|moment| *moment == Moment::FirstGoodWrite), "{measured:?}");
        assert!(has(|moment| *moment == Moment::ClusterAvailable), "{measured:?}");
        assert!(has(|moment| *moment == Moment::InstancesAvailable), "{measured:?}");
        let names = |by: &Witness| {
            let named = |milestone: &&_| matches!(milestone, crate::runbook::event::Milestone { what: Moment::NamesWriter { .. }, witness: Some(witness), .. } if witness == by);
            measured.milestones.iter().filter(named).count()
        };
        for witness in [Witness::Dns, Witness::ApiWriter, Witness::SqlEndpoint, Witness::SqlInstance(READER.into())] {
            assert_eq!(names(&witness), 1, "{witness}: {measured:?}");
        }
    }
    assert!(!matches!(banner(&monitor).urgency, Urgency::Trouble));
    stage.close();
}

fn sample(source: Source, at: Timestamp, reading: Reading) -> Sample {
    Sample::new("dev".into(), source, at, Duration::from_millis(9), Ok(reading))
}

fn sql(instance: &str, at: Timestamp) -> Sample {
    let view = SqlView {
        instance: Some(instance.into()),
        role: Role::Writer,
        writer: Some(instance.into()),
        started: None,
        lag_ms: None,
        reconnected: false,
        write: None,
    };
    sample(Source::SqlEndpoint, at, Reading::Sql(view))
}

fn api(writer: &str, status: &str, at: Timestamp) -> Sample {
    let member = |id: &str| MemberView {
        id: id.into(),
        role: if id == writer { Role::Writer } else { Role::Reader },
        class: "db.t3.medium".into(),
        pending_class: None,
        status: "available".into(),
        group_status: "in-sync".into(),
        resource_id: "db-1".into(),
        insights: None,
        zone: None,
        endpoint: None,
    };
    let view = ClusterView {
        id: "c".into(),
        status: status.into(),
        parameter_group: "g".into(),
        insights_mode: None,
        writer: Some(writer.into()),
        endpoint: "c.cluster".into(),
        port: 5432,
        members: vec![member("a"), member("b")],
    };
    sample(Source::Api, at, Reading::Cluster(view))
}

fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn take(state: &mut State, sample: Sample) -> Vec<Effect> {
    state.now = sample.at;
    update(state, Message::Sample(Box::new(sample)), ME)
}

/// Our own failover moves the writer, even where the first word of it is faster than the answer to the call.
#[test]
fn what_was_fired_here_is_not_unplanned() {
    let mut state = operator();
    take(&mut state, sql("a", later(0)));
    passes(&mut state, "snapshot");
    passes(&mut state, "reader");
    happens(&mut state, attempt_started("failover"));
    let before = [("from".to_owned(), "a".to_owned()), ("to".to_owned(), "b".to_owned())].into();
    let call = Call { operation: "rds:FailoverDBCluster".into(), target: "t".into(), command_line: "aws rds x".into() };
    let action = Action { key: "fail over to b".into(), call, before };
    happens(&mut state, Event::Intent { step: of("failover"), attempt: 1, action });
    assert_eq!(take(&mut state, sql("b", later(1))), []);
    assert_eq!(state.live["dev"].timeline.zero, None);
    let (key, outcome) = ("fail over to b".to_owned(), ActionOutcome::Accepted { mark: None });
    happens(&mut state, Event::ActionSettled { step: of("failover"), attempt: 1, key, outcome });
    assert!(state.live["dev"].timeline.zero.as_ref().is_some_and(|zero| zero.fired));
    happens(&mut state, Event::AttemptEnded { step: of("failover"), attempt: 1, outcome: Outcome::Passed });
    // What moves afterwards is nobody's.
    let effects = take(&mut state, sql("a", later(300)));
    let [Effect::Record(event)] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(matches!(&**event, Event::FailoverNoticed { from, to, .. } if from.as_str() == "b" && to.as_str() == "a"));
}

/// Nothing of the run is fired, skipped or opened by it: the gate stands as it stood.
#[test]
fn an_unplanned_failover_opens_and_closes_no_step() {
    let mut state = operator();
    passes(&mut state, "snapshot");
    let gates = |state: &State| -> Vec<_> { state.run.references().map(|step| state.run.gate(&step)).collect() };
    let before = gates(&state);
    take(&mut state, sql("a", later(0)));
    let noticed = take(&mut state, sql("b", later(1)));
    let [Effect::Record(event)] = noticed.as_slice() else { panic!("{noticed:?}") };
    happens(&mut state, (**event).clone());
    assert_eq!(gates(&state), before);
    let failovers = &state.run.partitions[0].failovers;
    assert!(failovers.len() == 1 && failovers[0].unplanned, "{failovers:?}");
}

/// The operator's session noticed it as well: it is one failover, and what that session wrote down is what counts.
#[test]
fn a_monitor_that_follows_a_run_draws_it_once() {
    let mut state = State::new(run(), Mode::Monitor(None), now());
    take(&mut state, sql("a", later(0)));
    assert_eq!(take(&mut state, sql("b", later(10))), []);
    let zero = state.live["dev"].timeline.zero.clone();
    let noticed = Event::FailoverNoticed {
        partition: "dev".into(),
        zero: later(9),
        from: "a".into(),
        to: "b".into(),
        by: Witness::SqlEndpoint,
    };
    happens(&mut state, noticed);
    assert_eq!(state.live["dev"].timeline.zero, zero);
    for second in 11..15 {
        take(&mut state, sql("b", later(second)));
        take(&mut state, api("b", "available", later(second)));
    }
    assert!(state.live["dev"].timeline.over.is_some());
    assert_eq!(super::super::unplanned::measured(&state).len(), 1);
}

/// It is over only once the cluster is available and everybody has agreed three times, each time anew.
#[test]
fn it_is_over_when_everybody_agrees_and_the_cluster_is_available() {
    let mut state = State::new(run(), Mode::Monitor(None), now());
    take(&mut state, sql("a", later(0)));
    take(&mut state, sql("b", later(10)));
    let over = |state: &State| state.live["dev"].timeline.over.is_some();
    for (writer, status) in [("a", "available"), ("b", "failing-over"), ("b", "available")] {
        assert!(!over(&state));
        for _ in 0..3 {
            let at = state.now + SignedDuration::from_secs(1);
            take(&mut state, api(writer, status, at));
            take(&mut state, sql("b", at));
        }
    }
    assert!(over(&state));
}
