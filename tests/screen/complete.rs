//! That nothing is left out of the goldens: every dialog, every question, every pane.

use std::collections::BTreeSet;

use aurora_cockpit::app::dialog::{Dialog, Purpose, Wants};
use aurora_cockpit::app::state::Pane;
use aurora_cockpit::runbook::event::NoteKind;

use crate::support::night;

/// What a dialog is called here. A kind that is new does not compile before it is named, and does not pass before a moment
/// shows it.
fn name(dialog: &Dialog) -> &'static str {
    match dialog {
        Dialog::Preparing { .. } => "preparing",
        Dialog::Confirm(confirm) if confirm.firing => "confirmation, fired",
        Dialog::Confirm(confirm) if confirm.approving => "confirmation, approved by another",
        Dialog::Confirm(confirm) if confirm.wants == Wants::Another => "confirmation, waiting for approval",
        Dialog::Confirm(confirm) if confirm.refused.is_some() => "confirmation, refused",
        Dialog::Confirm(confirm) if !confirm.brief.choices.is_empty() => "confirmation with choices",
        Dialog::Confirm(confirm) if confirm.brief.type_name.is_some() => "confirmation in production",
        Dialog::Confirm(_) => "confirmation",
        Dialog::Ask(ask) => match &ask.purpose {
            Purpose::Skip(_) => "skip",
            Purpose::Note(_, NoteKind::Remark) => "note",
            Purpose::Note(_, NoteKind::Decision) => "decision",
            Purpose::Note(_, NoteKind::FollowUp) => "follow-up",
            Purpose::GoAhead(_) => "go-ahead",
            Purpose::Back { .. } => "back",
            Purpose::RollBack(_) => "roll back",
            Purpose::Stop => "stop",
        },
        Dialog::Ways { .. } => "ways",
        Dialog::Levers { .. } => "levers",
        Dialog::Terminal(terminal) if terminal.ended.is_some() => "terminal, ended",
        Dialog::Terminal(_) => "terminal",
        Dialog::Details { .. } => "details",
        Dialog::Query { .. } => "query",
        Dialog::Palette(palette) if palette.preview.is_some() => "palette, a theme",
        Dialog::Palette(_) => "palette",
        Dialog::Help { .. } => "help",
        Dialog::LogFilter { .. } => "log filter",
        Dialog::Concerns { .. } => "concerns",
        Dialog::Witnesses { .. } => "witnesses",
        Dialog::Quit { .. } => "quit",
    }
}

const ALL: [&str; 30] = [
    "preparing",
    "confirmation, fired",
    "confirmation, approved by another",
    "confirmation, waiting for approval",
    "confirmation, refused",
    "confirmation with choices",
    "confirmation in production",
    "skip",
    "note",
    "decision",
    "follow-up",
    "go-ahead",
    "back",
    "roll back",
    "stop",
    "ways",
    "levers",
    "terminal, ended",
    "terminal",
    "details",
    "query",
    "palette, a theme",
    "palette",
    "help",
    "log filter",
    "concerns",
    "witnesses",
    "quit",
    "replay",
    "nothing has answered",
];

#[test]
fn every_dialog_and_every_pane_has_a_golden() {
    let moments = night::moments();
    let names: BTreeSet<&str> = moments.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), moments.len(), "two moments of one name would share a golden");
    let mut seen: BTreeSet<&str> = moments.iter().filter_map(|(_, state)| state.dialog.as_ref()).map(name).collect();
    seen.extend(moments.iter().filter(|(_, state)| state.replay.is_some()).map(|_| "replay"));
    let silent = |live: &aurora_cockpit::app::live::Live| live.cluster.is_none();
    seen.extend(moments.iter().filter(|(_, state)| state.live.values().all(silent)).map(|_| "nothing has answered"));
    let missing: Vec<&&str> = ALL.iter().filter(|each| !seen.contains(**each)).collect();
    assert!(missing.is_empty(), "no moment shows {missing:?}");
    for pane in Pane::ALL {
        let with_the_keys = |zoomed| {
            let mut here = moments.iter().filter(|(_, state)| state.dialog.is_none() && state.focus == pane);
            here.any(|(_, state)| state.zoomed == zoomed)
        };
        assert!(with_the_keys(true), "no moment gives {pane:?} the whole screen");
        // On a small screen a pane that has not got the keys is not seen.
        assert!(
            with_the_keys(false) || pane == Pane::Pods || pane == Pane::Checks,
            "no moment gives {pane:?} the keys"
        );
    }
}
