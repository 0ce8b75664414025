//! The site's Kubernetes API against clients that others made: the real kubectl, and kube-rs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::env;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aurora_cockpit::config;
use aurora_cockpit::sim::kube::{Backends, router_with};
use aurora_cockpit::sim::world::Site;
use aurora_cockpit::sim::world::cloud::Secret;
use aurora_cockpit::sim::world::operations::{Chart, life, rollout};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Longer than anything here takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(60);

const NAMESPACE: &str = "dev-operations";

/// The API of an infrastructure, with kubectl's own configuration for it.
struct Cluster {
    kubectl: PathBuf,
    site: Arc<Site>,
    dir: tempfile::TempDir,
}

/// Says that kubectl is missing; fails where the tools are required.
fn missing() {
    let required = env::var("CI").is_ok_and(|ci| ci == "true")
        || env::var("COCKPIT_TEST_TOOLS").is_ok_and(|tools| tools == "required");
    assert!(!required, "kubectl is missing and required here; `bash tests/run.sh --tools` installs it");
    eprintln!("not run: kubectl missing");
}

/// A living site; its pods' ports lead to servers that say who they are and then repeat what they are told.
async fn serve(speed: f64) -> (Arc<Site>, String) {
    let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).expect("the shipped rollout");
    let site = Arc::new(Site::new(plan, speed, 7));
    let (web, writer) = (echo("web").await, echo("writer").await);
    let backends = site.read(|world| Backends {
        web: world.partitions.iter().map(|partition| (partition.name.clone(), web)).collect(),
        writers: world.partitions.iter().map(|partition| (partition.cluster.id.clone(), writer)).collect(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = router_with(site.clone(), "Alpha002", Arc::new(backends));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ticking = site.clone();
    tokio::spawn(async move { ticking.tick().await });
    (site, server)
}

async fn echo(name: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(format!("{name}\n").as_bytes()).await?;
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await
            });
        }
    });
    address
}

fn kubeconfig(server: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "Alpha002",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": { "token": "t" } }],
        "contexts": [{ "name": "Alpha002", "context": { "cluster": "c", "user": "u" } }],
    })
}

impl Cluster {
    async fn open(speed: f64) -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = env::split_paths(&path).map(|dir| dir.join("kubectl")).find(|candidate| candidate.is_file());
        let Some(kubectl) = found else {
            missing();
            return None;
        };
        let (site, server) = serve(speed).await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kubeconfig"), kubeconfig(&server).to_string()).unwrap();
        Some(Self { kubectl, site, dir })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(&self.kubectl);
        // Nothing of the user's own is read, and nothing of an earlier server's answers.
        command.env("KUBECONFIG", self.dir.path().join("kubeconfig")).env("HOME", self.dir.path());
        command.args(line.split_whitespace()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Output and error output of a command, with its exit code.
    async fn run(&self, line: &str) -> (String, String, i32) {
        let output = timeout(LIMIT, self.command(line).output()).await.expect("ends in time").unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status.code().unwrap_or(-1))
    }

    /// Output of a command that must succeed.
    async fn says(&self, line: &str) -> String {
        let (out, error, code) = self.run(line).await;
        assert_eq!(code, 0, "kubectl {line}: {error}");
        out
    }

    /// Error output of a command that must fail.
    async fn refuses(&self, line: &str) -> String {
        let (out, error, code) = self.run(line).await;
        assert_eq!(code, 1, "kubectl {line}: {out}{error}");
        error.trim().to_owned()
    }

    fn follow(&self, line: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
        let mut child = self.command(line).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, out)
    }
}

async fn client(server: &str) -> kube::Client {
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig(server)).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// Reads lines until one holds what is waited for; all of them.
async fn until(lines: &mut Lines<BufReader<ChildStdout>>, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen = Vec::new();
    let reading = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
            if wanted(seen.last().unwrap()) {
                return true;
            }
        }
        false
    };
    let found = timeout(LIMIT, reading).await.unwrap_or(false);
    assert!(found, "not seen: {seen:#?}");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_listed_in_kubectls_own_tables() {
    let Some(cluster) = Cluster::open(1.0).await else { return };
    let namespaces = cluster.says("get ns").await;
    assert!(namespaces.starts_with("NAME") && namespaces.contains("STATUS   AGE"), "{namespaces}");
    assert!(namespaces.lines().any(|line| line.starts_with("dev-operations") && line.ends_with("Active   272d")));
    let pods = cluster.says("get pods -n dev-operations -o wide").await;
    let heading: Vec<&str> = pods.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading[..7], ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]);
    assert_eq!(pods.lines().filter(|line| line.contains("1/1     Running")).count(), 2, "{pods}");
    let sorted = cluster.says("get pods -n dev-operations --sort-by=.status.podIP -o name").await;
    assert_eq!(sorted.lines().filter(|line| line.starts_with("pod/operations-")).count(), 2);
    assert!(cluster.says("get deployment -n dev-operations").await.contains("operations   2/2     2            2"));
    assert!(cluster.says("get rs -n dev-operations").await.contains("DESIRED   CURRENT   READY"));
    let definitions = cluster.says("get crd").await;
    assert!(definitions.contains("externalsecrets.external-secrets.io"), "{definitions}");
    let resources = cluster.says("api-resources --api-group=external-secrets.io").await;
    assert!(resources.contains("external-secrets.io/v1") && resources.contains("ExternalSecret"), "{resources}");
    let log = cluster.says("logs -n dev-operations -l app=operations -c operations --tail 3").await;
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.contains("Responding at http://0.0.0.0:8080"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_worded_as_the_api_server_words_them() {
    let Some(cluster) = Cluster::open(1.0).await else { return };
    let refused = [
        ("get ns nowhere", "Error from server (NotFound): namespaces \"nowhere\" not found"),
        (
            "get deployment other -n dev-operations",
            "Error from server (NotFound): deployments.apps \"other\" not found",
        ),
        (
            "create secret generic probe -n prod-operations",
            "error: failed to create secret secrets is forbidden: User \"operator\" cannot create resource \"secrets\" in \
             API group \"\" in the namespace \"prod-operations\"",
        ),
        (
            "get nodes",
            "Error from server (Forbidden): nodes is forbidden: User \"operator\" cannot list resource \"nodes\" in API \
             group \"\" at the cluster scope",
        ),
        ("get gadgets", "error: the server doesn't have a resource type \"gadgets\""),
    ];
    for (line, words) in refused {
        assert_eq!(cluster.refuses(line).await, words, "kubectl {line}");
    }
    let deleted = cluster.refuses("delete deployment operations -n dev-operations").await;
    assert!(deleted.contains("(Forbidden): deployments.apps \"operations\" is forbidden: User"), "{deleted}");
    let image = cluster.refuses("set image deployment/operations operations=other:1 -n dev-operations").await;
    assert!(image.contains("lets only spec.template.metadata.annotations be changed"), "{image}");
    let (_, empty, code) = cluster.run("get pods -n nowhere").await;
    assert_eq!((empty.trim(), code), ("No resources found in nowhere namespace.", 0));
    assert_eq!(cluster.says("auth can-i patch deployments -n dev-operations").await.trim(), "yes");
    let (answer, ..) = cluster.run("auth can-i delete deployments -n dev-operations").await;
    assert_eq!(answer.trim(), "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_made_by_hand_is_seen_until_it_is_deleted_and_the_applications_are_not_deleted() {
    let Some(cluster) = Cluster::open(50.0).await else { return };
    cluster
        .says("run way --image=alpine/socat -n dev-operations --labels=app.kubernetes.io/managed-by=me -- TCP-LISTEN:1 TCP:h:2")
        .await;
    cluster.says("wait --for=condition=Ready pod/way -n dev-operations --timeout=20s").await;
    let seen = cluster.says("get pods -n dev-operations -l app.kubernetes.io/managed-by=me --no-headers").await;
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words[..3], ["way", "1/1", "Running"], "{seen}");
    cluster.says("delete pod way -n dev-operations").await;
    let (_, none, _) = cluster.run("get pods -n dev-operations -l app.kubernetes.io/managed-by=me").await;
    assert_eq!(none.trim(), "No resources found in dev-operations namespace.");
    let pods = cluster.says("get pods -n dev-operations -l app=operations -o name").await;
    let own = pods.lines().next().unwrap();
    let refused = cluster.refuses(&format!("delete {own} -n dev-operations")).await;
    assert!(refused.contains("lets only pods be deleted that were made by hand"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_seen_pod_by_pod() {
    let Some(cluster) = Cluster::open(20.0).await else { return };
    let (_watch, mut pods) = cluster.follow("get pods -n dev-operations -w");
    until(&mut pods, |line| line.starts_with("NAME")).await;
    let old: Vec<String> =
        [pods.next_line().await.unwrap(), pods.next_line().await.unwrap()].map(Option::unwrap).into();
    assert_eq!(
        cluster.says("rollout restart deployment/operations -n dev-operations").await.trim(),
        "deployment.apps/operations restarted"
    );
    let status = cluster.says("rollout status deployment/operations -n dev-operations --timeout=60s").await;
    assert!(
        status.contains("Waiting for deployment \"operations\" rollout to finish: 1 out of 2 new replicas"),
        "{status}"
    );
    assert!(status.trim_end().ends_with("deployment \"operations\" successfully rolled out"), "{status}");
    let name = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let old: Vec<String> = old.iter().map(|line| name(line)).collect();
    let leaving = std::cell::RefCell::new(Vec::new());
    let seen = until(&mut pods, |line| {
        let mut leaving = leaving.borrow_mut();
        if line.contains("Terminating") && !leaving.contains(&name(line)) {
            leaving.push(name(line));
        }
        leaving.len() == 2
    })
    .await;
    assert!(leaving.borrow().iter().all(|pod| old.contains(pod)));
    let at = |wanted: &dyn Fn(&String) -> bool| seen.iter().position(wanted).unwrap_or_else(|| panic!("{seen:#?}"));
    let (init, ready) = (at(&|line| line.contains("Init:3/6")), at(&|line| line.contains("1/1     Running")));
    let (first, last) = (at(&|line| line.contains("Terminating")), seen.len() - 1);
    assert!(init < ready && ready < first && first < last, "{seen:#?}");
    let events = cluster.says("get events -n dev-operations").await;
    assert!(events.contains("SuccessfulCreate") && events.contains("replicaset/operations-"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed() {
    let Some(cluster) = Cluster::open(20.0).await else { return };
    cluster.site.change(|world| life::chatter(world, "dev", 20.0));
    let (_following, mut log) = cluster.follow("logs -f -n dev-operations deployment/operations --tail=1");
    let seen = until(&mut log, |line| line.contains("CallLogging")).await;
    assert!(!seen.is_empty());
    // Written after the command was there.
    until(&mut log, |line| line.contains("CallLogging")).await;
    until(&mut log, |line| line.contains("CallLogging")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_secret_is_described_with_its_events() {
    let Some(cluster) = Cluster::open(50.0).await else { return };
    let none = cluster.refuses("describe externalsecret be-sentry-dsn -n dev-operations").await;
    assert_eq!(none, "Error from server (NotFound): externalsecrets.external-secrets.io \"be-sentry-dsn\" not found");
    cluster.site.change(|world| {
        let account = world.accounts.iter_mut().find(|account| account.infrastructure == "Alpha002").unwrap();
        let dsn = "https://key@o1.ingest.sentry.io/1".to_owned();
        account.secrets.push(Secret { name: "Alpha002-SentryDsn".into(), value: dsn, created: jiff::Timestamp::now() });
        rollout::upgrade(world, "dev", Chart::after(), 50.0);
    });
    cluster.says("wait externalsecret/be-sentry-dsn -n dev-operations --for=condition=Ready --timeout=30s").await;
    let described = cluster.says("describe externalsecret be-sentry-dsn -n dev-operations").await;
    for wanted in ["API Version:  external-secrets.io/v1", "Reason:                SecretSynced", "secret was created"]
    {
        assert!(described.contains(wanted), "{wanted}: {described}");
    }
    assert!(cluster.says("get es -n dev-operations").await.contains("SecretSynced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_forwards_ports_over_websocket_and_over_spdy() {
    let Some(cluster) = Cluster::open(1.0).await else { return };
    let pods = cluster.says("get pods -n dev-operations -o name").await;
    let pod = pods.lines().next().unwrap();
    for websockets in ["true", "false"] {
        let mut command = cluster.command(&format!("port-forward -n dev-operations {pod} :5432 :8080"));
        command.env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ports = Vec::new();
        while ports.len() < 2 {
            let line = until(&mut lines, |line| line.contains("Forwarding from 127.0.0.1:")).await.pop().unwrap();
            let port: u16 = line.split([':', ' ']).find_map(|part| part.parse().ok()).unwrap();
            ports.push(port);
        }
        // One after the other and side by side: each connection has streams of its own.
        for round in 0..2 {
            for (port, name) in ports.iter().zip(["writer\n", "web\n"]) {
                let stream = TcpStream::connect(("127.0.0.1", *port)).await.unwrap();
                exchange(stream, name, &format!("round {round}")).await;
            }
        }
    }
}

/// Reads who is there, says something long and reads it again.
async fn exchange(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, name: &str, text: &str) {
    let talking = async {
        let mut who = vec![0; name.len()];
        stream.read_exact(&mut who).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&who), name);
        let said = text.repeat(4000);
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; said.len()];
        stream.read_exact(&mut heard).await.unwrap();
        assert!(heard == said.as_bytes(), "what came back is something else");
    };
    timeout(LIMIT, talking).await.expect("answers in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn kube_rs_forwards_ports() {
    let (site, server) = serve(1.0).await;
    let pods: Api<Pod> = Api::namespaced(client(&server).await, NAMESPACE);
    let name = site.read(|world| world.partitions[0].operations.pods[0].name.clone());
    let mut forward = pods.portforward(&name, &[5432, 8080, 9999]).await.unwrap();
    exchange(forward.take_stream(8080).unwrap(), "web\n", "hello").await;
    exchange(forward.take_stream(5432).unwrap(), "writer\n", "hello").await;
    let refused = timeout(LIMIT, forward.take_error(9999).unwrap()).await.unwrap().unwrap();
    assert!(refused.contains("connection refused"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_from_a_version_until_that_is_forgotten() {
    let (_site, server) = serve(200.0).await;
    let client = client(&server).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    let listed = pods.list(&ListParams::default()).await.unwrap();
    let before: Vec<String> = listed.items.iter().filter_map(|pod| pod.metadata.name.clone()).collect();
    let version = listed.metadata.resource_version.unwrap();

    // Nothing happens: the bookmark is all that is told.
    let mut quiet = pods.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    let quiet = timeout(LIMIT, quiet.try_next()).await.unwrap().unwrap().unwrap();
    assert!(matches!(&quiet, WatchEvent::Bookmark(mark) if mark.metadata.resource_version == version), "{quiet:?}");

    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client, NAMESPACE);
    let annotate = json!({ "spec": { "template": { "metadata": { "annotations": { "why": "a test" } } } } });
    deployments.patch("operations", &PatchParams::default(), &Patch::Merge(annotate.clone())).await.unwrap();
    until_gone(&pods, &version, &before).await;
    // The same again, long after it has happened: what was missed is told.
    until_gone(&pods, &version, &before).await;

    let mut stale = annotate;
    stale["metadata"] = json!({ "resourceVersion": version });
    let conflict = deployments.patch("operations", &PatchParams::default(), &Patch::Strategic(stale)).await;
    let Err(kube::Error::Api(conflict)) = conflict else { panic!("{conflict:?}") };
    assert_eq!((conflict.code, conflict.reason.as_str()), (409, "Conflict"));

    let old = pods.watch(&WatchParams::default(), "12").await.unwrap().boxed().try_next().await.unwrap().unwrap();
    let WatchEvent::Error(expired) = old else { panic!("{old:?}") };
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
    assert!(expired.message.starts_with("too old resource version: 12 ("), "{}", expired.message);
}

/// Watches from a version on until these pods were deleted; versions never go back on the way.
async fn until_gone(pods: &Api<Pod>, version: &str, wanted: &[String]) {
    let mut events = pods.watch(&WatchParams::default(), version).await.unwrap().boxed();
    let mut left = wanted.to_vec();
    let mut latest: u64 = version.parse().unwrap();
    let watching = async {
        while !left.is_empty() {
            let event = events.try_next().await.unwrap().expect("goes on");
            let seen = match &event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => pod.metadata.resource_version.clone(),
                WatchEvent::Deleted(pod) => {
                    left.retain(|name| Some(name) != pod.metadata.name.as_ref());
                    pod.metadata.resource_version.clone()
                }
                WatchEvent::Bookmark(mark) => Some(mark.metadata.resource_version.clone()),
                WatchEvent::Error(error) => panic!("{error:?}"),
            };
            let seen: u64 = seen.unwrap().parse().unwrap();
            assert!(seen >= latest, "{seen} after {latest}");
            latest = seen;
        }
    };
    timeout(LIMIT, watching).await.expect("both pods go");
}
