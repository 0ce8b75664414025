//! `init` with profiles: the clusters of a site become a rollout file that can be rehearsed as it stands.

use std::fs;

use serde_json::Value;

use crate::support::{Place, Said, ledger};

const PROFILES: [&str; 4] = ["--profile", "Alpha002-Admin", "--profile", "Admin-Alpha1"];

fn init(place: &Place, file: &str, more: &[&str]) -> Said {
    place.run(&[&["init", file], more].concat())
}

/// A command about a file, without the overlay that belongs to the site's own.
fn config(place: &Place, command: &str, file: &str) -> Said {
    let mut command = place.command(&["config", command, file]);
    command.env_remove("AURORA_COCKPIT_OVERLAY").output().expect("the binary starts").into()
}

fn names(plan: &Value) -> Vec<&str> {
    plan["partitions"]
        .as_array()
        .expect("partitions")
        .iter()
        .map(|each| each["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn clusters_that_are_there_become_a_file_that_can_be_rehearsed() {
    let place = Place::with_site(60);
    let said = init(&place, "found.toml", &[&PROFILES[..], &["--profile", "Alpha003-Admin"]].concat());
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("4 clusters") && said.out.contains("profile Alpha003-Admin: "), "{said:?}");
    let text = fs::read_to_string(place.path().join("found.toml")).expect("the file");
    assert!(text.contains("# - profile Alpha003-Admin: the AWS configuration has no such profile"), "{text}");
    let validated = config(&place, "validate", "found.toml");
    assert!(validated.code == 0 && validated.out.contains("4 partitions"), "{validated:?}");
    let plan = config(&place, "show", "found.toml").json();
    assert_eq!(names(&plan), ["dev", "stage", "demo", "prod"]);
    let prod = &plan["partitions"][3];
    assert_eq!((&prod["production"], &prod["aws"]["profile"]), (&true.into(), &"Admin-Alpha1".into()));
    assert_eq!(prod["cluster"]["expected_members"][0], "alpha001-prod-auroraclusterwriter");
    let changed: Vec<_> = place.ledger().lines().map(|(key, _)| key.1.clone()).collect();
    assert!(changed.is_empty(), "looking changes nothing: {changed:?}");

    // On a site that is made from the file alone; two of its partitions, of either profile, for the time that it takes.
    let elsewhere = Place::new();
    fs::write(elsewhere.path().join("found.toml"), text).expect("a copy");
    let arguments =
        ["rehearse", "--rollout", "found.toml", "--auto", "--only", "dev,prod", "--speed", "200", "--output", "json"];
    let rehearsed = elsewhere.run(&arguments);
    assert_eq!(rehearsed.code, 0, "{rehearsed:?}");
    let run = rehearsed.json();
    assert!(run["partitions"].as_array().expect("partitions").iter().all(|each| each["through"] == true), "{run:#}");
}

#[test]
fn only_what_was_asked_for_is_written_and_never_over_a_file_unasked() {
    let place = Place::with_site(60);
    let said = init(&place, "prod.toml", &[&PROFILES[..], &["--cluster", "*-PROD-*"]].concat());
    assert!(said.code == 0 && said.out.contains("none of the wanted name"), "{said:?}");
    assert_eq!(names(&config(&place, "show", "prod.toml").json()), ["prod"]);

    let again = init(&place, "prod.toml", &PROFILES);
    assert!(again.code == 2 && again.err.contains("--force"), "{again:?}");
    assert_eq!(names(&config(&place, "show", "prod.toml").json()), ["prod"], "it is as it was");
    assert_eq!(init(&place, "prod.toml", &[&PROFILES[..], &["--force"]].concat()).code, 0);
    assert_eq!(names(&config(&place, "show", "prod.toml").json()).len(), 4);
}

#[test]
fn nothing_found_says_what_was_asked_and_an_ended_session_how_it_begins_again() {
    let place = Place::with_site(60);
    let said = init(&place, "none.toml", &[&PROFILES[..], &["--region", "us-east-1", "--cluster", "orders"]].concat());
    assert_eq!(said.code, 1, "{said:?}");
    for words in ["Alpha002-Admin, Admin-Alpha1", "regions us-east-1", "clusters orders", "none of the wanted name"] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    assert!(!place.path().join("none.toml").exists());

    let address = place.address().expect("a site");
    let fault = r#"{"service":"rds","operation":"DescribeDBInstances","code":"AccessDenied","message":"User: x is not authorized to perform: rds:DescribeDBInstances","status":403,"times":9}"#;
    ledger::send(&address, "POST", "/__sim/faults", fault);
    let said = init(&place, "partly.toml", &PROFILES[..2]);
    assert!(said.code == 0 && said.out.contains("has to be allowed rds:DescribeDBInstances"), "{said:?}");
    let text = fs::read_to_string(place.path().join("partly.toml")).expect("the file");
    assert!(text.contains("# class_before = \"…\"   # aws rds describe-db-instances"), "{text}");
    assert_eq!(config(&place, "validate", "partly.toml").code, 0);

    let fault = r#"{"service":"rds","operation":"DescribeDBClusters","code":"ExpiredToken","message":"The security token included in the request is expired","status":403,"times":9}"#;
    ledger::send(&address, "POST", "/__sim/faults", fault);
    let said = init(&place, "none.toml", &PROFILES[..2]);
    assert!(said.code == 1 && said.err.contains("`aws sso login --profile Alpha002-Admin`"), "{said:?}");
}
