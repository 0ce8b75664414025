//! A believable night of the shipped rollout, told as events and samples, stopped at the moments that the screen must
//! get right. Times and figures are those of the execution log where it shows them.

use std::time::Duration;

use aurora_cockpit::app::dialog::{Ask, Confirm, Dialog, Purpose};
use aurora_cockpit::app::log::{Level, LogLine, LogSource, level_of};
use aurora_cockpit::app::state::{Mode, Pane, State};
use aurora_cockpit::app::update::{Message, update};
use aurora_cockpit::config;
use aurora_cockpit::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use aurora_cockpit::runbook::event::{
    Action, ActionOutcome, Brief, Call, Disruption, Event, FailoverMeasure, Finding, Outcome, Record, Session,
};
use aurora_cockpit::runbook::ink::Painter;
use aurora_cockpit::runbook::names::{RunId, StepRef};
use aurora_cockpit::runbook::plan::Plan;
use aurora_cockpit::runbook::state::Run;
use aurora_cockpit::runbook::timeline::Zero;
use aurora_cockpit::watch::{Pace, Source};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};

use super::site::{self, Cluster};

/// The operator of that night.
pub const OPERATOR: &str = "jmp";

/// A moment of the night in local time (PDT, UTC-7): `at("23:16:22.104")`. After midnight, with its date.
pub fn at(clock: &str) -> Timestamp {
    let clock = if clock.contains('T') { clock.to_owned() } else { format!("2026-05-14T{clock}") };
    format!("{clock}-07:00").parse().expect("a time of day")
}

fn seconds(seconds: u64) -> SignedDuration {
    SignedDuration::from_secs(seconds as i64)
}

/// The night as it is told.
pub struct Night {
    run: Run,
    log: Vec<LogLine>,
}

impl Night {
    /// The rollout is announced; nothing has been fired.
    pub fn begin() -> Self {
        let (name, text) = config::SHIPPED;
        let mut plan = config::load_text(name, text, None).expect("the shipped rollout is well formed");
        for partition in &mut plan.partitions {
            partition.aws.account = Some("123456787890".to_owned());
        }
        let event = Event::RunStarted { run: RunId::new("pdev-479-20260514"), plan: Box::new(plan), simulated: true };
        let run = Run::begin(Record { seq: 1, at: at("10:30:00"), event }).expect("the first record");
        let mut night = Self { run, log: Vec::new() };
        let session = Session {
            operator: OPERATOR.to_owned(),
            host: "mac".to_owned(),
            pid: 4711,
            version: "0.1.0".to_owned(),
            user: None,
        };
        night.tell(at("10:30:01"), Event::SessionOpened { session });
        night
    }

    /// Tells an event; the run's own fold must take it.
    pub fn tell(&mut self, at: Timestamp, event: Event) {
        let seq = self.run.seq + 1;
        self.run.apply(Record { seq, at, event }).expect("the night is well told");
    }

    /// The plan of that night.
    pub fn plan(&self) -> &Plan {
        &self.run.plan
    }

    /// Fires a step.
    pub fn fire(&mut self, when: Timestamp, step: &StepRef) -> u32 {
        let attempt = self.run.step(step).expect("a step of the plan").2.attempts.len() as u32 + 1;
        self.tell(
            when,
            Event::AttemptStarted {
                step: step.clone(),
                attempt,
                by: OPERATOR.to_owned(),
                preconditions: Vec::new(),
                choice: None,
            },
        );
        attempt
    }

    /// Ends the running attempt.
    pub fn end(&mut self, when: Timestamp, step: &StepRef, attempt: u32, outcome: Outcome) {
        self.tell(when, Event::AttemptEnded { step: step.clone(), attempt, outcome });
    }

    /// A step that passes.
    pub fn pass(&mut self, partition: &str, step: &str, from: &str, took: u64) {
        let step = StepRef::new(partition, step);
        let attempt = self.fire(at(from), &step);
        self.end(at(from) + seconds(took), &step, attempt, Outcome::Passed);
    }

    /// A step that fails or is done in part.
    pub fn fail(&mut self, partition: &str, step: &str, from: &str, took: u64, outcome: Outcome) {
        let step = StepRef::new(partition, step);
        let attempt = self.fire(at(from), &step);
        self.end(at(from) + seconds(took), &step, attempt, outcome);
    }

    fn skip(&mut self, partition: &str, step: &str, when: &str, reason: &str) {
        let step = StepRef::new(partition, step);
        self.tell(
            at(when),
            Event::StepSkipped { step, reason: reason.to_owned(), by: OPERATOR.to_owned(), evidence: Vec::new() },
        );
    }

    fn go_ahead(&mut self, partition: &str, when: &str) {
        self.tell(at(when), Event::GoAhead { partition: partition.into(), by: OPERATOR.to_owned(), note: None });
    }

    fn measured(&mut self, partition: &str, accepted: &str, length_ms: u64, uncertainty_ms: u64) {
        let cluster = Cluster::of(&self.run.plan, partition);
        let disruption =
            Disruption { length: Duration::from_millis(length_ms), uncertainty: Duration::from_millis(uncertainty_ms) };
        self.tell(
            at(accepted) + seconds(60),
            Event::FailoverMeasured {
                partition: partition.into(),
                failover: FailoverMeasure {
                    accepted_at: at(accepted),
                    from: cluster.writer(),
                    to: cluster.reader(),
                    milestones: Vec::new(),
                    disruption: Some(disruption),
                    unplanned: false,
                },
            },
        );
    }

    /// Dev, through all its steps.
    pub fn dev(&mut self) {
        self.pass("dev", "prerequisites", "11:05:02", 18);
        self.pass("dev", "drift", "11:08:11", 7);
        self.pass("dev", "snapshot", "11:09:55", 241);
        let op = Finding::of("op-timeout-before-deploy", "amm.sh stopped at its first 1Password item");
        self.fail("dev", "amm", "11:15:29", 64, Outcome::Failed { finding: op });
        self.pass("dev", "amm", "11:37:15", 297);
        self.pass("dev", "dynamic", "11:51:40", 12);
        self.pass("dev", "reader", "11:57:20", 63);
        self.pass("dev", "failover", "12:03:03", 273);
        self.measured("dev", "12:03:03", 14_100, 300);
        self.pass("dev", "static", "12:10:31", 6);
        self.pass("dev", "chart", "12:36:02", 71);
        self.pass("dev", "statements", "12:38:40", 3);
        self.pass("dev", "delete-snapshot", "12:40:34", 2);
        self.pass("dev", "app", "12:41:10", 31);
        self.go_ahead("dev", "12:43:00");
    }

    /// Stage, up to its go-ahead.
    pub fn stage_green(&mut self) {
        self.pass("stage", "prerequisites", "12:45:02", 17);
        self.pass("stage", "drift", "12:46:11", 7);
        self.pass("stage", "snapshot", "12:49:13", 333);
        self.pass("stage", "amm", "14:34:03", 504);
        self.pass("stage", "dynamic", "14:44:40", 12);
        self.skip("stage", "reader", "14:50:00", "the deploy restarted it at 14:39");
        self.pass("stage", "failover", "14:54:59", 38);
        self.measured("stage", "14:54:59", 9_200, 200);
        self.pass("stage", "static", "14:56:31", 6);
        self.pass("stage", "chart", "14:58:00", 60);
        self.pass("stage", "statements", "15:00:40", 3);
        self.pass("stage", "delete-snapshot", "15:02:13", 2);
        self.pass("stage", "app", "15:05:10", 28);
    }

    /// Demo, through all its steps.
    pub fn demo(&mut self) {
        self.go_ahead("stage", "16:20:00");
        self.pass("demo", "prerequisites", "16:31:02", 17);
        self.pass("demo", "drift", "16:33:11", 7);
        self.pass("demo", "snapshot", "16:34:57", 213);
        self.pass("demo", "amm", "17:47:31", 324);
        self.pass("demo", "dynamic", "17:55:40", 12);
        self.skip("demo", "reader", "17:58:00", "the deploy restarted it at 17:09");
        self.skip("demo", "failover", "17:59:00", "the deploy restarted both instances");
        self.pass("demo", "static", "18:02:31", 6);
        self.pass("demo", "chart", "18:08:00", 86);
        self.pass("demo", "statements", "18:10:40", 3);
        self.pass("demo", "delete-snapshot", "18:19:13", 2);
        self.pass("demo", "app", "18:25:10", 30);
        self.go_ahead("demo", "22:02:00");
    }

    /// Prod, up to amm.sh.
    pub fn prod_to_amm(&mut self) {
        self.pass("prod", "prerequisites", "22:20:02", 17);
        self.pass("prod", "drift", "22:23:11", 12);
        self.pass("prod", "snapshot", "22:25:06", 338);
    }

    /// The insights trap of that night, as it ended.
    pub fn prod_amm_fails(&mut self) {
        let step = StepRef::new("prod", "amm");
        let attempt = self.fire(at("22:30:44"), &step);
        self.tell(
            at("22:30:45"),
            Event::ProgramStarted {
                step: step.clone(),
                attempt,
                directory: "~/.local/state/aurora-cockpit/runs/pdev-479-20260514/prod-amm-1".to_owned(),
                command_line: "./amm.sh --profile Admin-Alpha1 --region us-east-1 Alpha001 prod".to_owned(),
            },
        );
        let stack = |name: &str, verdict, seen: &str| {
            let mut check = Check::new(format!("stack-{name}"), format!("{name} completed"), "cloudformation", verdict)
                .expecting("UPDATE_COMPLETE")
                .seeing(seen);
            check.at = at("22:33:25");
            check
        };
        for check in [
            stack("Alpha001-Secrets", Verdict::Passed, "UPDATE_COMPLETE"),
            stack("Alpha001-prod-AuroraDBCluster", Verdict::Failed, "UPDATE_ROLLBACK_FAILED"),
            stack("Alpha001-prod-Ingress", Verdict::Warning, "not redeployed"),
            stack("Alpha001-prod-DnsConfiguration", Verdict::Warning, "not redeployed"),
        ] {
            self.tell(at("22:33:25"), Event::CheckSettled { step: step.clone(), attempt, check });
        }
        let seen = |source: &str, text: &str, when: &str| Evidence {
            source: source.to_owned(),
            text: text.to_owned(),
            at: at(when),
        };
        let finding = Finding::of(
            "rollback-failed",
            "Alpha001-prod-AuroraDBCluster is stuck in UPDATE_ROLLBACK_FAILED. The template sets 7 days of retention; the \
             live cluster is in Database Insights advanced, which needs 465 or more. The update was refused, and so was its \
             rollback. The database itself was not changed.",
        )
        .because(seen(
            "cloudformation",
            "UPDATE_ROLLBACK_FAILED: “PerformanceInsightsRetentionPeriod must be at least 465 in advanced mode”",
            "22:33:21",
        ))
        .because(seen("rds", "DatabaseInsightsMode=advanced, retention 465", "22:33:27"))
        .because(seen("rds", "group default.aurora-postgresql16, both db.t3.medium, available", "22:33:27"))
        .meaning("Customers are unaffected · the snapshot is still valid · Ingress and DnsConfiguration were not redeployed")
        .way_out(
            "set Database Insights to standard (modify-db-cluster, no downtime, seconds)\n\
             wait until the cluster is available: enhanced monitoring is reconfigured, ~2 min\n\
             continue-update-rollback on the stack\n\
             run amm.sh again: attempt 2 checks every stack of the partition",
        )
        .lever("insights-standard", None)
        .lever("continue-rollback", None)
        .again_after(Duration::from_secs(120));
        self.end(at("22:33:28"), &step, attempt, Outcome::Failed { finding });
    }

    /// Prod, up to the failover.
    pub fn prod_to_failover(&mut self) {
        self.prod_amm_fails();
        self.pass("prod", "amm", "22:57:25", 410);
        self.pass("prod", "dynamic", "23:05:20", 4);
        self.pass("prod", "reader", "23:06:15", 442);
    }

    /// Prod's failover, fired and accepted, with its checks as they stand 24 s later.
    pub fn prod_failover_runs(&mut self) {
        let step = StepRef::new("prod", "failover");
        let attempt = self.fire(at("23:16:21.900"), &step);
        let cluster = Cluster::of(&self.run.plan, "prod");
        let call = failover_call(&cluster);
        let key = "failover".to_owned();
        let action = Action { key: key.clone(), call, before: Default::default() };
        self.tell(at("23:16:21.912"), Event::Intent { step: step.clone(), attempt, action });
        let mark = Some("request 7c1e09d4-88a1".to_owned());
        let outcome = ActionOutcome::Accepted { mark };
        self.tell(at("23:16:22.104"), Event::ActionSettled { step: step.clone(), attempt, key, outcome });
        self.tell(at("23:16:22.110"), Event::Verifying { step: step.clone(), attempt });
        let check = |id: &str, label: &str, verdict, seen: &str, when: &str| {
            let mut check = Check::new(id, label, "witnesses", verdict).seeing(seen);
            check.at = at(when);
            check
        };
        for check in [
            check("moved", "writer moved after the call", Verdict::Passed, "reader1, 11.9 s", "23:16:34.020"),
            check("writes", "new writer accepts writes", Verdict::Passed, "T+16.0 s", "23:16:38.050"),
            check("agree", "witnesses agree, 3 rounds", Verdict::Settling, "5 of 6", "23:16:41.900"),
            check("cluster", "cluster available", Verdict::Settling, "failing-over", "23:16:35.310"),
            check("members", "both instances healthy", Verdict::Pending, "writer restarting", "23:16:26.240"),
            check("class", "no class swap by failover", Verdict::Warning, "5b follows", "23:16:44.400"),
        ] {
            let at = check.at;
            self.tell(at, Event::CheckSettled { step: step.clone(), attempt, check });
        }
    }

    /// Adds a line to the log.
    pub fn say(&mut self, when: &str, source: LogSource, partition: &str, text: &str) {
        let (level, text) = match text.split_at(2) {
            ("! ", rest) => (Level::Warning, rest),
            ("x ", rest) => (Level::Error, rest),
            _ => (Level::Info, text),
        };
        self.log.push(LogLine {
            at: at(when),
            source,
            partition: Some(partition.into()),
            level,
            text: text.to_owned(),
        });
    }

    /// The cockpit at that moment, with every partition watched quietly.
    pub fn state(self, now: &str) -> State {
        let mut state = State::new(self.run, Mode::Operator, at(now));
        for line in self.log {
            state.log.push(line);
        }
        let partitions: Vec<String> =
            state.run.plan.partitions.iter().map(|partition| partition.name.to_string()).collect();
        for partition in partitions {
            let cluster = Cluster::of(&state.run.plan, &partition);
            let moved = matches!(partition.as_str(), "dev" | "stage")
                && state.run.partition(&partition.as_str().into()).is_some_and(|run| !run.failovers.is_empty());
            let samples = site::quiet(&cluster, state.now, moved);
            let live = state.live.get_mut(partition.as_str()).expect("a partition of the plan");
            for sample in samples {
                live.take(sample);
            }
        }
        state
    }
}

fn failover_call(cluster: &Cluster) -> Call {
    let (id, target) = (&cluster.id, cluster.reader());
    Call {
        operation: "rds:FailoverDBCluster".to_owned(),
        target: "account 1234…7890 · us-east-1 · profile Admin-Alpha1".to_owned(),
        command_line: format!(
            "aws rds failover-db-cluster --db-cluster-identifier {id} --target-db-instance-identifier {target} --region \
             us-east-1 --profile Admin-Alpha1"
        ),
    }
}

/// Nothing fired yet; the first samples are in.
pub fn fresh_start() -> State {
    let mut night = Night::begin();
    night.say("10:30:00.412", LogSource::Cockpit, "dev", "run pdev-479-20260514 begins · the journal is new");
    night.say("10:30:01.003", LogSource::Cockpit, "dev", "jmp@mac holds the controls");
    night.state("10:30:12.300")
}

/// Nothing has answered yet.
pub fn first_second() -> State {
    let night = Night::begin();
    State::new(night.run, Mode::Operator, at("10:30:01.100"))
}

/// Stage waits for the operator's word.
pub fn waiting_for_go_ahead() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.say("15:05:10.220", LogSource::Cockpit, "stage", "9 Application health · attempt 1 by jmp");
    night.say("15:05:31.871", LogSource::App, "stage", "GET /api/items 200 in 512 ms");
    night.say(
        "15:05:38.104",
        LogSource::Cockpit,
        "stage",
        "9 Application health passed after 0:28 · 22 requests, median 399 ms",
    );
    night.state("15:06:02.000")
}

/// Demo is through; prod is next.
pub fn demo_is_through() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.state("20:58:00")
}

/// Prod's failover, 24 s after the accepted call.
pub fn failover() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_to_failover();
    night.prod_failover_runs();
    let said: [(&str, LogSource, &str); 9] = [
        ("23:16:21.900", LogSource::Cockpit, "5 Failover to reader1 · attempt 1 by jmp"),
        (
            "23:16:22.104",
            LogSource::Cockpit,
            "rds:FailoverDBCluster accepted · target alpha001-prod-auroraclusterreader1 · request 7c1e09d4-88a1",
        ),
        ("23:16:26.240", LogSource::Sql, "x writer endpoint: connection reset; asked every 250 ms"),
        (
            "23:16:34.020",
            LogSource::Sql,
            "alpha001-prod-auroraclusterreader1 says it is the writer (MASTER_SESSION_ID)",
        ),
        (
            "23:16:35.310",
            LogSource::Rds,
            "! RDS-EVENT-0073 Started cross AZ failover to DB instance: alpha001-prod-auroraclusterreader1",
        ),
        ("23:16:38.050", LogSource::Sql, "writer endpoint takes writes again · disruption 11.8 s ±0.3 s"),
        ("23:16:41.900", LogSource::Dns, "writer endpoint now leads to 10.31.4.18 (reader1)"),
        ("23:16:44.400", LogSource::App, "/signin 200 after 18.3 s of 503"),
        ("23:16:46.000", LogSource::Pods, "operations-f5956475d-x2m4k ready again"),
    ];
    for (when, source, text) in said {
        night.say(when, source, "prod", text);
    }
    let mut state = night.state("23:16:46.404");
    state.pace.insert("prod".into(), Pace::Failover);
    let cluster = Cluster::of(&state.run.plan, "prod");
    let live = state.live.get_mut("prod").expect("prod");
    *live = Default::default();
    let zero = at("23:16:22.104");
    for sample in site::failover(&cluster, zero, state.now) {
        // As the application does: T=0 is set when the call was accepted, before anything moves.
        if live.timeline.zero.is_none() && sample.at >= zero {
            live.timeline.start(Zero { at: zero, from: cluster.writer(), to: Some(cluster.reader()), fired: true });
        }
        live.take(sample);
    }
    state.focus = Pane::Timeline;
    state
}

/// Everything is late or silent: the network is gone for a minute and a half.
pub fn network_lost() -> State {
    let mut state = failover();
    state.now += SignedDuration::from_secs(95);
    state
}

/// amm.sh failed in prod; its details are open.
pub fn amm_failed() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_amm_fails();
    let said: [(&str, LogSource, &str); 4] = [
        ("22:30:44.100", LogSource::Cockpit, "2 amm.sh · attempt 1 by jmp"),
        ("22:33:21.640", LogSource::Program, "x Alpha001-prod-AuroraDBCluster | UPDATE_ROLLBACK_FAILED"),
        ("22:33:27.900", LogSource::Program, "x amm.sh: exit 1"),
        ("22:33:28.001", LogSource::Cockpit, "x 2 amm.sh failed after 2:44 · rollback-failed"),
    ];
    for (when, source, text) in said {
        night.say(when, source, "prod", text);
    }
    let mut state = night.state("22:33:28.904");
    state.dialog = Some(Dialog::Details { step: StepRef::new("prod", "amm"), scroll: 0 });
    state
}

/// The confirmation of prod's failover, its name half typed.
pub fn confirming_in_production() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_to_failover();
    let cluster = Cluster::of(&night.run.plan, "prod");
    let now = at("23:15:51");
    let holds = |text: &str, holds, age_ms| Precondition {
        text: text.to_owned(),
        holds,
        at: now - SignedDuration::from_millis(age_ms),
    };
    let brief = Brief {
        what: format!("Promote {} to writer of {}.", cluster.reader(), cluster.id),
        calls: vec![failover_call(&cluster)],
        preconditions: vec![
            holds("cluster available", Holds::Yes, 600),
            holds("reader1 available, db.r7g.large", Holds::Yes, 600),
            holds("reader1 in-sync, lag 8 ms", Holds::Yes, 1_200),
            holds("snapshot available", Holds::Yes, 900),
            holds("4 sessions idle in transaction on the writer", Holds::Mind, 1_400),
        ],
        feels: Some(
            "Writes fail for 10 to 35 s; requests in flight on the writer are lost; pools reconnect. dev took 14.1 s, stage \
             9.2 s."
                .to_owned(),
        ),
        then: Some("5b flushes the demoted writer (its class change stays queued through a failover), ~7:30".to_owned()),
        back: Some("Fail over again, to the former writer; restoring the snapshot is the last resort".to_owned()),
        type_name: Some(cluster.id.clone()),
        already_done: None,
        choices: Vec::new(),
    };
    let step = StepRef::new("prod", "failover");
    let opened = Event::ConfirmationOpened { step: step.clone(), request: 31, brief: Box::new(brief.clone()) };
    night.tell(at("23:15:50"), opened);
    let mut state = night.state("23:15:51");
    let mut confirm = Confirm::new(step, 31, brief);
    confirm.typed = "Alpha001-prod-Auro".to_owned();
    state.dialog = Some(Dialog::Confirm(Box::new(confirm)));
    state
}

/// A session without the controls looks at another partition than the one in hand, where sources are in trouble.
pub fn monitoring() -> State {
    let mut state = failover();
    let holder = state.run.session.clone();
    state.mode = Mode::Monitor(holder);
    state.follows = false;
    state.partition = 1;
    state.step = 6;
    state.focus = Pane::Steps;
    let cluster = Cluster::of(&state.run.plan, "stage");
    let now = state.now;
    let live = state.live.get_mut("stage").expect("stage");
    *live = Default::default();
    for sample in site::quiet(&cluster, now, true) {
        if !matches!(sample.source, Source::Load(_) | Source::Statements) {
            live.take(sample);
        }
    }
    for sample in site::in_trouble(&cluster, now - SignedDuration::from_secs(40)) {
        live.take(sample);
    }
    state
}

fn with_dialog(mut state: State, dialog: Dialog) -> State {
    state.dialog = Some(dialog);
    state
}

/// The log in its own pane, with a program's output in its colours behind the night's lines.
fn in_the_log() -> State {
    let mut state = failover();
    state.focus = Pane::Log;
    state.focus_chosen = true;
    let mut painter = Painter::default();
    let raw = "\x1b[1;34m==> 2.2.4 Secrets\x1b[0m\n\x1b[32mok\x1b[0m  Alpha001-prod-AuroraDBCluster \x1b[90m(no changes)\x1b[0m\n\
               \x1b[33mWARN\x1b[0m retrying in 5 s: Rate exceeded\n\x1b[31mERROR\x1b[0m could not resolve account\n";
    for (number, line) in painter.lines(&raw.repeat(20)).into_iter().enumerate() {
        let level = level_of(&line.text);
        let at = state.now - seconds(120) + SignedDuration::from_millis(number as i64 * 900);
        let partition = Some(if number % 5 == 0 { "stage".into() } else { "prod".into() });
        let text = line.text.clone();
        state.log.push_coloured(&LogLine { at, source: LogSource::Program, partition, level, text }, &line.stretches);
    }
    state
}

fn press(state: &mut State, keys: &[KeyCode]) {
    for key in keys {
        let seen = (0..state.log.passing()).rev().take(6).filter_map(|rank| state.log.at(rank)).map(|line| line.id);
        let seen = seen.collect::<Vec<u64>>().into_iter().rev().collect();
        if state.log.follows() {
            update(state, Message::Seen { log: seen }, OPERATOR);
        }
        update(state, Message::Drawn { fits: true, terminal: None }, OPERATOR);
        update(state, Message::Key(KeyEvent::new(*key, KeyModifiers::NONE)), OPERATOR);
    }
}

/// The log as its keys make it look.
fn log_moments() -> Vec<(&'static str, State)> {
    let typed = |words: &str| words.chars().map(KeyCode::Char).collect::<Vec<KeyCode>>();
    let moment = |name, keys: Vec<KeyCode>| {
        let mut state = in_the_log();
        press(&mut state, &keys);
        (name, state)
    };
    let mut paused = in_the_log();
    press(&mut paused, &[KeyCode::PageUp]);
    for number in 0..1_204 {
        let text = format!("line {number} of what came meanwhile");
        let line = LogLine {
            at: paused.now,
            source: LogSource::Program,
            partition: Some("prod".into()),
            level: Level::Info,
            text,
        };
        paused.log.push(line);
    }
    let mut zoomed = moment("log-coloured", vec![KeyCode::Char('z'), KeyCode::Char('b'), KeyCode::Char('t')]);
    zoomed.1.zoomed = true;
    vec![
        zoomed,
        moment("log-filtered", [typed("aee"), typed("t")].concat()),
        moment("log-searching", typed("/rate ex")),
        ("log-paused", paused),
        moment("log-choosing", [typed("o"), vec![KeyCode::Down, KeyCode::Char(' ')]].concat()),
        moment("log-help", typed("?")),
        moment("palette", typed(":")),
        moment("palette-typed", typed(":pro fail")),
    ]
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    let snapshot = StepRef::new("dev", "prerequisites");
    let skip = Dialog::Ask(Ask::new(
        Purpose::Skip(StepRef::new("prod", "failover")),
        "the maintenance window closes before it could end",
    ));
    let mut zoomed = failover();
    zoomed.zoomed = true;
    let mut moments = vec![
        ("first-second", first_second()),
        ("fresh-start", fresh_start()),
        ("waiting-for-go-ahead", waiting_for_go_ahead()),
        ("failover", failover()),
        ("failover-zoomed", zoomed),
        ("network-lost", network_lost()),
        ("monitoring", monitoring()),
        ("amm-failed", amm_failed()),
        ("confirming-in-production", confirming_in_production()),
        ("preparing", with_dialog(fresh_start(), Dialog::Preparing { step: snapshot, request: 1, choice: None })),
        ("skipping", with_dialog(failover(), skip)),
        ("help", with_dialog(fresh_start(), Dialog::Help { scroll: 0 })),
        ("concerns", with_dialog(network_lost(), Dialog::Concerns { scroll: 0 })),
        ("leaving", with_dialog(failover(), Dialog::Quit { leave: false })),
    ];
    moments.extend(super::trouble::moments());
    moments.extend(log_moments());
    moments.extend(super::queries::moments());
    moments.extend(super::moving::moments());
    moments.extend(super::load::moments());
    moments.extend(super::dialogs::moments());
    moments.extend(super::window::moments());
    moments
}
