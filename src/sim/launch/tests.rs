#![allow(clippy::unwrap_used)]

use std::process::Command;

use super::*;
use crate::config;

fn plan() -> Plan {
    config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap()
}

fn options(dir: &Path) -> Options {
    Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        beyond_loopback: false,
        env_file: dir.join("environment"),
        dir: dir.join("site"),
        speed: 100.0,
        seed: 7,
        plan: plan(),
        rollout: None,
        scenario: None,
        postgres: Postgres::Embedded,
        own_session: false,
    }
}

#[tokio::test]
async fn a_launched_site_is_found_and_ends_when_told() {
    let place = tempfile::tempdir().unwrap();
    let options = options(place.path());
    let site = tokio::spawn(serve(options.clone()));
    let found = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Some(found) = Started::find(&options.dir).await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let found = found.await.unwrap();
    let value = |name: &str| found.env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap();
    assert_eq!(value("AWS_ENDPOINT_URL"), found.address);
    let shell = fs::read_to_string(&options.env_file).unwrap();
    assert!(shell.contains(&format!("export COCKPIT_SITE='{}'", found.address)), "{shell}");
    let aws = fs::read_to_string(value("AWS_CONFIG_FILE")).unwrap();
    assert!(aws.contains("[profile Alpha002-Admin]") && aws.contains("[profile Admin-Alpha1]"), "{aws}");

    let overlay = value("AURORA_COCKPIT_OVERLAY");
    let laid_over = config::load_text(config::SHIPPED.0, config::SHIPPED.1, Some(Path::new(&overlay))).unwrap();
    for partition in &laid_over.partitions {
        let url = &partition.application.as_ref().unwrap().url;
        let health = reqwest::get(format!("{url}/health")).await.unwrap();
        assert_eq!(health.status().as_u16(), 200, "{}", partition.name);
    }
    found.end().await;
    site.await.unwrap().unwrap();
    assert!(Started::find(&options.dir).await.is_none());
}

#[test]
fn the_working_tree_is_clean_on_main_and_holds_the_rollouts_commit() {
    let place = tempfile::tempdir().unwrap();
    let trees = trees::make(place.path(), &plan()).unwrap();
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&trees.infrastructure).args(args).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(git(&["status", "--short", "--branch"]).1, "## main...origin/main");
    assert!(git(&["merge-base", "--is-ancestor", "929b3c8", "HEAD"]).0);
    assert!(git(&["rev-parse", "929b3c8^{commit}"]).1.starts_with("929b3c8"));
    assert!(trees.infrastructure.join("amm.sh").exists());
    for values in ["dev", "stage", "demo", "prod"] {
        assert!(trees.operations.join(format!("src/main/helm/values-{values}.yaml")).exists());
    }
}

#[tokio::test]
async fn others_are_kept_out_and_nothing_of_theirs_is_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let reachable = Options { listen: "0.0.0.0:0".parse().unwrap(), ..options(place.path()) };
    assert!(matches!(serve(reachable).await, Err(LaunchError::NotLoopback(_))));
    let standing = Options { speed: 0.0, ..options(place.path()) };
    assert!(matches!(serve(standing).await, Err(LaunchError::Speed(_))));
    fs::write(place.path().join("letter"), "mine").unwrap();
    let not_ours = Options { dir: place.path().to_owned(), ..options(place.path()) };
    assert!(matches!(serve(not_ours).await, Err(LaunchError::NotOurs(_))));
    assert_eq!(fs::read_to_string(place.path().join("letter")).unwrap(), "mine");
}
