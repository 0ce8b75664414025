//! `amm.sh`: deploys an infrastructure and a partition, as the team's script of that name does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::termios;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Answer, Call, SiteClient, say, vault};
use crate::runbook::situation::Situation;
use crate::sim::world::Site;
use crate::sim::world::deploy::Deploy;
use crate::sim::world::story_deploy::{Asked, Prompt};

const RESET: &str = "\x1b[0m";
const BOLD_BLUE: &str = "\x1b[1;34m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const GREY: &str = "\x1b[90m";

/// How often the deploy's progress is read.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How often in a row the site may not answer before the script gives up.
const PATIENCE: u32 = 50;

struct Script<'a> {
    site: &'a SiteClient,
    infrastructure: String,
    partition: String,
    profile: String,
    region: String,
}

/// Runs the script; answers its exit code.
pub async fn main(site: &SiteClient, args: Vec<String>) -> i32 {
    let refused = site.program("amm.sh", Call { args: args.clone(), files: Vec::new() }).await;
    if refused != 0 {
        return refused;
    }
    let arguments = Arguments::parse(&args, &["force"], &[]);
    let [infrastructure, partition] = arguments.words()[..] else {
        error("usage: amm.sh [--profile PROFILE] [--region REGION] INFRASTRUCTURE PARTITION");
        return 2;
    };
    let derived = format!("Admin-{infrastructure}");
    let script = Script {
        site,
        infrastructure: infrastructure.to_owned(),
        partition: partition.to_owned(),
        profile: arguments.value("profile").map_or(derived, str::to_owned),
        region: arguments.value("region").unwrap_or_default().to_owned(),
    };
    match script.run().await {
        Ok(()) => {
            step("Step 3: Done!");
            say(&format!("{GREEN}status: succeeded{RESET}\n"));
            0
        }
        Err(message) => {
            error(&message);
            say(&format!("{RED}status: failed{RESET}\n"));
            1
        }
    }
}

/// The site's side of its start: with it the step begins. A script that does not know the overrides yet falls back on the
/// profile that it derives.
pub(super) fn begins(site: &Site, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &["force"], &[]);
    let [infrastructure, partition] = arguments.words()[..] else { return Answer::default() };
    let derives = site.change(|world| {
        world.step_begins(partition, "command", site.speed);
        world.strikes_in(Situation::ProfileMissing, partition, "command")
    });
    if !derives {
        return Answer::default();
    }
    Answer {
        out: format!("{RED}status: failed{RESET}\n"),
        ..Answer::failed(no_profile(&format!("Admin-{infrastructure}")))
    }
}

impl Script<'_> {
    async fn run(&self) -> Result<(), String> {
        let Self { infrastructure, partition, profile, region, .. } = self;
        say(&format!("{BOLD_BLUE}amm.sh{RESET} {infrastructure} {partition}\n"));
        say(&format!("{GREY}aws_profile={profile} aws_region=\"{region}\"{RESET}\n"));
        check_profile(profile)?;
        step("Step 1: Resolve secrets");
        let dsn = self.resolve(vault::SENTRY_DSN, false).await;
        dsn.map_err(|why| format!("{why}\n[ERROR] Sentry DSN not available in 1Password"))?;
        self.resolve(vault::AMPLIFY_TOKEN, false).await?;
        step(&format!("Step 2: Deploy {infrastructure} and {infrastructure}-{partition}"));
        self.deploy().await?;
        step("Step 2.2.4: Secrets");
        self.resolve(&vault::api_key(partition), true).await?;
        note("pushed ARDA-API-KEY to the partition");
        Ok(())
    }

    /// Reads a secret through `op`, as the real script does; its value is not printed.
    async fn resolve(&self, reference: &str, deployed: bool) -> Result<(), String> {
        let asked = Asked { partition: self.partition.clone(), deployed };
        let answer = self.site.post("/__sim/deploy/prompt", &asked).await.map_err(|error| error.to_string())?;
        match answer.json().await.map_err(|error| error.to_string())? {
            Prompt::Approved => {}
            Prompt::TimesOut { after } => {
                tokio::time::sleep(after).await;
                return Err(format!(
                    "could not read secret '{reference}': error initializing client: authorization timeout"
                ));
            }
            Prompt::Waits { at_most } => asks_for_password(at_most).await,
        }
        read(reference)
    }

    /// Starts the deploy of the stacks and prints its lines until it has ended.
    async fn deploy(&self) -> Result<(), String> {
        let request =
            json!({ "infrastructure": self.infrastructure, "partition": self.partition, "profile": self.profile });
        let answer = self.site.post("/__sim/deploy", &request).await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            let body: Value = answer.json().await.unwrap_or_default();
            return Err(body["error"].as_str().unwrap_or("the deploy was refused").to_owned());
        }
        let mut headings = BTreeSet::new();
        let (mut printed, mut silent) = (0, 0);
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let deploy = match self.progress().await {
                Ok(deploy) => deploy,
                Err(error) if silent >= PATIENCE => return Err(error.to_string()),
                Err(_) => {
                    silent += 1;
                    continue;
                }
            };
            silent = 0;
            for line in deploy.lines.iter().filter(|line| line.seq > printed) {
                self.head(&line.text, &mut headings);
                say(&format!("  {}\n", line.text));
            }
            printed = deploy.lines.last().map_or(printed, |line| line.seq);
            match (deploy.done, deploy.failed) {
                (true, None) => return Ok(()),
                (true, Some(why)) => return Err(why),
                (false, _) => {}
            }
        }
    }

    async fn progress(&self) -> reqwest::Result<Deploy> {
        self.site.get(&format!("/__sim/deploy?partition={}", self.partition)).await?.json().await
    }

    /// Prints the heading of the part that a line belongs to, once.
    fn head(&self, line: &str, headings: &mut BTreeSet<&'static str>) {
        let of_partition = line.contains(&format!("{}-{}-", self.infrastructure, self.partition));
        let (key, heading) = if of_partition {
            ("2.2", format!("Step 2.2: CDK deploy of partition {}", self.partition))
        } else {
            ("2.1", format!("Step 2.1: CDK deploy of infrastructure {} --force", self.infrastructure))
        };
        let first = headings.insert(key);
        // A line of neither kind at the end belongs to what was last.
        if first && !(key == "2.1" && headings.contains("2.2")) {
            step(&heading);
        }
    }
}

/// Asks at the terminal, unseen as a password is; goes on by itself where nobody answers in that time.
async fn asks_for_password(at_most: Duration) {
    say("Enter the password for operator@example.com at my.1password.com: ");
    let seen = hide_what_is_typed();
    let (sender, answered) = tokio::sync::oneshot::channel();
    // A thread of its own: it may wait for ever, and must not hold up the script's end.
    std::thread::spawn(move || {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
            let _ = sender.send(());
        }
    });
    let answered = async {
        if answered.await.is_err() {
            // Its input has ended: nobody will ever type.
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(at_most, answered).await;
    if let Some(seen) = seen {
        let _ = termios::tcsetattr(std::io::stdin(), termios::OptionalActions::Now, &seen);
    }
    say("\n");
}

/// Turns the terminal's echo off; answers how it was. None where there is no terminal.
fn hide_what_is_typed() -> Option<termios::Termios> {
    let seen = termios::tcgetattr(std::io::stdin()).ok()?;
    let mut hidden = seen.clone();
    hidden.local_modes.remove(termios::LocalModes::ECHO);
    termios::tcsetattr(std::io::stdin(), termios::OptionalActions::Now, &hidden).ok()?;
    Some(seen)
}

/// Runs `op read`.
fn read(reference: &str) -> Result<(), String> {
    let read = Command::new("op").args(["read", reference]).stdin(Stdio::inherit()).output();
    let read = read.map_err(|error| format!("cannot start op: {error}"))?;
    if !read.status.success() {
        return Err(String::from_utf8_lossy(&read.stderr).trim().to_owned());
    }
    if read.stdout.iter().all(u8::is_ascii_whitespace) {
        return Err(format!("[ERROR] {reference} is empty"));
    }
    note(&format!("resolved {reference}"));
    Ok(())
}

/// Fails where the AWS configuration has no such profile.
fn check_profile(profile: &str) -> Result<(), String> {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".aws/config");
    let file = std::env::var_os("AWS_CONFIG_FILE").map_or_else(home, PathBuf::from);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let heading = format!("[profile {profile}]");
    if text.lines().any(|line| line.trim() == heading) {
        return Ok(());
    }
    Err(no_profile(profile))
}

fn no_profile(profile: &str) -> String {
    format!("The config profile ({profile}) could not be found")
}

fn step(text: &str) {
    say(&format!("{BOLD_BLUE}==> {text}{RESET}\n"));
}

fn note(text: &str) {
    say(&format!("{GREY}    {text}{RESET}\n"));
}

fn error(text: &str) {
    let text = text.strip_prefix("[ERROR] ").unwrap_or(text);
    say(&format!("{RED}[ERROR]{RESET} {text}\n"));
}
