//! CloudWatch: what RDS publishes of its instances, once a minute.

use std::time::Duration;

use aws_sdk_cloudwatch::types::StatusCode;
use aws_sdk_cloudwatch::types::{Dimension, Metric as Named, MetricDataQuery, MetricDataResult, MetricStat, ScanBy};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::aws::{Configs, moment, trouble};
use super::{Trouble, TroubleKind};
use crate::runbook::names::InstanceId;
use crate::runbook::text::clean_line;

const CALL: &str = "cloudwatch:GetMetricData";
/// Queries that one call takes.
const MOST_QUERIES: usize = 500;
/// How far back is asked for: RDS publishes a minute's figure one to three minutes later.
const SPAN: Duration = Duration::from_secs(300);
/// Seconds that a figure stands for.
const PERIOD: i32 = 60;

/// CloudWatch in one account and region.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    reading: aws_sdk_cloudwatch::Client,
}

/// A metric of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Client connections.
    Connections,
    /// How far a reader is behind its writer, in milliseconds. A writer has none.
    ReplicaLag,
    /// Percent.
    Cpu,
    /// Average active sessions. Published only while there is load.
    Load,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connections, Self::ReplicaLag, Self::Cpu, Self::Load];

    fn name(self) -> &'static str {
        match self {
            Self::Connections => "DatabaseConnections",
            Self::ReplicaLag => "AuroraReplicaLag",
            Self::Cpu => "CPUUtilization",
            Self::Load => "DBLoad",
        }
    }
}

/// The newest figure of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Whose it is.
    pub instance: InstanceId,
    /// Of what.
    pub metric: Metric,
    /// The minute's mean.
    pub value: f64,
    /// When the minute began.
    pub at: Timestamp,
}

impl CloudWatch {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: aws_sdk_cloudwatch::Client::new(&configs.reading) }
    }

    /// The newest figure of every metric of these instances, in one call. A metric that nothing was published of lately has
    /// none, which is no error.
    ///
    /// # Errors
    /// CloudWatch refuses, does not answer, or withholds a metric.
    pub async fn newest(&self, instances: &[InstanceId]) -> Result<Vec<Figure>, Trouble> {
        let wanted: Vec<(&InstanceId, Metric)> =
            instances.iter().flat_map(|instance| Metric::ALL.map(|metric| (instance, metric))).collect();
        let mut figures = Vec::new();
        for wanted in wanted.chunks(MOST_QUERIES) {
            figures.extend(self.ask(wanted).await?);
        }
        Ok(figures)
    }

    async fn ask(&self, wanted: &[(&InstanceId, Metric)]) -> Result<Vec<Figure>, Trouble> {
        let queries = wanted.iter().enumerate().map(|(number, (instance, metric))| query(number, instance, *metric));
        let end = std::time::SystemTime::now();
        let request = self.reading.get_metric_data().set_metric_data_queries(Some(queries.collect()));
        let request = request.start_time(DateTime::from(end - SPAN)).end_time(DateTime::from(end));
        // The newest first, so that the first value is the one that is wanted.
        let mut pages = request.scan_by(ScanBy::TimestampDescending).into_paginator().send();
        let mut figures = Vec::new();
        while let Some(page) = pages.next().await {
            for result in page.map_err(|error| trouble(CALL, error))?.metric_data_results.unwrap_or_default() {
                withheld(&result)?;
                let number = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                let Some((instance, metric)) = number.and_then(|number| wanted.get(number)) else { continue };
                let (Some(at), Some(value)) = (moment(result.timestamps().first()), result.values().first()) else {
                    continue;
                };
                figures.push(Figure { instance: (*instance).clone(), metric: *metric, value: *value, at });
            }
        }
        Ok(figures)
    }
}

fn query(number: usize, instance: &InstanceId, metric: Metric) -> MetricDataQuery {
    let dimension = Dimension::builder().name("DBInstanceIdentifier").value(instance.as_str()).build();
    let named = Named::builder().namespace("AWS/RDS").metric_name(metric.name()).dimensions(dimension).build();
    let stat = MetricStat::builder().metric(named).period(PERIOD).stat("Average").build();
    MetricDataQuery::builder().id(format!("m{number}")).metric_stat(stat).build()
}

/// An answer of 200 may still withhold single metrics.
fn withheld(result: &MetricDataResult) -> Result<(), Trouble> {
    let kind = match result.status_code() {
        Some(StatusCode::Forbidden) => TroubleKind::Denied,
        Some(StatusCode::InternalError) => TroubleKind::NoAnswer,
        _ => return Ok(()),
    };
    let words = result.messages().iter().filter_map(|message| message.value()).collect::<Vec<_>>().join("; ");
    let label = result.label().unwrap_or("a metric");
    Err(Trouble::new(CALL, kind, clean_line(&format!("{label} is withheld. {words}"))))
}
