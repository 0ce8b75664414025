//! What it costs to leave the cockpit running: a core's share, memory, bytes to the terminal.

use std::time::Duration;

use crate::figures::{Asked, Figure, Series, Taken, take};
use crate::peers;
use crate::processes::{processor, resident};
use crate::site::with_real_servers;
use crate::starts::{command, is_whole};
use crate::support::Place;
use crate::terminal::{SIZE, Terminal};

/// What is asked once at the start is over by then, and the lanes of the timeline are full.
const SETTLED: Duration = Duration::from_secs(20);
/// How long others are looked at, at most.
const PEERS: Duration = Duration::from_secs(60);

/// What a program in a terminal costs.
pub struct Cost {
    /// Of a core, in percent.
    pub share: f64,
    /// Resident, in megabytes, at the end.
    pub resident: f64,
    /// Bytes that it wrote each second.
    pub written: f64,
}

/// What a program costs for a time.
pub fn cost(terminal: &mut Terminal, time: Duration) -> Result<Cost, String> {
    let before = processor(terminal.process())?;
    let written = terminal.stay(time) as f64 / time.as_secs_f64();
    let share = (processor(terminal.process())? - before).as_secs_f64() / time.as_secs_f64() * 100.0;
    Ok(Cost { share, resident: resident(terminal.process())?, written })
}

/// The cockpit beside pg_activity on the same servers, and a shell that asks the same.
pub fn measure(time: Duration) -> Vec<Figure> {
    let place = take(|| Ok(with_real_servers(10)));
    let (ours, activity, tools) = match &place {
        Err(why) => (Err(why.clone()), Err(why.clone()), Err(why.clone())),
        Ok((place, real)) => {
            let ours = take(|| cockpit(place, time));
            let activity = real.clone().and_then(|()| peers::pg_activity_runs(place, time.min(PEERS)));
            let tools = take(|| peers::loop_of_tools(place, time.min(PEERS)));
            (ours, activity, tools)
        }
    };
    let one = |cost: &Result<Cost, String>, unit, of: &dyn Fn(&Cost) -> f64| -> Taken {
        cost.as_ref().map(|cost| Series::new(unit, [of(cost)])).map_err(Clone::clone)
    };
    let tools_took = |unit, of: &dyn Fn(&(f64, f64)) -> f64| -> Taken {
        tools.as_ref().map(|cost| Series::new(unit, [of(cost)])).map_err(Clone::clone)
    };
    let (seconds, tools_are) = (time.as_secs(), "a loop of `aws`, `kubectl`, `psql` every 10 s");
    vec![
        Figure::new(
            format!("idle for {seconds} s, four partitions watched: of a core"),
            one(&ours, "%", &|cost| cost.share),
            Some(Asked::Median(1.0)),
        )
        .beside("pg_activity on one of the servers", one(&activity, "%", &|cost| cost.share))
        .beside(tools_are, tools_took("%", &|(share, _)| *share)),
        Figure::new("  resident memory", one(&ours, "MB", &|cost| cost.resident), Some(Asked::Median(50.0)))
            .beside("pg_activity", one(&activity, "MB", &|cost| cost.resident)),
        Figure::new(
            "  written to the terminal",
            one(&ours, "bytes/s", &|cost| cost.written),
            Some(Asked::Median(300.0)),
        )
        .beside("pg_activity", one(&activity, "bytes/s", &|cost| cost.written))
        .beside("the loop", tools_took("bytes/s", &|(_, printed)| *printed)),
    ]
}

fn cockpit(place: &Place, time: Duration) -> Result<Cost, String> {
    let mut terminal = Terminal::start(command(place, &["run"]), SIZE)?;
    terminal.until("a screen", is_whole)?;
    terminal.stay(SETTLED);
    cost(&mut terminal, time)
}
