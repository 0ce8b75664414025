//! A finding in words: cause, what was seen with its sources and ages, what it means, the ways out. Panes and dialogs tell it
//! alike.

use jiff::Timestamp;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::doc::Doc;
use super::text::{Spans, column, fit, span, spread, wrap};
use super::theme::Theme;
use super::{format, symbols};
use crate::app::state::State;
use crate::app::ways::{WayOut, way_words};
use crate::runbook::check::Evidence;
use crate::runbook::event::Finding;
use crate::runbook::names::StepRef;
use crate::runbook::plan::Step;
use crate::runbook::state::StepState;

/// Tells a finding of a step.
pub fn tell(doc: &mut Doc<'_>, state: &State, theme: &Theme, finding: &Finding, planned: &Step) {
    cause(doc, theme, finding);
    doc.blank();
    evidence(doc, state, theme, "seen", &finding.evidence);
    doc.blank();
    if let Some(means) = &finding.means {
        doc.words("means", means.clone(), theme.plain());
        doc.blank();
    }
    let remedy = finding.remedy.as_ref().or(planned.guide.as_ref());
    for (index, line) in remedy.iter().flat_map(|remedy| items(remedy)).enumerate() {
        let label = if index == 0 { "way out" } else { "" };
        doc.words(label, line, if index == 0 { theme.strong() } else { theme.plain() });
    }
}

/// Tells a finding in about so many rows: a line for each thing, and so much of the evidence that its meaning is seen too.
pub fn tell_shortly(doc: &mut Doc<'_>, state: &State, theme: &Theme, finding: &Finding, rows: usize) {
    let cause = finding.cause.split_once(". ").map_or(finding.cause.as_str(), |(first, _)| first);
    doc.text(cause, theme.strong());
    // The service says enough of the source where there is little room.
    let service = |each: &Evidence| each.source.split(':').next().unwrap_or_default().to_owned();
    let sources = finding.evidence.iter().map(|each| service(each).chars().count()).max().unwrap_or(0).clamp(4, 16);
    let seen = &finding.evidence[..finding.evidence.len().min(rows.saturating_sub(3).max(1))];
    let remedy = finding.remedy.as_ref().and_then(|remedy| items(remedy).into_iter().next());
    let told = [&finding.means, &remedy].into_iter().flatten().count();
    // What there is room for beyond a row each goes to the way out first, then to the meaning, then to what was seen.
    let mut spare = rows.saturating_sub(doc.rows() + seen.len() + told);
    let beside = doc.beside();
    let mut share = |words: Option<&str>, room: usize| {
        let lines = in_rows(words, 1 + spare, room);
        spare -= lines.len().saturating_sub(1);
        lines
    };
    let remedy = share(remedy.as_deref(), beside);
    let means = share(finding.means.as_deref(), beside);
    for (index, each) in seen.iter().enumerate() {
        let age = at(state, each.at);
        let room = beside.saturating_sub(sources + age.width() + 2);
        let lines = share(Some(&each.text), room).into_iter().enumerate().map(|(row, line)| {
            let (source, age) = if row == 0 { (service(each), age.as_str()) } else { (String::new(), "") };
            let source = span(format!("{} ", column(&source, sources)), theme.accent());
            spread(vec![source, span(line, theme.plain())], vec![span(age, theme.faint())], beside).spans
        });
        let lines = lines.collect();
        doc.labelled(if index == 0 { "seen" } else { "" }, lines);
    }
    for (label, lines) in [("means", means), ("way out", remedy)] {
        doc.labelled(label, lines.into_iter().map(|line| vec![span(line, theme.plain())]).collect());
    }
}

/// Words in so many rows at most; the last one is cut where they do not do.
fn in_rows(words: Option<&str>, rows: usize, room: usize) -> Vec<String> {
    let Some(words) = words else { return Vec::new() };
    let text = |line: &Spans| line.iter().map(|span| span.content.as_ref()).collect::<String>().trim_end().to_owned();
    let lines: Vec<String> = wrap(&[span(words.to_owned(), Style::new())], room).iter().map(text).collect();
    let (whole, rest) = lines.split_at(lines.len().min(rows.max(1) - 1));
    let last = Some(rest.join(" ")).filter(|rest| !rest.is_empty()).map(|rest| fit(&rest, room));
    whole.iter().cloned().chain(last).collect()
}

/// Its cause. The first sentence says what happened; the others explain it.
pub fn cause(doc: &mut Doc<'_>, theme: &Theme, finding: &Finding) {
    match finding.cause.split_once(". ") {
        Some((cause, explanation)) => {
            doc.text(cause, theme.strong());
            doc.text(explanation, theme.plain());
        }
        None => doc.text(finding.cause.clone(), theme.strong()),
    }
    if finding.situation.is_none() {
        doc.text("This fits no situation that the runbook names; what is known is here.", theme.faint());
    }
}

/// Evidence, each piece with its source and its age.
pub fn evidence(doc: &mut Doc<'_>, state: &State, theme: &Theme, label: &str, evidence: &[Evidence]) {
    let sources = evidence.iter().map(|each| each.source.chars().count()).max().unwrap_or(0).clamp(4, 22);
    for (index, each) in evidence.iter().enumerate() {
        let beside = doc.beside().saturating_sub(sources + 1);
        let words =
            vec![span(each.text.clone(), theme.plain()), span(format!("  {}", at(state, each.at)), theme.faint())];
        let lines = wrap(&words, beside).into_iter().enumerate().map(|(row, line)| {
            let source = if row == 0 { each.source.as_str() } else { "" };
            [vec![span(format!("{} ", column(source, sources)), theme.accent())], line].concat()
        });
        let lines = lines.collect();
        doc.labelled(if index == 0 { label } else { "" }, lines);
    }
}

/// What was met on the way and did not end the attempt.
pub fn remark(doc: &mut Doc<'_>, state: &State, theme: &Theme, label: &str, remark: &Finding) {
    doc.field(
        label,
        vec![span(format!("{} ", symbols::MIND), theme.mind()), span(remark.cause.clone(), theme.bright())],
    );
    evidence(doc, state, theme, "", &remark.evidence);
    for words in [&remark.means, &remark.remedy].into_iter().flatten() {
        doc.words("", words.clone(), theme.faint());
    }
}

/// A moment: its age while it is of now, its time of day once it is history.
pub fn at(state: &State, at: Timestamp) -> String {
    let age = state.since(at);
    if age.as_secs() < 120 { format!("{} old", format::age(age)) } else { format::second(at, &state.zone) }
}

/// A way out in a row: its number and words, and at the right how it stands with it.
pub fn way(
    state: &State,
    theme: &Theme,
    step: &StepRef,
    (number, way): (usize, &WayOut),
    best: bool,
) -> (Spans, Spans) {
    let (digit, words) = match (best, way.offered && way.locked.is_none()) {
        (true, _) => (theme.palette.state.accent.bold(), theme.strong()),
        (false, true) => (theme.accent(), theme.plain()),
        (false, false) => (theme.faint(), theme.faint()),
    };
    let left = vec![span(format!("{} ", number + 1), digit), span(way_words(state, step, &way.act), words)];
    let right = match (&way.tried, way.from.filter(|from| *from > state.now), &way.locked) {
        (Some((how, at)), _, _) => {
            let at = format::minute(*at, &state.zone);
            match how {
                how if how.is_behind() => vec![span(format!("{} worked {at}", symbols::OK), theme.ok())],
                how if how.is_running() => vec![span(format!("{} since {at}", symbols::RUNNING), theme.running())],
                StepState::Unknown => vec![span(format!("{} unknown {at}", symbols::UNREADABLE), theme.danger())],
                _ => vec![span(format!("{} failed {at}", symbols::FAILED), theme.danger())],
            }
        }
        (None, _, Some(locked)) => vec![span(locked.clone(), theme.faint())],
        (None, Some(from), None) => {
            let (at, left) = (format::second(from, &state.zone), format::took(state.until(from)));
            vec![span(format!("from {at}, in {left}"), theme.mind())]
        }
        (None, None, None) => Spans::new(),
    };
    (left, right)
}

/// The items of a text whose lines were broken for a file: a line that begins no item goes on with the one before.
pub fn items(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in text.lines() {
        let begins = line.trim_start().starts_with("- ") || line.trim().is_empty();
        match items.last_mut() {
            Some(item) if !begins && text.contains("- ") => {
                item.push(' ');
                item.push_str(line.trim());
            }
            _ => items.push(line.trim().replacen("- ", "· ", 1)),
        }
    }
    items
}
