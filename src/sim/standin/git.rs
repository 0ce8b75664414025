//! `git`: the real program. The site is told before the infrastructure tree is looked at, so that it can have the tree in the
//! state of a situation.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Answer, SiteClient, become_real};
use crate::runbook::plan::{Plan, Prerequisite, StepKind};
use crate::runbook::situation::Situation;
use crate::sim::launch::run_git;
use crate::sim::world::Site;

/// Tells the site of a look at a tree, then becomes the next `git` on PATH.
pub async fn main(site: &SiteClient, args: Vec<String>) -> i32 {
    if args.iter().any(|arg| arg == "status") {
        // A site that does not answer is no reason to keep git from working.
        let _ = site.answer("git", args.clone()).await;
    }
    become_real("git", &args)
}

/// What is wrong with the tree; somebody mends one, and the next shows.
#[derive(Debug, Clone, Copy)]
enum Behind {
    OnAnotherBranch,
    Dirty,
    Elsewhere,
}

/// The site's side of a look: the tree as the situation has it, or mended once the situation is over.
pub async fn look(site: &Arc<Site>, args: &[String]) -> Answer {
    let Some((tree, branch)) = site.read(|world| {
        let tree = world.dir.as_ref()?.join("infrastructure");
        is_of(&tree, args).then(|| (tree, branch(&world.plan)))
    }) else {
        return Answer::default();
    };
    site.ledger.count("git", "status", &tree.display().to_string(), false);
    let (time, touched) = site.change(|world| {
        let touched = world.situations.iter().any(|it| it.situation == Situation::InfraBehind && it.struck > 0);
        (world.strikes_in_hand(Situation::InfraBehind), touched)
    });
    let behind = time.map(|time| [Behind::OnAnotherBranch, Behind::Dirty, Behind::Elsewhere][(time as usize + 2) % 3]);
    if behind.is_none() && !touched {
        return Answer::default();
    }
    let made = tokio::task::spawn_blocking(move || make(&tree, &branch, behind)).await;
    match made {
        Ok(Ok(())) => Answer::default(),
        Ok(Err(error)) => Answer::failed(error.to_string()),
        Err(error) => Answer::failed(error.to_string()),
    }
}

fn make(tree: &Path, branch: &str, behind: Option<Behind>) -> Result<(), crate::sim::launch::LaunchError> {
    let git = |args: &[&str]| run_git(tree, args, "");
    git(&["checkout", "-q", "-f", branch])?;
    git(&["reset", "-q", "--hard", &format!("origin/{branch}")])?;
    match behind {
        None => {}
        Some(Behind::OnAnotherBranch) => drop(git(&["checkout", "-q", "-B", "pdev-500-sentry-dsn"])?),
        Some(Behind::Dirty) => {
            let readme = tree.join("README.md");
            let text = std::fs::read_to_string(&readme).unwrap_or_default();
            let _ = std::fs::write(readme, format!("{text}\nA change that is not committed.\n"));
        }
        Some(Behind::Elsewhere) => {
            let older = git(&["commit-tree", "HEAD^{tree}", "-m", "The state before the rollout's merge"])?;
            git(&["reset", "-q", "--hard", &older])?;
        }
    }
    Ok(())
}

/// Whether git is asked about that tree.
fn is_of(tree: &Path, args: &[String]) -> bool {
    let path = args.iter().position(|arg| arg == "-C").and_then(|at| args.get(at + 1)).map(PathBuf::from);
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.is_some_and(|path| real(&path) == real(tree))
}

/// The branch that the plan's prerequisites ask for.
fn branch(plan: &Plan) -> String {
    let steps = plan.partitions.iter().flat_map(|partition| &partition.steps);
    let checks = steps.filter_map(|step| match &step.kind {
        StepKind::Preflight(preflight) => Some(&preflight.checks),
        _ => None,
    });
    let branch = checks.flatten().find_map(|check| match check {
        Prerequisite::GitTree { branch, .. } => Some(branch.clone()),
        _ => None,
    });
    branch.unwrap_or_else(|| "main".to_owned())
}
