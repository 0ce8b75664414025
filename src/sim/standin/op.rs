//! `op`, the command line of 1Password: whoami, signin, read, item get.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::prompt::{self, Prompt};
use super::vault::{self, Item};
use super::{Answer, SiteClient};
use crate::runbook::situation::Situation;
use crate::sim::world::sessions::SignIn;
use crate::sim::world::{Site, World};

const FLAGS: [&str; 7] = ["no-newline", "raw", "reveal", "force", "cache", "debug", BY_HAND];
const SHORT: [(&str, &str); 4] = [("-n", "no-newline"), ("-f", "force"), ("-o", "out-file"), ("-r", "reveal")];
/// How the stand-in says that the operator answered the prompt at its terminal.
const BY_HAND: &str = "by-hand";
/// How long the app's prompt waits for an answer.
const PROMPT: Duration = Duration::from_secs(60);
const ACCOUNT: &str = "my.1password.com";
const EMAIL: &str = "operator@example.com";

/// Signs in with a prompt, as the program does that leaves the approval to its app; everything else is the site's answer.
pub async fn main(site: &SiteClient, args: Vec<String>) -> i32 {
    if Arguments::parse(&args, &FLAGS, &SHORT).words() != ["signin"] {
        return site.ask("op", args).await;
    }
    let prompt = Prompt {
        says: format!(
            "Signing in to {ACCOUNT} as {EMAIL}.\n1Password asks for your approval: use Touch ID in the app, or press Enter here. "
        ),
        waits: PROMPT,
    };
    prompt::sign_in(site, "op", args, &prompt).await
}

/// The site's side of `op`.
pub async fn run(site: &Arc<Site>, args: &[String]) -> Answer {
    let arguments = Arguments::parse(args, &FLAGS, &SHORT);
    let words = arguments.words();
    let about = words.iter().rev().find(|word| word.starts_with("op://")).or(words.get(2)).copied().unwrap_or("");
    let operation: Vec<&str> = words.iter().take(if words.first() == Some(&"item") { 2 } else { 1 }).copied().collect();
    site.ledger.count("op", &operation.join(" "), about, false);
    if words == ["signin"] {
        let answer = site.change(|world| world.sign_in_op(arguments.is_set(BY_HAND)));
        return match answer {
            SignIn::Approved => Answer::default(),
            SignIn::Unanswered => Answer::failed(log_line("authorization timeout")),
        };
    }
    if words == ["signout"] {
        site.change(|world| world.op_signed_in = false);
        return Answer::default();
    }
    if let ["read", reference] = words[..]
        && let Some(trouble) = site.change(|world| unreadable(world, reference))
    {
        if trouble == Unreadable::PromptTimesOut {
            tokio::time::sleep(site.scaled(PROMPT)).await;
        }
        return Answer::failed(log_line(&format!("could not read secret '{reference}': {}", trouble.says(reference))));
    }
    site.read(|world| match words.as_slice() {
        [] if arguments.is_set("version") => Answer::out("2.30.3\n"),
        _ if !world.is_signed_in_to_op() => signed_out(&words),
        ["whoami"] => whoami(&arguments),
        ["read", reference] => read(world, reference, &arguments),
        ["item", "get", title] => item(world, title, &arguments),
        ["vault", "list"] => Answer::out(vaults(world)),
        _ => {
            Answer::failed(log_line(&format!("unknown command \"{}\" for \"op\" at a simulated site", words.join(" "))))
        }
    })
}

/// Why an item cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    /// The app is locked, and nobody sees its prompt.
    PromptTimesOut,
    /// There is no such item.
    Missing,
}

impl Unreadable {
    fn says(self, reference: &str) -> String {
        match (self, vault::split(reference)) {
            (Self::Missing, Some((vault, title, _))) => {
                format!("could not get item {vault}/{title}: \"{title}\" isn't an item in the \"{vault}\" vault")
            }
            _ => "error initializing client: authorization timeout".to_owned(),
        }
    }
}

/// Whether a reference cannot be read now. It is the partition's own API key, which the deploy program reads after it has
/// deployed; the first time its prompt is not answered, the second time the item is gone.
fn unreadable(world: &mut World, reference: &str) -> Option<Unreadable> {
    if !world.is_signed_in_to_op() {
        return None;
    }
    let names = world.partitions.iter().map(|partition| partition.name.clone());
    let owner = names.into_iter().find(|name| vault::api_key(name) == reference)?;
    let strikes = world.strikes(Situation::OpItemUnreadable, &owner);
    let first = world.struck(Situation::OpItemUnreadable, &owner) % 2 == 1;
    strikes.then_some(if first { Unreadable::PromptTimesOut } else { Unreadable::Missing })
}

fn signed_out(words: &[&str]) -> Answer {
    let text = match words {
        ["read", reference] => {
            format!("could not read secret '{reference}': error initializing client: account is not signed in")
        }
        ["whoami"] => "account is not signed in".to_owned(),
        _ => "error initializing client: account is not signed in".to_owned(),
    };
    Answer::failed(log_line(&text))
}

fn whoami(arguments: &Arguments) -> Answer {
    if arguments.value("format") == Some("json") {
        let account =
            json!({ "url": ACCOUNT, "email": EMAIL, "user_uuid": "SIMULATEDUSER", "account_uuid": "SIMULATED" });
        return Answer::out(format!("{account:#}\n"));
    }
    Answer::out(format!("URL:        https://{ACCOUNT}\nEmail:      {EMAIL}\nUser ID:    SIMULATEDUSER\n"))
}

fn read(world: &World, reference: &str, arguments: &Arguments) -> Answer {
    let fail = |why: &str| Answer::failed(log_line(&format!("could not read secret '{reference}': {why}")));
    let Some((vault, title, field)) = vault::split(reference) else {
        return fail("invalid secret reference 'op://' URI: expected op://vault/item/field");
    };
    let Some(item) = find(world, title, Some(vault)) else {
        return fail(&format!(
            "could not get item {vault}/{title}: \"{title}\" isn't an item in the \"{vault}\" vault"
        ));
    };
    let Some((_, value)) = item.fields.iter().find(|(label, _)| label == field) else {
        return fail(&format!("item '{vault}/{title}' does not have a field '{field}'"));
    };
    let end = if arguments.is_set("no-newline") { "" } else { "\n" };
    Answer::out(format!("{value}{end}"))
}

fn item(world: &World, title: &str, arguments: &Arguments) -> Answer {
    let Some(item) = find(world, title, arguments.value("vault")) else {
        let place = arguments.value("vault").map_or_else(String::new, |vault| format!(" in the \"{vault}\" vault"));
        return Answer::failed(log_line(&format!("\"{title}\" isn't an item{place}")));
    };
    if arguments.value("format") == Some("json") {
        return Answer::out(format!("{:#}\n", item_json(&item)));
    }
    let mut text = format!("Title:       {}\nVault:       {}\nCategory:    LOGIN\nFields:\n", item.title, item.vault);
    for (label, value) in &item.fields {
        let hidden = is_concealed(label) && !arguments.is_set("reveal");
        let shown = if hidden { "[use 'op item get --reveal' to reveal]" } else { value };
        text.push_str(&format!("  {label}:    {shown}\n"));
    }
    Answer::out(text)
}

fn item_json(item: &Item) -> Value {
    let fields: Vec<Value> = item
        .fields
        .iter()
        .map(|(label, value)| {
            let kind = if is_concealed(label) { "CONCEALED" } else { "STRING" };
            let reference = format!("op://{}/{}/{label}", item.vault, item.title);
            json!({ "id": label, "type": kind, "label": label, "value": value, "reference": reference })
        })
        .collect();
    json!({ "id": item.title, "title": item.title, "vault": { "id": item.vault, "name": item.vault },
            "category": "LOGIN", "fields": fields })
}

fn is_concealed(label: &str) -> bool {
    !matches!(label, "username" | "email")
}

fn find(world: &World, title: &str, vault: Option<&str>) -> Option<Item> {
    let is_it = |item: &Item| item.title == title && vault.is_none_or(|vault| item.vault == vault);
    vault::items(world).into_iter().find(is_it)
}

fn vaults(world: &World) -> String {
    let mut names: Vec<String> = vault::items(world).into_iter().map(|item| item.vault).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|name| format!("{name}    {name}\n")).collect()
}

/// How `op` writes its errors.
fn log_line(text: &str) -> String {
    format!("[ERROR] {} {text}\n", Timestamp::now().strftime("%Y/%m/%d %H:%M:%S"))
}
