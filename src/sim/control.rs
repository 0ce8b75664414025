//! The site's own interface: what tests and stand-ins ask it, beside the protocols of the real systems.
//!
//! - `GET /__sim/ledger`: the calls that reached the site, as a list of lines.
//! - `GET /__sim/state`: a summary of the world.
//! - `POST /__sim/deploy` with `{"infrastructure","partition","profile"}`: starts the deploy of the stacks; 202 with
//!   `{"attempt":n}`, 404 for an unknown partition, 403 for a profile that does not lead to its account, 409 while one runs.
//! - `GET /__sim/deploy?partition=P`: `{"attempt":n,"lines":[{"seq":1,"text":"…"}],"done":false,"failed":null}`.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::LedgerLine;
use super::world::story_deploy::CannotDeploy;
use super::world::{Site, SitePartition, World};

/// The routes under `/__sim/`.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/__sim/ledger", get(ledger))
        .route("/__sim/state", get(state))
        .route("/__sim/deploy", get(deploy_progress).post(start_deploy))
        .with_state(site)
}

async fn ledger(State(site): State<Arc<Site>>) -> Json<Vec<LedgerLine>> {
    Json(site.ledger.report())
}

async fn state(State(site): State<Arc<Site>>) -> Json<Value> {
    Json(site.read(summary))
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

fn summary(world: &World) -> Value {
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
