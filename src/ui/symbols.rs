//! Glyphs: one for each state, always beside a word and a colour, never alone.

use ratatui::style::Style;
use ratatui::text::Span;

use super::text::span;
use super::theme::Theme;
use crate::app::banner::Urgency;
use crate::runbook::check::{Holds, Verdict};
use crate::runbook::plan::StepKind;
use crate::runbook::state::StepState;

/// As it should be.
pub const OK: &str = "✓";
/// Under way.
pub const RUNNING: &str = "▶";
/// Not as it should be.
pub const FAILED: &str = "✗";
/// Passed over.
pub const SKIPPED: &str = "↷";
/// Waits for a person.
pub const WAITS: &str = "◆";
/// On its way.
pub const SETTLING: &str = "◐";
/// Not yet.
pub const NOT_YET: &str = "·";
/// To be minded.
pub const MIND: &str = "!";
/// Too old to count.
pub const STALE: &str = "○";
/// Healthy.
pub const HEALTHY: &str = "●";
/// Can be fired.
pub const READY: &str = "›";
/// Cannot be read.
pub const UNREADABLE: &str = "?";

/// The glyph of a step.
pub fn step(state: &StepState, kind: &StepKind, theme: &Theme) -> Span<'static> {
    let (glyph, style) = match state {
        StepState::Passed => (OK, theme.ok()),
        StepState::PassedWithWarnings => (MIND, theme.mind()),
        StepState::Running { .. } => (RUNNING, theme.running()),
        StepState::Verifying { .. } => (SETTLING, theme.running()),
        StepState::Failed(_) => (FAILED, theme.danger()),
        StepState::Partial(_) => (FAILED, theme.mind()),
        StepState::Unknown => (UNREADABLE, theme.danger()),
        StepState::Skipped => (SKIPPED, theme.faint()),
        StepState::Ready if *kind == StepKind::GoAhead => (WAITS, theme.waiting()),
        StepState::Ready => (READY, theme.accent()),
        StepState::Confirming => (WAITS, theme.mind()),
        StepState::Deferred { .. } => (SETTLING, theme.faint()),
        StepState::Locked(_) => (NOT_YET, theme.faint()),
        StepState::WillNotRun { .. } => (NOT_YET, theme.ghost()),
    };
    span(glyph, style)
}

/// The glyph and colour of a check.
pub fn verdict(verdict: Verdict, theme: &Theme) -> (&'static str, Style) {
    match verdict {
        Verdict::Pending => (NOT_YET, theme.faint()),
        Verdict::Settling => (SETTLING, theme.running()),
        Verdict::Passed => (OK, theme.ok()),
        Verdict::Warning => (MIND, theme.mind()),
        Verdict::Failed => (FAILED, theme.danger()),
        Verdict::Unreadable => (UNREADABLE, theme.faint()),
    }
}

/// The glyph and colour of a precondition.
pub fn holds(holds: Holds, theme: &Theme) -> (&'static str, Style) {
    match holds {
        Holds::Yes => (OK, theme.ok()),
        Holds::Mind => (MIND, theme.mind()),
        Holds::No => (FAILED, theme.danger()),
    }
}

/// The glyph and colour of the sentence.
pub fn urgency(urgency: Urgency, theme: &Theme) -> (&'static str, Style) {
    match urgency {
        Urgency::Calm => (OK, theme.ok()),
        Urgency::Ready => (READY, theme.accent()),
        Urgency::Running => (RUNNING, theme.running()),
        Urgency::Waiting => (WAITS, theme.waiting()),
        Urgency::Trouble => (FAILED, theme.danger()),
    }
}
