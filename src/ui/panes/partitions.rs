//! The partitions in their order: a panel each, or a line each where there is less room. Of a fleet that is larger than that,
//! those that matter now.

mod fleet;

use std::rc::Rc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

use crate::app::live::{Dated, Freshness, Live};
use crate::app::mouse::Target;
use crate::app::state::State;
use crate::runbook::gate::Lock;
use crate::runbook::names::PartitionName;
use crate::runbook::plan::Partition;
use crate::runbook::state::{PartitionRun, StepState};
use crate::ui::layout::Form;
use crate::ui::panel::Panel;
use crate::ui::text::{Spans, fit_spans, span, spread, width};
use crate::ui::theme::Theme;
use crate::ui::{format, symbols, window};
use crate::watch::sample::{ClusterView, MemberView, Role};

/// Draws the partitions.
pub fn draw(buffer: &mut Buffer, area: Rect, form: Form, state: &State, theme: &Theme) {
    let count = state.run.plan.partitions.len();
    let in_hand = state.run.partition_in_hand();
    let view = |index| View::of(state, index, in_hand, theme);
    match form {
        Form::Panels => {
            let places = beside_each_other(area, count);
            for (index, place) in places.iter().enumerate() {
                view(index).panel(buffer, *place);
            }
        }
        Form::Lines => {
            let columns = Columns::of(&state.run.plan.partitions);
            for (row, index) in area.rows().zip(0..count) {
                view(index).line(buffer, row, columns);
            }
        }
        Form::Fleet => fleet::draw(buffer, area, state, theme),
    }
}

/// The panels' places.
fn beside_each_other(area: Rect, count: usize) -> Rc<[Rect]> {
    Layout::horizontal(vec![Constraint::Fill(1); count]).split(area)
}

/// What stands at a place of the screen.
pub fn at(area: Rect, form: Form, state: &State, at: Position) -> Option<Target> {
    let count = state.run.plan.partitions.len();
    match form {
        Form::Panels => {
            let place = beside_each_other(area, count).iter().position(|place| place.contains(at));
            place.map(Target::Partition)
        }
        Form::Lines => {
            let line = usize::from(at.y.checked_sub(area.y)?);
            (line < count).then_some(Target::Partition(line))
        }
        Form::Fleet => fleet::at(area, state, at),
    }
}

/// Columns of names and of steps, so that what is said stands under each other.
#[derive(Clone, Copy)]
struct Columns {
    names: usize,
    steps: usize,
}

impl Columns {
    fn of<'a>(partitions: impl IntoIterator<Item = &'a Partition>) -> Self {
        let none = Self { names: 0, steps: 0 };
        partitions.into_iter().fold(none, |so_far, partition| Self {
            names: so_far.names.max(partition.name.as_str().len()),
            steps: so_far.steps.max(partition.steps.len()),
        })
    }
}

/// Columns of the writer in a partition's line.
const WRITER: usize = 20;

struct View<'a> {
    state: &'a State,
    theme: &'a Theme,
    planned: &'a Partition,
    run: &'a PartitionRun,
    live: Option<&'a Live>,
    states: Vec<StepState>,
    in_hand: bool,
    looked_at: bool,
    /// What the cluster lacks of being available, where that is why it is shown at all.
    unwell: Option<String>,
}

impl<'a> View<'a> {
    fn of(state: &'a State, index: usize, in_hand: Option<&PartitionName>, theme: &'a Theme) -> Self {
        let planned = &state.run.plan.partitions[index];
        let states = planned.steps.iter().map(|step| state.run.state_of(&planned.reference(&step.id))).collect();
        Self {
            state,
            theme,
            planned,
            run: &state.run.partitions[index],
            live: state.live.get(&planned.name),
            states,
            in_hand: in_hand == Some(&planned.name),
            looked_at: state.partition == index,
            unwell: None,
        }
    }

    fn panel(&self, buffer: &mut Buffer, area: Rect) {
        let theme = self.theme;
        let frame = match (self.planned.production, self.looked_at) {
            (true, _) => theme.palette.frame.production,
            (false, true) => theme.palette.frame.focus,
            (false, false) => theme.palette.frame.calm,
        };
        let mut title = Spans::new();
        if self.looked_at && !self.in_hand {
            title.push(span("▸ ", theme.accent()));
        }
        title.push(self.name());
        title.push(span(format!(" {}", self.planned.infrastructure), theme.faint()));
        let (ran, until) = self.times();
        let panel = Panel::new(title, frame.ink()).remark(self.progress()).foot(ran, until).heavy(self.in_hand);
        let inner = panel.draw(area, buffer);
        let room = usize::from(inner.width);
        let mut lines = vec![Line::from(self.glyphs(room))];
        lines.extend(self.members(room));
        lines.truncate(3);
        lines.resize(3, Line::default());
        lines.push(Line::from(self.words(room)));
        crate::ui::panel::lines(buffer, inner, lines);
    }

    /// One row: name, steps, writer, and what matters.
    fn line(&self, buffer: &mut Buffer, row: Rect, Columns { names, steps }: Columns) {
        let theme = self.theme;
        let mark = match (self.in_hand, self.looked_at) {
            (true, _) => {
                span("▌", if self.planned.production { theme.palette.frame.production.ink() } else { theme.accent() })
            }
            (false, true) => span("▸", theme.accent()),
            (false, false) => span(" ", theme.plain()),
        };
        let mut name = self.name();
        name.content = format!("{:names$}", name.content).into();
        let mut left = vec![mark, name, span("  ", theme.plain())];
        left.extend(self.glyphs(steps));
        left.push(span(" ".repeat(steps.saturating_sub(self.states.len()) + 2), theme.plain()));
        let writer = self.live.and_then(|live| live.cluster.as_ref()).and_then(|cluster| {
            let (member, freshness) = (cluster.value.members.first()?, self.freshness(cluster));
            let mut words = self.member(member, freshness);
            if self.moving_to(member).is_none() {
                words.extend(self.class(member, freshness));
            }
            Some(words)
        });
        let before = width(&left);
        left.extend(writer.unwrap_or_else(|| vec![span("no answer yet", theme.faint())]));
        // The words stand under each other, whatever is said before them.
        let mut left = fit_spans(left, before + WRITER);
        left.push(span(" ".repeat(before + WRITER + 2 - width(&left)), theme.plain()));
        let room = usize::from(row.width).saturating_sub(width(&left) + 1);
        left.extend(self.words(room));
        buffer.set_line(row.x, row.y, &Line::from(left), row.width);
    }

    fn name(&self) -> ratatui::text::Span<'static> {
        let theme = self.theme;
        let style = if self.planned.production { theme.palette.frame.production.bold() } else { theme.strong() };
        span(self.planned.name.to_string(), style)
    }

    /// `5/9 ▶`: numbered steps that are behind, and how it stands.
    fn progress(&self) -> Spans {
        let theme = self.theme;
        let (behind, all) = self.state.run.progress(&self.planned.name);
        let (glyph, style) = if self.run.rolled_back.is_some() || self.states.iter().any(StepState::is_trouble) {
            (symbols::FAILED, theme.danger())
        } else if self.states.iter().any(StepState::is_running) {
            (symbols::RUNNING, theme.running())
        } else if self.states.iter().all(StepState::is_behind) {
            (symbols::OK, theme.ok())
        } else if self.states.contains(&StepState::Confirming) {
            (symbols::WAITS, theme.mind())
        } else if self.states.contains(&StepState::Ready) {
            (symbols::WAITS, theme.waiting())
        } else {
            (symbols::NOT_YET, theme.faint())
        };
        vec![span(format!("{behind}/{all} {glyph}"), style.add_modifier(ratatui::style::Modifier::BOLD))]
    }

    /// A glyph for each step, parted by blanks where there is room.
    fn glyphs(&self, room: usize) -> Spans {
        let count = self.states.len();
        let gap = if count * 2 <= room + 1 { " " } else { "" };
        let mut spans = Spans::new();
        for (step, state) in self.planned.steps.iter().zip(&self.states) {
            if !spans.is_empty() && !gap.is_empty() {
                spans.push(span(gap, self.theme.plain()));
            }
            spans.push(symbols::step(state, &step.kind, self.theme));
        }
        fit_spans(spans, room.max(1))
    }

    fn freshness(&self, cluster: &Dated<ClusterView>) -> Freshness {
        cluster.freshness(self.state.now, self.state.pace_of(&self.planned.name).metered())
    }

    /// A row for the writer and one for the readers.
    fn members(&self, room: usize) -> Vec<Line<'static>> {
        let Some(cluster) = self.live.and_then(|live| live.cluster.as_ref()) else {
            return vec![Line::from(span("no answer yet", self.theme.faint()))];
        };
        let freshness = self.freshness(cluster);
        let age = cluster.age(self.state.now);
        let theme = self.theme;
        let row = |member: &MemberView, more: usize| {
            let core = self.member(member, freshness);
            let mut right = Spans::new();
            // The status goes before the name and where the role moves.
            if member.status != "available" && width(&core) + member.status.len() + 4 <= room {
                right.push(span(format!("{} ", member.status), theme.aged(theme.running(), freshness)));
            }
            if freshness != Freshness::Live {
                right.push(span(format!("{} ", format::age_in_seconds(age)), theme.age(freshness)));
            }
            right.push(self.health(member, freshness));
            let mut rest = self.class(member, freshness);
            if more > 0 {
                rest.push(span(format!("  +{more} more"), theme.faint()));
            }
            // What does not fit whole is left out.
            let mut left = core;
            for piece in rest {
                if width(&left) + piece.width() + 1 + width(&right) > room {
                    break;
                }
                left.push(piece);
            }
            spread(left, right, room)
        };
        let members = &cluster.value.members;
        let mut rows = Vec::new();
        rows.extend(members.first().map(|writer| row(writer, 0)));
        // Of several readers, the one that is least well stands for the others.
        let readers = members.iter().skip(1);
        let least_well = readers.clone().find(|reader| reader.status != "available").or_else(|| readers.clone().next());
        rows.extend(least_well.map(|reader| row(reader, readers.count().saturating_sub(1))));
        rows
    }

    /// `W reader1`, or `W writer → reader1` while the role moves.
    fn member(&self, member: &MemberView, freshness: Freshness) -> Spans {
        let theme = self.theme;
        let (letter, style) = role(member, theme);
        let name = self.planned.cluster.short_name(&member.id);
        match self.moving_to(member).filter(|_| member.role == Role::Writer) {
            Some(to) => vec![
                span(format!("{letter} {name}"), theme.aged(style, freshness)),
                span(format!(" → {to}"), theme.aged(theme.running(), freshness)),
            ],
            None => vec![span(format!("{letter} {name:<7}"), theme.aged(style, freshness))],
        }
    }

    /// `t3.medium`, and the class that is queued.
    fn class(&self, member: &MemberView, freshness: Freshness) -> Spans {
        let theme = self.theme;
        let (_, style) = role(member, theme);
        let mut spans = vec![span(format!("  {}", format::class(&member.class)), theme.aged(style, freshness))];
        if let Some(pending) = &member.pending_class {
            spans.push(span(format!(" → {}", format::class(pending)), theme.aged(theme.mind(), freshness)));
        }
        spans
    }

    /// The instance to which a failover under way takes the writer's role, as long as the API names the old one.
    fn moving_to(&self, writer: &MemberView) -> Option<&str> {
        let running = self.states.iter().any(StepState::is_running);
        let zero = self.live?.timeline.zero.as_ref().filter(|zero| running && zero.from == writer.id)?;
        zero.to.as_ref().map(|to| self.planned.cluster.short_name(to))
    }

    fn health(&self, member: &MemberView, freshness: Freshness) -> ratatui::text::Span<'static> {
        let theme = self.theme;
        match (freshness, member.status.as_str()) {
            (Freshness::Late | Freshness::Silent, _) => span(symbols::STALE, theme.age(freshness)),
            (_, "available") if member.group_status == "in-sync" => span(symbols::HEALTHY, theme.ok()),
            (_, "available") => span(symbols::SETTLING, theme.mind()),
            (_, status) if is_broken(status) => span(symbols::FAILED, theme.danger()),
            _ => span(symbols::SETTLING, theme.running()),
        }
    }

    /// What matters of the partition besides its instances.
    fn words(&self, room: usize) -> Spans {
        fit_spans(self.all_words(room), room)
    }

    fn all_words(&self, room: usize) -> Spans {
        let theme = self.theme;
        let plain = |text: String, style: Style| vec![span(text, style)];
        if let Some(word) = &self.run.rolled_back {
            return plain(format!("{} FAILED · ROLLED BACK by {}", symbols::FAILED, word.by), theme.danger());
        }
        let live = self.live.filter(|_| self.in_hand);
        if let Some(down) = live.and_then(|live| live.timeline.down_since()) {
            return plain(
                format!("{} DOWN {}", symbols::FAILED, format::seconds(self.state.since(down))),
                theme.danger(),
            );
        }
        for (step, state) in self.planned.steps.iter().zip(&self.states) {
            if state.is_trouble() {
                let words =
                    format!("{} {} {} {}", symbols::FAILED, step.label, step.title, state.to_string().to_lowercase());
                return plain(words, theme.danger());
            }
        }
        if let Some(words) = &self.unwell {
            return plain(format!("{} {words}", symbols::SETTLING), theme.mind());
        }
        if let Some(word) = &self.run.go_ahead {
            let at = format::minute(word.at, &self.state.zone);
            let mut spans = vec![span(symbols::OK, theme.ok()), span(format!(" go-ahead {at}"), theme.faint())];
            if let Some(disruption) = self.run.failovers.last().and_then(|failover| failover.disruption) {
                let words = span(format!("  disruption {}", format::seconds(disruption.length)), theme.faint());
                if width(&spans) + words.width() <= room {
                    spans.push(words);
                }
            }
            return spans;
        }
        if let Some(before) = self.waits_for() {
            return plain(format!("{} {before}", symbols::NOT_YET), theme.faint());
        }
        self.configuration()
    }

    /// How long machines worked on it, and where its window is; at the end of the night only what was worked.
    fn times(&self) -> (Spans, Spans) {
        let outlook = window::outlook(self.planned, self.state);
        let window = self.planned.window.as_ref().filter(|_| !outlook.left().is_zero());
        let until = window.map(|window| {
            let (words, style) = window::countdown(window, &outlook, self.state, self.theme);
            vec![span("window ", self.theme.faint()), span(words, style)]
        });
        (window::ran(&outlook, self.theme), until.unwrap_or_default())
    }

    /// What of an earlier partition this one waits for.
    fn waits_for(&self) -> Option<String> {
        if self.in_hand {
            return None;
        }
        self.states.iter().find_map(|state| match state {
            StepState::Locked(locks) => locks.iter().find_map(|lock| match lock {
                Lock::PartitionBefore(name) => Some(format!("after {name}'s go-ahead")),
                Lock::RolledBackBefore(name) => Some(format!("locked: {name} was rolled back")),
                _ => None,
            }),
            _ => None,
        })
    }

    /// How far parameter group and class are.
    fn configuration(&self) -> Spans {
        let theme = self.theme;
        let Some(cluster) = self.live.and_then(|live| live.cluster.as_ref()) else { return Spans::new() };
        let freshness = self.freshness(cluster);
        let members = &cluster.value.members;
        let odd = members.iter().find(|member| member.group_status != "in-sync");
        let group = odd.map_or("in-sync", |member| member.group_status.as_str());
        let style = if odd.is_some() { theme.mind() } else { theme.ok() };
        let mut spans = vec![span("group ", theme.faint()), span(group.to_owned(), theme.aged(style, freshness))];
        let target = &self.planned.cluster;
        if let Some(after) = target.class_after.as_ref().filter(|after| target.class_before.as_ref() != Some(after)) {
            let swapped = members.iter().filter(|member| member.class == *after).count();
            let style = if swapped == members.len() { theme.ok() } else { theme.mind() };
            spans.push(span(format!("  {swapped}/{} swapped", members.len()), theme.aged(style, freshness)));
        }
        spans
    }
}

fn role(member: &MemberView, theme: &Theme) -> (&'static str, Style) {
    match member.role {
        Role::Writer => ("W", theme.bright()),
        Role::Reader => ("R", theme.faint()),
    }
}

/// Statuses from which an instance does not come back on its own.
fn is_broken(status: &str) -> bool {
    matches!(status, "failed" | "storage-full" | "restore-error" | "inaccessible-encryption-credentials")
        || status.starts_with("incompatible-")
}
