//! `verify`: whether a run's journal is whole, whether its gates were open, and whether reports follow from it.

use std::path::Path;

use serde_json::json;

use super::args::{Form, VerifyArgs};
use super::inspect::report_by;
use super::place::Place;
use super::{Failure, exit, print, print_json};
use crate::journal::{self, Entry, RunEntry};
use crate::report::{self, Seal};
use crate::runbook::state::Run;
use crate::runbook::text::clean_line;
use crate::session;

/// Letters of a line that are shown.
const SHOWN: usize = 100;

/// Reads the journal's chain, asks the gates again for every event as they stood when it was written, and writes each report
/// again from the records that it names.
pub(super) fn verify(place: &Place, args: &VerifyArgs) -> Result<u8, Failure> {
    let entry = place.run_entry(args.run.as_deref())?;
    let contents = journal::read(&entry.journal()).map_err(Failure::failed)?;
    let records = &contents.entries;
    every_gate_was_open(records)?;
    let head = records.last().map(Entry::head).unwrap_or_default();
    let seals = args.seal.iter().map(|sum| (sum.clone(), sealed(records, sum).map(|records| records.len())));
    let reports = args.report.iter().map(|file| (file.display().to_string(), follows(&entry, records, file)));
    let claims: Vec<_> = seals.chain(reports).collect();
    match args.output {
        Form::Json => {
            let claims = claims.iter().map(|(of, found)| match found {
                Ok(records) => json!({ "of": of, "holds": true, "records": records }),
                Err(why) => json!({ "of": of, "holds": false, "why": why }),
            });
            print_json(&json!({
                "run": entry.id,
                "events": records.len(),
                "whole": true,
                "head": head.sum,
                "notice": contents.notice,
                "claims": claims.collect::<Vec<_>>(),
            }))?;
        }
        Form::Text => {
            let mut text = format!("{}: {} events, the chain is whole, every gate was open\n", entry.id, records.len());
            text.push_str(&format!("its last checksum is {}\n", head.sum));
            text.extend(contents.notice.map(|notice| format!("{notice}\n")));
            text.extend(claims.iter().map(|(of, found)| match found {
                Ok(records) => format!("{of}: follows from records 1 to {records}\n"),
                Err(why) => format!("{of}: {why}\n"),
            }));
            print(&text)?;
        }
    }
    Ok(if claims.iter().all(|(_, found)| found.is_ok()) { exit::DONE } else { exit::FAILED })
}

fn every_gate_was_open(records: &[Entry]) -> Result<(), Failure> {
    let mut run: Option<Run> = None;
    for record in session::records(records).map_err(Failure::failed)? {
        match &mut run {
            None => run = Some(Run::begin(record).map_err(Failure::failed)?),
            Some(run) => {
                run.admit(&record.event, record.at)
                    .map_err(|refusal| Failure::failed(format!("event {}: {refusal}", record.seq)))?;
                run.apply(record).map_err(Failure::failed)?;
            }
        }
    }
    Ok(())
}

/// The records up to the one with this checksum.
fn sealed<'a>(records: &'a [Entry], sum: &str) -> Result<&'a [Entry], String> {
    let is_it = |record: &Entry| record.head().sum.to_string().eq_ignore_ascii_case(sum);
    let last = records.iter().position(is_it).ok_or_else(|| {
        "the journal has no record with this checksum: another run's, or the journal was cut short or written anew"
            .to_owned()
    })?;
    Ok(&records[..=last])
}

/// How many records a report follows from; otherwise what does not.
fn follows(entry: &RunEntry, records: &[Entry], file: &Path) -> Result<usize, String> {
    let written = std::fs::read_to_string(file).map_err(|error| format!("it cannot be read: {error}"))?;
    let sum = Seal::in_report(&written).ok_or("it names no checksum, so nothing says what it rests on")?;
    let records = sealed(records, sum)?;
    let again = report_by(entry, records, report::Form::of(&written)).map_err(|failure| failure.message)?;
    match first_difference(&written, &again) {
        None => Ok(records.len()),
        Some(difference) => Err(difference),
    }
}

/// The first line in which a report is not what the journal gives.
fn first_difference(written: &str, again: &str) -> Option<String> {
    if written == again {
        return None;
    }
    let (mut left, mut right) = (written.split('\n'), again.split('\n'));
    let lines = std::iter::from_fn(|| Some((left.next(), right.next())));
    let at_end = |line: Option<&str>| line.map_or_else(|| "nothing".to_owned(), |line| format!("`{}`", shown(line)));
    let ((written, again), number) = lines.zip(1_usize..).find(|((written, again), _)| written != again)?;
    Some(format!(
        "it does not follow: line {number} reads {}, and the journal gives {}",
        at_end(written),
        at_end(again)
    ))
}

fn shown(line: &str) -> String {
    clean_line(line).chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_named() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let said = |written, again| first_difference(written, again).expect("a difference");
        assert_eq!(said("a\nx\n", "a\nb\n"), "it does not follow: line 2 reads `x`, and the journal gives `b`");
        assert_eq!(said("a\n", "a\nb\n"), "it does not follow: line 2 reads ``, and the journal gives `b`");
        assert_eq!(said("a\nb\nc", "a\nb"), "it does not follow: line 3 reads `c`, and the journal gives nothing");
    }

    #[test]
    fn the_last_checksum_of_a_report_is_its_seal() {
        let (image, seal) = ("a".repeat(64), "0b".repeat(32));
        let text = format!("image `sha256:{image}`, tag `{}`\n\nchecksum is `{seal}`.\n", "c".repeat(63));
        assert_eq!(Seal::in_report(&text), Some(seal.as_str()));
        assert_eq!(Seal::in_report(&"d".repeat(65)), None);
    }
}
