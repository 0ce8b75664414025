//! `gh pr view` and `gh pr merge`: the pull requests of the plan.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Answer;
use super::arguments::Arguments;
use crate::runbook::plan::{Prerequisite, StepKind};
use crate::runbook::situation::Situation;
use crate::sim::world::{Site, World};

const FLAGS: [&str; 7] = ["merge", "squash", "rebase", "delete-branch", "auto", "admin", "comments"];
const SHORT: [(&str, &str); 6] =
    [("-R", "repo"), ("-m", "merge"), ("-s", "squash"), ("-r", "rebase"), ("-d", "delete-branch"), ("-q", "jq")];

/// A pull request that was merged here.
#[derive(Debug, Clone)]
pub struct Merged {
    repository: String,
    number: u64,
    at: Timestamp,
}

pub fn run(site: &Arc<Site>, merged: &Mutex<Vec<Merged>>, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &FLAGS, &SHORT);
    let words = arguments.words();
    let repository = arguments.value("repo").unwrap_or_default().to_owned();
    let ["pr", verb @ ("view" | "merge"), number] = words.as_slice() else {
        return match words.as_slice() {
            ["auth", "status"] => Answer::out("github.com\n  ✓ Logged in to github.com account operator (simulated)\n"),
            _ => Answer::failed("gh: the simulated site knows `gh pr view` and `gh pr merge`, nothing else\n"),
        };
    };
    site.ledger.count("gh", &format!("pr {verb}"), &format!("{repository}#{number}"), *verb == "merge");
    let known = number.parse().ok().filter(|number| site.read(|world| is_known(world, &repository, *number)));
    let Some(number) = known else {
        return Answer::failed(format!("GraphQL: Could not resolve to a PullRequest with the number of {number}.\n"));
    };
    let mut merged = merged.lock().unwrap_or_else(PoisonError::into_inner);
    let unready = match *verb {
        "view" => site.change(|world| world.strikes_in_hand(Situation::PrNotReady)).map(Unready::of),
        _ => None,
    };
    if unready == Some(Unready::Merged) {
        merged.push(Merged { repository: repository.clone(), number, at: Timestamp::now() });
    }
    let done = merged.iter().find(|it| it.repository == repository && it.number == number).map(|it| it.at);
    match (*verb, done) {
        ("merge", Some(_)) => Answer::out(format!("! Pull request {repository}#{number} was already merged\n")),
        ("merge", None) => {
            merged.push(Merged { repository: repository.clone(), number, at: Timestamp::now() });
            Answer::out(format!("✓ Merged pull request {repository}#{number}\n"))
        }
        (_, done) => view(&repository, number, (done, unready), arguments.value("json")),
    }
}

/// Why a pull request is not ready; somebody mends one, and the next shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unready {
    Closed,
    Red,
    Unapproved,
    /// For good.
    Merged,
}

impl Unready {
    fn of(time: u32) -> Self {
        [Self::Closed, Self::Red, Self::Unapproved, Self::Merged][(time as usize + 3) % 4]
    }
}

fn view(
    repository: &str,
    number: u64,
    (merged, unready): (Option<Timestamp>, Option<Unready>),
    fields: Option<&str>,
) -> Answer {
    let state = match (merged, unready) {
        (Some(_), _) => "MERGED",
        (None, Some(Unready::Closed)) => "CLOSED",
        _ => "OPEN",
    };
    let Some(fields) = fields else {
        return Answer::out(format!("Operations chart 2.24.0 {repository}#{number}\n{state}\n"));
    };
    let mut all = pull_request(repository, number, state, merged);
    match unready {
        Some(Unready::Closed) => all["closed"] = json!(true),
        Some(Unready::Red) => all["statusCheckRollup"][2]["conclusion"] = json!("FAILURE"),
        Some(Unready::Unapproved) => all["reviewDecision"] = json!("REVIEW_REQUIRED"),
        Some(Unready::Merged) | None => {}
    }
    let mut answer = Map::new();
    for field in fields.split(',') {
        let Some(value) = all.get(field) else {
            return Answer::failed(format!("Unknown JSON field: \"{field}\"\n"));
        };
        answer.insert(field.to_owned(), value.clone());
    }
    Answer::out(format!("{}\n", Value::Object(answer)))
}

/// The fields of a pull request as `gh pr view --json` names them.
fn pull_request(repository: &str, number: u64, state: &str, merged: Option<Timestamp>) -> Value {
    let url = format!("https://github.com/{repository}/pull/{number}");
    let check = |name: &str| {
        json!({ "__typename": "CheckRun", "name": name, "workflowName": "CI", "status": "COMPLETED",
                "conclusion": "SUCCESS", "detailsUrl": format!("{url}/checks") })
    };
    json!({
        "number": number, "title": "Operations chart 2.24.0: initializer 2.5.0 and Sentry wiring", "url": url,
        "state": state, "closed": merged.is_some(), "isDraft": false, "baseRefName": "main",
        "headRefName": "chart-2.24.0", "headRefOid": "5e1f0a4c1d9b7a3380c6d2f1b4e8a97c60d3f215",
        "mergeable": if merged.is_some() { "UNKNOWN" } else { "MERGEABLE" },
        "mergeStateStatus": if merged.is_some() { "UNKNOWN" } else { "CLEAN" },
        "reviewDecision": "APPROVED",
        "statusCheckRollup": [check("build"), check("helm-lint"), check("integration")],
        "mergedAt": merged.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        "mergedBy": merged.map(|_| json!({ "login": "operator" })),
        "mergeCommit": merged.map(|_| json!({ "oid": "0b7d2f5c9e31a8846f07d1c2b3a4958677e0d1f4" })),
    })
}

/// Whether the plan speaks of this pull request.
fn is_known(world: &World, repository: &str, number: u64) -> bool {
    let is_it = |name: &str, it: u64| name == repository && it == number;
    world.plan.partitions.iter().flat_map(|partition| &partition.steps).any(|step| match &step.kind {
        StepKind::Close(close) => is_it(&close.repository, close.number),
        StepKind::Preflight(preflight) => preflight.checks.iter().any(
            |check| matches!(check, Prerequisite::PullRequest { repository, number } if is_it(repository, *number)),
        ),
        _ => false,
    })
}
