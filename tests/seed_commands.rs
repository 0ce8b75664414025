//! The runbook's own commands, as an operator types them, against the simulated site: with the real `aws`, `kubectl`, `psql`
//! and `git`, unchanged but for the environment file that is sourced first.
//!
//! What is run, when and with what outcome stands in `seed_commands/table.toml`. Where the tools are missing the test says so
//! and passes, unless `CI=true` or `COCKPIT_TEST_TOOLS=required` is set. `COCKPIT_TEST_AWS` names the `aws` to take; without
//! it the one on PATH is taken.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "seed_commands/check.rs"]
mod check;
#[path = "seed_commands/shell.rs"]
mod shell;
#[path = "seed_commands/table.rs"]
mod table;
#[path = "seed_commands/tools.rs"]
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;

use check::Failure;
use shell::{Place, Shell};
use table::{Entry, Table};
use tools::Tools;

/// A command that runs while the next ones do.
struct Running {
    entry: Entry,
    outcome: JoinHandle<Result<(), Failure>>,
}

#[test]
fn the_seeds_commands_run_against_the_site() {
    let Some(tools) = Tools::find() else { return };
    let table = Table::read();
    let shell = Shell::start(&tools, table.speed);
    let mut failures: Vec<Failure> = Vec::new();
    let mut running: Vec<Running> = Vec::new();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for entry in &table.command {
        let (due, still): (Vec<_>, Vec<_>) = running.into_iter().partition(|other| entry.waits_for(&other.entry));
        running = still;
        failures.extend(due.into_iter().filter_map(finish));
        let place = Place { partition: table.partition(&entry.partition), variables: variables.clone() };
        if entry.runs_beside() {
            let (shell, entry_there) = (shell.clone(), entry.clone());
            let outcome = std::thread::spawn(move || check::run(&shell, &place, &entry_there).map(drop));
            running.push(Running { entry: entry.clone(), outcome });
            continue;
        }
        match check::run(&shell, &place, entry) {
            Ok(out) => {
                if let Some(name) = &entry.sets {
                    variables.insert(name.clone(), out.trim().to_owned());
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    failures.extend(running.into_iter().filter_map(finish));
    let failed: BTreeSet<u32> = failures.iter().filter_map(|failure| failure.number).collect();
    let numbers: BTreeSet<u32> = table.command.iter().filter_map(|entry| entry.number).collect();
    println!("seed commands: {} of {}", numbers.difference(&failed).count(), table.count);
    let told: Vec<String> = failures.iter().map(Failure::to_string).collect();
    assert!(failures.is_empty(), "{} commands failed:\n{}", failures.len(), told.join("\n"));
    assert!(numbers.into_iter().eq(1..=table.count), "every number of the seed's list is in the table");

    let validated = shell.run(&Place::of(table.partition("dev")), &tools.validation(), None);
    println!("{}", validated.out.trim());
    assert!(validated.code == Some(0), "answers against the service model:\n{}{}", validated.out, validated.err);
}

fn finish(running: Running) -> Option<Failure> {
    running.outcome.join().unwrap_or_else(|_| Err(Failure::of(&running.entry, "its thread panicked".to_owned()))).err()
}
