//! CloudWatch: what RDS publishes of its instances, once a minute.

use std::time::Duration;

use aws_sdk_cloudwatch::types::StatusCode;
use aws_sdk_cloudwatch::types::{Dimension, Metric as Named, MetricDataQuery, MetricDataResult, MetricStat, ScanBy};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::aws::{Configs, client, moment, trouble};
use super::{Trouble, TroubleKind};
use crate::clock;
use crate::runbook::names::InstanceId;
use crate::runbook::text::clean_line;

const CALL: &str = "cloudwatch:GetMetricData";
/// Queries that one call takes.
const MOST_QUERIES: usize = 500;
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

/// A metric's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Whose they are.
    pub instance: InstanceId,
    /// Of what.
    pub metric: Metric,
    /// When each minute began, and its mean, oldest first. A minute that nothing was published of is left out.
    pub minutes: Vec<(Timestamp, f64)>,
}

impl CloudWatch {
    pub(crate) fn new(configs: &Configs) -> Self {
        Self { reading: client!(aws_sdk_cloudwatch, &configs.reading) }
    }

    /// The figures of every metric of these instances in the last `span`, in one call: what is paid for are metrics, not
    /// minutes. A metric that nothing was published of is left out, which is no error.
    ///
    /// # Errors
    /// CloudWatch refuses, does not answer, or withholds a metric.
    pub async fn figures(&self, instances: &[InstanceId], span: Duration) -> Result<Vec<Figures>, Trouble> {
        let wanted: Vec<(&InstanceId, Metric)> =
            instances.iter().flat_map(|instance| Metric::ALL.map(|metric| (instance, metric))).collect();
        let mut figures = Vec::new();
        for wanted in wanted.chunks(MOST_QUERIES) {
            figures.extend(self.ask(wanted, span).await?);
        }
        Ok(figures)
    }

    async fn ask(&self, wanted: &[(&InstanceId, Metric)], span: Duration) -> Result<Vec<Figures>, Trouble> {
        let queries = wanted.iter().enumerate().map(|(number, (instance, metric))| query(number, instance, *metric));
        let end = std::time::SystemTime::from(clock::now());
        let request = self.reading.get_metric_data().set_metric_data_queries(Some(queries.collect()));
        let request = request.start_time(DateTime::from(end - span)).end_time(DateTime::from(end));
        let mut pages = request.scan_by(ScanBy::TimestampAscending).into_paginator().send();
        let mut minutes: Vec<Vec<(Timestamp, f64)>> = vec![Vec::new(); wanted.len()];
        while let Some(page) = pages.next().await {
            for result in page.map_err(|error| trouble(CALL, error))?.metric_data_results.unwrap_or_default() {
                withheld(&result)?;
                let number = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                let Some(minutes) = number.and_then(|number| minutes.get_mut(number)) else { continue };
                let figures = result.timestamps().iter().zip(result.values());
                minutes.extend(figures.filter_map(|(at, value)| Some((moment(Some(at))?, *value))));
            }
        }
        let named = wanted.iter().zip(minutes).filter(|(_, minutes)| !minutes.is_empty());
        let figures = named.map(|((instance, metric), minutes)| Figures {
            instance: (*instance).clone(),
            metric: *metric,
            minutes,
        });
        Ok(figures.collect())
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
