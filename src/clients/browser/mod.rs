//! The application as its users see it: signed in to with a real browser, or, where there is none, by HTTP alone.

mod http;
#[cfg(test)]
mod tests;

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

pub use http::{SignInPage, http_check, sign_in_page};

use super::program::Capture;
use super::{Trouble, TroubleKind};
use crate::runbook::event::{AppMeasure, AppRequest};
use crate::runbook::text::{clean_line, mask};

const CALL: &str = "browser";
const SCRIPT: &str = include_str!("../../../assets/app-health/app-health.mjs");
const MANIFEST: &str = include_str!("../../../assets/app-health/package.json");

/// How much longer than its own limit the browser's program may take to start and to end.
const AROUND: Duration = Duration::from_secs(15);

/// What an application's sign-in form is filled with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Name or e-mail address. Not shown either: it may be personal.
    pub username: SecretString,
    /// Password.
    pub password: SecretString,
}

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Address of the front page.
    pub url: String,
    /// Path prefix of the backend's requests.
    pub api_prefix: String,
    /// How long it may take altogether.
    pub limit: Duration,
    /// File for a screenshot.
    pub screenshot: Option<PathBuf>,
    /// Paths that HTTP alone gets once it is in, where no page makes its own requests.
    pub requests: Vec<String>,
}

/// What became of the sign-in, beside what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Visited {
    /// How the sign-in went.
    pub sign_in: SignIn,
    /// What the sign-in page said before anything was typed, such as that a session has expired.
    pub notices: Vec<String>,
    /// What was measured.
    pub measure: AppMeasure,
}

/// How a sign-in went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// The application let us in.
    Accepted,
    /// It stayed on its sign-in page.
    Refused {
        /// What it said.
        banner: Option<String>,
    },
    /// It showed no sign-in form.
    NoForm,
}

/// A browser that can be run.
#[derive(Debug, Clone)]
pub struct Browser {
    script: PathBuf,
}

impl Browser {
    /// Finds node, playwright-core and a browser. The script is written into `directory`; playwright-core may be installed
    /// there too.
    ///
    /// # Errors
    /// `Unreachable` where one of them is missing: which, and how to get it.
    pub async fn find(directory: &Path) -> Result<Self, Trouble> {
        let browser = Self { script: install(directory)? };
        browser.ask::<serde_json::Value>(&json!({ "probe": true }), Duration::from_secs(20)).await?;
        Ok(browser)
    }

    /// Signs in and measures.
    pub async fn visit(&self, visit: &Visit, credentials: &Credentials) -> Result<Visited, Trouble> {
        let wanted = json!({
            "url": visit.url,
            "apiPrefix": visit.api_prefix,
            "timeoutMs": u64::try_from(visit.limit.as_millis()).unwrap_or(u64::MAX),
            "screenshot": visit.screenshot,
            "username": credentials.username.expose_secret(),
            "password": credentials.password.expose_secret(),
        });
        let answer: Answer = self.ask(&wanted, visit.limit + AROUND).await?;
        let secrets = [credentials.username.expose_secret(), credentials.password.expose_secret()];
        Ok(answer.visited(&secrets))
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        wanted: &serde_json::Value,
        limit: Duration,
    ) -> Result<T, Trouble> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Missing { missing: String },
            There(T),
        }
        let input = SecretString::from(wanted.to_string());
        let answer = Capture::new("node", [&self.script]).input(input).timeout(limit).run(CALL).await?;
        if !answer.is_success() {
            return Err(answer.trouble(CALL, TroubleKind::NoAnswer));
        }
        match answer.json(CALL)? {
            Either::Missing { missing } => Err(Trouble::new(CALL, TroubleKind::Unreachable, clean_line(&missing))),
            Either::There(answer) => Ok(answer),
        }
    }
}

/// Writes the script and what it depends on.
fn install(directory: &Path) -> Result<PathBuf, Trouble> {
    let script = directory.join("app-health.mjs");
    // As everything in a run's directory: its owner's, whatever the umask says.
    let write = |path: &Path, text: &str| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    let written =
        made.and_then(|()| write(&directory.join("package.json"), MANIFEST)).and_then(|()| write(&script, SCRIPT));
    match written {
        Ok(()) => Ok(script),
        Err(error) => {
            let words = format!("{} cannot be written: {error}", directory.display());
            Err(Trouble::new(CALL, TroubleKind::Unreachable, words))
        }
    }
}

/// What the script measures.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    sign_in: String,
    banner: Option<String>,
    before: Vec<String>,
    landed: String,
    timings: Vec<(String, u64)>,
    requests: Vec<AppRequest>,
    console: Vec<String>,
    screenshot: Option<String>,
}

impl Answer {
    fn visited(self, secrets: &[&str]) -> Visited {
        let spoken = |text: &String| mask(&clean_line(text), secrets);
        let sign_in = match self.sign_in.as_str() {
            "ok" => SignIn::Accepted,
            "no-form" => SignIn::NoForm,
            _ => SignIn::Refused { banner: self.banner.as_ref().map(spoken) },
        };
        let requests = self.requests.into_iter().map(|request| AppRequest { url: spoken(&request.url), ..request });
        let measure = AppMeasure {
            by: "browser".to_owned(),
            landed: Some(spoken(&self.landed)),
            timings: self.timings,
            requests: requests.collect(),
            console_errors: self.console.iter().map(spoken).collect(),
            anomalies: Vec::new(),
            screenshot: self.screenshot,
        };
        Visited { sign_in, notices: self.before.iter().map(spoken).collect(), measure }
    }
}
