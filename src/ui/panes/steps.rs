//! The steps of the partition that is looked at.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::Slot;
use crate::app::state::State;
use crate::runbook::names::StepRef;
use crate::runbook::outlook::{Estimate, Outlook};
use crate::runbook::plan::{Partition, Step, StepKind};
use crate::runbook::state::{StepRun, StepState};
use crate::ui::text::{Spans, column_right, span, spread, width};
use crate::ui::{format, symbols, window};

/// How much longer than it is likely to take a step may run before that is pointed out, where twice as long is not much.
const LATE: Duration = Duration::from_secs(30);
/// Columns of a time.
const TIME: usize = 7;
/// Columns that a row needs for its label, glyph, title and own time.
const LEAST: usize = 38;
/// Columns of the pane's text from which the partitions before are put beside.
const COMPARED: usize = 52;

/// Draws the steps.
pub fn draw(buffer: &mut Buffer, slot: &Slot<'_>) {
    let (state, theme) = (slot.state, slot.theme);
    let (partition, looked_at) = state.looked_at();
    let outlook = window::outlook(partition, state);
    let rows: Vec<Row<'_>> = partition
        .steps
        .iter()
        .zip(&looked_at.steps)
        .map(|(step, run)| {
            let reference = partition.reference(&step.id);
            let (stands, estimate) = (state.run.state_of(&reference), state.run.estimate(&reference));
            Row { step, run, reference, state: stands, estimate }
        })
        .collect();
    let name = if partition.production { theme.palette.frame.production.bold() } else { theme.strong() };
    let title = vec![span(partition.name.to_string(), name), span(" · steps", theme.strong())];
    let left = outlook.left();
    let remark = match (left.is_zero(), state.run.is_through(&partition.name)) {
        _ if looked_at.rolled_back.is_some() => vec![span("FAILED · ROLLED BACK", theme.danger())],
        (_, true) => slot.faint("through"),
        (true, false) => Spans::new(),
        (false, false) => slot.faint(format!("~{} left", format::roughly(left))),
    };
    let fits = partition.window.as_ref().map(|kept| window::fits(kept, &outlook, state, theme)).unwrap_or_default();
    let inner = slot.panel_with_foot(buffer, title, remark, (window::ran(&outlook, theme), fits));

    let before = compared(state, usize::from(inner.width));
    let heading = heading_rows(state, slot.area);
    if heading > 0 {
        buffer.set_line(inner.x, inner.y, &heading_line(slot, before, usize::from(inner.width)), inner.width);
    }
    let below = Rect { y: inner.y + heading, height: inner.height - heading, ..inner };
    let first = first(state, usize::from(below.height));
    for (area, (index, row)) in below.rows().zip(rows.iter().enumerate().skip(first)) {
        let marked = index == state.step;
        let line = row.line(slot, marked, before, usize::from(area.width));
        if marked {
            let wide = Rect { x: area.x - 1, width: area.width + 2, ..area };
            buffer.set_style(wide, theme.palette.ground.marked.ground());
            buffer.set_line(area.x - 1, area.y, &Line::from(span("›", theme.accent())), 1);
        }
        buffer.set_line(area.x, area.y, &line, area.width);
    }
    // Where there is a row left, what it comes to.
    if !before.is_empty() && usize::from(below.height) > rows.len() {
        let row = Rect { y: below.y + rows.len() as u16, height: 1, ..below };
        buffer.set_line(row.x, row.y, &in_all(slot, &outlook, before, usize::from(row.width)), row.width);
    }
}

/// The partitions before that are put beside, where there is room: those nearest to the one that is looked at.
fn compared(state: &State, room: usize) -> &[Partition] {
    let before = state.run.plan.partitions.get(..state.partition).unwrap_or_default();
    let most = if room < COMPARED { 0 } else { (room - LEAST) / TIME };
    before.get(before.len().saturating_sub(most)..).unwrap_or_default()
}

/// Rows of the pane that name the partitions whose times stand below.
pub fn heading_rows(state: &State, area: Rect) -> u16 {
    let room = usize::from(area.width.saturating_sub(4));
    u16::from(!compared(state, room).is_empty() && area.height >= 7)
}

/// The partitions' names above their times.
fn heading_line(slot: &Slot<'_>, before: &[Partition], room: usize) -> Line<'static> {
    let theme = slot.theme;
    let (partition, _) = slot.state.looked_at();
    let mut right = vec![span(column_right(partition.name.as_str(), TIME), theme.plain())];
    right.extend(before.iter().map(|before| span(cell(&short(before.name.as_str())), theme.faint())));
    spread(Spans::new(), right, room)
}

/// How long machines worked on each partition, all attempts together.
fn in_all(slot: &Slot<'_>, outlook: &Outlook, before: &[Partition], room: usize) -> Line<'static> {
    let (state, theme) = (slot.state, slot.theme);
    let own = if outlook.spent.is_zero() { String::new() } else { format::took(outlook.spent) };
    let mut right = vec![span(cell(&own), theme.plain())];
    for before in before {
        let spent = state.run.outlook(before, state.now).spent;
        let words = if spent.is_zero() { symbols::NOT_YET.to_owned() } else { format::took(spent) };
        right.push(span(cell(&words), theme.faint()));
    }
    spread(vec![span("     in all", theme.faint())], right, room)
}

/// A partition's name in a column of times. Names of a fleet begin alike and end in what tells them apart.
fn short(name: &str) -> String {
    let letters = name.chars().count();
    if letters < TIME {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(letters + 2 - TIME).collect::<String>())
    }
}

/// A time, or what stands for it, in its column.
fn cell(words: &str) -> String {
    format!(" {}", column_right(words, TIME - 1))
}

/// The step that is drawn first: the marked one stays in view.
fn first(state: &State, height: usize) -> usize {
    let steps = state.looked_at().0.steps.len();
    (state.step + 1).saturating_sub(height).min(steps.saturating_sub(height))
}

/// The step that is drawn in a row of the screen.
pub fn step_at(area: Rect, state: &State, y: u16) -> Option<usize> {
    let heading = heading_rows(state, area);
    let height = area.height.saturating_sub(2 + heading);
    let row = y.checked_sub(area.y + 1 + heading).filter(|row| *row < height)?;
    let step = first(state, usize::from(height)) + usize::from(row);
    (step < state.looked_at().0.steps.len()).then_some(step)
}

struct Row<'a> {
    step: &'a Step,
    run: &'a StepRun,
    reference: StepRef,
    state: StepState,
    estimate: Option<Estimate>,
}

impl Row<'_> {
    fn line(&self, slot: &Slot<'_>, marked: bool, before: &[Partition], room: usize) -> Line<'static> {
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
        let mut duration = self.duration(slot);
        duration.extend(before.iter().map(|before| self.took_in(slot, before)));
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

    /// How long it took in a partition before.
    fn took_in(&self, slot: &Slot<'_>, before: &Partition) -> Span<'static> {
        let run = &slot.state.run;
        let reference = before.reference(&self.reference.step);
        let words = match run.took(&reference) {
            Some(took) => format::took(took),
            None => match run.state_of(&reference) {
                StepState::Skipped => symbols::SKIPPED.to_owned(),
                StepState::Passed | StepState::WillNotRun { .. } => String::new(),
                _ => symbols::NOT_YET.to_owned(),
            },
        };
        span(cell(&words), slot.theme.faint())
    }

    /// How long it runs, took, or is likely to take.
    fn duration(&self, slot: &Slot<'_>) -> Spans {
        let theme = slot.theme;
        let likely = self.estimate.as_ref().map(|estimate| estimate.lasts);
        let (words, style) = match (&self.state, self.run.attempts.last()) {
            (state, Some(attempt)) if state.is_running() => {
                let elapsed = slot.state.since(attempt.started_at);
                let late = likely.is_some_and(|likely| elapsed > likely * 2 && elapsed > likely + LATE);
                (format::took(elapsed), if late { theme.danger() } else { theme.running() })
            }
            (StepState::Skipped, _) => (String::new(), theme.faint()),
            (_, Some(_)) => {
                let machine = Duration::try_from(self.run.machine_time(slot.state.now)).unwrap_or_default();
                (format::took(machine), theme.faint())
            }
            (StepState::WillNotRun { .. } | StepState::Passed, None) => (String::new(), theme.faint()),
            (_, None) => match likely {
                Some(likely) => (format!("~{}", format::took(likely)), theme.faint()),
                None => (String::new(), theme.faint()),
            },
        };
        vec![span(column_right(&words, 6), style)]
    }
}
