//! CloudWatch as the real SDK client sees it, and what makes events late.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, Statistic};
use jiff::SignedDuration;

use super::log_lines::lines;
use super::tests::{drain, endpoint};
use crate::sim::world::aurora::EventFate;
use crate::sim::world::now;

const WRITER: &str = "alpha001-prod-auroraclusterwriter";
const READER: &str = "alpha001-prod-auroraclusterreader1";

fn query(id: &str, metric: &str, instance: &str) -> MetricDataQuery {
    let dimension = Dimension::builder().name("DBInstanceIdentifier").value(instance).build();
    let metric = Metric::builder().namespace("AWS/RDS").metric_name(metric).dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat("Average").build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

#[tokio::test]
async fn connections_lag_cpu_and_load_are_published_every_minute_where_there_are_any() {
    let (_, config) = endpoint(1.0).await;
    let watch = aws_sdk_cloudwatch::Client::new(&config);
    let now = SystemTime::now();
    let answer = watch
        .get_metric_data()
        .start_time((now - Duration::from_secs(600)).into())
        .end_time(now.into())
        .scan_by(ScanBy::TimestampAscending)
        .metric_data_queries(query("connections", "DatabaseConnections", WRITER))
        .metric_data_queries(query("writer_lag", "AuroraReplicaLag", WRITER))
        .metric_data_queries(query("reader_lag", "AuroraReplicaLag", READER))
        .metric_data_queries(query("cpu", "CPUUtilization", WRITER))
        .metric_data_queries(query("load", "DBLoad", WRITER))
        .metric_data_queries(query("idle", "DBLoad", READER))
        .metric_data_queries(query("nobody", "DBLoad", "alpha002-dev-auroraclusterwriter"))
        .send()
        .await
        .unwrap();
    let values = |id: &str| {
        let found = answer.metric_data_results().iter().find(|result| result.id() == Some(id)).unwrap();
        assert_eq!(found.values().len(), found.timestamps().len());
        assert!(found.timestamps().is_sorted_by_key(|at| at.secs()));
        assert!(found.timestamps().iter().all(|at| at.secs() % 60 == 0));
        found.values().to_vec()
    };
    let between = |id: &str, low: f64, high: f64| {
        let values = values(id);
        assert!(values.len() >= 9, "{id}: {} minutes of ten", values.len());
        assert!(values.iter().all(|value| (low..=high).contains(value)), "{id}: {values:?}");
    };
    between("connections", 20.0, 90.0);
    between("reader_lag", 5.0, 40.0);
    between("cpu", 3.0, 100.0);
    between("load", 0.1, 10.0);
    for without in ["writer_lag", "idle", "nobody"] {
        assert!(values(without).is_empty(), "{without}: missing is not broken");
    }
}

#[tokio::test]
async fn statistics_are_made_of_the_minutes_of_a_period_and_errors_keep_their_old_codes() {
    let (_, config) = endpoint(1.0).await;
    let watch = aws_sdk_cloudwatch::Client::new(&config);
    let now = SystemTime::now();
    let ask = |period: i32| {
        watch
            .get_metric_statistics()
            .namespace("AWS/RDS")
            .metric_name("DatabaseConnections")
            .dimensions(Dimension::builder().name("DBInstanceIdentifier").value(WRITER).build())
            .start_time((now - Duration::from_secs(3600)).into())
            .end_time(now.into())
            .period(period)
    };
    let answer = ask(300).statistics(Statistic::Maximum).statistics(Statistic::SampleCount).send().await.unwrap();
    assert_eq!(answer.label(), Some("DatabaseConnections"));
    let whole = answer.datapoints().iter().filter(|point| point.sample_count() == Some(5.0)).count();
    assert!(whole >= 11, "{whole} whole periods of an hour");
    assert!(answer.datapoints().iter().all(|point| point.maximum() >= Some(20.0) && point.average().is_none()));
    let refused = ask(90).statistics(Statistic::Maximum).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
    let missing = ask(60).send().await.unwrap_err();
    assert_eq!(missing.code(), Some("MissingParameter"));
    let listed = watch.list_metrics().namespace("AWS/RDS").metric_name("DBLoad").send().await.unwrap();
    assert_eq!(listed.metrics().len(), 4, "two clusters of two in this account");
}

#[tokio::test]
async fn slow_statements_are_logged_once_the_setting_is_live_and_read_the_same_twice() {
    let (site, _) = endpoint(1.0).await;
    let log = |instance: usize| {
        site.read(|world| lines(&world.partitions[3].cluster.instances[instance], "prod", "u@d", 50.0))
    };
    assert_eq!(log(0), [], "before the rollout nothing slow is logged");
    site.change(|world| world.start_deploy("Alpha001", "prod", None, 1.0).unwrap());
    drain(&site);
    site.change(|world| {
        // A deploy of some minutes ago.
        let ago = now() - SignedDuration::from_mins(5);
        for instance in &mut world.partitions[3].cluster.instances {
            assert_eq!(instance.slow_log.last().unwrap().least_ms, Some(500));
            instance.slow_log.iter_mut().for_each(|mark| mark.since = ago);
        }
    });
    let slow = log(0);
    assert!(slow.len() > 10, "{} lines in five minutes at fifty times the speed", slow.len());
    for line in &slow {
        let (_, rest) = line.message.split_once("u@d:[").unwrap();
        let duration = rest.split_once("LOG:  duration: ").unwrap().1.split_once(" ms  execute <unnamed>: ").unwrap().0;
        assert!(duration.parse::<f64>().unwrap() > 500.0, "{}", line.message);
    }
    assert_eq!(log(0)[..slow.len()], slow[..]);
    assert_eq!(log(1), [], "the reader serves nobody");
}

#[test]
fn an_event_comes_late_and_is_lost_only_where_that_is_asked_for() {
    let mut fate = EventFate::late(7);
    let mut again = fate.clone();
    let delays: Vec<f64> = (0..200).map(|_| fate.delay().unwrap()).collect();
    assert!(delays.iter().all(|late| (1.0..=EventFate::LATEST_S).contains(late)));
    assert!(delays.windows(2).any(|pair| pair[0] > pair[1] + 5.0), "one may overtake another");
    assert!(delays.iter().all(|late| again.delay() == Some(*late)), "the same seed, the same fate");
    fate.lost = 0.25;
    let lost = (0..400).filter(|_| fate.delay().is_none()).count();
    assert!((60..140).contains(&lost), "{lost} of 400");
}
