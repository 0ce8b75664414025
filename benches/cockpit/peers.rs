//! What somebody would use instead.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;

use crate::figures::{Series, Taken, take};
use crate::processes::{end, output, processor};
use crate::starts::STARTS;
use crate::support::Place;
use crate::terminal::{SIZE, Terminal};

/// How long one call of a tool may take.
const CALL: Duration = Duration::from_secs(30);
/// Of the cluster whose databases are asked.
const ENDPOINT: &str = "PGHOST_ALPHA002_STAGE_AURORACLUSTER";
/// Time between two rounds of the loop: as often as the cockpit asks where nothing moves.
const BETWEEN: u32 = 10;

/// A tool by its variable, where the tests' tools are, or on PATH.
fn tool(variable: &str, installed: &str, name: &str) -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools").join(installed);
    match std::env::var_os(variable) {
        Some(path) => path.into(),
        None if installed.is_file() => installed,
        None => name.into(),
    }
}

/// The AWS CLI.
pub fn aws() -> PathBuf {
    tool("COCKPIT_TEST_AWS", "venv/bin/aws", "aws")
}

/// Whoever looks at AWS from a shell starts this for each look.
pub fn aws_version() -> Taken {
    let run = |_| {
        let mut command = Command::new(aws());
        command.arg("--version");
        let begun = Instant::now();
        let said = output(command, CALL)?;
        said.status.success().then(|| begun.elapsed()).ok_or_else(|| "`aws --version` fails".to_owned())
    };
    (0..STARTS).map(run).collect::<Result<Vec<_>, _>>().map(Series::millis)
}

/// pg_activity on the stage cluster's writer.
fn pg_activity(place: &Place) -> Result<CommandBuilder, String> {
    let program = tool("COCKPIT_BENCH_PG_ACTIVITY", "pg_activity/bin/pg_activity", "pg_activity");
    let mut version = Command::new(&program);
    version.arg("--version");
    output(version, CALL).map_err(|_| "pg_activity is not installed".to_owned())?;
    let who = sign_in(place)?;
    let mut command = CommandBuilder::new(program);
    command.env_clear();
    place.env().iter().for_each(|(name, value)| command.env(name, value));
    command.args(["-h", &who.host, "-p", &who.port, "-U", &who.user, "-d", DATABASE]);
    Ok(command)
}

const DATABASE: &str = "stage-operations.item_db";

struct SignIn {
    host: String,
    port: String,
    user: String,
}

/// As the site's own pgpass says.
fn sign_in(place: &Place) -> Result<SignIn, String> {
    let host = place.env().get(ENDPOINT).ok_or("the site names no endpoint")?.clone();
    let file = place.env().get("PGPASSFILE").ok_or("the site has no pgpass")?;
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let line = text.lines().find(|line| line.starts_with(&format!("{host}:"))).ok_or("pgpass has no such server")?;
    let fields: Vec<&str> = line.split(':').collect();
    Ok(SignIn { host, port: fields[1].to_owned(), user: fields[3].to_owned() })
}

/// Whether pg_activity shows its table of sessions.
fn is_whole(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    text.contains("RUNNING QUERIES") && text.contains("PID")
}

/// How long pg_activity takes to its first screen.
pub fn pg_activity_starts(place: &Place) -> Taken {
    let start = |_| {
        let mut terminal = Terminal::start(pg_activity(place)?, SIZE)?;
        let painted = terminal.until("pg_activity's screen", is_whole)?;
        Ok::<_, String>(painted - terminal.started)
    };
    take(|| (0..5).map(start).collect::<Result<Vec<_>, _>>()).map(Series::millis)
}

/// What pg_activity costs that is left running.
pub fn pg_activity_runs(place: &Place, time: Duration) -> Result<super::idle::Cost, String> {
    take(|| {
        let mut terminal = Terminal::start(pg_activity(place)?, SIZE)?;
        terminal.until("pg_activity's screen", is_whole)?;
        terminal.stay(Duration::from_secs(5));
        super::idle::cost(&mut terminal, time)
    })
}

/// What a shell costs that asks the same of four partitions, as `watch` would: its share of a core, and what it prints a second.
pub fn loop_of_tools(place: &Place, time: Duration) -> Result<(f64, f64), String> {
    let aws = aws();
    let SignIn { host, port, user } = sign_in(place)?;
    let calls = [
        format!(
            "{} rds describe-db-clusters --profile Alpha002-Admin --endpoint-url \"$AWS_ENDPOINT_URL\" --output text",
            aws.display()
        ),
        "kubectl --context Alpha002 get pods -n stage-operations".to_owned(),
        format!(
            "psql -h {host} -p {port} -U {user} -d {DATABASE} -c 'select pid, state, wait_event from pg_stat_activity'"
        ),
    ];
    for call in &calls {
        let said = output(shell(place, call), CALL)?;
        if !said.status.success() {
            let words = String::from_utf8_lossy(&said.stderr);
            return Err(format!(
                "`{}` fails: {}",
                &call[..call.len().min(60)],
                words.lines().last().unwrap_or_default()
            ));
        }
    }
    let printed = place.path().join("printed");
    let file = std::fs::File::create(&printed).map_err(|error| error.to_string())?;
    // Four partitions, each asked for its own; the answers are of one kind.
    let round = vec![calls.join("; "); 4].join("; ");
    let mut command = shell(place, &format!("while :; do {round}; sleep {BETWEEN}; done"));
    let child = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn();
    let child = child.map_err(|error| error.to_string())?;
    std::thread::sleep(time);
    let used = processor(child.id());
    end(child);
    let bytes = std::fs::metadata(&printed).map_or(0, |file| file.len());
    Ok((used?.as_secs_f64() / time.as_secs_f64() * 100.0, bytes as f64 / time.as_secs_f64()))
}

fn shell(place: &Place, line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().envs(place.env());
    command
}
