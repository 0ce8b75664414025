//! The keys, by what they are for; those that do nothing now say why.

use ratatui::buffer::Buffer;
use ratatui::text::Line;

use super::Scene;
use super::sheet::{Sheet, room};
use crate::app::commands::{COMMANDS, Command, CommandId};
use crate::app::keymap::RULE;
use crate::app::state::Pane;
use crate::ui::doc::Doc;
use crate::ui::text::{column, span, wrap};

/// Columns of a command's name.
const NAME: usize = 18;

/// The group that is of use in a replay only.
const REPLAY: &str = "replay";

/// Draws the keys.
pub fn draw(buffer: &mut Buffer, scene: &Scene<'_>, scroll: u16) {
    let theme = scene.theme;
    let mut doc = Doc::new(theme, room(scene));
    in_short(&mut doc, scene);
    // The keys of the pane that has them come first.
    let focus = scene.state.focus;
    in_pane(&mut doc, scene, focus);
    for (group, holds) in GROUPS.iter().filter(|(group, _)| *group != REPLAY || scene.state.replay.is_some()) {
        doc.blank();
        doc.text(*group, theme.palette.state.accent.bold());
        for command in COMMANDS.iter().filter(|command| command.pane.is_none() && holds(command.id)) {
            describe(&mut doc, scene, command);
        }
        if *group == GROUPS[0].0 {
            let help = "Mark the step of that label and open its confirmation.";
            row(&mut doc, scene, "0–9 p m", "step", help, None);
            doc.blank();
            doc.text(RULE, theme.faint());
        }
    }
    for pane in Pane::ALL.into_iter().filter(|pane| *pane != focus) {
        in_pane(&mut doc, scene, pane);
    }
    doc.blank();
    doc.text(MOUSE, theme.faint());
    let mut sheet = Sheet::new(scene, "keys");
    sheet.body = doc.finish();
    sheet.scroll = usize::from(scroll);
    sheet.foot = vec![Line::from(span("Esc closes", theme.faint()))];
    sheet.draw(buffer, scene);
}

/// What gets one through a night: what is next, how it is fired, where to look when it fails, how to leave.
fn in_short(doc: &mut Doc<'_>, scene: &Scene<'_>) {
    let key = |id| scene.state.keymap.name(id);
    let mut say = |label: &str, words: String| doc.words(label, words, scene.theme.plain());
    say("what next", "The row under the header says what is next, and the key that leads on.".to_owned());
    if scene.state.replay.is_none() {
        say("to fire", format!("{} opens the confirmation, ⇥ goes to Fire there, Enter fires.", key(CommandId::Fire)));
        let ways = key(CommandId::Ways);
        let (details, concerns) = (key(CommandId::Details), key(CommandId::Concerns));
        say(
            "if it fails",
            format!("{ways} lists the ways out; {details} tells all of a step, {concerns} what else is wrong."),
        );
    }
    let (pane, zoom, follow) = (key(CommandId::PaneNext), key(CommandId::Zoom), key(CommandId::Follow));
    say(
        "to look",
        format!("{pane} goes from pane to pane, the log is the last; {zoom} enlarges; {follow} comes back."),
    );
    say(
        "to leave",
        format!("{} leaves. What runs goes on, and the next `run` takes it up again.", key(CommandId::Quit)),
    );
}

/// What the mouse does.
const MOUSE: &str = "The mouse scrolls the pane under it, and a click marks what it points at; it never fires anything. With \
                     Shift, selecting text is the terminal's own.";

/// The keys that hold only in a pane.
fn in_pane(doc: &mut Doc<'_>, scene: &Scene<'_>, pane: Pane) {
    let mut own = COMMANDS.iter().filter(|command| command.pane == Some(pane)).peekable();
    if own.peek().is_none() {
        return;
    }
    doc.blank();
    doc.text(format!("in the pane: {}", pane.name()), scene.theme.palette.state.accent.bold());
    for command in own {
        describe(doc, scene, command);
    }
}

/// Groups of commands that hold everywhere, each with what belongs to it.
type Group = (&'static str, fn(CommandId) -> bool);

static GROUPS: &[Group] = &[
    ("decide", |id| {
        matches!(
            id,
            CommandId::Fire
                | CommandId::Ways
                | CommandId::RetryNow
                | CommandId::Levers
                | CommandId::Skip
                | CommandId::GoAhead
                | CommandId::Approve
                | CommandId::Note
                | CommandId::Decision
                | CommandId::FollowUp
                | CommandId::RollBack
                | CommandId::Stop
        )
    }),
    ("look", |id| {
        matches!(
            id,
            CommandId::Details
                | CommandId::Terminal
                | CommandId::Concerns
                | CommandId::Witnesses
                | CommandId::Zoom
                | CommandId::Follow
                | CommandId::Palette
                | CommandId::Share
                | CommandId::Help
                | CommandId::Quit
        )
    }),
    ("move", |id| {
        matches!(
            id,
            CommandId::Up
                | CommandId::Down
                | CommandId::PageUp
                | CommandId::PageDown
                | CommandId::PartitionBefore
                | CommandId::PartitionNext
                | CommandId::Find
                | CommandId::NextCalling
                | CommandId::PaneNext
                | CommandId::PaneBefore
                | CommandId::Closer
                | CommandId::Wider
                | CommandId::Earlier
                | CommandId::Later
                | CommandId::Oldest
                | CommandId::Newest
        )
    }),
    (REPLAY, |id| {
        matches!(
            id,
            CommandId::Play
                | CommandId::Back
                | CommandId::Forth
                | CommandId::MarkBefore
                | CommandId::MarkNext
                | CommandId::Slower
                | CommandId::Faster
        )
    }),
];

fn describe(doc: &mut Doc<'_>, scene: &Scene<'_>, command: &Command) {
    let keys: Vec<String> = scene.state.keymap.keys(command.id).iter().map(|key| key.name()).collect();
    row(doc, scene, &keys.join(" "), command.label, command.help, (command.disabled_reason)(scene.state));
}

/// Keys, name and help of a command, and why it does nothing now.
fn row(doc: &mut Doc<'_>, scene: &Scene<'_>, keys: &str, label: &str, help: &str, reason: Option<String>) {
    let theme = scene.theme;
    let style = if reason.is_none() { theme.bright() } else { theme.ghost() };
    let beside = doc.beside().saturating_sub(NAME);
    let mut lines = wrap(&[span(help.to_owned(), theme.faint())], beside);
    if let Some(reason) = reason {
        lines.extend(wrap(&[span(format!("now: {reason}"), theme.mind())], beside));
    }
    let lines = lines.into_iter().enumerate().map(|(index, line)| {
        let label = if index == 0 { label } else { "" };
        [vec![span(column(label, NAME), style)], line].concat()
    });
    let lines = lines.collect();
    doc.labelled(keys, lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_place_in_one_group() {
        for command in COMMANDS.iter().filter(|command| command.pane.is_none()) {
            let groups = GROUPS.iter().filter(|(_, holds)| holds(command.id)).count();
            assert_eq!(groups, 1, "{:?}", command.id);
        }
    }
}
