#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::config;
use crate::runbook::check::{Check, Evidence, Verdict};
use crate::runbook::event::{
    Action, ActionOutcome, AppMeasure, AppRequest, Call, Disruption, Event, FailoverMeasure, Finding, Milestone,
    Moment, NoteKind, Outcome, Record, Session,
};
use crate::runbook::names::StepRef;
use crate::runbook::state::Run;
use crate::runbook::witness::Witness;

fn seal() -> Seal {
    Seal { records: 215, sum: "0123456789abcdef".repeat(4) }
}

/// Writes a run as the log's day went, in PDT.
struct Day {
    records: Vec<Record>,
}

fn at(clock: &str) -> Timestamp {
    let (date, clock) = if clock < "09" { ("2026-05-15", clock) } else { ("2026-05-14", clock) };
    format!("{date}T{clock}-07:00").parse().unwrap()
}

impl Day {
    fn begun() -> Self {
        let plan = config::load_text(config::SHIPPED.0, config::SHIPPED.1, None).unwrap();
        let mut day = Self { records: Vec::new() };
        let run = "pdev-479-20260514T180000Z".into();
        day.put("11:00:00", Event::RunStarted { run, plan: Box::new(plan), simulated: true });
        let (operator, host, version) = ("Miguel Pinilla".into(), "jmp-mac".into(), "0.1.0".into());
        day.put("11:00:00", Event::SessionOpened { session: Session { operator, host, pid: 1, version, user: None } });
        day
    }

    fn put(&mut self, clock: &str, event: Event) {
        let seq = self.records.len() as u64 + 1;
        self.records.push(Record { seq, at: at(clock), event });
    }

    fn starts(&mut self, clock: &str, step: &StepRef, attempt: u32) {
        let by = "Miguel Pinilla".into();
        self.put(
            clock,
            Event::AttemptStarted { step: step.clone(), attempt, by, preconditions: Vec::new(), choice: None },
        );
    }

    fn ends(&mut self, clock: &str, step: &StepRef, attempt: u32, outcome: Outcome) {
        self.put(clock, Event::AttemptEnded { step: step.clone(), attempt, outcome });
    }

    fn passes(&mut self, from: &str, to: &str, partition: &str, step: &str) {
        let step = StepRef::new(partition, step);
        self.starts(from, &step, 1);
        self.ends(to, &step, 1, Outcome::Passed);
    }

    fn run(self) -> Run {
        Run::from_records(self.records).unwrap()
    }
}

fn check(clock: &str, label: &str, expected: &str, seen: &str) -> Check {
    let check = Check::new(label, label, "SHOW", Verdict::Passed).expecting(expected).seeing(seen);
    Check { at: at(clock), ..check }
}

fn request(millis: u64, url: &str) -> AppRequest {
    AppRequest { method: "POST".into(), url: url.into(), status: 200, millis }
}

fn app(first: u64) -> AppMeasure {
    AppMeasure {
        by: "browser".into(),
        landed: Some("/items?justSignedIn=true".into()),
        timings: vec![("responseEnd".into(), first), ("domContentLoaded".into(), first + 207)],
        requests: vec![request(120, "/api/a"), request(536, "/api/b"), request(3463, "/api/c")],
        console_errors: vec!["[WorkspaceSwitcher] Zero workspaces | returned".into()],
        anomalies: vec!["401 /api/pylon/email-hash, retried to 200".into()],
        screenshot: Some("app-1.png".into()),
    }
}

/// dev as in the log up to its go-ahead, with two of amm.sh's attempts; then stage's snapshot, still running.
fn day() -> Run {
    let mut day = Day::begun();
    day.passes("11:01:00", "11:01:30", "dev", "prerequisites");
    let drift = StepRef::new("dev", "drift");
    day.starts("11:02:00", &drift, 1);
    let writer = check("11:02:03", "writer", "Alpha002-dev-AuroraClusterWriter", "alpha002-dev-auroraclusterwriter");
    day.put("11:02:03", Event::CheckSettled { step: drift.clone(), attempt: 1, check: writer });
    day.ends("11:02:10", &drift, 1, Outcome::Passed);
    let decided = "RDS lowercases identifiers: not a rename, <b>go on</b>";
    day.put(
        "11:05:00",
        Event::Noted {
            partition: Some("dev".into()),
            step: Some(drift.clone()),
            by: "Miguel Pinilla".into(),
            text: decided.into(),
            note: NoteKind::Decision,
            evidence: Vec::new(),
        },
    );
    let snapshot = StepRef::new("dev", "snapshot");
    day.starts("11:09:55", &snapshot, 1);
    let call = Call {
        operation: "rds:CreateDBClusterSnapshot".into(),
        target: "Alpha002, us-east-1".into(),
        command_line: "aws rds create-db-cluster-snapshot --db-cluster-identifier Alpha002-dev-AuroraCluster".into(),
    };
    let action = Action { key: "create".into(), call, before: Default::default() };
    day.put("11:09:55", Event::Intent { step: snapshot.clone(), attempt: 1, action });
    let outcome = ActionOutcome::Accepted { mark: None };
    day.put("11:09:56", Event::ActionSettled { step: snapshot.clone(), attempt: 1, key: "create".into(), outcome });
    day.ends("11:13:56", &snapshot, 1, Outcome::Passed);
    let amm = StepRef::new("dev", "amm");
    day.starts("11:15:29", &amm, 1);
    let seen = Evidence { at: at("11:16:33"), ..Evidence::now("amm.sh", "[ERROR] could not read secret") };
    let finding = Finding::of("op-timeout-before-deploy", "1Password did not answer before anything was deployed")
        .because(seen)
        .meaning("Nothing was deployed.")
        .way_out("Sign in with op, then try again.");
    day.ends("11:16:33", &amm, 1, Outcome::Failed { finding });
    day.starts("11:37:15", &amm, 2);
    day.ends("11:42:12", &amm, 2, Outcome::Passed);
    day.passes("11:51:00", "11:51:05", "dev", "dynamic");
    day.passes("11:57:20", "11:58:23", "dev", "reader");
    let failover = StepRef::new("dev", "failover");
    day.starts("12:03:03", &failover, 1);
    let measure = FailoverMeasure {
        accepted_at: at("12:03:03"),
        from: "alpha002-dev-auroraclusterwriter".into(),
        to: "alpha002-dev-auroraclusterreader1".into(),
        milestones: vec![Milestone {
            what: Moment::NamesWriter { instance: "alpha002-dev-auroraclusterreader1".into() },
            witness: Some(Witness::ApiWriter),
            after: SignedDuration::from_secs(31),
        }],
        disruption: Some(Disruption { length: Duration::from_millis(12_400), uncertainty: Duration::from_millis(200) }),
        unplanned: false,
    };
    day.put("12:07:36", Event::FailoverMeasured { partition: "dev".into(), failover: measure });
    day.ends("12:07:36", &failover, 1, Outcome::Passed);
    day.passes("12:10:00", "12:10:04", "dev", "static");
    day.passes("12:12:00", "12:13:10", "dev", "chart");
    day.passes("12:20:00", "12:20:02", "dev", "statements");
    day.passes("12:26:34", "12:26:36", "dev", "delete-snapshot");
    let health = StepRef::new("dev", "app");
    day.starts("12:37:00", &health, 1);
    day.put("12:37:20", Event::AppMeasured { partition: "dev".into(), app: app(4193) });
    day.ends("12:37:20", &health, 1, Outcome::Passed);
    day.put("12:43:00", Event::GoAhead { partition: "dev".into(), by: "Miguel Pinilla".into(), note: None });
    day.passes("12:44:00", "12:44:20", "stage", "prerequisites");
    day.passes("12:45:00", "12:45:05", "stage", "drift");
    day.starts("12:49:13", &StepRef::new("stage", "snapshot"), 1);
    day.run()
}

fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(heading).unwrap_or_else(|| panic!("no {heading} in:\n{text}"));
    let length = text[start + 1..].find("\n#").unwrap_or(text.len() - start - 1);
    &text[start..start + 1 + length]
}

#[test]
fn the_log_has_the_runbook_s_shape() {
    insta::assert_snapshot!(markdown(&day(), &seal()));
}

/// dev's drift checks: a remark, a failure, a lever, a skip over it on evidence, and something left to do.
fn trouble() -> Run {
    let mut day = Day::begun();
    day.passes("11:01:00", "11:01:30", "dev", "prerequisites");
    let (drift, lever) = (StepRef::new("dev", "drift"), StepRef::new("dev", "insights-standard"));
    let seen = |text: &str| Evidence { at: at("11:02:04"), ..Evidence::now("rds:DescribeDBClusters", text) };
    day.starts("11:02:00", &drift, 1);
    let remark = Finding::of("lowercased-ids", "identifiers differ by case only").because(seen("alpha002-dev"));
    day.put("11:02:04", Event::Remarked { step: drift.clone(), attempt: 1, finding: remark });
    let finding = Finding::of("insights-advanced", "insights are in advanced mode").because(seen("mode advanced"));
    day.ends("11:02:10", &drift, 1, Outcome::Failed { finding });
    day.starts("11:03:00", &lever, 1);
    day.ends("11:03:40", &lever, 1, Outcome::Passed);
    let (by, reason) = ("Miguel Pinilla".to_owned(), "the mode is standard now".to_owned());
    let evidence = vec![seen("mode advanced")];
    day.put("11:04:00", Event::StepSkipped { step: drift.clone(), reason, by: by.clone(), evidence });
    let (partition, text) = (Some("dev".into()), "set the mode in the template".to_owned());
    let (step, note, evidence) = (Some(drift), NoteKind::FollowUp, Vec::new());
    day.put("11:05:00", Event::Noted { partition, step, by, text, note, evidence });
    day.run()
}

#[test]
fn trouble_is_told_with_its_levers_and_what_was_decided() {
    let run = trouble();
    let text = markdown(&run, &seal());
    let step = section(&text, "### Drift checks — FAIL (insights-advanced)");
    assert!(step.contains("- Met (lowercased-ids): identifiers differ by case only"), "{step}");
    assert!(step.contains("- Seen: 11:02:04 PDT — rds:DescribeDBClusters: `mode advanced`"), "{step}");
    let lever = section(&text, "### Lever: Database Insights to standard — PASS");
    assert!(lever.contains("Start 11:03:00 PDT, end 11:03:40 PDT (40 s)"), "{lever}");
    let decisions = section(&text, "## Decisions");
    assert!(decisions.contains("Miguel Pinilla: skipped dev 0 Drift checks: the mode is standard now"), "{decisions}");
    assert!(decisions.contains("  - Shown:") && decisions.contains("`mode advanced`"), "{decisions}");
    let left = section(&text, "## Follow-ups");
    assert!(left.contains("- set the mode in the template (dev 0 Drift checks; Miguel Pinilla"), "{left}");
    let json = json(&run, &seal());
    assert_eq!(json["decisions"][0]["evidence"][0]["text"], "mode advanced");
    assert_eq!(json["follow_ups"][0]["text"], "set the mode in the template");
    let dev = &json["partitions"][0];
    assert_eq!((&dev["levers"][0]["id"], &dev["levers"][0]["state"]), (&"insights-standard".into(), &"passed".into()));
    assert_eq!(dev["steps"][1]["attempts"][0]["remarks"][0]["situation"], "lowercased-ids");
}

#[test]
fn each_attempt_has_its_times_and_what_was_found() {
    let text = markdown(&day(), &seal());
    let failed = section(&text, "### Step 2 — amm.sh — attempt 1 — FAIL (op-timeout-before-deploy)");
    assert!(failed.contains("Start 11:15:29 PDT, end 11:16:33 PDT (64 s)."), "{failed}");
    assert!(failed.contains("- Cause: 1Password did not answer before anything was deployed\n"), "{failed}");
    assert!(failed.contains("- Way out: Sign in with op, then try again.\n"), "{failed}");
    let passed = section(&text, "### Step 2 — amm.sh — attempt 2 — PASS");
    assert!(passed.contains("(4 min 57 s)"), "{passed}");
    let decision = section(&text, "### Drift checks — PASS");
    assert!(decision.contains(r"not a rename, \<b\>go on\</b\>"), "{decision}");
}

#[test]
fn the_time_of_people_is_kept_apart_from_the_time_of_machines() {
    let run = day();
    let times = times::of_partition(&run, &run.partitions[0]);
    let of = |step: &str| times.iter().find(|times| times.step.as_str() == step).unwrap().clone();
    assert_eq!(of("prerequisites").people, SignedDuration::ZERO, "what was before does not count");
    assert_eq!(of("amm").machine, SignedDuration::from_secs(64 + 297));
    // 93 s after the snapshot, and from the failure to the second attempt.
    assert_eq!(of("amm").people, SignedDuration::from_secs(93 + 1242));
    assert_eq!(of("go-ahead").people, SignedDuration::from_secs(340));
    let (machine, people) = times::sums(&times);
    let whole = at("12:43:00").duration_since(at("11:01:00"));
    assert_eq!(machine + people, whole, "every second of a partition is somebody's");
}

#[test]
fn a_later_partition_s_pages_stand_beside_the_earlier_ones() {
    let mut run = day();
    run.partitions[1].app = Some(app(598));
    let text = markdown(&run, &seal());
    let table = section(&text, "### Page timings");
    assert!(table.contains("| Metric | dev | stage |"), "{table}");
    assert!(table.contains("| `responseEnd` | 4193 ms | 598 ms |"), "{table}");
    assert!(section(&text, "### Backend requests").contains("| median | 536 ms | 536 ms |"), "{text}");
}

#[test]
fn json_says_the_same() {
    let json = json(&day(), &seal());
    let amm = &json["partitions"][0]["steps"][3];
    assert_eq!(amm["id"], "amm");
    assert_eq!(amm["state"], "passed");
    assert_eq!(amm["situations"], serde_json::json!(["op-timeout-before-deploy"]));
    assert_eq!(amm["attempts"][1]["seconds"], 297.0);
    assert_eq!(json["partitions"][0]["app"]["slow"][0]["millis"], 3463);
    assert_eq!(json["partitions"][0]["failovers"][0]["disruption"]["millis"], 12_400);
    assert_eq!(json["partitions"][1]["steps"][2]["state"], "running");
    assert_eq!(json["partitions"][1]["state"], "not-through");
    assert_eq!(json["through"], false);
}

#[test]
fn nothing_that_happened_at_night_is_dated_wrongly() {
    let mut day = Day::begun();
    day.passes("23:59:30", "23:59:40", "dev", "prerequisites");
    day.passes("00:00:10", "00:00:20", "dev", "drift");
    let text = markdown(&day.run(), &seal());
    assert!(text.contains("Start 23:59:30 PDT, end 23:59:40 PDT (10 s)"), "{text}");
    assert!(text.contains("Start 2026-05-15 00:00:10 PDT"), "{text}");
}

#[test]
fn control_sequences_and_tables_survive_hostile_text() {
    let mut day = Day::begun();
    let drift = StepRef::new("dev", "prerequisites");
    day.starts("11:01:00", &drift, 1);
    let text = "a\u{1b}[2J | b\n# heading `c";
    let evidence = Evidence { at: at("11:01:01"), ..Evidence::now("pod", text) };
    day.put("11:01:01", Event::Witnessed { step: drift.clone(), attempt: 1, evidence });
    day.ends("11:01:05", &drift, 1, Outcome::Passed);
    let text = markdown(&day.run(), &seal());
    assert!(!text.contains('\u{1b}'));
    assert!(!text.contains("\n# heading"), "{text}");
}
