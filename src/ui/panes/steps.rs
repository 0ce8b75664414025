//! The steps of the partition that is looked at.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;

use super::Slot;
use crate::app::state::State;
use crate::runbook::plan::{Step, StepKind};
use crate::runbook::state::{StepRun, StepState};
use crate::ui::text::{Spans, column_right, span, spread, width};
use crate::ui::{format, symbols};

/// Draws the steps.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let (partition, looked_at) = state.looked_at();
    let rows: Vec<Row<'_>> = partition
        .steps
        .iter()
        .zip(&looked_at.steps)
        .map(|(step, run)| Row { step, run, state: state.run.state_of(&partition.reference(&step.id)) })
        .collect();
    let name = if partition.production { theme.palette.frame.production.bold() } else { theme.strong() };
    let title = vec![span(partition.name.to_string(), name), span(" · steps", theme.strong())];
    let left: Duration = rows.iter().map(|row| row.left(slot)).sum();
    let remark = match (left.is_zero(), state.run.is_through(&partition.name)) {
        _ if looked_at.rolled_back.is_some() => vec![span("FAILED · ROLLED BACK", theme.danger())],
        (_, true) => slot.faint("through"),
        (true, false) => Spans::new(),
        (false, false) => slot.faint(format!("~{} left", format::roughly(left))),
    };
    let inner = slot.panel(buffer, title, remark);

    let height = usize::from(inner.height);
    let first = first(state, height);
    for (area, (index, row)) in inner.rows().zip(rows.iter().enumerate().skip(first)) {
        let marked = index == state.step;
        let line = row.line(slot, marked, usize::from(area.width));
        if marked {
            let wide = Rect { x: area.x - 1, width: area.width + 2, ..area };
            buffer.set_style(wide, theme.palette.ground.marked.ground());
            buffer.set_line(area.x - 1, area.y, &Line::from(span("›", theme.accent())), 1);
        }
        buffer.set_line(area.x, area.y, &line, area.width);
    }
}

/// The step that is drawn first: the marked one stays in view.
fn first(state: &State, height: usize) -> usize {
    let steps = state.looked_at().0.steps.len();
    (state.step + 1).saturating_sub(height).min(steps.saturating_sub(height))
}

/// The step that is drawn in a row of the screen.
pub fn step_at(area: Rect, state: &State, y: u16) -> Option<usize> {
    let height = area.height.saturating_sub(2);
    let row = y.checked_sub(area.y + 1).filter(|row| *row < height)?;
    let step = first(state, usize::from(height)) + usize::from(row);
    (step < state.looked_at().0.steps.len()).then_some(step)
}

struct Row<'a> {
    step: &'a Step,
    run: &'a StepRun,
    state: StepState,
}

impl Row<'_> {
    fn line(&self, slot: &Slot<'_>, marked: bool, room: usize) -> Line<'static> {
        let theme = slot.theme;
        let title_style = match &self.state {
            state if state.is_running() => theme.strong(),
            StepState::Failed(_) | StepState::Partial(_) | StepState::Unknown => theme.strong(),
            StepState::Ready | StepState::Confirming => theme.bright(),
            StepState::Locked(_) | StepState::WillNotRun { .. } | StepState::Deferred { .. } => theme.faint(),
            _ => theme.plain(),
        };
        let title_style = if marked { title_style.add_modifier(Modifier::BOLD) } else { title_style };
        let mut left = vec![
            span(format!("{:<2} ", self.step.label), theme.faint()),
            symbols::step(&self.state, &self.step.kind, theme),
            span(format!(" {}", self.step.title), title_style),
        ];
        let duration = self.duration(slot);
        let note = self.note(slot);
        // The note goes before the title is cut.
        if width(&left) + width(&note) + width(&duration) + 3 <= room {
            let gap = room.saturating_sub(width(&left) + width(&note) + width(&duration) + 1);
            left.push(span(" ".repeat(gap), theme.plain()));
            left.extend(note);
        }
        spread(left, duration, room)
    }

    /// What there is to say of it in a word or two.
    fn note(&self, slot: &Slot<'_>) -> Spans {
        let theme = slot.theme;
        let attempts = self.run.attempts.len();
        let (words, style) = match &self.state {
            StepState::Failed(_) | StepState::Partial(_) | StepState::Unknown => {
                (self.state.to_string().to_lowercase(), theme.danger())
            }
            StepState::Skipped => ("skipped".to_owned(), theme.faint()),
            StepState::Deferred { until } => (format!("after {}", self.label_of(slot, until)), theme.faint()),
            StepState::Confirming => ("confirming".to_owned(), theme.mind()),
            StepState::Verifying { .. } => ("verifying".to_owned(), theme.running()),
            StepState::Ready if self.step.kind == StepKind::GoAhead => ("you".to_owned(), theme.waiting()),
            StepState::Ready => ("ready".to_owned(), theme.accent()),
            StepState::PassedWithWarnings => ("warnings".to_owned(), theme.mind()),
            StepState::Passed if self.has_remarks() => ("remarks".to_owned(), theme.faint()),
            _ if attempts > 1 => (format!("{attempts} attempts"), theme.faint()),
            _ => return Spans::new(),
        };
        vec![span(words, style)]
    }

    /// Whether its last attempt met something worth knowing.
    fn has_remarks(&self) -> bool {
        self.run.attempts.last().is_some_and(|attempt| !attempt.remarks.is_empty())
    }

    fn label_of(&self, slot: &Slot<'_>, step: &crate::runbook::names::StepId) -> String {
        let (partition, _) = slot.state.looked_at();
        partition.step(step).map_or_else(|| step.to_string(), |step| step.label.clone())
    }

    /// How long it runs, took, or usually takes.
    fn duration(&self, slot: &Slot<'_>) -> Spans {
        let theme = slot.theme;
        let (words, style) = match (&self.state, self.run.attempts.last()) {
            (state, Some(attempt)) if state.is_running() => {
                let elapsed = slot.state.since(attempt.started_at);
                let late = self.step.expected.is_some_and(|expected| elapsed > expected * 2);
                (format::took(elapsed), if late { theme.danger() } else { theme.running() })
            }
            (StepState::Skipped, _) => (String::new(), theme.faint()),
            (_, Some(_)) => {
                let machine = Duration::try_from(self.run.machine_time(slot.state.now)).unwrap_or_default();
                (format::took(machine), theme.faint())
            }
            (StepState::WillNotRun { .. } | StepState::Passed, None) => (String::new(), theme.faint()),
            (_, None) => match self.step.expected {
                Some(expected) => (format!("~{}", format::took(expected)), theme.faint()),
                None => (String::new(), theme.faint()),
            },
        };
        vec![span(column_right(&words, 6), style)]
    }

    /// How long it will still take, by what is expected of it.
    fn left(&self, slot: &Slot<'_>) -> Duration {
        let expected = self.step.expected.unwrap_or_default();
        match (&self.state, self.run.attempts.last()) {
            (state, Some(attempt)) if state.is_running() => {
                expected.saturating_sub(slot.state.since(attempt.started_at))
            }
            (StepState::WillNotRun { .. }, _) => Duration::ZERO,
            (state, _) if state.is_behind() => Duration::ZERO,
            _ => expected,
        }
    }
}
