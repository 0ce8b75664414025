//! The sheet that a dialog is written on: a frame with a badge, a text that scrolls, and a foot that stays.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

use super::Scene;
use crate::runbook::plan::Partition;
use crate::ui::panel::{self, Panel};
use crate::ui::text::{Spans, span};
use crate::ui::theme::Rgb;

/// Widest sheet.
const WIDEST: u16 = 112;
/// Columns of frame and air around the text.
const AROUND: u16 = 6;

/// A sheet before it is drawn.
pub struct Sheet {
    /// Word on a coloured ground, at the left of the upper edge.
    pub badge: Option<Span<'static>>,
    /// What it is about.
    pub title: Spans,
    /// Colour of the frame.
    pub frame: Rgb,
    /// Whether the frame is heavy.
    pub heavy: bool,
    /// The text.
    pub body: Vec<Line<'static>>,
    /// What stays at the lower edge.
    pub foot: Vec<Line<'static>>,
    /// Lines scrolled.
    pub scroll: usize,
    /// The keys that scroll it.
    pub scroll_keys: &'static str,
    /// Whether it stands at the lower edge, and leaves as much of the screen as it can.
    pub low: bool,
}

/// Columns of text on a sheet on this screen.
pub fn room(scene: &Scene<'_>) -> usize {
    usize::from(width(scene).saturating_sub(AROUND))
}

/// Columns of the whole sheet: a small screen is covered from edge to edge.
fn width(scene: &Scene<'_>) -> u16 {
    if scene.area.width < 100 { scene.area.width } else { scene.area.width.saturating_sub(4).min(WIDEST) }
}

impl Sheet {
    /// A sheet about nothing in particular.
    pub fn new(scene: &Scene<'_>, title: &str) -> Self {
        Self {
            badge: None,
            title: vec![span(title.to_owned(), scene.theme.strong())],
            frame: scene.theme.palette.frame.focus,
            heavy: false,
            body: Vec::new(),
            foot: Vec::new(),
            scroll: 0,
            scroll_keys: "↑↓ ",
            low: false,
        }
    }

    /// Gives a sheet about a partition its frame; production has its own, and its name in capitals.
    pub fn of_partition(mut self, scene: &Scene<'_>, partition: &Partition) -> Self {
        if partition.production {
            let colour = scene.theme.palette.frame.production;
            self.frame = colour;
            self.heavy = true;
            self.badge = Some(span(format!(" {} ", partition.name.as_str().to_uppercase()), scene.theme.badge(colour)));
        } else {
            self.title.insert(0, span(format!("{} · ", partition.name), scene.theme.plain()));
        }
        self
    }

    /// Draws the sheet in the middle of the screen; answers where its foot stands.
    pub fn draw(mut self, buffer: &mut Buffer, scene: &Scene<'_>) -> Rect {
        let theme = scene.theme;
        let width = width(scene);
        let margin = if scene.area.height < 30 { 0 } else { 2 };
        let most = usize::from(scene.area.height.saturating_sub(margin));
        // Air goes before words do.
        let airy = !self.low && self.body.len() + self.foot.len() + 5 <= most;
        let gap = usize::from(!self.low && !self.foot.is_empty() && scene.area.height >= 30);
        let frame_and_foot = 2 + self.foot.len() + gap;
        // Nor is there air between the parts, where that saves scrolling.
        let words = self.body.iter().filter(|line| !line.spans.is_empty()).count();
        if self.body.len() + frame_and_foot > most && words + frame_and_foot <= most {
            self.body.retain(|line| !line.spans.is_empty());
        }
        let air = if airy { 2 } else { 0 };
        let height = (self.body.len() + air + frame_and_foot).min(most) as u16;
        let area = Rect {
            x: scene.area.x + (scene.area.width - width) / 2,
            y: scene.area.y + (scene.area.height - height) / if self.low { 1 } else { 2 },
            width,
            height,
        };
        Clear.render(area, buffer);
        buffer.set_style(area, theme.plain().patch(theme.palette.ground.dialog.ground()));

        let visible = usize::from(height) - frame_and_foot - air;
        let scroll = self.scroll.min(self.body.len().saturating_sub(visible));
        let below = self.body.len().saturating_sub(scroll + visible);
        let remark = match (scroll, below) {
            (0, 0) => Spans::new(),
            _ => vec![
                span(self.scroll_keys, theme.accent()),
                span(format!("{}–{} of {}", scroll + 1, scroll + visible, self.body.len()), theme.faint()),
            ],
        };
        let mut title = Spans::new();
        if let Some(badge) = self.badge.take() {
            title.push(badge);
            title.push(span("  ", theme.plain()));
        }
        title.append(&mut self.title);
        let inner = Panel::new(title, self.frame.ink()).remark(remark).heavy(self.heavy).draw(area, buffer);
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let foot_height = self.foot.len() as u16;
        let foot = Rect { y: inner.bottom() - foot_height, height: foot_height, ..inner };
        let text = Rect { y: inner.y + u16::from(airy), height: visible as u16, ..inner };
        panel::lines(buffer, text, self.body.into_iter().skip(scroll));
        panel::lines(buffer, foot, self.foot);
        foot
    }
}

/// A button; the focused one stands on a coloured ground.
pub fn button(scene: &Scene<'_>, label: &str, focused: bool, enabled: bool, ground: Rgb) -> Span<'static> {
    let theme = scene.theme;
    let text = format!(" {label} ");
    match (focused, enabled) {
        (true, true) => span(text, theme.badge(ground)),
        (true, false) | (false, false) => span(text, theme.ghost()),
        (false, true) => span(text, theme.bright()),
    }
}
