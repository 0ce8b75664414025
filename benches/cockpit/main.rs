//! The whole program, measured from outside: a terminal of its own on one side, the simulated site as a process of its own on
//! the other. What somebody would use instead is measured in the same run, where it is installed.
//!
//! ```text
//! cargo bench --bench cockpit -- --idle-seconds 300 --failovers 30 --json figures.json --readme
//! ```
//!
//! The AWS CLI is taken from COCKPIT_TEST_AWS, from what `bash tests/run.sh --tools` installed, or PATH; pg_activity from
//! COCKPIT_BENCH_PG_ACTIVITY, `target/test-tools/pg_activity` or PATH; `kubectl` and `psql` from PATH. What is missing is
//! said in its place, and so is a measurement that fails: the others are taken all the same.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../failover.rs"]
mod failover;
mod figures;
mod idle;
mod keys;
#[path = "../log.rs"]
mod log;
mod peers;
mod processes;
mod readme;
mod site;
mod starts;
#[path = "../../tests/end_to_end/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;
mod terminal;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use figures::{Asked, Figure, Series, take};
use support::place::BINARY;

struct Options {
    idle: Duration,
    failovers: usize,
    only: Option<String>,
    json: Option<PathBuf>,
    readme: bool,
}

impl Options {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { idle: Duration::from_secs(60), failovers: 5, only: None, json: None, readme: false };
        // cargo adds an option of its own.
        let mut words = words.filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            if word == "--readme" {
                options.readme = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            let number = || value.parse::<u32>().map_err(|_| format!("{value} is no number"));
            match word.as_str() {
                "--idle-seconds" => options.idle = Duration::from_secs(number()?.max(1).into()),
                "--failovers" => options.failovers = number()? as usize,
                "--only" => options.only = Some(value),
                "--json" => options.json = Some(value.into()),
                _ => {
                    return Err(format!(
                        "{word}: there are --idle-seconds N, --failovers N (0 for none), --only starts|keys|log|idle|failovers, \
                         --json FILE and --readme"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// How long all of it may take at the very most.
    fn limit(&self) -> Duration {
        Duration::from_secs(900) + self.idle * 2 + Duration::from_secs(60) * self.failovers as u32
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == keys::TALK) {
        return keys::talk();
    }
    let options = match Options::read(words.into_iter()) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let taken = Arc::new(Mutex::new(Vec::new()));
    guard(options.limit(), taken.clone());
    let begun = Instant::now();
    for (name, measure) in groups(&options) {
        if options.only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        eprintln!("{:>4} s  {name}", begun.elapsed().as_secs());
        let figures = measure();
        figures.iter().for_each(|figure| {
            eprint!(
                "{}",
                figures::table(std::slice::from_ref(figure))
                    .lines()
                    .last()
                    .map_or(String::new(), |row| format!("        {row}\n"))
            )
        });
        taken.lock().unwrap_or_else(PoisonError::into_inner).extend(figures);
    }
    eprintln!("{:>4} s  done", begun.elapsed().as_secs());
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    match tell(&taken, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

type Group<'a> = (&'static str, Box<dyn FnOnce() -> Vec<Figure> + 'a>);

/// What is measured, in order: what needs a quiet machine most comes first.
fn groups(options: &Options) -> Vec<Group<'_>> {
    vec![
        ("starts", Box::new(starts::measure)),
        ("keys", Box::new(keys::measure)),
        ("log", Box::new(log_of_a_million)),
        ("idle", Box::new(|| idle::measure(options.idle))),
        ("failovers", Box::new(|| failovers(options.failovers))),
        ("size", Box::new(|| vec![size_of_the_binary()])),
    ]
}

/// Nothing hangs: each wait has an end of its own, and should one not, this is the end of them all. What was taken is told.
fn guard(limit: Duration, taken: Arc<Mutex<Vec<Figure>>>) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("not done within {limit:?}; this is what was measured until then");
        print!("{}", figures::table(&taken.lock().unwrap_or_else(PoisonError::into_inner)));
        processes::end_children(std::process::id());
        std::process::exit(1);
    });
}

fn tell(taken: &[Figure], options: &Options) -> Result<(), String> {
    let table = figures::table(taken);
    print!("{table}");
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", figures::json(taken, &readme::machine()));
        fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if options.readme { readme::write("cockpit", &table) } else { Ok(()) }
}

/// The log pane: functions of the program itself, without a terminal.
fn log_of_a_million() -> Vec<Figure> {
    let measured = take(|| Ok(log::measure()));
    let of = |unit, values: &dyn Fn(&log::Figures) -> Vec<f64>| {
        measured.as_ref().map(|figures| Series::new(unit, values(figures))).map_err(Clone::clone)
    };
    let millis = |times: &[(String, Duration)]| times.iter().map(|(_, took)| took.as_secs_f64() * 1e3).collect();
    let most = |time: Duration| time.as_secs_f64() * 1e3;
    vec![
        Figure::new(
            "log: lines taken in, the second million while searching",
            of("M/s", &|figures| figures.intake.iter().map(|rate| rate / 1e6).collect()),
            Some(Asked::AtLeast(log::INTAKE / 1e6)),
        ),
        Figure::new(
            "log: a key of a search over a million lines",
            of("ms", &|figures| millis(&figures.keystrokes)),
            Some(Asked::P99(most(log::KEYSTROKE))),
        ),
        Figure::new(
            "log: the longest of 50 frames over a million lines",
            of("ms", &|figures| millis(&figures.frames)),
            Some(Asked::P99(most(log::FRAME))),
        ),
        Figure::new(
            format!("log: memory of {} lines; settings bound it", log::LINES),
            of("MB", &|figures| vec![figures.bytes as f64 / 1_048_576.0]),
            None,
        ),
    ]
}

/// How soon a flip is seen and how well its disruption is measured, on real servers.
fn failovers(count: usize) -> Vec<Figure> {
    if count == 0 {
        return Vec::new();
    }
    let rows = take(|| failover::measure(count, &|line| eprintln!("        {line}")));
    let find = |name: &str| {
        let rows = rows.as_ref().map_err(Clone::clone)?;
        let (_, values) = rows.iter().find(|(what, _)| what.trim() == name).ok_or("nobody said it")?;
        Ok(Series::new("ms", values.iter().copied()))
    };
    vec![
        Figure::new(
            "failover on real servers: new writer named, after it took writes",
            find("named by the cockpit, first witness"),
            None,
        )
        .beside("`aws rds describe-db-clusters` every 5 s", find("named by `aws rds describe-db-clusters` every 5 s"))
        .beside(
            "`aws rds wait db-cluster-available` (every 30 s; it says that it is over)",
            find("said to be over by `aws rds wait db-cluster-available`"),
        ),
        Figure::new("  its disruption, as measured", find("disruption as the cockpit measured it"), None)
            .beside("a writer every 10 ms felt", find("disruption as the independent writer felt it")),
        Figure::new("  how far off the measure is", find("how far off, by the writer"), None),
    ]
}

fn size_of_the_binary() -> Figure {
    let size = fs::metadata(BINARY).map(|file| Series::new("MB", [file.len() as f64 / 1_048_576.0]));
    Figure::new("size of the binary", size.map_err(|error| error.to_string()), None)
}
