//! CloudWatch: the metrics of RDS, by GetMetricData and GetMetricStatistics.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::metrics::{METRICS, Measured, SAMPLED};
use super::{Caller, Site};
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{World, now};

const INVALID: &str = "InvalidParameterValue";
const NAMESPACE: &str = "AWS/RDS";

/// Data points that one call of GetMetricStatistics may ask for.
const MOST_STATISTICS: i64 = 1440;
/// Data points that one answer of GetMetricData holds for a query: fewer than the real 100,800, which would be 70 days.
const MOST_DATA: i64 = 10_080;

/// The longest period: a year.
const LONGEST: i64 = 365 * 86_400;

/// The shape by which the service's model knows an error, whose code is another word.
pub(super) fn error_shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "MissingParameter" => "MissingRequiredParameterException",
        other => other,
    }
}

/// Answers an operation; none where CloudWatch has no such operation here.
pub(super) fn answer(site: &Site, caller: &Caller, operation: &str, input: &Value) -> Option<Result<Value, Refusal>> {
    Some(match operation {
        "GetMetricData" => site.read(|world| metric_data(world, caller, input, site.speed)),
        "GetMetricStatistics" => site.read(|world| statistics(world, caller, input, site.speed)),
        "ListMetrics" => site.read(|world| list(world, caller, input)),
        _ => return None,
    })
}

/// What a call wants to know of one metric.
struct Wanted<'a> {
    namespace: &'a str,
    metric: &'a str,
    dimensions: BTreeMap<&'a str, &'a str>,
    start: i64,
    end: i64,
    period: i64,
}

/// One period with the samples in it.
struct Period {
    start: i64,
    samples: Vec<f64>,
}

fn metric_data(world: &World, caller: &Caller, input: &Value, speed: f64) -> Result<Value, Refusal> {
    let (start, end) = span(input)?;
    let queries = input.get("MetricDataQueries").and_then(Value::as_array).filter(|queries| !queries.is_empty());
    let queries = queries.ok_or_else(|| missing("MetricDataQueries"))?;
    let oldest_first = input.get("ScanBy").and_then(Value::as_str) == Some("TimestampAscending");
    let mut results = Vec::new();
    for query in queries {
        let id = need(query, "Id")?;
        if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
            return Err(Refusal::new(
                "ValidationError",
                format!("The value {id} is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."),
            ));
        }
        let Some(stat) = query.get("MetricStat").filter(|stat| stat.is_object()) else {
            let message = format!("The simulated site answers queries with a MetricStat, no expressions: {id}");
            return Err(Refusal::new("ValidationError", message));
        };
        let metric = stat.get("Metric").ok_or_else(|| missing("Metric"))?;
        let period = whole(stat, "Period").ok_or_else(|| missing("Period"))?;
        let wanted = Wanted::read(metric, (start, end), period, MOST_DATA)?;
        let statistic = Statistic::read(need(stat, "Stat")?)?;
        let periods = wanted.periods(world, caller, speed);
        let mut points: Vec<_> = periods.iter().map(|period| (period.start, statistic.of(&period.samples))).collect();
        if !oldest_first {
            points.reverse();
        }
        let label = query.get("Label").and_then(Value::as_str).unwrap_or(wanted.metric);
        let (times, values): (Vec<_>, Vec<_>) = points.into_iter().unzip();
        results
            .push(json!({ "Id": id, "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete" }));
    }
    Ok(json!({ "MetricDataResults": results, "Messages": [] }))
}

fn statistics(world: &World, caller: &Caller, input: &Value, speed: f64) -> Result<Value, Refusal> {
    let period = whole(input, "Period").ok_or_else(|| missing("Period"))?;
    let wanted = Wanted::read(input, span(input)?, period, MOST_STATISTICS)?;
    let names = |member: &str| -> Vec<&str> {
        input.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (usual, extended) = (names("Statistics"), names("ExtendedStatistics"));
    if usual.is_empty() && extended.is_empty() {
        return Err(missing("Statistics"));
    }
    let unit = METRICS.iter().find(|metric| metric.name == wanted.metric).map_or("None", |metric| metric.unit);
    let mut points = Vec::new();
    for period in wanted.periods(world, caller, speed) {
        let mut point = Map::new();
        point.insert("Timestamp".into(), json!(period.start));
        for name in &usual {
            point.insert((*name).to_owned(), json!(Statistic::read(name)?.of(&period.samples)));
        }
        if !extended.is_empty() {
            let value = |name: &&str| Ok(((*name).to_owned(), json!(Statistic::read(name)?.of(&period.samples))));
            let values: Map<_, _> = extended.iter().map(value).collect::<Result<_, Refusal>>()?;
            point.insert("ExtendedStatistics".into(), Value::Object(values));
        }
        point.insert("Unit".into(), json!(unit));
        points.push(Value::Object(point));
    }
    Ok(json!({ "Label": wanted.metric, "Datapoints": points }))
}

fn list(world: &World, caller: &Caller, input: &Value) -> Result<Value, Refusal> {
    let wanted = |member: &str| input.get(member).and_then(Value::as_str);
    if wanted("Namespace").is_some_and(|namespace| namespace != NAMESPACE) {
        return Ok(json!({ "Metrics": [] }));
    }
    let filters = dimensions(input)?;
    let own = world.partitions.iter().filter(|partition| partition.infrastructure == caller.infrastructure);
    let instances = own.flat_map(|partition| &partition.cluster.instances);
    let instances: Vec<_> = instances
        .filter(|one| {
            filters
                .iter()
                .all(|(name, value)| *name == "DBInstanceIdentifier" && (value.is_empty() || *value == one.id))
        })
        .collect();
    let metrics: Vec<_> = METRICS
        .iter()
        .filter(|metric| wanted("MetricName").is_none_or(|name| name == metric.name))
        .flat_map(|metric| {
            instances.iter().map(|one| {
                let dimensions = json!([{ "Name": "DBInstanceIdentifier", "Value": one.id }]);
                json!({ "Namespace": NAMESPACE, "MetricName": metric.name, "Dimensions": dimensions })
            })
        })
        .collect();
    Ok(json!({ "Metrics": metrics }))
}

impl<'a> Wanted<'a> {
    fn read(metric: &'a Value, (start, end): (i64, i64), period: i64, most: i64) -> Result<Self, Refusal> {
        if !(matches!(period, 1 | 5 | 10 | 20 | 30) || ((1..=LONGEST).contains(&period) && period % SAMPLED == 0)) {
            let message = format!("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60: {period}");
            return Err(Refusal::new(INVALID, message));
        }
        // Samples come once a minute: a shorter period has nothing more to say.
        let period = period.max(SAMPLED);
        if (end - start) / period > most {
            let asked = (end - start) / period;
            let message = format!("You have requested up to {asked} datapoints, which exceeds the limit of {most}.");
            return Err(Refusal::new("InvalidParameterCombination", message));
        }
        let (namespace, name) = (need(metric, "Namespace")?, need(metric, "MetricName")?);
        Ok(Self { namespace, metric: name, dimensions: dimensions(metric)?, start, end, period })
    }

    /// The periods that have samples, oldest first. A metric that nobody publishes has none, which is no error.
    fn periods(&self, world: &World, caller: &Caller, speed: f64) -> Vec<Period> {
        let Some(metric) = METRICS.iter().find(|metric| metric.name == self.metric) else { return Vec::new() };
        let measured = self.measured(world, caller, speed);
        let last = self.end.min(now().as_second());
        let starts = (0..).map(|index| self.start.div_euclid(self.period) * self.period + index * self.period);
        let periods = starts.take_while(|start| *start < last).map(|start| Period {
            start,
            samples: (1..=self.period / SAMPLED)
                .map(|minute| start + minute * SAMPLED)
                .filter(|end| *end <= last)
                .flat_map(|end| measured.iter().filter_map(move |one| one.sample(*metric, end)))
                .collect(),
        });
        periods.filter(|period| !period.samples.is_empty()).collect()
    }

    /// The instances that the dimensions name: one by its identifier, or those of a cluster, perhaps by role.
    fn measured<'w>(&self, world: &'w World, caller: &Caller, speed: f64) -> Vec<Measured<'w>> {
        let known = ["DBInstanceIdentifier", "DBClusterIdentifier", "Role"];
        let named = self.dimensions.keys().all(|name| known.contains(name));
        let dimension = |name: &str| self.dimensions.get(name).copied();
        let (instance, cluster) = (dimension("DBInstanceIdentifier"), dimension("DBClusterIdentifier"));
        if self.namespace != NAMESPACE || !named || (instance.is_none() && cluster.is_none()) {
            return Vec::new();
        }
        let own = world.partitions.iter().filter(|partition| partition.infrastructure == caller.infrastructure);
        own.filter(|partition| cluster.is_none_or(|id| partition.cluster.id.to_lowercase() == id))
            .flat_map(|partition| {
                Measured::of(&partition.cluster, &partition.name, speed, |id, writer| {
                    instance.is_none_or(|wanted| wanted == id)
                        && dimension("Role").is_none_or(|role| role == if writer { "WRITER" } else { "READER" })
                })
            })
            .collect()
    }
}

/// What is made of a period's samples.
enum Statistic {
    Average,
    Sum,
    Minimum,
    Maximum,
    SampleCount,
    Percentile(f64),
}

impl Statistic {
    fn read(name: &str) -> Result<Self, Refusal> {
        let percentile = || name.strip_prefix('p')?.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
        Ok(match name {
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            "SampleCount" => Self::SampleCount,
            _ => Self::Percentile(percentile().ok_or_else(|| {
                Refusal::new(INVALID, format!("The value {name} for parameter Stat is not supported."))
            })?),
        })
    }

    fn of(&self, samples: &[f64]) -> f64 {
        let (count, sum) = (samples.len() as f64, samples.iter().sum::<f64>());
        match self {
            Self::Average => sum / count,
            Self::Sum => sum,
            Self::Minimum => samples.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Maximum => samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::SampleCount => count,
            Self::Percentile(percent) => {
                let mut sorted = samples.to_vec();
                sorted.sort_by(f64::total_cmp);
                let place = ((percent / 100.0 * count).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
                sorted.get(place).copied().unwrap_or_default()
            }
        }
    }
}

/// Dimensions by name.
fn dimensions(metric: &Value) -> Result<BTreeMap<&str, &str>, Refusal> {
    let list = metric.get("Dimensions").and_then(Value::as_array).into_iter().flatten();
    list.map(|one| Ok((need(one, "Name")?, one.get("Value").and_then(Value::as_str).unwrap_or_default()))).collect()
}

fn span(input: &Value) -> Result<(i64, i64), Refusal> {
    let moment = |name: &str| input.get(name).and_then(Value::as_f64).ok_or_else(|| missing(name));
    let (start, end) = (moment("StartTime")?, moment("EndTime")?);
    if !(start < end && start.abs() < 1e11 && end.abs() < 1e11) {
        let message = "The parameter StartTime must be less than the parameter EndTime.";
        return Err(Refusal::new(INVALID, message));
    }
    Ok((start as i64, end as i64))
}

fn whole(input: &Value, name: &str) -> Option<i64> {
    input.get(name).and_then(Value::as_i64)
}

fn need<'a>(input: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Refusal {
    Refusal::new("MissingParameter", format!("The parameter {name} is required."))
}
