//! Step 9: the application as its users see it. With a browser; without one by HTTP, or by the operator's own word.

use std::time::Duration;

use secrecy::SecretString;

use super::context::{Look, Noting, Stop};
use super::diagnosis;
use crate::clients::browser::{Browser, Credentials, SignIn, Visit, Visited, http_check};
use crate::clients::{Trouble, TroubleKind, onepassword};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{AppMeasure, AppRequest, Brief, Call, Choice, Event, Finding, Outcome};
use crate::runbook::plan::{AppHealth, ApplicationTarget};

/// How long a visit may take.
const VISIT: Duration = Duration::from_secs(60);
/// How many slow requests are named in the check; the report lists them all.
const NAMED: usize = 3;

const BROWSER: &str = "browser";
const HTTP: &str = "http";
const HEALTHY: &str = "healthy";
const UNHEALTHY: &str = "unhealthy";

pub(super) async fn brief(look: &Look) -> Result<Brief, Trouble> {
    let target = application(look)?;
    let mut brief = look.brief(format!("Sign in to {} and measure it", target.url));
    brief.calls.push(Call {
        operation: "GET, POST".to_owned(),
        target: target.credentials.clone().unwrap_or_else(|| "no credentials".to_owned()),
        command_line: target.url.clone(),
    });
    let browser = Browser::find(&scripts(look)).await;
    let choice = |id: &str, label: &str| Choice { id: id.to_owned(), label: label.to_owned() };
    brief.preconditions.push(match &browser {
        Ok(_) => Precondition::now("a browser is at hand", Holds::Yes),
        Err(trouble) => Precondition::now(format!("no browser: {}", trouble.message), Holds::Mind),
    });
    if browser.is_ok() {
        brief.choices.push(choice(BROWSER, "with the browser: sign in, landing, timings, every request"));
    }
    brief.choices.push(choice(HTTP, "by HTTP: sign in and landing, without the page's own requests"));
    brief.choices.push(choice(HEALTHY, "my own word: I looked, it is healthy"));
    brief.choices.push(choice(UNHEALTHY, "my own word: I looked, it is not healthy"));
    Ok(brief)
}

fn application(look: &Look) -> Result<&ApplicationTarget, Trouble> {
    look.partition.application.as_ref().ok_or_else(|| {
        Trouble::new("application", TroubleKind::NotFound, "the rollout file names no application for this partition")
    })
}

/// Where the browser's script is kept.
fn scripts(look: &Look) -> std::path::PathBuf {
    look.run_dir.join("app-health")
}

pub(super) async fn run(act: &mut Noting, spec: &AppHealth) -> Result<Outcome, Stop> {
    let choice = act.attempt.choice.clone();
    if let Some(word @ (HEALTHY | UNHEALTHY)) = choice.as_deref() {
        return own_word(act, word).await;
    }
    for (id, label) in [
        ("sign-in", "sign-in lands"),
        ("backend", "no 5xx of the backend"),
        ("console", "no error of the backend on the console"),
    ] {
        act.check(Check::new(id, label, "application", Verdict::Pending)).await?;
    }
    let visited = visit(act, spec, choice.as_deref()).await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let mut measure = visited.measure.clone();
    measure.anomalies = anomalies(&visited);
    let partition = act.partition.name.clone();
    act.recorder.record(Event::AppMeasured { partition, app: measure }).await?;
    judge(act, spec, &visited).await
}

/// The operator looked: recorded as such, and as nothing more.
async fn own_word(act: &mut Noting, word: &str) -> Result<Outcome, Stop> {
    let healthy = word == HEALTHY;
    let by = act.attempt.by.clone();
    let verdict = if healthy { Verdict::Warning } else { Verdict::Failed };
    let seen = format!("{by} says: {word}; nothing was measured");
    act.check(Check::new("word", "the operator's own word", &by, verdict).seeing(&seen)).await?;
    let measure = AppMeasure {
        by: format!("{by}'s own word: {word}"),
        landed: None,
        timings: Vec::new(),
        requests: Vec::new(),
        console_errors: Vec::new(),
        anomalies: Vec::new(),
        screenshot: None,
    };
    let partition = act.partition.name.clone();
    act.recorder.record(Event::AppMeasured { partition, app: measure }).await?;
    if healthy {
        return Ok(Outcome::PassedWithWarnings { warnings: vec![seen] });
    }
    let finding =
        Finding::unknown(format!("{by} finds the application unhealthy")).because(Evidence::now("operator", seen));
    Err(diagnosis::with_guide(act, finding).into())
}

async fn visit(act: &Noting, spec: &AppHealth, choice: Option<&str>) -> Result<Visited, Trouble> {
    let target = application(act)?;
    let credentials = credentials(target).await?;
    let screenshot = act.run_dir.join(format!("{}-app-{}.png", act.partition.name, act.attempt.number));
    let visit = Visit {
        url: target.url.clone(),
        api_prefix: spec.api_prefix.clone(),
        limit: VISIT,
        screenshot: Some(screenshot),
    };
    if choice == Some(HTTP) {
        return http_check(&visit, &credentials).await;
    }
    match Browser::find(&scripts(act)).await {
        Ok(browser) => browser.visit(&visit, &credentials).await,
        // Nobody chose: what is at hand is taken, and recorded as what it is.
        Err(_) if choice.is_none() => http_check(&visit, &credentials).await,
        Err(trouble) => Err(trouble),
    }
}

/// Read as late as possible, and dropped with the visit.
async fn credentials(target: &ApplicationTarget) -> Result<Credentials, Trouble> {
    let item = target.credentials.as_ref().ok_or_else(|| {
        Trouble::new("application", TroubleKind::NotFound, "the rollout file names no credentials for this application")
    })?;
    let field = |name: &str| format!("op://{item}/{name}");
    let username: SecretString = onepassword::read(&field("username")).await?;
    let password = onepassword::read(&field("password")).await?;
    Ok(Credentials { username, password })
}

/// What is odd and no failure, as the log records it.
fn anomalies(visited: &Visited) -> Vec<String> {
    let mut odd = visited.notices.clone();
    odd.extend(
        visited
            .measure
            .requests
            .iter()
            .filter(|request| (400..500).contains(&request.status))
            .map(|request| format!("{} {} {}", request.status, request.method, request.url)),
    );
    odd
}

async fn judge(act: &mut Noting, spec: &AppHealth, visited: &Visited) -> Result<Outcome, Stop> {
    let measure = &visited.measure;
    let by = format!("application, {}", measure.by);
    let landed = measure.landed.clone().unwrap_or_default();
    let check = |id: &str, label: &str, holds: bool| {
        Check::new(id, label, &by, if holds { Verdict::Passed } else { Verdict::Failed })
    };
    let arrived = visited.sign_in == SignIn::Accepted && landed.contains(&spec.landing);
    act.check(check("sign-in", "sign-in lands", arrived).expecting(&spec.landing).seeing(&landed)).await?;
    let broken: Vec<&AppRequest> = measure.requests.iter().filter(|request| request.status >= 500).collect();
    let words =
        broken.iter().map(|each| format!("{} {} {} ms", each.status, each.url, each.millis)).collect::<Vec<_>>();
    let seen = if broken.is_empty() { format!("{} requests", measure.requests.len()) } else { words.join("; ") };
    act.check(check("backend", "no 5xx of the backend", broken.is_empty()).seeing(seen)).await?;
    let ours: Vec<&String> = measure.console_errors.iter().filter(|line| names_backend(line, spec)).collect();
    let seen = format!("{} errors, {} of the backend", measure.console_errors.len(), ours.len());
    act.check(check("console", "no error of the backend on the console", ours.is_empty()).seeing(seen)).await?;
    slow(act, spec, measure, &by).await?;
    let finding = if !arrived {
        login_failed(visited, &landed)
    } else if !broken.is_empty() {
        Finding::of("backend-5xx", "the backend answers 5xx").because(Evidence::now(&by, words.join("; ")))
    } else if let Some(line) = ours.first() {
        Finding::unknown("the console names an error of the backend").because(Evidence::now(&by, line.as_str()))
    } else {
        return Ok(Outcome::Passed);
    };
    let kept = measure.screenshot.as_ref().map(|file| Evidence::now(&by, format!("screenshot: {file}")));
    let finding = kept.into_iter().fold(finding, Finding::because);
    Err(diagnosis::with_guide(act, finding).into())
}

/// Whether a console error is the operations backend's: a 5xx of its API, or Sentry that did not start.
fn names_backend(line: &str, spec: &AppHealth) -> bool {
    let server_error = ["500", "502", "503", "504"].iter().any(|code| line.contains(code));
    (line.contains(&spec.api_prefix) && server_error) || line.contains("Sentry")
}

fn login_failed(visited: &Visited, landed: &str) -> Finding {
    let finding = match &visited.sign_in {
        SignIn::NoForm => Finding::of("login-fails", "there is no sign-in form"),
        SignIn::Refused { banner: Some(banner) } => Finding::of("login-fails", format!("sign-in refused: {banner}")),
        SignIn::Refused { banner: None } => Finding::of("login-fails", "sign-in stays on its page"),
        SignIn::Accepted => Finding::of("login-fails", format!("sign-in landed on {landed}")),
    };
    finding.because(Evidence::now("application", format!("landed on {landed}")))
}

/// Slow requests are listed, not failed: they are what the new logging is there to show.
async fn slow(act: &mut Noting, spec: &AppHealth, measure: &AppMeasure, by: &str) -> Result<(), Stop> {
    let limit = u64::try_from(spec.slow.as_millis()).unwrap_or(u64::MAX);
    let mut slow: Vec<&AppRequest> = measure.requests.iter().filter(|request| request.millis > limit).collect();
    slow.sort_by_key(|request| std::cmp::Reverse(request.millis));
    let named =
        slow.iter().take(NAMED).map(|each| format!("{} ms {}", each.millis, each.url)).collect::<Vec<_>>().join(", ");
    let seen =
        format!("{} of {}{}{named}", slow.len(), measure.requests.len(), if named.is_empty() { "" } else { ": " });
    let label = format!("requests over {limit} ms, listed");
    act.check(Check::new("slow", label, by, Verdict::Passed).seeing(seen)).await
}
