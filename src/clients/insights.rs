//! Performance Insights: the load of an instance, and what it consists of.

use std::time::Duration;

use aws_sdk_pi::types::{DimensionGroup, MetricQuery, ServiceType};
use jiff::Timestamp;

use super::Trouble;
use super::aws::{Configs, moment, trouble};
use crate::runbook::text::clean_line;

const METRICS: &str = "pi:GetResourceMetrics";
const KEYS: &str = "pi:DescribeDimensionKeys";

/// Average active sessions.
const LOAD: &str = "db.load.avg";
/// The most groups that PI answers.
const MOST_GROUPS: i32 = 25;

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
    /// Moments and average active sessions, oldest first; a moment that PI has no figure for is left out.
    pub points: Vec<(Timestamp, f64)>,
}

/// A statement and the load it made.
#[derive(Debug, Clone, PartialEq)]
pub struct TopStatement {
    /// PI's identifier of the statement's digest.
    pub id: String,
    /// The statement with its constants left out, cleaned; cut by PI at 500 bytes.
    pub text: String,
    /// Average active sessions.
    pub load: f64,
}

impl Insights {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: aws_sdk_pi::Client::new(&configs.reading) }
    }

    /// The load of an instance by wait event over the last `span`. `resource` is its `DbiResourceId`: it names an
    /// instance and does not follow the writer's role.
    pub async fn load(&self, resource: &str, span: Duration, period: Period) -> Result<Vec<LoadSeries>, Trouble> {
        let groups = group("db.wait_event", MOST_GROUPS);
        let query = MetricQuery::builder().metric(LOAD).set_group_by(groups).build();
        let query = query.map_err(|error| Trouble::new(METRICS, super::TroubleKind::Malformed, error.to_string()))?;
        let (start, end) = window(span);
        let request = self.reading.get_resource_metrics().service_type(ServiceType::Rds).identifier(resource);
        let request = request.metric_queries(query).start_time(start).end_time(end);
        let mut pages = request.period_in_seconds(period.seconds()).into_paginator().send();
        let mut series: Vec<LoadSeries> = Vec::new();
        while let Some(page) = pages.next().await {
            for metric in page.map_err(|error| trouble(METRICS, error))?.metric_list.unwrap_or_default() {
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

    /// The statements that made the most load over the last `span`, the heaviest first.
    pub async fn top_statements(&self, resource: &str, span: Duration, most: u8) -> Result<Vec<TopStatement>, Trouble> {
        let limit = i32::from(most).min(MOST_GROUPS);
        let (start, end) = window(span);
        let request = self.reading.describe_dimension_keys().service_type(ServiceType::Rds).identifier(resource);
        let request =
            request.metric(LOAD).start_time(start).end_time(end).set_group_by(group("db.sql_tokenized", limit));
        let keys = request.max_results(limit).send().await.map_err(|error| trouble(KEYS, error))?.keys;
        let statements = keys.unwrap_or_default().into_iter().filter_map(|key| {
            let mut names = key.dimensions?;
            Some(TopStatement {
                id: names.remove("db.sql_tokenized.id").unwrap_or_default(),
                text: clean_line(&names.remove("db.sql_tokenized.statement")?),
                load: key.total?,
            })
        });
        Ok(statements.collect())
    }
}

fn group(name: &str, limit: i32) -> Option<DimensionGroup> {
    DimensionGroup::builder().group(name).limit(limit).build().ok()
}

/// The last `span` until now, as PI wants it.
fn window(span: Duration) -> (aws_smithy_types::DateTime, aws_smithy_types::DateTime) {
    let end = std::time::SystemTime::now();
    (aws_smithy_types::DateTime::from(end - span), aws_smithy_types::DateTime::from(end))
}

/// Adds points to the series of that name; a later page goes on with the series of an earlier one.
fn extend(series: &mut Vec<LoadSeries>, wait_event: Option<String>, points: Vec<(Timestamp, f64)>) {
    match series.iter_mut().find(|one| one.wait_event == wait_event) {
        Some(one) => one.points.extend(points),
        None => series.push(LoadSeries { wait_event, points }),
    }
}
