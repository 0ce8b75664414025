//! RDS events.

use jiff::{SignedDuration, Timestamp};

use super::params::{Params, bare, put_marker};
use super::xml::Xml;
use super::{Caller, rds};
use crate::sim::world::World;
use crate::sim::world::aurora::RdsEvent;
use crate::sim::world::refusal::Refusal;

/// Minutes that an answer reaches back where the caller does not say.
const USUAL_DURATION: i64 = 60;

/// `DescribeEvents`: oldest first, within a source and a span of time. An event that has not come yet is not there, and
/// when it comes it is dated back to when it happened.
pub(super) fn describe(world: &World, caller: &Caller, params: &Params, speed: f64) -> Result<Xml, Refusal> {
    let source = params.get("SourceIdentifier").map(bare);
    let source_type = params.get("SourceType");
    if source.is_some() && source_type.is_none() {
        return Err(Refusal::combination("SourceType must be given with SourceIdentifier"));
    }
    let categories = params.list("EventCategories.EventCategory");
    let (from, to) = span(params)?;
    let now = Timestamp::now();
    let takes = |event: &&RdsEvent| {
        source.is_none_or(|source| event.source.eq_ignore_ascii_case(source))
            && source_type.is_none_or(|kind| event.source_type == kind)
            && (categories.is_empty() || categories.iter().any(|category| category == event.category))
            && event.at >= from
            && event.at <= to
            && event.at + SignedDuration::from_secs_f64(event.late_s / speed) <= now
    };
    let mut found: Vec<_> = rds::clusters(world, caller).flat_map(|cluster| &cluster.events).filter(takes).collect();
    found.sort_by_key(|event| event.at);
    let (page, marker) = params.page(&found)?;
    let mut xml = Xml::default();
    xml.list("Events", "Event", page, |xml, event| {
        let kind = if event.source_type == "db-instance" { "db" } else { event.source_type.trim_start_matches("db-") };
        xml.put("SourceIdentifier", &event.source).put("SourceType", event.source_type);
        xml.put("Message", &event.message).put_time("Date", event.at);
        xml.put("SourceArn", format!("arn:aws:rds:{}:{}:{kind}:{}", caller.region, caller.account, event.source));
        xml.within("EventCategories", |xml| {
            xml.put("EventCategory", event.category);
        });
    });
    put_marker(&mut xml, marker);
    Ok(xml)
}

/// The span that is asked for: `StartTime` and `EndTime`, or the last `Duration` minutes.
fn span(params: &Params) -> Result<(Timestamp, Timestamp), Refusal> {
    let moment = |name: &str| {
        let parse = |text: &str| {
            text.parse::<Timestamp>()
                .map_err(|_| Refusal::new("InvalidParameterValue", format!("{name} is not a moment: {text}")))
        };
        params.get(name).map(parse).transpose()
    };
    let minutes = params.number("Duration")?.unwrap_or(USUAL_DURATION).clamp(0, 14 * 24 * 60);
    let to = moment("EndTime")?.unwrap_or_else(Timestamp::now);
    let from =
        moment("StartTime")?.unwrap_or_else(|| to.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(to));
    Ok((from, to))
}
