//! The working trees that the steps look at: a real git repository with the deploy script, and the chart.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{LaunchError, environment, write_private};
use crate::runbook::plan::{DeployBy, Plan, Prerequisite, StepKind};
use crate::sim::world::operations::Chart;

/// Where the trees are.
#[derive(Debug, Clone)]
pub struct Trees {
    /// The infrastructure repository: on its branch, clean, level with its origin.
    pub infrastructure: PathBuf,
    /// The operations repository's files.
    pub operations: PathBuf,
}

/// What the repository's first commit holds.
const README: &str = "# infrastructure\n\nA stand-in for the infrastructure repository at the simulated site.\n";

/// The commit that the log's rollout asks for begins with 929b3c8. This one does too: its nonce was searched for. Every byte
/// counts, the tree's hash included.
const ROLLOUT_COMMIT: &str = "tree a5a1971f29793e5e990eac1f5442803c5f41ce9c
author Simulated Site <site@example.invalid> 1778695200 +0000
committer Simulated Site <site@example.invalid> 1778695200 +0000

Merge pull request #457: the Sentry DSN secret of each infrastructure (PDEV-500)

Nonce: 000088684054
";

/// Makes both trees anew.
///
/// # Errors
/// `git` is missing or fails, or a file cannot be written.
pub fn make(dir: &Path, plan: &Plan) -> Result<Trees, LaunchError> {
    let trees = Trees { infrastructure: dir.join("infrastructure"), operations: dir.join("operations") };
    let origin = dir.join("infrastructure.git");
    for old in [&trees.infrastructure, &trees.operations, &origin] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(LaunchError::io(format!("removing {}", old.display())))?;
        }
    }
    infrastructure(&trees.infrastructure, &origin, plan)?;
    operations(&trees.operations, plan).map_err(LaunchError::io("writing the chart"))?;
    Ok(trees)
}

fn infrastructure(tree: &Path, origin: &Path, plan: &Plan) -> Result<(), LaunchError> {
    let (branch, commits) = wanted(plan);
    let writing = || LaunchError::io(format!("writing {}", tree.display()));
    fs::create_dir_all(tree).map_err(writing())?;
    let in_origin = ["init", "-q", "--bare", "--object-format=sha1", "-b", &branch, &origin.display().to_string()];
    git(tree, &in_origin, "")?;
    git(tree, &["init", "-q", "--object-format=sha1", "-b", &branch], "")?;
    let readme = git(tree, &["hash-object", "-w", "--stdin"], README)?;
    git(tree, &["mktree"], &format!("100644 blob {readme}\tREADME.md\n"))?;
    let commit = git(tree, &["hash-object", "-t", "commit", "-w", "--stdin"], ROLLOUT_COMMIT)?;
    git(tree, &["reset", "-q", "--hard", &commit], "")?;
    for script in scripts(plan) {
        let text = environment::script("amm.sh").map_err(writing())?;
        write_private(&tree.join(&script), &text, true).map_err(writing())?;
    }
    git(tree, &["add", "--all"], "")?;
    git(tree, &["commit", "-q", "-m", "The deploy script of the simulated site"], "")?;
    for name in commits.iter().filter(|name| !commit.starts_with(name.as_str())) {
        // Another rollout asks for another commit; a tag of its name is found in its place.
        git(tree, &["tag", name, &commit], "")?;
    }
    git(tree, &["remote", "add", "origin", &origin.display().to_string()], "")?;
    git(tree, &["push", "-q", "--set-upstream", "origin", &branch], "")?;
    Ok(())
}

/// The branch that the plan's prerequisites ask for, and the commits.
fn wanted(plan: &Plan) -> (String, Vec<String>) {
    let (mut branch, mut commits) = (None, Vec::new());
    for step in plan.partitions.iter().flat_map(|partition| &partition.steps) {
        let StepKind::Preflight(preflight) = &step.kind else { continue };
        for check in &preflight.checks {
            if let Prerequisite::GitTree { branch: on, contains, .. } = check {
                branch.get_or_insert_with(|| on.clone());
                commits.push(contains.clone());
            }
        }
    }
    commits.sort();
    commits.dedup();
    (branch.unwrap_or_else(|| "main".into()), commits)
}

/// The programs that the plan runs in its working tree.
fn scripts(plan: &Plan) -> Vec<String> {
    let steps = plan.partitions.iter().flat_map(|partition| &partition.steps);
    let mut scripts: Vec<String> = steps
        .filter_map(|step| match &step.kind {
            StepKind::Command(command) => command.program.strip_prefix("./").map(str::to_owned),
            _ => None,
        })
        .filter(|name| !name.contains('/'))
        .chain(["amm.sh".to_owned()])
        .collect();
    scripts.sort();
    scripts.dedup();
    scripts
}

/// Runs git in a directory without the user's own configuration; answers its output.
pub(in crate::sim) fn git(tree: &Path, args: &[&str], input: &str) -> Result<String, LaunchError> {
    let failed = |why: String| LaunchError::Program(format!("git {} failed: {why}", args.first().unwrap_or(&"")));
    let mut command = Command::new("git");
    command.args(args).current_dir(tree).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Simulated Site");
        command.env(format!("GIT_{role}_EMAIL"), "site@example.invalid");
        command.env(format!("GIT_{role}_DATE"), "1778698800 +0000");
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    let mut child = command.spawn().map_err(|error| {
        LaunchError::Program(format!(
            "git cannot be started ({error}): the simulated site needs it for its working tree"
        ))
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The chart with a values file for each partition, where the plan deploys it from here.
fn operations(tree: &Path, plan: &Plan) -> std::io::Result<()> {
    fs::create_dir_all(tree)?;
    let chart = Chart::after();
    for step in plan.partitions.iter().flat_map(|partition| &partition.steps) {
        let StepKind::Deploy(deploy) = &step.kind else { continue };
        let DeployBy::Helm { release, chart: path, values, .. } = &deploy.by else { continue };
        let (Some(directory), Some(values)) = (inside(tree, path), inside(tree, values)) else { continue };
        fs::create_dir_all(directory.join("templates"))?;
        let version = &chart.application;
        let about = format!("apiVersion: v2\nname: {release}\nversion: {version}\nappVersion: \"{version}\"\n");
        fs::write(directory.join("Chart.yaml"), about)?;
        let defaults = format!("initializerVersion: {}\nsentry: {}\nreplicas: 2\n", chart.initializer, chart.sentry);
        fs::write(directory.join("values.yaml"), defaults)?;
        if let Some(parent) = values.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(values, "replicas: 2\n")?;
    }
    Ok(())
}

/// A relative path below the tree; none for one that leads elsewhere.
fn inside(tree: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    let stays = !path.is_absolute() && !path.components().any(|part| part == std::path::Component::ParentDir);
    stays.then(|| tree.join(path))
}
