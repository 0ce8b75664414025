//! Step 8, where somebody else deploys and the step watches.

use kube::config::Kubeconfig;
use serde_json::json;

use super::*;
use crate::clients::kubernetes::Kubernetes;
use crate::runbook::event::Way;
use crate::runbook::lever::Lever;
use crate::runbook::plan::{DeployBy, DeploySpec, KubernetesTarget, StepKind};
use crate::sim::world::cloud::Secret;
use crate::sim::world::operations::{Chart, Ended, rollout};

const SPEED: f64 = 400.0;

/// The shipped chart's step, deployed by somebody else into `stage`.
pub(super) fn plan(change: impl FnOnce(&mut DeploySpec)) -> Plan {
    let (name, text) = config::SHIPPED;
    let shipped = config::load_text(name, text, None).expect("the shipped plan");
    let steps = shipped.partitions.into_iter().flat_map(|partition| partition.steps);
    let mut step = steps.into_iter().find(|step| matches!(step.kind, StepKind::Deploy(_))).expect("a deploy");
    step.needs.clear();
    step.limit = Duration::from_secs(20);
    if let StepKind::Deploy(spec) = &mut step.kind {
        spec.by = DeployBy::Elsewhere { who: "the CI workflow".into() };
        change(spec);
    }
    let mut plan = super::plan();
    let target = KubernetesTarget { context: "Example".into(), namespace: "stage-operations".into() };
    plan.partitions[0].kubernetes = Some(target);
    step.retry_after = Duration::from_millis(400);
    plan.partitions[0].steps.push(step);
    // What follows from a file that deploys: the same lever as in any other.
    let mut lever = plan.partitions[0].levers[0].clone();
    lever.kind = StepKind::Lever(Lever::RolloutRestart { deployment: "operations".into() });
    lever.id = "rollout-restart".into();
    lever.limit = Duration::from_secs(20);
    plan.partitions[0].levers.push(lever);
    plan
}

pub(super) async fn stage(plan: Plan) -> Stage {
    with_patience(plan, Duration::from_secs(20)).await
}

/// A site with Kubernetes, and a client that has this patience with its answers.
pub(super) async fn with_patience(plan: Plan, patience: Duration) -> Stage {
    let target = plan.partitions[0].kubernetes.clone().expect("a namespace");
    let stage = Stage::with(plan, SPEED).await;
    let router = crate::sim::kube::router(stage.site.clone(), "Example");
    let server = format!("http://{}", serve(&stage.site, router, Server::Kubernetes("Example".into())).await);
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "Example", "context": { "cluster": "c", "user": "u" } }],
    }))
    .expect("a kubeconfig");
    let kubernetes = Kubernetes::with_patience(kubeconfig, &target, patience).await.expect("a client");
    stage.with_kubernetes(kubernetes)
}

/// Somebody deploys the new chart.
fn deploy(world: &mut World) {
    world.accounts[0].secrets.push(Secret {
        name: "Example-SentryDsn".into(),
        value: "https://a1@o1.ingest.sentry.io/1".into(),
        created: Timestamp::now(),
    });
    for instance in &mut world.partitions[0].cluster.instances {
        instance.live.insert("shared_preload_libraries".into(), "pg_stat_statements".into());
    }
    rollout::upgrade(world, "stage", Chart::after(), SPEED).expect("a revision");
}

/// The old pods are rolled out and healthy: that says nothing of a chart that has not come yet.
#[tokio::test]
async fn the_former_chart_is_no_success() {
    let mut stage = stage(plan(|_| {})).await;
    let running = stage.begin("chart", |_| {}).await;
    let seen = |stage: &mut Stage| {
        stage.catch_up();
        stage.last("chart").checks.iter().any(|check| check.id == "rollout" && check.verdict == Verdict::Passed)
    };
    while !seen(&mut stage) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(PAUSE * 4).await;
    assert!(!running.is_finished());
    stage.site.change(deploy);
    assert_eq!(stage.end("chart", running).await, Outcome::Passed);
    stage.assert_all_passed("chart");
}

/// Pods that are about to leave may have a past.
#[tokio::test]
async fn restarts_of_the_former_pods_are_no_crash_of_the_new_ones() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(|world| world.partitions[0].operations.pods.iter_mut().for_each(|pod| pod.restarts = 7));
    let running = stage.begin("chart", |_| {}).await;
    tokio::time::sleep(PAUSE * 4).await;
    assert!(!running.is_finished());
    stage.site.change(deploy);
    assert_eq!(stage.end("chart", running).await, Outcome::Passed);
}

/// Whether or not the rollout file names an environment variable to look for.
#[tokio::test]
async fn new_pods_that_do_not_stay_up_are_a_crash() {
    for environment in [Some("SENTRY_DSN".to_owned()), None] {
        let mut stage = stage(plan(|spec| spec.environment = environment)).await;
        let running = stage.begin("chart", deploy).await;
        for _ in 0..2000 {
            if running.is_finished() {
                break;
            }
            stage.site.change(|world| {
                let pods = &mut world.partitions[0].operations.pods;
                for pod in pods.iter_mut().filter(|pod| pod.chart == Chart::after()) {
                    let now = Timestamp::now();
                    pod.restarts = 3;
                    pod.last = Some(Ended { started: now, finished: now, code: 1 });
                }
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let outcome = stage.end("chart", running).await;
        assert_eq!(situation(&outcome).0, Some("pod-crash"), "{outcome:?}");
    }
}

/// The step goes on with what somebody else deployed, says so, and holds it against the same checks.
#[tokio::test]
async fn what_somebody_else_deployed_is_remarked() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(deploy);
    assert_eq!(stage.fire("chart").await, Outcome::Passed);
    assert_eq!(remarks(&stage), ["deployed-elsewhere"]);
}

fn remarks(stage: &Stage) -> Vec<&str> {
    stage.last("chart").remarks.iter().filter_map(|remark| remark.situation.as_deref()).collect()
}

/// Every way that a finding offers, by its name.
fn ways(outcome: &Outcome) -> Vec<String> {
    let finding = outcome.finding().expect("a finding");
    let name = |way: &Way| match way {
        Way::Lever { lever, .. } => lever.to_string(),
        Way::Back { step } => format!("back to {step}"),
        Way::Again { .. } => "again".to_owned(),
        other => format!("{other:?}"),
    };
    finding.ways.iter().map(name).collect()
}

/// The sources of an outcome's evidence.
fn sources(outcome: &Outcome) -> Vec<&str> {
    outcome.finding().expect("a finding").evidence.iter().map(|evidence| evidence.source.as_str()).collect()
}

#[tokio::test]
async fn an_init_container_without_the_preload_is_told_by_its_log_and_by_a_fresh_look_at_the_writer() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(|world| {
        deploy(world);
        for instance in &mut world.partitions[0].cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), String::new());
        }
    });
    let outcome = stage.fire("chart").await;
    assert_eq!(situation(&outcome).0, Some("init-preload"), "{outcome:?}");
    assert_eq!(sources(&outcome), ["kubernetes:ListPods", "kubernetes:GetPodLog", "rds:DescribeDBClusters"]);
}

#[tokio::test]
async fn an_extension_of_long_ago_is_no_fault_of_the_rollouts_and_heals_once_it_is_mended() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(staged(Situation::InitExtension, SPEED));
    stage.site.change(deploy);
    let outcome = stage.fire("chart").await;
    assert_eq!(situation(&outcome).0, Some("init-extension"), "{outcome:?}");
    assert_eq!(ways(&outcome), ["again"]);
    stage.site.change(|world| world.remedied(Situation::InitExtension, "stage"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.fire("chart").await, Outcome::Passed, "a failure of before says nothing of now");
}

#[tokio::test]
async fn pods_older_than_their_secret_are_told_by_start_times_and_mended_by_a_restart() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(staged(Situation::PodsBeforeSecret, SPEED));
    stage.site.change(deploy);
    let outcome = stage.fire("chart").await;
    assert_eq!(situation(&outcome).0, Some("pods-before-secret"), "{outcome:?}");
    assert_eq!(ways(&outcome), ["rollout-restart", "again"]);
    assert_eq!(stage.fire("rollout-restart").await, Outcome::Passed);
    stage.assert_all_passed("rollout-restart");
    assert_eq!(stage.site.ledger.calls("kubernetes", "patch deployments"), 1);
    assert_eq!(stage.fire("chart").await, Outcome::Passed);
}

#[tokio::test]
async fn an_application_without_its_secret_goes_on_with_a_warning() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(staged(Situation::SecretNotSynced, SPEED));
    stage.site.change(deploy);
    let outcome = stage.fire("chart").await;
    let Outcome::PassedWithWarnings { warnings } = &outcome else { panic!("{outcome:?}") };
    assert!(warnings[0].contains("SecretSyncedError"), "{warnings:?}");
    assert_eq!(remarks(&stage), ["secret-not-synced", "deployed-elsewhere"]);
    let warned =
        |id: &str| stage.last("chart").checks.iter().any(|check| check.id == id && check.verdict == Verdict::Warning);
    assert!(["environment", "external-secret", "log"].into_iter().all(warned));
}

#[tokio::test]
async fn a_cold_pool_is_waited_out() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(staged(Situation::PoolCold, SPEED));
    stage.site.change(deploy);
    assert_eq!(stage.fire("chart").await, Outcome::Passed);
    assert_eq!(remarks(&stage), ["pool-cold", "deployed-elsewhere"]);
}

/// A log is of one run: what failed is said by the run before, not by the one that has begun since.
#[tokio::test]
async fn a_crash_is_told_by_the_run_that_failed() {
    let mut stage = stage(plan(|_| {})).await;
    stage.site.change(staged(Situation::PodCrash, SPEED));
    stage.site.change(deploy);
    let outcome = stage.fire("chart").await;
    assert_eq!(situation(&outcome).0, Some("pod-crash"), "{outcome:?}");
    let said = &outcome.finding().expect("a finding").evidence;
    assert!(said.iter().any(|evidence| evidence.text.contains("exit code 1")), "{said:?}");
    assert!(said.iter().any(|evidence| evidence.text.contains("IllegalStateException")), "{said:?}");
}
