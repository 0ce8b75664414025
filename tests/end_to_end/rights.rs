//! The rights that are shipped: what a monitor asks for is all that its policies allow, and all that they allow is asked for;
//! what an operator's is, [the rehearsals](../situations) and the sources say.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::rights::{action, actions, asset, grant, grants, missing};
use crate::support::{Cockpit, Place, ROLLOUT, wait_until};

/// What is asked for only where a rollout declares it: tokens instead of a password, a bastion.
const ON_DEMAND: [&str; 3] = ["rds-db:connect", "get pods/portforward", "create pods/portforward"];

#[test]
fn a_monitor_asks_for_what_its_rights_allow_no_less_and_no_more() {
    let place = Place::with_site(60);
    let mut monitor = Cockpit::start(&place, (120, 40), &["monitor", "--rollout", ROLLOUT]);
    monitor.see(" MONITOR ");
    let allowed: BTreeSet<String> = actions("monitor").union(&grants("monitor")).cloned().collect();
    let wanted: BTreeSet<String> =
        allowed.iter().filter(|right| !ON_DEMAND.contains(&right.as_str())).cloned().collect();
    let asked = || -> BTreeSet<String> {
        let calls = place.ledger().calls_made().to_vec();
        calls.iter().filter_map(|(service, name)| action(service, name).or_else(|| grant(service, name))).collect()
    };
    // What is never asked for is spare, and is waited for in vain.
    wait_until("every right is used", || wanted.is_subset(&asked()));
    assert_eq!(asked(), wanted, "nothing is missing");
    let ledger = place.ledger();
    assert_eq!(missing("monitor", ledger.calls_made()), Vec::<String>::new());
    assert_eq!(ledger.lines().count(), 0, "a monitor changes nothing");
    // An operator sees at least as much.
    let operator: BTreeSet<String> = actions("operator").union(&grants("operator")).cloned().collect();
    let less: Vec<&String> = allowed.difference(&operator).collect();
    assert!(less.is_empty(), "{less:?}");
    eprintln!(
        "rights: {} asked for by a monitor, {} on demand; {} an operator's",
        wanted.len(),
        ON_DEMAND.len(),
        operator.len()
    );

    // What RBAC calls a right is what the API server knows by that name.
    let Some(kubectl) = on_path(&place, "kubectl") else { return absent("kubectl") };
    for right in &grants("operator") {
        let (verb, resource) = right.split_once(' ').expect("verb and resource");
        let (resource, subresource) =
            resource.split_once('/').map_or((resource, None), |(main, sub)| (main, Some(sub)));
        let mut asks = Command::new(&kubectl);
        asks.env_clear().envs(place.env()).args(["auth", "can-i", verb, resource]);
        asks.args(subresource.map(|name| format!("--subresource={name}")));
        let said = asks.stdin(Stdio::null()).output().expect("kubectl runs");
        assert!(said.stdout.starts_with(b"yes"), "{right}: {said:?}");
    }
}

/// YAML as another reader reads it, and names of AWS's own models.
#[test]
fn the_rights_are_written_as_others_read_them() {
    let place = Place::new();
    match on_path(&place, "kubectl") {
        None => absent("kubectl"),
        Some(kubectl) => {
            for who in ["monitor", "operator"] {
                let file = asset(&format!("kubernetes/{who}.yaml"));
                let mut reads = Command::new(&kubectl);
                reads
                    .env_clear()
                    .envs(place.env())
                    .args(["label", "--local", "-o", "json", "read=yes", "-f"])
                    .arg(file);
                let said = reads.stdin(Stdio::null()).output().expect("kubectl runs");
                assert!(said.status.success(), "{who}: {}", String::from_utf8_lossy(&said.stderr));
                let objects = serde_json::Deserializer::from_slice(&said.stdout).into_iter::<serde_json::Value>();
                let mut read = BTreeSet::new();
                for object in objects.map(|object| object.expect("an object")) {
                    let all = object["items"].as_array().cloned().unwrap_or_else(|| vec![object]);
                    for rule in all.iter().flat_map(|role| role["rules"].as_array().cloned().unwrap_or_default()) {
                        let words = |key: &str| -> Vec<String> {
                            let list = rule[key].as_array().expect("a list");
                            list.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
                        };
                        let (verbs, resources) = (words("verbs"), words("resources"));
                        read.extend(
                            verbs.iter().flat_map(|verb| resources.iter().map(move |it| format!("{verb} {it}"))),
                        );
                    }
                }
                assert_eq!(read, grants(who), "{who}");
            }
        }
    }
    let usual = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-tools/venv/bin/python"));
    let python = std::env::var_os("COCKPIT_TEST_PYTHON").map_or(usual, PathBuf::from);
    let knows = "import sys, botocore.session\n\
                 session = botocore.session.get_session()\n\
                 for action in sys.argv[1:]:\n\
                 \x20   service, name = action.split(':')\n\
                 \x20   if name not in session.get_service_model(service).operation_names: print(action)\n";
    let all: BTreeSet<String> = actions("operator").union(&actions("monitor")).cloned().collect();
    // A right to connect to a database is IAM's alone; no call has its name.
    let calls: Vec<&String> = all.iter().filter(|action| *action != "rds-db:connect").collect();
    let ask = |names: &[&String]| Command::new(&python).arg("-c").arg(knows).args(names).stdin(Stdio::null()).output();
    match ask(&calls) {
        Ok(said) if said.status.success() => {
            assert!(said.stdout.is_empty(), "AWS knows no {}", String::from_utf8_lossy(&said.stdout));
            let wrong = "rds:FailoverDbCluster".to_owned();
            let caught = ask(&[&wrong]).expect("it ran before");
            assert!(caught.stdout.starts_with(b"rds:FailoverDbCluster"), "a name in another spelling is caught");
        }
        _ => absent("botocore"),
    }
}

fn absent(tool: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing; `bash tests/run.sh --tools` installs it");
    eprintln!("skipped: {tool} is missing");
}

fn on_path(place: &Place, program: &str) -> Option<PathBuf> {
    std::env::split_paths(&place.env()["PATH"]).map(|directory| directory.join(program)).find(|path| path.is_file())
}
