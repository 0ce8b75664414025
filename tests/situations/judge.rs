//! What is held against a row of the table.

use crate::rehearsal::{Found, Rehearsal, findings};
use crate::support::Ledger;
use crate::support::rights::missing;
use crate::table::{End, Row};

/// Everything that is not as the row wants it.
pub fn complaints(row: &Row, calm: &[String], rehearsal: &Rehearsal) -> Vec<String> {
    let Some(run) = rehearsal.run() else {
        return vec![format!("exit {} without a result:\n      {}", rehearsal.said.code, rehearsal.last_words())];
    };
    let all = findings(&run);
    let own: Vec<&Found> = all.iter().filter(|found| found.situation() == Some(&row.name)).collect();
    let mut wrong = Vec::new();
    diagnosis(row, &own, &all, &mut wrong);
    for lever in &row.pulled {
        if !was_pulled(&run, lever) {
            wrong.push(format!("the lever {lever} was not pulled to its end"));
        }
    }
    ending(row, &run, rehearsal, &mut wrong);
    let expected = |name: &str| name == row.name || row.also.iter().chain(calm).any(|each| each == name);
    // A lever that did not move at first has its own words for it, and is pulled again.
    let steps: Vec<Found> = all.iter().filter(|found| !row.pulled.contains(&found.step)).cloned().collect();
    wrong.extend(groundless(&steps, expected));
    wrong.extend(repeated(&rehearsal.ledger(), |operation| row.more.get(operation).copied().unwrap_or(1)));
    wrong.extend(missing("operator", rehearsal.ledger().calls_made()));
    wrong.extend(journal(rehearsal));
    wrong
}

fn diagnosis(row: &Row, own: &[&Found], all: &[Found], wrong: &mut Vec<String>) {
    if own.is_empty() {
        let list: Vec<String> = all.iter().map(said).collect();
        wrong.push(format!(
            "not diagnosed; found were: {}",
            if list.is_empty() { "none".to_owned() } else { list.join(" | ") }
        ));
        return;
    }
    if !own.iter().any(|found| row.step.contains(&found.step)) {
        let steps: Vec<&str> = own.iter().map(|found| found.step.as_str()).collect();
        wrong.push(format!("diagnosed in {}, not in {}", steps.join(", "), row.step.join(" or ")));
    }
    let witnessed = |found: &&&Found| {
        found
            .evidence()
            .iter()
            .any(|(source, text)| row.source.fits(source) && (row.text.fits(text) || row.text.fits(found.cause())))
    };
    if !own.iter().any(|found| witnessed(&found)) {
        let evidence: Vec<String> =
            own.iter().map(|found| format!("{} {:?}", found.cause(), found.evidence())).collect();
        wrong.push(format!("no evidence of {} saying {}; there is: {}", row.source, row.text, evidence.join(" | ")));
    }
    if let Some(remedy) = &row.remedy {
        let words = |found: &&&Found| found.finding["remedy"].as_str().is_some_and(|words| remedy.fits(words));
        if !own.iter().any(|found| words(&found)) {
            let said: Vec<_> = own.iter().map(|found| found.finding["remedy"].to_string()).collect();
            wrong.push(format!("no remedy in words of {remedy}; there is: {}", said.join(" | ")));
        }
    }
    let offered: Vec<String> = own.iter().flat_map(|found| found.ways()).collect();
    // What an attempt went on through by itself needs no way out.
    let ended = own.iter().any(|found| found.ended);
    if ended && !row.way.is_empty() && !row.way.iter().any(|way| offered.contains(way)) {
        wrong.push(format!("offers {offered:?}, not {}", row.way.join(" or ")));
    }
}

fn ending(row: &Row, run: &serde_json::Value, rehearsal: &Rehearsal, wrong: &mut Vec<String>) {
    let partitions: Vec<_> = run["partitions"].as_array().into_iter().flatten().collect();
    let through = partitions.iter().all(|partition| partition["through"] == true);
    let end = match (rehearsal.said.code, through) {
        (0, true) => End::Through,
        (1, false) => End::Stopped,
        (code, _) => {
            wrong.push(format!("exit {code}, through: {through}:\n      {}", rehearsal.last_words()));
            return;
        }
    };
    if !row.ends.contains(&end) {
        wrong.push(format!("it ended {end:?}, not {:?}:\n      {}", row.ends, rehearsal.last_words()));
    }
    if end == End::Stopped && !stopped_by(run).is_some_and(|name| name == row.name || row.also.contains(&name)) {
        wrong.push(format!("it stopped for {:?}", stopped_by(run)));
    }
}

/// The situation of the last attempt that ended badly and stands.
pub fn stopped_by(run: &serde_json::Value) -> Option<String> {
    let mut steps =
        run["partitions"].as_array()?.iter().flat_map(|partition| partition["steps"].as_array().into_iter().flatten());
    let in_trouble = |step: &&serde_json::Value| {
        let state = step["state"].as_str().unwrap_or_default();
        ["FAILED", "PARTIAL", "UNKNOWN"].iter().any(|word| state.starts_with(word))
    };
    let step = steps.rfind(in_trouble)?;
    step["attempts"].as_array()?.last()?["findings"].as_array()?.last()?["situation"].as_str().map(str::to_owned)
}

/// Whether an attempt of the lever has passed.
fn was_pulled(run: &serde_json::Value, lever: &str) -> bool {
    let levers = run["partitions"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|partition| partition["levers"].as_array().into_iter().flatten());
    let attempts =
        levers.filter(|each| each["lever"] == lever).flat_map(|each| each["attempts"].as_array().into_iter().flatten());
    attempts
        .into_iter()
        .any(|attempt| attempt["outcome"]["outcome"].as_str().is_some_and(|word| word.starts_with("passed")))
}

/// Situations that nobody brought about, and findings that fit none although one was.
pub fn groundless(all: &[Found], expected: impl Fn(&str) -> bool) -> Vec<String> {
    let wrong = all.iter().filter(|found| !found.situation().is_some_and(&expected));
    let mut list: Vec<String> = wrong.map(|found| format!("without ground: {}", said(found))).collect();
    list.dedup();
    list
}

fn said(found: &Found) -> String {
    let evidence: Vec<String> = found.evidence().iter().map(|(source, text)| format!("{source}: {text}")).collect();
    let evidence: String = evidence.join("; ").chars().take(300).collect();
    format!(
        "{}/{} {} ({}) [{evidence}]",
        found.partition,
        found.step,
        found.situation().unwrap_or("UNKNOWN"),
        found.cause()
    )
}

/// Changing calls that reached the site more often than they may.
pub fn repeated(ledger: &Ledger, may: impl Fn(&str) -> u64) -> Vec<String> {
    let often = ledger.lines().filter(|((_, operation, _), count)| *count > may(operation));
    often
        .map(|((_, operation, about), count)| {
            format!("{operation} {about} was sent {count} times, not {}", may(operation))
        })
        .collect()
}

/// Every gate was open when something was fired, and nothing in the journal reaches for a terminal.
pub fn journal(rehearsal: &Rehearsal) -> Vec<String> {
    let mut wrong = Vec::new();
    let verified = rehearsal.place.run(&["verify"]);
    if verified.code != 0 {
        wrong.push(format!("the journal does not verify: {}", verified.err.trim()));
    }
    let text = std::fs::read_to_string(rehearsal.place.journal()).expect("a journal");
    if text.contains("\\u001b") || text.contains('\u{1b}') {
        wrong.push("the journal holds control sequences".to_owned());
    }
    wrong
}
