//! The whole program, measured from outside: a terminal of its own on one side, the simulated site as a process of its own on
//! the other. What somebody would use instead is measured in the same run, where it is installed.
//!
//! ```text
//! cargo bench --bench cockpit -- --idle-seconds 300 --json figures.json
//! ```
//!
//! The AWS CLI is taken from COCKPIT_TEST_AWS or PATH; `kubectl` and `psql` from PATH.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod figures;
#[path = "../../tests/end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;
mod terminal;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use aurora_cockpit::config;
use aurora_cockpit::journal::{Entry, Head};
use aurora_cockpit::runbook::event::{Event, NoteKind, Session};
use aurora_cockpit::runbook::names::RunId;
use figures::{Budget, Figure, Series};
use jiff::Timestamp;
use portable_pty::CommandBuilder;
use rustix::process::{Signal, kill_process};
use support::Place;
use support::place::BINARY;
use terminal::Terminal;

const SIZE: (u16, u16) = (200, 50);
/// How often a start is measured.
const STARTS: usize = 15;
/// How many keys are pressed.
const KEYS: usize = 400;
/// Events of the long journal.
const EVENTS: usize = 100_000;
/// Lines that the talkative program prints a second.
const LINES: u32 = 50_000;
/// Of proc(5), in a second: Linux's USER_HZ, the same on x86-64 and on Arm.
const TICKS: u64 = 100;
/// The program that prints them is this one, called so.
const TALK: &str = "--talk";

struct Options {
    idle: Duration,
    json: Option<PathBuf>,
}

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { idle: Duration::from_secs(60), json: None };
        // cargo adds an option of its own.
        let mut words = words.filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            match word.as_str() {
                "--idle-seconds" => {
                    options.idle = Duration::from_secs(value.parse().map_err(|_| format!("{value} is no number"))?);
                }
                "--json" => options.json = Some(value.into()),
                _ => return Err(format!("{word}: there are --idle-seconds N and --json FILE")),
            }
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == TALK) {
        return talk();
    }
    let options = match Options::read(words.into_iter()) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let mut figures = first_paint();
    figures.extend(keys());
    figures.extend(idle(options.idle));
    figures.push(Figure::new("size of the binary", Series::new("MB", [size_of_the_binary()]), None));
    print!("{}", figures::table(&figures));
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", figures::json(&figures, &machine()));
        fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    ExitCode::SUCCESS
}

/// Starting: with a site that answers, with one that does not, and with a long journal to take up.
fn first_paint() -> Vec<Figure> {
    let asked = |at_most| Some(Budget { of_hundred: 50.0, at_most });
    let place = Place::with_site(10);
    let answered = Series::millis((0..STARTS).map(|_| start(&place, &["run", "--new"])));

    let site = place.site_process().expect("a site");
    kill_process(site, Signal::STOP).expect("the site stands still");
    let unanswered = Series::millis((0..STARTS).map(|_| start(&place, &["run", "--new"])));
    let resumed = long_run(&place);
    let long = Series::millis((0..STARTS).map(|_| start(&place, &["run"])));
    assert!(resumed.exists(), "the run was taken up, not another begun");
    kill_process(site, Signal::CONT).expect("the site goes on");
    vec![
        Figure::new("first full screen, the site answers", answered, asked(50.0))
            .beside("`aws --version`", aws_version()),
        Figure::new("first full screen, nothing answers", unanswered, asked(50.0)),
        Figure::new(format!("first full screen, {EVENTS} events to take up, nothing answers"), long, asked(150.0)),
    ]
}

/// How long the cockpit takes from its start to its first full screen.
fn start(place: &Place, arguments: &[&str]) -> Duration {
    let mut terminal = Terminal::start(command(place, arguments), SIZE);
    let painted = terminal.until(is_whole);
    painted.unwrap_or_else(|| panic!("no screen:\n{}", terminal.text())) - terminal.started
}

/// Whether the screen is drawn to its last row: keys, or what there is to say at the start.
fn is_whole(screen: &vt100::Screen) -> bool {
    let last = screen.rows(0, screen.size().1.get()).last().unwrap_or_default();
    screen.contents().contains("prod") && !last.trim().is_empty()
}

fn command(place: &Place, arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(BINARY);
    command.env_clear();
    for (name, value) in place.env() {
        command.env(name, value);
    }
    command.cwd(place.path());
    command.args(arguments);
    command.arg("--state-dir");
    command.arg(place.state());
    command
}

/// Writes a run with a long journal, the newest of its place; its journal.
fn long_run(place: &Place) -> PathBuf {
    let id = "pdev-479-99991231T235959Z";
    let directory = place.state().join("runs").join(id);
    fs::create_dir_all(&directory).unwrap();
    let (name, text) = config::SHIPPED;
    let plan =
        Box::new(config::load_text(name, text, place.env().get("AURORA_COCKPIT_OVERLAY").map(Path::new)).unwrap());
    let opened = Session { operator: "jmp".into(), host: "bench".into(), pid: 1, version: "0".into(), user: None };
    let mut head = Head::default();
    let mut file = std::io::BufWriter::new(fs::File::create(directory.join("journal.jsonl")).unwrap());
    let mut put = |event: &Event| {
        let entry = Entry::after(&head, Timestamp::now(), event).unwrap();
        serde_json::to_writer(&mut file, &entry).unwrap();
        file.write_all(b"\n").unwrap();
        head = entry.head();
    };
    put(&Event::RunStarted { run: RunId::new(id), plan, simulated: true });
    put(&Event::SessionOpened { session: opened });
    for number in 2..EVENTS {
        put(&Event::Noted {
            partition: None,
            step: None,
            by: "jmp".into(),
            text: format!("what was seen in look {number}"),
            note: NoteKind::Remark,
            evidence: Vec::new(),
        });
    }
    directory.join("journal.jsonl")
}

fn aws_version() -> Result<Series, String> {
    let aws = std::env::var("COCKPIT_TEST_AWS").unwrap_or_else(|_| "aws".to_owned());
    let run = || {
        let begun = Instant::now();
        let ended = Command::new(&aws).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ended.map(|_| begun.elapsed()).map_err(|error| format!("{aws}: {error}"))
    };
    let times: Result<Vec<Duration>, String> = (0..STARTS).map(|_| run()).collect();
    times.map(Series::millis)
}

/// From a key to its letter on the screen: quietly, and while a program prints.
fn keys() -> Vec<Figure> {
    let asked = Some(Budget { of_hundred: 99.0, at_most: 16.0 });
    let place = Place::with_site(10);
    let mut terminal = Terminal::start(command(&place, &["run"]), SIZE);
    terminal.until(is_whole).expect("a screen");
    let quiet = echoes(&mut terminal);
    drop(terminal);

    let place = Place::with_site_of(10, talkative(&Place::new()).to_str().expect("UTF-8"));
    let file = talkative(&place);
    let mut terminal = Terminal::start(command(&place, &["run", "--rollout", file.to_str().expect("UTF-8")]), SIZE);
    terminal.until(|screen| screen.contents().contains("Talk")).expect("a screen");
    terminal.press("1");
    terminal.until(|screen| screen.contents().contains("Enter chooses")).expect("a confirmation");
    terminal.press("\t\r");
    terminal.until(|screen| screen.contents().contains("of many")).unwrap_or_else(|| panic!("{}", terminal.text()));
    let busy = echoes(&mut terminal);
    vec![
        Figure::new("key to its letter on the screen, quiet", quiet, asked),
        Figure::new(format!("the same while a program prints {LINES} lines/s"), busy, asked),
    ]
}

/// Letters typed into the palette, each awaited on the screen, and taken back again.
fn echoes(terminal: &mut Terminal) -> Series {
    terminal.press(":");
    let opened = terminal.until(|screen| screen.contents().contains("Esc"));
    opened.unwrap_or_else(|| panic!("no palette:\n{}", terminal.text()));
    let mut times = Vec::with_capacity(KEYS);
    for round in 0..KEYS {
        // Letters that no other word on the screen is made of.
        let typed = "qzx".chars().cycle().take(round % 9 + 1).collect::<String>();
        let at = terminal.press(&typed[typed.len() - 1..]);
        let shown = terminal
            .until(|screen| screen.contents().contains(&typed))
            .unwrap_or_else(|| panic!("{typed}:\n{}", terminal.text()));
        times.push(shown - at);
        if round % 9 == 8 {
            terminal.press(&"\x7f".repeat(9));
            terminal.until(|screen| !screen.contents().contains("qzx"));
        }
        // Not in step with the cockpit's own beat.
        terminal.stay(Duration::from_millis(20 + (round as u64 * 7) % 30));
    }
    terminal.press("\x1b");
    Series::millis(times)
}

/// A rollout of one program, which prints without end.
fn talkative(place: &Place) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let text = format!(
        r#"id = "talk"
title = "A program that prints"
time_zone = "UTC"

[[partitions]]
name = "dev"
infrastructure = "Alpha002"
aws = {{ profile = "Alpha002-Admin", region = "us-east-1" }}
cluster = {{ id = "Alpha002-dev-AuroraCluster", apply_immediately = true }}

[[steps]]
id = "talk"
label = "1"
title = "Talk"
kind = "command"
command = {{ program = "{}", arguments = ["{TALK}"], directory = "{}" }}
"#,
        program.display(),
        place.path().display()
    );
    let file = place.path().join("talk.toml");
    fs::write(&file, text).unwrap();
    file
}

/// Prints lines at a steady rate until nobody reads.
fn talk() -> ExitCode {
    let begun = Instant::now();
    let mut out = std::io::stdout().lock();
    let mut number = 0_u64;
    loop {
        let due = (begun.elapsed().as_secs_f64() * f64::from(LINES)) as u64;
        while number < due {
            number += 1;
            if writeln!(out, "line {number} of many, as a deployment would print it: UPDATE_IN_PROGRESS").is_err() {
                return ExitCode::SUCCESS;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What it costs to leave it running: a core's share, memory, bytes to the terminal.
fn idle(time: Duration) -> Vec<Figure> {
    let at_most = |at_most| Some(Budget { of_hundred: 100.0, at_most });
    let place = Place::with_site(10);
    let mut terminal = Terminal::start(command(&place, &["run"]), SIZE);
    terminal.until(is_whole).expect("a screen");
    // What is asked once at the start is over by then.
    terminal.stay(Duration::from_secs(15));
    let before = processor(terminal.process());
    let written = terminal.stay(time);
    let share = (processor(terminal.process()) - before).as_secs_f64() / time.as_secs_f64() * 100.0;
    let resident = resident(terminal.process());
    drop(terminal);
    vec![
        Figure::new("idle, four partitions watched: of a core", Series::new("%", [share]), at_most(1.0)).beside(
            "a loop of `aws`, `kubectl`, `psql` every 10 s",
            loop_of_tools(&place, time.min(Duration::from_secs(60))),
        ),
        Figure::new("idle: memory", Series::new("MB", [resident]), at_most(50.0)),
        Figure::new(
            "idle: written to the terminal",
            Series::new("bytes/s", [written as f64 / time.as_secs_f64()]),
            at_most(300.0),
        ),
    ]
}

/// What a shell costs that asks the same of four partitions.
fn loop_of_tools(place: &Place, time: Duration) -> Result<Series, String> {
    let aws = std::env::var("COCKPIT_TEST_AWS").unwrap_or_else(|_| "aws".to_owned());
    let round = format!(
        "for partition in dev stage demo prod; do
           {aws} rds describe-db-clusters --profile Alpha002-Admin >/dev/null 2>&1
           kubectl get pods -n $partition-operations >/dev/null 2>&1
           psql -h $PGHOST_ALPHA002_STAGE_AURORACLUSTER -c 'select 1' >/dev/null 2>&1
         done"
    );
    if Command::new(&aws).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err(format!("{aws} is not installed"));
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("while :; do {round}; sleep 10; done")]).env_clear().envs(place.env());
    let mut child = shell.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    std::thread::sleep(time);
    let used = processor(child.id());
    let _ = child.kill();
    let _ = child.wait();
    Ok(Series::new("%", [used.as_secs_f64() / time.as_secs_f64() * 100.0]))
}

/// Processor time of a process and of its children that ended.
fn processor(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    // Its name, in parentheses, may hold blanks.
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    // proc(5): utime, stime, cutime and cstime are the fields 14 to 17, in ticks.
    let ticks: u64 = fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Resident memory in megabytes.
fn resident(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5) has it");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes / 1024.0
}

fn size_of_the_binary() -> f64 {
    fs::metadata(BINARY).expect("the binary").len() as f64 / 1_048_576.0
}

/// Processors and memory, in words.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZeroUsize::get);
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!("{cores} cores, {}", model.trim_start_matches([' ', '\t', ':']))
}
