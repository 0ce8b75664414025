//! Where everything stands, by the size of the terminal.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::app::state::{Pane, State};
use crate::runbook::plan::StepKind;

/// Columns and rows below which the cockpit cannot be read.
pub const SMALLEST: (u16, u16) = (78, 22);
/// Narrowest panel of a partition; with less room, each gets a line.
const PANEL: u16 = 28;
/// Height of the partitions' panels: the steps' glyphs, two instances, a word, and the frame.
const PANEL_HEIGHT: u16 = 6;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// Everything at once.
    Wide,
    /// Load and queries share a place.
    Medium,
    /// One pane at a time, and the log.
    Small,
}

/// How the partitions are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A panel each.
    Panels,
    /// A line each.
    Lines,
    /// Some of them a line each, under a line about all.
    Fleet,
}

/// Where everything stands.
#[derive(Debug, Clone)]
pub struct Places {
    /// The title row.
    pub header: Rect,
    /// The sentence.
    pub banner: Rect,
    /// The partitions.
    pub partitions: Rect,
    /// How they are shown.
    pub form: Form,
    /// The panes that are seen.
    pub panes: Vec<(Pane, Rect)>,
    /// Where a replay is; no rows where this is none.
    pub scrubber: Rect,
    /// The keys.
    pub footer: Rect,
}

/// Whether the screen has room for the cockpit. Where it has not, no dialog is seen either.
pub fn fits(area: Rect) -> bool {
    area.width >= SMALLEST.0 && area.height >= SMALLEST.1
}

/// Lays out the screen; nothing where it is too small.
pub fn places(area: Rect, state: &State) -> Option<Places> {
    if !fits(area) {
        return None;
    }
    let size = match (area.width, area.height) {
        (160.., 38..) => Size::Wide,
        (100.., 32..) => Size::Medium,
        _ => Size::Small,
    };
    let count = state.run.plan.partitions.len() as u16;
    // A zoomed pane leaves the partitions a line each: they are never out of sight.
    let panels = size != Size::Small && area.width >= PANEL * count && !state.zoomed;
    let (form, partitions_height) = match panels {
        true => (Form::Panels, PANEL_HEIGHT),
        false if count <= area.height / 4 => (Form::Lines, count),
        // The line about all, and a fifth of the screen.
        false => (Form::Fleet, (area.height / 5).clamp(5, 10)),
    };
    let [header, banner, partitions, body, scrubber, footer] = Layout::vertical([
        Constraint::Length(1),
        // Those who look on are told the step in a row of its own.
        Constraint::Length(2 + u16::from(state.share)),
        Constraint::Length(partitions_height),
        Constraint::Fill(1),
        Constraint::Length(u16::from(state.replay.is_some())),
        Constraint::Length(1),
    ])
    .areas(area);
    let panes = match size {
        _ if state.zoomed => vec![(state.focus, body)],
        Size::Wide if troubled(state) => in_trouble(body, 48, 11, true, state),
        Size::Medium if troubled(state) => in_trouble(body, 43, 8, false, state),
        Size::Small if troubled(state) => small_in_trouble(body, state),
        Size::Wide => wide(body, state),
        Size::Medium => medium(body, state),
        Size::Small => small(body, state),
    };
    Some(Places { header, banner, partitions, form, panes, scrubber, footer })
}

/// Whether the marked step is in trouble: then what is wrong with it takes the best place.
fn troubled(state: &State) -> bool {
    state.marked_step().is_some_and(|step| state.run.trouble(&step).is_some())
}

/// Steps at the left, the finding beside them; below it what is of help, which after a failover is its timeline.
fn in_trouble(body: Rect, left: u16, least: u16, both: bool, state: &State) -> Vec<(Pane, Rect)> {
    let [upper, log] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length((body.height / 4).clamp(7, 14))]).areas(body);
    let [steps, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(upper);
    let failover = state.looked_at().0.steps.get(state.step).is_some_and(|step| step.kind == StepKind::Failover);
    let timeline = match state.focus {
        Pane::Timeline => true,
        Pane::Load | Pane::Queries | Pane::Pods => false,
        _ => failover,
    };
    let pods = has_pods(state);
    let looked_at = timeline || both || pods || matches!(state.focus, Pane::Load | Pane::Queries);
    let below = match (looked_at, timeline) {
        // Where only one of them has room, it is what is wrong.
        (false, _) => 0,
        (true, true) => timeline_height(state).min(right.height / 2),
        (true, false) => least,
    };
    let [finding, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(below)]).areas(right);
    let mut panes = vec![(Pane::Steps, steps), (Pane::Checks, finding), (Pane::Log, log)];
    if below.height == 0 {
        return panes;
    }
    if timeline {
        panes.push((Pane::Timeline, below));
    } else if pods {
        panes.push((Pane::Pods, below));
    } else if both {
        let [load, queries] = Layout::horizontal([Constraint::Percentage(46), Constraint::Fill(1)]).areas(below);
        panes.extend([(Pane::Load, load), (Pane::Queries, queries)]);
    } else {
        panes.push((if state.focus == Pane::Queries { Pane::Queries } else { Pane::Load }, below));
    }
    panes
}

/// The finding below the marked step and its neighbours; the log makes room for it.
fn small_in_trouble(body: Rect, state: &State) -> Vec<(Pane, Rect)> {
    match state.focus {
        Pane::Steps => {
            let [steps, finding] = Layout::vertical([Constraint::Length(5), Constraint::Fill(1)]).areas(body);
            vec![(Pane::Steps, steps), (Pane::Checks, finding)]
        }
        Pane::Checks => vec![(Pane::Checks, body)],
        _ => small(body, state),
    }
}

fn wide(body: Rect, state: &State) -> Vec<(Pane, Rect)> {
    // Very wide screens have room for what the steps took in the partitions before.
    let left = if body.width >= 190 { 64 } else { 48 };
    let (steps, checks, right, log) = columns(body, left, state);
    let [above, below] = timeline_above(right, 11, state);
    let mut panes = vec![(Pane::Steps, steps), (Pane::Checks, checks), (Pane::Log, log), (upper(state), above)];
    if lower_is_pods(state) {
        panes.push((Pane::Pods, below));
    } else {
        let [load, queries] = Layout::horizontal([Constraint::Percentage(46), Constraint::Fill(1)]).areas(below);
        panes.extend([(Pane::Load, load), (Pane::Queries, queries)]);
    }
    panes
}

fn medium(body: Rect, state: &State) -> Vec<(Pane, Rect)> {
    let (steps, checks, right, log) = columns(body, 43, state);
    let [above, below] = timeline_above(right, 8, state);
    let shared = match state.focus {
        _ if lower_is_pods(state) => Pane::Pods,
        Pane::Queries => Pane::Queries,
        _ => Pane::Load,
    };
    vec![(Pane::Steps, steps), (Pane::Checks, checks), (upper(state), above), (shared, below), (Pane::Log, log)]
}

/// Whether the marked step is about the application: its pods are what is looked at then.
fn is_about_pods(state: &State) -> bool {
    let marked = state.looked_at().0.steps.get(state.step);
    marked.is_some_and(|step| matches!(step.kind, StepKind::Deploy(_) | StepKind::AppHealth(_)))
}

/// Whether the pods have a place beside the finding.
fn has_pods(state: &State) -> bool {
    match state.focus {
        Pane::Pods => true,
        Pane::Timeline | Pane::Load | Pane::Queries => false,
        _ => is_about_pods(state),
    }
}

/// What has the best place: the timeline, but for the steps that it says nothing of.
fn upper(state: &State) -> Pane {
    if state.focus != Pane::Timeline && is_about_pods(state) { Pane::Pods } else { Pane::Timeline }
}

/// Whether the pods take the place of load and queries, because the keys are theirs.
fn lower_is_pods(state: &State) -> bool {
    state.focus == Pane::Pods && upper(state) != Pane::Pods
}

fn small(body: Rect, state: &State) -> Vec<(Pane, Rect)> {
    if state.focus == Pane::Log {
        return vec![(Pane::Log, body)];
    }
    let [pane, log] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length((body.height / 3).clamp(4, 10))]).areas(body);
    vec![(state.focus, pane), (Pane::Log, log)]
}

/// Steps above checks at the left, the log below everything, and what is left at the right.
fn columns(body: Rect, left: u16, state: &State) -> (Rect, Rect, Rect, Rect) {
    let [upper, log] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length((body.height / 4).clamp(7, 14))]).areas(body);
    let [left, right] = Layout::horizontal([Constraint::Length(left), Constraint::Fill(1)]).areas(upper);
    let steps = state.looked_at().0.steps.len() as u16 + 2 + super::panes::steps::heading_rows(state, left);
    let [steps, checks] =
        Layout::vertical([Constraint::Length(steps.min(left.height * 2 / 3)), Constraint::Fill(1)]).areas(left);
    (steps, checks, right, log)
}

/// The timeline takes what its lanes need, as long as `least` rows are left for what is below it.
fn timeline_above(right: Rect, least: u16, state: &State) -> [Rect; 2] {
    let wanted = timeline_height(state).min(right.height.saturating_sub(least));
    Layout::vertical([Constraint::Length(wanted), Constraint::Fill(1)]).areas(right)
}

/// Its lanes, and axis, bracket, earlier figures and the frame; of a failover its milestones as well.
fn timeline_height(state: &State) -> u16 {
    let timeline = state.live_here().map(|live| &live.timeline);
    let lanes = timeline.map_or(0, |timeline| timeline.lanes.len()).max(8) as u16;
    let milestones = if timeline.is_some_and(|timeline| timeline.zero.is_some()) { 2 } else { 0 };
    lanes + 5 + milestones
}
