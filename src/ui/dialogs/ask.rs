//! A question for words: a reason, a note, a remark.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::dialog::{Ask, Purpose};
use crate::app::state::State;
use crate::runbook::event::NoteKind;
use crate::runbook::names::StepRef;
use crate::runbook::plan::Partition;
use crate::ui::doc::Doc;
use crate::ui::symbols;
use crate::ui::text::{fit_spans, span, width, wrap};

/// Draws the question; answers where the cursor stands.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, ask: &Ask) -> Option<Position> {
    let theme = scene.theme;
    let words = words(scene.state, &ask.purpose);
    let room = room(scene);
    let mut doc = Doc::new(theme, room);
    doc.text(words.question, theme.bright());
    doc.text(words.consequence, theme.faint());
    if let Some(refused) = &ask.refused {
        doc.blank();
        doc.text(format!("{} {refused}", symbols::FAILED), theme.danger());
    }
    let mut sheet = Sheet::new(scene, &words.title);
    if let Some(partition) = words.partition {
        sheet = sheet.of_partition(scene, partition);
    }
    if matches!(ask.purpose, Purpose::Stop | Purpose::RollBack(_)) {
        sheet.frame = theme.palette.state.danger;
    }
    sheet.body = doc.finish();
    let typed = wrap(&[span("› ", theme.accent()), span(ask.text.clone(), theme.strong())], room);
    let (mut rows, mut column) = (typed.len(), typed.last().map_or(0, |last| width(last)));
    sheet.foot = typed.into_iter().map(Line::from).collect();
    if let Some(name) = &ask.name {
        let whole = name.typed == name.name;
        let prompt = vec![
            span("type ", theme.plain()),
            span(name.name.clone(), theme.strong()),
            span("  › ", theme.accent()),
            span(name.typed.clone(), if whole { theme.ok() } else { theme.mind() }),
        ];
        if name.focused {
            (rows, column) = (rows + 1, width(&prompt));
        }
        sheet.foot.push(Line::from(fit_spans(prompt, room)));
    }
    let optional = if ask.words_are_optional() { " (words are optional)" } else { "" };
    sheet.foot.push(Line::from(vec![
        span("Enter", theme.accent()),
        span(format!(" {}{optional}   ", words.verb), theme.plain()),
        span("Esc", theme.accent()),
        span(" leaves it", theme.plain()),
        span(if ask.name.is_some() { "   ⇥ moves" } else { "   Ctrl-U clears the line" }, theme.faint()),
    ]));
    let foot = sheet.draw(buffer, scene);
    let x = foot.x + column.min(room.saturating_sub(1)) as u16;
    Some(Position { x, y: foot.y + rows.saturating_sub(1) as u16 })
}

/// That the evidence on the screen is kept with what is decided on it.
fn kept(pieces: usize) -> String {
    match pieces {
        0 => "there is no evidence to keep with it".to_owned(),
        1 => "one piece of evidence is kept with it".to_owned(),
        pieces => format!("{pieces} pieces of evidence are kept with it"),
    }
}

struct Words<'a> {
    title: String,
    partition: Option<&'a Partition>,
    question: String,
    consequence: String,
    verb: &'static str,
}

fn words<'a>(state: &'a State, purpose: &Purpose) -> Words<'a> {
    let named = |step: &StepRef| {
        let found = state.run.step(step);
        let title = found.map_or_else(|| step.to_string(), |(_, step, _)| format!("{} {}", step.label, step.title));
        (found.map(|(partition, _, _)| partition), title)
    };
    match purpose {
        Purpose::Skip(step) => {
            let (partition, title) = named(step);
            Words {
                title: format!("skip {title}"),
                partition,
                question: "Why is this step passed over?".to_owned(),
                consequence: format!(
                    "It counts as behind us; the reason goes into the execution log; {}.",
                    kept(state.run.shown(step).len())
                ),
                verb: "skips it",
            }
        }
        Purpose::Note(step, kind) => {
            let (partition, title) = named(step);
            let (what, question, consequence) = match kind {
                NoteKind::Remark => (
                    "note",
                    "What is worth writing down?",
                    "It goes into the execution log with your name and the time.".to_owned(),
                ),
                NoteKind::Decision => {
                    let shown = state.run.shown(step).len();
                    let kept = format!("It goes into the execution log with your name and the time; {}.", kept(shown));
                    ("decision", "What do you decide, and why?", kept)
                }
                NoteKind::FollowUp => (
                    "follow-up",
                    "What is left to be done after the rollout?",
                    "It is listed at the end of the execution log.".to_owned(),
                ),
            };
            Words {
                title: format!("{what} on {title}"),
                partition,
                question: question.to_owned(),
                consequence,
                verb: "writes it",
            }
        }
        Purpose::Back { to, from } => {
            let (partition, title) = named(to);
            Words {
                title: format!("back to {title}"),
                partition,
                question: format!("Why is it taken again? {} showed it.", named(from).1),
                consequence: "Everything that rests on it is taken again as well. What was done stays done.".to_owned(),
                verb: "goes back",
            }
        }
        Purpose::RollBack(name) => Words {
            title: "rolled back".to_owned(),
            partition: state.run.plan.partition(name),
            question: format!("How was {name} taken back, and why?"),
            consequence: format!(
                "{name} will read FAILED · ROLLED BACK, and nothing goes on after it. The cockpit takes nothing back by it: \
                 levers do."
            ),
            verb: "writes it",
        },
        Purpose::GoAhead(name) => {
            let after = state.run.plan.partitions.iter().skip_while(|partition| partition.name != *name).nth(1);
            Words {
                title: "go-ahead".to_owned(),
                partition: state.run.plan.partition(name),
                question: format!("{name} is done and good?"),
                consequence: after.map_or_else(
                    || "It is the last partition.".to_owned(),
                    |after| format!("With your word, {}'s first step unlocks.", after.name),
                ),
                verb: "goes ahead",
            }
        }
        Purpose::Stop => Words {
            title: "stop the rollout".to_owned(),
            partition: None,
            question: "Why does the rollout stop here?".to_owned(),
            consequence: "What has not run will not run. Nothing is taken back by it.".to_owned(),
            verb: "stops it",
        },
    }
}
