#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use super::*;
use crate::runbook::names::StepId;
use crate::runbook::plan::{ConfirmRule, Expectation, KubernetesTarget, Partition, SecretSource, StepKind};

fn shipped() -> Plan {
    load_text(SHIPPED.0, SHIPPED.1, None).unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(text: &str) -> Vec<String> {
    match load_text("r.toml", text, None) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn partition<'a>(plan: &'a Plan, name: &str) -> &'a Partition {
    plan.partition(&name.into()).unwrap()
}

fn step_ids(partition: &Partition) -> Vec<&str> {
    partition.steps.iter().map(|step| step.id.as_str()).collect()
}

#[test]
fn the_shipped_rollout_is_the_log_s() {
    let plan = shipped();
    let names: Vec<_> = plan.partitions.iter().map(|partition| partition.name.as_str()).collect();
    assert_eq!(names, ["dev", "stage", "demo", "prod"]);
    let everywhere = [
        "prerequisites",
        "drift",
        "snapshot",
        "amm",
        "dynamic",
        "reader",
        "failover",
        "static",
        "chart",
        "statements",
        "delete-snapshot",
        "app",
        "go-ahead",
    ];
    for name in ["dev", "stage", "demo"] {
        assert_eq!(step_ids(partition(&plan, name)), everywhere, "{name}");
    }
    let prod = partition(&plan, "prod");
    assert!(prod.steps.iter().any(|step| step.id.as_str() == "flush-writer" && step.label == "5b"));
    assert_eq!(step_ids(prod).last(), Some(&"merge"));
    let titles: Vec<_> = plan.partitions.iter().map(|partition| partition.cluster.id.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Alpha002-dev-AuroraCluster",
            "Alpha002-stage-AuroraCluster",
            "Alpha001-demo-AuroraCluster",
            "Alpha001-prod-AuroraCluster",
        ]
    );
}

#[test]
fn production_asks_for_the_cluster_s_name_wherever_something_changes() {
    let plan = shipped();
    for partition in &plan.partitions {
        for step in &partition.steps {
            let typed = step.confirm == ConfirmRule::Type(partition.cluster.id.clone());
            assert_eq!(typed, partition.production && step.kind.changes_the_world(), "{}/{}", partition.name, step.id);
        }
    }
}

#[test]
fn the_shipped_rollout_knows_what_the_log_taught() {
    let plan = shipped();
    let (dev, prod) = (partition(&plan, "dev"), partition(&plan, "prod"));
    assert_eq!((prod.cluster.apply_immediately, dev.cluster.apply_immediately), (false, true));
    assert_eq!(prod.cluster.class_after.as_deref(), Some("db.r7g.large"));
    assert_eq!(dev.cluster.class_after.as_deref(), Some("db.t3.medium"));
    assert_eq!(prod.window.as_ref().unwrap().from.to_string(), "2026-05-15T06:00:00Z");
    assert_eq!(prod.window.as_ref().unwrap().to.to_string(), "2026-05-15T08:00:00Z");
    let StepKind::Snapshot(snapshot) = &dev.step(&StepId::from("snapshot")).unwrap().kind else { panic!() };
    assert_eq!(snapshot.id, "alpha002-dev-pdev479-pre-rollout");
    let StepKind::Command(amm) = &dev.step(&StepId::from("amm")).unwrap().kind else { panic!() };
    assert_eq!(amm.arguments, ["--profile", "Alpha002-Admin", "--region", "us-east-1", "Alpha002", "dev"]);
    let connections = |partition: &Partition| {
        let StepKind::VerifySql(verify) = &partition.step(&StepId::from("static")).unwrap().kind else { panic!() };
        let setting = verify.settings.iter().find(|setting| setting.name == "max_connections").unwrap();
        setting.expect.clone()
    };
    assert_eq!(connections(prod), Expectation::Is("500".into()));
    assert_eq!(connections(dev), Expectation::Formula("LEAST({DBInstanceClassMemory/9531392},5000)".into()));
}

#[test]
fn a_rollout_needs_little() {
    let plan = load_text("minimal.toml", MINIMAL, None).unwrap_or_else(|problems| panic!("{problems}"));
    let dev = partition(&plan, "dev");
    assert_eq!((&dev.sql, &dev.kubernetes, &dev.application), (&None, &None, &None));
    let members: Vec<_> = dev.cluster.expected_members.iter().map(|id| id.as_str()).collect();
    assert_eq!(members, ["Example-dev-AuroraClusterWriter", "Example-dev-AuroraClusterReader1"]);
    let failover = dev.step(&StepId::from("failover")).unwrap();
    assert_eq!(failover.needs, [StepId::from("reader")]);
    assert_eq!(failover.limit, Duration::from_secs(600));
}

/// Each row: what to put in the minimal file in place of what, and exactly what is said about it.
#[test]
fn wrong_files_are_refused_with_place_key_and_suggestion() {
    let table: &[(&str, &str, &[&str])] = &[
        (
            "kind = \"failover\"",
            "kind = \"failovre\"",
            &["r.toml:40:8: steps.failover.kind: `failovre` is not known here; did you mean `failover`?"],
        ),
        (
            "impact = \"The",
            "impcat = \"The",
            &["r.toml:41:1: steps.failover.impcat: unknown key; did you mean `impact`?"],
        ),
        (
            "region = \"us-east-1\"",
            "regoin = \"us-east-1\"",
            &["r.toml:16:1: partitions.dev.aws.regoin: unknown key; did you mean `region`?"],
        ),
        (
            "\"us-east-1\"",
            "\"us-east1\"",
            &["r.toml:16:10: partitions.dev.aws.region: `us-east1` is no AWS region; did you mean `us-east-1`?"],
        ),
        (
            "time_zone = \"UTC\"",
            "time_zone = \"Europe/Berlni\"",
            &[
                "r.toml:7:13: time_zone: `Europe/Berlni` is no time zone known on this machine; did you mean `Europe/Berlin`?",
            ],
        ),
        ("title = \"Snapshot\"\n", "", &["r.toml:22:1: steps.snapshot.title: is missing; it says: A few words."]),
        (
            "apply_immediately = true",
            "apply_immediately = \"yes\"",
            &["r.toml:20:21: partitions.dev.cluster.apply_immediately: must be true or false, and is a text"],
        ),
        (
            "expected = \"5m\"",
            "expected = \"five\"",
            &["r.toml:27:12: steps.snapshot.expected: `five` is no duration; write it like `90s`, `5m` or `1h30m`"],
        ),
        (
            "expected = \"5m\"",
            "expected = 5",
            &["r.toml:27:12: steps.snapshot.expected: must be a text in quotes, and is a number"],
        ),
        (
            "${rollout}",
            "${rolout}",
            &["r.toml:28:51: steps.snapshot.snapshot.id: ${rolout} is not defined; did you mean `rollout`?"],
        ),
        (
            "${rollout}",
            "${namespace}",
            &[
                "r.toml:28:51: steps.snapshot.snapshot.id: ${namespace} has no value: partition `dev` has no `kubernetes.namespace`",
            ],
        ),
        ("${rollout}", "${rollout", &["r.toml:28:51: steps.snapshot.snapshot.id: `${` has no `}`"]),
        (
            "${infrastructure}-${partition}-AuroraCluster",
            "${cluster}",
            &["r.toml:19:7: partitions.dev.cluster.id: ${cluster} has no value: it refers to itself"],
        ),
        (
            "id = \"reader\"",
            "id = \"snapshot\"",
            &["r.toml:31:6: steps.snapshot.id: `snapshot` is there twice; names stand once"],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"restart-reader\"\nneeds = [\"snapshto\"]",
            &["r.toml:35:10: steps.reader.needs: there is no step `snapshto`; did you mean `snapshot`?"],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"restart-reader\"\nneeds = [\"failover\"]",
            &[
                "r.toml:35:10: steps.reader.needs: `failover` comes later, so it cannot be behind this step; a step needs only those that stand before it",
            ],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"restart-reader\"\npartitions = [\"prod\"]",
            &["r.toml:35:15: steps.reader.partitions: there is no partition `prod`; known here: `dev`"],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"verify-sql\"\nverify-sql = { statements = true }",
            &["r.toml:9:1: partitions.dev.sql: is missing, and step `reader` needs it"],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"restart-reader\"\nclose = { repository = \"a/b\", number = 1 }",
            &["r.toml:35:9: steps.reader.close: belongs to a step of kind `close`, and this is `restart-reader`"],
        ),
        (
            "kind = \"restart-reader\"",
            "kind = \"command\"",
            &["r.toml:30:1: steps.reader.command: is missing: a step of kind `command` has a table of that name"],
        ),
        (
            "kind = \"snapshot\"",
            "kind = \"drift\"",
            &[
                "r.toml:28:12: steps.snapshot.snapshot: belongs to a step of kind `snapshot`, and this is `drift`",
                "r.toml:43:1: steps.delete-snapshot.delete-snapshot: no earlier step of partition `dev` takes a snapshot",
            ],
        ),
        ("# production = true", "production = true", &[]),
        (
            "kind = \"failover\"",
            "kind = \"failover\"\nconfirm = \"yes\"",
            &[
                "r.toml:41:11: steps.failover.confirm: `yes` is no rule of confirmation; write `plain`, or `type ${cluster}`",
            ],
        ),
        (
            "id = \"restart\"",
            "id = \"Restart\"",
            &[
                "r.toml:5:6: id: `Restart` cannot be used as a name; use lowercase letters, digits and hyphens, 40 at most",
            ],
        ),
    ];
    for (from, to, expected) in table {
        assert!(MINIMAL.contains(from), "{from}");
        let found = problems(&MINIMAL.replacen(from, to, 1));
        assert_eq!(found, *expected, "{from} -> {to}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = MINIMAL
        .replace("title = \"Snapshot\"", "titel = \"Snapshot\"")
        .replace("kind = \"failover\"", "kind = \"failovre\"\nneeds = [\"later\"]")
        .replace("\"us-east-1\"", "\"useast\"")
        .replace("${rollout}", "${paths.nowhere}");
    let Err(found) = load_text("r.toml", &text, None) else { panic!("accepted") };
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "partitions.dev.aws.region",
            "steps.snapshot.title",
            "steps.snapshot.titel",
            "steps.snapshot.snapshot.id",
            "steps.failover.kind",
            "steps.failover.needs",
        ]
    );
    assert!(found.to_string().ends_with("6 problems; nothing was started."), "{found}");
}

#[test]
fn empty_lists_are_refused() {
    assert_eq!(
        problems("id = \"a\"\ntitle = \"b\"\ntime_zone = \"UTC\"\npartitions = []\nsteps = []\n"),
        [
            "r.toml:4:14: partitions: is empty, so there would be nothing to do",
            "r.toml:5:9: steps: is empty, so there would be nothing to do",
        ]
    );
}

#[test]
fn what_is_said_of_a_file_steers_no_terminal() {
    for text in
        ["\"\\u001b[2Jowned\" = 1\n", "\"a\\u202eb\" = 1\n\"a\\u202eb\" = 2\n", "timezone = \"\\u001b]0;x\\u0007\"\n"]
    {
        let found = load_text("\u{1b}[2Jfile.toml", text, None).unwrap_err().to_string();
        assert!(!found.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{found:?}");
    }
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_place() {
    let found = problems("id = \"a\"\ntitle = unquoted words\n");
    assert!(found[0].starts_with("r.toml:2:9: "), "{found:?}");
}

#[test]
fn a_file_that_is_not_there_says_what_to_do() {
    let found = load(Path::new("/nowhere/rollout.toml"), None).unwrap_err().to_string();
    assert!(found.starts_with("/nowhere/rollout.toml: cannot be read: "), "{found}");
    assert!(found.contains("aurora-cockpit init"), "{found}");
}

#[test]
fn production_is_never_confirmed_plainly() {
    let text = MINIMAL
        .replace("# production = true", "production = true")
        .replace("kind = \"failover\"", "kind = \"failover\"\nconfirm = \"plain\"");
    assert_eq!(
        problems(&text),
        [
            "r.toml:41:11: steps.failover.confirm: `plain` is not enough in production (partition `dev`); leave it out, or \
          write `type ${cluster}`"
        ]
    );
}

fn overlaid(overlay: &str) -> Result<Plan, Problems> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("overlay.toml");
    fs::write(&path, overlay).unwrap();
    load_text(SHIPPED.0, SHIPPED.1, Some(&path)).map_err(|problems| {
        // The temporary directory's name is not part of what is promised.
        let prefix = format!("{}/", directory.path().display());
        let strip = |problem: &Problem| Problem { file: problem.file.replace(&prefix, ""), ..problem.clone() };
        Problems::new(problems.iter().map(strip).collect())
    })
}

#[test]
fn an_overlay_is_laid_over_the_partition_of_its_name() {
    let overlay = "[paths]\ninfrastructure = \"/trees/infrastructure\"\n[partitions.dev.sql]\nendpoint = \
                   \"127.0.0.1:15432\"\ntls = \"disable\"\npassword = { env = \"DEV_PASSWORD\" }\n";
    let plan = overlaid(overlay).unwrap_or_else(|problems| panic!("{problems}"));
    let (dev, stage) = (partition(&plan, "dev"), partition(&plan, "stage"));
    assert_eq!(dev.sql.as_ref().unwrap().endpoint.as_deref(), Some("127.0.0.1:15432"));
    assert_eq!(dev.sql.as_ref().unwrap().password, SecretSource::Env("DEV_PASSWORD".into()));
    assert_eq!(stage.sql.as_ref().unwrap().endpoint, None);
    assert!(matches!(stage.sql.as_ref().unwrap().password, SecretSource::SecretsManager { .. }));
    let StepKind::Command(amm) = &dev.step(&StepId::from("amm")).unwrap().kind else { panic!() };
    assert_eq!(amm.directory, "/trees/infrastructure");
}

#[test]
fn a_bastion_takes_what_the_partition_says_unless_it_says_otherwise() {
    let plan = overlaid(
        "[partitions.dev.sql.bastion]\n[partitions.stage.sql.bastion]\nnamespace = \"ops\"\nimage = \
                         \"registry/socat:1\"\ndeadline = \"90m\"\n",
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let of = |name| {
        let partition = partition(&plan, name);
        (partition.kubernetes.clone().unwrap(), partition.sql.as_ref().unwrap().bastion.clone())
    };
    let (kubernetes, bastion) = of("dev");
    let bastion = bastion.unwrap();
    assert_eq!(bastion.kubernetes, kubernetes);
    assert_eq!((bastion.image.as_str(), bastion.deadline), ("alpine/socat:1.8.0.0", Duration::from_secs(3600)));
    let (kubernetes, bastion) = of("stage");
    let bastion = bastion.unwrap();
    assert_eq!(bastion.kubernetes, KubernetesTarget { namespace: "ops".into(), ..kubernetes });
    assert_eq!((bastion.image.as_str(), bastion.deadline), ("registry/socat:1", Duration::from_secs(5400)));
    assert_eq!(of("prod").1, None);
}

#[test]
fn a_bastion_beside_an_endpoint_is_refused() {
    let overlay =
        "[partitions.dev.sql]\nendpoint = \"127.0.0.1:15432\"\n[partitions.dev.sql.bastion]\ndeadline = \"soon\"\n";
    let found: Vec<_> = overlaid(overlay).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "overlay.toml:3:1: partitions.dev.sql.bastion: stands beside `endpoint`; one of them leads to the databases: \
             remove the other",
            "overlay.toml:4:12: partitions.dev.sql.bastion.deadline: `soon` is no duration; write it like `90s`, `5m` or \
             `1h30m`",
        ]
    );
}

#[test]
fn problems_of_an_overlay_name_the_overlay() {
    let found = overlaid("[partitions.dve]\nproduction = true\n[partitions.dev.aws]\nregoin = \"x\"\n").unwrap_err();
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "overlay.toml:1:13: partitions.dve: the rollout has nothing of that name; did you mean `dev`?",
            "overlay.toml:4:1: partitions.dev.aws.regoin: unknown key; did you mean `region`?",
        ]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]

    /// Whatever a slip of the hand makes of a file, it is read or refused with a place in it; nothing is worse than that.
    #[test]
    fn a_slip_of_the_hand_is_found_or_harmless(at in 0..MINIMAL.len(), typed in "[ -~é\n]{0,3}", taken in 0usize..4) {
        let until = (at + taken).min(MINIMAL.len());
        let text = format!("{}{typed}{}", &MINIMAL[..at], &MINIMAL[until..]);
        if let Err(found) = load_text("r.toml", &text, None) {
            let lines = text.lines().count() + 1;
            for problem in found.iter() {
                proptest::prop_assert!(problem.line >= 1 && problem.line <= lines, "{problem}");
                proptest::prop_assert!(!problem.message.is_empty());
            }
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_named() {
    assert_eq!(problems("id = \"a\"\nid = \"b\"\n"), ["r.toml:2:1: id: duplicate key"]);
}

/// The schema beside the rollouts is for editors, which find it by the first line of a file.
#[test]
fn the_shipped_schema_is_the_one_that_files_are_held_against() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rollout.schema.json");
    let shipped: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_default();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&schema()).unwrap() + "\n").unwrap();
        return;
    }
    let remedy =
        "run this test once with UPDATE_SCHEMA=1, or `aurora-cockpit config schema > config/rollout.schema.json`";
    assert_eq!(shipped, schema(), "{remedy}");
    for (_, text) in [SHIPPED, ("minimal.toml", MINIMAL)] {
        assert!(text.starts_with("#:schema ../rollout.schema.json\n"));
    }
}

/// Whether a second person is asked for: by the partition for whatever changes something, levers included, by a step for itself.
#[test]
fn a_second_person_is_asked_for_where_the_file_says_so_and_nowhere_else() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rds-only.toml")).unwrap();
    let guarded = |plan: &Plan, name: &str| -> Vec<String> {
        let partition = partition(plan, name);
        let all = partition.steps.iter().chain(&partition.levers);
        all.filter(|step| step.second_person).map(|step| step.id.to_string()).collect()
    };
    let load = |text: &str| load_text("r.toml", text, None).unwrap_or_else(|problems| panic!("{problems}"));
    let plain = load(&text);
    assert!(guarded(&plain, "one").is_empty() && guarded(&plain, "two").is_empty());
    assert!(shipped().partitions.iter().all(|partition| guarded(&shipped(), partition.name.as_str()).is_empty()));

    let by_partition = load(&text.replacen("name = \"two\"", "name = \"two\"\napproval = \"second-person\"", 1));
    assert!(guarded(&by_partition, "one").is_empty());
    let two = partition(&by_partition, "two");
    for step in two.steps.iter().chain(&two.levers) {
        assert_eq!(step.second_person, step.kind.changes_the_world(), "{}", step.id);
    }
    assert!(guarded(&by_partition, "two").len() > 3);

    let by_step =
        |rule: &str| text.replacen("id = \"snapshot\"", &format!("id = \"snapshot\"\napproval = \"{rule}\""), 1);
    assert_eq!(guarded(&load(&by_step("second-person")), "one"), ["snapshot"]);
    let excepted = by_step("none").replacen("name = \"two\"", "name = \"two\"\napproval = \"second-person\"", 1);
    assert!(!guarded(&load(&excepted), "two").contains(&"snapshot".to_owned()));

    let wrong = problems(&by_step("second-persn")).join("\n");
    assert!(wrong.contains("did you mean `second-person`"), "{wrong}");
    let go =
        "\n[[steps]]\nid = \"go\"\nlabel = \"g\"\ntitle = \"Go\"\nkind = \"go-ahead\"\napproval = \"second-person\"\n";
    let wrong = problems(&text.replacen("\n[[steps]]", &format!("{go}\n[[steps]]"), 1)).join("\n");
    assert!(wrong.contains("a go-ahead is a person's word itself"), "{wrong}");
}
