//! Steps 3 and 6, and the levers on parameters, against the databases of the site.

use super::*;
use crate::runbook::check::Check;
use crate::runbook::event::{Finding, NoteKind, Way};
use crate::sim::pg::{self, Databases};
use crate::sim::world::aurora::Cluster;
use crate::sim::world::settings;

const SPEED: f64 = 200.0;
const PATCH: &str = "ModifyDBClusterParameterGroup";
const RESET: &str = "ResetDBClusterParameterGroup";
pub(super) const SLOW_LOG: &str = "log_min_duration_statement";

const SQL: &str = r#"
[partitions.sql]
database = "items"
user = "items"
tls = "disable"

[partitions.sql.password.secrets-manager]
id = "items"
key = "password"

[[steps]]
id = "dynamic"
label = "5"
title = "Dynamic"
kind = "verify-sql"

[steps.verify-sql]
settings = [
    { name = "log_min_duration_statement", is = "500ms" },
    { name = "log_statement", is = "ddl" },
    { name = "log_lock_waits", is = "on" },
]

[[steps]]
id = "static"
label = "6"
title = "Static"
kind = "verify-sql"

[steps.verify-sql]
settings = [
    { name = "shared_preload_libraries", contains = "pg_stat_statements" },
    { name = "max_connections", formula = "LEAST({DBInstanceClassMemory/9531392},5000)" },
]
"#;

/// A stage after the deploy: the group is attached, and live where `snag` lets it.
pub(super) async fn deployed(snag: impl FnOnce(&mut Cluster)) -> (Stage, Databases) {
    let text = config::MINIMAL.replace("name = \"dev\"", "name = \"stage\"") + SQL;
    let mut plan = config::load_text("minimal.toml", &text, None).expect("a plan");
    for step in &mut plan.partitions[0].steps {
        step.needs.clear();
        step.limit = Duration::from_secs(3);
    }
    let mut stage = Stage::with(plan, SPEED).await;
    let databases = pg::listen(stage.site.clone()).await.expect("databases");
    let mut partition = stage.run.plan.partitions[0].clone();
    if let Some(sql) = &mut partition.sql {
        sql.endpoint = Some(databases.writers[CLUSTER].to_string());
    }
    stage.tools = Arc::new(Tools::alone(stage.tools.aws.clone(), &partition));
    stage.run.plan.partitions[0] = partition;
    stage.site.change(|world| {
        let parameters = settings::rollout_parameters(&world.plan.partitions[0]);
        let cluster = &mut world.partitions[0].cluster;
        snag(cluster);
        cluster.group_parameters = cluster.synthesised(parameters);
        let group = cluster.rollout_group.clone();
        cluster.attach(&group);
        cluster.bring_up(READER);
        cluster.bring_up(WRITER);
    });
    (stage, databases)
}

fn withheld(says: &'static str) -> impl FnOnce(&mut Cluster) {
    move |cluster| {
        cluster.snags.withheld = [SLOW_LOG, "log_statement", "log_lock_waits"].map(str::to_owned).into();
        cluster.snags.says = says;
    }
}

pub(super) fn wrong(cluster: &mut Cluster) {
    cluster.snags.wrong.insert(SLOW_LOG.to_owned(), "-1".to_owned());
}

fn finding(outcome: &Outcome) -> &Finding {
    match outcome {
        Outcome::Failed { finding } => finding,
        other => panic!("{other:?}"),
    }
}

fn lever(lever: &str, choice: &str) -> Way {
    Way::Lever { lever: lever.into(), choice: Some(choice.to_owned()) }
}

#[tokio::test]
async fn what_is_right_passes_and_what_may_not_be_read_is_remarked() {
    let (mut stage, _databases) = deployed(|_| {}).await;
    assert_eq!(stage.fire("dynamic").await, Outcome::Passed);
    assert_eq!(stage.fire("static").await, Outcome::Passed);
    let remarks = &stage.last("static").remarks;
    assert_eq!(remarks[0].situation.as_deref(), Some("setting-unreadable"), "{remarks:?}");
    assert!(remarks[0].evidence[0].text.contains("42501"), "{remarks:?}");
}

#[tokio::test]
async fn a_value_that_the_group_has_wrong_is_patched_and_leaves_a_follow_up() {
    let (mut stage, _databases) = deployed(wrong).await;
    let outcome = stage.fire("dynamic").await;
    assert_eq!(situation(&outcome).0, Some("dynamic-one-wrong"), "{outcome:?}");
    assert_eq!(finding(&outcome).ways[0], lever("hot-patch", SLOW_LOG));
    let brief = stage.brief("hot-patch").await;
    assert_eq!(brief.choices[0].label, "log_min_duration_statement: -1 → 500, at once");
    assert!(brief.calls[0].command_line.contains("ParameterValue=500,ApplyMethod=immediate"), "{brief:?}");
    assert_eq!(stage.pull("hot-patch", SLOW_LOG).await, Outcome::Passed);
    let note = stage.run.notes.last().expect("a note");
    assert!(note.kind == NoteKind::FollowUp && note.text.contains("template"), "{note:?}");
    assert_eq!(stage.fire("dynamic").await, Outcome::Passed);
    assert_eq!(stage.changes(PATCH), 1);
    // Now there is nothing to patch any more.
    let brief = stage.brief("hot-patch").await;
    assert!(brief.preconditions.iter().any(|one| one.holds == crate::runbook::check::Holds::No), "{brief:?}");
}

#[tokio::test]
async fn values_that_do_not_come_are_told_apart_by_the_apply_status() {
    for (says, cause) in [("pending-reboot", "never passed them on"), ("in-sync", "in-sync, and its server still has")]
    {
        let (mut stage, _databases) = deployed(withheld(says)).await;
        let outcome = stage.fire("dynamic").await;
        let (name, words) = situation(&outcome);
        assert!(name == Some("dynamic-stuck") && words.contains(cause), "{outcome:?}");
        assert_eq!(finding(&outcome).ways, [lever("hot-patch", "all"), Way::RollBack]);
        assert_eq!(stage.pull("hot-patch", "all").await, Outcome::Passed);
        assert_eq!(stage.fire("dynamic").await, Outcome::Passed);
        assert_eq!(stage.changes(PATCH), 1);
    }
}

#[tokio::test]
async fn values_that_come_late_are_waited_for() {
    let (mut stage, _databases) = deployed(withheld("applying")).await;
    let running = stage.begin("dynamic", |_| {}).await;
    let is_late = |check: &Check| check.id.contains("log_statement") && check.verdict == Verdict::Settling;
    while !stage.last("dynamic").checks.iter().any(is_late) {
        assert!(!running.is_finished(), "it does not wait: {:?}", stage.last("dynamic"));
        tokio::time::sleep(Duration::from_millis(5)).await;
        stage.catch_up();
    }
    stage.site.change(|world| {
        let cluster = &mut world.partitions[0].cluster;
        cluster.snags.withheld.clear();
        [READER, WRITER].iter().for_each(|id| cluster.apply_dynamic(id));
    });
    assert_eq!(stage.end("dynamic", running).await, Outcome::Passed);
    let remarks = &stage.last("dynamic").remarks;
    assert_eq!(remarks[0].situation.as_deref(), Some("dynamic-late"), "{remarks:?}");
    assert!(remarks[0].evidence.iter().any(|one| one.text == "log_statement turned from none to ddl"), "{remarks:?}");
}

/// Proved by the library itself where the extension is there; the writer is rebooted.
#[tokio::test]
async fn a_writer_without_the_preload_is_rebooted() {
    let (mut stage, _databases) = deployed(|cluster| {
        cluster.extension_created = true;
        cluster.snags.misses.insert(WRITER.to_owned());
    })
    .await;
    let outcome = stage.fire("static").await;
    assert_eq!(situation(&outcome).0, Some("preload-missing"), "{outcome:?}");
    assert_eq!(finding(&outcome).ways[0], lever("reboot-instance", WRITER));
    assert_eq!(stage.pull("reboot-instance", WRITER).await, Outcome::Passed);
    assert_eq!(stage.fire("static").await, Outcome::Passed);
}

#[tokio::test]
async fn a_parameter_is_neutralised_by_rds_own_reset_once_the_snapshot_is_gone() {
    let (mut stage, _databases) = deployed(|_| {}).await;
    assert!(stage.run.gate(&of("neutralise")).is_err());
    stage.run.plan.partitions[0].steps.iter_mut().for_each(|step| step.limit = Duration::from_secs(30));
    assert_eq!(stage.fire("snapshot").await, Outcome::Passed);
    assert_eq!(stage.fire("delete-snapshot").await, Outcome::Passed);
    assert_eq!(stage.pull("neutralise", SLOW_LOG).await, Outcome::Passed);
    assert_eq!((stage.changes(RESET), stage.changes(PATCH)), (1, 0));
    let live = stage.site.read(|world| world.partitions[0].cluster.instances[0].live[SLOW_LOG].clone());
    assert_eq!(live, "-1");
}
