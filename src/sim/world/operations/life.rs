//! A pod's life: its init containers, its main container, its end, and what they write to their logs.
//!
//! Times are those of the execution log: some 33 s until ready, so that two pods after each other take about 70 s.

use jiff::{SignedDuration, Timestamp};

use super::{DATABASES, Ended, InitRun, LogLine, Operations, Pod, rollout, seconds};
use crate::runbook::situation::Situation;
use crate::sim::world::trouble::HOSTILE;
use crate::sim::world::{SitePartition, World};

/// Log lines that a container keeps.
const KEPT_LINES: usize = 2000;

/// What an init container is missing for its work.
enum InitTrouble {
    /// A server that takes writes.
    Writer,
    /// The library on the writer, or what the initializer takes for it.
    Preload,
    /// The right to make an extension of long ago.
    Extension,
}

impl Operations {
    /// Makes a pod of the current ReplicaSet; answers its name.
    pub(super) fn create_pod(&mut self) -> String {
        let version = self.touch();
        let Some(set) = self.replica_sets.last().cloned() else { return String::new() };
        let name = self.new_pod_name(&set.hash);
        self.pods.push(Pod {
            name: name.clone(),
            hash: set.hash.clone(),
            chart: set.chart,
            born: version,
            version,
            created: Timestamp::now(),
            inits: Vec::new(),
            started: None,
            ended: None,
            last: None,
            ready: None,
            restarts: 0,
            deleted: None,
            has_dsn: false,
            log: Vec::new(),
            lines_written: 0,
        });
        let owner = format!("{}-{}", self.name, set.hash);
        self.event("ReplicaSet", &owner, "SuccessfulCreate", format!("Created pod: {name}"));
        self.event("Pod", &name, "Scheduled", format!("Successfully assigned {}/{name}", self.namespace));
        name
    }
}

/// Starts a new pod's first init container.
pub(super) fn begin(world: &mut World, partition: &str, pod: &str, speed: f64) {
    on_pod(world, partition, pod, 2, speed, |world, partition, pod, speed| start_init(world, partition, pod, 0, speed));
}

/// Starts the init container of that index, or starts it again.
fn start_init(world: &mut World, partition: &str, pod: &str, index: usize, speed: f64) {
    let Some(site) = world.partition(partition) else { return };
    let namespace = site.operations.namespace.clone();
    let container = init_name(index);
    site.operations.event("Pod", pod, "Started", format!("Started container {container}"));
    site.operations.change_pod(pod, |pod| {
        let started = Timestamp::now();
        match pod.inits.get_mut(index) {
            Some(run) => {
                let (last, restarts) = (run.failed(), run.restarts + 1);
                *run = InitRun { started, finished: None, exit: None, restarts, last };
            }
            None => pod.inits.push(InitRun { started, finished: None, exit: None, restarts: 0, last: None }),
        }
        let (database, role) = database_and_role(&namespace, DATABASES[index]);
        write(pod, &container, format!("Creating database {database} with role {role}"));
    });
    on_pod(world, partition, pod, 3, speed, move |world, partition, pod, speed| {
        end_init(world, partition, pod, index, speed);
    });
}

/// Ends the init container of that index; what it finds in the database decides how.
fn end_init(world: &mut World, partition: &str, pod: &str, index: usize, speed: f64) {
    let strange = strange_init_trouble(world, partition);
    let Some(site) = world.partition(partition) else { return };
    let Some(found) = site.operations.pod(pod) else { return };
    let chart = found.chart.clone();
    let trouble = match init_trouble(site, chart.makes_statements()) {
        Some(InitTrouble::Writer) => Some(InitTrouble::Writer),
        // The extensions of long ago are made first.
        other => strange.filter(|_| chart.makes_statements()).or(other),
    };
    let container = init_name(index);
    let lines = init_lines(&site.operations.namespace, DATABASES[index], chart.makes_statements(), trouble.as_ref());
    let exit = i32::from(trouble.is_some());
    if trouble.is_none() && chart.makes_statements() {
        site.cluster.extension_created = true;
    }
    let mut restarts = 0;
    site.operations.change_pod(pod, |pod| {
        for line in lines {
            write(pod, &container, line);
        }
        if let Some(run) = pod.inits.get_mut(index) {
            (run.finished, run.exit, restarts) = (Some(Timestamp::now()), Some(exit), run.restarts);
        }
    });
    let again = exit != 0;
    if again {
        let message = format!("Back-off restarting failed container {container} in pod {pod}");
        site.operations.event("Pod", pod, "BackOff", message);
    }
    let pause = if again { back_off(restarts) } else { 0 };
    on_pod(world, partition, pod, pause, speed, move |world, partition, pod, speed| {
        match (again, index + 1 < DATABASES.len()) {
            (true, _) => start_init(world, partition, pod, index, speed),
            (false, true) => start_init(world, partition, pod, index + 1, speed),
            (false, false) => start_main(world, partition, pod, speed),
        }
    });
}

/// Kubernetes' own back-off in seconds: 10, doubled up to five minutes.
pub fn back_off(restarts: i32) -> u64 {
    (10_u64 << restarts.clamp(0, 5)).min(300)
}

/// Starts the main container, or starts it again. Its environment is taken now: a secret that comes later is not in it.
fn start_main(world: &mut World, partition: &str, pod: &str, speed: f64) {
    let Some(site) = world.partition(partition) else { return };
    let operations = &mut site.operations;
    let has_secret = operations.secret_synced.is_some();
    let (container, environment, rate) =
        (operations.name.clone(), operations.environment.clone(), operations.sample_rate);
    operations.event("Pod", pod, "Started", format!("Started container {container}"));
    operations.change_pod(pod, |pod| {
        pod.last = pod.ended.take().or(pod.last);
        pod.restarts += i32::from(pod.started.is_some());
        pod.started = Some(Timestamp::now());
        pod.has_dsn = has_secret && pod.chart.sentry;
        let version = pod.chart.application.clone();
        write(pod, &container, format!("INFO  Application - Starting operations {version} for {environment}"));
    });
    on_pod(world, partition, pod, 4, speed, move |world, partition, pod, speed| {
        let Some(site) = world.partition(partition) else { return };
        site.operations.change_pod(pod, |pod| {
            for line in start_lines(pod, &environment, rate) {
                write(pod, &container, line);
            }
        });
        on_pod(world, partition, pod, 8, speed, become_ready);
    });
}

/// Makes the pod ready once the application has a writer; asks again until it has, as a readiness probe does.
fn become_ready(world: &mut World, partition: &str, pod: &str, speed: f64) {
    let is_cold = world.holds(Situation::PoolCold, partition);
    let Some(site) = world.partition(partition) else { return };
    let is_new = site.operations.pod(pod).is_some_and(|pod| pod.chart.sentry);
    if is_cold && is_new {
        let container = site.operations.name.clone();
        site.operations.change_pod(pod, |pod| {
            let words = "Connection is not available, request timed out after 30000ms.";
            write(pod, &container, format!("ERROR HikariPool-1 - {words}"));
        });
    }
    if init_trouble(site, false).is_some() || (is_cold && is_new) {
        site.operations.event(
            "Pod",
            pod,
            "Unhealthy",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        );
        // A pool says so as often as its wait runs out.
        let again = if is_cold { 30 } else { 5 };
        on_pod(world, partition, pod, again, speed, become_ready);
        return;
    }
    let container = site.operations.name.clone();
    site.operations.change_pod(pod, |pod| {
        pod.ready = Some(Timestamp::now());
        write(pod, &container, "INFO  Application - Responding at http://0.0.0.0:8080".into());
    });
    // A fresh process has fresh pools.
    site.operations.serving = true;
    world.remedied(Situation::App5xx, partition);
    rollout::follow(world, partition, speed);
    if is_new {
        on_pod(world, partition, pod, 5, speed, crash);
    }
}

/// Ends the main container where the new version does not stay up; it is started again after a back-off.
fn crash(world: &mut World, partition: &str, pod: &str, speed: f64) {
    if !world.strikes(Situation::PodCrash, partition) {
        return;
    }
    let Some(site) = world.partition(partition) else { return };
    let container = site.operations.name.clone();
    let mut restarts = 0;
    site.operations.change_pod(pod, |pod| {
        write(pod, &container, "ERROR Application - Uncaught exception in DefaultDispatcher-worker-3".into());
        write(pod, &container, "java.lang.IllegalStateException: event stream of kanban-card is not readable".into());
        let now = Timestamp::now();
        (pod.ready, restarts) = (None, pod.restarts);
        pod.ended = Some(Ended { started: pod.started.unwrap_or(now), finished: now, code: 1 });
    });
    let message = format!("Back-off restarting failed container {container} in pod {pod}");
    site.operations.event("Pod", pod, "BackOff", message);
    on_pod(world, partition, pod, back_off(restarts), speed, start_main);
}

/// Ends a pod: it leaves the service at once and is gone some seconds later.
pub(super) fn terminate(world: &mut World, partition: &str, pod: &str, speed: f64) {
    let Some(site) = world.partition(partition) else { return };
    let container = site.operations.name.clone();
    site.operations.event("Pod", pod, "Killing", format!("Stopping container {container}"));
    site.operations.change_pod(pod, |pod| {
        pod.deleted = Some(Timestamp::now());
        pod.ready = None;
        write(pod, &container, "INFO  Application - SIGTERM received, shutting down".into());
    });
    let (partition, name) = (partition.to_owned(), pod.to_owned());
    let gone = move |world: &mut World, speed: f64| {
        let Some(site) = world.partition(&partition) else { return };
        let version = site.operations.touch();
        if let Some(index) = site.operations.pods.iter().position(|pod| pod.name == name) {
            let mut pod = site.operations.pods.remove(index);
            pod.version = version;
            site.operations.gone.push(pod);
        }
        rollout::follow(world, &partition, speed);
    };
    world.later(seconds(6), speed, Box::new(gone));
}

/// One line of ordinary work, or of what it is like without a writer, in every ready pod; then again a while later.
pub fn chatter(world: &mut World, partition: &str, speed: f64) {
    let hostile = world.holds(Situation::HostileText, partition);
    let Some(site) = world.partition(partition) else { return };
    let answer = site.application_answers();
    let line = match answer {
        Ok(()) => {
            let path =
                ["item/items", "kanban/kanban-card/query-details-by-item", "order/orders", "facility/facilities"];
            let path = path[site.operations.rng.usize(..path.len())];
            format!("INFO  CallLogging - 200 OK: POST - /v1/{path} in {}ms", 12 + site.operations.rng.u32(..90))
        }
        Err(why) => format!("WARN  HikariPool-1 - Connection is not available ({why})"),
    };
    let line = if hostile { format!("{line} {HOSTILE}") } else { line };
    let container = site.operations.name.clone();
    let started: Vec<String> =
        site.operations.pods.iter().filter(|pod| pod.ready.is_some()).map(|pod| pod.name.clone()).collect();
    for name in started {
        // A log line is no change of the object: no new version.
        if let Some(pod) = site.operations.pods.iter_mut().find(|pod| pod.name == name) {
            write(pod, &container, line.clone());
        }
    }
    let name = partition.to_owned();
    world.later(seconds(5), speed, Box::new(move |world, speed| chatter(world, &name, speed)));
}

/// The log of a pod that started long ago, so that its lines are where a reader expects them.
pub(super) fn write_past_log(pod: &mut Pod, namespace: &str, container: &str, environment: &str) {
    for (index, database) in DATABASES.iter().enumerate() {
        let at = pod.inits.get(index).map_or(pod.created, |run| run.started);
        let (name, role) = database_and_role(namespace, database);
        let mut lines = vec![format!("Creating database {name} with role {role}")];
        lines.extend(init_lines(namespace, database, pod.chart.makes_statements(), None));
        for line in lines {
            write_at(pod, &init_name(index), at, line);
        }
    }
    let at = pod.started.unwrap_or(pod.created) + SignedDuration::from_secs(1);
    let mut lines =
        vec![format!("INFO  Application - Starting operations {} for {environment}", pod.chart.application)];
    lines.extend(start_lines(pod, environment, "1.0"));
    lines.push("INFO  Application - Responding at http://0.0.0.0:8080".into());
    for line in lines {
        write_at(pod, container, at, line);
    }
}

/// Name of the init container of that index.
pub fn init_name(index: usize) -> String {
    format!("init-create-{}-db", DATABASES[index])
}

/// Database and role of a module, such as `dev-operations.item_db` and `dev-operations.ItemDb`.
fn database_and_role(namespace: &str, module: &str) -> (String, String) {
    let mut letters = module.chars();
    let capital = letters.next().map(|first| first.to_ascii_uppercase()).into_iter();
    let role: String = capital.chain(letters).collect();
    (format!("{namespace}.{module}_db"), format!("{namespace}.{role}Db"))
}

/// What stands in an init container's way.
fn init_trouble(site: &SitePartition, needs_preload: bool) -> Option<InitTrouble> {
    let writer = site.cluster.writer.as_ref().and_then(|writer| site.cluster.instance(writer));
    let Some(writer) = writer.filter(|writer| writer.up) else { return Some(InitTrouble::Writer) };
    let preload = writer.live.get("shared_preload_libraries").is_some_and(|list| list.contains("pg_stat_statements"));
    (needs_preload && !preload).then_some(InitTrouble::Preload)
}

/// What stands in a new initializer's way without any fault of the cluster's.
fn strange_init_trouble(world: &World, partition: &str) -> Option<InitTrouble> {
    if world.holds(Situation::InitPreload, partition) {
        return Some(InitTrouble::Preload);
    }
    world.holds(Situation::InitExtension, partition).then_some(InitTrouble::Extension)
}

/// What an init container writes after its first line.
fn init_lines(namespace: &str, module: &str, statements: bool, trouble: Option<&InitTrouble>) -> Vec<String> {
    let (database, role) = database_and_role(namespace, module);
    if let Some(InitTrouble::Writer) = trouble {
        return vec!["psql: error: connection to server failed: Connection refused".into()];
    }
    let mut lines = vec![
        format!("NOTICE:  role \"{role}\" already exists, skipping"),
        format!("NOTICE:  database \"{database}\" already exists, skipping"),
        "CREATE EXTENSION IF NOT EXISTS pg_trgm".into(),
        "CREATE EXTENSION IF NOT EXISTS btree_gin".into(),
    ];
    if let Some(InitTrouble::Extension) = trouble {
        lines.push("ERROR:  permission denied to create extension \"btree_gin\"".into());
        lines.push("HINT:  Must have CREATE privilege on current database to create this extension.".into());
        return lines;
    }
    if statements {
        lines.push("CREATE EXTENSION IF NOT EXISTS pg_stat_statements".into());
        lines.push("SELECT 1 FROM pg_stat_statements LIMIT 1".into());
        match trouble {
            Some(_) => {
                lines.push("ERROR:  pg_stat_statements must be loaded via \"shared_preload_libraries\"".into());
                return lines;
            }
            None => lines.extend([" ?column? ".into(), "----------".into(), "        1".into(), "(1 row)".into()]),
        }
    }
    lines.push(format!("Database {database} is ready"));
    lines
}

/// What the main container writes while it starts.
fn start_lines(pod: &Pod, environment: &str, rate: &str) -> Vec<String> {
    let sentry = match (pod.chart.sentry, pod.has_dsn) {
        (false, _) => None,
        (true, true) => Some(format!(
            "INFO  Sentry - Sentry SDK initialized (environment={environment}, traces_sample_rate={rate})"
        )),
        (true, false) => Some("WARN  Sentry - Sentry SDK disabled because no DSN was set".into()),
    };
    let pools = ["INFO  HikariPool-1 - Starting...".into(), "INFO  HikariPool-1 - Start completed.".into()];
    sentry.into_iter().chain(pools).collect()
}

/// Writes a line to a container's log.
fn write(pod: &mut Pod, container: &str, text: String) {
    write_at(pod, container, Timestamp::now(), text);
}

fn write_at(pod: &mut Pod, container: &str, at: Timestamp, text: String) {
    let init = (0..DATABASES.len()).find(|index| init_name(*index) == container);
    let (run, _) = pod.restarts_of(init);
    pod.lines_written += 1;
    pod.log.push(LogLine { container: container.to_owned(), run, seq: pod.lines_written, at, text });
    if pod.log.len() > KEPT_LINES {
        pod.log.drain(..KEPT_LINES / 10);
    }
}

/// Does something for a pod some site seconds later, unless it is leaving by then.
fn on_pod(
    world: &mut World,
    partition: &str,
    pod: &str,
    after_seconds: u64,
    speed: f64,
    act: impl FnOnce(&mut World, &str, &str, f64) + Send + 'static,
) {
    let (partition, pod) = (partition.to_owned(), pod.to_owned());
    let change = move |world: &mut World, speed: f64| {
        let lives = |site: &mut SitePartition| site.operations.pod(&pod).is_some_and(|pod| pod.deleted.is_none());
        if world.partition(&partition).is_some_and(lives) {
            act(world, &partition, &pod, speed);
        }
    };
    world.later(seconds(after_seconds), speed, Box::new(change));
}
