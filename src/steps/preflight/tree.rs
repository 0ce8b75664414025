//! What is to be deployed: the working tree, the image, the pull request.

use super::{Judged, Verdicts};
use crate::clients::git::{Git, TreeView};
use crate::clients::{TroubleKind, forge, image};
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;

/// The tree is on its branch, clean, level with its upstream, and holds the commit.
pub(super) async fn git(path: &str, branch: &str, contains: &str) -> Verdicts {
    let git = Git::at(path);
    // The status first: git itself refreshes its index with it.
    let tree = git.status().await?;
    let (head, contained) = tokio::try_join!(git.head(), git.contains(contains))?;
    let short: String = head.chars().take(12).collect();
    let on = tree.branch.clone().unwrap_or_else(|| "no branch".to_owned());
    let Some((cause, remedy)) = wrong(&tree, branch, contains, &short, contained) else {
        return Ok(Judged::Holds(format!("{on} at {short}, clean")));
    };
    let changes = if tree.changes.is_empty() { "clean".to_owned() } else { tree.changes.join(", ") };
    let stands = format!("branch {on}, HEAD {short}, {} behind, {} ahead, {changes}", tree.behind, tree.ahead);
    Ok(Judged::Fails(
        Finding::of("infra-behind", format!("{path}: {cause}"))
            .because(Evidence::now("git", stands))
            .meaning("step 2 would deploy something else than what was agreed")
            .way_out(format!("{remedy}, then check again"))
            .again(),
    ))
}

/// What is wrong with a tree, and what mends it.
fn wrong(tree: &TreeView, branch: &str, contains: &str, head: &str, contained: bool) -> Option<(String, String)> {
    let on = tree.branch.as_deref().unwrap_or("no branch");
    if on != branch {
        return Some((format!("it is on {on}, not on {branch}"), format!("git switch {branch}")));
    }
    if !tree.changes.is_empty() {
        let remedy = "commit or stash what is not committed: git stash --include-untracked";
        return Some((format!("it is not clean: {}", tree.changes.join(", ")), remedy.to_owned()));
    }
    if !contained {
        let remedy = "git pull; where main was rewritten, git fetch and git reset --hard to its upstream";
        return Some((format!("HEAD {head} does not contain {contains}"), remedy.to_owned()));
    }
    if tree.behind > 0 || tree.ahead > 0 {
        let cause = format!("it is {} behind and {} ahead of its upstream", tree.behind, tree.ahead);
        return Some((cause, "git pull, or push what is ahead".to_owned()));
    }
    None
}

/// The image's manifest can be read.
pub(super) async fn image(reference: &str) -> Verdicts {
    match image::inspect(reference).await {
        Ok(()) => Ok(Judged::Holds("present".to_owned())),
        Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(Judged::Fails(
            Finding::of("image-missing", format!("{reference} is not published"))
                .because(Evidence::now(&trouble.call, trouble.to_string()))
                .meaning("the pods of step 8 could not start: their init container would not be pulled")
                .way_out("have the image published, or correct its tag; then check again")
                .again(),
        )),
        Err(trouble) => Err(trouble),
    }
}

/// The pull request is open, green and approved, and was not merged early.
pub(super) async fn pull_request(repository: &str, number: u64) -> Verdicts {
    let request = forge::pull_request(repository, number).await?;
    let name = format!("{repository}#{number}");
    let red: Vec<&str> = request.red().map(|check| check.name.as_str()).collect();
    let pending = request.pending().count();
    let review = request.review.as_deref().unwrap_or("no review asked for");
    let evidence = Evidence::now("gh pr view", format!("{}, {review}, {} checks red", request.state, red.len()));
    if request.state == "MERGED" {
        let seen = request.merged.map_or_else(|| "merged already".to_owned(), |at| format!("merged already, {at}"));
        let finding = Finding::of("pr-not-ready", format!("{name} is merged already"))
            .because(evidence)
            .meaning(
                "main runs ahead of what is deployed: whoever deploys it before step 8 deploys the new chart early",
            )
            .way_out(
                "keep others from deploying it until the last partition is through; the merge step will find it done",
            );
        return Ok(Judged::Mind(seen, Some(finding)));
    }
    let (cause, remedy) = if request.state != "OPEN" {
        (format!("it is {}", request.state.to_lowercase()), "have it opened again")
    } else if !red.is_empty() {
        (format!("red: {}", red.join(", ")), "have its checks mended")
    } else if request.review.as_deref().is_some_and(|review| review != "APPROVED") {
        (format!("it is not approved ({review})"), "have it approved")
    } else if request.draft {
        ("it is a draft".to_owned(), "have it marked as ready")
    } else if pending > 0 {
        return Ok(Judged::Mind(format!("open, approved, {pending} checks still run"), None));
    } else {
        return Ok(Judged::Holds("open, green, approved".to_owned()));
    };
    Ok(Judged::Fails(
        Finding::of("pr-not-ready", format!("{name}: {cause}"))
            .because(evidence)
            .meaning("what step 8 deploys is not agreed yet")
            .way_out(format!("{remedy}, then check again"))
            .again(),
    ))
}
