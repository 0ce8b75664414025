//! The table's keys and the user's: none twice, none dangerous beside one that moves, nothing wrong taken.

use super::*;

fn written(text: &str, line: usize) -> Written {
    Written { text: text.to_owned(), file: "config.toml".to_owned(), line, column: 1 }
}

fn bound(pairs: &[(&str, &[&str])]) -> Vec<Bound> {
    let bind = |(index, (command, keys)): (usize, &(&str, &[&str]))| Bound {
        command: written(command, index + 1),
        keys: keys.iter().map(|key| written(key, index + 1)).collect(),
    };
    pairs.iter().enumerate().map(bind).collect()
}

fn refused(pairs: &[(&str, &[&str])]) -> String {
    Keymap::with(&bound(pairs)).expect_err("refused").to_string()
}

#[test]
fn no_key_means_two_things_in_one_place() {
    for (index, (command, keys)) in Keymap::default().all().enumerate() {
        for (other, others) in Keymap::default().all().skip(index + 1) {
            let meets = command.pane == other.pane;
            assert!(!meets || keys.iter().all(|key| !others.contains(key)), "{:?} and {:?}", command.id, other.id);
        }
    }
}

#[test]
fn no_dangerous_key_stands_beside_one_that_moves() {
    let keymap = Keymap::default();
    let moving: Vec<Chord> = MOVES.iter().flat_map(|id| keymap.keys(*id)).copied().collect();
    assert!(moving.len() >= 14, "the keys that move were not found");
    for (command, keys) in keymap.all().filter(|(command, _)| command.danger) {
        let beside = keys.iter().find(|key| moving.iter().any(|moves| moves.is_beside(**key)));
        assert_eq!(beside, None, "{:?}", command.id);
    }
}

#[test]
fn every_table_key_is_written_as_it_could_be_in_the_settings() {
    let names: Vec<String> = COMMANDS.iter().map(|command| command.id.name()).collect();
    for (command, keys) in Keymap::default().all() {
        assert!(keys.iter().all(|key| key.allowed().is_ok()), "{:?}", command.id);
        assert_eq!(names.iter().filter(|name| **name == command.id.name()).count(), 1);
    }
    assert!(names.contains(&"partition-before".to_owned()) && names.contains(&"fire".to_owned()), "{names:?}");
}

#[test]
fn the_users_keys_stand_in_the_place_of_the_tables() {
    let keymap = Keymap::with(&bound(&[("fire", &["F5", "ctrl-f"]), ("roll-back", &[])])).expect("a keymap");
    assert_eq!(keymap.name(CommandId::Fire), "F5");
    assert_eq!(keymap.keys(CommandId::RollBack), []);
    assert_eq!(keymap.name(CommandId::RollBack), ":roll-back");
    let of = |key: &str| keymap.of_key(&Chord::parse(key).expect("a key").event(), Pane::Steps).map(|found| found.id);
    assert_eq!((of("ctrl-f"), of("f5")), (Some(CommandId::Fire), Some(CommandId::Fire)));
    assert_eq!((of("enter"), of("B"), of("f")), (None, None, Some(CommandId::Follow)));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_was_meant() {
    let message = refused(&[
        ("fier", &["F5"]),
        ("zoom", &["entre"]),
        ("quit", &[]),
        ("note", &["3"]),
        ("follow", &["!"]),
        ("ways", &["l"]),
        ("down", &["s"]),
        ("search", &["e"]),
    ]);
    for words in [
        "config.toml:1:1: keys.fier: there is no such command; did you mean `fire`?",
        "config.toml:2:1: keys.zoom: `entre` is no key; did you mean `enter`?",
        "config.toml:3:1: keys.quit: must have a key",
        "config.toml:4:1: keys.note: `3` opens the confirmation of the step of that label",
        "config.toml:5:1: keys.follow: `!` would mean both follow and concerns",
        "config.toml:6:1: keys.ways: `l` stands beside `k`, which is up: one slip would be enough",
        "config.toml:7:1: keys.down: `s` would mean both down and skip",
        "config.toml:8:1: keys.search: `e` would mean both search and log-level",
    ] {
        assert!(message.contains(words), "{words}\n{message}");
    }
}

#[test]
fn keys_that_are_exchanged_are_no_conflict() {
    let keymap = Keymap::with(&bound(&[("zoom", &["f"]), ("follow", &["z"])])).expect("a keymap");
    assert_eq!((keymap.name(CommandId::Zoom), keymap.name(CommandId::Follow)), ("f".to_owned(), "z".to_owned()));
}
