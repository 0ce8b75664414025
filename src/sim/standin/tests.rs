#![allow(clippy::unwrap_used)]

use super::*;
use crate::config;

fn site() -> Arc<Site> {
    let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap();
    Arc::new(Site::new(plan, 100.0, 7))
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
