//! Stand-ins for the programs that an operator's steps run: `amm.sh`, `op`, `helm`, `docker`, `gh`, `aws`, `git`.
//!
//! On PATH stands a script of one line that starts this binary again as `stand-in NAME …`. What the program would do happens
//! at the site: the stand-in carries its arguments there over HTTP and prints what comes back. Those that run other programs
//! or prompt have a part of their own here.

mod amm;
mod arguments;
mod aws;
mod docker;
mod gh;
mod git;
mod helm;
mod op;
mod prompt;
pub mod vault;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::world::Site;
use super::world::faults::{Fault, Lost};

/// Programs that stand on PATH.
pub const ON_PATH: [&str; 6] = ["op", "helm", "docker", "gh", "aws", "git"];

/// Name of the directory in which the stand-ins are; by it `aws` tells itself from the real one.
pub const DIRECTORY: &str = "stand-ins";

/// The variable that leads a stand-in to its site.
pub const SITE_VARIABLE: &str = "COCKPIT_SITE";

/// What a program prints and how it exits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Exit code.
    pub code: i32,
}

/// What a program was called with.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Call {
    args: Vec<String>,
    /// Texts of files that the program would read, by the path that it was given; none for one that is not there.
    #[serde(default)]
    files: Vec<(String, Option<String>)>,
}

#[derive(Clone)]
struct Programs {
    site: Arc<Site>,
    merged: Arc<Mutex<Vec<gh::Merged>>>,
}

impl Answer {
    fn out(text: impl Into<String>) -> Self {
        Self { out: text.into(), ..Self::default() }
    }

    fn failed(text: impl Into<String>) -> Self {
        Self { err: text.into(), code: 1, ..Self::default() }
    }

    /// Prints it as the program would; answers its exit code.
    fn say(&self) -> i32 {
        say(&self.out);
        say_error(self.err.trim_end());
        self.code
    }
}

/// The site's side: `POST /__sim/program/NAME` runs one, `GET /__sim/speed` says how fast the site's time goes.
pub fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/__sim/program/{name}", post(run))
        .route("/__sim/speed", get(speed))
        .with_state(Programs { site, merged: Arc::default() })
}

async fn speed(State(programs): State<Programs>) -> Json<f64> {
    Json(programs.site.speed)
}

async fn run(State(programs): State<Programs>, Path(name): Path<String>, Json(call): Json<Call>) -> Response {
    let site = &programs.site;
    // As the ledger has it: of `gh` it is two words.
    let words = if name == "gh" { 2 } else { 1 };
    let operation = &call.args.iter().take(words).map(String::as_str).collect::<Vec<_>>().join(" ");
    let ends_badly =
        |fault: Fault| Answer { err: fault.message, code: fault.status.unwrap_or(1).into(), ..Answer::default() };
    if let Some(fault) = site.fault(&name, operation) {
        return Json(ends_badly(fault)).into_response();
    }
    let loss = site.loss(&name, operation);
    let is_lost = |fault: &Fault| fault.lost.is_some_and(|loss| loss.what == Lost::Call);
    if let Some(fault) = loss.clone().filter(is_lost) {
        return Json(ends_badly(fault)).into_response();
    }
    let answer = match name.as_str() {
        "amm.sh" => amm::begins(site, &call.args),
        "op" => op::run(site, &call.args).await,
        "helm" => helm::run(site, &call).await,
        "docker" => docker::run(site, &call.args),
        "gh" => gh::run(site, &programs.merged, &call.args),
        "aws" => aws::run(site, &call.args),
        "git" => git::look(site, &call.args).await,
        _ => {
            let error = format!("there is no stand-in for {name}");
            return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
        }
    };
    // What the program was told in answer did not arrive.
    Json(loss.map_or(answer, ends_badly)).into_response()
}

/// Runs the stand-in of that name; answers its exit code.
pub async fn main(name: &str, args: Vec<String>) -> i32 {
    let Ok(address) = std::env::var(SITE_VARIABLE) else {
        say_error(&format!(
            "{name}: this is the stand-in of a simulated site, and {SITE_VARIABLE} does not say where it is"
        ));
        return 2;
    };
    let site = SiteClient { address, client: reqwest::Client::new() };
    match name {
        "amm.sh" => amm::main(&site, args).await,
        "aws" => aws::main(&site, args).await,
        "git" => git::main(&site, args).await,
        "op" => op::main(&site, args).await,
        "helm" => {
            let files = helm::files(&args);
            site.program(name, Call { args, files }).await
        }
        _ => site.ask(name, args).await,
    }
}

/// The site as a stand-in reaches it.
struct SiteClient {
    address: String,
    client: reqwest::Client,
}

impl SiteClient {
    /// Lets the site run a program, prints what it says.
    async fn program(&self, name: &str, call: Call) -> i32 {
        match self.called(name, &call).await {
            Ok(answer) => answer.say(),
            Err(error) => trouble(name, &error),
        }
    }

    /// As [`Self::program`], with arguments alone.
    async fn ask(&self, name: &str, args: Vec<String>) -> i32 {
        self.program(name, Call { args, files: Vec::new() }).await
    }

    /// Lets the site run a program; the exit code where it does not answer.
    async fn answer(&self, name: &str, args: Vec<String>) -> Result<Answer, i32> {
        self.called(name, &Call { args, files: Vec::new() }).await.map_err(|error| trouble(name, &error))
    }

    async fn called(&self, name: &str, call: &Call) -> reqwest::Result<Answer> {
        self.post(&format!("/__sim/program/{name}"), call).await?.json().await
    }

    /// How fast the site's time goes.
    async fn speed(&self) -> f64 {
        let speed = async { self.get("/__sim/speed").await?.json::<f64>().await };
        speed.await.unwrap_or(1.0)
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> reqwest::Result<reqwest::Response> {
        self.client.post(format!("{}{path}", self.address)).json(body).send().await
    }

    async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        let request = self.client.get(format!("{}{path}", self.address)).timeout(Duration::from_secs(10));
        request.send().await?.error_for_status()
    }
}

/// Becomes the next program of that name on PATH; answers an exit code where that is not possible.
fn become_real(name: &str, args: &[String]) -> i32 {
    let Some(real) = next_on_path(name) else {
        say_error(&format!("{name}: it is not installed. The simulated site answers it, but cannot replace it."));
        return 127;
    };
    let error = Command::new(&real).args(args).exec();
    say_error(&format!("{name}: cannot start {}: {error}", real.display()));
    126
}

/// The next program of that name on PATH, after the directory of the stand-ins.
fn next_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| is_program(file) && !is_stand_in(file))
}

fn is_program(file: &std::path::Path) -> bool {
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether this is a stand-in: a directory of stand-ins carries a mark.
fn is_stand_in(file: &std::path::Path) -> bool {
    file.parent().and_then(std::path::Path::file_name) == Some(OsStr::new(DIRECTORY))
}

fn trouble(name: &str, error: &reqwest::Error) -> i32 {
    say_error(&format!("{name}: the simulated site does not answer: {error}"));
    2
}

/// Prints as a program does. Nobody reading any more is no error of ours.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn say_error(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

#[cfg(test)]
mod tests;
