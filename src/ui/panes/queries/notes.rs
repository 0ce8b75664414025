//! What must be known of the figures before they are believed: one line above them, more where there is room.

use jiff::SignedDuration;
use ratatui::text::Line;

use super::percent;
use crate::app::live::Live;
use crate::ui::panes::Slot;
use crate::ui::text::{Spans, fit_spans, span, width};
use crate::ui::{format, symbols};
use crate::watch::sample::{CounterReset, StatementsView};

/// How long it is told that the counters began anew.
const ANEW: SignedDuration = SignedDuration::from_mins(10);
/// Share of time from which the cockpit's own cost is told.
const OWN: f64 = 0.001;
/// Share of time from which hidden statements are to be minded.
const HIDDEN: f64 = 0.01;
/// Rows of the pane from which there is room for more than one line.
const ROOMY: u16 = 14;

/// The notes; none where there is nothing to note.
pub fn lines(slot: &Slot<'_>, live: &Live, view: &StatementsView, room: usize, height: u16) -> Vec<Line<'static>> {
    let notes = [anew(slot, live, view), evicted(slot, live), hidden(slot, view), own(slot, view)];
    let mut lines: Vec<Spans> = Vec::new();
    for note in notes.into_iter().flatten() {
        let between = span(" · ", slot.theme.faint());
        match lines.last_mut() {
            // Where there is one line only, what does not fit is cut; where there are more, a note stays whole.
            Some(line) if height < ROOMY || width(line) + 3 + note.width() <= room => line.extend([between, note]),
            _ => lines.push(vec![note]),
        }
    }
    lines.into_iter().map(|line| Line::from(fit_spans(line, room))).collect()
}

type Note = Option<ratatui::text::Span<'static>>;

/// That the counters began anew, when, and why.
fn anew(slot: &Slot<'_>, live: &Live, view: &StatementsView) -> Note {
    let (why, at) = live.statement_history.anew()?;
    if slot.state.now.duration_since(at) > ANEW {
        return None;
    }
    let why = match why {
        CounterReset::OtherInstance => {
            let (partition, _) = slot.state.looked_at();
            let to = view.instance.as_ref().map(|instance| format!(" to {}", partition.cluster.short_name(instance)));
            format!("the writer moved{}", to.unwrap_or_default())
        }
        CounterReset::Restarted => "the server restarted".to_owned(),
        CounterReset::Reset => "somebody reset them".to_owned(),
    };
    let at = format::second(at, &slot.state.zone);
    Some(span(format!("{} counters began anew {at}: {why}", symbols::MIND), slot.theme.mind()))
}

/// That the view was too small for all that ran.
fn evicted(slot: &Slot<'_>, live: &Live) -> Note {
    let (times, since) = live.statement_history.evicted()?;
    let since = format::minute(since, &slot.state.zone);
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    let words = format!("{} evicted {times} since {since}: rare statements are missing", symbols::MIND);
    Some(span(words, slot.theme.mind()))
}

/// How much is of roles that this one may not see, and how it could.
fn hidden(slot: &Slot<'_>, view: &StatementsView) -> Note {
    if view.hidden == 0 {
        return None;
    }
    let share = if view.busy_ms > 0.0 { view.hidden_ms / view.busy_ms } else { 0.0 };
    if share < HIDDEN && !slot.state.zoomed {
        // The engine's own role keeps its statements to itself everywhere: a word is enough.
        return Some(span(format!("{} of {} hidden", view.hidden, view.total), slot.theme.faint()));
    }
    let words = format!(
        "{} of {} hidden (insufficient privilege), {} of the time: GRANT pg_read_all_stats TO \"{}\"",
        view.hidden,
        view.total,
        percent(share),
        view.role
    );
    Some(span(words, if share < HIDDEN { slot.theme.faint() } else { slot.theme.mind() }))
}

/// What looking costs.
fn own(slot: &Slot<'_>, view: &StatementsView) -> Note {
    let (interval, all) = (view.interval?, view.busy_ms + view.own_ms);
    let share = if all > 0.0 { view.own_ms / all } else { 0.0 };
    if share <= OWN {
        return None;
    }
    let minute = view.own_ms * 60.0 / interval.as_secs_f64();
    Some(span(format!("⌂ cockpit {} ms/min, {}", format::figure(minute), percent(share)), slot.theme.faint()))
}
