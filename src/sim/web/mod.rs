//! The web application of a partition: sign-in, the items page with its backend requests, and health.

mod pages;
mod requests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::standin::vault;
use super::world::Site;
use crate::runbook::situation::Situation;
use requests::Profile;

/// The speed up to which the application's own answer times are those of the log; beyond it they shorten along.
///
/// Waits of minutes are what `speed` is for. Answer times are themselves a result that the rollout measures, so they are
/// left alone as long as nobody has to wait long for them.
const UNHURRIED_SPEED: f64 = 20.0;

/// How long every backend request takes at least while the application is slow.
const SLOW: Duration = Duration::from_millis(620);

#[derive(Clone)]
struct Application {
    site: Arc<Site>,
    partition: Arc<str>,
    profile: Arc<Profile>,
    visits: Arc<Mutex<Visits>>,
}

/// What the application remembers of its visitors.
#[derive(Debug, Default)]
struct Visits {
    sessions: HashSet<String>,
    /// Sessions whose first e-mail hash was refused.
    hashed: HashSet<String>,
}

/// The application of a partition.
pub fn router(site: Arc<Site>, partition: &str) -> Router {
    let profile = Arc::new(Profile::of(partition));
    let application = Application { site, partition: partition.into(), profile, visits: Arc::default() };
    Router::new()
        .route("/", get(front))
        .route("/health", get(health))
        .route("/signin", get(sign_in_page).post(sign_in))
        .route("/items", get(items))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .route("/api/{*path}", any(backend))
        .with_state(application)
}

async fn front(State(application): State<Application>, headers: HeaderMap) -> Response {
    application.count("GET /", false);
    application.step_begins();
    if application.session(&headers).is_some() {
        return Redirect::to("/items").into_response();
    }
    to_sign_in(application.strikes(Situation::StaleSession) || cookie(&headers).is_some(), "%2F")
}

async fn health(State(application): State<Application>) -> Response {
    application.count("GET /health", false);
    match application.answers() {
        Ok(()) => Json(json!({ "status": "UP" })).into_response(),
        Err(why) => unavailable(why),
    }
}

/// Why somebody is on the sign-in page.
#[derive(Debug, Default, Deserialize)]
struct SignInQuery {
    expired: Option<String>,
}

async fn sign_in_page(State(application): State<Application>, Query(query): Query<SignInQuery>) -> Html<String> {
    application.count("GET /signin", false);
    let expired = query.expired.is_some().then_some("Your session has expired. Please sign in again.");
    Html(pages::sign_in(expired))
}

#[derive(Debug, Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn sign_in(State(application): State<Application>, Form(credentials): Form<Credentials>) -> Response {
    application.count("POST /signin", true);
    if application.answers().is_err() {
        let page = pages::sign_in(Some("The service is not available right now. Please try again in a moment."));
        return (StatusCode::SERVICE_UNAVAILABLE, Html(page)).into_response();
    }
    if application.strikes(Situation::LoginFails) {
        return Html(pages::sign_in(Some("We could not sign you in. Your account is not linked to a tenant.")))
            .into_response();
    }
    if !application.accepts(&credentials) {
        return Html(pages::sign_in(Some("Incorrect username or password."))).into_response();
    }
    let token: String = std::iter::repeat_with(|| fastrand::digit(16)).take(32).collect();
    let cookie = format!("session={token}; Path=/; HttpOnly; SameSite=Lax");
    application.with_visits(|visits| visits.sessions.insert(token));
    ([(header::SET_COOKIE, cookie)], Redirect::to("/items?justSignedIn=true")).into_response()
}

async fn items(State(application): State<Application>, headers: HeaderMap) -> Response {
    application.count("GET /items", false);
    let Some(_session) = application.session(&headers) else {
        return to_sign_in(cookie(&headers).is_some(), "%2Fitems");
    };
    tokio::time::sleep(application.hurried(application.profile.page)).await;
    let user = application.user();
    let noise = application.strikes(Situation::ConsoleNoise);
    let retried = application.hash_needs_retry();
    Html(pages::items(&user, &application.profile, retried, noise)).into_response()
}

async fn backend(
    State(application): State<Application>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let path = uri.path_and_query().map_or(uri.path(), |whole| whole.as_str()).to_owned();
    application.count(&format!("{method} {}", uri.path()), false);
    let Some(session) = application.session(&headers) else {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "not signed in" }))).into_response();
    };
    let taken = application.profile.next_duration(method.as_str(), &path);
    let Some(taken) = taken else { return StatusCode::NOT_FOUND.into_response() };
    let taken = if application.holds(Situation::SlowRequests) { taken.max(SLOW) } else { application.hurried(taken) };
    tokio::time::sleep(taken).await;
    if let Err(why) = application.answers() {
        return unavailable(why);
    }
    if application.strikes(Situation::Backend5xx) {
        return (StatusCode::BAD_GATEWAY, Json(json!({ "error": "upstream request failed" }))).into_response();
    }
    let first_hash = || application.with_visits(|visits| visits.hashed.insert(session));
    let refused = || application.profile.hash_needs_retry || application.strikes(Situation::Transient401);
    if path == requests::EMAIL_HASH && first_hash() && refused() {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "token not ready" }))).into_response();
    }
    Json(json!({ "ok": true, "records": [] })).into_response()
}

impl Application {
    fn answers(&self) -> Result<(), &'static str> {
        self.site.read(|world| {
            let partition = world.partitions.iter().find(|partition| *partition.name == *self.partition);
            partition.map_or(Err("no such partition"), |partition| partition.application_answers())
        })
    }

    fn holds(&self, situation: Situation) -> bool {
        self.site.read(|world| world.holds(situation, &self.partition))
    }

    fn strikes(&self, situation: Situation) -> bool {
        self.holds(situation) && self.site.change(|world| world.strikes(situation, &self.partition))
    }

    /// Nobody else opens the front page: the check of the application's health begins.
    fn step_begins(&self) {
        let speed = self.site.speed;
        self.site.change(|world| world.step_begins(&self.partition, "app-health", speed));
    }

    /// Whether a session's first e-mail hash is refused.
    fn hash_needs_retry(&self) -> bool {
        self.profile.hash_needs_retry || self.holds(Situation::Transient401)
    }

    fn accepts(&self, credentials: &Credentials) -> bool {
        let wanted = self.site.read(|world| vault::sign_in(world, &self.partition));
        wanted == (credentials.username.clone(), credentials.password.clone())
    }

    fn user(&self) -> String {
        self.site.read(|world| vault::sign_in(world, &self.partition).0)
    }

    /// The visitor's session, if it is one of ours.
    fn session(&self, headers: &HeaderMap) -> Option<String> {
        let token = cookie(headers)?;
        self.with_visits(|visits| visits.sessions.contains(&token)).then_some(token)
    }

    fn with_visits<R>(&self, look: impl FnOnce(&mut Visits) -> R) -> R {
        look(&mut self.visits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long something of the log's duration takes here.
    fn hurried(&self, taken: Duration) -> Duration {
        taken.div_f64((self.site.speed / UNHURRIED_SPEED).max(1.0))
    }

    fn count(&self, operation: &str, changes: bool) {
        self.site.ledger.count("application", operation, &self.partition, changes);
    }
}

/// The session cookie that a visitor brings, ours or not.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("session=")).map(str::to_owned)
}

/// Sends a visitor to the sign-in page; one whose session is no longer known is told so.
fn to_sign_in(expired: bool, next: &str) -> Response {
    let expired = if expired { "&expired=1" } else { "" };
    Redirect::to(&format!("/signin?next={next}{expired}")).into_response()
}

fn unavailable(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "DOWN", "reason": why }))).into_response()
}

#[cfg(test)]
mod tests;
