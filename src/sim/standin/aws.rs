//! `aws`: the simulated site signs in and hands out the session's keys; everything else is for the real program, which asks
//! the site by itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::arguments::Arguments;
use super::prompt::{self, Prompt};
use super::{Answer, SiteClient, become_real};
use crate::sim::world::Site;
use crate::sim::world::cloud::SECRET_KEY;
use crate::sim::world::sessions::SignIn;

const FLAGS: [&str; 3] = ["no-browser", "use-device-code", "by-hand"];
const START_URL: &str = "https://arda.awsapps.example/start";

/// Signs in at the site, hands out its keys, or becomes the next `aws` on PATH.
pub async fn main(site: &SiteClient, args: Vec<String>) -> i32 {
    match Arguments::parse(&args, &FLAGS, &[]).words()[..] {
        ["sso", "login"] => {
            let prompt = Prompt {
                says: "Attempting to automatically open the SSO authorization page in your default browser.\n\
                     If the browser does not open or you wish to use a different device to authorize this request, \
                     open the following URL:\n\n\
                     https://device.sso.us-east-1.amazonaws.example/\n\nThen enter the code:\n\nSIML-ATED\n\n\
                     (Press Enter to approve it here.) "
                    .to_owned(),
                waits: Duration::from_secs(60),
            };
            prompt::sign_in(site, "aws", args, &prompt).await
        }
        ["configure", "export-credentials"] => site.ask("aws", args).await,
        _ => become_real("aws", &[endpoint(&args), args].concat()),
    }
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

/// The site's side.
pub fn run(site: &Arc<Site>, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &FLAGS, &[]);
    let profile = arguments.value("profile").unwrap_or("default").to_owned();
    match arguments.words()[..] {
        ["sso", "login"] => {
            site.ledger.count("aws", "sso login", &profile, true);
            match site.change(|world| world.sign_in_aws(&profile, arguments.is_set("by-hand"))) {
                Some(SignIn::Approved) => Answer::out(format!("Successfully logged into Start URL: {START_URL}\n")),
                Some(SignIn::Unanswered) => Answer {
                    err: "\nThe pending authorization to retrieve an SSO token has expired. The login flow to retrieve an \
                          SSO token must be re-initiated.\n"
                        .to_owned(),
                    code: 255,
                    ..Answer::default()
                },
                None => no_profile(&profile),
            }
        }
        _ => export(site, &profile),
    }
}

/// The keys of a profile's session, as a `credential_process` prints them.
fn export(site: &Site, profile: &str) -> Answer {
    match site.read(|world| world.aws_credentials(profile)) {
        Some(Ok(credentials)) => Answer::out(
            json!({
                "Version": 1, "AccessKeyId": credentials.access_key, "SecretAccessKey": SECRET_KEY,
                "SessionToken": "simulated", "Expiration": credentials.until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            })
            .to_string(),
        ),
        Some(Err(())) => Answer {
            err: "Error when retrieving token from sso: Token has expired and refresh failed\n".to_owned(),
            code: 255,
            ..Answer::default()
        },
        None => no_profile(profile),
    }
}

fn no_profile(profile: &str) -> Answer {
    Answer { err: format!("\nThe config profile ({profile}) could not be found\n"), code: 255, ..Answer::default() }
}
