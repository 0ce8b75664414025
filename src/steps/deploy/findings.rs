//! What keeps the application from being as it should be: what waiting mends, and what it does not.

use std::time::Duration;

use tokio::time::Instant;

use super::super::act::Act;
use super::super::context::{Look, Stop};
use super::super::{cluster, diagnosis};
use super::seen::{Failed, Seen};
use crate::awake;
use crate::clients::Trouble;
use crate::clients::kubernetes::ExternalSecretView;
use crate::clients::postgres::StatementsProbe;
use crate::runbook::check::Evidence;
use crate::runbook::event::{Finding, Way};
use crate::runbook::names::StepId;
use crate::runbook::plan::{DeploySpec, Expectation, StepKind};

const ROLLBACK: &str = "helm-rollback";
const RESTART: &str = "rollout-restart";
const PODS: &str = "kubernetes:ListPods";
const LOG: &str = "kubernetes:GetPodLog";

/// Restarts after which an init container is given up whose log fits nothing that is known: by then Kubernetes itself
/// waits more than a minute between two runs.
const GIVEN_UP: i32 = 3;

/// What is being waited out, and since when.
#[derive(Debug, Default)]
pub struct Waits {
    secret: Option<Instant>,
    pool: Option<ColdPool>,
    /// What is to be minded where the application goes on without its secret.
    pub without_secret: Option<String>,
}

#[derive(Debug)]
struct ColdPool {
    since: Instant,
    pod: String,
    line: String,
    /// Where the writer endpoint leads, once that was looked at.
    endpoint: Option<Evidence>,
}

impl ColdPool {
    fn lasted(&self) -> Duration {
        awake::now().saturating_duration_since(self.since)
    }
}

/// What waiting does not mend, if there is such a thing. What it may mend is remarked.
///
/// # Errors
/// If a remark cannot be written.
pub async fn hopeless(
    act: &mut Act,
    spec: &DeploySpec,
    seen: &Seen,
    waits: &mut Waits,
) -> Result<Option<Finding>, Stop> {
    if let Some(finding) = failed_init(act, seen).await {
        return Ok(Some(finding));
    }
    if let Some(finding) = cold_pool(act, seen, waits).await? {
        return Ok(Some(finding));
    }
    let crashed = seen.failed.iter().find(|failed| !failed.is_init && cold_line(&failed.said).is_none());
    if let Some(crashed) = crashed {
        return Ok(Some(pod_crash(act, seen, crashed)));
    }
    if seen.is_rolled_out()
        && let Some(finding) = pods_before_secret(act, spec, seen)
    {
        return Ok(Some(finding));
    }
    secret_not_synced(act, spec, seen, waits).await
}

/// Offers a lever, where the partition has it.
fn offering(look: &Look, finding: Finding, lever: &str) -> Finding {
    let there = look.partition.levers.iter().any(|planned| planned.id.as_str() == lever);
    if there { finding.lever(lever, None) } else { finding }
}

/// Who serves meanwhile, as Kubernetes counts it.
fn serving(seen: &Seen) -> String {
    match seen.deployment.as_ref().map_or(0, |deployment| deployment.ready) {
        ..=0 => "no pod is ready: the application does not answer".to_owned(),
        1 => "one pod is ready and serves".to_owned(),
        ready => format!("{ready} pods are ready and serve"),
    }
}

async fn failed_init(act: &Act, seen: &Seen) -> Option<Finding> {
    let failed = || seen.failed.iter().filter(|failed| failed.is_init);
    for each in failed() {
        if let Some(line) = each.said.iter().rfind(|line| wants_preload(line)) {
            return Some(init_preload(act, seen, each, line).await);
        }
        if let Some(line) = each.said.iter().rfind(|line| wants_extension(line)) {
            return Some(init_extension(act, seen, each, line));
        }
    }
    let worst = failed().find(|each| each.restarts >= GIVEN_UP)?;
    let finding = Finding::unknown(format!("{} of {} keeps failing", worst.container, worst.pod));
    let finding = with_words(finding, worst).meaning(format!("the new pods do not start; {}", serving(seen)));
    Some(diagnosis::with_guide(act, offering(act, finding.again(), ROLLBACK)))
}

/// PostgreSQL's own words, whatever it quotes.
fn wants_preload(line: &str) -> bool {
    let bare = line.replace(['"', '\''], "");
    bare.contains("pg_stat_statements must be loaded via shared_preload_libraries")
}

/// An error about one of the extensions that were there long before this rollout.
fn wants_extension(line: &str) -> bool {
    line.contains("ERROR") && (line.contains("pg_trgm") || line.contains("btree_gin"))
}

fn with_words(finding: Finding, failed: &Failed) -> Finding {
    let finding = finding.because(Evidence::now(PODS, format!("{}: {}", failed.pod, failed.how())));
    match failed.last_words() {
        Some(line) => finding.because(Evidence::now(LOG, format!("{}: {line}", failed.container))),
        None => finding,
    }
}

/// What a fresh look at the writer says of the preload.
enum Preload {
    Loaded(Evidence),
    Missing(Evidence),
    Unseen(Evidence),
}

async fn init_preload(act: &Act, seen: &Seen, failed: &Failed, line: &str) -> Finding {
    let cause = format!("{}: pg_stat_statements must be loaded via shared_preload_libraries", failed.container);
    let finding = Finding::of("init-preload", cause)
        .because(Evidence::now(PODS, format!("{}: {}", failed.pod, failed.how())))
        .because(Evidence::now(LOG, format!("{}: {line}", failed.container)));
    let back = |finding: Finding| match static_step(act) {
        Some(step) => finding.offering(Way::Back { step }),
        None => finding,
    };
    match fresh_look(act).await {
        Preload::Loaded(evidence) => {
            let finding = finding
                .because(evidence)
                .meaning(format!("the writer has the preload: the initializer is at fault; {}", serving(seen)))
                .way_out(
                    "roll the chart back (helm rollback), open an issue against the initializer with this log, and deploy \
                     again once it is mended; step 6 can be looked at again",
                );
            back(offering(act, finding, ROLLBACK))
        }
        Preload::Missing(evidence) => {
            let finding = finding
                .because(evidence)
                .meaning(format!("the writer runs without the preload, whatever step 6 saw; {}", serving(seen)))
                .way_out(
                    "go back to step 6, which looks in a fresh session and names the instance; or roll the chart back",
                );
            offering(act, back(finding), ROLLBACK)
        }
        Preload::Unseen(evidence) => {
            let finding = finding
                .because(evidence)
                .meaning(format!("it is not known whether the writer has the preload; {}", serving(seen)))
                .way_out("go back to step 6, which looks in a fresh session; or roll the chart back");
            offering(act, back(finding), ROLLBACK)
        }
    }
}

/// Asks the writer in a session of its own: an earlier answer may have come from an instance of before the failover.
async fn fresh_look(look: &Look) -> Preload {
    const SQL: &str = "SQL on the writer, fresh session";
    let probed = match look.tools.sql().await {
        Ok(session) => session.statements_probe().await,
        Err(trouble) => Err(trouble),
    };
    match probed {
        Ok(StatementsProbe::Rows(rows)) => {
            return Preload::Loaded(Evidence::now(SQL, format!("pg_stat_statements answers with {rows} rows")));
        }
        Ok(StatementsProbe::NotPreloaded) => {
            return Preload::Missing(Evidence::now(
                SQL,
                "pg_stat_statements must be loaded via shared_preload_libraries",
            ));
        }
        // Nothing was created in this database yet: only the API can tell.
        Ok(StatementsProbe::ExtensionMissing) | Err(_) => {}
    }
    const API: &str = "rds:DescribeDBClusters";
    match look.cluster().await {
        Ok(cluster) => match cluster.writer() {
            Some(writer) if writer.group_status == "in-sync" => {
                Preload::Loaded(Evidence::now(API, format!("{} runs its parameter group, in-sync", writer.id)))
            }
            Some(writer) => {
                Preload::Missing(Evidence::now(API, format!("{} parameter group {}", writer.id, writer.group_status)))
            }
            None => Preload::Unseen(Evidence::now(API, "no writer is named")),
        },
        Err(trouble) => Preload::Unseen(Evidence::now(&trouble.call, trouble.to_string())),
    }
}

/// The step that verified the preload.
fn static_step(look: &Look) -> Option<StepId> {
    let verifies = |kind: &StepKind| match kind {
        StepKind::VerifySql(spec) => spec
            .settings
            .iter()
            .any(|setting| setting.name == "shared_preload_libraries" && setting.expect != Expectation::Recorded),
        _ => false,
    };
    let before = look.partition.steps.iter().take_while(|step| step.id != look.step.id);
    before.filter(|step| verifies(&step.kind)).last().map(|step| step.id.clone())
}

fn init_extension(look: &Look, seen: &Seen, failed: &Failed, line: &str) -> Finding {
    let words = line.split_once("ERROR:").map_or(line, |(_, words)| words.trim());
    let finding = Finding::of("init-extension", format!("{}: {words}", failed.container))
        .because(Evidence::now(PODS, format!("{}: {}", failed.pod, failed.how())))
        .because(Evidence::now(LOG, format!("{}: {line}", failed.container)))
        .meaning(format!(
            "unrelated to this rollout: pg_trgm and btree_gin were there before it; {}; the new pods start by themselves \
             once it is mended",
            serving(seen)
        ))
        .way_out("have it mended as an incident of its own, then again; or roll the chart back meanwhile")
        .again_after(look.step.retry_after);
    offering(look, finding, ROLLBACK)
}

fn pod_crash(look: &Look, seen: &Seen, failed: &Failed) -> Finding {
    let finding = with_words(Finding::of("pod-crash", format!("{} does not stay up", failed.pod)), failed);
    let finding = finding.meaning(format!("a regular incident, not of this rollout's own; {}", serving(seen))).way_out(
        "roll the chart back to the revision before (helm rollback): its init container does not touch \
             pg_stat_statements, so that it is safe. The step stays failed; fire it again to deploy anew",
    );
    offering(look, finding, ROLLBACK).again_after(look.step.retry_after)
}

/// The line by which a connection pool says that it gets no connection.
fn cold_line(lines: &[String]) -> Option<&String> {
    lines.iter().rfind(|line| line.contains("Hikari") && line.contains("Connection is not available"))
}

/// A pool that is cold after a failover is given its time; then it is looked where the writer endpoint leads.
async fn cold_pool(act: &mut Act, seen: &Seen, waits: &mut Waits) -> Result<Option<Finding>, Stop> {
    let crashed = seen.failed.iter().filter(|failed| !failed.is_init).map(|failed| (&failed.pod, &failed.said));
    let unready = seen.unready.iter().map(|(pod, lines)| (pod, lines));
    let cold = unready.chain(crashed).find_map(|(pod, lines)| Some((pod.clone(), cold_line(lines)?.clone())));
    let Some((pod, line)) = cold else {
        if seen.unready.is_empty()
            && let Some(pool) = waits.pool.take()
        {
            act.remark(warmed(&pool)).await?;
        }
        return Ok(None);
    };
    // The runbook gives a pool half of the time that it gives a secret.
    let (pause, stuck) = (act.step.retry_after / 2, act.step.stuck_after);
    let pool = waits.pool.get_or_insert_with(|| ColdPool { since: awake::now(), pod, line, endpoint: None });
    if pool.endpoint.is_none() && pool.lasted() >= pause {
        match endpoint(act).await {
            Ok((true, evidence)) => pool.endpoint = Some(evidence),
            Ok((false, evidence)) => {
                pool.endpoint = Some(evidence);
                return Ok(Some(leads_elsewhere(act, pool)));
            }
            Err(trouble) => pool.endpoint = Some(Evidence::now(&trouble.call, trouble.to_string())),
        }
    }
    Ok((pool.lasted() >= stuck).then(|| stays_cold(act, seen, pool)))
}

fn of_pool(pool: &ColdPool, cause: String) -> Finding {
    let finding = Finding::of("pool-cold", cause).because(Evidence::now(LOG, format!("{}: {}", pool.pod, pool.line)));
    pool.endpoint.iter().cloned().fold(finding, Finding::because)
}

fn warmed(pool: &ColdPool) -> Finding {
    let seconds = pool.lasted().as_secs();
    of_pool(pool, format!("the connection pool of {} was cold, and healed by itself", pool.pod))
        .because(Evidence::now(PODS, format!("every new pod is ready, {seconds} s after it was seen")))
        .meaning("nothing: it waited for connections to the new writer")
        .way_out("nothing is to be done")
}

fn leads_elsewhere(look: &Look, pool: &ColdPool) -> Finding {
    of_pool(pool, format!("{} gets no connection: the writer endpoint does not lead to the writer", pool.pod))
        .meaning("new connections of the application go to an instance that takes no writes")
        .way_out("look at the cluster and its endpoint as in step 5; the pods recover once it leads to the writer")
        .again_after(look.step.retry_after)
}

fn stays_cold(look: &Look, seen: &Seen, pool: &ColdPool) -> Finding {
    let minutes = pool.lasted().as_secs() / 60;
    let finding = of_pool(pool, format!("the connection pool of {} stays cold for {minutes} min", pool.pod))
        .meaning(format!("the new pods do not become ready; {}", serving(seen)))
        .way_out("restart the deployment: a new process has new pools; then again");
    offering(look, finding, RESTART).again_after(look.step.retry_after)
}

/// Whether a fresh session through the writer endpoint reaches the writer that the API names.
async fn endpoint(look: &Look) -> Result<(bool, Evidence), Trouble> {
    let who = look.tools.sql().await?.who_am_i().await?;
    let cluster = look.cluster().await?;
    let writer = cluster::writer(look, &cluster).map(|writer| writer.id.to_string()).unwrap_or_default();
    let reached = who.instance.clone().unwrap_or_else(|| "an instance without a name".to_owned());
    let role = if who.is_writer { "takes writes" } else { "takes no writes" };
    let same = who.instance.is_none_or(|instance| instance.eq_ignore_ascii_case(&writer));
    let words = format!("the writer endpoint leads to {reached}, which {role}; the API names {writer}");
    Ok((who.is_writer && same, Evidence::now("SQL through the writer endpoint", words)))
}

fn pods_before_secret(look: &Look, spec: &DeploySpec, seen: &Seen) -> Option<Finding> {
    let (pod, started, made) = seen.older_than_secret(spec)?;
    let (variable, secret) = (spec.environment.as_ref()?, spec.external_secret.as_ref()?);
    let time = |at: jiff::Timestamp| at.to_zoned(look.zone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let mut finding = Finding::of("pods-before-secret", format!("the pods are older than their secret {secret}"))
        .because(Evidence::now(PODS, format!("{} started at {}", pod.name, time(started))))
        .because(Evidence::now("kubernetes:GetSecret", format!("{secret} was made at {}", time(made))))
        .because(Evidence::now("kubernetes:GetDeployment", format!("{variable} is in the spec, from secret {secret}")));
    if let Some(Err(line)) = &seen.application_log {
        finding = finding.because(Evidence::now(LOG, line.as_str()));
    }
    let finding = finding
        .meaning(format!("{variable} is in the spec, not in the process: the application runs without it"))
        .way_out(format!("kubectl rollout restart deployment/{}; then again", spec.deployment));
    Some(offering(look, finding, RESTART).again_after(look.step.retry_after))
}

/// A secret that is not there yet is given its time. The application goes on without it, where its pods start all the same.
async fn secret_not_synced(
    act: &mut Act,
    spec: &DeploySpec,
    seen: &Seen,
    waits: &mut Waits,
) -> Result<Option<Finding>, Stop> {
    let Some(name) = &spec.external_secret else { return Ok(None) };
    let ready = seen.external_secret.as_ref().and_then(|secret| secret.ready) == Some(true);
    let waits_for_it = seen.new_pods(spec).any(|pod| pod.status() == "CreateContainerConfigError");
    let goes_without = seen.is_rolled_out() && matches!(seen.application_log, Some(Err(_)));
    if ready || !(waits_for_it || goes_without) {
        return Ok(None);
    }
    let pause = act.step.retry_after;
    let since = *waits.secret.get_or_insert_with(|| {
        act.say(format!("ExternalSecret {name} is not Ready; looking again in {} s", pause.as_secs()));
        awake::now()
    });
    if awake::now().saturating_duration_since(since) < pause {
        return Ok(None);
    }
    let finding = without_secret(act, spec, seen, name).await;
    if waits_for_it {
        let finding = finding
            .meaning(format!("the new pods wait for their secret; {}", serving(seen)))
            .way_out("have the cause seen to (the condition names it); the pods start by themselves then");
        return Ok(Some(finding.again_after(pause)));
    }
    let warning = format!("the application runs without its secret: {}", condition(seen.external_secret.as_ref()));
    let finding = finding.meaning("the application goes on without Sentry; nothing else is held up").way_out(format!(
        "it was looked at again after {} s: have the cause seen to, commonly the role's permission to read the \
             secret; once it has synced, restart the deployment",
        pause.as_secs()
    ));
    let finding = offering(act, finding, RESTART);
    act.remark(finding).await?;
    waits.without_secret = Some(warning);
    Ok(None)
}

async fn without_secret(look: &Look, spec: &DeploySpec, seen: &Seen, name: &str) -> Finding {
    let mut finding = Finding::of("secret-not-synced", format!("ExternalSecret {name} is not Ready"))
        .because(Evidence::now("kubernetes:GetExternalSecret", condition(seen.external_secret.as_ref())));
    let warnings = match look.tools.kubernetes().await {
        Ok(kubernetes) => kubernetes.warnings("ExternalSecret", name).await,
        Err(trouble) => Err(trouble),
    };
    // The condition stands without them.
    if let Some(last) = warnings.unwrap_or_default().last() {
        finding = finding.because(Evidence::now("kubernetes:ListEvents", format!("{}: {}", last.reason, last.message)));
    }
    if let Some(Err(line)) = &seen.application_log {
        finding = finding.because(Evidence::now(LOG, format!("{}: {line}", spec.container)));
    }
    finding
}

fn condition(secret: Option<&ExternalSecretView>) -> String {
    let Some(secret) = secret else { return "it does not exist".to_owned() };
    let ready = secret.ready.map_or("no Ready condition yet".to_owned(), |ready| format!("Ready={ready}"));
    let words = [secret.reason.as_deref(), secret.message.as_deref()];
    [ready].into_iter().chain(words.into_iter().flatten().map(str::to_owned)).collect::<Vec<_>>().join(" · ")
}
