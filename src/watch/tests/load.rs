//! Performance Insights as its watchers hear it from the simulated site.

use super::*;
use crate::clients::TroubleKind;
use crate::sim::world::faults::Fault;
use crate::watch::sample::LoadView;

/// A refusal or a failure before every call of Performance Insights.
fn invent(stage: &Stage, code: &str, message: &str, status: u16) {
    let fault = Fault {
        service: "pi".to_owned(),
        operation: None,
        code: code.to_owned(),
        message: message.to_owned(),
        status: Some(status),
        times: 10_000,
        lost: None,
    };
    stage.site.change(|world| world.invent(fault));
}

/// The instances of dev, its writer first.
fn instances(stage: &Stage) -> Vec<InstanceId> {
    stage.site.read(|world| world.partitions[0].cluster.instances.iter().map(|one| one.id.as_str().into()).collect())
}

fn load(sample: &Sample) -> Option<&LoadView> {
    match &sample.said {
        Ok(Reading::Load(view)) => Some(view),
        _ => None,
    }
}

/// The trouble that the writer's load is in.
async fn trouble(stage: &mut Stage) -> Trouble {
    let writer = Source::Load(instances(stage)[0].clone());
    let sample = stage.until("a trouble with the load", |sample| sample.source == writer && sample.said.is_err()).await;
    sample.said.expect_err("trouble")
}

#[tokio::test]
async fn every_instance_tells_its_seconds_its_minutes_and_the_writer_its_statements() {
    let mut stage = Stage::open(1.0, Cadence::only("dev".into(), Pace::Busy)).await;
    let writer = instances(&stage)[0].clone();
    let mut seen = std::collections::BTreeSet::new();
    stage
        .until("all of it", |sample| {
            let (Source::Load(id), Some(view)) = (&sample.source, load(sample)) else { return false };
            let whose = if *id == writer { "writer" } else { "reader" };
            if !of(sample, "dev") {
                return false;
            }
            match (&view.top, view.points.last()) {
                (Some(top), _) => {
                    seen.insert((whose, if top.statements.is_empty() { "no statements" } else { "statements" }));
                }
                (None, Some(point)) => {
                    let busy = view.points.iter().any(|point| point.total() > 0.0);
                    // Measured, and nothing: points without a session.
                    assert_eq!(busy, *id == writer, "{id}");
                    seen.insert((whose, if point.period.as_secs() == 60 { "minutes" } else { "seconds" }));
                }
                (None, None) => {}
            }
            seen.len() == 6
        })
        .await;
    let expected = [
        ("reader", "minutes"),
        ("reader", "no statements"),
        ("reader", "seconds"),
        ("writer", "minutes"),
        ("writer", "seconds"),
        ("writer", "statements"),
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn where_it_is_off_rds_says_so_and_nobody_asks_in_vain() {
    let site = testing::site(1.0);
    site.change(|world| {
        let clusters = world.partitions.iter_mut().map(|partition| &mut partition.cluster);
        clusters.flat_map(|cluster| &mut cluster.instances).for_each(|instance| instance.insights = false);
    });
    let mut stage = Stage::at(site, Cadence::only("dev".into(), Pace::Busy)).await;
    let trouble = trouble(&mut stage).await;
    assert_eq!(trouble.kind, TroubleKind::NotFound);
    assert!(trouble.message.contains("is off on") && trouble.message.contains("--enable-performance-insights"));
    assert_eq!(stage.site.ledger.calls("pi", "GetResourceMetrics"), 0);
    // What is not measured is not published either: no load is not a load of none.
    let metrics = stage.until("metrics", |sample| of(sample, "dev") && sample.source == Source::Metrics).await;
    let Ok(Reading::Metrics(view)) = metrics.said else { panic!("{metrics:?}") };
    assert!(view.instances.iter().all(|one| one.load.is_none() && one.cpu_percent.is_some()), "{view:?}");
}

#[tokio::test]
async fn a_missing_permission_is_told_apart_from_it_and_cloudwatch_knows_the_hour() {
    let site = testing::site(1.0);
    let mut stage = Stage::at(site, Cadence::only("dev".into(), Pace::Busy)).await;
    let message = "User: arn:aws:sts::1:assumed-role/Admin/me is not authorized to perform: pi:GetResourceMetrics on \
                   resource: arn:aws:pi:us-east-1:1:metrics/rds/db-X because no identity-based policy allows it";
    invent(&stage, "AccessDeniedException", message, 400);
    let denied = trouble(&mut stage).await;
    assert_eq!(denied.kind, TroubleKind::Denied, "{denied}");
    assert!(denied.message.contains("pi:GetResourceMetrics"), "{denied}");
    // CloudWatch knows the hour all the same, minute by minute.
    let metrics = stage.until("metrics", |sample| of(sample, "dev") && sample.source == Source::Metrics).await;
    let Ok(Reading::Metrics(view)) = metrics.said else { panic!("{metrics:?}") };
    let writer = instances(&stage)[0].clone();
    let loads = &view.instances.iter().find(|one| one.instance == writer).expect("the writer").loads;
    assert!(loads.len() >= 60 && loads.iter().any(|(_, load)| *load > 0.0), "{} minutes", loads.len());
}
