#![allow(clippy::unwrap_used)]

use super::*;
use crate::config;

fn site() -> Arc<Site> {
    site_at(100.0)
}

fn site_at(speed: f64) -> Arc<Site> {
    let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap();
    Arc::new(Site::new(plan, speed, 7))
}

fn args(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

async fn op(site: &Arc<Site>, line: &str) -> Answer {
    op::run(site, &args(line)).await
}

fn helm_call(line: &str, chart: &str) -> Call {
    let text = |path: &str, text: &str| (path.to_owned(), Some(text.to_owned()));
    let about = format!("name: operations\nappVersion: \"{chart}\"\n");
    let files = vec![text("c/Chart.yaml", &about), text("c/values.yaml", "initializerVersion: 2.5.0\nsentry: true\n")];
    Call { args: args(line), files }
}

const HERE: &str = "--namespace dev-operations --kube-context Alpha002";

#[tokio::test]
async fn op_reads_every_item_of_the_rollout_and_only_while_signed_in() {
    let site = site();
    let references =
        ["op://Arda-SystemsOAM/be-sentry-dsn/dsn", vault::AMPLIFY_TOKEN, "op://Arda-DevOAM/ARDA-API-KEY/password"];
    for reference in references {
        let answer = op(&site, &format!("read {reference}")).await;
        assert_eq!(answer.code, 0, "{reference}: {}", answer.err);
        assert!(!answer.out.trim().is_empty());
    }
    let dsn = op(&site, &format!("read {}", vault::SENTRY_DSN)).await.out;
    assert!(dsn.starts_with("https://") && dsn.contains(".sentry.io/"), "{dsn}");
    assert!(op(&site, "read op://Private/nobody/password").await.err.contains("isn't an item"));
    op(&site, "signout").await;
    let refused = op(&site, "whoami").await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("account is not signed in"));
    assert_eq!(op(&site, "signin").await.code, 0);
    assert_eq!(op(&site, "whoami").await.code, 0);
}

#[tokio::test]
async fn op_hands_out_what_the_application_takes() {
    let site = site();
    let username = op(&site, "read --no-newline op://Private/Miguel-new-dev/username").await.out;
    let password = op(&site, "read --no-newline op://Private/Miguel-new-dev/password").await.out;
    assert_eq!((username, password), site.read(|world| vault::sign_in(world, "dev")));
    let shown = op(&site, "item get Miguel-new-dev --vault Private").await.out;
    assert!(shown.contains("--reveal"), "a password is not shown unasked: {shown}");
}

#[tokio::test]
async fn helm_upgrades_what_is_on_disk_and_rolls_back() {
    let site = site();
    let before = helm::run(&site, &helm_call(&format!("history operations -o json {HERE}"), "")).await;
    let before: Vec<serde_json::Value> = serde_json::from_str(&before.out).unwrap();
    let upgraded = helm::run(&site, &helm_call(&format!("upgrade --install operations c {HERE}"), "2.24.0")).await;
    assert_eq!(upgraded.code, 0, "{}", upgraded.err);
    assert!(upgraded.out.contains("has been upgraded"));
    let chart = site.read(|world| world.partitions[0].operations.current().map(|set| set.chart.application.clone()));
    assert_eq!(chart.as_deref(), Some("2.24.0"));
    let back = helm::run(&site, &helm_call(&format!("rollback operations {} {HERE}", before[0]["revision"]), "")).await;
    assert_eq!(back.code, 0, "{}", back.err);
    let after = helm::run(&site, &helm_call(&format!("history operations -o json {HERE}"), "")).await;
    let after: Vec<serde_json::Value> = serde_json::from_str(&after.out).unwrap();
    assert_eq!(after.len(), before.len() + 2);
    let elsewhere = "history operations --namespace dev-operations --kube-context Alpha009";
    assert!(helm::run(&site, &helm_call(elsewhere, "")).await.err.contains("does not exist"));
}

#[test]
fn gh_merges_once_and_knows_its_fields() {
    let site = site();
    let merged = Mutex::default();
    let run = |line: &str| gh::run(&site, &merged, &args(line));
    let view = "pr view 170 --repo Arda-cards/operations-monolith-component --json state,mergedAt,reviewDecision";
    assert!(run(view).out.contains("OPEN"));
    assert!(run(&view.replace("mergedAt", "merged")).err.contains("Unknown JSON field"));
    assert_eq!(run("pr merge 170 --repo Arda-cards/operations-monolith-component --squash").code, 0);
    assert!(run(view).out.contains("MERGED"));
    assert_eq!(run("pr view 9 --repo a/b --json state").code, 1);
    assert_eq!(site.ledger.calls("gh", "pr merge"), 1);
}

#[test]
fn docker_knows_the_images_of_the_rollout() {
    let site = site();
    let inspect = |tag: &str| {
        docker::run(&site, &args(&format!("manifest inspect ghcr.io/arda-cards/postgres-database-initializer:{tag}")))
    };
    assert_eq!(inspect("2.5.0").code, 0);
    assert_eq!(inspect("9.9.9"), Answer::failed("manifest unknown\n"));
}

/// A site with these situations in dev.
fn staged(situations: &str) -> Arc<Site> {
    // A prompt takes its minute of site time.
    let site = site_at(100_000.0);
    let plan = site.read(|world| world.plan.clone());
    let scenario = config::scenario::read("test.toml", situations, &plan).unwrap();
    site.change(|world| world.stage(&scenario, 100_000.0));
    site
}

#[tokio::test]
async fn an_item_goes_unanswered_then_is_missing_then_is_there() {
    let site = staged("[[situation]]\nname = \"op-item-unreadable\"\npartition = \"dev\"\ntimes = 2\n");
    let reference = vault::api_key("dev");
    assert!(op(&site, &format!("read {reference}")).await.err.contains("authorization timeout"));
    assert!(op(&site, &format!("read {reference}")).await.err.contains("isn't an item"));
    assert_eq!(op(&site, &format!("read {reference}")).await.code, 0);
    assert_eq!(op(&site, &format!("read {}", vault::api_key("stage"))).await.code, 0);
}

#[tokio::test]
async fn an_older_item_has_its_user_name_as_email() {
    let site = staged("[[situation]]\nname = \"op-item-empty\"\npartition = \"dev\"\n");
    assert_eq!(op(&site, "read op://Private/Miguel-new-dev/username").await.out.trim(), "");
    let email = op(&site, "read --no-newline op://Private/Miguel-new-dev/email").await.out;
    assert_eq!(email, site.read(|world| vault::sign_in(world, "dev")).0);
}

#[tokio::test]
async fn a_sign_in_that_is_staged_to_be_missed_times_out_unless_it_is_answered_by_hand() {
    let missed = "[[situation]]\nname = \"op-signed-out\"\npartition = \"dev\"\ntimes = 2\n";
    let site = staged(missed);
    assert!(op(&site, "whoami").await.err.contains("account is not signed in"));
    assert!(op(&site, "signin").await.err.contains("authorization timeout"));
    assert_eq!(op(&site, "signin").await.code, 0);
    assert_eq!(op(&site, "whoami").await.code, 0);
    let site = staged(missed);
    assert_eq!(op(&site, "signin --by-hand").await.code, 0);
    assert_eq!(op(&site, "whoami").await.code, 0);
}

#[test]
fn a_renewed_session_has_keys_of_its_own() {
    let site = staged("[[situation]]\nname = \"sso-expired\"\npartition = \"dev\"\n");
    let keys = || aws::run(&site, &args("configure export-credentials --format process --profile Alpha002-Admin"));
    let ended = keys();
    assert_eq!(ended.code, 255);
    assert!(ended.err.contains("Token has expired and refresh failed"), "{}", ended.err);
    let former = site.read(|world| world.accounts[0].access_key.clone());
    assert_eq!(aws::run(&site, &args("sso login --profile Alpha002-Admin")).code, 0);
    let renewed: serde_json::Value = serde_json::from_str(&keys().out).unwrap();
    assert_ne!(renewed["AccessKeyId"], former.as_str());
    assert_eq!(site.read(|world| world.accounts[0].former_keys.clone()), [former]);
    assert_eq!(aws::run(&site, &args("sso login --profile Admin-Alpha002")).code, 255);
}
