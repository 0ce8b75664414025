//! What can be done about a step in trouble, as a list of keys, the best first.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::ways::{Act, WayOut, best, ways};
use crate::runbook::names::StepRef;
use crate::ui::doc::Doc;
use crate::ui::text::{span, spread};
use crate::ui::{finding, format, symbols};

/// Draws the list.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, step: &StepRef, marked: usize, scroll: u16) {
    let (state, theme) = (scene.state, scene.theme);
    let Some((partition, planned, _)) = state.run.step(step) else { return };
    let Some((attempt, what)) = state.run.trouble(step) else { return };
    let all = ways(state, step);
    let best = best(&all);
    let mut doc = Doc::new(theme, room(scene));
    finding::cause(&mut doc, theme, what);
    doc.blank();
    let inner = room(scene).saturating_sub(2);
    let mut parted = false;
    for (index, way) in all.iter().enumerate() {
        if !way.offered && !parted {
            parted = true;
            if index > 0 {
                doc.text("otherwise", theme.faint());
            }
        }
        let (left, right) = finding::way(state, theme, step, (index, way), index == best);
        let mark = if index == marked { span("› ", theme.accent()) } else { span("  ", theme.plain()) };
        let mut line = spread(left, right, inner);
        line.spans.insert(0, mark);
        // The ground of the marked one goes from edge to edge.
        line.spans.push(span(" ".repeat((inner + 2).saturating_sub(line.width())), theme.plain()));
        doc.line(if index == marked { line.patch_style(theme.palette.ground.marked.ground()) } else { line });
    }
    doc.blank();
    if let Some(way) = all.get(marked) {
        if let (Act::Again, Some(remedy)) = (&way.act, &what.remedy) {
            for (index, item) in finding::items(remedy).into_iter().enumerate() {
                doc.words(if index == 0 { "way out" } else { "" }, item, theme.strong());
            }
        }
        about(&mut doc, scene, way);
    }
    if what.situation.is_none() {
        doc.blank();
        finding::evidence(&mut doc, state, theme, "seen", &what.evidence);
    }
    if let Some(guide) = planned.guide.as_ref().filter(|_| what.situation.is_none()) {
        doc.blank();
        for (index, item) in finding::items(guide).into_iter().enumerate() {
            doc.words(if index == 0 { "runbook" } else { "" }, item, theme.plain());
        }
    }
    let title = format!("ways out of {} {}", planned.label, planned.title);
    let mut sheet = Sheet::new(scene, &title).of_partition(scene, partition);
    sheet.frame = theme.palette.state.danger;
    if !partition.production {
        let badge = format!(" {} {} ", symbols::FAILED, attempt.stands());
        sheet.badge = Some(span(badge, theme.badge(theme.palette.state.danger)));
    }
    sheet.body = doc.finish();
    sheet.scroll = usize::from(scroll);
    sheet.scroll_keys = "PgDn ";
    sheet.foot = vec![Line::from(vec![
        span("Enter", theme.accent()),
        span(" or its number opens it   ", theme.plain()),
        span("d", theme.accent()),
        span(" details   ", theme.plain()),
        span("Esc leaves it as it is", theme.faint()),
    ])];
    sheet.draw(buffer, scene);
}

/// What taking the marked way means.
fn about(doc: &mut Doc<'_>, scene: &Scene<'_>, way: &WayOut) {
    let (state, theme) = (scene.state, scene.theme);
    match &way.act {
        Act::Again => {
            let words = match way.from.filter(|from| *from > state.now) {
                Some(from) => format!(
                    "The runbook waits until {}. Enter opens its confirmation now, on your own word.",
                    format::second(from, &state.zone)
                ),
                None => "Opens its confirmation; everything is looked at anew before anything is sent.".to_owned(),
            };
            doc.words("then", words, theme.plain());
        }
        Act::Lever { lever, .. } => {
            let Some((_, planned, run)) = state.run.step(lever) else { return };
            if let Some(costs) = &planned.impact {
                doc.words("costs", costs.clone(), theme.plain());
            }
            if let Some(expected) = planned.expected {
                doc.words("takes", format!("~{}, then try the step again", format::took(expected)), theme.plain());
            }
            let last = run.attempts.last().filter(|_| way.tried.is_some());
            if let Some(what) = last.and_then(|attempt| attempt.outcome.as_ref()?.finding()) {
                doc.words("last time", what.cause.clone(), theme.danger());
            }
        }
        Act::Back(_) => doc.words(
            "then",
            "Asks for the reason. That step is taken again, and with it everything that rests on it.",
            theme.plain(),
        ),
        Act::Skip { because } if because.is_empty() => doc.words(
            "then",
            "Asks for the reason. The step counts as behind; your reason and the evidence go into the execution log.",
            theme.plain(),
        ),
        Act::Skip { because } => doc.words("reason", format!("{because} (you can change it)"), theme.plain()),
        Act::RollBack => doc.words(
            "then",
            "Asks how and why. The partition then reads FAILED · ROLLED BACK, and nothing goes on after it. Levers take back.",
            theme.plain(),
        ),
        Act::Stop => {
            doc.words("then", "Asks why. What has not run will not run; nothing is taken back by it.", theme.plain());
        }
    }
    if let Some(locked) = &way.locked {
        doc.words("not now", locked.clone(), theme.mind());
    }
}
