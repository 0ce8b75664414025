//! The panes, one file each.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::format;
use super::panel::Panel;
use super::text::{Spans, span};
use super::theme::Theme;
use crate::app::live::Freshness;
use crate::app::state::{Pane, State};

pub mod banner;
pub mod checks;
mod figures;
mod finding;
pub mod footer;
pub mod header;
pub mod load;
pub mod log;
mod moments;
pub mod partitions;
pub mod pods;
pub mod queries;
pub mod scrubber;
pub mod steps;
pub mod timeline;
mod timescale;

/// A pane's place on the screen and what it draws from.
pub struct Slot<'a> {
    /// Its place.
    pub area: Rect,
    /// Which pane it is.
    pub pane: Pane,
    /// Whether it stands for all the others, so that its frame names them.
    pub alone: bool,
    /// What is drawn.
    pub state: &'a State,
    /// In which colours.
    pub theme: &'a Theme,
}

impl Slot<'_> {
    /// Draws the pane's frame and answers the room inside.
    fn panel(&self, buffer: &mut Buffer, title: Spans, remark: Spans) -> Rect {
        self.panel_with_foot(buffer, title, remark, (Spans::new(), Spans::new()))
    }

    /// The same, with words at the ends of its lower edge.
    fn panel_with_foot(&self, buffer: &mut Buffer, title: Spans, remark: Spans, foot: (Spans, Spans)) -> Rect {
        let focused = self.state.focus == self.pane;
        let frame = if focused { self.theme.palette.frame.focus } else { self.theme.palette.frame.calm };
        let remark = if self.alone && focused && !self.state.zoomed { self.other_panes() } else { remark };
        Panel::new(title, frame.ink()).remark(remark).foot(foot.0, foot.1).draw(self.area, buffer)
    }

    /// How old a datum of the partition that is looked at is. Seconds are counted where something moves or the datum is older
    /// than it should be; a screen that is left running is not drawn anew each second for the sake of what is in order.
    fn age(&self, age: Duration, fresh: Freshness) -> String {
        let calm = fresh == Freshness::Live && self.state.is_calm_in(&self.state.looked_at().0.name);
        if calm { format::age_in_steps(age) } else { format::age_in_seconds(age) }
    }

    /// The title, stronger where the keys go.
    fn title(&self, text: impl Into<String>) -> Spans {
        vec![span(text, self.theme.strong())]
    }

    fn faint(&self, text: impl Into<String>) -> Spans {
        vec![span(text, self.theme.faint())]
    }

    /// On a small screen: what stands behind this pane.
    fn other_panes(&self) -> Spans {
        let names = Pane::ALL.iter().filter(|pane| **pane != self.pane).map(|pane| match pane {
            Pane::Steps => "steps",
            Pane::Checks => "checks",
            Pane::Timeline => "failover",
            Pane::Load => "load",
            Pane::Queries => "queries",
            Pane::Pods => "pods",
            Pane::Log => "log",
        });
        vec![span("⇥ ", self.theme.accent()), span(names.collect::<Vec<_>>().join(" "), self.theme.faint())]
    }

    /// A few words in an empty pane.
    fn empty(&self, buffer: &mut Buffer, inner: Rect, lines: &[(String, Style)]) {
        let mut rows = inner.rows();
        for (text, style) in lines {
            for line in super::text::wrap(&[span(text.clone(), *style)], usize::from(inner.width)) {
                let Some(row) = rows.next() else { return };
                buffer.set_line(row.x, row.y, &line.into(), row.width);
            }
        }
    }
}
