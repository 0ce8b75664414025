//! What a fleet costs: the screen, its start, its memory and its calls, with 4, 40 and 400 partitions over 1, 4 and 10 accounts.
//!
//! `cargo bench --bench scale` prints a table and a plot; `-- --json FILE` writes the figures, `-- --readme` puts both into the
//! README, `-- --screen` leaves out what is measured from outside, against a simulated site in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/support/fleet.rs"]
mod fleet;
#[path = "cockpit/readme.rs"]
mod readme;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aurora_cockpit::app::state::{Mode, State};
use aurora_cockpit::app::update::{Message, update};
use aurora_cockpit::config;
use aurora_cockpit::runbook::event::{Event, Record};
use aurora_cockpit::runbook::names::{PartitionName, RunId, StepRef};
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use aurora_cockpit::watch::sample::{ClusterView, MemberView, Reading, Role, Sample, Source};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

const FLEETS: [(usize, usize); 3] = [(4, 1), (40, 4), (400, 10)];
/// Frames of which the median is taken.
const FRAMES: usize = 101;
/// How long the calls are counted, after the first ones are over.
const MINUTE: Duration = Duration::from_secs(60);
const SETTLES: Duration = Duration::from_secs(20);
/// Longest wait for a site or a screen.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| arguments.iter().position(|each| each == flag).and_then(|at| arguments.get(at + 1));
    let outside = !arguments.iter().any(|each| each == "--screen");
    let figures: Vec<Value> =
        FLEETS.iter().map(|(partitions, accounts)| measure(*partitions, *accounts, outside)).collect();
    let text = text(&figures);
    print!("{text}");
    if arguments.iter().any(|each| each == "--readme") {
        readme::write("scale", &text).unwrap();
    }
    if let Some(file) = after("--json") {
        fs::write(file, format!("{:#}\n", Value::Array(figures))).unwrap();
    }
}

fn measure(partitions: usize, accounts: usize, outside: bool) -> Value {
    let text = fleet::rollout(partitions, accounts);
    let mut figures = json!({ "partitions": partitions, "accounts": accounts });
    let mut put = |name: &str, value: f64| figures[name] = json!((value * 1000.0).round() / 1000.0);
    for (name, value) in of_the_screen(&text) {
        put(name, value);
    }
    if outside {
        for (name, value) in from_outside(&text) {
            put(&name, value);
        }
    }
    figures
}

/// What reading the file, making the state, drawing it and answering a key take, in milliseconds.
fn of_the_screen(text: &str) -> Vec<(&'static str, f64)> {
    let begun = Instant::now();
    let plan = config::load_text("fleet.toml", text, None).unwrap();
    let read = milliseconds(begun);
    let begun = Instant::now();
    let now = Timestamp::from_second(1_778_900_000).unwrap();
    let event = Event::RunStarted { run: RunId::new("fleet"), plan: Box::new(plan), simulated: true };
    let mut state = State::new(Run::begin(Record { seq: 1, at: now, event }).unwrap(), Mode::Operator, now);
    let made = milliseconds(begun);
    describe(&mut state);
    let frame = |state: &State| {
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        median(|| {
            terminal.draw(|frame| ui::draw(frame, state, &Theme::default())).unwrap();
        })
    };
    let idle = frame(&state);
    let key = |code| Message::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let leafing = median(|| drop(update(&mut state, key(KeyCode::Right), "bench")));
    let tick = median(|| drop(update(&mut state, Message::Tick(now), "bench")));
    let mut finding = state.clone();
    update(&mut finding, key(KeyCode::Char('F')), "bench");
    update(&mut finding, Message::Drawn { fits: true, terminal: None }, "bench");
    let typing = median(|| drop(update(&mut finding, key(KeyCode::Char('a')), "bench")));
    // The last partition runs, everything before it is through: the most that there can be to look back on.
    let mut last = state.clone();
    finish_all_but_the_last(&mut last);
    let late = frame(&last);
    vec![
        ("file_ms", read),
        ("state_ms", made),
        ("frame_ms", idle),
        ("frame_at_the_end_ms", late),
        ("leaf_ms", leafing),
        ("type_ms", typing),
        ("tick_ms", tick),
    ]
}

fn describe(state: &mut State) {
    let names: Vec<PartitionName> = state.run.plan.partitions.iter().map(|partition| partition.name.clone()).collect();
    for name in names {
        let member = |id: &str, role| MemberView {
            id: format!("{name}{id}").as_str().into(),
            role,
            class: "db.t3.medium".to_owned(),
            pending_class: None,
            status: "available".to_owned(),
            group_status: "in-sync".to_owned(),
            resource_id: format!("db-{name}{id}"),
            zone: None,
            insights: Some(true),
            endpoint: None,
        };
        let view = ClusterView {
            id: name.to_string(),
            status: "available".to_owned(),
            parameter_group: "default.aurora-postgresql16".to_owned(),
            insights_mode: None,
            writer: Some(format!("{name}writer").as_str().into()),
            endpoint: format!("{name}.cluster"),
            port: 5432,
            members: vec![member("writer", Role::Writer), member("reader1", Role::Reader)],
        };
        let said = Ok(Reading::Cluster(view));
        let sample = Sample::new(name, Source::Api, state.now, Duration::ZERO, said);
        update(state, Message::Sample(Box::new(sample)), "bench");
    }
}

fn finish_all_but_the_last(state: &mut State) {
    let plan = state.run.plan.clone();
    let by = || "bench".to_owned();
    let mut tell = |event| {
        let record = Record { seq: state.run.seq + 1, at: state.now, event };
        state.run.apply(record).unwrap();
    };
    let (last, before) = plan.partitions.split_last().unwrap();
    for partition in before {
        for step in &partition.steps {
            let (step, reason) = (partition.reference(&step.id), "done".to_owned());
            tell(Event::StepSkipped { step, reason, by: by(), evidence: Vec::new() });
        }
        tell(Event::GoAhead { partition: partition.name.clone(), by: by(), note: None });
    }
    let step: StepRef = last.reference(&last.steps[0].id);
    tell(Event::AttemptStarted { step, attempt: 1, by: by(), preconditions: Vec::new(), choice: None });
    state.follows = true;
    state.follow();
}

/// First screen, memory, and calls a minute by service, of the program in a terminal.
fn from_outside(text: &str) -> Vec<(String, f64)> {
    let place = tempfile::tempdir().unwrap();
    let rollout = place.path().join("fleet.toml");
    fs::write(&rollout, text).unwrap();
    let mut site = Site::launch(place.path(), &rollout);
    let address = site.address(place.path());
    let (first, screen) = Cockpit::begin(place.path(), &rollout);
    std::thread::sleep(SETTLES);
    let before = ledger(&address);
    std::thread::sleep(MINUTE);
    let after = ledger(&address);
    let mut figures = vec![("first_screen_ms".to_owned(), first), ("rss_mb".to_owned(), screen.resident_mb())];
    screen.end();
    let _ = site.0.kill();
    let _ = site.0.wait();
    for (name, of) in [
        ("describe_calls", &(|line: &Line| line.service == "rds") as &dyn Fn(&Line) -> bool),
        ("insights_calls", &|line| line.service == "pi"),
        ("cloudwatch_calls", &|line| matches!(line.service.as_str(), "monitoring" | "logs")),
        ("kubernetes_calls", &|line| line.service == "kubernetes"),
        ("sql_calls", &|line| line.service == "postgres"),
    ] {
        let count = |lines: &[Line]| lines.iter().filter(|line| of(line)).map(|line| line.count).sum::<u64>();
        figures.push((name.to_owned(), (count(&after) - count(&before)) as f64));
    }
    figures
}

struct Site(Child);

impl Site {
    fn launch(place: &Path, rollout: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"));
        command.args(["sim", "--listen", "127.0.0.1:0", "--env-file"]).arg(place.join("environment"));
        command.arg("--rollout").arg(rollout).arg("--dir").arg(place.join("site"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Its address, once it is ready.
    fn address(&mut self, place: &Path) -> String {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let text = fs::read_to_string(place.join("environment")).unwrap_or_default();
            let found = text.split_once("COCKPIT_SITE=").and_then(|(_, rest)| rest.lines().next().map(str::to_owned));
            if let Some(address) = found {
                let bare = address.trim_matches(['\'', '"']).trim_start_matches("http://");
                return bare.to_owned();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the site is not ready");
    }
}

struct Cockpit {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _pair: portable_pty::PtyPair,
}

impl Cockpit {
    /// Begins in a terminal; answers after how many milliseconds its first screen was there.
    fn begin(place: &Path, rollout: &Path) -> (f64, Self) {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("sh");
        let words = ". \"$0/environment\" && exec \"$1\" --state-dir \"$0/state\" run --rollout \"$2\"";
        command.args(["-c", words]);
        command.arg(place);
        command.arg(env!("CARGO_BIN_EXE_aurora-cockpit"));
        command.arg(rollout);
        command.env("TERM", "xterm-256color");
        let mut reader = pair.master.try_clone_reader().unwrap();
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let (seen, is_seen) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut screen, mut bytes) = (Vec::new(), [0; 65_536]);
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                if screen.len() < 1 << 20 {
                    screen.extend_from_slice(&bytes[..read]);
                    if String::from_utf8_lossy(&screen).contains("Prerequisites") {
                        let _ = seen.send(begun.elapsed());
                        screen.resize(1 << 20, 0);
                    }
                }
            }
        });
        let first = is_seen.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no screen"));
        (first.as_secs_f64() * 1000.0, Self { child, _pair: pair })
    }

    fn resident_mb(&self) -> f64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.process_id().unwrap())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
    }

    fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Line {
    service: String,
    count: u64,
}

fn ledger(address: &str) -> Vec<Line> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /__sim/ledger HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let lines = body.as_array().or_else(|| body.as_object()?.values().find_map(Value::as_array)).unwrap();
    let line = |line: &Value| Line {
        service: line["service"].as_str().unwrap_or_default().to_owned(),
        count: line["count"].as_u64().unwrap_or(0),
    };
    lines.iter().map(line).collect()
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

/// The median of what something takes, in milliseconds.
fn median(mut act: impl FnMut()) -> f64 {
    let mut took: Vec<f64> = (0..FRAMES)
        .map(|_| {
            let begun = Instant::now();
            act();
            milliseconds(begun)
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[FRAMES / 2]
}

/// What is shown of the figures, and in which unit.
const ROWS: [(&str, &str); 12] = [
    ("file_ms", "rollout file read, ms"),
    ("frame_ms", "a frame, ms"),
    ("frame_at_the_end_ms", "a frame with all but the last partition through, ms"),
    ("leaf_ms", "a key that leafs, ms"),
    ("type_ms", "a letter typed into the finder, ms"),
    ("first_screen_ms", "first screen, ms"),
    ("rss_mb", "resident memory, MB"),
    ("describe_calls", "RDS calls a minute"),
    ("insights_calls", "Performance Insights calls a minute"),
    ("cloudwatch_calls", "CloudWatch calls a minute"),
    ("kubernetes_calls", "Kubernetes calls a minute"),
    ("sql_calls", "SQL statements a minute"),
];
/// What is plotted of them.
const PLOTTED: [&str; 4] = ["frame_ms", "first_screen_ms", "rss_mb", "describe_calls"];
/// Width of the longest bar.
const BAR: f64 = 50.0;

/// A table and a plot in Markdown.
fn text(figures: &[Value]) -> String {
    let mut text = String::new();
    let heads = figures.iter().map(|each| format!(" {} / {} |", each["partitions"], each["accounts"]));
    let _ = writeln!(text, "| partitions / accounts |{}", heads.collect::<String>());
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(figures.len()));
    let values = |name: &'static str| figures.iter().filter_map(move |each| each[name].as_f64());
    for (name, words) in ROWS {
        let cells: String = values(name).map(|value| format!(" {} |", shown(value))).collect();
        if !cells.is_empty() {
            let _ = writeln!(text, "| {words} |{cells}");
        }
    }
    text += "\n```text\n";
    for (name, words) in ROWS.into_iter().filter(|(name, _)| PLOTTED.contains(name)) {
        let most = values(name).fold(0.0, f64::max);
        if most > 0.0 {
            let _ = writeln!(text, "{words}");
        }
        for (each, value) in figures.iter().zip(values(name)).filter(|_| most > 0.0) {
            let bar = "█".repeat(((value / most) * BAR).round() as usize);
            let _ = writeln!(text, "{:>5}  {bar} {}", each["partitions"].to_string(), shown(value));
        }
    }
    text + "```\n"
}

/// A figure with as many digits as mean something.
fn shown(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
