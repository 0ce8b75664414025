//! The same night where it went wrong: findings, ways out, levers, a program that asks, a partition that was taken back.

use aurora_cockpit::app::dialog::{Confirm, Dialog};
use aurora_cockpit::app::levers;
use aurora_cockpit::app::state::State;
use aurora_cockpit::app::terminal::{Emulator, ProgramEnd, Size, Terminal};
use aurora_cockpit::app::ways;
use aurora_cockpit::runbook::check::{Check, Evidence, Holds, Precondition, Verdict};
use aurora_cockpit::runbook::event::{Action, ActionOutcome, Brief, Call, Choice, Event, Finding, Outcome, Way};
use aurora_cockpit::runbook::names::StepRef;
use jiff::SignedDuration;

use super::night::{Night, OPERATOR, amm_failed, at};
use super::site::Cluster;

/// The same, without the details over it: the finding takes the best place.
pub fn amm_in_trouble() -> State {
    let mut state = amm_failed();
    state.dialog = None;
    state
}

/// The ways out of it.
pub fn ways_out() -> State {
    let mut state = amm_in_trouble();
    let step = StepRef::new("prod", "amm");
    let marked = ways::best(&ways::ways(&state, &step));
    state.dialog = Some(Dialog::Ways { step, marked, scroll: 0 });
    state
}

/// A step of which nobody knows what is wrong, with its ways out.
pub fn unknown() -> State {
    let mut night = Night::begin();
    night.dev();
    let step = StepRef::new("stage", "amm");
    night.pass("stage", "prerequisites", "12:45:02", 17);
    night.pass("stage", "drift", "12:46:11", 7);
    night.pass("stage", "snapshot", "12:49:13", 333);
    let finding = Finding::unknown("./amm.sh ended badly: exit 137").because(Evidence {
        source: "amm.sh".to_owned(),
        text: "Killed".to_owned(),
        at: at("12:57:58"),
    });
    let finding = finding.meaning("Nothing is in place that was not there before");
    night.fail("stage", "amm", "12:56:03", 117, Outcome::Failed { finding });
    let mut state = night.state("12:58:20");
    state.dialog = Some(Dialog::Ways { step, marked: 0, scroll: 0 });
    state
}

/// Prod's levers after the failover, with the snapshot gone, one that was pulled, and one that is offered.
pub fn levers() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_amm_fails();
    night.pass("prod", "insights-standard", "22:35:10", 96);
    let mut state = night.state("22:37:02");
    state.dialog = Some(Dialog::Levers { partition: "prod".into(), marked: 1 });
    state
}

/// Dev's levers at the end: the snapshot is deleted, and so are two of them.
pub fn levers_gone() -> State {
    let mut night = Night::begin();
    night.dev();
    let step = StepRef::new("dev", "delete-snapshot");
    let attempt = night.fire(at("12:44:10"), &step);
    let call = Call {
        operation: "rds:DeleteDBClusterSnapshot".to_owned(),
        target: "us-east-1".to_owned(),
        command_line: "aws rds delete-db-cluster-snapshot".to_owned(),
    };
    let key = "delete".to_owned();
    let action = Action { key: key.clone(), call, before: Default::default() };
    night.tell(at("12:44:11"), Event::Intent { step: step.clone(), attempt, action });
    let outcome = ActionOutcome::Accepted { mark: None };
    night.tell(at("12:44:12"), Event::ActionSettled { step: step.clone(), attempt, key, outcome });
    night.end(at("12:44:20"), &step, attempt, Outcome::Passed);
    let mut state = night.state("12:50:00");
    state.follows = false;
    state.partition = 0;
    let partition = "dev".into();
    let marked = levers::levers(&state, &partition).len() - 1;
    state.dialog = Some(Dialog::Levers { partition, marked });
    state
}

/// A lever's confirmation in production, its choice preselected by the finding.
pub fn confirming_a_lever() -> State {
    let mut night = Night::begin();
    night.dev();
    night.stage_green();
    night.demo();
    night.prod_to_amm();
    night.prod_to_failover();
    let cluster = Cluster::of(night.plan(), "prod");
    let writer = cluster.reader().to_string();
    let now = at("23:20:51");
    let holds =
        |text: &str, holds| Precondition { text: text.to_owned(), holds, at: now - SignedDuration::from_millis(800) };
    let command_line = format!("aws rds reboot-db-instance --db-instance-identifier {writer} --region us-east-1");
    let choice = |id: &str, label: String| Choice { id: id.to_owned(), label };
    let brief = Brief {
        what: format!("Reboot {writer}, the writer of {}.", cluster.id),
        calls: vec![Call {
            operation: "rds:RebootDBInstance".to_owned(),
            target: "account 1234…7890 · us-east-1 · profile Admin-Alpha1".to_owned(),
            command_line,
        }],
        preconditions: vec![
            holds("cluster available", Holds::Yes),
            holds("reader1 available", Holds::Yes),
            holds("reader1 is the writer", Holds::Mind),
        ],
        feels: Some("No writes for 10 to 15 s.".to_owned()),
        then: Some("Waits until it is back and in-sync; then try step 6 again.".to_owned()),
        back: Some("None is needed.".to_owned()),
        type_name: Some(cluster.id.clone()),
        already_done: None,
        choices: vec![
            choice(cluster.writer().as_str(), "writer, a reader now".to_owned()),
            choice(&writer, "reader1, the writer now".to_owned()),
        ],
    };
    let step = StepRef::new("prod", "reboot-instance");
    let opened = Event::ConfirmationOpened { step: step.clone(), request: 32, brief: Box::new(brief.clone()) };
    night.tell(at("23:20:50"), opened);
    let mut state = night.state("23:20:51");
    state.dialog = Some(Dialog::Confirm(Box::new(Confirm::new(step, 32, brief).wanting(Some(writer)))));
    state
}

/// A sign-in asks for its password, in colours and with a control sequence that must stay inside.
pub fn signing_in() -> State {
    let mut night = Night::begin();
    let lever = StepRef::new("dev", "sign-in-op");
    let finding = Finding::of("op-signed-out", "1Password is not signed in")
        .way_out("sign in, then try again")
        .lever("sign-in-op", None);
    night.fail("dev", "prerequisites", "11:05:02", 9, Outcome::Failed { finding });
    let attempt = night.fire(at("11:05:40"), &lever);
    night.tell(
        at("11:05:41"),
        Event::ProgramStarted {
            step: lever.clone(),
            attempt,
            directory: "programs/dev-sign-in-op-1".to_owned(),
            command_line: "op signin".to_owned(),
        },
    );
    let mut state = night.state("11:05:52");
    let mut emulator = Emulator::new(Size { rows: 17, columns: 76 });
    emulator.take(
        b"\x1b]0;a title\x07\x1b[1mSigning in to \x1b[36mteam.1password.com\x1b[0m\r\n\
          Enter the password for jmp@example.com at team.1password.com: ",
    );
    state.dialog = Some(Dialog::Terminal(Box::new(Terminal {
        step: lever,
        directory: "programs/dev-sign-in-op-1".to_owned(),
        command_line: "op signin".to_owned(),
        attachment: 1,
        emulator,
        ended: None,
    })));
    state
}

/// The same for one who only looks, after the sign-in's end.
pub fn signed_in() -> State {
    let mut state = signing_in();
    if let Some(Dialog::Terminal(terminal)) = &mut state.dialog {
        terminal.emulator.take(b"\r\nSigned in.\r\n");
        terminal.ended = Some(ProgramEnd { how: "exit 0".to_owned(), well: true });
    }
    state
}

/// Stage was taken back; demo and prod stay locked.
pub fn rolled_back() -> State {
    let mut night = Night::begin();
    night.dev();
    night.pass("stage", "prerequisites", "12:45:02", 17);
    night.pass("stage", "drift", "12:46:11", 7);
    night.pass("stage", "snapshot", "12:49:13", 333);
    let finding = Finding::of("aurora-stack-rolled-back", "Alpha002-stage-AuroraDBCluster was rolled back");
    night.fail("stage", "amm", "12:56:03", 117, Outcome::Failed { finding: finding.offering(Way::RollBack) });
    night.tell(
        at("13:02:10"),
        Event::RolledBack {
            partition: "stage".into(),
            by: OPERATOR.to_owned(),
            reason: "old group attached again by CloudFormation, verified by hand".to_owned(),
            evidence: Vec::new(),
        },
    );
    night.state("13:04:00")
}

/// A command that has been silent for too long, and met something on its way.
pub fn silent() -> State {
    let mut night = Night::begin();
    night.pass("dev", "prerequisites", "11:05:02", 18);
    night.pass("dev", "drift", "11:08:11", 7);
    night.pass("dev", "snapshot", "11:09:55", 241);
    let step = StepRef::new("dev", "amm");
    let attempt = night.fire(at("11:15:29"), &step);
    night.tell(
        at("11:15:30"),
        Event::ProgramStarted {
            step: step.clone(),
            attempt,
            directory: "programs/dev-amm-1".to_owned(),
            command_line: "./amm.sh Alpha002 dev".to_owned(),
        },
    );
    let finding = Finding::of("throttled", "CloudFormation throttled 3 calls; they were repeated more slowly");
    let check = Check::new("exit", "./amm.sh exits 0", "./amm.sh", Verdict::Pending);
    night.tell(at("11:15:31"), Event::CheckSettled { step: step.clone(), attempt, check });
    night.tell(at("11:16:02"), Event::Remarked { step, attempt, finding });
    night.state("11:19:20")
}

/// The moments by their names.
pub fn moments() -> Vec<(&'static str, State)> {
    vec![
        ("amm-in-trouble", amm_in_trouble()),
        ("ways-out", ways_out()),
        ("unknown", unknown()),
        ("levers", levers()),
        ("levers-gone", levers_gone()),
        ("confirming-a-lever", confirming_a_lever()),
        ("signing-in", signing_in()),
        ("signed-in", signed_in()),
        ("rolled-back", rolled_back()),
        ("silent", silent()),
    ]
}
