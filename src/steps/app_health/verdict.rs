//! What a visit to the application amounts to: what fails it, and what is only worth knowing.

use super::super::context::{Look, Noting, Stop};
use super::super::diagnosis;
use crate::clients::browser::{SignIn, Visited};
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{AppMeasure, AppRequest, Finding, Outcome};
use crate::runbook::plan::AppHealth;

/// How many slow requests are named; the report lists them all.
const NAMED: usize = 3;
/// How many of the costliest queries are named beside them.
const QUERIES: u16 = 3;
/// How much of a query is named.
const QUERY_LENGTH: usize = 120;

const RESTART: &str = "rollout-restart";

/// What is odd and no failure, as the log records it.
pub fn anomalies(visited: &Visited, spec: &AppHealth) -> Vec<String> {
    let mut odd = visited.notices.clone();
    let refused = visited.measure.requests.iter().filter(|request| (400..500).contains(&request.status));
    odd.extend(refused.map(|request| format!("{} {} {}", request.status, request.method, request.url)));
    odd.extend(noise(&visited.measure, spec));
    odd
}

pub async fn judge(act: &mut Noting, spec: &AppHealth, visited: &Visited) -> Result<Outcome, Stop> {
    let measure = &visited.measure;
    let by = format!("application, {}", measure.by);
    let landed = measure.landed.clone().unwrap_or_default();
    let check = |id: &str, label: &str, holds: bool| {
        Check::new(id, label, &by, if holds { Verdict::Passed } else { Verdict::Failed })
    };
    let arrived = visited.sign_in == SignIn::Accepted && landed.contains(&spec.landing);
    act.check(check("sign-in", "sign-in lands", arrived).expecting(&spec.landing).seeing(&landed)).await?;
    let broken: Vec<&AppRequest> = measure.requests.iter().filter(|request| request.status >= 500).collect();
    let words: Vec<String> = broken.iter().map(|request| said(request)).collect();
    let seen = if broken.is_empty() { format!("{} requests", measure.requests.len()) } else { words.join("; ") };
    act.check(check("backend", "no 5xx of the backend", broken.is_empty()).seeing(seen)).await?;
    let ours: Vec<&String> = measure.console_errors.iter().filter(|line| is_failure(line, spec)).collect();
    let seen = format!("{} errors, {} of the backend", measure.console_errors.len(), ours.len());
    act.check(check("console", "no error of the backend on the console", ours.is_empty()).seeing(seen)).await?;
    slow_check(act, spec, measure, &by).await?;
    remarks(act, spec, visited, &by).await?;
    let finding = if !arrived {
        login_failed(act, visited, &landed, &by)
    } else if !broken.is_empty() {
        backend_failed(act, &words, &by)
    } else if let Some(line) = ours.first() {
        Finding::unknown("the console names an error of the backend").because(Evidence::now(&by, line.as_str()))
    } else {
        return Ok(Outcome::Passed);
    };
    let kept = measure.screenshot.as_ref().map(|file| Evidence::now(&by, format!("screenshot: {file}")));
    let finding = kept.into_iter().fold(finding, Finding::because);
    Err(diagnosis::with_guide(act, finding).into())
}

fn said(request: &AppRequest) -> String {
    format!("{} {} {}, {} ms", request.status, request.method, request.url, request.millis)
}

/// Whether a console error is the operations backend's: a 5xx of its API, or Sentry that did not start.
fn is_failure(line: &str, spec: &AppHealth) -> bool {
    let server_error = ["500", "502", "503", "504"].iter().any(|code| line.contains(code));
    (line.contains(&spec.api_prefix) && server_error) || line.contains("Sentry")
}

/// Console errors that do not name the backend at all, each once with its count.
fn noise(measure: &AppMeasure, spec: &AppHealth) -> Vec<String> {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    let strange = |line: &&String| !line.contains(&spec.api_prefix) && !is_failure(line, spec);
    for line in measure.console_errors.iter().filter(strange) {
        match counted.iter_mut().find(|(known, _)| known == line) {
            Some((_, count)) => *count += 1,
            None => counted.push((line, 1)),
        }
    }
    counted.into_iter().map(|(line, count)| format!("{count} × {line}")).collect()
}

/// What is worth knowing and fails nothing.
async fn remarks(act: &mut Noting, spec: &AppHealth, visited: &Visited, by: &str) -> Result<(), Stop> {
    let mut remarks = Vec::new();
    remarks.extend(stale_session(visited, by));
    remarks.extend(transient_401(&visited.measure, by));
    remarks.extend(console_noise(&visited.measure, spec, by));
    remarks.extend(slow_requests(act, spec, &visited.measure, by).await);
    for remark in remarks {
        act.remark(remark).await?;
    }
    Ok(())
}

fn stale_session(visited: &Visited, by: &str) -> Option<Finding> {
    let speaks = |notice: &&String| {
        let notice = notice.to_lowercase();
        notice.contains("session") && notice.contains("expired")
    };
    let notice = visited.notices.iter().find(speaks)?;
    let finding = Finding::of("stale-session", "the application said that a session had expired, and asked to sign in")
        .because(Evidence::now(by, format!("before anything was typed: {notice}")))
        .meaning("nothing: it was signed in to anew")
        .way_out("nothing is to be done");
    Some(finding)
}

/// A request that was refused at first and answered when it was made again.
fn transient_401(measure: &AppMeasure, by: &str) -> Option<Finding> {
    let requests = &measure.requests;
    let retried = |index: usize, refused: &AppRequest| {
        let same =
            |later: &&AppRequest| later.method == refused.method && later.url == refused.url && later.status < 400;
        requests[index + 1..].iter().find(same)
    };
    let refused = requests.iter().enumerate().filter(|(_, request)| request.status == 401);
    let (first, then) = refused.into_iter().find_map(|(index, request)| Some((request, retried(index, request)?)))?;
    let finding = Finding::of("transient-401", format!("{} was refused at first and answered then", first.url))
        .because(Evidence::now(by, format!("{}; then {}", said(first), said(then))))
        .meaning("nothing: the application asks again by itself")
        .way_out("nothing is to be done");
    Some(finding)
}

fn console_noise(measure: &AppMeasure, spec: &AppHealth, by: &str) -> Option<Finding> {
    let noise = noise(measure, spec);
    if noise.is_empty() {
        return None;
    }
    let finding = Finding::of("console-noise", "the console has errors that do not name the operations backend")
        .meaning("no failure of this rollout's; recorded as an anomaly")
        .way_out("worth a ticket of its own, if there is none yet");
    Some(
        noise.into_iter().fold(finding, |finding, line| finding.because(Evidence::now(format!("{by}, console"), line))),
    )
}

/// Slow requests are listed, not failed: they are what the new logging is there to show.
async fn slow_requests(look: &Look, spec: &AppHealth, measure: &AppMeasure, by: &str) -> Option<Finding> {
    let slow = measure.slower_than(spec.slow);
    if slow.is_empty() {
        return None;
    }
    let named: Vec<String> = slow.iter().take(NAMED).map(|request| said(request)).collect();
    let mut finding = Finding::of("slow-requests", figures(measure, spec))
        .because(Evidence::now(by, named.join("; ")))
        .meaning("the queries behind them appear in the new slow-query log; no failure of this rollout's")
        .way_out("compare with the partitions before and with the top queries; tune them on their own");
    for (partition, earlier) in &look.measured {
        finding = finding.because(Evidence::now(format!("{partition}, {}", earlier.by), figures(earlier, spec)));
    }
    Some(finding.because(top_queries(look).await))
}

fn figures(measure: &AppMeasure, spec: &AppHealth) -> String {
    let median = measure.median().map_or_else(String::new, |median| format!(", median {median} ms"));
    let (slow, all) = (measure.slower_than(spec.slow).len(), measure.requests.len());
    format!("{slow} of {all} requests over {} ms{median}", spec.slow.as_millis())
}

/// The costliest statements on the writer since it started.
async fn top_queries(look: &Look) -> Evidence {
    const SOURCE: &str = "pg_stat_statements on the writer";
    let seen = async { look.tools.sql().await?.costliest(QUERIES).await };
    match seen.await {
        Ok(statements) => {
            let words = statements.iter().map(|(statement, query)| {
                let query: String = query.chars().take(QUERY_LENGTH).collect();
                format!("{:.0} ms in {} calls: {query}", statement.total_ms, statement.calls)
            });
            Evidence::now(SOURCE, words.collect::<Vec<_>>().join("; "))
        }
        Err(trouble) => Evidence::now(SOURCE, format!("not seen: {trouble}")),
    }
}

fn login_failed(look: &Look, visited: &Visited, landed: &str, by: &str) -> Finding {
    let cause = match &visited.sign_in {
        SignIn::NoForm => "there is no sign-in form".to_owned(),
        SignIn::Refused { banner: Some(banner) } => format!("sign-in refused: {banner}"),
        SignIn::Refused { banner: None } => "sign-in stays on its page".to_owned(),
        SignIn::Accepted => format!("sign-in landed on {landed}"),
    };
    Finding::of("login-fails", cause)
        .because(Evidence::now(by, format!("landed on {landed}")))
        .meaning("a stalled rollout here: the go-ahead stays locked")
        .way_out("sign in by hand with the same 1Password item; once the account or the application is mended, again")
        .again_after(look.step.retry_after)
}

fn backend_failed(look: &Look, broken: &[String], by: &str) -> Finding {
    let finding = Finding::of("backend-5xx", format!("the backend answers 5xx: {} requests", broken.len()));
    let finding = broken.iter().fold(finding, |finding, words| finding.because(Evidence::now(by, words.as_str())));
    let finding = finding
        .meaning("a stalled rollout here: the go-ahead stays locked")
        .way_out(
            "look at the pods' log; again, if it may have been passing; else restart the deployment, or take the chart \
             back and go back to step 8",
        )
        .again_after(look.step.retry_after);
    let restarts = look.partition.levers.iter().any(|lever| lever.id.as_str() == RESTART);
    if restarts { finding.lever(RESTART, None) } else { finding }
}

async fn slow_check(act: &mut Noting, spec: &AppHealth, measure: &AppMeasure, by: &str) -> Result<(), Stop> {
    let limit = spec.slow.as_millis();
    let slow = measure.slower_than(spec.slow);
    let named: Vec<String> =
        slow.iter().take(NAMED).map(|request| format!("{} ms {}", request.millis, request.url)).collect();
    let colon = if named.is_empty() { "" } else { ": " };
    let seen = format!("{} of {}{colon}{}", slow.len(), measure.requests.len(), named.join(", "));
    let label = format!("requests over {limit} ms, listed");
    act.check(Check::new("slow", label, by, Verdict::Passed).seeing(seen)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn spec() -> AppHealth {
        AppHealth {
            slow: Duration::from_millis(500),
            api_prefix: "/api/".into(),
            landing: "/items".into(),
            requests: Vec::new(),
        }
    }

    fn measure(requests: &[(&str, u16)], console: &[&str]) -> AppMeasure {
        let request = |(url, status): &(&str, u16)| AppRequest {
            method: "GET".into(),
            url: (*url).to_owned(),
            status: *status,
            millis: 40,
        };
        AppMeasure {
            by: "browser".into(),
            landed: None,
            timings: Vec::new(),
            requests: requests.iter().map(request).collect(),
            console_errors: console.iter().map(|line| (*line).to_owned()).collect(),
            anomalies: Vec::new(),
            screenshot: None,
        }
    }

    #[test]
    fn a_401_is_transient_only_where_the_same_request_was_answered_later() {
        let is_transient = |requests: &[(&str, u16)]| transient_401(&measure(requests, &[]), "browser").is_some();
        assert!(is_transient(&[("/api/hash", 401), ("/api/other", 200), ("/api/hash", 200)]));
        assert!(!is_transient(&[("/api/hash", 200), ("/api/hash", 401)]));
        assert!(!is_transient(&[("/api/hash", 401), ("/api/other", 200)]));
    }

    #[test]
    fn noise_is_what_does_not_name_the_backend_and_each_line_is_counted() {
        let lines = [
            "AG Grid: License Key Not Found",
            "AG Grid: License Key Not Found",
            "Failed to load resource: the server responded with a status of 401 () /api/hash",
            "Failed to load resource: the server responded with a status of 502 (Bad Gateway) /api/items",
            "Sentry could not be initialised",
        ];
        assert_eq!(noise(&measure(&[], &lines), &spec()), ["2 × AG Grid: License Key Not Found"]);
        let failures: Vec<&&str> = lines.iter().filter(|line| is_failure(line, &spec())).collect();
        assert_eq!(failures, [&lines[3], &lines[4]]);
    }
}
