//! Two or three situations at once, drawn from a seed. Whatever they make of each other, the night ends solved or stopped for
//! a reason that was staged; nothing is fired twice, and nothing reads PASSED that is not so at the site.
//!
//! `COMBINATIONS_SEED=random` draws from another seed, which is printed; a number draws from that one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::all::at_once;
use crate::judge::{groundless, journal, repeated, stopped_by};
use crate::rehearsal::{Rehearsal, findings, shipped};
use crate::table::{self, Row, Table};

/// The seed where nobody says another.
const SEED: u64 = 479;

/// How many are drawn.
const COUNT: usize = 20;

/// What is drawn from: of each group at most one, because two of the same call would hide each other.
const GROUPS: [&[&str]; 12] = [
    &["infra-behind", "image-missing", "op-signed-out", "op-item-unreadable"],
    &["renamed-instance", "already-touched", "insights-advanced", "sso-expired"],
    &["snapshot-exists", "cluster-busy", "snapshot-slow"],
    &["op-timeout-before-deploy", "op-timeout-after-deploy", "infra-stack-failed", "secrets-stack-failed"],
    &["dynamic-late", "dynamic-one-wrong", "setting-unreadable"],
    &["reader-pending-reboot"],
    &["failover-refused", "wait-race", "failover-noop", "stale-describe"],
    &["preload-missing", "max-connections-wrong"],
    &["snapshot-in-use"],
    &["pods-before-secret", "secret-not-synced", "pod-crash", "init-extension"],
    &["stale-session", "transient-401", "backend-5xx", "login-fails"],
    &["throttled", "api-5xx", "network-lost", "sso-expires-midway", "hostile-text"],
];

#[test]
fn random_combinations_end_solved_or_stopped_for_what_was_staged() {
    let seed = match std::env::var("COMBINATIONS_SEED").ok().as_deref() {
        None | Some("") => SEED,
        Some("random") => fastrand::u64(..1_000_000),
        Some(number) => number.parse().expect("COMBINATIONS_SEED is a number, or `random`"),
    };
    println!("seed {seed}");
    let table = table::read();
    let combinations = draw(seed);
    let queue = Mutex::new(combinations.iter());
    let failed: Mutex<BTreeMap<String, Vec<String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once() {
            scope.spawn(|| {
                loop {
                    let Some(names) = queue.lock().unwrap().next() else { break };
                    let (ended, wrong) = rehearse(&table, names);
                    println!("{ended:<8} {}", names.join(" + "));
                    if !wrong.is_empty() {
                        failed.lock().unwrap().insert(names.join(" + "), wrong);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("{} of {COUNT}", COUNT - failed.len());
    let list: Vec<String> =
        failed.iter().map(|(names, wrong)| format!("{names}\n    {}", wrong.join("\n    "))).collect();
    assert!(failed.is_empty(), "seed {seed}: {} combinations went wrong:\n\n{}\n", failed.len(), list.join("\n"));
}

#[test]
fn the_same_seed_draws_the_same_combinations() {
    assert_eq!(draw(SEED), draw(SEED));
    assert_ne!(draw(SEED), draw(SEED + 1));
}

fn draw(seed: u64) -> Vec<Vec<&'static str>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let one = |random: &mut fastrand::Rng| {
        let mut groups: Vec<usize> = (0..GROUPS.len()).collect();
        random.shuffle(&mut groups);
        groups.truncate(random.usize(2..=3));
        // In the order in which they come up.
        groups.sort_unstable();
        groups.into_iter().map(|group| GROUPS[group][random.usize(..GROUPS[group].len())]).collect()
    };
    (0..COUNT).map(|_| one(&mut random)).collect()
}

fn rehearse(table: &Table, names: &[&str]) -> (&'static str, Vec<String>) {
    let rows: Vec<&Row> = table.row.iter().filter(|row| names.contains(&row.name.as_str())).collect();
    let mut scenario = toml::Table::from_iter([("seed".to_owned(), 7.into())]);
    let staged = names.iter().flat_map(|name| shipped(name)["situation"].as_array().cloned().unwrap_or_default());
    scenario.insert("situation".to_owned(), toml::Value::Array(staged.collect()));
    let rehearsal = Rehearsal::of(&scenario, "dev");
    let Some(run) = rehearsal.run() else {
        let said = format!("exit {} without a result:\n      {}", rehearsal.said.code, rehearsal.last_words());
        return ("NOT", vec![said]);
    };
    let staged = |name: &str| rows.iter().any(|row| row.name == name || row.also.iter().any(|also| also == name));
    let calm = &table.calm["dev"];
    let mut wrong = groundless(&findings(&run), |name| staged(name) || calm.iter().any(|known| known == name));
    // Each may have its call repeated, and so may both.
    let may =
        |operation: &str| 1 + rows.iter().filter_map(|row| row.more.get(operation)).map(|more| more - 1).sum::<u64>();
    wrong.extend(repeated(&rehearsal.ledger(), may));
    wrong.extend(journal(&rehearsal));
    wrong.extend(untrue(&run, &rehearsal.state()));
    let ended = match rehearsal.said.code {
        0 => "solved",
        1 if stopped_by(&run).is_some_and(|name| staged(&name)) => "stopped",
        code => {
            wrong.push(format!("exit {code} for {:?}:\n      {}", stopped_by(&run), rehearsal.last_words()));
            "NOT"
        }
    };
    (if wrong.is_empty() { ended } else { "NOT" }, wrong)
}

/// Steps of dev that read PASSED, and are not so at the site.
pub fn untrue(run: &Value, state: &Value) -> Vec<String> {
    let partition = &run["partitions"][0];
    let passed = |name: &str| {
        let step = partition["steps"].as_array().into_iter().flatten().find(|step| step["step"] == name);
        step.is_some_and(|step| step["state"].as_str().unwrap_or_default().starts_with("PASSED"))
    };
    let site = state["partitions"].as_array().into_iter().flatten().find(|site| site["name"] == partition["partition"]);
    let site = site.expect("the site has the partition");
    let cluster = &site["cluster"];
    let instances: Vec<&Value> = cluster["instances"].as_array().into_iter().flatten().collect();
    let all = |key: &str, value: &str| instances.iter().all(|instance| instance[key] == value);
    let failed_back = partition["levers"].as_array().into_iter().flatten().any(|lever| {
        lever["lever"] == "fail-back" && lever["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty())
    });
    let group = cluster["parameter_group"].as_str().unwrap_or_default();
    let writer = cluster["writer"].as_str().unwrap_or_default();
    // The site lists the instances as they were before: the writer first, whatever it is called.
    let first = instances.first().and_then(|instance| instance["id"].as_str()).unwrap_or_default();
    let claims = [
        ("amm", !group.starts_with("default."), "the cluster has its own group"),
        ("failover", writer != first || failed_back, "the reader was promoted"),
        ("failover", cluster["writer"] == cluster["dns_writer"], "the endpoint leads to the writer"),
        ("failover", all("status", "available"), "every instance is available"),
        ("static", all("group_status", "in-sync") || writer_in_sync(cluster), "the writer runs on its group"),
        ("delete-snapshot", cluster["snapshots"].as_array().is_some_and(Vec::is_empty), "there is no snapshot left"),
        ("chart", site["operations"]["serving"] == true, "the application serves"),
        ("statements", cluster["extension_created"] == true, "the extension is there"),
    ];
    let untrue = claims.into_iter().filter(|(step, holds, _)| passed(step) && !holds);
    untrue.map(|(step, _, claim)| format!("{step} reads PASSED, and it is not so that {claim}: {cluster}")).collect()
}

fn writer_in_sync(cluster: &Value) -> bool {
    let instances = cluster["instances"].as_array().into_iter().flatten();
    instances.into_iter().any(|instance| instance["id"] == cluster["writer"] && instance["group_status"] == "in-sync")
}
