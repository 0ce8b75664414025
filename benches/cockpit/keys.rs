//! From a key to its letter on the screen: quietly, and while a program prints and every witness is in a hurry.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::figures::{Asked, Figure, Series, Taken, take};
use crate::processes::output;
use crate::starts::{command, is_whole};
use crate::support::Place;
use crate::terminal::{SIZE, Terminal};

/// How many keys are pressed.
const KEYS: usize = 400;
/// Lines that the talkative program prints a second.
const LINES: u32 = 50_000;
/// The program that prints them is this one, called so.
pub const TALK: &str = "--talk";
/// When it ends by itself: nothing of this outlives the bench for long, whatever becomes of whoever reads it.
const TALKS_FOR: Duration = Duration::from_secs(120);

/// Both.
pub fn measure() -> Vec<Figure> {
    let asked = Some(Asked::P99(16.0));
    vec![
        Figure::new("key to its letter on the screen, quiet", take(quiet), asked),
        Figure::new(
            format!("  while a program prints {LINES} lines/s and witnesses are asked every 250 ms"),
            take(busy),
            asked,
        ),
    ]
}

fn quiet() -> Taken {
    let place = Place::with_site(10);
    let mut terminal = Terminal::start(command(&place, &["run"]), SIZE)?;
    terminal.until("a screen", is_whole)?;
    terminal.stay(Duration::from_secs(5));
    echoes(&mut terminal)
}

fn busy() -> Taken {
    let mut place = Place::new();
    let rollout = place.path().join("talk.toml");
    fs::write(&rollout, talkative()?).map_err(|error| error.to_string())?;
    let rollout = rollout.to_str().ok_or("a name in UTF-8")?.to_owned();
    place.begin_site(10, &rollout);
    let mut terminal = Terminal::start(command(&place, &["run", "--rollout", &rollout]), SIZE)?;
    terminal.until("a screen", |screen| screen.contents().contains("Talk"))?;
    terminal.stay(Duration::from_secs(3));
    terminal.press("1")?;
    terminal.until("a confirmation", |screen| screen.contents().contains("Enter chooses"))?;
    terminal.press("\t\r")?;
    // The program is ended whatever happens from here on.
    let program = Program { runs: place.state().join("runs") };
    terminal.until("what the program prints", |screen| screen.contents().contains("of many"))?;
    // A failover that nobody fired: what the cockpit sees of it makes it ask all witnesses as in one of its own.
    fail_over(&place)?;
    terminal.until("the failover", |screen| screen.contents().contains("UNPLANNED FAILOVER"))?;
    let times = echoes(&mut terminal)?;
    if !program.lives() {
        return Err("the program ended before the last key".to_owned());
    }
    Ok(times)
}

/// Letters typed into the palette, each awaited on the screen, and taken back again.
fn echoes(terminal: &mut Terminal) -> Taken {
    terminal.press(":")?;
    // Its title: the hint in its last row gives way to a notice.
    terminal.until("the palette", |screen| screen.contents().contains("what to do"))?;
    let mut times = Vec::with_capacity(KEYS);
    for round in 0..KEYS {
        // Letters that no other word on the screen is made of.
        let typed = "qzx".chars().cycle().take(round % 9 + 1).collect::<String>();
        let shown = format!(": {typed}");
        let at = terminal.press(&typed[typed.len() - 1..])?;
        let seen = terminal.until(&shown, |screen| screen.contents().contains(&shown))?;
        times.push(seen - at);
        if round % 9 == 8 {
            terminal.press(&"\x7f".repeat(9))?;
            terminal.until("no letter", |screen| !screen.contents().contains(": qzx"))?;
        }
        // Not in step with the cockpit's own beat.
        terminal.stay(Duration::from_millis(20 + (round as u64 * 7) % 30));
    }
    terminal.press("\x1b")?;
    Ok(Series::millis(times))
}

/// A rollout of one program, which prints for a while, on a cluster whose databases are spoken to.
fn talkative() -> Result<String, String> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/failover.toml");
    let text = fs::read_to_string(&fixture).map_err(|error| error.to_string())?;
    let (partitions, _) = text.split_once("[[steps]]").ok_or("the fixture has no steps")?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(format!(
        "{partitions}[[steps]]\nid = \"talk\"\nlabel = \"1\"\ntitle = \"Talk\"\nkind = \"command\"\n\
         command = {{ program = \"{}\", arguments = [\"{TALK}\"], directory = \"/\" }}\n",
        program.display()
    ))
}

/// Prints lines at a steady rate, until nobody reads or its time is over.
pub fn talk() -> ExitCode {
    let begun = Instant::now();
    let mut out = std::io::stdout().lock();
    let mut number = 0_u64;
    while begun.elapsed() < TALKS_FOR {
        let due = (begun.elapsed().as_secs_f64() * f64::from(LINES)) as u64;
        while number < due {
            number += 1;
            if writeln!(out, "line {number} of many, as a deployment would print it: UPDATE_IN_PROGRESS").is_err() {
                return ExitCode::SUCCESS;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    ExitCode::SUCCESS
}

/// What the cockpit of a place has started, which outlives it. It is ended with this.
struct Program {
    runs: PathBuf,
}

impl Program {
    fn processes(&self) -> Vec<Pid> {
        let below =
            |directory: PathBuf| fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let programs = below(self.runs.clone()).flat_map(|run| below(run.join("programs")));
        let pid = |program: PathBuf| fs::read_to_string(program.join("pid")).ok()?.trim().parse().ok();
        programs.filter_map(pid).filter_map(Pid::from_raw).collect()
    }

    fn lives(&self) -> bool {
        self.processes().into_iter().any(|process| rustix::process::test_kill_process(process).is_ok())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for process in self.processes() {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

/// Fails the cluster over, by a hand that is not the cockpit's.
fn fail_over(place: &Place) -> Result<(), String> {
    let mut command = Command::new("sh");
    let line = "aws rds failover-db-cluster --db-cluster-identifier Alpha002-stage-AuroraCluster --profile Alpha002-Admin \
                --endpoint-url \"$AWS_ENDPOINT_URL\"";
    let line = line.replacen("aws", &crate::peers::aws().display().to_string(), 1);
    command.args(["-c", &line]).env_clear().envs(place.env());
    let said = output(command, Duration::from_secs(30))?;
    let words = String::from_utf8_lossy(&said.stderr);
    said.status.success().then_some(()).ok_or_else(|| format!("the failover was refused: {}", words.trim()))
}
