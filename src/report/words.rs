//! How times, durations, results and foreign text are written in a report.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::runbook::check::Verdict;
use crate::runbook::event::Outcome;
use crate::runbook::plan::Step;
use crate::runbook::text;

/// Writes moments in the rollout's time zone.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    zone: TimeZone,
    /// The day on which a moment is written without its date.
    day: Option<Date>,
}

impl Clock {
    /// A clock of an IANA zone; UTC where this machine does not know it.
    pub fn new(zone: &str) -> Self {
        Self { zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC), day: None }
    }

    /// The same clock on the day of a moment.
    pub fn on_day_of(&self, moment: Timestamp) -> Self {
        Self { zone: self.zone.clone(), day: Some(self.day(moment)) }
    }

    fn day(&self, moment: Timestamp) -> Date {
        moment.to_zoned(self.zone.clone()).date()
    }

    /// `11:09:55 PDT`, with the date in front where it is not the day's.
    pub fn time(&self, moment: Timestamp) -> String {
        let format = if self.day == Some(self.day(moment)) { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
        moment.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// `2026-05-14`.
    pub fn date(&self, moment: Timestamp) -> String {
        self.day(moment).to_string()
    }
}

/// `0.8 s`, `5 s`, `63 s`, `4 min 1 s`, `1 h 2 min`.
pub(super) fn duration(duration: Duration) -> String {
    let tenths = (duration.as_secs_f64() * 10.0).round() as u64;
    let seconds = duration.as_secs_f64().round() as u64;
    match seconds {
        ..60 if !tenths.is_multiple_of(10) => format!("{}.{} s", tenths / 10, tenths % 10),
        ..120 => format!("{seconds} s"),
        120..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// As [`span`], and a dash for no time at all.
pub(super) fn span_or_dash(taken: SignedDuration) -> String {
    if taken.is_zero() { "—".to_owned() } else { span(taken) }
}

/// As [`duration`]; less than nothing (clocks that were set back) counts as nothing.
pub(super) fn span(span: SignedDuration) -> String {
    duration(Duration::try_from(span).unwrap_or_default())
}

/// How an attempt ended, in the log's capitals.
pub(super) fn result(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "RUNNING",
        Some(Outcome::Passed) => "PASS",
        Some(Outcome::PassedWithWarnings { .. }) => "PASS WITH WARNINGS",
        Some(Outcome::Failed { .. }) => "FAIL",
        Some(Outcome::Partial { .. }) => "PARTIAL",
        Some(Outcome::Deferred { .. }) => "DEFERRED",
        Some(Outcome::Unknown { .. }) => "UNKNOWN",
    }
}

/// A verdict with its mark.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pending => "· not looked at",
        Verdict::Settling => "◐ settling",
        Verdict::Passed => "✓",
        Verdict::Warning => "! mind",
        Verdict::Failed => "✗",
        Verdict::Unreadable => "○ not readable",
    }
}

/// `Step 5b — Flush the demoted writer`; steps without a number of their own go by their title.
pub(super) fn heading(step: &Step) -> String {
    let title = prose(&step.title);
    match step.number() {
        Some(_) => format!("Step {} — {title}", step.label),
        None => title,
    }
}

/// Foreign text as a line of prose: nothing in it is taken for markup that could hide or invent something.
pub(super) fn prose(foreign: &str) -> String {
    let mut out = String::new();
    for c in text::clean_line(foreign).chars() {
        if matches!(c, '<' | '>' | '[' | ']' | '*' | '|' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Foreign text as code, on one line, whatever backticks it holds.
pub(super) fn code(foreign: &str) -> String {
    let text = text::clean_line(foreign);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    // A pipe would end a table's cell even within code.
    let text = text.replace('|', "\u{2502}");
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A Markdown table.
pub(super) fn table(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> = header.iter().map(|_| "---".to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    line(header) + &line(&rule) + &body + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_the_log_s() {
        let of = |millis| duration(Duration::from_millis(millis));
        assert_eq!([of(840), of(5_000), of(12_420), of(63_000)], ["0.8 s", "5 s", "12.4 s", "63 s"]);
        assert_eq!([of(119_600), of(241_000), of(3_720_000)], ["2 min 0 s", "4 min 1 s", "1 h 2 min"]);
        assert_eq!(span(SignedDuration::from_secs(-5)), "0 s");
        assert_eq!(span_or_dash(SignedDuration::ZERO), "—");
    }

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(prose("a <b> [x](y)\n**c** | d"), r"a \<b\> \[x\](y) \*\*c\*\* \| d");
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a `b` ``c``"), "``` a `b` ``c`` ```");
        assert_eq!(code("a|b"), "`a\u{2502}b`");
        assert!(!prose("\u{1b}[31mred").contains('\u{1b}'));
    }
}
