//! Performance Insights: the load of an instance, by wait event or by statement.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::pi_load::{LoadModel, WAITS};
use super::rpc::need;
use super::{Caller, Site};
use crate::sim::pg::statements::shares;
use crate::sim::world::World;
use crate::sim::world::aurora::Instance;
use crate::sim::world::refusal::Refusal;

const INVALID: &str = "InvalidArgumentException";
const METRICS: [&str; 2] = ["db.load.avg", "db.sampledload.avg"];
const PERIODS: [i64; 5] = [1, 60, 300, 3600, 86_400];
/// Seconds since the epoch beyond which a moment makes no sense.
const FAR: f64 = 1e11;
/// Data points that a series may have: a day of minutes, half a day of seconds.
const MOST_POINTS: f64 = 43_200.0;
/// Bytes of a statement's text that PI answers.
const TEXT: usize = 500;

/// A span of time in whole periods.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    period: i64,
}

/// One line of an answer: its dimensions, and how much of the waits is its own.
struct Series {
    dimensions: Map<String, Value>,
    of: Share,
}

/// What part of an instance's load a series shows.
#[derive(Clone, Copy)]
enum Share {
    Wait(usize),
    WaitsOf(&'static str),
    Part(f64),
}

/// Answers an operation; none where PI has no such operation here.
pub(super) fn answer(site: &Site, caller: &Caller, operation: &str, input: &Value) -> Option<Result<Value, Refusal>> {
    Some(match operation {
        "GetResourceMetrics" => site.read(|world| resource_metrics(world, caller, input, site.speed)),
        "DescribeDimensionKeys" => site.read(|world| dimension_keys(world, caller, input, site.speed)),
        _ => return None,
    })
}

fn resource_metrics(world: &World, caller: &Caller, input: &Value, speed: f64) -> Result<Value, Refusal> {
    let (partition, instance) = instance(world, caller, input)?;
    let span = span(input)?;
    let load = LoadModel::new(instance, partition, speed);
    let queries = input.get("MetricQueries").and_then(Value::as_array).filter(|queries| !queries.is_empty());
    let mut list = Vec::new();
    for query in queries.ok_or_else(|| Refusal::new(INVALID, "MetricQueries must be given"))? {
        let metric = metric(query)?;
        list.push(json!({ "Key": { "Metric": metric }, "DataPoints": points(&load, span, Share::Part(1.0)) }));
        for series in series_of(query.get("GroupBy"))? {
            let key = json!({ "Metric": metric, "Dimensions": series.dimensions });
            list.push(json!({ "Key": key, "DataPoints": points(&load, span, series.of) }));
        }
    }
    Ok(json!({
        "AlignedStartTime": span.start, "AlignedEndTime": span.end, "Identifier": instance.resource_id,
        "MetricList": list,
    }))
}

fn dimension_keys(world: &World, caller: &Caller, input: &Value, speed: f64) -> Result<Value, Refusal> {
    let (partition, instance) = instance(world, caller, input)?;
    let span = span(input)?;
    metric(input)?;
    let load = LoadModel::new(instance, partition, speed);
    let group = input.get("GroupBy").ok_or_else(|| Refusal::new(INVALID, "GroupBy must be given"))?;
    let mut keys: Vec<_> = series_of(Some(group))?
        .into_iter()
        .map(|series| (mean(&load, span, series.of), series.dimensions))
        .filter(|(total, _)| *total > 0.0)
        .collect();
    keys.sort_by(|one, other| other.0.total_cmp(&one.0));
    let keys: Vec<_> =
        keys.into_iter().map(|(total, dimensions)| json!({ "Dimensions": dimensions, "Total": total })).collect();
    Ok(json!({ "AlignedStartTime": span.start, "AlignedEndTime": span.end, "PartitionKeys": [], "Keys": keys }))
}

/// The instance of the caller's account that `Identifier` names, with its partition's name.
fn instance<'a>(world: &'a World, caller: &Caller, input: &Value) -> Result<(&'a str, &'a Instance), Refusal> {
    if need(input, "ServiceType", INVALID)? != "RDS" {
        return Err(Refusal::new(INVALID, "ServiceType must be RDS"));
    }
    let id = need(input, "Identifier", INVALID)?;
    let own = world.partitions.iter().filter(|partition| partition.infrastructure == caller.infrastructure);
    let mut found = own.filter_map(|partition| {
        let mut instances = partition.cluster.instances.iter();
        Some((partition.name.as_str(), instances.find(|instance| instance.resource_id == id)?))
    });
    // One that is not measured is answered like one that is not there: in these words, with no word of why.
    // https://github.com/zalando/rds-health/issues/6
    found.find(|(_, instance)| instance.insights).ok_or_else(|| {
        let message = format!("The resource {id} for service type RDS is not authorized for this account");
        Refusal::new("NotAuthorizedException", message)
    })
}

fn metric(query: &Value) -> Result<&str, Refusal> {
    let metric = need(query, "Metric", INVALID)?;
    METRICS.contains(&metric).then_some(metric).ok_or_else(|| Refusal::new(INVALID, format!("no metric {metric}")))
}

/// The span that is asked for, aligned outwards to whole periods.
fn span(input: &Value) -> Result<Span, Refusal> {
    let moment = |name: &str| {
        let at = input.get(name).and_then(Value::as_f64);
        at.ok_or_else(|| Refusal::new(INVALID, format!("{name} must be given")))
    };
    let (start, end) = (moment("StartTime")?, moment("EndTime")?);
    if !(start < end && start.abs() < FAR && end.abs() < FAR) {
        return Err(Refusal::new(INVALID, "StartTime must be before EndTime"));
    }
    let period =
        input.get("PeriodInSeconds").and_then(Value::as_i64).unwrap_or(if end - start < 3600.0 { 1 } else { 60 });
    if !PERIODS.contains(&period) {
        return Err(Refusal::new(INVALID, format!("PeriodInSeconds must be one of {PERIODS:?}")));
    }
    if (end - start) / period as f64 > MOST_POINTS {
        let message = format!("The time range holds more than {MOST_POINTS} periods of {period} s");
        return Err(Refusal::new(INVALID, message));
    }
    let whole = |periods: f64| periods as i64 * period;
    let (start, end) = (start / period as f64, end / period as f64);
    Ok(Span { start: whole(start.floor()), end: whole(end.ceil()), period })
}

/// The series that a group has, `Limit` of them at most.
fn series_of(group: Option<&Value>) -> Result<Vec<Series>, Refusal> {
    let Some(group) = group.filter(|group| !group.is_null()) else { return Ok(Vec::new()) };
    let name = need(group, "Group", INVALID)?;
    let limit = group.get("Limit").and_then(Value::as_u64).unwrap_or(10);
    if !(1..=25).contains(&limit) {
        return Err(Refusal::new(INVALID, "Limit must be between 1 and 25"));
    }
    let mut series = match name {
        "db.wait_event" => wait_events(),
        "db.wait_event_type" => wait_event_types(),
        "db.sql_tokenized" | "db.sql" => statements(name),
        "db.user" => vec![single("db.user.name", "operations")],
        "db.host" => vec![single("db.host.name", "10.4.12.31")],
        "db.application" => vec![single("db.application.name", "operations")],
        other => return Err(Refusal::new(INVALID, format!("no dimension group {other}"))),
    };
    series.truncate(limit as usize);
    Ok(series)
}

fn wait_events() -> Vec<Series> {
    let series = |(index, wait): (usize, &super::pi_load::Wait)| {
        let name = [("db.wait_event.name", wait.name), ("db.wait_event.type", wait.kind)];
        Series { dimensions: dimensions(name), of: Share::Wait(index) }
    };
    WAITS.iter().enumerate().map(series).collect()
}

fn wait_event_types() -> Vec<Series> {
    let mut kinds: Vec<_> = WAITS.iter().map(|wait| wait.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let series =
        |kind| Series { dimensions: dimensions([("db.wait_event_type.name", kind)]), of: Share::WaitsOf(kind) };
    kinds.into_iter().map(series).collect()
}

fn statements(group: &str) -> Vec<Series> {
    let series = |(text, share): (&str, f64)| {
        let text: String = text.chars().take(TEXT).collect();
        let id: String = Sha256::digest(text.as_bytes()).iter().take(20).map(|byte| format!("{byte:02X}")).collect();
        let mut dimensions = Map::new();
        dimensions.insert(format!("{group}.id"), json!(id));
        dimensions
            .insert(format!("{group}.db_id"), json!(format!("pi-{}", u64::from_str_radix(&id[..12], 16).unwrap_or(0))));
        dimensions.insert(format!("{group}.statement"), json!(text));
        Series { dimensions, of: Share::Part(share) }
    };
    shares().into_iter().map(series).collect()
}

fn single(dimension: &str, value: &str) -> Series {
    Series { dimensions: dimensions([(dimension, value)]), of: Share::Part(1.0) }
}

fn dimensions<const N: usize>(pairs: [(&str, &str); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// A point for each period that has ended, at its end; none for one without a measurement.
fn points(load: &LoadModel<'_>, span: Span, of: Share) -> Vec<Value> {
    ends(span)
        .filter_map(|end| {
            let value = (amount(load.waits(end, span.period)?, of) * 10_000.0).round() / 10_000.0;
            Some(json!({ "Timestamp": end, "Value": value }))
        })
        .collect()
}

fn mean(load: &LoadModel<'_>, span: Span, of: Share) -> f64 {
    let loads: Vec<_> = ends(span).filter_map(|end| Some(amount(load.waits(end, span.period)?, of))).collect();
    if loads.is_empty() { 0.0 } else { loads.iter().sum::<f64>() / loads.len() as f64 }
}

/// The ends of a span's periods, those in the future left out.
fn ends(span: Span) -> impl Iterator<Item = i64> {
    let now = crate::sim::world::now().as_second();
    (1..).map(move |index| span.start + index * span.period).take_while(move |end| *end <= span.end.min(now))
}

fn amount(waits: [f64; WAITS.len()], of: Share) -> f64 {
    match of {
        Share::Wait(index) => waits[index],
        Share::WaitsOf(kind) => {
            WAITS.iter().zip(waits).filter(|(wait, _)| wait.kind == kind).map(|(_, load)| load).sum()
        }
        Share::Part(part) => waits.iter().sum::<f64>() * part,
    }
}
