//! The execution log in Markdown, in the shape of the runbook's own.

use std::fmt::Write as _;
use std::sync::Arc;

use super::comparison::{self, page_timings, slow_threshold};
use super::seal::Seal;
use super::times;
use super::words::{Clock, code, heading, prose, result, span, span_or_dash, table, verdict};
use crate::runbook::approval::Approval;
use crate::runbook::check::{Check, Evidence};
use crate::runbook::decision::Decision;
use crate::runbook::event::{ActionOutcome, AppMeasure, FailoverMeasure, Finding, NoteKind, Outcome};
use crate::runbook::names::{PartitionName, StepRef};
use crate::runbook::plan::{Partition, Step, StepKind};
use crate::runbook::state::{ActionRun, Attempt, HandOver, Note, PartitionRun, Run, StepRun, StepState};

/// The execution log of a run, as far as it has come.
pub(super) fn markdown(run: &Run, seal: &Seal) -> String {
    let mut page = Page { run, clock: Clock::new(&run.plan.time_zone), text: String::new() };
    page.head();
    for (planned, partition) in run.plan.partitions.iter().zip(&run.partitions) {
        page.partition(planned, partition);
    }
    if run.partitions.iter().any(begun) {
        page.text += &comparison::section(run);
    }
    page.decisions();
    page.follow_ups();
    page.text.truncate(page.text.trim_end().len());
    page.line(&format!("\n---\n\n{}", seal.sentence(run.id.as_str())));
    page.text
}

fn begun(partition: &PartitionRun) -> bool {
    partition.steps.iter().any(|step| !step.attempts.is_empty() || step.skipped.is_some())
}

struct Page<'a> {
    run: &'a Run,
    clock: Clock,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn item(&mut self, text: &str) {
        self.line(&format!("- {text}"));
    }

    fn head(&mut self) {
        let run = self.run;
        let (plan, clock) = (&run.plan, self.clock.clone());
        self.line(&format!("# Execution log: {}\n", prose(&plan.title)));
        if run.simulated {
            self.line("**SIMULATED**: this run was made on the simulated site; nothing real was touched.\n");
        }
        self.item(&format!("Rollout {}, run {}.", code(&plan.id), code(run.id.as_str())));
        if let Some(reference) = &plan.reference {
            self.item(&format!("Runbook: {}.", prose(reference)));
        }
        self.item(&format!("Begun {}; last event {}.", clock.time(run.started_at), clock.time(run.last_at)));
        for (at, session) in &run.sessions {
            let (operator, host, version) = (prose(&session.operator), code(&session.host), prose(&session.version));
            self.item(&format!("Operator: {operator} on {host}, from {}, cockpit {version}.", clock.time(*at)));
        }
        for HandOver { at, from, to } in &run.handovers {
            let (from, to, host) = (prose(from), prose(&to.operator), code(&to.host));
            self.item(&format!("Handed over by {from} to {to} on {host} at {}.", clock.time(*at)));
        }
        if let Some(word) = &run.stopped {
            let (by, why) = (prose(&word.by), prose(&word.text));
            self.item(&format!("**Stopped** by {by} at {}: {why}", clock.time(word.at)));
        }
        self.item(&format!("Times are in {}.\n", prose(&plan.time_zone)));
        if !plan.changes.is_empty() {
            let header = ["Change", "Repository", "Reference"].map(str::to_owned);
            let row = |change: &crate::runbook::plan::Change| {
                vec![prose(&change.what), prose(&change.repository), prose(&change.reference)]
            };
            self.text += &table(&header, &plan.changes.iter().map(row).collect::<Vec<_>>());
        }
        let general: Vec<_> = run.notes.iter().filter(|note| note.partition.is_none() && note.step.is_none()).collect();
        self.notes(&general);
    }

    fn partition(&mut self, planned: &Partition, partition: &PartitionRun) {
        let cluster = &planned.cluster.id;
        self.line(&format!("## {} — {}\n", partition.name, code(cluster)));
        if !begun(partition) {
            let because = self.run.will_not_run(&partition.name);
            let because =
                because.map_or_else(|| "Not begun.".to_owned(), |why| format!("Will not run: {}.", prose(&why)));
            self.line(&format!("{because}\n"));
            return;
        }
        let first = partition.steps.iter().flat_map(|step| &step.attempts).map(|attempt| attempt.started_at).min();
        let outer = self.clock.clone();
        self.clock = outer.on_day_of(first.unwrap_or(self.run.started_at));
        self.partition_head(planned, partition, first);
        for (step, run) in planned.steps.iter().zip(&partition.steps) {
            self.step(partition, step, run);
        }
        self.levers(planned, partition);
        self.per_step_log(planned, partition);
        self.clock = outer;
    }

    fn partition_head(&mut self, planned: &Partition, partition: &PartitionRun, first: Option<jiff::Timestamp>) {
        if let Some(first) = first {
            self.item(&format!("Date: {}.", self.clock.date(first)));
        }
        if let Some(window) = &planned.window {
            let (from, to) = (self.clock.time(window.from), self.clock.time(window.to));
            self.item(&format!("Window: {from} to {to}."));
        }
        let standing = match &partition.rolled_back {
            Some(word) => {
                let (at, by, how) = (self.clock.time(word.at), prose(&word.by), prose(&word.text));
                format!("**FAILED · ROLLED BACK** at {at} by {by}: {how}")
            }
            None if self.run.is_through(&partition.name) => "Complete: every step is behind us.".to_owned(),
            None => {
                let (done, all) = self.run.progress(&partition.name);
                format!("Not complete: {done} of {all} numbered steps are behind us.")
            }
        };
        self.item(&standing);
        let about = |note: &&Arc<Note>| note.partition.as_ref() == Some(&partition.name) && note.step.is_none();
        let notes: Vec<_> = self.run.notes.iter().filter(about).collect();
        self.text.push('\n');
        self.notes(&notes);
    }

    fn step(&mut self, partition: &PartitionRun, step: &Step, run: &StepRun) {
        let reference = partition.reference(&step.id);
        let heading = heading(step);
        let notes: Vec<_> = self.run.notes.iter().filter(|note| note.step.as_ref() == Some(&reference)).collect();
        if let (StepKind::GoAhead, Some(word)) = (&step.kind, &partition.go_ahead) {
            let said = if word.text.is_empty() { String::new() } else { format!(" \"{}\"", prose(&word.text)) };
            self.line(&format!("### {heading}\n"));
            self.item(&format!("Given at {} by {}.{said}\n", self.clock.time(word.at), prose(&word.by)));
        }
        for attempt in &run.attempts {
            let word = result(attempt.outcome.as_ref());
            let numbered =
                if run.attempts.len() > 1 { format!(" — attempt {}", attempt.number) } else { String::new() };
            self.line(&format!("### {heading}{numbered} — {word}{}\n", situation(attempt)));
            self.attempt(attempt);
            if attempt.number == run.attempts.len() as u32 {
                self.measures(partition, step);
            }
            self.item(&format!("**{heading}: {word}.**\n"));
        }
        if let Some(word) = &run.skipped {
            self.line(&format!("### {heading} — SKIPPED\n"));
            let (at, by, why) = (self.clock.time(word.at), prose(&word.by), prose(&word.text));
            self.item(&format!("At {at} by {by}: {why}\n"));
        }
        let untouched = run.attempts.is_empty() && run.skipped.is_none();
        if untouched && let StepState::WillNotRun { because } = self.run.state_of(&reference) {
            self.line(&format!("### {heading} — WILL NOT RUN\n"));
            self.item(&format!("Because {}.\n", prose(&because)));
        }
        self.notes(&notes);
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let (start, by) = (self.clock.time(attempt.started_at), prose(&attempt.by));
        let end = attempt.ended_at.map_or_else(
            || ", still running".to_owned(),
            |end| format!(", end {} ({})", self.clock.time(end), span(end.duration_since(attempt.started_at))),
        );
        let choice = attempt.choice.as_ref().map_or_else(String::new, |choice| format!(" Chosen: {}.", prose(choice)));
        self.item(&format!("Start {start}{end}. Fired by {by}.{choice}"));
        if let Some(Approval { at, by, digest }) = &attempt.approved {
            let (by, digest) = (prose(&by.to_string()), code(digest));
            self.item(&format!(
                "Approved by {by} as the second person at {}, proposal {digest}.",
                self.clock.time(*at)
            ));
        }
        for at in &attempt.resumed_at {
            self.item(&format!("Taken up again by a new session at {}.", self.clock.time(*at)));
        }
        for precondition in attempt.preconditions.iter().filter(|it| it.holds == crate::runbook::check::Holds::Mind) {
            self.item(&format!("To be minded when it was fired: {}", prose(&precondition.text)));
        }
        for action in &attempt.actions {
            self.action(action);
        }
        if let Some(program) = &attempt.program {
            let (line, directory) = (code(&program.command_line), code(&program.directory));
            self.item(&format!("{line} at {}; its output is kept in {directory}.", self.clock.time(program.at)));
        }
        for check in &attempt.checks {
            self.item(&self.check(check));
        }
        for evidence in &attempt.evidence {
            self.item(&self.evidence(evidence));
        }
        for remark in &attempt.remarks {
            self.remark(remark);
        }
        match &attempt.outcome {
            Some(Outcome::PassedWithWarnings { warnings }) => {
                for warning in warnings {
                    self.item(&format!("Mind: {}", prose(warning)));
                }
            }
            Some(Outcome::Failed { finding } | Outcome::Partial { finding } | Outcome::Unknown { finding }) => {
                self.finding(finding);
            }
            Some(Outcome::Deferred { until, reason }) => {
                self.item(&format!("Looked at again after {}: {}", code(until.as_str()), prose(reason)));
            }
            Some(Outcome::Passed) | None => {}
        }
    }

    fn action(&mut self, action: &ActionRun) {
        let became = match &action.outcome {
            None => "nothing is known of what became of it".to_owned(),
            Some(ActionOutcome::Accepted { .. }) => "accepted".to_owned(),
            Some(ActionOutcome::Refused { code: name, message }) => {
                format!("refused, {}: {}", code(name), prose(message))
            }
            Some(ActionOutcome::FoundDone { evidence }) => format!("no answer; found to be done: {}", prose(evidence)),
            Some(ActionOutcome::FoundUndone { evidence }) => {
                format!("no answer; found not to be done: {}", prose(evidence))
            }
            Some(ActionOutcome::Unknown { reason }) => format!("unknown: {}", prose(reason)),
        };
        self.item(&format!("{} at {} — {became}.", code(&action.action.call.command_line), self.clock.time(action.at)));
    }

    fn check(&self, check: &Check) -> String {
        let Check { id: _, label, verdict: how, expected, seen, source, at } = check;
        let mut text = format!("{} {}", verdict(*how), prose(label));
        if let Some(seen) = seen {
            let _ = write!(text, ": {}", code(seen));
        }
        if let Some(expected) = expected.as_ref().filter(|expected| Some(*expected) != seen.as_ref()) {
            let _ = write!(text, " (expected {})", code(expected));
        }
        let _ = write!(text, " — {}, {}", prose(source), self.clock.time(*at));
        text
    }

    fn evidence(&self, evidence: &Evidence) -> String {
        let Evidence { source, text, at } = evidence;
        format!("{} — {}: {}", self.clock.time(*at), prose(source), code(text))
    }

    fn finding(&mut self, finding: &Finding) {
        let Finding { situation: _, cause, evidence, means, remedy, ways: _ } = finding;
        self.item(&format!("Cause: {}", prose(cause)));
        for evidence in evidence {
            self.item(&format!("Seen: {}", self.evidence(evidence)));
        }
        if let Some(means) = means {
            self.item(&format!("Means: {}", prose(means)));
        }
        if let Some(remedy) = remedy {
            self.item(&format!("Way out: {}", prose(remedy)));
        }
    }

    /// A known situation that was met on the way.
    fn remark(&mut self, remark: &Finding) {
        let name = remark.situation.as_ref().map_or_else(String::new, |name| format!(" ({})", prose(name)));
        self.item(&format!("Met{name}: {}", prose(&remark.cause)));
        for evidence in &remark.evidence {
            let seen = self.evidence(evidence);
            self.line(&format!("  - Seen: {seen}"));
        }
        for words in [&remark.means, &remark.remedy].into_iter().flatten() {
            self.line(&format!("  - {}", prose(words)));
        }
    }

    /// The levers that were pulled, in the order of their times.
    fn levers(&mut self, planned: &Partition, partition: &PartitionRun) {
        let runs = planned.levers.iter().zip(&partition.levers);
        let mut pulls: Vec<(&Step, &Attempt)> =
            runs.flat_map(|(lever, run)| run.attempts.iter().map(move |attempt| (lever, attempt))).collect();
        pulls.sort_by_key(|(_, attempt)| attempt.started_at);
        for (lever, attempt) in pulls {
            let word = result(attempt.outcome.as_ref());
            self.line(&format!("### Lever: {} — {word}{}\n", prose(&lever.title), situation(attempt)));
            self.attempt(attempt);
            self.text.push('\n');
        }
    }

    fn chapter(&mut self, title: &str) {
        self.text.truncate(self.text.trim_end().len());
        self.line(&format!("\n\n## {title}\n"));
    }

    /// Where operators left the straight way, and on what evidence.
    fn decisions(&mut self) {
        if self.run.decisions.is_empty() {
            return;
        }
        self.chapter("Decisions");
        for decision in &self.run.decisions {
            let Decision { at, by, partition, step, what, reason, evidence } = decision;
            let about = self.about(partition.as_ref(), step.as_ref());
            let (at, by, reason) = (self.clock.time(*at), prose(by), prose(reason));
            self.item(&format!("{at}, {by}: {} {about}: {reason}", what.words()));
            for evidence in evidence {
                let seen = self.evidence(evidence);
                self.line(&format!("  - Shown: {seen}"));
            }
        }
    }

    /// What is left to be done.
    fn follow_ups(&mut self) {
        let left = self.run.notes.iter().filter(|note| note.kind == NoteKind::FollowUp);
        let left: Vec<_> = left.collect();
        if left.is_empty() {
            return;
        }
        self.chapter("Follow-ups");
        for note in left {
            let about = self.about(note.partition.as_ref(), note.step.as_ref());
            let (at, by, text) = (self.clock.time(note.at), prose(&note.by), prose(&note.text));
            self.item(&format!("{text} ({about}; {by}, {at})"));
        }
    }

    /// What something is about: a step, a partition, or all of it.
    fn about(&self, partition: Option<&PartitionName>, step: Option<&StepRef>) -> String {
        match (partition, step.and_then(|step| self.run.step(step))) {
            (_, Some((partition, step, _))) => format!("{} {} {}", partition.name, step.label, prose(&step.title)),
            (Some(partition), None) => partition.to_string(),
            (None, None) => "the rollout".to_owned(),
        }
    }

    fn notes(&mut self, notes: &[&Arc<Note>]) {
        for note in notes {
            let kind = match note.kind {
                NoteKind::Decision => "Operator decision",
                NoteKind::Remark => "Note",
                NoteKind::FollowUp => "Follow-up",
            };
            let (at, by, text) = (self.clock.time(note.at), prose(&note.by), prose(&note.text));
            self.item(&format!("**{kind}** ({by}, {at}): {text}"));
        }
        if !notes.is_empty() {
            self.text.push('\n');
        }
    }

    /// What a partition measured in a step: its failovers, its application.
    fn measures(&mut self, partition: &PartitionRun, step: &Step) {
        match &step.kind {
            StepKind::Failover => {
                for failover in &partition.failovers {
                    self.failover(failover);
                }
            }
            StepKind::AppHealth(_) => {
                if let Some(app) = &partition.app {
                    self.app(partition, app);
                }
            }
            _ => {}
        }
    }

    fn failover(&mut self, failover: &FailoverMeasure) {
        let FailoverMeasure { accepted_at, from, to, milestones, disruption, unplanned } = failover;
        let (from, to) = (code(from.as_str()), code(to.as_str()));
        let how = if *unplanned { "Unplanned, nobody fired it: first noticed" } else { "Accepted" };
        self.item(&format!("{how} at {}: {from} to {to}.", self.clock.time(*accepted_at)));
        for milestone in milestones {
            let (after, what) = (milestone.after.as_millis(), prose(&milestone.what.to_string()));
            let by = milestone.witness.as_ref().map_or_else(String::new, |by| format!(" — {}", prose(&by.to_string())));
            self.item(&format!("T{after:+} ms: {what}{by}"));
        }
        if *unplanned && milestones.is_empty() {
            self.item("Its end was not seen from here.");
        }
        if let Some(it) = disruption {
            self.item(&format!("The writer endpoint took no writes for {it}."));
        }
    }

    fn app(&mut self, partition: &PartitionRun, app: &AppMeasure) {
        self.item(&format!("Looked at by: {}.", prose(&app.by)));
        if let Some(landed) = &app.landed {
            self.item(&format!("The sign-in landed on {}.", code(landed)));
        }
        if !app.timings.is_empty() {
            // This partition first, then those that came before it, the latest first.
            let mut side_by_side = vec![(&partition.name, app)];
            let before = comparison::measured(self.run).take_while(|(name, _)| *name != &partition.name);
            let mut before: Vec<_> = before.collect();
            before.reverse();
            side_by_side.extend(before);
            self.line("\nPage timings:\n");
            self.text += &page_timings(&side_by_side);
        }
        let threshold = slow_threshold(&self.run.plan, &partition.name);
        let slow = app.slower_than(threshold);
        let median = app.median().map_or_else(String::new, |median| format!(" (median {median} ms)"));
        let count = app.requests.len();
        self.item(&format!("Backend requests: {count}{median}, {} over {} ms.", slow.len(), threshold.as_millis()));
        for request in &slow {
            let call = code(&format!("{} {}", request.method, request.url));
            self.line(&format!("  - {} ms {call}, {}", request.millis, request.status));
        }
        self.item(&format!("Console errors: {}.", app.console_errors.len()));
        for error in &app.console_errors {
            self.line(&format!("  - {}", code(error)));
        }
        let anomalies: Vec<_> = app.anomalies.iter().map(|anomaly| prose(anomaly)).collect();
        let anomalies = if anomalies.is_empty() { "none".to_owned() } else { anomalies.join("; ") };
        self.item(&format!("Anomalies: {anomalies}."));
        if let Some(screenshot) = &app.screenshot {
            self.item(&format!("Screenshot: {}.", code(screenshot)));
        }
    }

    fn per_step_log(&mut self, planned: &Partition, partition: &PartitionRun) {
        self.line("### Per-step log\n");
        let times = times::of_partition(self.run, partition);
        let time = |moment: Option<jiff::Timestamp>| moment.map_or_else(|| "—".to_owned(), |it| self.clock.time(it));
        let rows: Vec<_> = planned
            .steps
            .iter()
            .zip(&partition.steps)
            .zip(&times)
            .map(|((step, run), times)| {
                let reference = partition.reference(&step.id);
                vec![
                    format!("{} {}", step.label, prose(&step.title)),
                    self.run.state_of(&reference).to_string(),
                    run.attempts.len().to_string(),
                    time(times.started),
                    time(times.ended),
                    span_or_dash(times.machine),
                    span_or_dash(times.people),
                ]
            })
            .collect();
        let header = ["Step", "Result", "Attempts", "Start", "End", "Machines", "People before it"].map(str::to_owned);
        let (machines, people) = times::sums(&times);
        self.text += &table(&header, &rows);
        self.line(&format!("Machines worked {}; people took {}.\n", span(machines), span(people)));
    }
}

/// The situation that an attempt's trouble was matched to, in brackets.
fn situation(attempt: &Attempt) -> String {
    let Some(finding) = attempt.outcome.as_ref().and_then(Outcome::finding) else { return String::new() };
    finding.situation.as_ref().map_or_else(String::new, |name| format!(" ({})", prose(name)))
}
