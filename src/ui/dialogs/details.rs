//! Everything known of a step. Of one in trouble, first the diagnosis: cause, what was seen, what it means, the way out.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::commands::CommandId;
use crate::runbook::check::{Check, Verdict};
use crate::runbook::event::{ActionOutcome, NoteKind, Outcome};
use crate::runbook::names::StepRef;
use crate::runbook::plan::{ConfirmRule, Step};
use crate::runbook::state::{ActionRun, Attempt, StepRun, StepState};
use crate::ui::doc::Doc;
use crate::ui::text::{Spans, span, spread, width};
use crate::ui::{finding, format, symbols, window};

/// Draws the details.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, step: &StepRef, scroll: u16) {
    let theme = scene.theme;
    let Some((partition, planned, run)) = scene.state.run.step(step) else { return };
    let state = scene.state.run.state_of(step);
    let mut sheet = Sheet::new(scene, "").of_partition(scene, partition);
    sheet.title = title(scene, partition.name.as_str(), planned, run, &state);
    if state.is_trouble() {
        sheet.frame = theme.palette.state.danger;
        sheet.badge = Some(span(format!(" {} {state} ", symbols::FAILED), theme.badge(theme.palette.state.danger)));
    }
    let mut view = View { scene, doc: Doc::new(theme, room(scene)) };
    view.write(step, planned, run, &state);
    sheet.body = view.doc.finish();
    sheet.scroll = usize::from(scroll);
    let hint = if state.is_trouble() {
        vec![
            span(scene.state.keymap.name(CommandId::Ways), theme.accent()),
            span(" ways out   ", theme.plain()),
            span(scene.state.keymap.name(CommandId::Fire), theme.accent()),
            span(" again   ", theme.plain()),
            span(scene.state.keymap.name(CommandId::Skip), theme.accent()),
            span(" skip   ", theme.plain()),
            span(scene.state.keymap.name(CommandId::Note), theme.accent()),
            span(" note   ", theme.plain()),
            span("Esc leaves it as it is", theme.faint()),
        ]
    } else {
        vec![span("↑↓ scroll · Esc closes", theme.faint())]
    };
    sheet.foot = vec![Line::from(hint)];
    sheet.draw(buffer, scene);
}

fn title(scene: &Scene<'_>, partition: &str, planned: &Step, run: &StepRun, state: &StepState) -> Spans {
    let theme = scene.theme;
    let mut words = format!("{partition} · {} {}", planned.label, planned.title);
    if let Some(attempt) = run.attempts.last().filter(|_| run.attempts.len() > 1 || state.is_trouble()) {
        words.push_str(&format!(" · attempt {}", attempt.number));
        words.push_str(&format!(" · {}", format::took(duration(scene, attempt))));
    }
    vec![span(words, theme.strong())]
}

fn duration(scene: &Scene<'_>, attempt: &Attempt) -> std::time::Duration {
    let end = attempt.ended_at.unwrap_or(scene.state.now);
    std::time::Duration::try_from(end.duration_since(attempt.started_at)).unwrap_or_default()
}

struct View<'a> {
    scene: &'a Scene<'a>,
    doc: Doc<'a>,
}

impl View<'_> {
    fn write(&mut self, reference: &StepRef, planned: &Step, run: &StepRun, state: &StepState) {
        let theme = self.scene.theme;
        self.standing(state, run);
        if let Some(finding) =
            run.attempts.last().and_then(|attempt| attempt.outcome.as_ref()).and_then(Outcome::finding)
        {
            finding::tell(&mut self.doc, self.scene.state, theme, finding, planned);
        }
        for attempt in run.attempts.iter().rev() {
            self.attempt(attempt);
        }
        self.notes(reference);
        self.doc.blank();
        let rule = match &planned.confirm {
            ConfirmRule::Plain => "Fire is chosen in the dialog".to_owned(),
            ConfirmRule::Type(name) => format!("{name} is typed"),
        };
        self.doc.words("confirmed", rule, theme.plain());
        if let Some(expected) = planned.expected {
            let words = format!("~{}, given up after {}", format::took(expected), format::took(planned.limit));
            self.doc.words("takes", words, theme.plain());
        }
        self.before(reference);
        self.window(reference);
        for (label, words) in
            [("users feel", &planned.impact), ("way back", &planned.way_back), ("runbook", &planned.guide)]
        {
            for (index, line) in words.iter().flat_map(|words| finding::items(words)).enumerate() {
                self.doc.words(if index == 0 { label } else { "" }, line, theme.plain());
            }
        }
    }

    /// How long it took in the partitions before.
    fn before(&mut self, reference: &StepRef) {
        let took = self.scene.state.run.took_before(reference);
        let words: Vec<String> = took.iter().map(|(name, took)| format!("{name} {}", format::took(*took))).collect();
        if !words.is_empty() {
            self.doc.words("before", words.join(" · "), self.scene.theme.plain());
        }
    }

    /// What is still to come in its partition, and the window for it.
    fn window(&mut self, reference: &StepRef) {
        let (state, theme) = (self.scene.state, self.scene.theme);
        let Some((partition, ..)) = state.run.step(reference) else { return };
        let outlook = window::outlook(partition, state);
        if outlook.left().is_zero() {
            return;
        }
        let by = match outlook.foretold() {
            (_, 0) => ", as the rollout file expects".to_owned(),
            (all, before) if all == before => ", by what it took before".to_owned(),
            (all, before) => format!(", {before} of {all} steps by what they took before"),
        };
        let words = format!("~{} of machines' time in {}{by}", format::roughly(outlook.left()), partition.name);
        self.doc.words("to come", words, theme.plain());
        if let Some(window) = &partition.window {
            let (countdown, style) = window::countdown(window, &outlook, state, theme);
            let mut spans =
                vec![span(format!("{}  ", window::hours(window, state)), theme.plain()), span(countdown, style)];
            spans.push(span("  ", theme.plain()));
            spans.extend(window::fits(window, &outlook, state, theme));
            self.doc.field("window", spans);
        }
    }

    fn standing(&mut self, state: &StepState, run: &StepRun) {
        let theme = self.scene.theme;
        match state {
            StepState::Locked(locks) => {
                for lock in locks {
                    self.doc.words("locked", lock.to_string(), theme.mind());
                }
            }
            StepState::WillNotRun { because } => self.doc.words("will not run", because.clone(), theme.mind()),
            StepState::Skipped => {
                if let Some(word) = &run.skipped {
                    let at = format::second(word.at, &self.scene.state.zone);
                    self.doc.words("skipped", format!("{} · {at} by {}", word.text, word.by), theme.plain());
                }
            }
            state if state.is_trouble() => {}
            state => self.doc.words("stands", state.to_string().to_lowercase(), theme.bright()),
        }
    }

    fn attempt(&mut self, attempt: &Attempt) {
        let theme = self.scene.theme;
        let zone = &self.scene.state.zone;
        self.doc.blank();
        let end = attempt.ended_at.map_or("…".to_owned(), |end| format::second(end, zone));
        let (outcome, style) = match &attempt.outcome {
            None => ("running", theme.running()),
            Some(Outcome::Passed) => ("passed", theme.ok()),
            Some(Outcome::PassedWithWarnings { .. }) => ("passed with warnings", theme.mind()),
            Some(Outcome::Failed { .. }) => ("failed", theme.danger()),
            Some(Outcome::Partial { .. }) => ("partial", theme.danger()),
            Some(Outcome::Deferred { .. }) => ("deferred", theme.mind()),
            Some(Outcome::Unknown { .. }) => ("unknown", theme.danger()),
        };
        self.doc.field(
            &format!("attempt {}", attempt.number),
            vec![
                span(format!("{} – {end}", format::second(attempt.started_at, zone)), theme.bright()),
                span(format!("  {}  ", format::took(duration(self.scene, attempt))), theme.plain()),
                span(outcome, style),
                span(format!("  by {}", attempt.by), theme.faint()),
            ],
        );
        match &attempt.outcome {
            Some(Outcome::PassedWithWarnings { warnings }) => {
                for warning in warnings {
                    self.doc.words("", format!("{} {warning}", symbols::MIND), theme.mind());
                }
            }
            Some(Outcome::Deferred { reason, .. }) => self.doc.words("", reason.clone(), theme.plain()),
            _ => {}
        }
        for at in &attempt.resumed_at {
            self.doc.words("", format!("taken up again {}", format::second(*at, zone)), theme.faint());
        }
        if let Some(choice) = &attempt.choice {
            self.doc.words("way chosen", choice.clone(), theme.plain());
        }
        if let Some(program) = &attempt.program {
            self.doc.command_line("program", &program.command_line, theme.faint());
            self.doc.words("", format!("output in {}", program.directory), theme.faint());
        }
        for (index, action) in attempt.actions.iter().enumerate() {
            self.action(if index == 0 { "calls" } else { "" }, action);
        }
        for (index, check) in attempt.checks.iter().enumerate() {
            self.check(if index == 0 { "checks" } else { "" }, check);
        }
        finding::evidence(&mut self.doc, self.scene.state, theme, "evidence", &attempt.evidence);
        for (index, remark) in attempt.remarks.iter().enumerate() {
            finding::remark(&mut self.doc, self.scene.state, theme, if index == 0 { "met" } else { "" }, remark);
        }
    }

    fn action(&mut self, label: &str, action: &ActionRun) {
        let theme = self.scene.theme;
        let call = &action.action.call;
        let (words, style) = match &action.outcome {
            None => ("nothing is known yet".to_owned(), theme.running()),
            Some(ActionOutcome::Accepted { mark: Some(mark) }) => (format!("accepted · {mark}"), theme.ok()),
            Some(ActionOutcome::Accepted { mark: None }) => ("accepted".to_owned(), theme.ok()),
            Some(ActionOutcome::Refused { code, message }) => (format!("refused · {code}: {message}"), theme.danger()),
            Some(ActionOutcome::FoundDone { evidence }) => (format!("found done · {evidence}"), theme.ok()),
            Some(ActionOutcome::FoundUndone { evidence }) => (format!("found not done · {evidence}"), theme.mind()),
            Some(ActionOutcome::Unknown { reason }) => (format!("unknown · {reason}"), theme.danger()),
        };
        self.doc.field(
            label,
            vec![
                span(format!("{} ", format::millisecond(action.at, &self.scene.state.zone)), theme.faint()),
                span(format!("{}  ", call.operation), theme.accent()),
                span(words, style),
            ],
        );
        self.doc.command_line("", &call.command_line, theme.faint());
    }

    fn check(&mut self, label: &str, check: &Check) {
        let theme = self.scene.theme;
        let (glyph, style) = symbols::verdict(check.verdict, theme);
        let mut spans = vec![span(format!("{glyph} "), style), span(check.label.clone(), theme.plain())];
        if let Some(seen) = &check.seen {
            spans.push(span(format!("  {seen}"), style));
        }
        if let Some(expected) = check.expected.as_ref().filter(|_| check.verdict != Verdict::Passed) {
            spans.push(span(format!("  expected {expected}"), theme.faint()));
        }
        let whence =
            vec![span(format!("{} · {}", check.source, finding::at(self.scene.state, check.at)), theme.faint())];
        let beside = self.doc.beside();
        if width(&spans) + 2 + width(&whence) <= beside {
            self.doc.labelled(label, vec![spread(spans, whence, beside).spans]);
        } else {
            self.doc.field(label, spans);
            self.doc.labelled("", vec![spread(vec![span(" ", theme.plain())], whence, beside).spans]);
        }
    }

    fn notes(&mut self, reference: &StepRef) {
        let theme = self.scene.theme;
        let notes = self.scene.state.run.notes.iter().filter(|note| note.step.as_ref() == Some(reference));
        for (index, note) in notes.enumerate() {
            if index == 0 {
                self.doc.blank();
            }
            let label = match note.kind {
                NoteKind::Decision => "decision",
                NoteKind::Remark => "note",
                NoteKind::FollowUp => "follow-up",
            };
            let at = format::second(note.at, &self.scene.state.zone);
            self.doc.field(
                label,
                vec![span(note.text.clone(), theme.bright()), span(format!("  {at} by {}", note.by), theme.faint())],
            );
        }
    }
}
