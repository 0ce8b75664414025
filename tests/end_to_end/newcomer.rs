//! Somebody who has never seen it: reads the screen, presses the keys that it names, and knows no step.

use std::time::Instant;

use super::support::{Cockpit, DOWN, ENTER, ESCAPE, Place, TAB};

/// Keys that are pressed at most on the way: three for a step with its confirmation, and what is pressed wrongly.
const MOST_KEYS: usize = 80;

/// What the screen asks for.
#[derive(Debug, Clone, PartialEq)]
enum Asks {
    /// Nothing, as far as can be read.
    Nothing,
    /// The sentence under the header names a key.
    Key { partition: String, about: String, key: String },
    /// A confirmation has buttons: which one is focused, and the keys that its foot names.
    Button { focused: String, moves: String, chooses: String },
    /// A question names the key that answers it.
    Answer { key: String },
}

/// What a keyboard sends for a key of that name.
fn typed(name: &str) -> &str {
    match name {
        "Enter" => ENTER,
        "⇥" => TAB,
        "Esc" => ESCAPE,
        "↓" => DOWN,
        letter if letter.chars().count() == 1 && letter.is_ascii() => letter,
        other => panic!("no keyboard has a key {other:?}"),
    }
}

/// Reads the screen as somebody does who knows nothing else.
fn read(screen: &vt100::Screen) -> Asks {
    let rows: Vec<String> = screen.rows(0, screen.size().1.get()).collect();
    if let Some((row, text)) = rows.iter().enumerate().find(|(_, row)| row.contains(" chooses")) {
        let moves = word_before(text, " moves").expect("a key that moves");
        let chooses = word_before(text, " chooses").expect("a key that chooses");
        let focused = ["Cancel", "Fire"].into_iter().find(|label| stands_out(screen, row, text, label));
        return Asks::Button { focused: focused.unwrap_or_default().to_owned(), moves, chooses };
    }
    if let Some(key) = rows.iter().find_map(|row| word_before(row, " goes ahead")) {
        return Asks::Answer { key };
    }
    if rows.iter().any(|row| row.contains("Esc cancels") || row.contains("Esc closes")) {
        return Asks::Nothing;
    }
    // `› dev   1 Snapshot   is next   Enter`
    let sentence: Vec<&str> = rows[1].split("   ").map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let [place, about, how, key] = sentence.as_slice() else { return Asks::Nothing };
    if !how.starts_with("is next") && !how.starts_with("waits for your") {
        return Asks::Nothing;
    }
    let partition = place.chars().skip(2).collect();
    let key = key.strip_suffix(" goes there").unwrap_or(key);
    Asks::Key { partition, about: (*about).to_owned(), key: key.to_owned() }
}

fn word_before(text: &str, words: &str) -> Option<String> {
    text.split_once(words)?.0.split_whitespace().last().map(str::to_owned)
}

/// Whether a button stands on another ground than the foot that it is in.
fn stands_out(screen: &vt100::Screen, row: usize, text: &str, label: &str) -> bool {
    let column = text.split_once(label).map(|(before, _)| before.chars().count()).expect("a button");
    let ground = |column: usize| {
        let cell = screen.cell(u16::try_from(row).unwrap(), u16::try_from(column).unwrap());
        cell.map(vt100::Cell::bgcolor)
    };
    ground(column) != ground(column - 2)
}

/// Waits until the screen asks for something, and for something else than before.
fn next(cockpit: &mut Cockpit, before: &Asks) -> Asks {
    cockpit.wait_for(&format!("something is asked for after {before:?}"), |screen| {
        let asks = read(screen);
        asks != Asks::Nothing && asks != *before
    });
    read(cockpit.screen())
}

#[test]
fn who_reads_nothing_but_the_screen_gets_a_partition_to_its_go_ahead() {
    let begun = Instant::now();
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (120, 40), &["demo", "--speed", "240"]);
    let mut asks = next(&mut cockpit, &Asks::Nothing);
    let Asks::Key { partition: first, .. } = asks.clone() else { panic!("{asks:?}\n{}", cockpit.text()) };

    // A key that is none says where the keys are listed; the list is left by what its foot says.
    cockpit.press("x");
    cockpit.see("x does nothing; ? lists the keys");
    cockpit.press("?");
    cockpit.see("The row under the header says what is next");
    let closes = word_before(&cockpit.text(), " closes").expect("a key that closes");
    cockpit.press(typed(&closes));
    cockpit.see_no("what next");
    // Whoever looks elsewhere is told how to come back.
    cockpit.press(typed("↓"));
    asks = next(&mut cockpit, &asks);
    assert!(cockpit.text().contains("goes there"), "{}", cockpit.text());

    let (mut keys, mut steps, mut is_hasty) = (0, Vec::new(), true);
    loop {
        let press = match &asks {
            Asks::Key { partition, .. } if *partition != first => break,
            Asks::Key { about, key, .. } => {
                if steps.last() != Some(about) {
                    steps.push(about.clone());
                }
                key
            }
            // Enter at once chooses what is focused, and says what it did not do.
            Asks::Button { chooses, .. } if is_hasty => {
                is_hasty = false;
                cockpit.press(typed(chooses));
                cockpit.see("nothing was fired");
                asks = next(&mut cockpit, &asks);
                continue;
            }
            Asks::Button { focused, chooses, .. } if focused == "Fire" => chooses,
            Asks::Button { moves, .. } => moves,
            Asks::Answer { key } => key,
            Asks::Nothing => unreachable!("that is waited for"),
        };
        keys += 1;
        assert!(keys <= MOST_KEYS, "it leads nowhere: {steps:?}\n{}", cockpit.text());
        cockpit.press(typed(press));
        asks = next(&mut cockpit, &asks);
    }
    cockpit.see("✓ go-ahead");
    assert_eq!(steps.len(), 13, "each step once, and the go-ahead: {steps:?}");
    assert_eq!(place.events("attempt-started"), 12, "each was fired once");
    eprintln!("a newcomer: {} steps, {keys} keys, {:.1} s", steps.len(), begun.elapsed().as_secs_f64());
}
