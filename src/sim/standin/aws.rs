//! `aws`: the simulated site signs in; everything else is for the real program, which asks the site by itself.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::arguments::Arguments;
use super::{Answer, Call, SiteClient, say_error};
use crate::sim::world::Site;

/// Signs in at the site, or becomes the next `aws` on PATH.
pub async fn main(site: &SiteClient, args: Vec<String>) -> i32 {
    let arguments = Arguments::parse(&args, &["no-browser", "use-device-code"], &[]);
    if arguments.words() == ["sso", "login"] {
        return site.program("aws", Call { args, files: Vec::new() }).await;
    }
    let Some(real) = next_on_path("aws") else {
        say_error(
            "aws: the AWS command line is not installed. The simulated site answers it, but cannot replace it: install the AWS CLI.",
        );
        return 127;
    };
    let error = Command::new(&real).args(endpoint(&args)).args(args).exec();
    say_error(&format!("aws: cannot start {}: {error}", real.display()));
    126
}

/// The site's address as an option: version 1 of the AWS CLI takes RDS' own address over AWS_ENDPOINT_URL in some regions
/// (its `overridesslcommonname` customisation), and would ask the real service.
fn endpoint(args: &[String]) -> Vec<String> {
    let given = args.iter().any(|arg| arg.starts_with("--endpoint-url"));
    match std::env::var("AWS_ENDPOINT_URL") {
        Ok(address) if !given => vec!["--endpoint-url".to_owned(), address],
        _ => Vec::new(),
    }
}

/// The site's side of `aws sso login`.
pub fn sign_in(site: &Arc<Site>, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &["no-browser", "use-device-code"], &[]);
    let profile = arguments.value("profile").unwrap_or("default").to_owned();
    site.ledger.count("aws", "sso login", &profile, true);
    let found = site.change(|world| {
        let account = world.accounts.iter_mut().find(|account| account.profiles.contains(&profile))?;
        account.signed_in = true;
        Some(())
    });
    if found.is_none() {
        return Answer {
            err: format!("\nThe config profile ({profile}) could not be found\n"),
            code: 255,
            ..Answer::default()
        };
    }
    Answer::out(
        "Attempting to automatically open the SSO authorization page in your default browser.\n\
         Successfully logged into Start URL: https://arda.awsapps.example/start\n",
    )
}

/// The next program of that name on PATH, after the directory of the stand-ins.
fn next_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| is_program(file) && !is_stand_in(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Whether this is a stand-in: a directory of stand-ins carries a mark.
fn is_stand_in(file: &Path) -> bool {
    file.parent().and_then(Path::file_name) == Some(OsStr::new(super::DIRECTORY))
}
