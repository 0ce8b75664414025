//! Step 8, where somebody else deploys and the step watches.

use kube::config::Kubeconfig;
use serde_json::json;

use super::*;
use crate::clients::kubernetes::Kubernetes;
use crate::runbook::plan::{DeployBy, DeploySpec, KubernetesTarget, StepKind};
use crate::sim::world::cloud::Secret;
use crate::sim::world::operations::{Chart, rollout};

const SPEED: f64 = 400.0;

/// The shipped chart's step, deployed by somebody else into `stage`.
fn plan(change: impl FnOnce(&mut DeploySpec)) -> Plan {
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
    plan.partitions[0].steps.push(step);
    plan
}

async fn stage(plan: Plan) -> Stage {
    let target = plan.partitions[0].kubernetes.clone().expect("a namespace");
    let stage = Stage::with(plan, SPEED).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("an address"));
    let router = crate::sim::kube::router(stage.site.clone(), "Example");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "Example", "context": { "cluster": "c", "user": "u" } }],
    }))
    .expect("a kubeconfig");
    let kubernetes = Kubernetes::of(kubeconfig, &target).await.expect("a client");
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
                pods.iter_mut().filter(|pod| pod.chart == Chart::after()).for_each(|pod| pod.restarts = 3);
            });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let outcome = stage.end("chart", running).await;
        assert_eq!(situation(&outcome).0, Some("pod-crash"), "{outcome:?}");
    }
}
