//! The README's way in, walked: its commands typed into a shell as they stand there, in a home in which nothing is yet.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use portable_pty::CommandBuilder;

use super::support::place::BINARY;
use super::support::{Cockpit, Place};

/// A block of commands; where it begins with this line, it is typed into another terminal.
const SECOND: &str = "# in a second terminal";

/// The blocks of shell commands in a section.
fn blocks(section: &str) -> Vec<Vec<String>> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, after) = readme.split_once(&format!("\n## {section}\n")).unwrap_or_else(|| panic!("no section {section}"));
    let (section, _) = after.split_once("\n## ").unwrap_or((after, ""));
    let fenced = section.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```").expect("an end").0);
    let blocks: Vec<Vec<String>> = fenced.map(|block| block.lines().map(str::to_owned).collect()).collect();
    assert!(!blocks.is_empty(), "{section}");
    blocks
}

/// What the header calls the screen that a command takes; none where it takes none.
fn screen_of(line: &str) -> Option<&'static str> {
    let mut words = line.strip_prefix("aurora-cockpit ")?.split(' ');
    match words.next()? {
        "rehearse" if words.any(|word| word == "--auto") => None,
        "demo" | "rehearse" | "run" => Some("OPERATOR"),
        "monitor" => Some("MONITOR"),
        "replay" => Some("REPLAY"),
        _ => None,
    }
}

/// What takes the screen, what ends a frame on it, and what gives it back.
const COVERS: &str = "\x1b[?1049h";
const FRAME_END: &str = "\x1b[?2026l";
const UNCOVERS: &str = "\x1b[?1049l";

/// A shell in a terminal.
struct Shell {
    terminal: Cockpit,
    /// Whether a screen of the cockpit is on it.
    is_covered: bool,
    lines: usize,
}

impl Shell {
    fn start(place: &Place) -> Self {
        let mut bash = CommandBuilder::new("bash");
        bash.args(["--norc", "--noprofile"]);
        Self { terminal: Cockpit::start_command(place, (120, 40), bash), is_covered: false, lines: 0 }
    }

    /// Types a line as it stands, and waits for its end or for its screen.
    fn type_line(&mut self, line: &str) {
        self.uncover();
        self.terminal.press(&format!("{line}\r"));
        match screen_of(line) {
            Some(words) => {
                self.terminal.hear_last(COVERS, UNCOVERS);
                self.terminal.hear_last(FRAME_END, COVERS);
                self.terminal.see(words);
                self.is_covered = true;
            }
            None => self.await_end(line),
        }
    }

    /// Leaves the screen that is on it, if there is one.
    fn uncover(&mut self) {
        if self.is_covered {
            self.terminal.press("q");
            self.terminal.hear_last(UNCOVERS, COVERS);
            self.is_covered = false;
            self.await_end("q");
        }
    }

    /// Waits until the shell takes the next line, and wants that all was well.
    fn await_end(&mut self, line: &str) {
        self.lines += 1;
        // What is typed is echoed, and says less than what the shell makes of it.
        self.terminal.press(&format!("echo ended-{}-$?-\r", self.lines));
        let mark = format!("ended-{}-", self.lines);
        let ended = ["0", "1", "2", "3", "4", "126", "127"].map(|code| format!("{mark}{code}-"));
        self.terminal.hear_any(&ended);
        let sent = String::from_utf8_lossy(self.terminal.sent()).into_owned();
        assert!(sent.contains(&ended[0]), "{line}\n{}", &sent[sent.len().saturating_sub(4000)..]);
    }
}

/// A place that holds what a clone has and this walk uses, with the binary on its PATH.
fn fresh_clone() -> Place {
    let mut place = Place::new();
    let rollouts = place.path().join("config/rollouts");
    fs::create_dir_all(&rollouts).unwrap();
    fs::copy(super::support::ROLLOUT, rollouts.join("pdev-479.toml")).unwrap();
    let path = format!("{}:{}", Path::new(BINARY).parent().unwrap().display(), place.env()["PATH"]);
    place.set("PATH", path);
    place
}

#[test]
fn the_walk_from_nothing_to_a_rehearsed_window_goes_as_it_is_written() {
    let begun = Instant::now();
    let place = fresh_clone();
    let mut first = Shell::start(&place);
    let mut second = Shell::start(&place);
    let mut typed = 0;
    for block in blocks("From nothing to a rehearsed prod window") {
        let is_second = block[0] == SECOND;
        let shell = if is_second { &mut second } else { &mut first };
        for line in &block {
            shell.type_line(line);
            typed += 1;
        }
        if is_second {
            // It sees the run that is on in the first one.
            shell.terminal.see("waits for the operator");
            shell.uncover();
        }
    }
    let written =
        |name: &str| fs::read_to_string(place.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let rehearsal = written("rehearsal.md");
    assert!(rehearsal.contains("SIMULATED") && rehearsal.contains("Flush"), "{rehearsal}");
    assert!(written("execution-log.md").contains("SIMULATED"));
    assert!(written("execution-log.html").contains("<html"));
    // Runs are where the README says, and the rehearsed ones are not among them.
    let home = place.path().join("home/.local/state/aurora-cockpit");
    for runs in [home.join("runs"), home.join("rehearse/runs")] {
        assert!(fs::read_dir(&runs).is_ok_and(|mut runs| runs.next().is_some()), "{}", runs.display());
    }
    eprintln!("the README's walk: {typed} lines, {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn completions_and_manual_are_installed_as_it_is_written_and_can_be_read() {
    let place = fresh_clone();
    let mut shell = Shell::start(&place);
    // What builds the binary is what runs this.
    for line in blocks("Install").concat().iter().filter(|line| !line.starts_with("cargo ")) {
        shell.type_line(line);
    }
    let home = place.path().join("home");
    let checks = [
        ("bash", vec!["-n"], ".local/share/bash-completion/completions/aurora-cockpit"),
        ("zsh", vec!["-n"], ".zfunc/_aurora-cockpit"),
        ("fish", vec!["--no-execute"], ".config/fish/completions/aurora-cockpit.fish"),
        ("mandoc", vec!["-T", "lint", "-W", "error"], ".local/share/man/man1/aurora-cockpit.1"),
        ("groff", vec!["-man", "-Tutf8", "-ww", "-z"], ".local/share/man/man1/aurora-cockpit.1"),
    ];
    let mut tried = Vec::new();
    for (program, arguments, file) in checks {
        let text = fs::read_to_string(home.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains("rehearse"), "{file} knows the commands");
        // bash is everywhere here; of the others, those that are installed.
        let Ok(said) = Command::new(program).args(arguments).arg(home.join(file)).output() else { continue };
        let words = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success() && words.is_empty(), "{program} {file}: {words}");
        tried.push(program);
    }
    assert!(tried.contains(&"bash"), "{tried:?}");
    eprintln!("completions and manual were read by {}", tried.join(", "));
}
