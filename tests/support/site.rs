//! What a believable site says: samples of every source, for a quiet partition and for one whose writer moves.

use std::time::Duration;

use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::runbook::names::{InstanceId, PartitionName};
use aurora_cockpit::runbook::plan::Plan;
use aurora_cockpit::watch::sample::{
    ClusterView, CounterReset, DnsView, HttpView, Line, LoadPoint, LoadView, MemberView, PodView, PodsView, Reading,
    Role, Sample, Source, SqlView, StatementCost, StatementKey, StatementsView, WriteProbe,
};
use jiff::{SignedDuration, Timestamp};

/// A cluster by its names.
pub struct Cluster {
    /// The partition.
    pub partition: PartitionName,
    /// As the plan writes it.
    pub id: String,
    /// Whether its class changes in this rollout.
    grows: bool,
}

impl Cluster {
    /// The cluster of a partition.
    pub fn of(plan: &Plan, partition: &str) -> Self {
        let name = PartitionName::new(partition);
        let planned = plan.partition(&name).expect("a partition of the plan");
        Self { id: planned.cluster.id.clone(), grows: planned.production, partition: name }
    }

    /// The instance that is the writer before a failover.
    pub fn writer(&self) -> InstanceId {
        InstanceId::new(format!("{}writer", self.id.to_lowercase()))
    }

    /// The instance that is the reader before a failover.
    pub fn reader(&self) -> InstanceId {
        InstanceId::new(format!("{}reader1", self.id.to_lowercase()))
    }

    /// What a source said of it.
    pub fn sample(&self, source: Source, at: Timestamp, said: Result<Reading, Trouble>) -> Sample {
        Sample::new(self.partition.clone(), source, at, Duration::from_millis(12), said)
    }

    fn member(&self, id: InstanceId, writer: &InstanceId, class: &str, status: &str) -> MemberView {
        MemberView {
            role: if id == *writer { Role::Writer } else { Role::Reader },
            class: class.to_owned(),
            pending_class: None,
            status: status.to_owned(),
            group_status: "in-sync".to_owned(),
            resource_id: format!("db-{id}"),
            zone: Some("us-east-1a".to_owned()),
            insights: Some(true),
            endpoint: Some(format!("{id}.c1.us-east-1.rds.amazonaws.com")),
            id,
        }
    }

    fn view(&self, writer: &InstanceId, status: &str, members: Vec<MemberView>) -> Reading {
        let mut members = members;
        members.sort_by_key(|member| member.id != *writer);
        Reading::Cluster(ClusterView {
            id: self.id.to_lowercase(),
            status: status.to_owned(),
            parameter_group: "default.aurora-postgresql16".to_owned(),
            insights_mode: Some("standard".to_owned()),
            writer: Some(writer.clone()),
            endpoint: format!("{}.cluster-c1.us-east-1.rds.amazonaws.com", self.id.to_lowercase()),
            port: 5432,
            members,
        })
    }
}

fn sql(instance: &InstanceId, writer: &InstanceId, write: Option<WriteProbe>) -> Reading {
    Reading::Sql(SqlView {
        instance: Some(instance.clone()),
        role: if instance == writer { Role::Writer } else { Role::Reader },
        writer: Some(writer.clone()),
        started: None,
        lag_ms: None,
        reconnected: false,
        write,
    })
}

fn dns(leads_to: &InstanceId) -> Reading {
    Reading::Dns(DnsView {
        chain: vec![format!("{leads_to}.c1.us-east-1.rds.amazonaws.com")],
        addresses: vec!["10.31.4.18".parse().expect("an address")],
        ttl: Duration::from_secs(5),
        leads_to: Some(leads_to.clone()),
    })
}

fn http(status: u16) -> Reading {
    Reading::Http(HttpView { status, ms: 41 })
}

fn pods(ready: u32) -> Reading {
    let pod = |name: &str| PodView {
        name: name.to_owned(),
        status: "Running".to_owned(),
        ready: true,
        restarts: 0,
        ..PodView::default()
    };
    Reading::Pods(PodsView {
        wanted: 2,
        ready,
        pods: vec![pod("operations-f5956475d-x2m4k"), pod("operations-f5956475d-7qk2d")],
        ..PodsView::default()
    })
}

fn trouble(kind: TroubleKind, message: &str) -> Trouble {
    Trouble::new("connect", kind, message)
}

/// A quiet partition, seen a moment ago; `moved` says whether its writer has moved to the former reader.
pub fn quiet(cluster: &Cluster, now: Timestamp, moved: bool) -> Vec<Sample> {
    let (writer, reader) =
        if moved { (cluster.reader(), cluster.writer()) } else { (cluster.writer(), cluster.reader()) };
    let ago = |millis| now - SignedDuration::from_millis(millis);
    let mut samples = Vec::new();
    for before in [250_000, 4_000] {
        let members = vec![
            cluster.member(writer.clone(), &writer, "db.t3.medium", "available"),
            cluster.member(reader.clone(), &writer, "db.t3.medium", "available"),
        ];
        let view = cluster.view(&writer, "available", members);
        samples.push(cluster.sample(Source::Api, ago(before - 2_000), Ok(view)));
        samples.push(cluster.sample(Source::Dns, ago(before - 1_000), Ok(dns(&writer))));
        samples.push(cluster.sample(Source::SqlEndpoint, ago(before), Ok(sql(&writer, &writer, None))));
        for instance in [&writer, &reader] {
            let source = Source::SqlInstance(instance.clone());
            samples.push(cluster.sample(source, ago(before), Ok(sql(instance, &writer, None))));
        }
        samples.push(cluster.sample(Source::App, ago(before), Ok(http(200))));
        samples.push(cluster.sample(Source::Pods, ago(before), Ok(pods(2))));
    }
    let points = load_points(ago(240_000), ago(3_000), |_| 0.35);
    samples.push(load(cluster, &writer, ago(2_000), points));
    samples.push(cluster.sample(
        Source::Statements,
        ago(3_000),
        Ok(Reading::Statements(statements(&writer, 1.0, None))),
    ));
    samples
}

/// The writer of a cluster moves to its reader, told by everybody who was asked from five minutes before the accepted
/// call until `now`.
pub fn failover(cluster: &Cluster, zero: Timestamp, now: Timestamp) -> Vec<Sample> {
    let (old, new) = (cluster.writer(), cluster.reader());
    let t = |seconds: f64| zero + SignedDuration::from_millis((seconds * 1_000.0) as i64);
    let mut samples = Vec::new();
    let mut clock = -280.0;
    while t(clock) <= now {
        let at = t(clock);
        let step = if clock < -5.0 { 10.0 } else { 0.25 };
        let whole = (clock.fract()).abs() < 0.01;
        if whole {
            let status = if clock >= 13.2 { "failing-over" } else { "available" };
            let swapped = if cluster.grows { "db.r7g.large" } else { "db.t3.medium" };
            let mut demoted =
                cluster.member(old.clone(), &old, "db.t3.medium", if clock > 14.0 { "rebooting" } else { "available" });
            demoted.pending_class = cluster.grows.then(|| "db.r7g.large".to_owned());
            let members = vec![demoted, cluster.member(new.clone(), &old, swapped, "available")];
            samples.push(cluster.sample(
                Source::Api,
                at - SignedDuration::from_millis(400),
                Ok(cluster.view(&old, status, members)),
            ));
            samples.push(cluster.sample(Source::Pods, at, Ok(pods(if (5.0..23.0).contains(&clock) { 0 } else { 2 }))));
        }
        let leads_to = if clock < 19.8 { &old } else { &new };
        samples.push(cluster.sample(Source::Dns, at, Ok(dns(leads_to))));
        let endpoint = match clock {
            c if c < 4.1 => Ok(sql(&old, &old, Some(WriteProbe::Accepted))),
            c if c < 15.9 => Err(trouble(TroubleKind::Unreachable, "connection reset")),
            _ => Ok(sql(&new, &new, Some(WriteProbe::Accepted))),
        };
        samples.push(cluster.sample(Source::SqlEndpoint, at, endpoint));
        let on_new = match clock {
            c if c < 9.6 => Ok(sql(&new, &old, None)),
            c if c < 11.9 => Err(trouble(TroubleKind::NoAnswer, "cut")),
            _ => Ok(sql(&new, &new, None)),
        };
        samples.push(cluster.sample(Source::SqlInstance(new.clone()), at, on_new));
        let on_old = match clock {
            c if c < 4.1 => Ok(sql(&old, &old, None)),
            _ => Err(Trouble::new("connect", TroubleKind::Unreachable, "the database system is starting up")
                .with_code("57P03")),
        };
        samples.push(cluster.sample(Source::SqlInstance(old.clone()), at, on_old));
        let health = if (4.6..22.3).contains(&clock) { http(503) } else { http(200) };
        samples.push(cluster.sample(Source::App, at, Ok(health)));
        clock = ((clock + step) * 100.0).round() / 100.0;
    }
    let event = Line {
        at: t(13.2),
        subject: cluster.id.to_lowercase(),
        code: Some("RDS-EVENT-0073".to_owned()),
        text: "Started cross AZ failover".to_owned(),
    };
    samples.push(cluster.sample(Source::Events, t(13.2), Ok(Reading::Lines(vec![event]))));
    samples.sort_by_key(|sample| sample.at);

    let before = load_points(t(-280.0), t(3.0), |at| 1.6 + 0.7 * (at / 37.0).sin());
    samples.push(load(cluster, &old, t(4.0), before));
    let after = load_points(t(16.0), now - SignedDuration::from_secs(2), |at| if at < 6.0 { 7.2 - at } else { 2.2 });
    // Before it was the writer, nobody used it.
    samples.push(load(cluster, &new, t(11.0), load_points(t(-280.0), t(10.0), |_| 0.0)));
    samples.push(load(cluster, &new, now - SignedDuration::from_millis(1_500), after));
    samples.push(cluster.sample(Source::Statements, t(2.0), Ok(Reading::Statements(statements(&old, 1.0, None)))));
    let moved = statements(&new, 1.0, Some(CounterReset::OtherInstance));
    samples.push(cluster.sample(
        Source::Statements,
        t(17.0),
        Ok(Reading::Statements(StatementsView { interval: None, rows: Vec::new(), ..moved })),
    ));
    samples.push(cluster.sample(
        Source::Statements,
        now - SignedDuration::from_secs(1),
        Ok(Reading::Statements(statements(&new, 1.35, None))),
    ));
    samples
}

/// Performance Insights and pg_stat_statements do not answer as they should.
pub fn in_trouble(cluster: &Cluster, at: Timestamp) -> Vec<Sample> {
    let denied = Trouble::new("pi:GetResourceMetrics", TroubleKind::Denied, "no identity-based policy allows it")
        .with_code("NotAuthorizedException");
    let missing = Trouble::new("SELECT … FROM pg_stat_statements", TroubleKind::Refused, "relation does not exist")
        .with_code("42P01");
    let load = |instance| cluster.sample(Source::Load(instance), at, Err(denied.clone()));
    vec![load(cluster.writer()), load(cluster.reader()), cluster.sample(Source::Statements, at, Err(missing))]
}

/// Performance Insights' word on an instance.
pub fn load(cluster: &Cluster, instance: &InstanceId, at: Timestamp, points: Vec<LoadPoint>) -> Sample {
    let view = LoadView { instance: instance.clone(), vcpus: Some(2), points, top: None };
    cluster.sample(Source::Load(instance.clone()), at, Ok(Reading::Load(view)))
}

/// Load in seconds, of an amount that changes over time, shared among wait events as a busy writer does.
pub fn load_points(from: Timestamp, to: Timestamp, amount: impl Fn(f64) -> f64) -> Vec<LoadPoint> {
    let first = from.as_second();
    (first..to.as_second())
        .map(|second| {
            let since = (second - first) as f64;
            // A noise that is the same at every run.
            let noise = f64::from(((second as u32).wrapping_mul(2_654_435_761) >> 16) % 100) / 100.0;
            let total = amount(since) * (0.8 + 0.4 * noise);
            let cold = if amount(since) > 3.0 { 0.5 } else { 0.05 };
            let shares = [
                ("CPU", 0.45 - cold * 0.5),
                ("Client:ClientRead", cold),
                ("IO:DataFileRead", 0.3 - cold * 0.2),
                ("Lock:transactionid", 0.08 * noise),
                ("Lock:tuple", 0.12),
            ];
            LoadPoint {
                at: Timestamp::from_second(second + 1).expect("a second of that night"),
                period: Duration::from_secs(1),
                by_wait: shares.iter().map(|(name, share)| ((*name).to_owned(), total * share)).collect(),
            }
        })
        .collect()
}

fn statements(instance: &InstanceId, cold: f64, reset: Option<CounterReset>) -> StatementsView {
    let interval = Duration::from_secs(5);
    let row = |id, query: &str, calls_per_s: f64, ms_per_call: f64| StatementCost {
        key: StatementKey { id, nested: false },
        query: Some(query.to_owned()),
        left_out: 0,
        own: false,
        calls: (calls_per_s * 5.0).round() as i64,
        ms: (calls_per_s * 5.0).round() * ms_per_call,
        rows: (calls_per_s * 5.0).round() as i64 * 3,
        hit: 980,
        read: 20,
    };
    let mut rows = vec![
        row(
            11,
            "SELECT kc.eid, kc.title, i.name\n  FROM kanban_card kc JOIN item i ON i.eid = kc.item_eid\n WHERE kc.tenant_eid = $1 AND kc.status = ANY($2)\n ORDER BY kc.due",
            12.4,
            23.7 * cold.powi(4),
        ),
        row(
            12,
            "SELECT eid, name, classification FROM item WHERE tenant_eid = $1 AND retired = $2 LIMIT $3",
            88.0,
            4.5 * (1.0 + (cold - 1.0) / 3.0),
        ),
        row(13, "SELECT count(*) FROM kanban_card WHERE tenant_eid = $1", 3.1, 71.0 / (1.0 + (cold - 1.0) * 0.3)),
        row(15, "UPDATE order_line SET state = $2, updated_at = now() WHERE eid = $1", 9.9, 5.1),
        row(16, "SELECT eid, name FROM business_affiliate WHERE tenant_eid = $1", 1.0, 20.0),
    ];
    if cold > 1.0 {
        rows.insert(3, row(14, "INSERT INTO audit_event (eid, at, who, what) VALUES ($1, $2, $3, $4)", 40.2, 2.0));
        rows.push(StatementCost {
            own: true,
            ..row(17, "SELECT /* aurora-cockpit */ pg_is_in_recovery(), now()", 4.0, 0.1)
        });
    } else {
        rows.push(row(18, "SELECT s.eid FROM station s WHERE s.tenant_id = $1", 0.4, 1.4));
    }
    let busy_ms = rows.iter().filter(|row| !row.own).map(|row| row.ms).sum::<f64>() + 30.0;
    StatementsView {
        instance: Some(instance.clone()),
        role: "operations".to_owned(),
        interval: Some(interval),
        reset,
        since: Timestamp::UNIX_EPOCH,
        total: 769,
        evictions: Some(0),
        hidden: 2,
        hidden_ms: 4.0,
        busy_ms,
        own_ms: rows.iter().filter(|row| row.own).map(|row| row.ms).sum(),
        rows,
    }
}
