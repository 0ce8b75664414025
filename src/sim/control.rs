//! The site's own interface: what tests and stand-ins ask it, beside the protocols of the real systems.
//!
//! - `GET /__sim/ledger`: the calls that reached the site, as a list of lines.
//! - `GET /__sim/state`: a summary of the world.
//! - `GET /__sim/situations`: what is on the stage, and how often each struck.
//! - `POST /__sim/situations` with the keys of a scenario's `[[situation]]`: puts one more on the stage; 422 with what is
//!   wrong and what was probably meant.
//! - `POST /__sim/faults` with `{"service","operation","code","message","status","times"}`: answers a call with an error that
//!   no situation is made of; with `"lost": {"what":"answer","how":"cut"}` the call is carried out and its answer lost, with
//!   `"what":"call"` it is lost before, and the caller meets that as [`Breaks`] has it; `DELETE` takes them all back.
//! - `POST /__sim/names` with `{"partition","late_s"}`: in the failovers to come, the writer endpoint's name follows the
//!   writer that many site seconds later than usual; 404 for an unknown partition.
//! - `POST /__sim/outages` with `{"server","name","how"}`: takes a server away, `aws`, `dns`, `kubernetes`, `web` or `database`,
//!   as [`Outage`] has it; `DELETE` gives all of them back.
//! - `POST /__sim/weather` with `{"percent":30}`: from now on that many of a hundred calls to AWS and Kubernetes, and of the
//!   statements, are throttled, fail, are slow, are truncated or are reset; `GET` says what set out, and what was struck.
//! - `POST /__sim/deploy` with `{"infrastructure","partition","profile"}`: starts the deploy of the stacks; 202 with
//!   `{"attempt":n}`, 404 for an unknown partition, 403 for a profile that does not lead to its account, 409 while one runs.
//! - `GET /__sim/deploy?partition=P`: `{"attempt":n,"lines":[{"seq":1,"text":"…"}],"done":false,"failed":null}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::LedgerLine;
use super::weather::Seen;
#[cfg(doc)]
use super::world::faults::Breaks;
use super::world::faults::Fault;
use super::world::outages::Outage;
use super::world::story_deploy::{self, CannotDeploy};
use super::world::{Site, SitePartition, World};

/// The routes under `/__sim/`.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/__sim/ledger", get(ledger))
        .route("/__sim/state", get(state))
        .route("/__sim/situations", get(situations).post(stage))
        .route("/__sim/outages", post(take_away).delete(give_back))
        .route("/__sim/faults", post(invent).delete(forget))
        .route("/__sim/names", post(delay_name))
        .route("/__sim/weather", get(weather).post(weather_turns))
        .route("/__sim/deploy", get(deploy_progress).post(start_deploy))
        .route("/__sim/deploy/prompt", post(prompt))
        .with_state(site)
}

async fn ledger(State(site): State<Arc<Site>>) -> Json<Vec<LedgerLine>> {
    Json(site.ledger.report())
}

async fn state(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.read(summary))
}

async fn situations(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.read(|world| json!(world.situations)))
}

/// Takes the same words as a scenario file, and refuses them in the same way.
async fn stage(State(site): State<Arc<Site>>, Json(situation): Json<toml::Table>) -> Response {
    let plan = site.read(|world| world.plan.clone());
    let list = toml::Value::Array(vec![toml::Value::Table(situation)]);
    let text = toml::Table::from_iter([("situation".to_owned(), list)]).to_string();
    match crate::config::scenario::read("situation", &text, &plan) {
        Ok(scenario) => {
            site.change(|world| world.stage(&scenario, site.speed));
            situations(State(site)).await.into_response()
        }
        Err(problems) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": problems.to_string() }))).into_response()
        }
    }
}

async fn invent(State(site): State<Arc<Site>>, Json(fault): Json<Fault>) -> StatusCode {
    site.change(|world| world.invent(fault));
    StatusCode::NO_CONTENT
}

async fn forget(State(site): State<Arc<Site>>) -> StatusCode {
    site.change(World::forget);
    StatusCode::NO_CONTENT
}

/// By how much a partition's name is to be late.
#[derive(Debug, Deserialize)]
struct LateName {
    partition: String,
    late_s: f64,
}

async fn delay_name(State(site): State<Arc<Site>>, Json(late): Json<LateName>) -> StatusCode {
    let is_known = site.change(|world| {
        let partition = world.partition(&late.partition);
        partition.map(|partition| partition.cluster.name_late_s = late.late_s).is_some()
    });
    if is_known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn weather(State(site): State<Arc<Site>>) -> Json<BTreeMap<String, Seen>> {
    Json(site.weather.report())
}

/// What the weather becomes.
#[derive(Debug, Deserialize)]
struct Turn {
    percent: u8,
}

async fn weather_turns(State(site): State<Arc<Site>>, Json(turn): Json<Turn>) -> StatusCode {
    site.weather.turns(turn.percent);
    StatusCode::NO_CONTENT
}

async fn take_away(State(site): State<Arc<Site>>, Json(outage): Json<Outage>) -> StatusCode {
    site.change(|world| world.take_away(outage));
    StatusCode::NO_CONTENT
}

async fn give_back(State(site): State<Arc<Site>>) -> StatusCode {
    site.change(World::give_back);
    StatusCode::NO_CONTENT
}

/// What a caller of the deploy says.
#[derive(Debug, Deserialize)]
struct DeployRequest {
    infrastructure: String,
    partition: String,
    profile: Option<String>,
}

async fn start_deploy(State(site): State<Arc<Site>>, Json(request): Json<DeployRequest>) -> Response {
    let DeployRequest { infrastructure, partition, profile } = request;
    site.ledger.count("deploy", "StartDeploy", &partition, true);
    let started = site.change(|world| world.start_deploy(&infrastructure, &partition, profile.as_deref(), site.speed));
    match started {
        Ok(attempt) => (StatusCode::ACCEPTED, Json(json!({ "attempt": attempt }))).into_response(),
        Err(refusal) => {
            let status = match refusal {
                CannotDeploy::Unknown { .. } => StatusCode::NOT_FOUND,
                CannotDeploy::WrongProfile { .. } => StatusCode::FORBIDDEN,
                CannotDeploy::Running { .. } => StatusCode::CONFLICT,
            };
            (status, Json(json!({ "error": refusal.to_string() }))).into_response()
        }
    }
}

/// The deploy program asks 1Password: how that goes.
async fn prompt(State(site): State<Arc<Site>>, Json(asked): Json<story_deploy::Asked>) -> Json<story_deploy::Prompt> {
    Json(site.change(|world| world.asks_op(&asked, site.speed)))
}

/// Which deploy is asked for.
#[derive(Debug, Deserialize)]
struct DeployQuery {
    partition: String,
}

async fn deploy_progress(State(site): State<Arc<Site>>, Query(query): Query<DeployQuery>) -> Response {
    let progress = site.read(|world| {
        let known = world.partitions.iter().any(|partition| partition.name == query.partition);
        known.then(|| world.deploys.get(&query.partition).cloned().unwrap_or_default())
    });
    match progress {
        Some(deploy) => Json(deploy).into_response(),
        None => {
            let error = format!("no partition `{}` at this site", query.partition);
            (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
        }
    }
}

/// A summary of the world, as `GET /__sim/state` answers it.
pub(super) fn summary(world: &World) -> Value {
    let accounts: Vec<_> = world
        .accounts
        .iter()
        .map(|account| {
            let stacks: serde_json::Map<_, _> =
                account.stacks.iter().map(|stack| (stack.name.clone(), json!(stack.status))).collect();
            let secrets: Vec<_> = account.secrets.iter().map(|secret| &secret.name).collect();
            json!({
                "infrastructure": account.infrastructure, "id": account.id, "signed_in": account.signed_in,
                "stacks": stacks, "secrets": secrets,
            })
        })
        .collect();
    let partitions: Vec<_> = world.partitions.iter().map(partition_summary).collect();
    json!({ "partitions": partitions, "accounts": accounts, "op_signed_in": world.op_signed_in })
}

fn partition_summary(partition: &SitePartition) -> Value {
    let cluster = &partition.cluster;
    let instances: Vec<_> = cluster
        .instances
        .iter()
        .map(|instance| {
            json!({
                "id": instance.id, "status": instance.status, "class": instance.class,
                "pending_class": instance.pending_class, "group_status": instance.group_status, "up": instance.up,
                "generation": instance.generation, "started": instance.started, "live": instance.live,
            })
        })
        .collect();
    let snapshots: Vec<_> =
        cluster.snapshots.iter().map(|snapshot| json!({ "id": snapshot.id, "status": snapshot.status })).collect();
    json!({
        "name": partition.name,
        "infrastructure": partition.infrastructure,
        "cluster": {
            "id": cluster.id, "status": cluster.status, "parameter_group": cluster.parameter_group,
            "insights_mode": cluster.insights_mode, "insights_retention": cluster.insights_retention,
            "writer": cluster.writer, "api_writer": cluster.api_writer, "dns_writer": cluster.dns_writer,
            "endpoint": cluster.endpoint, "extension_created": cluster.extension_created,
            "instances": instances, "snapshots": snapshots,
        },
        "operations": {
            "namespace": partition.operations.namespace, "serving": partition.operations.serving,
            "pods": partition.operations.pods.len(), "secret_synced": partition.operations.secret_synced,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::time::Duration;

    use super::*;
    use crate::sim::testing;
    use crate::sim::world::deploy::Deploy;

    /// A site behind a real listener, with its address.
    async fn endpoint(speed: f64) -> (Arc<Site>, String) {
        let site = testing::site(speed);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/__sim", listener.local_addr().unwrap());
        let router = router(Arc::clone(&site));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let ticking = Arc::clone(&site);
        tokio::spawn(async move { ticking.tick().await });
        (site, address)
    }

    #[tokio::test]
    async fn a_deploy_is_started_followed_to_its_end_and_counted() {
        let (site, address) = endpoint(2000.0).await;
        let client = reqwest::Client::new();
        let start = |partition: &str, profile: &str| {
            let body = json!({ "infrastructure": "Alpha002", "partition": partition, "profile": profile });
            client.post(format!("{address}/deploy")).json(&body).send()
        };
        assert_eq!(start("prod", "Alpha002-Admin").await.unwrap().status(), 404);
        assert_eq!(start("dev", "Admin-Alpha002").await.unwrap().status(), 403);
        let mut changes = site.changes();
        assert_eq!(start("dev", "Alpha002-Admin").await.unwrap().status(), 202);
        assert_eq!(start("dev", "Alpha002-Admin").await.unwrap().status(), 409);
        let progress = || async {
            client.get(format!("{address}/deploy?partition=dev")).send().await.unwrap().json::<Deploy>().await.unwrap()
        };
        let whole = async {
            loop {
                let deploy = progress().await;
                if deploy.done {
                    break deploy;
                }
                changes.changed().await.unwrap();
            }
        };
        let deploy = tokio::time::timeout(Duration::from_secs(20), whole).await.expect("it ends");
        assert_eq!(deploy.failed, None);
        assert!(deploy.lines.iter().map(|line| line.seq).eq(1..=deploy.lines.len() as u64));
        assert_eq!(deploy.lines[0].text, "Alpha002-Networking: update in progress");
        let state: Value = client.get(format!("{address}/state")).send().await.unwrap().json().await.unwrap();
        assert!(state["partitions"][0]["cluster"]["parameter_group"].as_str().unwrap().starts_with("alpha002-dev-"));
        let ledger: Vec<LedgerLine> =
            client.get(format!("{address}/ledger")).send().await.unwrap().json().await.unwrap();
        let of_dev = ledger.iter().find(|line| line.operation == "StartDeploy" && line.resource == "dev").unwrap();
        assert_eq!((of_dev.count, of_dev.changing), (3, 3));
    }
}
