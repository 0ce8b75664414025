#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use super::*;
use crate::journal::lock::{OperatorLock, Owner};
use crate::sim::kube::router;
use crate::sim::testing;
use crate::sim::world::Site;
use crate::sim::world::cloud::Secret;
use crate::sim::world::operations::Chart;
use crate::sim::world::operations::rollout::upgrade;

fn target() -> KubernetesTarget {
    KubernetesTarget { context: "Alpha002".into(), namespace: "dev-operations".into() }
}

/// The API of one infrastructure of a simulated site, `speed` times as fast as the log.
async fn cluster(speed: f64) -> (Kubernetes, Arc<Site>) {
    let site = testing::site(speed);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = router(Arc::clone(&site), "Alpha002");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (Kubernetes::of(kubeconfig(&server), &target()).await.unwrap(), site)
}

fn kubeconfig(server: &str) -> Kubeconfig {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "Alpha002", "context": { "cluster": "c", "user": "u" } }],
    }))
    .unwrap()
}

fn controls() -> (Controls, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Controls::take(OperatorLock::take(directory.path(), Owner::here("tester")).unwrap()), directory)
}

#[tokio::test]
async fn the_namespace_is_read_and_a_missing_one_is_none() {
    let (kubernetes, _site) = cluster(1.0).await;
    let namespace = kubernetes.namespace().await.unwrap().unwrap();
    assert_eq!((namespace.name.as_str(), namespace.phase.as_str()), ("dev-operations", "Active"));
    assert!(namespace.created.unwrap() < Timestamp::now());
    let elsewhere = Kubernetes { target: KubernetesTarget { namespace: "no-such".into(), ..target() }, ..kubernetes };
    assert_eq!(elsewhere.namespace().await.unwrap(), None);
    assert_eq!(elsewhere.deployment("operations").await.unwrap(), None);
    assert_eq!(elsewhere.pods("app=operations").await.unwrap(), []);
}

#[tokio::test]
async fn pods_are_read_with_their_containers() {
    let (kubernetes, _site) = cluster(1.0).await;
    let pods = kubernetes.pods("app=operations").await.unwrap();
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        assert_eq!((pod.status().as_str(), pod.ready, pod.restarts()), ("Running", true, 0));
        assert_eq!(pod.init.len(), 6);
        assert!(pod.init.iter().all(|init| init.exit_code() == Some(0)), "{:?}", pod.init);
        let container = pod.container("operations").unwrap();
        assert!(container.image.ends_with("operations:2.23.0"), "{}", container.image);
        assert!(container.started().unwrap() <= Timestamp::now());
        assert_eq!(container.variable("SENTRY_ENVIRONMENT").unwrap().origin, VariableOrigin::Literal);
        assert_eq!(container.variable("SENTRY_DSN"), None);
    }
    assert_eq!(kubernetes.pods("app=something-else").await.unwrap(), []);
    let lines = kubernetes.logs(&pods[0].name, "operations", 5).await.unwrap();
    assert!(!lines.is_empty() && lines.len() <= 5, "{lines:?}");
    let trouble = kubernetes.logs("no-such-pod", "operations", 5).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::NotFound);
}

#[tokio::test]
async fn a_restart_is_marked_and_rolls_out() {
    let (controls, _directory) = controls();
    let (kubernetes, _site) = cluster(500.0).await;
    let before = kubernetes.deployment("operations").await.unwrap().unwrap();
    assert!(before.is_rolled_out(), "{before:?}");
    assert_eq!(before.restarted_at, None);
    let old: Vec<String> = names(&kubernetes).await;

    let at = Timestamp::now();
    kubernetes.rollout_restart(&controls, "operations", at).await.unwrap();
    let after = kubernetes.deployment("operations").await.unwrap().unwrap();
    assert_eq!(after.restarted_at, Some(at.to_string()));
    assert!(after.generation > before.generation);
    let new = until(async || {
        let deployment = kubernetes.deployment("operations").await.unwrap().unwrap();
        let now = names(&kubernetes).await;
        (deployment.is_rolled_out() && now.iter().all(|name| !old.contains(name))).then_some(now)
    })
    .await;
    assert_eq!(new.len(), old.len());
}

async fn names(kubernetes: &Kubernetes) -> Vec<String> {
    kubernetes.pods("app=operations").await.unwrap().into_iter().map(|pod| pod.name).collect()
}

#[tokio::test]
async fn an_upgrade_brings_the_secret_and_pods_that_have_it() {
    let (kubernetes, site) = cluster(500.0).await;
    assert_eq!(kubernetes.secret_created("be-sentry-dsn").await.unwrap(), None);
    assert_eq!(kubernetes.external_secret("be-sentry-dsn").await.unwrap(), None);
    site.change(|world| {
        let account = world.accounts.iter_mut().find(|account| account.infrastructure == "Alpha002").unwrap();
        let secret = Secret {
            name: "Alpha002-SentryDsn".into(),
            value: "https://a1@o1.ingest.sentry.io/1".into(),
            created: Timestamp::now(),
        };
        account.secrets.push(secret);
        // The new initializer needs the module that only a restarted writer has.
        for instance in &mut world.partition("dev").unwrap().cluster.instances {
            instance.live.insert("shared_preload_libraries".into(), "pg_stat_statements".into());
        }
        upgrade(world, "dev", Chart::after(), 500.0).unwrap();
    });
    let pods = until(async || {
        let deployment = kubernetes.deployment("operations").await.unwrap().unwrap();
        let pods = kubernetes.pods("app=operations").await.unwrap();
        let settled =
            pods.iter().all(|pod| pod.ready && pod.container("operations").unwrap().image.ends_with(":2.24.0"));
        (deployment.is_rolled_out() && settled && pods.len() == 2).then_some(pods)
    })
    .await;
    let created = kubernetes.secret_created("be-sentry-dsn").await.unwrap().unwrap();
    let external = kubernetes.external_secret("be-sentry-dsn").await.unwrap().unwrap();
    assert_eq!((external.ready, external.reason.as_deref()), (Some(true), Some("SecretSynced")));
    for pod in pods {
        assert!(pod.init.iter().all(|init| init.image.ends_with("postgres-database-initializer:2.5.0")), "{pod:?}");
        let container = pod.container("operations").unwrap();
        assert!(container.started().is_some(), "{container:?} {created}");
        let origin = &container.variable("SENTRY_DSN").unwrap().origin;
        assert!(matches!(origin, VariableOrigin::Secret { name, .. } if name == "be-sentry-dsn"), "{origin:?}");
    }
}

/// Looks until there is something to see.
async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(std::time::Instant::now() < deadline, "it never came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn an_external_secrets_condition_is_read() {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "external-secrets.io/v1beta1", "kind": "ExternalSecret", "metadata": { "name": "be-sentry-dsn" },
        "status": {
            "refreshTime": "2026-05-15T01:08:00Z",
            "conditions": [{ "type": "Ready", "status": "False", "reason": "SecretSyncedError", "message": "could not\nget" }],
        },
    }))
    .unwrap();
    let view = parse::external_secret(&object);
    assert_eq!((view.ready, view.reason.as_deref()), (Some(false), Some("SecretSyncedError")));
    assert_eq!(view.message.as_deref(), Some("could not get"));
    assert_eq!(view.refreshed, Some("2026-05-15T01:08:00Z".parse().unwrap()));
}

#[tokio::test]
async fn a_missing_context_and_a_cluster_that_is_not_there_are_not_reached() {
    let (controls, _directory) = controls();
    let elsewhere = KubernetesTarget { context: "Alpha009".into(), ..target() };
    let trouble = Kubernetes::of(kubeconfig("http://127.0.0.1:9"), &elsewhere).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable);
    assert!(trouble.message.contains("Alpha009"), "{trouble}");
    let kubernetes = Kubernetes::of(kubeconfig("http://127.0.0.1:9"), &target()).await.unwrap();
    let trouble = kubernetes.rollout_restart(&controls, "operations", Timestamp::now()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
}

#[test]
fn the_call_is_what_kubectl_would_do() {
    let call = rollout_restart_call(&target(), "operations");
    assert_eq!(call.command_line, "kubectl --context Alpha002 -n dev-operations rollout restart deployment/operations");
    assert_eq!(call.target, "Alpha002 · dev-operations");
}
