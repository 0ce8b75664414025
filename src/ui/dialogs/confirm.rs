//! The confirmation: what, the exact call, what holds now, what users feel, what comes after, the way back.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::text::{Line, Span};

use super::Scene;
use super::sheet::{Sheet, button, room};
use crate::app::approve;
use crate::app::dialog::{Button, Confirm, Wants};
use crate::app::state::Mode;
use crate::runbook::approval::HOLDS;
use crate::runbook::check::{Holds, Precondition};
use crate::runbook::event::Call;
use crate::runbook::gate::FRESH;
use crate::runbook::plan::StepKind;
use crate::ui::doc::Doc;
use crate::ui::text::{Spans, fit_spans, span, width, wrap};
use crate::ui::{format, symbols};

/// Draws the confirmation; answers where the cursor stands while a name is typed.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, confirm: &Confirm) -> Option<Position> {
    let theme = scene.theme;
    let (partition, planned, _) = scene.state.run.step(&confirm.step)?;
    let brief = &confirm.brief;
    let room = room(scene);
    let mut doc = Doc::new(theme, room);
    doc.text(brief.what.clone(), theme.strong());
    if let Some(already) = &brief.already_done {
        doc.text(format!("{} {already}", symbols::MIND), theme.mind());
    }
    doc.blank();
    calls(&mut doc, scene, &brief.calls);
    if brief.calls.is_empty() {
        doc.words("calls", "nothing that changes anything", theme.plain());
    }
    doc.blank();
    if !brief.choices.is_empty() {
        for (index, choice) in brief.choices.iter().enumerate() {
            let label = if index == 0 { "ways" } else { "" };
            let marked = index == confirm.choice;
            let (mark, style) = if marked { ("● ", theme.strong()) } else { ("○ ", theme.plain()) };
            doc.field(label, vec![span(mark, theme.accent()), span(choice.label.clone(), style)]);
        }
        doc.words("", "↑↓ choose", theme.faint());
        doc.blank();
    }
    let beside = doc.beside();
    doc.labelled("holds now", preconditions(scene, &brief.preconditions, beside));
    doc.blank();
    if let Some(feels) = &brief.feels {
        doc.words("users feel", feels.clone(), theme.bright());
    } else if !planned.kind.changes_the_world() && !matches!(planned.kind, StepKind::Lever(_)) {
        doc.words("users feel", "Nothing: it only looks.", theme.plain());
    }
    if let Some(then) = &brief.then {
        doc.words("then", then.clone(), theme.plain());
    }
    if let Some(back) = &brief.back {
        doc.words("way back", back.clone(), theme.plain());
    }
    second_person(&mut doc, scene, confirm);
    if let Some(refused) = &confirm.refused {
        doc.blank();
        let what = if matches!(scene.state.mode, Mode::Operator) { "not fired" } else { "not approved" };
        doc.text(format!("{} {what}: {refused}", symbols::FAILED), theme.danger());
    }

    let mut sheet = Sheet::new(scene, &format!("{} {}", planned.label, planned.title)).of_partition(scene, partition);
    sheet.body = doc.finish();
    sheet.scroll = usize::from(confirm.scroll);
    let mut cursor = None;
    if let Some(name) = &brief.type_name {
        let prompt = vec![
            span("type ", theme.plain()),
            span(name.clone(), theme.strong()),
            span("  › ", theme.accent()),
            span(confirm.typed.clone(), if *name == confirm.typed { theme.ok() } else { theme.mind() }),
        ];
        cursor = Some(width(&prompt));
        sheet.foot.push(Line::from(fit_spans(prompt, room)));
        if scene.area.height >= 30 {
            sheet.foot.push(Line::default());
        }
    }
    sheet.foot.push(buttons(scene, confirm, partition.production));
    let typing = cursor.filter(|_| !confirm.firing);
    let foot = sheet.draw(buffer, scene);
    typing.map(|column| Position { x: foot.x + column.min(room.saturating_sub(1)) as u16, y: foot.y })
}

/// Whether a second person is asked for, and has answered.
fn second_person(doc: &mut Doc<'_>, scene: &Scene<'_>, confirm: &Confirm) {
    let theme = scene.theme;
    let label = "2nd person";
    match &confirm.wants {
        Wants::Nobody => {}
        Wants::Another => {
            let words = match approve::offer(scene.state) {
                Some(offer) => format!("{} {offer}", symbols::WAITS),
                None => format!(
                    "{} waits for another user, who approves exactly this in `aurora-cockpit monitor`",
                    symbols::WAITS
                ),
            };
            doc.words(label, words, theme.mind());
        }
        Wants::Given(approval) => {
            let age = scene.state.since(approval.at);
            let old = age > HOLDS;
            let glyph = if old { symbols::STALE } else { symbols::OK };
            let words = format!("{glyph} approved by {}  {}", approval.by, format::age(age));
            doc.words(label, words, if old { theme.danger() } else { theme.ok() });
        }
    }
}

/// The calls, each with the command line that would do the same. Where they go is said once for all that go there.
fn calls(doc: &mut Doc<'_>, scene: &Scene<'_>, calls: &[Call]) {
    let theme = scene.theme;
    let key = theme.palette.state.accent.bold();
    let mut target = "";
    for (index, call) in calls.iter().enumerate() {
        let label = if index == 0 { "calls" } else { "" };
        let mut head = Spans::new();
        // A program's command line says its name; an operation of a service stands above its command line.
        let rest = call.command_line.strip_prefix(call.operation.as_str());
        let program = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if !program {
            head.push(span(format!("{}  ", call.operation), key));
        }
        if call.target != target {
            head.push(span(call.target.clone(), theme.faint()));
            target = &call.target;
        }
        let headed = !head.is_empty();
        if headed {
            doc.field(label, head);
        }
        doc.command_line(if headed { "" } else { label }, &call.command_line, theme.faint());
    }
}

/// What holds, each with its age; in two columns where all of them are short.
fn preconditions(scene: &Scene<'_>, preconditions: &[Precondition], room: usize) -> Vec<Spans> {
    let theme = scene.theme;
    let mut sorted: Vec<&Precondition> = preconditions.iter().collect();
    // What blocks comes first.
    sorted.sort_by_key(|each| match each.holds {
        Holds::No => 0,
        Holds::Mind => 1,
        Holds::Yes => 2,
    });
    let cells: Vec<Cell> = sorted
        .iter()
        .map(|each| {
            let (glyph, style) = symbols::holds(each.holds, theme);
            let age = scene.state.since(each.at);
            // Too old to be fired on: not green any more.
            let (glyph, style) = if age > FRESH { (symbols::STALE, theme.danger()) } else { (glyph, style) };
            let text = match each.holds {
                Holds::Yes => theme.plain(),
                Holds::Mind | Holds::No => style,
            };
            let age_style = if age > FRESH { theme.danger() } else { theme.faint() };
            Cell {
                glyph: span(format!("{glyph} "), style),
                text: span(each.text.clone(), text),
                age: span(format!("  {}", format::age(age)), age_style),
            }
        })
        .collect();
    if cells.is_empty() {
        return vec![vec![span("nothing needs to hold before it", theme.faint())]];
    }
    // Two beside each other where both are short.
    let half = room / 2;
    let mut rows: Vec<Spans> = Vec::new();
    let mut takes_another = false;
    for cell in cells {
        let mut own = cell.rows(room);
        let is_short = own.len() == 1 && width(&own[0]) < half;
        match rows.last_mut().filter(|_| takes_another && is_short) {
            Some(row) => {
                row.push(span(" ".repeat(half - width(row)), theme.plain()));
                row.append(&mut own.concat());
                takes_another = false;
            }
            None => {
                rows.append(&mut own);
                takes_another = is_short;
            }
        }
    }
    rows
}

/// A precondition.
struct Cell {
    glyph: Span<'static>,
    text: Span<'static>,
    age: Span<'static>,
}

impl Cell {
    /// Its rows: what is wrapped stands under itself, and the age stays with the last word.
    fn rows(self, room: usize) -> Vec<Spans> {
        let beside = room.saturating_sub(self.glyph.width() + self.age.width());
        let mut rows = wrap(&[self.text], beside);
        let last = rows.len() - 1;
        for (index, row) in rows.iter_mut().enumerate() {
            row.insert(0, if index == 0 { self.glyph.clone() } else { Span::raw("  ") });
            if index == last {
                row.push(self.age.clone());
            }
        }
        rows
    }
}

fn buttons(scene: &Scene<'_>, confirm: &Confirm, production: bool) -> Line<'static> {
    let theme = scene.theme;
    let fire = if production { theme.palette.frame.production } else { theme.palette.state.running };
    if confirm.firing {
        let doing = if confirm.approving {
            "the approval is left for the operator's session …"
        } else {
            "asking the gate, writing the intent …"
        };
        return Line::from(vec![span(format!("{} ", symbols::RUNNING), theme.running()), span(doing, theme.plain())]);
    }
    let can_fire = confirm.can_fire();
    let hint = match (&confirm.brief.type_name, can_fire) {
        (_, true) => "  ⇥ moves · Enter chooses · Esc cancels",
        (Some(_), false) => "  Fire needs the whole name, all must hold · Esc cancels",
        (None, false) => "  something above does not hold · Esc cancels",
    };
    let alone = confirm.wants == Wants::Another && matches!(scene.state.mode, Mode::Operator);
    let hint = match confirm.approving {
        true => "  ⇥ moves · Enter chooses · the operator still fires",
        false if alone => "  Fire waits for the second person. Esc cancels",
        false => hint,
    };
    let (yes, can_fire) = if confirm.approving { ("Approve", true) } else { ("Fire", can_fire) };
    let room = room(scene);
    Line::from(fit_spans(
        vec![
            button(scene, "Cancel", confirm.focus == Button::Cancel, true, theme.palette.ground.selected),
            span("  ", theme.plain()),
            button(scene, yes, confirm.focus == Button::Fire, can_fire, fire),
            span(hint, theme.faint()),
        ],
        room,
    ))
}
