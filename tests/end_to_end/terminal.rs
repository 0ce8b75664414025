//! What the cockpit asks of the terminal beyond a picture, byte by byte, and how it leaves it.

use std::fs;

use aurora_cockpit::term::Screen;
use portable_pty::CommandBuilder;
use rustix::process::Signal;

use super::support::{Cockpit, ENTER, Left, Place, holds};

/// F5, as a terminal sends it.
const F5: &str = "\x1b[15~";

/// A mouse event in SGR coordinates, which begin at 1.
fn mouse(button: u8, (column, row): (usize, usize)) -> String {
    format!("\x1b[<{button};{};{}M", column + 1, row + 1)
}

/// Where words stand on the screen.
fn place_of(cockpit: &Cockpit, words: &str) -> (usize, usize) {
    let rows = cockpit.terminal_rows();
    let found = rows
        .iter()
        .enumerate()
        .find_map(|(row, text)| text.split_once(words).map(|(before, _)| (before.chars().count(), row)));
    found.unwrap_or_else(|| panic!("no {words}\n{}", cockpit.text()))
}

/// The terminal is as it was before: nothing that was asked of it is still asked, in whatever way the program ended.
fn is_given_back(left: &Left) {
    let screen = left.terminal.screen();
    assert!(!screen.alternate_screen(), "on its own screen again");
    assert!(!screen.hide_cursor(), "the cursor is shown");
    assert!(!screen.bracketed_paste(), "what is pasted comes as it is");
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is the terminal's own");
    assert!(left.line_is_as_before, "lines, echo and signals as before");
    for asked in ["\x1b[?1049h", "\x1b[?25l", "\x1b[?2004h"] {
        assert!(holds(&left.sent, asked), "{asked:?} was asked for: else nothing was given back");
    }
}

#[test]
fn a_key_of_the_settings_is_the_key_and_the_usual_one_is_not() {
    let place = Place::new();
    let settings = place.path().join("home/.config/aurora-cockpit");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("config.toml"), "[keys]\nfire = \"F5\"\nquit = [\"ctrl-q\"]\n").unwrap();
    let mut cockpit = Cockpit::start(&place, (120, 40), &["demo", "--speed", "200"]);
    cockpit.see("p Prerequisites   is next   F5");
    cockpit.press(ENTER);
    cockpit.see("Enter does nothing; ? lists the keys");
    cockpit.press("q");
    cockpit.see("q does nothing");
    cockpit.press(F5);
    cockpit.see("Enter chooses");
    // In a dialog Enter stays Enter.
    cockpit.press(ENTER);
    cockpit.see("nothing was fired; to fire: F5, ⇥ to Fire, Enter");
    cockpit.press("\x11");
    let left = cockpit.leave();
    assert_eq!(left.code, 0);
    is_given_back(&left);
}

#[test]
fn the_mouse_marks_and_scrolls_and_fires_nothing() {
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (80, 24), &["demo", "--speed", "200"]);
    cockpit.see("p  › Prerequisites");
    // One for each partition: more lines than the log has room for here.
    cockpit.wait_for("a log that can be scrolled", |screen| screen.contents().matches("GRANT pg_monitor").count() == 3);
    cockpit.hear("\x1b[?1000h\x1b[?1006h");
    let step = place_of(&cockpit, "amm.sh");
    cockpit.press(&mouse(0, step));
    cockpit.see("│›2");
    // The other buttons, and a second click, do nothing more.
    for button in [0, 1, 2] {
        cockpit.press(&mouse(button, step));
    }
    let log = place_of(&cockpit, "GRANT pg_monitor");
    cockpit.see("following");
    cockpit.press(&mouse(64, log));
    cockpit.see_no("following");
    cockpit.press(&mouse(65, log));
    cockpit.see("following");
    assert!(!cockpit.text().contains("Enter chooses"), "{}", cockpit.text());
    assert_eq!(place.events("attempt-started"), 0);
    // The end by the system: nothing of the mouse is left behind.
    cockpit.signal(Signal::TERM);
    let left = cockpit.leave();
    assert_eq!(left.code, 0);
    is_given_back(&left);
    assert!(holds(&left.sent, "\x1b[?1006l\x1b[?1000l"));
}

#[test]
fn title_notifications_bell_and_clipboard_go_out_as_the_bytes_that_terminals_know() {
    let mut place = Place::with_site(200);
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("p  › Prerequisites");
    cockpit.hear("\x1b[22;2t");
    cockpit.hear("\x1b]2;aurora-cockpit · dev · p Prerequisites is next\x1b\\");
    cockpit.fire(("p", "Prerequisites"));
    let text = "dev · p Prerequisites passed with warnings";
    cockpit.hear(&format!("\x1b]9;{text}\x1b\\\x1b]777;notify;aurora-cockpit;{text}\x1b\\\x07"));
    assert_eq!(cockpit.rings(), 1);

    // The lines that are seen of the log, whole, for whoever pastes them.
    cockpit.press("\x1b[Z");
    cockpit.see("/ search");
    cockpit.press("c");
    cockpit.see("sent to the terminal's clipboard");
    cockpit.hear("\x1b]52;c;");
    let sent = String::from_utf8_lossy(cockpit.sent()).into_owned();
    let (_, copy) = sent.rsplit_once("\x1b]52;c;").expect("a copy");
    let (encoded, _) = copy.split_once('\x1b').expect("its end");
    let copied = decoded(encoded);
    assert!(copied.contains("prerequisites: attempt 1 passed with warnings"), "{copied}");
    assert!(!copied.contains('…'), "nothing is cut: {copied}");

    cockpit.press("q");
    let left = cockpit.leave();
    is_given_back(&left);
    let sent = String::from_utf8_lossy(&left.sent).into_owned();
    let title_back = sent.rfind("\x1b[23;2t").expect("the title is taken from the stack");
    assert!(title_back > sent.rfind("\x1b]2;").unwrap(), "no title after that: {:?}", &sent[title_back..]);

    // Within tmux, which hands on only what is wrapped; a title and a bell are its own.
    place.set("TMUX", "/nowhere,1,0");
    let mut cockpit = Cockpit::start(&place, (120, 40), &["run"]);
    cockpit.see("0  › Drift checks");
    cockpit.fire(("0", "Drift checks"));
    let text = "dev · 0 Drift checks passed";
    cockpit.hear(&format!("\x1bPtmux;\x1b\x1b]9;{text}\x1b\x1b\\\x1b\\"));
    cockpit.hear(&format!("\x1bPtmux;\x1b\x1b]777;notify;aurora-cockpit;{text}\x1b\x1b\\\x1b\\\x07"));
    assert!(!holds(cockpit.sent(), "\x1bPtmux;\x1b\x1b]2;"), "a title is tmux's own");
    cockpit.press("q");
    is_given_back(&cockpit.leave());
}

/// Base64, as OSC 52 has it.
fn decoded(text: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for letter in text.chars().filter(|letter| *letter != '=') {
        let value = LETTERS.find(letter).unwrap_or_else(|| panic!("no base64: {text}"));
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).expect("a text")
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_speaks() {
    let place = Place::new();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["terminal::panics_in_full_screen", "--exact", "--ignored", "--nocapture", "--test-threads", "1"]);
    let left = Cockpit::start_command(&place, (120, 40), command).leave();
    assert_ne!(left.code, 0);
    is_given_back(&left);
    let words = left.terminal.screen().contents();
    assert!(words.contains("the worst happens"), "what is said of it can be read: {words}");
    let sent = String::from_utf8_lossy(&left.sent).into_owned();
    assert!(sent.contains("\x1b[1;1Hdrawn"), "it had drawn: {sent:?}");
    assert!(sent.find("\x1b[?1049l") < sent.find("the worst happens"), "{sent:?}");
}

/// What the test above runs in a terminal; by itself it proves nothing.
#[test]
#[ignore = "panics on purpose, in a terminal that another test gives it"]
fn panics_in_full_screen() {
    let mut screen = Screen::take(true).expect("a terminal");
    screen.draw(|frame| frame.render_widget("drawn in full screen", frame.area())).unwrap();
    panic!("the worst happens");
}
