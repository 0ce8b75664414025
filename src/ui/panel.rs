//! The frame around a pane: faint and rounded, accent where the keys go, heavy where the work is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Widget};

use super::text::{Spans, fit_spans, span, width};

/// A frame with a title at its left and a remark at its right.
pub struct Panel {
    title: Spans,
    remark: Spans,
    foot: (Spans, Spans),
    frame: Style,
    border: BorderType,
}

impl Panel {
    /// A faint frame with a title.
    pub fn new(title: Spans, frame: Style) -> Self {
        Self { title, remark: Vec::new(), foot: Default::default(), frame, border: BorderType::Rounded }
    }

    /// Puts a remark at the right end of the upper edge.
    pub fn remark(mut self, remark: Spans) -> Self {
        self.remark = remark;
        self
    }

    /// Puts words at the left and the right end of the lower edge. Where both do not fit, those at the left go; where they
    /// alone do not fit, so do those at the right.
    pub fn foot(mut self, left: Spans, right: Spans) -> Self {
        self.foot = (left, right);
        self
    }

    /// Makes the frame heavy.
    pub fn heavy(mut self, heavy: bool) -> Self {
        if heavy {
            self.border = BorderType::Thick;
        }
        self
    }

    /// Draws the frame and answers the room inside, a column of air left and right.
    pub fn draw(self, area: Rect, buffer: &mut Buffer) -> Rect {
        let block = Block::bordered().border_type(self.border).border_style(self.frame);
        let inner = block.inner(area);
        block.render(area, buffer);
        let room = usize::from(area.width.saturating_sub(4));
        // Title and remark with a blank on either side, and a piece of edge between them.
        let title_room = room.saturating_sub(2);
        let remark_width = width(&self.remark);
        let fits = width(&self.title) + remark_width + 5 <= room;
        let title = fit_spans(self.title, title_room);
        set(buffer, area.x + 2, area.y, padded(title), area);
        if fits && remark_width > 0 {
            let x = area.right().saturating_sub(remark_width as u16 + 4);
            set(buffer, x, area.y, padded(self.remark), area);
        }
        let (left, right) = self.foot;
        let (left_width, right_width) = (width(&left), width(&right));
        let lower = area.bottom().saturating_sub(1);
        if right_width > 0 && right_width + 2 <= room {
            let x = area.right().saturating_sub(right_width as u16 + 4);
            set(buffer, x, lower, padded(right), area);
        }
        if left_width > 0 && left_width + right_width + if right_width > 0 { 5 } else { 2 } <= room {
            set(buffer, area.x + 2, lower, padded(left), area);
        }
        Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
    }
}

fn padded(mut spans: Spans) -> Spans {
    if !spans.is_empty() {
        spans.insert(0, span(" ", Style::new()));
        spans.push(span(" ", Style::new()));
    }
    spans
}

fn set(buffer: &mut Buffer, x: u16, y: u16, spans: Spans, area: Rect) {
    buffer.set_line(x, y, &Line::from(spans), area.right().saturating_sub(x));
}

/// Draws lines from the top of an area; those that do not fit are left out.
pub fn lines(buffer: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Line<'static>>) {
    for (row, line) in area.rows().zip(lines) {
        buffer.set_line(row.x, row.y, &line, row.width);
    }
}
