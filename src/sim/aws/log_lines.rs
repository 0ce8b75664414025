//! What a PostgreSQL server writes into its log: slow statements once their logging is live, and its own comings and goings.
//!
//! As with its load, nothing is recorded: every line follows from the instance's story and from the second in which it was
//! written, so that a log read twice reads the same.

use jiff::{SignedDuration, Timestamp};

use super::pi_load::LoadModel;
use crate::sim::pg::statements::shares;
use crate::sim::world::aurora::{Instance, LoadChange, SlowLog};
use crate::sim::world::now;

/// Slow statements in a site second for each average active session.
const SLOW_RATE: f64 = 0.02;
/// The same while everybody reconnects, when buffers are cold.
const COLD_RATE: f64 = 0.6;
/// How long a line takes until CloudWatch Logs has it.
const INGESTION: SignedDuration = SignedDuration::from_millis(1200);

/// A line of a server's log.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// When CloudWatch Logs had it.
    pub ingested: Timestamp,
    /// The whole line.
    pub message: String,
}

/// All lines of an instance's log that CloudWatch Logs has by now, oldest first: it only ever grows at its end.
pub(super) fn lines(instance: &Instance, partition: &str, user_at_database: &str, speed: f64) -> Vec<Line> {
    let (load, now) = (LoadModel::new(instance, partition, speed), now());
    let mut lines = comings_and_goings(instance);
    for (number, mark) in instance.slow_log.iter().enumerate() {
        let Some(least_ms) = mark.least_ms else { continue };
        let until = instance.slow_log.get(number + 1).map_or(now, |next: &SlowLog| next.since);
        let seconds = mark.since.as_second() + 1..=until.as_second();
        lines.extend(seconds.filter_map(|second| slow(&load, second, least_ms, user_at_database, speed)));
    }
    lines.sort_by_key(|line| line.at);
    lines.retain(|line| line.ingested <= now);
    lines
}

/// The slow statement of a second, if it has one.
fn slow(load: &LoadModel<'_>, second: i64, least_ms: u32, user_at_database: &str, speed: f64) -> Option<Line> {
    let burst = load.burst(second);
    let serves = matches!(load.doing(second)?.0, LoadChange::Serves | LoadChange::ReconnectBurst);
    let rate = load.usual() * SLOW_RATE + burst * COLD_RATE;
    if !serves || load.noise(second, 201) >= (rate * speed).min(0.9) {
        return None;
    }
    let (statement, _) = pick(load.noise(second, 202));
    // Most are barely too slow; a few are much slower.
    let tail = load.noise(second, 203);
    let took = f64::from(least_ms) * (1.002 + 0.5 * tail + 3.0 * tail.powi(8));
    let at = Timestamp::from_millisecond(second * 1000 + (load.noise(second, 204) * 999.0) as i64).ok()?;
    let (port, process) = (32_768 + (load.noise(second / 600, 205) * 28_000.0) as u32, 400 + second.rem_euclid(24));
    let client = format!("10.4.12.31({port}):{user_at_database}:[{process}]");
    Some(line(at, &client, &format!("duration: {took:.3} ms  execute <unnamed>: {statement}")))
}

/// A statement by its share of the load.
fn pick(place: f64) -> (&'static str, f64) {
    let shares = shares();
    let mut left = place;
    for (statement, share) in &shares {
        left -= share;
        if left <= 0.0 {
            return (statement, *share);
        }
    }
    shares[0]
}

/// The server's own lines at its ends and starts.
fn comings_and_goings(instance: &Instance) -> Vec<Line> {
    let own = |at: Timestamp, text: &str| line(at, "::@:[536]", text);
    let marks = instance.load_marks.windows(2).flat_map(|pair| {
        let (before, after) = (pair[0].what, &pair[1]);
        match (before, after.what) {
            (_, LoadChange::Down) => {
                vec![own(after.time, "received fast shutdown request"), own(after.time, "database system is shut down")]
            }
            (LoadChange::Down, _) => vec![own(after.time, "database system is ready to accept connections")],
            _ => Vec::new(),
        }
    });
    marks.collect()
}

/// A line with the prefix that RDS gives (`%t:%r:%u@%d:[%p]:`).
fn line(at: Timestamp, client: &str, text: &str) -> Line {
    let message = format!("{}:{client}:LOG:  {text}", at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    Line { at, ingested: at + INGESTION, message }
}
