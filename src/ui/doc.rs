//! The text of a dialog: labels at the left, words wrapped beside them.

use ratatui::style::Style;
use ratatui::text::Line;

use super::text::{Spans, column, span, wrap};
use super::theme::Theme;

/// Columns of the labels.
const LABEL: usize = 11;

/// A text that grows line by line, for a given width.
pub struct Doc<'a> {
    theme: &'a Theme,
    room: usize,
    lines: Vec<Line<'static>>,
}

impl<'a> Doc<'a> {
    /// An empty text of that width.
    pub fn new(theme: &'a Theme, room: usize) -> Self {
        Self { theme, room, lines: Vec::new() }
    }

    /// Columns beside a label.
    pub fn beside(&self) -> usize {
        self.room.saturating_sub(LABEL)
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// An empty line, unless there is one already.
    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.spans.is_empty()) {
            self.lines.push(Line::default());
        }
    }

    /// A line as it is.
    pub fn line(&mut self, line: Line<'static>) {
        self.lines.push(line);
    }

    /// A paragraph over the whole width.
    pub fn text(&mut self, words: impl Into<String>, style: Style) {
        self.lines.extend(wrap(&[span(words, style)], self.room).into_iter().map(Line::from));
    }

    /// Words beside a label, wrapped; the label stands at the first line only.
    pub fn field(&mut self, label: &str, spans: Spans) {
        self.labelled(label, wrap(&spans, self.beside()));
    }

    /// Words in one style beside a label.
    pub fn words(&mut self, label: &str, words: impl Into<String>, style: Style) {
        self.field(label, vec![span(words, style)]);
    }

    /// Lines beside a label, each as it is.
    pub fn labelled(&mut self, label: &str, lines: Vec<Spans>) {
        for (index, spans) in lines.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let mut line = vec![span(column(label, LABEL), self.theme.faint())];
            line.extend(spans);
            self.lines.push(Line::from(line));
        }
    }

    /// A command line beside a label, broken so that it can be copied: every line but the last ends in a backslash.
    pub fn command_line(&mut self, label: &str, command_line: &str, style: Style) {
        let rows = wrap(&[span(command_line, style)], self.beside().saturating_sub(4));
        let last = rows.len().saturating_sub(1);
        let lines = rows.into_iter().enumerate().map(|(index, mut row)| {
            if index > 0 {
                row.insert(0, span("  ", style));
            }
            if index < last {
                row.push(span("\\", style));
            }
            row
        });
        let lines = lines.collect();
        self.labelled(label, lines);
    }

    /// The lines.
    pub fn finish(mut self) -> Vec<Line<'static>> {
        while self.lines.last().is_some_and(|line| line.spans.is_empty()) {
            self.lines.pop();
        }
        self.lines
    }
}
