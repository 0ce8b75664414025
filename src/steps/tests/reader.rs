//! Step 4, the reader, and step 5b, the demoted writer.

use super::*;
use crate::runbook::check::Holds;
use crate::runbook::event::{Finding, Way};

const REBOOT: &str = "RebootDBInstance";
const MODIFY: &str = "ModifyDBInstance";
const SPEED: f64 = 200.0;

fn queue(id: &'static str) -> impl FnOnce(&mut World) {
    move |world| {
        let instance = world.partitions[0].cluster.instance_mut(id).expect("an instance");
        instance.pending_class = Some("db.r7g.large".to_owned());
    }
}

fn pending_reboot(world: &mut World) {
    let reader = world.partitions[0].cluster.instance_mut(READER).expect("the reader");
    "pending-reboot".clone_into(&mut reader.group_status);
}

fn class(stage: &Stage, id: &str) -> String {
    stage.site.read(|world| world.partitions[0].cluster.instance(id).expect("an instance").class.clone())
}

#[tokio::test]
async fn a_reader_with_nothing_queued_is_rebooted() {
    let mut stage = Stage::open(SPEED).await;
    stage.site.change(pending_reboot);
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(REBOOT), stage.changes(MODIFY)), (1, 0));
    stage.assert_all_passed("reader");
    assert_eq!(stage.last("reader").actions[0].action.before["instance"], READER);
}

#[tokio::test]
async fn a_reader_with_a_queued_class_is_flushed_and_its_swap_is_awaited() {
    let mut stage = Stage::open(2.0 * SPEED).await;
    stage.site.change(queue(READER));
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(REBOOT), stage.changes(MODIFY)), (0, 1));
    assert_eq!((class(&stage, READER).as_str(), class(&stage, WRITER).as_str()), ("db.r7g.large", "db.t3.medium"));
    stage.assert_all_passed("reader");
}

#[tokio::test]
async fn a_reboot_is_not_repeated_by_the_session_that_takes_it_up() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("reader", REBOOT, Fault::SilentAfter).await;
    assert_eq!(stage.take_up("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(REBOOT), stage.settled("reader")), (1, vec!["found done"]));
}

#[tokio::test]
async fn a_reboot_that_never_went_out_goes_out_once() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("reader", REBOOT, Fault::SilentBefore).await;
    assert_eq!(stage.take_up("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(REBOOT), stage.settled("reader")), (1, vec!["accepted"]));
}

#[tokio::test]
async fn a_reboot_whose_answer_is_lost_is_found_by_its_restart() {
    let mut stage = Stage::open(SPEED).await;
    stage.wire.breaks(REBOOT, Fault::LostAfter);
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(REBOOT), stage.settled("reader")), (1, vec!["found done"]));
}

#[tokio::test]
async fn a_reboot_lost_on_its_way_is_found_undone() {
    let mut stage = Stage::open(SPEED).await;
    stage.wire.breaks(REBOOT, Fault::LostBefore);
    let outcome = stage.fire("reader").await;
    assert_eq!(situation(&outcome).0, Some("network-lost"), "{outcome:?}");
    assert_eq!((stage.changes(REBOOT), stage.settled("reader")), (0, vec!["found undone"]));
}

#[tokio::test]
async fn a_flush_is_not_repeated_although_its_queue_stays_for_a_while() {
    // Slow enough that the queue stays longer than a restart would need to show.
    let mut stage = Stage::open(SPEED / 2.0).await;
    stage.site.change(queue(READER));
    stage.wire.breaks(MODIFY, Fault::LostAfter);
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!((stage.changes(MODIFY), stage.settled("reader")), (1, vec!["found done"]));
    assert_eq!(class(&stage, READER), "db.r7g.large");
}

#[tokio::test]
async fn a_busy_reader_refuses() {
    let mut stage = Stage::open(SPEED).await;
    let busy = |world: &mut World| world.partitions[0].cluster.set_status(READER, "modifying");
    let outcome = stage.fire_while("reader", busy).await;
    assert_eq!(situation(&outcome).0, Some("cluster-busy"), "{outcome:?}");
}

/// After a failover it is the writer of before that is flushed, and nobody else.
#[tokio::test]
async fn the_demoted_writer_is_flushed() {
    let mut stage = Stage::open(2.0 * SPEED).await;
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    stage.site.change(queue(WRITER));
    let brief = stage.brief("flush").await;
    assert!(brief.what.contains(WRITER), "{}", brief.what);
    assert_eq!(stage.fire("flush").await, Outcome::Passed);
    assert_eq!((stage.changes(MODIFY), class(&stage, WRITER).as_str()), (1, "db.r7g.large"));
}

#[tokio::test]
async fn nothing_queued_on_the_demoted_writer_is_nothing_to_do() {
    let mut stage = Stage::open(2.0 * SPEED).await;
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!(stage.fire("flush").await, Outcome::Passed);
    assert_eq!((stage.changes(MODIFY), stage.changes(REBOOT)), (0, 0));
}

/// Where the writer was not demoted after all, flushing it would restart the writer.
#[tokio::test]
async fn a_writer_that_was_not_demoted_is_not_flushed() {
    let mut stage = Stage::open(2.0 * SPEED).await;
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    // Somebody failed back by hand.
    stage.site.change(|world| world.failover(CLUSTER, Some(WRITER), 2.0 * SPEED).expect("failed back"));
    let back = |world: &World| world.partitions[0].cluster.api_writer == WRITER;
    while !stage.site.read(back) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let brief = stage.brief("flush").await;
    assert!(brief.preconditions.iter().any(|each| each.holds == crate::runbook::check::Holds::No), "{brief:?}");
    assert!(brief.calls.is_empty());
}

fn impatient() -> Plan {
    patient_for(Duration::from_millis(300))
}

fn patient_for(time: Duration) -> Plan {
    let mut plan = plan();
    for step in &mut plan.partitions[0].steps {
        step.stuck_after = time;
    }
    plan
}

fn finding(outcome: &Outcome) -> &Finding {
    match outcome {
        Outcome::Failed { finding } => finding,
        other => panic!("{other:?}"),
    }
}

/// The next attempt waits for the reboot of the one before; its evidence is what RDS tells.
#[tokio::test]
async fn a_reader_that_hangs_is_not_rebooted_again() {
    let mut stage = Stage::with(impatient(), SPEED).await;
    stage.site.change(staged(Situation::ReaderStuck, SPEED));
    let outcome = stage.fire("reader").await;
    assert_eq!(situation(&outcome).0, Some("reader-stuck"), "{outcome:?}");
    assert!(finding(&outcome).evidence.iter().any(|one| one.source == "rds:DescribeEvents"), "{outcome:?}");
    let brief = stage.brief("reader").await;
    assert!(brief.calls.is_empty() && brief.already_done.is_some(), "{brief:?}");
    stage.site.change(|world| world.partitions[0].cluster.set_status(READER, "available"));
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!(stage.changes(REBOOT), 1);
}

/// One retry is offered; then the way back alone.
#[tokio::test]
async fn a_reader_that_stays_pending_is_tried_once_more() {
    // Longer than an ordinary reboot takes here.
    let mut stage = Stage::with(patient_for(Duration::from_secs(2)), SPEED).await;
    let stays = |world: &mut World| {
        let cluster = &mut world.partitions[0].cluster;
        let group = cluster.rollout_group.clone();
        cluster.group_parameters = crate::sim::world::settings::rollout_parameters(&world.plan.partitions[0]);
        cluster.attach(&group);
        cluster.snags.misses.insert(READER.to_owned());
    };
    let first = stage.fire_while("reader", stays).await;
    assert_eq!(situation(&first).0, Some("reader-pending-reboot"), "{first:?}");
    assert!(matches!(finding(&first).ways[..], [Way::Again { .. }, Way::RollBack]), "{first:?}");
    let is_pending = |world: &World| {
        let reader = world.partitions[0].cluster.instance(READER);
        reader.is_some_and(|reader| reader.group_status == "pending-reboot" && reader.status == "available")
    };
    while !stage.site.read(is_pending) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let misses = |world: &mut World| {
        world.partitions[0].cluster.snags.misses.insert(READER.to_owned());
    };
    let second = stage.fire_while("reader", misses).await;
    assert_eq!(finding(&second).ways, [Way::RollBack]);
    assert_eq!(stage.fire("reader").await, Outcome::Passed);
    assert_eq!(stage.changes(REBOOT), 3);
}

#[tokio::test]
async fn an_instance_is_rebooted_and_flushed_by_lever_and_only_one_that_is_offered() {
    let mut stage = Stage::open(2.0 * SPEED).await;
    let brief = stage.brief("reboot-instance").await;
    assert_eq!(brief.choices.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [READER, WRITER]);
    assert!(brief.choices[1].label.contains("writes fail"), "{brief:?}");
    let outcome = stage.pull("reboot-instance", "somebody-else").await;
    assert!(finding(&outcome).situation.is_none(), "{outcome:?}");
    assert_eq!(stage.changes(REBOOT), 0);
    assert_eq!(stage.pull("reboot-instance", WRITER).await, Outcome::Passed);
    assert_eq!(stage.changes(REBOOT), 1);
    let nothing = stage.brief("flush-instance").await;
    assert!(nothing.preconditions.iter().any(|one| one.holds == Holds::No), "{nothing:?}");
    stage.site.change(queue(READER));
    assert_eq!(stage.pull("flush-instance", READER).await, Outcome::Passed);
    assert_eq!((stage.changes(MODIFY), class(&stage, READER).as_str()), (1, "db.r7g.large"));
}
