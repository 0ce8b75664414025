#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::config::load_text;

fn found(profile: &str, id: &str) -> Found {
    let member = |role: &str| Member {
        id: format!("{id}{role}"),
        is_writer: role == "writer",
        class: Some("db.t3.medium".to_owned()),
    };
    Found {
        profile: profile.to_owned(),
        region: "us-east-1".to_owned(),
        account: Some("123456789012".to_owned()),
        id: id.to_owned(),
        status: "available".to_owned(),
        engine_version: Some("16.6".to_owned()),
        endpoint: Some(format!("{id}.cluster-x.us-east-1.rds.amazonaws.com:5432")),
        parameter_group: Some("default.aurora-postgresql16".to_owned()),
        insights_mode: Some("standard".to_owned()),
        insights_retention_days: Some(7),
        members: vec![member("reader1"), member("writer")],
    }
}

/// A cluster of which as little was read as can be.
fn hardly_read(profile: &str, id: &str) -> Found {
    Found {
        account: None,
        engine_version: None,
        endpoint: None,
        parameter_group: None,
        insights_mode: None,
        insights_retention_days: None,
        members: Vec::new(),
        ..found(profile, id)
    }
}

fn survey(clusters: Vec<Found>) -> Survey {
    let remarks =
        vec!["profile Old in us-east-1: signed out; `aws sso login --profile Old`, then once more".to_owned()];
    Survey { read_at: "2026-05-14T19:03:03Z".parse().unwrap(), time_zone: "UTC".to_owned(), clusters, remarks }
}

fn named(clusters: &[Found]) -> Vec<(String, String)> {
    let plan =
        load_text("draft.toml", &text(&survey(clusters.to_vec())), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    plan.partitions.iter().map(|each| (each.infrastructure.clone(), each.name.to_string())).collect()
}

#[test]
fn a_draft_says_what_was_read_and_where_the_rest_is_found() {
    let clusters = vec![
        found("Alpha002-Admin", "alpha002-prod-auroracluster"),
        found("Alpha002-Admin", "alpha002-stage-auroracluster"),
        hardly_read("default", "orders"),
    ];
    insta::assert_snapshot!("draft", text(&survey(clusters)));
}

#[test]
fn the_plan_of_a_draft_holds_what_was_read() {
    let cluster = found("Alpha002-Admin", "alpha002-prod-auroracluster");
    let plan = load_text("draft.toml", &text(&survey(vec![cluster])), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    let partition = &plan.partitions[0];
    assert!(partition.production);
    assert_eq!(partition.aws.profile.as_deref(), Some("Alpha002-Admin"));
    assert_eq!(partition.aws.account.as_deref(), Some("123456789012"));
    let members: Vec<_> = partition.cluster.expected_members.iter().map(|id| id.as_str()).collect();
    assert_eq!(members, ["alpha002-prod-auroraclusterwriter", "alpha002-prod-auroraclusterreader1"]);
    assert_eq!(partition.cluster.class_before.as_deref(), Some("db.t3.medium"));
    assert_eq!(partition.cluster.group_before.as_deref(), Some("default.aurora-postgresql16"));
    assert_eq!(partition.cluster.insights_mode.as_deref(), Some("standard"));
    assert!(partition.window.is_none() && partition.sql.is_none() && partition.kubernetes.is_none());
}

/// Profiles and clusters, and the infrastructures and partitions that they become.
#[test]
fn names_are_short_where_they_can_be_and_never_the_same() {
    let long = "a".repeat(63);
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let table: [(Pairs<'_>, Pairs<'_>); 7] = [
        (&[("A", "alpha-dev-auroracluster"), ("A", "alpha-stage")], &[("alpha", "dev"), ("alpha", "stage")]),
        (&[("A", "orders")], &[("A", "orders")]),
        (&[("A", "alpha-dev"), ("A", "beta-dev")], &[("A", "alpha-dev"), ("A", "beta-dev")]),
        // Two accounts that go by the same word are two infrastructures.
        (&[("A", "alpha-dev"), ("B", "alpha-prod")], &[("A", "alpha-dev"), ("B", "alpha-prod")]),
        (&[("A", "alpha-dev"), ("B", "beta-dev")], &[("alpha", "alpha-dev"), ("beta", "beta-dev")]),
        // The same identifier in two accounts.
        (&[("A", "orders"), ("B", "orders")], &[("A", "orders"), ("B", "orders-2")]),
        (&[("A", &long), ("A", "x-cluster")], &[("A", &long[..40]), ("A", "x")]),
    ];
    for (clusters, expected) in table {
        let clusters: Vec<_> = clusters.iter().map(|(profile, id)| found(profile, id)).collect();
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(named(&clusters), expected);
    }
}

#[test]
fn a_snapshot_s_name_is_never_longer_than_rds_takes() {
    for (length, snapshot) in [(55, "${cluster}-${rollout}"), (56, "${rollout}-${partition}")] {
        let text = text(&survey(vec![found("A", &"a".repeat(length))]));
        assert!(text.contains(&format!("snapshot = {{ id = \"{snapshot}\" }}")), "{text}");
        load_text("draft.toml", &text, None).unwrap_or_else(|wrong| panic!("{length}: {wrong}"));
    }
}

#[test]
fn text_from_outside_cannot_leave_its_place() {
    let strange = "a\"b\nid = \"x\" ${cluster} '''\u{1b}[31m";
    let mut cluster = hardly_read(strange, "orders");
    cluster.status = "ready\n[[steps]]".to_owned();
    let mut survey = survey(vec![cluster]);
    survey.remarks.push("first\nid = \"second\"".to_owned());
    let plan = load_text("draft.toml", &text(&survey), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(plan.id, "restart");
    let profile = plan.partitions[0].aws.profile.as_deref().unwrap();
    assert!(profile.contains("a\"b") && profile.contains("${cluster} '''"), "{profile:?}");
}

/// What is commented must be right once the comment is taken off.
#[test]
fn what_is_commented_is_taken_once_it_is_filled_in() {
    let text = text(&survey(vec![hardly_read("A", "orders")]));
    let starts = [
        "# account",
        "# opens",
        "# lasts",
        "# [partitions.",
        "# database",
        "# user",
        "# password",
        "# context",
        "# namespace",
        "# url",
        "# members",
        "# class_before",
        "# group_before",
        "# insights_",
        "# reference",
    ];
    let line = |line: &str| {
        let filled = starts.iter().any(|start| line.starts_with(start)).then(|| line[2..].to_owned());
        filled.unwrap_or_else(|| line.to_owned())
    };
    let filled: Vec<_> = text.lines().map(line).collect();
    let filled = filled
        .join("\n")
        .replace("account = \"…\"", "account = \"123456789012\"")
        .replace("class_before = \"…\"", "class_before = \"db.t3.medium\"")
        .replace("https://…", "https://example.com");
    let plan = load_text("draft.toml", &filled, None).unwrap_or_else(|wrong| panic!("{wrong}\n{filled}"));
    let partition = &plan.partitions[0];
    assert!(partition.window.is_some() && partition.sql.is_some() && partition.kubernetes.is_some());
    assert!(partition.application.is_some() && partition.cluster.insights_mode.is_some());
}
