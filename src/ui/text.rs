//! Text in a given width: nothing is clipped in the middle of a character, and what was cut shows that it was.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Pieces of one line.
pub type Spans = Vec<Span<'static>>;

/// Stands for what was cut.
const ELLIPSIS: &str = "…";

/// A piece of text in a style.
pub fn span(text: impl Into<String>, style: Style) -> Span<'static> {
    Span::styled(text.into(), style)
}

/// Columns that the pieces take.
pub fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.content.width()).sum()
}

/// The text within `room` columns, cut with an ellipsis where it is longer.
pub fn fit(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(1) else { return String::new() };
    let mut cut = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        used += grapheme.width();
        if used > room {
            break;
        }
        cut.push_str(grapheme);
    }
    let kept = cut.trim_end().len();
    cut.truncate(kept);
    cut + ELLIPSIS
}

/// The pieces within `room` columns, cut with an ellipsis where they are longer.
pub fn fit_spans(spans: Spans, room: usize) -> Spans {
    if width(&spans) <= room {
        return spans;
    }
    let mut kept = Vec::new();
    let mut left = room;
    for piece in spans {
        let wide = piece.content.width();
        // A piece that just fits leaves no room for the ellipsis that what follows it needs.
        if wide < left {
            left -= wide;
            kept.push(piece);
        } else {
            let text = if wide == left { format!("{}{ELLIPSIS}", piece.content) } else { piece.content.to_string() };
            kept.push(span(fit(&text, left), piece.style));
            break;
        }
    }
    kept
}

/// One line with `left` at its left and `right` at its right edge. Where both do not fit, `left` is cut; `right` goes only
/// where it would leave less than a third of the line to `left`.
pub fn spread(left: Spans, right: Spans, room: usize) -> Line<'static> {
    let right_width = width(&right);
    if right_width == 0 || right_width + 1 + room / 3 > room && width(&left) + 1 + right_width > room {
        return Line::from(fit_spans(left, room));
    }
    let mut line = fit_spans(left, room - right_width - 1);
    let gap = room - right_width - width(&line);
    line.push(Span::raw(" ".repeat(gap)));
    line.extend(right);
    Line::from(line)
}

/// Pads or cuts to exactly `room` columns.
pub fn column(text: &str, room: usize) -> String {
    let text = fit(text, room);
    let gap = room.saturating_sub(text.width());
    text + &" ".repeat(gap)
}

/// Pads at the left, or cuts, to exactly `room` columns.
pub fn column_right(text: &str, room: usize) -> String {
    let text = fit(text, room);
    " ".repeat(room.saturating_sub(text.width())) + &text
}

/// Breaks the pieces at spaces into lines of at most `room` columns; a word that is longer is broken anywhere.
pub fn wrap(spans: &[Span<'_>], room: usize) -> Vec<Spans> {
    let room = room.max(1);
    let mut lines: Vec<Spans> = vec![Vec::new()];
    let mut used = 0;
    for piece in spans {
        for word in piece.content.split_inclusive(' ') {
            let mut word = word;
            let blank = word.trim().is_empty();
            if used + word.trim_end().width() > room && used > 0 {
                lines.push(Vec::new());
                used = 0;
            }
            if blank && used == 0 && lines.len() > 1 {
                continue;
            }
            while word.trim_end().width() > room {
                let at = split_at_width(word, room);
                push(&mut lines, &word[..at], piece.style);
                lines.push(Vec::new());
                word = &word[at..];
            }
            used += word.width();
            push(&mut lines, word, piece.style);
        }
    }
    lines
}

fn push(lines: &mut [Spans], text: &str, style: Style) {
    let Some(line) = lines.last_mut() else { return };
    match line.last_mut() {
        Some(last) if last.style == style => last.content.to_mut().push_str(text),
        _ => line.push(span(text, style)),
    }
}

/// Where to split so that the first part takes at most `room` columns, and at least one character.
fn split_at_width(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > room && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[Spans]) -> Vec<String> {
        lines.iter().map(|line| line.iter().map(|span| span.content.as_ref()).collect()).collect()
    }

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!(fit("failing-over", 12), "failing-over");
        assert_eq!(fit("failing-over", 8), "failing…");
        assert_eq!(fit("a b c", 3), "a…");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("x", 0), "");
        let pieces = vec![Span::raw("four"), Span::raw("more")];
        assert_eq!(plain(&[fit_spans(pieces.clone(), 4)]), ["fou…"]);
        assert_eq!(plain(&[fit_spans(pieces, 6)]), ["fourm…"]);
    }

    #[test]
    fn the_right_edge_is_kept_and_the_left_is_cut() {
        let line = spread(vec![Span::raw("a long label")], vec![Span::raw("12 s")], 12);
        assert_eq!(line.to_string(), "a long… 12 s");
        assert_eq!(line.width(), 12);
        let line = spread(vec![Span::raw("ab")], vec![Span::raw("12 s")], 12);
        assert_eq!(line.to_string(), "ab      12 s");
        let line = spread(vec![Span::raw("a long label")], vec![Span::raw("1234567890")], 12);
        assert_eq!(line.to_string(), "a long label");
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(plain(&wrap(&[Span::raw("one two three")], 8)), ["one two ", "three"]);
        assert_eq!(plain(&wrap(&[Span::raw("abcdefghij k")], 4)), ["abcd", "efgh", "ij k"]);
        assert_eq!(plain(&wrap(&[Span::raw("one"), Span::raw(" two")], 20)), ["one two"]);
    }
}
