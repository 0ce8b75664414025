//! CloudWatch Logs: the PostgreSQL log that a cluster exports, one stream for each instance.

use serde_json::{Value, json};

use super::log_lines::{Line, lines};
use super::{Caller, Site};
use crate::sim::world::aurora::Instance;
use crate::sim::world::refusal::Refusal;
use crate::sim::world::{SitePartition, World};

const INVALID: &str = "InvalidParameterException";
/// Events that an answer holds where the caller does not say, and at most.
const MOST: usize = 10_000;

/// A stream with its lines.
struct Stream {
    name: String,
    lines: Vec<Line>,
}

/// Answers an operation; none where Logs has no such operation here.
pub(super) fn answer(site: &Site, caller: &Caller, operation: &str, input: &Value) -> Option<Result<Value, Refusal>> {
    Some(match operation {
        "FilterLogEvents" => filter(site, caller, input),
        "GetLogEvents" => events(site, caller, input),
        "DescribeLogGroups" => groups(site, caller, input),
        "DescribeLogStreams" => describe_streams(site, caller, input),
        _ => return None,
    })
}

fn filter(site: &Site, caller: &Caller, input: &Value) -> Result<Value, Refusal> {
    let pattern = Pattern::read(text(input, "filterPattern").unwrap_or_default())?;
    let (from, to) = span(input);
    let named: Option<Vec<&str>> = input
        .get("logStreamNames")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect());
    let prefix = text(input, "logStreamNamePrefix").unwrap_or_default();
    let mut streams = streams(site, caller, input)?;
    streams.retain(|stream| {
        stream.name.starts_with(prefix) && named.as_ref().is_none_or(|names| names.contains(&stream.name.as_str()))
    });
    let mut found: Vec<(i64, Value)> = Vec::new();
    for stream in &streams {
        for (number, line) in stream.lines.iter().enumerate() {
            let at = line.at.as_millisecond();
            if (from..=to).contains(&at) && pattern.takes(&line.message) {
                found.push((
                    at,
                    json!({ "logStreamName": stream.name, "timestamp": at, "message": line.message,
                            "ingestionTime": line.ingested.as_millisecond(),
                            "eventId": format!("{at:020}{number:036}") }),
                ));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    let first = token(input, "")?.unwrap_or(0).min(found.len());
    let last = (first + limit(input)?).min(found.len());
    let mut answer = json!({ "searchedLogStreams": [] });
    if last < found.len() {
        answer["nextToken"] = json!(last.to_string());
    }
    answer["events"] = found.drain(first..last).map(|(_, event)| event).collect();
    Ok(answer)
}

fn events(site: &Site, caller: &Caller, input: &Value) -> Result<Value, Refusal> {
    let name = need(input, "logStreamName")?;
    let streams = streams(site, caller, input)?;
    let missing = || Refusal::new("ResourceNotFoundException", "The specified log stream does not exist.");
    let stream = streams.iter().find(|stream| stream.name == name).ok_or_else(missing)?;
    let ((from, to), limit) = (span(input), limit(input)?);
    let within = |line: &&Line| (from..to).contains(&line.at.as_millisecond());
    let all: Vec<_> = stream.lines.iter().filter(within).collect();
    let forward = token(input, "f/")?.map(|first| (first.min(all.len()), (first + limit).min(all.len())));
    let backward = token(input, "b/")?.map(|last| (last.min(all.len()).saturating_sub(limit), last.min(all.len())));
    let from_head = input.get("startFromHead").and_then(Value::as_bool).unwrap_or(false);
    let (first, last) = forward.or(backward).unwrap_or(if from_head {
        (0, limit.min(all.len()))
    } else {
        (all.len().saturating_sub(limit), all.len())
    });
    let events: Vec<_> = all[first..last]
        .iter()
        .map(|line| {
            json!({ "timestamp": line.at.as_millisecond(), "message": line.message,
                    "ingestionTime": line.ingested.as_millisecond() })
        })
        .collect();
    Ok(json!({ "events": events, "nextForwardToken": format!("f/{last}"), "nextBackwardToken": format!("b/{first}") }))
}

fn groups(site: &Site, caller: &Caller, input: &Value) -> Result<Value, Refusal> {
    let prefix = text(input, "logGroupNamePrefix").unwrap_or_default();
    let groups: Vec<_> = site.read(|world| {
        let groups = own(world, caller).map(|partition| (group(partition), partition.cluster.created));
        groups.filter(|(name, _)| name.starts_with(prefix)).collect()
    });
    let groups: Vec<_> = groups
        .into_iter()
        .map(|(name, created)| {
            let arn = arn(caller, &name);
            json!({ "logGroupName": name, "creationTime": created.as_millisecond(), "metricFilterCount": 0,
                    "arn": format!("{arn}:*"), "logGroupArn": arn, "storedBytes": 0, "logGroupClass": "STANDARD" })
        })
        .collect();
    Ok(json!({ "logGroups": groups }))
}

fn describe_streams(site: &Site, caller: &Caller, input: &Value) -> Result<Value, Refusal> {
    let prefix = text(input, "logStreamNamePrefix").unwrap_or_default();
    let group = named_group(input)?.to_owned();
    let streams = streams(site, caller, input)?;
    let describe = |stream: Stream| {
        let arn = format!("{}:log-stream:{}", arn(caller, &group), stream.name);
        let mut described = json!({ "logStreamName": stream.name, "arn": arn, "storedBytes": 0 });
        if let (Some(first), Some(last)) = (stream.lines.first(), stream.lines.last()) {
            described["creationTime"] = json!(first.at.as_millisecond());
            described["firstEventTimestamp"] = json!(first.at.as_millisecond());
            described["lastEventTimestamp"] = json!(last.at.as_millisecond());
            described["lastIngestionTime"] = json!(last.ingested.as_millisecond());
        }
        described
    };
    let streams: Vec<_> = streams.into_iter().filter(|stream| stream.name.starts_with(prefix)).map(describe).collect();
    Ok(json!({ "logStreams": streams }))
}

/// The streams of the group that the call names.
fn streams(site: &Site, caller: &Caller, input: &Value) -> Result<Vec<Stream>, Refusal> {
    let wanted = named_group(input)?;
    let found = site.read(|world| {
        let partition = own(world, caller).find(|partition| group(partition) == wanted)?;
        let planned = world.plan.partitions.iter().find(|planned| planned.name.as_str() == partition.name);
        let sql = planned.and_then(|planned| planned.sql.as_ref());
        let who = sql.map_or_else(|| "postgres@postgres".to_owned(), |sql| format!("{}@{}", sql.user, sql.database));
        let stream = |one: &Instance| (format!("{}.0", one.id), lines(one, &partition.name, &who, site.speed));
        let streams = partition.cluster.instances.iter().map(stream);
        Some(streams.map(|(name, lines)| Stream { name, lines }).collect())
    });
    found.ok_or_else(|| Refusal::new("ResourceNotFoundException", "The specified log group does not exist."))
}

fn own<'a>(world: &'a World, caller: &'a Caller) -> impl Iterator<Item = &'a SitePartition> {
    world.partitions.iter().filter(|partition| partition.infrastructure == caller.infrastructure)
}

fn group(partition: &SitePartition) -> String {
    format!("/aws/rds/cluster/{}/postgresql", partition.cluster.id.to_lowercase())
}

fn arn(caller: &Caller, group: &str) -> String {
    format!("arn:aws:logs:{}:{}:log-group:{group}", caller.region, caller.account)
}

/// The group's name, given as such or within an ARN.
fn named_group(input: &Value) -> Result<&str, Refusal> {
    let named = match text(input, "logGroupIdentifier") {
        Some(identifier) => identifier.split_once(":log-group:").map_or(identifier, |(_, name)| name),
        None => need(input, "logGroupName")?,
    };
    Ok(named.trim_end_matches(":*"))
}

/// The milliseconds that are asked for.
fn span(input: &Value) -> (i64, i64) {
    let moment = |name: &str| input.get(name).and_then(Value::as_i64);
    (moment("startTime").unwrap_or(i64::MIN), moment("endTime").unwrap_or(i64::MAX))
}

fn limit(input: &Value) -> Result<usize, Refusal> {
    let limit = input.get("limit").and_then(Value::as_u64).map_or(Some(MOST), |limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| Refusal::new(INVALID, format!("limit must be between 1 and {MOST}")))
}

/// The place that a token stands for; none where there is no token, or one of another kind.
fn token(input: &Value, kind: &str) -> Result<Option<usize>, Refusal> {
    let Some(token) = text(input, "nextToken") else { return Ok(None) };
    let known = ["f/", "b/"].iter().any(|known| token.starts_with(known));
    match token.strip_prefix(kind) {
        Some(place) if kind.is_empty() != known => {
            let place = place.parse().map_err(|_| Refusal::new(INVALID, "The specified nextToken is invalid."));
            place.map(Some)
        }
        _ if kind.is_empty() || !known => Err(Refusal::new(INVALID, "The specified nextToken is invalid.")),
        _ => Ok(None),
    }
}

fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn need<'a>(input: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    text(input, name).ok_or_else(|| {
        let message = format!(
            "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must not be null"
        );
        Refusal::new(INVALID, message)
    })
}

/// A filter pattern of words: all of the plain ones, none of the `-` ones, one of the `?` ones.
#[derive(Debug, Default, PartialEq)]
struct Pattern {
    all: Vec<String>,
    none: Vec<String>,
    any: Vec<String>,
}

impl Pattern {
    fn read(pattern: &str) -> Result<Self, Refusal> {
        let pattern = pattern.trim();
        if pattern.starts_with(['{', '[', '%']) {
            let message = "The simulated site takes filter patterns of words, no JSON, fields or expressions.";
            return Err(Refusal::new(INVALID, message));
        }
        let (mut read, mut rest) = (Self::default(), pattern);
        while let Some(first) = rest.chars().next() {
            let (list, after) = match first {
                '-' => (&mut read.none, &rest[1..]),
                '?' => (&mut read.any, &rest[1..]),
                _ => (&mut read.all, rest),
            };
            let (word, left) = match after.strip_prefix('"') {
                Some(quoted) => {
                    quoted.split_once('"').ok_or_else(|| Refusal::new(INVALID, "Invalid filter pattern"))?
                }
                None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
            };
            list.push(word.to_owned());
            rest = left.trim_start();
        }
        Ok(read)
    }

    fn takes(&self, message: &str) -> bool {
        let has = |word: &String| message.contains(word.as_str());
        self.all.iter().all(has) && !self.none.iter().any(has) && (self.any.is_empty() || self.any.iter().any(has))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_words_are_read_as_cloudwatch_does() {
        let pattern = Pattern::read(r#"duration "execute <" -idle ?item ?card"#).expect("a pattern");
        assert!(pattern.takes("duration: 5 ms execute <unnamed>: SELECT item"));
        assert!(!pattern.takes("duration: 5 ms execute <unnamed>: SELECT station"));
        assert!(!pattern.takes("duration: 5 ms execute <unnamed>: idle item"));
        assert!(Pattern::read("").expect("everything").takes("x"));
        assert!(Pattern::read("{ $.x = 1 }").is_err());
        assert!(Pattern::read("\"open").is_err());
    }

    #[test]
    fn tokens_of_one_kind_are_no_others() {
        let input = |token: &str| json!({ "nextToken": token });
        assert_eq!(token(&input("f/7"), "f/").ok(), Some(Some(7)));
        assert_eq!(token(&input("f/7"), "b/").ok(), Some(None));
        assert_eq!(token(&input("7"), "").ok(), Some(Some(7)));
        assert!(token(&input("7"), "f/").is_err());
        assert!(token(&input("f/7"), "").is_err());
        assert!(token(&input("f/x"), "f/").is_err());
    }
}
