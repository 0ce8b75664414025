//! What 1Password holds at the site: every item that the plan or its deploy program reads.

use sha2::{Digest, Sha256};

use crate::runbook::plan::{Prerequisite, SecretSource, StepKind};
use crate::runbook::situation::Situation;
use crate::sim::world::World;

/// An item with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its vault.
    pub vault: String,
    /// Its title.
    pub title: String,
    /// Labels and values.
    pub fields: Vec<(String, String)>,
}

/// The item and field that the deploy program reads for the Sentry DSN.
pub const SENTRY_DSN: &str = "op://Arda-SystemsOAM/be-sentry-dsn/dsn";

/// The access token that the deploy program reads beside it.
pub const AMPLIFY_TOKEN: &str = "op://Arda-SystemsOAM/Amplify_GitHub_AccessToken/password";

/// The key of a partition's API, which the deploy program reads near its end.
pub fn api_key(partition: &str) -> String {
    let mut letters = partition.chars();
    let capital: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    format!("op://Arda-{capital}OAM/ARDA-API-KEY/password")
}

/// Everything in the vaults.
pub fn items(world: &World) -> Vec<Item> {
    let mut items = Vec::new();
    for (reference, value) in references(world) {
        let Some((vault, title, field)) = split(&reference) else { continue };
        let found = items.iter().position(|item: &Item| item.vault == vault && item.title == title);
        let index = found.unwrap_or_else(|| {
            items.push(Item { vault: vault.to_owned(), title: title.to_owned(), fields: Vec::new() });
            items.len() - 1
        });
        let fields = &mut items[index].fields;
        if !fields.iter().any(|(label, _)| label == field) {
            fields.push((field.to_owned(), value));
        }
    }
    for (planned, site) in world.plan.partitions.iter().zip(&world.partitions) {
        if !world.holds(Situation::OpItemEmpty, &site.name) {
            continue;
        }
        let named = planned.application.as_ref().and_then(|application| application.credentials.as_deref());
        for item in items.iter_mut().filter(|item| named == Some(format!("{}/{}", item.vault, item.title).as_str())) {
            // As some older items are: the name stands under another label.
            if let Some((_, username)) = item.fields.iter_mut().find(|(label, _)| label == "username") {
                let address = std::mem::take(username);
                item.fields.push(("email".to_owned(), address));
            }
        }
    }
    items
}

/// User name and password of a partition's application.
pub fn sign_in(world: &World, partition: &str) -> (String, String) {
    let credentials = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition);
    let item = credentials.and_then(|planned| planned.application.as_ref()?.credentials.clone());
    let item = item.unwrap_or_else(|| format!("Private/{partition}"));
    (made_up(world, &format!("op://{item}/username")), made_up(world, &format!("op://{item}/password")))
}

/// `op://vault/item/field` taken apart.
pub fn split(reference: &str) -> Option<(&str, &str, &str)> {
    let (vault, rest) = reference.strip_prefix("op://")?.split_once('/')?;
    let (title, field) = rest.split_once('/')?;
    Some((vault, title, field))
}

/// Every reference with its value. The first value of a reference holds.
fn references(world: &World) -> Vec<(String, String)> {
    let mut references = Vec::new();
    for (planned, site) in world.plan.partitions.iter().zip(&world.partitions) {
        if let Some(SecretSource::Op(reference)) = planned.sql.as_ref().map(|sql| &sql.password) {
            references.push((reference.clone(), site.sql_password.clone()));
        }
        if let Some(item) = planned.application.as_ref().and_then(|application| application.credentials.as_ref()) {
            for field in ["username", "password"] {
                let reference = format!("op://{item}/{field}");
                references.push((reference.clone(), made_up(world, &reference)));
            }
        }
        let checks = planned.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Preflight(preflight) => Some(&preflight.checks),
            _ => None,
        });
        for check in checks.flatten() {
            if let Prerequisite::OpItem { reference, .. } = check {
                references.push((reference.clone(), made_up(world, reference)));
            }
        }
        for reference in [SENTRY_DSN.to_owned(), AMPLIFY_TOKEN.to_owned(), api_key(planned.name.as_str())] {
            references.push((reference.clone(), made_up(world, &reference)));
        }
    }
    references
}

/// A value for a reference: the same one for the same site.
fn made_up(world: &World, reference: &str) -> String {
    match split(reference) {
        Some((_, _, "dsn")) => world.sentry_dsn.clone(),
        Some((_, title, "username" | "email")) => format!("{}@example.com", title.to_lowercase()),
        _ => {
            let salt = world.partitions.first().map_or("", |partition| partition.sql_password.as_str());
            let digest = Sha256::digest(format!("{salt} {reference}"));
            digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
        }
    }
}
