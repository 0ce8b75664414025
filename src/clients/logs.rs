//! CloudWatch Logs: the slow statements in the PostgreSQL log that a cluster exports.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use jiff::Timestamp;

use super::aws::{Configs, client, trouble};
use super::{Trouble, TroubleKind, known};
use crate::runbook::names::InstanceId;
use crate::runbook::text::clean_line;

const CALL: &str = "logs:FilterLogEvents";
/// What stands before a statement's duration, and after it.
const DURATION: &str = "duration: ";
const UNIT: &str = " ms";
/// What stands in the place of a literal.
const LITERAL: &str = "?";

/// CloudWatch Logs in one account and region.
#[derive(Debug, Clone)]
pub struct Logs {
    reading: aws_sdk_cloudwatchlogs::Client,
}

/// A statement that took long.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowStatement {
    /// The line's own identifier, by which one that is read twice is known.
    pub id: String,
    /// When the server wrote the line: at the statement's end.
    pub at: Timestamp,
    /// Where it ran.
    pub instance: InstanceId,
    /// How long it took.
    pub took: Duration,
    /// Its text, cleaned, its literals and comments left out.
    pub text: String,
}

impl Logs {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: client!(aws_sdk_cloudwatchlogs, &configs.reading) }
    }

    /// The statements of a cluster that took at least so long and ended at or after that moment, oldest first.
    ///
    /// # Errors
    /// `NotFound` where the cluster exports no PostgreSQL log, `Denied` where reading it is not permitted.
    pub async fn slow_statements(
        &self,
        cluster: &str,
        since: Timestamp,
        least: Duration,
    ) -> Result<Vec<SlowStatement>, Trouble> {
        let group = group(cluster);
        let request = self.reading.filter_log_events().log_group_name(&group).start_time(since.as_millisecond());
        let mut pages = request.filter_pattern(format!("\"{}\"", DURATION.trim())).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unread(trouble(CALL, error), &group))?;
            found.extend(page.events.unwrap_or_default().iter().filter_map(slow).filter(|one| one.took >= least));
        }
        found.sort_by_key(|one| one.at);
        Ok(found)
    }
}

/// The group to which a cluster's PostgreSQL log is exported.
fn group(cluster: &str) -> String {
    format!("/aws/rds/cluster/{}/postgresql", cluster.to_lowercase())
}

/// The service says only that there is no such group; what that means is known here.
fn unread(mut trouble: Trouble, group: &str) -> Trouble {
    if trouble.kind == TroubleKind::NotFound {
        trouble.message = format!("the cluster does not export its PostgreSQL log: there is no log group {group}");
    }
    trouble
}

/// How long a statement took by a line of the server's log, and the statement without its literals; none where the line tells
/// of none.
pub fn told(message: &str) -> Option<(Duration, String)> {
    let (took, statement) = parse(message)?;
    Some((took, known::hide(&clean_line(&without_literals(statement)))))
}

/// What a line says of a statement; none where it is another line, or one without the statement.
fn slow(event: &FilteredLogEvent) -> Option<SlowStatement> {
    let (took, text) = told(event.message()?)?;
    // One stream for each instance, in parts: `<instance>.0`.
    let stream = event.log_stream_name().unwrap_or_default();
    let instance = stream.rsplit_once('.').map_or(stream, |(instance, _)| instance);
    Some(SlowStatement {
        id: event.event_id().unwrap_or_default().to_owned(),
        at: Timestamp::from_millisecond(event.timestamp()?).ok()?,
        instance: clean_line(instance).as_str().into(),
        took,
        text,
    })
}

/// `…:LOG:  duration: 523.104 ms  execute <unnamed>: SELECT …`, as `log_min_duration_statement` has it.
fn parse(message: &str) -> Option<(Duration, &str)> {
    let (_, after) = message.split_once(DURATION)?;
    let (figure, statement) = after.split_once(UNIT)?;
    let took = Duration::try_from_secs_f64(figure.trim().parse::<f64>().ok()? / 1000.0).ok()?;
    // The protocol's word for how it was run is of no use at night; what was run is.
    let statement = statement.trim_start();
    let run = ["statement: ", "execute ", "parse ", "bind "].iter().find_map(|word| statement.strip_prefix(word));
    let statement = match run {
        Some(run) if statement.starts_with("statement: ") => run,
        Some(run) => run.split_once(": ").map_or(run, |(_, statement)| statement),
        None => statement,
    };
    (!statement.is_empty()).then_some((took, statement))
}

/// A statement with `?` for each literal and without its comments: both may hold what nobody else may read.
///
/// Where a literal does not end, because the log cut the line, nothing after its beginning is shown.
fn without_literals(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let in_word = out.ends_with(|last: char| last.is_alphanumeric() || "_$".contains(last));
        let (shown, length) = match first {
            '\'' => (LITERAL, quoted(rest, out.ends_with(['e', 'E']))),
            '"' => {
                let name = rest[1..].find('"').map_or(rest.len(), |end| end + 2);
                (&rest[..name], name)
            }
            '-' if rest.starts_with("--") => (" ", rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (" ", comment(rest)),
            '$' if !in_word && dollar_tag(rest).is_some() => {
                let tag = dollar_tag(rest).unwrap_or(rest);
                let end = rest[tag.len()..].find(tag).map_or(rest.len(), |end| end + tag.len() * 2);
                (LITERAL, end)
            }
            '0'..='9' if !in_word => {
                let number = |c: char| !(c.is_alphanumeric() || "._".contains(c));
                (LITERAL, rest.find(number).unwrap_or(rest.len()))
            }
            _ => (&rest[..first.len_utf8()], first.len_utf8()),
        };
        out.push_str(shown);
        rest = &rest[length..];
    }
    out
}

/// Length of a literal in single quotes; in one with escapes a backslash takes the next character along.
fn quoted(text: &str, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' if escapes => {
                characters.next();
            }
            '\'' if characters.next_if(|(_, next)| *next == '\'').is_none() => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a comment, others within it included.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// `$$` or `$tag$`; none for a parameter such as `$1`.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find('$')? + 2;
    let tag = &text[1..end - 1];
    let named = tag.chars().all(|c| c.is_alphanumeric() || c == '_');
    (named && !tag.starts_with(|c: char| c.is_ascii_digit())).then(|| &text[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_whichever_way_the_statement_was_run() {
        let before = "2026-05-14 20:01:02 UTC:10.4.12.31(40111):app@app:[431]:LOG:  ";
        for (said, took, statement) in [
            ("duration: 523.104 ms  execute <unnamed>: SELECT 1", 523_104, "SELECT 1"),
            ("duration: 1500.000 ms  execute S_1: SELECT a::text FROM t", 1_500_000, "SELECT a::text FROM t"),
            ("duration: 600.5 ms  statement: VACUUM t", 600_500, "VACUUM t"),
            ("duration: 600.5 ms  bind <unnamed>: SELECT 2", 600_500, "SELECT 2"),
        ] {
            let line = format!("{before}{said}");
            assert_eq!(parse(&line), Some((Duration::from_micros(took), statement)), "{said}");
        }
        // With log_duration alone there is no statement to show.
        assert_eq!(parse(&format!("{before}duration: 0.104 ms")), None);
        assert_eq!(parse(&format!("{before}checkpoint starting: time")), None);
    }

    #[test]
    fn no_literal_and_no_comment_is_shown() {
        for (raw, shown) in [
            ("SELECT * FROM t1 WHERE a = 'x''y' AND b = 42", "SELECT * FROM t1 WHERE a = ? AND b = ?"),
            ("SELECT $1, $2 FROM a.b2", "SELECT $1, $2 FROM a.b2"),
            (r"SELECT E'a\'b', 'a\', c", "SELECT E?, ?, c"),
            ("SELECT $$sec'ret$$, $t$x$$y$t$, 1.5e3", "SELECT ?, ?, ?"),
            ("SELECT 1 -- don't\nFROM t", "SELECT ?  \nFROM t"),
            ("SELECT /* a /* b */ ' */ 2", "SELECT   ?"),
            ("SELECT \"it's\" FROM t WHERE a = 'cut off", "SELECT \"it's\" FROM t WHERE a = ?"),
        ] {
            assert_eq!(without_literals(raw), shown);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_stays_hidden(before in "[a-z ]{0,12}", secret in "[A-Z]{6,12}", after in "[a-z ]{0,12}") {
            let shown = without_literals(&format!("{before} = '{secret}' {after}"));
            prop_assert!(!shown.contains(&secret));
            prop_assert!(shown.ends_with(&after));
        }

        #[test]
        fn any_text_is_read_to_its_end(text in "[-/*$'\"a-eE0-9é\\\\\n ]{0,40}") {
            let _ = without_literals(&text);
        }
    }
}
