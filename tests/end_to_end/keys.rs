//! Every command of the table, pressed in a real terminal, and what comes of it.

use aurora_cockpit::app::commands::{COMMANDS, Command, CommandId, Key};
use aurora_cockpit::app::state::Pane;
use crossterm::event::KeyCode;

use super::support::{Cockpit, DOWN, ENTER, ESCAPE, Place, TAB};

/// The bytes that a terminal sends for a key.
fn bytes(key: Key) -> String {
    match key {
        Key::Char(character) => character.to_string(),
        Key::Named(code, name) => match code {
            KeyCode::Enter => ENTER.to_owned(),
            KeyCode::Tab => TAB.to_owned(),
            KeyCode::BackTab => "\x1b[Z".to_owned(),
            KeyCode::Up => "\x1b[A".to_owned(),
            KeyCode::Down => DOWN.to_owned(),
            KeyCode::Right => "\x1b[C".to_owned(),
            KeyCode::Left => "\x1b[D".to_owned(),
            KeyCode::Home => "\x1b[H".to_owned(),
            KeyCode::End => "\x1b[F".to_owned(),
            KeyCode::PageUp => "\x1b[5~".to_owned(),
            KeyCode::PageDown => "\x1b[6~".to_owned(),
            KeyCode::Char(character) => character.to_string(),
            _ => panic!("{name} is sent by no terminal that is known here"),
        },
    }
}

/// What a key does at the very start of a rollout.
enum Shows {
    /// Words come, in a dialog that Esc closes.
    Dialog(&'static str),
    /// Words come: something is another way now, or the footer says why the key does nothing now.
    Words(&'static str),
    /// Words go.
    Gone(&'static str),
    /// What is below the header is drawn in another way.
    Another,
    /// The program ends.
    Ends,
}

/// What is pressed before the key, what comes of the key, and what is pressed after it to have the screen as it was.
struct Case(&'static str, Shows, &'static str);

/// A case for every command; a new command without one fails.
fn case(id: CommandId) -> Case {
    use Shows::{Another, Dialog, Ends, Gone, Words};
    match id {
        CommandId::Fire => Case("", Dialog("Enter chooses"), ""),
        CommandId::Ways => Case("", Words("ways out: no step is in trouble"), ""),
        CommandId::RetryNow => Case("", Words("try now: nothing waits to be tried again"), ""),
        CommandId::Terminal => Case("", Words("terminal: no program runs"), ""),
        CommandId::Skip => Case("", Dialog("Why is this step passed over?"), ""),
        CommandId::GoAhead => Case("", Words("go-ahead: needs"), ""),
        CommandId::Approve => Case("", Words("approve: this session operates"), ""),
        CommandId::Note => Case("", Dialog("What is worth writing down?"), ""),
        CommandId::Decision => Case("", Dialog("What do you decide, and why?"), ""),
        CommandId::FollowUp => Case("", Dialog("What is left to be done after the rollout?"), ""),
        CommandId::Levers => Case("", Dialog("Enter opens its confirmation"), ""),
        CommandId::RollBack => Case("", Words("roll back: nothing was fired in dev yet"), ""),
        CommandId::Stop => Case("", Dialog("Why does the rollout stop here?"), ""),
        CommandId::Details => Case("", Dialog("↑↓ scroll · Esc closes"), ""),
        CommandId::Concerns => Case("", Dialog("what is not as it should be"), ""),
        CommandId::Witnesses => Case("", Dialog("dev · witnesses"), ""),
        CommandId::Palette => Case("", Dialog("Enter does it"), ""),
        CommandId::Help => Case("", Dialog("Open the confirmation of the marked step."), ""),
        CommandId::Up => Case("jj", Words("│›0"), "f"),
        CommandId::Down => Case("", Words("│›0"), "f"),
        CommandId::Newest => Case("", Words("│›g"), "f"),
        CommandId::PageDown => Case("", Words("│›7"), "f"),
        CommandId::Oldest | CommandId::PageUp => Case("jj", Words("│›p"), "f"),
        CommandId::PartitionNext => Case("", Words("stage · steps"), "f"),
        CommandId::PartitionBefore => Case("]", Words("dev · steps"), "f"),
        CommandId::Find => Case("", Dialog("partitions · what calls first"), ""),
        CommandId::NextCalling => Case("", Words("no other partition calls for anybody"), ""),
        CommandId::PaneNext => Case("", Another, "\x1b[Z"),
        CommandId::PaneBefore => Case("", Words("/ search"), "\t"),
        CommandId::Zoom => Case("", Gone("average active sessions"), "z"),
        CommandId::Share => Case("", Words("DEV   p Prerequisites"), "S"),
        CommandId::Follow => Case("]", Words("dev · steps"), ""),
        CommandId::Search => Case("", Words("Enter keeps the search"), "\x7f"),
        CommandId::MatchNewer => Case("", Words("newer match: nothing is searched"), ""),
        CommandId::MatchOlder => Case("", Words("older match: nothing is searched"), ""),
        CommandId::LogPause => Case("", Words("v follows"), "v"),
        CommandId::LogLevel => Case("", Words("log · notices and above"), "eee"),
        CommandId::LogFilter => Case("", Dialog("what the log shows"), ""),
        CommandId::LogPartition => Case("", Words("log · only dev"), "a"),
        CommandId::LogWrap => Case("", Another, "b"),
        CommandId::LogStamps => Case("t", Words("│ sql "), "t"),
        CommandId::LogCopy => Case("", Words("sent to the terminal's clipboard"), ""),
        CommandId::Closer => Case("", Words("×2"), "-"),
        CommandId::Wider => Case("", Words("×1/2"), "+"),
        CommandId::Earlier | CommandId::Later => Case("+", Another, "-"),
        CommandId::LoadWhose | CommandId::LoadStatements | CommandId::LoadChange | CommandId::LoadResolution => {
            Case("", Another, "")
        }
        CommandId::SortNext => Case("", Gone("by share ↓"), ""),
        CommandId::SortReversed => Case("", Words("↑ ─"), "O"),
        CommandId::Filter => Case("", Words("/▌"), "\r"),
        CommandId::QueryText => Case("", Words("whole query: "), ""),
        CommandId::Compare => Case("", Words("compare: "), ""),
        CommandId::Play
        | CommandId::Back
        | CommandId::Forth
        | CommandId::MarkBefore
        | CommandId::MarkNext
        | CommandId::Slower
        | CommandId::Faster => Case("", Words("this is no replay"), ""),
        CommandId::Quit => Case("", Ends, ""),
        // Commands come with the panes that they belong to.
        #[allow(unreachable_patterns, reason = "reached by the next new command")]
        other => panic!("{other:?} has no case: press its key here, and await what it shows"),
    }
}

/// What is on the screen below the header, whose clock goes on.
fn below_the_header(screen: &vt100::Screen) -> Vec<String> {
    screen.rows(0, screen.size().1.get()).skip(3).collect()
}

fn try_command(cockpit: &mut Cockpit, command: &Command) {
    let away = command.pane.and_then(|pane| Pane::ALL.iter().position(|each| *each == pane)).unwrap_or(0);
    let Case(before, shows, after) = case(command.id);
    println!("{:?}", command.id);
    cockpit.press(&TAB.repeat(away));
    cockpit.press(before);
    let screen = cockpit.terminal_rows();
    cockpit.press(&bytes(command.keys[0]));
    match shows {
        Shows::Dialog(words) => {
            cockpit.see(words);
            cockpit.press(ESCAPE);
            cockpit.see_no(words);
        }
        Shows::Words(words) => cockpit.see(words),
        Shows::Gone(words) => cockpit.see_no(words),
        Shows::Another => {
            cockpit.wait_for(&format!("{:?}", command.id), |now| below_the_header(now) != screen[3..]);
        }
        Shows::Ends => return,
    }
    cockpit.press(after);
    // Back to the steps, and the step in hand: every command begins from the same place.
    cockpit.press(&"\x1b[Z".repeat(away));
}

#[test]
fn every_key_of_the_table_does_what_it_says() {
    let place = Place::new();
    let mut cockpit = Cockpit::start(&place, (200, 50), &["demo", "--speed", "200"]);
    cockpit.see("p  › Prerequisites");
    cockpit.see("GRANT pg_monitor");
    for command in COMMANDS.iter().filter(|command| command.id != CommandId::Quit) {
        try_command(&mut cockpit, command);
    }
    let quit = COMMANDS.iter().find(|command| command.id == CommandId::Quit).expect("a way out");
    try_command(&mut cockpit, quit);
    assert_eq!(cockpit.end().0, 0);
}
