//! Step 5: the writer moves, once.

use super::*;

const FAILOVER: &str = "FailoverDBCluster";
const SPEED: f64 = 50.0;

fn writer(stage: &Stage) -> String {
    stage.site.read(|world| world.partitions[0].cluster.api_writer.clone())
}

#[tokio::test]
async fn the_writer_moves_and_is_witnessed() {
    let mut stage = Stage::open(SPEED).await;
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
    stage.assert_all_passed("failover");
    let measured = &stage.run.partitions[0].failovers;
    assert_eq!((measured.len(), measured[0].to.as_str()), (1, READER));
    assert!(measured[0].milestones.iter().any(|milestone| milestone.what.to_string().contains(READER)), "{measured:?}");
}

/// The API says `available` and names the old writer for seconds after the call: that is no success.
#[tokio::test]
async fn it_is_not_over_while_nothing_has_changed_yet() {
    let mut stage = Stage::open(SPEED).await;
    let running = stage.begin("failover", |_| {}).await;
    while stage.changes(FAILOVER) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(writer(&stage), WRITER);
    assert!(!running.is_finished());
    assert_eq!(stage.end("failover", running).await, Outcome::Passed);
    assert_eq!(writer(&stage), READER);
}

/// The session that takes it up finds the writer moved. Asked for the reader now, it would move the writer back.
#[tokio::test]
async fn taken_up_after_the_writer_moved_it_does_not_move_it_back() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("failover", FAILOVER, Fault::SilentAfter).await;
    let over = |world: &World| {
        world.partitions[0].cluster.status == "available" && world.partitions[0].cluster.api_writer == READER
    };
    while !stage.site.read(over) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.take_up("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
    assert_eq!(stage.settled("failover"), ["found done"]);
    // T=0 is when it was sent, not when it was found.
    let attempt = stage.last("failover");
    assert_eq!(stage.run.partitions[0].failovers[0].accepted_at, attempt.actions[0].at);
}

/// Nobody could say what became of it, and meanwhile the writer moved. Fired again by an operator who does not know, it
/// looks up the former call and leaves the writer where it is.
#[tokio::test]
async fn fired_again_after_an_unknown_end_it_does_not_move_the_writer_back() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("failover", FAILOVER, Fault::SilentAfter).await;
    stage.site.change(|world| world.accounts[0].signed_in = false);
    let attempt = stage.last("failover").clone();
    let running = tokio::spawn(super::super::run(stage.act(stage.look("failover"), attempt)));
    assert!(matches!(stage.end("failover", running).await, Outcome::Unknown { .. }));
    stage.site.change(|world| world.accounts[0].signed_in = true);
    let over = |world: &World| {
        let cluster = &world.partitions[0].cluster;
        cluster.status == "available" && cluster.api_writer == READER
    };
    while !stage.site.read(over) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let brief = stage.brief("failover").await;
    assert!(brief.already_done.is_some_and(|already| already.contains("moves the writer back")));
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
}

#[tokio::test]
async fn taken_up_in_its_middle_it_is_not_sent_again() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("failover", FAILOVER, Fault::SilentAfter).await;
    assert_eq!(stage.take_up("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
}

#[tokio::test]
async fn a_call_that_never_went_out_goes_out_once() {
    let mut stage = Stage::open(SPEED).await;
    stage.killed_in("failover", FAILOVER, Fault::SilentBefore).await;
    assert_eq!(stage.take_up("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
    assert_eq!(stage.settled("failover"), ["accepted"]);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_until_the_api_shows_it() {
    let mut stage = Stage::open(SPEED).await;
    stage.wire.breaks(FAILOVER, Fault::LostAfter);
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((stage.changes(FAILOVER), stage.settled("failover")), (1, vec!["found done"]));
}

#[tokio::test]
async fn a_call_lost_on_its_way_leaves_the_writer_and_is_left_to_the_operator() {
    let mut stage = Stage::open(SPEED).await;
    stage.wire.breaks(FAILOVER, Fault::LostBefore);
    let outcome = stage.fire("failover").await;
    assert_eq!(situation(&outcome).0, Some("network-lost"), "{outcome:?}");
    assert_eq!((stage.changes(FAILOVER), writer(&stage).as_str()), (0, WRITER));
    assert_eq!(stage.settled("failover"), ["found undone"]);
}

/// As on the night in demo: success was answered, and nothing happened.
#[tokio::test]
async fn a_failover_that_was_accepted_and_did_nothing_is_a_no_op() {
    let mut plan = plan();
    let failover = plan.partitions[0].steps.iter_mut().find(|step| step.id.as_str() == "failover");
    let failover = failover.expect("the failover");
    (failover.limit, failover.stuck_after) = (Duration::from_millis(700), Duration::from_millis(700));
    let mut stage = Stage::with(plan, SPEED).await;
    stage.wire.breaks(FAILOVER, Fault::Swallowed);
    let outcome = stage.fire("failover").await;
    assert_eq!(situation(&outcome).0, Some("failover-noop"), "{outcome:?}");
    assert_eq!((stage.changes(FAILOVER), stage.settled("failover")), (0, vec!["accepted"]));
    // The operator tries again, and this time it takes place.
    stage.wire.mend();
    let failover = stage.run.plan.partitions[0].steps.iter_mut().find(|step| step.id.as_str() == "failover");
    failover.expect("the failover").limit = Duration::from_secs(30);
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((stage.changes(FAILOVER), writer(&stage).as_str()), (1, READER));
}

/// Where RDS cannot be asked after the call, nobody says that nothing happened.
#[tokio::test]
async fn without_a_look_it_is_unknown_and_no_no_op() {
    let mut plan = plan();
    let failover = plan.partitions[0].steps.iter_mut().find(|step| step.id.as_str() == "failover");
    failover.expect("the failover").limit = Duration::from_millis(400);
    let mut stage = Stage::with(plan, SPEED).await;
    let running = stage.begin("failover", |_| {}).await;
    while stage.changes(FAILOVER) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stage.site.change(|world| world.accounts[0].signed_in = false);
    let outcome = stage.end("failover", running).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_ne!(situation(&outcome).0, Some("failover-noop"));
}

#[tokio::test]
async fn a_busy_cluster_refuses_and_the_writer_stays() {
    let mut stage = Stage::open(SPEED).await;
    let busy = |world: &mut World| "modifying".clone_into(&mut world.partitions[0].cluster.status);
    let outcome = stage.fire_while("failover", busy).await;
    assert_eq!(situation(&outcome).0, Some("failover-refused"), "{outcome:?}");
    assert_eq!(writer(&stage), WRITER);
}

#[tokio::test]
async fn a_reader_out_of_step_blocks_the_confirmation() {
    let stage = Stage::open(SPEED).await;
    stage.site.change(|world| {
        let reader = world.partitions[0].cluster.instance_mut(READER).expect("the reader");
        "pending-reboot".clone_into(&mut reader.group_status);
        reader.pending_class = Some("db.r7g.large".to_owned());
    });
    let brief = stage.brief("failover").await;
    let blocking = brief.preconditions.iter().filter(|each| each.holds == crate::runbook::check::Holds::No).count();
    assert_eq!(blocking, 2, "{:#?}", brief.preconditions);
}

/// What a name server says of the writer endpoint.
fn leads_to(instance: &str) -> crate::watch::Sample {
    use crate::watch::sample::{DnsView, Reading, Sample, Source};
    let view = DnsView {
        chain: vec!["endpoint".to_owned()],
        addresses: Vec::new(),
        leads_to: Some(instance.into()),
        ttl: Duration::from_secs(5),
    };
    Sample::new("stage".into(), Source::Dns, Timestamp::now(), Duration::ZERO, Ok(Reading::Dns(view)))
}

/// A failover after which the endpoint goes on leading to the old writer.
async fn stuck() -> (Stage, Outcome) {
    let mut plan = plan();
    let failover = plan.partitions[0].steps.iter_mut().find(|step| step.id.as_str() == "failover");
    failover.expect("the failover").stuck_after = Duration::from_millis(300);
    let mut stage = Stage::with(plan, SPEED).await;
    let running = stage.begin("failover", |_| {}).await;
    while !running.is_finished() {
        let _ = stage.samples.send(leads_to(WRITER));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let outcome = stage.end("failover", running).await;
    (stage, outcome)
}

#[tokio::test]
async fn an_endpoint_that_stays_behind_is_named_by_who_says_so_and_failed_back() {
    let (mut stage, outcome) = stuck().await;
    assert_eq!(situation(&outcome).0, Some("endpoint-stuck"), "{outcome:?}");
    let Outcome::Failed { finding } = &outcome else { panic!("{outcome:?}") };
    assert!(finding.evidence.iter().any(|each| each.source == "DNS" && each.text.contains("since T")), "{finding:?}");
    assert!(
        matches!(&finding.ways[0], crate::runbook::event::Way::Lever { lever, .. } if lever.as_str() == "fail-back")
    );
    assert_eq!(stage.fire("fail-back").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (WRITER, 2));
    // The step is fired again, and moves the writer as it did at first.
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 3));
}

#[tokio::test]
async fn a_writer_that_moved_before_is_looked_at_again_and_not_moved_back() {
    let (mut stage, _) = stuck().await;
    let brief = stage.brief("failover").await;
    assert!(brief.calls.is_empty() && brief.already_done.is_some(), "{brief:?}");
    assert_eq!(stage.fire("failover").await, Outcome::Passed);
    assert_eq!((writer(&stage).as_str(), stage.changes(FAILOVER)), (READER, 1));
}

#[tokio::test]
async fn a_call_that_may_still_act_is_not_followed_by_another() {
    let mut stage = Stage::open(SPEED).await;
    stage.wire.breaks(FAILOVER, Fault::Swallowed);
    let broken = |world: &mut World| {
        "inaccessible-encryption-credentials".clone_into(&mut world.partitions[0].cluster.status);
    };
    let outcome = stage.fire_while("failover", broken).await;
    assert_eq!(situation(&outcome).0, Some("cluster-terminal"), "{outcome:?}");
    stage.site.change(|world| "available".clone_into(&mut world.partitions[0].cluster.status));
    let brief = stage.brief("failover").await;
    let blocks = brief.preconditions.iter().find(|each| each.holds == crate::runbook::check::Holds::No);
    assert!(blocks.is_some_and(|each| each.text.contains("may still act")), "{:?}", brief.preconditions);
}

#[tokio::test]
async fn without_a_failover_there_is_nobody_to_fail_back_to() {
    let stage = Stage::open(SPEED).await;
    let brief = stage.brief("fail-back").await;
    assert!(brief.preconditions.iter().any(|each| each.text.contains("no former writer")), "{brief:?}");
}
