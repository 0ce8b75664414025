//! Git working trees, read-only.

use super::program::{Capture, Captured};
use super::{Trouble, TroubleKind};

/// A working tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Git {
    path: String,
}

/// How a working tree stands, by its own last fetch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeView {
    /// Branch; none where HEAD is detached.
    pub branch: Option<String>,
    /// The branch that it follows.
    pub upstream: Option<String>,
    /// Commits that the upstream does not have.
    pub ahead: u32,
    /// Commits that the upstream has and this does not.
    pub behind: u32,
    /// What is not committed, as `git status --short` lists it.
    pub changes: Vec<String>,
}

impl Git {
    /// The tree at that path; a leading `~` is the home directory.
    pub fn at(path: &str) -> Self {
        let home = std::env::home_dir().map(|home| home.to_string_lossy().into_owned());
        let path = match (path.strip_prefix('~'), home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => path.to_owned(),
        };
        Self { path }
    }

    /// Branch, distance to its upstream, and what is not committed.
    pub async fn status(&self) -> Result<TreeView, Trouble> {
        const CALL: &str = "git status";
        let answer = self.run(CALL, &["status", "--porcelain", "--branch"]).await?;
        parse(&succeeded(CALL, answer)?.text())
    }

    /// The commit that is checked out.
    pub async fn head(&self) -> Result<String, Trouble> {
        const CALL: &str = "git rev-parse";
        let answer = self.run(CALL, &["rev-parse", "--verify", "HEAD"]).await?;
        Ok(succeeded(CALL, answer)?.text())
    }

    /// Whether HEAD contains a commit; one that the tree has never heard of it does not.
    pub async fn contains(&self, commit: &str) -> Result<bool, Trouble> {
        const CALL: &str = "git merge-base";
        let known = ["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{commit}^{{commit}}")];
        if self.head().await.is_ok() && !self.run(CALL, &known).await?.is_success() {
            return Ok(false);
        }
        let answer = self.run(CALL, &["merge-base", "--is-ancestor", commit, "HEAD"]).await?;
        match answer.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(answer.trouble(CALL, TroubleKind::Refused)),
        }
    }

    async fn run(&self, call: &str, arguments: &[&str]) -> Result<Captured, Trouble> {
        let words = ["-C", &self.path].into_iter().chain(arguments.iter().copied());
        // Looking must not take the index lock from somebody who works in the tree, and must not ask for a password.
        let capture = Capture::new("git", words).env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0");
        capture.env("LC_ALL", "C").run(call).await
    }
}

fn succeeded(call: &str, answer: Captured) -> Result<Captured, Trouble> {
    if answer.is_success() {
        return Ok(answer);
    }
    let missing = ["not a git repository", "cannot change to"].iter().any(|part| answer.stderr.contains(part));
    Err(answer.trouble(call, if missing { TroubleKind::NotFound } else { TroubleKind::Refused }))
}

/// Reads `## main...origin/main [ahead 1, behind 2]` and the lines after it.
fn parse(text: &str) -> Result<TreeView, Trouble> {
    let mut lines = text.lines();
    let head = lines.next().and_then(|line| line.strip_prefix("## "));
    let head = head.ok_or_else(|| Trouble::new("git status", TroubleKind::Malformed, "it names no branch"))?;
    let mut tree = TreeView { changes: lines.map(str::to_owned).collect(), ..TreeView::default() };
    if head == "HEAD (no branch)" {
        return Ok(tree);
    }
    let head = head.strip_prefix("No commits yet on ").unwrap_or(head);
    let (names, distance) = head.split_once(" [").unwrap_or((head, ""));
    let (branch, upstream) = match names.split_once("...") {
        Some((branch, upstream)) => (branch, Some(upstream.to_owned())),
        None => (names, None),
    };
    tree.branch = Some(branch.to_owned());
    tree.upstream = upstream;
    for part in distance.trim_end_matches(']').split(", ") {
        match part.split_once(' ') {
            Some(("ahead", count)) => tree.ahead = count.parse().unwrap_or_default(),
            Some(("behind", count)) => tree.behind = count.parse().unwrap_or_default(),
            _ => {}
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn branch_lines_are_understood() {
        let tree = parse("## main...origin/main [ahead 1, behind 12]\n M amm.sh\n?? new file").unwrap();
        assert_eq!((tree.branch.as_deref(), tree.upstream.as_deref()), (Some("main"), Some("origin/main")));
        assert_eq!((tree.ahead, tree.behind, tree.changes.len()), (1, 12, 2));
        assert_eq!(parse("## HEAD (no branch)").unwrap(), TreeView::default());
        assert_eq!(parse("## No commits yet on main").unwrap().branch.as_deref(), Some("main"));
        assert_eq!(parse("## release/1.0...origin/release/1.0").unwrap().branch.as_deref(), Some("release/1.0"));
        assert_eq!(parse("").unwrap_err().kind, TroubleKind::Malformed);
    }

    #[tokio::test]
    async fn a_real_tree_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_str().unwrap();
        let git = async |arguments: &[&str]| {
            let words = ["-C", path, "-c", "user.name=t", "-c", "user.email=t@example.org"];
            let run = Capture::new("git", words.iter().chain(arguments).copied()).run("git").await.unwrap();
            assert!(run.is_success(), "{run:?}");
            run.text()
        };
        git(&["init", "-q", "-b", "main"]).await;
        git(&["commit", "-q", "--allow-empty", "-m", "one"]).await;
        let first = git(&["rev-parse", "HEAD"]).await;
        git(&["checkout", "-q", "-b", "other"]).await;
        git(&["commit", "-q", "--allow-empty", "-m", "two"]).await;
        let second = git(&["rev-parse", "HEAD"]).await;
        git(&["checkout", "-q", "main"]).await;
        std::fs::write(directory.path().join("new"), "").unwrap();

        let tree = Git::at(path);
        let status = tree.status().await.unwrap();
        assert_eq!((status.branch.as_deref(), status.upstream), (Some("main"), None));
        assert_eq!(status.changes, ["?? new"]);
        assert_eq!(tree.head().await.unwrap(), first);
        assert!(tree.contains(&first[..7]).await.unwrap());
        assert!(!tree.contains(&second).await.unwrap());
        assert!(!tree.contains("929b3c8").await.unwrap());
    }

    #[tokio::test]
    async fn what_is_no_tree_is_said_to_be_none() {
        let directory = tempfile::tempdir().unwrap();
        let outside = Git::at(directory.path().to_str().unwrap());
        assert_eq!(outside.status().await.unwrap_err().kind, TroubleKind::NotFound);
        assert_eq!(Git::at("/no/such/tree").status().await.unwrap_err().kind, TroubleKind::NotFound);
        assert!(outside.contains("929b3c8").await.is_err());
    }
}
