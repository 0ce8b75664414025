//! Performance Insights: the load of an instance, and what it consists of.

use aws_sdk_pi::types::{DimensionGroup, MetricQuery, PeriodAlignment, ServiceType};
use jiff::Timestamp;

use super::aws::{Configs, client, moment, trouble};
use super::{Trouble, TroubleKind, known};
use crate::runbook::text::clean_line;

const METRICS: &str = "pi:GetResourceMetrics";
const KEYS: &str = "pi:DescribeDimensionKeys";

/// Average active sessions.
const LOAD: &str = "db.load.avg";
/// Wait events that are told apart; what is below them is known from the sum of all.
const WAITS: i32 = 12;
/// The most groups that PI answers, and the most results of one page.
const MOST: i32 = 25;
/// Bytes after which PI cuts a statement's text: its model says so of every element of an answer.
pub const CUT_AT: usize = 500;
/// What PI answers for an instance that it does not measure: no word of that, but that the resource is not authorized for the
/// account, under the code of a missing permission. Seen in https://github.com/zalando/rds-health/issues/6; a missing
/// permission itself is an `AccessDeniedException` that names the action.
const NOT_MEASURED: &str = "not authorized for this account";

/// Performance Insights in one account and region.
#[derive(Debug, Clone)]
pub struct Insights {
    reading: aws_sdk_pi::Client,
}

/// The resolutions that PI knows and the cockpit uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// One second.
    Second,
    /// One minute.
    Minute,
}

impl Period {
    /// Its length in seconds.
    pub fn seconds(self) -> i32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }
}

/// One line of a load chart: average active sessions over time.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSeries {
    /// Name of the wait event, such as `IO:DataFileRead`; none for the sum of all.
    pub wait_event: Option<String>,
    /// The ends of periods and the average active sessions in them, oldest first; one that PI has no figure for is left out.
    pub points: Vec<(Timestamp, f64)>,
}

/// A statement and the load it made.
#[derive(Debug, Clone, PartialEq)]
pub struct TopStatement {
    /// PI's identifier of the statement's digest.
    pub id: String,
    /// The statement with its constants left out, cleaned and masked.
    pub text: String,
    /// Whether PI has cut the text: see [`CUT_AT`].
    pub cut: bool,
    /// Average active sessions.
    pub load: f64,
}

impl Insights {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: client!(aws_sdk_pi, &configs.reading) }
    }

    /// The load of an instance by wait event between two moments, of which the last one is not included. `resource` is its
    /// `DbiResourceId`: it names an instance and does not follow the writer's role.
    ///
    /// # Errors
    /// `NotFound` where PI does not measure the instance, `Denied` where the session may not ask.
    pub async fn load(
        &self,
        resource: &str,
        (from, to): (Timestamp, Timestamp),
        period: Period,
    ) -> Result<Vec<LoadSeries>, Trouble> {
        let groups = group("db.wait_event", WAITS);
        let query = MetricQuery::builder().metric(LOAD).set_group_by(groups).build();
        let query = query.map_err(|error| Trouble::new(METRICS, TroubleKind::Malformed, error.to_string()))?;
        let request = self.reading.get_resource_metrics().service_type(ServiceType::Rds).identifier(resource);
        let request = request.metric_queries(query).start_time(instant(from)).end_time(instant(to));
        let request = request.period_in_seconds(period.seconds()).period_alignment(PeriodAlignment::EndTime);
        let mut pages = request.max_results(MOST).into_paginator().send();
        let mut series: Vec<LoadSeries> = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| off(trouble(METRICS, error)))?;
            for metric in page.metric_list.unwrap_or_default() {
                let names = metric.key.and_then(|key| key.dimensions);
                let wait_event = names.and_then(|mut names| names.remove("db.wait_event.name"));
                let points = metric.data_points.unwrap_or_default().into_iter();
                // PI answers NaN for a moment that it has no figure for.
                let points = points.filter(|point| point.value.is_finite());
                let points = points.filter_map(|point| Some((moment(Some(&point.timestamp))?, point.value)));
                extend(&mut series, wait_event.map(|name| clean_line(&name)), points.collect());
            }
        }
        Ok(series)
    }

    /// The statements that made the most load between two moments, the heaviest first; 25 at most.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn top_statements(
        &self,
        resource: &str,
        (from, to): (Timestamp, Timestamp),
        most: u8,
    ) -> Result<Vec<TopStatement>, Trouble> {
        let limit = i32::from(most).clamp(1, MOST);
        let request = self.reading.describe_dimension_keys().service_type(ServiceType::Rds).identifier(resource);
        let request = request.metric(LOAD).start_time(instant(from)).end_time(instant(to));
        let request = request.set_group_by(group("db.sql_tokenized", limit)).max_results(limit);
        let answer = request.send().await.map_err(|error| off(trouble(KEYS, error)))?;
        let statements = answer.keys.unwrap_or_default().into_iter().filter_map(|key| {
            let mut names = key.dimensions?;
            let text = names.remove("db.sql_tokenized.statement")?;
            Some(TopStatement {
                id: names.remove("db.sql_tokenized.id").unwrap_or_default(),
                cut: is_cut(&text),
                text: known::hide(&clean_line(&text)),
                load: key.total.filter(|load| load.is_finite())?,
            })
        });
        Ok(statements.collect())
    }
}

/// Tells an instance that is not measured from one that the session may not ask about.
fn off(mut trouble: Trouble) -> Trouble {
    if trouble.is_code("NotAuthorizedException") && trouble.message.contains(NOT_MEASURED) {
        trouble.kind = TroubleKind::NotFound;
    }
    trouble
}

/// Whether a text is as long as PI lets one be. A character that would have crossed the limit was left out whole.
fn is_cut(text: &str) -> bool {
    text.len() + char::MAX.len_utf8() > CUT_AT
}

fn group(name: &str, limit: i32) -> Option<DimensionGroup> {
    DimensionGroup::builder().group(name).limit(limit).build().ok()
}

fn instant(at: Timestamp) -> aws_smithy_types::DateTime {
    aws_smithy_types::DateTime::from_secs(at.as_second())
}

/// Adds points to the series of that name; a later page goes on with the series of an earlier one.
fn extend(series: &mut Vec<LoadSeries>, wait_event: Option<String>, points: Vec<(Timestamp, f64)>) {
    match series.iter_mut().find(|one| one.wait_event == wait_event) {
        Some(one) => one.points.extend(points),
        None => series.push(LoadSeries { wait_event, points }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_not_measured_is_told_from_a_missing_permission() {
        let said =
            |code: &str, message: &str| off(Trouble::new(METRICS, TroubleKind::Denied, message).with_code(code)).kind;
        let off = "The resource db-X for service type RDS is not authorized for this account";
        assert_eq!(said("NotAuthorizedException", off), TroubleKind::NotFound);
        assert_eq!(said("NotAuthorizedException", "The user is not authorized"), TroubleKind::Denied);
        let denied = "User: arn:aws:sts::1:assumed-role/Admin/me is not authorized to perform: pi:GetResourceMetrics";
        assert_eq!(said("AccessDeniedException", denied), TroubleKind::Denied);
    }

    #[test]
    fn a_text_is_cut_where_it_is_as_long_as_it_may_be() {
        for (text, expected) in [("SELECT 1".to_owned(), false), ("x".repeat(500), true), ("x".repeat(490), false)] {
            assert_eq!(is_cut(&text), expected, "{} bytes", text.len());
        }
        // 499 bytes: the two of the next character did not fit.
        assert!(is_cut(&format!("{}é", "x".repeat(497))));
    }
}
