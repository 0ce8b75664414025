//! Pull requests, through GitHub's command line `gh`.

use jiff::Timestamp;
use serde::Deserialize;

use super::program::{Capture, Captured};
use super::{Controls, Trouble, TroubleKind};
use crate::runbook::event::Call;
use crate::runbook::text::{clean_line, shell_line};

const VIEW: &str = "gh pr view";
const MERGE: &str = "gh pr merge";
const FIELDS: &str = "number,title,url,state,isDraft,mergedAt,reviewDecision,statusCheckRollup";

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Title, cleaned.
    pub title: String,
    /// Address.
    pub url: String,
    /// `OPEN`, `CLOSED` or `MERGED`.
    pub state: String,
    /// Whether it is a draft.
    pub draft: bool,
    /// When it was merged.
    pub merged: Option<Timestamp>,
    /// `APPROVED`, `CHANGES_REQUESTED`, `REVIEW_REQUIRED`; none where the repository asks for no review.
    pub review: Option<String>,
    /// Its checks.
    pub checks: Vec<PullRequestCheck>,
}

impl PullRequest {
    /// The checks that ended badly.
    pub fn red(&self) -> impl Iterator<Item = &PullRequestCheck> {
        self.checks.iter().filter(|check| check.outcome == CheckOutcome::Failed)
    }

    /// The checks that have not ended.
    pub fn pending(&self) -> impl Iterator<Item = &PullRequestCheck> {
        self.checks.iter().filter(|check| check.outcome == CheckOutcome::Pending)
    }
}

/// A check of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestCheck {
    /// Name.
    pub name: String,
    /// How it ended.
    pub outcome: CheckOutcome,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckOutcome {
    /// Well, or it did not apply.
    Passed,
    /// It has not.
    Pending,
    /// Badly.
    Failed,
}

/// A pull request of a repository, `owner/name`.
pub async fn pull_request(repository: &str, number: u64) -> Result<PullRequest, Trouble> {
    let number = number.to_string();
    let answer = run(VIEW, &["pr", "view", &number, "--repo", repository, "--json", FIELDS]).await?;
    Ok(view(answer.json::<Answer>(VIEW)?))
}

/// Merges a pull request with a merge commit.
///
/// # Errors
/// As `gh` ends. What it says in no words that are known to be GitHub's refusal may have come of a connection that broke after
/// the merge: it is `NoAnswer`.
pub async fn merge(_controls: &Controls, repository: &str, number: u64) -> Result<(), Trouble> {
    let merged = run(MERGE, &merge_words(repository, &number.to_string())[1..]).await;
    merged.map(|_| ()).map_err(|trouble| match trouble.kind {
        TroubleKind::Refused if !is_githubs_word(&trouble.message) => {
            Trouble { kind: TroubleKind::NoAnswer, ..trouble }
        }
        _ => trouble,
    })
}

/// Whether a complaint is GitHub's own answer to a merge, and not what `gh` met on the way.
fn is_githubs_word(complaint: &str) -> bool {
    let complaint = complaint.to_lowercase();
    ["graphql:", "not mergeable", "http 4", "merge conflict"].iter().any(|words| complaint.contains(words))
}

/// The call of [`merge`] and its command line.
pub fn merge_call(repository: &str, number: u64) -> Call {
    Call {
        operation: MERGE.to_owned(),
        target: format!("github.com · {repository}"),
        command_line: shell_line(merge_words(repository, &number.to_string())),
    }
}

fn merge_words<'a>(repository: &'a str, number: &'a str) -> [&'a str; 7] {
    ["gh", "pr", "merge", number, "--repo", repository, "--merge"]
}

async fn run(call: &str, arguments: &[&str]) -> Result<Captured, Trouble> {
    let capture = Capture::new("gh", arguments).env("GH_PROMPT_DISABLED", "1").env("NO_COLOR", "1");
    let answer = capture.env("GH_NO_UPDATE_NOTIFIER", "1").run(call).await?;
    if answer.is_success() { Ok(answer) } else { Err(answer.trouble(call, kind(answer.code, &answer.stderr))) }
}

/// `gh` has an exit code of its own (4) for being signed out.
fn kind(code: Option<i32>, complaint: &str) -> TroubleKind {
    let complaint = complaint.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| complaint.contains(part));
    if code == Some(4) || says(&["gh auth login", "bad credentials", "http 401"]) {
        TroubleKind::SignedOut
    } else if says(&["could not resolve to a", "no pull requests found", "http 404"]) {
        TroubleKind::NotFound
    } else if says(&["rate limit", "http 429"]) {
        TroubleKind::Throttled
    } else if says(&["http 403", "must have admin rights", "not accessible by"]) {
        TroubleKind::Denied
    } else if says(&["error connecting to", "no such host", "dial tcp"]) {
        TroubleKind::Unreachable
    } else if says(&["http 5", "timeout", "eof"]) {
        TroubleKind::NoAnswer
    } else {
        TroubleKind::Refused
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    title: String,
    url: String,
    state: String,
    #[serde(default)]
    is_draft: bool,
    merged_at: Option<Timestamp>,
    review_decision: Option<String>,
    #[serde(default)]
    status_check_rollup: Vec<Rollup>,
}

/// A check run (`status`, `conclusion`) or a commit status of the older kind (`context`, `state`).
#[derive(Debug, Deserialize)]
struct Rollup {
    name: Option<String>,
    context: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    state: Option<String>,
}

fn view(answer: Answer) -> PullRequest {
    PullRequest {
        title: clean_line(&answer.title),
        url: clean_line(&answer.url),
        state: answer.state,
        draft: answer.is_draft,
        merged: answer.merged_at,
        review: answer.review_decision.filter(|decision| !decision.is_empty()),
        checks: answer.status_check_rollup.into_iter().map(check).collect(),
    }
}

fn check(rollup: Rollup) -> PullRequestCheck {
    let ended = rollup.status.as_deref().is_none_or(|status| status == "COMPLETED");
    let word = rollup.conclusion.filter(|word| !word.is_empty()).or(rollup.state);
    let outcome = match word.as_deref() {
        _ if !ended => CheckOutcome::Pending,
        Some("SUCCESS" | "NEUTRAL" | "SKIPPED") => CheckOutcome::Passed,
        Some("PENDING" | "EXPECTED") | None => CheckOutcome::Pending,
        Some(_) => CheckOutcome::Failed,
    };
    PullRequestCheck { name: clean_line(&rollup.name.or(rollup.context).unwrap_or_default()), outcome }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_kinds_of_checks_are_understood() {
        let answer = r#"{
            "number": 170, "title": "Bump", "url": "https://github.com/a/b/pull/170", "state": "OPEN", "isDraft": false,
            "mergedAt": null, "reviewDecision": "APPROVED",
            "statusCheckRollup": [
                {"__typename": "CheckRun", "name": "build", "status": "COMPLETED", "conclusion": "SUCCESS"},
                {"__typename": "CheckRun", "name": "lint", "status": "IN_PROGRESS", "conclusion": ""},
                {"__typename": "CheckRun", "name": "e2e", "status": "COMPLETED", "conclusion": "TIMED_OUT"},
                {"__typename": "StatusContext", "context": "ci/old", "state": "SUCCESS"}
            ]}"#;
        let pull = view(serde_json::from_str(answer).unwrap());
        assert_eq!((pull.state.as_str(), pull.review.as_deref(), pull.merged), ("OPEN", Some("APPROVED"), None));
        assert_eq!(pull.red().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["e2e"]);
        assert_eq!(pull.pending().map(|check| check.name.as_str()).collect::<Vec<_>>(), ["lint"]);
    }

    #[test]
    fn complaints_are_told_apart() {
        for (code, complaint, expected) in [
            (4, "To get started with GitHub CLI, please run:  gh auth login", TroubleKind::SignedOut),
            (1, "GraphQL: Could not resolve to a PullRequest with the number of 999.", TroubleKind::NotFound),
            (1, "error connecting to api.github.com", TroubleKind::Unreachable),
            (1, "Pull request is not mergeable: the base branch policy prohibits the merge.", TroubleKind::Refused),
        ] {
            assert_eq!(kind(Some(code), complaint), expected, "{complaint}");
        }
    }

    #[test]
    fn what_may_have_broken_after_the_merge_is_no_refusal() {
        for (complaint, refused) in [
            ("exit 1: X Pull request o/r#170 is not mergeable: the base branch policy prohibits the merge.", true),
            ("exit 1: GraphQL: Pull Request is not mergeable (mergePullRequest)", true),
            ("exit 1: HTTP 405: Base branch was modified. Review and try the merge again.", true),
            ("exit 1: Post \"https://api.github.com/graphql\": read tcp: read: connection reset by peer", false),
            ("exit 1: stream error: stream ID 7; INTERNAL_ERROR", false),
            ("ended by a signal", false),
        ] {
            assert_eq!(is_githubs_word(complaint), refused, "{complaint}");
        }
    }

    #[test]
    fn the_call_says_what_is_run() {
        let line = merge_call("Arda-cards/operations-monolith-component", 170).command_line;
        assert_eq!(line, "gh pr merge 170 --repo Arda-cards/operations-monolith-component --merge");
    }
}
