//! Whatever is taken away, at whatever moment: the cockpit goes on, every datum shows its age, and what is not heard is said.
//!
//! The site is a process of its own, with real PostgreSQL servers where they are installed. The cockpit's watchers and the
//! state that folds their samples run in a second one, whose environment leads to the site as an operator's would. Each
//! server is taken away at a moment that a printed seed chose; `HONESTY_SEED` chooses it again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora_cockpit::app::concerns::{concerns, source_name};
use aurora_cockpit::app::live::{Freshness, Live, asked_every, freshness};
use aurora_cockpit::app::state::{Mode, Pane, State};
use aurora_cockpit::app::update::{Message, update};
use aurora_cockpit::config;
use aurora_cockpit::runbook::event::{Event, Record};
use aurora_cockpit::runbook::names::{InstanceId, PartitionName, RunId};
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::sim::launch::Started;
use aurora_cockpit::ui;
use aurora_cockpit::ui::theme::Theme;
use aurora_cockpit::watch::{self, Cadence, Pace, Sample, Source};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const ROLLOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/databases.toml");
/// What the site says where there is no PostgreSQL to start.
const NOT_INSTALLED: &str = "needs PostgreSQL's servers";
/// How much faster than the log's times the site is.
const SPEED: &str = "20";
/// An answer that was under way when its server was taken away may still arrive.
const UNDER_WAY: SignedDuration = SignedDuration::from_millis(1_500);
/// How long the cockpit may take to say what it does not hear: its clients' own patience, on a machine that is busy.
const SAID_WITHIN: Duration = Duration::from_secs(30);
/// How long it may take to hear again: the longest back-off of a source, and the same.
const HEARD_WITHIN: Duration = Duration::from_secs(45);
const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// The site's process; it ends with this.
struct Site {
    process: Child,
    started: Started,
    _dir: tempfile::TempDir,
}

impl Site {
    /// Opens one; none where PostgreSQL is not installed and it was asked for.
    async fn open(postgres: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (place, log) = (dir.path().join("site"), dir.path().join("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora-cockpit"));
        command.args(["sim", "--postgres", postgres, "--speed", SPEED, "--rollout", ROLLOUT]);
        command.arg("--env-file").arg(dir.path().join("environment")).arg("--dir").arg(&place);
        let words = std::fs::File::create(&log).unwrap();
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            if let Some(started) = Started::find(&place).await {
                return Some(Self { process, started, _dir: dir });
            }
            if let Some(status) = process.try_wait().unwrap() {
                let words = std::fs::read_to_string(&log).unwrap();
                assert!(words.contains(NOT_INSTALLED), "{status}: {words}");
                return None;
            }
            assert!(Instant::now() < until, "the site does not get ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        // In order, so that it ends its PostgreSQL servers.
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_taken_away_every_datum_is_honest_about_its_age() {
    let site = match Site::open("real").await {
        Some(site) => site,
        None => Site::open("embedded").await.unwrap(),
    };
    let begun = Instant::now();
    let mut command = site.started.command(std::env::current_exe().unwrap());
    command.args(["--exact", "watches", "--ignored", "--nocapture"]).stdin(Stdio::null());
    let told = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    println!("{out}\nin {:?}", begun.elapsed());
    assert!(told.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

/// What can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Victim {
    Writer,
    Reader,
    Aws,
    Dns,
    Kubernetes,
    Web,
}

const ALL: [Victim; 6] = [Victim::Writer, Victim::Reader, Victim::Aws, Victim::Dns, Victim::Kubernetes, Victim::Web];

/// The cockpit without a screen of its own, and the site that it watches.
struct Cockpit {
    state: State,
    samples: mpsc::Receiver<Sample>,
    partition: PartitionName,
    /// The instances as they were at the beginning.
    instances: BTreeMap<Victim, InstanceId>,
    /// What is gone, since when.
    gone: BTreeMap<Victim, Timestamp>,
    address: String,
    client: reqwest::Client,
    drawn: Instant,
    /// Whether a failover was begun in this round.
    fails_over: bool,
    /// They watch until this goes.
    _watchers: watch::Watchers,
}

impl Cockpit {
    async fn open(cancel: &CancellationToken, cadence: &tokio::sync::watch::Sender<Cadence>) -> Self {
        let overlay = std::env::var(config::OVERLAY_VARIABLE).ok().map(PathBuf::from);
        let plan = config::load(Path::new(ROLLOUT), overlay.as_deref()).unwrap();
        let partition = plan.partitions[0].name.clone();
        let event = Event::RunStarted { run: RunId::new("honesty"), plan: Box::new(plan.clone()), simulated: true };
        let run = Run::begin(Record { seq: 1, at: Timestamp::now(), event }).unwrap();
        let mut state = State::new(run, Mode::Monitor(None), Timestamp::now());
        state.pace.insert(partition.clone(), Pace::Busy);
        let (out, samples) = mpsc::channel(4096);
        let (plan, accounts, databases) = (Arc::new(plan), Arc::default(), Arc::default());
        let watchers = watch::start(plan, accounts, databases, out, cadence.subscribe(), false, cancel.clone());
        let mut cockpit = Self {
            state,
            samples,
            partition,
            instances: BTreeMap::new(),
            gone: BTreeMap::new(),
            address: std::env::var("COCKPIT_SITE").unwrap(),
            client: reqwest::Client::new(),
            drawn: Instant::now(),
            fails_over: false,
            _watchers: watchers,
        };
        cockpit.until("every source is heard", SAID_WITHIN, |own| own.live().cluster.is_some()).await;
        let cluster = cockpit.live().cluster.clone().unwrap().value;
        cockpit.instances.insert(Victim::Writer, cluster.members[0].id.clone());
        cockpit.instances.insert(Victim::Reader, cluster.members[1].id.clone());
        cockpit.all_is_heard("at first").await;
        cockpit
    }

    fn live(&self) -> &Live {
        &self.state.live[&self.partition]
    }

    /// The sources that are watched, with whom they speak.
    fn sources(&self) -> Vec<(Source, Victim)> {
        let instance = |victim| Source::SqlInstance(self.instances[&victim].clone());
        let writer = self.live().load.writer().unwrap_or(&self.instances[&Victim::Writer]);
        vec![
            (Source::Api, Victim::Aws),
            (Source::Load(writer.clone()), Victim::Aws),
            (Source::Dns, Victim::Dns),
            (instance(Victim::Writer), Victim::Writer),
            (instance(Victim::Reader), Victim::Reader),
            (Source::App, Victim::Web),
            (Source::Pods, Victim::Kubernetes),
        ]
    }

    /// When a source was last heard, and how far its word can be trusted now.
    fn heard(&self, source: &Source) -> Option<(Timestamp, Freshness)> {
        let (_, at) = self.live().heard().into_iter().find(|(known, _)| known == source)?;
        Some((at, freshness(self.state.since(at), asked_every(source, Pace::Busy))))
    }

    fn is_fresh(&self, source: &Source) -> bool {
        self.heard(source).is_some_and(|(_, fresh)| fresh == Freshness::Live)
            && !self.live().troubles.contains_key(source)
    }

    /// Takes in what comes until it is as wanted. All the while, nobody who is gone is heard, and the screen can be drawn.
    async fn until(&mut self, what: &str, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: not within {limit:?}\n{}", self.told());
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let tick = tokio::time::timeout(Duration::from_millis(50), self.samples.recv()).await;
        let begun = Instant::now();
        if let Ok(sample) = tick {
            let sample = sample.expect("the watchers live");
            update(&mut self.state, Message::Tick(Timestamp::now()), "tester");
            update(&mut self.state, Message::Sample(Box::new(sample)), "tester");
        } else {
            update(&mut self.state, Message::Tick(Timestamp::now()), "tester");
        }
        for (source, victim) in self.sources_known() {
            let Some(gone) = self.gone.get(&victim) else { continue };
            let heard = self.heard(&source).map(|(at, _)| at);
            assert!(
                heard.is_none_or(|at| at <= *gone + UNDER_WAY),
                "{source:?} is heard without its server: {heard:?}"
            );
        }
        if self.drawn.elapsed() > Duration::from_millis(500) {
            SIZES.iter().for_each(|size| drop(self.draw(*size)));
            self.drawn = Instant::now();
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "the screen stood still for {:?}", begun.elapsed());
    }

    fn sources_known(&self) -> Vec<(Source, Victim)> {
        if self.instances.is_empty() { Vec::new() } else { self.sources() }
    }

    fn draw(&self, (width, height): (u16, u16)) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| ui::draw(frame, &self.state, &Theme::default())).unwrap();
        terminal.backend().buffer().clone()
    }

    /// How everything stands, for whoever reads of a failure.
    fn told(&self) -> String {
        let sources = self.sources_known().into_iter().map(|(source, victim)| {
            let trouble = self.live().troubles.get(&source).map(|(_, trouble)| trouble.to_string());
            format!("{source:?} of {victim:?}: {:?} {trouble:?}\n", self.heard(&source).map(|(_, fresh)| fresh))
        });
        format!("gone: {:?}\n{}", self.gone.keys(), sources.collect::<String>())
    }

    async fn site(&self, method: reqwest::Method, path: &str, body: &Value) {
        let request = self.client.request(method, format!("{}/__sim/{path}", self.address)).json(body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    async fn take_away(&mut self, victim: Victim) {
        let server = match victim {
            Victim::Writer | Victim::Reader => "database",
            Victim::Aws => "aws",
            Victim::Dns => "dns",
            Victim::Kubernetes => "kubernetes",
            Victim::Web => "web",
        };
        let name = self.instances.get(&victim);
        self.site(reqwest::Method::POST, "outages", &json!({ "server": server, "name": name })).await;
        self.gone.insert(victim, Timestamp::now());
    }

    async fn give_back(&mut self) {
        self.gone.clear();
        self.site(reqwest::Method::DELETE, "outages", &Value::Null).await;
    }

    /// What is gone is said, with what it is and why, and shown as old.
    async fn the_gone_are_told(&mut self, moment: &str) {
        let told = |own: &Self, source: &Source| {
            let named = format!("{}: ", source_name(source, own.state.looked_at().0));
            let is_listed = concerns(&own.state)
                .iter()
                .any(|concern| concern.text.strip_prefix(&named).is_some_and(|why| why.contains(": ")));
            is_listed && own.heard(source).is_none_or(|(_, fresh)| fresh != Freshness::Live)
        };
        let begun = Instant::now();
        self.until(&format!("{moment}: what is gone is told"), SAID_WITHIN, |own| {
            let gone = own.sources().into_iter().filter(|(_, victim)| own.gone.contains_key(victim));
            gone.into_iter().all(|(source, _)| told(own, &source))
        })
        .await;
        println!("{moment}: told after {:?}", begun.elapsed());
    }

    /// Whoever is there is heard as ever, whoever else is gone. What SQL says is left aside where no new session begins, because
    /// there are no names, and where a failover is under way of which one side is gone: a demoted writer is rebuilt from the
    /// other.
    async fn the_others_go_on(&mut self, moment: &str) {
        self.until(&format!("{moment}: the others are fresh"), SAID_WITHIN, |own| {
            let gone = |victim| own.gone.contains_key(&victim);
            let alone = own.fails_over && (gone(Victim::Writer) || gone(Victim::Reader));
            let aside = gone(Victim::Dns) || alone;
            own.sources().into_iter().all(|(source, victim)| {
                own.gone.contains_key(&victim)
                    || (aside && matches!(source, Source::SqlInstance(_)))
                    || own.is_fresh(&source)
            })
        })
        .await;
    }

    async fn all_is_heard(&mut self, moment: &str) {
        let begun = Instant::now();
        self.until(&format!("{moment}: everything is heard"), HEARD_WITHIN, |own| {
            let through_the_endpoint = own.is_fresh(&Source::SqlEndpoint);
            through_the_endpoint && own.sources().into_iter().all(|(source, _)| own.is_fresh(&source))
        })
        .await;
        println!("{moment}: everything heard after {:?}", begun.elapsed());
    }

    /// Goes on for a while that chance chose.
    async fn a_moment(&mut self, rng: &mut fastrand::Rng) {
        let until = Instant::now() + Duration::from_millis(rng.u64(..1_200));
        while Instant::now() < until {
            self.turn().await;
        }
    }

    /// Nothing that is drawn of what is gone is in the colour of what is well: the partitions at every size, and the panes that
    /// tell of now. Timeline, load and log tell of the past as well, in whatever colours it had.
    fn nothing_is_green(&mut self) {
        for size in SIZES {
            // Title and sentence, and below them a line or a panel for the partition.
            let partitions = if size.1 == 24 { 1 } else { 6 };
            self.is_free_of_green(&self.draw(size), 3 + partitions);
        }
        for pane in [Pane::Steps, Pane::Pods, Pane::Queries] {
            (self.state.focus, self.state.zoomed) = (pane, true);
            for size in SIZES {
                self.is_free_of_green(&self.draw(size), usize::from(size.1) - 1);
            }
        }
        (self.state.focus, self.state.zoomed) = (Pane::Steps, false);
    }

    fn is_free_of_green(&self, buffer: &Buffer, rows: usize) {
        let green = Theme::default().palette.state.ok.0;
        let above = buffer.content.iter().take(rows * usize::from(buffer.area.width));
        let bad: String = above.filter(|cell| cell.fg == green).map(|cell| cell.symbol()).collect();
        assert!(bad.trim().is_empty(), "{:?} shows {bad:?} as well\n{}", self.state.focus, text(buffer));
    }
}

fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>() + "\n";
    (0..buffer.area.height).map(row).collect()
}

/// Has the cluster fail over, by a call that any client of RDS would send.
async fn fail_over(cluster: &str) {
    let config =
        aws_config::defaults(aws_config::BehaviorVersion::latest()).profile_name("Alpha002-Admin").load().await;
    let rds = aws_sdk_rds::Client::new(&config);
    rds.failover_db_cluster().db_cluster_identifier(cluster).send().await.unwrap();
}

/// Runs in the process that the other test starts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the environment that the test above gives it"]
async fn watches() {
    let seed =
        std::env::var("HONESTY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("HONESTY_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let cancel = CancellationToken::new();
    let cadence = tokio::sync::watch::channel(Cadence::only("stage".into(), Pace::Busy)).0;
    let mut cockpit = Cockpit::open(&cancel, &cadence).await;

    // One after the other, until half of them are gone; then the other half, in the middle of a failover.
    let mut victims = ALL;
    rng.shuffle(&mut victims);
    for (index, half) in victims.chunks(3).enumerate() {
        let moment = format!("without {half:?}");
        cockpit.fails_over = index == 1;
        if cockpit.fails_over {
            let cluster = cockpit.live().cluster.clone().unwrap().value.id;
            fail_over(&cluster).await;
        }
        for victim in half {
            cockpit.a_moment(&mut rng).await;
            cockpit.take_away(*victim).await;
        }
        cockpit.the_gone_are_told(&moment).await;
        cockpit.the_others_go_on(&moment).await;
        cockpit.give_back().await;
        cockpit.all_is_heard(&moment).await;
    }

    cockpit.fails_over = false;
    // Everything at once, until nothing that was said says anything of now.
    for victim in ALL {
        cockpit.take_away(victim).await;
    }
    cockpit.the_gone_are_told("without anybody").await;
    let silent = |own: &Cockpit, source: &Source| own.heard(source).is_none_or(|(_, fresh)| fresh == Freshness::Silent);
    cockpit
        .until("everything is silent", SAID_WITHIN, |own| {
            own.sources().into_iter().all(|(source, _)| silent(own, &source))
        })
        .await;
    cockpit.nothing_is_green();
    cockpit.give_back().await;
    cockpit.all_is_heard("after all").await;
    cancel.cancel();
}
