//! The load before and after the last flip, side by side.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::Slot;
use super::bars::bar;
use crate::app::live::Live;
use crate::app::load_change::{LoadChange, NoChange};
use crate::ui::text::{Spans, column, column_right, fit, span};
use crate::ui::{format, panel};

/// A change below this share is none.
const SAME: f64 = 0.05;
/// A change above this share is to be minded.
const MIND: f64 = 0.25;
/// A change above this share hurts.
const HURTS: f64 = 1.0;
/// Sessions below which a change says nothing.
const NOTHING: f64 = 0.02;
/// Columns of a figure, and of the change.
const FIGURE: usize = 7;
const CHANGE: usize = 9;
/// Longest bar.
const BAR: usize = 18;

/// Draws the comparison, or why there is none.
pub(super) fn draw(buffer: &mut Buffer, slot: &Slot<'_>, live: &Live, room: Rect) {
    let theme = slot.theme;
    let title = span("before and after the flip", theme.strong());
    let second = |at| format::second(at, &slot.state.zone);
    let change = match LoadChange::of(&live.load, slot.state.now) {
        Ok(change) => change,
        Err(why) => {
            let words = match why {
                NoChange::NotMoved => {
                    "The writer has not moved since it is watched. After a failover the load of both sides stands here."
                        .to_owned()
                }
                NoChange::TooSoon { seam } => {
                    format!("The role moved at {}; first figures after five seconds.", second(seam))
                }
                NoChange::NothingBefore { seam } => {
                    format!("The role moved at {}; of the time before nothing is known.", second(seam))
                }
            };
            let style = theme.faint();
            return slot.empty(
                buffer,
                room,
                &[("before and after the flip".to_owned(), theme.strong()), (words, style)],
            );
        }
    };
    let width = usize::from(room.width);
    let stretch = format::took(change.stretch.unsigned_abs());
    let (from, to) = (slot.short(&change.from), slot.short(&change.to));
    let mut head = vec![title];
    head.extend(slot.faint(format!(" · {} · means of {stretch} on either side", second(change.seam))));
    let table = Table::of(slot, &change, width);
    let mut lines = vec![Line::from(crate::ui::text::fit_spans(head, width)), table.head(&from, &to), table.all()];
    lines.extend(change.waits.iter().map(|wait| table.row(wait)));
    let lacks = |measured| (change.stretch - measured).as_secs();
    let (before, after) = (lacks(change.measured.0), lacks(change.measured.1));
    if before > 1 || after > 1 {
        let words = format!("without figures: {before} s before, {after} s after");
        lines.insert(3.min(lines.len()), Line::from(slot.faint(fit(&words, width))));
    }
    panel::lines(buffer, room, lines);
}

struct Table<'a> {
    slot: &'a Slot<'a>,
    change: &'a LoadChange,
    name: usize,
    bar: usize,
    most: f64,
}

impl<'a> Table<'a> {
    fn of(slot: &'a Slot<'a>, change: &'a LoadChange, width: usize) -> Self {
        let longest = change.waits.iter().map(|(name, ..)| name.chars().count() + 2).max().unwrap_or(0);
        let figures = 2 * FIGURE + CHANGE;
        let name = longest.clamp(8, width.saturating_sub(figures).max(8));
        let bar = (width.saturating_sub(name + figures + 4) / 2).min(BAR);
        let most = change.waits.iter().map(|(_, then, now)| then.max(*now)).fold(0.0, f64::max);
        Self { slot, change, name, bar: if bar < 4 { 0 } else { bar }, most }
    }

    fn head(&self, from: &str, to: &str) -> Line<'static> {
        let side = |word: &str, instance: &str| {
            let long = format!("{word} · {instance}");
            let room = FIGURE + self.bar + usize::from(self.bar > 0) * 2;
            if long.chars().count() < room {
                column_right(word, FIGURE) + &column(&format!(" · {instance}"), room - FIGURE)
            } else {
                column(&column_right(word, FIGURE), room)
            }
        };
        let words =
            column("", self.name) + &side("before", from) + &side("after", to) + &column_right("change", CHANGE);
        Line::from(self.slot.faint(words))
    }

    fn all(&self) -> Line<'static> {
        let theme = self.slot.theme;
        let name = span(column("all", self.name), theme.strong());
        self.line(name, self.change.all, Style::new(), theme.strong())
    }

    fn row(&self, (name, then, now): &(String, f64, f64)) -> Line<'static> {
        let theme = self.slot.theme;
        let name_room = self.name.saturating_sub(2);
        let colour = Style::new().fg(theme.wait(name));
        let mut line = self.line(span(column(name, name_room), theme.plain()), (*then, *now), colour, theme.plain());
        line.spans.insert(0, span("■ ", colour));
        line
    }

    fn line(
        &self,
        name: ratatui::text::Span<'static>,
        (then, now): (f64, f64),
        bars: Style,
        style: Style,
    ) -> Line<'static> {
        let theme = self.slot.theme;
        let mut spans: Spans = vec![name];
        for value in [then, now] {
            spans.push(span(column_right(&format!("{value:.2}"), FIGURE), style));
            if self.bar > 0 {
                // The sum is no wait event: its figures are enough.
                let share = if self.most > 0.0 && bars.fg.is_some() { value / self.most } else { 0.0 };
                spans.push(span(" ", style));
                spans.push(bar(share, self.bar, bars));
                spans.push(span(" ", style));
            }
        }
        let (words, change) = changed(then, now);
        let change = match change {
            change if change > HURTS => theme.danger(),
            change if change > MIND => theme.mind(),
            change if change < -MIND => theme.ok(),
            _ => theme.faint(),
        };
        let change =
            if style.add_modifier.contains(Modifier::BOLD) { change.add_modifier(Modifier::BOLD) } else { change };
        spans.push(span(column_right(&words, CHANGE), change));
        Line::from(spans)
    }
}

/// How a load changed, in words and as a share.
fn changed(then: f64, now: f64) -> (String, f64) {
    if then < NOTHING && now < NOTHING {
        return ("=".to_owned(), 0.0);
    }
    if then < NOTHING {
        return ("new".to_owned(), 0.0);
    }
    let change = now / then - 1.0;
    let words = match change {
        change if change.abs() < SAME => "=".to_owned(),
        change if change > 9.995 => format!("×{:.0}", change + 1.0),
        change if now < NOTHING && change < 0.0 => "gone".to_owned(),
        change if change < 0.0 => format!("−{:.0} %", -change * 100.0),
        change => format!("+{:.0} %", change * 100.0),
    };
    (words, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_said_as_a_share_of_what_was() {
        for (then, now, expected) in [
            (1.0, 1.02, "="),
            (1.0, 1.5, "+50 %"),
            (1.0, 0.5, "−50 %"),
            (0.1, 2.0, "×20"),
            (0.0, 0.4, "new"),
            (0.4, 0.0, "gone"),
            (0.001, 0.019, "="),
        ] {
            assert_eq!(changed(then, now).0, expected, "{then} -> {now}");
        }
    }
}
