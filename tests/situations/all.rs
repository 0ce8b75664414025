//! All situations, one row of the table each.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use aurora_cockpit::runbook::situation::Situation;

use crate::acts;
use crate::judge::complaints;
use crate::rehearsal::{Rehearsal, partition_of, shipped};
use crate::table::{self, Row, Table};

#[test]
fn every_situation_is_produced_diagnosed_and_remedied() {
    let table = table::read();
    let wanted = std::env::var("SITUATIONS").ok();
    let wanted: Option<Vec<&str>> = wanted.as_deref().map(|list| list.split(',').collect());
    let names: Vec<&str> = Situation::ALL.iter().map(|situation| situation.name()).collect();
    let names: Vec<&str> =
        names.into_iter().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(name))).collect();
    let queue = Mutex::new(names.iter());
    let failed: Mutex<BTreeMap<&str, Vec<String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..at_once() {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else { break };
                    let wrong = prove(&table, name);
                    if !wrong.is_empty() {
                        failed.lock().unwrap().insert(name, wrong);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("{} of {}", names.len() - failed.len(), names.len());
    let list: Vec<String> =
        failed.iter().map(|(name, wrong)| format!("{name}\n    {}", wrong.join("\n    "))).collect();
    assert!(failed.is_empty(), "{} situations are not as they should be:\n\n{}\n", failed.len(), list.join("\n"));
}

#[test]
fn the_table_has_a_row_or_an_act_for_every_situation() {
    let table = table::read();
    let rows: Vec<&str> = table.row.iter().map(|row| row.name.as_str()).collect();
    for situation in Situation::ALL {
        let name = situation.name();
        let rows = rows.iter().filter(|row| **row == name).count();
        assert_eq!(rows + usize::from(acts::act(name).is_some()), 1, "{name}");
    }
    assert_eq!(rows.len() + acts::COUNT, Situation::ALL.len());
}

/// What is wrong with the proof of a situation; says in a line how it went.
fn prove(table: &Table, name: &str) -> Vec<String> {
    let begun = Instant::now();
    let row = table.row.iter().find(|row| row.name == name);
    let proof = std::panic::catch_unwind(|| match (row, acts::act(name)) {
        (Some(row), _) => rehearse(table, row),
        (None, Some(act)) => act(),
        (None, None) => vec!["there is no row for it".to_owned()],
    });
    let wrong = proof.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        vec![words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned())).unwrap_or_default()]
    });
    let verdict = if wrong.is_empty() { "ok" } else { "NOT" };
    println!("{verdict:<4} {name:<26} {:>5.1} s", begun.elapsed().as_secs_f64());
    for line in &wrong {
        println!("       {line}");
    }
    wrong
}

fn rehearse(table: &Table, row: &Row) -> Vec<String> {
    let scenario = shipped(&row.name);
    let only = row.on.clone().unwrap_or_else(|| partition_of(&scenario));
    let calm: Vec<String> = only.split(',').filter_map(|name| table.calm.get(name)).flatten().cloned().collect();
    complaints(row, &calm, &Rehearsal::of(&scenario, &only))
}

/// They wait more than they work.
pub fn at_once() -> usize {
    std::env::var("AT_ONCE").ok().and_then(|number| number.parse().ok()).unwrap_or(4)
}
