//! Step 1, the snapshot, and step 7, its deletion.

use super::*;
use crate::runbook::check::Holds;
use crate::runbook::plan::Window;

const CREATE: &str = "CreateDBClusterSnapshot";
const DELETE: &str = "DeleteDBClusterSnapshot";

fn snapshots(stage: &Stage) -> Vec<String> {
    stage.site.read(|world| {
        world.partitions[0].cluster.snapshots.iter().map(|each| format!("{} {}", each.id, each.status)).collect()
    })
}

#[tokio::test]
async fn a_snapshot_is_taken_and_deleted() {
    let mut stage = Stage::open(400.0).await;
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!(snapshots(&stage), ["example-stage-restart available"]);
    assert_eq!(stage.settled("snapshot"), ["accepted"]);
    stage.assert_all_passed("snapshot");
    assert_eq!(stage.fire("delete-snapshot").await, Outcome::Passed);
    assert!(snapshots(&stage).is_empty());
    assert_eq!((stage.changes(CREATE), stage.changes(DELETE)), (1, 1));
}

#[tokio::test]
async fn a_session_killed_after_the_site_acted_does_not_ask_again() {
    let mut stage = Stage::open(400.0).await;
    stage.killed_in("snapshot", CREATE, Fault::SilentAfter).await;
    assert_eq!(stage.settled("snapshot"), ["open"]);
    assert_eq!(stage.take_up("snapshot").await, Outcome::Passed);
    assert_eq!(stage.settled("snapshot"), ["found done"]);
    stage.killed_in("delete-snapshot", DELETE, Fault::SilentAfter).await;
    assert_eq!(stage.take_up("delete-snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.changes(DELETE)), (1, 1));
}

#[tokio::test]
async fn a_session_killed_before_the_site_acted_asks_once() {
    let mut stage = Stage::open(400.0).await;
    stage.killed_in("snapshot", CREATE, Fault::SilentBefore).await;
    assert_eq!(stage.changes(CREATE), 0);
    assert_eq!(stage.take_up("snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.settled("snapshot")), (1, vec!["accepted"]));
}

#[tokio::test]
async fn an_attempt_taken_up_the_next_morning_sends_nothing() {
    let mut stage = Stage::open(400.0).await;
    stage.killed_in("snapshot", CREATE, Fault::SilentBefore).await;
    let attempt = hours_ago(stage.last("snapshot"));
    let running = tokio::spawn(super::super::run(stage.act(stage.look("snapshot"), attempt)));
    let outcome = stage.end("snapshot", running).await;
    assert!(situation(&outcome).1.contains("its confirmation is too old"), "{outcome:?}");
    assert_eq!((stage.changes(CREATE), stage.settled("snapshot")), (0, vec!["found undone"]));
    // Confirmed anew, it goes out.
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!(stage.changes(CREATE), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let mut stage = Stage::open(400.0).await;
    stage.wire.breaks(CREATE, Fault::LostAfter);
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.settled("snapshot")), (1, vec!["found done"]));
    stage.wire.breaks(DELETE, Fault::LostAfter);
    assert_eq!(stage.fire("delete-snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(DELETE), stage.settled("delete-snapshot")), (1, vec!["found done"]));
}

#[tokio::test]
async fn a_call_lost_on_its_way_is_found_undone_and_left_to_the_operator() {
    let mut stage = Stage::open(400.0).await;
    stage.wire.breaks(CREATE, Fault::LostBefore);
    let outcome = stage.fire("snapshot").await;
    assert_eq!(situation(&outcome).0, Some("network-lost"), "{outcome:?}");
    assert_eq!((stage.changes(CREATE), stage.settled("snapshot")), (0, vec!["found undone"]));
    stage.wire.mend();
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.last("snapshot").number), (1, 2));
}

/// The answer is lost and RDS cannot be asked: nobody knows. The next attempt looks, and sends nothing.
#[tokio::test]
async fn what_stayed_unknown_is_looked_up_by_the_next_attempt() {
    let mut stage = Stage::open(400.0).await;
    stage.killed_in("snapshot", CREATE, Fault::SilentAfter).await;
    stage.site.change(|world| world.accounts[0].signed_in = false);
    let outcome = stage.take_up("snapshot").await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(stage.settled("snapshot"), ["unknown"]);
    stage.site.change(|world| world.accounts[0].signed_in = true);
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.last("snapshot").number), (1, 2));
    let first = &stage.run.step(&of("snapshot")).expect("a step").2.attempts[0];
    assert!(matches!(first.actions[0].outcome, Some(ActionOutcome::FoundDone { .. })), "{first:?}");
}

/// The same where it had not been done: looked up, settled, and sent by the new attempt.
#[tokio::test]
async fn what_stayed_unknown_and_was_not_done_is_sent_by_the_next_attempt() {
    let mut stage = Stage::open(400.0).await;
    stage.killed_in("snapshot", CREATE, Fault::SilentBefore).await;
    stage.site.change(|world| world.accounts[0].signed_in = false);
    assert!(matches!(stage.take_up("snapshot").await, Outcome::Unknown { .. }));
    stage.site.change(|world| world.accounts[0].signed_in = true);
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!((stage.changes(CREATE), stage.settled("snapshot")), (1, vec!["accepted"]));
}

/// A snapshot that came too late for its attempt is awaited by the next one, not refused as a stranger.
#[tokio::test]
async fn a_snapshot_that_took_longer_than_its_limit_is_awaited() {
    let mut plan = plan();
    plan.partitions[0].steps[0].limit = Duration::from_millis(200);
    let mut stage = Stage::with(plan, 400.0).await;
    let outcome = stage.fire("snapshot").await;
    assert_eq!(situation(&outcome).0, Some("snapshot-slow"), "{outcome:?}");
    stage.run.plan.partitions[0].steps[0].limit = Duration::from_secs(30);
    assert!(stage.brief("snapshot").await.already_done.is_some());
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!(stage.changes(CREATE), 1);
}

#[tokio::test]
async fn somebody_elses_snapshot_blocks_and_is_never_taken_for_ours() {
    let mut stage = Stage::open(400.0).await;
    let other = |world: &mut World| {
        world.create_snapshot(CLUSTER, "example-stage-restart", 400.0).expect("taken by somebody else");
    };
    // Between the confirmation and the call.
    let outcome = stage.fire_while("snapshot", other).await;
    assert_eq!(situation(&outcome).0, Some("snapshot-exists"), "{outcome:?}");
    assert_eq!(stage.settled("snapshot"), ["refused"]);
    // Before the confirmation it is said, and is no reason to lead nowhere: the refusal leads on to the lever.
    let brief = stage.brief("snapshot").await;
    let said = brief.preconditions.iter().find(|each| each.text.contains("exists already")).expect("it is said");
    assert_eq!((said.holds, brief.already_done), (Holds::Mind, None));
}

#[tokio::test]
async fn a_busy_cluster_is_waited_for_and_asked_again() {
    let mut stage = Stage::open(400.0).await;
    let busy = |world: &mut World| {
        "modifying".clone_into(&mut world.partitions[0].cluster.status);
        world.later_on_cluster(CLUSTER, 400.0, 400.0, |cluster| "available".clone_into(&mut cluster.status));
    };
    stage.run.plan.partitions[0].steps[0].retry_after = Duration::from_millis(200);
    assert_eq!(stage.fire_while("snapshot", busy).await, Outcome::Passed);
    let remarks: Vec<_> = stage.last("snapshot").remarks.iter().map(|each| each.situation.as_deref()).collect();
    assert_eq!((remarks, stage.changes(CREATE)), (vec![Some("cluster-busy")], 2));
    stage.assert_all_passed("snapshot");
}

#[tokio::test]
async fn the_operator_cuts_the_wait_for_a_busy_cluster_short() {
    let mut stage = Stage::open(400.0).await;
    stage.run.plan.partitions[0].steps[0].retry_after = Duration::from_secs(3600);
    let busy = |world: &mut World| "modifying".clone_into(&mut world.partitions[0].cluster.status);
    let running = stage.begin("snapshot", busy).await;
    while stage.last("snapshot").remarks.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stage.catch_up();
    }
    stage.site.change(|world| "available".clone_into(&mut world.partitions[0].cluster.status));
    // The remark is written a moment before the wait begins.
    let nudge = stage.nudge.clone();
    let nudging = tokio::spawn(async move {
        loop {
            nudge.notify_waiters();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(stage.end("snapshot", running).await, Outcome::Passed);
    nudging.abort();
}

/// The cluster is busy for longer than the step has patience: the operator decides.
#[tokio::test]
async fn a_cluster_that_stays_busy_ends_the_attempt() {
    let mut stage = Stage::open(400.0).await;
    let step = &mut stage.run.plan.partitions[0].steps[0];
    (step.retry_after, step.limit) = (Duration::from_millis(50), Duration::from_millis(200));
    let busy = |world: &mut World| "modifying".clone_into(&mut world.partitions[0].cluster.status);
    let outcome = stage.fire_while("snapshot", busy).await;
    assert_eq!(situation(&outcome).0, Some("cluster-busy"), "{outcome:?}");
    assert!(snapshots(&stage).is_empty());
}

#[tokio::test]
async fn a_strangers_snapshot_is_retaken_by_the_lever_and_the_step_then_knows_it_for_its_own() {
    let mut stage = Stage::open(400.0).await;
    stage.site.change(|world| {
        world.create_snapshot(CLUSTER, "example-stage-restart", 400.0).expect("taken by somebody else");
        world.partitions[0].cluster.snapshots[0].status = "available".to_owned();
    });
    let outcome = stage.fire("snapshot").await;
    assert_eq!(situation(&outcome).0, Some("snapshot-exists"), "{outcome:?}");
    let Outcome::Failed { finding } = &outcome else { panic!("{outcome:?}") };
    assert!(finding.evidence.iter().any(|each| each.source == "journal"), "{finding:?}");
    assert!(stage.brief("retake-snapshot").await.choices.is_empty());
    assert_eq!(stage.fire("retake-snapshot").await, Outcome::Passed);
    stage.assert_all_passed("retake-snapshot");
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    // One refused, one by the lever.
    assert_eq!((stage.changes(CREATE), stage.changes(DELETE)), (2, 1));
}

#[tokio::test]
async fn this_runs_own_snapshot_is_retaken_by_its_name_only() {
    let mut stage = Stage::open(400.0).await;
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    let outcome = stage.fire("retake-snapshot").await;
    assert!(situation(&outcome).1.contains("own insurance"), "{outcome:?}");
    assert_eq!(stage.changes(DELETE), 0);
    let choices = stage.brief("retake-snapshot").await.choices;
    assert_eq!(choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(), ["example-stage-restart"]);
}

/// A session that died between a refusal and its conclusion draws the conclusion; it does not try its luck again.
#[tokio::test]
async fn a_refusal_is_not_asked_for_again_by_a_new_session() {
    let mut stage = Stage::open(400.0).await;
    let busy = |world: &mut World| "modifying".clone_into(&mut world.partitions[0].cluster.status);
    let running = stage.begin("snapshot", busy).await;
    while stage.last("snapshot").remarks.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        stage.catch_up();
    }
    running.abort();
    let _ = running.await;
    stage.catch_up();
    assert_eq!(stage.settled("snapshot"), ["refused"]);
    stage.site.change(|world| "available".clone_into(&mut world.partitions[0].cluster.status));
    let outcome = stage.take_up("snapshot").await;
    assert_eq!(situation(&outcome).0, Some("cluster-busy"), "{outcome:?}");
    assert_eq!(stage.changes(CREATE), 1);
}

/// A night that runs late must be ended, and one that began early may have its reasons: it is minded, not refused.
#[tokio::test]
async fn what_is_fired_outside_the_window_is_minded() {
    let minutes = |minutes| Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
    for (from, to, holds, words) in [
        (10, 130, Holds::Mind, "outside its window: it opens "),
        (-10, 130, Holds::Yes, "within its window, "),
        (-10, 2, Holds::Mind, "its window closes at "),
        (-130, -10, Holds::Mind, "outside its window: it closed "),
    ] {
        let mut plan = plan();
        plan.partitions[0].window = Some(Window { from: minutes(from), to: minutes(to) });
        let stage = Stage::with(plan, 400.0).await;
        let preconditions = stage.brief("snapshot").await.preconditions;
        let said: Vec<_> = preconditions.iter().filter(|each| each.text.contains("window")).collect();
        let [said] = said[..] else { panic!("{preconditions:?}") };
        assert!(said.text.starts_with(words) && said.holds == holds, "{said:?}");
        // What sends nothing is not held against it.
        assert!(stage.brief("go-ahead").await.preconditions.iter().all(|each| !each.text.contains("window")));
    }
}
