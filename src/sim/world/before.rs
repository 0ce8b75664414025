//! The site as the execution log found it before the rollout, made from the plan alone.

use std::collections::BTreeMap;
use std::time::Instant;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::agenda::Agenda;
use super::aurora::{Cluster, EventFate, Instance, LoadChange, LoadMark};
use super::cloud::{Account, Secret, Stack};
use super::operations::Operations;
use super::{SitePartition, World, settings};
use crate::runbook::plan::{Partition, Plan, SecretSource};
use crate::sim::faults::Cables;

/// Stacks that every infrastructure has before the rollout; the rollout adds `Secrets`.
pub const INFRASTRUCTURE_STACKS: [&str; 4] = ["Networking", "Compute", "Ingress", "CloudWatchLog"];

/// Stacks that every partition has, in the order in which they are deployed.
pub const PARTITION_STACKS: [&str; 8] = [
    "Imported",
    "Compute",
    "Authentication",
    "BulkStores",
    "ImageStorage",
    "AuroraDBCluster",
    "Ingress",
    "DnsConfiguration",
];

/// Classes and groups where the plan says nothing.
const USUAL_CLASS: &str = "db.t3.medium";
pub(super) const USUAL_GROUP: &str = "default.aurora-postgresql16";
/// Performance Insights retention of a cluster in standard mode, in days.
const USUAL_RETENTION: i32 = 7;

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8] = b"0123456789abcdef";

impl World {
    /// The world before the rollout. The same plan and seed give the same names, keys and passwords.
    pub fn before_rollout(plan: Plan, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let sentry_dsn = format!(
            "https://{}@o{}.ingest.us.sentry.io/{}",
            letters(&mut rng, HEX, 32),
            rng.u64(4_500_000_000_000_000..4_600_000_000_000_000),
            rng.u64(4_500_000_000_000_000..4_600_000_000_000_000)
        );
        let partitions: Vec<_> =
            plan.partitions.iter().map(|partition| site_partition(partition, seed, &mut rng)).collect();
        let accounts = accounts(&plan, &partitions);
        Self {
            plan,
            partitions,
            accounts,
            agenda: Agenda::default(),
            happening: None,
            op_signed_in: true,
            restored: Vec::new(),
            deploys: BTreeMap::new(),
            sentry_dsn,
            dir: None,
            rollout_file: None,
            cables: Cables::default(),
            situations: Vec::new(),
            faults: Vec::new(),
            outages: Vec::new(),
            begun: Vec::new(),
            rng,
        }
    }
}

fn site_partition(partition: &Partition, seed: u64, rng: &mut Rng) -> SitePartition {
    SitePartition {
        name: partition.name.to_string(),
        infrastructure: partition.infrastructure.clone(),
        sql_password: letters(rng, LOWER, 24),
        cluster: cluster(partition, rng),
        operations: Operations::before_rollout(partition, seed),
    }
}

fn cluster(partition: &Partition, rng: &mut Rng) -> Cluster {
    let target = &partition.cluster;
    let lower = target.id.to_lowercase();
    let host = format!("c{}.{}.rds.amazonaws.com", letters(rng, LOWER, 11), partition.aws.region);
    let class = target.class_before.clone().unwrap_or_else(|| USUAL_CLASS.to_owned());
    let mut members: Vec<_> = target.expected_members.iter().map(|id| id.as_str().to_lowercase()).collect();
    if members.is_empty() {
        members = vec![format!("{lower}writer"), format!("{lower}reader1")];
    }
    let writer = members[0].clone();
    let instances: Vec<_> = members
        .into_iter()
        .enumerate()
        .map(|(number, id)| instance(id, number, &class, &partition.aws.region, rng))
        .collect();
    Cluster {
        id: target.id.clone(),
        status: "available".to_owned(),
        parameter_group: target.group_before.clone().unwrap_or_else(|| USUAL_GROUP.to_owned()),
        rollout_group: rollout_group(partition, rng),
        insights_mode: "standard".to_owned(),
        insights_retention: USUAL_RETENTION,
        apply_immediately: target.apply_immediately,
        api_writer: writer.clone(),
        writer: Some(writer.clone()),
        dns_writer: writer,
        name_late_s: 0.0,
        promoting: None,
        endpoint: format!("{lower}.cluster-{host}"),
        reader_endpoint: format!("{lower}.cluster-ro-{host}"),
        host,
        port: 5432,
        resource_id: format!("cluster-{}", letters(rng, UPPER, 26)),
        created: ago_days(rng.i64(280..400)),
        instances,
        snapshots: Vec::new(),
        events: Vec::new(),
        event_fate: EventFate::late(fate_seed(&lower)),
        group_parameters: Vec::new(),
        snags: Default::default(),
        extension_created: false,
        behind: Default::default(),
    }
}

/// The name that CloudFormation gives to the group that the deploy makes: stack, logical name, hash, all lowercased.
fn rollout_group(partition: &Partition, rng: &mut Rng) -> String {
    let hash = letters(rng, LOWER, 12);
    format!(
        "{}-{}-auroradbcluster-aurorapostgresclusterclusterparametergrouped1eb2f9-{hash}",
        partition.infrastructure, partition.name
    )
    .to_lowercase()
}

fn instance(id: String, number: usize, class: &str, region: &str, rng: &mut Rng) -> Instance {
    let what = if number == 0 { LoadChange::Serves } else { LoadChange::Idle };
    let started = ago_days(rng.i64(20..70));
    Instance {
        id,
        resource_id: format!("db-{}", letters(rng, UPPER, 26)),
        status: "available".to_owned(),
        class: class.to_owned(),
        pending_class: None,
        running_class: None,
        flushing: false,
        group_status: "in-sync".to_owned(),
        zone: format!("{region}{}", char::from(b'a' + (number % 3) as u8)),
        up: true,
        gone: false,
        generation: 0,
        started,
        live: settings::before_rollout(class),
        listens: None,
        insights: true,
        load_marks: vec![LoadMark { at: Instant::now(), time: started, what }],
        slow_log: Vec::new(),
    }
}

fn accounts(plan: &Plan, sites: &[SitePartition]) -> Vec<Account> {
    let mut accounts: Vec<Account> = Vec::new();
    for (partition, site) in plan.partitions.iter().zip(sites) {
        let found = accounts.iter().position(|account| account.infrastructure == partition.infrastructure);
        let index = found.unwrap_or_else(|| {
            accounts.push(account(partition));
            accounts.len() - 1
        });
        let account = &mut accounts[index];
        let profile = partition.aws.profile.clone().filter(|profile| !account.profiles.contains(profile));
        account.profiles.extend(profile);
        for name in PARTITION_STACKS {
            account.stacks.push(Stack::complete(format!("{}-{}-{name}", partition.infrastructure, partition.name)));
        }
        account.secrets.extend(database_secret(partition, site));
    }
    accounts
}

fn account(partition: &Partition) -> Account {
    let infrastructure = partition.infrastructure.clone();
    let id = partition.aws.account.clone().unwrap_or_else(|| account_id(&infrastructure));
    let stacks = INFRASTRUCTURE_STACKS.iter().map(|name| Stack::complete(format!("{infrastructure}-{name}"))).collect();
    Account {
        access_key: format!("AKIASITE{id}"),
        former_keys: Vec::new(),
        sessions: 0,
        session_began: super::now(),
        infrastructure,
        id,
        region: partition.aws.region.clone(),
        profiles: Vec::new(),
        signed_in: true,
        stacks,
        secrets: Vec::new(),
    }
}

/// Twelve digits that stay the same for an infrastructure's name.
fn account_id(infrastructure: &str) -> String {
    let digest = Sha256::digest(infrastructure.as_bytes());
    let number = digest.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:012}", 100_000_000_000 + number % 900_000_000_000)
}

/// The secret that holds the password of the plan's role, where the plan reads it from Secrets Manager.
fn database_secret(partition: &Partition, site: &SitePartition) -> Option<Secret> {
    let sql = partition.sql.as_ref()?;
    let SecretSource::SecretsManager { id, key } = &sql.password else {
        return None;
    };
    let value = match key {
        Some(key) => serde_json::json!({ "username": sql.user, key.as_str(): site.sql_password }).to_string(),
        None => site.sql_password.clone(),
    };
    Some(Secret { name: id.clone(), value, created: ago_days(200) })
}

/// A seed of its own for each cluster, so that its events' fates do not shift everything else that is random.
fn fate_seed(cluster: &str) -> u64 {
    cluster.bytes().fold(0x51_7cc1_b727_2202, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn ago_days(days: i64) -> Timestamp {
    // A few hundred days before today are always within the range of timestamps.
    super::now() - SignedDuration::from_hours(24 * days)
}

/// Random letters of an alphabet.
pub(super) fn letters(rng: &mut Rng, alphabet: &[u8], count: usize) -> String {
    (0..count).map(|_| char::from(alphabet[rng.usize(..alphabet.len())])).collect()
}
