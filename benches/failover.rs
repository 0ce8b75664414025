//! How soon a flip is seen, and how well its disruption is measured, on real PostgreSQL servers behind the simulated site.
//!
//! Beside the cockpit, in the same run: a program that writes through the endpoint every 10 ms, one that tries the promoted
//! server every 5 ms, a loop of the kind that runbooks have, `aws rds describe-db-clusters` every 5 s, and AWS's own waiter,
//! `aws rds wait db-cluster-available`, which asks every 30 s and says that a failover is over, not who the writer is.
//!
//! ```text
//! cargo bench --bench failover -- --failovers 10 --json figures.json
//! ```
//!
//! It needs PostgreSQL's servers, the AWS CLI and psycopg, which `bash tests/run.sh --tools` installs.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/support/flip.rs"]
#[allow(dead_code)]
mod flip;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flip::{Flip, Stage};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How often the loop asks.
const LOOP: Duration = Duration::from_secs(5);
/// How many times faster than the execution log the site is: as fast as real servers are ready again in time.
const SPEED: &str = "5";
/// How long AWS's waiter is waited for: it asks every 30 s.
const WAITER_PATIENCE: Duration = Duration::from_secs(100);
/// How long the loop is waited for after a failover.
const LOOP_PATIENCE: Duration = Duration::from_secs(20);

/// How long one failover may take, with all that belongs to it.
const FLIP_PATIENCE: Duration = Duration::from_secs(120);

struct Options {
    failovers: usize,
    speed: String,
    json: Option<PathBuf>,
}

impl Options {
    fn read() -> Result<Self, String> {
        let mut options = Self { failovers: 10, speed: SPEED.to_owned(), json: None };
        // cargo adds an option of its own.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            match word.as_str() {
                "--failovers" => options.failovers = value.parse().map_err(|_| format!("{value} is no number"))?,
                "--speed" => options.speed = value,
                "--json" => options.json = Some(value.into()),
                _ => return Err(format!("{word}: there are --failovers N, --speed S and --json FILE")),
            }
        }
        Ok(options)
    }
}

#[allow(dead_code)]
fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match runtime.block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("not run: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), String> {
    let flips = flips(options.failovers, &options.speed, &|line| println!("{line}")).await?;
    let figures = figures(&flips);
    print(&figures, options);
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&as_json(&figures, &flips, options)).unwrap();
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// So many failovers at the usual speed, as rows of a table.
///
/// # Errors
/// What is missing for them, or what took longer than it can take.
#[allow(dead_code)]
pub fn measure(failovers: usize, tell: &dyn Fn(&str)) -> Result<Vec<Row>, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let flips = runtime.block_on(flips(failovers, SPEED, tell));
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(figures(&flips?))
}

/// A failover, and what else was asked during it. In milliseconds after the promoted server took writes; none where it never
/// said so.
struct Seen {
    flip: Flip,
    /// When the loop named the new writer.
    by_loop: Option<f64>,
    /// When AWS's waiter ended.
    by_waiter: Option<f64>,
}

async fn flips(failovers: usize, speed: &str, tell: &dyn Fn(&str)) -> Result<Vec<Seen>, String> {
    let python = flip::python().ok_or("psycopg is missing; `bash tests/run.sh --tools` installs it")?;
    let aws = python.with_file_name("aws");
    let aws = std::env::var_os("COCKPIT_TEST_AWS").map_or(aws, PathBuf::from);
    let stage = Stage::open(speed).await.ok_or("PostgreSQL's servers are missing")?;
    let mut flips = Vec::new();
    let all = async {
        stage.make_table().await;
        let asked = Asked::run(&stage, &aws)?;
        for number in 1..=failovers {
            let flip = tokio::time::timeout(FLIP_PATIENCE, stage.flip(&python));
            let waited = tokio::time::timeout(WAITER_PATIENCE, waited(&stage, &aws));
            let (flip, waited) = tokio::join!(flip, waited);
            let flip = flip.map_err(|_| format!("failover {number} was not over within {FLIP_PATIENCE:?}"))?;
            let after = |at: i128| (at - flip.writable_at) as f64 / 1e6;
            let by_waiter = waited.ok().flatten().map(after);
            let by_loop = asked.named(&flip).await.map(after);
            let shown = |after: Option<f64>| after.map_or_else(|| "never".to_owned(), |after| format!("{after:.0} ms"));
            let (detected, measured, felt) = (flip.detected(), flip.measured, flip.felt);
            tell(&format!(
                "{number:>3}. named after {detected:.0} ms, by the loop after {}, over by the waiter after {}; disruption \
                 {measured:.0} ms, felt {felt:.0} ms",
                shown(by_loop),
                shown(by_waiter),
            ));
            flips.push(Seen { flip, by_loop, by_waiter });
        }
        Ok::<(), String>(())
    };
    let done = all.await;
    stage.end().await;
    match done {
        // What was seen until then is not lost.
        Err(problem) if flips.is_empty() => Err(problem),
        Err(problem) => {
            tell(&problem);
            Ok(flips)
        }
        Ok(()) => Ok(flips),
    }
}

/// The AWS CLI, led to the site.
fn cli(stage: &Stage, aws: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = stage.site.command(aws);
    // Version 1 takes RDS' own address over the variable in some regions, and would ask the real service.
    command.args(["--endpoint-url", &stage.variable("AWS_ENDPOINT_URL"), "--profile", "Alpha002-Admin"]);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// When AWS's waiter, begun as soon as the cluster fails over, says that it is over, in nanoseconds since 1970. None if it
/// gives up.
async fn waited(stage: &Stage, aws: &Path) -> Option<i128> {
    let cluster = loop {
        let cluster = stage.cluster().await;
        if cluster["status"] != "available" {
            break cluster;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let wait = ["rds", "wait", "db-cluster-available", "--db-cluster-identifier", cluster["id"].as_str()?];
    let mut wait = tokio::process::Command::from(cli(stage, aws, &wait));
    let ended = wait.kill_on_drop(true).status().await.ok()?;
    ended.success().then(|| Timestamp::now().as_nanosecond())
}

/// What a loop of the AWS CLI was answered: when, and who the writer is.
struct Asked {
    answers: Arc<Mutex<Vec<(i128, String)>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asked {
    fn run(stage: &Stage, aws: &Path) -> Result<Self, String> {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let writer = "DBClusters[0].DBClusterMembers[?IsClusterWriter].DBInstanceIdentifier";
        let command = || cli(stage, aws, &["rds", "describe-db-clusters", "--output", "text", "--query", writer]);
        let first = command().output().map_err(|error| format!("the AWS CLI: {error}"))?;
        if !first.status.success() {
            return Err(format!("the AWS CLI: {}", String::from_utf8_lossy(&first.stderr)));
        }
        let mut again = tokio::process::Command::from(command());
        again.kill_on_drop(true);
        let into = answers.clone();
        let task = tokio::spawn(async move {
            loop {
                let next = Instant::now() + LOOP;
                if let Ok(output) = again.output().await {
                    let writer = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                    into.lock().unwrap().push((Timestamp::now().as_nanosecond(), writer));
                }
                tokio::time::sleep_until(next.into()).await;
            }
        });
        Ok(Self { answers, task })
    }

    /// When the loop first named the promoted server after it took writes, in nanoseconds since 1970.
    async fn named(&self, flip: &Flip) -> Option<i128> {
        let until = Instant::now() + LOOP_PATIENCE;
        while Instant::now() < until {
            let answers = self.answers.lock().unwrap().clone();
            let first = answers.iter().find(|(at, writer)| *at >= flip.writable_at && *writer == flip.new);
            if let Some((at, _)) = first {
                return Some(*at);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }
}

/// A row of the table: what, and its figures in milliseconds.
pub type Row = (String, Vec<f64>);

fn figures(flips: &[Seen]) -> Vec<Row> {
    let all = |name: &str, of: &dyn Fn(&Flip) -> Option<f64>| -> Row {
        (name.to_owned(), flips.iter().filter_map(|seen| of(&seen.flip)).collect())
    };
    let mut rows = vec![all("named by the cockpit, first witness", &|flip| Some(flip.detected()))];
    let witnesses: BTreeSet<&String> = flips.iter().flat_map(|seen| seen.flip.named.keys()).collect();
    // Instances take turns, so that theirs are one row.
    let mut kinds: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for witness in witnesses {
        let kind = if witness.contains("sql-instance") { "sql-instance".to_owned() } else { witness.clone() };
        kinds.entry(kind).or_default().extend(flips.iter().filter_map(|seen| seen.flip.named.get(witness)));
    }
    rows.extend(kinds.into_iter().map(|(kind, values)| (format!("  {kind}"), values)));
    let by_loop = flips.iter().filter_map(|seen| seen.by_loop).collect();
    rows.push(("named by `aws rds describe-db-clusters` every 5 s".to_owned(), by_loop));
    let by_waiter = flips.iter().filter_map(|seen| seen.by_waiter).collect();
    rows.push(("said to be over by `aws rds wait db-cluster-available`".to_owned(), by_waiter));
    rows.push(all("disruption as the independent writer felt it", &|flip| Some(flip.felt)));
    rows.push(all("disruption as the cockpit measured it", &|flip| Some(flip.measured)));
    rows.push(all("  how far off, by its own word", &|flip| Some(flip.uncertainty)));
    rows.push(all("  how far off, by the writer", &|flip| Some((flip.measured - flip.felt).abs())));
    rows
}

/// Median, 90th percentile and maximum.
fn summary(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1];
    (!sorted.is_empty()).then(|| [at(0.5), at(0.9), at(1.0)])
}

fn print(figures: &[Row], options: &Options) {
    println!(
        "\n{} failovers, the site {} times as fast as the log; ms after the promoted server took writes, and ms",
        options.failovers, options.speed
    );
    println!("{:<55} {:>4} {:>8} {:>8} {:>8}", "", "n", "median", "p90", "max");
    for (name, values) in figures {
        let Some([median, most, max]) = summary(values) else { continue };
        println!("{name:<55} {:>4} {median:>8.0} {most:>8.0} {max:>8.0}", values.len());
    }
}

fn as_json(figures: &[Row], flips: &[Seen], options: &Options) -> Value {
    let rows = figures.iter().filter_map(|(name, values)| {
        let [median, p90, max] = summary(values)?;
        Some(json!({ "what": name.trim(), "n": values.len(), "median_ms": median, "p90_ms": p90, "max_ms": max }))
    });
    let each = flips.iter().map(|Seen { flip, by_loop, by_waiter }| {
        json!({
            "to": flip.new, "named_ms": flip.named, "named_by_loop_ms": by_loop, "over_by_waiter_ms": by_waiter,
            "felt_ms": flip.felt, "measured_ms": flip.measured, "uncertainty_ms": flip.uncertainty,
        })
    });
    json!({
        "failovers": options.failovers, "speed": options.speed, "loop_s": LOOP.as_secs(),
        "summary": rows.collect::<Vec<_>>(), "each": each.collect::<Vec<_>>(),
    })
}
