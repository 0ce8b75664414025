//! The real programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::shell::CommandLine;

/// Where the real programs are.
pub struct Tools {
    aws: PathBuf,
    python: PathBuf,
}

impl Tools {
    /// Finds the programs; none, with a word about it, where one is missing and nobody insists.
    ///
    /// # Panics
    /// One is missing although `CI=true` or `COCKPIT_TEST_TOOLS=required` says that it must be there.
    pub fn find() -> Option<Self> {
        let aws = env::var_os("COCKPIT_TEST_AWS").map(PathBuf::from).or_else(|| on_path("aws"));
        let aws = aws.filter(|aws| answers(aws, &["--version"]));
        let python = aws.as_deref().and_then(python_of);
        let mut missing: Vec<&str> =
            ["kubectl", "psql", "git", "bash"].into_iter().filter(|name| on_path(name).is_none()).collect();
        if aws.is_none() {
            missing.push("aws");
        } else if python.is_none() {
            missing.push("a python3 that has botocore");
        }
        match (aws, python) {
            (Some(aws), Some(python)) if missing.is_empty() => Some(Self { aws, python }),
            _ => {
                let missing = missing.join(", ");
                let required = env::var("CI").is_ok_and(|ci| ci == "true")
                    || env::var("COCKPIT_TEST_TOOLS").is_ok_and(|tools| tools == "required");
                assert!(
                    !required,
                    "missing: {missing}. Install them (`pip install awscli` brings aws and botocore; COCKPIT_TEST_AWS names another aws)"
                );
                println!("not run: {missing} missing");
                None
            }
        }
    }

    /// PATH with the chosen `aws` first; the site's environment puts its stand-ins before it.
    pub fn path(&self) -> String {
        let path = env::var("PATH").unwrap_or_default();
        match self.aws.parent() {
            Some(parent) => format!("{}:{path}", parent.display()),
            None => path,
        }
    }

    /// The command that holds every answer of the AWS endpoint against the service models.
    pub fn validation(&self) -> CommandLine {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seed_commands/validate.py");
        let text = format!(
            "'{}' '{}' --profile \"${{PROFILE}}\" --cluster \"${{CLUSTER_ID}}\" --infrastructure \"${{INFRA}}\" --partition \"${{PARTITION}}\"",
            self.python.display(),
            script.display()
        );
        CommandLine { text, directory: String::new() }
    }
}

/// The Python beside `aws`, or the one on PATH: whichever has botocore, on its own or within awscli.
fn python_of(aws: &Path) -> Option<PathBuf> {
    let beside = aws.parent().map(|parent| parent.join("python3"));
    let import = "try:\n import botocore.session\nexcept ImportError:\n import awscli.botocore.session";
    beside.into_iter().chain(on_path("python3")).find(|python| answers(python, &["-c", import]))
}

fn answers(program: &Path, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).find(|file| file.is_file())
}
