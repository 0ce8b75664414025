//! Unknown stays unknown: errors that nobody has seen before, invented at the site. Each is shown with its evidence and the
//! runbook's own text, is matched to nothing, and can be tried again, passed over with a reason, or left.

use aurora_cockpit::config;
use serde_json::{Value, json};

use crate::rehearsal::ask;
use crate::support::{Place, ROLLOUT, step_of};

/// An error that nobody knows, and the step that meets it.
struct Invented {
    step: &'static str,
    service: &'static str,
    operation: Option<&'static str>,
    code: &'static str,
    message: &'static str,
    status: Option<u16>,
    /// How often it is answered: a look is repeated, a changing call is not.
    times: u32,
    /// What the evidence must keep of it.
    keeps: &'static [&'static str],
}

const ODD: Invented = Invented {
    step: "",
    service: "rds",
    operation: None,
    code: "TidalLockFault",
    message: "The moon is in the way of the request.",
    status: Some(400),
    times: 1,
    keeps: &["TidalLockFault", "The moon is in the way"],
};

const DEV: [Invented; 7] = [
    Invented { step: "snapshot", operation: Some("CreateDBClusterSnapshot"), ..ODD },
    Invented {
        step: "amm",
        service: "amm.sh",
        message: "E4711 the stage door is painted shut",
        status: Some(3),
        keeps: &["E4711 the stage door is painted shut", "3"],
        ..ODD
    },
    Invented {
        step: "dynamic",
        service: "postgres",
        operation: Some("SHOW log_lock_waits"),
        code: "58Q42",
        message: "the tuple store hums in the wrong key",
        times: 10_000,
        keeps: &["58Q42", "hums in the wrong key"],
        ..ODD
    },
    Invented { step: "reader", operation: Some("RebootDBInstance"), ..ODD },
    Invented { step: "failover", operation: Some("FailoverDBCluster"), ..ODD },
    Invented {
        step: "chart",
        service: "helm",
        operation: Some("upgrade"),
        message: "Error: the chart has grown legs",
        status: Some(1),
        keeps: &["the chart has grown legs"],
        ..ODD
    },
    Invented { step: "delete-snapshot", operation: Some("DeleteDBClusterSnapshot"), ..ODD },
];

#[test]
fn an_invented_error_at_every_changing_call_of_dev_stays_unknown() {
    let place = Place::with_site_of(200, ROLLOUT);
    walk(&place, "dev", None, &DEV);
}

#[test]
fn an_invented_error_at_the_flushes_of_prod_stays_unknown() {
    let (place, file, _home) = prod_first();
    let flush = |step| Invented { step, operation: Some("ModifyDBInstance"), ..ODD };
    walk(&place, "prod", Some(&file), &[flush("reader"), flush("flush-writer")]);
}

/// A place with a site of a rollout that begins with prod, where nothing is guarded; its file, and where that is.
pub fn prod_first() -> (Place, String, Place) {
    let home = Place::new();
    let file = home.path().join("prod.toml");
    let mut rollout: toml::Table = config::SHIPPED.1.parse().expect("TOML");
    let partitions = rollout["partitions"].as_array_mut().expect("partitions");
    // The first partition waits for no go-ahead.
    partitions.sort_by_key(|partition| partition["name"].as_str() != Some("prod"));
    partitions[0].as_table_mut().expect("a table").remove("production");
    partitions[0].as_table_mut().expect("a table").remove("window");
    std::fs::write(&file, rollout.to_string()).expect("a rollout");
    let file = file.to_str().expect("a name in UTF-8").to_owned();
    (Place::with_site_of(200, &file), file, home)
}

#[test]
fn an_unknown_error_may_be_passed_over_with_a_reason() {
    let place = Place::with_site(200);
    let first = ["exec", "--partition", "dev", "--step", "prerequisites"];
    invent(&place, &Invented { service: "docker", message: "daemon of another age", ..ODD });
    let failed = place.run(&[&first[..], &["--yes"]].concat());
    assert_eq!(failed.code, 1, "{failed:?}");
    let skipped = place.run(&[&first[..], &["--skip", "seen by hand: the image is there"]].concat());
    assert_eq!(skipped.code, 0, "{skipped:?}");
    assert_eq!(place.step("dev", "prerequisites")["skipped"], "seen by hand: the image is there");
    assert_eq!(place.run(&["verify"]).code, 0);
}

/// Takes a partition through, an invented error at each of its steps, and again.
fn walk(place: &Place, partition: &str, rollout: Option<&str>, invented: &[Invented]) {
    let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).expect("a plan");
    let planned = plan.partition(&partition.into()).expect("a partition");
    for step in planned.steps.iter().take_while(|step| step.id.as_str() != "go-ahead") {
        let mut fire = vec!["exec", "--partition", partition, "--step", step.id.as_str(), "--yes", "--output", "json"];
        fire.extend(rollout.into_iter().flat_map(|file| ["--rollout", file]));
        if let Some(invented) = invented.iter().find(|invented| invented.step == step.id.as_str()) {
            invent(place, invented);
            let failed = place.run(&fire);
            assert_eq!(failed.code, 1, "{}: {failed:?}", step.id);
            let run = failed.json();
            stays_unknown(&step_of(&run, partition, step.id.as_str()), invented, step.guide.as_deref());
            ask(&place.address().expect("a site"), "DELETE", "/__sim/faults", &Value::Null);
        }
        // Once its cause is gone the same step is fired again, and goes on.
        let passed = place.run(&fire);
        assert_eq!(passed.code, 0, "{}: {}", step.id, passed.err);
    }
    assert_eq!(place.run(&["verify"]).code, 0);
}

fn stays_unknown(step: &Value, invented: &Invented, guide: Option<&str>) {
    let attempt = step["attempts"].as_array().and_then(|attempts| attempts.last()).expect("an attempt");
    let finding = attempt["findings"].as_array().and_then(|findings| findings.last()).expect("a finding");
    assert_eq!(finding["situation"], Value::Null, "{}: {finding:#}", invented.step);
    let evidence = finding["evidence"].to_string();
    for words in invented.keeps {
        assert!(evidence.contains(words), "{}: the evidence keeps {words}: {finding:#}", invented.step);
    }
    let first = guide.and_then(|guide| guide.trim().lines().next()).expect("the runbook has a text for it");
    let remedy = finding["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains(first), "{}: the runbook's text {first:?} is shown: {finding:#}", invented.step);
}

fn invent(place: &Place, fault: &Invented) {
    let Invented { service, operation, code, message, status, times, .. } = fault;
    let body = json!({
        "service": service, "operation": operation, "code": code, "message": message, "status": status, "times": times,
    });
    let (status, said) = ask(&place.address().expect("a site"), "POST", "/__sim/faults", &body);
    assert_eq!(status, 204, "{said}");
}
