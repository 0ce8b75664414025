//! Every key of the table: what it may do at most, by whatever way it is given, and what it cannot do by a slip.

use super::*;
use crate::app::commands::{COMMANDS, CommandId};
use crate::app::log::{LogLine, LogSource, Place};
use crate::app::mouse::{Act, Target};
use crate::app::palette::{Entry, Palette, rows};
use crate::app::state::Pane;

/// The moments in which keys are tried: at the start, in trouble, and when only a person's word is missing.
fn moments() -> Vec<State> {
    let mut troubled = operator();
    happens(&mut troubled, attempt_started("snapshot"));
    let outcome = Outcome::Failed { finding: Finding::of("snapshot-in-use", "the snapshot is in use") };
    happens(&mut troubled, Event::AttemptEnded { step: of("snapshot"), attempt: 1, outcome });
    let mut waiting = operator();
    let steps: Vec<String> = waiting.looked_at().0.steps.iter().map(|step| step.id.to_string()).collect();
    for step in &steps[..steps.len() - 1] {
        passes(&mut waiting, step);
    }
    let mut moments = vec![operator(), troubled, waiting];
    for state in &mut moments {
        for text in ["one", "two words", "three"] {
            let at = now();
            state.log.push(LogLine {
                at,
                source: LogSource::Program,
                partition: None,
                level: crate::app::log::Level::Info,
                text: text.to_owned(),
            });
        }
        update(state, Message::Seen { log: (0..state.log.passing() as u64).collect() }, ME);
    }
    moments
}

/// Gives the pane the keys that must have them for a command.
fn focused(state: &State, pane: Option<Pane>) -> State {
    let mut state = state.clone();
    state.focus = pane.unwrap_or(state.focus);
    state
}

/// Presses a key as often as a hand that lies on it, every dialog being seen before the next press.
fn hold(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let mut all = Vec::new();
    for _ in 0..20 {
        let _ = update(state, Message::Drawn { fits: true, terminal: None }, ME);
        let mut effects = update(state, Message::Key(key), ME);
        if let Some(Effect::Brief { request, .. }) = effects.first() {
            let answer = Message::Briefed { request: *request, brief: Ok(Box::new(brief(None))) };
            effects.extend(update(state, answer, ME));
        }
        all.extend(effects);
    }
    all
}

fn is_harmless(effect: &Effect) -> bool {
    match effect {
        Effect::Brief { .. } | Effect::Nudge | Effect::Copy { .. } | Effect::Detach | Effect::Attention { .. } => true,
        Effect::Attach { .. } | Effect::Resize { .. } | Effect::Replay(_) | Effect::Watch(_) => true,
        Effect::Record(event) => {
            matches!(**event, Event::ConfirmationOpened { .. } | Event::ConfirmationClosed { .. })
        }
        Effect::Fire { .. } | Effect::Type { .. } | Effect::Approve { .. } => false,
    }
}

#[test]
fn no_key_decides_anything_however_long_it_is_held() {
    for moment in moments() {
        for (command, keys) in moment.keymap.clone().all() {
            for key in keys {
                let mut state = focused(&moment, command.pane);
                let effects = hold(&mut state, key.event());
                let harmful: Vec<&Effect> = effects.iter().filter(|effect| !is_harmless(effect)).collect();
                assert!(harmful.is_empty(), "{:?} by {}: {harmful:?}", command.id, key.name());
            }
        }
    }
}

#[test]
fn what_is_dangerous_only_opens_a_dialog_which_takes_nothing_before_it_was_seen() {
    for moment in moments() {
        for command in COMMANDS.iter().filter(|command| command.danger) {
            let mut state = focused(&moment, command.pane);
            let event = state.keymap.keys(command.id)[0].event();
            let _ = update(&mut state, Message::Key(event), ME);
            let refused = (command.disabled_reason)(&moment).is_some();
            assert_eq!(state.dialog.is_some(), !refused, "{:?}: {:?}", command.id, state.notice);
            let opened = state.dialog.clone();
            for code in [KeyCode::Enter, KeyCode::Tab, KeyCode::Esc, KeyCode::Char('y'), KeyCode::Char('1')] {
                if opened.is_some() {
                    assert_eq!(press(&mut state, code), [], "{:?}", command.id);
                    assert_eq!(state.dialog, opened, "{:?}", command.id);
                }
            }
        }
    }
}

#[test]
fn the_palette_does_what_the_key_does() {
    for moment in moments() {
        for command in COMMANDS.iter().filter(|command| command.id != CommandId::Palette) {
            let mut by_key = focused(&moment, command.pane);
            let key = by_key.keymap.keys(command.id)[0].event();
            let keyed = update(&mut by_key, Message::Key(key), ME);
            let mut chosen = moment.clone();
            let listed = rows(&chosen, "");
            let marked = listed.iter().position(|row| row.entry == Entry::Command(command.id)).expect("listed");
            chosen.dialog = Some(Dialog::Palette(Palette { marked, ..Palette::default() }));
            draw(&mut chosen);
            let effects = press(&mut chosen, KeyCode::Enter);
            assert_eq!(effects, keyed, "{:?}", command.id);
            let reason = (command.disabled_reason)(&moment);
            assert_eq!(listed[marked].reason, reason, "{:?}", command.id);
            if reason.is_some() {
                assert!(
                    matches!(chosen.dialog, Some(Dialog::Palette(_))),
                    "it stays, with the reason: {:?}",
                    command.id
                );
                assert_eq!(chosen.notice, by_key.notice);
            } else {
                let kind = |state: &State| state.dialog.as_ref().map(std::mem::discriminant);
                assert_eq!(kind(&chosen), kind(&by_key), "{:?}", command.id);
                assert!(command.pane.is_none_or(|pane| chosen.focus == pane));
                assert!(!chosen.dialog_drawn, "what it opened takes no keys before it is seen");
            }
        }
    }
}

#[test]
fn the_palette_finds_by_some_letters_what_can_be_done_and_looked_at() {
    let state = operator();
    for (words, label) in [
        ("rllbk", "roll back"),
        ("goah", "go-ahead"),
        ("look dev", "look at dev"),
        ("snapsh", "mark dev · 1 Snapshot"),
        ("srch", "log: search"),
    ] {
        let found = rows(&state, words);
        assert_eq!(found.first().map(|row| row.label.as_str()), Some(label), "{words}: {found:#?}");
        assert!(!found[0].typed.is_empty());
    }
    assert!(rows(&state, "no such thing at all").is_empty());
    let everything = rows(&state, "").len();
    assert_eq!(everything, COMMANDS.len() - 1 + 1 + state.looked_at().0.steps.len());
}

#[test]
fn the_palette_marks_a_step_of_another_place() {
    let mut state = operator();
    press(&mut state, KeyCode::Char(':'));
    draw(&mut state);
    type_in(&mut state, "mark fail");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(state.dialog, None);
    assert_eq!(state.marked_step(), Some(of("failover")));
    assert!(!state.follows);
}

/// A cockpit with three themes in the palette, the second of which is the user's own.
fn with_themes(mut state: State) -> State {
    state.themes.usual = "dark".to_owned();
    state.themes.offered = ["dark", "mine", "light"].map(str::to_owned).into();
    state
}

#[test]
fn the_screen_is_drawn_in_the_theme_that_is_marked_and_esc_takes_it_back() {
    let mut state = with_themes(operator());
    happens(&mut state, attempt_started("snapshot"));
    press(&mut state, KeyCode::Char(':'));
    draw(&mut state);
    assert_eq!(state.theme(), "dark");
    type_in(&mut state, "theme");
    assert_eq!(state.theme(), "dark", "the first that is listed is the one in use");
    press(&mut state, KeyCode::Down);
    assert_eq!(state.theme(), "mine");
    press(&mut state, KeyCode::Down);
    assert_eq!(state.theme(), "light");
    // Whatever takes the palette away takes the preview back: Esc, or a question that comes over it.
    let mut leaving = state.clone();
    update(&mut leaving, Message::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), ME);
    assert_eq!((leaving.theme(), matches!(leaving.dialog, Some(Dialog::Quit { .. }))), ("dark", true));
    press(&mut state, KeyCode::Esc);
    assert_eq!((state.theme(), &state.dialog, &state.notice), ("dark", &None, &None));
}

#[test]
fn enter_keeps_a_theme_for_the_session() {
    let chosen = |mut state: State, words: &str| {
        press(&mut state, KeyCode::Char(':'));
        draw(&mut state);
        type_in(&mut state, words);
        assert_eq!(press(&mut state, KeyCode::Enter), []);
        state
    };
    let state = chosen(with_themes(operator()), "theme mine");
    assert_eq!((state.theme(), state.dialog.is_none()), ("mine", true));
    assert!(state.notice.as_ref().is_some_and(|(_, words)| words.contains("`theme = \"mine\"`")), "{:?}", state.notice);
    // It is asked for now, and stays on a shared screen.
    let mut shared = state;
    shared.share = true;
    assert_eq!(shared.theme(), "mine");
    // Production's own theme is another: where it is seen, it is the one that is exchanged.
    let mut production = with_themes(operator());
    production.run.plan.partitions[0].production = true;
    production.themes.production = Some("light".to_owned());
    let production = chosen(production, "theme mine");
    assert_eq!((production.theme(), production.themes.usual.as_str()), ("mine", "dark"));
    // What is offered is found by its own name before anything that shares its letters.
    for name in ["dark", "mine", "light"] {
        let found = rows(&production, &format!("theme {name}"));
        assert_eq!(found.first().map(|row| row.label.clone()), Some(format!("theme {name}")));
    }
}

#[test]
fn enter_alone_gives_no_word_to_a_question_that_enter_opened() {
    let mut state = moments().remove(2);
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    draw(&mut state);
    assert_eq!(press(&mut state, KeyCode::Enter), [], "a second Enter is no go-ahead");
    type_in(&mut state, "well");
    assert_eq!(press(&mut state, KeyCode::Enter).len(), 1, "a word and Enter are");
    let mut state = moments().remove(2);
    assert_eq!(press(&mut state, KeyCode::Char('g')), []);
    draw(&mut state);
    assert_eq!(press(&mut state, KeyCode::Enter).len(), 1, "opened by its own key, Enter is another one");
}

#[test]
fn words_that_are_searched_for_press_no_keys() {
    let mut state = focused(&moments()[0], Some(Pane::Log));
    press(&mut state, KeyCode::Char('/'));
    type_in(&mut state, "two1gX");
    assert_eq!(state.dialog, None);
    press(&mut state, KeyCode::Backspace);
    press(&mut state, KeyCode::Backspace);
    press(&mut state, KeyCode::Backspace);
    let found = state.log.search().expect("a search");
    assert_eq!((found.needle.query(), found.count()), ("two", 1));
    press(&mut state, KeyCode::Enter);
    assert!(!state.log.is_typing());
    let effects = press(&mut state, KeyCode::Char('c'));
    let [Effect::Copy { text, what }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(what == "one line" && text.ends_with("program - two words\n"), "{what}: {text}");
}

#[test]
fn the_logs_keys_say_what_they_do() {
    let mut state = focused(&moments()[0], Some(Pane::Log));
    let all = state.log.passing();
    press(&mut state, KeyCode::Char('v'));
    assert!(matches!(state.log.place(), Place::Paused { .. }));
    press(&mut state, KeyCode::Char('v'));
    assert!(state.log.follows());
    press(&mut state, KeyCode::Char('e'));
    press(&mut state, KeyCode::Char('e'));
    assert!(state.log.passing() < all);
    press(&mut state, KeyCode::Char('e'));
    press(&mut state, KeyCode::Char('e'));
    assert_eq!(state.log.passing(), all);
    press(&mut state, KeyCode::Char('o'));
    draw(&mut state);
    press(&mut state, KeyCode::Down);
    press(&mut state, KeyCode::Char(' '));
    assert_eq!(state.log.passing(), all - 3, "programs are hidden");
    press(&mut state, KeyCode::Char('a'));
    assert_eq!(state.log.passing(), all);
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.dialog, None);
    press(&mut state, KeyCode::Char('b'));
    assert!(state.log.wraps);
}

#[test]
fn a_key_of_another_pane_says_where_it_belongs() {
    let mut state = operator();
    press(&mut state, KeyCode::Char('/'));
    assert_eq!(notice(&state), "search is a key of the log pane; ⇥ goes there");
}

#[test]
fn the_mouse_marks_and_scrolls_and_fires_nothing() {
    let mut state = moments().remove(0);
    let mouse = |state: &mut State, target, act| {
        assert_eq!(update(state, Message::Mouse { target: Some(target), act }, ME), []);
    };
    mouse(&mut state, Target::Step(2), Act::Click);
    assert_eq!((state.step, state.focus, state.dialog.is_none()), (2, Pane::Steps, true));
    mouse(&mut state, Target::Line(1), Act::Click);
    assert_eq!((state.log.marked(), state.focus), (Some(1), Pane::Log));
    mouse(&mut state, Target::Pane(Pane::Load), Act::Click);
    assert_eq!(state.focus, Pane::Load);
    mouse(&mut state, Target::Step(0), Act::Wheel(-1));
    assert_eq!((state.step, state.focus), (3, Pane::Load), "what is scrolled need not have the keys");
    mouse(&mut state, Target::Step(99), Act::Click);
    assert!(state.marked_step().is_some());
    // Neither click nor wheel reaches a confirmation.
    let mut state = operator();
    confirming(&mut state, brief(None));
    draw(&mut state);
    let before = state.dialog.clone();
    mouse(&mut state, Target::Step(0), Act::Click);
    mouse(&mut state, Target::Step(0), Act::Wheel(-3));
    assert_eq!(state.dialog, before);
}

#[test]
fn the_users_keys_are_the_ones_that_count() {
    use crate::config::settings::{Bound, Written};
    let written = |text: &str| Written { text: text.to_owned(), file: "config.toml".to_owned(), line: 1, column: 1 };
    let bound = [Bound { command: written("fire"), keys: vec![written("F5")] }];
    let mut state = operator();
    state.keymap = crate::app::keymap::Keymap::with(&bound).expect("a keymap");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(press(&mut state, KeyCode::F(5)).len(), 1);
    let banner = crate::app::banner::banner(&state);
    assert!(banner.headline.iter().any(|piece| piece.text == "F5"), "the screen names it: {:?}", banner.headline);
}

/// The README's table is the command table's. `UPDATE_README=1 cargo test --lib readme` writes it anew.
#[test]
fn the_readme_lists_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let (begin, end) = ("<!-- keys: written by `UPDATE_README=1 cargo test --lib readme` -->\n", "<!-- /keys -->");
    let readme = std::fs::read_to_string(path).expect("the README");
    let (before, rest) = readme.split_once(begin).expect("where the keys begin");
    let (_, after) = rest.split_once(end).expect("where the keys end");
    let mut table = "\n| key | name | does |\n| --- | --- | --- |\n".to_owned();
    table.push_str("| `0` … `9` `p` `m` | | Marks the step of that number or letter and opens its confirmation. |\n");
    let keymap = crate::app::keymap::Keymap::default();
    let everywhere = COMMANDS.iter().filter(|command| command.pane.is_none());
    let in_panes = Pane::ALL.into_iter().flat_map(|pane| COMMANDS.iter().filter(move |each| each.pane == Some(pane)));
    for command in everywhere.chain(in_panes) {
        let keys: Vec<String> = keymap.keys(command.id).iter().map(|key| format!("`{}`", key.name())).collect();
        let pane = command.pane.map_or_else(String::new, |pane| format!("In the pane *{}*: ", pane.name()));
        table.push_str(&format!("| {} | `{}` | {pane}{} |\n", keys.join(" "), command.id.name(), command.help));
    }
    table.push('\n');
    let written = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &written).expect("the README can be written");
    }
    assert!(
        readme == written || std::env::var_os("UPDATE_README").is_some(),
        "UPDATE_README=1 cargo test --lib readme"
    );
}
