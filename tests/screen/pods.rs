//! The application's pods, well and in trouble.

use std::time::Duration;

use aurora_cockpit::app::state::{Pane, State};
use aurora_cockpit::app::update::{Message, update};
use aurora_cockpit::clients::{Trouble, TroubleKind};
use aurora_cockpit::runbook::plan::StepKind;
use aurora_cockpit::ui::theme::Theme;
use aurora_cockpit::watch::sample::{
    EndedRun, ExternalView, Gap, Glimpse, InitView, PodLog, PodView, PodsView, Reading, RightsView, Sample, SecretView,
    Source,
};
use crossterm::event::KeyCode;
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;

use super::support::night;
use super::{SIZES, drawn, find, press, text};

/// The screen of a partition whose pods were just seen, with the keys on them.
struct Seen {
    state: State,
}

impl Seen {
    fn new() -> Self {
        let mut state = night::fresh_start();
        state.focus = Pane::Pods;
        Self { state }
    }

    fn ago(&self, seconds: i64) -> Timestamp {
        self.state.now - SignedDuration::from_secs(seconds)
    }

    fn pod(&self, name: &str, created: i64) -> PodView {
        PodView {
            name: format!("operations-{name}"),
            status: "Running".into(),
            ready: true,
            created: Some(self.ago(created)),
            started: Some(self.ago(created - 38)),
            image: "ghcr.io/arda-cards/operations:2.24.0".into(),
            takes_secret: true,
            ..PodView::default()
        }
    }

    fn view(&self, pods: Vec<PodView>) -> PodsView {
        PodsView {
            image: Some("ghcr.io/arda-cards/operations:2.24.0".into()),
            revision: Some("43".into()),
            wanted: 2,
            ready: pods.iter().filter(|pod| pod.ready).count() as u32,
            updated: 2,
            progress: Some("NewReplicaSetAvailable".into()),
            pods,
            secret: Some(SecretView {
                name: "be-sentry-dsn".into(),
                made: Glimpse::There(self.ago(640)),
                external: Glimpse::There(ExternalView {
                    ready: Some(true),
                    reason: Some("SecretSynced".into()),
                    message: Some("secret synced".into()),
                    refreshed: Some(self.ago(41)),
                }),
                at: self.ago(3),
            }),
            gaps: Vec::new(),
        }
    }

    fn say(&mut self, source: Source, said: Result<Reading, Trouble>) {
        let partition = self.state.looked_at().0.name.clone();
        let sample = Sample::new(partition, source, self.ago(2), Duration::from_millis(9), said);
        update(&mut self.state, Message::Sample(Box::new(sample)), night::OPERATOR);
    }

    fn pods(mut self, view: PodsView) -> Self {
        self.say(Source::Pods, Ok(Reading::Pods(view)));
        self
    }

    fn log(mut self, pod: &str, container: &str, before: bool, lines: Result<&[&str], Trouble>) -> Self {
        let lines = lines.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        let log = PodLog { pod: format!("operations-{pod}"), container: container.to_owned(), before, lines };
        self.say(Source::Log(log.pod.clone()), Ok(Reading::PodLog(log)));
        self
    }
}

const STARTED: &[&str] = &[
    "2026-05-14 19:37:01.120  INFO  c.a.operations.Application : Sentry SDK initialized",
    "2026-05-14 19:37:02.514  INFO  c.a.operations.Application : Started OperationsApplication in 31.2 seconds",
    "2026-05-14 19:37:05.001  WARN  c.z.hikari.pool.HikariPool : HikariPool-1 - Pool is cold",
];

fn healthy() -> Seen {
    let seen = Seen::new();
    let view = seen.view(vec![seen.pod("f5956475d-x2m4k", 600), seen.pod("f5956475d-7qk2d", 560)]);
    seen.pods(view).log("f5956475d-x2m4k", "operations", false, Ok(STARTED))
}

fn before_secret() -> Seen {
    let seen = Seen::new();
    let view = seen.view(vec![seen.pod("f5956475d-x2m4k", 600), seen.pod("f5956475d-7qk2d", 918)]);
    seen.pods(view).log("f5956475d-7qk2d", "operations", false, Ok(&["Sentry SDK disabled because no DSN was set"]))
}

fn crash_loop() -> Seen {
    let seen = Seen::new();
    let last = EndedRun { code: 137, reason: Some("OOMKilled".into()), finished: Some(seen.ago(65)) };
    let crashed = PodView {
        status: "CrashLoopBackOff".into(),
        ready: false,
        restarts: 4,
        last: Some(last),
        started: None,
        ..seen.pod("f5956475d-x2m4k", 600)
    };
    let mut view = seen.view(vec![crashed, seen.pod("f5956475d-7qk2d", 560)]);
    view.progress = Some("ProgressDeadlineExceeded".into());
    let said = ["java.lang.OutOfMemoryError: Java heap space", "FATAL the application ends"];
    seen.pods(view).log("f5956475d-x2m4k", "operations", true, Ok(&said))
}

fn init_waiting() -> Seen {
    let seen = Seen::new();
    let last = EndedRun { code: 1, reason: Some("Error".into()), finished: Some(seen.ago(12)) };
    let init = InitView { name: "create-item-db".into(), place: 3, of: 6, waits: Some("CrashLoopBackOff".into()) };
    let held = PodView {
        status: "Init:CrashLoopBackOff".into(),
        ready: false,
        restarts: 2,
        last: Some(last),
        started: None,
        init: Some(init),
        ..seen.pod("f5956475d-x2m4k", 95)
    };
    let runs = InitView { name: "create-kanban-db".into(), place: 5, of: 6, waits: None };
    let next = PodView {
        status: "Init:4/6".into(),
        ready: false,
        started: None,
        init: Some(runs),
        ..seen.pod("f5956475d-7qk2d", 95)
    };
    let mut view = seen.view(vec![held, next, seen.pod("6d8c7b9f4-aa1bb", 86_400)]);
    view.pods[2].takes_secret = false;
    view.updated = 2;
    if let Some(secret) = &mut view.secret {
        secret.made = Glimpse::Missing;
        secret.external = Glimpse::There(ExternalView {
            ready: Some(false),
            reason: Some("SecretSyncedError".into()),
            message: Some("could not get secret data from provider".into()),
            refreshed: None,
        });
    }
    let said =
        ["Creating database dev-operations.item_db", "ERROR:  permission denied to create extension \"pg_trgm\""];
    seen.pods(view).log("f5956475d-x2m4k", "create-item-db", true, Ok(&said))
}

fn denied(call: &str, resource: &str) -> Trouble {
    let message = format!("{resource} is forbidden: User \"operator\" cannot get resource \"{resource}\"");
    Trouble::new(call, TroubleKind::Denied, message).with_code("Forbidden")
}

fn not_permitted() -> Seen {
    let seen = Seen::new();
    let mut view = seen.view(vec![seen.pod("f5956475d-x2m4k", 600), seen.pod("f5956475d-7qk2d", 560)]);
    if let Some(secret) = &mut view.secret {
        secret.made = Glimpse::Unseen;
        secret.external = Glimpse::Unseen;
    }
    let gap = |what: &str, loses: &str, call: &str, resource: &str| Gap {
        what: what.into(),
        loses: loses.into(),
        trouble: denied(call, resource),
    };
    view.gaps = vec![
        gap(
            "metadata of secret be-sentry-dsn",
            "which pods are older than it is not seen",
            "kubernetes:GetSecret",
            "secrets",
        ),
        gap(
            "ExternalSecret be-sentry-dsn",
            "whether it is synced is not seen",
            "kubernetes:GetExternalSecret",
            "externalsecrets.external-secrets.io",
        ),
    ];
    seen.pods(view).log("f5956475d-x2m4k", "operations", false, Err(denied("kubernetes:GetPodLog", "pods/log")))
}

/// The pane alone: what stands around it is told elsewhere.
fn pane(buffer: &Buffer) -> String {
    let (x, y) = find(buffer, "application pods");
    let row = |y: u16| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<Vec<_>>();
    let left = (0..x).rev().find(|x| row(y)[usize::from(*x)] == "╭").expect("a corner");
    let right = (x..buffer.area.width).find(|x| row(y)[usize::from(*x)] == "╮").expect("a corner");
    let bottom = (y..buffer.area.height).find(|y| row(*y)[usize::from(left)] == "╰").expect("a corner");
    let rows = (y..=bottom).map(|y| row(y)[usize::from(left)..=usize::from(right)].concat());
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pods_say_how_they_are_at_every_size() {
    let cases = [
        ("healthy", healthy()),
        ("before-secret", before_secret()),
        ("crash-loop", crash_loop()),
        ("init-waiting", init_waiting()),
        ("not-permitted", not_permitted()),
    ];
    for (name, seen) in cases {
        for size in SIZES {
            let buffer = drawn(&seen.state, size, &Theme::default());
            insta::assert_snapshot!(format!("pods-{name}-{}x{}", size.0, size.1), pane(&buffer));
        }
    }
}

#[test]
fn the_pods_have_the_best_place_while_the_application_is_in_hand_and_nowhere_else() {
    let mut state = healthy().state;
    let names = |state: &State| text(&drawn(state, (200, 50), &Theme::default()));
    state.follows = false;
    let steps = &state.looked_at().0.steps;
    state.step = steps.iter().position(|step| matches!(step.kind, StepKind::Deploy(_))).expect("a deploy");
    state.focus = Pane::Steps;
    let seen = names(&state);
    assert!(seen.contains("application pods") && seen.contains("top queries"), "{seen}");
    assert!(!seen.contains("failover timeline"), "{seen}");
    // Whoever wants the timeline has it all the same.
    state.focus = Pane::Timeline;
    assert!(!names(&state).contains("application pods"));
    state.step = 0;
    state.focus = Pane::Steps;
    assert!(!names(&state).contains("application pods"));
    // Beside another step they take the place of load and queries, once the keys are theirs.
    state.focus = Pane::Queries;
    press(&mut state, KeyCode::Tab);
    assert_eq!(state.focus, Pane::Pods);
    let seen = names(&state);
    assert!(seen.contains("application pods") && !seen.contains("top queries"), "{seen}");
}

#[test]
fn pods_that_are_old_news_are_grey_and_say_why() {
    let theme = Theme::default();
    let mut seen = healthy();
    seen.state.now += SignedDuration::from_secs(300);
    seen.say(Source::Pods, Err(Trouble::new("kubernetes:ListPods", TroubleKind::NoAnswer, "nothing within 10 s")));
    for size in SIZES {
        let buffer = drawn(&seen.state, size, &theme);
        let shown = pane(&buffer);
        assert!(shown.contains("not read for") && shown.contains("nothing within 10 s"), "{shown}");
        let (x, y) = find(&buffer, "x2m4k");
        assert_eq!(buffer[(x, y)].fg, theme.palette.state.silent.0, "{shown}");
        let green = theme.palette.state.ok.0;
        let from = find(&buffer, "application pods").1;
        assert!(buffer.content.iter().skip(usize::from(from * size.0)).all(|cell| cell.fg != green), "{shown}");
    }
}

#[test]
fn what_may_not_be_seen_is_said_once() {
    let lines = |seen: &Seen, words: &str| seen.state.log.lines().filter(|line| line.text.contains(words)).count();
    let mut seen = not_permitted();
    for _ in 0..2 {
        let view = seen.state.live_here().and_then(|live| live.pods.clone()).expect("pods").value;
        let log = seen.state.live_here().and_then(|live| live.pod_log.clone()).expect("a log").value;
        seen = seen.pods(view);
        seen.say(Source::Log(log.pod.clone()), Ok(Reading::PodLog(log)));
        let gap = Some("role x is not in pg_monitor".to_owned());
        seen.say(Source::Rights, Ok(Reading::Rights(RightsView { gap })));
    }
    for words in ["secret be-sentry-dsn may not be read", "ExternalSecret be-sentry-dsn may not be read", "pg_monitor"]
    {
        assert_eq!(lines(&seen, words), 1, "{words}");
    }
    assert_eq!(lines(&seen, "the pods' logs may not be read"), 1);
}
