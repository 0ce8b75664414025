//! A small plan for the site's own tests: the execution log's four partitions, with the steps that shape the site.

use std::sync::Arc;
use std::time::Duration;

use crate::runbook::plan::{
    ApplicationTarget, AwsTarget, ClusterTarget, CommandSpec, ConfirmRule, Expectation, KubernetesTarget, Partition,
    Plan, SecretShape, SecretSource, SettingCheck, SqlTarget, Step, StepKind, TlsMode, ValueShape, VerifySql,
};
use crate::sim::world::Site;

/// A site made from [`plan`], `speed` times as fast as the log.
pub fn site(speed: f64) -> Arc<Site> {
    Arc::new(Site::new(plan(), speed, 7))
}

/// The log's four partitions.
pub fn plan() -> Plan {
    let partitions = [("Alpha002", "dev"), ("Alpha002", "stage"), ("Alpha001", "demo"), ("Alpha001", "prod")];
    Plan {
        id: "pdev-479".into(),
        title: "Aurora parameter group".into(),
        reference: None,
        time_zone: "America/Los_Angeles".into(),
        changes: Vec::new(),
        partitions: partitions.map(|(infrastructure, name)| partition(infrastructure, name)).into(),
    }
}

/// A site of so many partitions, all of one account.
pub fn fleet(partitions: usize) -> Arc<Site> {
    let names = (1..=partitions).map(|number| format!("tenant{number}"));
    let plan = Plan { partitions: names.map(|name| partition("Alpha002", &name)).collect(), ..plan() };
    Arc::new(Site::new(plan, 1.0, 7))
}

fn partition(infrastructure: &str, name: &str) -> Partition {
    let production = name == "prod";
    let cluster = format!("{infrastructure}-{name}-AuroraCluster");
    Partition {
        name: name.into(),
        infrastructure: infrastructure.into(),
        production,
        aws: AwsTarget {
            profile: Some(if infrastructure == "Alpha002" { "Alpha002-Admin" } else { "Admin-Alpha1" }.into()),
            region: "us-east-1".into(),
            account: None,
        },
        cluster: ClusterTarget {
            expected_members: vec![
                format!("{cluster}Writer").as_str().into(),
                format!("{cluster}Reader1").as_str().into(),
            ],
            id: cluster,
            apply_immediately: !production,
            class_before: Some("db.t3.medium".into()),
            class_after: Some(if production { "db.r7g.large" } else { "db.t3.medium" }.into()),
            group_before: Some("default.aurora-postgresql16".into()),
            insights_retention_days: Some(7),
            insights_mode: Some("standard".into()),
        },
        sql: Some(SqlTarget {
            database: format!("{name}-operations.item_db"),
            user: format!("{name}-operations.ItemDb"),
            password: SecretSource::SecretsManager {
                id: format!("{infrastructure}-{name}-ItemDb"),
                key: Some("password".into()),
            },
            endpoint: None,
            tls: TlsMode::Disable,
            ca_file: None,
            bastion: None,
        }),
        kubernetes: Some(KubernetesTarget { context: infrastructure.into(), namespace: format!("{name}-operations") }),
        application: Some(ApplicationTarget {
            url: format!("https://{name}.{}.app.arda.cards", infrastructure.to_lowercase()),
            health_path: "/health".into(),
            credentials: None,
        }),
        window: None,
        steps: steps(infrastructure, production),
        levers: Vec::new(),
    }
}

fn steps(infrastructure: &str, production: bool) -> Vec<Step> {
    let command = CommandSpec {
        program: "./amm.sh".into(),
        arguments: Vec::new(),
        directory: ".".into(),
        silence: Duration::from_secs(90),
        stacks: vec![format!("{infrastructure}-Secrets")],
        secret: Some(SecretShape { id: format!("{infrastructure}-SentryDsn"), shape: ValueShape::SentryDsn }),
        group_attached: true,
    };
    let dynamic = [
        ("log_min_duration_statement", "500ms"),
        ("log_statement", "ddl"),
        ("log_lock_waits", "on"),
        ("log_temp_files", "0"),
    ];
    let mut settings: Vec<_> = dynamic.map(|(name, value)| setting(name, Expectation::Is(value.into()))).into();
    settings.push(setting("max_connections", Expectation::Recorded));
    let connections = if production {
        Expectation::Is("500".into())
    } else {
        Expectation::Formula("LEAST({DBInstanceClassMemory/9531392},5000)".into())
    };
    let fixed = vec![
        setting("shared_preload_libraries", Expectation::Contains("pg_stat_statements".into())),
        setting("max_connections", connections),
    ];
    vec![
        step("command", StepKind::Command(command)),
        step("dynamic", StepKind::VerifySql(VerifySql { settings, statements: false })),
        step("static", StepKind::VerifySql(VerifySql { settings: fixed, statements: true })),
    ]
}

fn setting(name: &str, expect: Expectation) -> SettingCheck {
    SettingCheck { name: name.into(), expect }
}

fn step(id: &str, kind: StepKind) -> Step {
    Step {
        id: id.into(),
        label: String::new(),
        title: id.into(),
        kind,
        needs: Vec::new(),
        confirm: ConfirmRule::Plain,
        second_person: false,
        expected: None,
        limit: Duration::from_secs(600),
        impact: None,
        stuck_after: Duration::from_secs(300),
        retry_after: Duration::from_secs(60),
        way_back: None,
        guide: None,
    }
}
