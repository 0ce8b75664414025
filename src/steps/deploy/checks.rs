//! How everything stands: each thing that must hold, with what was seen of it.

use jiff::Timestamp;

use super::super::act::Act;
use super::super::context::{Look, Stop};
use super::seen::Seen;
use crate::clients::kubernetes::PodView;
use crate::clients::postgres::StatementsProbe;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::plan::DeploySpec;

/// The checks that hold only where the application has its secret.
pub const OF_SECRET: [&str; 3] = ["environment", "external-secret", "log"];

pub fn required(look: &Look, spec: &DeploySpec) -> Vec<Check> {
    let mut checks = vec![
        check("rollout", format!("{} rolled out", spec.deployment), Verdict::Pending),
        check("pods", "pods Running, ready, no restarts".to_owned(), Verdict::Pending),
        init_check(spec, Verdict::Pending),
    ];
    checks.extend(spec.environment.as_ref().map(|name| environment_check(name, Verdict::Pending)));
    checks.extend(spec.external_secret.as_ref().map(|name| external_check(name, Verdict::Pending)));
    checks.extend(spec.expect_log.as_ref().map(|text| log_check(text, Verdict::Pending)));
    if look.partition.sql.is_some() {
        checks.push(statements_check(Verdict::Pending));
    }
    checks
}

fn check(id: &str, label: String, verdict: Verdict) -> Check {
    Check::new(id, label, "kubernetes", verdict)
}

fn init_check(spec: &DeploySpec, verdict: Verdict) -> Check {
    let image = spec.init_image.rsplit('/').next().unwrap_or(&spec.init_image);
    check("init", format!("init containers exit 0 on {image}"), verdict)
}

fn environment_check(name: &str, verdict: Verdict) -> Check {
    check("environment", format!("{name} in the process, not only in the spec"), verdict)
}

fn external_check(name: &str, verdict: Verdict) -> Check {
    check("external-secret", format!("ExternalSecret {name} Ready"), verdict)
}

fn log_check(text: &str, verdict: Verdict) -> Check {
    check("log", format!("log says \"{text}\""), verdict)
}

fn statements_check(verdict: Verdict) -> Check {
    Check::new("statements", "pg_stat_statements in the application's database", "SQL on the writer", verdict)
}

fn settling(holds: bool) -> Verdict {
    if holds { Verdict::Passed } else { Verdict::Settling }
}

/// Writes down how everything stands.
pub async fn judge(act: &mut Act, spec: &DeploySpec, seen: &Seen) -> Result<(), Stop> {
    let mut checks = vec![rollout(spec, seen), pods(act.attempt.started_at, seen), init(spec, seen)];
    checks.extend(spec.environment.as_ref().map(|name| environment(spec, name, seen)));
    checks.extend(spec.external_secret.as_ref().map(|name| external(name, seen)));
    checks.extend(spec.expect_log.as_ref().map(|text| match &seen.application_log {
        Some(Ok(line)) => log_check(text, Verdict::Passed).seeing(line),
        Some(Err(line)) => log_check(text, Verdict::Failed).seeing(line),
        None => log_check(text, Verdict::Settling),
    }));
    if let Some(statements) = seen.statements {
        checks.push(match statements {
            StatementsProbe::Rows(rows) => statements_check(Verdict::Passed).seeing(format!("{rows} rows")),
            StatementsProbe::ExtensionMissing => statements_check(Verdict::Settling).seeing("relation does not exist"),
            StatementsProbe::NotPreloaded => statements_check(Verdict::Failed).seeing("not preloaded"),
        });
    }
    for check in checks {
        act.check(check).await?;
    }
    Ok(())
}

/// The checks that do not hold.
pub fn open(act: &Act) -> impl Iterator<Item = &Check> {
    act.attempt.checks.iter().filter(|check| !matches!(check.verdict, Verdict::Passed | Verdict::Warning))
}

fn rollout(spec: &DeploySpec, seen: &Seen) -> Check {
    let label = format!("{} rolled out", spec.deployment);
    match &seen.deployment {
        None => check("rollout", label, Verdict::Settling).seeing("no such deployment"),
        Some(deployment) => {
            let words = format!("{}/{} updated, {} ready", deployment.updated, deployment.wanted, deployment.ready);
            check("rollout", label, settling(deployment.is_rolled_out())).seeing(words)
        }
    }
}

/// A restart from before the attempt is worth minding; one within it is a crash.
fn pods(since: Timestamp, seen: &Seen) -> Check {
    let is_up = |pod: &PodView| pod.status() == "Running" && pod.ready;
    let is_old = |pod: &PodView| {
        let ends = pod.containers.iter().filter_map(|container| container.last.as_ref()?.finished);
        ends.max().is_some_and(|last| last < since)
    };
    let words: Vec<String> = seen
        .pods
        .iter()
        .map(|pod| {
            let restarts = pod.restarts();
            let restarted = if restarts > 0 { format!(", {restarts} restarts") } else { String::new() };
            format!("{} {}{restarted}", pod.name.rsplit('-').next().unwrap_or(&pod.name), pod.status())
        })
        .collect();
    let all_up = !seen.pods.is_empty() && seen.pods.iter().all(is_up);
    let verdict = match (all_up, seen.pods.iter().filter(|pod| pod.restarts() > 0).all(is_old)) {
        (false, _) | (true, false) => Verdict::Settling,
        (true, true) if seen.pods.iter().any(|pod| pod.restarts() > 0) => Verdict::Warning,
        (true, true) => Verdict::Passed,
    };
    check("pods", "pods Running, ready, no restarts".to_owned(), verdict).seeing(words.join(", "))
}

fn init(spec: &DeploySpec, seen: &Seen) -> Check {
    let containers = || seen.pods.iter().flat_map(|pod| &pod.init);
    let all = containers().count();
    let good = containers()
        .filter(|container| container.image.ends_with(&spec.init_image) && container.exit_code() == Some(0))
        .count();
    let said = seen.init_log.unwrap_or(spec.init_log.is_none());
    init_check(spec, settling(all > 0 && good == all && said)).seeing(format!("{good} of {all}"))
}

/// A container has its environment from its start: a secret that was made later is not in it.
fn environment(spec: &DeploySpec, name: &str, seen: &Seen) -> Check {
    let containers: Vec<_> = seen.pods.iter().filter_map(|pod| pod.container(&spec.container)).collect();
    let named = !containers.is_empty() && containers.iter().all(|container| container.variable(name).is_some());
    let older = seen.older_than_secret(spec).is_some();
    let has_secret = seen.secret_made.is_some() || spec.external_secret.is_none();
    let words = match (named, has_secret, older) {
        (false, ..) => "not in the spec",
        (true, false, _) => "its secret does not exist yet",
        (true, true, true) => "the pods started before the secret existed",
        (true, true, false) => "populated",
    };
    environment_check(name, settling(named && has_secret && !older)).seeing(words)
}

fn external(name: &str, seen: &Seen) -> Check {
    let (ready, words) = match &seen.external_secret {
        None => (false, "does not exist".to_owned()),
        Some(secret) => {
            let ready = secret.ready.map_or("unknown".to_owned(), |ready| ready.to_string());
            (secret.ready == Some(true), format!("Ready={ready} {}", secret.reason.clone().unwrap_or_default()))
        }
    };
    external_check(name, settling(ready)).seeing(words.trim_end())
}
