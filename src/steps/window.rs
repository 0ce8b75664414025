//! Whether a step that changes something is fired within the partition's agreed window, and has room in it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::Look;
use crate::clock;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::outlook::{Basis, Estimate, Standing, roughly};
use crate::runbook::plan::Window;

/// What a confirmation says of the window; nothing where the partition has none, or the step changes nothing. Being outside
/// is minded, not refused: a night that runs late must be ended.
pub(super) fn precondition(look: &Look) -> Option<Precondition> {
    let window = look.partition.window.as_ref().filter(|_| look.step.kind.changes_the_world())?;
    let (holds, text) = judge(window, look.estimate.as_ref(), clock::now(), &look.zone());
    Some(Precondition::now(text, holds))
}

fn judge(window: &Window, estimate: Option<&Estimate>, now: Timestamp, zone: &TimeZone) -> (Holds, String) {
    let today = now.to_zoned(zone.clone()).date();
    let at = |time: Timestamp| {
        let time = time.to_zoned(zone.clone());
        let format = if time.date() == today { "%H:%M %Z" } else { "%a %Y-%m-%d %H:%M %Z" };
        time.strftime(format).to_string()
    };
    match window.standing(now) {
        Standing::Ahead(opens) => {
            let opens = roughly(opens);
            (Holds::Mind, format!("outside its window: it opens {}, in {opens}", at(window.from)))
        }
        Standing::Over(since) => {
            let since = roughly(since);
            (Holds::Mind, format!("outside its window: it closed {}, {since} ago", at(window.to)))
        }
        Standing::Open(left) => match estimate.filter(|estimate| estimate.lasts > left) {
            Some(Estimate { lasts, basis }) => {
                let by = match basis {
                    Basis::Before(partition) => format!("it took {} in {partition}", roughly(*lasts)),
                    Basis::Plan => format!("it usually takes {}", roughly(*lasts)),
                };
                (Holds::Mind, format!("its window closes at {}, in {}; {by}", at(window.to), roughly(left)))
            }
            None => (Holds::Yes, format!("within its window, {} left of it", roughly(left))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_confirmation_says_where_the_step_would_be_against_the_window() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Window { from: at("2026-05-15T06:00:00Z"), to: at("2026-05-15T08:00:00Z") };
        let zone = TimeZone::get("America/Los_Angeles").unwrap();
        let of = |seconds, basis| Some(Estimate { lasts: Duration::from_secs(seconds), basis });
        let stage = || Basis::Before("stage".into());
        let table = [
            ("2026-05-14T20:00:00Z", None, Holds::Mind, "outside its window: it opens 23:00 PDT, in 10 h"),
            (
                "2026-05-14T05:00:00Z",
                None,
                Holds::Mind,
                "outside its window: it opens Thu 2026-05-14 23:00 PDT, in 25 h",
            ),
            ("2026-05-15T06:00:00Z", of(442, stage()), Holds::Yes, "within its window, 2 h left of it"),
            (
                "2026-05-15T07:54:00Z",
                of(442, stage()),
                Holds::Mind,
                "its window closes at 01:00 PDT, in 6 min; it took 8 min in stage",
            ),
            (
                "2026-05-15T07:59:40Z",
                of(40, Basis::Plan),
                Holds::Mind,
                "its window closes at 01:00 PDT, in 20 s; it usually takes 40 s",
            ),
            (
                "2026-05-15T08:05:00Z",
                of(40, Basis::Plan),
                Holds::Mind,
                "outside its window: it closed 01:00 PDT, 5 min ago",
            ),
        ];
        for (now, estimate, holds, text) in table {
            assert_eq!(judge(&window, estimate.as_ref(), at(now), &zone), (holds, text.to_owned()), "at {now}");
        }
    }
}
