//! Situations about people and processes, which no answer of the site brings about: each is acted.

use std::process::Stdio;

use crate::rehearsal::{Rehearsal, findings, shipped};
use crate::support::{Cockpit, Place, ROLLOUT, wait_until};

/// How many are acted.
pub const COUNT: usize = 3;

type Act = fn() -> Vec<String>;

/// The act of a situation; what it finds wrong.
pub fn act(name: &str) -> Option<Act> {
    Some(match name {
        "no-go-ahead" => no_go_ahead,
        "cockpit-killed" => cockpit_killed,
        "two-operators" => two_operators,
        _ => return None,
    })
}

/// Everything in dev is green; stage stays locked until somebody says go.
fn no_go_ahead() -> Vec<String> {
    let place = Place::with_site(200);
    let mut wrong = Vec::new();
    let dev = place.run(&["exec", "--partition", "dev", "--all", "--yes", "--rollout", ROLLOUT]);
    if dev.code != 0 {
        wrong.push(format!("dev does not go through: {}", dev.err));
    }
    let before = place.ledger();
    let stage = ["exec", "--partition", "stage", "--step", "prerequisites", "--yes"];
    let refused = place.run(&stage);
    if refused.code != 3 || !refused.err.contains("dev") || !refused.err.contains("go-ahead") {
        wrong.push(format!("stage is not refused for want of dev's go-ahead: {refused:?}"));
    }
    let snapshot = place.run(&["exec", "--partition", "stage", "--step", "snapshot", "--yes"]);
    if snapshot.code != 3 {
        wrong.push(format!("stage's step 1 is not refused: {snapshot:?}"));
    }
    if place.ledger() != before {
        wrong.push("something was sent although it was refused".to_owned());
    }
    let word = place.run(&["exec", "--partition", "dev", "--step", "go-ahead", "--yes"]);
    let opened = place.run(&stage);
    if word.code != 0 || opened.code != 0 {
        wrong.push(format!("the go-ahead does not open stage: {word:?} {opened:?}"));
    }
    wrong
}

/// The rehearsal is killed while the deploy runs and again while the failover does; begun again it goes on, and nothing is
/// sent twice.
fn cockpit_killed() -> Vec<String> {
    let place = Place::new();
    let mut wrong = Vec::new();
    let rehearse = ["rehearse", "--rollout", ROLLOUT, "--auto", "--speed", "60", "--only", "dev", "--output", "json"];
    for moment in ["StartDeploy", "FailoverDBCluster"] {
        let mut cockpit = place.command(&rehearse);
        let mut cockpit = cockpit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        wait_until(moment, || place.address().is_some() && place.ledger().calls(moment) > 0);
        cockpit.kill().and_then(|()| cockpit.wait()).expect("it was alive");
    }
    let last = place.run(&rehearse);
    if last.code != 0 {
        wrong.push(format!("it does not go on to its end: {}", last.err));
    }
    wait_until("the site has ended", || place.address().is_none());
    wrong.extend(crate::judge::repeated(&crate::support::Ledger::left_in(&place.site()), |_| 1));
    if place.events("attempt-resumed") < 2 {
        wrong.push("what ran was not taken up again".to_owned());
    }
    let verified = place.run(&["verify"]);
    if verified.code != 0 {
        wrong.push(format!("the journal does not verify: {}", verified.err));
    }
    wrong.extend(killed_by_the_site());
    wrong
}

/// The shipped scenario, in which the site does the killing and whoever rehearses starts the cockpit again.
fn killed_by_the_site() -> Vec<String> {
    let rehearsal = Rehearsal::of(&shipped("cockpit-killed"), "dev");
    let Some(run) = rehearsal.run() else { return vec![format!("no result: {}", rehearsal.last_words())] };
    let mut wrong = Vec::new();
    if rehearsal.said.code != 0 {
        wrong.push(format!("exit {}: {}", rehearsal.said.code, rehearsal.last_words()));
    }
    let found = findings(&run);
    let named = found.iter().find(|found| found.situation() == Some("cockpit-killed") && found.step == "amm");
    if !named.is_some_and(|found| found.evidence().iter().any(|(source, _)| source.contains("journal"))) {
        wrong.push("that the session before was killed is not said by the journal's evidence".to_owned());
    }
    wrong.extend(crate::judge::repeated(&rehearsal.ledger(), |_| 1));
    wrong
}

/// While one operator holds the controls, another is told who does, fires nothing, and may look on.
fn two_operators() -> Vec<String> {
    let place = Place::with_site(100);
    let mut wrong = Vec::new();
    let mut first = Cockpit::start(&place, (120, 40), &["run", "--operator", "miguel"]);
    first.see("p  › Prerequisites");
    let before = place.ledger();
    let refused = place.run(&["exec", "--partition", "dev", "--step", "prerequisites", "--yes", "--operator", "jmp"]);
    if refused.code != 3 || !refused.err.contains("miguel") || !refused.err.contains("monitor") {
        wrong.push(format!("the second operator is not refused by the name of the first: {refused:?}"));
    }
    let mut second = Cockpit::start(&place, (120, 40), &["run", "--operator", "jmp"]);
    second.see("MONITOR");
    second.see("miguel");
    second.press("p");
    second.see_no("Enter chooses");
    if place.ledger() != before || place.events("attempt-started") != 0 {
        wrong.push("the second operator changed something".to_owned());
    }
    second.press("q");
    second.end();
    first.press("q");
    first.end();
    wrong
}
