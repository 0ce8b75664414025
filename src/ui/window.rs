//! The words for a partition's window and for how far it is: the same in the header, the panels, the steps and the details.

use std::time::Duration;

use ratatui::style::Style;

use crate::app::state::State;
use crate::runbook::outlook::{Outlook, Standing};
use crate::runbook::plan::{Partition, Window};
use crate::ui::text::{Spans, span};
use crate::ui::theme::Theme;
use crate::ui::{format, symbols};

/// How short the rest of a window is to be minded.
const SHORT: Duration = Duration::from_secs(15 * 60);

/// `23:00 – 01:00`, with the day where it opens on another than today.
pub fn hours(window: &Window, state: &State) -> String {
    let Window { from, to } = window;
    let from = match window.standing(state.now) {
        Standing::Ahead(_) => format::minute_of_day(*from, state.now, &state.zone),
        Standing::Open(_) | Standing::Over(_) => format::minute(*from, &state.zone),
    };
    format!("{from} – {}", format::minute(*to, &state.zone))
}

/// `in 1 h 12 min`, `1:43:13 left`, `over by 5 min`.
pub fn countdown(window: &Window, outlook: &Outlook, state: &State, theme: &Theme) -> (String, Style) {
    let lacks = window.lacks(state.now, outlook.left()).is_some();
    match window.standing(state.now) {
        Standing::Ahead(opens) => {
            (format!("in {}", format::roughly(opens)), if lacks { theme.mind() } else { theme.plain() })
        }
        Standing::Open(left) => {
            let style = if lacks || left < SHORT { theme.mind() } else { theme.plain() };
            (format!("{} left", format::took(left)), style)
        }
        Standing::Over(since) => (format!("over by {}", format::roughly(since)), theme.danger()),
    }
}

/// Whether what is still to come has room in the window; nothing where nothing is to come.
pub fn fits(window: &Window, outlook: &Outlook, state: &State, theme: &Theme) -> Spans {
    let left = outlook.left();
    if left.is_zero() {
        return Spans::new();
    }
    let Some(lacks) = window.lacks(state.now, left) else {
        let spare = format::roughly(window.room(state.now).saturating_sub(left));
        return vec![
            span(format!("{} ", symbols::OK), theme.ok()),
            span(format!("fits, {spare} to spare"), theme.faint()),
        ];
    };
    let words = match window.standing(state.now) {
        Standing::Over(_) => "window is over".to_owned(),
        _ => format!("window {} too short", format::roughly(lacks)),
    };
    vec![span(format!("{} {words}", symbols::MIND), theme.mind())]
}

/// `ran 23:08 (~19:40)`: the machines' time so far, against what it was likely to be by now. Nothing before anything
/// ran.
pub fn ran(outlook: &Outlook, theme: &Theme) -> Spans {
    let (spent, due) = (outlook.spent, outlook.due());
    if spent.is_zero() {
        return Spans::new();
    }
    // A quarter more than expected is minded, where that is not a matter of seconds.
    let late = spent > due * 5 / 4 + Duration::from_secs(60);
    let style = if late { theme.mind() } else { theme.plain() };
    vec![
        span("ran ", theme.faint()),
        span(format::took(spent), style),
        span(format!(" (~{})", format::took(due)), theme.faint()),
    ]
}

/// How far a partition is.
pub fn outlook(partition: &Partition, state: &State) -> Outlook {
    state.run.outlook(partition, state.now)
}
