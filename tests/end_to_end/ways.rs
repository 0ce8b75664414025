//! Ways to the databases: a bastion that goes with its session, however that ends, and a role that IAM vouches for.

use std::fs;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::support::{Cockpit, Place, ledger, wait_until};

const DATABASES: &str = include_str!("../fixtures/databases.toml");
const PASSWORD: &str = "[defaults.sql.password.secrets-manager]\nid = \"${infrastructure}-${partition}-operations-ItemDb\"\n\
                        key = \"password\"\n";

/// A place with a site that is made from a rollout file of that text.
fn with_rollout(text: &str) -> (Place, NamedTempFile) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    fs::write(file.path(), text).expect("a rollout file");
    (Place::with_site_of(60, name(&file)), file)
}

fn name(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a name in UTF-8")
}

/// The bastions that are there, as the Kubernetes API tells whoever has the kubeconfig.
fn bastions(place: &Place) -> Vec<String> {
    let kubeconfig = fs::read_to_string(&place.env()["KUBECONFIG"]).expect("a kubeconfig");
    let kubeconfig: Value = serde_json::from_str(&kubeconfig).expect("JSON");
    let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().expect("a server");
    let path = "/api/v1/namespaces/stage-operations/pods?labelSelector=app.kubernetes.io/managed-by%3Daurora-cockpit";
    let pods: Value = serde_json::from_str(&ledger::ask(server, "GET", path).expect("an answer")).expect("a list");
    let names = pods["items"].as_array().expect("pods").iter().map(|pod| pod["metadata"]["name"].clone());
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_bastion_goes_with_its_session_and_what_a_killed_one_left_is_swept() {
    let bastion = "aws.profile = \"Alpha002-Admin\"\nsql.bastion = {}\n";
    let (place, file) = with_rollout(&DATABASES.replace("aws.profile = \"Alpha002-Admin\"\n", bastion));
    let run = ["run", "--rollout", name(&file)];

    let cockpit = Cockpit::start(&place, (120, 40), &run);
    wait_until("a bastion is made", || bastions(&place).len() == 1);
    let left = bastions(&place);
    cockpit.kill();
    assert_eq!(bastions(&place), left, "a session that is killed leaves its bastion behind");

    let mut cockpit = Cockpit::start(&place, (120, 40), &run);
    cockpit.see("removed, left behind by a former session");
    wait_until("the next session has its own", || {
        let there = bastions(&place);
        there.len() == 1 && there != left
    });
    cockpit.press("q");
    assert_eq!(cockpit.end().0, 0);
    assert_eq!(bastions(&place), [""; 0], "a session that ends takes its bastion along");
    assert_eq!(place.ledger().calls("create pods"), 2);
}

#[test]
fn iam_vouches_for_the_role_and_a_check_says_what_it_may_not_see() {
    assert!(DATABASES.contains(PASSWORD));
    let (place, file) = with_rollout(&DATABASES.replace(PASSWORD, "[defaults.sql.password]\niam = true\n"));
    let said = place.run(&["check", "--rollout", name(&file)]);
    assert!(said.out.contains("stage: missing: GRANT pg_monitor TO \"stage-operations.ItemDb\";"), "{said:?}");
    assert!(said.out.contains("statements and sessions of other roles are seen without their text"), "{said:?}");
    let checked = place.run(&["check", "--rollout", name(&file), "--output", "json"]).json();
    assert!(checked[0]["gaps"][0].as_str().is_some_and(|gap| gap.contains("GRANT pg_monitor")), "{checked:#}");
}
