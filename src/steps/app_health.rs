//! Step 9: the application as its users see it. With a browser; without one by HTTP, or by the operator's own word.

mod verdict;

use std::time::Duration;

use super::context::{Look, Noting, Stop};
use super::deploy::runs_awaited;
use super::diagnosis;
use crate::clients::browser::{Browser, Credentials, Visit, Visited, http_check};
use crate::clients::{Trouble, TroubleKind, onepassword};
use crate::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use crate::runbook::event::{AppMeasure, Brief, Call, Choice, Event, Finding, Outcome};
use crate::runbook::plan::{AppHealth, ApplicationTarget, StepKind};

/// How long a visit may take.
const VISIT: Duration = Duration::from_secs(60);

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
    brief.preconditions.extend(chart(look).await);
    let browser = Browser::find(&scripts(look)).await;
    let choice = |id: &str, label: &str| Choice { id: id.to_owned(), label: label.to_owned() };
    brief.preconditions.push(match &browser {
        Ok(_) => Precondition::now("a browser is at hand", Holds::Yes),
        Err(trouble) => Precondition::now(format!("no browser: {}", trouble.message), Holds::Mind),
    });
    if browser.is_ok() {
        brief.choices.push(choice(BROWSER, "with the browser: sign in, landing, timings, every request"));
    }
    brief.choices.push(choice(HTTP, "by HTTP: sign in and landing, without the page's own requests and console"));
    brief.choices.push(choice(HEALTHY, "my own word: I looked, it is healthy"));
    brief.choices.push(choice(UNHEALTHY, "my own word: I looked, it is not healthy"));
    Ok(brief)
}

fn application(look: &Look) -> Result<&ApplicationTarget, Trouble> {
    look.partition.application.as_ref().ok_or_else(|| {
        Trouble::new("application", TroubleKind::NotFound, "the rollout file names no application for this partition")
    })
}

/// That the deployed chart is what is measured: after it was taken back, the former one would be.
async fn chart(look: &Look) -> Option<Precondition> {
    let deploys = look.partition.steps.iter().filter_map(|step| match &step.kind {
        StepKind::Deploy(spec) => Some((&step.id, spec)),
        _ => None,
    });
    let (step, spec) = deploys.into_iter().next()?;
    let seen = match look.tools.kubernetes().await {
        Ok(kubernetes) => kubernetes.deployment(&spec.deployment).await,
        Err(trouble) => Err(trouble),
    };
    Some(match seen {
        Ok(deployment) if runs_awaited(spec, deployment.as_ref()) => {
            Precondition::now(format!("{} runs the deployed chart", spec.deployment), Holds::Yes)
        }
        Ok(_) => {
            // Whoever passed over the deployment knows what is measured here.
            let skipped = look.so_far.step(step).is_some_and(|run| run.skipped.is_some());
            let holds = if skipped { Holds::Mind } else { Holds::No };
            Precondition::now(format!("{} does not run the chart of step 8: go back to it", spec.deployment), holds)
        }
        Err(trouble) => Precondition::now(format!("which chart runs is not known: {trouble}"), Holds::Mind),
    })
}

/// Where the browser's script is kept.
fn scripts(look: &Look) -> std::path::PathBuf {
    look.run_dir.join("app-health")
}

pub(super) async fn run(act: &mut Noting, spec: &AppHealth) -> Result<Outcome, Stop> {
    super::verify_sql::still_holds(act).await?;
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
    let browser = browser(act, choice.as_deref()).await?;
    let visited = visit(act, spec, browser).await.map_err(|trouble| diagnosis::of_trouble(act, &trouble))?;
    let mut measure = visited.measure.clone();
    measure.anomalies = verdict::anomalies(&visited, spec);
    let partition = act.partition.name.clone();
    act.recorder.record(Event::AppMeasured { partition, app: measure }).await?;
    verdict::judge(act, spec, &visited).await
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

async fn visit(act: &Noting, spec: &AppHealth, browser: Option<Browser>) -> Result<Visited, Trouble> {
    let target = application(act)?;
    let credentials = credentials(target).await?;
    let screenshot = act.run_dir.join(format!("{}-app-{}.png", act.partition.name, act.attempt.number));
    let visit = Visit {
        url: target.url.clone(),
        api_prefix: spec.api_prefix.clone(),
        limit: VISIT,
        screenshot: Some(screenshot),
        requests: spec.requests.clone(),
    };
    match browser {
        Some(browser) => browser.visit(&visit, &credentials).await,
        None => http_check(&visit, &credentials).await,
    }
}

/// The browser to look with; none where HTTP was chosen, or where nobody chose and there is no browser. Why there is none
/// is written down.
async fn browser(act: &mut Noting, choice: Option<&str>) -> Result<Option<Browser>, Stop> {
    if choice == Some(HTTP) {
        return Ok(None);
    }
    let mut found = Browser::find(&scripts(act)).await;
    // One that is there and did not answer, on a machine that has much to do, is asked once more.
    if found.as_ref().is_err_and(|trouble| trouble.kind != TroubleKind::Unreachable) {
        found = Browser::find(&scripts(act)).await;
    }
    match found {
        Ok(browser) => Ok(Some(browser)),
        Err(trouble) if choice.is_none() => {
            act.witness("browser", format!("not used: {trouble}")).await?;
            Ok(None)
        }
        Err(trouble) => Err(diagnosis::of_trouble(act, &trouble).into()),
    }
}

/// Read as late as possible, and dropped with the visit.
async fn credentials(target: &ApplicationTarget) -> Result<Credentials, Trouble> {
    let item = target.credentials.as_ref().ok_or_else(|| {
        Trouble::new("application", TroubleKind::NotFound, "the rollout file names no credentials for this application")
    })?;
    let username = onepassword::user_name(item).await?;
    let password = onepassword::read(&format!("op://{item}/password")).await?;
    Ok(Credentials { username, password })
}
